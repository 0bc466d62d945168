"""Evidence of equivocation: found, proved by itself, and refused when it proves nothing."""

from dataclasses import replace
from typing import Final

import pytest

from registry.protocol.canonical import JsonObject, canonical
from registry.protocol.equivocation import (
    Contradiction,
    Seen,
    find_forks,
    find_keyset_forks,
    find_signers_forks,
    keys_of,
    keyset_fork,
    signers_fork,
)
from registry.protocol.equivocation_checks import examine_evidence
from registry.protocol.event import Event
from registry.protocol.keyset import KeySet
from registry.protocol.signers import Signers
from registry.protocol.trust import KeyPin, KeySetPin, Pin, Terms
from tests import payloads, world
from tests.protocol import test_keyset_chain as sets
from tests.protocol import test_signers as lists
from tests.world import AUTHOR, OTHER_REGISTRY, READER, REGISTRY, drop, flip, insert, put

PIN: Final = REGISTRY.keyset_pin()
UNPINNED: Final = Terms((), world.NOW)
CREATED: Final = REGISTRY.record_created()
ONE: Final = REGISTRY.snapshot(headline="one", prev=CREATED.event_id)
TWO: Final = REGISTRY.snapshot(headline="two", prev=CREATED.event_id)
AFTER: Final = REGISTRY.snapshot(headline="after", prev=ONE.event_id)
AGAIN: Final = REGISTRY.record_created(first=world.AT.plus(seconds=9))
KEYS: Final = (REGISTRY.key_object, AUTHOR.key_object, READER.key_object)


def said(note: str, prev: str | None = CREATED.event_id, party: world.Party = READER) -> Event:
    """A citation of a third party."""
    payload = payloads.CITATION | {"note": note}
    return party.event("citation_signature", payload, prev=prev)


def seen(*events: Event) -> list[Seen]:
    """Events as they stand in a graph whose keys are vouched for."""
    return [
        Seen(event, keys_of(event, KEYS), REGISTRY.name, event.body.signer.signer_id)
        for event in events
    ]


def forks(*events: Event, pinned: KeySet | None = PIN.keyset) -> tuple[Contradiction, ...]:
    """What is found among events under a pinned key set."""
    return find_forks(seen(*events), {} if pinned is None else {REGISTRY.name: pinned})


def the_fork(*events: Event) -> Contradiction:
    """The one thing that is found."""
    (found,) = forks(*events)
    return found


FORK: Final = the_fork(CREATED, ONE, TWO)
ROOTS: Final = the_fork(CREATED, AGAIN)
PARTY: Final = the_fork(said("yes"), said("no"))
SET_FORK: Final = sets.signed(sets.body_after(sets.ONE), [sets.A])
FIRST_AGAIN: Final = sets.first(
    sets.registry_key(sets.A, successor_key_sha256=sets.COMMIT_C), threshold=0
)
OTHER_LIST: Final = lists.signed(lists.body(lists.ENTRIES[0]))


def found_sets(*keysets: KeySet) -> Contradiction:
    (found,) = find_keyset_forks(keysets)
    return found


def found_lists(*signers: Signers) -> Contradiction:
    (found,) = find_signers_forks(signers, [PIN.keyset])
    return found


SETS: Final = found_sets(sets.ONE, sets.TWO, SET_FORK)
FIRST_SETS: Final = found_sets(sets.ALONE, FIRST_AGAIN)
LISTS: Final = found_lists(lists.FIRST, OTHER_LIST)


# -- finding -------------------------------------------------------------------


def test_a_fork_is_two_events_after_one() -> None:
    assert FORK.kind == "event_fork"
    assert {value["event_id"] for value in FORK.objects} == {ONE.event_id, TWO.event_id}
    assert (FORK.signer_id, FORK.subject) == (REGISTRY.name, str(world.RECORD.number))


@pytest.mark.parametrize(
    "events",
    [
        (CREATED, ONE, AFTER),
        (CREATED, ONE, ONE, CREATED),
        (CREATED, ONE, said("yes")),  # two signers after one event
        (said("yes"), said("yes", party=AUTHOR)),
        (AFTER,),  # of which the one before is missing
        (CREATED, OTHER_REGISTRY.record_created(world.OTHER_RECORD)),
        (REGISTRY.record_created(), REGISTRY.record_created(world.OTHER_RECORD)),
    ],
)
def test_no_fork(events: tuple[Event, ...]) -> None:
    assert forks(*events) == ()


