"""Audit: does the journal of signatures agree with the store, and with what is seen outside."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from registry.protocol.canonical import JsonObject
from registry.protocol.instant import Instant
from registry.protocol.trust import KeySetPin, Terms
from registry.services.desk import Desk
from registry.services.verify import examine
from registry.store.rows import ActRow

_KINDS: Final = {"key set": "keyset", "signers list": "signers"}
_BARE: Final = ("receipt", "event", "bundle")


@dataclass(frozen=True, slots=True)
class Unknown:
    """A signature by one of our keys that the journal does not know: nobody here made it."""

    where: str
    what: str
    key_id: str
    digest: str

    def to_json(self) -> JsonObject:
        """The same for ``--json``."""
        return {
            "where": self.where,
            "what": self.what,
            "key_id": self.key_id,
            "digest": self.digest,
        }


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found.

    ``counts`` are the signatures by (key id, month, kind); ``unjournaled`` stored
    documents without a journal line and ``undocumented`` lines without their
    document, each as (kind, digest in hex); ``unknown`` signatures seen outside.
    """

    counts: dict[tuple[str, str, str], int]
    acts: tuple[ActRow, ...]
    unjournaled: tuple[tuple[str, str], ...]
    undocumented: tuple[tuple[str, str], ...]
    unknown: tuple[Unknown, ...]

    @property
    def ok(self) -> bool:
        """Whether journal, store and the outside agree."""
        return not (self.unjournaled or self.undocumented or self.unknown)


def audit(desk: Desk, outside: Iterable[tuple[str, bytes]], *, at: Instant) -> Audit:
    """Reconcile the journal with the store, and with documents (name, bytes) from outside."""
    counts = Counter(
        (line.key_id, line.at.seconds[:7], line.kind) for line in desk.store.signatures()
    )
    return Audit(
        counts=dict(sorted(counts.items())),
        acts=tuple(desk.store.acts()),
        unjournaled=tuple(desk.store.unjournaled()),
        undocumented=tuple(desk.store.undocumented()),
        unknown=tuple(
            unknown
            for name, data in chain(_kept_apart(desk), outside)
            for unknown in _unknown(desk, name, data, at)
        ),
    )


def _kept_apart(desk: Desk) -> Iterator[tuple[str, bytes]]:
    """What imports kept apart because it contradicts what this registry did."""
    for row in desk.store.quarantined():
        if row.registry == desk.registry and row.verdict == "conflict":
            yield f"quarantine: {row.source}", row.body


def _unknown(desk: Desk, where: str, data: bytes, at: Instant) -> Iterable[Unknown]:
    """The signatures in a document that verify under a key of ours and have no line."""
    terms = Terms((KeySetPin(desk.keyset(), "this registry's key set"),), at)
    report = examine(data, terms)
    if not report.signed:
        report.require()
    ours = {row.public_key for row in desk.store.list_keys()}
    ours |= {key.key for key in desk.key_objects() if key.signer_id is None}
    for part in report.signed:
        part.key.verify(part.message, part.signature)
        kind = _KINDS.get(report.kind, part.what.split()[0])
        # What has a prefix is in the journal by the digest of what was signed.
        digest = part.message if kind in _BARE else hashlib.sha256(part.message).digest()
        known = desk.store.has_signature(kind, digest) or desk.store.has_restored(kind, digest)
        if part.key in ours and not known:
            yield Unknown(where, part.what, part.key_id, digest.hex())
