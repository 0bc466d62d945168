"""The one place where failures become exit codes and lines on stderr."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TextIO

import typer

from registry.cli._progress import LINE
from registry.errors import (
    ConfigError,
    ConflictError,
    KeyUnavailableError,
    MalformedError,
    NotFoundError,
    PithError,
    StoreError,
    UsageError,
    VerificationError,
    visible,
)

EXIT_CONFLICT: Final = 6
EXITS: Final = (
    (UsageError, 2),
    (ConfigError, 2),
    (MalformedError, 3),
    (VerificationError, 4),
    (NotFoundError, 5),
    (ConflictError, EXIT_CONFLICT),
    (KeyUnavailableError, 7),
    (StoreError, 8),
)
EXIT_ATTENTION: Final = 9
EXIT_INTERRUPTED: Final = 130


def exit_code(error: PithError) -> int:
    """The exit code of a failure's class."""
    return next(code for kind, code in EXITS if isinstance(error, kind))


def complain(error: PithError, where: str = "", *, hint: bool = True) -> None:
    """One line on stderr for a failure, and one for its hint."""
    note(f"{where}{error} [{error.code}]")
    if error.hint and hint:
        note(f"hint: {error.hint}")


def note(text: str) -> None:
    """A line of prose on stderr; nobody to read it is no failure."""
    with suppress(OSError):
        LINE.clear()
        sys.stderr.write(f"pith: {visible(text)}\n")


def guarded(run: Callable[[], int]) -> int:
    """Run a command and give its exit code, whatever a user can cause on the way."""
    try:
        if sys.stdout is None:
            raise StoreError("stdout is closed", code="output.write")
        code = run()
        sys.stdout.flush()
        return code
    except PithError as error:
        complain(error)
        return exit_code(error)
    except typer.Abort:
        note("stopped: nothing was typed, or not the word")
        return EXIT_INTERRUPTED
    except KeyboardInterrupt:
        note("interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        drop_broken(sys.stdout)
        return EXIT_INTERRUPTED
    except OSError as error:
        if error.filename is not None:
            raise
        drop_broken(sys.stdout)
        note(f"cannot write the output: {error.strerror} [output.write]")
        return dict(EXITS)[StoreError]


def drop_broken(stream: TextIO) -> None:
    """Point a stream that can no longer be written where the last flush cannot fail again."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
