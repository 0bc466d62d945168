"""What the columns of a row must be by the document in it, whoever wrote the row."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from registry.errors import MismatchError
from registry.protocol.bundle import Bundle
from registry.protocol.canonical import canonical
from registry.protocol.equivocation import Contradiction
from registry.protocol.event import Event, event_identity
from registry.protocol.evidence import Checkpoint, sha256_of
from registry.protocol.keys import KeyObject
from registry.protocol.keyset import KeySet
from registry.protocol.record import Record
from registry.protocol.signers import Signers
from registry.protocol.strict_json import LARGE, Document, read_json
from registry.protocol.transcript import Transcript
from registry.store.chains import record_values
from registry.store.tables import Table

Columns: TypeAlias = Mapping[str, Any]


def check_row(table: Table, row: tuple[Any, ...]) -> None:
    """Raise MismatchError ``TABLE.COLUMN`` where a column is not what its document says, and
    what reading the document raises. Signatures are not looked at: `pith store check` does."""
    derive = _DERIVED.get(table.name)
    if derive is None:
        return
    found = dict(zip(table.columns, row, strict=True))
    for column, wanted in derive(found).items():
        if found[column] != wanted:
            raise MismatchError(
                f"{column} is not that of the document of its row", code=f"{table.name}.{column}"
            )


def _keyset(row: Columns) -> Columns:
    body = KeySet.parse(row["body"]).body
    return {"version": body.version, "sha256": body.digest}


def _signers(row: Columns) -> Columns:
    body = Signers.parse(row["body"]).body
    return {"version": body.version, "sha256": body.digest}


def _transcript(row: Columns) -> Columns:
    return {"sha256": Transcript.parse(row["body"]).body.digest}


def _record(row: Columns) -> Columns:
    record = Record.parse(row["body"])
    return record_values(record) | {"body": record.canonical}


def _event(row: Columns) -> Columns:
    document = read_json(row["body"])
    event = Event.from_json(document.value, encode=document.canonical)
    identity = event_identity(document.value, document.canonical)
    return _canonical(document) | {
        "event_id": identity,
        "subject": event.body.subject.suffix,
        "event_type": event.body.event_type,
        "signer_id": event.body.signer.signer_id,
    }


def _event_elsewhere(row: Columns) -> Columns:
    derived = _event(row)
    return {name: derived[name] for name in ("body", "event_id", "subject")}


def _canonical(document: Document) -> dict[str, Any]:
    return {"body": document.canonical(document.value)}


def _bundle(row: Columns) -> Columns:
    document = read_json(row["body"], LARGE)
    body = Bundle.from_json(document.value).body
    digest = hashlib.sha256(document.canonical(body.value)).digest()
    return {"sha256": digest, "subject": body.number.suffix, "built_at": body.built_at.micros}


def _checkpoint(row: Columns) -> Columns:
    checkpoint = Checkpoint.parse(row["body"])
    return {"sha256": bytes.fromhex(sha256_of(checkpoint)), "body": checkpoint.canonical}


def _foreign_key(row: Columns) -> Columns:
    key = KeyObject.from_json(read_json(row["body"]).value)
    return {"key_id": key.key_id, "public_key": key.key.raw, "body": canonical(key.to_json())}


def _foreign_record(row: Columns) -> Columns:
    derived = _record(row)
    names = ("suffix", "source_kind", "source_id", "source_version", "body")
    return {name: derived[name] for name in names}


def _apart(row: Columns) -> Columns:
    if row["kind"] == "event":
        return {"name": f"sha256:{event_identity(read_json(row['body'], LARGE).value).hex()}"}
    return {"name": hashlib.sha256(row["body"]).hexdigest()}


def _evidence(row: Columns) -> Columns:
    evidence = Contradiction.parse(row["body"])
    return {"sha256": evidence.digest, "body": evidence.canonical}


_DERIVED: Final[dict[str, Callable[[Columns], Columns]]] = {
    "keysets": _keyset,
    "signers": _signers,
    "transcripts": _transcript,
    "records": _record,
    "events": _event,
    "bundles": _bundle,
    "checkpoints": _checkpoint,
    "foreign_keys": _foreign_key,
    "foreign_records": _foreign_record,
    "foreign_events": _event_elsewhere,
    "quarantine": _apart,
    "equivocations": _evidence,
    "staged": _event_elsewhere,
}
"""The tables whose rows hold a document that they are found by."""
