"""The embedded SQLite: settings that keep what was acknowledged, and migrations.

apsw carries its own SQLite. Journal mode and synchronous depend on its version
(write-ahead logging can corrupt before 3.51.3 and its back-ports) and are read
back; every failure becomes a StoreError.
"""

import fcntl
import os
import struct
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import apsw

from registry.errors import StoreError
from registry.store.engine import FEW, Holding, Row, Values

T = TypeVar("T")

BUSY_MILLISECONDS: Final = 30_000
APPLICATION_ID: Final = 0x70697468
"""``pith`` in ASCII, so that another program's database is not taken for ours."""
_FIXED_LINES: Final = {(3, 50): 7, (3, 44): 6}
_FIXED_SINCE: Final = (3, 51, 3)
CACHE_KIB: Final = 32 << 10
CHECKPOINT_PAGES: Final = 32_768
_STEP: Final = 4096
_PROBLEMS: Final = 100
_FLOCK: Final = "hhqqi4x"
_LISTED: Final = (
    "SELECT m.name, p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p "
    "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' ORDER BY m.name, p.cid"
)


def journal_settings(version: tuple[int, int, int]) -> tuple[str, str]:
    """The (journal_mode, synchronous) that lose no acknowledged commit under a version."""
    fixed = version >= _FIXED_SINCE or version[2] >= _FIXED_LINES.get(
        (version[0], version[1]), 1 << 30
    )
    return ("wal", "full") if fixed else ("delete", "extra")


_SYNCHRONOUS: Final = {"full": 2, "extra": 3}


_FAILURES: Final[tuple[tuple[tuple[type[apsw.Error], ...], str, str, str], ...]] = (
    (
        (apsw.FullError, apsw.IOError),
        "store.write",
        "cannot write {}: {}",
        "free space on the disk; nothing was half-written, run the command again",
    ),
    (
        (apsw.ReadOnlyError, apsw.PermissionsError),
        "store.readonly",
        "{} may not be written: {}",
        "check the owner and the modes of the home",
    ),
    (
        (apsw.CantOpenError,),
        "store.open",
        "cannot open {}: {}",
        "check that it is there and yours; if it is lost, restore it from a backup",
    ),
    (
        (apsw.BusyError,),
        "store.busy",
        "{} is held by another process: {}",
        "wait for the other pith to end",
    ),
    (
        (apsw.NotADBError, apsw.CorruptError),
        "store.damaged",
        "{} is not a sound database: {}",
        "restore it from a backup; do not write to it",
    ),
    ((apsw.Error,), "store.error", "database error on {}: {}", ""),
)


def store_error(place: Path | str, error: apsw.Error) -> StoreError:
    """The StoreError that says what to do about an exception of the database."""
    _, code, message, hint = next(each for each in _FAILURES if isinstance(error, each[0]))
    return StoreError(message.format(place, error), code=code, hint=hint)


@contextmanager
def translated(place: Path | str) -> Iterator[None]:
    """Turn the database's exceptions into StoreErrors that say what to do."""
    try:
        yield
    except apsw.Error as error:
        raise store_error(place, error) from None


