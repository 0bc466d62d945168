"""Pins and verdicts: what a verifier brings decides, never what a document says of itself."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from registry.data import shipped_pins
from registry.errors import (
    ConflictError,
    MalformedError,
    UntrustedKeyError,
    VerificationError,
)
from registry.protocol.bundle import Bundle
from registry.protocol.bundle_checks import examine_bundle
from registry.protocol.canonical import JsonObject
from registry.protocol.checks import Report
from registry.protocol.document_checks import (
    examine_event_document,
    examine_keyset_document,
    examine_receipt_document,
)
from registry.protocol.instant import Instant
from registry.protocol.merge import merge
from registry.protocol.trust import KeyPin, KeySetPin, Pin, anchor, parse_pin, registry_bindings
from tests import world
from tests.protocol import test_keyset_chain as follows
from tests.protocol.refusals import refused
from tests.world import (
    AT,
    BUILT_AT,
    NOW,
    OTHER_REGISTRY,
    RECORD,
    REGISTRY,
    SINCE,
    drop,
    put,
    recovery,
)

EVENTS: Final = REGISTRY.history()
BUNDLE: Final = REGISTRY.bundle()
SECOND: Final = replace(REGISTRY, key_id="example-2026-02")
"""The same registry with another key."""
ANY: Final = replace(REGISTRY.pin, registry=None)
SET_PIN: Final = REGISTRY.keyset_pin(REGISTRY.entry())
MEANWHILE: Final = AT.plus(seconds=1)
"""After the receipt and the record_created were signed, before the rest was."""


def read(*pins: Pin, data: bytes = BUNDLE.to_bytes(), **more: Any) -> Report:
    return examine_bundle(data, world.terms(*pins, **more))


def life(**members: Any) -> KeySetPin:
    """A pin of a key set in which the registry's key has this life, and, where that
    leaves none active, another key is."""
    spare = [] if members.get("status", "active") == "active" else [SECOND.entry()]
    return REGISTRY.keyset_pin(REGISTRY.entry(**members), *spare)


# -- which pins lead to a key --------------------------------------------------


def test_a_pin_of_the_key_under_the_name_is_trusted() -> None:
    report = read(REGISTRY.pin)

    assert report.ok
    assert [(verdict.verdict, verdict.reason) for verdict in report.verdicts] == [
        ("valid", "pinned key")
    ] * 3


def test_a_pin_of_the_key_under_any_name_is_trusted() -> None:
    assert read(ANY).ok


def test_a_pin_of_a_key_set_is_trusted() -> None:
    report = read(SET_PIN)

    assert report.ok, report.failure
    assert [verdict.verdict for verdict in report.verdicts] == ["valid"] * 4


def test_without_a_pin_it_is_consistent_with_itself_and_not_trusted() -> None:
    report = read()

    assert not report.ok
    assert world.failed(report) == ("trust.pin",)
    assert isinstance(report.failure, UntrustedKeyError)
    assert "consistent with itself, not trusted" in str(report.failure)
    assert {check.status for check in report.checks if check.name == "trust.key"} == {"skipped"}
    with refused("trust.pin", UntrustedKeyError):
        report.require()


@pytest.mark.parametrize(
    ("pin", "check"),
    [
        pytest.param(OTHER_REGISTRY.pin, "trust.pin", id="of-another-registry"),
        pytest.param(
            replace(REGISTRY.pin, registry=OTHER_REGISTRY.name),
            "trust.pin",
            id="same-key-under-another-name",
        ),
        pytest.param(
            replace(OTHER_REGISTRY.pin, registry=REGISTRY.name), "trust.key", id="of-another-key"
        ),
        pytest.param(SECOND.pin, "trust.key", id="of-the-registrys-other-key"),
        pytest.param(
            replace(SECOND.pin, key_id=REGISTRY.key_id), "trust.key", id="same-id-other-key"
        ),
        pytest.param(
            replace(REGISTRY.pin, key_id=SECOND.key_id), "trust.key", id="same-key-other-id"
        ),
        pytest.param(
            OTHER_REGISTRY.keyset_pin(OTHER_REGISTRY.entry()),
            "trust.pin",
            id="set-of-another-registry",
        ),
        pytest.param(REGISTRY.keyset_pin(SECOND.entry()), "trust.key", id="set-without-the-key"),
    ],
)
def test_no_other_pin_is(pin: Pin, check: str) -> None:
    report = read(pin)

    assert world.failed(report) == (check,)
    assert isinstance(report.failure, UntrustedKeyError)
    assert not report.ok


def test_a_bundle_of_another_key_by_the_same_name_is_not_trusted() -> None:
    forged = SECOND.bundle(events=SECOND.history())

    assert read(SECOND.pin, data=forged.to_bytes()).ok
    assert world.failed(read(REGISTRY.pin, data=forged.to_bytes())) == ("trust.key",)


def test_a_key_in_the_bundle_is_never_a_pin() -> None:
    both = REGISTRY.bundle(keys=[REGISTRY.key_object, SECOND.key_object])

    assert world.failed(read(SECOND.pin, data=both.to_bytes())) == ("trust.key",)


@pytest.mark.parametrize("what", ["receipt", "record_created", "bundle"])
def test_receipt_record_created_and_bundle_need_a_pinned_key(what: str) -> None:
    """One of the three is of the registry's other key, which stands in the bundle."""
    created, bundle = REGISTRY.record_created(), None
    if what == "receipt":
        value = world.changed(created.to_json(), put("payload.receipt", SECOND.receipt().to_json()))
        bundle = resealed([world.reseal_event(value)], REGISTRY)
    elif what == "record_created":
        value = world.changed(
            SECOND.record_created().to_json(),
            put("payload.receipt", REGISTRY.receipt().to_json()),
        )
        bundle = resealed([world.reseal_event(value, SECOND.signer)], REGISTRY)
    else:
        bundle = resealed([created.to_json()], SECOND)

    assert world.failed(read(REGISTRY.pin, data=bundle)) == ("trust.key",)
    assert read(REGISTRY.pin, SECOND.pin, data=bundle).ok
    report = read(REGISTRY.pin, SECOND.pin, data=bundle)
    assert {verdict.key_id for verdict in report.verdicts} == {REGISTRY.key_id, SECOND.key_id}


