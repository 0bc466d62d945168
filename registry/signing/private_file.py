"""Reading a file that only its owner may see: key files and passphrase files."""

import errno
import os
import stat
from pathlib import Path

from registry.errors import KeyUnavailableError, shown


def read_private(
    path: Path, *, rule: str, limit: int, owners: frozenset[int], forbidden: int
) -> bytes:
    """The bytes of a regular file, read without following a link or waiting on a pipe.

    *rule* names the codes of the refusals, all KeyUnavailableError: ``{rule}.kind``
    (a link, a folder, a pipe), ``.owner`` (not one of the *owners*), ``.mode``
    (has one of the *forbidden* mode bits), ``.size`` (over *limit* bytes) and
    ``.access`` (the system refuses). FileNotFoundError where there is no file.
    """
    name = shown(str(path), 200)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _not_regular(name, rule) from None
        raise _refused(name, rule, error) from None
    try:
        _check(os.fstat(handle), name, rule, owners, forbidden)
        data = _read_up_to(handle, limit + 1)
    except OSError as error:
        raise _refused(name, rule, error) from None
    finally:
        os.close(handle)
    if len(data) > limit:
        raise KeyUnavailableError(
            f"{name} is over {limit} bytes", code=f"{rule}.size", hint="it is another file's name"
        )
    return data


def _read_up_to(handle: int, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := os.read(handle, count - len(data))):
        data += more
    return data


def _check(
    found: os.stat_result, name: str, rule: str, owners: frozenset[int], forbidden: int
) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _not_regular(name, rule)
    if found.st_uid not in owners:
        raise KeyUnavailableError(
            f"{name} belongs to user {found.st_uid}",
            code=f"{rule}.owner",
            hint=f"it must belong to user {os.geteuid()}, who runs pith",
        )
    if found.st_mode & forbidden:
        raise KeyUnavailableError(
            f"{name} has mode {stat.S_IMODE(found.st_mode):04o}: others may use it",
            code=f"{rule}.mode",
            hint=f"if nobody else did, take their rights away: chmod 600 {name}",
        )


def _not_regular(name: str, rule: str) -> KeyUnavailableError:
    return KeyUnavailableError(
        f"{name} is not a regular file",
        code=f"{rule}.kind",
        hint="links, folders and pipes are not followed: name the file itself",
    )


def _refused(name: str, rule: str, error: OSError) -> KeyUnavailableError:
    return KeyUnavailableError(
        f"cannot read {name}: {os.strerror(error.errno or 0).lower()}",
        code=f"{rule}.access",
        hint="run pith as the user whose file it is",
    )
