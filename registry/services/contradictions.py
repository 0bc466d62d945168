"""Contradictions: who signed two things of which only one may be, in files or found on import."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from registry.errors import ConflictError, MalformedError, NotFoundError, PithError, shown
from registry.protocol.bundle import Bundle
from registry.protocol.bundle_checks import bindings_of
from registry.protocol.canonical import JsonObject
from registry.protocol.equivocation import (
    Contradiction,
    Seen,
    find_forks,
    find_keyset_forks,
    find_signers_forks,
)
from registry.protocol.equivocation_checks import examine_evidence
from registry.protocol.event import Bindings, Event, SignerRef
from registry.protocol.event_checks import Examined, examine_event, receipt_signer
from registry.protocol.instant import Instant
from registry.protocol.keys import REGISTRY_SIGNER, KeyObject
from registry.protocol.keyset import KeySet
from registry.protocol.keyset_rules import verify_keyset
from registry.protocol.signers import Signers
from registry.protocol.strict_json import LARGE, read_json
from registry.protocol.trust import KeySetPin, Pin, Terms, anchor
from registry.services.desk import Desk

MIN_NAME = 8


@dataclass
class Pile:
    """What was read from files: events, each with the registry of its bundle, key sets, signers
    lists, and the keys they show, each under the whole of its binding: what a stranger's file
    calls a key hides it nowhere else."""

    pins: Sequence[Pin]
    at: Instant
    events: list[tuple[JsonObject, str | None]] = field(default_factory=list)
    keysets: list[KeySet] = field(default_factory=list)
    lists: list[Signers] = field(default_factory=list)
    keys: dict[SignerRef, KeyObject] = field(default_factory=dict)

    def add(self, data: bytes) -> None:
        """Read one document: a bundle, event, key set, signers list, or evidence, whose
        objects count.

        Raises MalformedError ``evidence.kind`` for anything else.
        """
        value = read_json(data, LARGE).value
        if "bundle_type" in value:
            self._add_bundle(Bundle.from_json(value))
        elif "event_type" in value:
            self.events.append((value, None))
        elif "keyset_type" in value:
            self._add_keyset(KeySet.from_json(value))
        elif "signers_type" in value:
            self.lists.append(Signers.from_json(value))
        elif "evidence_type" in value:
            self._add_evidence(Contradiction.from_json(value))
        else:
            raise MalformedError(
                "no document in which a signer could contradict itself",
                code="evidence.kind",
                hint="known are bundles, events, key sets, signers lists and evidence",
            )

    def _add_bundle(self, bundle: Bundle) -> None:
        value = bundle.body.value
        registry = ""
        for event in value["events"]:
            signer = SignerRef.from_json(event.get("signer"), "$.events.signer")
            if signer.signer_type == REGISTRY_SIGNER:
                registry = signer.signer_id
                break
        self._add_keys(registry, map(KeyObject.from_json, value["public_keys"]))
        self.events += [(event, registry) for event in value["events"]]

    def _add_keyset(self, keyset: KeySet) -> None:
        verify_keyset(keyset)
        self.keysets.append(keyset)
        entries = keyset.body.entries
        self._add_keys(keyset.body.registry, (e.object for e in entries if e.object is not None))

    def _add_evidence(self, found: Contradiction) -> None:
        self._add_keys(found.signer_id, found.keys)
        for keyset in (found.under,) if found.under is not None else ():
            self._add_keyset(keyset)
        for value in found.objects:
            if "event_type" in value:
                graph = None if found.under is None else found.under.body.registry
                self.events.append((value, graph))
            elif "signers_type" in value:
                self.lists.append(Signers.from_json(value))
            else:
                self._add_keyset(KeySet.from_json(value))

    def _add_keys(self, registry: str, keys: Iterable[KeyObject]) -> None:
        for key in keys:
            for ref in bindings_of([key], registry):
                self.keys.setdefault(ref, key)

    def contradictions(self) -> tuple[Contradiction, ...]:
        """Everything in the pile that contradicts something else in it, each once.

        Events under different keys are one signer's where the pins lead to both. Of a
        second root nothing is said unless a key set of the registry is pinned.
        """
        pinned = self._pinned()
        found = find_forks(self._seen(pinned), pinned)
        keysets = [*pinned.values(), *self.keysets]
        found += find_keyset_forks(keysets) + find_signers_forks(self.lists, keysets)
        unpinned = Terms((), self.at)
        return tuple(each for each in found if examine_evidence(each.canonical, unpinned).ok)

    def _pinned(self) -> dict[str, KeySet]:
        names = {pin.registry for pin in self.pins if isinstance(pin, KeySetPin)}
        sets = {name: anchor(self.pins, name).keyset for name in names}
        return {name: keyset for name, keyset in sorted(sets.items()) if keyset is not None}

    def _seen(self, pinned: Mapping[str, KeySet]) -> list[Seen]:
        for name, keyset in pinned.items():
            entries = keyset.body.entries
            self._add_keys(name, (e.object for e in entries if e.object is not None))
        bindings = {ref: key.key for ref, key in self.keys.items()}
        seen = []
        for value, registry in self.events:
            copy = _valid(value, bindings)
            if copy is None or copy.event is None:
                continue
            event, signer = copy.event, copy.event.body.signer
            bound = bindings[signer]
            known = pinned.get(signer.signer_id)
            listed = known is not None and known.body.find(bound) is not None
            speaker = signer.signer_id if listed else f"{signer.signer_id} {bound.hex}"
            refs = (
                {signer} if copy.receipt is None else {signer, receipt_signer(event, copy.receipt)}
            )
            keys = tuple(self.keys[ref] for ref in refs)
            # Of an event that came alone nobody knows in whose graph its signer began.
            ours = signer.signer_id if signer.signer_type == REGISTRY_SIGNER else ""
            seen.append(Seen(event, keys, registry or ours, speaker))
        return seen


def _valid(value: JsonObject, bindings: Bindings) -> Examined | None:
    """The event examined, where each of its checks is ok."""
    try:
        event = Event.from_json(value)
    except PithError:
        return None
    copy = examine_event(value, event.body.subject, bindings)
    return copy if copy.failed is None else None


def _raise(error: PithError) -> NoReturn:
    raise error


def find_contradictions(
    documents: Iterable[tuple[str, bytes]],
    pins: Sequence[Pin],
    *,
    at: Instant,
    refused: Callable[[PithError], object] = _raise,
) -> tuple[Contradiction, ...]:
    """Look through documents, each (name, bytes), for equivocation.

    *refused* is told the failure of each that cannot be read, with its name; the others
    are looked through all the same.
    """
    pile = Pile(pins, at)
    for name, data in documents:
        try:
            pile.add(data)
        except PithError as error:
            refused(type(error)(f"{shown(name)}: {error}", code=error.code, hint=error.hint))
    return pile.contradictions()


def held_contradictions(desk: Desk) -> tuple[Contradiction, ...]:
    """Those that imports found here."""
    return tuple(desk.store.evidence())


def named(found: Iterable[Contradiction], name: str) -> Contradiction:
    """The one whose digest begins with *name*; NotFoundError ``evidence.absent``,
    ConflictError ``evidence.ambiguous``."""
    matching = [
        each
        for each in found
        if len(name) >= MIN_NAME and each.digest.hex().startswith(name.lower())
    ]
    if not matching:
        raise NotFoundError(
            f"no evidence {shown(name)}",
            code="evidence.absent",
            hint="`pith evidence find` shows what there is; give 8 digits or more",
        )
    if len(matching) > 1:
        raise ConflictError(
            f"{shown(name)} is short for {len(matching)} documents",
            code="evidence.ambiguous",
            hint="give the whole digest",
        )
    return matching[0]
