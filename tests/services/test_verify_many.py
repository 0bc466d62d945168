"""What documents of one run share is known by its bytes, never by its name."""

import json
from dataclasses import dataclass

from registry.protocol.trust import Terms
from registry.services.verify_many import Frame, Given, Outcome, verify_many
from registry.signing.signer import SeedSigner
from tests.world import NOW, REGISTRY, Registry, dump, entry, keyset, put, reseal_bundle, signer


@dataclass(frozen=True, slots=True)
class Thief(Registry):
    """Somebody who signs under the registry's name and key_id with a key of his own."""

    @property
    def signer(self) -> SeedSigner:
        return signer("thief", self.key_id)


THIEF = Thief()
GOOD = REGISTRY.bundle().to_bytes()
FORGED = THIEF.bundle().to_bytes()


def outcomes(terms: Terms, *documents: bytes) -> list[Outcome]:
    given = [Given("all.jsonl", i, data, named=True) for i, data in enumerate(documents, 1)]
    return list(verify_many(given, Frame(terms)))


def codes(terms: Terms, *documents: bytes) -> list[str]:
    return [found.error.code if found.error else "" for found in outcomes(terms, *documents)]


def test_a_forged_key_under_the_same_name_is_not_taken_for_the_one_before() -> None:
    for terms in (REGISTRY.terms, Terms((REGISTRY.keyset_pin(REGISTRY.entry()),), NOW)):
        assert codes(terms, GOOD, FORGED, GOOD) == ["", "trust.key", ""]
        assert codes(terms, FORGED, GOOD, FORGED) == ["trust.key", "", "trust.key"]


def test_a_key_object_that_was_edited_is_not_the_one_before() -> None:
    value = json.loads(GOOD)
    put("public_keys.0.fingerprint_sha256_b32_first128bits", "A" * 26)(value)
    edited = dump(reseal_bundle(value))

    assert codes(REGISTRY.terms, GOOD, edited, GOOD) == ["", "key.fields", ""]
    (found,) = (each for each in outcomes(REGISTRY.terms, GOOD, edited) if each.error)
    assert found.error is not None
    assert found.error.path == "$.public_keys[0].fingerprint_sha256_b32_first128bits"


def test_a_pin_of_another_run_is_not_remembered() -> None:
    assert codes(REGISTRY.terms, GOOD) == [""]
    assert codes(Terms((), NOW), GOOD) == ["trust.pin"]
    assert codes(THIEF.terms, GOOD, FORGED) == ["trust.key", ""]


def test_a_forged_key_set_under_the_same_name_is_not_the_pinned_one() -> None:
    pinned = REGISTRY.keyset_pin(REGISTRY.entry())
    forged = keyset(entry(THIEF.signer), registry=REGISTRY.name)
    documents = (dump(pinned.keyset.to_json()), dump(forged.to_json()), GOOD, FORGED)

    assert codes(Terms((pinned,), NOW), *documents) == ["", "trust.pin", "", "trust.key"]
