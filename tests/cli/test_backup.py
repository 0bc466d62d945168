"""A store is backed up, lost, restored, and signs again only after it was reconciled."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import apsw
import pytest

from registry.app import App
from tests.cli.conftest import Pith
from tests.cli.lab import (
    ABSTRACT,
    BASE_URL,
    TITLE,
    copied,
    lines_of,
    process,
    record,
    rows,
    start,
    tree,
)
from tests.cli.terminal import at_terminal
from tests.parts import needs

PAPER = "arxiv:2401.00001"
NEWER = "arxiv:2401.00009"
EVENTS = "SELECT event_id FROM events ORDER BY event_id"
HEADS = "SELECT subject, signer_id, event_id FROM heads ORDER BY subject, signer_id"


def snapshot(pith: Pith, home: Path, headline: str) -> None:
    said = ("--title", TITLE, "--abstract", ABSTRACT, "--headline", headline)
    pith("event", "add", "graph-snapshot", PAPER, *said, home=home).fine()


def published(pith: Pith, home: Path, folder: Path, *numbers: str) -> list[Path]:
    """The newest key set and the bundles of these records, in files."""
    folder.mkdir()
    files = [folder / "pith-keys.json"]
    pith("keyset", "show", "--all", "-o", files[0], home=home).fine()
    for number in numbers or (PAPER, "arxiv:2401.00002v1", "arxiv:2401.00002v2"):
        files.append(folder / f"{number.replace(':', '-')}.json")
        pith("bundle", "build", number, "-o", files[-1], home=home).fine()
    return files


def lose(home: Path) -> None:
    """The database and all that SQLite keeps beside it are gone."""
    for path in home.glob("registry.db*"):
        path.unlink()


def mint(pith: Pith, home: Path, file: Path, number: int) -> None:
    file.write_bytes(record(number).canonical)
    pith("mint", file, home=home).fine()


# -- backup --------------------------------------------------------------------


def test_a_backup_is_one_private_file_that_says_what_is_in_it(
    pith: Pith, stocked: Path, tmp_path: Path
) -> None:
    file = tmp_path / "copy.db"
    digest = App(stocked).open().keyset().body.digest.hex()

    done = pith("store", "backup", file, "--json", home=stocked).fine()

    assert done.object["records"] == 3
    assert (done.object["keyset_version"], done.object["keyset_sha256"]) == (1, digest)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [name for name in tree(tmp_path) if "copy" in name] == ["copy.db"]
    copy = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    assert copy.pragma("journal_mode") == "delete"
    assert copy.pragma("integrity_check") == "ok"
    assert list(copy.execute(EVENTS)) == rows(stocked, EVENTS)
    assert pith("store", "backup", tmp_path / "2.db", home=stocked).fine().lines == [
        f"3 records  key set 1 {digest}"
    ]


def test_a_backup_never_overwrites(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    file.write_bytes(b"something else")

    pith("store", "backup", file, home=stocked).refused(6, "store.exists")
    assert file.read_bytes() == b"something else"
    assert [name for name in tree(tmp_path) if name.startswith(".copy")] == []


def test_a_backup_while_minting_goes_on_is_of_one_moment(home: Path, tmp_path: Path) -> None:
    config = home / "config.toml"
    config.write_text(config.read_text() + "\n[mint]\nbatch = 50\n")
    many = tmp_path / "many.jsonl"
    many.write_bytes(lines_of(3000))
    minting = start("mint", many, home=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    copies = []
    try:
        while minting.poll() is None and len(copies) < 3:
            copies.append(tmp_path / f"copy-{len(copies)}.db")
            process("store", "backup", copies[-1], home=home).fine()
    finally:
        assert minting.wait(60) == 0
    counts = []
    for copy in copies:
        db = apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READONLY)
        (events,), (heads,), (lines,) = (
            next(iter(db.execute(f"SELECT count(*) FROM {what}")))
            for what in ("events", "heads", "signatures WHERE kind = 'event'")
        )
        assert events == heads == lines
        counts.append(events)
    assert counts == sorted(counts)
    assert counts[0] < 3000


@pytest.mark.parametrize("moment", [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3])
def test_a_backup_that_is_killed_leaves_nothing_under_its_name(
    stocked: Path, tmp_path: Path, moment: float
) -> None:
    file = tmp_path / "copy.db"
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    child = start("store", "backup", file, home=stocked, **silent)
    time.sleep(moment)
    child.kill()
    child.wait()

    if file.exists():
        db = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
        assert db.pragma("integrity_check") == "ok"
        file.unlink()
    process("store", "backup", file, home=stocked).fine()
    assert not (tmp_path / ".copy.db.part").exists()


def test_a_full_disk_is_said_and_leaves_nothing(stocked: Path, tmp_path: Path) -> None:
    needs("root", "tmpfs")
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
    subprocess.run(mount, check=True)
    try:
        process("store", "backup", small / "copy.db", home=stocked).refused(8, "store.write")
        assert tree(small) == []
        backup = tmp_path / "copy.db"
        process("store", "backup", backup, home=stocked).fine()
        options = ("--base-url", BASE_URL)
        process("store", "restore", backup, *options, home=small / "h").refused(8, "store.write")
        assert [name for name in tree(small) if "registry.db" in name] == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


# -- check ---------------------------------------------------------------------


def test_a_check_tells_each_finding_with_its_remedy(pith: Pith, stocked: Path) -> None:
    assert pith("store", "check", home=stocked).fine().out == b""

    rows(stocked, "UPDATE records SET year = 1999 WHERE source_id = '2401.00001'")
    done = pith("store", "check", "--json", home=stocked)
    assert (done.code, done.object["code"]) == (8, "records.year")
    assert done.object["where"] == f"record {record().number.suffix}"
    shown = pith("store", "check", home=stocked)
    assert shown.code == 8
    assert shown.lines[0].startswith("records.year  record ")
    assert shown.lines[1].startswith("    remedy: the document is sound")


def test_a_restored_store_is_sound(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    pith("store", "backup", file, home=stocked).fine()
    files = published(pith, stocked, tmp_path / "out")
    lose(stocked)
    pith("store", "restore", file, home=stocked).fine()
    pith("store", "check", home=stocked).fine()
    pith("store", "restore", "--reconcile", *files, home=stocked).fine()
    pith("store", "check", home=stocked).fine()


# -- restore -------------------------------------------------------------------


@pytest.fixture(name="backup")
def _backup(pith: Pith, stocked: Path, tmp_path: Path) -> Path:
    """A backup of the stocked registry."""
    file = tmp_path / "backup.db"
    pith("store", "backup", file, home=stocked).fine()
    return file


def test_nothing_is_restored_over_anything(
    pith: Pith, stocked: Path, backup: Path, tmp_path: Path
) -> None:
    before = (stocked / "registry.db").read_bytes()

    pith("store", "restore", backup, home=stocked).refused(6, "store.exists")
    assert (stocked / "registry.db").read_bytes() == before

    # The journal of what was lost would be played into what takes its place.
    (stocked / "registry.db").rename(tmp_path / "gone.db")
    (stocked / "registry.db-wal").write_bytes(b"frames")
    pith("store", "restore", backup, home=stocked).refused(6, "store.left")
    assert not (stocked / "registry.db").exists()


@pytest.mark.parametrize(
    ("data", "rule"),
    [(b"", "store.foreign"), (b"no database, but longer than a header is" * 9, "store.damaged")],
)
def test_what_is_no_backup_is_refused(pith: Pith, tmp_path: Path, data: bytes, rule: str) -> None:
    file = tmp_path / "no.db"
    file.write_bytes(data)
    home = tmp_path / "new"

    pith("store", "restore", file, "--base-url", BASE_URL, home=home).refused(8, rule)
    pith("store", "restore", tmp_path / "none.db", home=home).refused(8, "store.open")
    assert not home.exists()


def test_a_spoilt_backup_is_refused(pith: Pith, backup: Path, tmp_path: Path) -> None:
    data = bytearray(backup.read_bytes())
    for page in range(4096, len(data), 4096):
        data[page] ^= 0xFF
    backup.write_bytes(bytes(data))

    home = tmp_path / "new"
    options = ("--base-url", BASE_URL)
    pith("store", "restore", backup, *options, home=home).refused(8, "store.damaged")
    assert not (home / "registry.db").exists()


def test_a_backup_of_another_registry_is_refused(pith: Pith, stocked: Path, backup: Path) -> None:
    lose(stocked)
    config = stocked / "config.toml"
    config.write_text(config.read_text().replace('"lab.example"', '"other.example"'))

    pith("store", "restore", backup, home=stocked).refused(6, "config.registry")


def test_a_restore_that_is_killed_is_done_again(
    stocked: Path, backup: Path, tmp_path: Path
) -> None:
    for moment in (0.1, 0.2, 0.3, 0.4):
        lose(stocked)
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        child = start("store", "restore", backup, home=stocked, **silent)
        time.sleep(moment)
        child.send_signal(signal.SIGKILL)
        child.wait()
        if not (stocked / "registry.db").exists():
            process("store", "restore", backup, home=stocked).fine()
        process("mint", "-", home=stocked, stdin=record(7).canonical).refused(
            8, "store.unreconciled"
        )
        assert rows(stocked, "SELECT count(*) FROM acts WHERE act = 'home made anew'") == [(1,)]


def test_a_restored_store_signs_nothing_until_it_was_reconciled(
    pith: Pith, stocked: Path, backup: Path, tmp_path: Path
) -> None:
    files = published(pith, stocked, tmp_path / "out")
    lose(stocked)
    done = pith("store", "restore", backup, home=stocked).fine()
    assert "it signs nothing until" in done.err

    (tmp_path / "r.json").write_bytes(record(7).canonical)
    locked = (8, "store.unreconciled")
    pith("mint", tmp_path / "r.json", home=stocked).refused(*locked)
    pith("bundle", "build", PAPER, home=stocked).refused(*locked)
    pith("rotation", "next", "--yes", home=stocked).refused(*locked)
    create = ("key", "create", "--usage", "recovery", "--signer", f"file:{tmp_path}/r", "--yes")
    pith(*create, home=stocked).refused(*locked)
    assert rows(stocked, "SELECT count(*) FROM keysets") == [(1,)]
    pith("state", "show", PAPER, home=stocked).fine()
    assert pith("doctor", home=stocked).code == 8

    # Without a key set, or with bundles of some records alone, it stays so.
    reconcile = ("store", "restore", "--reconcile")
    pith(*reconcile, *files[1:], home=stocked).refused(2, "reconcile.keyset")
    pith(*reconcile, *files[:2], home=stocked).refused(2, "usage.confirm")
    (tmp_path / "state.json").write_bytes(pith("state", "show", PAPER, home=stocked).out)
    pith(*reconcile, *files, tmp_path / "state.json", home=stocked).refused(3, "reconcile.kind")
    pith("mint", tmp_path / "r.json", home=stocked).refused(*locked)
    told = at_terminal(*reconcile, *files[:2], home=stocked, answers=[("to go on", "no")])
    assert told.code == 130
    pith("mint", tmp_path / "r.json", home=stocked).refused(*locked)

    pith(*reconcile, *files, home=stocked).fine()
    pith("mint", tmp_path / "r.json", home=stocked).fine()
    pith(*reconcile, *files, home=stocked).refused(6, "store.reconciled")


def test_the_word_unlocks_what_was_never_published(
    stocked: Path, pith: Pith, backup: Path, tmp_path: Path
) -> None:
    files = published(pith, stocked, tmp_path / "out")
    lose(stocked)
    pith("store", "restore", backup, home=stocked).fine()

    at_terminal(
        *("store", "restore", "--reconcile", files[0]),
        home=stocked,
        answers=[("to go on", "unpublished")],
    ).fine()
    (tmp_path / "r.json").write_bytes(record(7).canonical)
    pith("mint", tmp_path / "r.json", home=stocked).fine()


def test_a_copy_put_in_place_by_hand_is_locked_too(
    pith: Pith, stocked: Path, backup: Path, tmp_path: Path
) -> None:
    files = published(pith, stocked, tmp_path / "out")
    lose(stocked)
    shutil.copy(backup, stocked / "registry.db")

    (tmp_path / "r.json").write_bytes(record(7).canonical)
    pith("mint", tmp_path / "r.json", home=stocked).refused(8, "store.unreconciled")
    pith("store", "restore", "--reconcile", *files, home=stocked).fine()
    assert rows(stocked, "SELECT act FROM acts ORDER BY seq")[0] == ("home made anew",)


def test_a_backup_older_than_what_was_published_forks_nothing(
    pith: Pith, stocked: Path, backup: Path, tmp_path: Path
) -> None:
    """The whole life: events, a new record and a rotation after the backup, and then the loss."""
    early = published(pith, stocked, tmp_path / "early")
    snapshot(pith, stocked, "after the backup")
    mint(pith, stocked, tmp_path / "r.json", 9)
    for step in ("announce", "activate"):
        pith("rotation", "next", step, "--yes", home=stocked).fine()
    snapshot(pith, stocked, "under the new key")
    late = published(
        pith, stocked, tmp_path / "late", PAPER, NEWER, "arxiv:2401.00002v1", "arxiv:2401.00002v2"
    )
    events, heads = rows(stocked, EVENTS), rows(stocked, HEADS)
    lose(stocked)

    pith("store", "restore", backup, home=stocked).fine()
    assert len(rows(stocked, EVENTS)) < len(events)
    pith("mint", tmp_path / "r.json", home=stocked).refused(8, "store.unreconciled")
    pith("rotation", "next", "--yes", home=stocked).refused(8, "store.unreconciled")
    told = pith(*("store", "restore", "--reconcile", *late, *early, "--json"), home=stocked).fine()

    assert (told.object["new_keysets"], told.object["not_compared"]) == (2, 0)
    assert rows(stocked, EVENTS) == events
    assert rows(stocked, HEADS) == heads
    assert "0 minted, 1 minted before" in pith("mint", tmp_path / "r.json", home=stocked).err
    snapshot(pith, stocked, "and on")
    assert pith("rotation", "next", "retire", "--yes", home=stocked).fine().lines
    after = published(pith, stocked, tmp_path / "after", PAPER, NEWER)
    pith("verify", after[1], "--pin", late[0]).fine()
    every = [*early, *late, *after]
    found = pith("evidence", "find", *every, "--pin", after[0]).fine()
    assert found.out == b""
    assert pith("evidence", "find", home=stocked).fine().out == b""
    pith("key", "audit", *late[1:], *after[1:], home=stocked).fine()


def test_a_refused_bundle_keeps_it_locked(
    pith: Pith, stocked: Path, backup: Path, tmp_path: Path
) -> None:
    """A home that went on signing after it was restored elsewhere: its fork is seen."""
    twin = copied(stocked, tmp_path / "twin")
    snapshot(pith, stocked, "here")
    snapshot(pith, twin, "there")
    here, there = (published(pith, each, tmp_path / f"out-{each.name}") for each in (stocked, twin))
    lose(stocked)
    pith("store", "restore", backup, home=stocked).fine()

    done = pith("store", "restore", "--reconcile", *here, *there[1:], home=stocked)
    done.refused(6, "import.equivocation")
    (tmp_path / "r.json").write_bytes(record(7).canonical)
    pith("mint", tmp_path / "r.json", home=stocked).refused(8, "store.unreconciled")
    assert pith("evidence", "find", home=stocked).code == 6


def test_another_key_set_of_the_same_version_keeps_it_locked(
    pith: Pith, stocked: Path, backup: Path, tmp_path: Path
) -> None:
    files = published(pith, stocked, tmp_path / "out")
    twin = copied(stocked, tmp_path / "twin")
    pith("rotation", "next", "announce", "--yes", home=stocked).fine()
    later = tmp_path / "later.db"
    pith("store", "backup", later, home=stocked).fine()
    lose(twin)
    pith("store", "restore", backup, home=twin).fine()
    pith("store", "restore", "--reconcile", *files, home=twin).fine()
    pith("rotation", "next", "announce", "--yes", home=twin).fine()
    pith("keyset", "show", "--all", "-o", tmp_path / "fork.json", home=twin).fine()
    lose(stocked)
    pith("store", "restore", later, home=stocked).fine()

    fork = ("store", "restore", "--reconcile", tmp_path / "fork.json", *files[1:])
    pith(*fork, home=stocked).refused(6, "keyset.fork")
    pith("rotation", "next", "--yes", home=stocked).refused(8, "store.unreconciled")
