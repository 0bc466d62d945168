"""Ingest of a snapshot's rows, whole process, against bare JSON and SHA-256."""

import sys
import tempfile
from pathlib import Path

from benchmarks.measure import CORES, Figure, medians, rounds, run
from tests.ingest.papers import Paper

ROWS = 50_000
_ABSTRACT = "  We name what others only point at,\nand say by which rule; for $a < b$ in {}.\n" * 14


def _snapshot(path: Path) -> None:
    with path.open("wb") as file:
        for i in range(1, ROWS + 1):
            file.write(Paper(id=f"2401.{i:05d}", abstract=_ABSTRACT.format(*[i] * 14)).kaggle)


def against_json() -> Figure:
    """`pith ingest arxiv` on 50,000 rows of 1.6 kB against one core that reads and hashes them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "snapshot.jsonl"
        _snapshot(path)
        pairs = rounds(
            lambda: run(sys.executable, "-m", "registry", "ingest", "arxiv", str(path)),
            lambda: run(sys.executable, "-m", "benchmarks.bare_ingest", str(path)),
            5,
        )
    ours, theirs, ratio = medians(pairs)
    return Figure(
        f"`pith ingest arxiv` on {ROWS:,} rows of the Kaggle form, whole process, {CORES} cores",
        "a bare loop on one core: json.loads, SHA-256 of the line",
        f"{ROWS / ours:,.0f}/s",
        f"{ROWS / theirs:,.0f}/s",
        f"{ratio:.2f}",
        "said, not aimed at",
    )
