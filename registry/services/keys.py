"""Keys: make one where a URI says, and tell what is known of each."""

import itertools
from collections.abc import Collection, Iterable

from registry.config import Config
from registry.data import shipped_pins
from registry.errors import ConflictError, KeyUnavailableError
from registry.protocol import schema
from registry.protocol.instant import Instant
from registry.protocol.keys import KeyObject, PublicKey
from registry.protocol.keyset import KeyEntry
from registry.protocol.keyset_acts import active_entry
from registry.protocol.trust import KeyPin, Pin, parse_pin
from registry.services.desk import Desk
from registry.signing.proof import prove_key
from registry.signing.signer import KeyStore, public_key_of
from registry.store.rows import ActRow, KeyRow

KEY_NOTES = (
    "Ed25519 key of a pith registry: it signs SHA-256 digests of canonical records, events and "
    "bundles, 32 raw bytes each."
)


RECOVERY_NOTES = "Ed25519 recovery key of a pith registry: it signs key sets and nothing else."


_LEFT_AFTER = 60
"""Seconds after which a key that is noted and not in its key store was given up."""


def next_key_id(config: Config, taken: Collection[str], at: Instant) -> str:
    """The id of the next key by the config's pattern, none of those *taken* already."""
    moment = at.moment
    for number in itertools.count(len(taken) + 1):
        key_id = schema.key_id(
            config.id_pattern.format(n=number, yyyy=f"{moment.year:04d}", mm=f"{moment.month:02d}"),
            "[keys] id_pattern",
        )
        if key_id not in taken:
            return key_id
    raise AssertionError("numbers have no end")


def key_object(config: Config, key_id: str, key: PublicKey, at: Instant) -> KeyObject:
    """What bundles say of a registry key that signs from *at* on."""
    return KeyObject(
        key_id=key_id,
        key=key,
        rotates_at=at.whole.plus(seconds=config.rotate_after),
        url=f"{config.base_url}/pith-signing-key.json",
        notes=KEY_NOTES,
    )


def recovery_object(config: Config, row: KeyRow) -> KeyObject:
    """What a key set says of a recovery key; it promises no rotation."""
    return KeyObject(
        key_id=row.key_id,
        key=row.public_key,
        rotates_at=None,
        url=f"{config.base_url}/pith-keys.json",
        notes=RECOVERY_NOTES,
    )


def create_key(
    desk: Desk,
    key_store: KeyStore,
    *,
    key_id: str | None,
    seed: bytes,
    at: Instant,
    usage: str = "registry",
) -> KeyRow:
    """Note where a new seed will be, and keep it there.

    The key is noted first, so that no private key is anywhere unknown; one that was noted
    a minute ago and never kept, because its command was killed, is forgotten. It
    signs nothing yet: which key does is the key set's to say. Raises ConflictError
    ``key.exists`` for a key id that was ever used here.
    """
    for left in desk.store.list_keys():
        if left.created_at.plus(seconds=_LEFT_AFTER) <= at and _never_kept(desk, key_store, left):
            desk.store.drop_key(left)
    rows = {row.key_id: row for row in desk.store.list_keys()}
    key_id = next_key_id(desk.config, rows, at) if key_id is None else schema.key_id(key_id)
    if key_id in rows:
        raise _exists(key_id, "a key id means one key for ever; choose another with --id")
    row = KeyRow(key_id, public_key_of(seed), usage, key_store.uri, at)
    if not desk.store.add_key(row):
        raise _exists(key_id, "run it again")
    try:
        key_store.put(key_id, seed)
    except BaseException:
        desk.store.drop_key(row)
        raise
    return row


def _exists(key_id: str, hint: str) -> ConflictError:
    return ConflictError(f"there is a key {key_id} already", code="key.exists", hint=hint)


def _never_kept(desk: Desk, key_store: KeyStore, row: KeyRow) -> bool:
    """Whether a noted key is in no key set, and not in the key store it was meant for."""
    if row.uri != key_store.uri or desk.keyset().body.find(row.public_key) is not None:
        return False
    if any(e.successor_key_sha256 == row.public_key.sha256.hex() for e in _entries(desk)):
        return False
    try:
        key_store.open(row.key_id, row.public_key)
    except KeyUnavailableError as error:
        return error.code == "key.absent"
    return False


def _entries(desk: Desk) -> Iterable[KeyEntry]:
    return desk.keyset().body.entries


