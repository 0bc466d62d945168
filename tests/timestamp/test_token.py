"""Tokens of a real authority, good and bad: each is refused by the name of what is wrong."""

import base64
import hashlib
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from registry.errors import MalformedError, PithError, UnreachableError, VerificationError
from registry.protocol.evidence import Evidence, Refused
from registry.protocol.instant import Instant
from registry.timestamp.authority import Authority
from registry.timestamp.token import (
    MAX_TOKEN,
    Request,
    accept_reply,
    examine_anchor,
    gen_time_of,
    payload_of,
    verify_token,
)
from tests.protocol.refusals import refused
from tests.timestamp.authority import Tsa, openssl

DATA: Final = b"what is to be dated"
SHA256: Final = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(name="token", scope="module")
def _token(tsa: Tsa) -> bytes:
    return tsa.token(SHA256)


def file_of(*files: Path) -> bytes:
    return b"".join(file.read_bytes() for file in files)


# -- good ----------------------------------------------------------------------


def test_a_good_token_dates_its_digest(tsa: Tsa, token: bytes, pinned: Authority) -> None:
    found = verify_token(token, SHA256, [pinned])

    assert (found.sha256, found.authority, found.token) == (SHA256, "CN=A clock", token)
    said = openssl("ts", "-reply", "-token_in", "-in", tsa_file(tsa, token), "-text").decode()
    stamp = next(line for line in said.splitlines() if line.startswith("Time stamp: "))
    exact = datetime.strptime(stamp, "Time stamp: %b %d %H:%M:%S.%f %Y GMT").replace(tzinfo=UTC)
    # 1.5001 s of accuracy and the second that the fraction may be; then up to a whole one.
    late = found.before.micros - Instant.of(exact).micros
    assert 1_500_100 < late <= 3_500_100
    assert gen_time_of(token) == Instant.of(exact).whole


def tsa_file(tsa: Tsa, token: bytes) -> Path:
    file = tsa.folder / "a-token"
    file.write_bytes(token)
    return file


def test_without_an_accuracy_a_second_is_deducted(tmp_path: Path) -> None:
    tsa = Tsa(tmp_path / "tsa", accuracy="secs:0")
    token = tsa.token(SHA256)
    found = verify_token(token, SHA256, [Authority.parse(tsa.root.read_bytes(), "a test")])

    assert found.before == gen_time_of(token).plus(seconds=1)


def test_openssl_agrees(tsa: Tsa, token: bytes, pinned: Authority) -> None:
    found = verify_token(token, SHA256, [pinned])
    roots = tsa.folder / "pinned.pem"
    roots.write_text(found.trusted)

    said = openssl(
        "ts", "-verify", "-digest", SHA256, "-token_in", "-in", tsa_file(tsa, token),
        "-CAfile", roots,
    )  # fmt: skip
    assert said == b"Verification: OK\n"


def test_a_payload_says_what_its_token_proves(token: bytes, pinned: Authority) -> None:
    found = verify_token(token, SHA256, [pinned])
    payload = payload_of(token, found, gen_time_of(token))

    assert examine_anchor(payload, [pinned]) == found


def test_one_of_several_authorities_is_enough(
    tsa: Tsa, other: Tsa, token: bytes, pinned: Authority
) -> None:
    theirs = Authority.parse(other.root.read_bytes(), "a test")

    for pins in ((pinned, theirs), (theirs, pinned)):
        assert isinstance(verify_token(token, SHA256, pins), Evidence)


def test_a_certificate_that_has_expired_since_still_dates(tsa: Tsa, pinned: Authority) -> None:
    ends = (datetime.now(UTC) + timedelta(seconds=1.4)).replace(microsecond=0)
    short = tsa.issued("stamps", "20200101000000Z", f"{ends:%Y%m%d%H%M%SZ}")
    token = tsa.token(SHA256, certificate=short)
    while datetime.now(UTC) < ends + timedelta(seconds=1):  # the end is in whole seconds
        time.sleep(0.1)

    assert verify_token(token, SHA256, [pinned]).authority == "CN=A clock"
    with refused("anchor.certificate_time", VerificationError):
        verify_token(tsa.token(SHA256, certificate=short), SHA256, [pinned])


