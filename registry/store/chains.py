"""Claims, the events they become, the heads of chains, and bundles."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from registry.errors import ConflictError
from registry.protocol.bundle import Bundle
from registry.protocol.event import Event
from registry.protocol.event_types import GRAPH_SNAPSHOT, RECORD_CREATED
from registry.protocol.instant import Instant
from registry.protocol.number import PithNumber
from registry.protocol.record import Record
from registry.store import sql
from registry.store.base import PAGE, written
from registry.store.documents import event_of
from registry.store.journal import Journal
from registry.store.packing import pack, unpack
from registry.store.rows import (
    MAX_CLAIM_AGE,
    NO_EVENT,
    Intent,
    MintRow,
    RecordRow,
    SignatureRow,
    event_bytes,
    record_row,
)


class Chains(Journal):
    """The chain of each signer on each record."""

    def claim_mints(
        self, records: Sequence[Record], *, at: Instant, since: Instant | None = None
    ) -> list[Intent | None]:
        """Durably claim the first place in the chain of each record not yet minted: see
        `claim_rows`."""
        return self.claim_rows([record_row(record) for record in records], at=at, since=since)

    @written
    def claim_rows(
        self, rows: Sequence[RecordRow], *, at: Instant, since: Instant | None = None
    ) -> list[Intent | None]:
        """Durably claim the first place in the chain of each record not yet minted.

        Gives for each record its intent, which an earlier, interrupted mint may
        have made with its own time within the last day and not before *since*, when the
        key became valid, or None where the record is minted already.
        """
        fresh = {suffix for (suffix,) in self._insert(sql.ADD_RECORD, rows)}
        subjects = [row["suffix"] for row in rows]
        known = [subject for subject in subjects if subject not in fresh]
        minted = self._minted(known)
        free = [Intent(each, NO_EVENT, at, b"") for each in subjects if each not in minted]
        added = {subject for (subject,) in self._insert(sql.ADD_INTENT, map(_place, free))}
        claims = {
            place.subject: place if place.subject in added else self._claim(place, since)
            for place in free
        }
        # What another process has minted since it was looked for is no longer free.
        late = self._minted(subject for subject in known if subject not in minted)
        self._each(sql.DROP_CLAIM, (_place(claims.pop(subject)) for subject in late))
        return [claims.get(subject) for subject in subjects]

    def _minted(self, subjects: Iterable[str]) -> set[str]:
        """Those of the records that have a chain."""
        found = self._each(sql.HEADED, ({"subject": subject} for subject in subjects))
        return {subject for (subject,) in found}

    def _insert_record(self, record: Record) -> None:
        self._rows(sql.ADD_RECORD, record_row(record))

    @written
    def claim(self, intent: Intent, signer_id: str) -> Intent | None:
        """Durably claim the place after the head of a signer's chain.

        Gives the claim that stands there, which is another's when an earlier one
        was interrupted, or None when the head is no longer ``intent.prev``: the
        head is compared in the transaction that claims.
        """
        if self._head(intent.subject, signer_id) != intent.prev:
            return None
        found = self._claim(intent)
        if self._head(intent.subject, signer_id) != intent.prev:  # the chain began meanwhile
            self._rows(sql.DROP_CLAIM, _place(found))
            return None
        return found

    def _head(self, subject: str, signer_id: str) -> bytes:
        """The head of a chain, where it stays until the transaction ends, if there is one."""
        rows = self._lock(sql.HEAD, {"subject": subject, "signer_id": signer_id})
        return bytes(rows[0][0]) if rows else NO_EVENT

    def _claim(self, intent: Intent, since: Instant | None = None) -> Intent:
        values = _place(intent)
        while not self._rows(sql.ADD_INTENT, values):
            row = self._first(sql.INTENT, {"subject": intent.subject, "prev": intent.prev})
            if row is None:
                continue  # given up meanwhile
            at, body = row
            early = since is not None and at < since.micros
            if not early and abs(at - intent.at.micros) <= MAX_CLAIM_AGE:
                return Intent(intent.subject, intent.prev, Instant(at), body)
            if self._rows(sql.RENEW_INTENT, values | {"old": at}):
                break
        return intent

    def renew_claim(self, intent: Intent, at: Instant) -> Intent | None:
        """Take over a claim with the time *at*; None when it is no longer as it was read."""
        renewed = Intent(intent.subject, intent.prev, at, intent.body)
        values = _place(renewed) | {"old": intent.at.micros}
        return renewed if self._rows(sql.RENEW_INTENT, values) else None

    @written
    def drop_claim(self, intent: Intent) -> None:
        """Give up a place that nothing was stored for, where it is claimed as it was read."""
        self._rows(sql.DROP_CLAIM, _place(intent))

    def intents(self, after: Intent | None = None) -> list[Intent]:
        """A page of the claims that nothing was stored for yet: what interruptions left."""
        subject, prev = ("", NO_EVENT) if after is None else (after.subject, after.prev)
        values = {"subject": subject, "prev": prev, "count": PAGE}
        rows = self._rows(sql.INTENTS, values)
        return [Intent(subject, prev, Instant(at), body) for subject, prev, at, body in rows]

    def count_intents(self) -> int:
        """How many claims are open."""
        return int(self._rows(sql.COUNT_INTENTS, {})[0][0])

    @written
    def add_own_events(self, entries: Sequence[tuple[Event, Sequence[SignatureRow]]]) -> list[bool]:
        """Store our own signed events with their journal lines, move the heads of their
        chains, and drop their claims: all of them or none.

        Says for each whether it was new. Raises ConflictError ``event.head`` when
        a chain has moved, and ``keyset.moved`` or KeyUnavailableError ``key.stopped`` for
        what a key signed that no longer signs.
        """
        self._require_signing({event.signature.key_id for event, _ in entries})
        return [self._add_own(event, journal) for event, journal in entries]

    @written
    def add_mints(
        self, key_id: str, signer_id: str, mints: Sequence[MintRow]
    ) -> tuple[list[bool], list[bool]]:
        """Store by the batch what a key of ours signed for minting: as `add_own_events`
        would, all of it or none.

        Says for each whether its record_created was new, and whether its snapshot was
        stored; that is thrown away where the record_created was stored before, because
        something else may follow it by now. Raises what `add_own_events` raises.
        """
        self._require_signing([key_id])
        values = (_created(signer_id, mint) for mint in mints)
        added = {event_id for (event_id,) in self._insert(sql.ADD_EVENT, values)}
        news = [_taken(added, mint.event_id) for mint in mints]
        fresh = [mint for mint, new in zip(mints, news, strict=True) if new]
        shown = [mint for mint in fresh if mint.snapshot_id is not None]
        self._insert(sql.ADD_EVENT, (_shown(signer_id, mint) for mint in shown))
        heads = (
            {
                "subject": mint.subject,
                "signer_id": signer_id,
                "event_id": mint.snapshot_id or mint.event_id,
            }
            for mint in fresh
        )
        if len(self._insert(sql.ADD_HEAD, heads)) != len(fresh):
            raise _moved("one of the records")
        self._insert(sql.ADD_SIGNATURE, _lines(key_id, mints, shown))
        self._each(
            sql.DROP_INTENT,
            ({"subject": mint.subject, "prev": NO_EVENT} for mint in mints),
        )
        return news, [
            new and mint.snapshot_id is not None for mint, new in zip(mints, news, strict=True)
        ]

    def _add_own(self, event: Event, journal: Sequence[SignatureRow]) -> bool:
        subject, prev = event.body.subject, event.body.prev_event
        for line in journal:
            self._journal(line)
        new = self._insert_event(event)
        if new:
            self._move_head(subject, event.body.signer.signer_id, prev, event.event_id)
        place = {"subject": subject.suffix, "prev": event_bytes(prev)}
        self._rows(sql.DROP_INTENT, place)
        return new

    def _insert_event(self, event: Event) -> bool:
        body = event.body
        values = {
            "event_id": bytes.fromhex(event.sha256),
            "subject": body.subject.suffix,
            "event_type": body.event_type,
            "signer_id": body.signer.signer_id,
            "body": pack(event.canonical),
        }
        return bool(self._rows(sql.ADD_EVENT, values))

    def _move_head(
        self, number: PithNumber, signer_id: str, old: str | None, event_id: str
    ) -> None:
        """Move the head of a signer's chain from *old* (None: the chain begins)."""
        head = {
            "subject": number.suffix,
            "signer_id": signer_id,
            "event_id": event_bytes(event_id),
        }
        moved = (
            self._rows(sql.ADD_HEAD, head)
            if old is None
            else self._rows(sql.MOVE_HEAD, head | {"prev": event_bytes(old)})
        )
        if not list(moved):
            raise _moved(str(number))

    def find_head(self, subject: str, signer_id: str) -> str | None:
        """The id of the last event of a signer on a record."""
        row = self._first(sql.HEAD, {"subject": subject, "signer_id": signer_id})
        return None if row is None else f"sha256:{row[0].hex()}"

    def find_event(self, event_id: str) -> Event | None:
        """One event by its id."""
        row = self._first(sql.EVENT, {"event_id": event_bytes(event_id)})
        return None if row is None else event_of(*row)

    def events_of(self, subject: str) -> list[Event]:
        """All events about a record, in the order they were stored."""
        rows = self._rows(sql.EVENTS_OF, {"subject": subject})
        return [event_of(*row) for row in rows]

    def last_events(
        self, subjects: Iterable[str], event_type: str, signer_id: str
    ) -> dict[str, tuple[str, bytes]]:
        """The last event of a type and signer on each of many records that has one: its id and
        canonical bytes."""
        sought = {"event_type": event_type, "signer_id": signer_id}
        rows = self._each(sql.LAST_OF, [{"subject": each, **sought} for each in subjects])
        return {subject: (f"sha256:{name.hex()}", unpack(body)) for subject, name, body in rows}

    @written
    def add_bundle(self, bundle: Bundle) -> bool:
        """Keep a bundle we signed, with its journal line. Raises what `add_own_events` does of
        its key."""
        self._require_signing([bundle.signature.key_id])
        self._journal(bundle_line(bundle))
        return self._insert_bundle(bundle)

    def _insert_bundle(self, bundle: Bundle) -> bool:
        values = {
            "sha256": bytes.fromhex(bundle.sha256),
            "subject": bundle.body.number.suffix,
            "built_at": bundle.body.built_at.micros,
            "body": pack(bundle.to_bytes()),
        }
        return bool(self._rows(sql.ADD_BUNDLE, values))


