"""Bundles: every tampered one is signed again by the registry's own key, so that digests
and signatures agree and one fact alone is wrong; the check of that fact must refuse it."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import pytest

from registry.errors import MalformedError, MismatchError, VerificationError
from registry.protocol.bundle import Bundle, BundleBody, bundle_message, served_bytes
from registry.protocol.bundle_checks import examine_bundle
from registry.protocol.canonical import JsonObject, canonical
from registry.protocol.event import event_identity
from registry.protocol.instant import Instant
from registry.protocol.number import Reference
from registry.protocol.places import links
from tests import world
from tests.payloads import REPLICATION, every_place
from tests.protocol.refusals import refused
from tests.world import (
    AT,
    BASE_URL,
    BUILT_AT,
    NOW,
    OTHER_RECORD,
    OTHER_REGISTRY,
    PARTIES,
    READER,
    RECORD,
    REGISTRY,
    drop,
    flip,
    insert,
    put,
)

BUNDLE: Final = REGISTRY.bundle()
GOOD: Final = BUNDLE.to_json()
TERMS: Final = REGISTRY.terms
AUTHOR: Final = world.signer("author", "author-2026-01")
SECOND: Final = world.signer("second", "example-2026-02")
"""A second key of the registry."""
SNAPSHOT_ID: Final = GOOD["events"][1]["event_id"]

Seal = Literal["nothing", "bundle", "state", "events"]
"""What is put right after the change, outward: with ``events`` each event's seal, the
state and the bundle; with ``state`` the state's digest and the bundle."""


@dataclass(frozen=True)
class Case:
    """A tampered bundle: the change, what is sealed again, and the check that must
    refuse it with its code; *more* are checks that cannot but fail with it."""

    check: str
    code: str
    change: tuple[world.Change, ...]
    seal: Seal = "bundle"
    more: tuple[str, ...] = ()

    @property
    def data(self) -> bytes:
        value = world.changed(GOOD, *self.change)
        if self.seal == "events":
            for event in value["events"]:
                if event["content_sha256"] != event_identity(event).hex():
                    world.reseal_event(event)
        if self.seal in ("events", "state"):
            world.restate(value) if self.seal == "events" else world.reseal_state(value["state"])
        return world.dump(value if self.seal == "nothing" else world.reseal_bundle(value))


def case(check: str, code: str, *change: world.Change, **more: Any) -> Case:
    return Case(check, code, change, **more)


def form(code: str, where: str, new: Any, **more: Any) -> Case:
    """A value that stands where the schema allows none such."""
    return case("bundle.schema", code, put(where, new), **more)


def event(check: str, code: str, *change: world.Change, **more: Any) -> Case:
    """A bundle of an event that fails *check*; the state counts it as invalid."""
    more = {"seal": "events", "more": ("bundle.events",)} | more
    return case(check, code, *change, **more)


def state(*change: world.Change, seal: Seal = "state") -> Case:
    return case("bundle.state", "bundle.state", *change, seal=seal)


def signature(check: str, code: str, name: str, new: Any) -> Case:
    return case(check, code, put(f"bundle_signature.{name}", new), seal="nothing")


def keyed(*change: world.Change, code: str) -> Case:
    return case("bundle.public_keys", code, *change)


def resealed(who: Any) -> world.Change:
    """The bundle's signature and the key it names, by another signer."""

    def change(value: JsonObject) -> None:
        value["bundle_signature"]["key_id"] = who.key_id
        value["bundle_signature"]["public_key_fingerprint"] = who.public_key.fingerprint
        world.reseal_bundle(value, who)

    return change


def events(*found: Any) -> world.Change:
    """Other events in the bundle."""
    return put("events", [each.to_json() for each in found])


def event_seal(place: int, change: Callable[[JsonObject], None]) -> world.Change:
    """Change an event after it was sealed."""
    return lambda value: change(value["events"][place])


CREATED, SNAPSHOT = REGISTRY.history()
FOREIGN: Final = OTHER_REGISTRY.snapshot()
SECOND_REGISTRY: Final = replace(REGISTRY, key_id="example-2026-03")
PARTY: Final = world.key_object(AUTHOR, party=("author.example", "author")).to_json()
BY_PARTY: Final = world.changed(
    SNAPSHOT.to_json(),
    put(
        "signer",
        {
            "signer_id": "author.example",
            "signer_type": "author",
            "key_id": AUTHOR.key_id,
            "public_key_fingerprint": AUTHOR.public_key.fingerprint,
        },
    ),
    put("signature.key_id", AUTHOR.key_id),
    put("signature.public_key_fingerprint", AUTHOR.public_key.fingerprint),
)
world.reseal_event(BY_PARTY, AUTHOR)
IDENTITY: Final = bytes([1]) + bytes(31)
PROOF: Final = {
    "anchored_sha256": "0" * 64,
    "proof_format": "opentimestamps",
    "proof_b64": "AAE=",
    "status": "pending",
    "anchored_at": None,
    "authority": None,
}


