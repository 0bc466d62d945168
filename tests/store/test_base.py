"""What every room of the store stands on: a method is one transaction."""

from pathlib import Path

import pytest

from registry.errors import ConflictError
from registry.store import sql
from registry.store.base import Database, written

PLACES = [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}, {"name": "a", "value": "3"}]


class Room(Database):
    """Three rows, kept or not."""

    @written
    def keep(self, *, fail: bool = False) -> list[str]:
        """Insert them; with *fail*, raise after that."""
        new = sorted(name for (name,) in self._insert(sql.ADD_META, PLACES))
        if fail:
            raise ConflictError("no", code="no")
        return new

    def held(self) -> list[tuple[str, str]]:
        """What is there."""
        found = self._rows("SELECT name, value FROM meta ORDER BY name", {})
        return [(name, value) for name, value in found]


@pytest.fixture(name="room")
def _room(tmp_path: Path) -> Room:
    return Room(tmp_path / "registry.db", create=True)


def test_what_is_inserted_says_what_was_new(room: Room) -> None:
    assert room.keep() == ["a", "b"]
    assert room.keep() == []
    assert room.held() == [("a", "1"), ("b", "2")]


def test_what_raises_keeps_nothing(room: Room) -> None:
    with pytest.raises(ConflictError):
        room.keep(fail=True)

    assert room.held() == []
    assert room.keep() == ["a", "b"]
