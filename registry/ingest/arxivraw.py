"""OAI-PMH responses with ``metadataPrefix=arXivRaw``, one or many after another in a file."""

import re
from typing import Final

from registry.errors import NotFoundError
from registry.ingest.entry import Entry, Format, categories_of, found_id, full_text, latest
from registry.ingest.xml import Name, rows
from registry.ingest.xml_fields import Fields, element, inside
from registry.protocol.source import Source

_OAI: Final = "http://www.openarchives.org/OAI/2.0/"
_RAW: Final = "http://arxiv.org/OAI/arXivRaw/"
_ID: Final = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?id>\s*([^<\s]{1,128})")
_NAME: Final = Name(_OAI, "record")


def read(data: bytes) -> Entry:
    """One ``record`` of a response."""
    record = element(data, _NAME)
    header = record.find(f"{{{_OAI}}}header")
    if header is not None and header.get("status") == "deleted":
        raise NotFoundError("the source says that it was deleted", code="ingest.deleted")
    paper = Fields(inside(record, Name(_RAW, "arXivRaw")), _RAW)
    versions = [Fields(each, _RAW) for each in paper.all("version")]
    version, submitted_at = latest(
        [(each.attribute("version"), each.text("date").strip()) for each in versions]
    )
    return Entry(
        source=Source("arxiv", paper.text("id").strip(), version),
        title=full_text(paper.text("title"), "title"),
        abstract=full_text(paper.text("abstract"), "abstract"),
        authors=paper.text("authors", ""),
        categories=categories_of(paper.text("categories").split()),
        license=paper.text("license", "").strip(),
        submitted_at=submitted_at,
    )


FORMAT: Final = Format(
    name="arxivraw",
    title="OAI-PMH arXivRaw (XML)",
    has_licenses=True,
    recognises=lambda head: _RAW.encode() in head,
    rows=rows(_NAME),
    read=read,
    id=found_id(_ID),
)
