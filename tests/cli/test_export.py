"""A store is exported, imported elsewhere, and signs again only after it was reconciled."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Pith
from tests.cli.lab import BASE_URL, copied, process, tree
from tests.cli.test_backup import PAPER, lose, mint, published


def exported(pith: Pith, home: Path, file: Path) -> Path:
    pith("store", "export", file, home=home).fine()
    return file


def test_an_export_says_what_is_in_it(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    file = tmp_path / "lab.jsonl"

    done = pith("store", "export", file, "--json", home=stocked).fine()

    lines = file.read_bytes().splitlines()
    assert done.object["registry"] == "lab.example"
    assert done.object["records"] == 3
    assert done.object["rows"] == len(lines) - 2
    assert done.object["sha256"] == json.loads(lines[-1])["sha256"]
    assert file.stat().st_mode & 0o777 == 0o600
    again = pith("store", "export", tmp_path / "2.jsonl", home=stocked).fine()
    assert again.lines == [
        f"3 records  {len(lines) - 2} rows  digest {done.object['sha256']}",
    ]


def test_events_stand_in_it_as_they_were_signed(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    file = exported(pith, stocked, tmp_path / "lab.jsonl")
    rows = [json.loads(line) for line in file.read_bytes().splitlines()]
    found = {row["body"].removeprefix("text:") for row in rows if row.get("table") == "events"}

    signed = pith("event", "export", PAPER, home=stocked).fine().lines

    assert signed
    assert set(signed) <= found


def test_packed_by_its_name_or_when_asked(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    plain = exported(pith, stocked, tmp_path / "lab.jsonl").read_bytes()
    packed = exported(pith, stocked, tmp_path / "lab.jsonl.zst").read_bytes()
    stdout = process("store", "export", "-", "--compress", home=stocked).fine().out

    assert packed[:4] == stdout[:4] == b"\x28\xb5\x2f\xfd"
    assert len(packed) < len(plain) / 2
    assert process("store", "export", "-", home=stocked).fine().out == plain


def test_an_export_never_overwrites(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    file = tmp_path / "lab.jsonl"
    file.write_bytes(b"something else")

    pith("store", "export", file, home=stocked).refused(6, "store.exists")
    assert file.read_bytes() == b"something else"


def test_a_lost_store_comes_back_and_signs_only_when_it_was_reconciled(
    pith: Pith, stocked: Path, tmp_path: Path
) -> None:
    file = exported(pith, stocked, tmp_path / "lab.jsonl.zst")
    files = published(pith, stocked, tmp_path / "published")
    lose(stocked)

    done = pith("store", "import", file, home=stocked).fine()

    assert "it signs nothing until it was compared with what was published since" in done.err
    assert pith("record", "list", home=stocked).fine().out.count(b"\n") == 3
    (tmp_path / "new.json").write_bytes(b"")
    with pytest.raises(AssertionError):
        mint(pith, stocked, tmp_path / "new.json", 9)
    pith("mint", tmp_path / "new.json", home=stocked).refused(8, "store.unreconciled")
    pith("store", "restore", "--reconcile", *files, home=stocked).fine()
    mint(pith, stocked, tmp_path / "new.json", 9)
    pith("store", "check", home=stocked).fine()


def test_into_an_empty_home_from_a_pipe(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    data = process("store", "export", "-", home=stocked).fine().out
    home = tmp_path / "new"
    options = ("--base-url", BASE_URL, "--signer", "file:")

    process("store", "import", "-", *options, home=home, stdin=data).fine()

    found = pith("record", "list", home=home).fine().out
    assert found == pith("record", "list", home=stocked).fine().out
    assert (home / "registry.db").stat().st_mode & 0o777 == 0o600


def test_a_refused_import_leaves_no_home(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    file = exported(pith, stocked, tmp_path / "lab.jsonl")
    file.write_bytes(file.read_bytes()[:-30])
    home = tmp_path / "new"

    pith("store", "import", file, home=home).refused(2, "usage.missing")
    pith("store", "import", file, "--base-url", BASE_URL, home=home).refused(3, "export.cut")
    assert tree(home) == []


def test_a_home_that_has_its_store_takes_none(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    file = exported(pith, stocked, tmp_path / "lab.jsonl")
    other = copied(stocked, tmp_path / "other")

    pith("store", "import", file, home=other).refused(6, "store.exists")
    config = other / "config.toml"
    config.write_text(config.read_text().replace("lab.example", "other.example"))
    lose(other)
    pith("store", "import", file, home=other).refused(6, "config.registry")
    assert config.exists()
    assert not (other / "registry.db").exists()


def test_what_is_no_export(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    lose(stocked)
    for name, data, code, rule in (
        ("empty", b"", 3, "export.cut"),
        ("text", b"hello\n", 3, "json.syntax"),
        ("backup", b"SQLite format 3\x00" + bytes(100) + b"\n", 3, "json.syntax"),
    ):
        file = tmp_path / name
        file.write_bytes(data)
        pith("store", "import", file, home=stocked).refused(code, rule)
    pith("store", "import", tmp_path / "none", home=stocked).refused(5, "file.absent")
    assert not (stocked / "registry.db").exists()
