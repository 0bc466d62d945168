"""pith ceremony, on a terminal, here and across an air gap."""

import json
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from registry.app import App, new_seed, now
from registry.protocol.handover import Handover
from registry.protocol.keyset import KeySet
from registry.protocol.transcript import Transcript
from registry.protocol.words import word_lines
from registry.signing.file_store import FileKeyStore
from registry.signing.passphrase import Passphrase
from registry.store.rows import KeyRow
from registry.store.store import Store
from tests.cli.conftest import Pith
from tests.cli.lab import CHEAP, REGISTRY, Done, copied, make_home, process, rows, tree
from tests.cli.test_help import ON_A_TERMINAL, example_of, help_of
from tests.cli.words import signal_at, typed, wrong_at
from tests.parts import needs
from tests.protocol.test_keyset_chain import ONE
from tests.ssh import line_of, new_key, sign

PEOPLE: Final = {"rec-1": "Ada", "rec-2": "Ben", "rec-3": "Cy"}


def add_key(home: Path, key_id: str, usage: str = "recovery") -> str:
    """Make a key in a home's folder of keys with little work, and note it; its public hex."""
    config = App(home).config()
    assert config.passphrase is not None
    keys = FileKeyStore(
        REGISTRY, home / "keys", Passphrase(config.passphrase), uri="file:", cost=CHEAP
    )
    public = keys.put(key_id, new_seed())
    with Store(home / "registry.db") as store:
        assert store.add_key(KeyRow(key_id, public, usage, "file:", now()))
    return public.hex


def plan(
    folder: Path,
    act: str = "renew",
    *,
    people: Sequence[str] = ("rec-1", "rec-2"),
    keys: Sequence[str] = (),
    **more: Any,
) -> Path:
    """A ceremony.toml; *keys* are lines of [[keys]]."""
    values = {"registry": REGISTRY, "act": act} | more
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    for key in keys:
        lines += ["[[keys]]", *key.split("; ")]
    for key_id in people:
        lines += ["[[participants]]", f'name = "{PEOPLE[key_id]}"', f'key_id = "{key_id}"']
    lines += ["[[participants]]", 'name = "Wilma"']
    file = folder / "ceremony.toml"
    file.write_text("\n".join(lines) + "\n")
    return file


def newest(home: Path) -> KeySet:
    """The newest key set of a home."""
    with Store(home / "registry.db") as store:
        found = store.find_keyset()
    assert found is not None
    return found


def transcripts(home: Path) -> list[Transcript]:
    """The transcripts in a home's store."""
    with Store(home / "registry.db") as store:
        return store.transcripts()


def facts(home: Path) -> tuple[object, ...]:
    """What no refused, interrupted or rehearsed ceremony may change."""
    return (
        rows(home, "SELECT sha256 FROM keysets"),
        rows(home, "SELECT sha256 FROM transcripts"),
        rows(home, "SELECT kind, digest, key_id FROM signatures"),
        rows(home, "SELECT act, key_id FROM acts"),
        [name for name in tree(home) if name.startswith("keys/")],
    )


