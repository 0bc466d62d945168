"""The arXiv snapshot as Kaggle gives it away: one JSON object a line, the latest version of
each paper."""

import re
from typing import Final

from registry.ingest.entry import Entry, Format, categories_of, found_id, full_text, latest
from registry.ingest.streams import lines
from registry.protocol import schema
from registry.protocol.canonical import Json, JsonObject
from registry.protocol.source import Source
from registry.protocol.strict_json import SMALL, read_json

_NEEDED: Final = frozenset(("id", "title", "abstract", "categories", "versions", "license"))
_START: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{")
_ID: Final = re.compile(rb'"id"\s*:\s*"([^"\\]{1,128})"')


def read(data: bytes) -> Entry:
    """One line; members beside those that are needed may be there."""
    members = read_json(data).value
    if not members.keys() >= _NEEDED:
        schema.closed({name: members[name] for name in _NEEDED & members.keys()}, _NEEDED, "$")
    version, submitted_at = latest(
        [
            _version(item, f"$.versions[{i}]")
            for i, item in enumerate(schema.array(members["versions"], "$.versions"))
        ]
    )
    return Entry(
        source=Source("arxiv", _text(members, "id"), version),
        title=full_text(_text(members, "title"), "title"),
        abstract=full_text(_text(members, "abstract"), "abstract"),
        authors=_text(members, "authors") if members.get("authors") else "",
        categories=categories_of(_text(members, "categories").split()),
        license=schema.optional_text(members["license"], "$.license") or "",
        submitted_at=submitted_at,
    )


def _text(members: JsonObject, name: str) -> str:
    return schema.text(members[name], f"$.{name}", limit=SMALL.max_bytes)


def _version(item: Json, path: str) -> tuple[str, str]:
    members = schema.closed(item, frozenset(("version", "created")), path)
    return (
        schema.text(members["version"], f"{path}.version"),
        schema.text(members["created"], f"{path}.created"),
    )


FORMAT: Final = Format(
    name="kaggle",
    title="the Kaggle snapshot (JSONL)",
    has_licenses=True,
    recognises=lambda head: _START.match(head) is not None,
    rows=lines,
    read=read,
    id=found_id(_ID),
)
