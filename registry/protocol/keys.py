"""Public keys, their fingerprints, and the key object of bundles (protocol.md section 5)."""

import base64
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

from registry.errors import MalformedError, MismatchError, PithError, VerificationError
from registry.protocol import ed25519, schema
from registry.protocol.canonical import Encoder, Json, JsonObject
from registry.protocol.instant import Instant
from registry.protocol.strict_json import read_json

ALGORITHM: Final = "ed25519"
REGISTRY_SIGNER: Final = "pith_registry"
PARTY_TYPES: Final = ("author", "mirror", "third_party")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A 32-byte Ed25519 key that is a canonical point of the main subgroup.

    Keys are compared whole; fingerprints are for people and for look-up.
    """

    raw: bytes
    fingerprint: str
    """First 32 hex digits of SHA-256 of the raw key: ``public_key_fingerprint``."""

    @classmethod
    def from_raw(cls, raw: bytes) -> "PublicKey":
        """Take 32 bytes; raises VerificationError ``key.point`` for a bad point."""
        return _public_key(bytes(raw))

    @classmethod
    def from_hex(cls, value: Json, path: str = "$") -> "PublicKey":
        """Take 64 lower-case hex digits."""
        return _public_key(bytes.fromhex(schema.hex64(value, path)))

    @property
    def hex(self) -> str:
        """The raw key as 64 lower-case hex digits."""
        return self.raw.hex()

    @property
    def sha256(self) -> bytes:
        """SHA-256 of the raw key, what a key set commits to a successor by."""
        return hashlib.sha256(self.raw).digest()

    @property
    def fingerprint_b32(self) -> str:
        """First 26 characters of base32 of SHA-256 of the raw key: 130 bits, whatever
        the name of the member that holds it says."""
        return base64.b32encode(self.sha256)[:26].decode()

    def verify(self, message: bytes, signature: bytes) -> None:
        """Check a signature of this key; see `registry.protocol.ed25519.verify`."""
        ed25519.verify(self.raw, message, signature)

    def pem(self) -> str:
        """The key as a PEM SubjectPublicKeyInfo (RFC 8410 section 4)."""
        body = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + self.raw).decode()
        return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"


@lru_cache(maxsize=4096)
def _public_key(raw: bytes) -> PublicKey:
    if not ed25519.is_main_subgroup_point(raw):
        raise VerificationError(
            f"{raw.hex()} is not a canonical Ed25519 point of the main subgroup", code="key.point"
        )
    return PublicKey(raw, hashlib.sha256(raw).hexdigest()[:32])


KEY_MEMBERS: Final = frozenset(
    (
        "key_id",
        "algorithm",
        "format",
        "public_key_b64",
        "public_key_hex",
        "fingerprint_sha256_b32_first128bits",
        "fingerprint_sha256_hex",
        "rotates_at",
        "url",
        "notes",
    )
)
_PARTY_MEMBERS: Final = KEY_MEMBERS | {"signer_id", "signer_type"}


@dataclass(frozen=True, slots=True)
class KeyObject:
    """One entry of ``public_keys``, and the signing-key document.

    ``signer_id`` and ``signer_type`` are None for a registry's own key.
    """

    key_id: str
    key: PublicKey
    rotates_at: Instant | None
    url: str
    notes: str
    signer_id: str | None = None
    signer_type: str | None = None

    @classmethod
    def from_json(cls, value: Json, path: str = "$") -> Self:
        """Check a closed key object; its own fields must agree with the key.

        Raises MalformedError for the form, MismatchError ``key.fields`` when the
        base64 or a fingerprint is another key's, VerificationError ``key.point``.
        """
        party = type(value) is dict and ("signer_id" in value or "signer_type" in value)
        members = schema.closed(value, _PARTY_MEMBERS if party else KEY_MEMBERS, path)
        schema.constant(members["algorithm"], ALGORITHM, f"{path}.algorithm")
        schema.constant(members["format"], "raw", f"{path}.format")
        raw = schema.base64_bytes(
            members["public_key_b64"], ed25519.KEY_LENGTH, f"{path}.public_key_b64"
        )
        key = PublicKey.from_hex(members["public_key_hex"], f"{path}.public_key_hex")
        for name, wanted in (
            ("public_key_b64", base64.b64encode(key.raw).decode()),
            ("fingerprint_sha256_hex", key.fingerprint),
            ("fingerprint_sha256_b32_first128bits", key.fingerprint_b32),
        ):
            if members[name] != wanted or raw != key.raw:
                raise MismatchError(
                    f"{name} is not that of public_key_hex",
                    code="key.fields",
                    path=f"{path}.{name}",
                )
        rotates_at = members["rotates_at"]
        return cls(
            key_id=schema.key_id(members["key_id"], f"{path}.key_id"),
            key=key,
            rotates_at=None
            if rotates_at is None
            else schema.seconds(rotates_at, f"{path}.rotates_at"),
            url=schema.text(members["url"], f"{path}.url"),
            notes=schema.text(members["notes"], f"{path}.notes"),
            signer_id=schema.name(members["signer_id"], f"{path}.signer_id") if party else None,
            signer_type=_party_type(members["signer_type"], f"{path}.signer_type")
            if party
            else None,
        )

    @classmethod
    def known(cls, value: Json, path: str, encode: Encoder) -> "KeyObject":
        """The same for an object that many documents repeat: checked once for each spelling,
        which its whole canonical bytes are compared by, and never its key_id."""
        try:
            return _known_object(encode(value))
        except PithError:
            return cls.from_json(value, path)  # raises with the path

    def to_json(self) -> JsonObject:
        """The object in the order published bundles have."""
        value: JsonObject = {
            "key_id": self.key_id,
            "algorithm": ALGORITHM,
            "format": "raw",
            "public_key_b64": base64.b64encode(self.key.raw).decode(),
            "public_key_hex": self.key.hex,
            "fingerprint_sha256_b32_first128bits": self.key.fingerprint_b32,
            "fingerprint_sha256_hex": self.key.fingerprint,
            "rotates_at": self.rotates_at.seconds if self.rotates_at else None,
            "url": self.url,
            "notes": self.notes,
        }
        if self.signer_id is not None:
            value |= {"signer_id": self.signer_id, "signer_type": self.signer_type}
        return value


@lru_cache(maxsize=1024)
def _known_object(data: bytes) -> KeyObject:
    return KeyObject.from_json(read_json(data).value)


def _party_type(value: Json, path: str) -> str:
    if value not in PARTY_TYPES:
        raise MalformedError(
            f"a party's signer_type is one of {', '.join(PARTY_TYPES)}",
            code="schema.constant",
            path=path,
        )
    return str(value)
