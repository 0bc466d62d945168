"""The keyring store, on a real gnome-keyring in each of its states (libraries.md)."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from tests.parts import needs
from tests.signing.bus import Session
from tests.signing.keyring_driver import SEED

SECRET_SERVICE = "org.freedesktop.secrets"
PROMPTER = "org.gnome.keyring.SystemPrompter"


@pytest.fixture(name="bare")
def _bare() -> Iterator[Session]:
    """A home without a bus."""
    session = Session()
    yield session
    session.close()


@pytest.fixture(name="bus")
def _bus(bare: Session) -> Session:
    """A bus without a keyring."""
    needs("dbus-daemon")
    bare.bus()
    return bare


@pytest.fixture(name="keyring")
def _keyring(bus: Session) -> Session:
    """An unlocked keyring."""
    needs("gnome-keyring")
    bus.daemon("right", until="unlocked")
    return bus


def codes(lines: list[dict[str, Any]]) -> list[str]:
    """The code of each act, or ok; and what holds for every refusal."""
    for line in lines:
        if "code" in line:
            assert line["hint"]
            assert line["message"][0].islower()
            assert not line["message"].endswith(".")
        assert SEED.hex() not in repr(line)
    return [line.get("code", "ok") for line in lines]


def test_a_key_is_kept_signs_and_is_erased(keyring: Session) -> None:
    first = keyring.drive("check", "put", "open")
    later = keyring.drive("open", "erase", "open")

    assert codes(first) == ["ok", "ok", "ok"]
    assert first[0]["value"].endswith("SecretService.Keyring")
    assert codes(later) == ["ok", "ok", "key.absent"]


def test_a_key_is_never_overwritten(keyring: Session) -> None:
    lines = keyring.drive("put", f"put:{'11' * 32}", "open")

    assert codes(lines) == ["ok", "key.exists", "ok"]
    assert lines[1]["error"] == "ConflictError"


def test_absent_keys_are_absent_and_not_made(keyring: Session) -> None:
    assert codes(keyring.drive("open", "erase", "open")) == ["key.absent"] * 3


def test_another_keys_seed_is_not_signed_with(keyring: Session) -> None:
    assert codes(keyring.drive(f"put:{'11' * 32}", "open")) == ["ok", "key.mismatch"]


def test_what_others_wrote_in_the_keys_place_is_no_seed(keyring: Session) -> None:
    write = "import keyring; keyring.set_password('pith:lab.example:lab-v1', 'lab-v1', 'x' * 64)"
    run_python(keyring, write)

    assert codes(keyring.drive("open", "put")) == ["key.form", "key.exists"]


def run_python(session: Session, text: str) -> None:
    """Run a little program beside the driver."""
    subprocess.run([sys.executable, "-c", text], env=session.env, check=True, timeout=30)


def test_no_bus(bare: Session) -> None:
    assert codes(bare.drive("check", "put", "open")) == ["keyring.no_bus"] * 3
    dead = {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={bare.home}/none"}
    assert codes(bare.drive("check", **dead)) == ["keyring.no_bus"]
    selected = {"PYTHON_KEYRING_BACKEND": "keyring.backends.SecretService.Keyring"}
    assert codes(bare.drive("check", **selected)) == ["keyring.no_bus"]


def test_a_bus_without_a_keyring(bus: Session) -> None:
    assert codes(bus.drive("check", "put", "open")) == ["keyring.none"] * 3


def test_a_keyring_of_which_nothing_was_unlocked(bus: Session) -> None:
    needs("gnome-keyring")
    bus.daemon(None, until="absent")

    assert codes(bus.drive("check", "put", "open")) == ["keyring.not_initialised"] * 3


@pytest.mark.parametrize("password", [None, "wrong"])
def test_locked(bus: Session, password: str | None) -> None:
    needs("gnome-keyring")
    first = bus.daemon("right", until="unlocked")
    assert codes(bus.drive("put")) == ["ok"]
    bus.end(first)
    bus.daemon(password, until="locked")

    assert codes(bus.drive("check", "put", "open", "erase")) == ["keyring.locked"] * 4


def test_the_right_password_opens_again_what_was_kept(bus: Session) -> None:
    needs("gnome-keyring")
    first = bus.daemon("right", until="unlocked")
    assert codes(bus.drive("put")) == ["ok"]
    bus.end(first)
    bus.daemon("right", until="unlocked")

    assert codes(bus.drive("open")) == ["ok"]


def test_a_daemon_killed_before(bus: Session) -> None:
    needs("gnome-keyring")
    bus.end(bus.daemon("right", until="unlocked"))

    assert codes(bus.drive("check")) == ["keyring.none"]


def test_a_daemon_killed_in_between(bus: Session) -> None:
    needs("gnome-keyring")
    pid = bus.daemon("right", until="unlocked")

    lines = bus.drive("put", f"kill:{pid}", "open", "put")

    assert codes(lines) == ["ok", "ok", "keyring.gone", "keyring.gone"]


def test_a_killed_daemon_that_the_bus_starts_again_is_locked(bus: Session) -> None:
    needs("gnome-keyring")
    bus.activatable(SECRET_SERVICE, "/usr/bin/gnome-keyring-daemon --start --foreground")
    pid = bus.daemon("right", until="unlocked")

    assert codes(bus.drive("put", f"kill:{pid}", "open")) == ["ok", "ok", "keyring.locked"]


def test_a_bus_killed_in_between(bare: Session) -> None:
    needs("dbus-daemon", "gnome-keyring")
    pid = bare.bus()
    bare.daemon("right", until="unlocked")

    assert codes(bare.drive("put", f"kill:{pid}", "open")) == ["ok", "ok", "keyring.gone"]


def test_a_daemon_that_hangs_holds_nobody_for_ever(bus: Session) -> None:
    needs("gnome-keyring")
    pid = bus.daemon("right", until="unlocked")

    lines = bus.drive("check", f"stop:{pid}", "open", PITH_TEST_SECONDS="3")

    assert codes(lines) == ["ok", "ok", "keyring.timeout"]
    assert lines[2]["seconds"] < 10


def test_a_prompt_that_nobody_answers_holds_nobody_for_ever(bus: Session) -> None:
    needs("gnome-keyring")
    bus.activatable(PROMPTER, "/bin/sleep 15")
    bus.end(bus.daemon("right", until="unlocked"))
    bus.daemon(None, until="locked")

    lines = bus.drive("check", PITH_TEST_SECONDS="3")

    assert codes(lines) == ["keyring.timeout"]
    assert lines[0]["seconds"] < 10


def test_the_null_keyring(keyring: Session) -> None:
    selected = {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}

    assert codes(keyring.drive("check", "put", "open", **selected)) == ["keyring.null"] * 3


def test_the_failing_keyring(keyring: Session) -> None:
    selected = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}

    assert codes(keyring.drive("check", "put", **selected)) == ["keyring.none"] * 2


def test_a_session_collection_is_refused(keyring: Session) -> None:
    selected = {
        "KEYRING_PROPERTY_PREFERRED_COLLECTION": "/org/freedesktop/secrets/collection/session"
    }

    assert codes(keyring.drive("put", **selected)) == ["keyring.session"]


@pytest.mark.parametrize("name", ["nosuch.Keyring", "keyring.backends.null.Nothing"])
def test_a_back_end_that_is_not_there(keyring: Session, name: str) -> None:
    lines = keyring.drive("check", "put", PYTHON_KEYRING_BACKEND=name)

    assert codes(lines) == ["keyring.module"] * 2


@pytest.mark.parametrize("module", ["keyring", "secretstorage"])
def test_a_module_that_is_not_there(keyring: Session, module: str) -> None:
    assert codes(keyring.drive(f"block:{module}", "check")) == ["ok", "keyring.module"]


def test_a_back_end_that_does_not_work(keyring: Session) -> None:
    selected = {"PYTHON_KEYRING_BACKEND": "keyring.backends.kwallet.DBusKeyring"}

    assert codes(keyring.drive("check", **selected)) == ["keyring.none"]


# -- back-ends of our own ------------------------------------------------------

BACKEND = """
import json, pathlib
from keyring.backend import KeyringBackend
from keyring.errors import PasswordSetError, PasswordDeleteError

