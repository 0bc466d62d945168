"""A command on a terminal: what it shows is read, and words are typed when it asks for them."""

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.cli.lab import LIMIT, PITH, Done, environment

ASKED: Final = re.compile(r"type (\S+) to go on: $")
Answer = Callable[[str, "subprocess.Popen[bytes]"], bytes]
"""What is typed when a word is asked for; it may also do something to the process."""


def same_word(word: str, _: "subprocess.Popen[bytes]") -> bytes:
    """The word that was asked for."""
    return word.encode() + b"\n"


def wrong_at(step: str, text: bytes = b"yes\n") -> Answer:
    """The right words, and at one step another text."""
    return lambda word, process: text if word == step else same_word(word, process)


def signal_at(step: str, number: int) -> Answer:
    """The right words, and at one step a signal instead."""

    def answer(word: str, process: "subprocess.Popen[bytes]") -> bytes:
        if word == step:
            process.send_signal(number)
            return b""
        return same_word(word, process)

    return answer


def typed(
    *arguments: object, home: Path, answer: Answer = same_word, cwd: Path | None = None
) -> Done:
    """Run a command whose stdin is a terminal, until it ends."""
    terminal, stdin = pty.openpty()
    process = subprocess.Popen(
        [*PITH, *map(str, arguments)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(home),
        cwd=cwd,
        start_new_session=True,
    )
    os.close(stdin)
    try:
        err = _conversation(process, terminal, answer)
        assert process.stdout is not None
        out = process.stdout.read()
        return Done(process.wait(timeout=LIMIT), out, err)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
        os.close(terminal)
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()


def _conversation(process: "subprocess.Popen[bytes]", terminal: int, answer: Answer) -> str:
    assert process.stderr is not None
    seen, end, answered = "", time.monotonic() + LIMIT, 0
    while time.monotonic() < end:
        if not select.select([process.stderr], [], [], 0.2)[0]:
            continue
        more = os.read(process.stderr.fileno(), 65536)
        if not more:
            return seen
        seen += more.decode()
        if (found := ASKED.search(seen)) and found.end() > answered:
            answered = found.end()
            os.write(terminal, answer(found[1], process))
            seen += "\n"
    raise AssertionError(f"it did not end: {seen}")
