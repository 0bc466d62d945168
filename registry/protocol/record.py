"""The canonical record: what a pith number names (protocol.md section 2)."""

import hashlib
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

from registry.errors import MalformedError, shown
from registry.protocol.canonical import Encoder, Json, JsonObject, canonical, plain_canonical
from registry.protocol.instant import Instant
from registry.protocol.number import PithNumber
from registry.protocol.schema import array, closed, constant, hex64, seconds, text
from registry.protocol.source import KINDS, Source
from registry.protocol.strict_json import check_characters, read_record_json
from registry.protocol.text import text_sha256

SCHEMA_VERSION: Final = "1.0"
_KEYS: Final = frozenset(("source", "metadata", "schema_version"))
_METADATA_KEYS: Final = frozenset(
    (
        "license",
        "primary_cat",
        "submitted_at",
        "cross_cats_sorted",
        "title_canon_sha256",
        "abstract_canon_sha256",
    )
)
_CATEGORY: Final = re.compile("[!-~]{1,64}", re.ASCII)
MAX_CATEGORIES: Final = 64

# A record in its canonical bytes whose texts are ASCII that stands unescaped, as nearly all
# are: read in one step, a quarter of the time. What this does not match, or what is no record
# all the same, is read the long way, which says why.
_NAME: Final = rb"[!#-\[\]-~]{1,64}"
_CANONICAL: Final = re.compile(
    rb'\{"metadata":\{"abstract_canon_sha256":"([0-9a-f]{64})",'
    rb'"cross_cats_sorted":\[((?:"%b"(?:,"%b"){0,63})?)\],'
    rb'"license":"([ !#-\[\]-~]{0,4096})",'
    rb'"primary_cat":"(%b)",'
    rb'"submitted_at":"([0-9T:-]{19}Z)",'
    rb'"title_canon_sha256":"([0-9a-f]{64})"\},'
    rb'"schema_version":"1\.0",'
    rb'"source":\{"id":"([ !#-\[\]-~]{1,4096})","kind":"([a-z]+)","version":([1-9][0-9]{0,3})\}\}'
    % (_NAME, _NAME, _NAME)
)


