"""Equivocation by a signer, and the evidence of it that anyone can check (sections 8.3, 10).

Contradiction is one closed document: both signed objects, the keys they are checked with,
and what makes them contradict each other. It proves that these keys signed both; whose
keys they are, a verifier's pins say.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Self

from registry.errors import (
    MalformedError,
    MismatchError,
    UntrustedKeyError,
    VerificationError,
    shown,
)
from registry.protocol import schema
from registry.protocol.bundle_checks import bindings_of
from registry.protocol.canonical import Json, JsonObject, canonical, digest
from registry.protocol.checks import Report, Step, counted, run_steps
from registry.protocol.event import Event
from registry.protocol.event_checks import examine_event
from registry.protocol.event_types import RECORD_CREATED
from registry.protocol.keys import REGISTRY_SIGNER, KeyObject, PublicKey
from registry.protocol.keyset import KeySet
from registry.protocol.keyset_chain import verify_successor
from registry.protocol.keyset_rules import verify_keyset
from registry.protocol.receipt import Receipt
from registry.protocol.strict_json import LARGE, read_json
from registry.protocol.trust import KeyPin, KeySetPin, Terms, speaking

EVIDENCE_TYPE: Final = "pith_evidence"
EVIDENCE_VERSION: Final = "1.0"
EVENT_FORK: Final = "event_fork"
SECOND_ROOT: Final = "second_root"
KEY_SET_FORK: Final = "key_set_fork"
WHY: Final[Mapping[str, str]] = {
    EVENT_FORK: "one signer signed two events after the same previous event",
    SECOND_ROOT: "under a key set, one signer began two chains on the same record",
    KEY_SET_FORK: "one registry signed two key sets of one version, and neither is a recovery "
    "act that displaces a routine one",
}
_KEYS: Final = frozenset(
    (
        "evidence_type",
        "evidence_version",
        "kind",
        "why",
        "signer_id",
        "subject_pith_number",
        "keys",
        "under",
        "objects",
    )
)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two signed objects of one signer that contradict each other.

    ``signer_id`` is who contradicts itself, ``subject`` the number of the record the
    events are about. ``under`` is the key set that makes a second root a
    contradiction, or the set that both key sets follow; None where there is none.
    """

    kind: str
    signer_id: str
    subject: str | None
    keys: tuple[KeyObject, ...]
    under: KeySet | None
    objects: tuple[JsonObject, JsonObject]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read evidence from JSON; what it claims is checked by `examine_evidence`."""
        return cls.from_json(read_json(data, LARGE).value)

    @classmethod
    def from_json(cls, value: Json, path: str = "$") -> Self:
        """Check a closed evidence document: two objects in the order of their canonical
        bytes, keys in the order of their ids."""
        members = schema.closed(value, _KEYS, path)
        schema.constant(members["evidence_type"], EVIDENCE_TYPE, f"{path}.evidence_type")
        schema.constant(members["evidence_version"], EVIDENCE_VERSION, f"{path}.evidence_version")
        kind = schema.one_of(members["kind"], tuple(WHY), f"{path}.kind")
        schema.constant(members["why"], WHY[kind], f"{path}.why")
        subject, under = members["subject_pith_number"], members["under"]
        objects = [
            schema.mapping(item, f"{path}.objects[{i}]")
            for i, item in enumerate(schema.array(members["objects"], f"{path}.objects"))
        ]
        if len(objects) != 2 or canonical(objects[0]) >= canonical(objects[1]):
            raise MalformedError(
                "not two objects in the order of their canonical bytes",
                code="evidence.objects",
                path=f"{path}.objects",
            )
        keys = tuple(
            KeyObject.from_json(item, f"{path}.keys[{i}]")
            for i, item in enumerate(schema.array(members["keys"], f"{path}.keys"))
        )
        ids = [key.key_id for key in keys]
        if ids != sorted(set(ids)):
            raise MalformedError(
                "keys are not sorted by key_id without repeats",
                code="evidence.keys",
                path=f"{path}.keys",
            )
        return cls(
            kind,
            schema.name(members["signer_id"], f"{path}.signer_id"),
            None if subject is None else schema.text(subject, f"{path}.subject_pith_number"),
            keys,
            None if under is None else KeySet.from_json(under, f"{path}.under"),
            (objects[0], objects[1]),
        )

    def to_json(self) -> JsonObject:
        """The document."""
        return {
            "evidence_type": EVIDENCE_TYPE,
            "evidence_version": EVIDENCE_VERSION,
            "kind": self.kind,
            "why": WHY[self.kind],
            "signer_id": self.signer_id,
            "subject_pith_number": self.subject,
            "keys": [key.to_json() for key in self.keys],
            "under": None if self.under is None else self.under.to_json(),
            "objects": list(self.objects),
        }

    @property
    def canonical(self) -> bytes:
        """The document in canonical bytes: what is kept and sent."""
        return canonical(self.to_json())

    @property
    def digest(self) -> bytes:
        """SHA-256 of these bytes: its name."""
        return digest(self.to_json())


# -- finding -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """A valid event, the key objects it is checked with, and the registry in whose graph
    it stood. ``speaker`` tells signers apart: a signer_id that pins vouch for, or else
    one key of it."""

    event: Event
    keys: tuple[KeyObject, ...]
    registry: str
    speaker: str


def keys_of(event: Event, keys: Iterable[KeyObject]) -> tuple[KeyObject, ...]:
    """Those of *keys* that an event and the receipt in it are checked with."""
    signer = event.body.signer
    needed = {(signer.key_id, signer.fingerprint)}
    if event.body.event_type == RECORD_CREATED:
        receipt = Receipt.from_json(event.body.payload["receipt"])
        needed.add((receipt.key_id, receipt.fingerprint))
    return tuple(key for key in keys if (key.key_id, key.key.fingerprint) in needed)


def find_forks(seen: Iterable[Seen], keysets: Mapping[str, KeySet]) -> tuple[Contradiction, ...]:
    """Every pair of events by one speaker after the same previous event; where a registry
    has a pinned key set in *keysets*, a second root of one speaker and record too.

    Of more than two after one event, the first by id stands against each of the others.
    """
    groups: dict[tuple[str, str, str], dict[str, Seen]] = defaultdict(dict)
    for each in seen:
        body = each.event.body
        if body.prev_event is not None:
            place = body.prev_event
        elif each.registry in keysets:
            place = ""
        else:
            continue
        groups[each.speaker, str(body.subject), place][each.event.event_id] = each
    found = []
    for (_, _, place), events in sorted(groups.items()):
        first, *others = (events[event_id] for event_id in sorted(events))
        found += [_evidence(place, first, other, keysets) for other in others]
    return tuple(found)


def _evidence(place: str, one: Seen, two: Seen, keysets: Mapping[str, KeySet]) -> Contradiction:
    body = one.event.body
    keys = {key.key_id: key for each in (one, two) for key in each.keys}
    values = sorted((one.event.to_json(), two.event.to_json()), key=canonical)
    return Contradiction(
        EVENT_FORK if place else SECOND_ROOT,
        body.signer.signer_id,
        str(body.subject),
        tuple(keys[key_id] for key_id in sorted(keys)),
        None if place else keysets[one.registry],
        (values[0], values[1]),
    )


def find_keyset_forks(keysets: Iterable[KeySet]) -> tuple[Contradiction, ...]:
    """Every two sound sets of one registry and version that no recovery act explains."""
    by_digest = {keyset.body.digest: keyset for keyset in keysets}
    versions: dict[tuple[str, int], list[KeySet]] = defaultdict(list)
    for _, keyset in sorted(by_digest.items()):
        versions[keyset.body.registry, keyset.body.version].append(keyset)
    found = []
    for _, same in sorted(versions.items()):
        for one, two in combinations(same, 2):
            before = by_digest.get(bytes.fromhex(one.body.prev_sha256 or ""))
            evidence = keyset_fork(before, one, two)
            if evidence is not None:
                found.append(evidence)
    return tuple(found)


def keyset_fork(before: KeySet | None, one: KeySet, two: KeySet) -> Contradiction | None:
    """The evidence that two sets of one version contradict each other, or None where they
    prove nothing: a stranger's set under the registry's name, or a set that is displaced."""
    try:
        _check_key_sets(before, one, two)
    except VerificationError:
        return None
    values = sorted((one.to_json(), two.to_json()), key=canonical)
    return Contradiction(KEY_SET_FORK, one.body.registry, None, (), before, (values[0], values[1]))


def _check_key_sets(before: KeySet | None, one: KeySet, two: KeySet) -> list[PublicKey]:
    """The keys that made two sets of one version, neither displacing the other."""
    for keyset in (one, two, *([before] if before is not None else [])):
        verify_keyset(keyset)
    if (one.body.registry, one.body.version) != (two.body.registry, two.body.version):
        raise _none("the key sets are not of one registry and version")
    if one.body.digest == two.body.digest:
        raise _none("the key sets are one and the same")
    if before is not None:
        acts = {verify_successor(before, one), verify_successor(before, two)}
        if acts == {"recovery", "routine"}:
            raise _none("a recovery act displaces the routine act of its version")
        return [key for keyset in (one, two) for key in _signing_keys(keyset, before)]
    if one.body.version != 1:
        raise _none("the set that both follow is missing")
    both = [key for key in _signing_keys(one, one) if key in _signing_keys(two, two)]
    if not both:
        raise _none("no key signed both first sets: one may be a stranger's")
    return both


def _signing_keys(keyset: KeySet, listed: KeySet) -> list[PublicKey]:
    """The keys of *listed* that signed *keyset*."""
    signed = {signature.key_id for signature in keyset.signatures}
    return [
        entry.object.key
        for entry in listed.body.entries
        if entry.object is not None and entry.key_id in signed
    ]


def _none(reason: str) -> VerificationError:
    return VerificationError(reason, code="evidence.conflict")


# -- checking ------------------------------------------------------------------


class EvidenceExamination:
    """One evidence document on its way through its checks."""

    def __init__(self, data: bytes, terms: Terms) -> None:
        self.data = data
        self.terms = terms
        self.events: tuple[Event, ...] = ()
        self.accused: list[PublicKey] = []

    def json(self) -> None:
        """J1 to J11."""
        self.document = read_json(self.data, LARGE)

    def schema(self) -> str:
        """Members, types, constants and order."""
        self.evidence = Contradiction.from_json(self.document.value)
        return f"{self.evidence.kind} of {shown(self.evidence.signer_id)}"

    def objects(self) -> str:
        """Each object is signed, and good by itself."""
        if self.evidence.kind != KEY_SET_FORK:
            self.events = tuple(self._event(value) for value in self.evidence.objects)
            return "2 events"
        self.keysets = tuple(
            KeySet.from_json(value, f"$.objects[{i}]")
            for i, value in enumerate(self.evidence.objects)
        )
        for keyset in self.keysets:
            verify_keyset(keyset)
        return "2 key sets"

    def _event(self, value: JsonObject) -> Event:
        evidence = self.evidence
        event = Event.from_json(value)
        bindings = bindings_of(evidence.keys, evidence.signer_id)
        found = examine_event(value, event.body.subject, bindings, self.document.canonical)
        if found.error is not None:
            raise found.error
        return event

    def keys(self) -> str:
        """The keys are those that the objects need, and no other."""
        needed = {key for event in self.events for key in keys_of(event, self.evidence.keys)}
        if needed != set(self.evidence.keys):
            raise MismatchError("there are keys that no object needs", code="evidence.keys")
        return counted(len(self.evidence.keys), "key")

    def conflict(self) -> str:
        """The objects contradict each other."""
        evidence = self.evidence
        if evidence.kind == KEY_SET_FORK:
            one, two = self.keysets
            if one.body.registry != evidence.signer_id or evidence.subject is not None:
                raise _none("the key sets are not of whom the evidence names")
            self.accused = _check_key_sets(evidence.under, one, two)
        else:
            _check_events(evidence, self.events)
            by_id = {key.key_id: key.key for key in evidence.keys}
            self.accused = [by_id[event.body.signer.key_id] for event in self.events]
        return WHY[evidence.kind]

    def pin(self) -> str:
        """The verifier's pins say whose keys these are."""
        evidence = self.evidence
        pins = speaking(self.terms.pins, evidence.signer_id)
        for key in self.accused:
            if not any(_leads_to(pin, key) for pin in pins):
                raise UntrustedKeyError(
                    f"no pin of {shown(evidence.signer_id)} leads to the key {key.hex}",
                    code="trust.pin",
                    hint="a stranger can sign two things under any name: compare the keys with "
                    "the signer's by another way",
                )
        if evidence.kind == SECOND_ROOT and not any(
            isinstance(pin, KeySetPin)
            and evidence.under is not None
            and pin.registry == evidence.under.body.registry
            for pin in self.terms.pins
        ):
            raise UntrustedKeyError(
                "a second root contradicts the first only under a pinned key set",
                code="trust.pin",
                hint="give the registry's key set as --pin",
            )
        return "; ".join(pin.origin for pin in pins)


