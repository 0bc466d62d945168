"""The engine over PostgreSQL: one schema in a database that may be on another machine.

Transactions are READ COMMITTED: what must not move meanwhile is compared in the WHERE of the
statement that writes, or locked. What the server gives up for another's sake is done again; of
a COMMIT whose answer was lost, a row that was written with it says what became of it.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, TypeVar

import psycopg

from registry.errors import StoreError, UsageError
from registry.store import postgres_connection
from registry.store.engine import FEW, Holding, Row, Values
from registry.store.postgres_connection import connect, is_lost, may_pass, store_error
from registry.store.postgres_schema import LISTED, OWN, make_schema
from registry.store.postgres_stage import Stage, deleting, stage_of, translated

T = TypeVar("T")
_PAUSES: Final = (0.0, 0.005, 0.02, 0.1, 0.5)
_FEW: Final = 20
_PAGE: Final = 1000
_FIRST_FREE: Final = " LIMIT 1 FOR UPDATE SKIP LOCKED"
_NUMBERED: Final = {
    "acts": "seq",
    "events": "seq",
    "signatures": "seq",
    "foreign_events": "seq",
    "transcripts": "seq",
    "jobs": "job",
}
"""What the database numbers by itself."""
_NUMBER: Final = (
    "SELECT setval(s, greatest(:last, coalesce(pg_sequence_last_value(s), 1))) "
    "FROM CAST(pg_get_serial_sequence('{0}', '{1}') AS regclass) s"
)
_GATE: Final = "SELECT schema FROM made"
_CHECKSUMS: Final = (
    "SELECT checksum_failures FROM pg_stat_database "
    "WHERE datname = current_database() AND checksum_failures > 0"
)
_BROKEN: Final = (
    "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
    "JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = 'pith' AND NOT i.indisvalid ORDER BY c.relname"
)


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
            self._db = connect(url, read_only=read_only)
        except psycopg.Error as error:
            raise StoreError(
                f"cannot open {url}: {str(error).strip()}",
                code="store.open",
                hint="check that the server runs and lets you in; PGSERVICE, PGUSER and ~/.pgpass "
                "say how",
            ) from None
        try:
            make_schema(self._db, url, create=create, read_only=read_only)
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

    def _connected(self) -> None:
        """Have a connection that works, as far as is known."""
        if self._closed:
            raise StoreError(f"{self.place} was closed", code="store.error")
        if self._db.closed:
            self._db = connect(self.place, read_only=self._read_only)
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
                if not may_pass(error) or now - began > postgres_connection.PATIENCE:
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

    def lock(self, statement: str, values: Values) -> list[Row]:
        """Run a query inside `write`; nobody else changes the rows it gives before that ends."""
        return self.rows(f"{statement} FOR UPDATE", values)

    def enter(self, statement: str, values: Values, *, alone: bool) -> None:
        """Lock a row inside `write`, alone or shared, through a gate.

        PostgreSQL lets who shares a row pass those who wait for it alone, for ever. So who
        wants it alone locks another row before, which the others pass one by one.
        """
        if alone:
            self.lock(_GATE, {})
            self.lock(statement, values)
            return
        for each in ("SAVEPOINT gate", f"{_GATE} FOR SHARE", "ROLLBACK TO SAVEPOINT gate"):
            self.rows(each, {})
        self.rows(f"{statement} FOR SHARE", values)

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
        if len(rows) >= _FEW:
            many = deleting(statement, tuple((name, type(v)) for name, v in rows[0].items()))
            if many is not None:
                return self._fetch(many, {name: [row[name] for row in rows] for name in rows[0]})
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
        stage = stage_of(statement)
        if len(rows) < _FEW or stage is None:
            return self.each(statement, rows)
        if self._inside:
            return self._copied(stage, rows)
        return self.write(lambda: self._copied(stage, rows))

    def fill(self, statement: str, many: Iterable[Values]) -> None:
        """Insert rows of another store, and number what comes after them from there."""
        rows = list(many)
        self.insert(statement, rows)
        stage = stage_of(statement)
        column = _NUMBERED.get(stage.table) if stage and rows else None
        if stage and column:
            last = max(row[column] for row in rows)
            self.rows(_NUMBER.format(stage.table, column), {"last": last})

    def _copied(self, stage: Stage, rows: list[Values]) -> list[Row]:
        taken = itemgetter(*stage.values)
        with self._db.cursor() as cursor:
            if stage.create not in self._stages:
                cursor.execute(stage.create)
                cursor.execute(f"SELECT * FROM {stage.stage}")  # noqa: S608
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
        if self._inside:
            raise StoreError(f"a write inside another on {self.place}", code="store.error")
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
        except BaseException:
            self._db.close()
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
        other, got = self._retried(lambda: _holding(self.place, name))
        try:
            yield got
        finally:
            with suppress(psycopg.Error):
                if got:
                    other.execute("DELETE FROM holds WHERE name = %s", [name])
                    other.execute("COMMIT")
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
        other, self._holder = self._holder or connect(self.place), None
        try:
            other.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
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
        for name, column in self.rows(LISTED, {}):
            if name not in OWN:
                found.setdefault(name, []).append(column)
        return found

    def copy_to(
        self, place: Path, told: Callable[[int, int], None], mark: tuple[str, Values]
    ) -> None:
        """Refused: a server has its own ways."""
        raise UsageError(
            f"{self.place} is no file that could be copied",
            code="usage.store",
            hint="back it up with pg_dump or pg_basebackup, or `pith store export FILE`",
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


def _holding(place: str, name: str) -> tuple[psycopg.Connection[Row], bool]:
    """A connection that holds a row in a transaction that stays open, or False where another
    does."""
    made = connect(place)
    query = "SELECT name FROM holds WHERE name = %s FOR UPDATE SKIP LOCKED"
    try:
        made.execute("INSERT INTO holds (name) VALUES (%s) ON CONFLICT DO NOTHING", [name])
        made.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        return made, bool(made.execute(query, [name]).fetchall())
    except BaseException:
        made.close()
        raise
