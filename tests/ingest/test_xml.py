"""Cutting XML into rows: whatever is broken costs what is broken, and nothing is expanded."""

import io
import time
import tracemalloc
from collections.abc import Iterable
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import MalformedError, PithError
from registry.ingest import arxivraw
from registry.ingest.entry import MAX_ROW
from tests.ingest.papers import OAI_END, OAI_START, numbered, oai

ONE, TWO, THREE = (numbered(i).raw for i in (1, 2, 3))
START, END = OAI_START, OAI_END


class Slow(io.RawIOBase):
    """A stream that gives a few bytes at a time."""

    def __init__(self, data: bytes, sizes: Iterable[int]) -> None:
        self.data = data
        self.sizes = iter(sizes)

    def read(self, size: int = -1) -> bytes:
        count = next(self.sizes, 7)
        taken, self.data = self.data[:count], self.data[count:]
        return taken


def outcome(data: bytes, stream: object = None) -> list[tuple[int, str]]:
    """The line of each row, with the paper's number or the code it is refused by."""
    found = []
    for row in arxivraw.FORMAT.rows(stream or io.BytesIO(data)):  # type: ignore[arg-type]
        assert len(row.data) <= MAX_ROW + 1024
        try:
            found.append((row.line, arxivraw.read(row.data).source.id[-1]))
        except PithError as error:
            found.append((row.line, error.code))
    return found


def told(data: bytes) -> list[str]:
    return [said for _, said in outcome(data)]


def test_rows_have_the_line_they_begin_on() -> None:
    data = oai(numbered(1), numbered(2))
    lines = [i for i, line in enumerate(data.split(b"\n"), 1) if line.startswith(b"<record>")]

    assert outcome(data) == [(lines[0], "1"), (lines[1], "2")]


SYNTAX: Final = "xml.syntax"


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (START + ONE + TWO[:300], ["1", SYNTAX]),
        (START + ONE, ["1", SYNTAX]),
        (START, [SYNTAX]),
        (START + ONE + TWO[:300] + START + THREE + END, ["1", SYNTAX, "3"]),
        (START + ONE + TWO.replace(b"Names", b"\xff\xfe") + THREE + END, ["1", SYNTAX, "3"]),
        (START + ONE + TWO.replace(b"Names", b"\xc0\x80") + THREE + END, ["1", SYNTAX, "3"]),
        (START + ONE + TWO.replace(b"Names", b"\0") + THREE + END, ["1", SYNTAX, "3"]),
        (START + ONE + TWO.replace(b"Names", b"&#0;") + THREE + END, ["1", SYNTAX, "3"]),
        (START + ONE + TWO.replace(b"Names", b"&eacute;") + THREE + END, ["1", SYNTAX, "3"]),
        (START + ONE + TWO.replace(b"Names", b"<x>") + THREE + END, ["1", SYNTAX, "3"]),
        (START + ONE + TWO.replace(b"</record>", b"") + THREE + END, ["1", SYNTAX, "3"]),
        (START + ONE + b"<a><b></a>\n" + THREE + END, ["1", SYNTAX, "3"]),
        (START + ONE + b" & \n" + THREE + END, ["1", SYNTAX, "3"]),
        (START + ONE + START + THREE + END, ["1", SYNTAX, "3"]),
        (START + ONE + b"<!-- " + TWO + THREE + END, ["1", SYNTAX, "2", "3"]),
        (START + ONE + b"<!-- " + TWO + THREE[:200], ["1", SYNTAX, "2", SYNTAX]),
        (START + ONE + END + b"rubbish", ["1", SYNTAX]),
        (START + TWO.replace(b"Names", b"\xff") + ONE.replace(b"Names", b"\xff"), [SYNTAX] * 2),
    ],
)
def test_what_is_broken_costs_no_more_than_itself(data: bytes, wanted: list[str]) -> None:
    assert told(data) == wanted


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (START + ONE + END + START + TWO + END, ["1", "2"]),
        ((START + ONE + END) + b"\n\n" + START.split(b"\n", 1)[1] + TWO + END, ["1", "2"]),
        (START + ONE + b"<!-- " + TWO + b" -->" + THREE + END, ["1", "3"]),
        (
            START + ONE.replace(b"<abstract>", b"<abstract><![CDATA[</record><record>]]>") + END,
            ["1"],
        ),
        (START + ONE + b"<?x <record> ?>" + TWO + END, ["1", "2"]),
        (b"\xef\xbb\xbf" + START + ONE + END, ["1"]),
        (oai(numbered(1)).replace(b"UTF-8", b"us-ascii").replace("ö".encode(), b"o"), ["1"]),
        (START + END, []),
        (ONE.replace(b"<record>", b'<record xmlns="http://www.openarchives.org/OAI/2.0/">'), ["1"]),
        (
            oai(numbered(1))
            .replace(b"xmlns=", b"xmlns:o=", 1)
            .replace(b"<record", b"<o:record")
            .replace(b"</record", b"</o:record"),
            ["1"],
        ),
        (oai(numbered(1)).replace(b"/OAI/2.0/", b"/OAI/3.0/"), []),
    ],
)
def test_what_is_well_formed_is_read_as_xml_is(data: bytes, wanted: list[str]) -> None:
    assert told(data) == wanted


