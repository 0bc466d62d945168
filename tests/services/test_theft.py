"""What a thief of a key, and an act in another terminal, must not leave behind."""

import pytest

from registry.errors import ConflictError, KeyUnavailableError
from registry.protocol.canonical import canonical
from registry.protocol.event import Event
from registry.protocol.event_types import GRAPH_SNAPSHOT
from registry.protocol.instant import Instant
from registry.protocol.keyset import KeyEntry
from registry.services.append import Draft, add_event, plan_event, snapshot_payload
from registry.services.bundle import build_bundle
from registry.services.desk import Desk
from registry.services.distrust import (
    choose_heir,
    compromised_body,
    distrust,
    revoke_key,
    revoked_body,
    stop,
)
from registry.services.keys import create_key, key_status
from registry.services.mint import finish_interrupted, mint
from registry.services.recovery import enact_recovery_key, recovery_key, with_recovery_key
from registry.services.reissue_plan import plan_reissue
from registry.services.reissue_run import run
from registry.services.rotation import calendar, next_step, take_step
from registry.signing.signer import Signer
from registry.store.rows import Intent, event_bytes
from tests.cli.lab import record
from tests.services.registry import RECORD, World, paper

SNAPSHOT = Draft(GRAPH_SNAPSHOT, snapshot_payload(RECORD, paper()))


def turn(world: World, desk: Desk) -> None:
    """Take the step of the rotation that is next, a renewal not counted."""
    seed = bytes([100 + desk.keyset().body.version]) * 32
    step = next(step for step in calendar(desk) if step.name != "renew")
    take_step(desk, next_step(desk, step.name), world.keys, seed=seed, at=world.clock.move(60))


def compromise(world: World, desk: Desk, key_id: str, *, named: str | None = None) -> None:
    """Distrust a key since a second ago."""
    since = world.clock().whole
    stop(desk, key_id, reason="theft", at=world.clock.move(1))
    seeds = iter(bytes([number]) * 32 for number in range(150, 160))
    heir = choose_heir(
        desk, key_id, world.keys, named=named, new_seed=lambda: next(seeds), at=world.clock()
    )
    body = compromised_body(
        desk, key_id, heir, since=since, reason="theft", threshold=None, at=world.clock.move(1)
    )
    distrust(desk, body, key_id, reason="theft", at=world.clock())


def entry(desk: Desk, key_id: str) -> KeyEntry:
    return next(e for e in desk.keyset().body.entries if e.key_id == key_id)


# -- what lay beside the stolen key --------------------------------------------


def test_no_key_from_before_a_theft_becomes_a_successor_by_itself(world: World) -> None:
    desk = world.desk()
    stolen, beside = (row.key_id for row in desk.store.list_keys()[:2])
    create_key(desk, world.keys, key_id="spare", seed=bytes([80]) * 32, at=world.clock.move(1))
    world.recovery(desk, "safe:")
    compromise(world, desk, stolen)
    assert {key_status(desk, row) for row in desk.store.list_keys()[1:3]} == {"unlisted"}

    turn(world, desk)  # announce: commits the announced key to a further one

    sha256 = entry(desk, next_step(desk, "activate").key_id).successor_key_sha256
    taken = next(r for r in desk.store.list_keys() if r.public_key.sha256.hex() == sha256)
    assert taken.key_id not in (stolen, beside, "spare")


def test_a_key_that_a_recovery_act_passed_over_is_not_taken_again(world: World) -> None:
    desk = world.desk()
    beside = desk.store.list_keys()[1]
    world.recovery(desk, "safe:")
    turn(world, desk)
    revoke_key(
        desk,
        revoked_body(desk, beside.key_id, reason="lost", threshold=None, at=world.clock.move(1)),
        beside.key_id,
        reason="lost",
        at=world.clock(),
    )

    # Neither a rotation nor a compromise goes on with it, and the hint leads on.
    with pytest.raises(ConflictError) as refused:
        turn(world, desk)
    assert refused.value.code == "rotation.uncommitted"
    assert "ceremony" in refused.value.hint
    compromise(world, desk, desk.active_key().key_id)
    assert desk.active_key().key_id != beside.key_id


