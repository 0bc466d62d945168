"""RFC 8785 out, digests (protocol.md section 1): the one writer of what is hashed and signed."""

import hashlib
import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import orjson

from registry.errors import MalformedError, shown

Json: TypeAlias = Any
JsonObject: TypeAlias = dict[str, Any]
Encoder: TypeAlias = Callable[[Json], bytes]
"""What gives the canonical bytes of a value: `canonical`, or a document's own."""

MAX_INTEGER: Final = 2**53 - 1
MAX_DEPTH: Final = 64


def canonical(value: Json) -> bytes:
    """The RFC 8785 bytes of an I-JSON value.

    `jcs` is the reference; orjson stands in where the value holds nothing on
    which the two could differ (no floats, no name with a code point above
    U+FFFF). Raises MalformedError for anything that is not I-JSON, integers
    beyond 2^53-1 included, which `jcs` alone would round.
    """
    if _is_plain(value, 0):
        return plain_canonical(value)
    _check_i_json(value)
    return reference_canonical(value)


def plain_canonical(value: Json) -> bytes:
    """The RFC 8785 bytes of a value known to hold only str, bool, None, integers
    within 2^53-1, and names without a code point above U+FFFF."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise MalformedError(
            f"not an I-JSON value ({error})", code="json.surrogate", hint=_HINT_ENCODE
        ) from None


def embedded(data: bytes) -> Json:
    """Bytes of `plain_canonical` or `canonical`, to stand as they are inside a larger value
    that is given to `plain_canonical`."""
    return orjson.Fragment(data)


def reference_canonical(value: Json) -> bytes:
    """The RFC 8785 bytes by `jcs`, of a value that `canonical` has checked."""
    import jcs

    return bytes(jcs.canonicalize(value))


def digest(value: Json) -> bytes:
    """SHA-256 of the canonical bytes: 32 bytes (protocol.md section 1)."""
    return hashlib.sha256(canonical(value)).digest()


ASTRAL: Final = re.compile("[\U00010000-\U0010ffff]")

SURROGATE: Final = re.compile("[\ud800-\udfff]")

_HINT_ENCODE: Final = "only text, integers, booleans, null, lists and objects have canonical bytes"


def _is_plain(value: Json, depth: int) -> bool:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return bool(-MAX_INTEGER <= value <= MAX_INTEGER)
    if depth >= MAX_DEPTH:
        return False
    if kind is list:
        return all(_is_plain(item, depth + 1) for item in value)
    if kind is dict:
        for name, item in value.items():
            if type(name) is not str or not (name.isascii() or ASTRAL.search(name) is None):
                return False
            if not _is_plain(item, depth + 1):
                return False
        return True
    return False


def _check_i_json(value: Json, depth: int = 1) -> None:
    kind = type(value)
    if kind is str:
        if bad := SURROGATE.search(value):
            raise MalformedError(f"lone surrogate U+{ord(bad.group()):04X}", code="json.surrogate")
    elif kind is int or kind is float:
        if value != value or value in (float("inf"), float("-inf")):
            raise MalformedError(f"{value} is not JSON", code="json.finite")
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise MalformedError(
                f"number {shown(str(value), 40)} is beyond 2^53-1", code="json.range"
            )
    elif kind is list or kind is dict:
        if depth > MAX_DEPTH:
            raise MalformedError(f"nested deeper than {MAX_DEPTH}", code="json.depth")
        if kind is dict:
            for name in value:
                if type(name) is not str:
                    raise MalformedError(f"member name {shown(name)} is not text", code="json.name")
                _check_i_json(name)
        for item in value.values() if kind is dict else value:
            _check_i_json(item, depth + 1)
    elif kind is not bool and value is not None:
        raise MalformedError(
            f"a {kind.__name__} has no canonical bytes", code="json.type", hint=_HINT_ENCODE
        )
