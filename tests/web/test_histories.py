"""A thousand histories through both implementations: the same state, or the same refusal."""

from collections import Counter
from functools import cache
from typing import Final

from registry.protocol.bundle import source_aliases
from registry.protocol.canonical import JsonObject, canonical
from registry.protocol.event_checks import EVENT_CHECKS
from registry.protocol.merge import Merged, merge
from registry.protocol.strict_json import read_json
from tests.web.histories import BINDINGS, SIGNERS, history
from tests.web.second import Request, ask, b64
from tests.world import AT, RECORD, dump

SEEDS: Final = range(1000)
ALIASES: Final = source_aliases(RECORD, AT)


@cache
def histories() -> tuple[list[JsonObject], ...]:
    return tuple(history(seed) for seed in SEEDS)


@cache
def merged_here() -> tuple[Merged, ...]:
    return tuple(
        merge(RECORD.number, [read_json(dump(event)).value for event in events], BINDINGS)
        for events in histories()
    )


def asked(events: list[JsonObject]) -> Request:
    return {
        "action": "merge",
        "number": str(RECORD.number),
        "events": [b64(dump(event)) for event in events],
        "signers": SIGNERS,
        "aliases": ALIASES,
    }


def told(merged: Merged) -> Request:
    return {
        "state": b64(canonical(merged.state(ALIASES))),
        "failed": [[copy.identity, copy.failed] for copy in merged.invalid],
    }


def test_a_thousand_histories_come_to_the_same_states() -> None:
    answers = ask(map(asked, histories()))

    differing = [
        seed
        for seed, mine, theirs in zip(SEEDS, merged_here(), answers, strict=True)
        if told(mine) != theirs
    ]
    assert differing == []


def test_the_histories_hold_what_they_should() -> None:
    """That the thousand are alike says something only where they are of many kinds."""
    merged = merged_here()
    reasons = Counter(copy.failed for each in merged for copy in each.invalid)

    assert reasons.keys() == set(EVENT_CHECKS)
    assert min(reasons.values()) > 5, reasons
    for kind, count in {
        "forked": sum(bool(each.equivocations) for each in merged),
        "not all applied": sum(len(each.applied) < len(each.events) for each in merged),
        "something superseded": sum(len(each.current) < len(each.applied) for each in merged),
        "no record": sum(each.record_created is None for each in merged),
        "of ten events": sum(len(each.events) >= 10 for each in merged),
    }.items():
        assert count > 50, kind
