"""Backup by shares: who may make them, when a drill is due, and a restore that is finished."""

from contextlib import closing
from dataclasses import replace

import apsw
import pytest

from registry.errors import PithError, StoreError
from registry.protocol.keys import PublicKey
from registry.services.desk import Desk
from registry.services.doctor import diagnose
from registry.services.shares import (
    Backup,
    drill,
    drill_due,
    last_drills,
    make_shares,
    restore,
)
from registry.signing.memory import MemoryKeyStore
from registry.signing.share_paper import Label, Paper
from registry.signing.shares import split
from registry.signing.signer import KeyStore
from registry.store.rows import KeyRow
from tests.services.registry import REGISTRY, SEED, World

DAY = 86_400
EVERY = 180 * DAY


class Elsewhere(MemoryKeyStore):
    """A second memory store under another name."""

    uri = "elsewhere:"


class Killed(BaseException):
    """The process ends here."""


def key_of(desk: Desk) -> str:
    """The key that signs."""
    return desk.active_key().key_id


def made(desk: Desk, *, again: bool = False, threshold: int = 3) -> tuple[Paper, ...]:
    """Shares of the key that signs."""
    return make_shares(
        desk, key_of(desk), threshold=threshold, count=5, again=again, at=desk.clock()
    )


def refused(act: object, *arguments: object, **options: object) -> str:
    """The code by which a call is refused."""
    with pytest.raises(PithError) as error:
        act(*arguments, **options)  # type: ignore[operator]
    assert error.value.hint
    return error.value.code


def put_back(
    desk: Desk,
    papers: tuple[Paper, ...],
    target: KeyStore,
    key_id: str = "",
    given: PublicKey | None = None,
) -> KeyRow:
    """A restore of the key that signs, or of another."""
    return restore(
        desk,
        key_id or key_of(desk),
        papers,
        target,
        given=given,
        usage="registry",
        at=desk.clock(),
    )


def of_another_key(seed: bytes = b"\1" * 32, key_id: str = "lab-v9") -> tuple[Paper, ...]:
    """Shares of a key that is not the one that signs."""
    store = MemoryKeyStore(REGISTRY)
    key = store.put(key_id, seed)
    label = Label(key_id, REGISTRY, key, 5, "2026-06-01")
    return tuple(Paper(s, label) for s in split(store, key_id, key, threshold=3, count=5))


def in_database(world: World, statement: str) -> None:
    """What somebody does to the database by hand."""
    with closing(apsw.Connection(str(world.config.store_path))) as db:
        db.execute(statement)


def test_shares_are_labelled_and_in_the_journal(desk: Desk) -> None:
    papers = made(desk)
    (act,) = desk.store.acts()

    assert act.act == "shares made"
    assert act.reason == f"set {papers[0].share.set_id}, 3 of 5"
    assert papers[4].label == Label(key_of(desk), REGISTRY, desk.active_key().key, 5, "2026-06-01")
    assert papers[4].name == f"{key_of(desk)}.share-5-of-5"


def test_a_set_is_made_once_and_remade(desk: Desk) -> None:
    assert refused(made, desk, again=True) == "shares.none"
    first = made(desk)
    assert refused(made, desk) == "shares.exist"
    made(desk, again=True, threshold=2)

    assert drill(desk, key_of(desk), first, at=desk.clock()).drilled is None
    key_id = "nobody-2026"
    assert (
        refused(make_shares, desk, key_id, threshold=2, count=3, again=False, at=desk.clock())
        == "key.absent"
    )


