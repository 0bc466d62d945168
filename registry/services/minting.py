"""Minting many: claimed and stored by this process, read and signed by workers on all cores.

The steps and their order are those of `registry.services.mint` (decision 0006), a page at a
time, several pages under way at once; given the same times the bytes are the same.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Self, TypeAlias, TypeVar

from registry.errors import MalformedError, PithError, VerificationError
from registry.protocol.canonical import canonical
from registry.protocol.event import Event
from registry.protocol.event_types import GRAPH_SNAPSHOT
from registry.protocol.graph import Paper
from registry.protocol.instant import Instant
from registry.protocol.number import PithNumber
from registry.protocol.receipt import Receipt
from registry.protocol.record import Record
from registry.protocol.strict_json import read_json
from registry.services.append import Draft, add_event
from registry.services.crew import Crew, Here, Mate, first_ready
from registry.services.desk import Desk
from registry.services.mint import BUILDER_VERSION, receipt_of, valid_from
from registry.services.workers import cores
from registry.signing.mints import MintBatch, Signed, snapshot_payload
from registry.signing.signer import Signer
from registry.store.packing import pack, unpack
from registry.store.rows import MintRow, RecordRow, record_row

T = TypeVar("T")
POOLED_FROM: Final = 2_000
"""So many records are signed in this process before workers begin: fewer would not pay."""


class Pair(NamedTuple):
    """A record to mint, as JSON, and what the graph_snapshot that is to follow its
    record_created is made of: its paper, or the payload in canonical bytes, or why there is
    none, or None where none is asked for. ``told`` comes back with what is minted."""

    record: bytes
    snapshot: Paper | bytes | PithError | None = None
    told: Any = None

    @classmethod
    def of(cls, record: Record, paper: Paper | None) -> Self:
        """A record with the payload of its paper's snapshot.

        Pure, so that workers may do it. Raises MismatchError ``graph.title`` or
        ``graph.abstract`` where it is another paper, MalformedError where no event could
        say it.
        """
        if paper is None:
            return cls(record.canonical)
        payload = snapshot_payload(paper, record, builder_version=BUILDER_VERSION)
        return cls(record.canonical, payload)


class Passed(NamedTuple):
    """A record that is minted and stored; ``new`` is False where it was minted before.

    ``snapshot`` is the id of the graph_snapshot that says what was asked for, why there is
    none, or None where none was asked for; ``told`` what came with the record.
    """

    row: RecordRow
    submitted: int
    new: bool
    snapshot: str | PithError | None
    told: Any
    event: bytes | None

    @property
    def number(self) -> PithNumber:
        """Its number."""
        return PithNumber(self.row["year"], self.row["suffix"])

    @property
    def source_id(self) -> str:
        """The id at its source."""
        return self.row["source_id"]

    @property
    def submitted_at(self) -> Instant:
        """When its first version was submitted."""
        return Instant(self.submitted)

    @property
    def record(self) -> Record:
        """The record, read again."""
        return Record.parse(unpack(self.row["body"]))

    def receipt(self, desk: Desk) -> Receipt:
        """Its receipt, the current one where the record was minted before."""
        if not self.new or self.event is None:
            return receipt_of(desk, self.record)
        return Receipt.from_json(Event.parse(unpack(self.event)).body.payload["receipt"])


Work: TypeAlias = Callable[[T], Pair]
"""What makes pairs of the items of an input: a module's function, which workers find by name.
It may raise a PithError."""


def mint_all(
    desk: Desk,
    signer: Signer,
    pages: Iterable[Sequence[Pair]],
    *,
    clock: Callable[[], Instant],
) -> Iterator[list[Passed]]:
    """Mint pages of pairs; gives each page, in order, once it is stored.

    Raises what `mint_rows` raises, and MalformedError for what is no record.
    """
    for page in mint_rows(desk, signer, ((as_pair, page) for page in pages), clock=clock):
        for each in page:
            if isinstance(each, PithError):
                raise each
        yield [each for each in page if isinstance(each, Passed)]


Given: TypeAlias = "Pair | bytes | PithError"


def as_pair(item: Given) -> Pair:
    """What is a pair already, or a record alone, or why there is none."""
    if isinstance(item, PithError):
        raise item
    return Pair(item) if isinstance(item, bytes) else item


def mint_rows(
    desk: Desk,
    signer: Signer,
    pages: "Iterable[tuple[Work[T], Sequence[T]]]",
    *,
    clock: Callable[[], Instant],
) -> Iterator[list[Passed | PithError]]:
    """Mint pages of what *work*, which comes with each page, makes pairs of; gives for each
    page, in order, once it is stored, what came of each item, refusals among them.

    A page is a transaction, and its time is read when it is claimed. Workers on all cores
    read and sign once there are many and the signer is forkable; each has a page, so *pages*
    is read no faster than is stored. A record minted before keeps its
    receipt, and its snapshot where it says the same. A call that was killed or
    broken off is finished by the next with the same entries. Raises what `Desk.check_clock`,
    the signer and the store raise; what was given is stored then.
    """
    desk.store.widen()
    book = _Book(desk, signer, clock)
    begin = partial(_Worker, signer, desk.registry)
    source, first, here = iter(pages), 0, Here(begin())
    for page in source:
        here.tell(page)
        claimed = book.claimed(here)
        yield book.stored(claimed, here.answer())
        first += len(page[1])
        if first >= POOLED_FROM and signer.forkable and cores() > 1:
            break
    else:
        return
    with Crew(cores() + 1, begin) as crew:
        yield from _crewed(book, crew.mates, source)


def _crewed(
    book: "_Book", mates: Sequence[Mate], pages: Iterator[Any]
) -> Iterator[list[Passed | PithError]]:
    """Claim what was read and store what was signed, in the order of the pages."""
    idle, reading = deque(mates), deque[Mate]()
    signing: deque[tuple[Mate, _Page]] = deque()
    while True:
        while idle and (given := next(pages, None)) is not None:
            idle[0].tell(given)
            reading.append(idle.popleft())
        heads = [*list(reading)[:1], *(mate for mate, _ in list(signing)[:1])]
        if not heads:
            return
        mate = first_ready(heads)
        if reading and mate is reading[0]:
            signing.append((reading.popleft(), book.claimed(mate)))
            continue
        _, page = signing.popleft()
        signed = mate.answer()
        if (given := next(pages, None)) is not None:  # it goes on while this is stored
            mate.tell(given)
            reading.append(mate)
        yield book.stored(page, signed)


_Read: TypeAlias = tuple[RecordRow, int, PithError | None, Any]
"""What this process is told of a record that a worker has read: its row, when it was submitted,
why its snapshot is refused, if it is, and what came with it."""


class _Page(NamedTuple):
    """What was read of a page, and the time with which each is claimed; None: minted before."""

    read: list[_Read | PithError]
    times: list[int | None]


_Made: TypeAlias = tuple[bytes, bytes, bytes | None, bytes | None]
"""Id and packed bytes of a record_created, and of the snapshot after it."""


class _Worker:
    """Reads a page, and signs it when it is told the times."""

    def __init__(self, signer: Signer, registry: str) -> None:
        self._begin = partial(MintBatch, signer, registry, builder_version=BUILDER_VERSION)
        self._batch = self._begin()

    def __call__(self, message: Any) -> Any:
        return self._read(*message) if type(message) is tuple else self._sign(message)

    def _read(self, work: Work[Any], items: Sequence[Any]) -> list[_Read | PithError]:
        self._batch = self._begin()
        found: list[_Read | PithError] = []
        for item in items:
            try:
                pair = work(item)
                record = self._batch.read(pair.record)
            except PithError as error:
                found.append(error.with_traceback(None))
                continue
            refused = self._refused(pair.snapshot)
            found.append((record_row(record), record.submitted_at.micros, refused, pair.told))
        return found

    def _refused(self, snapshot: Paper | bytes | PithError | None) -> PithError | None:
        if snapshot is None or isinstance(snapshot, PithError):
            return snapshot
        try:
            self._batch.show(snapshot)
        except (MalformedError, VerificationError) as error:
            return error.with_traceback(None)
        return None

    def _sign(self, times: list[int | None]) -> list[_Made | bytes | None]:
        """What is signed; of what is not, the payload that it was to get."""
        signed = self._batch.sign([None if at is None else Instant(at) for at in times])
        return [
            self._batch.payload(place) if made is None else _packed(made)
            for place, made in enumerate(signed)
        ]


def _packed(made: Signed) -> _Made:
    shown = None if made.shown is None else pack(made.shown)
    return made.created_id, pack(made.created), made.shown_id, shown


class _Book:
    """The one place where pages are claimed and stored."""

    def __init__(self, desk: Desk, signer: Signer, clock: Callable[[], Instant]) -> None:
        self.desk = desk
        self.signer = signer
        self.clock = clock
        self.since = valid_from(desk, signer)
        self.latest: Instant | None = None

    def claimed(self, mate: Mate) -> _Page:
        """Claim what a worker has read, and let it sign."""
        read: list[_Read | PithError] = mate.answer()
        at = self.clock()
        if self.latest is None or at < self.latest:
            self.desk.check_clock(at)
        self.latest = at
        rows = [each[0] for each in read if not isinstance(each, PithError)]
        intents = self.desk.store.claim_rows(rows, at=at, since=self.since)
        times = [None if intent is None else intent.at.micros for intent in intents]
        mate.tell(times)
        return _Page(read, times)

    def stored(self, page: _Page, signed: list[_Made | bytes | None]) -> list[Passed | PithError]:
        """Store what was signed of a page, and add the snapshots that old records lack."""
        good = [each for each in page.read if not isinstance(each, PithError)]
        rows = [
            MintRow(each[0]["suffix"], each[0]["digest"], *made, Instant(at))
            for each, made, at in zip(good, signed, page.times, strict=True)
            if isinstance(made, tuple) and at is not None
        ]
        news, shown = self.desk.store.add_mints(self.signer.key_id, self.desk.registry, rows)
        stored = iter(zip(rows, news, shown, strict=True))
        before = [e for e, made in zip(good, signed, strict=True) if isinstance(made, bytes)]
        last = self._last_snapshots(row["suffix"] for row, *_ in before)
        passed = iter(
            [
                self._passed(each, *next(stored))
                if isinstance(made, tuple)
                else self._passed_before(each, made, last)
                for each, made in zip(good, signed, strict=True)
            ]
        )
        return [each if isinstance(each, PithError) else next(passed) for each in page.read]

    def _last_snapshots(self, subjects: Iterable[str]) -> "_Snapshots":
        return self.desk.store.last_events(subjects, GRAPH_SNAPSHOT, self.desk.registry)

    def _passed(self, each: _Read, row: MintRow, new: bool, shown: bool) -> Passed:
        if shown and row.snapshot_id is not None:
            return _passed(each, new, f"sha256:{row.snapshot_id.hex()}", row.event)
        if row.snapshot is None:
            return _passed(each, new, each[2], row.event)
        payload = canonical(Event.parse(unpack(row.snapshot)).body.payload)
        last = self._last_snapshots([row.subject])
        return _passed(each, new, self._add_snapshot(each, payload, last), row.event)

    def _passed_before(self, each: _Read, payload: bytes | None, last: "_Snapshots") -> Passed:
        found = each[2] if payload is None else self._add_snapshot(each, payload, last)
        return _passed(each, False, found, None)

    def _add_snapshot(self, each: _Read, payload: bytes, last: "_Snapshots") -> str | PithError:
        """Add a snapshot to a record that was minted before, unless its last one says so; the
        id of the one that does, or why none can."""
        event_id, event = last.get(each[0]["suffix"], ("", b""))
        if _says(event, payload):
            return event_id
        last.pop(each[0]["suffix"], None)  # another of the page may be of the same record
        draft = Draft(GRAPH_SNAPSHOT, read_json(payload).value)
        record = Record.parse(unpack(each[0]["body"]))
        try:
            made, _ = add_event(self.desk, self.signer, record, draft, at=self.clock())
        except (MalformedError, VerificationError) as error:
            return error
        return made.event_id


_Snapshots: TypeAlias = dict[str, tuple[str, bytes]]
_PAYLOAD: Final = b'"payload":'


def _says(event: bytes, payload: bytes) -> bool:
    """Whether this is the payload of an event in canonical bytes, where no quotation mark stands
    unescaped in what is before it."""
    start = event.find(_PAYLOAD) + len(_PAYLOAD)
    return event.startswith(payload + b',"prev_event":', start)


def _passed(
    each: _Read, new: bool, snapshot: str | PithError | None, event: bytes | None
) -> Passed:
    row, submitted, _, told = each
    return Passed(row, submitted, new, snapshot, told, event)