def open_database(path: Path, *, create: bool, read_only: bool = False) -> apsw.Connection:
    """Open (or with *create* make) the database, set it up, and migrate it; with *read_only*
    nothing is written, and an older schema is refused."""
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    if read_only:
        flags = apsw.SQLITE_OPEN_READONLY
    with translated(path):
        try:
            connection = apsw.Connection(str(path), flags=flags)
        except ValueError as error:  # a path that has no UTF-8, or a NUL in it
            raise StoreError(
                f"{str(path)!r} is not a file name a database can have: {error}",
                code="store.open",
            ) from None
        try:
            connection.set_busy_timeout(BUSY_MILLISECONDS)
            _check_owner(connection, path, create=create)
            if read_only:
                _check_schema(connection, path)
            else:
                _set_up(connection, path)
                _migrate(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _pragma(connection: apsw.Connection, name: str) -> object:
    return connection.pragma(name)


def _check_owner(connection: apsw.Connection, path: Path, *, create: bool) -> None:
    owner = _pragma(connection, "application_id")
    if owner == APPLICATION_ID:
        return
    empty = owner == 0 and not list(connection.execute("SELECT name FROM sqlite_master LIMIT 1"))
    if not (create and empty):
        raise StoreError(
            f"{path} is not the store of a pith registry",
            code="store.foreign",
            hint="set [store] url to the registry's own database; nothing was changed",
        )


def _set_up(connection: apsw.Connection, path: Path) -> None:
    major, minor, patch = (int(part) for part in apsw.sqlite_lib_version().split("."))
    mode, synchronous = journal_settings((major, minor, patch))
    connection.pragma("journal_mode", mode)
    connection.pragma("synchronous", synchronous)
    found = (_pragma(connection, "journal_mode"), _pragma(connection, "synchronous"))
    if found != (mode, _SYNCHRONOUS[synchronous]):
        raise StoreError(
            f"{path} does not take journal_mode {mode} and synchronous {synchronous}: "
            f"it says {found[0]} and {found[1]}",
            code="store.settings",
            hint="put the home on a local file system",
        )


def migrations() -> list[str]:
    """The SQL of each migration, in the order of their numbers."""
    folder = resources.files("registry.store").joinpath("migrations")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [file.read_text("utf-8") for file in files]


def _check_schema(connection: apsw.Connection, path: Path) -> None:
    known, done = len(migrations()), _version(connection, path)
    if done < known:
        raise StoreError(
            f"{path} was made by an older pith (schema {done}, this one knows {known})",
            code="store.older",
            hint="any command that writes brings it up to date",
        )


def _version(connection: apsw.Connection, path: Path) -> int:
    """The number of migrations that were done; StoreError ``store.newer`` beyond ours."""
    known, done = len(migrations()), int(connection.pragma("user_version"))
    if done > known:
        raise StoreError(
            f"{path} was made by a newer pith (schema {done}, this one knows {known})",
            code="store.newer",
            hint="use the newer version",
        )
    return done


def _migrate(connection: apsw.Connection, path: Path) -> None:
    scripts = migrations()
    done = _version(connection, path)
    while done < len(scripts):
        # The version is read again inside the transaction: two processes may begin at once.
        with write(connection):
            done = connection.pragma("user_version")
            if done < len(scripts):
                connection.execute(scripts[done])
                connection.pragma("application_id", APPLICATION_ID)
                done += 1
                connection.pragma("user_version", done)


@contextmanager
def write(connection: apsw.Connection) -> Iterator[None]:
    """One write transaction, begun IMMEDIATE; rolled back when anything is raised."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


class Sqlite:
    """The engine over a file: one writer at a time, which waits for its turn."""

    def __init__(self, path: Path, *, create: bool = False, read_only: bool = False) -> None:
        self.place = str(path)
        self._path = path
        self._db = open_database(path, create=create, read_only=read_only)

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def rows(self, statement: str, values: Values) -> list[Row]:
        """Run a statement; everything it gives."""
        try:
            return list(self._db.execute(statement, values))
        except apsw.Error as error:
            raise store_error(self.place, error) from None

    def lock(self, statement: str, values: Values) -> list[Row]:
        """Run a query: a transaction has the whole file to itself."""
        return self.rows(statement, values)

    def enter(self, statement: str, values: Values, *, alone: bool) -> None:
        """Nothing: a transaction has the whole file to itself."""

    def stream(self, statement: str, values: Values) -> Generator[Row]:
        """Run a query; what it gives one row at a time."""
        with translated(self.place):
            yield from self._db.execute(statement, values)

    def each(self, statement: str, many: Iterable[Values]) -> list[Row]:
        """Run a statement once for each of *many*; everything it gives."""
        try:
            return list(self._db.executemany(statement, many))
        except apsw.Error as error:
            raise store_error(self.place, error) from None

    insert = each

    def fill(self, statement: str, many: Iterable[Values]) -> None:
        """Insert rows of another store: a number is always the one after the highest."""
        self.each(statement, many)

    def write(self, work: Callable[[], T]) -> T:
        """Do *work* in one transaction."""
        with translated(self.place), write(self._db):
            return work()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read inside is all of one moment; writing is refused."""
        with translated(self.place):
            self._db.pragma("query_only", 1)
            self._db.execute("BEGIN")
            try:
                list(self._db.execute("SELECT 1 FROM sqlite_master LIMIT 1"))
                yield
            finally:
                self._db.execute("ROLLBACK")
                self._db.pragma("query_only", 0)

    @contextmanager
    def hold(self, name: str) -> Iterator[bool]:
        """Be the only process that holds *name*: a lock on a place, which the name decides, of
        the file ``…-locks`` beside the database."""
        with self._locks() as fd:
            yield _lock_byte(fd, name)

    @contextmanager
    def _locks(self) -> Iterator[int]:
        file = f"{self.place}-locks"
        try:
            fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"cannot open {file}: {error.strerror}", code="store.write") from None
        try:
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def take(self, name: str, query: str, values: Values) -> Iterator[Holding | None]:
        """Hold the first row of a query that no other process holds."""
        with self._locks() as fd:
            with closing(self.stream(query, values)) as rows:
                key = next((key for (key,) in rows if _lock_byte(fd, f"{name} {key}")), None)
            yield None if key is None else _Held(self, key)

    def held(self, name: str, query: str, values: Values) -> int:
        """How many of the first rows of a query others hold."""
        with self._locks() as fd, closing(self.stream(query, values)) as rows:
            return sum(_is_locked(fd, f"{name} {key}") for (key,) in islice(rows, FEW))

    def widen(self) -> None:
        """Make ready for many writes: indexes are written at random places, and a larger
        cache and rarer checkpoints let several batches share a page."""
        self._db.pragma("cache_size", -CACHE_KIB)
        self._db.wal_autocheckpoint(CHECKPOINT_PAGES)

    def check(self) -> None:
        """Ask the database whether its file is sound."""
        with translated(self.place):
            found = self._db.pragma("quick_check")
        if found != "ok":
            raise StoreError(
                f"{self.place} is damaged: {found}",
                code="store.damaged",
                hint="restore it from a backup; do not write to it",
            )

    def problems(self) -> list[str]:
        """What the database itself finds wrong with its file and its indexes."""
        try:
            rows = self.rows(f"PRAGMA integrity_check({_PROBLEMS})", {})
        except StoreError as error:
            return [error.message]
        return [str(text) for (text,) in rows if text != "ok"]

    def columns(self) -> dict[str, list[str]]:
        """The columns of each table."""
        found: dict[str, list[str]] = {}
        for name, column in self.rows(_LISTED, {}):
            found.setdefault(name, []).append(column)
        return found

    def copy_to(
        self, place: Path, told: Callable[[int, int], None], mark: tuple[str, Values]
    ) -> None:
        """Write everything into the empty file *place*, page by page; *told* hears how many of
        how many are done. *mark* is a statement that the copy differs by."""
        with translated(self.place), self.snapshot():
            copy = apsw.Connection(str(place), flags=apsw.SQLITE_OPEN_READWRITE)
            try:
                with translated(place):
                    self._copy_pages(copy, told)
                    copy.pragma("journal_mode", "delete")
                    list(copy.execute(*mark))
            finally:
                copy.close()

    def _copy_pages(self, copy: apsw.Connection, told: Callable[[int, int], None]) -> None:
        copy.pragma("synchronous", 0)  # the whole file is synchronised before it gets its name
        with copy.backup("main", self._db, "main") as backup:
            while not backup.done:
                backup.step(_STEP)
                told(backup.page_count - backup.remaining, backup.page_count)


@dataclass(frozen=True, slots=True)
class _Held:
    """A row whose lock is a place in a file: the row itself is written as any other."""

    _engine: Sqlite
    key: int

    def write(self, statement: str, values: Values) -> bool:
        """Change the row."""
        self._engine.write(lambda: self._engine.rows(statement, values))
        return True


def _place(name: str) -> bytes:
    start = int.from_bytes(sha256(name.encode()).digest()[:7])
    return struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, start, 1, 0)


def _lock_byte(fd: int, name: str) -> bool:
    """Lock the byte of a name for this opening of a file, or say False where another has it."""
    with suppress(BlockingIOError, PermissionError):
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _place(name))
        return True
    return False


def _is_locked(fd: int, name: str) -> bool:
    found = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _place(name))
    return bool(struct.unpack(_FLOCK, found)[0] != fcntl.F_UNLCK)
