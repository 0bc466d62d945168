"""kill -9 at every write of a run and a switch: nothing is lost, nothing made twice."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from registry.protocol.instant import Instant
from registry.services import reissue_run
from registry.services.audit import audit
from registry.services.desk import Desk
from registry.services.find import merged
from registry.services.mint import mint
from registry.services.reissue_plan import plan_reissue
from registry.services.reissue_run import open_job, progress
from registry.services.reissue_switch import switch
from tests.cli.lab import record
from tests.services.registry import START, World
from tests.services.reissued import rotate, signed

RECORDS = [record(i) for i in range(1, 4)]


class Files(apsw.VFS):
    """The real file system, until so many writes are done."""

    def __init__(self, writes: int) -> None:
        super().__init__("killed", "unix", makedefault=True)
        self.left = writes

    def xOpen(self, name: object, flags: list[int]) -> "File":  # noqa: N802 - SQLite's name
        """A file that counts."""
        return File(self, name, flags)


class File(apsw.VFSFile):
    """A file whose process is killed in place of the last write."""

    def __init__(self, files: Files, name: object, flags: list[int]) -> None:
        super().__init__("unix", name, flags)  # type: ignore[arg-type]
        self.files = files

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        """Write, or be killed."""
        if self.files.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.files.left -= 1
        super().xWrite(data, offset)


def killed(writes: int, work: Callable[[], None]) -> bool:
    """Whether *work*, in a process of its own, was killed at the write after so many."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            files = Files(writes)
            work()
            code = 0
            del files
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
    return os.WIFSIGNALED(status)


@pytest.fixture(name="prepared")
def _prepared(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A registry whose reissue is planned; batches are small."""
    monkeypatch.setattr(reissue_run, "BATCH", 2)
    desk = world.desk()
    mint(desk, desk.signer(desk.clock()), RECORDS, at=START)
    old, _ = rotate(desk, lambda: world.clock.move(60))
    plan_reissue(desk, old, "rotation", at=desk.clock())
    desk.store.close()
    return world


def copy_of(world: World, place: Path) -> World:
    """The same registry in another folder, with a clock of its own."""
    shutil.copytree(world.home, place)
    other = World(place, keys=world.keys)
    other.clock.at = world.clock()
    return other


def claimed(desk: Desk) -> dict[str, int]:
    """The times that are claimed."""
    return dict(desk.store._rows("SELECT subject, at FROM job_items WHERE at <> 0", {}))  # type: ignore[arg-type]


def whole(desk: Desk) -> None:
    """Each record has its old and one new event, the newer shown; the journal agrees."""
    for each in RECORDS:
        graph = merged(desk, each.number)
        assert [e.body.event_type for e in graph.events] == ["record_created"] * 2
        assert graph.equivocations == ()
        assert desk.store.find_head(each.number.suffix, desk.registry) == graph.events[-1].event_id
        assert graph.receipt is not None
        assert graph.receipt.key_id == desk.active_key().key_id
    assert desk.store.count_staged(open_job(desk).job) == 0
    assert desk.store._rows("SELECT count(*) FROM discarded", {}) == [(0,)]
    assert audit(desk, []).ok


def test_a_run_killed_at_any_write_goes_on_with_the_same_bytes(
    prepared: World, tmp_path: Path
) -> None:
    def work(world: World) -> Callable[[], None]:
        def run() -> None:
            desk = world.desk()
            signed(desk, open_job(desk))

        return run

    writes = 0
    while True:
        world = copy_of(prepared, tmp_path / str(writes))
        if not killed(writes, work(world)):
            break
        desk = world.desk()
        times = claimed(desk)
        kept = desk.store._rows("SELECT subject, body FROM staged", {})
        world.clock.move(600)
        signed(desk, open_job(desk))
        assert claimed(desk) | times == claimed(desk), "a time that was claimed has changed"
        found = dict(desk.store._rows("SELECT subject, body FROM staged", {}))  # type: ignore[arg-type]
        assert all(found[subject] == body for subject, body in kept)
        assert progress(desk, open_job(desk)).left == 0
        switch(desk, desk.signer(desk.clock()), open_job(desk), clock=desk.clock)
        whole(desk)
        for each in RECORDS:
            receipt = merged(desk, each.number).receipt
            at = claimed(desk)[each.number.suffix]
            assert receipt is not None
            assert receipt.last_reissued_at == Instant(at)
        desk.store.close()
        shutil.rmtree(world.home)
        writes += 1
    assert writes > 20


def test_a_switch_killed_at_any_write_is_all_or_nothing(prepared: World, tmp_path: Path) -> None:
    desk = prepared.desk()
    signed(desk, open_job(desk))
    desk.store.close()

    def work(world: World) -> Callable[[], None]:
        def run() -> None:
            desk = world.desk()
            switch(desk, desk.signer(desk.clock()), open_job(desk), clock=desk.clock)

        return run

    writes, states = 0, set()
    while True:
        world = copy_of(prepared, tmp_path / str(writes))
        if not killed(writes, work(world)):
            break
        desk = world.desk()
        job = open_job(desk)
        shown = {
            receipt.key_id
            for each in RECORDS
            if (receipt := merged(desk, each.number).receipt) is not None
        }
        assert len(shown) == 1, "some were switched and some were not"
        assert (shown == {desk.active_key().key_id}) == (job.state == "switched")
        assert audit(desk, []).ok
        states.add(job.state)
        if job.state != "switched":
            switch(desk, desk.signer(desk.clock()), job, clock=desk.clock)
        desk.store.clear_staged()
        whole(desk)
        desk.store.close()
        shutil.rmtree(world.home)
        writes += 1
    assert states == {"running", "switched"}
