"""pith event add anchor and pith verify --tsa, with a real authority on the loopback."""

import base64
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from registry.app import App, now
from registry.protocol.canonical import canonical
from registry.protocol.evidence import Proof
from registry.protocol.instant import Instant
from registry.protocol.keyset import KeySetBody
from registry.signing.documents import sign_keyset
from tests.cli.conftest import Pith
from tests.cli.lab import Done, environment, process, record, rows
from tests.parts import needs
from tests.timestamp.authority import Tsa, configure, ok, openssl
from tests.world import entry, signer

NUMBER: Final = "arxiv:2401.00001"
NOTHING: Final = b"HTTP/1.1 503 Later\r\n\r\n"


@pytest.fixture(name="tsa", scope="module")
def _tsa(tmp_path_factory: pytest.TempPathFactory) -> Tsa:
    needs("openssl")
    return Tsa(tmp_path_factory.mktemp("tsa") / "it", accuracy="millisecs:1")


@pytest.fixture(name="other", scope="module")
def _other(tmp_path_factory: pytest.TempPathFactory) -> Tsa:
    needs("openssl")
    return Tsa(tmp_path_factory.mktemp("tsa") / "other")


@pytest.fixture(name="asking")
def _asking(stocked: Path, tsa: Tsa) -> Iterator[Path]:
    """A stocked registry whose authority answers."""
    with tsa.served() as url:
        configure(stocked, url, tsa)
        yield stocked


def held(home: Path) -> list[int]:
    """How much of each kind a store holds."""
    tables = ("events", "signatures", "intents", "checkpoints", "dated")
    return [rows(home, f"SELECT count(*) FROM {table}")[0][0] for table in tables]


def stolen(home: Path, since: Instant, to: Path) -> Path:
    """A key set of the registry in which its key is distrusted *since* then."""
    desk = App(home).open()
    held_key = desk.keyset().body.active("registry")[0]
    bad = replace(held_key, status="revoked", revoked_at=since, compromised_since=since)
    good = signer("the next", "lab-next")
    at = now().plus(days=-1).whole
    body = KeySetBody(desk.registry, 1, at, at.plus(days=300), 0, None, (bad, entry(good)))
    to.write_bytes(canonical(sign_keyset([desk.signer(now()), good], body).to_json()))
    return to


@dataclass
class Published:
    """A bundle that was anchored: it, its proof, and key sets that tell of a theft."""

    bundle: Path
    proof: Path
    after: Path
    before: Path


@pytest.fixture(name="published")
def _published(asking: Path, pith: Pith, tmp_path: Path) -> Published:
    bundle, proof = tmp_path / "bundle.json", tmp_path / "proof.json"
    pith("bundle", "build", NUMBER, "-o", bundle, home=asking).fine()
    pith("event", "add", "anchor", "--bundle", bundle, "-o", proof, home=asking).fine()
    built = Instant.parse_seconds(json.loads(bundle.read_bytes())["built_at"])
    return Published(
        bundle,
        proof,
        stolen(asking, built.plus(seconds=60), tmp_path / "after.json"),
        stolen(asking, built.plus(seconds=1), tmp_path / "before.json"),
    )


# -- anchors as events ---------------------------------------------------------


def test_a_receipt_is_dated_once(asking: Path, pith: Pith, tsa: Tsa, tmp_path: Path) -> None:
    proof, asked = tmp_path / "proof.json", len(tsa.asked)
    done = pith("event", "add", "anchor", NUMBER, "-o", proof, home=asking).fine()
    before = held(asking)
    again = pith("event", "add", "anchor", NUMBER, "--json", home=asking).fine()

    event = pith("event", "show", done.lines[0], home=asking).fine().object
    receipt = pith("receipt", "export", NUMBER, home=asking).fine().object
    payload = event["payload"]
    assert (event["event_type"], event["target"]) == ("timestamp_anchor", "record")
    assert payload["anchored_sha256"] == hashlib.sha256(canonical(receipt)).hexdigest()
    assert (payload["status"], payload["authority"]) == ("confirmed", "CN=A clock")
    assert json.loads(proof.read_bytes())["anchor"] == payload
    assert again.object["new"] is False
    assert again.object["event"]["event_id"] == done.lines[0]
    assert (held(asking), len(tsa.asked)) == (before, asked + 1)
    pith("verify", "--home", asking, write(tmp_path, canonical(event))).fine()


