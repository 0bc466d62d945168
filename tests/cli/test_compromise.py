"""The day after a theft: pith key compromise, and its drill."""

import re
import subprocess
import time
from pathlib import Path

import pytest

from registry.app import App, now
from registry.protocol.keyset_chain import verify_chain
from tests.cli.conftest import Pith
from tests.cli.lab import PITH, environment, record
from tests.cli.terminal import Session, at_terminal
from tests.parts import needs

WORDS = (("to go on", "compromise"), ("to go on", "distrust"))


@pytest.fixture(name="guarded")
def _guarded(pith: Pith, stocked: Path, tmp_path: Path) -> Path:
    """The stocked registry with a recovery key in a place of its own."""
    safe = f"file:{tmp_path / 'safe'}"
    pith("key", "create", "--usage", "recovery", "--yes", "--signer", safe, home=stocked).fine()
    return stocked


def active(home: Path) -> str:
    """The key that signs now."""
    return App(home).open().active_key().key_id


def stolen(
    home: Path, since: str, *more: object, words: tuple[tuple[str, str], ...] = WORDS
) -> Session:
    """The active key is said to have been in other hands since *since*."""
    line = ("key", "compromise", active(home), "--since", since, "--reason", "laptop gone", *more)
    return at_terminal(*line, home=home, answers=words)


def verdicts(pith: Pith, file: Path, pin: Path) -> tuple[int, set[str]]:
    """What a verifier who holds *pin* says of a bundle."""
    done = pith("verify", file, "--pin", pin, "--json")
    return done.code, {verdict["verdict"] for verdict in done.object["verdicts"]}


def test_the_day_after_a_theft(pith: Pith, guarded: Path, tmp_path: Path) -> None:
    bundle, before, after = (tmp_path / name for name in ("b.json", "old.json", "new.json"))
    derived = tmp_path / "derived.jsonl"
    pith("bundle", "build", "arxiv:2401.00001", "-o", bundle, home=guarded).fine()
    pith("keyset", "show", "-o", before, home=guarded).fine()
    thief, heir = (row.key_id for row in App(guarded).open().store.list_keys()[:2])
    since = App(guarded).open().clock().plus(seconds=1)
    time.sleep(2)

    told = stolen(guarded, since.seconds, "-o", after).fine()

    assert "laptop gone" in told.screen
    assert "3 receipts are unproven" in told.screen
    assert f"the successor of {active(guarded)}, " in told.screen
    assert "`pith keyset show --all -o known-keys.jsonl`" in told.screen
    desk = App(guarded).open()
    assert desk.active_key().key_id == heir  # it lay in another place
    assert [link.act for link in verify_chain(desk.store.list_keysets())] == [
        "first",
        "first recovery keys",
        "recovery",
    ]
    gone = desk.keyset().body.find(desk.store.list_keys()[0].public_key)
    assert gone is not None
    assert (gone.status, gone.compromised_since) == ("revoked", since.whole)
    assert verdicts(pith, bundle, before) == (0, {"valid"})
    assert verdicts(pith, bundle, after) == (4, {"unproven"})

    # Nothing of it is proven or valid until it was issued again, and then with a new date.
    first = pith("receipt", "show", "arxiv:2401.00001", home=guarded).fine().object
    derived.write_bytes(
        b"".join(r.canonical + b"\n" for r in (record(1), record(2), record(2, version=2)))
    )
    plan = ("reissue", "plan", "--old", thief, "--reason", "theft", "--derived", derived)
    digest = pith(*plan, home=guarded).fine().lines[0]
    pith("reissue", "run", digest, home=guarded).fine()
    pith("reissue", "switch", "--yes", home=guarded).fine()
    again = pith("receipt", "show", "arxiv:2401.00001", home=guarded).fine().object
    assert again["key_id"] == heir
    assert again["first_computed_at"] == again["last_reissued_at"] > first["first_computed_at"]
    pith("bundle", "build", "arxiv:2401.00001", "-o", bundle, home=guarded).fine()
    assert verdicts(pith, bundle, after) == (0, {"valid"})
    pith("key", "audit", home=guarded).fine()


def test_what_is_dated_since_then_is_invalid(pith: Pith, guarded: Path, tmp_path: Path) -> None:
    bundle, after = tmp_path / "b.json", tmp_path / "new.json"
    pith("bundle", "build", "arxiv:2401.00001", "-o", bundle, home=guarded).fine()
    since = App(guarded).open().store.list_keys()[0].created_at

    stolen(guarded, since.whole.seconds, "-o", after).fine()

    code, found = verdicts(pith, bundle, after)
    assert (code, found) == (4, {"invalid"})


def test_a_bundle_alone_is_invalid_with_all_that_is_in_it_vouched_for(
    pith: Pith, guarded: Path, tmp_path: Path
) -> None:
    bundle, after = tmp_path / "b.json", tmp_path / "new.json"
    for step in ("announce", "activate", "retire"):
        pith("rotation", "next", step, "--yes", home=guarded).fine()
    time.sleep(1)
    since = App(guarded).open().clock()
    pith("bundle", "build", "arxiv:2401.00001", "-o", bundle, home=guarded).fine()
    stolen(guarded, since.whole.seconds, "-o", after).fine()

    done = pith("verify", "-q", bundle, "--pin", after).refused(4, "trust.verdicts")

    assert "does not vouch for" not in done.err  # no event is left out


