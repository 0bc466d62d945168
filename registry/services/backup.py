"""Backup and restore: a copy of the store while it is written to, and the way back."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from registry.config import Config
from registry.errors import ConflictError, StoreError, shown
from registry.protocol.canonical import JsonObject
from registry.protocol.checks import counted
from registry.protocol.instant import Instant
from registry.services.arrival import arriving
from registry.services.importing import MADE_ANEW
from registry.store.keeping import check_tables, check_whole
from registry.store.new_file import new_file
from registry.store.rows import ActRow
from registry.store.store import Store


@dataclass(frozen=True, slots=True)
class Copy:
    """What a copy of a store holds; ``last_signed_at`` is when its last signature was made."""

    registry: str
    records: int
    keyset_version: int
    keyset_sha256: str
    last_signed_at: Instant | None

    def to_json(self) -> JsonObject:
        """The same for ``--json``."""
        last = self.last_signed_at
        return {
            "registry": self.registry,
            "records": self.records,
            "keyset_version": self.keyset_version,
            "keyset_sha256": self.keyset_sha256,
            "last_signed_at": None if last is None else last.micro_text,
        }


def examine_copy(path: Path) -> Copy:
    """Open a copy of a store, and say what is in it.

    Raises StoreError ``store.damaged`` where the database is not sound, ``store.unfinished``,
    and what opening and reading it raise.
    """
    with Store(path, read_only=True) as store:
        store.check_database()
        check_tables(store)
        check_whole(store.mark)
        keyset = store.find_keyset()
        if keyset is None or keyset.body.registry != store.registry:
            raise StoreError(
                f"{shown(str(path))} has no key set of its registry", code="store.damaged"
            )
        body = keyset.body
        return Copy(
            store.registry,
            store.count_minted(),
            body.version,
            body.digest.hex(),
            store.last_signed_at(),
        )


def back_up(store: Store, path: Path, told: Callable[[int, int], None]) -> Copy:
    """Copy a store to *path* while others write to it, and look at the copy.

    The copy is marked: what is put in the place of a lost store signs nothing before it
    was compared with what was published. Raises StoreError ``store.unfinished``, and what
    `new_file` and `examine_copy` raise.
    """
    check_whole(store.mark)
    with new_file(path) as part:
        store.copy_to(part, told)
        return examine_copy(part)


def restore_store(
    source: Path,
    config: Config,
    *,
    at: Instant,
    told: Callable[[int, int], None],
    placed: Callable[[int, int], None],
) -> Copy:
    """Make the store of a config from a backup, where there is none.

    The journal says that the home was made anew at *at*, and nothing is signed until the
    store was reconciled. Raises ConflictError ``config.registry`` for the backup of another
    registry, and what `arriving` and `examine_copy` raise. *placed* hears what that tells.
    """
    found = examine_copy(source)
    if found.registry != config.registry_id:
        raise ConflictError(
            f"{shown(str(source))} is of {shown(found.registry)}, not {config.registry_id}",
            code="config.registry",
            hint="restore it into a home of its own",
        )
    with arriving(config, placed) as part:
        with Store(source, read_only=True) as store:
            store.copy_to(part, told)
        with Store(part) as copy:
            copy.mark_restored(made_anew(copy, found, at, "a backup"))
        return examine_copy(part)


def made_anew(store: Store, found: Copy, at: Instant, source: str) -> ActRow:
    """The act that says of what the store of a home was made anew."""
    keyset = store.find_keyset()
    assert keyset is not None  # examine_copy has read it
    signing = keyset.body.active("registry") or keyset.body.entries
    reason = (
        f"from {source} of {counted(found.records, 'record')} and key set {found.keyset_version}"
    )
    return ActRow(MADE_ANEW, signing[0].key_id, reason, at)
