"""The module in a browser: Chromium loads it over loopback and says what Node and Python say."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from registry.data import seed_bundle, shipped_pins
from registry.protocol.bundle_checks import examine_bundle
from registry.protocol.instant import Instant
from registry.protocol.trust import Terms, parse_pin
from tests.parts import needs
from tests.web.second import MODULE, first_told, told

LATER: Final = Instant.parse_seconds("2026-06-01T00:00:00Z")
SPOILT: Final = seed_bundle().replace(b'"attestation_state":"computed"', b'"attestation_state":"x"')
PAGE: Final = b"""<!doctype html><meta charset="utf-8"><title>verify</title>
<script type="module" src="/page.js"></script>"""
SCRIPT: Final = f"""
import {{ missing, parsePin, verifyBundle }} from "/pith-verify.js";
const bytes = async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer());
const answer = {{ missing: await missing(), reports: [] }};
if (answer.missing === null) {{
  const pin = await parsePin(await bytes("/pin.json"), "the test");
  const terms = {{ pins: [pin], at: "{LATER.seconds}" }};
  for (const path of ["/bundle.json", "/spoilt.json"]) {{
    answer.reports.push(await verifyBundle(await bytes(path), terms));
  }}
}}
await fetch("/answer", {{ method: "POST", body: JSON.stringify(answer) }});
""".encode()
FILES: Final = {
    "/": ("text/html", PAGE),
    "/page.js": ("text/javascript", SCRIPT),
    "/pith-verify.js": ("text/javascript", MODULE.read_bytes()),
    "/pin.json": ("application/json", shipped_pins()["pith.science"]),
    "/bundle.json": ("application/json", seed_bundle()),
    "/spoilt.json": ("application/json", SPOILT),
}
FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


@contextmanager
def served() -> Iterator[tuple[int, threading.Event, list[Any]]]:
    """The files on a loopback port, and what the page answers."""
    answers: list[Any] = []
    answered = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = FILES.get(self.path, ("text/plain", b""))
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            # What a careful page allows its scripts: nothing but this module.
            self.send_header(
                "Content-Security-Policy",
                "default-src 'none'; script-src 'self'; "
                "connect-src 'self'; require-trusted-types-for 'script'",
            )
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            answers.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()
            answered.set()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, answered, answers
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer_of(host: str, profile: Path) -> Any:
    """What the page says when Chromium opens it under a host name, which is this machine."""
    needs("chromium")
    with served() as (port, answered, answers):
        browser = subprocess.Popen(
            [
                "chromium",
                *FLAGS,
                f"--user-data-dir={profile}",
                "--host-resolver-rules=MAP *.example 127.0.0.1",
                f"http://{host}:{port}/",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert answered.wait(timeout=60)
        finally:
            browser.terminate()
            browser.wait(timeout=20)
    return answers[0]


def test_chromium_gives_the_same_report(tmp_path: Path) -> None:
    answer = answer_of("127.0.0.1", tmp_path)
    terms = Terms((parse_pin(shipped_pins()["pith.science"], "the test"),), LATER)

    assert answer["missing"] is None
    good, spoilt = answer["reports"]
    assert good["ok"] is True
    assert told(good) == first_told(examine_bundle(seed_bundle(), terms))
    assert told(spoilt) == first_told(examine_bundle(SPOILT, terms))
    assert spoilt["ok"] is False


def test_a_page_over_plain_http_says_what_is_missing(tmp_path: Path) -> None:
    answer = answer_of("registry.example", tmp_path)

    assert answer == {"missing": "no WebCrypto: the page must come over https", "reports": []}
