"""A registry in a folder, worked at through the commands alone."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import apsw

from registry.app import App, new_seed, now
from registry.config import new_config
from registry.protocol.instant import Instant
from registry.protocol.record import Record
from registry.protocol.source import Source
from registry.services.initialise import initialise
from registry.signing.file_store import FileKeyStore
from registry.signing.keyfile import Cost
from registry.signing.passphrase import Passphrase
from registry.store.packing import unpack
from tests.parts import ROOT

REGISTRY: Final = "lab.example"
BASE_URL: Final = "https://lab.example"
CHEAP: Final = Cost(opslimit=1, memlimit=8192)
TITLE: Final = "On Names"
ABSTRACT: Final = "We name."
SUBMITTED: Final = "2024-01-01T12:00:00Z"
LIMIT: Final = 60.0


@cache
def record(number: int = 1, *, version: int = 1, title: str = TITLE) -> Record:
    """The record of arXiv:2401.NNNNN, by default the one of the help's examples."""
    return Record.build(
        source=Source("arxiv", f"2401.{number:05d}", version),
        title=title,
        abstract=ABSTRACT,
        license="",
        primary_cat="cs.DL",
        cross_cats=(),
        submitted_at=Instant.parse_seconds(SUBMITTED),
    )


def lines_of(count: int, first: int = 1) -> bytes:
    """So many records as JSONL."""
    return b"".join(record(i).canonical + b"\n" for i in range(first, first + count))


def make_home(home: Path) -> Path:
    """A new registry whose keys are in real encrypted files, made with little work; the
    successor of its active key lies in a folder beside the home."""
    secret = home.parent / f"{home.name}.passphrase"
    secret.touch(mode=0o600)
    secret.write_text("correct horse battery staple\n")
    config = new_config(
        home,
        registry_id=REGISTRY,
        base_url=BASE_URL,
        name="Lab",
        signer="file:",
        passphrase=f"file:{secret}",
    )
    keys = FileKeyStore(
        REGISTRY, home / "keys", Passphrase(f"file:{secret}"), uri="file:", cost=CHEAP
    )
    apart = FileKeyStore(
        REGISTRY, home.parent / f"{home.name}.apart", Passphrase(f"file:{secret}"), cost=CHEAP
    )
    initialise(
        home,
        config,
        keys,
        seed=new_seed(),
        successor_seed=new_seed(),
        successor_store=apart,
        at=now(),
    )
    return home


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended: its exit code and what it wrote."""

    code: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines on stdout."""
        return self.out.decode().splitlines()

    @property
    def objects(self) -> list[Any]:
        """The JSON values on stdout, one a line."""
        return [json.loads(line) for line in self.lines]

    @property
    def object(self) -> Any:
        """The one JSON value on stdout."""
        (value,) = self.objects
        return value

    @property
    def errors(self) -> list[str]:
        """The lines on stderr."""
        return self.err.splitlines()

    def refused(self, code: int, rule: str) -> "Done":
        """This, which was refused with this exit code by this rule, in one line and hints."""
        assert self.code == code, self
        assert "Traceback" not in self.err
        about = [line for line in self.errors if line.endswith(f"[{rule}]")]
        assert len(about) == 1, self.err
        return self

    def fine(self) -> "Done":
        """This, which ended well."""
        assert self.code == 0, self
        return self


def checked(done: Done) -> Done:
    """What holds for every command without a terminal: prose stands on stderr alone."""
    for line in done.errors:
        assert line.startswith("pith: "), done.err
        assert line.isprintable(), line
    return done


def environment(home: Path | None = None, **more: str) -> dict[str, str]:
    """A small environment; the platform's place is a folder that is not there."""
    found = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
    }
    if home is not None:
        found["PITH_HOME"] = str(home)
    return found | more


PITH: Final = (sys.executable, "-m", "registry")


def process(
    *arguments: object,
    home: Path | None = None,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    prose: bool = True,
) -> Done:
    """One command in a process of its own; *prose* says that stderr is checked."""
    done = subprocess.run(
        [*PITH, *map(str, arguments)],
        input=stdin,
        env=environment(home, **(env or {})),
        cwd=cwd,
        capture_output=True,
        timeout=LIMIT,
    )
    found = Done(done.returncode, done.stdout, done.stderr.decode(errors="replace"))
    return checked(found) if prose else found


def start(*arguments: object, home: Path, **options: Any) -> "subprocess.Popen[bytes]":
    """One command, started; what it prints is written at once."""
    return subprocess.Popen(
        [*PITH, *map(str, arguments)],
        env=environment(home, PYTHONUNBUFFERED="1"),
        **options,
    )


def rows(home: Path, statement: str) -> list[tuple[Any, ...]]:
    """What SQLite itself finds in the store of a home."""
    connection = apsw.Connection(str(home / "registry.db"), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.set_busy_timeout(10_000)
        return list(connection.execute(statement))
    finally:
        connection.close()


def receipts(home: Path) -> dict[str, list[Any]]:
    """The receipts of every record_created in a store, by the suffix of their record."""
    found: dict[str, list[Any]] = {}
    for subject, body in rows(
        home, "SELECT subject, body FROM events WHERE event_type = 'record_created' ORDER BY seq"
    ):
        found.setdefault(subject, []).append(json.loads(unpack(body))["payload"]["receipt"])
    return found


def copied(home: Path, to: Path) -> Path:
    """A copy of a home whose commands have all ended."""
    shutil.copytree(home, to)
    return to


def app_of(home: Path) -> App:
    """The registry that a command is given."""
    return App(home)


def tree(folder: Path) -> list[str]:
    """Every file under a folder, by its path inside; folders alone do not count."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()
    )
