"""The options and arguments that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from registry.app import App
    from registry.services.desk import Desk

Home: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--home", help="The registry's folder (else PITH_HOME, else the platform's place)."
    ),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Number: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="NUMBER",
        help="A pith number, the beginning of its suffix (8, 12 or 16 characters), "
        "an arxiv: id or a DOI.",
    ),
]
PastRotation: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--past-rotation",
        metavar="REASON",
        help="Sign although the key's promised rotation is past; the reason is kept.",
    ),
]
Output: TypeAlias = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write to this file instead of stdout.")
]


def the_app(context: typer.Context, home: Path | None) -> "App":
    """The App of this run. Commands that need no home never import it, nor the stores."""
    from registry.app import App, default_home

    given = context.obj
    if home is None and isinstance(given, App):
        return given
    return App((home or given or default_home()).absolute())


def open_desk(context: typer.Context, home: Path | None) -> "Desk":
    """The registry a command works at."""
    return the_app(context, home).open()
