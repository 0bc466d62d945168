"""Import: what comes from outside is examined and taken once, refused by name, or kept apart."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NoReturn

from registry.errors import ConflictError, MalformedError, PithError, VerificationError, shown
from registry.protocol.bundle import Bundle
from registry.protocol.bundle_checks import bindings_of
from registry.protocol.checks import Report, Verdict, counted
from registry.protocol.event import Event
from registry.protocol.evidence import Proof
from registry.protocol.instant import Instant
from registry.protocol.keys import KeyObject
from registry.protocol.record import Record
from registry.protocol.signed_parts import event_part
from registry.protocol.trust import VOUCHED, Terms
from registry.services.desk import Desk
from registry.services.holdings import Holding, new_heads, own_lines
from registry.services.timestamps import Authorities, gather, no_authorities
from registry.services.verify import examine
from registry.store.imports import Intake
from registry.store.rows import QuarantineRow, SignatureRow

MADE_ANEW: Final = "home made anew"
"""The act of a home that was made anew: a signature dated before it may be ours without a
line in the journal."""
_NOT_KEPT: Final = ("json", "document.kind", "bundle.schema", "bundle.registry", "trust.pin")
"""Failures of files that speak for no registry we know: they are not kept."""
_HINT: Final = "it is kept apart (`pith event list --quarantined`); importing it again decides anew"


@dataclass(frozen=True, slots=True)
class Verifier:
    """What imports are examined under: terms, timestamps at hand, pinned authorities."""

    terms: Terms
    proofs: Sequence[Proof] = ()
    authorities: Authorities = no_authorities

    def examine(self, data: bytes) -> Report:
        """Run every check on a document."""
        return examine(data, self.terms, proofs=self.proofs, authorities=self.authorities)

    def dated(self, bundle: Bundle) -> Terms:
        """The terms with what the timestamps in a bundle come to."""
        found = gather(bundle.body.value, self.proofs, self.authorities)
        return replace(self.terms, timestamps=found)


@dataclass(frozen=True, slots=True)
class Offer:
    """Valid events about one record, to be taken into a registry's graph.

    ``unvouched`` says of those that are to be kept apart why: (verdict, code, reason);
    ``bundles`` are those they came in, each with its bytes.
    """

    source: str
    registry: str
    record: Record
    events: Mapping[str, Event]
    keys: tuple[KeyObject, ...]
    unvouched: Mapping[str, tuple[str, str, str]]
    bundles: tuple[tuple[Bundle, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an offer: the new events, how many were held before, and what of it
    is kept apart."""

    registry: str
    record: Record
    new: tuple[Event, ...]
    known: int
    quarantined: tuple[QuarantineRow, ...]


def import_bundle(desk: Desk, verifier: Verifier, source: str, data: bytes) -> Taken:
    """Examine a bundle from *source* and take what it says that is new.

    Our own registry's events go into our graph, another's beside it. Events that the
    key set does not vouch for are kept apart one by one. Raises the first failed check,
    or ConflictError: ``import.rollback`` for a bundle that lacks what was seen before,
    and what `take` raises. All but a rollback and what is of no known registry is kept
    apart whole.
    """
    terms = verifier.terms
    offer = examined(desk, verifier, source, data)

    def check(holding: Holding) -> None:
        lacking = holding.required(verifier.dated(offer.bundles[0][0])) - offer.events.keys()
        if lacking:
            raise ConflictError(
                f"it lacks {counted(len(lacking), 'event')} of {offer.registry} seen before: "
                f"{min(lacking)} …",
                code="import.rollback",
                hint="it is older than what is held, or something was withheld from it",
            )

    return _taken(desk, terms, offer, check)


def merge_bundles(desk: Desk, verifier: Verifier, documents: Sequence[tuple[str, bytes]]) -> Taken:
    """Take the union of our own registry's bundles about one record, as one import.

    Raises VerificationError ``merge.registry`` for another registry's, ``merge.subject``
    for bundles about different records, and what `import_bundle` raises but a rollback.
    """
    terms = verifier.terms
    offers = [examined(desk, verifier, source, data) for source, data in documents]
    first = offers[0]
    for offer in offers:
        if offer.registry != desk.registry:
            raise VerificationError(
                f"{shown(offer.source)} is of {offer.registry}: only it can sign a merged bundle",
                code="merge.registry",
                hint="`pith bundle import` takes what other registries say",
            )
        if offer.record != first.record:
            raise VerificationError(
                f"{shown(offer.source)} is about {offer.record.number}, not {first.record.number}",
                code="merge.subject",
            )
    union = Offer(
        ", ".join(offer.source for offer in offers),
        desk.registry,
        first.record,
        {name: event for offer in offers for name, event in offer.events.items()},
        tuple({key.key_id: key for offer in offers for key in offer.keys}.values()),
        {name: why for offer in offers for name, why in offer.unvouched.items()},
        tuple(pair for offer in offers for pair in offer.bundles),
    )
    return _taken(desk, terms, union)


