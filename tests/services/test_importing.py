"""Import: taken once, refused by name, or kept apart, and never merged silently."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from registry import data
from registry.errors import ConflictError, MalformedError, PithError, VerificationError
from registry.protocol.bundle import Bundle
from registry.protocol.equivocation import Contradiction
from registry.protocol.event import Event
from registry.protocol.instant import Instant
from registry.protocol.keyset_chain import verify_chain
from registry.protocol.trust import KeySetPin, parse_pin
from registry.services.audit import audit
from registry.services.bundle import build_state
from registry.services.desk import Desk
from registry.services.find import find_record, merged
from registry.services.holdings import Holding, new_heads
from registry.services.importing import Offer, examined, merge_bundles, take
from registry.services.keys import add_key, key_status
from registry.services.mint import mint
from registry.services.restore import restore_home
from registry.services.shares import last_drills
from registry.signing.memory import MemoryKeyStore
from tests import world as made
from tests.cli.lab import record
from tests.services.exchange import (
    apart,
    bundle,
    elsewhere,
    minted,
    pin_of,
    restored,
    snapshot,
    taken,
    verifier,
)
from tests.services.registry import RECORD, REGISTRY, START, World


@pytest.fixture(name="engine_url")
def _engine_url(store_url: str | None) -> str | None:
    """Each engine in turn."""
    return store_url


T1 = START.plus(seconds=10)
T2 = START.plus(seconds=20)
T3 = START.plus(seconds=30)
T4 = START.plus(seconds=40)


@pytest.fixture(name="later", autouse=True)
def _later(world: World) -> Instant:
    """The clock of everyone, when all of this is over."""
    return world.clock.move(3600)


@pytest.fixture(name="thief")
def _thief(tmp_path: Path) -> Desk:
    """A home with the registry's very key and key set, somewhere else."""
    return World(tmp_path / "thief").begin().desk()


@pytest.fixture(name="other")
def _other(tmp_path: Path) -> Desk:
    """Another registry, which has minted the same record."""
    found = elsewhere(tmp_path / "elsewhere").desk()
    minted(found, at=START)
    return found


def refused(code: str, found: Callable[[], object]) -> PithError:
    """The error of a call that must be refused by this rule."""
    with pytest.raises(PithError) as caught:
        found()
    assert caught.value.code == code, caught.value
    return caught.value


def documents(desk: Desk) -> list[object]:
    """All that merge reads in a home, ours and theirs."""
    store = desk.store
    return [
        store.events_of(RECORD.number.suffix),
        store.foreign_events_of("elsewhere.example", RECORD.number.suffix),
    ]


# -- our own registry ----------------------------------------------------------


def test_our_own_bundle_says_nothing_new_at_home(desk: Desk) -> None:
    event = minted(desk, at=START)
    mine = bundle(desk, at=T1)

    found = taken(desk, mine)

    assert (found.new, found.known, found.quarantined) == ((), 1, ())
    assert merged(desk, RECORD.number).events == (event,)
    assert audit(desk, []).ok


def test_a_registry_is_rebuilt_from_a_bundle_and_chains_on(
    world: World, desk: Desk, tmp_path: Path
) -> None:
    first = minted(desk, at=START)
    second = snapshot(desk, "one", at=T1)
    mine = bundle(desk, at=T2)
    anew = restored(world, tmp_path / "anew").desk()

    found = taken(anew, mine)

    assert found.new == (first, second)
    assert build_state(anew, RECORD) == build_state(desk, RECORD)
    assert anew.store.find_head(RECORD.number.suffix, REGISTRY) == second.event_id
    assert anew.store.last_signed_at() == mine.signature.signed_at
    third = snapshot(anew, "two", at=world.clock.move(3600))
    assert third.body.prev_event == second.event_id
    assert mint(anew, anew.signer(world.clock()), [RECORD], at=world.clock())[0].new is False
    assert merged(anew, RECORD.number).equivocations == ()
    assert audit(anew, [("b.json", mine.to_bytes())]).ok


def test_a_home_made_anew_is_no_restored_key(world: World, tmp_path: Path) -> None:
    assert last_drills(restored(world, tmp_path / "anew").desk()) == ()


def test_the_clock_of_a_rebuilt_home_starts_after_what_it_took(
    world: World, desk: Desk, tmp_path: Path
) -> None:
    minted(desk, at=START)
    late = bundle(desk, at=START.plus(seconds=3000))
    anew = restored(world, tmp_path / "anew").desk()
    taken(anew, late)

    assert refused("clock.backwards", lambda: anew.signer(T1))


