"""Run every benchmark and write benchmarks/RESULTS.md: medians, each a ratio in one run."""

import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import ingest, measure, merging, minting, postgres, reissue, verifying

RESULTS = Path(__file__).with_name("RESULTS.md")


def cpu() -> str:
    """The processor's name as the kernel gives it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def one_core() -> measure.Figure:
    """`pith number` held to one core, as the bare loop is by its nature."""
    return measure.number(cores=1)


def main() -> None:
    """Measure, print, and write the page."""
    figures = [bench() for bench in (measure.number, one_core, measure.verify, measure.start)]
    figures += [merging.against_signatures(), merging.growth()]
    figures.append(reissue.against_bare())
    figures.append(ingest.against_json())
    figures += minting.figures()
    figures += postgres.figures()
    figures.append(verifying.figure())
    packages = ", ".join(f"{name} {version(name)}" for name in ("pynacl", "orjson", "jcs", "typer"))
    rows = "\n".join(
        f"| {f.what} | {f.against} | {f.ours} | {f.theirs} | **{f.ratio}** | {f.aim} |"
        for f in figures
    )
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    RESULTS.write_text(
        f"""# Results

Made by `make bench` on {datetime.now(UTC):%Y-%m-%d} at commit {commit or "unknown"}: {cpu()},
{measure.CORES} cores, Python {platform.python_version()}, {packages}.
Each figure is the median of several rounds in which both sides took turns; the ratio is the median
of the rounds' ratios. Machines are noisy: compare ratios, and run it on yours.

| what | against, in the same run | ours | theirs | ratio | aim |
|---|---|---|---|---|---|
{rows}
"""
    )
    sys.stdout.write(RESULTS.read_text())


if __name__ == "__main__":
    main()
