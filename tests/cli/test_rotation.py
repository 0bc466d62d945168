"""pith rotation, and pith key status."""

import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from registry.app import App
from registry.protocol.keyset_chain import verify_chain
from tests.cli.conftest import Pith
from tests.cli.lab import PITH, copied, environment, process
from tests.parts import needs


def test_a_rotation_by_hand(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    bundle, keys = tmp_path / "bundle.json", tmp_path / "known.jsonl"
    pith("bundle", "build", "arxiv:2401.00001", "-o", bundle, home=stocked).fine()
    digest = App(stocked).open().keyset().body.digest.hex()
    file = tmp_path / "pith-keys.json"
    pith("keyset", "show", "-o", file, home=stocked).fine()
    pith("keyset", "update", keys, file, "--digest", digest).fine()

    planned = pith("rotation", "plan", "--json", home=stocked).fine().objects
    assert [step["step"] for step in planned] == ["announce", "activate", "retire"]
    for number, step in enumerate(planned, start=2):
        pith("rotation", "next", "--json", home=stocked).refused(2, "usage.confirm")
        told = pith("rotation", "next", step["step"], "--yes", home=stocked).fine()
        pith("keyset", "show", "-o", file, home=stocked).fine()
        pith("keyset", "update", keys, file).fine()
        assert f"key set version {number} stands" in told.err
        successor = f"the successor of {step['key_id']}, lab-v3-"
        assert (successor in told.err) == (step["step"] == "announce")
        assert App(stocked).open().keyset().body.digest.hex() == told.lines[0]

    pith("verify", bundle, "--pin", keys).fine()
    pith("bundle", "build", "arxiv:2401.00001", "-o", bundle, home=stocked).fine()
    pith("verify", bundle, "--pin", keys).fine()
    listed = pith("key", "list", "--json", home=stocked).fine().objects
    assert [key["status"] for key in listed] == ["retired", "active", "committed"]
    assert pith("key", "status", home=stocked).fine().lines
    status = pith("rotation", "status", "--json", home=stocked).fine().object
    assert status["active"] == listed[1]["key_id"]
    assert status["next"]["step"] == "announce"
    assert status["due"] is False


def test_a_step_out_of_order_changes_nothing(pith: Pith, home: Path) -> None:
    for step in ("renew", "activate", "retire"):
        pith("rotation", "next", step, "--yes", home=home).refused(6, "rotation.order")
    assert pith("rotation", "next", "other", "--yes", home=home).code == 2
    assert App(home).open().keyset().body.version == 1


@pytest.mark.parametrize("command", [("key", "status"), ("rotation", "status"), ("doctor",)])
def test_what_is_due_is_exit_9(pith: Pith, home: Path, command: tuple[str, ...]) -> None:
    config = home / "config.toml"
    config.write_text(config.read_text() + 'warn_before = ["400d", "30d"]\n')

    assert pith(*command, home=home).code == 9


def test_key_status_says_when(pith: Pith, home: Path) -> None:
    found = pith("key", "status", "--json", home=home).fine().objects

    assert {each["what"] for each in found} >= {"rotation", "promise", "expiry"}
    assert all(each["days"] > 300 and not each["due"] for each in found)


WRITES = ("pwrite64", "fdatasync", "fsync", "link", "unlink")


@pytest.mark.parametrize("call", WRITES)
def test_a_step_killed_at_any_write_resumes_or_never_began(
    home: Path, tmp_path: Path, call: str
) -> None:
    needs("strace")
    ended = False
    for count in range(1, 60):
        place = copied(home, tmp_path / f"{count}")
        inject = f"inject={call}:signal=SIGKILL:when={count}"
        done = subprocess.run(
            [
                *("strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject),
                *(*PITH, "rotation", "next", "announce", "--yes"),
            ],
            env=environment(place),
            capture_output=True,
            timeout=60,
        )
        ended = done.returncode == 0
        assert ended or done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), done.stderr
        assert_resumed(place)
        shutil.rmtree(place)
        if ended:
            break
    assert ended


def assert_resumed(home: Path) -> None:
    """The announcement stands, or is made now, and the next step is taken."""
    body = App(home).open().keyset().body
    assert len(body.active("registry")) == 1
    if body.version == 1:
        process("rotation", "next", "announce", "--yes", home=home).fine()
    process("rotation", "next", "activate", "--yes", home=home).fine()
    desk = App(home).open()
    assert [link.act for link in verify_chain(desk.store.list_keysets())] == [
        "first",
        "routine",
        "routine",
    ]
    assert desk.signer(desk.clock()).key_id == desk.active_key().key_id