def test_a_stopped_successor_is_no_heir(world: World) -> None:
    desk = world.desk()
    first, beside = desk.store.list_keys()[:2]
    world.move_apart(desk, beside)
    world.recovery(desk, "safe:")
    turn(world, desk)
    stop(desk, beside.key_id, reason="theft", at=world.clock.move(1))

    compromise(world, desk, first.key_id)

    assert desk.active_key().key_id != beside.key_id


# -- a stopped key -------------------------------------------------------------


def test_a_stopped_key_rotates_nothing(world: World) -> None:
    desk = world.desk()
    world.recovery(desk, "safe:")
    stop(desk, desk.active_key().key_id, reason="theft", at=world.clock.move(1))
    before = desk.keyset()

    with pytest.raises(KeyUnavailableError) as refused:
        turn(world, desk)

    assert refused.value.code == "key.stopped"
    assert desk.keyset() == before


def test_a_stopped_key_lists_the_first_recovery_keys_and_nothing_else(world: World) -> None:
    desk = world.desk()
    stolen = desk.active_key().key_id
    stop(desk, stolen, reason="theft", at=world.clock.move(1))
    with pytest.raises(KeyUnavailableError):
        turn(world, desk)

    world.recovery(desk, "safe:")
    compromise(world, desk, stolen)

    assert entry(desk, stolen).status == "revoked"


# -- a command that was under way ----------------------------------------------


def rotated(world: World, desk: Desk, signer: Signer) -> str:
    while desk.active_key().key_id == signer.key_id:
        turn(world, desk)
    return "keyset.moved"


def stopped(world: World, desk: Desk, signer: Signer) -> str:
    stop(desk, signer.key_id, reason="theft", at=world.clock.move(1))
    return "key.stopped"


def distrusted(world: World, desk: Desk, signer: Signer) -> str:
    world.recovery(desk, "safe:")
    compromise(world, desk, signer.key_id)
    return "key.stopped"


ACTS = [rotated, stopped, distrusted]


@pytest.mark.parametrize("act", ACTS)
def test_a_mint_under_way_keeps_nothing_of_a_key_that_signs_no_more(world: World, act) -> None:  # type: ignore[no-untyped-def]
    here, there = world.desk(), world.desk()
    signer = here.signer(world.clock())
    mint(here, signer, [RECORD], at=world.clock())
    lines = len(list(here.store.signatures()))

    code = act(world, there, signer)
    made = len(list(here.store.signatures())) - lines  # key sets
    with pytest.raises((ConflictError, KeyUnavailableError)) as refused:
        mint(here, signer, [record(2)], at=world.clock.move(1))
    with pytest.raises((ConflictError, KeyUnavailableError)):
        add_event(here, signer, RECORD, SNAPSHOT, at=world.clock.move(1))

    assert refused.value.code == code
    assert here.store.events_of(record(2).number.suffix) == []
    assert len(here.store.events_of(RECORD.number.suffix)) == 1
    assert len(list(here.store.signatures())) == lines + made


@pytest.mark.parametrize("act", ACTS)
def test_a_reissue_under_way_ends_with_its_key(world: World, act) -> None:  # type: ignore[no-untyped-def]
    here, there = world.desk(), world.desk()
    old = here.active_key().key_id
    mint(here, here.signer(world.clock()), [RECORD, record(2)], at=world.clock())
    turn(world, here)
    turn(world, here)
    signer = here.signer(world.clock())
    job = plan_reissue(here, old, "rotation", at=world.clock.move(1))
    batches = run(here, signer, job, clock=world.clock, limit=1)
    next(batches)
    batches.close()

    batches = run(here, signer, job, clock=world.clock)
    code = act(world, there, signer)
    with pytest.raises((ConflictError, KeyUnavailableError)) as refused:
        list(batches)

    assert refused.value.code in (code, "reissue.key")
    assert here.store.count_staged(job.job) == 1


