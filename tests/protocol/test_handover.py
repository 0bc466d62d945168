"""Requests and responses of ceremonies: their form, and what each side refuses of them."""

from dataclasses import replace
from functools import cache
from typing import Any, Final

import pytest

from registry.errors import BadSignatureError, MismatchError, PithError, VerificationError
from registry.protocol.approval import NOBODY
from registry.protocol.handover import Handover, verify_handover
from registry.protocol.instant import Instant
from registry.protocol.keyset_chain import verify_chain
from tests import world
from tests.protocol.refusals import refused
from tests.protocol.test_keyset_chain import ALONE, ONE, R, signed
from tests.protocol.test_transcript import ADA, AT, BEN, NEW, OLD, WIT, session
from tests.protocol.test_transcript import signed as signed_transcript

ASKED: Final = Handover(
    act="renew",
    rehearsal=False,
    nonce="01" * 16,
    made_at=AT,
    expires_at=AT.plus(days=7),
    approvers=NOBODY,
    participants=(ADA, BEN, WIT),
    chain=(ONE,),
    proposed=NEW,
    history=(),
)
HELD: Final = verify_chain([ONE])
S, V, X = BadSignatureError, VerificationError, MismatchError


@cache
def answered() -> Handover:
    """The response of both holders in one session."""
    made = signed(NEW, R[:2])
    return ASKED.with_session(
        made.signatures, signed_transcript(session(ASKED.ceremony, ASKED.participants))
    )


def check(handover: Handover, *, registry: str = OLD.registry, at: Instant = AT) -> None:
    """As a side that holds version 1."""
    verify_handover(handover, held=HELD, registry=registry, at=at)


def test_a_request_and_its_response_are_read_again() -> None:
    for handover in (ASKED, answered()):
        check(handover)
        assert Handover.parse(world.dump(handover.to_json())) == handover
    assert ASKED.asked_sha256 == answered().asked_sha256
    assert ASKED.to_json()["handover_type"] == "pith_ceremony_request"
    assert answered().to_json()["handover_type"] == "pith_ceremony_response"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"handover_type": "pith_ceremony_response"}, "schema.constant"),
        ({"handover_version": "1.1"}, "schema.constant"),
        ({"registry": "other.example"}, "schema.constant"),
        ({"act": "forget"}, "schema.constant"),
        ({"chain": []}, "schema.length"),
        ({"participants": []}, "schema.participants"),
        ({"nonce": "01"}, "schema.hex"),
        ({"note": "urgent"}, "schema.members"),
        ({"approvals": ["!"]}, "schema.base64"),
    ],
)
def test_another_form_is_refused(change: dict[str, Any], code: str) -> None:
    with refused(code):
        Handover.from_json(ASKED.to_json() | change)


def changed(**change: Any) -> Handover:
    """The response, with something else than what was signed."""
    return replace(answered(), **change)


@pytest.mark.parametrize(
    ("handover", "code", "kind"),
    [
        (replace(ASKED, participants=(ADA, WIT)), "ceremony.participants", V),
        (replace(ASKED, participants=(WIT,)), "ceremony.participants", V),
        (replace(ASKED, proposed=replace(NEW, version=3)), "keyset.version", V),
        (replace(ASKED, proposed=replace(NEW, entries=NEW.entries[1:])), "keyset.keys", V),
        (replace(ASKED, proposed=replace(NEW, threshold=4)), "keyset.threshold", V),
        (changed(proposed=replace(NEW, threshold=1)), "signature.wrong", S),
        (changed(signatures=answered().signatures[:1]), "transcript.signers", V),
        (changed(sessions=()), "transcript.signers", V),
        (changed(act="commit"), "transcript.session", X),
        (changed(expires_at=AT.plus(days=9)), "transcript.session", X),
        (changed(history=answered().sessions), "transcript.keyset", V),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_rule_refuses_by_name(handover: Handover, code: str, kind: type[PithError]) -> None:
    with refused(code, kind):
        check(handover)


def test_of_another_registry_early_or_late() -> None:
    with refused("ceremony.registry", X):
        check(ASKED, registry="other.example")
    with refused("ceremony.expired", V):
        check(ASKED, at=AT.plus(days=7, seconds=1))
    check(ASKED, at=AT.plus(days=7))
    with refused("ceremony.early", V):
        check(ASKED, at=AT.plus(seconds=-601))
    check(ASKED, at=AT.plus(seconds=-600))


def test_without_recovery_keys_only_the_first_can_come() -> None:
    proposed = replace(NEW, prev_sha256=ALONE.body.digest.hex(), threshold=0)
    proposed = replace(proposed, entries=ALONE.body.entries)
    handover = replace(ASKED, chain=(ALONE,), proposed=proposed)

    with refused("ceremony.no_recovery", V):
        verify_handover(handover, held=(), registry=OLD.registry, at=AT)
