"""How one version of a key set follows another (section 10), as a table of lives."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from registry.errors import ConflictError, PithError
from registry.protocol.instant import Instant
from registry.protocol.keyset import KeyEntry, KeySet, KeySetBody
from registry.protocol.keyset_chain import Chain, follow, verify_chain, verify_successor
from registry.signing.signer import SeedSigner
from tests import world
from tests.world import REGISTRY, SINCE

A: Final = REGISTRY.signer
B: Final = world.signer("successor", "example-2027-01")
C: Final = world.signer("another", "example-2028-01")
STRANGER: Final = world.signer("stranger", "stranger-2026-01")
R: Final = tuple(world.signer(f"recovery {n}", f"recovery-{n}") for n in (1, 2, 3))
LATER: Final = SINCE.plus(days=1)
COMMIT_B: Final = B.public_key.sha256.hex()
COMMIT_C: Final = C.public_key.sha256.hex()


def registry_key(who: SeedSigner, status: str = "active", **life: Any) -> KeyEntry:
    """A registry key's entry."""
    return world.entry(who, status=status, **life)


def recovery_key(who: SeedSigner, **life: Any) -> KeyEntry:
    """A recovery key's entry, active unless *life* says otherwise."""
    return world.entry(who, **({"usage": "recovery"} | life))


RECOVERY: Final = tuple(recovery_key(who) for who in R)
"""Three recovery keys, of which two are enough."""


def signed(
    body: KeySetBody, signers: Sequence[SeedSigner], *, twice: SeedSigner | None = None
) -> KeySet:
    """The set, signed by whoever: an attacker signs what a registry would not."""
    value = world.reseal_keyset(body.to_json() | {"signatures": []}, signers)
    if twice is not None:
        again = world.reseal_keyset(body.to_json() | {"signatures": []}, [twice])
        value["signatures"] += again["signatures"]
    return KeySet.from_json(value)


def first(*entries: KeyEntry, threshold: int = 2, **more: Any) -> KeySet:
    """Version 1 of these keys, signed by all of them."""
    body = world.keyset_body(*entries, threshold=threshold, **more)
    return signed(body, world.signers_of(body))


ONE: Final = first(registry_key(A, successor_key_sha256=COMMIT_B), *RECOVERY)
ALONE: Final = first(registry_key(A, successor_key_sha256=COMMIT_B), threshold=0)


def body_after(old: KeySet, *entries: KeyEntry, **more: Any) -> KeySetBody:
    """The next version's body: the keys of *old*, those in *entries* taking their places."""
    new = {entry.key_id: entry for entry in old.body.entries}
    new |= {entry.key_id: entry for entry in entries}
    following = replace(
        old.body,
        version=old.body.version + 1,
        created_at=LATER,
        expires_at=LATER.plus(days=365),
        prev_sha256=old.body.digest.hex(),
        entries=tuple(new.values()),
    )
    return replace(following, **more)


def after(
    old: KeySet, *entries: KeyEntry, by: Sequence[SeedSigner], **more: Any
) -> Callable[[], KeySet]:
    """The next version, signed *by*."""
    return lambda: signed(body_after(old, *entries, **more), by)


def entry_of(keyset: KeySet, who: SeedSigner, **change: Any) -> KeyEntry:
    """The entry of a key in a set, changed."""
    found = keyset.body.find(who.public_key)
    assert found is not None
    return replace(found, **change)


OLD_A: Final = entry_of(ONE, A)
ANNOUNCED_B: Final = registry_key(B, "announced")
ROTATED: Final = (replace(OLD_A, status="retiring"), registry_key(B))
REVOKED_A: Final = replace(OLD_A, status="revoked", revoked_at=LATER, compromised_since=SINCE)
RECOMMITTED_A: Final = replace(OLD_A, successor_key_sha256=COMMIT_C)
TWO: Final = signed(body_after(ONE, ANNOUNCED_B), [A, B])
"""A routine act: the committed successor is announced."""


@dataclass(frozen=True)
class Row:
    """A second version, and the act that made it or the code that refuses it."""

    offered: Callable[[], KeySet]
    outcome: str
    old: KeySet = ONE