def resealed(events: list[JsonObject], by: world.Registry) -> bytes:
    """A bundle of these events with both keys, signed by one of them."""
    value = REGISTRY.bundle(keys=[REGISTRY.key_object, SECOND.key_object]).to_json()
    value["events"] = events
    world.restate(value)
    value["bundle_signature"] |= {
        "key_id": by.key_id,
        "public_key_fingerprint": by.key.fingerprint,
    }
    return world.dump(world.reseal_bundle(value, by.signer))


def test_under_a_key_pin_other_events_of_the_registry_need_no_pin() -> None:
    events = [EVENTS[0].to_json(), SECOND.snapshot(prev=EVENTS[0].event_id).to_json()]
    data = resealed(events, REGISTRY)

    assert read(REGISTRY.pin, data=data).ok
    assert world.failed(read(SET_PIN, data=data)) == ("trust.key",)
    both = REGISTRY.keyset_pin(REGISTRY.entry(), SECOND.entry(status="retiring"))
    assert read(both, data=data).ok


# -- a key set alone decides ---------------------------------------------------


@pytest.mark.parametrize("pin", [REGISTRY.pin, ANY], ids=["named", "any"])
@pytest.mark.parametrize("turn", [1, -1], ids=["set-first", "set-last"])
def test_where_a_key_set_is_pinned_it_alone_decides(pin: KeyPin, turn: int) -> None:
    revoked = life(status="revoked", revoked_at=NOW)
    without = REGISTRY.keyset_pin(SECOND.entry())

    assert world.failed(read(*[revoked, pin][::turn])) == ("trust.verdicts",)
    assert world.failed(read(*[without, pin][::turn])) == ("trust.key",)
    assert read(*[SET_PIN, pin][::turn]).ok


@pytest.mark.parametrize("pin", [REGISTRY.pin, ANY], ids=["named", "any"])
def test_it_alone_decides_of_events_and_receipts_too(pin: KeyPin) -> None:
    terms = world.terms(life(status="revoked", revoked_at=NOW), pin)
    receipt = world.dump(REGISTRY.receipt().to_json())

    assert "trust.verdicts" in world.failed(examine_event_document(EVENTS[0].canonical, terms))
    assert "trust.verdicts" in world.failed(
        examine_receipt_document(receipt, RECORD.canonical, terms)
    )


