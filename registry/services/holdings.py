"""Holdings: what is stored of one registry's graph about a record, and what may join it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from registry.errors import ConflictError, UntrustedKeyError, shown
from registry.protocol.bundle import Bundle
from registry.protocol.bundle_checks import bindings_of
from registry.protocol.equivocation import Contradiction, Seen, find_forks, keys_of
from registry.protocol.equivocation_checks import examine_evidence
from registry.protocol.event import Bindings, Event
from registry.protocol.event_types import RECORD_CREATED
from registry.protocol.keys import KeyObject
from registry.protocol.receipt import Receipt
from registry.protocol.record import Record
from registry.protocol.signed_parts import receipt_part, signed_event
from registry.protocol.trust import VOUCHED, Terms, Trusting
from registry.services.desk import Desk
from registry.services.mint import event_line, receipt_line
from registry.store.chains import bundle_line
from registry.store.rows import SignatureRow


@dataclass(frozen=True, slots=True)
class Holding:
    """The stored events of one registry about one record, with the keys they are checked
    with."""

    registry: str
    events: Mapping[str, Event]
    keys: tuple[KeyObject, ...]
    bindings: Bindings

    @classmethod
    def of(cls, desk: Desk, registry: str, record: Record) -> Self:
        """What is held of a registry's graph: ours, or another's beside it."""
        suffix = record.number.suffix
        if registry == desk.registry:
            events = desk.store.events_of(suffix)
            keys, bindings = desk.key_objects(), desk.bindings()
        else:
            events = desk.store.foreign_events_of(registry, suffix)
            keys = tuple(desk.store.foreign_keys(registry))
            bindings = bindings_of(keys, registry)
        return cls(registry, {event.event_id: event for event in events}, keys, bindings)

    def required(self, terms: Terms) -> set[str]:
        """The events that whoever speaks for the registry must not leave out: those that
        the verifier's pins still vouch for."""
        trusting = Trusting(terms)
        trusting.registry = self.registry
        trusting.pin()
        return {name for name, event in self.events.items() if self._vouched(trusting, event)}

    def _vouched(self, trusting: Trusting, event: Event) -> bool:
        signer = event.body.signer
        if signer.signer_id != self.registry or signer not in self.bindings:
            return signer in self.bindings
        parts = [signed_event(event, self.bindings[signer])]
        if event.body.event_type == RECORD_CREATED:
            receipt = Receipt.from_json(event.body.payload["receipt"])
            parts.append(receipt_part(event, receipt, self.bindings))
        try:
            return all(trusting.judge(part).verdict in VOUCHED for part in parts)
        except UntrustedKeyError:
            return False

    def check_gaps(self, terms: Terms, offered: Mapping[str, Event]) -> None:
        """Raise ConflictError ``import.gap`` for a new event after one that is neither held
        nor offered: a chain cannot be taken up in its middle. Under a key set with a revoked
        key it can: what nobody vouches for any more stands in no bundle."""
        keyset = terms.anchor(self.registry).keyset
        revoked = [
            entry.valid_from
            for entry in (keyset.body.entries if keyset is not None else ())
            if entry.usage == "registry" and entry.status == "revoked"
        ]
        for name, event in offered.items():
            prev = event.body.prev_event
            if name in self.events or prev is None or prev in self.events or prev in offered:
                continue
            if any(event.body.created_at >= valid_from for valid_from in revoked):
                continue
            raise ConflictError(
                f"event {name} follows {prev}, which nobody here has seen",
                code="import.gap",
                hint="import what comes between first",
            )

    def with_followers(
        self, offered: Mapping[str, Event], unvouched: Mapping[str, tuple[str, str, str]]
    ) -> dict[str, tuple[str, str, str]]:
        """What of *offered* is to be kept apart, by name, with why: *unvouched*, and what the
        same third party said after it. Stored, that would leave a hole in every bundle."""
        after = defaultdict(list)
        for name, event in offered.items():
            if event.body.signer.signer_id != self.registry and name not in self.events:
                after[event.body.prev_event, event.body.signer.signer_id].append(name)
        apart = dict(unvouched)
        waiting = [name for name in unvouched if name not in self.events]
        while waiting:
            prev = waiting.pop()
            for name in after[prev, offered[prev].body.signer.signer_id]:
                if name not in apart:
                    reason = f"it follows {prev}, which is kept apart"
                    apart[name] = (apart[prev][0], "import.gap", reason)
                    waiting.append(name)
        return apart

    def check_forks(
        self,
        desk: Desk,
        terms: Terms,
        offered: Mapping[str, Event],
        keys: Iterable[KeyObject],
        unvouched: Collection[str],
    ) -> None:
        """Raise ConflictError ``import.equivocation`` when an offered event contradicts a
        held or another offered one; the evidence is kept first."""
        counted = {name: event for name, event in offered.items() if name not in unvouched}
        found = self.keep_evidence(desk, terms, counted, keys)
        if found:
            raise ConflictError(
                f"{shown(found[0].signer_id)} contradicts itself about {found[0].subject}: "
                f"evidence {found[0].digest.hex()}",
                code="import.equivocation",
                hint="`pith evidence export` writes it to a file; nothing was merged",
            )

    def keep_evidence(
        self, desk: Desk, terms: Terms, offered: Mapping[str, Event], keys: Iterable[KeyObject]
    ) -> tuple[Contradiction, ...]:
        """Find what of *offered* contradicts what is held or itself, and keep the evidence."""
        trusting = Trusting(terms)
        trusting.registry = self.registry
        trusting.pin()
        keyset = trusting.trusted.keyset
        every = {key.key_id: key for key in (*self.keys, *keys)}.values()
        seen = [
            Seen(event, keys_of(event, every), self.registry, event.body.signer.signer_id)
            for event in {**self.events, **offered}.values()
        ]
        new = offered.keys() - self.events.keys()
        found = tuple(
            each
            for each in find_forks(seen, {} if keyset is None else {self.registry: keyset})
            if new & {value["event_id"] for value in each.objects}
        )
        for each in found:
            examine_evidence(each.canonical, Terms((), terms.at)).require()
        if found:
            desk.store.add_evidence(found, at=terms.at)
        return found


