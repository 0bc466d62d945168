"""Mint jobs, their filling: what is to be minted is put into the store, for many machines."""

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, NamedTuple, TypeAlias

from registry.errors import KeyUnavailableError, MalformedError, PithError, VerificationError
from registry.protocol.canonical import canonical
from registry.protocol.graph import Paper
from registry.protocol.instant import Instant
from registry.protocol.keys import PublicKey
from registry.protocol.record import Record
from registry.services.desk import Desk
from registry.services.mint import BUILDER_VERSION
from registry.services.minting import POOLED_FROM, Pair, Passed, Work
from registry.services.workers import cores, pooled
from registry.signing.mints import MintBatch
from registry.store.base import held
from registry.store.rows import record_row
from registry.store.shards import Job, NewShard

JOB_TYPE: Final = "pith_mint_job"
LEVEL: Final = 1
"""How hard shards are packed: each is read once and then emptied."""
MAX_UNPACKED: Final = 1 << 28
_Page: TypeAlias = "tuple[Work[Any], Sequence[Any]]"


class _Packed(NamedTuple):
    """A page that a worker has read: what came of each item, and the accepted ones packed,
    with their suffixes a line each."""

    found: list[Passed | PithError]
    body: bytes
    suffixes: bytes
    records: int


@dataclass(frozen=True, slots=True)
class _Nobody:
    """The key that signs, as far as its name goes: with it a page is read as it will be read
    when it is signed."""

    key_id: str
    public_key: PublicKey
    forkable: bool = True

    def _sign(self, message: bytes) -> bytes:
        raise KeyUnavailableError("nothing is signed into a job", code="signer.none")


class Filling:
    """A mint job that is made; ``job`` is it once all pages are in, or None where there was no
    record at all."""

    def __init__(self, desk: Desk, *, at: Instant) -> None:
        self.desk = desk
        self.at = at
        self.job: Job | None = None
        active = desk.active_key()
        self._given = _Nobody(active.key_id, active.key), desk.registry
        self._listed = hashlib.sha256()
        self._records = self._shards = 0

    def fill(self, pages: Iterable[_Page]) -> Iterator[list[Passed | PithError]]:
        """Put in pages as `mint_rows` takes them, each a shard; gives what came of each item,
        as if it was minted before, refusals among them. Nothing is signed.

        A filling that was broken off leaves nothing, and one that was killed is cleared away
        by the next.
        """
        with self.desk.store.filling(at=self.at) as job:
            for page in self._packed(iter(pages)):
                if page.records:
                    shard = NewShard(self._shards, page.records, body=page.body)
                    self.desk.store.add_shards(job, [shard])
                    self._listed.update(page.suffixes)
                    self._records += page.records
                    self._shards += 1
                yield page.found
            if self._records:
                plan = canonical(self._plan())
                self.desk.store.freeze_mint(job, plan, hashlib.sha256(plan).digest())
        self.job = self.desk.store.find_job(job)

    def _packed(self, pages: Iterator[_Page]) -> Iterator[_Packed]:
        _begin(*self._given)
        first = 0
        for page in pages:
            yield _read(page)
            first += len(page[1])
            if first >= POOLED_FROM and cores() > 1:
                break
        more = next(pages, None)
        if more is not None:
            yield from pooled(chain([more], pages), _read, begin=_begin, given=self._given)

    def _plan(self) -> dict[str, Any]:
        """What a job keeps of its input: ``list_sha256`` is over one line a record,
        ``SUFFIX``, as they came."""
        return {
            "job_type": JOB_TYPE,
            "registry": self.desk.registry,
            "records": self._records,
            "shards": self._shards,
            "list_sha256": self._listed.hexdigest(),
        }


# What the workers inherit: whose key will sign, and the registry.
_reading: tuple[_Nobody, str] | None = None


def _begin(nobody: _Nobody, registry: str) -> None:
    global _reading
    _reading = (nobody, registry)


def _read(page: _Page) -> _Packed:
    if _reading is None:
        raise KeyUnavailableError("no key to read for", code="signer.none")
    work, items = page
    batch = MintBatch(*_reading, builder_version=BUILDER_VERSION)
    found: list[Passed | PithError] = []
    records: list[Record] = []
    for item in items:
        try:
            pair = work(item)
            record = batch.read(pair.record)
        except PithError as error:
            found.append(error.with_traceback(None))
            continue
        records.append(record)
        found.append(_passed(record, _refused(batch, pair.snapshot), pair.told))
    lines = [(record.canonical, batch.payload(place)) for place, record in enumerate(records)]
    suffixes = "".join(f"{record.number.suffix}\n" for record in records).encode()
    return _Packed(found, packed(lines), suffixes, len(records))


def _passed(record: Record, refused: PithError | None, told: Any) -> Passed:
    return Passed(record_row(record), record.submitted_at.micros, False, refused, told, None)


def _refused(batch: MintBatch, snapshot: Paper | bytes | PithError | None) -> PithError | None:
    if snapshot is None or isinstance(snapshot, PithError):
        return snapshot
    try:
        batch.show(snapshot)
    except (MalformedError, VerificationError) as error:
        return error.with_traceback(None)
    return None


def packed(page: Iterable[tuple[bytes, bytes | None]]) -> bytes:
    """A page as a shard keeps it: two lines a record, its canonical bytes and the payload of
    its snapshot or nothing, together as one zlib stream."""
    lines = (line for record, snapshot in page for line in (record, snapshot or b""))
    return zlib.compress(b"\n".join(lines), LEVEL)


def unpacked(body: bytes) -> list[Pair]:
    """What `packed` made of; StoreError ``store.damaged`` for anything else. Records and
    payloads are read, as strictly as when they came, when they are signed."""
    return held(_unpacked, body)


def _unpacked(body: bytes) -> list[Pair]:
    reader = zlib.decompressobj()
    try:
        data = reader.decompress(body, MAX_UNPACKED)
    except zlib.error as error:
        raise MalformedError(f"a shard that does not unpack: {error}", code="shard.body") from None
    lines = data.split(b"\n")
    if not reader.eof or reader.unused_data or len(lines) % 2:
        raise MalformedError("a shard that is cut, or too long", code="shard.body")
    return [
        Pair(record, snapshot or None)
        for record, snapshot in zip(lines[::2], lines[1::2], strict=True)
    ]
