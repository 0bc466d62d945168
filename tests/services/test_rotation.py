"""A rotation: three steps in their order, two places, and never two active keys."""

from typing import get_args

import pytest

from registry.errors import ConflictError, KeyUnavailableError, PithError
from registry.protocol.keyset_chain import verify_chain
from registry.protocol.trust import KeySetPin, Terms
from registry.services.bundle import build_bundle
from registry.services.desk import Desk
from registry.services.due import dues
from registry.services.keys import create_key, key_status
from registry.services.mint import mint
from registry.services.rotation import StepName, calendar, next_step, take_step
from registry.services.verify import examine
from registry.signing.memory import MemoryKeyStore
from registry.signing.seed_store import SeedStore
from registry.signing.signer import public_key_of
from registry.store.rows import KeyRow
from tests.services.registry import RECORD, REGISTRY, World

DAY = 86_400


def seed(number: int) -> bytes:
    """A seed of a test."""
    return bytes([number]) * 32


def turn(world: World, desk: Desk, name: StepName, number: int = 100) -> None:
    """Take the step that is next, a minute later."""
    step = next_step(desk, name)
    take_step(desk, step, world.keys, seed=seed(number), at=world.clock.move(60))


def statuses(desk: Desk) -> dict[str, str]:
    return {row.key_id: key_status(desk, row) for row in desk.store.list_keys()}


def test_a_whole_rotation(world: World) -> None:
    desk = world.desk()
    first = desk.active_key()
    mint(desk, desk.signer(desk.clock()), [RECORD], at=desk.clock())
    before = build_bundle(desk, desk.signer(desk.clock()), RECORD, at=world.clock.move(1))

    assert [step.name for step in calendar(desk)] == ["announce", "activate", "retire"]
    turn(world, desk, "announce")
    assert desk.active_key() == first
    assert list(statuses(desk).values()) == ["active", "announced", "unlisted"]
    turn(world, desk, "activate")
    second = desk.active_key()
    assert second.key != first.key
    assert list(statuses(desk).values()) == ["retiring", "active", "committed"]
    turn(world, desk, "retire")
    assert list(statuses(desk).values()) == ["retired", "active", "committed"]

    chain = verify_chain(desk.store.list_keysets())
    assert [link.act for link in chain] == ["first", "routine", "routine", "routine"]
    terms = Terms((KeySetPin(desk.keyset(), "new"),), world.clock())
    assert examine(before.to_bytes(), terms).ok
    after = build_bundle(desk, desk.signer(desk.clock()), RECORD, at=world.clock.move(1))
    assert examine(after.to_bytes(), terms).ok
    assert after.signature.key_id == second.key_id
    assert [step.name for step in calendar(desk)] == ["announce", "activate", "retire"]


def test_the_calendar_follows_the_promise_and_the_overlap(world: World) -> None:
    desk = world.desk()
    promised = desk.active_key().rotates_at
    assert promised is not None
    overlap = desk.config.overlap

    announce, activate, retire = calendar(desk)

    assert announce.due == promised.plus(seconds=-overlap)
    assert activate.due == promised
    assert retire.due == promised.plus(seconds=overlap)
    assert (announce.key_id, activate.key_id, retire.key_id) == (
        "lab-v2-2026-06",
        "lab-v2-2026-06",
        "lab-v1-2026-06",
    )
    turn(world, desk, "announce")
    heir = desk.keyset().body.entries[-1].object
    assert heir is not None
    assert heir.rotates_at == world.clock().whole.plus(seconds=overlap + desk.config.rotate_after)


@pytest.mark.parametrize("done", [0, 1, 2])
def test_no_step_is_taken_out_of_order(world: World, done: int) -> None:
    desk = world.desk()
    order: list[StepName] = ["announce", "activate", "retire"]
    for name in order[:done]:
        turn(world, desk, name)
    version = desk.keyset().body.version

    for name in get_args(StepName):
        if name != order[done]:
            with pytest.raises(ConflictError) as refused:
                next_step(desk, name)
            assert refused.value.code == "rotation.order"
    assert desk.keyset().body.version == version
    turn(world, desk, order[done])


def test_a_renewal_does_not_stand_in_the_way_of_an_early_rotation(world: World) -> None:
    desk = world.desk()
    for number, name in enumerate(("announce", "activate", "retire", "announce"), start=100):
        turn(world, desk, name, number)
    assert next_step(desk, None).name == "renew"
    second = desk.active_key()

    turn(world, desk, "activate")

    assert desk.active_key() != second


def test_a_key_set_that_would_end_first_is_renewed(world: World) -> None:
    desk = world.desk()
    object.__setattr__(desk.config, "rotate_after", 0)
    turn(world, desk, "announce")
    turn(world, desk, "activate")
    object.__setattr__(desk.config, "overlap", 500 * DAY)
    object.__setattr__(desk.config, "rotate_after", 2000 * DAY)

    assert next_step(desk, None).name == "renew"
    entries = desk.keyset().body.entries
    turn(world, desk, "renew")

    assert desk.keyset().body.entries == entries
    assert desk.keyset().body.expires_at == world.clock().whole.plus(days=400)


def test_without_a_commitment_only_the_recovery_keys_rotate(world: World) -> None:
    desk = world.desk()
    turn(world, desk, "announce")
    desk.store.drop_key(desk.store.list_keys()[1])

    with pytest.raises(KeyUnavailableError) as refused:
        turn(world, desk, "activate")
    assert refused.value.code == "key.unknown"
    assert desk.active_key().key_id == "lab-v1-2026-06"


