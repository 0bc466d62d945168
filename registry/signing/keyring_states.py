"""Which keyring there is, and in which of its failing states it is.

Every state is a KeyUnavailableError with its own code: ``keyring.module``,
``keyring.none``, ``keyring.no_bus``, ``keyring.null``, ``keyring.backend``,
``keyring.session``, ``keyring.not_initialised``, ``keyring.locked``,
``keyring.gone``, ``keyring.refused``, ``keyring.timeout``, ``keyring.failed``.
The ``keyring`` package is imported on use: it costs 130 ms.
"""

import os
import sys
from typing import Any, Final, Protocol

from registry.errors import KeyUnavailableError, PithError, shown

_CHAIN: Final = "keyring.backends.chainer.ChainerBackend"
_FAIL: Final = "keyring.backends.fail.Keyring"
_NULL: Final = "keyring.backends.null.Keyring"

_INSTEAD: Final = "on a server keep keys in encrypted files instead: --signer file:"
_UNLOCK: Final = (
    "on a desktop log in and unlock the keyring; on a server start one inside dbus-run-session"
    " with gnome-keyring-daemon --replace --unlock --components=secrets (password on its"
    " standard input), or keep keys in encrypted files: --signer file: --passphrase prompt:"
)
_SELECT: Final = (
    "see PYTHON_KEYRING_BACKEND and keyringrc.cfg, which select it, for example"
    " PYTHON_KEYRING_BACKEND=keyring.backends.SecretService.Keyring"
)


class Backend(Protocol):
    """The part of ``keyring.backend.KeyringBackend`` that is used."""

    def get_password(self, service: str, username: str) -> str | None:
        """The value kept for a service and user, or None."""

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a value."""

    def delete_password(self, service: str, username: str) -> None:
        """Forget a value."""


def members(allowed: frozenset[str]) -> list[Backend]:
    """The back-ends to use: the first is written to, all are read.

    A chain writes to its first member and reads them all, so one member that
    is not allowed spoils it. Raises KeyUnavailableError with the state.
    """
    selected = _select()
    if _name(selected) == _FAIL:
        raise _no_backend()
    chain = list(selected.backends) if _name(selected) == _CHAIN else [selected]
    for backend in chain:
        _check_allowed(backend, allowed)
    if not chain:
        raise _no_backend()
    return chain


def _select() -> Any:
    """The back-end that the ``keyring`` package takes, of a class that is not known here."""
    try:
        import keyring

        return keyring.get_keyring()
    except (ImportError, AttributeError) as error:
        missing = shown(error.name or "", 100)
        raise _state(
            "module", f"the keyring's back-end needs {missing}, which is not there", _SELECT
        ) from None
    except RuntimeError as error:
        if _caused_by(error, "SecretServiceNotAvailableException"):
            raise _no_bus() from None
        raise _state(
            "none", f"the keyring back-end selected does not work: {shown(str(error))}", _SELECT
        ) from None


def _check_allowed(backend: Backend, allowed: frozenset[str]) -> None:
    name = _name(backend)
    if name == _NULL:
        raise _state("null", "the null keyring is selected: it keeps nothing", _SELECT)
    if name not in allowed:
        raise _state(
            "backend",
            f"keyring back-end {shown(name)} is not one that is known to encrypt what it keeps",
            _SELECT,
        )
    if str(getattr(backend, "preferred_collection", "")).endswith("/collection/session"):
        raise _state(
            "session",
            "the session collection is selected: it is lost at logout",
            "unset KEYRING_PROPERTY_PREFERRED_COLLECTION",
        )


def _name(backend: object) -> str:
    return f"{type(backend).__module__}.{type(backend).__qualname__}"


def _no_backend() -> KeyUnavailableError:
    """Why the package found nothing, asking the parts it would have used."""
    if not sys.platform.startswith("linux"):
        return _state("none", "this system has no keyring that can be used", _INSTEAD)
    try:
        import secretstorage
    except ImportError as error:
        return _state(
            "module",
            f"the keyring's back-end needs {shown(error.name or '', 100)}, which is not there",
            "install pith again, with all it depends on",
        )
    try:
        secretstorage.dbus_init().close()
    except Exception:
        return _no_bus()
    return _state("none", "no keyring daemon is on the session bus", _UNLOCK)


def _no_bus() -> KeyUnavailableError:
    if "DBUS_SESSION_BUS_ADDRESS" in os.environ:
        return _state("no_bus", "the D-Bus session bus cannot be reached", _UNLOCK)
    return _state("no_bus", "there is no D-Bus session bus, so no keyring", _UNLOCK)


def timed_out(seconds: float) -> KeyUnavailableError:
    """The state of a keyring that neither did nor refused what was asked."""
    return _state(
        "timeout",
        f"the keyring did not answer in {seconds:g} seconds",
        "it may wait for somebody to type its password, or hang: " + _UNLOCK,
    )


def explain(error: BaseException) -> PithError:
    """What an exception of a back-end means.

    Only its kind is looked at and told: its text could hold what was to be kept.
    """
    if isinstance(error, PithError):
        return error
    kind = type(error).__name__
    if isinstance(error, (ConnectionError, EOFError)) or _caused_by(
        error, "SecretServiceNotAvailableException"
    ):
        return _state("gone", "the keyring's daemon is gone from the session bus", _UNLOCK)
    if kind in ("KeyringLocked", "LockedException", "PromptDismissedException"):
        return _state("locked", "the keyring is locked", _UNLOCK)
    if kind == "InitError":
        return _state("not_initialised", "there is no unlocked keyring to keep keys in", _UNLOCK)
    if kind == "NoKeyringError":
        return _no_backend()
    if kind in ("PasswordSetError", "PasswordDeleteError"):
        return _state("refused", "the keyring refused to keep or to forget the key", _INSTEAD)
    return _state("failed", f"the keyring failed with {shown(kind)}", _INSTEAD)


def _caused_by(error: BaseException | None, kind: str) -> bool:
    while error is not None:
        if type(error).__name__ == kind:
            return True
        error = error.__cause__
    return False


def _state(name: str, message: str, hint: str) -> KeyUnavailableError:
    return KeyUnavailableError(message, code=f"keyring.{name}", hint=hint)
