"""XML of any length as rows: expat says where the elements are, and what is broken between
them is passed over.

A document type is refused with everything after it: no entity is ever declared, so none is
expanded, and nothing outside is read.
"""

import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from registry.errors import MalformedError, shown
from registry.ingest.entry import MAX_ROW, Row

_CHUNK: Final = 1 << 16
_LONGEST_START: Final = 256
"""Bytes kept while searching, so that a start tag is seen over two chunks."""
_MAX_PATH: Final = 64


class Name(NamedTuple):
    """An element's name: namespace and local name."""

    space: str
    local: str


def rows(name: Name) -> Callable[[BinaryIO], Iterator[Row]]:
    """What cuts a stream into its elements *name*, each as a small document of its own.

    Where the stream is broken the row is what is broken, in a document that does not end, and
    reading goes on at the next such element. Documents may follow one another. Raises
    MalformedError ``xml.doctype``, ``xml.encoding`` and ``xml.depth``, after which nothing
    is read.
    """
    return lambda stream: _Cutter(stream, name).rows()


class _BrokenError(Exception):
    """Well-formed so far, and all the same no row from *place* on."""

    def __init__(self, place: int) -> None:
        self.place = place


class _Cutter:
    """Rows of one stream. Positions count from its first byte: the buffer begins at ``base``
    on line ``base_line``; the parser that reads now was begun at ``began`` and has been given
    everything before ``fed``."""

    def __init__(self, stream: BinaryIO, name: Name) -> None:
        self.stream = stream
        self.wanted = f"{name.space} {name.local}"
        self.start = re.compile(rb"<\?xml\s|<(?:[A-Za-z_][\w.-]*:)?%b[\s/>]" % name.local.encode())
        self.buffer = b""
        self.base = 0
        self.base_line = 1
        self.found: list[Row] = []
        self.home: list[str] = []
        self.lost: bytearray | None = None
        self.lost_line = 1
        self.since = 0
        self._restart(0, [])

    def rows(self) -> Iterator[Row]:
        """All rows, one after another."""
        while chunk := self.stream.read(_CHUNK):
            self.buffer += chunk
            self._feed()
            yield from self.found
            self.found.clear()
        self._finish()
        yield from self.found

    def _restart(self, place: int, path: list[str]) -> None:
        """Begin a parser at *place*, below the elements of *path*."""
        self._drop(place)
        self.began = self.fed = place
        self.first_line = self.base_line
        self.path: list[str] = []
        self.declared = ""
        self.depth = self.begin = self.begin_line = 0
        self.head: bytes | None = None
        self.ended = False
        self.parser = parser = expat.ParserCreate("UTF-8", " ")
        parser.namespace_prefixes = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartNamespaceDeclHandler = self._declare
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.XmlDeclHandler = _check_encoding
        opened = _opened(path)
        self.zero = place - len(opened)
        if opened:
            parser.Parse(opened, False)

    # -- what the parser tells -----------------------------------------------------

    def _place(self) -> int:
        return self.zero + self.parser.CurrentByteIndex

    def _declare(self, prefix: str | None, uri: str) -> None:
        if not self.depth:
            name = f"xmlns:{prefix}" if prefix else "xmlns"
            self.declared += f" {name}={quoteattr(uri or '')}"

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        is_wanted = name == self.wanted or name.startswith(self.wanted + " ")
        if self.depth:
            if is_wanted:
                raise _BrokenError(self._place())
            self.depth += 1
        elif is_wanted:
            self.depth = 1
            self.begin = self._place()
            self.begin_line = self.first_line + self.parser.CurrentLineNumber - 1
            self.home, self.declared = list(self.path), ""
        else:
            if len(self.path) == _MAX_PATH:
                raise MalformedError(f"elements deeper than {_MAX_PATH}", code="xml.depth")
            parts = name.split(" ")  # [namespace, local name, prefix], as far as there are
            tag = f"{parts[2]}:{parts[1]}" if len(parts) == 3 else parts[-1]
            self.path.append(tag + self.declared)
            self.declared = ""

    def _end(self, _: str) -> None:
        if self.depth > 1:
            self.depth -= 1
            return
        if self.depth:
            self.depth = 0
            self._element(self.base + self.buffer.index(b">", self._place() - self.base) + 1)
        else:
            self.path.pop()
        self.ended = not self.path

    def _element(self, end: int) -> None:
        data, self.head = self.head, None
        if data is None:
            data = self.buffer[self.begin - self.base : end - self.base]
        self.found.append(Row(self.begin_line, _opened(self.home) + data + _closed(self.home)))

    # -- feeding it, and going on where it breaks ----------------------------------

    def _feed(self) -> None:
        """Give the parser what it has not seen, and where that breaks the next one the rest."""
        while self.lost is None or self._searched(self.lost):
            data = self.buffer[self.fed - self.base :]
            self.fed += len(data)
            try:
                self.parser.Parse(data, False)
                if self.fed - self._place() > 2 * MAX_ROW:
                    raise _BrokenError(self._place())
            except expat.ExpatError:
                self._break(self.zero + self.parser.ErrorByteIndex)
            except _BrokenError as error:
                self._break(error.place)
            else:
                self._forget()
                return

    def _forget(self) -> None:
        """Keep of the buffer what a row under way needs, and no more than its cap."""
        if self.depth and self.head is None:
            row = self.buffer[self.begin - self.base :]
            if len(row) <= MAX_ROW:
                self._drop(self.begin)
                return
            self.head = row[: MAX_ROW + 1]
        self._drop(self._place())

    def _drop(self, place: int) -> None:
        gone = place - self.base
        self.base_line += self.buffer.count(b"\n", 0, gone)
        self.buffer, self.base = self.buffer[gone:], place

    def _break(self, place: int) -> None:
        """Lose what is broken at *place*: the row it is in, or what is there up to the next;
        nothing where a whole document ended and another one follows."""
        if self.ended and place > self.began and self.buffer.startswith(b"<", place - self.base):
            self._restart(place, [])
            return
        since = place if place > self.began else place + 1
        if self.depth:
            self.lost_line = self.begin_line
            if self.head is None:
                self._drop(self.begin)
        else:
            self._drop(place)
            self.lost_line = self.base_line
        self.lost, self.head = bytearray(self.head or b""), None
        self.since = since

    def _searched(self, lost: bytearray) -> bool:
        """Go on at the next start after what is lost; False where it is not there yet."""
        found = self.start.search(self.buffer, self.since - self.base)
        if found is None:
            end = max(self.since, self.base + len(self.buffer) - _LONGEST_START)
            self._lose(lost, min(end, self.base + len(self.buffer)))
            return False
        place = self.base + found.start()
        self._lose(lost, place)
        self._report(lost)
        self.lost = None
        self._restart(place, [] if found[0].startswith(b"<?") else self.home)
        return True

    def _lose(self, lost: bytearray, end: int) -> None:
        lost += self.buffer[: max(0, min(end - self.base, MAX_ROW + 1 - len(lost)))]
        self._drop(end)
        self.since = max(self.since, end)

    def _report(self, lost: bytearray) -> None:
        """A row for what is lost, which may be no more than the end of a document."""
        if lost.strip() or self.path or self.depth:
            opened = _opened(self.home) or b"<lost>"
            self.found.append(Row(self.lost_line, opened + (bytes(lost).strip() or b"<end>")))

    def _finish(self) -> None:
        """Tell what is broken at the end, or that it is missing, and read what that had hidden."""
        while True:
            if self.lost is None:
                try:
                    self.parser.Parse(b"", True)
                    return
                except expat.ExpatError:
                    if self.ended:
                        return
                    self._break(self.zero + self.parser.ErrorByteIndex)
            if self.lost is None or not self._searched(self.lost):
                break
            self._feed()
        if self.lost is not None:
            self._lose(self.lost, self.base + len(self.buffer))
            self._report(self.lost)


def _opened(path: list[str]) -> bytes:
    return "".join(f"<{tag}>" for tag in path).encode()


def _closed(path: list[str]) -> bytes:
    return "".join(f"</{tag.split(' ')[0]}>" for tag in reversed(path)).encode()


def _refuse_doctype(*_: object) -> None:
    raise MalformedError(
        "a document type, which no source has: nothing after it was read",
        code="xml.doctype",
        hint="it may declare entities, to grow without end or to read other files",
    )


def _check_encoding(_: str, encoding: str | None, __: int) -> None:
    if encoding and encoding.upper() not in ("UTF-8", "US-ASCII"):
        raise MalformedError(
            f"XML in {shown(encoding)}, not in UTF-8: nothing of it was read", code="xml.encoding"
        )
