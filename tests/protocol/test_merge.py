"""The merge: a state depends on the set of events and nothing else (section 8.1 to 8.6)."""

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.protocol.bundle import source_aliases
from registry.protocol.canonical import JsonObject, canonical
from registry.protocol.event import Bindings, Event, SignerRef
from registry.protocol.event_checks import EVENT_CHECKS, Examined, examine_event
from registry.protocol.event_types import RANK
from registry.protocol.instant import Instant
from registry.protocol.keys import PublicKey
from registry.protocol.merge import SHOWN_LISTS, Merged, merge, merge_examined
from registry.protocol.number import PithNumber
from tests import world
from tests.payloads import REPLICATION, SAMPLES, every_place
from tests.protocol import test_payloads
from tests.protocol.test_seed import SEED
from tests.world import AT, OTHER_RECORD, OTHER_REGISTRY, READER, RECORD, REGISTRY, Registry, put

NUMBER: Final = RECORD.number
BINDINGS: Final[Bindings] = REGISTRY.bindings | OTHER_REGISTRY.bindings
"""Two registries' keys: two signers in one graph."""
ALL_BINDINGS: Final[Bindings] = BINDINGS | test_payloads.BINDINGS
ALIASES: Final[list[Any]] = [*source_aliases(RECORD, AT)]
MISSING: Final = "sha256:" + "5" * 64
"""An event that nobody has."""

Events: TypeAlias = Iterable[Event | JsonObject]


def values(events: Events) -> list[JsonObject]:
    return [event.to_json() if isinstance(event, Event) else event for event in events]


def merged(*events: Event | JsonObject) -> Merged:
    return merge(NUMBER, values(events), ALL_BINDINGS)


def state_of(events: Events) -> JsonObject:
    return merge(NUMBER, values(events), ALL_BINDINGS).state(list(ALIASES))


def ids(events: Iterable[Event]) -> list[str]:
    return [event.event_id for event in events]


def snapshot(
    note: str = "",
    prev: Event | str | None = None,
    *,
    by: Registry = REGISTRY,
    after: int = 60,
    supersedes: Sequence[Event] = (),
) -> Event:
    """A graph snapshot, told from others by its headline."""
    return by.snapshot(
        headline=note,
        at=AT.plus(seconds=after),
        prev=prev.event_id if isinstance(prev, Event) else prev,
        supersedes=ids(supersedes),
    )


# -- spoilt copies of one event, each failing one check ------------------------


def wrong_digest(value: JsonObject) -> JsonObject:
    return world.changed(value, put("content_sha256", world.flip))


def wrong_id(value: JsonObject) -> JsonObject:
    return world.changed(value, put("event_id", MISSING))


def wrong_key(value: JsonObject) -> JsonObject:
    return world.changed(value, put("signature.key_id", "another-key"))


def wrong_signature(value: JsonObject) -> JsonObject:
    return world.changed(value, put("signature.signature_b64", world.b64(bytes(31) + b"\1" * 33)))


def wrong_form(value: JsonObject) -> JsonObject:
    return world.changed(value, put("signature.signed_message", "anything"))


SPOILT: Final = {
    "event.schema": wrong_form,
    "event.digest": wrong_digest,
    "event.id": wrong_id,
    "event.signature_key": wrong_key,
    "event.signature": wrong_signature,
}
"""Copies that keep their identity, which is of what the event says."""


# -- logs of any shape ---------------------------------------------------------

Plan: TypeAlias = tuple[int, int, int, int, frozenset[int]]
"""Who, kind and headline, seconds, place of prev (-2 null, -1 missing), places superseded."""

plans: Final = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(0, 4),
        st.integers(60, 63),
        st.integers(-2, 6),
        st.frozensets(st.integers(0, 6), max_size=2),
    ),
    max_size=7,
)


def grown(plan: Sequence[Plan]) -> list[Event]:
    """The events of a plan, each pointing at earlier ones."""
    grown: list[Event] = []
    for who, kind, seconds, place, over in plan:
        by = (REGISTRY, OTHER_REGISTRY)[who]
        prev = None if place == -2 else MISSING
        if place >= 0 and grown:
            prev = grown[place % len(grown)].event_id
        over_ids = sorted({grown[n].event_id for n in over if n < len(grown)})
        at = AT.plus(seconds=seconds)
        if kind == 0:
            first = AT if over_ids else at
            made = by.record_created(first=first, reissued=at, supersedes=over_ids, prev=prev)
        else:
            made = by.snapshot(headline=f"h{kind}", at=at, prev=prev, supersedes=over_ids)
        grown.append(made)
    return grown


