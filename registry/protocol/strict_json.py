"""Strict JSON in (protocol.md section 1, rules J1 to J11).

`read_json` is the one reader before everything that is hashed, signed or verified.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeAlias

import orjson

from registry.errors import MalformedError, shown
from registry.protocol.canonical import (
    ASTRAL,
    MAX_DEPTH,
    MAX_INTEGER,
    SURROGATE,
    Encoder,
    Json,
    JsonObject,
    canonical,
    plain_canonical,
)

MAX_MEMBERS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one document may hold (J1, J4)."""

    max_bytes: int
    max_values: int


SMALL: Final = Limits(max_bytes=1 << 20, max_values=100_000)
"""Records, receipts, events and JSONL lines: 1 MiB."""

KEY_SET: Final = Limits(max_bytes=512 << 10, max_values=100_000)
"""Key sets: 512 KiB."""

LARGE: Final = Limits(max_bytes=16 << 20, max_values=2_000_000)
"""Bundles and states: 16 MiB."""


class Document:
    """A JSON object the strict reader has seen, and the way to canonicalise its parts.

    ``value`` is the object. ``canonical(part)`` gives the RFC 8785 bytes of the
    object or of any value put together from its parts, faster than the public
    `canonical` because the reader already knows what is in it.
    """

    __slots__ = ("canonical", "value")

    def __init__(self, value: JsonObject, canonical: Encoder) -> None:
        self.value = value
        self.canonical = canonical


def read_json(data: bytes, limits: Limits = SMALL) -> Document:
    """Read one JSON object strictly.

    Raises MalformedError with the code of the rule: ``json.size`` (J1),
    ``json.utf8`` (J2), ``json.syntax`` and ``json.single`` (J3), ``json.depth``,
    ``json.members`` and ``json.values`` (J4), ``json.duplicate`` (J5),
    ``json.surrogate`` (J6), ``json.range`` (J9), ``json.finite`` (J10).
    """
    return _read_compact(data, limits) or _read_any(data, limits)


_IN_RANGE: Final = orjson.OPT_STRICT_INTEGER

COMPACT_BYTES: Final = 128 << 10
"""The fast parser takes memory a hundred times the size of a document of small numbers, so
it is given none that is larger than this."""


def _read_compact(data: bytes, limits: Limits) -> Document | None:
    """The object, where *data* is what it prints as when it is printed again; None for
    everything else, good or bad.

    That makes a fast parser strict: of a repeated name it keeps one, an integer out of range
    is not printed, and any other spelling of a text or a number comes out changed.
    """
    if len(data) > min(limits.max_bytes, COMPACT_BYTES):
        return None
    text = data.strip(b" \t\n\r")
    try:
        value = orjson.loads(text)
        if type(value) is not dict or orjson.dumps(value, option=_IN_RANGE) != text:
            return None
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    if not _is_within(value, limits):
        return None
    plain = data.isascii() or ASTRAL.search(data.decode()) is None
    return Document(value, plain_canonical if plain else canonical)


def _is_within(value: JsonObject, limits: Limits) -> bool:
    """Whether a tree keeps the limits of J4 and holds no fraction."""
    level: list[Any] = [value]
    count = 1
    for _ in range(MAX_DEPTH):
        below = []
        for parent in level:
            count += len(parent)
            if type(parent) is dict:
                if len(parent) > MAX_MEMBERS:
                    return False
                parent = parent.values()
            for child in parent:
                kind = type(child)
                if kind is dict or kind is list:
                    below.append(child)
                elif kind is float:
                    return False
        if not below:
            return count <= limits.max_values
        level = below
    return False


def _read_any(data: bytes, limits: Limits) -> Document:
    fractions: list[float] = []

    def fraction(token: str) -> float:
        fractions.append(0.0)
        return _fraction(token)

    text = _decode(data, limits)
    hooks = _Hooks(fraction, _integer)
    value = _parse(text, hooks.decoder(), hooks)
    _check_shape(value, data, limits)
    escaped = "\\" in text and "\\u" in text
    if escaped:
        _check_strings(value, SURROGATE, "json.surrogate", "lone surrogate")
    plain = not fractions and not escaped and (text.isascii() or ASTRAL.search(text) is None)
    return Document(value, plain_canonical if plain else canonical)


