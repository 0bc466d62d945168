"""What a transcript must keep, and how the transcripts of a registry follow each other.

A key set never depends on a transcript: it follows by its recovery keys alone. These
rules say whether a transcript may be believed.
"""

from collections.abc import Sequence

from registry.errors import MismatchError, VerificationError, shown
from registry.protocol.approval import NOBODY, Approvers, verify_approvals
from registry.protocol.keyset import KeySetBody, KeySetSignature
from registry.protocol.transcript import (
    REHEARSAL_SUFFIX,
    Transcript,
    TranscriptBody,
    sign_step,
    transcript_message,
)


def policy(history: Sequence[Transcript], nonce: str) -> Approvers:
    """Whose approvals a ceremony with this nonce wants: those that the last transcript of an
    earlier ceremony names, nobody's before the first."""
    earlier = (t.body.ceremony for t in reversed(history) if t.body.ceremony.nonce != nonce)
    return next((ceremony.approvers for ceremony in earlier), NOBODY)


def verify_transcript(
    transcript: Transcript,
    *,
    history: Sequence[Transcript],
    old: KeySetBody,
    new: KeySetBody,
    rehearsal: bool = False,
) -> None:
    """Check a transcript that follows *history* and tells how *new* came after *old*.

    Raises VerificationError (or MismatchError) with the name of the rule:
    ``transcript.rehearsal``, ``transcript.keyset``, ``transcript.previous``,
    ``transcript.nonce``, ``transcript.session``, ``transcript.steps``,
    ``transcript.expired``, ``transcript.signers``, ``transcript.signatures``,
    and what `verify_approvals` raises.
    """
    body = transcript.body
    _check_kind(body, rehearsal)
    _check_keysets(body, old, new)
    _check_place(body, history)
    check_steps(body)
    _check_signers(transcript)
    _check_signatures(transcript, new)
    verify_approvals(body.approvals, body.ceremony.approval, policy(history, body.ceremony.nonce))


def _check_kind(body: TranscriptBody, rehearsal: bool) -> None:
    about = body.ceremony
    if about.rehearsal != about.registry.endswith(REHEARSAL_SUFFIX) or (
        about.rehearsal and not rehearsal
    ):
        raise VerificationError(
            f"the transcript of {shown(about.registry)} is of a rehearsal",
            code="transcript.rehearsal",
            hint="a rehearsal counts for nothing: hold the ceremony with `pith ceremony run`",
        )
    if rehearsal and not about.rehearsal:
        raise VerificationError("not the transcript of a rehearsal", code="transcript.rehearsal")


def _check_keysets(body: TranscriptBody, old: KeySetBody, new: KeySetBody) -> None:
    about = body.ceremony
    for what, said, found in (
        ("registry", about.registry, new.registry),
        ("from_version", about.from_version, old.version),
        ("from_sha256", about.from_sha256, old.digest.hex()),
        ("to_version", about.to_version, new.version),
        ("to_sha256", about.to_sha256, new.digest.hex()),
    ):
        if said != found:
            raise MismatchError(
                f"the transcript's {what} is {shown(said)}, not {shown(found)}",
                code="transcript.keyset",
            )


def _check_place(body: TranscriptBody, history: Sequence[Transcript]) -> None:
    last = history[-1].body if history else None
    wanted = None if last is None else last.digest.hex()
    if body.prev_sha256 != wanted:
        raise MismatchError(
            "the transcript does not follow the last one", code="transcript.previous"
        )
    nonce = body.ceremony.nonce
    session = last is not None and last.ceremony.nonce == nonce
    if session and last is not None and last.ceremony != body.ceremony:
        raise MismatchError(
            "two sessions of one ceremony are about different things", code="transcript.session"
        )
    if not session and any(t.body.ceremony.nonce == nonce for t in history):
        raise VerificationError("the nonce is that of an earlier ceremony", code="transcript.nonce")


def check_steps(body: TranscriptBody) -> None:
    """Steps hang together, go forward in time, and end before the ceremony expires; raises
    VerificationError ``transcript.steps`` or ``transcript.expired``."""
    if not body.steps:
        raise VerificationError("a transcript without steps", code="transcript.steps")
    prev = None
    for before, step in zip((None, *body.steps), body.steps, strict=False):
        if step.prev_sha256 != prev or (before is not None and step.at < before.at):
            raise VerificationError(
                f"step {shown(step.step)} does not follow the one before it",
                code="transcript.steps",
            )
        prev = step.sha256
    names = [step.step for step in body.steps]
    people = {(each.name, each.role) for each in body.participants}
    if len(set(names)) != len(names) or any((s.name, s.role) not in people for s in body.steps):
        raise VerificationError(
            "a step stands twice, or somebody who took no part confirmed it",
            code="transcript.steps",
        )
    if body.steps[-1].at > body.ceremony.expires_at:
        raise VerificationError(
            f"the ceremony went on after {body.ceremony.expires_at.seconds}",
            code="transcript.expired",
        )


def _check_signers(transcript: Transcript) -> None:
    signed = {signature.key_id for signature in transcript.signatures}
    held = {each.key_id for each in transcript.body.participants if each.key_id is not None}
    steps = {step.step for step in transcript.body.steps if step.step.startswith(sign_step(""))}
    if signed != held or steps != {sign_step(key_id) for key_id in signed}:
        raise VerificationError(
            "the keys that signed, their holders and the steps do not agree",
            code="transcript.signers",
        )


def _check_signatures(transcript: Transcript, new: KeySetBody) -> None:
    message = transcript_message(transcript.body)
    listed = {e.key_id: e.object.key for e in new.entries if e.object and e.usage == "recovery"}
    if not transcript.signatures:
        raise VerificationError("nobody has signed the transcript", code="transcript.signatures")
    seen: set[str] = set()
    for signature in transcript.signatures:
        key = listed.get(signature.key_id)
        if key is None or key.fingerprint != signature.fingerprint or signature.key_id in seen:
            raise VerificationError(
                f"{shown(signature.key_id)} is no recovery key, or signs twice",
                code="transcript.signatures",
            )
        seen.add(signature.key_id)
        key.verify(message, signature.raw)


def verify_sessions(
    sessions: Sequence[Transcript],
    *,
    history: Sequence[Transcript],
    old: KeySetBody,
    new: KeySetBody,
    signatures: Sequence[KeySetSignature],
    rehearsal: bool = False,
) -> None:
    """Check the sessions of one ceremony after *history*: each of them, and that exactly the
    recovery keys that signed the key set took part. Raises as `verify_transcript`."""
    done = list(history)
    for session in sessions:
        verify_transcript(session, history=done, old=old, new=new, rehearsal=rehearsal)
        done.append(session)
    recovery = {entry.key_id for entry in new.entries if entry.usage == "recovery"}
    wanted = {s.key_id for s in signatures} & recovery
    found = [s.key_id for session in sessions for s in session.signatures]
    if sorted(found) != sorted(wanted) or len({t.body.ceremony.nonce for t in sessions}) > 1:
        raise VerificationError(
            "the recovery keys that signed the key set are not those that took part",
            code="transcript.signers",
        )