logs: Final = plans.map(grown)


@settings(max_examples=60, deadline=None)
@given(log=logs, data=st.data())
def test_merge_depends_only_on_the_set_of_events(log: list[Event], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(log + log))

    assert merged(*shuffled) == merged(*log)
    assert state_of(shuffled) == state_of(log)


@settings(max_examples=60, deadline=None)
@given(log=logs, data=st.data())
def test_spoilt_copies_never_shadow_the_good_ones(log: list[Event], data: st.DataObject) -> None:
    copies = [
        spoil(event.to_json())
        for event in log
        for spoil in data.draw(st.lists(st.sampled_from([*SPOILT.values()]), max_size=3))
    ]
    mixed = data.draw(st.permutations(values(log) + copies))

    assert state_of(mixed) == state_of(log)


@settings(max_examples=60, deadline=None)
@given(log=logs, data=st.data())
def test_parts_merged_again_give_the_whole(log: list[Event], data: st.DataObject) -> None:
    sides = data.draw(st.lists(st.integers(1, 3), min_size=len(log), max_size=len(log)))
    parts = [
        merged(*(event for event, side in zip(log, sides, strict=True) if side & bit)).events
        for bit in (1, 2)
    ]

    assert state_of([*parts[0], *parts[1]]) == state_of(log)


@settings(max_examples=60, deadline=None)
@given(log=logs, data=st.data())
def test_invalid_copies_come_to_one_reason_in_any_order(
    log: list[Event], data: st.DataObject
) -> None:
    copies = [
        SPOILT[data.draw(st.sampled_from([*SPOILT]))](event.to_json())
        for event in log
        for _ in range(2)
    ]

    assert state_of(data.draw(st.permutations(copies))) == state_of(copies)


@settings(max_examples=100, deadline=None)
@given(log=logs)
def test_merge_agrees_with_the_rules_read_slowly(log: list[Event]) -> None:
    found = merged(*log)
    slow = slow_merge(log)

    assert ids(found.events) == slow.order
    assert ids(found.applied) == slow.applied
    assert ids(found.current) == slow.current
    assert (found.record_created.event_id if found.record_created else None) == slow.record
    assert [entry.to_json() for entry in found.equivocations] == slow.equivocations


@settings(max_examples=30, deadline=None)
@given(log=logs, data=st.data())
def test_more_events_unapply_only_those_of_a_signer_that_equivocated(
    log: list[Event], data: st.DataObject
) -> None:
    part = [event for event in log if data.draw(st.booleans())]
    whole = merged(*log)
    guilty = {entry.signer_id for entry in whole.equivocations}
    lost = {*ids(merged(*part).applied)} - {*ids(whole.applied)}

    assert {event.body.signer.signer_id for event in part if event.event_id in lost} <= guilty


@dataclass(frozen=True)
class Slow:
    """What the rules come to."""

    order: list[str]
    applied: list[str]
    current: list[str]
    record: str | None
    equivocations: list[JsonObject]


def slow_merge(log: Iterable[Event]) -> Slow:
    """8.2 to 8.4 once more, word by word and without a thought for time. All are valid."""
    valid = {event.event_id: event for event in log}
    order: list[str] = []
    while len(order) < len(valid):
        ready = [
            event
            for name, event in valid.items()
            if name not in order
            and all(
                parent in order
                for parent in (event.body.prev_event, *event.body.supersedes)
                if parent in valid
            )
        ]
        order.append(min(ready, key=_place).event_id)

    pairs = {
        (event.body.signer.signer_id, event.body.prev_event)
        for event in valid.values()
        if event.body.prev_event is not None
    }
    equivocations = []
    for signer_id, prev in sorted(pairs):
        followers = sorted(
            name
            for name, event in valid.items()
            if (event.body.signer.signer_id, event.body.prev_event) == (signer_id, prev)
        )
        if len(followers) > 1:
            equivocations.append(
                {"signer_id": signer_id, "prev_event": prev, "event_ids": followers}
            )

    def unapplied(event: Event) -> bool:
        if any(event.event_id in entry["event_ids"] for entry in equivocations):
            return True
        before = valid.get(event.body.prev_event or "")
        if before is None or before.body.signer.signer_id != event.body.signer.signer_id:
            return False
        return unapplied(before)

    applied = [name for name in order if not unapplied(valid[name])]
    gone = {
        target
        for name in applied
        for target in valid[name].body.supersedes
        if target in valid
        and valid[target].body.signer.signer_id == valid[name].body.signer.signer_id
        and valid[target].body.event_type == valid[name].body.event_type
    }
    current = [name for name in applied if name not in gone]
    records = [n for n in current if valid[n].body.event_type == "record_created"]
    firsts = {n: valid[n].body.payload["receipt"]["first_computed_at"] for n in records}
    shown = [name for name in records if firsts[name] == min(firsts.values())]
    return Slow(order, applied, current, shown[-1] if shown else None, equivocations)


