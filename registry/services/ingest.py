"""Ingest: rows of a source's metadata become canonical records, and minted ones with snapshots."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple, TypeAlias

from registry.errors import MalformedError, NotFoundError, PithError
from registry.ingest.entry import Entry, Format, Row
from registry.ingest.table import FORMATS
from registry.protocol.canonical import plain_canonical
from registry.protocol.graph import MAX_PART, Paper
from registry.protocol.text import unassigned
from registry.services.minting import Given, Pair

Licences: TypeAlias = str | Mapping[tuple[str, int], str] | None
"""What a format without licences is given: one for all, or one for an id and version."""


class Ready(NamedTuple):
    """A row as a canonical record and, where it was asked for, the input of a graph snapshot
    (`Paper.parse`), empty where it is too long for one; ``odd`` are code points to warn of."""

    record: bytes
    paper: bytes
    odd: list[str]


def ready(name: str, licences: Licences, with_paper: bool, data: bytes) -> Ready:
    """What one row of the format *name* comes to; raises a PithError where it is none."""
    entry = FORMATS[name].read(data)
    record = entry.record(_license(entry, licences))
    texts = entry.title + entry.abstract
    return Ready(
        record.canonical,
        _paper(entry) if with_paper else b"",
        [] if texts.isascii() else unassigned(texts),
    )


def _license(entry: Entry, licences: Licences) -> str:
    if entry.license is not None:
        return entry.license
    if isinstance(licences, str):
        return licences
    found = (licences or {}).get((entry.source.id, entry.source.version))
    if found is None:
        raise NotFoundError(
            f"no licence is known of {entry.source.id}v{entry.source.version}",
            code="ingest.license",
            hint="the other source must have this very version",
        )
    return found


def _paper(entry: Entry) -> bytes:
    paper = entry.paper()
    return plain_canonical(paper) if max(map(len, paper.values())) <= MAX_PART else b""


def licences_of(
    wanted: Collection[tuple[str, int]], source: Format, rows: Iterable[Row]
) -> dict[tuple[str, int], str]:
    """The licences that another source gives for ids and versions, in memory for these alone."""
    ids = {source_id for source_id, _ in wanted}
    found = {}
    for row in rows:
        if source.id(row.data) in ids:
            with suppress(PithError):
                entry = source.read(row.data)
                if entry.license is not None:
                    found[entry.source.id, entry.source.version] = entry.license
    return found


def too_long() -> MalformedError:
    """The refusal of a snapshot whose record is good."""
    return MalformedError(
        f"a text of over {MAX_PART} characters: only a record, no graph snapshot", code="graph.size"
    )


def to_mint(name: str, licences: str | None, data: bytes) -> Pair:
    """What one row of the format *name* comes to, with the paper for its snapshot; what came
    with it are code points to warn of. Raises a PithError where it is no record."""
    return _pair(FORMATS[name].read(data), licences)


def _pair(entry: Entry, licences: Licences) -> Pair:
    record = entry.record(_license(entry, licences)).canonical
    texts = entry.title + entry.abstract
    odd = [] if texts.isascii() else unassigned(texts)
    paper = entry.paper()
    fits = max(map(len, paper.values())) <= MAX_PART
    return Pair(record, Paper(**paper) if fits else too_long(), odd)


def given_licences(name: str, licences: Licences, rows: Iterable[bytes]) -> list[Given]:
    """The same of rows whose licences are from another source, or why there is none."""
    found: list[Given] = []
    for data in rows:
        try:
            found.append(_pair(FORMATS[name].read(data), licences))
        except PithError as error:
            found.append(error.with_traceback(None))
    return found
