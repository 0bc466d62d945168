"""The signed event about a record (protocol.md section 7)."""

import base64
import hashlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

from registry.errors import MalformedError, shown
from registry.protocol import schema
from registry.protocol.canonical import Encoder, Json, JsonObject, canonical
from registry.protocol.ed25519 import SIGNATURE_LENGTH
from registry.protocol.event_types import EVENT_TYPES, RECORD_CREATED
from registry.protocol.instant import Instant
from registry.protocol.keys import ALGORITHM, PARTY_TYPES, REGISTRY_SIGNER, PublicKey
from registry.protocol.number import PithNumber
from registry.protocol.payloads import ATTESTATION_STATE, About
from registry.protocol.receipt import SIGNATURE_STATUS, Receipt
from registry.protocol.record import Record
from registry.protocol.strict_json import read_json

SCHEMA_VERSION: Final = "1.0"
SIGNED_MESSAGE: Final = "open_graph_event_sha256_bytes"
MAX_EVENT_BYTES: Final = 64 << 10
MAX_SUPERSEDES: Final = 64

_BODY_KEYS: Final = frozenset(
    (
        "event_type",
        "subject_pith_number",
        "target",
        "payload",
        "signer",
        "created_at",
        "supersedes",
        "prev_event",
        "schema_version",
    )
)
_SEAL_KEYS: Final = frozenset(("signature", "content_sha256", "event_id"))
_KEYS: Final = _BODY_KEYS | _SEAL_KEYS
_SIGNER_KEYS: Final = frozenset(("signer_id", "signer_type", "key_id", "public_key_fingerprint"))
_SIGNATURE_KEYS: Final = frozenset(
    (
        "signature_status",
        "algorithm",
        "key_id",
        "public_key_fingerprint",
        "signature_b64",
        "signed_message",
        "signed_at",
    )
)


@dataclass(frozen=True, slots=True)
class SignerRef:
    """The ``signer`` member: who speaks and with which key. All four are bound together."""

    signer_id: str
    signer_type: str
    key_id: str
    fingerprint: str

    @classmethod
    def from_json(cls, value: Json, path: str) -> Self:
        """Check a closed signer object."""
        members = schema.closed(value, _SIGNER_KEYS, path)
        signer_type = members["signer_type"]
        if signer_type != REGISTRY_SIGNER and signer_type not in PARTY_TYPES:
            raise MalformedError(
                f"unknown signer_type {shown(signer_type)}",
                code="schema.constant",
                path=f"{path}.signer_type",
            )
        return cls(
            schema.name(members["signer_id"], f"{path}.signer_id"),
            signer_type,
            schema.key_id(members["key_id"], f"{path}.key_id"),
            schema.hex32(members["public_key_fingerprint"], f"{path}.public_key_fingerprint"),
        )

    @classmethod
    def of_registry(cls, registry: str, key_id: str, key: PublicKey) -> Self:
        """The signer object of a registry's own key."""
        return cls(registry, REGISTRY_SIGNER, key_id, key.fingerprint)

    def to_json(self) -> JsonObject:
        """The object in the order published events have."""
        return {
            "signer_id": self.signer_id,
            "signer_type": self.signer_type,
            "key_id": self.key_id,
            "public_key_fingerprint": self.fingerprint,
        }


