"""The typed signing functions: the only code that uses a key (protocol.md 9.2, 9.3, 9.6).

Signatures carry no type inside, so each function here takes one kind of
document, reads it again from its own canonical bytes under its closed schema
just before the key is used, and verifies what it made with the function that
strangers use. Nothing signs bytes or a digest given by a caller.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from registry.errors import KeyUnavailableError, MalformedError, MismatchError
from registry.protocol.bundle import Bundle, BundleBody, bundle_message
from registry.protocol.bundle_checks import examine_bundle
from registry.protocol.canonical import Json, canonical
from registry.protocol.event import Event, EventBody, Signature, SignerRef, event_message
from registry.protocol.event_checks import check_allowed, examine_event
from registry.protocol.event_types import GRAPH_SNAPSHOT
from registry.protocol.instant import Instant
from registry.protocol.keys import KeyObject
from registry.protocol.keyset import KeySet, KeySetBody, KeySetSignature, keyset_message
from registry.protocol.keyset_rules import verify_keyset
from registry.protocol.receipt import Receipt, receipt_message, verify_receipt
from registry.protocol.record import Record
from registry.protocol.signers import (
    Enrolment,
    Signers,
    SignersBody,
    enrolment_message,
    signers_message,
)
from registry.protocol.signers_chain import verify_enrolment, verify_signers
from registry.protocol.strict_json import LARGE, read_json
from registry.protocol.transcript import Transcript, TranscriptBody, transcript_message
from registry.protocol.transcript_rules import check_steps
from registry.protocol.trust import KeyPin, Terms
from registry.signing.signer import Signer

_DIGEST_LENGTH = 32


def sign_receipt(
    signer: Signer,
    record: Record,
    *,
    first_computed_at: Instant,
    last_reissued_at: Instant,
    signed_at: Instant,
    builder_version: str,
) -> Receipt:
    """Issue the receipt of *record*.

    Raises MalformedError when *record* is not a canonical record, whatever its
    class says, and KeyUnavailableError when the signer fails.
    """
    _require(record, Record)
    again = Record.parse(record.canonical)
    if again.digest != record.digest:
        raise MismatchError("the record's digest is not its own", code="signing.digest")
    receipt = Receipt(
        key_id=signer.key_id,
        fingerprint=signer.public_key.fingerprint,
        sha256=again.sha256,
        signature=_sign_digest(signer, receipt_message(again)),
        builder_version=builder_version,
        first_computed_at=first_computed_at,
        last_reissued_at=last_reissued_at,
        signed_at=signed_at,
    )
    verify_receipt(Receipt.from_json(receipt.to_json()), again, signer.public_key)
    return receipt


def sign_event(signer: Signer, body: EventBody, *, signed_at: Instant) -> Event:
    """Sign an event as the party its ``signer`` member names.

    Raises MalformedError when *body* is not an event, MismatchError
    ``signing.signer`` when it names another key.
    """
    _require(body, EventBody)
    again = EventBody.parse(canonical(body.to_json()))
    named = (again.signer.key_id, again.signer.fingerprint)
    if named != (signer.key_id, signer.public_key.fingerprint):
        raise MismatchError(
            f"the event names key {again.signer.key_id}, the signer is {signer.key_id}",
            code="signing.signer",
        )
    message = event_message(again)
    check_event(again, signed_at)
    check_allowed(again)
    event = _event(again, _sign_digest(signer, message), signed_at)
    examined = examine_event(event.to_json(), again.subject, {again.signer: signer.public_key})
    if examined.error is not None:
        raise examined.error
    return event


_AROUND_PAYLOAD: Final = ("bundle", "state", "current", "list", "item")
"""What stands around a payload where it stands deepest."""


def check_event(body: EventBody, signed_at: Instant) -> None:
    """Check everything about an event that can be checked before it is signed: its form,
    and its size with a signature. Raises MalformedError, ``json.depth`` among it for a
    payload that is nested too deep for the bundle it would stand in."""
    Event.from_json(_event(body, bytes(64), signed_at).to_json())
    if body.event_type == GRAPH_SNAPSHOT:  # the one payload that is open inside
        check_depth(body.payload)


def check_depth(payload: Json) -> None:
    """Raise MalformedError ``json.depth`` for a payload that is nested too deep for a bundle."""
    in_its_place = payload
    for _ in _AROUND_PAYLOAD:
        in_its_place = [in_its_place]
    canonical(in_its_place)


def _event(body: EventBody, signature: bytes, signed_at: Instant) -> Event:
    digest = event_message(body).hex()
    signer = body.signer
    return Event(
        body=body,
        signature=Signature(signer.key_id, signer.fingerprint, signature, signed_at),
        sha256=digest,
        event_id="sha256:" + digest,
    )


def sign_bundle(signer: Signer, body: BundleBody, *, registry: str, signed_at: Instant) -> Bundle:
    """Sign a bundle of *registry*, and examine it as a stranger who pins its keys would.

    Raises the first failed check of that examination: no bundle leaves that its
    own reader would refuse.
    """
    _require(body, BundleBody)
    again = BundleBody.from_json(body.value)
    signature = Signature(signer.key_id, signer.public_key.fingerprint, bytes(64), signed_at)
    unsigned = Bundle(again, signature, "0" * 64)
    message = bundle_message(_readable(unsigned).body)
    bundle = replace(
        unsigned,
        signature=replace(signature, raw=_sign_digest(signer, message)),
        sha256=message.hex(),
    )
    pins = tuple(
        KeyPin(registry, key.key_id, key.key, "a registry key of the bundle")
        for key in map(KeyObject.from_json, again.public_keys)
        if key.signer_id is None
    )
    examine_bundle(bundle.to_bytes(), Terms(pins, signed_at)).require()
    return bundle


def _readable(bundle: Bundle) -> Bundle:
    """The bundle as its readers get it; MalformedError ``bundle.size`` when it is more
    than they take."""
    try:
        value = read_json(bundle.to_bytes(), LARGE).value
    except MalformedError as error:
        if error.code not in ("json.size", "json.values", "json.members"):
            raise
        raise MalformedError(
            f"no reader would take this bundle, which is over 16 MiB or 2,000,000 values: {error}",
            code="bundle.size",
            hint="nothing was signed; `pith event list` shows what makes it so large",
        ) from None
    return Bundle.from_json(value)


def sign_keyset(signers: Sequence[Signer], body: KeySetBody) -> KeySet:
    """Sign a key set with each of *signers*, and verify it whole."""
    _require(body, KeySetBody)
    again = KeySetBody.from_json(read_json(canonical(body.to_json())).value)
    message = keyset_message(again)
    if len(message) == _DIGEST_LENGTH:
        raise MalformedError("a prefixed message of 32 bytes", code="signing.length")
    keyset = KeySet(
        again,
        tuple(
            KeySetSignature(s.key_id, s.public_key.fingerprint, s._sign(message)) for s in signers
        ),
    )
    verify_keyset(keyset)
    return keyset


def sign_transcript(signers: Sequence[Signer], body: TranscriptBody) -> Transcript:
    """Sign a transcript with each of *signers*, and verify what they made.

    Raises what the rules of its steps raise, and KeyUnavailableError when a signer fails.
    """
    _require(body, TranscriptBody)
    again = TranscriptBody.from_json(read_json(canonical(body.to_json())).value)
    check_steps(again)
    message = transcript_message(again)
    if len(message) == _DIGEST_LENGTH:
        raise MalformedError("a prefixed message of 32 bytes", code="signing.length")
    made = Transcript(
        again,
        tuple(
            KeySetSignature(s.key_id, s.public_key.fingerprint, s._sign(message)) for s in signers
        ),
    )
    for signer, signature in zip(signers, made.signatures, strict=True):
        signer.public_key.verify(message, signature.raw)
    return Transcript.from_json(made.to_json())


def sign_signers(signer: Signer, body: SignersBody) -> Signers:
    """Sign a list of third parties as its registry, and verify it whole."""
    _require(body, SignersBody)
    again = SignersBody.from_json(read_json(canonical(body.to_json()), LARGE).value)
    signature = signer._sign(_prefixed(signers_message(again)))
    fingerprint = signer.public_key.fingerprint
    signers = Signers(again, KeySetSignature(signer.key_id, fingerprint, signature))
    ref = SignerRef.of_registry(again.registry, signer.key_id, signer.public_key)
    verify_signers(signers, {ref: signer.public_key})
    return signers


def sign_enrolment(signer: Signer, key: KeyObject, *, registry: str) -> Enrolment:
    """Prove to *registry* that the party that *key* names holds the key.

    Raises MismatchError ``signing.signer`` when *key* is not the signer's, and
    MalformedError when it names no party.
    """
    _require(key, KeyObject)
    if (key.key_id, key.key) != (signer.key_id, signer.public_key):
        raise MismatchError(
            f"the enrolment is of key {key.key_id}, the signer is {signer.key_id}",
            code="signing.signer",
        )
    unsigned = Enrolment.parse(canonical(Enrolment(registry, key, bytes(64)).to_json()))
    message = _prefixed(enrolment_message(unsigned.registry, unsigned.key))
    enrolment = replace(unsigned, proof=signer._sign(message))
    verify_enrolment(enrolment)
    return enrolment


def _prefixed(message: bytes) -> bytes:
    if len(message) == _DIGEST_LENGTH:
        raise MalformedError("a prefixed message of 32 bytes", code="signing.length")
    return message


def _require(document: object, kind: type) -> None:
    if type(document) is not kind:
        raise MalformedError(
            f"a {type(document).__name__} was offered where a {kind.__name__} is signed",
            code="signing.kind",
        )


def _sign_digest(signer: Signer, digest: bytes) -> bytes:
    if len(digest) != _DIGEST_LENGTH:
        raise KeyUnavailableError("not a digest of 32 bytes", code="signing.length")
    return signer._sign(digest)
