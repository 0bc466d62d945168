"""Third parties: the enrolment of one, and the list of all (protocol.md section 11)."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from registry.errors import MalformedError
from registry.protocol import schema
from registry.protocol.canonical import Json, JsonObject, canonical
from registry.protocol.ed25519 import SIGNATURE_LENGTH
from registry.protocol.event import SignerRef
from registry.protocol.instant import Instant
from registry.protocol.keys import KEY_MEMBERS, KeyObject, PublicKey
from registry.protocol.keyset import KeySetSignature
from registry.protocol.strict_json import LARGE, read_json

SIGNERS_TYPE: Final = "pith_signers"
PREFIX: Final = b"pith-signers-v1\n"
ENROLMENT_TYPE: Final = "pith_enrolment"
ENROLMENT_VERSION: Final = "1.0"
ENROLMENT_PREFIX: Final = b"pith-enrol-v1\n"
STATUSES: Final = ("active", "retired", "revoked")
MAX_EVENTS: Final = 256
MAX_EVENT_BYTES: Final = 1 << 20
"""What a registry takes from one party about one subject."""

_PARTY_KEYS: Final = KEY_MEMBERS | {"signer_id", "signer_type"}
_ENROLMENT_KEYS: Final = _PARTY_KEYS | {
    "enrolment_type",
    "enrolment_version",
    "registry",
    "enrolment_b64",
}
_ENTRY_KEYS: Final = _PARTY_KEYS | {"status", "revoked_at", "compromised_since", "enrolment_b64"}
_BODY_KEYS: Final = frozenset(("signers_type", "registry", "version", "prev_sha256", "signers"))
_KEYS: Final = _BODY_KEYS | {"signature"}


def _party(members: JsonObject, path: str) -> KeyObject:
    return KeyObject.from_json({name: members[name] for name in _PARTY_KEYS}, path)


def _party_json(key: KeyObject) -> JsonObject:
    return {"signer_id": key.signer_id, "signer_type": key.signer_type} | key.to_json()


def enrolment_message(registry: str, key: KeyObject) -> bytes:
    """What a newcomer signs: that the key speaks under this name, at this registry."""
    return ENROLMENT_PREFIX + canonical(
        {
            "registry": registry,
            "signer_id": key.signer_id,
            "signer_type": key.signer_type,
            "public_key_hex": key.key.hex,
        }
    )


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a newcomer sends to a registry: a key, a name, and the proof that he holds it."""

    registry: str
    key: KeyObject
    proof: bytes

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read an enrolment from JSON; the proof is checked by `verify_enrolment`."""
        members = schema.closed(read_json(data).value, _ENROLMENT_KEYS, "$")
        schema.constant(members["enrolment_type"], ENROLMENT_TYPE, "$.enrolment_type")
        schema.constant(members["enrolment_version"], ENROLMENT_VERSION, "$.enrolment_version")
        return cls(
            schema.name(members["registry"], "$.registry"),
            _party(members, "$"),
            schema.base64_bytes(members["enrolment_b64"], SIGNATURE_LENGTH, "$.enrolment_b64"),
        )

    def to_json(self) -> JsonObject:
        """The document that is sent."""
        return {
            "enrolment_type": ENROLMENT_TYPE,
            "enrolment_version": ENROLMENT_VERSION,
            "registry": self.registry,
            **_party_json(self.key),
            "enrolment_b64": base64.b64encode(self.proof).decode(),
        }


@dataclass(frozen=True, slots=True)
class SignerEntry:
    """One third party's key in the list. ``key`` has its signer_id and signer_type."""

    key: KeyObject
    status: str
    revoked_at: Instant | None
    compromised_since: Instant | None
    proof: bytes

    @classmethod
    def from_json(cls, value: Json, path: str) -> Self:
        """Check a closed entry."""
        members = schema.closed(value, _ENTRY_KEYS, path)
        times = {
            name: None if members[name] is None else schema.seconds(members[name], f"{path}.{name}")
            for name in ("revoked_at", "compromised_since")
        }
        return cls(
            _party(members, path),
            schema.one_of(members["status"], STATUSES, f"{path}.status"),
            times["revoked_at"],
            times["compromised_since"],
            schema.base64_bytes(
                members["enrolment_b64"], SIGNATURE_LENGTH, f"{path}.enrolment_b64"
            ),
        )

    def to_json(self) -> JsonObject:
        """The entry in the member order of section 11."""
        return _party_json(self.key) | {
            "status": self.status,
            "revoked_at": self.revoked_at and self.revoked_at.seconds,
            "compromised_since": self.compromised_since and self.compromised_since.seconds,
            "enrolment_b64": base64.b64encode(self.proof).decode(),
        }

    @property
    def signer_id(self) -> str:
        """Who speaks with the key."""
        return self.key.signer_id or ""

    @property
    def ref(self) -> SignerRef:
        """The ``signer`` member of the party's events."""
        key = self.key
        return SignerRef(self.signer_id, key.signer_type or "", key.key_id, key.key.fingerprint)