def write(folder: Path, data: bytes, name: str = "document.json") -> Path:
    file = folder / name
    file.write_bytes(data)
    return file


def test_an_event_is_dated_with_its_signature(asking: Path, pith: Pith, tmp_path: Path) -> None:
    created = pith("event", "list", NUMBER, home=asking).fine().lines[0].split()[0]
    done = pith("event", "add", "anchor", "--event", created, home=asking).fine()

    shown = pith("event", "show", created, home=asking).fine().out
    anchor = pith("event", "show", done.lines[0], home=asking).fine().object
    assert anchor["target"] == f"event:{created}"
    assert anchor["payload"]["anchored_sha256"] == hashlib.sha256(shown.rstrip()).hexdigest()
    bundle = tmp_path / "bundle.json"
    pith("bundle", "build", NUMBER, "-o", bundle, home=asking).fine()
    assert json.loads(bundle.read_bytes())["state"]["current"]["timestamp_anchors"] != []


def test_openssl_verifies_the_token(published: Published, tsa: Tsa, tmp_path: Path) -> None:
    anchor = json.loads(published.proof.read_bytes())["anchor"]
    token = write(tmp_path, base64.b64decode(anchor["proof_b64"]), "token")
    bundle = canonical(json.loads(published.bundle.read_bytes()))

    said = openssl(
        "ts", "-verify", "-data", write(tmp_path, bundle), "-token_in", "-in", token,
        "-CAfile", tsa.root,
    )  # fmt: skip
    assert said == b"Verification: OK\n"


@pytest.mark.parametrize(
    ("arguments", "code", "rule"),
    [
        ((), 2, "usage.together"),
        ((NUMBER, "--daily"), 2, "usage.together"),
        (("--event", "x"), 3, "schema.event_id"),
        (("--event", "0" * 64), 5, "event.absent"),
        (("arxiv:2401.09999",), 5, "record.absent"),
        (("--bundle", "no-such-file"), 5, "file.absent"),
    ],
)
def test_what_cannot_be_dated(
    asking: Path, pith: Pith, arguments: tuple[str, ...], code: int, rule: str
) -> None:
    pith("event", "add", "anchor", *arguments, home=asking).refused(code, rule)


def test_only_a_good_bundle_of_ours_is_dated(
    asking: Path, pith: Pith, published: Published
) -> None:
    value = json.loads(published.bundle.read_bytes())
    value["built_at"] = "2026-01-01T00:00:00Z"
    published.bundle.write_bytes(canonical(value))
    before = held(asking)

    assert pith("event", "add", "anchor", "--bundle", published.bundle, home=asking).code == 4
    assert held(asking) == before


# -- what a verifier makes of it -----------------------------------------------


def test_what_was_dated_before_the_theft_is_proven(
    pith: Pith, published: Published, tsa: Tsa
) -> None:
    given = ("--pin", published.after, "--tsa", tsa.root, "--evidence", published.proof)
    done = pith("verify", published.bundle, *given).fine()
    shown = pith("verify", published.bundle, *given, "--json").fine().object

    assert any(line.startswith("proven  bundle: CN=A clock saw it before ") for line in done.lines)
    assert {verdict["verdict"] for verdict in shown["verdicts"]} == {"proven"}
    assert shown["verdicts"][0]["evidence"]["authority"] == "CN=A clock"
    assert [each["good"] for each in shown["timestamps"]] == [True]
    script = pith("verify", published.bundle, *given, "--explain").fine().out
    assert b"openssl ts -verify" in script
    run = subprocess.run(["/bin/sh"], input=script, capture_output=True, timeout=30)
    assert run.returncode == 0, run.stderr
    assert b"Verification: OK" in run.stdout


