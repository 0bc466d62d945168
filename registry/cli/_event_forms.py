"""What is asked for of each type of event on the command line: options in, a draft out.

Each function takes the subject and typed options, none of them required by Typer because
``--payload FILE`` may stand for all; ``needed`` says which is missing.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from registry.cli._input import read_bytes, read_text
from registry.errors import UsageError
from registry.protocol import schema
from registry.protocol.canonical import JsonObject
from registry.protocol.graph import Paper
from registry.protocol.number import PithNumber
from registry.protocol.payloads import RELATIONSHIPS, REPLICATIONS, STRENGTHS
from registry.protocol.places import mirror_hint
from registry.protocol.record import Record
from registry.protocol.strict_json import LARGE

Text = str | None


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event is about; ``record`` is None where only the number is known."""

    number: PithNumber
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """One type of event as commands know it.

    ``build`` takes the Subject and the options in its own signature, and gives the payload
    and the target, None for the type's first; ``options`` is an example of them.
    """

    name: str
    event_type: str
    help: str
    options: tuple[str, ...]
    build: Callable[..., tuple[JsonObject, str | None]]


def needed(value: Any, option: str) -> Any:
    """The value of an option that has no default; UsageError ``usage.missing``."""
    if value is None:
        raise UsageError(
            f"{option} is missing",
            code="usage.missing",
            hint="or give all of it as JSON with --payload FILE",
        )
    return value


def typed_event_id(typed: str, option: str) -> str:
    """An event id that may be typed without ``sha256:``."""
    return schema.event_id("sha256:" + typed.removeprefix("sha256:"), option)


def _option(name: str, help_text: str, metavar: str | None = None) -> Any:
    return typer.Option(name, help=help_text, metavar=metavar)


Title = Annotated[Text, _option("--title", "The title, as its source has it.")]
Abstract = Annotated[Text, _option("--abstract", "The abstract.")]
AbstractFile = Annotated[
    Text, _option("--abstract-file", "The abstract from a file, - stdin.", "FILE")
]
Authors = Annotated[Text, _option("--authors", "The authors, with commas or and between them.")]
Headline = Annotated[Text, _option("--headline", "One line about the paper.")]
Parts = Annotated[
    Text,
    _option("--from", "All parts as JSON: title, abstract, claims, references, verdict…", "FILE"),
]


def _graph_snapshot(
    subject: Subject,
    title: Title = None,
    abstract_file: AbstractFile = None,
    abstract: Abstract = None,
    authors: Authors = None,
    headline: Headline = None,
    parts: Parts = None,
) -> tuple[JsonObject, str | None]:
    from registry.services.append import snapshot_payload

    typed = (title, abstract, abstract_file, authors, headline)
    if parts is not None:
        if any(each is not None for each in typed):
            raise UsageError("--from stands alone", code="usage.together")
        paper = Paper.parse(read_bytes(parts))
    else:
        if (abstract is None) == (abstract_file is None):
            raise UsageError("give --abstract or --abstract-file", code="usage.missing")
        text = read_text(abstract_file) if abstract_file is not None else abstract or ""
        paper = Paper(needed(title, "--title"), text, authors or "", headline or "")
    if subject.record is None:
        raise UsageError("only the registry of a record signs its graph", code="usage.form")
    return snapshot_payload(subject.record, paper), None


Name = Annotated[Text, _option("--name", "The person's name, as in the paper.")]
Orcid = Annotated[Text, _option("--orcid", "The person's ORCID: 0000-0002-1825-0097.")]
Method = Annotated[Text, _option("--method", "How it is known (default: statement).")]
Strength = Annotated[
    Text, _option("--strength", f"{' or '.join(STRENGTHS)} (default): strong is the author's own.")
]
Statement = Annotated[Text, _option("--statement", "What is attested, in words.")]
Evidence = Annotated[Text, _option("--evidence-url", "Where it can be seen.", "URL")]


