"""pith event."""

from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import _event_commands, _event_forms, _event_import, _output
from registry.cli._anchor import anchor
from registry.cli._options import AsJson, Home, Told, open_desk
from registry.cli.main import example, group
from registry.errors import NotFoundError, UsageError, printable, visible
from registry.protocol import schema

if TYPE_CHECKING:
    from registry.services.desk import Desk

app = group("Signed events about records.")
add = group("Sign an event about a record and store it.")
sign = group("Sign an event about a record as somebody who is not its registry.")
app.add_typer(add, name="add")
app.add_typer(sign, name="sign")


@add.callback()
def _add() -> None:
    """Sign an event about a record and store it."""


@sign.callback()
def _sign() -> None:
    """Sign an event about a record as somebody who is not its registry: no home is needed."""


for _form in (_event_forms.GRAPH_SNAPSHOT, *_event_forms.FORMS):
    _event_commands.add_command(add, _form)
for _form in _event_forms.FORMS:
    _event_commands.sign_command(sign, _form)


add.command("anchor", epilog=example("pith event add anchor arxiv:2401.00001 -o proof.json"))(
    anchor
)


app.command("import", epilog=example("pith event import event.json"))(_event_import.import_)
app.command(epilog=example("pith event export arxiv:2401.00001 -o events.jsonl"))(
    _event_import.export
)


@app.command("list", epilog=example("pith event list arxiv:2401.00001"))
def list_(
    context: typer.Context,
    number: Annotated[
        str | None, typer.Argument(metavar="[NUMBER]", help="The record, as for the others.")
    ] = None,
    registry: Told = None,
    quarantined: Annotated[
        bool,
        typer.Option("--quarantined", help="Instead: what imports kept apart, and why."),
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Print id, type and time of the events about a record, in the order of their merge.

    With --quarantined, print every event and bundle that an import did not take: its name,
    what is wrong with it, and where it came from. None of it is part of any record.
    """
    from registry.services.find import find_record, merged

    desk = open_desk(context, home)
    if quarantined:
        _list_quarantined(desk, as_json=as_json)
        return
    if number is None:
        raise UsageError("give NUMBER or --quarantined", code="usage.missing")
    record = find_record(desk, number, registry)
    for event in merged(desk, record.number, registry).events:
        if as_json:
            _output.json_line(event.to_json())
        else:
            body = event.body
            _output.lines([f"{event.event_id}  {body.event_type}  {body.created_at.seconds}"])


def _list_quarantined(desk: "Desk", *, as_json: bool) -> None:
    for row in desk.store.quarantined():
        if as_json:
            _output.json_line(row.to_json())
        else:
            told = f"{row.name}  {row.kind}  {row.verdict}  {row.code}  {row.at.seconds}"
            _output.lines([f"{told}  {printable(row.source)}  {visible(row.reason)}"])


@app.command(
    epilog=example(
        "pith event show sha256:e9c2f2246aad3d79bf45e21fc8d9ac17ed818ff1e1fb70753d91097c158f9318"
    )
)
def show(
    context: typer.Context,
    event_id: Annotated[str, typer.Argument(metavar="EVENT_ID", help="sha256: and 64 hex digits.")],
    home: Home = None,
) -> None:
    """Print one event in its canonical bytes."""
    desk = open_desk(context, home)
    event = desk.store.find_event(
        schema.event_id("sha256:" + event_id.removeprefix("sha256:"), "EVENT_ID")
    )
    if event is None:
        raise NotFoundError(f"no event {event_id}", code="event.absent")
    _output.raw(event.canonical + b"\n")