def _moved(subject: str) -> ConflictError:
    return ConflictError(
        f"the chain of {subject} has moved on",
        code="event.head",
        hint="nothing was stored; run the command again",
    )


def _place(intent: Intent) -> dict[str, str | bytes | int]:
    return {
        "subject": intent.subject,
        "prev": intent.prev,
        "at": intent.at.micros,
        "body": intent.body,
    }


def _created(signer_id: str, mint: MintRow) -> dict[str, str | bytes]:
    return {
        "event_id": mint.event_id,
        "subject": mint.subject,
        "event_type": RECORD_CREATED,
        "signer_id": signer_id,
        "body": mint.event,
    }


def _shown(signer_id: str, mint: MintRow) -> dict[str, str | bytes | None]:
    return {
        "event_id": mint.snapshot_id,
        "subject": mint.subject,
        "event_type": GRAPH_SNAPSHOT,
        "signer_id": signer_id,
        "body": mint.snapshot,
    }


def _taken(added: set[bytes], event_id: bytes) -> bool:
    """Whether an event is among those added; the second of two copies is not."""
    if event_id in added:
        added.remove(event_id)
        return True
    return False


def _lines(
    key_id: str, mints: Sequence[MintRow], shown: Sequence[MintRow]
) -> Iterator[dict[str, str | bytes | int | None]]:
    """The journal's lines: receipt and event of each record, then the snapshots."""
    for mint in mints:
        at = mint.at.micros
        yield {"key_id": key_id, "kind": "receipt", "digest": mint.record_digest, "at": at}
        yield {"key_id": key_id, "kind": "event", "digest": mint.event_id, "at": at}
    for mint in shown:
        at = mint.at.micros
        yield {"key_id": key_id, "kind": "event", "digest": mint.snapshot_id, "at": at}


def bundle_line(bundle: Bundle) -> SignatureRow:
    """The journal line of a bundle's signature."""
    signature = bundle.signature
    digest = bytes.fromhex(bundle.sha256)
    return SignatureRow(signature.key_id, "bundle", digest, signature.signed_at)


def record_values(record: Record) -> dict[str, Any]:
    """A record and what it is found by, as the database keeps them, but for the packing."""
    return {**record_row(record), "body": record.canonical}
