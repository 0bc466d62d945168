"""Receipts: each rule of section 6 refuses what breaks it, and nothing else."""

import json
from dataclasses import replace
from typing import Any, Final

import pytest

from registry.errors import BadSignatureError, MismatchError
from registry.protocol.canonical import JsonObject, canonical
from registry.protocol.document_checks import examine_receipt_document
from registry.protocol.instant import Instant
from registry.protocol.number import Reference
from registry.protocol.receipt import Receipt, receipt_message, verify_receipt
from tests import world
from tests.protocol.refusals import refused
from tests.world import AT, NOW, OTHER_RECORD, OTHER_REGISTRY, RECORD, REGISTRY, put

GOOD: Final = REGISTRY.receipt().to_json()
REISSUED: Final = REGISTRY.receipt(reissued=AT.plus(days=30)).to_json()
TERMS: Final = world.terms(REGISTRY.pin, when=NOW.plus(days=60))
RECORD_BYTES: Final = RECORD.canonical


def spoilt(*changes: world.Change, seal: bool = False, base: JsonObject = GOOD) -> bytes:
    """The good receipt changed, and signed again where *seal* says so."""
    value = world.changed(base, *changes)
    return world.dump(world.reseal_receipt(value) if seal else value)


def signed_by(registry: world.Registry) -> JsonObject:
    return registry.receipt().to_json()


def later(name: str) -> world.Change:
    return put(name, lambda text: Instant.parse_micros(text).plus(seconds=1).micro_text)


def form(where: str, new: Any) -> bytes:
    return spoilt(put(where, new))


VALID: Final = {
    "first-issue": world.dump(GOOD),
    "reissue": world.dump(REISSUED),
    "signed-in-the-same-microsecond": world.dump(REGISTRY.receipt(signed=AT).to_json()),
    "pretty-printed": json.dumps(GOOD, indent=2).encode(),
    "members-sorted": canonical(GOOD),
    "builder-version-of-128-characters": form("builder_version", "b" * 128),
}