def read_record_json(data: bytes) -> JsonObject:
    """Read one JSON object under the rules for records: those of `read_json`, and
    ``json.character`` (J7) and ``json.integer`` (J8)."""
    text = _decode(data, SMALL)
    value = _parse(text, _RECORD_DECODER, _RECORD_HOOKS)
    _check_shape(value, data, SMALL)
    if "\\" in text or "\x7f" in text or not text.isascii():
        _check_strings(value, SURROGATE, "json.surrogate", "lone surrogate")
        _check_strings(value, _FORBIDDEN, "json.character", "forbidden character")
    return value


def check_characters(text: str, path: str) -> str:
    """Refuse a text with the characters that no record may hold (J7): control, bidi,
    non-characters."""
    if not (text.isascii() and text.isprintable()) and (bad := _FORBIDDEN.search(text)):
        raise MalformedError(
            f"forbidden character U+{ord(bad.group()):04X}", code="json.character", path=path
        )
    return text


_LAST_TWO: Final = "".join(
    chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF)
)

_FORBIDDEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff"
    f"\ufdd0-\ufdef{_LAST_TWO}]"
)

_HINT_UTF8: Final = "save the file as UTF-8 without a byte order mark"


def _decode(data: bytes, limits: Limits) -> str:
    if len(data) > limits.max_bytes:
        raise MalformedError(
            f"document of {len(data)} bytes is over the cap of {limits.max_bytes}", code="json.size"
        )
    if data.startswith(b"\xef\xbb\xbf"):
        raise MalformedError("byte order mark before the JSON", code="json.utf8", hint=_HINT_UTF8)
    if b"\x00" in data[:4]:
        raise MalformedError("not UTF-8 but UTF-16 or UTF-32", code="json.utf8", hint=_HINT_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError(
            f"not UTF-8: {error.reason} at byte {error.start}", code="json.utf8", hint=_HINT_UTF8
        ) from None


def _integer(token: str) -> int:
    # J9: tokens of 20 characters and more are out of range whatever they say, and
    # int() of a very long one would be slow or refused.
    number = int(token) if len(token) < 20 else MAX_INTEGER + 1
    if not -MAX_INTEGER <= number <= MAX_INTEGER:
        raise MalformedError(f"integer {shown(token, 40)} is beyond 2^53-1", code="json.range")
    return number


def _fraction(token: str) -> float:
    number = float(token)
    if number in (float("inf"), float("-inf")):
        raise MalformedError(f"number {shown(token, 40)} overflows", code="json.finite")
    if number == 0.0 and any("1" <= c <= "9" for c in re.split("[eE]", token)[0]):
        raise MalformedError(f"number {shown(token, 40)} underflows to zero", code="json.finite")
    if abs(number) > MAX_INTEGER or (
        abs(number) == MAX_INTEGER and Decimal(token).copy_abs() > MAX_INTEGER
    ):
        raise MalformedError(f"number {shown(token, 40)} is beyond 2^53-1", code="json.range")
    return number


def _constant(token: str) -> float:
    raise MalformedError(f"{token} is not JSON", code="json.finite")


def _record_integer(token: str) -> int:
    if token == "-0":
        raise MalformedError("-0 in a record", code="json.integer", hint="write 0")
    return _integer(token)


def _record_fraction(token: str) -> float:
    raise MalformedError(
        f"number {shown(token, 40)} in a record is not a plain integer", code="json.integer"
    )


def _members(pairs: list[tuple[str, Json]]) -> JsonObject:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        name = next(n for n, _ in pairs if n in seen or seen.add(n))  # type: ignore[func-returns-value]
        raise MalformedError(f"duplicate member {shown(name)}", code="json.duplicate")
    if len(pairs) > MAX_MEMBERS:
        raise MalformedError(f"object with over {MAX_MEMBERS} members", code="json.members")
    return value


class _Refused:
    """Stands in a tree where a hook refused, so that its path can be told."""

    __slots__ = ("error",)

    def __init__(self, error: MalformedError) -> None:
        self.error = error


def _marking(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def mark(argument: Any) -> Any:
        try:
            return hook(argument)
        except MalformedError as error:
            return _Refused(error)

    return mark


@dataclass(frozen=True, slots=True)
class _Hooks:
    """What is made of the numbers of a document; one decoder, and one that marks."""

    fraction: Callable[[str], Any]
    integer: Callable[[str], Any]

    def decoder(self) -> json.JSONDecoder:
        return json.JSONDecoder(
            object_pairs_hook=_members,
            parse_int=self.integer,
            parse_float=self.fraction,
            parse_constant=_constant,
        )

    def marker(self) -> json.JSONDecoder:
        return json.JSONDecoder(
            object_pairs_hook=_marking(_members),
            parse_int=_marking(self.integer),
            parse_float=_marking(self.fraction),
            parse_constant=_marking(_constant),
        )


_RECORD_HOOKS: Final = _Hooks(_record_fraction, _record_integer)

_RECORD_DECODER: Final = _RECORD_HOOKS.decoder()


def _parse(text: str, decoder: json.JSONDecoder, hooks: _Hooks) -> JsonObject:
    text = text.strip(" \t\n\r")
    try:
        value, end = decoder.raw_decode(text)
    except json.JSONDecodeError as error:
        said = error.msg.lower().removesuffix(" at")
        raise MalformedError(
            f"not JSON: {said} at line {error.lineno} column {error.colno}",
            code="json.syntax",
        ) from None
    except RecursionError:
        raise MalformedError(f"nested deeper than {MAX_DEPTH}", code="json.depth") from None
    except MalformedError as error:
        raise _with_path(text, hooks, error) from None
    if end != len(text):
        raise MalformedError(
            f"more than one JSON value: something follows at character {end}",
            code="json.single",
            hint="one document a file; for many records use JSONL",
        )
    if type(value) is not dict:
        raise MalformedError(
            "the top level is not a JSON object",
            code="json.single",
            hint="for many records write one a line (JSONL)" if type(value) is list else "",
        )
    return value


def _with_path(text: str, hooks: _Hooks, error: MalformedError) -> MalformedError:
    """The same refusal with the JSON path of the first place that causes one."""
    try:
        tree, _ = hooks.marker().raw_decode(text)
    except (json.JSONDecodeError, RecursionError):
        return error
    for trail, value in _walk(tree):
        if type(value) is _Refused:
            found = value.error
            return MalformedError(
                found.message, code=found.code, hint=found.hint, path=_path(trail)
            )
    return error


_CONTAINERS: Final = frozenset((dict, list))


def _check_shape(value: JsonObject, data: bytes, limits: Limits) -> None:
    """J4, cheaply: bytes are counted first, and the tree walked only if they allow too much."""
    opened = data.count(b"{") + data.count(b"[")
    if opened > MAX_DEPTH:
        level: list[Any] = [value]
        depth = 0
        while level:
            depth += 1
            if depth > MAX_DEPTH:
                raise MalformedError(f"nested deeper than {MAX_DEPTH}", code="json.depth")
            level = [
                child
                for parent in level
                for child in (parent.values() if type(parent) is dict else parent)
                if type(child) in _CONTAINERS
            ]
    if opened + data.count(b",") + 1 > limits.max_values:
        count = sum(1 for _ in _walk(value))
        if count > limits.max_values:
            raise MalformedError(f"over {limits.max_values} values", code="json.values")


Trail: TypeAlias = list[str | int]


def _walk(value: Json) -> Iterator[tuple[Trail, Json]]:
    """Every value of a tree in document order, with the names and indexes that lead to it.

    The trail is one list that changes under way, so that a walk needs no more
    memory than the tree is deep.
    """
    trail: Trail = []
    yield trail, value
    pending = [_children(value)]
    while pending:
        entry = next(pending[-1], None)
        if entry is None:
            pending.pop()
            if pending:
                trail.pop()
            continue
        name, child = entry
        trail.append(name)
        yield trail, child
        if type(child) is dict or type(child) is list:
            pending.append(_children(child))
        else:
            trail.pop()


def _children(value: Json) -> Iterator[tuple[str | int, Json]]:
    if type(value) is dict:
        return iter(value.items())
    return iter(enumerate(value) if type(value) is list else ())


_NAME: Final = re.compile("[A-Za-z0-9_]{1,64}")


def _path(trail: Trail) -> str:
    """A trail as a JSON path: ``$.metadata.names[2]``."""
    parts = (
        f"[{step}]"
        if type(step) is int
        else f".{step if _NAME.fullmatch(str(step)) else shown(step, 40)}"
        for step in trail
    )
    return "$" + "".join(parts)


def _check_strings(value: Json, pattern: re.Pattern[str], code: str, what: str) -> None:
    for trail, found in _walk(value):
        for text in (trail[-1] if trail else None, found):
            if type(text) is str and (bad := pattern.search(text)):
                raise MalformedError(
                    f"{what} U+{ord(bad.group()):04X}", code=code, path=_path(trail)
                )
