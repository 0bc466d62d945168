"""The checks of one event, in the order of protocol.md section 8.1."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from registry.errors import MalformedError, MismatchError, PithError, VerificationError, shown
from registry.protocol.canonical import Encoder, JsonObject, canonical, plain_canonical
from registry.protocol.checks import Check, passed_check
from registry.protocol.event import Bindings, Event, EventBody, SignerRef, event_identity
from registry.protocol.event_types import AUTHOR_ATTESTATION, EVENT_TYPES, RECORD_CREATED
from registry.protocol.keys import REGISTRY_SIGNER
from registry.protocol.number import PithNumber
from registry.protocol.payloads import check_strength
from registry.protocol.receipt import Receipt, verify_receipt
from registry.protocol.record import Record

EVENT_CHECKS: Final = (
    "event.schema",
    "event.subject",
    "event.digest",
    "event.id",
    "event.signer",
    "event.allowed",
    "event.signature_key",
    "event.signature",
    "event.record",
    "event.receipt",
)
"""The checks of section 8.1 in their order; the first that fails is the reason."""


@dataclass(frozen=True, slots=True)
class Examined:
    """One copy of an event after all checks. ``failed`` is None when it is valid;
    ``error`` says why not, and ``event`` is None where the form already failed.
    ``receipt`` is that of a valid record_created."""

    identity: str
    canonical: bytes
    event: Event | None
    failed: str | None = None
    error: PithError | None = None
    receipt: Receipt | None = None


def examine_event(
    value: JsonObject,
    number: PithNumber,
    bindings: Bindings,
    encode: Encoder = canonical,
    known: Record | None = None,
) -> Examined:
    """Run every check of section 8.1 on one event of the record named *number*.

    *known* is a record that was already checked: one with its bytes is not checked again.
    """
    identity = event_identity(value, encode)
    name = "sha256:" + identity.hex()
    data = encode(value)
    event: Event | None = None
    receipt: Receipt | None = None
    stage = EVENT_CHECKS[0]
    try:
        event = Event.of_size(value, len(data))
        for stage, check in _CHECKS:  # noqa: B007 - read where the check raises
            check(event, identity, number, bindings)
        if event.body.event_type == RECORD_CREATED:
            stage = "event.record"
            record = _check_record(event, encode, known)
            stage = "event.receipt"
            receipt = _check_receipt(event, record, bindings)
    except (MalformedError, VerificationError) as error:
        # Without its frames: a bundle may hold thousands of events that fail.
        return Examined(name, data, event, stage, error.with_traceback(None))
    return Examined(name, data, event, receipt=receipt)


def _check_subject(event: Event, _: bytes, number: PithNumber, __: Bindings) -> None:
    if event.body.subject != number:
        raise MismatchError(
            f"the event is about {event.body.subject}, not {number}", code="event.subject"
        )


def _check_digest(event: Event, identity: bytes, _: PithNumber, __: Bindings) -> None:
    if event.sha256 != identity.hex():
        raise MismatchError(
            f"content_sha256 is {event.sha256}, the content's is {identity.hex()}",
            code="event.digest",
        )


def _check_id(event: Event, identity: bytes, _: PithNumber, __: Bindings) -> None:
    if event.event_id != "sha256:" + identity.hex():
        raise MismatchError(
            f"event_id {event.event_id} is not sha256: and content_sha256", code="event.id"
        )


def _check_signer(event: Event, _: bytes, __: PithNumber, bindings: Bindings) -> None:
    signer = event.body.signer
    if signer not in bindings:
        raise VerificationError(
            f"no key {signer.key_id} ({signer.fingerprint}) is bound to "
            f"{signer.signer_type} {shown(signer.signer_id)}",
            code="event.signer",
        )


def _check_allowed(event: Event, _: bytes, __: PithNumber, ___: Bindings) -> None:
    check_allowed(event.body)


def check_allowed(body: EventBody) -> None:
    """The signer's type may sign such an event; VerificationError ``event.allowed`` or
    ``event.strength``."""
    if body.signer.signer_type not in EVENT_TYPES[body.event_type].signers:
        raise VerificationError(
            f"a {body.signer.signer_type} may not sign {body.event_type}", code="event.allowed"
        )
    if body.event_type == AUTHOR_ATTESTATION:
        check_strength(body.payload, body.signer.signer_id, body.signer.signer_type)


def _check_signature_key(event: Event, _: bytes, __: PithNumber, ___: Bindings) -> None:
    signer, signature = event.body.signer, event.signature
    if (signature.key_id, signature.fingerprint) != (signer.key_id, signer.fingerprint):
        raise MismatchError(
            f"the signature names key {signature.key_id}, the signer {signer.key_id}",
            code="event.signature_key",
        )


def _check_signature(event: Event, identity: bytes, _: PithNumber, bindings: Bindings) -> None:
    bindings[event.body.signer].verify(identity, event.signature.raw)


_CHECKS: Final = (
    ("event.subject", _check_subject),
    ("event.digest", _check_digest),
    ("event.id", _check_id),
    ("event.signer", _check_signer),
    ("event.allowed", _check_allowed),
    ("event.signature_key", _check_signature_key),
    ("event.signature", _check_signature),
)


def _check_record(event: Event, encode: Encoder, known: Record | None) -> Record:
    payload = event.body.payload
    value = payload["canonical_record"]
    # Where no number is a fraction (plain), the same bytes are the same record.
    if known is not None and encode is plain_canonical and encode(value) == known.canonical:
        record = known
    else:
        record = Record.from_json(value, "$.payload.canonical_record", encode)
    source = record.source
    for name, found, wanted in (
        ("canonical_sha256", payload["canonical_sha256"], record.sha256),
        ("subject_pith_number", str(event.body.subject), str(record.number)),
        ("source_kind", payload["source_kind"], source.kind),
        ("source_id", payload["source_id"], source.id),
        ("source_version", payload["source_version"], source.version),
    ):
        if found != wanted:
            raise MismatchError(
                f"{name} is {shown(found)}, the record's is {shown(wanted)}", code="event.record"
            )
    return record


def receipt_signer(event: Event, receipt: Receipt) -> SignerRef:
    """Who must have signed the receipt in a record_created: a key of the same registry."""
    return SignerRef(
        event.body.signer.signer_id, REGISTRY_SIGNER, receipt.key_id, receipt.fingerprint
    )


def _check_receipt(event: Event, record: Record, bindings: Bindings) -> Receipt:
    """Check the receipt inside a record_created, and the event's time against it.

    ``created_at`` is ``first_computed_at`` cut to seconds, or for an event that
    supersedes another (a reissue) ``last_reissued_at``. Raises ``event.receipt``.
    """
    receipt = Receipt.from_json(event.body.payload["receipt"], "$.payload.receipt")
    signer = receipt_signer(event, receipt)
    if signer not in bindings:
        raise VerificationError(
            f"the receipt's key {receipt.key_id} is not one of {shown(signer.signer_id)}",
            code="event.receipt",
        )
    verify_receipt(receipt, record, bindings[signer])
    dated = receipt.last_reissued_at if event.body.supersedes else receipt.first_computed_at
    if receipt.signed_at.whole > event.signature.signed_at.whole:
        raise MismatchError(
            f"the receipt was signed {receipt.signed_at.seconds}, after its event",
            code="event.receipt",
        )
    if event.body.created_at != dated.whole:
        raise MismatchError(
            f"created_at is {event.body.created_at.seconds}, its receipt's time {dated.seconds}",
            code="event.receipt",
        )
    return receipt


_ALL_PASSED: Final = tuple(passed_check(name) for name in EVENT_CHECKS)


def event_rows(copies: Sequence[Examined]) -> tuple[Check, ...]:
    """The ten checks of section 8.1 over all events: a row fails with its first event,
    and is skipped where an event failed at an earlier one."""
    if all(copy.failed is None for copy in copies):
        return _ALL_PASSED
    rows = []
    stopped = False
    for name in EVENT_CHECKS:
        failed = next((copy for copy in copies if copy.failed == name), None)
        if failed is not None and failed.error is not None:
            stopped = True
            error = failed.error
            rows.append(
                Check(name, "fail", f"{error} (event {failed.identity})", error.hint, error)
            )
        elif stopped:
            rows.append(Check(name, "skipped", "an event failed earlier"))
        else:
            rows.append(passed_check(name))
    return tuple(rows)
