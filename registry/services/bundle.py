"""Bundle: everything about one record, signed, for anyone to verify offline."""

from collections.abc import Sequence

from registry.errors import StoreError
from registry.protocol.bundle import Bundle, bundle_body, source_aliases
from registry.protocol.bundle_checks import bindings_of
from registry.protocol.canonical import JsonObject
from registry.protocol.event_checks import examine_event, receipt_signer
from registry.protocol.event_types import RECORD_CREATED
from registry.protocol.instant import Instant
from registry.protocol.keys import KeyObject
from registry.protocol.merge import Merged, merge_examined
from registry.protocol.places import mirror_hint
from registry.protocol.receipt import Receipt
from registry.protocol.record import Record
from registry.protocol.signed_parts import is_vouched, receipt_part, signed_event
from registry.protocol.trust import KeySetPin, Terms, require_verdicts
from registry.services.anchor import authorities_of, proofs_of
from registry.services.desk import Desk
from registry.services.find import merged
from registry.services.verify import examine
from registry.services.vouch import own_judge
from registry.signing.documents import sign_bundle
from registry.signing.signer import Signer


def build_bundle(desk: Desk, signer: Signer, record: Record, *, at: Instant) -> Bundle:
    """Build, sign, examine, journal and keep the bundle of a minted record.

    The timestamps of the checkpoints that its events stand in go with it. Raises the first
    check that a stranger's examination would fail who has those checkpoints.
    """
    events = [event.to_json() for event in desk.store.events_of(record.number.suffix)]
    bundle = sign_bundle_of(desk, signer, record, events, at=at)
    desk.store.add_bundle(bundle)
    return bundle


def sign_bundle_of(
    desk: Desk, signer: Signer, record: Record, events: Sequence[JsonObject], *, at: Instant
) -> Bundle:
    """Build, sign and examine a bundle of a record with those of its *events* that the
    key set vouches for. Raises VerificationError ``trust.verdicts`` without a
    record_created among them."""
    graph = _vouched(desk, record, events, at=at)
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
    return bundle


def _vouched(desk: Desk, record: Record, events: Sequence[JsonObject], *, at: Instant) -> Merged:
    """The merge without what the newest key set calls neither valid nor proven: that
    stands in no bundle (protocol.md section 8). Raises VerificationError ``trust.verdicts``
    where it vouches for no record_created."""
    bindings = desk.bindings()
    judge = own_judge(desk, record, events, at=at)
    copies = [examine_event(event, record.number, bindings, known=record) for event in events]
    graph = merge_examined(
        record.number,
        [copy for copy in copies if is_vouched(copy, desk.registry, bindings, judge)],
    )
    if graph.receipt is None:
        shown = merge_examined(record.number, copies)
        if shown.record_created is not None and shown.receipt is not None:
            signer = shown.record_created.body.signer
            parts = (
                receipt_part(shown.record_created, shown.receipt, bindings),
                signed_event(shown.record_created, bindings[signer]),
            )
            require_verdicts([judge(part) for part in parts])
    return graph


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
