"""pith number: pure, without home or key."""

from typing import Annotated

import typer

from registry.cli import _output
from registry.cli._batch import AsStrict, Batch
from registry.cli._options import AsJson
from registry.cli.main import example, group
from registry.protocol.canonical import JsonObject, canonical
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
    batch = Batch(files, strict, _described_line if as_json else _number_line, parallel=True)
    for page in batch.pages(1000):
        _output.lines(page)
    return batch.exit


def _number_line(data: bytes) -> str:
    return str(Record.parse(data).number)


def _described_line(data: bytes) -> str:
    return canonical(described(Record.parse(data))).decode()


def described(record: Record) -> JsonObject:
    """The names of a record for ``--json``."""
    number = record.number
    return {
        "pith_number": str(number),
        "short_pith_number": number.short,
        "canonical_sha256": record.sha256,
        "aliases": [{"alias_kind": k, "alias_value": v} for k, v in record.aliases()],
    }
