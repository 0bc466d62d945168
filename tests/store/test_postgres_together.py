"""Several connections to one PostgreSQL at the same moment, and servers set up by others."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from registry.errors import ConflictError, PithError, StoreError
from registry.protocol.instant import Instant
from registry.protocol.keyset_acts import active_entry, announce
from registry.services import reissue_plan
from registry.services.bundle import build_bundle
from registry.services.enact import row_of
from registry.services.keys import key_object
from registry.services.mint import mint
from registry.services.reissue_plan import plan_reissue
from registry.services.reissue_run import run
from registry.signing.documents import sign_keyset
from registry.store import job_sql
from registry.store.base import written
from registry.store.rows import ActRow
from registry.store.store import Store
from tests.cli.lab import record
from tests.parts import needs
from tests.services.registry import RECORD, START, World
from tests.services.reissued import rotate, signers


@pytest.fixture(name="database")
def _database() -> Iterator[str]:
    """The name of an empty database."""
    needs("postgres")
    from tests.postgres import server

    with server().database(empty=True) as name:
        yield name


def admin(statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
    """Run a statement beside the store."""
    from tests.postgres import server

    return server().admin(statement, database)


@pytest.fixture(name="url")
def _url(database: str) -> str:
    from tests.postgres import server

    return server().url(database)


@pytest.fixture(name="world")
def _world(url: str, tmp_path: Path) -> World:
    return World(tmp_path / "home", store=url).begin()


class Sharing(Store):
    """One that keeps what was signed, slowly."""

    @written
    def share(self) -> None:
        """Hold the lock that everybody who keeps a signature shares."""
        self._lock_signing(shared=True)
        time.sleep(0.05)


def test_a_key_is_stopped_however_many_are_minting(world: World, url: str) -> None:
    """The lock that minters share is never free: who stops a key gets it all the same."""
    ended = threading.Event()

    def minter() -> None:
        with Sharing(url) as store:
            while not ended.is_set():
                store.share()

    minters = [threading.Thread(target=minter) for _ in range(8)]
    for each in minters:
        each.start()
    time.sleep(0.3)
    stopped = threading.Thread(target=stop, args=(url,))
    stopped.start()
    stopped.join(3)
    in_time = not stopped.is_alive()
    ended.set()
    for each in [*minters, stopped]:
        each.join(60)

    assert in_time
    assert world.desk().store.is_stopped("key-x")


def stop(url: str) -> None:
    """Stop a key by a connection of its own."""
    with Store(url) as store:
        store.add_act(ActRow("stopped", "key-x", "a test", START))


def test_what_is_staged_while_its_job_is_given_up_is_destroyed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reissue_plan, "SHARD", 3)
    desk = world.desk()
    mint(desk, desk.signer(START), [record(n) for n in range(1, 7)], at=START)
    old, _ = rotate(desk, lambda: world.clock.move(60))
    job = plan_reissue(desk, old, "rotation", at=desk.clock())
    staged, freezing = threading.Event(), threading.Event()

    class Slow(Store):
        def _rows(self, statement: str, values: Any) -> Any:
            found = super()._rows(statement, values)
            if statement is job_sql.RUN_SO_FAR:
                staged.set()
                freezing.wait(10)
                time.sleep(0.3)
            return found

    def sign() -> None:
        slow = world.desk(Slow)
        for _ in run(slow, slow.signer(slow.clock()), job, clock=slow.clock, limit=3):
            pass

    signing = threading.Thread(target=sign)
    signing.start()
    assert staged.wait(20)
    new = desk.store.add_job(at=desk.clock())
    freezing.set()
    desk.store.freeze_job(new, b"{}", bytes(32), abandoned=job.job, at=desk.clock())
    signing.join(20)

    assert [each.state for each in desk.store.list_jobs()] == ["abandoned", "planned"]
    assert desk.store.count_staged(job.job) == 0
    assert desk.store.undocumented() == []


@pytest.mark.parametrize(
    "name",
    [
        "statement_timeout",
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
        "transaction_timeout",
    ],
)
def test_a_timeout_of_the_server_lets_go_of_nothing(
    database: str, url: str, world: World, name: str
) -> None:
    if not admin(f"SELECT 1 FROM pg_settings WHERE name = '{name}'"):
        pytest.skip(f"this server has no {name}")
    admin(f"ALTER DATABASE {database} SET {name} = '150ms'")
    with Store(url) as store, Store(url) as other:
        with store._engine.hold("jobs") as first, store.snapshot():
            time.sleep(0.4)
            with other._engine.hold("jobs") as second:
                assert (first, second) == (True, False)
            assert store.registry == world.name
        store._rows("SELECT pg_sleep(0.4)", {})
        assert other.registry == world.name


@pytest.mark.parametrize("encoding", ["latin1", "SQL_ASCII", "sjis"])
def test_an_encoding_of_the_client_changes_no_text(
    world: World, url: str, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", encoding)
    for place in (url, f"{url}&client_encoding={encoding}"):
        with Store(place) as store:
            store.add_act(ActRow("a test", "key-x", "größer 日本 €", START))
            assert store.acts()[-1].reason == "größer 日本 €"


@pytest.mark.parametrize(
    "made",
    [
        "CREATE TABLE pith.made (x int)",
        "CREATE TABLE pith.made (by text, schema text)",
        "CREATE TABLE pith.made AS SELECT 'pith' AS by, 'one' AS schema",
    ],
)
def test_a_schema_that_looks_like_ours_is_left_alone(database: str, url: str, made: str) -> None:
    admin(f"CREATE SCHEMA pith; {made}", database)

    with pytest.raises(StoreError) as caught:
        Store(url, create=True)

    assert caught.value.code == "store.foreign"
    assert admin("SELECT count(*) FROM pg_tables WHERE schemaname = 'pith'", database) == [(1,)]


def test_a_role_without_rights_is_told(database: str, url: str, world: World) -> None:
    role = f"{database}_low"
    admin(f"CREATE ROLE {role} LOGIN")
    try:
        with pytest.raises(StoreError) as caught:
            Store(url.replace("user=pith", f"user={role}"))
    finally:
        admin(f"DROP ROLE {role}")

    assert caught.value.code == "store.readonly"
    assert "permission denied for schema pith" in caught.value.message


def moving(world: World) -> Callable[[Path | str], Store]:
    """A store that is moved to another place right before a change of keys takes its lock."""

    class Moved(Store):
        def _lock_signing(self, *, shared: bool = False) -> None:
            with Store(world.config.store) as other:
                Store.begin_move(other, "sqlite:elsewhere")
            super()._lock_signing(shared=shared)

    return Moved


def test_no_key_set_is_kept_in_a_store_that_was_moved(world: World) -> None:
    desk = world.desk(moving(world))

    with pytest.raises(StoreError) as caught:
        rotate(desk, lambda: world.clock.move(60))

    assert caught.value.code == "store.unreconciled"
    assert len(desk.store.list_keysets()) == 1


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda store, key_id, at: store.begin_move("sqlite:elsewhere"), "store.unreconciled"),
        (
            lambda store, key_id, at: store.add_act(ActRow("stopped", key_id, "a test", at)),
            "key.stopped",
        ),
    ],
)
def test_no_bundle_is_kept_of_a_key_that_signs_no_more(
    tmp_path: Path, act: Callable[[Store, str, Instant], None], error: str
) -> None:
    desk = World(tmp_path / "home").begin().desk()
    signer = desk.signer(START)
    mint(desk, signer, [RECORD], at=START)
    build_bundle(desk, signer, RECORD, at=START)
    act(desk.store, signer.key_id, START)

    with pytest.raises(PithError) as caught:
        build_bundle(desk, signer, RECORD, at=START.plus(seconds=1))

    assert caught.value.code == error
    assert desk.store._rows("SELECT count(*) FROM bundles", {}) == [(1,)]


def test_of_four_key_sets_at_once_one_is_kept(world: World) -> None:
    """The same step, signed at four times, kept by four connections at the same moment."""
    desk = world.desk()
    old = desk.keyset()
    active = active_entry(old.body)
    assert active is not None
    heir = row_of(desk, active.successor_key_sha256)
    assert heir is not None
    found: list[str] = []
    meet = threading.Barrier(4, timeout=20)
    key = key_object(desk.config, heir.key_id, heir.public_key, heir.created_at)

    def step(at: Instant) -> None:
        other = world.desk()
        body = announce(old.body, key, successor=None, at=at)
        keyset = sign_keyset(signers(other, active.key_id, heir.key_id), body)
        act = ActRow("announce", heir.key_id, "a test", at)
        meet.wait()
        try:
            other.store.replace_keyset(keyset, old=old.body, act=act)
            found.append("kept")
        except ConflictError as error:
            found.append(error.code)

    steps = [threading.Thread(target=step, args=(world.clock.move(60),)) for _ in range(4)]
    for each in steps:
        each.start()
    for each in steps:
        each.join(60)

    assert sorted(found) == ["kept", *["keyset.moved"] * 3]
    assert [keyset.body.version for keyset in desk.store.list_keysets()] == [1, 2]
    assert desk.store.undocumented() == []
