"""The audit over a whole life: clean at every station, and an alarm for every forgery."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import apsw
import pytest

from registry.cli._audit_view import audit_html, audit_json, audit_lines
from registry.errors import PithError
from registry.protocol.bundle import Bundle, BundleBody, bundle_message
from registry.protocol.canonical import canonical
from registry.protocol.equivocation import Contradiction
from registry.protocol.event import Event, Signature, SignerRef
from registry.protocol.handover import Handover
from registry.protocol.keyset_acts import renew
from registry.protocol.receipt import Receipt
from registry.services.append import Draft, plan_event, snapshot_payload
from registry.services.audit import Audit, audit
from registry.services.bundle import build_bundle
from registry.services.importing import import_bundle
from registry.signing.documents import (
    sign_event,
    sign_keyset,
    sign_receipt,
    sign_signers,
    sign_transcript,
)
from registry.signing.signer import Signer
from tests.cli.lab import record
from tests.parts import needs
from tests.scenarios.life import RECORDS, Life
from tests.services.exchange import restored, taken, verifier
from tests.services.registry import RECORD, World, paper
from tests.services.reissued import signers
from tests.services.test_ceremony import IDS
from tests.timestamp.authority import Tsa


@pytest.fixture(name="tsa", scope="module")
def _tsa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tsa, str]]:
    needs("openssl")
    tsa = Tsa(tmp_path_factory.mktemp("tsa") / "tsa")
    with tsa.served() as url:
        yield tsa, url


@pytest.fixture(name="life", scope="module")
def _life(tsa: tuple[Tsa, str], tmp_path_factory: pytest.TempPathFactory) -> Life:
    """A life that was lived, its audit clean at every station."""
    life = Life.begin(tmp_path_factory.mktemp("life"), *tsa)
    for station in life.stations():
        found = life.audited()
        assert found.ok, (station, found)
        assert not found.refused, (station, found.refused)
    return life


# -- no false alarm ------------------------------------------------------------


def test_a_whole_life_is_clean_and_told(life: Life) -> None:
    found = life.audited()

    assert found.seen > 60
    kinds = {kind for _, _, kind in found.counts}
    assert kinds == {"receipt", "event", "bundle", "keyset", "signers", "transcript"}
    assert {key_id for key_id, _, _ in found.counts} >= {life.first, life.second, life.third}
    acts = [link.act for link in found.chain]
    assert acts[0] == "first"
    assert acts[1:4] == ["routine"] * 3
    assert acts[4] == "first recovery keys"
    assert set(acts[5:]) == {"recovery"}
    assert [act.act for act in found.drills] == ["drill"]
    assert len(found.transcripts) == 2
    told = audit_json(found)
    assert told["ok"]
    assert [row["act"] for row in told["versions"]] == acts
    page = audit_html(found, registry="lab.example", at=life.world.clock())
    for words in ("Drills", "Ceremonies", "Versions of the key set", "Signatures by key and month"):
        assert f"<h2>{words}</h2>" in page
    assert {line.split()[0] for line in audit_lines(found)} == {
        *("signature", "version", "act", "drill", "transcript"),
    }


def test_a_home_made_anew_from_what_was_published_is_clean(life: Life, tmp_path: Path) -> None:
    anew = restored(life.world, tmp_path / "anew")
    desk = anew.desk()
    names = [f"anew-{number}.json" for number in range(len(RECORDS))]
    for name in names:
        taken(desk, life.published[name], at=anew.clock.move(1))
    files = [(name, life.published[name]) for name in names]
    found = audit(desk, files)

    assert found.ok, [(e.where, e.claim.kind, e.key_id) for e in found.unknown]
    assert found.restored
    assert {link.act for link in found.chain} >= {"routine", "recovery"}
    young = audit(desk, [("young", life.published["young-0.json"])])
    assert [each.claim.kind for each in young.unknown] == ["bundle"]


# -- and an alarm for every forgery ----------------------------------------------


def of(life: Life, key_id: str) -> Signer:
    """The thief's signer: he has every key."""
    (signer,) = signers(life.desk, key_id)
    return signer


def event_by(life: Life, key_id: str, headline: str = "stolen") -> Event:
    """An event that he signs with some key."""
    desk, signer, at = life.desk, of(life, key_id), life.world.clock()
    payload = snapshot_payload(RECORD, paper(headline))
    who = SignerRef.of_registry(desk.registry, key_id, signer.public_key)
    body = plan_event(desk, who, RECORD, Draft("graph_snapshot", payload), at=at).body
    return sign_event(signer, body, signed_at=at)


def receipt_by(life: Life, key_id: str, number: int) -> bytes:
    """A receipt that he issues."""
    at = life.world.clock()
    receipt: Receipt = sign_receipt(
        of(life, key_id),
        record(number),
        first_computed_at=at,
        last_reissued_at=at,
        signed_at=at,
        builder_version="pith 0",
    )
    return canonical(receipt.to_json())


