"""The key set: what a verifier pins and an operator rotates (protocol.md section 10)."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Final, Self

from registry.errors import MalformedError, MismatchError, VerificationError, shown
from registry.protocol import schema
from registry.protocol.canonical import KEY_SET, Json, JsonObject, canonical, read_json
from registry.protocol.instant import Instant
from registry.protocol.keys import ALGORITHM, KEY_MEMBERS, KeyObject, PublicKey

KEYSET_TYPE: Final = "pith_key_set"
KEYSET_VERSION: Final = "1.0"
PREFIX: Final = b"pith-keyset-v1\n"
MAX_LIFE_DAYS: Final = 400
MAX_AHEAD_SECONDS: Final = 600
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


def first_keyset(registry: str, key: KeyObject, *, at: Instant, days: int) -> KeySetBody:
    """Version 1 of a registry's key set: one active registry key, no recovery key."""
    return KeySetBody(
        registry=registry,
        version=1,
        created_at=at.whole,
        expires_at=at.whole.plus(days=min(days, MAX_LIFE_DAYS)),
        threshold=0,
        prev_sha256=None,
        entries=(KeyEntry.new(key, usage="registry", status="active", valid_from=at.whole),),
    )


# -- rules that a set keeps by itself ----------------------------------------


def check_keys(body: KeySetBody) -> None:
    """No key and no key_id twice; every entry's times go with its status."""
    ids: set[str] = set()
    keys: set[bytes] = set()
    for entry in body.entries:
        raw = b"" if entry.object is None else entry.object.key.raw
        if entry.key_id in ids or (raw and raw in keys):
            raise VerificationError(f"key {entry.key_id} stands twice", code="keyset.keys")
        ids.add(entry.key_id)
        keys.add(raw)
        if (entry.status == "revoked") != (entry.revoked_at is not None):
            raise MismatchError(
                f"key {entry.key_id} is {entry.status}, its revoked_at does not say so",
                code="keyset.keys",
            )
        if entry.status == "retired" and entry.retired_at is None:
            raise MismatchError(
                f"key {entry.key_id} is retired without retired_at", code="keyset.keys"
            )
        if entry.compromised_since is not None and entry.status != "revoked":
            raise MismatchError(
                f"key {entry.key_id} is compromised and not revoked", code="keyset.keys"
            )
        if entry.retired_at is not None and (
            entry.status in ("announced", "active") or entry.retired_at < entry.valid_from
        ):
            raise MismatchError(
                f"key {entry.key_id} is {entry.status} with retired_at "
                f"{entry.retired_at.seconds}, valid from {entry.valid_from.seconds}",
                code="keyset.keys",
            )
    active = [entry.key_id for entry in body.active("registry")]
    if len(active) > 1:
        raise VerificationError(
            f"more than one active registry key: {', '.join(active)}", code="keyset.keys"
        )
    if not active and not any(_revoked_without_successor(entry) for entry in body.entries):
        raise VerificationError("no active registry key", code="keyset.keys")


def _revoked_without_successor(entry: KeyEntry) -> bool:
    return (
        entry.usage == "registry"
        and entry.status == "revoked"
        and entry.successor_key_sha256 is None
    )


def check_threshold(body: KeySetBody) -> None:
    """1 to the number of active recovery keys, 0 while there are none."""
    count = len(body.active("recovery"))
    if not (body.threshold == 0 if count == 0 else 1 <= body.threshold <= count):
        raise VerificationError(
            f"threshold {body.threshold} with {count} active recovery keys",
            code="keyset.threshold",
        )


def check_life(body: KeySetBody) -> None:
    """``created_at`` before ``expires_at``, and at most 400 days between them."""
    if not body.created_at < body.expires_at <= body.created_at.plus(days=MAX_LIFE_DAYS):
        raise VerificationError(
            f"expires_at {body.expires_at.seconds} is not within {MAX_LIFE_DAYS} days after "
            f"created_at {body.created_at.seconds}",
            code="keyset.life",
        )


def check_chain(body: KeySetBody) -> None:
    """Version 1 has no previous set, every later one names its."""
    if (body.version == 1) != (body.prev_sha256 is None):
        raise VerificationError(
            f"version {body.version} with prev_keyset_sha256 {shown(body.prev_sha256)}",
            code="keyset.chain",
        )


def check_signatures(keyset: KeySet) -> None:
    """Every signature present verifies, by a key of the set, and none signs twice."""
    message = keyset_message(keyset.body)
    signed: set[bytes] = set()
    by_id = {e.key_id: e.object for e in keyset.body.entries if e.object is not None}
    unknown = {e.key_id for e in keyset.body.entries if e.object is None}
    if not keyset.signatures and keyset.body.version > 1:  # a first set wants possession
        raise VerificationError("nobody has signed the key set", code="keyset.signatures")
    for signature in keyset.signatures:
        if signature.key_id in unknown:  # of an algorithm to come: it counts for nothing
            continue
        found = by_id.get(signature.key_id)
        if found is None or found.key.fingerprint != signature.fingerprint:
            raise VerificationError(
                f"{shown(signature.key_id)} ({signature.fingerprint}) is not a key of the set",
                code="keyset.signatures",
            )
        if found.key.raw in signed:
            raise VerificationError(f"key {found.key_id} signs twice", code="keyset.signatures")
        signed.add(found.key.raw)
        found.key.verify(message, signature.raw)


def check_possession(keyset: KeySet) -> None:
    """Every key of a first version has signed it: whoever lists it holds it."""
    if keyset.body.version != 1:
        return
    signed = {signature.key_id for signature in keyset.signatures}
    for entry in keyset.body.entries:
        if entry.object is not None and entry.key_id not in signed:
            raise VerificationError(
                f"key {entry.key_id} has not signed the set that adds it",
                code="keyset.possession",
            )


def check_fresh(body: KeySetBody, at: Instant) -> None:
    """The set has been made and has not expired at *at*."""
    if body.created_at > at.plus(seconds=MAX_AHEAD_SECONDS):
        raise VerificationError(
            f"the key set was created at {body.created_at.seconds}, ahead of this clock",
            code="keyset.fresh",
            hint="check this machine's clock",
        )
    if at > body.expires_at:
        raise VerificationError(
            f"the key set expired at {body.expires_at.seconds}",
            code="keyset.fresh",
            hint="get the registry's newest key set",
        )


def verify_keyset(keyset: KeySet) -> None:
    """Check everything a set can be checked for by itself; raises the first failure.

    Whether it follows its predecessor, is pinned, or is fresh is asked elsewhere.
    """
    for check in (check_keys, check_threshold, check_life, check_chain):
        check(keyset.body)
    check_signatures(keyset)
    check_possession(keyset)
