"""Taking closed JSON objects apart: each function checks one value and returns it.

Every refusal is a MalformedError whose code says what is wrong
(``schema.members``, ``schema.type``, ``schema.constant``, …) and whose path
says where.
"""

import binascii
import re
from collections.abc import Iterable
from typing import Final

from registry.errors import MalformedError, shown
from registry.protocol.canonical import Json, JsonObject
from registry.protocol.instant import Instant

_HEX32: Final = re.compile("[0-9a-f]{32}", re.ASCII)
_HEX64: Final = re.compile("[0-9a-f]{64}", re.ASCII)
_EVENT_ID: Final = re.compile("sha256:[0-9a-f]{64}", re.ASCII)
_KEY_ID: Final = re.compile("[a-z0-9][a-z0-9.-]{2,63}", re.ASCII)
_NAME: Final = re.compile("[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}", re.ASCII)
MAX_TEXT: Final = 4096


def closed(value: Json, keys: frozenset[str], path: str) -> JsonObject:
    """The object, when it has exactly these members."""
    if type(value) is not dict:
        raise wrong_type(value, "an object", path)
    if value.keys() != keys:
        unknown = sorted(value.keys() - keys)
        missing = sorted(keys - value.keys())
        parts = []
        if missing:
            parts.append(f"missing {', '.join(missing)}")
        if unknown:
            parts.append(f"unknown {', '.join(shown(name, 40) for name in unknown[:5])}")
        raise MalformedError(
            f"members are not those of its kind: {'; '.join(parts)}",
            code="schema.members",
            path=path,
        )
    return value


def wrong_type(value: Json, wanted: str, path: str) -> MalformedError:
    """The refusal of a value of another type."""
    return MalformedError(f"{shown(value, 40)} is not {wanted}", code="schema.type", path=path)


def constant(value: Json, wanted: str, path: str) -> None:
    """Pass only the one string that may stand here."""
    if type(value) is not str or value != wanted:
        raise MalformedError(
            f"{shown(value)} stands where only {wanted!r} may", code="schema.constant", path=path
        )


def text(value: Json, path: str, *, limit: int = MAX_TEXT) -> str:
    """Any string, the empty one too, of at most *limit* characters."""
    if type(value) is not str:
        raise wrong_type(value, "text", path)
    if len(value) > limit:
        raise MalformedError(
            f"text of {len(value)} characters is over {limit}", code="schema.length", path=path
        )
    return value


def optional_text(value: Json, path: str) -> str | None:
    """A string or null."""
    return None if value is None else text(value, path)


def integer(value: Json, path: str) -> int:
    """A plain integer: neither a boolean (J11) nor 2.0 (J9)."""
    if type(value) is not int:
        raise wrong_type(value, "an integer", path)
    return value


def fraction_for_integer(value: Json, wanted: Json, path: str) -> str | None:
    """Where *value* has a fraction or exponent and *wanted*, which has the same canonical
    bytes, an integer: 2.0 is written as 2, and is no integer all the same (J9)."""
    if type(wanted) is int:
        return None if type(value) is int else path
    parts: Iterable[tuple[str, Json, Json]] = ()
    if type(wanted) is dict:
        parts = ((f".{name}", value[name], member) for name, member in wanted.items())
    elif type(wanted) is list:
        parts = ((f"[{i}]", value[i], item) for i, item in enumerate(wanted))
    found = (fraction_for_integer(v, w, path + step) for step, v, w in parts)
    return next((place for place in found if place is not None), None)


def array(value: Json, path: str) -> list[Json]:
    """A list."""
    if type(value) is not list:
        raise wrong_type(value, "a list", path)
    return value


def mapping(value: Json, path: str) -> JsonObject:
    """An object with any members."""
    if type(value) is not dict:
        raise wrong_type(value, "an object", path)
    return value


def _matching(value: Json, pattern: re.Pattern[str], wanted: str, code: str, path: str) -> str:
    if type(value) is not str or pattern.fullmatch(value) is None:
        raise MalformedError(f"{shown(value)} is not {wanted}", code=code, path=path)
    return value


def hex64(value: Json, path: str) -> str:
    """A SHA-256 in 64 lower-case hex digits."""
    return _matching(value, _HEX64, "64 lower-case hex digits", "schema.hex", path)


def hex32(value: Json, path: str) -> str:
    """A key fingerprint in 32 lower-case hex digits."""
    return _matching(value, _HEX32, "32 lower-case hex digits", "schema.hex", path)