ROWS: Final = {
    # -- good --------------------------------------------------------------
    "successor-announced": Row(lambda: TWO, "routine"),
    "successor-made-active": Row(after(ONE, *ROTATED, by=[A, B]), "routine"),
    "nothing-changed": Row(after(ONE, by=[A]), "routine"),
    "threshold-signs": Row(after(ONE, by=[R[0], R[2]]), "recovery"),
    "revoked-and-replaced": Row(
        after(ONE, REVOKED_A, registry_key(C), by=[R[0], R[1], C]), "recovery"
    ),
    "commitment-changed": Row(
        after(ONE, replace(OLD_A, successor_key_sha256=COMMIT_C), by=R[:2]), "recovery"
    ),
    "all-keys-replaced-at-once": Row(
        after(
            ONE,
            replace(OLD_A, status="retired", retired_at=LATER),
            *(replace(entry, status="retired", retired_at=LATER) for entry in RECOVERY),
            registry_key(C),
            recovery_key(STRANGER),
            threshold=1,
            by=[R[0], R[1], C, STRANGER],
        ),
        "recovery",
    ),
    "first-recovery-keys": Row(
        after(ALONE, *RECOVERY, threshold=2, by=[A, *R]), "first recovery keys", ALONE
    ),
    "routine-without-recovery-keys": Row(after(ALONE, ANNOUNCED_B, by=[A, B]), "routine", ALONE),
    # -- place -------------------------------------------------------------
    "skipped": Row(after(ONE, by=[A], version=3), "keyset.version"),
    "other-predecessor": Row(after(ONE, by=[A], prev_sha256="0" * 64), "keyset.prev"),
    "other-registry": Row(after(ONE, by=[A], registry="elsewhere.example"), "keyset.registry"),
    "created-earlier": Row(
        after(ONE, by=[A], created_at=SINCE.plus(seconds=-1), expires_at=LATER), "keyset.created"
    ),
    "lives-too-long": Row(after(ONE, by=[A], expires_at=LATER.plus(days=401)), "keyset.life"),
    # -- signers -----------------------------------------------------------
    "below-threshold": Row(after(ONE, RECOMMITTED_A, by=[R[0]]), "keyset.threshold_met"),
    "nobody": Row(after(ONE, by=[]), "keyset.signatures"),
    "one-signature-twice": Row(
        lambda: signed(body_after(ONE, RECOMMITTED_A), [R[0]], twice=R[0]), "keyset.signatures"
    ),
    "strangers-signature": Row(after(ONE, by=[A, STRANGER]), "keyset.signatures"),
    "wrong-signature": Row(
        lambda: replace(TWO, body=replace(TWO.body, created_at=LATER.plus(seconds=1))),
        "signature.wrong",
    ),
    "retired-recovery-key-counts-for-nothing": Row(
        after(
            first(
                OLD_A,
                RECOVERY[0],
                replace(RECOVERY[1], status="retired", retired_at=LATER),
                RECOVERY[2],
            ),
            by=[R[0], R[1]],
        ),
        "keyset.threshold_met",
        first(
            OLD_A,
            RECOVERY[0],
            replace(RECOVERY[1], status="retired", retired_at=LATER),
            RECOVERY[2],
        ),
    ),
    "announced-recovery-key-counts-for-nothing": Row(
        after(
            first(OLD_A, RECOVERY[0], replace(RECOVERY[1], status="announced"), RECOVERY[2]),
            by=[R[0], R[1]],
        ),
        "keyset.threshold_met",
        first(OLD_A, RECOVERY[0], replace(RECOVERY[1], status="announced"), RECOVERY[2]),
    ),
    "new-threshold-not-met": Row(
        after(ONE, recovery_key(STRANGER), threshold=4, by=[*R[:2], STRANGER]),
        "keyset.threshold_met",
    ),
    "no-proof-of-possession-of-an-added-key": Row(
        after(ONE, ANNOUNCED_B, by=[A]), "keyset.possession"
    ),
    "no-proof-of-possession-of-an-activated-key": Row(
        after(TWO, replace(OLD_A, status="retiring"), registry_key(B), by=[A]),
        "keyset.possession",
        TWO,
    ),
    # -- what a routine act may not do ---------------------------------------
    "registry-key-changes-the-commitment": Row(
        after(ONE, replace(OLD_A, successor_key_sha256=COMMIT_C), by=[A]), "keyset.routine"
    ),
    "registry-key-changes-the-threshold": Row(after(ONE, by=[A], threshold=1), "keyset.routine"),
    "registry-key-adds-a-recovery-key": Row(
        after(ONE, recovery_key(STRANGER), by=[A, STRANGER]), "keyset.routine"
    ),
    "registry-key-retires-a-recovery-key": Row(
        after(ONE, replace(RECOVERY[0], status="retired", retired_at=LATER), by=[A]),
        "keyset.routine",
    ),
    "registry-key-revokes": Row(
        after(ONE, replace(REVOKED_A, compromised_since=None), registry_key(B), by=[A, B]),
        "keyset.routine",
    ),
    "uncommitted-successor": Row(
        after(ONE, registry_key(C, "announced"), by=[A, C]), "keyset.routine"
    ),
    "uncommitted-made-active": Row(
        after(ONE, replace(OLD_A, status="retiring"), registry_key(C), by=[A, C]),
        "keyset.routine",
    ),
    "first-recovery-keys-and-more": Row(
        after(
            ALONE,
            entry_of(ALONE, A, successor_key_sha256=COMMIT_C),
            *RECOVERY,
            threshold=2,
            by=[A, *R],
        ),
        "keyset.routine",
        ALONE,
    ),
    # -- what nobody may do ---------------------------------------------------
    "status-backwards": Row(
        after(TWO, replace(OLD_A, status="announced"), registry_key(B), by=[*R[:2], B]),
        "keyset.status",
        TWO,
    ),
    "key-dropped": Row(after(ONE, by=R[:2], entries=ONE.body.entries[:-1]), "keyset.dropped"),
    "usage-widened": Row(
        after(
            ONE,
            replace(RECOVERY[2], usage="registry", status="retired", retired_at=LATER),
            by=R[:2],
        ),
        "keyset.changed",
    ),
    "valid-from-changed": Row(
        after(ONE, replace(OLD_A, valid_from=SINCE.plus(seconds=-1)), by=R[:2]), "keyset.changed"
    ),
    "one-key-under-two-ids": Row(
        after(
            ONE,
            registry_key(
                SeedSigner("second-name", world.seed_of("successor"), B.public_key), "announced"
            ),
            ANNOUNCED_B,
            by=[*R[:2], B],
        ),
        "keyset.keys",
    ),
    "threshold-zero-with-recovery-keys": Row(after(ONE, by=R[:2], threshold=0), "keyset.threshold"),
    "threshold-above-the-keys": Row(after(ONE, by=R[:2], threshold=4), "keyset.threshold"),
    "two-active-registry-keys": Row(after(ONE, registry_key(B), by=[*R[:2], B]), "keyset.keys"),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_second_version(name: str) -> None:
    row = ROWS[name]
    chain = follow((), row.old)
    if "." not in row.outcome:
        assert follow(chain, row.offered())[-1].act == row.outcome
        return
    with pytest.raises(PithError) as refused:
        follow(chain, row.offered())
    assert refused.value.code == row.outcome


THREE: Final = signed(
    body_after(TWO, replace(OLD_A, status="retiring"), registry_key(B), created_at=LATER), [A, B]
)


def versions(chain: Chain) -> list[tuple[int, str]]:
    return [(link.keyset.body.version, link.act) for link in chain]


def test_a_chain_of_three() -> None:
    assert versions(verify_chain([ONE, TWO, THREE])) == [
        (1, "first"),
        (2, "routine"),
        (3, "routine"),
    ]
    assert versions(verify_chain([TWO, THREE])) == [(2, "first"), (3, "routine")]


def test_a_set_already_held_changes_nothing() -> None:
    chain = verify_chain([ONE, TWO, THREE])

    for known in (ONE, TWO, THREE):
        assert follow(chain, known) == chain


RESCUE: Final = signed(body_after(ONE, REVOKED_A, registry_key(C)), [*R[:2], C])
"""A recovery act after a theft: the key is revoked and another takes its place."""
REVOKED: Final = signed(
    body_after(ONE, replace(REVOKED_A, compromised_since=LATER), registry_key(C)), [*R[:2], C]
)


REVOKED_FOR_EVER: Final = signed(
    body_after(ONE, replace(REVOKED_A, compromised_since=None), registry_key(C)), [*R[:2], C]
)
"""Revoked without a time: distrusted from its first day."""


def loosened(since: Instant) -> KeySet:
    """The version after REVOKED_FOR_EVER, in which a time is given after all."""
    held = entry_of(REVOKED_FOR_EVER, A, compromised_since=since)
    return signed(body_after(REVOKED_FOR_EVER, held), R[:2])


def compromised(since: Instant) -> KeySet:
    """The version after REVOKED, in which the key is distrusted since another time."""
    held = entry_of(REVOKED, A, compromised_since=since)
    return signed(body_after(REVOKED, held), R[:2])


ANNOUNCED_C: Final = signed(body_after(ONE, registry_key(C, "announced")), [*R[:2], C])
"""A recovery act may announce a key that nobody is committed to."""
ORDERS: Final[dict[str, tuple[list[KeySet], str]]] = {
    "gap": ([ONE, THREE], "keyset.version"),
    "reversed": ([TWO, ONE], "keyset.rollback"),
    "rolled-back": ([THREE, TWO], "keyset.rollback"),
    "another-first-version": ([ONE, first(registry_key(A), *RECOVERY)], "keyset.fork"),
    "two-routine-acts": ([ONE, TWO, signed(body_after(ONE), [A])], "keyset.fork"),
    "two-recovery-acts": (
        [ONE, signed(body_after(ONE), R[:2]), signed(body_after(ONE, RECOMMITTED_A), R[1:])],
        "keyset.fork",
    ),
    "already-displaced": ([ONE, signed(body_after(ONE), R[:2]), TWO], "keyset.rollback"),
    "compromised-since-moved-later": (
        [ONE, REVOKED, compromised(LATER.plus(seconds=1))],
        "keyset.changed",
    ),
    "compromised-since-given-after-revoked-from-the-first-day": (
        [ONE, REVOKED_FOR_EVER, loosened(LATER)],
        "keyset.changed",
    ),
    "uncommitted-announced-and-then-made-active": (
        [
            ONE,
            ANNOUNCED_C,
            signed(
                body_after(ANNOUNCED_C, replace(OLD_A, status="retiring"), registry_key(C)), [A, C]
            ),
        ],
        "keyset.routine",
    ),
    "displaced-by-a-rescue": ([ONE, TWO, THREE, RESCUE, TWO], "keyset.rollback"),
}


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_that_is_refused(name: str) -> None:
    order, code = ORDERS[name]
    with pytest.raises(PithError) as refused:
        verify_chain(order)
    assert refused.value.code == code
    is_conflict = code in ("keyset.fork", "keyset.rollback")
    assert isinstance(refused.value, ConflictError) == is_conflict


def test_a_recovery_act_displaces_a_thiefs_routine_act_and_those_after_it() -> None:
    chain = verify_chain([ONE, TWO, THREE, RESCUE])

    assert versions(chain) == [(1, "first"), (2, "recovery")]
    assert chain[-1].keyset == RESCUE
    with pytest.raises(ConflictError):
        follow(chain, TWO)


def test_the_thief_cannot_displace_a_recovery_act() -> None:
    with pytest.raises(ConflictError) as refused:
        verify_chain([ONE, RESCUE, TWO])
    assert refused.value.code == "keyset.rollback"


def test_compromised_since_moves_earlier() -> None:
    assert verify_successor(REVOKED, compromised(SINCE)) == "recovery"


# -- the files -----------------------------------------------------------------

GOOD_ORDERS: Final[dict[str, list[KeySet]]] = {
    "alone": [ONE],
    "three-versions": [ONE, TWO, THREE],
    "from-the-second-on": [TWO, THREE],
    "held-already": [ONE, TWO, THREE, ONE, TWO],
    "rescue-displaces-routine-acts": [ONE, TWO, THREE, RESCUE],
    "compromised-since-moved-earlier": [ONE, REVOKED, compromised(SINCE)],
    "revoked-from-the-first-day-and-said-so": [ONE, REVOKED_FOR_EVER, loosened(SINCE)],
}


def document(keysets: Sequence[KeySet]) -> bytes:
    return world.dump({"keysets": [keyset.to_json() for keyset in keysets]})


def acts(keysets: Sequence[KeySet]) -> str:
    """The chain in words: ``1 first, 2 recovery``."""
    return ", ".join(f"{number} {act}" for number, act in versions(verify_chain(keysets)))


def vectors() -> world.Vectors:
    rows = {name: ([row.old, row.offered()], row.outcome) for name, row in ROWS.items()}
    good = {name: order for name, (order, outcome) in rows.items() if "." not in outcome}
    bad = {name: row for name, row in rows.items() if name not in good} | ORDERS
    return world.Vectors(
        "keyset_chain",
        {
            "about": "versions of a key set as a verifier is offered them, one after the other; "
            "the first is what he pins. Those in valid/ come to the chain given (each version "
            "that is held, and the act that made it), those in invalid/ are refused by the named "
            "rule. The keys are test keys whose seeds are public: never trust them",
            **world.key_of_index(),
        },
        {name: (document(order), acts(order)) for name, order in (good | GOOD_ORDERS).items()},
        {name: (document(order), code, code) for name, (order, code) in bad.items()},
    )


def test_the_files_are_what_the_tables_make() -> None:
    assert world.on_disk("keyset_chain") == vectors().files


def of_file(verdict: str, name: str) -> list[KeySet]:
    value = json.loads(world.vector("keyset_chain", verdict, name))
    return [KeySet.from_json(each) for each in value["keysets"]]


@pytest.mark.parametrize("name", world.index_of("keyset_chain")["valid"])
def test_a_valid_file(name: str) -> None:
    assert acts(of_file("valid", name)) == world.index_of("keyset_chain")["valid"][name]


@pytest.mark.parametrize("name", world.index_of("keyset_chain")["invalid"])
def test_an_invalid_file(name: str) -> None:
    with pytest.raises(PithError) as refused:
        verify_chain(of_file("invalid", name))
    assert refused.value.code == world.index_of("keyset_chain")["invalid"][name]["code"]
