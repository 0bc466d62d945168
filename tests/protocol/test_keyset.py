"""Key sets: the rules of section 10 that a set keeps by itself."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

import pytest

from registry.errors import MalformedError, VerificationError
from registry.protocol.canonical import JsonObject, canonical
from registry.protocol.document_checks import examine_keyset_document
from registry.protocol.instant import Instant
from registry.protocol.keyset import KeySet, KeySetBody, first_keyset, keyset_message
from registry.protocol.keyset_rules import check_fresh, verify_keyset
from registry.signing.signer import Signer
from tests import world
from tests.protocol.refusals import refused
from tests.world import REGISTRY, SINCE, drop, flip, insert, put, recovery

ENTRY: Final = REGISTRY.entry()
SECOND: Final = world.signer("second", "example-2026-02")
SECOND_ENTRY: Final = world.entry(SECOND, status="announced")
GOOD: Final = world.keyset(ENTRY, recovery(1), recovery(2), threshold=2).to_json()
FIRST: Final = world.keyset(ENTRY).to_json()
LATER: Final = SINCE.plus(days=90)
REVOKED: Final = {"status": "revoked", "revoked_at": LATER, "reason": "lost"}
UNKNOWN: Final[JsonObject] = {
    "key_id": "future-2030-01",
    "algorithm": "ml-dsa-65",
    "format": "raw",
    "public_key_b64": "AAAA",
    "public_key_hex": "000000",
    "fingerprint_sha256_b32_first128bits": "A",
    "fingerprint_sha256_hex": "0",
    "rotates_at": None,
    "url": "",
    "notes": "a key of an algorithm to come",
    "usage": "registry",
    "status": "announced",
    "valid_from": SINCE.seconds,
    "retired_at": None,
    "revoked_at": None,
    "compromised_since": None,
    "reason": None,
    "successor_key_sha256": None,
}


def built(*entries: Any, **more: Any) -> JsonObject:
    """A set whose rules nobody checked, signed by each of its keys."""
    body = world.keyset_body(*entries, **more)
    value = body.to_json() | {"signatures": []}
    return world.reseal_keyset(value, world.signers_of(body))


def changed(*changes: world.Change, base: JsonObject = GOOD) -> JsonObject:
    """A set that says something else, signed again by the same keys."""
    return world.reseal_keyset(world.changed(base, *changes))


def written(*changes: world.Change, base: JsonObject = GOOD) -> JsonObject:
    """A set whose signatures are changed and not made again."""
    return world.changed(base, *changes)


def signed_by(*signers: Signer, base: JsonObject = GOOD) -> JsonObject:
    return world.reseal_keyset(world.changed(base), signers)


def padded(size: int) -> bytes:
    """A good set of *size* bytes, most of them white space."""
    data = world.dump(FIRST)
    return data[:-1] + b" " * (size - len(data)) + b"}"


VALID: Final[dict[str, JsonObject]] = {
    "one-registry-key": FIRST,
    "two-recovery-keys-both-needed": GOOD,
    "two-recovery-keys-one-needed": built(ENTRY, recovery(1), recovery(2), threshold=1),
    "announced-successor": built(
        replace(ENTRY, successor_key_sha256=SECOND.public_key.sha256.hex()), SECOND_ENTRY
    ),
    "retired-key": built(
        ENTRY, world.entry(SECOND, status="retired", retired_at=LATER, valid_from=SINCE)
    ),
    "retiring-key": built(ENTRY, world.entry(SECOND, status="retiring")),
    "revoked-key": built(ENTRY, world.entry(SECOND, **REVOKED)),
    "compromised-key": built(ENTRY, world.entry(SECOND, **REVOKED, compromised_since=SINCE)),
    "only-key-revoked": built(world.entry(SECOND, **REVOKED)),
    "revoked-recovery-key-does-not-count": built(ENTRY, recovery(1), recovery(2, **REVOKED)),
    "expires-after-400-days": built(ENTRY, days=400),
    "unknown-algorithm": changed(insert("keys", UNKNOWN), base=FIRST),
    "unknown-algorithm-does-not-count": changed(
        insert("keys", UNKNOWN | {"usage": "recovery", "status": "active"}), base=FIRST
    ),
    "version-2": built(ENTRY, version=2, prev_sha256="0" * 64),
    "version-2-not-signed-by-all": signed_by(
        REGISTRY.signer, base=built(ENTRY, recovery(1), version=2, prev_sha256="0" * 64)
    ),
}

FORM: Final = "keyset.schema"
KEYS: Final = "keyset.keys"
SIGNATURES: Final = "keyset.signatures"
INVALID: Final[dict[str, tuple[JsonObject, str, str]]] = {
    # form
    "type-other": (changed(put("keyset_type", "pith_keys")), FORM, "schema.constant"),
    "keyset-version-1.1": (changed(put("keyset_version", "1.1")), FORM, "schema.constant"),
    "keyset-version-float": (changed(put("keyset_version", 1.0)), FORM, "schema.constant"),
    "version-0": (changed(put("version", 0)), FORM, "schema.range"),
    "version-true": (changed(put("version", True)), FORM, "schema.type"),
    "version-float": (changed(put("version", 1.0)), FORM, "schema.type"),
    "threshold-negative": (changed(put("threshold", -1)), FORM, "schema.range"),
    "threshold-true": (changed(put("threshold", True)), FORM, "schema.type"),
    "registry-empty": (changed(put("registry", "")), FORM, "schema.name"),
    "registry-trailing-newline": (
        changed(put("registry", "registry.example\n")),
        FORM,
        "schema.name",
    ),
    "created-at-with-fraction": (
        changed(put("created_at", "2026-01-01T00:00:00.000000Z")),
        FORM,
        "schema.time",
    ),
    "previous-digest-upper-case": (
        changed(put("prev_keyset_sha256", "A" * 64)),
        FORM,
        "schema.hex",
    ),
    "unknown-member": (changed(put("note", "x")), FORM, "schema.members"),
    "missing-member": (changed(drop("expires_at")), FORM, "schema.members"),
    "unknown-member-in-a-key": (changed(put("keys.0.note", "x")), FORM, "schema.members"),
    "unknown-member-in-a-signature": (
        written(put("signatures.0.note", "x")),
        FORM,
        "schema.members",
    ),
    "usage-unknown": (changed(put("keys.0.usage", "both")), FORM, "schema.constant"),
    "status-unknown": (changed(put("keys.0.status", "dormant")), FORM, "schema.constant"),
    "valid-from-null": (changed(put("keys.0.valid_from", None)), FORM, "schema.time"),
    "key-hex-of-another": (
        changed(put("keys.0.public_key_hex", SECOND.public_key.hex)),
        FORM,
        "key.fields",
    ),
    "key-spare-bits": (
        changed(put("keys.0.public_key_b64", world.spare_bits)),
        FORM,
        "schema.base64",
    ),
    "key-id-upper-case": (changed(put("keys.0.key_id", "Example")), FORM, "schema.key_id"),
    "successor-upper-case": (
        changed(put("keys.0.successor_key_sha256", "A" * 64)),
        FORM,
        "schema.hex",
    ),
    "key-with-a-party-member": (
        changed(put("keys.0.signer_id", "author.example")),
        FORM,
        "schema.members",
    ),
    # keys
    "key-twice": (
        changed(insert("keys", ENTRY.to_json() | {"key_id": "again", "status": "retiring"})),
        KEYS,
        KEYS,
    ),
    "key-id-twice": (
        changed(
            insert("keys", SECOND_ENTRY.to_json() | {"key_id": REGISTRY.key_id}),
        ),
        KEYS,
        KEYS,
    ),
    "two-active-registry-keys": (built(ENTRY, world.entry(SECOND)), KEYS, KEYS),
    "no-active-registry-key": (built(world.entry(SECOND, status="announced")), KEYS, KEYS),
    "no-keys": (changed(put("keys", []), base=signed_by(base=FIRST)), KEYS, KEYS),
    "revoked-without-a-time": (
        built(ENTRY, world.entry(SECOND, status="revoked")),
        KEYS,
        KEYS,
    ),
    "revoked-at-but-active": (built(replace(ENTRY, revoked_at=LATER)), KEYS, KEYS),
    "retired-without-a-time": (built(ENTRY, world.entry(SECOND, status="retired")), KEYS, KEYS),
    "compromised-and-not-revoked": (
        built(replace(ENTRY, compromised_since=LATER)),
        KEYS,
        KEYS,
    ),
    # threshold
    "threshold-0-with-a-recovery-key": (
        built(ENTRY, recovery(), threshold=0),
        "keyset.threshold",
        "keyset.threshold",
    ),
    "threshold-over-the-recovery-keys": (
        built(ENTRY, recovery(), threshold=2),
        "keyset.threshold",
        "keyset.threshold",
    ),
    "threshold-without-a-recovery-key": (
        built(ENTRY, threshold=1),
        "keyset.threshold",
        "keyset.threshold",
    ),
    "threshold-counts-announced-keys": (
        built(ENTRY, recovery(1), recovery(2, status="announced"), threshold=2),
        "keyset.threshold",
        "keyset.threshold",
    ),
    "threshold-counts-unknown-algorithms": (
        changed(
            insert("keys", UNKNOWN | {"usage": "recovery", "status": "active"}),
            put("threshold", 1),
            base=FIRST,
        ),
        "keyset.threshold",
        "keyset.threshold",
    ),
    # life
    "expires-after-400-days-and-a-second": (
        changed(put("expires_at", SINCE.plus(days=400, seconds=1).seconds)),
        "keyset.life",
        "keyset.life",
    ),
    "expires-when-made": (
        changed(put("expires_at", SINCE.seconds)),
        "keyset.life",
        "keyset.life",
    ),
    # chain
    "version-1-with-a-predecessor": (
        changed(put("prev_keyset_sha256", "0" * 64)),
        "keyset.chain",
        "keyset.chain",
    ),
    "version-2-without-a-predecessor": (
        changed(put("version", 2)),
        "keyset.chain",
        "keyset.chain",
    ),
    # signatures
    "changed-after-signing": (
        written(put("keys.0.notes", "changed")),
        SIGNATURES,
        "signature.wrong",
    ),
    "signature-of-another-key": (
        written(put("signatures.0.signature_b64", world.by(SECOND, b"x" * 40))),
        SIGNATURES,
        "signature.wrong",
    ),
    "signature-without-the-prefix": (
        written(
            put(
                "signatures.0.signature_b64",
                world.by(
                    REGISTRY.signer,
                    canonical({n: m for n, m in GOOD.items() if n != "signatures"}),
                ),
            )
        ),
        SIGNATURES,
        "signature.wrong",
    ),
    "signature-over-the-digest": (
        written(
            put(
                "signatures.0.signature_b64",
                world.by(REGISTRY.signer, KeySet.from_json(GOOD).body.digest),
            )
        ),
        SIGNATURES,
        "signature.wrong",
    ),
    "signature-plus-l": (
        written(put("signatures.0.signature_b64", world.plus_l)),
        SIGNATURES,
        "signature.malleable",
    ),
    "signature-r-of-small-order": (
        written(put("signatures.0.signature_b64", world.small_order_r)),
        SIGNATURES,
        "signature.small_order",
    ),
    "signature-spare-bits": (
        written(put("signatures.0.signature_b64", world.spare_bits)),
        FORM,
        "schema.base64",
    ),
    "key-signs-twice": (
        written(insert("signatures", GOOD["signatures"][0])),
        SIGNATURES,
        SIGNATURES,
    ),
    "signed-by-a-key-not-in-the-set": (
        signed_by(*(world.signers_of(KeySet.from_json(GOOD).body)), SECOND),
        SIGNATURES,
        SIGNATURES,
    ),
    "signature-names-another-fingerprint": (
        written(put("signatures.0.public_key_fingerprint", flip)),
        SIGNATURES,
        SIGNATURES,
    ),
    # possession
    "key-has-not-signed": (
        written(drop("signatures.2")),
        "keyset.possession",
        "keyset.possession",
    ),
    "announced-key-has-not-signed": (
        signed_by(REGISTRY.signer, base=built(ENTRY, SECOND_ENTRY)),
        "keyset.possession",
        "keyset.possession",
    ),
    "nobody-has-signed": (
        written(put("signatures", [])),
        "keyset.possession",
        "keyset.possession",
    ),
}

MORE: Final[dict[str, tuple[str, ...]]] = {
    "key-twice": ("keyset.possession",),
    "expires-when-made": ("keyset.fresh",),
}
"""Checks that cannot but fail with the first."""


def vectors() -> world.Vectors:
    return world.Vectors(
        "keyset",
        {
            "about": "key sets, each judged by itself: those in valid/ keep every rule and have "
            "the digest given, those in invalid/ fail first at the named check. They expire: "
            "read them at verified_at. The keys are test keys whose seeds are public: never "
            "trust them",
            **world.key_of_index(),
            "verified_at": LATER.seconds,
        },
        {
            name: (world.dump(value), KeySet.from_json(value).body.digest.hex())
            for name, value in VALID.items()
        },
        {name: (world.dump(value), check, code) for name, (value, check, code) in INVALID.items()},
    )


def failing(data: bytes, at: Instant = LATER) -> tuple[tuple[str, str], tuple[str, ...]]:
    """The first failure and all that failed, but for the pin that nobody brought."""
    report = examine_keyset_document(data, world.terms(when=at))
    return world.first_failure(report), tuple(
        name for name in world.failed(report) if name != "trust.pin"
    )


@pytest.mark.parametrize("name", VALID)
def test_a_good_set_is_accepted(name: str) -> None:
    keyset = KeySet.from_json(VALID[name])

    verify_keyset(keyset)
    assert keyset.to_json() == VALID[name]
    assert failing(world.dump(VALID[name])) == (("trust.pin", "trust.pin"), ())


@pytest.mark.parametrize("name", INVALID)
def test_a_bad_set_is_refused(name: str) -> None:
    value, check, code = INVALID[name]
    first, every = failing(world.dump(value))

    assert first == (check, code)
    assert every == (check, *MORE.get(name, ()))
    with pytest.raises((MalformedError, VerificationError)) as caught:
        verify_keyset(KeySet.from_json(value))
    assert caught.value.code == code


# -- the files -----------------------------------------------------------------


def test_the_files_are_what_the_tables_make() -> None:
    assert world.on_disk("keyset") == vectors().files


@pytest.mark.parametrize("name", world.index_of("keyset")["valid"])
def test_a_valid_file(name: str) -> None:
    keyset = KeySet.parse(world.vector("keyset", "valid", name))

    verify_keyset(keyset)
    assert keyset.body.digest.hex() == world.index_of("keyset")["valid"][name]


@pytest.mark.parametrize("name", world.index_of("keyset")["invalid"])
def test_an_invalid_file(name: str) -> None:
    wanted = world.index_of("keyset")["invalid"][name]
    first, _ = failing(world.vector("keyset", "invalid", name))

    assert first == (wanted["check"], wanted["code"])


# -- what the tables do not reach ----------------------------------------------


def test_what_is_signed_is_prefixed_and_never_32_bytes() -> None:
    body = KeySet.from_json(GOOD).body
    unsigned = {name: member for name, member in GOOD.items() if name != "signatures"}

    assert keyset_message(body) == b"pith-keyset-v1\n" + canonical(unsigned)
    assert body.digest == hashlib.sha256(keyset_message(body)).digest()
    assert len(keyset_message(body)) > 32


def test_signatures_do_not_enter_the_digest() -> None:
    fewer = KeySet.from_json(written(put("signatures", [])))

    assert fewer.body.digest == KeySet.from_json(GOOD).body.digest


@pytest.mark.parametrize(
    ("size", "first"),
    [
        pytest.param(512 << 10, ("trust.pin", "trust.pin"), id="512-kibibytes"),
        pytest.param((512 << 10) + 1, ("json", "json.size"), id="and-one-byte"),
    ],
)
def test_a_set_has_at_most_512_kibibytes(size: int, first: tuple[str, str]) -> None:
    data = padded(size)

    assert len(data) == size
    assert failing(data)[0] == first


def test_a_set_over_512_kibibytes_is_not_read() -> None:
    with refused("json.size"):
        KeySet.parse(padded((512 << 10) + 1))


@pytest.mark.parametrize(
    ("after", "fresh"),
    [(0, True), (1, False), (86_400, False)],
    ids=["at-expiry", "a-second-later", "a-day-later"],
)
def test_a_set_is_fresh_until_it_expires(after: int, fresh: bool) -> None:
    body = KeySet.from_json(GOOD).body
    at = body.expires_at.plus(seconds=after)

    assert failing(world.dump(GOOD), at)[1] == (() if fresh else ("keyset.fresh",))
    if fresh:
        check_fresh(body, at)
    else:
        with refused("keyset.fresh", VerificationError):
            check_fresh(body, at)


def test_an_unknown_algorithm_is_kept_and_counts_for_nothing() -> None:
    value = changed(insert("keys", UNKNOWN | {"usage": "recovery", "status": "active"}), base=FIRST)
    body = KeySet.from_json(value).body

    assert body.entries[1].object is None
    assert body.to_json()["keys"][1] == value["keys"][1]
    assert body.active("recovery") == ()
    assert [entry.key_id for entry in body.active("registry")] == [REGISTRY.key_id]


def test_a_signature_of_an_unknown_algorithm_counts_for_nothing() -> None:
    value = changed(insert("keys", UNKNOWN), base=FIRST)
    value = world.reseal_keyset(value, [REGISTRY.signer])
    value["signatures"].append(value["signatures"][0] | {"key_id": UNKNOWN["key_id"]})
    value["signatures"][1]["signature_b64"] = "AAAA"

    verify_keyset(KeySet.from_json(value))

    alone = value | {"signatures": value["signatures"][1:]}
    assert failing(world.dump(alone))[0] == ("keyset.possession", "keyset.possession")


@pytest.mark.parametrize("days", [1, 365, 400, 4000])
def test_a_first_set_is_sound(days: int) -> None:
    body = first_keyset(REGISTRY.name, REGISTRY.key_object, successor=None, at=world.AT, days=days)
    value = world.reseal_keyset(body.to_json() | {"signatures": []}, [REGISTRY.signer])

    verify_keyset(KeySet.from_json(value))
    assert body.created_at == world.AT.whole
    assert body.expires_at == world.AT.whole.plus(days=min(days, 400))
    assert (body.version, body.threshold, body.prev_sha256) == (1, 0, None)


def test_find_compares_keys_whole() -> None:
    body: KeySetBody = KeySet.from_json(GOOD).body
    found = body.find(REGISTRY.key)

    assert found is not None
    assert found.key_id == REGISTRY.key_id
    assert body.find(SECOND.public_key) is None


def test_the_order_of_members_does_not_matter() -> None:
    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: turned(value[name]) for name in reversed(value)}
        return [turned(item) for item in value] if isinstance(value, list) else value

    again = KeySet.parse(json.dumps(turned(GOOD), indent=1).encode())

    verify_keyset(again)
    assert again.body.digest == KeySet.from_json(GOOD).body.digest


def signers_named(value: JsonObject) -> Iterable[str]:
    return (each["key_id"] for each in value["signatures"])


def test_signatures_may_stand_in_any_order() -> None:
    turned = written(put("signatures", lambda found: found[::-1]))

    verify_keyset(KeySet.from_json(turned))
    assert [*signers_named(turned)] == [*signers_named(GOOD)][::-1]
