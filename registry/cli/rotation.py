"""pith rotation."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from registry.cli import _output
from registry.cli._boundary import EXIT_ATTENTION, note
from registry.cli._keyset import successor_told, told
from registry.cli._options import AsJson, Home, Yes, confirmed, open_desk, the_app
from registry.cli.main import example, group

if TYPE_CHECKING:
    from registry.protocol.canonical import JsonObject
    from registry.services.rotation import Step

app = group("Rotations: a planned change of the key that signs.")


@app.command(epilog=example("pith rotation plan"))
def plan(context: typer.Context, as_json: AsJson = False, home: Home = None) -> None:
    """Print the calendar of the next rotation: every step, its day, and what it takes.

    A successor is announced one overlap before the key's promised day, signs from that
    day on, and the old key is retired one overlap after. Old receipts and bundles go on
    verifying.
    """
    from registry.services.rotation import calendar

    desk = open_desk(context, home)
    for step in calendar(desk):
        if as_json:
            _output.json_line(_told(step))
        else:
            _output.lines(
                [
                    f"{step.due.seconds}  {step.name} {step.key_id}",
                    f"    {step.text}",
                ]
            )
    if not as_json:
        note("each step is `pith rotation next`, and then the key set is published")


@app.command("next", epilog=example("pith rotation next announce --yes"))
def next_(
    context: typer.Context,
    step: Annotated[
        Literal["renew", "announce", "activate", "retire"] | None,
        typer.Argument(metavar="[STEP]", help="The step you mean: refused when another is next."),
    ] = None,
    successor: Annotated[
        str | None,
        typer.Option(
            "--successor",
            metavar="KEY_ID",
            help="For announce: the key that comes after the announced one (else a new one).",
        ),
    ] = None,
    signer: Annotated[
        str | None,
        typer.Option("--signer", metavar="URI", help="Where that new key will be."),
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Take the next step of the rotation, and print the digest of the new key set.

    The active key signs it, and every key that the step lists or makes active: each must be
    within reach. An interrupted step is taken again by the same command; at no moment are
    two keys active.
    """
    from registry.app import new_seed
    from registry.services.rotation import next_step, take_step

    app_ = the_app(context, home)
    desk = app_.open()
    due = next_step(desk, step)
    early = "" if desk.clock() >= due.due else f", due {due.due.seconds}"
    row = desk.find_key(due.key_id)
    fingerprint = f" ({row.public_key.fingerprint})" if row is not None else ""
    note(f"{due.name} {due.key_id}{fingerprint}{early}: {due.text}")
    confirmed(due.name, yes=yes)
    keyset = take_step(
        desk,
        due,
        app_.key_store(signer or desk.config.signer, desk.config),
        seed=new_seed(),
        at=desk.clock(),
        successor=successor,
    )
    told(keyset)
    if due.name == "announce":
        successor_told(desk, keyset, due.key_id)
    if as_json:
        _output.json_line(keyset.to_json())
    else:
        _output.lines([keyset.body.digest.hex()])


@app.command(epilog=example("pith rotation status"))
def status(context: typer.Context, as_json: AsJson = False, home: Home = None) -> int:
    """Print the key that signs and the step that is next; exit 9 when it is due soon or past."""
    from registry.services.due import dues
    from registry.services.rotation import calendar

    desk = open_desk(context, home)
    step = calendar(desk)[0]
    due = next(due for due in dues(desk, desk.clock()) if due.what == "rotation")
    active = desk.active_key().key_id
    if as_json:
        _output.json_line({"active": active, "next": _told(step), "due": due.warned})
    else:
        left = f"in {due.days} days" if due.days >= 0 else f"{-due.days} days late"
        _output.lines(
            [f"{active} signs; next: {step.name} {step.key_id} by {step.due.seconds} ({left})"]
        )
    return EXIT_ATTENTION if due.warned else 0


def _told(step: "Step") -> "JsonObject":
    return {"step": step.name, "key_id": step.key_id, "due": step.due.seconds, "text": step.text}
