"""The root of the command tree. Groups are imported when they are used."""

import importlib
import io
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from registry import VERSION
from registry.cli._boundary import drop_broken, guarded, note

COMMANDS: Final = (
    "init",
    "demo",
    "mint",
    "number",
    "verify",
    "doctor",
    "record",
    "receipt",
    "event",
    "state",
    "bundle",
    "evidence",
    "party",
    "key",
    "rotation",
    "keyset",
    "ceremony",
    "shares",
    "reissue",
    "ingest",
    "job",
    "store",
)


class LazyGroup(TyperGroup):
    """A group whose commands are modules of this package, imported on use."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import one command, or None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"registry.cli.{cmd_name}")
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command

    def invoke(self, ctx: Any) -> int:
        """Run the command inside the boundary, before Typer's own handling of signals."""
        return guarded(lambda: super(LazyGroup, self).invoke(ctx) or 0)


def group(help_text: str) -> typer.Typer:
    """A Typer application in the manner of this project."""
    return typer.Typer(
        help=help_text,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


def example(*lines: str) -> str:
    """The end of a command's help: a command line that works, kept as it is laid out."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"pith {VERSION}\n")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option(
            "--home", help="The registry's folder (else PITH_HOME, else the platform's place)."
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Mint permanent names for records, sign receipts for them, verify what others signed.

    New here? `pith demo` shows everything on real published data and leaves nothing behind.
    """
    context.obj = context.obj or home


def run(arguments: list[str] | None = None, obj: object = None) -> int:
    """Run one command line and give its exit code."""
    command = typer.main.get_command(app)

    def start() -> int:
        try:
            code = command.main(arguments, prog_name="pith", standalone_mode=False, obj=obj)
        except TyperException as error:
            if type(error).__name__ == "NoArgsIsHelpError":
                sys.stderr.write(f"{error.format_message()}\n")
                return 2
            note(f"{error.format_message()} [usage]")
            note("hint: `pith --help`, or --help after the command, shows what there is")
            return 2
        return code if isinstance(code, int) else 0

    return guarded(start)


def main() -> NoReturn:
    """The entry point."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for the life of the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = run()
    drop_broken(sys.stderr)
    sys.exit(code)
