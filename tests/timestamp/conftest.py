"""Two real authorities for the tests of timestamps."""

import pytest

from registry.timestamp.authority import Authority
from tests.parts import needs
from tests.timestamp.authority import Tsa


@pytest.fixture(name="tsa", scope="session")
def _tsa(tmp_path_factory: pytest.TempPathFactory) -> Tsa:
    needs("openssl")
    return Tsa(tmp_path_factory.mktemp("tsa") / "it")


@pytest.fixture(name="other", scope="session")
def _other(tmp_path_factory: pytest.TempPathFactory) -> Tsa:
    """An authority of another root under the same names."""
    needs("openssl")
    return Tsa(tmp_path_factory.mktemp("tsa") / "other")


@pytest.fixture(name="pinned", scope="session")
def _pinned(tsa: Tsa) -> Authority:
    """The first of them, pinned by its root."""
    return Authority.parse(tsa.root.read_bytes(), "a test")
