"""Mint: three steps that each survive a crash."""

import pytest

from registry.errors import ConflictError, KeyUnavailableError, StoreError
from registry.protocol.receipt import verify_receipt
from registry.services.append import add_graph_snapshot
from registry.services.bundle import build_bundle
from registry.services.desk import Desk
from registry.services.find import merged
from registry.services.mint import finish_interrupted, mint, receipt_of
from registry.signing.signer import SeedSigner
from registry.store import sql
from tests.cli.lab import record
from tests.services.registry import RECORD, START, World, finished, paper


@pytest.fixture(name="engine_url")
def _engine_url(store_url: str | None) -> str | None:
    """Each engine in turn."""
    return store_url


def test_a_mint_gives_a_receipt_that_verifies_and_an_event_that_merges(desk: Desk) -> None:
    signer = desk.signer(desk.clock())

    (minted,) = mint(desk, signer, [RECORD], at=START)

    assert minted.new
    verify_receipt(minted.receipt, RECORD, signer.public_key)
    receipt = minted.receipt
    assert receipt.first_computed_at == receipt.last_reissued_at == receipt.signed_at == START
    (event,) = merged(desk, RECORD.number).events
    assert event.body.created_at == START.whole
    assert event.body.prev_event is None
    assert event.body.payload["receipt"] == receipt.to_json()
    assert desk.store.find_head(RECORD.number.suffix, desk.registry) == event.event_id


def test_a_record_minted_before_keeps_its_receipt(world: World, desk: Desk) -> None:
    (first,) = mint(desk, desk.signer(desk.clock()), [RECORD], at=START)

    (again,) = mint(desk, desk.signer(desk.clock()), [RECORD], at=world.clock.move(86_400))

    assert not again.new
    assert again.receipt == first.receipt
    assert desk.store.count_minted() == 1


def test_a_batch_of_old_new_and_repeated_keeps_its_order(desk: Desk) -> None:
    mint(desk, desk.signer(desk.clock()), [record(2)], at=START)
    wanted = [record(3), record(2), record(1), record(3)]

    minted = mint(desk, desk.signer(desk.clock()), wanted, at=START)

    assert [each.record for each in minted] == wanted
    assert [each.new for each in minted] == [True, False, True, False]
    assert minted[0].receipt == minted[3].receipt


def test_no_records_are_no_work(desk: Desk) -> None:
    assert mint(desk, desk.signer(desk.clock()), [], at=START) == []


def test_an_interrupted_mint_is_finished_with_the_time_of_its_first_claim(
    world: World, desk: Desk
) -> None:
    records = [record(i) for i in range(1, 6)]
    desk.store.claim_mints(records[:3], at=START)
    desk.store.close()
    later = world.clock.move(3600)
    desk = world.desk()

    minted = mint(desk, desk.signer(desk.clock()), records, at=later)

    assert [each.receipt.first_computed_at for each in minted] == [START] * 3 + [later] * 2
    assert [each.new for each in minted] == [True] * 5
    assert desk.store.count_intents() == 0
    assert desk.store.count_minted() == 5


def test_what_was_claimed_and_not_given_again_is_finished_by_itself(
    world: World, desk: Desk
) -> None:
    desk.store.claim_mints([record(i) for i in range(1, 1203)], at=START)
    world.clock.move(3600)

    assert finished(desk) == 1202

    assert desk.store.count_intents() == 0
    assert receipt_of(desk, record(7)).first_computed_at == START
    assert finished(desk) == 0


def test_a_claim_that_cannot_be_finished_does_not_stop_the_others(world: World, desk: Desk) -> None:
    desk.store.claim_mints([RECORD, record(2)], at=START)
    for lost in ("A" * 26, "7" * 26):
        values = {"subject": lost, "prev": b"", "at": START.micros, "body": b""}
        desk.store._rows(sql.ADD_INTENT, values)

    outcomes = list(finish_interrupted(desk, desk.signer(desk.clock()), at=desk.clock()))

    assert [type(outcome) for outcome in outcomes].count(StoreError) == 2
    assert len(outcomes) == 4
    assert desk.store.count_minted() == 2
    assert desk.store.count_intents() == 2