def import_events(desk: Desk, terms: Terms, offer: Offer) -> Taken:
    """Take valid events that came alone; raises what `take` raises, and keeps apart what
    contradicts what is held."""
    return _taken(desk, terms, offer)


def _taken(
    desk: Desk, terms: Terms, offer: Offer, check: Callable[[Holding], None] = lambda _: None
) -> Taken:
    """Take an offer that passes *check* and contradicts nothing; decided anew as often as
    another process stores something of the record meanwhile."""
    while True:
        holding = Holding.of(desk, offer.registry, offer.record)
        unvouched = holding.with_followers(offer.events, offer.unvouched)
        decided = replace(offer, unvouched=unvouched)
        try:
            holding.check_forks(desk, terms, offer.events, offer.keys, unvouched)
            check(holding)
            return take(desk, terms, decided, holding)
        except ConflictError as error:
            if error.code == "import.rollback":
                raise
            if error.code != "import.moved":
                _keep_apart(desk, terms.at, offer, error)


def take(desk: Desk, terms: Terms, offer: Offer, holding: Holding) -> Taken:
    """Store what of an offer is new and vouched for, in one transaction.

    Raises ConflictError ``import.gap`` when an event follows one that nobody has seen,
    ``import.unknown_signature`` for a signature of ours that was not made here,
    ``import.binding`` for a key that meant another before, ``import.moved`` when more is
    stored of the record by now than *holding* has.
    """
    new = [
        event
        for name, event in offer.events.items()
        if name not in holding.events and name not in offer.unvouched
    ]
    holding.check_gaps(terms, offer.events)
    apart = tuple(
        event_row(offer, event, why, terms.at)
        for name, why in offer.unvouched.items()
        if name not in holding.events
        for event in (offer.events[name],)
    )
    released = [event.event_id for event in new] + [_name(data) for _, data in offer.bundles]
    if offer.registry == desk.registry:
        lines = _unknown_lines(desk, offer, new)
        heads = new_heads(desk, offer.record, {**holding.events, **_standing(offer)})
        whole = [bundle for bundle, _ in offer.bundles if not offer.unvouched]
        intake = Intake(offer.record, new, heads, apart, released, len(holding.events))
        desk.store.take(intake, lines, whole)
    else:
        intake = Intake(offer.record, new, (), apart, released, len(holding.events))
        newest = offer.bundles[-1][0].body.value["source_aliases"]
        desk.store.take_foreign(offer.registry, intake, offer.keys, newest)
    known = sum(name in holding.events for name in offer.events)
    return Taken(offer.registry, offer.record, tuple(new), known, apart)


def _standing(offer: Offer) -> dict[str, Event]:
    """The events of an offer that are, or, where they would be the registry's, may be what
    they say."""
    return {
        name: event
        for name, event in offer.events.items()
        if name not in offer.unvouched
        or (offer.unvouched[name][0], event.body.signer.signer_id) == ("unproven", offer.registry)
    }


def restored_at(desk: Desk) -> Instant | None:
    """When this home was last made anew, or None where it is the first."""
    return max((act.at for act in desk.store.acts() if act.act == MADE_ANEW), default=None)


def _unknown_lines(desk: Desk, offer: Offer, new: Sequence[Event]) -> list[SignatureRow]:
    """The signatures of ours in an offer that have no line in the journal: none, unless
    this home was made anew after they were made."""
    unknown = [
        (what, line)
        for what, line in own_lines(desk.registry, new, [bundle for bundle, _ in offer.bundles])
        if not desk.store.has_signature(line.kind, line.digest, line.key_id)
        and not desk.store.has_restored(line.kind, line.digest, line.key_id)
    ]
    anew = restored_at(desk)
    for what, line in unknown:
        if anew is None or line.at > anew:
            raise ConflictError(
                f"the {what} is signed by {line.key_id}, and the journal does not know it",
                code="import.unknown_signature",
                hint="nobody here made it: `pith key audit`, and treat the key as stolen",
            )
    return [line for _, line in unknown]


# -- examining -----------------------------------------------------------------


