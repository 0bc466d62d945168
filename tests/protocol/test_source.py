"""arXiv ids at every edge, versions, and the aliases they give."""

from typing import Any

import pytest

from registry.protocol.source import KINDS, Source
from tests.protocol.refusals import refused


def source(**changes: Any) -> dict[str, Any]:
    return {"kind": "arxiv", "id": "1811.12941", "version": 1} | changes


@pytest.mark.parametrize(
    "source_id",
    [
        "0704.0001",
        "0704.9999",
        "0712.0001",
        "0801.4909",
        "1412.0001",
        "1412.9999",
        "1501.00001",
        "1501.99999",
        "1512.00001",
        "2607.02383",
        "9912.00001",
        "hep-th/9901001",
        "hep-th/9101001",
        "hep-th/9112999",
        "hep-th/0001001",
        "cs/0703001",
        "cs/0612001",
        "acc-phys/9411001",
        "cond-mat/9911001",
        "math/9201204",
        "q-alg/9712001",
        "a-b-c/9912001",
    ],
)
def test_ids_that_are(source_id: str) -> None:
    assert Source.from_json(source(id=source_id)).id == source_id


@pytest.mark.parametrize(
    "source_id",
    [
        pytest.param("0703.0001", id="new-before-0704"),
        pytest.param("0701.0001", id="new-in-0701"),
        pytest.param("9912.0001", id="four-digits-in-9912"),
        pytest.param("1412.00001", id="five-digits-in-1412"),
        pytest.param("0704.00001", id="five-digits-in-0704"),
        pytest.param("1501.0001", id="four-digits-in-1501"),
        pytest.param("2607.0238", id="four-digits-in-2607"),
        pytest.param("1301.0000", id="four-digit-zero"),
        pytest.param("1501.00000", id="five-digit-zero"),
        pytest.param("1313.0001", id="month-13"),
        pytest.param("1300.0001", id="month-0"),
        pytest.param("1501.000001", id="six-digits"),
        pytest.param("1301.001", id="three-digits"),
        pytest.param("1301.0001v1", id="version-suffix"),
        pytest.param("1811.12941v2", id="version-suffix-wide"),
        pytest.param("math/9201204v1", id="version-suffix-old"),
        pytest.param("arXiv:1301.0001", id="prefix"),
        pytest.param("13010001", id="no-dot"),
        pytest.param("1301-0001", id="dash"),
        pytest.param("1301.0001 ", id="trailing-space"),
        pytest.param("1301.0001\n", id="trailing-newline"),
        pytest.param("１３０１.0001", id="fullwidth-digits"),
        pytest.param("١٣٠١.0001", id="arabic-digits"),
        pytest.param("", id="empty"),
        pytest.param("hep-th/9001001", id="old-before-1991"),
        pytest.param("cs/0704001", id="old-after-0703"),
        pytest.param("cs/0712001", id="old-in-0712"),
        pytest.param("cs/0801001", id="old-in-0801"),
        pytest.param("cs/5001001", id="old-in-50"),
        pytest.param("cs/9913001", id="old-month-13"),
        pytest.param("cs/9900001", id="old-month-0"),
        pytest.param("cs/9901000", id="old-number-zero"),
        pytest.param("cs/99010001", id="old-eight-digits"),
        pytest.param("cs/990101", id="old-six-digits"),
        pytest.param("cs9901001", id="old-without-slash"),
        pytest.param("/9901001", id="old-without-archive"),
        pytest.param("math.CO/0309136", id="subject-class"),
        pytest.param("math.co/0309136", id="subject-class-lower-case"),
        pytest.param("Math/0309136", id="archive-upper-case"),
        pytest.param("hep--th/9901001", id="archive-two-hyphens"),
        pytest.param("-th/9901001", id="archive-hyphen-first"),
        pytest.param("hep-/9901001", id="archive-hyphen-last"),
        pytest.param("h3p/9901001", id="archive-digit"),
        pytest.param("mаth/9901001", id="archive-cyrillic"),
        pytest.param("math/9901001\n", id="old-trailing-newline"),
    ],
)
def test_ids_that_are_not(source_id: str) -> None:
    with refused("source.id", path="$.source.id"):
        Source.from_json(source(id=source_id))


@pytest.mark.parametrize("version", [1, 2, 9999])
def test_versions_that_are(version: int) -> None:
    assert Source.from_json(source(version=version)).version == version


@pytest.mark.parametrize(
    ("version", "code"),
    [
        (0, "source.version"),
        (-1, "source.version"),
        (10_000, "source.version"),
        (2**53 - 1, "source.version"),
        (True, "schema.type"),
        (False, "schema.type"),
        (1.0, "schema.type"),
        ("1", "schema.type"),
        (None, "schema.type"),
    ],
)
def test_versions_that_are_not(version: Any, code: str) -> None:
    with refused(code, path="$.source.version"):
        Source.from_json(source(version=version))


@pytest.mark.parametrize(
    ("value", "code", "path"),
    [
        pytest.param(source(kind="doi"), "source.kind", "$.source.kind", id="unknown-kind"),
        pytest.param(source(kind="arXiv"), "source.kind", "$.source.kind", id="kind-in-other-case"),
        pytest.param(source(kind=""), "source.kind", "$.source.kind", id="empty-kind"),
        pytest.param(source(kind=None), "schema.type", "$.source.kind", id="kind-null"),
        pytest.param(source(kind=["arxiv"]), "schema.type", "$.source.kind", id="kind-list"),
        pytest.param(source(id=181112941), "schema.type", "$.source.id", id="id-number"),
        pytest.param(source(id=None), "schema.type", "$.source.id", id="id-null"),
        pytest.param(source(url=""), "schema.members", "$.source", id="unknown-member"),
        pytest.param(
            {"kind": "arxiv", "id": "1811.12941"}, "schema.members", "$.source", id="missing"
        ),
        pytest.param({}, "schema.members", "$.source", id="empty"),
        pytest.param([], "schema.type", "$.source", id="list"),
        pytest.param(None, "schema.type", "$.source", id="null"),
    ],
)
def test_the_object_is_closed(value: Any, code: str, path: str) -> None:
    with refused(code, path=path):
        Source.from_json(value)


def test_it_prints_what_it_read() -> None:
    assert Source.from_json(source()).to_json() == source()


@pytest.mark.parametrize(
    ("source_id", "version", "aliases"),
    [
        (
            "1811.12941",
            1,
            (
                ("arxiv", "1811.12941"),
                ("arxiv_version", "1811.12941v1"),
                ("doi", "10.48550/arxiv.1811.12941"),
            ),
        ),
        (
            "math/9201204",
            3,
            (
                ("arxiv", "math/9201204"),
                ("arxiv_version", "math/9201204v3"),
                ("doi", "10.48550/arxiv.math/9201204"),
            ),
        ),
    ],
)
def test_aliases(source_id: str, version: int, aliases: tuple[tuple[str, str], ...]) -> None:
    assert Source("arxiv", source_id, version).aliases() == aliases


def test_arxiv_is_the_one_kind() -> None:
    assert list(KINDS) == ["arxiv"]
