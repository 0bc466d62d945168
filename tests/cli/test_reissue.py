"""pith reissue: the commands, their words and exits, and runs that end in their middle."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from registry.app import App, now
from tests.cli.conftest import Pith
from tests.cli.lab import PITH, copied, environment, lines_of, process, record, rows, start
from tests.cli.terminal import at_terminal
from tests.parts import needs
from tests.services.filled import fill
from tests.services.reissued import rotate

MANY = 9_000


@pytest.fixture(name="rotated")
def _rotated(stocked: Path) -> Path:
    """The stocked registry, its key rotated."""
    desk = App(stocked).open()
    rotate(desk, now)
    desk.store.close()
    return stocked


def old_key(home: Path) -> str:
    """The id of the key that signed before."""
    listed = process("key", "list", "--json", home=home).fine().objects
    return next(key["key_id"] for key in listed if key["status"] == "retiring")


def planned(pith: Pith, home: Path, *more: object) -> str:
    """The digest of a plan of everything."""
    plan = ("reissue", "plan", "--old", old_key(home), "--reason", "rotation", *more)
    return pith(*plan, home=home).fine().lines[0]


def test_a_reissue_by_its_commands(pith: Pith, rotated: Path) -> None:
    before = pith("receipt", "show", "arxiv:2401.00001", home=rotated).fine().object
    digest = planned(pith, rotated)
    assert len(digest) == 64

    status = pith("reissue", "status", "--json", home=rotated).fine().object
    assert (status["state"], status["receipts"], status["left"]) == ("planned", 3, 3)
    assert status["plan"]["old_key"]["key_id"] == before["key_id"]
    canary = pith("reissue", "run", digest, "--canary", "1", "--json", home=rotated).fine()
    assert (canary.object["signed"], canary.object["left"]) == (1, 2)
    assert "1 of them verified as a stranger would" in canary.err
    pith("reissue", "switch", "--yes", home=rotated).refused(6, "job.unsigned")
    done = pith("reissue", "resume", home=rotated).fine()
    assert "2 signed now, 0 left" in done.err
    assert pith("receipt", "show", "arxiv:2401.00001", home=rotated).fine().object == before
    assert pith("reissue", "sample", "3", "--json", home=rotated).fine().object == {"looked_at": 3}
    assert "signed    3, 0 left" in pith("reissue", "status", home=rotated).fine().lines

    switched = at_terminal("reissue", "switch", home=rotated, answers=[("to go on", "switch")])
    switched.fine()

    after = pith("receipt", "show", "arxiv:2401.00001", home=rotated).fine().object
    assert after["key_id"] == status["plan"]["new_key"]["key_id"] != before["key_id"]
    assert after["first_computed_at"] == before["first_computed_at"]
    listed = pith("event", "list", "arxiv:2401.00001", home=rotated).fine().lines
    assert [line.split()[1] for line in listed] == [
        "record_created",
        "graph_snapshot",
        "record_created",
    ]
    bundle = rotated.parent / "bundle.json"
    pith("bundle", "build", "arxiv:2401.00001", "-o", bundle, home=rotated).fine()
    pith("verify", bundle, home=rotated).fine()
    pith("key", "audit", home=rotated).fine()
    pith("reissue", "resume", home=rotated).refused(6, "job.ended")


def test_a_wrong_word_switches_nothing(pith: Pith, rotated: Path) -> None:
    pith("reissue", "run", planned(pith, rotated), home=rotated).fine()

    done = at_terminal("reissue", "switch", home=rotated, answers=[("to go on", "Switch")])

    assert done.code == 130
    pith("reissue", "switch", home=rotated).refused(2, "usage.confirm")
    assert pith("reissue", "status", "--json", home=rotated).object["state"] == "running"


def test_what_is_asked_wrongly(pith: Pith, rotated: Path, tmp_path: Path) -> None:
    pith("reissue", "status", home=rotated).refused(5, "reissue.none")
    pith("reissue", "sample", "1", home=rotated).refused(5, "reissue.none")
    old = old_key(rotated)
    plan = ("reissue", "plan", "--old", old, "--reason")
    pith(*plan, "  ", home=rotated).refused(2, "reissue.reason")
    pith("reissue", "plan", "--old", "\x1b[2J", "--reason", "x", home=rotated).refused(
        5, "key.absent"
    )
    digest = planned(pith, rotated)
    pith("reissue", "resume", home=rotated).refused(6, "reissue.digest")
    pith("reissue", "switch", "--yes", home=rotated).refused(6, "reissue.digest")
    pith("reissue", "run", "0" * 64, home=rotated).refused(6, "reissue.digest")
    for wrong in (digest[:-1], digest.upper(), "x"):
        pith("reissue", "run", wrong, home=rotated).refused(2, "usage.digest")
    pith("reissue", "run", digest, "--limit", 1, "--canary", 1, home=rotated).refused(
        2, "usage.missing"
    )
    numbers = tmp_path / "numbers"
    numbers.write_text(f"{record(1).number}\nnonsense\n")
    done = pith(*plan, "x", "--numbers", numbers, home=rotated).refused(3, "number.form")
    assert "line 2" in done.err
    numbers.write_text(f"{record(9).number}\n")
    pith(*plan, "x", "--numbers", numbers, home=rotated).refused(5, "reissue.number")
    assert pith("reissue", "status", "--json", home=rotated).object["digest"] == digest


def test_some_numbers_alone(pith: Pith, rotated: Path, tmp_path: Path) -> None:
    numbers = tmp_path / "numbers"
    numbers.write_text(f"\n{record(2).number}\n{record(2).number}\n")

    digest = planned(pith, rotated, "--numbers", numbers)
    pith("reissue", "run", digest, home=rotated).fine()
    pith("reissue", "switch", "--yes", home=rotated).fine()

    keys = {
        line["pith_number"]: line["receipt"]["key_id"]
        for line in pith("receipt", "list", "--json", home=rotated).objects
    }
    new = pith("reissue", "status", "--json", home=rotated).object["plan"]["new_key"]["key_id"]
    assert [number for number, key in keys.items() if key == new] == [str(record(2).number)]


def test_a_derived_line_that_is_refused_is_told(pith: Pith, rotated: Path, tmp_path: Path) -> None:
    derived = tmp_path / "derived.jsonl"
    derived.write_bytes(lines_of(1) + b"{}\n")
    plan = ("reissue", "plan", "--old", old_key(rotated), "--reason", "x", "--derived", derived)

    done = pith(*plan, "--json", home=rotated).refused(3, "schema.members")

    assert done.object["receipts"] == 3


# -- many --------------------------------------------------------------------------


@pytest.fixture(name="many_home", scope="module")
def _many_home(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with so many records that workers sign, its key rotated, all planned."""
    home = copied(empty_home, tmp_path_factory.mktemp("many") / "home")
    desk = App(home).open()
    fill(desk, MANY, at=now())
    old, _ = rotate(desk, now)
    desk.store.close()
    process("reissue", "plan", "--old", old, "--reason", "rotation", home=home).fine()
    return home


