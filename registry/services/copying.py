"""Copy: everything in a store into another database, verified there, and never two that sign."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from registry.errors import ConflictError, StoreError
from registry.protocol.canonical import JsonObject
from registry.services.export import rows_of
from registry.services.export_form import End, Row, header_bytes, row_bytes
from registry.store.keeping import COPIED, REBUILT, RESTORED, check_tables, check_whole
from registry.store.store import Store
from registry.store.tables import TABLES, Table

PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied: whose, how many rows, and the digest that an export of either says."""

    registry: str
    rows: int
    records: int
    sha256: str

    def to_json(self) -> JsonObject:
        """The same for ``--json``."""
        return {
            "registry": self.registry,
            "rows": self.rows,
            "records": self.records,
            "sha256": self.sha256,
        }


def copy_store(
    source: Store, target: Store, *, move: bool, told: Callable[[int, int], None]
) -> Copied:
    """Copy *source*, as it stands at one moment, into *target*, which is empty or an unfinished
    copy of it, and compare every table there with what was read here.

    The copy is locked like one that a backup made, or as the source was. With *move* it is the
    source that is locked, before its first row is read, and the copy that signs. *told* hears
    how many rows of how many are there. Raises ConflictError ``store.exists``, ``store.locked`` and
    ``copy.empty``, and StoreError ``store.unfinished``, ``copy.differs``.
    """
    check_tables(source)
    check_tables(target)
    registry, mark = source.registry, source.mark
    check_whole(mark)
    target.begin_copy(registry, _identity(source))
    if move:
        source.begin_move(target.place)
    target.widen()
    counts = dict.fromkeys((table.name for table in TABLES), 0)
    digest = hashlib.sha256(header_bytes(registry))
    with source.snapshot():
        total, done = sum(map(source.count_rows, TABLES)), 0
        for table in TABLES:
            for count in _copied(source, target, table):
                done += count
                told(done, total)
            counts[table.name] = _compared(source, target, table, digest)
    target.explain()
    target.end_copy(None if move else mark if mark in (RESTORED, REBUILT) else COPIED)
    if move:
        source.end_move(target.place)
    end = End(counts, digest.hexdigest())
    return Copied(registry, sum(counts.values()), counts["records"], end.sha256)


def _identity(source: Store) -> str:
    """What an unfinished copy says it is of: the registry, by its first key set."""
    keysets = source.list_keysets()
    if not keysets:
        raise ConflictError(f"{source.place} holds no key set", code="copy.empty")
    return f"{keysets[0].body.registry} {keysets[0].body.digest.hex()}"


def _copied(source: Store, target: Store, table: Table) -> Iterator[int]:
    """Put in what is missing after the last row that is there; how many, page by page."""
    if table.name == "meta":
        target.add_meta(list(rows_of(source, table)))
        return
    last = target.last_key(table)
    rows = (
        source.stream(table.rows)
        if last is None
        else source.stream(table.rows_after, dict(zip(table.key, last, strict=True)))
    )
    while page := list(islice(rows, PAGE)):
        fill(target, table, page)
        yield len(page)


def fill(store: Store, table: Table, rows: list[Row]) -> None:
    """Put rows into a table, as they are stored."""
    store.fill(table.insert, [dict(zip(table.columns, row, strict=True)) for row in rows])


def _compared(source: Store, target: Store, table: Table, digest: "hashlib._Hash") -> int:
    """The number of rows, which are alike on both sides; *digest* hears them.

    What an earlier run copied may have changed since: such a table is copied again. Raises
    StoreError ``copy.differs`` where it is not alike then.
    """
    before = digest.copy()
    count = _digested(source, table, digest)
    for again in (True, False):
        theirs = before.copy()
        if _digested(target, table, theirs) == count and theirs.digest() == digest.digest():
            return count
        if again:
            target.clear(table)
            for _ in _copied(source, target, table):
                pass
    raise StoreError(
        f"{table.name} read back from {target.place} is not what was written",
        code="copy.differs",
        hint="somebody else writes to it, or it is damaged: nothing is signed from it; copy to "
        "another place",
    )


def _digested(store: Store, table: Table, digest: "hashlib._Hash") -> int:
    count = 0
    for row in rows_of(store, table):
        digest.update(row_bytes(table, row))
        count += 1
    return count