def _leads_to(pin: KeyPin | KeySetPin, key: PublicKey) -> bool:
    return pin.key == key if isinstance(pin, KeyPin) else pin.keyset.body.find(key) is not None


def _check_events(evidence: Contradiction, events: Sequence[Event]) -> None:
    one, two = (event.body for event in events)
    if {(b.signer.signer_id, str(b.subject)) for b in (one, two)} != {
        (evidence.signer_id, evidence.subject)
    } or one.signer.signer_type != two.signer.signer_type:
        raise _none("the events are not by one signer about one record")
    if events[0].event_id == events[1].event_id:
        raise _none("the events are one and the same")
    if one.prev_event != two.prev_event:
        raise _none("the events follow different events")
    if (one.prev_event is None) != (evidence.kind == SECOND_ROOT):
        raise _none(f"this is no {evidence.kind}")
    if (evidence.under is None) != (evidence.kind == EVENT_FORK):
        raise _none("a second root stands under a key set, a fork under none")
    if evidence.under is not None:
        verify_keyset(evidence.under)
        if one.signer.signer_type == REGISTRY_SIGNER and (
            evidence.under.body.registry != evidence.signer_id
            or any(evidence.under.body.find(key.key) is None for key in evidence.keys)
        ):
            raise _none("the key set is not that of the events' keys")


_X = EvidenceExamination
_STEPS: Final[tuple[Step[EvidenceExamination], ...]] = (
    Step("json", _X.json),
    Step("evidence.schema", _X.schema, ("json",)),
    Step("evidence.objects", _X.objects, ("evidence.schema",)),
    Step("evidence.keys", _X.keys, ("evidence.objects",)),
    Step("evidence.conflict", _X.conflict, ("evidence.objects",)),
)
_PINNED: Final = Step("trust.pin", _X.pin, ("evidence.conflict",))


def examine_evidence(data: bytes, terms: Terms) -> Report:
    """Run every check on the bytes of evidence. Without pins nothing is said of whose the
    keys are: the check ``trust.pin`` is made only for a verifier who brings some."""
    examination = EvidenceExamination(data, terms)
    checks = run_steps(examination, (*_STEPS, _PINNED) if terms.pins else _STEPS)
    formed = checks[1].status == "ok"
    return Report(
        kind="evidence",
        subject=examination.evidence.digest.hex() if formed else "",
        checks=checks,
        registry=examination.evidence.signer_id if formed else "",
    )
