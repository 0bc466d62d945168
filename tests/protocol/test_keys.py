"""Public keys and the key object: its own fields must agree, and the point must be a good one."""

import json
from base64 import b32encode, b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from registry.errors import BadSignatureError, MismatchError, VerificationError
from registry.protocol.keys import KeyObject, PublicKey
from tests.protocol import edwards
from tests.protocol.refusals import refused

SEED_HEX = "b2d552b68890857171a78b36a5dccf368a953413288c353f7c9d9d6f94b709b3"


def key_object(raw: bytes = bytes.fromhex(SEED_HEX), **changes: Any) -> dict[str, Any]:
    """The key object of the seed, its derived fields recomputed from *raw* by hand."""
    return {
        "key_id": "pith-v1-2026-05",
        "algorithm": "ed25519",
        "format": "raw",
        "public_key_b64": b64encode(raw).decode(),
        "public_key_hex": raw.hex(),
        "fingerprint_sha256_b32_first128bits": b32encode(sha256(raw).digest()).decode()[:26],
        "fingerprint_sha256_hex": sha256(raw).hexdigest()[:32],
        "rotates_at": None,
        "url": "https://pith.science/pith-signing-key.json",
        "notes": "",
    } | changes


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in key_object().items() if key != name}


def mixed_order_key() -> bytes:
    honest = edwards.decode(bytes.fromhex(SEED_HEX))
    assert honest is not None
    return edwards.encode(edwards.add(honest, edwards.torsion_points()[1]))


# -- the real key -------------------------------------------------------------


def test_the_key_object_of_the_seed(vectors_dir: Path) -> None:
    (published,) = json.loads((vectors_dir / "seed_bundle.json").read_bytes())["public_keys"]
    found = KeyObject.from_json(published)
    raw = b64decode(published["public_key_b64"])

    assert published == key_object(notes=published["notes"])
    assert list(found.to_json().items()) == list(published.items())
    assert found.key.raw == raw
    assert (
        found.key.fingerprint == sha256(raw).hexdigest()[:32] == "8d4b5ee74e4693bcd1df2446408b0d54"
    )
    assert found.key.fingerprint_b32 == "RVFV5Z2OI2J3ZUO7ERDEBCYNKS"
    assert found.key.sha256 == sha256(raw).digest()
    assert (found.signer_id, found.signer_type, found.rotates_at) == (None, None, None)


def test_the_four_real_receipt_signatures_verify_under_the_key_of_the_seed(
    vectors_dir: Path,
) -> None:
    key = PublicKey.from_hex(SEED_HEX)
    signed = [
        (bytes.fromhex(fact["canonical_sha256"]), b64decode(fact["signature_b64"]))
        for fact in json.loads((vectors_dir / "pith_records.json").read_bytes())
        if "signature_b64" in fact
    ]

    assert len(signed) == 4
    for digest, signature in signed:
        key.verify(digest, signature)
        with refused("signature.wrong", BadSignatureError):
            key.verify(digest[::-1], signature)


def test_pem() -> None:
    loaded = load_pem_public_key(PublicKey.from_hex(SEED_HEX).pem().encode())

    assert loaded.public_bytes_raw().hex() == SEED_HEX  # type: ignore[union-attr]


