"""Doctor: is everything a registry stands on there, sound, and not about to end."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from registry.errors import KeyUnavailableError, PithError
from registry.protocol.instant import Instant
from registry.protocol.keyset_rules import verify_keyset
from registry.services.desk import Desk
from registry.services.keys import key_status
from registry.services.timestamps import load_authority
from registry.signing.proof import prove_key
from registry.signing.signer import KeyStore
from registry.store.rows import KeyRow


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: ok, attention (something will be due), or fail with its error."""

    name: str
    status: Literal["ok", "attention", "fail"]
    text: str
    hint: str = ""
    error: PithError | None = None


def diagnose(open_desk: Callable[[], Desk], home: Path, at: Instant) -> Iterator[Finding]:
    """Look at the home, store, key set, keys and clock, one finding at a time.

    Signs nothing but the test message of each key that can be reached.
    """
    try:
        desk = open_desk()
    except PithError as error:
        yield Finding("home", "fail", str(error), error.hint, error)
        return
    yield Finding("home", "ok", f"{desk.registry} in {home}")
    yield from _modes(desk, home)
    yield from _looked_at("store", lambda: _store(desk))
    yield from _looked_at("clock", lambda: _clock(desk, at))
    yield from _looked_at("key set", lambda: _keyset(desk, at))
    yield from _looked_at("recovery", lambda: _recovery(desk))
    if desk.config.tsa is not None:
        yield from _looked_at("timestamps", lambda: _timestamps(desk, at))
    for uri in sorted({row.uri for row in desk.store.list_keys()}):
        yield from _key_store(desk, uri)
    yield from _looked_at("signer", lambda: _signer(desk, at))


def _looked_at(name: str, look: Callable[[], Finding]) -> Iterator[Finding]:
    try:
        yield look()
    except PithError as error:
        yield Finding(name, "fail", str(error), error.hint, error)


def _modes(desk: Desk, home: Path) -> Iterator[Finding]:
    for path in (home, desk.config.store_path):
        try:
            mode = path.stat().st_mode & 0o777
        except OSError as error:
            yield Finding("permissions", "attention", f"cannot look at {path}: {error.strerror}")
            continue
        if mode & 0o022:
            yield Finding(
                "permissions",
                "attention",
                f"{path} may be written by others (mode {mode:o})",
                f"chmod go-w {path}",
            )
        else:
            yield Finding("permissions", "ok", f"{path} has mode {mode:o}")


def _store(desk: Desk) -> Finding:
    desk.store.check_database()
    minted, open_claims = desk.store.count_minted(), desk.store.count_intents()
    if open_claims:
        return Finding(
            "store",
            "attention",
            f"{minted} minted, {open_claims} claims of interrupted commands are open",
            "the next `pith mint` finishes them",
        )
    return Finding("store", "ok", f"{minted} minted; the database is sound")


def _clock(desk: Desk, at: Instant) -> Finding:
    desk.check_clock(at)
    return Finding("clock", "ok", at.seconds)


def _keyset(desk: Desk, at: Instant) -> Finding:
    keyset = desk.keyset()
    verify_keyset(keyset)
    body = keyset.body
    text = f"version {body.version}, digest {body.digest.hex()}, expires {body.expires_at.seconds}"
    return _due(
        "key set",
        text,
        body.expires_at,
        desk,
        at,
        "verifiers refuse it from then on, unless they take it as of its end",
    )


def _recovery(desk: Desk) -> Finding:
    if desk.keyset().body.active("recovery"):
        return Finding("recovery", "ok", "there is a recovery key")
    return Finding(
        "recovery",
        "attention",
        "there is no recovery key: whoever takes the active key takes the registry",
        "keys/README.md, Custody, says what that means and what to keep",
    )


def _timestamps(desk: Desk, at: Instant) -> Finding:
    """Where an authority is configured, its certificate, and whether the daily list is made."""
    if desk.config.tsa is not None:
        load_authority(desk.config.tsa.certificate)
    last = desk.store.last_checkpoint_at()
    text = "nothing is dated yet" if last is None else f"dated last {last.seconds}"
    if desk.store.undated(1) and (last is None or last < at.plus(days=-2)):
        return Finding(
            "timestamps",
            "attention",
            f"{text}, and there are events or bundles that are not dated",
            "run `pith event add anchor --daily` from cron",
        )
    return Finding("timestamps", "ok", text)


def _key_store(desk: Desk, uri: str) -> Iterator[Finding]:
    """One key store, and where it can be reached the round trip of each key in it."""
    try:
        key_store = desk.key_store(uri)
        yield Finding("key store", "ok", key_store.check())
    except PithError as error:
        yield Finding("key store", "fail", str(error), error.hint, error)
        return
    for row in desk.store.list_keys():
        if row.uri == uri:
            yield from _looked_at("key", lambda row=row: _round_trip(desk, key_store, row))  # type: ignore[misc]


def _round_trip(desk: Desk, key_store: KeyStore, row: KeyRow) -> Finding:
    status = key_status(desk, row)
    text = f"{row.key_id} ({row.public_key.fingerprint}, {status}) in {row.uri}"
    try:
        prove_key(key_store.open(row.key_id, row.public_key), desk.registry)
    except KeyUnavailableError as error:
        if error.code != "key.absent" or status not in ("retired", "revoked"):
            raise
        return Finding("key", "ok", f"{text} is gone, and signs no more")
    return Finding("key", "ok", f"{text} signs twice alike, and it verifies")


def _signer(desk: Desk, at: Instant) -> Finding:
    signer = desk.signer(at)
    key = desk.active_key()
    text = f"{signer.key_id} ({signer.public_key.fingerprint}) opens and is the key set's"
    if key.rotates_at is None:
        return Finding("signer", "ok", text)
    text += f", to be rotated {key.rotates_at.seconds}"
    return _due(
        "signer",
        text,
        key.rotates_at,
        desk,
        at,
        "it promised to be rotated by then, and signs only with --past-rotation after",
    )


def _due(name: str, text: str, when: Instant, desk: Desk, at: Instant, hint: str) -> Finding:
    if any(at.plus(seconds=before) >= when for before in desk.config.warn_before):
        days = (when.micros - at.micros) // 86_400_000_000
        return Finding(name, "attention", f"{text}: {days} days left", hint)
    return Finding(name, "ok", text)