def unproven(done: Done, reason: str) -> None:
    """Refused with exit 4, for this reason."""
    done.refused(4, "trust.verdicts")
    assert reason in done.out.decode()
    assert "unproven  bundle: " in done.out.decode()


def test_without_the_token_or_the_authority_nothing_is(
    pith: Pith, published: Published, tsa: Tsa, other: Tsa
) -> None:
    bundle, after, proof = published.bundle, published.after, published.proof
    verify = ("verify", bundle, "--pin", after)

    unproven(pith(*verify, "--tsa", tsa.root), "there is no outside evidence")
    unproven(pith(*verify, "--evidence", proof), "anchor.unpinned")
    unproven(pith(*verify, "--evidence", proof, "--tsa", other.root), "anchor.authority")
    pith(*verify, "--evidence", proof, "--tsa", other.root, "--tsa", tsa.root).fine()


def test_a_late_token_proves_nothing(pith: Pith, published: Published, tsa: Tsa) -> None:
    given = ("--tsa", tsa.root, "--evidence", published.proof)

    unproven(pith("verify", published.bundle, "--pin", published.before, *given), "anchor.late")


def anchor_of(token: bytes, sha256: str) -> dict[str, Any]:
    """A payload, made by anyone."""
    return {
        "anchored_sha256": sha256,
        "proof_format": "rfc3161",
        "proof_b64": base64.b64encode(token).decode(),
        "status": "confirmed",
        "anchored_at": None,
        "authority": "whatever it says",
    }


def test_each_bad_token_is_named(
    pith: Pith, published: Published, tsa: Tsa, tmp_path: Path
) -> None:
    value = json.loads(published.bundle.read_bytes())
    whole = hashlib.sha256(canonical(value)).hexdigest()
    content = value["bundle_signature"]["bundle_sha256"]
    good = tsa.token(whole)
    expired = tsa.issued("stamps", "20200101000000Z", "20200201000000Z")
    proofs = {
        "anchor.unsigned": anchor_of(tsa.token(content), content),
        "anchor.digest": anchor_of(tsa.token("0" * 64), whole),
        "anchor.other": anchor_of(tsa.token("0" * 64), "0" * 64),
        "anchor.imprint": anchor_of(tsa.token("0" * 40, algorithm="sha1"), whole),
        "anchor.form": anchor_of(good + b"\0", whole),
        "anchor.usage": anchor_of(tsa.resigned(good, tsa.issued("servers")), whole),
        "anchor.certificate_time": anchor_of(tsa.token(whole, certificate=expired), whole),
        "anchor.signature": anchor_of(good[:-1] + bytes([good[-1] ^ 1]), whole),
        "anchor.format": anchor_of(good, whole) | {"status": "pending"},
    }
    verify = ("verify", published.bundle, "--tsa", tsa.root)
    for code, anchor in proofs.items():
        proof = write(tmp_path, canonical(Proof(anchor).to_json()), "bad.json")
        unproven(pith(*verify, "--pin", published.after, "--evidence", proof), code)
    proof = write(tmp_path, canonical(Proof(anchor_of(good, whole)).to_json()), "good.json")
    pith(*verify, "--pin", published.after, "--evidence", proof).fine()


def test_a_bad_file_of_evidence_or_certificates_is_refused(
    pith: Pith, published: Published, tsa: Tsa, tmp_path: Path
) -> None:
    bad = write(tmp_path, b"{}")
    verify = ("verify", published.bundle)

    pith(*verify, "--evidence", bad).refused(3, "schema.members")
    pith(*verify, "--evidence", tmp_path / "none").refused(5, "file.absent")
    pith(*verify, "--tsa", bad).refused(3, "tsa.certificate")
    pith(*verify, "--tsa", tmp_path / "none").refused(5, "tsa.absent")
    pith(*verify, "--tsa", tsa.certificate).refused(3, "tsa.root")
    done = pith("verify", published.proof).refused(3, "document.kind")
    assert "give it as --evidence" in done.err


