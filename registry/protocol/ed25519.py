"""Ed25519 with the strictness on which no two verifiers differ (protocol.md 9.5).

Before the library is asked, refused are: a public key that is not a canonical
point of the main subgroup, an R that is one of the 14 small-order encodings,
and an S not below the group order.
"""

from functools import lru_cache
from typing import Final

from nacl.bindings import crypto_core_ed25519_is_valid_point, crypto_sign_open
from nacl.exceptions import BadSignatureError as NaClBadSignature

from registry.errors import BadSignatureError, VerificationError

KEY_LENGTH: Final = 32
SIGNATURE_LENGTH: Final = 64
_L: Final = 2**252 + 27742317777372353535851937790883648493
_P: Final = 2**255 - 19


def _small_order_encodings() -> frozenset[bytes]:
    # y of the eight torsion points: 1, -1, 0 (twice), and +-y8 (twice each); each
    # with either sign bit, and those below 19 also as y + p.
    y8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
    encodings = set()
    for y in (0, 1, _P - 1, y8, _P - y8, _P, _P + 1):
        encodings |= {(y | sign << 255).to_bytes(32, "little") for sign in (0, 1)}
    return frozenset(encodings)


SMALL_ORDER: Final = _small_order_encodings()


@lru_cache(maxsize=4096)
def is_main_subgroup_point(raw: bytes) -> bool:
    """Whether 32 bytes are the canonical encoding of a point of prime order."""
    return len(raw) == KEY_LENGTH and bool(crypto_core_ed25519_is_valid_point(raw))


def verify(key: bytes, message: bytes, signature: bytes) -> None:
    """Check that *key* (32 bytes) made *signature* (64 bytes) over *message*.

    Raises VerificationError ``key.point`` for a key no strict verifier takes,
    and BadSignatureError ``signature.small_order``, ``signature.malleable`` or
    ``signature.wrong``. Source: RFC 8032 section 5.1.7, protocol.md 9.5.
    """
    if not is_main_subgroup_point(key):
        raise VerificationError(
            "public key is not a canonical point of the main subgroup", code="key.point"
        )
    if len(signature) != SIGNATURE_LENGTH:
        raise BadSignatureError(
            f"signature of {len(signature)} bytes, not 64", code="signature.length"
        )
    if signature[:32] in SMALL_ORDER:
        raise BadSignatureError("R of the signature has small order", code="signature.small_order")
    if int.from_bytes(signature[32:], "little") >= _L:
        raise BadSignatureError(
            "S of the signature is not below the group order", code="signature.malleable"
        )
    try:
        crypto_sign_open(signature + message, key)
    except NaClBadSignature:
        raise BadSignatureError("signature does not verify", code="signature.wrong") from None
