"""The second implementation behind a pipe: requests in, answers out, one Node process a call."""

import base64
import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from registry.protocol.checks import Report
from registry.protocol.trust import KeyPin, Terms
from tests.parts import ROOT, needs
from tests.world import dump

MODULE: Final = ROOT / "registry" / "web" / "static" / "pith-verify.js"
_DRIVER: Final = Path(__file__).parent / "driver.mjs"

Request = dict[str, Any]


def b64(data: bytes) -> str:
    """Bytes as requests carry them."""
    return base64.b64encode(data).decode()


def ask(requests: Iterable[Request]) -> list[Any]:
    """The answers to all requests, in their order: the result, ``refused: code``, and an
    AssertionError for anything else."""
    needs("node")
    lines = b"".join(dump(request) + b"\n" for request in requests)
    run = subprocess.run(
        ["node", _DRIVER, MODULE.as_uri()], input=lines, capture_output=True, timeout=300
    )
    assert run.returncode == 0, run.stderr.decode()
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(answers) == lines.count(b"\n")
    return [_result(answer) for answer in answers]


def _result(answer: Request) -> Any:
    assert "crash" not in answer, answer["crash"]
    return answer["ok"] if "ok" in answer else f"refused: {answer['refused']}"


def terms_json(terms: Terms) -> Request:
    """A verifier's terms as requests carry them."""
    pins = [
        {"key_id": pin.key_id, "public_key_hex": pin.key.hex, "registry": pin.registry}
        if isinstance(pin, KeyPin)
        else {"data": b64(dump(pin.keyset.to_json())), "origin": pin.origin}
        for pin in terms.pins
    ]
    return {
        "pins": pins,
        "at": terms.at.seconds,
        "max_ahead": terms.max_ahead,
        "expect": None if terms.expect is None else terms.expect.typed,
        "registry": terms.registry,
        "accept_expired": terms.accept_expired,
        "evidence": [
            {"sha256": sha256, "before": found.before.seconds, "authority": found.authority}
            for sha256, found in terms.timestamps.dated.items()
        ],
    }


def told(report: Request) -> Request:
    """What both implementations must say alike of one document: everything but the prose."""
    return {
        "kind": report["kind"],
        "subject": report["subject"],
        "registry": report["registry"],
        "ok": report["ok"],
        "checks": [(each["name"], each["status"], each["code"]) for each in report["checks"]],
        "verdicts": [
            (each["what"], each["key_id"], each["verdict"]) for each in report["verdicts"]
        ],
        "proven": report["proven"],
    }


def first_told(report: Report) -> Request:
    """The same of the first implementation's report."""
    return told(report.to_json())
