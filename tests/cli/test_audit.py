"""pith key audit: the journal against the store and the outside."""

from pathlib import Path

import apsw
import pytest

from tests.cli.conftest import Pith
from tests.cli.lab import copied, record

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
    assert done.errors == ["pith: 4 signatures of our keys in what was given"]
    lines = pith("key", "audit", home=stocked).fine().lines
    assert [line.split()[0] for line in lines] == ["signature"] * 4 + ["version"]


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


def test_a_key_set_signed_elsewhere_is_the_gravest_alarm(
    pith: Pith, stocked: Path, stolen: Path, tmp_path: Path
) -> None:
    done = pith("key", "create", "--usage", "recovery", "--yes", home=stolen)
    assert done.code == 0, done.err
    forged = tmp_path / "keys.json"
    forged.write_bytes(pith("keyset", "show", home=stolen).fine().out)

    done = pith("key", "audit", forged, home=stocked).refused(6, "audit.unknown_keyset")
    assert "the gravest there is" in done.err
    (found,) = pith("key", "audit", "--json", forged, home=stocked).object["unknown"]
    assert (found["kind"], found["grade"]) == ("keyset", "gravest")


def test_an_alarm_is_not_hidden_by_a_file_that_says_nothing(
    pith: Pith, stocked: Path, stolen: Path, tmp_path: Path, record_file: Path
) -> None:
    forged = built(pith, stolen, tmp_path / "forged.json")
    done = pith("key", "audit", record_file, forged, home=stocked)

    assert done.code == 6
    assert "[audit.unknown]" in done.err
    assert "[document.kind]" in done.err
    pith("key", "audit", record_file, home=stocked).refused(3, "document.kind")


def test_a_receipt_needs_no_record(pith: Pith, stocked: Path, stolen: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    pith("receipt", "export", PAPER, "-o", good, home=stocked).fine()
    other = tmp_path / "other.json"
    other.write_bytes(record(7).canonical)
    pith("mint", other, home=stolen).fine()
    pith("receipt", "export", "arxiv:2401.00007", "-o", bad, home=stolen).fine()

    done = pith("key", "audit", good, home=stocked).fine()
    assert done.errors == ["pith: 1 signature of our keys in what was given"]
    pith("key", "audit", good, bad, home=stocked).refused(6, "audit.unknown")


def test_the_page_is_whole_and_everything_in_it_is_escaped(
    pith: Pith, stocked: Path, stolen: Path, tmp_path: Path
) -> None:
    spoil(
        stocked,
        "INSERT INTO acts (act, key_id, reason, at) "
        "VALUES ('drill <script>alert(1)</script>', 'k&1', char(27) || '[31m\"x', 0)",
    )
    forged = built(pith, stolen, tmp_path / "<b>forged.json")
    page = tmp_path / "audit.html"
    done = pith("key", "audit", forged, "--html", page, home=stocked)

    assert done.code == 6
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert text.endswith("</html>\n")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "&lt;b&gt;forged.json" in text
    for raw in ("<script", "<b>", "\x1b", "k&1", "http:", "https:", "src="):
        assert raw not in text, raw
    assert pith("key", "audit", "--html", "-", home=stocked).fine().out.startswith(b"<!doctype")
    pith("key", "audit", "--html", tmp_path / "no" / "a.html", home=stocked).refused(
        8, "output.write"
    )
    assert sorted(path.suffix for path in tmp_path.glob("*.html*")) == [".html"]


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
