"""What each type of event may say, of what, and who may say it (sections 7 and 11)."""

import itertools
from dataclasses import replace
from typing import Any, Final

import pytest

from registry.errors import MalformedError
from registry.protocol import schema
from registry.protocol.canonical import JsonObject
from registry.protocol.event import Bindings
from registry.protocol.event_checks import examine_event
from registry.protocol.event_types import EVENT_TYPES
from registry.protocol.keys import PARTY_TYPES
from registry.protocol.payloads import RELATIONSHIPS, REPLICATIONS
from tests import world
from tests.payloads import CITATION, CLAIM, HINT, SAMPLES, SOME_EVENT, Sample, hint, sample_of
from tests.protocol.refusals import refused
from tests.world import AUTHOR, OTHER_RECORD, PARTIES, READER, RECORD, REGISTRY, drop, put

NUMBER: Final = RECORD.number
BINDINGS: Final[Bindings] = REGISTRY.bindings | {
    ref: key for party in PARTIES for ref, key in party.bindings.items()
}
SIGNERS: Final = {
    "record_created": {"pith_registry"},
    "graph_snapshot": {"pith_registry"},
    "author_attestation": {"pith_registry", "author"},
    "timestamp_anchor": {"pith_registry"},
    "storage_attestation": {"pith_registry", "mirror"},
    "citation_signature": {"pith_registry", "author", "third_party"},
    "replication_record": {"pith_registry", "third_party"},
    "correction": {"pith_registry", "author"},
    "mirror_hint": {"pith_registry", "mirror"},
}
TARGETS: Final = {
    "record": "record",
    "graph": "graph",
    "claim": CLAIM,
    "event": f"event:{SOME_EVENT}",
    "checkpoint": "checkpoint",
}
NULLABLE: Final = {
    "author_attestation": {"evidence_url"},
    "timestamp_anchor": {"anchored_at", "authority"},
    "storage_attestation": {"capture_url"},
    "citation_signature": {"claim_id", "note"},
    "replication_record": {"artifact_url", "artifact_sha256", "note"},
    "correction": {"field", "replacement"},
    "mirror_hint": set(),
}
NEW: Final = tuple(NULLABLE)


def spoilt(name: str, *changes: world.Change) -> JsonObject:
    """A sample changed and sealed again."""
    sample = SAMPLES[name]
    value = world.changed(sample.event().to_json(), *changes)
    return world.reseal_event(value, sample.speaker.signer)


def said(name: str, where: str, new: Any) -> JsonObject:
    return spoilt(name, put(f"payload.{where}", new))


def by(sample: Sample, speaker: world.Speaker) -> JsonObject:
    """A sample that somebody else signs."""
    value = world.changed(sample.event().to_json(), put("signer", speaker.ref.to_json()))
    value["signature"] |= {
        "key_id": speaker.key_id,
        "public_key_fingerprint": speaker.key.fingerprint,
    }
    return world.reseal_event(value, speaker.signer)


def _swapped(name: str) -> world.Change:
    def change(value: JsonObject) -> None:
        place = value["payload"]
        place["citing"], place["cited"] = "arxiv:1706.03762", "arxiv:1706.03763"

    return change


VALID: Final = {name: sample.event().to_json() for name, sample in SAMPLES.items()} | {
    "citation-by-number": said("citation-signature", "cited", str(OTHER_RECORD.number)),
    "url-with-query": said(
        "storage-attestation", "source_url", "https://a.example:8443/x?y=%20&z=(1)#t"
    ),
    "orcid-with-x": said("author-attestation-weak", "claimant.orcid", "0000-0002-1694-233X"),
    "claim-id-of-64": spoilt("author-attestation-weak", put("target", "claim:" + "a" * 64)),
}

