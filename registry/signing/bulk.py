"""Signing by the batch: record_created events for minting many records or issuing them
again, and the graph snapshots that follow them.

The bytes are those that `registry.signing.documents` makes one by one. What it
does for each document by reading it again, this does by building the event of a
record or payload that it has just read under the closed schema, from nothing else. Self-check
(protocol.md 9.6): a key in this process signs twice and the two are compared, any
other signature is verified; the first and the last event of a batch are examined
with the function that strangers use.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from registry.errors import MalformedError, MismatchError
from registry.protocol.canonical import Json, embedded, plain_canonical
from registry.protocol.event import (
    MAX_EVENT_BYTES,
    Event,
    EventBody,
    Signature,
    SignerRef,
    check_links,
    record_created,
)
from registry.protocol.event_checks import examine_event
from registry.protocol.event_types import EVENT_TYPES, GRAPH_SNAPSHOT
from registry.protocol.instant import Instant
from registry.protocol.number import PithNumber
from registry.protocol.payloads import About
from registry.protocol.receipt import Receipt, receipt_message
from registry.protocol.record import Record
from registry.protocol.strict_json import read_json
from registry.signing.documents import check_depth
from registry.signing.signer import SeedSigner, Signer

_SNAPSHOT: Final = EVENT_TYPES[GRAPH_SNAPSHOT]


@dataclass(frozen=True, slots=True)
class Issue:
    """A record that is to get a receipt and its record_created.

    ``record`` is its canonical bytes; ``at`` the time of both signatures, which is
    ``last_reissued_at``. A first issue has ``first_computed_at`` equal to it,
    supersedes nothing and begins the chain.
    """

    record: bytes
    first_computed_at: Instant
    at: Instant
    supersedes: tuple[str, ...] = ()
    prev_event: str | None = None


class Issued(NamedTuple):
    """A signed record_created: its id (32 bytes) and canonical bytes, and what its receipt
    is over, the record's digest (32 bytes)."""

    event_id: bytes
    event: bytes
    record_digest: bytes


def sign_records(
    signer: Signer, registry: str, issues: Sequence[Issue], *, builder_version: str
) -> list[Issued]:
    """Sign a batch: for each record its receipt and the event that holds it.

    Raises MalformedError where bytes are not a canonical record or an event would not be
    one, MismatchError ``signing.canonical`` where they are one in another spelling or
    ``receipt.times``, and KeyUnavailableError when the signer fails; nothing of the batch
    leaves then.
    """
    sign, who = checking(signer), SignerRef.of_registry(registry, signer.key_id, signer.public_key)
    numbers: list[PithNumber] = []
    batch: list[Issued] = []
    for issue in issues:
        record = _read(issue.record)
        batch.append(_issued(sign, who, record, issue, builder_version))
        numbers.append(record.number)
    examine_ends(signer, who, numbers, [issued.event for issued in batch])
    return batch


@dataclass(frozen=True, slots=True)
class SnapshotIssue:
    """A payload, as its canonical bytes, that is to become the graph_snapshot right after
    the event *prev_event* of its record; it supersedes nothing."""

    subject: PithNumber
    payload: bytes
    prev_event: str
    at: Instant


def sign_snapshots(
    signer: Signer, registry: str, issues: Sequence[SnapshotIssue]
) -> list[tuple[bytes, bytes]]:
    """Sign a batch of graph snapshots: of each its id (32 bytes) and canonical bytes.

    Raises MalformedError or MismatchError where bytes are not such a payload or an event
    would not be one, ``signing.canonical`` where they are one in another spelling, and
    KeyUnavailableError when the signer fails; nothing of the batch leaves then.
    """
    sign, who = checking(signer), SignerRef.of_registry(registry, signer.key_id, signer.public_key)
    batch = [_snapshot(sign, who, issue) for issue in issues]
    examine_ends(signer, who, [issue.subject for issue in issues], [data for _, data in batch])
    return batch