# -- public keys --------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(bytes(32), id="small-order-0"),
        pytest.param(b"\x01" + bytes(31), id="small-order-identity"),
        pytest.param(mixed_order_key(), id="torsion-part"),
        pytest.param((edwards.P + 3).to_bytes(32, "little"), id="not-canonical"),
        pytest.param(b"\x02" + bytes(31), id="not-on-the-curve"),
        pytest.param(b"\xff" * 32, id="all-ones"),
    ],
)
def test_a_bad_point_is_no_key(raw: bytes) -> None:
    with refused("key.point", VerificationError):
        PublicKey.from_raw(raw)
    with refused("key.point", VerificationError):
        PublicKey.from_hex(raw.hex())
    with refused("key.point", VerificationError):
        KeyObject.from_json(key_object(raw))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_key_of_another_length_is_none(length: int) -> None:
    with refused("key.point", VerificationError):
        PublicKey.from_raw((bytes.fromhex(SEED_HEX) * 2)[:length])


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(SEED_HEX.upper(), id="upper-case"),
        pytest.param(SEED_HEX[:-1] + "B3"[1:].upper().replace("3", "A"), id="one-upper-case"),
        pytest.param(SEED_HEX[:-2], id="62-digits"),
        pytest.param(SEED_HEX + "00", id="66-digits"),
        pytest.param(SEED_HEX + "\n", id="trailing-newline"),
        pytest.param("0x" + SEED_HEX[2:], id="0x"),
        pytest.param(" ".join([SEED_HEX[:31], SEED_HEX[32:]]), id="space-inside"),
        pytest.param(SEED_HEX.replace("0", "０"), id="fullwidth-digit"),
        pytest.param("", id="empty"),
        pytest.param(None, id="null"),
        pytest.param(0, id="number"),
    ],
)
def test_hex_has_one_spelling(value: Any) -> None:
    with refused("schema.hex", path="$.public_key_hex"):
        KeyObject.from_json(key_object(public_key_hex=value))


# -- the key object -----------------------------------------------------------

B64 = b64encode(bytes.fromhex(SEED_HEX)).decode()
assert B64.endswith("CbM=")


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(B64[:-2] + "N=", id="padding-bits"),
        pytest.param(B64.rstrip("="), id="no-padding"),
        pytest.param(B64 + "=", id="more-padding"),
        pytest.param(B64 + "\n", id="trailing-newline"),
        pytest.param(B64[:20] + "\n" + B64[20:], id="line-break"),
        pytest.param(B64.replace("/", "_"), id="url-alphabet"),
        pytest.param(b64encode(bytes(31)).decode(), id="31-bytes"),
        pytest.param(b64encode(bytes(33)).decode(), id="33-bytes"),
        pytest.param(B64[:-4] + "ＣbM=", id="fullwidth-letter"),
        pytest.param("\ud800", id="surrogate"),
        pytest.param("", id="empty"),
        pytest.param(None, id="null"),
    ],
)
def test_base64_has_one_spelling(value: Any) -> None:
    assert B64.replace("/", "_") != B64

    with refused("schema.base64", path="$.public_key_b64"):
        KeyObject.from_json(key_object(public_key_b64=value))


OTHER = key_object(edwards.encode(edwards.times(8, edwards.decode(b"\x03" + bytes(31)) or (0, 1))))


@pytest.mark.parametrize(
    "name",
    [
        "public_key_b64",
        "public_key_hex",
        "fingerprint_sha256_hex",
        "fingerprint_sha256_b32_first128bits",
    ],
)
def test_each_field_of_another_key_is_a_mismatch(name: str) -> None:
    assert KeyObject.from_json(OTHER).key.hex != SEED_HEX

    with refused("key.fields", MismatchError):
        KeyObject.from_json(key_object(**{name: OTHER[name]}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fingerprint_sha256_hex", sha256(bytes.fromhex(SEED_HEX)).hexdigest()),
        ("fingerprint_sha256_hex", sha256(bytes.fromhex(SEED_HEX)).hexdigest()[:32].upper()),
        ("fingerprint_sha256_b32_first128bits", "RVFV5Z2OI2J3ZUO7ERDEBCYNK"),
        ("fingerprint_sha256_b32_first128bits", "rvfv5z2oi2j3zuo7erdebcynks"),
        ("fingerprint_sha256_b32_first128bits", None),
    ],
    ids=["hex-64", "hex-upper-case", "b32-25", "b32-lower-case", "b32-null"],
)
def test_fingerprints_have_one_spelling(name: str, value: Any) -> None:
    with refused("key.fields", MismatchError, path=f"$.{name}"):
        KeyObject.from_json(key_object(**{name: value}))


