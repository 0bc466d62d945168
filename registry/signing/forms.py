"""Forms: a document of which most is the same from one to the next, written once by the
functions that write every such document, and then filled in.

A form is made of the canonical bytes of a document that has a mark at each place that
changes. So what stands between the places is what those functions say, and stays so.
"""

import base64
from collections.abc import Mapping
from functools import cache
from operator import itemgetter
from typing import Final

from registry.protocol.canonical import embedded, plain_canonical
from registry.protocol.event import Event, EventBody, Signature, SignerRef, record_created
from registry.protocol.event_types import EVENT_TYPES, GRAPH_SNAPSHOT
from registry.protocol.graph import Paper, check_paper, shown_texts, unchecked_snapshot
from registry.protocol.instant import Instant
from registry.protocol.number import PithNumber
from registry.protocol.receipt import Receipt
from registry.protocol.record import Record
from registry.protocol.source import Source

_NUMBER: Final = PithNumber(0, "<number>")
_VERSION: Final = 8_888_888_888
_DIGEST: Final = b"\xfd" * 32
_PREV, _EVENT = "<prev>", "<event>"  # as no name of a key or registry may be
_SIGNATURE, _SEAL = b"\xfa" * 64, b"\xf9" * 64
_SUBMITTED: Final = Instant.parse_seconds("9999-12-31T23:59:58Z")
_RECORD: Final = Record(
    Source("<kind>", "<id>", _VERSION),
    license="<license>",
    primary_cat="<primary>",
    submitted_at=_SUBMITTED,
    cross_cats=("<others>",),
    title_sha256="",
    abstract_sha256="",
    canonical=b'"<record>"',
    digest=_DIGEST,
    number=_NUMBER,
)
_PAYLOAD: Final = b'"<payload>"'
_PAPER: Final = Paper("<title>", "<abstract>", "<authors>", "<headline>")


class Form:
    """The bytes around the places of a document, which are filled in by name order."""

    __slots__ = ("_order", "_text")

    def __init__(self, written: bytes, marks: Mapping[str, bytes]) -> None:
        """Each of *marks* stands in *written*, once or more; `fill` takes values in their order."""
        found = []
        for number, mark in enumerate(marks.values()):
            start = written.find(mark)
            if start < 0:
                raise ValueError(f"{mark!r} stands nowhere")
            while start >= 0:
                found.append((start, start + len(mark), number))
                start = written.find(mark, start + len(mark))
        text, end = b"", 0
        for start, stop, _ in sorted(found):
            text += written[end:start].replace(b"%", b"%%") + b"%b"
            end = stop
        self._text = text + written[end:].replace(b"%", b"%%")
        self._order = itemgetter(*(number for _, _, number in sorted(found)))

    def fill(self, *values: bytes) -> bytes:
        """The document with these values, as they stand in JSON, in its places."""
        found: bytes = self._text % self._order(values)
        return found


class MintForms:
    """The documents of minting at one time: the payload of a record_created, and of both events
    what is hashed and what is kept."""

    __slots__ = ("created", "created_body", "payload", "shown", "shown_body")

    def __init__(self, who: SignerRef, builder_version: str, at: Instant) -> None:
        receipt = Receipt(
            key_id=who.key_id,
            fingerprint=who.fingerprint,
            sha256=_DIGEST.hex(),
            signature=_SIGNATURE,
            builder_version=builder_version,
            first_computed_at=at,
            last_reissued_at=at,
            signed_at=at,
        )
        created = record_created(_RECORD, receipt, who, embed=lambda r: embedded(r.canonical))
        self.payload = Form(
            plain_canonical(created.payload),
            {
                "record": _RECORD.canonical,
                "digest": b'"canonical_sha256":"%b"' % _DIGEST.hex().encode(),
                "signature": base64.b64encode(_SIGNATURE),
                "kind": b'"<kind>"',
                "id": b'"<id>"',
                "version": b'"source_version":%d' % _VERSION,
            },
        )
        self.created_body, self.created = _event(_with_payload(created), {}, at)
        row = EVENT_TYPES[GRAPH_SNAPSHOT]
        prev = f"sha256:{_PREV}"
        shown = EventBody(row.name, _NUMBER, row.targets[0], {}, who, at.whole, (), prev)
        place = {"prev": _PREV.encode()}
        self.shown_body, self.shown = _event(_with_payload(shown), place, at)


_SNAPSHOT: Final = {
    "title": b'"<title>"',
    "authors": b'"<authors>"',
    "abstract": b'"<abstract>"',
    "headline": b'"<headline>"',
    "license": b'"<license>"',
    "primary": b'"<primary>"',
    "others": b'["<others>"]',
    "submitted": _SUBMITTED.seconds.encode(),
    "kind": b'"<kind>"',
    "id": b'"<id>"',
    "version": str(_VERSION).encode(),
}


@cache
def _snapshot_form(builder_version: str) -> Form:
    snapshot = unchecked_snapshot(_PAPER, _RECORD, builder_version)
    payload = {"graph_snapshot": snapshot, "verdict_id": _PAPER.verdict_id}
    return Form(plain_canonical(payload), _SNAPSHOT)


def plain_snapshot(paper: Paper, record: Record, builder_version: str) -> bytes:
    """The payload of the snapshot of a record's paper that `Paper.is_plain`, in its canonical
    bytes; texts and the record's members are all that differs from one to the next. Raises
    what `check_paper` raises."""
    check_paper(paper, record)
    title, authors, abstract = shown_texts(paper)
    source = record.source
    return _snapshot_form(builder_version).fill(
        plain_canonical(title),
        plain_canonical(authors),
        plain_canonical(abstract),
        plain_canonical(paper.headline),
        plain_canonical(record.license),
        plain_canonical(record.primary_cat),
        plain_canonical(record.cross_cats),
        record.submitted_at.seconds.encode(),
        plain_canonical(source.kind),
        plain_canonical(source.id),
        b"%d" % source.version,
    )


def _with_payload(body: EventBody) -> EventBody:
    return EventBody(
        body.event_type,
        body.subject,
        body.target,
        embedded(_PAYLOAD),
        body.signer,
        body.created_at,
        body.supersedes,
        body.prev_event,
    )


def _event(body: EventBody, more: Mapping[str, bytes], at: Instant) -> tuple[Form, Form]:
    """What is hashed of an event, and the event: places are number, payload, *more*, and then
    its digest and signature."""
    who, digest = body.signer, _EVENT
    event = Event(
        body, Signature(who.key_id, who.fingerprint, _SEAL, at), digest, f"sha256:{digest}"
    )
    marks = {"number": str(_NUMBER).encode(), "payload": _PAYLOAD, **more}
    seal = {"digest": digest.encode(), "signature": base64.b64encode(_SEAL)}
    return (
        Form(plain_canonical(body.to_json()), marks),
        Form(plain_canonical(event.to_json()), {**marks, **seal}),
    )
