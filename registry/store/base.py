"""The open database, and how its rows are read and written."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from registry.errors import MalformedError, StoreError, VerificationError
from registry.store.database import open_database, translated, write

T = TypeVar("T")
PAGE: Final = 500
CACHE_KIB: Final = 32 << 10
CHECKPOINT_PAGES: Final = 16_384


class Database:
    """One connection; every room of the store works through it."""

    def __init__(self, path: Path, *, create: bool = False, read_only: bool = False) -> None:
        self.path = path
        self._db = open_database(path, create=create, read_only=read_only)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    @contextmanager
    def _write(self) -> Iterator[None]:
        with translated(self.path), write(self._db):
            yield

    def _rows(self, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with translated(self.path):
            return list(self._db.execute(statement, values))

    def _first(self, statement: str, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        rows = self._rows(statement, values)
        return rows[0] if rows else None

    def widen(self) -> None:
        """Make ready for many writes: indexes are written at random places, and a larger
        cache and rarer checkpoints let several batches share a page."""
        self._db.pragma("cache_size", -CACHE_KIB)
        self._db.wal_autocheckpoint(CHECKPOINT_PAGES)

    def check_database(self) -> None:
        """Ask the database whether its file is sound; StoreError ``store.damaged``."""
        with translated(self.path):
            found = self._db.pragma("quick_check")
        if found != "ok":
            raise StoreError(
                f"{self.path} is damaged: {found}",
                code="store.damaged",
                hint="restore it from a backup; do not write to it",
            )


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
