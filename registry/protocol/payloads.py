"""What each type of event may say: one closed payload a row of the table of section 7.

Each function takes the payload, what the event is about, and the JSON path, and
passes or raises MalformedError or MismatchError (decision 0016).
"""

import re
from dataclasses import dataclass
from typing import Final

from registry.errors import MalformedError, MismatchError, VerificationError, shown
from registry.protocol import schema
from registry.protocol.canonical import Json, JsonObject
from registry.protocol.graph import check_snapshot
from registry.protocol.number import PithNumber
from registry.protocol.places import check_mirror_hint
from registry.protocol.source import KINDS

ATTESTATION_STATE: Final = "computed"
STRONG: Final = "strong"
STRENGTHS: Final = (STRONG, "weak")
RELATIONSHIPS: Final = (
    "supports",
    "refutes",
    "extends",
    "uses_method",
    "depends_on",
    "replaces",
    "compares",
    "cites",
)
REPLICATIONS: Final = ("replication", "falsification", "formal_bridge")
PROOF_FORMATS: Final = ("rfc3161", "opentimestamps")
ANCHOR_STATUSES: Final = ("pending", "confirmed")
MAX_LABEL: Final = 128
MAX_OUTCOME: Final = 1024

_CLAIM_ID: Final = re.compile("[A-Za-z0-9._-]{1,64}", re.ASCII)
_WORK: Final = re.compile("([a-z]+):(.+?)(?:v([1-9][0-9]{0,3}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class About:
    """What an event is about: its subject and its target, which was already checked."""

    subject: PithNumber
    target: str


# -- small values --------------------------------------------------------------


def claim_id(value: Json, path: str) -> str:
    """The id of a claim: 1 to 64 of ``A-Z a-z 0-9 . _ -``."""
    if type(value) is not str or _CLAIM_ID.fullmatch(value) is None:
        raise MalformedError(
            f"{shown(value)} is not a claim id (1 to 64 of A-Z a-z 0-9 . _ -)",
            code="schema.claim_id",
            path=path,
        )
    return value


def check_work(value: Json, path: str) -> None:
    """Pass the name of a work: a full pith number, or a source's kind, ``:``, its id, and
    where it matters ``v`` and the version: ``arxiv:1706.03762v5``."""
    found = _WORK.fullmatch(value) if type(value) is str else None
    if found is not None and found[1] == "pith":
        PithNumber.parse(value)
    elif found is None or found[1] not in KINDS or not KINDS[found[1]].is_id(found[2]):
        raise MalformedError(
            f"{shown(value)} names no work",
            code="schema.work",
            path=path,
            hint="a full pith number, or a kind and an id like arxiv:1706.03762",
        )


def _filled(value: Json, path: str, limit: int = schema.MAX_TEXT) -> str:
    found = schema.text(value, path, limit=limit)
    if not found:
        raise MalformedError("empty text", code="schema.empty", path=path)
    return found


def _optional_url(value: Json, path: str) -> None:
    if value is not None:
        schema.https_url(value, path)


# -- one function a type -------------------------------------------------------

_RECORD: Final = frozenset(
    (
        "canonical_record",
        "canonical_sha256",
        "receipt",
        "source_kind",
        "source_id",
        "source_version",
        "attestation_state",
    )
)


def check_record_created(value: Json, _: About, path: str) -> None:
    """The form of a mint; record and receipt have checks of their own (8.1)."""
    members = schema.closed(value, _RECORD, path)
    schema.mapping(members["canonical_record"], f"{path}.canonical_record")
    schema.hex64(members["canonical_sha256"], f"{path}.canonical_sha256")
    schema.mapping(members["receipt"], f"{path}.receipt")
    schema.text(members["source_kind"], f"{path}.source_kind")
    schema.text(members["source_id"], f"{path}.source_id")
    schema.integer(members["source_version"], f"{path}.source_version")
    schema.constant(members["attestation_state"], ATTESTATION_STATE, f"{path}.attestation_state")


_GRAPH: Final = frozenset(("graph_snapshot", "verdict_id"))


def check_graph_snapshot(value: Json, _: About, path: str) -> None:
    """A snapshot and the id of a verdict, if there is one."""
    members = schema.closed(value, _GRAPH, path)
    check_snapshot(members["graph_snapshot"], f"{path}.graph_snapshot")
    schema.optional_text(members["verdict_id"], f"{path}.verdict_id")


_ATTESTATION: Final = frozenset(("claimant", "method", "strength", "statement", "evidence_url"))
_CLAIMANT: Final = frozenset(("name", "orcid"))


def check_author_attestation(value: Json, _: About, path: str) -> None:
    """Somebody's word that a person wrote it. A strong one names the person's ORCID."""
    members = schema.closed(value, _ATTESTATION, path)
    claimant = schema.closed(members["claimant"], _CLAIMANT, f"{path}.claimant")
    _filled(claimant["name"], f"{path}.claimant.name", MAX_LABEL * 2)
    if claimant["orcid"] is not None:
        schema.orcid(claimant["orcid"], f"{path}.claimant.orcid")
    _filled(members["method"], f"{path}.method", MAX_LABEL)
    schema.one_of(members["strength"], STRENGTHS, f"{path}.strength")
    _filled(members["statement"], f"{path}.statement")
    _optional_url(members["evidence_url"], f"{path}.evidence_url")


def check_strength(payload: JsonObject, signer_id: str, signer_type: str) -> None:
    """Raise VerificationError ``event.strength`` for a strong attestation whose signer is
    not enrolled as the author with the claimant's ORCID."""
    orcid = payload["claimant"]["orcid"]
    if payload["strength"] == STRONG and (
        signer_type != "author" or orcid is None or signer_id != f"orcid:{orcid}"
    ):
        raise VerificationError(
            f"only the author orcid:{orcid or '…'} may attest this strongly, not {signer_type} "
            f"{shown(signer_id)}",
            code="event.strength",
            hint="anyone else's word is weak",
        )


_ANCHOR: Final = frozenset(
    ("anchored_sha256", "proof_format", "proof_b64", "status", "anchored_at", "authority")
)


def check_anchor(value: Json, path: str) -> None:
    """Pass a closed timestamp proof; what it says of itself is not believed here."""
    members = schema.closed(value, _ANCHOR, path)
    schema.hex64(members["anchored_sha256"], f"{path}.anchored_sha256")
    schema.one_of(members["proof_format"], PROOF_FORMATS, f"{path}.proof_format")
    schema.base64_text(members["proof_b64"], f"{path}.proof_b64")
    schema.one_of(members["status"], ANCHOR_STATUSES, f"{path}.status")
    if members["anchored_at"] is not None:
        schema.seconds(members["anchored_at"], f"{path}.anchored_at")
    schema.optional_text(members["authority"], f"{path}.authority")


def check_timestamp_anchor(value: Json, _: About, path: str) -> None:
    """A proof that something existed."""
    check_anchor(value, path)


_STORAGE: Final = frozenset(
    ("archive", "source_url", "capture_url", "captured_at", "content_sha256")
)


def check_storage_attestation(value: Json, _: About, path: str) -> None:
    """What an archive keeps."""
    members = schema.closed(value, _STORAGE, path)
    _filled(members["archive"], f"{path}.archive", MAX_LABEL)
    schema.https_url(members["source_url"], f"{path}.source_url")
    _optional_url(members["capture_url"], f"{path}.capture_url")
    schema.seconds(members["captured_at"], f"{path}.captured_at")
    schema.hex64(members["content_sha256"], f"{path}.content_sha256")


_CITATION: Final = frozenset(("citing", "cited", "relationship", "claim_id", "note"))


def check_citation_signature(value: Json, about: About, path: str) -> None:
    """How one work stands to another; one of the two is the subject, by its number."""
    members = schema.closed(value, _CITATION, path)
    for name in ("citing", "cited"):
        check_work(members[name], f"{path}.{name}")
    if [members["citing"], members["cited"]].count(str(about.subject)) != 1:
        raise MismatchError(
            f"one of citing and cited, and not both, is the subject {about.subject}",
            code="event.citation",
            path=path,
        )
    schema.one_of(members["relationship"], RELATIONSHIPS, f"{path}.relationship")
    if members["claim_id"] is not None:
        claim_id(members["claim_id"], f"{path}.claim_id")
    schema.optional_text(members["note"], f"{path}.note")


_REPLICATION: Final = frozenset(("kind", "outcome", "artifact_url", "artifact_sha256", "note"))


def check_replication_record(value: Json, _: About, path: str) -> None:
    """What came of trying it again."""
    members = schema.closed(value, _REPLICATION, path)
    schema.one_of(members["kind"], REPLICATIONS, f"{path}.kind")
    _filled(members["outcome"], f"{path}.outcome", MAX_OUTCOME)
    _optional_url(members["artifact_url"], f"{path}.artifact_url")
    if members["artifact_sha256"] is not None:
        schema.hex64(members["artifact_sha256"], f"{path}.artifact_sha256")
    schema.optional_text(members["note"], f"{path}.note")


_CORRECTION: Final = frozenset(("corrects", "field", "reason", "replacement"))


def check_correction(value: Json, about: About, path: str) -> None:
    """What is wrong in an event, and what is right; of the event that is the target, if
    the target is one."""
    members = schema.closed(value, _CORRECTION, path)
    corrects = schema.event_id(members["corrects"], f"{path}.corrects")
    if about.target.startswith("event:") and about.target != f"event:{corrects}":
        raise MismatchError(
            f"corrects {corrects}, and the target is {about.target}",
            code="event.corrects",
            path=f"{path}.corrects",
        )
    if members["field"] is not None:
        _filled(members["field"], f"{path}.field", MAX_LABEL * 2)
    _filled(members["reason"], f"{path}.reason")
    schema.optional_text(members["replacement"], f"{path}.replacement")


def check_hint(value: Json, about: About, path: str) -> None:
    """Where else the subject's documents are: an item of mirror_hints."""
    check_mirror_hint(value, about.subject, path, "event.mirror_hint")
