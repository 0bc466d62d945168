"""Canonical text of titles and abstracts (protocol.md section 2)."""

import hashlib
import re
import unicodedata
from typing import Final

from registry.errors import MalformedError, shown

_WHITE: Final = "\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_WHITE_RUN: Final = re.compile(f"[{_WHITE}]+")

EXCERPT_LENGTH: Final = 600


def collapse(text: str) -> str:
    """White space of any of the protocol's kinds collapsed to one U+0020 and trimmed."""
    if text.isascii():  # the same in a fifth of the time
        return " ".join(text.split())
    return _WHITE_RUN.sub(" ", text).strip(" ")


def canonical_text(text: str) -> str:
    """NFC, white space collapsed and trimmed, lower case; nothing else is folded."""
    return collapse(unicodedata.normalize("NFC", text)).lower()


def text_sha256(text: str) -> str:
    """SHA-256 of the UTF-8 of the canonical text: 64 lower-case hex digits.

    Raises MalformedError ``text.surrogate`` for text that has no UTF-8.
    """
    try:
        return hashlib.sha256(canonical_text(text).encode()).hexdigest()
    except UnicodeEncodeError:
        raise MalformedError(
            f"{shown(text)} is not text: it was not UTF-8", code="text.surrogate"
        ) from None


def abstract_excerpt(abstract: str) -> str:
    """The first 600 characters of the collapsed abstract, case kept (section 7)."""
    return collapse(abstract)[:EXCERPT_LENGTH]


def authors_text(raw: str) -> str:
    """The authors as a graph snapshot lists them: split at commas and at a final
    `and`, sorted, joined by a comma and a space (section 7)."""
    names = collapse(raw).split(", ")
    last = names.pop()
    names += [part.removeprefix("and ") for part in last.rsplit(" and ", 1)]
    return ", ".join(sorted(name for name in names if name))


def unassigned(text: str) -> list[str]:
    """Code points that this Python's Unicode (14 in 3.11) does not assign, as
    ``U+XXXX``: other implementations may fold them otherwise, so a caller warns."""
    return [f"U+{ord(c):04X}" for c in sorted(set(text)) if unicodedata.category(c) == "Cn"]
