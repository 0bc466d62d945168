"""Bulk minting into PostgreSQL against SQLite, in turns in the same run.

``python -m benchmarks.postgres 20000`` prints the figures; the server is the wheel's, with its
own settings but for a larger log, on the same two cores and disk.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import CORES, Figure
from benchmarks.minting import entries
from benchmarks.papers import lines
from registry.app import now
from registry.services.minting import mint_all
from tests.postgres import Server
from tests.services.registry import Clock, World

RECORDS = 20_000
SETTINGS = {"max_wal_size": "4GB", "shared_buffers": "256MB"}


def mint(count: int, store: str | None) -> float:
    """Seconds of minting so many, with snapshots, into a new store at a URL or in a file."""
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(now().plus(seconds=-60))
        world = World(Path(folder) / "home", clock=clock, store=store).begin()
        desk = world.desk()
        pages = entries(lines(count), True)
        started = time.perf_counter()
        done = sum(len(page) for page in mint_all(desk, desk.signer(now()), pages, clock=now))
        seconds = time.perf_counter() - started
        counted = desk.store.count_minted()
        desk.store.close()
        if (done, counted) != (count, count):
            raise SystemExit(f"{done} passed and {counted} minted of {count}")
        return seconds


def figures(count: int = RECORDS, turns: int = 3) -> list[Figure]:
    """Both in turns, after one that does not count."""
    server = Server(**SETTINGS)
    ours, theirs = [], []
    try:
        for turn in range(turns + 1):
            with server.database(empty=True) as name:
                taken = mint(count, server.url(name)), mint(count, None)
            if turn:
                ours.append(taken[0])
                theirs.append(taken[1])
    finally:
        server.remove()
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    return [
        Figure(
            f"bulk mint of {count:,} into PostgreSQL, durable: receipt + record_created + "
            f"graph_snapshot, {CORES} cores",
            "the same into SQLite",
            f"{count / statistics.median(ours):,.0f}/s",
            f"{count / statistics.median(theirs):,.0f}/s",
            f"{ratio:.2f}",
            "≥ 0.7",
        )
    ]


def main() -> None:
    """Run it for as many as the first argument says."""
    for figure in figures(int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS):
        print(figure)


if __name__ == "__main__":
    main()
