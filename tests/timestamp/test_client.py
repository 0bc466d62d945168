"""Asking an authority on the loopback: what answers badly, slowly or not at all."""

import socket
import time
from collections.abc import Callable

import pytest

from registry.errors import UnreachableError
from registry.timestamp.authority import Authority
from registry.timestamp.client import MAX_REPLY, ask
from registry.timestamp.token import Request, accept_reply
from tests.protocol.refusals import refused
from tests.timestamp.authority import Tsa, ok


def test_a_real_authority_answers(tsa: Tsa, pinned: Authority) -> None:
    request = Request.about(b"a document")
    with tsa.served() as url:
        reply = ask(url, request.query, 10)

    assert tsa.asked[-1] == request.query
    assert accept_reply(reply, request, [pinned])[1].sha256 == request.sha256


def _dripping(_: bytes) -> bytes:
    time.sleep(1)
    return b""


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda _: b"HTTP/1.1 500 Oh dear\r\n\r\n", "tsa.status"),
        (lambda _: b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "tsa.status"),
        (lambda _: ok(bytes(MAX_REPLY)), "tsa.size"),
        (lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "tsa.unreachable"),
        (lambda _: b"SSH-2.0-nothing\r\n", "tsa.unreachable"),
        (lambda _: b"", "tsa.unreachable"),
        (_dripping, "tsa.slow"),
    ],
    ids=["500", "redirect", "oversize", "cut", "no-http", "hangs-up", "slow"],
)
def test_a_bad_answer_is_refused(tsa: Tsa, answer: Callable[[bytes], bytes], code: str) -> None:
    with tsa.served(answer) as url, refused(code, UnreachableError):
        ask(url, b"question", 0.3)


def test_an_answer_in_drops_ends_with_the_time(tsa: Tsa) -> None:
    """Each drop comes in time, and all of them together do not."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def drip() -> None:
            line, _ = server.accept()
            with line:
                for drop in b"HTTP/1.1 200 OK\r\n" * 10:
                    try:
                        line.send(bytes([drop]))
                    except OSError:
                        return
                    time.sleep(0.03)

        import threading

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        with refused("tsa.slow", UnreachableError):
            ask(f"http://127.0.0.1:{port}/", b"question", 0.3)
        assert time.monotonic() - began < 2
        thread.join()


def test_nobody_there(tsa: Tsa) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with refused("tsa.unreachable", UnreachableError):
        ask(f"http://127.0.0.1:{port}/", b"question", 1)


def test_https_wants_a_certificate_that_is_trusted(tsa: Tsa) -> None:
    with tsa.served() as url, refused("tsa.unreachable", UnreachableError):
        ask(url.replace("http:", "https:"), b"question", 2)
