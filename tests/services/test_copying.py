"""A store is copied to another database, row for row, and one of the two signs."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from registry.errors import ConflictError, PithError, StoreError
from registry.services.backup import back_up, examine_copy
from registry.services.check import check_store
from registry.services.copying import PAGE, Copied, copy_store
from registry.services.desk import Desk
from registry.services.export import export_store, rows_of
from registry.services.mint import mint
from registry.store import sql
from registry.store.keeping import COPIED, REBUILT, RESTORED
from registry.store.store import Store
from registry.store.tables import BY_NAME, MARK_UNRECONCILED, TABLES
from tests.cli.lab import record
from tests.parts import needs
from tests.services.exchange import minted
from tests.services.filled import fill
from tests.services.registry import RECORD, World
from tests.services.test_check import stocked

Place = Path | str


@pytest.fixture(name="full", scope="module")
def _full(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A registry with something in every table."""
    world = stocked(tmp_path_factory.mktemp("full"))
    line = {"kind": "event", "digest": bytes(32), "key_id": "lab-v0", "at": 0}
    world.desk().store._rows(sql.ADD_RESTORED, line)
    return world


@pytest.fixture(name="url")
def _url() -> Iterator[str]:
    """An empty database on a server."""
    needs("postgres")
    from tests.postgres import server

    with server().database(empty=True) as name:
        yield server().url(name)


def copied(source: Place, target: Place, *, move: bool = False) -> Copied:
    with Store(source) as store, Store(target, create=True) as copy:
        return copy_store(store, copy, move=move, told=lambda done, total: None)


def stopped_after(pages: int, source: Place, target: Place, *, move: bool = False) -> None:
    """A copy that ends after so many pages were told of."""

    def told(done: int, total: int) -> None:
        nonlocal pages
        pages -= 1
        if not pages:
            raise KeyboardInterrupt

    with (
        Store(source) as store,
        Store(target, create=True) as copy,
        pytest.raises(KeyboardInterrupt),
    ):
        copy_store(store, copy, move=move, told=told)


def everything(place: Place) -> dict[str, list[Any]]:
    with Store(place, read_only=True) as store:
        return {table.name: list(rows_of(store, table)) for table in TABLES}


def digest_of(place: Place) -> str:
    out = io.BytesIO()
    with Store(place, read_only=True) as store:
        return export_store(store, out.write, lambda done, total: None).sha256


def at(world: World, place: Place) -> Desk:
    """The registry with its store at another place."""
    return Desk(replace(world.config, store=place), Store(place), world.key_store, world.clock)


def refused(code: str, place: Place, world: World) -> None:
    with pytest.raises(PithError) as caught:
        at(world, place).signer(world.clock())
    assert caught.value.code == code
    assert caught.value.hint


# -- copies ----------------------------------------------------------------------


def test_every_row_is_copied_and_the_copy_locked(full: World, tmp_path: Path) -> None:
    source, target = full.config.store, tmp_path / "copy.db"

    told = copied(source, target)

    wanted = everything(source)
    assert all(wanted.values())
    assert everything(target) == wanted
    assert told.sha256 == digest_of(source) == digest_of(target)
    with Store(target) as store:
        assert store.mark == COPIED
    refused("store.unreconciled", target, full)
    full.desk().signer(full.clock())


@pytest.mark.parametrize("mark", [RESTORED, REBUILT])
def test_a_copy_of_what_is_locked_is_locked_as_it_is(tmp_path: Path, mark: str) -> None:
    world = World(tmp_path / "home").begin()
    with Store(world.config.store) as store:
        store._rows(MARK_UNRECONCILED, {"value": mark})

    copied(world.config.store, tmp_path / "copy.db")

    with Store(tmp_path / "copy.db") as store:
        assert store.mark == mark


def test_to_a_server_and_back_nothing_is_lost(full: World, tmp_path: Path, url: str) -> None:
    there, back = copied(full.config.store, url), copied(url, tmp_path / "back.db")

    assert everything(url) == everything(full.config.store) == everything(tmp_path / "back.db")
    assert there.sha256 == back.sha256 == digest_of(url)
    found, wanted = (
        [(each.code, each.where) for each in check_store(desk, lambda _: None)]
        for desk in (at(full, tmp_path / "back.db"), full.desk())
    )
    assert found == wanted


@pytest.mark.parametrize("pages", [1, 2, 4])
def test_a_stopped_copy_is_locked_and_goes_on(tmp_path: Path, pages: int) -> None:
    world = World(tmp_path / "home").begin()
    desk = world.desk()
    fill(desk, 2 * PAGE + 7, at=world.clock())
    target = tmp_path / "copy.db"
    stopped_after(pages, world.config.store, target)
    refused("store.unfinished", target, world)
    before = sum(map(len, everything(target).values()))

    told = copied(world.config.store, target)

    assert 0 < before < told.rows
    assert everything(target) == everything(world.config.store)
    refused("store.unreconciled", target, world)


def test_an_unfinished_copy_is_carried_nowhere_as_a_whole_one(tmp_path: Path) -> None:
    world = World(tmp_path / "home").begin()
    fill(world.desk(), 2 * PAGE, at=world.clock())
    part, to = tmp_path / "copy.db", tmp_path / "to.db"
    stopped_after(3, world.config.store, part)

    for carry in (
        lambda: copied(part, to),
        lambda: digest_of(part),
        lambda: back_up(Store(part), tmp_path / "backup.db", lambda done, total: None),
        lambda: examine_copy(part),
    ):
        with pytest.raises(StoreError) as caught:
            carry()
        assert caught.value.code == "store.unfinished"
    assert not (tmp_path / "backup.db").exists()


