"""pith bundle."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import _output
from registry.cli._boundary import EXIT_CONFLICT, complain, exit_code, note
from registry.cli._input import read_bytes
from registry.cli._options import AsJson, Home, Number, Output, PastRotation, open_desk
from registry.cli._pins import Pins, authorities_of, trust_of
from registry.cli.main import example, group
from registry.errors import PithError, VerificationError, printable, shown
from registry.protocol.canonical import canonical
from registry.protocol.checks import counted
from registry.protocol.trust import Terms
from registry.services.timestamps import parse_proofs

if TYPE_CHECKING:
    from registry.services.importing import Taken

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


@app.command("import", epilog=example("pith bundle import bundle.json"))
def import_(
    context: typer.Context,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Bundles, ours or of others.")
    ],
    evidence: Annotated[
        list[str] | None,
        typer.Option("--evidence", metavar="FILE", help="Timestamps of what is in the bundles."),
    ] = None,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Verify bundles under the pins of the home, and take what they say that is new.

    Our own registry's bundles fill our graph: a registry is rebuilt from them. What other
    registries say is kept beside it, for `pith state show --registry NAME`. A bundle that
    lacks what was seen before is refused. What is unproven, invalid, from the future or
    contradicts what is held is kept apart (`pith event list --quarantined`), and importing
    it again decides anew. Exits with the class of the first bundle that was not all taken.
    """
    from registry.services.importing import Verifier, import_bundle

    desk = open_desk(context, home)
    trust = trust_of(context, None, home)
    proofs = [proof for path in evidence or () for proof in parse_proofs(read_bytes(path))]
    authorities = authorities_of(None, trust.authority)
    code = 0
    for path in files:
        terms = Terms(trust.pins, desk.clock(), trust.max_ahead)
        try:
            taken = import_bundle(
                desk, Verifier(terms, proofs, authorities), path, read_bytes(path)
            )
        except PithError as error:
            complain(error, f"{printable(path)}: ")
            code = code or exit_code(error)
            continue
        _tell(path, taken, as_json=as_json)
        if taken.quarantined:
            code = code or exit_code(VerificationError("", code=""))
    return code


def _tell(path: str, taken: "Taken", *, as_json: bool) -> None:
    for row in taken.quarantined:
        note(
            f"{printable(path)}: {row.kind} {row.name} is {row.verdict} and kept apart: "
            f"{row.reason} [{row.code}]"
        )
    if as_json:
        _output.json_line(
            {
                "pith_number": str(taken.record.number),
                "registry": taken.registry,
                "new": [event.event_id for event in taken.new],
                "known": taken.known,
                "quarantined": [row.name for row in taken.quarantined],
            }
        )
    else:
        _output.lines([f"{taken.record.number}  {taken.registry}  {len(taken.new)} new"])


@app.command(epilog=example("pith bundle merge mine.json theirs.json -o merged.json"))
def merge(
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Bundles of our own registry about one record."),
    ],
    output: Output = None,
    past_rotation: PastRotation = None,
    home: Home = None,
) -> int:
    """Take all events of our own bundles about one record, and sign a new bundle of them.

    Each is verified and taken as by `pith bundle import`, all at once, and the new
    bundle is built as by `pith bundle build`. A registry signs only its own: what other
    registries say is taken by `pith bundle import` and stays theirs.
    """
    from registry.services.bundle import build_bundle
    from registry.services.importing import Verifier, merge_bundles

    desk = open_desk(context, home)
    trust = trust_of(context, None, home)
    at = desk.clock()
    signer = desk.signer(at, past_rotation)
    terms = Terms(trust.pins, at, trust.max_ahead)
    verifier = Verifier(terms, authorities=authorities_of(None, trust.authority))
    taken = merge_bundles(desk, verifier, [(path, read_bytes(path)) for path in files])
    for row in taken.quarantined:
        note(f"{row.kind} {row.name} is {row.verdict} and left out: {row.reason} [{row.code}]")
    note(f"{counted(len(taken.new), 'event', 'was')} new here")
    bundle = build_bundle(desk, signer, taken.record, at=at)
    _output.document(bundle.to_bytes(), output)
    return exit_code(VerificationError("", code="")) if taken.quarantined else 0


@app.command(epilog=example("pith bundle diff mine.json theirs.json"))
def diff(
    context: typer.Context,
    a: Annotated[str, typer.Argument(metavar="A", help="A bundle.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    pin: Pins = None,
    exit_code_: Annotated[
        bool, typer.Option("--exit-code", help="Exit 6 when the bundles differ.")
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Say how two bundles differ, verified or not, and whether each verifies.

    One line a difference: - only in A, + only in B, ~ changed. Prints nothing but the
    heads when they say the same. Exits 0 either way, unless --exit-code is given.
    """
    from registry.app import now
    from registry.services.comparing import compare

    trust = trust_of(context, pin, home)
    terms = Terms(trust.pins, now(), trust.max_ahead)
    found = compare(read_bytes(a), read_bytes(b), terms)
    if as_json:
        _output.json_line(found.to_json())
    else:
        for name, path, report in (("A", a, found.a), ("B", b, found.b)):
            error = report.failure
            told = f"does not verify: {error} [{error.code}]" if error else "verifies"
            note(f"{name} is {shown(path)}: it {told}")
        _output.lines(found.lines())
        note(counted(len(found.differences), "difference"))
    return EXIT_CONFLICT if exit_code_ and found.differences else 0
