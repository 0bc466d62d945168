"""Doctor: is everything a registry stands on there, sound, and not about to end."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from registry.errors import KeyUnavailableError, PithError
from registry.protocol.checks import counted
from registry.protocol.instant import Instant
from registry.protocol.keyset_rules import check_fresh, verify_keyset
from registry.services.desk import Desk
from registry.services.due import dues
from registry.services.importing import MADE_ANEW
from registry.services.keys import key_status
from registry.services.shares import drill_due, last_drills
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
    yield from _looked_at("places", lambda: _apart(desk))
    yield from _looked_at("backup", lambda: _backup(desk, at))
    if desk.config.tsa is not None:
        yield from _looked_at("timestamps", lambda: _timestamps(desk, at))
    for uri in sorted({row.uri for row in desk.store.list_keys()}):
        yield from _key_store(desk, uri)
    yield from _looked_at("signer", lambda: _signer(desk, at))
    yield from _dates(desk, at)


def _looked_at(name: str, look: Callable[[], Finding]) -> Iterator[Finding]:
    try:
        yield look()
    except PithError as error:
        yield Finding(name, "fail", str(error), error.hint, error)


def _modes(desk: Desk, home: Path) -> Iterator[Finding]:
    stored = [desk.config.store] if isinstance(desk.config.store, Path) else []
    for path in (home, *stored):
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
    if desk.store.mark is not None:
        return Finding(
            "store",
            "attention",
            f"{minted:,} minted; nothing is signed before this home was compared with what was "
            "published",
            "`pith store restore --reconcile PUBLISHED…` with the newest key set and every bundle",
        )
    if not minted and any(act.act == MADE_ANEW for act in desk.store.acts()):
        return Finding(
            "store",
            "attention",
            "this home was made anew and holds none of its records: what was published before "
            "would be signed a second time",
            "`pith bundle import` every bundle that was ever published, before anything is signed",
        )
    if open_claims:
        return Finding(
            "store",
            "attention",
            f"{minted:,} minted, {counted(open_claims, 'claim', 'is')} open that a command left",
            "the next `pith mint` finishes them",
        )
    return Finding("store", "ok", f"{minted:,} minted; the database is sound")


def _clock(desk: Desk, at: Instant) -> Finding:
    desk.check_clock(at)
    return Finding("clock", "ok", at.seconds)


def _keyset(desk: Desk, at: Instant) -> Finding:
    keyset = desk.keyset()
    verify_keyset(keyset)
    check_fresh(keyset.body, at, desk.config.max_ahead)
    body = keyset.body
    text = f"version {body.version}, digest {body.digest.hex()}, expires {body.expires_at.seconds}"
    return Finding("key set", "ok", text)


def _recovery(desk: Desk) -> Finding:
    body = desk.keyset().body
    count = len(body.active("recovery"))
    if not count:
        return Finding(
            "recovery",
            "attention",
            "there is no recovery key: whoever takes the active key takes the registry",
            "`pith key create --usage recovery --signer URI`, with URI on another device",
        )
    if count <= body.threshold:
        return Finding(
            "recovery",
            "attention",
            f"all {count} recovery keys are needed: to lose one is to lose the registry",
            "add a spare with `pith key create --usage recovery`, in a place of its own",
        )
    return Finding("recovery", "ok", f"{body.threshold} of {count} recovery keys are needed")


def _apart(desk: Desk) -> Finding:
    """Whether one theft takes more than one of: the active key, its successor, a recovery key."""
    places: dict[str, list[tuple[str, str]]] = {}
    for row in desk.store.list_keys():
        status = key_status(desk, row)
        role = "recovery" if (row.usage, status) == ("recovery", "active") else status
        if role in ("active", "announced", "committed", "recovery"):
            places.setdefault(_place(desk, row), []).append((role, row.key_id))
    threshold = max(2, desk.keyset().body.threshold)
    for lying in places.values():
        roles = [role for role, _ in lying]
        if len(set(roles)) > 1 or roles.count("recovery") >= threshold:
            return Finding(
                "places",
                "attention",
                f"{', '.join(key_id for _, key_id in lying)} lie in one place "
                f"({', '.join(sorted(set(roles)))}): one theft takes them all",
                "`pith key move KEY_ID --to URI`, with URI on another device",
            )
    return Finding("places", "ok", "active, successor and recovery keys lie apart")


def _place(desk: Desk, row: KeyRow) -> str:
    try:
        return desk.key_store(row.uri).place
    except PithError:
        return row.uri


def _may_be_away(desk: Desk, row: KeyRow) -> bool:
    """Whether a key is better not within reach every day."""
    return row.usage == "recovery" or key_status(desk, row) not in ("active", "unlisted")


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


def _backup(desk: Desk, at: Instant) -> Finding:
    due = drill_due(desk, at)
    if not due:
        held = ", ".join(backup.key_id for backup in last_drills(desk))
        return Finding("backup", "ok", f"drilled: {held}" if held else "no key has shares")
    told = ", ".join(f"{backup.key_id} ({backup.told})" for backup in due)
    verb = "make" if due[0].set_id is None else "drill"
    hint = f"pith shares {verb} {due[0].key_id}"
    return Finding("backup", "attention", f"a drill is due of {told}", hint)


def _key_store(desk: Desk, uri: str) -> Iterator[Finding]:
    """One key store, and where it can be reached the round trip of each key in it."""
    rows = [row for row in desk.store.list_keys() if row.uri == uri]
    try:
        key_store = desk.key_store(uri)
        yield Finding("key store", "ok", key_store.check())
    except PithError as error:
        if all(_may_be_away(desk, row) for row in rows):
            yield Finding("key store", "ok", f"{uri} is not within reach: {error.message}")
        else:
            yield Finding("key store", "fail", str(error), error.hint, error)
        return
    for row in rows:
        yield from _looked_at("key", lambda row=row: _round_trip(desk, key_store, row))  # type: ignore[misc]


def _round_trip(desk: Desk, key_store: KeyStore, row: KeyRow) -> Finding:
    status = key_status(desk, row)
    text = f"{row.key_id} ({row.public_key.fingerprint}, {status}) in {row.uri}"
    try:
        prove_key(key_store.open(row.key_id, row.public_key), desk.registry)
    except KeyUnavailableError as error:
        if error.code != "key.absent" or not _may_be_away(desk, row):
            raise
        if status in ("retired", "revoked"):
            return Finding("key", "ok", f"{text} is gone, and signs no more")
        return Finding("key", "ok", f"{text} is not within reach")
    return Finding("key", "ok", f"{text} signs twice alike, and it verifies")


def _signer(desk: Desk, at: Instant) -> Finding:
    signer = desk.signer(at)
    text = f"{signer.key_id} ({signer.public_key.fingerprint}) opens and is the key set's"
    return Finding("signer", "ok", text)


def _dates(desk: Desk, at: Instant) -> Iterator[Finding]:
    """What `pith key status` says, each date by itself; drills are in `_backup`."""
    for due in dues(desk, at):
        if due.what == "drill":
            continue
        text = f"{due.text}: {due.when.seconds}, {due.days} days left"
        yield Finding(due.what, "attention" if due.warned else "ok", text, due.hint * due.warned)
