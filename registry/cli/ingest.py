"""pith ingest."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import _output
from registry.cli._boundary import note
from registry.cli._options import AsJob, AsJson, Home, PastRotation, open_desk
from registry.cli.main import example, group
from registry.errors import PithError, UsageError

if TYPE_CHECKING:
    from registry.cli._rows_to_mint import RowsToMint

app = group("Take in what sources of papers give away.")
PAGE = 1000


@app.callback()
def _ingest() -> None:
    """Take in what sources of papers give away."""


@app.command(
    epilog=example(
        "pith ingest arxiv snapshot.jsonl --graphs graphs.jsonl \\",
        "  --rejects rejects.jsonl > records.jsonl",
    )
)
def arxiv(
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="The Kaggle snapshot (JSONL), OAI-PMH arXivRaw or the Atom API's feeds (XML); "
            "plain, gzip or zstd; - for stdin.",
        ),
    ],
    format: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="NAME", help="kaggle, arxivraw or atom (else told by the content)."
        ),
    ] = None,
    license: Annotated[
        str | None,
        typer.Option("--license", metavar="URL", help='For Atom: the licence of all, "" for none.'),
    ] = None,
    licenses_from: Annotated[
        str | None,
        typer.Option(
            "--licenses-from",
            metavar="FILE",
            help="For Atom: a snapshot or arXivRaw that has the licences of the same versions.",
        ),
    ] = None,
    graphs: Annotated[
        Path | None,
        typer.Option(
            "--graphs",
            metavar="FILE",
            help="Write the input of a graph snapshot for each record, line for line.",
        ),
    ] = None,
    rejects: Annotated[
        Path | None,
        typer.Option("--rejects", metavar="FILE", help="Write refused rows there, not to stderr."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=0, metavar="N", help="Read N rows and no more.")
    ] = None,
    mint: Annotated[
        bool, typer.Option("--mint", help="Mint the records, and sign their graph snapshots.")
    ] = False,
    job: AsJob = False,
    as_json: AsJson = False,
    past_rotation: PastRotation = None,
    home: Home = None,
) -> int:
    """Make canonical records of arXiv's metadata: the latest version of each paper.

    Prints the records, one a line, or with --mint their numbers (with --json what `pith
    mint --json` prints, and the snapshot's id). A refused row does not stop the rest; the
    exit code is of the first one's class. With --job it signs nothing and prints the number
    of a job that mints them: `pith job work`. Without both it needs no home and no key.
    Where --mint was stopped, the same command goes on with what is missing.
    """
    from registry.cli._rows import Rows, output
    from registry.cli._rows_to_mint import RowsToMint

    if (mint or job) and graphs is not None:
        raise UsageError("--mint signs the graphs: leave out --graphs", code="usage.together")
    if mint and job:
        raise UsageError("--job mints later: leave out --mint", code="usage.together")
    if graphs is not None and graphs == rejects:
        raise UsageError("--graphs and --rejects are one file", code="usage.together")
    read = [*files, licenses_from] if licenses_from is not None else files
    with ExitStack() as stack:
        beside = stack.enter_context(output(graphs, read)) if graphs is not None else None
        rows = stack.enter_context(
            (RowsToMint if mint or job else Rows)(
                files,
                named=format,
                license=license,
                licenses_from=licenses_from,
                rejects=rejects,
                limit=limit,
                with_papers=beside is not None,
                verb="minted" if mint else "read",
            )
        )
        if isinstance(rows, RowsToMint):
            if job:
                return _filled(context, rows, as_json, home)
            return _minted(context, rows, as_json, past_rotation, home)
        for page in rows.pages(PAGE):
            _output.raw(b"".join(each.record + b"\n" for _, each in page))
            if beside is not None:
                beside.write(b"".join(each.paper + b"\n" for _, each in page))
    return rows.exit


def _filled(context: typer.Context, rows: "RowsToMint", as_json: bool, home: Path | None) -> int:
    from registry.cli.mint import filled

    desk = open_desk(context, home)
    filled(desk, rows.to_mint(desk.config.mint_batch), rows.taken, as_json=as_json)
    return rows.exit


def _minted(
    context: typer.Context,
    rows: "RowsToMint",
    as_json: bool,
    past_rotation: str | None,
    home: Path | None,
) -> int:
    from registry.cli.mint import finished_before, told, warn_future
    from registry.services.minting import mint_rows

    desk = open_desk(context, home)
    now = desk.clock()
    signer = desk.signer(now, past_rotation)
    code = finished_before(desk, signer, now)
    new = old = 0
    for page in mint_rows(desk, signer, rows.to_mint(desk.config.mint_batch), clock=desk.clock):
        passed = list(rows.taken(page))
        warn_future(passed, desk.clock())
        if as_json:
            for each in passed:
                found = None if isinstance(each.snapshot, PithError) else each.snapshot
                _output.json_line(told(each, desk) | {"graph_snapshot": found})
        else:
            _output.lines([str(each.number) for each in passed])
        fresh = sum(each.new for each in passed)
        new, old = new + fresh, old + len(passed) - fresh
    note(f"{new:,} minted, {old:,} minted before")
    return code or rows.exit