SCHEMA: Final = "receipt.schema"
SIGNATURE: Final = "receipt.signature"
INVALID: Final[dict[str, tuple[bytes, str, str]]] = {
    "kind-of-another-document": (form("kind", "pith_event"), SCHEMA, "schema.constant"),
    "version-0.4": (form("receipt_version", "0.4"), SCHEMA, "schema.constant"),
    "version-as-number": (form("receipt_version", 0.3), SCHEMA, "schema.constant"),
    "algorithm-none": (form("algorithm", "none"), SCHEMA, "schema.constant"),
    "algorithm-upper-case": (form("algorithm", "Ed25519"), SCHEMA, "schema.constant"),
    "signed-message-of-an-event": (
        form("signed_message", "open_graph_event_sha256_bytes"),
        SCHEMA,
        "schema.constant",
    ),
    "signature-status-unsigned": (form("signature_status", "unsigned"), SCHEMA, "schema.constant"),
    "unknown-member": (form("note", "x"), SCHEMA, "schema.members"),
    "missing-member": (spoilt(world.drop("builder_version")), SCHEMA, "schema.members"),
    "builder-version-empty": (form("builder_version", ""), SCHEMA, "schema.length"),
    "builder-version-of-129-characters": (
        form("builder_version", "b" * 129),
        SCHEMA,
        "schema.length",
    ),
    "builder-version-number": (form("builder_version", 1), SCHEMA, "schema.type"),
    "key-id-upper-case": (form("key_id", "Example-2026-01"), SCHEMA, "schema.key_id"),
    "key-id-trailing-newline": (form("key_id", "example-2026-01\n"), SCHEMA, "schema.key_id"),
    "fingerprint-upper-case": (
        form("public_key_fingerprint", str.upper),
        SCHEMA,
        "schema.hex",
    ),
    "digest-upper-case": (form("canonical_sha256", str.upper), SCHEMA, "schema.hex"),
    "digest-with-prefix": (form("canonical_sha256", lambda t: "sha256:" + t), SCHEMA, "schema.hex"),
    "digest-trailing-newline": (
        form("canonical_sha256", lambda t: t + "\n"),
        SCHEMA,
        "schema.hex",
    ),
    "time-in-seconds": (form("signed_at", "2026-06-01T12:00:01Z"), SCHEMA, "schema.time"),
    "time-of-three-digits": (form("signed_at", "2026-06-01T12:00:01.000Z"), SCHEMA, "schema.time"),
    "time-with-offset": (
        form("signed_at", "2026-06-01T12:00:01.000000+00:00"),
        SCHEMA,
        "schema.time",
    ),
    "time-that-is-no-date": (
        form("first_computed_at", "2026-02-30T12:00:00.000000Z"),
        SCHEMA,
        "schema.time",
    ),
    "time-null": (form("last_reissued_at", None), SCHEMA, "schema.time"),
    "reissued-before-first-computed": (
        spoilt(later("first_computed_at")),
        SCHEMA,
        "receipt.times",
    ),
    "signed-before-reissued": (
        spoilt(put("signed_at", AT.plus(seconds=-1).micro_text)),
        SCHEMA,
        "receipt.times",
    ),
    "signature-spare-bits": (form("signature_b64", world.spare_bits), SCHEMA, "schema.base64"),
    "signature-without-padding": (
        form("signature_b64", lambda t: t.rstrip("=")),
        SCHEMA,
        "schema.base64",
    ),
    "signature-trailing-data": (
        form("signature_b64", lambda t: t + "AAAA"),
        SCHEMA,
        "schema.base64",
    ),
    "signature-with-newline": (form("signature_b64", lambda t: t + "\n"), SCHEMA, "schema.base64"),
    "signature-url-alphabet": (form("signature_b64", "-" * 86 + "=="), SCHEMA, "schema.base64"),
    "signature-empty": (form("signature_b64", ""), SCHEMA, "schema.base64"),
    "signature-of-63-bytes": (form("signature_b64", world.b64(bytes(63))), SCHEMA, "schema.base64"),
    "signature-plus-l": (form("signature_b64", world.plus_l), SIGNATURE, "signature.malleable"),
    "signature-r-of-small-order": (
        form("signature_b64", world.small_order_r),
        SIGNATURE,
        "signature.small_order",
    ),
    "signature-of-another-key": (
        world.dump(world.reseal_receipt(dict(GOOD), OTHER_REGISTRY.signer)),
        SIGNATURE,
        "signature.wrong",
    ),
    "signature-over-the-hex-digits": (
        spoilt(
            put("signature_b64", world.by(REGISTRY.signer, GOOD["canonical_sha256"].encode())),
        ),
        SIGNATURE,
        "signature.wrong",
    ),
    "signature-over-the-record-not-its-digest": (
        spoilt(put("signature_b64", world.by(REGISTRY.signer, RECORD_BYTES))),
        SIGNATURE,
        "signature.wrong",
    ),
    "signature-of-an-event": (
        form(
            "signature_b64",
            REGISTRY.record_created().to_json()["signature"]["signature_b64"],
        ),
        SIGNATURE,
        "signature.wrong",
    ),
    "of-another-record": (
        world.dump(REGISTRY.receipt(OTHER_RECORD).to_json()),
        SIGNATURE,
        "receipt.record",
    ),
    "digest-of-another-record-old-signature": (
        form("canonical_sha256", OTHER_RECORD.sha256),
        SIGNATURE,
        "receipt.record",
    ),
    "key-not-pinned": (world.dump(signed_by(OTHER_REGISTRY)), "trust.pin", "trust.pin"),
    "key-id-not-pinned": (form("key_id", "example-2026-02"), "trust.pin", "trust.pin"),
    "fingerprint-not-pinned": (
        form("public_key_fingerprint", world.flip),
        "trust.pin",
        "trust.pin",
    ),
    "signed-after-the-verifiers-clock": (
        world.dump(REGISTRY.receipt(signed=AT.plus(days=100)).to_json()),
        "receipt.clock",
        "receipt.clock",
    ),
    "duplicate-member": (
        world.dump(GOOD)[:-1] + b',"kind":"pith_receipt"}',
        "json",
        "json.duplicate",
    ),
    "trailing-value": (world.dump(GOOD) + b"{}", "json", "json.single"),
    "record-offered-as-receipt": (RECORD_BYTES, SCHEMA, "schema.members"),
    "event-offered-as-receipt": (REGISTRY.record_created().canonical, SCHEMA, "schema.members"),
}


def vectors() -> world.Vectors:
    return world.Vectors(
        "receipt",
        {
            "about": "receipts of one record: a verifier who pins the key and holds the record "
            "accepts those in valid/ and refuses those in invalid/ by the named check. The key "
            "is a test key whose seed is public: never trust it",
            **world.key_of_index(),
            "record": RECORD.to_json(),
            "verified_at": TERMS.at.seconds,
        },
        {name: (data, RECORD.sha256) for name, data in VALID.items()},
        INVALID,
    )


@pytest.mark.parametrize("name", VALID)
def test_a_good_receipt_is_accepted(name: str) -> None:
    report = examine_receipt_document(VALID[name], RECORD_BYTES, TERMS)

    assert report.ok, report.failure
    assert [verdict.verdict for verdict in report.verdicts] == ["valid"]
    assert report.subject == str(RECORD.number)
    assert report.registry == REGISTRY.name