def _place(event: Event) -> tuple[str, int, str]:
    return event.body.created_at.seconds, RANK[event.body.event_type], event.event_id


# -- 8.1: identity -------------------------------------------------------------

CREATED: Final = REGISTRY.record_created()
ONE: Final = snapshot("one", CREATED)
TWO: Final = snapshot("two", ONE, after=120)


@pytest.mark.parametrize("check", SPOILT)
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_a_spoilt_copy_does_not_shadow_the_good_one(check: str, first: bool) -> None:
    copy = SPOILT[check](ONE.to_json())
    events = [copy, CREATED, ONE] if first else [CREATED, ONE, copy]

    assert examine_event(copy, NUMBER, BINDINGS).failed == check
    assert state_of(events) == state_of([CREATED, ONE])


@pytest.mark.parametrize("check", SPOILT)
def test_an_identity_without_a_good_copy_is_named_by_its_content(check: str) -> None:
    state = state_of([CREATED, SPOILT[check](ONE.to_json())])

    assert state["invalid_events"] == [{"event_id": ONE.event_id, "reason": check}]
    assert (state["event_count"], state["valid_event_count"]) == (2, 1)
    assert state["invalid_event_count"] == 1


@pytest.mark.parametrize(
    "pair", [*itertools.combinations(SPOILT, 2)], ids=lambda pair: " ".join(pair)
)
def test_the_reason_is_the_furthest_any_copy_reached(pair: tuple[str, str]) -> None:
    copies = [SPOILT[check](ONE.to_json()) for check in pair]
    furthest = max(pair, key=EVENT_CHECKS.index)

    for order in (copies, copies[::-1]):
        assert state_of([CREATED, *order])["invalid_events"] == [
            {"event_id": ONE.event_id, "reason": furthest}
        ]


def test_a_written_event_id_groups_nothing() -> None:
    posing = wrong_id(TWO.to_json())
    posing["event_id"] = ONE.event_id
    state = state_of([CREATED, ONE, posing])

    assert state["applied_event_ids"] == ids([CREATED, ONE])
    assert state["invalid_events"] == [{"event_id": TWO.event_id, "reason": "event.id"}]


def test_of_two_good_copies_the_smallest_is_kept() -> None:
    other = world.changed(ONE.to_json(), put("signature.signed_at", "2027-01-01T00:00:00.000000Z"))
    kept = min((ONE.to_json(), other), key=canonical)

    for order in ((ONE, other), (other, ONE)):
        assert merged(CREATED, *order).events[1].to_json() == kept
        assert state_of([CREATED, *order]) == state_of([CREATED, ONE])


def test_invalid_events_are_sorted() -> None:
    bad = [wrong_signature(snapshot(f"n{n}").to_json()) for n in range(6)]
    found = [entry["event_id"] for entry in state_of([CREATED, *bad])["invalid_events"]]

    assert found == sorted(found)
    assert len(found) == 6


def test_an_invalid_event_has_no_effect() -> None:
    bad = wrong_signature(snapshot("two", CREATED, supersedes=[ONE]).to_json())
    state = state_of([CREATED, ONE, bad])

    assert state["current"] == state_of([CREATED, ONE])["current"]
    assert state["equivocations"] == []


def test_an_event_of_another_record_is_invalid_here() -> None:
    stray = REGISTRY.snapshot(OTHER_RECORD, "Another small world")

    assert state_of([CREATED, stray])["invalid_events"] == [
        {"event_id": stray.event_id, "reason": "event.subject"}
    ]


# -- 8.2: order ----------------------------------------------------------------


def test_parents_come_first_whatever_their_date() -> None:
    early = snapshot("early", CREATED, after=-100)

    assert ids(merged(early, CREATED).events) == ids([CREATED, early])