def key_of(raw: bytes) -> JsonObject:
    """The key object of raw bytes that need not be a key, all its own fields right."""
    digest = hashlib.sha256(raw)
    return GOOD["public_keys"][0] | {
        "key_id": "small-order",
        "public_key_b64": world.b64(raw),
        "public_key_hex": raw.hex(),
        "fingerprint_sha256_hex": digest.hexdigest()[:32],
        "fingerprint_sha256_b32_first128bits": base64.b32encode(digest.digest())[:26].decode(),
    }


def elsewhere(text: str) -> str:
    return text.replace(BASE_URL, "https://elsewhere.example")


def other_suffix(text: str) -> str:
    return text.replace(RECORD.number.suffix, OTHER_RECORD.number.suffix)


def each_link(how: Callable[[str], str]) -> world.Change:
    return put("links", lambda found: {name: how(text) for name, text in found.items()})


def proof(**more: Any) -> Case:
    code = more.pop("code")
    return case(
        "bundle.timestamp_proofs", code, put("timestamp_proofs", [PROOF | more]), seal="bundle"
    )


INVALID: Final[dict[str, Case]] = {
    # what follows from the record
    "short-number-of-another": case(
        "bundle.short_pith_number",
        "bundle.short_pith_number",
        put("short_pith_number", OTHER_RECORD.number.short),
    ),
    "short-number-of-9-characters": case(
        "bundle.short_pith_number",
        "bundle.short_pith_number",
        put("short_pith_number", f"pith:{RECORD.number.suffix[:9]}"),
    ),
    "canonical-sha256-of-another": case(
        "bundle.canonical_sha256",
        "bundle.canonical_sha256",
        put("canonical_sha256", OTHER_RECORD.sha256),
    ),
    "number-of-another-year": case(
        "bundle.pith_number",
        "bundle.pith_number",
        put("pith_number", str(replace(RECORD.number, year=2025))),
        seal="events",
        more=("event.subject", "bundle.events"),
    ),
    "record-in-the-body-is-not-that-of-the-event": case(
        "bundle.canonical_sha256",
        "bundle.canonical_sha256",
        put("canonical_record.metadata.license", ""),
        more=("bundle.pith_number", "bundle.aliases", "bundle.record_created"),
    ),
    "record-with-unknown-member": case(
        "bundle.record", "schema.members", put("canonical_record.note", "x")
    ),
    "record-version-true": case(
        "bundle.record", "schema.type", put("canonical_record.source.version", True)
    ),
    "record-version-float": case(
        "bundle.record", "schema.type", put("canonical_record.source.version", 1.0)
    ),
    "record-with-bidi-override": case(
        "bundle.record", "json.character", put("canonical_record.metadata.license", "\u202e")
    ),
    "source-id-of-another": case(
        "bundle.source", "bundle.source", put("source.id", OTHER_RECORD.source.id)
    ),
    "source-version-2": case("bundle.source", "bundle.source", put("source.version", 2)),
    "source-version-true": case("bundle.source", "schema.type", put("source.version", True)),
    "source-version-float": case("bundle.source", "schema.type", put("source.version", 1.0)),
    "source-with-unknown-member": case("bundle.source", "schema.members", put("source.note", "x")),
    "source-kind-unknown": case("bundle.source", "source.kind", put("source.kind", "doi")),
    # aliases
    "aliases-in-another-order": case(
        "bundle.aliases",
        "bundle.aliases",
        put("source_aliases", lambda found: [*found[1::-1], *found[2:]]),
        seal="events",
    ),
    "alias-kind-unknown": case(
        "bundle.aliases",
        "bundle.aliases",
        put("source_aliases.0.alias_kind", "arXiv"),
        seal="events",
    ),
    "alias-of-another-record": case(
        "bundle.aliases",
        "bundle.aliases",
        put("source_aliases.0.alias_value", OTHER_RECORD.source.id),
        seal="events",
    ),
    "alias-short-not-a-prefix": case(
        "bundle.aliases",
        "bundle.aliases",
        put("source_aliases.3.alias_value", OTHER_RECORD.number.suffix[:12]),
        seal="events",
    ),
    "alias-missing": case(
        "bundle.aliases", "bundle.aliases", drop("source_aliases.5"), seal="events"
    ),
    "alias-repeated": case(
        "bundle.aliases",
        "bundle.aliases",
        put("source_aliases", lambda found: [*found, found[5]]),
        seal="events",
    ),
    "alias-date-with-fraction": form(
        "schema.time",
        "source_aliases.0.created_at",
        "2026-06-01T12:00:00.250000Z",
        seal="events",
    ),
    "alias-date-trailing-newline": form(
        "schema.time", "source_aliases.0.created_at", "2026-06-01T12:00:00Z\n", seal="events"
    ),
    "alias-with-unknown-member": form(
        "schema.members", "source_aliases.0.note", "x", seal="events"
    ),
    "aliases-dated-otherwise-than-in-the-state": state(
        put("source_aliases.0.created_at", "2026-06-01T12:00:01Z"), seal="bundle"
    ),
    # links and mirrors
    "links-on-http": case(
        "bundle.links",
        "schema.base_url",
        each_link(lambda text: text.replace("https:", "http:")),
    ),
    "links-on-two-bases": case("bundle.links", "bundle.links", put("links.bundle", elsewhere)),
    "links-well-known-of-another": case(
        "bundle.links", "bundle.links", put("links.well_known_bundle", other_suffix)
    ),
    "links-of-another-record": case("bundle.links", "bundle.links", each_link(other_suffix)),
    "links-with-query": case(
        "bundle.links", "bundle.links", put("links.state", lambda text: text + "?a=b")
    ),
    "links-with-user": case(
        "bundle.links",
        "schema.base_url",
        each_link(lambda text: text.replace("https://", "https://user@")),
    ),
    "links-trailing-newline": case(
        "bundle.links", "bundle.links", put("links.bundle", lambda text: text + "\n")
    ),
    "links-with-unknown-member": case(
        "bundle.links", "schema.members", put("links.graph", f"{BASE_URL}/graph.json")
    ),
    "links-null": case("bundle.links", "schema.type", put("links.resolver", None)),
    "mirror-url-on-another-base": case(
        "bundle.mirror_hints",
        "bundle.mirror_hints",
        put("mirror_hints.0.bundle_url", elsewhere),
    ),
    "mirror-url-of-another-record": case(
        "bundle.mirror_hints",
        "bundle.mirror_hints",
        put("mirror_hints.0.state_url", other_suffix),
    ),
    "mirror-on-http": case(
        "bundle.mirror_hints",
        "schema.base_url",
        put("mirror_hints.0.base_url", "http://registry.example"),
    ),
    "mirror-base-with-final-slash": case(
        "bundle.mirror_hints",
        "schema.base_url",
        put("mirror_hints.0.base_url", f"{BASE_URL}/"),
    ),
    "mirror-with-unknown-member": case(
        "bundle.mirror_hints", "schema.members", put("mirror_hints.0.note", "x")
    ),
    "mirror-name-null": case(
        "bundle.mirror_hints", "schema.type", put("mirror_hints.0.name", None)
    ),
    # timestamp proofs
    "proof-with-unknown-member": proof(note="x", code="schema.members"),
    "proof-digest-upper-case": proof(anchored_sha256="A" * 64, code="schema.hex"),
    "proof-format-unknown": proof(proof_format="pgp", code="schema.constant"),
    "proof-spare-bits": proof(proof_b64="AAF=", code="schema.base64"),
    "proof-status-unknown": proof(status="proven", code="schema.constant"),
    "proof-time-with-fraction": proof(
        anchored_at="2026-06-01T12:00:00.000000Z", code="schema.time"
    ),
    "proof-authority-number": proof(authority=1, code="schema.type"),
    # keys
    "key-twice-under-two-ids": keyed(
        insert("public_keys", GOOD["public_keys"][0] | {"key_id": "example-2026-02"}),
        code="bundle.public_keys",
    ),
    "key-id-twice": keyed(
        insert("public_keys", world.key_object(SECOND).to_json() | {"key_id": REGISTRY.key_id}),
        code="bundle.public_keys",
    ),
    "key-object-twice": keyed(
        insert("public_keys", GOOD["public_keys"][0]), code="bundle.public_keys"
    ),
    "key-hex-of-another": keyed(
        put("public_keys.0.public_key_b64", world.b64(SECOND.public_key.raw)), code="key.fields"
    ),
    "key-fingerprint-of-another": keyed(
        put("public_keys.0.fingerprint_sha256_hex", flip), code="key.fields"
    ),
    "key-long-fingerprint-of-another": keyed(
        put("public_keys.0.fingerprint_sha256_b32_first128bits", SECOND.public_key.fingerprint_b32),
        code="key.fields",
    ),
    "key-hex-upper-case": keyed(put("public_keys.0.public_key_hex", str.upper), code="schema.hex"),
    "key-spare-bits": keyed(
        put("public_keys.0.public_key_b64", world.spare_bits), code="schema.base64"
    ),
    "key-of-small-order": keyed(insert("public_keys", key_of(IDENTITY)), code="key.point"),
    "key-not-canonical": keyed(
        insert("public_keys", key_of(b"\xee" + b"\xff" * 30 + b"\x7f")), code="key.point"
    ),
    "key-algorithm-other": keyed(
        insert("public_keys", world.key_object(SECOND).to_json() | {"algorithm": "ml-dsa-65"}),
        code="schema.constant",
    ),
    "key-with-unknown-member": keyed(put("public_keys.0.note", "x"), code="schema.members"),
    "key-rotates-at-with-fraction": keyed(
        put("public_keys.0.rotates_at", "2027-01-01T00:00:00.000000Z"), code="schema.time"
    ),
    "party-key-of-type-registry": keyed(
        insert("public_keys", PARTY | {"signer_type": "pith_registry"}), code="schema.constant"
    ),
    "party-key-without-type": keyed(
        insert("public_keys", {n: m for n, m in PARTY.items() if n != "signer_type"}),
        code="schema.members",
    ),
    "party-key-bears-the-name-of-the-registry": case(
        "bundle.registry",
        "bundle.registry",
        insert("public_keys", PARTY | {"signer_id": REGISTRY.name}),
    ),
    # events
    "no-events": case("bundle.registry", "bundle.registry", put("events", []), seal="bundle"),
    "two-registries": case(
        "bundle.registry",
        "bundle.registry",
        insert("events", FOREIGN.to_json()),
        insert("public_keys", OTHER_REGISTRY.key_object.to_json()),
    ),
    "events-in-another-order": case(
        "bundle.events", "bundle.events", put("events", lambda found: found[::-1]), seal="events"
    ),
    "event-repeated": case(
        "bundle.events", "bundle.events", insert("events", SNAPSHOT.to_json()), seal="events"
    ),
    "event-twice-with-another-signed-at": case(
        "bundle.events",
        "bundle.events",
        insert(
            "events",
            world.changed(
                SNAPSHOT.to_json(), put("signature.signed_at", "2026-06-01T12:30:00.000000Z")
            ),
        ),
        seal="events",
    ),
    "event-of-another-record": event(
        "event.subject",
        "event.subject",
        insert("events", REGISTRY.snapshot(OTHER_RECORD, "Another small world").to_json()),
    ),
    "event-type-unknown": event("event.schema", "event.type", put("events.1.event_type", "vote")),
    "event-with-unknown-member": event("event.schema", "schema.members", put("events.1.note", "x")),
    "event-payload-with-unknown-member": event(
        "event.schema", "schema.members", put("events.1.payload.note", "x")
    ),
    "event-signer-with-unknown-member": event(
        "event.schema", "schema.members", put("events.1.signer.note", "x")
    ),
    "event-source-version-true": event(
        "event.schema",
        "schema.type",
        put("events.0.payload.source_version", True),
        put("events.1.prev_event", None),
        more=("bundle.events",),
    ),
    "event-prev-trailing-newline": event(
        "event.schema", "schema.event_id", put("events.1.prev_event", CREATED.event_id + "\n")
    ),
    "event-id-trailing-newline": event(
        "event.schema",
        "schema.event_id",
        event_seal(1, put("event_id", SNAPSHOT_ID + "\n")),
    ),
    "event-content-changed": event(
        "event.digest",
        "event.digest",
        put("events.1.created_at", "2026-06-01T12:00:59Z"),
        seal="bundle",
        more=("bundle.events",),
    ),
    "event-id-of-another": event(
        "event.id",
        "event.id",
        put("events.1.event_id", CREATED.event_id),
        seal="bundle",
    ),
    "event-of-a-key-not-listed": event(
        "event.signer",
        "event.signer",
        put("events.1", SECOND_REGISTRY.snapshot(prev=CREATED.event_id).to_json()),
    ),
    "event-of-a-party-that-may-not": event(
        "event.allowed",
        "event.allowed",
        insert("public_keys", PARTY),
        insert("events", BY_PARTY),
    ),
    "event-signature-names-another-key": event(
        "event.signature_key",
        "event.signature_key",
        put("events.1.signature.key_id", "example-2026-02"),
        seal="bundle",
    ),
    "event-signature-of-another-key": event(
        "event.signature",
        "signature.wrong",
        put("events.1.signature.signature_b64", world.by(SECOND, bytes.fromhex(SNAPSHOT.sha256))),
        seal="bundle",
    ),
    "event-signature-plus-l": event(
        "event.signature",
        "signature.malleable",
        put("events.1.signature.signature_b64", world.plus_l),
        seal="bundle",
    ),
    "event-signature-spare-bits": event(
        "event.schema",
        "schema.base64",
        put("events.1.signature.signature_b64", world.spare_bits),
        seal="bundle",
    ),
    "record-in-the-event-is-another": event(
        "event.record",
        "event.record",
        put("events.0.payload.canonical_record", OTHER_RECORD.to_json()),
        put("events.1.prev_event", None),
    ),
    "receipt-in-the-event-is-of-another": event(
        "event.receipt",
        "receipt.record",
        put("events.0.payload.receipt", REGISTRY.receipt(OTHER_RECORD).to_json()),
        put("events.1.prev_event", None),
    ),
    "no-record-created": case(
        "bundle.record_created",
        "bundle.record_created",
        events(REGISTRY.snapshot()),
        seal="events",
    ),
    # state
    "state-counts-another-event": state(put("state.event_count", 3)),
    "state-count-false": state(put("state.invalid_event_count", False)),
    "state-count-as-fraction": state(put("state.event_count", 2.0)),
    "state-record-version-as-fraction": state(
        put("state.current.canonical_record.source.version", 1.0)
    ),
    "state-with-unknown-member": state(put("state.note", "x")),
    "state-lacks-a-list": state(drop("state.current.mirror_hints")),
    "state-lacks-an-event": state(put("state.current.graph_snapshots", [])),
    "state-of-another-record": state(put("state.pith_number", str(OTHER_RECORD.number))),
    "state-shows-another-record": state(
        put("state.current.canonical_record", OTHER_RECORD.to_json())
    ),
    "state-applied-in-another-order": state(
        put("state.applied_event_ids", lambda found: found[::-1])
    ),
    "state-hides-an-equivocation": state(
        put(
            "events",
            [
                each.to_json()
                for each in (
                    CREATED,
                    *sorted(
                        (SNAPSHOT, REGISTRY.snapshot(headline="fork", prev=CREATED.event_id)),
                        key=lambda each: each.event_id,
                    ),
                )
            ],
        )
    ),
    "state-sha256-of-another": state(put("state.state_sha256", flip), seal="bundle"),
    "state-is-a-list": form("schema.type", "state", []),
    # times
    "event-created-after-it-was-signed": event(
        "event.schema",
        "event.times",
        put("events.1.created_at", "2026-06-01T12:02:00Z"),
        seal="events",
        more=("bundle.events",),
    ),
    "built-before-its-events": case(
        "bundle.times", "bundle.times", put("built_at", AT.plus(seconds=59).seconds)
    ),
    "built-after-it-was-signed": case(
        "bundle.times", "bundle.times", put("built_at", BUILT_AT.plus(seconds=1).seconds)
    ),
    "built-11-minutes-ahead": case(
        "bundle.clock",
        "bundle.clock",
        put("built_at", NOW.plus(seconds=660).seconds),
        put("bundle_signature.signed_at", NOW.plus(seconds=660).micro_text),
    ),
    "built-at-with-fraction": form("schema.time", "built_at", "2026-06-01T13:00:00.250000Z"),
    # the bundle's signature
    "bundle-signed-by-a-key-not-listed": case(
        "bundle.signature_key", "bundle.signature_key", resealed(SECOND), seal="nothing"
    ),
    "bundle-signed-by-a-party": case(
        "bundle.signature_key",
        "bundle.signature_key",
        insert("public_keys", PARTY),
        resealed(AUTHOR),
        seal="nothing",
    ),
    "bundle-signature-names-another-fingerprint": signature(
        "bundle.signature_key", "bundle.signature_key", "public_key_fingerprint", flip
    ),
    "bundle-signature-of-another-key": signature(
        "bundle.signature",
        "signature.wrong",
        "signature_b64",
        world.by(SECOND, bytes.fromhex(BUNDLE.sha256)),
    ),
    "bundle-signature-of-the-event": signature(
        "bundle.signature",
        "signature.wrong",
        "signature_b64",
        CREATED.to_json()["signature"]["signature_b64"],
    ),
    "bundle-signature-over-the-hex-digits": signature(
        "bundle.signature",
        "signature.wrong",
        "signature_b64",
        world.by(REGISTRY.signer, BUNDLE.sha256.encode()),
    ),
    "bundle-signature-plus-l": signature(
        "bundle.signature", "signature.malleable", "signature_b64", world.plus_l
    ),
    "bundle-signature-r-of-small-order": signature(
        "bundle.signature", "signature.small_order", "signature_b64", world.small_order_r
    ),
    "bundle-signature-spare-bits": signature(
        "bundle.schema", "schema.base64", "signature_b64", world.spare_bits
    ),
    "bundle-signature-trailing-newline": signature(
        "bundle.schema", "schema.base64", "signature_b64", lambda text: text + "\n"
    ),
    "bundle-sha256-of-another": signature(
        "bundle.bundle_sha256", "bundle.bundle_sha256", "bundle_sha256", flip
    ),
    "bundle-sha256-upper-case": signature(
        "bundle.schema", "schema.hex", "bundle_sha256", str.upper
    ),
    "bundle-signed-message-of-an-event": signature(
        "bundle.schema", "schema.constant", "signed_message", "open_graph_event_sha256_bytes"
    ),
    "bundle-signature-with-unknown-member": signature(
        "bundle.schema", "schema.members", "note", "x"
    ),
    "bundle-algorithm-none": signature("bundle.schema", "schema.constant", "algorithm", "none"),
    "bundle-signature-missing": case(
        "bundle.schema", "schema.members", drop("bundle_signature"), seal="nothing"
    ),
    "bundle-changed-not-signed-again": case(
        "bundle.bundle_sha256",
        "bundle.bundle_sha256",
        put("public_keys.0.notes", "changed"),
        seal="nothing",
        more=("bundle.signature",),
    ),
    # form
    "unknown-member": form("schema.members", "note", "x"),
    "missing-member": case("bundle.schema", "schema.members", drop("timestamp_proofs")),
    "bundle-type-other": form("schema.constant", "bundle_type", "pith_bundle"),
    "bundle-version-1.1": form("schema.constant", "bundle_version", "1.1"),
    "bundle-version-float": form("schema.constant", "bundle_version", 1.0),
    "merge-version-other": form("schema.constant", "merge_version", "pith-open-graph-merge-v2"),
    "number-trailing-newline": form("number.form", "pith_number", f"{RECORD.number}\n"),
    "number-lower-case": form("number.form", "pith_number", str(RECORD.number).lower()),
    "canonical-sha256-upper-case": form("schema.hex", "canonical_sha256", RECORD.sha256.upper()),
    "canonical-sha256-trailing-newline": form(
        "schema.hex", "canonical_sha256", RECORD.sha256 + "\n"
    ),
    "event-is-text": form("schema.type", "events.1", "sha256"),
    "events-null": form("schema.type", "events", None),
}