def bundle_by(life: Life) -> bytes:
    """A bundle that he builds in a copy of the home."""
    copy = life.world.home.parent / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(life.world.home, copy)
    desk = replace(life.world, home=copy).desk()
    at = life.world.clock().plus(seconds=5)
    return build_bundle(desk, desk.signer(at), RECORD, at=at).to_bytes()


def keyset_by(life: Life, *key_ids: str) -> bytes:
    """The next key set, signed with one recovery key or two."""
    body = renew(life.desk.keyset().body, at=life.world.clock())
    return canonical(sign_keyset([of(life, key_id) for key_id in key_ids], body).to_json())


def signers_by(life: Life) -> bytes:
    """A signers list after the newest, which nobody here signed."""
    newest = life.desk.store.find_signers()
    assert newest is not None
    body = replace(
        newest.body, version=newest.body.version + 1, prev_sha256=newest.body.digest.hex()
    )
    return canonical(sign_signers(of(life, life.third), body).to_json())


def transcript_by(life: Life, place: int, *key_ids: str) -> bytes:
    """A transcript of a ceremony, as it was not."""
    body = replace(life.desk.store.transcripts()[place].body, tool_version="pith 0")
    return canonical(sign_transcript([of(life, key_id) for key_id in key_ids], body).to_json())


def response_by(life: Life) -> bytes:
    """A response to a request that nobody made."""
    handover: Handover = life.response
    body = renew(handover.old, at=life.world.clock())
    made = sign_keyset([of(life, "rec-3")], body).signatures
    return canonical(
        replace(handover, proposed=body, signatures=made, sessions=(), nonce="9" * 32).to_json()
    )


def evidence_by(life: Life) -> bytes:
    """Two of his events that contradict each other, as someone reports them."""
    one, two = event_by(life, life.third), event_by(life, life.third, "again")
    first, second = sorted((one.to_json(), two.to_json()), key=canonical)
    keys = tuple(key for key in life.desk.key_objects() if key.key_id == life.third)
    return Contradiction(
        "event_fork", life.desk.registry, str(RECORD.number), keys, None, (first, second)
    ).canonical


def last_of_many(life: Life) -> bytes:
    """A forgery at the end of a file of good ones."""
    good = [life.published["event.json"], life.published["receipt.json"]]
    return b"\n".join([*good, event_by(life, life.third).canonical]) + b"\n"


def beside_what_is_no_event(life: Life) -> bytes:
    """A bundle that no reader takes: an event of it has no form. Its signature is ours."""
    value = json.loads(bundle_by(life))
    value["events"][0]["payload"] = {}
    del value["bundle_signature"]
    body = BundleBody.from_json(value)
    signer, message = of(life, life.third), bundle_message(body)
    raw = signer._sign(message)
    made = Signature(life.third, signer.public_key.fingerprint, raw, life.world.clock())
    return Bundle(body, made, message.hex()).to_bytes()