# -- the daily list ------------------------------------------------------------


def test_daily_dates_all_that_is_not_dated_and_nothing_twice(
    asking: Path, pith: Pith, tsa: Tsa, tmp_path: Path
) -> None:
    pith("bundle", "build", NUMBER, "-o", tmp_path / "bundle.json", home=asking).fine()
    asked, signed = len(tsa.asked), held(asking)[1]
    proof = tmp_path / "proofs.jsonl"
    first = pith("event", "add", "anchor", "--daily", "-o", proof, home=asking).fine()
    written = proof.read_bytes()
    second = pith("event", "add", "anchor", "--daily", "-o", proof, home=asking).fine()

    assert first.lines[0].endswith("  5 documents")  # three mints, a snapshot, a bundle
    assert len(tsa.asked) == asked + 1
    assert held(asking)[1] == signed
    assert second.out == b""
    assert "dated already" in second.err
    assert proof.read_bytes() == written
    pith("mint", write(tmp_path, record(7).canonical), home=asking).fine()
    third = pith("event", "add", "anchor", "--daily", "--json", home=asking).fine()
    assert [each["documents"] for each in third.objects] == [1]


def test_the_daily_list_proves_a_published_bundle_and_what_a_new_one_holds(
    asking: Path, pith: Pith, tsa: Tsa, tmp_path: Path
) -> None:
    bundle, proof = tmp_path / "bundle.json", tmp_path / "proofs.jsonl"
    pith("bundle", "build", NUMBER, "-o", bundle, home=asking).fine()
    pith("event", "add", "anchor", "--daily", "-o", proof, home=asking).fine()
    theft = stolen(asking, now().plus(seconds=60).whole, tmp_path / "keys.json")
    newer, lists = tmp_path / "newer.json", tmp_path / "lists.jsonl"
    pith("bundle", "build", NUMBER, "-o", newer, "--evidence", lists, home=asking).fine()

    pinned = ("--pin", theft, "--tsa", tsa.root)
    pith("verify", bundle, *pinned, "--evidence", proof).fine()
    assert lists.read_bytes() == proof.read_bytes()
    assert len(json.loads(newer.read_bytes())["timestamp_proofs"]) == 1
    unproven(pith("verify", newer, *pinned), "anchor.other")
    shown = pith("verify", newer, *pinned, "--evidence", lists, "--json").refused(
        4, "trust.verdicts"
    )
    verdicts = {v["what"].split()[0]: v["verdict"] for v in shown.object["verdicts"]}
    assert verdicts == {"receipt": "proven", "event": "proven", "bundle": "unproven"}
    # The next night's list dates the newer one too.
    pith("event", "add", "anchor", "--daily", "-o", lists, home=asking).fine()
    pith("verify", newer, *pinned, "--evidence", lists).fine()


def test_the_token_in_an_event_proves_what_it_is_of_and_not_its_own_event(
    asking: Path, pith: Pith, tsa: Tsa, tmp_path: Path
) -> None:
    created = pith("event", "list", NUMBER, home=asking).fine().lines[0].split()[0]
    made = pith("event", "add", "anchor", "--event", created, home=asking).fine().lines[0]
    bundle = tmp_path / "bundle.json"
    pith("bundle", "build", NUMBER, "-o", bundle, home=asking).fine()
    theft = stolen(asking, now().plus(seconds=60).whole, tmp_path / "keys.json")

    done = pith("verify", bundle, "--pin", theft, "--tsa", tsa.root, "--json")
    verdicts = {each["what"]: each["verdict"] for each in done.object["verdicts"]}
    assert (verdicts["receipt"], verdicts[f"event {created}"]) == ("proven", "proven")
    assert (verdicts[f"event {made}"], verdicts["bundle"]) == ("unproven", "unproven")
    done.refused(4, "trust.verdicts")


