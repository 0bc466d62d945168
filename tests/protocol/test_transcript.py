"""Transcripts: their form, their rules, how they follow each other, how they are shown."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Final, TypeAlias

import pytest

from registry.errors import (
    BadSignatureError,
    MalformedError,
    MismatchError,
    PithError,
    VerificationError,
)
from registry.protocol import keyset_acts
from registry.protocol.approval import NAMESPACE, NOBODY, Approvers, approval_message
from registry.protocol.instant import Instant
from registry.protocol.keyset import KeySetSignature
from registry.protocol.sshsig import SshKey, SshSignature, sshsig_message
from registry.protocol.transcript import (
    PREFIX,
    Ceremony,
    Participant,
    Transcript,
    TranscriptBody,
    sign_step,
    transcript_message,
)
from registry.protocol.transcript_rules import policy, verify_sessions, verify_transcript
from registry.protocol.transcript_view import transcript_html, transcript_text
from registry.signing.documents import sign_transcript
from registry.signing.signer import SeedSigner
from tests import world
from tests.protocol.refusals import refused
from tests.protocol.test_keyset_chain import ONE, R, after
from tests.world import REGISTRY

AT: Final = Instant.parse_seconds("2026-06-10T09:00:00Z")
ADA: Final = Participant("Ada Able", R[0].key_id)
BEN: Final = Participant("Ben Baker", R[1].key_id)
WIT: Final = Participant("Wilma Witness", None)
APPROVERS: Final = tuple(world.signer(f"approver {n}", f"approver-{n}") for n in (1, 2, 3))
LINES: Final = [SshKey(who.public_key, f"{who.key_id}@lab").line for who in APPROVERS]
TWO_OF_THREE: Final = Approvers.new(LINES, 2)
OLD: Final = ONE.body
NEW: Final = keyset_acts.renew(OLD, at=AT)


def about(**change: Any) -> Ceremony:
    """A ceremony that renews the key set."""
    made = Ceremony(
        registry=OLD.registry,
        act="renew",
        rehearsal=False,
        nonce="01" * 16,
        expires_at=AT.plus(days=7),
        from_version=OLD.version,
        from_sha256=OLD.digest.hex(),
        to_version=NEW.version,
        to_sha256=NEW.digest.hex(),
        approvers=TWO_OF_THREE,
    )
    return replace(made, **change)


def approval(who: SeedSigner, ceremony: Ceremony) -> SshSignature:
    """An approval as ssh-keygen would make it, with a key whose seed is public."""
    message = sshsig_message(approval_message(ceremony.approval), NAMESPACE, "sha512")
    return SshSignature(who.public_key, NAMESPACE, "sha512", world.raw_sign(who, message))


def session(
    ceremony: Ceremony,
    people: Sequence[Participant] = (ADA, WIT),
    *,
    prev: Transcript | None = None,
    approvals: Sequence[SshSignature] = (),
    at: Instant = AT,
) -> TranscriptBody:
    """A session in which these people take part."""
    body = TranscriptBody(
        ceremony,
        "pith 0.1.0",
        tuple(people),
        (),
        tuple(approvals),
        None if prev is None else prev.body.digest.hex(),
    )
    digest = bytes.fromhex(ceremony.to_sha256)
    body = body.with_step("begin", shown=["a ceremony"], compared=None, by=people[0], at=at)
    last, then = people[-1], at.plus(seconds=5)
    body = body.with_step("same", shown=["a change"], compared=digest, by=last, at=then)
    for each in people:
        if each.key_id is not None:
            step = sign_step(each.key_id)
            body = body.with_step(step, shown=["sign"], compared=digest, by=each, at=then)
    return body


def signers(body: TranscriptBody) -> list[SeedSigner]:
    """The keys of those who take part."""
    held = {each.key_id for each in body.participants}
    return [who for who in R if who.key_id in held]


def signed(body: TranscriptBody, by: Sequence[SeedSigner] | None = None) -> Transcript:
    """Signed by whoever, whatever it says."""
    message = transcript_message(body)
    return Transcript(
        body,
        tuple(
            KeySetSignature(who.key_id, who.public_key.fingerprint, world.raw_sign(who, message))
            for who in (signers(body) if by is None else by)
        ),
    )


@cache
def zeroth() -> Transcript:
    """The first transcript of the registry: no approvals are wanted, and none by the next."""
    return signed(session(about(nonce="ff" * 16, approvers=NOBODY)))


@cache
def first() -> Transcript:
    """The one after it: it sets the approvers."""
    return signed(session(about(nonce="00" * 16), prev=zeroth()))


@cache
def second() -> Transcript:
    """The next ceremony, with two approvals."""
    ceremony = about()
    approvals = [approval(who, ceremony) for who in APPROVERS[:2]]
    return signed(session(ceremony, (ADA, BEN, WIT), prev=first(), approvals=approvals))


def check(transcript: Transcript, history: Sequence[Transcript] | None = None) -> None:
    """As the registry's second ceremony, unless another history is given."""
    past = [zeroth(), first()] if history is None else history
    verify_transcript(transcript, history=past, old=OLD, new=NEW)


