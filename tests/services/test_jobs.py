"""Jobs by many: filled, taken a shard at a time, taken over, ended."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from registry.errors import ConflictError, KeyUnavailableError, NotFoundError, PithError, StoreError
from registry.protocol.graph import Paper
from registry.services import reissue_plan
from registry.services.audit import audit
from registry.services.check import check_store
from registry.services.desk import STOPPED, Desk
from registry.services.find import merged
from registry.services.job_fill import Filling, packed, unpacked
from registry.services.job_work import Step, abandon, find_job, open_jobs, work
from registry.services.jobs import described
from registry.services.mint import mint, receipt_of
from registry.services.minting import Pair, Passed, as_pair, mint_all
from registry.services.reissue_plan import plan_reissue
from registry.services.reissue_run import open_job, run, signed
from registry.services.reissue_switch import switch
from registry.store.jobs import Claim
from registry.store.rows import ActRow
from registry.store.shards import FIRST, LAST, Job
from tests.cli.lab import record
from tests.services.registry import START, World, paper
from tests.services.reissued import rotate
from tests.services.test_reissue import revoke_new_key

RECORDS = [record(i) for i in range(1, 13)]
PAIRS = [Pair.of(each, paper()) for each in RECORDS]


@pytest.fixture(name="engine_url")
def _engine_url(store_url: str | None) -> str | None:
    """Each engine in turn."""
    return store_url


ONE = packed([(RECORDS[0].canonical, None)])


def pages(size: int = 4) -> list[list[Pair]]:
    """All pairs, so many a page."""
    return [PAIRS[i : i + size] for i in range(0, len(PAIRS), size)]


def filled(desk: Desk, size: int = 4) -> Job:
    """A mint job of them all."""
    job = put(desk, pages(size))
    assert job is not None
    return job


def put(desk: Desk, given: Iterable[list[Pair]]) -> Job | None:
    """A mint job of pages of pairs, if there is one."""
    filling = Filling(desk, at=desk.clock())
    for page in filling.fill((as_pair, pairs) for pairs in given):
        assert all(isinstance(each, Passed) and each.snapshot is None for each in page)
    return filling.job


def worked(desk: Desk, job: int | None = None, most: int | None = None) -> list[Step]:
    """Work at jobs as the command does."""
    signer = desk.signer(desk.clock())
    return list(work(desk, signer, open_jobs(desk, job), clock=desk.clock, most=most))


def refused(code: str, error: type[PithError], act: object) -> PithError:
    """The call is refused by this rule."""
    with pytest.raises(error) as caught:
        act()  # type: ignore[operator]
    assert caught.value.code == code
    return caught.value


def contents(desk: Desk) -> dict[str, list[tuple[object, ...]]]:
    """What minting leaves, but for the order in which it came."""
    columns = {
        "records": "suffix, digest, body",
        "events": "subject, event_type, event_id, body",
        "heads": "subject, signer_id, event_id",
        "signatures": "key_id, kind, digest, at",
        "intents": "subject, prev, at",
    }
    return {
        table: sorted(desk.store._rows(f"SELECT {listed} FROM {table}", {}))
        for table, listed in columns.items()
    }


def assert_sound(desk: Desk) -> None:
    """Store check finds nothing, and the journal agrees."""
    assert list(check_store(desk, lambda _: None)) == []
    assert audit(desk, []).ok


# -- mint jobs -----------------------------------------------------------------------


def test_a_mint_job_makes_the_bytes_of_a_mint(world: World, desk: Desk, tmp_path: Path) -> None:
    job = filled(desk)
    assert described(desk, job).to_json() | {"digest": ""} == {
        "job": 1,
        "kind": "mint",
        "state": "running",
        "digest": "",
        "begun_at": START.seconds,
        "ended_at": None,
        "records": 12,
        "done": 0,
        "new": 0,
        "before": 0,
        "left": 12,
        "shards": {"open": 3, "held": 0, "done": 0},
        "rate": 0,
    }
    assert desk.store.count_minted() == 0

    assert worked(desk) == [Step(1, 4, 4)] * 3

    other = World(tmp_path / "other").begin().desk()
    list(mint_all(other, other.signer(START), pages(), clock=lambda: START))
    assert contents(desk) == contents(other)
    found = described(desk, find_job(desk, 1))
    assert (found.job.state, found.new, found.left, found.shards.done) == ("done", 12, 0, 3)
    assert found.job.ended_at == START
    assert desk.store._rows("SELECT DISTINCT body FROM shards", {}) == [(b"",)]
    refused("job.ended", ConflictError, lambda: open_jobs(desk, 1))
    refused("job.none", NotFoundError, lambda: open_jobs(desk, None))
    refused("job.none", NotFoundError, lambda: open_jobs(desk, 2))
    assert_sound(desk)


def test_what_was_minted_before_is_counted_so(world: World, desk: Desk) -> None:
    mint(desk, desk.signer(START), RECORDS[:5], at=START)
    kept = receipt_of(desk, RECORDS[0])
    job = filled(desk)
    world.clock.move(60)

    worked(desk)

    found = described(desk, find_job(desk, job.job))
    assert (found.new, found.done) == (7, 12)
    assert receipt_of(desk, RECORDS[0]) == kept
    assert [e.body.event_type for e in merged(desk, RECORDS[0].number).events][1:] == [
        "graph_snapshot"
    ]


def test_several_jobs_and_so_many_shards_of_them(world: World, desk: Desk) -> None:
    filled(desk)
    second = put(desk, [[Pair(record(20).canonical)], [Pair(record(21).canonical)]])
    assert second is not None

    assert [step.job for step in worked(desk, most=4)] == [1, 1, 1, 2]
    assert [each.state for each in desk.store.list_jobs()] == ["done", "running"]
    world.clock.move(10)
    assert worked(desk, job=second.job) == [Step(2, 1, 1)]
    assert desk.store.count_minted() == 14
    found = described(desk, find_job(desk, 2))
    assert found.job.state == "done"


def test_what_is_abandoned_is_worked_at_no_more_while_a_shard_is_held(
    world: World, desk: Desk
) -> None:
    job = filled(desk)
    steps = work(desk, desk.signer(START), [job], clock=desk.clock)
    next(steps)
    if world.store is None:  # the other one waits for the shard that is held
        assert abandon(desk, 1, at=START).state == "abandoned"

        assert list(steps) == []
        assert desk.store.count_minted() == 4
    else:
        steps.close()
        abandon(desk, 1, at=START)
    found = described(desk, find_job(desk, 1))
    assert (found.records, found.left, found.shards.open) == (12, 0, 0)
    refused("job.ended", ConflictError, lambda: abandon(desk, 1, at=START))
    assert_sound(desk)


def test_a_reissue_is_not_abandoned_so(world: World, desk: Desk) -> None:
    mint(desk, desk.signer(START), RECORDS[:2], at=START)
    old, _ = rotate(desk, lambda: world.clock.move(1))
    job = plan_reissue(desk, old, "rotation", at=desk.clock())

    refused("job.state", ConflictError, lambda: abandon(desk, job.job, at=desk.clock()))


def test_the_rate_is_that_of_late(world: World, desk: Desk) -> None:
    job = filled(desk, 2)
    signer = desk.signer(desk.clock())
    for _ in work(desk, signer, [job], clock=desk.clock, most=5):
        world.clock.move(2)

    found = described(desk, find_job(desk, job.job))
    assert (found.rate, found.left) == (1.0, 2)


def test_nothing_is_no_job(desk: Desk) -> None:
    assert put(desk, []) is None
    assert desk.store.list_jobs() == []


def test_a_filling_that_is_broken_off_leaves_nothing(world: World, desk: Desk) -> None:
    other = world.desk()

    def broken() -> Iterator[list[Pair]]:
        yield PAIRS[:4]
        assert [each.state for each in other.store.list_jobs()] == ["making"]
        refused("job.state", ConflictError, lambda: open_jobs(other, 1))
        filled(other)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        put(desk, broken())

    assert [(each.job, each.state) for each in desk.store.list_jobs()] == [(2, "running")]
    assert desk.store._rows("SELECT DISTINCT job FROM shards", {}) == [(2,)]
    assert_sound(desk)


def test_a_filling_that_was_killed_is_cleared_by_the_next(world: World, desk: Desk) -> None:
    left = desk.store._begin_filling(START)
    desk.store._rows(
        "INSERT INTO shards (job, shard, state, first, last, records, made, at, body) "
        "VALUES (:job, 0, 'open', '', '', 1, 0, 0, :body)",
        {"job": left, "body": b""},
    )

    filled(desk)

    assert [each.state for each in desk.store.list_jobs()] == ["running"]
    assert_sound(desk)


@pytest.mark.parametrize("spoilt", [b"", b"x", ONE[:-9], ONE + b"x"])
def test_a_shard_that_is_spoilt_stops_its_worker(world: World, desk: Desk, spoilt: bytes) -> None:
    filled(desk)
    desk.store._rows("UPDATE shards SET body = :body WHERE shard = 1", {"body": spoilt})

    refused("store.damaged", StoreError, lambda: worked(desk))

    assert desk.store.count_minted() == 4
    assert described(desk, find_job(desk, 1)).shards.done == 1


def test_a_page_comes_out_as_it_went_in() -> None:
    page = [*PAIRS, Pair(record(30).canonical)]
    pairs = [(pair.record, pair.snapshot) for pair in page if not isinstance(pair.snapshot, Paper)]
    assert unpacked(packed(pairs)) == page  # type: ignore[arg-type]


# -- who may sign ----------------------------------------------------------------------


def test_a_worker_stops_at_the_shard_after_its_key_was_stopped(world: World, desk: Desk) -> None:
    job = filled(desk)
    signer = desk.signer(desk.clock())
    steps = work(desk, signer, [job], clock=desk.clock)
    next(steps)
    other = world.desk()
    other.store.add_act(ActRow(STOPPED, signer.key_id, "a test", START))

    refused("key.stopped", KeyUnavailableError, lambda: list(steps))

    assert desk.store.count_minted() == 4
    assert desk.store.count_intents() == 0


def test_a_worker_stops_when_another_key_signs(world: World, desk: Desk) -> None:
    job = filled(desk)
    steps = work(desk, desk.signer(desk.clock()), [job], clock=desk.clock)
    next(steps)
    rotate(world.desk(), lambda: world.clock.move(60))

    refused("keyset.moved", ConflictError, lambda: list(steps))
    assert sum(step.new for step in worked(desk)) == 8
    assert_sound(desk)


def test_a_worker_stops_past_the_promised_rotation(world: World, desk: Desk) -> None:
    job = filled(desk)
    steps = work(desk, desk.signer(desk.clock()), [job], clock=desk.clock)
    next(steps)
    world.clock.move(400 * 86_400)

    refused("key.past_rotation", KeyUnavailableError, lambda: list(steps))
    late = desk.signer(desk.clock(), "the ceremony is tomorrow")
    assert sum(step.new for step in work(desk, late, [job], clock=desk.clock)) == 8


@pytest.mark.parametrize(("behind", "works"), [(3, True), (50, True), (120, False)])
def test_clocks_that_differ(world: World, behind: int, works: bool) -> None:
    """Two machines, one of whose clocks is behind, each a shard in turn."""
    ahead, late = world.desk(), world.desk()
    job = filled(ahead)
    clock = lambda: world.clock().plus(seconds=-behind)  # noqa: E731
    world.clock.move(86_400)
    one = work(ahead, ahead.signer(ahead.clock()), [job], clock=ahead.clock, most=2)
    two = work(late, late.signer(world.clock()), [job], clock=clock)
    assert [step.new for step in one] == [4, 4]

    if not works:
        refused("clock.backwards", ConflictError, lambda: list(two))
        return
    assert [step.new for step in two] == [4]
    times = {receipt_of(ahead, each).first_computed_at for each in RECORDS}
    assert times == {world.clock(), clock()}
    assert_sound(ahead)


def test_a_receipt_is_not_issued_again_before_its_first_time(world: World, desk: Desk) -> None:
    first = world.clock.move(86_400)
    mint(desk, desk.signer(first), RECORDS, at=first.plus(seconds=40))
    old, _ = rotate(desk, lambda: world.clock.move(1))
    job = plan_reissue(desk, old, "rotation", at=desk.clock())

    for _ in run(desk, desk.signer(desk.clock()), job, clock=desk.clock):
        pass
    switch(desk, desk.signer(desk.clock()), open_job(desk), clock=desk.clock)

    assert receipt_of(desk, RECORDS[0]).last_reissued_at == first.plus(seconds=40)
    assert audit(desk, []).ok


# -- reissues ---------------------------------------------------------------------------


def test_a_reissue_is_worked_at_once_it_is_accepted(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reissue_plan, "SHARD", 5)
    mint(desk, desk.signer(START), RECORDS, at=START)
    old, new = rotate(desk, lambda: world.clock.move(60))
    job = plan_reissue(desk, old, "rotation", at=desk.clock())
    refused("reissue.digest", ConflictError, lambda: open_jobs(desk, job.job))
    refused("job.none", NotFoundError, lambda: open_jobs(desk, None))
    signer = desk.signer(desk.clock())
    list(run(desk, signer, job, clock=desk.clock, limit=1))

    assert [step.records for step in worked(desk, most=1)] == [4]
    assert described(desk, find_job(desk, job.job)).shards.done == 1
    assert [step.records for step in worked(desk)] == [5, 2]

    switch(desk, signer, open_job(desk), clock=desk.clock)
    found = described(desk, find_job(desk, job.job))
    assert (found.job.state, found.done, found.left) == ("switched", 12, 0)
    assert {receipt_of(desk, each).key_id for each in RECORDS} == {new}
    refused("job.ended", ConflictError, lambda: open_jobs(desk, job.job))
    assert_sound(desk)


def test_what_was_signed_before_a_switch_began_is_not_staged_after_it(
    world: World, desk: Desk
) -> None:
    """A worker that was thought dead: its hold is gone, and it goes on."""
    mint(desk, desk.signer(START), RECORDS, at=START)
    old, _ = rotate(desk, lambda: world.clock.move(60))
    job = plan_reissue(desk, old, "rotation", at=desk.clock())
    signer = desk.signer(desk.clock())
    list(run(desk, signer, job, clock=desk.clock))
    stale = open_job(desk)
    desk.store.begin_turn(job.job)

    refused(
        "job.ended", ConflictError, lambda: desk.store.stage(stale, signer.key_id, [], at=START)
    )
    desk.store.stage(open_job(desk), signer.key_id, [], at=desk.clock())


def test_a_switch_that_was_killed_after_it_discarded_is_resumed_and_switched(
    world: World, desk: Desk
) -> None:
    mint(desk, desk.signer(START), RECORDS, at=START)
    old, _ = rotate(desk, lambda: world.clock.move(60))
    job = plan_reissue(desk, old, "rotation", at=desk.clock())
    signer = desk.signer(desk.clock())
    list(run(desk, signer, job, clock=desk.clock))
    list(mint_all(desk, signer, [PAIRS[:2]], clock=desk.clock))  # moves two chains
    assert desk.store.discard_moved(job.job, desk.registry) == 2
    refused(
        "job.unsigned",
        ConflictError,
        lambda: switch(desk, signer, open_job(desk), clock=desk.clock),
    )

    assert [step.records for step in worked(desk)] == [2]
    assert switch(desk, signer, open_job(desk), clock=desk.clock) == 0
    assert_sound(desk)


def test_of_two_that_work_at_one_shard_each_place_is_claimed_by_one(
    world: World, desk: Desk
) -> None:
    """A worker whose hold was lost goes on beside the one that took over."""
    mint(desk, desk.signer(START), RECORDS, at=START)
    old, _ = rotate(desk, lambda: world.clock.move(60))
    job = plan_reissue(desk, old, "rotation", at=desk.clock())
    desk.store.begin_run(job.job, done=0, at=desk.clock())
    late = world.desk()
    signer = late.signer(world.clock())
    one = signed(late, signer, open_job(late), world.clock, limit=5)
    read = desk.store.unsigned(job.job, desk.registry, (FIRST, LAST), after="", count=5)
    next(one)

    at = world.clock.move(1)
    claims = [Claim(item.subject, item.head, at.micros, item.prev, item.at) for item in read]
    assert desk.store.claim_items(job.job, claims) == set()

    times = {item.subject: item.at for item in read}
    again = desk.store._rows("SELECT subject, at FROM job_items WHERE at <> 0", {})
    assert times.keys() == dict(again).keys()  # type: ignore[arg-type]
    assert {taken for _, taken in again} == {at.plus(seconds=-1).micros}


def test_a_reissue_of_another_key_stands_in_no_mints_way(world: World, desk: Desk) -> None:
    mint(desk, desk.signer(START), RECORDS[:3], at=START)
    old, _ = rotate(desk, lambda: world.clock.move(60))
    job = plan_reissue(desk, old, "rotation", at=desk.clock())
    list(run(desk, desk.signer(desk.clock()), job, clock=desk.clock, limit=1))
    put(desk, [[Pair(record(40).canonical)]])
    assert [each.kind for each in open_jobs(desk, None)] == ["reissue", "mint"]

    revoke_new_key(world, desk, world.clock.move(60))

    assert worked(desk) == [Step(2, 1, 1)]
    refused("reissue.key", ConflictError, lambda: worked(desk, job=job.job))


def test_records_that_are_not_there_end_a_reissue_with_a_word(world: World, desk: Desk) -> None:
    mint(desk, desk.signer(START), RECORDS, at=START)
    old, _ = rotate(desk, lambda: world.clock.move(60))
    job = plan_reissue(desk, old, "rotation", at=desk.clock())
    gone = {"subject": RECORDS[0].number.suffix}
    desk.store._rows("DELETE FROM heads WHERE subject = :subject", gone)

    again = run(desk, desk.signer(desk.clock()), job, clock=desk.clock)
    refused("store.damaged", StoreError, lambda: list(again))

    assert described(desk, find_job(desk, job.job)).left == 1
