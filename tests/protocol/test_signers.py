"""Third parties: enrolments, the signers list, and how its versions follow (section 11)."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import pytest

from registry.errors import ConflictError, PithError
from registry.protocol.canonical import JsonObject, canonical
from registry.protocol.keys import KeyObject
from registry.protocol.signers import (
    PREFIX,
    Enrolment,
    SignerEntry,
    Signers,
    SignersBody,
    enrolment_message,
)
from registry.protocol.signers_chain import (
    SignersChain,
    follow,
    verify_chain,
    verify_enrolment,
    verify_successor,
)
from registry.protocol.signers_checks import examine_signers_document
from registry.signing.documents import sign_enrolment, sign_signers
from tests import world
from tests.world import (
    AUTHOR,
    MIRROR,
    OTHER_REGISTRY,
    PARTIES,
    READER,
    REGISTRY,
    Party,
    drop,
    flip,
    insert,
    put,
)


@contextmanager
def refused(code: str, of: type[PithError] = PithError) -> Iterator[None]:
    """The block raises an error of this code."""
    with pytest.raises(of) as caught:
        yield
    assert caught.value.code == code


SECOND: Final = Party(AUTHOR.name, "able-2027", "author")
REVOKED_AT: Final = world.AT.plus(days=10).whole
SINCE: Final = world.AT.plus(days=5).whole


def enrolment(party: Party = AUTHOR, registry: str = REGISTRY.name) -> Enrolment:
    return sign_enrolment(party.signer, party.key_object, registry=registry)


def entry(party: Party = AUTHOR, **life: Any) -> SignerEntry:
    made = enrolment(party)
    return replace(SignerEntry(made.key, "active", None, None, made.proof), **life)


def body(*entries: SignerEntry, after: SignersBody | None = None) -> SignersBody:
    """A first list, or the one after another."""
    if after is None:
        return SignersBody(REGISTRY.name, 1, None, entries)
    return SignersBody(REGISTRY.name, after.version + 1, after.digest.hex(), entries)


def signed(of: SignersBody) -> Signers:
    return sign_signers(REGISTRY.signer, of)


ENTRIES: Final = tuple(entry(party) for party in PARTIES)
FIRST: Final = signed(body(*ENTRIES))
REVOKED: Final = replace(
    ENTRIES[0], status="revoked", revoked_at=REVOKED_AT, compromised_since=SINCE
)
RETIRED: Final = replace(ENTRIES[1], status="retired")
NEXT: Final = signed(body(REVOKED, RETIRED, ENTRIES[2], entry(SECOND), after=FIRST.body))
GOOD: Final = FIRST.to_json()


def reseal(value: JsonObject, who: Any = REGISTRY.signer) -> JsonObject:
    """Sign a list again over what it says now."""
    unsigned = {name: member for name, member in value.items() if name != "signature"}
    value["signature"] = {
        "key_id": who.key_id,
        "public_key_fingerprint": who.public_key.fingerprint,
        "signature_b64": world.by(who, PREFIX + canonical(unsigned)),
    }
    return value


def said(*changes: world.Change, base: JsonObject = GOOD) -> bytes:
    """A list changed and signed again."""
    return world.dump(reseal(world.changed(base, *changes)))


def written(where: str, new: Any) -> bytes:
    """A list changed and not signed again."""
    return world.dump(world.changed(GOOD, put(where, new)))


def enrolled(party: Party, *changes: world.Change) -> JsonObject:
    """The entry of a party that proves whatever it says."""
    value = world.changed(entry(party).to_json(), *changes)
    members = {
        n: m
        for n, m in value.items()
        if n in world.key_object(party.signer, party=("", "")).to_json()
    }
    key = KeyObject.from_json(members)
    value["enrolment_b64"] = world.by(party.signer, enrolment_message(REGISTRY.name, key))
    return value


OWN: Final = Party("own.example", "own-2026", "mirror")


def with_registry_key() -> bytes:
    key = world.key_object(REGISTRY.signer, party=("own.example", "mirror"))
    value = entry(MIRROR).to_json() | key.to_json()
    value["enrolment_b64"] = world.by(REGISTRY.signer, enrolment_message(REGISTRY.name, key))
    return said(insert("signers", value))


VALID: Final[dict[str, bytes]] = {
    "first": world.dump(GOOD),
    "empty": world.dump(signed(body()).to_json()),
    "second-version": world.dump(NEXT.to_json()),
    "two-keys-of-one-signer": world.dump(signed(body(entry(), entry(SECOND))).to_json()),
    "revoked-without-compromise": world.dump(
        signed(body(replace(REVOKED, compromised_since=None))).to_json()
    ),
    "members-sorted": canonical(GOOD),
}
FORM: Final = "signers.schema"
KEYS: Final = "signers.keys"
INVALID: Final[dict[str, tuple[bytes, str, str]]] = {
    "type-other": (said(put("signers_type", "pith_key_set")), FORM, "schema.constant"),
    "version-0": (said(put("version", 0)), FORM, "schema.range"),
    "version-true": (said(put("version", True)), FORM, "schema.type"),
    "unknown-member": (said(put("created_at", "2026-06-01T12:00:00Z")), FORM, "schema.members"),
    "without-previous": (said(drop("prev_sha256")), FORM, "schema.members"),
    "entry-without-enrolment": (said(drop("signers.0.enrolment_b64")), FORM, "schema.members"),
    "entry-with-usage": (said(put("signers.0.usage", "registry")), FORM, "schema.members"),
    "entry-of-a-registry": (
        said(put("signers.0.signer_type", "pith_registry")),
        FORM,
        "schema.constant",
    ),
    "status-announced": (said(put("signers.0.status", "announced")), FORM, "schema.constant"),
    "fingerprint-of-another-key": (
        said(put("signers.0.fingerprint_sha256_hex", flip)),
        FORM,
        "key.fields",
    ),
    "key-of-small-order": (
        said(
            put("signers.0.public_key_hex", "01" + "00" * 31),
            put("signers.0.public_key_b64", world.b64(b"\x01" + bytes(31))),
        ),
        FORM,
        "key.point",
    ),
    "enrolment-spare-bits": (
        said(put("signers.0.enrolment_b64", world.spare_bits)),
        FORM,
        "schema.base64",
    ),
    "key-twice": (said(lambda v: v["signers"].append(dict(v["signers"][0]))), KEYS, KEYS),
    "key-id-of-another": (
        said(insert("signers", enrolled(SECOND, put("key_id", AUTHOR.key_id)))),
        KEYS,
        KEYS,
    ),
    "name-of-the-registry": (
        said(insert("signers", enrolled(SECOND, put("signer_id", REGISTRY.name)))),
        KEYS,
        "signers.registry_name",
    ),
    "one-signer-of-two-types": (
        said(insert("signers", enrolled(SECOND, put("signer_type", "mirror")))),
        KEYS,
        "signers.binding",
    ),
    "revoked-without-time": (said(put("signers.0.status", "revoked")), KEYS, "signers.times"),
    "active-and-revoked-at": (
        said(put("signers.0.revoked_at", REVOKED_AT.seconds)),
        KEYS,
        "signers.times",
    ),
    "retired-and-compromised": (
        said(
            put("signers.0.status", "retired"),
            put("signers.0.compromised_since", SINCE.seconds),
        ),
        KEYS,
        "signers.times",
    ),
    "enrolment-of-another-key": (
        said(put("signers.0.enrolment_b64", GOOD["signers"][1]["enrolment_b64"])),
        "signers.enrolment",
        "signature.wrong",
    ),
    "enrolment-at-another-registry": (
        said(
            put(
                "signers.0.enrolment_b64",
                enrolment(AUTHOR, OTHER_REGISTRY.name).to_json()["enrolment_b64"],
            )
        ),
        "signers.enrolment",
        "signature.wrong",
    ),
    "enrolment-under-another-name": (
        said(put("signers.0.signer_id", "orcid:0000-0001-5109-3700")),
        "signers.enrolment",
        "signature.wrong",
    ),
    "enrolment-as-another-type": (
        said(put("signers.0.signer_type", "third_party")),
        "signers.enrolment",
        "signature.wrong",
    ),
    "first-with-previous": (
        said(put("prev_sha256", "0" * 64)),
        "signers.chain",
        "signers.chain",
    ),
    "second-without-previous": (said(put("version", 2)), "signers.chain", "signers.chain"),
    "of-an-unpinned-registry": (
        world.dump(
            sign_signers(
                OTHER_REGISTRY.signer, SignersBody(OTHER_REGISTRY.name, 1, None, ())
            ).to_json()
        ),
        "trust.pin",
        "trust.pin",
    ),
    "signed-by-another-key": (
        world.dump(reseal(world.changed(GOOD), OTHER_REGISTRY.signer)),
        "signers.signature",
        "signers.signature",
    ),
    "signed-by-a-party": (
        world.dump(reseal(world.changed(GOOD), AUTHOR.signer)),
        "signers.signature",
        "signers.signature",
    ),
    "changed-after-it-was-signed": (
        written("signers.0.notes", "x"),
        "signers.signature",
        "signature.wrong",
    ),
    "signed-without-its-prefix": (
        world.dump(
            world.changed(
                GOOD,
                put("signature.signature_b64", world.by(REGISTRY.signer, FIRST.body.digest)),
            )
        ),
        "signers.signature",
        "signature.wrong",
    ),
    "signature-of-63-bytes": (
        written("signature.signature_b64", world.b64(bytes(63))),
        "signers.signature",
        "signature.length",
    ),
    "key-of-the-registry-as-a-party": (
        with_registry_key(),
        "signers.signature",
        "signers.registry_key",
    ),
}


def vectors() -> world.Vectors:
    return world.Vectors(
        "signers",
        {
            "about": "single versions of the list of third parties, for a verifier who pins the "
            "test key and reads at verified_at: those in valid/ pass every check and have the "
            "digest given (SHA-256 of pith-signers-v1, a newline and the canonical list without "
            "signature), those in invalid/ fail first at the named check. The keys are test keys "
            "whose seeds are public: never trust them",
            **world.key_of_index(),
            "verified_at": world.NOW.seconds,
        },
        {name: (data, Signers.parse(data).body.digest.hex()) for name, data in VALID.items()},
        INVALID,
    )


@pytest.mark.parametrize("name", VALID)
def test_a_good_list_is_accepted(name: str) -> None:
    report = examine_signers_document(VALID[name], REGISTRY.terms)

    assert report.ok, report.failure
    assert [part.what for part in report.signed] == ["signers list"]
    found = Signers.parse(VALID[name])
    assert Signers.from_json(found.to_json()) == found


@pytest.mark.parametrize("name", INVALID)
def test_a_bad_list_is_refused(name: str) -> None:
    data, check, code = INVALID[name]

    assert world.first_failure(examine_signers_document(data, REGISTRY.terms)) == (check, code)


def test_the_files_are_what_the_tables_make() -> None:
    assert world.on_disk("signers") == vectors().files


@pytest.mark.parametrize("name", world.index_of("signers")["invalid"])
def test_an_invalid_file(name: str) -> None:
    wanted = world.index_of("signers")["invalid"][name]
    report = examine_signers_document(world.vector("signers", "invalid", name), REGISTRY.terms)

    assert world.first_failure(report) == (wanted["check"], wanted["code"])


def test_under_a_key_set_a_revoked_key_signs_no_list() -> None:
    life = {"status": "revoked", "revoked_at": world.NOW, "compromised_since": world.NOW}
    for entry_, ok in ((REGISTRY.entry(), True), (REGISTRY.entry(**life), False)):
        pin = REGISTRY.keyset_pin(entry_, world.recovery())
        report = examine_signers_document(world.dump(GOOD), world.terms(pin))
        assert report.ok == ok
        assert [verdict.verdict for verdict in report.verdicts] == ["valid" if ok else "unproven"]


def test_a_list_of_another_registry_than_expected() -> None:
    terms = world.terms(REGISTRY.pin, registry=OTHER_REGISTRY.name)
    report = examine_signers_document(world.dump(GOOD), terms)
    assert world.first_failure(report) == ("expect.registry", "expect.registry")


# -- enrolments ----------------------------------------------------------------


def test_an_enrolment_proves_possession() -> None:
    made = enrolment()
    verify_enrolment(Enrolment.parse(canonical(made.to_json())))
    assert enrolment_message(REGISTRY.name, AUTHOR.key_object) == b"pith-enrol-v1\n" + canonical(
        {
            "registry": REGISTRY.name,
            "signer_id": AUTHOR.name,
            "signer_type": "author",
            "public_key_hex": AUTHOR.key.hex,
        }
    )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (put("registry", OTHER_REGISTRY.name), "signature.wrong"),
        (put("signer_id", READER.name), "signature.wrong"),
        (put("signer_type", "mirror"), "signature.wrong"),
        (put("registry", AUTHOR.name), "signers.registry_name"),
        (put("enrolment_b64", world.plus_l), "signature.malleable"),
        (put("note", "x"), "schema.members"),
        (put("enrolment_type", "pith_pin"), "schema.constant"),
        (put("enrolment_b64", ""), "schema.base64"),
        (put("public_key_hex", "00" * 32), "key.point"),
    ],
    ids=lambda value: value if isinstance(value, str) else "edit",
)
def test_a_changed_enrolment_is_refused(change: world.Change, code: str) -> None:
    value = world.changed(enrolment().to_json(), change)
    with refused(code):
        verify_enrolment(Enrolment.parse(canonical(value)))


def test_nobody_enrols_a_key_he_does_not_hold() -> None:
    with refused("signing.signer"):
        sign_enrolment(READER.signer, AUTHOR.key_object, registry=REGISTRY.name)
    with refused("schema.name"):
        sign_enrolment(REGISTRY.signer, REGISTRY.key_object, registry=REGISTRY.name)


# -- one version after another -------------------------------------------------


def after(*entries: SignerEntry, **more: Any) -> SignersBody:
    return replace(body(*entries, after=FIRST.body), **more)


LINKS: Final[dict[str, tuple[SignersBody, str]]] = {
    "version-skipped": (after(*ENTRIES, version=3), "signers.version"),
    "previous-of-another": (after(*ENTRIES, prev_sha256="0" * 64), "signers.prev"),
    "party-dropped": (after(*ENTRIES[1:]), "signers.dropped"),
    "key-replaced": (
        after(
            replace(entry(SECOND), key=replace(entry(SECOND).key, key_id=AUTHOR.key_id)),
            *ENTRIES[1:],
        ),
        "signers.changed",
    ),
    "notes-changed": (
        after(replace(ENTRIES[0], key=replace(ENTRIES[0].key, notes="x")), *ENTRIES[1:]),
        "signers.changed",
    ),
}


@pytest.mark.parametrize("name", LINKS)
def test_what_does_not_follow(name: str) -> None:
    new, code = LINKS[name]
    with refused(code):
        verify_successor(FIRST.body, new)


def test_a_signed_list_follows_the_one_before() -> None:
    verify_successor(FIRST.body, NEXT.body)
    assert verify_chain([FIRST, NEXT], REGISTRY.bindings) == (FIRST, NEXT)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"status": "active", "revoked_at": None, "compromised_since": None}, "signers.status"),
        ({"compromised_since": SINCE.plus(seconds=1)}, "signers.changed"),
        ({"compromised_since": None}, "signers.changed"),
        ({"revoked_at": REVOKED_AT.plus(seconds=1)}, "signers.changed"),
        ({"compromised_since": SINCE.plus(seconds=-1)}, None),
    ],
    ids=["status-back", "compromise-later", "compromise-gone", "revoked-at-moved", "earlier"],
)
def test_a_revocation_stands(change: dict[str, Any], code: str | None) -> None:
    entries = [replace(NEXT.body.entries[0], **change), *NEXT.body.entries[1:]]
    new = body(*entries, after=NEXT.body)
    if code is None:
        verify_successor(NEXT.body, new)
        return
    with refused(code):
        verify_successor(NEXT.body, new)


def test_another_registrys_list_does_not_follow() -> None:
    other = replace(after(*ENTRIES), registry=OTHER_REGISTRY.name)
    with refused("signers.registry"):
        verify_successor(FIRST.body, other)


def test_what_is_held_is_held() -> None:
    chain: SignersChain = (FIRST, NEXT)
    assert follow(chain, FIRST, REGISTRY.bindings) == chain


def test_rollback_and_fork_are_refused() -> None:
    fork = signed(after(*ENTRIES))
    with refused("signers.fork", of=ConflictError):
        follow((FIRST, NEXT), fork, REGISTRY.bindings)
    with refused("signers.rollback", of=ConflictError):
        follow((NEXT,), FIRST, REGISTRY.bindings)
    with refused("signers.version"):
        follow((FIRST,), signed(body(*ENTRIES, after=NEXT.body)), REGISTRY.bindings)


def test_nothing_unsound_is_followed() -> None:
    with refused("signers.signature"):
        follow((FIRST,), NEXT, OTHER_REGISTRY.bindings)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: sign_signers(REGISTRY.signer, body(entry(), entry())),
        lambda: sign_signers(AUTHOR.signer, body(entry())),
        lambda: sign_signers(REGISTRY.signer, body(replace(entry(), proof=bytes(64)))),
    ],
    ids=["key-twice", "by-a-party", "no-proof"],
)
def test_no_registry_signs_an_unsound_list(spoil: Callable[[], Signers]) -> None:
    with pytest.raises(PithError):
        spoil()


def parties(of: Iterable[SignerEntry]) -> list[str]:
    return [each.signer_id for each in of]


def test_bindings_are_of_every_status() -> None:
    assert len(NEXT.body.bindings) == 4
    assert NEXT.body.find(AUTHOR.ref) == REVOKED
    assert NEXT.body.find(REGISTRY.ref) is None
    assert parties(NEXT.body.entries).count(AUTHOR.name) == 2
