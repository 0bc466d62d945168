"""The minted records."""

from collections.abc import Iterator

from registry.protocol.record import Record
from registry.store import sql
from registry.store.base import PAGE, Database, held
from registry.store.packing import unpack


class Records(Database):
    """Records, found by suffix, prefix and source."""

    def find_record(self, suffix: str) -> Record | None:
        """The record with this suffix, minted or about to be."""
        row = self._first(sql.RECORD, {"suffix": suffix})
        return None if row is None else held(Record.parse, unpack(row[0]))

    def records_by_prefix(self, prefix: str, count: int) -> list[Record]:
        """At most *count* minted records whose suffix begins so, in the order of suffixes."""
        values = {"low": prefix, "high": prefix + "Z" * (26 - len(prefix)), "count": count}
        return [
            held(Record.parse, unpack(body))
            for (body,) in self._rows(sql.RECORDS_BY_PREFIX, values)
        ]

    def records_by_source(
        self, kind: str, source_id: str, version: int | None = None
    ) -> list[Record]:
        """The minted records of one source id, or of one version of it, newest first."""
        values = {"kind": kind, "id": source_id, "version": version, "count": PAGE}
        return [
            held(Record.parse, unpack(body))
            for (body,) in self._rows(sql.RECORDS_BY_SOURCE, values)
        ]

    def records(self) -> Iterator[Record]:
        """Every minted record, in the order of suffixes, read a page at a time."""
        after = ""
        while rows := self._rows(sql.RECORDS_AFTER, {"after": after, "count": PAGE}):
            for (body,) in rows:
                record = held(Record.parse, unpack(body))
                yield record
            after = record.number.suffix

    def count_minted(self) -> int:
        """How many record_created events there are."""
        return int(self._rows(sql.COUNT_MINTED, {})[0][0])
