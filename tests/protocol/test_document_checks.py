"""Documents that come alone (an event, a receipt, a key set), and the report they give."""

import json
from dataclasses import replace
from typing import Any, Final

import pytest

from registry.errors import MalformedError, VerificationError
from registry.protocol.canonical import JsonObject, canonical
from registry.protocol.checks import Check, Report, Step, run_steps
from registry.protocol.document_checks import (
    examine_event_document,
    examine_keyset_document,
    examine_receipt_document,
)
from registry.protocol.event_checks import EVENT_CHECKS
from registry.protocol.number import Reference
from tests import world
from tests.protocol.refusals import refused
from tests.world import NOW, OTHER_RECORD, OTHER_REGISTRY, RECORD, REGISTRY, put

CREATED: Final = REGISTRY.record_created()
SNAPSHOT: Final = REGISTRY.snapshot(prev=CREATED.event_id)
TERMS: Final = REGISTRY.terms
SET_PIN: Final = REGISTRY.keyset_pin(REGISTRY.entry())
SET: Final = world.dump(SET_PIN.keyset.to_json())
RECEIPT: Final = world.dump(REGISTRY.receipt().to_json())


def event(*changes: world.Change, seal: bool = True, base: JsonObject | None = None) -> bytes:
    value = world.changed(base or SNAPSHOT.to_json(), *changes)
    return world.dump(world.reseal_event(value) if seal else value)


# -- event ---------------------------------------------------------------------


@pytest.mark.parametrize("pin", [REGISTRY.pin, SET_PIN], ids=["key", "key-set"])
@pytest.mark.parametrize("made", [CREATED, SNAPSHOT], ids=["record_created", "graph_snapshot"])
def test_a_good_event_is_accepted(made: Any, pin: Any) -> None:
    report = examine_event_document(world.dump(made.to_json()), world.terms(pin))

    assert report.ok, report.failure
    assert report.subject == made.event_id
    assert report.registry == REGISTRY.name
    assert report.kind == "event"


def test_the_signatures_of_an_event_are_named() -> None:
    created = examine_event_document(world.dump(CREATED.to_json()), TERMS)
    snapshot = examine_event_document(world.dump(SNAPSHOT.to_json()), TERMS)

    assert [part.what for part in created.signed] == ["receipt", f"event {CREATED.event_id}"]
    assert [part.what for part in snapshot.signed] == [f"event {SNAPSHOT.event_id}"]
    for part in (*created.signed, *snapshot.signed):
        part.key.verify(part.message, part.signature)


EVENTS: Final = {
    "not-json": (b"{", ("json",)),
    "event-twice": (world.dump(SNAPSHOT.to_json()) * 2, ("json",)),
    "unknown-member": (event(put("note", "x")), ("event.form",)),
    "record": (RECORD.canonical, ("event.form",)),
    "receipt": (RECEIPT, ("event.form",)),
    "content-changed": (
        event(put("payload.verdict_id", "x"), seal=False),
        ("event.digest",),
    ),
    "id-of-another": (event(put("event_id", CREATED.event_id), seal=False), ("event.id",)),
    "signature-of-another-key": (
        world.dump(world.reseal_event(SNAPSHOT.to_json(), OTHER_REGISTRY.signer)),
        ("event.signature",),
    ),
    "receipt-of-another-record": (
        event(
            put("payload.receipt", REGISTRY.receipt(OTHER_RECORD).to_json()),
            base=CREATED.to_json(),
        ),
        ("event.receipt",),
    ),
    "created-after-it-was-signed": (
        event(put("created_at", NOW.seconds)),
        ("event.form",),
    ),
    "signed-in-the-future": (
        event(put("signature.signed_at", NOW.plus(seconds=661).micro_text), seal=False),
        ("event.clock",),
    ),
    "of-a-registry-without-a-pin": (
        world.dump(OTHER_REGISTRY.snapshot().to_json()),
        ("trust.pin", "event.signer"),
    ),
    "of-a-key-without-a-pin": (
        world.dump(replace(REGISTRY, key_id="example-2026-02").snapshot().to_json()),
        ("event.signer",),
    ),
}


@pytest.mark.parametrize("name", EVENTS)
def test_a_bad_event_is_refused(name: str) -> None:
    data, checks = EVENTS[name]
    report = examine_event_document(data, TERMS)

    assert world.failed(report) == checks
    assert not report.ok