FORM: Final = "event.schema"
_FIELDS: Final[dict[str, tuple[str, str, Any, str]]] = {
    "orcid-checksum": (
        "author-attestation",
        "claimant.orcid",
        "0000-0002-1825-0098",
        "schema.orcid",
    ),
    "orcid-as-url": (
        "author-attestation",
        "claimant.orcid",
        "https://orcid.org/0000-0002-1825-0097",
        "schema.orcid",
    ),
    "orcid-lower-case-x": (
        "author-attestation-weak",
        "claimant.orcid",
        "0000-0002-1694-233x",
        "schema.orcid",
    ),
    "claimant-without-name": ("author-attestation", "claimant.name", "", "schema.empty"),
    "claimant-with-email": ("author-attestation", "claimant.email", "a@b", "schema.members"),
    "strength-medium": ("author-attestation", "strength", "medium", "schema.constant"),
    "statement-empty": ("author-attestation", "statement", "", "schema.empty"),
    "evidence-over-http": (
        "author-attestation",
        "evidence_url",
        "http://orcid.org/",
        "schema.url",
    ),
    "anchor-format-other": ("timestamp-anchor", "proof_format", "rfc5816", "schema.constant"),
    "anchor-status-other": ("timestamp-anchor", "status", "done", "schema.constant"),
    "anchor-without-proof": ("timestamp-anchor", "proof_b64", "", "schema.base64"),
    "anchor-spare-bits": ("timestamp-anchor", "proof_b64", "YQ==YQ==", "schema.base64"),
    "anchored-at-with-fraction": (
        "timestamp-anchor",
        "anchored_at",
        "2026-06-01T12:00:30.000000Z",
        "schema.time",
    ),
    "archive-empty": ("storage-attestation", "archive", "", "schema.empty"),
    "storage-url-with-user": (
        "storage-attestation",
        "source_url",
        "https://me@a.example/",
        "schema.url",
    ),
    "storage-url-with-space": (
        "storage-attestation",
        "source_url",
        "https://a.example/a b",
        "schema.url",
    ),
    "storage-url-upper-case-host": (
        "storage-attestation",
        "source_url",
        "https://A.example/",
        "schema.url",
    ),
    "storage-url-port": (
        "storage-attestation",
        "source_url",
        "https://a.example:65536/",
        "schema.url",
    ),
    "storage-url-of-2049": (
        "storage-attestation",
        "source_url",
        "https://a.example/" + "a" * 2031,
        "schema.url",
    ),
    "storage-digest-upper-case": (
        "storage-attestation",
        "content_sha256",
        "AB" * 32,
        "schema.hex",
    ),
    "relationship-other": ("citation-signature", "relationship", "mentions", "schema.constant"),
    "cited-of-unknown-kind": ("citation-signature", "cited", "isbn:123", "schema.work"),
    "cited-version-0": ("citation-signature", "cited", "arxiv:1706.03762v0", "schema.work"),
    "cited-upper-case": ("citation-signature", "cited", "arXiv:1706.03762", "schema.work"),
    "cited-short-number": (
        "citation-signature",
        "cited",
        OTHER_RECORD.number.short,
        "number.form",
    ),
    "citing-itself": ("citation-signature", "cited", str(NUMBER), "event.citation"),
    "citing-another-work": (
        "citation-signature",
        "citing",
        str(OTHER_RECORD.number),
        "event.citation",
    ),
    "claim-id-with-space": ("citation-signature", "claim_id", "c 1", "schema.claim_id"),
    "replication-kind-other": ("replication-record", "kind", "review", "schema.constant"),
    "outcome-of-1025": ("replication-record", "outcome", "x" * 1025, "schema.length"),
    "artifact-digest-short": ("replication-record", "artifact_sha256", "ab" * 31, "schema.hex"),
    "correction-without-reason": ("correction-of-the-record", "reason", "", "schema.empty"),
    "correction-of-no-event": ("correction-of-the-record", "corrects", "title", "schema.event_id"),
    "correction-of-another-event": (
        "correction-of-an-event",
        "corrects",
        "sha256:" + "8" * 64,
        "event.corrects",
    ),
    "replacement-number": ("correction-of-the-record", "replacement", 1, "schema.type"),
    "hint-of-another-record": (
        "mirror-hint",
        "bundle_url",
        hint(OTHER_RECORD)["bundle_url"],
        "event.mirror_hint",
    ),
    "hint-with-final-slash": ("mirror-hint", "base_url", HINT["base_url"] + "/", "schema.base_url"),
}
INVALID: Final[dict[str, tuple[JsonObject, str, str]]] = (
    {
        name: (said(sample, where, new), FORM, code)
        for name, (sample, where, new, code) in _FIELDS.items()
    }
    | {
        "claim-target-empty": (
            spoilt("author-attestation", put("target", "claim:")),
            FORM,
            "event.target",
        ),
        "claim-target-of-65": (
            spoilt("author-attestation", put("target", "claim:" + "a" * 65)),
            FORM,
            "event.target",
        ),
        "event-target-short": (
            spoilt("correction-of-an-event", put("target", "event:sha256:77")),
            FORM,
            "event.target",
        ),
        "citation-of-two-others": (
            spoilt("citation-signature", _swapped("citation-signature")),
            FORM,
            "event.citation",
        ),
        "strong-by-the-registry": (
            by(SAMPLES["author-attestation"], REGISTRY),
            "event.allowed",
            "event.strength",
        ),
        "strong-of-another-orcid": (
            said("author-attestation", "claimant.orcid", "0000-0001-5109-3700"),
            "event.allowed",
            "event.strength",
        ),
        "strong-without-orcid": (
            said("author-attestation", "claimant.orcid", None),
            "event.allowed",
            "event.strength",
        ),
    }
    | {
        f"{name}-without-{member.replace('_', '-')}": (
            spoilt(name, drop(f"payload.{member}")),
            FORM,
            "schema.members",
        )
        for name, member in (
            ("author-attestation", "evidence_url"),
            ("timestamp-anchor", "authority"),
            ("storage-attestation", "capture_url"),
            ("citation-signature", "note"),
            ("replication-record", "note"),
            ("correction-of-the-record", "field"),
            ("mirror-hint", "status"),
        )
    }
    | {
        f"{kind}-signed-by-{party.signer_type.replace('_', '-')}": (
            by(sample_of(kind.replace("-", "_")), party),
            "event.allowed",
            "event.allowed",
        )
        for kind, party in (
            ("timestamp-anchor", AUTHOR),
            ("storage-attestation", READER),
            ("replication-record", AUTHOR),
            ("correction", READER),
            ("mirror-hint", AUTHOR),
            ("citation-signature", world.MIRROR),
            ("author-attestation", READER),
        )
    }
)


