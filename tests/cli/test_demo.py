"""pith demo."""

import subprocess
import time
from pathlib import Path

from tests.cli.lab import PITH, environment, process
from tests.parts import needs


def test_it_shows_everything_in_time_and_leaves_nothing(tmp_path: Path) -> None:
    began = time.monotonic()
    done = process("demo", env={"TMPDIR": str(tmp_path), "HOME": str(tmp_path)}).fine()

    assert time.monotonic() - began < 60
    assert list(tmp_path.iterdir()) == []
    assert done.err == ""
    text = done.out.decode()
    assert "pith:2018:P7HI7IUZ2D4BWY3OX4YBCD7BZN of pith.science" in text
    assert "38 real records minted, every number equal to the published one" in text
    assert "38 of 38 kept their number and receipt" in text
    assert "FAIL" in text
    assert max(map(len, text.splitlines())) < 400


def test_it_neither_reads_nor_changes_a_home(home: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}

    process("demo", home=home, env={"TMPDIR": str(tmp_path / "..")}).fine()

    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before


def test_it_opens_no_socket(tmp_path: Path) -> None:
    needs("strace")
    log = tmp_path / "log"
    trace = ("strace", "-f", "-qq", "-e", "trace=network", "-o", str(log))

    subprocess.run([*trace, *PITH, "demo"], env=environment(), capture_output=True, check=True)

    assert log.read_text() == ""


def test_a_folder_for_temporary_files_that_is_full_or_absent(tmp_path: Path) -> None:
    done = process("demo", env={"TMPDIR": str(tmp_path / "no")})

    assert done.code in (0, 8)
    assert "Traceback" not in done.err
