"""The engine over PostgreSQL: one schema in a database that may be on another machine.

Transactions are READ COMMITTED: what must not move meanwhile is compared in the WHERE of the
statement that writes, or locked. What the server gives up for another's sake is done again; of
a COMMIT whose answer was lost, a row that was written with it says what became of it.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import resources
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import psycopg
from psycopg import errors

from registry.errors import StoreError, UsageError
from registry.store.engine import FEW, Holding, Row, Values
from registry.store.postgres_settings import check_settings

T = TypeVar("T")
SCHEMA: Final = "pith"
PATIENCE: Final = 30.0
"""Seconds for which what may pass is tried again, and for which a lock is waited for."""
_PAUSES: Final = (0.0, 0.005, 0.02, 0.1, 0.5)
_FEW: Final = 20
_PAGE: Final = 1000
_OWN: Final = ("made", "writers", "holds")
_PASSING: Final = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
)
_VALUE: Final = re.compile(r"(?<![:\w]):([a-z_0-9]+)")
_INSERT: Final = re.compile(r"INSERT INTO (\w+) \(([^)]*)\) VALUES \(([^)]*)\)(.*)", re.DOTALL)
_CONNECTION: Final = {
    "application_name": "pith",
    "connect_timeout": "10",
    "keepalives_idle": "20",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}


class _Stage(NamedTuple):
    """How many rows get into a table: the stage they are copied to, and the way from there."""

    table: str
    values: tuple[str, ...]
    create: str
    copy: str
    insert: str
    clear: str


@cache
def translated(statement: str) -> str:
    """A statement with its values named as the driver wants them."""
    return _VALUE.sub(r"%(\1)s", statement.replace("%", "%%"))


@cache
def _stage(statement: str) -> _Stage | None:
    """How to run an INSERT for many rows; None where it is of another shape."""
    found = _INSERT.fullmatch(statement)
    if found is None:
        return None
    table, columns, items, rest = found[1], found[2].split(", "), found[3].split(", "), found[4]
    pairs = [
        (column, item[1:])
        for column, item in zip(columns, items, strict=True)
        if item.startswith(":")
    ]
    stage = f"stage_{table}"
    named = ", ".join(f"{column} AS {value}" for column, value in pairs)
    listed = ", ".join(value for _, value in pairs)
    taken = ", ".join(item.removeprefix(":") for item in items)
    return _Stage(
        stage,
        tuple(value for _, value in pairs),
        f"CREATE TEMPORARY TABLE IF NOT EXISTS {stage} ON COMMIT DELETE ROWS "  # noqa: S608
        f"AS SELECT {named} FROM {table} WITH NO DATA",
        f"COPY {stage} ({listed}) FROM STDIN (FORMAT BINARY)",
        f"INSERT INTO {table} ({found[2]}) SELECT {taken} FROM {stage}{rest}",  # noqa: S608
        f"DELETE FROM {stage}",  # noqa: S608 - constants
    )


def store_error(place: str, error: psycopg.Error) -> StoreError:
    """The StoreError that says what to do about an exception of the driver."""
    said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if isinstance(error, errors.DiskFull):
        return StoreError(
            f"cannot write {place}: {said}",
            code="store.write",
            hint="free space on the server; nothing was half-written, run the command again",
        )
    if isinstance(error, errors.ReadOnlySqlTransaction | errors.InsufficientPrivilege):
        return StoreError(
            f"{place} may not be written: {said}",
            code="store.readonly",
            hint="connect as the owner of the schema pith, to the server that is written to",
        )
    if isinstance(error, errors.LockNotAvailable):
        return StoreError(
            f"{place} is held by another process: {said}",
            code="store.busy",
            hint="wait for the other pith to end",
        )
    if isinstance(error, errors.DataCorrupted | errors.IndexCorrupted):
        return StoreError(
            f"{place} is not a sound database: {said}",
            code="store.damaged",
            hint="restore it from a backup; do not write to it",
        )
    if is_lost(error):
        return StoreError(
            f"the connection to {place} is lost: {said}",
            code="store.lost",
            hint="run the command again once the server answers: what was kept is found there, "
            "and nothing is done twice",
        )
    return StoreError(f"database error on {place}: {said}", code="store.error")


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection is gone, and not only this statement."""
    lost = (errors.AdminShutdown, errors.CrashShutdown, errors.CannotConnectNow)
    return isinstance(error, lost) or (
        isinstance(error, psycopg.OperationalError)
        and (error.sqlstate is None or error.sqlstate.startswith("08"))
    )