def test_what_is_superseded_is_a_parent_too() -> None:
    early = snapshot("early", after=-100, supersedes=[TWO])

    assert ids(merged(early, TWO, ONE, CREATED).events) == ids([CREATED, ONE, TWO, early])


def test_the_events_of_another_signer_order_as_parents() -> None:
    early = snapshot("early", CREATED, by=OTHER_REGISTRY, after=-100)

    assert ids(merged(early, CREATED).events) == ids([CREATED, early])


def test_a_missing_or_invalid_parent_is_no_parent() -> None:
    orphan = snapshot("orphan", MISSING, after=-100)
    bad = wrong_signature(TWO.to_json())
    after_bad = snapshot("after", TWO, after=-50)

    assert ids(merged(CREATED, orphan, after_bad, bad).events) == ids([orphan, after_bad, CREATED])
    assert ids(merged(CREATED, orphan).applied) == ids([orphan, CREATED])


def test_then_by_date_then_rank_then_id() -> None:
    created = REGISTRY.record_created()
    same = [snapshot(f"n{n}", after=0) for n in range(4)]
    later = snapshot("later", after=1)
    found = ids(merged(later, *same, created).events)

    assert found == [created.event_id, *sorted(ids(same)), later.event_id]


# -- 8.3: equivocation ---------------------------------------------------------

FORK: Final = snapshot("fork", CREATED)
CHILD: Final = snapshot("child", FORK, after=120)
GRANDCHILD: Final = snapshot("grandchild", CHILD, after=180)


def entry(prev: str, *events: Event, by: Registry = REGISTRY) -> JsonObject:
    return {"signer_id": by.name, "prev_event": prev, "event_ids": sorted(ids(events))}


def test_two_after_the_same_one_equivocate() -> None:
    state = state_of([CREATED, ONE, FORK])

    assert state["equivocations"] == [entry(CREATED.event_id, ONE, FORK)]
    assert state["equivocation_count"] == 1
    assert state["applied_event_ids"] == [CREATED.event_id]
    assert (state["valid_event_count"], state["event_count"]) == (3, 3)
    assert state["current"]["graph_snapshots"] == []


def test_the_same_one_need_not_be_there() -> None:
    pair = snapshot("a", MISSING), snapshot("b", MISSING)
    state = state_of([CREATED, *pair])

    assert state["equivocations"] == [entry(MISSING, *pair)]
    assert state["applied_event_ids"] == [CREATED.event_id]


def test_three_after_one_are_one_equivocation() -> None:
    third = snapshot("third", CREATED)

    assert state_of([CREATED, ONE, FORK, third])["equivocations"] == [
        entry(CREATED.event_id, ONE, FORK, third)
    ]


def test_entries_are_sorted() -> None:
    theirs = OTHER_REGISTRY.record_created()
    their_pair = [snapshot(f"t{n}", theirs, by=OTHER_REGISTRY) for n in range(2)]
    missing_pair = [snapshot(f"m{n}", MISSING) for n in range(2)]
    found = state_of([CREATED, ONE, FORK, theirs, *their_pair, *missing_pair])["equivocations"]

    assert [(each["signer_id"], each["prev_event"]) for each in found] == sorted(
        [
            (OTHER_REGISTRY.name, theirs.event_id),
            (REGISTRY.name, CREATED.event_id),
            (REGISTRY.name, MISSING),
        ]
    )


def test_all_that_reach_a_fork_through_links_are_not_applied() -> None:
    state = state_of([CREATED, ONE, FORK, CHILD, GRANDCHILD])

    assert state["applied_event_ids"] == [CREATED.event_id]
    assert state["valid_event_count"] == 5
    assert state["equivocation_count"] == 1


def test_a_fork_found_later_unapplies_what_was_applied() -> None:
    assert state_of([CREATED, FORK, CHILD])["applied_event_ids"] == ids([CREATED, FORK, CHILD])
    assert state_of([CREATED, FORK, CHILD, ONE])["applied_event_ids"] == [CREATED.event_id]


def test_null_roots_never_conflict() -> None:
    roots = [snapshot(f"root {n}") for n in range(3)]
    state = state_of([CREATED, *roots])

    assert state["equivocations"] == []
    assert len(state["applied_event_ids"]) == 4


def test_a_new_chain_is_the_way_back() -> None:
    back = snapshot("back", after=300)
    state = state_of([CREATED, ONE, FORK, back])

    assert state["applied_event_ids"] == ids([CREATED, back])