def test_what_changed_between_two_runs_is_copied_again(tmp_path: Path) -> None:
    world = World(tmp_path / "home").begin()
    desk = world.desk()
    fill(desk, PAGE + 7, at=world.clock())
    target = tmp_path / "copy.db"
    stopped_after(8, world.config.store, target)
    first = next(iter(desk.store.records()))
    later = world.clock.move(3600)
    with Store(target) as copy:
        assert copy.last_key(BY_NAME["heads"]) is not None
    mint(desk, desk.signer(later), [record(number) for number in range(90_000, 90_005)], at=later)
    place = {"subject": first.number.suffix, "signer_id": desk.registry}
    (head,) = desk.store._first(sql.HEAD, place) or (b"",)
    desk.store._rows(sql.MOVE_HEAD, place | {"event_id": b"\1" * 32, "prev": head})

    copied(world.config.store, target)

    assert everything(target) == everything(world.config.store)


def test_nothing_else_is_overwritten(full: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other").begin(seed=bytes(range(100, 132)))
    before = everything(other.config.store)
    with pytest.raises(ConflictError) as caught:
        copied(full.config.store, other.config.store)
    assert caught.value.code == "store.exists"
    assert everything(other.config.store) == before

    fill(other.desk(), PAGE + 1, at=other.clock())
    stopped_after(2, other.config.store, tmp_path / "copy.db")
    with pytest.raises(ConflictError) as caught:
        copied(full.config.store, tmp_path / "copy.db")
    assert caught.value.code == "store.exists"

    copied(full.config.store, tmp_path / "whole.db")
    with pytest.raises(ConflictError) as caught:
        copied(full.config.store, tmp_path / "whole.db")
    assert caught.value.code == "store.exists"


def test_rows_that_are_not_read_back_as_they_were_are_refused(full: World, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    Store(target, create=True).close()
    apsw.Connection(str(target)).execute(
        "CREATE TRIGGER liar AFTER INSERT ON keys BEGIN "
        "UPDATE keys SET uri = 'file:elsewhere' WHERE key_id = new.key_id; END"
    )

    with pytest.raises(StoreError) as caught:
        copied(full.config.store, target)

    assert caught.value.code == "copy.differs"
    refused("store.unfinished", target, full)


# -- moves -----------------------------------------------------------------------


def test_after_a_move_the_copy_signs_and_the_source_never_again(tmp_path: Path) -> None:
    world = World(tmp_path / "home").begin()
    desk = world.desk()
    minted(desk, at=world.clock())
    target = tmp_path / "new.db"

    copied(world.config.store, target, move=True)

    refused("store.moved", world.config.store, world)
    target.rename(tmp_path / "renamed.db")
    with pytest.raises(ConflictError) as caught:  # the same command again, out of the history
        copied(world.config.store, target, move=True)
    assert caught.value.code == "store.locked"
    new = at(world, tmp_path / "renamed.db")
    mint(new, new.signer(world.clock.move(1)), [record(2)], at=world.clock())
    assert new.store.count_minted() == 2
    assert [each.code for each in check_store(new, lambda _: None)] == []


def test_what_is_under_way_in_the_source_is_not_kept_and_signed_alike_in_the_copy(
    tmp_path: Path,
) -> None:
    world = World(tmp_path / "home").begin()
    desk = world.desk()
    signer, before = desk.signer(world.clock()), world.clock()
    desk.store.claim_mints([RECORD], at=before)
    target = tmp_path / "new.db"

    copied(world.config.store, target, move=True)
    with pytest.raises(StoreError) as caught:
        mint(desk, signer, [RECORD], at=world.clock.move(5))
    new = at(world, target)
    mint(new, new.signer(world.clock()), [RECORD], at=world.clock.move(5))

    assert caught.value.code == "store.unreconciled"
    assert desk.store.count_minted() == 0
    (event,) = new.store.events_of(RECORD.number.suffix)
    assert event.body.created_at == before.whole


def test_a_locked_store_is_not_moved_and_no_store_twice(full: World, tmp_path: Path) -> None:
    copied(full.config.store, tmp_path / "locked.db")
    with pytest.raises(ConflictError) as caught:
        copied(tmp_path / "locked.db", tmp_path / "2.db", move=True)
    assert caught.value.code == "store.locked"

    world = World(tmp_path / "home").begin()
    fill(world.desk(), PAGE + 1, at=world.clock())
    stopped_after(2, world.config.store, tmp_path / "new.db", move=True)
    refused("store.moved", world.config.store, world)
    refused("store.unfinished", tmp_path / "new.db", world)
    with pytest.raises(ConflictError) as caught:
        copied(world.config.store, tmp_path / "third.db", move=True)
    assert caught.value.code == "store.locked"
    copied(world.config.store, tmp_path / "new.db", move=True)
    at(world, tmp_path / "new.db").signer(world.clock())
    refused("store.moved", world.config.store, world)


def test_a_store_that_moved_to_a_server_numbers_on(tmp_path: Path, url: str) -> None:
    world = World(tmp_path / "home").begin()
    minted(world.desk(), at=world.clock())

    copied(world.config.store, url, move=True)

    new = at(world, url)
    mint(new, new.signer(world.clock.move(1)), [record(2), record(3)], at=world.clock())
    assert new.store.count_minted() == 3
    assert [each.code for each in check_store(new, lambda _: None)] == []