@pytest.mark.parametrize("name", INVALID)
def test_a_bad_receipt_is_refused(name: str) -> None:
    data, check, code = INVALID[name]
    report = examine_receipt_document(data, RECORD_BYTES, TERMS)

    assert not report.ok
    assert world.first_failure(report) == (check, code)
    assert world.failed(report) == (check,)


# -- the files -----------------------------------------------------------------


def test_the_files_are_what_the_tables_make() -> None:
    assert world.on_disk("receipt") == vectors().files


@pytest.mark.parametrize("name", world.index_of("receipt")["valid"])
def test_a_valid_file(name: str) -> None:
    index = world.index_of("receipt")
    data = world.vector("receipt", "valid", name)
    report = examine_receipt_document(data, canonical(index["record"]), TERMS)

    assert report.ok, report.failure
    assert report.signed[0].message.hex() == index["valid"][name]


@pytest.mark.parametrize("name", world.index_of("receipt")["invalid"])
def test_an_invalid_file(name: str) -> None:
    index = world.index_of("receipt")
    data = world.vector("receipt", "invalid", name)
    report = examine_receipt_document(data, canonical(index["record"]), TERMS)
    wanted = index["invalid"][name]

    assert world.first_failure(report) == (wanted["check"], wanted["code"])


# -- what the table does not reach ---------------------------------------------


def test_what_is_signed_is_the_digest_of_the_record() -> None:
    assert receipt_message(RECORD) == bytes.fromhex(GOOD["canonical_sha256"])
    assert len(receipt_message(RECORD)) == 32


def test_reading_and_writing_give_the_same_object() -> None:
    for value in (GOOD, REISSUED):
        assert Receipt.from_json(value).to_json() == value
        assert Receipt.parse(world.dump(value)).canonical == canonical(value)


def test_a_reissue_with_the_same_key_has_the_same_signature() -> None:
    assert REISSUED["signature_b64"] == GOOD["signature_b64"]
    assert REISSUED["first_computed_at"] == GOOD["first_computed_at"]
    assert REISSUED["last_reissued_at"] > GOOD["last_reissued_at"]


def test_verify_receipt_names_what_is_wrong() -> None:
    receipt = Receipt.from_json(GOOD)

    verify_receipt(receipt, RECORD, REGISTRY.key)
    with refused("receipt.record", MismatchError):
        verify_receipt(receipt, OTHER_RECORD, REGISTRY.key)
    with refused("receipt.key", MismatchError):
        verify_receipt(receipt, RECORD, OTHER_REGISTRY.key)
    with refused("signature.wrong", BadSignatureError):
        verify_receipt(replace(receipt, signature=bytes(31) + b"\x07" * 33), RECORD, REGISTRY.key)


@pytest.mark.parametrize("seconds", [-1, 0, 1], ids=["inside", "at-the-limit", "beyond"])
def test_the_clock_allows_ten_minutes(seconds: int) -> None:
    receipt = Receipt.from_json(GOOD)
    at = receipt.signed_at.plus(seconds=-600 - seconds)
    report = examine_receipt_document(
        world.dump(GOOD), RECORD_BYTES, world.terms(REGISTRY.pin, when=at)
    )

    assert world.failed(report) == (("receipt.clock",) if seconds > 0 else ())


@pytest.mark.parametrize(
    ("expect", "check"),
    [
        pytest.param(str(RECORD.number), (), id="number"),
        pytest.param(f"arxiv:{RECORD.source.id}", (), id="arxiv"),
        pytest.param(str(OTHER_RECORD.number), ("expect.subject",), id="other-number"),
        pytest.param(f"arxiv:{RECORD.source.id}v2", ("expect.subject",), id="other-version"),
    ],
)
def test_the_expected_record(expect: str, check: tuple[str, ...]) -> None:
    terms = replace(TERMS, expect=Reference.parse(expect))

    assert world.failed(examine_receipt_document(world.dump(GOOD), RECORD_BYTES, terms)) == check


def test_another_registry_than_the_named_one() -> None:
    terms = replace(TERMS, registry=OTHER_REGISTRY.name)
    report = examine_receipt_document(world.dump(GOOD), RECORD_BYTES, terms)

    assert world.failed(report) == ("trust.pin",)
    assert not report.ok


def test_a_record_that_is_none_is_named_as_such() -> None:
    report = examine_receipt_document(world.dump(GOOD), b"{}", TERMS)

    assert world.failed(report) == ("receipt.record_form",)
    assert report.subject == ""
