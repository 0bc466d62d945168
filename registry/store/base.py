"""The open database, and how its rows are read and written."""

from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Concatenate, Final, ParamSpec, Self, TypeVar

from registry.errors import MalformedError, StoreError, VerificationError
from registry.store.engine import Engine, Row, Values
from registry.store.sqlite import Sqlite

T = TypeVar("T")
P = ParamSpec("P")
D = TypeVar("D", bound="Database")
PAGE: Final = 500


def open_engine(place: Path | str, *, create: bool = False, read_only: bool = False) -> Engine:
    """The database at a path or, of a server, at a URL; with *create* its tables are made where
    there are none, with *read_only* nothing is written."""
    if isinstance(place, Path):
        return Sqlite(place, create=create, read_only=read_only)
    try:
        from registry.store.postgres import Postgres
    except ImportError:
        raise StoreError(
            "a store in PostgreSQL needs the package psycopg",
            code="store.extra",
            hint="pip install 'pith-registry[postgres]'",
        ) from None
    return Postgres(place, create=create, read_only=read_only)


class Database:
    """One connection; every room of the store works through it."""

    def __init__(self, place: Path | str, *, create: bool = False, read_only: bool = False) -> None:
        self._engine = open_engine(place, create=create, read_only=read_only)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def place(self) -> str:
        """What messages call this database."""
        return self._engine.place

    def close(self) -> None:
        """Release the connection."""
        self._engine.close()

    def _rows(self, statement: str, values: Values) -> list[Row]:
        return self._engine.rows(statement, values)

    def _first(self, statement: str, values: Values) -> Row | None:
        rows = self._engine.rows(statement, values)
        return rows[0] if rows else None

    def _lock(self, statement: str, values: Values) -> list[Row]:
        return self._engine.lock(statement, values)

    def _each(self, statement: str, many: Iterable[Values]) -> list[Row]:
        return self._engine.each(statement, many)

    def _insert(self, statement: str, many: Iterable[Values]) -> list[Row]:
        return self._engine.insert(statement, many)

    def widen(self) -> None:
        """Make ready for many writes."""
        self._engine.widen()

    def check_database(self) -> None:
        """Ask the database whether it is sound; StoreError ``store.damaged``."""
        self._engine.check()


def written(method: Callable[Concatenate[D, P], T]) -> Callable[Concatenate[D, P], T]:
    """A method whose whole body is one transaction: all of it is kept, or none when it raises.

    It may run again from its start, so it changes nothing but the database, and what it is
    given can be read more than once. It does not call another such method.
    """

    @wraps(method)
    def run(self: D, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._engine.write(lambda: method(self, *args, **kwargs))

    return run


def held(parse: Callable[[bytes], T], body: bytes) -> T:
    """What was verified when it was stored: when it no longer reads, the store is damaged."""
    try:
        return parse(body)
    except (MalformedError, VerificationError) as error:
        raise StoreError(
            f"a stored document no longer reads: {error}",
            code="store.damaged",
            hint="restore the database from a backup",
        ) from None