def test_a_drill_counts_from_its_day(world: World) -> None:
    desk = world.desk()
    assert last_drills(desk) == drill_due(desk, desk.clock()) == ()

    papers = made(desk)
    key_id, set_id = key_of(desk), papers[0].share.set_id
    assert drill_due(desk, desk.clock()) == (Backup(key_id, set_id, None),)

    at = world.clock.move(DAY)
    found = drill(desk, key_id, papers[1:4], at=at)
    assert found == Backup(key_id, set_id, at)
    assert found.due(EVERY) == at.plus(seconds=EVERY)
    assert drill_due(desk, at.plus(seconds=EVERY - 1)) == ()
    assert drill_due(desk, at.plus(seconds=EVERY)) == (found,)
    assert [(act.act, act.reason) for act in desk.store.acts()][1:] == [
        ("drill", f"set {set_id}, shares 2 3 4")
    ]

    made(desk, again=True)
    (due,) = drill_due(desk, at)
    assert due.drilled is None


def test_a_key_whose_journal_is_lost_is_drilled_all_the_same(desk: Desk) -> None:
    store = MemoryKeyStore(REGISTRY)
    key = store.put(key_of(desk), SEED)
    papers = tuple(Paper(s) for s in split(store, key_of(desk), key, threshold=2, count=3))

    found = drill(desk, key_of(desk), papers, at=desk.clock())

    assert found.drilled == desk.clock()
    assert last_drills(desk) == (found,)


@pytest.mark.parametrize(("uri", "wanted"), [("file:", True), ("pkcs11:token=pith", False)])
def test_a_recovery_key_wants_shares_where_they_can_be_made(
    desk: Desk, uri: str, wanted: bool
) -> None:
    key = MemoryKeyStore(REGISTRY).put("recovery-1", b"\2" * 32)
    desk.store.add_key(KeyRow("recovery-1", key, "recovery", uri, desk.clock()))

    assert drill_due(desk, desk.clock()) == ((Backup("recovery-1", None, None),) if wanted else ())


def test_doctor_says_what_is_due(world: World) -> None:
    desk = world.desk()

    def backup() -> tuple[str, str, str]:
        at = world.clock()
        found = {f.name: f for f in diagnose(world.desk, world.home, at)}["backup"]
        return found.status, found.text, found.hint

    assert backup() == ("ok", "no key has shares", "")
    papers = made(desk)
    key_id = key_of(desk)
    assert backup() == (
        "attention",
        f"a drill is due of {key_id} (never drilled)",
        f"pith shares drill {key_id}",
    )
    drill(desk, key_id, papers, at=world.clock())
    assert backup() == ("ok", f"drilled: {key_id}", "")
    drilled = world.clock().seconds
    world.clock.move(EVERY)
    assert backup()[:2] == ("attention", f"a drill is due of {key_id} (last drill {drilled})")
    key = MemoryKeyStore(REGISTRY).put("recovery-1", b"\2" * 32)
    drill(desk, key_id, papers, at=world.clock())
    desk.store.add_key(KeyRow("recovery-1", key, "recovery", "keyring:", world.clock()))
    assert backup()[1:] == (
        "a drill is due of recovery-1 (no shares)",
        "pith shares make recovery-1",
    )


def test_shares_that_say_they_are_of_another_key(desk: Desk) -> None:
    other = of_another_key()
    papers = made(desk)
    label = papers[0].label
    assert label is not None
    strange = tuple(Paper(p.share, replace(label, registry="other.example")) for p in papers)
    before = desk.store.acts()

    for act in (
        lambda shares: drill(desk, key_of(desk), shares, at=desk.clock()),
        lambda shares: put_back(desk, shares, Elsewhere(REGISTRY)),
    ):
        assert refused(act, other) == "shares.key"
        assert refused(act, tuple(Paper(p.share) for p in other)) == "shares.key"
        assert refused(act, strange) == "shares.registry"
        assert refused(act, papers[:2]) == "shares.few"
        assert refused(act, (*papers[:2], Paper(other[2].share))) == "shares.set"
    assert desk.store.acts() == before


# -- restore -------------------------------------------------------------------


def elsewhere(desk: Desk, there: KeyStore, here: KeyStore) -> None:
    """Give a desk a second key store."""
    stores = {there.uri: there, here.uri: here}
    object.__setattr__(desk, "key_store", lambda uri: stores[uri])


