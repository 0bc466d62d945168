"""pith bundle import, diff, merge; pith evidence; what people see of them."""

import json
from pathlib import Path

import pytest

from registry import data
from registry.protocol.canonical import canonical
from registry.protocol.event import Event
from registry.services.importing import MADE_ANEW
from tests import world
from tests.cli.conftest import Pith
from tests.cli.lab import ABSTRACT, TITLE, copied
from tests.world import AUTHOR, REGISTRY

PAPER = "arxiv:2401.00001"
CREATED = REGISTRY.record_created()


@pytest.fixture(name="mine")
def _mine(pith: Pith, stocked: Path, tmp_path: Path) -> Path:
    """A bundle of the home."""
    return built(pith, stocked, tmp_path / "mine.json")


def built(pith: Pith, home: Path, file: Path) -> Path:
    """The bundle of the paper as a home builds it."""
    pith("bundle", "build", PAPER, "-o", file, home=home).fine()
    return file


def snapshot(pith: Pith, home: Path, headline: str) -> None:
    """Sign what is known of the paper."""
    said = ("--title", TITLE, "--abstract", ABSTRACT, "--headline", headline)
    pith("event", "add", "graph-snapshot", PAPER, *said, home=home).fine()


def pinned(home: Path) -> None:
    """Let the home pin the test registry's key set."""
    keyset = world.dump(REGISTRY.keyset_pin().keyset.to_json())
    (home / "example.json").write_bytes(keyset)
    config = (home / "config.toml").read_text()
    (home / "config.toml").write_text(config + '\n[verify]\npins = ["example.json"]\n')


def written(folder: Path, name: str, *events: Event) -> Path:
    """A bundle of the test registry in a file."""
    file = folder / name
    bundle = REGISTRY.bundle(events=events, keys=[REGISTRY.key_object, AUTHOR.key_object])
    file.write_bytes(bundle.to_bytes())
    return file


def after(headline: str) -> Event:
    """A snapshot after the mint."""
    return REGISTRY.snapshot(headline=headline, prev=CREATED.event_id)


# -- import --------------------------------------------------------------------


def test_what_another_registry_says_can_be_seen_beside_ours(
    pith: Pith, stocked: Path, tmp_path: Path
) -> None:
    file = tmp_path / "seed.json"
    file.write_bytes(data.seed_bundle())
    seed = json.loads(data.seed_bundle())

    done = pith("bundle", "import", file, home=stocked).fine()

    assert done.lines == [f"{seed['pith_number']}  pith.science  2 new"]
    shown = pith("state", "show", seed["pith_number"], "--registry", "pith.science", home=stocked)
    assert shown.fine().object == seed["state"]
    listed = pith("event", "list", "arxiv:1811.12941", "--registry", "pith.science", home=stocked)
    assert len(listed.fine().lines) == 2
    pith("state", "show", seed["pith_number"], home=stocked).refused(5, "record.absent")
    again = pith("bundle", "import", "--json", file, home=stocked).fine().object
    assert (again["new"], again["known"]) == ([], 2)