def test_the_successor_must_be_within_reach(world: World) -> None:
    desk = world.desk()
    world.keys.erase("lab-v2-2026-06")

    with pytest.raises(KeyUnavailableError) as refused:
        turn(world, desk, "announce")

    assert refused.value.code == "key.absent"
    assert desk.keyset().body.version == 1


def test_a_further_successor_may_be_named(world: World) -> None:
    desk = world.desk()
    row = create_key(desk, world.keys, key_id="spare-1", seed=seed(9), at=world.clock.move(1))
    create_key(desk, world.keys, key_id="spare-2", seed=seed(8), at=world.clock.move(1))

    step = next_step(desk, "announce")
    for named in ("lab-v1-2026-06", "lab-v2-2026-06"):
        with pytest.raises(ConflictError) as refused:
            take_step(desk, step, world.keys, seed=seed(1), at=world.clock(), successor=named)
        assert refused.value.code == "rotation.successor"
    take_step(desk, step, world.keys, seed=seed(1), at=world.clock(), successor="spare-1")

    entry = desk.keyset().body.entries[-1]
    assert entry.successor_key_sha256 == row.public_key.sha256.hex()


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("name", ["add_key", "replace_keyset"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupted_announcement_is_taken_again(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, when: str
) -> None:
    desk = world.desk()
    real = getattr(desk.store, name)

    def dying(*arguments: object, **named: object) -> object:
        if when == "after":
            real(*arguments, **named)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(desk.store, name, dying)
        with pytest.raises(Killed):
            turn(world, desk, "announce")
    again = world.desk()
    assert len(again.keyset().body.active("registry")) == 1

    if again.keyset().body.version == 1:
        turn(world, again, "announce", 101)
    assert list(statuses(again).values())[:2] == ["active", "announced"]
    assert len(again.store.list_keys()) == 3
    turn(world, again, "activate")
    assert again.signer(world.clock()).key_id == "lab-v2-2026-06"


def test_of_two_at_once_one_wins(world: World) -> None:
    one, two = world.desk(), world.desk()
    step = next_step(one, "announce")
    body_store = two.store
    real = body_store.replace_keyset

    def late(*arguments: object, **named: object) -> None:
        take_step(one, step, world.keys, seed=seed(7), at=world.clock())
        real(*arguments, **named)  # type: ignore[arg-type]

    body_store.replace_keyset = late  # type: ignore[method-assign]
    with pytest.raises(ConflictError) as refused:
        take_step(two, step, world.keys, seed=seed(8), at=world.clock())

    assert refused.value.code == "keyset.moved"
    assert [link.act for link in verify_chain(one.store.list_keysets())] == ["first", "routine"]


# -- key stores that do not keep what they are given ---------------------------


class Losing(MemoryKeyStore):
    """Keeps nothing of what is new."""

    def _write(self, key_id: str, seed: bytes) -> None:
        pass


class Changing(MemoryKeyStore):
    """Keeps a bit of it otherwise."""

    def _write(self, key_id: str, seed: bytes) -> None:
        super()._write(key_id, bytes([seed[0] ^ 1]) + seed[1:])


class Cutting(MemoryKeyStore):
    """Keeps all but the last byte."""

    def _write(self, key_id: str, seed: bytes) -> None:
        super()._write(key_id, seed[:-1])


class Late(MemoryKeyStore):
    """Gives it back only some time after."""

    def _write(self, key_id: str, seed: bytes) -> None:
        self._late = (key_id, seed)


@pytest.mark.parametrize("kind", [Losing, Changing, Cutting, Late])
def test_with_a_key_store_that_keeps_badly_no_rotation_completes(
    world: World, kind: type[SeedStore]
) -> None:
    desk = world.desk()
    step = next_step(desk, "announce")

    with pytest.raises(PithError) as refused:
        take_step(desk, step, kind(REGISTRY), seed=seed(5), at=world.clock.move(1))

    assert refused.value.code == "keystore.lost"
    assert desk.keyset().body.version == 1
    assert len(desk.store.list_keys()) == 2
    turn(world, desk, "announce")


# -- what is due ---------------------------------------------------------------


@pytest.mark.parametrize(("days", "warned"), [(-31, False), (-30, True), (-1, True), (5, True)])
def test_what_is_due_is_said_in_time(world: World, days: int, warned: bool) -> None:
    desk = world.desk()
    step = calendar(desk)[0]
    at = step.due.plus(days=days)

    found = {due.what: due for due in dues(desk, at)}

    assert found["rotation"].warned is warned
    assert found["rotation"].days == -days
    assert found["promise"].when == desk.active_key().rotates_at
    assert found["expiry"].when == desk.keyset().body.expires_at


def test_a_recovery_key_that_was_never_drilled_is_due(world: World) -> None:
    desk = world.desk()
    world.recovery(desk, "one:")
    assert "drill" not in {due.what for due in dues(desk, world.clock())}  # gives no seed out

    desk.store.add_key(
        KeyRow("paper-1", public_key_of(seed(77)), "recovery", "file:/media/stick", world.clock())
    )

    (due,) = (due for due in dues(desk, world.clock()) if due.what == "drill")
    assert due.warned
    assert "paper-1: no shares" in due.text
    assert due.hint == "`pith shares make paper-1`"
