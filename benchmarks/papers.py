"""Papers of our own making to mint: as many as wanted, each as the line of a file."""

import hashlib
from collections.abc import Iterator

_LINE = (
    '{{"metadata":{{"abstract_canon_sha256":"{abstract}","cross_cats_sorted":["cs.IR","math.CO"],'
    '"license":"http://creativecommons.org/licenses/by/4.0/","primary_cat":"cs.DL",'
    '"submitted_at":"2024-01-01T12:00:00Z","title_canon_sha256":"{title}"}},'
    '"schema_version":"1.0","source":{{"id":"{year:02d}{month:02d}.{place:05d}",'
    '"kind":"arxiv","version":1}}}}'
)
_ABSTRACT = " ".join(f"We name {i} things, and say why they are as they are." for i in range(18))
_ABSTRACT_SHA256 = hashlib.sha256(_ABSTRACT.lower().encode()).hexdigest()


def title(number: int) -> str:
    """The title of one paper."""
    return f"On the Name of the Paper with the Number {number}"


def abstract() -> str:
    """The abstract of all of them, about 1,000 characters."""
    return _ABSTRACT


def line(number: int) -> bytes:
    """One paper's canonical record."""
    month, place = divmod(number, 99_999)
    text = _LINE.format(
        abstract=_ABSTRACT_SHA256,
        title=hashlib.sha256(title(number).lower().encode()).hexdigest(),
        year=15 + month // 12,
        month=month % 12 + 1,
        place=place + 1,
    )
    return text.encode()


def lines(count: int) -> Iterator[bytes]:
    """The first so many."""
    return map(line, range(count))