def test_accepted_ones_are_kept_and_the_first_refused_decides_the_exit(
    pith: Pith, stocked: Path, mine: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.json"
    bad.write_bytes(mine.read_bytes().replace(b'"event_count":2', b'"event_count":7'))
    seed = tmp_path / "seed.json"
    seed.write_bytes(data.seed_bundle())

    done = pith("bundle", "import", bad, tmp_path / "none.json", seed, home=stocked)

    done.refused(4, "bundle.state")
    assert len(done.lines) == 1
    (row,) = pith("event", "list", "--quarantined", "--json", home=stocked).fine().objects
    assert (row["kind"], row["verdict"], row["code"]) == ("bundle", "invalid", "bundle.state")
    assert row["source"] == str(bad)
    told = pith("event", "list", "--quarantined", home=stocked).fine().lines
    assert len(told) == 1
    assert "bundle.state" in told[0]
    pith("event", "list", home=stocked).refused(2, "usage.missing")


def test_an_older_bundle_is_refused(pith: Pith, stocked: Path, mine: Path) -> None:
    snapshot(pith, stocked, "newer")

    pith("bundle", "import", mine, home=stocked).refused(6, "import.rollback")


def test_a_stranger_is_refused(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    file = written(tmp_path, "strange.json", CREATED)

    pith("bundle", "import", file, home=stocked).refused(4, "trust.pin")
    assert pith("event", "list", "--quarantined", home=stocked).fine().lines == []


def test_a_thiefs_bundle_is_kept_apart_and_alarms(
    pith: Pith, stocked: Path, tmp_path: Path
) -> None:
    stolen = copied(stocked, tmp_path / "stolen")
    snapshot(pith, stolen, "forged")
    forged = built(pith, stolen, tmp_path / "forged.json")

    pith("bundle", "import", forged, home=stocked).refused(6, "import.unknown_signature")

    done = pith("key", "audit", home=stocked)
    assert done.code == 6
    assert "ALARM: the event" in done.err
    assert "quarantine" in done.err


def test_a_fork_found_on_import_is_kept_as_evidence(
    pith: Pith, stocked: Path, tmp_path: Path
) -> None:
    pinned(stocked)
    one = written(tmp_path, "one.json", CREATED, after("one"))
    two = written(tmp_path, "two.json", CREATED, after("two"))
    assert pith("evidence", "find", home=stocked).fine().lines == []
    pith("bundle", "import", one, home=stocked).fine()

    pith("bundle", "import", two, home=stocked).refused(6, "import.equivocation")

    (line,) = pith("evidence", "find", home=stocked).lines
    digest, kind, who, _ = line.split()
    assert (kind, who) == ("event_fork", REGISTRY.name)
    proof = tmp_path / "evidence.json"
    pith("evidence", "export", digest, "-o", proof, home=stocked).fine()
    alone = pith("evidence", "verify", proof).fine()
    assert "is for you to compare" in alone.err
    proved = pith("evidence", "verify", proof, "--pin", stocked / "example.json").fine()
    assert f"proved: {REGISTRY.name} contradicts itself" in proved.err


# -- evidence ------------------------------------------------------------------


def test_evidence_in_files(pith: Pith, tmp_path: Path) -> None:
    one = written(tmp_path, "one.json", CREATED, after("one"))
    two = tmp_path / "two.jsonl"
    two.write_bytes(CREATED.canonical + b"\n" + after("two").canonical + b"\n")

    found = pith("evidence", "find", one, two)
    assert found.code == 6
    assert "1 contradiction found" in found.err
    evidence = pith("evidence", "find", "--json", one, two).object
    digest = found.lines[0].split()[0]
    exported = pith("evidence", "export", digest[:8], one, two).fine()
    assert exported.out == canonical(evidence)
    pith("evidence", "find", one).fine()
    pith("evidence", "export", "abcdef", one, two).refused(5, "evidence.absent")
    pith("evidence", "export", "0" * 64, one, two).refused(5, "evidence.absent")


def test_forged_evidence_is_refused_by_name(pith: Pith, tmp_path: Path) -> None:
    one = written(tmp_path, "one.json", CREATED, after("one"))
    two = written(tmp_path, "two.json", CREATED, after("two"))
    value = pith("evidence", "find", "--json", one, two).object
    proof = tmp_path / "evidence.json"
    proof.write_bytes(
        world.dump(world.changed(value, world.put("objects.0.created_at", "2026-06-01T12:00:00Z")))
    )

    done = pith("evidence", "verify", proof)
    assert done.code == 4
    assert "FAIL" in done.out.decode()
    report = pith("evidence", "verify", "--json", proof).object
    assert not report["ok"]


def test_what_is_no_document_is_refused_by_name(pith: Pith, tmp_path: Path) -> None:
    file = tmp_path / "junk.json"
    file.write_bytes(b"{}")

    assert "junk.json" in pith("evidence", "find", file).refused(3, "evidence.kind").err


# -- merge ---------------------------------------------------------------------


def test_merged_bundles_verify(pith: Pith, stocked: Path, mine: Path, tmp_path: Path) -> None:
    snapshot(pith, stocked, "newer")
    newer = built(pith, stocked, tmp_path / "newer.json")
    merged = tmp_path / "merged.json"

    done = pith("bundle", "merge", newer, mine, "-o", merged, home=stocked).fine()

    assert "0 events were new here" in done.err
    pith("verify", merged, home=stocked).fine()
    told = pith("bundle", "diff", newer, merged, "--json", home=stocked).fine().object
    assert {each["part"] for each in told["differences"]} <= {"time", "signature"}


def test_bundles_of_others_are_not_merged(
    pith: Pith, stocked: Path, mine: Path, tmp_path: Path
) -> None:
    pinned(stocked)
    other = written(tmp_path, "other.json", CREATED)

    pith("bundle", "merge", mine, other, home=stocked).refused(4, "merge.registry")


# -- diff ----------------------------------------------------------------------


def test_what_is_new_is_told_line_by_line(
    pith: Pith, stocked: Path, mine: Path, tmp_path: Path
) -> None:
    snapshot(pith, stocked, "newer")
    newer = built(pith, stocked, tmp_path / "newer.json")

    done = pith("bundle", "diff", mine, newer, home=stocked).fine()

    (event,) = [line for line in done.lines if line.startswith("+ event")]
    assert "graph_snapshot" in event
    assert event.endswith("lab.example: valid")
    assert any(
        line.startswith("~ state") and "$.event_count  2 -> 3" in line for line in done.lines
    )
    assert any(line.startswith("~ signature") for line in done.lines)
    assert done.err.count("it verifies") == 2
    assert pith("bundle", "diff", mine, newer, "--exit-code", home=stocked).code == 6


def test_a_bundle_is_the_same_as_itself_however_laid_out(
    pith: Pith, mine: Path, tmp_path: Path
) -> None:
    spread = tmp_path / "spread.json"
    spread.write_text(json.dumps(json.loads(mine.read_bytes()), indent=1, sort_keys=True))

    done = pith("bundle", "diff", mine, spread, "--exit-code").fine()
    assert done.lines == []
    assert pith("bundle", "diff", mine, spread, "--json").fine().object["same"]


def test_unverified_bundles_are_compared_too(
    pith: Pith, stocked: Path, mine: Path, tmp_path: Path
) -> None:
    value = json.loads(mine.read_bytes())
    spoilt = tmp_path / "spoilt.json"
    event = value["events"][1]["event_id"]
    spoilt.write_bytes(
        world.dump(
            world.changed(
                value,
                world.put("events.1.signature.signature_b64", world.b64(bytes(range(64)))),
                world.put("canonical_record.metadata.license", "\x1b[31mred"),
            )
        )
    )

    done = pith("bundle", "diff", mine, spoilt, home=stocked).fine()

    assert f"~ event      {event}" in "\n".join(done.lines)
    assert any("valid -> " in line and "event.signature" in line for line in done.lines)
    assert any(line.startswith("~ record") and "\\x1b" in line for line in done.lines)
    assert "it does not verify" in done.err


def test_only_bundles_are_compared(pith: Pith, mine: Path, record_file: Path) -> None:
    pith("bundle", "diff", mine, record_file).refused(3, "schema.members")


# -- restore -------------------------------------------------------------------


def test_a_home_is_made_anew_only_where_there_is_none(
    pith: Pith, stocked: Path, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    pith("keyset", "show", "-o", keys, home=stocked).fine()
    asked = ("init", "--restore", keys, "--base-url", "https://lab.example")

    pith(*asked, home=stocked).refused(6, "home.exists")
    other = ("--registry", "other.example")
    pith(*asked, *other, home=tmp_path / "new").refused(6, "init.registry")
    lists = ("--registry", "lab.example", "--base-url", "https://lab.example", "--signers", keys)
    pith("init", *lists, home=tmp_path / "new").refused(2, "usage.together")
    assert not (tmp_path / "new").exists()
    pith(*asked, home=tmp_path / "new").fine()
    pith("key", "audit", home=tmp_path / "new").fine()
    acts = pith("key", "audit", "--json", home=tmp_path / "new").object["acts"]
    assert [act["act"] for act in acts] == [MADE_ANEW]


def test_an_interrupted_restore_is_finished_by_the_next(
    pith: Pith, stocked: Path, tmp_path: Path
) -> None:
    keys, home = tmp_path / "keys.json", tmp_path / "new"
    pith("keyset", "show", "-o", keys, home=stocked).fine()
    asked = ("init", "--restore", keys, "--base-url", "https://lab.example")
    pith(*asked, home=home).fine()
    (home / "config.toml").unlink()

    new = ("init", "--registry", "lab.example", "--base-url", "https://lab.example")
    pith(*new, "--signer", f"file:{tmp_path}/k", home=home).refused(6, "home.exists")
    pith(*asked, home=home).fine()
    pith("keyset", "show", home=home).fine()