def test_no_word_no_compromise(pith: Pith, guarded: Path) -> None:
    key_id = active(guarded)
    line = ("key", "compromise", key_id, "--since", "2026-01-01T00:00:00Z")

    pith(*line, home=guarded).refused(2, "usage.confirm")
    assert stolen(guarded, "2026-01-01T00:00:00Z", words=(("to go on", "yes"),)).code == 130
    assert active(guarded) == key_id
    assert App(guarded).open().signer(now()).key_id == key_id

    # The first word alone stops the key here, whatever comes of the rest.
    words = (WORDS[0], ("to go on", "no"))
    assert stolen(guarded, "2026-01-01T00:00:00Z", words=words).code == 130
    assert active(guarded) == key_id
    pith("bundle", "build", "arxiv:2401.00001", home=guarded).refused(7, "key.stopped")
    keys = len(App(guarded).open().store.list_keys())
    stolen(guarded, "2026-01-01T00:00:00Z").fine()
    assert len(App(guarded).open().store.list_keys()) == keys  # those of the first try are taken


def test_without_recovery_keys_the_key_is_stopped_and_no_more(pith: Pith, stocked: Path) -> None:
    refused = stolen(stocked, "2026-01-01T00:00:00Z").refused(7, "recovery.quorum")

    assert "key create --usage recovery" in refused.screen
    pith("bundle", "build", "arxiv:2401.00001", home=stocked).refused(7, "key.stopped")


@pytest.mark.parametrize(
    ("since", "code", "rule"),
    [
        ("yesterday", 3, "instant.form"),
        ("2026-01-01", 3, "instant.form"),
        ("2099-01-01T00:00:00Z", 6, "key.since"),
    ],
)
def test_a_time_that_cannot_be(guarded: Path, since: str, code: int, rule: str) -> None:
    stolen(guarded, since, words=()).refused(code, rule)

    assert App(guarded).open().signer(now()).key_id == active(guarded)


def test_the_time_moves_back_and_never_forward(pith: Pith, guarded: Path) -> None:
    thief = active(guarded)
    stolen(guarded, "2026-03-01T00:00:00Z").fine()
    line = ("key", "compromise", thief, "--since")

    at_terminal(*line, "2026-04-01T00:00:00Z", home=guarded, answers=WORDS[:1]).refused(
        6, "keyset.act"
    )
    at_terminal(*line, "2026-02-01T00:00:00Z", home=guarded, answers=WORDS).fine()

    entry = next(e for e in App(guarded).open().keyset().body.entries if e.key_id == thief)
    assert entry.compromised_since is not None
    assert entry.compromised_since.seconds == "2026-02-01T00:00:00Z"


def test_an_heir_may_be_named(pith: Pith, guarded: Path) -> None:
    made = pith("key", "create", "--id", "spare-1", home=guarded).fine().lines[0]

    at_terminal(
        *("key", "compromise", active(guarded), "--since", "2026-03-01T00:00:00Z"),
        *("--heir", "nobody-1"),
        home=guarded,
        answers=WORDS[:1],
    ).refused(5, "key.absent")
    stolen(guarded, "2026-03-01T00:00:00Z", "--heir", made).fine()

    assert active(guarded) == made


def test_a_successor_that_lay_beside_the_stolen_key_is_not_taken(pith: Pith, guarded: Path) -> None:
    first, second = App(guarded).open().store.list_keys()[:2]
    thief, beside, apart = first.key_id, second.key_id, second.uri
    pith("key", "move", beside, "--to", "file:", "--yes", home=guarded).fine()

    stolen(guarded, "2026-03-01T00:00:00Z").fine()

    pith("key", "move", beside, "--to", apart, "--yes", home=guarded).fine()  # other homes' too
    assert active(guarded) not in (thief, beside)


# -- the drill -----------------------------------------------------------------


def drilled(home: Path, *more: str) -> tuple[str, ...]:
    """The command of a drill."""
    since = ("--since", "2026-03-01T00:00:00Z", "--drill", *more)
    return ("key", "compromise", active(home), *since)


def test_a_drill_does_it_all_and_changes_nothing(pith: Pith, guarded: Path) -> None:
    keyset, version = active(guarded), App(guarded).open().keyset().body.version

    done = pith(*drilled(guarded, "--json"), home=guarded).fine()

    assert [each["act"] for each in done.objects] == [
        *("copy", "recovery keys", "stop", "recovery act", "verdict"),
        *("reissue plan", "reissue run", "reissue sample", "reissue switch", "bundles"),
    ]
    took = {each["act"]: each["seconds"] for each in done.objects}
    assert took["reissue plan"] > 0
    (total,) = re.findall(r"all of it took ([0-9.]+) s", done.err)
    assert abs(float(total) - sum(took.values())) < 0.1
    assert "lab.example.invalid" in done.err
    assert f"another key stands for {keyset}" in done.err
    assert (active(guarded), App(guarded).open().keyset().body.version) == (keyset, version)
    acts = pith("key", "audit", "--json", home=guarded).fine().object["acts"]
    assert [act["act"] for act in acts if "drill" in act["act"]] == ["drill: compromise"]


def test_a_drill_opens_no_real_key(guarded: Path, tmp_path: Path) -> None:
    needs("strace")
    trace = tmp_path / "trace"

    done = subprocess.run(
        ["strace", "-f", "-e", "trace=open,openat", "-o", trace, *PITH, *drilled(guarded)],
        env=environment(guarded),
        capture_output=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    text = trace.read_text()
    assert "registry.db" in text
    assert ".key" not in text
    assert ".passphrase" not in text


def test_a_drill_of_an_empty_registry(pith: Pith, home: Path) -> None:
    done = pith(*drilled(home), home=home).fine()

    assert "distrusted since" in done.out.decode()
