"""Graph snapshots: what is shown of a paper, and its digests (section 7)."""

from dataclasses import replace
from typing import Any, Final

import pytest

from registry.errors import MalformedError, MismatchError
from registry.protocol.canonical import digest
from registry.protocol.event_checks import examine_event
from registry.protocol.event_types import EVENT_TYPES
from registry.protocol.graph import EMPTY_SHA256, check_snapshot, graph_snapshot, list_sha256
from registry.protocol.payloads import About
from tests import world
from tests.protocol.refusals import refused
from tests.world import BUILDER, OTHER_RECORD, RECORD, REGISTRY, drop, paper, put

GOOD: Final = graph_snapshot(paper(), RECORD, builder_version=BUILDER)
SECTIONS: Final = ("paper", "claims", "verdict", "references", "formal_canon", "author_claims")


def check_payload(value: Any) -> None:
    EVENT_TYPES["graph_snapshot"].check_payload(value, About(RECORD.number, "graph"), "$")


def check(*changes: world.Change) -> None:
    check_snapshot(world.changed(GOOD, *changes), "$")


# -- the form ------------------------------------------------------------------


def test_a_good_snapshot_passes() -> None:
    check()
    assert set(GOOD) == {*SECTIONS, "source", "builder_version"}


@pytest.mark.parametrize("name", [*GOOD])
def test_no_member_may_be_missing(name: str) -> None:
    with refused("schema.members"):
        check(drop(name))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(put("source.kind", ""), "source.kind", id="unknown-kind"),
        pytest.param(put("source.version", -1), "source.version", id="negative-version"),
        pytest.param(put("source.version", 1.0), "schema.type", id="version-as-fraction"),
        pytest.param(put("source.id", "2601.1"), "source.id", id="no-arxiv-id"),
        pytest.param(drop("source.id"), "schema.members", id="without-id"),
    ],
)
def test_the_source_is_one_as_records_have_it(change: world.Change, code: str) -> None:
    with refused(code):
        check(change)


def test_no_member_may_be_added() -> None:
    with refused("schema.members"):
        check(put("note", "x"))


@pytest.mark.parametrize("name", [*SECTIONS, "source"])
@pytest.mark.parametrize("value", [None, [], "x", 1], ids=["null", "list", "text", "number"])
def test_a_section_is_an_object(name: str, value: Any) -> None:
    with refused("schema.type", path=f"$.{name}"):
        check(put(name, value))


@pytest.mark.parametrize("name", SECTIONS)
def test_what_is_inside_a_section_is_the_publishers(name: str) -> None:
    check(put(f"{name}.any", {"thing": [1, None, 2.5]}))


@pytest.mark.parametrize(
    ("value", "code"),
    [(None, "schema.type"), (1, "schema.type"), ("b" * 129, "schema.length")],
    ids=["null", "number", "too-long"],
)
def test_the_builder_version_is_text(value: Any, code: str) -> None:
    with refused(code):
        check(put("builder_version", value))


@pytest.mark.parametrize("name", ["claims", "references", "formal_canon", "author_claims"])
def test_a_snapshot_digest_is_lower_case_hex(name: str) -> None:
    check(put(f"{name}.snapshot_sha256", EMPTY_SHA256))
    for value in (None, "", "A" * 64, EMPTY_SHA256 + "\n"):
        with refused("schema.hex"):
            check(put(f"{name}.snapshot_sha256", value))


@pytest.mark.parametrize("count", [False, 0.0, "0", None, 1], ids=repr)
def test_only_the_integer_0_counts_an_empty_list(count: object) -> None:
    check(put("claims", {"count": count, "items": [], "snapshot_sha256": "a" * 64}))


def test_the_digest_of_an_empty_list_is_one() -> None:
    with refused("graph.snapshot_sha256", MismatchError):
        check(put("claims.snapshot_sha256", "0" * 64))
    check(put("claims", {"count": 1, "items": [{}], "snapshot_sha256": "0" * 64}))


