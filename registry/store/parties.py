"""The list of third parties, version by version."""

from registry.errors import ConflictError
from registry.protocol.canonical import canonical
from registry.protocol.instant import Instant
from registry.protocol.signers import Signers
from registry.store import sql
from registry.store.base import held, written
from registry.store.journal import Journal
from registry.store.rows import SignatureRow


class Parties(Journal):
    """Versions of the signers list, never changed."""

    @written
    def add_signers(self, signers: Signers, *, at: Instant) -> None:
        """Keep the next version with its journal line; ConflictError ``signers.moved`` when
        another came first, and what `_require_signing` raises of its key."""
        self._require_signing([signers.signature.key_id])
        body = signers.body
        values = {
            "version": body.version,
            "sha256": body.digest,
            "body": canonical(signers.to_json()),
            "old": body.version - 1,
        }
        if not self._rows(sql.ADD_SIGNERS, values):
            raise ConflictError(
                f"version {body.version} of the signers list was made meanwhile",
                code="signers.moved",
                hint="nothing was stored; run the command again",
            )
        line = SignatureRow(signers.signature.key_id, "signers", body.digest, at)
        self._journal(line)

    def _restore_signers(self, signers: Signers, at: Instant) -> None:
        """Keep a version that was made before this home was."""
        body = signers.body
        document = canonical(signers.to_json())
        values = {"version": body.version, "sha256": body.digest, "body": document}
        self._rows(sql.RESTORE_SIGNERS, values)
        key_id = signers.signature.key_id
        self._restore_signature(SignatureRow(key_id, "signers", body.digest, at))

    def find_signers(self) -> Signers | None:
        """The newest version, or None before anybody was enrolled."""
        row = self._first(sql.NEWEST_SIGNERS, {})
        return None if row is None else held(Signers.parse, row[0])