def test_a_listed_key_is_brought_back_and_no_other_under_its_id(
    world: World, desk: Desk, tmp_path: Path
) -> None:
    anew = replace(world, home=tmp_path / "anew", store=None)
    restore_home(anew.home, anew.config, verify_chain(desk.store.list_keysets()), at=START)
    again, key_id = anew.desk(), desk.active_key().key_id
    imposter = MemoryKeyStore(REGISTRY)
    imposter.put(key_id, bytes(range(100, 132)))

    refused(
        "key.exists",
        lambda: add_key(again, imposter, key_id=key_id, usage="registry", at=START),
    )
    row = add_key(again, world.keys, key_id=key_id, usage="recovery", at=START)
    assert (row.usage, key_status(again, row)) == ("registry", "active")


def test_a_second_bundle_brings_only_what_is_new(world: World, desk: Desk, tmp_path: Path) -> None:
    minted(desk, at=START)
    older = bundle(desk, at=T1)
    second = snapshot(desk, "one", at=T2)
    newer = bundle(desk, at=T3)
    anew = restored(world, tmp_path / "anew").desk()
    taken(anew, older)

    found = taken(anew, newer)

    assert (found.new, found.known) == ((second,), 1)
    assert taken(anew, newer).new == ()


def test_a_bundle_that_lacks_what_was_seen_is_a_rollback(desk: Desk) -> None:
    minted(desk, at=START)
    older = bundle(desk, at=T1)
    second = snapshot(desk, "one", at=T2)
    before = documents(desk)

    error = refused("import.rollback", lambda: taken(desk, older))

    assert isinstance(error, ConflictError)
    assert second.event_id in error.message
    assert documents(desk) == before
    assert apart(desk) == []


# -- the thief -----------------------------------------------------------------


def test_a_thiefs_next_event_is_kept_apart_and_alarms(desk: Desk, thief: Desk) -> None:
    minted(desk, at=START)
    minted(thief, at=START)
    snapshot(thief, "forged", at=T1)
    forged = bundle(thief, at=T2)
    before = documents(desk)

    error = refused("import.unknown_signature", lambda: taken(desk, forged))

    assert isinstance(error, ConflictError)
    assert documents(desk) == before
    assert [(row.verdict, row.code) for row in apart(desk)] == [("conflict", error.code)]
    found = audit(desk, [])
    assert not found.ok
    assert {unknown.claim.what.split()[0] for unknown in found.unknown} == {"event", "bundle"}


def test_a_thiefs_bundle_of_our_own_events_alarms_too(desk: Desk, thief: Desk) -> None:
    minted(desk, at=START)
    minted(thief, at=START)
    forged = bundle(thief, at=T2)

    refused("import.unknown_signature", lambda: taken(desk, forged))

    assert [unknown.claim.what for unknown in audit(desk, []).unknown] == ["bundle"]


def test_a_thief_who_forks_our_chain_leaves_evidence(desk: Desk, thief: Desk) -> None:
    minted(desk, at=START)
    minted(thief, at=START)
    ours = snapshot(desk, "ours", at=T1)
    theirs = snapshot(thief, "theirs", at=T1)
    before = documents(desk)

    error = refused("import.equivocation", lambda: taken(desk, bundle(thief, at=T2)))

    (evidence,) = desk.store.evidence()
    assert isinstance(error, ConflictError)
    assert evidence.digest.hex() in error.message
    assert {value["event_id"] for value in evidence.objects} == {ours.event_id, theirs.event_id}
    assert documents(desk) == before
    assert [row.verdict for row in apart(desk)] == ["conflict"]
    assert not audit(desk, []).ok


def test_a_thief_who_mints_again_begins_a_second_chain(desk: Desk, thief: Desk) -> None:
    minted(desk, at=START)
    minted(thief, at=T1)

    refused("import.equivocation", lambda: taken(desk, bundle(thief, at=T2)))

    (evidence,) = desk.store.evidence()
    assert evidence.kind == "second_root"
    assert Contradiction.parse(evidence.canonical) == evidence


def test_a_rebuilt_home_takes_nothing_of_ours_dated_after_it(
    world: World, desk: Desk, thief: Desk, tmp_path: Path
) -> None:
    anew = restored(world, tmp_path / "anew").desk()
    after = world.clock().plus(seconds=60)
    minted(thief, at=after)

    refused(
        "import.unknown_signature",
        lambda: taken(anew, bundle(thief, at=after), at=after.plus(seconds=60)),
    )

    assert documents(anew) == [[], []]


