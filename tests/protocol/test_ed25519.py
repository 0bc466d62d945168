"""Ed25519 as strict as protocol.md 9.5, on public vectors and against a second library.

The second opinion is the `cryptography` package (OpenSSL) behind the same
three refusals, those recomputed here by integer arithmetic. On no vector may
the two differ.
"""

import json
from collections import Counter
from collections.abc import Iterator
from hashlib import sha512
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from nacl import bindings

from registry.errors import BadSignatureError, VerificationError
from registry.protocol.ed25519 import SMALL_ORDER, is_main_subgroup_point, verify
from tests.protocol import edwards
from tests.protocol.refusals import refused

TORSION: Final = edwards.torsion_points()
TORSION_ENCODINGS: Final = frozenset().union(*map(edwards.encodings, TORSION))
SIGNER: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY: Final = SIGNER.public_key().public_bytes_raw()
MESSAGE: Final = bytes(32)
SIGNATURE: Final = SIGNER.sign(MESSAGE)


class Vector(NamedTuple):
    name: str
    key: bytes
    message: bytes
    signature: bytes


def ours(vector: Vector) -> bool:
    try:
        verify(vector.key, vector.message, vector.signature)
    except VerificationError:
        return False
    return True


def theirs(vector: Vector) -> bool:
    """OpenSSL's answer behind the three refusals of 9.5."""
    r, s = vector.signature[:32], int.from_bytes(vector.signature[32:], "little")
    if not edwards.is_canonical_main_subgroup(vector.key) or len(vector.signature) != 64:
        return False
    if r in TORSION_ENCODINGS or s >= edwards.L:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(vector.key).verify(vector.signature, vector.message)
    except (InvalidSignature, ValueError):
        return False
    return True


def accepted(vectors: list[Vector]) -> list[str]:
    """The names of what our verifier accepts, when the second opinion is the same."""
    mine = [vector.name for vector in vectors if ours(vector)]
    assert mine == [vector.name for vector in vectors if theirs(vector)]
    return mine


# -- the sets -----------------------------------------------------------------


def rfc8032(folder: Path, algorithm: str) -> list[Vector]:
    found = json.loads((folder / "rfc8032" / "rfc8032_ed25519.json").read_bytes())["vectors"]
    return [
        Vector(
            v["name"], *(bytes.fromhex(v[name]) for name in ("public_key", "message", "signature"))
        )
        for v in found
        if v["algorithm"] == algorithm
    ]


def sign_input(folder: Path) -> list[tuple[bytes, Vector]]:
    lines = (folder / "rfc8032" / "sign_input_sample_128.txt").read_text("ascii").splitlines()
    found = []
    for number, line in enumerate(lines):
        pair, key, message, signed = (bytes.fromhex(field) for field in line.split(":")[:4])
        assert (pair[32:], signed[64:]) == (key, message)
        found.append((pair[:32], Vector(f"line {number}", key, message, signed[:64])))
    return found


def wycheproof(folder: Path) -> Iterator[tuple[str, Vector]]:
    found = json.loads((folder / "wycheproof-ed25519" / "ed25519_test.json").read_bytes())
    for group in found["testGroups"]:
        key = bytes.fromhex(group["publicKey"]["pk"])
        for test in group["tests"]:
            message, signature = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
            yield test["result"], Vector(f"tcId {test['tcId']}", key, message, signature)


def cctv(folder: Path) -> list[Vector]:
    found = json.loads((folder / "cctv-ed25519" / "ed25519vectors.json").read_bytes())
    return [
        Vector(
            str(v["number"]), bytes.fromhex(v["key"]), v["msg"].encode(), bytes.fromhex(v["sig"])
        )
        for v in found
    ]


def speccheck(folder: Path) -> list[Vector]:
    found = json.loads((folder / "speccheck-ed25519" / "cases.json").read_bytes())
    return [
        Vector(
            str(number),
            *(bytes.fromhex(v[name]) for name in ("pub_key", "message", "signature")),
        )
        for number, v in enumerate(found)
    ]


