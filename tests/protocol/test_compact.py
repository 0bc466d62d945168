"""The fast way through the strict reader and the slow one read the same, or refuse the same.

A document with enough blanks behind it is too long for the fast way.
"""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registry.errors import MalformedError
from registry.protocol.strict_json import COMPACT_BYTES, LARGE, read_json

LONG = b" " * (COMPACT_BYTES + 1)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**54), 2**54)
    | st.sampled_from([2**53 - 1, 2**53, 2**63, 2**64, 10**30, -(2**53), -(2**64)])
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=[]), max_size=8)
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=[]), max_size=4), inner, max_size=4
        )
    ),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.text(max_size=4), TREES, max_size=5)
LAYOUTS = st.sampled_from(
    [
        {"separators": (",", ":"), "ensure_ascii": False},
        {"separators": (",", ":"), "ensure_ascii": True},
        {"separators": (", ", ": "), "ensure_ascii": False},
        {"indent": 1},
    ]
)


def told(data: bytes) -> tuple[Any, ...]:
    """Everything that reading comes to: the types of all values too."""
    try:
        document = read_json(data, LARGE)
    except MalformedError as error:
        return (error.code, error.path)
    try:
        written = document.canonical(document.value)
    except MalformedError as error:
        return (repr(document.value), error.code)
    return (repr(document.value), written)


@given(OBJECTS, LAYOUTS)
def test_documents_read_alike(value: dict[str, Any], layout: dict[str, Any]) -> None:
    data = json.dumps(value, **layout).encode("utf-8", "surrogatepass")

    assert told(data) == told(data + LONG)


@given(OBJECTS, st.integers(0, 400), st.binary(min_size=1, max_size=2), st.booleans())
@example({"a": 1, "b": 2}, 6, b"a", False)
@example({"a": 1.5}, 5, b"0", True)
def test_documents_with_a_spoilt_byte_read_alike(
    value: dict[str, Any], place: int, byte: bytes, inserted: bool
) -> None:
    data = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    good = data.encode("utf-8", "surrogatepass")
    place %= len(good)
    bad = good[:place] + byte + good[place + (0 if inserted else 1) :]

    assert told(bad) == told(bad + LONG)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":1}',
        b'{"a":{"b":[],"b":[]}}',
        b'{"a":1.0}',
        b'{"a":[1e0]}',
        b'{"a":-0}',
        b'{"a":-0.0}',
        b'{"a":1E400}',
        b'{"a":9007199254740991}',
        b'{"a":9007199254740992}',
        b'{"a":-9007199254740992}',
        b'{"a":18446744073709551616}',
        b'{"a":"\\u0061"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\/"}',
        b'{"a":"\\u001f\\n"}',
        b'{"a":"\x7f"}',
        '{"a\U0001f600":1,"a\uffff":2}'.encode(),
        b'{"a":NaN}',
        b"\xef\xbb\xbf{}",
        b"{}",
        b"[]",
        b'{"a":1}\n',
        b'{"a":1}{}',
        b'{"a":' + b"[" * 63 + b"]" * 63 + b"}",
        b'{"a":' + b"[" * 64 + b"]" * 64 + b"}",
        b'{"a":' + b"[" * 300 + b"]" * 300 + b"}",
        b"{" + b",".join(b'"%d":0' % i for i in range(10_000)) + b"}",
        b"{" + b",".join(b'"%d":0' % i for i in range(10_001)) + b"}",
    ],
)
def test_corners_read_alike(data: bytes) -> None:
    assert told(data) == told(data + LONG)
