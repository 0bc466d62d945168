"""pith event."""

from typing import Annotated

import typer

from registry.cli import _output
from registry.cli._anchor import anchor
from registry.cli._boundary import note
from registry.cli._input import read_text
from registry.cli._options import AsJson, Home, Number, PastRotation, open_desk
from registry.cli.main import example, group
from registry.errors import NotFoundError, UsageError
from registry.protocol import schema
from registry.protocol.graph import Paper

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
    context: typer.Context, number: Number, as_json: AsJson = False, home: Home = None
) -> None:
    """Print id, type and time of the events about a record, in the order of their merge."""
    from registry.services.find import find_record, merged

    desk = open_desk(context, home)
    for event in merged(desk, find_record(desk, number).number).events:
        if as_json:
            _output.json_line(event.to_json())
        else:
            body = event.body
            _output.lines([f"{event.event_id}  {body.event_type}  {body.created_at.seconds}"])


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
