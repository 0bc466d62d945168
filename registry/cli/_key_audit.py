"""pith key audit."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import _output
from registry.cli._boundary import EXIT_CONFLICT, complain, exit_code, note
from registry.cli._input import read_bytes
from registry.cli._options import AsJson, Home, open_desk
from registry.errors import shown
from registry.protocol.checks import counted

if TYPE_CHECKING:
    from registry.services.audit import Audit, Sighting


def audit(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE...]",
            help="What was seen outside: bundles, events, receipts, key sets, signers lists, "
            "transcripts, requests and responses of ceremonies, evidence; or several, one a line.",
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write all of it as one page, to be printed."),
    ] = None,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Compare the journal of signatures with the store, and with documents seen outside.

    Prints how many signatures each key made, by month and kind; every version of the key
    set and the act that made it; every act on a key, drill, ceremony and approval; and what
    imports kept apart that our keys signed. A signature seen outside that verifies under a
    key of ours and has no line in the journal was not made here: that is the alarm for a
    stolen key. Exits 6 when anything does not agree.
    """
    from registry.cli._audit_view import audit_html, audit_json, audit_lines
    from registry.services.audit import audit

    desk = open_desk(context, home)
    at = desk.clock()
    found = audit(desk, [(path, read_bytes(path)) for path in files or []])
    _tell(found)
    if files:
        note(f"{counted(found.seen, 'signature')} of our keys in what was given")
    if page is not None:
        _output.document(audit_html(found, registry=desk.registry, at=at).encode(), page)
    if as_json:
        _output.json_line(audit_json(found))
    elif page is None or str(page) != "-":
        _output.lines(audit_lines(found))
    if not found.ok:
        return EXIT_CONFLICT
    return exit_code(found.refused[0][1]) if found.refused else 0


def _tell(found: "Audit") -> None:
    """The alarms and disagreements, on stderr: nothing that is printed later can hide them."""
    for each in found.unknown:
        note(_alarm(each))
    if found.unknown:
        note("hint: treat the key as stolen: keys/README.md, The compromise day")
    if found.unknown and found.restored:
        note(
            "hint: this home was made anew: what was published before, and is not imported yet, "
            "is not in its journal either; `pith bundle import` it first"
        )
    for kind, digest in (*found.unjournaled, *found.undocumented):
        note(f"journal and store do not agree about the {kind} {digest} [audit.journal]")
    for where, error in found.refused:
        complain(error, f"{shown(where)}: ")


def _alarm(each: "Sighting") -> str:
    what, where = each.claim.what, shown(each.where)
    text = f"ALARM: the {what} in {where} is signed by {each.key_id}, and the journal does not"
    if each.claim.kind == "keyset":
        return (
            f"{text} know it: the gravest there is, for whoever made it says which keys verifiers "
            "are to trust [audit.unknown_keyset]"
        )
    return f"{text} know it [audit.unknown]"
