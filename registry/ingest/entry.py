"""What every format of arXiv metadata comes to, whatever it was written in."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, Final, NamedTuple

from registry.errors import MalformedError, shown
from registry.protocol.canonical import JsonObject
from registry.protocol.instant import Instant
from registry.protocol.record import Record
from registry.protocol.source import Source
from registry.protocol.text import collapse

MAX_ROW: Final = 1 << 20
"""The largest row of any format, in bytes."""


class Row(NamedTuple):
    """One paper of an input as it stands there, and the line it begins on."""

    line: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of a paper; ``license`` is None where the format has no place for one,
    "" where the source names none. The form of ids is checked by `record`, as of any record."""

    source: Source
    title: str
    abstract: str
    authors: str
    categories: tuple[str, ...]
    license: str | None
    submitted_at: Instant

    def record(self, license: str) -> Record:
        """The canonical record; raises MalformedError for what no record may hold."""
        return Record.build(
            source=self.source,
            title=self.title,
            abstract=self.abstract,
            license=license,
            primary_cat=self.categories[0],
            cross_cats=self.categories[1:],
            submitted_at=self.submitted_at,
        )

    def paper(self) -> JsonObject:
        """The parts of a graph snapshot, as `Paper.parse` reads them."""
        return {
            "title": collapse(self.title),
            "abstract": collapse(self.abstract),
            "authors": collapse(self.authors),
        }


@dataclass(frozen=True, slots=True)
class Format:
    """One way in which a source gives its metadata away.

    ``recognises`` looks at the beginning of an input. ``rows`` cuts an input into rows of at
    most `MAX_ROW` bytes; what cannot be cut properly is given so that ``read`` refuses it.
    ``read`` is pure, and raises a PithError for a row that is no entry. ``id`` finds
    the id in a row that was refused, "" where there is none.
    """

    name: str
    title: str
    has_licenses: bool
    recognises: Callable[[bytes], bool]
    rows: Callable[[BinaryIO], Iterator[Row]]
    read: Callable[[bytes], Entry]
    id: Callable[[bytes], str]


def found_id(pattern: re.Pattern[bytes]) -> Callable[[bytes], str]:
    """The first group of *pattern* in a row, or ""."""

    def find(data: bytes) -> str:
        found = pattern.search(data)
        return found[1].decode(errors="replace") if found else ""

    return find


def full_text(text: str, what: str) -> str:
    """A title or an abstract: not empty, and without U+0000, which is in no real text."""
    if "\x00" in text:
        raise MalformedError(f"U+0000 in the {what}", code="ingest.nul")
    if not text.strip():
        raise MalformedError(f"the {what} is empty", code="ingest.empty")
    return text


_CATEGORY: Final = re.compile(r"[a-z]+(?:-[a-z]+)*(?:\.[A-Za-z]+(?:-[A-Za-z]+)*)?", re.ASCII)


def is_category(text: str) -> bool:
    """Whether it has the form of arXiv's categories: ``hep-ph``, ``cs.DL``,
    ``cond-mat.mtrl-sci``."""
    return _CATEGORY.fullmatch(text) is not None


def categories_of(names: Iterable[str]) -> tuple[str, ...]:
    """The categories in the order of the source, the primary one first."""
    found = tuple(names)
    if not found:
        raise MalformedError("no category", code="ingest.category")
    for name in found:
        if not is_category(name):
            raise MalformedError(f"{shown(name)} is no arXiv category", code="ingest.category")
    return found


_VERSION: Final = re.compile("v([1-9][0-9]{0,3})", re.ASCII)


def latest(versions: Sequence[tuple[str, str]]) -> tuple[int, Instant]:
    """The latest of (name, date) pairs, and the date of the one named v1."""
    dates: dict[int, str] = {}
    for name, date in versions:
        found = _VERSION.fullmatch(name)
        if found is None or int(found[1]) in dates:
            raise MalformedError(
                f"{shown(name)} is no version, or stands twice", code="ingest.version"
            )
        dates[int(found[1])] = date
    if 1 not in dates:
        raise MalformedError(
            "version v1 is not listed, so its date is not known", code="ingest.version"
        )
    return max(dates), mail_date(dates[1])


_MONTHS: Final = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_DAYS: Final = "Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_MAIL_DATE: Final = re.compile(
    f"({_DAYS}), ([0-9]{{1,2}}) ({_MONTHS}) ([0-9]{{4}}) "
    "([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT",
    re.ASCII,
)


def mail_date(text: str) -> Instant:
    """Read ``Mon, 2 Apr 2007 19:18:42 GMT``, whose weekday must be that of the date."""
    if found := _MAIL_DATE.fullmatch(text):
        day, date, month, year, *clock = found.groups()
        hour, minute, second = map(int, clock)
        number = _MONTHS.split("|").index(month) + 1
        try:
            moment = datetime(int(year), number, int(date), hour, minute, second, tzinfo=UTC)
        except ValueError:
            raise _no_date(text) from None
        if _DAYS.split("|")[moment.weekday()] == day:
            return Instant.of(moment)
    raise _no_date(text)


def _no_date(text: str) -> MalformedError:
    return MalformedError(
        f"{shown(text)} is not a date like 'Mon, 2 Apr 2007 19:18:42 GMT'", code="ingest.date"
    )
