"""pith mint."""

import json
from pathlib import Path

import pytest

from registry.app import App
from registry.protocol.canonical import canonical
from registry.protocol.receipt import Receipt, verify_receipt
from tests.cli.conftest import Pith
from tests.cli.lab import lines_of, process, receipts, record, rows
from tests.parts import vectors_dir


def test_a_new_record_is_minted_once(pith: Pith, home: Path, record_file: Path) -> None:
    first = pith("mint", record_file, home=home).fine()
    before = receipts(home)
    again = pith("mint", record_file, home=home).fine()

    assert first.lines == again.lines == [str(record().number)]
    assert first.errors == ["pith: 1 minted, 0 minted before"]
    assert again.errors == ["pith: 0 minted, 1 minted before"]
    assert receipts(home) == before
    assert [len(each) for each in before.values()] == [1]


def test_json_has_names_receipt_and_newness(pith: Pith, home: Path, record_file: Path) -> None:
    first = pith("mint", record_file, "--json", home=home).fine().object
    again = pith("mint", record_file, "--json", home=home).fine().object

    assert set(first) == {
        "pith_number",
        "short_pith_number",
        "canonical_sha256",
        "aliases",
        "receipt",
        "new",
    }
    assert (first.pop("new"), again.pop("new")) == (True, False)
    assert first == again
    verify_receipt(Receipt.from_json(first["receipt"]), record(), App(home).open().active_key().key)


def test_the_same_record_twice_in_one_input(pith: Pith, home: Path, tmp_path: Path) -> None:
    file = tmp_path / "twice.jsonl"
    file.write_bytes(lines_of(1) + lines_of(1))

    found = pith("mint", file, "--json", home=home).fine().objects

    assert [each["new"] for each in found] == [True, False]
    assert found[0]["receipt"] == found[1]["receipt"]
    assert [len(each) for each in receipts(home).values()] == [1]


def test_a_record_laid_out_otherwise_is_the_same_record(
    pith: Pith, home: Path, record_file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "laid-out.json"
    escaped = record().canonical.replace(b",", b" ,\n").replace(b"cs.DL", b"\\u0063s.DL")
    other.write_bytes(escaped)
    pith("mint", record_file, home=home).fine()

    assert pith("mint", other, "--json", home=home).fine().object["new"] is False


def test_bad_lines_are_told_and_the_others_minted(pith: Pith, home: Path, tmp_path: Path) -> None:
    file = tmp_path / "mixed.jsonl"
    file.write_bytes(lines_of(1) + b"{}\n" + b"\xff\n" + lines_of(1, first=2))

    done = pith("mint", file, home=home)

    assert done.code == 3
    assert done.lines == [str(record(i).number) for i in (1, 2)]
    assert "pith: mixed.jsonl line 2: " in done.err
    assert "pith: mixed.jsonl line 3: " in done.err
    assert len(receipts(home)) == 2


def test_strict_keeps_what_stood_before_the_bad_line(
    pith: Pith, home: Path, tmp_path: Path
) -> None:
    file = tmp_path / "mixed.jsonl"
    file.write_bytes(lines_of(2) + b"{}\n" + lines_of(1, first=3))

    done = pith("mint", file, "--strict", home=home).refused(3, "schema.members")

    assert len(done.lines) == 2
    assert len(receipts(home)) == 2


def test_standard_input(home: Path) -> None:
    done = process("mint", "-", home=home, stdin=lines_of(3)).fine()

    assert done.lines == [str(record(i).number) for i in (1, 2, 3)]


def test_a_batch_is_the_configured_size_and_the_rest(
    pith: Pith, home: Path, tmp_path: Path
) -> None:
    config = home / "config.toml"
    config.write_text(config.read_text() + "\n[mint]\nbatch = 4\n")
    file = tmp_path / "ten.jsonl"
    file.write_bytes(lines_of(10))

    assert len(pith("mint", file, home=home).fine().lines) == 10
    assert len(receipts(home)) == 10


@pytest.mark.parametrize("name", ["event", "bundle", "receipt", "state"])
def test_what_is_signed_otherwise_is_no_record(
    pith: Pith, stocked: Path, tmp_path: Path, name: str
) -> None:
    command = {
        "event": ("event", "list", "arxiv:2401.00001", "--json"),
        "bundle": ("bundle", "build", "arxiv:2401.00001"),
        "receipt": ("receipt", "show", "arxiv:2401.00001"),
        "state": ("state", "show", "arxiv:2401.00001"),
    }[name]
    file = tmp_path / "other.json"
    file.write_bytes(pith(*command, home=stocked).fine().out.splitlines()[0])
    before = rows(stocked, "SELECT count(*) FROM signatures")

    pith("mint", file, home=stocked).refused(3, "schema.members")

    assert rows(stocked, "SELECT count(*) FROM signatures") == before


def test_every_signature_is_in_the_journal(pith: Pith, home: Path, record_file: Path) -> None:
    pith("mint", record_file, home=home).fine()

    found = rows(home, "SELECT kind, hex(digest) FROM signatures ORDER BY seq")
    (event,) = rows(home, "SELECT hex(event_id) FROM events")

    assert [kind for kind, _ in found] == ["keyset", "receipt", "event"]
    assert found[1][1] == record().sha256.upper()
    assert found[2][1] == event[0]


def test_real_published_records_get_their_published_numbers(
    pith: Pith, home: Path, tmp_path: Path
) -> None:
    facts = json.loads((vectors_dir() / "pith_records.json").read_bytes())
    whole = [fact for fact in facts if "canonical_record" in fact]
    file = tmp_path / "published.jsonl"
    file.write_bytes(b"".join(canonical(fact["canonical_record"]) + b"\n" for fact in whole))

    assert len(whole) == 38
    assert pith("mint", file, home=home).fine().lines == [fact["pith_number"] for fact in whole]
