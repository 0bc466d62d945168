"""Keys: make one where a URI says, and tell what is known of each."""

from registry.config import Config
from registry.errors import ConflictError
from registry.protocol import schema
from registry.protocol.instant import Instant
from registry.protocol.keys import KeyObject, PublicKey
from registry.services.desk import Desk
from registry.signing.signer import KeyStore
from registry.store.store import KeyRow

KEY_NOTES = (
    "Ed25519 key of a pith registry: it signs SHA-256 digests of canonical records, events and "
    "bundles, 32 raw bytes each."
)


def next_key_id(config: Config, taken: int, at: Instant) -> str:
    """The id of the next key by the config's pattern, *taken* keys being there already."""
    moment = at.moment
    return schema.key_id(
        config.id_pattern.format(n=taken + 1, yyyy=f"{moment.year:04d}", mm=f"{moment.month:02d}"),
        "[keys] id_pattern",
    )


def key_object(config: Config, key_id: str, key: PublicKey, at: Instant) -> KeyObject:
    """What bundles say of a registry key made at *at*."""
    return KeyObject(
        key_id=key_id,
        key=key,
        rotates_at=at.whole.plus(seconds=config.rotate_after),
        url=f"{config.base_url}/pith-signing-key.json",
        notes=KEY_NOTES,
    )


def create_key(
    desk: Desk, key_store: KeyStore, *, key_id: str | None, seed: bytes, at: Instant
) -> KeyRow:
    """Keep a new seed in a key store and note where it is.

    The key signs nothing yet: which key does is the key set's to say. Raises
    ConflictError ``key.exists`` for a key id that was ever used here.
    """
    rows = desk.store.list_keys()
    key_id = next_key_id(desk.config, len(rows), at) if key_id is None else schema.key_id(key_id)
    if any(row.key_id == key_id for row in rows):
        raise ConflictError(
            f"there is a key {key_id} already",
            code="key.exists",
            hint="a key id means one key for ever; choose another with --id",
        )
    public_key = key_store.put(key_id, seed)
    row = KeyRow(key_id, public_key, "registry", key_store.uri, at)
    if not desk.store.add_key(row):
        key_store.erase(key_id)
        raise ConflictError(f"there is a key {key_id} already", code="key.exists")
    return row


def key_status(desk: Desk, row: KeyRow) -> str:
    """What the newest key set says of a key, or ``unlisted``."""
    entry = desk.keyset().body.find(row.public_key)
    return "unlisted" if entry is None else entry.status
