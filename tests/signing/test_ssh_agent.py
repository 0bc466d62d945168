"""Keys in an ssh-agent: a real one, and servers that are not what they should be."""

import os
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from registry.errors import KeyUnavailableError, MalformedError, PithError
from registry.signing.agent_client import MAX_MESSAGE, ed25519_blob
from registry.signing.memory import MemoryKeyStore
from registry.signing.proof import key_test_message, prove_key
from registry.signing.signer import public_key_of
from registry.signing.ssh_agent import AgentKeyStore, AgentLocation, ssh_fingerprint
from tests.parts import needs
from tests.signing.agent import (
    Agent,
    answering,
    fingerprint_of,
    private_folder,
    running_agent,
    string,
)
from tests.signing.as_nobody import code_as_nobody, open_folder

SEED = bytes(range(32))
OTHER = bytes(range(1, 33))
KEY = public_key_of(SEED)
BLOB = ed25519_blob(KEY.raw)


@pytest.fixture(name="agent")
def _agent() -> Iterator[Agent]:
    with running_agent() as agent:
        yield agent


@pytest.fixture(name="folder")
def _folder() -> Iterator[Path]:
    with private_folder() as folder:
        yield folder


def store_at(uri: str, seconds: float = 5.0) -> AgentKeyStore:
    return AgentKeyStore(AgentLocation.parse(uri.removeprefix("ssh-agent:")), seconds=seconds)


def code(act: Callable[[], object]) -> str:
    with pytest.raises(PithError) as refused:
        act()
    assert isinstance(refused.value, KeyUnavailableError)
    assert refused.value.hint
    assert refused.value.message.isprintable()
    return refused.value.code


# -- a real agent --------------------------------------------------------------


def test_a_key_of_a_real_agent_signs_as_its_seed_does(agent: Agent) -> None:
    store = store_at(agent.add(SEED))
    signer = store.open("lab-v1", store.find("lab-v1"))

    message = key_test_message("lab.example", "lab-v1")
    assert signer._sign(message) == Ed25519PrivateKey.from_private_bytes(SEED).sign(message)
    assert signer._sign(bytes(32)) == Ed25519PrivateKey.from_private_bytes(SEED).sign(bytes(32))
    assert (signer.key_id, signer.public_key, signer.forkable) == ("lab-v1", KEY, True)
    prove_key(signer, "lab.example")
    assert store.check().endswith("answers and shows the key")


def test_the_fingerprint_is_the_one_that_ssh_add_shows(agent: Agent) -> None:
    agent.add(SEED)

    assert fingerprint_of(SEED) in agent.ssh_add("-l")


def test_the_key_meant_is_found_among_others(agent: Agent) -> None:
    agent.add(OTHER)
    store = store_at(agent.add(SEED))

    assert store.find("lab-v1") == KEY


def test_forked_children_sign_each_by_itself(agent: Agent) -> None:
    signer = store_at(agent.add(SEED)).open("lab-v1", KEY)
    reading, writing = os.pipe()
    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            try:
                for turn in range(20):
                    signer._sign(bytes([number, turn]))
                os.write(writing, b"1")
            finally:
                os._exit(0)
        children.append(child)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b"1111"
    for child in children:
        os.waitpid(child, 0)


def test_another_key_than_the_one_that_is_known_is_not_opened(agent: Agent) -> None:
    store = store_at(agent.add(SEED))

    assert code(lambda: store.open("lab-v1", public_key_of(OTHER))) == "key.mismatch"


def test_an_agent_without_the_key(agent: Agent) -> None:
    store = store_at(agent.uri(SEED))
    assert code(lambda: store.find("lab-v1")) == "agent.locked"

    agent.add(OTHER)
    for act in (lambda: store.find("lab-v1"), lambda: store.open("lab-v1", KEY), store.check):
        assert code(act) == "key.absent"


def test_a_key_that_is_removed_meanwhile(agent: Agent) -> None:
    agent.add(OTHER)
    signer = store_at(agent.add(SEED)).open("lab-v1", KEY)
    signer._sign(b"message")
    agent.ssh_add("-d", str(agent.folder / "key"))

    assert code(lambda: signer._sign(b"message")) == "key.absent"


def test_an_agent_that_is_locked_and_unlocked(agent: Agent) -> None:
    store = store_at(agent.add(SEED))
    signer = store.open("lab-v1", KEY)
    agent.says("echo words")
    agent.ssh_add("-x")

    assert code(lambda: signer._sign(b"message")) == "agent.locked"
    assert code(lambda: store.open("lab-v1", KEY)) == "agent.locked"
    agent.ssh_add("-X")
    KEY.verify(b"message", signer._sign(b"message"))


