"""Key stores that lose, truncate, change or delay what they are given: nothing is accepted."""

from collections.abc import Callable

import nacl.bindings
import pytest

from registry.errors import KeyUnavailableError
from registry.signing.memory import MemoryKeyStore
from registry.signing.signer import public_key_of

SEED = bytes(range(32))
OTHER = bytes(range(1, 33))
KEY = public_key_of(SEED)


class Losing(MemoryKeyStore):
    """Says that it wrote, and did not."""

    def _write(self, key_id: str, seed: bytes) -> None:
        pass


class Truncating(MemoryKeyStore):
    """Keeps 31 bytes."""

    def _write(self, key_id: str, seed: bytes) -> None:
        super()._write(key_id, seed[:31])


class Changing(MemoryKeyStore):
    """Keeps all but one bit."""

    def _write(self, key_id: str, seed: bytes) -> None:
        super()._write(key_id, bytes([seed[0] ^ 1]) + seed[1:])


class Delaying(MemoryKeyStore):
    """Gives back what stood there before for a while, and forgets as late."""

    def __init__(self, registry: str, reads: int = 3) -> None:
        super().__init__(registry)
        self.reads = reads
        self.old: dict[str, bytes] = {}

    def _write(self, key_id: str, seed: bytes) -> None:
        self.old = dict(self._seeds)
        super()._write(key_id, seed)

    def _shown(self) -> dict[str, bytes]:
        self.reads -= 1
        return self.old if self.reads >= 0 else self._seeds

    def _holds(self, key_id: str) -> bool:
        return key_id in self._shown()

    def _read(self, key_id: str) -> bytes:
        return MemoryKeyStore._read(self, key_id) if key_id in self._shown() else self._stale()

    def _stale(self) -> bytes:
        return OTHER


class Forgetting(Delaying):
    """Gives back nothing for a while."""

    def _stale(self) -> bytes:
        raise KeyUnavailableError("not yet", code="key.absent")


BAD = [Losing, Truncating, Changing, Delaying, Forgetting]


def code(act: Callable[[], object]) -> str:
    with pytest.raises(KeyUnavailableError) as refused:
        act()
    return refused.value.code


@pytest.mark.parametrize("kind", BAD)
def test_what_is_not_given_back_is_not_accepted(kind: type[MemoryKeyStore]) -> None:
    store = kind("lab.example")

    assert code(lambda: store.put("lab-v1", SEED)) == "keystore.lost"
    assert store._seeds == {}


@pytest.mark.parametrize("kind", BAD)
def test_a_key_is_not_handed_over_to_it(kind: type[MemoryKeyStore]) -> None:
    source, target = MemoryKeyStore("lab.example"), kind("lab.example")
    source.put("lab-v1", SEED)

    assert code(lambda: source.hand_over("lab-v1", KEY, target)) == "keystore.lost"
    assert source._seeds == {"lab-v1": SEED}
    assert target._seeds == {}


def test_a_store_that_changes_its_mind_hands_over_nothing() -> None:
    class Fickle(MemoryKeyStore):
        """The right seed once, another one after."""

        given = 0

        def _read(self, key_id: str) -> bytes:
            self.given += 1
            return SEED if self.given == 1 else OTHER

    target = MemoryKeyStore("lab.example")
    Fickle("lab.example").hand_over("lab-v1", KEY, target)
    assert target._seeds == {"lab-v1": SEED}

    changed = Fickle("lab.example")
    changed.given = 1
    target = MemoryKeyStore("lab.example")
    assert code(lambda: changed.hand_over("lab-v1", KEY, target)) == "key.mismatch"
    assert target._seeds == {}


def test_a_copy_that_lay_there_is_taken_only_when_it_is_the_key() -> None:
    source, target = MemoryKeyStore("lab.example"), MemoryKeyStore("lab.example")
    for store in (source, target):
        store.put("lab-v1", SEED)
    source.hand_over("lab-v1", KEY, target)

    target._seeds["lab-v1"] = OTHER
    assert code(lambda: source.hand_over("lab-v1", KEY, target)) == "key.mismatch"


def test_a_key_that_does_not_sign_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nacl.bindings, "crypto_sign", lambda message, key: bytes(64) + message)
    store = MemoryKeyStore("lab.example")

    assert code(lambda: store.put("lab-v1", SEED)) == "signer.faulty"
    assert store._seeds == {}


def test_what_is_not_forgotten_is_not_called_erased() -> None:
    class Keeping(MemoryKeyStore):
        """Says that it erased, and did not."""

        def _remove(self, key_id: str) -> None:
            pass

    store = Keeping("lab.example")
    store.put("lab-v1", SEED)

    assert code(lambda: store.erase("lab-v1")) == "keystore.kept"


@pytest.mark.parametrize("kind", [Delaying, Forgetting])
def test_a_store_that_has_come_to_itself_is_a_good_one(kind: type[Delaying]) -> None:
    store = kind("lab.example", reads=0)

    assert store.put("lab-v1", SEED) == KEY
