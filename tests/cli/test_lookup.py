"""What people type for a record (protocol.md sections 3 and 4)."""

from pathlib import Path

import apsw
import pytest

from tests.cli.conftest import Pith
from tests.cli.lab import record

NUMBER = record().number
SUFFIX = NUMBER.suffix


@pytest.mark.parametrize(
    "typed",
    [
        str(NUMBER),
        str(NUMBER).lower(),
        str(NUMBER).upper(),
        f" {NUMBER} ",
        f"2024:{SUFFIX}",
        f"pith:{SUFFIX}",
        SUFFIX,
        SUFFIX.lower(),
        NUMBER.short,
        SUFFIX[:8],
        SUFFIX[:12],
        SUFFIX[:16].lower(),
        f"pith:2024:{SUFFIX[:8]}",
        "arxiv:2401.00001",
        "arXiv:2401.00001",
        "arxiv:2401.00001v1",
        "10.48550/arxiv.2401.00001",
        "10.48550/arXiv.2401.00001",
        "doi:10.48550/arXiv.2401.00001",
        "https://doi.org/10.48550/arXiv.2401.00001",
    ],
)
def test_every_generous_spelling_finds_the_record(pith: Pith, stocked: Path, typed: str) -> None:
    assert pith("record", "show", typed, home=stocked).fine().out == record().canonical + b"\n"


def test_an_arxiv_id_is_its_latest_version(pith: Pith, stocked: Path) -> None:
    def version(typed: str) -> int:
        shown: int = pith("record", "show", typed, home=stocked).fine().object["source"]["version"]
        return shown

    assert version("arxiv:2401.00002") == 2
    assert version("10.48550/arxiv.2401.00002") == 2
    assert version("arxiv:2401.00002v1") == 1
    assert version("arxiv:2401.00002v2") == 2


@pytest.mark.parametrize("suffix", [SUFFIX, SUFFIX[:8]])
def test_a_wrong_year_is_refused_with_the_right_one(pith: Pith, stocked: Path, suffix: str) -> None:
    done = pith("record", "show", f"pith:2023:{suffix}", home=stocked).refused(5, "number.year")

    assert f"pith: hint: the number is {NUMBER}" in done.errors


@pytest.mark.parametrize(
    "typed",
    [
        "pith:2024:" + "A" * 26,
        "AAAAAAAA",
        "arxiv:2401.00009",
        "arxiv:2401.00001v2",
        "10.48550/arxiv.2401.00009",
    ],
)
def test_what_is_not_minted_here(pith: Pith, stocked: Path, typed: str) -> None:
    pith("record", "show", typed, home=stocked).refused(5, "record.absent")


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "pith:",
        SUFFIX[:7],
        SUFFIX[:9],
        SUFFIX + "A",
        SUFFIX.replace(SUFFIX[0], "1"),
        "pith:24:" + SUFFIX,
        "pith:٢٠٢٤:" + SUFFIX,
        "arxiv:",
        "arxiv:2401.1",
        "doi:10.1000/182",
        "%",
        "_" * 8,
        "'; DROP TABLE records; --",
        "\u202eabc",
    ],
)
def test_what_names_no_record(pith: Pith, stocked: Path, typed: str) -> None:
    done = pith("record", "show", typed, home=stocked)

    assert done.code == 3, done
    assert any(line.startswith("pith: hint: ") for line in done.errors)


@pytest.mark.parametrize(
    "command",
    [
        ("record", "show"),
        ("receipt", "show"),
        ("receipt", "export"),
        ("event", "list"),
        ("state", "show"),
        ("bundle", "build"),
        ("event", "add", "graph-snapshot", "--title", "x", "--abstract", "y"),
    ],
)
def test_every_command_that_takes_a_number_looks_it_up_alike(
    pith: Pith, stocked: Path, command: tuple[str, ...]
) -> None:
    pith(*command, "AAAAAAAA", home=stocked).refused(5, "record.absent")
    pith(*command, f"pith:2023:{SUFFIX}", home=stocked).refused(5, "number.year")


def test_an_ambiguous_name_lists_the_candidates(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    rival = record(title="The same id, another title")
    file = tmp_path / "rival.json"
    file.write_bytes(rival.canonical)
    pith("mint", file, home=stocked).fine()

    done = pith("record", "show", "arxiv:2401.00001", home=stocked).refused(6, "alias.ambiguous")

    assert done.out == b""
    assert str(NUMBER) in done.err
    assert str(rival.number) in done.err
    assert "pith: hint: give the whole number" in done.errors


def test_an_ambiguous_short_alias_is_never_the_first_match(pith: Pith, stocked: Path) -> None:
    """Nobody can grind 40 bits for a test: a row with such a suffix is put there by hand."""
    connection = apsw.Connection(str(stocked / "registry.db"))
    rival, suffix = record(77), SUFFIX[:8] + "A" * 18
    connection.execute(
        "INSERT INTO records (digest, suffix, year, source_kind, source_id, source_version, "
        "body) VALUES (?, ?, 2024, 'arxiv', '2401.00077', 1, ?)",
        (rival.digest, suffix, rival.canonical),
    )
    connection.execute("INSERT INTO heads VALUES (?, 'lab.example', x'00')", (suffix,))
    connection.close()

    pith("record", "show", SUFFIX[:8], home=stocked).refused(6, "alias.ambiguous")
    pith("record", "show", f"pith:{SUFFIX[:8]}", home=stocked).refused(6, "alias.ambiguous")
    pith("record", "show", SUFFIX[:12], home=stocked).fine()