def test_a_registry_believes_its_own_authority(asking: Path, pith: Pith, tmp_path: Path) -> None:
    bundle, proof = tmp_path / "bundle.json", tmp_path / "proof.json"
    pith("bundle", "build", NUMBER, "-o", bundle, home=asking).fine()
    pith("event", "add", "anchor", "--bundle", bundle, "-o", proof, home=asking).fine()
    shown = pith("verify", bundle, "--evidence", proof, "--json", home=asking).fine().object

    assert [each["good"] for each in shown["timestamps"]] == [True]
    assert {verdict["verdict"] for verdict in shown["verdicts"]} == {"valid"}


def test_doctor_wants_the_daily_list(asking: Path, pith: Pith, tsa: Tsa) -> None:
    def finding() -> dict[str, Any]:
        found = pith("doctor", "--json", home=asking).objects
        (each,) = [each for each in found if each["name"] == "timestamps"]
        return dict(each)

    assert finding()["status"] == "attention"
    pith("event", "add", "anchor", "--daily", home=asking).fine()
    assert finding()["status"] == "ok"
    configure(asking, "http://127.0.0.1:9/", tsa, certificate=tsa.key)
    assert (finding()["status"], finding()["code"]) == ("fail", "tsa.certificate")


# -- authorities that fail -----------------------------------------------------


@contextmanager
def answering(home: Path, tsa: Tsa, answer: Any) -> Iterator[None]:
    with tsa.served(answer) as url:
        configure(home, url, tsa, "1s")
        yield


@pytest.mark.parametrize("which", [(NUMBER,), ("--daily",)], ids=["event", "daily"])
@pytest.mark.parametrize(
    ("fault", "code", "rule"),
    [
        ("unavailable", 8, "tsa.status"),
        ("another-authority", 4, "anchor.authority"),
        ("another-question", 4, "anchor.nonce"),
        ("no-token", 3, "anchor.form"),
        ("refusal", 8, "tsa.refused"),
        ("slow", 8, "tsa.slow"),
    ],
)
def test_an_authority_that_fails_leaves_nothing_behind(
    stocked: Path,
    pith: Pith,
    tsa: Tsa,
    other: Tsa,
    which: tuple[str, ...],
    fault: str,
    code: int,
    rule: str,
) -> None:
    old = openssl("ts", "-query", "-digest", "0" * 64, "-cert")
    answers: dict[str, Any] = {
        "unavailable": lambda _: NOTHING,
        "another-authority": lambda query: ok(other.reply(query)),
        "another-question": lambda _: ok(tsa.reply(old)),
        "no-token": lambda _: ok(b"<html>"),
        "refusal": lambda _: ok(bytes.fromhex("30053003020102")),
        "slow": lambda _: time.sleep(1.2) or b"",
    }
    before = held(stocked)
    with answering(stocked, tsa, answers[fault]):
        pith("event", "add", "anchor", *which, home=stocked).refused(code, rule)

    assert held(stocked) == before


def test_nobody_there_and_none_configured(stocked: Path, pith: Pith, tsa: Tsa) -> None:
    pith("event", "add", "anchor", NUMBER, home=stocked).refused(2, "tsa.config")
    configure(stocked, "http://127.0.0.1:9/", tsa)
    done = pith("event", "add", "anchor", "--daily", home=stocked).refused(8, "tsa.unreachable")
    assert "nothing was stored or signed" in done.err


def test_without_the_extra_it_says_so(asking: Path, published: Published, tsa: Tsa) -> None:
    """The two libraries are hidden from a child, as where the extra is not installed."""
    start = (
        "import sys; sys.modules['rfc3161_client'] = None; "
        "from registry.cli.main import main; main()"
    )
    for arguments in (
        ("verify", published.bundle, "--tsa", tsa.root),
        ("event", "add", "anchor", NUMBER),
    ):
        done = subprocess.run(
            [sys.executable, "-c", start, *map(str, arguments)],
            env=environment(asking),
            capture_output=True,
            timeout=60,
        )
        Done(done.returncode, done.stdout, done.stderr.decode()).refused(2, "tsa.extra")
    assert process("verify", published.bundle, home=asking).code == 0
