"""Whole lives of a home: whatever is minted, said, forged and imported in whatever order, its
state is the merge of what it stores, and nothing that was kept apart ever shows."""

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from registry.errors import PithError
from registry.protocol.bundle import Bundle
from registry.protocol.bundle_checks import bindings_of
from registry.protocol.event import Event
from registry.protocol.keyset import KeySet
from registry.protocol.merge import merge
from registry.protocol.record import Record
from registry.protocol.trust import KeySetPin
from registry.services.append import Draft, add_event
from registry.services.audit import audit
from registry.services.desk import Desk
from registry.services.find import merged
from registry.services.mint import mint
from registry.signing.documents import sign_keyset
from tests import payloads, world
from tests.cli.lab import record
from tests.services.exchange import apart, bundle, elsewhere, pin_of, taken
from tests.services.registry import START, World

RECORDS = (record(1), record(2))
ELSEWHERE = "elsewhere.example"
NUMBERS = st.sampled_from(range(len(RECORDS)))
WORDS = st.text("abc", min_size=1, max_size=3)


class Exchange(RuleBasedStateMachine):
    """A home, a thief of its key, and another registry; beside it a plain model of what the
    home must hold: the events of each record, ours and theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.world = World(self.folder / "home").begin()
        self.thief = World(self.folder / "thief").begin().desk()
        self.home = self.world.desk()
        self.other = elsewhere(self.folder / "other").desk()
        self.ours: dict[Record, dict[str, Event]] = {each: {} for each in RECORDS}
        self.theirs: dict[Record, dict[str, Event]] = {each: {} for each in RECORDS}
        self.shown: list[Bundle] = []
        self.revoked: KeySet | None = None
        self.alarmed = False
        self.seconds = 0

    def teardown(self) -> None:
        """Remove the homes."""
        for desk in (self.home, self.thief, self.other):
            desk.store.close()
        shutil.rmtree(self.folder)

    def now(self) -> Any:
        """The time, which goes on."""
        self.seconds += 5
        return START.plus(seconds=self.seconds)

    @property
    def pin(self) -> KeySetPin:
        """What the home knows of the other registry."""
        if self.revoked is None:
            return pin_of(self.other)
        return KeySetPin(self.revoked, "after the theft")

    def says(self, desk: Desk, of: Record, draft: Draft) -> Event:
        """Sign an event in a home."""
        at = self.now()
        return add_event(desk, desk.signer(at), of, draft, at=at)[0]

    def minted(self, desk: Desk, of: Record) -> Event:
        """Mint a record in a home; its record_created."""
        at = self.now()
        mint(desk, desk.signer(at), [of], at=at)
        return merged(desk, of.number).events[0]

    def offered(self, found: Bundle | bytes) -> str:
        """Import into the home; how it ended."""
        try:
            return "apart" if taken(self.home, found, self.pin, at=self.now()).quarantined else ""
        except PithError as error:
            return error.code

    # -- the home ------------------------------------------------------------

    @rule(number=NUMBERS)
    def mint_here(self, number: int) -> None:
        event = self.minted(self.home, RECORDS[number])
        self.ours[RECORDS[number]].setdefault(event.event_id, event)

    @rule(number=NUMBERS, words=WORDS)
    def attest_here(self, number: int, words: str) -> None:
        if self.ours[RECORDS[number]]:
            payload = payloads.WEAK | {"statement": words}
            event = self.says(self.home, RECORDS[number], Draft("author_attestation", payload))
            self.ours[RECORDS[number]].setdefault(event.event_id, event)

    @rule(number=NUMBERS, words=WORDS)
    def correct_here(self, number: int, words: str) -> None:
        if events := self.ours[RECORDS[number]]:
            wrong = next(iter(events))
            payload = {"corrects": wrong, "field": None, "reason": words, "replacement": None}
            draft = Draft("correction", payload, f"event:{wrong}")
            event = self.says(self.home, RECORDS[number], draft)
            events.setdefault(event.event_id, event)

    @rule(number=NUMBERS)
    def import_our_own(self, number: int) -> None:
        if self.ours[RECORDS[number]]:
            assert self.offered(bundle(self.home, at=self.now(), record=RECORDS[number])) == ""

    # -- the thief -----------------------------------------------------------

    @rule(number=NUMBERS, words=WORDS)
    def the_thief_forges(self, number: int, words: str) -> None:
        of = RECORDS[number]
        self.minted(self.thief, of)
        payload = payloads.WEAK | {"statement": f"forged {words}"}
        self.says(self.thief, of, Draft("author_attestation", payload))
        forged = bundle(self.thief, at=self.now(), record=of)

        code = self.offered(forged)

        # His mint is another one: beside ours it begins a second chain.
        assert code == ("import.equivocation" if self.ours[of] else "import.unknown_signature")
        self.alarmed = True

    # -- the other registry --------------------------------------------------

    @rule(number=NUMBERS, words=WORDS)
    def they_speak(self, number: int, words: str) -> None:
        of = RECORDS[number]
        self.minted(self.other, of)
        self.says(self.other, of, Draft("author_attestation", payloads.WEAK | {"statement": words}))
        self.shown.append(bundle(self.other, at=self.now(), record=of))

    @precondition(lambda self: self.shown)
    @rule(data=st.data())
    def import_theirs(self, data: st.DataObject) -> None:
        found = data.draw(st.sampled_from(self.shown))
        of = next(each for each in RECORDS if each.number == found.body.number)
        events = {e["event_id"]: Event.from_json(e) for e in found.body.value["events"]}
        held = self.theirs[of].keys()

        code = self.offered(found)

        if self.revoked is not None:
            assert code == "trust.verdicts"
        elif held - events.keys():
            assert code == "import.rollback"
        else:
            assert code == ""
            self.theirs[of] |= events

    @precondition(lambda self: self.shown)
    @rule(data=st.data(), member=st.sampled_from(["state.event_count", "built_at"]))
    def import_theirs_spoilt(self, data: st.DataObject, member: str) -> None:
        value = data.draw(st.sampled_from(self.shown)).to_json()
        new: Any = 99 if member == "state.event_count" else "2026-05-01T00:00:00Z"

        assert self.offered(world.dump(world.changed(value, world.put(member, new))))

    @precondition(lambda self: self.revoked is None and self.shown)
    @rule()
    def their_key_is_stolen(self) -> None:
        """From here on nothing under it is vouched for; what was taken before stays."""
        body = self.other.keyset().body
        since = self.now().whole
        (entry,) = body.entries[:1]
        second = world.entry(world.signer("after the theft", "elsewhere-2"))
        gone = replace(
            entry,
            status="revoked",
            revoked_at=since,
            compromised_since=since,
            reason="stolen",
        )
        others = body.entries[1:]
        entries = (gone, *others, second)
        later = replace(body, entries=entries)
        signers = [
            self.other.key_store("memory:").open(e.key_id, e.object.key)
            for e in (gone, *others)
            if e.object is not None
        ]
        signers.append(world.signer("after the theft", "elsewhere-2"))
        self.revoked = sign_keyset(signers, later)

    # -- what must always hold -----------------------------------------------

    @invariant()
    def state_is_the_merge_of_what_is_stored(self) -> None:
        for of in RECORDS:
            for registry, model in ((None, self.ours[of]), (ELSEWHERE, self.theirs[of])):
                desk = self.home if registry is None else self.other
                bindings = bindings_of(desk.key_objects(), desk.registry)
                wanted = merge(of.number, [each.to_json() for each in model.values()], bindings)
                shown = merged(self.home, of.number, registry)
                assert shown.state([]) == wanted.state([])
                assert shown.equivocations == shown.invalid == ()

    @invariant()
    def nothing_that_was_kept_apart_shows(self) -> None:
        ours = {name for events in self.ours.values() for name in events}
        theirs = {name for events in self.theirs.values() for name in events}
        for row in apart(self.home):
            value = json.loads(row.body)
            said = {each["event_id"] for each in value.get("events", [value])}
            strange = said - (ours if row.registry == self.home.registry else theirs)
            for of in RECORDS:
                for registry in (None, ELSEWHERE):
                    text = json.dumps(merged(self.home, of.number, registry).state([]))
                    assert not any(name in text for name in strange)

    @invariant()
    def our_chain_goes_on_from_its_head(self) -> None:
        for of, events in self.ours.items():
            head = self.home.store.find_head(of.number.suffix, self.home.registry)
            assert head == next(reversed(events), None)

    @invariant()
    def only_the_thief_raises_the_alarm(self) -> None:
        found = audit(self.home, [])
        assert not found.unjournaled
        assert not found.undocumented
        assert bool(found.unknown) == self.alarmed


Exchange.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestExchange = Exchange.TestCase
