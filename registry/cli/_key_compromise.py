"""pith key compromise."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import _output
from registry.cli._boundary import note
from registry.cli._keyset import preview, successor_told, told
from registry.cli._options import AsJson, Home, Output, confirmed, known_key, the_app
from registry.errors import MalformedError, shown
from registry.protocol.bundle import served_bytes
from registry.protocol.checks import counted
from registry.protocol.instant import Instant

if TYPE_CHECKING:
    from registry.services.desk import Desk


def compromise(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="The key in other hands.")],
    since: Annotated[
        str,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Since when, YYYY-MM-DDTHH:MM:SSZ: the latest moment it surely was yours alone. "
            "It can be moved earlier later, never later.",
        ),
    ],
    reason: Annotated[
        str, typer.Option("--reason", help="Why; it stands in the key set for everyone.")
    ] = "the key was in other hands",
    heir: Annotated[
        str | None,
        typer.Option(
            "--heir",
            metavar="KEY_ID",
            help="The key that signs from now on (else the committed successor where it lay in "
            "another place, or a new one).",
        ),
    ] = None,
    signer: Annotated[
        str | None,
        typer.Option("--signer", metavar="URI", help="Where new keys will be."),
    ] = None,
    threshold: Annotated[
        int | None,
        typer.Option("--threshold", help="How many recovery keys an act takes from now on."),
    ] = None,
    output: Output = None,
    drill: Annotated[
        bool,
        typer.Option(
            "--drill",
            help="Do it all on a copy with throw-away keys instead, and time it: no real key is "
            "opened, nothing is changed but a line in the journal.",
        ),
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Say since when a key was in other hands: the day after a theft, in one command.

    Stops the key here at once; has the recovery keys sign a key set that distrusts it and
    names the key that signs from now on; counts the receipts under it by what verifiers
    will say of them (valid, proven, unproven, invalid); and plans their reissue. Words must
    be typed. Prints the new key set, which is to be published at once (--output FILE).
    """
    try:
        moment = Instant.parse_seconds(since)
    except MalformedError as error:
        raise MalformedError(
            f"--since: {error.message}", code=error.code, hint="like 2026-11-20T08:00:00Z"
        ) from None
    app_ = the_app(context, home)
    desk = app_.open()
    if drill:
        _drill(desk, key_id, as_json=as_json)
        return
    from registry.app import new_seed
    from registry.protocol.keyset_acts import active_entry
    from registry.services.distrust import (
        check_since,
        choose_heir,
        compromised_body,
        distrust,
        stop,
    )

    check_since(moment, desk.clock())
    _announce(desk, key_id, moment)
    confirmed("compromise", yes=None)
    stop(desk, key_id, reason=reason, at=desk.clock())
    note(f"{key_id} is stopped: it signs nothing more here")
    at = desk.clock()
    store = app_.key_store(signer or desk.config.signer, desk.config)
    chosen = choose_heir(desk, key_id, store, named=heir, new_seed=new_seed, at=at)
    body = compromised_body(
        desk, key_id, chosen, since=moment, reason=reason, threshold=threshold, at=at
    )
    preview(desk.keyset().body, body)
    confirmed("distrust", yes=None)
    keyset = distrust(desk, body, key_id, reason=reason, at=at)
    told(keyset)
    active = active_entry(keyset.body)
    if active is not None:
        successor_told(desk, keyset, active.key_id)
    _output.document(served_bytes(keyset.to_json()), output)
    _plan(desk, key_id, reason)


def _announce(desk: "Desk", key_id: str, since: Instant) -> None:
    from registry.protocol.keyset_acts import entry_of
    from registry.protocol.keyset_diff import named

    entry = entry_of(desk.keyset().body, key_id)
    note(f"{entry.usage} key {named(entry)} is {entry.status}")
    note(f"everything dated since {since.seconds} under it becomes invalid, for everyone")
    note("what is older becomes unproven, until outside evidence of its time or a reissue")


def _plan(desk: "Desk", key_id: str, reason: str) -> None:
    """Freeze the reissue of what was under the key, and count it by verdict."""
    from registry.protocol.keyset_acts import entry_of
    from registry.services.reissue_plan import plan_reissue

    if entry_of(desk.keyset().body, key_id).usage != "registry":
        return
    job = plan_reissue(desk, key_id, reason, at=desk.clock())
    counts = desk.store.count_items(job.job)
    for verdict, why, count in counts:
        note(f"{counted(count, 'receipt', 'is')} {verdict}" + (f" ({why})" if why else ""))
    if not counts:
        note("no receipt of ours is under it")
        return
    note(f"reissue plan {job.digest.hex()}: `pith reissue status` shows it")
    note("hint: derive the records again from their sources, then `pith reissue plan --derived`")


def _drill(desk: "Desk", key_id: str, *, as_json: bool) -> None:
    from registry.app import new_seed
    from registry.services.drill import Drill
    from registry.store.rows import ActRow

    known_key(desk, key_id)
    total = 0.0
    with tempfile.TemporaryDirectory(prefix="pith-drill-") as folder:
        rehearsal = Drill(desk, Path(folder), new_seed)
        note(f"a drill at {rehearsal.registry}: no real key is opened")
        note(f"another key stands for {key_id}, and an hour of its own for --since")
        for done in rehearsal():
            total += done.seconds
            if as_json:
                _output.json_line(
                    {"act": done.act, "text": done.text, "seconds": round(done.seconds, 3)}
                )
            else:
                _output.lines([f"{done.seconds:8.3f} s  {done.act}: {shown(done.text, 400)[1:-1]}"])
    desk.store.add_act(ActRow("drill: compromise", key_id, f"{total:.1f} s", desk.clock()))
    note(f"all of it took {total:.1f} s; on the real day people and their keys take longer")