def test_two_signers_after_the_same_one_do_not_equivocate() -> None:
    theirs = snapshot("theirs", CREATED, by=OTHER_REGISTRY)
    state = state_of([CREATED, ONE, theirs])

    assert state["equivocations"] == []
    assert len(state["applied_event_ids"]) == 3


def test_a_link_is_only_to_an_event_of_the_same_signer() -> None:
    theirs = snapshot("theirs", FORK, by=OTHER_REGISTRY, after=120)
    state = state_of([CREATED, ONE, FORK, theirs])

    assert state["equivocations"] == [entry(CREATED.event_id, ONE, FORK)]
    assert state["applied_event_ids"] == ids([CREATED, theirs])


def test_two_of_one_signer_after_an_event_of_another_equivocate() -> None:
    pair = [snapshot(f"t{n}", CREATED, by=OTHER_REGISTRY) for n in range(2)]
    state = state_of([CREATED, *pair])

    assert state["equivocations"] == [entry(CREATED.event_id, *pair, by=OTHER_REGISTRY)]
    assert state["applied_event_ids"] == [CREATED.event_id]


def test_supersedes_is_no_link() -> None:
    over = snapshot("over", supersedes=[FORK], after=120)
    both = [snapshot(f"s{n}", supersedes=[CHILD], after=240) for n in range(2)]

    assert state_of([CREATED, ONE, FORK, over])["applied_event_ids"] == ids([CREATED, over])
    assert state_of([FORK, CHILD, *both])["equivocations"] == []


def test_an_invalid_twin_is_no_equivocation() -> None:
    state = state_of([CREATED, ONE, wrong_signature(FORK.to_json())])

    assert state["equivocations"] == []
    assert state["applied_event_ids"] == ids([CREATED, ONE])


def test_a_copy_is_no_equivocation() -> None:
    assert state_of([CREATED, ONE, ONE])["equivocations"] == []


def test_a_forked_mint_leaves_no_record() -> None:
    mints = [REGISTRY.record_created(prev=MISSING), snapshot("m", MISSING)]
    state = state_of(mints)

    assert state["current"]["record_created"] is None
    assert state["current"]["canonical_record"] is None
    assert state["current"]["source_aliases"] == []


# -- 8.4: supersedes -----------------------------------------------------------


def current(*events: Event) -> list[str]:
    return ids(merged(CREATED, *events).current)[1:]


def test_what_is_superseded_leaves_current_and_stays_in_history() -> None:
    over = snapshot("over", ONE, supersedes=[ONE], after=120)
    state = state_of([CREATED, ONE, over])

    assert current(ONE, over) == [over.event_id]
    assert state["applied_event_ids"] == ids([CREATED, ONE, over])
    assert [item["event_id"] for item in state["current"]["graph_snapshots"]] == [over.event_id]


def test_superseding_the_superseder_brings_nothing_back() -> None:
    over = snapshot("over", ONE, supersedes=[ONE], after=120)
    over_that = snapshot("over that", over, supersedes=[over], after=180)

    assert current(ONE, over, over_that) == [over_that.event_id]


def test_one_may_supersede_several() -> None:
    over = snapshot("over", TWO, supersedes=[ONE, TWO], after=180)

    assert current(ONE, TWO, over) == [over.event_id]


def test_another_signer_supersedes_nothing_of_ours() -> None:
    theirs = snapshot("theirs", by=OTHER_REGISTRY, supersedes=[ONE], after=120)

    assert current(ONE, theirs) == ids([ONE, theirs])


def test_another_type_is_not_superseded() -> None:
    over = snapshot("over", CREATED, supersedes=[CREATED])
    state = state_of([CREATED, over])

    assert state["current"]["record_created"]["event_id"] == CREATED.event_id


def test_an_unapplied_event_supersedes_nothing() -> None:
    over = snapshot("over", ONE, supersedes=[ONE], after=120)
    twin = snapshot("twin", ONE, after=120)

    assert current(ONE, over, twin) == [ONE.event_id]


def test_what_is_not_there_is_superseded_without_effect() -> None:
    over = snapshot("over", CREATED, supersedes=[TWO], after=180)

    assert current(over) == [over.event_id]


