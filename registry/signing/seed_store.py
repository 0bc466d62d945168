"""What the stores that keep seeds have in common: write, read back, compare, prove."""

from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Final

from registry.errors import ConflictError, KeyUnavailableError, MalformedError, StoreError
from registry.protocol import schema
from registry.protocol.keys import PublicKey
from registry.signing.proof import prove_key
from registry.signing.signer import KeyStore, SeedSigner, key_mismatch, public_key_of


class SeedStore(ABC):
    """A `KeyStore` made of four acts: `_holds`, `_read`, `_write`, `_remove`.

    Each takes a key id of the right form. `_write` keeps all or nothing and
    overwrites nothing; `_read` and `_remove` raise KeyUnavailableError
    ``key.absent`` where there is nothing.
    """

    def __init__(self, registry: str) -> None:
        self._registry = registry

    @property
    @abstractmethod
    def uri(self) -> str:
        """Where it is."""

    @property
    def place(self) -> str:
        """What this place is besides its URI; see `KeyStore.place`."""
        return self.uri

    @abstractmethod
    def check(self) -> str:
        """One line on what this store is; see `KeyStore.check`."""

    @abstractmethod
    def _holds(self, key_id: str) -> bool: ...

    @abstractmethod
    def _read(self, key_id: str) -> bytes: ...

    @abstractmethod
    def _write(self, key_id: str, seed: bytes) -> None: ...

    @abstractmethod
    def _remove(self, key_id: str) -> None: ...

    def put(self, key_id: str, seed: bytes) -> PublicKey:
        """Keep a seed under a new key id; see `KeyStore.put`."""
        schema.key_id(key_id, "")
        public_key = public_key_of(seed)
        if self._holds(key_id):
            raise key_exists(key_id, self.uri)
        self._write(key_id, seed)
        kept = False
        try:
            kept = self._gives_back(key_id, public_key)
        finally:
            if not kept:
                with suppress(KeyUnavailableError, StoreError):
                    self._remove(key_id)
        if not kept:
            raise KeyUnavailableError(
                f"{self.uri} did not give {key_id} back as it was written",
                code="keystore.lost",
                hint="no key was made; choose another key store, for example --signer file:",
            )
        return public_key

    def _gives_back(self, key_id: str, public_key: PublicKey) -> bool:
        try:
            signer = SeedSigner(key_id, self._read(key_id), public_key)
        except (KeyUnavailableError, MalformedError) as error:
            if error.code in _LOST:
                return False
            raise
        prove_key(signer, self._registry)
        return True

    def find(self, key_id: str) -> PublicKey:
        """The public key derived from the seed that is held; see `KeyStore.find`."""
        return public_key_of(self._read(schema.key_id(key_id, "")))

    def open(self, key_id: str, public_key: PublicKey) -> SeedSigner:
        """The signer of a key that is held; see `KeyStore.open`."""
        return SeedSigner(key_id, self._read(schema.key_id(key_id, "")), public_key)

    def hand_over(self, key_id: str, public_key: PublicKey, target: KeyStore) -> None:
        """Put a copy of a key into another store; see `KeyStore.hand_over`."""
        seed = self._read(schema.key_id(key_id, ""))
        if (found := public_key_of(seed)) != public_key:
            raise key_mismatch(key_id, found, public_key)
        try:
            target.put(key_id, seed)
        except ConflictError:
            prove_key(target.open(key_id, public_key), self._registry)

    def erase(self, key_id: str) -> None:
        """Forget a key for ever; see `KeyStore.erase`."""
        self._remove(schema.key_id(key_id, ""))
        if self._holds(key_id):
            raise KeyUnavailableError(
                f"{self.uri} still holds {key_id} after erasing it",
                code="keystore.kept",
                hint="erase it by hand with the tools of that key store",
            )


_LOST: Final = frozenset(
    ("key.absent", "key.form", "key.mismatch", "keyfile.form", "keyfile.mismatch", "seed.length")
)


def key_exists(key_id: str, uri: str) -> ConflictError:
    """The refusal to overwrite a key."""
    return ConflictError(
        f"{uri} already holds a key {key_id}",
        code="key.exists",
        hint="a key id means one key for ever: choose another (`pith init` takes --key-id,"
        " `pith key create` --id)",
    )


def key_absent(key_id: str, uri: str) -> KeyUnavailableError:
    """The refusal where there is no such key; none is made instead."""
    return KeyUnavailableError(
        f"{uri} holds no key {key_id}",
        code="key.absent",
        hint="see where the key is with: pith key list; no new key was made",
    )