def test_the_bytes_that_are_signed() -> None:
    message = transcript_message(second().body)

    assert message.startswith(PREFIX)
    assert len(message) != 32
    assert json.loads(message.removeprefix(PREFIX)) == second().body.to_json()
    assert Transcript.parse(world.dump(second().to_json())) == second()


def test_good_transcripts_follow_each_other() -> None:
    check(zeroth(), [])
    check(first(), [zeroth()])
    check(second())
    assert policy([], "ff" * 16) == NOBODY
    assert policy([zeroth(), first()], "00" * 16) == NOBODY
    assert policy([zeroth(), first()], "01" * 16) == TWO_OF_THREE


def test_the_signing_function_makes_what_is_taken() -> None:
    made = sign_transcript(R[:2], second().body)

    assert made == second()
    with refused("signing.kind"):
        sign_transcript(R[:2], about())  # type: ignore[arg-type]
    broken = replace(second().body, steps=second().body.steps[1:])
    with refused("transcript.steps", VerificationError):
        sign_transcript(R[:2], broken)


def test_two_sessions_of_one_ceremony() -> None:
    ceremony = about()
    approvals = [approval(who, ceremony) for who in APPROVERS[:2]]
    one = signed(session(ceremony, (ADA,), prev=first(), approvals=approvals))
    two = signed(session(ceremony, (BEN, WIT), prev=one, approvals=approvals))
    other = about(approvers=NOBODY)
    elsewhere = signed(
        session(other, (BEN,), prev=one, approvals=[approval(w, other) for w in APPROVERS[:2]])
    )
    keyset = after(ONE, by=R[:2])()

    def sessions(*made: Transcript) -> None:
        verify_sessions(
            made, history=[zeroth(), first()], old=OLD, new=NEW, signatures=keyset.signatures
        )

    sessions(one, two)
    with refused("transcript.signers", VerificationError):
        sessions(one)
    with refused("transcript.previous", MismatchError):
        sessions(two, one)
    with refused("transcript.session", MismatchError):
        sessions(one, elsewhere)


def changed(body: TranscriptBody, number: int, **change: Any) -> TranscriptBody:
    """One step changed, and those after it chained to it again."""
    steps = list(body.steps)
    steps[number] = replace(steps[number], **change)
    for i in range(number + 1, len(steps)):
        steps[i] = replace(steps[i], prev_sha256=steps[i - 1].sha256)
    return replace(body, steps=tuple(steps))


def approved(body: TranscriptBody, *, by: Sequence[SeedSigner] = APPROVERS[:2]) -> TranscriptBody:
    """The same with approvals of what it says now."""
    return replace(body, approvals=tuple(approval(who, body.ceremony) for who in by))


def _by_registry_key() -> Transcript:
    holder = Participant("Ada Able", REGISTRY.key_id)
    body = session(about(), (holder, WIT), prev=first())
    return signed(approved(body), [REGISTRY.signer])


def _with_idle_holder() -> TranscriptBody:
    people = (*BODY.participants, Participant("Cy Cole", R[2].key_id))
    return replace(BODY, participants=people)


def of(**change: Any) -> TranscriptBody:
    """The second ceremony about something else, approved and signed all the same."""
    body = second().body
    return approved(replace(body, ceremony=replace(body.ceremony, **change)))


def edited(change: Callable[[dict[str, Any]], object]) -> Transcript | bytes:
    """The second transcript's JSON after an edit that nobody signed."""
    value = second().to_json()
    change(value)
    return world.dump(value)


