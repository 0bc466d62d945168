"""`pith event add` and `pith event sign`: two commands for each form of an event."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from registry.cli import _output
from registry.cli._boundary import note
from registry.cli._event_forms import Form, Subject, typed_event_id
from registry.cli._input import read_bytes
from registry.cli._options import (
    AsJson,
    Home,
    Number,
    Output,
    PartySigner,
    PassphraseSource,
    PastRotation,
    TokenModule,
    open_desk,
    the_app,
)
from registry.cli.main import example
from registry.errors import UsageError, shown
from registry.protocol.canonical import Json, canonical
from registry.protocol.event import EventBody, event_message
from registry.protocol.number import PithNumber
from registry.protocol.strict_json import LARGE, read_json

MAX_LINES: Final = 40
Payload = Annotated[
    str | None,
    typer.Option("--payload", metavar="FILE", help="The payload as JSON, instead of options."),
]
Target = Annotated[
    str | None,
    typer.Option("--target", help="What of it: record, graph, claim:ID or event:ID."),
]
Supersedes = Annotated[
    list[str] | None,
    typer.Option("--supersedes", metavar="EVENT_ID", help="An own event that this replaces."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Sign and store nothing: print what would be signed.")
]
FullNumber = Annotated[
    str, typer.Argument(metavar="NUMBER", help="The whole pith number of the record.")
]
Identity = Annotated[
    str,
    typer.Option("--as", metavar="FILE", help="Who you are: what `pith party request` gave you."),
]
After = Annotated[
    str | None,
    typer.Option(
        "--after",
        metavar="FILE",
        help="The newest bundle of the record, or your last event: yours goes after your last.",
    ),
]


def add_command(group: typer.Typer, form: Form) -> None:
    """``pith event add FORM``: sign as the registry and store."""

    def command(
        context: typer.Context,
        number: Number,
        *,
        payload: Payload = None,
        target: Target = None,
        supersedes: Supersedes = None,
        dry_run: DryRun = False,
        past_rotation: PastRotation = None,
        as_json: AsJson = False,
        home: Home = None,
        **options: Any,
    ) -> None:
        from registry.services.append import add_event, plan_event
        from registry.services.find import find_record

        desk = open_desk(context, home)
        record = find_record(desk, number)
        about = Subject(record.number, record)
        draft = _draft(form, about, payload, target, supersedes, options)
        at = desk.clock()
        plan = plan_event(desk, desk.active_ref(), record, draft, at=at)
        if plan.same is None:
            preview(plan.body)
        if dry_run:
            _output.raw(canonical(plan.body.to_json()) + b"\n")
            return
        signer = desk.signer(at, past_rotation)
        event, new = add_event(desk, signer, record, draft, at=at)
        if not new:
            note(f"a current {form.name} says the same: nothing was signed")
        if as_json:
            _output.json_line({"event": event.to_json(), "new": new})
        else:
            _output.lines([event.event_id])

    text = f"{form.help} One that says what a current one says is not signed again. Prints its id."
    _register(group, form, command, text, f"pith event add {form.name} arxiv:2401.00001")


def sign_command(group: typer.Typer, form: Form) -> None:
    """``pith event sign FORM``: sign as somebody else, without a home, into a file."""

    def command(
        context: typer.Context,
        number: FullNumber,
        *,
        signer: PartySigner,
        identity: Identity,
        passphrase: PassphraseSource = None,
        module: TokenModule = None,
        after: After = None,
        payload: Payload = None,
        target: Target = None,
        supersedes: Supersedes = None,
        dry_run: DryRun = False,
        output: Output = None,
        home: Home = None,
        **options: Any,
    ) -> None:
        from registry.app import now
        from registry.protocol.signers import Enrolment
        from registry.services.party_events import plan_as_party, sign_as_party

        who = Enrolment.parse(read_bytes(identity))
        subject = PithNumber.parse(number)
        draft = _draft(form, Subject(subject), payload, target, supersedes, options)
        held = None if after is None else read_json(read_bytes(after), LARGE).value
        at = now()
        body = plan_as_party(who, subject, draft, held, at=at)
        preview(body)
        if body.prev_event is None:
            note("it begins your chain on this record; if you spoke of it before, give --after")
        if dry_run:
            _output.document(canonical(body.to_json()) + b"\n", output)
            return
        store = the_app(context, home).party_store(signer, who.registry, passphrase, module)
        event = sign_as_party(store, who, body, at=at)
        _output.document(event.canonical + b"\n", output)

    text = (
        f"{form.help} For people who are not the registry: needs no home, and prints the event. "
        "Send it to the registry, which enrolled you."
    )
    line = f"pith event sign {form.name} pith:2024:5ZBGVH3LGA37FIQK6INZ2E5QKA"
    mine = (
        "--as alice.pub \\",
        "  --signer file:$HOME/my-keys --passphrase file:$HOME/passphrase -o event.json",
    )
    _register(group, form, command, text, line, mine)


def _register(
    group: typer.Typer,
    form: Form,
    command: Callable[..., None],
    text: str,
    line: str,
    more: tuple[str, ...] = (),
) -> None:
    """Give *command* the options of *form* beside its own, and put it into the group."""
    own = inspect.signature(command).parameters.values()
    typed = list(inspect.signature(form.build).parameters.values())[1:]
    keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in typed]
    kept = [p for p in own if p.kind != inspect.Parameter.VAR_KEYWORD]
    first, rest = kept[:2], kept[2:]
    command.__signature__ = inspect.Signature([*first, *keyword, *rest])  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in (*first, *keyword, *rest)}
    command.__doc__ = text
    group.command(form.name, epilog=example(*_laid(line, form.options, more)))(command)


def _laid(line: str, options: tuple[str, ...], more: tuple[str, ...]) -> list[str]:
    head, *rest = options
    lines = [f"{line} {head}", *rest]
    if more:
        lines[-1] += " \\"
        lines += [f"  {more[0]}", *more[1:]]
    return lines


def _draft(
    form: Form,
    about: Subject,
    payload: str | None,
    target: str | None,
    supersedes: list[str] | None,
    options: dict[str, Any],
) -> Any:
    from registry.services.append import Draft

    if payload is not None:
        given = [name for name, value in options.items() if value is not None]
        if given:
            raise UsageError(
                f"--payload stands for all options, and --{given[0].replace('_', '-')} is given",
                code="usage.together",
            )
        said: Json = read_json(read_bytes(payload)).value
        default = None
    else:
        said, default = form.build(about, **options)
    ids = [typed_event_id(each, "--supersedes") for each in supersedes or ()]
    return Draft(form.event_type, said, target or default, tuple(ids))


def preview(body: EventBody) -> None:
    """Show on stderr what a signature will be over."""
    signer = body.signer
    note(f"to be signed: {body.event_type} about {body.subject} ({body.target})")
    lines = [f"{path}: {_said(value)}" for path, value in _leaves("", body.payload)]
    for line in lines[:MAX_LINES]:
        note(f"  {line}")
    if len(lines) > MAX_LINES:
        note(f"  … and {len(lines) - MAX_LINES} more; --dry-run prints all of it")
    for event_id in body.supersedes:
        note(f"  in place of {event_id}")
    note(f"  after {body.prev_event or 'nothing: the first of its chain'}")
    note(
        f"  as {signer.signer_type} {signer.signer_id}, key {signer.key_id} ({signer.fingerprint})"
    )
    note(f"  digest {event_message(body).hex()}")


def _said(value: Json) -> str:
    return "null" if value is None else shown(value, 200)


def _leaves(path: str, value: Json) -> list[tuple[str, Json]]:
    if type(value) is dict and value:
        return [
            leaf
            for name, member in value.items()
            for leaf in _leaves(f"{path}.{name}" if path else name, member)
        ]
    if type(value) is list and value:
        return [leaf for i, item in enumerate(value) for leaf in _leaves(f"{path}[{i}]", item)]
    return [(path, value)]
