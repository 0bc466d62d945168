"""What people see at each step of a ceremony, and what they do when something is not right."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from registry.errors import printable
from registry.protocol.approval import Approvers
from registry.protocol.handover import Handover
from registry.protocol.keyset import KeyEntry
from registry.protocol.keyset_diff import diff, named
from registry.protocol.transcript import Participant, sign_step
from registry.protocol.words import word_lines

BEGIN: Final = "begin"
SAME: Final = "same"
REQUEST: Final = "request"
RELEASE: Final = "release"
PUBLISH: Final = "publish"

EVIDENCE: Final = (
    "The control is the threshold of recovery keys; approvals are evidence: no verifier of a key "
    "set asks for them."
)
_STOP: Final = "To stop at any step: Ctrl-C. Until the last word is typed nothing is written."


@dataclass(frozen=True, slots=True)
class Screen:
    """One step: what is shown, the digest that is compared, the word that is typed by
    *who*, and the playbook for when it fails. ``step`` is the word."""

    step: str
    title: str
    shown: tuple[str, ...]
    compared: bytes | None
    who: Participant
    playbook: tuple[str, ...]


def digest_lines(digest: bytes) -> tuple[str, ...]:
    """A digest as people compare it: in hex, and all of it in words."""
    return (f"digest  {digest.hex()}", *(f"        {line}" for line in word_lines(digest)))


def approval_lines(handover: Handover, wanted: Approvers) -> list[str]:
    """Whose approvals are there, of how many that are wanted."""
    names = [wanted.find(approval.key) for approval in handover.approvals]
    said = [f"approved by {printable(each.line)}" for each in names if each is not None]
    return [f"approvals: {len(said)} of the {wanted.wanted} wanted", *said, EVIDENCE]


def begin(
    handover: Handover, here: Sequence[Participant], who: Participant, wanted: Approvers
) -> Screen:
    """What this is, and who is in the room."""
    about = handover.ceremony
    people = [
        f"{printable(each.name)}, {each.role}{'' if each.key_id is None else f' of {each.key_id}'}"
        for each in here
    ]
    return Screen(
        BEGIN,
        "This ceremony",
        (
            f"registry {about.registry}, act {about.act}",
            f"key set version {about.from_version} -> {about.to_version}",
            f"to be held before {about.expires_at.seconds}",
            *(f"here: {line}" for line in people),
            *approval_lines(handover, wanted),
        ),
        None,
        who,
        (
            "Somebody listed is not in the room, or this is not what was announced: stop.",
            "The time shown by this machine is wrong: stop, set its clock, begin again.",
            _STOP,
        ),
    )


def same(handover: Handover, who: Participant) -> Screen:
    """What will change, and the digest that all read aloud."""
    digest = handover.proposed.digest
    return Screen(
        SAME,
        "What will be signed",
        (*diff(handover.old, handover.proposed), *digest_lines(digest)),
        digest,
        who,
        (
            "Read the words aloud against the registry's own screen, and the approvers' if any.",
            (
                "The digest differs: stop and sign nothing here. The file was changed on its way, "
                "or one of the two screens lies: keep both, find out which, make a new request."
            ),
            "A line of the change is not what was decided: stop, and mend the ceremony's file.",
            "The power fails here: nothing was signed. Begin again.",
        ),
    )


def sign(handover: Handover, entry: KeyEntry, who: Participant) -> Screen:
    """One key signs."""
    digest = handover.proposed.digest
    return Screen(
        sign_step(entry.key_id),
        f"{printable(who.name)} signs with {entry.key_id}",
        (
            f"recovery key {named(entry)}",
            f"signs key set version {handover.proposed.version} of {handover.proposed.registry}",
            *digest_lines(digest),
        ),
        digest,
        who,
        (
            "The fingerprint is not that of your own records: stop, it is another key.",
            (
                "The key does not open (locked, absent, wrong passphrase): nothing was signed. "
                "Begin again with it, or with the spare and its holder in the ceremony's file."
            ),
            "The power fails here: signatures are in memory alone and lost. Begin again.",
        ),
    )


def last(handover: Handover, step: str, signed: Sequence[KeyEntry], who: Participant) -> Screen:
    """The end: what is released or published."""
    digest = handover.proposed.digest
    needs = handover.old.threshold or handover.proposed.threshold
    what = (
        "This registry takes the version: from now on verifiers are given it."
        if step == PUBLISH
        else "The response is written: the signatures leave this machine."
    )
    now = {entry.key_id for entry in signed}
    before = [each.key_id for each in handover.signatures if each.key_id not in now]
    return Screen(
        step,
        "The end",
        (
            what,
            *(f"signed now: {named(entry)}" for entry in signed),
            *([f"signed before: {', '.join(before)}"] if before else []),
            f"the threshold is {needs}",
            *digest_lines(digest),
        ),
        digest,
        who,
        (
            (
                "It cannot be taken back after this word: a wrong version is only followed by "
                "another one."
            ),
            (
                "The power fails here: all of it was written, or none. `pith keyset show` says "
                "which version stands; run the same command again."
            ),
            "Writing fails (disk full, file refused): nothing changed. Mend it and begin again.",
        ),
    )


def request(handover: Handover, own: Sequence[KeyEntry], who: Participant) -> Screen:
    """What a request asks the recovery keys to sign."""
    digest = handover.proposed.digest
    held = [f"{named(entry)} signs it here: whoever lists a key holds it" for entry in own]
    return Screen(
        REQUEST,
        "What is asked for",
        (*diff(handover.old, handover.proposed), *held, *digest_lines(digest)),
        digest,
        who,
        (
            "Write the words down, or print them: the offline side compares them with its own.",
            "A line of the change is not what was decided: stop, and mend the ceremony's file.",
            "The request is lost: make a new one. It changes nothing by itself, and expires.",
        ),
    )
