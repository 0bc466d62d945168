"""Keys made elsewhere: `pith key add`, the round trip in `pith doctor`, jobs with a token."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from registry.app import App
from tests.cli.conftest import Pith
from tests.cli.lab import BASE_URL, LIMIT, PITH, REGISTRY, Done, lines_of, process, rows
from tests.parts import ROOT
from tests.signing.agent import Agent, running_agent
from tests.signing.softhsm import PIN, Token

SEED = bytes(range(7, 39))
SHIPPED = "b2d552b68890857171a78b36a5dccf368a953413288c353f7c9d9d6f94b709b3"


@pytest.fixture(name="agent")
def _agent() -> Iterator[Agent]:
    with running_agent() as agent:
        yield agent


@pytest.fixture(name="made", scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    token = Token(tmp_path_factory.mktemp("token"))
    yield token
    token.close()


@pytest.fixture(name="token")
def _token(made: Token) -> Token:
    if (made.folder / "away").exists():
        made.put_back()
    made.write_pin(PIN)
    return made


def findings(done: Done) -> dict[str, list[dict[str, Any]]]:
    """What doctor says, by name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for each in done.objects:
        found.setdefault(each["name"], []).append(each)
    return found


# -- key add -------------------------------------------------------------------


def test_a_key_of_an_agent_is_taken_in(pith: Pith, home: Path, agent: Agent) -> None:
    uri = agent.add(SEED)
    done = pith("key", "add", "agent-1", "--signer", uri, "--json", home=home).fine()

    assert done.object["key_id"] == "agent-1"
    assert done.object["uri"] == uri
    assert "signs nothing" in done.err
    row = next(
        row
        for row in pith("key", "list", "--json", home=home).fine().objects
        if row["key_id"] == "agent-1"
    )
    assert (row["status"], row["usage"], row["uri"]) == ("unlisted", "registry", uri)
    assert rows(home, "SELECT kind FROM signatures") == [("keyset",)]


def test_a_recovery_key_is_taken_in(pith: Pith, home: Path, agent: Agent) -> None:
    add = ("key", "add", "agent-1", "--signer", agent.add(SEED), "--usage", "recovery")

    assert pith(*add, home=home).fine().lines == ["agent-1"]
    row = App(home).open().find_key("agent-1")
    assert row is not None
    assert row.usage == "recovery"


def test_a_key_that_was_restored_by_hand_is_taken_in(pith: Pith, home: Path) -> None:
    app = App(home)
    app.key_store("file:", app.config()).put("restored-1", SEED)

    pith("key", "add", "restored-1", "--signer", "file:", home=home).fine()
    pith("key", "add", "restored-2", "--signer", "file:", home=home).refused(7, "key.absent")


def test_what_is_known_is_not_taken_in_again(pith: Pith, home: Path, agent: Agent) -> None:
    uri = agent.add(SEED)
    first = App(home).open().active_key().key_id
    pith("key", "add", "agent-1", "--signer", uri, home=home).fine()
    before = pith("key", "list", home=home).fine().lines

    for key_id in ("agent-1", first):
        pith("key", "add", key_id, "--signer", uri, home=home).refused(6, "key.exists")
    done = pith("key", "add", "agent-2", "--signer", uri, home=home).refused(6, "key.known")
    assert "agent-1" in done.err
    assert pith("key", "list", home=home).fine().lines == before


def test_a_listed_key_is_known_where_its_row_is_not(pith: Pith, home: Path, agent: Agent) -> None:
    """The key set alone knows it, in a store that was put together from published documents:
    under its own id it is brought back, under another it is refused."""
    app = App(home)
    desk = app.open()
    row = desk.store.list_keys()[0]
    seed = app.key_store("file:", app.config())._read(row.key_id)
    uri = agent.add(seed)
    desk.store.drop_key(row)

    pith("key", "add", "agent-1", "--signer", uri, home=home).refused(6, "key.known")
    pith("key", "add", row.key_id, "--signer", uri, home=home).fine()
    assert app.open().active_key().key_id == row.key_id