BODY: Final = second().body
LATE: Final = AT.plus(days=8)
Bad: TypeAlias = tuple[str, Callable[[], Transcript | bytes], str, type[PithError]]
M, V, X, S = MalformedError, VerificationError, MismatchError, BadSignatureError
BAD: Final[list[Bad]] = [
    ("unknown-member", lambda: edited(lambda v: v.update(typed="same")), "schema.members", M),
    ("missing-member", lambda: edited(lambda v: v.pop("steps")), "schema.members", M),
    (
        "type-of-a-key-set",
        lambda: edited(lambda v: v.update(transcript_type="pith_key_set")),
        "schema.constant",
        M,
    ),
    (
        "version-1.1",
        lambda: edited(lambda v: v.update(transcript_version="1.1")),
        "schema.constant",
        M,
    ),
    ("act-unknown", lambda: edited(lambda v: v.update(act="forget")), "schema.constant", M),
    ("rehearsal-as-number", lambda: edited(lambda v: v.update(rehearsal=0)), "schema.type", M),
    ("nonce-short", lambda: edited(lambda v: v.update(nonce="01" * 15)), "schema.hex", M),
    ("to-version-true", lambda: edited(lambda v: v.update(to_version=True)), "schema.type", M),
    (
        "step-keeps-what-was-typed",
        lambda: edited(lambda v: v["steps"][0].update(typed="begin")),
        "schema.members",
        M,
    ),
    (
        "step-role-unknown",
        lambda: edited(lambda v: v["steps"][0]["confirmed_by"].update(role="king")),
        "schema.constant",
        M,
    ),
    (
        "participants-none",
        lambda: edited(lambda v: v.update(participants=[])),
        "schema.participants",
        M,
    ),
    (
        "participants-one-key-twice",
        lambda: edited(lambda v: v["participants"].append(v["participants"][0])),
        "schema.participants",
        M,
    ),
    (
        "approvers-one-key-twice",
        lambda: edited(lambda v: v["approvers"]["keys"].append(v["approvers"]["keys"][0])),
        "approval.keys",
        M,
    ),
    (
        "approvers-fewer-than-wanted",
        lambda: edited(lambda v: v["approvers"].update(wanted=4)),
        "approval.keys",
        M,
    ),
    (
        "step-changed",
        lambda: edited(lambda v: v["steps"][1].update(shown=["nothing"])),
        "transcript.steps",
        X,
    ),
    (
        "step-digest-of-another",
        lambda: edited(lambda v: v["steps"][1].update(step_sha256=v["steps"][0]["step_sha256"])),
        "transcript.steps",
        X,
    ),
    (
        "step-left-out",
        lambda: signed(replace(BODY, steps=(BODY.steps[0], *BODY.steps[2:]))),
        "transcript.steps",
        V,
    ),
    (
        "steps-in-another-order",
        lambda: signed(replace(BODY, steps=(BODY.steps[1], BODY.steps[0], *BODY.steps[2:]))),
        "transcript.steps",
        V,
    ),
    ("steps-none", lambda: signed(replace(BODY, steps=())), "transcript.steps", V),
    (
        "step-back-in-time",
        lambda: signed(changed(BODY, 1, at=AT.plus(seconds=-1))),
        "transcript.steps",
        V,
    ),
    (
        "step-twice",
        lambda: signed(
            BODY.with_step("begin", shown=[], compared=None, by=ADA, at=AT.plus(seconds=60))
        ),
        "transcript.steps",
        V,
    ),
    (
        "step-by-somebody-else",
        lambda: signed(changed(BODY, 0, name="Eve Else")),
        "transcript.steps",
        V,
    ),
    (
        "step-after-it-expired",
        lambda: signed(BODY.with_step("publish", shown=[], compared=None, by=ADA, at=LATE)),
        "transcript.expired",
        V,
    ),
    (
        "step-of-a-key-that-did-not-sign",
        lambda: signed(
            BODY.with_step(
                sign_step(R[2].key_id), shown=[], compared=None, by=ADA, at=AT.plus(seconds=60)
            )
        ),
        "transcript.signers",
        V,
    ),
    ("registry-other", lambda: signed(of(registry="other.example")), "transcript.keyset", X),
    ("from-version-other", lambda: signed(of(from_version=2)), "transcript.keyset", X),
    ("from-digest-other", lambda: signed(of(from_sha256="0" * 64)), "transcript.keyset", X),
    ("to-version-other", lambda: signed(of(to_version=3)), "transcript.keyset", X),
    ("to-digest-other", lambda: signed(of(to_sha256="0" * 64)), "transcript.keyset", X),
    ("rehearsal-said", lambda: signed(of(rehearsal=True)), "transcript.rehearsal", V),
    (
        "rehearsal-registry",
        lambda: signed(of(registry="registry.example.invalid")),
        "transcript.rehearsal",
        V,
    ),
    (
        "rehearsal",
        lambda: signed(of(registry="registry.example.invalid", rehearsal=True)),
        "transcript.rehearsal",
        V,
    ),
    ("previous-none", lambda: signed(replace(BODY, prev_sha256=None)), "transcript.previous", X),
    (
        "previous-other",
        lambda: signed(replace(BODY, prev_sha256="0" * 64)),
        "transcript.previous",
        X,
    ),
    (
        "nonce-of-the-one-before",
        lambda: signed(of(nonce="00" * 16, approvers=NOBODY)),
        "transcript.session",
        X,
    ),
    ("nonce-of-an-earlier-ceremony", lambda: signed(of(nonce="ff" * 16)), "transcript.nonce", V),
    ("approvals-none", lambda: signed(replace(BODY, approvals=())), "approval.missing", V),
    (
        "approvals-one-of-two",
        lambda: signed(replace(BODY, approvals=BODY.approvals[:1])),
        "approval.missing",
        V,
    ),
    (
        "approval-twice",
        lambda: signed(replace(BODY, approvals=(*BODY.approvals[:1], *BODY.approvals[:1]))),
        "approval.twice",
        V,
    ),
    (
        "approval-of-a-stranger",
        lambda: signed(approved(BODY, by=(R[0], APPROVERS[0]))),
        "approval.stranger",
        V,
    ),
    (
        "approval-of-another-nonce",
        lambda: signed(replace(BODY, approvals=of(nonce="02" * 16).approvals)),
        "signature.wrong",
        S,
    ),
    (
        "signatures-none",
        lambda: signed(
            replace(BODY, participants=(WIT,), steps=()).with_step(
                "begin", shown=[], compared=None, by=WIT, at=AT
            ),
            (),
        ),
        "transcript.signatures",
        V,
    ),
    ("signature-missing", lambda: signed(BODY, R[:1]), "transcript.signers", V),
    (
        "holder-who-did-not-sign",
        lambda: signed(_with_idle_holder(), R[:2]),
        "transcript.signers",
        V,
    ),
    (
        "signature-of-another-recovery-key",
        lambda: signed(BODY, (R[0], R[2])),
        "transcript.signers",
        V,
    ),
    ("signature-twice", lambda: signed(BODY, (R[0], R[0], R[1])), "transcript.signatures", V),
    ("signature-of-a-registry-key", lambda: _by_registry_key(), "transcript.signatures", V),
    (
        "signature-of-a-key-set",
        lambda: Transcript(BODY, after(ONE, by=R[:2])().signatures),
        "signature.wrong",
        S,
    ),
    (
        "changed-not-signed-again",
        lambda: Transcript(replace(BODY, tool_version="pith 9"), second().signatures),
        "signature.wrong",
        S,
    ),
]


