"""OpenSSH public keys and file signatures, against the real ssh-keygen."""

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from registry.errors import BadSignatureError, VerificationError
from registry.protocol.keys import PublicKey
from registry.protocol.sshsig import SshKey, SshSignature
from tests import world
from tests.parts import needs
from tests.protocol.refusals import refused
from tests.ssh import keygen, line_of, new_key, sign

MESSAGE: Final = b'{"registry":"lab.example"}\n'


@pytest.fixture(name="made", scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key, a file and its signature."""
    needs("ssh-keygen")
    folder = tmp_path_factory.mktemp("ssh")
    key = new_key(folder, "ada")
    (folder / "file").write_bytes(MESSAGE)
    sign(key, folder / "file")
    return folder


def blob(made: Path) -> bytes:
    """What is inside the armor of the real signature."""
    return SshSignature.parse((made / "file.sig").read_text()).blob


def test_a_real_key_is_read_and_written_again(made: Path) -> None:
    line = line_of(made / "ada")
    key = SshKey.parse(line)

    assert key.line == line
    assert key.comment == "ada@lab.example"
    assert keygen("-l", "-f", made / "ada.pub").split()[1] == key.fingerprint
    assert SshKey.parse(" ".join(line.split()[:2])).key == key.key


def test_a_real_signature_verifies(made: Path) -> None:
    text = (made / "file.sig").read_text()
    found = SshSignature.parse(text)

    assert found.armored == text
    assert found.key == SshKey.parse(line_of(made / "ada")).key
    assert SshSignature.from_blob(found.blob) == found
    found.verify(MESSAGE, "pith-approval")


@pytest.mark.parametrize("name", ["sha256", "sha512"])
def test_both_hashes_verify(made: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(MESSAGE)
    text = sign(made / "ada", tmp_path / "file", "pith-approval", "-O", f"hashalg={name}")

    found = SshSignature.parse(text.read_text())

    assert found.hash == name
    found.verify(MESSAGE, "pith-approval")


def test_ssh_keygen_takes_what_is_written_again(made: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.sig"
    again.write_text(SshSignature.from_blob(blob(made)).armored)
    allowed = tmp_path / "allowed"
    allowed.write_text(f"ada {SshKey.parse(line_of(made / 'ada')).line}\n")

    done = subprocess.run(
        [
            *["ssh-keygen", "-Y", "verify", "-I", "ada", "-n", "pith-approval", "-f"],
            allowed,
            "-s",
            again,
        ],
        input=MESSAGE,
        capture_output=True,
        timeout=20,
    )

    assert done.returncode == 0, done.stderr


def test_another_message_namespace_or_key_is_refused(made: Path, tmp_path: Path) -> None:
    found = SshSignature.parse((made / "file.sig").read_text())

    with refused("signature.wrong", BadSignatureError):
        found.verify(MESSAGE + b" ", "pith-approval")
    with refused("sshsig.namespace", VerificationError):
        found.verify(MESSAGE, "file")
    (tmp_path / "file").write_bytes(MESSAGE)
    other = SshSignature.parse(sign(made / "ada", tmp_path / "file", "git").read_text())
    with refused("sshsig.namespace", VerificationError):
        other.verify(MESSAGE, "pith-approval")
    swapped = SshSignature(world.REGISTRY.key, found.namespace, found.hash, found.raw)
    with refused("signature.wrong", BadSignatureError):
        swapped.verify(MESSAGE, "pith-approval")


def test_a_signature_whose_namespace_was_changed_is_refused(made: Path) -> None:
    found = SshSignature.parse((made / "file.sig").read_text())
    changed = SshSignature(found.key, "pith-other", found.hash, found.raw)

    with refused("signature.wrong", BadSignatureError):
        changed.verify(MESSAGE, "pith-other")


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_only_ed25519_is_read(made: Path, tmp_path: Path, kind: str) -> None:
    key = new_key(tmp_path, kind, kind)
    (tmp_path / "file").write_bytes(MESSAGE)
    text = sign(key, tmp_path / "file").read_text()

    with refused("sshsig.key"):
        SshKey.parse(line_of(key))
    with refused("sshsig.form"):
        SshSignature.parse(text)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda t: t + "\n", id="blank-line-after"),
        pytest.param(lambda t: t.rstrip("\n"), id="no-last-newline"),
        pytest.param(lambda t: t.replace("\n", "\r\n"), id="crlf"),
        pytest.param(lambda t: " " + t, id="space-before"),
        pytest.param(lambda t: t.replace("SSH SIGNATURE", "PGP SIGNATURE"), id="other-armor"),
        pytest.param(lambda t: t.replace("\n", "", 2), id="other-columns"),
        pytest.param(lambda t: t.replace("BEGIN", "END"), id="no-begin"),
        pytest.param(lambda t: t.replace("U1NI", "U1N\u00e9"), id="beyond-ascii"),
        pytest.param(lambda _: "", id="empty"),
    ],
)
def test_another_spelling_of_the_armor_is_refused(made: Path, change: Callable[[str], str]) -> None:
    text = (made / "file.sig").read_text()
    with refused("sshsig.form"):
        SshSignature.parse(change(text))


def swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """Replace bytes that stand there."""

    def change(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new)

    return change


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(swap(b"SSHSIG\0\0\0\1", b"SSHSIG\0\0\0\2"), id="version-2"),
        pytest.param(swap(b"SSHSIG", b"SSHSIX"), id="magic"),
        pytest.param(swap(b"sha512", b"sha384"), id="hash"),
        pytest.param(swap(b"\0\0\0\0\0\0\0\6sha", b"\0\0\0\1x\0\0\0\6sha"), id="reserved"),
        pytest.param(swap(b"\0\0\0\rpith-approval", b"\0\0\0\0"), id="no-namespace"),
        pytest.param(lambda b: b + b"\0", id="trailing"),
        pytest.param(lambda b: b[:-1], id="short"),
        pytest.param(lambda b: b[:8], id="very-short"),
        pytest.param(lambda b: b.replace(b"ssh-ed25519", b"ssh-ed25518", 1), id="key-type"),
        pytest.param(
            lambda b: b[:-80] + b[-80:].replace(b"ssh-ed25519", b"ssh-ed25518"), id="signature-type"
        ),
        pytest.param(lambda b: b.replace(b"\0\0\0\x0b", b"\xff\xff\xff\xff", 1), id="length"),
    ],
)
def test_a_blob_of_another_form_is_refused(made: Path, change: Callable[[bytes], bytes]) -> None:
    with refused("sshsig.form"):
        SshSignature.from_blob(change(blob(made)))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda t: t + "\n", id="newline"),
        pytest.param(lambda t: t + " ", id="space-after"),
        pytest.param(lambda t: t.replace(" ", "  ", 1), id="two-spaces"),
        pytest.param(lambda t: f"no-pty {t}", id="options"),
        pytest.param(lambda t: t.replace("ssh-ed25519", "ssh-rsa"), id="type"),
        pytest.param(lambda t: t + "\x1b[31m", id="control-in-comment"),
        pytest.param(lambda t: t[:30], id="cut"),
        pytest.param(lambda t: t + "x" * 128, id="long-comment"),
        pytest.param(lambda _: "", id="empty"),
    ],
)
def test_another_key_line_is_refused(made: Path, change: Callable[[str], str]) -> None:
    with refused("sshsig.key"):
        SshKey.parse(change(line_of(made / "ada")))


def test_a_key_of_small_order_is_refused(made: Path) -> None:
    raw = bytes([1]) + bytes(31)
    wire = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + raw

    with refused("key.point", VerificationError):
        SshKey.parse(f"ssh-ed25519 {base64.b64encode(wire).decode()}")
    key = SshKey.parse(line_of(made / "ada")).key.raw
    with refused("key.point", VerificationError):
        SshSignature.from_blob(blob(made).replace(key, raw))


def test_the_line_is_the_one_of_key_show(made: Path) -> None:
    from registry.protocol.key_formats import openssh

    key = PublicKey.from_raw(SshKey.parse(line_of(made / "ada")).key.raw)
    line = openssh(key, "ada", "lab.example").removesuffix("\n")

    assert SshKey.parse(line) == SshKey(key, "ada@lab.example")
