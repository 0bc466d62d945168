"""The composition root: the one place that reads the clock and makes key material."""

import ctypes
import os
import resource
import secrets
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import platformdirs

from registry.config import Config, load_config
from registry.errors import ConfigError, UsageError
from registry.protocol.instant import Instant
from registry.services.desk import Desk
from registry.signing.location import open_key_store, parse_location
from registry.signing.passphrase import Passphrase
from registry.signing.signer import SEED_LENGTH, KeyStore
from registry.signing.tokens import Tokens
from registry.store.store import Store

HOME_VARIABLE: Final = "PITH_HOME"
_PR_SET_DUMPABLE: Final = 4


def now() -> Instant:
    """The wall clock."""
    return Instant.of(datetime.now(UTC))


def new_seed() -> bytes:
    """A new 32-byte seed."""
    return secrets.token_bytes(SEED_LENGTH)


def new_nonce() -> str:
    """What makes a ceremony another than every one before it: 128 bits in hex."""
    return secrets.token_hex(16)


def guard_memory() -> None:
    """From here on the process leaves no core file, and on Linux nobody but root may read
    its memory: it will hold a seed, or shares of one. A forked child is guarded too."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def draw(count: int, among: int) -> list[int]:
    """At most *count* different places below *among*, at random, in order."""
    return sorted(secrets.SystemRandom().sample(range(among), min(count, among)))


def default_home() -> Path:
    """``PITH_HOME``, else the platform's place for a user's data."""
    said = os.environ.get(HOME_VARIABLE)
    return Path(said).absolute() if said else platformdirs.user_data_path("pith", appauthor=False)


@dataclass
class App:
    """What commands are given: the home they work in, and how to open it."""

    home: Path
    _passphrases: dict[str, Passphrase] = field(default_factory=dict)
    _tokens: dict[tuple[Path, str], Tokens] = field(default_factory=dict)

    def config(self) -> Config:
        """The home's config; raises ConfigError ``config.home`` without one."""
        return load_config(self.home)

    def open(self, *, read_only: bool = False) -> Desk:
        """The registry in the home; with *read_only* its store is never written to."""
        config = self.config()
        store = Store(config.store, read_only=read_only)
        if (registry := store.registry) != config.registry_id:
            store.close()
            raise ConfigError(
                f"config.toml is of {config.registry_id}, the store of {registry}",
                code="config.registry",
                hint="the id cannot change after init: set it back",
            )
        return Desk(config, store, lambda uri: self.key_store(uri, config), now)

    def key_store(self, uri: str, config: Config) -> KeyStore:
        """The key store at a URI, for the keys of this config's registry."""
        guard_memory()
        return open_key_store(
            parse_location(uri),
            registry=config.registry_id,
            home=self.home,
            passphrase=self._passphrase(config.passphrase),
            tokens=self._tokens_of(config),
        )

    def party_store(
        self, uri: str, registry: str, passphrase: str | None, module: Path | None
    ) -> KeyStore:
        """The key store at a URI, for the keys with which somebody speaks at *registry*
        who is not the registry, and has no home. *passphrase* is also where the PIN of a
        token comes from that *module* shows."""
        location = parse_location(uri)
        if str(location) == "file:":
            raise UsageError(
                "without a home file: is nowhere",
                code="usage.signer",
                hint="give the folder of your key: file:/absolute/folder",
            )
        guard_memory()
        return open_key_store(
            location,
            registry=registry,
            home=self.home,
            passphrase=self._passphrase(passphrase),
            tokens=self._tokens_at(module, passphrase or "prompt:"),
        )

    def _passphrase(self, source: str | None) -> Passphrase | None:
        if source is None:
            return None
        if source not in self._passphrases:
            self._passphrases[source] = Passphrase(source)
        return self._passphrases[source]

    def _tokens_of(self, config: Config) -> Tokens | None:
        """The tokens of the config's module: kept, so that a job has one session and one PIN."""
        return self._tokens_at(config.pkcs11_module, config.pin_from)

    def _tokens_at(self, module: Path | None, source: str) -> Tokens | None:
        if module is None:
            return None
        if (module, source) not in self._tokens:
            pin = Passphrase(source, what="PIN of the token", setting="[pkcs11] pin_from")
            self._tokens[module, source] = Tokens(module, pin)
        return self._tokens[module, source]
