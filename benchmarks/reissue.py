"""One reissue of many receipts, from plan to switch, against bare signatures in the same run.

``python -m benchmarks.reissue 1000000`` runs it once in a temporary folder and prints what it
took, step by step, with the largest memory of every process.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing import Process
from pathlib import Path
from threading import Event, Thread

from nacl.signing import SigningKey

from benchmarks.measure import CORES, Figure
from registry.app import now
from registry.services.reissue_plan import plan_reissue
from registry.services.reissue_run import open_job, run
from registry.services.reissue_switch import switch
from registry.services.workers import cores
from tests.services.filled import fill
from tests.services.registry import Clock, World
from tests.services.reissued import rotate

_DAY = 86_400


@dataclass
class Peaks:
    """The largest resident memory of each process of this run, in MiB."""

    main: float = 0.0
    workers: dict[int, float] = field(default_factory=dict)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at this process and its children until the end of the block."""
        _reset()
        ended = Event()
        thread = Thread(target=self._look, args=(ended,))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _look(self, ended: Event) -> None:
        own = os.getpid()
        while not ended.wait(0.2):
            self.main = max(self.main, _peak(own))
            for task in Path(f"/proc/{own}/task").iterdir():
                try:
                    children = (task / "children").read_text().split()
                except OSError:
                    continue
                for child in map(int, children):
                    self.workers[child] = max(self.workers.get(child, 0.0), _peak(child))


def _reset() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(found[0].split()[1]) / 1024 if found else 0.0


@dataclass(frozen=True)
class Reissue:
    """Seconds of each step, and of as many bare signatures with the same self-check."""

    plan: float
    run: float
    switch: float
    bare: float
    peaks: Peaks


def _signatures(count: int) -> None:
    key = SigningKey(bytes(range(32)))
    for i in range(count):
        message = i.to_bytes(32, "big")
        if key.sign(message).signature != key.sign(message).signature:
            raise SystemExit("signatures differ")


def bare(count: int) -> float:
    """Seconds for so many signatures, each made twice and compared, on all cores."""
    number = cores()
    parts = [count * i // number for i in range(number + 1)]
    workers = [Process(target=_signatures, args=(b - a,)) for a, b in pairwise(parts)]
    started = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - started


def reissue(count: int, say: Callable[[str], None] = lambda _: None) -> Reissue:
    """Fill a registry, rotate its key, and issue every receipt again."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "home", clock=Clock(now().plus(seconds=-_DAY))).begin()
        desk = world.desk()
        say(f"filling {count:,}")
        fill(desk, count, at=world.clock())
        old, _ = rotate(desk, lambda: world.clock.move(60))
        world.clock.at = now()
        peaks = Peaks()
        with peaks.watched():
            started = time.perf_counter()
            job = plan_reissue(desk, old, "a benchmark", at=now())
            planned = time.perf_counter()
            say(f"plan {planned - started:.1f} s, {peaks.main:.0f} MiB")
            seconds = bare(count)
            started_run = time.perf_counter()
            signer = desk.signer(now())
            signed = sum(map(len, run(desk, signer, job, clock=now)))
            ran = time.perf_counter()
            say(f"run {ran - started_run:.1f} s, {peaks.main:.0f} MiB")
            seconds += bare(count)
            say(f"{2 * count:,} bare signatures, half before and half after, {seconds:.1f} s")
            started_switch = time.perf_counter()
            switch(desk, signer, open_job(desk), clock=now)
            switched = time.perf_counter()
            say(f"switch {switched - started_switch:.1f} s, {peaks.main:.0f} MiB")
        if signed != count:
            raise SystemExit(f"{signed} signed of {count}")
        size = sum(path.stat().st_size for path in world.home.iterdir() if path.is_file())
        say(f"disk {size / 2**20:,.0f} MiB")
        return Reissue(
            plan=planned - started,
            run=ran - started_run,
            switch=switched - started_switch,
            bare=seconds,
            peaks=peaks,
        )


def against_bare(count: int = 50_000) -> Figure:
    """The run of one reissue, durable, against as many bare signatures on all cores."""
    found = reissue(count)
    return Figure(
        f"`pith reissue run` of {count:,} receipts, two signatures each, durable, {CORES} cores",
        "as many bare signatures, each made twice and compared, all cores",
        f"{count / found.run:,.0f}/s",
        f"{count / found.bare:,.0f}/s",
        f"{found.bare / found.run:.2f}",
        "≥ 0.4",
    )


def main() -> None:
    """Run it once, for as many as the first argument says."""
    found = reissue(int(sys.argv[1]), print)
    print(f"run / bare: {found.bare / found.run:.2f}")
    print(
        f"plan, run and switch / bare: {found.bare / (found.plan + found.run + found.switch):.2f}"
    )
    print(f"peak MiB: {found.peaks.main:.0f}, workers {sorted(found.peaks.workers.values())}")


if __name__ == "__main__":
    main()
