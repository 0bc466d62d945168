"""The encrypted key file: argon2id from a passphrase, SecretBox around the seed.

``{"box_b64", "kdf": "argon2id", "key_type": "pith_encrypted_key", "memlimit",
"opslimit", "salt_b64", "version": 1}``. The box holds the canonical bytes of
``{"key_id", "memlimit", "opslimit", "public_key_hex", "registry", "seed_hex"}``,
all compared after opening: a file that was swapped for another one, or whose
stated cost is not the one it was made with, is refused.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Final

import nacl.exceptions
from nacl.pwhash import argon2id
from nacl.secret import SecretBox
from nacl.utils import random as nacl_random

from registry.errors import KeyUnavailableError, MalformedError
from registry.protocol import schema
from registry.protocol.canonical import Json, JsonObject, canonical
from registry.protocol.strict_json import read_json
from registry.signing.signer import public_key_of

MAX_SIZE: Final = 64 << 10
MAX_OPSLIMIT: Final = 16
MAX_MEMLIMIT: Final = 1 << 30
_OUTER: Final = frozenset(
    ("key_type", "version", "kdf", "opslimit", "memlimit", "salt_b64", "box_b64")
)
_INNER: Final = frozenset(
    ("key_id", "registry", "seed_hex", "public_key_hex", "opslimit", "memlimit")
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one guess of the passphrase costs: passes over so many bytes of memory."""

    opslimit: int
    memlimit: int

    def __post_init__(self) -> None:
        """KeyUnavailableError ``keyfile.limits`` beyond what argon2id or this machine bears."""
        if not (
            argon2id.OPSLIMIT_MIN <= self.opslimit <= MAX_OPSLIMIT
            and argon2id.MEMLIMIT_MIN <= self.memlimit <= MAX_MEMLIMIT
        ):
            raise KeyUnavailableError(
                f"the key file asks for {self.opslimit} passes over {self.memlimit} bytes",
                code="keyfile.limits",
                hint=f"at most {MAX_OPSLIMIT} passes over 1 GiB are made: it is not a file of ours",
            )


DEFAULT_COST: Final = Cost(opslimit=3, memlimit=64 << 20)
"""About 90 ms: three passes over 64 MiB (RFC 9106 section 4, the second choice)."""


def seal(seed: bytes, passphrase: bytes, *, key_id: str, registry: str, cost: Cost) -> bytes:
    """The bytes of a new key file. The library draws the salt and the nonce."""
    salt = nacl_random(argon2id.SALTBYTES)
    inner = canonical(_inner(seed, key_id, registry, cost))
    box = bytes(SecretBox(_derive(passphrase, salt, cost)).encrypt(inner))
    outer = {
        "key_type": "pith_encrypted_key",
        "version": 1,
        "kdf": "argon2id",
        "opslimit": cost.opslimit,
        "memlimit": cost.memlimit,
        "salt_b64": base64.b64encode(salt).decode(),
        "box_b64": base64.b64encode(box).decode(),
    }
    return canonical(outer) + b"\n"


def unseal(data: bytes, passphrase: bytes, *, key_id: str, registry: str) -> bytes:
    """The seed in a key file, when it is that of *key_id* in *registry*.

    Raises KeyUnavailableError: ``keyfile.form``, ``keyfile.limits`` (looked at
    before anything is derived), ``keyfile.passphrase``, ``keyfile.mismatch``,
    ``keyfile.memory``.
    """
    cost, salt, box = _parse(data)
    key = _derive(passphrase, salt, cost)
    try:
        inner = SecretBox(key).decrypt(box)
    except nacl.exceptions.CryptoError:
        raise KeyUnavailableError(
            f"the key file of {key_id} does not open",
            code="keyfile.passphrase",
            hint="the passphrase is another one, or the file was changed",
        ) from None
    return _seed(inner, key_id, registry, cost)


def _inner(seed: bytes, key_id: str, registry: str, cost: Cost) -> JsonObject:
    return {
        "key_id": key_id,
        "registry": registry,
        "seed_hex": seed.hex(),
        "public_key_hex": public_key_of(seed).hex,
        "opslimit": cost.opslimit,
        "memlimit": cost.memlimit,
    }


def _seed(data: bytes, key_id: str, registry: str, cost: Cost) -> bytes:
    seed = _opened(data)
    if seed is None or data != canonical(_inner(seed, key_id, registry, cost)):
        raise KeyUnavailableError(
            f"the key file in the place of {key_id} was made for another key, registry or cost",
            code="keyfile.mismatch",
            hint="somebody moved or changed it: put the right file back",
        )
    return seed


def _opened(data: bytes) -> bytes | None:
    # Refusals are not chained and not repeated: their text could quote the seed.
    try:
        inner = schema.closed(read_json(data).value, _INNER, "$")
        return bytes.fromhex(schema.hex64(inner["seed_hex"], "$.seed_hex"))
    except MalformedError:
        return None


def _parse(data: bytes) -> tuple[Cost, bytes, bytes]:
    try:
        outer = schema.closed(read_json(data).value, _OUTER, "$")
        schema.constant(outer["key_type"], "pith_encrypted_key", "$.key_type")
        schema.constant(outer["kdf"], "argon2id", "$.kdf")
        if schema.integer(outer["version"], "$.version") != 1:
            raise MalformedError("version is not 1", code="keyfile.form")
        opslimit = schema.integer(outer["opslimit"], "$.opslimit")
        memlimit = schema.integer(outer["memlimit"], "$.memlimit")
        salt = schema.base64_bytes(outer["salt_b64"], argon2id.SALTBYTES, "$.salt_b64")
        box = _box(outer["box_b64"])
    except MalformedError as error:
        raise KeyUnavailableError(
            f"not a key file of this version: {error.code} at {error.path or '$'}",
            code="keyfile.form",
            hint="put back the file that pith wrote",
        ) from None
    return Cost(opslimit, memlimit), salt, box


def _box(value: Json) -> bytes:
    # schema.base64_bytes wants to know the length, so the value itself states it.
    text = schema.text(value, "$.box_b64")
    try:
        length = len(base64.b64decode(text))
    except (ValueError, binascii.Error):
        length = 0
    return schema.base64_bytes(text, length, "$.box_b64")


def _derive(passphrase: bytes, salt: bytes, cost: Cost) -> bytes:
    try:
        return argon2id.kdf(SecretBox.KEY_SIZE, passphrase, salt, cost.opslimit, cost.memlimit)
    except (nacl.exceptions.RuntimeError, MemoryError):
        raise KeyUnavailableError(
            f"argon2id cannot have {cost.memlimit} bytes of memory",
            code="keyfile.memory",
            hint="free memory, or raise the limit set on this process (ulimit -v, MemoryMax=)",
        ) from None
