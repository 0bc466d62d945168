"""Contradictions in files: planted forks are found, and honest histories accuse nobody."""

import json
import random
from collections.abc import Sequence
from typing import Final

import pytest

from registry.errors import MalformedError, PithError
from registry.protocol.event import Event
from registry.protocol.trust import Pin
from registry.services.contradictions import find_contradictions, named
from tests import payloads, world
from tests.protocol import test_equivocation as told
from tests.world import AUTHOR, NOW, OTHER_REGISTRY, READER, REGISTRY, Speaker

CREATED: Final = REGISTRY.record_created()
KEYS: Final = [REGISTRY.key_object, AUTHOR.key_object, READER.key_object]
BASE: Final = REGISTRY.bundle(events=[CREATED], keys=KEYS).to_bytes()
"""A bundle that holds the record_created of every history, and the keys of its parties."""
PIN: Final = REGISTRY.keyset_pin()
SPEAKERS: Final[Sequence[Speaker]] = (REGISTRY, AUTHOR, READER)


def said(who: Speaker, number: int, prev: str | None) -> Event:
    """A citation, the *number*th thing said."""
    payload = payloads.CITATION | {"note": f"number {number}"}
    at = world.SNAPSHOT_AT.plus(seconds=number)
    return who.event("citation_signature", payload, at=at, prev=prev)


def history(chance: random.Random) -> list[Event]:
    """An honest history: each signer's chain, beginning once, in one order in time."""
    heads: dict[str, str | None] = {who.name: None for who in SPEAKERS}
    heads[REGISTRY.name] = CREATED.event_id
    events = [CREATED]
    for number in range(chance.randint(1, 6)):
        who = chance.choice(SPEAKERS)
        events.append(said(who, number, heads[who.name]))
        heads[who.name] = events[-1].event_id
    return events


def delivered(events: Sequence[Event], chance: random.Random) -> list[bytes]:
    """The events in any order, some twice, some withheld, some with a spoilt copy beside them."""
    documents = [event.canonical for event in events if chance.random() < 0.9]
    documents += [each for each in documents if chance.random() < 0.3]
    for event in events:
        if chance.random() < 0.3:
            spoil = chance.choice(
                [
                    world.put("signature.signature_b64", world.b64(bytes(range(64)))),
                    world.put("created_at", "2026-06-01T12:00:59Z"),
                    world.put("prev_event", payloads.SOME_EVENT),
                ]
            )
            documents.append(world.dump(world.changed(event.to_json(), spoil)))
    chance.shuffle(documents)
    return documents


def found(documents: Sequence[bytes], *pins: Pin) -> list[frozenset[str]]:
    """The pairs of event ids that contradict each other."""
    given = [("base", BASE), *((str(i), data) for i, data in enumerate(documents))]
    return [
        frozenset(value["event_id"] for value in each.objects)
        for each in find_contradictions(given, pins, at=NOW)
    ]


def bundled(events: Sequence[Event]) -> bytes:
    """A bundle of events."""
    return REGISTRY.bundle(events=events, keys=KEYS).to_bytes()


def test_a_thousand_honest_histories_accuse_nobody() -> None:
    for seed in range(1000):
        chance = random.Random(seed)
        events = history(chance)
        documents = delivered(events, chance)
        if seed % 20 == 0:
            documents += [bundled(events), bundled(events[: chance.randint(1, len(events))])]

        assert found(documents, PIN) == [], seed


def test_a_hundred_planted_forks_are_all_found() -> None:
    for seed in range(100):
        chance = random.Random(seed)
        events = history(chance)
        place = chance.randrange(1, len(events))
        original = events[place]
        who = next(w for w in SPEAKERS if w.name == original.body.signer.signer_id)
        fork = said(who, 50, original.body.prev_event)
        planted = {original.event_id, fork.event_id}
        documents = [bundled(events), bundled([*events[:place], fork])]
        documents += delivered(events, chance)

        assert found(documents, PIN) == [planted], seed
        root = original.body.prev_event is None  # which is no contradiction without a key set
        assert found(documents) == ([] if root else [planted]), seed
        if not root:
            alone = [original.canonical, *delivered(events, chance), fork.canonical]
            assert found(alone, PIN) == [planted], seed


def test_what_is_found_is_proved() -> None:
    one, two = said(READER, 1, CREATED.event_id), said(READER, 2, CREATED.event_id)
    (evidence,) = find_contradictions(
        [("b", BASE), ("1", one.canonical), ("2", two.canonical)], [PIN], at=NOW
    )

    assert named([evidence], evidence.digest.hex()[:8]) == evidence
    again = find_contradictions([("b", BASE), ("e", evidence.canonical)], [PIN], at=NOW)
    assert again == (evidence,)


