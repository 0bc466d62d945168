"""Everything a registry does, on each engine: the same rows, and nothing wrong with them."""

from pathlib import Path

from registry.services.check import check_store
from registry.services.desk import Desk
from registry.store.store import Store
from registry.store.tables import TABLES
from tests.parts import needs
from tests.services.test_check import stocked


def test_the_same_acts_leave_the_same_rows(tmp_path: Path) -> None:
    needs("postgres")
    from tests.postgres import server

    with server().database() as name:
        there = stocked(tmp_path / "there", server().url(name))
        here = stocked(tmp_path / "here")
        with Store(there.config.store, read_only=True) as store, Store(here.config.store) as other:
            for table in TABLES:
                assert list(store.stream(table.rows)) == list(other.stream(table.rows)), table.name
            desk = Desk(there.config, store, there.key_store, there.clock)
            assert list(check_store(desk, lambda _: None)) == []
