"""Import of events that come alone: what enrolled third parties send to their registry."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from registry.errors import (
    ConflictError,
    NotFoundError,
    PithError,
    UntrustedKeyError,
    VerificationError,
    shown,
)
from registry.protocol.event import Event
from registry.protocol.event_checks import Examined, examine_event
from registry.protocol.keys import REGISTRY_SIGNER
from registry.protocol.record import Record
from registry.protocol.signers import MAX_EVENT_BYTES, MAX_EVENTS, SignerEntry
from registry.protocol.strict_json import read_json
from registry.protocol.trust import Terms
from registry.services.desk import Desk
from registry.services.importing import Offer, Taken, import_events
from registry.store.rows import QuarantineRow


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the events of one file: what was taken by signer and record, what is
    kept apart, and what was refused, each with where it stood."""

    taken: tuple[Taken, ...]
    spoilt: tuple[QuarantineRow, ...]
    refused: tuple[tuple[str, PithError], ...]

    @property
    def quarantined(self) -> list[QuarantineRow]:
        """Everything that is kept apart."""
        return [*self.spoilt, *(row for taken in self.taken for row in taken.quarantined)]


@dataclass(slots=True)
class _Batch:
    """The events of one signer about one record, on their way in, under the quotas."""

    record: Record
    entry: SignerEntry
    held: dict[str, int]
    new: dict[str, Event]
    size: int
    unvouched: dict[str, tuple[str, str, str]]
    full: bool = False

    def add(self, event: Event, size: int, why: tuple[str, str, str] | None) -> None:
        """Count an event in, *why* it is to be kept apart with it, or raise ConflictError
        ``party.quota`` for it and all after. Of copies of one event one that is not kept
        apart counts, and among equals that of the smallest bytes."""
        name = event.event_id
        kept = self.new.get(name)
        if kept is not None:
            was = (name in self.unvouched, kept.canonical)
            if was <= (why is not None, event.canonical):
                return
        if name not in self.held and kept is None:
            self._count(size)
        self.new[name] = event
        if why is None:
            self.unvouched.pop(name, None)
        else:
            self.unvouched[name] = why

    def _count(self, size: int) -> None:
        count = len(self.held.keys() | self.new.keys()) + 1
        if self.full or count > MAX_EVENTS or self.size + size > MAX_EVENT_BYTES:
            self.full = True
            raise ConflictError(
                f"{shown(self.entry.signer_id)} has said all it may about {self.record.number}: "
                f"{MAX_EVENTS} events or 1 MiB",
                code="party.quota",
            )
        self.size += size


class EventImport:
    """One file of events on its way into our graph."""

    def __init__(self, desk: Desk, terms: Terms, source: str) -> None:
        self.desk = desk
        self.terms = terms
        self.source = source
        self.bindings = desk.bindings()
        self.signers = desk.store.find_signers()
        self.batches: dict[tuple[str, str], _Batch] = {}
        self.spoilt: list[QuarantineRow] = []

    def read(self, data: bytes) -> None:
        """Judge one event. What is of no party or no record of ours is refused; what does
        not verify is kept apart."""
        document = read_json(data)
        event = Event.from_json(document.value, encode=document.canonical)
        entry = self._entry(event)
        record = self.desk.store.find_record(event.body.subject.suffix)
        if record is None or record.number != event.body.subject:
            raise NotFoundError(
                f"no record {event.body.subject} is minted here", code="record.absent"
            )
        found = examine_event(document.value, record.number, self.bindings, document.canonical)
        if found.error is not None:
            self._keep_apart(found, found.error, record)
            return
        batch = self._batch(record, entry)
        if entry.status == "retired" and event.event_id not in batch.held:
            raise ConflictError(
                f"key {entry.key.key_id} of {shown(entry.signer_id)} is retired: it says nothing "
                "new here",
                code="party.retired",
            )
        batch.add(event, len(found.canonical), self._unvouched(event, entry))

    def _entry(self, event: Event) -> SignerEntry:
        signer = event.body.signer
        if signer.signer_type == REGISTRY_SIGNER:
            raise VerificationError(
                f"{event.event_id} is a registry's own, not a third party's",
                code="import.kind",
                hint="`pith bundle import` takes what registries say",
            )
        entry = None if self.signers is None else self.signers.body.find(signer)
        if entry is None:
            raise UntrustedKeyError(
                f"{signer.signer_type} {shown(signer.signer_id)} is not enrolled here with key "
                f"{signer.key_id} ({signer.fingerprint})",
                code="party.absent",
                hint="`pith party enroll` lets them speak",
            )
        return entry

    def _batch(self, record: Record, entry: SignerEntry) -> _Batch:
        place = (record.number.suffix, entry.signer_id)
        if place not in self.batches:
            sizes = {
                event.event_id: len(event.canonical)
                for event in self.desk.store.events_of(record.number.suffix)
                if event.body.signer.signer_id == entry.signer_id
            }
            self.batches[place] = _Batch(record, entry, sizes, {}, sum(sizes.values()), {})
        return self.batches[place]

    def _unvouched(self, event: Event, entry: SignerEntry) -> tuple[str, str, str] | None:
        latest = self.terms.at.plus(seconds=self.terms.max_ahead)
        for moment in (event.body.created_at, event.signature.signed_at.whole):
            if moment > latest:
                return "ahead", "event.clock", f"dated {moment.seconds}, ahead of this clock"
        if entry.status != "revoked":
            return None
        since = entry.compromised_since
        if since is None or event.body.created_at >= since:
            return "invalid", "party.revoked", f"key {entry.key.key_id} is revoked"
        reason = f"key {entry.key.key_id} is distrusted since {since.seconds}; that the event is "
        return "unproven", "party.revoked", reason + "older is its own word"

    def _keep_apart(self, found: Examined, error: PithError, record: Record) -> None:
        self.spoilt.append(
            QuarantineRow(
                name=found.identity,
                kind="event",
                registry=self.desk.registry,
                subject=record.number.suffix,
                verdict="invalid",
                code=error.code,
                reason=str(error),
                source=self.source,
                at=self.terms.at,
                body=found.canonical,
            )
        )

    def offers(self) -> Iterable[Offer]:
        """What was judged, by signer and record."""
        for batch in self.batches.values():
            yield Offer(
                self.source,
                self.desk.registry,
                batch.record,
                batch.new,
                (batch.entry.key,),
                batch.unvouched,
            )


def import_party_events(
    desk: Desk, terms: Terms, source: str, documents: Sequence[tuple[str, bytes]]
) -> Outcome:
    """Take the events of one file, each with where it stood there.

    One party's events about one record are taken together or not at all: a fork is kept
    apart with the evidence, and so is what follows an event that nobody has seen.
    """
    work = EventImport(desk, terms, source)
    refused: list[tuple[str, PithError]] = []
    for where, data in documents:
        try:
            work.read(data)
        except PithError as error:
            refused.append((where, error))
    desk.store.add_quarantined(work.spoilt)
    taken = []
    for offer in work.offers():
        if not offer.events:
            continue
        try:
            taken.append(import_events(desk, terms, offer))
        except ConflictError as error:
            refused.append(("", error))
    return Outcome(tuple(taken), tuple(work.spoilt), tuple(refused))
