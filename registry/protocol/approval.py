"""Approvals: what people outside the threshold sign with OpenSSH before a ceremony.

An approval is evidence. What lets a key set follow another is the threshold of recovery
keys and nothing else.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from registry.errors import MalformedError, VerificationError
from registry.protocol import schema
from registry.protocol.canonical import Json, JsonObject, canonical
from registry.protocol.instant import Instant
from registry.protocol.keys import PublicKey
from registry.protocol.sshsig import SshKey, SshSignature

NAMESPACE: Final = "pith-approval"
MAX_APPROVERS: Final = 64


@dataclass(frozen=True, slots=True)
class Approval:
    """What is approved: one act, leading from one version to one digest, once."""

    registry: str
    act: str
    from_version: int
    to_sha256: str
    nonce: str
    expires_at: Instant

    def to_json(self) -> JsonObject:
        """Its six members."""
        return {
            "registry": self.registry,
            "act": self.act,
            "from_version": self.from_version,
            "to_sha256": self.to_sha256,
            "nonce": self.nonce,
            "expires_at": self.expires_at.seconds,
        }


def approval_message(approval: Approval) -> bytes:
    """The file that approvers sign: the canonical bytes and a newline."""
    return canonical(approval.to_json()) + b"\n"


@dataclass(frozen=True, slots=True)
class Approvers:
    """Whose approvals count, and how many of them are wanted (M)."""

    keys: tuple[SshKey, ...]
    wanted: int

    @classmethod
    def new(cls, lines: Sequence[str], wanted: int, path: str = "$") -> Self:
        """Check the lines of .pub files: no key twice, 0 to as many wanted as there are.

        Raises MalformedError ``approval.keys`` and what `SshKey.parse` raises.
        """
        keys = tuple(SshKey.parse(line) for line in lines)
        raw = {each.key.raw for each in keys}
        if len(raw) != len(keys) or len(keys) > MAX_APPROVERS or not 0 <= wanted <= len(keys):
            raise MalformedError(
                f"{wanted} approvals wanted of {len(raw)} different keys on {len(keys)} lines",
                code="approval.keys",
                path=path,
                hint=f"no key twice, at most {MAX_APPROVERS}, and not more approvals than keys",
            )
        return cls(keys, wanted)

    @classmethod
    def from_json(cls, value: Json, path: str) -> Self:
        """Check ``{keys, wanted}``."""
        members = schema.closed(value, frozenset(("keys", "wanted")), path)
        lines = [
            schema.text(line, f"{path}.keys[{i}]")
            for i, line in enumerate(schema.array(members["keys"], f"{path}.keys"))
        ]
        return cls.new(lines, schema.integer(members["wanted"], f"{path}.wanted"), path)

    def to_json(self) -> JsonObject:
        """``{keys, wanted}``: the lines of the .pub files, and M."""
        return {"keys": [each.line for each in self.keys], "wanted": self.wanted}

    def find(self, key: PublicKey) -> SshKey | None:
        """The approver with this key."""
        return next((each for each in self.keys if each.key == key), None)


NOBODY: Final = Approvers((), 0)
"""Before the first ceremony there are no approvers."""


def verify_approvals(
    signatures: Sequence[SshSignature], approval: Approval, approvers: Approvers
) -> None:
    """Check every approval, and that there are as many as *approvers* wants.

    Raises VerificationError ``approval.stranger`` (not an approver's key),
    ``approval.twice``, ``approval.missing``, ``sshsig.namespace``, BadSignatureError.
    """
    seen: set[bytes] = set()
    for signature in signatures:
        verify_approval(signature, approval, approvers)
        if signature.key.raw in seen:
            raise VerificationError("one approver's approval stands twice", code="approval.twice")
        seen.add(signature.key.raw)
    if len(seen) < approvers.wanted:
        raise VerificationError(
            f"{len(seen)} of {approvers.wanted} approvals are there",
            code="approval.missing",
            hint="they are given on a request (pith ceremony run FILE --request request.json): "
            "`pith ceremony approve request.json` says what to sign, --add takes what was signed",
        )


def verify_approval(signature: SshSignature, approval: Approval, approvers: Approvers) -> SshKey:
    """Check one approval; gives whose it is. Raises as `verify_approvals`."""
    found = approvers.find(signature.key)
    if found is None:
        raise VerificationError(
            f"an approval by {SshKey(signature.key, '').fingerprint}, which is no approver",
            code="approval.stranger",
            hint="the approvers are those the last signed transcript names",
        )
    signature.verify(approval_message(approval), NAMESPACE)
    return found


def approval_json(signatures: Sequence[SshSignature]) -> list[str]:
    """Approvals as documents hold them: each the base64 of what is inside its armor."""
    return [base64.b64encode(signature.blob).decode() for signature in signatures]


def approvals_from_json(value: Json, path: str) -> tuple[SshSignature, ...]:
    """Read what `approval_json` wrote."""
    items = schema.array(value, path)
    blobs = [schema.base64_text(item, f"{path}[{i}]") for i, item in enumerate(items)]
    return tuple(SshSignature.from_blob(blob) for blob in blobs)
