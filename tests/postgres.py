"""A real PostgreSQL server for tests: the wheel's own programs, on a socket in a folder."""

import atexit
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

import psycopg

from registry.store.store import Store
from tests.parts import postgres_programs

_SETTINGS: Final = {"listen_addresses": "", "max_connections": "60", "shared_buffers": "64MB"}
_numbers: Final = itertools.count()


class Server:
    """A cluster in a folder; where this process is root, who may not be it, it is `nobody`."""

    def __init__(self, **settings: str) -> None:
        found = postgres_programs()
        assert found is not None
        self._programs = found
        self._settings = _SETTINGS | settings
        self.folder = Path(tempfile.mkdtemp(prefix="pith-pg-"))
        self._as: dict[str, Any] = {"cwd": self.folder}
        if os.geteuid() == 0:
            self._as |= {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(self.folder, "nobody", "nogroup")
        self.folder.chmod(0o755)
        self._data = self.folder / "data"
        self._made = False
        made = ("-U", "pith", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        command = [found / "initdb", "-D", self._data, *made]
        subprocess.run(command, check=True, capture_output=True, **self._as)
        self.start()

    def start(self) -> None:
        """Run the server, and wait until it answers."""
        command = [self._programs / "postgres", "-D", self._data, "-k", self.folder]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._as)
        end = time.monotonic() + 60
        while True:
            with suppress(psycopg.OperationalError):
                self.admin("SELECT 1")
                return
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < end, (self.folder / "log").read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server at once, as a crash would."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(20)

    def remove(self) -> None:
        """End it and drop everything."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str = "postgres", host: Path | None = None) -> str:
        """The URL of one of its databases."""
        return f"postgresql:///{database}?host={host or self.folder}&user=pith"

    def admin(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement outside of the store."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            found = connection.execute(statement)  # type: ignore[arg-type]
            return found.fetchall() if found.description else []

    def _template(self) -> str:
        """A database that has the tables already."""
        if not self._made:
            self.admin("CREATE DATABASE made")
            Store(self.url("made"), create=True).close()
            self._made = True
        return "made"

    @contextmanager
    def database(self, *, empty: bool = False) -> Iterator[str]:
        """The name of a new database, dropped again; *empty*, or with the tables in it."""
        name = f"pith{next(_numbers)}"
        self.admin(f"CREATE DATABASE {name} TEMPLATE {'template0' if empty else self._template()}")
        try:
            yield name
        finally:
            self.admin(f"DROP DATABASE {name} WITH (FORCE)")


@cache
def server() -> Server:
    """The server of this process: started once, and ended with it."""
    made = Server()
    atexit.register(made.remove)
    return made
