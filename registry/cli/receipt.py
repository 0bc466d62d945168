"""pith receipt."""

import typer

from registry.cli import _output
from registry.cli._options import AsJson, Home, Number, Output, open_desk
from registry.cli.main import example, group
from registry.protocol.bundle import served_bytes

app = group("Receipts: what the registry signed about a record.")


@app.command(epilog=example("pith receipt show arxiv:2401.00001"))
def show(context: typer.Context, number: Number, home: Home = None) -> None:
    """Print the current receipt of a record as one line of JSON."""
    from registry.services.find import find_record
    from registry.services.mint import receipt_of

    desk = open_desk(context, home)
    _output.json_line(receipt_of(desk, find_record(desk, number)).to_json())


@app.command("list", epilog=example("pith receipt list"))
def list_(context: typer.Context, as_json: AsJson = False, home: Home = None) -> None:
    """Print number, key and time of every record's current receipt."""
    from registry.services.mint import receipt_of

    desk = open_desk(context, home)
    for record in desk.store.records():
        receipt = receipt_of(desk, record)
        if as_json:
            _output.json_line({"pith_number": str(record.number), "receipt": receipt.to_json()})
        else:
            _output.lines([f"{record.number}  {receipt.key_id}  {receipt.signed_at.micro_text}"])


@app.command(epilog=example("pith receipt export arxiv:2401.00001 -o receipt.json"))
def export(
    context: typer.Context, number: Number, output: Output = None, home: Home = None
) -> None:
    """Write the current receipt of a record as published bundles lay it out.

    `pith verify RECEIPT --record RECORD` checks it.
    """
    from registry.services.find import find_record
    from registry.services.mint import receipt_of

    desk = open_desk(context, home)
    receipt = receipt_of(desk, find_record(desk, number))
    _output.document(served_bytes(receipt.to_json()), output)
