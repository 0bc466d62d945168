"""Several processes at one job, killed or cut off in mid-shard: all is done, nothing twice."""

import os
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from registry.protocol.instant import Instant
from registry.protocol.record import Record
from registry.services import reissue_plan
from registry.services.desk import Desk
from registry.services.find import merged
from registry.services.job_work import find_job, open_jobs, work
from registry.services.jobs import described
from registry.services.mint import mint, receipt_of
from registry.services.minting import Pair, mint_all
from registry.services.reissue_plan import plan_reissue
from registry.services.reissue_run import open_job, run
from registry.services.reissue_switch import switch
from registry.signing.signer import Signer
from tests.cli.lab import record
from tests.services.registry import START, World, paper
from tests.services.reissued import rotate
from tests.services.test_jobs import assert_sound, contents, put

T = TypeVar("T")
SHARDS, SIZE = 9, 3


@pytest.fixture(name="engine_url")
def _engine_url(store_url: str | None) -> str | None:
    """Each engine in turn."""
    return store_url


def forked(world: World, behind: float, act: Callable[[Desk, Signer], None]) -> int:
    """A process of its own that does something at the registry, its clock so many seconds
    behind; its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        clock = lambda: Instant(world.clock().micros - round(behind * 1e6))  # noqa: E731
        desk = Desk(world.config, world.desk().store, world.key_store, clock)
        act(desk, desk.signer(clock()))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def worker(desk: Desk, signer: Signer) -> None:
    """What `pith job work` does."""
    for _ in work(desk, signer, open_jobs(desk, None), clock=desk.clock):
        pass


def dying(writes: int) -> Callable[[Desk, Signer], None]:
    """The same, killed at a transaction: in it, before it is kept, or right after it."""

    def act(desk: Desk, signer: Signer) -> None:
        engine = desk.store._engine
        kept, left = engine.write, [writes]

        def write(do: Callable[[], T]) -> T:
            left[0] -= 1
            if left[0] == 0 and writes % 2:
                return kept(lambda: killed(do()))
            result = kept(do)
            return killed(result) if left[0] == 0 else result

        engine.write = write  # type: ignore[method-assign]
        worker(desk, signer)

    return act


def killed(result: T) -> T:
    """Nothing more is done."""
    os.kill(os.getpid(), signal.SIGKILL)
    return result


def ended(*children: int) -> list[int]:
    """The exit codes of processes, or the signals that ended them as negative numbers."""
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def pages(first: int) -> list[list[Pair]]:
    """The pairs of a job, a list a shard."""
    numbers = range(first, first + SHARDS * SIZE)
    pairs = [Pair.of(record(number), paper()) for number in numbers]
    return [pairs[i : i + SIZE] for i in range(0, len(pairs), SIZE)]


@pytest.mark.parametrize("behind", [0, 3])
def test_a_mint_by_three_of_whom_one_is_killed(world: World, tmp_path: Path, behind: int) -> None:
    world.clock.move(86_400)
    deaths, given = 0, []
    for writes in (1, 2, 3, 6):
        given += pages(writes * 100)
        with world.desk().store as store:
            put(Desk(world.config, store, world.key_store, world.clock), pages(writes * 100))
        victim = forked(world, behind, dying(writes))
        others = [forked(world, 0, worker), forked(world, behind / 2, worker)]

        assert ended(*others) == [0, 0]
        (end,) = ended(victim)
        assert end in (0, -signal.SIGKILL)
        deaths += end != 0

    assert deaths >= 2, "the others were too fast for it"
    desk = world.desk()
    for job in desk.store.list_jobs():
        found = described(desk, job)
        assert (job.state, found.done, found.shards.done) == ("done", SHARDS * SIZE, SHARDS)
    assert desk.store.count_intents() == 0
    if behind == 0:
        other = World(tmp_path / "other").begin().desk()
        list(mint_all(other, other.signer(world.clock()), given, clock=world.clock))
        assert contents(desk) == contents(other)
    else:
        times = {receipt_of(desk, record(n)).first_computed_at for n in range(100, 127)}
        assert times <= {Instant(world.clock().micros - ago) for ago in (0, 1_500_000, 3_000_000)}
    assert_sound(desk)


@pytest.fixture(name="planned")
def _planned(world: World, monkeypatch: pytest.MonkeyPatch) -> Sequence[Record]:
    """The records of a reissue in small shards, which was accepted."""
    monkeypatch.setattr(reissue_plan, "SHARD", SIZE)
    records = [record(number) for number in range(1, 1 + SHARDS * SIZE)]
    with world.desk().store as store:
        desk = Desk(world.config, store, world.key_store, world.clock)
        mint(desk, desk.signer(START), records, at=START)
        old, _ = rotate(desk, lambda: world.clock.move(60))
        job = plan_reissue(desk, old, "rotation", at=desk.clock())
        for _ in run(desk, desk.signer(desk.clock()), job, clock=desk.clock, limit=1):
            pass
    return records


@pytest.mark.parametrize("writes", [2, 3, 4, 5])
def test_a_reissue_by_three_of_whom_one_is_killed(
    world: World, planned: Sequence[Record], writes: int
) -> None:
    victim = forked(world, 0, dying(writes))
    others = [forked(world, 0, worker), forked(world, 0, worker)]

    assert ended(*others) == [0, 0]
    assert ended(victim)[0] in (0, -signal.SIGKILL)
    desk = world.desk()
    found = described(desk, open_job(desk))
    assert (found.left, found.shards.done) == (0, SHARDS)
    switch(desk, desk.signer(desk.clock()), open_job(desk), clock=desk.clock)
    for each in planned:
        graph = merged(desk, each.number)
        assert [event.body.event_type for event in graph.events] == ["record_created"] * 2
        assert receipt_of(desk, each).last_reissued_at == world.clock()
    assert desk.store._rows("SELECT count(*) FROM discarded", {}) == [(0,)]
    assert_sound(desk)


def test_a_shard_is_taken_over_at_once(world: World) -> None:
    """One stops in mid-shard and another waits; when the first is killed it goes on."""
    with world.desk().store as store:
        put(Desk(world.config, store, world.key_store, world.clock), pages(1)[:1])

    def stopping(desk: Desk, signer: Signer) -> None:
        with desk.store.take_shard(1):
            os.kill(os.getpid(), signal.SIGSTOP)

    victim = forked(world, 0, stopping)
    os.waitpid(victim, os.WUNTRACED)
    other = forked(world, 0, worker)
    time.sleep(0.5)
    desk = world.desk()
    assert described(desk, find_job(desk, 1)).shards.held == 1
    assert desk.store.count_minted() == 0
    began = time.monotonic()
    os.kill(victim, signal.SIGKILL)

    assert ended(victim, other) == [-signal.SIGKILL, 0]
    assert time.monotonic() - began < 3
    assert desk.store.count_minted() == SIZE


def test_workers_whose_connections_are_cut_go_on(world: World) -> None:
    """Every back-end of the server is ended, again and again, while two work."""
    if world.store is None:
        pytest.skip("a file has no connections")
    from tests.postgres import server

    with world.desk().store as store:
        desk = Desk(world.config, store, world.key_store, world.clock)
        put(desk, [page for first in range(100, 600, 100) for page in pages(first)])
    workers = [forked(world, 0, worker), forked(world, 0, worker)]
    database = world.store.removeprefix("postgresql:///").split("?")[0]
    cut = 0
    for _ in range(6):
        time.sleep(0.15)
        cut += len(
            server().admin(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                f"WHERE datname = '{database}' AND state IS NOT NULL"
            )
        )

    assert ended(*workers) == [0, 0]
    assert cut >= 4
    desk = world.desk()
    found = described(desk, find_job(desk, 1))
    assert (found.job.state, found.done) == ("done", 5 * SHARDS * SIZE)
    assert desk.store.count_minted() == 5 * SHARDS * SIZE
    assert_sound(desk)
