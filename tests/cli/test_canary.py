"""No secret anywhere: every command that touches keys, under strace, with seeds that are known."""

import json
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from registry.app import App
from registry.signing.share_paper import parse_paper
from tests.cli.canary import (
    Canary,
    calls,
    known,
    leaks,
    needles_of_seed,
    needles_of_text,
    needles_of_words,
    spellings,
)
from tests.cli.lab import BASE_URL, PITH, REGISTRY, environment, lines_of, process, record
from tests.cli.test_shares import ENTERS, shown_words
from tests.parts import ROOT, needs
from tests.terminal import on_terminal

PASSPHRASE: Final = "correct horse battery staple \u00fc"
SEED: Final = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
FIVE: Final = ("--threshold", 3, "--of", 5)


# -- the detector ----------------------------------------------------------------


READ: Final = "import os, socket, subprocess, sys; s = sys.stdin.buffer.read(); "
LEAKS: Final = {
    "write": "os.write(1, s)",
    "pwrite": "os.pwrite(os.open('x', os.O_RDWR | os.O_CREAT), s, 7)",
    "two writes": "[os.write(1, part) for part in (s[:9], s[9:])]",
    "writev": "os.writev(1, [b'.', s[:5], s[5:]])",
    "socket": "a, b = socket.socketpair(); a.sendmsg([s])",
    "a forked child": "os.fork() or os.write(1, s)",
}
NAMED: Final = {
    "argv": "subprocess.run(['true', s])",
    "environment": "subprocess.run(['true'], env={'A': s})",
    "a file name": "os.mkdir(s)",
    "a link": "os.symlink(s, 'there')",
}


def planted(folder: Path, program: str, secret: bytes) -> list[str]:
    """What the detector finds in a program that lets out a secret."""
    canary = Canary(folder, folder / "home", needles_of_seed(SEED))
    command = canary.command("", [])
    command = [*command[: command.index(sys.executable)], sys.executable, "-c", READ + program]
    subprocess.run(command, input=secret, cwd=folder, timeout=60, check=True, capture_output=True)
    found = calls(canary.log.read_text())
    return [leak.spelling for leak in leaks(list(found), canary.needles)]


@pytest.mark.parametrize("how", LEAKS)
def test_the_detector_finds_a_leak_however_it_leaves(tmp_path: Path, how: str) -> None:
    needs("strace")
    assert planted(tmp_path, LEAKS[how], b"..." + SEED + b"...") == ["seed raw"]
    assert planted(tmp_path, LEAKS[how], b"..." + known("another", 1) + b"...") == []


@pytest.mark.parametrize("how", NAMED)
def test_the_detector_finds_a_leak_in_a_name(tmp_path: Path, how: str) -> None:
    needs("strace")
    assert set(planted(tmp_path, NAMED[how], SEED.hex().encode())) == {"seed hex"}


def test_the_detector_finds_every_spelling(tmp_path: Path) -> None:
    needs("strace")
    forms = list(needles_of_seed(SEED))
    lines = b"\n".join(b"<" + text + b">" for text in forms)

    assert set(planted(tmp_path, LEAKS["write"], lines)) == set(needles_of_seed(SEED).values())


def test_a_seed_in_a_longer_text_is_found_at_every_alignment() -> None:
    import base64

    for before in range(8):
        text = b"openssh-key-v1"[:before] + SEED + b"public half"
        for encode, name in ((base64.b64encode, "base64 "), (base64.b32encode, "base32 ")):
            wanted = [value for key, value in spellings(SEED).items() if key.startswith(name)]
            assert any(value in encode(text) for value in wanted), (name, before)
    assert all(len(value) > 25 for value in spellings(SEED).values())


