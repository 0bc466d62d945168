"""The store: insert once, compare and swap, and claims, on real files and two connections."""

from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from registry.errors import ConflictError, StoreError
from registry.protocol.keys import PublicKey
from registry.services.append import add_graph_snapshot
from registry.services.bundle import build_bundle
from registry.services.desk import Desk
from registry.services.mint import event_line, mint
from registry.signing.documents import sign_event
from registry.signing.signer import public_key_of
from registry.store import job_sql, sql
from registry.store.packing import unpack
from registry.store.rows import NO_EVENT, Intent, KeyRow, event_bytes
from registry.store.store import Store
from tests.cli.lab import record
from tests.services.registry import RECORD, START, World, paper

SUBJECT = RECORD.number.suffix


@pytest.fixture(name="world")
def _world(tmp_path: Path, store_url: str | None) -> World:
    return World(tmp_path / "home", store=store_url).begin()


@pytest.fixture(name="desk")
def _desk(world: World) -> Desk:
    return world.desk()


@pytest.fixture(name="store")
def _store(desk: Desk) -> Store:
    return desk.store


@pytest.fixture(name="other")
def _other(world: World) -> Store:
    """A second connection."""
    return Store(world.config.store)


# -- what it is ----------------------------------------------------------------


def _exchange(store: Store, table: str, column: str) -> None:
    """Give the documents of two rows to each other."""
    pairs = store._rows(f"SELECT {column}, body FROM {table} ORDER BY {column}", {})
    for (key, _), (_, body) in zip(pairs, reversed(pairs), strict=True):
        store._rows(
            f"UPDATE {table} SET body = :body WHERE {column} = :key", {"body": body, "key": key}
        )


def test_another_document_in_a_row_is_damage_and_never_given_out(desk: Desk) -> None:
    store = desk.store
    mint(desk, desk.signer(START), [RECORD, record(2)], at=START)
    event_id = store.events_of(SUBJECT)[0].event_id
    _exchange(store, "records", "suffix")
    _exchange(store, "events", "event_id")

    for ask in (
        lambda: store.find_record(SUBJECT),
        lambda: store.records_by_prefix(SUBJECT[:8], 2)[0].record(),
        lambda: store.records_by_source("arxiv", RECORD.source.id)[0].record(),
        lambda: list(store.records()),
        lambda: store.find_event(event_id),
        lambda: store.events_of(SUBJECT),
    ):
        with pytest.raises(StoreError) as caught:
            ask()

        assert caught.value.code == "store.damaged"


def test_a_store_is_begun_once(store: Store, desk: Desk) -> None:
    row = KeyRow("other-1", public_key_of(bytes(32)), "registry", "memory:", START)

    with pytest.raises(ConflictError) as caught:
        store.begin("other.example", [row], desk.keyset())

    assert caught.value.code == "store.begun"
    assert store.registry == "lab.example"
    assert len(store.list_keys()) == 2


def test_keys_are_kept_once_by_id_and_by_value(store: Store) -> None:
    def row(key_id: str, seed: bytes) -> KeyRow:
        return KeyRow(key_id, public_key_of(seed), "registry", "memory:", START)

    assert store.add_key(row("spare-1", bytes(32)))
    assert not store.add_key(row("spare-1", b"\1" * 32))
    assert not store.add_key(row("spare-2", bytes(32)))
    assert [each.key_id for each in store.list_keys()] == [
        "lab-v1-2026-06",
        "lab-v2-2026-06",
        "spare-1",
    ]
    assert isinstance(store.list_keys()[2].public_key, PublicKey)


# -- exact bytes ---------------------------------------------------------------


def test_documents_are_kept_as_the_bytes_that_were_signed(world: World, desk: Desk) -> None:
    mint(desk, desk.signer(desk.clock()), [RECORD], at=START)
    event, _ = add_graph_snapshot(
        desk, desk.signer(desk.clock()), RECORD, paper("ünï\U0001f600"), at=world.clock.move(1)
    )
    bundle = build_bundle(desk, desk.signer(desk.clock()), RECORD, at=world.clock.move(1))
    raw = Store(world.config.store)

    assert stored(raw, "SELECT body FROM records") == [RECORD.canonical]
    assert stored(raw, "SELECT body FROM events ORDER BY seq")[1] == event.canonical
    assert stored(raw, "SELECT body FROM bundles") == [bundle.to_bytes()]
    assert desk.store.find_event(event.event_id) == event
    assert desk.store.find_event("sha256:" + "0" * 64) is None
    assert desk.store.find_record(SUBJECT) == RECORD
    assert desk.store.find_record("A" * 26) is None
    assert not desk.store.add_bundle(bundle)


def stored(store: Store, statement: str) -> list[bytes]:
    """Documents that a statement gives, as they were signed."""
    return [unpack(body) for (body,) in store._rows(statement, {})]


# -- claims --------------------------------------------------------------------


def test_the_first_claim_stands_for_both_connections(store: Store, other: Store) -> None:
    (first,) = store.claim_mints([RECORD], at=START)
    (second,) = other.claim_mints([RECORD], at=START.plus(seconds=60))

    assert first == second == Intent(SUBJECT, NO_EVENT, START, b"")
    assert other.count_intents() == 1
    assert other.intents() == [first]


def test_a_minted_record_is_not_claimed(desk: Desk, other: Store) -> None:
    mint(desk, desk.signer(desk.clock()), [RECORD], at=START)

    assert other.claim_mints([RECORD, record(2)], at=START) == [
        None,
        Intent(record(2).number.suffix, NO_EVENT, START, b""),
    ]


