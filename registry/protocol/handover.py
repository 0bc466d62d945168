"""What crosses the air gap: the request of a registry's machine, and the response to it.

Both are one document. Whoever holds recovery keys adds signatures and the transcript of
the session in which they were made; everything else stays as it was asked for. It is no
secret and proves nothing by itself: each side checks it against what it holds.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from registry.errors import ConflictError, MalformedError, MismatchError, VerificationError, shown
from registry.protocol import schema
from registry.protocol.approval import Approvers, approval_json, approvals_from_json
from registry.protocol.canonical import Json, JsonObject, canonical
from registry.protocol.instant import Instant
from registry.protocol.keyset import KeySet, KeySetBody, KeySetSignature
from registry.protocol.keyset_acts import possessors
from registry.protocol.keyset_chain import Chain, check_next, follow, verify_chain
from registry.protocol.keyset_rules import MAX_AHEAD_SECONDS, check_signatures
from registry.protocol.sshsig import SshSignature
from registry.protocol.strict_json import LARGE, read_json
from registry.protocol.transcript import (
    ACTS,
    Ceremony,
    Participant,
    Transcript,
    participants_from_json,
)
from registry.protocol.transcript_rules import verify_sessions, verify_transcript

REQUEST: Final = "pith_ceremony_request"
RESPONSE: Final = "pith_ceremony_response"
VERSION: Final = "1.0"
_ASKED: Final = frozenset(
    (
        "handover_version",
        "registry",
        "act",
        "nonce",
        "made_at",
        "expires_at",
        "approvers",
        "participants",
        "chain",
        "proposed",
        "history",
    )
)
_KEYS: Final = _ASKED | {"handover_type", "signatures", "approvals", "sessions"}


@dataclass(frozen=True, slots=True)
class Handover:
    """A ceremony under way.

    ``chain`` are the versions of the key set from the first to the newest, ``proposed`` the
    one to come and ``signatures`` those it has; ``history`` the transcripts of the
    ceremonies before, ``sessions`` those of this one.
    """

    act: str
    rehearsal: bool
    nonce: str
    made_at: Instant
    expires_at: Instant
    approvers: Approvers
    participants: tuple[Participant, ...]
    chain: tuple[KeySet, ...]
    proposed: KeySetBody
    history: tuple[Transcript, ...]
    signatures: tuple[KeySetSignature, ...] = ()
    approvals: tuple[SshSignature, ...] = ()
    sessions: tuple[Transcript, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a request or a response of at most 16 MiB; `verify_handover` checks it."""
        return cls.from_json(read_json(data, LARGE).value)

    @classmethod
    def from_json(cls, value: Json, path: str = "$") -> Self:
        """Check a closed request or response: a response has sessions, a request none."""
        members = schema.closed(value, _KEYS, path)
        schema.constant(members["handover_version"], VERSION, f"{path}.handover_version")
        lists = {
            name: schema.array(members[name], f"{path}.{name}")
            for name in ("chain", "history", "signatures", "sessions")
        }
        kind = RESPONSE if lists["sessions"] else REQUEST
        schema.constant(members["handover_type"], kind, f"{path}.handover_type")
        proposed = KeySetBody.from_json(members["proposed"], f"{path}.proposed")
        schema.constant(members["registry"], proposed.registry, f"{path}.registry")
        if not lists["chain"]:
            raise MalformedError("no key set", code="schema.length", path=f"{path}.chain")

        def transcripts(name: str) -> tuple[Transcript, ...]:
            return tuple(
                Transcript.from_json(item, f"{path}.{name}[{i}]")
                for i, item in enumerate(lists[name])
            )

        return cls(
            act=schema.one_of(members["act"], ACTS, f"{path}.act"),
            rehearsal=False,
            nonce=schema.hex32(members["nonce"], f"{path}.nonce"),
            made_at=schema.seconds(members["made_at"], f"{path}.made_at"),
            expires_at=schema.seconds(members["expires_at"], f"{path}.expires_at"),
            approvers=Approvers.from_json(members["approvers"], f"{path}.approvers"),
            participants=participants_from_json(members["participants"], f"{path}.participants"),
            chain=tuple(
                KeySet.from_json(item, f"{path}.chain[{i}]")
                for i, item in enumerate(lists["chain"])
            ),
            proposed=proposed,
            history=transcripts("history"),
            signatures=tuple(
                KeySetSignature.from_json(item, f"{path}.signatures[{i}]")
                for i, item in enumerate(lists["signatures"])
            ),
            approvals=approvals_from_json(members["approvals"], f"{path}.approvals"),
            sessions=transcripts("sessions"),
        )

    def _asked(self) -> JsonObject:
        return {
            "handover_version": VERSION,
            "registry": self.proposed.registry,
            "act": self.act,
            "nonce": self.nonce,
            "made_at": self.made_at.seconds,
            "expires_at": self.expires_at.seconds,
            "approvers": self.approvers.to_json(),
            "participants": [each.to_json() for each in self.participants],
            "chain": [keyset.to_json() for keyset in self.chain],
            "proposed": self.proposed.to_json(),
            "history": [transcript.to_json() for transcript in self.history],
        }

    def to_json(self) -> JsonObject:
        """The whole document."""
        kind = RESPONSE if self.sessions else REQUEST
        return (
            {"handover_type": kind}
            | self._asked()
            | {
                "signatures": [signature.to_json() for signature in self.signatures],
                "approvals": approval_json(self.approvals),
                "sessions": [session.to_json() for session in self.sessions],
            }
        )

    @property
    def asked_sha256(self) -> bytes:
        """The digest of what was asked for: the same in the request and every response."""
        return hashlib.sha256(canonical(self._asked())).digest()

    @property
    def old(self) -> KeySetBody:
        """The version that the proposed one follows."""
        return self.chain[-1].body

    @property
    def keyset(self) -> KeySet:
        """The proposed version with the signatures it has."""
        return KeySet(self.proposed, self.signatures)

    @property
    def ceremony(self) -> Ceremony:
        """What each session's transcript says it is about."""
        return Ceremony(
            registry=self.proposed.registry,
            act=self.act,
            rehearsal=self.rehearsal,
            nonce=self.nonce,
            expires_at=self.expires_at,
            from_version=self.old.version,
            from_sha256=self.old.digest.hex(),
            to_version=self.proposed.version,
            to_sha256=self.proposed.digest.hex(),
            approvers=self.approvers,
        )

    def with_session(self, signatures: Sequence[KeySetSignature], session: Transcript) -> Self:
        """The response of a session that made *signatures*."""
        return replace(
            self,
            signatures=(*self.signatures, *signatures),
            sessions=(*self.sessions, session),
        )


