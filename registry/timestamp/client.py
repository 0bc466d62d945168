"""One question to a timestamp authority over HTTP: no redirect, a few bytes, a little time."""

import io
import socket
import ssl
from http.client import HTTPException, HTTPResponse
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

from registry.errors import UnreachableError, printable

MAX_REPLY: Final = 64 << 10
_HINT: Final = "nothing was stored or signed; try again later, or look at [tsa] in config.toml"


def ask(url: str, query: bytes, timeout: float) -> bytes:
    """Post *query* to the authority at *url* and give the body of its reply.

    All of it takes at most *timeout* seconds. Raises UnreachableError
    ``tsa.unreachable``, ``tsa.slow``, ``tsa.size`` or ``tsa.status``.
    """
    until = monotonic() + timeout
    try:
        with _connected(url, timeout) as line:
            line.settimeout(max(until - monotonic(), 0.001))
            line.sendall(_head(url, len(query)) + query)
            reply = HTTPResponse(_Patient(line, until))  # type: ignore[arg-type]
            reply.begin()
            if reply.status != 200:
                raise UnreachableError(
                    f"{url} answers {reply.status} {printable(reply.reason)[:80]}".rstrip(),
                    code="tsa.status",
                    hint=_HINT,
                )
            return reply.read()
    except TimeoutError:
        raise UnreachableError(
            f"{url} did not answer within {timeout:g} seconds", code="tsa.slow", hint=_HINT
        ) from None
    except (OSError, HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UnreachableError(
            f"cannot ask {url}: {printable(reason)[:160]}", code="tsa.unreachable", hint=_HINT
        ) from None


def _connected(url: str, timeout: float) -> socket.socket:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return socket.create_connection((host, parts.port or 80), timeout)
    line = socket.create_connection((host, parts.port or 443), timeout)
    return ssl.create_default_context().wrap_socket(line, server_hostname=host)


def _head(url: str, length: int) -> bytes:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = (
        f"POST {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Content-Type: application/timestamp-query",
        "Accept: application/timestamp-reply",
        f"Content-Length: {length}",
        "Connection: close",
        "",
        "",
    )
    return "\r\n".join(lines).encode("ascii")


class _Patient(io.RawIOBase):
    """A connection read until one moment and up to one size, whatever the other side does."""

    def __init__(self, line: socket.socket, until: float) -> None:
        self.line = line
        self.until = until
        self.left = MAX_REPLY

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        """What HTTPResponse asks a socket for."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """It is read from."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Some bytes, within the time that is left."""
        left = self.until - monotonic()
        if left <= 0:
            raise TimeoutError
        self.line.settimeout(left)
        count = self.line.recv_into(buffer)
        self.left -= count
        if self.left < 0:
            raise UnreachableError(
                f"the authority's reply is over {MAX_REPLY} bytes", code="tsa.size", hint=_HINT
            )
        return count