def test_the_sets_are_whole(vectors_dir: Path) -> None:
    assert len(rfc8032(vectors_dir, "Ed25519")) == 5
    assert len(rfc8032(vectors_dir, "Ed25519ph")) == 1
    assert len(sign_input(vectors_dir)) == 128
    assert Counter(result for result, _ in wycheproof(vectors_dir)) == {"valid": 88, "invalid": 63}
    assert len(cctv(vectors_dir)) == 914
    assert len(speccheck(vectors_dir)) == 12


def test_rfc8032_pure_vectors_verify(vectors_dir: Path) -> None:
    assert accepted(rfc8032(vectors_dir, "Ed25519")) == [
        "TEST 1",
        "TEST 2",
        "TEST 3",
        "TEST 1024",
        "TEST SHA(abc)",
    ]


def test_rfc8032_prehashed_vector_is_genuine_and_not_ours(vectors_dir: Path) -> None:
    """Ed25519ph is another scheme: no message we sign has its prefix, and none of it verifies."""
    (vector,) = rfc8032(vectors_dir, "Ed25519ph")
    state = bindings.crypto_sign_ed25519ph_state()
    bindings.crypto_sign_ed25519ph_update(state, vector.message)
    assert bindings.crypto_sign_ed25519ph_final_verify(state, vector.signature, vector.key)

    prehash = sha512(vector.message).digest()
    for message in (vector.message, prehash, b"SigEd25519 no Ed25519 collisions\x01\x00" + prehash):
        with refused("signature.wrong", BadSignatureError):
            verify(vector.key, message, vector.signature)


def test_sign_input_verifies_and_is_what_the_seed_signs(vectors_dir: Path) -> None:
    pairs = sign_input(vectors_dir)
    for seed, vector in pairs:
        private = Ed25519PrivateKey.from_private_bytes(seed)
        assert private.public_key().public_bytes_raw() == vector.key
        assert private.sign(vector.message) == vector.signature

    assert len(accepted([vector for _, vector in pairs])) == 128


def test_sign_input_spoilt_in_any_part_is_refused(vectors_dir: Path) -> None:
    spoilt = []
    for number, (_, (name, key, message, signature)) in enumerate(sign_input(vectors_dir)):
        bit = 1 << number % 8
        for place in (0, 31, 32, 63):
            other = bytearray(signature)
            other[place] ^= bit
            spoilt.append(Vector(f"{name} signature {place}", key, message, bytes(other)))
        other = bytearray(key)
        other[number % 32] ^= bit
        spoilt.append(Vector(f"{name} key", bytes(other), message, signature))
        spoilt.append(Vector(f"{name} message", key, message + b"\0", signature))

    assert accepted(spoilt) == []


def test_wycheproof(vectors_dir: Path) -> None:
    tests = list(wycheproof(vectors_dir))

    assert accepted([vector for _, vector in tests]) == [
        vector.name for result, vector in tests if result == "valid"
    ]


def test_cctv_accepts_the_honest_one_alone(vectors_dir: Path) -> None:
    assert accepted(cctv(vectors_dir)) == ["305"]


def test_speccheck(vectors_dir: Path) -> None:
    """Ten keys have a torsion part, number 3 too, which bare libsodium takes; two S are too big."""
    vectors = speccheck(vectors_dir)
    codes = {}
    for vector in vectors:
        with pytest.raises(VerificationError) as caught:
            verify(vector.key, vector.message, vector.signature)
        codes[vector.name] = caught.value.code

    assert accepted(vectors) == []
    assert codes == {str(n): "key.point" for n in range(12)} | {
        "6": "signature.malleable",
        "7": "signature.malleable",
    }


# -- the points ---------------------------------------------------------------


def test_the_small_order_table_is_all_encodings_of_all_torsion_points() -> None:
    assert len(set(TORSION)) == 8
    assert all(edwards.times(8, point) == edwards.IDENTITY for point in TORSION)
    assert len(TORSION_ENCODINGS) == 14

    assert SMALL_ORDER == TORSION_ENCODINGS


