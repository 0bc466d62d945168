"""The signed bundle: a record, its events and the state they come to (section 8)."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from registry.errors import MalformedError
from registry.protocol import schema
from registry.protocol.canonical import Encoder, Json, JsonObject, canonical
from registry.protocol.event import Signature
from registry.protocol.instant import Instant
from registry.protocol.keys import KeyObject
from registry.protocol.merge import MERGE_VERSION, Merged
from registry.protocol.number import PithNumber
from registry.protocol.places import links
from registry.protocol.record import Record
from registry.protocol.strict_json import LARGE, read_json

BUNDLE_TYPE: Final = "pith_open_graph_bundle"
BUNDLE_VERSION: Final = "1.0"
SIGNED_MESSAGE: Final = "bundle_sha256_bytes"
MAX_ITEMS: Final = 28_000
"""Events, keys, hints or proofs in a bundle: 16 MiB hold no more events than this."""
_BODY_KEYS: Final = frozenset(
    (
        "bundle_type",
        "bundle_version",
        "pith_number",
        "short_pith_number",
        "canonical_record",
        "canonical_sha256",
        "source",
        "source_aliases",
        "events",
        "timestamp_proofs",
        "mirror_hints",
        "public_keys",
        "merge_version",
        "built_at",
        "links",
        "state",
    )
)
_KEYS: Final = _BODY_KEYS | {"bundle_signature"}
_ALIAS_KEYS: Final = frozenset(("alias_kind", "alias_value", "created_at"))


@dataclass(frozen=True, slots=True)
class BundleBody:
    """A bundle before it is signed, in its form but not yet recomputed.

    ``value`` is the object that is hashed; the other members are those a
    verifier needs as values.
    """

    value: JsonObject
    number: PithNumber
    public_keys: tuple[Json, ...]
    built_at: Instant

    @classmethod
    def from_json(cls, value: Json, path: str = "$") -> Self:
        """Check a closed bundle without its signature: members, types, constants."""
        return cls._taken(schema.closed(value, _BODY_KEYS, path), path)

    @classmethod
    def _taken(cls, members: JsonObject, path: str) -> Self:
        for name, wanted in (
            ("bundle_type", BUNDLE_TYPE),
            ("bundle_version", BUNDLE_VERSION),
            ("merge_version", MERGE_VERSION),
        ):
            schema.constant(members[name], wanted, f"{path}.{name}")
        schema.text(members["short_pith_number"], f"{path}.short_pith_number")
        schema.hex64(members["canonical_sha256"], f"{path}.canonical_sha256")
        for name in ("canonical_record", "source", "links", "state"):
            schema.mapping(members[name], f"{path}.{name}")
        for i, item in enumerate(schema.array(members["source_aliases"], f"{path}.source_aliases")):
            _check_alias(item, f"{path}.source_aliases[{i}]")
        for name in ("events", "timestamp_proofs", "mirror_hints", "public_keys"):
            for i, item in enumerate(schema.array(members[name], f"{path}.{name}")):
                schema.mapping(item, f"{path}.{name}[{i}]")
            if len(members[name]) > MAX_ITEMS:
                raise MalformedError(
                    f"over {MAX_ITEMS} {name}", code="schema.length", path=f"{path}.{name}"
                )
        return cls(
            members,
            PithNumber.parse(members["pith_number"]),
            tuple(members["public_keys"]),
            schema.seconds(members["built_at"], f"{path}.built_at"),
        )


def _check_alias(value: Json, path: str) -> None:
    members = schema.closed(value, _ALIAS_KEYS, path)
    schema.text(members["alias_kind"], f"{path}.alias_kind")
    schema.text(members["alias_value"], f"{path}.alias_value")
    schema.seconds(members["created_at"], f"{path}.created_at")


def bundle_message(body: BundleBody, encode: Encoder = canonical) -> bytes:
    """What a bundle's signature is over: the digest of its body, 32 raw bytes."""
    return hashlib.sha256(encode(body.value)).digest()


@dataclass(frozen=True, slots=True)
class Bundle:
    """A signed bundle. ``sha256`` is its written ``bundle_sha256``, its identity."""

    body: BundleBody
    signature: Signature
    sha256: str

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a bundle from JSON, without recomputing anything."""
        return cls.from_json(read_json(data, LARGE).value)

    @classmethod
    def from_json(cls, value: Json, path: str = "$") -> Self:
        """Check a closed bundle object."""
        members = schema.closed(value, _KEYS, path)
        at = f"{path}.bundle_signature"
        signature = Signature.from_json(
            members["bundle_signature"],
            at,
            signed_message=SIGNED_MESSAGE,
            more=frozenset(("bundle_sha256",)),
        )
        sha256 = schema.hex64(members["bundle_signature"]["bundle_sha256"], f"{at}.bundle_sha256")
        body = {name: member for name, member in members.items() if name != "bundle_signature"}
        return cls(BundleBody._taken(body, path), signature, sha256)

    def to_json(self) -> JsonObject:
        """The whole bundle in the member order it was read or built in."""
        signature = self.signature.to_json(signed_message=SIGNED_MESSAGE)
        return self.body.value | {"bundle_signature": signature | {"bundle_sha256": self.sha256}}

    @property
    def canonical(self) -> bytes:
        """The canonical bytes of the bundle with its signature."""
        return canonical(self.to_json())

    def to_bytes(self) -> bytes:
        """The bundle as it is served: one line of compact JSON, no newline at the end."""
        return served_bytes(self.to_json())


def served_bytes(value: JsonObject) -> bytes:
    """A document as published ones are served: compact JSON in UTF-8, order kept."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


# -- parts that follow from the record ---------------------------------------


def source_aliases(record: Record, created_at: Instant) -> list[JsonObject]:
    """The six aliases of a record, all of one date (ours are ``first_computed_at``)."""
    return [
        {"alias_kind": kind, "alias_value": value, "created_at": created_at.seconds}
        for kind, value in record.aliases()
    ]


def bundle_body(
    record: Record,
    merged: Merged,
    *,
    public_keys: Sequence[KeyObject],
    aliases: list[JsonObject],
    mirror_hints: Sequence[JsonObject],
    base_url: str,
    built_at: Instant,
    timestamp_proofs: Sequence[JsonObject] = (),
) -> BundleBody:
    """Put a bundle of merged events together, in the member order of published ones."""
    number = record.number
    source = record.source
    return BundleBody.from_json(
        {
            "bundle_type": BUNDLE_TYPE,
            "bundle_version": BUNDLE_VERSION,
            "pith_number": str(number),
            "short_pith_number": number.short,
            "canonical_record": record.to_json(),
            "canonical_sha256": record.sha256,
            "source": {"kind": source.kind, "id": source.id, "version": source.version},
            "source_aliases": aliases,
            "events": [event.to_json() for event in merged.events],
            "timestamp_proofs": list(timestamp_proofs),
            "mirror_hints": list(mirror_hints),
            "public_keys": [key.to_json() for key in public_keys],
            "merge_version": MERGE_VERSION,
            "built_at": built_at.seconds,
            "links": links(base_url, number),
            "state": merged.state(list(aliases)),
        }
    )
