"""Mints that end in their middle: kill -9, Ctrl-C, two at once."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from registry.protocol.instant import Instant
from tests.cli.lab import lines_of, process, receipts, record, rows, start

COUNT = 3000
BATCH = 250


@pytest.fixture(name="many", scope="module")
def _many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many records in a file."""
    file = tmp_path_factory.mktemp("many") / "many.jsonl"
    file.write_bytes(lines_of(COUNT))
    return file


@pytest.fixture(name="batched")
def _batched(home: Path) -> Path:
    """A registry that mints in small batches."""
    config = home / "config.toml"
    config.write_text(config.read_text() + f"\n[mint]\nbatch = {BATCH}\n")
    return home


def claims(home: Path) -> dict[str, int]:
    """The time of every open claim."""
    return dict(rows(home, "SELECT subject, at FROM intents"))  # type: ignore[arg-type]


def wait_for(process: "subprocess.Popen[bytes]", ready: Callable[[], bool]) -> None:
    """Until something is so, or the process has ended."""
    end = time.monotonic() + 30
    while process.poll() is None and not ready():
        assert time.monotonic() < end
        time.sleep(0.001)


def counter(home: Path, table: str) -> Callable[[], int]:
    """How many rows a table has now."""
    connection = apsw.Connection(str(home / "registry.db"), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(10_000)

    def count() -> int:
        return int(next(iter(connection.execute(f"SELECT count(*) FROM {table}")))[0])

    return count


def assert_whole(home: Path, count: int = COUNT) -> None:
    """Each record has one record_created, no claim is open, the journal is complete."""
    found = receipts(home)
    assert len(found) == count
    assert {len(each) for each in found.values()} == {1}
    assert rows(home, "SELECT count(*) FROM intents") == [(0,)]
    assert rows(home, "SELECT count(*) FROM heads") == [(count,)]
    assert rows(home, "SELECT count(*) FROM records") == [(count,)]
    assert rows(home, "SELECT kind, count(*) FROM signatures GROUP BY kind ORDER BY kind") == [
        ("event", count),
        ("keyset", 1),
        ("receipt", count),
    ]
    assert rows(
        home,
        "SELECT count(*) FROM events e JOIN signatures s ON s.digest = e.event_id "
        "AND s.kind = 'event' JOIN heads h ON h.event_id = e.event_id",
    ) == [(count,)]


def assert_sound(home: Path) -> None:
    """Doctor finds nothing wrong with the store."""
    done = process("doctor", "--json", home=home)
    found = {each["name"]: each["status"] for each in done.objects}
    assert done.code == 9
    assert found["store"] == "ok"


def test_a_mint_that_is_killed_again_and_again_is_finished_by_the_next(
    batched: Path, many: Path
) -> None:
    minted, claimed = counter(batched, "events"), counter(batched, "intents")
    held: dict[str, object] = {}
    first_claims: dict[str, int] = {}
    moments: list[Callable[[], bool]] = [
        lambda: claimed() > 0,
        lambda: minted() >= 2 * BATCH,
        lambda: minted() >= 4 * BATCH and claimed() > 0,
        lambda: minted() >= 7 * BATCH,
    ]
    interrupted = 0
    for moment in moments:
        running = start(
            "mint", many, home=batched, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(running, moment)
        running.kill()
        assert running.wait(timeout=10) == -signal.SIGKILL
        found = receipts(batched)
        assert {suffix: found.get(suffix) for suffix in held} == held
        assert {len(each) for each in found.values()} <= {1}
        held = dict(found)
        left = claims(batched)
        interrupted += bool(left)
        for subject, at in left.items():
            first_claims.setdefault(subject, at)
    assert interrupted, "no kill fell between a claim and its receipt"

    done = process("mint", many, home=batched).fine()

    assert len(done.lines) == COUNT
    assert_whole(batched)
    final = receipts(batched)
    assert {suffix: final[suffix] for suffix in held} == held
    for subject, at in first_claims.items():
        assert final[subject][0]["first_computed_at"] == Instant(at).micro_text
    assert_sound(batched)


def test_ctrl_c_ends_quietly_and_the_next_mint_goes_on(
    batched: Path, many: Path, tmp_path: Path
) -> None:
    minted = counter(batched, "events")
    prose = tmp_path / "prose"
    with prose.open("wb") as err, (tmp_path / "numbers").open("wb") as out:
        running = start("mint", many, home=batched, stdout=out, stderr=err)
        wait_for(running, lambda: minted() >= BATCH)
        running.send_signal(signal.SIGINT)
        code = running.wait(timeout=20)

    printed = (tmp_path / "numbers").read_text().split()
    held = receipts(batched)
    assert code == 130
    assert prose.read_text() == "pith: interrupted\n"
    assert BATCH <= len(held) < COUNT
    assert {number.split(":")[2] for number in printed} <= set(held)

    assert len(process("mint", many, home=batched).fine().lines) == COUNT
    assert_whole(batched)
    final = receipts(batched)
    assert {suffix: final[suffix] for suffix in held} == held
    assert_sound(batched)


def test_a_terminated_mint_can_be_made_again(batched: Path, many: Path) -> None:
    minted = counter(batched, "events")
    running = start(
        "mint", many, home=batched, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(running, lambda: minted() >= BATCH)
    running.terminate()
    assert running.wait(timeout=20) != 0

    few = many.parent / "few.jsonl"
    few.write_bytes(b"")
    process("mint", few, home=batched).fine()
    held = receipts(batched)
    assert_whole(batched, len(held))


def test_two_mints_of_the_same_records_at_once(batched: Path, tmp_path: Path) -> None:
    count = 1000
    file = tmp_path / "records.jsonl"
    file.write_bytes(lines_of(count))
    outputs = [tmp_path / "one", tmp_path / "two"]
    files = [path.open("wb") for path in outputs]
    running = [
        start("mint", file, "--json", home=batched, stdout=out, stderr=subprocess.PIPE)
        for out in files
    ]
    prose = [each.communicate(timeout=60)[1] for each in running]
    for out in files:
        out.close()

    assert [each.returncode for each in running] == [0, 0], prose
    found = [
        {line["pith_number"]: line for line in map(json.loads, path.read_text().splitlines())}
        for path in outputs
    ]
    assert len(found[0]) == len(found[1]) == count
    assert all(found[0][name]["receipt"] == found[1][name]["receipt"] for name in found[0])
    assert not any(found[0][name]["new"] and found[1][name]["new"] for name in found[0])
    assert_whole(batched, count)


def test_two_snapshots_of_one_record_at_once(batched: Path, record_file: Path) -> None:
    process("mint", record_file, home=batched).fine()
    add = ("event", "add", "graph-snapshot", "arxiv:2401.00001", "--title", "On Names")
    running = [
        start(
            *add,
            "--abstract",
            "We name.",
            "--headline",
            f"number {i}",
            home=batched,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for i in range(8)
    ]
    ended = [each.communicate(timeout=60) for each in running]

    assert [each.returncode for each in running] == [0] * 8, ended
    events = process("event", "list", "arxiv:2401.00001", "--json", home=batched).fine().objects
    assert [event["prev_event"] for event in events] == [
        None,
        *(event["event_id"] for event in events[:-1]),
    ]
    assert len(events) == 9
    assert {out.decode().strip() for out, _ in ended} == {e["event_id"] for e in events[1:]}
    state = process("state", "show", "arxiv:2401.00001", home=batched).fine().object
    assert state["equivocation_count"] == 0
    assert len(state["current"]["graph_snapshots"]) == 1
    assert rows(batched, "SELECT count(*) FROM intents") == [(0,)]
    assert rows(batched, "SELECT count(*) FROM signatures WHERE kind = 'event'") == [(9,)]
    process("mint", record_file, home=batched).fine()


def test_a_writer_that_waits_for_another(home: Path, record_file: Path) -> None:
    other = apsw.Connection(str(home / "registry.db"), flags=apsw.SQLITE_OPEN_READWRITE)
    other.execute("BEGIN IMMEDIATE")
    running = start("mint", record_file, home=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1.0)
    assert running.poll() is None
    other.execute("ROLLBACK")
    other.close()

    out, _ = running.communicate(timeout=30)

    assert running.returncode == 0
    assert out.decode().strip() == str(record().number)
