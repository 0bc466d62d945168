"""Bulk minting, durable, against bare signatures and a plain script in the same run.

``python -m benchmarks.minting 1000000`` runs it once in a temporary folder and prints what
every tenth of it cost, with the largest memory of every process.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import TypeAlias

import apsw

from benchmarks.measure import CORES, Figure
from benchmarks.papers import abstract, line, lines, title
from benchmarks.reissue import Peaks, bare
from registry.app import now
from registry.protocol.graph import Paper
from registry.protocol.record import Record
from registry.services.desk import Desk
from registry.services.find import find_record
from registry.services.minting import Pair, Work, mint_rows
from registry.store.packing import unpack
from tests.services.registry import Clock, World

RECORDS = 50_000
_PAGE = 1000
Numbered: TypeAlias = tuple[int, bytes]


def entries(data: Iterator[bytes], graphs: bool) -> Iterator[list[Pair]]:
    """Papers as they are minted, a page at a time, with snapshots or without."""
    for work, page in _pages(data, graphs):
        yield [work(item) for item in page]


def _pages(data: Iterator[bytes], graphs: bool) -> Iterator[tuple[Work[Numbered], list[Numbered]]]:
    """The same, put together by the workers."""
    numbered = enumerate(data)
    while page := list(islice(numbered, _PAGE)):
        yield (_with_paper if graphs else _alone), page


def _alone(item: Numbered) -> Pair:
    return Pair(item[1])


def _with_paper(item: Numbered) -> Pair:
    number, text = item
    return Pair(text, Paper(title(number), abstract(number), "A. Author, B. Author"))


def _spent() -> float:
    """Processor seconds of this process and of the workers that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@dataclass(frozen=True)
class Minted:
    """What one mint took: seconds of each tenth, processor seconds and disk of all of it."""

    tenths: list[float]
    spent: float
    disk: int
    signed: int
    peaks: Peaks

    @property
    def seconds(self) -> float:
        """All of it."""
        return sum(self.tenths)