def test_a_second_root_counts_under_a_key_set_alone() -> None:
    assert ROOTS.kind == "second_root"
    assert ROOTS.under == PIN.keyset
    assert forks(CREATED, AGAIN, pinned=None) == ()


def test_three_after_one_are_two_contradictions() -> None:
    three = REGISTRY.snapshot(headline="three", prev=CREATED.event_id)
    assert len(forks(ONE, TWO, three)) == 2
    assert forks(three, TWO, ONE) == forks(ONE, TWO, three)


def test_another_spelling_of_a_fork_is_the_same_evidence() -> None:
    assert the_fork(TWO, ONE, CREATED).canonical == FORK.canonical
    assert found_sets(SET_FORK, sets.TWO, sets.ONE).digest == SETS.digest


@pytest.mark.parametrize(
    ("before", "one", "two"),
    [
        (sets.ONE, sets.TWO, sets.TWO),
        (None, sets.TWO, SET_FORK),  # nobody knows what both follow
        (None, sets.ONE, sets.first(sets.registry_key(sets.STRANGER), threshold=0)),
        (None, sets.ONE, sets.TWO),
    ],
)
def test_key_sets_that_prove_nothing(before: KeySet | None, one: KeySet, two: KeySet) -> None:
    assert keyset_fork(before, one, two) is None


def test_a_recovery_act_that_displaces_is_no_fork() -> None:
    assert keyset_fork(sets.ONE, sets.TWO, RESCUE) is None


@pytest.mark.parametrize(
    "lists_",
    [
        (lists.FIRST, lists.FIRST),
        (lists.FIRST, lists.NEXT),
        (lists.FIRST, Signers.parse(world.dump(lists.reseal(dict(lists.GOOD), AUTHOR.signer)))),
    ],
)
def test_signers_lists_that_prove_nothing(lists_: tuple[Signers, Signers]) -> None:
    assert signers_fork(PIN.keyset, *lists_) is None


# -- checking ------------------------------------------------------------------

VALID: Final = {
    "event-fork": FORK,
    "event-fork-of-a-party": PARTY,
    "second-root": ROOTS,
    "second-root-of-a-party": the_fork(said("a", None), said("b", None)),
    "key-set-fork": SETS,
    "key-set-fork-of-first-versions": FIRST_SETS,
    "signers-fork": LISTS,
}


def changed(found: Contradiction, *changes: world.Change) -> bytes:
    return world.dump(world.changed(found.to_json(), *changes))


def of(found: Contradiction, *objects: JsonObject, **more: object) -> bytes:
    """The evidence with other objects, in their order."""
    value = found.to_json() | more
    value["objects"] = sorted(objects, key=canonical)
    return world.dump(value)


def unsigned(event: Event) -> JsonObject:
    """An event that its key did not sign."""
    return world.changed(
        event.to_json(),
        put("signature.signature_b64", world.by(OTHER_REGISTRY.signer, bytes.fromhex(ONE.sha256))),
    )


