"""Ceremonies: what was signed for in them, and their transcripts."""

from collections.abc import Sequence
from typing import Final

from registry.errors import ConflictError
from registry.protocol.canonical import canonical
from registry.protocol.handover import Handover
from registry.protocol.instant import Instant
from registry.protocol.keyset import KeySetSignature
from registry.protocol.transcript import Transcript
from registry.store import sql
from registry.store.base import held, written
from registry.store.journal import Journal
from registry.store.rows import SignatureRow

_NONE: Final = b""


class Ceremonies(Journal):
    """Requests by their nonce, and transcripts in their order."""

    @written
    def add_ceremony(
        self, handover: Handover, made: Sequence[KeySetSignature], *, at: Instant
    ) -> bool:
        """Note a request, and the signatures that were *made* here for it, before they leave.

        Raises ConflictError ``ceremony.nonce`` when its nonce is that of another request, and
        StoreError ``store.unreconciled``.
        """
        self._lock_signing(shared=True)
        self._require_unlocked()
        digest = handover.proposed.digest
        values = {
            "nonce": handover.nonce,
            "asked_sha256": handover.asked_sha256,
            "to_sha256": digest,
            "at": at.micros,
        }
        new = bool(self._rows(sql.ADD_CEREMONY, values))
        ((found,),) = self._rows(sql.CEREMONY, {"nonce": handover.nonce})
        if found != handover.asked_sha256:
            raise ConflictError(
                "its nonce is that of another request",
                code="ceremony.nonce",
                hint="make a new request; do not use this one",
            )
        for signature in made:
            self._journal(SignatureRow(signature.key_id, "keyset", digest, at))
        return new

    def find_ceremony(self, nonce: str) -> bytes | None:
        """The digest of what a request with this nonce asked for."""
        row = self._first(sql.CEREMONY, {"nonce": nonce})
        return None if row is None else bytes(row[0])

    def has_proposed(self, digest: bytes) -> bool:
        """Whether a key set of this digest was asked for, or signed for, in a ceremony here."""
        return self._first(sql.PROPOSED, {"to_sha256": digest}) is not None

    def has_keyset(self, digest: bytes) -> bool:
        """Whether a version of the key set here has this digest."""
        return self._first(sql.HAS_KEYSET, {"sha256": digest}) is not None

    def transcripts(self) -> list[Transcript]:
        """Every transcript, the oldest first."""
        return [held(Transcript.parse, body) for (body,) in self._rows(sql.TRANSCRIPTS, {})]

    def _insert_transcript(self, transcript: Transcript) -> None:
        body = transcript.body
        values = {
            "sha256": body.digest,
            "body": canonical(transcript.to_json()),
            "prev": _NONE if body.prev_sha256 is None else bytes.fromhex(body.prev_sha256),
            "none": _NONE,
        }
        if not self._rows(sql.ADD_TRANSCRIPT, values):
            raise ConflictError(
                "another ceremony ended meanwhile",
                code="transcript.moved",
                hint="nothing was changed; begin again",
            )
        at = body.steps[-1].at
        for signature in transcript.signatures:
            self._journal(SignatureRow(signature.key_id, "transcript", body.digest, at))