def test_a_reissue_by_a_clock_set_back_is_dated_as_it_was_first_issued(world: World) -> None:
    desk = world.desk()
    old = desk.active_key().key_id
    turn(world, desk)
    first = world.clock.move(100)
    mint(desk, desk.signer(first), [RECORD], at=first)
    world.clock.move(-100)
    turn(world, desk)
    signer = desk.signer(world.clock.move(1))
    job = plan_reissue(desk, old, "rotation", at=world.clock())
    assert world.clock() < first

    assert list(run(desk, signer, job, clock=world.clock)) == [[RECORD.number.suffix]]

    staged = desk.store.find_staged(job.job, RECORD.number.suffix)
    assert staged is not None
    receipt = Event.parse(staged).body.payload["receipt"]
    assert receipt["first_computed_at"] == receipt["last_reissued_at"] == first.micro_text


# -- claims that were left open ------------------------------------------------


def left_open(world: World, desk: Desk) -> None:
    """A mint and an event, each claimed and killed before it was signed."""
    signer = desk.signer(world.clock())
    mint(desk, signer, [RECORD], at=world.clock())
    desk.store.claim_mints([record(2)], at=world.clock())
    plan = plan_event(desk, desk.signer_ref(signer), RECORD, SNAPSHOT, at=world.clock())
    head = event_bytes(plan.body.prev_event)
    body = canonical(plan.body.to_json())
    intent = Intent(RECORD.number.suffix, head, world.clock(), body)
    assert desk.store.claim(intent, desk.registry) == intent


def successor(world: World, desk: Desk, act: str) -> Instant:
    """Another key signs from now on; gives since when it is valid."""
    if act == "rotation":
        turn(world, desk)
        turn(world, desk)
    else:
        world.recovery(desk, "safe:")
        compromise(world, desk, desk.active_key().key_id)
    return entry(desk, desk.active_key().key_id).valid_from


@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize("act", ["rotation", "compromise"])
def test_what_the_key_before_claimed_is_made_with_a_time_of_the_key_after(
    world: World, act: str, again: bool
) -> None:
    desk = world.desk()
    left_open(world, desk)
    since = successor(world, desk, act)
    signer = desk.signer(world.clock.move(5))

    if again:  # the same commands again
        mint(desk, signer, [record(2)], at=world.clock())
        add_event(desk, signer, RECORD, SNAPSHOT, at=world.clock())
    else:  # any other mint
        assert len(list(finish_interrupted(desk, signer, at=world.clock()))) == 1

    assert desk.store.count_intents() == 0
    (made,) = desk.store.events_of(record(2).number.suffix)
    assert made.body.created_at >= since
    assert build_bundle(desk, signer, record(2), at=world.clock.move(1))
    assert len(desk.store.events_of(RECORD.number.suffix)) == 1 + again


# -- distrust never gets less --------------------------------------------------


def test_what_is_distrusted_from_its_first_day_stays_so(world: World) -> None:
    desk = world.desk()
    beside = desk.store.list_keys()[1].key_id
    row = recovery_key(
        desk, world.place("safe:"), key_id=None, seed=bytes([70]) * 32, at=world.clock.move(1)
    )
    body = with_recovery_key(desk, row, threshold=None, at=world.clock.move(1))
    enact_recovery_key(desk, body, row, at=world.clock())
    turn(world, desk)
    at = world.clock.move(600)
    revoke_key(
        desk,
        revoked_body(desk, beside, reason="lost", threshold=None, at=at),
        beside,
        reason="lost",
        at=at,
    )

    with pytest.raises(ConflictError) as refused:
        compromise(world, desk, beside)

    assert refused.value.code == "keyset.act"
    assert entry(desk, beside).compromised_since is None
