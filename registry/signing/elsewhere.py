"""What the stores that hold no seed of ours have in common: an agent, a token."""

from abc import ABC, abstractmethod
from typing import NoReturn

from registry.errors import KeyUnavailableError
from registry.protocol.keys import PublicKey
from registry.signing.signer import KeyStore


class ElsewhereStore(ABC):
    """The refusing half of a `KeyStore` whose keys were made elsewhere and stay there.

    `put`, `hand_over` and `erase` raise KeyUnavailableError ``keystore.elsewhere``.
    """

    @property
    @abstractmethod
    def uri(self) -> str:
        """Where it is."""

    @property
    @abstractmethod
    def _how_made(self) -> str:
        """How a key gets there, for a hint."""

    @property
    @abstractmethod
    def _how_erased(self) -> str:
        """How a key is erased there, for a hint."""

    def put(self, key_id: str, seed: bytes) -> NoReturn:
        """Refused: pith gives no seed away; see `KeyStore.put`."""
        raise self._refused(
            f"{self.uri} takes no key from pith",
            f"{self._how_made}, then: pith key add KEY_ID --signer URI",
        )

    def hand_over(self, key_id: str, public_key: PublicKey, target: KeyStore) -> NoReturn:
        """Refused: the key cannot be taken out; see `KeyStore.hand_over`."""
        raise self._refused(
            f"{self.uri} gives no key out: {key_id} cannot be moved",
            "make a new key where you want one, and rotate to it",
        )

    def erase(self, key_id: str) -> NoReturn:
        """Refused: what pith did not write it does not erase; see `KeyStore.erase`."""
        raise self._refused(
            f"pith erases nothing in {self.uri}",
            f"{key_id} is erased there with {self._how_erased}",
        )

    def _refused(self, message: str, hint: str) -> KeyUnavailableError:
        return KeyUnavailableError(message, code="keystore.elsewhere", hint=hint)
