"""tests/vectors/record: what any implementation must take, and refuse with which code."""

import json
from pathlib import Path
from typing import Final

import pytest

from registry.protocol.record import Record
from tests.protocol.refusals import refused

FOLDER: Final = Path(__file__).parent.parent / "vectors" / "record"
INDEX: Final[dict[str, dict[str, str]]] = json.loads((FOLDER / "index.json").read_bytes())


def test_index_and_folders_name_the_same_files() -> None:
    assert sorted(INDEX) == ["invalid", "valid"]
    for kind, listed in INDEX.items():
        assert sorted(file.name for file in (FOLDER / kind).iterdir()) == sorted(listed)
    assert (len(INDEX["valid"]), len(INDEX["invalid"])) == (23, 89)


def test_no_two_files_are_the_same() -> None:
    bodies = [file.read_bytes() for file in FOLDER.glob("*/*.json")]

    assert len(set(bodies)) == len(bodies)


@pytest.mark.parametrize(("name", "number"), INDEX["valid"].items(), ids=INDEX["valid"])
def test_valid(name: str, number: str) -> None:
    record = Record.parse((FOLDER / "valid" / name).read_bytes())

    assert str(record.number) == number
    assert Record.parse(record.canonical) == record


@pytest.mark.parametrize(("name", "code"), INDEX["invalid"].items(), ids=INDEX["invalid"])
def test_invalid(name: str, code: str) -> None:
    with refused(code):
        Record.parse((FOLDER / "invalid" / name).read_bytes())


def test_all_layouts_of_one_record_have_one_number() -> None:
    layouts = (
        "canonical-bytes",
        "pretty-printed",
        "white-space-around",
        "members-in-another-order",
        "member-name-escaped",
        "slash-escaped",
    )

    assert {INDEX["valid"][f"{name}.json"] for name in layouts} == {
        "pith:2018:P7HI7IUZ2D4BWY3OX4YBCD7BZN"
    }
