"""Init: make a home with its config, store, first key and key set version 1."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

import tomli_w

from registry.config import FILE_NAME, Config
from registry.errors import ConflictError, StoreError
from registry.protocol.instant import Instant
from registry.protocol.keyset import MAX_LIFE_DAYS, KeySet, first_keyset
from registry.services.keys import key_object, next_key_id
from registry.signing.documents import sign_keyset
from registry.signing.signer import KeyStore
from registry.store.store import KeyRow, Store

_HEAD: Final = (
    "# Made by `pith init`; config.example.toml explains every setting. No secret stands here.\n"
)


def initialise(
    home: Path, config: Config, key_store: KeyStore, *, seed: bytes, at: Instant
) -> tuple[KeyRow, KeySet]:
    """Make the home of a new registry.

    The config and the store are made beside the home's name and put in place
    last, so that an interrupted init leaves no half home. Raises ConflictError
    ``home.exists``, StoreError ``home.write``.
    """
    if (home / FILE_NAME).exists() or config.store_path.exists():
        raise ConflictError(
            f"there is a registry in {home} already",
            code="home.exists",
            hint="give another --home; an existing registry is never overwritten",
        )
    key_id = next_key_id(config, 0, at)
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".init-", dir=home) as staging:
            return _furnish(home, Path(staging), config, key_store, key_id, seed, at)
    except OSError as error:
        raise StoreError(
            f"cannot make the home {home}: {error.strerror or error}",
            code="home.write",
            hint="choose a folder you may write with --home",
        ) from None


def _furnish(
    home: Path,
    staging: Path,
    config: Config,
    key_store: KeyStore,
    key_id: str,
    seed: bytes,
    at: Instant,
) -> tuple[KeyRow, KeySet]:
    (staging / FILE_NAME).write_text(_HEAD + tomli_w.dumps(_document(config, home)), "utf-8")
    (staging / FILE_NAME).chmod(0o600)
    public_key = key_store.put(key_id, seed)
    try:
        signer = key_store.open(key_id, public_key)
        key = key_object(config, key_id, public_key, at)
        keyset = sign_keyset(
            [signer], first_keyset(config.registry_id, key, at=at, days=MAX_LIFE_DAYS)
        )
        row = KeyRow(key_id, public_key, "registry", key_store.uri, at)
        with Store(staging / "registry.db", create=True) as store:
            store.begin(config.registry_id, row, keyset)
        (staging / "registry.db").chmod(0o600)
        config.store_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.move(staging / "registry.db", config.store_path)
        os.replace(staging / FILE_NAME, home / FILE_NAME)
    except BaseException:
        key_store.erase(key_id)
        raise
    return row, keyset


def _document(config: Config, home: Path) -> dict[str, dict[str, object]]:
    path = config.store_path
    signer: dict[str, object] = {"default": config.signer}
    if config.passphrase is not None:
        signer["passphrase"] = config.passphrase
    return {
        "registry": {
            "id": config.registry_id,
            "base_url": config.base_url,
            "name": config.name,
        },
        "store": {"url": f"sqlite:{path.relative_to(home) if path.is_relative_to(home) else path}"},
        "signer": signer,
        "keys": {"id_pattern": config.id_pattern},
    }