def test_prefixes_of_ancestors_hold_after_a_break() -> None:
    data = (
        (START + ONE + TWO.replace(b"Names", b"\xff") + THREE + END)
        .replace(b"xmlns=", b"xmlns:o=", 1)
        .replace(b"<record", b"<o:record")
        .replace(b"</record", b"</o:record")
    )

    assert told(data) == ["1", SYNTAX, "3"]


HUGE: Final = 3 * MAX_ROW


@pytest.mark.parametrize(
    "between",
    [
        TWO.replace(b"Names", b"x" * HUGE),
        TWO.replace(b"Names", b"x\n" * HUGE),
        b"<!--" + b"x" * HUGE + b"-->",
        b'<a b="' + b"x" * HUGE + b'"/>',
        b"<" + b"x" * HUGE + b"/>",
    ],
    ids=["text", "lines", "comment", "attribute", "name"],
)
def test_what_is_huge_is_refused_and_the_next_is_read(between: bytes) -> None:
    found = outcome(START + ONE + between + THREE + END)

    assert [said for _, said in found][:2] == ["1", "xml.size"]
    assert found[2:] == [(found[1][0] + between.count(b"\n"), "3")]


def test_elements_within_elements_without_end() -> None:
    deep = b"<a>" * 100_000 + b"</a>" * 100_000

    assert told(START + ONE + TWO.replace(b"Names", deep) + THREE + END) == [
        "1",
        "xml.element",
        "3",
    ]
    with pytest.raises(MalformedError) as caught:
        told(START + b"<a>" * 100 + ONE)
    assert caught.value.code == "xml.depth"


LAUGHS: Final = b"""<!DOCTYPE OAI-PMH [<!ENTITY a0 "ha">%b]>
""" % b"".join(b'<!ENTITY a%d "%b">' % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 12))


@pytest.mark.parametrize(
    "declared",
    [
        LAUGHS,
        b'<!DOCTYPE OAI-PMH [<!ENTITY a11 SYSTEM "file:///etc/passwd">]>',
        b'<!DOCTYPE OAI-PMH SYSTEM "http://127.0.0.1:9/oai.dtd">',
        b"<!DOCTYPE OAI-PMH>",
    ],
    ids=["laughs", "external", "dtd", "bare"],
)
@pytest.mark.parametrize("before", [b"", START + ONE + END], ids=["first", "later"])
def test_a_document_type_ends_the_reading(declared: bytes, before: bytes) -> None:
    rest = START.split(b"\n", 1)[1] + TWO.replace(b"Names", b"&a11;") + END
    rows = arxivraw.FORMAT.rows(io.BytesIO(before + declared + rest))
    started = time.process_time()

    with pytest.raises(MalformedError) as caught:
        list(rows)
    assert caught.value.code == "xml.doctype"
    assert time.process_time() - started < 5


def test_a_document_type_in_a_broken_part_declares_nothing() -> None:
    assert told(START + ONE + b"&" + LAUGHS + TWO.replace(b"Names", b"&a11;") + THREE + END) == [
        "1",
        SYNTAX,
        SYNTAX,
        "3",
    ]


def test_another_encoding_is_refused() -> None:
    with pytest.raises(MalformedError) as caught:
        told(oai(numbered(1)).replace(b"UTF-8", b"ISO-8859-1"))
    assert caught.value.code == "xml.encoding"


BROKEN: Final = (
    START
    + ONE
    + TWO.replace(b"Names", b"\xff")
    + THREE
    + END
    + START
    + ONE[:99]
    + (START + TWO + b"<a>" + THREE + END)
)


@settings(max_examples=60)
@given(st.lists(st.integers(1, 900), max_size=40))
def test_where_a_stream_is_cut_into_chunks_does_not_matter(sizes: list[int]) -> None:
    assert outcome(b"", Slow(BROKEN, sizes)) == outcome(BROKEN)


@settings(max_examples=300)
@given(st.data())
def test_spoilt_bytes_never_cost_papers_before_or_well_after(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(TWO) - 1))
    spoilt = TWO[:place] + data.draw(st.binary(max_size=6)) + TWO[place + 1 :]
    papers = [numbered(i).raw for i in (4, 5)]

    found = told(START + ONE + spoilt + THREE + b"".join(papers) + END)

    assert found[0] == "1"
    assert found[-2:] == ["4", "5"]


def test_memory_is_flat() -> None:
    def rows(count: int) -> Iterable[bytes]:
        yield START + ONE[:500]
        for _ in range(count - 1):  # each chunk ends within a record
            yield ONE[500:] + ONE[:500]
        yield ONE[500:] + END

    class Made(io.RawIOBase):
        def __init__(self, parts: Iterable[bytes]) -> None:
            self.parts = iter(parts)

        def read(self, size: int = -1) -> bytes:
            return next(self.parts, b"")

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            assert sum(1 for _ in arxivraw.FORMAT.rows(Made(rows(count)))) == count  # type: ignore[arg-type]
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(200) < 1 << 20
    assert peak(4_000) < 1 << 20