def test_a_key_of_a_shipped_pin_is_somebody_elses(
    pith: Pith, home: Path, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    from registry import data
    from registry.signing.signer import public_key_of

    pins = {
        name: text.replace(SHIPPED.encode(), public_key_of(SEED).hex.encode())
        for name, text in data.shipped_pins().items()
    }
    monkeypatch.setattr("registry.services.keys.shipped_pins", lambda: pins)

    done = pith("key", "add", "agent-1", "--signer", agent.add(SEED), home=home)
    assert "pith.science" in done.refused(6, "key.known").err


@pytest.mark.parametrize("key_id", ["", "a", "Upper", "../../x", "a b"])
def test_a_key_id_not_in_its_form(pith: Pith, home: Path, agent: Agent, key_id: str) -> None:
    uri = agent.add(SEED)

    assert pith("key", "add", key_id, "--signer", uri, home=home).code in (2, 3)


@pytest.mark.parametrize(
    ("uri", "code", "rule"),
    [
        ("ssh-agent:/run/none", 3, "location.agent"),
        ("pkcs11:token=lab", 3, "location.token"),
        ("pkcs11:token=lab;serial=1;id=%01?pin-value=1234", 3, "location.secret"),
        ("pkcs11:token=lab;serial=1;id=%01", 7, "pkcs11.unset"),
        ("tpm:", 3, "location.scheme"),
    ],
)
def test_uris_that_lead_nowhere(pith: Pith, home: Path, uri: str, code: int, rule: str) -> None:
    done = pith("key", "add", "other-1", "--signer", uri, home=home).refused(code, rule)

    assert "1234" not in done.err
    assert "hint:" in done.err


def test_no_key_is_made_in_or_moved_into_or_out_of_an_agent(
    pith: Pith, home: Path, agent: Agent
) -> None:
    uri = agent.add(SEED)
    first = App(home).open().active_key().key_id
    pith("key", "add", "agent-1", "--signer", uri, home=home).fine()

    before = pith("key", "list", home=home).fine().lines

    elsewhere = (7, "keystore.elsewhere")
    pith("key", "create", "--id", "new-1", "--signer", uri, home=home).refused(*elsewhere)
    pith("key", "move", first, "--to", uri, "--yes", home=home).refused(*elsewhere)
    pith("key", "move", "agent-1", "--to", "file:", "--yes", home=home).refused(*elsewhere)
    assert pith("key", "list", home=home).fine().lines == before


def test_init_wants_a_key_that_it_can_make(pith: Pith, tmp_path: Path, agent: Agent) -> None:
    at = ("--registry", REGISTRY, "--base-url", BASE_URL)

    done = pith("init", *at, "--signer", agent.add(SEED), home=tmp_path / "new")
    assert "pith key add" in done.refused(7, "keystore.elsewhere").err
    assert not (tmp_path / "new" / "config.toml").exists()


# -- doctor --------------------------------------------------------------------


def test_doctor_makes_the_round_trip_with_every_key(pith: Pith, home: Path, agent: Agent) -> None:
    uri = agent.add(SEED)
    pith("key", "add", "agent-1", "--signer", uri, home=home).fine()

    found = findings(pith("doctor", "--json", home=home))
    everything = len(App(home).open().store.list_keys())
    assert [each["status"] for each in found["key"]] == ["ok"] * everything
    assert sum(uri in each["text"] for each in found["key"]) == 1

    agent.says("echo words")
    agent.ssh_add("-x")
    done = pith("doctor", "--json", home=home)
    found = findings(done)
    assert done.code == 7
    (locked,) = (each for each in found["key store"] if each["status"] == "fail")
    assert locked["code"] == "agent.locked"
    assert "ssh-add -X" in locked["hint"]
    assert [each["status"] for each in found["key"]] == ["ok"] * (everything - 1)


# -- a registry whose key is on a token ----------------------------------------


def pith_with(token: Token, *arguments: object, home: Path) -> Done:
    """A command in a process that sees the token."""
    conf = {"SOFTHSM2_CONF": token.env["SOFTHSM2_CONF"]}
    return process(*arguments, home=home, env=conf)


def configured(home: Path, token: Token, pin_from: str | None = None) -> None:
    """Write the config of a home that signs with the token."""
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "config.toml").touch(mode=0o600)
    (home / "config.toml").write_text(
        f'[registry]\nid = "{REGISTRY}"\nbase_url = "{BASE_URL}"\n[mint]\nbatch = 2\n'
        + token.settings(pin_from)
    )


@pytest.fixture(name="token_home")
def _token_home(token: Token, tmp_path: Path) -> Path:
    home = tmp_path / "token-home"
    configured(home, token)
    subprocess.run(
        [sys.executable, "-m", "tests.cli.token_home", str(home), token.uri()],
        env=token.env,
        cwd=ROOT,
        check=True,
        timeout=LIMIT,
    )
    return home