def test_a_party_begins_once_in_each_registry() -> None:
    elsewhere = OTHER_REGISTRY.record_created()
    keys = [OTHER_REGISTRY.key_object, READER.key_object]
    there = OTHER_REGISTRY.bundle(events=[elsewhere, said(READER, 1, None)], keys=keys)
    documents = [("here", bundled([CREATED, said(READER, 2, None)])), ("there", there.to_bytes())]

    pins = [PIN, OTHER_REGISTRY.keyset_pin()]
    assert find_contradictions(documents, pins, at=NOW) == ()


def test_a_strangers_bundle_under_the_registrys_name_accuses_nobody() -> None:
    stranger = world.Registry(REGISTRY.name, OTHER_REGISTRY.key_id)
    mine = REGISTRY.bundle(events=[CREATED, told.ONE]).to_bytes()
    theirs = stranger.bundle(
        events=[stranger.record_created(), stranger.snapshot(prev=CREATED.event_id)]
    ).to_bytes()
    documents = [("mine", mine), ("theirs", theirs)]

    assert find_contradictions(documents, [PIN], at=NOW) == ()
    assert find_contradictions(documents, [], at=NOW) == ()


def test_two_keys_of_one_registry_are_one_signer_where_its_key_set_lists_both() -> None:
    second = world.Registry(REGISTRY.name, "example-2027-01")
    pin = REGISTRY.keyset_pin(REGISTRY.entry(status="retiring"), second.entry())
    one = told.ONE
    two = second.snapshot(headline="two", prev=CREATED.event_id)
    keys = world.dump(pin.keyset.to_json())
    documents = [("k", keys), ("1", one.canonical), ("2", two.canonical)]

    assert len(find_contradictions(documents, [pin], at=NOW)) == 1
    assert find_contradictions(documents, [], at=NOW) == ()


@pytest.mark.parametrize("name", told.VALID)
def test_evidence_is_found_again_in_its_own_parts(name: str) -> None:
    evidence = told.VALID[name]
    pins = [PIN] if name.startswith("second-root") else []

    assert find_contradictions([("e", evidence.canonical)], pins, at=NOW) == (evidence,)


def test_bundles_that_differ_are_no_contradiction() -> None:
    built = [
        REGISTRY.bundle(events=events, built=world.BUILT_AT.plus(seconds=i)).to_bytes()
        for i, events in enumerate(([CREATED], [CREATED, told.ONE], [CREATED, told.ONE]))
    ]

    assert find_contradictions([(str(i), b) for i, b in enumerate(built)], [PIN], at=NOW) == ()


def test_another_document_is_refused_by_name() -> None:
    with pytest.raises(MalformedError) as caught:
        find_contradictions([("state.json", b"{}")], [], at=NOW)
    assert caught.value.code == "evidence.kind"
    assert "state.json" in caught.value.message


# -- a hostile file among the others --------------------------------------------


def test_a_key_under_another_name_hides_no_fork() -> None:
    """A bundle that nobody signed, with the keys of all under other ids, before the good ones."""
    renamed = json.loads(BASE)
    for key in renamed["public_keys"]:
        key["key_id"] = f"x-{key['key_id']}"
    fork = [bundled([CREATED, said(REGISTRY, n, CREATED.event_id)]) for n in (1, 2)]

    for documents in ([world.dump(renamed), *fork], [*fork, world.dump(renamed)]):
        named_ = [(str(i), data) for i, data in enumerate(documents)]
        assert len(find_contradictions(named_, [PIN], at=NOW)) == 1


def test_a_spoilt_copy_hides_no_fork_of_signers_lists() -> None:
    lists = [world.dump(value) for value in told.LISTS.objects]
    spoilt = world.changed(
        told.LISTS.objects[0], world.put("signature.signature_b64", world.b64(bytes(range(64))))
    )

    for documents in ([world.dump(spoilt), *lists], [*lists, world.dump(spoilt)]):
        named_ = [(str(i), data) for i, data in enumerate(documents)]
        assert find_contradictions(named_, [PIN], at=NOW) == (told.LISTS,)


def test_a_copy_with_fewer_signatures_hides_no_fork_of_key_sets() -> None:
    before = told.SETS.under
    assert before is not None
    fork = told.sets.signed(told.sets.body_after(before), [told.sets.A, told.sets.R[0]])
    fewer = world.changed(fork.to_json(), world.put("signatures", lambda all_: all_[1:]))
    sets = [world.dump(each.to_json()) for each in (before, told.sets.TWO, fork)]

    for documents in ([world.dump(fewer), *sets], [*sets, world.dump(fewer)]):
        named_ = [(str(i), data) for i, data in enumerate(documents)]
        assert len(find_contradictions(named_, [], at=NOW)) == 1


def test_one_hostile_file_does_not_stop_the_others() -> None:
    refused: list[PithError] = []
    fork = [bundled([CREATED, said(REGISTRY, n, CREATED.event_id)]) for n in (1, 2)]
    documents = [("junk", b"[" * 100_000), *((str(i), data) for i, data in enumerate(fork))]

    assert len(find_contradictions(documents, [PIN], at=NOW, refused=refused.append)) == 1
    assert [error.code for error in refused] == ["json.depth"]
