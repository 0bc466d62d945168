"""Registries that exchange bundles: the one of the tests, a thief of its key, and strangers."""

from dataclasses import replace
from pathlib import Path

from registry.protocol.bundle import Bundle
from registry.protocol.event import Event
from registry.protocol.instant import Instant
from registry.protocol.keyset import KeySet
from registry.protocol.keyset_chain import verify_chain
from registry.protocol.record import Record
from registry.protocol.trust import KeySetPin, Pin, Terms
from registry.services.append import add_graph_snapshot
from registry.services.bundle import build_bundle
from registry.services.desk import Desk
from registry.services.importing import Taken, Verifier, import_bundle
from registry.services.mint import mint
from registry.services.reconcile import RECONCILED
from registry.services.restore import restore_home
from registry.signing.memory import MemoryKeyStore
from registry.store.rows import ActRow, QuarantineRow
from tests.services.registry import RECORD, World, paper


def minted(desk: Desk, *, at: Instant, record: Record = RECORD) -> Event:
    """The record_created of a record minted at *at*."""
    mint(desk, desk.signer(at), [record], at=at)
    head = desk.store.find_head(record.number.suffix, desk.registry)
    event = desk.store.find_event(head or "")
    assert event is not None
    return event


def snapshot(desk: Desk, headline: str, *, at: Instant) -> Event:
    """A snapshot of `RECORD` signed at *at*."""
    event, new = add_graph_snapshot(desk, desk.signer(at), RECORD, paper(headline), at=at)
    assert new
    return event


def bundle(desk: Desk, *, at: Instant, record: Record = RECORD) -> Bundle:
    """The bundle of a record, built at *at*."""
    return build_bundle(desk, desk.signer(at), record, at=at)


def pin_of(desk: Desk) -> KeySetPin:
    """A desk's own key set as a pin."""
    return KeySetPin(desk.keyset(), "the test's own key set")


def verifier(desk: Desk, *pins: Pin, at: Instant | None = None) -> Verifier:
    """What the home of *desk* examines imports under."""
    return Verifier(Terms((*pins, pin_of(desk)), at or desk.clock()))


def taken(desk: Desk, found: Bundle | bytes, *pins: Pin, at: Instant | None = None) -> Taken:
    """Import a bundle from a file called ``b.json``."""
    data = found if isinstance(found, bytes) else found.to_bytes()
    return import_bundle(desk, verifier(desk, *pins, at=at), "b.json", data)


def apart(desk: Desk) -> list[QuarantineRow]:
    """What the home keeps apart."""
    return list(desk.store.quarantined())


def restored(world: World, home: Path, *keysets: KeySet) -> World:
    """The registry of *world* in an empty home, made anew from its key sets, with its keys
    within reach, and its lock opened: what it holds shows in what is signed."""
    anew = replace(world, home=home, store=None)
    desk = world.desk()
    chain = verify_chain(keysets or desk.store.list_keysets())
    restore_home(home, anew.config, chain, at=world.clock())
    store = anew.desk().store
    for row in desk.store.list_keys():
        store.add_key(row)
    entry = desk.keyset().body.entries[0]
    store.mark_reconciled(desk.registry, ActRow(RECONCILED, entry.key_id, "a test", world.clock()))
    return anew


def elsewhere(home: Path, seed: bytes = bytes(range(64, 96))) -> World:
    """Another registry, with a key of its own."""
    name = "elsewhere.example"
    return World(home, MemoryKeyStore(name), name=name).begin(seed=seed)
