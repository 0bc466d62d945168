"""A command on a terminal of its own, and somebody who answers it."""

import os
import pty
import select
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

LIMIT: Final = 60.0


def on_terminal(
    command: Sequence[str],
    answers: Sequence[tuple[str, str]],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
) -> tuple[int, str]:
    """Run a command whose controlling terminal, stdin, stdout and stderr are one, and type
    each answer once its question has come. Its exit code (128 + signal) and the screen."""
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.chdir(cwd or "/")
            os.execvpe(command[0], list(command), dict(env))
        finally:
            os._exit(127)
    seen, waiting, start = b"", list(answers), 0
    end = time.monotonic() + LIMIT
    try:
        while time.monotonic() < end:
            if select.select([terminal], [], [], 0.05)[0]:
                try:
                    seen += os.read(terminal, 65536)
                except OSError:  # the other side has closed
                    break
            if waiting and (found := seen.find(waiting[0][0].encode(), start)) >= 0:
                start = found + len(waiting[0][0].encode())
                os.write(terminal, waiting.pop(0)[1].encode())
        else:
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
    assert not waiting, (waiting[0][0], seen.decode(errors="replace"))
    code = os.waitstatus_to_exitcode(status)
    return (code if code >= 0 else 128 - code), seen.decode(errors="replace")
