"""Reissue, the run: sign what was planned and stage it, in no chain yet."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final, TypeAlias

from registry.errors import ConflictError, KeyUnavailableError, NotFoundError, StoreError
from registry.protocol.event_types import RECORD_CREATED
from registry.protocol.instant import Instant
from registry.protocol.record import Record
from registry.services.desk import Desk
from registry.services.find import merged
from registry.services.job_shards import Allowance, taken
from registry.services.mint import BUILDER_VERSION
from registry.services.reissue_plan import Frozen
from registry.services.workers import cores, pooled
from registry.signing.bulk import Issue, Issued, sign_records
from registry.signing.signer import Signer
from registry.store.jobs import CHANGED, Claim, Staged, Unsigned
from registry.store.rows import MAX_CLAIM_AGE
from registry.store.shards import FIRST, LAST, Job

BATCH: Final = 2_000
_Sent: TypeAlias = tuple[bytes, bytes, int | None, bytes, int]
"""What a worker is told of a record: its bytes, what is superseded, first, prev and at."""
_Batch: TypeAlias = list[_Sent]
POOLED_FROM: Final = 4 * BATCH
"""Fewer records than these are signed in this process: workers would not pay."""


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far a job is. ``rate`` is records a second in its last run."""

    job: Job
    receipts: int
    left_out: int
    signed: int
    rate: float

    @property
    def left(self) -> int:
        """How many records are not signed yet."""
        return self.receipts - self.signed


def open_job(desk: Desk, digest: bytes | None = None) -> Job:
    """The newest job. With *digest*, what a person accepts, it must be that of its plan.

    Raises NotFoundError ``reissue.none`` and ConflictError ``reissue.digest``.
    """
    job = desk.store.newest_job()
    if job is None:
        raise NotFoundError(
            "no reissue is planned", code="reissue.none", hint="`pith reissue plan` makes a plan"
        )
    if digest is not None and job.digest != digest:
        raise ConflictError(
            f"the newest plan is {job.digest.hex()}",
            code="reissue.digest",
            hint="look at it with `pith reissue status`, and give the digest you accept",
        )
    return job


def accepted_job(desk: Desk) -> Job:
    """The newest job, whose digest a person gave; raises what `accepted` does."""
    return accepted(open_job(desk))


def accepted(job: Job) -> Job:
    """A job whose digest a person gave; ConflictError ``job.ended`` or ``reissue.digest``
    otherwise."""
    if job.state == "planned":
        raise ConflictError(
            "nobody has accepted the plan yet",
            code="reissue.digest",
            hint="`pith reissue run DIGEST` does",
        )
    if job.state != "running":
        raise ConflictError(f"the reissue {job.digest.hex()} is {job.state}", code="job.ended")
    return job


def progress(desk: Desk, job: Job) -> Progressed:
    """How far a job is, from what is stored."""
    counts = desk.store.count_items(job.job)
    receipts = sum(count for _, why, count in counts if not why)
    signed = receipts if job.state == "switched" else desk.store.count_staged(job.job)
    passed = (job.last_at.micros - job.run_at.micros) / 1_000_000
    return Progressed(
        job,
        receipts,
        sum(count for _, why, count in counts if why),
        signed,
        (signed - job.run_from) / passed if passed > 0 and job.state == "running" else 0.0,
    )


def run(
    desk: Desk,
    signer: Signer,
    job: Job,
    *,
    clock: Callable[[], Instant],
    limit: int | None = None,
    allowance: Allowance | None = None,
) -> Iterator[list[str]]:
    """Sign what a job has not staged yet, shard by shard and a batch at a time; gives the
    suffixes of each batch. Other processes may do the same at the same time.

    Times and places of a batch are durable before it is signed, its events and the
    journal's lines before it is given. A run that was killed is finished by the next
    with the same bytes. At most *limit* records, and the shards that *allowance* allows.
    Raises ConflictError ``job.ended``, ``reissue.key``, and what `Desk.check_signer` raises.
    """
    began = clock()
    job = open_job(desk, job.digest)
    check_open(desk, job)
    if signer.key_id != Frozen.of(job).new_key[0]:
        raise other_key(job)
    desk.store.widen()
    desk.store.clear_staged()
    desk.store.begin_run(job.job, done=desk.store.count_staged(job.job), at=began)
    left = limit
    with closing(taken(desk, job, allowance or Allowance())) as shards:
        for shard in shards:
            within, count = (shard.first, shard.last), 0
            desk.check_signer(signer, clock(), since=began)
            for batch in signed(desk, signer, job, clock, limit=left, within=within):
                count += len(batch)
                yield batch
            left = None if left is None else left - count
            if not desk.store.any_unsigned(job.job, *within):
                shard.done(made=shard.records, at=clock())
            elif count == 0 and left != 0:
                raise _unsignable(job)
            if left == 0:
                return


def _unsignable(job: Job) -> StoreError:
    return StoreError(
        f"records of job {job.job} cannot be signed: they or their chains are not there",
        code="store.damaged",
        hint="`pith store check` says what is missing",
    )


