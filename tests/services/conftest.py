"""Registries for the tests of the services and of the store."""

from pathlib import Path

import pytest

from registry.services.desk import Desk
from tests.services.registry import World


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> World:
    """A registry that has minted nothing."""
    return World(tmp_path / "home").begin()


@pytest.fixture(name="desk")
def _desk(world: World) -> Desk:
    """It, open."""
    return world.desk()
