"""The timestamps at hand: where they come from, how many are looked at, what they harm."""

import base64
import hashlib
from pathlib import Path
from typing import Any, Final

import pytest

from registry.errors import MalformedError, StoreError
from registry.protocol.canonical import JsonObject, canonical
from registry.protocol.evidence import Evidence, Proof, Refused
from registry.protocol.strict_json import LARGE
from registry.services.timestamps import (
    MAX_TOKENS,
    Authorities,
    gather,
    load_authority,
    no_authorities,
    parse_proofs,
)
from registry.services.verify import examine
from tests import world
from tests.parts import needs
from tests.protocol.refusals import refused
from tests.timestamp.authority import Tsa
from tests.world import REGISTRY

SHA256: Final = hashlib.sha256(b"a document").hexdigest()


@pytest.fixture(name="tsa", scope="module")
def _tsa(tmp_path_factory: pytest.TempPathFactory) -> Tsa:
    needs("openssl")
    return Tsa(tmp_path_factory.mktemp("tsa") / "it")


@pytest.fixture(name="pinned")
def _pinned(tsa: Tsa) -> Authorities:
    return lambda: [load_authority(tsa.root)]


def anchor(proof: bytes, sha256: str = SHA256, **more: Any) -> JsonObject:
    """A payload of a timestamp_anchor."""
    return {
        "anchored_sha256": sha256,
        "proof_format": "rfc3161",
        "proof_b64": base64.b64encode(proof).decode(),
        "status": "confirmed",
        "anchored_at": None,
        "authority": None,
    } | more


def test_they_come_from_proofs_and_from_each_place_of_a_bundle(
    tsa: Tsa, pinned: Authorities
) -> None:
    payload = anchor(tsa.token(SHA256))
    event = {"event_type": "timestamp_anchor", "payload": payload}

    for document, proofs in (
        ({}, [Proof(payload)]),
        ({"timestamp_proofs": [payload]}, []),
        ({"events": [{"event_type": "graph_snapshot"}, event]}, []),
        ({"events": [event], "timestamp_proofs": [payload]}, [Proof(payload)]),
    ):
        found = gather(document, proofs, pinned)
        assert [type(each) for each in found.findings] == [Evidence]
        assert set(found.dated) == {SHA256}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"events": None, "timestamp_proofs": {}},
        {"events": [1, [], {"event_type": "timestamp_anchor"}]},
        {"events": [{"event_type": "timestamp_anchor", "payload": {"status": 1}}]},
        {"timestamp_proofs": [None, {}, anchor(b"")]},
    ],
)
def test_what_is_no_timestamp_is_passed_over_and_no_authority_is_read(document: Any) -> None:
    def unread() -> Any:
        raise AssertionError

    assert gather(document, [], unread).findings == ()


def test_only_so_many_are_checked_and_the_evidence_given_comes_first(
    tsa: Tsa, pinned: Authorities
) -> None:
    spoilt = [anchor(bytes([i % 256, i // 256])) for i in range(MAX_TOKENS + 20)]
    found = gather({"timestamp_proofs": spoilt}, [Proof(anchor(tsa.token(SHA256)))], pinned)

    codes = [each.code for each in found.findings if isinstance(each, Refused)]
    assert codes == ["anchor.form"] * (MAX_TOKENS - 1) + ["anchor.many"] * 21
    assert set(found.dated) == {SHA256}


def test_without_an_authority_each_is_named_and_nothing_is_checked() -> None:
    found = gather({"timestamp_proofs": [anchor(b"x"), anchor(b"y")]}, [], no_authorities)

    assert [each.code for each in found.findings if isinstance(each, Refused)] == [
        "anchor.unpinned"
    ] * 2


def test_spoilt_timestamps_never_spoil_a_good_bundle(tsa: Tsa, pinned: Authorities) -> None:
    value = REGISTRY.bundle().to_json()
    value["timestamp_proofs"] = [
        anchor(b"no token"),
        anchor(tsa.token("0" * 64)),
        anchor(b"x", proof_format="opentimestamps", status="pending"),
    ]
    data = world.dump(world.reseal_bundle(value))

    for terms in (REGISTRY.terms, world.terms(REGISTRY.keyset_pin(REGISTRY.entry()))):
        for authorities in (pinned, no_authorities):
            report = examine(data, terms, authorities=authorities)
            assert report.ok, report.failure
            assert {each.verdict for each in report.verdicts} == {"valid"}
            assert len(report.timestamps) == 3


def test_a_file_holds_one_proof_or_one_a_line() -> None:
    proofs = [Proof(anchor(b"one")), Proof(anchor(b"two"))]
    lines = b"".join(canonical(proof.to_json()) + b"\n" for proof in proofs)

    assert parse_proofs(lines) == proofs
    assert parse_proofs(lines.replace(b"\n", b"\r\n\n")) == proofs
    assert parse_proofs(world.dump(proofs[0].to_json()).replace(b",", b",\n")) == proofs[:1]
    event = {"event_type": "timestamp_anchor", "payload": proofs[0].anchor}
    assert parse_proofs(canonical(event)) == proofs[:1]
    with refused("json.syntax"):
        parse_proofs(b"")
    with refused("proof.size", MalformedError):
        parse_proofs(b" " * (LARGE.max_bytes + 1))


def test_a_certificate_that_cannot_be_read(tmp_path: Path) -> None:
    with refused("file.read", StoreError):
        load_authority(tmp_path)
