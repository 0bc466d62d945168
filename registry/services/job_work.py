"""Work at jobs: take shards, do each with the ordinary path, and note that it is done."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from registry.errors import ConflictError, NotFoundError, PithError
from registry.protocol.instant import Instant
from registry.protocol.number import PithNumber
from registry.services.desk import Desk
from registry.services.job_fill import unpacked
from registry.services.job_shards import Allowance, taken
from registry.services.minting import Passed, mint_all
from registry.services.reissue_plan import Frozen
from registry.services.reissue_run import accepted, run
from registry.signing.signer import Signer
from registry.store.shards import Job


@dataclass(frozen=True, slots=True)
class Step:
    """What was just stored for a job: so many records, of which so many were new, and those
    whose snapshot was refused."""

    job: int
    records: int
    new: int
    refused: tuple[tuple[PithNumber, PithError], ...] = ()


def find_job(desk: Desk, job: int) -> Job:
    """A job by its number; NotFoundError ``job.none``."""
    found = desk.store.find_job(job)
    if found is None:
        raise NotFoundError(f"no job {job}", code="job.none", hint="`pith job list` shows them")
    return found


def open_jobs(desk: Desk, job: int | None) -> list[Job]:
    """The jobs that may be worked at, oldest first, or the one that is named. A reissue that
    was planned for a key that does not sign now stands in nobody's way.

    Raises NotFoundError ``job.none``, and for the one that is named ConflictError
    ``job.ended``, ``job.state`` while it is being filled, or ``reissue.digest`` while nobody
    has accepted its plan.
    """
    if job is not None:
        return [_checked(find_job(desk, job))]
    active = desk.active_key()
    found = [
        each
        for each in desk.store.list_jobs()
        if each.state == "running"
        and (each.kind == "mint" or Frozen.of(each).new_key == (active.key_id, active.key.hex))
    ]
    if not found:
        raise NotFoundError(
            "no job is to be worked at",
            code="job.none",
            hint="`pith mint FILE --job` makes one; `pith reissue run DIGEST` accepts a plan",
        )
    return found


def abandon(desk: Desk, job: int, *, at: Instant) -> Job:
    """Give up what is left of a mint job. What is minted stays minted, and a shard that a
    process is just at may still be.

    Raises NotFoundError ``job.none``, ConflictError ``job.ended``, and ``job.state`` for one
    that is being filled or a reissue.
    """
    found = find_job(desk, job)
    if found.kind == "reissue":
        raise ConflictError(
            f"job {job} is a reissue",
            code="job.state",
            hint="a new `pith reissue plan` takes its place, and gives up what it staged",
        )
    if not desk.store.abandon_mint(_checked(found).job, at=at):
        raise ConflictError(f"job {job} ended meanwhile", code="job.ended")
    return find_job(desk, job)


def _checked(job: Job) -> Job:
    if job.kind == "reissue":
        return accepted(job)
    if job.state == "making":
        raise ConflictError(
            f"job {job.job} is still being filled, or its filling was killed",
            code="job.state",
            hint="the next `pith mint FILE --job` clears away what was killed",
        )
    if job.state != "running":
        raise ConflictError(f"job {job.job} is {job.state}", code="job.ended")
    return job


def work(
    desk: Desk,
    signer: Signer,
    jobs: list[Job],
    *,
    clock: Callable[[], Instant],
    most: int | None = None,
) -> Iterator[Step]:
    """Take shards of jobs, at most so many in all, until all of each are done; gives what was
    stored.

    Before each shard the signer is checked again, because another machine may have stopped
    the key meanwhile. One that is killed loses nothing: another process, or the next call,
    takes its shard over, with the times that it claimed. Raises what `Desk.check_signer`,
    the signer and the store raise.
    """
    allowance = Allowance(most)
    for job in jobs:
        if allowance.spent:
            return
        if job.kind == "reissue":
            for subjects in run(desk, signer, job, clock=clock, allowance=allowance):
                yield Step(job.job, len(subjects), len(subjects))
        else:
            yield from _mint(desk, signer, job, clock, allowance)


def _mint(
    desk: Desk, signer: Signer, job: Job, clock: Callable[[], Instant], allowance: Allowance
) -> Iterator[Step]:
    began = clock()
    with closing(taken(desk, job, allowance)) as shards:
        for shard in shards:
            desk.check_signer(signer, clock(), since=began)
            made = 0
            for passed in mint_all(desk, signer, [unpacked(shard.body)], clock=clock):
                new = sum(each.new for each in passed)
                made += new
                yield Step(job.job, len(passed), new, _refused(passed))
            shard.done(made=made, at=clock())
    desk.store.end_if_done(job.job, at=clock())


def _refused(passed: list[Passed]) -> tuple[tuple[PithNumber, PithError], ...]:
    return tuple(
        (each.number, each.snapshot) for each in passed if isinstance(each.snapshot, PithError)
    )
