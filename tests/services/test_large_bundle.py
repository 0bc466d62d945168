"""A bundle that its own reader would refuse is refused by name, before anything is signed."""

import pytest

from registry.errors import MalformedError
from registry.services.bundle import build_bundle
from registry.services.desk import Desk
from registry.services.mint import mint
from registry.services.parties import enrol
from registry.signing.documents import sign_enrolment
from registry.store.imports import Intake
from tests.payloads import REPLICATION
from tests.services.registry import RECORD, REGISTRY, START, World
from tests.world import READER


def said_much(desk: Desk, count: int) -> None:
    """So many events of a party, each about 20 KB in a bundle and as much in its state."""
    payload = REPLICATION | {"note": "\u4e00" * 4096, "outcome": "\u4e00" * 1000}
    events, prev = [], None
    for number in range(count):
        text = {"artifact_url": f"https://a.example/{number}?{'a' * 2000}"}
        made = READER.event("replication_record", payload | text, of=RECORD, prev=prev)
        prev = made.event_id
        events.append(made)
    heads = [(READER.name, None, events[-1].event_id)]
    known = len(desk.store.events_of(RECORD.number.suffix))
    desk.store.take(Intake(RECORD, events, heads, known=known))


def test_a_bundle_over_16_mib_is_refused_and_not_signed(world: World, desk: Desk) -> None:
    signer = desk.signer(START)
    mint(desk, signer, [RECORD], at=START)
    asked = sign_enrolment(READER.signer, READER.key_object, registry=REGISTRY)
    enrol(desk, signer, asked, at=START)
    said_much(desk, 500)
    at = world.clock.move(600)
    before = len(list(desk.store.signatures()))

    with pytest.raises(MalformedError) as caught:
        build_bundle(desk, signer, RECORD, at=at)

    assert caught.value.code == "bundle.size"
    assert "16 MiB" in str(caught.value)
    assert len(list(desk.store.signatures())) == before
