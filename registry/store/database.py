"""The embedded SQLite: settings that keep what was acknowledged, and migrations.

apsw carries its own SQLite. Journal mode and synchronous depend on its version
(write-ahead logging can corrupt before 3.51.3 and its back-ports) and are read
back; every failure becomes a StoreError.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Final

import apsw

from registry.errors import StoreError

BUSY_MILLISECONDS: Final = 30_000
APPLICATION_ID: Final = 0x70697468
"""``pith`` in ASCII, so that another program's database is not taken for ours."""
_FIXED_LINES: Final = {(3, 50): 7, (3, 44): 6}
_FIXED_SINCE: Final = (3, 51, 3)


def journal_settings(version: tuple[int, int, int]) -> tuple[str, str]:
    """The (journal_mode, synchronous) that lose no acknowledged commit under a version."""
    fixed = version >= _FIXED_SINCE or version[2] >= _FIXED_LINES.get(
        (version[0], version[1]), 1 << 30
    )
    return ("wal", "full") if fixed else ("delete", "extra")


_SYNCHRONOUS: Final = {"full": 2, "extra": 3}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn the database's exceptions into StoreErrors that say what to do."""
    try:
        yield
    except (apsw.FullError, apsw.IOError) as error:
        raise StoreError(
            f"cannot write {path}: {error}",
            code="store.write",
            hint="free space on the disk; nothing was half-written, run the command again",
        ) from None
    except (apsw.ReadOnlyError, apsw.PermissionsError) as error:
        raise StoreError(
            f"{path} may not be written: {error}",
            code="store.readonly",
            hint="check the owner and the modes of the home",
        ) from None
    except apsw.CantOpenError as error:
        raise StoreError(
            f"cannot open {path}: {error}",
            code="store.open",
            hint="check that it is there and yours; if it is lost, restore it from a backup",
        ) from None
    except apsw.BusyError as error:
        raise StoreError(
            f"{path} is held by another process: {error}",
            code="store.busy",
            hint="wait for the other pith to end",
        ) from None
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise StoreError(
            f"{path} is not a sound database: {error}",
            code="store.damaged",
            hint="restore it from a backup; do not write to it",
        ) from None
    except apsw.Error as error:
        raise StoreError(f"database error on {path}: {error}", code="store.error") from None


def open_database(path: Path, *, create: bool, read_only: bool = False) -> apsw.Connection:
    """Open (or with *create* make) the database, set it up, and migrate it; with *read_only*
    nothing is written, and an older schema is refused."""
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    if read_only:
        flags = apsw.SQLITE_OPEN_READONLY
    with translated(path):
        try:
            connection = apsw.Connection(str(path), flags=flags)
        except ValueError as error:  # a path that has no UTF-8, or a NUL in it
            raise StoreError(
                f"{str(path)!r} is not a file name a database can have: {error}",
                code="store.open",
            ) from None
        try:
            connection.set_busy_timeout(BUSY_MILLISECONDS)
            _check_owner(connection, path, create=create)
            if read_only:
                _check_schema(connection, path)
            else:
                _set_up(connection, path)
                _migrate(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _pragma(connection: apsw.Connection, name: str) -> object:
    return connection.pragma(name)


def _check_owner(connection: apsw.Connection, path: Path, *, create: bool) -> None:
    owner = _pragma(connection, "application_id")
    if owner == APPLICATION_ID:
        return
    empty = owner == 0 and not list(connection.execute("SELECT name FROM sqlite_master LIMIT 1"))
    if not (create and empty):
        raise StoreError(
            f"{path} is not the store of a pith registry",
            code="store.foreign",
            hint="set [store] url to the registry's own database; nothing was changed",
        )


def _set_up(connection: apsw.Connection, path: Path) -> None:
    major, minor, patch = (int(part) for part in apsw.sqlite_lib_version().split("."))
    mode, synchronous = journal_settings((major, minor, patch))
    connection.pragma("journal_mode", mode)
    connection.pragma("synchronous", synchronous)
    found = (_pragma(connection, "journal_mode"), _pragma(connection, "synchronous"))
    if found != (mode, _SYNCHRONOUS[synchronous]):
        raise StoreError(
            f"{path} does not take journal_mode {mode} and synchronous {synchronous}: "
            f"it says {found[0]} and {found[1]}",
            code="store.settings",
            hint="put the home on a local file system",
        )


def migrations() -> list[str]:
    """The SQL of each migration, in the order of their numbers."""
    folder = resources.files("registry.store").joinpath("migrations")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [file.read_text("utf-8") for file in files]


def _check_schema(connection: apsw.Connection, path: Path) -> None:
    known, done = len(migrations()), _version(connection, path)
    if done < known:
        raise StoreError(
            f"{path} was made by an older pith (schema {done}, this one knows {known})",
            code="store.older",
            hint="any command that writes brings it up to date",
        )


def _version(connection: apsw.Connection, path: Path) -> int:
    """The number of migrations that were done; StoreError ``store.newer`` beyond ours."""
    known, done = len(migrations()), int(connection.pragma("user_version"))
    if done > known:
        raise StoreError(
            f"{path} was made by a newer pith (schema {done}, this one knows {known})",
            code="store.newer",
            hint="use the newer version",
        )
    return done


def _migrate(connection: apsw.Connection, path: Path) -> None:
    scripts = migrations()
    done = _version(connection, path)
    while done < len(scripts):
        # The version is read again inside the transaction: two processes may begin at once.
        with write(connection):
            done = connection.pragma("user_version")
            if done < len(scripts):
                connection.execute(scripts[done])
                connection.pragma("application_id", APPLICATION_ID)
                done += 1
                connection.pragma("user_version", done)


@contextmanager
def write(connection: apsw.Connection) -> Iterator[None]:
    """One write transaction, begun IMMEDIATE; rolled back when anything is raised."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
