"""What imports did not take, and the evidence of equivocation they found."""

from collections.abc import Iterator, Sequence
from typing import Any

from registry.protocol.equivocation import Contradiction
from registry.protocol.instant import Instant
from registry.store import sql
from registry.store.base import PAGE, Database, held, written
from registry.store.rows import QuarantineRow


class Quarantine(Database):
    """Kept apart by name: no other room reads these rows."""

    @written
    def add_quarantined(self, rows: Sequence[QuarantineRow]) -> None:
        """Keep documents apart; of one that is there already, what is said of it is renewed."""
        for row in rows:
            self._quarantine(row)

    def _quarantine(self, row: QuarantineRow) -> None:
        values = {
            "name": row.name,
            "kind": row.kind,
            "registry": row.registry,
            "subject": row.subject,
            "verdict": row.verdict,
            "code": row.code,
            "reason": row.reason,
            "source": row.source,
            "at": row.at.micros,
            "body": row.body,
        }
        self._rows(sql.QUARANTINE, values)

    def _release(self, name: str) -> bool:
        """Drop a document that was taken after all."""
        return bool(self._rows(sql.RELEASE, {"name": name}))

    def quarantined(self) -> Iterator[QuarantineRow]:
        """Everything that is kept apart, by name, read a page at a time."""
        after = ""
        while rows := self._rows(sql.QUARANTINED, {"after": after, "count": PAGE}):
            yield from map(_row, rows)
            after = rows[-1][0]

    @written
    def add_evidence(self, found: Sequence[Contradiction], *, at: Instant) -> None:
        """Keep evidence of equivocation, once."""
        for evidence in found:
            values = {"sha256": evidence.digest, "at": at.micros, "body": evidence.canonical}
            self._rows(sql.ADD_EQUIVOCATION, values)

    def evidence(self) -> list[Contradiction]:
        """All evidence of equivocation that was found here, oldest first."""
        return [held(Contradiction.parse, body) for (body,) in self._rows(sql.EQUIVOCATIONS, {})]


def _row(row: tuple[Any, ...]) -> QuarantineRow:
    name, kind, registry, subject, verdict, code, reason, source, at, body = row
    return QuarantineRow(
        name, kind, registry, subject, verdict, code, reason, source, Instant(at), body
    )
