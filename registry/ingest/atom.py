"""Feeds of the arXiv API, in Atom. They have no licences, so something else must give them."""

import re
from datetime import datetime
from typing import Final

from registry.errors import MalformedError, shown
from registry.ingest.entry import Entry, Format, categories_of, found_id, full_text, is_category
from registry.ingest.xml import Name, rows
from registry.ingest.xml_fields import Fields, element
from registry.protocol.instant import Instant
from registry.protocol.source import Source, parse_versioned

_ATOM: Final = "http://www.w3.org/2005/Atom"
_ARXIV: Final = "http://arxiv.org/schemas/atom"
_ID: Final = re.compile(
    rb"<(?:[A-Za-z_][\w.-]*:)?id>\s*(?:https?://arxiv\.org/abs/)?([^<\s]{1,128})"
)
_PLACE: Final = re.compile("https?://arxiv[.]org/abs/(.+)", re.ASCII)
_TIME: Final = re.compile(
    "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
_NAME: Final = Name(_ATOM, "entry")


def read(data: bytes) -> Entry:
    """One ``entry`` of a feed."""
    entry = Fields(element(data, _NAME), _ATOM)
    place = entry.text("id").strip()
    found = _PLACE.fullmatch(place)
    if found is None:
        raise MalformedError(f"{shown(place)} is no address of a paper", code="source.id")
    source_id, version = parse_versioned("arxiv", found[1])
    authors = [Fields(each, _ATOM).text("name").strip() for each in entry.all("author")]
    return Entry(
        source=Source("arxiv", source_id, version),
        title=full_text(entry.text("title"), "title"),
        abstract=full_text(entry.text("summary"), "abstract"),
        authors=", ".join(authors),
        categories=_categories(entry),
        license=None,
        submitted_at=_time(entry.text("published").strip()),
    )


def _categories(entry: Fields) -> tuple[str, ...]:
    """The primary one by its own element, then the others; among these are MSC and ACM
    classes, which are no categories of arXiv."""
    terms = [Fields(each, _ATOM).attribute("term") for each in entry.all("category")]
    primary = [
        Fields(each, _ARXIV).attribute("term")
        for each in Fields(entry.element, _ARXIV).all("primary_category")
    ]
    return categories_of(primary[:1] + [term for term in terms if is_category(term)])


def _time(text: str) -> Instant:
    if _TIME.fullmatch(text):
        try:
            return Instant.of(datetime.fromisoformat(text))
        except ValueError:
            pass
    raise MalformedError(f"{shown(text)} is not a time with its zone", code="ingest.date")


FORMAT: Final = Format(
    name="atom",
    title="the Atom API's feed (XML)",
    has_licenses=False,
    recognises=lambda head: _ATOM.encode() in head,
    rows=rows(_NAME),
    read=read,
    id=found_id(_ID),
)