EVERYBODY: Final = [REGISTRY.key_object, *(party.key_object for party in PARTIES)]
EVERY: Final = REGISTRY.bundle(events=every_place(), keys=EVERYBODY)
VALID: Final[dict[str, bytes]] = {
    "mint-and-snapshot": BUNDLE.to_bytes(),
    "mint-alone": REGISTRY.bundle(events=[CREATED]).to_bytes(),
    "pretty-printed": json.dumps(GOOD, indent=4).encode(),
    "members-sorted": canonical(GOOD),
    "beyond-ascii-escaped": json.dumps(
        REGISTRY.bundle(keys=[world.key_object(REGISTRY.signer, notes="clé 鍵 🗝")]).to_json()
    ).encode(),
    "built-10-minutes-ahead": REGISTRY.bundle(built=NOW.plus(seconds=600)).to_bytes(),
    "key-of-a-party-beside": REGISTRY.bundle(
        keys=[REGISTRY.key_object, world.key_object(AUTHOR, party=("author.example", "author"))]
    ).to_bytes(),
    "every-place-filled": EVERY.to_bytes(),
    "fork-of-a-party": REGISTRY.bundle(
        events=[
            *every_place(),
            *(
                READER.event("replication_record", REPLICATION | {"note": n}, prev=CREATED.event_id)
                for n in "ab"
            ),
        ],
        keys=EVERYBODY,
    ).to_bytes(),
    "no-mirrors": case("", "", put("mirror_hints", [])).data,
    "timestamp-proof": case("", "", put("timestamp_proofs", [PROOF])).data,
    "links-on-another-https-base": case("", "", each_link(elsewhere)).data,
    "aliases-dated-apart": case(
        "", "", put("source_aliases.3.created_at", "2026-06-02T00:00:00Z"), seal="events"
    ).data,
    "events-without-a-chain": REGISTRY.bundle(events=[CREATED, REGISTRY.snapshot()]).to_bytes(),
    "unapplied-fork": REGISTRY.bundle(
        events=[
            CREATED,
            SNAPSHOT,
            REGISTRY.snapshot(headline="fork", prev=CREATED.event_id),
        ]
    ).to_bytes(),
}


