"""Keys: make one where a URI says, and tell what is known of each."""

from registry.config import Config
from registry.errors import ConflictError, KeyUnavailableError
from registry.protocol import schema
from registry.protocol.instant import Instant
from registry.protocol.keys import KeyObject, PublicKey
from registry.services.desk import Desk
from registry.signing.signer import KeyStore
from registry.store.rows import ActRow, KeyRow

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
    try:
        if not desk.store.add_key(row):
            raise ConflictError(
                f"there is a key {key_id} already", code="key.exists", hint="run it again"
            )
    except BaseException:
        key_store.erase(key_id)
        raise
    return row


def key_status(desk: Desk, row: KeyRow) -> str:
    """What the newest key set says of a key, or ``unlisted``."""
    entry = desk.keyset().body.find(row.public_key)
    return "unlisted" if entry is None else entry.status


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
