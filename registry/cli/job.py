"""pith job."""

from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

from registry.cli import _output
from registry.cli._boundary import complain, exit_code, note
from registry.cli._options import AsJson, Home, PastRotation, open_desk
from registry.cli._progress import Progress, time_left
from registry.cli.main import example, group

if TYPE_CHECKING:
    from registry.services.desk import Desk
    from registry.services.jobs import Described
    from registry.store.shards import Job

HIGHEST: Final = 2**63 - 1
"""The highest number that a database gives a job."""
Number: TypeAlias = Annotated[
    int, typer.Argument(metavar="JOB", min=1, max=HIGHEST, help="The number of the job.")
]
app = group("Jobs over many records, which lie in the store: many processes may work at one.")


@app.command("list", epilog=example("pith job list"))
def list_(context: typer.Context, as_json: AsJson = False, home: Home = None) -> None:
    """Print every job, oldest first: its number, kind, state and how far it is."""
    from registry.services.jobs import described

    desk = open_desk(context, home)
    for job in desk.store.list_jobs():
        found = described(desk, job)
        if as_json:
            _output.json_line(found.to_json())
        else:
            begun = job.begun_at.seconds
            ended = "" if job.ended_at is None else f" to {job.ended_at.seconds}"
            _output.lines([f"{job.job}  {job.kind}  {job.state}  {_counts(found)}  {begun}{ended}"])


def _counts(found: "Described") -> str:
    return f"{found.done:,} of {found.records:,}"


@app.command(epilog=example("pith job status 1"))
def status(
    context: typer.Context,
    job: Number,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Print how far a job is: its records and shards, the rate and the time left."""
    from registry.services.job_work import find_job
    from registry.services.jobs import described

    desk = open_desk(context, home)
    found = described(desk, find_job(desk, job))
    if as_json:
        _output.json_line(found.to_json())
        return
    shards = found.shards
    verb = "minted" if found.job.kind == "mint" else "signed"
    before = f", {found.done - found.new:,} minted before" if found.job.kind == "mint" else ""
    rest = f"{found.left:,} left"
    if found.job.state == "abandoned":
        rest = f"{found.records - found.done:,} given up"
    _output.lines(
        [
            f"job      {found.job.job}, {found.job.kind}",
            f"state    {found.job.state}",
            f"records  {found.records:,}: {found.new:,} {verb}{before}, {rest}",
            f"shards   {shards.done} done, {shards.held} held, {shards.open - shards.held} open",
        ]
    )
    if found.left and found.rate:
        _output.lines(
            [f"rate     {found.rate:,.0f}/s, {time_left(found.left, found.rate)} at that rate"]
        )


@app.command(epilog=example("pith job resume 1"))
def resume(
    context: typer.Context,
    job: Number,
    past_rotation: PastRotation = None,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Do all that is left of a job, and wait for what other processes hold of it."""
    return _work(context, home, job, None, past_rotation, as_json=as_json)


@app.command(epilog=example("pith job work --shards 8"))
def work(
    context: typer.Context,
    job: Annotated[
        int | None,
        typer.Argument(
            metavar="[JOB]", min=1, max=HIGHEST, help="The job; else all, oldest first."
        ),
    ] = None,
    shards: Annotated[
        int | None, typer.Option("--shards", metavar="N", min=1, help="Stop after so many shards.")
    ] = None,
    past_rotation: PastRotation = None,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Take shards of jobs and do them, one after another, until all are done.

    Run it as often as there are cores, on as many machines as have the store and the key.
    A process that is killed loses nothing: another takes its shard over. Without --shards
    it also waits for what others hold, so that it can.
    """
    return _work(context, home, job, shards, past_rotation, as_json=as_json)


@app.command(epilog=example("pith job abandon 1"))
def abandon(
    context: typer.Context,
    job: Number,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Give up what is left of a mint job: nobody works at it any more.

    What is minted stays minted, and a shard that some process is just at may still be. The
    input of the rest is dropped; fill a new job to mint it after all. A reissue is given up
    by the next `pith reissue plan`.
    """
    from registry.services.job_work import abandon as abandoned

    desk = open_desk(context, home)
    _told(desk, abandoned(desk, job, at=desk.clock()), as_json=as_json)


def _work(
    context: typer.Context,
    home: "Home",
    job: int | None,
    shards: int | None,
    past_rotation: str | None,
    *,
    as_json: bool,
) -> int:
    from registry.services.job_work import open_jobs, work
    from registry.services.jobs import described

    desk = open_desk(context, home)
    jobs = open_jobs(desk, job)
    signer = desk.signer(desk.clock(), past_rotation)
    code = done = new = 0
    with Progress("done", sum(described(desk, each).left for each in jobs)) as shown:
        for step in work(desk, signer, jobs, clock=desk.clock, most=shards):
            done, new = done + step.records, new + step.new
            shown.add(step.records)
            for number, error in step.refused:
                complain(error, f"{number} is minted without its snapshot: ")
                code = code or exit_code(error)
    note(f"{done:,} done here, {new:,} of them new")
    for each in jobs:
        _told(desk, each, as_json=as_json)
    return code


def _told(desk: "Desk", job: "Job", *, as_json: bool) -> None:
    from registry.services.job_work import find_job
    from registry.services.jobs import described

    found = described(desk, find_job(desk, job.job))
    if found.job.state == "abandoned":
        note(f"job {job.job} is abandoned: {found.done:,} of {found.records:,} are minted")
    elif found.left:
        note(f"job {job.job}: {found.left:,} of {found.records:,} left")
    elif found.job.kind == "mint":
        note(f"job {job.job} is done: {found.new:,} minted, {found.done - found.new:,} before")
    else:
        note(f"job {job.job} is signed; `pith reissue sample 100`, then `pith reissue switch`")
    if as_json:
        _output.json_line(found.to_json())
