"""Reissue: planned and frozen, signed and staged, looked at, switched all at once."""

from dataclasses import replace
from pathlib import Path

import pytest

from registry.errors import ConflictError, KeyUnavailableError, NotFoundError, PithError
from registry.protocol.bundle_checks import examine_bundle
from registry.protocol.canonical import canonical
from registry.protocol.event import EventBody, record_created
from registry.protocol.graph import graph_snapshot
from registry.protocol.instant import Instant
from registry.protocol.keyset_acts import revoke, set_recovery
from registry.protocol.number import PithNumber
from registry.protocol.receipt import Receipt
from registry.protocol.trust import KeySetPin, Terms
from registry.services import reissue_plan
from registry.services.append import add_graph_snapshot
from registry.services.audit import audit
from registry.services.bundle import build_bundle
from registry.services.desk import Desk
from registry.services.enact import enact
from registry.services.find import merged
from registry.services.job_shards import Allowance
from registry.services.keys import create_key, key_object, recovery_object
from registry.services.mint import event_line, mint, receipt_of
from registry.services.reissue_plan import plan_reissue
from registry.services.reissue_run import accepted_job, open_job, progress, run
from registry.services.reissue_switch import drawn, sample, switch
from registry.signing.documents import sign_event, sign_receipt
from registry.signing.signer import SeedSigner
from registry.store.jobs import CHANGED, NOT_DERIVED
from registry.store.rows import Intent, event_bytes
from registry.store.shards import Job
from registry.store.store import Store
from tests.cli.lab import record
from tests.services.registry import START, SUCCESSOR_SEED, World, paper
from tests.services.reissued import compromise, rotate, signed, signers


@pytest.fixture(name="engine_url")
def _engine_url(store_url: str | None) -> str | None:
    """Each engine in turn."""
    return store_url


COUNT = 12
RECORDS = [record(i) for i in range(1, COUNT + 1)]


@pytest.fixture(name="desk")
def _desk(world: World) -> Desk:
    """A registry that minted some records."""
    desk = world.desk()
    mint(desk, desk.signer(desk.clock()), RECORDS, at=START)
    return desk


def planned(world: World, desk: Desk) -> Job:
    """Its key rotated, and all of it planned."""
    old, _ = rotate(desk, lambda: world.clock.move(60))
    return plan_reissue(desk, old, "rotation", at=desk.clock())


def switched(desk: Desk, job: Job) -> int:
    """Switch a job."""
    return switch(desk, desk.signer(desk.clock()), job, clock=desk.clock)


def refused(code: str, error: type[PithError], act: object) -> None:
    """The call is refused by this rule."""
    with pytest.raises(error) as caught:
        act()  # type: ignore[operator]
    assert caught.value.code == code


# -- a whole life ------------------------------------------------------------------


def test_a_reissue_from_plan_to_switch(world: World, desk: Desk) -> None:
    before = {r: receipt_of(desk, r) for r in RECORDS}
    old, new = rotate(desk, lambda: world.clock.move(60))
    job = plan_reissue(desk, old, "rotation", at=desk.clock())
    at = world.clock.move(60)

    subjects = signed(desk, job)
    assert subjects == sorted(r.number.suffix for r in RECORDS)
    assert {r: receipt_of(desk, r) for r in RECORDS} == before, "nothing is shown yet"
    assert switched(desk, open_job(desk)) == 0

    for each in RECORDS:
        found = receipt_of(desk, each)
        assert (found.key_id, before[each].key_id) == (new, old)
        assert found.first_computed_at == before[each].first_computed_at == START
        assert found.last_reissued_at == found.signed_at == at
        graph = merged(desk, each.number)
        first, second = graph.events
        assert second.body.supersedes == (first.event_id,)
        assert second.body.prev_event == first.event_id
        assert second.body.created_at == at.whole
        assert graph.record_created == second
        assert desk.store.find_head(each.number.suffix, desk.registry) == second.event_id
        bundle = build_bundle(desk, desk.signer(desk.clock()), each, at=world.clock.move(1))
        terms = Terms((KeySetPin(desk.keyset(), "pinned"),), desk.clock())
        examine_bundle(bundle.to_bytes(), terms).require()
    assert open_job(desk).state == "switched"
    assert desk.store.count_staged(job.job) == 0
    assert audit(desk, []).ok


