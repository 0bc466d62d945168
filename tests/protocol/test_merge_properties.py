"""The merge over 10,000 sets of events: what holds whatever comes, from whomever, how often.

The events are signed and examined once, in histories of every type and many signers with
forks, spoilt copies, missing parents, supersessions and an old key that somebody stole;
each example is a choice of copies from one history, in any order, repeated and split.
``PITH_MERGE_EXAMPLES`` sets another number of examples.
"""

import os
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.protocol.bundle import source_aliases
from registry.protocol.event import Bindings, Event
from registry.protocol.event_checks import Examined, examine_event
from registry.protocol.merge import Merged, merge_examined
from tests.payloads import SAMPLES, Sample
from tests.protocol.test_merge import MISSING, SPOILT, slow_merge
from tests.world import (
    AT,
    AUTHOR,
    MIRROR,
    OTHER_REGISTRY,
    READER,
    RECORD,
    REGISTRY,
    Registry,
    Speaker,
)

EXAMPLES: Final = int(os.environ.get("PITH_MERGE_EXAMPLES", "10000"))
HISTORIES: Final = 24
LENGTH: Final = 12
STOLEN: Final = Registry(key_id="example-2025-01")
"""An old key of the registry: whoever holds it speaks under the registry's name."""
SPEAKERS: Final[tuple[Speaker, ...]] = (REGISTRY, STOLEN, OTHER_REGISTRY, AUTHOR, MIRROR, READER)
BINDINGS: Final[Bindings] = {
    ref: key for speaker in SPEAKERS for ref, key in speaker.bindings.items()
}
NUMBER: Final = RECORD.number
ALIASES: Final = source_aliases(RECORD, AT)


def _speaker(chance: random.Random) -> Speaker:
    return chance.choice(SPEAKERS)


def _signed(chance: random.Random, held: Sequence[Event]) -> Event:
    """One more event of a history: usually after the last of its signer, sometimes after
    any event or one that nobody has, sometimes in place of earlier ones."""
    speaker = _speaker(chance)
    mine = [event for event in held if event.body.signer.signer_id == speaker.name]
    kind = chance.random()
    prev = mine[-1].event_id if mine else None
    if kind < 0.15 and mine:
        prev = mine[-1].body.prev_event
    elif kind < 0.3 and held:
        prev = chance.choice(held).event_id
    elif kind < 0.4:
        prev = chance.choice([None, MISSING])
    count = min(len(held), chance.choice([0, 0, 1, 2]))
    over = [event.event_id for event in chance.sample(held, count)]
    at = AT.plus(seconds=chance.randint(60, 70))
    if isinstance(speaker, Registry) and chance.random() < 0.4:
        first = AT if over else at
        return speaker.record_created(first=first, reissued=at, supersedes=over, prev=prev)
    sample = chance.choice([s for s in SAMPLES.values() if _may(speaker, s)])
    return speaker.event(
        sample.event_type, sample.payload, sample.target, at=at, supersedes=over, prev=prev
    )


def _may(speaker: Speaker, sample: Sample) -> bool:
    if isinstance(speaker, Registry):
        return sample.payload.get("strength") != "strong"
    return sample.speaker.signer_type == speaker.signer_type


@dataclass(frozen=True)
class History:
    """Copies of the events of one history, each examined: good ones first."""

    good: tuple[Examined, ...]
    spoilt: tuple[Examined, ...]

    @property
    def copies(self) -> tuple[Examined, ...]:
        """All of them."""
        return self.good + self.spoilt


@cache
def history(seed: int) -> History:
    """The history of a seed."""
    chance = random.Random(seed)
    events: list[Event] = []
    while len(events) < LENGTH:
        made = _signed(chance, events)
        if made.event_id not in {event.event_id for event in events}:
            events.append(made)
    values = [event.to_json() for event in events]
    spoilt = [SPOILT[chance.choice([*SPOILT])](value) for value in values * 2]
    good = [examine_event(value, NUMBER, BINDINGS) for value in values]
    assert all(copy.failed is None for copy in good)
    return History(tuple(good), tuple(examine_event(v, NUMBER, BINDINGS) for v in spoilt))


