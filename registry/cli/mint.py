"""pith mint."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli import _output
from registry.cli._batch import AsStrict
from registry.cli._boundary import complain, exit_code, note
from registry.cli._options import AsJob, AsJson, Home, PastRotation, open_desk
from registry.cli._progress import Progress
from registry.cli.main import example, group
from registry.cli.number import described
from registry.errors import PithError
from registry.protocol.canonical import JsonObject
from registry.protocol.checks import counted
from registry.protocol.instant import Instant

if TYPE_CHECKING:
    from registry.services.desk import Desk
    from registry.services.minting import Passed, Work
    from registry.signing.signer import Signer

app = group("Mint records.")


def warn_future(page: "list[Passed]", at: Instant) -> None:
    """A number keeps its year for ever: say when that year is of a time to come."""
    for each in page:
        if each.submitted_at > at:
            note(
                f"warning: {each.source_id} was submitted {each.submitted_at.seconds}, which "
                f"is in the future; its number is {each.number}"
            )


def finished_before(desk: "Desk", signer: "Signer", at: Instant) -> int:
    """Finish what interrupted commands claimed, tell what came of it, and give the exit code of
    the first that could not be."""
    from registry.services.mint import finish_interrupted

    code = finished = 0
    with Progress("finished", desk.store.count_intents()) as progress:
        for outcome in finish_interrupted(desk, signer, at=at):
            progress.add(1)
            if isinstance(outcome, PithError):
                complain(outcome, "a claim of an interrupted command stays open: ")
                code = code or exit_code(outcome)
            else:
                finished += 1
    if finished:
        note(f"finished {counted(finished, 'claim')} of interrupted commands")
    return code


def told(passed: "Passed", desk: "Desk") -> JsonObject:
    """A minted record for ``--json``."""
    receipt = passed.receipt(desk).to_json()
    return described(passed.record) | {"receipt": receipt, "new": passed.new}


def filled(
    desk: "Desk",
    work: "Iterable[tuple[Work[Any], Sequence[Any]]]",
    taken: "Callable[[list[Passed | PithError]], Iterator[Passed]]",
    *,
    as_json: bool,
) -> None:
    """Make a mint job of pages and print its number; *taken* tells what was refused of one."""
    from registry.services.job_fill import Filling
    from registry.services.jobs import described

    filling = Filling(desk, at=desk.clock())
    for page in filling.fill(work):
        warn_future(list(taken(page)), desk.clock())
    if filling.job is None:
        note("no record was accepted: there is no job")
        return
    found = described(desk, filling.job)
    note(f"{found.records:,} records; nothing is signed yet: `pith job work` does")
    if as_json:
        _output.json_line(found.to_json())
    else:
        _output.lines([str(found.job.job)])


@app.command(epilog=example("pith mint records.jsonl --json > receipts.jsonl"))
def mint(
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Canonical records: JSON or JSONL, - for stdin."),
    ],
    as_json: AsJson = False,
    strict: AsStrict = False,
    job: AsJob = False,
    past_rotation: PastRotation = None,
    home: Home = None,
) -> int:
    """Mint canonical records: store each, sign its receipt and its record_created event.

    Prints the numbers, or with --json a line each with number, aliases, receipt and
    whether it is new. A record minted before keeps its number and receipt. A refused
    line is reported with its number and does not stop the rest unless --strict. With --job
    nothing is signed yet: it prints the number of a job for `pith job work`. Where it was
    stopped, the same command goes on with what is missing.
    """
    from registry.cli._batch_to_mint import BatchToMint
    from registry.services.minting import mint_rows

    desk = open_desk(context, home)
    batch = BatchToMint(files, strict)
    work = batch.to_mint(desk.config.mint_batch)
    if job:
        with Progress("read") as progress:

            def taken(page: "list[Passed | PithError]") -> "Iterator[Passed]":
                progress.add(len(page), batch.share)
                return batch.taken(page)

            filled(desk, work, taken, as_json=as_json)
        return batch.exit
    now = desk.clock()
    signer = desk.signer(now, past_rotation)
    batch.exit = finished_before(desk, signer, now)
    new = old = 0
    with Progress("minted") as progress:
        for page in mint_rows(desk, signer, work, clock=desk.clock):
            passed = list(batch.taken(page))
            warn_future(passed, desk.clock())
            if as_json:
                for each in passed:
                    _output.json_line(told(each, desk))
            else:
                _output.lines([str(each.number) for each in passed])
            fresh = sum(each.new for each in passed)
            new, old = new + fresh, old + len(passed) - fresh
            progress.add(len(passed), batch.share)
    note(f"{new:,} minted, {old:,} minted before")
    return batch.exit