@pytest.mark.parametrize("name", VALID)
def test_a_good_event_is_accepted(name: str) -> None:
    found = examine_event(VALID[name], NUMBER, BINDINGS)

    assert found.error is None
    assert found.event is not None
    assert found.event.to_json() == VALID[name]


@pytest.mark.parametrize("name", INVALID)
def test_a_bad_event_is_refused(name: str) -> None:
    value, check, code = INVALID[name]
    found = examine_event(value, NUMBER, BINDINGS)

    assert found.error is not None
    assert (found.failed, found.error.code) == (check, code)


def test_the_table_of_section_7() -> None:
    assert {name: row.signers for name, row in EVENT_TYPES.items()} == SIGNERS
    shown = {name: row.shown_as for name, row in EVENT_TYPES.items()}
    assert shown.pop("record_created") == "record_created"
    assert shown == {name: f"{name}s" for name in shown}
    assert {sample.event_type for sample in SAMPLES.values()} == set(NEW)


@pytest.mark.parametrize(("kind", "target"), list(itertools.product(EVENT_TYPES, TARGETS)))
def test_each_type_has_its_targets(kind: str, target: str) -> None:
    allowed = {
        "record_created": {"record"},
        "graph_snapshot": {"graph"},
        "author_attestation": {"record", "claim"},
        "timestamp_anchor": {"record", "event", "checkpoint"},
        "storage_attestation": {"record"},
        "citation_signature": {"record", "claim"},
        "replication_record": {"record", "claim"},
        "correction": {"record", "graph", "event"},
        "mirror_hint": {"record"},
    }[kind]
    row = EVENT_TYPES[kind]
    if target in allowed:
        assert row.check_target(TARGETS[target], "$") == TARGETS[target]
    else:
        with refused("event.target"):
            row.check_target(TARGETS[target], "$")


@pytest.mark.parametrize("signer_type", PARTY_TYPES)
@pytest.mark.parametrize("kind", NEW)
def test_who_may_sign_what(kind: str, signer_type: str) -> None:
    (party,) = (each for each in PARTIES if each.signer_type == signer_type)
    sample = sample_of(kind)
    found = examine_event(by(sample, party), NUMBER, BINDINGS)

    assert found.failed == (None if signer_type in SIGNERS[kind] else "event.allowed")


@pytest.mark.parametrize("kind", NEW)
def test_what_may_be_null(kind: str) -> None:
    sample = sample_of(kind)
    name = next(name for name, each in SAMPLES.items() if each == sample)
    for member in sample.payload:
        found = examine_event(said(name, member, None), NUMBER, BINDINGS)
        assert (found.failed is None) == (member in NULLABLE[kind]), member


@pytest.mark.parametrize("relationship", RELATIONSHIPS)
def test_every_relationship(relationship: str) -> None:
    value = said("citation-signature", "relationship", relationship)
    assert examine_event(value, NUMBER, BINDINGS).failed is None


@pytest.mark.parametrize("kind", REPLICATIONS)
def test_every_kind_of_replication(kind: str) -> None:
    assert examine_event(said("replication-record", "kind", kind), NUMBER, BINDINGS).failed is None


def test_a_weak_word_is_anyones_of_the_right_type() -> None:
    weak = replace(SAMPLES["author-attestation-weak"], speaker=AUTHOR)
    assert examine_event(weak.event().to_json(), NUMBER, BINDINGS).failed is None


@pytest.mark.parametrize(
    "text", ["0000-0002-1825-0097", "0000-0001-5109-3700", "0000-0002-1694-233X"]
)
def test_published_orcids_have_their_checksum(text: str) -> None:
    assert schema.orcid(text, "$") == text
    for wrong in "0123456789X".replace(text[-1], ""):
        with refused("schema.orcid"):
            schema.orcid(text[:-1] + wrong, "$")


@pytest.mark.parametrize(
    "text",
    [
        "https://",
        "https://a..b/",
        "https://-a/",
        "https://a/\n",
        "https://a/\u00e9",
        "https://a:0/",
        "HTTPS://a/",
        "https://a\\b",
        "https://[::1]/",
        "ftp://a/",
        "https://a/<b>",
        "https://a/`",
    ],
)
def test_what_is_no_url(text: str) -> None:
    with refused("schema.url", MalformedError):
        schema.https_url(text, "$")


def test_citing_is_the_rule_for_both_directions() -> None:
    turned = CITATION | {"citing": CITATION["cited"], "cited": CITATION["citing"]}
    event = READER.event("citation_signature", turned)
    assert examine_event(event.to_json(), NUMBER, BINDINGS).failed is None
