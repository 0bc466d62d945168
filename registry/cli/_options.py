"""The options and arguments that several commands share."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from registry.errors import ConfigError, NotFoundError, UsageError, shown

if TYPE_CHECKING:
    from registry.app import App
    from registry.services.desk import Desk
    from registry.store.rows import KeyRow

Home: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--home", help="The registry's folder (else PITH_HOME, else the platform's place)."
    ),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsJob: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--job", help="Sign nothing yet: put it into the store as a job, for many processes."
    ),
]
Number: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="NUMBER",
        help="A pith number, the beginning of its suffix (8, 12 or 16 characters), "
        "an arxiv: id or arXiv's DOI.",
    ),
]
Told: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--registry", metavar="NAME", help="What another registry's imported bundles say."
    ),
]
PastRotation: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--past-rotation",
        metavar="REASON",
        help="Sign although the key's promised rotation is past; the reason is kept.",
    ),
]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", help="Do not ask for the word to be typed.")]
PartySigner: TypeAlias = Annotated[
    str,
    typer.Option(
        "--signer",
        metavar="URI",
        help="Where your key is: keyring:, file:/folder, ssh-agent:… or pkcs11:…",
    ),
]
PassphraseSource: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--passphrase",
        metavar="SOURCE",
        help="For file: where the passphrase (for pkcs11: the PIN) comes from: "
        "credential:NAME, file:/path, prompt:.",
    ),
]
TokenModule: TypeAlias = Annotated[
    Path | None,
    typer.Option("--pkcs11-module", metavar="FILE", help="For pkcs11: the token's library."),
]
Output: TypeAlias = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write to this file instead of stdout.")
]


def confirmed(word: str, *, yes: bool | None) -> None:
    """Go on only when the exact *word* was typed, or ``--yes`` was given (None: there is none)."""
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            f"this asks for the word {word!r} to be typed",
            code="usage.confirm",
            hint="run it on a terminal" if yes is None else "run it on a terminal, or give --yes",
        )
    if typer.prompt(f"type {word} to go on", err=True) != word:
        raise typer.Abort


def the_app(context: typer.Context, home: Path | None) -> "App":
    """The App of this run. Commands that need no home never import it, nor the stores."""
    from registry.app import App, default_home

    given = context.obj
    if home is None and isinstance(given, App):
        return given
    try:
        return App((home or given or default_home()).absolute())
    except OSError as error:  # the current folder is gone
        raise ConfigError(
            f"where the home is cannot be told: {error.strerror}", code="config.home"
        ) from None


def known_key(desk: "Desk", key_id: str) -> "KeyRow":
    """Where one of our keys is; NotFoundError ``key.absent`` for another."""
    row = desk.find_key(key_id)
    if row is None:
        raise NotFoundError(
            f"no key {shown(key_id)}", code="key.absent", hint="`pith key list` shows them"
        )
    return row


def open_desk(context: typer.Context, home: Path | None) -> "Desk":
    """The registry a command works at."""
    return the_app(context, home).open()
