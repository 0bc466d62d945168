"""Outside evidence of time: what it proves under a revoked key, and what it never does."""

import hashlib
from dataclasses import replace
from typing import Any, Final

import pytest

from registry.errors import MismatchError
from registry.protocol.bundle_checks import examine_bundle
from registry.protocol.canonical import JsonObject, canonical
from registry.protocol.checks import Report, Verdict
from registry.protocol.document_checks import examine_event_document, examine_receipt_document
from registry.protocol.evidence import (
    MAX_DOCUMENTS,
    MAX_DOUBTS,
    Checkpoint,
    Evidence,
    Finding,
    Proof,
    Refused,
    Timestamps,
    sha256_of,
)
from registry.protocol.instant import Instant
from registry.protocol.trust import KeySetPin, Terms
from tests import world
from tests.protocol.refusals import refused
from tests.protocol.test_trust import LIVES, SECOND, life
from tests.world import AT, BUILT_AT, NOW, RECORD, REGISTRY, SINCE, drop, insert, put

EVENTS: Final = REGISTRY.history()
BUNDLE: Final = REGISTRY.bundle()
RECEIPT: Final = REGISTRY.receipt()
WHOLE: Final = hashlib.sha256(canonical(BUNDLE.to_json())).hexdigest()
AUTHORITY: Final = "CN=A clock"
THEFT: Final = NOW.plus(days=-1, seconds=7200).whole
"""Two hours after the receipt, one after the bundle was built."""
STOLEN: Final = life(status="revoked", revoked_at=NOW, compromised_since=THEFT)
SEEN: Final = THEFT.plus(seconds=-60)
FIRST: Final = hashlib.sha256(EVENTS[0].canonical).hexdigest()
SECOND_EVENT: Final = hashlib.sha256(EVENTS[1].canonical).hexdigest()


def seen(sha256: str, before: Instant = SEEN) -> Evidence:
    """An authority saw this digest."""
    return Evidence(sha256, before, AUTHORITY, b"token", "pem")


def terms(*findings: Finding, pin: KeySetPin = STOLEN, lists: tuple[Checkpoint, ...] = ()) -> Terms:
    return world.terms(pin, timestamps=Timestamps.of(findings, lists))


def read(*findings: Finding, **more: Any) -> Report:
    return examine_bundle(BUNDLE.to_bytes(), terms(*findings, **more))


def verdicts(report: Report) -> tuple[str, ...]:
    """The verdicts on receipt, mint, snapshot and bundle."""
    return tuple(verdict.verdict for verdict in report.verdicts)


def receipt_verdict(*findings: Finding, **more: Any) -> Verdict:
    report = examine_receipt_document(
        world.dump(RECEIPT.to_json()), RECORD.canonical, terms(*findings, **more)
    )
    (verdict,) = report.verdicts
    return verdict


def test_the_times_of_this_world_are_in_order() -> None:
    assert AT < BUILT_AT < SEEN < THEFT < NOW


# -- what it proves ------------------------------------------------------------


def test_without_evidence_nothing_under_a_stolen_key_is_proven() -> None:
    report = read()

    assert verdicts(report) == ("unproven",) * 4
    assert world.failed(report) == ("trust.verdicts",)
    assert report.verdicts[0].reason.endswith("there is no outside evidence")


def test_a_bundle_that_was_seen_proves_all_in_it() -> None:
    report = read(seen(WHOLE))

    assert report.ok
    assert verdicts(report) == ("proven",) * 4
    assert {each.evidence for each in report.verdicts} == {seen(WHOLE)}
    assert report.proven is None
    said = next(check.reason for check in report.checks if check.name == "trust.verdicts")
    assert said == "4 signatures proven by outside evidence"
    shown = report.to_json()
    assert shown["verdicts"][3]["evidence"]["authority"] == AUTHORITY
    assert shown["timestamps"][0]["before"] == SEEN.seconds


def test_an_event_that_was_seen_proves_itself_and_the_receipt_in_it() -> None:
    report = read(seen(FIRST))

    assert verdicts(report) == ("proven", "proven", "unproven", "unproven")
    assert not report.ok
    assert report.proven is not None
    assert report.proven.unproven == (EVENTS[1].event_id,)
    assert report.proven.state["current"]["record_created"]["event_id"] == EVENTS[0].event_id


