"""Strict JSON in (J1 to J11), RFC 8785 out: each rule with the bad refused and the good read."""

import hashlib
import json
import tracemalloc
from decimal import Decimal, localcontext
from typing import Any

import jcs
import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry.errors import MalformedError
from registry.protocol import schema
from registry.protocol.canonical import (
    MAX_INTEGER,
    canonical,
    digest,
    plain_canonical,
    reference_canonical,
)
from registry.protocol.strict_json import (
    KEY_SET,
    LARGE,
    SMALL,
    Limits,
    check_characters,
    read_json,
    read_record_json,
)
from tests.protocol.refusals import refused

READERS = [pytest.param(read_json, id="any"), pytest.param(read_record_json, id="record")]


def padded(size: int) -> bytes:
    return b"{}".ljust(size)


def nested(depth: int, core: bytes = b"0", opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    """An object of *depth* levels, the top one counted."""
    return b'{"a":' + opening * (depth - 1) + core + closing * (depth - 1) + b"}"


def lists(depth: int, core: Any = 1) -> Any:
    for _ in range(depth):
        core = [core]
    return core


# -- J1: the byte cap ---------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "size"),
    [
        pytest.param(SMALL, 1_048_576, id="record-receipt-event-line"),
        pytest.param(KEY_SET, 524_288, id="key-set"),
        pytest.param(LARGE, 16_777_216, id="bundle-state"),
    ],
)
def test_j1_byte_cap(limits: Limits, size: int) -> None:
    assert read_json(padded(size), limits).value == {}

    with refused("json.size"):
        read_json(padded(size + 1), limits)


def test_j1_byte_cap_of_a_record() -> None:
    assert read_record_json(padded(1_048_576)) == {}

    with refused("json.size"):
        read_record_json(padded(1_048_577))


def test_j1_is_looked_at_before_the_bytes() -> None:
    with refused("json.size"):
        read_json(b"\xff" * 1_048_577)


# -- J2: strict UTF-8 ---------------------------------------------------------


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xef\xbb\xbf{}", id="byte-order-mark"),
        pytest.param("{}".encode("utf-16-le"), id="utf-16-le"),
        pytest.param("{}".encode("utf-16-be"), id="utf-16-be"),
        pytest.param(b"\xff\xfe" + "{}".encode("utf-16-le"), id="utf-16-le-with-mark"),
        pytest.param(b"\xfe\xff" + "{}".encode("utf-16-be"), id="utf-16-be-with-mark"),
        pytest.param("{}".encode("utf-32-le"), id="utf-32-le"),
        pytest.param("{}".encode("utf-32-be"), id="utf-32-be"),
        pytest.param("{}".encode("utf-32"), id="utf-32-with-mark"),
        pytest.param(b'{"a":"\xc0\xaf"}', id="overlong-2"),
        pytest.param(b'{"a":"\xe0\x80\xaf"}', id="overlong-3"),
        pytest.param(b'{"a":"\xf0\x80\x80\xaf"}', id="overlong-4"),
        pytest.param(b'{"a":"\xed\xa0\x80"}', id="surrogate-bytes"),
        pytest.param(b'{"a":"\xed\xa0\xbd\xed\xb8\x80"}', id="surrogate-pair-bytes"),
        pytest.param(b'{"\xed\xb8\x80":0}', id="surrogate-bytes-in-name"),
        pytest.param(b'{"a":"\xf4\x90\x80\x80"}', id="beyond-U+10FFFF"),
        pytest.param(b'{"a":"\x80"}', id="lone-continuation"),
        pytest.param(b'{"a":"\xe2\x82"}', id="cut-sequence"),
        pytest.param(b'{"a":"\xe9"}', id="latin-1"),
    ],
)
def test_j2_refuses_what_is_not_utf8(reader: Any, data: bytes) -> None:
    with refused("json.utf8"):
        reader(data)


@pytest.mark.parametrize("text", ["é", "\u0800", "\uffee", "\U00010000", "\U0010fffd"])
def test_j2_reads_utf8_of_every_length(text: str) -> None:
    assert read_json(json.dumps({text: text}, ensure_ascii=False).encode()).value == {text: text}


