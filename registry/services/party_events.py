"""Events of third parties: made by them with a key and no home, taken by the registry."""

from registry.errors import ConflictError, MismatchError
from registry.protocol.canonical import JsonObject
from registry.protocol.event import Event, EventBody
from registry.protocol.event_checks import check_allowed
from registry.protocol.event_types import EVENT_TYPES
from registry.protocol.instant import Instant
from registry.protocol.number import PithNumber
from registry.protocol.signers import Enrolment, SignerEntry
from registry.protocol.signers_chain import verify_enrolment
from registry.services.append import Draft
from registry.signing.documents import check_event, sign_event
from registry.signing.signer import KeyStore


def plan_as_party(
    who: Enrolment, subject: PithNumber, draft: Draft, held: JsonObject | None, *, at: Instant
) -> EventBody:
    """Put an event of a third party together, after the last of theirs in *held*, a bundle
    or an event.

    Raises what `check_event` and `check_allowed` raise, MismatchError ``event.subject``
    when *held* is about another record, ConflictError ``event.chain`` when their
    chain in it is forked.
    """
    verify_enrolment(who)
    entry = SignerEntry(who.key, "active", None, None, who.proof)
    body = EventBody(
        event_type=draft.event_type,
        subject=subject,
        target=draft.target or EVENT_TYPES[draft.event_type].targets[0],
        payload=draft.payload,
        signer=entry.ref,
        created_at=at.whole,
        supersedes=tuple(sorted(set(draft.supersedes))),
        prev_event=None if held is None else _last(held, subject, entry.signer_id),
    )
    check_event(body, at)
    check_allowed(body)
    return body


def _last(held: JsonObject, subject: PithNumber, signer_id: str) -> str | None:
    values = held["events"] if type(held.get("events")) is list else [held]
    events = [Event.from_json(value, f"$.events[{i}]") for i, value in enumerate(values)]
    mine = [event for event in events if event.body.signer.signer_id == signer_id]
    for event in events:
        if event.body.subject != subject:
            raise MismatchError(
                f"--after is about {event.body.subject}, not {subject}", code="event.subject"
            )
    followed = {event.body.prev_event for event in mine}
    tips = sorted({event.event_id for event in mine} - followed)
    if len(tips) > 1:
        raise ConflictError(
            f"{signer_id} has {len(tips)} last events there: {', '.join(tips)}",
            code="event.chain",
            hint="give the one event that yours goes after",
        )
    return tips[0] if tips else None


def sign_as_party(key_store: KeyStore, who: Enrolment, body: EventBody, *, at: Instant) -> Event:
    """Sign an event with the key of a third party, where it is."""
    signer = key_store.open(who.key.key_id, who.key.key)
    return sign_event(signer, body, signed_at=at)
