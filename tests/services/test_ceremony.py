"""Ceremonies through their services, on a real store with keys in memory."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from registry.errors import ConflictError, KeyUnavailableError, VerificationError
from registry.protocol.handover import Handover, verify_handover
from registry.protocol.instant import Instant
from registry.protocol.keyset_chain import verify_chain
from registry.services.ceremony import ask, hold, hold_here, hold_offline, prepare, take_in
from registry.services.ceremony_plan import Plan, parse_plan
from registry.services.ceremony_rehearsal import rehearse
from registry.services.ceremony_screens import Screen
from registry.services.desk import Desk
from registry.store.rows import ActRow, KeyRow
from registry.store.store import Store
from tests.protocol.refusals import refused
from tests.services.registry import World

IDS: Final = ("rec-1", "rec-2", "rec-3")
FIRST: Final = """
registry = "lab.example"
act = "recovery-keys"
threshold = 2
keys = [{key_id = "rec-1"}, {key_id = "rec-2"}, {key_id = "rec-3"}]
participants = [{name = "Ada", key_id = "rec-1"}, {name = "Ben", key_id = "rec-2"},
                {name = "Cy", key_id = "rec-3"}]
"""
RENEW: Final = """
registry = "lab.example"
act = "renew"
participants = [{name = "Wilma"}, {name = "Ada", key_id = "rec-1"},
                {name = "Ben", key_id = "rec-2"}]