# -- bad -----------------------------------------------------------------------

Bad = Callable[[Tsa, Tsa, bytes], bytes]
_RESIGNED: Final = ("not-critical", "servers", "both", "plain")
BAD: Final[dict[str, tuple[str, Bad]]] = {
    "of-another-authority": ("authority", lambda tsa, other, _: other.token(SHA256)),
    "of-another-digest": ("digest", lambda tsa, other, _: tsa.token("0" * 64)),
    "over-sha-1": (
        "imprint",
        lambda tsa, other, _: tsa.token(SHA256[:40], algorithm="sha1"),
    ),
    "signed-over-sha-1": (
        "algorithm",
        lambda tsa, other, token: tsa.resigned(token, tsa.certificate, "-md", "sha1"),
    ),
    "certificate-expired": (
        "certificate_time",
        lambda tsa, other, _: tsa.token(
            SHA256, certificate=tsa.issued("stamps", "20200101000000Z", "20200201000000Z")
        ),
    ),
    "certificate-not-yet-valid": (
        "certificate_time",
        lambda tsa, other, _: tsa.token(
            SHA256, certificate=tsa.issued("stamps", "20480101000000Z")
        ),
    ),
    "without-its-certificate": (
        "form",
        lambda tsa, other, token: tsa.resigned(token, tsa.certificate, "-nocerts"),
    ),
    "signed-by-two": (
        "form",
        lambda tsa, other, token: tsa.resigned(
            token,
            tsa.certificate,
            "-signer",
            str(tsa.root),
            "-inkey",
            str(tsa.root.with_suffix(".key")),
        ),
    ),
    "its-digest-changed": (
        "signature",
        lambda tsa, other, _: tsa.token("0" * 64).replace(bytes(32), bytes.fromhex(SHA256)),
    ),
    "its-signature-changed": (
        "signature",
        lambda tsa, other, token: token[:-1] + bytes([token[-1] ^ 1]),
    ),
    "a-byte-after-it": ("form", lambda tsa, other, token: token + b"\0"),
    "cut": ("form", lambda tsa, other, token: token[:-1]),
    "a-whole-reply": ("form", lambda tsa, other, token: b"\x30\x03\x02\x01\x00" + token),
    "no-token": ("form", lambda tsa, other, token: b"\x30\x00"),
    "nothing": ("form", lambda tsa, other, token: b""),
    "too-long": ("form", lambda tsa, other, token: bytes(MAX_TOKEN + 1)),
} | {
    f"usage-{usage}": (
        "usage",
        lambda tsa, other, token, usage=usage: tsa.resigned(token, tsa.issued(usage)),
    )
    for usage in _RESIGNED
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused_by_name(
    tsa: Tsa, other: Tsa, token: bytes, pinned: Authority, name: str
) -> None:
    rule, make = BAD[name]
    bad = make(tsa, other, token)

    with pytest.raises(PithError) as caught:
        verify_token(bad, SHA256, [pinned])
    assert caught.value.code == f"anchor.{rule}", str(caught.value)
    assert type(caught.value) is (MalformedError if rule == "form" else VerificationError)


def test_under_no_authority_nothing_is_proven(token: bytes) -> None:
    with refused("anchor.authority", VerificationError):
        verify_token(token, SHA256, [])


def test_a_token_that_is_signed_again_as_it_was_is_good(
    tsa: Tsa, token: bytes, pinned: Authority
) -> None:
    """So the refusals of those signed again are for what was changed in them."""
    again = tsa.resigned(token, tsa.certificate)

    assert verify_token(again, SHA256, [pinned]).authority == "CN=A clock"


@pytest.mark.parametrize(
    "member", [("proof_format", "opentimestamps"), ("status", "pending")], ids=lambda m: m[0]
)
def test_other_proofs_are_not_checked(
    token: bytes, pinned: Authority, member: tuple[str, str]
) -> None:
    found = verify_token(token, SHA256, [pinned])
    payload = payload_of(token, found, gen_time_of(token)) | dict([member])

    refusal = examine_anchor(payload, [pinned])
    assert isinstance(refusal, Refused)
    assert refusal.code == "anchor.format"


def test_what_a_payload_says_is_not_believed(token: bytes, pinned: Authority) -> None:
    good = payload_of(token, verify_token(token, SHA256, [pinned]), gen_time_of(token))
    lies = good | {"authority": "CN=Someone", "anchored_at": "1999-01-01T00:00:00Z"}

    assert examine_anchor(lies, [pinned]) == examine_anchor(good, [pinned])
    refusal = examine_anchor(good | {"anchored_sha256": "0" * 64}, [pinned])
    assert isinstance(refusal, Refused)
    assert (refusal.sha256, refusal.code) == ("0" * 64, "anchor.digest")
    spoilt = good | {"proof_b64": base64.b64encode(b"x").decode()}
    assert isinstance(examine_anchor(spoilt, [pinned]), Refused)


def test_spoilt_bytes_never_crash_and_never_prove_more(token: bytes, pinned: Authority) -> None:
    good = verify_token(token, SHA256, [pinned])
    chance = random.Random(3161)
    codes = set()
    for _ in range(1500):
        bad = bytearray(token)
        for _ in range(chance.randint(1, 3)):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        try:
            found = verify_token(bytes(bad), SHA256, [pinned])
        except (VerificationError, MalformedError) as error:
            codes.add(error.code)
        else:  # the change stands outside of all that is signed
            assert (found.before, found.authority) == (good.before, good.authority)
    assert codes >= {"anchor.form", "anchor.digest", "anchor.signature"}


# -- pinned certificates -------------------------------------------------------


def test_a_pinned_tsa_certificate_admits_no_other(tsa: Tsa, token: bytes) -> None:
    exact = Authority.parse(file_of(tsa.root, tsa.certificate), "a test")
    another = Authority.parse(file_of(tsa.root, tsa.issued("stamps", "20210101000000Z")), "a test")

    assert verify_token(token, SHA256, [exact]).authority == "CN=A clock"
    with refused("anchor.authority", VerificationError):
        verify_token(token, SHA256, [another])


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda tsa: b"", "tsa.certificate"),
        (lambda tsa: b"no certificate", "tsa.certificate"),
        (lambda tsa: tsa.root.read_bytes()[:200], "tsa.certificate"),
        (lambda tsa: tsa.key.read_bytes(), "tsa.certificate"),
        (lambda tsa: tsa.certificate.read_bytes(), "tsa.root"),
        (lambda tsa: tsa.root.read_bytes() * 17, "tsa.root"),
    ],
    ids=["empty", "text", "cut", "a-private-key", "no-root", "too-many"],
)
def test_a_bad_pin_is_refused(tsa: Tsa, spoil: Callable[[Tsa], bytes], code: str) -> None:
    with refused(code):
        Authority.parse(spoil(tsa), "a test")


# -- replies -------------------------------------------------------------------


def test_a_good_reply_is_accepted(tsa: Tsa, pinned: Authority) -> None:
    request = Request.about(DATA)
    token, found = accept_reply(tsa.reply(request.query), request, [pinned])

    assert request.sha256 == found.sha256 == SHA256
    assert found.token == token


def test_bad_replies_are_refused(tsa: Tsa, other: Tsa, pinned: Authority) -> None:
    request, again = Request.about(DATA), Request.about(DATA)
    another = Request.about(b"something else")

    for reply, question, code, kind in (
        (tsa.reply(again.query), request, "anchor.nonce", VerificationError),
        (other.reply(request.query), request, "anchor.authority", VerificationError),
        (b"<html>", request, "anchor.form", MalformedError),
        (b"", request, "anchor.form", MalformedError),
        (bytes.fromhex("30053003020102"), request, "tsa.refused", UnreachableError),
        (tsa.reply(request.query)[:-1], request, "anchor.form", MalformedError),
    ):
        with refused(code, kind):
            accept_reply(reply, question, [pinned])
    swapped = Request(DATA, another.query, another.nonce)
    with refused("anchor.digest", VerificationError):
        accept_reply(tsa.reply(another.query), swapped, [pinned])
