"""Recovery keys: the first by the active key, the others by those there are."""

from pathlib import Path

import pytest

from registry.app import App
from registry.protocol.keyset_chain import verify_chain
from tests.cli.conftest import Pith
from tests.cli.lab import Done
from tests.cli.terminal import Session, at_terminal


def acts(home: Path) -> list[str]:
    """What brought each version of the key set about, as a stranger follows them."""
    return [link.act for link in verify_chain(App(home).open().store.list_keysets())]


def first(pith: Pith, home: Path, place: Path) -> Done:
    """The first recovery key, in a folder of its own."""
    uri = f"file:{place}"
    return pith(*["key", "create", "--usage", "recovery", "--yes", "--signer"], uri, home=home)


def further(home: Path, place: Path, *more: str, word: str = "recovery") -> Session:
    """A further one; somebody types the word."""
    return at_terminal(
        *["key", "create", "--usage", "recovery", "--signer"],
        f"file:{place}",
        *more,
        home=home,
        answers=[("to go on", word)],
    )


def test_the_first_is_listed_by_the_active_key(pith: Pith, home: Path, tmp_path: Path) -> None:
    made = first(pith, home, tmp_path / "safe").fine()

    body = App(home).open().keyset().body
    assert acts(home) == ["first", "first recovery keys"]
    assert body.threshold == 1
    assert [entry.key_id for entry in body.active("recovery")] == made.lines
    assert made.lines[0].startswith("recovery-lab-v3-")
    assert "digest" in made.err
    file = tmp_path / "known.jsonl"
    pith("keyset", "show", "--all", "-o", file, home=home).fine()
    assert pith("keyset", "verify", file).fine().lines[-1].endswith(body.digest.hex())


def test_further_ones_take_the_threshold_and_the_word(
    pith: Pith, home: Path, tmp_path: Path
) -> None:
    first(pith, home, tmp_path / "one").fine()

    with_yes = pith(
        *["key", "create", "--usage", "recovery", "--yes", "--signer"],
        f"file:{tmp_path}/two",
        home=home,
    )
    with_yes.refused(2, "usage.confirm")
    assert further(home, tmp_path / "two", word="yes").code == 130
    assert acts(home)[1:] == ["first recovery keys"]
    further(home, tmp_path / "two").fine()
    further(home, tmp_path / "three", "--threshold", "2").fine()

    body = App(home).open().keyset().body
    assert acts(home)[1:] == ["first recovery keys", "recovery", "recovery"]
    assert body.threshold == 2
    assert len(body.active("recovery")) == 3
    assert len(App(home).open().store.list_keys()) == 5  # none was made twice


@pytest.mark.parametrize("threshold", [0, 2, -1])
def test_a_threshold_the_keys_cannot_meet(
    pith: Pith, home: Path, tmp_path: Path, threshold: int
) -> None:
    line = *["key", "create", "--usage", "recovery", "--yes", "--signer"], f"file:{tmp_path}/one"

    pith(*line, "--threshold", threshold, home=home).refused(6, "keyset.act")

    assert acts(home) == ["first"]


def test_a_threshold_is_of_recovery_keys(pith: Pith, home: Path) -> None:
    pith("key", "create", "--threshold", "2", home=home).refused(2, "usage.together")


def test_without_the_quorum_nothing_changes(pith: Pith, home: Path, tmp_path: Path) -> None:
    first(pith, home, tmp_path / "one").fine()
    (tmp_path / "one").rename(tmp_path / "locked-away")

    refused = further(home, tmp_path / "two").refused(7, "recovery.quorum")

    assert "0 of the 1 recovery keys" in refused.screen
    assert acts(home) == ["first", "first recovery keys"]
    (tmp_path / "locked-away").rename(tmp_path / "one")
    further(home, tmp_path / "two").fine()


def revoked(home: Path, key_id: str, *more: str, word: str = "revoke") -> Session:
    """Revoke a key at a terminal."""
    return at_terminal(
        *("key", "revoke", key_id, "--reason", "card lost", *more),
        home=home,
        answers=[("to go on", word)],
    )


def test_a_lost_recovery_key_is_revoked_by_the_others(
    pith: Pith, home: Path, tmp_path: Path
) -> None:
    first(pith, home, tmp_path / "one").fine()
    for name in ("two", "three"):
        further(home, tmp_path / name, "--threshold", "2").fine()
    lost = App(home).open().keyset().body.active("recovery")[0].key_id
    (tmp_path / "one" / f"{lost}.key").unlink()

    assert revoked(home, lost, word="no").code == 130
    revoked(home, lost).fine()

    body = App(home).open().keyset().body
    assert len(body.active("recovery")) == 2
    entry = next(entry for entry in body.entries if entry.key_id == lost)
    assert (entry.status, entry.reason, entry.compromised_since) == ("revoked", "card lost", None)
    assert acts(home)[-1] == "recovery"


def test_what_cannot_be_revoked(pith: Pith, home: Path, tmp_path: Path) -> None:
    first(pith, home, tmp_path / "one").fine()
    active = App(home).open().active_key().key_id
    reason = ("--reason", "why")

    pith("key", "revoke", active, *reason, home=home).refused(6, "key.active")
    pith("key", "revoke", "nobody-1", *reason, home=home).refused(5, "keyset.absent")
    only = App(home).open().keyset().body.active("recovery")[0].key_id
    pith("key", "revoke", only, *reason, home=home).refused(6, "keyset.act")
    assert acts(home) == ["first", "first recovery keys"]
