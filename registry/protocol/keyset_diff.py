"""What a person reads of the change from one key set version to the next."""

from collections.abc import Iterator

from registry.errors import printable
from registry.protocol.instant import Instant
from registry.protocol.keyset import KeyEntry, KeySetBody


def diff(old: KeySetBody, new: KeySetBody) -> list[str]:
    """One line a change: ``+`` for a key that is added, ``~`` for one that changes, ``=``
    for one that does not, then the threshold and the day the version ends."""
    before = {entry.key_id: entry for entry in old.entries}
    lines = [f"{new.registry}: version {old.version} -> {new.version}"]
    for entry in new.entries:
        lines += _entry(before.get(entry.key_id), entry)
    if old.threshold != new.threshold:
        lines.append(f"~ threshold: {old.threshold} -> {new.threshold}")
    active = len(new.active("recovery"))
    lines.append(f"  threshold {new.threshold} of {active} recovery keys")
    lines.append(f"  expires {old.expires_at.seconds} -> {new.expires_at.seconds}")
    return lines


def named(entry: KeyEntry) -> str:
    """A key as people compare it: its id and, where the algorithm is known, fingerprint."""
    fingerprint = "algorithm unknown" if entry.object is None else entry.object.key.fingerprint
    return f"{entry.key_id} ({fingerprint})"


def _entry(old: KeyEntry | None, new: KeyEntry) -> Iterator[str]:
    if old is None:
        yield f"+ {new.usage} key {named(new)}: {new.status}, valid from {new.valid_from.seconds}"
        if new.successor_key_sha256 is not None:
            yield f"    commits to the successor with SHA-256 {new.successor_key_sha256}"
        return
    changes = list(_changes(old, new))
    if not changes:
        yield f"= {new.usage} key {named(new)}: {new.status}"
        return
    yield f"~ {new.usage} key {named(new)}: {'; '.join(changes)}"


def _changes(old: KeyEntry, new: KeyEntry) -> Iterator[str]:
    if old.status != new.status:
        yield f"{old.status} -> {new.status}"
    for what, before, after in (
        ("retired at", old.retired_at, new.retired_at),
        ("revoked at", old.revoked_at, new.revoked_at),
        ("distrusted since", old.compromised_since, new.compromised_since),
        ("reason", old.reason, new.reason),
        ("committed successor", old.successor_key_sha256, new.successor_key_sha256),
    ):
        if before != after:
            yield f"{what} {_shown(before)} -> {_shown(after)}"


def _shown(value: Instant | str | None) -> str:
    if value is None:
        return "none"
    return value.seconds if isinstance(value, Instant) else printable(value)