def test_of_versions_that_follow_each_other_the_newest_decides() -> None:
    one, two, three = (
        KeySetPin(keyset, "a test") for keyset in (follows.ONE, follows.TWO, follows.THREE)
    )
    late = world.terms(one, two, three, when=NOW)

    for pins in ((one,), (one, two), (one, two, three), (three, one, two)):
        report = examine_bundle(BUNDLE.to_bytes(), replace(late, pins=pins))
        assert report.ok, report.failure
        assert {verdict.reason for verdict in report.verdicts} == {
            "the key is retiring" if three in pins else "the key is active"
        }


def test_versions_that_do_not_follow_each_other_are_refused() -> None:
    newer = REGISTRY.keyset_pin(
        REGISTRY.entry(status="revoked", revoked_at=NOW),
        SECOND.entry(),
        version=2,
        prev_sha256="0" * 64,
    )

    for pins in ((SET_PIN, newer), (newer, SET_PIN)):
        report = read(*pins)
        assert report.failure is not None
        assert report.failure.code == "keyset.prev"


@pytest.mark.parametrize("turn", [1, -1], ids=["one-order", "other-order"])
def test_two_sets_of_one_version_are_an_equivocation(turn: int) -> None:
    """Section 10: stop, exit 6; which of them the verifier names first must not matter."""
    other = REGISTRY.keyset_pin(REGISTRY.entry(status="retiring"), SECOND.entry())
    report = read(*[SET_PIN, other][::turn])

    assert not report.ok
    assert isinstance(report.failure, ConflictError)


def test_one_set_pinned_twice_is_no_equivocation() -> None:
    assert read(SET_PIN, replace(SET_PIN, origin="another file")).ok


def test_the_set_of_another_registry_decides_nothing() -> None:
    theirs = OTHER_REGISTRY.keyset_pin(OTHER_REGISTRY.entry())

    assert read(REGISTRY.pin, theirs).ok


def test_an_expired_set_is_not_enough() -> None:
    expires = SET_PIN.keyset.body.expires_at

    assert read(SET_PIN, when=expires).ok
    assert world.failed(read(SET_PIN, when=expires.plus(seconds=1))) == ("keyset.fresh",)
    assert read(REGISTRY.pin, when=expires.plus(days=400)).ok


# -- verdicts (9.4) ------------------------------------------------------------


@dataclass(frozen=True)
class Life:
    """The life of the key, and the verdicts of receipt, two events and bundle."""

    members: dict[str, Any]
    verdicts: tuple[str, str, str, str]


VALID: Final = ("valid",) * 4
NONE: Final = ("invalid",) * 4
UNPROVEN: Final = ("unproven",) * 4
REVOKED: Final[dict[str, Any]] = {"status": "revoked", "revoked_at": NOW}
SIGNED: Final = EVENTS[0].body.created_at
LIVES: Final = {
    "active": Life({}, VALID),
    "retiring": Life({"status": "retiring"}, VALID),
    "retired-later": Life({"status": "retired", "retired_at": NOW}, VALID),
    "retired-before": Life({"status": "retired", "retired_at": SINCE}, NONE),
    "retired-meanwhile": Life(
        {"status": "retired", "retired_at": MEANWHILE}, ("valid", "valid", "invalid", "invalid")
    ),
    "retired-the-moment-it-signed": Life(
        {"status": "retired", "retired_at": SIGNED}, ("valid", "valid", "invalid", "invalid")
    ),
    "valid-from-later": Life({"valid_from": NOW}, NONE),
    "valid-from-meanwhile": Life(
        {"valid_from": MEANWHILE}, ("invalid", "invalid", "valid", "valid")
    ),
    "announced": Life({"status": "announced"}, NONE),
    "revoked-counts-from-valid-from": Life(REVOKED, NONE),
    "compromised-later": Life(REVOKED | {"compromised_since": NOW}, UNPROVEN),
    "compromised-before": Life(REVOKED | {"compromised_since": SINCE}, NONE),
    "compromised-meanwhile": Life(
        REVOKED | {"compromised_since": MEANWHILE}, ("unproven", "unproven", "invalid", "invalid")
    ),
    "compromised-the-moment-it-signed": Life(
        REVOKED | {"compromised_since": SIGNED},
        ("invalid", "invalid", "invalid", "invalid"),
    ),
    "compromised-later-but-retired-before": Life(
        REVOKED | {"compromised_since": NOW, "retired_at": SINCE}, NONE
    ),
}


