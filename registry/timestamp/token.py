"""RFC 3161 tokens: the request, the reply, and what a token proves."""

import base64
import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Final

import rfc3161_client
from cryptography import x509
from rfc3161_client import PKIStatus, TimeStampResponse, VerifierBuilder

from registry.errors import (
    MalformedError,
    PithError,
    UnreachableError,
    VerificationError,
    printable,
    shown,
)
from registry.protocol.canonical import JsonObject
from registry.protocol.evidence import Evidence, Finding, Refused
from registry.protocol.instant import Instant
from registry.timestamp.authority import Authority, is_for_timestamps

RFC3161: Final = "rfc3161"
MAX_TOKEN: Final = 32 << 10
"""Bytes of a token: in base64, with its event, it stays under the 64 KiB of an event."""
_SHA256: Final = "2.16.840.1.101.3.4.2.1"
_SHA2: Final = frozenset((_SHA256, "2.16.840.1.101.3.4.2.2", "2.16.840.1.101.3.4.2.3"))
_GRANTED: Final = bytes.fromhex("3003020100")
"""The status of a reply, granted, which stands before the token."""


@dataclass(frozen=True, slots=True)
class Request:
    """A question to an authority about *data*, with a nonce of the library's drawing."""

    data: bytes
    query: bytes
    nonce: int | None

    @classmethod
    def about(cls, data: bytes) -> "Request":
        """Ask for a token over SHA-256 of *data*, with the signer's certificate in it."""
        builder = rfc3161_client.TimestampRequestBuilder().data(data)
        made = builder.hash_algorithm(rfc3161_client.HashAlgorithm.SHA256).build()
        return cls(data, made.as_bytes(), made.nonce)

    @property
    def sha256(self) -> str:
        """The digest that is to be dated."""
        return hashlib.sha256(self.data).hexdigest()


def accept_reply(
    reply: bytes, request: Request, authorities: Sequence[Authority]
) -> tuple[bytes, Evidence]:
    """The token in an authority's reply and what it proves, once it is a good one.

    Raises UnreachableError ``tsa.refused`` when the authority made none, VerificationError
    ``anchor.nonce`` for the answer to another question, and what `verify_token` raises.
    """
    try:
        read = rfc3161_client.decode_timestamp_response(reply)
        status = read.status
        if status != PKIStatus.GRANTED:
            said = printable("; ".join(read.status_string))[:200]
            raise UnreachableError(
                f"the authority made no token: status {status} {said}".rstrip(),
                code="tsa.refused",
            )
        token, nonce = read.time_stamp_token(), read.tst_info.nonce
    except PithError:
        raise
    except Exception as error:
        raise _form(error) from None
    if nonce != request.nonce:
        raise VerificationError("the reply is to another question", code="anchor.nonce")
    return token, verify_token(token, request.sha256, authorities)


def payload_of(token: bytes, evidence: Evidence, gen_time: Instant) -> JsonObject:
    """The payload of a timestamp_anchor with this token."""
    return {
        "anchored_sha256": evidence.sha256,
        "proof_format": RFC3161,
        "proof_b64": base64.b64encode(token).decode(),
        "status": "confirmed",
        "anchored_at": gen_time.seconds,
        "authority": evidence.authority,
    }


def examine_anchor(anchor: JsonObject, authorities: Sequence[Authority]) -> Finding:
    """What the payload of a timestamp_anchor comes to: evidence, or why it is none."""
    sha256 = str(anchor["anchored_sha256"])
    if anchor["proof_format"] != RFC3161 or anchor["status"] != "confirmed":
        reason = f"a {anchor['status']} {anchor['proof_format']} proof is not checked here"
        return Refused(sha256, "anchor.format", reason)
    try:
        return verify_token(base64.b64decode(anchor["proof_b64"]), sha256, authorities)
    except (VerificationError, MalformedError) as error:
        return Refused(sha256, error.code, error.message)


def verify_token(token: bytes, sha256: str, authorities: Sequence[Authority]) -> Evidence:
    """What *token* proves of the object with this digest, under one of *authorities*.

    Raises MalformedError ``anchor.form``, and VerificationError with the rule that it
    breaks: ``anchor.imprint``, ``anchor.digest``, ``anchor.algorithm``, ``anchor.usage``,
    ``anchor.certificate_time``, ``anchor.authority``, ``anchor.signature``.
    """
    try:
        with warnings.catch_warnings(action="error"):  # what the library is about to refuse
            read = rfc3161_client.decode_timestamp_response(_as_reply(token))
            if read.time_stamp_token() != token:
                raise ValueError("it is not written as it reads")
            return _verified(read, token, sha256, authorities)
    except PithError:
        raise
    except Exception as error:  # of two libraries that read foreign bytes, KeyError among it
        raise _form(error) from None


