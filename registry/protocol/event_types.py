"""The types of events: the table of protocol.md section 7, one row each."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from registry.errors import MalformedError, shown
from registry.protocol import payloads, schema
from registry.protocol.canonical import Json
from registry.protocol.keys import REGISTRY_SIGNER
from registry.protocol.payloads import About

_TARGET: Final = re.compile(
    "(?P<fixed>record|graph|checkpoint)|(?P<claim>claim):[A-Za-z0-9._-]{1,64}"
    "|(?P<event>event):sha256:[0-9a-f]{64}",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class EventType:
    """One row of the table of section 7; the order of `EVENT_TYPES` is the rank.

    ``targets`` are ``record``, ``graph`` and ``checkpoint``, which stand for themselves,
    and ``claim`` and ``event``, which an id follows; ``shown_as`` is the member of
    ``state.current`` that shows it; ``check_payload`` passes, or raises MalformedError
    or MismatchError.
    """

    name: str
    targets: tuple[str, ...]
    shown_as: str
    signers: frozenset[str]
    check_payload: Callable[[Json, About, str], None]

    def check_target(self, value: Json, path: str) -> str:
        """The target, when events of this type may have it; MalformedError ``event.target``."""
        target = schema.text(value, path)
        found = _TARGET.fullmatch(target)
        if found is None or (found["fixed"] or found.lastgroup) not in self.targets:
            forms = {"claim": "claim:ID", "event": "event:sha256:…"}
            allowed = " or ".join(forms.get(each, each) for each in self.targets)
            raise MalformedError(
                f"{shown(value)} stands where only {allowed} may", code="event.target", path=path
            )
        return target


RECORD_CREATED: Final = "record_created"
GRAPH_SNAPSHOT: Final = "graph_snapshot"
AUTHOR_ATTESTATION: Final = "author_attestation"
TIMESTAMP_ANCHOR: Final = "timestamp_anchor"
STORAGE_ATTESTATION: Final = "storage_attestation"
CITATION_SIGNATURE: Final = "citation_signature"
REPLICATION_RECORD: Final = "replication_record"
CORRECTION: Final = "correction"
MIRROR_HINT: Final = "mirror_hint"


def _row(
    name: str,
    targets: tuple[str, ...],
    check_payload: Callable[[Json, About, str], None],
    *parties: str,
    shown_as: str | None = None,
) -> EventType:
    return EventType(
        name, targets, shown_as or f"{name}s", frozenset((REGISTRY_SIGNER, *parties)), check_payload
    )


EVENT_TYPES: Final[Mapping[str, EventType]] = {
    row.name: row
    for row in (
        _row(RECORD_CREATED, ("record",), payloads.check_record_created, shown_as="record_created"),
        _row(GRAPH_SNAPSHOT, ("graph",), payloads.check_graph_snapshot),
        _row(AUTHOR_ATTESTATION, ("record", "claim"), payloads.check_author_attestation, "author"),
        _row(TIMESTAMP_ANCHOR, ("record", "event", "checkpoint"), payloads.check_timestamp_anchor),
        _row(STORAGE_ATTESTATION, ("record",), payloads.check_storage_attestation, "mirror"),
        _row(
            CITATION_SIGNATURE,
            ("record", "claim"),
            payloads.check_citation_signature,
            "author",
            "third_party",
        ),
        _row(
            REPLICATION_RECORD,
            ("record", "claim"),
            payloads.check_replication_record,
            "third_party",
        ),
        _row(CORRECTION, ("record", "graph", "event"), payloads.check_correction, "author"),
        _row(MIRROR_HINT, ("record",), payloads.check_hint, "mirror"),
    )
}
RANK: Final = {name: rank for rank, name in enumerate(EVENT_TYPES)}