def test_a_record_created_is_superseded_only_by_one_of_the_same_record() -> None:
    """Two records of one number want a collision in 130 bits, so the copies are made
    here as if judged valid."""
    reissue = REGISTRY.record_created(
        reissued=AT.plus(days=1), supersedes=[CREATED.event_id], prev=CREATED.event_id
    )
    payload = reissue.body.payload | {"canonical_sha256": OTHER_RECORD.sha256}
    other = replace(reissue, body=replace(reissue.body, payload=payload))

    def shown(event: Event) -> list[str]:
        copies = [
            Examined(each.event_id, each.canonical, each, None, None) for each in (CREATED, event)
        ]
        return ids(merge_examined(NUMBER, copies).current)

    assert shown(reissue) == [reissue.event_id]
    assert shown(other) == ids([CREATED, other])


# -- 8.4: the record_created that is shown -------------------------------------


def shown_of(*events: Event) -> str:
    found = merged(*events).record_created
    assert found is not None
    return found.event_id


def test_a_reissue_is_shown_in_place_of_the_first() -> None:
    reissue = REGISTRY.record_created(
        reissued=AT.plus(days=1), supersedes=[CREATED.event_id], prev=CREATED.event_id
    )

    assert shown_of(CREATED, reissue) == reissue.event_id
    assert merged(CREATED, reissue).current == (reissue,)


def test_the_earliest_first_computed_is_shown() -> None:
    later = OTHER_REGISTRY.record_created(first=AT.plus(seconds=1))
    sooner = OTHER_REGISTRY.record_created(first=Instant(AT.micros - 1))

    assert shown_of(CREATED, later) == CREATED.event_id
    assert shown_of(CREATED, sooner) == sooner.event_id


def test_among_equals_the_last_in_order_is_shown() -> None:
    theirs = OTHER_REGISTRY.record_created()
    found = merged(CREATED, theirs)

    assert found.record_created == found.events[-1]
    assert {*ids(found.current)} == {CREATED.event_id, theirs.event_id}


def test_a_superseded_earlier_one_is_not_shown() -> None:
    """A reissue that could not prove the old date vouches for none before its own."""
    day = AT.plus(days=1)
    reissue = REGISTRY.record_created(
        first=day, reissued=day, supersedes=[CREATED.event_id], prev=CREATED.event_id
    )

    assert shown_of(CREATED, reissue) == reissue.event_id


# -- 8.6: the state ------------------------------------------------------------

ITEM: Final = ["event_id", "target", "created_at", "signer", "payload"]


def sorted_throughout(value: Any) -> bool:
    if isinstance(value, dict):
        return [*value] == sorted(value) and all(map(sorted_throughout, value.values()))
    return not isinstance(value, list) or all(map(sorted_throughout, value))


def test_the_state_has_the_members_of_published_ones_in_their_order() -> None:
    state = state_of([CREATED, ONE])

    assert [*state] == [*SEED["state"]]
    assert [*state["current"]] == [*SEED["state"]["current"]]
    assert [*state["current"]["record_created"]] == ITEM
    assert [*state["current"]["graph_snapshots"][0]] == ITEM


def test_what_is_shown_has_its_members_sorted_at_every_level() -> None:
    now = state_of([CREATED, ONE])["current"]

    assert sorted_throughout(now["canonical_record"])
    for item in (now["record_created"], *now["graph_snapshots"]):
        assert sorted_throughout(item["signer"])
        assert sorted_throughout(item["payload"])


def test_an_empty_set_has_a_state() -> None:
    state = state_of([])

    assert state["current"]["record_created"] is None
    assert state["current"]["source_aliases"] == []
    assert state["event_count"] == 0


def test_neither_signed_at_nor_the_key_object_enters() -> None:
    later = world.changed(
        CREATED.to_json(), put("signature.signed_at", "2030-01-01T00:00:00.000000Z")
    )

    assert state_of([later, ONE]) == state_of([CREATED, ONE])


# -- every type and signer -----------------------------------------------------


def test_all_eleven_places_are_filled() -> None:
    current = state_of(EVERY)["current"]

    assert len(current) == 11
    assert all(current.values())
    shown = [item for name in SHOWN_LISTS for item in current[name]]
    assert len(shown) == len(EVERY) - 1


# -- the files -----------------------------------------------------------------

REISSUE: Final = REGISTRY.record_created(
    reissued=AT.plus(days=1), supersedes=[CREATED.event_id], prev=ONE.event_id
)
OVER: Final = snapshot("over", ONE, supersedes=[ONE], after=120)
THEIRS: Final = OTHER_REGISTRY.record_created()
EVERY: Final = every_place()


