"""`pith event import` and `pith event export`: events that travel alone."""

from typing import Annotated

import typer

from registry.cli import _output
from registry.cli._boundary import complain, exit_code, note
from registry.cli._input import documents
from registry.cli._options import AsJson, Home, Number, Output, open_desk
from registry.cli._pins import trust_of
from registry.errors import NotFoundError, PithError, VerificationError, printable, shown
from registry.protocol.trust import Terms


def import_(
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Events, one JSON document or one a line."),
    ],
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Take events that enrolled third parties signed, and store them beside ours.

    Checked: who is enrolled with which key and may sign what, every signature, the quotas (256
    events and 1 MiB of one party about one record), and that nobody contradicts himself. What
    is unproven, invalid, from the future or a fork is kept apart (`pith event list
    --quarantined`). Nothing is countersigned: the next bundle has the events as they are.
    Prints the ids of the new ones; exits with the class of the first that was not taken.
    """
    from registry.services.event_import import import_party_events

    desk = open_desk(context, home)
    trust = trust_of(context, None, home)
    code = 0
    for path in files:
        terms = Terms(trust.pins, desk.clock(), trust.max_ahead)
        try:
            found = [(item.where, item.data) for item in documents(path)]
        except PithError as unread:
            complain(unread)
            code = code or exit_code(unread)
            continue
        outcome = import_party_events(desk, terms, path, found)
        for where, error in outcome.refused:
            complain(error, where or f"{printable(path)}: ")
            code = code or exit_code(error)
        for row in outcome.quarantined:
            note(f"{row.name} is {row.verdict} and kept apart: {row.reason} [{row.code}]")
            code = code or exit_code(VerificationError("", code=""))
        new = [event.event_id for taken in outcome.taken for event in taken.new]
        if as_json:
            known = sum(taken.known for taken in outcome.taken)
            apart = [row.name for row in outcome.quarantined]
            told = {"file": path, "new": new, "known": known, "quarantined": apart}
            _output.json_line(told | {"refused": [error.code for _, error in outcome.refused]})
        else:
            _output.lines(new)
    return code


def export(
    context: typer.Context,
    number: Number,
    signer: Annotated[
        str | None, typer.Option("--signer", metavar="ID", help="Only what this one signed.")
    ] = None,
    output: Output = None,
    home: Home = None,
) -> None:
    """Print the signed events about a record, one a line, in the order of their merge."""
    from registry.services.find import find_record, merged

    desk = open_desk(context, home)
    events = [
        event
        for event in merged(desk, find_record(desk, number).number).events
        if signer in (None, event.body.signer.signer_id)
    ]
    if not events:
        raise NotFoundError(f"{shown(signer)} said nothing about it", code="event.absent")
    _output.document(b"".join(event.canonical + b"\n" for event in events), output)
