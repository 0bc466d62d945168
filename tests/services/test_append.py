"""Append: our chain on a record never forks."""

from collections.abc import Callable
from pathlib import Path

import pytest

from registry.errors import MalformedError, MismatchError
from registry.protocol.canonical import Json, canonical
from registry.protocol.event_types import GRAPH_SNAPSHOT
from registry.protocol.graph import Paper
from registry.services.append import Draft, add_event, add_graph_snapshot, snapshot_payload
from registry.services.bundle import build_bundle
from registry.services.desk import Desk
from registry.services.find import merged
from registry.services.mint import mint
from registry.store.store import Store
from tests.cli.lab import ABSTRACT, TITLE
from tests.services.registry import RECORD, START, World, finished, paper


@pytest.fixture(name="engine_url")
def _engine_url(store_url: str | None) -> str | None:
    """Each engine in turn."""
    return store_url


@pytest.fixture(name="minted")
def _minted(desk: Desk) -> Desk:
    mint(desk, desk.signer(desk.clock()), [RECORD], at=START)
    return desk


def chain(desk: Desk) -> list[str]:
    """The event ids of a record in order, each linked to the one before."""
    found = merged(desk, RECORD.number)
    assert found.equivocations == ()
    ids = [event.event_id for event in found.events]
    assert [event.body.prev_event for event in found.events] == [None, *ids[:-1]]
    assert desk.store.find_head(RECORD.number.suffix, desk.registry) == ids[-1]
    assert desk.store.count_intents() == 0
    return ids


def journalled(desk: Desk) -> list[str]:
    """The events that the journal says were signed."""
    return [f"sha256:{s.digest.hex()}" for s in desk.store.signatures() if s.kind == "event"]


def test_a_snapshot_supersedes_the_one_before(world: World, minted: Desk) -> None:
    first, new = add_graph_snapshot(
        minted, minted.signer(minted.clock()), RECORD, paper("one"), at=world.clock.move(5)
    )
    second, _ = add_graph_snapshot(
        minted, minted.signer(minted.clock()), RECORD, paper("two"), at=world.clock.move(5)
    )

    assert new
    assert second.body.supersedes == (first.event_id,)
    assert chain(minted)[1:] == [first.event_id, second.event_id]
    current = [e.event_id for e in merged(minted, RECORD.number).current]
    assert first.event_id not in current
    assert second.event_id in current


def test_no_news_is_not_signed(world: World, minted: Desk) -> None:
    first, _ = add_graph_snapshot(minted, minted.signer(minted.clock()), RECORD, paper(), at=START)
    before = journalled(minted)

    again, new = add_graph_snapshot(
        minted, minted.signer(minted.clock()), RECORD, paper(), at=world.clock.move(86_400)
    )

    assert not new
    assert again == first
    assert journalled(minted) == before


@pytest.mark.parametrize(
    ("other", "code"),
    [
        (Paper(title="Other", abstract=ABSTRACT), "graph.title"),
        (Paper(title=TITLE, abstract="Other"), "graph.abstract"),
    ],
)
def test_the_paper_must_be_the_records(minted: Desk, other: Paper, code: str) -> None:
    with pytest.raises(MismatchError) as caught:
        add_graph_snapshot(minted, minted.signer(minted.clock()), RECORD, other, at=START)

    assert caught.value.code == code
    assert minted.store.count_intents() == 0


class Late(Store):
    """A store that lets something happen just after a head was read, once."""

    meanwhile: Callable[[], object] | None = None

    def find_head(self, subject: str, signer_id: str) -> str | None:
        found = super().find_head(subject, signer_id)
        if self.meanwhile is not None:
            act, self.meanwhile = self.meanwhile, None
            act()
        return found


def test_a_head_that_moves_after_it_was_read_forks_nothing(world: World, minted: Desk) -> None:
    slow = world.desk(Late)
    assert isinstance(slow.store, Late)
    slow.store.meanwhile = lambda: add_graph_snapshot(
        minted, minted.signer(minted.clock()), RECORD, paper("first"), at=world.clock()
    )

    event, new = add_graph_snapshot(
        slow, slow.signer(slow.clock()), RECORD, paper("second"), at=world.clock.move(1)
    )

    assert new
    ids = chain(slow)
    assert ids[-1] == event.event_id
    assert len(ids) == 3
    assert journalled(slow) == ids
    assert finished(minted) == 0