def _replication(note: str, over: Event | None = None, prev: Event | None = None) -> Event:
    """A word of the reader, told from others by its note."""
    return READER.event(
        "replication_record",
        REPLICATION | {"note": note},
        at=AT.plus(seconds=500),
        prev=prev and prev.event_id,
        supersedes=[over.event_id] if over else [],
    )


THEIR_WORD: Final = _replication("first")
STRONG_BY_REGISTRY: Final = test_payloads.by(SAMPLES["author-attestation"], REGISTRY)
SETS: Final[dict[str, list[Event | JsonObject]]] = {
    "empty": [],
    "mint": [CREATED],
    "order-and-repeats-do-not-matter": [TWO, ONE, CREATED, ONE, TWO],
    "parents-before-earlier-dates": [snapshot("early", CREATED, after=-100), CREATED],
    "rank-before-id": [*(snapshot(f"n{n}", after=0) for n in range(4)), CREATED],
    "missing-parent": [snapshot("orphan", MISSING, after=-100), CREATED],
    "equivocation": [CREATED, ONE, FORK],
    "equivocation-after-a-missing-event": [
        CREATED,
        snapshot("a", MISSING),
        snapshot("b", MISSING),
    ],
    "equivocation-descendants": [CREATED, ONE, FORK, CHILD, GRANDCHILD],
    "equivocation-and-a-new-chain": [CREATED, ONE, FORK, snapshot("back", after=300)],
    "two-null-roots": [CREATED, snapshot("root")],
    "two-signers-after-one-event": [CREATED, ONE, snapshot("t", CREATED, by=OTHER_REGISTRY)],
    "link-to-another-signer": [
        CREATED,
        ONE,
        FORK,
        snapshot("theirs", FORK, by=OTHER_REGISTRY, after=120),
    ],
    "supersedes": [CREATED, ONE, OVER],
    "supersedes-is-no-link": [CREATED, ONE, FORK, snapshot("o", supersedes=[FORK], after=120)],
    "supersedes-of-a-superseder": [
        CREATED,
        ONE,
        OVER,
        snapshot("over that", OVER, supersedes=[OVER], after=180),
    ],
    "supersedes-of-another-signer": [
        CREATED,
        ONE,
        snapshot("theirs", by=OTHER_REGISTRY, supersedes=[ONE], after=120),
    ],
    "supersedes-by-an-unapplied-event": [
        CREATED,
        ONE,
        OVER,
        snapshot("twin", ONE, after=120),
    ],
    "reissue": [CREATED, ONE, REISSUE],
    "two-mints-of-one-date": [CREATED, THEIRS],
    "two-mints-the-earlier-is-shown": [
        CREATED,
        OTHER_REGISTRY.record_created(first=Instant(AT.micros - 1)),
    ],
    "spoilt-copy-beside-the-good-one": [wrong_signature(ONE.to_json()), CREATED, ONE],
    "furthest-reason": [
        CREATED,
        wrong_signature(ONE.to_json()),
        wrong_digest(ONE.to_json()),
    ],
    "written-event-id-of-another": [CREATED, ONE, wrong_id(TWO.to_json())],
    "event-of-another-record": [
        CREATED,
        REGISTRY.snapshot(OTHER_RECORD, "Another small world"),
    ],
    "every-place-filled": [*reversed(EVERY)],
    "fork-of-a-party": [*EVERY, *(_replication(note, None, EVERY[0]) for note in "ab")],
    "party-goes-on-after-a-fork": [
        *EVERY,
        *(_replication(note, None, EVERY[0]) for note in "ab"),
        _replication("back"),
    ],
    "party-supersedes-its-own-alone": [
        CREATED,
        THEIR_WORD,
        _replication("better", THEIR_WORD, THEIR_WORD),
        _replication("other type", CREATED),
    ],
    "strong-word-of-another-is-invalid": [CREATED, STRONG_BY_REGISTRY],
}


def document(events: Events, state: JsonObject) -> bytes:
    return world.dump(
        {
            "pith_number": str(NUMBER),
            "signers": [
                ref.to_json() | {"public_key_hex": key.hex} for ref, key in ALL_BINDINGS.items()
            ],
            "source_aliases": ALIASES,
            "events": values(events),
            "state": state,
        }
    )


def mistaken(name: str, *changes: world.Change) -> tuple[bytes, str, str]:
    """A set of events with the state that a merge with one mistake would make of it."""
    state = world.reseal_state(world.changed(state_of(SETS[name]), *changes))
    return document(SETS[name], state), "bundle.state", "bundle.state"