# -- other registries ----------------------------------------------------------


def test_what_another_registry_says_stands_beside_ours(desk: Desk, other: Desk) -> None:
    mine = minted(desk, at=T1)
    snapshot(other, "theirs", at=T2)

    found = taken(desk, bundle(other, at=T3), pin_of(other))

    assert (found.registry, len(found.new)) == ("elsewhere.example", 2)
    assert merged(desk, RECORD.number).events == (mine,)
    assert build_state(desk, RECORD, other.registry) == build_state(other, RECORD)
    assert find_record(desk, str(RECORD.number), other.registry) == RECORD
    assert find_record(desk, "arxiv:2401.00001", other.registry) == RECORD
    assert audit(desk, []).ok
    assert bundle(desk, at=T4).body.value["state"]["event_count"] == 1


def test_a_record_that_only_others_told_of_is_not_minted_here(desk: Desk, other: Desk) -> None:
    taken(desk, bundle(other, at=T1), pin_of(other))

    assert desk.store.count_minted() == 0
    assert desk.store.find_record(RECORD.number.suffix) is None
    refused("record.absent", lambda: find_record(desk, str(RECORD.number)))
    event = minted(desk, at=T2)
    assert merged(desk, RECORD.number).events == (event,)


def test_the_published_seed_is_taken_and_its_state_shown_to_the_byte(desk: Desk) -> None:
    pin = parse_pin(data.shipped_pins()["pith.science"], "shipped")
    seed = data.seed_bundle()

    found = taken(desk, seed, pin, at=Instant.parse_seconds("2026-11-01T00:00:00Z"))

    assert len(found.new) == 2
    state = build_state(desk, found.record, "pith.science")
    assert state["state_sha256"] == Bundle.parse(seed).body.value["state"]["state_sha256"]


def test_another_registry_that_takes_back_is_refused(desk: Desk, other: Desk) -> None:
    older = bundle(other, at=T1)
    snapshot(other, "theirs", at=T2)
    taken(desk, bundle(other, at=T3), pin_of(other))
    before = documents(desk)

    refused("import.rollback", lambda: taken(desk, older, pin_of(other)))

    assert documents(desk) == before


def test_a_fork_of_another_registry_leaves_evidence(
    desk: Desk, other: Desk, tmp_path: Path
) -> None:
    copy = elsewhere(tmp_path / "copy").desk()
    minted(copy, at=START)
    snapshot(other, "to one", at=T1)
    snapshot(copy, "to another", at=T1)
    taken(desk, bundle(other, at=T2), pin_of(other))
    before = documents(desk)

    refused("import.equivocation", lambda: taken(desk, bundle(copy, at=T2), pin_of(other)))

    (evidence,) = desk.store.evidence()
    assert evidence.signer_id == "elsewhere.example"
    assert documents(desk) == before
    assert [row.registry for row in apart(desk)] == ["elsewhere.example"]
    assert audit(desk, []).ok


def test_a_stranger_is_refused_and_not_kept(desk: Desk, other: Desk) -> None:
    error = refused("trust.pin", lambda: taken(desk, bundle(other, at=T1)))

    assert isinstance(error, VerificationError)
    assert apart(desk) == []
    assert documents(desk) == [[], []]


# -- quarantine ----------------------------------------------------------------


def spoilt(found: Bundle) -> bytes:
    """A bundle whose state says another count."""
    value = made.changed(found.to_json(), made.put("state.event_count", 7))
    return made.dump(value)


def test_an_invalid_bundle_of_a_known_registry_is_kept_apart(desk: Desk) -> None:
    minted(desk, at=START)
    broken = spoilt(bundle(desk, at=T1))

    error = refused("bundle.state", lambda: taken(desk, broken))

    (row,) = apart(desk)
    assert (row.kind, row.verdict, row.code) == ("bundle", "invalid", "bundle.state")
    assert (row.body, row.source, row.registry) == (broken, "b.json", REGISTRY)
    assert "--quarantined" in error.hint
    assert audit(desk, []).ok


def test_a_bundle_from_the_future_waits_for_its_time(
    world: World, desk: Desk, tmp_path: Path
) -> None:
    minted(desk, at=START)
    mine = bundle(desk, at=START.plus(seconds=3000))
    anew = restored(world, tmp_path / "anew").desk()

    refused("bundle.clock", lambda: taken(anew, mine, at=START.plus(seconds=1000)))
    assert [row.verdict for row in apart(anew)] == ["ahead"]
    assert documents(anew) == [[], []]

    assert len(taken(anew, mine).new) == 1
    assert apart(anew) == []


