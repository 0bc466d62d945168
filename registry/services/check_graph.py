"""Check of one record: its row, events, chains, heads, claims, journal lines, and merge."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from registry.errors import PithError
from registry.protocol.canonical import canonical
from registry.protocol.event import Event, EventBody
from registry.protocol.event_checks import Examined, examine_event
from registry.protocol.merge import merge_examined
from registry.protocol.record import Record
from registry.protocol.strict_json import read_json
from registry.services.findings import COLUMN, JOURNAL, RESTORE, Finding, Frame, differing
from registry.store.chains import record_values
from registry.store.packing import unpack
from registry.store.rows import event_bytes

Rows: TypeAlias = Mapping[str, Sequence[tuple[Any, ...]]]
"""The rows about one record, by what they are; the first column of each is its suffix."""
_RECORD = ("suffix", "digest", "year", "source_kind", "source_id", "source_version", "body")


@dataclass(frozen=True, slots=True)
class _Graph:
    """The sound events of a record by their ids, and every id that may be named."""

    copies: Mapping[str, Examined]
    known: frozenset[str]

    @property
    def events(self) -> dict[str, Event]:
        return {name: copy.event for name, copy in self.copies.items() if copy.event is not None}


def check_subject(frame: Frame, subject: str, rows: Rows) -> list[Finding]:
    """Everything that follows from the stored bytes about one record."""
    findings: list[Finding] = []
    record = _record(subject, rows, findings)
    copies: dict[str, Examined] = {}
    for row in rows.get("events", ()):
        copy = _event(frame, record, row, findings)
        if copy is not None:
            copies[copy.identity] = copy
    stored = {f"sha256:{row[1].hex()}" for row in rows.get("events", ())}
    apart = {name for _, name in rows.get("apart", ())}
    graph = _Graph(copies, frozenset(stored | apart | copies.keys()))
    findings += _chains(frame, subject, graph)
    findings += _heads(subject, graph, rows.get("heads", ()))
    findings += _claims(subject, rows.get("intents", ()))
    findings += _lines(frame, record, graph, rows)
    if findings or record is None or not copies:
        return findings
    if merge_examined(record.number, copies.values()).receipt is None:
        text = "its events come to no current record_created"
        findings.append(Finding("merge.record_created", str(record.number), text))
    return findings


def _record(subject: str, rows: Rows, findings: list[Finding]) -> Record | None:
    where = f"record {subject}"
    if not rows.get("records"):
        text = f"{sum(map(len, rows.values()))} rows tell of it, and it is not there"
        findings.append(Finding("records.missing", where, text))
        return None
    found = dict(zip(_RECORD, rows["records"][0], strict=True))
    try:
        found["body"] = unpack(found["body"])
        record = Record.parse(found["body"])
        if record.canonical != found["body"]:
            findings.append(Finding("records.body", where, "not in canonical bytes"))
            return None
    except PithError as error:
        findings.append(Finding("records.body", where, str(error)))
        return None
    findings += differing("records", where, found, record_values(record))
    return record


def _event(
    frame: Frame, record: Record | None, row: tuple[Any, ...], findings: list[Finding]
) -> Examined | None:
    """The event of a row after all checks, or None where it is not sound."""
    subject, event_id, event_type, signer_id, stored = row
    where = f"event sha256:{event_id.hex()}"
    try:
        body = unpack(stored)
        document = read_json(body)
        value, encode = document.value, document.canonical
        event = Event.from_json(value, encode=encode)
        if encode(value) != body:
            findings.append(Finding("events.body", where, "not in canonical bytes"))
            return None
    except PithError as error:
        findings.append(Finding("events.body", where, str(error)))
        return None
    number = event.body.subject
    copy = examine_event(value, number, frame.bindings, encode, known=record)
    if copy.failed is not None:
        findings.append(Finding(copy.failed, where, str(copy.error)))
        return None
    found = {
        "event_id": event_id,
        "subject": subject,
        "event_type": event_type,
        "signer_id": signer_id,
    }
    derived = {
        "event_id": bytes.fromhex(event.sha256),
        "subject": number.suffix,
        "event_type": event.body.event_type,
        "signer_id": event.body.signer.signer_id,
    }
    wrong = list(differing("events", where, found, derived))
    findings += wrong
    if record is not None and not wrong and number != record.number:
        text = f"it is about {number}, the record is {record.number}"
        findings.append(Finding("event.subject", where, text))
    return None if found["subject"] != number.suffix else copy


def _chains(frame: Frame, subject: str, graph: _Graph) -> Iterator[Finding]:
    """No two events of a signer after the same one, no second beginning of ours, no gap."""
    followers: dict[tuple[str, str | None], list[str]] = defaultdict(list)
    for name, event in graph.events.items():
        prev = event.body.prev_event
        followers[event.body.signer.signer_id, prev].append(name)
        if prev is not None and prev not in graph.known:
            yield Finding("chain.gap", f"event {name}", f"the event before it, {prev}, is missing")
    for (signer_id, prev), names in followers.items():
        if len(names) < 2 or (prev is None and signer_id != frame.registry):
            continue
        text = f"{', '.join(sorted(names))} all follow {prev or 'nothing'}"
        remedy = "somebody signed both: `pith key audit`, and treat the key as stolen"
        yield Finding("chain.fork", f"record {subject}", text, remedy)


def _heads(subject: str, graph: _Graph, heads: Sequence[tuple[Any, ...]]) -> Iterator[Finding]:
    """Each signer's head is the last event of a chain of his."""
    events = graph.events
    signers = {event.body.signer.signer_id for event in events.values()}
    followed = {(e.body.signer.signer_id, e.body.prev_event) for e in events.values()}
    for signer_id in sorted(signers - {head[1] for head in heads}):
        text = f"there are events of {signer_id}, and no head"
        yield Finding("heads.missing", f"record {subject}", text)
    for _, signer_id, event_id in heads:
        name = f"sha256:{event_id.hex()}"
        where = f"head of {signer_id} on {subject}"
        if name not in graph.known:
            yield Finding("heads.event_id", where, f"{name} is no event of this record")
        elif name in events and events[name].body.signer.signer_id != signer_id:
            text = f"{name} is an event of {events[name].body.signer.signer_id}"
            yield Finding("heads.signer_id", where, text, COLUMN)
        elif (signer_id, name) in followed:
            yield Finding("heads.event_id", where, f"{name} is not the last", COLUMN)


