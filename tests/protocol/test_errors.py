"""Errors survive a process border, and foreign text cannot speak to the terminal through them."""

import pickle
import unicodedata

import pytest

from registry import errors
from registry.errors import MalformedError, PithError, printable, shown

KINDS = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, PithError)
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_survives_pickling(kind: type[PithError]) -> None:
    error = kind("it is wrong", code="a.b", hint="mend it", path="$.a")
    again = pickle.loads(pickle.dumps(error))

    assert type(again) is kind
    assert (again.message, again.code, again.hint, again.path) == (
        "it is wrong",
        "a.b",
        "mend it",
        "$.a",
    )
    assert str(again) == "it is wrong at $.a"


def test_without_a_path_the_message_stands_alone() -> None:
    assert str(MalformedError("it is wrong", code="a.b")) == "it is wrong"


def test_no_control_or_bidi_character_is_printed_raw() -> None:
    raw = [
        chr(point)
        for point in range(0x110000)
        if unicodedata.category(chr(point)) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(chr(point)) in ("LRE", "RLE", "LRO", "RLO", "PDF")
        or unicodedata.bidirectional(chr(point)) in ("LRI", "RLI", "FSI", "PDI")
        or point in (0x061C, 0x200E, 0x200F, 0xFEFF)
    ]

    assert len(raw) > 2_000
    assert [char for char in raw if char in printable(char)] == []
    assert all(printable(char).isascii() for char in raw)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("plain é 中 😀", "plain é 中 😀", id="plain"),
        pytest.param("\x1b[2J", "\\x1b[2J", id="escape"),
        pytest.param("a\u202eb", "a\\u202eb", id="bidi"),
        pytest.param("a\nb\tc", "a\\x0ab\\x09c", id="lines"),
        pytest.param("\\x1b", "\\\\x1b", id="backslash-doubled"),
        pytest.param("\ud800", "\\ud800", id="surrogate"),
        pytest.param("\U000e0041", "\\U000e0041", id="tag-letter"),
    ],
)
def test_printable(text: str, wanted: str) -> None:
    assert printable(text) == wanted


def test_shown_quotes_escapes_and_cuts() -> None:
    assert shown("a\x1bb") == "'a\\x1bb'"
    assert shown("x" * 500) == "'" + "x" * 79 + "…'"
    assert shown("x" * 80) == "'" + "x" * 80 + "'"
    assert shown(None) == "None"
    assert len(shown(["\x1b" * 10_000])) <= 80