def mint(
    count: int,
    graphs: bool,
    look: Callable[[Desk], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> Minted:
    """Mint so many into a new registry, and *look* at it then."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "home", clock=Clock(now().plus(seconds=-60))).begin()
        desk = world.desk()
        signer = desk.signer(now())
        peaks, marks, done = Peaks(), [time.perf_counter()], 0
        before, own = _spent(), time.process_time()
        with peaks.watched():
            for passed in mint_rows(desk, signer, _pages(lines(count), graphs), clock=now):
                done += len(passed)
                if done * 10 >= len(marks) * count:
                    marks.append(time.perf_counter())
                    say(
                        f"{done:,} after {marks[-1] - marks[0]:.0f} s, "
                        f"{time.process_time() - own:.1f} s of processor here, "
                        f"{peaks.main:.0f} MiB"
                    )
        spent = _spent() - before
        look(desk)
        counted = desk.store.count_minted()
        desk.store.close()
        if (done, counted) != (count, count):
            raise SystemExit(f"{done} passed and {counted} minted of {count}")
        bodies = _database(world).execute("SELECT body FROM events")
        signed = sum(len(unpack(body)) for (body,) in bodies)
        disk = sum(path.stat().st_size for path in world.home.iterdir() if path.is_file())
        tenths = [b - a for a, b in pairwise(marks)]
        return Minted(tenths, spent, disk, signed, peaks)


def _database(world: World) -> apsw.Connection:
    return apsw.Connection(str(world.config.store_path), flags=apsw.SQLITE_OPEN_READONLY)


def look_up(desk: Desk, count: int) -> dict[str, float]:
    """Seconds of finding a record by number and by alias, and of a bare primary-key look-up."""
    step = max(1, count // 2000)
    records = [Record.parse(line(place)) for place in range(0, count, step)]

    def bare_row(record: Record) -> None:
        place = {"suffix": record.number.suffix}
        desk.store._rows("SELECT body FROM records WHERE suffix = :suffix", place)

    kinds: dict[str, Callable[[Record], object]] = {
        "bare": bare_row,
        "number": lambda record: find_record(desk, str(record.number)),
        "arXiv id": lambda record: find_record(desk, f"arxiv:{record.source.id}"),
        "16 characters": lambda record: find_record(desk, record.number.suffix[:16]),
    }
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(5):
        for name, find in kinds.items():
            started = time.perf_counter()
            for record in records:
                find(record)
            times[name].append((time.perf_counter() - started) / len(records))
    return {name: statistics.median(taken) for name, taken in times.items()}


def figures(count: int = RECORDS, turns: int = 3) -> list[Figure]:
    """Both forms of minting in turns with bare signatures and the plain script; disk; look-ups."""
    rows = []
    looked: list[dict[str, float]] = []
    for graphs, what in ((False, ""), (True, " + graph_snapshot")):
        each = 3 if graphs else 2
        made, signed, scripts = [], [], []
        for _ in range(turns):
            signed.append(bare(each * count))
            made.append(mint(count, graphs, lambda desk: looked.append(look_up(desk, count))))
            scripts.append(plain(count, graphs))
        ours = [one.seconds for one in made]
        name = f"bulk mint of {count:,}, durable: receipt + record_created{what}, {CORES} cores"
        rows.append(_row(name, f"{each} bare signatures each, made twice", count, ours, signed))
        rows.append(_row(name, "a plain script, one process", count, ours, scripts))
        rows[-2] = replace(rows[-2], aim="≥ 0.5")
        rows[-1] = replace(rows[-1], aim="≥ 4")
        disk, written = made[-1].disk / count, made[-1].signed / count
        rows.append(
            Figure(
                f"disk of {count:,}: receipt + record_created{what}, indexes and all",
                "the bytes of the signed documents",
                f"{disk:,.0f}",
                f"{written:,.0f}",
                f"{disk / written:.2f}",
                "≤ 1.2",
            )
        )
    for kind in ("number", "arXiv id", "16 characters"):
        ours, theirs = ([found[name] for found in looked] for name in (kind, "bare"))
        rows.append(
            Figure(
                f"look-up by {kind} among {count:,}",
                "a bare look-up by primary key",
                f"{statistics.median(ours) * 1e6:.0f} µs",
                f"{statistics.median(theirs) * 1e6:.0f} µs",
                f"{statistics.median(b / a for a, b in zip(ours, theirs, strict=True)):.2f}",
                "≥ 0.5",
            )
        )
    return rows


def _row(name: str, against: str, count: int, ours: list[float], theirs: list[float]) -> Figure:
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    rates = (f"{count / statistics.median(each):,.0f}/s" for each in (ours, theirs))
    return Figure(name, against, *rates, f"{ratio:.2f}", "")


def _say(text: str) -> None:
    print(text, flush=True)


def plain(count: int, graphs: bool) -> float:
    """Seconds of the plain script, as a process."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "records.jsonl"
        file.write_bytes(b"".join(data + b"\n" for data in lines(count)))
        command = [sys.executable, "-m", "benchmarks.plain_mint", file, Path(folder) / "plain.db"]
        started = time.perf_counter()
        subprocess.run([*command, *(["graphs"] if graphs else [])], check=True)
        return time.perf_counter() - started


def main() -> None:
    """Run it once, for as many as the first argument says, with snapshots unless ``bare``."""
    count, graphs = int(sys.argv[1]), sys.argv[2:] != ["bare"]
    each = 3 if graphs else 2
    few = [mint(10_000, graphs) for _ in range(3)]
    first = statistics.median(one.spent for one in few) / 10_000
    wall = statistics.median(one.seconds for one in few) / 10_000
    _say(f"10,000: {wall * 1e6:.0f} µs, {first * 1e6:.0f} µs of processor a record")
    seconds = bare(each * 20_000) / 20_000
    _say(f"{each} bare signatures, each made twice: {seconds * 1e6:.0f} µs a record")
    found = mint(count, graphs, lambda desk: _say(str(look_up(desk, count))), _say)
    _say(f"{count:,}: {found.seconds:.0f} s, {count / found.seconds:,.0f}/s")
    _say(f"each tenth, µs a record: {[round(t / count * 1e7) for t in found.tenths]}")
    _say(
        f"{found.seconds / count * 1e6:.0f} µs, {found.spent / count * 1e6:.0f} µs of processor "
        f"a record: {found.seconds / count / wall:.2f} and {found.spent / count / first:.2f} "
        f"times that at 10,000"
    )
    _say(f"peak MiB: {found.peaks.main:.0f}, workers {sorted(found.peaks.workers.values())}")
    _say(
        f"disk {found.disk / count:,.0f} bytes a record, "
        f"{found.disk / found.signed:.2f} of the signed documents' {found.signed / count:,.0f}"
    )
    seconds = bare(each * 20_000) / 20_000
    _say(f"after it: {each} bare signatures: {seconds * 1e6:.0f} µs a record")


if __name__ == "__main__":
    main()
