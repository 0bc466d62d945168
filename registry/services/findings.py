"""What a check of the store finds, and what its workers need to know of the registry."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from registry.errors import shown
from registry.protocol.canonical import JsonObject
from registry.protocol.event import Bindings

RESTORE: Final = (
    "sign nothing; keep this file, and put a backup in its place: `pith store restore`, "
    "then --reconcile"
)
JOURNAL: Final = "`pith key audit`; when nobody here made it, treat the key as stolen"
COLUMN: Final = "the document is sound, and what it is found by is not: correct it, or restore"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be: the rule, where, what is wrong, what to do."""

    code: str
    where: str
    text: str
    remedy: str = RESTORE

    def to_json(self) -> JsonObject:
        """The same for ``--json``."""
        return {"code": self.code, "where": self.where, "text": self.text, "remedy": self.remedy}


@dataclass(frozen=True, slots=True)
class Frame:
    """The registry's name and every key that ever spoke for it (``own``), the third parties'
    too (``bindings``), and those of other registries by their names."""

    registry: str
    own: Bindings
    bindings: Bindings
    foreign: Mapping[str, Bindings]


def differing(
    table: str, where: str, found: Mapping[str, Any], derived: Mapping[str, Any]
) -> Iterator[Finding]:
    """A finding for each column that is not what follows from the document of its row."""
    for column, wanted in derived.items():
        if found[column] != wanted:
            text = f"{column} is {_said(found[column])}, by its document {_said(wanted)}"
            yield Finding(f"{table}.{column}", where, text, COLUMN)


def _said(value: object) -> str:
    return value.hex() or "empty" if isinstance(value, bytes) else shown(value)