@pytest.fixture(name="three", scope="module")
def _three(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry that knows three recovery keys, none of them in its key set."""
    home = copied(empty_home, tmp_path_factory.mktemp("three") / "home")
    for key_id in PEOPLE:
        add_key(home, key_id)
    return home


def first_keys(folder: Path, **more: Any) -> Path:
    """The plan that brings the three recovery keys into the key set."""
    keys = [f'key_id = "{key_id}"' for key_id in PEOPLE]
    return plan(folder, "recovery-keys", people=[*PEOPLE], keys=keys, threshold=2, **more)


@pytest.fixture(name="ready_home", scope="module")
def _ready_home(three: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after its first ceremony: version 2, two of three recovery keys."""
    folder = tmp_path_factory.mktemp("ready")
    home = copied(three, folder / "home")
    typed("ceremony", "run", first_keys(folder), home=home).fine()
    return home


@pytest.fixture(name="ready")
def _ready(ready_home: Path, tmp_path: Path) -> Path:
    return copied(ready_home, tmp_path / "ready")


# -- here ----------------------------------------------------------------------


def test_the_first_ceremony_brings_recovery_keys(three: Path, tmp_path: Path) -> None:
    home = copied(three, tmp_path / "home")
    done = typed("ceremony", "run", first_keys(tmp_path), home=home).fine()

    keyset = newest(home)
    (transcript,) = transcripts(home)
    digest = keyset.body.digest.hex()
    assert done.lines == [f"2  recovery-keys  {digest}"]
    assert keyset.body.threshold == 2
    assert [e.key_id for e in keyset.body.active("recovery")] == [*PEOPLE]
    assert [step.step for step in transcript.body.steps] == [
        *("begin", "same", "sign-rec-1", "sign-rec-2", "sign-rec-3", "publish"),
    ]
    assert transcript.body.prev_sha256 is None
    assert {s.key_id for s in transcript.signatures} == set(PEOPLE)
    assert process("keyset", "show", "-o", tmp_path / "keys.json", home=home).code == 0
    process("verify", tmp_path / "keys.json", home=home).fine()
    process("key", "audit", home=home).fine()


def test_each_step_shows_change_digest_words_and_playbook(ready: Path, tmp_path: Path) -> None:
    done = typed("ceremony", "run", plan(tmp_path), home=ready).fine()

    keyset = newest(ready)
    assert keyset.body.version == 3
    assert {s.key_id for s in keyset.signatures} == {"rec-1", "rec-2"}
    screens = done.err.split("pith: == ")[1:]
    words = word_lines(keyset.body.digest)
    assert len(screens) == 5
    for screen in screens[1:]:
        assert f"digest  {keyset.body.digest.hex()}" in screen
        assert all(line in screen for line in words)
    for screen in screens:
        assert "-- if something is not right --" in screen
    assert f"{REGISTRY}: version 2 -> 3" in screens[1]
    asked = [screen.split("type ")[-1].split()[0] for screen in screens]
    assert asked == ["begin", "same", "sign-rec-1", "sign-rec-2", "publish"]
    assert "Ben, type sign-rec-2" in screens[3]
    for said in ("digest differs", "does not open", "power fails", "approvals are evidence"):
        assert said in done.err


def test_the_transcript_is_kept_written_and_holds_nothing_typed(
    ready: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "records"
    typed("ceremony", "run", plan(tmp_path), "--transcripts", folder, home=ready).fine()

    first, second = transcripts(ready)
    assert second.body.prev_sha256 == first.body.digest.hex()
    name = f"transcript-3-{second.body.digest.hex()[:16]}"
    assert tree(folder) == [f"{name}.html", f"{name}.json", f"{name}.txt"]
    assert Transcript.parse((folder / f"{name}.json").read_bytes()) == second
    assert second.body.digest.hex() in (folder / f"{name}.txt").read_text()
    assert "<script" not in (folder / f"{name}.html").read_text()
    assert "typed" not in (folder / f"{name}.json").read_text()


@pytest.mark.parametrize("step", ["begin", "same", "sign-rec-2", "publish"])
@pytest.mark.parametrize(
    "text",
    [b"yes\n", b"\n", b" same\n", b"Publish\n", b"\x04"],
    ids=["yes", "none", "space", "case", "eof"],
)
def test_another_word_stops_it(ready: Path, tmp_path: Path, step: str, text: bytes) -> None:
    before = facts(ready)
    done = typed("ceremony", "run", plan(tmp_path), home=ready, answer=wrong_at(step, text))

    assert done.code == 130, done
    assert done.out == b""
    assert facts(ready) == before


@pytest.mark.parametrize(
    ("step", "number"),
    [
        ("begin", signal.SIGINT),
        ("sign-rec-2", signal.SIGINT),
        ("publish", signal.SIGINT),
        ("same", signal.SIGKILL),
        ("publish", signal.SIGKILL),
    ],
)
def test_an_interrupted_ceremony_never_began(
    ready: Path, tmp_path: Path, step: str, number: int
) -> None:
    before = facts(ready)
    done = typed("ceremony", "run", plan(tmp_path), home=ready, answer=signal_at(step, number))

    assert done.code == (130 if number == signal.SIGINT else -number)
    assert facts(ready) == before
    if (step, number) == ("publish", signal.SIGKILL):
        typed("ceremony", "run", plan(tmp_path), home=ready).fine()
        assert newest(ready).body.version == 3


def test_a_ceremony_wants_a_terminal_and_takes_no_yes(
    pith: Pith, ready: Path, tmp_path: Path
) -> None:
    file = plan(tmp_path)
    for verb in ("run", "rehearse"):
        process("ceremony", verb, file, home=ready, stdin=b"begin\nsame\n").refused(
            2, "usage.confirm"
        )
        assert process("ceremony", verb, file, "--yes", home=ready).code == 2


def test_a_key_that_does_not_open_signs_nothing(ready: Path, tmp_path: Path) -> None:
    before = facts(ready)
    (ready / "keys" / "rec-2.key").write_bytes(b"{}")
    done = typed("ceremony", "run", plan(tmp_path), home=ready)

    assert done.code == 7, done
    assert "Traceback" not in done.err
    assert facts(ready) == before


def test_each_act_is_done(ready: Path, tmp_path: Path) -> None:
    first = newest(ready).body.active("registry")[0].key_id
    add_key(ready, "lab-next", "registry")
    add_key(ready, "lab-third", "registry")

    def run(act: str, **more: Any) -> KeySet:
        typed("ceremony", "run", plan(tmp_path, act, **more), home=ready).fine()
        return newest(ready)

    assert run("commit", key=first, successor="lab-next").body.version == 3
    rotated = run("rotate", heir="lab-next", successor="lab-third").body
    assert [e.key_id for e in rotated.active("registry")] == ["lab-next"]
    compromised = run(
        "compromise",
        key=first,
        since="2026-01-01T00:00:00Z",
        reason="the laptop was stolen",
    ).body
    assert compromised.entries[0].status == "revoked"
    assert compromised.entries[0].compromised_since is not None
    revoked = run("revoke", key="rec-3", reason="lost", threshold=2).body
    assert len(revoked.active("recovery")) == 2
    made = f'key_id = "rec-4"; uri = "file:{tmp_path}/spare"'
    PEOPLE["rec-4"] = "Dee"
    try:
        added = run(
            "recovery-keys",
            threshold=2,
            keys=[made],
            people=["rec-1", "rec-2", "rec-4"],
            retire=["rec-1"],
        ).body
    finally:
        del PEOPLE["rec-4"]
    assert {e.key_id for e in added.active("recovery")} == {"rec-2", "rec-4"}
    assert tree(tmp_path / "spare") == ["rec-4.key"]
    assert [t.body.ceremony.act for t in transcripts(ready)] == [
        *("recovery-keys", "commit", "rotate", "compromise", "revoke", "recovery-keys"),
    ]
    process("key", "audit", home=ready).fine()


# -- refused before it begins --------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code", "rule"),
    [
        pytest.param({"act": "forget"}, 2, "ceremony.form", id="act"),
        pytest.param({"colour": "red"}, 2, "ceremony.unknown", id="unknown"),
        pytest.param({"threshold": 2}, 2, "ceremony.unknown", id="not-of-this-act"),
        pytest.param(
            {"act": "compromise", "key": "x-1", "reason": "x"}, 2, "ceremony.form", id="since"
        ),
        pytest.param({"passphrase": "sesame"}, 2, "config.secret", id="passphrase"),
        pytest.param({"token": "abc"}, 2, "config.secret", id="secret"),
        pytest.param({"registry": "other.example"}, 2, "ceremony.registry", id="registry"),
        pytest.param({"valid_for": "soon"}, 2, "ceremony.form", id="valid-for"),
        pytest.param({"approvers": [], "approvals": 1}, 2, "ceremony.form", id="approvals"),
        pytest.param({"people": ["rec-1"]}, 4, "ceremony.participants", id="too-few"),
        pytest.param({"act": "commit", "key": "nobody"}, 5, "keyset.absent", id="no-such-key"),
        pytest.param({"act": "rotate", "heir": "nobody"}, 5, "ceremony.key", id="no-such-heir"),
    ],
)
def test_a_plan_that_is_refused(
    ready: Path, tmp_path: Path, change: dict[str, Any], code: int, rule: str
) -> None:
    before = facts(ready)
    file = plan(tmp_path, **({"act": "renew"} | change))

    typed("ceremony", "run", file, home=ready).refused(code, rule)
    assert facts(ready) == before


def test_a_rehearsal_refuses_what_the_ceremony_would(ready: Path, tmp_path: Path) -> None:
    file = plan(tmp_path, people=["rec-1"])

    typed("ceremony", "rehearse", file, home=ready).refused(4, "ceremony.participants")


def test_without_recovery_keys_nothing_else_can_be_held(three: Path, tmp_path: Path) -> None:
    home = copied(three, tmp_path / "home")

    typed("ceremony", "run", plan(tmp_path), home=home).refused(4, "ceremony.no_recovery")


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["FILE", "--request-from", "x"],
        ["FILE", "--copy", "x"],
        ["--request-from", "x", "--copy", "x"],
        ["--request-from", "x", "--out", "x"],
        ["FILE", "--request", "x", "--response", "y"],
        ["--response", "x"],
    ],
    ids=" ".join,
)
def test_options_that_do_not_go_together(
    pith: Pith, ready: Path, tmp_path: Path, options: list[str]
) -> None:
    file = str(plan(tmp_path))
    given = [file if each == "FILE" else each for each in options]

    pith("ceremony", "run", *given, home=ready).refused(2, "usage.options")