# -- J3: one object and nothing else ------------------------------------------


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"", "json.syntax", id="empty"),
        pytest.param(b" \t\r\n", "json.syntax", id="white-space-only"),
        pytest.param(b"{} {}", "json.single", id="two-objects"),
        pytest.param(b"{}\n{}", "json.single", id="two-lines"),
        pytest.param(b"{}x", "json.single", id="trailing-garbage"),
        pytest.param(b"{},", "json.single", id="trailing-comma-after"),
        pytest.param(b"{}}", "json.single", id="trailing-brace"),
        pytest.param(b"{}#", "json.single", id="trailing-comment"),
        pytest.param(b"{}/**/", "json.single", id="trailing-block-comment"),
        pytest.param(b"{}\x00", "json.utf8", id="trailing-nul-at-once"),
        pytest.param(b"{}    \x00", "json.single", id="trailing-nul"),
        pytest.param(b"{}\xc2\xa0", "json.single", id="trailing-no-break-space"),
        pytest.param(b"{}\x0c", "json.single", id="trailing-form-feed"),
        pytest.param(b"[]", "json.single", id="top-level-list"),
        pytest.param(b'"{}"', "json.single", id="top-level-text"),
        pytest.param(b"1", "json.single", id="top-level-number"),
        pytest.param(b"true", "json.single", id="top-level-true"),
        pytest.param(b"null", "json.single", id="top-level-null"),
        pytest.param(b"{", "json.syntax", id="cut"),
        pytest.param(b'{"a":1,}', "json.syntax", id="trailing-comma"),
        pytest.param(b"{'a':1}", "json.syntax", id="single-quotes"),
        pytest.param(b"{a:1}", "json.syntax", id="bare-name"),
        pytest.param(b'{"a":01}', "json.syntax", id="leading-zero"),
        pytest.param(b'{"a":+1}', "json.syntax", id="plus-sign"),
        pytest.param(b'{"a":"\x01"}', "json.syntax", id="raw-control"),
        pytest.param(b'{"a":"\\x41"}', "json.syntax", id="unknown-escape"),
        pytest.param(b'{"a":"\\u 041"}', "json.syntax", id="space-in-escape"),
        pytest.param(b'{"a":"\\u0_41"}', "json.syntax", id="underscore-in-escape"),
        pytest.param('{"a":１}'.encode(), "json.syntax", id="fullwidth-digit"),
        pytest.param(b"\x0b{}", "json.syntax", id="leading-vertical-tab"),
    ],
)
def test_j3_refuses_all_but_one_object(reader: Any, data: bytes, code: str) -> None:
    with refused(code):
        reader(data)


@pytest.mark.parametrize("reader", READERS)
def test_j3_white_space_may_stand_around(reader: Any) -> None:
    assert json.loads(b' \t\r\n{ "a" : [ 1 , 2 ] }\n\r\t ') == {"a": [1, 2]}
    found = reader(b' \t\r\n{ "a" : [ 1 , 2 ] }\n\r\t ')

    assert getattr(found, "value", found) == {"a": [1, 2]}


# -- J4: depth, members, values -----------------------------------------------


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("opening", "closing"),
    [pytest.param(b"[", b"]", id="lists"), pytest.param(b'{"b":', b"}", id="objects")],
)
def test_j4_depth(reader: Any, opening: bytes, closing: bytes) -> None:
    assert reader(nested(64, b"0", opening, closing))

    with refused("json.depth"):
        reader(nested(65, b"0", opening, closing))


def test_j4_depth_counts_empty_containers() -> None:
    assert read_json(nested(63, b"[]"))

    with refused("json.depth"):
        read_json(nested(64, b"[]"))
    with refused("json.depth"):
        read_json(nested(64, b"{}"))


def test_j4_depth_is_of_the_tree_not_of_the_brackets() -> None:
    assert read_json(b'{"a":[' + b"[]," * 1000 + b'"' + b"[" * 1000 + b'"]}')


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"[" * 100_000, id="lists-never-closed"),
        pytest.param(b'{"a":' * 100_000, id="objects-never-closed"),
        pytest.param(nested(100_000), id="lists"),
        pytest.param(nested(5_000, b"0", b'{"b":', b"}"), id="objects"),
        pytest.param(nested(900), id="within-the-recursion-limit"),
    ],
)
def test_j4_no_depth_ends_in_a_recursion_error(reader: Any, data: bytes) -> None:
    with refused("json.depth"):
        reader(data)


def members(count: int) -> bytes:
    return json.dumps({f"m{i}": i for i in range(count)}).encode()


