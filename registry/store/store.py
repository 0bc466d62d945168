"""Everything a registry holds, behind one class (SQLite file)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from registry.errors import ConflictError, MalformedError, StoreError, VerificationError
from registry.protocol.bundle import Bundle
from registry.protocol.canonical import canonical
from registry.protocol.event import Event
from registry.protocol.instant import Instant
from registry.protocol.keys import PublicKey
from registry.protocol.keyset import KeySet
from registry.protocol.record import Record
from registry.store import sql
from registry.store.database import open_database, translated, write

T = TypeVar("T")
NO_EVENT: Final = b""
PAGE: Final = 500
MAX_CLAIM_AGE: Final = 86_400 * 1_000_000
"""Microseconds after which a claim's time is no longer that of a signature: the claim is
taken over with the new time. No process still works on it, and nothing of it ever left."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A place in a record's chain that is claimed: what will be signed, and when.

    ``body`` is the event body's canonical bytes, empty for a record_created.
    """

    subject: str
    prev: bytes
    at: Instant
    body: bytes


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key of this registry and the URI of the key store that holds it."""

    key_id: str
    public_key: PublicKey
    usage: str
    uri: str
    created_at: Instant


@dataclass(frozen=True, slots=True)
class SignatureRow:
    """One line of the journal: a signature that was made.

    ``kind`` is receipt, event, bundle or keyset; ``digest`` the 32 bytes that
    were signed (of a key set, SHA-256 of what was signed).
    """

    key_id: str
    kind: str
    digest: bytes
    at: Instant


@dataclass(frozen=True, slots=True)
class ActRow:
    """One line of the journal of acts on keys: what was done, with which key, why, when."""

    act: str
    key_id: str
    reason: str
    at: Instant


