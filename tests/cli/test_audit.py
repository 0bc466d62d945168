"""pith key audit: the journal against the store and the outside."""

from pathlib import Path

import apsw
import pytest

from tests.cli.conftest import Pith
from tests.cli.lab import copied

PAPER = "arxiv:2401.00001"


@pytest.fixture(name="stolen")
def _stolen(stocked: Path, tmp_path: Path) -> Path:
    """A copy of the home with its key, as a thief has it."""
    return copied(stocked, tmp_path / "stolen")


def built(pith: Pith, home: Path, file: Path) -> Path:
    """The bundle of the paper, built in a home."""
    file.write_bytes(pith("bundle", "build", PAPER, home=home).fine().out)
    return file


def spoil(home: Path, statement: str) -> None:
    """Change the database behind pith's back."""
    with apsw.Connection(str(home / "registry.db")) as db:
        db.execute(statement)


def test_an_honest_registry_agrees_with_itself_and_its_bundles(
    pith: Pith, stocked: Path, tmp_path: Path
) -> None:
    bundle = built(pith, stocked, tmp_path / "bundle.json")
    done = pith("key", "audit", "--json", bundle, home=stocked).fine()

    found = done.object
    assert found["ok"]
    assert {row["kind"]: row["count"] for row in found["signatures"]} == {
        "bundle": 1,
        "event": 4,
        "keyset": 1,
        "receipt": 3,
    }
    assert found["acts"] == found["unknown"] == found["unjournaled"] == []
    assert done.err == ""
    assert len(pith("key", "audit", home=stocked).fine().lines) == 4


def test_a_bundle_signed_elsewhere_with_our_key_is_the_alarm(
    pith: Pith, stocked: Path, stolen: Path, tmp_path: Path
) -> None:
    forged = built(pith, stolen, tmp_path / "forged.json")

    done = pith("key", "audit", forged, home=stocked).refused(6, "audit.unknown")
    assert "ALARM: the bundle" in done.err
    (unknown,) = pith("key", "audit", "--json", forged, home=stocked).object["unknown"]
    assert (unknown["what"], unknown["where"]) == ("bundle", str(forged))
    pith("key", "audit", forged, home=stolen).fine()


def test_an_event_signed_elsewhere_with_our_key_is_the_alarm(
    pith: Pith, stocked: Path, stolen: Path, tmp_path: Path
) -> None:
    add = ("event", "add", "graph-snapshot", PAPER, "--title", "On Names", "--abstract", "We name.")
    made = pith(*add, "--headline", "stolen", home=stolen).fine().lines[0]
    forged = tmp_path / "event.json"
    forged.write_bytes(pith("event", "show", made, home=stolen).fine().out)

    pith("key", "audit", forged, home=stocked).refused(6, "audit.unknown")


def test_a_document_that_does_not_verify_is_no_alarm(
    pith: Pith, stocked: Path, tmp_path: Path
) -> None:
    bundle = built(pith, stocked, tmp_path / "bundle.json")
    bundle.write_bytes(bundle.read_bytes().replace(b"We name", b"We fame", 1))
    done = pith("key", "audit", bundle, home=stocked)

    assert done.code in (3, 4)
    assert "ALARM" not in done.err


@pytest.mark.parametrize("kind", ["event", "receipt", "keyset"])
def test_a_document_without_its_line_is_told(pith: Pith, stocked: Path, kind: str) -> None:
    spoil(stocked, f"DELETE FROM signatures WHERE kind = '{kind}'")
    done = pith("key", "audit", "--json", home=stocked)

    assert done.code == 6
    assert {row["kind"] for row in done.object["unjournaled"]} == {kind}
    assert done.object["undocumented"] == []
    assert "[audit.journal]" in done.err


def test_a_line_without_its_document_is_told(pith: Pith, stocked: Path) -> None:
    spoil(stocked, "DELETE FROM events WHERE event_type = 'graph_snapshot'")
    done = pith("key", "audit", "--json", home=stocked)

    assert done.code == 6
    assert [row["kind"] for row in done.object["undocumented"]] == ["event"]
    assert done.object["unjournaled"] == []


@pytest.mark.parametrize(
    ("table", "command"),
    [
        ("records", ("record", "show", PAPER)),
        ("events", ("receipt", "show", PAPER)),
        ("keysets", ("keyset", "show")),
    ],
)
def test_a_stored_document_that_no_longer_reads_is_a_damaged_store(
    pith: Pith, stocked: Path, table: str, command: tuple[str, ...]
) -> None:
    spoil(stocked, f"UPDATE {table} SET body = CAST('{{' AS BLOB)")
    pith(*command, home=stocked).refused(8, "store.damaged")
