"""The canonical record: real ones give their real numbers, and every rule of section 2 refuses."""

import json
from base64 import b32encode
from collections.abc import Callable
from copy import deepcopy
from hashlib import sha256
from importlib.resources import files
from typing import Any

import jcs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import MalformedError
from registry.protocol.canonical import canonical
from registry.protocol.instant import Instant
from registry.protocol.number import PithNumber
from registry.protocol.record import Record
from registry.protocol.source import Source
from registry.protocol.text import text_sha256
from tests.parts import vectors_dir
from tests.protocol.refusals import refused

RECORD: dict[str, Any] = {
    "source": {"id": "1811.12941", "kind": "arxiv", "version": 1},
    "metadata": {
        "license": "http://arxiv.org/licenses/nonexclusive-distrib/1.0/",
        "primary_cat": "cs.LG",
        "submitted_at": "2018-11-30T18:58:59Z",
        "cross_cats_sorted": ["cs.DC", "stat.ML"],
        "title_canon_sha256": "4ff4ad1b988c98631cb3a9cd9fa66f8f9c1d41ca789e158250e277b4b7029b3d",
        "abstract_canon_sha256": "81a21728a476a10bccba96774c0ca767d79a264bcc97acb58b6c77ef09e48a29",
    },
    "schema_version": "1.0",
}
"""The record of the seed bundle."""


def facts() -> list[dict[str, Any]]:
    shipped = files("registry") / "data" / "pith_records.json"
    data = shipped if shipped.is_file() else vectors_dir() / "pith_records.json"
    found: list[dict[str, Any]] = json.loads(data.read_bytes())
    return found


def changed(where: str, value: Any) -> dict[str, Any]:
    """The good record with *value* at the dotted *where*."""
    record = deepcopy(RECORD)
    *parents, last = where.split(".")
    place = record
    for name in parents:
        place = place[name]
    place[last] = value
    return record


def lacking(where: str) -> dict[str, Any]:
    record = changed(where, None)
    *parents, last = where.split(".")
    place = record
    for name in parents:
        place = place[name]
    del place[last]
    return record


def parse(value: Any) -> Record:
    return Record.parse(json.dumps(value).encode())


READERS = [pytest.param(parse, id="parse"), pytest.param(Record.from_json, id="from-json")]


# -- real records -------------------------------------------------------------


def test_every_real_record_gives_its_number() -> None:
    with_record = [fact for fact in facts() if "canonical_record" in fact]
    wrong = []
    for fact in with_record:
        value = fact["canonical_record"]
        for record in (parse(value), Record.from_json(value)):
            if (str(record.number), record.sha256) != (
                fact["pith_number"],
                fact["canonical_sha256"],
            ):
                wrong.append(fact["pith_number"])
            assert record.canonical == jcs.canonicalize(value)
            assert record.to_json() == value
            assert record.source == Source.from_json(fact["source"])

    assert wrong == []
    assert (len(facts()), len(with_record)) == (41, 38)


def test_every_real_digest_gives_its_suffix() -> None:
    for fact in facts():
        number = PithNumber.parse(fact["pith_number"])
        assert PithNumber.of(bytes.fromhex(fact["canonical_sha256"]), number.year) == number


def test_every_real_title_gives_its_digest() -> None:
    titled = [fact for fact in facts() if fact["title"] is not None and "canonical_record" in fact]
    wrong = [
        fact["title"]
        for fact in titled
        if text_sha256(fact["title"]) != fact["canonical_record"]["metadata"]["title_canon_sha256"]
    ]

    assert wrong == []
    assert len(titled) == 24


def test_the_year_is_of_the_submission_not_of_the_id() -> None:
    years = {fact["source"]["id"]: fact["pith_number"][5:9] for fact in facts()}

    assert (years["1801.00004"], years["math/9201204"]) == ("2017", "1989")


def test_the_seed_record_by_hand() -> None:
    record = parse(RECORD)
    digest = sha256(jcs.canonicalize(RECORD)).digest()

    assert record.digest == digest
    assert str(record.number) == f"pith:2018:{b32encode(digest).decode()[:26]}"
    assert str(record.number) == "pith:2018:P7HI7IUZ2D4BWY3OX4YBCD7BZN"
    assert record.aliases() == (
        ("arxiv", "1811.12941"),
        ("arxiv_version", "1811.12941v1"),
        ("doi", "10.48550/arxiv.1811.12941"),
        ("pith_short_12", "P7HI7IUZ2D4B"),
        ("pith_short_16", "P7HI7IUZ2D4BWY3O"),
        ("pith_short_8", "P7HI7IUZ"),
    )