def test_the_same_news_from_two_desks_is_signed_once(world: World, minted: Desk) -> None:
    slow = world.desk(Late)
    assert isinstance(slow.store, Late)
    slow.store.meanwhile = lambda: add_graph_snapshot(
        minted, minted.signer(minted.clock()), RECORD, paper("same"), at=world.clock()
    )

    _, new = add_graph_snapshot(
        slow, slow.signer(slow.clock()), RECORD, paper("same"), at=world.clock.move(1)
    )

    assert not new
    assert len(chain(slow)) == 2


class Killed(Exception):
    """The process ends here."""


class Dying(Store):
    """A store whose process is killed when it is to keep an event."""

    def add_own_events(self, entries):  # type: ignore[no-untyped-def]
        raise Killed


def test_an_interrupted_snapshot_is_finished_by_the_next_mint(world: World, minted: Desk) -> None:
    dying = world.desk(Dying)
    claimed_at = world.clock.move(5)
    with pytest.raises(Killed):
        add_graph_snapshot(dying, dying.signer(dying.clock()), RECORD, paper("kept"), at=claimed_at)
    dying.store.close()
    world.clock.move(3600)

    assert finished(minted) == 1

    *_, last = merged(minted, RECORD.number).events
    assert chain(minted)[-1] == last.event_id
    assert last.body.created_at == claimed_at.whole
    assert last.signature.signed_at == claimed_at


def test_an_interrupted_snapshot_of_long_ago_is_dropped(world: World, minted: Desk) -> None:
    dying = world.desk(Dying)
    with pytest.raises(Killed):
        add_graph_snapshot(
            dying, dying.signer(dying.clock()), RECORD, paper("old"), at=world.clock.move(5)
        )
    dying.store.close()
    world.clock.move(3 * 86_400)

    assert finished(minted) == 0

    assert len(chain(minted)) == 1
    event, _ = add_graph_snapshot(
        minted, minted.signer(minted.clock()), RECORD, paper("new"), at=world.clock()
    )
    assert chain(minted)[-1] == event.event_id


def test_an_interrupted_snapshot_is_finished_by_the_next_snapshot(
    world: World, minted: Desk
) -> None:
    dying = world.desk(Dying)
    with pytest.raises(Killed):
        add_graph_snapshot(
            dying, dying.signer(dying.clock()), RECORD, paper("kept"), at=world.clock.move(5)
        )
    dying.store.close()

    event, new = add_graph_snapshot(
        minted, minted.signer(minted.clock()), RECORD, paper("next"), at=world.clock.move(5)
    )

    assert new
    ids = chain(minted)
    assert ids[-1] == event.event_id
    assert len(ids) == 3
    assert event.body.supersedes == (ids[1],)


def test_a_long_chain_stays_one_chain(world: World, minted: Desk, tmp_path: Path) -> None:
    other = world.desk()
    for i in range(12):
        desk = (minted, other)[i % 2]
        add_graph_snapshot(
            desk, desk.signer(desk.clock()), RECORD, paper(str(i)), at=world.clock.move(1)
        )

    ids = chain(minted)

    assert len(ids) == 13
    body = merged(minted, RECORD.number).events[-1].body
    assert len(canonical(body.to_json())) < 64 << 10
    assert len(body.supersedes) == 1


def test_a_snapshot_too_deep_for_its_bundle_is_not_signed(world: World, minted: Desk) -> None:
    """Once signed it would stand in the history for ever, and no bundle could be built."""
    signer = minted.signer(minted.clock())

    def nested(depth: int) -> Draft:
        payload = snapshot_payload(RECORD, paper())
        inside: Json = []
        for _ in range(depth - 4):
            inside = [inside]
        payload["graph_snapshot"]["claims"]["more"] = inside  # the fourth level of the payload
        return Draft(GRAPH_SNAPSHOT, payload)

    before = chain(minted)
    with pytest.raises(MalformedError) as caught:
        add_event(minted, signer, RECORD, nested(60), at=world.clock.move(5))
    assert caught.value.code == "json.depth"
    assert chain(minted) == before
    add_event(minted, signer, RECORD, nested(59), at=world.clock.move(5))
    build_bundle(minted, signer, RECORD, at=world.clock.move(5))
