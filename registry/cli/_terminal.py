"""The controlling terminal, for what must stand on no other stream and stay on no screen."""

import getpass
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from registry.errors import UsageError, visible

_SCREEN: Final = "\x1b[?1049h"
_CLEAR: Final = "\x1b[H\x1b[2J\x1b[3J"
_BACK: Final = "\x1b[?1049l"


class Terminal:
    """The terminal of the person at the keyboard, whatever stdin and stdout are."""

    def __init__(self) -> None:
        """Raises UsageError ``terminal.none`` where there is none."""
        self._check()

    def _check(self) -> None:
        try:
            os.close(self._open())
        except OSError:
            raise none() from None

    @staticmethod
    def _open() -> int:
        return os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)

    def tell(self, text: str) -> None:
        """A line of prose that only this terminal sees."""
        handle = self._open()
        try:
            _write(handle, f"{visible(text)}\n")
        finally:
            os.close(handle)

    def show(self, pages: Iterator[str]) -> None:
        """Show one page after another, each until Enter, on a screen that leaves nothing
        behind. Ctrl-D stops (Abort), like Ctrl-C."""
        with self._screen() as handle:
            for page in pages:
                _write(handle, _CLEAR + page)
                _wait(handle)

    @contextmanager
    def _screen(self) -> Iterator[int]:
        handle = self._open()
        try:
            _write(handle, _SCREEN)
            yield handle
        finally:
            _write(handle, _CLEAR + _BACK)
            os.close(handle)

    def ask(self, question: str) -> str:
        """A line that is typed without echo. Raises Abort at its end, UsageError
        ``terminal.none`` where the echo cannot be switched off."""
        try:
            with warnings.catch_warnings():
                # Where getpass cannot switch the echo off it would warn and read stdin.
                warnings.simplefilter("error", getpass.GetPassWarning)
                return getpass.getpass(question)
        except getpass.GetPassWarning:
            raise none() from None
        except EOFError:
            raise typer.Abort from None
        except UnicodeDecodeError:
            return "\ufffd"


def none() -> UsageError:
    """The refusal where no terminal is."""
    return UsageError(
        "there is no terminal to show or type words on",
        code="terminal.none",
        hint="run it on a terminal, or work with files in memory (--to /dev/shm/...)",
    )


def _write(handle: int, text: str) -> None:
    data = text.encode()
    while data:
        data = data[os.write(handle, data) :]


def _wait(handle: int) -> None:
    """Until Enter."""
    while True:
        typed = os.read(handle, 1)
        if not typed:
            raise typer.Abort
        if typed == b"\n":
            return
