"""Demo: the whole of the registry on real published data, leaving nothing behind."""

from collections.abc import Callable

from registry import data
from registry.errors import VerificationError
from registry.protocol.bundle_checks import examine_bundle
from registry.protocol.canonical import canonical
from registry.protocol.checks import Report
from registry.protocol.graph import Paper
from registry.protocol.instant import Instant
from registry.protocol.record import Record
from registry.protocol.source import Source
from registry.protocol.trust import KeySetPin, Terms, parse_pin
from registry.services.append import add_graph_snapshot
from registry.services.bundle import build_bundle
from registry.services.desk import Desk
from registry.services.mint import mint

REGISTRY = "demo.invalid"
BASE_URL = "https://demo.invalid"
_TITLE = "A Paper Made Up for This Demonstration"
_ABSTRACT = "We show that a name can outlive the place that gave it."

Say = Callable[[str], None]


def verify_seed(say: Say, at: Instant) -> None:
    """Verify the real published bundle under the shipped pin, and tell every check."""
    pins = tuple(parse_pin(pin, "shipped with pith") for pin in data.shipped_pins().values())
    report = examine_bundle(data.seed_bundle(), Terms(pins, at))
    for check in report.checks:
        say(f"  {check.status:7} {check.name:24} {check.reason}".rstrip())
    report.require()
    say(f"  every check is ok: {report.subject} of {report.registry}")


def mint_published(say: Say, desk: Desk) -> None:
    """Mint the real records and compare each number with the published one."""
    facts = [fact for fact in data.published_records() if "canonical_record" in fact]
    records = [Record.parse(canonical(fact["canonical_record"])) for fact in facts]
    minted = mint(desk, desk.signer(desk.clock()), records, at=desk.clock())
    for fact, item in zip(facts, minted, strict=True):
        if str(item.record.number) != fact["pith_number"]:
            raise VerificationError(
                f"minted {item.record.number}, published is {fact['pith_number']}",
                code="demo.number",
            )
    for item in minted[:3]:
        say(f"  {item.record.number}  {item.record.source.kind}:{item.record.source.id}")
    say(f"  … {len(minted)} real records minted, every number equal to the published one")
    again = mint(desk, desk.signer(desk.clock()), records, at=desk.clock())
    kept = sum(not item.new for item in again)
    say(f"  minted again: {kept} of {len(again)} kept their number and receipt")


def bundle_own(desk: Desk) -> bytes:
    """A bundle of a made-up paper with its record_created and a graph_snapshot."""
    record = Record.build(
        source=Source("arxiv", "2401.00001", 1),
        title=_TITLE,
        abstract=_ABSTRACT,
        license="",
        primary_cat="cs.DL",
        cross_cats=(),
        submitted_at=Instant.parse_seconds("2024-01-01T12:00:00Z"),
    )
    signer = desk.signer(desk.clock())
    mint(desk, signer, [record], at=desk.clock())
    paper = Paper(title=_TITLE, abstract=_ABSTRACT, authors="Ada Example and Bo Sample")
    add_graph_snapshot(desk, signer, record, paper, at=desk.clock())
    return build_bundle(desk, signer, record, at=desk.clock()).to_bytes()


def verify_own(say: Say, desk: Desk, bundle: bytes) -> None:
    """Verify our bundle as its own registry's reader would."""
    report = _examine(desk, bundle)
    report.require()
    say(f"  {len(bundle)} bytes, {len(report.checks)} checks, all ok: {report.subject}")


def show_refusal(say: Say, desk: Desk, bundle: bytes) -> None:
    """Change one byte of a bundle and show that it is refused, and by what."""
    spoilt = bundle.replace(b"Ada Example", b"Eve Example", 1)
    changed = next(i for i, (a, b) in enumerate(zip(bundle, spoilt, strict=True)) if a != b)
    spoilt = bundle[:changed] + spoilt[changed : changed + 1] + bundle[changed + 1 :]
    report = _examine(desk, spoilt)
    if report.ok:
        raise VerificationError("a changed bundle was accepted", code="demo.accepted")
    say(f"  byte {changed} changed from {chr(bundle[changed])} to {chr(spoilt[changed])}: refused")
    for check in report.checks:
        if check.status == "fail":
            say(f"  FAIL    {check.name:24} {check.reason}")


def _examine(desk: Desk, bundle: bytes) -> Report:
    pin = KeySetPin(desk.keyset(), "this registry's key set")
    return examine_bundle(bundle, Terms((pin,), desk.clock()))
