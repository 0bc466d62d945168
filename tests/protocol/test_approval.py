"""Approvals: what is signed, by whom, and how many."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from registry.errors import BadSignatureError, VerificationError
from registry.protocol.approval import (
    NOBODY,
    Approval,
    Approvers,
    approval_json,
    approval_message,
    approvals_from_json,
    verify_approvals,
)
from registry.protocol.instant import Instant
from registry.protocol.sshsig import SshSignature
from tests.parts import needs
from tests.protocol.refusals import refused
from tests.ssh import line_of, new_key, sign

APPROVAL: Final = Approval(
    "lab.example", "rotate", 3, "ab" * 32, "cd" * 16, Instant.parse_seconds("2026-06-08T12:00:00Z")
)


@pytest.fixture(name="keys", scope="module")
def _keys(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three approvers' keys."""
    needs("ssh-keygen")
    folder = tmp_path_factory.mktemp("approvers")
    return [new_key(folder, name) for name in ("ada", "ben", "cy")]


def approved(
    key: Path, folder: Path, approval: Approval = APPROVAL, namespace: str = "pith-approval"
) -> SshSignature:
    """What an approver makes with ssh-keygen."""
    file = folder / "approval.txt"
    file.write_bytes(approval_message(approval))
    return SshSignature.parse(sign(key, file, namespace).read_text())


def two_of(*keys: Path) -> Approvers:
    """Two approvals are wanted of these."""
    return Approvers.new([line_of(key) for key in keys], 2)


def test_what_is_signed_is_one_canonical_line() -> None:
    assert approval_message(APPROVAL).decode() == (
        '{"act":"rotate","expires_at":"2026-06-08T12:00:00Z","from_version":3,'
        f'"nonce":"{"cd" * 16}","registry":"lab.example","to_sha256":"{"ab" * 32}"}}\n'
    )


def test_enough_approvals_are_enough(keys: list[Path], tmp_path: Path) -> None:
    made = [approved(key, tmp_path) for key in keys]

    verify_approvals(made[:2], APPROVAL, two_of(*keys))
    verify_approvals(made, APPROVAL, two_of(*keys))
    verify_approvals([], APPROVAL, NOBODY)
    assert approvals_from_json(approval_json(made), "$") == tuple(made)
    again = Approvers.from_json(two_of(*keys).to_json(), "$")
    assert again == two_of(*keys)


def test_too_few_twice_or_a_stranger_s(keys: list[Path], tmp_path: Path) -> None:
    made = [approved(key, tmp_path) for key in keys]

    with refused("approval.missing", VerificationError):
        verify_approvals(made[:1], APPROVAL, two_of(*keys))
    with refused("approval.twice", VerificationError):
        verify_approvals([made[0], made[0]], APPROVAL, two_of(*keys))
    with refused("approval.stranger", VerificationError):
        verify_approvals(made, APPROVAL, two_of(*keys[:2]))
    with refused("approval.stranger", VerificationError):
        verify_approvals(made[:1], APPROVAL, NOBODY)


@pytest.mark.parametrize(
    "change",
    [
        {"registry": "lab.example.invalid"},
        {"act": "revoke"},
        {"from_version": 4},
        {"to_sha256": "ac" * 32},
        {"nonce": "ce" * 16},
        {"expires_at": APPROVAL.expires_at.plus(seconds=1)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_approval_of_something_else(
    keys: list[Path], tmp_path: Path, change: dict[str, Any]
) -> None:
    made = [approved(key, tmp_path, replace(APPROVAL, **change)) for key in keys]

    with refused("signature.wrong", BadSignatureError):
        verify_approvals(made, APPROVAL, two_of(*keys))


def test_an_approval_for_another_namespace(keys: list[Path], tmp_path: Path) -> None:
    made = [approved(key, tmp_path, namespace="git") for key in keys]

    with refused("sshsig.namespace", VerificationError):
        verify_approvals(made, APPROVAL, two_of(*keys))


def test_approvers_stand_once_and_can_be_reached(keys: list[Path]) -> None:
    lines = [line_of(key) for key in keys]

    assert Approvers.new([], 0) == NOBODY
    for given, wanted in (([*lines, lines[0]], 1), (lines, 4), (lines, -1), ([], 1)):
        with refused("approval.keys"):
            Approvers.new(given, wanted)
    twice = [lines[0], lines[0].replace("ada@", "somebody@")]
    with refused("approval.keys"):
        Approvers.new(twice, 1)
