"""Parties: who is listed, and who is not."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from registry.errors import ConflictError, PithError, UntrustedKeyError
from registry.protocol.instant import Instant
from registry.protocol.keys import KeyObject
from registry.protocol.keyset_chain import verify_chain as follow_keysets
from registry.protocol.signers import Enrolment, SignerEntry, Signers, SignersBody
from registry.protocol.signers_chain import verify_chain
from registry.protocol.trust import KeySetPin, Terms
from registry.services.desk import Desk
from registry.services.distrust import choose_heir, compromised_body, distrust
from registry.services.event_import import import_party_events
from registry.services.find import merged
from registry.services.mint import mint
from registry.services.parties import end, enrol, find_entries, request_enrolment
from registry.services.restore import check_lists
from registry.services.rotation import next_step, take_step
from registry.signing.documents import sign_enrolment, sign_signers
from registry.signing.memory import MemoryKeyStore
from registry.signing.signer import SeedSigner
from tests import world
from tests.payloads import CITATION
from tests.services.registry import RECORD, REGISTRY, SEED, World
from tests.world import AUTHOR, MIRROR, Party


def asked(party: Party, registry: str = REGISTRY) -> Enrolment:
    return sign_enrolment(party.signer, party.key_object, registry=registry)


def enrolled(desk: Desk, party: Party = AUTHOR) -> Signers:
    return enrol(desk, desk.signer(desk.clock()), asked(party), at=desk.clock())[0]


def ended(desk: Desk, name: str, ending: str, since: Instant | None = None) -> Signers:
    signer = desk.signer(desk.clock())
    entries = find_entries(desk, name)
    return end(desk, signer, entries, ending, since=since, at=desk.clock())[0]  # type: ignore[arg-type]


def refused(code: str, act: Callable[[], object]) -> None:
    with pytest.raises(PithError) as caught:
        act()
    assert caught.value.code == code


def test_the_list_grows_version_by_version(desk: Desk) -> None:
    first, second = enrolled(desk), enrolled(desk, MIRROR)

    assert verify_chain([first, second], desk.own_bindings()) == (first, second)
    assert desk.store.find_signers() == second
    assert set(desk.bindings()) == {*desk.own_bindings(), AUTHOR.ref, MIRROR.ref}
    assert [line.digest for line in desk.store.signatures() if line.kind == "signers"] == [
        first.body.digest,
        second.body.digest,
    ]
    assert desk.store.unjournaled() == desk.store.undocumented() == []


def test_enrolling_twice_signs_nothing(desk: Desk) -> None:
    first = enrolled(desk)
    again, new = enrol(desk, desk.signer(desk.clock()), asked(AUTHOR), at=desk.clock())

    assert (again, new) == (first, False)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda: asked(AUTHOR, "elsewhere.example"), "party.registry"),
        (lambda: replace(asked(AUTHOR), proof=bytes(64)), "signature.small_order"),
        (lambda: replace(asked(AUTHOR), proof=asked(MIRROR).proof), "signature.wrong"),
        (lambda: asked(replace(AUTHOR, name=REGISTRY)), "signers.registry_name"),
        (lambda: asked(replace(AUTHOR, name="orcid:0000-0002-1825-0098")), "schema.orcid"),
        (lambda: asked(replace(AUTHOR, signer_type="mirror")), "party.orcid"),
    ],
    ids=["registry", "no-proof", "proof-of-another", "our-name", "checksum", "orcid-of-a-mirror"],
)
def test_who_is_not_enrolled(desk: Desk, spoil: Callable[[], Enrolment], code: str) -> None:
    def act() -> object:
        return enrol(desk, desk.signer(desk.clock()), spoil(), at=desk.clock())

    refused(code, act)
    assert desk.store.find_signers() is None


def test_a_binding_is_for_ever(desk: Desk) -> None:
    enrolled(desk)
    ended(desk, AUTHOR.name, "retired")
    other_name = replace(AUTHOR.key_object, signer_id="orcid:0000-0001-5109-3700")
    mirror = SeedSigner(AUTHOR.key_id, world.seed_of(f"{MIRROR.name} {MIRROR.key_id}"), MIRROR.key)
    other_key = KeyObject(AUTHOR.key_id, MIRROR.key, None, "", "", "m.example", "mirror")
    for key, who in (
        (other_name, AUTHOR.signer),
        (other_key, mirror),
    ):
        made = sign_enrolment(who, key, registry=REGISTRY)
        refused(
            "party.key",
            lambda made=made: enrol(desk, desk.signer(desk.clock()), made, at=desk.clock()),
        )


def test_our_own_key_is_no_partys(desk: Desk) -> None:
    key = desk.active_key()
    signer = SeedSigner(key.key_id, SEED, key.key)
    for key_id in (key.key_id, "another-id"):
        who = SeedSigner(key_id, SEED, key.key)
        mine = replace(key, key_id=key_id, signer_id="m.example", signer_type="mirror")
        made = sign_enrolment(who, mine, registry=REGISTRY)
        refused("party.key", lambda made=made: enrol(desk, signer, made, at=desk.clock()))


def test_retired_and_revoked_are_for_ever(world: World, desk: Desk) -> None:
    first = enrolled(desk)
    retired = ended(desk, AUTHOR.key_id, "retired")
    since = world.clock()
    world.clock.move(60)
    revoked = ended(desk, AUTHOR.name, "revoked", since)
    earlier = ended(desk, AUTHOR.name, "revoked", since.plus(days=-1))

    assert len(verify_chain([first, retired, revoked, earlier], desk.own_bindings())) == 4
    assert ended(desk, AUTHOR.name, "retired") == earlier
    (entry,) = earlier.body.entries
    assert (entry.status, entry.revoked_at) == ("revoked", since.plus(seconds=60).whole)
    assert entry.compromised_since == since.plus(days=-1).whole
    refused("signers.changed", lambda: ended(desk, AUTHOR.name, "revoked", since))
    assert AUTHOR.ref in desk.bindings()


def test_of_two_enrolments_at_once_one_wins(world: World, desk: Desk) -> None:
    other = world.desk()
    signers = enrolled(desk)
    stale = replace(signers, body=replace(signers.body, entries=()))
    with pytest.raises(ConflictError) as caught:
        other.store.add_signers(stale, at=world.clock())
    assert caught.value.code == "signers.moved"
    assert desk.store.find_signers() == signers


def test_a_newcomer_makes_a_key_and_proves_it(desk: Desk) -> None:
    store = MemoryKeyStore(REGISTRY)
    made = request_enrolment(
        store,
        "reader-2026",
        registry=REGISTRY,
        signer_id="reader.example",
        signer_type="third_party",
        seed=bytes(32),
    )
    signers, new = enrol(desk, desk.signer(desk.clock()), made, at=desk.clock())

    assert new
    assert signers.body.entries[0].key.key == store.find("reader-2026")


def test_what_a_revoked_key_says_is_kept_apart(world: World, desk: Desk) -> None:
    signer = desk.signer(desk.clock())
    mint(desk, signer, [RECORD], at=desk.clock())
    payload = CITATION | {"citing": str(RECORD.number)}
    enrolled(desk)
    since = desk.clock().plus(seconds=60)
    before = AUTHOR.event("citation_signature", payload, of=RECORD, at=desk.clock())
    after = AUTHOR.event("citation_signature", payload, of=RECORD, at=since, prev=before.event_id)
    world.clock.move(120)
    ended(desk, AUTHOR.name, "revoked", since)
    terms = Terms((KeySetPin(desk.keyset(), "ours"),), desk.clock())
    sent = [("one", before.canonical), ("two", after.canonical)]

    outcome = import_party_events(desk, terms, "a file", sent)

    assert outcome.refused == ()
    assert [(row.name, row.verdict) for row in outcome.quarantined] == [
        (before.event_id, "unproven"),
        (after.event_id, "invalid"),
    ]
    assert len(merged(desk, RECORD.number).events) == 1


@pytest.mark.parametrize(
    ("thief", "told"),
    [
        (world.REGISTRY.signer, "registry key, revoked"),
        (world.signer("recovery 1", "recovery-1"), "recovery key, active"),
    ],
    ids=["revoked", "recovery"],
)
def test_a_rebuilt_home_takes_no_list_that_a_thief_wrote_last(thief: SeedSigner, told: str) -> None:
    registry = world.REGISTRY
    heir = world.Registry(registry.name, "example-2027-01")
    gone = {"revoked_at": world.NOW.whole, "compromised_since": world.NOW.whole, "reason": "stolen"}
    keyset = world.keyset(registry.entry(status="revoked", **gone), heir.entry(), world.recovery(1))

    def listed(who: SeedSigner, old: Signers | None, *parties: Party) -> Signers:
        entries = [
            SignerEntry(each.key_object, "active", None, None, asked(each, registry.name).proof)
            for each in parties
        ]
        version, prev = (1, None) if old is None else (2, old.body.digest.hex())
        return sign_signers(who, SignersBody(registry.name, version, prev, tuple(entries)))

    chain = follow_keysets([keyset])
    first = listed(registry.signer, None, AUTHOR)
    forged = listed(thief, listed(heir.signer, None, AUTHOR), AUTHOR, MIRROR)
    newer = listed(heir.signer, first, AUTHOR, MIRROR)

    assert check_lists(chain, lines(first, newer)) == (first, newer)
    with pytest.raises(UntrustedKeyError, match=told) as caught:
        check_lists(chain, lines(listed(heir.signer, None, AUTHOR), forged))
    assert caught.value.code == "init.signers"
    assert check_lists(chain, b"") == ()


def lines(*lists: Signers) -> bytes:
    return b"".join(world.dump(each.to_json()) + b"\n" for each in lists)


def test_the_next_key_signs_the_list_anew(world: World, desk: Desk) -> None:
    seeds = iter(bytes([number]) * 32 for number in range(91, 99))
    enrolled(desk)
    for name in ("announce", "activate", "retire"):
        step = next_step(desk, name)  # type: ignore[arg-type]
        take_step(desk, step, world.keys, seed=bytes([90]) * 32, at=world.clock.move(60))
    rotated = desk.store.find_signers()
    assert rotated is not None
    assert (rotated.body.version, rotated.signature.key_id) == (2, desk.active_key().key_id)

    stolen = desk.active_key().key_id
    world.recovery(desk, "safe:")
    heir = choose_heir(
        desk, stolen, world.keys, named=None, new_seed=lambda: next(seeds), at=world.clock.move(1)
    )
    body = compromised_body(
        desk,
        stolen,
        heir,
        since=world.clock().plus(seconds=-5),
        reason="gone",
        threshold=None,
        at=world.clock.move(1),
    )
    distrust(desk, body, stolen, reason="gone", at=world.clock())

    newest = desk.store.find_signers()
    assert newest is not None
    assert newest.body.entries == rotated.body.entries
    assert (newest.body.version, newest.signature.key_id) == (3, desk.active_key().key_id)
    assert desk.active_key().key_id != stolen