@pytest.mark.parametrize("name", LIVES)
def test_the_verdict_of_each_signature(name: str) -> None:
    if name.endswith("the-moment-it-signed"):
        pin = exact(LIVES[name].members)
    else:
        pin = life(**LIVES[name].members)
    report = read(pin)
    good = LIVES[name].verdicts == VALID

    assert tuple(verdict.verdict for verdict in report.verdicts) == LIVES[name].verdicts
    assert report.ok is good
    assert world.failed(report) == (() if good else ("trust.verdicts",))
    if not good:
        with refused("trust.verdicts", VerificationError):
            report.require()


def test_what_the_key_set_does_not_vouch_for_is_left_out_of_a_second_merge() -> None:
    """Section 8: the answer is a second merge, and what is left out of it is named."""
    report = read(life(**LIVES["retired-meanwhile"].members))

    assert report.proven is not None
    assert report.proven.unproven == (EVENTS[1].event_id,)
    left = merge(RECORD.number, [EVENTS[0].to_json()], REGISTRY.bindings)
    assert report.proven.state == left.state(BUNDLE.body.value["source_aliases"])
    assert report.to_json()["proven"]["unproven"] == [EVENTS[1].event_id]


def test_a_record_that_nobody_vouches_for_is_not_in_the_second_merge() -> None:
    report = read(life(**LIVES["compromised-later"].members))

    assert report.proven is not None
    assert report.proven.unproven == tuple(event.event_id for event in EVENTS)
    assert report.proven.state["current"]["record_created"] is None
    assert report.proven.state["event_count"] == 0


def test_there_is_no_second_merge_where_all_is_vouched_for() -> None:
    assert read(life(**LIVES["active"].members)).proven is None
    assert read(REGISTRY.pin).proven is None


def test_an_expired_set_is_taken_as_of_its_end_only_when_asked() -> None:
    late = SET_PIN.keyset.body.expires_at.plus(seconds=1)
    terms = replace(world.terms(SET_PIN, when=late), accept_expired=True)
    report = examine_bundle(BUNDLE.to_bytes(), terms)

    assert report.ok
    fresh = next(check for check in report.checks if check.name == "keyset.fresh")
    assert fresh.reason.startswith(f"as of {SET_PIN.keyset.body.expires_at.seconds}")


def exact(members: dict[str, Any]) -> KeySetPin:
    """A set whose times carry microseconds, to reach the moment of a signature itself."""
    pin = life(**{n: NOW if isinstance(m, Instant) else m for n, m in members.items()})
    first, *rest = pin.keyset.body.entries
    entries = (replace(first, **members), *rest)
    return replace(pin, keyset=replace(pin.keyset, body=replace(pin.keyset.body, entries=entries)))


def test_a_recovery_key_signs_no_documents() -> None:
    pin = REGISTRY.keyset_pin(SECOND.entry(), REGISTRY.entry(usage="recovery"))
    report = read(pin)

    assert [verdict.verdict for verdict in report.verdicts] == list(NONE)
    assert world.failed(report) == ("trust.verdicts",)


def test_another_revoked_key_changes_nothing() -> None:
    pin = REGISTRY.keyset_pin(REGISTRY.entry(), SECOND.entry(**REVOKED), recovery())

    assert read(pin).ok


def test_verdicts_are_of_the_time_each_signature_says() -> None:
    report = read(life(status="retired", retired_at=MEANWHILE))

    assert [verdict.what.split()[0] for verdict in report.verdicts] == [
        "receipt",
        "event",
        "event",
        "bundle",
    ]
    assert {verdict.key_id for verdict in report.verdicts} == {REGISTRY.key_id}


@pytest.mark.parametrize("name", ["announced", "compromised-later"])
def test_a_receipt_and_an_event_alone_get_the_same_verdict(name: str) -> None:
    terms = world.terms(life(**LIVES[name].members))
    receipt = examine_receipt_document(
        world.dump(REGISTRY.receipt().to_json()), RECORD.canonical, terms
    )
    event = examine_event_document(EVENTS[0].canonical, terms)

    assert tuple(verdict.verdict for verdict in receipt.verdicts) == LIVES[name].verdicts[:1]
    assert tuple(verdict.verdict for verdict in event.verdicts) == LIVES[name].verdicts[:2]
    assert world.failed(receipt) == world.failed(event) == ("trust.verdicts",)