@dataclass(frozen=True, slots=True)
class SignersBody:
    """A signers list before it is signed."""

    registry: str
    version: int
    prev_sha256: str | None
    entries: tuple[SignerEntry, ...]

    @classmethod
    def from_json(cls, value: Json, path: str = "$") -> Self:
        """Check a closed list without its signature."""
        return cls._taken(schema.closed(value, _BODY_KEYS, path), path)

    @classmethod
    def _taken(cls, members: JsonObject, path: str) -> Self:
        schema.constant(members["signers_type"], SIGNERS_TYPE, f"{path}.signers_type")
        version = schema.integer(members["version"], f"{path}.version")
        if version < 1:
            raise MalformedError(
                "version is at least 1", code="schema.range", path=f"{path}.version"
            )
        previous = members["prev_sha256"]
        found = schema.array(members["signers"], f"{path}.signers")
        return cls(
            schema.name(members["registry"], f"{path}.registry"),
            version,
            None if previous is None else schema.hex64(previous, f"{path}.prev_sha256"),
            tuple(SignerEntry.from_json(e, f"{path}.signers[{i}]") for i, e in enumerate(found)),
        )

    def to_json(self) -> JsonObject:
        """What is signed, in the member order of section 11."""
        return {
            "signers_type": SIGNERS_TYPE,
            "registry": self.registry,
            "version": self.version,
            "prev_sha256": self.prev_sha256,
            "signers": [entry.to_json() for entry in self.entries],
        }

    @property
    def digest(self) -> bytes:
        """SHA-256 of the signed bytes: what the next version names."""
        return hashlib.sha256(signers_message(self)).digest()

    @property
    def bindings(self) -> Mapping[SignerRef, PublicKey]:
        """Which key speaks for whom, whatever its status: a binding never changes."""
        return {entry.ref: entry.key.key for entry in self.entries}

    def find(self, ref: SignerRef) -> SignerEntry | None:
        """The entry of one binding, or None."""
        return next((entry for entry in self.entries if entry.ref == ref), None)


def signers_message(body: SignersBody) -> bytes:
    """What a list's signature is over: the prefix and the canonical bytes."""
    return PREFIX + canonical(body.to_json())


@dataclass(frozen=True, slots=True)
class Signers:
    """A signed list."""

    body: SignersBody
    signature: KeySetSignature

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a list of at most 16 MiB from JSON; rules and signature are checked by
        `registry.protocol.signers_chain`."""
        return cls.from_json(read_json(data, LARGE).value)

    @classmethod
    def from_json(cls, value: Json, path: str = "$") -> Self:
        """Check a closed list."""
        members = schema.closed(value, _KEYS, path)
        return cls(
            SignersBody._taken(members, path),
            KeySetSignature.from_json(members["signature"], f"{path}.signature"),
        )

    def to_json(self) -> JsonObject:
        """The whole list."""
        return self.body.to_json() | {"signature": self.signature.to_json()}
