"""A registry on a real SQLite file with its key in memory, worked at through the services."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from registry.config import Config, new_config
from registry.protocol.event import Event
from registry.protocol.graph import Paper
from registry.protocol.instant import Instant
from registry.protocol.record import Record
from registry.services.desk import Desk
from registry.services.initialise import initialise
from registry.services.mint import finish_interrupted
from registry.signing.memory import MemoryKeyStore
from registry.signing.signer import KeyStore
from registry.store.store import Store
from tests.cli.lab import ABSTRACT, TITLE, record

START: Final = Instant.parse_micros("2026-06-01T12:00:00.250000Z")
REGISTRY: Final = "lab.example"
SEED: Final = bytes(range(32))
SUCCESSOR_SEED: Final = bytes(range(32, 64))


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    at: Instant = START

    def __call__(self) -> Instant:
        return self.at

    def move(self, seconds: int) -> Instant:
        """Move it, and give the new time."""
        self.at = self.at.plus(seconds=seconds)
        return self.at


@dataclass
class World:
    """A home, its keys and its clock; every desk has a connection of its own."""

    home: Path
    keys: MemoryKeyStore = field(default_factory=lambda: MemoryKeyStore(REGISTRY))
    clock: Clock = field(default_factory=Clock)
    name: str = REGISTRY

    @property
    def config(self) -> Config:
        """The config that init writes."""
        return new_config(
            self.home,
            registry_id=self.name,
            base_url=f"https://{self.name}",
            name=None,
            signer="memory:",
            passphrase=None,
        )

    def begin(self, keys: KeyStore | None = None, *, seed: bytes = SEED) -> "World":
        """Make the registry."""
        initialise(
            self.home,
            self.config,
            keys or self.keys,
            seed=seed,
            successor_seed=SUCCESSOR_SEED,
            at=self.clock(),
        )
        return self

    def desk(self, store: Callable[[Path], Store] = Store) -> Desk:
        """The registry, open."""
        return Desk(self.config, store(self.config.store_path), lambda _: self.keys, self.clock)


def paper(headline: str = "") -> Paper:
    """The paper of `record`, with something that makes another snapshot."""
    return Paper(title=TITLE, abstract=ABSTRACT, authors="A. Author", headline=headline)


def finished(desk: Desk) -> int:
    """How many interrupted claims are finished now, none of them refused."""
    outcomes = list(finish_interrupted(desk, desk.signer(desk.clock()), at=desk.clock()))
    assert all(isinstance(outcome, Event) for outcome in outcomes), outcomes
    return len(outcomes)


RECORD: Final[Record] = record()
