"""Public keys in the formats of other programs.

Each function takes a key, its key id and the name of its registry, both already checked,
and gives the whole text of a file, ASCII alone, with its last newline. Where a format
has room for a remark, it says whose key it is; no program trusts that remark.
"""

import base64
import struct
from collections.abc import Callable, Mapping
from typing import Final

from registry.protocol.canonical import canonical
from registry.protocol.keys import PublicKey

_SSH_TYPE: Final = b"ssh-ed25519"
_SIGNIFY_ALGORITHM: Final = b"Ed"
_KEY_NUMBER_LENGTH: Final = 8


def pem(key: PublicKey, key_id: str, registry: str) -> str:
    """A PEM SubjectPublicKeyInfo (RFC 8410 section 4, RFC 7468 section 13): no remark."""
    return key.pem()


def openssh(key: PublicKey, key_id: str, registry: str) -> str:
    """An OpenSSH public key line: ``ssh-ed25519 BASE64 KEY_ID@REGISTRY``.

    The base64 holds two strings of RFC 4253 section 6.6, each after its length in
    32 bits (RFC 4251 section 5): the type, and the raw key (RFC 8709 section 4).
    """
    wire = b"".join(struct.pack(">I", len(part)) + part for part in (_SSH_TYPE, key.raw))
    return f"{_SSH_TYPE.decode()} {base64.b64encode(wire).decode()} {key_id}@{registry}\n"


def jwk(key: PublicKey, key_id: str, registry: str) -> str:
    """A JSON Web Key of type OKP (RFC 8037 section 2), in canonical bytes: no remark.

    ``kid`` is the key id: the name that receipts and events carry, and one key for ever.
    It is not the thumbprint of RFC 7638, which anyone derives from the other members.
    There is no ``alg``: RFC 8037 calls it EdDSA, RFC 9864 Ed25519, and both are this key's.
    """
    x = base64.urlsafe_b64encode(key.raw).rstrip(b"=").decode()
    value = canonical({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": key_id, "use": "sig"})
    return f"{value.decode()}\n"


def minisign(key: PublicKey, key_id: str, registry: str) -> str:
    """A public key file of minisign: an untrusted comment, then base64 of ``Ed``, 8 bytes
    of key number (`key_number`) and the raw key.

    The comment names the number as minisign prints it: in hex, the last byte first.
    """
    number = key_number(key)[::-1].hex().upper()
    return _signify_file(key, f"minisign public key {number} of {key_id} at {registry}")


def signify(key: PublicKey, key_id: str, registry: str) -> str:
    """A public key file of OpenBSD's signify, which differs from minisign's in the comment."""
    return _signify_file(key, f"{key_id} at {registry} public key")


def key_number(key: PublicKey) -> bytes:
    """The 8 bytes by which minisign and signify match a signature with its key.

    Both draw them by chance when they make a key. Here they are the first 8 bytes of
    SHA-256 of the raw key, so that one key has one number: the first 16 hex digits of
    its fingerprint.
    """
    return key.sha256[:_KEY_NUMBER_LENGTH]


def _signify_file(key: PublicKey, comment: str) -> str:
    body = base64.b64encode(_SIGNIFY_ALGORITHM + key_number(key) + key.raw).decode()
    return f"untrusted comment: {comment}\n{body}\n"


ENCODERS: Final[Mapping[str, Callable[[PublicKey, str, str], str]]] = {
    "pem": pem,
    "openssh": openssh,
    "jwk": jwk,
    "minisign": minisign,
    "signify": signify,
}
"""The function of each format, by the name `pith key show --format` gives it."""
