"""pith key show --format: what it prints is what the other programs verify with."""

import json
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest
from joserfc import jws
from joserfc.jwk import OKPKey

from registry.app import App
from registry.protocol.key_formats import ENCODERS
from registry.services.keys import create_key
from tests.cli.conftest import Pith
from tests.cli.lab import REGISTRY, record
from tests.parts import needs
from tests.protocol.test_key_formats import (
    MESSAGE,
    SEED,
    jws_token,
    key_of,
    minisign_signature,
    number,
    program,
    signed,
    signify_signature,
)

PAPER: Final = "arxiv:2401.00001"
KNOWN: Final = "known-1"


@pytest.fixture(name="known")
def _known(home: Path) -> Path:
    """A registry whose second key, `KNOWN`, has the test's seed."""
    app = App(home)
    desk = app.open()
    create_key(desk, app.key_store("file:", desk.config), key_id=KNOWN, seed=SEED, at=desk.clock())
    return home


def shown(pith: Pith, name: str, home: Path, folder: Path, *key_id: str) -> Path:
    """What `pith key show --format` prints, in a file."""
    done = pith("key", "show", *key_id, "--format", name, home=home).fine()
    assert done.err == ""
    file = folder / f"{name}.pub"
    file.write_bytes(done.out)
    return file


def test_each_format_shows_the_key_that_signs_or_the_one_named(pith: Pith, known: Path) -> None:
    active = App(known).open().active_key()

    for name, encoder in ENCODERS.items():
        here = pith("key", "show", "--format", name, home=known).fine()
        named = pith("key", "show", KNOWN, "--format", name, home=known).fine()
        assert here.out.decode() == encoder(active.key, active.key_id, REGISTRY)
        assert named.out.decode() == encoder(key_of(), KNOWN, REGISTRY)


def test_json_is_the_form_without_a_format(pith: Pith, home: Path) -> None:
    assert (
        pith("key", "show", "--format", "json", home=home).fine().out
        == pith("key", "show", home=home).fine().out
    )


def test_the_help_names_every_format(pith: Pith) -> None:
    text = pith("key", "show", "--help").fine().out.decode()

    (names,) = re.findall(r"--format <(\S+)>", text)

    assert set(names.split("|")) == {"json", *ENCODERS}


@pytest.mark.parametrize("name", ["", "PEM", "der", "pem "])
def test_a_format_that_there_is_not(pith: Pith, home: Path, name: str) -> None:
    assert pith("key", "show", "--format", name, home=home).refused(2, "usage").out == b""


@pytest.mark.parametrize("name", ENCODERS)
def test_a_key_that_nobody_knows(pith: Pith, home: Path, name: str) -> None:
    done = pith("key", "show", "no-such-key", "--format", name, home=home)

    assert done.refused(5, "key.absent").out == b""


def test_openssl_verifies_a_receipt_with_the_pem(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    needs("openssl")
    receipt = json.loads(pith("receipt", "export", PAPER, home=stocked).fine().out)
    public = shown(pith, "pem", stocked, tmp_path)
    message, signature = tmp_path / "message", tmp_path / "signature"
    message.write_bytes(record().digest)
    signature.write_bytes(b64decode(receipt["signature_b64"]))
    options = ("-verify", "-rawin", "-pubin", "-inkey", public, "-in", message)

    good = program("openssl", "pkeyutl", *options, "-sigfile", signature)
    message.write_bytes(record(2).digest)
    other = program("openssl", "pkeyutl", *options, "-sigfile", signature)

    assert good.returncode == 0, good.stderr
    assert good.stdout == b"Signature Verified Successfully\n"
    assert other.returncode != 0
    assert b"Signature Verification Failure" in other.stdout + other.stderr


def test_signify_verifies_a_receipt_with_the_key(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    needs("signify-openbsd")
    receipt = json.loads(pith("receipt", "export", PAPER, home=stocked).fine().out)
    public = shown(pith, "signify", stocked, tmp_path)
    message, signature = tmp_path / "message", tmp_path / "signature"
    message.write_bytes(record().digest)
    number = bytes.fromhex(receipt["public_key_fingerprint"][:16])
    signature.write_bytes(signify_signature(b64decode(receipt["signature_b64"]), number))

    done = program("signify-openbsd", "-V", "-p", public, "-x", signature, "-m", message)

    assert (done.returncode, done.stdout) == (0, b"Signature Verified\n"), done.stderr


def test_ssh_keygen_tells_the_fingerprint(pith: Pith, known: Path, tmp_path: Path) -> None:
    needs("ssh-keygen")
    public = shown(pith, "openssh", known, tmp_path, KNOWN)
    wire = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + key_of().raw
    fingerprint = b64encode(sha256(wire).digest()).rstrip(b"=").decode()

    done = program("ssh-keygen", "-l", "-f", public)

    assert done.stdout.decode() == f"256 SHA256:{fingerprint} {KNOWN}@{REGISTRY} (ED25519)\n"


@pytest.mark.parametrize("tool", ["minisign", "signify-openbsd"])
def test_a_signature_file_of_the_seed_verifies(
    pith: Pith, known: Path, tmp_path: Path, tool: str
) -> None:
    needs(tool)
    public = shown(pith, tool.removesuffix("-openbsd"), known, tmp_path, KNOWN)
    message, signature = tmp_path / "message", tmp_path / "signature"
    message.write_bytes(MESSAGE)
    signature.write_bytes(
        minisign_signature(SEED, MESSAGE, number(SEED), hashed=True)
        if tool == "minisign"
        else signify_signature(signed(SEED, MESSAGE), number(SEED))
    )

    done = program(tool, "-V", "-p", public, "-x", signature, "-m", message)

    assert done.returncode == 0, done.stderr
    assert b"erified" in done.stdout


def test_a_jose_library_verifies_with_the_jwk(pith: Pith, known: Path, tmp_path: Path) -> None:
    key = OKPKey.import_key(json.loads(shown(pith, "jwk", known, tmp_path, KNOWN).read_bytes()))

    found = jws.deserialize_compact(
        jws_token(SEED, MESSAGE, "Ed25519"), key, algorithms=["Ed25519"]
    )

    assert key.kid == KNOWN
    assert found.payload == MESSAGE


def test_the_seed_is_in_no_format(pith: Pith, known: Path) -> None:
    for name in ENCODERS:
        done = pith("key", "show", KNOWN, "--format", name, home=known).fine()
        for secret in (SEED.hex(), b64encode(SEED).decode()):
            assert secret not in done.out.decode() + done.err
