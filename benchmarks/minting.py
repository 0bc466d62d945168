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
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple, TypeAlias

import apsw
from nacl.signing import SigningKey

from benchmarks.measure import CORES, Figure
from benchmarks.one_by_one import programs
from benchmarks.papers import abstract, line, lines, title
from benchmarks.plot import COST, Run, add
from benchmarks.reissue import Peaks, bare
from registry.app import now
from registry.protocol.graph import Paper
from registry.protocol.record import Record
from registry.services.desk import Desk
from registry.services.find import find
from registry.services.minting import Pair, Passed, Work, mint_rows
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
    """Processor seconds of this process and of its workers, those at work among them."""
    times = os.times()
    spent = times.user + times.system + times.children_user + times.children_system
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            with suppress(OSError):
                fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
                spent += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return spent


class Mark(NamedTuple):
    """How far it was: records, seconds and processor seconds since the beginning."""

    records: int
    seconds: float
    spent: float


@dataclass(frozen=True)
class Minted:
    """What one mint took: ten marks, seconds and processor seconds, disk, bytes of the signed
    documents, memory."""

    marks: list[Mark]
    seconds: float
    spent: float
    disk: int
    signed: int
    peaks: Peaks

    def costs(self) -> list[tuple[int, float]]:
        """The records there were at the end of each part, and µs of processor a record in it."""
        begun = Mark(0, 0.0, 0.0)
        return [
            (b.records, round((b.spent - a.spent) / (b.records - a.records) * 1e6, 1))
            for a, b in pairwise([begun, *self.marks])
        ]


