"""What a verifier brings, and what then comes of good documents: sections 9.1 and 9.4 as files."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from registry.protocol.bundle_checks import examine_bundle
from registry.protocol.canonical import JsonObject, canonical
from registry.protocol.checks import Report
from registry.protocol.document_checks import (
    examine_event_document,
    examine_keyset_document,
    examine_receipt_document,
)
from registry.protocol.evidence import Evidence, Timestamps
from registry.protocol.instant import Instant
from registry.protocol.number import Reference
from registry.protocol.signers_checks import examine_signers_document
from registry.protocol.trust import KeyPin, KeySetPin, Pin, Terms, parse_pin
from tests import world
from tests.protocol import test_signers as parties
from tests.world import AT, NOW, OTHER_RECORD, OTHER_REGISTRY, RECORD, REGISTRY

DAY: Final = AT.plus(days=1).whole
"""After everything in the test documents was made."""
DOCUMENTS: Final[dict[str, tuple[str, JsonObject]]] = {
    "bundle": ("bundle", REGISTRY.bundle().to_json()),
    "bundle-of-two-chains": (
        "bundle",
        REGISTRY.bundle(events=[REGISTRY.record_created(), REGISTRY.snapshot()]).to_json(),
    ),
    "record-created": ("event", REGISTRY.record_created().to_json()),
    "snapshot": ("event", REGISTRY.history()[1].to_json()),
    "receipt": ("receipt", REGISTRY.receipt().to_json()),
    "event-of-no-form": ("event", REGISTRY.history()[1].to_json() | {"note": ""}),
    "receipt-beside-no-record": ("receipt", REGISTRY.receipt().to_json()),
    "keyset": ("keyset", world.keyset().to_json()),
    "signers": ("signers", parties.FIRST.to_json()),
}
"""Name to (kind, document): each is good by itself, but for the two whose names say what not."""
RECORDS: Final = {"receipt": RECORD.to_json(), "receipt-beside-no-record": {"source": None}}
"""What goes with a receipt."""
LIVES: Final[dict[str, dict[str, Any]]] = {
    "active": {},
    "retiring": {"status": "retiring"},
    "retired-later": {"status": "retired", "retired_at": DAY},
    "retired-before": {"status": "retired", "retired_at": AT.plus(days=-1).whole},
    "retired-then": {"status": "retired", "retired_at": AT.whole},
    "valid-later": {"valid_from": DAY},
    "valid-from-then": {"valid_from": AT.whole},
    "announced": {"status": "announced"},
    "revoked": {"status": "revoked", "revoked_at": DAY},
    "compromised-later": {"status": "revoked", "revoked_at": DAY, "compromised_since": DAY},
    "compromised-between": {
        "status": "revoked",
        "revoked_at": DAY,
        "compromised_since": AT.plus(seconds=30).whole,
    },
    "of-another-usage": {"usage": "recovery"},
}
"""Lives of the registry's key in a pinned key set."""
_HEIR: Final = world.signer("successor", "example-2027-01")


def keyset_terms(name: str) -> Terms:
    """A verifier who pins a key set in which the registry's key has the life *name*."""
    entry = REGISTRY.entry(**LIVES[name])
    is_active = entry.status == "active" and entry.usage == "registry"
    return world.terms(REGISTRY.keyset_pin(entry, *([] if is_active else [world.entry(_HEIR)])))


def dated(terms: Terms, when: Instant) -> Terms:
    """The same verifier with evidence that every test document existed at *when*."""
    found = [
        Evidence(hashlib.sha256(canonical(value)).hexdigest(), moment, "an authority", b"", "")
        for _, value in DOCUMENTS.values()
        for moment in (when, when.plus(days=1))
    ]
    return replace(terms, timestamps=Timestamps.of(found))


