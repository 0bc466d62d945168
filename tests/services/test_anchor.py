"""Anchors at the services: the night before a theft, and the day after."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from registry.app import now
from registry.config import Tsa as TsaConfig
from registry.errors import ConflictError, VerificationError
from registry.protocol.checks import Report
from registry.protocol.evidence import Checkpoint, Proof
from registry.protocol.trust import KeySetPin, Terms
from registry.services import anchor
from registry.services.anchor import add_checkpoints, authorities_of, proofs_of
from registry.services.bundle import build_bundle
from registry.services.desk import Desk
from registry.services.distrust import choose_heir, compromised_body, distrust
from registry.services.mint import mint
from registry.services.recovery import enact_recovery_key, recovery_key, with_recovery_key
from registry.services.verify import examine
from tests.cli.lab import record
from tests.parts import needs
from tests.services.registry import RECORD, Clock, World
from tests.timestamp.authority import Tsa

LATER = record(2)


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> World:
    """A registry at the real time, which is the authority's."""
    return World(tmp_path / "home", clock=Clock(now())).begin()


@contextmanager
def asking(world: World, tmp_path: Path) -> Iterator[Desk]:
    """The registry, open, with an authority that answers."""
    needs("openssl")
    tsa = Tsa(tmp_path / "tsa")
    desk = world.desk()
    with tsa.served() as url:
        yield replace(desk, config=replace(desk.config, tsa=TsaConfig(url, tsa.root, 5)))


@pytest.fixture(name="desk")
def _desk(world: World, tmp_path: Path) -> Iterator[Desk]:
    with asking(world, tmp_path) as desk:
        yield desk


def minted(desk: Desk, each: object = RECORD) -> None:
    mint(desk, desk.signer(desk.clock()), [each], at=desk.clock())  # type: ignore[list-item]


def rob(world: World, desk: Desk) -> None:
    """The key is stolen a minute from now, which is found out another minute later."""
    row = recovery_key(desk, world.keys, key_id=None, seed=bytes([7]) * 32, at=desk.clock())
    body = with_recovery_key(desk, row, threshold=1, at=desk.clock())
    enact_recovery_key(desk, body, row, at=desk.clock())
    stolen, since, at = desk.active_key().key_id, world.clock.move(60), world.clock.move(60)
    seeds = iter((bytes([8]) * 32, bytes([9]) * 32))
    heir = choose_heir(desk, stolen, world.keys, named=None, new_seed=lambda: next(seeds), at=at)
    new = compromised_body(desk, stolen, heir, since=since, reason="gone", threshold=None, at=at)
    distrust(desk, new, stolen, reason="gone", at=at)


def as_a_stranger(desk: Desk, data: bytes, *proofs: Proof) -> Report:
    terms = Terms((KeySetPin(desk.keyset(), "a test"),), desk.clock())
    return examine(data, terms, proofs=proofs, authorities=authorities_of(desk))


def test_what_the_night_before_dated_is_served_the_day_after(world: World, desk: Desk) -> None:
    minted(desk)
    (proof,) = add_checkpoints(desk, at=desk.clock())
    world.clock.move(30)
    minted(desk, LATER)
    rob(world, desk)

    bundle = build_bundle(desk, desk.signer(desk.clock()), RECORD, at=world.clock.move(1))
    report = as_a_stranger(desk, bundle.to_bytes(), proof)
    assert report.ok
    assert [each.verdict for each in report.verdicts] == ["proven", "proven", "valid"]
    assert list(proofs_of(desk, RECORD)) == [proof]
    assert not as_a_stranger(desk, bundle.to_bytes()).ok
    with pytest.raises(VerificationError) as caught:
        build_bundle(desk, desk.signer(desk.clock()), LATER, at=world.clock.move(1))
    assert caught.value.code == "trust.verdicts"


def test_what_is_dated_after_the_theft_stays_unproven(tmp_path: Path) -> None:
    """The authority's clock is the real one: this registry was robbed minutes ago."""
    world = World(tmp_path / "home", clock=Clock(now().plus(seconds=-300))).begin()
    with asking(world, tmp_path) as desk:
        minted(desk)
        rob(world, desk)
        assert len(list(add_checkpoints(desk, at=desk.clock()))) == 1
        with pytest.raises(VerificationError) as caught:
            build_bundle(desk, desk.signer(desk.clock()), RECORD, at=world.clock.move(1))

    assert caught.value.code == "trust.verdicts"
    assert "anchor.late" in caught.value.message


def test_a_day_of_many_documents_is_several_lists(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    mint(desk, desk.signer(desk.clock()), [record(i) for i in range(1, 6)], at=desk.clock())
    monkeypatch.setattr(anchor, "MAX_DOCUMENTS", 2)
    proofs = list(add_checkpoints(desk, at=desk.clock()))

    lists = [proof.checkpoint.documents for proof in proofs if proof.checkpoint is not None]
    assert [len(documents) for documents in lists] == [2, 2, 1]
    assert len({name for documents in lists for name, _ in documents}) == 5
    assert list(add_checkpoints(desk, at=desk.clock())) == []


def test_two_runs_at_once_keep_one_of_two_lists(world: World, desk: Desk) -> None:
    minted(desk)
    other = world.desk()
    (listed,) = desk.store.undated(10)
    first = next(iter(add_checkpoints(desk, at=desk.clock())))
    late = Checkpoint(desk.registry, "2026-01-01", (listed,))

    with pytest.raises(ConflictError) as caught:
        other.store.add_checkpoint(late, first.anchor, at=desk.clock())
    assert caught.value.code == "checkpoint.dated"
    assert other.store.checkpoints_of(RECORD.number.suffix) == [first]
    assert other.store.undated(10) == []