# -- rehearsed -----------------------------------------------------------------


def test_a_rehearsal_shows_the_same_screens_and_opens_no_key(ready: Path, tmp_path: Path) -> None:
    file = plan(tmp_path)
    bare = copied(ready, tmp_path / "bare")
    shutil.rmtree(bare / "keys")
    before = facts(bare)

    rehearsed = typed("ceremony", "rehearse", file, home=bare).fine()
    held = typed("ceremony", "run", file, home=ready).fine()

    def asked(done: Done) -> list[str]:
        return [line.split("type ")[1] for line in done.errors if " to go on: " in line]

    def titles(done: Done) -> list[str]:
        return [line for line in done.errors if line.startswith("pith: == ")]

    assert asked(rehearsed) == asked(held)
    assert titles(rehearsed) == titles(held)
    assert f"{REGISTRY}.invalid: version 2 -> 3" in rehearsed.err
    assert facts(bare) == before
    (made,) = (bare / "transcripts").glob("rehearsal-3-*.json")
    transcript = Transcript.parse(made.read_bytes())
    assert transcript.body.ceremony.rehearsal
    assert transcript.body.ceremony.registry == f"{REGISTRY}.invalid"
    real = {e.object.key for e in newest(ready).body.entries if e.object is not None}
    text = made.read_text()
    assert not any(key.fingerprint in text or key.hex in text for key in real)


