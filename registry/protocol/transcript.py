"""The transcript of a ceremony: what was shown, who confirmed it, what it led to.

One transcript is one session: a sitting at one machine, signed by the recovery keys that
took part there. Sessions of one ceremony share its nonce, and every transcript names the
digest of the one before it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from registry.errors import MalformedError, MismatchError
from registry.protocol import schema
from registry.protocol.approval import (
    Approval,
    Approvers,
    approval_json,
    approvals_from_json,
)
from registry.protocol.canonical import Json, JsonObject, canonical, digest
from registry.protocol.instant import Instant
from registry.protocol.keyset import KeySetSignature
from registry.protocol.sshsig import SshSignature
from registry.protocol.strict_json import read_json

TRANSCRIPT_TYPE: Final = "pith_transcript"
TRANSCRIPT_VERSION: Final = "1.0"
PREFIX: Final = b"pith-transcript-v1\n"
ACTS: Final = ("recovery-keys", "rotate", "revoke", "compromise", "commit", "renew")
HOLDER: Final = "key holder"
WITNESS: Final = "witness"
REHEARSAL_SUFFIX: Final = ".invalid"
MAX_PARTICIPANTS: Final = 64
MAX_LINES: Final = 1000
_SIGNED_KEYS: Final = frozenset(
    (
        "transcript_type",
        "transcript_version",
        "registry",
        "act",
        "rehearsal",
        "tool_version",
        "nonce",
        "expires_at",
        "from_version",
        "from_sha256",
        "to_version",
        "to_sha256",
        "participants",
        "steps",
        "approvers",
        "approvals",
        "prev_transcript_sha256",
    )
)
_STEP_KEYS: Final = frozenset(
    (
        "step",
        "shown",
        "compared_sha256",
        "confirmed_by",
        "at",
        "prev_step_sha256",
        "step_sha256",
    )
)


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody who takes part: the holder of a recovery key, or, without one, a witness."""

    name: str
    key_id: str | None

    @classmethod
    def from_json(cls, value: Json, path: str) -> Self:
        """Check ``{name, key_id}``."""
        members = schema.closed(value, frozenset(("name", "key_id")), path)
        key_id = members["key_id"]
        name = schema.text(members["name"], f"{path}.name", limit=128)
        if not name.strip():
            raise MalformedError("a participant without a name", code="schema.length", path=path)
        return cls(name, None if key_id is None else schema.key_id(key_id, f"{path}.key_id"))

    def to_json(self) -> JsonObject:
        """``{name, key_id}``."""
        return {"name": self.name, "key_id": self.key_id}

    @property
    def role(self) -> str:
        """``key holder`` or ``witness``."""
        return WITNESS if self.key_id is None else HOLDER


