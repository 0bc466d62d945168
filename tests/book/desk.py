"""A place where the book's lines are typed: folders with the book's names, and a terminal."""

import os
import pty
import re
import select
import shutil
import signal
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.book.text import Line, matches
from tests.parts import ROOT

LIMIT: Final = 90.0
PASSPHRASE: Final = "six words that nobody would guess"
MONTH: Final = "-2026-11"
"""The month in which the book was written, in the ids of its keys."""
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PATHS: Final = ("/home/you", "/media", "/srv/pith", "/run/pith", "/etc/pith", "/run/secrets")
_SECRET: Final = re.compile("passphrase|the same again|PIN|not shown")
Answer = Callable[["re.Match[str]"], str]


def _word(found: "re.Match[str]") -> str:
    return found[1]


@dataclass
class Place:
    """One machine and its sticks, in a folder; ``/home/you`` of the book is in it, and so on."""

    folder: Path
    fills: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    homes: dict[str, Path] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    memory: Path = field(init=False)

    def __post_init__(self) -> None:
        self.memory = Path(tempfile.mkdtemp(prefix="pith-hb-", dir="/dev/shm"))
        self.fills |= {path: f"{self.folder}{path}" for path in _PATHS}
        self.fills |= {"/dev/shm": str(self.memory), MONTH: f"-{datetime.now(UTC):%Y-%m}"}
        self.answers |= {
            r"type (\S+) to go on: $": _word,
            r"(?:passphrase of the key files|the same again): $": lambda _: PASSPHRASE,
            r"Enter (?:shows it|clears the screen): $": lambda _: "",
        }
        for path in _PATHS:
            Path(f"{self.folder}{path}").mkdir(parents=True, exist_ok=True)
        self.desk.mkdir(exist_ok=True)
        program = self.folder / "bin" / "pith"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m registry "$@"\n')
        program.chmod(0o755)

    @property
    def desk(self) -> Path:
        """Where the lines are typed."""
        return self.folder / "home/you/desk"

    @property
    def home(self) -> Path:
        """The registry's home, where the platform has it."""
        return self.folder / "home/you/.local/share/pith"

    def real(self, text: str) -> str:
        """The book's text with this place's paths and names."""
        for said, meant in self.fills.items():
            text = text.replace(said, meant)
        return text

    def told(self, text: str) -> str:
        """What came, with the book's paths and names."""
        for said, meant in sorted(self.fills.items(), key=lambda each: -len(each[1])):
            text = text.replace(meant, said)
        return text

    def run(self, line: Line) -> str:
        """Type one line; what the terminal showed. It must end as the book says."""
        code, screen = self.type(self.real(line.command), line.who)
        shown = self.told(screen)
        assert "Traceback" not in shown, f"{line.command}\n{shown}"
        assert code == line.code, f"$ {line.command}\nexit {code}, not {line.code}\n{shown}"
        assert not line.shown or matches(line.shown, shown), f"$ {line.command}\n{shown}"
        return shown

    def type(self, command: str, who: str = "") -> tuple[int, str]:
        """Run a shell line on a terminal of its own, and answer what it asks."""
        pid, terminal = pty.fork()
        if pid == 0:
            try:
                # An agent that is started here has not left this session when the line ends.
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
                os.chdir(self.desk)
                os.execve("/bin/sh", ["sh", "-c", command], self._environment(who))
            finally:
                os._exit(127)
        try:
            seen = self._conversation(pid, terminal)
        finally:
            os.close(terminal)
            _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status), _plain(seen)

    def _environment(self, who: str) -> dict[str, str]:
        programs = (self.folder / "bin", Path(sys.executable).parent)
        env = {
            "PATH": ":".join([*map(str, programs), os.environ["PATH"]]),
            "HOME": str(self.folder / "home/you"),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
        }
        if who:
            env["PITH_HOME"] = str(self.homes[who])
        return env | self.env

    def _conversation(self, pid: int, terminal: int) -> str:
        seen, answered, end = "", 0, time.monotonic() + LIMIT
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 0.2)[0]:
                continue
            try:
                data = os.read(terminal, 65_536)
            except OSError:  # the other end is closed
                return seen
            seen += data.decode(errors="replace")
            for pattern, answer in self.answers.items():
                found = re.search(pattern, seen[answered:])
                if found is not None:
                    answered = len(seen)
                    if _SECRET.search(found[0]):
                        _unechoed(terminal)
                    os.write(terminal, answer(found).encode() + b"\n")
                    break
        os.kill(pid, signal.SIGKILL)
        raise AssertionError(f"it did not end: {seen}")

    def pith(self, command: str, who: str = "") -> str:
        """A command of the preparations, which must end well."""
        code, screen = self.type(self.real(f"pith {command}"), who)
        assert code == 0, f"{command}\n{screen}"
        return screen

    def deal(self) -> None:
        """Everyone brings the share that the first day gave them."""
        shutil.copytree(self.folder / "cards", self.memory / "shares")

    def close(self) -> None:
        """Leave nothing."""
        shutil.rmtree(self.memory, ignore_errors=True)


def _unechoed(terminal: int) -> None:
    """Wait until what is typed is not shown: what came before would be thrown away."""
    end = time.monotonic() + 5
    while termios.tcgetattr(terminal)[3] & termios.ECHO and time.monotonic() < end:
        time.sleep(0.01)


def _plain(screen: str) -> str:
    """A screen as lines: without colours, and without what was written over."""
    lines = _ESCAPES.sub("", screen).replace("\r\n", "\n").split("\n")
    return "\n".join(line.rpartition("\r")[2] for line in lines)
