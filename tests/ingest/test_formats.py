"""The formats: one paper is one record, however it is written; what is no paper is refused."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.data import seed_bundle
from registry.errors import PithError
from registry.ingest.entry import Entry, Format
from registry.ingest.table import FORMATS, format_named, recognised
from registry.protocol.canonical import canonical
from registry.protocol.instant import Instant
from registry.protocol.record import Record
from tests.ingest.papers import LICENSE, V1, V2, Paper, atom, kaggle, oai
from tests.parts import vectors_dir
from tests.protocol.test_seed import ABSTRACT, AUTHORS, TITLE

WRITERS: Final[dict[str, Callable[..., bytes]]] = {"kaggle": kaggle, "arxivraw": oai, "atom": atom}


def read(form: Format, data: bytes) -> list[Entry]:
    """Every entry of an input."""
    return [form.read(row.data) for row in form.rows(io.BytesIO(data))]


def record(entry: Entry, license: str = LICENSE) -> Record:
    """The record of an entry; the licence counts where the format has none."""
    return entry.record(license if entry.license is None else entry.license)


def refused(name: str, data: bytes) -> str:
    """The code by which the one row of an input is refused."""
    form = FORMATS[name]
    (row,) = form.rows(io.BytesIO(data))
    with pytest.raises(PithError) as caught:
        record(form.read(row.data))
    return caught.value.code


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "paper",
    [
        Paper(),
        Paper(id="math/0309136"),
        Paper(id="0704.0001", versions=(V1,)),
        Paper(categories="hep-ph"),
        Paper(categories="cond-mat.mtrl-sci physics.ao-ph math-ph"),
    ],
    ids=lambda paper: f"{paper.id} {paper.categories}",
)
def test_a_paper_is_the_same_record_in_every_format(name: str, paper: Paper) -> None:
    (entry,) = read(FORMATS[name], WRITERS[name](paper))

    assert record(entry).canonical == paper.record.canonical
    assert record(entry).source.version == len(paper.versions)
    assert entry.authors.replace(" and ", ", ") == paper.authors.replace(" and ", ", ")
    assert "\n" not in entry.paper()["title"]
    assert (entry.license is None) == (not FORMATS[name].has_licenses)


@pytest.mark.parametrize("name", FORMATS)
def test_the_published_seed_comes_out_with_its_number(name: str) -> None:
    seed = json.loads(seed_bundle())
    wanted = seed["canonical_record"]
    paper = Paper(
        id="1811.12941",
        versions=(("v1", "Fri, 30 Nov 2018 18:58:59 GMT"),),
        title=TITLE,
        abstract=ABSTRACT,
        authors=AUTHORS,
        categories="cs.LG cs.DC stat.ML",
        license=wanted["metadata"]["license"],
    )
    data = WRITERS[name](paper).replace(b"2024-01-01T12:00:00Z", b"2018-11-30T18:58:59Z")
    (entry,) = read(FORMATS[name], data)

    made = record(entry, wanted["metadata"]["license"])

    assert made.canonical == canonical(wanted)
    assert str(made.number) == seed["pith_number"]


def test_the_real_rows_are_records() -> None:
    lines = (vectors_dir() / "arxiv_kaggle_sample.jsonl").read_bytes().splitlines()
    for line in lines:
        raw = json.loads(line)
        made = record(FORMATS["kaggle"].read(line))
        assert Record.parse(made.canonical) == made
        assert made.source.id == raw["id"]
        assert made.source.version == len(raw["versions"])
        assert [made.primary_cat, *made.cross_cats][0] == raw["categories"].split()[0]
        assert made.license == (raw["license"] or "")
        assert str(int(made.submitted_at.seconds[:4])) in raw["versions"][0]["created"]
    assert len(lines) == 200


@pytest.mark.parametrize("name", ["kaggle", "arxivraw"])
def test_no_licence_is_the_empty_licence(name: str) -> None:
    (entry,) = read(FORMATS[name], WRITERS[name](Paper(license=None)))

    assert entry.license == ""


@pytest.mark.parametrize("name", ["kaggle", "arxivraw"])
@pytest.mark.parametrize(
    ("versions", "code"),
    [
        ((), "ingest.version"),
        ((V2,), "ingest.version"),
        ((V1, V1), "ingest.version"),
        ((("v01", V1[1]),), "ingest.version"),
        ((("1", V1[1]),), "ingest.version"),
        ((("v1", "Mon, 31 Feb 2024 12:00:00 GMT"),), "ingest.date"),
        ((("v1", "Tue, 1 Jan 2024 12:00:00 GMT"),), "ingest.date"),
        ((("v1", "Mon, 1 Jan 2024 12:00:60 GMT"),), "ingest.date"),
        ((("v1", "Mon, 1 Jan 2024 12:00:00 EST"),), "ingest.date"),
        ((("v1", "Mon, 1 jan 2024 12:00:00 GMT"),), "ingest.date"),
        ((("v1", "2024-01-01T12:00:00Z"),), "ingest.date"),
        ((("v1", "Mon, ١ Jan 2024 12:00:00 GMT"),), "ingest.date"),
        ((("v1", ""),), "ingest.date"),
    ],
)
def test_versions_and_dates(name: str, versions: tuple[tuple[str, str], ...], code: str) -> None:
    assert refused(name, WRITERS[name](Paper(versions=versions))) == code


@pytest.mark.parametrize("name", ["kaggle", "arxivraw"])
def test_versions_may_be_listed_in_any_order(name: str) -> None:
    (entry,) = read(FORMATS[name], WRITERS[name](Paper(versions=(V2, V1))))

    assert entry.source.version == 2
    assert entry.submitted_at.seconds == "2024-01-01T12:00:00Z"


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("changed", "code"),
    [
        (Paper(id="2401.0001"), "source.id"),
        (Paper(id="math.GT/0309136"), "source.id"),
        (Paper(id="2401.00001v3"), "source.id"),
        (Paper(title=" \n "), "ingest.empty"),
        (Paper(abstract="\t"), "ingest.empty"),
        (Paper(categories="CS.DL"), "ingest.category"),
        (Paper(categories="cs.DL; math.AG"), "ingest.category"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_is_no_paper(name: str, changed: Paper, code: str) -> None:
    assert refused(name, WRITERS[name](changed)) == code


def test_a_class_that_is_no_category_is_refused_where_only_categories_stand() -> None:
    assert refused("kaggle", kaggle(Paper(categories="math.AG 14J60"))) == "ingest.category"
    assert refused("kaggle", kaggle(Paper(categories=""))) == "ingest.category"
    assert refused("arxivraw", oai(Paper(categories=" "))) == "ingest.category"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"title": None}, "schema.type"),
        ({"title": "a\x00b"}, "ingest.nul"),
        ({"abstract": 7}, "schema.type"),
        ({"license": 7}, "schema.type"),
        ({"categories": ["math.AG"]}, "schema.type"),
        ({"versions": "v1"}, "schema.type"),
        ({"versions": [{"version": "v1"}]}, "schema.members"),
        ({"versions": [{"version": 1, "created": V1[1]}]}, "schema.type"),
        ({"id": 704.0001}, "schema.type"),
        ({"license": "a\nb"}, "json.character"),
        ({"title": "\ud800"}, "json.surrogate"),
    ],
)
def test_members_of_a_line(more: dict[str, Any], code: str) -> None:
    assert refused("kaggle", kaggle(Paper(more=more))) == code


@pytest.mark.parametrize("member", ["id", "title", "abstract", "categories", "versions", "license"])
def test_a_line_without_a_member(member: str) -> None:
    value = {k: v for k, v in json.loads(kaggle(Paper())).items() if k != member}

    assert refused("kaggle", json.dumps(value).encode()) == "schema.members"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"<title>", b"<title><i>x</i>", "xml.element"),
        (b"<title>", b"<title>x</title><title>", "xml.element"),
        (b"<categories>math.AG cs.DL hep-ph</categories>", b"", "xml.element"),
        (b'<version version="v1">', b"<version>", "xml.element"),
        (b"OAI/arXivRaw/", b"OAI/arXiv/", "xml.element"),
        (b"<header>", b'<header status="deleted">', "ingest.deleted"),
    ],
)
def test_elements_of_a_record(old: bytes, new: bytes, code: str) -> None:
    assert old in oai(Paper())
    assert refused("arxivraw", oai(Paper()).replace(old, new)) == code


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"http://arxiv.org/abs/", b"http://arxiv.example/abs/", "source.id"),
        (b"v2</id>", b"</id>", "source.id"),
        (b"2024-01-01T12:00:00Z", b"2024-01-01T12:00:00", "ingest.date"),
        (b"2024-01-01T12:00:00Z", b"2024-02-30T12:00:00Z", "ingest.date"),
        (b"<published>", b"<published/><published>", "xml.element"),
        (b"<summary>", b"<summary>\xc3\xa4<b/>", "xml.element"),
    ],
)
def test_elements_of_an_entry(old: bytes, new: bytes, code: str) -> None:
    assert old in atom(Paper())
    assert refused("atom", atom(Paper()).replace(old, new)) == code


def test_a_time_with_a_zone_is_the_same_moment() -> None:
    data = atom(Paper()).replace(b"2024-01-01T12:00:00Z", b"2024-01-01T07:00:00-05:00")

    assert read(FORMATS["atom"], data)[0].submitted_at.seconds == "2024-01-01T12:00:00Z"


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_told_by_its_content(name: str) -> None:
    data = WRITERS[name](Paper())

    assert recognised(data).name == recognised(b"\n " + data).name == name
    assert [each.name for each in FORMATS.values() if each.recognises(data)] == [name]
    assert format_named(name).name == name


@pytest.mark.parametrize("data", [b"", b"[{}]", b"PK\x03\x04", b"<html/>", b"id,title\n"])
def test_what_is_none_of_them(data: bytes) -> None:
    with pytest.raises(PithError) as caught:
        recognised(data)
    assert caught.value.code == "ingest.format"


@pytest.mark.parametrize("name", FORMATS)
@given(st.binary(max_size=200))
def test_no_row_gives_anything_but_an_entry_or_a_refusal(name: str, data: bytes) -> None:
    form = FORMATS[name]
    try:
        for row in form.rows(io.BytesIO(data)):
            form.id(row.data)
            form.read(row.data)
    except PithError:
        pass


@pytest.mark.parametrize("name", FORMATS)
def test_the_id_of_a_refused_row_is_found(name: str, tmp_path: Path) -> None:
    data = WRITERS[name](Paper(title=" "))
    (row,) = FORMATS[name].rows(io.BytesIO(data))

    assert FORMATS[name].id(row.data).removesuffix("v2") == "2401.00001"
    assert FORMATS[name].id(b"{}") == ""


def test_the_oldest_real_date() -> None:
    (entry,) = read(
        FORMATS["kaggle"],
        kaggle(Paper(id="math/9201204", versions=(("v1", "Sun, 1 Jan 1989 00:00:00 GMT"),))),
    )

    assert entry.submitted_at == Instant.parse_seconds("1989-01-01T00:00:00Z")
