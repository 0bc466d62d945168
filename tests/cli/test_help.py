"""Every command's help says what it does and ends with an example that runs."""

import hashlib
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer

from registry import data
from registry.app import App, now
from registry.cli._event_forms import FORMS
from registry.cli.main import app
from registry.protocol.canonical import canonical
from registry.signing.documents import sign_enrolment
from tests.cli.lab import REGISTRY, copied, environment, lines_of, process, record
from tests.cli.terminal import at_terminal
from tests.ingest.papers import Paper, kaggle
from tests.parts import ROOT, needs
from tests.payloads import CITATION
from tests.services.reissued import rotate
from tests.signing.bus import Session
from tests.timestamp.authority import Tsa, configure
from tests.world import AUTHOR
from tests.world import REGISTRY as FORKING


def commands(command: Any = None, name: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command there is, by its words."""
    command = command or typer.main.get_command(app)
    if not hasattr(command, "list_commands"):
        yield name
        return
    for each in command.list_commands(None):
        yield from commands(command.get_command(None, each), (*name, each))


ALL = [" ".join(words) for words in commands()]


ON_A_TERMINAL = {name for name in ALL if name.startswith("ceremony ")}
"""Their examples run where words can be typed, in test_ceremony."""


def help_of(name: str) -> str:
    """The help of a command as a person sees it without a terminal."""
    done = process(*name.split(), "--help").fine()
    assert done.err == ""
    return done.out.decode()


def example_of(text: str) -> str:
    """The example at the end of a help as one command line."""
    head, found, tail = text.rpartition("Example:\n")
    assert found, head
    return re.sub(r"\s*\\\n\s*", " ", tail.strip())


COMMANDS = """
init
demo
mint
number
verify
doctor
record build
record list
record show
party request
party enroll
party list
party retire
receipt show
receipt list
receipt export
event add graph-snapshot
event add author-attestation
event add storage
event add citation
event add replication
event add correction
event add mirror-hint
event sign author-attestation
event sign storage
event sign citation
event sign replication
event sign correction
event sign mirror-hint
event add anchor
event import
event export
event list
event show
state show
bundle build
bundle import
bundle diff
bundle merge
evidence find
evidence export
evidence verify
key create
key add
key list
key show
key status
key move
key revoke
key compromise
key audit
rotation plan
rotation next
rotation status
keyset show
keyset verify
keyset update
reissue plan
reissue run
reissue resume
reissue status
reissue sample
reissue switch
ingest arxiv
job list
job status
job resume
job work
job abandon
ceremony rehearse
ceremony run
ceremony approve
shares make
shares remake
shares check
shares drill
shares restore
store check
store backup
store restore
store export
store import
store copy
"""


def test_every_command_there_should_be_is_there() -> None:
    assert set(ALL) == set(COMMANDS.split("\n")) - {""}


@pytest.mark.parametrize("name", ALL)
def test_help_says_what_it_does_and_ends_with_an_example(name: str) -> None:
    text = help_of(name)
    usage, about = text.split("\n\n")[:2]

    assert usage.startswith(f"Usage: pith {name}")
    assert len(about.split()) > 4
    assert re.search(r"^Example:|^  Example:", text, re.MULTILINE)
    assert example_of(text).startswith(f"pith {name}")
    assert "secret" not in text.lower().replace("no secret", "")
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize("name", ["", "record", "receipt", "event", "event add", "key", "bundle"])
def test_a_group_lists_its_commands(name: str) -> None:
    text = help_of(name)

    for each in ALL:
        words, mine = each.split(), name.split()
        if words[: len(mine)] == mine:
            assert re.search(rf"^  {words[len(mine)]} ", text, re.MULTILINE), each


def exchanged(place: Path) -> str:
    """Write two bundles of the home, two of a registry that contradicts itself, and the
    evidence of it, whose digest this gives."""
    for name in ("mine", "theirs"):
        built = process("bundle", "build", "arxiv:2401.00001", home=place / "home").fine()
        (place / f"{name}.json").write_bytes(built.out)
    created = FORKING.record_created()
    for name in ("seen", "signed"):
        after = FORKING.snapshot(headline=name, prev=created.event_id)
        bundle = FORKING.bundle(events=[created, after])
        (place / f"{name}.json").write_bytes(bundle.to_bytes())
    found = process("evidence", "find", "--json", "seen.json", "signed.json", cwd=place)
    (place / "evidence.json").write_bytes(canonical(found.object))
    return hashlib.sha256(canonical(found.object)).hexdigest()


@pytest.fixture(name="place")
def _place(stocked_home: Path, tmp_path: Path) -> Path:
    """A folder with the files of the examples, a home with their records, and `pith`."""
    copied(stocked_home, tmp_path / "home")
    (tmp_path / "record.json").write_bytes(record().canonical + b"\n")
    (tmp_path / "records.jsonl").write_bytes(lines_of(5))
    (tmp_path / "snapshot.jsonl").write_bytes(kaggle(Paper()))
    (tmp_path / "bundle.json").write_bytes(data.seed_bundle())
    asked = sign_enrolment(AUTHOR.signer, AUTHOR.key_object, registry=REGISTRY)
    (tmp_path / "alice.pub").write_bytes(canonical(asked.to_json()))
    (tmp_path / "passphrase").write_text("six words that nobody would guess\n")
    (tmp_path / "passphrase").chmod(0o600)
    program = tmp_path / "bin" / "pith"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m registry "$@"\n')
    program.chmod(0o755)
    return tmp_path


def typed(line: str, place: Path, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """A line as somebody types it in a shell."""
    env = env | {"PATH": f"{place / 'bin'}:{env['PATH']}", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        ["/bin/sh", "-c", line], env=env, cwd=place, capture_output=True, text=True, timeout=60
    )


def _event_show(place: Path, line: str) -> str:
    listed = process("event", "list", "arxiv:2401.00001", home=place / "home").fine().lines
    return re.sub("sha256:[0-9a-f]{64}", listed[0].split()[0], line)


def _key_add(place: Path, line: str) -> str:
    app = App(place / "home")
    app.key_store("file:", app.config()).put("restored-1", bytes(range(32)))
    return line


def _key_move(place: Path, line: str) -> str:
    key_id = process("key", "list", home=place / "home").fine().lines[0].split()[0]
    return line.replace("lab-v1-2026-11", key_id).replace("file:", f"file:{place}/keys")


def _key_revoke(place: Path, line: str) -> str:
    create = ("key", "create", "--usage", "recovery", "--signer")
    home = place / "home"
    made = process(*create, f"file:{place}/one", "--yes", home=home).fine()
    answers = [("to go on", "recovery")]
    at_terminal(*create, f"file:{place}/two", home=home, answers=answers).fine()
    return line.replace("recovery-lab-v3-2026-11", made.lines[0])


def _party(place: Path, line: str) -> str:
    enroll = example_of(help_of("party enroll")).split()[1:]
    process(*enroll, home=place / "home", cwd=place).fine()
    return line


def _event_import(place: Path, line: str) -> str:
    payload = CITATION | {"citing": str(record().number)}
    made = AUTHOR.event("citation_signature", payload, of=record())
    (place / "event.json").write_bytes(made.canonical)
    return _party(place, line)


def _store_restore(place: Path, line: str) -> str:
    process("store", "backup", place / "lab-backup.db", home=place / "home").fine()
    for path in [place / "home" / "config.toml", *(place / "home").glob("registry.db*")]:
        path.rename(place / path.name)
    return line


def _store_import(place: Path, line: str) -> str:
    process("store", "export", place / "lab.jsonl.zst", home=place / "home").fine()
    for path in [place / "home" / "config.toml", *(place / "home").glob("registry.db*")]:
        path.rename(place / path.name)
    return line


SPEAKERS = {"storage": "mirror", "mirror-hint": "mirror", "replication": "third_party"}


def _speaker(place: Path, line: str) -> str:
    """The newcomer's request of the help, as a party of the type that may sign this."""
    asking = example_of(help_of("party request"))
    party_type = SPEAKERS.get(line.split()[3])
    if party_type is not None:
        asking = asking.replace("--type author", f"--type {party_type}")
        asking = re.sub("--id [^ ]+", "--id reader.example", asking)
    done = typed(asking, place, environment(HOME=str(place)))
    assert done.returncode == 0, done.stderr
    return line


def _reissue(*steps: str) -> Callable[[Path, str], str]:
    """The key rotated, and the steps of a reissue that come before."""

    def prepared(place: Path, line: str) -> str:
        desk = App(place / "home").open()
        old, _ = rotate(desk, now)
        desk.store.close()
        plan = example_of(help_of("reissue plan")).split(" > ")[0].replace("lab-v1-2026-11", old)
        if "reissue plan" in line:
            return line.replace("lab-v1-2026-11", old)
        digest = process(*plan.split()[1:], home=place / "home").fine().lines[0]
        for step in steps:
            process("reissue", *step.replace("DIGEST", digest).split(), home=place / "home").fine()
        return line.replace("$DIGEST", digest)

    return prepared


def _mint_job(place: Path, line: str) -> str:
    process("mint", place / "records.jsonl", "--job", home=place / "home").fine()
    return line


@contextmanager
def authority(name: str, place: Path) -> Iterator[None]:
    """A timestamp authority answers, for the one command that asks it."""
    if name != "event add anchor":
        yield
        return
    needs("openssl")
    tsa = Tsa(place / "tsa")
    with tsa.served() as url:
        configure(place / "home", url, tsa)
        yield


@contextmanager
def shares(name: str, place: Path, line: str) -> Iterator[str]:
    """The example with a folder in memory, in which there are shares for those who read them."""
    if not name.startswith("shares "):
        yield line
        return
    needs("shm")
    home = place / "home"
    key_id = process("key", "list", home=home).fine().lines[0].split()[0]
    with tempfile.TemporaryDirectory(prefix="pith-", dir="/dev/shm") as folder:
        if name != "shares make":
            options = ("--threshold", 3, "--of", 5, "--to", folder)
            process("shares", "make", key_id, *options, home=home).fine()
        yield line.replace("lab-v1-2026-11", key_id).replace("/dev/shm/shares", folder)


PREPARED = {
    "event show": _event_show,
    "key add": _key_add,
    "event import": _event_import,
    "key move": _key_move,
    "key compromise": _key_move,
    "key revoke": _key_revoke,
    "party list": _party,
    "job status": _mint_job,
    "job resume": _mint_job,
    "job work": _mint_job,
    "job abandon": _mint_job,
    "reissue plan": _reissue(),
    "reissue run": _reissue(),
    "reissue status": _reissue(),
    "reissue resume": _reissue("run DIGEST --limit 1"),
    "reissue sample": _reissue("run DIGEST"),
    "reissue switch": _reissue("run DIGEST"),
    "party retire": _party,
    "store restore": _store_restore,
    "store import": _store_import,
} | {f"event sign {form.name}": _speaker for form in FORMS}
"""What an example needs to be there, and the names in it that are another registry's."""

WORDS = {"key revoke": "revoke"}
"""Examples at which a word is typed."""


@pytest.mark.parametrize("name", sorted(set(ALL) - {"init", "demo"} - ON_A_TERMINAL))
def test_the_example_runs(place: Path, name: str) -> None:
    home = place / "home"
    keyset = process("keyset", "show", home=home).fine()
    (place / "pith-keys.json").write_bytes(keyset.out)
    line = PREPARED.get(name, lambda _, line: line)(place, example_of(help_of(name)))
    told = process("keyset", "verify", place / "pith-keys.json").fine().lines[0].split()[-1]

    fork = exchanged(place) if name.split()[0] in ("bundle", "evidence") else ""
    if name in WORDS:
        command = shlex.split(line)[1:]
        at_terminal(*command, home=home, answers=[("to go on", WORDS[name])], cwd=place).fine()
        return
    with authority(name, place), shares(name, place, line) as fitted:
        done = typed(fitted, place, environment(home, DIGEST=told, EVIDENCE=fork, HOME=str(place)))

    assert done.returncode == (9 if name == "doctor" else 0), (line, done.stderr)
    assert "Traceback" not in done.stderr


def test_the_example_of_demo_runs_and_leaves_nothing(place: Path) -> None:
    temporary = place / "tmp"
    temporary.mkdir()
    env = environment(TMPDIR=str(temporary), HOME=str(temporary))

    done = typed(example_of(help_of("demo")), place, env)

    assert done.returncode == 0, done.stderr
    assert list(temporary.iterdir()) == []
    for said in ("every check is ok", "38 real records minted", "refused", "Nothing is left"):
        assert said in done.stdout
    assert done.stderr == ""


def test_the_example_of_init_runs_in_a_real_keyring(place: Path) -> None:
    needs("dbus-daemon", "gnome-keyring")
    session = Session()
    try:
        session.bus()
        session.daemon("right", until="unlocked")
        env = session.env | {"PITH_HOME": str(place / "new")}
        done = typed(example_of(help_of("init")), place, env)
    finally:
        session.close()

    assert done.returncode == 0, done.stderr
    assert (place / "new" / "config.toml").exists()
