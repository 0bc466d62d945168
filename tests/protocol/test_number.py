"""Pith numbers: one spelling where they count, generous where a person types."""

from base64 import b32encode
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import MalformedError
from registry.protocol.number import PithNumber, Reference
from tests.protocol.refusals import refused

SUFFIX = "P7HI7IUZ2D4BWY3OX4YBCD7BZN"
NUMBER = f"pith:2018:{SUFFIX}"


@pytest.mark.parametrize(
    "text",
    [
        NUMBER,
        f"pith:1989:{SUFFIX}",
        f"pith:0001:{SUFFIX}",
        "pith:9999:" + "A" * 26,
        "pith:2018:" + "7" * 26,
    ],
)
def test_the_one_spelling(text: str) -> None:
    assert str(PithNumber.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(NUMBER.lower(), id="lower-case"),
        pytest.param(NUMBER.upper(), id="upper-case-prefix"),
        pytest.param(SUFFIX, id="suffix-only"),
        pytest.param(f"2018:{SUFFIX}", id="no-prefix"),
        pytest.param(f"pith:{SUFFIX}", id="no-year"),
        pytest.param(NUMBER + "\n", id="trailing-newline"),
        pytest.param(" " + NUMBER, id="leading-space"),
        pytest.param(NUMBER[:-1], id="25-characters"),
        pytest.param(NUMBER + "A", id="27-characters"),
        pytest.param(NUMBER[:-1] + "1", id="digit-1"),
        pytest.param(NUMBER[:-1] + "8", id="digit-8"),
        pytest.param(NUMBER[:-1] + "0", id="digit-0"),
        pytest.param(NUMBER[:-1] + "=", id="padding"),
        pytest.param(f"pith:18:{SUFFIX}", id="two-digit-year"),
        pytest.param(f"pith:02018:{SUFFIX}", id="five-digit-year"),
        pytest.param(f"pith:２０１８:{SUFFIX}", id="fullwidth-digits"),
        pytest.param(f"pith:٢٠١٨:{SUFFIX}", id="arabic-digits"),
        pytest.param(NUMBER[:-1] + "Ａ", id="fullwidth-letter"),
        pytest.param(NUMBER[:-1] + "А", id="cyrillic-letter"),
        pytest.param("pith:2018:" + SUFFIX[:8], id="short"),
        pytest.param("", id="empty"),
        pytest.param(None, id="null"),
        pytest.param(2018, id="number"),
        pytest.param([NUMBER], id="list"),
        pytest.param(NUMBER.encode(), id="bytes"),
    ],
)
def test_any_other_spelling_is_refused(text: Any) -> None:
    with refused("number.form"):
        PithNumber.parse(text)


@given(st.binary(min_size=32, max_size=32), st.integers(1, 9999))
def test_a_number_survives_its_text(digest: bytes, year: int) -> None:
    number = PithNumber.of(digest, year)

    assert PithNumber.parse(str(number)) == number
    assert number.suffix == b32encode(digest).decode()[:26]
    assert number.short == "pith:" + number.suffix[:8]


def test_the_suffix_is_130_bits_of_the_digest() -> None:
    digest = sha256(b"").digest()
    one_bit = bytearray(digest)
    one_bit[16] ^= 0b0100_0000
    beyond = bytearray(digest)
    beyond[16] ^= 0b0010_0000

    assert PithNumber.of(bytes(one_bit), 2018) != PithNumber.of(digest, 2018)
    assert PithNumber.of(bytes(beyond), 2018) == PithNumber.of(digest, 2018)


def test_short_forms() -> None:
    number = PithNumber.parse(NUMBER)

    assert number.short == "pith:P7HI7IUZ"
    assert number.short_aliases() == (
        ("pith_short_12", "P7HI7IUZ2D4B"),
        ("pith_short_16", "P7HI7IUZ2D4BWY3O"),
        ("pith_short_8", "P7HI7IUZ"),
    )


# -- what people type ---------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "prefix", "year"),
    [
        pytest.param(NUMBER, SUFFIX, 2018, id="full"),
        pytest.param(NUMBER.lower(), SUFFIX, 2018, id="lower-case"),
        pytest.param(NUMBER.upper(), SUFFIX, 2018, id="upper-case"),
        pytest.param(f"  {NUMBER}\n", SUFFIX, 2018, id="white-space-around"),
        pytest.param(f"2018:{SUFFIX}", SUFFIX, 2018, id="no-prefix"),
        pytest.param(f"pith:{SUFFIX}", SUFFIX, None, id="no-year"),
        pytest.param(SUFFIX, SUFFIX, None, id="suffix"),
        pytest.param("pith:P7HI7IUZ", "P7HI7IUZ", None, id="short-8"),
        pytest.param("p7hi7iuz", "P7HI7IUZ", None, id="short-8-bare"),
        pytest.param("P7HI7IUZ2D4B", "P7HI7IUZ2D4B", None, id="short-12"),
        pytest.param("Pith:2018:P7hi7iuz2d4bwy3o", "P7HI7IUZ2D4BWY3O", 2018, id="short-16-year"),
        pytest.param("22222222", "22222222", None, id="digits-only"),
    ],
)
def test_a_number_is_read_generously(typed: str, prefix: str, year: int | None) -> None:
    assert Reference.parse(typed) == Reference(typed, prefix=prefix, year=year)


