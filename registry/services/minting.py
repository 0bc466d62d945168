"""Minting many: claimed and stored by this process, signed by workers on all cores.

The steps and their order are those of `registry.services.mint` (decision 0006), a page at a
time, several pages under way at once; given the same times the bytes are the same.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Final, NamedTuple, Self, TypeAlias

from registry.errors import KeyUnavailableError, MalformedError, PithError, VerificationError
from registry.protocol.canonical import canonical
from registry.protocol.event import MAX_EVENT_BYTES, Event
from registry.protocol.event_types import EVENT_TYPES, GRAPH_SNAPSHOT
from registry.protocol.graph import Paper
from registry.protocol.instant import Instant
from registry.protocol.number import PithNumber
from registry.protocol.payloads import About
from registry.protocol.receipt import Receipt
from registry.protocol.record import Record
from registry.protocol.strict_json import read_json
from registry.services.append import Draft, add_event, snapshot_payload
from registry.services.desk import Desk
from registry.services.mint import BUILDER_VERSION, receipt_of, valid_from
from registry.services.workers import cores, pooled
from registry.signing.bulk import Issue, Issued, SnapshotIssue, sign_records, sign_snapshots
from registry.signing.signer import Signer
from registry.store.rows import MintRow

POOLED_FROM: Final = 2_000
"""So many records are signed in this process before workers begin: fewer would not pay."""
MAX_PAYLOAD: Final = MAX_EVENT_BYTES - 4096
"""What a snapshot minted with its record may have: the rest of its event is smaller."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A record to mint and the payload, in canonical bytes, of the graph_snapshot that is
    to follow its record_created, if any; ``refused`` is why it has none."""

    record: Record
    snapshot: bytes | None = None
    refused: PithError | None = None

    @classmethod
    def of(cls, record: Record, paper: Paper | None) -> Self:
        """A record with what is known of its paper.

        Pure, so that workers may do it. Raises MismatchError ``graph.title`` or
        ``graph.abstract`` where it is another paper, MalformedError where no event could
        say it, ``event.size`` where it is too long.
        """
        if paper is None:
            return cls(record)
        data = canonical(snapshot_payload(record, paper))
        row = EVENT_TYPES[GRAPH_SNAPSHOT]
        row.check_payload(read_json(data).value, About(record.number, row.targets[0]), "$")
        if len(data) > MAX_PAYLOAD:
            raise MalformedError(
                f"a snapshot of {len(data)} bytes is over {MAX_PAYLOAD}", code="event.size"
            )
        return cls(record, data)

    @classmethod
    def read(cls, record: bytes, paper: bytes) -> Self:
        """The same of a canonical record and the JSON of its paper (`Paper.parse`), empty
        where there is none; of a paper that no snapshot can hold the refusal is kept."""
        found = Record.parse(record)
        if not paper:
            return cls(found)
        try:
            return cls.of(found, Paper.parse(paper))
        except (MalformedError, VerificationError) as error:
            return cls(found, refused=error.with_traceback(None))


@dataclass(frozen=True, slots=True)
class Passed:
    """A record that is minted and stored; ``new`` is False where it was minted before.

    ``event`` is the canonical bytes of its record_created where this call signed it;
    ``snapshot`` the id of the graph_snapshot that says what was asked for, why there is
    none, or None where none was asked for.
    """

    record: Record
    new: bool
    event: bytes | None
    snapshot: str | PithError | None = None

    def receipt(self, desk: Desk) -> Receipt:
        """Its receipt, the current one where the record was minted before."""
        if not self.new or self.event is None:
            return receipt_of(desk, self.record)
        return Receipt.from_json(Event.parse(self.event).body.payload["receipt"])


class _Sent(NamedTuple):
    """What a worker is told of a record: its bytes, the time, its number and snapshot."""

    record: bytes
    at: int
    number: PithNumber
    snapshot: bytes | None


_Signed: TypeAlias = list[tuple[Issued, tuple[bytes, bytes] | None]]


class _Page(NamedTuple):
    """Entries whose place is claimed with the time beside them; None: minted before."""

    entries: Sequence[Pair]
    claims: list[Instant | None]

    def sent(self) -> list[_Sent]:
        """What is to be signed of it."""
        return [
            _Sent(entry.record.canonical, at.micros, entry.record.number, entry.snapshot)
            for entry, at in zip(self.entries, self.claims, strict=True)
            if at is not None
        ]


def mint_all(
    desk: Desk,
    signer: Signer,
    pages: Iterable[Sequence[Pair]],
    *,
    clock: Callable[[], Instant],
) -> Iterator[list[Passed]]:
    """Mint pages of records, each with the snapshot of its paper where it has one
    (`Pair.of` makes one of a pair of record and paper or None); gives each page, in order,
    once it is stored.

    A page is a transaction, and its time is read when it is claimed. Workers on all cores
    sign once there are many and the signer is forkable; at most two pages each are under
    way, so *pages* is read no faster than is stored. A record minted before keeps its
    receipt, and its snapshot where it says the same. A call that was killed or
    broken off is finished by the next with the same entries. Raises what `Desk.check_clock`,
    the signer and the store raise; what was given is stored then.
    """
    desk.store.widen()
    waiting: deque[_Page] = deque()

    def under_way() -> Iterator[list[_Sent]]:
        for page in _claimed(desk, signer, pages, clock):
            waiting.append(page)
            yield page.sent()

    batches, first = under_way(), 0
    _begin(signer, desk.registry)
    for batch in batches:
        yield _stored(desk, signer, waiting.popleft(), _sign(batch), clock)
        first += len(batch)
        if first >= POOLED_FROM and signer.forkable and cores() > 1:
            break
    more = next(batches, None)
    if more is None:
        return
    work = chain([more], batches)
    for signed in pooled(work, _sign, begin=_begin, given=(signer, desk.registry)):
        yield _stored(desk, signer, waiting.popleft(), signed, clock)


def _claimed(
    desk: Desk, signer: Signer, pages: Iterable[Sequence[Pair]], clock: Callable[[], Instant]
) -> Iterator[_Page]:
    latest: Instant | None = None
    since = valid_from(desk, signer)
    for entries in pages:
        at = clock()
        if latest is None or at < latest:
            desk.check_clock(at)
        latest = at
        intents = desk.store.claim_mints([entry.record for entry in entries], at=at, since=since)
        yield _Page(entries, [None if intent is None else intent.at for intent in intents])


def _stored(
    desk: Desk, signer: Signer, page: _Page, signed: _Signed, clock: Callable[[], Instant]
) -> list[Passed]:
    """Store what was signed of a page, and add the snapshots that old records lack."""
    made = iter(signed)
    rows = [
        _row(entry.record, at, *next(made)) if at is not None else None
        for entry, at in zip(page.entries, page.claims, strict=True)
    ]
    news, shown = desk.store.add_mints(
        signer.key_id, desk.registry, [row for row in rows if row is not None]
    )
    new, has = iter(news), iter(shown)
    passed = []
    for entry, row in zip(page.entries, rows, strict=True):
        is_new, is_shown = (next(new), next(has)) if row is not None else (False, False)
        snapshot: str | PithError | None = entry.refused
        if is_shown and row is not None and row.snapshot_id is not None:
            snapshot = f"sha256:{row.snapshot_id.hex()}"
        elif entry.snapshot is not None:
            snapshot = _add_snapshot(desk, signer, entry.record, entry.snapshot, clock)
        passed.append(Passed(entry.record, is_new, row and row.event, snapshot))
    return passed


def _row(
    record: Record, at: Instant, issued: Issued, snapshot: tuple[bytes, bytes] | None
) -> MintRow:
    suffix = record.number.suffix
    event_id, event = snapshot or (None, None)
    return MintRow(suffix, record.digest, issued.event_id, issued.event, event_id, event, at)


def _add_snapshot(
    desk: Desk, signer: Signer, record: Record, payload: bytes, clock: Callable[[], Instant]
) -> str | PithError:
    """Add a snapshot to a record that was minted before, unless its last one says so; the id
    of the one that does, or why none can."""
    last = [
        event
        for event in desk.store.events_of(record.number.suffix)
        if event.body.event_type == GRAPH_SNAPSHOT and event.body.signer.signer_id == desk.registry
    ]
    if last and canonical(last[-1].body.payload) == payload:
        return last[-1].event_id
    draft = Draft(GRAPH_SNAPSHOT, read_json(payload).value)
    try:
        return add_event(desk, signer, record, draft, at=clock())[0].event_id
    except (MalformedError, VerificationError) as error:
        return error


# What the workers inherit by fork: the signer, never pickled or piped, and the registry.
_signing: Callable[[list[_Sent]], _Signed] | None = None


def _begin(signer: Signer, registry: str) -> None:
    global _signing
    _signing = partial(_signed, signer, registry)


def _sign(batch: list[_Sent]) -> _Signed:
    if _signing is None:
        raise KeyUnavailableError("no signer in this process", code="signer.none")
    return _signing(batch)


def _signed(signer: Signer, registry: str, batch: list[_Sent]) -> _Signed:
    issues = [Issue(sent.record, Instant(sent.at), Instant(sent.at)) for sent in batch]
    issued = sign_records(signer, registry, issues, builder_version=BUILDER_VERSION)
    wanted = [
        SnapshotIssue(sent.number, sent.snapshot, f"sha256:{made.event_id.hex()}", Instant(sent.at))
        for sent, made in zip(batch, issued, strict=True)
        if sent.snapshot is not None
    ]
    snapshots = iter(sign_snapshots(signer, registry, wanted))
    return [
        (made, next(snapshots) if sent.snapshot is not None else None)
        for sent, made in zip(batch, issued, strict=True)
    ]
