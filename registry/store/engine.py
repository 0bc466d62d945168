"""What a database does for the store: the one seam between its rooms and what lies below."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, TypeVar

T = TypeVar("T")
Row: TypeAlias = tuple[Any, ...]
Values: TypeAlias = Mapping[str, Any]
FEW: Final = 1_000


class Holding(Protocol):
    """A row that this process holds."""

    @property
    def key(self) -> int:
        """The number that names it."""

    def write(self, statement: str, values: Values) -> bool:
        """Change the row, which may be held no more afterwards; False, and nothing is changed,
        where it was lost meanwhile."""


class Engine(Protocol):
    """One connection. Statements name their values ``:name``; every failure is a StoreError."""

    place: str
    """What messages call the database. It holds no secret."""

    def close(self) -> None:
        """Release what is held."""

    def rows(self, statement: str, values: Values) -> list[Row]:
        """Run a statement; everything it gives."""

    def stream(self, statement: str, values: Values) -> Iterator[Row]:
        """Run a query; what it gives one row at a time, in flat memory."""

    def each(self, statement: str, many: Iterable[Values]) -> list[Row]:
        """Run a statement once for each of *many*; everything it gives."""

    def insert(self, statement: str, many: Iterable[Values]) -> list[Row]:
        """Run an ``INSERT … VALUES`` for many rows at once; what its RETURNING gives, in no
        order."""

    def fill(self, statement: str, many: Iterable[Values]) -> None:
        """Insert rows of another store, whole and as they are: what the database numbers by
        itself goes on after them."""

    def lock(self, statement: str, values: Values) -> list[Row]:
        """Run a query inside `write`; nobody else changes the rows it gives before that ends."""

    def enter(self, statement: str, values: Values, *, alone: bool) -> None:
        """Lock the row that a query gives inside `write`: *alone*, or with all others who are
        not. Who wants it alone waits for those who have it, and not for those who come later."""

    def write(self, work: Callable[[], T]) -> T:
        """Do *work* in one transaction: all of it is kept when it returns, none when it raises.

        It may be done again from its start, where the database could not keep it.
        """

    def snapshot(self) -> AbstractContextManager[None]:
        """What is read inside is all of one moment; writing is refused."""

    def hold(self, name: str) -> AbstractContextManager[bool]:
        """Be the only process that holds *name*, or say False; a killed one holds nothing."""

    def take(self, name: str, query: str, values: Values) -> AbstractContextManager[Holding | None]:
        """Hold the first of the rows a query gives that no other process holds; a killed one
        holds nothing. The query gives numbers, which together with *name* say what is held;
        whether it still gives the one that is held is to be looked at again."""

    def held(self, name: str, query: str, values: Values) -> int:
        """How many of the first `FEW` rows a query gives are held by others."""

    def widen(self) -> None:
        """Make ready for many writes."""

    def check(self) -> None:
        """Ask, quickly, whether the database is sound; StoreError ``store.damaged``."""

    def problems(self) -> list[str]:
        """What the database itself finds wrong, when it looks at everything."""

    def columns(self) -> dict[str, list[str]]:
        """The columns of each table."""

    def copy_to(
        self, place: Path, told: Callable[[int, int], None], mark: tuple[str, Values]
    ) -> None:
        """Write everything as an SQLite database into the empty file *place*, as it stands at
        one moment; *told* hears how much of how much is done. *mark* is a statement with its
        values that the copy differs by."""
