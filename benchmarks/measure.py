"""The measurements: each takes turns with its peer and gives medians and their ratio."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nacl.bindings import crypto_sign_open

from registry import data
from registry.app import now
from registry.protocol.bundle_checks import examine_bundle
from registry.protocol.trust import Terms, parse_pin

CORES = len(os.sched_getaffinity(0))
ROUNDS = 9
RECORDS = 100_000


@dataclass(frozen=True)
class Figure:
    """One row of the results."""

    what: str
    against: str
    ours: str
    theirs: str
    ratio: str
    aim: str


def rounds(
    ours: Callable[[], object], theirs: Callable[[], object], count: int = ROUNDS
) -> list[tuple[float, float]]:
    """Seconds of each side, taking turns, after one round that does not count."""
    pairs = []
    for turn in range(count + 1):
        times = []
        for side in (ours, theirs):
            started = time.perf_counter()
            side()
            times.append(time.perf_counter() - started)
        if turn:
            pairs.append((times[0], times[1]))
    return pairs


def medians(pairs: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Median of ours, of theirs, and of theirs / ours."""
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(b / a for a, b in pairs),
    )


def run(*command: str, cores: int = CORES) -> None:
    """A command to its end, without its output, on so many cores."""
    first = sorted(os.sched_getaffinity(0))[:cores]
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, first),
    )


def _records(path: Path) -> None:
    records = [f["canonical_record"] for f in data.published_records() if "canonical_record" in f]
    with path.open("w") as file:
        for i in range(RECORDS):
            record = records[i % len(records)]
            digest = f"{i:064x}"
            changed = record | {"metadata": record["metadata"] | {"title_canon_sha256": digest}}
            file.write(json.dumps(changed) + "\n")


def number(cores: int = CORES) -> Figure:
    """`pith number` on 100,000 records, as a process, against the bare loop as a process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.jsonl"
        _records(path)
        pairs = rounds(
            lambda: run(sys.executable, "-m", "registry", "number", str(path), cores=cores),
            lambda: run(sys.executable, "-m", "benchmarks.bare_number", str(path)),
            5,
        )
    ours, theirs, ratio = medians(pairs)
    return Figure(
        f"`pith number` on {RECORDS:,} records, whole process, {cores} core{'s' * (cores > 1)}",
        "a bare loop on one core: strict read, guarded canonical bytes, SHA-256",
        f"{RECORDS / ours:,.0f}/s",
        f"{RECORDS / theirs:,.0f}/s",
        f"{ratio:.2f}",
        "≥ 0.7" if cores > 1 else "≥ 0.7, not met on one core",
    )


def verify() -> Figure:
    """Every check of the seed bundle, in process, against its four bare verifications."""
    seed = data.seed_bundle()
    pins = tuple(parse_pin(pin, "shipped") for pin in data.shipped_pins().values())
    terms = Terms(pins, now())
    report = examine_bundle(seed, terms)
    report.require()
    signed = [(part.signature + part.message, part.key.raw) for part in report.signed]
    times = 200

    def ours() -> None:
        for _ in range(times):
            examine_bundle(seed, terms)

    def theirs() -> None:
        for _ in range(times):
            for message, key in signed:
                crypto_sign_open(message, key)

    mine, bare, ratio = medians(rounds(ours, theirs))
    return Figure(
        "all checks of the seed bundle, in process",
        f"its {len(signed)} signatures by bare PyNaCl",
        f"{mine / times * 1e6:,.0f} µs",
        f"{bare / times * 1e6:,.0f} µs",
        f"{ratio:.2f}",
        "≥ 0.3",
    )


def start() -> Figure:
    """`pith number` on one record against a Python that does nothing."""
    pith = Path(sys.executable).with_name("pith")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "record.json"
        record = next(f for f in data.published_records() if "canonical_record" in f)
        path.write_text(json.dumps(record["canonical_record"]))
        pairs = rounds(
            lambda: run(str(pith), "number", str(path)),
            lambda: run(sys.executable, "-c", "pass"),
            21,
        )
    ours, theirs, ratio = medians(pairs)
    return Figure(
        "start of `pith number` on one record",
        "`python -c pass`",
        f"{ours * 1e3:.0f} ms",
        f"{theirs * 1e3:.0f} ms",
        f"{1 / ratio:.1f} times",
        "≤ 8 times",
    )
