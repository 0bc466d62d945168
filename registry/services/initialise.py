"""Init: make a home with its config, store, first key and key set version 1."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import tomli_w

from registry.config import FILE_NAME, Config
from registry.errors import ConflictError, StoreError
from registry.protocol import schema
from registry.protocol.instant import Instant
from registry.protocol.keyset import MAX_LIFE_DAYS, KeySet, first_keyset
from registry.services.keys import key_object, next_key_id
from registry.signing.documents import sign_keyset
from registry.signing.signer import KeyStore
from registry.store.rows import KeyRow
from registry.store.store import Store

_HEAD: Final = (
    "# Made by `pith init`; config.example.toml explains every setting. No secret stands here.\n"
)


STORE_NAME: Final = "registry.db"


@dataclass(frozen=True, slots=True)
class Made:
    """A new registry: where its key and the committed successor are, and its key set."""

    key: KeyRow
    successor: KeyRow
    keyset: KeySet


def initialise(
    home: Path,
    config: Config,
    key_store: KeyStore,
    *,
    seed: bytes,
    successor_seed: bytes,
    at: Instant,
    key_id: str | None = None,
    successor_store: KeyStore | None = None,
) -> Made:
    """Make the home of a new registry, its first key under *key_id* or by the pattern, and
    the successor that this key is committed to, so that it can be rotated.

    The store is made aside and put in place whole, then the config: a home has a
    config or is none. One that an interruption left with its store alone is
    finished by the same call. Raises ConflictError ``home.exists`` or
    ``key.exists``, StoreError ``home.write``.
    """
    with new_home(home, config) as staging:
        if is_begun(config):
            made = _interrupted(home, config, key_store)
            os.replace(staging / FILE_NAME, home / FILE_NAME)
            return made
        key_id = next_key_id(config, (), at) if key_id is None else schema.key_id(key_id)
        second_store = successor_store or key_store
        with (
            _kept(key_store, key_id, seed, at) as key,
            _kept(
                second_store, next_key_id(config, (key_id,), at), successor_seed, at
            ) as successor,
        ):
            keyset = _begin(staging, config, key_store, key, successor)
            put_in_place(staging, home, config)
        return Made(key, successor, keyset)


@contextmanager
def new_home(home: Path, config: Config) -> Iterator[Path]:
    """A folder beside everything else where a home that has no config yet is made, with its
    config written in it.

    Raises ConflictError ``home.exists`` and ``home.busy``, StoreError ``home.write``.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(home), tempfile.TemporaryDirectory(prefix=".init-", dir=home) as staging:
            if (home / FILE_NAME).exists():
                raise home_exists(home)
            _write(Path(staging) / FILE_NAME, _HEAD + tomli_w.dumps(_document(config, home)))
            yield Path(staging)
    except OSError as error:
        raise StoreError(
            f"cannot make the home {home}: {error.strerror or error}",
            code="home.write",
            hint="choose a folder you may write with --home",
        ) from None


def put_in_place(staging: Path, home: Path, config: Config) -> None:
    """Move the store of a new home where it belongs, and then its config, or neither."""
    if not isinstance(config.store, Path):
        os.replace(staging / FILE_NAME, home / FILE_NAME)
        return
    try:
        os.replace(staging / STORE_NAME, config.store)
        os.replace(staging / FILE_NAME, home / FILE_NAME)
    except BaseException:
        config.store.unlink(missing_ok=True)
        raise


def write_config(home: Path, config: Config) -> None:
    """Make a home that has a config and nothing else; raises what `new_home` raises."""
    with new_home(home, config) as staging:
        os.replace(staging / FILE_NAME, home / FILE_NAME)


@contextmanager
def _kept(key_store: KeyStore, key_id: str, seed: bytes, at: Instant) -> Iterator[KeyRow]:
    """A key that is made, and erased again when what it is made for fails."""
    row = KeyRow(key_id, key_store.put(key_id, seed), "registry", key_store.uri, at)
    try:
        yield row
    except BaseException:
        key_store.erase(key_id)
        raise


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold the home against another init, and clear what a killed one left aside."""
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for left in home.glob(".init-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
        os.fsync(folder)
    except BlockingIOError:
        raise ConflictError(
            f"another init is at work in {home}", code="home.busy", hint="wait for it to end"
        ) from None
    finally:
        os.close(folder)


def _begin(
    staging: Path, config: Config, key_store: KeyStore, row: KeyRow, successor: KeyRow
) -> KeySet:
    signer = key_store.open(row.key_id, row.public_key)
    key = key_object(config, row.key_id, row.public_key, row.created_at)
    body = first_keyset(
        config.registry_id,
        key,
        successor=successor.public_key,
        at=row.created_at,
        days=MAX_LIFE_DAYS,
    )
    keyset = sign_keyset([signer], body)
    with new_store(staging, config) as store:
        store.begin(config.registry_id, (row, successor), keyset)
    return keyset


def is_begun(config: Config) -> bool:
    """Whether there is a store, of whatever registry, where this config says."""
    if isinstance(config.store, Path):
        return config.store.exists()
    with Store(config.store, create=True) as store:
        return store.is_begun


@contextmanager
def new_store(staging: Path, config: Config) -> Iterator[Store]:
    """A store that belongs to no registry yet: a file aside, or the tables where they stay."""
    if isinstance(config.store, Path):
        path = staging / STORE_NAME
        with Store(path, create=True) as store:
            yield store
        path.chmod(0o600)
    else:
        with Store(config.store, create=True) as store:
            yield store


def _interrupted(home: Path, config: Config, key_store: KeyStore) -> Made:
    """The keys and key set of a store whose init ended before its config was written."""
    with Store(config.store) as store:
        rows, keyset = store.list_keys(), store.find_keyset()
        other = store.registry != config.registry_id or not rows or rows[0].uri != key_store.uri
        if other or keyset is None:
            raise home_exists(home if isinstance(config.store, Path) else config.store)
    key = next(row for row in rows if keyset.body.find(row.public_key) is not None)
    key_store.open(key.key_id, key.public_key)
    return Made(key, next(row for row in rows if row != key), keyset)


def home_exists(place: Path | str) -> ConflictError:
    """Why no registry is made in a home, or in a database, where there is one."""
    option = "--home" if isinstance(place, Path) else "--store"
    return ConflictError(
        f"there is a registry in {place} already",
        code="home.exists",
        hint=f"give another {option}; an existing registry is never overwritten",
    )


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _document(config: Config, home: Path) -> dict[str, dict[str, object]]:
    store = config.store
    if isinstance(store, Path):
        store = f"sqlite:{store.relative_to(home) if store.is_relative_to(home) else store}"
    signer: dict[str, object] = {"default": config.signer}
    if config.passphrase is not None:
        signer["passphrase"] = config.passphrase
    return {
        "registry": {
            "id": config.registry_id,
            "base_url": config.base_url,
            "name": config.name,
        },
        "store": {"url": store},
        "signer": signer,
        "keys": {"id_pattern": config.id_pattern},
    }