def vectors() -> world.Vectors:
    return world.Vectors(
        "bundle",
        {
            "about": "bundles of one test registry: a verifier who pins the key and reads at "
            "verified_at accepts those in valid/ and refuses those in invalid/, the named check "
            "being the first that fails. Those in invalid/ are signed again over what was "
            "changed: digests and signatures alone do not show it. The key is a test key whose "
            "seed is public: never trust it",
            **world.key_of_index(),
            "verified_at": NOW.seconds,
        },
        {name: (data, Bundle.parse(data).sha256) for name, data in VALID.items()},
        {name: (each.data, each.check, each.code) for name, each in INVALID.items()},
    )


# -- the tables ----------------------------------------------------------------


@pytest.mark.parametrize("name", VALID)
def test_a_good_bundle_is_accepted(name: str) -> None:
    report = examine_bundle(VALID[name], TERMS)

    assert report.ok, report.failure
    assert {verdict.verdict for verdict in report.verdicts} == {"valid"}


@pytest.mark.parametrize("name", INVALID)
def test_a_tampered_bundle_is_refused(name: str) -> None:
    wanted = INVALID[name]
    report = examine_bundle(wanted.data, TERMS)

    assert not report.ok
    assert world.first_failure(report) == (wanted.check, wanted.code)
    assert world.failed(report) == (wanted.check, *wanted.more)


