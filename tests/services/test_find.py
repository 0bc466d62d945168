"""Find: a search by a prefix never takes the first of many."""

from pathlib import Path

import apsw
import pytest

from registry.errors import AmbiguousAliasError, NotFoundError
from registry.protocol.record import Record
from registry.protocol.source import Source
from registry.services.desk import Desk
from registry.services.find import MAX_CANDIDATES, find, find_record
from registry.services.mint import mint
from tests.cli.lab import record
from tests.services.registry import RECORD, START, World


def ground(world: World, count: int) -> list[Record]:
    """Minted records whose suffix column begins with RECORD's eight characters: nobody
    can grind 40 bits for a test, so the rows are put there by hand."""
    prefix = RECORD.number.suffix[:8]
    connection = apsw.Connection(str(world.config.store_path))
    records = [record(100 + i) for i in range(count)]
    for i, each in enumerate(records):
        suffix = f"{prefix}{'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[i] * 18}"
        connection.execute(
            "INSERT INTO records (digest, suffix, year, source_kind, source_id, source_version, "
            "body) VALUES (?, ?, 2024, 'arxiv', ?, 1, ?)",
            (each.digest, suffix, each.source.id, each.canonical),
        )
        connection.execute("INSERT INTO heads VALUES (?, 'lab.example', x'00')", (suffix,))
    connection.close()
    return records


def test_an_ambiguous_alias_lists_the_candidates(world: World, desk: Desk) -> None:
    mint(desk, desk.signer(desk.clock()), [RECORD], at=START)
    ground(world, 2)

    with pytest.raises(AmbiguousAliasError) as caught:
        find_record(desk, RECORD.number.suffix[:8])

    assert caught.value.code == "alias.ambiguous"
    assert str(RECORD.number) in caught.value.message
    for each in "AB":
        assert f"pith:2024:{RECORD.number.suffix[:8]}{each * 18}" in caught.value.message
    assert find_record(desk, str(RECORD.number)) == RECORD
    assert find(desk, str(RECORD.number)).canonical == RECORD.canonical
    assert find_record(desk, RECORD.number.suffix[:12]) == RECORD


def test_very_many_candidates_are_cut(world: World, desk: Desk) -> None:
    mint(desk, desk.signer(desk.clock()), [RECORD], at=START)
    ground(world, MAX_CANDIDATES + 3)

    with pytest.raises(AmbiguousAliasError) as caught:
        find_record(desk, RECORD.number.short)

    assert caught.value.message.endswith(", …")
    assert caught.value.message.count("pith:20") == MAX_CANDIDATES


def test_the_ends_of_the_alphabet_are_inside_a_prefix(desk: Desk) -> None:
    many = [record(i) for i in range(1, 200)]
    mint(desk, desk.signer(desk.clock()), many, at=START)

    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567":
        found = desk.store.records_by_prefix(letter, 500)
        assert [each.number.suffix for each in found] == sorted(
            each.number.suffix for each in many if each.number.suffix.startswith(letter)
        )


def test_the_number_of_results_is_bounded(desk: Desk) -> None:
    mint(desk, desk.signer(desk.clock()), [record(i) for i in range(1, 30)], at=START)

    assert len(desk.store.records_by_prefix("", 7)) == 7


def test_two_records_of_one_version_are_ambiguous(desk: Desk) -> None:
    mint(desk, desk.signer(desk.clock()), [record(1), record(1, title="Another title")], at=START)

    for typed in ("arxiv:2401.00001", "arxiv:2401.00001v1", "10.48550/arxiv.2401.00001"):
        with pytest.raises(AmbiguousAliasError):
            find_record(desk, typed)


def test_the_latest_version_by_number_and_not_by_text(desk: Desk) -> None:
    versions = [record(1, version=v) for v in (9, 10, 2)]
    mint(desk, desk.signer(desk.clock()), versions, at=START)

    assert find_record(desk, "arxiv:2401.00001").source.version == 10
    assert find_record(desk, "arxiv:2401.00001v9") == versions[0]
    with pytest.raises(NotFoundError):
        find_record(desk, "arxiv:2401.00001v3")


def test_an_old_arxiv_id(desk: Desk) -> None:
    old = Record.build(
        source=Source("arxiv", "math/9908003", 3),
        title="x",
        abstract="y",
        license="",
        primary_cat="math.MG",
        cross_cats=(),
        submitted_at=START.whole,
    )
    mint(desk, desk.signer(desk.clock()), [old], at=START)

    for typed in ("arxiv:math/9908003", "arxiv:math/9908003v3", "10.48550/arxiv.math/9908003"):
        assert find_record(desk, typed) == old


def test_every_record_is_listed_across_pages(desk: Desk, tmp_path: Path) -> None:
    many = [record(i) for i in range(1, 1102)]
    mint(desk, desk.signer(desk.clock()), many, at=START)

    found = [each.number.suffix for each in desk.store.records()]

    assert found == sorted(each.number.suffix for each in many)
