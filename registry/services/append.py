"""Append: sign an event about a minted record at the end of our chain."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from registry.errors import ConflictError, NotFoundError
from registry.protocol.canonical import JsonObject, canonical
from registry.protocol.event import Event, EventBody, SignerRef
from registry.protocol.event_checks import check_allowed
from registry.protocol.event_types import EVENT_TYPES, GRAPH_SNAPSHOT, MIRROR_HINT
from registry.protocol.graph import Paper, graph_snapshot
from registry.protocol.instant import Instant
from registry.protocol.record import Record
from registry.services.desk import Desk
from registry.services.find import merged
from registry.services.mint import BUILDER_VERSION, settle
from registry.signing.documents import check_event
from registry.signing.signer import Signer
from registry.store.rows import Intent, event_bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """What an event is to say; ``target`` is by default the first that its type may have,
    ``supersedes`` names events of ours that it replaces."""

    event_type: str
    payload: JsonObject
    target: str | None = None
    supersedes: Sequence[str] = ()

    @property
    def takes(self) -> object:
        """The place in ``state.current`` that only one event of a signer may have, or None
        where any number stand side by side (decision 0016)."""
        if self.event_type == GRAPH_SNAPSHOT:
            return GRAPH_SNAPSHOT
        return self.payload.get("base_url") if self.event_type == MIRROR_HINT else None


def add_graph_snapshot(
    desk: Desk, signer: Signer, record: Record, paper: Paper, *, at: Instant
) -> tuple[Event, bool]:
    """Sign what is known of a paper as a graph_snapshot event; False where it is no news.

    Raises MismatchError ``graph.title`` or ``graph.abstract`` when the paper is
    not the record's.
    """
    draft = Draft(GRAPH_SNAPSHOT, snapshot_payload(record, paper))
    return add_event(desk, signer, record, draft, at=at)


def snapshot_payload(record: Record, paper: Paper) -> JsonObject:
    """The payload of a snapshot of *paper*, which must be the paper of *record*."""
    snapshot = graph_snapshot(paper, record, builder_version=BUILDER_VERSION)
    return {"graph_snapshot": snapshot, "verdict_id": paper.verdict_id}


def add_event(
    desk: Desk, signer: Signer, record: Record, draft: Draft, *, at: Instant
) -> tuple[Event, bool]:
    """Sign an event after our last one on a record; False where a current one of ours says
    the same already.

    The place in the chain is claimed, durably, before anything is signed; a place that
    an interrupted command claimed is finished first.
    """
    while True:
        # The head is read before the events: when it has not moved by the time the place is
        # claimed, no event came after those that were read.
        head = desk.store.find_head(record.number.suffix, desk.registry)
        plan = plan_event(desk, desk.signer_ref(signer), record, draft, at=at)
        if plan.same is not None:
            return plan.same, False
        wanted = canonical(replace(plan.body, prev_event=head).to_json())
        claim = desk.store.claim(
            Intent(record.number.suffix, event_bytes(head), at, wanted), desk.registry
        )
        if claim is None:
            continue
        event = settle(desk, signer, claim, at=at)
        if event is not None and claim.body == wanted:
            return event, True


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be signed; ``same`` is our current event that says it already."""

    body: EventBody
    same: Event | None


def plan_event(desk: Desk, key: SignerRef, record: Record, draft: Draft, *, at: Instant) -> Plan:
    """Put the body of an event together, and check all that can be checked unsigned.

    Raises what `check_event` and `check_allowed` raise, and for what it is to supersede
    NotFoundError ``event.absent`` or ConflictError ``event.supersedes``.
    """
    head = desk.store.find_head(record.number.suffix, desk.registry)
    current = [
        event
        for event in merged(desk, record.number).current
        if event.body.event_type == draft.event_type
        and event.body.signer.signer_id == desk.registry
    ]
    target = draft.target or EVENT_TYPES[draft.event_type].targets[0]
    said = canonical(draft.payload)
    taken = [
        event
        for event in current
        if draft.takes is not None
        and replace(draft, payload=event.body.payload).takes == draft.takes
    ]
    named = {_named(desk, record, draft, event_id) for event_id in draft.supersedes}
    same = [
        event
        for event in (taken[-1:] if taken else current)
        if event.body.target == target
        and canonical(event.body.payload) == said
        and named.isdisjoint(each.event_id for each in current)
    ]
    body = EventBody(
        event_type=draft.event_type,
        subject=record.number,
        target=target,
        payload=draft.payload,
        signer=key,
        created_at=at.whole,
        supersedes=tuple(sorted(named.union(event.event_id for event in taken))),
        prev_event=head,
    )
    check_event(body, at)
    check_allowed(body)
    return Plan(body, same[-1] if same else None)


def _named(desk: Desk, record: Record, draft: Draft, event_id: str) -> str:
    found = desk.store.find_event(event_id)
    if found is None or found.body.subject != record.number:
        raise NotFoundError(
            f"no event {event_id} about {record.number}",
            code="event.absent",
            hint="`pith event list` shows what there is",
        )
    if (found.body.event_type, found.body.signer.signer_id) != (draft.event_type, desk.registry):
        raise ConflictError(
            f"{event_id} is a {found.body.event_type} of {found.body.signer.signer_id}: only a "
            "signer's own events of the same type can be superseded",
            code="event.supersedes",
        )
    return event_id
