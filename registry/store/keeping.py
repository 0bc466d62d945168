"""The store as a whole: a snapshot of it, its copies, and whether it may be signed from."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw

from registry.errors import ConflictError, StoreError
from registry.protocol.keyset import KeySet
from registry.protocol.signers import Signers
from registry.store import tables
from registry.store.base import Database
from registry.store.database import translated
from registry.store.imports import Imports
from registry.store.keys import Keys
from registry.store.parties import Parties
from registry.store.rows import ActRow

COPIED: Final = "copied"
"""The mark of a copy that was put in no home yet."""
RESTORED: Final = "restored"
_STEP: Final = 4096
_PROBLEMS: Final = 100


class Snapshot(Database):
    """Reading all of it as it stood at one moment, whoever writes meanwhile."""

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read inside is all of one moment; writing is refused."""
        with translated(self.path):
            self._db.pragma("query_only", 1)
            self._db.execute("BEGIN")
            try:
                list(self._db.execute("SELECT 1 FROM sqlite_master LIMIT 1"))
                yield
            finally:
                self._db.execute("ROLLBACK")
                self._db.pragma("query_only", 0)

    def stream(
        self, statement: str, values: Mapping[str, Any] | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement of `registry.store.tables`, one at a time."""
        with translated(self.path):
            yield from self._db.execute(statement, values or {})

    def count_rows(self, table: tables.Table) -> int:
        """How many rows a table has."""
        return int(self._rows(table.count, {})[0][0])

    def problems(self) -> list[str]:
        """What the database itself finds wrong with its file and its indexes."""
        try:
            with translated(self.path):
                rows = list(self._db.execute(f"PRAGMA integrity_check({_PROBLEMS})"))
        except StoreError as error:
            return [error.message]
        return [str(text) for (text,) in rows if text != "ok"]

    def copy_to(self, place: Path, told: Callable[[int, int], None]) -> None:
        """Write everything into the empty file *place*, as it stands now and whatever is
        written meanwhile; *told* hears how many pages of how many are done."""
        with translated(self.path), self.snapshot():
            copy = apsw.Connection(str(place), flags=apsw.SQLITE_OPEN_READWRITE)
            try:
                with translated(place):
                    self._copy_pages(copy, told)
                    copy.pragma("journal_mode", "delete")
                    copy.execute(
                        "INSERT OR REPLACE INTO meta (name, value) VALUES ('unreconciled', ?)",
                        (COPIED,),
                    )
            finally:
                copy.close()

    def _copy_pages(self, copy: apsw.Connection, told: Callable[[int, int], None]) -> None:
        copy.pragma("synchronous", 0)  # the whole file is synchronised before it gets its name
        with copy.backup("main", self._db, "main") as backup:
            while not backup.done:
                backup.step(_STEP)
                told(backup.page_count - backup.remaining, backup.page_count)


class Keeping(Snapshot, Keys, Imports, Parties):
    """Whether the store was compared with what was published, since it came from a copy."""

    @property
    def is_unreconciled(self) -> bool:
        """Whether this store came from a copy that nobody compared with what was published."""
        return self._first(tables.UNRECONCILED, {}) is not None

    def mark_restored(self, act: ActRow) -> bool:
        """Note, once, that this copy is the store of a home again; *act* goes into the
        journal."""
        with self._write():
            new = bool(list(self._db.execute(tables.MARK_UNRECONCILED, {"value": RESTORED})))
            if new:
                self._act(act)
        return new

    def add_published(
        self, keysets: Sequence[KeySet], lists: Sequence[Signers], act: ActRow
    ) -> None:
        """Take newer key sets and signers lists that this registry published: their signatures
        were not made here, as *act* says. Raises ConflictError ``keyset.moved``."""
        with self._write():
            for keyset in keysets:
                if not self._insert_keyset(keyset, restored=True):
                    raise ConflictError("the key set has moved meanwhile", code="keyset.moved")
            for signers in lists:
                self._restore_signers(signers, act.at)
            self._act(act)

    def mark_reconciled(self, registry: str, act: ActRow) -> None:
        """From here on the store may be signed from; claims of places that were taken
        meanwhile are dropped."""
        with self._write():
            if list(self._db.execute(tables.RECONCILED)):
                self._db.execute(tables.DROP_TAKEN_CLAIMS, {"registry": registry})
                self._act(act)

    def fill(self, statement: str, rows: Iterator[Mapping[str, Any]]) -> None:
        """Put rows into a new store, whole and as they are."""
        with self._write():
            self._db.executemany(statement, rows)


def check_tables(store: Snapshot) -> None:
    """Raise StoreError ``store.schema`` when the tables are not those of the migrations."""
    found: dict[str, list[str]] = {}
    for name, column in store.stream(tables.LISTED):
        found.setdefault(name, []).append(column)
    if found != {table.name: list(table.columns) for table in tables.TABLES}:
        raise StoreError(
            f"{store.path} has not the tables of a registry",
            code="store.schema",
            hint="somebody changed it: restore a backup",
        )