@pytest.mark.parametrize(("ahead", "ok"), [(600, True), (601, False)], ids=["ten-minutes", "more"])
def test_the_clock_allows_ten_minutes(ahead: int, ok: bool) -> None:
    at = SNAPSHOT.signature.signed_at.whole.plus(seconds=-ahead)
    report = examine_event_document(
        world.dump(SNAPSHOT.to_json()), world.terms(REGISTRY.pin, when=at)
    )

    assert world.failed(report) == (() if ok else ("event.clock",))


@pytest.mark.parametrize(
    ("expect", "checks"),
    [
        pytest.param(str(RECORD.number), (), id="number"),
        pytest.param(f"arxiv:{RECORD.source.id}v1", (), id="arxiv"),
        pytest.param(str(OTHER_RECORD.number), ("expect.subject",), id="other-number"),
        pytest.param(f"arxiv:{OTHER_RECORD.source.id}", ("expect.subject",), id="other-arxiv"),
    ],
)
def test_the_expected_record(expect: str, checks: tuple[str, ...]) -> None:
    terms = replace(TERMS, expect=Reference.parse(expect))

    assert world.failed(examine_event_document(world.dump(CREATED.to_json()), terms)) == checks


def test_the_expected_registry() -> None:
    data = world.dump(SNAPSHOT.to_json())

    assert examine_event_document(data, replace(TERMS, registry=REGISTRY.name)).ok
    wrong = examine_event_document(data, replace(TERMS, registry=OTHER_REGISTRY.name))
    assert world.failed(wrong) == ("expect.registry",)


def test_an_event_under_an_expired_key_set() -> None:
    late = SET_PIN.keyset.body.expires_at.plus(seconds=1)
    report = examine_event_document(world.dump(SNAPSHOT.to_json()), world.terms(SET_PIN, when=late))

    assert world.failed(report) == ("keyset.fresh",)


# -- receipt (the rules of its form: test_receipt.py) --------------------------


def test_a_receipt_under_an_expired_key_set() -> None:
    late = SET_PIN.keyset.body.expires_at.plus(seconds=1)
    report = examine_receipt_document(RECEIPT, RECORD.canonical, world.terms(SET_PIN, when=late))

    assert world.failed(report) == ("keyset.fresh",)


@pytest.mark.parametrize(
    "pins",
    [
        pytest.param((REGISTRY.pin,), id="key"),
        pytest.param((SET_PIN,), id="key-set"),
        pytest.param((replace(REGISTRY.pin, registry=None),), id="any-registry"),
        pytest.param((OTHER_REGISTRY.pin, REGISTRY.pin), id="among-others"),
    ],
)
def test_a_receipt_is_accepted_under_a_pin(pins: tuple[Any, ...]) -> None:
    report = examine_receipt_document(RECEIPT, RECORD.canonical, world.terms(*pins))

    assert report.ok, report.failure


@pytest.mark.parametrize(
    "pins",
    [
        pytest.param((), id="none"),
        pytest.param((OTHER_REGISTRY.pin,), id="another-registry"),
        pytest.param((replace(OTHER_REGISTRY.pin, registry=REGISTRY.name),), id="another-key"),
    ],
)
def test_a_receipt_without_a_pin_is_not_trusted(pins: tuple[Any, ...]) -> None:
    report = examine_receipt_document(RECEIPT, RECORD.canonical, world.terms(*pins))

    assert world.failed(report) == ("trust.pin",)
    assert not report.ok


def test_the_layout_of_the_record_does_not_matter() -> None:
    pretty = json.dumps(RECORD.to_json(), indent=3).encode()

    assert examine_receipt_document(RECEIPT, pretty, TERMS).ok


# -- key set (the rules of its form: test_keyset.py) ---------------------------


def test_a_pinned_key_set_is_accepted_with_its_signatures_named() -> None:
    report = examine_keyset_document(SET, world.terms(SET_PIN))

    assert report.ok, report.failure
    assert report.subject == SET_PIN.keyset.body.digest.hex()
    assert [part.what for part in report.signed] == [f"key set, by {REGISTRY.key_id}"]
    for part in report.signed:
        part.key.verify(part.message, part.signature)


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"", "json.syntax"), (b"{}{}", "json.single"), (b'{"a":1,"a":1}', "json.duplicate")],
    ids=["empty", "two", "duplicate"],
)
def test_a_key_set_that_is_not_json(data: bytes, code: str) -> None:
    report = examine_keyset_document(data, world.terms(SET_PIN))

    assert world.first_failure(report) == ("json", code)
    assert {check.status for check in report.checks[1:]} == {"skipped"}


