"""Every signature that a document holds, whoever made it: what an audit looks for its keys in.

Nothing is believed here. A document that no verifier would take may hold a signature all
the same, and whose it is shows only when the keys are tried.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from registry.errors import MalformedError, shown
from registry.protocol.bundle import Bundle, bundle_message
from registry.protocol.canonical import Json, JsonObject
from registry.protocol.equivocation import Contradiction
from registry.protocol.event import Event, event_message
from registry.protocol.event_types import RECORD_CREATED
from registry.protocol.handover import Handover
from registry.protocol.instant import Instant
from registry.protocol.keyset import KeySet, keyset_message
from registry.protocol.receipt import Receipt
from registry.protocol.signers import Signers, signers_message
from registry.protocol.strict_json import LARGE, read_json
from registry.protocol.transcript import Transcript, transcript_message


@dataclass(frozen=True, slots=True)
class Claim:
    """One signature and what it is over, not checked.

    ``kind`` and ``digest`` are those of its line in a journal of signatures: receipt,
    event, bundle, keyset, signers or transcript, and the 32 bytes that were signed (with a
    prefix: their SHA-256). ``fingerprint`` is that of the key it says it is by, ``at`` when
    the document says it was made, None where it does not. ``about`` is the digest of the key
    set that a key set or transcript is for.
    """

    kind: str
    what: str
    fingerprint: str
    message: bytes
    digest: bytes
    signature: bytes
    at: Instant | None
    about: bytes | None = None


def claims_in(data: bytes) -> tuple[Claim, ...]:
    """The signatures in a document, or in several, one a line; each once.

    Takes bundles, events, receipts, key sets, signers lists, transcripts, requests and
    responses of ceremonies, and evidence. Raises MalformedError, ``document.kind`` for
    another document.
    """
    found: dict[tuple[str, bytes, bytes], Claim] = {}
    for value in _documents(data):
        for claim in _claims(value):
            found.setdefault((claim.kind, claim.digest, claim.signature), claim)
    return tuple(found.values())


def _documents(data: bytes) -> Iterator[JsonObject]:
    try:
        yield read_json(data, LARGE).value
        return
    except MalformedError:
        lines = [line for line in data.split(b"\n") if line.strip()]
        if len(lines) < 2 or not lines[0].rstrip().endswith(b"}"):
            raise
    for line in lines:
        yield read_json(line, LARGE).value


def _claims(value: JsonObject) -> Iterator[Claim]:
    for member, claims in _KINDS.items():
        if member in value:
            return claims(value)
    raise MalformedError(
        f"no kind of document that holds signatures (members: "
        f"{shown(', '.join(sorted(value)[:6]))})",
        code="document.kind",
        hint="known are bundles, events, receipts, key sets, signers lists, transcripts, "
        "requests and responses of ceremonies, and evidence",
    )


def _bundle(value: Json) -> Iterator[Claim]:
    bundle = Bundle.from_json(value)
    message, signature = bundle_message(bundle.body), bundle.signature
    at = signature.signed_at
    yield Claim("bundle", "bundle", signature.fingerprint, message, message, signature.raw, at)
    for event in bundle.body.value["events"]:
        with suppress(MalformedError):  # the signatures beside it are looked at all the same
            yield from _event(event)


def _event(value: Json) -> Iterator[Claim]:
    event = Event.from_json(value)
    message, signature = event_message(event.body), event.signature
    yield Claim(
        "event",
        f"event sha256:{message.hex()}",
        signature.fingerprint,
        message,
        message,
        signature.raw,
        signature.signed_at,
    )
    if event.body.event_type == RECORD_CREATED:
        yield from _receipt(event.body.payload["receipt"])


def _receipt(value: Json) -> Iterator[Claim]:
    receipt = Receipt.from_json(value)
    message = bytes.fromhex(receipt.sha256)
    yield Claim(
        "receipt",
        f"receipt of {receipt.sha256}",
        receipt.fingerprint,
        message,
        message,
        receipt.signature,
        receipt.signed_at,
    )


def _keyset(value: Json) -> Iterator[Claim]:
    return _keyset_claims(KeySet.from_json(value))


def _keyset_claims(keyset: KeySet) -> Iterator[Claim]:
    body = keyset.body
    message = keyset_message(body)
    for signature in keyset.signatures:
        yield Claim(
            "keyset",
            f"key set, version {body.version}",
            signature.fingerprint,
            message,
            body.digest,
            signature.raw,
            body.created_at,
            body.digest,
        )


def _signers(value: Json) -> Iterator[Claim]:
    signers = Signers.from_json(value)
    body, signature = signers.body, signers.signature
    yield Claim(
        "signers",
        f"signers list, version {body.version}",
        signature.fingerprint,
        signers_message(body),
        body.digest,
        signature.raw,
        None,
    )


def _transcript(value: Json) -> Iterator[Claim]:
    return _transcript_claims(Transcript.from_json(value))


def _transcript_claims(transcript: Transcript) -> Iterator[Claim]:
    body = transcript.body
    message = transcript_message(body)
    about = bytes.fromhex(body.ceremony.to_sha256)
    at = body.steps[-1].at if body.steps else None
    for signature in transcript.signatures:
        yield Claim(
            "transcript",
            f"transcript of {body.ceremony.act}",
            signature.fingerprint,
            message,
            body.digest,
            signature.raw,
            at,
            about,
        )


def _handover(value: Json) -> Iterator[Claim]:
    handover = Handover.from_json(value)
    for keyset in (*handover.chain, handover.keyset):
        yield from _keyset_claims(keyset)
    for transcript in (*handover.history, *handover.sessions):
        yield from _transcript_claims(transcript)


def _evidence(value: Json) -> Iterator[Claim]:
    evidence = Contradiction.from_json(value)
    for item in evidence.objects:
        yield from _claims(item)
    if evidence.under is not None:
        yield from _keyset_claims(evidence.under)


_KINDS: Final[Mapping[str, Callable[[JsonObject], Iterator[Claim]]]] = {
    "bundle_type": _bundle,
    "event_type": _event,
    "keyset_type": _keyset,
    "signers_type": _signers,
    "receipt_version": _receipt,
    "transcript_type": _transcript,
    "handover_type": _handover,
    "evidence_type": _evidence,
}
