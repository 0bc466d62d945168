"""Canonical text of titles and abstracts, and the two texts of a graph snapshot."""

import json
import unicodedata
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.protocol.text import (
    abstract_excerpt,
    authors_text,
    canonical_text,
    collapse,
    text_sha256,
    unassigned,
)

WHITE: Final = [
    *range(0x09, 0x0E),
    *range(0x1C, 0x21),
    0x85,
    0xA0,
    0x1680,
    *range(0x2000, 0x200B),
    0x2028,
    0x2029,
    0x202F,
    0x205F,
    0x3000,
]


@pytest.mark.parametrize("point", WHITE, ids=lambda point: f"U+{point:04X}")
def test_white_space_is_collapsed_and_trimmed(point: int) -> None:
    white = chr(point)

    assert canonical_text(f"{white}a{white}b{white * 3}c{white}") == "a b c"
    assert canonical_text(f"a {white} b") == "a b"
    assert canonical_text(white) == ""
    assert abstract_excerpt(f"{white}A{white}{white}b{white}") == "A b"


def test_nothing_else_is_white_space() -> None:
    other = "".join(
        chr(point)
        for point in range(0x110000)
        if point not in WHITE and not 0xD800 <= point <= 0xDFFF
    )

    assert len(WHITE) == 29
    assert collapse(other) == other
    plain = "".join(char for char in other if char.isascii())
    assert collapse(plain) == plain


@pytest.mark.parametrize("point", [0x1B, 0x21, 0x84, 0x86, 0x180E, 0x200B, 0x2060, 0xFEFF])
def test_what_looks_like_white_space_is_kept(point: int) -> None:
    assert canonical_text(f"{chr(point)}a{chr(point)}") == f"{chr(point)}a{chr(point)}"


@pytest.mark.parametrize(
    ("given_text", "wanted"),
    [
        pytest.param("", "", id="empty"),
        pytest.param("Notions of Denseness", "notions of denseness", id="lower-case"),
        pytest.param("e\u0301", "\u00e9", id="nfc-composes"),
        pytest.param("E\u0301", "\u00e9", id="nfc-then-lower"),
        pytest.param("\u212b\u2126", "\u00e5\u03c9", id="singletons"),
        pytest.param("\ufb01\u00b2\u2460\uff21", "\ufb01\u00b2\u2460\uff41", id="nfc-not-nfkc"),
        pytest.param("\u0958", "\u0915\u093c", id="composition-exclusion"),
        pytest.param("ΟΔΟΣ ΣΟΦΟΣ", "οδος σοφος", id="final-sigma"),
        pytest.param("Σ", "σ", id="sigma-alone"),
        pytest.param("ΑΣ\u3000ΒΣ.", "ας βς.", id="final-sigma-before-wide-space"),
        pytest.param("\u0130", "i\u0307", id="dotted-capital-i"),
        pytest.param("I\u0131", "i\u0131", id="dotless-i"),
        pytest.param("J\u030c", "j\u030c", id="no-second-nfc-j-caron"),
        pytest.param("T\u0308H\u0331", "t\u0308h\u0331", id="no-second-nfc-more"),
        pytest.param("Straße \u1e9e", "straße ß", id="no-casefold"),
        pytest.param("\U00010400", "\U00010428", id="astral-lower"),
        pytest.param(r"St\"ackel $SU(2)_L$", r"st\"ackel $su(2)_l$", id="tex-kept"),
        pytest.param(
            r"Poincar\'e--Lelong ``X''", r"poincar\'e--lelong ``x''", id="tex-dashes-quotes"
        ),
        pytest.param("long-\nterm", "long- term", id="hyphen-at-line-break"),
        pytest.param("long-\r\n   term", "long- term", id="hyphen-at-crlf"),
        pytest.param("long-term", "long-term", id="compound-hyphen"),
        pytest.param("a\u2010b\u2013c\u2014d\u2212e", "a\u2010b\u2013c\u2014d\u2212e", id="dashes"),
        pytest.param("“A” ‘b’ «c»", "“a” ‘b’ «c»", id="quotes"),
        pytest.param("what ? yes !", "what ? yes !", id="space-before-punctuation"),
        pytest.param("soft\u00adhyphen", "soft\u00adhyphen", id="soft-hyphen"),
    ],
)
def test_canonical_text(given_text: str, wanted: str) -> None:
    assert canonical_text(given_text) == wanted
    assert text_sha256(given_text) == sha256(wanted.encode()).hexdigest()


def test_there_is_no_second_nfc() -> None:
    assert unicodedata.normalize("NFC", canonical_text("J\u030c")) == "\u01f0"
    assert canonical_text("J\u030c") != "\u01f0"


@given(st.text())
def test_canonical_text_is_single_spaced_and_nothing_more(text: str) -> None:
    found = canonical_text(text)

    assert found == " ".join(unicodedata.normalize("NFC", text).split()).lower()


# -- excerpt ------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 599, 600, 601, 5_000])
def test_the_excerpt_has_at_most_600_characters(length: int) -> None:
    assert abstract_excerpt("Ab" * length) == ("Ab" * length)[:600]
    assert abstract_excerpt("x" * length) == "x" * min(length, 600)


def test_the_excerpt_counts_characters_after_collapsing() -> None:
    assert abstract_excerpt("  A \n b " * 500) == ("A b " * 500)[:600]
    assert abstract_excerpt("\U0001f600" * 601) == "\U0001f600" * 600


def test_the_excerpt_keeps_case_and_spelling() -> None:
    assert abstract_excerpt("  The E\u0301 of $X$ ") == "The E\u0301 of $X$"


# -- authors ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        pytest.param("A. Noether", "A. Noether", id="one"),
        pytest.param("Zoe Z, Abe A", "Abe A, Zoe Z", id="two-sorted"),
        pytest.param("Zoe Z and Abe A", "Abe A, Zoe Z", id="and"),
        pytest.param("C C, Zoe Z and Abe A", "Abe A, C C, Zoe Z", id="commas-and"),
        pytest.param("C C, Zoe Z, and Abe A", "Abe A, C C, Zoe Z", id="comma-before-and"),
        pytest.param("  C C,\n  Abe A ", "Abe A, C C", id="white-space"),
        pytest.param("Rand Sandy, Anders And", "Anders And, Rand Sandy", id="and-inside-names"),
        pytest.param("", "", id="none"),
    ],
)
def test_authors_text(raw: str, wanted: str) -> None:
    assert authors_text(raw) == wanted


# -- real data ----------------------------------------------------------------


def test_the_snapshot_of_the_seed(vectors_dir: Path) -> None:
    seed = json.loads((vectors_dir / "seed_bundle.json").read_bytes())
    paper = seed["events"][1]["payload"]["graph_snapshot"]["paper"]
    metadata = seed["canonical_record"]["metadata"]

    assert text_sha256(paper["title"]) == metadata["title_canon_sha256"]
    assert authors_text(paper["authors_text"]) == paper["authors_text"]
    assert abstract_excerpt(paper["abstract_excerpt"] + " ") == paper["abstract_excerpt"].strip()
    assert len(paper["abstract_excerpt"]) == 600


# -- warnings -----------------------------------------------------------------


def test_unassigned_code_points_are_named() -> None:
    assert unassigned("a \u0378 b \U0002fffd \u0378") == ["U+0378", "U+2FFFD"]
    assert unassigned("Plain é 中 😀") == []
