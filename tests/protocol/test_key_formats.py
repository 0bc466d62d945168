"""Public keys as other programs read them: published examples, and the programs themselves.

What the programs verify is signed here with PyNaCl and laid out by hand.
"""

import json
import subprocess
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from joserfc import jws
from joserfc.errors import BadSignatureError, SecurityWarning
from joserfc.jwk import OKPKey
from nacl.signing import SigningKey

from registry.protocol import key_formats
from registry.protocol.keys import PublicKey
from tests.parts import needs
from tests.world import seed_of

KEY_ID: Final = "lab-v1-2026-11"
REGISTRY: Final = "lab.example"
SEED: Final = seed_of("formats")
MESSAGE: Final = b"what a stranger signed\n"
OTHER_KEY: Final = PublicKey.from_raw(bytes(SigningKey(seed_of("other")).verify_key))
LONGEST: Final = ("k" * 64, "R" * 128)
"""The longest key id and registry there are."""

RFC8410_PEM: Final = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
"""The public key of RFC 8410 section 10.1."""
RFC8037_X: Final = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
"""The public key of RFC 8037 appendix A.2."""
RFC8037_JWS: Final = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)
"""What that key signed in appendix A.4."""


def key_of(seed: bytes = SEED) -> PublicKey:
    return PublicKey.from_raw(bytes(SigningKey(seed).verify_key))


def written(name: str, key: PublicKey, folder: Path) -> Path:
    """A key in a format, in a file."""
    file = folder / f"{name}.pub"
    file.write_text(key_formats.ENCODERS[name](key, KEY_ID, REGISTRY))
    return file


