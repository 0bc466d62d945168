"""The small checks that documents are taken apart with: one spelling each."""

from collections.abc import Callable
from typing import Any

import pytest

from registry.protocol import schema
from tests.protocol.refusals import refused

HEX = "0123456789abcdef"


@pytest.mark.parametrize(
    ("check", "value", "code"),
    [
        pytest.param(schema.hex64, HEX * 4 + "\n", "schema.hex", id="hex64-newline"),
        pytest.param(schema.hex64, HEX.upper() * 4, "schema.hex", id="hex64-upper-case"),
        pytest.param(schema.hex64, HEX * 2, "schema.hex", id="hex64-of-32"),
        pytest.param(schema.hex64, None, "schema.hex", id="hex64-null"),
        pytest.param(schema.hex32, HEX * 4, "schema.hex", id="hex32-of-64"),
        pytest.param(schema.hex32, HEX + "０" * 16, "schema.hex", id="hex32-fullwidth"),
        pytest.param(schema.event_id, HEX * 4, "schema.event_id", id="event-id-bare"),
        pytest.param(schema.event_id, "SHA256:" + HEX * 4, "schema.event_id", id="event-id-case"),
        pytest.param(
            schema.event_id, "sha256:" + HEX * 4 + "\n", "schema.event_id", id="event-id-nl"
        ),
        pytest.param(schema.name, "", "schema.name", id="name-empty"),
        pytest.param(schema.name, "-a", "schema.name", id="name-dash-first"),
        pytest.param(schema.name, "a b", "schema.name", id="name-space"),
        pytest.param(schema.name, "é", "schema.name", id="name-accent"),
        pytest.param(schema.name, "a" * 129, "schema.name", id="name-of-129"),
        pytest.param(schema.text, None, "schema.type", id="text-null"),
        pytest.param(schema.text, "x" * 4097, "schema.length", id="text-of-4097"),
        pytest.param(schema.optional_text, 0, "schema.type", id="optional-text-number"),
        pytest.param(schema.optional_text, False, "schema.type", id="optional-text-false"),
        pytest.param(schema.integer, 1.0, "schema.type", id="integer-float"),
        pytest.param(schema.integer, "1", "schema.type", id="integer-text"),
        pytest.param(schema.array, {}, "schema.type", id="array-object"),
        pytest.param(schema.array, "ab", "schema.type", id="array-text"),
        pytest.param(schema.mapping, [], "schema.type", id="mapping-list"),
        pytest.param(schema.seconds, "2018-11-30T18:58:59.000000Z", "schema.time", id="seconds"),
        pytest.param(schema.micros, "2018-11-30T18:58:59Z", "schema.time", id="micros"),
    ],
)
def test_refused(check: Callable[[Any, str], Any], value: Any, code: str) -> None:
    with refused(code, path="$.a[3]"):
        check(value, "$.a[3]")


@pytest.mark.parametrize(
    ("check", "value"),
    [
        pytest.param(schema.hex64, HEX * 4, id="hex64"),
        pytest.param(schema.hex32, HEX * 2, id="hex32"),
        pytest.param(schema.event_id, "sha256:" + HEX * 4, id="event-id"),
        pytest.param(schema.name, "A._:/-9", id="name"),
        pytest.param(schema.name, "a" * 128, id="name-of-128"),
        pytest.param(schema.text, "", id="text-empty"),
        pytest.param(schema.text, "😀" * 4096, id="text-of-4096"),
        pytest.param(schema.optional_text, None, id="optional-text-null"),
        pytest.param(schema.optional_text, "", id="optional-text-empty"),
        pytest.param(schema.integer, 0, id="integer"),
        pytest.param(schema.array, [], id="array"),
        pytest.param(schema.mapping, {}, id="mapping"),
    ],
)
def test_accepted(check: Callable[[Any, str], Any], value: Any) -> None:
    assert check(value, "$") == value


def test_times_are_taken() -> None:
    assert schema.seconds("2018-11-30T18:58:59Z", "$").seconds == "2018-11-30T18:58:59Z"
    assert schema.micros("2018-11-30T18:58:59.000001Z", "$").micros % 10 == 1


def test_closed_names_what_is_missing_and_what_is_unknown() -> None:
    keys = frozenset(("a", "b"))
    assert schema.closed({"b": 1, "a": 2}, keys, "$") == {"a": 2, "b": 1}

    for value in ({"a": 1}, {}, {"a": 1, "b": 2, "c": 3}, {"a": 1, "B": 2}):
        with refused("schema.members", path="$.x"):
            schema.closed(value, keys, "$.x")
    for other in (None, [], "a", 1):
        with refused("schema.type", path="$.x"):
            schema.closed(other, keys, "$.x")


@pytest.mark.parametrize("value", ["ed25519 ", "Ed25519", "", None, True, 1, ["ed25519"]])
def test_a_constant_has_one_value(value: Any) -> None:
    schema.constant("ed25519", "ed25519", "$")

    with refused("schema.constant", path="$.algorithm"):
        schema.constant(value, "ed25519", "$.algorithm")