def add_key(desk: Desk, key_store: KeyStore, *, key_id: str, usage: str, at: Instant) -> KeyRow:
    """Note a key that was made elsewhere, once it is found, proved and new here, or one of
    the key set's that this home has no place of: it is brought back.

    It signs its test message and nothing more: which key signs is the key set's to
    say, and what a listed key is for. Raises ConflictError ``key.exists`` for a key id
    that was ever used here, ``key.known`` for a key that is known by another id or as
    somebody else's, and what `KeyStore.find`, `KeyStore.open` and `prove_key` raise.
    """
    schema.key_id(key_id)
    listed = next((entry for entry in _entries(desk) if entry.key_id == key_id), None)
    if any(row.key_id == key_id for row in desk.store.list_keys()):
        raise _exists(key_id, "a key id means one key for ever; choose another")
    public_key = key_store.find(key_id)
    if listed is None:
        _refuse_known_key(desk, public_key)
    elif listed.object is None or listed.object.key != public_key:
        raise _exists(key_id, "the key set lists another key under this id; choose another")
    else:
        usage = listed.usage
    prove_key(key_store.open(key_id, public_key), desk.registry)
    row = KeyRow(key_id, public_key, usage, key_store.uri, at)
    if not desk.store.add_key(row):
        raise _exists(key_id, "run it again")
    return row


def _refuse_known_key(desk: Desk, public_key: PublicKey) -> None:
    """One key, one registry, one purpose (protocol.md 9.3)."""
    known = {row.public_key: f"is {row.key_id} here" for row in desk.store.list_keys()}
    if entry := desk.keyset().body.find(public_key):
        known[public_key] = f"is {entry.key_id} in the key set"
    for name, data in shipped_pins().items():
        pin = parse_pin(data, name)
        if pin.registry != desk.registry and _names(pin, public_key):
            known[public_key] = f"belongs to {pin.registry}"
    if public_key in known:
        raise ConflictError(
            f"the key {public_key.fingerprint} {known[public_key]}",
            code="key.known",
            hint="a key has one id, one registry and one purpose: make a new one",
        )


def _names(pin: Pin, public_key: PublicKey) -> bool:
    if isinstance(pin, KeyPin):
        return pin.key == public_key
    return pin.keyset.body.find(public_key) is not None


def key_status(desk: Desk, row: KeyRow) -> str:
    """What the newest key set says of a key; ``committed`` for the successor that the active
    key names by its digest alone, else ``unlisted``."""
    entry = desk.keyset().body.find(row.public_key)
    if entry is not None:
        return entry.status
    active = active_entry(desk.keyset().body)
    committed = active.successor_key_sha256 if active is not None else None
    return "committed" if committed == row.public_key.sha256.hex() else "unlisted"


_LEAVING, _MOVED = "leaving", "moved"


def move_key(desk: Desk, row: KeyRow, target: KeyStore, *, at: Instant) -> None:
    """Move a key to another key store: written there, read back, signed and verified, noted,
    and only then erased where it was.

    Each step is in the journal before the next, so that the same call finishes an
    interrupted move: at every moment the noted place holds the key. Raises
    ConflictError ``key.there`` when there is nothing to move.
    """
    left = row.uri if row.uri != target.uri else _left_behind(desk, row.key_id)
    if left is None or left == target.uri:
        raise ConflictError(f"key {row.key_id} is in {row.uri} already", code="key.there")
    if desk.key_store(left).place == target.place:  # erasing the one would erase the other
        raise ConflictError(
            f"{left} and {target.uri} are one place: nothing was moved", code="key.there"
        )
    if row.uri != target.uri:
        desk.store.add_act(ActRow(_LEAVING, row.key_id, row.uri, at))
        desk.key_store(row.uri).hand_over(row.key_id, row.public_key, target)
        desk.store.replace_key_uri(row.key_id, old=row.uri, new=target.uri)
    target.open(row.key_id, row.public_key)
    try:
        desk.key_store(left).erase(row.key_id)
    except KeyUnavailableError as error:
        if error.code != "key.absent":
            raise
    desk.store.add_act(ActRow(_MOVED, row.key_id, target.uri, at))


def _left_behind(desk: Desk, key_id: str) -> str | None:
    """The place that an interrupted move of this key has not erased yet."""
    acts = [act for act in desk.store.acts() if act.key_id == key_id]
    moves = [act for act in acts if act.act in (_LEAVING, _MOVED)]
    return moves[-1].reason if moves and moves[-1].act == _LEAVING else None
