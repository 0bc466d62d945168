"""How anyone checks the signatures of a document with openssl alone."""

import base64
from collections.abc import Iterator

from registry.errors import printable
from registry.protocol.checks import Report, SignedPart
from registry.protocol.evidence import Evidence


def explained(report: Report, checks: list[str]) -> Iterator[str]:
    """A shell script: for each signature the bytes signed, the key, and openssl's check.

    The whole output runs in a POSIX shell with openssl 3 and base64. The checks
    that pith made stand in it as comments; a document that pith refuses gives a
    script that fails at its end, whatever openssl says.
    """
    yield "# What pith recomputed:"
    yield from (f"#   {row}" for row in checks)
    yield "# Each signature below is checked by openssl and nothing of pith. That the key is the"
    yield "# registry's is what a pin is for."
    yield "d=$(mktemp -d) && trap 'rm -r \"$d\"' EXIT && set -e"
    for part in report.signed:
        yield ""
        yield from _part(part)
    for found in report.timestamps:
        if isinstance(found, Evidence):
            yield ""
            yield from _timestamp(found)
    if not report.ok:
        yield ""
        yield "exit 1  # pith refused this document, for the reasons above"


def _part(part: SignedPart) -> Iterator[str]:
    yield f"# {printable(part.what)}, key {part.key_id} ({part.key.fingerprint})"
    yield f"# signed: {printable(part.made_of)}"
    if len(part.message) == 32:
        yield f"# in hex: {part.message.hex()}"
    yield f"base64 -d >\"$d/message\" <<'END'\n{_b64(part.message)}\nEND"
    yield f"base64 -d >\"$d/signature\" <<'END'\n{_b64(part.signature)}\nEND"
    yield f"cat >\"$d/key.pem\" <<'END'\n{part.key.pem()}END"
    yield (
        'openssl pkeyutl -verify -rawin -pubin -inkey "$d/key.pem" '
        '-in "$d/message" -sigfile "$d/signature"'
    )


def _timestamp(found: Evidence) -> Iterator[str]:
    yield f"# timestamp of {printable(found.authority)}, before {found.before.seconds}; the"
    yield "# certificates are those that were pinned"
    yield f"base64 -d >\"$d/token\" <<'END'\n{_b64(found.token)}\nEND"
    yield f"cat >\"$d/tsa.pem\" <<'END'\n{found.trusted}END"
    yield (
        f"openssl ts -verify -digest {found.sha256} -token_in "
        f'-in "$d/token" -CAfile "$d/tsa.pem" -attime {found.before.micros // 1_000_000}'
    )


def _b64(data: bytes) -> str:
    return base64.encodebytes(data).decode().rstrip("\n")