"""


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> World:
    """A registry that knows three recovery keys, all in memory."""
    world = World(tmp_path / "home").begin()
    desk = world.desk()
    for number, key_id in enumerate(IDS):
        public = world.keys.put(key_id, bytes([number + 1]) * 32)
        assert desk.store.add_key(KeyRow(key_id, public, "recovery", "memory:", world.clock()))
    return world


def nonce(number: int) -> str:
    """A nonce of this ceremony alone."""
    return f"{number:032x}"


def words(world: World, seen: list[Screen] | None = None) -> Callable[[Screen], Instant]:
    """Somebody who types every word, a second after the one before."""

    def confirm(screen: Screen) -> Instant:
        if seen is not None:
            seen.append(screen)
        return world.clock.move(1)

    return confirm


def prepared(world: World, desk: Desk, text: str = FIRST, number: int = 1) -> Handover:
    """A ceremony that nobody has signed yet."""
    return prepare(
        desk, parse_plan(text), nonce=nonce(number), seeds=lambda: bytes(32), at=world.clock()
    )


def ready(world: World) -> Desk:
    """The registry after its first ceremony."""
    desk = world.desk()
    hold_here(desk, prepared(world, desk), words(world), at=world.clock())
    world.clock.move(60)
    return desk


# -- killed at every write -----------------------------------------------------


def killing(name: str, *, after: bool) -> type[Store]:
    """A store whose process is killed before or after one of its acts."""

    def act(self: Store, *arguments: Any, **named: Any) -> Any:
        if not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = getattr(Store, name)(self, *arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)
        return result

    return type("Killing", (Store,), {name: act})


def killed(run: Callable[[], object]) -> None:
    """Run in a child that must be killed on its way."""
    child = os.fork()
    if child == 0:
        try:
            run()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("name", "after", "version"),
    [
        ("replace_keyset", False, 1),
        ("_journal_keyset", False, 1),
        ("_journal_keyset", True, 1),
        ("_act", True, 1),
        ("_insert_transcript", False, 1),
        ("_insert_transcript", True, 1),
        ("replace_keyset", True, 2),
    ],
)
def test_killed_at_a_write_all_is_kept_or_nothing(
    world: World, name: str, after: bool, version: int
) -> None:
    def run() -> None:
        desk = world.desk(killing(name, after=after))
        hold_here(desk, prepared(world, desk), words(world), at=world.clock())

    killed(run)

    desk = world.desk()
    desk.store.check_database()
    assert desk.keyset().body.version == version
    assert len(desk.store.transcripts()) == version - 1
    assert desk.store.undocumented() == []
    assert desk.store.unjournaled() == []
    if version == 1:
        hold_here(desk, prepared(world, desk, number=2), words(world), at=world.clock())
        assert desk.keyset().body.version == 2


@pytest.mark.parametrize(("after", "noted"), [(False, False), (True, True)])
def test_killed_while_a_request_is_made(world: World, after: bool, noted: bool) -> None:
    def run() -> None:
        desk = world.desk(killing("add_ceremony", after=after))
        ask(desk, prepared(world, desk), words(world))

    killed(run)

    desk = world.desk()
    assert (desk.store.find_ceremony(nonce(1)) is not None) == noted
    assert desk.store.undocumented() == []
    assert desk.keyset().body.version == 1
    ask(desk, prepared(world, desk, number=2), words(world))


# -- two at once, and what may not be ------------------------------------------


def test_of_two_ceremonies_at_once_one_wins(world: World) -> None:
    desk, other = ready(world), world.desk()
    first, second = (prepared(world, desk, RENEW, number) for number in (2, 3))
    hold_here(desk, first, words(world), at=world.clock())

    seen: list[Screen] = []
    with refused("ceremony.stale", ConflictError):
        hold_here(other, second, words(world, seen), at=world.clock())
    assert seen == []
    assert desk.keyset().body.version == 3
    assert len(desk.store.transcripts()) == 2


def test_a_key_set_that_came_meanwhile_is_not_overwritten(world: World) -> None:
    desk = ready(world)
    handover = prepared(world, desk, RENEW, 2)

    def confirm(screen: Screen) -> Instant:
        if screen.step == "publish":
            other = world.desk()
            hold_here(other, prepared(world, other, RENEW, 3), words(world), at=world.clock())
        return world.clock.move(1)

    with refused("ceremony.stale", ConflictError):
        hold_here(desk, handover, confirm, at=world.clock())
    assert desk.keyset().body.version == 3
    assert [t.body.ceremony.nonce for t in desk.store.transcripts()] == [nonce(1), nonce(3)]


def test_a_transcript_that_does_not_follow_is_not_kept(world: World) -> None:
    desk = ready(world)
    asked = ask(desk, prepared(world, desk, RENEW, 2), words(world))
    copy = verify_chain(desk.store.list_keysets())
    done, _ = hold_offline(desk, asked, copy, words(world), at=world.clock())
    (session,) = done.sessions
    first = replace(session, body=replace(session.body, prev_sha256=None))
    act = ActRow("ceremony", "rec-1", "", world.clock())

    with refused("transcript.moved", ConflictError):
        desk.store.replace_keyset(done.keyset, old=desk.keyset().body, act=act, transcripts=[first])
    assert desk.keyset().body.version == 2
    assert len(desk.store.transcripts()) == 1


def test_a_ceremony_that_lasts_past_its_end(world: World) -> None:
    desk = ready(world)
    handover = prepared(world, desk, RENEW, 2)

    def confirm(screen: Screen) -> Instant:
        return world.clock.move(8 * 86_400 if screen.step == "publish" else 1)

    with refused("transcript.expired", VerificationError):
        hold_here(desk, handover, confirm, at=world.clock())
    assert desk.keyset().body.version == 2


def test_a_holder_signs_once(world: World) -> None:
    desk = ready(world)
    asked = ask(desk, prepared(world, desk, RENEW, 2), words(world))
    copy = verify_chain(desk.store.list_keysets())
    done, chain = hold_offline(desk, asked, copy, words(world), at=world.clock())

    assert {s.key_id for s in done.signatures} == {"rec-1", "rec-2"}
    assert chain[-1].keyset.body == done.proposed
    with refused("ceremony.keys", KeyUnavailableError):
        hold_offline(desk, done, copy, words(world), at=world.clock())
    with refused("ceremony.stale", ConflictError):
        hold_offline(desk, asked, chain, words(world), at=world.clock())
    assert take_in(desk, done, words(world), at=world.clock()).body.version == 3


def test_what_was_signed_is_given_again(world: World) -> None:
    desk = ready(world)
    asked = ask(desk, prepared(world, desk, RENEW, 2), words(world))
    copy = verify_chain(desk.store.list_keysets())
    before, _ = hold_offline(desk, asked, copy, words(world), at=world.clock())
    again, _ = hold_offline(desk, asked, copy, words(world), at=world.clock())

    assert again.signatures == before.signatures
    assert take_in(desk, again, words(world), at=world.clock()).body.version == 3


def test_a_copy_may_begin_later_than_the_registry(world: World) -> None:
    desk = ready(world)
    asked = ask(desk, prepared(world, desk, RENEW, 2), words(world))
    late = verify_chain(desk.store.list_keysets()[1:])
    _, chain = hold_offline(desk, asked, late, words(world), at=world.clock())

    assert [link.keyset.body.version for link in chain] == [2, 3]
    spoilt = replace(asked, chain=asked.chain[1:])
    with refused("transcript.keyset", VerificationError):
        hold_offline(desk, spoilt, late, words(world), at=world.clock())


def test_a_copy_that_signed_one_version_signs_no_other(world: World) -> None:
    desk = ready(world)
    copy = verify_chain(desk.store.list_keysets())
    one, two = (ask(desk, prepared(world, desk, RENEW, n), words(world)) for n in (2, 3))
    _, chain = hold_offline(desk, one, copy, words(world), at=world.clock())

    assert one.proposed.digest != two.proposed.digest
    with refused("ceremony.stale", ConflictError):
        hold_offline(desk, two, chain, words(world), at=world.clock())


def test_a_response_whose_session_was_taken_out(world: World) -> None:
    desk = ready(world)
    asked = ask(desk, prepared(world, desk, RENEW, 2), words(world))
    copy = verify_chain(desk.store.list_keysets())
    done, _ = hold_offline(desk, asked, copy, words(world), at=world.clock())

    for spoilt in (replace(done, sessions=()), replace(done, signatures=done.signatures[:1])):
        with refused("transcript.signers", VerificationError):
            take_in(desk, spoilt, words(world), at=world.clock())
    with refused("ceremony.early", VerificationError):
        verify_handover(done, held=copy, registry="lab.example", at=world.clock().plus(days=-1))


def test_the_steps_of_a_session_are_what_was_shown(world: World) -> None:
    desk, seen = ready(world), list[Screen]()
    handover = prepared(world, desk, RENEW, 2)
    done, session = hold(
        handover,
        handover.participants,
        lambda entry: world.keys.open(entry.key_id, entry.object.key),  # type: ignore[union-attr]
        words(world, seen),
        last="publish",
    )

    assert len({screen.step for screen in seen}) == len(seen) == 5
    assert [step.shown for step in session.body.steps] == [screen.shown for screen in seen]
    assert [screen.who.name for screen in seen] == ["Wilma", "Wilma", "Ada", "Ben", "Wilma"]
    assert {screen.compared for screen in seen[1:]} == {done.proposed.digest}
    assert all(screen.playbook for screen in seen)
    assert desk.keyset().body.version == 2


# -- rehearsed -----------------------------------------------------------------


def test_a_rehearsal_reaches_for_no_key_store(world: World) -> None:
    ready(world)

    def never(uri: str) -> Any:
        raise AssertionError(f"a rehearsal opened {uri}")

    desk = replace(world.desk(), key_store=never)
    journal = list(desk.store.signatures())
    plan: Plan = parse_plan(RENEW)
    seeds = iter(bytes([n]) * 32 for n in range(100, 120))
    keyset, session = rehearse(
        desk, plan, words(world), nonce=nonce(9), seeds=lambda: next(seeds), at=world.clock()
    )

    assert keyset.body.registry == "lab.example.invalid"
    assert session.body.ceremony.rehearsal
    real = {e.object.key for e in desk.keyset().body.entries if e.object is not None}
    stand_ins = {e.object.key for e in keyset.body.entries if e.object is not None}
    assert len(stand_ins) == len(real)
    assert not real & stand_ins
    assert list(desk.store.signatures()) == journal
    assert len(desk.store.transcripts()) == 1
