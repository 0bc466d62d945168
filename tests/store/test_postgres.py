"""PostgreSQL alone: its settings, its schema, and connections that are lost."""

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Literal

import pytest

from registry.errors import ConflictError, KeyUnavailableError, StoreError, UsageError
from registry.services.mint import mint
from registry.services.minting import Pair, mint_all
from registry.store import sql
from registry.store.base import Database, written
from registry.store.keeping import check_tables
from registry.store.rows import NO_EVENT, ActRow, Intent, event_bytes
from registry.store.sqlite import migrations
from registry.store.store import Store
from registry.store.tables import BY_NAME
from tests.cli.lab import record
from tests.parts import needs
from tests.services.registry import RECORD, START, World
from tests.store.cutting import Cutter

SUBJECT = RECORD.number.suffix


@pytest.fixture(name="database")
def _database() -> Iterator[str]:
    """The name of an empty database."""
    needs("postgres")
    from tests.postgres import server

    with server().database(empty=True) as name:
        yield name


@pytest.fixture(name="url")
def _url(database: str) -> str:
    return admin_of().url(database)


def admin_of():  # type: ignore[no-untyped-def]
    """The server all of these tests share."""
    from tests.postgres import server

    return server()


class Room(Database):
    """A method that is one transaction, and how often it ran."""

    runs = 0

    @written
    def keep(self, name: str, then: Callable[[int], None] = lambda _: None) -> bool:
        """Insert a row, and do something else before it is kept."""
        self.runs += 1
        new = bool(self._rows(sql.ADD_META, {"name": name, "value": "x"}))
        then(self.runs)
        return new

    def names(self) -> list[str]:
        """What is there."""
        return [name for (name,) in self._rows("SELECT name FROM meta ORDER BY name", {})]


@pytest.fixture(name="room")
def _room(url: str) -> Iterator[Room]:
    with Room(url, create=True) as room:
        yield room


def refused(code: str, act: Callable[[], object]) -> StoreError:
    """The refusal, which has a hint."""
    with pytest.raises(StoreError) as caught:
        act()
    assert caught.value.code == code
    assert caught.value.hint
    return caught.value


# -- the schema ------------------------------------------------------------------


def test_both_dialects_have_the_tables_that_are_listed(room: Room, tmp_path: Path) -> None:
    with Store(room.place) as store, Store(tmp_path / "a.db", create=True) as other:
        check_tables(store)
        assert store.columns() == other.columns()


def test_both_dialects_have_the_same_migrations() -> None:
    needs("postgres")
    from registry.store import postgres_schema

    folder = resources.files("registry.store").joinpath("migrations", "postgres")
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))

    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert len(postgres_schema.migrations()) == len(migrations()) == len(names)


def test_a_record_is_in_the_part_of_one_number(room: Room) -> None:
    with Store(room.place) as store:
        for table, key in (("records", "suffix"), ("events", "subject"), ("heads", "subject")):
            found = store._rows(
                "SELECT count(*) FROM pg_inherits WHERE inhparent = CAST(:name AS regclass)",
                {"name": table},
            )
            assert found == [(16,)], (table, key)


def test_many_begin_at_once_and_one_registry_wins(url: str, tmp_path: Path) -> None:
    worlds = [World(tmp_path / str(n), store=url) for n in range(4)]
    failed: list[str] = []

    def begin(world: World) -> None:
        try:
            world.begin()
        except (ConflictError, KeyUnavailableError) as error:
            failed.append(error.code)

    together([lambda world=world: begin(world) for world in worlds])

    assert len(failed) == 3
    assert set(failed) <= {"store.begun", "home.exists", "key.absent"}
    with Store(url) as store:
        assert len(store.list_keys()) == 2
        assert len(store.list_keysets()) == 1
    assert sum((world.home / "config.toml").exists() for world in worlds) == 1


def test_an_interrupted_init_is_finished_by_the_same_call(url: str, tmp_path: Path) -> None:
    world = World(tmp_path / "home", store=url).begin()
    keyset = world.desk().keyset()
    (world.home / "config.toml").unlink()

    world.begin()

    assert world.desk().keyset() == keyset


