"""Registries for the tests of the services and of the store."""

from pathlib import Path

import pytest

from registry.services.desk import Desk
from tests.services.registry import World


@pytest.fixture(name="engine_url")
def _engine_url() -> None:
    """Where the world's store is: a file. A module that tries each engine gives `store_url`."""


@pytest.fixture(name="world")
def _world(tmp_path: Path, engine_url: str | None) -> World:
    """A registry that has minted nothing."""
    return World(tmp_path / "home", store=engine_url).begin()


@pytest.fixture(name="desk")
def _desk(world: World) -> Desk:
    """It, open."""
    return world.desk()
