"""Writing what must never touch a disk: new files in memory alone."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from registry.errors import ConflictError, NotFoundError, StoreError, UsageError, shown

_KINDS: Final = ("tmpfs", "ramfs")


def check_in_memory(folder: Path) -> None:
    """Raise UsageError ``share.disk`` unless a folder is on tmpfs, NotFoundError
    ``share.folder`` unless it is a folder."""
    os.close(_open(folder))


def write_in_memory(folder: Path, files: Mapping[str, bytes]) -> None:
    """New files of mode 0600 in a folder on tmpfs: all of them, or none.

    Nothing is overwritten and no link followed: ConflictError ``share.exists``. Also
    raises what `check_in_memory` raises, and StoreError ``share.write``.
    """
    handle = _open(folder)
    made: list[str] = []
    try:
        for name, data in files.items():
            _create(handle, name, data, made)
    except BaseException as error:
        for name in made:
            with suppress(OSError):
                os.unlink(name, dir_fd=handle)
        if isinstance(error, FileExistsError):
            raise ConflictError(
                f"there is a file {shown(str(folder / name), 200)} already",
                code="share.exists",
                hint="nothing was written; choose another folder or name",
            ) from None
        if isinstance(error, OSError):
            raise _refused(folder, error) from None
        raise
    finally:
        os.close(handle)


def _create(folder: int, name: str, data: bytes, made: list[str]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(name, flags, 0o600, dir_fd=folder)
    made.append(name)
    try:
        os.fchmod(handle, 0o600)
        written = 0
        while written < len(data):
            written += os.write(handle, data[written:])
    finally:
        os.close(handle)


def _open(folder: Path) -> int:
    """The folder, once it is known to be in memory."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(
            f"no folder {shown(str(folder), 200)}", code="share.folder", hint="make it first"
        ) from None
    except OSError as error:
        raise _refused(folder, error) from None
    if _kind(os.fstat(handle).st_dev) not in _KINDS:
        os.close(handle)
        raise UsageError(
            f"{shown(str(folder), 200)} is on a disk, which keeps what was deleted",
            code="share.disk",
            hint="take a folder in memory: /dev/shm, or one made by mount -t tmpfs tmpfs FOLDER",
        )
    return handle


def _kind(device: int) -> str:
    """The kind of file system that a device number belongs to; nothing when it is not told."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                fields = line.split(" ")
                if fields[2] == wanted:
                    return fields[fields.index("-") + 1]
    except OSError:
        return ""
    return ""


def swaps() -> bool:
    """Whether this machine may write memory to a disk."""
    try:
        with open("/proc/swaps", encoding="utf-8", errors="replace") as file:
            return len(file.readlines()) > 1
    except OSError:
        return False


def _refused(folder: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot write in {shown(str(folder), 200)}: {os.strerror(error.errno or 0).lower()}",
        code="share.write",
        hint="nothing was left there; see to the rights and the room of the folder",
    )
