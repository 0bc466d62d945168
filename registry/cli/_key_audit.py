"""pith key audit."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import _output
from registry.cli._boundary import EXIT_CONFLICT, note
from registry.cli._input import read_bytes
from registry.cli._options import AsJson, Home, open_desk
from registry.errors import printable, shown

if TYPE_CHECKING:
    from registry.services.audit import Audit


def audit(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE...]", help="Bundles or events of this registry that were seen outside."
        ),
    ] = None,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Compare the journal of signatures with the store, and with documents seen outside.

    Prints how many signatures each key made, by month and kind, and every act on a
    key. A signature seen outside that verifies under a key of ours and has no line in the
    journal was not made here: that is the alarm for a stolen key. Exits 6 when
    anything does not agree.
    """
    from registry.services.audit import audit

    desk = open_desk(context, home)
    outside = [(path, read_bytes(path)) for path in files or []]
    found = audit(desk, outside, at=desk.clock())
    if as_json:
        _output.json_line(
            {
                "ok": found.ok,
                "signatures": [
                    {"key_id": key_id, "month": month, "kind": kind, "count": count}
                    for (key_id, month, kind), count in found.counts.items()
                ],
                "acts": [
                    {"act": a.act, "key_id": a.key_id, "reason": a.reason, "at": a.at.seconds}
                    for a in found.acts
                ],
                "unjournaled": [{"kind": k, "digest": d} for k, d in found.unjournaled],
                "undocumented": [{"kind": k, "digest": d} for k, d in found.undocumented],
                "unknown": [unknown.to_json() for unknown in found.unknown],
            }
        )
    else:
        _output.lines(_told(found))
    for unknown in found.unknown:
        note(
            f"ALARM: the {unknown.what} in {shown(unknown.where)} is signed by {unknown.key_id}, "
            "and the journal does not know it [audit.unknown]"
        )
    if found.unknown:
        note("hint: treat the key as stolen: keys/README.md, The day after a theft")
    for kind, digest in (*found.unjournaled, *found.undocumented):
        note(f"journal and store do not agree about the {kind} {digest} [audit.journal]")
    return 0 if found.ok else EXIT_CONFLICT


def _told(found: "Audit") -> Iterator[str]:
    for (key_id, month, kind), count in found.counts.items():
        yield f"{key_id}  {month}  {kind}  {count}"
    for act in found.acts:
        yield f"{act.key_id}  {act.at.seconds}  {act.act}: {printable(act.reason)}"