def examined(desk: Desk, verifier: Verifier, source: str, data: bytes) -> Offer:
    """The offer that a bundle's bytes make, once all checks are ok but verdicts on some
    of its events. Raises its first failure; what a known registry's name stands on is
    kept apart first."""
    report = verifier.examine(data)
    if report.kind not in ("bundle", "document"):
        raise MalformedError(
            f"{shown(source)} is a {report.kind}, not a bundle",
            code="import.kind",
            hint="`pith event import` takes events, `pith keyset update` key sets",
        )
    failed = [check.name for check in report.checks if check.status == "fail"]
    if any(name in _NOT_KEPT for name in failed):
        report.require()
    bundle = Bundle.parse(data)
    if failed and not _is_partial(report, failed):
        _refuse(desk, verifier.terms, source, data, report, bundle)
    value = bundle.body.value
    events = [Event.from_json(each) for each in value["events"]]
    return Offer(
        source,
        report.registry,
        Record.from_json(value["canonical_record"]),
        {event.event_id: event for event in events},
        tuple(KeyObject.from_json(each) for each in value["public_keys"]),
        _unvouched(desk, report, events),
        ((bundle, data),),
    )


def _is_partial(report: Report, failed: Sequence[str]) -> bool:
    """Whether nothing failed but verdicts on some events, and the others show a record."""
    return (
        list(failed) == ["trust.verdicts"]
        and report.proven is not None
        and report.proven.state["current"]["record_created"] is not None
        and all(v.verdict in VOUCHED for v in report.verdicts if v.what == "bundle")
    )


def _unvouched(
    desk: Desk, report: Report, events: Sequence[Event]
) -> dict[str, tuple[str, str, str]]:
    verdicts = {verdict.what: verdict for verdict in report.verdicts}
    left_out = set(report.proven.unproven) if report.proven is not None else set()
    bindings = desk.bindings() if report.registry == desk.registry else None
    found = {}
    for event in events:
        signer = event.body.signer
        if event.event_id in left_out:
            found[event.event_id] = _verdict_on(verdicts.get(event_part(event)))
        elif bindings is not None and signer not in bindings:
            reason = f"no key {signer.key_id} is bound to {signer.signer_id} here"
            found[event.event_id] = ("untrusted", "event.signer", reason)
    return found


def _verdict_on(verdict: Verdict | None) -> tuple[str, str, str]:
    if verdict is None or verdict.verdict in VOUCHED:
        return "unproven", "trust.verdicts", "the receipt in it is not vouched for"
    return verdict.verdict, "trust.verdicts", verdict.reason


def _refuse(
    desk: Desk, terms: Terms, source: str, data: bytes, report: Report, bundle: Bundle
) -> NoReturn:
    """Keep a bundle apart, with the evidence in it, and raise its first failure."""
    failed = {check.name for check in report.checks if check.status == "fail"}
    error = report.failure or VerificationError("not every check was made", code="checks.skipped")
    if failed <= {"event.chain", "trust.verdicts"}:
        value = bundle.body.value
        keys = tuple(KeyObject.from_json(each) for each in value["public_keys"])
        events = [Event.from_json(each) for each in value["events"]]
        empty = Holding(report.registry, {}, keys, bindings_of(keys, report.registry))
        empty.keep_evidence(desk, terms, {event.event_id: event for event in events}, keys)
    row = QuarantineRow(
        name=_name(data),
        kind="bundle",
        registry=report.registry,
        subject=bundle.body.number.suffix,
        verdict=_whole_verdict(report, failed),
        code=error.code,
        reason=str(error),
        source=source,
        at=terms.at,
        body=data,
    )
    desk.store.add_quarantined([row])
    raise _with_hint(error)


def _whole_verdict(report: Report, failed: set[str]) -> str:
    for name, verdict in (
        ("bundle.clock", "ahead"),
        ("trust.key", "untrusted"),
        ("event.chain", "conflict"),
    ):
        if failed <= {name, "trust.verdicts"} and name in failed:
            return verdict
    if failed == {"trust.verdicts"}:
        return next(v.verdict for v in report.verdicts if v.verdict not in VOUCHED)
    return "invalid"


def _keep_apart(desk: Desk, at: Instant, offer: Offer, error: ConflictError) -> NoReturn:
    """Keep apart an offer that contradicts what is held, and raise *error*."""
    why = ("conflict", error.code, error.message)
    rows = [
        QuarantineRow(
            _name(data),
            "bundle",
            offer.registry,
            offer.record.number.suffix,
            *why,
            offer.source,
            at,
            data,
        )
        for _, data in offer.bundles
    ] or [event_row(offer, event, why, at) for event in offer.events.values()]
    desk.store.add_quarantined(rows)
    raise _with_hint(error) from None


def event_row(offer: Offer, event: Event, why: tuple[str, str, str], at: Instant) -> QuarantineRow:
    """One event of an offer that is kept apart, under its id."""
    return QuarantineRow(
        event.event_id,
        "event",
        offer.registry,
        offer.record.number.suffix,
        *why,
        offer.source,
        at,
        event.canonical,
    )


def _name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _with_hint(error: PithError) -> PithError:
    hint = f"{error.hint}; {_HINT}" if error.hint else _HINT
    return type(error)(error.message, code=error.code, hint=hint, path=error.path)
