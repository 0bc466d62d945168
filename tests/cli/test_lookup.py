"""What people type for a record (protocol.md sections 3 and 4)."""

from pathlib import Path

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