_KEY: Final = world.terms(REGISTRY.pin)
_ANYONES: Final = replace(REGISTRY.pin, registry=None)
_OTHER: Final = KeyPin(REGISTRY.name, "another-key", OTHER_REGISTRY.key, "a test")
_EXPECTED: Final = {
    "number": str(RECORD.number),
    "suffix-in-lower-case": RECORD.number.suffix.lower(),
    "first-8": RECORD.number.suffix[:8],
    "first-16": RECORD.number.suffix[:16],
    "another-year": f" pith:2025:{RECORD.number.suffix[:12]} ",
    "arxiv-id": f"arXiv:{RECORD.source.id}",
    "version": f"{RECORD.source.id}v1",
    "another-version": f"https://arxiv.org/abs/{RECORD.source.id}v2",
    "doi": f"10.48550/arXiv.{RECORD.source.id}",
    "another-number": str(OTHER_RECORD.number),
}
TERMS: Final[dict[str, Terms]] = (
    {f"key-{name}": keyset_terms(name) for name in LIVES}
    | {
        f"key-{name}-seen-{when}": dated(keyset_terms(name), moment)
        for name in LIVES
        for when, moment in (("before", DAY.plus(seconds=-1)), ("then", DAY))
    }
    | {
        f"expecting-{name}": replace(_KEY, expect=Reference.parse(typed))
        for name, typed in _EXPECTED.items()
    }
    | {
        "key-pinned": _KEY,
        "no-pin": world.terms(),
        "key-pinned-for-anyone": world.terms(_ANYONES),
        "key-pinned-for-anyone-beside-another": world.terms(_ANYONES, _OTHER),
        "another-key-pinned": world.terms(_OTHER),
        "key-set-beside-a-key": world.terms(REGISTRY.pin, keyset_terms("revoked").pins[0]),
        "expecting-its-registry": replace(_KEY, registry=REGISTRY.name),
        "expecting-another-registry": replace(_KEY, registry=OTHER_REGISTRY.name),
        "read-a-day-earlier": replace(_KEY, at=AT.plus(days=-1)),
        "read-10-minutes-earlier": replace(_KEY, at=world.BUILT_AT.whole.plus(seconds=-600)),
        "read-after-it-expired": replace(keyset_terms("active"), at=NOW.plus(days=400)),
        "expired-and-accepted": replace(
            keyset_terms("active"), at=NOW.plus(days=400), accept_expired=True
        ),
        "two-key-sets-that-differ": world.terms(
            REGISTRY.keyset_pin(), REGISTRY.keyset_pin(days=300)
        ),
        "its-own-pin": world.terms(KeySetPin(world.keyset(), "a test")),
    }
)


def examined(kind: str, data: bytes, terms: Terms, record: bytes = RECORD.canonical) -> Report:
    """The report of a document of one kind; *record* goes with a receipt."""
    if kind == "receipt":
        return examine_receipt_document(data, record, terms)
    examine: Callable[[bytes, Terms], Report] = {
        "bundle": examine_bundle,
        "event": examine_event_document,
        "keyset": examine_keyset_document,
        "signers": examine_signers_document,
    }[kind]
    return examine(data, terms)


def words(report: Report) -> str:
    """The verdicts of a report, in order."""
    return ", ".join(verdict.verdict for verdict in report.verdicts)


# -- the files -----------------------------------------------------------------

_MANY: Final = ("bundle", "record-created", "receipt")
_FEW: Final = {
    "bundle-of-two-chains": ("key-pinned", "key-active"),
    "snapshot": ("key-pinned", "key-active", "expecting-arxiv-id", "expecting-number"),
    "event-of-no-form": ("key-pinned",),
    "receipt-beside-no-record": ("key-pinned",),
    "keyset": (
        "its-own-pin",
        "key-pinned",
        "expecting-another-registry",
        "expired-and-accepted",
        "read-after-it-expired",
    ),
    "signers": ("key-pinned", "key-active", "key-revoked", "no-pin", "expecting-another-registry"),
}
CASES: Final = [
    *((name, terms) for name in _MANY for terms in TERMS),
    *((name, terms) for name, several in _FEW.items() for terms in several),
]
"""(document, terms) of each file."""


def terms_json(terms: Terms) -> JsonObject:
    """What a verifier brings, as a file says it."""
    return {
        "pins": [_pin_json(pin) for pin in terms.pins],
        "at": terms.at.seconds,
        "max_ahead": terms.max_ahead,
        "expect": terms.expect and terms.expect.typed,
        "registry": terms.registry,
        "accept_expired": terms.accept_expired,
        "evidence": [
            {"sha256": sha256, "before": found.before.seconds, "authority": found.authority}
            for sha256, found in terms.timestamps.dated.items()
        ],
    }


def _pin_json(pin: Pin) -> JsonObject:
    if isinstance(pin, KeySetPin):
        return {"keyset": pin.keyset.to_json()}
    return {"registry": pin.registry, "key_id": pin.key_id, "public_key_hex": pin.key.hex}


