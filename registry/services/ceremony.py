"""Ceremonies: prepare, hold, and take in what was signed, here or across an air gap."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from registry import VERSION
from registry.errors import (
    ConfigError,
    ConflictError,
    KeyUnavailableError,
    MismatchError,
    NotFoundError,
    VerificationError,
    shown,
)
from registry.protocol.approval import verify_approvals
from registry.protocol.handover import (
    Handover,
    check_participants,
    check_proposal,
    verify_handover,
)
from registry.protocol.instant import Instant
from registry.protocol.keys import PublicKey
from registry.protocol.keyset import KeyEntry, KeySet, KeySetBody, KeySetSignature
from registry.protocol.keyset_acts import active_entry, entry_of, possessors
from registry.protocol.keyset_chain import Chain, follow, verify_chain, verify_successor
from registry.protocol.transcript import (
    REHEARSAL_SUFFIX,
    Participant,
    Transcript,
    TranscriptBody,
)
from registry.protocol.transcript_rules import policy
from registry.services import ceremony_screens as screens
from registry.services.ceremony_plan import Plan, propose
from registry.services.desk import Desk
from registry.services.enact import keep, open_signer
from registry.services.keys import create_key
from registry.signing.documents import sign_keyset, sign_transcript
from registry.signing.signer import Signer

Confirm: TypeAlias = Callable[[screens.Screen], Instant]
"""Shows a screen, has its word typed, and says when; anything else raises."""
Opener: TypeAlias = Callable[[KeyEntry], Signer]


def prepare(
    desk: Desk, plan: Plan, *, nonce: str, seeds: Callable[[], bytes], at: Instant
) -> Handover:
    """The ceremony that the plan asks for, after what the registry holds now; the keys it
    says to make are made, and sign nothing yet.

    Raises ConfigError ``ceremony.registry``, ConflictError ``clock.backwards``,
    ``keyset.act``, NotFoundError ``ceremony.key``, VerificationError
    ``ceremony.participants``, ``ceremony.no_recovery`` and what the key set's rules raise.
    """
    check_registry(plan, desk.registry)
    desk.check_clock(at)
    chain = desk.store.list_keysets()
    _make_keys(desk, plan, seeds, at)
    given = {key.key_id: key.public_key for key in plan.keys if key.public_key is not None}

    def public_key(key_id: str) -> PublicKey:
        row = desk.find_key(key_id)
        listed = next((e for e in chain[-1].body.entries if e.key_id == key_id and e.object), None)
        found = given.get(key_id) or (row.public_key if row else None)
        if found is None and listed is not None and listed.object is not None:
            found = listed.object.key
        if found is None:
            raise NotFoundError(
                f"no key {key_id} is known here",
                code="ceremony.key",
                hint="in [[keys]], give a uri to make it at, or its public_key_hex",
            )
        return found

    proposed = propose(plan, chain[-1].body, desk.config, public_key, at=at)
    return planned(plan, chain, proposed, history=desk.store.transcripts(), nonce=nonce, at=at)


def check_registry(plan: Plan, registry: str) -> None:
    """Refuse a plan of another registry: ConfigError ``ceremony.registry``."""
    if plan.registry != registry or registry.endswith(REHEARSAL_SUFFIX):
        raise ConfigError(
            f"the ceremony's file is of {plan.registry}, this home of {registry}",
            code="ceremony.registry",
            hint=f"names ending in {REHEARSAL_SUFFIX} are those of rehearsals",
        )


def _make_keys(desk: Desk, plan: Plan, seeds: Callable[[], bytes], at: Instant) -> None:
    usage = "recovery" if plan.act == "recovery-keys" else "registry"
    for key in plan.keys:
        row = desk.find_key(key.key_id)
        if key.uri is not None and row is None:
            store = desk.key_store(key.uri)
            create_key(desk, store, key_id=key.key_id, seed=seeds(), at=at, usage=usage)
        elif row is not None and key.public_key not in (None, row.public_key):
            raise MismatchError(
                f"{key.key_id} is another key here than the ceremony's file says",
                code="ceremony.key",
            )


def planned(
    plan: Plan,
    chain: Sequence[KeySet],
    proposed: KeySetBody,
    *,
    history: Sequence[Transcript],
    nonce: str,
    at: Instant,
) -> Handover:
    """The ceremony that leads from the end of *chain* to *proposed*, nobody having signed."""
    handover = Handover(
        act=plan.act,
        rehearsal=proposed.registry.endswith(REHEARSAL_SUFFIX),
        nonce=nonce,
        made_at=at.whole,
        expires_at=at.whole.plus(seconds=plan.valid_for),
        approvers=plan.approvers or policy((*history,), nonce),
        participants=plan.participants,
        chain=tuple(chain),
        proposed=proposed,
        history=tuple(history),
    )
    check_proposal(handover.old, proposed)
    check_participants(handover)
    return handover


def own_entries(handover: Handover) -> tuple[KeyEntry, ...]:
    """The registry keys that must sign beside the recovery keys: those that the proposed
    version adds or makes active, and the active one while there are no recovery keys."""
    old = handover.old
    own = [e for e in possessors(old, handover.proposed) if e.usage == "registry"]
    active = active_entry(old)
    if not old.threshold and active is not None:
        own.append(active)
    signed = {signature.key_id for signature in handover.signatures}
    return tuple(entry for entry in own if entry.key_id not in signed)


def signatures_of(handover: Handover, signers: Sequence[Signer]) -> tuple[KeySetSignature, ...]:
    """The signatures of some keys over the proposed version."""
    return sign_keyset(signers, handover.proposed).signatures if signers else ()


def with_own(desk: Desk, handover: Handover) -> Handover:
    """The same with the signatures of the registry's own keys."""
    signers = [open_signer(desk, entry) for entry in own_entries(handover)]
    return replace(handover, signatures=(*handover.signatures, *signatures_of(handover, signers)))


