"""Outside evidence of time: what a token of an authority says of a digest (section 9.4).

No time that a key signs is proof. Whether a token is good is found out where X.509
lives, `registry.timestamp`; here stands only what it then comes to.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Protocol, Self, TypeAlias

from registry.errors import MalformedError, MismatchError, shown
from registry.protocol import schema
from registry.protocol.canonical import Json, JsonObject, canonical
from registry.protocol.instant import Instant
from registry.protocol.payloads import check_anchor
from registry.protocol.strict_json import LARGE, read_json

CHECKPOINT_TYPE: Final = "pith_checkpoint"
PROOF_TYPE: Final = "pith_timestamp_proof"
VERSION: Final = "1.0"
MAX_DOCUMENTS: Final = 20_000
"""Documents in a checkpoint; a registry that made more in a day makes more checkpoints."""
MAX_DOUBTS: Final = 8
"""Refused tokens that are told of one document: a stranger's file may hold many thousands."""
_CHECKPOINT_KEYS: Final = frozenset(
    ("checkpoint_type", "checkpoint_version", "registry", "day", "documents")
)
_ENTRY_KEYS: Final = frozenset(("id", "sha256"))
_PROOF_KEYS: Final = frozenset(("proof_type", "proof_version", "anchor", "checkpoint"))
_ENTRY_ID: Final = re.compile("(?:event|bundle):sha256:[0-9a-f]{64}", re.ASCII)
_DAY: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class Sealed(Protocol):
    """A document as it is anchored: a receipt, event or bundle with its signature, or a
    checkpoint."""

    @property
    def canonical(self) -> bytes:
        """Its canonical bytes."""


def sha256_of(document: Sealed) -> str:
    """The digest of a document's canonical form, which a token is over."""
    return hashlib.sha256(document.canonical).hexdigest()


# -- documents -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The list of documents that one token dates.

    ``documents`` are pairs (``event:`` or ``bundle:`` and the id, digest of the canonical
    form with its signature), sorted; ``day`` is when the list was made, and is only said.
    """

    registry: str
    day: str
    documents: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a checkpoint from JSON."""
        return cls.from_json(read_json(data, LARGE).value)

    @classmethod
    def from_json(cls, value: Json, path: str = "$") -> Self:
        """Check a closed checkpoint: its documents sorted by id, none twice."""
        members = schema.closed(value, _CHECKPOINT_KEYS, path)
        schema.constant(members["checkpoint_type"], CHECKPOINT_TYPE, f"{path}.checkpoint_type")
        schema.constant(members["checkpoint_version"], VERSION, f"{path}.checkpoint_version")
        listed = schema.array(members["documents"], f"{path}.documents")
        entries = tuple(_entry(item, f"{path}.documents[{i}]") for i, item in enumerate(listed))
        names = [name for name, _ in entries]
        if not 1 <= len(names) <= MAX_DOCUMENTS or sorted(set(names)) != names:
            raise MalformedError(
                f"not 1 to {MAX_DOCUMENTS} documents, sorted by id without repeats",
                code="checkpoint.documents",
                path=f"{path}.documents",
            )
        registry = schema.name(members["registry"], f"{path}.registry")
        return cls(registry, _day(members["day"], f"{path}.day"), entries)

    def to_json(self) -> JsonObject:
        """What is hashed and anchored."""
        return {
            "checkpoint_type": CHECKPOINT_TYPE,
            "checkpoint_version": VERSION,
            "registry": self.registry,
            "day": self.day,
            "documents": [{"id": name, "sha256": sha256} for name, sha256 in self.documents],
        }

    @property
    def canonical(self) -> bytes:
        """The canonical bytes that a token is over."""
        return canonical(self.to_json())


def _entry(value: Json, path: str) -> tuple[str, str]:
    members = schema.closed(value, _ENTRY_KEYS, path)
    name = schema.text(members["id"], f"{path}.id")
    if _ENTRY_ID.fullmatch(name) is None:
        raise MalformedError(
            f"{shown(name)} is not the id of an event or a bundle",
            code="checkpoint.id",
            path=f"{path}.id",
        )
    return name, schema.hex64(members["sha256"], f"{path}.sha256")


def _day(value: Json, path: str) -> str:
    text = schema.text(value, path)
    try:
        if _DAY.fullmatch(text) is not None:
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise MalformedError(f"{shown(text)} is not a day", code="schema.time", path=path)


