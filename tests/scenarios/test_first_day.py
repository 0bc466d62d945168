"""A stranger's first day: a registry in a real keyring, a bundle, and a friend who checks it."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry import data
from tests.cli.lab import PITH, Done, checked
from tests.parts import needs
from tests.signing.bus import Session

TITLE = "A Day in the Life of a Name"
ABSTRACT = "We follow one name from its minting to its verification, $n = 1$."
PAPER = "arxiv:2401.09999"


class Person:
    """Somebody with a home, who types commands in a folder."""

    def __init__(self, home: Path, folder: Path, env: dict[str, str]) -> None:
        self.home = home
        self.folder = folder
        self.env = env | {"PITH_HOME": str(home)}

    def pith(self, *arguments: str, stdin: bytes = b"") -> Done:
        """One command."""
        done = subprocess.run(
            [*PITH, *arguments],
            input=stdin,
            env=self.env,
            cwd=self.folder,
            capture_output=True,
            timeout=60,
        )
        return checked(Done(done.returncode, done.stdout, done.stderr.decode()))


@pytest.fixture(name="session")
def _session() -> Iterator[Session]:
    needs("dbus-daemon", "gnome-keyring")
    session = Session()
    session.bus()
    session.daemon("right", until="unlocked")
    yield session
    session.close()


def test_the_first_day(session: Session, tmp_path: Path) -> None:
    desk = tmp_path / "desk"
    desk.mkdir()
    (desk / "abstract.txt").write_text(ABSTRACT + "\n")
    me = Person(tmp_path / "my-home", desk, session.env)

    # A registry of my own.
    made = me.pith("init", "--registry", "lab.example", "--base-url", "https://lab.example")
    assert (
        made.fine().lines[0]
        == me.pith("verify", "--json", "-", stdin=me.pith("keyset", "show").out)
        .fine()
        .object["subject"]
    )
    assert me.pith("init", "--registry", "lab.example", "--base-url", "https://x.example").code == 6
    assert me.pith("doctor").code == 9
    assert sorted(path.name for path in me.home.iterdir()) == ["config.toml", "registry.db"]

    # A record, its number, its receipt.
    built = me.pith(
        *("record", "build", "--arxiv", "2401.09999v1", "--title", TITLE),
        *("--abstract-file", "abstract.txt", "--category", "cs.DL", "--category", "cs.CR"),
        *("--license", "http://creativecommons.org/licenses/by/4.0/"),
        *("--submitted", "2024-01-20T08:30:00Z"),
    ).fine()
    (desk / "record.json").write_bytes(built.out)
    number = me.pith("number", "record.json").fine().lines
    assert me.pith("mint", "record.json").fine().lines == number
    assert me.pith("mint", "record.json").fine().errors == ["pith: 0 minted, 1 minted before"]
    me.pith("receipt", "export", PAPER, "-o", "receipt.json").fine()
    me.pith("verify", "receipt.json", "--record", "record.json").fine()

    # What is known of the paper, and the bundle.
    add = ("event", "add", "graph-snapshot", PAPER, "--title", TITLE)
    event = me.pith(*add, "--abstract-file", "abstract.txt", "--authors", "A. Author and B. Other")
    me.pith("event", "show", event.fine().lines[0]).fine()
    me.pith("bundle", "build", PAPER, "-o", "bundle.json").fine()
    me.pith("verify", "bundle.json", "--expect", PAPER, "--registry", "lab.example").fine()
    (desk / "pith-keys.json").write_bytes(me.pith("keyset", "show").fine().out)

    # A friend elsewhere, with nothing but the bundle and the key set.
    their_desk = tmp_path / "their-desk"
    their_desk.mkdir()
    for name in ("bundle.json", "pith-keys.json", "receipt.json", "record.json"):
        (their_desk / name).write_bytes((desk / name).read_bytes())
    friend = Person(
        tmp_path / "their-home",
        their_desk,
        {
            "PATH": session.env["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": session.env["PYTHONPATH"],
        },
    )
    refused = friend.pith("verify", "-q", "bundle.json").refused(4, "trust.pin")
    assert "not trusted" in refused.err
    report = (
        friend.pith(
            *("verify", "bundle.json", "--pin", "pith-keys.json", "--json", "--expect", number[0])
        )
        .fine()
        .object
    )
    assert report["ok"] is True
    assert report["registry"] == "lab.example"
    assert [verdict["verdict"] for verdict in report["verdicts"]] == ["valid"] * 4
    friend.pith(
        "verify", "receipt.json", "--record", "record.json", "--pin", "pith-keys.json"
    ).fine()
    spoilt = (their_desk / "bundle.json").read_bytes().replace(b"A. Author", b"E. Author")
    (their_desk / "spoilt.json").write_bytes(spoilt)
    assert friend.pith("verify", "-q", "spoilt.json", "--pin", "pith-keys.json").code == 4

    # The world's own bundle, checked by both.
    for person in (me, friend):
        (person.folder / "seed.json").write_bytes(data.seed_bundle())
        seed = person.pith("verify", "--json", "seed.json").fine().object
        assert seed["ok"] is True
        assert seed["registry"] == "pith.science"

    # Nothing of the key lies anywhere but in the keyring.
    assert not friend.home.exists()
    listed = me.pith("key", "list", "--json").fine().objects
    assert [key["uri"] for key in listed] == ["keyring:"] * 2


def test_the_evening_when_the_keyring_is_gone(session: Session, tmp_path: Path) -> None:
    me = Person(tmp_path / "home", tmp_path, session.env)
    me.pith("init", "--registry", "lab.example", "--base-url", "https://lab.example").fine()
    paper = {
        "arxiv": "2401.09999v1",
        "title": TITLE,
        "abstract": ABSTRACT,
        "categories": ["cs.DL"],
        "license": "",
        "submitted": "2024-01-20T08:30:00Z",
    }
    built = me.pith("record", "build", "--from", "-", stdin=json.dumps(paper).encode()).fine()
    me.pith("mint", "-", stdin=built.out).fine()
    without = {key: value for key, value in me.env.items() if key != "DBUS_SESSION_BUS_ADDRESS"}
    alone = Person(me.home, tmp_path, without)

    other = json.dumps(paper | {"arxiv": "2401.09999v2"}).encode()
    second = alone.pith("record", "build", "--from", "-", stdin=other).fine()
    refused = alone.pith("mint", "-", stdin=second.out)

    assert refused.code == 7
    assert any(line.startswith("pith: hint: ") for line in refused.errors)
    assert refused.out == b""
    assert alone.pith("record", "show", PAPER).fine().out == built.out
    assert alone.pith("doctor").code == 7
    assert len(alone.pith("record", "list").fine().lines) == 1

    assert me.pith("mint", "-", stdin=second.out).fine().lines
    assert alone.pith("record", "show", PAPER).fine().out == second.out