def _claims(subject: str, claims: Sequence[tuple[Any, ...]]) -> Iterator[Finding]:
    """A claim is of this record and place, in canonical bytes."""
    for _, prev, _, body in claims:
        where = f"claim on {subject} after {prev.hex() or 'nothing'}"
        if not body:
            continue
        try:
            said = EventBody.parse(body)
        except PithError as error:
            yield Finding("intents.body", where, str(error))
            continue
        if canonical(said.to_json()) != body:
            yield Finding("intents.body", where, "not in canonical bytes")
        found = {"subject": subject, "prev": prev}
        derived = {"subject": said.subject.suffix, "prev": event_bytes(said.prev_event)}
        yield from differing("intents", where, found, derived)


def _lines(frame: Frame, record: Record | None, graph: _Graph, rows: Rows) -> Iterator[Finding]:
    """What the journal says of each signature of ours is what the document says; that there
    is a line at all is asked of the whole journal."""
    lines: dict[tuple[str, bytes], dict[str, int]] = defaultdict(dict)
    for name in ("event_lines", "event_restored", "receipt_lines", "receipt_restored"):
        for _, kind, digest, key_id, at in rows.get(name, ()):
            lines[kind, digest][key_id] = at
    for name, copy in graph.copies.items():
        event = copy.event
        if event is None or event.body.signer.signer_id != frame.registry:
            continue
        signature = event.signature
        at = signature.signed_at.micros
        found = lines.get(("event", bytes.fromhex(event.sha256)))
        yield from _line(found, f"event {name}", signature.key_id, at, at)
        if copy.receipt is not None and record is not None:
            receipt = copy.receipt
            at = receipt.signed_at.micros
            # A staged receipt may have been made before, and again under a later plan.
            first = 0 if event.body.supersedes else at
            found = lines.get(("receipt", record.digest))
            yield from _line(found, f"receipt in event {name}", receipt.key_id, first, at)


def _line(
    found: Mapping[str, int] | None, where: str, key_id: str, first: int, last: int
) -> Iterator[Finding]:
    if not found:
        return
    if key_id not in found:
        text = f"the journal has it under {', '.join(found)}, and {key_id} signed it"
        yield Finding("signatures.key_id", where, text, JOURNAL)
    elif not first <= found[key_id] <= last:
        text = f"the journal dates it {found[key_id]}, its signature {last} (microseconds)"
        yield Finding("signatures.at", where, text, RESTORE)
