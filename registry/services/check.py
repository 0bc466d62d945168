"""Check: derive everything in a store again from its stored bytes, and write nothing."""

from collections.abc import Callable, Iterable, Iterator
from heapq import merge as merged_rows
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, Final, TypeAlias

from registry.errors import PithError
from registry.protocol.bundle_checks import bindings_of
from registry.protocol.keys import KeyObject
from registry.protocol.keyset import KeySet
from registry.protocol.signers import Signers
from registry.protocol.strict_json import read_json
from registry.protocol.trust import KeySetPin, registry_bindings
from registry.services.audit import unjournaled
from registry.services.check_documents import DOCUMENTS, Row
from registry.services.check_graph import Rows, check_subject
from registry.services.check_keys import check_key_rows, check_keysets, check_signers
from registry.services.check_rest import check_checkpoints, check_jobs, check_transcripts
from registry.services.desk import Desk
from registry.services.findings import JOURNAL, Finding, Frame
from registry.services.workers import pooled
from registry.store import tables
from registry.store.keeping import check_tables
from registry.store.store import Store

_Task: TypeAlias = tuple[str, str, Any]
"""A table's name and a row, or ``graph``, a suffix and the rows about it."""
BATCH: Final = 500
BATCH_BYTES: Final = 4 << 20
_frame: Frame | None = None


def check_store(desk: Desk, told: Callable[[int], None]) -> Iterator[Finding]:
    """Everything that is not as it must be, as the store stood when it began.

    *told* hears of every so many rows. Memory does not grow with the store: rows are read
    in the order of their indexes, and examined on all cores.
    """
    store = desk.store
    with store.snapshot():
        problems = store.problems()
        for text in problems:
            yield Finding("store.damaged", "database", text)
        if problems:
            return
        try:
            check_tables(store)
        except PithError as error:
            yield Finding(error.code, "database", error.message)
            return
        frame = yield from _frame_of(desk)
        if frame is None:
            yield Finding(
                "keysets.unread", "key sets", "not all can be read: the rest was not checked"
            )
            return
        yield from check_key_rows(desk)
        yield from check_transcripts(desk)
        yield from _examined(frame, chain(_documents(store), _graphs(store, frame)), told)
        yield from check_checkpoints(desk)
        yield from check_jobs(desk)
        yield from _journal(desk)


def _frame_of(desk: Desk) -> Any:
    """Check the key sets and signers lists; give what they bind, or None where not
    every key set can be read."""
    store = desk.store
    keysets: list[KeySet] = []
    for finding in check_keysets(store, desk.registry, keysets):
        yield finding
    if not keysets or len(keysets) < store.count_rows(tables.BY_NAME["keysets"]):
        return None
    own = registry_bindings([KeySetPin(keysets[-1], "")], desk.registry)
    lists: list[Signers] = []
    for finding in check_signers(store, own, lists):
        yield finding
    parties = lists[-1].body.bindings if lists else {}
    return Frame(desk.registry, own, {**own, **parties}, _foreign(store))


def _foreign(store: Store) -> dict[str, Any]:
    """The keys of other registries, as far as they can be read."""
    found: dict[str, dict[Any, Any]] = {}
    for registry, _, _, body in store.stream(_rows("foreign_keys")):
        try:
            key = KeyObject.from_json(read_json(body).value)
        except PithError:
            continue
        found.setdefault(registry, {}).update(bindings_of([key], registry))
    return found


def _rows(name: str) -> str:
    return tables.BUNDLES if name == "bundles" else tables.BY_NAME[name].rows


def _documents(store: Store) -> Iterator[_Task]:
    for name in DOCUMENTS:
        for row in store.stream(_rows(name)):
            yield name, "", row


def _graphs(store: Store, frame: Frame) -> Iterator[_Task]:
    """All rows about each record, one record after the other, never more than one in memory."""

    def named(what: str) -> Iterator[tuple[str, str, Row]]:
        values = {"registry": frame.registry} if ":registry" in tables.GRAPH[what] else None
        return ((row[0], what, row) for row in store.stream(tables.GRAPH[what], values))

    every = merged_rows(*map(named, tables.GRAPH), key=itemgetter(0))
    for subject, group in groupby(every, key=itemgetter(0)):
        rows: dict[str, list[Row]] = {}
        for _, what, row in group:
            rows.setdefault(what, []).append(row)
        if rows.keys() != {"apart"}:
            yield "graph", subject, rows


# -- on all cores --------------------------------------------------------------


def _examined(
    frame: Frame, tasks: Iterable[_Task], told: Callable[[int], None]
) -> Iterator[Finding]:
    """The findings of all tasks; a store of one batch starts no worker."""
    batches = _batches(tasks)
    first, second = next(batches, []), next(batches, None)
    if second is None:
        _begin(frame)
        results: Iterator[tuple[int, list[Finding]]] = iter([_examine(first)])
    else:
        results = pooled(chain([first, second], batches), _examine, begin=_begin, given=(frame,))
    for count, findings in results:
        told(count)
        yield from findings


def _batches(tasks: Iterable[_Task]) -> Iterator[list[_Task]]:
    batch: list[_Task] = []
    size = 0
    for task in tasks:
        batch.append(task)
        size += _size(task[2])
        if len(batch) == BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _size(rows: Row | Rows) -> int:
    if isinstance(rows, tuple):
        return sum(len(value) for value in rows if isinstance(value, bytes))
    return sum(_size(row) for listed in rows.values() for row in listed)


def _begin(frame: Frame) -> None:
    global _frame
    _frame = frame


def _examine(batch: list[_Task]) -> tuple[int, list[Finding]]:
    assert _frame is not None
    findings: list[Finding] = []
    for name, subject, rows in batch:
        if name == "graph":
            findings += check_subject(_frame, subject, rows)
        else:
            findings += DOCUMENTS[name](_frame, rows)
    return len(batch), findings


# -- the journal ---------------------------------------------------------------


def _journal(desk: Desk) -> Iterator[Finding]:
    """Documents without a line, and lines without a document."""
    try:
        missing = list(dict.fromkeys(unjournaled(desk)))
    except PithError as error:
        yield Finding("journal.unread", "journal", f"cannot be compared: {error}")
        return
    for kind, digest in missing:
        yield Finding("journal.missing", f"{kind} {digest}", "the journal has no line", JOURNAL)
    for kind, digest in desk.store.undocumented():
        text = "the journal has a line, and there is no such document"
        yield Finding("journal.undocumented", f"{kind} {digest}", text)