def test_a_key_of_a_token_is_taken_in_and_makes_the_round_trip(home: Path, token: Token) -> None:
    config = home / "config.toml"
    config.write_text(config.read_text() + token.settings())
    add = ("key", "add", "token-1", "--signer", token.uri())
    assert pith_with(token, *add, home=home).fine().lines == ["token-1"]

    found = findings(pith_with(token, "doctor", "--json", home=home))
    assert {each["status"] for each in found["key"]} == {"ok"}
    assert sum(token.uri() in each["text"] for each in found["key"]) == 1
    token.take_away()
    found = findings(pith_with(token, "doctor", "--json", home=home))
    assert "token.absent" in [each["code"] for each in found["key store"]]


def test_a_wrong_pin_is_one_try_however_often_the_key_is_looked_at(
    token_home: Path, token: Token
) -> None:
    token.write_pin("0000")
    done = pith_with(token, "doctor", "--json", home=token_home)

    assert done.code == 7
    found = findings(done)
    assert [each["code"] for each in (*found["key"], *found["signer"])] == ["token.pin"] * 2
    assert "0000" not in done.out.decode() + done.err


def test_records_are_minted_and_bundled_with_a_token(
    token_home: Path, token: Token, tmp_path: Path
) -> None:
    file = tmp_path / "records.jsonl"
    file.write_bytes(lines_of(5))

    assert len(pith_with(token, "mint", file, home=token_home).fine().lines) == 5
    bundle = pith_with(token, "bundle", "build", "arxiv:2401.00001", home=token_home).fine()
    (tmp_path / "bundle.json").write_bytes(bundle.out)
    process("verify", tmp_path / "bundle.json", home=token_home).fine()


def test_a_token_that_is_gone_in_mid_batch_is_a_clean_stop(token_home: Path, token: Token) -> None:
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "PITH_HOME": str(token_home),
        "SOFTHSM2_CONF": token.env["SOFTHSM2_CONF"],
    }
    lines = lines_of(6).splitlines(keepends=True)
    first = token_home / "first.jsonl"
    first.write_bytes(b"".join(lines[:2]))
    running = subprocess.Popen(
        [*PITH, "mint", str(first), "-"],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdout is not None
    minted = [running.stdout.readline().decode().strip() for _ in range(2)]
    token.take_away()
    out, err = running.communicate(b"".join(lines[2:]), timeout=LIMIT)

    assert running.returncode == 7, err
    assert b"[token.gone]" in err
    assert b"Traceback" not in err
    assert out == b""
    listed = process("record", "list", home=token_home).fine().lines
    assert sorted(line.split()[0] for line in listed) == sorted(minted)

    token.put_back()
    (token_home / "all.jsonl").write_bytes(b"".join(lines))
    done = pith_with(token, "mint", token_home / "all.jsonl", home=token_home).fine()
    assert len(done.lines) == 6
    audit = process("key", "audit", "--json", home=token_home).fine().object
    assert audit["ok"]


def test_one_prompt_a_job(token_home: Path, token: Token, tmp_path: Path) -> None:
    """Mint on a real terminal: the PIN is asked for once, and never shown."""
    configured(token_home, token, "prompt:")
    (tmp_path / "records.jsonl").write_bytes(lines_of(7))
    said = on_a_terminal(token, token_home, "mint", str(tmp_path / "records.jsonl"))

    assert said.count("PIN of the token: ") == 1
    assert said.count("pith:2024:") == 7
    assert PIN not in said

    said = on_a_terminal(token, token_home, "doctor")
    assert said.count("PIN of the token: ") == 1
    assert "signs twice alike" in said


def on_a_terminal(token: Token, home: Path, *arguments: str) -> str:
    """All that is on the terminal of a command whose every question is answered with the PIN."""
    pid, terminal = pty.fork()
    if pid == 0:
        env = {**os.environ, "PYTHONPATH": str(ROOT), "PITH_HOME": str(home)}
        os.execve(PITH[0], [*PITH, *arguments], env | {"SOFTHSM2_CONF": token.env["SOFTHSM2_CONF"]})
    said, asked = b"", 0
    end = time.monotonic() + LIMIT
    try:
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                more = os.read(terminal, 4096)
            except OSError:  # the last of it was read
                break
            said += more
            if said.count(b"PIN of the token: ") > asked:
                asked += 1
                os.write(terminal, f"{PIN}\n".encode())
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
    return said.decode()


def test_a_process_without_a_terminal_is_told_what_to_set(token_home: Path, token: Token) -> None:
    configured(token_home, token, "prompt:")
    running = subprocess.run(
        [*PITH, "doctor"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PITH_HOME": str(token_home)}
        | {"SOFTHSM2_CONF": token.env["SOFTHSM2_CONF"]},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=LIMIT,
    )

    assert running.returncode == 7
    assert "set [pkcs11] pin_from in config.toml" in running.stdout