def test_a_later_key_set_releases_what_an_unknown_key_signed(desk: Desk, other: Desk) -> None:
    unknown = made.keyset(registry=other.registry)
    mine = bundle(other, at=T1)
    old = KeySetPin(unknown, "before the key was known")

    refused("trust.key", lambda: taken(desk, mine, old))
    assert [row.verdict for row in apart(desk)] == ["untrusted"]

    assert len(taken(desk, mine, pin_of(other)).new) == 1
    assert apart(desk) == []


@pytest.mark.parametrize("junk", [b"{}", b"no json", b'{"bundle_type":1}', b""])
def test_junk_is_refused_and_not_kept(desk: Desk, junk: bytes) -> None:
    with pytest.raises(MalformedError):
        taken(desk, junk)

    assert apart(desk) == []


def test_an_event_is_no_bundle(desk: Desk) -> None:
    event = minted(desk, at=START)

    assert refused("import.kind", lambda: taken(desk, event.canonical))


# -- gaps ----------------------------------------------------------------------


def test_a_chain_cannot_be_taken_up_in_its_middle(desk: Desk) -> None:
    registry = made.REGISTRY
    created = registry.record_created()
    unseen = registry.snapshot(prev=created.event_id)
    after = registry.snapshot(headline="after", at=made.AT.plus(seconds=90), prev=unseen.event_id)
    gap = registry.bundle(events=[created, after])
    pin = registry.keyset_pin()

    refused("import.gap", lambda: taken(desk, gap, pin, at=made.NOW))
    assert [(row.verdict, row.code) for row in apart(desk)] == [("conflict", "import.gap")]
    assert desk.store.foreign_events_of(registry.name, made.RECORD.number.suffix) == []

    whole = registry.bundle(events=[created, unseen, after])
    assert len(taken(desk, whole, pin, at=made.NOW).new) == 3


# -- after a compromise --------------------------------------------------------

STOLEN = {
    "status": "revoked",
    "revoked_at": made.AT.plus(seconds=100).whole,
    "compromised_since": made.AT.plus(seconds=100).whole,
    "reason": "stolen",
}


def test_a_bundle_without_what_nobody_vouches_for_is_taken_by_a_newcomer(desk: Desk) -> None:
    first = made.REGISTRY
    second = made.Registry(first.name, "example-2027-01")
    old = first.record_created()
    again = second.record_created(
        reissued=made.AT.plus(seconds=200), supersedes=[old.event_id], prev=old.event_id
    )
    published = second.bundle(events=[again], keys=[second.key_object])
    trusting = first.keyset_pin(first.entry(status="retiring"), second.entry(), made.recovery(1))
    pin = first.keyset_pin(first.entry(**STOLEN), second.entry(), made.recovery(1))

    refused("import.gap", lambda: taken(desk, published, trusting, at=made.NOW))
    assert taken(desk, published, pin, at=made.NOW).new == (again,)
    assert apart(desk) == []


def test_the_chain_goes_on_after_what_was_left_out(world: World, desk: Desk) -> None:
    created = minted(desk, at=START)
    key = desk.active_ref()

    def said(second: int, prev: str) -> Event:
        body = replace(created.body, created_at=START.plus(seconds=second).whole, prev_event=prev)
        return replace(created, body=body, event_id=f"sha256:{second:064x}")

    left_out = "sha256:" + "f" * 64
    later, earlier = said(20, left_out), said(-20, left_out)
    chain = {event.event_id: event for event in (created, later, earlier)}

    assert key.signer_id == desk.registry
    assert new_heads(desk, RECORD, chain) == [(desk.registry, created.event_id, later.event_id)]
    del chain[later.event_id]
    assert new_heads(desk, RECORD, chain) == []


# -- at once -------------------------------------------------------------------


def test_of_two_forks_imported_at_once_the_second_is_found(desk: Desk, other: Desk) -> None:
    registry = made.REGISTRY
    pin = registry.keyset_pin()
    created = registry.record_created()
    forks = [
        registry.bundle(events=[created, registry.snapshot(headline=each, prev=created.event_id)])
        for each in ("one", "two")
    ]
    verified = verifier(desk, pin, at=made.NOW)
    offers = [examined(desk, verified, "b.json", fork.to_bytes()) for fork in forks]
    holding = Holding.of(desk, registry.name, made.RECORD)
    take(desk, verified.terms, offers[0], holding)

    refused("import.moved", lambda: take(desk, verified.terms, offers[1], holding))
    refused("import.equivocation", lambda: taken(desk, forks[1], pin, at=made.NOW))
    assert len(desk.store.evidence()) == 1


