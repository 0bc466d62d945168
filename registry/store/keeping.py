"""The store as a whole: a snapshot of it, its copies, and whether it may be signed from."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from registry.errors import ConflictError, StoreError
from registry.protocol.keyset import KeySet
from registry.protocol.signers import Signers
from registry.store import sql, tables
from registry.store.base import Database, written
from registry.store.engine import Row, Values
from registry.store.imports import Imports
from registry.store.keys import Keys
from registry.store.parties import Parties
from registry.store.rows import ActRow

COPIED: Final = "copied"
"""The mark of a copy that was put in no home yet."""
RESTORED: Final = "restored"
REBUILT: Final = "rebuilt"
"""The mark of a store that was made from key sets alone, and knows of no record."""
UNFINISHED: Final = "unfinished"
"""The mark, with what it is a copy of, of a store that is being filled."""
MOVING: Final = "moving"
MOVED: Final = "moved"
"""The mark, with where it is now, of a store that is no registry's any more."""


class Snapshot(Database):
    """Reading all of it as it stood at one moment, whoever writes meanwhile."""

    def snapshot(self) -> AbstractContextManager[None]:
        """What is read inside is all of one moment; writing is refused."""
        return self._engine.snapshot()

    def stream(self, statement: str, values: Values | None = None) -> Iterator[Row]:
        """The rows of a statement of `registry.store.tables`, one at a time."""
        return self._engine.stream(statement, values or {})

    def columns(self) -> dict[str, list[str]]:
        """The columns of each table there is."""
        return self._engine.columns()

    def count_rows(self, table: tables.Table) -> int:
        """How many rows a table has."""
        return int(self._rows(table.count, {})[0][0])

    def problems(self) -> list[str]:
        """What the database itself finds wrong with its files and its indexes."""
        return self._engine.problems()

    def copy_to(self, place: Path, told: Callable[[int, int], None]) -> None:
        """Write everything into the empty file *place*, as it stands now and whatever is
        written meanwhile; *told* hears how much of how much is done."""
        mark = (tables.MARK_UNRECONCILED, {"value": COPIED})
        self._engine.copy_to(place, told, mark)


class Keeping(Snapshot, Keys, Imports, Parties):
    """Whether the store was compared with what was published, since it came from a copy."""

    @property
    def is_begun(self) -> bool:
        """Whether it belongs to a registry."""
        return self._first(sql.META, {"name": "registry"}) is not None

    @property
    def mark(self) -> str | None:
        """Why nothing is signed from this store: it is ``copied``, ``restored`` or
        ``rebuilt``, and nobody compared it with what was published, or ``unfinished …``,
        ``moving …`` or ``moved …``; or None."""
        row = self._first(tables.UNRECONCILED, {})
        return None if row is None else str(row[0])

    @written
    def mark_restored(self, act: ActRow) -> bool:
        """Note, once, that this copy is the store of a home again; *act* goes into the
        journal."""
        new = bool(self._rows(tables.MARK_UNRECONCILED, {"value": RESTORED}))
        if new:
            self._act(act)
        return new

    @written
    def add_published(
        self, keysets: Sequence[KeySet], lists: Sequence[Signers], act: ActRow
    ) -> None:
        """Take newer key sets and signers lists that this registry published: their signatures
        were not made here, as *act* says. Raises ConflictError ``keyset.moved``."""
        self._lock_signing()
        for keyset in keysets:
            if not self._insert_keyset(keyset, restored=True):
                raise ConflictError("the key set has moved meanwhile", code="keyset.moved")
        for signers in lists:
            self._restore_signers(signers, act.at)
        self._act(act)

    @written
    def mark_reconciled(self, registry: str, act: ActRow) -> None:
        """From here on the store may be signed from; claims of places that were taken
        meanwhile are dropped."""
        if self._rows(tables.RECONCILED, {}):
            self._rows(tables.DROP_TAKEN_CLAIMS, {"registry": registry})
            self._act(act)

    @written
    def begin_copy(self, registry: str, source: str) -> bool:
        """Make this the unfinished copy of *source*, or go on with one; says whether it is new.

        Raises ConflictError ``store.exists`` where it is anything else.
        """
        unfinished = f"{UNFINISHED} {source}"
        if self._rows(sql.ADD_META, {"name": "registry", "value": registry}):
            self._rows(tables.MARK_UNRECONCILED, {"value": unfinished})
            return True
        if self.mark != unfinished:
            raise self._occupied()
        return False

    def check_vacant(self) -> None:
        """Raise ConflictError ``store.exists`` where a registry is in it, but for an unfinished
        copy."""
        if self.is_begun and not (self.mark or "").startswith(UNFINISHED):
            raise self._occupied()

    def _occupied(self) -> ConflictError:
        return ConflictError(
            f"{self.place} holds a registry already, and no unfinished copy of this one",
            code="store.exists",
            hint="nothing is ever overwritten: choose another place",
        )

    @written
    def end_copy(self, mark: str | None) -> None:
        """The copy is whole: it has this *mark* from here on, or none."""
        if mark is None:
            self._rows(tables.RECONCILED, {})
        else:
            self._rows(tables.MARK_UNRECONCILED, {"value": mark})

    @written
    def begin_move(self, to: str) -> None:
        """From here on nothing that was signed is kept here: the store goes to *to*.

        Raises ConflictError ``store.locked`` where something else locks it already.
        """
        self._lock_signing()
        if self.mark not in (None, f"{MOVING} {to}"):
            raise ConflictError(
                f"{self.place} is locked ({self.mark}): it cannot be moved",
                code="store.locked",
                hint="a store that was moved signs at its new place alone; one that came from a "
                "backup is reconciled first",
            )
        self._rows(tables.MARK_UNRECONCILED, {"value": f"{MOVING} {to}"})

    @written
    def end_move(self, to: str) -> None:
        """The store is at *to*, whole, and signs there: it is never moved again, for what is
        there may be under another name by then."""
        self._rows(tables.MARK_UNRECONCILED, {"value": f"{MOVED} {to}"})

    def last_key(self, table: tables.Table) -> Row | None:
        """The key of the last row of a table."""
        return self._first(table.last, {})

    @written
    def clear(self, table: tables.Table) -> None:
        """Take everything out of a table of an unfinished copy."""
        self._rows(table.clear, {})

    @written
    def add_meta(self, rows: Sequence[Row]) -> None:
        """Put in what is said of a store and is not there."""
        for name, value in rows:
            self._rows(sql.ADD_META, {"name": name, "value": value})

    @written
    def fill(self, statement: str, rows: Sequence[Values]) -> None:
        """Put rows into a new store, whole and as they are."""
        self._engine.fill(statement, rows)


def check_whole(mark: str | None) -> None:
    """Raise StoreError ``store.unfinished`` for the mark of an unfinished copy: copied further
    it would be taken for a whole one."""
    kind, _, detail = (mark or "").partition(" ")
    if kind == UNFINISHED:
        raise StoreError(
            f"this store is an unfinished copy of {detail.partition(' ')[0]}",
            code="store.unfinished",
            hint="give the `pith store copy` that was stopped again",
        )


def check_tables(store: Snapshot) -> None:
    """Raise StoreError ``store.schema`` when the tables are not those of the migrations."""
    if store.columns() != {table.name: list(table.columns) for table in tables.TABLES}:
        raise StoreError(
            f"{store.place} has not the tables of a registry",
            code="store.schema",
            hint="somebody changed it: restore a backup",
        )
