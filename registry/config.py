"""config.toml of a home, read into a frozen value. It holds no secret."""

import os
import re
import stat
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from registry.errors import ConfigError, MalformedError, UsageError, printable, shown
from registry.protocol import schema

FILE_NAME: Final = "config.toml"
MAX_BYTES: Final = 64 << 10

SIGNER: Final = "keyring:"
ID_PATTERN: Final = "registry-v{n}-{yyyy}-{mm}"
ROTATE_AFTER: Final = 365 * 86_400
OVERLAP: Final = 30 * 86_400
DRILL_EVERY: Final = 180 * 86_400
WARN_BEFORE: Final = (30 * 86_400, 7 * 86_400, 86_400)
PINS: Final = ("pith.science",)
MAX_AHEAD: Final = 600
MINT_BATCH: Final = 1000
PIN_FROM: Final = "prompt:"
TSA_TIMEOUT: Final = 10

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION: Final = re.compile("([0-9]{1,6})([smhd])", re.ASCII)
_SECRET_NAME: Final = re.compile(
    "password|passwd|secret|seed|private|token|^pin(_?(value|code))?$", re.IGNORECASE
)
_SECRET_URL: Final = re.compile(
    "://[^@]*:[^@]*@|password *=|passwd *=|secret *=|scram_[a-z]+_key *=", re.IGNORECASE
)
_PASSPHRASE: Final = re.compile("credential:.+|file:/.+|prompt:")
_SOURCES: Final = ("passphrase", "pin_from")
_STORE: Final = re.compile("sqlite:(?!//)[^?#\x00-\x1f]+")
_POSTGRES: Final = re.compile(r"postgresql://[A-Za-z0-9._~%@:/?&=,\[\]+-]*", re.ASCII)
_TSA_URL: Final = re.compile(
    r"(?:https://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])|http://(?:127\.0\.0\.1|localhost|\[::1\]))"
    r"(?::[1-9][0-9]{0,4})?(?:/[A-Za-z0-9._~/%+-]*)?(?:\?[A-Za-z0-9._~/%+&=-]*)?",
    re.ASCII,
)
_KEY_PATTERN: Final = re.compile(r"(?:[a-z0-9.-]|\{n\}|\{yyyy\}|\{mm\})+")


@dataclass(frozen=True, slots=True)
class Tsa:
    """The timestamp authority of a registry: where it answers, if it is asked at all, and
    the file of its certificates, which is pinned."""

    url: str | None
    certificate: Path
    timeout: int


@dataclass(frozen=True, slots=True)
class Config:
    """How one registry is set up. Durations are in seconds.

    ``store`` is the absolute path of an SQLite file or the URL of a PostgreSQL database;
    ``passphrase`` and ``pin_from`` are where a passphrase
    and a token's PIN come from, never one themselves; ``pins`` are names of shipped
    pins or paths, relative to the home.
    """

    registry_id: str
    base_url: str
    name: str
    store: Path | str
    signer: str = SIGNER
    passphrase: str | None = None
    id_pattern: str = ID_PATTERN
    rotate_after: int = ROTATE_AFTER
    overlap: int = OVERLAP
    drill_every: int = DRILL_EVERY
    warn_before: tuple[int, ...] = WARN_BEFORE
    pins: tuple[str, ...] = PINS
    max_ahead: int = MAX_AHEAD
    mint_batch: int = MINT_BATCH
    tsa: Tsa | None = None
    pkcs11_module: Path | None = None
    pin_from: str = PIN_FROM

    @property
    def store_path(self) -> Path:
        """The file of the store; ConfigError ``config.store`` where it is in none."""
        if isinstance(self.store, Path):
            return self.store
        raise ConfigError(
            f"the store of this registry is no file, but {self.store}",
            code="config.store",
            hint="pg_dump and pg_restore do it; or restore or import into a file, and then "
            "`pith store copy` it there",
        )


def new_config(
    home: Path,
    *,
    registry_id: str,
    base_url: str,
    name: str | None,
    signer: str,
    passphrase: str | None,
    store: str | None = None,
) -> Config:
    """The config of a registry that is being made in *home*, checked like a read one."""
    if passphrase is not None and passphrase.startswith("file:") and passphrase[5:6] != "/":
        raise UsageError(
            "--passphrase file: wants an absolute path",
            code="usage.passphrase",
            hint="file:/absolute/path, of a file with mode 600",
        )
    if passphrase is not None and _PASSPHRASE.fullmatch(passphrase) is None:
        raise UsageError(
            "--passphrase says where the passphrase is, never what it is",
            code="usage.passphrase",
            hint="credential:NAME, file:/absolute/path or prompt:; if it was a real one, change it",
        )
    registry_id = schema.name(registry_id, "--registry")
    label = re.sub("[^a-z0-9-]+", "-", registry_id.split(".")[0].lower()).strip("-")[:32]
    return Config(
        registry_id=registry_id,
        base_url=schema.base_url(base_url.rstrip("/"), "--base-url"),
        name=_display_name(name or registry_id),
        store=home / "registry.db" if store is None else server_url(store),
        signer=signer,
        passphrase=passphrase,
        id_pattern=f"{label or 'registry'}-v{{n}}-{{yyyy}}-{{mm}}",
    )


