"""The whole life of a registry, station by station, and all that it let out on the way."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from registry.app import now
from registry.config import Tsa as TsaConfig
from registry.protocol.canonical import canonical
from registry.protocol.handover import Handover
from registry.protocol.keyset_acts import retire
from registry.protocol.signers import Signers
from registry.services.anchor import add_anchor, add_checkpoints
from registry.services.audit import Audit, audit
from registry.services.bundle import build_bundle
from registry.services.ceremony import ask, hold, hold_here, prepare, take_in
from registry.services.ceremony_plan import parse_plan
from registry.services.desk import Desk
from registry.services.distrust import choose_heir, compromised_body, distrust, stop
from registry.services.enact import enact, open_signer
from registry.services.event_import import import_party_events
from registry.services.mint import mint
from registry.services.reissue_plan import plan_reissue
from registry.services.reissue_switch import sample, switch
from registry.services.shares import drill, make_shares
from registry.store.rows import KeyRow
from tests.cli.lab import record
from tests.payloads import CITATION
from tests.services.exchange import elsewhere, minted, pin_of, snapshot, taken, verifier
from tests.services.registry import RECORD, Clock, World
from tests.services.reissued import fresh, rotate, signed, signers
from tests.services.test_ceremony import FIRST, IDS, RENEW, nonce, words
from tests.services.test_parties import enrolled
from tests.timestamp.authority import Tsa
from tests.world import AUTHOR

RECORDS: Final = [record(number) for number in range(1, 5)]
COMPROMISE_SEEDS: Final = (bytes([0x51]) * 32, bytes([0x52]) * 32)


@dataclass
class Life:
    """A registry and the documents it published, by the name of their file."""

    world: World
    tsa: TsaConfig
    published: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def begin(cls, folder: Path, tsa: Tsa, url: str) -> "Life":
        """A registry at the real time, which is the authority's."""
        world = World(folder / "home", clock=Clock(now())).begin()
        return cls(world, TsaConfig(url, tsa.root, 5))

    @property
    def desk(self) -> Desk:
        """The registry, open."""
        desk = self.world.desk()
        return replace(desk, config=replace(desk.config, tsa=self.tsa))

    def audited(self) -> Audit:
        """The audit of now, with everything that was ever published."""
        keysets = b"".join(canonical(k.to_json()) + b"\n" for k in self.desk.store.list_keysets())
        transcripts = b"".join(
            canonical(each.to_json()) + b"\n" for each in self.desk.store.transcripts()
        )
        files = {**self.published, "keys.jsonl": keysets}
        if transcripts:
            files["transcripts.jsonl"] = transcripts
        return audit(self.desk, files.items())

    def stations(self) -> Iterator[str]:
        """Live; after each station the name of what happened."""
        for station in (
            self.mint,
            self.announce_and_activate,
            self.reissue_under_way,
            self.reissue_planned_again,
            self.reissue_ended,
            self.drilled,
            self.anchored,
            self.first_ceremony,
            self.asked_across_the_gap,
            self.answered_across_the_gap,
            self.party_speaks,
            self.others_speak,
            self.compromised,
            self.reissued_after_the_theft,
        ):
            station()
            self.world.clock.move(5)
            yield station.__name__

    def publish(self, name: str) -> None:
        """The bundles of all records, and the newest signers list."""
        desk = self.desk
        for number, each in enumerate(RECORDS):
            at = self.world.clock.move(1)
            bundle = build_bundle(desk, desk.signer(at), each, at=at)
            self.published[f"{name}-{number}.json"] = bundle.to_bytes()
        if (listed := desk.store.find_signers()) is not None:
            self.published[f"{name}-signers.json"] = canonical(listed.to_json())

    def mint(self) -> None:
        """Records, a snapshot, bundles; an event and a receipt alone."""
        desk = self.desk
        at = self.world.clock()
        mint(desk, desk.signer(at), RECORDS, at=at)
        event = snapshot(desk, "one", at=self.world.clock.move(1))
        self.published["event.json"] = event.canonical
        created = desk.store.events_of(RECORD.number.suffix)[0]
        self.published["receipt.json"] = canonical(created.body.payload["receipt"])
        self.publish("young")

    def announce_and_activate(self) -> None:
        """The first key is followed by its successor."""
        self.first, self.second = rotate(self.desk, lambda: self.world.clock.move(60))

    def reissue_under_way(self) -> None:
        """Some receipts are staged, and nothing is switched."""
        desk = self.desk
        job = plan_reissue(desk, self.first, "rotation", at=self.world.clock())
        signed(desk, job, limit=2)

    def reissue_planned_again(self) -> None:
        """What was looked at is thrown away; a chain moves under a staged event."""
        desk = self.desk
        job = fresh(desk)
        signed(desk, job)
        suffixes = [each.number.suffix for each in RECORDS]
        sample(desk, desk.signer(self.world.clock()), job, suffixes, at=self.world.clock.move(1))
        snapshot(desk, "two", at=self.world.clock.move(1))

    def reissue_ended(self) -> None:
        """Switched, the event that had to be made again too; the first key is retired."""
        desk = self.desk
        job = fresh(desk)
        assert switch(desk, desk.signer(desk.clock()), job, clock=desk.clock) == 1
        self.publish("reissued")
        body = retire(desk.keyset().body, self.first, at=self.world.clock.move(60))
        signing = signers(desk, self.second)
        enact(desk, body, signing, act="retire", reason="a test", at=self.world.clock())

    def drilled(self) -> None:
        """Shares of the key that signs, and a drill with three of them."""
        desk = self.desk
        papers = make_shares(
            desk, self.second, threshold=3, count=5, again=False, at=self.world.clock()
        )
        drill(desk, self.second, papers[:3], at=self.world.clock.move(1))

    def anchored(self) -> None:
        """An event with a token, and a nightly list."""
        desk, at = self.desk, self.world.clock.move(1)
        created = desk.store.events_of(RECORD.number.suffix)[0]
        add_anchor(desk, desk.signer(at), RECORD, created, f"event:{created.event_id}", at=at)
        assert list(add_checkpoints(desk, at=self.world.clock.move(1)))

    def first_ceremony(self) -> None:
        """Three recovery keys, two of which count."""
        desk = self.desk
        for number, key_id in enumerate(IDS):
            public = self.world.keys.put(key_id, bytes([number + 1]) * 32)
            desk.store.add_key(KeyRow(key_id, public, "recovery", "memory:", self.world.clock()))
        hold_here(desk, self._prepared(FIRST, 1), words(self.world), at=self.world.clock())

    def _prepared(self, text: str, number: int) -> Handover:
        at = self.world.clock.move(60)
        return prepare(
            self.desk, parse_plan(text), nonce=nonce(number), seeds=lambda: bytes(32), at=at
        )

    def asked_across_the_gap(self) -> None:
        """A request, signed elsewhere, that has not come back; another that never will."""
        desk = self.desk
        for number in (2, 3):
            asked = ask(desk, self._prepared(RENEW, number), words(self.world))
            self.published[f"request-{number}.json"] = canonical(asked.to_json())
        self.response, _ = hold(
            asked,
            asked.participants,
            lambda entry: open_signer(desk, entry),
            words(self.world),
            last="release",
        )
        self.published["response.json"] = canonical(self.response.to_json())

    def answered_across_the_gap(self) -> None:
        """The response is taken in."""
        take_in(self.desk, self.response, words(self.world), at=self.world.clock())

    def party_speaks(self) -> None:
        """A third party is listed, and what it sends is taken."""
        desk = self.desk
        self.signers_list: Signers = enrolled(desk)
        said = AUTHOR.event(
            "citation_signature",
            CITATION | {"citing": str(RECORD.number)},
            of=RECORD,
            at=self.world.clock.move(-2),
        )
        self.world.clock.move(10)
        terms = verifier(desk).terms
        import_party_events(desk, terms, "theirs.jsonl", [("line 1", said.canonical)])
        assert said.event_id in {e.event_id for e in desk.store.events_of(RECORD.number.suffix)}
        self.published["party.json"] = said.canonical
        self.publish("spoken")

    def others_speak(self) -> None:
        """Another registry tells of a record of ours."""
        other = elsewhere(self.world.home.parent / "elsewhere").desk()
        at = self.world.clock()
        other = replace(other, clock=self.world.clock)
        minted(other, at=at.plus(seconds=-2))
        theirs = build_bundle(other, other.signer(at), RECORD, at=at)
        taken(self.desk, theirs, pin_of(other), at=self.world.clock.move(10))

    def compromised(self) -> None:
        """The second key was stolen an hour from now; what it signs from then on is void."""
        desk = self.desk
        since = self.world.clock.move(3600)
        at = self.world.clock.move(60)
        stop(desk, self.second, reason="gone", at=at)
        seeds = iter(COMPROMISE_SEEDS)
        heir = choose_heir(
            desk, self.second, self.world.keys, named=None, new_seed=lambda: next(seeds), at=at
        )
        body = compromised_body(
            desk, self.second, heir, since=since, reason="gone", threshold=None, at=at
        )
        distrust(desk, body, self.second, reason="gone", at=at)
        self.third = heir.key.key_id

    def reissued_after_the_theft(self) -> None:
        """What nothing dates is derived again from its source, and issued again."""
        desk = self.desk
        at = self.world.clock.move(60)
        plan_reissue(desk, self.second, "theft", derived=RECORDS, at=at)
        job = fresh(desk)
        signed(desk, job)
        switch(desk, desk.signer(desk.clock()), job, clock=desk.clock)
        self.publish("anew")
