"""Inputs as they come: plain, gzip or zstd, told by their first bytes, and cut into lines."""

import gzip
import io
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from registry.errors import MalformedError
from registry.ingest.entry import MAX_ROW, Row

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_PIECE: Final = 1024
"""Compressed bytes that are unpacked at once: zstd makes at most 32 MiB of them."""


def unpacked(file: BinaryIO) -> "io.BufferedReader[_Source]":
    """What is in *file*, unpacked on the way. Reading may raise MalformedError
    ``ingest.compression`` where it is damaged or ends early."""
    plain: io.BufferedReader[_Source] = io.BufferedReader(_Plain(file), MAX_ROW)
    magic = plain.peek(4)[:4]
    if magic.startswith(_GZIP):
        return io.BufferedReader(_Gunzipped(plain), MAX_ROW)
    if magic == _ZSTD:
        return io.BufferedReader(_Unzstd(plain), MAX_ROW)
    return plain


def lines(stream: BinaryIO) -> Iterator[Row]:
    """The lines that are not blank, without their ends, each cut at one byte over the cap."""
    number = 0
    while line := stream.readline(MAX_ROW + 2):
        number += 1
        if line.strip():
            yield Row(number, line.rstrip(b"\r\n")[: MAX_ROW + 1])
        while len(line) == MAX_ROW + 2 and not line.endswith(b"\n"):
            line = stream.readline(MAX_ROW + 2)


def _damaged(reason: object) -> MalformedError:
    return MalformedError(
        f"the compressed input is damaged or cut off: {reason}",
        code="ingest.compression",
        hint="what stands before it was read; get the file again",
    )


class _Source(io.RawIOBase):
    """A raw stream made of `piece`. Closing it closes nothing else."""

    _failed: MalformedError | None = None

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill what is asked for; less only at the end, or before what cannot be read: that is
        raised when no more stands before it."""
        count = 0
        while self._failed is None:
            try:
                data = self.piece(len(buffer) - count)
            except MalformedError as error:
                self._failed = error.with_traceback(None)
                break
            if not data:
                return count
            buffer[count : count + len(data)] = data
            count += len(data)
        if not count and self._failed is not None:
            raise self._failed
        return count

    def piece(self, size: int) -> bytes:
        """The next bytes, at most *size*; none at the end, or where *size* is 0."""
        raise NotImplementedError


class _Plain(_Source):
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def piece(self, size: int) -> bytes:
        return self._file.read(size)


class _Gunzipped(_Source):
    def __init__(self, packed: BinaryIO) -> None:
        self._file = gzip.GzipFile(fileobj=packed)

    def piece(self, size: int) -> bytes:
        try:
            return self._file.read1(size)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise _damaged(error) from None


class _Unzstd(_Source):
    """Frame after frame; the library's own reader ends without a word where a frame is cut."""

    def __init__(self, packed: BinaryIO) -> None:
        self._library = _zstandard()
        self._packed = packed
        self._frame: Any = None
        self._rest = b""
        self._ready = memoryview(b"")

    def piece(self, size: int) -> bytes:
        while not self._ready and size:
            data = self._rest or self._packed.read(_PIECE)
            if not data:
                if self._frame is not None:
                    raise _damaged("it ends in the middle")
                return b""
            if self._frame is None:
                self._frame = self._library.ZstdDecompressor().decompressobj()
            try:
                self._ready = memoryview(self._frame.decompress(data))
            except self._library.ZstdError as error:
                raise _damaged(error) from None
            self._rest = b""
            if self._frame.eof:
                self._rest, self._frame = self._frame.unused_data, None
        taken, self._ready = self._ready[:size], self._ready[size:]
        return bytes(taken)


def _zstandard() -> Any:
    import zstandard

    return zstandard