def test_a_receipt_that_was_seen_proves_itself_alone() -> None:
    report = read(seen(sha256_of(RECEIPT)))

    assert verdicts(report) == ("proven", "unproven", "unproven", "unproven")


def test_a_checkpoint_that_was_seen_proves_what_it_lists() -> None:
    listed = checkpoint(("event:" + EVENTS[0].event_id, FIRST))

    assert verdicts(read(seen(sha256_of(listed)), lists=(listed,)))[:2] == ("proven", "proven")
    assert verdicts(read(seen(sha256_of(listed)))) == ("unproven",) * 4
    assert verdicts(read(lists=(listed,))) == ("unproven",) * 4


def test_a_lone_event_and_a_lone_receipt_are_proven() -> None:
    event = examine_event_document(EVENTS[0].canonical, terms(seen(FIRST)))

    assert event.ok
    assert verdicts(event) == ("proven", "proven")
    assert receipt_verdict(seen(sha256_of(RECEIPT))).verdict == "proven"
    assert receipt_verdict().verdict == "unproven"


def test_a_lone_receipt_under_a_retired_key_is_proven_by_what_dates_it_earlier() -> None:
    retired = life(status="retired", retired_at=THEFT)
    found = sha256_of(RECEIPT)

    assert receipt_verdict(seen(found), pin=retired).verdict == "proven"
    assert receipt_verdict(seen(found, THEFT), pin=retired).verdict == "unproven"


# -- what it does not ----------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "verdict"),
    [(Instant(THEFT.micros - 1), "proven"), (THEFT, "unproven"), (NOW, "unproven")],
    ids=["a-microsecond-earlier", "the-moment-itself", "later"],
)
def test_only_evidence_from_before_the_theft_proves(before: Instant, verdict: str) -> None:
    report = read(seen(WHOLE, before))

    assert set(verdicts(report)) == {verdict}
    if verdict == "unproven":
        assert f"anchor.late: {AUTHORITY} dates it only" in report.verdicts[0].reason


def test_the_earliest_evidence_counts() -> None:
    for late in (seen(FIRST, NOW), seen(WHOLE, NOW)):
        for findings in ((late, seen(WHOLE)), (seen(WHOLE), late)):
            assert verdicts(read(*findings)) == ("proven",) * 4


def test_evidence_of_the_content_without_its_signature_proves_nothing() -> None:
    for index, content in ((0, RECORD.sha256), (1, EVENTS[0].sha256), (3, BUNDLE.sha256)):
        report = read(seen(content))
        assert report.verdicts[index].verdict == "unproven"
        assert "anchor.unsigned" in report.verdicts[index].reason
    assert receipt_verdict(seen(RECORD.sha256)).verdict == "unproven"


def test_evidence_of_something_else_is_named_as_such() -> None:
    assert "anchor.other" in read(seen("0" * 64)).verdicts[0].reason


def test_a_refused_token_is_named_where_it_belongs_and_harms_nothing() -> None:
    doubt = Refused(WHOLE, "anchor.signature", "its signature fails")
    report = read(doubt)

    assert verdicts(report) == ("unproven",) * 4
    assert "anchor.signature: its signature fails" in report.verdicts[0].reason
    assert verdicts(read(doubt, seen(WHOLE))) == ("proven",) * 4
    good = read(doubt, pin=REGISTRY.keyset_pin(REGISTRY.entry()))
    assert good.ok
    assert verdicts(good) == ("valid",) * 4


def test_valid_stays_valid_and_invalid_invalid() -> None:
    for name, each in LIVES.items():
        if name.endswith("the-moment-it-signed"):
            continue
        found = verdicts(read(seen(WHOLE, SINCE.plus(days=-1)), pin=life(**each.members)))
        wanted = tuple("proven" if v == "unproven" else v for v in each.verdicts)
        assert found == wanted, name