def migrations() -> list[str]:
    """The SQL of each migration, in the order of their numbers."""
    folder = resources.files("registry.store").joinpath("migrations", "postgres")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [file.read_text("utf-8") for file in files]


class Postgres:
    """One connection, made again when it is lost, and others for what is held."""

    def __init__(self, url: str, *, create: bool = False, read_only: bool = False) -> None:
        self.place = url
        self._read_only = read_only
        self._inside = False
        self._closed = False
        self._writer: tuple[int, int] | None = None
        self._stages: dict[str, list[int]] = {}
        self._cursors = 0
        self._holder: psycopg.Connection[Row] | None = None
        try:
            self._db = self._connect()
        except psycopg.Error as error:
            raise StoreError(
                f"cannot open {url}: {str(error).strip()}",
                code="store.open",
                hint="check that the server runs and lets you in; PGSERVICE, PGUSER and ~/.pgpass "
                "say how",
            ) from None
        try:
            check_settings(self._db, url)
            self._migrate(create=create)
        except psycopg.Error as error:
            self._db.close()
            raise store_error(url, error) from None
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Release the connection."""
        self._closed = True
        if self._holder is not None:
            self._holder.close()
        with suppress(psycopg.Error):
            if self._writer is not None and not self._inside:
                self._db.execute("DELETE FROM writers WHERE writer = %s", [self._writer[0]])
        self._db.close()

    # -- connections ---------------------------------------------------------------

    def _connect(self) -> psycopg.Connection[Row]:
        given = psycopg.conninfo.conninfo_to_dict(self.place)
        defaults = {name: value for name, value in _CONNECTION.items() if name not in given}
        made = psycopg.connect(self.place, autocommit=True, **defaults)  # type: ignore[arg-type]
        try:
            made.execute(f"SET search_path = {SCHEMA}")
            made.execute(f"SET lock_timeout = '{PATIENCE:.0f}s'")
            if self._read_only:
                made.execute("SET default_transaction_read_only = on")
        except BaseException:
            made.close()
            raise
        return made

    def _connected(self) -> None:
        """Have a connection that works, as far as is known."""
        if self._closed:
            raise StoreError(f"{self.place} was closed", code="store.error")
        if self._db.closed:
            self._db = self._connect()
            self._writer = None
            self._stages.clear()

    def _retried(self, work: Callable[[], T]) -> T:
        """Do *work*; again from its start, for some time, when what went wrong may pass."""
        began, pauses = None, iter(_PAUSES)
        while True:
            try:
                self._connected()
                return work()
            except psycopg.Error as error:
                now = time.monotonic()
                began = now if began is None else began
                passing = isinstance(error, _PASSING) or is_lost(error)
                if not passing or now - began > PATIENCE:
                    raise store_error(self.place, error) from None
                if is_lost(error):
                    self._db.close()
            time.sleep(next(pauses, _PAUSES[-1]))

    def _attempted(self, work: Callable[[], T]) -> T:
        """Do one statement: inside of a transaction that is for whoever began it to try again."""
        if self._inside:
            return work()
        return self._retried(work)

    # -- statements ----------------------------------------------------------------

    def rows(self, statement: str, values: Values) -> list[Row]:
        """Run a statement; everything it gives."""
        return self._attempted(lambda: self._fetch(translated(statement), values))

    def lock(self, statement: str, values: Values, *, shared: bool = False) -> list[Row]:
        """Run a query inside `write`; nobody else changes the rows it gives before that ends."""
        return self.rows(f"{statement} FOR {'SHARE' if shared else 'UPDATE'}", values)

    def _fetch(self, statement: str, values: Any = None) -> list[Row]:
        found = self._db.execute(statement, values, binary=True)
        return found.fetchall() if found.description else []

    def stream(self, statement: str, values: Values) -> Iterator[Row]:
        """Run a query; what it gives one row at a time."""
        if self._inside:
            yield from self._streamed(statement, values)
        else:
            with self.snapshot():
                yield from self._streamed(statement, values)

    def _streamed(self, statement: str, values: Values) -> Iterator[Row]:
        self._cursors += 1
        try:
            with self._db.cursor(f"pith_{self._cursors}") as cursor:
                cursor.itersize = _PAGE
                cursor.execute(translated(statement), values, binary=True)
                yield from cursor
        except psycopg.Error as error:
            raise store_error(self.place, error) from None

    def each(self, statement: str, many: Iterable[Values]) -> list[Row]:
        """Run a statement once for each of *many*; everything it gives."""
        rows = list(many)
        return self._attempted(lambda: self._run_each(statement, rows))

    def _run_each(self, statement: str, rows: list[Values]) -> list[Row]:
        gives = "RETURNING" in statement or statement.startswith("SELECT")
        found: list[Row] = []
        with self._db.cursor(binary=True) as cursor:
            cursor.executemany(translated(statement), rows, returning=gives)
            while gives and rows:
                found += cursor.fetchall()
                if not cursor.nextset():
                    break
        return found

    def insert(self, statement: str, many: Iterable[Values]) -> list[Row]:
        """Run an ``INSERT … VALUES`` for many rows: copied into a stage, and inserted from it by
        one statement."""
        rows = list(many)
        stage = _stage(statement)
        if len(rows) < _FEW or stage is None:
            return self.each(statement, rows)
        if self._inside:
            return self._copied(stage, rows)
        return self.write(lambda: self._copied(stage, rows))

    def _copied(self, stage: _Stage, rows: list[Values]) -> list[Row]:
        taken = itemgetter(*stage.values)
        with self._db.cursor() as cursor:
            if stage.create not in self._stages:
                cursor.execute(stage.create)
                cursor.execute(f"SELECT * FROM {stage.table}")  # noqa: S608
                self._stages[stage.create] = [each.type_code for each in cursor.description or ()]
            with cursor.copy(stage.copy) as copy:
                copy.set_types(self._stages[stage.create])
                for row in rows:
                    copy.write_row(taken(row))
        found = self._fetch(stage.insert)
        self._fetch(stage.clear)
        return found

    # -- transactions --------------------------------------------------------------

    def write(self, work: Callable[[], T]) -> T:
        """Do *work* in one transaction, as often as it takes."""
        return self._retried(lambda: self._transacted(work))

    def _transacted(self, work: Callable[[], T]) -> T:
        writer, number = self._next_number()
        self._db.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        self._inside = True
        try:
            result = work()
            self._db.execute("UPDATE writers SET done = %s WHERE writer = %s", [number, writer])
        except BaseException:
            self._rolled_back()
            raise
        finally:
            self._inside = False
        self._writer = writer, number
        try:
            ended = self._db.execute("COMMIT").statusmessage
        except psycopg.Error as error:
            if not is_lost(error) or not self._was_kept(writer, number):
                raise
        else:
            if ended != "COMMIT":
                raise StoreError(f"{self.place} kept nothing: {ended}", code="store.error")
        return result

    def _next_number(self) -> tuple[int, int]:
        """This connection's row in `writers`, and the number of the transaction that begins."""
        if self._writer is None:
            ((writer,),) = self._fetch("INSERT INTO writers (done) VALUES (0) RETURNING writer")
            self._writer = writer, 0
        return self._writer[0], self._writer[1] + 1

    def _rolled_back(self) -> None:
        self._stages.clear()
        try:
            self._db.execute("ROLLBACK")
        except psycopg.Error:
            self._db.close()

    def _was_kept(self, writer: int, number: int) -> bool:
        """Whether a transaction was kept whose COMMIT got no answer.

        The row is locked: where the server still works at it, that is waited for.
        """
        self._db.close()
        query = "SELECT done FROM writers WHERE writer = %s FOR UPDATE"
        found = self._retried(lambda: self._fetch(query, [writer]))
        return bool(found) and found[0][0] == number

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read inside is all of one moment; writing is refused."""
        self._attempted(lambda: self._fetch("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        self._inside = True
        try:
            yield
        except psycopg.Error as error:
            raise store_error(self.place, error) from None
        finally:
            self._inside = False
            self._rolled_back()

    @contextmanager
    def hold(self, name: str) -> Iterator[bool]:
        """Be the only process that holds *name*: by a lock on a row, in a transaction of another
        connection, which ends with it."""
        try:
            other = self._connect()
        except psycopg.Error as error:
            raise store_error(self.place, error) from None
        try:
            yield _held(other, name)
        finally:
            other.close()

    @contextmanager
    def take(self, name: str, query: str, values: Values) -> Iterator[Holding | None]:
        """Hold the first row of a query that no other process holds, in a transaction of
        another connection, which is kept for the next."""
        other, key = self._retried(lambda: self._taken(query, values))
        try:
            yield None if key is None else _Held(other, key, self.place)
        finally:
            with suppress(psycopg.Error):
                other.execute("ROLLBACK")
            if other.closed or self._closed or self._holder is not None:
                other.close()
            else:
                self._holder = other

    def held(self, name: str, query: str, values: Values) -> int:
        """How many of the first rows of a query others hold."""
        rows = set(self.rows(f"{query} LIMIT {FEW}", values))
        if not rows:
            return 0
        free = f"{query} LIMIT {FEW} FOR SHARE SKIP LOCKED"
        return len(rows.difference(self.write(lambda: self.rows(free, values))))

    def _taken(self, query: str, values: Values) -> tuple[psycopg.Connection[Row], int | None]:
        other, self._holder = self._holder or self._connect(), None
        try:
            other.execute("SET idle_in_transaction_session_timeout = 0")
            other.execute("BEGIN")
            found = other.execute(f"{translated(query)}{_FIRST_FREE}", values).fetchall()
        except psycopg.Error:
            other.close()
            raise
        return other, found[0][0] if found else None

    # -- the whole -----------------------------------------------------------------

    def widen(self) -> None:
        """Make ready for many writes: the server is set up for that, or is not."""

    def check(self) -> None:
        """Ask whether the database answers; it looks at its own pages as it reads them."""
        self.rows("SELECT schema FROM made", {})

    def problems(self) -> list[str]:
        """Pages whose checksum was wrong, and indexes that are not whole."""
        try:
            failures = self.rows(_CHECKSUMS, {})
            broken = self.rows(_BROKEN, {})
        except StoreError as error:
            return [error.message]
        return [f"{count} pages had a wrong checksum" for (count,) in failures] + [
            f"the index {name} is not whole" for (name,) in broken
        ]

    def columns(self) -> dict[str, list[str]]:
        """The columns of each table of the store, without the engine's own."""
        found: dict[str, list[str]] = {}
        for name, column in self.rows(_LISTED, {}):
            if name not in _OWN:
                found.setdefault(name, []).append(column)
        return found

    def copy_to(
        self, place: Path, told: Callable[[int, int], None], mark: tuple[str, Values]
    ) -> None:
        """Refused: a server has its own ways."""
        raise UsageError(
            f"{self.place} is no file that could be copied",
            code="usage.store",
            hint="back it up with pg_dump or pg_basebackup",
        )

    # -- the schema ----------------------------------------------------------------

    def _migrate(self, *, create: bool) -> None:
        scripts = migrations()
        done = self._version(len(scripts))
        if done < len(scripts) and self._read_only:
            raise StoreError(
                f"{self.place} was made by an older pith (schema {done}, this one knows "
                f"{len(scripts)})",
                code="store.older",
                hint="any command that writes brings it up to date",
            )
        if done == 0 and not create:
            raise StoreError(
                f"{self.place} holds no registry",
                code="store.open",
                hint="check that it is the right database; `pith init --store` makes one",
            )
        while done < len(scripts):
            with suppress(errors.UniqueViolation, errors.DuplicateObject, errors.DuplicateTable):
                self._migrated(scripts[done], done)
            done = self._version(len(scripts))

    def _version(self, known: int) -> int:
        """The number of migrations that were done, 0 where there is no schema of ours."""
        names = {name for (name,) in self._fetch(_TABLES, {"schema": SCHEMA})}
        if not names:
            return 0
        found = self._fetch("SELECT by, schema FROM made") if "made" in names else []
        if [by for by, _ in found] != [SCHEMA]:
            raise StoreError(
                f"the schema {SCHEMA} of {self.place} is not the store of a pith registry",
                code="store.foreign",
                hint="use another database; nothing was changed",
            )
        done = int(found[0][1])
        if done > known:
            raise StoreError(
                f"{self.place} was made by a newer pith (schema {done}, this one knows {known})",
                code="store.newer",
                hint="use the newer version",
            )
        return done

    def _migrated(self, script: str, done: int) -> None:
        """One migration with its number, in a transaction; of two processes one makes it."""
        with self._db.transaction():
            if done == 0:
                self._db.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
                self._db.execute(script)
                self._db.execute("INSERT INTO made (by, schema) VALUES (%s, 1)", [SCHEMA])
                return
            moved = "UPDATE made SET schema = %s WHERE schema = %s RETURNING schema"
            if self._db.execute(moved, [done + 1, done]).fetchall():
                self._db.execute(script)


