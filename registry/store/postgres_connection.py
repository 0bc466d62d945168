"""Connections to PostgreSQL, and what their failures mean."""

import logging
from typing import Any, Final

import psycopg
from psycopg import errors
from psycopg.abc import Buffer
from psycopg.types.numeric import NumericBinaryLoader

from registry.errors import StoreError
from registry.store.engine import Row
from registry.store.postgres_settings import check_settings

# What goes wrong is said by our errors; what the driver could ignore needs no line.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

SCHEMA: Final = "pith"
PATIENCE: Final = 30.0
"""Seconds for which what may pass is tried again, and for which a lock is waited for."""
_DEFAULTS: Final = {
    "application_name": "pith",
    "connect_timeout": "10",
    "keepalives_idle": "20",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}
_LOST: Final = ("57P01", "57P02", "57P03", "57P05", "25P03", "25P04")
"""A back-end that was ended: by an operator, a crash, a start, or a time it was idle or busy."""
_TIMEOUTS: Final = (
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "statement_timeout",
    "transaction_timeout",
)
_NO_RIGHT: Final = (
    errors.ReadOnlySqlTransaction,
    errors.InsufficientPrivilege,
    errors.InvalidSchemaName,
)
_NO_TIMEOUTS: Final = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = ANY(%s)"


class _Whole(NumericBinaryLoader):
    """Sums of whole numbers are whole numbers."""

    def load(self, data: Buffer) -> int:  # type: ignore[override]
        return int(super().load(data))


def connect(url: str, *, read_only: bool = False) -> psycopg.Connection[Row]:
    """A connection that is set up, to a server that is; *read_only* it writes nothing.

    Raises StoreError ``store.settings``, and what the driver raises.
    """
    given = psycopg.conninfo.conninfo_to_dict(url)
    defaults = {name: value for name, value in _DEFAULTS.items() if name not in given}
    always: Any = defaults | {"client_encoding": "utf8"}
    made = psycopg.connect(url, autocommit=True, **always)
    try:
        made.adapters.register_loader("numeric", _Whole)
        made.execute(f"SET search_path = {SCHEMA}")
        made.execute(f"SET lock_timeout = '{PATIENCE:.0f}s'")
        made.execute(_NO_TIMEOUTS, [list(_TIMEOUTS)])
        if read_only:
            made.execute("SET default_transaction_read_only = on")
        check_settings(made, url)
    except BaseException:
        made.close()
        raise
    return made


def store_error(place: str, error: psycopg.Error) -> StoreError:
    """The StoreError that says what to do about an exception of the driver."""
    said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if isinstance(error, errors.DiskFull):
        return StoreError(
            f"cannot write {place}: {said}",
            code="store.write",
            hint="free space on the server; nothing was half-written, run the command again",
        )
    if isinstance(error, _NO_RIGHT):
        return StoreError(
            f"{place} may not be written: {said}",
            code="store.readonly",
            hint="connect as the owner of the schema pith, to the server that is written to",
        )
    if isinstance(error, errors.LockNotAvailable):
        return StoreError(
            f"{place} is held by another process: {said}",
            code="store.busy",
            hint="wait for the other pith to end",
        )
    if isinstance(error, errors.DataCorrupted | errors.IndexCorrupted):
        return StoreError(
            f"{place} is not a sound database: {said}",
            code="store.damaged",
            hint="restore it from a backup; do not write to it",
        )
    if is_lost(error):
        return StoreError(
            f"the connection to {place} is lost: {said}",
            code="store.lost",
            hint="run the command again once the server answers: what was kept is found there, "
            "and nothing is done twice",
        )
    return StoreError(f"database error on {place}: {said}", code="store.error")


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection is gone, and not only this statement."""
    return error.sqlstate in _LOST or (
        isinstance(error, psycopg.OperationalError)
        and (error.sqlstate is None or error.sqlstate.startswith("08"))
    )


def may_pass(error: psycopg.Error) -> bool:
    """Whether the same again may succeed."""
    given_up = (errors.SerializationFailure, errors.DeadlockDetected)
    return isinstance(error, given_up) or is_lost(error)