def verify_handover(handover: Handover, *, held: Chain, registry: str, at: Instant) -> Chain:
    """Check a request or response against what this side holds; gives that chain with the
    versions of the handover that it did not know.

    Raises ConflictError ``ceremony.stale``, ``keyset.fork``, ``keyset.rollback`` where the
    two sides hold other versions; MismatchError ``ceremony.registry``;
    VerificationError ``ceremony.expired``, ``ceremony.nonce``, ``ceremony.participants``,
    and what the rules of key sets and transcripts raise.
    """
    proposed = handover.proposed
    if proposed.registry != registry:
        raise MismatchError(
            f"it is of the registry {shown(proposed.registry)}, not {shown(registry)}",
            code="ceremony.registry",
        )
    _check_times(handover, at)
    verify_chain(handover.chain)
    first = held[0].keyset.body.version if held else 1
    chain = held
    for keyset in handover.chain:
        if keyset.body.version >= first:  # those before are bound by their digests
            chain = follow(chain, keyset)
    if chain[-1].keyset.body.digest != handover.old.digest:
        newest = chain[-1].keyset.body
        raise ConflictError(
            f"it follows version {handover.old.version}, here is version {newest.version}"
            f" with the digest {newest.digest.hex()}",
            code="ceremony.stale",
            hint="make a new request on the registry's machine; if it knows no such version, "
            "bring it the response that made it",
        )
    check_proposal(handover.old, proposed)
    check_participants(handover)
    if handover.signatures:
        check_signatures(handover.keyset)
    _check_history(handover)
    verify_sessions(
        handover.sessions,
        history=handover.history,
        old=handover.old,
        new=proposed,
        signatures=handover.signatures,
        rehearsal=handover.rehearsal,
    )
    if any(session.body.ceremony != handover.ceremony for session in handover.sessions):
        raise MismatchError(
            "a session is about something else than the request", code="transcript.session"
        )
    return chain


