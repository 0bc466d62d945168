"""Mint: a canonical record becomes a number, a receipt and a record_created event."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from registry import VERSION
from registry.errors import PithError, StoreError
from registry.protocol.event import Event, EventBody, record_created
from registry.protocol.instant import Instant
from registry.protocol.keyset_acts import entry_of
from registry.protocol.receipt import Receipt
from registry.protocol.record import Record
from registry.services.desk import Desk
from registry.services.find import merged
from registry.signing.documents import sign_event, sign_receipt
from registry.signing.signer import Signer
from registry.store.rows import MAX_CLAIM_AGE, Intent, SignatureRow

BUILDER_VERSION: Final = f"pith-registry-{VERSION}"


@dataclass(frozen=True, slots=True)
class Minted:
    """A minted record with its receipt; ``new`` is False where it was minted before."""

    record: Record
    receipt: Receipt
    new: bool


def mint(desk: Desk, signer: Signer, records: Sequence[Record], *, at: Instant) -> list[Minted]:
    """Mint a batch of records, in three steps that each survive a crash.

    First the claim of every new record is durable, with its time; then receipts
    and events are signed; then they are stored, with the journal lines of their
    signatures, before anything is given back. A record minted before gets the
    receipt it has. An interrupted batch is finished by minting it again, with
    the times of its first claim.
    """
    since = valid_from(desk, signer)
    claims = desk.store.claim_mints(records, at=at, since=since)
    signed = [
        _signed(desk, signer, record, claim) if claim is not None else None
        for record, claim in zip(records, claims, strict=True)
    ]
    news = iter(
        desk.store.add_own_events(
            [(event, _journal(event, receipt)) for event, receipt in filter(None, signed)]
        )
    )
    minted = []
    for record, made in zip(records, signed, strict=True):
        if made is not None and next(news):
            minted.append(Minted(record, made[1], new=True))
        else:
            minted.append(Minted(record, receipt_of(desk, record), new=False))
    return minted


def finish_interrupted(desk: Desk, signer: Signer, *, at: Instant) -> Iterator[Event | PithError]:
    """Sign and store what interruptions left claimed, one at a time.

    A mint claimed more than a day ago gets the time *at*; any other event so old
    is dropped, its time being part of what would be signed. Gives each event, or
    why it could not be made: one claim that fails does not stop the others.
    """
    last: Intent | None = None
    while intents := desk.store.intents(after=last):
        for last in intents:
            try:
                if (event := settle(desk, signer, last, at=at)) is not None:
                    yield event
            except PithError as error:
                yield error


def settle(desk: Desk, signer: Signer, intent: Intent, *, at: Instant) -> Event | None:
    """Finish a claim that an interruption left. Where it is too old, or of another key than
    the one that signs now, a mint gets the time *at* and any other event is dropped."""
    if _serves(desk, signer, intent, at):
        return finish(desk, signer, intent)
    if intent.body:
        desk.store.drop_claim(intent)
        return None
    renewed = desk.store.renew_claim(intent, at)
    return None if renewed is None else finish(desk, signer, renewed)


def _serves(desk: Desk, signer: Signer, intent: Intent, at: Instant) -> bool:
    """Whether the key that signs now may sign what was claimed, with the claim's time."""
    if abs(at.micros - intent.at.micros) > MAX_CLAIM_AGE:
        return False
    if intent.body:
        return EventBody.parse(intent.body).signer == desk.signer_ref(signer)
    return intent.at >= valid_from(desk, signer)


def valid_from(desk: Desk, signer: Signer) -> Instant:
    """When the key that signs became valid: with an earlier time nobody would take what it
    signs."""
    return entry_of(desk.keyset().body, signer.key_id).valid_from


def finish(desk: Desk, signer: Signer, intent: Intent) -> Event:
    """Sign and store the event of one claim, with the claim's time."""
    if intent.body:
        body = EventBody.parse(intent.body)
        event = sign_event(signer, body, signed_at=intent.at)
        journal = [event_line(event)]
    else:
        record = desk.store.find_record(intent.subject)
        if record is None:
            raise StoreError(
                f"the record {intent.subject} is claimed and not stored", code="store.damaged"
            )
        event, receipt = _signed(desk, signer, record, intent)
        journal = _journal(event, receipt)
    desk.store.add_own_events([(event, journal)])
    return event


def _signed(desk: Desk, signer: Signer, record: Record, claim: Intent) -> tuple[Event, Receipt]:
    receipt = sign_receipt(
        signer,
        record,
        first_computed_at=claim.at,
        last_reissued_at=claim.at,
        signed_at=claim.at,
        builder_version=BUILDER_VERSION,
    )
    body = record_created(record, receipt, desk.signer_ref(signer))
    return sign_event(signer, body, signed_at=claim.at), receipt


def event_line(event: Event) -> SignatureRow:
    """The journal line of an event's signature."""
    signature = event.signature
    return SignatureRow(signature.key_id, "event", bytes.fromhex(event.sha256), signature.signed_at)


def receipt_line(receipt: Receipt) -> SignatureRow:
    """The journal line of a receipt's signature."""
    return SignatureRow(receipt.key_id, "receipt", bytes.fromhex(receipt.sha256), receipt.signed_at)


def _journal(event: Event, receipt: Receipt) -> list[SignatureRow]:
    return [receipt_line(receipt), event_line(event)]


def receipt_of(desk: Desk, record: Record) -> Receipt:
    """The current receipt of a minted record."""
    receipt = merged(desk, record.number).receipt
    if receipt is None:
        raise StoreError(f"{record.number} has no current record_created", code="store.damaged")
    return receipt