def read(made: Transcript | bytes) -> None:
    """What a reader does with a file that follows the history."""
    check(Transcript.parse(made if isinstance(made, bytes) else world.dump(made.to_json())))


@pytest.mark.parametrize(("name", "make", "code", "kind"), BAD, ids=[each[0] for each in BAD])
def test_a_bad_transcript_is_refused(
    name: str, make: Callable[[], Transcript | bytes], code: str, kind: type[PithError]
) -> None:
    with refused(code, kind):
        read(make())


def test_a_rehearsal_is_taken_only_as_one() -> None:
    name = f"{OLD.registry}.invalid"
    old = replace(OLD, registry=name)
    new = replace(NEW, registry=name, prev_sha256=old.digest.hex())
    ceremony = about(
        registry=name,
        rehearsal=True,
        from_sha256=old.digest.hex(),
        to_sha256=new.digest.hex(),
    )
    made = signed(session(ceremony))

    verify_transcript(made, history=[], old=old, new=new, rehearsal=True)
    with refused("transcript.rehearsal", VerificationError):
        verify_transcript(made, history=[], old=old, new=new)
    with refused("transcript.rehearsal", VerificationError):
        verify_transcript(zeroth(), history=[], old=OLD, new=NEW, rehearsal=True)


# -- shown ---------------------------------------------------------------------