@dataclass(frozen=True, slots=True)
class Proof:
    """A timestamp that travels by itself: the payload of a timestamp_anchor, and the
    checkpoint that it is over, where it is over one."""

    anchor: JsonObject
    checkpoint: Checkpoint | None = None

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a proof from JSON."""
        return cls.from_json(read_json(data, LARGE).value)

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """Check a closed proof, or take the payload of a timestamp_anchor event.

        Raises MismatchError ``proof.checkpoint`` when the anchor is not of the checkpoint.
        """
        if type(value) is dict and value.get("event_type") == "timestamp_anchor":
            check_anchor(value.get("payload"), "$.payload")
            return cls(value["payload"])
        members = schema.closed(value, _PROOF_KEYS, "$")
        schema.constant(members["proof_type"], PROOF_TYPE, "$.proof_type")
        schema.constant(members["proof_version"], VERSION, "$.proof_version")
        check_anchor(members["anchor"], "$.anchor")
        held = members["checkpoint"]
        checkpoint = None if held is None else Checkpoint.from_json(held, "$.checkpoint")
        proof = cls(members["anchor"], checkpoint)
        if checkpoint is not None and sha256_of(checkpoint) != proof.sha256:
            raise MismatchError(
                f"the anchor is of {proof.sha256}, the checkpoint is {sha256_of(checkpoint)}",
                code="proof.checkpoint",
            )
        return proof

    def to_json(self) -> JsonObject:
        """The proof as it is handed to a verifier."""
        return {
            "proof_type": PROOF_TYPE,
            "proof_version": VERSION,
            "anchor": self.anchor,
            "checkpoint": None if self.checkpoint is None else self.checkpoint.to_json(),
        }

    @property
    def sha256(self) -> str:
        """What the anchor says it is of."""
        return str(self.anchor["anchored_sha256"])


# -- what tokens come to -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a good token says: whatever has the digest ``sha256`` existed at ``before``.

    ``before`` is the token's time with its accuracy added, the latest it can mean.
    ``token`` and ``trusted`` (certificates in PEM, the verifier's own) are enough for
    anyone to check it with other tools.
    """

    sha256: str
    before: Instant
    authority: str
    token: bytes
    trusted: str

    def to_json(self) -> JsonObject:
        """The same for ``--json``."""
        return {
            "anchored_sha256": self.sha256,
            "good": True,
            "authority": self.authority,
            "before": self.before.seconds,
            "code": None,
            "reason": "",
        }


@dataclass(frozen=True, slots=True)
class Refused:
    """A token that counts for nothing, and why; ``sha256`` is what it was said to be of."""

    sha256: str
    code: str
    reason: str

    def to_json(self) -> JsonObject:
        """The same for ``--json``."""
        return {
            "anchored_sha256": self.sha256,
            "good": False,
            "authority": None,
            "before": None,
            "code": self.code,
            "reason": self.reason,
        }


Finding: TypeAlias = Evidence | Refused


@dataclass(frozen=True, slots=True)
class Timestamps:
    """All that the tokens a verifier has come to. It proves what it dates and harms nothing.

    ``dated`` is the earliest evidence by the digest of each object, those in a dated
    checkpoint too; ``refused`` the first few tokens of an object that do not count.
    """

    findings: tuple[Finding, ...] = ()
    dated: Mapping[str, Evidence] = field(default_factory=dict)
    refused: Mapping[str, tuple[Refused, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, findings: Iterable[Finding], checkpoints: Iterable[Checkpoint] = ()) -> Self:
        """What *findings* say of their objects, and of those that *checkpoints* list."""
        findings = tuple(findings)
        tokens: dict[str, Evidence] = {}
        doubts: dict[str, dict[Refused, None]] = {}
        for finding in findings:
            if isinstance(finding, Refused):
                _add(doubts, finding.sha256, (finding,))
            else:
                _add_earlier(tokens, finding.sha256, finding)
        dated = dict(tokens)
        refused = {sha256: dict(each) for sha256, each in doubts.items()}
        for own, each in {sha256_of(each): each for each in checkpoints}.items():
            for _, sha256 in each.documents:
                if own in tokens:
                    _add_earlier(dated, sha256, tokens[own])
                if own in doubts:
                    _add(refused, sha256, doubts[own])
        return cls(findings, dated, {sha256: tuple(each) for sha256, each in refused.items()})

    def about(self, documents: Iterable[str], content: str) -> "Witness":
        """What is known of one signature: *documents* are the digests of those that hold it,
        *content* that of what was signed, which dates no signature."""
        documents = tuple(documents)
        found = [self.dated[sha256] for sha256 in documents if sha256 in self.dated]
        doubts = [each for sha256 in documents for each in self.refused.get(sha256, ())]
        if content in self.dated or content in self.refused:
            doubts.append(
                Refused(content, "anchor.unsigned", "it is over the content without its signature")
            )
        elif self.findings and not found and not doubts:
            doubts.append(Refused("", "anchor.other", "no timestamp at hand is of it"))
        return Witness(min(found, key=lambda each: each.before, default=None), tuple(doubts))


def _add_earlier(dated: dict[str, Evidence], sha256: str, found: Evidence) -> None:
    if sha256 not in dated or found.before < dated[sha256].before:
        dated[sha256] = found


def _add(doubts: dict[str, dict[Refused, None]], sha256: str, found: Iterable[Refused]) -> None:
    kept = doubts.setdefault(sha256, {})
    for each in found:
        if len(kept) < MAX_DOUBTS:
            kept[each] = None


@dataclass(frozen=True, slots=True)
class Witness:
    """The earliest evidence that one signature existed, and the tokens that are none."""

    evidence: Evidence | None = None
    doubts: tuple[Refused, ...] = ()

    def before(self, limit: Instant) -> Evidence | None:
        """The evidence, where it dates the signature before *limit*."""
        if self.evidence is not None and self.evidence.before < limit:
            return self.evidence
        return None

    def why_not(self) -> str:
        """Why it proves nothing: every token by the name of what is wrong with it."""
        found = self.evidence
        late = (
            []
            if found is None
            else [f"anchor.late: {found.authority} dates it only {found.before.seconds}"]
        )
        doubts = [f"{each.code}: {each.reason}" for each in dict.fromkeys(self.doubts)]
        return "; ".join([*late, *doubts]) or "there is no outside evidence"


NO_WITNESS: Final = Witness()
NO_TIMESTAMPS: Final = Timestamps()
