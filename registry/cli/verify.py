"""pith verify."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import _output
from registry.cli._boundary import complain, exit_code, note
from registry.cli._explain import explained
from registry.cli._input import read_bytes
from registry.cli._options import AsJson, Home, the_app
from registry.cli.main import example, group
from registry.config import load_config
from registry.data import shipped_pins
from registry.errors import (
    ConfigError,
    NotFoundError,
    PithError,
    UsageError,
    VerificationError,
    shown,
    visible,
)
from registry.protocol.checks import Report, counted
from registry.protocol.evidence import Evidence
from registry.protocol.number import Reference
from registry.protocol.trust import KeyPin, KeySetPin, Pin, Terms, parse_pin
from registry.services.timestamps import load_authority, no_authorities, parse_proofs
from registry.services.verify import examine

if TYPE_CHECKING:
    from registry.app import App
    from registry.services.timestamps import Authorities
    from registry.timestamp.authority import Authority

app = group("Verify what others signed.")
MAX_SHOWN = 8
_MARKS = {"ok": "ok     ", "fail": "FAIL   ", "skipped": "skipped"}


@app.command(epilog=example("pith verify bundle.json --expect arxiv:1811.12941"))
def verify(
    context: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A bundle, event, key set, signers list, receipt; - stdin."
        ),
    ],
    pin: Annotated[
        list[str] | None,
        typer.Option(
            "--pin",
            metavar="NAME|FILE|KEY_ID=HEX",
            help="What trust starts from, instead of the shipped pins: a shipped pin by name, a "
            "pin file, a key set file, or a key for any registry. May be given again.",
        ),
    ] = None,
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
    """
    from registry.app import now

    if as_json and explain:
        raise UsageError("--json and --explain do not go together", code="usage.together")
    max_ahead, pins, authority = _pins(context, pin, home)
    terms = Terms(
        pins=tuple(pins),
        at=now(),
        max_ahead=max_ahead,
        expect=Reference.parse(expect) if expect is not None else None,
        registry=registry,
        accept_expired=accept_expired,
    )
    data = read_bytes(file)
    report = examine(
        data,
        terms,
        None if record is None else read_bytes(record),
        proofs=[proof for path in evidence or () for proof in parse_proofs(read_bytes(path))],
        authorities=_authorities(tsa, authority),
    )
    if as_json:
        _output.json_line(report.to_json())
    elif explain:
        _output.lines(explained(report, _checks(report)))
    elif not quiet:
        _output.lines(_checks(report))
    return _conclude(report, quiet=quiet or as_json)


def _authorities(given: list[Path] | None, configured: Path | None) -> "Authorities":
    """The timestamp authorities of this run: those given, read now, or else the config's,
    read when there is a timestamp to check."""
    if given is not None:
        found = [load_authority(path) for path in given]
        return lambda: found
    if configured is None:
        return no_authorities

    def config_authority() -> "list[Authority]":
        try:
            return [load_authority(configured)]
        except PithError as error:
            note(f"the config's timestamp authority is not pinned now: {error} [{error.code}]")
            return []

    return config_authority


def _pins(
    context: typer.Context, given: list[str] | None, home: Path | None
) -> tuple[int, list[Pin], Path | None]:
    """The pins of this run: those given or else the configured shipped ones, and the
    key set of the home, where there is one; and the certificate of the home's TSA."""
    authority: Path | None = None
    app_ = the_app(context, home)
    shipped = {name: parse_pin(data, "shipped") for name, data in shipped_pins().items()}
    try:
        config = load_config(app_.home)
    except ConfigError as error:
        if error.code != "config.home" or home is not None:
            raise
        names, max_ahead, own = tuple(shipped), 600, []
    else:
        names, max_ahead = config.pins, config.max_ahead
        authority = None if config.tsa is None else config.tsa.certificate
        own = _own(app_, required=home is not None)
    if given is None:
        chosen = [shipped.get(name) or _pin_file(str(app_.home / name)) for name in names]
    else:
        chosen = [shipped.get(text) or _pin(text) for text in given]
    return max_ahead, [*chosen, *own], authority


def _own(app_: "App", *, required: bool) -> list[Pin]:
    """The home's own key set; a home that was not asked for may be out of order."""
    try:
        return [KeySetPin(app_.open().keyset(), f"the key set of {app_.home}")]
    except PithError as error:
        if required:
            raise
        note(f"the key set of {app_.home} is no pin now: {error} [{error.code}]")
        return []


def _pin(text: str) -> Pin:
    # By its form alone: a file of that name in the current folder must not stand in for it.
    if "=" in text and "/" not in text:
        return KeyPin.parse_pair(text)
    return _pin_file(text)


def _pin_file(path: str) -> Pin:
    try:
        return parse_pin(read_bytes(path), f"the file {shown(path)}")
    except NotFoundError:
        raise NotFoundError(
            f"no pin {shown(path)}",
            code="pin.absent",
            hint=f"shipped are {', '.join(shipped_pins())}; else a file, or KEY_ID=HEX",
        ) from None


def _checks(report: Report) -> list[str]:
    width = max(len(check.name) for check in report.checks)
    rows = []
    for check in report.checks:
        row = f"{_MARKS[check.status]}  {check.name.ljust(width)}  {visible(check.reason)}"
        rows.append(row.rstrip())
        if check.hint:
            rows.append(f"         hint: {visible(check.hint)}")
    return rows + _outside(report)


def _outside(report: Report) -> list[str]:
    """What timestamps proved, and those that proved nothing; nothing of timestamps that
    nobody pins an authority for, where none is needed."""
    if report.ok and not any(isinstance(found, Evidence) for found in report.timestamps):
        return []
    rows = [
        f"{verdict.verdict}  {verdict.what}: {visible(verdict.reason)}"
        for verdict in report.verdicts
        if verdict.verdict != "valid"
    ]
    for found in report.timestamps[:MAX_SHOWN]:
        if isinstance(found, Evidence):
            said = f"of {visible(found.authority)}, before {found.before.seconds}"
        else:
            said = f"counts for nothing: {visible(found.reason)} [{found.code}]"
        rows.append(f"timestamp of {found.sha256[:16]}…: {said}")
    if len(report.timestamps) > MAX_SHOWN:
        rows.append(f"… and {counted(len(report.timestamps) - MAX_SHOWN, 'timestamp')} more")
    return rows


def _conclude(report: Report, *, quiet: bool) -> int:
    if report.ok:
        if not quiet:
            note(f"verified: {report.kind} {report.subject} of {report.registry}")
        return 0
    if report.proven is not None:
        gone, state = counted(len(report.proven.unproven), "event"), report.proven.state
        note(
            f"the key set does not vouch for {gone}; of the other "
            f"{state['valid_event_count']} the state is {state['state_sha256']}"
        )
    error = report.failure or VerificationError("a check was skipped", code="checks.skipped")
    complain(error, f"refused, {report.kind}: ")
    return exit_code(error)
