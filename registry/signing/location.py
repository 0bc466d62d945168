"""Where a key store is, as a URI, and the one way to open it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from registry.errors import KeyUnavailableError, MalformedError, shown
from registry.protocol import schema
from registry.signing.file_store import FileKeyStore
from registry.signing.keyring_store import KeyringKeyStore
from registry.signing.passphrase import Passphrase
from registry.signing.signer import KeyStore

_KNOWN: Final = "keyring:, file: and file:/folder"
_LATER: Final = ("ssh-agent", "pkcs11")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class KeyLocation:
    """A kind of key store and, for files in a folder of their own, the folder."""

    scheme: str
    path: Path | None

    def __str__(self) -> str:
        return f"{self.scheme}:{self.path or ''}"


def parse_location(uri: str) -> KeyLocation:
    """Read ``keyring:``, ``file:`` or ``file:/folder``.

    Raises MalformedError ``location.scheme`` for another kind of store, and
    ``location.path`` for a folder that is not absolute and in its one spelling,
    or stands where none may.
    """
    scheme, colon, rest = uri.partition(":")
    if not colon or scheme not in ("keyring", "file"):
        if colon and scheme in _LATER:
            message = f"{scheme}: is not a kind of key store yet"
        else:
            message = f"{shown(uri)} names no kind of key store"
        raise MalformedError(message, code="location.scheme", hint=f"known are {_KNOWN}")
    if not rest:
        return KeyLocation(scheme, None)
    if scheme != "file":
        raise MalformedError(
            f"{scheme}: stands alone, without {shown(rest)}",
            code="location.path",
            hint=f"write {scheme}:",
        )
    plain = rest.startswith("/") and not rest.startswith("//") and not _CONTROL.search(rest)
    if not plain or os.path.normpath(rest) != rest:
        raise MalformedError(
            f"{shown(rest)} is not an absolute folder in its plain spelling",
            code="location.path",
            hint="write file:/folder, without . or .. or a slash at the end;"
            " file: alone is the folder keys in the home",
        )
    return KeyLocation(scheme, Path(rest))


def open_key_store(
    location: KeyLocation, *, registry: str, home: Path, passphrase: Passphrase | None
) -> KeyStore:
    """The store at *location* for the keys of *registry*. Touches nothing yet.

    ``file:`` is the folder ``keys`` in *home*, and needs a *passphrase*:
    KeyUnavailableError ``passphrase.source`` without one.
    """
    schema.name(registry, "")
    if location.scheme == "keyring":
        return KeyringKeyStore(registry)
    if passphrase is None:
        raise KeyUnavailableError(
            "key files need a passphrase, and no source of one is set",
            code="passphrase.source",
            hint="set [signer] passphrase in config.toml to"
            ' "credential:NAME", "file:/path" or "prompt:"; `pith init` takes --passphrase',
        )
    folder = location.path or home / "keys"
    return FileKeyStore(registry, folder, passphrase, uri=str(location))
