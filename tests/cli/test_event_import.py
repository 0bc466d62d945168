"""pith event import and export: what third parties send, and what of it is taken."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pytest

from registry.app import now
from registry.protocol.canonical import JsonObject
from registry.protocol.event import Event
from registry.protocol.instant import Instant
from registry.protocol.signers import MAX_EVENT_BYTES, MAX_EVENTS
from tests import world
from tests.cli.conftest import Pith
from tests.cli.lab import record, rows
from tests.cli.test_party import enroll
from tests.payloads import CITATION, REPLICATION, STORAGE
from tests.world import AUTHOR, MIRROR, READER, Party, put

ARXIV: Final = "arxiv:2401.00001"
RECORD: Final = record()


def said(
    note: str = "",
    prev: Event | str | None = None,
    *,
    by: Party = READER,
    at: Instant | None = None,
    **more: Any,
) -> Event:
    """An event of a party about the record of the helps."""
    moment = at or now().plus(seconds=-60)
    before = prev.event_id if isinstance(prev, Event) else prev
    if by == AUTHOR:
        payload = CITATION | {"citing": str(RECORD.number), "note": note}
        return by.event("citation_signature", payload, of=RECORD, at=moment, prev=before, **more)
    return by.event(
        "replication_record",
        REPLICATION | {"note": note},
        of=RECORD,
        at=moment,
        prev=before,
        **more,
    )


def file_of(folder: Path, *events: Event | JsonObject) -> Path:
    """Events as JSONL."""
    file = folder / "events.jsonl"
    values = [event.to_json() if isinstance(event, Event) else event for event in events]
    file.write_bytes(b"".join(world.dump(value) + b"\n" for value in values))
    return file


def one_file(folder: Path, event: Event) -> Path:
    """One event in a file of its own."""
    file = folder / "one.json"
    file.write_bytes(event.canonical)
    return file


def shown(pith: Pith, home: Path, place: str = "replication_records") -> list[str]:
    state = pith("state", "show", ARXIV, home=home).fine().object
    return [item["event_id"] for item in state["current"][place]]


def ids(events: Iterable[Event]) -> list[str]:
    return [event.event_id for event in events]


@pytest.fixture(name="open_home")
def _open_home(pith: Pith, stocked: Path, tmp_path: Path) -> Path:
    """A registry at which a reader and an author may speak."""
    enroll(pith, stocked, tmp_path, READER)
    enroll(pith, stocked, tmp_path, AUTHOR)
    return stocked


def test_what_is_sent_is_taken_once_and_travels_on(
    pith: Pith, open_home: Path, tmp_path: Path
) -> None:
    one = said("one")
    two = said("two", one)
    theirs = said("three", by=AUTHOR)
    file = file_of(tmp_path, two, theirs, one)
    before = rows(open_home, "SELECT count(*) FROM signatures")

    assert set(pith("event", "import", file, home=open_home).fine().lines) == set(
        ids([one, two, theirs])
    )
    again = pith("event", "import", file, "--json", home=open_home).fine().object
    assert (again["new"], again["known"]) == ([], 3)
    assert shown(pith, open_home) == ids([one, two])
    assert rows(open_home, "SELECT count(*) FROM signatures") == before
    bundle = tmp_path / "bundle.json"
    pith("bundle", "build", ARXIV, "-o", bundle, home=open_home).fine()
    keys = [key.get("signer_id") for key in json.loads(bundle.read_bytes())["public_keys"]]
    assert keys == [None, READER.name, AUTHOR.name]
    pith("verify", bundle, home=open_home).fine()
    pith("key", "audit", bundle, home=open_home).fine()
    parties = tmp_path / "pith-signers.json"
    pith("party", "list", "-o", parties, home=open_home).fine()
    done = pith("verify", bundle, "--signers", parties, home=open_home).fine()
    assert "trust.parties" in done.lines[-1]
    pith("verify", one_file(tmp_path, one), "--signers", parties, home=open_home).refused(
        2, "verify.signers"
    )
    pith("verify", bundle, "--signers", bundle, home=open_home).refused(3, "schema.members")
    exported = pith("event", "export", ARXIV, "--signer", READER.name, home=open_home).fine()
    assert [value["event_id"] for value in exported.objects] == ids([one, two])
    pith("event", "export", ARXIV, "--signer", "nobody", home=open_home).refused(5, "event.absent")


def test_our_own_chain_goes_on_beside_theirs(pith: Pith, open_home: Path, tmp_path: Path) -> None:
    pith("event", "import", file_of(tmp_path, said("one")), home=open_home).fine()
    add = ("event", "add", "replication", ARXIV, "--outcome", "ours", "--json")
    ours = pith(*add, home=open_home).fine().object["event"]

    listed = pith("event", "list", ARXIV, "--json", home=open_home).objects
    mine = [e for e in listed if e["signer"]["signer_type"] == "pith_registry"]
    assert ours["prev_event"] == mine[-2]["event_id"]
    assert rows(open_home, "SELECT count(*) FROM heads WHERE signer_id = 'reader.example'") == [
        (1,)
    ]


def wrong_signature(event: Event) -> JsonObject:
    return world.changed(event.to_json(), put("signature.signature_b64", world.b64(b"\2" * 64)))


def not_allowed(event: Event) -> JsonObject:
    value = world.changed(event.to_json(), put("event_type", "correction"))
    value["payload"] = {
        "corrects": event.event_id,
        "field": None,
        "reason": "x",
        "replacement": None,
    }
    return world.reseal_event(value, READER.signer)


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [(wrong_signature, "signature.wrong"), (not_allowed, "event.allowed")],
    ids=["signature", "allowed"],
)
def test_what_does_not_verify_is_kept_apart(
    pith: Pith, open_home: Path, tmp_path: Path, spoil: Any, rule: str
) -> None:
    good = said("one")
    done = pith("event", "import", file_of(tmp_path, spoil(good)), home=open_home)
    done.refused(4, rule)

    assert shown(pith, open_home) == []
    (kept,) = pith("event", "list", "--quarantined", "--json", home=open_home).objects
    assert (kept["verdict"], kept["code"]) == ("invalid", rule)
    pith("event", "import", file_of(tmp_path, good), home=open_home).fine()
    assert shown(pith, open_home) == [good.event_id]
    left = pith("event", "list", "--quarantined", home=open_home).lines
    assert len(left) == (0 if spoil is wrong_signature else 1)


def test_the_future_is_kept_apart(pith: Pith, open_home: Path, tmp_path: Path) -> None:
    ahead = said("one", at=now().plus(days=1))
    done = pith("event", "import", file_of(tmp_path, ahead), home=open_home)

    done.refused(4, "event.clock")
    (kept,) = pith("event", "list", "--quarantined", "--json", home=open_home).objects
    assert (kept["name"], kept["verdict"]) == (ahead.event_id, "ahead")
    assert shown(pith, open_home) == []


def test_what_follows_it_is_kept_apart_too(pith: Pith, open_home: Path, tmp_path: Path) -> None:
    """Stored, it would leave a hole in every bundle, and no reader would take that."""
    first = said("one")
    ahead = said("ahead", first, at=now().plus(days=1))
    after = said("after it", ahead)
    done = pith("event", "import", file_of(tmp_path, after, first, ahead), home=open_home)

    assert (done.code, done.lines) == (4, [first.event_id])
    kept = pith("event", "list", "--quarantined", "--json", home=open_home).objects
    assert {(row["name"], row["verdict"], row["code"]) for row in kept} == {
        (ahead.event_id, "ahead", "event.clock"),
        (after.event_id, "ahead", "import.gap"),
    }
    assert shown(pith, open_home) == [first.event_id]


def test_an_edited_copy_shadows_no_event(pith: Pith, open_home: Path, tmp_path: Path) -> None:
    """signed_at is under no signature: anyone can make such a copy."""
    one, two = said("one"), said("two", by=AUTHOR)
    later = put("signature.signed_at", f"{now().plus(days=1).seconds[:-1]}.000000Z")
    copies = [world.changed(event.to_json(), later) for event in (one, two)]

    file = file_of(tmp_path, one, copies[0], copies[1], two)
    done = pith("event", "import", file, home=open_home).fine()

    assert set(done.lines) == set(ids([one, two]))
    listed = pith("event", "list", ARXIV, "--json", home=open_home).objects
    assert [each for each in (one, two) if each.to_json() not in listed] == []
    assert pith("event", "list", "--quarantined", home=open_home).lines == []


def test_a_file_that_cannot_be_read_stops_no_other(
    pith: Pith, open_home: Path, tmp_path: Path
) -> None:
    one = said("one")
    file = file_of(tmp_path, one)
    done = pith("event", "import", tmp_path / "absent", tmp_path, file, home=open_home)

    assert (done.refused(5, "file.absent").lines, len(done.errors)) == ([one.event_id], 2)
    assert done.errors[1].endswith("[file.directory]")


def test_a_fork_is_kept_apart_with_its_evidence(
    pith: Pith, open_home: Path, tmp_path: Path
) -> None:
    root = said("root")
    pith("event", "import", file_of(tmp_path, root), home=open_home).fine()
    for fork in ((said("a", root), said("b", root)), (said("second root"),)):
        done = pith("event", "import", file_of(tmp_path, *fork), home=open_home)
        done.refused(6, "import.equivocation")
        assert shown(pith, open_home) == [root.event_id]
    gap = said("later", "sha256:" + "5" * 64)
    pith("event", "import", file_of(tmp_path, gap), home=open_home).refused(6, "import.gap")
    on = said("on", root)
    pith("event", "import", file_of(tmp_path, on), home=open_home).fine()
    assert shown(pith, open_home) == ids([root, on])


def test_one_partys_fork_does_not_stop_another(pith: Pith, open_home: Path, tmp_path: Path) -> None:
    theirs = said("good", by=AUTHOR)
    done = pith("event", "import", file_of(tmp_path, said("a"), said("b"), theirs), home=open_home)

    done.refused(6, "import.equivocation")
    assert shown(pith, open_home, "citation_signatures") == [theirs.event_id]
    assert shown(pith, open_home) == []


def test_who_may_not_speak_here(pith: Pith, open_home: Path, tmp_path: Path) -> None:
    stranger = MIRROR.event("storage_attestation", STORAGE, of=RECORD)
    listed = pith("event", "list", ARXIV, "--json", home=open_home).objects
    elsewhere = READER.event("replication_record", REPLICATION, of=record(99))
    for value, code, rule in (
        (stranger, 4, "party.absent"),
        (listed[0], 4, "import.kind"),
        (elsewhere, 5, "record.absent"),
        ({"event_type": "vote"}, 3, "schema.members"),
    ):
        pith("event", "import", file_of(tmp_path, value), home=open_home).refused(code, rule)
    assert pith("event", "list", "--quarantined", home=open_home).lines == []


def test_the_retired_say_nothing_new(pith: Pith, open_home: Path, tmp_path: Path) -> None:
    old = said("old")
    pith("event", "import", file_of(tmp_path, old), home=open_home).fine()
    pith("party", "retire", READER.name, "--yes", home=open_home).fine()

    new = file_of(tmp_path, said("new", old))
    pith("event", "import", new, home=open_home).refused(6, "party.retired")
    pith("event", "import", file_of(tmp_path, old), home=open_home).fine()
    assert shown(pith, open_home) == [old.event_id]
    pith("bundle", "build", ARXIV, "-o", tmp_path / "b.json", home=open_home).fine()
    pith("verify", tmp_path / "b.json", home=open_home).fine()


def test_the_quota_of_events(pith: Pith, open_home: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    for number in range(MAX_EVENTS + 2):
        events.append(said(str(number), events[-1] if events else None))
    done = pith("event", "import", file_of(tmp_path, *events), "--json", home=open_home)

    assert done.code == 6
    assert len(done.object["new"]) == MAX_EVENTS
    assert done.object["refused"] == ["party.quota"] * 2
    pith("event", "import", file_of(tmp_path, events[-2]), home=open_home).refused(6, "party.quota")


def test_the_quota_of_bytes(pith: Pith, open_home: Path, tmp_path: Path) -> None:
    payload = REPLICATION | {"note": "é" * 4096, "artifact_url": "https://a.example/" + "a" * 2000}
    events: list[Event] = []
    while sum(len(event.canonical) for event in events) <= MAX_EVENT_BYTES:
        outcome = {"outcome": str(len(events)).zfill(1024)}
        prev = events[-1].event_id if events else None
        at = now().plus(seconds=-60)
        made = READER.event("replication_record", payload | outcome, of=RECORD, prev=prev, at=at)
        events.append(made)
    done = pith("event", "import", file_of(tmp_path, *events), "--json", home=open_home)

    assert len(events) < MAX_EVENTS
    assert done.code == 6
    assert done.object["refused"] == ["party.quota"]
    assert len(done.object["new"]) == len(events) - 1
