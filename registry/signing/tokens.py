"""PKCS#11: the module of config.toml, and one session a token in this process."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from registry.errors import KeyUnavailableError, shown
from registry.signing.passphrase import Passphrase
from registry.signing.token_location import TokenLocation

if TYPE_CHECKING:
    import pkcs11

_REASONS: Final = {
    "token.pin": (
        ("PinIncorrect", "PinInvalid", "PinLenRange"),
        "the token refused the PIN",
        "it was tried once and not again, for tokens lock themselves; see [pkcs11] pin_from",
    ),
    "token.locked": (
        ("PinLocked", "PinExpired", "UserPinNotInitialized"),
        "the token's PIN is locked, expired or not set",
        "set it with the token's own tool and its security officer PIN",
    ),
    "token.gone": (
        (
            *("DeviceRemoved", "DeviceError", "TokenNotPresent", "TokenNotRecognised"),
            *("SessionHandleInvalid", "SessionClosed", "ObjectHandleInvalid", "KeyHandleInvalid"),
            *("SlotIDInvalid", "UserNotLoggedIn"),
        ),
        "the token is gone, or was reset",
        "put it back and run the command again: what was stored before stays, and nothing is lost",
    ),
}


@dataclass(frozen=True, slots=True)
class TokenSession:
    """A session in which a user is logged in, and the process it belongs to."""

    session: "pkcs11.Session"
    process: int

    def check_process(self) -> None:
        """Raise KeyUnavailableError ``token.forked`` in any process but the one that opened it."""
        if os.getpid() != self.process:
            raise KeyUnavailableError(
                "a token's session does not outlive a fork",
                code="token.forked",
                hint="nothing was signed; a key on a token signs in one process",
            )


class Tokens:
    """The tokens that a module shows, and the way to log in to each, once.

    A PIN is asked for once and tried once: a refusal is remembered and repeated
    without asking the token again. Raises KeyUnavailableError alone:
    ``pkcs11.extra``, ``pkcs11.module``, ``token.absent``, ``token.ambiguous``,
    ``token.mechanism``, ``token.pin``, ``token.locked``, ``token.last_try``,
    ``token.gone``, ``token.failed``, ``token.forked``, and what `Passphrase.get` does.
    """

    def __init__(self, module: Path, pin: Passphrase) -> None:
        self._module = module
        self._pin = pin
        self._sessions: dict[tuple[str, str], TokenSession] = {}
        self._refused: dict[tuple[str, str], KeyUnavailableError] = {}

    def __repr__(self) -> str:
        return f"<Tokens of {self._module}>"

    def check(self, location: TokenLocation) -> None:
        """Whether the token is there and could be logged in to. Uses no PIN."""
        check_flags(int(self._token(location).flags))
        self._pin.check()

    def session(self, location: TokenLocation) -> TokenSession:
        """The session of a token, opened with the first call."""
        name = (location.token, location.serial)
        if name in self._refused:
            raise self._refused[name]
        if name not in self._sessions:
            try:
                self._sessions[name] = self._log_in(location)
            except KeyUnavailableError as error:
                if error.code == "token.pin":
                    self._refused[name] = error
                raise
        found = self._sessions[name]
        found.check_process()
        return found

    def _log_in(self, location: TokenLocation) -> TokenSession:
        token = self._token(location)
        check_flags(int(token.flags))
        pin = self._pin.get(confirm=False).decode()
        with told():
            return TokenSession(token.open(user_pin=pin), os.getpid())

    def _token(self, location: TokenLocation) -> "pkcs11.Token":
        library = self._library()
        from pkcs11 import Mechanism

        with told():
            found = [
                token
                for token in library.get_tokens(token_label=location.token)
                if token.serial.rstrip(b" \0") == location.serial.encode()
            ]
            if len(found) == 1 and Mechanism.EDDSA not in found[0].slot.get_mechanisms():
                raise KeyUnavailableError(
                    f"the token {shown(location.token)} makes no Ed25519 signatures",
                    code="token.mechanism",
                    hint="it lacks CKM_EDDSA; choose another token",
                )
        if len(found) != 1:
            raise KeyUnavailableError(
                f"{len(found) or 'no'} tokens {shown(location.token)} with the serial number"
                f" {shown(location.serial)}",
                code="token.ambiguous" if found else "token.absent",
                hint="plug it in, and compare with: pkcs11-tool --module MODULE --list-slots",
            )
        chosen: pkcs11.Token = found[0]
        return chosen

    def _library(self) -> Any:
        try:
            import pkcs11
        except ImportError:
            raise KeyUnavailableError(
                "keys on tokens need the package python-pkcs11",
                code="pkcs11.extra",
                hint="pip install 'pith-registry[hsm]'",
            ) from None
        self._check_module()
        try:
            return pkcs11.lib(str(self._module))
        except pkcs11.PKCS11Error as error:
            raise _module_refused(self._module, shown(str(error), 200)) from None

    def _check_module(self) -> None:
        """What is loaded is code: it must be ours or root's, and only ours to write."""
        try:
            found = self._module.stat()
        except OSError as error:
            raise _module_refused(self._module, os.strerror(error.errno or 0).lower()) from None
        if not stat.S_ISREG(found.st_mode):
            raise _module_refused(self._module, "it is not a file")
        if found.st_uid not in (os.geteuid(), 0) or found.st_mode & 0o022:
            raise _module_refused(self._module, "others may write it")


def _module_refused(module: Path, why: str) -> KeyUnavailableError:
    return KeyUnavailableError(
        f"the PKCS#11 module {shown(str(module), 200)} is not loaded: {why}",
        code="pkcs11.module",
        hint='config.toml says which it is: [pkcs11] module = "/path/of/module.so"',
    )


def check_flags(flags: int) -> None:
    """Refuse a token whose PIN is locked (``token.locked``), or whose next wrong PIN
    locks it (``token.last_try``)."""
    if flags & 0x40000:  # CKF_USER_PIN_LOCKED
        raise _refusal("token.locked")
    if flags & 0x20000:  # CKF_USER_PIN_FINAL_TRY
        raise KeyUnavailableError(
            "one more wrong PIN locks the token",
            code="token.last_try",
            hint="pith does not spend it: log in once with the token's own tool, then try again",
        )


@contextmanager
def told() -> Iterator[None]:
    """Turns what a module answers into KeyUnavailableError."""
    import pkcs11

    try:
        yield
    except pkcs11.PKCS11Error as error:
        kind = type(error).__name__
    else:
        return
    for code, (kinds, _, _) in _REASONS.items():
        if kind in kinds:
            raise _refusal(code)
    raise KeyUnavailableError(
        f"the token failed: {kind}", code="token.failed", hint="nothing was signed with it"
    )


def _refusal(code: str) -> KeyUnavailableError:
    _, message, hint = _REASONS[code]
    return KeyUnavailableError(message, code=code, hint=hint)