def test_what_is_no_store_of_ours_is_left_alone(database: str, url: str) -> None:
    admin = admin_of()
    refused("store.open", lambda: Store(url))
    assert admin.admin("SELECT 1 FROM pg_namespace WHERE nspname = 'pith'", database) == []
    admin.admin("CREATE SCHEMA pith; CREATE TABLE pith.users (name TEXT)", database)

    refused("store.foreign", lambda: Store(url, create=True))


def test_a_newer_schema_is_left_alone(database: str, url: str, room: Room) -> None:
    admin_of().admin("UPDATE pith.made SET schema = schema + 1", database)

    refused("store.newer", lambda: Store(url))


def test_a_store_of_no_registry_says_so(url: str, room: Room) -> None:
    with Store(url) as store:
        refused("store.registry", lambda: store.registry)


def test_no_server_there(url: str, tmp_path: Path) -> None:
    error = refused("store.open", lambda: Store(f"postgresql:///x?host={tmp_path}"))

    assert str(tmp_path) in error.message


def test_without_the_driver_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "registry.store.postgres", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)

    error = refused("store.extra", lambda: Store("postgresql:///x"))

    assert "pip install" in error.hint


# -- settings --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({}, []),
        ({"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}, []),
        ({"synchronous_commit": "local"}, []),
        ({"synchronous_commit": "remote_write"}, []),
        ({"synchronous_commit": "remote_apply"}, []),
        ({"synchronous_commit": "off"}, ["synchronous_commit"]),
        ({"fsync": "off", "full_page_writes": "off"}, ["fsync", "full_page_writes"]),
        ({"server_version_num": "130000"}, []),
        ({"server_version_num": "120022"}, ["server_version_num"]),
        ({"server_encoding": "LATIN1"}, ["server_encoding"]),
    ],
)
def test_settings_that_lose_nothing(settings: dict[str, str], wrong: list[str]) -> None:
    needs("postgres")
    from registry.store import postgres_settings

    assert postgres_settings.refused(settings) == wrong


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit"])
def test_a_server_that_would_lose_commits_is_refused(url: str, room: Room, name: str) -> None:
    admin = admin_of()
    admin.admin(f"ALTER SYSTEM SET {name} = off")
    try:
        admin.admin("SELECT pg_reload_conf()")
        until(lambda: admin.admin(f"SHOW {name}") == [("off",)])
        error = refused("store.settings", lambda: Store(url))
        assert name in error.message
    finally:
        admin.admin(f"ALTER SYSTEM RESET {name}")
        admin.admin("SELECT pg_reload_conf()")
    until(lambda: admin.admin(f"SHOW {name}") == [("on",)])
    Store(url).close()


