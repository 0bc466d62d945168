"""pith reissue."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from registry.cli import _output
from registry.cli._batch import Batch
from registry.cli._boundary import note
from registry.cli._input import opened
from registry.cli._options import AsJson, Home, PastRotation, Yes, confirmed, open_desk
from registry.cli._progress import Progress, time_left
from registry.cli.main import example, group
from registry.errors import MalformedError, UsageError
from registry.protocol.checks import counted
from registry.protocol.number import PithNumber
from registry.protocol.record import Record

if TYPE_CHECKING:
    from registry.services.desk import Desk
    from registry.services.reissue_run import Progressed
    from registry.store.shards import Job

app = group("Issue receipts again with the key that signs now: a job, planned and switched.")
Limit: TypeAlias = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=1, help="Stop after so many.")
]
Canary: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--canary", metavar="N", min=1, help="Sign so many, verify each as a stranger, and stop."
    ),
]


@app.command(
    epilog=example("pith reissue plan --old lab-v1-2026-11 --reason rotation > digest.txt")
)
def plan(
    context: typer.Context,
    old: Annotated[
        str, typer.Option("--old", metavar="KEY_ID", help="The key whose receipts they are.")
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the plan.")],
    numbers: Annotated[
        str | None,
        typer.Option("--numbers", metavar="FILE", help="Only these pith numbers, one a line."),
    ] = None,
    derived: Annotated[
        str | None,
        typer.Option(
            "--derived", metavar="FILE", help="Canonical records made again from their sources."
        ),
    ] = None,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Freeze which receipts are issued again, and print the plan's digest.

    All receipts of our own journal under --old, each verified again. One that the key set
    calls neither valid nor proven is left out, unless its record is in --derived: it gets
    a new date, because the new key vouches for no date it did not see. Nothing is signed.
    """
    from registry.services.reissue_plan import plan_reissue
    from registry.services.reissue_run import progress

    desk = open_desk(context, home)
    batch = Batch([derived] if derived else [], False, Record.parse, parallel=True)
    records = (record for page in batch.pages(1_000) for record in page)
    listed = None if numbers is None else _numbers(numbers)
    with Progress("planned") as going:
        job = plan_reissue(
            desk,
            old,
            reason,
            numbers=listed,
            derived=records,
            at=desk.clock(),
            told=going.add,
        )
    found = progress(desk, job)
    note(f"{found.receipts:,} receipts will be issued again, {found.left_out:,} are left out")
    if found.left_out:
        note("hint: `pith reissue status --left-out` lists them; --derived FILE takes them in")
    note("nothing is signed yet: `pith reissue run DIGEST` accepts the plan")
    if as_json:
        _output.json_line(_described(desk, job, found))
    else:
        _output.lines([job.digest.hex()])
    return batch.exit


def _numbers(path: str) -> Iterator[PithNumber]:
    with opened(path) as file:
        for place, line in enumerate(file, start=1):
            if text := line.strip():
                try:
                    yield PithNumber.parse(text.decode(errors="replace"))
                except MalformedError as error:
                    raise MalformedError(
                        f"line {place}: {error.message}", code=error.code, hint=error.hint
                    ) from None


@app.command(epilog=example('pith reissue run "$DIGEST" --canary 2'))
def run(
    context: typer.Context,
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="The digest of the plan.")],
    limit: Limit = None,
    canary: Canary = None,
    past_rotation: PastRotation = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Accept a plan and sign it. What is signed is staged: nobody sees it before the switch.

    May be stopped or killed at any time: `pith reissue resume` goes on, and makes no
    signature twice.
    """
    if re.fullmatch("[0-9a-f]{64}", digest, re.ASCII) is None:
        raise UsageError(
            "the digest of a plan is 64 lower-case hex digits",
            code="usage.digest",
            hint="`pith reissue plan` printed it",
        )
    desk = open_desk(context, home)
    _run(desk, bytes.fromhex(digest), limit, canary, past_rotation, as_json=as_json)


@app.command(epilog=example("pith reissue resume --limit 1000"))
def resume(
    context: typer.Context,
    limit: Limit = None,
    canary: Canary = None,
    past_rotation: PastRotation = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Go on with a run that was accepted and stopped."""
    from registry.services.reissue_run import accepted_job

    desk = open_desk(context, home)
    _run(desk, accepted_job(desk).digest, limit, canary, past_rotation, as_json=as_json)