def test_a_signature_that_nobody_confirms(agent: Agent) -> None:
    signer = store_at(agent.add(SEED, "-c")).open("lab-v1", KEY)

    assert code(lambda: signer._sign(b"message")) == "agent.refused"
    agent.says("exit 0")
    KEY.verify(b"message", signer._sign(b"message"))


def test_an_agent_that_was_killed(agent: Agent) -> None:
    store = store_at(agent.add(SEED))
    signer = store.open("lab-v1", KEY)
    agent.kill()

    for act in (lambda: signer._sign(b"message"), lambda: store.find("lab-v1"), store.check):
        assert code(act) == "agent.unreachable"
    agent.socket.unlink()
    assert code(store.check) == "agent.absent"


def test_the_variable_of_the_environment_is_not_looked_at(
    agent: Agent, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.add(SEED)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent.socket))

    store = store_at(f"ssh-agent:{folder}/none?fingerprint={fingerprint_of(SEED)}")
    assert code(store.check) == "agent.absent"


def test_no_key_goes_in_out_or_away(agent: Agent) -> None:
    store = store_at(agent.add(SEED))
    other = MemoryKeyStore("lab.example")
    acts = (
        lambda: store.put("lab-v1", SEED),
        lambda: store.hand_over("lab-v1", KEY, other),
        lambda: store.erase("lab-v1"),
    )

    for act in acts:
        assert code(act) == "keystore.elsewhere"
    assert store.find("lab-v1") == KEY


def test_a_message_that_is_too_long_for_an_agent(agent: Agent) -> None:
    signer = store_at(agent.add(SEED)).open("lab-v1", KEY)

    KEY.verify(bytes(250_000), signer._sign(bytes(250_000)))
    assert code(lambda: signer._sign(bytes(MAX_MESSAGE))) == "agent.size"


def test_a_key_of_another_kind(agent: Agent, folder: Path) -> None:
    file = folder / "ecdsa"
    make = ["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(file)]
    subprocess.run(make, check=True, timeout=10)
    agent.ssh_add(str(file))
    shown = agent.ssh_add("-l").split()[1]

    assert code(store_at(f"ssh-agent:{agent.socket}?fingerprint={shown}").check) == "agent.kind"


# -- the socket ----------------------------------------------------------------


def at(path: Path, seconds: float = 5.0) -> AgentKeyStore:
    return store_at(f"ssh-agent:{path}?fingerprint={fingerprint_of(SEED)}", seconds)


def test_a_file_a_folder_or_a_link_is_no_socket(agent: Agent, folder: Path) -> None:
    agent.add(SEED)
    (folder / "file").touch()
    (folder / "folder").mkdir()
    (folder / "link").symlink_to(agent.socket)

    for name in ("file", "folder", "link"):
        assert code(at(folder / name).check) == "agent.socket"
    assert code(at(folder / "file" / "below").check) == "agent.socket"


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_a_folder_that_others_may_write(agent: Agent, mode: int) -> None:
    store = store_at(agent.add(SEED))
    agent.folder.chmod(mode)

    assert code(store.check) == "agent.socket"


@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_a_folder_that_others_may_only_read(agent: Agent, mode: int) -> None:
    store = store_at(agent.add(SEED))
    agent.folder.chmod(mode)

    store.check()


def test_an_agent_of_root_is_good_for_all_and_one_of_another_user_for_nobody(
    agent: Agent, folder: Path
) -> None:
    """The socket's rights are the agent's own matter: here everybody may connect."""
    with open_folder() as open_, answering(open_, identities()) as path:
        path.chmod(0o777)
        assert code_as_nobody(at(path).check) == "ok"
        os.chown(path, 12345, -1)
        assert code_as_nobody(at(path).check) == "agent.socket"
        os.chown(path, 0, -1)
        os.chown(open_, 12345, -1)
        assert code_as_nobody(at(path).check) == "agent.socket"


def test_who_listens_is_looked_at_and_not_only_the_path(folder: Path) -> None:
    """The socket and its folder are ours; the process that listens is another user's."""
    needs("root")
    ready, told = os.pipe()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "agent"))
        child = os.fork()
        if child == 0:
            try:
                os.close(ready)
                os.setuid(12345)
                listening.listen()
                os.write(told, b"1")
                time.sleep(30)
            finally:
                os._exit(0)
        os.close(told)
        try:
            assert os.read(ready, 1) == b"1"
            assert code(at(folder / "agent", 1.0).check) == "agent.socket"
        finally:
            os.close(ready)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


