"""pith event add and pith event sign: no JSON is needed, and what is signed is shown first."""

import json
from pathlib import Path
from subprocess import PIPE
from typing import Any, Final

import pytest

from registry.protocol.event import Event
from registry.protocol.event_checks import examine_event
from registry.protocol.signers import Enrolment, SignerEntry
from tests.cli.conftest import Pith
from tests.cli.lab import ABSTRACT, REGISTRY, TITLE, record, rows, start
from tests.payloads import SHA256, SOME_EVENT

NUMBER: Final = record().number
ARXIV: Final = "arxiv:2401.00001"
TYPED: Final[dict[str, tuple[str, ...]]] = {
    "author-attestation": ("--name", "A. Author", "--statement", "Mine."),
    "storage": (
        *("--archive", "Archive", "--source-url", "https://arxiv.org/abs/2401.00001v1"),
        *("--captured-at", "2024-02-01T00:00:00Z", "--sha256", SHA256),
    ),
    "citation": ("--cited", "arxiv:1706.03762", "--relationship", "extends"),
    "replication": ("--outcome", "the same", "--target", "claim:c1"),
    "correction": ("--corrects", SOME_EVENT, "--reason", "a letter"),
    "mirror-hint": ("--base-url", "https://mirror.example/"),
}
PARTIES: Final = {"storage": "mirror", "mirror-hint": "mirror", "replication": "third_party"}


def add(pith: Pith, home: Path, name: str, *options: str) -> Any:
    done = pith("event", "add", name, ARXIV, *options, "--json", home=home).fine()
    return done.object


@pytest.mark.parametrize("name", TYPED)
def test_an_event_of_each_type_from_options_to_a_verified_bundle(
    pith: Pith, stocked: Path, tmp_path: Path, name: str
) -> None:
    head = pith("event", "list", ARXIV, home=stocked).lines[-1].split()[0]
    told = add(pith, stocked, name, *TYPED[name])
    again = add(pith, stocked, name, *TYPED[name])

    assert told["new"]
    assert told["event"]["prev_event"] == head
    assert again == {"event": told["event"], "new": False}
    bundle = tmp_path / "bundle.json"
    pith("bundle", "build", ARXIV, "-o", bundle, home=stocked).fine()
    pith("verify", bundle, home=stocked).fine()
    assert told["event"] in json.loads(bundle.read_bytes())["events"]


def test_what_will_be_signed_is_shown_and_nothing_else_is_done(pith: Pith, stocked: Path) -> None:
    before = rows(stocked, "SELECT * FROM signatures UNION ALL SELECT * FROM intents, (SELECT 1)")
    done = pith("event", "add", "citation", ARXIV, *TYPED["citation"], "--dry-run", home=stocked)

    body = done.fine().object
    assert body["payload"]["cited"] == "arxiv:1706.03762"
    assert set(body) & {"signature", "event_id", "content_sha256"} == set()
    for said in (
        "to be signed: citation_signature",
        "relationship: 'extends'",
        "digest ",
        REGISTRY,
    ):
        assert said in done.err
    after = rows(stocked, "SELECT * FROM signatures UNION ALL SELECT * FROM intents, (SELECT 1)")
    assert after == before