def test_an_openssh_private_key_is_found(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(SEED)
    for layout in (form.PrivateFormat.OpenSSH, form.PrivateFormat.PKCS8):
        pem = key.private_bytes(form.Encoding.PEM, layout, form.NoEncryption())
        body = b"".join(pem.splitlines()[1:-1])
        assert any(each in body for each in needles_of_seed(SEED))


def test_two_words_of_a_share_are_found() -> None:
    words = "academic acid acne acquire acrobat activity actress adapt adequate"
    needles = needles_of_words([words])

    assert b"acrobat activity" in needles
    assert b"acrobat adapt" not in needles


# -- all commands ------------------------------------------------------------------


@pytest.fixture(name="memory")
def _memory() -> Iterator[Path]:
    needs("shm")
    with tempfile.TemporaryDirectory(prefix="pith-", dir="/dev/shm") as name:
        yield Path(name)


@pytest.fixture(name="canary")
def _canary(tmp_path: Path) -> Canary:
    """A folder with a passphrase and no registry yet."""
    needs("strace")
    secret = tmp_path / "lab.passphrase"
    secret.touch(mode=0o600)
    secret.write_text(PASSPHRASE + "\n")
    (tmp_path / "record.json").write_bytes(record().canonical + b"\n")
    (tmp_path / "records.jsonl").write_bytes(lines_of(4))
    return Canary(tmp_path, tmp_path / "home", needles_of_text(PASSPHRASE), env=python_path())


def python_path() -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def begun(canary: Canary) -> str:
    """A registry whose seeds are known; the id of its active key."""
    source = f"file:{canary.folder / 'lab.passphrase'}"
    where = ("--registry", REGISTRY, "--base-url", BASE_URL, "--key-id", "lab-1")
    options = ("--signer", "file:", "--passphrase", source)
    apart = ("--successor-signer", f"file:{canary.folder / 'apart'}")
    canary.run("init", *where, *options, *apart, label="init")
    assert canary.opened
    return "lab-1"


def ids(canary: Canary) -> dict[str, str]:
    """The status of every key."""
    listed = process("key", "list", "--json", home=canary.home).fine().objects
    return {key["key_id"]: key["status"] for key in listed}


def test_the_life_of_the_keys_lets_nothing_out(canary: Canary, memory: Path) -> None:
    first, folder = begun(canary), canary.folder
    run = canary.run
    run("mint", "records.jsonl")
    assert canary.opened
    run("mint", "record.json", code=0)
    run("event", "add", "citation", "arxiv:2401.00001", "--cited", "arxiv:1706.03762",
        "--relationship", "extends")  # fmt: skip
    run("bundle", "build", "arxiv:2401.00001", "-o", "bundle.json")
    run("key", "create", "--id", "spare-1", "--yes", label="create")
    run("key", "create", "--id", "rec-1", "--usage", "recovery", "--yes",
        "--signer", f"file:{folder / 'one'}", label="recovery")  # fmt: skip
    run("key", "create", "--id", "rec-2", "--usage", "recovery", "--threshold", "1",
        "--signer", f"file:{folder / 'two'}", label="second")  # fmt: skip
    App(canary.home).key_store("file:", App(canary.home).config()).put(
        "there", canary.add_seed(SEED)
    )
    run("key", "add", "there", "--signer", "file:")
    run("key", "move", "spare-1", "--to", f"file:{folder / 'moved'}", "--yes")
    for form in ("json", "openssh"):
        run("key", "show", "--format", form)
    run("key", "status", code=canary_status(canary))
    run("key", "revoke", "there", "--reason", "never used", code=5)
    run("doctor", code=9)
    run("rotation", "plan")
    for step in ("announce", "activate", "retire"):
        run("rotation", "next", step, "--yes", label=step)
    run("rotation", "status")
    old, new = first, next(key for key, status in ids(canary).items() if status == "active")
    digest = run("reissue", "plan", "--old", old, "--reason", "rotation").lines[0]
    run("reissue", "run", digest, "--canary", 1)
    run("reissue", "resume")
    run("reissue", "sample", 2)
    run("reissue", "status")
    run("reissue", "switch")
    ceremonies(canary)
    parties(canary)
    backups(canary, new, memory)
    run("key", "compromise", new, "--since", "2026-01-01T00:00:00Z", "--drill", label="drill")
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    run("key", "compromise", new, "--since", since, label="compromise")
    run("keyset", "show", "-o", "keys.json")
    run("keyset", "verify", "keys.json")
    run("key", "audit", "keys.json", "bundle.json", "--html", "audit.html")
    run("doctor", code=9)
    assert canary.at_rest() == []


def canary_status(canary: Canary) -> int:
    """What key status says of this home."""
    return process("key", "status", home=canary.home).code


def ceremonies(canary: Canary) -> None:
    """A ceremony rehearsed, asked for, signed and taken in."""
    file = canary.folder / "ceremony.toml"
    lines = ("[[participants]]", 'name = "Ada"', 'key_id = "rec-1"')
    file.write_text("\n".join((f'registry = "{REGISTRY}"', 'act = "renew"', *lines)))
    known_keys = canary.folder / "known.jsonl"
    with known_keys.open("wb") as out:
        for keyset in App(canary.home).open().store.list_keysets():
            out.write(json.dumps(keyset.to_json()).encode() + b"\n")
    canary.run("ceremony", "rehearse", file, label="rehearse")
    canary.run("ceremony", "run", file, "--request", "request.json")
    canary.run("ceremony", "approve", "request.json")
    copy = ("--copy", known_keys, "--out", "response.json")
    canary.run("ceremony", "run", "--request-from", "request.json", *copy)
    assert canary.opened
    canary.run("ceremony", "run", file, "--response", "response.json")
    canary.run("ceremony", "run", file)


def parties(canary: Canary) -> None:
    """A newcomer with a key of his own."""
    who = ("--id", "orcid:0000-0002-1825-0097", "--type", "author")
    where = ("--signer", f"file:{canary.folder / 'mine'}",
             "--passphrase", f"file:{canary.folder / 'lab.passphrase'}")  # fmt: skip
    asked = ("--registry", REGISTRY, *who, "--key-id", "able-2026", *where, "--new")
    canary.run("party", "request", *asked, "-o", "able.pub", label="party")
    assert canary.opened
    canary.run("party", "enroll", *who, "--key", "able.pub")
    canary.run("party", "list")
    number = str(record().number)
    canary.run("event", "sign", "citation", number, "--as", "able.pub", *where,
               "--cited", "arxiv:1706.03762", "--relationship", "extends",
               "-o", "event.json")  # fmt: skip
    assert canary.opened
    canary.run("event", "import", "event.json")
    canary.run("party", "retire", "able-2026")


def backups(canary: Canary, key_id: str, memory: Path) -> None:
    """Shares in memory and on the terminal, a drill, and back again."""
    made = canary.run("shares", "make", key_id, *FIVE, "--to", memory).lines
    canary.words = needles_of_words(
        [parse_paper(Path(name).read_text()).share.words for name in made]
    )
    assert canary.words
    canary.run("shares", "check", made[0])
    canary.run("shares", "drill", key_id, *made[:3])
    canary.run("shares", "restore", key_id, "--to", f"file:{canary.folder / 'back'}", *made[2:])
    canary.run("shares", "restore", key_id, "--to", "file:", *made[:2], code=7)
    found = canary.command("", ["shares", "remake", key_id, *FIVE])
    env = environment(canary.home, TERM="xterm", **canary.env)
    enters = ENTERS
    code, screen = on_terminal(found, enters, env=env, cwd=canary.folder)
    assert code == 0, screen
    canary.words |= needles_of_words(shown_words(screen))
    assert canary.looked() == []


# -- what goes wrong ----------------------------------------------------------------


def test_failures_let_nothing_out(canary: Canary) -> None:
    key_id, folder = begun(canary), canary.folder
    run, home = canary.run, canary.home
    done = run("mint", "record.json", label="bug", code=1)
    assert "Traceback" in done.err
    assert "RuntimeError: a bug with 64 digits at hand" in done.err
    run("key", "create", "--signer", f"file:{folder}/lab.passphrase", label="place", code=7)
    run("key", "move", key_id, "--to", "nowhere:", "--yes", code=3)
    run("key", "revoke", key_id, "--reason", "no", code=6)
    run("mint", "record.json", "--no-such-option", code=2)
    recovery = ("key", "create", "--usage", "recovery", "--signer", f"file:{folder / 'one'}")
    run(*recovery, label="stopped", answer=b"no\n", code=130)
    with open("/dev/full", "wb") as full:
        broken = subprocess.run(
            canary.command("", ["key", "show"]),
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(home, TMPDIR=str(folder), **canary.env),
            cwd=folder,
            timeout=60,
        )
    assert broken.returncode == 8
    assert canary.looked() == []
    file = home / "keys" / f"{key_id}.key"
    sealed = file.read_bytes()
    file.write_bytes(sealed[:-20])
    run("mint", "record.json", code=7)
    file.write_bytes(sealed)
    secret = folder / "lab.passphrase"
    secret.write_text("another one\n")
    run("mint", "record.json", code=7)
    run("key", "move", key_id, "--to", f"file:{folder / 'moved'}", "--yes", code=7)
    secret.write_text(PASSPHRASE + "\n")
    secret.chmod(0o644)
    run("mint", "record.json", code=7)
    assert canary.at_rest() == []


# -- modes ------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_nothing_is_readable_that_is_secret_under_any_umask(tmp_path: Path, mask: int) -> None:
    secret = tmp_path / "lab.passphrase"
    secret.touch(mode=0o600)
    secret.write_text(PASSPHRASE + "\n")
    (tmp_path / "record.json").write_bytes(record().canonical + b"\n")
    home = tmp_path / "home"
    where = ("--registry", REGISTRY, "--base-url", BASE_URL, "--key-id", "lab-1")
    options = ("--signer", "file:", "--passphrase", f"file:{secret}")
    for line in (
        ("init", *where, *options),
        ("mint", "record.json"),
        ("key", "create", "--id", "spare-1", "--yes", "--signer", f"file:{tmp_path / 'apart'}"),
        ("key", "move", "lab-1", "--to", f"file:{tmp_path / 'moved'}", "--yes"),
        ("bundle", "build", "arxiv:2401.00001", "-o", "bundle.json"),
        ("key", "audit", "--html", "audit.html"),
    ):
        done = subprocess.run(
            [*PITH, *map(str, line)],
            env=environment(home, PITH_HOME=str(home)),
            cwd=tmp_path,
            capture_output=True,
            timeout=60,
            umask=mask,
        )
        assert done.returncode == 0, (line, done.stderr)

    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    keys = [path for path in modes if path.suffix == ".key"]
    assert len(keys) == 3
    for path in keys:
        assert modes[path] == 0o600, path
        assert modes[path.parent] & 0o077 == 0, path.parent
    for path, mode in modes.items():
        if home in (path, *path.parents):
            assert mode & 0o077 == 0 or modes[home] & 0o077 == 0, (path, oct(mode))
            assert mode & 0o022 == 0, (path, oct(mode))
