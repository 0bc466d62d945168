"""Append: sign an event about a minted record at the end of our chain."""

from registry.protocol.canonical import JsonObject, canonical
from registry.protocol.event import Event, EventBody
from registry.protocol.event_types import EVENT_TYPES, GRAPH_SNAPSHOT
from registry.protocol.graph import Paper, graph_snapshot
from registry.protocol.instant import Instant
from registry.protocol.record import Record
from registry.services.desk import Desk
from registry.services.find import merged
from registry.services.mint import BUILDER_VERSION, finish
from registry.signing.documents import check_event
from registry.signing.signer import Signer
from registry.store.rows import Intent, event_bytes


def add_graph_snapshot(
    desk: Desk, signer: Signer, record: Record, paper: Paper, *, at: Instant
) -> tuple[Event, bool]:
    """Sign what is known of a paper as a graph_snapshot event; False where it is no news.

    Raises MismatchError ``graph.title`` or ``graph.abstract`` when the paper is
    not the record's.
    """
    snapshot = graph_snapshot(paper, record, builder_version=BUILDER_VERSION)
    payload = {"graph_snapshot": snapshot, "verdict_id": None}
    return add_event(desk, signer, record, GRAPH_SNAPSHOT, payload, at=at)


def add_event(
    desk: Desk,
    signer: Signer,
    record: Record,
    event_type: str,
    payload: JsonObject,
    *,
    at: Instant,
) -> tuple[Event, bool]:
    """Sign an event that supersedes our current ones of its type, unless the newest of
    them already says the same.

    The place in the chain is claimed, durably, before anything is signed; a
    place that an interrupted command claimed is finished first.
    """
    while True:
        # The head is read before the events: when it has not moved by the time the place is
        # claimed, no event came after those that were read.
        head = desk.store.find_head(record.number.suffix, desk.registry)
        mine = [
            event
            for event in merged(desk, record.number).current
            if event.body.event_type == event_type and event.body.signer.signer_id == desk.registry
        ]
        if mine and canonical(mine[-1].body.payload) == canonical(payload):
            return mine[-1], False
        body = EventBody(
            event_type=event_type,
            subject=record.number,
            target=EVENT_TYPES[event_type].target,
            payload=payload,
            signer=desk.signer_ref(signer),
            created_at=at.whole,
            supersedes=tuple(sorted(event.event_id for event in mine)),
            prev_event=head,
        )
        check_event(body, at)
        wanted = canonical(body.to_json())
        claim = desk.store.claim(
            Intent(record.number.suffix, event_bytes(head), at, wanted), desk.registry
        )
        if claim is None:
            continue
        event = finish(desk, signer, claim)
        if claim.body == wanted:
            return event, True
