"""What commands never do: open a socket, or import what they do not need."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from registry import data
from tests.cli.lab import ABSTRACT, PITH, SUBMITTED, TITLE, environment
from tests.parts import needs

BUILD = (
    *("record", "build", "--arxiv", "2401.00001v1", "--title", TITLE, "--abstract", ABSTRACT),
    *("--category", "cs.DL", "--license", "", "--submitted", SUBMITTED),
)
PURE = {
    "verify the seed": ("verify", "seed.json"),
    "verify and explain": ("verify", "seed.json", "--explain"),
    "verify what is refused": ("verify", "record.json"),
    "verify as JSON": ("verify", "seed.json", "--json"),
    "number": ("number", "record.json", "--json"),
    "record build": BUILD,
}
REFUSING = """
import os, sys
def refuse(event, arguments):
    if event.startswith("socket.") or event in ("urllib.Request", "http.client.connect"):
        os.write(2, f"opened: {event} {arguments}\\n".encode())
        os._exit(99)
sys.addaudithook(refuse)
from registry.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, record_file: Path) -> Path:
    (tmp_path / "seed.json").write_bytes(data.seed_bundle())
    return tmp_path


@pytest.mark.parametrize("name", PURE)
def test_no_socket_by_the_system_calls(folder: Path, name: str) -> None:
    needs("strace")
    log = folder / "log"
    trace = ("strace", "-f", "-qq", "-e", "trace=network", "-e", "signal=none", "-o", str(log))

    done = subprocess.run(
        [*trace, *PITH, *PURE[name]],
        env=environment(),
        cwd=folder,
        capture_output=True,
        timeout=60,
    )

    assert done.returncode == (3 if "refused" in name else 0), done.stderr
    assert log.read_text() == ""


def test_the_trace_would_see_a_socket(folder: Path) -> None:
    needs("strace")
    log = folder / "log"
    trace = ("strace", "-f", "-qq", "-e", "trace=network", "-o", str(log))

    script = "import socket; socket.socket().close()"
    subprocess.run([*trace, sys.executable, "-c", script], check=True, timeout=60)

    assert "socket(" in log.read_text()


@pytest.mark.parametrize("name", PURE)
def test_no_socket_by_the_audit_hook(folder: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", REFUSING, *PURE[name]],
        env=environment(),
        cwd=folder,
        capture_output=True,
        timeout=60,
    )

    assert done.returncode == (3 if "refused" in name else 0), done.stderr


def test_verify_in_a_home_opens_no_socket(folder: Path, stocked: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", REFUSING, "verify", "seed.json"],
        env=environment(stocked),
        cwd=folder,
        capture_output=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr


def imported(folder: Path, *arguments: str) -> set[str]:
    """The top modules that a command imported."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "registry", *arguments],
        env=environment(),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found = re.findall(r"^import time:[^|]*\|[^|]*\|\s*(\S+)$", done.stderr, re.MULTILINE)
    return {name.split(".")[0] for name in found}


@pytest.mark.parametrize("arguments", [("number", "record.json"), BUILD, ("--version",)])
def test_what_is_pure_imports_no_keyring_database_or_cipher(
    folder: Path, arguments: tuple[str, ...]
) -> None:
    found = imported(folder, *arguments)

    assert "registry" in found
    assert not found & {
        "keyring",
        "apsw",
        "psycopg",
        "nacl",
        "rich",
        "secretstorage",
        "jeepney",
        "sqlite3",
        "pydantic",
        "asyncio",
        "socket",
        "ssl",
        "urllib3",
        "requests",
        "click",
    }


def test_verify_without_a_home_imports_no_keyring(folder: Path) -> None:
    assert not imported(folder, "verify", "seed.json") & {"keyring", "secretstorage", "rich"}


def test_a_key_in_a_file_needs_no_keyring(folder: Path, stocked: Path) -> None:
    found = imported(folder, "mint", "record.json", "--home", str(stocked))

    assert not found & {"keyring", "secretstorage", "rich"}
