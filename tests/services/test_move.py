"""A key moves: at every moment the noted place holds it."""

import pytest

from registry.errors import ConflictError
from registry.protocol.keys import PublicKey
from registry.services.keys import move_key
from registry.signing.memory import MemoryKeyStore
from registry.signing.signer import KeyStore
from tests.services.registry import REGISTRY, World


class Elsewhere(MemoryKeyStore):
    """A second memory store under another name."""

    @property
    def uri(self) -> str:
        return "elsewhere:"


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", ["leaving", "copied", "noted", "erased"])
def test_a_move_that_is_interrupted_is_finished_by_the_same_call(world: World, step: str) -> None:
    there = Elsewhere(REGISTRY)
    stores: dict[str, KeyStore] = {world.keys.uri: world.keys, there.uri: there}
    desk = world.desk()
    object.__setattr__(desk, "key_store", lambda uri: stores[uri])
    key = desk.active_key()
    row = desk.find_key(key.key_id)
    assert row is not None

    class Dying(MemoryKeyStore):
        """The old store, whose process ends at one step."""

        uri = world.keys.uri

        def hand_over(self, key_id: str, public_key: PublicKey, target: KeyStore) -> None:
            if step == "leaving":
                raise Killed
            world.keys.hand_over(key_id, public_key, target)
            if step == "copied":
                raise Killed

        def erase(self, key_id: str) -> None:
            if step == "noted":
                raise Killed
            world.keys.erase(key_id)
            raise Killed

    stores[world.keys.uri] = Dying(REGISTRY)
    with pytest.raises(Killed):
        move_key(desk, row, there, at=desk.clock())

    held = desk.find_key(key.key_id)
    assert held is not None
    stores[world.keys.uri] = world.keys
    stores[held.uri].open(key.key_id, key.key)

    move_key(desk, held, there, at=desk.clock())

    assert desk.signer(desk.clock()).key_id == key.key_id
    there.open(key.key_id, key.key)
    moved = desk.find_key(key.key_id)
    assert moved is not None
    assert moved.uri == there.uri
    with pytest.raises(ConflictError) as refused:
        move_key(desk, moved, there, at=desk.clock())
    assert refused.value.code == "key.there"


def test_another_key_under_the_same_id_is_no_copy(world: World) -> None:
    there = Elsewhere(REGISTRY)
    desk = world.desk()
    row = desk.find_key(desk.active_key().key_id)
    assert row is not None
    there.put(row.key_id, bytes(range(1, 33)))

    with pytest.raises(Exception, match="not") as refused:
        move_key(desk, row, there, at=desk.clock())
    assert getattr(refused.value, "code", "") == "key.mismatch"
    assert desk.signer(desk.clock()).key_id == row.key_id
