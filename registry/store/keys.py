"""Where this registry's keys are, and its key sets."""

from collections.abc import Sequence

from registry.errors import ConflictError
from registry.protocol.canonical import canonical
from registry.protocol.instant import Instant
from registry.protocol.keys import PublicKey
from registry.protocol.keyset import KeySet, KeySetBody
from registry.protocol.transcript import Transcript
from registry.store import sql
from registry.store.base import held, written
from registry.store.ceremonies import Ceremonies
from registry.store.rows import ActRow, KeyRow, SignatureRow


class Keys(Ceremonies):
    """Keys and key sets."""

    _newest: tuple[bytes, KeySet] | None = None

    @written
    def add_key(self, key: KeyRow) -> bool:
        """Note where a key is."""
        return self._insert_key(key)

    def _insert_key(self, key: KeyRow) -> bool:
        values = {
            "key_id": key.key_id,
            "public_key": key.public_key.raw,
            "usage": key.usage,
            "uri": key.uri,
            "created_at": key.created_at.micros,
        }
        return bool(self._rows(sql.ADD_KEY, values))

    @written
    def drop_key(self, key: KeyRow) -> None:
        """Forget a key that was noted and never came to be in its key store."""
        values = {"key_id": key.key_id, "public_key": key.public_key.raw}
        self._rows(sql.DROP_KEY, values)

    @written
    def replace_key_uri(self, key_id: str, *, old: str, new: str) -> None:
        """Note that a key has moved, or raise ConflictError ``key.moved`` when it is no
        longer noted where it was."""
        values = {"key_id": key_id, "old": old, "new": new}
        if not self._rows(sql.MOVE_KEY, values):
            raise ConflictError(f"key {key_id} has moved meanwhile", code="key.moved")

    def list_keys(self) -> list[KeyRow]:
        """All keys, oldest first."""
        return [
            KeyRow(key_id, held(PublicKey.from_raw, raw), usage, uri, Instant(at))
            for key_id, raw, usage, uri, at in self._rows(sql.KEYS, {})
        ]

    def _insert_keyset(self, keyset: KeySet, *, restored: bool = False) -> bool:
        body = keyset.body
        values = {
            "version": body.version,
            "sha256": body.digest,
            "body": canonical(keyset.to_json()),
        }
        new = bool(self._rows(sql.ADD_KEYSET, values))
        if restored:
            for line in _lines(keyset):
                self._restore_signature(line)
        else:
            self._journal_keyset(keyset)
        return new

    @written
    def replace_keyset(
        self,
        keyset: KeySet,
        *,
        old: KeySetBody,
        act: ActRow,
        transcripts: Sequence[Transcript] = (),
    ) -> None:
        """Make *keyset* the newest after *old*, with its journal lines, the act and the
        *transcripts* of its ceremony, or change nothing: ConflictError ``keyset.moved``
        when *old* is no longer the newest, ``transcript.moved`` when they do not follow,
        StoreError ``store.unreconciled``."""
        body = keyset.body
        values = {
            "version": body.version,
            "sha256": body.digest,
            "body": canonical(keyset.to_json()),
            "old_version": old.version,
            "old_sha256": old.digest,
        }
        self._lock_signing()
        self._require_unlocked()
        if not self._rows(sql.NEXT_KEYSET, values):
            raise ConflictError(
                f"version {old.version} is no longer the newest key set",
                code="keyset.moved",
                hint="nothing was changed; look at `pith keyset show` and begin again",
            )
        self._journal_keyset(keyset)
        self._act(act)
        for transcript in transcripts:
            self._insert_transcript(transcript)

    def _journal_keyset(self, keyset: KeySet) -> None:
        for line in _lines(keyset):
            self._journal(line)

    def list_keysets(self) -> list[KeySet]:
        """Every version of the key set, the oldest first."""
        return [held(KeySet.parse, body) for (body,) in self._rows(sql.KEYSETS, {})]

    def find_keyset(self) -> KeySet | None:
        """The newest key set; the same bytes are parsed once."""
        row = self._first(sql.NEWEST_KEYSET, {})
        if row is None:
            return None
        if self._newest is None or self._newest[0] != row[0]:
            self._newest = row[0], held(KeySet.parse, row[0])
        return self._newest[1]


def _lines(keyset: KeySet) -> list[SignatureRow]:
    """A journal line for each signature of a key set."""
    body = keyset.body
    return [
        SignatureRow(signature.key_id, "keyset", body.digest, body.created_at)
        for signature in keyset.signatures
    ]