def test_at_least_48_are_tampered_with_and_signed_again() -> None:
    signed_again = [each for each in INVALID.values() if each.seal != "nothing"]

    assert len(signed_again) >= 48
    assert len({each.data for each in INVALID.values()}) == len(INVALID)


def test_every_check_of_a_bundle_has_a_bad_one() -> None:
    report = examine_bundle(VALID["mint-and-snapshot"], TERMS)
    elsewhere_tested = {
        "json",
        "expect.subject",
        "expect.registry",
        "trust.pin",
        "keyset.fresh",
        "trust.key",
        "trust.verdicts",
        "event.chain",
    }

    assert {check.name for check in report.checks} - elsewhere_tested == {
        each.check for each in INVALID.values()
    }


# -- the files -----------------------------------------------------------------


def test_the_files_are_what_the_tables_make() -> None:
    assert world.on_disk("bundle") == vectors().files


@pytest.mark.parametrize("name", world.index_of("bundle")["valid"])
def test_a_valid_file(name: str) -> None:
    data = world.vector("bundle", "valid", name)
    report = examine_bundle(data, TERMS)

    assert report.ok, report.failure
    assert Bundle.parse(data).sha256 == world.index_of("bundle")["valid"][name]


@pytest.mark.parametrize("name", world.index_of("bundle")["invalid"])
def test_an_invalid_file(name: str) -> None:
    report = examine_bundle(world.vector("bundle", "invalid", name), TERMS)
    wanted = world.index_of("bundle")["invalid"][name]

    assert world.first_failure(report) == (wanted["check"], wanted["code"])


