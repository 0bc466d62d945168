"""What commands read: files, ``-`` for stdin, JSON or JSONL."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from registry.errors import (
    MalformedError,
    NotFoundError,
    PithError,
    StoreError,
    UsageError,
    shown,
)
from registry.protocol.strict_json import LARGE, SMALL


class Item(NamedTuple):
    """One JSON document of an input: the file's label and, in JSONL, the line's number."""

    label: str
    line: int
    data: bytes

    @property
    def where(self) -> str:
        """How a line about it begins; nothing for a document that is all of stdin."""
        if self.line:
            return f"{self.label} line {self.line}: "
        return "" if self.label == "stdin" else f"{self.label}: "


class Unread(NamedTuple):
    """What stands for a file, or the rest of one, that cannot be read."""

    error: PithError
    data: bytes = b""
    where: str = ""


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """A file to read, or stdin for ``-``. Raises NotFoundError ``file.absent``,
    UsageError ``file.directory``, StoreError ``file.read``."""
    try:
        if path == "-":
            if sys.stdin is None:
                raise UsageError("stdin is closed", code="file.absent")
            yield sys.stdin.buffer
            return
        with _open(path) as file:
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


def _open(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
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


def documents(path: str, cap: int = SMALL.max_bytes) -> Iterator[Item]:
    """Every JSON document of a file, one at a time, of at most *cap* bytes each.

    A file whose name ends in .jsonl, or that has a line which is a whole object
    among others in its first *cap* bytes, is JSONL; any other is one document. Blank
    lines are passed over, and a line over the cap is given cut, so that the
    strict reader refuses it.
    """
    limit = cap + 1
    label = "stdin" if path == "-" else Path(path).name
    with opened(path) as file:
        head = file.read(limit)
        if path.endswith(".jsonl") or _has_object_lines(head):
            for number, line in enumerate(_lines(head, file, limit), start=1):
                if line.strip():
                    yield Item(label, number, line)
        else:
            yield Item(label, 0, head)


def _has_object_lines(head: bytes) -> bool:
    lines = [line.strip() for line in head.split(b"\n")]
    whole = [line for line in lines if line[:1] == b"{" and line[-1:] == b"}"]
    return bool(whole) and len(list(filter(None, lines))) > 1


def _lines(head: bytes, file: BinaryIO, limit: int) -> Iterator[bytes]:
    """The lines of what was read already and of the rest, without their ends, each cut
    at *limit* bytes."""
    *lines, rest = head.split(b"\n")
    yield from lines
    while line := rest + file.readline(limit + 1 - len(rest)):
        rest = b""
        yield line.removesuffix(b"\n")[:limit]
        while len(line) > limit and not line.endswith(b"\n"):
            line = file.readline(limit + 1)
