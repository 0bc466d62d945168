"""The key set: what a verifier pins and an operator rotates (protocol.md section 10)."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Final, Self

from registry.errors import MalformedError
from registry.protocol import schema
from registry.protocol.canonical import Json, JsonObject, canonical
from registry.protocol.instant import Instant
from registry.protocol.keys import ALGORITHM, KEY_MEMBERS, KeyObject, PublicKey
from registry.protocol.strict_json import KEY_SET, read_json

KEYSET_TYPE: Final = "pith_key_set"
KEYSET_VERSION: Final = "1.0"
PREFIX: Final = b"pith-keyset-v1\n"
MAX_LIFE_DAYS: Final = 400
USAGES: Final = ("registry", "recovery")
STATUSES: Final = ("announced", "active", "retiring", "retired", "revoked")
_BODY_KEYS: Final = frozenset(
    (
        "keyset_type",
        "keyset_version",
        "registry",
        "version",
        "created_at",
        "expires_at",
        "threshold",
        "prev_keyset_sha256",
        "keys",
    )
)
_KEYS: Final = _BODY_KEYS | {"signatures"}
_LIFE_KEYS: Final = frozenset(
    (
        "usage",
        "status",
        "valid_from",
        "retired_at",
        "revoked_at",
        "compromised_since",
        "reason",
        "successor_key_sha256",
    )
)
_SIGNATURE_KEYS: Final = frozenset(("key_id", "public_key_fingerprint", "signature_b64"))


def _optional_time(value: Json, path: str) -> Instant | None:
    return None if value is None else schema.seconds(value, path)


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One key of a set, with its life. ``object`` is None for an algorithm this
    version does not know: such an entry is kept, shown, and counts for nothing."""

    key_id: str
    object: KeyObject | None
    described: JsonObject
    usage: str
    status: str
    valid_from: Instant
    retired_at: Instant | None
    revoked_at: Instant | None
    compromised_since: Instant | None
    reason: str | None
    successor_key_sha256: str | None

    @classmethod
    def new(
        cls,
        key: KeyObject,
        *,
        usage: str,
        status: str,
        valid_from: Instant,
        successor_key_sha256: str | None = None,
    ) -> Self:
        """The entry of a key that is being added to a set."""
        return cls(
            key.key_id,
            key,
            key.to_json(),
            usage,
            status,
            valid_from,
            None,
            None,
            None,
            None,
            successor_key_sha256,
        )

    @classmethod
    def from_json(cls, value: Json, path: str) -> Self:
        """Check a closed entry: a key object and eight members of its life."""
        members = schema.closed(value, KEY_MEMBERS | _LIFE_KEYS, path)
        described = {name: member for name, member in members.items() if name in KEY_MEMBERS}
        algorithm = schema.text(members["algorithm"], f"{path}.algorithm")
        successor = members["successor_key_sha256"]
        return cls(
            schema.key_id(members["key_id"], f"{path}.key_id"),
            KeyObject.from_json(described, path) if algorithm == ALGORITHM else None,
            described,
            schema.one_of(members["usage"], USAGES, f"{path}.usage"),
            schema.one_of(members["status"], STATUSES, f"{path}.status"),
            schema.seconds(members["valid_from"], f"{path}.valid_from"),
            _optional_time(members["retired_at"], f"{path}.retired_at"),
            _optional_time(members["revoked_at"], f"{path}.revoked_at"),
            _optional_time(members["compromised_since"], f"{path}.compromised_since"),
            schema.optional_text(members["reason"], f"{path}.reason"),
            None if successor is None else schema.hex64(successor, f"{path}.successor_key_sha256"),
        )

    def to_json(self) -> JsonObject:
        """The entry in the member order of section 10."""

        def text(moment: Instant | None) -> str | None:
            return None if moment is None else moment.seconds

        return self.described | {
            "usage": self.usage,
            "status": self.status,
            "valid_from": self.valid_from.seconds,
            "retired_at": text(self.retired_at),
            "revoked_at": text(self.revoked_at),
            "compromised_since": text(self.compromised_since),
            "reason": self.reason,
            "successor_key_sha256": self.successor_key_sha256,
        }


@dataclass(frozen=True, slots=True)
class KeySetSignature:
    """One key's signature over a set."""

    key_id: str
    fingerprint: str
    raw: bytes

    @classmethod
    def from_json(cls, value: Json, path: str) -> Self:
        """Check a closed signature entry."""
        members = schema.closed(value, _SIGNATURE_KEYS, path)
        return cls(
            schema.key_id(members["key_id"], f"{path}.key_id"),
            schema.hex32(members["public_key_fingerprint"], f"{path}.public_key_fingerprint"),
            schema.base64_text(members["signature_b64"], f"{path}.signature_b64"),
        )

    def to_json(self) -> JsonObject:
        """The entry as it stands in a set."""
        return {
            "key_id": self.key_id,
            "public_key_fingerprint": self.fingerprint,
            "signature_b64": base64.b64encode(self.raw).decode(),
        }