def test_the_plan_is_the_same_for_the_same_and_another_for_anything_else(
    world: World, desk: Desk
) -> None:
    job = planned(world, desk)
    old = desk.store.list_keys()[0].key_id
    again = plan_reissue(desk, old, "rotation", at=world.clock.move(60))
    few = [r.number for r in RECORDS[:5]]

    assert again == job
    digests = {job.digest}
    for reason, numbers in (("a theft", None), ("rotation", few), ("rotation", few[1:])):
        other = plan_reissue(desk, old, reason, numbers=numbers, at=desk.clock())
        assert progress(desk, other).receipts == (COUNT if numbers is None else len(numbers))
        digests.add(other.digest)
    assert len(digests) == 4
    assert open_job(desk).digest == other.digest


def test_only_the_newest_plan_runs_and_only_by_its_digest(world: World, desk: Desk) -> None:
    job = planned(world, desk)
    stale = plan_reissue(desk, desk.store.list_keys()[0].key_id, "other", at=desk.clock())

    refused("reissue.digest", ConflictError, lambda: signed(desk, job))
    refused("reissue.digest", ConflictError, lambda: open_job(desk, bytes(32)))
    refused("reissue.digest", ConflictError, lambda: accepted_job(desk))
    assert desk.store.count_staged(stale.job) == 0
    assert len(signed(desk, stale)) == COUNT
    assert accepted_job(desk).digest == stale.digest


def test_limit_resume_and_sample(world: World, desk: Desk) -> None:
    job = planned(world, desk)

    first = signed(desk, job, limit=5)
    halfway = progress(desk, open_job(desk))
    assert (len(first), halfway.signed, halfway.left) == (5, 5, COUNT - 5)
    refused("job.unsigned", ConflictError, lambda: switched(desk, open_job(desk)))
    world.clock.move(60)
    rest = signed(desk, job)
    assert first + rest == sorted(r.number.suffix for r in RECORDS)
    assert signed(desk, job) == []

    signer = desk.signer(desk.clock())
    every = list(drawn(desk, open_job(desk), 99, lambda count, among: list(range(among))))
    assert every == first + rest
    assert sample(desk, signer, open_job(desk), every, at=desk.clock()) == COUNT
    switched(desk, open_job(desk))
    last = list(drawn(desk, open_job(desk), 2, lambda count, among: [0, among - 1]))
    assert last == [every[0], every[-1]]
    assert sample(desk, signer, open_job(desk), every, at=desk.clock()) == COUNT
    assert desk.store._rows("SELECT count(*) FROM bundles", {}) == [(0,)]
    assert audit(desk, []).ok


def test_a_sample_finds_a_staged_event_that_is_spoilt(world: World, desk: Desk) -> None:
    job = planned(world, desk)
    subject = signed(desk, job)[0]
    body = desk.store.find_staged(job.job, subject)
    assert body is not None
    spoilt = body.replace(b'"builder_version":"pith', b'"builder_version":"pits')
    change(
        world,
        "UPDATE staged SET body = :body WHERE subject = :subject",
        {"body": spoilt, "subject": subject},
    )

    with pytest.raises(PithError):
        sample(desk, desk.signer(desk.clock()), open_job(desk), [subject], at=desk.clock())


def change(world: World, statement: str, values: dict[str, object]) -> None:
    """What somebody with the database could do."""
    with Store(world.config.store) as store:
        store._rows(statement, values)


# -- which receipts ----------------------------------------------------------------


