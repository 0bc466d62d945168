"""Where a key store is, as a URI, and the one way to open it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from registry.errors import KeyUnavailableError, MalformedError, shown
from registry.protocol import schema
from registry.signing.file_store import FileKeyStore
from registry.signing.keyring_store import KeyringKeyStore
from registry.signing.passphrase import Passphrase
from registry.signing.pkcs11_store import TokenKeyStore
from registry.signing.signer import KeyStore
from registry.signing.ssh_agent import AgentKeyStore, AgentLocation
from registry.signing.token_location import TokenLocation
from registry.signing.tokens import Tokens

_KNOWN: Final = "keyring:, file:, file:/folder, ssh-agent: and pkcs11:"
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class KeyLocation:
    """A kind of key store and, for files in a folder of their own, the folder."""

    scheme: str
    path: Path | None

    def __str__(self) -> str:
        return f"{self.scheme}:{self.path or ''}"


Location: TypeAlias = KeyLocation | AgentLocation | TokenLocation


def parse_location(uri: str) -> Location:
    """Read ``keyring:``, ``file:``, ``file:/folder``, ``ssh-agent:...`` or ``pkcs11:...``.

    Raises MalformedError ``location.scheme`` for another kind of store,
    ``location.path`` for a folder that is not absolute and in its one spelling,
    or stands where none may, and what `AgentLocation` and `TokenLocation` do.
    """
    scheme, colon, rest = uri.partition(":")
    if colon and scheme == "ssh-agent":
        return AgentLocation.parse(rest)
    if colon and scheme == "pkcs11":
        return TokenLocation.parse(rest)
    if not colon or scheme not in ("keyring", "file"):
        raise MalformedError(
            f"{shown(uri)} names no kind of key store",
            code="location.scheme",
            hint=f"known are {_KNOWN}",
        )
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
    location: Location,
    *,
    registry: str,
    home: Path,
    passphrase: Passphrase | None,
    tokens: Tokens | None = None,
) -> KeyStore:
    """The store at *location* for the keys of *registry*. Touches nothing yet.

    ``file:`` is the folder ``keys`` in *home*, and needs a *passphrase*:
    KeyUnavailableError ``passphrase.source`` without one. ``pkcs11:`` needs
    *tokens*: ``pkcs11.unset`` without them.
    """
    schema.name(registry, "")
    if isinstance(location, AgentLocation):
        return AgentKeyStore(location)
    if isinstance(location, TokenLocation):
        if tokens is None:
            raise KeyUnavailableError(
                "keys on tokens need a PKCS#11 module, and none is set",
                code="pkcs11.unset",
                hint='config.toml says which it is: [pkcs11] module = "/path/of/module.so"',
            )
        return TokenKeyStore(location, tokens)
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
