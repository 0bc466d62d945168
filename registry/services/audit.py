"""Audit: does the journal of signatures agree with the store, and with what is seen outside."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from registry.errors import PithError, VerificationError
from registry.protocol.canonical import canonical
from registry.protocol.claims import Claim, claims_in
from registry.protocol.keys import PublicKey
from registry.protocol.keyset_chain import Chain, verify_chain
from registry.protocol.transcript import Transcript
from registry.services.desk import Desk
from registry.services.importing import restored_at
from registry.store.rows import ActRow, QuarantineRow, SignatureRow

Counts: TypeAlias = Mapping[tuple[str, str, str], int]
"""Signatures by (key id, month, kind)."""

GRAVEST: Final = ("keyset", "signers")
"""Kinds of signatures with which a thief says whose signatures count."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A signature by one of our keys, and where it was seen."""

    where: str
    key_id: str
    claim: Claim


@dataclass(frozen=True, slots=True)
class Apart:
    """A document that imports kept apart, with the signatures of our keys in it; of
    ``unknown`` the journal has no line."""

    row: QuarantineRow
    known: tuple[Sighting, ...]
    unknown: tuple[Sighting, ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found.

    ``counts`` are the signatures made here, ``restored`` those from before the home was
    made anew; ``chain`` the versions of the key set and what made them. ``apart`` are the
    quarantined documents with signatures of our keys. ``unjournaled`` are stored
    documents without a journal line and ``undocumented`` lines without their document,
    each as (kind, digest in hex); ``unknown`` the signatures by our keys that nobody here
    made, the gravest first; ``refused`` the outside documents that say nothing, and why, and
    ``seen`` how many signatures of our keys stand in the others.
    """

    counts: Counts
    restored: Counts
    acts: tuple[ActRow, ...]
    chain: Chain
    transcripts: tuple[Transcript, ...]
    apart: tuple[Apart, ...]
    unjournaled: tuple[tuple[str, str], ...]
    undocumented: tuple[tuple[str, str], ...]
    unknown: tuple[Sighting, ...]
    refused: tuple[tuple[str, PithError], ...]
    seen: int

    @property
    def ok(self) -> bool:
        """Whether journal, store and the outside agree."""
        return not (self.unjournaled or self.undocumented or self.unknown)

    @property
    def drills(self) -> tuple[ActRow, ...]:
        """The acts that were drills."""
        return tuple(act for act in self.acts if act.act.startswith("drill"))


def audit(desk: Desk, outside: Iterable[tuple[str, bytes]]) -> Audit:
    """Reconcile the journal with the store, and with documents (name, bytes) from outside.

    What a home that was made anew keeps apart, and cannot decide about, is no alarm when it
    is seen again.
    """
    keys = _own_keys(desk)
    keysets, transcripts = desk.store.list_keysets(), desk.store.transcripts()
    apart = tuple(_apart(desk, keys))
    unknown = [sighting for each in apart if _alarms(desk, each) for sighting in each.unknown]
    undecided = {_line(s) for each in apart if not _alarms(desk, each) for s in each.unknown}
    refused, seen = [], 0
    for name, data in outside:
        try:
            found = _outside(keys, name, data)
        except PithError as error:
            refused.append((name, error))
            continue
        seen += len(found)
        unknown += [
            each for each in found if not _known(desk, each) and _line(each) not in undecided
        ]
    return Audit(
        counts=_counted(desk.store.signatures()),
        restored=_counted(desk.store.restored()),
        acts=tuple(desk.store.acts()),
        chain=verify_chain(keysets),
        transcripts=tuple(transcripts),
        apart=apart,
        unjournaled=tuple(dict.fromkeys(unjournaled(desk))),
        undocumented=tuple(desk.store.undocumented()),
        unknown=tuple(sorted(unknown, key=lambda each: each.claim.kind not in GRAVEST)),
        refused=tuple(refused),
        seen=seen,
    )


def _counted(lines: Iterable[SignatureRow]) -> Counts:
    counts = Counter((line.key_id, line.at.seconds[:7], line.kind) for line in lines)
    return dict(sorted(counts.items()))


def _own_keys(desk: Desk) -> dict[str, PublicKey]:
    """Every key that was ever ours, for whatever use, by its id."""
    listed = {e.key_id: e.object.key for e in desk.keyset().body.entries if e.object is not None}
    return {row.key_id: row.public_key for row in desk.store.list_keys()} | listed


def _sightings(keys: Mapping[str, PublicKey], where: str, data: bytes) -> Iterator[Sighting]:
    """The signatures in a document that verify under a key of ours, whatever it says of them."""
    for claim in claims_in(data):
        for key_id, key in keys.items():
            if _verifies(key, claim):
                yield Sighting(where, key_id, claim)


def _verifies(key: PublicKey, claim: Claim) -> bool:
    try:
        key.verify(claim.message, claim.signature)
    except VerificationError:
        return False
    return True


def _line(sighting: Sighting) -> tuple[str, bytes, str]:
    return sighting.claim.kind, sighting.claim.digest, sighting.key_id


def _known(desk: Desk, sighting: Sighting) -> bool:
    """Whether the journal knows it, or it was asked for in a ceremony: keys of holders
    elsewhere sign for that, and their lines come with the response."""
    claim, key_id = sighting.claim, sighting.key_id
    if desk.store.has_signature(claim.kind, claim.digest, key_id):
        return True
    if desk.store.has_restored(claim.kind, claim.digest, key_id):
        return True
    asked = claim.about is not None and desk.store.has_proposed(claim.about)
    return asked and (claim.kind == "keyset" or not desk.store.has_keyset(claim.about or b""))


def _outside(keys: Mapping[str, PublicKey], name: str, data: bytes) -> list[Sighting]:
    """The sightings in a document from outside.

    Raises what `claims_in` raises, and VerificationError ``audit.signature`` for a signature
    that says it is of a key of ours, and is not: nobody needs our key for that.
    """
    found = list(_sightings(keys, name, data))
    stands = {each.claim.signature for each in found}
    ours = {key.fingerprint: key_id for key_id, key in keys.items()}
    for claim in claims_in(data):
        if claim.fingerprint in ours and claim.signature not in stands:
            raise VerificationError(
                f"the {claim.what} says that {ours[claim.fingerprint]} signed it, and it did not",
                code="audit.signature",
                hint="it was changed or made up, without our key: `pith verify` says more",
            )
    return found


def _apart(desk: Desk, keys: Mapping[str, PublicKey]) -> Iterator[Apart]:
    for row in desk.store.quarantined():
        found = list(_sightings(keys, f"quarantine: {row.source}", row.body))
        known = tuple(each for each in found if _known(desk, each))
        if found:
            yield Apart(row, known, tuple(each for each in found if each not in known))


def _alarms(desk: Desk, apart: Apart) -> bool:
    """Whether the unknown signatures of a document kept apart were made by somebody else.

    A home that was made anew cannot say so of what was signed before, unless it
    contradicts what the home holds.
    """
    anew = restored_at(desk)
    dated = [each.claim.at for each in apart.unknown]
    return (
        anew is None
        or apart.row.verdict == "conflict"
        or any(moment is None or moment > anew for moment in dated)
    )


def unjournaled(desk: Desk) -> Iterator[tuple[str, str]]:
    """Stored documents without a line: the store compares each with the journal, and here
    each signature of those that have several."""
    keys = _own_keys(desk)
    yield from desk.store.unjournaled()
    documents = [each.to_json() for each in desk.store.list_keysets()]
    documents += [each.to_json() for each in desk.store.transcripts()]
    for document in documents:
        for each in _sightings(keys, "store", canonical(document)):
            claim, key_id = each.claim, each.key_id
            if not (
                desk.store.has_signature(claim.kind, claim.digest, key_id)
                or desk.store.has_restored(claim.kind, claim.digest, key_id)
            ):
                yield claim.kind, claim.digest.hex()
