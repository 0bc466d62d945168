"""Signing a record with a program of its own for each: what people do by hand."""

import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.papers import line

PROCESSES = 200


def programs() -> dict[str, float]:
    """Seconds of one signature by each program that is here: a median of 200 processes."""
    with tempfile.TemporaryDirectory() as folder:
        record, key = Path(folder) / "record.json", Path(folder) / "key"
        record.write_bytes(line(0))
        commands = {
            "ssh-keygen -Y sign": (
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)],
                ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", "pith", str(record)],
                Path(f"{record}.sig"),
            ),
            "minisign": (
                ["minisign", "-G", "-W", "-f", "-p", f"{key}.pub2", "-s", f"{key}.mini"],
                ["minisign", "-S", "-s", f"{key}.mini", "-m", str(record)],
                Path(f"{record}.minisig"),
            ),
        }
        return {
            name: _median(make, sign, made)
            for name, (make, sign, made) in commands.items()
            if shutil.which(make[0]) is not None
        }


def _median(make: list[str], sign: list[str], made: Path) -> float:
    subprocess.run(make, check=True, capture_output=True)
    times = []
    for _ in range(PROCESSES):
        made.unlink(missing_ok=True)
        started = time.perf_counter()
        subprocess.run(sign, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        times.append(time.perf_counter() - started)
        if not made.exists():
            raise SystemExit(f"{sign[0]} signed nothing")
    return statistics.median(times)
