"""Where a record comes from. A kind of source is one entry in `KINDS`, and nothing else."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from registry.errors import MalformedError, shown
from registry.protocol.canonical import Json, JsonObject
from registry.protocol.schema import closed, integer, text

MAX_VERSION: Final = 9999


@dataclass(frozen=True, slots=True)
class SourceKind:
    """One kind of source: its ids, and the aliases that its records answer to.

    ``aliases`` gives (alias_kind, alias_value) pairs of one id and version;
    ``id_form`` says in words what an id looks like. ``reference`` reads what a
    person types for a record of this kind and gives (id, version or None).
    """

    name: str
    is_id: Callable[[str], bool]
    id_form: str
    aliases: Callable[[str, int], tuple[tuple[str, str], ...]]
    reference: Callable[[str], tuple[str, int | None] | None]


_ARXIV_NEW: Final = re.compile(r"([0-9]{2})(0[1-9]|1[0-2])\.([0-9]{4,5})", re.ASCII)
_ARXIV_OLD: Final = re.compile("[a-z]+(?:-[a-z]+)*/([0-9]{2})(0[1-9]|1[0-2])([0-9]{3})", re.ASCII)
_ARXIV_VERSION: Final = re.compile("(.+?)v([1-9][0-9]{0,3})", re.ASCII)
_DOI_PREFIX: Final = "10.48550/arxiv."
_ARXIV_PREFIXES: Final = (
    "arxiv:",
    _DOI_PREFIX,
    f"doi:{_DOI_PREFIX}",
    f"https://doi.org/{_DOI_PREFIX}",
    "https://arxiv.org/abs/",
)


def _is_arxiv_id(value: str) -> bool:
    if found := _ARXIV_NEW.fullmatch(value):
        year, month, number = found.groups()
        wide = len(number) == 5
        return int(number) > 0 and (
            year + month >= "1501" if wide else "0704" <= year + month <= "1412"
        )
    if found := _ARXIV_OLD.fullmatch(value):
        year, month, number = found.groups()
        return int(number) > 0 and (year >= "91" or year + month <= "0703")
    return False


def _arxiv_aliases(source_id: str, version: int) -> tuple[tuple[str, str], ...]:
    return (
        ("arxiv", source_id),
        ("arxiv_version", f"{source_id}v{version}"),
        ("doi", _DOI_PREFIX + source_id),
    )


def _arxiv_reference(typed: str) -> tuple[str, int | None] | None:
    rest = typed.lower()
    for prefix in _ARXIV_PREFIXES:
        if rest.startswith(prefix):
            rest = rest.removeprefix(prefix)
            break
    version = None
    if found := _ARXIV_VERSION.fullmatch(rest):
        rest, version = found[1], int(found[2])
    return (rest, version) if _is_arxiv_id(rest) else None


def parse_versioned(kind: str, typed: str) -> tuple[str, int]:
    """Read an id of *kind* with its version, like ``2401.00001v1``."""
    found = KINDS[kind].reference(typed) if typed.isascii() else None
    if found is None or found[1] is None:
        raise MalformedError(
            f"{shown(typed)} is not an {kind} id with a version",
            code="source.id",
            hint=f"the id is {KINDS[kind].id_form}, then v and the version: 2401.00001v1",
        )
    return found[0], found[1]


KINDS: Final = {
    kind.name: kind
    for kind in (
        SourceKind(
            name="arxiv",
            is_id=_is_arxiv_id,
            id_form="YYMM.NNNN (0704 to 1412), YYMM.NNNNN (from 1501) or archive/YYMMNNN "
            "(to 0703), without a version",
            aliases=_arxiv_aliases,
            reference=_arxiv_reference,
        ),
    )
}
_KEYS: Final = frozenset(("kind", "id", "version"))


@dataclass(frozen=True, slots=True)
class Source:
    """The ``source`` of a record: kind, id in the kind's form, version 1 to 9999."""

    kind: str
    id: str
    version: int

    @classmethod
    def from_json(cls, value: Json, path: str = "$.source") -> Self:
        """Check and take a closed ``{kind, id, version}`` object."""
        try:
            return cls._taken(value)
        except MalformedError as error:
            raise error.under(path) from None

    @classmethod
    def _taken(cls, value: Json) -> Self:
        members = closed(value, _KEYS, "$")
        kind = KINDS.get(text(members["kind"], "$.kind"))
        if kind is None:
            raise MalformedError(
                f"unknown source kind {shown(members['kind'])}",
                code="source.kind",
                path="$.kind",
                hint=f"known: {', '.join(sorted(KINDS))}",
            )
        source_id = text(members["id"], "$.id")
        if not kind.is_id(source_id):
            raise MalformedError(
                f"{shown(source_id)} is not an id of kind {kind.name}",
                code="source.id",
                path="$.id",
                hint=kind.id_form,
            )
        version = integer(members["version"], "$.version")
        if not 1 <= version <= MAX_VERSION:
            raise MalformedError(
                f"version {version} is not 1 to {MAX_VERSION}",
                code="source.version",
                path="$.version",
            )
        return cls(kind.name, source_id, version)

    def to_json(self) -> JsonObject:
        """The object in the order published records have."""
        return {"id": self.id, "kind": self.kind, "version": self.version}

    def aliases(self) -> tuple[tuple[str, str], ...]:
        """The (alias_kind, alias_value) pairs this source gives its record."""
        return KINDS[self.kind].aliases(self.id, self.version)
