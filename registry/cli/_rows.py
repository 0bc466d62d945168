"""Rows of a source's metadata from files: refused ones are told and passed over, the first one's
class becomes the exit code, and a summary closes it all."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from registry.cli._batch import size_of
from registry.cli._boundary import complain, exit_code, note
from registry.cli._input import Item, opened
from registry.cli._parallel import mapped
from registry.cli._progress import Progress
from registry.errors import MalformedError, PithError, StoreError, UsageError, printable, shown
from registry.ingest.entry import Format
from registry.ingest.streams import unpacked
from registry.ingest.table import format_named, recognised
from registry.protocol.canonical import canonical
from registry.services.ingest import Licences, Ready, licences_of, ready, too_long

_OUTPUT: Final = "output.write"


@contextmanager
def opened_rows(path: str, named: str | None) -> Iterator[tuple[Format, BinaryIO]]:
    """The format of a file, by its name or its content, and what is in it, unpacked."""
    with opened(path) as file:
        yield told_format(file, named)


def told_format(file: BinaryIO, named: str | None) -> tuple[Format, BinaryIO]:
    """The format of a file, by its name or its content, and what is in it, unpacked."""
    stream = unpacked(file)
    return format_named(named) if named else recognised(stream.peek(1)), stream


class Rows:
    """What is ready of the rows of some files; ``exit`` is 0 until one is refused.

    ``progress`` tells how many are read, or what *verb* says; ``share`` is how much of the
    files is read, None where their size is not known or nobody looks.
    """

    def __init__(
        self,
        files: list[str],
        *,
        named: str | None,
        license: str | None,
        licenses_from: str | None,
        rejects: Path | None,
        limit: int | None,
        with_papers: bool,
        verb: str = "read",
    ) -> None:
        self.files = files
        self.named = named
        self.license = license
        self.licenses_from = licenses_from
        self.left = limit
        self.with_papers = with_papers
        self.exit = 0
        self.read = self.accepted = 0
        self.codes: Counter[str] = Counter()
        self.hints: set[str] = set()
        self.stack = ExitStack()
        self.rejects = self.stack.enter_context(output(rejects, files)) if rejects else None
        self.progress = self.stack.enter_context(Progress(verb))
        self.size = size_of(files)
        self.passed = 0
        self.file: BinaryIO | None = None
        self.started = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stack.close()
        rate = self.read / max(time.monotonic() - self.started, 1e-9)
        told = ", ".join(f"{code} {count:,}" for code, count in self.codes.most_common())
        note(
            f"{self.read:,} read, {self.accepted:,} accepted, "
            f"{self.read - self.accepted:,} rejected{f' ({told})' if told else ''}, "
            f"{rate:,.0f} a second"
        )

    @property
    def share(self) -> float | None:
        """How much of the input is read, from 0 to 1, where anybody looks."""
        if not self.size or not self.progress.visible:
            return None
        here = self.file.tell() if self.file is not None else 0
        return min(1.0, (self.passed + here) / self.size)

    def pages(self, size: int) -> Iterator[list[tuple[Item, Ready]]]:
        """Accepted rows in their order, *size* at a time."""
        accepted = self._accepted()
        while page := list(islice(accepted, size)):
            yield page

    def refuse(self, error: PithError, item: Item | None = None, source_id: str = "") -> None:
        """Tell why a row, or something of it, is refused; a hint once, however many have it."""
        self.codes[error.code] += 1
        self.exit = self.exit or exit_code(error)
        if self.rejects is None or item is None:
            complain(error, item.where if item else "", hint=error.hint not in self.hints)
            self.hints.add(error.hint)
            return
        told = {
            "file": printable(item.label),
            "line": item.line,
            "id": printable(source_id),
            "code": error.code,
            "reason": str(error),
        }
        try:
            self.rejects.write(canonical(told) + b"\n")
        except OSError as error:
            raise StoreError(f"cannot write the rejects: {error.strerror}", code=_OUTPUT) from None

    def _accepted(self) -> Iterator[tuple[Item, Ready]]:
        for path in self.files:
            try:
                yield from self._of(path)
            except PithError as error:  # it cannot be read, or not to its end
                if error.code == _OUTPUT:
                    raise
                self.refuse(error)

    def _of(self, path: str) -> Iterator[tuple[Item, Ready]]:
        with self._input(path) as (form, licences, items):
            work = partial(ready, form.name, licences, self.with_papers)
            alone = isinstance(licences, dict)  # it would go to the workers with each chunk
            for item, result in mapped(items, work, parallel=not alone):
                self.progress.add(1, self.share)
                if isinstance(result, PithError):
                    self.reject(result, item, form)
                    continue
                self.accept(item, result.odd)
                if self.with_papers and not result.paper:
                    self.refuse(too_long(), item, form.id(item.data))
                yield item, result

    @contextmanager
    def _input(self, path: str) -> Iterator[tuple[Format, Licences, Iterator[Item]]]:
        """The format of a file, the licences of its rows, and the rows. Where it cannot be read
        to its end the rows end there, and the error comes after them: none is lost in a page."""
        self.cut: PithError | None = None
        with opened(path) as file:
            self.file = file
            label = "stdin" if path == "-" else Path(path).name
            with _named(label):
                form, stream = told_format(file, self.named)
            try:
                yield form, self._licences(form), self._items(form, stream, label)
                if self.cut is not None:
                    raise self.cut
            finally:
                self.file = None
                self.passed += file.tell() if self.size and not file.closed else 0

    def _items(self, form: Format, stream: BinaryIO, label: str) -> Iterator[Item]:
        rows = islice(form.rows(stream), self.left)
        try:
            with _named(label):
                for row in rows:
                    self.left = None if self.left is None else self.left - 1
                    yield Item(label, row.line, row.data)
        except PithError as error:
            self.cut = error.with_traceback(None)

    def reject(self, error: PithError, item: Item, form: Format) -> None:
        """Count and tell a row that is refused."""
        self.read += 1
        self.refuse(error, item, form.id(item.data))

    def accept(self, item: Item, odd: list[str]) -> None:
        """Count a row that is accepted, and warn of code points in it."""
        self.read += 1
        self.accepted += 1
        for each in odd:
            note(
                f"warning: {item.where}{each} is not assigned in Unicode 14: others may "
                "fold it otherwise"
            )

    def _licences(self, form: Format) -> Licences:
        given = self.license is not None or self.licenses_from is not None
        if given == form.has_licenses:
            raise UsageError(
                f"{form.title} gives licences itself"
                if given
                else f"{form.title} gives no licences, which stand in the record for ever",
                code="ingest.license",
                hint="leave out --license and --licenses-from"
                if given
                else "--license URL for all of them, or --licenses-from a snapshot that has them",
            )
        return self._others() if self.licenses_from is not None else self.license

    def _others(self) -> dict[tuple[str, int], str]:
        """The licences in the other source of everything in the files."""
        if self.licenses_from is None or "-" in (*self.files, self.licenses_from):
            raise UsageError(
                "--licenses-from reads the files twice: stdin cannot be", code="usage.together"
            )
        wanted = set()
        for path in self.files:
            with opened_rows(path, self.named) as (form, stream):
                for row in form.rows(stream):
                    with suppress(PithError):
                        source = form.read(row.data).source
                        wanted.add((source.id, source.version))
        with opened_rows(self.licenses_from, None) as (form, stream):
            if not form.has_licenses:
                raise UsageError(f"{form.title} gives no licences either", code="ingest.license")
            return licences_of(wanted, form, form.rows(stream))


@contextmanager
def _named(label: str) -> Iterator[None]:
    """What cannot be read says of which file that is."""
    try:
        yield
    except MalformedError as error:
        raise MalformedError(
            f"{printable(label)}: {error.message}", code=error.code, hint=error.hint
        ) from None


@contextmanager
def output(path: Path, files: list[str]) -> Iterator[BinaryIO]:
    """A file that grows while it is written; UsageError ``usage.together`` where it is one of
    those that are read."""
    if any(file != "-" and _same(path, Path(file)) for file in files):
        raise UsageError(f"{shown(str(path))} is read and written", code="usage.together")
    try:
        file = path.open("wb")
    except (OSError, ValueError) as error:
        raise StoreError(
            f"cannot write {shown(str(path))}: {getattr(error, 'strerror', None) or error}",
            code=_OUTPUT,
        ) from None
    with file:
        yield file


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return False
