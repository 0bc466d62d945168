"""A command on a terminal of its own, at which a person types."""

import os
import pty
import select
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cli.lab import LIMIT, PITH, environment


@dataclass(frozen=True, slots=True)
class Session:
    """A command that ended: its exit code and all that the terminal showed."""

    code: int
    screen: str

    def fine(self) -> "Session":
        """This, which ended well."""
        assert self.code == 0, self.screen
        return self

    def refused(self, code: int, rule: str) -> "Session":
        """This, which was refused with this exit code by this rule."""
        assert self.code == code, self.screen
        assert f"[{rule}]" in self.screen
        assert "Traceback" not in self.screen
        return self


def at_terminal(
    *arguments: object,
    home: Path | None = None,
    answers: Sequence[tuple[str, str]] = (),
    cwd: Path | None = None,
    **env: str,
) -> Session:
    """Run a command; each of *answers* is a text to wait for on the screen and the line to
    type then, in this order."""
    pid, terminal = pty.fork()
    if pid == 0:
        if cwd is not None:
            os.chdir(cwd)
        command = [*PITH, *map(str, arguments)]
        os.execve(command[0], command, environment(home, **env))
    screen = b""
    seen = 0
    waiting = list(answers)
    end = time.monotonic() + LIMIT
    try:
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 0.2)[0]:
                continue
            try:
                data = os.read(terminal, 65_536)
            except OSError:  # the other end is closed
                data = b""
            if not data:
                break
            screen += data
            while waiting and waiting[0][0].encode() in screen[seen:]:
                wanted, line = waiting.pop(0)
                seen += screen[seen:].index(wanted.encode()) + len(wanted.encode())
                os.write(terminal, line.encode() + b"\n")
        else:
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
    assert not waiting, (waiting, screen.decode(errors="replace"))
    return Session(os.waitstatus_to_exitcode(status), screen.decode(errors="replace"))
