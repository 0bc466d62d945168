"""Minting many: the very bytes of minting one by one, whoever signs, whatever was there."""

from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import ConflictError, KeyUnavailableError, PithError
from registry.protocol.graph import Paper
from registry.protocol.record import Record
from registry.services import minting
from registry.services.append import add_graph_snapshot
from registry.services.audit import audit
from registry.services.desk import Desk
from registry.services.distrust import stop
from registry.services.find import merged
from registry.services.mint import mint, receipt_of
from registry.services.minting import Pair, Passed, as_pair, mint_all, mint_rows
from registry.signing.signer import SeedSigner
from tests.cli.lab import ABSTRACT, TITLE, record
from tests.services.registry import RECORD, START, World, finished, paper


@pytest.fixture(name="engine_url")
def _engine_url(store_url: str | None) -> str | None:
    """Each engine in turn."""
    return store_url


RECORDS = [record(i) for i in range(1, 8)]
DEEP = reduce(lambda held, _: [held], range(56), [1])
"""So deep that it is JSON, and that no bundle could hold it."""


def pages(entries: list[Pair], size: int = 2) -> Iterator[list[Pair]]:
    """Entries, a page at a time."""
    for i in range(0, len(entries), size):
        yield entries[i : i + size]


def minted(desk: Desk, entries: list[Pair], size: int = 2) -> list[Passed]:
    """All of them minted at the clock's time."""
    signer = desk.signer(desk.clock())
    return [
        each
        for page in mint_all(desk, signer, pages(entries, size), clock=desk.clock)
        for each in page
    ]


def contents(desk: Desk) -> list[list[tuple[object, ...]]]:
    """Everything minting writes, in an order that is the same for the same contents."""
    return [
        desk.store._rows(statement, {})
        for statement in (
            "SELECT digest, suffix, source_id, source_version, body FROM records ORDER BY suffix",
            "SELECT event_id, subject, event_type, signer_id, body FROM events ORDER BY event_id",
            "SELECT subject, signer_id, event_id FROM heads ORDER BY subject",
            "SELECT kind, digest, key_id, at FROM signatures ORDER BY kind, digest",
            "SELECT subject, prev, at, body FROM intents",
        )
    ]