@pytest.mark.parametrize("reader", READERS)
def test_j4_members(reader: Any) -> None:
    assert reader(members(10_000))

    with refused("json.members", path="$"):
        reader(members(10_001))
    with refused("json.members", path="$.a[1]"):
        reader(b'{"a":[0,' + members(10_001) + b"]}")


def values(count: int) -> bytes:
    """An object that holds *count* values: itself, a list, and the rest zeros."""
    return b'{"a":[' + b",".join([b"0"] * (count - 2)) + b"]}"


@pytest.mark.parametrize("reader", READERS)
def test_j4_values(reader: Any) -> None:
    assert reader(values(100_000))

    with refused("json.values"):
        reader(values(100_001))


def test_j4_values_of_bundles_and_states() -> None:
    assert len(read_json(values(2_000_000), LARGE).value["a"]) == 1_999_998

    with refused("json.values"):
        read_json(values(2_000_001), LARGE)


def test_j4_commas_in_text_are_no_values() -> None:
    assert read_json(b'{"a":"' + b"," * 200_000 + b'"}')


def test_j4_values_are_counted_exactly_where_a_text_looks_like_more() -> None:
    commas = b'{"b":"' + b"," * 1_000 + b'",'

    assert read_json(commas + values(99_999)[1:])
    with refused("json.values"):
        read_json(commas + values(100_000)[1:])


def peak_of_refusing(data: bytes) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError):
            read_json(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_j4_counting_values_takes_no_memory_out_of_proportion() -> None:
    data = values(300_000)

    assert peak_of_refusing(data) < 30 * len(data)


def deep_and_wide(depth: int, width: int, last: bytes) -> bytes:
    opening = b'{"' + b"a" * 64 + b'":'
    return opening * depth + b"[" + b"0," * width + last + b"]" + b"}" * depth


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(deep_and_wide(800, 4_000, b"1e400"), id="refused-number"),
        pytest.param(deep_and_wide(60, 15_000, rb'"\ud800"'), id="refused-text"),
    ],
)
def test_j4_telling_the_path_takes_no_memory_out_of_proportion(data: bytes) -> None:
    assert peak_of_refusing(data) < 200 * len(data)


# -- J5: duplicate members ----------------------------------------------------


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("data", "path"),
    [
        pytest.param(b'{"a":1,"a":2}', "$", id="plain"),
        pytest.param(b'{"a":1,"a":1}', "$", id="same-value"),
        pytest.param(rb'{"a":1,"\u0061":2}', "$", id="one-escaped"),
        pytest.param(rb'{"\u0061":1,"\u0061":2}', "$", id="both-escaped"),
        pytest.param(rb'{"\/":1,"/":2}', "$", id="escaped-slash"),
        pytest.param('{"é":1,"\\u00E9":2}'.encode(), "$", id="hex-case"),
        pytest.param('{"😀":1,"\\ud83d\\ude00":2}'.encode(), "$", id="astral-escaped"),
        pytest.param(b'{"":1,"":2}', "$", id="empty-name"),
        pytest.param(b'{"a":1,"b":2,"c":3,"a":4}', "$", id="apart"),
        pytest.param(b'{"x":[0,{"a":1,"a":2}]}', "$.x[1]", id="inside"),
        pytest.param(b'{"x y":{"a":1,"a":2}}', "$.'x y'", id="inside-odd-name"),
    ],
)
def test_j5_refuses_duplicate_members(reader: Any, data: bytes, path: str) -> None:
    with refused("json.duplicate", path=path):
        reader(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'{"a":1,"A":2}', id="case"),
        pytest.param(b'{"a":1,"b":{"a":2}}', id="other-object"),
        pytest.param(b'{"a":[{"a":1},{"a":2}]}', id="siblings"),
        pytest.param('{"é":1,"e\u0301":2}'.encode(), id="nfc-and-nfd"),
        pytest.param(b'{"a":1,"a ":2}', id="space"),
    ],
)
def test_j5_reads_names_that_differ(data: bytes) -> None:
    assert read_json(data).value == json.loads(data)