def test_a_record_is_built_from_metadata_in_any_order() -> None:
    record = Record.build(
        source=Source("arxiv", "1811.12941", 1),
        title="On the Computational  Inefficiency of Large Batch Sizes\n"
        " for Stochastic Gradient Descent",
        abstract="A. Z",
        license="",
        primary_cat="cs.LG",
        cross_cats=("stat.ML", "cs.LG", "cs.DC", "stat.ML"),
        submitted_at=Instant.parse_seconds("2018-11-30T18:58:59Z"),
    )

    assert record.title_sha256 == RECORD["metadata"]["title_canon_sha256"]
    assert record.abstract_sha256 == sha256(b"a. z").hexdigest()
    assert record.cross_cats == ("cs.DC", "stat.ML")
    assert Record.parse(record.canonical) == record


# -- closed at every level ----------------------------------------------------

RESERVED = [
    "event_type",
    "bundle_type",
    "state_type",
    "keyset_type",
    "_type",
    "subject_pith_number",
    "pith_number",
    "signer",
    "payload",
    "events",
]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("name", [*RESERVED, "extra", "", "Source", "schema_version "])
@pytest.mark.parametrize("level", ["", "source.", "metadata."], ids=["top", "source", "metadata"])
def test_an_unknown_member_is_refused(read: Callable[[Any], Record], name: str, level: str) -> None:
    path = f"$.{level}".rstrip(".")
    with refused("schema.members", path=path):
        read(changed(level + name, RECORD["metadata"]["license"]))


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "where",
    [
        *RECORD,
        *(f"source.{name}" for name in RECORD["source"]),
        *(f"metadata.{name}" for name in RECORD["metadata"]),
    ],
)
def test_a_missing_member_is_refused(read: Callable[[Any], Record], where: str) -> None:
    with refused("schema.members"):
        read(lacking(where))


# -- each field ---------------------------------------------------------------

