"""Checkpoints: lists of documents that one timestamp dates, and the timestamps themselves."""

from hashlib import sha256

from registry.errors import ConflictError
from registry.protocol.bundle import Bundle
from registry.protocol.canonical import JsonObject, canonical
from registry.protocol.evidence import Checkpoint, Proof, sha256_of
from registry.protocol.instant import Instant
from registry.protocol.strict_json import read_json
from registry.store import sql
from registry.store.base import Database, held


class Checkpoints(Database):
    """Which events and bundles stand in a checkpoint, and which in none yet."""

    def undated(self, count: int) -> list[tuple[str, str]]:
        """At most *count* documents that stand in no checkpoint, as (``event:`` or ``bundle:``
        and the id, digest with its signature)."""
        return [
            (f"{kind}:sha256:{digest.hex()}", _sealed(kind, body))
            for kind, digest, body in self._rows(sql.UNDATED, {"count": count})
        ]

    def last_checkpoint_at(self) -> Instant | None:
        """When the newest checkpoint was made."""
        (latest,) = self._rows(sql.LAST_CHECKPOINT_AT, {})[0]
        return None if latest is None else Instant(latest)

    def add_checkpoint(self, checkpoint: Checkpoint, anchor: JsonObject, *, at: Instant) -> None:
        """Keep a checkpoint with its timestamp, and note every document in it.

        Raises ConflictError ``checkpoint.dated`` when another has one of them already.
        """
        digest = bytes.fromhex(sha256_of(checkpoint))
        values = {
            "sha256": digest,
            "at": at.micros,
            "anchor": canonical(anchor),
            "body": checkpoint.canonical,
        }
        with self._write():
            self._db.execute(sql.ADD_CHECKPOINT, values)
            for name, _ in checkpoint.documents:
                document = {"document": bytes.fromhex(name[-64:]), "checkpoint": digest}
                if not list(self._db.execute(sql.ADD_DATED, document)):
                    raise ConflictError(
                        "another run has just dated the same documents",
                        code="checkpoint.dated",
                        hint="nothing was stored, and nothing is missing",
                    )

    def checkpoints_of(self, subject: str) -> list[Proof]:
        """The checkpoints in which an event or a bundle of a record stands, oldest first."""
        rows = self._rows(sql.CHECKPOINTS_OF, {"subject": subject})
        return [
            Proof(held(read_json, anchor).value, held(Checkpoint.parse, body))
            for anchor, body in rows
        ]

    def anchors_of(self, subject: str) -> list[JsonObject]:
        """The timestamps alone of those in which an event of a record stands."""
        rows = self._rows(sql.ANCHORS_OF, {"subject": subject})
        return [held(read_json, anchor).value for (anchor,) in rows]


def _sealed(kind: str, body: bytes) -> str:
    """The digest of a stored document with its signature: events are kept canonical."""
    return sha256_of(held(Bundle.parse, body)) if kind == "bundle" else sha256(body).hexdigest()
