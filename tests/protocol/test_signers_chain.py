"""Versions of a signers list as somebody is offered them, as files (section 11)."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import pytest

from registry.errors import PithError
from registry.protocol.signers import PREFIX, Signers, SignersBody
from registry.protocol.signers_chain import verify_chain
from tests import world
from tests.protocol.test_signers import (
    ENTRIES,
    FIRST,
    LINKS,
    NEXT,
    REVOKED_AT,
    SINCE,
    after,
    body,
)
from tests.world import OTHER_REGISTRY, REGISTRY


def sealed(of: SignersBody, who: world.Registry = REGISTRY) -> Signers:
    """A list as whoever holds a registry's key can sign it."""
    value = of.to_json()
    signature = {
        "key_id": who.key_id,
        "public_key_fingerprint": who.key.fingerprint,
        "signature_b64": world.by(who.signer, PREFIX + world.canonical(value)),
    }
    return Signers.from_json(value | {"signature": signature})


def revocation(**change: Any) -> list[Signers]:
    """Three versions; the third changes what the second says of a revoked key."""
    revoked, *others = NEXT.body.entries
    return [FIRST, NEXT, sealed(body(replace(revoked, **change), *others, after=NEXT.body))]


VALID: Final = {
    "alone": [FIRST],
    "two-versions": [FIRST, NEXT],
    "from-the-second-on": [NEXT],
    "held-already": [FIRST, NEXT, FIRST],
    "nothing-changed": [FIRST, sealed(after(*ENTRIES))],
    "compromised-since-moved-earlier": revocation(compromised_since=SINCE.plus(seconds=-1)),
}
INVALID: Final[dict[str, tuple[list[Signers], str]]] = {
    name: ([FIRST, sealed(of)], code) for name, (of, code) in LINKS.items()
} | {
    "status-backwards": (
        revocation(status="active", revoked_at=None, compromised_since=None),
        "signers.status",
    ),
    "compromised-since-moved-later": (
        revocation(compromised_since=SINCE.plus(seconds=1)),
        "signers.changed",
    ),
    "compromised-since-taken-back": (revocation(compromised_since=None), "signers.changed"),
    "revoked-at-moved": (
        revocation(revoked_at=REVOKED_AT.plus(seconds=1)),
        "signers.changed",
    ),
    "another-list-of-its-version": ([FIRST, NEXT, sealed(after(*ENTRIES))], "signers.fork"),
    "rolled-back": ([NEXT, FIRST], "signers.rollback"),
    "signed-by-another-registry": (
        [FIRST, sealed(NEXT.body, OTHER_REGISTRY)],
        "signers.signature",
    ),
    "another-registry": (
        [FIRST, sealed(replace(after(), registry=OTHER_REGISTRY.name), OTHER_REGISTRY)],
        "signers.registry",
    ),
}
BINDINGS: Final = REGISTRY.bindings | OTHER_REGISTRY.bindings


def document(lists: Sequence[Signers]) -> bytes:
    return world.dump({"lists": [each.to_json() for each in lists]})


def held(lists: Sequence[Signers]) -> str:
    """The versions that are held in the end: ``1, 2``."""
    return ", ".join(str(each.body.version) for each in verify_chain(lists, BINDINGS))


def vectors() -> world.Vectors:
    return world.Vectors(
        "signers_chain",
        {
            "about": "versions of the list of third parties as somebody is offered them, one after "
            "the other, who knows the keys of the registries named here; the first is taken as it "
            "is. Those in valid/ leave him with the versions given, in those in invalid/ the last "
            "is refused by the named rule. The keys are test keys whose seeds are public: never "
            "trust them",
            **world.key_of_index(),
            "other": world.key_of_index(OTHER_REGISTRY),
        },
        {name: (document(lists), held(lists)) for name, lists in VALID.items()},
        {name: (document(lists), code, code) for name, (lists, code) in INVALID.items()},
    )


def test_the_files_are_what_the_tables_make() -> None:
    assert world.on_disk("signers_chain") == vectors().files


def of_file(verdict: str, name: str) -> list[Signers]:
    value = json.loads(world.vector("signers_chain", verdict, name))
    return [Signers.from_json(each) for each in value["lists"]]


@pytest.mark.parametrize("name", world.index_of("signers_chain")["valid"])
def test_a_valid_file(name: str) -> None:
    assert held(of_file("valid", name)) == world.index_of("signers_chain")["valid"][name]


@pytest.mark.parametrize("name", world.index_of("signers_chain")["invalid"])
def test_an_invalid_file(name: str) -> None:
    *before, last = of_file("invalid", name)
    verify_chain(before, BINDINGS)

    with pytest.raises(PithError) as refused:
        verify_chain([*before, last], BINDINGS)
    assert refused.value.code == world.index_of("signers_chain")["invalid"][name]["code"]