Bindings: TypeAlias = Mapping[SignerRef, PublicKey]
"""Which key speaks for whom: the only thing about keys that enters a merge."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The ``signature`` member of an event, or a bundle's without its digest.

    ``key_id`` and ``fingerprint`` must equal the signer's and select nothing.
    """

    key_id: str
    fingerprint: str
    raw: bytes
    signed_at: Instant

    @classmethod
    def from_json(
        cls, value: Json, path: str, *, signed_message: str, more: frozenset[str] = frozenset()
    ) -> Self:
        """Check a closed signature object that also has the members *more*."""
        members = schema.closed(value, _SIGNATURE_KEYS | more, path)
        schema.constant(members["signature_status"], SIGNATURE_STATUS, f"{path}.signature_status")
        schema.constant(members["algorithm"], ALGORITHM, f"{path}.algorithm")
        schema.constant(members["signed_message"], signed_message, f"{path}.signed_message")
        return cls(
            schema.key_id(members["key_id"], f"{path}.key_id"),
            schema.hex32(members["public_key_fingerprint"], f"{path}.public_key_fingerprint"),
            schema.base64_bytes(
                members["signature_b64"], SIGNATURE_LENGTH, f"{path}.signature_b64"
            ),
            schema.micros(members["signed_at"], f"{path}.signed_at"),
        )

    def to_json(self, *, signed_message: str) -> JsonObject:
        """The object in the order published events have."""
        return {
            "signature_status": SIGNATURE_STATUS,
            "algorithm": ALGORITHM,
            "key_id": self.key_id,
            "public_key_fingerprint": self.fingerprint,
            "signature_b64": base64.b64encode(self.raw).decode(),
            "signed_message": signed_message,
            "signed_at": self.signed_at.micro_text,
        }


@dataclass(frozen=True, slots=True)
class EventBody:
    """What an event says, before it is signed; its digest is the event's identity."""

    event_type: str
    subject: PithNumber
    target: str
    payload: JsonObject
    signer: SignerRef
    created_at: Instant
    supersedes: tuple[str, ...]
    prev_event: str | None

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read an event body from JSON."""
        return cls.from_json(read_json(data).value)

    @classmethod
    def from_json(cls, value: Json, path: str = "$") -> Self:
        """Check a closed event body (an event without signature, digest and id)."""
        return cls._taken(schema.closed(value, _BODY_KEYS, path), path)

    @classmethod
    def _taken(cls, members: JsonObject, path: str) -> Self:
        row = EVENT_TYPES.get(schema.text(members["event_type"], f"{path}.event_type"))
        if row is None:
            raise MalformedError(
                f"unknown event_type {shown(members['event_type'])}",
                code="event.type",
                path=f"{path}.event_type",
                hint=f"known: {', '.join(EVENT_TYPES)}",
            )
        schema.constant(members["schema_version"], SCHEMA_VERSION, f"{path}.schema_version")
        subject = PithNumber.parse(members["subject_pith_number"])
        target = row.check_target(members["target"], f"{path}.target")
        row.check_payload(members["payload"], About(subject, target), f"{path}.payload")
        prev_event = members["prev_event"]
        return cls(
            row.name,
            subject,
            target,
            members["payload"],
            SignerRef.from_json(members["signer"], f"{path}.signer"),
            schema.seconds(members["created_at"], f"{path}.created_at"),
            _supersedes(members["supersedes"], f"{path}.supersedes"),
            None if prev_event is None else schema.event_id(prev_event, f"{path}.prev_event"),
        )

    def to_json(self) -> JsonObject:
        """What is hashed: the event without signature, content_sha256 and event_id."""
        return {
            "event_type": self.event_type,
            "subject_pith_number": str(self.subject),
            "target": self.target,
            "payload": self.payload,
            "signer": self.signer.to_json(),
            "created_at": self.created_at.seconds,
            "supersedes": list(self.supersedes),
            "prev_event": self.prev_event,
            "schema_version": SCHEMA_VERSION,
        }


def record_created(
    record: Record,
    receipt: Receipt,
    signer: SignerRef,
    *,
    supersedes: tuple[str, ...] = (),
    prev_event: str | None = None,
    embed: Callable[[Record], Json] = Record.to_json,
) -> EventBody:
    """What says that a record was minted, or issued again where it supersedes.

    Its time is the receipt's `last_reissued_at` cut to seconds, which for a first
    issue is `first_computed_at`. *embed* gives the record as it is to stand in it.
    """
    source = record.source
    return EventBody(
        event_type=RECORD_CREATED,
        subject=record.number,
        target="record",
        payload={
            "canonical_record": embed(record),
            "canonical_sha256": record.sha256,
            "receipt": receipt.to_json(),
            "source_kind": source.kind,
            "source_id": source.id,
            "source_version": source.version,
            "attestation_state": ATTESTATION_STATE,
        },
        signer=signer,
        created_at=receipt.last_reissued_at.whole,
        supersedes=supersedes,
        prev_event=prev_event,
    )


def check_links(supersedes: tuple[str, ...], prev_event: str | None) -> None:
    """Pass what an event body may refer to; raises MalformedError."""
    _supersedes(list(supersedes), "$.supersedes")
    if prev_event is not None:
        schema.event_id(prev_event, "$.prev_event")


def _supersedes(value: Json, path: str) -> tuple[str, ...]:
    ids = [
        schema.event_id(item, f"{path}[{i}]") for i, item in enumerate(schema.array(value, path))
    ]
    if len(ids) > MAX_SUPERSEDES:
        raise MalformedError(f"over {MAX_SUPERSEDES} ids", code="event.supersedes", path=path)
    if any(a >= b for a, b in itertools.pairwise(ids)):
        raise MalformedError(
            "ids are not sorted without repeats", code="event.supersedes", path=path
        )
    return tuple(ids)


def event_message(body: EventBody) -> bytes:
    """What an event's signature is over: the digest of its body, 32 raw bytes."""
    return hashlib.sha256(canonical(body.to_json())).digest()