def test_a_lone_receipt_under_a_retired_key_is_unproven() -> None:
    """Its times are under no signature: whoever edits them must gain nothing."""
    receipt = REGISTRY.receipt().to_json()
    report = examine_receipt_document(
        world.dump(receipt), RECORD.canonical, world.terms(life(**LIVES["retired-before"].members))
    )

    assert [verdict.verdict for verdict in report.verdicts] == ["unproven"]
    assert world.failed(report) == ("trust.verdicts",)


# -- one chain a signer (8.3, above the merge) ---------------------------------


def bundle_of(*events: Any) -> Bundle:
    return REGISTRY.bundle(events=events)


CHAINS: Final[dict[str, Callable[[], Bundle]]] = {
    "two-null-roots": lambda: bundle_of(EVENTS[0], REGISTRY.snapshot()),
    "fork": lambda: bundle_of(*EVENTS, REGISTRY.snapshot(headline="fork", prev=EVENTS[0].event_id)),
    "fork-and-a-new-chain": lambda: bundle_of(
        *EVENTS,
        REGISTRY.snapshot(headline="fork", prev=EVENTS[0].event_id),
        REGISTRY.snapshot(headline="new"),
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_under_a_key_set_a_signer_has_one_chain(name: str) -> None:
    data = CHAINS[name]().to_bytes()
    report = read(SET_PIN, data=data)

    assert world.failed(report) == ("event.chain",)
    assert isinstance(report.failure, ConflictError)
    assert not report.ok


@pytest.mark.parametrize("name", CHAINS)
def test_under_a_key_pin_chains_are_not_asked_for(name: str) -> None:
    assert read(REGISTRY.pin, data=CHAINS[name]().to_bytes()).ok


def test_one_chain_is_accepted_under_a_key_set() -> None:
    third = REGISTRY.snapshot(
        headline="more", prev=EVENTS[1].event_id, supersedes=[EVENTS[1].event_id]
    )

    assert read(SET_PIN, data=bundle_of(*EVENTS, third).to_bytes()).ok


# -- what was expected ---------------------------------------------------------


def test_another_registry_than_the_expected_one() -> None:
    report = read(REGISTRY.pin, registry=OTHER_REGISTRY.name)

    assert world.failed(report) == ("expect.registry",)
    assert read(REGISTRY.pin, registry=REGISTRY.name).ok


def test_a_key_under_any_name_with_an_expected_registry() -> None:
    assert read(ANY, registry=REGISTRY.name).ok
    assert world.failed(read(ANY, registry=OTHER_REGISTRY.name)) == ("expect.registry",)


# -- key sets by themselves ----------------------------------------------------


def test_a_pinned_key_never_extends_to_a_key_set() -> None:
    data = world.dump(SET_PIN.keyset.to_json())

    assert examine_keyset_document(data, world.terms(SET_PIN)).ok
    for pin in (REGISTRY.pin, ANY):
        assert world.failed(examine_keyset_document(data, world.terms(pin))) == ("trust.pin",)


def test_a_set_is_pinned_by_its_digest() -> None:
    other = REGISTRY.keyset_pin(REGISTRY.entry(), days=364)
    data = world.dump(SET_PIN.keyset.to_json())

    assert world.failed(examine_keyset_document(data, world.terms(other))) == ("trust.pin",)


# -- pin files -----------------------------------------------------------------

PIN_FILE: Final[JsonObject] = {
    "pin_type": "pith_pin",
    "pin_version": "1.0",
    "registry": REGISTRY.name,
    "key_id": REGISTRY.key_id,
    "public_key_hex": REGISTRY.key.hex,
    "read_from": "https://registry.example/pith-signing-key.json",
    "read_at": "2026-06-01T00:00:00Z",
    "how": "over the telephone",
}


def test_a_pin_file_is_read() -> None:
    pin = parse_pin(world.dump(PIN_FILE), "ignored")

    assert isinstance(pin, KeyPin)
    assert (pin.registry, pin.key_id, pin.key) == (REGISTRY.name, REGISTRY.key_id, REGISTRY.key)
    assert "over the telephone" in pin.origin
    assert "2026-06-01T00:00:00Z" in pin.origin
    assert read(pin).ok


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(put("note", "x"), "schema.members", id="unknown-member"),
        pytest.param(drop("how"), "schema.members", id="missing-member"),
        pytest.param(put("pin_version", "1.1"), "schema.constant", id="version"),
        pytest.param(put("pin_type", "pith_key"), "schema.constant", id="type"),
        pytest.param(put("registry", None), "schema.name", id="registry-null"),
        pytest.param(put("public_key_hex", str.upper), "schema.hex", id="hex-upper-case"),
        pytest.param(put("key_id", "X"), "schema.key_id", id="key-id"),
        pytest.param(put("read_at", "yesterday"), "schema.time", id="read-at"),
        pytest.param(drop("pin_type"), "pin.form", id="no-type"),
    ],
)
def test_a_bad_pin_file_is_refused(change: world.Change, code: str) -> None:
    with refused(code, MalformedError):
        parse_pin(world.dump(world.changed(PIN_FILE, change)), "a test")


