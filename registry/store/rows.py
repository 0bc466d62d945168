"""The rows that are no documents: what is claimed, where keys are, what was signed and done."""

from dataclasses import dataclass
from typing import Final, NamedTuple, TypedDict

from registry.protocol.canonical import JsonObject
from registry.protocol.instant import Instant
from registry.protocol.keys import PublicKey
from registry.protocol.record import Record
from registry.store.packing import pack

NO_EVENT: Final = b""
MAX_CLAIM_AGE: Final = 86_400 * 1_000_000
"""Microseconds after which a claim's time is no longer that of a signature: the claim is
taken over with the new time. No process still works on it, and nothing of it ever left."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A place in a record's chain that is claimed: what will be signed, and when.

    ``body`` is the event body's canonical bytes, empty for a record_created.
    """

    subject: str
    prev: bytes
    at: Instant
    body: bytes


class RecordRow(TypedDict):
    """A record, packed, and what it is found by, as the database keeps them."""

    digest: bytes
    suffix: str
    year: int
    source_kind: str
    source_id: str
    source_version: int
    body: bytes


def record_row(record: Record) -> RecordRow:
    """The row of a record."""
    source, number = record.source, record.number
    return {
        "digest": record.digest,
        "suffix": number.suffix,
        "year": number.year,
        "source_kind": source.kind,
        "source_id": source.id,
        "source_version": source.version,
        "body": pack(record.canonical),
    }


class MintRow(NamedTuple):
    """A record_created that begins a chain, and the graph_snapshot after it where there is
    one: ids (32 bytes) and packed bytes; ``at`` is the time of every signature."""

    subject: str
    record_digest: bytes
    event_id: bytes
    event: bytes
    snapshot_id: bytes | None
    snapshot: bytes | None
    at: Instant


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key of this registry and the URI of the key store that holds it."""

    key_id: str
    public_key: PublicKey
    usage: str
    uri: str
    created_at: Instant


@dataclass(frozen=True, slots=True)
class SignatureRow:
    """One line of the journal: a signature that was made.

    ``kind`` is receipt, event, bundle, keyset or transcript; ``digest`` the 32 bytes
    that were signed (of a key set and a transcript, SHA-256 of what was signed).
    """

    key_id: str
    kind: str
    digest: bytes
    at: Instant


@dataclass(frozen=True, slots=True)
class ActRow:
    """One line of the journal of acts on keys: what was done, with which key, why, when."""

    act: str
    key_id: str
    reason: str
    at: Instant


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """A document that an import did not take, kept apart under its name.

    ``name`` is an event id or a bundle's digest, ``kind`` event or bundle, ``subject``
    the suffix of its record; ``verdict`` is invalid, unproven, ahead, untrusted or
    conflict, ``code`` the rule and ``reason`` its words; ``source`` where it came from.
    """

    name: str
    kind: str
    registry: str
    subject: str
    verdict: str
    code: str
    reason: str
    source: str
    at: Instant
    body: bytes

    def to_json(self) -> JsonObject:
        """What is said of it, for ``--json``."""
        return {
            "name": self.name,
            "kind": self.kind,
            "registry": self.registry,
            "subject": self.subject,
            "verdict": self.verdict,
            "code": self.code,
            "reason": self.reason,
            "source": self.source,
            "at": self.at.seconds,
        }


def event_bytes(event_id: str | None) -> bytes:
    """An event id as the store keeps it: 32 bytes, or none for the start of a chain."""
    return NO_EVENT if event_id is None else bytes.fromhex(event_id.removeprefix("sha256:"))
