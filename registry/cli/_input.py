"""What commands read: files, ``-`` for stdin, JSON or JSONL."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from registry.errors import MalformedError, NotFoundError, StoreError, UsageError, shown
from registry.protocol.canonical import LARGE, SMALL


@dataclass(frozen=True, slots=True)
class Item:
    """One JSON document of an input: ``where`` begins a line about it, ``""`` for a
    file that holds one document."""

    where: str
    data: bytes


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """A file to read, or stdin for ``-``. Raises NotFoundError ``file.absent``,
    UsageError ``file.directory``, StoreError ``file.read``."""
    try:
        if path == "-":
            yield sys.stdin.buffer
            return
        with open(path, "rb") as file:
            yield file
    except FileNotFoundError:
        raise NotFoundError(f"no file {shown(path)}", code="file.absent") from None
    except IsADirectoryError:
        raise UsageError(f"{shown(path)} is a folder", code="file.directory") from None
    except (PermissionError, OSError) as error:
        if error.errno in (errno.EPIPE, None) or not _is_about(error, path):
            raise
        raise StoreError(
            f"cannot read {shown(path)}: {os.strerror(error.errno or 0)}", code="file.read"
        ) from None
    except ValueError:
        raise UsageError(f"{shown(path)} is not a file name", code="file.name") from None


def _is_about(error: OSError, path: str) -> bool:
    return error.filename in (None, path)


def read_bytes(path: str, limit: int = LARGE.max_bytes) -> bytes:
    """A whole file of at most *limit* bytes; one byte more is read, so that the strict
    reader refuses it (J1)."""
    with opened(path) as file:
        return file.read(limit + 1)


def read_text(path: str) -> str:
    """A whole text file in UTF-8."""
    data = read_bytes(path, SMALL.max_bytes)
    if len(data) > SMALL.max_bytes:
        raise MalformedError(f"{shown(path)} is over 1 MiB", code="file.size")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedError(
            f"{shown(path)} is not UTF-8 at byte {error.start}", code="file.utf8"
        ) from None


def documents(paths: list[str]) -> Iterator[Item]:
    """Every JSON document of some files, one at a time.

    A file whose name ends in .jsonl, or whose first line is a whole object, is
    JSONL; any other is one document. Blank lines are passed over, and a line
    over the cap is given cut, so that the strict reader refuses it.
    """
    for path in paths:
        with opened(path) as file:
            yield from _documents(file, path)


def _documents(file: BinaryIO, path: str) -> Iterator[Item]:
    limit = SMALL.max_bytes + 1
    label = "stdin" if path == "-" else Path(path).name
    first = file.readline(limit)
    stripped = first.strip()
    if not (path.endswith(".jsonl") or (stripped[:1] == b"{" and stripped[-1:] == b"}")):
        yield Item("" if path == "-" else f"{label}: ", first + file.read(limit - len(first)))
        return
    number, line = 1, first
    while line:
        if line.strip():
            yield Item(f"{label} line {number}: ", line)
        while len(line) == limit and not line.endswith(b"\n"):
            line = file.readline(limit)
        number, line = number + 1, file.readline(limit)