def test_evidence_makes_no_key_trusted() -> None:
    report = read(seen(WHOLE), pin=REGISTRY.keyset_pin(SECOND.entry()))

    assert world.failed(report) == ("trust.key",)


# -- checkpoints and proofs ----------------------------------------------------


def checkpoint(*documents: tuple[str, str]) -> Checkpoint:
    return Checkpoint(REGISTRY.name, "2026-06-01", documents)


LISTED: Final = checkpoint(
    ("bundle:sha256:" + BUNDLE.sha256, WHOLE),
    *sorted(("event:" + event.event_id, sha256_of(event)) for event in EVENTS),
)
ANCHOR: Final[JsonObject] = {
    "anchored_sha256": sha256_of(LISTED),
    "proof_format": "rfc3161",
    "proof_b64": "AAAA",
    "status": "confirmed",
    "anchored_at": "2026-06-01T12:00:00Z",
    "authority": None,
}
PROOF: Final = Proof(ANCHOR, LISTED)


def test_a_proof_is_read_as_it_was_written() -> None:
    for proof in (PROOF, Proof(ANCHOR)):
        assert Proof.parse(canonical(proof.to_json())) == proof


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (put("proof_type", "x"), "schema.constant"),
        (put("proof_version", "1.1"), "schema.constant"),
        (put("note", ""), "schema.members"),
        (drop("checkpoint"), "schema.members"),
        (put("anchor.proof_b64", "AAA"), "schema.base64"),
        (put("anchor.proof_format", "x"), "schema.constant"),
        (put("checkpoint.checkpoint_type", "x"), "schema.constant"),
        (put("checkpoint.checkpoint_version", "1.1"), "schema.constant"),
        (put("checkpoint.registry", ""), "schema.name"),
        (put("checkpoint.day", "2026-02-30"), "schema.time"),
        (put("checkpoint.day", "20260601"), "schema.time"),
        (put("checkpoint.documents", []), "checkpoint.documents"),
        (put("checkpoint.documents", lambda items: items[::-1]), "checkpoint.documents"),
        (put("checkpoint.documents", lambda items: items[:1] * 2), "checkpoint.documents"),
        (insert("checkpoint.documents", {"id": "event:x"}), "schema.members"),
        (put("checkpoint.documents.0.id", "x"), "checkpoint.id"),
        (put("checkpoint.documents.0.id", "event:sha256:" + "A" * 64), "checkpoint.id"),
        (put("checkpoint.documents.0.sha256", "x"), "schema.hex"),
    ],
)
def test_a_bad_proof_is_refused(change: world.Change, code: str) -> None:
    with refused(code):
        Proof.from_json(world.changed(PROOF.to_json(), change))


def test_a_checkpoint_that_the_anchor_is_not_of_is_refused() -> None:
    value = world.changed(PROOF.to_json(), put("checkpoint.day", "2026-06-02"))

    with refused("proof.checkpoint", MismatchError):
        Proof.from_json(value)


def test_a_checkpoint_has_a_greatest_length() -> None:
    entries = tuple((f"event:sha256:{i:064x}", "0" * 64) for i in range(MAX_DOCUMENTS + 1))

    assert Checkpoint.from_json(checkpoint(*entries[1:]).to_json()).documents == entries[1:]
    with refused("checkpoint.documents"):
        Checkpoint.from_json(checkpoint(*entries).to_json())
    with refused("schema.base64"):
        Proof.from_json(replace(PROOF, anchor=ANCHOR | {"proof_b64": ""}).to_json())


def test_many_refused_tokens_of_a_long_list_are_told_of_but_not_each_by_each() -> None:
    listed = tuple((f"event:sha256:{i:064x}", f"{i:064x}") for i in range(2000))
    long_list = Checkpoint("registry.example", "2026-06-01", listed)
    refused_ = [Refused(sha256_of(long_list), "anchor.form", f"number {i}") for i in range(500)]

    found = Timestamps.of(refused_, [long_list, long_list])

    assert len(found.findings) == 500
    assert {len(each) for each in found.refused.values()} == {MAX_DOUBTS}
    assert found.refused[listed[-1][1]][0].reason == "number 0"
