"""pith event."""

from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import _output
from registry.cli._anchor import anchor
from registry.cli._boundary import note
from registry.cli._input import read_text
from registry.cli._options import AsJson, Home, Number, PastRotation, Told, open_desk
from registry.cli.main import example, group
from registry.errors import NotFoundError, UsageError, printable, visible
from registry.protocol import schema
from registry.protocol.graph import Paper

if TYPE_CHECKING:
    from registry.services.desk import Desk

app = group("Signed events about records.")
add = group("Sign an event about a record and store it.")
app.add_typer(add, name="add")


@add.callback()
def _add() -> None:
    """Sign an event about a record and store it."""


@add.command(
    "graph-snapshot",
    epilog=example(
        'pith event add graph-snapshot arxiv:2401.00001 --title "On Names" \\',
        '  --abstract "We name." --authors "A. Author and B. Other"',
    ),
)
def graph_snapshot(
    context: typer.Context,
    number: Number,
    title: Annotated[str, typer.Option("--title", help="The title, as its source has it.")],
    abstract_file: Annotated[
        str | None,
        typer.Option("--abstract-file", metavar="FILE", help="The abstract from a file, - stdin."),
    ] = None,
    abstract: Annotated[str | None, typer.Option("--abstract", help="The abstract.")] = None,
    authors: Annotated[
        str, typer.Option("--authors", help="The authors, with commas between them.")
    ] = "",
    headline: Annotated[str, typer.Option("--headline", help="One line about the paper.")] = "",
    past_rotation: PastRotation = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Sign what is known of a paper: title, authors, the beginning of its abstract.

    Title and abstract must be the very ones of the record. A new snapshot supersedes
    the one before; one that says the same is not signed again. Prints the event's id.
    """
    from registry.services.append import add_graph_snapshot
    from registry.services.find import find_record

    if (abstract is None) == (abstract_file is None):
        raise UsageError("give --abstract or --abstract-file", code="usage.missing")
    text = read_text(abstract_file) if abstract_file is not None else abstract or ""
    paper = Paper(title=title, abstract=text, authors=authors, headline=headline)
    desk = open_desk(context, home)
    record = find_record(desk, number)
    at = desk.clock()
    signer = desk.signer(at, past_rotation)
    event, new = add_graph_snapshot(desk, signer, record, paper, at=at)
    if not new:
        note("the current snapshot says the same: nothing was signed")
    if as_json:
        _output.json_line({"event": event.to_json(), "new": new})
    else:
        _output.lines([event.event_id])


add.command("anchor", epilog=example("pith event add anchor arxiv:2401.00001 -o proof.json"))(
    anchor
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
