"""Stored documents, read again: one that is not what its row is found by is damage."""

from hashlib import sha256

from registry.errors import StoreError
from registry.protocol.event import Event
from registry.protocol.number import PithNumber
from registry.protocol.record import Record
from registry.store.base import held
from registry.store.packing import unpack


def record_of(suffix: str, stored: bytes) -> Record:
    """The record of a row; StoreError ``store.damaged`` where it is none, or another."""
    record = held(Record.parse, unpack(stored))
    if record.number.suffix != suffix:
        raise _another(suffix, str(record.number))
    return record


def document_of(number: PithNumber, stored: bytes) -> bytes:
    """The canonical bytes of the record of a row, by their digest alone; StoreError
    ``store.damaged`` where it is another's."""
    data = unpack(stored)
    found = PithNumber.of(sha256(data).digest(), number.year)
    if found != number:
        raise _another(number.suffix, str(found))
    return data


def event_of(event_id: bytes, stored: bytes) -> Event:
    """The event of a row; StoreError ``store.damaged`` where it is none, or another."""
    event = held(Event.parse, unpack(stored))
    if event.sha256 != event_id.hex():
        raise _another(event_id.hex(), event.sha256)
    return event


def _another(wanted: str, found: str) -> StoreError:
    return StoreError(
        f"the stored document under {wanted} is {found}",
        code="store.damaged",
        hint="restore the database from a backup; `pith store check` says what else is damaged",
    )