@pytest.mark.parametrize(
    ("value", "code"),
    [
        pytest.param({"graph_snapshot": GOOD}, "schema.members", id="no-verdict-id"),
        pytest.param(
            {"graph_snapshot": GOOD, "verdict_id": None, "note": 1},
            "schema.members",
            id="unknown-member",
        ),
        pytest.param({"graph_snapshot": GOOD, "verdict_id": 1}, "schema.type", id="verdict-id"),
        pytest.param({"graph_snapshot": [], "verdict_id": None}, "schema.type", id="list"),
    ],
)
def test_a_payload_is_closed(value: Any, code: str) -> None:
    check_payload({"graph_snapshot": GOOD, "verdict_id": None})
    check_payload({"graph_snapshot": GOOD, "verdict_id": "v-1"})
    with refused(code, MalformedError):
        check_payload(value)


# -- the lists' digests --------------------------------------------------------


@pytest.mark.parametrize(
    "items", [[], [1], [{"b": 1, "a": 2}], ["é", None, [True]]], ids=["0", "1", "object", "mixed"]
)
def test_a_list_is_hashed_as_a_payload(items: list[Any]) -> None:
    assert list_sha256(items) == digest({"payload": items}).hex()


def test_lists_that_differ_have_other_digests() -> None:
    lists: list[list[Any]] = [[], [[]], [None], [""], [0], [False], [1, 2], [2, 1]]

    assert len({list_sha256(items) for items in lists}) == len(lists)


def test_claims_and_references_are_counted_and_hashed() -> None:
    about = replace(paper(), claims=[{"text": "it works"}], references=[{"n": 1}, {"n": 2}])
    made = graph_snapshot(about, RECORD, builder_version=BUILDER)

    assert (made["claims"]["count"], made["references"]["count"]) == (1, 2)
    assert made["claims"]["snapshot_sha256"] == list_sha256(about.claims)
    assert made["references"]["snapshot_sha256"] == list_sha256(about.references)
    check_snapshot(made, "$")


# -- the paper -----------------------------------------------------------------


def test_the_paper_is_the_records() -> None:
    shown = GOOD["paper"]

    assert shown["title"] == paper().title
    assert (shown["license"], shown["primary_cat"]) == (RECORD.license, RECORD.primary_cat)
    assert shown["cross_cats"] == list(RECORD.cross_cats)
    assert shown["submitted_at"] == RECORD.submitted_at.seconds
    assert GOOD["source"] == RECORD.source.to_json()
    assert GOOD["builder_version"] == BUILDER


def test_authors_are_split_at_the_last_and_and_sorted() -> None:
    assert GOOD["paper"]["authors_text"] == "Ada Able, Ben Baker, Cy Cole"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param({"title": "Another small world"}, "graph.title", id="title"),
        pytest.param({"title": ""}, "graph.title", id="no-title"),
        pytest.param({"abstract": "Something else."}, "graph.abstract", id="abstract"),
    ],
)
def test_the_text_of_another_paper_is_refused(change: dict[str, str], code: str) -> None:
    with refused(code, MismatchError):
        graph_snapshot(replace(paper(), **change), RECORD, builder_version=BUILDER)


def test_the_paper_of_another_record_is_refused() -> None:
    with refused("graph.title", MismatchError):
        graph_snapshot(paper(), OTHER_RECORD, builder_version=BUILDER)


def test_case_and_white_space_of_the_source_are_taken_as_canonical_text_takes_them() -> None:
    spaced = replace(paper(), title="  a SMALL\n world ")
    made = graph_snapshot(spaced, RECORD, builder_version=BUILDER)

    assert made["paper"]["title"] == "a SMALL world"


def test_the_excerpt_is_600_characters_with_their_case() -> None:
    made = world.Record.build(
        source=RECORD.source,
        title="T",
        abstract="Long  Words \n" * 100,
        license="",
        primary_cat="cs.DL",
        cross_cats=(),
        submitted_at=RECORD.submitted_at,
    )
    about = world.Paper("T", "Long  Words \n" * 100)
    excerpt = graph_snapshot(about, made, builder_version=BUILDER)["paper"]["abstract_excerpt"]

    assert len(excerpt) == 600
    assert excerpt == ("Long Words " * 100)[:600]


def test_a_snapshot_is_an_event_that_everyone_accepts() -> None:
    event = REGISTRY.snapshot()

    assert event.body.payload["graph_snapshot"] == GOOD
    assert examine_event(event.to_json(), RECORD.number, REGISTRY.bindings).failed is None
