"""pith evidence."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from registry.cli import _output
from registry.cli._boundary import EXIT_CONFLICT, complain, exit_code, note
from registry.cli._input import documents, read_bytes
from registry.cli._options import AsJson, Home, Output, open_desk
from registry.cli._pins import Pins, given_pins, trust_of
from registry.cli._report import report_lines
from registry.cli.main import example, group
from registry.errors import PithError, VerificationError, printable
from registry.protocol.checks import counted
from registry.protocol.strict_json import LARGE
from registry.protocol.trust import Terms

if TYPE_CHECKING:
    from registry.protocol.equivocation import Contradiction

app = group("Evidence that a signer contradicts itself.")
Files: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FILE...]",
        help="Bundles, events, key sets, one or many a file; else what imports found here.",
    ),
]


@app.command(epilog=example("pith evidence find mine.json theirs.json"))
def find(
    context: typer.Context,
    files: Files = None,
    pin: Pins = None,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Look for equivocation: two events of one signer after the same one, two key sets of
    one version, and under a pinned key set a second chain on one record.

    A file that cannot be read is named, and the others are looked through all the same. Only
    valid signatures count. Prints the digest of each contradiction, what it is and whose;
    --json prints the evidence itself. Exits 6 when there is any.
    """
    refused: list[PithError] = []
    found = _found(context, files, pin, home, refused)
    for each in found:
        if as_json:
            _output.json_line(each.to_json())
        else:
            whose = f"{printable(each.signer_id)}  {each.subject or 'key sets'}"
            _output.lines([f"{each.digest.hex()}  {each.kind}  {whose}"])
    note(f"{counted(len(found), 'contradiction')} found")
    if found:
        return EXIT_CONFLICT
    return exit_code(refused[0]) if refused else 0


def _found(
    context: typer.Context,
    files: list[str] | None,
    pin: list[str] | None,
    home: Path | None,
    refused: list[PithError],
) -> "Sequence[Contradiction]":
    from registry.app import now
    from registry.services.contradictions import find_contradictions, held_contradictions

    if not files:
        return held_contradictions(open_desk(context, home))
    pins = trust_of(context, pin, home).pins

    def refuse(error: PithError) -> None:
        complain(error)
        refused.append(error)

    def read() -> Iterator[tuple[str, bytes]]:
        for path in files:
            try:
                for item in documents(path, LARGE.max_bytes):
                    yield item.where, item.data
            except PithError as error:
                refuse(error)

    return find_contradictions(read(), pins, at=now(), refused=refuse)


@app.command(
    epilog=example("pith evidence export $EVIDENCE seen.json signed.json -o evidence.json")
)
def export(
    context: typer.Context,
    digest: Annotated[
        str,
        typer.Argument(metavar="DIGEST", help="As `find` prints it, 8 digits or more."),
    ],
    files: Files = None,
    pin: Pins = None,
    output: Output = None,
    home: Home = None,
) -> None:
    """Write one contradiction as a file that proves itself: both signed objects, the keys
    they are checked with, and why they contradict each other."""
    from registry.services.contradictions import named

    _output.document(named(_found(context, files, pin, home, []), digest).canonical, output)


@app.command(epilog=example("pith evidence verify evidence.json"))
def verify(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Evidence, - for stdin.")],
    pin: Pins = None,
    as_json: AsJson = False,
) -> int:
    """Check that both objects are signed by the keys beside them, and contradict each other.

    Nothing else is needed. Whose the keys are, the file cannot prove: compare them with the
    signer's by another way, or give --pin, and the check trust.pin is made too.
    """
    from registry.app import now
    from registry.protocol.equivocation_checks import examine_evidence

    report = examine_evidence(read_bytes(file), Terms(tuple(given_pins(pin or [])), now()))
    if as_json:
        _output.json_line(report.to_json())
    else:
        _output.lines(report_lines(report))
    if not report.ok:
        error = report.failure or VerificationError("a check was skipped", code="checks.skipped")
        complain(error, "refused, evidence: ")
        return exit_code(error)
    who = printable(report.registry)
    if pin:
        note(f"proved: {who} contradicts itself")
    else:
        note("whoever holds these keys contradicts himself")
        note(f"that they are keys of {who} is for you to compare: --pin says whose keys you know")
    return 0