def _snapshot(
    sign: Callable[[bytes], bytes], who: SignerRef, issue: SnapshotIssue
) -> tuple[bytes, bytes]:
    check_payload(issue.subject, issue.payload)
    check_links((), issue.prev_event)
    return _shown(sign, who, issue)


def check_payload(subject: PithNumber, payload: bytes) -> None:
    """Read the payload of a snapshot of *subject*; raises MalformedError, or MismatchError
    ``signing.canonical`` where it is one in another spelling."""
    document = read_json(payload)
    _SNAPSHOT.check_payload(document.value, About(subject, _SNAPSHOT.targets[0]), "$")
    check_depth(document.value)
    if document.canonical(document.value) != payload:
        raise MismatchError(
            f"the snapshot of {subject} was offered in other bytes than its canonical ones",
            code="signing.canonical",
        )


def _shown(
    sign: Callable[[bytes], bytes], who: SignerRef, issue: SnapshotIssue
) -> tuple[bytes, bytes]:
    body = EventBody(
        event_type=_SNAPSHOT.name,
        subject=issue.subject,
        target=_SNAPSHOT.targets[0],
        payload=embedded(issue.payload),
        signer=who,
        created_at=issue.at.whole,
        supersedes=(),
        prev_event=issue.prev_event,
    )
    return _sealed(sign, body, issue.at)


def checking(signer: Signer) -> Callable[[bytes], bytes]:
    """How a signer signs with the self-check of a batch."""
    return signer._sign_twice if isinstance(signer, SeedSigner) else signer._sign


def examine_ends(
    signer: Signer, who: SignerRef, numbers: Sequence[PithNumber], events: Sequence[bytes]
) -> None:
    """Examine the first and the last event of a batch as a stranger would."""
    for place in sorted({0, len(events) - 1} if events else ()):
        value = read_json(events[place]).value
        examined = examine_event(value, numbers[place], {who: signer.public_key})
        if examined.error is not None:
            raise examined.error


def _read(data: bytes) -> Record:
    record = Record.parse(data)
    if record.canonical != data:
        raise MismatchError(
            f"{record.number} was offered in other bytes than its canonical ones",
            code="signing.canonical",
        )
    return record


def _issued(
    sign: Callable[[bytes], bytes],
    who: SignerRef,
    record: Record,
    issue: Issue,
    builder_version: str,
) -> Issued:
    if issue.first_computed_at > issue.at:
        raise MismatchError(
            f"{record.number} was first computed after it is issued", code="receipt.times"
        )
    check_links(issue.supersedes, issue.prev_event)
    receipt = Receipt(
        key_id=who.key_id,
        fingerprint=who.fingerprint,
        sha256=record.sha256,
        signature=sign(receipt_message(record)),
        builder_version=builder_version,
        first_computed_at=issue.first_computed_at,
        last_reissued_at=issue.at,
        signed_at=issue.at,
    )
    body = record_created(
        record,
        receipt,
        who,
        supersedes=issue.supersedes,
        prev_event=issue.prev_event,
        embed=_embedded,
    )
    return Issued(*_sealed(sign, body, issue.at), record.digest)


def _sealed(sign: Callable[[bytes], bytes], body: EventBody, at: Instant) -> tuple[bytes, bytes]:
    """The id and the canonical bytes of an event whose payload stands embedded."""
    digest = hashlib.sha256(plain_canonical(body.to_json())).digest()
    signature = Signature(body.signer.key_id, body.signer.fingerprint, sign(digest), at)
    event = Event(body, signature, digest.hex(), f"sha256:{digest.hex()}")
    data = plain_canonical(event.to_json())
    if len(data) > MAX_EVENT_BYTES:
        raise MalformedError(
            f"the event of {body.subject} has {len(data)} bytes, over {MAX_EVENT_BYTES}",
            code="event.size",
        )
    return digest, data


def _embedded(record: Record) -> Json:
    return embedded(record.canonical)