# -- J6: lone surrogates ------------------------------------------------------


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(r"\ud800", id="first"),
        pytest.param(r"\udfff", id="second"),
        pytest.param(r"\uDBFF", id="upper-case"),
        pytest.param(r"\ude00\ud83d", id="inverted"),
        pytest.param(r"\ud83d\ud83d\ude00", id="before-a-pair"),
        pytest.param(r"\ud83d\ude00\ude00", id="after-a-pair"),
        pytest.param(r"\ud83dx\ude00", id="parted"),
        pytest.param(r"\ud83d\\ude00", id="second-half-not-an-escape"),
    ],
)
def test_j6_refuses_lone_surrogates(reader: Any, text: str) -> None:
    with refused("json.surrogate", path="$.metadata.x[2]"):
        reader(f'{{"metadata":{{"x":[0,1,"{text}"]}}}}'.encode())
    with refused("json.surrogate"):
        reader(f'{{"{text}":0}}'.encode())
    with refused("json.surrogate"):
        reader(f'{{"a":[{{"{text}":0}}]}}'.encode())


@pytest.mark.parametrize(
    ("text", "means"),
    [
        pytest.param(r"\ud83d\ude00", "😀", id="pair"),
        pytest.param(r"\uD83D\uDE00", "😀", id="pair-upper-case"),
        pytest.param("😀", "😀", id="raw"),
        pytest.param(r"\ud7ff\ue000", "\ud7ff\ue000", id="neighbours"),
        pytest.param(r"\\ud800", r"\ud800", id="escaped-backslash"),
    ],
)
@pytest.mark.parametrize("reader", READERS)
def test_j6_reads_pairs(reader: Any, text: str, means: str) -> None:
    found = reader(f'{{"{text}":"{text}"}}'.encode())

    assert getattr(found, "value", found) == {means: means}


# -- J7: characters no record may hold ----------------------------------------

FORBIDDEN = sorted(
    {
        *range(0x20),
        *range(0x7F, 0xA0),
        0x061C,
        0x200E,
        0x200F,
        0x2028,
        0x2029,
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
        0xFEFF,
        *range(0xFDD0, 0xFDF0),
        *(plane * 0x10000 + low for plane in range(17) for low in (0xFFFE, 0xFFFF)),
    }
)
NEIGHBOURS = sorted(
    {point + step for point in FORBIDDEN for step in (-1, 1)} - set(FORBIDDEN) - {-1, 0x110000}
)


def escaped(point: int) -> str:
    return json.dumps(chr(point))[1:-1] if point > 0x7E else f"\\u{point:04x}"


@pytest.mark.parametrize("point", FORBIDDEN, ids=lambda point: f"U+{point:04X}")
def test_j7_refuses_in_a_record(point: int) -> None:
    raw_code = "json.syntax" if point < 0x20 else "json.character"
    for spelling, code in ((chr(point), raw_code), (escaped(point), "json.character")):
        for document in (
            f'{{"metadata":{{"license":"ab{spelling}c"}}}}',
            f'{{"metadata":{{"ab{spelling}c":""}}}}',
            f'{{"metadata":[["ab{spelling}c"]]}}',
        ):
            with refused(code):
                read_record_json(document.encode())
    with refused("json.character", path="$.metadata.license"):
        read_record_json(f'{{"metadata":{{"license":"{escaped(point)}"}}}}'.encode())
    assert read_json(f'{{"a":"{escaped(point)}"}}'.encode()).value == {"a": chr(point)}


@pytest.mark.parametrize("point", NEIGHBOURS, ids=lambda point: f"U+{point:04X}")
def test_j7_reads_the_neighbours(point: int) -> None:
    raw = "" if chr(point) in '"\\' else chr(point)
    assert read_record_json(f'{{"a":"{raw}{escaped(point)}"}}'.encode()) == {"a": raw + chr(point)}


def test_j7_refuses_these_and_no_other_code_point() -> None:
    allowed = set(range(0x110000)) - set(range(0xD800, 0xE000)) - set(FORBIDDEN)
    points = sorted(allowed)
    whole = "".join(map(chr, points))

    assert len(FORBIDDEN) == 32 + 33 + 3 + 2 + 5 + 4 + 1 + 32 + 34
    assert check_characters(whole, "$") == whole
    for begin in range(0, len(points), 200_000):
        part = whole[begin : begin + 200_000]
        assert read_record_json(json.dumps({"a": part}, ensure_ascii=False).encode()) == {"a": part}
    for point in FORBIDDEN:
        for text in (chr(point), f"plain {chr(point)}", f"é😀{chr(point)}"):
            with refused("json.character", path="$.metadata.license"):
                check_characters(text, "$.metadata.license")


