"""Bundle: everything about one record, signed, for anyone to verify offline."""

from registry.errors import StoreError
from registry.protocol.bundle import Bundle, bundle_body, source_aliases
from registry.protocol.bundle_checks import bindings_of
from registry.protocol.canonical import JsonObject
from registry.protocol.event_checks import receipt_signer
from registry.protocol.event_types import RECORD_CREATED
from registry.protocol.instant import Instant
from registry.protocol.keys import KeyObject
from registry.protocol.merge import Merged
from registry.protocol.places import mirror_hint
from registry.protocol.receipt import Receipt
from registry.protocol.record import Record
from registry.protocol.trust import KeySetPin, Terms
from registry.services.anchor import authorities_of, proofs_of
from registry.services.desk import Desk
from registry.services.find import merged
from registry.services.verify import examine
from registry.signing.documents import sign_bundle
from registry.signing.signer import Signer


def build_bundle(desk: Desk, signer: Signer, record: Record, *, at: Instant) -> Bundle:
    """Build, sign, examine, journal and keep the bundle of a minted record.

    The timestamps of the checkpoints that its events stand in go with it. Raises the first
    check that a stranger's examination would fail who has those checkpoints.
    """
    graph = merged(desk, record.number)
    body = bundle_body(
        record,
        graph,
        public_keys=_keys_needed(desk, graph, signer),
        aliases=_aliases(record, graph),
        mirror_hints=[
            mirror_hint(
                desk.config.base_url,
                record.number,
                name=desk.config.name,
                mirror_type="https",
                status="primary",
            )
        ],
        base_url=desk.config.base_url,
        built_at=at.whole,
        timestamp_proofs=desk.store.anchors_of(record.number.suffix),
    )
    bundle = sign_bundle(signer, body, registry=desk.registry, signed_at=at)
    readers = Terms((KeySetPin(desk.keyset(), "this registry's key set"),), at)
    report = examine(
        bundle.to_bytes(), readers, proofs=proofs_of(desk, record), authorities=authorities_of(desk)
    )
    report.require()
    desk.store.add_bundle(bundle)
    return bundle


def build_state(desk: Desk, record: Record, registry: str | None = None) -> JsonObject:
    """The merged state of a minted record, as its bundle would hold it, or of what another
    *registry* says of one."""
    graph = merged(desk, record.number, registry)
    if registry is not None and registry != desk.registry:
        return graph.state(list(desk.store.foreign_aliases(registry, record.number.suffix)))
    return graph.state(list(_aliases(record, graph)))


def _aliases(record: Record, graph: Merged) -> list[JsonObject]:
    if graph.receipt is None:
        raise StoreError(f"{record.number} has no current record_created", code="store.damaged")
    return source_aliases(record, graph.receipt.first_computed_at)


def _keys_needed(desk: Desk, graph: Merged, signer: Signer) -> list[KeyObject]:
    """The key objects that the events, their receipts and the bundle are checked with."""
    needed = {desk.signer_ref(signer)}
    for event in graph.events:
        needed.add(event.body.signer)
        if event.body.event_type == RECORD_CREATED:
            needed.add(receipt_signer(event, Receipt.from_json(event.body.payload["receipt"])))
    keys = desk.key_objects()
    refs = bindings_of(keys, desk.registry)
    return [key for key, ref in zip(keys, refs, strict=True) if ref in needed]
