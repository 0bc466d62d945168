"""`pith verify FOLDER` of many bundles, as a process, against bare verifications in the same run.

``python -m benchmarks.verifying 10000`` measures so many and prints the row, with the largest
memory of every process of one run in this process.
"""

import statistics
import sys
import tempfile
import time
from itertools import islice, pairwise
from multiprocessing import Process
from pathlib import Path

from nacl.bindings import crypto_sign_open

from benchmarks.measure import CORES, Figure, run
from benchmarks.minting import entries
from benchmarks.papers import lines
from benchmarks.reissue import Peaks
from registry.app import now
from registry.protocol.bundle import served_bytes
from registry.protocol.trust import Terms, parse_pin
from registry.services.bundle import sign_bundle_of
from registry.services.minting import mint_all
from registry.services.verify import examine
from registry.services.verify_many import Frame, files_under, verify_many
from tests.services.registry import Clock, World

BUNDLES = 10_000
EACH = 4
"""Signatures of a bundle with a snapshot: receipt, two events, and its own."""
SOME = 500


def fill(folder: Path, count: int) -> Path:
    """Write so many bundles with snapshots into *folder*, and give the file of their pin."""
    world = World(folder / "home", clock=Clock(now().plus(seconds=-60))).begin()
    desk = world.desk()
    signer = desk.signer(now())
    for _ in mint_all(desk, signer, entries(lines(count), graphs=True), clock=now):
        pass
    at = now()
    for record in desk.store.records():
        place = folder / "bundles" / record.number.suffix[:2]
        place.mkdir(parents=True, exist_ok=True)
        events = [event.to_json() for event in desk.store.events_of(record.number.suffix)]
        bundle = sign_bundle_of(desk, signer, record, events, at=at)
        (place / f"{record.number.suffix}.json").write_bytes(bundle.to_bytes())
    pin = folder / "pith-keys.json"
    pin.write_bytes(served_bytes(desk.keyset().to_json()))
    desk.store.close()
    return pin


def _signatures(bundles: Path, pin: Path, count: int) -> list[tuple[bytes, bytes]]:
    terms = Terms((parse_pin(pin.read_bytes(), "its own"),), now())
    found: list[tuple[bytes, bytes]] = []
    for given in islice(files_under(str(bundles)), SOME):
        report = examine(Path(given.file).read_bytes(), terms)
        report.require()
        found += [(part.signature + part.message, part.key.raw) for part in report.signed]
    if len(found) != EACH * min(SOME, count):
        raise SystemExit(f"{len(found)} signatures, not {EACH} a bundle")
    return found


def _verify(signed: list[tuple[bytes, bytes]], count: int) -> None:
    for i in range(count):
        crypto_sign_open(*signed[i % len(signed)])


def bare(signed: list[tuple[bytes, bytes]], count: int) -> float:
    """Seconds for so many verifications, by PyNaCl alone, on all cores."""
    parts = [count * i // CORES for i in range(CORES + 1)]
    workers = [Process(target=_verify, args=(signed, b - a)) for a, b in pairwise(parts)]
    started = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - started


def figure(count: int = BUNDLES, turns: int = 3) -> Figure:
    """The whole command in turns with bare verifications."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pin = fill(folder, count)
        signed = _signatures(folder / "bundles", pin, count)
        options = ("--pin", str(pin), str(folder / "bundles"))
        ours, theirs = [], []
        for _ in range(turns):
            theirs.append(bare(signed, EACH * count))
            started = time.perf_counter()
            run(sys.executable, "-m", "registry", "verify", *options)
            ours.append(time.perf_counter() - started)
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    return Figure(
        f"`pith verify FOLDER` of {count:,} bundles, whole process, {CORES} cores",
        f"their {EACH} signatures each by bare PyNaCl, {CORES} cores",
        f"{count / statistics.median(ours):,.0f}/s",
        f"{count / statistics.median(theirs):,.0f}/s",
        f"{ratio:.2f}",
        "≥ 0.35",
    )


def memory(count: int) -> Peaks:
    """The largest memory of each process while so many are verified."""
    with tempfile.TemporaryDirectory() as name:
        folder, peaks = Path(name), Peaks()
        pin = fill(folder, count)
        frame = Frame(Terms((parse_pin(pin.read_bytes(), "its own"),), now()))
        with peaks.watched():
            outcomes = verify_many(files_under(str(folder / "bundles")), frame)
            good = sum(outcome.error is None for outcome in outcomes)
        if good != count:
            raise SystemExit(f"{good} of {count} are good")
        return peaks


def main() -> None:
    """Print the row and the memory for as many as the first argument says."""
    count = int(sys.argv[1])
    print(figure(count), flush=True)
    peaks = memory(count)
    print(f"peak MiB: {peaks.main:.0f}, workers {sorted(peaks.workers.values())}")


if __name__ == "__main__":
    main()
