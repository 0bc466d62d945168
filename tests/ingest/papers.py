"""Papers of our own making, each written down in every format."""

import json
from dataclasses import dataclass, field
from typing import Any, Final
from xml.sax.saxutils import escape

from registry.protocol.instant import Instant
from registry.protocol.record import Record
from registry.protocol.source import Source

LICENSE: Final = "http://creativecommons.org/licenses/by/4.0/"
V1: Final = ("v1", "Mon, 1 Jan 2024 12:00:00 GMT")
V2: Final = ("v2", "Fri, 2 Feb 2024 02:02:02 GMT")


@dataclass(frozen=True)
class Paper:
    """What a source says of a paper; the titles and abstracts are folded as arXiv folds them."""

    id: str = "2401.00001"
    versions: tuple[tuple[str, str], ...] = (V1, V2)
    title: str = "On Names, $\\mathbb{N}$ and\n  \\'Etale Sheaves & <Others>"
    abstract: str = "  We name  and\nwe name again; for $a<b$.\n"
    authors: str = "A. Author, B. Böök and C. D. Other"
    categories: str = "math.AG cs.DL hep-ph"
    license: str | None = LICENSE
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def record(self) -> Record:
        """The record it must come to, put together by hand."""
        primary, *others = self.categories.split()
        return Record.build(
            source=Source("arxiv", self.id, len(self.versions)),
            title=self.title,
            abstract=self.abstract,
            license=self.license or "",
            primary_cat=primary,
            cross_cats=tuple(others),
            submitted_at=Instant.parse_seconds("2024-01-01T12:00:00Z"),
        )

    @property
    def kaggle(self) -> bytes:
        """A line of the snapshot."""
        value = {
            "id": self.id,
            "submitter": "Somebody",
            "authors": self.authors,
            "title": self.title,
            "comments": None,
            "journal-ref": None,
            "doi": None,
            "report-no": None,
            "categories": self.categories,
            "license": self.license,
            "abstract": self.abstract,
            "versions": [{"version": name, "created": date} for name, date in self.versions],
            "update_date": "2024-02-02",
            "authors_parsed": [["Author", "A.", ""]],
        }
        return json.dumps(value | self.more).encode() + b"\n"

    @property
    def raw(self) -> bytes:
        """A ``record`` with arXivRaw in it."""
        versions = "".join(
            f'<version version="{name}"><date>{date}</date><size>1kb</size></version>'
            for name, date in self.versions
        )
        given = f"<license>{self.license}</license>" if self.license else ""
        return f"""<record>
<header><identifier>oai:arXiv.org:{self.id}</identifier><datestamp>2024-02-02</datestamp></header>
<metadata><arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:schemaLocation="http://arxiv.org/OAI/arXivRaw/ http://arxiv.org/OAI/arXivRaw.xsd">
<id>{self.id}</id><submitter>Somebody</submitter>{versions}<title>{escape(self.title)}</title>
<authors>{escape(self.authors)}</authors><categories>{self.categories}</categories>
<comments>None</comments>{given}<abstract>{escape(self.abstract)}</abstract>
</arXivRaw></metadata>
</record>
""".encode()

    @property
    def atom(self) -> bytes:
        """An ``entry`` of a feed, with the MSC and ACM classes that stand among categories."""
        primary, *others = self.categories.split()
        scheme = 'scheme="http://arxiv.org/schemas/atom"'
        categories = "".join(
            f'<category term="{each}" {scheme}/>'
            for each in (primary, *others, "14J60 (Primary) 14F05, 14J26 (Secondary)", "I.2.6")
        )
        authors = self.authors.replace(" and ", ", ").split(", ")
        people = "".join(f"<author><name>{escape(each)}</name></author>" for each in authors)
        return f"""<entry>
<id>http://arxiv.org/abs/{self.id}v{len(self.versions)}</id>
<updated>2024-02-02T02:02:02Z</updated><published>2024-01-01T12:00:00Z</published>
<title>{escape(self.title)}</title><summary>{escape(self.abstract)}</summary>{people}
<arxiv:comment xmlns:arxiv="http://arxiv.org/schemas/atom">None</arxiv:comment>
<link href="http://arxiv.org/abs/{self.id}v2" rel="alternate" type="text/html"/>
<arxiv:primary_category xmlns:arxiv="http://arxiv.org/schemas/atom" term="{primary}" {scheme}/>
{categories}</entry>
""".encode()


OAI_START: Final = b"""<?xml version="1.0" encoding="UTF-8"?>
<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<responseDate>2024-03-01T00:00:00Z</responseDate>
<request verb="ListRecords" metadataPrefix="arXivRaw">http://export.arxiv.org/oai2</request>
<ListRecords>
"""
OAI_END: Final = b"""<resumptionToken cursor="0">4711|1001</resumptionToken>
</ListRecords>
</OAI-PMH>
"""
ATOM_START: Final = b"""<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title type="html">ArXiv Query</title>
<id>http://arxiv.org/api/cHxbiOdZaP56ODnBPIenZhzg5f8</id>
"""
ATOM_END: Final = b"</feed>\n"


def kaggle(*papers: Paper) -> bytes:
    """A snapshot."""
    return b"".join(each.kaggle for each in papers)


def oai(*papers: Paper) -> bytes:
    """An OAI-PMH response."""
    return OAI_START + b"".join(each.raw for each in papers) + OAI_END


def atom(*papers: Paper) -> bytes:
    """A feed."""
    return ATOM_START + b"".join(each.atom for each in papers) + ATOM_END


def numbered(number: int) -> Paper:
    """One of many."""
    return Paper(id=f"2401.{number:05d}")
