"""Where keys are, as URIs."""

import subprocess
import sys
from pathlib import Path

import pytest

from registry.errors import KeyUnavailableError, MalformedError
from registry.signing.location import KeyLocation, open_key_store, parse_location
from registry.signing.passphrase import Passphrase
from tests.parts import ROOT


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        ("keyring:", KeyLocation("keyring", None)),
        ("file:", KeyLocation("file", None)),
        ("file:/", KeyLocation("file", Path("/"))),
        ("file:/etc/pith keys", KeyLocation("file", Path("/etc/pith keys"))),
        ("file:/ключи", KeyLocation("file", Path("/ключи"))),
    ],
)
def test_a_location_has_one_spelling(uri: str, location: KeyLocation) -> None:
    assert parse_location(uri) == location
    assert str(location) == uri


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "keyring",
        "file",
        "/etc/keys",
        "Keyring:",
        "http://x",
        "env:SEED",
        " file:",
        "ssh-agent",
        "SSH-AGENT:/run/agent",
        "pkcs11",
        "tpm:x",
    ],
)
def test_other_kinds_are_refused(uri: str) -> None:
    with pytest.raises(MalformedError) as refused:
        parse_location(uri)

    assert refused.value.code == "location.scheme"
    for known in ("keyring:", "file:", "ssh-agent:", "pkcs11:"):
        assert known in refused.value.hint


@pytest.mark.parametrize(
    "uri",
    [
        "keyring:x",
        "keyring:/x",
        "keyring://",
        "file:keys",
        "file:./keys",
        "file://host/keys",
        "file:///keys",
        "file:/keys/",
        "file:/a/../keys",
        "file:/a//b",
        "file:/a\n",
        "file:/a\0b",
    ],
)
def test_paths_stand_where_they_may_and_plainly(uri: str) -> None:
    with pytest.raises(MalformedError) as refused:
        parse_location(uri)

    assert refused.value.code == "location.path"


@pytest.mark.parametrize("uri", ["keyring:", "file:", "file:/var/lib/pith"])
def test_every_location_opens_as_its_store(uri: str, tmp_path: Path) -> None:
    store = open_key_store(
        parse_location(uri),
        registry="lab.example",
        home=tmp_path,
        passphrase=Passphrase("prompt:"),
    )

    assert store.uri == uri
    assert list(tmp_path.iterdir()) == []


def test_files_want_a_source_of_the_passphrase(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailableError) as refused:
        open_key_store(
            parse_location("file:"), registry="lab.example", home=tmp_path, passphrase=None
        )

    assert refused.value.code == "passphrase.source"
    assert "[signer] passphrase" in refused.value.hint


def test_plain_file_is_the_folder_keys_in_the_home(tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.write_text("right\n")
    words.chmod(0o600)
    store = open_key_store(
        parse_location("file:"),
        registry="lab.example",
        home=tmp_path,
        passphrase=Passphrase(f"file:{words}"),
    )

    store.put("lab-v1", bytes(32))

    assert [p.name for p in (tmp_path / "keys").iterdir()] == ["lab-v1.key"]


@pytest.mark.parametrize("registry", ["", "lab example", "x" * 129])
def test_the_registry_has_its_form(registry: str, tmp_path: Path) -> None:
    with pytest.raises(MalformedError) as refused:
        open_key_store(
            parse_location("keyring:"), registry=registry, home=tmp_path, passphrase=None
        )

    assert refused.value.code == "schema.name"


def test_the_keyring_package_is_imported_only_when_a_key_is_touched(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys\n"
        "from registry.signing.location import open_key_store, parse_location\n"
        "place = parse_location('keyring:')\n"
        "open_key_store(place, registry='x', home=pathlib.Path('/'), passphrase=None)\n"
        "assert 'keyring' not in sys.modules\n"
    )

    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=30)
