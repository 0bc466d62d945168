"""Every line of the operator's handbook is typed, and what comes is what it shows."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from registry.protocol.transcript import ACTS
from tests.book.desk import Place
from tests.book.stages import BARE, FIRST_DAY, LATER, Book, Stage, workstation
from tests.book.text import Line, sections
from tests.cli.test_help import ALL
from tests.parts import ROOT, needs

HANDBOOK: Final[Book] = {
    each.title: each for each in sections((ROOT / "keys/README.md").read_text())
}
README: Final = (ROOT / "README.md").read_text()


@pytest.fixture(name="folder", scope="module")
def _folder() -> Iterator[Path]:
    """One place for the whole book: the homes in it hold its path."""
    folder = Path(tempfile.mkdtemp(prefix="pith-hb-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(name="first_day", scope="module")
def _first_day(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """How the place is when the first day has ended, as the book's own lines made it."""
    needs("shm")
    cleared(folder)
    with closing(Place(folder)) as place:
        for line in HANDBOOK[FIRST_DAY].lines:
            if line.command.startswith("rm "):
                shutil.copytree(place.memory / "shares", folder / "cards")
            place.run(line)
    return shutil.copytree(folder, tmp_path_factory.mktemp("first") / "day")


def cleared(folder: Path) -> None:
    """Empty a folder that stays."""
    for path in folder.iterdir():
        shutil.rmtree(path)


def lived(title: str, stage: Stage, folder: Path) -> None:
    """Type a section's lines in their order."""
    with closing(Place(folder)) as place, stage(place, HANDBOOK) as after:
        for line in HANDBOOK[title].lines:
            after(line, place.run(line))


def test_the_first_screen_of_the_readme(folder: Path) -> None:
    (screen,) = (each for each in sections(README) if each.lines)
    cleared(folder)
    with closing(Place(folder)) as place, workstation(place, HANDBOOK):
        for line in screen.lines:
            place.run(line)
        doors = README.partition("## What it does")[0]
        for command in re.findall(r"`(pith verify [^`]*)`", doors):
            line = Line(command.replace("registry/data", str(ROOT / "registry/data")))
            place.run(line)


def test_what_make_is_told_is_there() -> None:
    for line in re.findall(r"^    (make \w+)", README, re.MULTILINE):
        done = subprocess.run([*line.split(), "-n"], cwd=ROOT, capture_output=True, timeout=20)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("title", BARE)
def test_a_section_on_a_bare_machine(title: str, folder: Path) -> None:
    cleared(folder)
    lived(title, BARE[title], folder)


@pytest.mark.parametrize("title", LATER)
def test_a_section_after_the_first_day(title: str, first_day: Path, folder: Path) -> None:
    cleared(folder)
    shutil.copytree(first_day, folder, dirs_exist_ok=True)
    lived(title, LATER[title], folder)


def test_no_command_stands_where_no_test_types_it() -> None:
    typed = {title for title, section in HANDBOOK.items() if section.lines}

    assert typed == {FIRST_DAY, *BARE, *LATER}
    for title, section in HANDBOOK.items():
        assert not re.findall(r"^    \S", section.text, re.MULTILINE), title
        assert not {name.split()[0] for name in section.fences} - {"toml", "ini"}, title


def in_the_table(name: str) -> bool:
    """Whether a row of the README's table of commands is about a command: ``pith`` begins a
    name, what follows it replaces its last word, and TYPE is any."""
    for row in re.findall(r"^\| (`pith .*?) \|", README, re.MULTILINE):
        said = ""
        for found in re.findall(r"`([^`]+)`", row):
            words = [word for word in found.split() if word.islower() or word == "TYPE"]
            begun = words[0] == "pith"
            noun = said.removesuffix(" TYPE").rpartition(" ")[0]
            said = " ".join(words[1:]) if begun else f"{noun} {words[0]}"
            if re.fullmatch(said.replace("TYPE", "[a-z-]+"), name):
                return True
    return False


def test_every_command_stands_in_the_table_of_the_readme() -> None:
    assert [name for name in ALL if not in_the_table(name)] == []


def test_every_command_at_keys_is_typed_in_the_handbook() -> None:
    typed = [line.command for section in HANDBOOK.values() for line in section.lines]
    nouns = ("init", "doctor", "key", "keyset", "rotation", "ceremony", "shares", "reissue")
    wanted = {name for name in ALL if name.split()[0] in nouns}
    missing = [name for name in wanted if not any(f"pith {name}" in line for line in typed)]

    assert missing == []


def test_the_acts_of_the_table_are_those_there_are() -> None:
    told = re.findall(r"^\| `([a-z-]+)` \|", HANDBOOK["The ceremony"].text, re.MULTILINE)

    assert told == list(ACTS)


def test_every_link_leads_somewhere() -> None:
    text = (ROOT / "keys/README.md").read_text()
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in HANDBOOK}
    for link in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = link.partition("#")
        assert not path or (ROOT / "keys" / path).exists(), link
        assert not anchor or anchor in anchors, link