@pytest.mark.parametrize(
    ("typed", "source_id", "version"),
    [
        pytest.param("1811.12941", "1811.12941", None, id="bare-id"),
        pytest.param("1811.12941v1", "1811.12941", 1, id="bare-id-version"),
        pytest.param("arxiv:1811.12941", "1811.12941", None, id="prefix"),
        pytest.param("arXiv:1811.12941V12", "1811.12941", 12, id="prefix-version"),
        pytest.param("arXiv:math/9201204v9999", "math/9201204", 9999, id="old-id-version"),
        pytest.param("HEP-TH/9901001", "hep-th/9901001", None, id="old-id-upper-case"),
        pytest.param("10.48550/arxiv.1811.12941", "1811.12941", None, id="doi"),
        pytest.param("10.48550/arXiv.1811.12941", "1811.12941", None, id="doi-in-other-case"),
        pytest.param("doi:10.48550/arXiv.math/9201204", "math/9201204", None, id="doi-old-id"),
        pytest.param("https://doi.org/10.48550/arXiv.1811.12941", "1811.12941", None, id="doi-url"),
    ],
)
def test_a_source_id_is_read_generously(typed: str, source_id: str, version: int | None) -> None:
    assert Reference.parse(typed) == Reference(
        typed, source_kind="arxiv", source_id=source_id, version=version
    )


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param("", id="empty"),
        pytest.param("pith:", id="prefix-only"),
        pytest.param("pith:2018:", id="year-only"),
        pytest.param("P7HI7IU", id="seven"),
        pytest.param("P7HI7IUZ2", id="nine"),
        pytest.param("P7HI7IUZ2D4BW", id="thirteen"),
        pytest.param(SUFFIX[:-1], id="twenty-five"),
        pytest.param(SUFFIX + "A", id="twenty-seven"),
        pytest.param("P7HI7IU1", id="digit-1"),
        pytest.param("P7HI 7IUZ", id="space-inside"),
        pytest.param("pith::P7HI7IUZ", id="empty-year"),
        pytest.param("pith:18:P7HI7IUZ", id="two-digit-year"),
        pytest.param("pith:pith:P7HI7IUZ", id="prefix-twice"),
        pytest.param("pith:２０１８:P7HI7IUZ", id="fullwidth-year"),
        pytest.param("Ｐ7HI7IUZ", id="fullwidth-letter"),
        pytest.param("１８１１.12941", id="fullwidth-arxiv"),
        pytest.param("arxiv:1811.12941v0", id="version-0"),
        pytest.param("arxiv:1811.12941v01", id="version-01"),
        pytest.param("arxiv:1811.12941v10000", id="version-10000"),
        pytest.param("arxiv:1811.12941v", id="version-missing"),
        pytest.param("arxiv:1811.12941v１", id="version-fullwidth"),
        pytest.param("arxiv:0703.0001", id="not-an-arxiv-id"),
        pytest.param("10.1000/182", id="other-doi"),
        pytest.param("math.CO/0309136", id="subject-class"),
        pytest.param("\x1b[31mP7HI7IUZ", id="terminal-escape"),
    ],
)
def test_what_names_no_record_is_refused(typed: str) -> None:
    with refused("number.reference"):
        Reference.parse(typed)


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param("ßßßß", id="sharp-s-is-not-ss"),
        pytest.param("ſſſſſſſſ", id="long-s-is-not-s"),
        pytest.param("ıııııııı", id="dotless-i-is-not-i"),
        pytest.param("ﬁﬁﬁﬁ", id="ligature-is-not-fi"),
        pytest.param("\u212aa/9401001", id="kelvin-sign-is-not-k"),
    ],
)
def test_generous_means_ascii_case_and_no_more(typed: str) -> None:
    with refused("number.reference"):
        Reference.parse(typed)


@given(st.text() | st.from_regex(r"(pith:)?([0-9]{4}:)?[A-Za-z2-7]{7,27}", fullmatch=True))
def test_no_typed_text_crashes(typed: str) -> None:
    try:
        found = Reference.parse(typed)
    except MalformedError:
        return
    assert (found.prefix is None) != (found.source_id is None)
