"""`pith store copy`: killed, given again, and in place of the old store."""

import json
import signal
import time
from pathlib import Path

from registry.app import App
from tests.cli.conftest import Pith
from tests.cli.lab import process, start
from tests.services.filled import fill


def listed(pith: Pith, home: Path) -> bytes:
    return pith("record", "list", home=home).fine().out


def test_a_copy_says_what_was_compared(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    place, target = stocked / "registry.db", tmp_path / "copy.db"

    done = pith("store", "copy", place, f"sqlite:{target}", "--json").fine()

    exported = tmp_path / "lab.jsonl"
    pith("store", "export", exported, home=stocked).fine()
    end = json.loads(exported.read_bytes().splitlines()[-1])
    assert done.object["sha256"] == end["sha256"]
    assert done.object["records"] == 3
    assert target.stat().st_mode & 0o777 == 0o600
    pith("store", "copy", place, target).refused(6, "store.exists")
    pith("store", "copy", place, place).refused(2, "usage.together")
    pith("store", "copy", tmp_path / "none.db", tmp_path / "2.db").refused(8, "store.open")


def test_a_killed_copy_goes_on(home: Path, tmp_path: Path) -> None:
    desk = App(home).open()
    fill(desk, 6000, at=desk.clock())
    desk.store.close()
    place, target = home / "registry.db", tmp_path / "copy.db"
    log = tmp_path / "copy.db-wal"
    for size in (300_000, 900_000):
        copying = start("store", "copy", place, target, home=home)
        end = time.monotonic() + 30
        while not log.exists() or log.stat().st_size < size:
            assert time.monotonic() < end
            assert copying.poll() is None
            time.sleep(0.005)
        copying.send_signal(signal.SIGKILL)
        copying.wait()

    process("store", "copy", place, target).fine()

    config = home / "config.toml"
    before = process("store", "export", "-", home=home).fine().out
    config.write_text(config.read_text().replace("sqlite:registry.db", f"sqlite:{target}"))
    assert process("store", "export", "-", home=home).fine().out == before
    process("mint", "-", home=home, stdin=b"").refused(8, "store.unreconciled")


def test_a_moved_store_signs_where_it_is_now(
    pith: Pith, stocked: Path, tmp_path: Path, record_file: Path
) -> None:
    before = listed(pith, stocked)
    target = stocked / "new.db"

    pith("store", "copy", stocked / "registry.db", target, "--move").fine()

    pith("mint", record_file, home=stocked).refused(6, "store.moved")
    pith("store", "restore", "--reconcile", record_file, home=stocked).refused(6, "store.moved")
    config = stocked / "config.toml"
    config.write_text(config.read_text().replace("sqlite:registry.db", "sqlite:new.db"))
    assert listed(pith, stocked) == before
    pith("mint", record_file, home=stocked).fine()
    pith("store", "check", home=stocked).fine()