# -- J8: only plain integers in a record --------------------------------------


@pytest.mark.parametrize(
    "token",
    ["-0", "1.0", "0.0", "-0.0", "1e2", "1E2", "1e0", "1e+2", "1e-2", "1.5", "0e0", "1e400"],
)
def test_j8_refuses_in_a_record(token: str) -> None:
    with refused("json.integer", path="$.metadata.x[2]"):
        read_record_json(f'{{"metadata":{{"x":[0,1,{token}]}}}}'.encode())


@pytest.mark.parametrize(
    ("token", "value"),
    [
        ("-0", 0),
        ("1.0", 1.0),
        ("-0.0", 0.0),
        ("1e2", 100.0),
        ("1.5", 1.5),
        ("0e5", 0.0),
        ("1E-2", 0.01),
    ],
)
def test_j8_is_for_records_only(token: str, value: float) -> None:
    assert read_json(f'{{"n":{token}}}'.encode()).value == {"n": value}


@pytest.mark.parametrize("token", ["0", "1", "-1", "10", "9007199254740991", "-9007199254740991"])
def test_j8_reads_plain_integers_in_a_record(token: str) -> None:
    found = read_record_json(f'{{"n":{token}}}'.encode())["n"]

    assert (type(found), found) == (int, int(token))


# -- J9: within 2^53-1 --------------------------------------------------------


@pytest.mark.parametrize(
    "token",
    [
        "9007199254740992",
        "9007199254740993",
        "9007199254740991.2",
        "9007199254740991.0000000000001",
        "9007199254740991.00000000000000000000000000000000000000001",
        "9007199254740993.0",
        "9007199254740992.0",
        "9.007199254740992e15",
        "90071992547409920e-1",
        "1e16",
        "1e308",
        "10000000000000000000",
        "1" * 400,
        "1" * 5_000,
    ],
    ids=lambda token: token if len(token) < 60 else f"{len(token)}-digits",
)
@pytest.mark.parametrize("sign", ["", "-"], ids=["plus", "minus"])
def test_j9_refuses_beyond(sign: str, token: str) -> None:
    with refused("json.range", path="$.metadata.x[2]"):
        read_json(f'{{"metadata":{{"x":[0,1,{sign}{token}]}}}}'.encode())


@pytest.mark.parametrize("sign", ["", "-"], ids=["plus", "minus"])
@pytest.mark.parametrize(
    "token", ["9007199254740992", "9007199254740993", "10000000000000000000", "1" * 5_000]
)
def test_j9_refuses_beyond_in_a_record(sign: str, token: str) -> None:
    with refused("json.range", path="$.n"):
        read_record_json(f'{{"n":{sign}{token}}}'.encode())


@pytest.mark.parametrize("sign", ["", "-"], ids=["plus", "minus"])
@pytest.mark.parametrize(
    ("token", "value"),
    [
        ("9007199254740991", 9007199254740991),
        ("9007199254740991.0", 9007199254740991.0),
        ("9007199254740991.00000000000000000000000000000000000000000", 9007199254740991.0),
        ("9007199254740990.9", 9007199254740991.0),
        ("9007199254740991000e-3", 9007199254740991.0),
        ("9.007199254740991e15", 9007199254740991.0),
        ("1e15", 1e15),
        ("4503599627370495.5", 4503599627370495.5),
    ],
)
def test_j9_reads_within(sign: str, token: str, value: float) -> None:
    found = read_json(f'{{"n":{sign}{token}}}'.encode()).value["n"]

    assert found == (-value if sign else value)
    assert type(found) is type(value)


def test_j9_does_not_hang_on_the_decimal_context_of_the_caller() -> None:
    with localcontext() as context:
        context.prec = 5
        assert read_json(b'{"n":9007199254740991.0}').value == {"n": 9007199254740991.0}
        with refused("json.range"):
            read_json(b'{"n":9007199254740991.1}')


def test_j9_where_a_schema_says_integer_no_fraction_will_do() -> None:
    for token in ("2.0", "2e0", "20e-1"):
        with refused("schema.type", path="$.n"):
            schema.integer(read_json(f'{{"n":{token}}}'.encode()).value["n"], "$.n")
    assert schema.integer(read_json(b'{"n":2}').value["n"], "$.n") == 2


