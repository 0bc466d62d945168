"""A registry with many minted records, made fast: signed in bulk, inserted by the batch."""

from collections.abc import Iterator
from functools import partial

from registry.protocol.instant import Instant
from registry.protocol.record import Record
from registry.protocol.source import Source
from registry.services.desk import Desk
from registry.services.mint import BUILDER_VERSION
from registry.services.workers import pooled
from registry.signing.bulk import Issue, Issued, sign_records
from registry.store import sql
from registry.store.packing import pack
from registry.store.store import Store

_BATCH = 2_000
_SUBMITTED = Instant.parse_seconds("2024-01-01T12:00:00Z")
_sign: "partial[list[Issued]] | None" = None


def made(number: int) -> Record:
    """One of so many different records."""
    month, place = divmod(number, 99_999)
    return Record.build(
        source=Source("arxiv", f"{15 + month // 12}{month % 12 + 1:02d}.{place + 1:05d}", 1),
        title=f"On the Name {number}",
        abstract="We name.",
        license="http://creativecommons.org/licenses/by/4.0/",
        primary_cat="cs.DL",
        cross_cats=("cs.IR", "math.CO"),
        submitted_at=_SUBMITTED,
    )


def fill(desk: Desk, count: int, *, at: Instant) -> None:
    """Mint records 0 to *count*, as `registry.services.mint` would have."""
    begin = partial(_begin, desk.signer(at), desk.registry)
    work = ((range(i, min(i + _BATCH, count)), at) for i in range(0, count, _BATCH))
    key_id = desk.active_key().key_id
    for issued in pooled(work, _mint, begin=begin):
        batch = list(_rows(issued, desk.registry, key_id, at))
        desk.store._engine.write(partial(_store, desk.store, batch))


def _store(store: Store, batch: list[tuple[str, list[dict[str, object]]]]) -> None:
    for statement, values in batch:
        store._insert(statement, values)


def _begin(signer, registry) -> None:  # type: ignore[no-untyped-def]
    global _sign
    _sign = partial(sign_records, signer, registry, builder_version=BUILDER_VERSION)


def _mint(work: tuple[range, Instant]) -> list[tuple[bytes, Issued]]:
    numbers, at = work
    assert _sign is not None
    records = [made(number).canonical for number in numbers]
    return list(zip(records, _sign([Issue(record, at, at) for record in records]), strict=True))


def _rows(
    minted: list[tuple[bytes, Issued]], registry: str, key_id: str, at: Instant
) -> Iterator[tuple[str, list[dict[str, object]]]]:
    records, events, heads, lines = [], [], [], []
    for data, issued in minted:
        record = Record.parse(data)
        subject = record.number.suffix
        source = record.source
        records.append(
            {
                "digest": record.digest,
                "suffix": subject,
                "year": record.number.year,
                "source_kind": source.kind,
                "source_id": source.id,
                "source_version": source.version,
                "body": pack(data),
            }
        )
        name = {"subject": subject, "signer_id": registry, "event_id": issued.event_id}
        events.append(name | {"event_type": "record_created", "body": pack(issued.event)})
        heads.append(name)
        for kind, digest in (("receipt", record.digest), ("event", issued.event_id)):
            lines.append({"key_id": key_id, "kind": kind, "digest": digest, "at": at.micros})
    yield sql.ADD_RECORD, records
    yield sql.ADD_EVENT, events
    yield sql.ADD_HEAD, heads
    yield sql.ADD_SIGNATURE, lines