def _verified(
    read: TimeStampResponse, token: bytes, sha256: str, authorities: Sequence[Authority]
) -> Evidence:
    info = read.tst_info
    gen_time = info.gen_time.astimezone(UTC)
    imprint = info.message_imprint
    if imprint.hash_algorithm.dotted_string != _SHA256:
        raise _refused("imprint", "it is over another digest than SHA-256")
    if imprint.message.hex() != sha256:
        raise _refused("digest", f"it is over {imprint.message.hex()}, not {sha256}")
    if not {each.dotted_string for each in read.signed_data.digest_algorithms} <= _SHA2:
        raise _refused("algorithm", "it is signed over a digest that is not SHA-2")
    leaf = _signer_of(read)
    name = printable(leaf.subject.rfc4514_string())[:200]
    if not is_for_timestamps(leaf):
        raise _refused("usage", f"the certificate {name} is not for timestamps alone")
    if not leaf.not_valid_before_utc <= gen_time <= leaf.not_valid_after_utc:
        raise _refused("certificate_time", f"the certificate {name} was not valid then")
    authority = _authority_of(read, leaf, bytes.fromhex(sha256), authorities)
    accuracy = info.accuracy
    slack = 0
    if accuracy is not None:
        slack = (accuracy.seconds or 0) * 1_000_000
        slack += (accuracy.millis or 0) * 1000 + (accuracy.micros or 0)
    # One second more: the library cuts the fraction of the token's time. Then up to a whole one.
    before = Instant.of(gen_time).micros + max(slack, 0) + 1_999_999
    return Evidence(sha256, Instant(before).whole, name, token, authority.pem)


def gen_time_of(token: bytes) -> Instant:
    """The time that a verified token says, in whole seconds."""
    read = rfc3161_client.decode_timestamp_response(_as_reply(token))
    return Instant.of(read.tst_info.gen_time.astimezone(UTC)).whole


def _authority_of(
    read: TimeStampResponse, leaf: x509.Certificate, digest: bytes, pinned: Sequence[Authority]
) -> Authority:
    """The pinned authority whose certificate *leaf* is and whose signature is good."""
    name = printable(leaf.subject.rfc4514_string())[:200]
    failure = _refused("authority", f"{name} is not of an authority that is pinned")
    for authority in pinned:
        if authority.own and leaf not in authority.own:
            continue
        builder = VerifierBuilder(
            roots=list(authority.roots), intermediates=list(authority.intermediates)
        )
        try:
            builder.build().verify(read, digest)
        except rfc3161_client.VerificationError as error:
            # The one word of OpenSSL's that tells a path that leads nowhere from a bad signature.
            if "certificate verify error" not in str(error):
                failure = _refused("signature", f"the signature of {name} fails")
        else:
            return authority
    raise failure


def _signer_of(read: TimeStampResponse) -> x509.Certificate:
    """The certificate in the token whose issuer and serial its one signature names."""
    signers = list(read.signed_data.signer_infos)
    if len(signers) != 1:
        raise ValueError(f"{len(signers)} signers, not one")
    for each in read.signed_data.certificates:
        found = x509.load_der_x509_certificate(each)
        named = (signers[0].issuer, signers[0].serial_number)
        if (found.issuer, found.serial_number) == named:
            return found
    raise ValueError("the certificate of its signer is not in it")


def _as_reply(token: bytes) -> bytes:
    """The token as the library reads one: in a reply that granted it."""
    if not 0 < len(token) <= MAX_TOKEN:
        raise ValueError(f"{len(token)} bytes")
    body = _GRANTED + token
    return b"\x30\x82" + len(body).to_bytes(2, "big") + body


def _form(error: Exception) -> MalformedError:
    return MalformedError(f"not a timestamp token: {shown(str(error), 160)}", code="anchor.form")


def _refused(rule: str, reason: str) -> VerificationError:
    return VerificationError(reason, code=f"anchor.{rule}")