SORTED_64 = [f"a.{n:02d}" for n in range(64)]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("where", "value", "code"),
    [
        pytest.param("source", None, "schema.type", id="source-null"),
        pytest.param("metadata", [], "schema.type", id="metadata-list"),
        pytest.param("schema_version", "1.1", "schema.constant", id="version-1.1"),
        pytest.param("schema_version", 1, "schema.constant", id="version-number"),
        pytest.param("schema_version", None, "schema.constant", id="version-null"),
        pytest.param("source.kind", "doi", "source.kind", id="kind"),
        pytest.param("source.id", "1811.12941v1", "source.id", id="id-with-version"),
        pytest.param("source.version", 0, "source.version", id="source-version-0"),
        pytest.param("source.version", True, "schema.type", id="source-version-true"),
        pytest.param("source.version", "1", "schema.type", id="source-version-text"),
        pytest.param("metadata.license", None, "schema.type", id="license-null"),
        pytest.param("metadata.license", {}, "schema.type", id="license-object"),
        pytest.param("metadata.license", "x" * 4097, "schema.length", id="license-too-long"),
        pytest.param("metadata.license", "a\u202eb", "json.character", id="license-bidi"),
        pytest.param("metadata.license", "a\nb", "json.character", id="license-newline"),
        pytest.param(
            "metadata.license", "a\U0001ffff", "json.character", id="license-non-character"
        ),
        pytest.param("metadata.primary_cat", "", "record.category", id="category-empty"),
        pytest.param("metadata.primary_cat", "cs LG", "record.category", id="category-space"),
        pytest.param("metadata.primary_cat", "cs.é", "record.category", id="category-accent"),
        pytest.param("metadata.primary_cat", "a" * 65, "record.category", id="category-of-65"),
        pytest.param("metadata.primary_cat", None, "record.category", id="category-null"),
        pytest.param("metadata.cross_cats_sorted", None, "schema.type", id="cross-null"),
        pytest.param("metadata.cross_cats_sorted", "cs.DC", "schema.type", id="cross-text"),
        pytest.param("metadata.cross_cats_sorted", [None], "record.category", id="cross-of-null"),
        pytest.param("metadata.cross_cats_sorted", [""], "record.category", id="cross-of-empty"),
        pytest.param(
            "metadata.cross_cats_sorted", ["stat.ML", "cs.DC"], "record.cross_cats", id="unsorted"
        ),
        pytest.param(
            "metadata.cross_cats_sorted", ["cs.DC", "cs.DC"], "record.cross_cats", id="repeated"
        ),
        pytest.param(
            "metadata.cross_cats_sorted", ["cs.DC", "cs.LG"], "record.cross_cats", id="primary-too"
        ),
        pytest.param(
            "metadata.cross_cats_sorted",
            ["cs.dc", "cs.DC"],
            "record.cross_cats",
            id="sorted-without-case",
        ),
        pytest.param(
            "metadata.cross_cats_sorted", [*SORTED_64, "b"], "record.cross_cats", id="65-categories"
        ),
        pytest.param("metadata.title_canon_sha256", "", "schema.hex", id="title-empty"),
        pytest.param("metadata.title_canon_sha256", None, "schema.hex", id="title-null"),
        pytest.param("metadata.title_canon_sha256", "AB" * 32, "schema.hex", id="title-upper-case"),
        pytest.param(
            "metadata.abstract_canon_sha256", "ab" * 31, "schema.hex", id="abstract-short"
        ),
        pytest.param(
            "metadata.abstract_canon_sha256", "sha256:" + "a" * 57, "schema.hex", id="abstract-name"
        ),
        pytest.param("metadata.submitted_at", None, "schema.time", id="time-null"),
        pytest.param("metadata.submitted_at", "2018-11-30", "schema.time", id="time-date"),
        pytest.param(
            "metadata.submitted_at", "2018-11-30T18:58:59.000000Z", "schema.time", id="time-micros"
        ),
        pytest.param(
            "metadata.submitted_at", "2018-11-30T18:58:59+00:00", "schema.time", id="time-offset"
        ),
        pytest.param(
            "metadata.submitted_at", "2018-02-29T18:58:59Z", "schema.time", id="time-no-such-day"
        ),
        pytest.param(
            "metadata.submitted_at", "2018-11-30T18:58:60Z", "schema.time", id="time-leap-second"
        ),
    ],
)
def test_a_bad_field_is_refused(
    read: Callable[[Any], Record], where: str, value: Any, code: str
) -> None:
    with refused(code):
        read(changed(where, value))


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("where", "value"),
    [
        pytest.param("source.version", 9999, id="source-version-9999"),
        pytest.param("source.id", "math/9201204", id="old-id"),
        pytest.param("metadata.license", "", id="license-empty"),
        pytest.param("metadata.license", "é\u00a0😀\u200d", id="license-of-any-allowed-text"),
        pytest.param("metadata.license", "x" * 4096, id="license-of-4096"),
        pytest.param("metadata.license", '\\"/', id="license-with-escapes"),
        pytest.param("metadata.primary_cat", "a" * 64, id="category-of-64"),
        pytest.param("metadata.primary_cat", "!~", id="category-of-any-visible"),
        pytest.param("metadata.cross_cats_sorted", [], id="cross-empty"),
        pytest.param("metadata.cross_cats_sorted", ["cs.DC", "cs.dc"], id="cross-bytewise"),
        pytest.param("metadata.cross_cats_sorted", SORTED_64, id="64-categories"),
        pytest.param("metadata.submitted_at", "1989-10-26T00:00:00Z", id="time-before-arxiv"),
        pytest.param("metadata.submitted_at", "2020-02-29T23:59:59Z", id="time-leap-day"),
    ],
)
def test_a_good_field_is_taken(read: Callable[[Any], Record], where: str, value: Any) -> None:
    record = read(changed(where, value))

    assert record.canonical == jcs.canonicalize(changed(where, value))
    assert record.to_json() == changed(where, value)


@pytest.mark.parametrize("token", ["1.0", "1e0", "-0", "1E0", "10e-1"])
def test_a_version_that_is_no_plain_integer_is_refused(token: str) -> None:
    data = json.dumps(RECORD).replace('"version": 1}', f'"version": {token}}}').encode()

    with refused("json.integer", path="$.source.version"):
        Record.parse(data)


