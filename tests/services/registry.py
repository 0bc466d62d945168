"""A registry on a real SQLite file with its key in memory, worked at through the services."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from registry.config import Config, new_config
from registry.errors import KeyUnavailableError
from registry.protocol.event import Event
from registry.protocol.graph import Paper
from registry.protocol.instant import Instant
from registry.protocol.record import Record
from registry.services.desk import Desk
from registry.services.initialise import initialise
from registry.services.keys import move_key
from registry.services.mint import finish_interrupted
from registry.services.recovery import enact_recovery_key, recovery_key, with_recovery_key
from registry.signing.memory import MemoryKeyStore
from registry.signing.signer import KeyStore
from registry.store.rows import KeyRow
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


class Place(MemoryKeyStore):
    """A key store in memory under a URI of its own."""

    def __init__(self, uri: str) -> None:
        super().__init__(REGISTRY)
        self._uri = uri

    @property
    def uri(self) -> str:  # type: ignore[override]
        return self._uri


@dataclass
class World:
    """A home, its keys and its clock; every desk has a connection of its own."""

    home: Path
    keys: MemoryKeyStore = field(default_factory=lambda: MemoryKeyStore(REGISTRY))
    clock: Clock = field(default_factory=Clock)
    name: str = REGISTRY
    places: dict[str, KeyStore] = field(default_factory=dict)
    store: str | None = None

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
            store=self.store,
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

    def desk(self, store: Callable[[Path | str], Store] = Store) -> Desk:
        """The registry, open."""
        return Desk(self.config, store(self.config.store), self.key_store, self.clock)

    def key_store(self, uri: str) -> KeyStore:
        """The key store at a URI: `keys`, or a place that was made; a place that is gone
        is out of reach."""
        if uri == self.keys.uri:
            return self.keys
        if uri not in self.places:
            raise KeyUnavailableError(f"{uri} is away", code="keystore.away")
        return self.places[uri]

    def place(self, uri: str) -> KeyStore:
        """The key store at a URI, made where there is none yet."""
        if uri != self.keys.uri and uri not in self.places:
            self.places[uri] = Place(uri)
        return self.key_store(uri)

    def move_apart(self, desk: Desk, row: KeyRow, uri: str = "apart:") -> None:
        """Move a key to a place of its own."""
        move_key(desk, row, self.place(uri), at=self.clock())

    def recovery(self, desk: Desk, uri: str, threshold: int | None = None) -> KeyRow:
        """Add a recovery key that lies at *uri*."""
        seed = bytes([len(desk.store.list_keys()) + 64]) * 32
        row = recovery_key(desk, self.place(uri), key_id=None, seed=seed, at=self.clock.move(1))
        body = with_recovery_key(desk, row, threshold=threshold, at=self.clock.move(1))
        enact_recovery_key(desk, body, row, at=self.clock())
        return row


def paper(headline: str = "") -> Paper:
    """The paper of `record`, with something that makes another snapshot."""
    return Paper(title=TITLE, abstract=ABSTRACT, authors="A. Author", headline=headline)


def finished(desk: Desk) -> int:
    """How many interrupted claims are finished now, none of them refused."""
    outcomes = list(finish_interrupted(desk, desk.signer(desk.clock()), at=desk.clock()))
    assert all(isinstance(outcome, Event) for outcome in outcomes), outcomes
    return len(outcomes)


RECORD: Final[Record] = record()
