"""Export: everything in a store as lines of JSON, of one moment, while others write."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from registry.protocol.canonical import JsonObject
from registry.services.export_form import End, Row, header_bytes, row_bytes
from registry.store.keeping import check_tables, check_whole
from registry.store.packing import unpack
from registry.store.store import Store
from registry.store.tables import PACKED, TABLES, Table, is_of_the_place

PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export holds: whose, how many rows, and the digest that stands at its end."""

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


def export_store(
    store: Store, write: Callable[[bytes], object], told: Callable[[int, int], None]
) -> Exported:
    """Give *write* a whole export, piece by piece; *told* hears how many rows of how many.

    Two exports of the same rows have the same bytes. Raises StoreError ``store.unfinished`` and
    what reading raises.
    """
    digest, counts = hashlib.sha256(), dict.fromkeys((table.name for table in TABLES), 0)
    with store.snapshot():
        check_tables(store)
        check_whole(store.mark)
        total, done = sum(map(store.count_rows, TABLES)), 0
        registry = store.registry
        for piece in _pieces(_lines(store, header_bytes(registry), counts)):
            digest.update(piece)
            write(piece)
            if (now := sum(counts.values())) != done:
                done = now
                told(done, total)
    end = End(counts, digest.hexdigest())
    write(end.to_bytes())
    return Exported(registry, sum(counts.values()), counts["records"], end.sha256)


def _lines(store: Store, header: bytes, counts: dict[str, int]) -> Iterator[bytes]:
    yield header
    for table in TABLES:
        for row in rows_of(store, table):
            counts[table.name] += 1
            yield row_bytes(table, row)


def rows_of(store: Store, table: Table) -> Iterator[Row]:
    """The rows of a table in the order of its key, documents unpacked; without those that
    are of the place alone."""
    rows = store.stream(table.rows)
    if table.name == "meta":
        return (row for row in rows if not is_of_the_place(row[0]))
    if table.name in PACKED:
        return (with_body(table, row, unpack) for row in rows)
    return rows


def with_body(table: Table, row: Row, change: Callable[[bytes], bytes]) -> Row:
    """A row of a packed table with another body."""
    place = table.columns.index("body")
    return (*row[:place], change(row[place]), *row[place + 1 :])


def _pieces(lines: Iterator[bytes]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    size = 0
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size >= PIECE:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)
