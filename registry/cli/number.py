"""pith number: pure, without home or key."""

from typing import Annotated

import typer

from registry.cli import _output
from registry.cli._batch import AsStrict, Batch
from registry.cli._options import AsJson
from registry.cli.main import example, group
from registry.protocol.canonical import JsonObject
from registry.protocol.record import Record

app = group("Name canonical records.")


@app.command(epilog=example("pith number record.json"))
def number(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="JSON or JSONL files, - for stdin.")
    ],
    as_json: AsJson = False,
    strict: AsStrict = False,
) -> int:
    """Print the pith number of each canonical record, without minting it.

    Needs no home, key or network. A line that is refused is reported with its
    number and the others go on.
    """
    batch = Batch(files, strict)
    for page in batch.pages(1000):
        if as_json:
            for record in page:
                _output.json_line(described(record))
        else:
            _output.lines([str(record.number) for record in page])
    return batch.exit


def described(record: Record) -> JsonObject:
    """The names of a record for ``--json``."""
    number = record.number
    return {
        "pith_number": str(number),
        "short_pith_number": number.short,
        "canonical_sha256": record.sha256,
        "aliases": [{"alias_kind": k, "alias_value": v} for k, v in record.aliases()],
    }
