"""pith doctor."""

from pathlib import Path

import pytest

from registry.app import App, now
from registry.services.mint import mint
from tests.cli.conftest import Pith
from tests.cli.lab import record, rows, tree

NAMES = [
    *("home", "permissions", "permissions", "store", "clock", "key set", "recovery", "places"),
    "backup",
    *("key store", "key") * 2,
    *("signer", "rotation", "promise", "expiry"),
]


def findings(pith: Pith, home: Path, code: int) -> dict[str, dict[str, str]]:
    """What doctor says, by name, after its exit code was compared."""
    done = pith("doctor", "--json", home=home)
    assert done.code == code, done
    return {each["name"]: each for each in done.objects}


def test_a_new_home_wants_a_recovery_key_and_nothing_else(pith: Pith, home: Path) -> None:
    before = tree(home)
    done = pith("doctor", "--json", home=home)

    assert done.code == 9
    assert [each["name"] for each in done.objects] == NAMES
    assert {each["name"] for each in done.objects if each["status"] != "ok"} == {"recovery"}
    assert tree(home) == before
    assert rows(home, "SELECT kind FROM signatures") == [("keyset",)]


def test_people_get_the_same_in_lines(pith: Pith, home: Path) -> None:
    done = pith("doctor", home=home)

    assert done.code == 9
    assert [line.split()[0] for line in done.lines if not line.startswith(" ")].count("ok") == len(
        NAMES
    ) - 1
    assert done.err == ""


def test_no_home(pith: Pith, tmp_path: Path) -> None:
    found = findings(pith, tmp_path / "nowhere", 2)

    assert list(found) == ["home"]
    assert found["home"]["code"] == "config.home"


def test_a_home_that_others_may_write(pith: Pith, home: Path) -> None:
    home.chmod(0o777)
    done = pith("doctor", home=home)

    assert done.code == 9
    assert "may be written by others" in done.out.decode()


def test_a_config_that_others_may_write(pith: Pith, home: Path) -> None:
    (home / "config.toml").chmod(0o666)

    assert findings(pith, home, 2)["home"]["code"] == "config.mode"


def test_claims_of_an_interrupted_mint(pith: Pith, home: Path, tmp_path: Path) -> None:
    store = App(home).open().store
    store.claim_mints([record(5)], at=now())
    store.close()

    found = findings(pith, home, 9)
    assert found["store"]["status"] == "attention"
    assert "1 claim" in found["store"]["text"]

    file = tmp_path / "none.jsonl"
    file.touch()
    done = pith("mint", file, home=home).fine()
    assert "interrupted" in done.err
    assert findings(pith, home, 9)["store"]["status"] == "ok"


def test_a_clock_that_was_set_back(pith: Pith, home: Path, record_file: Path) -> None:
    desk = App(home).open()
    mint(desk, desk.signer(desk.clock()), [record()], at=now().plus(days=3))

    found = findings(pith, home, 6)

    assert found["clock"]["code"] == "clock.backwards"
    done = pith("mint", record_file, home=home).refused(6, "clock.backwards")
    assert done.out == b""


@pytest.mark.parametrize("what", ["not a database", "a hole in the middle", "cut short", "empty"])
def test_a_damaged_store(pith: Pith, stocked: Path, what: str) -> None:
    file = stocked / "registry.db"
    App(stocked).open().store.close()
    data = bytearray(file.read_bytes())
    if what == "not a database":
        data[:] = b"not a database" * 1000
    elif what == "a hole in the middle":
        data[4096:] = b"\xa5" * (len(data) - 4096)
    elif what == "cut short":
        del data[8192:]
    else:
        data.clear()
    file.write_bytes(data)

    done = pith("doctor", home=stocked)

    assert done.code == 8, done
    assert "Traceback" not in done.err


def test_the_store_of_another_registry(pith: Pith, home: Path) -> None:
    config = home / "config.toml"
    config.write_text(config.read_text().replace('id = "lab.example"', 'id = "other.example"'))

    done = pith("doctor", home=home)

    assert done.code == 2
    assert "lab.example" in done.out.decode()


def test_a_store_that_is_gone(pith: Pith, home: Path) -> None:
    (home / "registry.db").unlink()

    assert findings(pith, home, 8)["home"]["code"] == "store.open"
    assert not (home / "registry.db").exists()


def test_a_key_file_that_others_may_read(pith: Pith, home: Path) -> None:
    (key,) = (home / "keys").glob("*.key")
    key.chmod(0o644)

    found = findings(pith, home, 7)

    assert found["signer"]["code"] == "keyfile.mode"
    assert found["store"]["status"] == "ok"


def test_a_key_that_must_soon_be_rotated(pith: Pith, home: Path) -> None:
    config = home / "config.toml"
    config.write_text(config.read_text() + 'warn_before = ["400d"]\n')

    found = findings(pith, home, 9)

    for name in ("rotation", "promise", "expiry"):
        assert found[name]["status"] == "attention"
        assert "days left" in found[name]["text"]