def test_a_payload_may_be_given_whole(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    payload = add(pith, stocked, "citation", *TYPED["citation"])["event"]["payload"]
    file = tmp_path / "payload.json"
    file.write_text(json.dumps(payload | {"note": "whole"}))

    told = add(pith, stocked, "citation", "--payload", str(file), "--target", "claim:c1")
    assert told["event"]["payload"] == payload | {"note": "whole"}
    assert told["event"]["target"] == "claim:c1"
    both = ("--payload", file, "--note", "x")
    pith("event", "add", "citation", ARXIV, *both, home=stocked).refused(2, "usage.together")
    file.write_text(json.dumps(payload | {"more": 1}))
    done = pith("event", "add", "citation", ARXIV, "--payload", file, home=stocked)
    done.refused(3, "schema.members")


@pytest.mark.parametrize(
    ("name", "options", "code", "rule"),
    [
        ("citation", (), 2, "usage.missing"),
        ("storage", (), 2, "usage.missing"),
        ("citation", ("--cited", "isbn:1"), 3, "schema.work"),
        ("citation", ("--cited", str(NUMBER)), 4, "event.citation"),
        ("citation", ("--cited", "arxiv:1706.03762", "--relationship", "x"), 3, "schema.constant"),
        ("citation", ("--cited", "arxiv:1706.03762", "--target", "graph"), 3, "event.target"),
        ("author-attestation", (*TYPED["author-attestation"], "--orcid", "1"), 3, "schema.orcid"),
        (
            "author-attestation",
            (
                *TYPED["author-attestation"],
                *("--orcid", "0000-0002-1825-0097", "--strength", "strong"),
            ),
            4,
            "event.strength",
        ),
        ("correction", ("--corrects", "x", "--reason", "y"), 3, "schema.event_id"),
        ("mirror-hint", ("--base-url", "http://mirror.example"), 3, "schema.base_url"),
        ("replication", ("--outcome", "x", "--supersedes", SOME_EVENT), 5, "event.absent"),
        ("replication", ("--outcome", "x", "--supersedes", "abc"), 3, "schema.event_id"),
    ],
)
def test_what_is_asked_wrongly_is_not_signed(
    pith: Pith, stocked: Path, name: str, options: tuple[str, ...], code: int, rule: str
) -> None:
    before = rows(stocked, "SELECT count(*) FROM signatures")
    pith("event", "add", name, ARXIV, *options, home=stocked).refused(code, rule)
    assert rows(stocked, "SELECT count(*) FROM signatures") == before
    assert rows(stocked, "SELECT count(*) FROM intents") == [(0,)]


def test_what_supersedes_and_what_stands_side_by_side(pith: Pith, stocked: Path) -> None:
    hint = add(pith, stocked, "mirror-hint", *TYPED["mirror-hint"])["event"]
    other = add(pith, stocked, "mirror-hint", "--base-url", "https://other.example")["event"]
    gone = add(pith, stocked, "mirror-hint", *TYPED["mirror-hint"], "--status", "gone")["event"]
    one = add(pith, stocked, "replication", "--outcome", "one")["event"]
    two = add(pith, stocked, "replication", "--outcome", "two")["event"]
    new = add(pith, stocked, "replication", "--outcome", "three", "--supersedes", one["event_id"])

    assert (other["supersedes"], gone["supersedes"]) == ([], [hint["event_id"]])
    assert (two["supersedes"], new["event"]["supersedes"]) == ([], [one["event_id"]])
    current = pith("state", "show", ARXIV, home=stocked).object["current"]
    assert [item["event_id"] for item in current["mirror_hints"]] == [
        other["event_id"],
        gone["event_id"],
    ]
    options = ("--outcome", "x", "--supersedes", hint["event_id"])
    pith("event", "add", "replication", ARXIV, *options, home=stocked).refused(
        6, "event.supersedes"
    )


def test_a_snapshot_from_its_parts(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    parts: dict[str, Any] = {
        "title": TITLE,
        "abstract": ABSTRACT,
        "authors": "A. Author",
        "claims": [{"id": "c1", "text": "it names"}],
        "references": [{"n": 1}],
        "resolved_work": 1,
        "author_claims": [{"strength": "strong"}, {"strength": "weak"}],
        "verdict": {"id": "v-1", "strongest_claim": "it names"},
    }
    file = tmp_path / "parts.json"
    file.write_text(json.dumps(parts))
    payload = add(pith, stocked, "graph-snapshot", "--from", str(file))["event"]["payload"]

    snapshot = payload["graph_snapshot"]
    assert payload["verdict_id"] == snapshot["verdict"]["id"] == "v-1"
    assert snapshot["claims"]["items"] == parts["claims"]
    assert (snapshot["references"]["count"], snapshot["references"]["resolved_work"]) == (1, 1)
    counts = snapshot["author_claims"]
    assert (counts["count"], counts["strong_count"]) == (2, 1)
    for change, code, rule in (
        ({"title": "Other"}, 4, "graph.title"),
        ({"verdict": {"score": 1}}, 3, "schema.members"),
        ({"claims": {}}, 3, "schema.type"),
        ({"internal_anchors": -1}, 3, "schema.range"),
        ({"note": 1}, 3, "schema.members"),
    ):
        file.write_text(json.dumps(parts | change))
        done = pith("event", "add", "graph-snapshot", ARXIV, "--from", file, home=stocked)
        done.refused(code, rule)


def test_processes_that_append_at_once_do_not_fork_our_chain(pith: Pith, stocked: Path) -> None:
    names = ["citation", "replication", "correction", "mirror-hint", "author-attestation"]
    started = [
        start("event", "add", name, ARXIV, *TYPED[name], home=stocked, stderr=PIPE, stdout=PIPE)
        for name in names
    ]
    ended = [process.communicate(timeout=60) for process in started]

    assert [process.returncode for process in started] == [0] * len(names), ended
    listed = pith("event", "list", ARXIV, "--json", home=stocked).fine().objects
    ids = [event["event_id"] for event in listed]
    assert [event["prev_event"] for event in listed] == [None, *ids[:-1]]
    assert {out.decode().strip() for out, _ in ended} < set(ids)
    assert pith("state", "show", ARXIV, home=stocked).object["equivocation_count"] == 0


# -- people who are not the registry -------------------------------------------


@pytest.fixture(name="mine")
def _mine(tmp_path: Path) -> tuple[str, ...]:
    """Where a newcomer's key is."""
    secret = tmp_path / "passphrase"
    secret.touch(mode=0o600)
    secret.write_text("six words that nobody would guess\n")
    return ("--signer", f"file:{tmp_path}/my-keys", "--passphrase", f"file:{secret}")


def ask(pith: Pith, folder: Path, mine: tuple[str, ...], party_type: str = "author") -> Path:
    name = "orcid:0000-0002-1825-0097" if party_type == "author" else "party.example"
    file = folder / f"{party_type}.pub"
    who = ("--id", name, "--type", party_type, "--key-id", f"{party_type.replace('_', '-')}-1")
    pith("party", "request", "--registry", REGISTRY, *who, *mine, "--new", "-o", file).fine()
    return file


@pytest.mark.parametrize("name", TYPED)
def test_each_type_is_signed_without_a_home(
    pith: Pith, tmp_path: Path, mine: tuple[str, ...], name: str
) -> None:
    who = ask(pith, tmp_path, mine, PARTIES.get(name, "author"))
    file = tmp_path / "event.json"
    done = pith("event", "sign", name, NUMBER, *TYPED[name], "--as", who, *mine, "-o", file).fine()

    key = Enrolment.parse(who.read_bytes()).key
    ref = SignerEntry(key, "active", None, None, bytes(64)).ref
    found = examine_event(json.loads(file.read_bytes()), NUMBER, {ref: key.key})
    assert found.failed is None, found.error
    assert "to be signed" in done.err
    assert list(tmp_path.glob("no-home")) == []


def test_strong_is_the_claimants_own(pith: Pith, tmp_path: Path, mine: tuple[str, ...]) -> None:
    who = ask(pith, tmp_path, mine)
    said = (*TYPED["author-attestation"], "--strength", "strong", "--as", who, *mine)
    own, other = ("--orcid", "0000-0002-1825-0097"), ("--orcid", "0000-0001-5109-3700")
    command = ("event", "sign", "author-attestation", NUMBER)

    pith(*command, *said).refused(4, "event.strength")
    pith(*command, *said, *other).refused(4, "event.strength")
    pith(*command, *said, *other, "--dry-run").refused(4, "event.strength")
    pith(*command, *said, *own).fine()


def test_ones_own_chain(pith: Pith, tmp_path: Path, mine: tuple[str, ...]) -> None:
    who = ask(pith, tmp_path, mine)
    said = ("event", "sign", "citation", NUMBER, "--as", who, *mine, "--cited")
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    done = pith(*said, "arxiv:1706.03762", "-o", first).fine()
    assert "--after" in done.err
    done = pith(*said, "arxiv:1706.03763", "--after", first, "-o", second).fine()
    assert "--after" not in done.err

    assert (
        Event.parse(second.read_bytes()).body.prev_event == Event.parse(first.read_bytes()).event_id
    )
    fork = tmp_path / "fork.json"
    events = [json.loads(pith(*said, f"arxiv:1706.0376{n}").fine().out) for n in (4, 5)]
    fork.write_text(json.dumps({"events": events}))
    pith(*said, "arxiv:1706.03766", "--after", fork).refused(6, "event.chain")
    other = pith(
        "event",
        "sign",
        "citation",
        record(2).number,
        "--as",
        who,
        *mine,
        "--cited",
        "arxiv:1706.03762",
    ).fine()
    fork.write_bytes(other.out)
    pith(*said, "arxiv:1706.03766", "--after", fork).refused(4, "event.subject")


def test_who_is_not_the_signer_signs_nothing(
    pith: Pith, tmp_path: Path, mine: tuple[str, ...]
) -> None:
    who = ask(pith, tmp_path, mine, "mirror")
    said = ("event", "sign", "citation", "--cited", "arxiv:1706.03762", "--as", who, *mine)
    pith(*said, NUMBER).refused(4, "event.allowed")
    pith(*said, "arxiv:2401.00001").refused(3, "number.form")
    value = json.loads(who.read_bytes())
    who.write_text(json.dumps(value | {"signer_type": "author"}))
    pith(*said, NUMBER).refused(4, "signature.wrong")