@pytest.mark.parametrize(
    "raw", sorted(TORSION_ENCODINGS), ids=lambda raw: raw.hex()[:8] + raw.hex()[-2:]
)
def test_a_small_order_encoding_is_neither_key_nor_r(raw: bytes) -> None:
    assert not is_main_subgroup_point(raw)
    with refused("key.point", VerificationError):
        verify(raw, MESSAGE, SIGNATURE)
    with refused("signature.small_order", BadSignatureError):
        verify(KEY, MESSAGE, raw + SIGNATURE[32:])
    with refused("signature.small_order", BadSignatureError):
        verify(KEY, MESSAGE, raw + bytes(32))


@pytest.mark.parametrize("order", [2, 4, 8])
def test_a_key_with_a_torsion_part_is_refused(order: int) -> None:
    honest = edwards.decode(KEY)
    assert honest is not None
    mixed = [
        edwards.encode(edwards.add(honest, point))
        for point in TORSION
        if edwards.times(order, point) == edwards.IDENTITY != edwards.times(order // 2, point)
    ]

    assert len(mixed) == order // 2
    for raw in mixed:
        Ed25519PublicKey.from_public_bytes(raw)
        assert not is_main_subgroup_point(raw)
        with refused("key.point", VerificationError):
            verify(raw, MESSAGE, SIGNATURE)
    assert is_main_subgroup_point(KEY)


def test_keys_are_judged_as_integer_arithmetic_judges_them(vectors_dir: Path) -> None:
    keys = {vector.key for vector in (*cctv(vectors_dir), *speccheck(vectors_dir))}
    keys |= {sha512(bytes([n])).digest()[:32] for n in range(64)}
    keys |= {(n + edwards.P).to_bytes(32, "little") for n in range(19)}
    keys |= {edwards.encode(edwards.times(8, p)) for n in range(2, 20) if (p := decoded(n))}
    verdicts = {key: is_main_subgroup_point(key) for key in keys}

    assert verdicts == {key: edwards.is_canonical_main_subgroup(key) for key in keys}
    assert Counter(verdicts.values())[True] > 10


def decoded(y: int) -> edwards.Point | None:
    return edwards.decode(y.to_bytes(32, "little"))


@pytest.mark.parametrize("length", [0, 1, 31, 33, 64])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    with refused("key.point", VerificationError):
        verify((KEY + KEY)[:length], MESSAGE, SIGNATURE)


# -- the signature ------------------------------------------------------------


def test_an_honest_signature_verifies_and_says_nothing() -> None:
    assert verify(KEY, MESSAGE, SIGNATURE) is None


@pytest.mark.parametrize("length", [0, 1, 32, 63, 65, 96, 128])
def test_a_signature_of_another_length_is_refused(length: int) -> None:
    with refused("signature.length", BadSignatureError):
        verify(KEY, MESSAGE, (SIGNATURE + SIGNATURE)[:length])


@pytest.mark.parametrize("more", [1, 2, 3, 7, 8])
def test_s_not_below_the_order_is_refused(more: int) -> None:
    s = int.from_bytes(SIGNATURE[32:], "little") + more * edwards.L
    with refused("signature.malleable", BadSignatureError):
        verify(KEY, MESSAGE, SIGNATURE[:32] + s.to_bytes(32, "little"))


def test_the_bound_of_s_is_exact() -> None:
    for s, code in ((edwards.L - 1, "signature.wrong"), (edwards.L, "signature.malleable")):
        with refused(code, BadSignatureError):
            verify(KEY, MESSAGE, SIGNATURE[:32] + s.to_bytes(32, "little"))


def test_another_message_or_key_is_refused() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    for key, message in ((KEY, b""), (KEY, MESSAGE[:-1]), (KEY, MESSAGE + b"\0"), (other, MESSAGE)):
        with refused("signature.wrong", BadSignatureError):
            verify(key, message, SIGNATURE)
