"""pith ceremony."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import _ceremony, _output
from registry.cli._boundary import note
from registry.cli._input import read_bytes, read_text
from registry.cli._options import AsJson, Home, the_app
from registry.cli.main import example, group
from registry.errors import ConflictError, MismatchError, UsageError

if TYPE_CHECKING:
    from registry.app import App
    from registry.protocol.handover import Handover
    from registry.services.ceremony_plan import Plan
    from registry.services.desk import Desk

app = group("Ceremonies: acts of the recovery keys, rehearsed, held, and put on record.")

Plans = Annotated[str, typer.Argument(metavar="FILE", help="The ceremony.toml.")]
Folder = Annotated[
    Path | None,
    typer.Option("--transcripts", help="Where transcripts go (else transcripts/ in the home)."),
]


@app.command(epilog=example("pith ceremony rehearse ceremony.toml"))
def rehearse(
    context: typer.Context,
    file: Plans,
    transcripts: Folder = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Hold a ceremony with stand-ins for every key: the same screens, the same words.

    No key of the registry is opened and nothing in it changes. The transcript says that it
    is of a rehearsal, and nothing takes it for a real one.
    """
    from registry.app import new_nonce, new_seed
    from registry.services.ceremony_plan import parse_plan
    from registry.services.ceremony_rehearsal import rehearse as hold

    plan = parse_plan(read_text(file))
    app_ = the_app(context, home)
    desk = app_.open()
    note(f"REHEARSAL with stand-in keys, of the registry {plan.registry}.invalid")
    keyset, session = hold(
        desk,
        plan,
        _ceremony.confirmer(desk.clock),
        nonce=new_nonce(),
        seeds=new_seed,
        at=desk.clock(),
    )
    _ceremony.write_transcripts(_folder(app_, transcripts), [session])
    note("the rehearsal is over: nothing was changed, its keys are gone")
    _ceremony.tell(keyset.body, "rehearsal", as_json=as_json)


def _folder(app_: "App", given: Path | None) -> Path:
    return given or app_.home / "transcripts"


