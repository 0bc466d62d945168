"""Doctor: what is looked at, and that one finding does not stop the next."""

import pytest

from registry.errors import KeyUnavailableError
from registry.services.desk import Desk
from registry.services.doctor import diagnose
from registry.services.keys import create_key
from registry.services.mint import mint
from registry.signing.memory import MemoryKeyStore
from tests.services.registry import RECORD, REGISTRY, START, World


def found(world: World, desk: Desk, days: int = 0) -> dict[str, tuple[str, str]]:
    """Status and error code of each finding."""
    return {
        finding.name: (finding.status, finding.error.code if finding.error else "")
        for finding in diagnose(lambda: desk, world.home, START.plus(days=days))
    }


def keys_found(world: World, desk: Desk) -> list[tuple[str, str]]:
    """Status and error code of the round trip of each key."""
    return [
        (finding.status, finding.error.code if finding.error else "")
        for finding in diagnose(lambda: desk, world.home, START)
        if finding.name == "key"
    ]


def test_a_sound_registry_wants_only_a_recovery_key(world: World, desk: Desk) -> None:
    findings = found(world, desk)

    assert {name for name, (status, _) in findings.items() if status != "ok"} == {
        "recovery",
        "places",
    }


def test_the_end_of_the_key_comes_near_and_passes(world: World, desk: Desk) -> None:
    assert found(world, desk, 330)["promise"] == ("ok", "")
    assert found(world, desk, 340)["promise"] == ("attention", "")
    assert found(world, desk, 340)["rotation"] == ("attention", "")
    assert found(world, desk, 340)["signer"] == ("ok", "")
    assert found(world, desk, 366)["signer"] == ("fail", "key.past_rotation")


def test_the_end_of_the_key_set_comes_near_and_passes(world: World, desk: Desk) -> None:
    assert found(world, desk, 360)["expiry"] == ("ok", "")
    assert found(world, desk, 375)["expiry"] == ("attention", "")
    assert found(world, desk, 375)["key set"] == ("ok", "")
    assert found(world, desk, 401)["key set"] == ("fail", "keyset.fresh")


def test_recovery_keys_want_a_spare_and_places_of_their_own(world: World, desk: Desk) -> None:
    world.move_apart(desk, desk.store.list_keys()[1])
    assert found(world, desk)["places"] == ("ok", "")
    assert found(world, desk)["recovery"] == ("attention", "")

    one = world.recovery(desk, "one:")
    assert found(world, desk)["recovery"] == ("attention", "")  # no spare
    assert found(world, desk)["places"] == ("ok", "")
    world.recovery(desk, "two:")
    assert found(world, desk)["recovery"] == ("ok", "")
    assert {status for status, _ in found(world, desk).values()} <= {"ok"}
    del world.places["one:"]
    assert found(world, desk)["key store"] == ("ok", "")

    world.recovery(desk, world.keys.uri)
    assert found(world, desk)["places"] == ("attention", "")
    assert one.usage == "recovery"


def test_a_key_that_is_gone_is_one_finding_of_many(world: World, desk: Desk) -> None:
    world.keys._seeds.clear()

    findings = found(world, desk)

    assert findings["signer"] == ("fail", "key.absent")
    assert findings["store"] == ("ok", "")


def test_each_key_that_can_be_reached_makes_the_round_trip(world: World, desk: Desk) -> None:
    create_key(desk, world.keys, key_id="spare-1", seed=bytes(range(2, 34)), at=START)
    assert keys_found(world, desk) == [("ok", "")] * 3

    world.keys._seeds["spare-1"] = bytes(range(3, 35))

    assert keys_found(world, desk) == [("ok", ""), ("ok", ""), ("fail", "key.mismatch")]


@pytest.mark.parametrize(
    ("status", "wanted"),
    [("active", ("fail", "key.absent")), ("retired", ("ok", "")), ("revoked", ("ok", ""))],
)
def test_a_key_that_signs_no_more_may_be_gone(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch, status: str, wanted: tuple[str, str]
) -> None:
    monkeypatch.setattr("registry.services.doctor.key_status", lambda *_: status)
    world.keys._seeds.clear()

    assert keys_found(world, desk) == [wanted] * 2


class Locked(MemoryKeyStore):
    """A key store that cannot be looked at."""

    def check(self) -> str:
        raise KeyUnavailableError("locked", code="keyring.locked", hint="unlock it")


def test_a_key_store_that_is_locked(world: World, desk: Desk) -> None:
    world.keys = Locked(REGISTRY)

    assert found(world, desk)["key store"] == ("fail", "keyring.locked")
    assert keys_found(world, desk) == []


def test_a_clock_that_went_back_by_a_little_or_by_much(world: World, desk: Desk) -> None:
    mint(desk, desk.signer(desk.clock()), [RECORD], at=START.plus(seconds=59))
    assert found(world, desk)["clock"] == ("ok", "")
    assert found(world, desk, -1)["clock"] == ("fail", "clock.backwards")


def test_it_signs_and_changes_nothing(world: World, desk: Desk) -> None:
    before = list(desk.store.signatures())

    found(world, desk)

    assert list(desk.store.signatures()) == before
