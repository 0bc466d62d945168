"""The parts of jobs: taken one at a time by processes that know nothing of each other."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Self, TypeAlias

from registry.errors import ConflictError
from registry.protocol.instant import Instant
from registry.store import job_sql
from registry.store.base import written
from registry.store.engine import Holding, Row
from registry.store.journal import Journal

Kind: TypeAlias = Literal["reissue", "mint"]
State: TypeAlias = Literal["making", "planned", "running", "switched", "done", "abandoned"]
FIRST: Final = ""
LAST: Final = "Z" * 26
"""No suffix comes before the one or after the other."""
RECENT: Final = 600 * 1_000_000
"""Microseconds before the last shard was done in which the rate is counted."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands. ``plan`` is the canonical bytes that ``digest`` is of; ``turn``
    counts the switches that began; ``run_at`` and ``run_from`` are when the last run of a
    reissue began and what was staged then, ``last_at`` when it last staged anything."""

    job: int
    kind: Kind
    state: State
    digest: bytes
    plan: bytes
    turn: int
    begun_at: Instant
    ended_at: Instant | None
    run_at: Instant
    run_from: int
    last_at: Instant


def as_job(row: Row | None) -> Job | None:
    """A row of jobs as the value it is."""
    if row is None:
        return None
    job, kind, state, digest, plan, turn, begun_at, ended_at, run_at, run_from, last_at = row
    ended = Instant(ended_at) if ended_at else None
    times = Instant(run_at), run_from, Instant(last_at)
    return Job(job, kind, state, digest, plan, turn, Instant(begun_at), ended, *times)


class NewShard(NamedTuple):
    """A shard to be: its place in the job; of a reissue its first and last suffix, of a mint
    what is to be minted; and how many records that are."""

    shard: int
    records: int
    first: str = ""
    last: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard that this process holds alone; a killed one holds nothing.

    ``first`` to ``last`` are the suffixes it is of, ``body`` what is to be minted.
    """

    job: int
    shard: int
    records: int
    first: str
    last: str
    body: bytes
    holding: Holding

    @classmethod
    def _made(cls, row: Row, holding: Holding) -> Self:
        job, shard, records, first, last, body = row
        return cls(job, shard, records, first, last, body, holding)

    def done(self, *, made: int, at: Instant) -> None:
        """Note, durably, that all of it is stored, of which so many records were new. Where it
        is held no more because a connection was lost, whoever takes it over does."""
        values = {"job": self.job, "shard": self.shard, "made": made, "at": at.micros, "none": b""}
        self.holding.write(job_sql.SHARD_DONE, values)


@dataclass(frozen=True, slots=True)
class Counted:
    """How far the shards of a job are. ``records`` and ``done_records`` are of all and of
    those that are done, ``made`` how many of the latter were new; ``rate`` is records a
    second of late, or 0.0."""

    open: int
    held: int
    done: int
    records: int
    done_records: int
    made: int
    rate: float


