"""Equivocation by a signer, and the evidence of it that anyone can check (sections 8.3, 10).

Contradiction is one closed document: both signed objects, the keys they are checked with,
and what makes them contradict each other. It proves that these keys signed both; whose
keys they are, a verifier's pins say.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final, Self

from registry.errors import (
    MalformedError,
    VerificationError,
)
from registry.protocol import schema
from registry.protocol.canonical import Json, JsonObject, canonical, digest
from registry.protocol.event import Event
from registry.protocol.event_types import RECORD_CREATED
from registry.protocol.keys import KeyObject, PublicKey
from registry.protocol.keyset import KeySet
from registry.protocol.keyset_chain import verify_successor
from registry.protocol.keyset_rules import verify_keyset
from registry.protocol.receipt import Receipt
from registry.protocol.signers import Signers
from registry.protocol.signers_chain import check_signature, verify_signers
from registry.protocol.strict_json import LARGE, read_json
from registry.protocol.trust import KeySetPin, registry_bindings

EVIDENCE_TYPE: Final = "pith_evidence"
EVIDENCE_VERSION: Final = "1.0"
EVENT_FORK: Final = "event_fork"
SECOND_ROOT: Final = "second_root"
KEY_SET_FORK: Final = "key_set_fork"
SIGNERS_FORK: Final = "signers_fork"
WHY: Final[Mapping[str, str]] = {
    EVENT_FORK: "one signer signed two events after the same previous event",
    SECOND_ROOT: "under a key set, one signer began two chains on the same record",
    KEY_SET_FORK: "one registry signed two key sets of one version, and neither is a recovery "
    "act that displaces a routine one",
    SIGNERS_FORK: "one registry signed two signers lists of one version",
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
    contradiction, or whose keys signed both signers lists, or that both key sets follow;
    None where there is none.
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
            place = f"the root in {each.registry}"
        else:
            continue
        groups[each.speaker, str(body.subject), place][each.event.event_id] = each
    found = []
    for _, events in sorted(groups.items()):
        first, *others = (events[event_id] for event_id in sorted(events))
        found += [_evidence(first, other, keysets) for other in others]
    return tuple(found)


def _evidence(one: Seen, two: Seen, keysets: Mapping[str, KeySet]) -> Contradiction:
    body = one.event.body
    is_root = body.prev_event is None
    keys = {key.key_id: key for each in (one, two) for key in each.keys}
    values = sorted((one.event.to_json(), two.event.to_json()), key=canonical)
    return Contradiction(
        SECOND_ROOT if is_root else EVENT_FORK,
        body.signer.signer_id,
        str(body.subject),
        tuple(keys[key_id] for key_id in sorted(keys)),
        keysets[one.registry] if is_root else None,
        (values[0], values[1]),
    )


def find_keyset_forks(keysets: Iterable[KeySet]) -> tuple[Contradiction, ...]:
    """Every two sound sets of one registry and version that no recovery act explains."""
    by_digest: dict[bytes, KeySet] = {}
    for keyset in keysets:
        digest_ = keyset.body.digest
        by_digest[digest_] = _signed_by_all(by_digest.get(digest_, keyset), keyset)
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


def _signed_by_all(one: KeySet, copy: KeySet) -> KeySet:
    """A set with the signatures of both copies: one with fewer must not stand for it."""
    signed = {signature.key_id for signature in one.signatures}
    more = tuple(each for each in copy.signatures if each.key_id not in signed)
    if not more:
        return one
    every = sorted((*one.signatures, *more), key=lambda each: each.key_id)
    return replace(one, signatures=tuple(every))


def keyset_fork(before: KeySet | None, one: KeySet, two: KeySet) -> Contradiction | None:
    """The evidence that two sets of one version contradict each other, or None where they
    prove nothing: a stranger's set under the registry's name, or a set that is displaced."""
    try:
        check_key_sets(before, one, two)
    except VerificationError:
        return None
    values = sorted((one.to_json(), two.to_json()), key=canonical)
    return Contradiction(KEY_SET_FORK, one.body.registry, None, (), before, (values[0], values[1]))


def check_key_sets(before: KeySet | None, one: KeySet, two: KeySet) -> list[PublicKey]:
    """The keys that made two sets of one version, neither displacing the other."""
    for keyset in (one, two, *([before] if before is not None else [])):
        verify_keyset(keyset)
    if (one.body.registry, one.body.version) != (two.body.registry, two.body.version):
        raise no_conflict("the key sets are not of one registry and version")
    if one.body.digest == two.body.digest:
        raise no_conflict("the key sets are one and the same")
    if before is not None:
        acts = {verify_successor(before, one), verify_successor(before, two)}
        if acts == {"recovery", "routine"}:
            raise no_conflict("a recovery act displaces the routine act of its version")
        return [key for keyset in (one, two) for key in _signing_keys(keyset, before)]
    if one.body.version != 1:
        raise no_conflict("the set that both follow is missing")
    both = [key for key in _signing_keys(one, one) if key in _signing_keys(two, two)]
    if not both:
        raise no_conflict("no key signed both first sets: one may be a stranger's")
    return both


def _signing_keys(keyset: KeySet, listed: KeySet) -> list[PublicKey]:
    """The keys of *listed* that signed *keyset*."""
    signed = {signature.key_id for signature in keyset.signatures}
    return [
        entry.object.key
        for entry in listed.body.entries
        if entry.object is not None and entry.key_id in signed
    ]


def find_signers_forks(
    lists: Iterable[Signers], keysets: Iterable[KeySet]
) -> tuple[Contradiction, ...]:
    """Every two signers lists of one registry and version that keys of one of its key sets
    signed."""
    lists = list(lists)
    found: dict[frozenset[bytes], Contradiction] = {}
    for under in keysets:
        versions: dict[int, list[Signers]] = defaultdict(list)
        for _, each in sorted(_signed_under(lists, under).items()):
            versions[each.body.version].append(each)
        for _, same in sorted(versions.items()):
            for one, two in combinations(same, 2):
                evidence = signers_fork(under, one, two)
                if evidence is not None:
                    found.setdefault(frozenset((one.body.digest, two.body.digest)), evidence)
    return tuple(found.values())


def _signed_under(lists: Iterable[Signers], under: KeySet) -> dict[bytes, Signers]:
    """The lists that a key of *under* signed, by digest: a copy with a spoilt signature
    must not shadow the good one."""
    bindings = registry_bindings([KeySetPin(under, "")], under.body.registry)
    found: dict[bytes, Signers] = {}
    for each in lists:
        if each.body.registry == under.body.registry and each.body.digest not in found:
            with suppress(VerificationError):
                verify_signers(each, bindings)
                found[each.body.digest] = each
    return found


def signers_fork(under: KeySet, one: Signers, two: Signers) -> Contradiction | None:
    """The evidence that two signers lists of one version contradict each other, or None
    where a key of *under* did not sign both."""
    try:
        check_signers(under, one, two)
    except VerificationError:
        return None
    values = sorted((one.to_json(), two.to_json()), key=canonical)
    return Contradiction(SIGNERS_FORK, one.body.registry, None, (), under, (values[0], values[1]))


def check_signers(under: KeySet | None, one: Signers, two: Signers) -> list[PublicKey]:
    """The keys of the key set *under* that signed two lists of one registry and version."""
    if (one.body.registry, one.body.version) != (two.body.registry, two.body.version):
        raise no_conflict("the signers lists are not of one registry and version")
    if one.body.digest == two.body.digest:
        raise no_conflict("the signers lists are one and the same")
    if under is None or under.body.registry != one.body.registry:
        raise no_conflict("the key set whose keys signed the lists is missing")
    verify_keyset(under)
    bindings = registry_bindings([KeySetPin(under, "")], one.body.registry)
    for each in (one, two):
        verify_signers(each, bindings)
    return [check_signature(each, bindings) for each in (one, two)]


def no_conflict(reason: str) -> VerificationError:
    """Why two objects do not contradict each other."""
    return VerificationError(reason, code="evidence.conflict")