# -- layout --------------------------------------------------------------------


def test_it_is_served_as_one_line_of_compact_json() -> None:
    data = BUNDLE.to_bytes()

    assert b"\n" not in data
    assert b'": ' not in data
    assert Bundle.parse(data).to_bytes() == data == served_bytes(json.loads(data))


def test_the_layout_is_not_the_identity() -> None:
    names = ("mint-and-snapshot", "pretty-printed", "members-sorted")

    assert {Bundle.parse(VALID[name]).sha256 for name in names} == {BUNDLE.sha256}


def test_what_is_signed_is_the_digest_of_the_body() -> None:
    body = BundleBody.from_json({n: m for n, m in GOOD.items() if n != "bundle_signature"})

    assert bundle_message(body).hex() == BUNDLE.sha256
    assert len(bundle_message(body)) == 32


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"\xef\xbb\xbf" + VALID["mint-alone"], "json.utf8", id="byte-order-mark"),
        pytest.param(VALID["mint-alone"] + b"{}", "json.single", id="second-value"),
        pytest.param(VALID["mint-alone"][:-1], "json.syntax", id="truncated"),
        pytest.param(VALID["mint-alone"][:-1] + b',"links":{}}', "json.duplicate", id="duplicate"),
        pytest.param(b"", "json.syntax", id="empty"),
        pytest.param(b"[]", "json.single", id="list"),
    ],
)
def test_what_is_not_strict_json_is_refused_before_anything_else(data: bytes, code: str) -> None:
    report = examine_bundle(data, TERMS)

    assert world.first_failure(report) == ("json", code)
    assert {check.status for check in report.checks[1:]} == {"skipped"}
    with refused(code):
        report.require()


