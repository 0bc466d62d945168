"""The screens of ceremonies, the words typed at them, and the files that come of them."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from registry.cli import _output
from registry.cli._boundary import note
from registry.errors import StoreError, UsageError, printable
from registry.protocol.bundle import served_bytes
from registry.protocol.checks import counted
from registry.protocol.instant import Instant
from registry.protocol.keyset import KeySetBody
from registry.protocol.keyset_chain import Chain
from registry.protocol.transcript import Transcript
from registry.protocol.transcript_view import transcript_html, transcript_text

if TYPE_CHECKING:
    from registry.protocol.handover import Handover
    from registry.services.ceremony_screens import Screen


def confirmer(clock: Callable[[], Instant]) -> "Callable[[Screen], Instant]":
    """What shows a screen on stderr, has its exact word typed, and says when."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            "a ceremony asks for a word at each step",
            code="usage.confirm",
            hint="hold it on a terminal; there is no way around the words",
        )

    def confirm(screen: "Screen") -> Instant:
        note("")
        note(f"== {screen.title} ==")
        for line in screen.shown:
            note(line)
        note("-- if something is not right --")
        for line in screen.playbook:
            note(f"* {line}")
        note_open(f"{screen.who.name}, type {screen.step} to go on: ")
        if sys.stdin.readline() != f"{screen.step}\n":
            raise typer.Abort
        return clock()

    return confirm


def note_open(text: str) -> None:
    """The beginning of a line on stderr, which what is typed ends."""
    sys.stderr.write(f"pith: {printable(text)}")
    sys.stderr.flush()


def tell(body: KeySetBody, act: str, *, as_json: bool) -> None:
    """Version, act and digest of what came of it, on stdout."""
    digest = body.digest.hex()
    if as_json:
        _output.json_line({"version": body.version, "act": act, "keyset_sha256": digest})
    else:
        _output.lines([f"{body.version}  {act}  {digest}"])


def note_digest(handover: "Handover") -> None:
    """The digest once more, to be written down, and what comes next."""
    from registry.protocol.transcript_rules import policy
    from registry.services.ceremony_screens import digest_lines

    for line in digest_lines(handover.proposed.digest):
        note(line)
    wanted = policy(handover.history, handover.nonce).wanted
    if wanted:
        note(f"{counted(wanted, 'approval', 'is')} wanted first: pith ceremony approve")
    note(f"it expires at {handover.expires_at.seconds}")


def note_change(handover: "Handover") -> None:
    """What an approver reads before signing."""
    from registry.protocol.keyset_diff import diff
    from registry.protocol.transcript_rules import policy
    from registry.services.ceremony_screens import approval_lines, digest_lines

    wanted = policy(handover.history, handover.nonce)
    for line in (
        *diff(handover.old, handover.proposed),
        *digest_lines(handover.proposed.digest),
        *approval_lines(handover, wanted),
        *(f"approver: {printable(key.line)}" for key in wanted.keys),
    ):
        note(line)
    note("keep the text, then: ssh-keygen -Y sign -n pith-approval -f KEY approval.txt")


def file_of(handover: "Handover") -> bytes:
    """A request or response as a file."""
    return served_bytes(handover.to_json()) + b"\n"


def copy_of(chain: Chain) -> bytes:
    """A chain as `pith keyset update` keeps it."""
    return b"".join(served_bytes(link.keyset.to_json()) + b"\n" for link in chain)


def write_transcripts(folder: Path, sessions: Sequence[Transcript]) -> None:
    """Each transcript as JSON, text and HTML. The store has them already where they count:
    a folder that cannot be written is told, and fails nothing that was done."""
    for session in sessions:
        about = session.body.ceremony
        kind = "rehearsal" if about.rehearsal else "transcript"
        name = f"{kind}-{about.to_version}-{session.body.digest.hex()[:16]}"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for ending, data in (
                ("json", served_bytes(session.to_json()) + b"\n"),
                ("txt", transcript_text(session).encode()),
                ("html", transcript_html(session).encode()),
            ):
                _output.document(data, folder / f"{name}.{ending}")
        except (StoreError, OSError) as error:
            note(f"the transcript could not be written: {printable(str(error))}")