FILE = pathlib.Path(__file__).with_name("plain.json")

class Plain(KeyringBackend):
    priority = {priority}
    def _all(self):
        return json.loads(FILE.read_text()) if FILE.exists() else {{}}
    def get_password(self, service, username):
        return self._all().get(service)
    def set_password(self, service, username, password):
{setting}
        FILE.write_text(json.dumps(self._all() | {{service: password}}))
    def delete_password(self, service, username):
        held = self._all()
        if service not in held:
            raise PasswordDeleteError("absent")
{deleting}
        FILE.write_text(json.dumps(held))
"""


def backend(session: Session, *, priority: float, setting: str = "", deleting: str = "") -> None:
    """Put a module backend_of_test with a class Plain where the driver imports from."""
    text = BACKEND.format(
        priority=priority,
        setting=textwrap.indent(setting or "pass", " " * 8),
        deleting=textwrap.indent(deleting or "del held[service]", " " * 8),
    )
    (session.home / "backend_of_test.py").write_text(text)


SELECTED = {"PYTHON_KEYRING_BACKEND": "backend_of_test.Plain"}
ALLOWED = SELECTED | {"PITH_TEST_ALLOW": "backend_of_test.Plain"}


def test_a_plain_text_back_end_is_refused(bare: Session) -> None:
    backend(bare, priority=9)

    assert codes(bare.drive("check", "put", "open", **SELECTED)) == ["keyring.backend"] * 3
    assert not (bare.home / "plain.json").exists()


def test_a_plain_text_back_end_set_in_keyringrc_is_refused(bare: Session) -> None:
    backend(bare, priority=9)
    folder = bare.home / ".config" / "python_keyring"
    folder.mkdir(parents=True)
    (folder / "keyringrc.cfg").write_text("[backend]\ndefault-keyring=backend_of_test.Plain\n")

    assert codes(bare.drive("put")) == ["keyring.backend"]


CHAIN = """
import backend_of_test
from keyring.backends import SecretService
from keyring.backends.chainer import ChainerBackend
assert len(ChainerBackend().backends) == 2
"""


@pytest.mark.parametrize("priority", [9, 0.5])
def test_a_chain_with_a_plain_text_back_end_is_refused(keyring: Session, priority: float) -> None:
    backend(keyring, priority=priority)
    # A third party's back-end enters the chain by being imported, as its entry point does.
    (keyring.home / "chain_of_test.py").write_text(CHAIN)
    selected = {"PYTHON_KEYRING_BACKEND": "chain_of_test.ChainerBackend"}

    lines = keyring.drive("check", "put", "open", **selected)

    assert codes(lines) == ["keyring.backend"] * 3
    assert "backend_of_test.Plain" in lines[0]["message"]
    assert not (keyring.home / "plain.json").exists()


def test_a_chain_of_allowed_back_ends_is_used(keyring: Session) -> None:
    backend(keyring, priority=9)
    (keyring.home / "chain_of_test.py").write_text(CHAIN)
    selected = {"PYTHON_KEYRING_BACKEND": "chain_of_test.ChainerBackend"}
    assert codes(keyring.drive("put")) == ["ok"]

    lines = keyring.drive("open", "erase", "put", "open", **(ALLOWED | selected))

    assert codes(lines) == ["ok"] * 4
    assert SEED.hex() in (keyring.home / "plain.json").read_text()


def test_an_admitted_back_end_works(bare: Session) -> None:
    backend(bare, priority=9)

    assert codes(bare.drive("put", "open", "erase", **ALLOWED)) == ["ok"] * 3


@pytest.mark.parametrize(
    "lie",
    [
        "return",
        "password = password[:40]",
        "password = password.upper()",
        "password = '11' * 32",
        "password = ''",
        "password += ' '",
        "service = service[:20]",
    ],
)
def test_a_back_end_that_does_not_give_back_what_it_got(bare: Session, lie: str) -> None:
    backend(bare, priority=9, setting=lie)

    lines = bare.drive("put", "open", **ALLOWED)

    assert codes(lines) == ["keystore.lost", "key.absent"]


def test_a_back_end_that_raises_the_secret(bare: Session) -> None:
    backend(bare, priority=9, setting="raise ValueError(password)")

    lines = bare.drive("put", "open", **ALLOWED)

    assert codes(lines) == ["keyring.failed", "key.absent"]


def test_a_back_end_that_writes_and_then_fails_leaves_nothing(bare: Session) -> None:
    backend(
        bare,
        priority=9,
        setting="FILE.write_text(json.dumps({service: password}))\nraise PasswordSetError",
    )

    lines = bare.drive("put", "open", **ALLOWED)

    assert codes(lines) == ["keyring.refused", "key.absent"]
    assert SEED.hex() not in (bare.home / "plain.json").read_text()


def test_a_back_end_that_does_not_forget(bare: Session) -> None:
    backend(bare, priority=9, deleting="pass")

    assert codes(bare.drive("put", "erase", **ALLOWED)) == ["ok", "keystore.kept"]