def test_a_pin_of_a_key_of_small_order_is_refused() -> None:
    value = PIN_FILE | {"public_key_hex": "01" + "00" * 31}

    with refused("key.point", VerificationError):
        parse_pin(world.dump(value), "a test")


def test_a_key_set_pins_itself() -> None:
    pin = parse_pin(world.dump(SET_PIN.keyset.to_json()), "a file")

    assert isinstance(pin, KeySetPin)
    assert pin == replace(SET_PIN, origin="a file")
    assert pin.registry == REGISTRY.name


def test_an_unsound_key_set_is_no_pin() -> None:
    value = SET_PIN.keyset.to_json()
    value["keys"][0]["notes"] = "changed"

    with pytest.raises(VerificationError) as caught:
        parse_pin(world.dump(value), "a test")
    assert caught.value.code == "signature.wrong"


def test_a_pin_on_the_command_line() -> None:
    pin = KeyPin.parse_pair(f"{REGISTRY.key_id}={REGISTRY.key.hex}")

    assert (pin.registry, pin.key_id, pin.key) == (None, REGISTRY.key_id, REGISTRY.key)
    assert KeyPin.parse_pair(f"{REGISTRY.key_id}={REGISTRY.key.hex.upper()}") == pin
    assert read(pin).ok


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "schema.key_id"),
        (REGISTRY.key_id, "schema.hex"),
        (f"{REGISTRY.key_id}=", "schema.hex"),
        (f"={REGISTRY.key.hex}", "schema.key_id"),
        (f"{REGISTRY.key_id}={REGISTRY.key.fingerprint}", "pin.fingerprint"),
        (f"{REGISTRY.key_id}={REGISTRY.key.hex}\n", "schema.hex"),
    ],
    ids=["empty", "no-key", "empty-key", "no-id", "fingerprint", "newline"],
)
def test_a_bad_pin_on_the_command_line(text: str, code: str) -> None:
    with refused(code):
        KeyPin.parse_pair(text)


def test_shipped_pins_are_sound_and_say_where_they_were_read() -> None:
    pins = {name: parse_pin(data, name) for name, data in shipped_pins().items()}

    assert "pith.science" in pins
    for name, pin in pins.items():
        assert pin.registry == name
        members = json.loads(shipped_pins()[name])
        assert members["read_from"].startswith("https://")
        assert members["how"]


# -- anchors and bindings ------------------------------------------------------


def test_an_anchor_names_the_origin_of_its_pins() -> None:
    found = anchor([REGISTRY.pin, OTHER_REGISTRY.pin, SET_PIN], REGISTRY.name)

    assert found.origins == (REGISTRY.pin.origin, SET_PIN.origin)
    assert found.keyset == SET_PIN.keyset
    with refused("trust.pin", UntrustedKeyError):
        anchor([REGISTRY.pin], OTHER_REGISTRY.name)


def test_bindings_are_of_the_named_registry_alone() -> None:
    pins = [ANY, OTHER_REGISTRY.pin]

    assert registry_bindings(pins, REGISTRY.name) == REGISTRY.bindings
    assert registry_bindings(pins, OTHER_REGISTRY.name) == OTHER_REGISTRY.bindings
    assert registry_bindings([SET_PIN], REGISTRY.name) == REGISTRY.bindings
    assert registry_bindings([SET_PIN], OTHER_REGISTRY.name) == {}


def test_the_bundle_was_built_before_the_verifiers_clock() -> None:
    assert AT < MEANWHILE < BUILT_AT < NOW
