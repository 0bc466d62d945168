"""Homes for the tests of the commands, and the way to run one in this process."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from registry.app import App
from registry.cli.main import run
from tests.cli.lab import ABSTRACT, TITLE, Done, checked, copied, make_home, record

Pith: TypeAlias = Callable[..., Done]


@pytest.fixture(name="pith")
def _pith(capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> Pith:
    """Run a command line in this process: ``pith("mint", file, home=home)``."""

    def call(*arguments: object, home: Path | None = None) -> Done:
        capfdbinary.readouterr()
        code = run([str(item) for item in arguments], obj=App(home or tmp_path / "no-home"))
        out, err = capfdbinary.readouterr()
        return checked(Done(code, out, err.decode()))

    return call


@pytest.fixture(name="empty_home", scope="session")
def _empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("empty") / "home")


@pytest.fixture(name="stocked_home", scope="session")
def _stocked_home(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stocked")
    home = copied(empty_home, folder / "home")
    file = folder / "records.jsonl"
    versions = [record(1), record(2), record(2, version=2)]
    file.write_bytes(b"".join(each.canonical + b"\n" for each in versions))
    assert run(["mint", str(file)], obj=App(home)) == 0
    add = ["event", "add", "graph-snapshot", "arxiv:2401.00001", "--title", TITLE]
    assert run([*add, "--abstract", ABSTRACT, "--authors", "A. Author"], obj=App(home)) == 0
    return home


@pytest.fixture(name="home")
def _home(empty_home: Path, tmp_path: Path) -> Path:
    """A registry that has minted nothing."""
    return copied(empty_home, tmp_path / "home")


@pytest.fixture(name="stocked")
def _stocked(stocked_home: Path, tmp_path: Path) -> Path:
    """A registry with arxiv:2401.00001 and its snapshot, and two versions of 2401.00002."""
    return copied(stocked_home, tmp_path / "stocked")


@pytest.fixture(name="record_file")
def _record_file(tmp_path: Path) -> Path:
    """The record of the help's examples in a file."""
    file = tmp_path / "record.json"
    file.write_bytes(record().canonical + b"\n")
    return file
