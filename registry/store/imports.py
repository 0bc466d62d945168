"""Documents that come from outside: our own of earlier, and what other registries say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from registry.errors import ConflictError, shown
from registry.protocol.bundle import Bundle
from registry.protocol.canonical import JsonObject, canonical
from registry.protocol.event import Event
from registry.protocol.keys import KeyObject
from registry.protocol.record import Record
from registry.protocol.strict_json import read_json
from registry.store import sql
from registry.store.base import PAGE, held, written
from registry.store.chains import Chains, record_values
from registry.store.documents import event_of, record_of
from registry.store.packing import pack
from registry.store.quarantine import Quarantine
from registry.store.rows import QuarantineRow, SignatureRow


@dataclass(frozen=True, slots=True)
class Intake:
    """What an import takes of one record, and what it keeps apart.

    ``heads`` are the chains that go on: (signer_id, the head that was read, the new
    one); ``released`` the names of documents that need no longer be kept apart; ``known``
    how many events there were of the record where all this was decided.
    """

    record: Record
    events: Sequence[Event]
    heads: Sequence[tuple[str, str | None, str]] = ()
    quarantined: Sequence[QuarantineRow] = ()
    released: Sequence[str] = ()
    known: int = 0


class Imports(Chains, Quarantine):
    """Imports go through the same inserts as what is signed here."""

    @written
    def take(
        self,
        intake: Intake,
        restored: Sequence[SignatureRow] = (),
        bundles: Sequence[Bundle] = (),
    ) -> None:
        """Store events of our own graph that come from outside: all of it or nothing.

        *restored* are the signatures of ours in them that have no line in the
        journal. Raises ConflictError ``import.moved`` when more is stored by now, and
        ``event.head`` when a chain has moved.
        """
        suffix = intake.record.number.suffix
        subject = {"subject": suffix, "suffix": suffix}
        self._insert_record(intake.record)
        for statement in (sql.RECORD, sql.HEADS_OF, sql.INTENTS_OF):
            self._lock(statement, subject)
        _check_known(intake, self._rows(sql.COUNT_EVENTS_OF, subject))
        for line in restored:
            self._restore_signature(line)
        for event in intake.events:
            self._insert_event(event)
        for signer_id, old, event_id in intake.heads:
            self._move_head(intake.record.number, signer_id, old, event_id)
        for bundle in bundles:
            self._insert_bundle(bundle)
        self._apart(intake)

    @written
    def take_foreign(
        self,
        registry: str,
        intake: Intake,
        keys: Sequence[KeyObject],
        aliases: Sequence[JsonObject],
    ) -> None:
        """Store what another registry says of a record, with its keys: all of it or nothing.

        Raises ConflictError ``import.binding`` when a key_id meant another key before,
        ``import.moved`` when more is stored by now.
        """
        place = {"registry": registry, "subject": intake.record.number.suffix}
        values = record_values(intake.record)
        values |= {
            "registry": registry,
            "body": pack(intake.record.canonical),
            "aliases": canonical({"aliases": list(aliases)}),
        }
        self._rows(sql.REPLACE_FOREIGN_RECORD, values)  # others wait here
        _check_known(intake, self._rows(sql.COUNT_FOREIGN_EVENTS_OF, place))
        for key in keys:
            self._add_foreign_key(registry, key)
        for event in intake.events:
            said = {
                "registry": registry,
                "event_id": bytes.fromhex(event.sha256),
                "subject": event.body.subject.suffix,
                "body": pack(event.canonical),
            }
            self._rows(sql.ADD_FOREIGN_EVENT, said)
        self._apart(intake)

    def _apart(self, intake: Intake) -> None:
        for name in intake.released:
            self._release(name)
        for row in intake.quarantined:
            self._quarantine(row)

    def _add_foreign_key(self, registry: str, key: KeyObject) -> None:
        values = {
            "registry": registry,
            "key_id": key.key_id,
            "public_key": key.key.raw,
            "body": canonical(key.to_json()),
        }
        if self._rows(sql.ADD_FOREIGN_KEY, values):
            return
        before = [each for each in self._foreign_keys(registry) if each.key_id == key.key_id]
        if not before or _bound(before[0]) != _bound(key):
            raise ConflictError(
                f"key {key.key_id} of {shown(registry)} was bound otherwise before",
                code="import.binding",
                hint="a key_id means one key and one signer for ever; ask the registry",
            )

    def foreign_keys(self, registry: str) -> list[KeyObject]:
        """The keys that the stored events of another registry are checked with."""
        return [
            held(_key_object, body)
            for (body,) in self._rows(sql.FOREIGN_KEYS, {"registry": registry})
        ]

    def _foreign_keys(self, registry: str) -> list[KeyObject]:
        rows = self._rows(sql.FOREIGN_KEYS, {"registry": registry})
        return [held(_key_object, body) for (body,) in rows]

    def foreign_events_of(self, registry: str, subject: str) -> list[Event]:
        """What another registry says of a record, in the order it was stored."""
        rows = self._rows(sql.FOREIGN_EVENTS_OF, {"registry": registry, "subject": subject})
        return [event_of(*row) for row in rows]

    def foreign_aliases(self, registry: str, subject: str) -> list[JsonObject]:
        """The aliases of a record as another registry dates them."""
        row = self._first(sql.FOREIGN_ALIASES, {"registry": registry, "suffix": subject})
        return [] if row is None else list(read_json(row[0]).value["aliases"])

    def foreign_by_prefix(self, registry: str, prefix: str, count: int) -> list[Record]:
        """At most *count* records that another registry told of, whose suffix begins so."""
        values = {
            "registry": registry,
            "low": prefix,
            "high": prefix + "Z" * (26 - len(prefix)),
            "count": count,
        }
        return [record_of(*row) for row in self._rows(sql.FOREIGN_BY_PREFIX, values)]

    def foreign_by_source(
        self, registry: str, kind: str, source_id: str, version: int | None = None
    ) -> list[Record]:
        """The records of one source id that another registry told of, newest first."""
        values = {
            "registry": registry,
            "kind": kind,
            "id": source_id,
            "version": version,
            "count": PAGE,
        }
        return [record_of(*row) for row in self._rows(sql.FOREIGN_BY_SOURCE, values)]


def _check_known(intake: Intake, counted: Iterable[tuple[int]]) -> None:
    """Compare, inside the transaction, how many events there are with how many there were."""
    if next(iter(counted))[0] != intake.known:
        raise ConflictError(
            f"something was stored about {intake.record.number} meanwhile",
            code="import.moved",
            hint="nothing was stored; run the command again",
        )


def _key_object(body: bytes) -> KeyObject:
    return KeyObject.from_json(read_json(body).value)


def _bound(key: KeyObject) -> tuple[bytes, str | None, str | None]:
    return key.key.raw, key.signer_id, key.signer_type
