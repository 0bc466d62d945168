"""Import of an export: a store that is there whole and checked, or not at all."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, groupby
from typing import BinaryIO, Final, TypeAlias

from registry.config import Config
from registry.errors import (
    ConflictError,
    MalformedError,
    MismatchError,
    PithError,
    StoreError,
    shown,
)
from registry.ingest.streams import unpacked
from registry.protocol.checks import counted
from registry.protocol.instant import Instant
from registry.services.arrival import arriving
from registry.services.backup import Copy, examine_copy, made_anew
from registry.services.export import with_body
from registry.services.export_form import MAX_LINE, End, Row, parse_header, parse_line
from registry.services.export_rows import check_row
from registry.services.workers import pooled
from registry.store.packing import pack
from registry.store.store import Store
from registry.store.tables import PACKED, TABLES, Table, is_of_the_place

BATCH: Final = 500
BATCH_BYTES: Final = 4 << 20
HINT: Final = "nothing was imported; get the file again, or export it again"
_PLACES: Final = {table.name: place for place, table in enumerate(TABLES)}
_Line: TypeAlias = tuple[int, bytes]
_Taken: TypeAlias = tuple[int, tuple[Table, Row] | End]


class ExportFile:
    """An export that is read, packed or not: ``registry`` is whose it is, ``number`` that of
    the last line that was read, ``digest`` SHA-256 in hex of all lines before it."""

    def __init__(self, file: BinaryIO) -> None:
        self._stream = unpacked(file)
        self._hash = hashlib.sha256()
        self._last = b""
        self.number = 0
        first = self._line()
        if first is None:
            raise MalformedError("an empty file is no export", code="export.cut", hint=HINT)
        with _on_line(1):
            self.registry = parse_header(first)

    @property
    def digest(self) -> str:
        """What the last line must say, once it was read."""
        return self._hash.hexdigest()

    def lines(self) -> Iterator[_Line]:
        """Every further line with its number, without its end."""
        while (line := self._line()) is not None:
            yield self.number, line

    def _line(self) -> bytes | None:
        try:
            line = self._stream.readline(MAX_LINE + 1)
        except PithError as error:
            raise cut_off(self.number + 1, error.message) from None
        if not line:
            return None
        self._hash.update(self._last)
        self._last = line
        self.number += 1
        if line.endswith(b"\n"):
            return line[:-1]
        if len(line) > MAX_LINE:
            raise MalformedError(
                f"line {self.number} is over {MAX_LINE} bytes", code="export.line", hint=HINT
            )
        raise cut_off(self.number, "it has no end")


def cut_off(number: int, reason: str) -> MalformedError:
    """The refusal of a file that ends before its end."""
    return MalformedError(
        f"the export is cut off at line {number}: {reason}", code="export.cut", hint=HINT
    )


@contextmanager
def _on_line(number: int) -> Iterator[None]:
    """Say in what is raised inside which line it is about."""
    try:
        yield
    except PithError as error:
        hint = error.hint or HINT
        raise type(error)(
            f"line {number}: {error.message}", code=error.code, hint=hint, path=error.path
        ) from None


def import_export(
    file: ExportFile,
    config: Config,
    *,
    at: Instant,
    told: Callable[[int], None],
    placed: Callable[[int, int], None],
) -> Copy:
    """Make the store of a config, where there is none, from an export.

    Every row is read strictly, in its place, and what it is found by derived again from its
    document; the digest and the counts at the end must be those of the lines. *told* hears
    of every so many rows, *placed* what `arriving` tells. The journal says that the home was
    made anew at *at*, and nothing is signed until the store was reconciled. Raises
    ConflictError ``config.registry`` for the export of another registry, and, with the number
    of the line, MalformedError
    ``export.row``, ``export.order``, ``export.line``, ``export.cut``, MismatchError
    ``export.digest``, ``export.counts`` or of a column, and what `arriving` and
    `examine_copy` raise.
    """
    if file.registry != config.registry_id:
        raise ConflictError(
            f"the export is of {shown(file.registry)}, not {config.registry_id}",
            code="config.registry",
            hint="import it into a home of its own",
        )
    with arriving(config, placed) as part:
        with Store(part, create=True) as store:
            store.widen()
            for table, rows in _checked(file):
                fill(store, table, rows)
                told(len(rows))
            if store.registry != file.registry:
                raise ConflictError(
                    f"the export is of {file.registry}, its rows are of {shown(store.registry)}",
                    code="export.registry",
                    hint=HINT,
                )
            found = examine_copy(part)
            store.explain()
            store.mark_restored(made_anew(store, found, at, "an export"))
        return examine_copy(part)


def fill(store: Store, table: Table, rows: Sequence[Row]) -> None:
    """Put rows into a table, as they are."""
    values = [dict(zip(table.columns, row, strict=True)) for row in rows]
    try:
        store.fill(table.insert, values)
    except StoreError as error:
        if error.code != "store.error":
            raise
        raise MalformedError(
            f"rows of {table.name} contradict each other: {error.message}",
            code="export.row",
            hint=HINT,
        ) from None


def _checked(file: ExportFile) -> Iterator[tuple[Table, list[Row]]]:
    """The rows of each table, page by page, once they were found to stand where they must."""
    counts = dict.fromkeys(_PLACES, 0)
    before: tuple[int, Row] = (0, ())
    end: End | None = None
    for taken in _taken(_batches(file.lines())):
        rows: list[tuple[Table, Row]] = []
        for number, found in taken:
            if end is not None:
                raise MalformedError(
                    f"line {number}: something follows the end", code="export.end", hint=HINT
                )
            if isinstance(found, End):
                end = found
                continue
            before = _in_order(number, *found, before)
            counts[found[0].name] += 1
            rows.append(found)
        for table, group in groupby(rows, key=lambda each: each[0]):
            yield table, [row for _, row in group]
    if end is None:
        raise cut_off(file.number + 1, "the last line is missing")
    with _on_line(file.number):
        _check_end(end, counts, file.digest)


def _in_order(number: int, table: Table, row: Row, before: tuple[int, Row]) -> tuple[int, Row]:
    """The place of a row; MalformedError ``export.order`` where it is not after the last."""
    key = tuple(row[table.columns.index(column)] for column in table.key)
    place = (_PLACES[table.name], key)
    if place <= before:
        raise MalformedError(
            f"line {number}: this row of {table.name} stands before it, or a second time",
            code="export.order",
            hint=HINT,
        )
    return place


def _check_end(end: End, counts: dict[str, int], digest: str) -> None:
    for name, count in counts.items():
        if end.rows[name] != count:
            raise MismatchError(
                f"{counted(count, 'row')} of {name}, by the end {end.rows[name]}",
                code="export.counts",
                hint=HINT,
            )
    if end.sha256 != digest:
        raise MismatchError(
            f"the digest of the lines is {digest}, by the end {end.sha256}",
            code="export.digest",
            hint=HINT,
        )


# -- on all cores --------------------------------------------------------------


def _batches(lines: Iterator[_Line]) -> Iterator[list[_Line]]:
    batch: list[_Line] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line[1])
        if len(batch) == BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _taken(batches: Iterator[list[_Line]]) -> Iterator[list[_Taken]]:
    """The rows in the lines; a file of one batch starts no worker."""
    yield _take(next(batches, []))
    if (second := next(batches, None)) is not None:
        yield from pooled(chain((second,), batches), _take)


def _take(batch: list[_Line]) -> list[_Taken]:
    return [(number, _row(number, line)) for number, line in batch]


def _row(number: int, line: bytes) -> tuple[Table, Row] | End:
    with _on_line(number):
        found = parse_line(line)
        if not isinstance(found, End):
            table, row = found
            if table.name == "meta" and is_of_the_place(row[0]):
                raise MalformedError(f"{shown(row[0])} is in no export", code="export.row")
            check_row(table, row)
            if table.name in PACKED:
                return table, with_body(table, row, pack)
        return found
