"""The graph snapshot: what a registry says of a paper beyond its record (section 7)."""

from dataclasses import dataclass, field
from typing import Final, Self

from registry.errors import MalformedError, MismatchError
from registry.protocol import schema
from registry.protocol.canonical import Json, JsonObject, digest
from registry.protocol.record import Record
from registry.protocol.source import Source
from registry.protocol.strict_json import read_json
from registry.protocol.text import abstract_excerpt, authors_text, collapse, text_sha256

_KEYS: Final = frozenset(
    (
        "paper",
        "claims",
        "source",
        "verdict",
        "references",
        "formal_canon",
        "author_claims",
        "builder_version",
    )
)
MAX_PART: Final = 65_536
_SECTIONS: Final = ("paper", "claims", "verdict", "references", "formal_canon", "author_claims")


def check_snapshot(value: Json, path: str) -> None:
    """Pass a closed ``graph_snapshot`` object: eight members, a source and six objects.

    What stands inside the six is the publisher's, but for ``snapshot_sha256``
    of a list that is given whole and empty, which is one known digest.
    """
    members = schema.closed(value, _KEYS, path)
    for name in _SECTIONS:
        section = schema.mapping(members[name], f"{path}.{name}")
        if "snapshot_sha256" in section:
            found = schema.hex64(section["snapshot_sha256"], f"{path}.{name}.snapshot_sha256")
            count = section.get("count")
            is_empty = type(count) is int and count == 0 and section.get("items") == []
            if is_empty and found != EMPTY_SHA256:
                raise MismatchError(
                    f"{found} is not the digest of an empty list",
                    code="graph.snapshot_sha256",
                    path=f"{path}.{name}.snapshot_sha256",
                )
    Source.from_json(members["source"], f"{path}.source")
    schema.text(members["builder_version"], f"{path}.builder_version", limit=128)


def list_sha256(items: list[Json]) -> str:
    """``snapshot_sha256`` of a list: digest of ``{"payload": list}`` in hex."""
    return digest({"payload": items}).hex() if items else EMPTY_SHA256


EMPTY_SHA256: Final = digest({"payload": []}).hex()


_VERDICT: Final[JsonObject] = {
    "id": None,
    "model_set": {},
    "created_at": None,
    "strongest_claim": "",
    "one_line_summary": "",
    "pipeline_version": None,
    "weakest_assumption": "",
    "pith_extraction_headline": "",
}
_TEXTS: Final = ("title", "abstract", "authors", "headline")
_LISTS: Final = ("claims", "references", "formal_evidence", "author_claims")
_COUNTS: Final = ("resolved_work", "internal_anchors")


@dataclass(frozen=True, slots=True)
class Paper:
    """The metadata a graph snapshot shows of a paper, as its source writes it.

    ``verdict`` holds those of its eight members that are known; ``resolved_work`` and
    ``internal_anchors`` are counted over the references.
    """

    title: str
    abstract: str
    authors: str = ""
    headline: str = ""
    claims: list[Json] = field(default_factory=list)
    references: list[Json] = field(default_factory=list)
    formal_evidence: list[Json] = field(default_factory=list)
    author_claims: list[Json] = field(default_factory=list)
    verdict: JsonObject = field(default_factory=dict)
    resolved_work: int = 0
    internal_anchors: int = 0

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the parts of a snapshot from one JSON object: ``title`` and ``abstract``,
        and any of the others."""
        members = read_json(data).value
        known = frozenset((*_TEXTS, *_LISTS, *_COUNTS, "verdict"))
        required = frozenset(("title", "abstract"))
        schema.closed(members, (known & members.keys()) | required, "$")
        for name in members.keys() & set(_TEXTS):
            schema.text(members[name], f"$.{name}", limit=MAX_PART)
        for name in members.keys() & set(_LISTS):
            schema.array(members[name], f"$.{name}")
        for name in members.keys() & set(_COUNTS):
            if schema.integer(members[name], f"$.{name}") < 0:
                raise MalformedError("a count below 0", code="schema.range", path=f"$.{name}")
        if "verdict" in members:
            _check_verdict(members["verdict"], "$.verdict")
        return cls(**members)

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing in it but texts: a snapshot of it holds no value whose
        canonical bytes are in doubt, and is nested no deeper than any."""
        return (
            [self.claims, self.references, self.formal_evidence, self.author_claims] == [[]] * 4
            and (self.verdict, self.resolved_work, self.internal_anchors) == ({}, 0, 0)
            and {type(self.title), type(self.abstract), type(self.authors), type(self.headline)}
            == {str}
        )

    @property
    def verdict_id(self) -> str | None:
        """The ``verdict_id`` of the payload: the id of the verdict."""
        found: str | None = self.verdict.get("id")
        return found