@pytest.fixture(name="pooling", params=[False, True], ids=["here", "in workers"])
def _pooling(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether workers sign from the second page on."""
    if request.param:
        monkeypatch.setattr(minting, "POOLED_FROM", 1)
        monkeypatch.setattr(minting, "cores", lambda: 2)
    return bool(request.param)


texts = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=40)


@st.composite
def entries(draw: st.DrawFn) -> tuple[Record, Paper | None, int]:
    """A record, perhaps its paper, and the second it is minted in."""
    number = draw(st.integers(1, 12))
    words = draw(texts)
    found = record(number, title=words)
    if draw(st.booleans()):
        return found, None, draw(st.integers(0, 3))
    claim = {"strength": "strong", "score": draw(st.floats(0, 1)), words: None}
    told = Paper(words, ABSTRACT, "B. Two and A. One", claims=[claim] * draw(st.integers(0, 2)))
    return found, told, draw(st.integers(0, 3))


@settings(deadline=None, max_examples=40)
@given(st.lists(entries(), max_size=6, unique_by=lambda e: e[0].digest), st.integers(1, 3))
def test_the_bytes_are_those_of_minting_one_by_one(
    batch: list[tuple[Record, Paper | None, int]], size: int
) -> None:
    batch = sorted(batch, key=lambda each: each[2])
    times = [batch[i][2] for i in range(0, len(batch), size)]
    with TemporaryDirectory() as folder:
        many, single = (World(Path(folder) / name).begin() for name in ("many", "single"))
        desk, other = many.desk(), single.desk()
        clock = iter([START.plus(seconds=second) for second in times])
        signer = desk.signer(START)
        found = list(
            mint_all(
                desk,
                signer,
                pages([Pair.of(each, told) for each, told, _ in batch], size),
                clock=lambda: next(clock),
            )
        )
        for i, (each, told, _) in enumerate(batch):
            at = START.plus(seconds=times[i // size])
            mint(other, signer, [each], at=at)
            if told is not None:
                add_graph_snapshot(other, signer, each, told, at=at)

        assert contents(desk) == contents(other)
        assert [p.record for page in found for p in page] == [each for each, _, _ in batch]
        assert all(p.receipt(desk) == receipt_of(other, p.record) for page in found for p in page)
        desk.store.close()
        other.store.close()


@pytest.mark.usefixtures("pooling")
def test_old_new_and_repeated_in_order_each_with_one_snapshot(world: World, desk: Desk) -> None:
    told = Paper(TITLE, ABSTRACT)
    mint(desk, desk.signer(START), [RECORDS[1], RECORDS[3]], at=START)
    world.clock.move(60)
    wanted = [*RECORDS[:5], RECORDS[0], RECORDS[4], RECORDS[6]]

    passed = minted(desk, [Pair.of(each, told) for each in wanted])
    again = minted(desk, [Pair.of(each, told) for each in wanted], 3)

    assert [p.record for p in passed] == [p.record for p in again] == wanted
    assert [p.new for p in passed] == [True, False, True, False, True, False, False, True]
    assert not any(p.new for p in again)
    assert [p.receipt(desk) for p in passed] == [p.receipt(desk) for p in again]
    for each in wanted:
        graph = merged(desk, each.number)
        assert [e.body.event_type for e in graph.events] == ["record_created", "graph_snapshot"]
        assert desk.store.find_head(each.number.suffix, desk.registry) == graph.events[-1].event_id
    assert desk.store.count_intents() == 0
    assert audit(desk, []).ok


def test_another_paper_supersedes_the_snapshot_there_is(world: World, desk: Desk) -> None:
    minted(desk, [Pair.of(RECORD, paper())])
    world.clock.move(60)

    (passed,) = minted(desk, [Pair.of(RECORD, paper("news"))])

    assert not passed.new
    (old, new) = merged(desk, RECORD.number).events[1:]
    assert new.body.supersedes == (old.event_id,)


def test_papers_of_one_record_in_one_page_supersede_each_other_in_turn(
    world: World, desk: Desk
) -> None:
    first, second = Pair(RECORD.canonical, paper()), Pair(RECORD.canonical, paper("news"))
    minted(desk, [first])
    world.clock.move(60)

    passed = minted(desk, [second, first, first], 3)

    created, one, two, three = merged(desk, RECORD.number).events
    assert [p.snapshot for p in passed] == [two.event_id, three.event_id, three.event_id]
    assert (two.body.supersedes, three.body.supersedes) == ((one.event_id,), (two.event_id,))
    assert one.body.prev_event == created.event_id


@pytest.mark.usefixtures("pooling")
def test_what_was_claimed_before_is_signed_with_the_time_of_its_claim(
    world: World, desk: Desk
) -> None:
    desk.store.claim_mints(RECORDS[2:4], at=START)
    later = world.clock.move(3600)

    passed = minted(desk, [Pair(each.canonical) for each in RECORDS])

    times = [p.receipt(desk).first_computed_at for p in passed]
    assert times == [later, later, START, START, later, later, later]
    assert all(p.new for p in passed)


@pytest.mark.usefixtures("pooling")
def test_broken_off_it_keeps_what_it_gave_and_the_next_goes_on(world: World, desk: Desk) -> None:
    told = [Pair.of(each, Paper(TITLE, ABSTRACT)) for each in RECORDS]
    signer = desk.signer(START)
    running = mint_all(desk, signer, pages(told), clock=desk.clock)
    given = [*next(running), *next(running)]
    running.close()  # type: ignore[attr-defined]
    desk.store.close()
    desk = world.desk()

    assert desk.store.count_minted() == len(given)
    world.clock.move(60)
    passed = minted(desk, told)

    assert [p.new for p in passed] == [False] * 4 + [True] * 3
    assert {len(merged(desk, each.number).events) for each in RECORDS} == {2}
    assert desk.store.count_intents() == 0
    assert audit(desk, []).ok


def test_finished_by_another_the_snapshot_goes_after_what_followed(
    world: World, desk: Desk
) -> None:
    """Another process finishes the claim and adds a snapshot, between signing and storing."""
    signer, other = desk.signer(START), world.desk()
    real = desk.store.add_mints

    def late(*given: object) -> object:
        assert finished(other) == 1
        add_graph_snapshot(other, signer, RECORD, paper("first"), at=world.clock.move(5))
        return real(*given)  # type: ignore[arg-type]

    desk.store.add_mints = late  # type: ignore[method-assign, assignment]
    (passed,) = minted(desk, [Pair.of(RECORD, paper())])

    assert not passed.new
    graph = merged(desk, RECORD.number)
    assert graph.equivocations == ()
    created, first, second = graph.events
    assert (first.body.prev_event, second.body.prev_event) == (created.event_id, first.event_id)
    assert audit(desk, []).ok


class Failing(SeedSigner):
    """A signer whose key goes away after so many signatures."""

    left = 0

    def _sign_twice(self, message: bytes) -> bytes:
        if self.left == 0:
            raise KeyUnavailableError("the key is gone", code="key.gone", hint="find it")
        self.left -= 1
        return super()._sign_twice(message)


@pytest.mark.usefixtures("pooling")
@pytest.mark.parametrize("left", [0, 1, 5, 7])
def test_a_key_that_goes_away_stores_nothing_of_its_page(
    world: World, desk: Desk, left: int
) -> None:
    active = desk.active_key()
    failing = Failing(active.key_id, bytes(range(32)), active.key)
    failing.left = left
    stored: list[list[Passed]] = []
    running = mint_all(
        desk, failing, pages([Pair(each.canonical) for each in RECORDS]), clock=desk.clock
    )

    with pytest.raises(KeyUnavailableError) as caught:
        stored.extend(running)

    assert caught.value.code == "key.gone"
    assert desk.store.count_minted() == sum(map(len, stored))
    world.clock.move(60)
    assert all(
        p.receipt(desk).first_computed_at in (START, START.plus(seconds=60))
        for p in minted(desk, [Pair(each.canonical) for each in RECORDS])
    )
    assert desk.store.count_intents() == 0


def test_no_more_is_read_ahead_than_two_pages_a_worker(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minting, "POOLED_FROM", 1)
    monkeypatch.setattr(minting, "cores", lambda: 2)
    monkeypatch.setattr("registry.services.workers.cores", lambda: 2)
    read = stored = 0

    def counted() -> Iterator[list[Pair]]:
        nonlocal read
        for i in range(1, 31):
            read += 1
            assert read - stored <= 6
            yield [Pair(record(i).canonical)]

    for _ in mint_all(desk, desk.signer(START), counted(), clock=desk.clock):
        stored += 1
    assert read == stored == 30


def test_a_clock_set_back_in_the_middle_stops_it(desk: Desk) -> None:
    times = iter([START.plus(seconds=600), START.plus(seconds=600), START])
    running = mint_all(
        desk,
        desk.signer(START),
        pages([Pair(each.canonical) for each in RECORDS]),
        clock=lambda: next(times),
    )

    assert len(next(running)) == len(next(running)) == 2
    with pytest.raises(ConflictError) as caught:
        next(running)
    assert caught.value.code == "clock.backwards"


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (Paper("Other", ABSTRACT), "graph.title"),
        (Paper(TITLE, "other"), "graph.abstract"),
        (Paper(TITLE, ABSTRACT, headline="x" * 65_000), "event.size"),
        (Paper(TITLE, ABSTRACT, verdict={"id": 7}), "schema.type"),
        (Paper(TITLE, ABSTRACT, claims=[DEEP]), "json.depth"),
    ],
)
def test_a_paper_that_no_snapshot_can_say_leaves_its_record_minted(
    desk: Desk, told: Paper, code: str
) -> None:
    good = Paper(TITLE, ABSTRACT)
    given = [Pair(RECORDS[1].canonical, good), Pair(RECORD.canonical, told)]

    first, passed = minted(desk, given)

    assert isinstance(passed.snapshot, PithError)
    assert passed.snapshot.code == code
    assert passed.new
    assert str(first.snapshot).startswith("sha256:")
    assert [len(desk.store.events_of(p.number.suffix)) for p in (first, passed)] == [2, 1]


@pytest.mark.usefixtures("pooling")
def test_what_is_no_record_is_given_back_in_its_place(desk: Desk) -> None:
    failure = ConflictError("gone", code="file.gone")
    items = [RECORDS[0].canonical, b"{}", failure, Pair(RECORDS[1].canonical, told="here")]
    work = [(as_pair, items[:1]), (as_pair, items[1:])]

    (first,), (bad, gone, last) = mint_rows(desk, desk.signer(START), work, clock=desk.clock)

    assert isinstance(first, Passed)
    assert isinstance(last, Passed)
    assert (first.record, last.record, last.told) == (RECORDS[0], RECORDS[1], "here")
    assert [error.code for error in (bad, gone) if isinstance(error, PithError)] == [
        "schema.members",
        "file.gone",
    ]
    assert desk.store.count_minted() == 2


def test_the_payload_of_a_snapshot_does_as_well_as_its_paper(world: World, desk: Desk) -> None:
    minted(desk, [Pair(RECORD.canonical, Paper(TITLE, ABSTRACT)), Pair.of(RECORDS[1], paper())])

    first, second = minted(
        desk, [Pair.of(RECORD, Paper(TITLE, ABSTRACT)), Pair(RECORDS[1].canonical, paper())]
    )

    assert not first.new
    assert [len(desk.store.events_of(p.number.suffix)) for p in (first, second)] == [2, 2]


def test_an_empty_input_is_no_work(desk: Desk) -> None:
    assert minted(desk, []) == []


def test_what_a_key_signed_that_was_stopped_meanwhile_is_not_kept(world: World, desk: Desk) -> None:
    signer, other = desk.signer(START), world.desk()
    running = mint_all(
        desk, signer, pages([Pair(each.canonical) for each in RECORDS]), clock=desk.clock
    )
    next(running)
    stop(other, signer.key_id, reason="theft", at=world.clock.move(1))

    with pytest.raises(KeyUnavailableError) as caught:
        next(running)

    assert caught.value.code == "key.stopped"
    assert desk.store.count_minted() == 2


def test_a_claim_from_before_the_key_was_valid_gets_the_time_of_now(
    world: World, desk: Desk
) -> None:
    desk.store.claim_mints([RECORD], at=START.plus(seconds=-60))

    (passed,) = minted(desk, [Pair(RECORD.canonical)])

    assert passed.receipt(desk).first_computed_at == world.clock()
