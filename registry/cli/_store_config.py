"""The config of a home whose store comes back, and what is said of that store."""

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from registry.cli import _output
from registry.cli._boundary import note
from registry.errors import ConfigError, UsageError
from registry.protocol.checks import counted

if TYPE_CHECKING:
    from registry.app import App
    from registry.config import Config
    from registry.services.backup import Copy

BaseUrl: TypeAlias = Annotated[
    str | None,
    typer.Option("--base-url", help="In a home without config.toml: the https address."),
]
Name: TypeAlias = Annotated[
    str | None, typer.Option("--name", help="Without config.toml: what people call it.")
]
Signer: TypeAlias = Annotated[
    str, typer.Option("--signer", help="Without config.toml: where new keys will be.")
]
PassphraseSource: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--passphrase",
        metavar="SOURCE",
        help="Without config.toml, for file: credential:NAME, file:/path or prompt:.",
    ),
]


def config_for(
    app_: "App",
    registry: str,
    base_url: str | None,
    name: str | None,
    signer: str,
    passphrase: str | None,
) -> "Config":
    """The config of the home, made where there is none."""
    from registry.config import new_config
    from registry.services.initialise import write_config

    try:
        found = app_.config()
    except ConfigError as error:
        if error.code != "config.home":
            raise
    else:
        if any((base_url, name, passphrase)):
            raise UsageError(
                f"there is a config.toml in {app_.home}",
                code="usage.together",
                hint="leave --base-url, --name and --passphrase out: it says them",
            )
        return found
    if base_url is None:
        raise UsageError(
            "--base-url is missing: a backup holds no config.toml",
            code="usage.missing",
            hint="or put your config.toml into the home first",
        )
    if passphrase is None and signer.startswith("file:"):
        passphrase = "prompt:"  # noqa: S105 - where it comes from
    made = new_config(
        app_.home,
        registry_id=registry,
        base_url=base_url,
        name=name,
        signer=signer,
        passphrase=passphrase,
    )
    write_config(app_.home, made)
    return made


def tell_copy(copy: "Copy", *, as_json: bool) -> None:
    """Say what is in a copy of a store."""
    if as_json:
        _output.json_line(copy.to_json())
    else:
        version = f"{copy.keyset_version} {copy.keyset_sha256}"
        _output.lines([f"{counted(copy.records, 'record')}  key set {version}"])


def tell_locked(copy: "Copy") -> None:
    """Say that a store signs nothing yet, and what lets it."""
    last = copy.last_signed_at
    note(f"its last signature was made {'never' if last is None else last.seconds}")
    note("it signs nothing until it was compared with what was published since")
    note("hint: `pith store restore --reconcile PUBLISHED…` with the key set and every bundle")
