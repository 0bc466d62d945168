"""Checkpoints: lists of documents that one timestamp dates, and the timestamps themselves."""

from hashlib import sha256

from registry.errors import ConflictError
from registry.protocol.bundle import Bundle
from registry.protocol.canonical import JsonObject, canonical
from registry.protocol.evidence import Checkpoint, Proof, sha256_of
from registry.protocol.instant import Instant
from registry.protocol.strict_json import read_json
from registry.store import sql
from registry.store.base import Database, held, written
from registry.store.packing import unpack


class Checkpoints(Database):
    """Which events and bundles stand in a checkpoint, and which in none yet."""

    _dated_to = 0
    """The seq up to which this connection has dated all that it saw."""

    def undated(self, count: int) -> list[tuple[str, str]]:
        """At most *count* documents that stand in no checkpoint, as (``event:`` or ``bundle:``
        and the id, digest with its signature): events in the order they were stored first."""
        events = self._rows(sql.UNDATED_EVENTS, {"after": self._dated_to, "count": count})
        bundles = self._rows(sql.UNDATED_BUNDLES, {"count": count - len(events)})
        return [
            (f"event:sha256:{event_id.hex()}", sha256(unpack(body)).hexdigest())  # kept canonical
            for _, event_id, body in events
        ] + [
            (f"bundle:sha256:{digest.hex()}", sha256_of(held(Bundle.parse, unpack(body))))
            for digest, body in bundles
        ]

    def last_checkpoint_at(self) -> Instant | None:
        """When the newest checkpoint was made."""
        (latest,) = self._rows(sql.LAST_CHECKPOINT_AT, {})[0]
        return None if latest is None else Instant(latest)

    def add_checkpoint(self, checkpoint: Checkpoint, anchor: JsonObject, *, at: Instant) -> None:
        """Keep a checkpoint of what `undated` gave, with its timestamp.

        Raises ConflictError ``checkpoint.dated`` when another has one of them already.
        """
        self._dated_to = self._add_checkpoint(checkpoint, anchor, at=at) or self._dated_to

    @written
    def _add_checkpoint(self, checkpoint: Checkpoint, anchor: JsonObject, *, at: Instant) -> int:
        """Keep it; gives the last seq of its events, or 0."""
        digest = bytes.fromhex(sha256_of(checkpoint))
        last = 0
        values = {
            "sha256": digest,
            "at": at.micros,
            "anchor": canonical(anchor),
            "body": checkpoint.canonical,
        }
        for name, _ in checkpoint.documents:
            document = {"document": bytes.fromhex(name[-64:]), "checkpoint": digest}
            if not self._rows(sql.ADD_DATED, document):
                raise ConflictError(
                    "another run has just dated the same documents",
                    code="checkpoint.dated",
                    hint="nothing was stored, and nothing is missing",
                )
            for (seq,) in self._rows(sql.EVENT_SEQ, document):
                last = max(last, seq)
        self._rows(sql.ADD_CHECKPOINT, values | {"last_seq": last})
        return last

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