RESCUE: Final = sets.signed(sets.body_after(sets.ONE), sets.R[:2])
INVALID: Final[dict[str, tuple[bytes, str, str]]] = {
    "not-json": (b"{", "json", "json.syntax"),
    "unknown-member": (
        changed(FORK, put("more", 1)),
        "evidence.schema",
        "schema.members",
    ),
    "unknown-kind": (changed(FORK, put("kind", "quarrel")), "evidence.schema", "schema.constant"),
    "why-of-another-kind": (
        changed(FORK, put("kind", "second_root")),
        "evidence.schema",
        "schema.constant",
    ),
    "objects-out-of-order": (
        changed(FORK, put("objects", lambda both: both[::-1])),
        "evidence.schema",
        "evidence.objects",
    ),
    "one-object-twice": (
        of(FORK, ONE.to_json(), ONE.to_json()),
        "evidence.schema",
        "evidence.objects",
    ),
    "one-object": (changed(FORK, drop("objects.1")), "evidence.schema", "evidence.objects"),
    "three-objects": (
        of(FORK, ONE.to_json(), TWO.to_json(), AFTER.to_json()),
        "evidence.schema",
        "evidence.objects",
    ),
    "key-twice": (
        changed(FORK, insert("keys", REGISTRY.key_object.to_json())),
        "evidence.schema",
        "evidence.keys",
    ),
    "key-too-many": (
        changed(
            FORK,
            put("keys", [OTHER_REGISTRY.key_object.to_json(), REGISTRY.key_object.to_json()]),
        ),
        "evidence.keys",
        "evidence.keys",
    ),
    "key-missing": (changed(FORK, put("keys", [])), "evidence.objects", "event.signer"),
    "key-of-somebody-else": (
        changed(FORK, put("keys", [OTHER_REGISTRY.key_object.to_json()])),
        "evidence.objects",
        "event.signer",
    ),
    "event-not-signed": (
        of(FORK, ONE.to_json(), unsigned(TWO)),
        "evidence.objects",
        "signature.wrong",
    ),
    "event-changed": (
        of(FORK, ONE.to_json(), world.changed(TWO.to_json(), put("content_sha256", flip))),
        "evidence.objects",
        "event.digest",
    ),
    "events-after-different-events": (
        of(FORK, TWO.to_json(), AFTER.to_json()),
        "evidence.conflict",
        "evidence.conflict",
    ),
    "events-of-different-signers": (
        of(
            FORK,
            ONE.to_json(),
            said("yes").to_json(),
            keys=[each.to_json() for each in (REGISTRY.key_object, READER.key_object)],
        ),
        "evidence.conflict",
        "evidence.conflict",
    ),
    "events-about-different-records": (
        of(
            FORK,
            ONE.to_json(),
            REGISTRY.snapshot(
                world.OTHER_RECORD, "Another small world", prev=CREATED.event_id
            ).to_json(),
        ),
        "evidence.conflict",
        "evidence.conflict",
    ),
    "about-another-record": (
        changed(FORK, put("subject_pith_number", str(world.OTHER_RECORD.number))),
        "evidence.conflict",
        "evidence.conflict",
    ),
    "one-event-in-two-copies": (
        of(
            FORK,
            ONE.to_json(),
            world.changed(ONE.to_json(), put("signature.signed_at", "2026-06-02T00:00:00.000000Z")),
        ),
        "evidence.conflict",
        "evidence.conflict",
    ),
    "second-root-under-nothing": (
        changed(ROOTS, put("under", None)),
        "evidence.conflict",
        "evidence.conflict",
    ),
    "second-root-under-another-registrys-keys": (
        changed(ROOTS, put("under", world.keyset(OTHER_REGISTRY.entry()).to_json())),
        "evidence.conflict",
        "evidence.conflict",
    ),
    "fork-under-a-key-set": (
        changed(FORK, put("under", PIN.keyset.to_json())),
        "evidence.conflict",
        "evidence.conflict",
    ),
    "key-sets-that-follow-each-other": (
        of(SETS, sets.ONE.to_json(), sets.TWO.to_json()),
        "evidence.conflict",
        "evidence.conflict",
    ),
    "key-set-that-is-displaced": (
        of(SETS, sets.TWO.to_json(), RESCUE.to_json()),
        "evidence.conflict",
        "evidence.conflict",
    ),
    "key-sets-after-nothing": (
        changed(SETS, put("under", None)),
        "evidence.conflict",
        "evidence.conflict",
    ),
    "key-set-of-a-stranger": (
        of(
            FIRST_SETS,
            sets.ALONE.to_json(),
            sets.first(sets.registry_key(sets.STRANGER), threshold=0).to_json(),
        ),
        "evidence.conflict",
        "evidence.conflict",
    ),
    "key-set-not-signed": (
        changed(SETS, put("objects.0.signatures.0.signature_b64", world.b64(bytes(64)))),
        "evidence.objects",
        "signature.small_order",
    ),
    "key-sets-of-another-name": (
        changed(SETS, put("signer_id", "elsewhere.example")),
        "evidence.conflict",
        "evidence.conflict",
    ),
    "signers-lists-of-two-versions": (
        of(LISTS, lists.FIRST.to_json(), lists.NEXT.to_json()),
        "evidence.conflict",
        "evidence.conflict",
    ),
    "signers-lists-under-nothing": (
        changed(LISTS, put("under", None)),
        "evidence.conflict",
        "evidence.conflict",
    ),
    "signers-list-by-a-stranger": (
        of(
            LISTS,
            lists.FIRST.to_json(),
            lists.reseal(OTHER_LIST.to_json(), OTHER_REGISTRY.signer),
        ),
        "evidence.conflict",
        "signers.signature",
    ),
}


