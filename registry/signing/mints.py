"""Signing what is minted: a record_created with its receipt, and the graph_snapshot after it.

The bytes are those that `registry.signing.documents` makes one by one: a record and a payload are
read here under their closed schemas, kept, and put into the forms of `registry.signing.forms`
once their places are claimed. Self-check as in `registry.signing.bulk`.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from registry.errors import MalformedError
from registry.protocol.canonical import canonical, plain_canonical
from registry.protocol.ed25519 import SIGNATURE_LENGTH
from registry.protocol.event import MAX_EVENT_BYTES, SignerRef
from registry.protocol.graph import Paper, graph_snapshot
from registry.protocol.instant import Instant
from registry.protocol.number import PithNumber
from registry.protocol.receipt import receipt_message
from registry.protocol.record import Record
from registry.signing.bulk import check_payload, checking, examine_ends
from registry.signing.forms import MintForms, plain_snapshot
from registry.signing.signer import Signer


class Signed(NamedTuple):
    """Ids (32 bytes) and canonical bytes of a record_created and, where there is one, of the
    graph_snapshot after it."""

    created_id: bytes
    created: bytes
    shown_id: bytes | None
    shown: bytes | None


class MintBatch:
    """Records to mint, each with the snapshot that is to follow its record_created: read here
    under their closed schemas, and signed from what was read, once their places are claimed.
    Nothing else can be signed with it."""

    def __init__(self, signer: Signer, registry: str, *, builder_version: str) -> None:
        self._signer = signer
        self._who = SignerRef.of_registry(registry, signer.key_id, signer.public_key)
        self._builder_version = builder_version
        self._read: list[tuple[Record, bytes | None]] = []
        self._made: dict[int, MintForms] = {}

    def read(self, data: bytes) -> Record:
        """Take in a record; raises MalformedError where it is none."""
        record = Record.parse(data)
        self._read.append((record, None))
        return record

    def show(self, snapshot: Paper | bytes) -> None:
        """Take in the snapshot of the record read last: its paper, or the payload in its
        canonical bytes.

        Raises MismatchError ``graph.title`` or ``graph.abstract`` where it is another paper,
        MalformedError where no event could say it, ``event.size`` where it is too long; the
        record stays without one then.
        """
        record, _ = self._read[-1]
        if isinstance(snapshot, Paper):
            payload = snapshot_payload(snapshot, record, builder_version=self._builder_version)
        else:
            payload = snapshot
            check_payload(record.number, payload)
        if len(payload) > MAX_EVENT_BYTES // 2:
            # As long as it will be, whatever its time and the event before it.
            hexed, number = record.sha256.encode(), str(record.number).encode()
            seal = base64.b64encode(bytes(SIGNATURE_LENGTH))
            _sized(record, self._forms(Instant(0)).shown.fill(number, payload, hexed, hexed, seal))
        self._read[-1] = record, payload

    def payload(self, place: int) -> bytes | None:
        """The payload of the snapshot of the record read at a place."""
        return self._read[place][1]

    def sign(self, times: Sequence[Instant | None]) -> list[Signed | None]:
        """Sign what was read, in order, each with its time; None: it is not to be signed.

        Raises KeyUnavailableError when the signer fails; nothing of the batch leaves then.
        """
        sign = checking(self._signer)
        batch: list[Signed | None] = []
        created: list[tuple[PithNumber, bytes]] = []
        shown: list[tuple[PithNumber, bytes]] = []
        for (record, payload), at in zip(self._read, times, strict=True):
            if at is None:
                batch.append(None)
                continue
            signed = _signed(sign, self._forms(at), record, payload)
            batch.append(signed)
            created.append((record.number, signed.created))
            if signed.shown is not None:
                shown.append((record.number, signed.shown))
        for events in (created, shown):
            numbers, kept = [number for number, _ in events], [event for _, event in events]
            examine_ends(self._signer, self._who, numbers, kept)
        return batch

    def _forms(self, at: Instant) -> MintForms:
        found = self._made.get(at.micros)
        if found is None:
            found = self._made[at.micros] = MintForms(self._who, self._builder_version, at)
        return found


def _signed(
    sign: Callable[[bytes], bytes], forms: MintForms, record: Record, payload: bytes | None
) -> Signed:
    source, number = record.source, str(record.number).encode()
    said = forms.payload.fill(
        record.canonical,
        b'"canonical_sha256":"%b"' % record.sha256.encode(),
        base64.b64encode(sign(receipt_message(record))),
        plain_canonical(source.kind),
        plain_canonical(source.id),
        b'"source_version":%d' % source.version,
    )
    created_id = hashlib.sha256(forms.created_body.fill(number, said)).digest()
    prev, seal = created_id.hex().encode(), base64.b64encode(sign(created_id))
    created = _sized(record, forms.created.fill(number, said, prev, seal))
    if payload is None:
        return Signed(created_id, created, None, None)
    shown_id = hashlib.sha256(forms.shown_body.fill(number, payload, prev)).digest()
    hexed, seal = shown_id.hex().encode(), base64.b64encode(sign(shown_id))
    shown = _sized(record, forms.shown.fill(number, payload, prev, hexed, seal))
    return Signed(created_id, created, shown_id, shown)


def _sized(record: Record, event: bytes) -> bytes:
    if len(event) > MAX_EVENT_BYTES:
        raise MalformedError(
            f"the event of {record.number} has {len(event)} bytes, over {MAX_EVENT_BYTES}",
            code="event.size",
        )
    return event


def snapshot_payload(paper: Paper, record: Record, *, builder_version: str) -> bytes:
    """The payload of the snapshot of a record's paper, checked, in its canonical bytes.

    Raises MismatchError ``graph.title`` or ``graph.abstract`` where it is another paper,
    MalformedError where no event could say it.
    """
    if paper.is_plain:
        return plain_snapshot(paper, record, builder_version)
    value = {
        "graph_snapshot": graph_snapshot(paper, record, builder_version=builder_version),
        "verdict_id": paper.verdict_id,
    }
    payload = canonical(value)
    check_payload(record.number, payload)
    return payload