@pytest.mark.parametrize("value", [1.0, 1.5, 2.0])
def test_a_version_with_a_fraction_is_refused_inside_another_document(value: float) -> None:
    with refused("schema.type", path="$.source.version"):
        Record.from_json(changed("source.version", value))


@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_what_is_no_object_is_refused(value: Any) -> None:
    with refused("schema.type", path="$"):
        Record.from_json(value)


@pytest.mark.parametrize(
    ("where", "value", "code"),
    [
        ("source.version", 0, "source.version"),
        ("metadata.submitted_at", "", "schema.time"),
        ("metadata.license", None, "schema.type"),
        ("metadata.primary_cat", "", "record.category"),
        ("metadata.license", "a\u202eb", "json.character"),
    ],
)
def test_the_path_begins_where_the_record_stands(where: str, value: Any, code: str) -> None:
    with refused(code, path=f"$.canonical_record.{where}"):
        Record.from_json(changed(where, value), "$.canonical_record")


# -- one number for one record ------------------------------------------------


def shuffled(value: Any, data: st.DataObject) -> Any:
    if not isinstance(value, dict):
        return value
    order = data.draw(st.permutations(list(value)))
    return {name: shuffled(value[name], data) for name in order}


@given(st.data(), st.sampled_from([None, 0, 4, "\t"]), st.booleans())
def test_layout_does_not_change_the_number(
    data: st.DataObject, indent: int | str | None, ascii_only: bool
) -> None:
    record = changed("metadata.license", 'é😀 \\ / "')
    text = json.dumps(shuffled(record, data), indent=indent, ensure_ascii=ascii_only)

    assert Record.parse(text.encode()).canonical == jcs.canonicalize(record)


def test_an_escaped_name_is_the_same_name() -> None:
    text = json.dumps(RECORD).replace('"source"', r'"\u0073ource"')

    assert Record.parse(text.encode()) == parse(RECORD)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_no_spoilt_byte_crashes_or_keeps_the_number(place: int, byte: int) -> None:
    good = canonical(RECORD)
    spoilt = bytearray(good)
    spoilt[place % len(good)] = byte
    try:
        record = Record.parse(bytes(spoilt))
    except MalformedError:
        return
    assert (record.canonical == good) == (bytes(spoilt) == good)


@given(st.binary(max_size=200))
def test_no_bytes_crash(data: bytes) -> None:
    with pytest.raises(MalformedError):
        Record.parse(data)


ASCII = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)


def mostly(good: object, *others: object) -> st.SearchStrategy[Any]:
    """The first, more often than any other."""
    return st.sampled_from([good] * 3 * len(others) + [*others])


@settings(deadline=None, max_examples=300)
@given(
    st.fixed_dictionaries(
        {
            "license": ASCII | st.text(max_size=3),
            "primary_cat": mostly("cs.DL", "math.CO", 'q"c', "a b", ""),
            "submitted_at": mostly(
                "2024-01-01T12:00:00Z", "2024-02-30T12:00:00Z", "2024-01-01T12:00:00z", "--:T-Z"
            ),
            "cross_cats_sorted": st.lists(
                st.sampled_from(["cs.IR", "cs.DL", "a,b", "z\\", "math.CO"]), max_size=3
            ),
            "title_canon_sha256": mostly("0" * 64, "A" * 64, "0" * 63),
            "abstract_canon_sha256": st.just("f" * 64),
        }
    ),
    st.fixed_dictionaries(
        {
            "kind": mostly("arxiv", "other"),
            "id": mostly("2401.00001", "2401.00000", "math/9201204", "x"),
            "version": mostly(1, 9999, 10_000, 0, 1.5, True),
        }
    ),
    st.booleans(),
)
def test_canonical_bytes_are_read_at_once_as_they_are_the_long_way(
    metadata: dict[str, Any], source: dict[str, Any], spaced: bool
) -> None:
    """Bytes with a blank at the end are never read at once."""
    value = {"metadata": metadata, "schema_version": "1.0", "source": source}
    data = canonical(value)

    assert outcome(data) == outcome(data + b" ")


def outcome(data: bytes) -> Record | tuple[str, str, str]:
    """The record, or why there is none."""
    try:
        return Record.parse(data)
    except MalformedError as error:
        return error.code, str(error), error.hint