def vectors() -> world.Vectors:
    return world.Vectors(
        "equivocation",
        {
            "about": "evidence that a signer contradicts himself, verified without any pin: that "
            "in valid/ passes every check and has the digest given (SHA-256 of the canonical "
            "document), that in invalid/ fails first at the named check. The keys are test keys "
            "whose seeds are public: never trust them",
        },
        {name: (found.canonical, found.digest.hex()) for name, found in VALID.items()},
        INVALID,
    )


@pytest.mark.parametrize("name", VALID)
def test_good_evidence_proves_itself(name: str) -> None:
    found = VALID[name]
    report = examine_evidence(found.canonical, UNPINNED)

    assert report.ok, report.failure
    assert (report.kind, report.subject) == ("evidence", found.digest.hex())
    assert report.registry == found.signer_id
    assert Contradiction.parse(found.canonical) == found
    assert "trust.pin" not in [check.name for check in report.checks]


@pytest.mark.parametrize("name", INVALID)
def test_bad_evidence_is_refused(name: str) -> None:
    data, check, code = INVALID[name]

    assert world.first_failure(examine_evidence(data, UNPINNED)) == (check, code)


def test_the_files_are_what_the_tables_make() -> None:
    assert world.on_disk("equivocation") == vectors().files


# -- whose keys they are -------------------------------------------------------

AUTHOR_PIN: Final = KeyPin(None, READER.key_id, READER.key, "a test")
SETS_PIN: Final = KeySetPin(sets.ONE, "a test")


@pytest.mark.parametrize(
    ("name", "pin"),
    [
        ("event-fork", PIN),
        ("event-fork", REGISTRY.pin),
        ("event-fork-of-a-party", AUTHOR_PIN),
        ("second-root", PIN),
        ("key-set-fork", SETS_PIN),
        ("key-set-fork-of-first-versions", SETS_PIN),
        ("signers-fork", PIN),
    ],
)
def test_a_pin_says_whose_keys_they_are(name: str, pin: Pin) -> None:
    report = examine_evidence(VALID[name].canonical, Terms((pin,), world.NOW))

    assert report.ok, report.failure
    assert report.checks[-1].name == "trust.pin"


STRANGER: Final = OTHER_REGISTRY.keyset_pin()


@pytest.mark.parametrize(
    ("name", "pin"),
    [
        ("event-fork", STRANGER),
        ("event-fork", replace(OTHER_REGISTRY.pin, registry=REGISTRY.name)),
        ("event-fork-of-a-party", PIN),
        ("second-root", REGISTRY.pin),  # under a pinned key a second root is no contradiction
        ("key-set-fork", STRANGER),
        ("signers-fork", STRANGER),
    ],
)
def test_without_the_right_pin_nobody_is_accused(name: str, pin: Pin) -> None:
    report = examine_evidence(VALID[name].canonical, Terms((pin,), world.NOW))

    assert world.first_failure(report) == ("trust.pin", "trust.pin")


def test_a_stranger_under_the_registrys_name_accuses_nobody() -> None:
    thief = replace(OTHER_REGISTRY, name=REGISTRY.name)
    forged = [
        thief.snapshot(headline=headline, prev=CREATED.event_id) for headline in ("one", "two")
    ]
    found = find_forks(
        [Seen(event, (thief.key_object,), thief.name, thief.name) for event in forged], {}
    )
    data = found[0].canonical

    assert examine_evidence(data, UNPINNED).ok
    assert world.first_failure(examine_evidence(data, Terms((PIN,), world.NOW)))[0] == "trust.pin"