EVIL: Final = "</pre><script>alert(1)</script>\x1b[31m\u202e&amp;\"'"


def evil() -> Transcript:
    """A transcript whose every free text wants to be markup or to steer a terminal."""
    who = Participant(EVIL, R[0].key_id)
    body = session(about(), (who, WIT), prev=first())
    body = body.with_step(EVIL, shown=[EVIL], compared=None, by=WIT, at=AT.plus(seconds=60))
    return signed(approved(replace(body, tool_version=EVIL)))


def test_text_and_page_say_everything() -> None:
    for shown in (transcript_text(second()), transcript_html(second())):
        for said in (
            *("registry.example", "renew", "Ada Able", "Wilma Witness", R[0].key_id),
            *(NEW.digest.hex(), second().body.digest.hex(), LINES[0], "01" * 16),
            *(step.sha256 for step in second().body.steps),
            "approvals and this transcript are evidence",
        ):
            assert said.lower() in shown.lower()
        assert "REHEARSAL" not in shown
    rehearsed = signed(of(registry="registry.example.invalid", rehearsal=True))
    assert transcript_text(rehearsed).startswith("REHEARSAL, counts for nothing")
    assert "<h1>REHEARSAL, counts for nothing" in transcript_html(rehearsed)


def test_nothing_foreign_acts_on_a_terminal_or_a_page() -> None:
    text, page = transcript_text(evil()), transcript_html(evil())

    assert all(line.isprintable() for line in text.splitlines())
    assert "<script" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert page.count("&lt;script&gt;") == text.count("<script>") > 3
    assert "src=" not in page
    assert "href" not in page


# -- the files -----------------------------------------------------------------

VALID: Final[dict[str, Callable[[], Transcript]]] = {
    "two-holders-two-approvals": second,
    "one-holder-alone": lambda: signed(approved(session(about(), (ADA,), prev=first()))),
    "three-approvals": lambda: signed(approved(BODY, by=APPROVERS)),
    "no-approvers-for-the-next": lambda: signed(of(approvers=NOBODY)),
    "held-until-the-last-second": lambda: signed(
        BODY.with_step("publish", shown=[], compared=None, by=ADA, at=AT.plus(days=7))
    ),
}


def _check_of(name: str, code: str) -> str:
    """The rule of section 10 that refuses, where the error's code is a finer one."""
    if code.startswith("schema.") or code == "approval.keys":
        return "transcript.schema"
    if code == "signature.wrong":
        return "approval.signature" if name.startswith("approval") else "transcript.signatures"
    return code


def vectors() -> world.Vectors:
    def data(made: Transcript | bytes) -> bytes:
        return made if isinstance(made, bytes) else world.dump(made.to_json())

    return world.Vectors(
        "transcript",
        {
            "about": "transcripts of ceremonies: each file follows history and tells how the key "
            "set to came after from. Those in valid/ have the digest given, those in invalid/ "
            "fail first at the named check. The keys are test keys whose seeds are public: never "
            "trust them",
            "from": ONE.to_json(),
            "to": NEW.to_json(),
            "history": [zeroth().to_json(), first().to_json()],
        },
        {name: (data(make()), make().body.digest.hex()) for name, make in VALID.items()},
        {name: (data(make()), _check_of(name, code), code) for name, make, code, _ in BAD},
    )


@pytest.mark.parametrize("name", VALID)
def test_a_good_transcript_is_accepted(name: str) -> None:
    read(VALID[name]())


def test_the_files_are_what_the_tables_make() -> None:
    assert world.on_disk("transcript") == vectors().files


@pytest.mark.parametrize("name", world.index_of("transcript")["valid"])
def test_a_valid_file(name: str) -> None:
    transcript = Transcript.parse(world.vector("transcript", "valid", name))

    check(transcript)
    assert transcript.body.digest.hex() == world.index_of("transcript")["valid"][name]


@pytest.mark.parametrize("name", world.index_of("transcript")["invalid"])
def test_an_invalid_file(name: str) -> None:
    with pytest.raises(PithError) as caught:
        check(Transcript.parse(world.vector("transcript", "invalid", name)))
    assert caught.value.code == world.index_of("transcript")["invalid"][name]["code"]