_FIRST_FREE: Final = " LIMIT 1 FOR UPDATE SKIP LOCKED"
_TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = %(schema)s"
_LISTED: Final = (
    "SELECT c.relname, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "JOIN pg_attribute a ON a.attrelid = c.oid WHERE n.nspname = 'pith' "
    "AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 "
    "AND NOT a.attisdropped ORDER BY c.relname, a.attnum"
)
_CHECKSUMS: Final = (
    "SELECT checksum_failures FROM pg_stat_database "
    "WHERE datname = current_database() AND checksum_failures > 0"
)
_BROKEN: Final = (
    "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
    "JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = 'pith' AND NOT i.indisvalid ORDER BY c.relname"
)


class _Held:
    """A row that is locked in an open transaction of a connection of its own."""

    def __init__(self, other: psycopg.Connection[Row], key: int, place: str) -> None:
        self._other = other
        self._place = place
        self.key = key

    def write(self, statement: str, values: Values) -> bool:
        """Change the row and let go of it; False where it was let go before, because the
        connection was lost."""
        try:
            self._other.execute(translated(statement), values)
            self._other.execute("COMMIT")
        except psycopg.Error as error:
            if is_lost(error):
                self._other.close()
                return False
            raise store_error(self._place, error) from None
        return True


def _held(connection: psycopg.Connection[Row], name: str) -> bool:
    """Hold a row in a transaction that stays open, or say False where another does."""
    connection.execute("SET idle_in_transaction_session_timeout = 0")
    connection.execute("INSERT INTO holds (name) VALUES (%s) ON CONFLICT DO NOTHING", [name])
    connection.execute("BEGIN")
    query = "SELECT name FROM holds WHERE name = %s FOR UPDATE SKIP LOCKED"
    return bool(connection.execute(query, [name]).fetchall())