# -- servers that are no agents ------------------------------------------------


def reply(body: bytes) -> Callable[[socket.socket, bytes], None]:
    return lambda connection, _: connection.sendall(string(body))


def identities(*blobs: bytes) -> Callable[[socket.socket, bytes], None]:
    shown = blobs or (BLOB,)
    body = struct.pack(">I", len(shown)) + b"".join(string(b) + string(b"me") for b in shown)
    return reply(b"\x0c" + body)


def signature(seed: bytes, request: bytes) -> bytes:
    """A signature over the message of a request."""
    start = 1 + 4 + len(BLOB) + 4
    return Ed25519PrivateKey.from_private_bytes(seed).sign(request[start:-4])


def signed(request: bytes, algorithm: bytes = b"ssh-ed25519", seed: bytes = SEED) -> bytes:
    return b"\x0e" + string(string(algorithm) + string(signature(seed, request)))


def asked(folder: Path, make: Callable[[bytes], bytes]) -> str:
    """The refusal of a signer whose server answers a request to sign with what *make* gives."""

    def answer(connection: socket.socket, request: bytes) -> None:
        if request[:1] == b"\x0b":
            identities()(connection, request)
        else:
            connection.sendall(make(request))

    with answering(folder, answer) as path:
        return code(lambda: at(path, 0.5).open("lab-v1", KEY)._sign(b"message"))


def test_the_server_can_answer_rightly(folder: Path) -> None:
    def answer(connection: socket.socket, request: bytes) -> None:
        made = identities() if request[:1] == b"\x0b" else reply(signed(request))
        made(connection, request)

    with answering(folder, answer) as path:
        KEY.verify(b"message", at(path).open("lab-v1", KEY)._sign(b"message"))


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        pytest.param(lambda r: string(signed(r, seed=OTHER)), "signer.faulty", id="another-key"),
        pytest.param(
            lambda r: string(b"\x0e" + string(string(b"ssh-ed25519") + string(bytes(64)))),
            "signer.faulty",
            id="zeros",
        ),
        pytest.param(
            lambda r: string(signed(r, b"ssh-ed25519x")), "agent.reply", id="wrong-algorithm"
        ),
        pytest.param(lambda r: string(signed(r, b"rsa-sha2-256")), "agent.reply", id="rsa"),
        pytest.param(
            lambda r: string(b"\x0e" + string(string(b"ssh-ed25519") + string(bytes(63)))),
            "agent.reply",
            id="63-bytes",
        ),
        pytest.param(lambda r: string(signed(r) + b"\0"), "agent.reply", id="trailing-outside"),
        pytest.param(
            lambda r: string(
                b"\x0e" + string(string(b"ssh-ed25519") + string(signature(SEED, r)) + b"\0")
            ),
            "agent.reply",
            id="trailing-inside",
        ),
        pytest.param(lambda r: string(signed(r)[:-1]), "agent.reply", id="cut-in-the-signature"),
        pytest.param(lambda r: string(signed(r))[:-1], "agent.reply", id="cut-on-the-way"),
        pytest.param(lambda r: b"\0\0", "agent.reply", id="half-a-length"),
        pytest.param(lambda r: b"", "agent.reply", id="nothing"),
        pytest.param(lambda r: bytes(4), "agent.reply", id="length-zero"),
        pytest.param(
            lambda r: struct.pack(">I", MAX_MESSAGE + 1) + bytes(MAX_MESSAGE + 1),
            "agent.reply",
            id="oversize",
        ),
        pytest.param(lambda r: b"\xff\xff\xff\xff", "agent.reply", id="4-gigabytes"),
        pytest.param(lambda r: string(b"\x0c\0\0\0\0"), "agent.reply", id="another-answer"),
        pytest.param(lambda r: string(b"\x06"), "agent.reply", id="success"),
        pytest.param(lambda r: string(b"\x05\0"), "agent.reply", id="failure-and-more"),
        pytest.param(lambda r: string(b"\x05"), "agent.refused", id="failure"),
        pytest.param(lambda r: string(b"\x1c"), "agent.refused", id="extension-failure"),
        pytest.param(
            lambda r: string(b"\x0e" + b"\xff\xff\xff\xff"), "agent.reply", id="inner-length"
        ),
    ],
)
def test_what_a_hostile_server_answers_is_not_used(
    folder: Path, make: Callable[[bytes], bytes], wanted: str
) -> None:
    assert asked(folder, make) == wanted