def test_a_database_of_another_encoding_is_refused(database: str) -> None:
    admin = admin_of()
    name = f"{database}_latin"
    admin.admin(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        refused("store.settings", lambda: Store(admin.url(name), create=True))
    finally:
        admin.admin(f"DROP DATABASE {name}")


# -- connections that are lost -----------------------------------------------------


def kill_all(database: str) -> None:
    """End every back-end of a database, and wait until they are gone."""
    admin = admin_of()
    ended = admin.admin(
        f"SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    )
    pids = ", ".join(str(pid) for pid, _ in ended)
    gone = f"SELECT 1 FROM pg_stat_activity WHERE pid IN ({pids})"
    until(lambda: not admin.admin(gone))


def test_a_back_end_killed_in_the_middle_is_begun_again(database: str, room: Room) -> None:
    def kill(run: int) -> None:
        if run == 1:
            kill_all(database)

    assert room.keep("a", kill)
    assert (room.runs, room.names()) == (2, ["a"])
    kill_all(database)
    assert room.names() == ["a"]


@pytest.fixture(name="cutter")
def _cutter(room: Room) -> Iterator[Cutter]:
    with tempfile.TemporaryDirectory(prefix="pith-cut-") as folder:
        cutter = Cutter(Path(folder), admin_of().folder)
        yield cutter
        cutter.close()


@pytest.mark.parametrize(("when", "runs"), [("before", 2), ("after", 1)])
def test_a_connection_cut_at_commit_keeps_it_once(
    database: str, cutter: Cutter, when: Literal["before", "after"], runs: int
) -> None:
    """Where the server has answered, what was kept is not done again, and says what it said."""
    with Room(admin_of().url(database, cutter.folder)) as room:
        assert room.keep("first")
        room.runs = 0
        cutter.arm(when)

        assert room.keep("second")

        assert cutter.cuts == 1
        assert room.runs == runs
        assert room.names() == ["first", "second"]
        assert room.keep("third")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_mint_cut_at_any_commit_is_whole(
    database: str, cutter: Cutter, tmp_path: Path, room: Room, when: Literal["before", "after"]
) -> None:
    world = World(tmp_path / "home", store=room.place).begin()
    world.store = admin_of().url(database, cutter.folder)
    desk = world.desk()
    signer = desk.signer(START)
    number = 0
    for skip in (0, 1):  # the claims, or what is stored
        number += 1
        cutter.arm(when, skip)
        (passed,) = mint_all(desk, signer, [[Pair(record(number).canonical)]], clock=world.clock)
        assert [each.new for each in passed] == [True]

    assert cutter.cuts == 2
    assert desk.store.count_minted() == number
    assert desk.store.count_intents() == 0
    assert len([line for line in desk.store.signatures() if line.kind == "receipt"]) == number


def test_who_held_a_name_and_was_killed_holds_nothing(database: str, url: str, room: Room) -> None:
    with Store(url) as store, Store(url) as other:
        with store._engine.hold("jobs") as first, other._engine.hold("jobs") as second:
            assert (first, second) == (True, False)
            with other._engine.hold("another") as third:
                assert third
            kill_all(database)
            with other._engine.hold("jobs") as later:
                assert later
        with other._engine.hold("jobs") as again:
            assert again


def test_a_server_that_is_stopped_and_started_again_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of a bulk mint: no record twice, and none is lost."""
    needs("postgres")
    from registry.store import postgres_connection
    from tests.postgres import Server

    server = Server()
    try:
        with server.database(empty=True) as name:
            world = World(tmp_path / "home", store=server.url(name)).begin()
            desk = world.desk()

            def pages() -> Iterator[list[Pair]]:
                for page in range(6):
                    if page in (2, 4):
                        server.stop()
                        again = threading.Timer(0.3, server.start)
                        again.start()
                    yield [Pair(record(20 * page + n).canonical) for n in range(1, 21)]
                    if page in (2, 4):
                        again.join()

            passed = [
                each
                for page in mint_all(desk, desk.signer(START), pages(), clock=world.clock)
                for each in page
            ]

            assert len(passed) == 120
            assert all(each.new for each in passed)
            assert desk.store.count_minted() == 120
            assert desk.store.count_intents() == 0
            lines = [line.digest for line in desk.store.signatures() if line.kind == "receipt"]
            assert len(lines) == len(set(lines)) == 120

            server.stop()
            monkeypatch.setattr(postgres_connection, "PATIENCE", 0.2)
            refused("store.lost", desk.store.count_minted)
            refused("store.lost", lambda: mint(desk, desk.signer(START), [RECORD], at=START))
            server.start()
            desk.store.close()
    finally:
        with suppress(Exception):
            server.remove()


# -- more than one writer ----------------------------------------------------------


def together(works: list[Callable[[], None]]) -> None:
    """Do all of it at once, and raise what one raises."""
    errors: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not errors, errors


def until(true: Callable[[], bool]) -> None:
    """Wait for something that happens soon."""
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def waiting(database: str) -> bool:
    """Whether a back-end waits for the lock of another."""
    query = (
        f"SELECT 1 FROM pg_stat_activity WHERE datname = '{database}' AND wait_event_type = 'Lock'"
    )
    return bool(admin_of().admin(query))


def test_a_deadlock_is_done_again(database: str, url: str, room: Room) -> None:
    for name in "ab":
        room.keep(name)
    admin_of().admin(f"ALTER DATABASE {database} SET deadlock_timeout = '50ms'")
    meet = threading.Barrier(2, timeout=20)
    runs: list[str] = []

    def crossing(names: str) -> Callable[[], None]:
        with_store = Store(url)

        def work() -> None:
            runs.append(names)
            for place, name in enumerate(names):
                with_store._lock("SELECT name FROM meta WHERE name = :name", {"name": name})
                if place == 0 and len(runs) <= 2:
                    meet.wait()

        def run() -> None:
            with with_store:
                with_store._engine.write(work)

        return run

    together([crossing("ab"), crossing("ba")])

    assert len(runs) == 3


def test_a_place_is_not_claimed_while_its_head_moves(
    database: str, url: str, tmp_path: Path
) -> None:
    """Two writers at one head: who comes second sees that it has moved."""
    world = World(tmp_path / "home", store=url).begin()
    desk = world.desk()
    mint(desk, desk.signer(START), [RECORD], at=START)
    old = event_bytes(desk.store.find_head(SUBJECT, desk.registry))
    claims: list[Intent | None] = []
    moved = threading.Event()
    head = {"subject": SUBJECT, "signer_id": desk.registry, "event_id": bytes(32), "prev": old}

    def move() -> None:
        def work() -> None:
            assert desk.store._rows(sql.MOVE_HEAD, head)
            moved.set()
            until(lambda: waiting(database))

        desk.store._engine.write(work)

    def claim() -> None:
        moved.wait(10)
        with Store(url) as other:
            claims.append(other.claim(Intent(SUBJECT, old, START, b"x"), desk.registry))

    together([move, claim])

    assert claims == [None]
    assert desk.store.count_intents() == 0


def test_a_record_that_another_mints_meanwhile_is_not_claimed(
    database: str, url: str, tmp_path: Path
) -> None:
    world = World(tmp_path / "home", store=url).begin()
    desk = world.desk()
    (ours,) = desk.store.claim_mints([RECORD], at=START)
    claims: list[Intent | None] = []
    dropped = threading.Event()

    def mint_it() -> None:
        def work() -> None:
            head = {"subject": SUBJECT, "signer_id": desk.registry, "event_id": bytes(32)}
            desk.store._rows(sql.ADD_HEAD, head)
            desk.store._rows(sql.DROP_INTENT, {"subject": SUBJECT, "prev": NO_EVENT})
            dropped.set()
            until(lambda: waiting(database))

        desk.store._engine.write(work)

    def claim() -> None:
        dropped.wait(10)
        with Store(url) as other:
            claims.extend(other.claim_mints([RECORD], at=START.plus(seconds=9)))

    together([mint_it, claim])

    assert ours is not None
    assert claims == [None]
    assert desk.store.count_intents() == 0


def test_a_lock_that_is_not_let_go_is_named(url: str, room: Room) -> None:
    room.keep("a")
    with Store(url) as store, Store(url) as impatient:
        impatient._engine._db.execute("SET lock_timeout = '50ms'")  # type: ignore[attr-defined]

        def work() -> None:
            lock = ("SELECT name FROM meta WHERE name = :name", {"name": "a"})
            store._lock(*lock)
            refused("store.busy", lambda: impatient._engine.write(lambda: impatient._lock(*lock)))

        store._engine.write(work)


# -- reading -----------------------------------------------------------------------


def test_a_snapshot_is_of_one_moment_and_writes_nothing(url: str, room: Room) -> None:
    room.keep("a")
    with Store(url) as store:
        with store.snapshot():
            assert store.count_rows(BY_NAME["meta"]) == 1
            room.keep("b")
            assert [name for name, _ in store.stream("SELECT name, value FROM meta")] == ["a"]
            refused("store.readonly", lambda: insert(store))
        assert len(list(store.stream("SELECT name FROM meta"))) == 2


def insert(store: Store) -> None:
    """A write that is refused."""
    try:
        store._rows(sql.ADD_META, {"name": "c", "value": "x"})
    except StoreError:
        raise
    except Exception as error:
        from registry.store.postgres_connection import store_error

        raise store_error("x", error) from None  # type: ignore[arg-type]


def test_a_read_only_store_is_not_written_to(url: str, room: Room) -> None:
    with Room(url, read_only=True) as reading:
        refused("store.readonly", lambda: reading.keep("a"))
        assert reading.names() == []


def test_many_rows_are_copied_and_say_what_was_new(url: str, room: Room) -> None:
    rows = [{"name": f"n{n % 50}", "value": "x"} for n in range(100)]

    assert sorted(room._insert(sql.ADD_META, rows)) == sorted((f"n{n}",) for n in range(50))
    assert room._insert(sql.ADD_META, rows) == []
    assert len(room.names()) == 50


def test_inserts_of_other_columns_have_a_stage_of_their_own(url: str, room: Room) -> None:
    with Store(url) as store:
        row = {"act": "x", "key_id": "k", "reason": "r", "at": 1}
        store._insert(BY_NAME["acts"].insert, [row | {"seq": n} for n in range(100, 140)])
        store._insert(sql.ADD_ACT, [row] * 40)

        assert store._rows("SELECT count(*) FROM acts", {}) == [(80,)]


def test_many_are_deleted_by_one_statement(url: str, room: Room) -> None:
    places = [{"subject": f"{n:026}", "prev": bytes(n % 3)} for n in range(90)]
    with Store(url) as store:
        store._insert(sql.ADD_INTENT, [place | {"at": 1, "body": b""} for place in places])

        store._each(sql.DROP_INTENT, places[:60])
        store._each(sql.DROP_INTENT, places[58:70])

        assert store.count_intents() == 20
        claims = [place | {"body": b"", "at": 1 + n % 2} for n, place in enumerate(places[70:])]
        store._each(sql.DROP_CLAIM, [*claims, *claims])
        assert store.count_intents() == 10


def test_a_write_inside_another_is_refused(url: str, room: Room) -> None:
    with pytest.raises(StoreError) as caught:
        room.keep("a", lambda _: room._engine.write(lambda: None))

    assert caught.value.code == "store.error"
    assert room.names() == []


def test_a_held_name_leaves_no_row(url: str, room: Room) -> None:
    with Store(url) as store:
        with store._engine.hold("jobs"):
            assert store._rows("SELECT name FROM holds", {}) == [("jobs",)]
        assert store._rows("SELECT name FROM holds", {}) == []


def test_a_schema_made_by_somebody_with_the_right_is_used(database: str, url: str) -> None:
    """A role that may not make a schema is given one."""
    admin = admin_of()
    role = f"{database}_app"
    admin.admin(f"CREATE ROLE {role} LOGIN")
    theirs = url.replace("user=pith", f"user={role}")
    try:
        refused("store.readonly", lambda: Store(theirs, create=True))
        admin.admin(f"CREATE SCHEMA pith AUTHORIZATION {role}", database)
        Store(theirs, create=True).close()
        with Store(theirs) as store:
            assert not store.is_begun
    finally:
        admin.admin(f"DROP OWNED BY {role} CASCADE", database)
        admin.admin(f"DROP ROLE {role}")


def test_rows_of_another_store_are_numbered_on(url: str, room: Room) -> None:
    with Store(url) as store:
        row = {"act": "x", "key_id": "k", "reason": "r", "at": 1}
        store.fill(BY_NAME["acts"].insert, [row | {"seq": number} for number in (1, 2, 30)])
        store.add_act(ActRow("y", "k", "r", START))

        assert [act.act for act in store.acts()] == ["x", "x", "x", "y"]
        assert store._rows("SELECT max(seq) FROM acts", {}) == [(31,)]
        assert store._rows("SELECT sum(seq) FROM acts", {}) == [(64,)]
        assert type(store._rows("SELECT sum(seq) FROM acts", {})[0][0]) is int


def test_it_is_no_file_that_is_copied(url: str, room: Room, tmp_path: Path) -> None:
    with Store(url) as store, pytest.raises(UsageError) as caught:
        store.copy_to(tmp_path / "copy", lambda _, __: None)

    assert caught.value.code == "usage.store"


def test_a_broken_index_is_a_problem(database: str, url: str, room: Room) -> None:
    with Store(url) as store:
        assert store.problems() == []
        admin_of().admin(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'pith.meta_pkey'::regclass",
            database,
        )
        assert store.problems() == ["the index meta_pkey is not whole"]
