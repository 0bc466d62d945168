"""pith record."""

import json
from pathlib import Path

import pytest

from registry.protocol.text import text_sha256
from tests.cli.conftest import Pith
from tests.cli.lab import ABSTRACT, SUBMITTED, TITLE, process, record

OPTIONS = {
    "--arxiv": "2401.00001v1",
    "--title": TITLE,
    "--abstract": ABSTRACT,
    "--category": "cs.DL",
    "--license": "",
    "--submitted": SUBMITTED,
}
PAPER = {
    "arxiv": "2401.00001v1",
    "title": TITLE,
    "abstract": ABSTRACT,
    "categories": ["cs.DL"],
    "license": "",
    "submitted": SUBMITTED,
}


def build(pith: Pith, **changes: str | None) -> list[str]:
    """The options of the example, some changed or (None) left out."""
    found = OPTIONS | {f"--{name}": value for name, value in changes.items()}
    return [part for name, value in found.items() if value is not None for part in (name, value)]


def test_options_give_the_canonical_record(pith: Pith) -> None:
    done = pith("record", "build", *build(pith)).fine()

    assert done.out == record().canonical + b"\n"
    assert done.err == ""


def test_files_for_title_and_abstract(pith: Pith, tmp_path: Path) -> None:
    (tmp_path / "title").write_text("  On\n Names\n")
    (tmp_path / "abstract").write_text("We\r\nname. \n")
    options = build(pith, title=None, abstract=None)

    done = pith(
        *("record", "build", *options, "--title-file", tmp_path / "title"),
        *("--abstract-file", tmp_path / "abstract"),
    ).fine()

    assert done.out == record().canonical + b"\n"


def test_the_abstract_from_standard_input(pith: Pith) -> None:
    options = build(pith, abstract=None)

    done = process("record", "build", *options, "--abstract-file", "-", stdin=b"We name.\n")

    assert done.fine().out == record().canonical + b"\n"


def test_all_of_it_as_json(pith: Pith, tmp_path: Path) -> None:
    file = tmp_path / "paper.json"
    file.write_text(json.dumps(PAPER, indent=1))

    assert pith("record", "build", "--from", file).fine().out == record().canonical + b"\n"
    assert process("record", "build", "--from", "-", stdin=file.read_bytes()).fine().lines


def test_the_first_category_is_the_primary_and_the_others_are_sorted(pith: Pith) -> None:
    options = [*build(pith), "--category", "math.CO", "--category", "cs.CR"]

    metadata = pith("record", "build", *options).fine().object["metadata"]

    assert metadata["primary_cat"] == "cs.DL"
    assert metadata["cross_cats_sorted"] == ["cs.CR", "math.CO"]


