"""pith key."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from registry.cli import _output
from registry.cli._boundary import note
from registry.cli._key_audit import audit
from registry.cli._key_compromise import compromise
from registry.cli._key_recovery import enrolled, revoke
from registry.cli._key_status import status
from registry.cli._options import AsJson, Home, Yes, confirmed, known_key, open_desk, the_app
from registry.cli.main import example, group
from registry.errors import UsageError, printable

if TYPE_CHECKING:
    from registry.store.rows import KeyRow

app = group("The registry's keys, and where they are.")


@app.command(epilog=example("pith key create --signer file:"))
def create(
    context: typer.Context,
    key_id: Annotated[
        str | None, typer.Option("--id", help="The new key's id (else by [keys] id_pattern).")
    ] = None,
    usage: Annotated[
        Literal["registry", "recovery"],
        typer.Option("--usage", help="What it is for: to sign documents, or key sets only."),
    ] = "registry",
    threshold: Annotated[
        int | None,
        typer.Option(
            "--threshold",
            help="For a recovery key: how many of them an act takes from now on (else as many as "
            "before, 1 with the first).",
        ),
    ] = None,
    signer: Annotated[
        str | None,
        typer.Option("--signer", help="Where it will be: keyring: or file: (else as in config)."),
    ] = None,
    yes: Yes = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make a new key, keep it where --signer says, and note where that is.

    A registry key signs nothing until a rotation lists it. A recovery key is listed at
    once: the first by the active key, a further one by the recovery keys there are, and
    then the word must be typed. Keep each in a place of its own. Prints its key id.
    """
    from registry.app import new_seed
    from registry.services.keys import create_key

    app_ = the_app(context, home)
    desk = app_.open()
    store = app_.key_store(signer or desk.config.signer, desk.config)
    if usage == "recovery":
        row = enrolled(desk, store, new_seed(), key_id=key_id, threshold=threshold, yes=yes)
    elif threshold is not None:
        raise UsageError("--threshold goes with --usage recovery", code="usage.together")
    else:
        row = create_key(desk, store, key_id=key_id, seed=new_seed(), at=desk.clock())
        _noted(row)
    _printed(row, as_json=as_json)


def _noted(row: "KeyRow") -> None:
    note(f"key {row.key_id} ({row.public_key.fingerprint}) is in {row.uri}")
    note("the key set does not list it yet: it signs nothing")


def _printed(row: "KeyRow", *, as_json: bool) -> None:
    if as_json:
        _output.json_line(
            {"key_id": row.key_id, "public_key_hex": row.public_key.hex, "uri": row.uri}
        )
    else:
        _output.lines([row.key_id])


@app.command(epilog=example("pith key add restored-1 --signer file:"))
def add(
    context: typer.Context,
    key_id: Annotated[
        str, typer.Argument(metavar="KEY_ID", help="What it is called here, for ever.")
    ],
    signer: Annotated[
        str,
        typer.Option(
            "--signer",
            metavar="URI",
            help="Where it is: ssh-agent:SOCKET?fingerprint=..., pkcs11:token=..., keyring:, file:",
        ),
    ],
    usage: Annotated[
        Literal["registry", "recovery"], typer.Option("--usage", help="What it is for.")
    ] = "registry",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Take in a key that was made elsewhere, or bring one back: find it, prove it, and note
    where it is.

    It signs a test message twice, which is verified and thrown away. The key signs
    nothing else until a key set lists it: `pith rotation next announce --successor` commits
    to a registry key, `pith ceremony run` lists a recovery key. Prints its key id.
    """
    from registry.services.keys import add_key, key_status

    app_ = the_app(context, home)
    desk = app_.open()
    store = app_.key_store(signer, desk.config)
    row = add_key(desk, store, key_id=key_id, usage=usage, at=desk.clock())
    if (status := key_status(desk, row)) == "unlisted":
        _noted(row)
    else:
        note(f"key {row.key_id} ({row.public_key.fingerprint}) is in {row.uri} again")
        note(f"the key set lists it as {status}")
    _printed(row, as_json=as_json)


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
    row = known_key(desk, wanted)
    entry = desk.keyset().body.find(row.public_key)
    listed = entry.object if entry is not None else None
    found = listed or key_object(desk.config, row.key_id, row.public_key, row.created_at)
    if as_format == "json":
        _output.json_line(found.to_json())
    else:
        text = ENCODERS[as_format](found.key, found.key_id, desk.config.registry_id)
        _output.raw(text.encode())


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
    row = known_key(desk, key_id)
    note(f"key {row.key_id} ({row.public_key.fingerprint}) leaves {row.uri} for {to}")
    confirmed("move", yes=yes)
    move_key(desk, row, app_.key_store(to, desk.config), at=desk.clock())
    note(f"key {row.key_id} is in {to}, and erased where it was")


app.command(epilog=example("pith key status"))(status)
app.command(epilog=example("pith key revoke recovery-lab-v3-2026-11 --reason 'card lost'"))(revoke)
app.command(
    epilog=example("pith key compromise lab-v1-2026-11 --since 2026-11-01T00:00:00Z --drill")
)(compromise)
app.command(epilog=example("pith key audit bundle.json"))(audit)