# -- J10: finite --------------------------------------------------------------


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("reader", READERS)
def test_j10_refuses_what_is_no_number(reader: Any, token: str) -> None:
    with refused("json.finite", path="$.a[0].b"):
        reader(f'{{"a":[{{"b":{token}}}]}}'.encode())


@pytest.mark.parametrize(
    "token", ["1e400", "1e309", "1e-999", "1e-400", "0.0001e-330", "123e99999"]
)
@pytest.mark.parametrize("sign", ["", "-"], ids=["plus", "minus"])
def test_j10_refuses_overflow_and_underflow(sign: str, token: str) -> None:
    with refused("json.finite", path="$.metadata.x[2]"):
        read_json(f'{{"metadata":{{"x":[0,1,{sign}{token}]}}}}'.encode())


@pytest.mark.parametrize(
    ("token", "value"),
    [("0e5", 0.0), ("0e999", 0.0), ("0.000e-999", 0.0), ("5e-324", 5e-324), ("1e-300", 1e-300)],
)
def test_j10_reads_zeros_and_the_smallest(token: str, value: float) -> None:
    assert read_json(f'{{"n":{token}}}'.encode()).value == {"n": value}


def test_j10_refuses_the_words_in_other_case() -> None:
    for token in ("nan", "NAN", "inf", "Inf", "-inf", "+Infinity", "infinity"):
        with refused("json.syntax"):
            read_json(f'{{"n":{token}}}'.encode())


# -- J11: a boolean is no integer ---------------------------------------------


@pytest.mark.parametrize("value", [True, False])
def test_j11_a_boolean_is_no_integer(value: bool) -> None:
    with refused("schema.type", path="$.version"):
        schema.integer(value, "$.version")
    assert schema.integer(int(value), "$.version") == int(value)


# -- canonical bytes ----------------------------------------------------------

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "ö", "\uffff", "\U00010000", "\ue000"]
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ['"\\/\b\f\n\r\t', "\x00\x1f\x7f\x80", "</script>", "\u2028\u2029", "\U0010ffff"]
)
numbers = (
    st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(-MAX_INTEGER, MAX_INTEGER, allow_nan=False)
    | st.sampled_from([0.0, -0.0, 1.0, 1e15, 1e-7, 1e-6, 5e-324, 0.1, 333333333.3333333])
)
plain_leaves = st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | texts
leaves = plain_leaves | numbers


def trees(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=5),
        max_leaves=20,
    )


@st.composite
def i_json(draw: st.DrawFn) -> Any:
    """Any I-JSON value, some of them deep, half of them without numbers with fractions."""
    value = draw(trees(draw(st.sampled_from([leaves, plain_leaves]))))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 30, 45]))):
        value = draw(st.sampled_from([[value], {"a": value}, {"\U0001f600": value, "\uff5e": 0}]))
    return value


