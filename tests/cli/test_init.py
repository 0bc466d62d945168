"""pith init."""

import os
import pty
import select
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.app import App
from tests.cli.conftest import Pith
from tests.cli.lab import PITH, copied, environment, process, rows, tree
from tests.parts import needs
from tests.signing.bus import Session

WHERE = ("--registry", "lab.example", "--base-url", "https://lab.example")


@pytest.fixture(name="secret")
def _secret(tmp_path: Path) -> Path:
    file = tmp_path / "passphrase"
    file.touch(mode=0o600)
    file.write_text("correct horse battery staple\n")
    return file


def in_file(secret: Path) -> tuple[str, ...]:
    """The options for a key in a file."""
    return ("--signer", "file:", "--passphrase", f"file:{secret}")


def answered(answers: list[str], *arguments: object, home: Path) -> tuple[int, str]:
    """A command on a terminal of its own, its questions answered; all it showed there."""
    main, other = pty.openpty()
    child = subprocess.Popen(
        [*PITH, *map(str, arguments)],
        stdin=other,
        stdout=subprocess.DEVNULL,
        stderr=other,
        env=environment(home),
        start_new_session=True,
    )
    os.close(other)
    shown, end, waiting = b"", time.monotonic() + 30, list(answers)
    while time.monotonic() < end:
        if not select.select([main], [], [], 0.2)[0]:
            if waiting and shown.rstrip().endswith(b":"):
                os.write(main, waiting.pop(0).encode() + b"\n")
                shown += b"\n"
            continue
        try:
            shown += os.read(main, 4096)
        except OSError:
            break
    os.close(main)
    return child.wait(timeout=10), shown.decode()


