"""Distrust: revoke a key, or say since when it was in other hands."""

from collections.abc import Callable
from dataclasses import dataclass

from registry.errors import ConflictError, KeyUnavailableError, NotFoundError, shown
from registry.protocol import keyset_acts as acts
from registry.protocol.instant import Instant
from registry.protocol.keyset import KeyEntry, KeySet, KeySetBody
from registry.services.desk import STOPPED, Desk
from registry.services.enact import enact, recovery_signers, row_of
from registry.services.keys import create_key, key_object, key_status
from registry.services.parties import sign_list_anew
from registry.signing.signer import KeyStore
from registry.store.rows import ActRow, KeyRow


def revoked_body(
    desk: Desk, key_id: str, *, reason: str, threshold: int | None, at: Instant
) -> KeySetBody:
    """The next key set without trust in a key that is not the active one.

    Raises ConflictError ``key.active`` for the active key, and what the threshold left
    over cannot be.
    """
    old = desk.keyset().body
    entry = acts.entry_of(old, key_id)
    if entry == acts.active_entry(old):
        raise ConflictError(
            f"{key_id} is the active key",
            code="key.active",
            hint="`pith key compromise` distrusts it and names the key that signs from then on",
        )
    return acts.revoke(old, key_id, since=None, reason=reason, at=at, threshold=threshold)


def revoke_key(desk: Desk, body: KeySetBody, key_id: str, *, reason: str, at: Instant) -> KeySet:
    """Sign it with the recovery keys, and keep it."""
    line = f"{key_id}: {reason}"
    return enact(desk, body, recovery_signers(desk, body), act="revoke", reason=line, at=at)


_HEIRS = ("unlisted", "committed", "announced")


def stop(desk: Desk, key_id: str, *, reason: str, at: Instant) -> None:
    """Have this home sign nothing more with a key, whatever else succeeds."""
    acts.entry_of(desk.keyset().body, key_id)
    if not desk.store.is_stopped(key_id):
        desk.store.add_act(ActRow(STOPPED, key_id, reason, at))


@dataclass(frozen=True, slots=True)
class Heir:
    """The key that signs from a compromise on, and the successor it is committed to."""

    key: KeyRow
    successor: KeyRow


def choose_heir(
    desk: Desk,
    key_id: str,
    key_store: KeyStore,
    *,
    named: str | None,
    new_seed: Callable[[], bytes],
    at: Instant,
) -> Heir | None:
    """Who signs after *key_id* was stolen; None where it is not the active key.

    The key that is named, or the committed successor where it rests in another place than
    the stolen key, or else a new one in *key_store*: who reached the one may have
    reached what lay beside it. Its own successor is a further new key. New keys that
    an interrupted compromise made after it stopped the stolen key are taken again.
    """
    old = desk.keyset().body
    gone = acts.entry_of(old, key_id)
    if gone != acts.active_entry(old):
        return None
    fresh = _made_since_stop(desk, key_id)

    def new() -> KeyRow:
        if fresh:
            return fresh.pop(0)
        return create_key(desk, key_store, key_id=None, seed=new_seed(), at=at)

    key = _named(desk, named) if named is not None else _kept_apart(desk, gone)
    return Heir(key or new(), new())


def _made_since_stop(desk: Desk, key_id: str) -> list[KeyRow]:
    stops = [act.at for act in desk.store.acts() if act.act == STOPPED and act.key_id == key_id]
    return [
        row
        for row in desk.store.list_keys()
        if stops
        and row.created_at >= stops[0]
        and row.usage == "registry"
        and key_status(desk, row) == "unlisted"
    ]


def _kept_apart(desk: Desk, gone: KeyEntry) -> KeyRow | None:
    """The committed successor, where nothing was said against it, it can be opened and lies
    in another place."""
    heir, row = row_of(desk, gone.successor_key_sha256), desk.find_key(gone.key_id)
    if heir is None or row is None or desk.store.is_stopped(heir.key_id):
        return None
    if key_status(desk, heir) not in _HEIRS:
        return None
    there = desk.key_store(heir.uri)
    if there.place == desk.key_store(row.uri).place:
        return None
    try:
        there.open(heir.key_id, heir.public_key)
    except KeyUnavailableError:
        return None
    return heir


def _named(desk: Desk, key_id: str) -> KeyRow:
    row = desk.find_key(key_id)
    if row is None or row.usage != "registry":
        raise NotFoundError(
            f"no registry key {shown(key_id)}",
            code="key.absent",
            hint="`pith key list` shows them",
        )
    if key_status(desk, row) not in _HEIRS:
        raise ConflictError(
            f"{key_id} is {key_status(desk, row)}: it cannot sign from now on",
            code="key.heir",
        )
    return row


def check_since(since: Instant, at: Instant) -> None:
    """Raise ConflictError ``key.since`` for a time to come."""
    if since > at:
        raise ConflictError(
            f"{since.seconds} has not come yet", code="key.since", hint="give a time that is past"
        )


def compromised_body(
    desk: Desk,
    key_id: str,
    heir: Heir | None,
    *,
    since: Instant,
    reason: str,
    threshold: int | None,
    at: Instant,
) -> KeySetBody:
    """The next key set, in which *key_id* is distrusted since *since*."""
    check_since(since, at)
    old = desk.keyset().body
    return acts.revoke(
        old,
        key_id,
        since=since,
        reason=reason,
        at=at,
        threshold=threshold,
        heir=None
        if heir is None
        else key_object(desk.config, heir.key.key_id, heir.key.public_key, at),
        successor=None if heir is None else heir.successor.public_key,
    )


def distrust(desk: Desk, body: KeySetBody, key_id: str, *, reason: str, at: Instant) -> KeySet:
    """Sign the compromise with the recovery keys, and keep it; the key that signs from now on
    signs the list of third parties anew."""
    line = f"{key_id}: {reason}"
    signers = recovery_signers(desk, body)
    keyset = enact(desk, body, signers, act="compromise", reason=line, at=at)
    sign_list_anew(desk, signers, at=at)
    return keyset
