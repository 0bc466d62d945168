"""pith job, and --job of pith mint and pith ingest arxiv."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Pith
from tests.cli.lab import lines_of, process, record, rows, start
from tests.ingest.papers import Paper, kaggle


@pytest.fixture(name="lines")
def _lines(tmp_path: Path) -> Path:
    """A file of a few records, one of whose lines is refused."""
    path = tmp_path / "records.jsonl"
    path.write_bytes(lines_of(3) + b"{}\n" + lines_of(2, first=4))
    return path


def test_a_job_by_its_commands(pith: Pith, home: Path, lines: Path) -> None:
    assert pith("job", "list", home=home).fine().lines == []
    pith("job", "work", home=home).refused(5, "job.none")
    filled = pith("mint", lines, "--job", home=home).refused(3, "schema.members")
    assert filled.lines == ["1"]
    assert "line 4" in filled.err
    assert pith("receipt", "list", home=home).fine().lines == []

    status = pith("job", "status", "1", home=home).fine().lines
    assert status[1:] == [
        "state    running",
        "records  5: 0 minted, 0 minted before, 5 left",
        "shards   0 done, 0 held, 1 open",
    ]
    done = pith("job", "work", "--shards", 8, "--json", home=home).fine()
    assert (done.object["state"], done.object["new"], done.object["left"]) == ("done", 5, 0)
    assert "job 1 is done: 5 minted, 0 before" in done.err
    pith("job", "resume", "1", home=home).refused(6, "job.ended")
    pith("job", "status", "2", home=home).refused(5, "job.none")
    for verb in ("status", "resume", "work"):
        pith("job", verb, str(2**63), home=home).refused(2, "usage")
    (listed,) = pith("job", "list", "--json", home=home).fine().objects
    assert (listed["kind"], listed["state"], listed["done"]) == ("mint", "done", 5)
    assert " mint  done  5 of 5  " in pith("job", "list", home=home).fine().lines[0]
    assert len(pith("receipt", "list", home=home).fine().lines) == 5
    pith("store", "check", home=home).fine()


def test_a_strict_job_ends_at_the_line_that_is_refused(pith: Pith, home: Path, lines: Path) -> None:
    done = pith("mint", lines, "--job", "--strict", "--json", home=home)

    assert (done.refused(3, "schema.members").object["records"]) == 3


def test_nothing_that_is_accepted_is_no_job(pith: Pith, home: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"{}\n")

    done = pith("mint", tmp_path / "bad", "--job", home=home).refused(3, "schema.members")

    assert (done.lines, "there is no job" in done.err) == ([], True)
    assert pith("job", "list", home=home).fine().lines == []


def test_a_job_is_abandoned(pith: Pith, home: Path, lines: Path) -> None:
    config = home / "config.toml"
    config.write_text(config.read_text() + "\n[mint]\nbatch = 2\n")
    pith("mint", lines, "--job", home=home)
    pith("job", "work", "--shards", 1, home=home).fine()

    done = pith("job", "abandon", "1", "--json", home=home).fine()

    assert "job 1 is abandoned: 2 of 5 are minted" in done.err
    assert (done.object["state"], done.object["done"], done.object["left"]) == ("abandoned", 2, 0)
    status = pith("job", "status", "1", home=home).fine().lines
    assert status[2] == "records  5: 2 minted, 0 minted before, 3 given up"
    for verb in ("abandon", "resume", "work"):
        pith("job", verb, "1", home=home).refused(6, "job.ended")
    pith("job", "work", home=home).refused(5, "job.none")
    pith("job", "abandon", "2", home=home).refused(5, "job.none")
    assert len(pith("receipt", "list", home=home).fine().lines) == 2
    pith("store", "check", home=home).fine()


def test_ingest_puts_records_and_snapshots_into_a_job(
    pith: Pith, home: Path, tmp_path: Path
) -> None:
    snapshot = tmp_path / "snapshot.jsonl"
    snapshot.write_bytes(kaggle(Paper()) + b"\n{}\n")
    for other in (("--mint",), ("--graphs", tmp_path / "graphs")):
        pith("ingest", "arxiv", snapshot, "--job", *other, home=home).refused(2, "usage.together")

    done = pith("ingest", "arxiv", snapshot, "--job", home=home)
    assert (done.code, done.lines) == (3, ["1"])
    pith("job", "resume", "1", home=home).fine()

    (number,) = pith("receipt", "list", home=home).fine().lines
    listed = pith("event", "list", number.split()[0], home=home).fine().lines
    assert [line.split()[1] for line in listed] == ["record_created", "graph_snapshot"]


def test_several_work_and_one_is_killed(home: Path, tmp_path: Path) -> None:
    config = home / "config.toml"
    config.write_text(config.read_text() + "\n[mint]\nbatch = 20\n")
    (tmp_path / "many").write_bytes(lines_of(600))
    process("mint", tmp_path / "many", "--job", home=home).fine()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    workers = [start("job", "work", home=home, **quiet) for _ in range(3)]
    end = time.monotonic() + 30
    while rows(home, "SELECT count(*) FROM shards WHERE state = 'done'") < [(4,)]:
        assert time.monotonic() < end
        time.sleep(0.01)

    workers[0].send_signal(signal.SIGKILL)
    workers[1].send_signal(signal.SIGINT)
    ends = [(each.communicate(timeout=60)[1], each.returncode) for each in workers]

    assert ends[0][1] == -signal.SIGKILL
    assert (ends[1][1], ends[1][0].splitlines()[-1:]) == (130, [b"pith: interrupted"])
    assert ends[2][1] == 0, ends[2]
    status = process("job", "status", "1", "--json", home=home).fine().object
    assert (status["state"], status["done"], status["left"]) == ("done", 600, 0)
    assert status["shards"] == {"open": 0, "held": 0, "done": 30}
    assert status["new"] + status["before"] == 600
    made = "SELECT count(*), count(DISTINCT subject) FROM events"
    assert rows(home, made) == [(600, 600)]
    assert rows(home, "SELECT count(*) FROM intents") == [(0,)]
    process("store", "check", home=home).fine()
    found = process("receipt", "show", str(record(600).number), home=home).fine().object
    assert found["kind"] == "pith_receipt"


def test_another_home_works_with_the_same_store_and_the_key_in_its_own_place(
    home: Path, tmp_path: Path
) -> None:
    """As docs/scaling.md tells operators to set up a further worker."""
    (tmp_path / "few").write_bytes(lines_of(3))
    process("mint", tmp_path / "few", "--job", home=home).fine()
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    shutil.copytree(home / "keys", other / "keys")
    config = (home / "config.toml").read_text()
    store = f"sqlite:{home / 'registry.db'}"
    assert 'url = "sqlite:registry.db"' in config
    (other / "config.toml").write_text(config.replace("sqlite:registry.db", store))

    process("job", "work", home=other).fine()

    assert len(process("receipt", "list", home=home).fine().lines) == 3
    shutil.rmtree(other / "keys")
    process("mint", tmp_path / "few", "--job", home=other).fine()
    process("job", "work", home=other).refused(7, "key.absent")
    assert process("job", "work", "--json", home=home).fine().object["before"] == 3