def _check_verdict(value: Json, path: str) -> None:
    members = schema.mapping(value, path)
    schema.closed(value, frozenset(_VERDICT) & members.keys(), path)
    for name, member in members.items():
        if name == "model_set":
            schema.mapping(member, f"{path}.{name}")
        elif _VERDICT[name] is None:
            schema.optional_text(member, f"{path}.{name}")
        else:
            schema.text(member, f"{path}.{name}")


def graph_snapshot(paper: Paper, record: Record, *, builder_version: str) -> JsonObject:
    """The ``graph_snapshot`` of *paper*, which must be the paper of *record*: see `check_paper`."""
    check_paper(paper, record)
    return unchecked_snapshot(paper, record, builder_version)


def check_paper(paper: Paper, record: Record) -> None:
    """Raise MismatchError ``graph.title`` or ``graph.abstract`` when a text of the paper is
    not the one whose digest stands in the record."""
    for what, text, wanted in (
        ("title", paper.title, record.title_sha256),
        ("abstract", paper.abstract, record.abstract_sha256),
    ):
        if text_sha256(text) != wanted:
            raise MismatchError(
                f"this {what} is not the one of the record: its digest is {text_sha256(text)}, "
                f"the record says {wanted}",
                code=f"graph.{what}",
                hint="give the text exactly as the source has it",
            )


def shown_texts(paper: Paper) -> tuple[str, str, str]:
    """Title, authors and abstract as a snapshot shows them."""
    return collapse(paper.title), authors_text(paper.authors), abstract_excerpt(paper.abstract)


def unchecked_snapshot(paper: Paper, record: Record, builder_version: str) -> JsonObject:
    """What `graph_snapshot` gives, whether or not it is the paper of the record."""
    title, authors, excerpt = shown_texts(paper)
    return {
        "paper": {
            "title": title,
            "license": record.license,
            "headline": paper.headline,
            "cross_cats": list(record.cross_cats),
            "primary_cat": record.primary_cat,
            "authors_text": authors,
            "submitted_at": record.submitted_at.seconds,
            "abstract_excerpt": excerpt,
        },
        "claims": {
            "count": len(paper.claims),
            "items": paper.claims,
            "snapshot_sha256": list_sha256(paper.claims),
        },
        "source": record.source.to_json(),
        "verdict": _VERDICT | paper.verdict,
        "references": {
            "count": len(paper.references),
            "sample": paper.references,
            "resolved_work": paper.resolved_work,
            "snapshot_sha256": list_sha256(paper.references),
            "internal_anchors": paper.internal_anchors,
        },
        "formal_canon": {
            "evidence_count": len(paper.formal_evidence),
            "snapshot_sha256": list_sha256(paper.formal_evidence),
        },
        "author_claims": {
            "count": len(paper.author_claims),
            "strong_count": sum(_is_strong(claim) for claim in paper.author_claims),
            "snapshot_sha256": list_sha256(paper.author_claims),
        },
        "builder_version": builder_version,
    }


def _is_strong(claim: Json) -> bool:
    return type(claim) is dict and claim.get("strength") == "strong"