@pytest.mark.parametrize("name", list(key_object()))
def test_no_member_may_be_missing(name: str) -> None:
    with refused("schema.members", path="$"):
        KeyObject.from_json(without(name))


@pytest.mark.parametrize(
    ("value", "code", "path"),
    [
        pytest.param(key_object(extra=1), "schema.members", "$", id="unknown-member"),
        pytest.param(
            key_object(algorithm="none"), "schema.constant", "$.algorithm", id="algorithm"
        ),
        pytest.param(key_object(algorithm="Ed25519"), "schema.constant", "$.algorithm", id="case"),
        pytest.param(key_object(algorithm=None), "schema.constant", "$.algorithm", id="null"),
        pytest.param(key_object(format="pem"), "schema.constant", "$.format", id="format"),
        pytest.param(key_object(key_id="ab"), "schema.key_id", "$.key_id", id="key-id-of-2"),
        pytest.param(key_object(key_id="a" * 65), "schema.key_id", "$.key_id", id="key-id-of-65"),
        pytest.param(key_object(key_id="Abc"), "schema.key_id", "$.key_id", id="key-id-upper-case"),
        pytest.param(
            key_object(key_id="-abc"), "schema.key_id", "$.key_id", id="key-id-dash-first"
        ),
        pytest.param(key_object(key_id="a_c"), "schema.key_id", "$.key_id", id="key-id-underscore"),
        pytest.param(key_object(key_id="abc\n"), "schema.key_id", "$.key_id", id="key-id-newline"),
        pytest.param(key_object(key_id=None), "schema.key_id", "$.key_id", id="key-id-null"),
        pytest.param(key_object(rotates_at=""), "schema.time", "$.rotates_at", id="rotates-empty"),
        pytest.param(
            key_object(rotates_at="2027-01-01T00:00:00.000000Z"),
            "schema.time",
            "$.rotates_at",
            id="rotates-in-micros",
        ),
        pytest.param(key_object(url=None), "schema.type", "$.url", id="url-null"),
        pytest.param(key_object(url="x" * 4097), "schema.length", "$.url", id="url-too-long"),
        pytest.param(key_object(notes=1), "schema.type", "$.notes", id="notes-number"),
        pytest.param(key_object(signer_id="x"), "schema.members", "$", id="signer-id-without-type"),
        pytest.param(
            key_object(signer_type="author"), "schema.members", "$", id="signer-type-without-id"
        ),
        pytest.param(
            key_object(signer_id="x", signer_type="pith_registry"),
            "schema.constant",
            "$.signer_type",
            id="party-that-calls-itself-registry",
        ),
        pytest.param(
            key_object(signer_id="x", signer_type=["author"]),
            "schema.constant",
            "$.signer_type",
            id="signer-type-list",
        ),
        pytest.param(
            key_object(signer_id="", signer_type="author"),
            "schema.name",
            "$.signer_id",
            id="signer-id-empty",
        ),
        pytest.param([], "schema.type", "$", id="list"),
        pytest.param(None, "schema.type", "$", id="null-object"),
    ],
)
def test_the_object_is_closed(value: Any, code: str, path: str) -> None:
    with refused(code, path=path):
        KeyObject.from_json(value)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(key_object(key_id="abc"), id="key-id-of-3"),
        pytest.param(key_object(key_id="9" + "." * 62 + "-"), id="key-id-of-64"),
        pytest.param(key_object(rotates_at="2027-01-01T00:00:00Z"), id="rotates-at"),
        pytest.param(key_object(url="", notes="x" * 4096), id="texts"),
        pytest.param(key_object(signer_id="orcid:0000-1", signer_type="author"), id="author"),
        pytest.param(key_object(signer_id="m", signer_type="mirror"), id="mirror"),
        pytest.param(key_object(signer_id="t" * 128, signer_type="third_party"), id="third-party"),
        pytest.param(OTHER, id="other-key"),
    ],
)
def test_it_prints_what_it_read(value: dict[str, Any]) -> None:
    assert list(KeyObject.from_json(value).to_json().items()) == list(value.items())
