"""pith key."""

import base64
import json
from pathlib import Path

import apsw
import pytest

from registry.app import App, new_seed
from registry.protocol.keys import KeyObject
from tests.cli.conftest import Pith
from tests.cli.lab import tree


def test_the_first_key_is_listed_and_shown(pith: Pith, home: Path) -> None:
    active = App(home).open().active_key()

    line, committed = pith("key", "list", home=home).fine().lines
    listed, _ = pith("key", "list", "--json", home=home).fine().objects
    shown = pith("key", "show", home=home).fine().object
    named = pith("key", "show", active.key_id, home=home).fine().object

    assert line == f"{active.key_id}  active  {active.key.fingerprint}  file:"
    assert "  committed  " in committed
    assert listed["public_key_hex"] == active.key.hex
    assert listed["status"] == "active"
    assert listed["usage"] == "registry"
    assert shown == named == active.to_json()
    assert KeyObject.from_json(shown, "$") == active


def test_the_key_set_is_the_one_that_verifies(pith: Pith, home: Path, tmp_path: Path) -> None:
    file = tmp_path / "pith-keys.json"
    file.write_bytes(pith("keyset", "show", home=home).fine().out)

    pith("verify", file, home=home).fine()
    assert json.loads(file.read_bytes())["registry"] == "lab.example"


def test_a_new_key_is_made_and_signs_nothing_yet(pith: Pith, home: Path, record_file: Path) -> None:
    first = App(home).open().active_key().key_id
    done = pith("key", "create", "--json", home=home).fine()
    key_id = done.object["key_id"]

    assert key_id != first
    assert key_id.startswith("lab-v3-")
    assert "signs nothing" in done.err
    assert {
        row["key_id"]: row["status"]
        for row in pith("key", "list", "--json", home=home).fine().objects
        if row["status"] != "committed"
    } == {
        first: "active",
        key_id: "unlisted",
    }
    minted = pith("mint", record_file, "--json", home=home).fine().object
    assert minted["receipt"]["key_id"] == first
    assert pith("key", "show", key_id, home=home).fine().object["key_id"] == key_id