def _author_attestation(
    subject: Subject,
    name: Name = None,
    orcid: Orcid = None,
    method: Method = None,
    strength: Strength = None,
    statement: Statement = None,
    evidence_url: Evidence = None,
) -> tuple[JsonObject, str | None]:
    return {
        "claimant": {"name": needed(name, "--name"), "orcid": orcid},
        "method": method or "statement",
        "strength": strength or "weak",
        "statement": needed(statement, "--statement"),
        "evidence_url": evidence_url,
    }, None


Archive = Annotated[Text, _option("--archive", "Who keeps it.")]
SourceUrl = Annotated[Text, _option("--source-url", "Where it was taken from.", "URL")]
CaptureUrl = Annotated[Text, _option("--capture-url", "Where the archive has it.", "URL")]
CapturedAt = Annotated[Text, _option("--captured-at", "When: 2026-01-31T12:00:00Z (UTC).", "TIME")]
Content = Annotated[Text, _option("--content", "What is kept: its SHA-256 is taken.", "FILE")]
Sha256 = Annotated[Text, _option("--sha256", "Or its SHA-256, 64 hex digits.", "HEX")]


def _storage(
    subject: Subject,
    archive: Archive = None,
    source_url: SourceUrl = None,
    capture_url: CaptureUrl = None,
    captured_at: CapturedAt = None,
    content: Content = None,
    sha256: Sha256 = None,
) -> tuple[JsonObject, str | None]:
    if (content is None) == (sha256 is None):
        raise UsageError("give --content or --sha256", code="usage.missing")
    return {
        "archive": needed(archive, "--archive"),
        "source_url": needed(source_url, "--source-url"),
        "capture_url": capture_url,
        "captured_at": needed(captured_at, "--captured-at"),
        "content_sha256": sha256 if content is None else _file_sha256(content),
    }, None


def _file_sha256(path: str) -> str:
    data = read_bytes(path, LARGE.max_bytes)
    if len(data) > LARGE.max_bytes:
        raise UsageError(
            "the file is over 16 MiB", code="file.size", hint="give --sha256 with its digest"
        )
    return hashlib.sha256(data).hexdigest()


Cited = Annotated[Text, _option("--cited", "What is cited: a pith number or arxiv:ID.", "WORK")]
Citing = Annotated[Text, _option("--citing", "What cites it (default: NUMBER itself).", "WORK")]
Relationship = Annotated[
    Text, _option("--relationship", f"One of {', '.join(RELATIONSHIPS)} (default cites).", "KIND")
]
ClaimId = Annotated[Text, _option("--claim-id", "A claim of the other work.", "ID")]
Note = Annotated[Text, _option("--note", "In words.")]


def _citation(
    subject: Subject,
    cited: Cited = None,
    citing: Citing = None,
    relationship: Relationship = None,
    claim_id: ClaimId = None,
    note: Note = None,
) -> tuple[JsonObject, str | None]:
    return {
        "citing": citing or str(subject.number),
        "cited": needed(cited, "--cited"),
        "relationship": relationship or "cites",
        "claim_id": claim_id,
        "note": note,
    }, None


Kind = Annotated[
    Text, _option("--kind", f"One of {', '.join(REPLICATIONS)} (default replication).", "KIND")
]
Outcome = Annotated[Text, _option("--outcome", "What came of it.")]
ArtifactUrl = Annotated[Text, _option("--artifact-url", "Where the material is.", "URL")]
ArtifactSha256 = Annotated[Text, _option("--artifact-sha256", "Its SHA-256.", "HEX")]


def _replication(
    subject: Subject,
    kind: Kind = None,
    outcome: Outcome = None,
    artifact_url: ArtifactUrl = None,
    artifact_sha256: ArtifactSha256 = None,
    note: Note = None,
) -> tuple[JsonObject, str | None]:
    return {
        "kind": kind or "replication",
        "outcome": needed(outcome, "--outcome"),
        "artifact_url": artifact_url,
        "artifact_sha256": artifact_sha256,
        "note": note,
    }, None


