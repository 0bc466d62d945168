"""The minted records."""

from collections.abc import Iterator
from dataclasses import dataclass

from registry.protocol.number import PithNumber
from registry.protocol.record import Record
from registry.store import sql
from registry.store.base import PAGE, Database
from registry.store.documents import document_of, record_of
from registry.store.engine import Row


@dataclass(frozen=True, slots=True)
class Found:
    """What a look-up gives: the number of a minted record, the version of its source, and the
    document as it is stored. That was verified before it was stored and is a `Record` when
    somebody asks for one; who wants the number and the exact bytes need not wait for that."""

    number: PithNumber
    version: int
    stored: bytes

    @property
    def canonical(self) -> bytes:
        """The canonical bytes of the record; StoreError ``store.damaged`` where it is another."""
        return document_of(self.number, self.stored)

    def record(self) -> Record:
        """The record, read strictly; StoreError ``store.damaged`` where it no longer reads, or
        is another."""
        return record_of(self.number.suffix, self.stored)


class Records(Database):
    """Records, found by suffix, prefix and source."""

    def find_record(self, suffix: str) -> Record | None:
        """The record with this suffix, minted or about to be."""
        row = self._first(sql.RECORD, {"suffix": suffix})
        return None if row is None else record_of(*row)

    def records_by_prefix(self, prefix: str, count: int) -> list[Found]:
        """At most *count* (500) minted records whose suffix begins so, in their order."""
        values = {"low": prefix, "high": prefix + "Z" * (26 - len(prefix))}
        return [_found(row) for row in self._rows(sql.RECORDS_BY_PREFIX, values)[:count]]

    def records_by_source(
        self, kind: str, source_id: str, version: int | None = None
    ) -> list[Found]:
        """The minted records of one source id, or of one version of it, newest first."""
        values: dict[str, str | int] = {"kind": kind, "id": source_id}
        if version is None:
            rows = self._rows(sql.RECORDS_BY_SOURCE, values)
        else:
            rows = self._rows(sql.RECORDS_BY_VERSION, values | {"version": version})
        if len(rows) > 1:
            rows.sort(key=lambda row: (-row[2], row[1]))
        return [_found(row) for row in rows]

    def records(self) -> Iterator[Record]:
        """Every minted record, in the order of suffixes, read a page at a time."""
        after = ""
        while rows := self._rows(sql.RECORDS_AFTER, {"after": after, "count": PAGE}):
            for row in rows:
                yield record_of(*row)
            after = rows[-1][0]

    def count_minted(self) -> int:
        """How many records have a chain of this registry's events."""
        return int(self._rows(sql.COUNT_MINTED, {})[0][0])


def _found(row: Row) -> Found:
    year, suffix, version, stored = row
    return Found(PithNumber(year, suffix), version, stored)