def test_a_key_with_a_chosen_id_in_a_chosen_folder(pith: Pith, home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    done = pith("key", "create", "--id", "spare-1", "--signer", f"file:{folder}", home=home).fine()

    assert done.lines == ["spare-1"]
    assert tree(folder) == ["spare-1.key"]


def test_a_key_id_means_one_key_for_ever(pith: Pith, home: Path) -> None:
    pith("key", "create", "--id", "spare-1", home=home).fine()
    before = tree(home)

    pith("key", "create", "--id", "spare-1", home=home).refused(6, "key.exists")

    assert tree(home) == before


@pytest.mark.parametrize("key_id", ["", "a", "Upper", "../../x", "a b", "a" * 65, "\x1b[31m", "é1"])
def test_a_key_id_not_in_its_form(pith: Pith, home: Path, key_id: str) -> None:
    before = tree(home)

    assert pith("key", "create", "--id", key_id, home=home).code in (2, 3)
    assert tree(home) == before


def test_a_key_that_nobody_knows(pith: Pith, home: Path) -> None:
    done = pith("key", "show", "no-such-key", home=home).refused(5, "key.absent")

    assert "pith key list" in done.err


def test_the_seed_is_printed_by_nothing(pith: Pith, home: Path, record_file: Path) -> None:
    seed = new_seed()
    App(home).key_store("file:", App(home).config()).put("known-1", seed)
    outputs = [
        pith(*command, home=home)
        for command in (
            ("key", "list", "--json"),
            ("key", "show"),
            ("keyset", "show"),
            ("doctor", "--json"),
            ("mint", record_file, "--json"),
        )
    ]
    text = "".join(done.out.decode() + done.err for done in outputs)

    assert "correct horse" not in text
    assert seed.hex() not in text
    assert base64.b64encode(seed).decode() not in text


@pytest.mark.parametrize("command", [("mint", "RECORD"), ("key", "show"), ("doctor",)])
def test_a_key_file_that_is_gone(
    pith: Pith, home: Path, record_file: Path, command: tuple[str, ...]
) -> None:
    (key,) = (home / "keys").glob("*.key")
    key.unlink()
    line = [record_file if part == "RECORD" else part for part in command]

    done = pith(*line, home=home)

    assert done.code == (0 if command[0] == "key" else 7), done
    assert tree(home / "keys") == []


def test_a_wrong_passphrase(pith: Pith, home: Path, record_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "wrong"
    other.touch(mode=0o600)
    other.write_text("wrong")
    config = home / "config.toml"
    lines = [line for line in config.read_text().splitlines() if "passphrase" not in line]
    lines.insert(lines.index("[signer]") + 1, f'passphrase = "file:{other}"')
    config.write_text("\n".join(lines))

    assert pith("mint", record_file, home=home).code == 7
    assert pith("record", "list", home=home).fine().out == b""
    assert len(tree(home / "keys")) == 1


# -- move ----------------------------------------------------------------------


def key_files(home: Path) -> set[str]:
    """The key files of a home."""
    return {file.name for file in (home / "keys").glob("*.key")}


def test_a_key_moves_and_signs_where_it_is_now(
    pith: Pith, stocked: Path, tmp_path: Path, record_file: Path
) -> None:
    key_id = App(stocked).open().active_key().key_id
    there = tmp_path / "elsewhere"

    pith("key", "move", key_id, "--to", f"file:{there}", "--yes", home=stocked).fine()

    assert key_files(stocked) == set()
    assert [file.name for file in there.iterdir()] == [f"{key_id}.key"]
    assert pith("key", "list", home=stocked).fine().lines[0].endswith(f"file:{there}")
    pith("bundle", "build", "arxiv:2401.00001", home=stocked).fine()
    acts = pith("key", "audit", "--json", home=stocked).fine().object["acts"]
    assert [(act["act"], act["reason"]) for act in acts] == [
        ("leaving", "file:"),
        ("moved", f"file:{there}"),
    ]
    pith("key", "move", key_id, "--to", f"file:{there}", "--yes", home=stocked).refused(
        6, "key.there"
    )


def test_one_place_under_two_names_is_no_move(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    key_id = App(stocked).open().active_key().key_id
    link = tmp_path / "link"
    link.symlink_to(stocked / "keys")

    for _ in range(2):
        for uri in (f"file:{stocked}/keys", f"file:{link}"):
            pith("key", "move", key_id, "--to", uri, "--yes", home=stocked).refused(6, "key.there")
    assert key_files(stocked) == {f"{key_id}.key"}


def test_a_place_that_became_the_other_is_not_erased(
    pith: Pith, stocked: Path, tmp_path: Path
) -> None:
    """A move was interrupted before it erased, and then the old folder was linked to the new."""
    key_id = App(stocked).open().active_key().key_id
    there = tmp_path / "elsewhere"
    to = ("--to", f"file:{there}", "--yes")
    pith("key", "move", key_id, *to, home=stocked).fine()
    with apsw.Connection(str(stocked / "registry.db")) as db:
        db.execute("DELETE FROM acts WHERE act = 'moved'")
    (stocked / "keys").rmdir()
    (stocked / "keys").symlink_to(there)

    pith("key", "move", key_id, *to, home=stocked).refused(6, "key.there")

    assert [file.name for file in there.iterdir()] == [f"{key_id}.key"]


def test_a_move_wants_the_word_and_a_key(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    key_id = App(stocked).open().active_key().key_id
    to = ("--to", f"file:{tmp_path / 'elsewhere'}")

    pith("key", "move", key_id, *to, home=stocked).refused(2, "usage.confirm")
    pith("key", "move", "nobody-2026-01", *to, "--yes", home=stocked).refused(5, "key.absent")
    assert key_files(stocked) == {f"{key_id}.key"}