def test_the_expected_registry_of_a_key_set() -> None:
    terms = world.terms(SET_PIN, registry=OTHER_REGISTRY.name)

    assert world.failed(examine_keyset_document(SET, terms)) == ("expect.registry",)


def test_an_expired_key_set() -> None:
    late = SET_PIN.keyset.body.expires_at.plus(seconds=1)

    assert world.failed(examine_keyset_document(SET, world.terms(SET_PIN, when=late))) == (
        "keyset.fresh",
    )


# -- each kind offered as each other -------------------------------------------

BUNDLE: Final = REGISTRY.bundle().to_bytes()
KINDS: Final = {
    "record": RECORD.canonical,
    "receipt": RECEIPT,
    "event": world.dump(CREATED.to_json()),
    "bundle": BUNDLE,
    "keyset": SET,
}
FORMS: Final = {
    "receipt": ("receipt.schema", lambda d: examine_receipt_document(d, RECORD.canonical, TERMS)),
    "event": ("event.form", lambda d: examine_event_document(d, TERMS)),
    "keyset": ("keyset.schema", lambda d: examine_keyset_document(d, TERMS)),
}


@pytest.mark.parametrize("read_as", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_passes_as_another(kind: str, read_as: str) -> None:
    check, examine = FORMS[read_as]
    report = examine(KINDS[kind])

    if kind == read_as:
        assert check not in world.failed(report)
    else:
        assert world.first_failure(report) == (check, "schema.members")


def test_the_members_of_the_kinds_are_disjoint_enough_to_tell() -> None:
    members = {kind: frozenset(json.loads(data)) for kind, data in KINDS.items()}

    for kind, names in members.items():
        for other, others in members.items():
            assert kind == other or (names - others and others - names)


# -- checks and reports --------------------------------------------------------


class Steps:
    """An examination that notes which of its steps were made."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def good(self) -> str:
        self.made.append("good")
        return "because"

    def bad(self) -> None:
        self.made.append("bad")
        raise VerificationError("no", code="a.bad", hint="mend it", path="$.a")

    def bug(self) -> None:
        raise ZeroDivisionError


def test_a_step_whose_needs_are_not_ok_is_skipped() -> None:
    steps = Steps()
    checks = run_steps(
        steps,
        (
            Step("one", Steps.good),
            Step("two", Steps.bad, ("one",)),
            Step("three", Steps.good, ("one", "two")),
            Step("four", Steps.good, ("three",)),
            Step("five", Steps.good, ("before",)),
        ),
        frozenset(("before",)),
    )

    assert [check.status for check in checks] == ["ok", "fail", "skipped", "skipped", "ok"]
    assert [check.reason for check in checks] == [
        "because",
        "no at $.a",
        "needs two",
        "needs three",
        "because",
    ]
    assert steps.made == ["good", "bad", "good"]


def test_a_bug_is_not_a_failed_check() -> None:
    with pytest.raises(ZeroDivisionError):
        run_steps(Steps(), (Step("bug", Steps.bug),))


def test_a_report_is_ok_only_when_every_check_is() -> None:
    error = MalformedError("no", code="a.bad")
    good, skipped, bad = (
        Check("one", "ok"),
        Check("two", "skipped"),
        Check("three", "fail", error=error),
    )

    assert Report("kind", "", (good,)).ok
    Report("kind", "", (good,)).require()
    assert not Report("kind", "", (good, skipped)).ok
    with refused("checks.skipped", VerificationError):
        Report("kind", "", (good, skipped)).require()
    with refused("a.bad", MalformedError):
        Report("kind", "", (good, skipped, bad)).require()


def test_a_report_as_json_says_code_and_path() -> None:
    report = examine_event_document(event(put("target", "record")), TERMS)
    found = report.to_json()
    failed = [check for check in found["checks"] if check["status"] == "fail"]

    assert found["ok"] is False
    assert [(each["name"], each["code"], each["path"]) for each in failed] == [
        ("event.form", "event.target", "$.target")
    ]
    assert canonical(found)


def test_the_ten_checks_stand_in_every_report_of_a_formed_event() -> None:
    report = examine_event_document(world.dump(SNAPSHOT.to_json()), TERMS)
    names = [check.name for check in report.checks]

    assert [name for name in names if name in EVENT_CHECKS] == list(EVENT_CHECKS)
    assert len(set(names)) == len(names)
