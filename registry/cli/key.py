"""pith key."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from registry.cli import _output
from registry.cli._boundary import EXIT_CONFLICT, note
from registry.cli._input import read_bytes
from registry.cli._options import AsJson, Home, Yes, confirmed, open_desk, the_app
from registry.cli.main import example, group
from registry.errors import NotFoundError, printable, shown

if TYPE_CHECKING:
    from registry.services.audit import Audit

app = group("The registry's keys, and where they are.")


@app.command(epilog=example("pith key create --signer file:"))
def create(
    context: typer.Context,
    key_id: Annotated[
        str | None, typer.Option("--id", help="The new key's id (else by [keys] id_pattern).")
    ] = None,
    signer: Annotated[
        str | None,
        typer.Option("--signer", help="Where it will be: keyring: or file: (else as in config)."),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make a new key, keep it where --signer says, and note where that is.

    The key signs nothing until a key set lists it as active. Prints its key id.
    """
    from registry.app import new_seed
    from registry.services.keys import create_key

    app_ = the_app(context, home)
    desk = app_.open()
    store = app_.key_store(signer or desk.config.signer, desk.config)
    row = create_key(desk, store, key_id=key_id, seed=new_seed(), at=desk.clock())
    note(f"key {row.key_id} ({row.public_key.fingerprint}) is in {row.uri}")
    note("the key set does not list it yet: it signs nothing")
    if as_json:
        _output.json_line(
            {"key_id": row.key_id, "public_key_hex": row.public_key.hex, "uri": row.uri}
        )
    else:
        _output.lines([row.key_id])


@app.command("list", epilog=example("pith key list"))
def list_(context: typer.Context, as_json: AsJson = False, home: Home = None) -> None:
    """Print every key with its status in the key set, its fingerprint and where it is."""
    from registry.services.keys import key_status

    desk = open_desk(context, home)
    for row in desk.store.list_keys():
        status = key_status(desk, row)
        if as_json:
            _output.json_line(
                {
                    "key_id": row.key_id,
                    "status": status,
                    "usage": row.usage,
                    "public_key_hex": row.public_key.hex,
                    "public_key_fingerprint": row.public_key.fingerprint,
                    "uri": row.uri,
                    "created_at": row.created_at.seconds,
                }
            )
        else:
            _output.lines(
                [f"{row.key_id}  {status}  {row.public_key.fingerprint}  {printable(row.uri)}"]
            )


@app.command(epilog=example("pith key show --format pem > pith-key.pem"))
def show(
    context: typer.Context,
    key_id: Annotated[
        str | None, typer.Argument(metavar="KEY_ID", help="Else the key that signs now.")
    ] = None,
    as_format: Annotated[
        Literal["json", "pem", "openssh", "jwk", "minisign", "signify"],
        typer.Option("--format", help="As other programs read a key, or json as bundles hold it."),
    ] = "json",
    home: Home = None,
) -> None:
    """Print a key's public object as bundles hold it: the signing-key document.

    With --format, the key as openssl (pem), OpenSSH, JOSE libraries (jwk), minisign or
    signify read it. The key set that verifiers pin is `pith keyset show`.
    """
    from registry.protocol.key_formats import ENCODERS
    from registry.services.keys import key_object

    desk = open_desk(context, home)
    wanted = key_id or desk.active_key().key_id
    row = desk.find_key(wanted)
    if row is None:
        raise _absent(wanted)
    entry = desk.keyset().body.find(row.public_key)
    listed = entry.object if entry is not None else None
    found = listed or key_object(desk.config, row.key_id, row.public_key, row.created_at)
    if as_format == "json":
        _output.json_line(found.to_json())
    else:
        text = ENCODERS[as_format](found.key, found.key_id, desk.config.registry_id)
        _output.raw(text.encode())


def _absent(key_id: str) -> NotFoundError:
    return NotFoundError(
        f"no key {shown(key_id)}", code="key.absent", hint="`pith key list` shows them"
    )


@app.command(epilog=example("pith key move lab-v1-2026-11 --to file: --yes"))
def move(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="The key to move.")],
    to: Annotated[
        str,
        typer.Option("--to", metavar="URI", help="Where it goes: keyring:, file: or file:/folder."),
    ],
    yes: Yes = False,
    home: Home = None,
) -> None:
    """Move a key to another key store, and erase it where it was.

    It is written there, read back, signs and verifies, and is noted, before the old copy
    is erased. An interrupted move is finished by the same command.
    """
    from registry.services.keys import move_key

    app_ = the_app(context, home)
    desk = app_.open()
    row = desk.find_key(key_id)
    if row is None:
        raise _absent(key_id)
    note(f"key {row.key_id} ({row.public_key.fingerprint}) leaves {row.uri} for {to}")
    confirmed("move", yes=yes)
    move_key(desk, row, app_.key_store(to, desk.config), at=desk.clock())
    note(f"key {row.key_id} is in {to}, and erased where it was")


@app.command(epilog=example("pith key audit bundle.json"))
def audit(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE...]", help="Bundles or events of this registry that were seen outside."
        ),
    ] = None,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Compare the journal of signatures with the store, and with documents seen outside.

    Prints how many signatures each key made, by month and kind, and every act on a
    key. A signature seen outside that verifies under a key of ours and has no line in the
    journal was not made here: that is the alarm for a stolen key. Exits 6 when
    anything does not agree.
    """
    from registry.services.audit import audit

    desk = open_desk(context, home)
    outside = [(path, read_bytes(path)) for path in files or []]
    found = audit(desk, outside, at=desk.clock())
    if as_json:
        _output.json_line(
            {
                "ok": found.ok,
                "signatures": [
                    {"key_id": key_id, "month": month, "kind": kind, "count": count}
                    for (key_id, month, kind), count in found.counts.items()
                ],
                "acts": [
                    {"act": a.act, "key_id": a.key_id, "reason": a.reason, "at": a.at.seconds}
                    for a in found.acts
                ],
                "unjournaled": [{"kind": k, "digest": d} for k, d in found.unjournaled],
                "undocumented": [{"kind": k, "digest": d} for k, d in found.undocumented],
                "unknown": [unknown.to_json() for unknown in found.unknown],
            }
        )
    else:
        _output.lines(_told(found))
    for unknown in found.unknown:
        note(
            f"ALARM: the {unknown.what} in {shown(unknown.where)} is signed by {unknown.key_id}, "
            "and the journal does not know it [audit.unknown]"
        )
    if found.unknown:
        note("hint: treat the key as stolen: keys/README.md, The day after a theft")
    for kind, digest in (*found.unjournaled, *found.undocumented):
        note(f"journal and store do not agree about the {kind} {digest} [audit.journal]")
    return 0 if found.ok else EXIT_CONFLICT


def _told(found: "Audit") -> Iterator[str]:
    for (key_id, month, kind), count in found.counts.items():
        yield f"{key_id}  {month}  {kind}  {count}"
    for act in found.acts:
        yield f"{act.key_id}  {act.at.seconds}  {act.act}: {printable(act.reason)}"
