"""What our own newest key set says of a signature, with the evidence we hold (section 9.4)."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from registry.protocol.canonical import JsonObject
from registry.protocol.checks import SignedPart, Verdict
from registry.protocol.evidence import NO_TIMESTAMPS
from registry.protocol.instant import Instant
from registry.protocol.record import Record
from registry.protocol.trust import KeySetPin, Terms, Trusting
from registry.services.anchor import authorities_of, proofs_of
from registry.services.desk import Desk
from registry.services.timestamps import gather

Judge: TypeAlias = Callable[[SignedPart], Verdict]


def needs_evidence(desk: Desk) -> bool:
    """Whether outside evidence could change a verdict: a key is revoked, an authority pinned."""
    revoked = any(entry.status == "revoked" for entry in desk.keyset().body.entries)
    return revoked and desk.config.tsa is not None


def own_judge(
    desk: Desk,
    record: Record | None = None,
    events: Sequence[JsonObject] = (),
    *,
    at: Instant,
) -> Judge:
    """The judge of signatures under our own key set; of a *record* with its *events* it knows
    the timestamps too."""
    timestamps = NO_TIMESTAMPS
    if record is not None and needs_evidence(desk):
        held = {
            "events": list(events),
            "timestamp_proofs": desk.store.anchors_of(record.number.suffix),
        }
        timestamps = gather(held, proofs_of(desk, record), authorities_of(desk))
    pin = KeySetPin(desk.keyset(), "this registry's key set")
    trusting = Trusting(Terms((pin,), at, timestamps=timestamps))
    trusting.registry = desk.registry
    trusting.pin()
    return trusting.judge
