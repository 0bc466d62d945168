"""Every signature of a bundle with exactly what it is over, for trust and for other tools."""

from collections.abc import Callable

from registry.errors import UntrustedKeyError, VerificationError
from registry.protocol.bundle import Bundle
from registry.protocol.checks import SignedPart, Verdict
from registry.protocol.event import Bindings, Event, SignerRef
from registry.protocol.event_checks import Examined, receipt_signer
from registry.protocol.keys import REGISTRY_SIGNER, PublicKey
from registry.protocol.merge import Merged
from registry.protocol.receipt import Receipt
from registry.protocol.trust import VOUCHED


def event_part(event: Event) -> str:
    """The name of an event among the signed parts."""
    return f"event {event.event_id}"


def receipt_part(event: Event, receipt: Receipt, bindings: Bindings) -> SignedPart:
    """The signature of the *receipt* inside a valid record_created."""
    signer = receipt_signer(event, receipt)
    return SignedPart(
        "receipt",
        "canonical_sha256: SHA-256 of the canonical record",
        signer.signer_id,
        receipt.key_id,
        bindings[signer],
        bytes.fromhex(receipt.sha256),
        receipt.signature,
        event.body.created_at,
        (receipt, event),
    )


def signed_event(event: Event, key: PublicKey) -> SignedPart:
    """The signature of one valid event."""
    return SignedPart(
        event_part(event),
        "content_sha256: SHA-256 of the canonical event without signature, content_sha256 "
        "and event_id",
        event.body.signer.signer_id,
        event.signature.key_id,
        key,
        bytes.fromhex(event.sha256),
        event.signature.raw,
        event.body.created_at,
        (event,),
    )


def signed_parts(
    bundle: Bundle, merged: Merged, registry: str, bindings: Bindings
) -> tuple[SignedPart, ...]:
    """The shown receipt's, each event's and the bundle's signature, in this order.

    Raises VerificationError when there is no current record_created.
    """
    shown, receipt = merged.record_created, merged.receipt
    if shown is None or receipt is None:
        raise VerificationError("no current record_created", code="bundle.record_created")
    signature = bundle.signature
    signer = SignerRef(registry, REGISTRY_SIGNER, signature.key_id, signature.fingerprint)
    return (
        receipt_part(shown, receipt, bindings),
        *(signed_event(event, bindings[event.body.signer]) for event in merged.events),
        SignedPart(
            "bundle",
            "bundle_sha256: SHA-256 of the canonical bundle without bundle_signature",
            registry,
            signature.key_id,
            bindings[signer],
            bytes.fromhex(bundle.sha256),
            signature.raw,
            bundle.body.built_at,
        ),
    )


def is_vouched(
    copy: Examined, registry: str, bindings: Bindings, judge: Callable[[SignedPart], Verdict]
) -> bool:
    """Whether *judge*, a pinned key set's, calls an event of its *registry*, and the receipt
    in it, valid or proven. An event of anyone else is not the key set's to judge."""
    event = copy.event
    if event is None or event.body.signer.signer_id != registry:
        return True
    parts = [signed_event(event, bindings[event.body.signer])]
    if copy.receipt is not None:
        parts.append(receipt_part(event, copy.receipt, bindings))
    try:
        return all(judge(part).verdict in VOUCHED for part in parts)
    except UntrustedKeyError:  # the receipt of an event that is not shown
        return False
