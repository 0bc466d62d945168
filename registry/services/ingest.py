"""Ingest: rows of a source's metadata become canonical records, and minted ones with snapshots."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeAlias

from registry.errors import MalformedError, NotFoundError, PithError
from registry.ingest.entry import Entry, Format, Row
from registry.ingest.table import FORMATS
from registry.protocol.canonical import plain_canonical
from registry.protocol.graph import MAX_PART
from registry.protocol.instant import Instant
from registry.protocol.text import unassigned
from registry.services.desk import Desk
from registry.services.minting import Pair, Passed, mint_all
from registry.signing.signer import Signer

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


def publish_papers(
    desk: Desk,
    signer: Signer,
    pages: Iterable[Sequence[Ready]],
    *,
    clock: Callable[[], Instant],
) -> Iterator[list[Passed]]:
    """Mint pages of papers and sign the graph snapshot of each, as `mint_all` does; what was
    done before is not done again.

    A paper that no snapshot can hold is minted all the same.
    """
    pairs = ([Pair.read(each.record, each.paper) for each in page] for page in pages)
    return mint_all(desk, signer, pairs, clock=clock)
