"""Find: from what a person typed to the one record it names."""

from typing import TypeGuard

from registry.errors import AmbiguousAliasError, NotFoundError, shown
from registry.protocol.bundle_checks import bindings_of
from registry.protocol.merge import Merged, merge
from registry.protocol.number import PithNumber, Reference
from registry.protocol.record import Record
from registry.services.desk import Desk

MAX_CANDIDATES = 10


def find_record(desk: Desk, typed: str, registry: str | None = None) -> Record:
    """The minted record that *typed* names (protocol.md sections 3 and 4), or the one that
    another *registry* told of.

    Raises NotFoundError ``record.absent`` or ``number.year``, and
    AmbiguousAliasError ``alias.ambiguous`` with the candidates.
    """
    reference = Reference.parse(typed)
    if reference.source_id is not None:
        return _by_source(desk, reference, registry)
    prefix, count = reference.prefix or "", MAX_CANDIDATES + 1
    if _is_foreign(registry, desk):
        found = desk.store.foreign_by_prefix(registry, prefix, count)
    else:
        found = desk.store.records_by_prefix(prefix, count)
    if not found:
        raise _absent(typed)
    if len(found) > 1:
        listed = ", ".join(str(record.number) for record in found[:MAX_CANDIDATES])
        more = ", …" if len(found) > MAX_CANDIDATES else ""
        raise AmbiguousAliasError(
            f"{shown(typed)} is short for more than one number: {listed}{more}",
            code="alias.ambiguous",
            hint="give the whole number",
        )
    number = found[0].number
    if reference.year is not None and reference.year != number.year:
        raise NotFoundError(
            f"no record {shown(typed)}: the year is not {reference.year}",
            code="number.year",
            hint=f"the number is {number}",
        )
    return found[0]


def _is_foreign(registry: str | None, desk: Desk) -> TypeGuard[str]:
    return registry is not None and registry != desk.registry


def _by_source(desk: Desk, reference: Reference, registry: str | None) -> Record:
    source = reference.source_kind or "", reference.source_id or "", reference.version
    if _is_foreign(registry, desk):
        found = desk.store.foreign_by_source(registry, *source)
    else:
        found = desk.store.records_by_source(*source)
    if not found:
        raise _absent(reference.typed)
    newest = [r for r in found if r.source.version == found[0].source.version]
    if len(newest) > 1:
        listed = ", ".join(str(record.number) for record in newest[:MAX_CANDIDATES])
        raise AmbiguousAliasError(
            f"{shown(reference.typed)} names more than one record: {listed}",
            code="alias.ambiguous",
            hint="give the whole number",
        )
    return newest[0]


def _absent(typed: str) -> NotFoundError:
    return NotFoundError(
        f"no record {shown(typed)} is minted here",
        code="record.absent",
        hint="`pith record list` shows what is",
    )


def merged(desk: Desk, number: PithNumber, registry: str | None = None) -> Merged:
    """The merge of all stored events of a record: ours, or what another *registry* says."""
    if _is_foreign(registry, desk):
        told = desk.store.foreign_events_of(registry, number.suffix)
        bindings = bindings_of(desk.store.foreign_keys(registry), registry)
        return merge(number, [event.to_json() for event in told], bindings)
    events = [event.to_json() for event in desk.store.events_of(number.suffix)]
    return merge(number, events, desk.bindings())
