"""pith bundle."""

from pathlib import Path
from typing import Annotated

import typer

from registry.cli import _output
from registry.cli._options import Home, Number, Output, PastRotation, open_desk
from registry.cli.main import example, group
from registry.protocol.canonical import canonical

app = group("Signed bundles: all about one record, for anyone to verify offline.")


@app.callback()
def _bundle() -> None:
    """Signed bundles: all about one record, for anyone to verify offline."""


@app.command(epilog=example("pith bundle build arxiv:2401.00001 -o bundle.json"))
def build(
    context: typer.Context,
    number: Number,
    output: Output = None,
    evidence: Annotated[
        Path | None,
        typer.Option(
            "--evidence",
            metavar="FILE",
            help="Write the lists with which timestamps date the record's events and earlier "
            "bundles, for `pith verify --evidence`.",
        ),
    ] = None,
    past_rotation: PastRotation = None,
    home: Home = None,
) -> None:
    """Build, sign and examine the bundle of a record, and print it as it is served.

    The bytes are one line of JSON without a newline at the end. What is printed
    has passed every check of `pith verify`.
    """
    from registry.services.bundle import build_bundle
    from registry.services.find import find_record

    desk = open_desk(context, home)
    record = find_record(desk, number)
    at = desk.clock()
    bundle = build_bundle(desk, desk.signer(at, past_rotation), record, at=at)
    _output.document(bundle.to_bytes(), output)
    if evidence is not None:
        proofs = desk.store.checkpoints_of(record.number.suffix)
        _output.document(b"".join(canonical(each.to_json()) + b"\n" for each in proofs), evidence)