@pytest.fixture(name="many")
def _many(many_home: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return copied(many_home, tmp_path / "many")


def digest_of(home: Path) -> str:
    """The digest of the newest plan."""
    return str(process("reissue", "status", "--json", home=home).fine().object["digest"])


def staged(home: Path) -> int:
    """How many events are staged."""
    return int(rows(home, "SELECT count(*) FROM staged")[0][0])


def waited(running: "subprocess.Popen[bytes]", home: Path, count: int) -> None:
    """Until so many are staged."""
    end = time.monotonic() + 60
    while running.poll() is None and staged(home) < count:
        assert time.monotonic() < end
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    """The child processes of one."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


def assert_finished(home: Path) -> None:
    """Resumed and switched, each record has exactly one new receipt, and all agrees."""
    process("reissue", "resume", home=home).fine()
    assert staged(home) == MANY
    process("reissue", "switch", "--yes", home=home).fine()
    assert rows(home, "SELECT count(*), count(DISTINCT subject) FROM events") == [(2 * MANY, MANY)]
    assert staged(home) == 0
    process("key", "audit", home=home).fine()


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_with_workers_that_is_ended_goes_on(many: Path, sent: signal.Signals) -> None:
    digest = digest_of(many)
    running = start(
        "reissue", "run", digest, home=many, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    waited(running, many, 1)
    workers = children(running.pid)
    running.send_signal(sent)
    _, prose = running.communicate(timeout=30)
    if sent == signal.SIGINT:
        assert (running.returncode, prose) == (130, b"pith: interrupted\n")
    done = staged(many)
    assert 0 < done < MANY, "it was too fast to be stopped"
    end = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < end, "a worker outlived its parent"
        time.sleep(0.05)
    kept = rows(many, "SELECT event_id FROM staged ORDER BY subject")
    times = rows(many, "SELECT subject, at FROM job_items WHERE at <> 0 ORDER BY subject")
    assert len(times) >= done

    assert_finished(many)

    held = {event_id for (event_id,) in rows(many, "SELECT event_id FROM events")}
    assert {event_id for (event_id,) in kept} <= held
    assert rows(many, "SELECT subject, at FROM job_items ORDER BY subject")[: len(times)] == times


def test_a_worker_that_dies_is_a_clean_stop(many: Path) -> None:
    running = start(
        "reissue",
        "run",
        digest_of(many),
        home=many,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    waited(running, many, 1)
    workers = children(running.pid)
    assert workers
    os.kill(workers[0], signal.SIGKILL)
    _, prose = running.communicate(timeout=30)

    assert running.returncode == 8, prose
    assert b"[worker.ended]" in prose
    assert_finished(many)


def test_a_second_run_takes_over_and_a_switch_is_turned_away(many: Path) -> None:
    digest = digest_of(many)
    running = start(
        "reissue", "run", digest, home=many, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    waited(running, many, 1)
    running.send_signal(signal.SIGSTOP)
    switch = process("reissue", "switch", "--yes", home=many)
    plan = process("reissue", "plan", "--old", old_key(many), "--reason", "other", home=many)
    status = process("reissue", "status", "--json", home=many).fine().object
    job = process("job", "status", "1", "--json", home=many).fine().object
    second = start("job", "work", home=many, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    running.send_signal(signal.SIGKILL)
    _, prose = second.communicate(timeout=60)
    running.wait(timeout=10)

    assert second.returncode == 0, prose
    switch.refused(6, "job.busy")
    plan.refused(6, "job.busy")
    assert job["shards"] == {"open": 0, "held": 1, "done": 0}
    assert status["state"] == "running"
    assert 0 < status["signed"] < MANY
    assert status["rate"] > 0
    assert staged(many) == MANY


def test_the_seed_is_in_no_pipe(many: Path, tmp_path: Path) -> None:
    """All that the run and its workers write, followed by strace."""
    needs("strace")
    desk = App(many).open()
    active = desk.active_key()
    row = desk.find_key(active.key_id)
    assert row is not None
    seed = bytes(desk.key_store(row.uri).open(active.key_id, active.key)._key)  # type: ignore[attr-defined]
    desk.store.close()
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-qq", "-xx", "-s", "4000000", "-o", str(trace)]
    command += ["-e", "trace=write,writev,pwrite64,sendto,sendmsg"]
    done = subprocess.run(
        [*command, *PITH, "reissue", "run", digest_of(many), "--limit", "8000"],
        env=environment(many),
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr

    written = trace.read_text()
    assert len({line.split()[0] for line in written.splitlines()}) > 2, "no worker wrote anything"
    for form, expected in ((b"record_created", True), (seed, False), (seed.hex().encode(), False)):
        assert ("".join(f"\\x{byte:02x}" for byte in form) in written) == expected, form


def peak(home: Path, *arguments: object) -> int:
    """The largest memory of a command and its workers, in KiB."""
    running = start(
        "reissue", *arguments, home=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    assert running.returncode == 0
    return usage.ru_maxrss


def test_memory_does_not_grow_with_the_job(empty_home: Path, tmp_path: Path) -> None:
    home = copied(empty_home, tmp_path / "large")
    desk = App(home).open()
    fill(desk, 3 * 8_200, at=now())
    old, _ = rotate(desk, now)
    desk.store.close()
    planning = start(
        *("reissue", "plan", "--old", old, "--reason", "rotation"),
        home=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert planning.wait(timeout=300) == 0

    small = peak(home, "run", digest_of(home), "--limit", 8_200)
    large = peak(home, "resume")

    assert staged(home) == 3 * 8_200
    assert large < 1.25 * small, (small, large)
