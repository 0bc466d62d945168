"""Anchor: have an outside authority say that a signed document exists by now."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from registry.config import Tsa
from registry.errors import ConfigError, PithError
from registry.protocol.bundle import Bundle
from registry.protocol.canonical import JsonObject
from registry.protocol.event import Event
from registry.protocol.event_types import TIMESTAMP_ANCHOR
from registry.protocol.evidence import MAX_DOCUMENTS, Checkpoint, Proof, Sealed, sha256_of
from registry.protocol.instant import Instant
from registry.protocol.record import Record
from registry.protocol.trust import KeySetPin, Terms
from registry.services.append import Draft, add_event
from registry.services.desk import Desk
from registry.services.find import find_record, merged
from registry.services.timestamps import Authorities, load_authority, no_authorities
from registry.services.verify import examine
from registry.signing.signer import Signer

if TYPE_CHECKING:
    from registry.timestamp.authority import Authority


def find_anchor(desk: Desk, record: Record, document: Sealed, target: str) -> Event | None:
    """Our timestamp_anchor event of a document, where there is one."""
    sha256 = sha256_of(document)
    for event in merged(desk, record.number).current:
        body = event.body
        mine = body.event_type == TIMESTAMP_ANCHOR and body.signer.signer_id == desk.registry
        if mine and body.target == target and body.payload["anchored_sha256"] == sha256:
            return event
    return None


def add_anchor(
    desk: Desk, signer: Signer, record: Record, document: Sealed, target: str, *, at: Instant
) -> tuple[Event, bool]:
    """Get a timestamp of a signed document and sign an event with it; False where there is
    one already.

    The authority is asked first: without its token nothing is claimed or signed. Raises
    what `stamp` raises.
    """
    found = find_anchor(desk, record, document, target)
    if found is not None:
        return found, False
    payload = stamp(_tsa(desk), document)
    return add_event(desk, signer, record, Draft(TIMESTAMP_ANCHOR, payload, target), at=at)


def add_checkpoints(desk: Desk, *, at: Instant) -> Iterator[Proof]:
    """Date every event and bundle that stands in no checkpoint yet, one token a list.

    Nothing is signed here, so no key is opened, and no event is left undated by it. Each
    list is kept, whole, when its token is there and good.
    """
    tsa = _tsa(desk)
    while documents := desk.store.undated(MAX_DOCUMENTS):
        checkpoint = Checkpoint(desk.registry, at.seconds[:10], tuple(sorted(documents)))
        payload = stamp(tsa, checkpoint)
        desk.store.add_checkpoint(checkpoint, payload, at=at)
        yield Proof(payload, checkpoint)


def stamp(tsa: Tsa, document: Sealed) -> JsonObject:
    """The payload of a timestamp_anchor of a document, its token verified.

    Raises UnreachableError ``tsa.…`` when the authority gives no token, VerificationError
    ``anchor.…`` when it is not a good one under the certificate of the config.
    """
    authority = load_authority(tsa.certificate)
    from registry.timestamp.client import ask
    from registry.timestamp.token import Request, accept_reply, gen_time_of, payload_of

    request = Request.about(document.canonical)
    reply = ask(tsa.url or "", request.query, tsa.timeout)
    token, evidence = accept_reply(reply, request, [authority])
    return payload_of(token, evidence, gen_time_of(token))


def _tsa(desk: Desk) -> Tsa:
    tsa = desk.config.tsa
    if tsa is None or tsa.url is None:
        raise ConfigError(
            "config.toml names no timestamp authority to ask",
            code="tsa.config",
            hint="set url and certificate in [tsa]; config.example.toml shows how",
        )
    return tsa


def known_bundle(desk: Desk, data: bytes, *, at: Instant) -> tuple[Record, Bundle]:
    """A bundle of this registry, examined, with its record; raises its first failed check."""
    terms = Terms((KeySetPin(desk.keyset(), "this registry's key set"),), at)
    examine(data, terms, authorities=authorities_of(desk)).require()
    bundle = Bundle.parse(data)
    return find_record(desk, str(bundle.body.number)), bundle


def authorities_of(desk: Desk) -> Authorities:
    """The authority that this registry pins for itself, as far as it can be read."""
    tsa = desk.config.tsa
    return no_authorities if tsa is None else partial(_readable, tsa)


def _readable(tsa: Tsa) -> "Sequence[Authority]":
    try:
        return [load_authority(tsa.certificate)]
    except PithError:
        return []


def proofs_of(desk: Desk, record: Record) -> Sequence[Proof]:
    """The lists that a reader needs for what a revoked key of ours signed about a record."""
    if all(entry.status != "revoked" for entry in desk.keyset().body.entries):
        return ()
    return desk.store.checkpoints_of(record.number.suffix)