def test_only_receipts_of_our_own_journal_are_taken(world: World, desk: Desk) -> None:
    """An event that our key signed, and that no line of the journal tells of."""
    stranger, twice = record(50), RECORDS[0]
    signer = desk.signer(desk.clock())
    for each in (stranger, twice):
        receipt = sign_receipt(
            signer,
            each,
            first_computed_at=START,
            last_reissued_at=START,
            signed_at=START,
            builder_version="a thief's",
        )
        body = record_created(each, receipt, desk.signer_ref(signer))
        head = desk.store.find_head(each.number.suffix, desk.registry)
        imported = sign_event(signer, replace(body, prev_event=head), signed_at=START)
        desk.store.claim_mints([each], at=START)
        desk.store.add_own_events([(imported, [])])
    job = planned(world, desk)

    items = {item.number: item for item in desk.store.items(job.job)}
    assert stranger.number not in items
    (mine,) = [e for e in desk.store.events_of(twice.number.suffix) if e.body.prev_event is None]
    assert items[twice.number].old == event_bytes(mine.event_id)
    for number in (stranger.number, record(60).number):
        refused(
            "reissue.number",
            NotFoundError,
            lambda number=number: plan_reissue(
                desk, mine.signature.key_id, "x", numbers=[number], at=desk.clock()
            ),
        )


def test_a_number_of_another_year_is_not_ours(world: World, desk: Desk) -> None:
    old, _ = rotate(desk, lambda: world.clock.move(60))
    wrong = PithNumber(1999, RECORDS[0].number.suffix)

    refused(
        "reissue.number",
        NotFoundError,
        lambda: plan_reissue(desk, old, "x", numbers=[wrong], at=desk.clock()),
    )


def test_the_key_that_signs_now_and_unknown_keys_are_refused(world: World, desk: Desk) -> None:
    active = desk.active_key().key_id
    plan = lambda key: plan_reissue(desk, key, "x", at=desk.clock())  # noqa: E731

    refused("reissue.key", ConflictError, lambda: plan(active))
    refused("key.absent", NotFoundError, lambda: plan("nobody-1"))
    refused("reissue.none", NotFoundError, lambda: open_job(desk))


def test_unproven_and_invalid_receipts_want_their_record_derived_again(world: World) -> None:
    desk = world.desk()
    signer = desk.signer(desk.clock())
    mint(desk, signer, RECORDS[:3], at=START)
    late = world.clock.move(86_400)
    mint(desk, signer, RECORDS[3:6], at=late)
    since = START.plus(seconds=3600)
    old, new = compromise(world, desk, since=since)

    job = plan_reissue(desk, old, "stolen", at=desk.clock())
    assert sorted(desk.store.count_items(job.job)) == [
        ("invalid", NOT_DERIVED, 3),
        ("unproven", NOT_DERIVED, 3),
    ]
    left = {str(number) for number, _, _ in desk.store.left_out(job.job)}
    assert left == {str(r.number) for r in RECORDS[:6]}

    derived = [RECORDS[0], RECORDS[4], record(70)]
    other = plan_reissue(desk, old, "stolen", derived=derived, at=desk.clock())
    assert other.digest != job.digest
    assert progress(desk, other).receipts == 2
    at = world.clock.move(60)
    signed(desk, other)
    signer = desk.signer(desk.clock())
    subjects = [RECORDS[0].number.suffix, RECORDS[4].number.suffix]
    assert sample(desk, signer, open_job(desk), subjects, at=desk.clock()) == 2
    switched(desk, open_job(desk))

    for each in (RECORDS[0], RECORDS[4]):
        receipt = receipt_of(desk, each)
        assert (receipt.key_id, receipt.first_computed_at) == (new, at)
        bundle = build_bundle(desk, signer, each, at=world.clock.move(1))
        assert [e["signer"]["key_id"] for e in bundle.body.value["events"]] == [new]
        terms = Terms((KeySetPin(desk.keyset(), "pinned"),), desk.clock())
        examine_bundle(bundle.to_bytes(), terms).require()
    refused(
        "trust.verdicts",
        PithError,
        lambda: build_bundle(desk, signer, RECORDS[1], at=desk.clock()),
    )
    assert audit(desk, []).ok