def load_config(home: Path) -> Config:
    """Read and check the config.toml of *home*.

    Raises ConfigError: ``config.home`` without one, ``config.mode`` when others
    may write it, ``config.secret``, ``config.form``, ``config.unknown``.
    """
    path = home / FILE_NAME
    data = _read(path, home)
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # TOMLDecodeError is a ValueError
        raise ConfigError(f"{path} is not TOML: {error}", code="config.form") from None
    _refuse_secrets(document, "")
    return _Reader(document, path).config(home)


def _read(path: Path, home: Path) -> bytes:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(
            f"no registry in {home}",
            code="config.home",
            hint="make one with `pith init`, or say where it is with --home or PITH_HOME",
        ) from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", code="config.home") from None
    if status.st_uid not in (os.geteuid(), 0):
        raise ConfigError(
            f"{path} belongs to another user", code="config.owner", hint="chown it to yourself"
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(
            f"{path} may be written by others", code="config.mode", hint=f"chmod go-w {path}"
        )
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path} is over {MAX_BYTES} bytes", code="config.form")
    return data


def refuse_secrets(document: dict[str, Any]) -> None:
    """Raise ConfigError ``config.secret`` where a file that people write holds a secret."""
    _refuse_secrets(document, "")


def _refuse_secrets(value: object, name: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_secrets(item, key)
    elif name in _SOURCES and not isinstance(value, list):
        if not (isinstance(value, str) and _PASSPHRASE.fullmatch(value)):
            raise _secret(name)
    elif isinstance(value, list):
        for item in value:
            _refuse_secrets(item, name)
    elif _SECRET_NAME.search(name) or (isinstance(value, str) and _is_secret(value)):
        raise _secret(name)


def _secret(name: str) -> ConfigError:
    return ConfigError(
        f"{shown(name)} looks like a secret",
        code="config.secret",
        hint="secrets never stand there: passphrase and pin_from say where one is,"
        ' "credential:NAME", "file:/path" or "prompt:"'
        "; if it was a real one, change it",
    )


_KNOWN: Final = {
    "registry": {"id", "base_url", "name"},
    "store": {"url"},
    "signer": {"default", "passphrase"},
    "keys": {"id_pattern", "rotate_after", "overlap", "warn_before", "drill_every"},
    "verify": {"pins", "max_ahead"},
    "mint": {"batch"},
    "pkcs11": {"module", "pin_from"},
    "tsa": {"url", "certificate", "timeout"},
}


class _Reader:
    """Takes a TOML document apart, naming the table and key of what is wrong."""

    def __init__(self, document: dict[str, Any], path: Path) -> None:
        self.document = document
        self.path = path
        for table, members in document.items():
            if table not in _KNOWN or not isinstance(members, dict):
                raise self.wrong(f"unknown table [{shown(table)}]", "config.unknown")
            for name in members:
                if name not in _KNOWN[table]:
                    raise self.wrong(f"unknown {shown(name)} in [{table}]", "config.unknown")

    def wrong(self, message: str, code: str = "config.form") -> ConfigError:
        return ConfigError(
            f"{self.path}: {message}", code=code, hint="config.example.toml shows every setting"
        )

    def take(self, table: str, name: str, default: Any, read: Callable[[Any], Any]) -> Any:
        members = self.document.get(table, {})
        if name not in members:
            if default is None:
                raise self.wrong(f"{name} is missing in [{table}]")
            return default
        try:
            return read(members[name])
        except MalformedError as error:
            raise self.wrong(f"{name} in [{table}]: {error.message}") from None
        except (TypeError, ValueError):
            raise self.wrong(f"{name} in [{table}] is not as it must be") from None

    def module(self) -> Path | None:
        text = self.optional("pkcs11", "module")
        if text is None:
            return None
        if not text.startswith("/") or os.path.normpath(text) != text or not text.isprintable():
            raise self.wrong(f"module in [pkcs11] is not an absolute path: {shown(text)}")
        return Path(text)

    def optional(self, table: str, name: str) -> str | None:
        value = self.document.get(table, {}).get(name)
        if value is not None and not isinstance(value, str):
            raise self.wrong(f"{name} in [{table}] is not text")
        return value

    def config(self, home: Path) -> Config:
        registry_id = self.take("registry", "id", None, lambda v: schema.name(v, "id"))
        return Config(
            registry_id=registry_id,
            base_url=self.take("registry", "base_url", None, lambda v: schema.base_url(v)),
            name=self.take("registry", "name", registry_id, _display_name),
            store=self.take("store", "url", home / "registry.db", lambda v: _store(v, home)),
            signer=self.take("signer", "default", SIGNER, lambda v: schema.text(v, "")),
            passphrase=self.optional("signer", "passphrase"),
            id_pattern=self.take("keys", "id_pattern", ID_PATTERN, _pattern),
            rotate_after=self.take("keys", "rotate_after", ROTATE_AFTER, duration),
            overlap=self.take("keys", "overlap", OVERLAP, duration),
            drill_every=self.take("keys", "drill_every", DRILL_EVERY, duration),
            warn_before=self.take(
                "keys", "warn_before", WARN_BEFORE, lambda v: tuple(map(duration, v))
            ),
            pins=self.take("verify", "pins", PINS, _strings),
            max_ahead=self.take("verify", "max_ahead", MAX_AHEAD, duration),
            mint_batch=self.take("mint", "batch", MINT_BATCH, _batch),
            tsa=self.tsa(home) if "tsa" in self.document else None,
            pkcs11_module=self.module(),
            pin_from=self.optional("pkcs11", "pin_from") or PIN_FROM,
        )

    def tsa(self, home: Path) -> Tsa:
        return Tsa(
            self.take("tsa", "url", None, _tsa_url) if "url" in self.document["tsa"] else None,
            self.take("tsa", "certificate", None, lambda v: home / _path(v)),
            self.take("tsa", "timeout", TSA_TIMEOUT, _tsa_timeout),
        )


def _display_name(value: object) -> str:
    name = schema.text(value, "name", limit=128)
    if printable(name) != name or not name.strip():
        raise MalformedError(
            f"{shown(name)} is not a name people can read", code="config.name", path="name"
        )
    return name


def duration(value: object) -> int:
    """Seconds of ``90s``, ``10m``, ``12h`` or ``365d``."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise MalformedError(
            f"{shown(value)} is not a duration like 10m or 365d", code="config.duration"
        )
    return int(found[1]) * _UNITS[found[2]]


def _is_secret(url: str) -> bool:
    """Whether a URL has a password in it, as it stands or written with percent signs."""
    return any(_SECRET_URL.search(each) for each in (url, unquote(url)))


def _is_server(url: str) -> bool:
    try:
        unquote(url, errors="strict")
    except UnicodeDecodeError:
        return False
    return _POSTGRES.fullmatch(url) is not None


def server_url(url: str) -> str:
    """The URL of a PostgreSQL database, without a password in it; UsageError ``usage.store``."""
    if _is_secret(url):
        raise UsageError(
            "--store holds no password",
            code="usage.store",
            hint="put it into ~/.pgpass or a service file; if it was a real one, change it",
        )
    if not _is_server(url):
        raise UsageError(
            f"{shown(url)} is not postgresql://…",
            code="usage.store",
            hint="like postgresql:///pith?service=pith; without --store the store is a file",
        )
    return url


def _store(value: object, home: Path) -> Path | str:
    if isinstance(value, str) and _STORE.fullmatch(value):
        return home / value.removeprefix("sqlite:")
    if isinstance(value, str) and _is_server(value):
        return value
    raise MalformedError(
        f"{shown(value)} is not sqlite:PATH or postgresql://…", code="config.store"
    )


def _pattern(value: object) -> str:
    if not isinstance(value, str) or _KEY_PATTERN.fullmatch(value) is None or "{n}" not in value:
        raise MalformedError(
            f"{shown(value)} is not a key id with {{n}}, {{yyyy}} and {{mm}} in it",
            code="config.id_pattern",
        )
    return value


def _tsa_url(value: object) -> str:
    if not isinstance(value, str) or _TSA_URL.fullmatch(value) is None:
        raise MalformedError(
            f"{shown(value)} is not an https address (or http on this machine itself)",
            code="config.tsa",
        )
    return value


def _tsa_timeout(value: object) -> int:
    seconds = duration(value)
    if not 1 <= seconds <= 120:
        raise MalformedError(f"{shown(value)} is not 1s to 120s", code="config.tsa")
    return seconds


def _path(value: object) -> str:
    path = schema.text(value, "")
    if not path or "\0" in path:
        raise MalformedError(f"{shown(value)} is not a path", code="config.path")
    return path


def _strings(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise MalformedError(f"{shown(value)} is not a list of names", code="config.list")
    return tuple(value)


def _batch(value: object) -> int:
    if type(value) is not int or not 1 <= value <= 100_000:
        raise MalformedError(f"{shown(value)} is not 1 to 100000", code="config.batch")
    return value
