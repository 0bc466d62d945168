"""Bundle: what strangers verify with the key set alone."""

import json

import pytest

from registry.errors import PithError
from registry.protocol.bundle_checks import examine_bundle
from registry.protocol.trust import KeySetPin, Terms
from registry.services.append import add_graph_snapshot
from registry.services.bundle import build_bundle, build_state
from registry.services.desk import Desk
from registry.services.mint import mint
from registry.services.verify import examine
from tests.cli.lab import record
from tests.services.registry import RECORD, START, World, paper


@pytest.fixture(name="stocked")
def _stocked(world: World, desk: Desk) -> Desk:
    mint(desk, desk.signer(desk.clock()), [RECORD], at=START)
    add_graph_snapshot(desk, desk.signer(desk.clock()), RECORD, paper(), at=world.clock.move(5))
    return desk


def test_a_bundle_passes_every_check_under_the_key_set(world: World, stocked: Desk) -> None:
    bundle = build_bundle(stocked, stocked.signer(stocked.clock()), RECORD, at=world.clock.move(5))
    pin = KeySetPin(stocked.keyset(), "a test")

    report = examine_bundle(bundle.to_bytes(), Terms((pin,), world.clock()))

    assert report.ok, report.failure
    assert [verdict.verdict for verdict in report.verdicts] == ["valid"] * 4
    assert examine(bundle.to_bytes(), Terms((pin,), world.clock())).ok


def test_its_state_is_build_state(world: World, stocked: Desk) -> None:
    bundle = build_bundle(stocked, stocked.signer(stocked.clock()), RECORD, at=world.clock.move(5))

    assert json.loads(bundle.to_bytes())["state"] == build_state(stocked, RECORD)


def test_building_twice_in_one_instant_is_one_bundle(world: World, stocked: Desk) -> None:
    first = build_bundle(stocked, stocked.signer(stocked.clock()), RECORD, at=START.plus(seconds=9))
    again = build_bundle(stocked, stocked.signer(stocked.clock()), RECORD, at=START.plus(seconds=9))
    later = build_bundle(
        stocked, stocked.signer(stocked.clock()), RECORD, at=START.plus(seconds=10)
    )

    assert first.to_bytes() == again.to_bytes()
    assert first.sha256 != later.sha256
    assert [s.kind for s in stocked.store.signatures()].count("bundle") == 2


def test_a_bundle_holds_the_keys_it_needs_and_no_other(stocked: Desk, world: World) -> None:
    bundle = build_bundle(stocked, stocked.signer(stocked.clock()), RECORD, at=world.clock.move(5))

    (key,) = json.loads(bundle.to_bytes())["public_keys"]

    assert key == stocked.active_key().to_json()


def test_a_clock_behind_the_events_builds_nothing(stocked: Desk) -> None:
    with pytest.raises(PithError) as caught:
        build_bundle(stocked, stocked.signer(stocked.clock()), RECORD, at=START.plus(days=-1))

    assert caught.value.code in ("bundle.times", "trust.verdicts")
    assert "bundle" not in [s.kind for s in stocked.store.signatures()]


def test_a_record_that_is_not_minted(world: World, stocked: Desk) -> None:
    with pytest.raises(PithError):
        build_bundle(stocked, stocked.signer(stocked.clock()), record(9), at=world.clock.move(5))
