"""Events: the ten checks of section 8.1, each alone and in their order."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

import pytest

from registry.errors import PithError
from registry.protocol.canonical import JsonObject, canonical
from registry.protocol.event import Bindings, Event, EventBody, SignerRef, event_message
from registry.protocol.event_checks import EVENT_CHECKS, event_rows, examine_event
from registry.protocol.event_types import EVENT_TYPES
from registry.protocol.instant import Instant
from registry.protocol.strict_json import read_json
from tests import world
from tests.protocol import test_payloads
from tests.protocol.refusals import refused
from tests.world import (
    AT,
    OTHER_RECORD,
    OTHER_REGISTRY,
    RECORD,
    REGISTRY,
    drop,
    flip,
    put,
)

NUMBER: Final = RECORD.number
AUTHOR: Final = world.signer("author", "author-2026-01")
AUTHOR_REF: Final = SignerRef(
    "author.example", "author", "author-2026-01", AUTHOR.public_key.fingerprint
)
BINDINGS: Final[Bindings] = test_payloads.BINDINGS | {AUTHOR_REF: AUTHOR.public_key}

CREATED: Final = REGISTRY.record_created().to_json()
SNAPSHOT: Final = REGISTRY.snapshot(prev=CREATED["event_id"]).to_json()
LATER: Final = AT.plus(days=30)
REISSUE: Final = REGISTRY.record_created(
    reissued=LATER, supersedes=[CREATED["event_id"]], prev=SNAPSHOT["event_id"]
).to_json()
IDS: Final = [f"sha256:{n:064x}" for n in range(80)]


def spoilt(
    base: JsonObject,
    *changes: world.Change,
    seal: bool = True,
    who: Any = REGISTRY.signer,
) -> JsonObject:
    """An event changed, with digest, id and signature put right unless *seal* is False."""
    value = world.changed(base, *changes)
    return world.reseal_event(value, who) if seal else value


def said(where: str, new: Any, base: JsonObject = SNAPSHOT) -> JsonObject:
    """An event that says something else and is sealed."""
    return spoilt(base, put(where, new))


def written(where: str, new: Any, base: JsonObject = SNAPSHOT) -> JsonObject:
    """An event whose seal is another."""
    return spoilt(base, put(where, new), seal=False)


def payload(where: str, new: Any) -> JsonObject:
    """A record_created with another member in its payload, sealed."""
    return said(f"payload.{where}", new, CREATED)


def receipt(*changes: world.Change, seal: bool = False, base: JsonObject = CREATED) -> JsonObject:
    """A record_created with another receipt in it, sealed."""
    value = world.changed(base, *(_inside(change) for change in changes))
    if seal:
        world.reseal_receipt(value["payload"]["receipt"])
    return world.reseal_event(value)


def _inside(change: world.Change) -> world.Change:
    return lambda value: change(value["payload"]["receipt"])


def sized(size: int) -> JsonObject:
    """A graph_snapshot of *size* canonical bytes, sealed."""
    where = "payload.graph_snapshot.paper.headline"
    empty = len(canonical(said(where, "")))
    return said(where, "h" * (size - empty))


def parties(signer_type: str) -> JsonObject:
    """A snapshot that the author signs as *signer_type*."""
    member = replace(AUTHOR_REF, signer_type=signer_type).to_json()
    return spoilt(
        SNAPSHOT,
        put("signer", member),
        put("signature.key_id", AUTHOR.key_id),
        put("signature.public_key_fingerprint", AUTHOR.public_key.fingerprint),
        who=AUTHOR,
    )


VALID: Final[dict[str, JsonObject]] = {
    "record-created": CREATED,
    "graph-snapshot": SNAPSHOT,
    "reissue": REISSUE,
    "prev-event-null": REGISTRY.snapshot().to_json(),
    "supersedes-64": said("supersedes", IDS[:64]),
    "of-64-kibibytes": sized(64 << 10),
    "signed-at-another-time": written("signature.signed_at", "2026-06-01T12:30:00.000000Z"),
    "verdict-id-text": said("payload.verdict_id", "v-1"),
    "paper-with-unknown-member": said("payload.graph_snapshot.paper.note", {"any": [1.5, None]}),
    **test_payloads.VALID,
}

FORM: Final = "event.schema"
INVALID: Final[dict[str, tuple[JsonObject, str, str]]] = {
    # form
    "unknown-member": (said("note", "x"), FORM, "schema.members"),
    "missing-member": (spoilt(SNAPSHOT, drop("target")), FORM, "schema.members"),
    "unknown-member-in-signer": (said("signer.note", "x"), FORM, "schema.members"),
    "unknown-member-in-signature": (written("signature.note", "x"), FORM, "schema.members"),
    "unknown-member-in-payload": (said("payload.note", "x"), FORM, "schema.members"),
    "unknown-member-in-snapshot": (said("payload.graph_snapshot.note", 1), FORM, "schema.members"),
    "type-unknown": (said("event_type", "vote"), FORM, "event.type"),
    "type-number": (said("event_type", 1), FORM, "schema.type"),
    "target-of-another-type": (said("target", "record"), FORM, "event.target"),
    "schema-version-1.1": (said("schema_version", "1.1"), FORM, "schema.constant"),
    "schema-version-float": (said("schema_version", 1.0), FORM, "schema.constant"),
    "subject-short": (said("subject_pith_number", NUMBER.short), FORM, "number.form"),
    "subject-lower-case": (said("subject_pith_number", str(NUMBER).lower()), FORM, "number.form"),
    "subject-trailing-newline": (said("subject_pith_number", f"{NUMBER}\n"), FORM, "number.form"),
    "signer-type-unknown": (said("signer.signer_type", "registry"), FORM, "schema.constant"),
    "signer-id-with-space": (said("signer.signer_id", "registry example"), FORM, "schema.name"),
    "signer-null": (said("signer", None), FORM, "schema.type"),
    "created-at-with-fraction": (
        said("created_at", "2026-06-01T12:01:00.000000Z"),
        FORM,
        "schema.time",
    ),
    "created-at-trailing-newline": (
        said("created_at", "2026-06-01T12:01:00Z\n"),
        FORM,
        "schema.time",
    ),
    "signed-at-in-seconds": (
        written("signature.signed_at", "2026-06-01T12:01:00Z"),
        FORM,
        "schema.time",
    ),
    "supersedes-unsorted": (said("supersedes", [IDS[1], IDS[0]]), FORM, "event.supersedes"),
    "supersedes-repeated": (said("supersedes", [IDS[1], IDS[1]]), FORM, "event.supersedes"),
    "supersedes-65": (said("supersedes", IDS[:65]), FORM, "event.supersedes"),
    "supersedes-null": (said("supersedes", None), FORM, "schema.type"),
    "supersedes-bare-hex": (said("supersedes", [IDS[1][7:]]), FORM, "schema.event_id"),
    "prev-event-upper-case": (said("prev_event", "SHA256:" + "A" * 64), FORM, "schema.event_id"),
    "prev-event-trailing-newline": (said("prev_event", IDS[1] + "\n"), FORM, "schema.event_id"),
    "prev-event-empty": (said("prev_event", ""), FORM, "schema.event_id"),
    "of-64-kibibytes-and-one": (sized((64 << 10) + 1), FORM, "event.size"),
    "snapshot-digest-of-an-empty-list-wrong": (
        said("payload.graph_snapshot.claims.snapshot_sha256", "0" * 64),
        FORM,
        "graph.snapshot_sha256",
    ),
    "snapshot-builder-version-null": (
        said("payload.graph_snapshot.builder_version", None),
        FORM,
        "schema.type",
    ),
    "verdict-id-number": (said("payload.verdict_id", 1), FORM, "schema.type"),
    "source-version-true": (payload("source_version", True), FORM, "schema.type"),
    "source-version-float": (payload("source_version", 1.0), FORM, "schema.type"),
    "attestation-state-other": (payload("attestation_state", "attested"), FORM, "schema.constant"),
    "signed-message-of-a-bundle": (
        written("signature.signed_message", "bundle_sha256_bytes"),
        FORM,
        "schema.constant",
    ),
    "algorithm-none": (written("signature.algorithm", "none"), FORM, "schema.constant"),
    "signature-spare-bits": (
        written("signature.signature_b64", world.spare_bits),
        FORM,
        "schema.base64",
    ),
    "content-sha256-upper-case": (written("content_sha256", str.upper), FORM, "schema.hex"),
    "event-id-trailing-newline": (
        written("event_id", lambda text: text + "\n"),
        FORM,
        "schema.event_id",
    ),
    # subject, digest, id
    "about-another-record": (
        REGISTRY.snapshot(OTHER_RECORD, "Another small world").to_json(),
        "event.subject",
        "event.subject",
    ),
    "about-another-year": (
        said("subject_pith_number", str(replace(NUMBER, year=2025))),
        "event.subject",
        "event.subject",
    ),
    "content-changed": (
        written("payload.graph_snapshot.paper.headline", "changed"),
        "event.digest",
        "event.digest",
    ),
    "content-sha256-of-another": (written("content_sha256", flip), "event.digest", "event.digest"),
    "event-id-of-another": (
        written("event_id", lambda text: "sha256:" + flip(text[7:])),
        "event.id",
        "event.id",
    ),
    # signer
    "key-not-bound": (OTHER_REGISTRY.snapshot().to_json(), "event.signer", "event.signer"),
    "registry-name-not-bound": (
        said("signer.signer_id", "elsewhere.example"),
        "event.signer",
        "event.signer",
    ),
    "key-bound-to-another-type": (parties("mirror"), "event.signer", "event.signer"),
    "key-id-not-that-of-the-key": (
        spoilt(
            SNAPSHOT,
            put("signer.key_id", "example-2026-02"),
            put("signature.key_id", "example-2026-02"),
        ),
        "event.signer",
        "event.signer",
    ),
    "fingerprint-not-that-of-the-key": (
        spoilt(
            SNAPSHOT,
            put("signer.public_key_fingerprint", flip),
            put("signature.public_key_fingerprint", flip),
        ),
        "event.signer",
        "event.signer",
    ),
    "author-signs-a-snapshot": (parties("author"), "event.allowed", "event.allowed"),
    "signature-key-id-of-another": (
        written("signature.key_id", "example-2026-02"),
        "event.signature_key",
        "event.signature_key",
    ),
    "signature-fingerprint-of-another": (
        written("signature.public_key_fingerprint", flip),
        "event.signature_key",
        "event.signature_key",
    ),
    # signature
    "signature-of-another-key": (
        spoilt(SNAPSHOT, who=OTHER_REGISTRY.signer),
        "event.signature",
        "signature.wrong",
    ),
    "signature-of-another-event": (
        written("signature.signature_b64", CREATED["signature"]["signature_b64"]),
        "event.signature",
        "signature.wrong",
    ),
    "signature-plus-l": (
        written("signature.signature_b64", world.plus_l),
        "event.signature",
        "signature.malleable",
    ),
    "signature-r-of-small-order": (
        written("signature.signature_b64", world.small_order_r),
        "event.signature",
        "signature.small_order",
    ),
    # record
    "record-digest-of-another": (
        payload("canonical_sha256", OTHER_RECORD.sha256),
        "event.record",
        "event.record",
    ),
    "record-of-another-number": (
        payload("canonical_record", OTHER_RECORD.to_json()),
        "event.record",
        "event.record",
    ),
    "record-with-unknown-member": (
        payload("canonical_record.event_type", "record_created"),
        "event.record",
        "schema.members",
    ),
    "source-kind-other": (payload("source_kind", "doi"), "event.record", "event.record"),
    "source-id-other": (payload("source_id", "2601.00001"), "event.record", "event.record"),
    "source-version-other": (payload("source_version", 2), "event.record", "event.record"),
    # receipt
    "receipt-with-unknown-member": (
        receipt(put("note", "x")),
        "event.receipt",
        "schema.members",
    ),
    "receipt-of-another-record": (
        receipt(put("canonical_sha256", OTHER_RECORD.sha256), seal=True),
        "event.receipt",
        "receipt.record",
    ),
    "receipt-of-an-unbound-key": (
        payload("receipt", OTHER_REGISTRY.receipt().to_json()),
        "event.receipt",
        "event.receipt",
    ),
    "receipt-of-a-party": (
        receipt(
            put("key_id", AUTHOR.key_id),
            put("public_key_fingerprint", AUTHOR.public_key.fingerprint),
            put("signature_b64", world.by(AUTHOR, RECORD.digest)),
        ),
        "event.receipt",
        "event.receipt",
    ),
    "receipt-signature-wrong": (
        receipt(put("signature_b64", world.by(OTHER_REGISTRY.signer, RECORD.digest))),
        "event.receipt",
        "signature.wrong",
    ),
    "receipt-times-out-of-order": (
        receipt(put("signed_at", AT.plus(seconds=-1).micro_text)),
        "event.receipt",
        "receipt.times",
    ),
    "created-a-second-after-first-computed": (
        said("created_at", AT.plus(seconds=1).seconds, CREATED),
        "event.schema",
        "event.times",
    ),
    "created-a-second-before-first-computed": (
        said("created_at", AT.plus(seconds=-1).seconds, CREATED),
        "event.receipt",
        "event.receipt",
    ),
    "reissue-created-at-first-computed": (
        said("created_at", AT.seconds, REISSUE),
        "event.receipt",
        "event.receipt",
    ),
    "reissue-that-supersedes-nothing": (
        said("supersedes", [], REISSUE),
        "event.receipt",
        "event.receipt",
    ),
    **test_payloads.INVALID,
}


def vectors() -> world.Vectors:
    return world.Vectors(
        "event",
        {
            "about": "events about one record, each judged by itself with the keys of signers: "
            "those in valid/ pass the ten checks and have the event_id given, those in invalid/ "
            "fail first at the named check. The keys are test keys whose seeds are public: "
            "never trust them",
            **world.key_of_index(),
            "signers": [
                ref.to_json() | {"public_key_hex": key.hex} for ref, key in BINDINGS.items()
            ],
            "pith_number": str(NUMBER),
        },
        {name: (world.dump(value), value["event_id"]) for name, value in VALID.items()},
        {name: (world.dump(value), check, code) for name, (value, check, code) in INVALID.items()},
    )


@pytest.mark.parametrize("name", VALID)
def test_a_good_event_is_accepted(name: str) -> None:
    found = examine_event(VALID[name], NUMBER, BINDINGS)

    assert found.failed is None, found.error
    assert found.error is None
    assert found.identity == VALID[name]["event_id"]
    assert found.event is not None
    assert found.event.to_json() == VALID[name]


@pytest.mark.parametrize("name", INVALID)
def test_a_bad_event_is_refused(name: str) -> None:
    value, check, code = INVALID[name]
    found = examine_event(value, NUMBER, BINDINGS)

    assert found.error is not None
    assert (found.failed, found.error.code) == (check, code)


def test_every_check_has_a_bad_event() -> None:
    assert {check for _, check, _ in INVALID.values()} == set(EVENT_CHECKS)


# -- the files -----------------------------------------------------------------


def test_the_files_are_what_the_tables_make() -> None:
    assert world.on_disk("event") == vectors().files


@pytest.mark.parametrize("name", world.index_of("event")["valid"])
def test_a_valid_file(name: str) -> None:
    event = Event.parse(world.vector("event", "valid", name))
    found = examine_event(event.to_json(), NUMBER, BINDINGS)

    assert found.failed is None, found.error
    assert found.identity == world.index_of("event")["valid"][name]


@pytest.mark.parametrize("name", world.index_of("event")["invalid"])
def test_an_invalid_file(name: str) -> None:
    document = read_json(world.vector("event", "invalid", name))
    found = examine_event(document.value, NUMBER, BINDINGS, document.canonical)
    wanted = world.index_of("event")["invalid"][name]

    assert found.error is not None
    assert (found.failed, found.error.code) == (wanted["check"], wanted["code"])


# -- the order of the checks ---------------------------------------------------

ELSEWHERE: Final = OTHER_RECORD.number


def wrong_at(checks: Iterable[str]) -> tuple[str | None, PithError | None]:
    """Where a record_created fails that is wrong in each of *checks*."""
    wrong = set(checks)
    ref = AUTHOR_REF if "event.allowed" in wrong else REGISTRY.ref
    who = AUTHOR if "event.allowed" in wrong else REGISTRY.signer
    bindings = {
        replace(REGISTRY.ref, signer_id=ref.signer_id): REGISTRY.key,
        ref: who.public_key,
    }
    value = world.changed(CREATED, put("signer", ref.to_json()))
    value["signature"] |= {"key_id": ref.key_id, "public_key_fingerprint": ref.fingerprint}
    steps: dict[str, Callable[[], None]] = {
        "event.schema": lambda: put("schema_version", "1.1")(value),
        "event.record": lambda: put("payload.source_version", 2)(value),
        "event.receipt": lambda: put("payload.receipt.signature_b64", world.b64(bytes(64)))(value),
    }
    for check in wrong & steps.keys():
        steps[check]()
    world.reseal_event(value, OTHER_REGISTRY.signer if "event.signature" in wrong else who)
    if "event.digest" in wrong:
        put("content_sha256", flip)(value)
    if "event.id" in wrong:
        put("event_id", IDS[1])(value)
    if "event.signature_key" in wrong:
        put("signature.key_id", "another-key")(value)
    if "event.signer" in wrong:
        bindings = {}
    found = examine_event(value, ELSEWHERE if "event.subject" in wrong else NUMBER, bindings)
    return found.failed, found.error


def test_nothing_wrong_passes() -> None:
    assert wrong_at(()) == (None, None)


@pytest.mark.parametrize("check", EVENT_CHECKS)
def test_each_check_refuses_alone(check: str) -> None:
    assert wrong_at([check])[0] == check


@pytest.mark.parametrize("place", range(10), ids=EVENT_CHECKS)
def test_the_first_check_that_fails_is_the_reason(place: int) -> None:
    assert wrong_at(EVENT_CHECKS[place:])[0] == EVENT_CHECKS[place]


def test_rows_stop_at_the_first_check_that_failed() -> None:
    copies = [
        examine_event(INVALID[name][0], NUMBER, BINDINGS)
        for name in ("signature-plus-l", "content-changed")
    ]
    rows = [(row.name, row.status) for row in event_rows(copies)]

    assert rows[:3] == [("event.schema", "ok"), ("event.subject", "ok"), ("event.digest", "fail")]
    assert [name for name, status in rows if status == "fail"] == [
        "event.digest",
        "event.signature",
    ]
    assert {status for _, status in rows[3:]} == {"skipped", "fail"}


# -- identity and times --------------------------------------------------------


def test_the_identity_is_of_what_the_event_says() -> None:
    body = EventBody.from_json(
        {
            name: member
            for name, member in SNAPSHOT.items()
            if name not in ("signature", "content_sha256", "event_id")
        }
    )

    assert SNAPSHOT["event_id"] == "sha256:" + event_message(body).hex()
    for spoil in ("signature-plus-l", "event-id-of-another", "content-sha256-of-another"):
        found = examine_event(INVALID[spoil][0], NUMBER, BINDINGS)
        assert found.identity == SNAPSHOT["event_id"]


@pytest.mark.parametrize("micros", [0, 1, 250_000, 999_999])
def test_created_at_is_first_computed_at_cut_to_seconds(micros: int) -> None:
    first = Instant(AT.whole.micros + micros)
    event = REGISTRY.record_created(first=first)

    assert event.body.created_at == AT.whole
    assert examine_event(event.to_json(), NUMBER, BINDINGS).failed is None


def test_a_reissue_keeps_first_computed_at() -> None:
    held = REISSUE["payload"]["receipt"]

    assert held["first_computed_at"] == CREATED["payload"]["receipt"]["first_computed_at"]
    assert (
        REISSUE["created_at"]
        == LATER.seconds
        == Instant.parse_micros(held["last_reissued_at"]).seconds
    )


def test_a_receipt_may_be_of_another_key_of_the_same_registry() -> None:
    older = replace(REGISTRY, key_id="example-2025-01")
    value = world.changed(CREATED, put("payload.receipt", older.receipt().to_json()))
    world.reseal_event(value)

    assert examine_event(value, NUMBER, BINDINGS).failed == "event.receipt"
    assert examine_event(value, NUMBER, REGISTRY.bindings | older.bindings).failed is None


def test_the_types_stand_in_the_order_of_their_rank() -> None:
    order = (
        "record_created",
        "graph_snapshot",
        "author_attestation",
        "timestamp_anchor",
        "storage_attestation",
        "citation_signature",
        "replication_record",
        "correction",
        "mirror_hint",
    )

    assert list(EVENT_TYPES) == [name for name in order if name in EVENT_TYPES]
    assert all(row.signers >= {"pith_registry"} for row in EVENT_TYPES.values())


@pytest.mark.parametrize(
    "data",
    [b"[]", b"{}", b"1", b"", RECORD.canonical],
    ids=["list", "empty-object", "number", "nothing", "record"],
)
def test_what_is_no_event_is_refused_when_read(data: bytes) -> None:
    code = {b"": "json.syntax", b"[]": "json.single", b"1": "json.single"}.get(
        data, "schema.members"
    )
    with refused(code):
        Event.parse(data)