Corrects = Annotated[Text, _option("--corrects", "The event that holds what is wrong.", "EVENT_ID")]
Field = Annotated[Text, _option("--field", "Which part of it.")]
Reason = Annotated[Text, _option("--reason", "What is wrong.")]
Replacement = Annotated[Text, _option("--replacement", "What is right.")]


def _correction(
    subject: Subject,
    corrects: Corrects = None,
    field: Field = None,
    reason: Reason = None,
    replacement: Replacement = None,
) -> tuple[JsonObject, str | None]:
    event_id = typed_event_id(needed(corrects, "--corrects"), "--corrects")
    return {
        "corrects": event_id,
        "field": field,
        "reason": needed(reason, "--reason"),
        "replacement": replacement,
    }, f"event:{event_id}"


BaseUrl = Annotated[Text, _option("--base-url", "The mirror's https address.", "URL")]
MirrorName = Annotated[Text, _option("--name", "What people call it (else the address).")]
MirrorType = Annotated[Text, _option("--mirror-type", "What it is (default https).")]
Status = Annotated[Text, _option("--status", "How it is (default active).")]


def _mirror_hint(
    subject: Subject,
    base_url: BaseUrl = None,
    name: MirrorName = None,
    mirror_type: MirrorType = None,
    status: Status = None,
) -> tuple[JsonObject, str | None]:
    base = needed(base_url, "--base-url").rstrip("/")
    hint = mirror_hint(
        base,
        subject.number,
        name=name or base.removeprefix("https://"),
        mirror_type=mirror_type or "https",
        status=status or "active",
    )
    return hint, None


GRAPH_SNAPSHOT: Final = Form(
    "graph-snapshot",
    "graph_snapshot",
    "Sign what is known of a paper: title, authors, the beginning of its abstract, and with "
    "--from its claims, references and verdict. Title and abstract must be the very ones of "
    "the record. A new snapshot supersedes the one before.",
    ('--title "On Names" \\', '  --abstract "We name." --authors "A. Author and B. Other"'),
    _graph_snapshot,
)
FORMS: Final = (
    Form(
        "author-attestation",
        "author_attestation",
        "Sign that a person wrote the work, or a claim in it. Only the person's own enrolled key "
        "may say it strongly.",
        ('--name "A. Author" \\', '  --statement "I wrote this."'),
        _author_attestation,
    ),
    Form(
        "storage",
        "storage_attestation",
        "Sign that an archive keeps the work: from where, when, and the digest of what is kept.",
        (
            '--archive "Example Archive" \\',
            "  --source-url https://arxiv.org/abs/2401.00001v1 \\",
            "  --captured-at 2024-02-01T00:00:00Z \\",
            "  --sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        _storage,
    ),
    Form(
        "citation",
        "citation_signature",
        "Sign how the work stands to another: it supports, refutes, extends … what it cites.",
        ("--cited arxiv:1706.03762 \\", "  --relationship extends"),
        _citation,
    ),
    Form(
        "replication",
        "replication_record",
        "Sign what came of trying the work again: a replication, a falsification, or a formal "
        "bridge.",
        ('--outcome "the same within 2 percent"',),
        _replication,
    ),
    Form(
        "correction",
        "correction",
        "Sign that something in an event is wrong, and what is right. It stands beside what it "
        "corrects and changes nothing of it.",
        (
            "--corrects \\",
            "  sha256:e9c2f2246aad3d79bf45e21fc8d9ac17ed818ff1e1fb70753d91097c158f9318 \\",
            '  --reason "a letter is missing" --replacement "On Names"',
        ),
        _correction,
    ),
    Form(
        "mirror-hint",
        "mirror_hint",
        "Sign where else the documents about a record are. A new hint of one address supersedes "
        "the one before.",
        ("--base-url https://mirror.example",),
        _mirror_hint,
    ),
)
