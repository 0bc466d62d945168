"""Third parties' signatures under the registry's signers list: the check trust.parties."""

from dataclasses import replace

import pytest

from registry.protocol.bundle_checks import examine_bundle
from registry.protocol.checks import Report
from registry.protocol.party_checks import with_parties
from registry.protocol.signers import SignerEntry, SignersBody
from registry.signing.documents import sign_signers
from tests import world
from tests.payloads import every_place
from tests.protocol.test_signers import ENTRIES, GOOD, NEXT, SECOND, body, entry
from tests.world import AT, OTHER_REGISTRY, PARTIES, REGISTRY

BUNDLE = REGISTRY.bundle(
    events=every_place(), keys=[REGISTRY.key_object, *(party.key_object for party in PARTIES)]
)


def judged(signers: bytes) -> Report:
    report = examine_bundle(BUNDLE.to_bytes(), REGISTRY.terms)
    assert report.ok
    return with_parties(report, signers, REGISTRY.terms)


def listed(*entries: SignerEntry) -> bytes:
    return world.dump(sign_signers(REGISTRY.signer, body(*entries)).to_json())


def test_those_who_are_listed_are_vouched_for() -> None:
    report = judged(world.dump(GOOD))

    assert report.ok
    assert report.checks[-1].name == "trust.parties"
    assert {verdict.verdict for verdict in report.verdicts} == {"valid"}
    assert len(report.verdicts) > len(PARTIES) + 2


def test_the_retired_stay_vouched_for() -> None:
    retired = [replace(each, status="retired") for each in ENTRIES]
    assert judged(listed(*retired)).ok


REVOKED_AT = AT.plus(days=1).whole


@pytest.mark.parametrize(
    ("since", "verdict"),
    [(None, "invalid"), (AT.whole, "invalid"), (AT.plus(days=1).whole, "unproven")],
    ids=["always", "before", "after"],
)
def test_the_revoked_are_not(since: world.Instant | None, verdict: str) -> None:
    life = {"status": "revoked", "revoked_at": REVOKED_AT, "compromised_since": since}
    report = judged(listed(replace(ENTRIES[0], **life), *ENTRIES[1:]))  # type: ignore[arg-type]

    assert world.first_failure(report) == ("trust.parties", "trust.parties")
    assert {v.verdict for v in report.verdicts if v.key_id == PARTIES[0].key_id} == {verdict}
    assert {v.verdict for v in report.verdicts if v.key_id != PARTIES[0].key_id} == {"valid"}


@pytest.mark.parametrize(
    "signers",
    [
        pytest.param(listed(entry(SECOND), *ENTRIES[1:]), id="another-key"),
        pytest.param(listed(*ENTRIES[1:]), id="not-listed"),
        pytest.param(
            world.dump(
                sign_signers(
                    OTHER_REGISTRY.signer, SignersBody(OTHER_REGISTRY.name, 1, None, ())
                ).to_json()
            ),
            id="another-registrys",
        ),
        pytest.param(b"{}", id="no-list"),
        pytest.param(world.dump(NEXT.to_json() | {"version": 3}), id="changed"),
    ],
)
def test_what_the_list_does_not_say(signers: bytes) -> None:
    report = judged(signers)

    assert not report.ok
    assert [check.name for check in report.checks if check.status != "ok"] == ["trust.parties"]
