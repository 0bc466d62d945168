"""Initialise: a whole home or none, and no key without a home."""

from pathlib import Path

import pytest

from registry.config import load_config
from registry.errors import ConflictError, KeyUnavailableError, StoreError
from registry.protocol.keys import PublicKey
from registry.protocol.keyset_rules import verify_keyset
from registry.services.keys import create_key, key_status
from registry.signing.memory import MemoryKeyStore
from registry.signing.signer import SeedSigner, public_key_of
from tests.cli.lab import tree
from tests.services.registry import REGISTRY, SEED, START, World


def held(keys: MemoryKeyStore, seed: bytes = SEED) -> bool:
    """Whether the first key is in a key store."""
    try:
        keys.open("lab-v1-2026-06", public_key_of(seed))
    except KeyUnavailableError:
        return False
    return True


def test_a_home_has_its_config_store_key_and_key_set(world: World) -> None:
    desk = world.desk()
    keyset = desk.keyset()
    verify_keyset(keyset)

    assert tree(world.home)[:2] == ["config.toml", "registry.db"]
    assert load_config(world.home).registry_id == REGISTRY
    assert keyset.body.version == 1
    assert keyset.to_json()["prev_keyset_sha256"] is None
    assert keyset.body.threshold == 0
    assert desk.active_key().key == public_key_of(SEED)
    assert desk.active_key().key_id == "lab-v1-2026-06"
    assert desk.signer(desk.clock()).public_key == public_key_of(SEED)
    assert [row.uri for row in desk.store.list_keys()] == ["memory:"] * 2
    assert [line.kind for line in desk.store.signatures()] == ["keyset"]


def test_the_config_that_is_written_is_the_one_that_was_given(world: World) -> None:
    assert load_config(world.home) == world.config


def test_a_registry_is_never_overwritten(world: World) -> None:
    before = {name: (world.home / name).read_bytes() for name in ("config.toml", "registry.db")}

    with pytest.raises(ConflictError) as caught:
        World(world.home).begin(seed=bytes(32))

    assert caught.value.code == "home.exists"
    assert {name: (world.home / name).read_bytes() for name in before} == before


class Refusing(MemoryKeyStore):
    """A key store that keeps nothing."""

    def _write(self, key_id: str, seed: bytes) -> None:
        raise KeyUnavailableError("locked", code="keyring.locked", hint="unlock it")


class Unreadable(MemoryKeyStore):
    """A key store that does not give back what it keeps, once it was proved."""

    def open(self, key_id: str, public_key: PublicKey) -> SeedSigner:
        raise KeyUnavailableError("gone", code="keyring.gone", hint="start it")


class Interrupted(MemoryKeyStore):
    """Ctrl-C just after the key was made."""

    def open(self, key_id: str, public_key: PublicKey) -> SeedSigner:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (Refusing, KeyUnavailableError),
        (Unreadable, KeyUnavailableError),
        (Interrupted, KeyboardInterrupt),
    ],
)
def test_an_init_that_ends_early_leaves_no_home_and_no_key(
    tmp_path: Path, kind: type[MemoryKeyStore], error: type[BaseException]
) -> None:
    keys = kind(REGISTRY)
    world = World(tmp_path / "home")

    with pytest.raises(error):
        world.begin(keys)

    assert tree(tmp_path) == []
    assert keys._seeds == {}
    world.begin()
    assert world.desk().registry == REGISTRY


def test_a_place_where_no_folder_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    keys = MemoryKeyStore(REGISTRY)

    with pytest.raises(StoreError) as caught:
        World(tmp_path / "file" / "home", keys).begin()

    assert caught.value.code == "home.write"
    assert not held(keys)


def test_a_key_that_is_there_already_is_not_erased(tmp_path: Path) -> None:
    keys = MemoryKeyStore(REGISTRY)
    keys.put("lab-v1-2026-06", SEED)

    with pytest.raises(ConflictError) as caught:
        World(tmp_path / "home", keys).begin(seed=bytes(32))

    assert caught.value.code == "key.exists"
    assert held(keys)
    assert tree(tmp_path) == []


def test_new_keys_are_numbered_and_known(world: World) -> None:
    desk = world.desk()

    row = create_key(desk, world.keys, key_id=None, seed=bytes(32), at=START)

    assert row.key_id == "lab-v3-2026-06"
    assert key_status(desk, row) == "unlisted"
    assert [key_status(desk, each) for each in desk.store.list_keys()[:2]] == [
        "active",
        "committed",
    ]
    assert desk.find_key("lab-v3-2026-06") == row
    assert desk.active_key().key_id == "lab-v1-2026-06"


def test_a_key_id_or_a_key_is_kept_once(world: World) -> None:
    desk = world.desk()
    create_key(desk, world.keys, key_id="spare-1", seed=bytes(32), at=START)

    with pytest.raises(ConflictError):
        create_key(desk, world.keys, key_id="spare-1", seed=bytes(31) + b"\1", at=START)
    with pytest.raises(ConflictError):
        create_key(desk, world.keys, key_id="spare-2", seed=bytes(32), at=START)

    assert len(desk.store.list_keys()) == 3
    assert "spare-2" not in world.keys._seeds