def ask(desk: Desk, handover: Handover, confirm: Confirm) -> Handover:
    """Make a request of it: signed by the registry's own keys where they must, and noted, so
    that only a response to it is taken."""
    own = own_entries(handover)
    at = confirm(screens.request(handover, own, handover.participants[0]))
    asked = with_own(desk, handover)
    desk.store.add_ceremony(asked, asked.signatures, at=at)
    return asked


def present(handover: Handover, held: Callable[[str], bool]) -> tuple[Participant, ...]:
    """Who takes part in a session here: the holders of keys that are *held* here and have
    not signed yet, and the witnesses. KeyUnavailableError ``ceremony.keys`` without one."""
    signed = {signature.key_id for signature in handover.signatures}
    here = tuple(
        each
        for each in handover.participants
        if each.key_id is None or (each.key_id not in signed and held(each.key_id))
    )
    if all(each.key_id is None for each in here):
        raise KeyUnavailableError(
            "no recovery key that still has to sign is known in this home",
            code="ceremony.keys",
            hint="`pith key list` shows which are; `pith key add` notes one kept elsewhere",
        )
    return here


def hold(
    handover: Handover,
    here: Sequence[Participant],
    opener: Opener,
    confirm: Confirm,
    *,
    last: str,
) -> tuple[Handover, Transcript]:
    """One session: every step is shown and confirmed, the keys *here* sign, and so do they
    the transcript. Nothing is written; gives the ceremony with what was signed.

    *last* is the word of the end, ``release`` or ``publish``. Raises VerificationError
    ``approval.missing`` before the first step, and what *confirm* and the keys raise.
    """
    wanted = policy(handover.history, handover.nonce)
    verify_approvals(handover.approvals, handover.ceremony.approval, wanted)
    before = (*handover.history, *handover.sessions)
    body = TranscriptBody(
        handover.ceremony,
        f"pith {VERSION}",
        tuple(here),
        (),
        handover.approvals,
        before[-1].body.digest.hex() if before else None,
    )

    def step(body: TranscriptBody, screen: screens.Screen) -> TranscriptBody:
        at = confirm(screen)
        return body.with_step(
            screen.step, shown=screen.shown, compared=screen.compared, by=screen.who, at=at
        )

    body = step(body, screens.begin(handover, here, here[0], wanted))
    body = step(body, screens.same(handover, here[0]))
    signers: list[Signer] = []
    made: list[KeySetSignature] = []
    entries: list[KeyEntry] = []
    for each in here:
        if each.key_id is None:
            continue
        entry = entry_of(handover.proposed, each.key_id)
        body = step(body, screens.sign(handover, entry, each))
        signers.append(opener(entry))
        made += signatures_of(handover, signers[-1:])
        entries.append(entry)
    body = step(body, screens.last(handover, last, entries, here[0]))
    session = sign_transcript(signers, body)
    return handover.with_session(made, session), session


def hold_here(
    desk: Desk, handover: Handover, confirm: Confirm, *, at: Instant
) -> tuple[KeySet, Transcript]:
    """Hold a whole ceremony on the registry's machine, and take what it made.

    Everything is checked before the first step, and again before it is kept.
    """
    held = verify_chain(desk.store.list_keysets())
    verify_handover(handover, held=held, registry=desk.registry, at=at)
    here = present(handover, lambda key_id: desk.find_key(key_id) is not None)
    if missing := [each for each in handover.participants if each not in here and each.key_id]:
        raise KeyUnavailableError(
            f"nothing is known here of where {missing[0].key_id} is",
            code="ceremony.keys",
            hint="across an air gap: pith ceremony run FILE --request request.json",
        )
    done, session = hold(
        handover, here, lambda entry: open_signer(desk, entry), confirm, last=screens.PUBLISH
    )
    at = session.body.steps[-1].at
    return take(desk, with_own(desk, done), at=at), session