def signed(
    desk: Desk,
    signer: Signer,
    job: Job,
    clock: Callable[[], Instant],
    *,
    limit: int | None = None,
    within: tuple[str, str] = (FIRST, LAST),
) -> Iterator[list[str]]:
    """Claim, sign and stage what is not staged yet of the records between two suffixes."""
    waiting: deque[list[Unsigned]] = deque()

    def under_way() -> Iterator[list[_Sent]]:
        for batch in _claimed(desk, job, clock, limit, within):
            waiting.append(batch)
            yield [(item.record, item.old, item.first, item.prev, item.at) for item in batch]

    batches = under_way()
    first = list(islice(batches, POOLED_FROM // BATCH))
    long = sum(map(len, first)) >= POOLED_FROM
    _begin(signer, desk.registry)
    whole = _chained(first, batches)
    if long and signer.forkable and cores() > 1:
        results = pooled(whole, _sign, begin=_begin, given=(signer, desk.registry))
    else:
        results = map(_sign, whole)
    for issued in results:
        batch = waiting.popleft()
        staged = [
            Staged(item.subject, each.record_digest, each.event_id, each.event, item.at)
            for item, each in zip(batch, issued, strict=True)
        ]
        desk.store.stage(job, signer.key_id, staged, at=clock())
        yield [item.subject for item in batch]


def _chained(first: list[_Batch], rest: Iterator[_Batch]) -> Iterator[_Batch]:
    yield from first
    yield from rest


def _claimed(
    desk: Desk,
    job: Job,
    clock: Callable[[], Instant],
    limit: int | None,
    within: tuple[str, str],
) -> Iterator[list[Unsigned]]:
    """Batches of records whose place and time are claimed, in the order of suffixes."""
    after, left = "", limit
    latest: Instant | None = None
    while left is None or left > 0:
        count = BATCH if left is None else min(BATCH, left)
        page = desk.store.unsigned(job.job, desk.registry, within, after=after, count=count)
        if not page:
            return
        after = page[-1].subject
        batch = [item for item in page if item.prev == item.head or _still_planned(desk, job, item)]
        at = clock()
        if latest is None or at < latest:
            desk.check_clock(at)
        latest = at
        batch = _claim(desk, job, batch, at)
        if left is not None:
            left -= len(batch)
        if batch:
            yield batch


def _claim(desk: Desk, job: Job, batch: list[Unsigned], at: Instant) -> list[Unsigned]:
    """Those of a batch whose place and time are claimed, with these. What another process
    claims at this moment is its to sign. No receipt is issued again before its first time,
    which may be of a machine whose clock is ahead."""
    fresh = [
        Claim(item.subject, item.head, max(at.micros, item.first or 0), item.prev, item.at)
        for item in batch
        if not _stands(item, at)
    ]
    if not fresh:
        return batch
    mine = desk.store.claim_items(job.job, fresh)
    times = {claim.subject: claim.at for claim in fresh}
    return [
        item._replace(prev=item.head, at=times[item.subject]) if item.subject in times else item
        for item in batch
        if item.subject not in times or item.subject in mine
    ]


def _stands(item: Unsigned, at: Instant) -> bool:
    """Whether an interrupted run claimed a record with a time and place that still serve."""
    if item.at == 0 or item.prev != item.head or item.at < (item.first or 0):
        return False  # the last: claimed by a clock that was set back
    return abs(at.micros - item.at) <= MAX_CLAIM_AGE


def _still_planned(desk: Desk, job: Job, item: Unsigned) -> bool:
    """Whether what is to be superseded is still all there is; else the record is left out."""
    number = Record.parse(item.record).number
    current = {
        event.sha256
        for event in merged(desk, number).current
        if event.body.event_type == RECORD_CREATED
        and event.body.signer.signer_id == desk.registry
        and desk.store.has_signature("event", bytes.fromhex(event.sha256), event.signature.key_id)
    }
    if current == {old.removeprefix("sha256:") for old in _ids(item.old)}:
        return True
    desk.store.leave_out(job.job, item.subject, CHANGED)
    return False


def _ids(old: bytes) -> tuple[str, ...]:
    return tuple(f"sha256:{old[i : i + 32].hex()}" for i in range(0, len(old), 32))


# What the workers inherit by fork: the signer, never pickled or piped, and the registry.
_signing: Callable[[list[Issue]], list[Issued]] | None = None


def _begin(signer: Signer, registry: str) -> None:
    global _signing
    _signing = partial(sign_records, signer, registry, builder_version=BUILDER_VERSION)


def _sign(batch: _Batch) -> list[Issued]:
    if _signing is None:
        raise KeyUnavailableError("no signer in this process", code="signer.none")
    return _signing([_issue(*sent) for sent in batch])


def _issue(record: bytes, old: bytes, first: int | None, prev: bytes, at: int) -> Issue:
    kept = Instant(at if first is None else first)
    return Issue(record, kept, Instant(at), _ids(old), f"sha256:{prev.hex()}")


def check_open(desk: Desk, job: Job) -> None:
    """Raise ``job.ended`` for one that is over, ``reissue.key`` for one of another key."""
    if job.state in ("switched", "abandoned"):
        raise ConflictError(f"the reissue {job.digest.hex()} is {job.state}", code="job.ended")
    active = desk.active_key()
    if Frozen.of(job).new_key != (active.key_id, active.key.hex):
        raise other_key(job)


def other_key(job: Job) -> ConflictError:
    return ConflictError(
        f"the reissue was planned for {Frozen.of(job).new_key[0]}, which does not sign now",
        code="reissue.key",
        hint="plan again: `pith reissue plan`; what this one staged is then given up",
    )
