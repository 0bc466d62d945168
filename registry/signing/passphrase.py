"""Where the passphrase of key files comes from: never an argument, never a variable."""

import getpass
import os
import re
import unicodedata
import warnings
from pathlib import Path
from typing import Final, NoReturn

from registry.errors import KeyUnavailableError, MalformedError, shown
from registry.signing.private_file import read_private

MAX_LENGTH: Final = 4096
_CREDENTIAL: Final = re.compile("[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}", re.ASCII)
_KNOWN: Final = "credential:NAME (systemd), file:/path or prompt:"


class Passphrase:
    """A passphrase, asked for once per process.

    ``credential:NAME`` is the file ``$CREDENTIALS_DIRECTORY/NAME`` that systemd
    gives a service, ``file:/path`` a file that only its owner may read,
    ``prompt:`` the controlling terminal. The text is UTF-8, one newline at its
    end is cut, and it is normalised to NFC, so that the same words typed on
    another system give the same key. The PIN of a token is got alike.
    """

    __slots__ = ("_cached", "_path", "_setting", "_uri", "_what")

    def __init__(
        self,
        uri: str,
        *,
        what: str = "passphrase of the key files",
        setting: str = "[signer] passphrase",
    ) -> None:
        """*what* is asked for; *setting* is where config.toml says where it comes from.

        Raises MalformedError ``passphrase.form`` for anything but the three kinds.
        """
        scheme, colon, rest = uri.partition(":")
        path = Path(rest)
        if not (
            (scheme == "credential" and _CREDENTIAL.fullmatch(rest))
            or (scheme == "file" and path.is_absolute() and "\0" not in rest)
            or (scheme == "prompt" and colon and not rest)
        ):
            raise MalformedError(
                f"{shown(uri)} is no source of a passphrase",
                code="passphrase.form",
                hint=f"known are {_KNOWN}; the passphrase itself never stands there",
            )
        self._uri = uri
        self._path = path
        self._what = what
        self._setting = setting
        self._cached: bytes | None = None

    def __repr__(self) -> str:
        return f"<Passphrase from {self._uri}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a passphrase is neither pickled nor copied")

    @property
    def uri(self) -> str:
        """Where it comes from."""
        return self._uri

    def get(self, *, confirm: bool) -> bytes:
        """The passphrase as UTF-8 in NFC; a terminal is asked twice with *confirm*.

        Raises KeyUnavailableError: ``passphrase.no_terminal``, ``.repeat``,
        ``.empty``, ``.size``, ``.utf8``, ``.absent``, ``.credential`` (no systemd
        credentials here), ``.kind``, ``.owner``, ``.mode``, ``.access``.
        """
        if self._cached is None:
            self._cached = self._ask(confirm) if self._uri == "prompt:" else self._read()
        return self._cached

    def check(self) -> None:
        """Whether `get` would find it, without asking a person anything."""
        if self._uri == "prompt:":
            _check_terminal(self._setting)
        else:
            self.get(confirm=False)

    def _ask(self, confirm: bool) -> bytes:
        _check_terminal(self._setting)
        first = _typed(f"{self._what}: ", self._setting)
        if confirm and _typed("the same again: ", self._setting) != first:
            raise KeyUnavailableError(
                "what was typed twice differs", code="passphrase.repeat", hint="try again"
            )
        return first

    def _read(self) -> bytes:
        path = self._path
        owners = frozenset((os.geteuid(), 0))
        forbidden = 0o077
        if self._uri.startswith("credential:"):
            folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
            if not folder.startswith("/"):
                raise KeyUnavailableError(
                    "systemd gave this process no credentials",
                    code="passphrase.credential",
                    hint=f"put LoadCredentialEncrypted={path}:... into the unit,"
                    f" or set another {self._setting}",
                )
            path = Path(folder) / path
            # systemd admits the service's user by an ACL, which shows as group bits.
            forbidden = 0o007
        try:
            data = read_private(
                path, rule="passphrase", limit=MAX_LENGTH, owners=owners, forbidden=forbidden
            )
        except FileNotFoundError:
            raise KeyUnavailableError(
                f"{shown(str(path), 200)}, where the {self._what} should be, is not there",
                code="passphrase.absent",
                hint=f"make the file, mode 600, or set another {self._setting}",
            ) from None
        return _normal(data)


def _check_terminal(setting: str) -> None:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        raise _no_terminal(setting) from None


def _no_terminal(setting: str) -> KeyUnavailableError:
    return KeyUnavailableError(
        f"{setting} says to ask for it, and there is no terminal to ask on",
        code="passphrase.no_terminal",
        hint=f"set {setting} in config.toml to credential:NAME or file:/path; "
        "where there is no config yet, give --passphrase",
    )


def _typed(question: str, setting: str) -> bytes:
    try:
        with warnings.catch_warnings():
            # Where getpass cannot switch the echo off it would warn and read standard input.
            warnings.simplefilter("error", getpass.GetPassWarning)
            text = getpass.getpass(question)
    except getpass.GetPassWarning:
        raise _no_terminal(setting) from None
    except EOFError:
        text = ""
    except UnicodeDecodeError:
        raise _not_utf8() from None
    try:
        return _normal(text.encode())
    except UnicodeEncodeError:
        raise _not_utf8() from None


def _not_utf8() -> KeyUnavailableError:
    return KeyUnavailableError(
        "a passphrase or PIN that is not UTF-8 text",
        code="passphrase.utf8",
        hint="a random passphrase is best written as hex or base64",
    )


def _normal(data: bytes) -> bytes:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise _not_utf8() from None
    text = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
    text = unicodedata.normalize("NFC", text)
    if not text:
        raise KeyUnavailableError(
            "the passphrase or PIN is empty",
            code="passphrase.empty",
            hint="choose one of some length",
        )
    return text.encode()
