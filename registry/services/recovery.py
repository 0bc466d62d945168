"""Recovery keys: the keys above the active one, and what takes their threshold."""

from registry.errors import ConflictError
from registry.protocol import keyset_acts as acts
from registry.protocol.instant import Instant
from registry.protocol.keyset import KeySet, KeySetBody
from registry.services.desk import Desk
from registry.services.enact import enact, recovery_signers, routine_signers
from registry.services.keys import create_key, key_status, next_key_id, recovery_object
from registry.signing.signer import KeyStore
from registry.store.rows import KeyRow


def recovery_key(
    desk: Desk, key_store: KeyStore, *, key_id: str | None, seed: bytes, at: Instant
) -> KeyRow:
    """A new recovery key, noted and kept; it counts when a key set lists it.

    One that an interruption or a missing quorum left unlisted is taken as it is.
    """
    desk.check_reconciled()
    rows = {row.key_id: row for row in desk.store.list_keys()}
    wanted = key_id or f"recovery-{next_key_id(desk.config, rows, at)}"
    left = next(
        (
            row
            for row in rows.values()
            if row.usage == "recovery"
            and row.uri == key_store.uri
            and key_status(desk, row) == "unlisted"
            and key_id in (None, row.key_id)
        ),
        None,
    )
    if left is None:
        return create_key(desk, key_store, key_id=wanted, seed=seed, at=at, usage="recovery")
    desk.key_store(left.uri).open(left.key_id, left.public_key)
    return left


def is_first(desk: Desk) -> bool:
    """Whether there is no recovery key yet, so that the active key adds the first."""
    return desk.keyset().body.threshold == 0


def with_recovery_key(desk: Desk, row: KeyRow, *, threshold: int | None, at: Instant) -> KeySetBody:
    """The next key set with one more recovery key; the threshold stays where none is given.

    Raises ConflictError ``keyset.act`` for a threshold above the number of keys.
    """
    old = desk.keyset().body
    if old.find(row.public_key) is not None:
        raise ConflictError(f"{row.key_id} is listed already", code="keyset.act")
    return acts.set_recovery(
        old,
        add=[recovery_object(desk.config, row)],
        threshold=max(1, old.threshold) if threshold is None else threshold,
        at=at,
    )


def enact_recovery_key(desk: Desk, body: KeySetBody, row: KeyRow, *, at: Instant) -> KeySet:
    """Sign and keep it: the first by the active key, a further one by the threshold."""
    signers = routine_signers(desk, body) if is_first(desk) else recovery_signers(desk, body)
    return enact(desk, body, signers, act="recovery key", reason=row.key_id, at=at)