def event_identity(value: JsonObject, encode: Encoder = canonical) -> bytes:
    """The same digest recomputed from an event as it stands, in its form or not."""
    body = {name: member for name, member in value.items() if name not in _SEAL_KEYS}
    return hashlib.sha256(encode(body)).digest()


@dataclass(frozen=True, slots=True)
class Event:
    """A signed event. ``sha256`` is its written content digest in hex."""

    body: EventBody
    signature: Signature
    sha256: str
    event_id: str

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read an event from JSON, without comparing its digests."""
        return cls.from_json(read_json(data).value)

    @classmethod
    def from_json(cls, value: Json, path: str = "$", encode: Encoder = canonical) -> Self:
        """Check a closed event object of at most 64 KiB; digests are not yet compared."""
        return cls.of_size(value, len(encode(value)), path)

    @classmethod
    def of_size(cls, value: Json, size: int, path: str = "$") -> Self:
        """The same for an event whose canonical bytes are already known to be *size*."""
        members = schema.closed(value, _KEYS, path)
        event = cls(
            EventBody._taken(members, path),
            Signature.from_json(
                members["signature"], f"{path}.signature", signed_message=SIGNED_MESSAGE
            ),
            schema.hex64(members["content_sha256"], f"{path}.content_sha256"),
            schema.event_id(members["event_id"], f"{path}.event_id"),
        )
        # signed_at is under no signature: without this an edited copy with an earlier one,
        # which sorts before the good copy, would be kept in its place (decision 0009).
        if event.signature.signed_at.whole < event.body.created_at:
            raise MalformedError(
                f"signed_at {event.signature.signed_at.seconds} is before created_at "
                f"{event.body.created_at.seconds}",
                code="event.times",
                path=f"{path}.signature.signed_at",
            )
        if size > MAX_EVENT_BYTES:
            raise MalformedError(
                f"event of {size} bytes is over {MAX_EVENT_BYTES}", code="event.size", path=path
            )
        return event

    def to_json(self) -> JsonObject:
        """The event in the member order of published bundles."""
        body = self.body
        return {
            "event_type": body.event_type,
            "subject_pith_number": str(body.subject),
            "target": body.target,
            "payload": body.payload,
            "signer": body.signer.to_json(),
            "created_at": body.created_at.seconds,
            "supersedes": list(body.supersedes),
            "prev_event": body.prev_event,
            "signature": self.signature.to_json(signed_message=SIGNED_MESSAGE),
            "content_sha256": self.sha256,
            "schema_version": SCHEMA_VERSION,
            "event_id": self.event_id,
        }

    @property
    def canonical(self) -> bytes:
        """The canonical bytes of the event with its signature."""
        return canonical(self.to_json())