# -- the verifier's terms ------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "check"),
    [(600, ()), (601, ("bundle.clock",)), (660, ("bundle.clock",))],
    ids=["ten-minutes", "a-second-more", "eleven-minutes"],
)
def test_the_clock_allows_ten_minutes(ahead: int, check: tuple[str, ...]) -> None:
    at = Instant.parse_seconds(GOOD["built_at"]).plus(seconds=-ahead)

    assert world.failed(examine_bundle(BUNDLE.to_bytes(), replace(TERMS, at=at))) == check


@pytest.mark.parametrize(
    ("expect", "check"),
    [
        pytest.param(str(RECORD.number), (), id="number"),
        pytest.param(RECORD.number.suffix[:8], (), id="short"),
        pytest.param(f"10.48550/arxiv.{RECORD.source.id}", (), id="doi"),
        pytest.param(str(OTHER_RECORD.number), ("expect.subject",), id="other-number"),
        pytest.param(str(replace(RECORD.number, year=2025)), ("expect.subject",), id="other-year"),
        pytest.param(f"arxiv:{OTHER_RECORD.source.id}", ("expect.subject",), id="other-arxiv"),
    ],
)
def test_the_expected_record(expect: str, check: tuple[str, ...]) -> None:
    report = examine_bundle(BUNDLE.to_bytes(), replace(TERMS, expect=Reference.parse(expect)))

    assert world.failed(report) == check