def test_a_home_is_made_with_a_key_in_a_file(pith: Pith, secret: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = pith("init", *WHERE, *in_file(secret), home=home).fine()
    made = tree(home)
    desk = App(home).open()
    key_id = desk.active_key().key_id

    _, successor = (row.key_id for row in desk.store.list_keys())
    assert made == ["config.toml", f"keys/{key_id}.key", f"keys/{successor}.key", "registry.db"]
    assert done.lines == [desk.keyset().body.digest.hex()]
    assert "there is no recovery key yet" in done.err
    assert desk.signer(desk.clock()).public_key == desk.active_key().key
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    for name in made:
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600, name
    assert "correct horse" not in (home / "config.toml").read_text() + done.err


def test_json_has_what_a_script_needs(pith: Pith, secret: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    made = pith("init", *WHERE, *in_file(secret), "--json", home=home).fine().object
    desk = App(home).open()

    assert made == {
        "registry": "lab.example",
        "home": str(home),
        "key_id": desk.active_key().key_id,
        "public_key_hex": desk.active_key().key.hex,
        "public_key_fingerprint": desk.active_key().key.fingerprint,
        "successor_key_id": desk.store.list_keys()[1].key_id,
        "keyset_sha256": desk.keyset().body.digest.hex(),
    }


def test_the_new_home_says_9_to_doctor_for_want_of_a_recovery_key(
    pith: Pith, secret: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    pith("init", *WHERE, *in_file(secret), home=home).fine()

    assert pith("doctor", home=home).code == 9


@pytest.mark.parametrize("given", [WHERE[:2], WHERE[2:], ()])
def test_without_a_terminal_what_is_missing_is_required(
    pith: Pith, secret: Path, tmp_path: Path, given: tuple[str, ...]
) -> None:
    home = tmp_path / "home"

    pith("init", *given, *in_file(secret), home=home).refused(2, "usage.missing")

    assert not home.exists()


def test_on_a_terminal_it_is_asked(secret: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    code, shown = answered(
        ["asked.example", "https://asked.example"], "init", *in_file(secret), home=home
    )

    assert code == 0, shown
    assert App(home).open().registry == "asked.example"
    assert App(home).config().base_url == "https://asked.example"


def test_ctrl_d_at_a_question_makes_nothing(secret: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    code, shown = answered(["\x04"], "init", *in_file(secret), home=home)

    assert code == 130, shown
    assert not home.exists()
    assert "Traceback" not in shown


def test_a_second_init_changes_nothing(pith: Pith, home: Path, secret: Path) -> None:
    before = {name: (home / name).read_bytes() for name in tree(home)}

    done = pith("init", *WHERE, *in_file(secret), home=home).refused(6, "home.exists")

    assert "never overwritten" in done.err
    assert {name: (home / name).read_bytes() for name in tree(home)} == before


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        (("--registry", "lab.example", "--base-url", "http://lab.example"), (2, 3)),
        (("--registry", "lab.example", "--base-url", "https://"), (2, 3)),
        (("--registry", "lab.example", "--base-url", "https://lab.example/\n"), (2, 3)),
        (("--registry", "", "--base-url", "https://lab.example"), (2, 3)),
        (("--registry", "la b\x1b", "--base-url", "https://lab.example"), (2, 3)),
        ((*WHERE, "--signer", "nowhere:"), (2, 3)),
        ((*WHERE, "--signer", "hunter2"), (2, 3)),
        ((*WHERE, "--signer", "pkcs11:token=x"), (2, 3)),
        ((*WHERE, "--signer", "file:relative"), (2, 3)),
        ((*WHERE, "--signer", "file:"), (2, 7)),
        ((*WHERE, "--signer", "file:", "--passphrase", "file:/no/such/file"), (7,)),
        ((*WHERE, "--signer", "file:", "--passphrase", "credential:x"), (7,)),
    ],
)
def test_what_cannot_be_made_makes_nothing(
    pith: Pith, tmp_path: Path, options: tuple[str, ...], codes: tuple[int, ...]
) -> None:
    home = tmp_path / "home"

    done = pith("init", *options, home=home)

    assert done.code in codes, done
    assert done.out == b""
    assert tree(tmp_path) == []


def test_a_passphrase_on_the_command_line_is_refused_and_not_repeated(
    pith: Pith, tmp_path: Path
) -> None:
    done = pith(
        "init", *WHERE, "--signer", "file:", "--passphrase", "hunter2", home=tmp_path / "home"
    ).refused(2, "usage.passphrase")

    assert "hunter2" not in done.err
    assert tree(tmp_path) == []


def test_a_passphrase_file_is_named_by_an_absolute_path(pith: Pith, tmp_path: Path) -> None:
    done = pith(
        "init", *WHERE, "--signer", "file:", "--passphrase", "file:pass", home=tmp_path / "home"
    ).refused(2, "usage.passphrase")

    assert "absolute path" in done.err
    assert "if it was a real one" not in done.err
    assert tree(tmp_path) == []


def test_a_home_that_is_a_file(pith: Pith, secret: Path, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("mine")

    done = pith("init", *WHERE, *in_file(secret), home=tmp_path / "home")

    assert done.code in (2, 8), done
    assert (tmp_path / "home").read_text() == "mine"


def test_a_home_below_a_file(pith: Pith, secret: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    assert pith("init", *WHERE, *in_file(secret), home=tmp_path / "file" / "home").code in (2, 7, 8)


def spoilt(spoil: str, call: str, number: int, log: Path, *arguments: object) -> int:
    """The exit code of a command whose nth system call of a kind fails, or is its last."""
    inject = f"inject={call}:{spoil}:when={number}"
    trace = ("strace", "-f", "-qq", "-o", str(log), "-e", f"trace={call}", "-e", inject)
    command = [*trace, *PITH, *map(str, arguments)]
    done = subprocess.run(command, env=environment(), capture_output=True, timeout=60)
    assert b"Traceback" not in done.stderr
    return done.returncode


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("call", ["rename", "link"])
def test_an_init_whose_disk_fails_leaves_nothing_and_can_be_made_again(
    secret: Path, tmp_path: Path, call: str, number: int
) -> None:
    needs("strace")
    home = tmp_path / "home"
    options = ("init", *WHERE, *in_file(secret), "--home", home)

    code = spoilt("error=EIO", call, number, tmp_path / "log", *options)

    if code != 0:
        assert code == 8
        assert tree(home) == []
        process(*options).fine()
    assert process("doctor", home=home).code == 9


@pytest.mark.parametrize(("call", "number"), [("link", 1), ("rename", 1), ("rename", 2)])
def test_an_init_that_is_killed_leaves_no_half_home(
    secret: Path, tmp_path: Path, call: str, number: int
) -> None:
    needs("strace")
    home = tmp_path / "home"
    options = ("init", *WHERE, *in_file(secret), "--home", home)

    spoilt("signal=KILL", call, number, tmp_path / "log", *options)

    if process("doctor", home=home).code != 9:
        again = process(*options)
        # The key of the killed init may still be there: it is never overwritten.
        assert again.code == 0 or again.refused(6, "key.exists")


def test_without_a_keyring_nothing_is_half_made(tmp_path: Path) -> None:
    home = tmp_path / "home"
    env = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}

    done = process("init", *WHERE, home=home, env=env)

    assert done.code == 7, done
    assert any(line.startswith("pith: hint: ") for line in done.errors)
    assert tree(tmp_path) == []


def test_a_home_can_be_made_after_the_keyring_was_missing(secret: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    env = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    process("init", *WHERE, home=home, env=env)

    process("init", *WHERE, *in_file(secret), home=home).fine()


@pytest.fixture(name="keyring")
def _keyring() -> Iterator[Session]:
    needs("dbus-daemon", "gnome-keyring")
    session = Session()
    session.bus()
    session.daemon("right", until="unlocked")
    yield session
    session.close()


def test_the_keyring_holds_the_key_and_the_home_does_not(keyring: Session, tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = process("init", *WHERE, "--json", home=home, env=keyring.env).fine()

    assert tree(home) == ["config.toml", "registry.db"]
    assert rows(home, "SELECT uri FROM keys") == [("keyring:",)] * 2
    assert process("doctor", home=home, env=keyring.env).code == 9
    assert done.object["registry"] == "lab.example"


def test_a_second_home_of_the_same_registry_does_not_overwrite_its_key(
    keyring: Session, tmp_path: Path
) -> None:
    process("init", *WHERE, home=tmp_path / "one", env=keyring.env).fine()

    process("init", *WHERE, home=tmp_path / "two", env=keyring.env).refused(6, "key.exists")

    assert tree(tmp_path / "two") == [] if (tmp_path / "two").exists() else True
    assert process("doctor", home=tmp_path / "one", env=keyring.env).code == 9


def test_a_copied_home_works_where_the_passphrase_is(
    pith: Pith, home: Path, tmp_path: Path, record_file: Path
) -> None:
    other = copied(home, tmp_path / "moved")

    assert pith("mint", record_file, home=other).fine().lines