def mint(
    count: int,
    graphs: bool,
    look: Callable[[Desk], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> Minted:
    """Mint so many into a new registry, compare what is there with what went in, and *look* at
    it then."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "home", clock=Clock(now().plus(seconds=-60))).begin()
        desk = world.desk()
        signer = desk.signer(now())
        file = write(Path(folder) / "records.jsonl", count)
        peaks, marks, done = Peaks(), list[Mark](), 0
        spent, began = _spent(), time.perf_counter()
        with file.open("rb") as stored, peaks.watched():
            rows = (row.rstrip() for row in stored)
            for passed in mint_rows(desk, signer, _pages(rows, graphs), clock=now):
                done += sum(isinstance(each, Passed) and each.new for each in passed)
                if done * 10 >= (len(marks) + 1) * count:
                    marks.append(Mark(done, time.perf_counter() - began, _spent() - spent))
                    told = f"{marks[-1].seconds:.0f} s, {marks[-1].spent:.1f} s of processor"
                    say(f"{done:,} after {told}, {peaks.main:.0f} MiB")
        seconds, spent = time.perf_counter() - began, _spent() - spent
        look(desk)
        desk.store.close()
        signed = _compared(world, count, graphs)
        disk = sum(path.stat().st_size for path in world.home.iterdir() if path.is_file())
        return Minted(marks, seconds, spent, disk, signed, peaks)


def write(file: Path, count: int) -> Path:
    """So many records as a file, a line each."""
    with file.open("wb") as stored:
        stored.writelines(data + b"\n" for data in lines(count))
    return file


def _compared(world: World, count: int, graphs: bool) -> int:
    """The bytes of the signed documents, once the store has what went in and nothing else."""
    database = _database(world)
    wanted = {
        "SELECT count(*) FROM records": count,
        "SELECT count(*) FROM heads": count,
        "SELECT count(*) FROM intents": 0,
        "SELECT count(*) FROM events WHERE event_type = 'record_created'": count,
        "SELECT count(*) FROM events WHERE event_type = 'graph_snapshot'": count * graphs,
        "SELECT count(*) FROM events": count * (1 + graphs),
        "SELECT count(*) FROM signatures WHERE kind = 'receipt'": count,
        "SELECT count(*) FROM signatures WHERE kind = 'event'": count * (1 + graphs),
    }
    for statement, number in wanted.items():
        ((found,),) = database.execute(statement)
        if found != number:
            raise SystemExit(f"{statement}: {found:,} of {number:,}")
    return sum(len(unpack(body)) for (body,) in database.execute("SELECT body FROM events"))


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
        "number": lambda record: find(desk, str(record.number)).canonical,
        "arXiv id": lambda record: find(desk, f"arxiv:{record.source.id}").canonical,
        "16 characters": lambda record: find(desk, record.number.suffix[:16]).canonical,
    }
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(5):
        for name, kind in kinds.items():
            started = time.perf_counter()
            for record in records:
                kind(record)
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
        rows += _beside(made, name, count) if graphs else []
        disk, written = made[-1].disk / count, made[-1].signed / count
        rows.append(
            Figure(
                f"disk of {count:,}: receipt + record_created{what}, indexes and all",
                "the bytes of the signed documents",
                f"{disk:,.0f}",
                f"{written:,.0f}",
                f"{disk / written:.2f}",
                "≤ 0.6",
            )
        )
        if graphs:
            add(Run(count, made[-1].costs(), _bare_spent(each)))
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


def _beside(made: list[Minted], name: str, count: int) -> list[Figure]:
    """The same beside bare signatures made once and programs a person may use; memory."""
    ours = statistics.median(one.seconds for one in made) / count
    key = SigningKey(bytes(range(32)))
    started = time.perf_counter()
    for number in range(20_000):
        key.sign(number.to_bytes(32, "big"))
    once = 3 * (time.perf_counter() - started) / 20_000
    theirs = {"3 bare signatures, each made once, one core": once}
    theirs |= {f"one process of `{name}` a record": each for name, each in programs().items()}
    rows = [
        Figure(name, what, f"{1 / ours:,.0f}/s", f"{1 / each:,.0f}/s", f"{each / ours:.2f}", "")
        for what, each in theirs.items()
    ]
    main = max(one.peaks.main for one in made)
    workers = max(max(one.peaks.workers.values(), default=0.0) for one in made)
    memory = Figure(
        f"memory of {name}",
        "",
        f"{main:.0f} MiB, its workers {workers:.0f} each",
        "",
        f"{max(main, workers):.0f} MiB",
        "≤ 200 MiB a process",
    )
    return [*rows, memory]


def _bare_spent(each: int, count: int = 10_000) -> float:
    """µs of processor of so many bare signatures, each made twice."""
    before = _spent()
    bare(each * count)
    return round((_spent() - before) / count * 1e6, 1)


def _row(name: str, against: str, count: int, ours: list[float], theirs: list[float]) -> Figure:
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    rates = (f"{count / statistics.median(each):,.0f}/s" for each in (ours, theirs))
    return Figure(name, against, *rates, f"{ratio:.2f}", "")


def _say(text: str) -> None:
    print(text, flush=True)


def plain(count: int, graphs: bool) -> float:
    """Seconds of the plain script, as a process."""
    with tempfile.TemporaryDirectory() as folder:
        file = write(Path(folder) / "records.jsonl", count)
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
    seconds, spent = bare(each * 20_000) / 20_000, _bare_spent(each)
    _say(
        f"{each} bare signatures, each made twice: {seconds * 1e6:.0f} µs, {spent:.0f} µs of "
        f"processor a record: {seconds / wall:.2f} of it, {spent / first / 1e6:.2f} in processor"
    )
    found = mint(count, graphs, lambda desk: _say(str(look_up(desk, count))), _say)
    _say("records, heads, events, receipts and lines of the journal are as many as went in")
    _say(f"{count:,}: {found.seconds:.0f} s, {count / found.seconds:,.0f}/s")
    costs = found.costs()
    _say(f"µs of processor a record in each tenth: {[round(cost) for _, cost in costs]}")
    _say(f"last tenth / first tenth: {costs[-1][1] / costs[0][1]:.2f}")
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
    if graphs:
        add(Run(count, costs, spent))
        _say(f"drawn into {COST.name}")


if __name__ == "__main__":
    main()