def test_what_a_party_says_at_once_is_compared_with_what_is_held(desk: Desk) -> None:
    created = minted(desk, at=START)
    holding = Holding.of(desk, desk.registry, RECORD)
    snapshot(desk, "meanwhile", at=T2)
    offer = Offer("f", desk.registry, RECORD, {created.event_id: created}, (), {})

    refused("import.moved", lambda: take(desk, verifier(desk).terms, offer, holding))


def test_what_a_revoked_key_signed_is_kept_apart_one_by_one(desk: Desk) -> None:
    first = made.REGISTRY
    second = made.Registry(first.name, "example-2027-01")
    entries = [
        first.entry(
            status="revoked",
            revoked_at=made.AT.plus(seconds=100).whole,
            compromised_since=made.AT.plus(seconds=100).whole,
            reason="stolen",
        ),
        second.entry(),
        made.recovery(1),
    ]
    pin = first.keyset_pin(*entries)
    old = first.record_created()
    again = second.record_created(
        reissued=made.AT.plus(seconds=200), supersedes=[old.event_id], prev=old.event_id
    )
    both = second.bundle(events=[old, again], keys=[first.key_object, second.key_object])

    found = taken(desk, both, pin, at=made.NOW)

    assert found.new == (again,)
    (row,) = found.quarantined
    assert (row.name, row.kind, row.verdict) == (old.event_id, "event", "unproven")
    assert apart(desk) == [row]
    state = build_state(desk, found.record, first.name)
    assert state["event_count"] == 1
    assert old.event_id not in str(state["applied_event_ids"])

    trusting = first.keyset_pin(first.entry(status="retiring"), second.entry(), made.recovery(1))
    assert taken(desk, both, trusting, at=made.NOW).new == (old,)
    assert apart(desk) == []


def test_a_bundle_of_which_nothing_is_vouched_for_is_kept_whole(desk: Desk) -> None:
    first = made.REGISTRY
    second = made.Registry(first.name, "example-2027-01")
    since = made.AT.plus(seconds=7200).whole
    revoked = first.entry(
        status="revoked", revoked_at=since, compromised_since=since, reason="stolen"
    )
    pin = first.keyset_pin(revoked, second.entry(), made.recovery(1))

    refused("trust.verdicts", lambda: taken(desk, first.bundle(), pin, at=made.NOW))

    assert [(row.kind, row.verdict) for row in apart(desk)] == [("bundle", "unproven")]


# -- merge ---------------------------------------------------------------------


def test_bundles_of_two_ages_merge_in_any_order(world: World, desk: Desk, tmp_path: Path) -> None:
    minted(desk, at=START)
    older = bundle(desk, at=T1).to_bytes()
    second = snapshot(desk, "one", at=T2)
    newer = bundle(desk, at=T3).to_bytes()
    anew = restored(world, tmp_path / "anew").desk()

    found = merge_bundles(anew, verifier(anew), [("newer", newer), ("older", older)])

    assert len(found.new) == 2
    assert anew.store.find_head(RECORD.number.suffix, REGISTRY) == second.event_id


def test_only_our_own_bundles_merge(desk: Desk, other: Desk) -> None:
    minted(desk, at=START)
    mine = bundle(desk, at=T1).to_bytes()
    theirs = bundle(other, at=T1).to_bytes()
    trusting = verifier(desk, pin_of(other))

    refused("merge.registry", lambda: merge_bundles(desk, trusting, [("m", mine), ("t", theirs)]))


def test_only_bundles_of_one_record_merge(world: World, desk: Desk) -> None:
    minted(desk, at=START)
    minted(desk, at=T1, record=record(2))
    one = bundle(desk, at=T2).to_bytes()
    two = bundle(desk, at=T3, record=record(2)).to_bytes()

    refused("merge.subject", lambda: merge_bundles(desk, verifier(desk), [("1", one), ("2", two)]))


def test_a_merge_that_would_fork_is_refused_with_evidence(desk: Desk, thief: Desk) -> None:
    minted(desk, at=START)
    minted(thief, at=START)
    snapshot(desk, "ours", at=T1)
    snapshot(thief, "theirs", at=T1)
    both = [("a", bundle(desk, at=T2).to_bytes()), ("b", bundle(thief, at=T2).to_bytes())]

    refused("import.equivocation", lambda: merge_bundles(desk, verifier(desk), both))

    assert len(desk.store.evidence()) == 1
    assert len(apart(desk)) == 2
