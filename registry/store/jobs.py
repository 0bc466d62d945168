"""Reissue jobs: their frozen plans, what they have staged, and the switch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from registry.errors import ConflictError
from registry.protocol.instant import Instant
from registry.protocol.keyset import KeySetBody
from registry.protocol.number import PithNumber
from registry.store import job_sql, sql
from registry.store.base import PAGE, written
from registry.store.packing import pack, unpack
from registry.store.rows import Intent, SignatureRow
from registry.store.shards import FIRST, LAST, Job, Shards, as_job

NOT_DERIVED: Final = "not derived again from its source"
CHANGED: Final = "changed since the plan"


@dataclass(frozen=True, slots=True)
class Held:
    """What is held about one record: the head of our chain on it, and its events with
    whether the journal has them under the key that was asked for."""

    number: PithNumber
    head: bytes
    events: tuple[tuple[bytes, bool], ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One record of a plan. ``old`` are the ids of the events that are superseded, 32 bytes
    each; ``first`` the first_computed_at that is kept, if any; ``left_out`` why it is not
    issued again, or empty; ``prev`` the head of the chain."""

    number: PithNumber
    old: bytes
    first: Instant | None
    verdict: str
    left_out: str
    prev: bytes = b""


class Unsigned(NamedTuple):
    """One record that a job has not staged yet.

    ``first`` is the first_computed_at that is kept, if any; ``prev`` and ``at`` are what
    was planned or claimed for it (0 before it is claimed), ``head`` is the end of its
    chain now. Times are in microseconds.
    """

    subject: str
    record: bytes
    old: bytes
    first: int | None
    prev: bytes
    at: int
    head: bytes


class Staged(NamedTuple):
    """One event to stage: its record's suffix and digest, its id, canonical bytes and time
    in microseconds."""

    subject: str
    record_digest: bytes
    event_id: bytes
    body: bytes
    at: int


class _ChainMovedError(Exception):
    """A chain has moved, or is claimed: nothing is switched."""


class Claim(NamedTuple):
    """The place and time, in microseconds, that are claimed for a record of a job, with what
    was planned or claimed before."""

    subject: str
    prev: bytes
    at: int
    old_prev: bytes
    old_at: int


