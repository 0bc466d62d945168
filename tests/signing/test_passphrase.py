"""Where passphrases come from: systemd credentials, private files, a real terminal."""

import copy
import os
import pickle
import pty
import select
import signal
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import pytest

from registry.errors import KeyUnavailableError, MalformedError
from registry.signing.passphrase import MAX_LENGTH, Passphrase
from tests.parts import ROOT, needs
from tests.signing.as_nobody import NOBODY, code_as_nobody, open_folder


def words(folder: Path, data: bytes = b"right\n", mode: int = 0o600) -> Path:
    path = folder / "words"
    path.write_bytes(data)
    path.chmod(mode)
    return path


def refusal(uri: str) -> str:
    with pytest.raises(KeyUnavailableError) as refused:
        Passphrase(uri).get(confirm=False)
    assert refused.value.hint
    return refused.value.code


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "right",
        "file:",
        "file:words",
        "credential:",
        "credential:a/b",
        "credential:..",
        "credential:a\n",
        "prompt",
        "prompt:x",
        "env:PW",
        "file:/a\0b",
        "Prompt:",
    ],
)
def test_other_sources_are_refused(uri: str) -> None:
    with pytest.raises(MalformedError) as refused:
        Passphrase(uri)

    assert refused.value.code == "passphrase.form"


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"right", b"right"),
        (b"right\n", b"right"),
        (b"right\r\n", b"right"),
        (b"right\n\n", b"right\n"),
        (b"right\r", b"right\r"),
        (b" two words ", b" two words "),
        ("e\u0301\n".encode(), "é".encode()),
        (b"x" * MAX_LENGTH, b"x" * MAX_LENGTH),
    ],
)
def test_text_of_a_file(tmp_path: Path, data: bytes, wanted: bytes) -> None:
    assert Passphrase(f"file:{words(tmp_path, data)}").get(confirm=True) == wanted


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (b"\r\n", "empty"),
        (b"\xff", "utf8"),
        (b"x" * (MAX_LENGTH + 1), "size"),
    ],
)
def test_text_that_is_refused(tmp_path: Path, data: bytes, code: str) -> None:
    assert refusal(f"file:{words(tmp_path, data)}") == f"passphrase.{code}"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644])
def test_a_file_that_others_may_use(tmp_path: Path, mode: int) -> None:
    assert refusal(f"file:{words(tmp_path, mode=mode)}") == "passphrase.mode"


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_that_only_its_owner_may_use(tmp_path: Path, mode: int) -> None:
    assert Passphrase(f"file:{words(tmp_path, mode=mode)}").get(confirm=False) == b"right"


def test_links_folders_and_pipes(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(words(tmp_path))
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)

    for name in ("link", "pipe", "folder"):
        assert refusal(f"file:{tmp_path / name}") == "passphrase.kind"
    assert refusal(f"file:{tmp_path / 'none'}") == "passphrase.absent"


def test_files_of_others() -> None:
    with open_folder() as folder:
        path = words(folder)
        passphrase = Passphrase(f"file:{path}")
        assert code_as_nobody(lambda: passphrase.get(confirm=False)) == "passphrase.access"

        os.chown(path, NOBODY, NOBODY)
        assert code_as_nobody(lambda: passphrase.get(confirm=False)) == "ok"
        assert refusal(f"file:{path}") == "passphrase.owner"