def test_what_does_not_verify_any_more_is_left_out_and_named(world: World, desk: Desk) -> None:
    victim = RECORDS[2]
    (event,) = desk.store.events_of(victim.number.suffix)
    value = event.to_json()
    receipt = Receipt.from_json(value["payload"]["receipt"])
    backdated = replace(receipt, first_computed_at=START.plus(days=-3000))
    value["payload"]["receipt"] = backdated.to_json()
    change(
        world,
        "UPDATE events SET body = :body WHERE event_id = :event_id",
        {"body": canonical(value), "event_id": event_bytes(event.event_id)},
    )

    job = planned(world, desk)

    (left,) = desk.store.left_out(job.job)
    assert (left[0], left[1]) == (victim.number, "invalid")
    assert progress(desk, job).receipts == COUNT - 1


# -- keys ----------------------------------------------------------------------------


def test_another_active_key_stops_the_job_and_a_new_plan_gives_it_up(
    world: World, desk: Desk
) -> None:
    job = planned(world, desk)
    staged = signed(desk, job, limit=4)
    since = world.clock.move(60)
    revoke_new_key(world, desk, since)
    newest = desk.active_key().key_id

    refused("reissue.key", ConflictError, lambda: signed(desk, job))
    refused("reissue.key", ConflictError, lambda: switched(desk, open_job(desk)))

    old = desk.store.list_keys()[0].key_id
    other = plan_reissue(desk, old, "again", at=world.clock.move(60))
    assert desk.store.count_staged(job.job) == 0
    assert desk.store.find_staged(job.job, staged[0]) is None
    assert audit(desk, []).ok
    assert len(signed(desk, other)) == COUNT
    switched(desk, open_job(desk))
    assert receipt_of(desk, RECORDS[0]).key_id == newest


def revoke_new_key(world: World, desk: Desk, since: Instant) -> None:
    """Make a third key the active one."""
    active = desk.active_key().key_id
    rows = [
        create_key(desk, world.keys, key_id=key_id, usage=usage, seed=seed, at=since)
        for key_id, usage, seed in (
            ("recovery-1", "recovery", b"r" * 32),
            ("lab-v3", "registry", b"3" * 32),
        )
    ]
    body = set_recovery(
        desk.keyset().body, add=[recovery_object(desk.config, rows[0])], threshold=1, at=since
    )
    both = signers(desk, active, "recovery-1")
    enact(desk, body, both, act="recovery", reason="a test", at=since)
    at = world.clock.move(60)
    heir = key_object(desk.config, "lab-v3", rows[1].public_key, at)
    body = revoke(desk.keyset().body, active, since=since, reason="x", at=at, heir=heir)
    both = signers(desk, "recovery-1", "lab-v3")
    enact(desk, body, both, act="revoke", reason="a test", at=at)
    world.clock.move(60)


def test_a_signer_of_another_key_signs_nothing(world: World, desk: Desk) -> None:
    job = planned(world, desk)
    old = desk.store.list_keys()[0]
    stranger = desk.key_store(old.uri).open(old.key_id, old.public_key)

    refused(
        "reissue.key",
        ConflictError,
        lambda: list(run(desk, stranger, job, clock=desk.clock)),
    )
    assert desk.store.count_staged(job.job) == 0


class Failing(SeedSigner):
    """A signer whose key goes away after so many signatures."""

    left = 0

    def _sign_twice(self, message: bytes) -> bytes:
        if self.left == 0:
            raise KeyUnavailableError("the key is gone", code="key.gone", hint="find it")
        self.left -= 1
        return super()._sign_twice(message)


def test_a_key_that_goes_away_is_a_clean_stop(world: World, desk: Desk) -> None:
    job = planned(world, desk)
    active = desk.active_key()
    failing = Failing(active.key_id, SUCCESSOR_SEED, active.key)
    failing.left = 5

    with pytest.raises(KeyUnavailableError):
        list(run(desk, failing, job, clock=desk.clock))

    assert desk.store.count_staged(job.job) == 0
    claimed_at = desk.clock()
    world.clock.move(600)
    assert len(signed(desk, job)) == COUNT
    switched(desk, open_job(desk))
    assert {receipt_of(desk, r).last_reissued_at for r in RECORDS} == {claimed_at}


