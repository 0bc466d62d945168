"""The shared vectors pith-negative: bad bundles, each refused by the check it should be."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from registry.protocol.bundle_checks import examine_bundle
from registry.protocol.checks import Report
from registry.protocol.instant import Instant
from registry.protocol.keys import PublicKey
from registry.protocol.trust import KeyPin, Terms
from tests.world import first_failure

LATER: Final = Instant.parse_seconds("2026-06-01T00:00:00Z")

REFUSED_BY: Final = {
    "bundle-swapped-key-self-consistent_fail": ("trust.key", "trust.key"),
    "key-hex-b64-mismatch_fail": ("bundle.public_keys", "key.fields"),
    "key-small-order_fail": ("bundle.public_keys", "key.point"),
    "record-tampered-bundle-resealed_fail": (
        "bundle.canonical_sha256",
        "bundle.canonical_sha256",
    ),
    "state-sha256-wrong_fail": ("bundle.state", "bundle.state"),
    "pith-number-wrong-year_fail": ("bundle.pith_number", "bundle.pith_number"),
    "alias-short-wrong_fail": ("bundle.aliases", "bundle.aliases"),
    "event-id-not-of-content_fail": ("event.id", "event.id"),
    "event-duplicated_fail": ("bundle.events", "bundle.events"),
    "xproto-event-signature-as-receipt_fail": ("bundle.record", "schema.members"),
    "sig-malleable-s-plus-l-bundle_fail": ("bundle.signature", "signature.malleable"),
    "sig-b64-padding-bits_fail": ("bundle.schema", "schema.base64"),
    "sig-b64-trailing-data_fail": ("bundle.schema", "schema.base64"),
    "sig-b64-no-padding_fail": ("bundle.schema", "schema.base64"),
    "sig-empty_fail": ("bundle.schema", "schema.base64"),
    "sig-algorithm-none_fail": ("bundle.schema", "schema.constant"),
    "sig-bundle-sha256-uppercase_fail": ("bundle.schema", "schema.hex"),
    "sig-missing_fail": ("bundle.schema", "schema.members"),
    "bundle-unknown-type_fail": ("bundle.schema", "schema.constant"),
    "time-built-at-before-events_fail": ("bundle.times", "bundle.times"),
    "json-duplicate-key_fail": ("json", "json.duplicate"),
    "json-utf16_fail": ("json", "json.utf8"),
    "json-nan_fail": ("json", "json.finite"),
    "json-lone-surrogate_fail": ("json", "json.surrogate"),
    "json-truncated_fail": ("json", "json.syntax"),
}
"""The first check that fails, and its code."""


@pytest.fixture(name="folder")
def _folder(vectors_dir: Path) -> Path:
    return vectors_dir / "pith-negative"


def index(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "index.json").read_bytes())
    return found


def examined(folder: Path, name: str) -> Report:
    facts = index(folder)
    key = PublicKey.from_hex(facts["test_public_key_hex"])
    assert key.fingerprint == facts["test_public_key_fingerprint"]
    pin = KeyPin("pith.science", facts["test_key_id"], key, "the test key of the index")
    return examine_bundle((folder / f"{name}.json").read_bytes(), Terms((pin,), LATER))


def test_the_table_the_index_and_the_folder_name_the_same_cases(folder: Path) -> None:
    cases = index(folder)["cases"]

    assert len(cases) == 26
    assert sorted(cases) == sorted(["happy-path", *REFUSED_BY])
    assert sorted(file.stem for file in folder.glob("*.json")) == sorted([*cases, "index"])


def test_the_good_bundle_is_accepted(folder: Path) -> None:
    report = examined(folder, "happy-path")

    assert report.ok, report.failure
    assert all(check.status == "ok" for check in report.checks)


@pytest.mark.parametrize("name", REFUSED_BY)
def test_a_bad_bundle_is_refused(folder: Path, name: str) -> None:
    report = examined(folder, name)

    assert not report.ok
    assert first_failure(report) == REFUSED_BY[name]
    assert report.failure is not None
    assert report.to_json()["ok"] is False
