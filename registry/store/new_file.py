"""A file that is there whole or not at all, and never in the place of another."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from registry.errors import ConflictError, StoreError, shown

_BESIDE: Final = ("-journal", "-wal", "-shm")
_NO_LINKS: Final = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """An empty file of mode 0600 beside *path*, which gets that name once the block has ended
    and its bytes are on the disk; what a killed process left of one is cleared.

    Raises ConflictError ``store.exists`` where something has the name, ``store.left`` where
    a lost database left its journal there, ``store.part`` while another process makes the
    same file, StoreError ``store.write``.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        _check_free(path)
        fd = _alone(part)
        try:
            for suffix in _BESIDE:
                Path(f"{part}{suffix}").unlink(missing_ok=True)
            os.ftruncate(fd, 0)
            yield part
            os.fsync(fd)
            _check_free(path)
            _name(part, path)
        finally:
            for suffix in ("", *_BESIDE):
                Path(f"{part}{suffix}").unlink(missing_ok=True)
            os.close(fd)
        _sync(path.parent)
    except OSError as error:
        raise StoreError(
            f"cannot write {shown(str(path))}: {error.strerror}",
            code="store.write",
            hint="nothing was half-written; make room there, or choose another place",
        ) from None


def _check_free(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise _exists(path)
    for suffix in _BESIDE:
        left = Path(f"{path}{suffix}")
        if left.exists():
            raise ConflictError(
                f"{shown(str(left))} of a lost database is there",
                code="store.left",
                hint="move it away: it belongs to what is lost, and would spoil what takes its "
                "place",
            )


def _exists(path: Path) -> ConflictError:
    return ConflictError(
        f"there is a {shown(str(path))} already",
        code="store.exists",
        hint="nothing is ever overwritten: choose another name, or move it away",
    )


def _alone(part: Path) -> int:
    while True:
        fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if part.exists() and os.fstat(fd).st_ino == part.stat().st_ino:
                os.fchmod(fd, 0o600)
                return fd
        except BlockingIOError:
            os.close(fd)
            raise ConflictError(
                f"another process makes {shown(str(part))}",
                code="store.part",
                hint="wait for it to end",
            ) from None
        os.close(fd)


def _name(part: Path, path: Path) -> None:
    try:
        os.link(part, path)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.rename(part, path)  # a file system without links: it was free a moment ago


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
