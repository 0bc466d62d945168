"""The receipt v0.3: what the registry signs about a record (protocol.md section 6)."""

import base64
from dataclasses import dataclass
from typing import Final, Self

from registry.errors import MalformedError, MismatchError
from registry.protocol import schema
from registry.protocol.canonical import Json, JsonObject, canonical
from registry.protocol.ed25519 import SIGNATURE_LENGTH
from registry.protocol.instant import Instant
from registry.protocol.keys import ALGORITHM, PublicKey
from registry.protocol.record import Record
from registry.protocol.strict_json import read_json

KIND: Final = "pith_receipt"
RECEIPT_VERSION: Final = "0.3"
SIGNATURE_STATUS: Final = "signed_v1"
SIGNED_MESSAGE: Final = "canonical_sha256_bytes"
_KEYS: Final = frozenset(
    (
        "kind",
        "key_id",
        "algorithm",
        "signed_at",
        "signature_b64",
        "signed_message",
        "builder_version",
        "receipt_version",
        "canonical_sha256",
        "last_reissued_at",
        "signature_status",
        "first_computed_at",
        "public_key_fingerprint",
    )
)


def receipt_message(record: Record) -> bytes:
    """What a receipt's signature is over: the record's digest, 32 raw bytes."""
    return record.digest


@dataclass(frozen=True, slots=True)
class Receipt:
    """A signed statement that a registry computed the digest of a record.

    ``signature`` is 64 bytes; the three times carry microseconds.
    """

    key_id: str
    fingerprint: str
    sha256: str
    signature: bytes
    builder_version: str
    first_computed_at: Instant
    last_reissued_at: Instant
    signed_at: Instant

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a receipt from JSON."""
        return cls.from_json(read_json(data).value)

    @classmethod
    def from_json(cls, value: Json, path: str = "$") -> Self:
        """Check and take a closed receipt object, its times in order.

        Raises MalformedError for the form, MismatchError ``receipt.times``.
        """
        members = schema.closed(value, _KEYS, path)
        for name, wanted in (
            ("kind", KIND),
            ("algorithm", ALGORITHM),
            ("signed_message", SIGNED_MESSAGE),
            ("receipt_version", RECEIPT_VERSION),
            ("signature_status", SIGNATURE_STATUS),
        ):
            schema.constant(members[name], wanted, f"{path}.{name}")
        if members["builder_version"] == "":
            raise MalformedError(
                "builder_version is empty", code="schema.length", path=f"{path}.builder_version"
            )
        receipt = cls(
            schema.key_id(members["key_id"], f"{path}.key_id"),
            schema.hex32(members["public_key_fingerprint"], f"{path}.public_key_fingerprint"),
            schema.hex64(members["canonical_sha256"], f"{path}.canonical_sha256"),
            schema.base64_bytes(
                members["signature_b64"], SIGNATURE_LENGTH, f"{path}.signature_b64"
            ),
            schema.text(members["builder_version"], f"{path}.builder_version", limit=128),
            schema.micros(members["first_computed_at"], f"{path}.first_computed_at"),
            schema.micros(members["last_reissued_at"], f"{path}.last_reissued_at"),
            schema.micros(members["signed_at"], f"{path}.signed_at"),
        )
        if not receipt.first_computed_at <= receipt.last_reissued_at <= receipt.signed_at:
            raise MismatchError(
                "first_computed_at, last_reissued_at and signed_at are out of order",
                code="receipt.times",
                path=path,
            )
        return receipt

    def to_json(self) -> JsonObject:
        """The receipt in the member order of published bundles."""
        return {
            "kind": KIND,
            "key_id": self.key_id,
            "algorithm": ALGORITHM,
            "signed_at": self.signed_at.micro_text,
            "signature_b64": base64.b64encode(self.signature).decode(),
            "signed_message": SIGNED_MESSAGE,
            "builder_version": self.builder_version,
            "receipt_version": RECEIPT_VERSION,
            "canonical_sha256": self.sha256,
            "last_reissued_at": self.last_reissued_at.micro_text,
            "signature_status": SIGNATURE_STATUS,
            "first_computed_at": self.first_computed_at.micro_text,
            "public_key_fingerprint": self.fingerprint,
        }

    @property
    def canonical(self) -> bytes:
        """The canonical bytes of the receipt itself, signature included."""
        return canonical(self.to_json())


def verify_receipt(receipt: Receipt, record: Record, key: PublicKey) -> None:
    """Check that *key* signed the digest of *record*.

    Returns nothing when it did. Raises MismatchError ``receipt.record`` when the
    receipt is of another record, ``receipt.key`` when it names another key, and
    BadSignatureError when the signature fails.
    """
    if receipt.sha256 != record.sha256:
        raise MismatchError(
            f"the receipt is of {receipt.sha256}, the record is {record.sha256}",
            code="receipt.record",
        )
    if receipt.fingerprint != key.fingerprint:
        raise MismatchError(
            f"the receipt names key {receipt.fingerprint}, not {key.fingerprint}",
            code="receipt.key",
        )
    key.verify(receipt_message(record), receipt.signature)