def new_heads(
    desk: Desk, record: Record, events: Mapping[str, Event]
) -> list[tuple[str, str | None, str]]:
    """Where each signer's chain in our graph goes on to: (signer_id, old head, new head).

    *events* are the held and the offered ones, free of forks, those that are kept apart
    only for want of proof among them: what we sign next comes after the last of all.
    """
    moves = []
    for signer_id in sorted({event.body.signer.signer_id for event in events.values()}):
        chain = {n: e for n, e in events.items() if e.body.signer.signer_id == signer_id}
        followed = {event.body.prev_event for event in chain.values()}
        old = desk.store.find_head(record.number.suffix, signer_id)
        ends = sorted((chain[n].body.created_at.micros, n) for n in chain.keys() - followed)
        ours = signer_id == desk.registry
        reached = [
            n for _, n in ends if n != old and (old is None or _reaches(chain, n, old, holes=ours))
        ]
        moves += [(signer_id, old, name) for name in reached[-1:]]
    return moves


def _reaches(chain: Mapping[str, Event], last: str, old: str, *, holes: bool) -> bool:
    """Whether a chain goes back from *last* to *old*, or, where it may have *holes*, from a
    later event to one that was left out."""
    place: str | None = last
    while place is not None and place != old and place in chain:
        place = chain[place].body.prev_event
    if place is None or place == old:
        return place == old
    later = old in chain and chain[last].body.created_at > chain[old].body.created_at
    return holes and later


def own_lines(
    registry: str, events: Sequence[Event], bundles: Sequence[Bundle]
) -> list[tuple[str, SignatureRow]]:
    """What signatures of *registry* events and bundles hold, each with the journal line it
    would have."""
    lines = []
    for event in events:
        if event.body.signer.signer_id != registry:
            continue
        lines.append((f"event {event.event_id}", event_line(event)))
        if event.body.event_type == RECORD_CREATED:
            receipt = Receipt.from_json(event.body.payload["receipt"])
            lines.append((f"receipt in event {event.event_id}", receipt_line(receipt)))
    return [*lines, *((f"bundle {bundle.sha256}", bundle_line(bundle)) for bundle in bundles)]
