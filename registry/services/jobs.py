"""How far jobs are."""

from dataclasses import dataclass

from registry.protocol.canonical import JsonObject
from registry.services.desk import Desk
from registry.services.reissue_run import progress
from registry.store.shards import Counted, Job


@dataclass(frozen=True, slots=True)
class Described:
    """A job and how far it is. ``records`` are those it is over, ``done`` those that are
    stored or staged, ``new`` how many of these were not minted before; ``rate`` is records
    a second of late, 0.0 where it is not known."""

    job: Job
    shards: Counted
    records: int
    done: int
    new: int
    rate: float

    @property
    def left(self) -> int:
        """How many records are to be done."""
        return self.records - self.done if self.job.state in ("planned", "running") else 0

    def to_json(self) -> JsonObject:
        """What is said of it, for ``--json``."""
        job, shards = self.job, self.shards
        return {
            "job": job.job,
            "kind": job.kind,
            "state": job.state,
            "digest": job.digest.hex() or None,
            "begun_at": job.begun_at.seconds,
            "ended_at": None if job.ended_at is None else job.ended_at.seconds,
            "records": self.records,
            "done": self.done,
            "new": self.new,
            "before": self.done - self.new,
            "left": self.left,
            "shards": {"open": shards.open - shards.held, "held": shards.held, "done": shards.done},
            "rate": round(self.rate),
        }


def described(desk: Desk, job: Job) -> Described:
    """A job, from what is stored."""
    shards = desk.store.count_shards(job.job)
    if job.kind == "mint":
        counts = shards.records, shards.done_records, shards.made
        return Described(job, shards, *counts, shards.rate if job.state == "running" else 0.0)
    found = progress(desk, job)
    return Described(job, shards, found.receipts, found.signed, found.signed, found.rate)
