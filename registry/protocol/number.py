"""Pith numbers, their short forms and the references people type (sections 3 and 4)."""

import re
from dataclasses import dataclass
from typing import Final, Self

from registry.errors import MalformedError, shown
from registry.protocol.source import KINDS, Source

SUFFIX_LENGTH: Final = 26
SHORT_LENGTHS: Final = (12, 16, 8)
_FULL: Final = re.compile("pith:(?P<year>[0-9]{4}):(?P<suffix>[A-Z2-7]{26})", re.ASCII)
_TYPED: Final = re.compile("(?:PITH:)?(?:([0-9]{4}):)?([A-Z2-7]{8,26})", re.ASCII)

# Base32 (RFC 4648 section 6) of the first 130 bits, two characters at a time: minting
# millions of numbers spends a third of its parsing in base64.b32encode otherwise.
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PAIRS: Final = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_SHIFTS: Final = tuple(range(17 * 8 - 10, 17 * 8 - 131, -10))


@dataclass(frozen=True, slots=True, order=True)
class PithNumber:
    """The name of one record: equal numbers mean equal canonical bytes."""

    year: int
    suffix: str

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read a full number, accepting only the one spelling `str` produces."""
        found = _FULL.fullmatch(text) if type(text) is str else None
        if found is None:
            raise MalformedError(
                f"malformed pith number {shown(text)}",
                code="number.form",
                hint="a number is pith:, four digits, :, and 26 of A-Z and 2-7",
            )
        return cls(int(found["year"]), found["suffix"])

    @classmethod
    def of(cls, digest: bytes, year: int) -> Self:
        """The number of a record's digest (32 bytes) and year of submission."""
        bits = int.from_bytes(digest[:17], "big")
        return cls(year, "".join([_PAIRS[bits >> shift & 1023] for shift in _SHIFTS]))

    def __str__(self) -> str:
        return f"pith:{self.year:04d}:{self.suffix}"

    @property
    def short(self) -> str:
        """``pith:`` and the first 8 characters; 40 bits, so a search and never a key."""
        return f"pith:{self.suffix[:8]}"

    def short_aliases(self) -> tuple[tuple[str, str], ...]:
        """The three (alias_kind, alias_value) prefixes, in the order of their kinds."""
        return tuple((f"pith_short_{n}", self.suffix[:n]) for n in SHORT_LENGTHS)


@dataclass(frozen=True, slots=True)
class Reference:
    """What a person typed for a record: a suffix or the beginning of one, or a source id.

    Exactly one of ``prefix`` and ``source_id`` is set. ``year`` and ``version``
    are None where they were not typed.
    """

    typed: str
    prefix: str | None = None
    year: int | None = None
    source_kind: str | None = None
    source_id: str | None = None
    version: int | None = None

    @classmethod
    def parse(cls, typed: str) -> Self:
        """Read a number generously: any case, without ``pith:`` or year, 8, 12 or 16
        characters of the suffix, an ``arxiv:`` id with or without version, or a DOI."""
        if (exact := _FULL.fullmatch(typed)) is not None:
            return cls(typed, prefix=exact["suffix"], year=int(exact["year"]))
        # Case is folded in ASCII alone: no other letter may stand for one of these.
        folded = typed.strip() if typed.isascii() else ""
        for kind in KINDS.values():
            if (named := kind.reference(folded)) is not None:
                return cls(typed, source_kind=kind.name, source_id=named[0], version=named[1])
        if (found := _TYPED.fullmatch(folded.upper())) is not None:
            year, suffix = found.groups()
            if len(suffix) in (*SHORT_LENGTHS, SUFFIX_LENGTH):
                return cls(typed, prefix=suffix, year=int(year) if year else None)
        raise MalformedError(
            f"{shown(typed)} names no record",
            code="number.reference",
            hint="give a pith number, 8, 12, 16 or all 26 characters of its suffix, "
            "an arxiv: id, or arXiv's DOI (10.48550/arXiv.…)",
        )

    def matches(self, number: PithNumber, source: Source | None) -> bool:
        """Whether this names the record with *number* (and *source*, where it is known)."""
        if self.prefix is not None:
            return number.suffix.startswith(self.prefix) and self.year in (None, number.year)
        return (
            source is not None
            and (source.kind, source.id) == (self.source_kind, self.source_id)
            and self.version in (None, source.version)
        )