def test_the_examples_of_the_help_run(ready: Path, tmp_path: Path) -> None:
    plan(tmp_path)
    examples = [example_of(help_of(name)) for name in sorted(ON_A_TERMINAL)]
    typed(
        *["ceremony", "run", "ceremony.toml", "--request", "request.json"], home=ready, cwd=tmp_path
    )

    for line in reversed(examples):
        words = line.split(" > ")[0].split()
        assert words[0] == "pith"
        typed(*words[1:], home=ready, cwd=tmp_path).fine()

    assert len(examples) == 3
    assert newest(ready).body.version == 3


# -- across an air gap ---------------------------------------------------------


@dataclass
class Gap:
    """The registry's home and file, and one home away from it with each recovery key."""

    folder: Path
    home: Path
    away: dict[str, Path]
    file: Path

    def ask(self, name: str = "request.json") -> Path:
        """Make a request."""
        request = self.folder / name
        typed("ceremony", "run", self.file, "--request", request, home=self.home).fine()
        return request

    def sign(self, key_id: str, request: Path, name: str = "", **more: Any) -> Done:
        """Sign a request away from the registry."""
        home = self.away[key_id]
        options = (
            "--copy",
            home.parent / "known.jsonl",
            "--out",
            self.folder / (name or f"{key_id}.json"),
        )
        return typed("ceremony", "run", "--request-from", request, *options, home=home, **more)

    def take(self, response: Path, **more: Any) -> Done:
        """Take a response in."""
        return typed("ceremony", "run", self.file, "--response", response, home=self.home, **more)

    def copy(self, key_id: str) -> list[Any]:
        """The versions that the copy beside a key knows."""
        lines = (self.away[key_id].parent / "known.jsonl").read_text().splitlines()
        return [json.loads(line)["version"] for line in lines]


