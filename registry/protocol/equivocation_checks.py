"""The checks of evidence of equivocation, which needs nothing beside itself."""

from collections.abc import Sequence
from typing import Final

from registry.errors import MismatchError, UntrustedKeyError, shown
from registry.protocol.bundle_checks import bindings_of
from registry.protocol.canonical import JsonObject
from registry.protocol.checks import Report, Step, counted, run_steps
from registry.protocol.equivocation import (
    EVENT_FORK,
    KEY_SET_FORK,
    SECOND_ROOT,
    SIGNERS_FORK,
    WHY,
    Contradiction,
    check_key_sets,
    check_signers,
    keys_of,
    no_conflict,
)
from registry.protocol.event import Event
from registry.protocol.event_checks import examine_event
from registry.protocol.keys import REGISTRY_SIGNER, PublicKey
from registry.protocol.keyset import KeySet
from registry.protocol.keyset_rules import verify_keyset
from registry.protocol.signers import Signers
from registry.protocol.strict_json import LARGE, read_json
from registry.protocol.trust import KeyPin, KeySetPin, Terms, speaking


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
        if self.evidence.kind in (EVENT_FORK, SECOND_ROOT):
            self.events = tuple(self._event(value) for value in self.evidence.objects)
            return "2 events"
        if self.evidence.kind == SIGNERS_FORK:
            self.lists = tuple(
                Signers.from_json(value, f"$.objects[{i}]")
                for i, value in enumerate(self.evidence.objects)
            )
            return "2 signers lists"
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
        if evidence.kind in (EVENT_FORK, SECOND_ROOT):
            _check_events(evidence, self.events)
            by_id = {key.key_id: key.key for key in evidence.keys}
            self.accused = [by_id[event.body.signer.key_id] for event in self.events]
            return WHY[evidence.kind]
        if evidence.kind == KEY_SET_FORK:
            registry = self.keysets[0].body.registry
            self.accused = check_key_sets(evidence.under, *self.keysets)
        else:
            registry = self.lists[0].body.registry
            self.accused = check_signers(evidence.under, *self.lists)
        if registry != evidence.signer_id or evidence.subject is not None:
            raise no_conflict("the objects are not of whom the evidence names")
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
        raise no_conflict("the events are not by one signer about one record")
    if events[0].event_id == events[1].event_id:
        raise no_conflict("the events are one and the same")
    if one.prev_event != two.prev_event:
        raise no_conflict("the events follow different events")
    if (one.prev_event is None) != (evidence.kind == SECOND_ROOT):
        raise no_conflict(f"this is no {evidence.kind}")
    if (evidence.under is None) != (evidence.kind == EVENT_FORK):
        raise no_conflict("a second root stands under a key set, a fork under none")
    if evidence.under is not None:
        verify_keyset(evidence.under)
        if one.signer.signer_type == REGISTRY_SIGNER and (
            evidence.under.body.registry != evidence.signer_id
            or any(evidence.under.body.find(key.key) is None for key in evidence.keys)
        ):
            raise no_conflict("the key set is not that of the events' keys")


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