class Store:
    """The registry's database. Only documents that were verified are given to it.

    ``add_*`` inserts once and says whether it was new; ``find_*`` gives a value
    or None. Every method raises StoreError when the database refuses.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        self._db = open_database(path, create=create)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    @contextmanager
    def _write(self) -> Iterator[None]:
        with translated(self.path), write(self._db):
            yield

    def _rows(self, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with translated(self.path):
            return list(self._db.execute(statement, values))

    def _first(self, statement: str, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        rows = self._rows(statement, values)
        return rows[0] if rows else None

    # -- what this registry is -------------------------------------------------

    @property
    def registry(self) -> str:
        """The id this store was made for."""
        row = self._first(sql.META, {"name": "registry"})
        if row is None:
            raise StoreError(
                f"{self.path} belongs to no registry",
                code="store.registry",
                hint="run `pith init` to finish making the home",
            )
        return str(row[0])

    def begin(self, registry: str, key: KeyRow, keyset: KeySet) -> None:
        """Make this the store of *registry*: its name, first key and first key set, at once.

        Raises ConflictError ``store.begun`` when it already belongs to a registry.
        """
        with self._write():
            if not list(self._db.execute(sql.ADD_META, {"name": "registry", "value": registry})):
                raise ConflictError(
                    f"{self.path} already belongs to a registry", code="store.begun"
                )
            self._insert_key(key)
            self._insert_keyset(keyset)

    # -- keys and key sets -----------------------------------------------------

    def add_key(self, key: KeyRow) -> bool:
        """Note where a key is."""
        with self._write():
            return self._insert_key(key)

    def _insert_key(self, key: KeyRow) -> bool:
        values = {
            "key_id": key.key_id,
            "public_key": key.public_key.raw,
            "usage": key.usage,
            "uri": key.uri,
            "created_at": key.created_at.micros,
        }
        return bool(list(self._db.execute(sql.ADD_KEY, values)))

    def replace_key_uri(self, key_id: str, *, old: str, new: str) -> None:
        """Note that a key has moved, or raise ConflictError ``key.moved`` when it is no
        longer noted where it was."""
        with self._write():
            values = {"key_id": key_id, "old": old, "new": new}
            if not list(self._db.execute(sql.MOVE_KEY, values)):
                raise ConflictError(f"key {key_id} has moved meanwhile", code="key.moved")

    def list_keys(self) -> list[KeyRow]:
        """All keys, oldest first."""
        return [
            KeyRow(key_id, _held(PublicKey.from_raw, raw), usage, uri, Instant(at))
            for key_id, raw, usage, uri, at in self._rows(sql.KEYS, {})
        ]

    def _insert_keyset(self, keyset: KeySet) -> bool:
        body = keyset.body
        values = {
            "version": body.version,
            "sha256": body.digest,
            "body": canonical(keyset.to_json()),
        }
        new = bool(list(self._db.execute(sql.ADD_KEYSET, values)))
        for signature in keyset.signatures:
            self._journal(SignatureRow(signature.key_id, "keyset", body.digest, body.created_at))
        return new

    def find_keyset(self) -> KeySet | None:
        """The newest key set."""
        row = self._first(sql.NEWEST_KEYSET, {})
        return None if row is None else _held(KeySet.parse, row[0])

    # -- records ---------------------------------------------------------------

    def find_record(self, suffix: str) -> Record | None:
        """The record with this suffix, minted or about to be."""
        row = self._first(sql.RECORD, {"suffix": suffix})
        return None if row is None else _held(Record.parse, row[0])

    def records_by_prefix(self, prefix: str, count: int) -> list[Record]:
        """At most *count* minted records whose suffix begins so, in the order of suffixes."""
        values = {"low": prefix, "high": prefix + "Z" * (26 - len(prefix)), "count": count}
        return [_held(Record.parse, body) for (body,) in self._rows(sql.RECORDS_BY_PREFIX, values)]

    def records_by_source(
        self, kind: str, source_id: str, version: int | None = None
    ) -> list[Record]:
        """The minted records of one source id, or of one version of it, newest first."""
        values = {"kind": kind, "id": source_id, "version": version, "count": PAGE}
        return [_held(Record.parse, body) for (body,) in self._rows(sql.RECORDS_BY_SOURCE, values)]

    def records(self) -> Iterator[Record]:
        """Every minted record, in the order of suffixes, read a page at a time."""
        after = ""
        while rows := self._rows(sql.RECORDS_AFTER, {"after": after, "count": PAGE}):
            for (body,) in rows:
                record = _held(Record.parse, body)
                yield record
            after = record.number.suffix

    def count_minted(self) -> int:
        """How many record_created events there are."""
        return int(self._rows(sql.COUNT_MINTED, {})[0][0])

    # -- minting and chains ----------------------------------------------------

    def claim_mints(self, records: Sequence[Record], *, at: Instant) -> list[Intent | None]:
        """Durably claim the first place in the chain of each record not yet minted.

        Gives for each record its intent, which an earlier, interrupted mint may
        have made with its own time within the last day, or None where the record
        is minted already.
        """
        claims: list[Intent | None] = []
        with self._write():
            for record in records:
                subject = record.number.suffix
                if list(self._db.execute(sql.ANY_HEAD, {"subject": subject})):
                    claims.append(None)
                    continue
                self._insert_record(record)
                claims.append(self._claim(Intent(subject, NO_EVENT, at, b"")))
        return claims

    def _insert_record(self, record: Record) -> None:
        source = record.source
        values = {
            "digest": record.digest,
            "suffix": record.number.suffix,
            "year": record.number.year,
            "source_kind": source.kind,
            "source_id": source.id,
            "source_version": source.version,
            "body": record.canonical,
        }
        self._db.execute(sql.ADD_RECORD, values)

    def claim(self, intent: Intent, signer_id: str) -> Intent | None:
        """Durably claim the place after the head of a signer's chain.

        Gives the claim that stands there, which is another's when an earlier one
        was interrupted, or None when the head is no longer ``intent.prev``: the
        head is compared in the transaction that claims.
        """
        place = {"subject": intent.subject, "signer_id": signer_id}
        with self._write():
            head = next(iter(self._db.execute(sql.HEAD, place)), (NO_EVENT,))
            return self._claim(intent) if head[0] == intent.prev else None

    def _claim(self, intent: Intent) -> Intent:
        place = {"subject": intent.subject, "prev": intent.prev}
        values = place | {"at": intent.at.micros, "body": intent.body}
        if list(self._db.execute(sql.ADD_INTENT, values)):
            return intent
        at, body = next(iter(self._db.execute(sql.INTENT, place)))
        if abs(at - intent.at.micros) > MAX_CLAIM_AGE:
            self._db.execute(sql.RENEW_INTENT, values | {"old": at})
            return intent
        return Intent(intent.subject, intent.prev, Instant(at), body)

    def drop_claim(self, intent: Intent) -> None:
        """Give up a place that nothing was stored for."""
        place = {"subject": intent.subject, "prev": intent.prev}
        with self._write():
            self._db.execute(sql.DROP_INTENT, place)

    def intents(self, after: Intent | None = None) -> list[Intent]:
        """A page of the claims that nothing was stored for yet: what interruptions left."""
        subject, prev = ("", NO_EVENT) if after is None else (after.subject, after.prev)
        values = {"subject": subject, "prev": prev, "count": PAGE}
        rows = self._rows(sql.INTENTS, values)
        return [Intent(subject, prev, Instant(at), body) for subject, prev, at, body in rows]

    def count_intents(self) -> int:
        """How many claims are open."""
        return int(self._rows(sql.COUNT_INTENTS, {})[0][0])

    def add_own_events(self, entries: Sequence[tuple[Event, Sequence[SignatureRow]]]) -> list[bool]:
        """Store our own signed events with their journal lines, move the heads of their
        chains, and drop their claims: all of them or none.

        Says for each whether it was new. Raises ConflictError ``event.head`` when
        a chain has moved.
        """
        with self._write():
            return [self._add_own(event, journal) for event, journal in entries]

    def _add_own(self, event: Event, journal: Sequence[SignatureRow]) -> bool:
        body = event.body
        subject = body.subject.suffix
        event_id = bytes.fromhex(event.sha256)
        prev = event_bytes(body.prev_event)
        values = {
            "event_id": event_id,
            "subject": subject,
            "event_type": body.event_type,
            "signer_id": body.signer.signer_id,
            "body": event.canonical,
        }
        for line in journal:
            self._journal(line)
        new = bool(list(self._db.execute(sql.ADD_EVENT, values)))
        if new:
            head = {"subject": subject, "signer_id": body.signer.signer_id, "event_id": event_id}
            moved = (
                self._db.execute(sql.MOVE_HEAD, head | {"prev": prev})
                if prev
                else self._db.execute(sql.ADD_HEAD, head)
            )
            if not list(moved):
                raise ConflictError(
                    f"the chain of {body.subject} has moved on",
                    code="event.head",
                    hint="nothing was stored; run the command again",
                )
        self._db.execute(sql.DROP_INTENT, {"subject": subject, "prev": prev})
        return new

    def find_head(self, subject: str, signer_id: str) -> str | None:
        """The id of the last event of a signer on a record."""
        row = self._first(sql.HEAD, {"subject": subject, "signer_id": signer_id})
        return None if row is None else f"sha256:{row[0].hex()}"

    # -- events and bundles ----------------------------------------------------

    def find_event(self, event_id: str) -> Event | None:
        """One event by its id."""
        row = self._first(sql.EVENT, {"event_id": event_bytes(event_id)})
        return None if row is None else _held(Event.parse, row[0])

    def events_of(self, subject: str) -> list[Event]:
        """All events about a record, in the order they were stored."""
        rows = self._rows(sql.EVENTS_OF, {"subject": subject})
        return [_held(Event.parse, body) for (body,) in rows]

    def add_bundle(self, bundle: Bundle) -> bool:
        """Keep a bundle we signed, with its journal line."""
        digest = bytes.fromhex(bundle.sha256)
        values = {
            "sha256": digest,
            "subject": bundle.body.number.suffix,
            "built_at": bundle.body.built_at.micros,
            "body": bundle.to_bytes(),
        }
        signature = bundle.signature
        with self._write():
            self._journal(SignatureRow(signature.key_id, "bundle", digest, signature.signed_at))
            return bool(list(self._db.execute(sql.ADD_BUNDLE, values)))

    # -- the journal -----------------------------------------------------------

    def _journal(self, line: SignatureRow) -> None:
        values = {
            "key_id": line.key_id,
            "kind": line.kind,
            "digest": line.digest,
            "at": line.at.micros,
        }
        self._db.execute(sql.ADD_SIGNATURE, values)

    def add_act(self, line: ActRow) -> None:
        """Write an act on a key into the journal."""
        values = {
            "act": line.act,
            "key_id": line.key_id,
            "reason": line.reason,
            "at": line.at.micros,
        }
        with self._write():
            self._db.execute(sql.ADD_ACT, values)

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

    def check_database(self) -> None:
        """Ask the database whether its file is sound; StoreError ``store.damaged``."""
        with translated(self.path):
            found = self._db.pragma("quick_check")
        if found != "ok":
            raise StoreError(
                f"{self.path} is damaged: {found}",
                code="store.damaged",
                hint="restore it from a backup; do not write to it",
            )

    def signatures(self) -> Iterator[SignatureRow]:
        """Every signature made, in the order of the journal, read a page at a time."""
        after = 0
        while rows := self._rows(sql.SIGNATURES, {"after": after, "count": PAGE}):
            for _, key_id, kind, digest, at in rows:
                yield SignatureRow(key_id, kind, digest, Instant(at))
            after = rows[-1][0]

    def has_signature(self, kind: str, digest: bytes) -> bool:
        """Whether the journal has a signature of this kind over these 32 bytes."""
        return self._first(sql.SIGNATURE, {"kind": kind, "digest": digest}) is not None

    def unjournaled(self) -> list[tuple[str, str]]:
        """Stored documents without a line in the journal, as (kind, digest in hex)."""
        return [(kind, digest.hex()) for kind, digest in self._rows(sql.UNJOURNALED, {})]

    def undocumented(self) -> list[tuple[str, str]]:
        """Lines of the journal without their document, as (kind, digest in hex)."""
        return [(kind, digest.hex()) for kind, digest in self._rows(sql.UNDOCUMENTED, {})]


def _held(parse: Callable[[bytes], T], body: bytes) -> T:
    """What was verified when it was stored: when it no longer reads, the store is damaged."""
    try:
        return parse(body)
    except (MalformedError, VerificationError) as error:
        raise StoreError(
            f"a stored document no longer reads: {error}",
            code="store.damaged",
            hint="restore the database from a backup",
        ) from None


def event_bytes(event_id: str | None) -> bytes:
    """An event id as the store keeps it: 32 bytes, or none for the start of a chain."""
    return NO_EVENT if event_id is None else bytes.fromhex(event_id.removeprefix("sha256:"))