@pytest.fixture(name="gap")
def _gap(ready: Path, tmp_path: Path) -> Gap:
    away = {}
    keys = tmp_path / "pith-keys.json"
    lines = [keyset.to_json() for keyset in chain(ready)]
    for key_id in ("rec-1", "rec-2"):
        home = copied(ready, tmp_path / key_id / "home")
        for other in (home / "keys").iterdir():
            if other.name != f"{key_id}.key":
                other.unlink()
        with_only(home, key_id)
        known = home.parent / "known.jsonl"
        known.write_text("".join(json.dumps(line) + "\n" for line in lines))
        away[key_id] = home
    with_only(ready, "")
    for key_id in PEOPLE:
        (ready / "keys" / f"{key_id}.key").unlink()
    assert not keys.exists()
    return Gap(tmp_path, ready, away, plan(tmp_path))


def chain(home: Path) -> list[KeySet]:
    """Every version of a home's key set."""
    with Store(home / "registry.db") as store:
        return store.list_keysets()


def with_only(home: Path, key_id: str) -> None:
    """Forget all recovery keys of a home but one."""
    with Store(home / "registry.db") as store:
        for row in store.list_keys():
            if row.usage == "recovery" and row.key_id != key_id:
                store.drop_key(row)


def test_two_holders_sign_one_after_the_other(gap: Gap) -> None:
    request = gap.ask()
    one = gap.sign("rec-1", request, "one.json").fine()
    assert gap.copy("rec-1") == [1, 2]
    early = gap.take(gap.folder / "one.json").refused(4, "keyset.threshold_met")
    two = gap.sign("rec-2", gap.folder / "one.json", "two.json").fine()

    done = gap.take(gap.folder / "two.json").fine()

    assert "lacks signatures" in one.err
    assert "lacks signatures" not in two.err
    assert early.out == b""
    assert newest(gap.home).body.version == 3
    assert gap.copy("rec-2") == [1, 2, 3]
    assert done.lines == [f"3  renew  {newest(gap.home).body.digest.hex()}"]
    sessions = transcripts(gap.home)[1:]
    assert [[s.key_id for s in each.signatures] for each in sessions] == [["rec-1"], ["rec-2"]]
    assert len(list((gap.home / "transcripts").glob("*.html"))) == 3
    process("key", "audit", home=gap.home).fine()
    process("key", "audit", home=gap.away["rec-2"]).fine()


def test_a_response_is_taken_once(gap: Gap) -> None:
    request = gap.ask()
    gap.sign("rec-1", request, "one.json").fine()
    gap.sign("rec-2", gap.folder / "one.json", "two.json").fine()
    assert gap.take(gap.folder / "two.json", answer=wrong_at("publish")).code == 130
    assert newest(gap.home).body.version == 2
    gap.take(gap.folder / "two.json").fine()

    gap.take(gap.folder / "two.json").refused(6, "ceremony.nonce")
    gap.sign("rec-2", gap.folder / "one.json", "again.json").refused(6, "ceremony.stale")


def test_nobody_takes_a_request_for_a_response(gap: Gap) -> None:
    gap.take(gap.ask()).refused(4, "ceremony.unsigned")


