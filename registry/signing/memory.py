"""Keys in the memory of this process alone, for tests and rehearsals."""

from typing import Final

from registry.signing.seed_store import SeedStore, key_absent


class MemoryKeyStore(SeedStore):
    """``memory:``: what it holds is lost when the process ends."""

    uri: Final = "memory:"

    def __init__(self, registry: str) -> None:
        super().__init__(registry)
        self._seeds: dict[str, bytes] = {}

    def check(self) -> str:
        """Always usable."""
        return "memory: keys live in this process and are lost with it"

    def __repr__(self) -> str:
        return f"<MemoryKeyStore {self._registry} with {len(self._seeds)} keys>"

    def _holds(self, key_id: str) -> bool:
        return key_id in self._seeds

    def _read(self, key_id: str) -> bytes:
        if key_id not in self._seeds:
            raise key_absent(key_id, self.uri)
        return self._seeds[key_id]

    def _write(self, key_id: str, seed: bytes) -> None:
        self._seeds[key_id] = seed

    def _remove(self, key_id: str) -> None:
        if self._seeds.pop(key_id, None) is None:
            raise key_absent(key_id, self.uri)