def take(desk: Desk, handover: Handover, *, at: Instant) -> KeySet:
    """Keep the version that a finished ceremony made, with its transcripts, or change
    nothing. Raises what `verify_handover` and `enact.keep` raise."""
    held = verify_chain(desk.store.list_keysets())
    verify_handover(handover, held=held, registry=desk.registry, at=at)
    _check_current(desk, handover)
    wanted = policy(handover.history, handover.nonce)
    verify_approvals(handover.approvals, handover.ceremony.approval, wanted)
    return keep(
        desk,
        handover.keyset,
        act=f"ceremony {handover.act}",
        reason=f"transcript {handover.sessions[-1].body.digest.hex()}",
        at=at,
        transcripts=handover.sessions,
    )


def take_in(desk: Desk, handover: Handover, confirm: Confirm, *, at: Instant) -> KeySet:
    """Take in the response to a request of this registry, once the last word is typed.

    Everything is checked before the word is asked for, and again before it is kept.
    Raises what `check_asked`, `verify_handover` and `verify_successor` raise.
    """
    check_asked(desk, handover)
    held = verify_chain(desk.store.list_keysets())
    verify_handover(handover, held=held, registry=desk.registry, at=at)
    if not handover.sessions:
        raise VerificationError(
            "it is a request: nobody has signed it",
            code="ceremony.unsigned",
            hint="pith ceremony run --request-from REQUEST signs it",
        )
    verify_successor(held[-1].keyset, handover.keyset)
    signed = [
        entry_of(handover.proposed, signature.key_id)
        for session in handover.sessions
        for signature in session.signatures
    ]
    who = handover.sessions[-1].body.participants[0]
    at = confirm(screens.last(handover, screens.PUBLISH, signed, who))
    return take(desk, handover, at=at)


def _check_current(desk: Desk, handover: Handover) -> None:
    held = [transcript.body.digest for transcript in desk.store.transcripts()]
    if [transcript.body.digest for transcript in handover.history] != held:
        raise ConflictError(
            "its history is not the transcripts that this registry has",
            code="ceremony.history",
            hint="make a new request",
        )


def check_asked(desk: Desk, handover: Handover) -> None:
    """Check that this registry asked for exactly this, and that it was not done already.

    Raises ConflictError ``ceremony.nonce`` for one that was, NotFoundError
    ``ceremony.request`` for one never asked, MismatchError ``ceremony.changed``.
    """
    if handover.proposed.registry != desk.registry:
        raise MismatchError(
            f"it is of the registry {shown(handover.proposed.registry)}, not {desk.registry}",
            code="ceremony.registry",
        )
    if any(t.body.ceremony.nonce == handover.nonce for t in desk.store.transcripts()):
        raise ConflictError(
            "its nonce is that of a ceremony that has ended",
            code="ceremony.nonce",
            hint="`pith keyset show` has what it made; a response is taken once",
        )
    asked = desk.store.find_ceremony(handover.nonce)
    if asked is None:
        raise NotFoundError(
            "this registry made no request with its nonce",
            code="ceremony.request",
            hint="it answers another registry's request, or one of another copy of this home",
        )
    if asked != handover.asked_sha256:
        raise MismatchError(
            "it is not what this registry asked for under this nonce",
            code="ceremony.changed",
            hint="it was changed on its way: keep it as evidence, and make a new request",
        )


def hold_offline(
    desk: Desk, handover: Handover, copy: Chain, confirm: Confirm, *, at: Instant
) -> tuple[Handover, Chain]:
    """A session away from the registry's machine: gives the response, and the copy that is
    to be kept once the response is written, with the new version where it is complete.

    The signatures are noted in this home's journal before they are given.
    """
    verify_handover(handover, held=copy, registry=desk.registry, at=at)
    here = present(handover, lambda key_id: desk.find_key(key_id) is not None)
    done, session = hold(
        handover, here, lambda entry: open_signer(desk, entry), confirm, last=screens.RELEASE
    )
    at = session.body.steps[-1].at
    after = verify_handover(done, held=copy, registry=desk.registry, at=at)
    desk.store.add_ceremony(done, done.signatures[len(handover.signatures) :], at=at)
    try:
        return done, follow(after, done.keyset)
    except VerificationError:  # others have to sign yet
        return done, after
