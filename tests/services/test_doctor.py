"""Doctor: what is looked at, and that one finding does not stop the next."""

from registry.errors import KeyUnavailableError
from registry.services.desk import Desk
from registry.services.doctor import diagnose
from registry.services.mint import mint
from registry.signing.memory import MemoryKeyStore
from tests.services.registry import RECORD, REGISTRY, START, World


def found(world: World, desk: Desk, days: int = 0) -> dict[str, tuple[str, str]]:
    """Status and error code of each finding."""
    return {
        finding.name: (finding.status, finding.error.code if finding.error else "")
        for finding in diagnose(lambda: desk, world.home, START.plus(days=days))
    }


def test_a_sound_registry_wants_only_a_recovery_key(world: World, desk: Desk) -> None:
    findings = found(world, desk)

    assert {name for name, (status, _) in findings.items() if status != "ok"} == {"recovery"}


def test_the_end_of_the_key_comes_near_and_passes(world: World, desk: Desk) -> None:
    assert found(world, desk, 330)["signer"] == ("ok", "")
    assert found(world, desk, 340)["signer"][0] == "attention"
    assert found(world, desk, 366)["signer"][0] in ("attention", "fail")


def test_the_end_of_the_key_set_comes_near_and_passes(world: World, desk: Desk) -> None:
    assert found(world, desk, 360)["key set"] == ("ok", "")
    assert found(world, desk, 375)["key set"][0] == "attention"
    assert found(world, desk, 401)["key set"][0] in ("attention", "fail")


def test_a_key_that_is_gone_is_one_finding_of_many(world: World, desk: Desk) -> None:
    world.keys._seeds.clear()

    findings = found(world, desk)

    assert findings["signer"] == ("fail", "key.absent")
    assert findings["store"] == ("ok", "")


class Locked(MemoryKeyStore):
    """A key store that cannot be looked at."""

    def check(self) -> str:
        raise KeyUnavailableError("locked", code="keyring.locked", hint="unlock it")


def test_a_key_store_that_is_locked(world: World, desk: Desk) -> None:
    world.keys = Locked(REGISTRY)

    assert found(world, desk)["key store"] == ("fail", "keyring.locked")


def test_a_clock_that_went_back_by_a_little_or_by_much(world: World, desk: Desk) -> None:
    mint(desk, desk.signer(desk.clock()), [RECORD], at=START.plus(seconds=59))
    assert found(world, desk)["clock"] == ("ok", "")
    assert found(world, desk, -1)["clock"] == ("fail", "clock.backwards")


def test_it_signs_and_changes_nothing(world: World, desk: Desk) -> None:
    before = list(desk.store.signatures())

    found(world, desk)

    assert list(desk.store.signatures()) == before