def test_a_key_is_restored_and_signs(world: World) -> None:
    desk, there = world.desk(), Elsewhere(REGISTRY)
    elsewhere(desk, there, world.keys)
    papers = made(desk)
    world.keys.erase(key_of(desk))

    row = put_back(desk, papers[2:], there)

    assert row.uri == there.uri
    assert desk.signer(desk.clock()).public_key == desk.active_key().key
    (found,) = last_drills(desk)
    assert found.drilled == desk.clock()
    assert put_back(desk, papers[:3], there) == row


@pytest.mark.parametrize("step", ["written", "kept", "noted"])
def test_an_interrupted_restore_is_finished_by_the_same_call(world: World, step: str) -> None:
    desk, there = world.desk(), Elsewhere(REGISTRY)
    papers = made(desk)
    world.keys.erase(key_of(desk))

    class Dying(Elsewhere):
        """The process ends within, or just after, its `put`."""

        def put(self, key_id: str, seed: bytes) -> PublicKey:
            if step == "written":
                there._write(key_id, seed)
                raise Killed
            found = there.put(key_id, seed)
            if step == "kept":
                raise Killed
            return found

    if step == "noted":
        stop = "CREATE TRIGGER stop BEFORE INSERT ON acts BEGIN SELECT RAISE(FAIL, 'stop'); END"
        in_database(world, stop)
    with pytest.raises(StoreError if step == "noted" else Killed):
        put_back(desk, papers, there if step == "noted" else Dying(REGISTRY))
    in_database(world, "DROP TRIGGER IF EXISTS stop")

    desk = world.desk()
    elsewhere(desk, there, world.keys)
    row = put_back(desk, papers, there)

    assert row.uri == there.uri
    assert desk.signer(desk.clock()).key_id == row.key_id
    assert [act.act for act in desk.store.acts()] == ["shares made", "restored"]


def test_a_place_that_keeps_nothing_is_not_noted(world: World) -> None:
    desk = world.desk()
    papers = made(desk)

    class Losing(Elsewhere):
        """Takes a seed and forgets it."""

        def _write(self, key_id: str, seed: bytes) -> None:
            pass

    assert refused(put_back, desk, papers, Losing(REGISTRY)) == "keystore.lost"
    row = desk.find_key(key_of(desk))
    assert row is not None
    assert row.uri == world.keys.uri
    assert [act.act for act in desk.store.acts()] == ["shares made"]


def test_a_home_that_does_not_know_the_key_wants_its_public_key(desk: Desk) -> None:
    papers = of_another_key()
    label = papers[0].label
    assert label is not None
    there = Elsewhere(REGISTRY)
    wrong = PublicKey.from_raw(desk.active_key().key.raw)

    assert refused(put_back, desk, papers, there, "lab-v9") == "key.absent"
    assert refused(put_back, desk, papers, there, "lab-v9", wrong) == "shares.key"
    assert desk.find_key("lab-v9") is None
    row = put_back(desk, papers, there, "lab-v9", label.public_key)
    assert (row.key_id, row.usage, row.uri) == ("lab-v9", "registry", there.uri)
    assert refused(put_back, desk, papers, there, "lab-v9", wrong) == "shares.key"


def test_a_key_has_one_id(desk: Desk) -> None:
    papers = tuple(Paper(paper.share) for paper in made(desk))

    code = refused(put_back, desk, papers, Elsewhere(REGISTRY), "again-1", desk.active_key().key)
    assert code == "key.exists"


def test_a_key_that_only_the_key_set_knows(world: World) -> None:
    """A registry rebuilt from what it published: the key set is there, where keys were is not."""
    desk, there = world.desk(), Elsewhere(REGISTRY)
    papers = made(desk)
    in_database(world, "DELETE FROM keys")

    row = put_back(desk, papers, there)

    assert (row.key_id, row.usage, row.uri) == (key_of(desk), "registry", there.uri)
    assert desk.find_key(row.key_id) == row