def terms_of(value: JsonObject) -> Terms:
    """The terms that a file says."""
    pins: list[Pin] = []
    for pin in value["pins"]:
        if "keyset" in pin:
            pins.append(parse_pin(canonical(pin["keyset"]), "the file"))
        else:
            found = KeyPin.parse_pair(f"{pin['key_id']}={pin['public_key_hex']}")
            pins.append(replace(found, registry=pin["registry"]))
    evidence = [
        Evidence(e["sha256"], Instant.parse_seconds(e["before"]), e["authority"], b"", "")
        for e in value["evidence"]
    ]
    return Terms(
        tuple(pins),
        Instant.parse_seconds(value["at"]),
        value["max_ahead"],
        None if value["expect"] is None else Reference.parse(value["expect"]),
        value["registry"],
        value["accept_expired"],
        Timestamps.of(evidence),
    )


def vectors() -> world.Vectors:
    valid: dict[str, tuple[bytes, str]] = {}
    invalid: dict[str, tuple[bytes, str, str]] = {}
    for document, brought in CASES:
        kind, value = DOCUMENTS[document]
        terms = TERMS[brought]
        name = f"{document}-{brought}"
        file = {"kind": kind, "document": value, "terms": terms_json(terms)}
        if document in RECORDS:
            file["record"] = RECORDS[document]
        report = examined(kind, world.dump(value), terms, world.dump(file.get("record", {})))
        if report.ok:
            valid[name] = (world.dump(file), words(report))
        else:
            invalid[name] = (world.dump(file), *world.first_failure(report))
    return world.Vectors(
        "terms",
        {
            "about": "good documents, and what a verifier brings: pins, his time, what he expects, "
            "and outside evidence of time (that whatever has a digest existed before a time). "
            "Those in valid/ pass every check, with the verdicts given in order; those in "
            "invalid/ fail first at the named check. The keys are test keys whose seeds are "
            "public: never trust them",
            **world.key_of_index(),
        },
        valid,
        invalid,
    )


def test_the_files_are_what_the_tables_make() -> None:
    assert world.on_disk("terms") == vectors().files


def report_of(verdict: str, name: str) -> Report:
    value = json.loads(world.vector("terms", verdict, name))
    record = world.dump(value.get("record", {}))
    return examined(value["kind"], world.dump(value["document"]), terms_of(value["terms"]), record)


@pytest.mark.parametrize("name", world.index_of("terms")["valid"])
def test_a_valid_file(name: str) -> None:
    report = report_of("valid", name)

    assert report.ok, report.failure
    assert words(report) == world.index_of("terms")["valid"][name]


@pytest.mark.parametrize("name", world.index_of("terms")["invalid"])
def test_an_invalid_file(name: str) -> None:
    wanted = world.index_of("terms")["invalid"][name]

    assert world.first_failure(report_of("invalid", name)) == (wanted["check"], wanted["code"])


# -- what the files must say ---------------------------------------------------


def test_the_verdicts_of_section_9_4() -> None:
    """Written out by hand for the bundle: the receipt, two events, and the bundle itself."""
    wanted = {
        "active": "valid, valid, valid, valid",
        "retiring": "valid, valid, valid, valid",
        "retired-later": "valid, valid, valid, valid",
        "retired-before": "invalid, invalid, invalid, invalid",
        "retired-then": "valid, valid, invalid, invalid",
        "valid-later": "invalid, invalid, invalid, invalid",
        "valid-from-then": "valid, valid, valid, valid",
        "announced": "invalid, invalid, invalid, invalid",
        "revoked": "invalid, invalid, invalid, invalid",
        "compromised-later": "unproven, unproven, unproven, unproven",
        "compromised-between": "unproven, unproven, invalid, invalid",
        "of-another-usage": "invalid, invalid, invalid, invalid",
    }
    bundle = world.dump(DOCUMENTS["bundle"][1])

    assert {n: words(examine_bundle(bundle, TERMS[f"key-{n}"])) for n in LIVES} == wanted
    proven = examine_bundle(bundle, TERMS["key-compromised-later-seen-before"])
    assert words(proven) == "proven, proven, proven, proven"
    late = examine_bundle(bundle, TERMS["key-compromised-later-seen-then"])
    assert words(late) == "unproven, unproven, unproven, unproven"
