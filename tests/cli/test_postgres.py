"""A registry in PostgreSQL, by its commands: from init to a reissue, and what a server is not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.app import App, now
from tests.cli.conftest import Pith
from tests.cli.lab import BASE_URL, REGISTRY, lines_of, process
from tests.cli.terminal import at_terminal
from tests.parts import needs
from tests.services.reissued import rotate

PAPER = "arxiv:2401.00001"


@pytest.fixture(name="url")
def _url() -> Iterator[str]:
    needs("postgres")
    from tests.postgres import server

    with server().database(empty=True) as name:
        yield server().url(name)


def made(pith: Pith, home: Path, url: str) -> Path:
    """A registry in a database, made by `pith init`; its key is in a file of the home."""
    secret = home.parent / "passphrase"
    secret.touch(mode=0o600)
    secret.write_text("correct horse battery staple\n")
    init = ("init", "--registry", REGISTRY, "--base-url", BASE_URL, "--store", url)
    pith(*init, "--signer", "file:", "--passphrase", f"file:{secret}", home=home).fine()
    return home


def test_a_whole_life(pith: Pith, tmp_path: Path, url: str) -> None:
    home = made(pith, tmp_path / "home", url)
    assert f'url = "{url}"' in (home / "config.toml").read_text()
    assert not (home / "registry.db").exists()
    records = tmp_path / "records.jsonl"
    records.write_bytes(lines_of(30))
    minted = pith("mint", records, "--json", home=home).fine()
    assert len(minted.objects) == 30
    assert pith("mint", records, home=home).fine().lines
    before = pith("receipt", "show", PAPER, home=home).fine().object
    bundle = tmp_path / "bundle.json"
    pith("bundle", "build", PAPER, "-o", bundle, home=home).fine()
    pith("verify", bundle, home=home).fine()
    process("verify", bundle, home=home).fine()

    desk = App(home).open()
    rotate(desk, now)
    old = next(row.key_id for row in desk.store.list_keys() if row.key_id == before["key_id"])
    desk.store.close()
    plan = ("reissue", "plan", "--old", old, "--reason", "rotation")
    digest = pith(*plan, home=home).fine().lines[0]
    pith("reissue", "run", digest, home=home).fine()
    at_terminal("reissue", "switch", home=home, answers=[("to go on", "switch")]).fine()
    after = pith("receipt", "show", PAPER, home=home).fine().object
    assert after["key_id"] != before["key_id"]
    assert after["first_computed_at"] == before["first_computed_at"]
    pith("bundle", "build", PAPER, "-o", tmp_path / "again.json", home=home).fine()
    pith("verify", tmp_path / "again.json", home=home).fine()
    pith("key", "audit", home=home).fine()
    pith("store", "check", home=home).fine()
    looked = pith("doctor", "--json", home=home)
    assert looked.code in (0, 9)
    assert {row["name"]: row["status"] for row in looked.objects}["store"] == "ok"


def test_what_is_done_with_a_file_is_refused_with_a_hint(
    pith: Pith, tmp_path: Path, url: str
) -> None:
    home = made(pith, tmp_path / "home", url)

    done = pith("store", "backup", tmp_path / "copy.db", home=home).refused(2, "usage.store")
    assert "pg_dump" in done.err
    assert not (tmp_path / "copy.db").exists()
    again = ("init", "--registry", REGISTRY, "--base-url", BASE_URL, "--store", url)
    other = pith(*again, home=tmp_path / "other").refused(6, "home.exists")
    assert url in other.err
    assert "--store" in other.err
    assert not (tmp_path / "other" / "config.toml").exists()


@pytest.mark.parametrize("how", ["import", "restore"])
def test_a_store_comes_back_into_a_server(
    pith: Pith, tmp_path: Path, home: Path, url: str, how: str
) -> None:
    (tmp_path / "records.jsonl").write_bytes(lines_of(3))
    pith("mint", tmp_path / "records.jsonl", home=home).fine()
    kept = tmp_path / ("all.jsonl" if how == "import" else "all.db")
    pith("store", "export" if how == "import" else "backup", kept, home=home).fine()
    new = tmp_path / "new"
    new.mkdir(mode=0o700)
    config = (home / "config.toml").read_text()
    assert 'url = "sqlite:registry.db"' in config
    (new / "config.toml").write_text(config.replace("sqlite:registry.db", url))

    assert pith("store", how, kept, home=new).fine().lines[0].startswith("3 records  key set 1 ")

    assert len(pith("receipt", "list", home=new).fine().lines) == 3
    assert pith("store", "check", home=new).fine().lines == []
    pith("mint", tmp_path / "records.jsonl", home=new).refused(8, "store.unreconciled")
    pith("store", how, kept, home=new).refused(6, "store.exists")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2@host/pith",
        "postgresql:///pith?password=hunter2",
        "sqlite:registry.db",
        "postgres:///pith",
        "",
    ],
)
def test_init_takes_no_password_and_no_other_url(pith: Pith, tmp_path: Path, url: str) -> None:
    init = ("init", "--registry", REGISTRY, "--base-url", BASE_URL, "--store", url)

    done = pith(*init, "--signer", "file:", home=tmp_path / "home").refused(2, "usage.store")

    assert "hunter2" not in done.err
    assert not (tmp_path / "home").exists()


def test_a_server_that_is_away_is_named(pith: Pith, tmp_path: Path, url: str) -> None:
    home = made(pith, tmp_path / "home", url)
    config = home / "config.toml"
    config.write_text(config.read_text().replace("host=/", "host=/nowhere/"))

    done = pith("store", "check", home=home).refused(8, "store.open")

    assert "~/.pgpass" in done.err