def test_a_credential_of_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words(tmp_path, mode=0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    assert Passphrase("credential:words").get(confirm=False) == b"right"
    assert refusal("credential:none") == "passphrase.absent"
    words(tmp_path, mode=0o444)
    assert refusal("credential:words") == "passphrase.mode"


@pytest.mark.parametrize("folder", [None, "", "relative"])
def test_no_credentials_here(folder: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    if folder is not None:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", folder)

    assert refusal("credential:words") == "passphrase.credential"


def test_it_is_read_once(tmp_path: Path) -> None:
    path = words(tmp_path)
    passphrase = Passphrase(f"file:{path}")
    passphrase.check()
    path.unlink()

    assert passphrase.get(confirm=False) == b"right"


def test_it_is_never_shown_nor_copied(tmp_path: Path) -> None:
    passphrase = Passphrase(f"file:{words(tmp_path, b'sesame')}")
    passphrase.get(confirm=False)

    assert "sesame" not in repr(passphrase) + str(passphrase)
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="neither pickled nor copied"):
            copied(passphrase)


# -- a real terminal -----------------------------------------------------------

ASK = """
import sys
from registry.errors import KeyUnavailableError
from registry.signing.passphrase import Passphrase
passphrase = Passphrase("prompt:")
try:
    if "check" in sys.argv:
        passphrase.check()
    first = passphrase.get(confirm=sys.argv[1] == "twice")
    print("got", first.hex(), passphrase.get(confirm=True) == first)
except KeyUnavailableError as error:
    print("code", error.code)
"""


def typed(how: str, answers: list[bytes]) -> str:
    """What is on a terminal after typing the answers to ASK, one per question."""
    pid, terminal = pty.fork()
    if pid == 0:
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
        os.execve(sys.executable, [sys.executable, "-c", ASK, how, "check"], env)
    seen = b""
    asked = 0
    end = time.monotonic() + 20
    try:
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 0.1)[0]:
                continue
            try:
                more = os.read(terminal, 4096)
            except OSError:  # the other side has closed
                break
            seen += more
            if seen.count(b": ") > asked and asked < len(answers):
                os.write(terminal, answers[asked])
                asked += 1
    finally:
        os.close(terminal)
        if os.waitpid(pid, os.WNOHANG) == (0, 0):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return seen.decode()


def test_a_terminal_is_asked_once() -> None:
    screen = typed("once", [b"sesame\n"])

    assert f"got {b'sesame'.hex()} True" in screen
    assert screen.count(": ") == 1
    assert "sesame" not in screen


def test_a_terminal_is_asked_twice_for_a_new_key() -> None:
    screen = typed("twice", [b"sesame\n", b"sesame\n"])

    assert f"got {b'sesame'.hex()} True" in screen
    assert screen.count(": ") == 2


def test_the_same_words_however_they_are_typed() -> None:
    composed = unicodedata.normalize("NFC", "café").encode() + b"\n"
    decomposed = unicodedata.normalize("NFD", "café").encode() + b"\n"

    assert f"got {'café'.encode().hex()} True" in typed("twice", [composed, decomposed])


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([b"sesame\n", b"sesam\n"], "repeat"),
        ([b"\n"], "empty"),
        ([b"\x04"], "empty"),
        ([b"\xff\xfe\n"], "utf8"),
    ],
)
def test_what_is_typed_wrongly(answers: list[bytes], code: str) -> None:
    assert f"code passphrase.{code}" in typed("twice", answers)


@pytest.mark.parametrize("acts", [["once"], ["once", "check"]])
def test_without_a_terminal_nothing_is_read(acts: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK, *acts],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        input="sesame\n",
        capture_output=True,
        text=True,
        timeout=20,
        start_new_session=True,
    )

    assert done.stdout == "code passphrase.no_terminal\n"
    assert done.stderr == ""


def test_a_terminal_on_standard_input_that_is_another_sessions_is_not_read() -> None:
    terminal, stdin = pty.openpty()
    try:
        os.write(terminal, b"sesame\n")
        done = subprocess.run(
            [sys.executable, "-c", ASK, "once"],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=20,
            start_new_session=True,
        )
    finally:
        os.close(terminal)
        os.close(stdin)

    assert done.stdout == "code passphrase.no_terminal\n"


def test_a_terminal_whose_echo_cannot_be_switched_off_is_not_used(tmp_path: Path) -> None:
    needs("unshare")
    (tmp_path / "tty").write_text("sesame\n")
    script = 'mount --bind "$1" /dev/tty && exec "$2" -c "$3" once'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", str(tmp_path / "tty"), sys.executable, ASK],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        input="sesame\n",
        capture_output=True,
        text=True,
        timeout=20,
        start_new_session=True,
    )

    assert done.stdout == "code passphrase.no_terminal\n", done.stderr
