"""pith event add anchor."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import _output
from registry.cli._boundary import note
from registry.cli._input import read_bytes
from registry.cli._options import AsJson, Home, PastRotation, open_desk
from registry.errors import NotFoundError, UsageError
from registry.protocol import schema
from registry.protocol.canonical import canonical
from registry.protocol.checks import counted
from registry.protocol.evidence import Proof

if TYPE_CHECKING:
    from registry.protocol.evidence import Sealed
    from registry.protocol.instant import Instant
    from registry.protocol.record import Record
    from registry.services.desk import Desk


def anchor(
    context: typer.Context,
    number: Annotated[
        str | None,
        typer.Argument(metavar="[NUMBER]", help="Date the receipt of this record."),
    ] = None,
    event: Annotated[
        str | None, typer.Option("--event", metavar="EVENT_ID", help="Date this event.")
    ] = None,
    bundle: Annotated[
        str | None, typer.Option("--bundle", metavar="FILE", help="Date this bundle.")
    ] = None,
    daily: Annotated[
        bool,
        typer.Option(
            "--daily",
            help="Date all events and bundles that are not dated yet, by one list. For cron: "
            "needs no key.",
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Write the timestamp here too, for `pith verify --evidence`."
        ),
    ] = None,
    past_rotation: PastRotation = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Have the timestamp authority of the config say that a document exists by now.

    What is dated before a key is stolen stays proven after. A receipt, event or bundle gets
    an event with the timestamp, whose id is printed; --daily keeps a list with its timestamp
    and prints the list's digest, day and length. What is dated already is not dated again.
    """
    if sum((number is not None, event is not None, bundle is not None, daily)) != 1:
        raise UsageError(
            "give one of NUMBER, --event, --bundle and --daily",
            code="usage.together",
        )
    desk = open_desk(context, home)
    at = desk.clock()
    if daily:
        _daily(desk, at, output, as_json)
        return
    record, document, target = _asked(desk, number, event, bundle, at)
    from registry.services.anchor import add_anchor

    found, new = add_anchor(desk, desk.signer(at, past_rotation), record, document, target, at=at)
    if not new:
        note("it is dated already: nothing was signed")
    if as_json:
        _output.json_line({"event": found.to_json(), "new": new})
    else:
        _output.lines([found.event_id])
    if output is not None:
        _output.document(_written(Proof(found.body.payload)), output)


def _daily(desk: "Desk", at: "Instant", output: Path | None, as_json: bool) -> None:
    from registry.services.anchor import add_checkpoints

    written = b""
    for proof in add_checkpoints(desk, at=at):
        written += _written(proof)
        documents = () if proof.checkpoint is None else proof.checkpoint.documents
        if as_json:
            said = {"documents": len(documents), "day": at.seconds[:10]}
            _output.json_line(said | {"checkpoint_sha256": proof.sha256, "anchor": proof.anchor})
        else:
            how_many = counted(len(documents), "document")
            _output.lines([f"{proof.sha256}  {at.seconds[:10]}  {how_many}"])
    if not written:
        note("every event and bundle is dated already: nothing was asked for")
    elif output is not None:
        _output.document(written, output)


def _written(proof: Proof) -> bytes:
    return canonical(proof.to_json()) + b"\n"


def _asked(
    desk: "Desk", number: str | None, event: str | None, bundle: str | None, at: "Instant"
) -> "tuple[Record, Sealed, str]":
    """The record, the document that is to be dated, and the target of the event."""
    from registry.services.anchor import known_bundle
    from registry.services.find import find_record
    from registry.services.mint import receipt_of

    if bundle is not None:
        return *known_bundle(desk, read_bytes(bundle), at=at), "record"
    if number is not None:
        record = find_record(desk, number)
        return record, receipt_of(desk, record), "record"
    event_id = schema.event_id("sha256:" + (event or "").removeprefix("sha256:"), "--event")
    found = desk.store.find_event(event_id)
    if found is None:
        raise NotFoundError(
            f"no event {event_id}", code="event.absent", hint="`pith event list` shows them"
        )
    return find_record(desk, str(found.body.subject)), found, f"event:{event_id}"