@pytest.mark.parametrize(
    ("name", "check"),
    [(REGISTRY.name, ()), (OTHER_REGISTRY.name, ("expect.registry",))],
    ids=["same", "other"],
)
def test_the_expected_registry(name: str, check: tuple[str, ...]) -> None:
    report = examine_bundle(BUNDLE.to_bytes(), replace(TERMS, registry=name))

    assert world.failed(report) == check


# -- links ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "base",
    ["https://a.example", "https://a.example:8443", "https://a.example/x/y", "https://localhost"],
)
def test_links_on_any_https_base(base: str) -> None:
    value = world.changed(GOOD, put("links", links(base, RECORD.number)))

    assert examine_bundle(world.dump(world.reseal_bundle(value)), TERMS).ok


@pytest.mark.parametrize(
    "base",
    ["http://a.example", "https://a.example/", "https://A.example", "//a.example", ""],
)
def test_links_on_no_other_base(base: str) -> None:
    value = world.changed(GOOD, put("links", links(base, RECORD.number)))
    report = examine_bundle(world.dump(world.reseal_bundle(value)), TERMS)

    assert world.first_failure(report) == ("bundle.links", "schema.base_url")


# -- the report ----------------------------------------------------------------


def test_a_report_says_every_check_once() -> None:
    good = [check.name for check in examine_bundle(BUNDLE.to_bytes(), TERMS).checks]

    assert len(set(good)) == len(good)
    for each in INVALID.values():
        assert [check.name for check in examine_bundle(each.data, TERMS).checks] == good


def test_the_first_failure_is_what_is_raised() -> None:
    for name, kind in (
        ("short-number-of-another", MismatchError),
        ("unknown-member", MalformedError),
        ("bundle-signed-by-a-party", VerificationError),
    ):
        with refused(INVALID[name].code, kind):
            examine_bundle(INVALID[name].data, TERMS).require()
