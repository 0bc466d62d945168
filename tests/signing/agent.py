"""A real ssh-agent of a test's own, and a server that answers as a test says."""

import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from registry.signing.agent_client import ed25519_blob
from registry.signing.signer import public_key_of
from registry.signing.ssh_agent import ssh_fingerprint
from tests.parts import needs

LIMIT = 10.0


def fingerprint_of(seed: bytes) -> str:
    """OpenSSH's fingerprint of the key of a seed."""
    return f"SHA256:{ssh_fingerprint(ed25519_blob(public_key_of(seed).raw))}"


def until_it_answers(path: Path) -> None:
    """Wait for an agent that was started: it says where it listens before it does."""
    end = time.monotonic() + LIMIT
    while not _answers(path):
        assert time.monotonic() < end, "no ssh-agent"
        time.sleep(0.01)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


class Agent:
    """An ssh-agent in a private folder, short enough for the path of a socket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "agent"
        self.answer = folder / "answer"
        self.answer.write_text("#!/bin/sh\nexit 1\n")
        self.answer.chmod(0o755)
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "SSH_AUTH_SOCK": str(self.socket),
            "SSH_ASKPASS": str(self.answer),
            "SSH_ASKPASS_REQUIRE": "force",
            "DISPLAY": "none",
        }
        self._process = subprocess.Popen(
            ["ssh-agent", "-D", "-a", str(self.socket)],
            env=self._env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until_it_answers(self.socket)

    def uri(self, seed: bytes) -> str:
        """The URI of the key of a seed here."""
        return f"ssh-agent:{self.socket}?fingerprint={fingerprint_of(seed)}"

    def ssh_add(self, *arguments: str) -> str:
        """Run ssh-add against this agent."""
        done = subprocess.run(
            ["ssh-add", *arguments],
            env=self._env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add(self, seed: bytes, *options: str) -> str:
        """Give the agent the key of a seed; the URI it has then."""
        key = Ed25519PrivateKey.from_private_bytes(seed)
        file = self.folder / "key"
        file.touch(mode=0o600)
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        self.ssh_add(*options, str(file))
        return self.uri(seed)

    def says(self, script: str) -> None:
        """What answers the agent's questions from now on."""
        self.answer.write_text(f"#!/bin/sh\n{script}\n")

    def kill(self) -> None:
        """End it without a word."""
        self._process.kill()
        self._process.wait(timeout=LIMIT)


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder of mode 0700 with a short path."""
    folder = Path(tempfile.mkdtemp(prefix="pith-ag-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_agent() -> Iterator[Agent]:
    """A real ssh-agent without keys."""
    needs("ssh-agent")
    with private_folder() as folder:
        agent = Agent(folder)
        try:
            yield agent
        finally:
            agent.kill()


def string(data: bytes) -> bytes:
    """Bytes as SSH writes them."""
    return struct.pack(">I", len(data)) + data


def received(connection: socket.socket) -> bytes:
    """One whole request, without its length."""
    data = b""
    while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4]):
        more = connection.recv(65536)
        if not more:
            break
        data += more
    return data[4:]


@contextmanager
def answering(folder: Path, answer: Callable[[socket.socket, bytes], None]) -> Iterator[Path]:
    """A socket at which *answer* deals with each connection and its request."""
    path = folder / "hostile"
    ended = threading.Event()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()
        listening.settimeout(0.05)

        def serve() -> None:
            while not ended.is_set():
                try:
                    connection, _ = listening.accept()
                except TimeoutError:
                    continue
                with connection:
                    try:
                        answer(connection, received(connection))
                    except OSError:  # the client has gone, as it should
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield path
        finally:
            ended.set()
            thread.join(LIMIT)
