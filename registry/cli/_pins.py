"""What trust starts from in a run: the pins that were given, or else the configured shipped
ones, the home's own key set, and the timestamp authorities."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeAlias

import typer

from registry.cli._boundary import note
from registry.cli._input import read_bytes
from registry.cli._options import the_app
from registry.config import load_config
from registry.data import shipped_pins
from registry.errors import ConfigError, NotFoundError, PithError, shown
from registry.protocol.trust import KeyPin, KeySetPin, Pin, parse_pin
from registry.services.timestamps import load_authority, no_authorities

if TYPE_CHECKING:
    from registry.app import App
    from registry.services.timestamps import Authorities
    from registry.timestamp.authority import Authority

Pins: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--pin",
        metavar="NAME|FILE|KEY_ID=HEX",
        help="What trust starts from, instead of the shipped pins: a shipped pin by name, a "
        "pin file, a key set file, or a key for any registry. May be given again.",
    ),
]


class Trust(NamedTuple):
    """The pins of a run, how far ahead of its clock documents may be, and the certificate
    of the home's timestamp authority."""

    pins: tuple[Pin, ...]
    max_ahead: int
    authority: Path | None


def authorities_of(given: list[Path] | None, configured: Path | None) -> "Authorities":
    """The timestamp authorities of this run: those given, read now, or else the config's,
    read when there is a timestamp to check."""
    if given is not None:
        found = [load_authority(path) for path in given]
        return lambda: found
    if configured is None:
        return no_authorities

    def config_authority() -> "list[Authority]":
        try:
            return [load_authority(configured)]
        except PithError as error:
            note(f"the config's timestamp authority is not pinned now: {error} [{error.code}]")
            return []

    return config_authority


def trust_of(context: typer.Context, given: list[str] | None, home: Path | None) -> Trust:
    """The pins of this run: those given or else the configured shipped ones, and the
    key set of the home, where there is one; and the certificate of the home's TSA."""
    authority: Path | None = None
    app_ = the_app(context, home)
    shipped = _shipped()
    try:
        config = load_config(app_.home)
    except ConfigError as error:
        if error.code != "config.home" or home is not None:
            raise
        names, max_ahead, own = tuple(shipped), 600, []
    else:
        names, max_ahead = config.pins, config.max_ahead
        authority = None if config.tsa is None else config.tsa.certificate
        own = _own(app_, required=home is not None)
    if given is None:
        chosen = [shipped.get(name) or _pin_file(str(app_.home / name)) for name in names]
    else:
        chosen = given_pins(given)
    return Trust((*chosen, *own), max_ahead, authority)


def given_pins(given: list[str]) -> list[Pin]:
    """The pins that were given with --pin."""
    shipped = _shipped()
    return [shipped.get(text) or _pin(text) for text in given]


def _shipped() -> dict[str, Pin]:
    return {name: parse_pin(data, "shipped") for name, data in shipped_pins().items()}


def _own(app_: "App", *, required: bool) -> list[Pin]:
    """The home's own key set; a home that was not asked for may be out of order."""
    try:
        return [KeySetPin(app_.open().keyset(), f"the key set of {app_.home}")]
    except PithError as error:
        if required:
            raise
        note(f"the key set of {app_.home} is no pin now: {error} [{error.code}]")
        return []


def _pin(text: str) -> Pin:
    # By its form alone: a file of that name in the current folder must not stand in for it.
    if "=" in text and "/" not in text:
        return KeyPin.parse_pair(text)
    return _pin_file(text)


def _pin_file(path: str) -> Pin:
    try:
        return parse_pin(read_bytes(path), f"the file {shown(path)}")
    except NotFoundError:
        raise NotFoundError(
            f"no pin {shown(path)}",
            code="pin.absent",
            hint=f"shipped are {', '.join(shipped_pins())}; else a file, or KEY_ID=HEX",
        ) from None