def test_a_claim_of_days_ago_gets_a_new_time(world: World, desk: Desk) -> None:
    job = planned(world, desk)
    active = desk.active_key()
    with pytest.raises(KeyUnavailableError):
        list(run(desk, Failing(active.key_id, SUCCESSOR_SEED, active.key), job, clock=desk.clock))
    later = world.clock.move(3 * 86_400)

    signed(desk, job)
    switched(desk, open_job(desk))

    assert {receipt_of(desk, r).last_reissued_at for r in RECORDS} == {later}


def test_a_clock_set_back_signs_nothing(world: World, desk: Desk) -> None:
    job = planned(world, desk)
    signer = desk.signer(desk.clock())
    list(run(desk, signer, job, clock=desk.clock, limit=2))
    world.clock.move(-86_400)

    refused(
        "clock.backwards",
        ConflictError,
        lambda: list(run(desk, signer, job, clock=desk.clock)),
    )


# -- chains that move ------------------------------------------------------------------


def test_a_staged_event_whose_chain_moved_is_made_again(world: World, desk: Desk) -> None:
    job = planned(world, desk)
    signed(desk, job)
    moved = RECORDS[3]
    at = world.clock.move(60)
    signer = desk.signer(at)
    snapshot, _ = add_graph_snapshot(desk, signer, moved, paper(), at=at)
    given_up = desk.store.find_staged(job.job, moved.number.suffix)
    assert sample(desk, signer, open_job(desk), [moved.number.suffix], at=at) == 1
    world.clock.move(60)

    assert switched(desk, open_job(desk)) == 1

    graph = merged(desk, moved.number)
    assert [e.body.event_type for e in graph.events] == [
        "record_created",
        "graph_snapshot",
        "record_created",
    ]
    assert graph.equivocations == ()
    assert graph.events[2].body.prev_event == snapshot.event_id
    assert graph.receipt is not None
    assert graph.receipt.key_id == signer.key_id
    assert graph.receipt.first_computed_at == START
    assert given_up not in [e.canonical for e in graph.events]
    assert audit(desk, []).ok
    build_bundle(desk, signer, moved, at=world.clock.move(1))


def test_a_chain_that_moved_before_the_run_is_followed(world: World, desk: Desk) -> None:
    job = planned(world, desk)
    at = world.clock.move(60)
    snapshot, _ = add_graph_snapshot(desk, desk.signer(at), RECORDS[0], paper(), at=at)
    signed(desk, job)

    assert switched(desk, open_job(desk)) == 0
    assert merged(desk, RECORDS[0].number).events[2].body.prev_event == snapshot.event_id


def test_an_open_claim_on_a_record_is_finished_before_the_switch(world: World, desk: Desk) -> None:
    job = planned(world, desk)
    signed(desk, job)
    at = world.clock.move(60)
    signer = desk.signer(at)
    subject = RECORDS[0].number.suffix
    head = desk.store.find_head(subject, desk.registry)
    body = claim_of_a_snapshot(desk, at)
    desk.store.claim(Intent(subject, event_bytes(head), at, body), desk.registry)

    assert switched(desk, open_job(desk)) == 1

    graph = merged(desk, RECORDS[0].number)
    assert [e.body.event_type for e in graph.events][1] == "graph_snapshot"
    assert graph.equivocations == ()
    assert graph.receipt is not None
    assert graph.receipt.key_id == signer.key_id
    assert desk.store.count_intents() == 0


def claim_of_a_snapshot(desk: Desk, at: Instant) -> bytes:
    """The body that an interrupted `event add` would have claimed."""
    signer = desk.signer(at)
    snapshot = graph_snapshot(paper(), RECORDS[0], builder_version="x")
    head = desk.store.find_head(RECORDS[0].number.suffix, desk.registry)
    body = EventBody(
        "graph_snapshot",
        RECORDS[0].number,
        "graph",
        {"graph_snapshot": snapshot, "verdict_id": None},
        desk.signer_ref(signer),
        at.whole,
        (),
        head,
    )
    return canonical(body.to_json())


