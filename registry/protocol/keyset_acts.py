"""From one version of a key set to the next: what each act changes (protocol.md section 10).

Every function is pure and gives the body of the version after *old*, unsigned. Whether it
may follow is for `registry.protocol.keyset_chain` to say, as a stranger would; what an act
could never do is refused here already, with ConflictError ``keyset.act``.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from registry.errors import ConflictError, NotFoundError, shown
from registry.protocol.instant import Instant
from registry.protocol.keys import KeyObject, PublicKey
from registry.protocol.keyset import MAX_LIFE_DAYS, KeyEntry, KeySetBody


def _next(
    old: KeySetBody, entries: Sequence[KeyEntry], at: Instant, threshold: int | None = None
) -> KeySetBody:
    return KeySetBody(
        registry=old.registry,
        version=old.version + 1,
        created_at=at.whole,
        expires_at=at.whole.plus(days=MAX_LIFE_DAYS),
        threshold=old.threshold if threshold is None else threshold,
        prev_sha256=old.digest.hex(),
        entries=tuple(entries),
    )


def _changed(
    old: KeySetBody, key_id: str, change: Callable[[KeyEntry], KeyEntry]
) -> list[KeyEntry]:
    entry_of(old, key_id)
    return [change(entry) if entry.key_id == key_id else entry for entry in old.entries]


def _refused(message: str, hint: str = "") -> ConflictError:
    return ConflictError(message, code="keyset.act", hint=hint)


def entry_of(body: KeySetBody, key_id: str) -> KeyEntry:
    """The entry of a key id; NotFoundError ``keyset.absent`` without one."""
    for entry in body.entries:
        if entry.key_id == key_id:
            return entry
    raise NotFoundError(
        f"version {body.version} of the key set has no key {shown(key_id)}",
        code="keyset.absent",
        hint="`pith key list` shows which keys are listed",
    )


def active_entry(body: KeySetBody) -> KeyEntry | None:
    """The one active registry key, or None while there is none."""
    return next(iter(body.active("registry")), None)


def _commitment(successor: PublicKey | None) -> str | None:
    return None if successor is None else successor.sha256.hex()


def renew(old: KeySetBody, *, at: Instant) -> KeySetBody:
    """The same keys for another 400 days."""
    return _next(old, old.entries, at)


def announce(
    old: KeySetBody, key: KeyObject, *, successor: PublicKey | None, at: Instant
) -> KeySetBody:
    """List the committed successor of the active key, with a commitment of its own."""
    active = active_entry(old)
    if active is None or active.successor_key_sha256 != key.key.sha256.hex():
        raise _refused(f"{key.key_id} is not the committed successor of the active key")
    added = KeyEntry.new(
        key,
        usage="registry",
        status="announced",
        valid_from=at.whole,
        successor_key_sha256=_commitment(successor),
    )
    return _next(old, (*old.entries, added), at)


def activate(old: KeySetBody, key_id: str, *, at: Instant) -> KeySetBody:
    """Make an announced key the active one; the key before it signs no more (retiring)."""
    if entry_of(old, key_id).status != "announced":
        raise _refused(f"{key_id} is {entry_of(old, key_id).status}, not announced")
    status = {"active": "retiring"}

    def turned(entry: KeyEntry) -> KeyEntry:
        if entry.key_id == key_id:
            return replace(entry, status="active")
        if entry.usage == "registry":
            return replace(entry, status=status.get(entry.status, entry.status))
        return entry

    return _next(old, [turned(entry) for entry in old.entries], at)


def retire(old: KeySetBody, key_id: str, *, at: Instant) -> KeySetBody:
    """End the time of a key: what it signed until *at* stays valid."""
    if entry_of(old, key_id).status != "retiring":
        raise _refused(f"{key_id} is {entry_of(old, key_id).status}, not retiring")
    ended = _changed(old, key_id, lambda e: replace(e, status="retired", retired_at=at.whole))
    return _next(old, ended, at)


def commit(old: KeySetBody, key_id: str, successor: PublicKey | None, *, at: Instant) -> KeySetBody:
    """Commit a key to another successor: a recovery act."""
    sha256 = _commitment(successor)
    return _next(old, _changed(old, key_id, lambda e: replace(e, successor_key_sha256=sha256)), at)


def set_recovery(
    old: KeySetBody,
    *,
    add: Sequence[KeyObject] = (),
    retire: Sequence[str] = (),
    threshold: int,
    at: Instant,
) -> KeySetBody:
    """Add recovery keys, retire others, and set how many of them an act takes."""
    for key_id in retire:
        entry = entry_of(old, key_id)
        if entry.usage != "recovery" or entry.status != "active":
            raise _refused(f"{key_id} is no active recovery key")
    kept = [
        replace(entry, status="retired", retired_at=at.whole) if entry.key_id in retire else entry
        for entry in old.entries
    ]
    added = [
        KeyEntry.new(key, usage="recovery", status="active", valid_from=at.whole) for key in add
    ]
    count = sum(e.usage == "recovery" and e.status == "active" for e in (*kept, *added))
    if not 1 <= threshold <= count:
        raise _refused(f"threshold {threshold} with {count} recovery keys")
    return _next(old, (*kept, *added), at, threshold)


def revoke(
    old: KeySetBody,
    key_id: str,
    *,
    since: Instant | None,
    reason: str,
    at: Instant,
    threshold: int | None = None,
    heir: KeyObject | None = None,
    successor: PublicKey | None = None,
) -> KeySetBody:
    """Distrust a key, from *since* on or (None) from its first day: a recovery act.

    *since* may move an earlier one only further back. When the active key goes, *heir*
    signs from now on, an announced key or one that is added here, committed to
    *successor*; without an heir the registry signs nothing until another recovery act.
    """
    gone = entry_of(old, key_id)
    standing = gone.compromised_since or gone.valid_from
    later = gone.compromised_since is not None if since is None else since > standing
    if gone.status == "revoked" and later:
        raise _refused(
            f"{key_id} is distrusted since {standing.seconds} already",
            "that time can only move back",
        )
    revoked = replace(
        gone,
        status="revoked",
        revoked_at=gone.revoked_at or at.whole,
        compromised_since=None if since is None else since.whole,
        reason=reason,
        successor_key_sha256=gone.successor_key_sha256 if heir else None,
    )
    entries = _changed(old, key_id, lambda _: revoked)
    left = sum(e.usage == "recovery" and e.status == "active" for e in entries)
    wanted = old.threshold if threshold is None else threshold
    if gone.usage == "recovery" and not 1 <= wanted <= left:
        raise _refused(
            f"threshold {wanted} with {left} recovery keys left",
            "lower it with --threshold, or add another recovery key first",
        )
    if heir is not None:
        entries = _inherited(old, entries, gone, heir, successor, at)
    return _next(old, entries, at, threshold)


def _inherited(
    old: KeySetBody,
    entries: Sequence[KeyEntry],
    gone: KeyEntry,
    heir: KeyObject,
    successor: PublicKey | None,
    at: Instant,
) -> list[KeyEntry]:
    standing = active_entry(old)
    if standing is not None and standing.key_id != gone.key_id:
        raise _refused(f"{standing.key_id} is active and stays so: {heir.key_id} cannot be too")
    known = next((entry for entry in old.entries if entry.key_id == heir.key_id), None)
    if known is None:
        entry = KeyEntry.new(
            heir,
            usage="registry",
            status="active",
            valid_from=at.whole,
            successor_key_sha256=_commitment(successor),
        )
        return [*entries, entry]
    if known.status != "announced" or known.object is None or known.object.key != heir.key:
        raise _refused(f"{heir.key_id} is {known.status} and cannot become the active key")
    sha256 = _commitment(successor) or known.successor_key_sha256
    return [
        replace(entry, status="active", successor_key_sha256=sha256)
        if entry.key_id == heir.key_id
        else entry
        for entry in entries
    ]


def replace_active(
    old: KeySetBody, heir: KeyObject, *, successor: PublicKey | None, at: Instant
) -> KeySetBody:
    """Put another key in the place of the active one, committed or not: a recovery act.
    The key before it becomes retiring; nothing it signed is distrusted."""
    standing = active_entry(old)
    entries = [
        replace(entry, status="retiring") if entry == standing else entry for entry in old.entries
    ]
    placed = standing or next(e for e in old.entries if e.usage == "registry")
    return _next(old, _inherited(old, entries, placed, heir, successor, at), at)


def possessors(old: KeySetBody, new: KeySetBody) -> tuple[KeyEntry, ...]:
    """The keys that must sign *new* to show that whoever lists them holds them."""
    before = {entry.key_id: entry.status for entry in old.entries}
    return tuple(
        entry
        for entry in new.entries
        if entry.object is not None
        and (
            entry.key_id not in before
            or (entry.status == "active" and before[entry.key_id] != "active")
        )
    )
