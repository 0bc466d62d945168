"""A client of the ssh-agent protocol (draft-ietf-sshm-ssh-agent), as much as signing needs.

Every request has a connection of its own and one deadline for all of it, the
reply is read up to a cap, and a reply that is not exactly in its form is
refused. Nothing here trusts the agent: what it signs is verified above.
"""

import os
import socket
import stat
import struct
import time
from pathlib import Path
from typing import Final

from registry.errors import KeyUnavailableError, shown

MAX_MESSAGE: Final = 256 << 10
"""Bytes of a request or a reply; OpenSSH's own limit."""

LIST_SECONDS: Final = 10.0
"""How long an agent may take to show its keys, which wants nobody's confirmation."""

_FAILURES: Final = (5, 28, 30)  # SSH_AGENT_FAILURE, _EXTENSION_FAILURE, SSH2_AGENT_FAILURE
_REQUEST_IDENTITIES: Final = 11
_IDENTITIES_ANSWER: Final = 12
_SIGN_REQUEST: Final = 13
_SIGN_RESPONSE: Final = 14
_ED25519: Final = b"ssh-ed25519"


def ed25519_blob(raw: bytes) -> bytes:
    """A 32-byte public key as SSH writes it (RFC 8709)."""
    return _string(_ED25519) + _string(raw)


def ed25519_key(blob: bytes) -> bytes | None:
    """The 32 bytes in a public key blob, or None where it is of another kind."""
    raw = blob[-32:]
    return raw if blob == ed25519_blob(raw) else None


class AgentClient:
    """One agent's socket. Raises KeyUnavailableError alone:

    ``agent.absent`` (no such socket), ``agent.socket`` (not a socket, or others
    could put theirs there), ``agent.unreachable``, ``agent.timeout``,
    ``agent.reply`` (not in the protocol's form) and ``agent.size``.
    """

    def __init__(self, path: Path, *, seconds: float) -> None:
        self._path = path
        self._seconds = seconds

    def identities(self) -> list[bytes]:
        """The public key blobs that the agent shows; a locked agent shows none."""
        answer = self._ask(
            bytes([_REQUEST_IDENTITIES]), _IDENTITIES_ANSWER, min(self._seconds, LIST_SECONDS)
        )
        if answer is None:
            return []
        reader = _Reader(answer)
        blobs = []
        for _ in range(reader.uint32()):
            blobs.append(reader.string())
            reader.string()  # the comment
        reader.end()
        return blobs

    def sign(self, blob: bytes, message: bytes) -> bytes | None:
        """The 64 bytes that the agent gives for a signature, or None where it will not."""
        request = bytes([_SIGN_REQUEST]) + _string(blob) + _string(message) + struct.pack(">I", 0)
        answer = self._ask(request, _SIGN_RESPONSE, self._seconds)
        if answer is None:
            return None
        outer = _Reader(answer)
        reader = _Reader(outer.string())
        outer.end()
        algorithm, signature = reader.string(), reader.string()
        reader.end()
        if algorithm != _ED25519 or len(signature) != 64:
            raise _malformed("its signature is not one of ssh-ed25519")
        return signature

    def _ask(self, request: bytes, wanted: int, seconds: float) -> bytes | None:
        if len(request) > MAX_MESSAGE:
            raise KeyUnavailableError(
                f"an ssh-agent takes no message of {len(request)} bytes",
                code="agent.size",
                hint="sign this with a key in another key store",
            )
        self._check()
        deadline = time.monotonic() + seconds
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                reply = _exchange(connection, self._path, request, deadline)
        except TimeoutError:
            raise KeyUnavailableError(
                f"the ssh-agent did not answer within {seconds:g} seconds",
                code="agent.timeout",
                hint="nothing was signed; it may wait for a confirmation, or hang",
            ) from None
        except OSError as error:
            raise KeyUnavailableError(
                f"nothing answers at {shown(str(self._path), 200)}:"
                f" {os.strerror(error.errno or 0).lower()}",
                code="agent.unreachable",
                hint="start it again: ssh-agent -a SOCKET; then ssh-add the key",
            ) from None
        if reply[0] in _FAILURES and len(reply) == 1:
            return None
        if reply[0] != wanted:
            raise _malformed(f"message {reply[0]} stands for {wanted}")
        return reply[1:]

    def _check(self) -> None:
        """Whether the socket is one, ours or root's, where nobody else could put another."""
        try:
            found, folder = os.lstat(self._path), os.stat(self._path.parent)
        except FileNotFoundError:
            raise KeyUnavailableError(
                f"there is no ssh-agent at {shown(str(self._path), 200)}",
                code="agent.absent",
                hint="start it there: ssh-agent -a SOCKET; then ssh-add the key",
            ) from None
        except OSError as error:
            raise self._unsafe(os.strerror(error.errno or 0).lower()) from None
        if not stat.S_ISSOCK(found.st_mode):
            raise self._unsafe("it is no socket; a link to one is not followed")
        for what, status in (("it", found), ("its folder", folder)):
            if status.st_uid not in (os.geteuid(), 0):
                raise self._unsafe(f"{what} belongs to user {status.st_uid}")
        if folder.st_mode & 0o022:
            raise self._unsafe("others may write in its folder")

    def _unsafe(self, why: str) -> KeyUnavailableError:
        return KeyUnavailableError(
            f"the socket {shown(str(self._path), 200)} is not used: {why}",
            code="agent.socket",
            hint="an agent's socket wants to be yours, in a folder that only you may write",
        )


def _exchange(connection: socket.socket, path: Path, request: bytes, deadline: float) -> bytes:
    _bound(connection, deadline)
    connection.connect(str(path))
    _check_peer(connection)
    connection.sendall(_string(request))
    (length,) = struct.unpack(">I", _read(connection, 4, deadline))
    if not 1 <= length <= MAX_MESSAGE:
        raise _malformed(f"it announces {length} bytes")
    return _read(connection, length, deadline)


def _check_peer(connection: socket.socket) -> None:
    """Whether who listens is us or root, whatever stood at the path a moment ago."""
    if not hasattr(socket, "SO_PEERCRED"):
        return
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", found)
    if user not in (os.geteuid(), 0):
        raise KeyUnavailableError(
            f"the ssh-agent runs as user {user}",
            code="agent.socket",
            hint="nothing was asked of it; use an agent of your own",
        )


def _read(connection: socket.socket, count: int, deadline: float) -> bytes:
    data = bytearray()
    while len(data) < count:
        _bound(connection, deadline)
        more = connection.recv(count - len(data))
        if not more:
            raise _malformed(f"it ends after {len(data)} of {count} bytes")
        data += more
    return bytes(data)


def _bound(connection: socket.socket, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


class _Reader:
    """Takes a message apart; ``agent.reply`` where it is short or goes on."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            raise _malformed("it is cut short")
        self._at += count
        return taken

    def uint32(self) -> int:
        (value,) = struct.unpack(">I", self._take(4))
        return int(value)

    def string(self) -> bytes:
        return self._take(self.uint32())

    def end(self) -> None:
        if self._at != len(self._data):
            raise _malformed("it goes on after its end")


def _malformed(why: str) -> KeyUnavailableError:
    return KeyUnavailableError(
        f"what the ssh-agent replied is not in its form: {why}",
        code="agent.reply",
        hint="nothing of it was used; look what listens at that socket",
    )