def participants_from_json(value: Json, path: str) -> tuple[Participant, ...]:
    """Check a list of participants: at least one, at most 64, no key twice."""
    items = schema.array(value, path)
    found = tuple(Participant.from_json(item, f"{path}[{i}]") for i, item in enumerate(items))
    keys = [each.key_id for each in found if each.key_id is not None]
    if not 1 <= len(found) <= MAX_PARTICIPANTS or len(set(keys)) != len(keys):
        raise MalformedError(
            f"{len(found)} participants with {len(set(keys))} different keys",
            code="schema.participants",
            path=path,
            hint=f"1 to {MAX_PARTICIPANTS} people, and each key once",
        )
    return found


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what was on the screen, the digest that was compared, who typed the word
    and when. What was typed is never kept."""

    step: str
    shown: tuple[str, ...]
    compared_sha256: str | None
    name: str
    role: str
    at: Instant
    prev_sha256: str | None

    @classmethod
    def from_json(cls, value: Json, path: str) -> Self:
        """Check a closed step and its digest: MismatchError ``transcript.steps``."""
        members = schema.closed(value, _STEP_KEYS, path)
        who = schema.closed(
            members["confirmed_by"], frozenset(("name", "role")), f"{path}.confirmed_by"
        )
        lines = schema.array(members["shown"], f"{path}.shown")
        if len(lines) > MAX_LINES:
            raise MalformedError(f"over {MAX_LINES} lines", code="schema.length", path=path)
        compared, prev = members["compared_sha256"], members["prev_step_sha256"]
        step = cls(
            schema.text(members["step"], f"{path}.step", limit=128),
            tuple(schema.text(line, f"{path}.shown[{i}]") for i, line in enumerate(lines)),
            None if compared is None else schema.hex64(compared, f"{path}.compared_sha256"),
            schema.text(who["name"], f"{path}.confirmed_by.name", limit=128),
            schema.one_of(who["role"], (HOLDER, WITNESS), f"{path}.confirmed_by.role"),
            schema.seconds(members["at"], f"{path}.at"),
            None if prev is None else schema.hex64(prev, f"{path}.prev_step_sha256"),
        )
        if schema.hex64(members["step_sha256"], f"{path}.step_sha256") != step.sha256:
            raise MismatchError(
                f"the digest of step {step.step!r} is not its own", code="transcript.steps"
            )
        return step

    def _body(self) -> JsonObject:
        return {
            "step": self.step,
            "shown": list(self.shown),
            "compared_sha256": self.compared_sha256,
            "confirmed_by": {"name": self.name, "role": self.role},
            "at": self.at.seconds,
            "prev_step_sha256": self.prev_sha256,
        }

    @property
    def sha256(self) -> str:
        """The digest of the step, the one before it included, in hex."""
        return digest(self._body()).hex()

    def to_json(self) -> JsonObject:
        """The step with its digest."""
        return self._body() | {"step_sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class Ceremony:
    """What one ceremony is about, the same in each of its sessions.

    ``approvers`` are those whose approvals the *next* ceremony wants.
    """

    registry: str
    act: str
    rehearsal: bool
    nonce: str
    expires_at: Instant
    from_version: int
    from_sha256: str
    to_version: int
    to_sha256: str
    approvers: Approvers

    @property
    def approval(self) -> Approval:
        """What approvers sign for it."""
        return Approval(
            self.registry,
            self.act,
            self.from_version,
            self.to_sha256,
            self.nonce,
            self.expires_at,
        )


@dataclass(frozen=True, slots=True)
class TranscriptBody:
    """One session, before it is signed."""

    ceremony: Ceremony
    tool_version: str
    participants: tuple[Participant, ...]
    steps: tuple[Step, ...]
    approvals: tuple[SshSignature, ...]
    prev_sha256: str | None

    @classmethod
    def from_json(cls, value: Json, path: str = "$") -> Self:
        """Check a closed transcript without its signatures."""
        return cls._taken(schema.closed(value, _SIGNED_KEYS, path), path)

    @classmethod
    def _taken(cls, members: JsonObject, path: str) -> Self:
        schema.constant(members["transcript_type"], TRANSCRIPT_TYPE, f"{path}.transcript_type")
        schema.constant(
            members["transcript_version"], TRANSCRIPT_VERSION, f"{path}.transcript_version"
        )
        if type(members["rehearsal"]) is not bool:
            raise schema.wrong_type(members["rehearsal"], "true or false", f"{path}.rehearsal")
        prev = members["prev_transcript_sha256"]
        steps = schema.array(members["steps"], f"{path}.steps")
        return cls(
            Ceremony(
                schema.name(members["registry"], f"{path}.registry"),
                schema.one_of(members["act"], ACTS, f"{path}.act"),
                members["rehearsal"],
                schema.hex32(members["nonce"], f"{path}.nonce"),
                schema.seconds(members["expires_at"], f"{path}.expires_at"),
                schema.integer(members["from_version"], f"{path}.from_version"),
                schema.hex64(members["from_sha256"], f"{path}.from_sha256"),
                schema.integer(members["to_version"], f"{path}.to_version"),
                schema.hex64(members["to_sha256"], f"{path}.to_sha256"),
                Approvers.from_json(members["approvers"], f"{path}.approvers"),
            ),
            schema.text(members["tool_version"], f"{path}.tool_version", limit=128),
            participants_from_json(members["participants"], f"{path}.participants"),
            tuple(Step.from_json(item, f"{path}.steps[{i}]") for i, item in enumerate(steps)),
            approvals_from_json(members["approvals"], f"{path}.approvals"),
            None if prev is None else schema.hex64(prev, f"{path}.prev_transcript_sha256"),
        )

    def to_json(self) -> JsonObject:
        """What is signed."""
        about = self.ceremony
        return {
            "transcript_type": TRANSCRIPT_TYPE,
            "transcript_version": TRANSCRIPT_VERSION,
            "registry": about.registry,
            "act": about.act,
            "rehearsal": about.rehearsal,
            "tool_version": self.tool_version,
            "nonce": about.nonce,
            "expires_at": about.expires_at.seconds,
            "from_version": about.from_version,
            "from_sha256": about.from_sha256,
            "to_version": about.to_version,
            "to_sha256": about.to_sha256,
            "participants": [each.to_json() for each in self.participants],
            "steps": [step.to_json() for step in self.steps],
            "approvers": about.approvers.to_json(),
            "approvals": approval_json(self.approvals),
            "prev_transcript_sha256": self.prev_sha256,
        }

    @property
    def digest(self) -> bytes:
        """SHA-256 of the signed bytes: what the next transcript names."""
        return hashlib.sha256(transcript_message(self)).digest()

    def with_step(
        self,
        step: str,
        *,
        shown: Sequence[str],
        compared: bytes | None,
        by: Participant,
        at: Instant,
    ) -> Self:
        """The same with one more step at its end."""
        prev = self.steps[-1].sha256 if self.steps else None
        hexed = None if compared is None else compared.hex()
        added = Step(step, tuple(shown), hexed, by.name, by.role, at.whole, prev)
        return replace(self, steps=(*self.steps, added))


def transcript_message(body: TranscriptBody) -> bytes:
    """What a transcript's signatures are over: the prefix and the canonical bytes."""
    return PREFIX + canonical(body.to_json())


def sign_step(key_id: str) -> str:
    """The name of the step in which a key signs, and the word that is typed there."""
    return f"sign-{key_id}"


@dataclass(frozen=True, slots=True)
class Transcript:
    """A signed transcript."""

    body: TranscriptBody
    signatures: tuple[KeySetSignature, ...]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a transcript of at most 1 MiB; `transcript_rules` checks what it says."""
        return cls.from_json(read_json(data).value)

    @classmethod
    def from_json(cls, value: Json, path: str = "$") -> Self:
        """Check a closed transcript."""
        members = schema.closed(value, _SIGNED_KEYS | {"signatures"}, path)
        found = schema.array(members["signatures"], f"{path}.signatures")
        return cls(
            TranscriptBody._taken(members, path),
            tuple(
                KeySetSignature.from_json(item, f"{path}.signatures[{i}]")
                for i, item in enumerate(found)
            ),
        )

    def to_json(self) -> JsonObject:
        """The whole transcript."""
        return self.body.to_json() | {"signatures": [s.to_json() for s in self.signatures]}