def test_a_claim_after_a_head_that_moved_is_refused(world: World, desk: Desk, other: Store) -> None:
    mint(desk, desk.signer(desk.clock()), [RECORD], at=START)
    old = event_bytes(desk.store.find_head(SUBJECT, desk.registry))
    add_graph_snapshot(desk, desk.signer(desk.clock()), RECORD, paper(), at=world.clock.move(1))
    new = event_bytes(desk.store.find_head(SUBJECT, desk.registry))

    assert other.claim(Intent(SUBJECT, old, START, b"x"), desk.registry) is None
    assert other.claim(Intent(SUBJECT, NO_EVENT, START, b"x"), desk.registry) is None
    assert other.count_intents() == 0
    claim = Intent(SUBJECT, new, START, b"x")
    assert other.claim(claim, desk.registry) == claim
    later = Intent(SUBJECT, new, START.plus(seconds=9), b"y")
    assert desk.store.claim(later, desk.registry) == claim


def test_an_interrupted_claim_is_durable(world: World, store: Store) -> None:
    store.claim_mints([RECORD], at=START)
    store.close()

    assert Store(world.config.store).count_intents() == 1


# -- heads ---------------------------------------------------------------------


def test_one_of_two_events_after_one_head_is_kept(world: World, desk: Desk) -> None:
    mint(desk, desk.signer(desk.clock()), [RECORD], at=START)
    event, _ = add_graph_snapshot(
        desk, desk.signer(desk.clock()), RECORD, paper("one"), at=world.clock.move(1)
    )
    # What an attacker or a bug would do: another event with the same prev_event.
    at = world.clock.move(1)
    rival = sign_event(
        desk.signer(desk.clock()),
        replace(event.body, created_at=at.whole, supersedes=()),
        signed_at=at,
    )
    before = list(desk.store.signatures())

    with pytest.raises(ConflictError) as caught:
        Store(world.config.store).add_own_events([(rival, [event_line(rival)])])

    assert caught.value.code == "event.head"
    assert desk.store.find_event(rival.event_id) is None
    assert desk.store.find_head(SUBJECT, desk.registry) == event.event_id
    assert list(desk.store.signatures()) == before


def test_an_event_again_is_not_new_and_moves_nothing(world: World, desk: Desk) -> None:
    mint(desk, desk.signer(desk.clock()), [RECORD], at=START)
    (created,) = desk.store.events_of(SUBJECT)
    add_graph_snapshot(desk, desk.signer(desk.clock()), RECORD, paper(), at=world.clock.move(1))
    head = desk.store.find_head(SUBJECT, desk.registry)

    assert desk.store.add_own_events([(created, [])]) == [False]
    assert desk.store.find_head(SUBJECT, desk.registry) == head
    assert len(desk.store.events_of(SUBJECT)) == 2


def test_a_batch_is_kept_whole_or_not_at_all(world: World, desk: Desk) -> None:
    other_world = World(world.home.parent / "other").begin()
    theirs = other_world.desk()
    mint(theirs, theirs.signer(theirs.clock()), [RECORD, record(2)], at=START)
    mint(desk, desk.signer(desk.clock()), [record(2)], at=START.plus(seconds=5))
    events = [theirs.store.events_of(r.number.suffix)[0] for r in (RECORD, record(2))]

    with pytest.raises(ConflictError):
        desk.store.add_own_events([(event, [event_line(event)]) for event in events])

    assert desk.store.events_of(SUBJECT) == []
    assert desk.store.count_minted() == 1


# -- the rest ------------------------------------------------------------------


def test_the_last_signature_is_the_latest_and_not_the_last_inserted(
    world: World, desk: Desk
) -> None:
    signer = desk.signer(START)
    mint(desk, signer, [RECORD], at=START.plus(days=1))
    mint(desk, signer, [record(2)], at=START)

    assert desk.store.last_signed_at() == START.plus(days=1)


def test_a_sound_database_is_sound(store: Store) -> None:
    store.check_database()


def test_a_writer_that_holds_the_file_is_waited_for_and_named(tmp_path: Path) -> None:
    world = World(tmp_path / "home").begin()
    holder = apsw.Connection(str(world.config.store_path))
    holder.execute("BEGIN IMMEDIATE")
    impatient = Store(world.config.store)
    impatient._engine._db.set_busy_timeout(50)

    with pytest.raises(StoreError) as caught:
        impatient.claim_mints([RECORD], at=START)

    assert caught.value.code == "store.busy"
    assert caught.value.hint
    holder.execute("ROLLBACK")
    holder.close()
    assert impatient.claim_mints([RECORD], at=START)[0] is not None


def test_a_closed_store_says_so(world: World) -> None:
    store = Store(world.config.store)
    store.close()

    with pytest.raises(StoreError):
        store.count_minted()


def test_every_statement_is_one_that_a_real_database_takes(store: Store) -> None:
    statements = {
        name: text
        for name, text in (vars(sql) | vars(job_sql)).items()
        if name.isupper() and isinstance(text, str)
    }

    assert len(statements) > 20
    for name, text in statements.items():
        store._rows("EXPLAIN " + text, _Anything()), name


def test_no_statement_scans_the_table_of_records(tmp_path: Path) -> None:
    store = World(tmp_path / "home").begin().desk().store
    for text in (
        sql.RECORD,
        sql.RECORDS_BY_PREFIX,
        sql.RECORDS_BY_SOURCE,
        sql.EVENTS_OF,
        sql.EVENT,
        sql.HEAD,
        sql.HEADED,
        sql.INTENT,
    ):
        plan = store._rows("EXPLAIN QUERY PLAN " + text, _Anything())
        assert not [row for row in plan if str(row[-1]).startswith("SCAN")], plan


class _Anything(dict[str, object]):
    """Any named value of a statement."""

    def __missing__(self, key: str) -> object:
        return {"count": 1, "version": 1, "built_at": 1}.get(key)