def event_id(value: Json, path: str) -> str:
    """``sha256:`` and 64 lower-case hex digits."""
    return _matching(value, _EVENT_ID, "an event id", "schema.event_id", path)


def key_id(value: Json, path: str = "$") -> str:
    """A key id: 3 to 64 of ``a-z 0-9 . -``, a letter or digit first (section 5)."""
    return _matching(value, _KEY_ID, "a key id (3 to 64 of a-z 0-9 . -)", "schema.key_id", path)


def name(value: Json, path: str = "$") -> str:
    """The name of a registry or a party: 1 to 128 of ``A-Z a-z 0-9 . _ : / -``."""
    return _matching(value, _NAME, "a registry or signer id", "schema.name", path)


def base64_bytes(value: Json, length: int, path: str) -> bytes:
    """Exactly *length* bytes in the one base64 spelling that re-encodes to itself."""
    if type(value) is str:
        try:
            raw = binascii.a2b_base64(value, strict_mode=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) == length and binascii.b2a_base64(raw, newline=False).decode() == value:
            return raw
    raise MalformedError(
        f"{shown(value)} is not {length} bytes in plain base64", code="schema.base64", path=path
    )


def seconds(value: Json, path: str) -> Instant:
    """A time in whole seconds."""
    try:
        return Instant.parse_seconds(value)
    except MalformedError as error:
        raise MalformedError(error.message, code="schema.time", path=path) from None


def micros(value: Json, path: str) -> Instant:
    """A time with six fractional digits."""
    try:
        return Instant.parse_micros(value)
    except MalformedError as error:
        raise MalformedError(error.message, code="schema.time", path=path) from None


def base64_text(value: Json, path: str, *, limit: int = MAX_TEXT * 16) -> bytes:
    """Bytes of any length in the one base64 spelling that re-encodes to itself."""
    found = text(value, path, limit=limit)
    if not found:
        raise MalformedError("no bytes in base64", code="schema.base64", path=path)
    return base64_bytes(found, len(found) // 4 * 3 - found[-2:].count("="), path)


def one_of(value: Json, allowed: tuple[str, ...], path: str) -> str:
    """One of a few fixed strings."""
    if type(value) is not str or value not in allowed:
        raise MalformedError(
            f"{shown(value)} is not one of {', '.join(allowed)}", code="schema.constant", path=path
        )
    return value


_LABEL: Final = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_BASE_URL: Final = re.compile(
    rf"https://{_LABEL}(?:\.{_LABEL})*(?::(?P<port>[1-9][0-9]{{0,4}}))?"
    r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*",
    re.ASCII,
)
MAX_PORT: Final = 65_535


def base_url(value: Json, path: str = "$") -> str:
    """An https address without user, query, fragment or final slash."""
    wanted = "an https base URL like https://lab.example (no final slash)"
    found = _BASE_URL.fullmatch(_matching(value, _BASE_URL, wanted, "schema.base_url", path))
    if found is not None and int(found["port"] or 1) > MAX_PORT:
        raise MalformedError(f"{shown(value)} is not {wanted}", code="schema.base_url", path=path)
    return str(value)


_URL: Final = re.compile(
    rf"https://{_LABEL}(?:\.{_LABEL})*(?::(?P<port>[1-9][0-9]{{0,4}}))?"
    r"(?:[/?#][A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*)?",
    re.ASCII,
)
MAX_URL: Final = 2048


def https_url(value: Json, path: str) -> str:
    """An https address of at most 2048 characters, without user, in the characters of
    RFC 3986; the host in lower case."""
    wanted = "an https URL"
    found = _URL.fullmatch(_matching(value, _URL, wanted, "schema.url", path))
    if found is None or int(found["port"] or 1) > MAX_PORT or len(str(value)) > MAX_URL:
        raise MalformedError(f"{shown(value)} is not {wanted}", code="schema.url", path=path)
    return str(value)


_ORCID: Final = re.compile("[0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{3}[0-9X]", re.ASCII)


def orcid(value: Json, path: str) -> str:
    """An ORCID in four groups, its last character the checksum (ISO 7064 MOD 11-2)."""
    text = _matching(value, _ORCID, "an ORCID like 0000-0002-1825-0097", "schema.orcid", path)
    total = 0
    for digit in text[:-1].replace("-", ""):
        total = (total + int(digit)) * 2
    if "0123456789X"[(12 - total % 11) % 11] != text[-1]:
        raise MalformedError(
            f"the last character of {shown(text)} is not its checksum",
            code="schema.orcid",
            path=path,
        )
    return text
