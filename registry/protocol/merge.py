"""Any set of events into one deterministic state: `pith-open-graph-merge-v1` (section 8).

No clock, ``built_at``, ``signed_at``, evidence or key status enters: the same
set of events gives the same state whatever their order and repetition.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from registry.protocol.canonical import Encoder, Json, JsonObject, canonical, digest
from registry.protocol.event import Bindings, Event
from registry.protocol.event_checks import EVENT_CHECKS, Examined, examine_event
from registry.protocol.event_types import EVENT_TYPES, RANK, RECORD_CREATED
from registry.protocol.number import PithNumber
from registry.protocol.receipt import Receipt

MERGE_VERSION: Final = "pith-open-graph-merge-v1"
STATE_TYPE: Final = "pith_open_graph_state"
STATE_VERSION: Final = "1.0"
SHOWN_LISTS: Final = (
    "graph_snapshots",
    "author_attestations",
    "timestamp_anchors",
    "storage_attestations",
    "citation_signatures",
    "replication_records",
    "corrections",
    "mirror_hints",
)


@dataclass(frozen=True, slots=True)
class Equivocation:
    """Two or more events of one signer after the same previous one."""

    signer_id: str
    prev_event: str
    event_ids: tuple[str, ...]

    def to_json(self) -> JsonObject:
        """The entry as it stands in a state."""
        return {
            "signer_id": self.signer_id,
            "prev_event": self.prev_event,
            "event_ids": list(self.event_ids),
        }


@dataclass(frozen=True, slots=True)
class Merged:
    """What a set of events comes to.

    ``events`` are the valid ones, un-applied ones too, each once, in the order
    of section 8.2; ``applied`` those that count; ``invalid`` the best copy of
    each identity without a passing one, by identity; ``current`` the applied
    ones not superseded; ``record_created`` the one that is shown, ``receipt`` the
    receipt in it.
    """

    number: PithNumber
    events: tuple[Event, ...]
    applied: tuple[Event, ...]
    current: tuple[Event, ...]
    record_created: Event | None
    receipt: Receipt | None
    invalid: tuple[Examined, ...]
    equivocations: tuple[Equivocation, ...]

    def state(self, source_aliases: list[Json]) -> JsonObject:
        """The state document, in the member order of published ones, with ``state_sha256``.

        *source_aliases* is the bundle's list; a state without a record has none.
        """
        state = self._state(source_aliases, _sorted)
        return state | {"state_sha256": digest(state).hex()}

    def compared_state(self, source_aliases: list[Json]) -> JsonObject:
        """The same without ``state_sha256``, for comparing canonical bytes: members of items
        stay unsorted."""
        return self._state(source_aliases, lambda value: value)

    def _state(self, source_aliases: list[Json], arrange: Callable[[Json], Json]) -> JsonObject:
        shown = self.record_created
        record = None if shown is None else shown.body.payload["canonical_record"]
        current: JsonObject = {
            "canonical_record": arrange(record),
            "source_aliases": [] if shown is None else source_aliases,
        }
        for name in SHOWN_LISTS:
            current[name] = [
                _item(event, arrange)
                for event in self.current
                if EVENT_TYPES[event.body.event_type].shown_as == name
            ]
        current["record_created"] = None if shown is None else _item(shown, arrange)
        return {
            "state_type": STATE_TYPE,
            "state_version": STATE_VERSION,
            "pith_number": str(self.number),
            "merge_version": MERGE_VERSION,
            "event_count": len(self.events) + len(self.invalid),
            "valid_event_count": len(self.events),
            "invalid_event_count": len(self.invalid),
            "equivocation_count": len(self.equivocations),
            "current": current,
            "equivocations": [entry.to_json() for entry in self.equivocations],
            "invalid_events": [
                {"event_id": copy.identity, "reason": copy.failed} for copy in self.invalid
            ],
            "applied_event_ids": [event.event_id for event in self.applied],
        }


def merge(
    number: PithNumber,
    events: Iterable[JsonObject],
    bindings: Bindings,
    encode: Encoder = canonical,
) -> Merged:
    """Merge events, as they stand in JSON, about the record named *number*."""
    return merge_examined(
        number, [examine_event(value, number, bindings, encode) for value in events]
    )


def merge_examined(number: PithNumber, copies: Iterable[Examined]) -> Merged:
    """Merge copies of events that `examine_event` has already judged."""
    kept, invalid = _identities(copies)
    valid = {identity: copy.event for identity, copy in kept.items() if copy.event is not None}
    events = _ordered(valid)
    equivocations = _equivocations(events)
    applied = _applied(events, valid, equivocations)
    superseded = _superseded(applied, valid)
    current = tuple(event for event in applied if event.event_id not in superseded)
    shown, receipt = _record_shown(current, kept)
    return Merged(
        number=number,
        events=tuple(events),
        applied=tuple(applied),
        current=current,
        record_created=shown,
        receipt=receipt,
        invalid=invalid,
        equivocations=equivocations,
    )


def _identities(
    copies: Iterable[Examined],
) -> tuple[dict[str, Examined], tuple[Examined, ...]]:
    """8.1: one valid copy an identity, and the best failed copy of each other."""
    valid: dict[str, Examined] = {}
    failed: dict[str, Examined] = {}
    for copy in copies:
        if copy.failed is None:
            kept = valid.get(copy.identity)
            if kept is None or copy.canonical < kept.canonical:
                valid[copy.identity] = copy
        else:
            kept = failed.get(copy.identity)
            if kept is None or _best(copy) > _best(kept):
                failed[copy.identity] = copy
    return valid, tuple(failed[identity] for identity in sorted(failed.keys() - valid.keys()))


def _best(copy: Examined) -> tuple[int, bytes]:
    """The furthest reason first; among equals the copy does not depend on the order."""
    return (EVENT_CHECKS.index(copy.failed or EVENT_CHECKS[0]), copy.canonical)


def _ordered(valid: Mapping[str, Event]) -> list[Event]:
    """8.2: parents first, and among the ready the smallest (created_at, rank, event_id)."""
    children: dict[str, list[str]] = defaultdict(list)
    waiting: dict[str, int] = {}
    ready: list[tuple[int, int, str]] = []
    for identity, event in valid.items():
        body = event.body
        parents = {parent for parent in (body.prev_event, *body.supersedes) if parent in valid}
        waiting[identity] = len(parents)
        for parent in parents:
            if parent is not None:
                children[parent].append(identity)
        if not parents:
            ready.append(_place(event))
    heapq.heapify(ready)
    placed = []
    while ready:
        identity = heapq.heappop(ready)[2]
        placed.append(valid[identity])
        for child in children[identity]:
            waiting[child] -= 1
            if waiting[child] == 0:
                heapq.heappush(ready, _place(valid[child]))
    return placed


def _place(event: Event) -> tuple[int, int, str]:
    return (event.body.created_at.micros, RANK[event.body.event_type], event.event_id)


def _equivocations(events: Iterable[Event]) -> tuple[Equivocation, ...]:
    """8.3: valid events of one signer with the same previous event, present or not."""
    followers: dict[tuple[str, str], list[str]] = defaultdict(list)
    for event in events:
        if event.body.prev_event is not None:
            key = (event.body.signer.signer_id, event.body.prev_event)
            followers[key].append(event.event_id)
    return tuple(
        Equivocation(signer_id, prev_event, tuple(sorted(ids)))
        for (signer_id, prev_event), ids in sorted(followers.items())
        if len(ids) > 1
    )


def _applied(
    events: Iterable[Event],
    valid: Mapping[str, Event],
    equivocations: Iterable[Equivocation],
) -> list[Event]:
    """8.3: all but the equivocating events and what reaches them through links."""
    dropped = {event_id for entry in equivocations for event_id in entry.event_ids}
    applied = []
    for event in events:
        before = valid.get(event.body.prev_event or "")
        linked = before is not None and before.body.signer.signer_id == event.body.signer.signer_id
        if event.event_id in dropped or (linked and event.body.prev_event in dropped):
            dropped.add(event.event_id)
        else:
            applied.append(event)
    return applied


def _superseded(applied: Iterable[Event], valid: Mapping[str, Event]) -> set[str]:
    """8.4: what an applied event of the same signer and type supersedes, for good."""
    gone = set()
    for event in applied:
        for target_id in event.body.supersedes:
            target = valid.get(target_id)
            if target is not None and _may_supersede(event, target):
                gone.add(target_id)
    return gone


def _may_supersede(event: Event, target: Event) -> bool:
    body, other = event.body, target.body
    return (
        body.signer.signer_id == other.signer.signer_id
        and body.event_type == other.event_type
        and (
            body.event_type != RECORD_CREATED
            or body.payload["canonical_sha256"] == other.payload["canonical_sha256"]
        )
    )


def _record_shown(
    current: Iterable[Event], kept: Mapping[str, Examined]
) -> tuple[Event | None, Receipt | None]:
    """8.4: the smallest first_computed_at, among equals the last in order."""
    shown: Event | None = None
    best: Receipt | None = None
    for event in current:
        receipt = kept[event.event_id].receipt
        if receipt is None:
            continue
        if best is None or receipt.first_computed_at <= best.first_computed_at:
            shown, best = event, receipt
    return shown, best


def _item(event: Event, arrange: Callable[[Json], Json]) -> JsonObject:
    return {
        "event_id": event.event_id,
        "target": event.body.target,
        "created_at": event.body.created_at.seconds,
        "signer": arrange(event.body.signer.to_json()),
        "payload": arrange(event.body.payload),
    }


def _sorted(value: Json) -> Json:
    """The same value with the members of every object in the order of their names."""
    if type(value) is dict:
        return {name: _sorted(value[name]) for name in sorted(value)}
    if type(value) is list:
        return [_sorted(item) for item in value]
    return value