class Jobs(Shards):
    """The reissues. They are planned and switched inside `job_lock`; any number of processes
    signs, each the shards it holds."""

    @contextmanager
    def job_lock(self) -> Iterator[None]:
        """Be the one process that plans or switches; a killed one holds nothing.

        Raises ConflictError ``job.busy`` when there is another, or one that holds a shard of
        the newest job.
        """
        with self._engine.hold("jobs") as alone:
            job = self.newest_job()
            if not alone or (job is not None and self.is_held(job.job)):
                raise ConflictError(
                    "another process works at this registry's reissue",
                    code="job.busy",
                    hint="`pith reissue status` shows how far it is",
                )
            self.widen()
            yield

    # -- planning ----------------------------------------------------------------

    def newest_job(self) -> Job | None:
        """The reissue that was planned last."""
        return as_job(self._first(job_sql.NEWEST_JOB, {}))

    @written
    def add_job(self, *, at: Instant) -> int:
        """Begin to make a plan; plans that were never finished are cleared away."""
        for (job,) in self._rows(job_sql.UNFINISHED_JOBS, {"kind": "reissue"}):
            self._drop(job)
        return self._add_job("reissue", at)

    def issued(self, signer_id: str, key_id: str, count: int = PAGE) -> Iterator[list[Held]]:
        """Pages of the records whose receipt the journal has under a key of ours."""
        values = {"signer_id": signer_id, "key_id": key_id, "count": count}
        after = ""
        while rows := self._rows(job_sql.ISSUED_AFTER, values | {"after": after}):
            yield self._held(rows, key_id)
            after = rows[-1][0]

    def find_issued(self, number: PithNumber, signer_id: str, key_id: str) -> Held | None:
        """One such record."""
        values = {"subject": number.suffix, "signer_id": signer_id, "key_id": key_id}
        found = self._held(self._rows(job_sql.ISSUED, values), key_id)
        return found[0] if found and found[0].number == number else None

    def _held(self, rows: Sequence[tuple[Any, ...]], key_id: str) -> list[Held]:
        if not rows:
            return []
        events: dict[str, list[tuple[bytes, bool]]] = {row[0]: [] for row in rows}
        between = {"first": rows[0][0], "last": rows[-1][0], "key_id": key_id}
        for subject, body, journaled in self._rows(job_sql.EVENTS_BETWEEN, between):
            if subject in events:
                events[subject].append((unpack(body), bool(journaled)))
        return [
            Held(PithNumber(year, suffix), head, tuple(events[suffix]))
            for suffix, year, head in rows
        ]

    @written
    def add_items(self, job: int, items: Sequence[Item]) -> None:
        """Put records into a plan that is being made; one that is in it stays as it is."""
        values = [
            {
                "job": job,
                "subject": item.number.suffix,
                "old": item.old,
                "first": None if item.first is None else item.first.micros,
                "verdict": item.verdict,
                "left_out": item.left_out,
                "prev": item.prev,
            }
            for item in items
        ]
        self._insert(job_sql.ADD_ITEM, values)

    @written
    def take_in(self, job: int, records: Sequence[tuple[str, bytes]]) -> int:
        """Take in records, as (suffix, digest), that were left out as not derived; how many."""
        return sum(
            bool(self._rows(job_sql.TAKE_IN, {
                "job": job,
                "subject": suffix,
                "digest": digest,
                "left_out": NOT_DERIVED,
            }))
            for suffix, digest in records
        )  # fmt: skip

    def items(self, job: int) -> Iterator[Item]:
        """The records of a plan, in the order of their suffixes, read a page at a time."""
        after = ""
        while rows := self._rows(job_sql.ITEMS_AFTER, {"job": job, "after": after, "count": PAGE}):
            for suffix, year, old, first, verdict, left_out in rows:
                kept = None if first is None else Instant(first)
                yield Item(PithNumber(year, suffix), old, kept, verdict, left_out)
            after = rows[-1][0]

    def left_out(self, job: int) -> Iterator[tuple[PithNumber, str, str]]:
        """The records that are not issued again, as (number, verdict, why)."""
        after = ""
        while rows := self._rows(
            job_sql.LEFT_OUT_AFTER, {"job": job, "after": after, "count": PAGE}
        ):
            for suffix, year, verdict, why in rows:
                yield PithNumber(year, suffix), verdict, why
            after = rows[-1][0]

    def count_items(self, job: int) -> list[tuple[str, str, int]]:
        """How many records a job has, by (verdict, why left out)."""
        return [
            (verdict, why, count)
            for verdict, why, count in self._rows(job_sql.COUNT_ITEMS, {"job": job})
        ]

    @written
    def freeze_job(
        self, job: int, plan: bytes, digest: bytes, *, abandoned: int | None, at: Instant
    ) -> None:
        """Make a plan the one to run; the job *abandoned* ends, and what it staged is
        destroyed."""
        if abandoned is not None:
            for old in ("planned", "running"):  # first: who stages now is waited for
                self._end(abandoned, old, "abandoned", at)
            self._rows(job_sql.DISCARD_ALL, {"job": abandoned})
            self._rows(job_sql.UNSTAGE_ALL, {"job": abandoned})
        self._freeze(job, "planned", plan, digest)

    # -- running -----------------------------------------------------------------

    @written
    def begin_run(self, job: int, *, done: int, at: Instant) -> None:
        """Note that a job runs from *at* on, with so many staged before."""
        values = {"job": job, "done": done, "at": at.micros}
        if not self._rows(job_sql.BEGIN_RUN, values):
            raise ended()

    def unsigned(
        self, job: int, signer_id: str, within: tuple[str, str], *, after: str, count: int
    ) -> list[Unsigned]:
        """The next records between two suffixes without a staged event, in their order."""
        first, last = within
        values = {"job": job, "signer_id": signer_id, "after": after, "count": count}
        values |= {"first": first, "last": last}
        rows = [Unsigned._make(row) for row in self._rows(job_sql.UNSIGNED, values)]
        return [row._replace(record=unpack(row.record)) for row in rows]

    @written
    def claim_items(self, job: int, claims: Sequence[Claim]) -> set[str]:
        """Durably fix place and time of what will be signed; the suffixes of those that
        nobody else claimed meanwhile."""
        values = ({"job": job} | claim._asdict() for claim in claims)
        return {suffix for (suffix,) in self._each(job_sql.CLAIM_ITEM, values)}

    @written
    def leave_out(self, job: int, subject: str, why: str) -> None:
        """Take a record out of a job that runs."""
        self._rows(job_sql.LEAVE_OUT, {"job": job, "subject": subject, "left_out": why})

    @written
    def stage(self, job: Job, key_id: str, events: Sequence[Staged], *, at: Instant) -> None:
        """Keep events signed by a key, with the journal's lines for them and their receipts,
        in no chain yet.

        Raises what `_require_signing` does, and ConflictError ``job.ended`` when the job has
        ended or a switch has begun since *job* was read.
        """
        self._require_signing([key_id])
        self._insert(
            job_sql.STAGE,
            (
                {
                    "job": job.job,
                    "subject": e.subject,
                    "event_id": e.event_id,
                    "body": pack(e.body),
                }
                for e in events
            ),
        )
        self._insert(sql.ADD_SIGNATURE, _lines(key_id, events))
        if not self._rows(job_sql.RUN_SO_FAR, {"job": job.job, "turn": job.turn, "at": at.micros}):
            raise ConflictError(
                "the job was ended or switched meanwhile: what was signed was not kept",
                code="job.ended",
            )

    def any_unsigned(self, job: int, first: str = FIRST, last: str = LAST) -> bool:
        """Whether a job has records between two suffixes without a staged event."""
        values = {"job": job, "first": first, "last": last}
        return self._first(job_sql.ANY_UNSIGNED, values) is not None

    def count_staged(self, job: int) -> int:
        """How many events a job has staged."""
        return int(self._rows(job_sql.COUNT_STAGED, {"job": job})[0][0])

    def find_staged(self, job: int, subject: str) -> bytes | None:
        """The staged event of a record, in its canonical bytes."""
        row = self._first(job_sql.STAGED, {"job": job, "subject": subject})
        return None if row is None else unpack(row[0])

    def subject_at(self, job: int, place: int, *, staged: bool) -> str:
        """The suffix of the record at a place among those staged, or among all of the job."""
        statement = job_sql.STAGED_AT if staged else job_sql.ITEM_AT
        return str(self._rows(statement, {"job": job, "place": place})[0][0])

    # -- switching ---------------------------------------------------------------

    @written
    def begin_turn(self, job: int) -> None:
        """From here on nothing is staged that was signed for the job as it was read before."""
        if not self._rows(job_sql.BEGIN_TURN, {"job": job}):
            raise ended()

    def claims_within(self, job: int) -> list[Intent]:
        """A page of the claims that interrupted commands left on records of a job."""
        rows = self._rows(job_sql.CLAIMED, {"job": job, "count": PAGE})
        return [Intent(subject, prev, Instant(at), body) for subject, prev, at, body in rows]

    def discard_moved(self, job: int, signer_id: str) -> int:
        """Destroy staged events whose chain has moved, so that they are made again; how many."""
        values = {"job": job, "signer_id": signer_id, "count": PAGE}
        count, after = 0, ""
        while moved := self._rows(job_sql.MOVED, values | {"after": after}):
            self._discard_staged(job, [subject for (subject,) in moved])
            count, after = count + len(moved), moved[-1][0]
        return count

    @written
    def _discard_staged(self, job: int, subjects: Sequence[str]) -> None:
        places = [{"job": job, "subject": subject} for subject in subjects]
        for statement in (job_sql.DISCARD, job_sql.UNSTAGE, job_sql.UNCLAIM, job_sql.REOPEN_SHARD):
            self._each(statement, places)

    def switch(self, job: int, signer_id: str, keyset: KeySetBody, *, at: Instant) -> bool:
        """Put every staged event at the end of its chain, all of them at once.

        Says False, and changes nothing, where a chain has moved or is claimed. Raises
        ConflictError ``job.unsigned``, ``job.ended``, and ``keyset.moved`` when
        *keyset* is no longer the newest.
        """
        try:
            self._switch(job, signer_id, keyset, at)
        except _ChainMovedError:
            return False
        self.clear_staged()
        return True

    @written
    def _switch(self, job: int, signer_id: str, keyset: KeySetBody, at: Instant) -> None:
        self._lock_signing()
        values = {"job": job, "signer_id": signer_id}
        claimed = {"job": job, "count": 1}
        if self._rows(job_sql.MOVED, values | {"after": "", "count": 1}) or self._rows(
            job_sql.CLAIMED, claimed
        ):
            raise _ChainMovedError
        if self.any_unsigned(job):
            raise unsigned_left()
        if self._rows(sql.NEWEST_VERSION, {})[0][0] != keyset.version:
            raise ConflictError("the key set has moved meanwhile", code="keyset.moved")
        if not self._end(job, "running", "switched", at):
            raise ended()
        self._rows(job_sql.SHARDS_DONE, {"job": job, "at": at.micros})
        self._rows(job_sql.SWITCH_EVENTS, values)
        self._rows(job_sql.SWITCH_HEADS, values)
        # From here on nobody claims a place after one of these heads, or moves it.
        if self._rows(job_sql.UNSWITCHED, values) or self._rows(job_sql.CLAIMED, claimed):
            raise _ChainMovedError

    @written
    def discard(self, lines: Sequence[SignatureRow]) -> None:
        """Journal signatures that were made for a look and thrown away."""
        self._journal_all(lines)
        self._insert(
            job_sql.ADD_DISCARDED, [{"kind": line.kind, "digest": line.digest} for line in lines]
        )

    def clear_staged(self) -> None:
        """Drop the second copies that switched jobs left, a page at a time."""
        while rows := self._rows(job_sql.CLEARED, {"count": PAGE}):
            self._unstage(rows)

    @written
    def _unstage(self, places: Sequence[tuple[Any, ...]]) -> None:
        self._each(job_sql.UNSTAGE, ({"job": job, "subject": subject} for job, subject in places))


def _lines(key_id: str, events: Sequence[Staged]) -> Iterator[dict[str, Any]]:
    """The journal's lines, in the order of its index."""
    for event_id, at in sorted((event.event_id, event.at) for event in events):
        yield {"key_id": key_id, "kind": "event", "digest": event_id, "at": at}
    for event in events:
        yield {"key_id": key_id, "kind": "receipt", "digest": event.record_digest, "at": event.at}


def ended() -> ConflictError:
    """The refusal to go on with a job that has ended."""
    return ConflictError("the job has ended meanwhile", code="job.ended")


def unsigned_left() -> ConflictError:
    """The refusal to switch a job that has records without a staged event."""
    return ConflictError(
        "records of the job are not signed yet",
        code="job.unsigned",
        hint="`pith reissue resume` signs them",
    )
