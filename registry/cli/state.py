"""pith state."""

import typer

from registry.cli import _output
from registry.cli._options import Home, Number, Output, Told, open_desk
from registry.cli.main import example, group
from registry.protocol.bundle import served_bytes

app = group("The merged state of a record's events.")


@app.callback()
def _state() -> None:
    """The merged state of a record's events."""


@app.command(epilog=example("pith state show arxiv:2401.00001"))
def show(
    context: typer.Context,
    number: Number,
    registry: Told = None,
    output: Output = None,
    home: Home = None,
) -> None:
    """Print the state that the events about a record come to, as its bundle holds it."""
    from registry.services.bundle import build_state
    from registry.services.find import find_record

    desk = open_desk(context, home)
    state = build_state(desk, find_record(desk, number, registry), registry)
    _output.document(served_bytes(state), output)
