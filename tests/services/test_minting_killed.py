"""kill -9 at the writes of a bulk mint: nothing is lost, nothing made twice, no time changes."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.protocol.graph import Paper
from registry.services import minting
from registry.services.audit import audit
from registry.services.find import merged
from registry.services.minting import Pair, mint_all
from tests.cli.lab import ABSTRACT, TITLE, record
from tests.services.registry import World
from tests.services.test_reissue_killed import copy_of, killed

RECORDS = [record(i) for i in range(1, 4)]


def minting_of(world: World) -> Callable[[], None]:
    """Mint the records with their snapshots, a record a page."""

    def run() -> None:
        desk = world.desk()
        signer = desk.signer(desk.clock())
        pages = ([Pair.of(each, Paper(TITLE, ABSTRACT))] for each in RECORDS)
        for _ in mint_all(desk, signer, pages, clock=desk.clock):
            pass

    return run


@pytest.mark.parametrize(("pooled_from", "step"), [(2000, 1), (1, 5)], ids=["here", "in workers"])
def test_killed_at_any_write_the_next_goes_on_with_the_same_times(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pooled_from: int, step: int
) -> None:
    monkeypatch.setattr(minting, "POOLED_FROM", pooled_from)
    monkeypatch.setattr(minting, "cores", lambda: 2)
    world.desk().store.close()
    writes = 0
    while True:
        copy = copy_of(world, tmp_path / str(writes))
        if not killed(writes, minting_of(copy)):
            break
        desk = copy.desk()
        claims = {intent.subject: intent.at for intent in desk.store.intents() if not intent.prev}
        stored = desk.store._rows("SELECT event_id FROM events", {})
        copy.clock.move(600)
        minting_of(copy)()

        assert desk.store.count_intents() == 0
        assert set(stored) <= set(desk.store._rows("SELECT event_id FROM events", {}))
        for each in RECORDS:
            graph = merged(desk, each.number)
            assert [e.body.event_type for e in graph.events] == ["record_created", "graph_snapshot"]
            assert graph.equivocations == ()
            assert graph.receipt is not None
            first = graph.receipt.first_computed_at
            assert claims.get(each.number.suffix, first) == first
        assert audit(desk, []).ok
        desk.store.close()
        shutil.rmtree(copy.home)
        writes += step
    assert writes > 20
