"""The embedded SQLite: settings, migrations, and files that are not ours."""

import sqlite3
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import apsw
import pytest

from registry.errors import StoreError
from registry.store.sqlite import (
    APPLICATION_ID,
    journal_settings,
    migrations,
    open_database,
    write,
)
from registry.store.store import Store
from tests.services.registry import World
from tests.signing.as_nobody import code_as_nobody, open_folder

WAL = ("wal", "full")
DELETE = ("delete", "extra")


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ((3, 7, 0), DELETE),
        ((3, 40, 1), DELETE),
        ((3, 44, 5), DELETE),
        ((3, 44, 6), WAL),
        ((3, 44, 9), WAL),
        ((3, 45, 0), DELETE),
        ((3, 45, 6), DELETE),
        ((3, 49, 9), DELETE),
        ((3, 50, 6), DELETE),
        ((3, 50, 7), WAL),
        ((3, 51, 0), DELETE),
        ((3, 51, 2), DELETE),
        ((3, 51, 3), WAL),
        ((3, 52, 0), WAL),
        ((3, 54, 1), WAL),
        ((4, 0, 0), WAL),
    ],
)
def test_settings_by_version(version: tuple[int, int, int], wanted: tuple[str, str]) -> None:
    assert journal_settings(version) == wanted


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "registry.db"


@pytest.fixture(name="connection")
def _connection(path: Path) -> Iterator[apsw.Connection]:
    found = open_database(path, create=True)
    yield found
    found.close()


def test_the_settings_are_those_of_the_version(connection: apsw.Connection) -> None:
    major, minor, patch = map(int, apsw.sqlite_lib_version().split("."))
    mode, synchronous = journal_settings((major, minor, patch))

    assert connection.pragma("journal_mode") == mode
    assert connection.pragma("synchronous") == {"full": 2, "extra": 3}[synchronous]


def test_a_new_file_has_every_migration(connection: apsw.Connection) -> None:
    assert connection.pragma("application_id") == APPLICATION_ID
    assert connection.pragma("user_version") == len(migrations())
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert {"meta", "records", "intents", "events", "heads", "bundles"} <= tables
    assert {"keysets", "keys", "signatures"} <= tables


def test_every_table_holds_its_columns_to_their_types(connection: apsw.Connection) -> None:
    """What has another type is refused, and where it comes to stand it is damage."""
    loose = "SELECT name FROM pragma_table_list WHERE type = 'table' AND NOT strict"

    names = [name for (name,) in connection.execute(loose)]
    assert [name for name in names if not name.startswith("sqlite_")] == []
    with pytest.raises(apsw.ConstraintError):
        connection.execute("INSERT INTO bundles VALUES (x'00', 'A', 0, 'text')")


def test_migrations_are_numbered_without_a_gap() -> None:
    folder = resources.files("registry.store").joinpath("migrations")
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))

    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert len(migrations()) == len(names)


def test_opening_again_changes_nothing(path: Path, connection: apsw.Connection) -> None:
    connection.execute("INSERT INTO meta VALUES ('a', 'b')")
    again = open_database(path, create=False)

    assert list(again.execute("SELECT * FROM meta")) == [("a", "b")]
    again.close()


def test_a_migration_that_was_interrupted_is_made_whole(path: Path) -> None:
    """Everything of a migration is in one transaction with its version."""
    raw = apsw.Connection(str(path))
    with pytest.raises(apsw.SQLError), write(raw):
        raw.execute(migrations()[0] + "; this is no SQL")
    assert list(raw.execute("SELECT name FROM sqlite_master")) == []
    raw.close()

    open_database(path, create=True).close()


def test_an_absent_file_is_not_made_without_being_asked(path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        open_database(path, create=False)

    assert caught.value.code == "store.open"
    assert caught.value.hint
    assert not path.exists()


@pytest.mark.parametrize("create", [False, True])
@pytest.mark.parametrize("marked", [False, True])
def test_another_programs_database_is_left_alone(path: Path, create: bool, marked: bool) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE users (name)")
    other.execute("INSERT INTO users VALUES ('ada')")
    if marked:
        other.execute("PRAGMA application_id = 42")
        other.execute("PRAGMA user_version = 7")
    other.commit()
    other.close()
    before = path.read_bytes()

    with pytest.raises(StoreError) as caught:
        open_database(path, create=create)

    assert caught.value.code == "store.foreign"
    assert path.read_bytes() == before


def test_a_newer_schema_is_left_alone(path: Path) -> None:
    made = open_database(path, create=True)
    made.pragma("user_version", len(migrations()) + 1)
    made.close()

    with pytest.raises(StoreError) as caught:
        open_database(path, create=False)

    assert caught.value.code == "store.newer"
    assert "newer" in caught.value.message


@pytest.mark.parametrize("data", [b"hello", b"x" * 8192, b"SQLite format 3\0" + b"\xff" * 8192])
def test_what_is_no_database(path: Path, data: bytes) -> None:
    path.write_bytes(data)

    with pytest.raises(StoreError) as caught:
        open_database(path, create=False)

    assert caught.value.code in ("store.damaged", "store.foreign", "store.error")
    assert path.read_bytes() == data


def test_an_empty_file_is_not_ours(path: Path) -> None:
    path.touch()

    with pytest.raises(StoreError):
        Store(path)

    assert path.read_bytes() == b""


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        open_database(tmp_path, create=True)

    assert caught.value.code == "store.open"


def test_a_damaged_page_is_a_store_error(tmp_path: Path) -> None:
    world = World(tmp_path / "home").begin()
    file = world.config.store_path
    data = bytearray(file.read_bytes())
    data[4096:] = b"\x5a" * (len(data) - 4096)
    file.write_bytes(data)

    with pytest.raises(StoreError):
        Store(file).check_database()


def test_a_store_of_no_registry_says_so(path: Path) -> None:
    with Store(path, create=True) as store, pytest.raises(StoreError) as caught:
        _ = store.registry

    assert caught.value.code == "store.registry"


def test_a_write_that_fails_is_rolled_back(connection: apsw.Connection) -> None:
    with pytest.raises(apsw.ConstraintError), write(connection):
        connection.execute("INSERT INTO meta VALUES ('a', 'b'), ('a', 'c')")

    assert list(connection.execute("SELECT * FROM meta")) == []
    assert not connection.in_transaction


def test_a_name_is_held_by_one_until_it_lets_go_or_is_closed(path: Path) -> None:
    with Store(path, create=True) as store, Store(path) as other:
        with store._engine.hold("jobs") as first, other._engine.hold("jobs") as second:
            assert (first, second) == (True, False)
            with other._engine.hold("another") as third:
                assert third
        with other._engine.hold("jobs") as later:
            assert later


def test_a_file_that_may_not_be_written() -> None:
    with open_folder() as folder:
        World(folder / "home").begin()
        for each in (folder / "home").rglob("*"):
            each.chmod(0o644)
        (folder / "home").chmod(0o755)
        file = folder / "home" / "registry.db"

        assert code_as_nobody(lambda: open_database(file, create=False)) in (
            "store.open",
            "store.readonly",
            "ok",
        )
