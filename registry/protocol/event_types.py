"""The types of events: the table of protocol.md section 7. A later type is one more row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from registry.protocol import schema
from registry.protocol.canonical import Json
from registry.protocol.graph import check_snapshot
from registry.protocol.keys import REGISTRY_SIGNER


@dataclass(frozen=True, slots=True)
class EventType:
    """One row of the table of section 7; the order of `EVENT_TYPES` is the rank.

    ``shown_as`` is the member of ``state.current`` that shows it;
    ``check_payload`` passes, or raises MalformedError or MismatchError.
    """

    name: str
    target: str
    shown_as: str
    signers: frozenset[str]
    check_payload: Callable[[Json, str], None]


_RECORD_PAYLOAD: Final = frozenset(
    (
        "canonical_record",
        "canonical_sha256",
        "receipt",
        "source_kind",
        "source_id",
        "source_version",
        "attestation_state",
    )
)
_GRAPH_PAYLOAD: Final = frozenset(("graph_snapshot", "verdict_id"))
ATTESTATION_STATE: Final = "computed"


def _check_record_created(value: Json, path: str) -> None:
    members = schema.closed(value, _RECORD_PAYLOAD, path)
    schema.mapping(members["canonical_record"], f"{path}.canonical_record")
    schema.hex64(members["canonical_sha256"], f"{path}.canonical_sha256")
    schema.mapping(members["receipt"], f"{path}.receipt")
    schema.text(members["source_kind"], f"{path}.source_kind")
    schema.text(members["source_id"], f"{path}.source_id")
    schema.integer(members["source_version"], f"{path}.source_version")
    schema.constant(members["attestation_state"], ATTESTATION_STATE, f"{path}.attestation_state")


def _check_graph_snapshot(value: Json, path: str) -> None:
    members = schema.closed(value, _GRAPH_PAYLOAD, path)
    check_snapshot(members["graph_snapshot"], f"{path}.graph_snapshot")
    schema.optional_text(members["verdict_id"], f"{path}.verdict_id")


_ANCHOR: Final = frozenset(
    ("anchored_sha256", "proof_format", "proof_b64", "status", "anchored_at", "authority")
)


def check_anchor(value: Json, path: str) -> None:
    """Pass a closed timestamp proof; what it says of itself is not believed here."""
    members = schema.closed(value, _ANCHOR, path)
    schema.hex64(members["anchored_sha256"], f"{path}.anchored_sha256")
    schema.one_of(members["proof_format"], ("rfc3161", "opentimestamps"), f"{path}.proof_format")
    schema.base64_text(members["proof_b64"], f"{path}.proof_b64")
    schema.one_of(members["status"], ("pending", "confirmed"), f"{path}.status")
    if members["anchored_at"] is not None:
        schema.seconds(members["anchored_at"], f"{path}.anchored_at")
    schema.optional_text(members["authority"], f"{path}.authority")


_REGISTRY_ONLY: Final = frozenset((REGISTRY_SIGNER,))
RECORD_CREATED: Final = "record_created"
GRAPH_SNAPSHOT: Final = "graph_snapshot"
EVENT_TYPES: Final[Mapping[str, EventType]] = {
    row.name: row
    for row in (
        EventType(
            RECORD_CREATED, "record", "record_created", _REGISTRY_ONLY, _check_record_created
        ),
        EventType(
            GRAPH_SNAPSHOT, "graph", "graph_snapshots", _REGISTRY_ONLY, _check_graph_snapshot
        ),
    )
}
RANK: Final = {name: rank for rank, name in enumerate(EVENT_TYPES)}