@app.command(epilog=example("pith ceremony run ceremony.toml"))
def run(
    context: typer.Context,
    file: Annotated[str | None, typer.Argument(metavar="[FILE]", help="The ceremony.toml.")] = None,
    request: Annotated[
        Path | None,
        typer.Option("--request", help="Write what is asked for here, to be signed elsewhere."),
    ] = None,
    request_from: Annotated[
        str | None,
        typer.Option("--request-from", metavar="PATH", help="Sign this request or response."),
    ] = None,
    copy: Annotated[
        Path | None,
        typer.Option("--copy", help="Away from the registry: your own copy of its key set."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Away from the registry: write the response here.")
    ] = None,
    response: Annotated[
        str | None,
        typer.Option("--response", metavar="PATH", help="Take in what was signed elsewhere."),
    ] = None,
    transcripts: Folder = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Hold a ceremony: at each step read what is shown, and type its word.

    With FILE alone, on the registry's machine with the recovery keys at hand. Across an air
    gap: FILE --request makes the request; there, --request-from it with --copy, your own
    copy as `pith keyset update` keeps it, and --out; a response that lacks signatures is
    the next holder's request; back here, FILE --response takes it in. Where approvals are
    wanted they are collected on the request first (pith ceremony approve), and --request-from
    it alone signs it on the registry's machine.

    The control is the threshold of recovery keys; approvals are evidence. Words are always
    typed: there is no --yes.
    """
    _check_options(file, request, request_from, copy, out, response)
    app_ = the_app(context, home)
    desk, folder = app_.open(), _folder(app_, transcripts)
    if request_from is not None and copy is not None and out is not None:
        _away(desk, request_from, copy, out, folder, as_json=as_json)
    elif request_from is not None:
        _here(desk, _read(request_from), folder, as_json=as_json)
    elif file is not None and response is not None:
        _back(desk, _plan(file), _read(response), folder, as_json=as_json)
    elif file is not None:
        _begin(desk, _plan(file), request, folder, as_json=as_json)


def _check_options(
    file: str | None,
    request: Path | None,
    request_from: str | None,
    copy: Path | None,
    out: Path | None,
    response: str | None,
) -> None:
    ways = sum(option is not None for option in (request, request_from, response))
    apart = (copy is None) != (out is None) or (copy is not None and request_from is None)
    if ways > 1 or apart or (file is None) == (request_from is None):
        raise UsageError(
            "these options do not go together",
            code="usage.options",
            hint="FILE, FILE --request PATH, FILE --response PATH, --request-from PATH, or "
            "--request-from PATH --copy COPY --out PATH",
        )


def _plan(file: str) -> "Plan":
    from registry.services.ceremony_plan import parse_plan

    return parse_plan(read_text(file))


def _read(path: str) -> "Handover":
    from registry.protocol.handover import Handover

    return Handover.parse(read_bytes(path))


def _begin(
    desk: "Desk", plan: "Plan", request: Path | None, folder: Path, *, as_json: bool
) -> None:
    from registry.app import new_nonce, new_seed
    from registry.services.ceremony import ask, hold_here, prepare

    confirm = _ceremony.confirmer(desk.clock)
    handover = prepare(desk, plan, nonce=new_nonce(), seeds=new_seed, at=desk.clock())
    if request is None:
        keyset, session = hold_here(desk, handover, confirm, at=desk.clock())
        _ceremony.write_transcripts(folder, [session])
        _ceremony.tell(keyset.body, plan.act, as_json=as_json)
        return
    asked = ask(desk, handover, confirm)
    _output.document(_ceremony.file_of(asked), request)
    _ceremony.note_digest(asked)
    _ceremony.tell(asked.proposed, "request", as_json=as_json)


def _here(desk: "Desk", handover: "Handover", folder: Path, *, as_json: bool) -> None:
    from registry.services.ceremony import check_asked, hold_here

    check_asked(desk, handover)
    confirm = _ceremony.confirmer(desk.clock)
    keyset, session = hold_here(desk, handover, confirm, at=desk.clock())
    _ceremony.write_transcripts(folder, [session])
    _ceremony.tell(keyset.body, handover.act, as_json=as_json)


def _back(desk: "Desk", plan: "Plan", handover: "Handover", folder: Path, *, as_json: bool) -> None:
    from registry.services.ceremony import take_in

    if (plan.registry, plan.act) != (handover.proposed.registry, handover.act):
        raise MismatchError(
            f"the response is to {handover.act} of {handover.proposed.registry}, the file says "
            f"{plan.act} of {plan.registry}",
            code="ceremony.plan",
        )
    keyset = take_in(desk, handover, _ceremony.confirmer(desk.clock), at=desk.clock())
    _ceremony.write_transcripts(folder, handover.sessions)
    _ceremony.tell(keyset.body, handover.act, as_json=as_json)


def _away(
    desk: "Desk", request: str, copy: Path, out: Path, folder: Path, *, as_json: bool
) -> None:
    from registry.protocol.keyset_chain import parse_chain
    from registry.services.ceremony import hold_offline

    handover, held = _read(request), parse_chain(read_bytes(str(copy)))
    if not held:
        raise UsageError(
            f"{copy} holds no key set",
            code="usage.missing",
            hint="pith keyset update COPY pith-keys.json --digest HEX makes one",
        )
    done, chain = hold_offline(
        desk, handover, held, _ceremony.confirmer(desk.clock), at=desk.clock()
    )
    # The response first: a copy that knows more than what was given would refuse to give it.
    _output.document(_ceremony.file_of(done), out)
    _output.document(_ceremony.copy_of(chain), copy)
    _ceremony.write_transcripts(folder, done.sessions[-1:])
    complete = chain[-1].keyset.body.digest == done.proposed.digest
    if not complete:
        note("it lacks signatures yet: the response is the next holder's request")
    _ceremony.tell(done.proposed, "signed" if complete else "to be signed", as_json=as_json)


@app.command(epilog=example("pith ceremony approve request.json > approval.txt"))
def approve(
    request: Annotated[
        Path, typer.Argument(metavar="REQUEST", help="A request as --request wrote it.")
    ],
    add: Annotated[
        list[str] | None,
        typer.Option("--add", metavar="PATH", help="Take this approval into the request."),
    ] = None,
) -> None:
    """Print what an approver signs, on stdout alone; or, with --add, check what was signed.

    The text is one line: registry, act, version, digest, nonce, expiry. An approver reads
    what is shown, compares the digest with the registry's screen, and signs the text with
    OpenSSH: ssh-keygen -Y sign -n pith-approval -f KEY approval.txt. Whose approvals count,
    and how many, stands in the last signed transcript. The control is the threshold of
    recovery keys; approvals are evidence.
    """
    from registry.app import now
    from registry.protocol.approval import approval_message
    from registry.protocol.handover import verify_handover

    handover = _read(str(request))
    verify_handover(handover, held=(), registry=handover.proposed.registry, at=now())
    if add:
        _output.document(_ceremony.file_of(_added(handover, add)), request)
        return
    _ceremony.note_change(handover)
    _output.raw(approval_message(handover.ceremony.approval))


def _added(handover: "Handover", files: Sequence[str]) -> "Handover":
    from dataclasses import replace

    from registry.protocol.approval import verify_approval
    from registry.protocol.sshsig import SshSignature
    from registry.protocol.transcript_rules import policy

    if handover.sessions:
        raise ConflictError(
            "keys have signed already: approvals come before",
            code="approval.late",
            hint="add it to the request",
        )
    wanted = policy(handover.history, handover.nonce)
    approvals = {each.key: each for each in handover.approvals}
    for path in files:
        signature = SshSignature.parse(read_text(path))
        who = verify_approval(signature, handover.ceremony.approval, wanted)
        approvals[signature.key] = signature
        note(f"approved by {who.line}")
    note(f"{len(approvals)} of the {wanted.wanted} approvals that are wanted")
    return replace(handover, approvals=tuple(approvals.values()))
