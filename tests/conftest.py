"""What all tests share: the list of missing parts at the end of a run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import parts


@pytest.fixture(name="vectors_dir", scope="session")
def _vectors_dir() -> Path:
    """The folder of shared vectors, or a skip where there is none."""
    return parts.vectors_dir()


@pytest.fixture(name="store_url", params=["sqlite", "postgres"])
def _store_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Each engine in turn: None for a file in the home, or the URL of a new database."""
    if request.param == "sqlite":
        yield None
        return
    parts.needs("postgres")
    from tests.postgres import server

    with server().database() as name:
        yield server().url(name)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that runs the others which parts were missing here."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["missing"] = sorted(parts.MISSING)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Gather what each process of a parallel run missed."""
    parts.MISSING.update(getattr(node, "workeroutput", {}).get("missing", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what was not there, so that a green run says what it did not try."""
    if parts.MISSING:
        terminalreporter.write_line(f"parts missing: {', '.join(sorted(parts.MISSING))}")
