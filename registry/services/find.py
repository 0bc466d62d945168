"""Find: from what a person typed to the one record it names."""

from registry.errors import AmbiguousAliasError, NotFoundError, shown
from registry.protocol.merge import Merged, merge
from registry.protocol.number import PithNumber, Reference
from registry.protocol.record import Record
from registry.services.desk import Desk

MAX_CANDIDATES = 10


def find_record(desk: Desk, typed: str) -> Record:
    """The minted record that *typed* names (protocol.md sections 3 and 4).

    Raises NotFoundError ``record.absent`` or ``number.year``, and
    AmbiguousAliasError ``alias.ambiguous`` with the candidates.
    """
    reference = Reference.parse(typed)
    if reference.source_id is not None:
        return _by_source(desk, reference)
    found = desk.store.records_by_prefix(reference.prefix or "", MAX_CANDIDATES + 1)
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


def _by_source(desk: Desk, reference: Reference) -> Record:
    found = desk.store.records_by_source(
        reference.source_kind or "", reference.source_id or "", reference.version
    )
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


def merged(desk: Desk, number: PithNumber) -> Merged:
    """The merge of all stored events of a record."""
    events = [event.to_json() for event in desk.store.events_of(number.suffix)]
    return merge(number, events, desk.bindings())
