"""pith verify."""

from pathlib import Path
from typing import Annotated

import typer

from registry.cli import _output
from registry.cli._boundary import complain, exit_code, note
from registry.cli._explain import explained
from registry.cli._input import read_bytes
from registry.cli._options import AsJson, Home
from registry.cli._pins import Pins, authorities_of, trust_of
from registry.cli._report import report_lines
from registry.cli._verify_many import is_many, verify_all
from registry.cli.main import example, group
from registry.errors import UsageError, VerificationError
from registry.protocol.checks import Report, counted
from registry.protocol.number import Reference
from registry.protocol.party_checks import with_parties
from registry.protocol.trust import Terms
from registry.services.timestamps import parse_proofs
from registry.services.verify import examine

app = group("Verify what others signed.")


@app.command(epilog=example("pith verify bundle.json --expect arxiv:1811.12941"))
def verify(
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|FOLDER...",
            help="A bundle, event, key set, signers list, receipt; - stdin. Or many bundles: "
            "a folder, .jsonl, several files.",
        ),
    ],
    pin: Pins = None,
    record: Annotated[
        str | None, typer.Option("--record", metavar="FILE", help="The record a receipt is of.")
    ] = None,
    tsa: Annotated[
        list[Path] | None,
        typer.Option(
            "--tsa",
            metavar="CERT.pem",
            help="The certificates of a timestamp authority to believe, its root among them, "
            "instead of the one in the config. May be given again.",
        ),
    ] = None,
    evidence: Annotated[
        list[str] | None,
        typer.Option(
            "--evidence",
            metavar="FILE",
            help="Timestamps of this document that came beside it. May be given again.",
        ),
    ] = None,
    signers: Annotated[
        str | None,
        typer.Option(
            "--signers",
            metavar="FILE",
            help="The registry's newest signers list: judge third parties' signatures by it.",
        ),
    ] = None,
    expect: Annotated[
        str | None,
        typer.Option("--expect", metavar="NUMBER|ALIAS", help="Fail on any other record."),
    ] = None,
    registry: Annotated[
        str | None, typer.Option("--registry", metavar="NAME", help="Fail on any other registry.")
    ] = None,
    accept_expired: Annotated[
        bool,
        typer.Option("--accept-expired", help="Take a pinned key set as of the day it expired."),
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Print a shell script that checks each signature with openssl: pipe it to sh.",
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print no checks: the exit code says it.")
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Run every check on a document that someone else made, offline.

    What it is, is read from the document. Trust starts from pins and never from the
    document: those shipped with pith, or the ones you give, and always the key set of
    your own home. What a revoked key signed is proven by a timestamp from before it was
    distrusted, of an authority that you pin. Exits 0 only when every check is ok.

    Of many, on all cores, a line for each that is refused, and the exit code of the first.
    In a folder, and those below it, every .json and .jsonl is read; what is no bundle is
    passed over and counted.
    """
    from registry.app import now

    if as_json and explain:
        raise UsageError("--json and --explain do not go together", code="usage.together")
    many = is_many(files)
    if many and not (record is signers is expect is None and not explain):
        raise UsageError(
            "--record, --signers, --expect and --explain go with one document",
            code="usage.together",
        )
    trust = trust_of(context, pin, home)
    terms = Terms(
        pins=trust.pins,
        at=now(),
        max_ahead=trust.max_ahead,
        expect=Reference.parse(expect) if expect is not None else None,
        registry=registry,
        accept_expired=accept_expired,
    )
    proofs = tuple(proof for path in evidence or () for proof in parse_proofs(read_bytes(path)))
    authorities = authorities_of(tsa, trust.authority)
    if many:
        from registry.services.verify_many import Frame

        return verify_all(files, Frame(terms, proofs, authorities), as_json=as_json, quiet=quiet)
    report = examine(
        read_bytes(files[0]),
        terms,
        None if record is None else read_bytes(record),
        proofs=proofs,
        authorities=authorities,
    )
    if signers is not None and report.kind != "document":  # which is no kind at all
        if report.kind != "bundle":
            raise UsageError("--signers goes with a bundle", code="verify.signers")
        report = with_parties(report, read_bytes(signers), terms)
    if as_json:
        _output.json_line(report.to_json())
    elif explain:
        _output.lines(explained(report, report_lines(report)))
    elif not quiet:
        _output.lines(report_lines(report))
    return _conclude(report, quiet=quiet or as_json)


def _conclude(report: Report, *, quiet: bool) -> int:
    if report.ok:
        if not quiet:
            note(f"verified: {report.kind} {report.subject} of {report.registry}")
        return 0
    if report.proven is not None and report.proven.unproven:
        gone, state = counted(len(report.proven.unproven), "event"), report.proven.state
        note(
            f"the key set does not vouch for {gone}; of the other "
            f"{state['valid_event_count']} the state is {state['state_sha256']}"
        )
    error = report.failure or VerificationError("a check was skipped", code="checks.skipped")
    complain(error, f"refused, {report.kind}: ")
    return exit_code(error)