@dataclass(frozen=True, slots=True)
class KeySetBody:
    """A key set before it is signed."""

    registry: str
    version: int
    created_at: Instant
    expires_at: Instant
    threshold: int
    prev_sha256: str | None
    entries: tuple[KeyEntry, ...]

    @classmethod
    def from_json(cls, value: Json, path: str = "$") -> Self:
        """Check a closed key set without its signatures."""
        return cls._taken(schema.closed(value, _BODY_KEYS, path), path)

    @classmethod
    def _taken(cls, members: JsonObject, path: str) -> Self:
        schema.constant(members["keyset_type"], KEYSET_TYPE, f"{path}.keyset_type")
        schema.constant(members["keyset_version"], KEYSET_VERSION, f"{path}.keyset_version")
        version = schema.integer(members["version"], f"{path}.version")
        threshold = schema.integer(members["threshold"], f"{path}.threshold")
        if version < 1 or threshold < 0:
            raise MalformedError(
                "version is at least 1 and threshold at least 0", code="schema.range", path=path
            )
        previous = members["prev_keyset_sha256"]
        keys = schema.array(members["keys"], f"{path}.keys")
        return cls(
            schema.name(members["registry"], f"{path}.registry"),
            version,
            schema.seconds(members["created_at"], f"{path}.created_at"),
            schema.seconds(members["expires_at"], f"{path}.expires_at"),
            threshold,
            None if previous is None else schema.hex64(previous, f"{path}.prev_keyset_sha256"),
            tuple(KeyEntry.from_json(item, f"{path}.keys[{i}]") for i, item in enumerate(keys)),
        )

    def to_json(self) -> JsonObject:
        """What is signed, in the member order of section 10."""
        return {
            "keyset_type": KEYSET_TYPE,
            "keyset_version": KEYSET_VERSION,
            "registry": self.registry,
            "version": self.version,
            "created_at": self.created_at.seconds,
            "expires_at": self.expires_at.seconds,
            "threshold": self.threshold,
            "prev_keyset_sha256": self.prev_sha256,
            "keys": [entry.to_json() for entry in self.entries],
        }

    @property
    def digest(self) -> bytes:
        """SHA-256 of the signed bytes: what a pin and the next version name."""
        return hashlib.sha256(keyset_message(self)).digest()

    def active(self, usage: str) -> tuple[KeyEntry, ...]:
        """The active keys of one usage that this version understands."""
        return tuple(
            entry
            for entry in self.entries
            if entry.usage == usage and entry.status == "active" and entry.object is not None
        )

    def find(self, key: PublicKey) -> KeyEntry | None:
        """The entry of a key, compared whole, or None."""
        return next((e for e in self.entries if e.object is not None and e.object.key == key), None)


def keyset_message(body: KeySetBody) -> bytes:
    """What a key set's signatures are over: the prefix and the canonical bytes."""
    return PREFIX + canonical(body.to_json())


@dataclass(frozen=True, slots=True)
class KeySet:
    """A signed key set."""

    body: KeySetBody
    signatures: tuple[KeySetSignature, ...]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a key set of at most 512 KiB from JSON; rules and signatures are
        checked by `verify_keyset`."""
        return cls.from_json(read_json(data, KEY_SET).value)

    @classmethod
    def from_json(cls, value: Json, path: str = "$") -> Self:
        """Check a closed key set object."""
        members = schema.closed(value, _KEYS, path)
        found = schema.array(members["signatures"], f"{path}.signatures")
        return cls(
            KeySetBody._taken(members, path),
            tuple(
                KeySetSignature.from_json(item, f"{path}.signatures[{i}]")
                for i, item in enumerate(found)
            ),
        )

    def to_json(self) -> JsonObject:
        """The whole key set."""
        return self.body.to_json() | {"signatures": [s.to_json() for s in self.signatures]}


def first_keyset(
    registry: str, key: KeyObject, *, successor: PublicKey | None, at: Instant, days: int
) -> KeySetBody:
    """Version 1 of a registry's key set: one active registry key, committed to *successor*,
    and no recovery key."""
    entry = KeyEntry.new(
        key,
        usage="registry",
        status="active",
        valid_from=at.whole,
        successor_key_sha256=None if successor is None else successor.sha256.hex(),
    )
    return KeySetBody(
        registry=registry,
        version=1,
        created_at=at.whole,
        expires_at=at.whole.plus(days=min(days, MAX_LIFE_DAYS)),
        threshold=0,
        prev_sha256=None,
        entries=(entry,),
    )
