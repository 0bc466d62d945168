"""A thousand histories through both implementations: the same state, or the same refusal."""

from collections import Counter
from functools import cache
from typing import Final

from registry.protocol.bundle import source_aliases
from registry.protocol.bundle_checks import examine_bundle
from registry.protocol.canonical import JsonObject, canonical
from registry.protocol.event_checks import EVENT_CHECKS
from registry.protocol.merge import Merged, merge
from registry.protocol.strict_json import read_json
from registry.protocol.trust import Terms
from tests import world
from tests.web import second
from tests.web.histories import BINDINGS, SECOND_KEY, SIGNERS, history
from tests.web.second import Request, ask, b64, terms_json
from tests.world import AT, OTHER_REGISTRY, PARTIES, RECORD, REGISTRY, dump

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
        "kept": [
            [event.event_id, str(event.signature.signed_at.micros)] for event in merged.events
        ],
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


# -- the same in bundles -------------------------------------------------------

KEYS: Final = [each.key_object.to_json() for each in (REGISTRY, SECOND_KEY, *PARTIES)]
BOUND: Final = {ref: key for ref, key in BINDINGS.items() if ref.signer_id != OTHER_REGISTRY.name}
REVOKED: Final = {"status": "revoked", "revoked_at": AT.plus(days=1).whole}


def bundled(seed: int) -> bytes:
    """A history of one registry as its bundle, and in some what no bundle may hold."""
    events = [e for e in history(seed) if e["signer"]["signer_id"] != OTHER_REGISTRY.name]
    if seed % 5:
        events = [event.to_json() for event in merge(RECORD.number, events, BOUND).events]
    value = REGISTRY.bundle(built=AT.plus(days=10)).to_json()
    value |= {"public_keys": KEYS, "events": events}
    return dump(world.reseal_bundle(world.restate(value)))


def terms_of(seed: int) -> Terms:
    """In turn: the pinned key, a key set of both keys, and ones in which the second is revoked."""
    lives = (
        {"status": "retiring"},
        REVOKED,
        REVOKED | {"compromised_since": AT.whole},
        REVOKED | {"compromised_since": AT.plus(seconds=90).whole},
    )
    second_entry = world.entry(SECOND_KEY.signer, **lives[seed // 4 % 4])
    pin = REGISTRY.pin if seed % 4 == 0 else REGISTRY.keyset_pin(REGISTRY.entry(), second_entry)
    return world.terms(pin, when=AT.plus(days=20))


def test_histories_in_bundles_give_the_same_reports() -> None:
    seeds = range(200)
    bundles = [bundled(seed) for seed in seeds]
    answers = ask(
        {"action": "bundle", "data": b64(data), "terms": terms_json(terms_of(seed))}
        for seed, data in zip(seeds, bundles, strict=True)
    )

    failures: Counter[str] = Counter()
    second_merges = 0
    for seed, data, answer in zip(seeds, bundles, answers, strict=True):
        here = examine_bundle(data, terms_of(seed))
        assert second.told(answer) == second.first_told(here), seed
        failures["none" if here.failure is None else here.failure.code] += 1
        second_merges += here.proven is not None
    assert failures.keys() >= {"none", "event.chain", "trust.verdicts", "trust.key"}, failures
    assert second_merges > 10
