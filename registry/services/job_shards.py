"""Shards of a job, taken one after another by one of many processes."""

import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

from registry.services.desk import Desk
from registry.store.shards import Job, Shard

WAIT: Final = 0.2
"""Seconds after which a worker looks again for a shard whose holder has died."""


@dataclass
class Allowance:
    """How many more shards a worker takes; None is as many as there are."""

    left: int | None = None

    @property
    def spent(self) -> bool:
        """Whether it takes no more."""
        return self.left == 0

    def take(self) -> None:
        """One was taken."""
        if self.left is not None:
            self.left -= 1


def taken(desk: Desk, job: Job, allowance: Allowance) -> Generator[Shard]:
    """Open shards of a job, each held while the next is not asked for, until all are done.

    What other processes hold is waited for, because one of them may die: its shard is taken
    over then.
    """
    while not allowance.spent:
        with desk.store.take_shard(job.job) as shard:
            if shard is not None:
                allowance.take()
                yield shard
                continue
        if not desk.store.any_open(job.job):
            return
        time.sleep(WAIT)
