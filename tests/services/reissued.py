"""A registry whose key was rotated, or revoked, with receipts to issue again."""

from collections.abc import Callable, Iterable
from typing import Final

from registry.protocol.instant import Instant
from registry.protocol.keyset_acts import activate, active_entry, announce, revoke, set_recovery
from registry.services.desk import Desk
from registry.services.enact import enact, row_of
from registry.services.keys import create_key, key_object, recovery_object
from registry.services.reissue_run import open_job, run
from registry.signing.signer import Signer
from registry.store.shards import Job
from tests.services.registry import World

RECOVERY_SEED: Final = bytes(range(64, 96))


def signers(desk: Desk, *key_ids: str) -> list[Signer]:
    """The signers of these keys."""
    rows = {row.key_id: row for row in desk.store.list_keys()}
    return [
        desk.key_store(rows[key_id].uri).open(key_id, rows[key_id].public_key)
        for key_id in dict.fromkeys(key_ids)
    ]


def rotate(desk: Desk, tick: Callable[[], Instant]) -> tuple[str, str]:
    """Announce the committed successor and make it active, each at the next *tick*: the ids
    of the old and the new key."""
    old = active_entry(desk.keyset().body)
    assert old is not None
    heir = row_of(desk, old.successor_key_sha256)
    assert heir is not None
    described = key_object(desk.config, heir.key_id, heir.public_key, heir.created_at)
    at = tick()
    body = announce(desk.keyset().body, described, successor=None, at=at)
    enact(
        desk, body, signers(desk, old.key_id, heir.key_id), act="announce", reason="a test", at=at
    )
    at = tick()
    body = activate(desk.keyset().body, heir.key_id, at=at)
    enact(
        desk, body, signers(desk, old.key_id, heir.key_id), act="activate", reason="a test", at=at
    )
    tick()
    return old.key_id, heir.key_id


def compromise(world: World, desk: Desk, *, since: Instant) -> tuple[str, str]:
    """Revoke the active key, distrusted since then, with its successor as its heir."""
    at = world.clock.move(60)
    row = create_key(
        desk, world.keys, key_id="recovery-1", usage="recovery", seed=RECOVERY_SEED, at=at
    )
    old = active_entry(desk.keyset().body)
    assert old is not None
    described = recovery_object(desk.config, row)
    body = set_recovery(desk.keyset().body, add=[described], threshold=1, at=at)
    enact(desk, body, signers(desk, old.key_id, row.key_id), act="recovery", reason="a test", at=at)
    heir = row_of(desk, old.successor_key_sha256)
    assert heir is not None
    described = key_object(desk.config, heir.key_id, heir.public_key, heir.created_at)
    at = world.clock.move(3600)
    body = revoke(
        desk.keyset().body, old.key_id, since=since, reason="stolen", at=at, heir=described
    )
    enact(desk, body, signers(desk, row.key_id, heir.key_id), act="revoke", reason="a test", at=at)
    world.clock.move(3600)
    return old.key_id, heir.key_id


def signed(desk: Desk, job: Job, *, limit: int | None = None) -> list[str]:
    """Run a job, and give the suffixes it signed."""
    signer = desk.signer(desk.clock())
    pages: Iterable[list[str]] = run(desk, signer, job, clock=desk.clock, limit=limit)
    return [subject for page in pages for subject in page]


def fresh(desk: Desk) -> Job:
    """The newest job as it stands now."""
    return open_job(desk)