def changed(file: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The document in a file after an edit."""
    value = json.loads(file.read_bytes())
    change(value)
    made = file.with_name("changed.json")
    made.write_text(json.dumps(value))
    return made


def test_a_request_after_which_something_else_happened(gap: Gap) -> None:
    request = gap.ask()
    gap.sign("rec-1", request, "one.json").fine()
    gap.sign("rec-2", gap.folder / "one.json", "two.json").fine()
    second = gap.ask("second.json")
    gap.take(gap.folder / "two.json").fine()

    gap.sign("rec-2", second).refused(6, "ceremony.stale")
    gap.sign("rec-1", second, "late.json").fine()
    gap.take(gap.folder / "late.json").refused(6, "ceremony.stale")


def test_a_request_of_another_registry(gap: Gap) -> None:
    request = changed(
        gap.ask(),
        lambda v: (
            v.update(registry="other.example"),
            v["proposed"].update(registry="other.example"),
        ),
    )
    gap.sign("rec-1", request).refused(4, "ceremony.registry")
    gap.take(request).refused(4, "ceremony.plan")


def test_a_request_that_expired(gap: Gap) -> None:
    request = changed(gap.ask(), lambda v: v.update(expires_at="2026-01-01T00:00:00Z"))

    gap.sign("rec-1", request).refused(4, "ceremony.expired")


def test_a_body_that_was_changed_on_its_way(gap: Gap) -> None:
    gap.sign("rec-1", gap.ask(), "one.json").fine()

    def later(value: dict[str, Any]) -> None:
        value["proposed"]["threshold"] = 1

    gap.sign("rec-2", changed(gap.folder / "one.json", later)).refused(4, "signature.wrong")
    gap.take(changed(gap.folder / "one.json", later)).refused(4, "ceremony.changed")
    assert newest(gap.home).body.version == 2


def test_a_request_that_was_changed_before_anybody_signed(gap: Gap) -> None:
    request = changed(gap.ask(), lambda v: v["proposed"].update(threshold=1))
    gap.sign("rec-1", request, "one.json").fine()

    gap.take(gap.folder / "one.json").refused(4, "ceremony.changed")


def test_the_response_to_a_request_of_another_home(gap: Gap, ready_home: Path) -> None:
    other = copied(ready_home, gap.folder / "other")
    request = gap.folder / "theirs.json"
    typed("ceremony", "run", gap.file, "--request", request, home=other).fine()
    gap.sign("rec-1", request, "one.json").fine()
    gap.sign("rec-2", gap.folder / "one.json", "two.json").fine()

    gap.take(gap.folder / "two.json").refused(5, "ceremony.request")


def test_a_copy_that_is_not_of_this_chain(gap: Gap) -> None:
    request = gap.ask()
    known = gap.away["rec-1"].parent / "known.jsonl"
    mine = known.read_bytes()
    known.unlink()
    gap.sign("rec-1", request).refused(5, "file.absent")
    known.write_bytes(b"")
    gap.sign("rec-1", request).refused(2, "usage.missing")
    known.write_text(json.dumps(ONE.to_json()) + "\n")
    gap.sign("rec-1", request).refused(4, "keyset.registry")
    elsewhere = newest(make_home(gap.folder / "elsewhere"))
    known.write_text(json.dumps(elsewhere.to_json()) + "\n")
    gap.sign("rec-1", request).refused(6, "keyset.fork")
    known.write_bytes(mine.replace(b'"threshold": 2', b'"threshold": 1'))
    gap.sign("rec-1", request).refused(4, "signature.wrong")
    known.write_bytes(mine)
    gap.sign("rec-1", request).fine()


def test_an_older_copy_catches_up_only_when_it_signed(gap: Gap) -> None:
    request = gap.ask()
    known = gap.away["rec-1"].parent / "known.jsonl"
    known.write_bytes(known.read_bytes().splitlines()[0] + b"\n")

    assert gap.sign("rec-1", request, answer=wrong_at("release")).code == 130
    assert gap.copy("rec-1") == [1]
    assert not (gap.folder / "rec-1.json").exists()
    gap.sign("rec-1", request).fine()
    assert gap.copy("rec-1") == [1, 2]


def test_a_home_without_the_key_signs_nothing(gap: Gap) -> None:
    request = gap.ask()
    with_only(gap.away["rec-1"], "")

    gap.sign("rec-1", request).refused(7, "ceremony.keys")


def test_one_nonce_for_two_requests(gap: Gap) -> None:
    request = gap.ask()
    gap.sign("rec-1", request, "one.json").fine()
    other = changed(request, lambda v: v.update(made_at=v["proposed"]["created_at"], act="commit"))

    gap.sign("rec-1", other, "two.json").refused(6, "ceremony.nonce")
    assert not (gap.folder / "two.json").exists()


def test_the_response_must_be_to_the_act_of_the_file(gap: Gap) -> None:
    gap.sign("rec-1", gap.ask(), "one.json").fine()
    gap.file = plan(gap.folder, "rotate", heir="lab-next")

    gap.take(gap.folder / "one.json").refused(4, "ceremony.plan")


def test_a_session_of_a_rehearsal_is_no_session(gap: Gap) -> None:
    typed("ceremony", "rehearse", gap.file, home=gap.home).fine()
    (made,) = (gap.home / "transcripts").glob("rehearsal-*.json")
    request = gap.ask()

    def slip(value: dict[str, Any]) -> None:
        value["handover_type"] = "pith_ceremony_response"
        value["sessions"] = [json.loads(made.read_bytes())]

    gap.sign("rec-1", changed(request, slip)).refused(4, "transcript.rehearsal")
    gap.take(changed(request, slip)).refused(4, "transcript.rehearsal")


# -- approvals -----------------------------------------------------------------


@pytest.fixture(name="approvers")
def _approvers(tmp_path: Path) -> list[Path]:
    needs("ssh-keygen")
    return [new_key(tmp_path, name) for name in ("eve", "fay", "gus")]


def test_approvals_are_wanted_from_the_second_ceremony_on(
    ready: Path, tmp_path: Path, approvers: list[Path]
) -> None:
    lines = [line_of(key) for key in approvers[:2]]
    typed("ceremony", "run", plan(tmp_path, approvers=lines, approvals=2), home=ready).fine()
    file = plan(tmp_path)

    typed("ceremony", "run", file, home=ready).refused(4, "approval.missing")
    request = tmp_path / "request.json"
    typed("ceremony", "run", file, "--request", request, home=ready).fine()
    typed("ceremony", "run", "--request-from", request, home=ready).refused(4, "approval.missing")
    text = tmp_path / "approval.txt"
    shown = process("ceremony", "approve", request).fine()
    text.write_bytes(shown.out)
    handover = Handover.parse(request.read_bytes())
    assert json.loads(shown.out) == handover.ceremony.approval.to_json()
    assert all(line in shown.err for line in word_lines(handover.proposed.digest))
    assert "approvals are evidence" in shown.err

    sig = sign(approvers[2], text)
    process("ceremony", "approve", request, "--add", sig).refused(4, "approval.stranger")
    sig = sign(approvers[0], text, "git")
    process("ceremony", "approve", request, "--add", sig).refused(4, "sshsig.namespace")
    (tmp_path / "other").write_bytes(shown.out.replace(b"renew", b"rotate"))
    sig = sign(approvers[0], tmp_path / "other")
    process("ceremony", "approve", request, "--add", sig).refused(4, "signature.wrong")
    sig = sign(approvers[0], text)
    process("ceremony", "approve", request, "--add", sig, "--add", sig).fine()
    typed("ceremony", "run", "--request-from", request, home=ready).refused(4, "approval.missing")
    assert newest(ready).body.version == 3
    process("ceremony", "approve", request, "--add", sign(approvers[1], text)).fine()
    done = typed("ceremony", "run", "--request-from", request, home=ready).fine()

    assert newest(ready).body.version == 4
    assert "approvals: 2 of the 2 wanted" in done.err
    last = transcripts(ready)[-1].body
    assert len(last.approvals) == 2
    assert [key.line for key in last.ceremony.approvers.keys] == lines
    assert last.ceremony.approvers.wanted == 2
