"""One good event of each type that is not made at the mint, and who signs it."""

from dataclasses import dataclass
from typing import Any, Final

from registry.protocol.event import Event
from registry.protocol.instant import Instant
from registry.protocol.places import mirror_hint
from registry.protocol.record import Record
from tests.world import AUTHOR, MIRROR, READER, RECORD, REGISTRY, SNAPSHOT_AT, Speaker, b64

CLAIM: Final = "claim:c1.main"
ORCID: Final = "0000-0002-1825-0097"
SHA256: Final = "ab" * 32
SOME_EVENT: Final = "sha256:" + "7" * 64

ATTESTATION: Final[dict[str, Any]] = {
    "claimant": {"name": "Ada Able", "orcid": ORCID},
    "method": "orcid_key",
    "strength": "strong",
    "statement": "I wrote this.",
    "evidence_url": "https://orcid.org/0000-0002-1825-0097",
}
WEAK: Final = ATTESTATION | {
    "claimant": {"name": "Ada Able", "orcid": None},
    "strength": "weak",
    "evidence_url": None,
}
ANCHOR: Final[dict[str, Any]] = {
    "anchored_sha256": SHA256,
    "proof_format": "rfc3161",
    "proof_b64": b64(b"a token"),
    "status": "confirmed",
    "anchored_at": "2026-06-01T12:00:30Z",
    "authority": "A Time Authority",
}
STORAGE: Final[dict[str, Any]] = {
    "archive": "Example Archive",
    "source_url": "https://arxiv.example/abs/2601.00001v1",
    "capture_url": "https://archive.example/2026/https://arxiv.example/abs/2601.00001v1",
    "captured_at": "2026-06-01T11:00:00Z",
    "content_sha256": SHA256,
}
CITATION: Final[dict[str, Any]] = {
    "citing": str(RECORD.number),
    "cited": "arxiv:1706.03762v5",
    "relationship": "extends",
    "claim_id": "c2",
    "note": "section 3",
}
REPLICATION: Final[dict[str, Any]] = {
    "kind": "replication",
    "outcome": "the same figures within 2 %",
    "artifact_url": "https://reader.example/run.tar",
    "artifact_sha256": SHA256,
    "note": None,
}
CORRECTION: Final[dict[str, Any]] = {
    "corrects": SOME_EVENT,
    "field": "$.graph_snapshot.paper.title",
    "reason": "a letter is missing",
    "replacement": "A small world",
}


def hint(of: Record = RECORD, base_url: str = "https://mirror.example") -> dict[str, Any]:
    """An item of mirror_hints."""
    return mirror_hint(base_url, of.number, name="A mirror", mirror_type="https", status="active")


HINT: Final = hint()


@dataclass(frozen=True, slots=True)
class Sample:
    """A good event: its type, what it says, of what, and who says it."""

    event_type: str
    payload: dict[str, Any]
    speaker: Speaker
    target: str = "record"

    def event(self, *, at: Instant = SNAPSHOT_AT, prev: str | None = None) -> Event:
        """The event, signed."""
        return self.speaker.event(self.event_type, self.payload, self.target, at=at, prev=prev)


SAMPLES: Final = {
    "author-attestation": Sample("author_attestation", ATTESTATION, AUTHOR),
    "author-attestation-weak": Sample("author_attestation", WEAK, REGISTRY, CLAIM),
    "timestamp-anchor": Sample("timestamp_anchor", ANCHOR, REGISTRY),
    "timestamp-anchor-of-event": Sample(
        "timestamp_anchor", ANCHOR, REGISTRY, f"event:{SOME_EVENT}"
    ),
    "timestamp-anchor-of-checkpoint": Sample(
        "timestamp_anchor",
        ANCHOR | {"status": "pending", "anchored_at": None, "authority": None},
        REGISTRY,
        "checkpoint",
    ),
    "storage-attestation": Sample("storage_attestation", STORAGE, MIRROR),
    "storage-attestation-without-capture": Sample(
        "storage_attestation", STORAGE | {"capture_url": None}, REGISTRY
    ),
    "citation-signature": Sample("citation_signature", CITATION, AUTHOR),
    "citation-signature-by-a-reader": Sample(
        "citation_signature",
        CITATION
        | {"citing": "arxiv:hep-th/9901001", "cited": str(RECORD.number), "claim_id": None},
        READER,
        CLAIM,
    ),
    "citation-signature-without-note": Sample(
        "citation_signature", CITATION | {"claim_id": None, "note": None}, REGISTRY
    ),
    "replication-record": Sample("replication_record", REPLICATION, READER, CLAIM),
    "replication-record-without-artifact": Sample(
        "replication_record",
        REPLICATION | {"kind": "formal_bridge", "artifact_url": None, "artifact_sha256": None},
        REGISTRY,
    ),
    "correction-of-the-record": Sample("correction", CORRECTION, AUTHOR),
    "correction-of-the-graph": Sample("correction", CORRECTION, REGISTRY, "graph"),
    "correction-of-an-event": Sample(
        "correction",
        CORRECTION | {"field": None, "replacement": None},
        AUTHOR,
        f"event:{SOME_EVENT}",
    ),
    "mirror-hint": Sample("mirror_hint", HINT, MIRROR),
}


def sample_of(event_type: str) -> Sample:
    """The first sample of a type."""
    return next(each for each in SAMPLES.values() if each.event_type == event_type)


def every_place() -> list[Event]:
    """A history of the world's record that fills every place of a state: the chains of
    four signers."""
    created = REGISTRY.record_created()
    events = [created, REGISTRY.snapshot(prev=created.event_id)]
    last = {REGISTRY.name: events[-1].event_id}
    for sample in SAMPLES.values():
        at = SNAPSHOT_AT.plus(seconds=len(events))
        made = sample.event(at=at, prev=last.get(sample.speaker.name))
        last[sample.speaker.name] = made.event_id
        events.append(made)
    return events
