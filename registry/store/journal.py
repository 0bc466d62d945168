"""The journal: every signature that was made here, and every act on a key."""

from collections.abc import Iterable, Iterator

from registry.errors import ConflictError, KeyUnavailableError, StoreError
from registry.protocol.instant import Instant
from registry.protocol.keyset import KeySet
from registry.store import sql, tables
from registry.store.base import PAGE, Database, held, written
from registry.store.rows import ActRow, SignatureRow


class Journal(Database):
    """What was signed and done."""

    _signs: tuple[int, str | None] | None = None

    def _journal(self, line: SignatureRow) -> None:
        self._journal_all([line])

    def _journal_all(self, lines: Iterable[SignatureRow]) -> None:
        self._insert(sql.ADD_SIGNATURE, map(signature_values, lines))

    def _restore_signature(self, line: SignatureRow) -> None:
        """Note a signature of ours that was made before this home was."""
        self._rows(sql.ADD_RESTORED, signature_values(line))

    @written
    def add_act(self, line: ActRow) -> None:
        """Write an act on a key into the journal."""
        self._lock_signing()
        self._act(line)

    def _lock_signing(self, *, shared: bool = False) -> None:
        """Let nobody change which key signs, or *shared* keep what it signed, before this
        transaction ends."""
        self._engine.enter(sql.META, {"name": "registry"}, alone=not shared)

    def _act(self, line: ActRow) -> None:
        values = {
            "act": line.act,
            "key_id": line.key_id,
            "reason": line.reason,
            "at": line.at.micros,
        }
        self._rows(sql.ADD_ACT, values)

    def is_stopped(self, key_id: str) -> bool:
        """Whether a person said that this key signs nothing more here."""
        return self._first(sql.STOPPED, {"key_id": key_id}) is not None

    def _require_signing(self, key_ids: Iterable[str]) -> None:
        """Inside a write: nothing is kept that a key signed which no longer signs here,
        another process having changed the key set or stopped the key meanwhile. Raises
        KeyUnavailableError ``key.stopped``, ConflictError ``keyset.moved``, StoreError
        ``store.unreconciled``."""
        self._lock_signing(shared=True)
        self._require_unlocked()
        for key_id in key_ids:
            if self.is_stopped(key_id):
                raise KeyUnavailableError(
                    f"{key_id} was stopped meanwhile: what it signed was not kept",
                    code="key.stopped",
                    hint="`pith rotation status` shows which key signs, `pith key list` all",
                )
            if key_id != self._signing_key():
                raise ConflictError(
                    f"{key_id} is not the key that signs any more: what it signed was not kept",
                    code="keyset.moved",
                    hint="run it again: the key that signs now goes on where this ended",
                )

    def _require_unlocked(self) -> None:
        """Inside a write, after `_lock_signing`: StoreError ``store.unreconciled`` where the
        store was moved or put back meanwhile."""
        if self._rows(tables.UNRECONCILED, {}):
            raise StoreError(
                "this store was locked meanwhile: what was signed was not kept",
                code="store.unreconciled",
                hint="it was moved or put back: nothing of it was handed out",
            )

    def _signing_key(self) -> str | None:
        """The active registry key of the newest version, each of which is read once."""
        version = self._rows(sql.NEWEST_VERSION, {})[0][0]
        if self._signs is None or self._signs[0] != version:
            row = self._first(sql.NEWEST_KEYSET, {})
            active = () if row is None else held(KeySet.parse, row[0]).body.active("registry")
            self._signs = version, active[0].key_id if active else None
        return self._signs[1]

    def acts(self) -> list[ActRow]:
        """Every act on a key, oldest first."""
        return [
            ActRow(act, key_id, reason, Instant(at))
            for act, key_id, reason, at in self._rows(sql.ACTS, {})
        ]

    def last_signed_at(self) -> Instant | None:
        """When the latest signature of the journal was made."""
        (latest,) = self._rows(sql.LAST_SIGNED_AT, {})[0]
        return None if latest is None else Instant(latest)

    def signatures(self) -> Iterator[SignatureRow]:
        """Every signature made, in the order of the journal, read a page at a time."""
        after = 0
        while rows := self._rows(sql.SIGNATURES, {"after": after, "count": PAGE}):
            for _, key_id, kind, digest, at in rows:
                yield SignatureRow(key_id, kind, digest, Instant(at))
            after = rows[-1][0]

    def has_signature(self, kind: str, digest: bytes, key_id: str) -> bool:
        """Whether the journal has a signature of this kind by a key over these 32 bytes."""
        return self._first(sql.SIGNATURE, _line(kind, digest, key_id)) is not None

    def has_restored(self, kind: str, digest: bytes, key_id: str) -> bool:
        """Whether a signature by a key over these 32 bytes came in when the home was made
        anew."""
        return self._first(sql.RESTORED, _line(kind, digest, key_id)) is not None

    def restored(self) -> Iterator[SignatureRow]:
        """Every signature from before this home was made anew, read a page at a time."""
        rows = self._rows(sql.RESTORED_AFTER, _line("", b"", "") | {"count": PAGE})
        while rows:
            for kind, digest, key_id, at in rows:
                yield SignatureRow(key_id, kind, digest, Instant(at))
            kind, digest, key_id, _ = rows[-1]
            rows = self._rows(sql.RESTORED_AFTER, _line(kind, digest, key_id) | {"count": PAGE})

    def unjournaled(self) -> list[tuple[str, str]]:
        """Stored documents without a line in the journal, as (kind, digest in hex)."""
        return [(kind, digest.hex()) for kind, digest in self._rows(sql.UNJOURNALED, {})]

    def undocumented(self) -> list[tuple[str, str]]:
        """Lines of the journal without their document, as (kind, digest in hex)."""
        return [(kind, digest.hex()) for kind, digest in self._rows(sql.UNDOCUMENTED, {})]


def _line(kind: str, digest: bytes, key_id: str) -> dict[str, str | bytes | int]:
    return {"kind": kind, "digest": digest, "key_id": key_id}


def signature_values(line: SignatureRow) -> dict[str, str | bytes | int]:
    """A line as the database keeps it."""
    return {
        "key_id": line.key_id,
        "kind": line.kind,
        "digest": line.digest,
        "at": line.at.micros,
    }