def merged(copies: Iterable[Examined]) -> Merged:
    return merge_examined(NUMBER, list(copies))


def said(found: Merged) -> tuple[object, ...]:
    """All that a merge comes to; of what is invalid its name and the reason."""
    invalid = tuple((copy.identity, copy.failed) for copy in found.invalid)
    seen = (found.events, found.applied, found.current, found.record_created, found.receipt)
    return (*seen, found.equivocations, invalid)


def shown_of(found: Merged, signer_id: str) -> set[str]:
    return {e.event_id for e in found.current if e.body.signer.signer_id == signer_id}


def signer_of(copy: Examined) -> str:
    return copy.event.body.signer.signer_id if copy.event is not None else ""


choices: Final = st.lists(
    st.tuples(st.integers(0, 3 * LENGTH - 1), st.integers(1, 3)), max_size=2 * LENGTH
)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(seed=st.integers(0, HISTORIES - 1), picks=choices, turn=st.integers(0, 2 * LENGTH))
def test_what_holds_of_every_merge(seed: int, picks: list[tuple[int, int]], turn: int) -> None:
    copies = history(seed).copies
    chosen = [copies[place] for place, _ in picks]
    whole = merged(chosen)

    # any order, any repetition
    again = merged([*chosen[turn:], *reversed(chosen), *chosen[:turn]])
    assert said(again) == said(whole)
    # split in two, each side merged, and what both kept merged again
    kept: list[Examined] = []
    for side in (1, 2):
        part = [copies[place] for place, sides in picks if sides & side]
        found = merged(part)
        valid = {event.event_id for event in found.events}
        kept += [copy for copy in part if copy.identity in valid]
        kept += found.invalid
    assert said(merged(kept)) == said(whole)
    # spoilt copies shadow nothing
    good = [copy for copy in chosen if copy.failed is None]
    assert merged(good).applied == whole.applied
    assert merged(good).current == whole.current
    guilty = {entry.signer_id for entry in whole.equivocations}
    for signer_id in {signer_of(copy) for copy in good}:
        # what others say changes nothing of what this one's events show
        alone = merged(copy for copy in good if signer_of(copy) == signer_id)
        assert shown_of(whole, signer_id) == shown_of(alone, signer_id)
    # more events take back only what equivocators said
    less = merged(good[turn:])
    lost = {event.event_id for event in less.applied} - {event.event_id for event in whole.applied}
    assert {e.body.signer.signer_id for e in less.events if e.event_id in lost} <= guilty


def test_the_histories_have_all_there_is_to_merge() -> None:
    found = [merged(history(seed).copies) for seed in range(HISTORIES)]
    events = [event for each in found for event in each.events]

    assert sum(len(each.equivocations) > 0 for each in found) > HISTORIES // 3
    assert any(entry.signer_id == REGISTRY.name for each in found for entry in each.equivocations)
    assert sum(len(each.current) < len(each.applied) for each in found) > 3
    assert len({event.body.event_type for event in events}) == 8
    assert {event.body.signer.key_id for event in events} == {s.key_id for s in SPEAKERS}
    assert any(event.body.prev_event == MISSING for event in events)
    bad = [copy for seed in range(HISTORIES) for copy in history(seed).spoilt]
    assert {copy.failed for copy in bad} == set(SPOILT)
    states = {each.state(list(ALIASES))["state_sha256"] for each in found}
    assert len(states) == HISTORIES


def test_the_histories_merge_as_the_rules_say_read_slowly() -> None:
    for seed in range(HISTORIES):
        found = merged(history(seed).copies)
        slow = slow_merge(copy.event for copy in history(seed).good if copy.event is not None)
        assert [event.event_id for event in found.events] == slow.order
        assert [event.event_id for event in found.applied] == slow.applied
        assert [event.event_id for event in found.current] == slow.current