@pytest.mark.parametrize(
    "body",
    [
        b"\x0c",
        b"\x0c\0\0\0",
        b"\x0c\xff\xff\xff\xff",
        b"\x0c\0\0\0\x01" + string(BLOB),
        b"\x0c\0\0\0\x02" + string(BLOB) + string(b""),
        b"\x0c\0\0\0\x01" + string(BLOB) + string(b"") + b"\0",
        b"\x0e" + string(BLOB),
    ],
)
def test_lists_of_keys_that_are_not_in_their_form(folder: Path, body: bytes) -> None:
    with answering(folder, reply(body)) as path:
        assert code(at(path).check) == "agent.reply"


def test_a_key_that_is_no_point_of_the_curve(folder: Path) -> None:
    blob = ed25519_blob(bytes([1]) + bytes(31))
    with answering(folder, identities(blob)) as path:
        store = store_at(f"ssh-agent:{path}?fingerprint=SHA256:{ssh_fingerprint(blob)}")
        with pytest.raises(PithError) as refused:
            store.find("lab-v1")
    assert refused.value.code == "key.point"


@pytest.mark.parametrize("chunk", [b"", b"\0"])
def test_one_that_is_slow_is_given_up_in_time(folder: Path, chunk: bytes) -> None:
    """Also one that sends a byte now and then: the limit is for the whole answer."""

    def answer(connection: socket.socket, request: bytes) -> None:
        connection.sendall(struct.pack(">I", 1000))
        for _ in range(40):
            if chunk:
                connection.sendall(chunk)
            time.sleep(0.05)

    with answering(folder, answer) as path:
        began = time.monotonic()
        assert code(at(path, 0.3).check) == "agent.timeout"
        assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("length", [0, MAX_MESSAGE + 1, 0xFFFFFFFF])
def test_a_length_out_of_bounds_is_refused_before_anything_is_awaited(
    folder: Path, length: int
) -> None:
    def answer(connection: socket.socket, request: bytes) -> None:
        connection.sendall(struct.pack(">I", length))
        connection.recv(1)  # until the client goes

    with answering(folder, answer) as path:
        assert code(at(path, 2.0).check) == "agent.reply"


def test_one_that_reads_nothing_is_given_up_in_time(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "deaf"))
        listening.listen(1)
        signer = at(folder / "deaf", 0.3)

        assert code(signer.check) == "agent.timeout"


# -- the URI -------------------------------------------------------------------

PRINT = fingerprint_of(SEED)


@pytest.mark.parametrize(
    "uri",
    [f"ssh-agent:/run/user/1000/agent?fingerprint={PRINT}", f"ssh-agent:/a b?fingerprint={PRINT}"],
)
def test_a_location_has_one_spelling(uri: str) -> None:
    assert str(AgentLocation.parse(uri.removeprefix("ssh-agent:"))) == uri


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "/run/agent",
        "/run/agent?",
        "/run/agent?fingerprint=",
        "/run/agent?fingerprint=SHA256:",
        f"run/agent?fingerprint={PRINT}",
        f"?fingerprint={PRINT}",
        f"//run/agent?fingerprint={PRINT}",
        f"///run/agent?fingerprint={PRINT}",
        f"/run/../agent?fingerprint={PRINT}",
        f"/run/agent/?fingerprint={PRINT}",
        f"/run%2Fagent?fingerprint={PRINT}",
        f"/run/agent\n?fingerprint={PRINT}",
        f"/run/agent?fingerprint={PRINT}\n",
        f"/run/agent?fingerprint={PRINT}=",
        f"/run/agent?fingerprint={PRINT}&more=1",
        f"/run/agent?Fingerprint={PRINT}",
        f"/run/agent?fingerprint={PRINT[:-1]}",
        f"/run/agent?fingerprint={PRINT[:-1]}" + chr(ord(PRINT[-1]) + 1),
        "/run/agent?fingerprint=MD5:00:11",
        f"/{'x' * 107}?fingerprint={PRINT}",
        f"/run/agent?fingerprint={PRINT.replace('SHA256', 'sha256')}",
    ],
)
def test_other_spellings_are_refused(rest: str) -> None:
    with pytest.raises(MalformedError) as refused:
        AgentLocation.parse(rest)

    assert refused.value.code == "location.agent"
    assert "ssh-agent:/path" in refused.value.hint