@settings(max_examples=300, deadline=None)
@given(i_json())
@example({"\U0001f600": 1, "\uff5e": 2})
@example({"a": {"\U00010000": 1, "\ue000": 2}})
@example([1.0, -0.0, 1e-7, 1e15, 9007199254740991.0])
@example({"\x7f": "\x7f\u2028", "\b\x1f": '"\\/'})
def test_canonical_is_jcs_is_rfc8785(value: Any) -> None:
    assert canonical(value) == jcs.canonicalize(value) == rfc8785.dumps(value)
    assert digest(value) == hashlib.sha256(rfc8785.dumps(value)).digest()


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(names, i_json(), max_size=4), st.booleans(), st.sampled_from([None, 1]))
@example({"\U0001f600": 1, "\uff5e": 2}, True, None)
@example({"\U0001f600": 1, "\uff5e": 2}, False, None)
@example({"a": 1.0}, False, None)
def test_a_read_document_has_the_same_canonical_bytes(
    value: dict[str, Any], ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    document = read_json(text.encode())

    assert document.value == value
    assert document.canonical(document.value) == canonical(value) == rfc8785.dumps(value)
    for part in document.value.values():
        assert document.canonical(part) == canonical(part)
    assert document.canonical({"payload": [*document.value.values()]}) == canonical(
        {"payload": [*value.values()]}
    )


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(names, trees(leaves), max_size=4))
def test_reading_canonical_bytes_gives_them_back(value: dict[str, Any]) -> None:
    data = canonical(value)

    assert canonical(read_json(data).value) == data


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"\U0001f600": 1, "\uff5e": 2}, id="astral-name"),
        pytest.param({"a": [{"\U00010000": 1, "\ue000": 2}]}, id="astral-name-inside"),
        pytest.param({"n": 1.0}, id="whole-float"),
        pytest.param({"n": -0.0}, id="minus-zero"),
        pytest.param({"n": 1e15}, id="large-float"),
    ],
)
def test_the_fast_writer_does_not_stand_in_where_it_would_differ(value: Any) -> None:
    assert plain_canonical(value) != rfc8785.dumps(value)
    assert canonical(value) == rfc8785.dumps(value)
    if isinstance(value, dict):
        document = read_json(json.dumps(value).encode())
        assert document.canonical(document.value) == rfc8785.dumps(value)
        document = read_json(json.dumps(value, ensure_ascii=False).encode())
        assert document.canonical(document.value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        pytest.param(2**53, "json.range", id="2^53"),
        pytest.param(-(2**53), "json.range", id="minus-2^53"),
        pytest.param([2**64], "json.range", id="2^64"),
        pytest.param({"n": 2.0**53}, "json.range", id="float-2^53"),
        pytest.param({"n": 1e300}, "json.range", id="1e300"),
        pytest.param(float("nan"), "json.finite", id="nan"),
        pytest.param([float("inf")], "json.finite", id="infinity"),
        pytest.param({"n": float("-inf")}, "json.finite", id="minus-infinity"),
        pytest.param("\ud800", "json.surrogate", id="surrogate"),
        pytest.param({"\udfff": 1}, "json.surrogate", id="surrogate-name"),
        pytest.param({"\U0001f600": "\ud800"}, "json.surrogate", id="surrogate-beside-astral"),
        pytest.param({"\ud800": 1.5}, "json.surrogate", id="surrogate-name-beside-float"),
        pytest.param((1, 2), "json.type", id="tuple"),
        pytest.param({"a": b"x"}, "json.type", id="bytes"),
        pytest.param({1, 2}, "json.type", id="set"),
        pytest.param(Decimal(1), "json.type", id="decimal"),
        pytest.param({1: 2}, "json.name", id="number-as-name"),
        pytest.param({None: 2}, "json.name", id="null-as-name"),
    ],
)
def test_what_is_not_i_json_has_no_canonical_bytes(value: Any, code: str) -> None:
    with refused(code):
        canonical(value)


@pytest.mark.parametrize(
    ("value", "data"),
    [
        pytest.param(2**53 - 1, b"9007199254740991", id="2^53-1"),
        pytest.param(1 - 2**53, b"-9007199254740991", id="minus-2^53-1"),
        pytest.param(9007199254740991.0, b"9007199254740991", id="float-2^53-1"),
        pytest.param(-0.0, b"0", id="minus-zero"),
        pytest.param(True, b"true", id="true"),
        pytest.param(None, b"null", id="null"),
        pytest.param({}, b"{}", id="empty-object"),
        pytest.param([], b"[]", id="empty-list"),
        pytest.param("é\u2028", '"é\u2028"'.encode(), id="text-stays-raw"),
        pytest.param("\x08\x1f\x7f/", b'"\\b\\u001f\x7f/"', id="escapes"),
        pytest.param({"b": 1, "a": 2}, b'{"a":2,"b":1}', id="sorted"),
    ],
)
def test_canonical_bytes_by_hand(value: Any, data: bytes) -> None:
    assert canonical(value) == data


@pytest.mark.parametrize("core", [pytest.param(1, id="integer"), pytest.param(1.5, id="float")])
def test_canonical_has_one_depth_whatever_the_value_holds(core: Any) -> None:
    assert canonical(lists(64, core)) == jcs.canonicalize(lists(64, core))

    with refused("json.depth"):
        canonical(lists(65, core))
    with refused("json.depth"):
        canonical({"a": lists(64, core)})


def test_canonical_of_a_bottomless_value_is_refused() -> None:
    with refused("json.depth"):
        canonical(lists(100_000))


def test_integers_and_floats_of_one_value_have_the_same_bytes() -> None:
    assert canonical({"n": 5}) == canonical({"n": 5.0}) == b'{"n":5}'
    assert reference_canonical({"n": 5}) == reference_canonical({"n": 5.0})


def test_the_digest_of_the_empty_payload_of_the_seed() -> None:
    assert digest({"payload": []}).hex().startswith("258153")
    assert digest({"payload": []}).hex().endswith("4f57")