FORGERIES: Final[dict[str, tuple[Callable[[Life], bytes], list[tuple[str, str]]]]] = {
    "event": (lambda life: event_by(life, life.third).canonical, [("event", "third")]),
    "event by a retired key": (
        lambda life: event_by(life, life.first).canonical,
        [("event", "first")],
    ),
    "event by the compromised key": (
        lambda life: event_by(life, life.second).canonical,
        [("event", "second")],
    ),
    "receipt": (lambda life: receipt_by(life, life.third, 9), [("receipt", "third")]),
    "receipt of a record of ours by a recovery key": (
        lambda life: receipt_by(life, "rec-1", 1),
        [("receipt", "rec-1")],
    ),
    "bundle": (bundle_by, [("bundle", "third")]),
    "bundle that no reader takes": (beside_what_is_no_event, [("bundle", "third")]),
    "key set": (
        lambda life: keyset_by(life, "rec-1", "rec-2"),
        [("keyset", "rec-1"), ("keyset", "rec-2")],
    ),
    "key set by one recovery key": (lambda life: keyset_by(life, "rec-3"), [("keyset", "rec-3")]),
    "signers list": (signers_by, [("signers", "third")]),
    "transcript": (
        lambda life: transcript_by(life, 0, *IDS),
        [("transcript", each) for each in IDS],
    ),
    "transcript of what was asked for": (
        lambda life: transcript_by(life, 1, "rec-1", "rec-2"),
        [("transcript", "rec-1"), ("transcript", "rec-2")],
    ),
    "response": (response_by, [("keyset", "rec-3")]),
    "evidence": (evidence_by, [("event", "third"), ("event", "third")]),
    "the last of many": (last_of_many, [("event", "third")]),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_seen_outside_is_the_alarm(life: Life, name: str) -> None:
    forge, wanted = FORGERIES[name]
    data = forge(life)
    found = audit(life.desk, [("good.json", life.published["young-1.json"]), ("bad.json", data)])

    assert not found.ok
    names = {"first": life.first, "second": life.second, "third": life.third}
    assert [(each.claim.kind, each.key_id, each.where) for each in found.unknown] == [
        (kind, names.get(key_id, key_id), "bad.json") for kind, key_id in wanted
    ]
    page = audit_html(found, registry="lab.example", at=life.world.clock())
    assert "Signed by our keys, and not made here" in page
    assert ("gravest" in page) == (wanted[0][0] in ("keyset", "signers"))


@pytest.fixture(name="copy")
def _copy(life: Life, tmp_path: Path) -> World:
    """The same home, to be spoilt."""
    shutil.copytree(life.world.home, tmp_path / "home")
    return replace(life.world, home=tmp_path / "home")


# -- in the home itself ------------------------------------------------------------


def spoil(world: World, statement: str) -> None:
    """Change the database behind pith's back."""
    with apsw.Connection(str(world.config.store_path)) as db:
        db.execute(statement)
        assert db.changes() > 0


def audited(world: World) -> Audit:
    """The audit of a home, without anything from outside."""
    return audit(world.desk(), [])


@pytest.mark.parametrize(
    ("kind", "which"),
    [
        ("event", ""),
        ("receipt", ""),
        ("bundle", ""),
        ("keyset", ""),
        ("keyset", "AND key_id = 'rec-2'"),
        ("signers", ""),
        ("transcript", ""),
        ("transcript", "AND key_id = 'rec-3'"),
    ],
)
def test_a_stored_document_without_its_line_is_told(copy: World, kind: str, which: str) -> None:
    assert audited(copy).ok
    spoil(copy, f"DELETE FROM signatures WHERE kind = '{kind}' {which}")
    found = audited(copy)

    assert not found.ok
    assert {each for each, _ in found.unjournaled} == {kind}
    assert found.undocumented == ()


@pytest.mark.parametrize(
    ("table", "which", "kinds"),
    [
        ("events", "WHERE signer_id = 'lab.example'", {"event"}),
        ("records", "", {"receipt"}),
        ("bundles", "", {"bundle"}),
        ("signers", "", {"signers"}),
        ("transcripts", "", {"transcript"}),
        ("discarded", "", {"event", "bundle"}),
    ],
)
def test_a_line_without_its_document_is_told(
    copy: World, table: str, which: str, kinds: set[str]
) -> None:
    spoil(copy, f"DELETE FROM {table} {which}")
    found = audited(copy)

    assert not found.ok
    assert {kind for kind, _ in found.undocumented} == kinds


def test_a_staged_event_without_its_line_is_told(tsa: tuple[Tsa, str], tmp_path: Path) -> None:
    life = Life.begin(tmp_path, *tsa)
    for station in life.stations():
        if station == "reissue_under_way":
            break
    spoil(
        life.world,
        "DELETE FROM signatures WHERE kind = 'event' AND digest IN (SELECT event_id FROM staged)",
    )

    assert {kind for kind, _ in audited(life.world).unjournaled} == {"event"}


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(0, "conflict"), (7200, "ahead")], ids=["now", "from-the-future"]
)
def test_a_forgery_that_an_import_kept_apart_is_the_alarm(
    life: Life, copy: World, seconds: int, verdict: str
) -> None:
    thief = replace(copy, home=copy.home.parent / "thief")
    shutil.copytree(copy.home, thief.home)
    at = life.world.clock().plus(seconds=seconds)
    desk = thief.desk()
    forged = build_bundle(desk, desk.signer(at), RECORD, at=at)
    home = copy.desk()
    with pytest.raises(PithError):
        import_bundle(home, verifier(home), "mail.json", forged.to_bytes())

    found = audited(copy)
    assert [each.row.verdict for each in found.apart] == [verdict]
    assert [each.where for each in found.unknown] == ["quarantine: mail.json"]


def test_what_is_kept_apart_and_ours_is_listed_without_alarm(life: Life, copy: World) -> None:
    """A bundle of before the theft: nobody can tell it from the thief's but the journal."""
    desk = copy.desk()
    with suppress(PithError):
        taken(desk, life.published["spoken-0.json"], at=life.world.clock())
    found = audit(desk, [])

    assert found.ok
    (apart,) = found.apart
    assert apart.known
    assert not apart.unknown


def test_a_home_made_anew_cannot_tell_what_was_signed_before(life: Life, tmp_path: Path) -> None:
    anew = restored(life.world, tmp_path / "anew")
    desk = anew.desk()
    with suppress(PithError):
        taken(desk, life.published["spoken-0.json"], at=anew.clock.move(1))
    found = audit(desk, [])

    assert found.ok
    (apart,) = found.apart
    assert apart.unknown