def as_of(name: str, *events: Event) -> tuple[bytes, str, str]:
    """A set of events with the state of another set."""
    return document(SETS[name], state_of(events)), "bundle.state", "bundle.state"


INVALID: Final = {
    "order-as-given": mistaken(
        "order-and-repeats-do-not-matter", put("applied_event_ids", ids([TWO, ONE, CREATED]))
    ),
    "repeats-counted": mistaken(
        "order-and-repeats-do-not-matter", put("event_count", 5), put("valid_event_count", 5)
    ),
    "order-by-date-alone": mistaken(
        "parents-before-earlier-dates", put("applied_event_ids", lambda found: found[::-1])
    ),
    "first-seen-of-a-fork-applied": mistaken(
        "equivocation", put("applied_event_ids", ids([CREATED, ONE]))
    ),
    "fork-not-noticed": mistaken(
        "equivocation", put("equivocations", []), put("equivocation_count", 0)
    ),
    "unapplied-not-counted-as-valid": mistaken("equivocation", put("valid_event_count", 1)),
    "descendants-of-a-fork-applied": mistaken(
        "equivocation-descendants",
        put("applied_event_ids", ids([CREATED, CHILD, GRANDCHILD])),
    ),
    "null-roots-taken-for-a-fork": mistaken(
        "two-null-roots", put("applied_event_ids", []), put("equivocation_count", 1)
    ),
    "superseded-still-shown": as_of("supersedes", CREATED, ONE),
    "superseder-superseded-brings-back": as_of("supersedes-of-a-superseder", CREATED, ONE),
    "superseded-by-another-signer": mistaken(
        "supersedes-of-another-signer",
        put("current.graph_snapshots", lambda found: found[1:]),
    ),
    "spoilt-copy-shadows": as_of("spoilt-copy-beside-the-good-one", CREATED),
    "first-reason-not-furthest": mistaken(
        "furthest-reason", put("invalid_events.0.reason", "event.digest")
    ),
    "invalid-named-by-its-written-id": mistaken(
        "written-event-id-of-another", put("invalid_events.0.event_id", MISSING)
    ),
    "first-of-two-mints-shown": mistaken(
        "two-mints-of-one-date",
        put(
            "current.record_created.event_id",
            min(
                (CREATED, THEIRS),
                key=_place,
            ).event_id,
        ),
    ),
    "old-receipt-shown-after-a-reissue": as_of("reissue", CREATED, ONE),
    "members-not-of-the-state": mistaken("mint", put("note", "x")),
}


def vectors() -> world.Vectors:
    return world.Vectors(
        "merge",
        {
            "about": "sets of events with the keys that bind their signers and a state. In "
            "valid/ merging the events gives exactly the state (compared canonically), whose "
            "state_sha256 is given; in invalid/ the state is what a merge with the mistake "
            "that the file is named after makes, its digest right. The keys are test keys whose "
            "seeds are public: never trust them",
            **world.key_of_index(),
        },
        {
            name: (document(events, state_of(events)), state_of(events)["state_sha256"])
            for name, events in SETS.items()
        },
        INVALID,
    )


def remerged(data: bytes) -> tuple[JsonObject, JsonObject]:
    """The state that a file holds, and the one its events come to."""
    value = json.loads(data)
    bindings = {}
    for each in value["signers"]:
        key = PublicKey.from_hex(each.pop("public_key_hex"))
        bindings[SignerRef.from_json(each, "$")] = key
    found = merge(PithNumber.parse(value["pith_number"]), value["events"], bindings)
    return value["state"], found.state(value["source_aliases"])


def test_the_files_are_what_the_tables_make() -> None:
    assert world.on_disk("merge") == vectors().files


@pytest.mark.parametrize("name", world.index_of("merge")["valid"])
def test_a_valid_file(name: str) -> None:
    held, rebuilt = remerged(world.vector("merge", "valid", name))

    assert held == rebuilt
    assert rebuilt["state_sha256"] == world.index_of("merge")["valid"][name]


@pytest.mark.parametrize("name", world.index_of("merge")["invalid"])
def test_an_invalid_file(name: str) -> None:
    held, rebuilt = remerged(world.vector("merge", "invalid", name))

    assert world.index_of("merge")["invalid"][name]["check"] == "bundle.state"
    assert canonical(held) != canonical(rebuilt)
    body = {key: member for key, member in held.items() if key != "state_sha256"}
    assert world.reseal_state(body)["state_sha256"] == held["state_sha256"]