def test_the_build_can_be_named_and_minted(pith: Pith, home: Path, tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    file.write_bytes(pith("record", "build", *build(pith)).fine().out)

    number = pith("number", file).fine().out
    assert pith("mint", file, home=home).fine().out == number
    assert pith("record", "show", number.decode().strip(), home=home).fine().out == (
        file.read_bytes()
    )


@pytest.mark.parametrize("name", OPTIONS)
def test_a_missing_option_is_named(pith: Pith, name: str) -> None:
    done = pith("record", "build", *build(pith, **{name[2:]: None})).refused(2, "usage.missing")

    assert name in done.err


@pytest.mark.parametrize("name", PAPER)
def test_a_missing_member_is_named(pith: Pith, tmp_path: Path, name: str) -> None:
    file = tmp_path / "paper.json"
    file.write_text(json.dumps({key: value for key, value in PAPER.items() if key != name}))

    assert name in pith("record", "build", "--from", file).refused(3, "schema.members").err


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        (("--from", "paper.json"), "usage.together"),
        (("--title-file", "t"), "usage.together"),
        (("--abstract-file", "a"), "usage.together"),
    ],
)
def test_what_does_not_go_together(pith: Pith, more: tuple[str, ...], rule: str) -> None:
    pith("record", "build", *build(pith), *more).refused(2, rule)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("arxiv", "2401.00001"),
        ("arxiv", "2401.1v1"),
        ("arxiv", "2401.00001v0"),
        ("arxiv", "2401.00001v01"),
        ("arxiv", "٢٤٠١.00001v1"),
        ("submitted", "2024-01-01"),
        ("submitted", "2024-02-30T12:00:00Z"),
        ("submitted", "2024-01-01T12:00:00+00:00"),
        ("submitted", "2024-01-01T12:00:00Z\n"),
        ("category", "cs DL"),
        ("category", ""),
        ("license", "a\u202eb"),
    ],
)
def test_a_value_that_no_record_may_have(pith: Pith, name: str, value: str) -> None:
    done = pith("record", "build", *build(pith, **{name: value}))

    assert done.code == 3
    assert done.out == b""
    assert len([line for line in done.errors if "hint:" not in line]) == 1


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{", b'{"a":1}', b"\xff", b"\x00\x01", b"[" * 100_000, b'{"a":1,"a":1}'],
)
def test_a_paper_that_is_not_in_its_form(pith: Pith, tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "paper.json"
    file.write_bytes(data)

    assert pith("record", "build", "--from", file).code == 3


@pytest.mark.parametrize("value", [None, 1, "cs.DL", [], [1], {}])
def test_categories_that_are_no_list_of_names(pith: Pith, tmp_path: Path, value: object) -> None:
    file = tmp_path / "paper.json"
    file.write_text(json.dumps(PAPER | {"categories": value}))

    assert pith("record", "build", "--from", file).code in (2, 3)


def test_an_absent_file(pith: Pith, tmp_path: Path) -> None:
    options = build(pith, title=None)

    pith("record", "build", *options, "--title-file", tmp_path / "no").refused(5, "file.absent")
    pith("record", "build", "--from", tmp_path / "no").refused(5, "file.absent")


def test_a_text_file_that_is_not_utf8(pith: Pith, tmp_path: Path) -> None:
    (tmp_path / "title").write_bytes(b"caf\xe9")

    pith("record", "build", *build(pith, title=None), "--title-file", tmp_path / "title").refused(
        3, "file.utf8"
    )


def test_an_argument_that_is_not_utf8(pith: Pith) -> None:
    done = process("record", "build", *build(pith, title="a\udcff"))

    assert done.code in (2, 3)


def test_a_code_point_younger_than_unicode_14_is_a_warning(pith: Pith) -> None:
    done = pith("record", "build", *build(pith, title="A \U0001fae8 face")).fine()

    assert done.errors[0].startswith("pith: warning: ")
    assert "Unicode 14" in done.err


def test_titles_that_look_like_markup_or_terminal_codes_are_text(pith: Pith) -> None:
    for title in ("[/i] [bold]x", "a\x1b[31mb", "a\u202eb", "%s {} \\x1b"):
        found = pith("record", "build", *build(pith, title=title)).fine()
        assert found.object["metadata"]["title_canon_sha256"] == text_sha256(title)


def test_list_names_every_record_in_the_order_of_suffixes(pith: Pith, stocked: Path) -> None:
    records = sorted(
        [record(1), record(2), record(2, version=2)], key=lambda each: each.number.suffix
    )

    done = pith("record", "list", home=stocked).fine()
    found = pith("record", "list", "--json", home=stocked).fine().objects

    assert done.lines == [
        f"{each.number}  arxiv:{each.source.id}v{each.source.version}" for each in records
    ]
    assert [each["pith_number"] for each in found] == [str(each.number) for each in records]
    assert found[0]["source"] == records[0].source.to_json()


def test_an_empty_registry_lists_nothing(pith: Pith, home: Path) -> None:
    assert pith("record", "list", home=home).fine().out == b""
    assert pith("receipt", "list", home=home).fine().out == b""


def test_show_prints_the_exact_bytes(pith: Pith, stocked: Path) -> None:
    done = pith("record", "show", "arxiv:2401.00001", home=stocked).fine()

    assert done.out == record().canonical + b"\n"