def program(*command: object, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    """A program of the machine, run to its end."""
    return subprocess.run(
        [str(part) for part in command], input=stdin, capture_output=True, timeout=30
    )


# -- what strangers make with a seed -------------------------------------------


def signed(seed: bytes, message: bytes) -> bytes:
    return SigningKey(seed).sign(message).signature


def number(seed: bytes) -> bytes:
    """The key number, written out once more: 8 bytes of SHA-256 of the raw key."""
    return sha256(bytes(SigningKey(seed).verify_key)).digest()[:8]


def signify_signature(signature: bytes, number: bytes) -> bytes:
    """A signature file of signify."""
    return b"untrusted comment: by hand\n" + b64encode(b"Ed" + number + signature) + b"\n"


def minisign_signature(seed: bytes, message: bytes, number: bytes, *, hashed: bool) -> bytes:
    """A signature file of minisign: of the message itself or, as it is today, of its
    BLAKE2b-512; a second signature holds the trusted comment."""
    signature = signed(seed, blake2b(message).digest() if hashed else message)
    head = (b"ED" if hashed else b"Ed") + number
    trusted = b"timestamp:1780315200\tby hand"
    lines = (
        b"untrusted comment: by hand",
        b64encode(head + signature),
        b"trusted comment: " + trusted,
        b64encode(signed(seed, signature + trusted)),
    )
    return b"".join(line + b"\n" for line in lines)


def jws_token(seed: bytes, message: bytes, algorithm: str) -> str:
    """A compact JWS."""
    header = json.dumps({"alg": algorithm, "kid": KEY_ID}).encode()
    parts = [urlsafe_b64encode(part).rstrip(b"=") for part in (header, message)]
    parts.append(urlsafe_b64encode(signed(seed, b".".join(parts))).rstrip(b"="))
    return b".".join(parts).decode()


# -- all formats ---------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(key_formats.ENCODERS))
def test_a_format_is_whole_lines_of_ascii_and_holds_the_key(name: str) -> None:
    text = key_formats.ENCODERS[name](key_of(), KEY_ID, REGISTRY)
    other = key_formats.ENCODERS[name](OTHER_KEY, KEY_ID, REGISTRY)

    assert text.isascii()
    assert all(line.isprintable() for line in text.splitlines())
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert text != other


# -- pem -----------------------------------------------------------------------


def test_pem_of_the_example_of_the_rfc() -> None:
    key = PublicKey.from_raw(b64decode(RFC8410_PEM)[-32:])

    text = key_formats.pem(key, KEY_ID, REGISTRY)

    assert text == f"-----BEGIN PUBLIC KEY-----\n{RFC8410_PEM}\n-----END PUBLIC KEY-----\n"


def test_openssl_reads_the_pem(tmp_path: Path) -> None:
    needs("openssl")
    file = written("pem", key_of(), tmp_path)

    done = program("openssl", "pkey", "-pubin", "-noout", "-text", "-in", file)

    assert done.returncode == 0, done.stderr
    title, *digits = done.stdout.decode().splitlines()
    assert title == "ED25519 Public-Key:"
    assert digits[0] == "pub:"
    assert "".join(digits[1:]).replace(" ", "").replace(":", "") == key_of().hex


# -- openssh -------------------------------------------------------------------


def test_the_openssh_line_is_read_back_by_a_library() -> None:
    text = key_formats.openssh(key_of(), KEY_ID, REGISTRY)

    loaded = load_ssh_public_key(text.encode())

    assert isinstance(loaded, Ed25519PublicKey)
    assert loaded.public_bytes_raw() == key_of().raw
    assert text.startswith("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI")


@pytest.mark.parametrize(("key_id", "registry"), [(KEY_ID, REGISTRY), LONGEST])
def test_ssh_keygen_reads_the_openssh_line(tmp_path: Path, key_id: str, registry: str) -> None:
    needs("ssh-keygen")
    file = tmp_path / "key.pub"
    file.write_text(key_formats.openssh(key_of(), key_id, registry))
    wire = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + key_of().raw
    fingerprint = b64encode(sha256(wire).digest()).rstrip(b"=").decode()

    done = program("ssh-keygen", "-l", "-f", file)

    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == f"256 SHA256:{fingerprint} {key_id}@{registry} (ED25519)\n"


# -- jwk -----------------------------------------------------------------------


def test_jwk_of_the_example_of_the_rfc() -> None:
    key = PublicKey.from_raw(urlsafe_b64decode(RFC8037_X + "="))

    text = key_formats.jwk(key, KEY_ID, REGISTRY)

    assert text == (
        f'{{"crv":"Ed25519","kid":"{KEY_ID}","kty":"OKP","use":"sig","x":"{RFC8037_X}"}}\n'
    )
    loaded = OKPKey.import_key(json.loads(text))
    assert loaded.thumbprint() == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"  # appendix A.3
    with pytest.warns(SecurityWarning, match="RFC 9864"):
        found = jws.deserialize_compact(RFC8037_JWS, loaded, algorithms=["EdDSA"])
    assert found.payload == b"Example of Ed25519 signing"


def test_a_jose_library_verifies_with_the_jwk() -> None:
    loaded = OKPKey.import_key(json.loads(key_formats.jwk(key_of(), KEY_ID, REGISTRY)))
    other = OKPKey.import_key(json.loads(key_formats.jwk(OTHER_KEY, KEY_ID, REGISTRY)))
    token = jws_token(SEED, MESSAGE, "Ed25519")

    assert loaded.kid == KEY_ID
    assert not loaded.is_private
    assert jws.deserialize_compact(token, loaded, algorithms=["Ed25519"]).payload == MESSAGE
    with pytest.raises(BadSignatureError):
        jws.deserialize_compact(token, other, algorithms=["Ed25519"])


def test_a_jose_library_verifies_under_the_older_name_too() -> None:
    loaded = OKPKey.import_key(json.loads(key_formats.jwk(key_of(), KEY_ID, REGISTRY)))
    token = jws_token(SEED, MESSAGE, "EdDSA")

    with pytest.warns(SecurityWarning, match="RFC 9864"):
        found = jws.deserialize_compact(token, loaded, algorithms=["EdDSA"])

    assert found.payload == MESSAGE


# -- minisign and signify ------------------------------------------------------


@pytest.mark.parametrize("name", ["minisign", "signify"])
def test_the_key_file_is_a_comment_and_42_bytes(name: str) -> None:
    key = key_of()

    comment, body = key_formats.ENCODERS[name](key, KEY_ID, REGISTRY).splitlines()

    assert comment.startswith("untrusted comment: ")
    assert f"{KEY_ID} at {REGISTRY}" in comment
    assert b64decode(body) == b"Ed" + number(SEED) + key.raw


def test_the_key_number_begins_the_fingerprint() -> None:
    assert key_formats.key_number(key_of()).hex() == key_of().fingerprint[:16]


@pytest.mark.parametrize("hashed", [True, False], ids=["hashed", "legacy"])
def test_minisign_verifies_with_the_key(tmp_path: Path, hashed: bool) -> None:
    needs("minisign")
    file = tmp_path / "message"
    file.write_bytes(MESSAGE)
    signature = tmp_path / "message.minisig"
    signature.write_bytes(minisign_signature(SEED, MESSAGE, number(SEED), hashed=hashed))
    public = written("minisign", key_of(), tmp_path)
    command = ("minisign", "-V", "-m", file, "-x", signature, "-p")

    good = program(*command, public)
    by_text = program(*command[:-1], "-P", public.read_text().splitlines()[1])
    file.write_bytes(MESSAGE[::-1])
    changed = program(*command, public)

    for done in (good, by_text):
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(b"Signature and comment signature verified\n")
    assert changed.returncode != 0
    assert b"Signature verification failed" in changed.stderr


def test_minisign_names_the_key_as_its_comment_does(tmp_path: Path) -> None:
    needs("minisign")
    file = tmp_path / "message"
    file.write_bytes(MESSAGE)
    signature = tmp_path / "message.minisig"
    signature.write_bytes(minisign_signature(SEED, MESSAGE, number(SEED), hashed=True))
    public = written("minisign", OTHER_KEY, tmp_path)

    done = program("minisign", "-V", "-m", file, "-x", signature, "-p", public)

    assert done.returncode != 0
    words = public.read_text().splitlines()[0].split()
    assert words[:5] == ["untrusted", "comment:", "minisign", "public", "key"]
    assert f"in the public key is {words[5]}\n" in done.stderr.decode()


def test_signify_verifies_with_the_key(tmp_path: Path) -> None:
    needs("signify-openbsd")
    file = tmp_path / "message"
    file.write_bytes(MESSAGE)
    signature = tmp_path / "message.sig"
    signature.write_bytes(signify_signature(signed(SEED, MESSAGE), number(SEED)))
    public = written("signify", key_of(), tmp_path)
    (tmp_path / "other").mkdir()
    strange = written("signify", OTHER_KEY, tmp_path / "other")
    command = ("signify-openbsd", "-V", "-x", signature, "-m", file, "-p")

    good = program(*command, public)
    other = program(*command, strange)
    file.write_bytes(MESSAGE[::-1])
    changed = program(*command, public)

    assert (good.returncode, good.stdout) == (0, b"Signature Verified\n"), good.stderr
    assert other.returncode != 0
    assert b"wrong key" in other.stderr
    assert changed.returncode != 0
    assert b"signature verification failed" in changed.stderr


@pytest.mark.parametrize("tool", ["minisign", "signify-openbsd"])
def test_the_longest_comment_is_not_too_long(tmp_path: Path, tool: str) -> None:
    needs(tool)
    file, signature, public = (tmp_path / part for part in ("message", "signature", "key.pub"))
    file.write_bytes(MESSAGE)
    if tool == "minisign":
        public.write_text(key_formats.minisign(key_of(), *LONGEST))
        signature.write_bytes(minisign_signature(SEED, MESSAGE, number(SEED), hashed=True))
    else:
        public.write_text(key_formats.signify(key_of(), *LONGEST))
        signature.write_bytes(signify_signature(signed(SEED, MESSAGE), number(SEED)))

    done = program(tool, "-V", "-m", file, "-x", signature, "-p", public)

    assert done.returncode == 0, done.stderr
