"""Find: from what a person typed to the one record it names."""

from collections.abc import Sequence
from typing import TypeGuard, TypeVar

from registry.errors import AmbiguousAliasError, NotFoundError, shown
from registry.protocol.bundle_checks import bindings_of
from registry.protocol.merge import Merged, merge
from registry.protocol.number import PithNumber, Reference
from registry.protocol.record import Record
from registry.services.desk import Desk
from registry.store.records import Found

MAX_CANDIDATES = 10
F = TypeVar("F", Found, Record)


def find_record(desk: Desk, typed: str, registry: str | None = None) -> Record:
    """The minted record that *typed* names (protocol.md sections 3 and 4), or the one that
    another *registry* told of.

    Raises NotFoundError ``record.absent`` or ``number.year``, and
    AmbiguousAliasError ``alias.ambiguous`` with the candidates.
    """
    if not _is_foreign(registry, desk):
        return find(desk, typed).record()
    reference = Reference.parse(typed)
    if reference.prefix is not None:
        told = desk.store.foreign_by_prefix(registry, reference.prefix, MAX_CANDIDATES + 1)
        return _only(reference, told)
    source = reference.source_kind or "", reference.source_id or "", reference.version
    told = desk.store.foreign_by_source(registry, *source)
    return _only(reference, [r for r in told if r.source.version == told[0].source.version])


def find(desk: Desk, typed: str) -> Found:
    """The same of our own records, as it is stored; see `Found`."""
    reference = Reference.parse(typed)
    if reference.prefix is not None:
        return _only(reference, desk.store.records_by_prefix(reference.prefix, MAX_CANDIDATES + 1))
    source = reference.source_kind or "", reference.source_id or "", reference.version
    found = desk.store.records_by_source(*source)
    return _only(reference, [each for each in found if each.version == found[0].version])


def _is_foreign(registry: str | None, desk: Desk) -> TypeGuard[str]:
    return registry is not None and registry != desk.registry


def _only(reference: Reference, found: Sequence[F]) -> F:
    """The one that was found, of the year that was typed."""
    if not found:
        raise _absent(reference.typed)
    number = found[0].number
    if len(found) > 1:
        listed = ", ".join(str(each.number) for each in found[:MAX_CANDIDATES])
        more = ", …" if len(found) > MAX_CANDIDATES else ""
        said = "is short for more than one number" if reference.prefix else "names more than one"
        raise AmbiguousAliasError(
            f"{shown(reference.typed)} {said}: {listed}{more}",
            code="alias.ambiguous",
            hint="give the whole number",
        )
    if reference.year is not None and reference.year != number.year:
        raise NotFoundError(
            f"no record {shown(reference.typed)}: the year is not {reference.year}",
            code="number.year",
            hint=f"the number is {number}",
        )
    return found[0]


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