@dataclass(frozen=True, slots=True)
class Record:
    """One canonical record, its canonical bytes and their SHA-256 (32 bytes)."""

    source: Source
    license: str
    primary_cat: str
    submitted_at: Instant
    cross_cats: tuple[str, ...]
    title_sha256: str
    abstract_sha256: str
    canonical: bytes
    digest: bytes
    number: PithNumber
    """The pith number: the year of submission and the digest (section 3)."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a record from JSON under every rule of protocol.md 1 and 2."""
        found = cls._plain(data)
        return cls._checked(read_record_json(data), plain_canonical) if found is None else found

    @classmethod
    def _plain(cls, data: bytes) -> Self | None:
        """The record whose canonical bytes these are, where they can be read in one step."""
        found = _CANONICAL.fullmatch(data)
        if found is None:
            return None
        abstract, listed, licence, primary, submitted, title, source_id, kind, version = [
            part.decode("ascii") for part in found.groups()
        ]
        others = tuple(listed[1:-1].split('","')) if listed else ()
        known = KINDS.get(kind)
        if (
            known is None
            or not known.is_id(source_id)
            or primary in others
            or not all(a < b for a, b in pairwise(others))
        ):
            return None
        try:
            submitted_at = Instant.parse_seconds(submitted)
        except MalformedError:
            return None
        digest = hashlib.sha256(data).digest()
        return cls(
            Source(kind, source_id, int(version)),
            licence,
            primary,
            submitted_at,
            others,
            title,
            abstract,
            data,
            digest,
            PithNumber.of(digest, int(submitted[:4])),
        )

    @classmethod
    def from_json(cls, value: Json, path: str = "$", encode: Encoder | None = None) -> Self:
        """Check and take a record that stands inside another document, with that
        document's encoder."""
        return cls._checked(value, encode or canonical, path)

    @classmethod
    def _checked(cls, value: Json, encode: Encoder, path: str = "$") -> Self:
        try:
            return cls._taken(value, encode)
        except MalformedError as error:
            raise error.under(path) from None

    @classmethod
    def _taken(cls, value: Json, encode: Encoder) -> Self:
        members = closed(value, _KEYS, "$")
        constant(members["schema_version"], SCHEMA_VERSION, "$.schema_version")
        metadata = closed(members["metadata"], _METADATA_KEYS, "$.metadata")
        primary = _category(metadata["primary_cat"], "$.metadata.primary_cat")
        source = Source.from_json(members["source"], "$.source")
        submitted = metadata["submitted_at"]
        submitted_at = seconds(submitted, "$.metadata.submitted_at")
        licence = text(metadata["license"], "$.metadata.license")
        cross_cats = _cross_cats(metadata["cross_cats_sorted"], primary)
        title = hex64(metadata["title_canon_sha256"], "$.metadata.title_canon_sha256")
        abstract = hex64(metadata["abstract_canon_sha256"], "$.metadata.abstract_canon_sha256")
        body = encode(value)
        digest = hashlib.sha256(body).digest()
        return cls(
            source,
            check_characters(licence, "$.metadata.license"),
            primary,
            submitted_at,
            cross_cats,
            title,
            abstract,
            body,
            digest,
            PithNumber.of(digest, int(submitted[:4])),
        )

    @classmethod
    def build(
        cls,
        *,
        source: Source,
        title: str,
        abstract: str,
        license: str,
        primary_cat: str,
        cross_cats: tuple[str, ...],
        submitted_at: Instant,
    ) -> Self:
        """The record of a paper from its metadata; categories come in any order."""
        value = {
            "source": source.to_json(),
            "metadata": {
                "license": license,
                "primary_cat": primary_cat,
                "submitted_at": submitted_at.seconds,
                "cross_cats_sorted": sorted({*cross_cats} - {primary_cat}, key=str.encode),
                "title_canon_sha256": text_sha256(title),
                "abstract_canon_sha256": text_sha256(abstract),
            },
            "schema_version": SCHEMA_VERSION,
        }
        return cls._checked(value, plain_canonical)

    def to_json(self) -> JsonObject:
        """The record in the member order of published bundles."""
        return {
            "source": self.source.to_json(),
            "metadata": {
                "license": self.license,
                "primary_cat": self.primary_cat,
                "submitted_at": self.submitted_at.seconds,
                "cross_cats_sorted": list(self.cross_cats),
                "title_canon_sha256": self.title_sha256,
                "abstract_canon_sha256": self.abstract_sha256,
            },
            "schema_version": SCHEMA_VERSION,
        }

    @property
    def sha256(self) -> str:
        """``canonical_sha256``: the digest in 64 lower-case hex digits."""
        return self.digest.hex()

    def aliases(self) -> tuple[tuple[str, str], ...]:
        """All six (alias_kind, alias_value) pairs, ordered by kind (section 4)."""
        return tuple(sorted(self.source.aliases() + self.number.short_aliases()))


def _category(value: Json, path: str, index: int | None = None) -> str:
    if type(value) is not str or _CATEGORY.fullmatch(value) is None:
        raise MalformedError(
            f"{shown(value)} is not a category (1 to 64 visible ASCII characters)",
            code="record.category",
            path=path if index is None else f"{path}[{index}]",
        )
    return value


def _cross_cats(value: Json, primary: str) -> tuple[str, ...]:
    path = "$.metadata.cross_cats_sorted"
    before = ""
    if len(array(value, path)) > MAX_CATEGORIES:
        raise MalformedError(
            f"over {MAX_CATEGORIES} categories", code="record.cross_cats", path=path
        )
    for i, name in enumerate(value):
        if not before < _category(name, path, i):
            raise MalformedError(
                "categories are not sorted bytewise without repeats",
                code="record.cross_cats",
                path=f"{path}[{i}]",
                hint="the primary category first, then the others in the order of their bytes",
            )
        before = name
    if primary in value:
        raise MalformedError(
            f"the primary category {shown(primary)} stands among the others",
            code="record.cross_cats",
            path=path,
        )
    return tuple(value)
