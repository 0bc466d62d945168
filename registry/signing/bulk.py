"""Signing record_created events by the batch: minting many records, or issuing them again.

The bytes are those that `registry.signing.documents` makes one by one. What it
does for each document by reading it again, this does by building the event of a
record that it has just read under the closed schema, from nothing else. Self-check
(protocol.md 9.6): a key in this process signs twice and the two are compared, any
other signature is verified; the first and the last event of a batch are examined
with the function that strangers use.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from registry.errors import MalformedError, MismatchError
from registry.protocol.canonical import Json, embedded, plain_canonical
from registry.protocol.event import (
    MAX_EVENT_BYTES,
    Event,
    Signature,
    SignerRef,
    check_links,
    record_created,
)
from registry.protocol.event_checks import examine_event
from registry.protocol.instant import Instant
from registry.protocol.number import PithNumber
from registry.protocol.receipt import Receipt, receipt_message
from registry.protocol.record import Record
from registry.protocol.strict_json import read_json
from registry.signing.signer import SeedSigner, Signer


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
    sign = signer._sign_twice if isinstance(signer, SeedSigner) else signer._sign
    who = SignerRef.of_registry(registry, signer.key_id, signer.public_key)
    numbers: list[PithNumber] = []
    batch: list[Issued] = []
    for issue in issues:
        record = _read(issue.record)
        batch.append(_issued(sign, who, record, issue, builder_version))
        numbers.append(record.number)
    for place in sorted({0, len(batch) - 1} if batch else ()):
        value = read_json(batch[place].event).value
        examined = examine_event(value, numbers[place], {who: signer.public_key})
        if examined.error is not None:
            raise examined.error
    return batch


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
    digest = hashlib.sha256(plain_canonical(body.to_json())).digest()
    signature = Signature(who.key_id, who.fingerprint, sign(digest), issue.at)
    event = Event(body, signature, digest.hex(), f"sha256:{digest.hex()}")
    data = plain_canonical(event.to_json())
    if len(data) > MAX_EVENT_BYTES:
        raise MalformedError(
            f"the event of {record.number} has {len(data)} bytes, over {MAX_EVENT_BYTES}",
            code="event.size",
        )
    return Issued(digest, data, record.digest)


def _embedded(record: Record) -> Json:
    return embedded(record.canonical)
