"""Mint jobs by several processes, on SQLite and on PostgreSQL, in the same run.

``python -m benchmarks.jobs 20000`` prints, for 1, 2 and 4 processes on each engine, what the
filling and the work took, processor seconds apart, and what a record takes on disk. Unlike
`benchmarks.minting` each process signs alone: it is what many machines do.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.minting import _pages
from benchmarks.papers import lines
from registry.app import now
from registry.services.job_fill import Filling
from registry.services.job_work import open_jobs, work
from tests.postgres import Server
from tests.services.registry import Clock, World

PROCESSES = (1, 2, 4)


@dataclass(frozen=True)
class Took:
    """Seconds of filling and of work, and processor seconds of all workers and of the server."""

    filling: float
    seconds: float
    spent: float
    served: float


def worked(world: World, count: int, processes: int, served: Callable[[], float]) -> Took:
    """Fill a job of so many with snapshots, and let so many processes do it."""
    began = time.perf_counter()
    desk = world.desk()
    for _ in Filling(desk, at=now()).fill(_pages(lines(count), graphs=True)):
        pass
    desk.store.close()
    filled, before = time.perf_counter(), served()
    children = [_worker(world) for _ in range(processes)]
    ended = [os.wait4(child, 0) for child in children]
    took = time.perf_counter() - filled
    if any(status for _, status, _ in ended):
        raise SystemExit("a worker failed")
    spent = sum(usage.ru_utime + usage.ru_stime for _, _, usage in ended)
    desk = world.desk()
    if (found := desk.store.count_minted()) != count or desk.store.count_intents():
        raise SystemExit(f"{found} minted of {count}")
    desk.store.close()
    return Took(filled - began, took, spent, served() - before)


def _worker(world: World) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        desk = world.desk()
        for _ in work(desk, desk.signer(now()), open_jobs(desk, None), clock=now):
            pass
        desk.store.close()
        code = 0
    finally:
        os._exit(code)


def _ticks(pid: int) -> float:
    """Processor seconds of a process and of its children, those that ended too."""
    with suppress(OSError):  # one that ends meanwhile is its parent's next time
        return _ticks_now(pid)
    return 0.0


def _ticks_now(pid: int) -> float:
    own = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    seconds = sum(map(int, own[11:15])) / os.sysconf("SC_CLK_TCK")
    return seconds + sum(_ticks(int(child)) for child in listed)


def on_sqlite(count: int, processes: int) -> None:
    """One line of what it took in a file."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "home", clock=Clock(now().plus(seconds=-60))).begin()
        took = worked(world, count, processes, lambda: 0.0)
        disk = sum(path.stat().st_size for path in world.home.iterdir() if path.is_file())
        told("sqlite", count, processes, took, f"{disk / count:,.0f} bytes of disk")


def on_postgres(server: Server, count: int, processes: int) -> None:
    """The same on a server, with what it wrote ahead."""
    with server.database() as name, tempfile.TemporaryDirectory() as folder:
        clock = Clock(now().plus(seconds=-60))
        world = World(Path(folder) / "home", clock=clock, store=server.url(name)).begin()
        before = server.admin("SELECT pg_current_wal_lsn()")[0][0]
        took = worked(world, count, processes, lambda: _ticks(server._process.pid))
        wal = server.admin(f"SELECT pg_current_wal_lsn() - '{before}'::pg_lsn")[0][0]
        disk = server.admin(f"SELECT pg_database_size('{name}')")[0][0]
        sizes = f"{disk / count:,.0f} bytes of disk, {float(wal) / count:,.0f} of WAL"
        told("postgres", count, processes, took, sizes)


def told(engine: str, count: int, processes: int, took: Took, sizes: str) -> None:
    """Print it, a record."""
    each = 1e6 / count
    print(
        f"{engine} {processes}: filling {took.filling * each:.0f} µs, "
        f"work {took.seconds * each:.0f} µs, processor {took.spent * each:.0f} µs here, "
        f"{took.served * each:.0f} µs of the server, {count / took.seconds:,.0f}/s, {sizes}",
        flush=True,
    )


def main() -> None:
    """Each engine and number of processes in turn."""
    count = int(sys.argv[1])
    server = Server()
    try:
        print(f"psycopg {psycopg.__version__}, {os.cpu_count()} cores, {count:,} records")
        for processes in PROCESSES:
            on_sqlite(count, processes)
            on_postgres(server, count, processes)
    finally:
        server.remove()


if __name__ == "__main__":
    main()
