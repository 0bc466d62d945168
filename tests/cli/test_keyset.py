"""pith keyset."""

from pathlib import Path

import pytest

from registry.app import App
from registry.protocol.bundle import served_bytes
from registry.protocol.equivocation import Contradiction
from registry.protocol.keyset import KeySet
from tests.cli.conftest import Pith
from tests.protocol import test_keyset_chain as follows
from tests.world import REGISTRY, dump


def files(folder: Path, *keysets: KeySet) -> list[Path]:
    """A file for each of some key sets."""
    made = []
    for number, keyset in enumerate(keysets):
        file = folder / f"keys-{number}.json"
        file.write_bytes(dump(keyset.to_json()))
        made.append(file)
    return made


def test_the_newest_set_is_shown_as_it_is_published(pith: Pith, home: Path, tmp_path: Path) -> None:
    keyset = App(home).open().keyset()
    file = tmp_path / "pith-keys.json"

    assert pith("keyset", "show", home=home).fine().out == served_bytes(keyset.to_json())
    pith("keyset", "show", "-o", file, home=home).fine()
    assert file.read_bytes() == served_bytes(keyset.to_json())

    verified = pith("keyset", "verify", file, "--digest", keyset.body.digest.hex()).fine()
    assert verified.lines == [f"1  first  {keyset.body.digest.hex()}"]


def test_a_chain_is_told_version_by_version(pith: Pith, tmp_path: Path) -> None:
    chain = (follows.ONE, follows.TWO, follows.THREE)
    done = pith("keyset", "verify", "--json", *files(tmp_path, *chain)).fine()

    assert [(line["version"], line["act"]) for line in done.objects] == [
        (1, "first"),
        (2, "routine"),
        (3, "routine"),
    ]
    assert [line["keyset_sha256"] for line in done.objects] == [
        keyset.body.digest.hex() for keyset in chain
    ]


@pytest.mark.parametrize(
    ("keysets", "code", "rule"),
    [
        pytest.param([follows.ONE, follows.THREE], 4, "keyset.version", id="gap"),
        pytest.param([follows.TWO, follows.ONE], 6, "keyset.rollback", id="rolled-back"),
        pytest.param([follows.ONE, follows.ALONE], 6, "keyset.fork", id="fork"),
    ],
)
def test_a_chain_that_does_not_hold(
    pith: Pith, tmp_path: Path, keysets: list[KeySet], code: int, rule: str
) -> None:
    done = pith("keyset", "verify", *files(tmp_path, *keysets)).refused(code, rule)
    assert done.out == b""


def test_the_first_must_be_the_one_that_was_told(pith: Pith, tmp_path: Path) -> None:
    (one,) = files(tmp_path, follows.ONE)

    pith("keyset", "verify", one, "--digest", "0" * 64).refused(4, "keyset.digest")
    pith("keyset", "verify", one, "--digest", "zero").refused(3, "schema.hex")


def test_what_is_no_key_set(pith: Pith, tmp_path: Path, record_file: Path) -> None:
    pith("keyset", "verify", record_file).refused(3, "schema.members")
    pith("keyset", "verify", tmp_path / "absent").refused(5, "file.absent")
    pith("keyset", "show").refused(2, "config.home")


def test_a_copy_takes_newer_versions_and_is_a_pin(pith: Pith, tmp_path: Path) -> None:
    copy = tmp_path / "known-keys.jsonl"
    one, two, three = files(tmp_path, follows.ONE, follows.TWO, follows.THREE)
    digest = follows.ONE.body.digest.hex()
    bundle = tmp_path / "bundle.json"
    bundle.write_bytes(REGISTRY.bundle().to_bytes())

    pith("keyset", "update", copy, one, "--digest", digest).fine()
    missed = pith("keyset", "update", copy, three).refused(4, "keyset.version")
    assert "`pith keyset show --all`" in missed.err
    pith("keyset", "update", copy, two, three).fine()
    whole = copy.read_bytes()
    assert len(whole.splitlines()) == 3
    report = pith("verify", bundle, "--pin", copy, "--accept-expired", "--json").fine().object
    assert {verdict["reason"] for verdict in report["verdicts"]} == {"the key is retiring"}

    pith("keyset", "update", copy, one, two).fine()
    assert copy.read_bytes() == whole


def test_a_copy_begins_with_a_digest(pith: Pith, tmp_path: Path) -> None:
    copy = tmp_path / "known-keys.jsonl"
    (one,) = files(tmp_path, follows.ONE)

    pith("keyset", "update", copy, one).refused(2, "usage.missing")
    pith("keyset", "update", copy, one, "--digest", "0" * 64).refused(4, "keyset.digest")
    assert not copy.exists()


def test_a_displaced_version_is_refused_and_the_copy_kept(pith: Pith, tmp_path: Path) -> None:
    copy = tmp_path / "known-keys.jsonl"
    rescue = follows.signed(follows.body_after(follows.ONE), follows.R[:2])
    one, two, rescued = files(tmp_path, follows.ONE, follows.TWO, rescue)
    pith("keyset", "update", copy, one, two, "--digest", follows.ONE.body.digest.hex()).fine()

    done = pith("keyset", "update", copy, rescued).fine()
    assert [line.split()[:2] for line in done.lines] == [["1", "first"], ["2", "recovery"]]
    whole = copy.read_bytes()

    pith("keyset", "update", copy, two).refused(6, "keyset.rollback")
    assert copy.read_bytes() == whole


def test_a_fork_is_kept_as_evidence(pith: Pith, tmp_path: Path) -> None:
    copy = tmp_path / "known-keys.jsonl"
    fork = follows.signed(follows.body_after(follows.ONE), [follows.A])
    one, two, forked = files(tmp_path, follows.ONE, follows.TWO, fork)
    pith("keyset", "update", copy, one, two, "--digest", follows.ONE.body.digest.hex()).fine()
    whole = copy.read_bytes()

    pith("keyset", "update", copy, forked).refused(6, "keyset.fork")

    assert copy.read_bytes() == whole
    (evidence,) = tmp_path.glob("known-keys.jsonl.fork-2-*.json")
    found = Contradiction.parse(evidence.read_bytes())
    assert found.under == follows.ONE
    assert {KeySet.from_json(each).body.digest for each in found.objects} == {
        follows.TWO.body.digest,
        fork.body.digest,
    }
    pin = tmp_path / "one.json"
    pin.write_bytes(dump(follows.ONE.to_json()))
    pith("evidence", "verify", evidence, "--pin", pin).fine()


def test_a_strangers_set_under_the_registrys_name_is_no_evidence(
    pith: Pith, tmp_path: Path
) -> None:
    copy = tmp_path / "known-keys.jsonl"
    stranger = follows.first(follows.registry_key(follows.STRANGER), threshold=0)
    one, other = files(tmp_path, follows.ONE, stranger)
    pith("keyset", "update", copy, one, "--digest", follows.ONE.body.digest.hex()).fine()

    done = pith("keyset", "update", copy, other).refused(6, "keyset.fork")

    assert "proves nothing" in done.err
    assert list(tmp_path.glob("*.fork-*")) == []