def test_a_claimed_record_is_not_found_before_it_is_minted(desk: Desk) -> None:
    desk.store.claim_mints([RECORD], at=START)

    assert desk.store.records_by_prefix(RECORD.number.suffix[:8], 5) == []
    assert desk.store.records_by_source("arxiv", RECORD.source.id) == []
    assert list(desk.store.records()) == []
    assert desk.store.count_minted() == 0


class Failing(SeedSigner):
    """A signer whose key goes away after so many signatures."""

    left = 0

    def _sign(self, message: bytes) -> bytes:
        if self.left == 0:
            raise KeyUnavailableError("the key is gone", code="key.gone", hint="find it")
        self.left -= 1
        return super()._sign(message)


@pytest.mark.parametrize("left", [0, 1, 3])
def test_a_key_that_goes_away_in_the_middle(world: World, desk: Desk, left: int) -> None:
    active = desk.active_key()
    failing = Failing(active.key_id, bytes(range(32)), active.key)
    failing.left = left
    records = [record(i) for i in range(1, 4)]

    with pytest.raises(KeyUnavailableError):
        mint(desk, failing, records, at=START)

    assert desk.store.count_minted() == 0
    assert desk.store.count_intents() == 3
    minted = mint(desk, desk.signer(desk.clock()), records, at=world.clock.move(60))
    assert {each.receipt.first_computed_at for each in minted} == {START}


def test_two_desks_that_mint_the_same_have_one_receipt(world: World, desk: Desk) -> None:
    """The second claims between the first's claim and its store."""
    other = world.desk()
    desk.store.claim_mints([RECORD], at=START)
    (second,) = mint(other, other.signer(other.clock()), [RECORD], at=world.clock.move(5))
    (first,) = mint(desk, desk.signer(desk.clock()), [RECORD], at=world.clock.move(5))

    assert first.receipt == second.receipt
    assert first.receipt.first_computed_at == START
    assert (second.new, first.new) == (True, False)


def test_every_signature_is_in_the_journal_once(world: World, desk: Desk) -> None:
    signer = desk.signer(desk.clock())
    mint(desk, signer, [RECORD, record(2)], at=START)
    mint(desk, signer, [RECORD], at=START)
    add_graph_snapshot(desk, signer, RECORD, paper(), at=world.clock.move(5))
    bundle = build_bundle(desk, signer, RECORD, at=world.clock.move(5))

    lines = list(desk.store.signatures())

    assert [line.kind for line in lines] == [
        "keyset",
        *("receipt", "event", "receipt", "event"),
        "event",
        "bundle",
    ]
    assert lines[0].digest == desk.keyset().body.digest
    assert lines[1].digest == RECORD.digest
    assert lines[-1].digest.hex() == bundle.sha256
    assert {line.key_id for line in lines} == {signer.key_id}
    assert desk.store.last_signed_at() == world.clock()


def test_a_clock_behind_the_last_signature_signs_nothing(world: World, desk: Desk) -> None:
    mint(desk, desk.signer(world.clock()), [RECORD], at=world.clock.move(86_400))

    with pytest.raises(ConflictError) as caught:
        desk.signer(START)

    assert caught.value.code == "clock.backwards"
    assert caught.value.hint


def test_a_claim_of_long_ago_is_minted_with_the_time_of_now(world: World, desk: Desk) -> None:
    desk.store.claim_mints([RECORD], at=START)
    later = world.clock.move(3 * 86_400)

    assert finished(desk) == 1

    assert receipt_of(desk, RECORD).first_computed_at == later
    assert desk.store.count_intents() == 0


def test_past_its_promised_rotation_a_key_signs_only_with_a_reason_that_is_kept(
    world: World, desk: Desk
) -> None:
    rotates_at = desk.active_key().rotates_at
    assert rotates_at is not None
    world.clock.at = rotates_at
    mint(desk, desk.signer(desk.clock()), [RECORD], at=desk.clock())

    at = world.clock.move(1)
    for reason in (None, "", "  "):
        with pytest.raises(KeyUnavailableError) as refused:
            desk.signer(at, reason)
        assert refused.value.code == "key.past_rotation"
    assert desk.store.acts() == []

    (minted,) = mint(desk, desk.signer(at, "the ceremony is on Monday"), [record(2)], at=at)
    assert minted.new
    (act,) = desk.store.acts()
    assert (act.key_id, act.reason, act.at) == (
        desk.active_key().key_id,
        "the ceremony is on Monday",
        at,
    )