def test_a_record_that_was_issued_otherwise_meanwhile_is_left_out(world: World, desk: Desk) -> None:
    job = planned(world, desk)
    target = RECORDS[0]
    at = world.clock.move(60)
    signer = desk.signer(at)
    receipt = sign_receipt(
        signer,
        target,
        first_computed_at=START,
        last_reissued_at=at,
        signed_at=at,
        builder_version="x",
    )
    (first,) = desk.store.events_of(target.number.suffix)
    body = record_created(
        target,
        receipt,
        desk.signer_ref(signer),
        supersedes=(first.event_id,),
        prev_event=first.event_id,
    )
    event = sign_event(signer, body, signed_at=at)
    desk.store.add_own_events([(event, [event_line(event)])])

    assert len(signed(desk, job)) == COUNT - 1
    assert [why for _, _, why in desk.store.left_out(job.job)] == [CHANGED]
    switched(desk, open_job(desk))
    assert len(merged(desk, target.number).events) == 2


# -- who may work at it -----------------------------------------------------------------


def test_nobody_plans_or_switches_while_another_signs(world: World, desk: Desk) -> None:
    job = planned(world, desk)
    other = world.desk()
    running = run(desk, desk.signer(desk.clock()), job, clock=desk.clock, limit=3)
    next(running)

    refused("job.busy", ConflictError, lambda: switched(other, open_job(other)))
    old = desk.store.list_keys()[0].key_id
    refused("job.busy", ConflictError, lambda: plan_reissue(other, old, "x", at=desk.clock()))
    list(running)
    assert len(signed(other, job)) == COUNT - 3


def test_two_runs_at_once_sign_each_its_shards(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reissue_plan, "SHARD", 5)
    job = planned(world, desk)
    other = world.desk()
    one = run(desk, desk.signer(desk.clock()), job, clock=desk.clock, allowance=Allowance(2))
    two = run(other, other.signer(other.clock()), job, clock=other.clock, allowance=Allowance(1))
    signed_by = [next(one), next(two)]
    assert desk.store.count_shards(job.job).held == 2

    signed_by += [next(one), *one, *two]

    assert [len(subjects) for subjects in signed_by] == [5, 5, 2]
    assert sorted(subject for page in signed_by for subject in page) == sorted(
        r.number.suffix for r in RECORDS
    )
    counted = desk.store.count_shards(job.job)
    assert (counted.open, counted.held, counted.done) == (0, 0, 3)
    assert switched(desk, open_job(desk)) == 0
    assert audit(desk, []).ok


def test_a_job_that_runs_is_finished_before_another_is_planned(world: World, desk: Desk) -> None:
    job = planned(world, desk)
    signed(desk, job, limit=1)
    old = desk.store.list_keys()[0].key_id

    refused(
        "reissue.open", ConflictError, lambda: plan_reissue(desk, old, "other", at=desk.clock())
    )
    signed(desk, job)
    switched(desk, open_job(desk))
    refused("job.ended", ConflictError, lambda: switched(desk, open_job(desk)))
    refused("job.ended", ConflictError, lambda: signed(desk, job))
    empty = plan_reissue(desk, old, "other", at=desk.clock())
    assert progress(desk, empty).receipts == 0


def test_a_plan_that_was_interrupted_is_cleared_away(world: World, desk: Desk) -> None:
    old, _ = rotate(desk, lambda: world.clock.move(60))

    def broken() -> object:
        yield RECORDS[0].number
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plan_reissue(desk, old, "x", numbers=broken(), at=desk.clock())  # type: ignore[arg-type]
    refused("reissue.none", NotFoundError, lambda: open_job(desk))

    job = plan_reissue(desk, old, "x", at=desk.clock())
    assert desk.store._rows("SELECT count(*) FROM jobs", {}) == [(1,)]
    assert progress(desk, job).receipts == COUNT


def test_the_homes_lock_is_private(world: World, desk: Desk) -> None:
    if world.store is not None:
        pytest.skip("the lock is in the database")
    planned(world, desk)
    place = Path(f"{world.config.store_path}-locks")

    assert place.stat().st_mode & 0o777 == 0o600