def _run(
    desk: "Desk",
    digest: bytes,
    limit: int | None,
    canary: int | None,
    past_rotation: str | None,
    *,
    as_json: bool,
) -> None:
    from registry.services.reissue_run import open_job, progress, run
    from registry.services.reissue_switch import sample

    if limit is not None and canary is not None:
        raise UsageError("give --limit or --canary, not both", code="usage.missing")
    job = open_job(desk, digest)
    before = progress(desk, job)
    signer = desk.signer(desk.clock(), past_rotation)
    looked_at: list[str] = []
    total = min(before.left, limit or canary or before.left)
    with Progress("signed", total) as shown:
        for subjects in run(desk, signer, job, clock=desk.clock, limit=canary or limit):
            shown.add(len(subjects))
            if canary is not None:
                looked_at += subjects
    found = progress(desk, open_job(desk, digest))
    note(f"{found.signed - before.signed:,} signed now, {found.left:,} left")
    if canary is not None:
        count = sample(desk, signer, found.job, looked_at, at=desk.clock())
        note(f"{count} of them verified as a stranger would; stopped for a person to look")
        note("hint: `pith reissue resume` signs the rest")
    elif not found.left:
        note("hint: `pith reissue sample 100` looks at some, `pith reissue switch` shows them all")
    if as_json:
        _output.json_line(_described(desk, found.job, found))


def _described(desk: "Desk", job: "Job", found: "Progressed") -> dict[str, Any]:
    from registry.services.reissue_plan import Frozen

    value = Frozen.of(job).value
    return {
        "digest": job.digest.hex(),
        "plan": value,
        "state": job.state,
        "receipts": found.receipts,
        "left_out": found.left_out,
        "signed": found.signed,
        "left": found.left,
        "rate": round(found.rate),
        "verdicts": [
            {"verdict": verdict, "left_out": why, "count": count}
            for verdict, why, count in desk.store.count_items(job.job)
        ],
    }


@app.command(epilog=example("pith reissue status"))
def status(
    context: typer.Context,
    left_out: Annotated[
        bool,
        typer.Option("--left-out", help="List what is not issued again, with verdict and why."),
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Print the plan, how much of it is signed, the rate of the last run and the time left."""
    from registry.services.reissue_run import open_job, progress

    desk = open_desk(context, home)
    job = open_job(desk)
    if left_out:
        for number, verdict, why in desk.store.left_out(job.job):
            if as_json:
                _output.json_line({"pith_number": str(number), "verdict": verdict, "why": why})
            else:
                _output.lines([f"{number}  {verdict}  {why}"])
        return
    found = progress(desk, job)
    value = _described(desk, job, found)
    if as_json:
        _output.json_line(value)
        return
    frozen = value["plan"]
    _output.lines(
        [
            f"digest    {value['digest']}",
            f"state     {job.state}",
            f"keys      {frozen['old_key']['key_id']} to {frozen['new_key']['key_id']}",
            f"receipts  {found.receipts:,} to issue again, {found.left_out:,} left out",
            f"signed    {found.signed:,}, {found.left:,} left",
        ]
    )
    if found.left and found.rate:
        _output.lines(
            [f"rate      {found.rate:,.0f}/s, {time_left(found.left, found.rate)} at that rate"]
        )


@app.command(epilog=example("pith reissue sample 2"))
def sample(
    context: typer.Context,
    count: Annotated[int, typer.Argument(metavar="N", min=1, help="How many to look at.")],
    past_rotation: PastRotation = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Verify some at random as a stranger would: build each bundle, examine it, throw it away."""
    from registry.app import draw
    from registry.services.reissue_run import open_job
    from registry.services.reissue_switch import drawn, sample

    desk = open_desk(context, home)
    job = open_job(desk)
    at = desk.clock()
    signer = desk.signer(at, past_rotation)
    looked = sample(desk, signer, job, drawn(desk, job, count, draw), at=at)
    if looked:
        note(f"{looked:,} looked at: every check of each is ok")
    else:
        note("nothing is signed yet, so nothing was looked at")
    if as_json:
        _output.json_line({"looked_at": looked})


@app.command(epilog=example("pith reissue switch --yes"))
def switch(
    context: typer.Context,
    yes: Yes = False,
    past_rotation: PastRotation = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Show the new receipts, all at once. The old ones stay in the history.

    A staged event whose chain moved meanwhile is made again first.
    """
    from registry.services.reissue_run import accepted_job, progress
    from registry.services.reissue_switch import switch

    desk = open_desk(context, home)
    job = accepted_job(desk)
    found = progress(desk, job)
    note(f"{found.signed} new receipts will be shown instead of the old ones")
    confirmed("switch", yes=yes)
    signer = desk.signer(desk.clock(), past_rotation)
    remade = switch(desk, signer, job, clock=desk.clock)
    note(
        f"switched; {counted(remade, 'event', 'was')} made again before, because a chain had moved"
    )
    if as_json:
        _output.json_line({"switched": found.signed, "made_again": remade})