def check_proposal(old: KeySetBody, new: KeySetBody) -> None:
    """Check of a version that nobody has signed yet what can be checked of it; raises
    VerificationError with the rule, ``ceremony.no_recovery`` while there are no recovery
    keys and it adds none."""
    check_next(old, new)
    added = any(entry.usage == "recovery" for entry in possessors(old, new))
    if not old.threshold and not added:
        raise VerificationError(
            "there are no recovery keys: a ceremony can only add the first ones",
            code="ceremony.no_recovery",
            hint='hold one with act = "recovery-keys" first',
        )


def _check_times(handover: Handover, at: Instant) -> None:
    if handover.made_at > at.plus(seconds=MAX_AHEAD_SECONDS):
        raise VerificationError(
            f"it was made at {handover.made_at.seconds}, ahead of this clock",
            code="ceremony.early",
            hint="set this machine's clock",
        )
    if at > handover.expires_at:
        raise VerificationError(
            f"it expired at {handover.expires_at.seconds}",
            code="ceremony.expired",
            hint="make a new request: pith ceremony run FILE --request request.json",
        )


def check_participants(handover: Handover) -> None:
    """Check that the holders who take part can make the proposed version: their keys are
    recovery keys, those it adds are among them, and both thresholds are met; raises
    VerificationError ``ceremony.participants``."""
    old, new = handover.old, handover.proposed
    holders = {each.key_id for each in handover.participants if each.key_id is not None}
    earlier = {entry.key_id for entry in old.active("recovery")}
    later = {entry.key_id for entry in new.active("recovery")}
    added = {entry.key_id for entry in possessors(old, new) if entry.usage == "recovery"}
    reasons = [f"{key_id} is no active recovery key" for key_id in holders - earlier - later]
    reasons += [f"nobody holds {key_id}, which is added" for key_id in added - holders]
    if not holders:
        reasons.append("nobody holds a key")
    for which, keys, threshold in (
        (old.version, earlier, old.threshold),
        (new.version, later, new.threshold),
    ):
        if len(holders & keys) < threshold:
            reasons.append(
                f"they hold {len(holders & keys)} of the {threshold} keys version {which} takes"
            )
    if reasons:
        raise VerificationError(
            f"those who take part cannot do it: {'; '.join(sorted(reasons))}",
            code="ceremony.participants",
            hint="[[participants]] names each holder with the key_id of the recovery key",
        )


def _check_history(handover: Handover) -> None:
    bodies = {keyset.body.digest.hex(): keyset.body for keyset in handover.chain}
    done: list[Transcript] = []
    for transcript in handover.history:
        about = transcript.body.ceremony
        old, new = bodies.get(about.from_sha256), bodies.get(about.to_sha256)
        if old is None or new is None:
            raise VerificationError(
                f"a transcript is about a version {about.to_version} that is not in the chain",
                code="transcript.keyset",
            )
        if about.nonce == handover.nonce:
            raise VerificationError(
                "its nonce is that of an earlier ceremony", code="ceremony.nonce"
            )
        verify_transcript(transcript, history=done, old=old, new=new)
        done.append(transcript)