class Shards(Journal):
    """Jobs of all kinds, and their shards. Each shard is done by the one process that holds
    it; were two at the same, both would make the same bytes (decision 0006)."""

    def find_job(self, job: int) -> Job | None:
        """A job by its number."""
        return as_job(self._first(job_sql.JOB, {"job": job}))

    def list_jobs(self) -> list[Job]:
        """All jobs, oldest first."""
        return [found for row in self._rows(job_sql.JOBS, {}) if (found := as_job(row)) is not None]

    def _add_job(self, kind: Kind, at: Instant) -> int:
        values = {"none": b"", "kind": kind, "at": at.micros}
        return int(self._rows(job_sql.ADD_JOB, values)[0][0])

    def _freeze(self, job: int, state: State, plan: bytes, digest: bytes) -> None:
        values = {"job": job, "state": state, "plan": plan, "digest": digest}
        if not self._rows(job_sql.FREEZE_JOB, values):
            raise ConflictError("the job was cleared away meanwhile", code="job.ended")

    def _end(self, job: int, old: State, new: State, at: Instant) -> bool:
        values = {"job": job, "old": old, "new": new, "at": at.micros}
        return bool(self._rows(job_sql.END_JOB, values))

    @written
    def drop_job(self, job: int) -> None:
        """Forget a job that was being made."""
        self._drop(job)

    def _drop(self, job: int) -> None:
        for statement in (job_sql.DROP_ITEMS, job_sql.DROP_SHARDS, job_sql.DROP_JOB):
            self._rows(statement, {"job": job})

    # -- filling -----------------------------------------------------------------

    @contextmanager
    def filling(self, *, at: Instant) -> Iterator[int]:
        """Make a mint job, which others leave alone meanwhile, and forget it unless it was
        frozen; what killed processes left of such is cleared away first."""
        for (job,) in self._rows(job_sql.UNFINISHED_JOBS, {"kind": "mint"}):
            with self._engine.hold(f"filling {job}") as dead:
                if dead:
                    self._drop_unfinished(job)
        while True:
            job = self._begin_filling(at)
            with self._engine.hold(f"filling {job}") as alone:
                if alone and self.find_job(job) is not None:
                    try:
                        yield job
                    finally:
                        self._drop_unfinished(job)
                    return

    @written
    def _begin_filling(self, at: Instant) -> int:
        return self._add_job("mint", at)

    @written
    def _drop_unfinished(self, job: int) -> None:
        found = self.find_job(job)
        if found is not None and found.state == "making":
            self._drop(job)

    @written
    def freeze_mint(self, job: int, plan: bytes, digest: bytes) -> None:
        """Make a job that is filled one to work at."""
        self._freeze(job, "running", plan, digest)

    # -- shards ------------------------------------------------------------------

    @written
    def add_shards(self, job: int, shards: Sequence[NewShard]) -> None:
        """Put shards into a job that is being made."""
        self._insert(job_sql.ADD_SHARD, [{"job": job} | shard._asdict() for shard in shards])

    @contextmanager
    def take_shard(self, job: int) -> Iterator[Shard | None]:
        """Hold the first open shard of a job that nobody else holds, if there is one."""
        while True:
            with self._engine.take(f"shard {job}", job_sql.OPEN_SHARDS, {"job": job}) as holding:
                if holding is None:
                    yield None
                    return
                row = self._first(job_sql.OPEN_SHARD, {"job": job, "shard": holding.key})
                if row is not None:
                    yield Shard._made(row, holding)
                    return

    def is_held(self, job: int) -> bool:
        """Whether a process works at a shard of a job."""
        return self._engine.held(f"shard {job}", job_sql.OPEN_SHARDS, {"job": job}) > 0

    def any_open(self, job: int) -> bool:
        """Whether a job has shards that are not done, held or not."""
        return self._first(job_sql.ANY_OPEN_SHARD, {"job": job}) is not None

    def count_shards(self, job: int) -> Counted:
        """How far the shards of a job are."""
        values = {"job": job}
        rows = {state: counts for state, *counts in self._rows(job_sql.COUNT_SHARDS, values)}
        waiting, left, _ = map(int, rows.get("open", (0, 0, 0)))
        done, stored, made = map(int, rows.get("done", (0, 0, 0)))
        held = self._engine.held(f"shard {job}", job_sql.OPEN_SHARDS, values) if waiting else 0
        total = left + stored + int(rows.get("dropped", (0, 0, 0))[1])
        return Counted(waiting, held, done, total, stored, made, self._rate(job, done, stored))

    def _rate(self, job: int, done: int, stored: int) -> float:
        if done < 2:
            return 0.0
        records, since, until = self._rows(job_sql.LATELY_DONE, {"job": job, "recent": RECENT})[0]
        first = stored / done
        return (
            max(0.0, (int(records) - first) / ((until - since) / 1_000_000))
            if until > since
            else 0.0
        )

    @written
    def abandon_mint(self, job: int, *, at: Instant) -> bool:
        """End a mint of which no more shard is to be done, and empty those; whether it was
        running. Waits for the shards that are held where the database locks rows."""
        ended = self._end(job, "running", "abandoned", at)
        if ended:
            self._rows(job_sql.DROP_OPEN_SHARDS, {"job": job, "none": b""})
        return ended

    @written
    def end_if_done(self, job: int, *, at: Instant) -> bool:
        """End a mint whose shards are all done; whether it ended now."""
        return bool(self._rows(job_sql.END_DONE, {"job": job, "at": at.micros}))
