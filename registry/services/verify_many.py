"""Verify many: every bundle of a folder or of files of lines, on all cores."""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from typing import Final, NamedTuple

from registry.errors import (
    NotFoundError,
    PithError,
    StoreError,
    VerificationError,
    printable,
    shown,
)
from registry.protocol.canonical import JsonObject
from registry.protocol.checks import OK, Report
from registry.protocol.evidence import Proof
from registry.protocol.strict_json import LARGE, Document, read_json
from registry.protocol.trust import Terms
from registry.services.timestamps import Authorities, no_authorities
from registry.services.verify import examine
from registry.services.workers import pooled

BATCH: Final = 64
"""Documents a worker is given at once, or as many as have 4 MiB together. A smaller input
never starts a worker."""
BATCH_BYTES: Final = 4 << 20
NAMES: Final = (".json", ".jsonl")
_MARK: Final = "bundle_"


class Given(NamedTuple):
    """A document to verify: its file, its line in it (0 for all of the file), and its bytes,
    None where a worker is to read them; or why it could not be read. ``named`` says that
    it is verified whatever it is; else only bundles are, and others passed over."""

    file: str
    line: int = 0
    data: bytes | None = None
    named: bool = False
    error: PithError | None = None

    @property
    def where(self) -> str:
        """How a line about it begins."""
        name = printable(self.file)
        return f"{name} line {self.line}" if self.line else name


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one document; ``check`` is the first that was not ok and ``error`` why.
    ``passed_over`` is a document of a folder that is no bundle."""

    file: str
    line: int
    where: str
    subject: str = ""
    registry: str = ""
    check: str = ""
    error: PithError | None = None
    passed_over: bool = False

    def to_json(self) -> JsonObject:
        """The outcome for ``--json``: `pith verify FILE --json` gives every check of one."""
        error = self.error
        return {
            "file": self.file.encode("utf-8", "backslashreplace").decode(),
            "line": self.line or None,
            "subject": self.subject,
            "registry": self.registry,
            "ok": error is None,
            "check": self.check or None,
            "code": error.code if error else None,
            "path": (error.path or None) if error else None,
            "reason": str(error) if error else "",
            "hint": error.hint if error else "",
        }


@dataclass(frozen=True, slots=True)
class Frame:
    """Under what all documents of a run are verified. A worker is forked with it, so that
    pins are read once; each process asks for the authorities once."""

    terms: Terms
    proofs: tuple[Proof, ...] = ()
    authorities: Authorities = no_authorities


def verify_many(given: Iterable[Given], frame: Frame) -> Iterator[Outcome]:
    """The outcome of each document, in order; of a few in this process, of more on all cores.

    Documents are read when their turn comes, so memory does not grow with their number.
    """
    frame = replace(frame, authorities=cache(frame.authorities))
    batches = _batches(given)
    yield from _examined(next(batches, []), frame)
    if (second := next(batches, None)) is not None:
        rest = chain((second,), batches)
        for outcomes in pooled(rest, _work, begin=_begin, given=(frame,)):
            yield from outcomes


def files_under(folder: str) -> Iterator[Given]:
    """Every file of a folder and of those below it whose name ends in .json or .jsonl, in
    the order in which the system lists them. Links to folders are not followed.

    Raises NotFoundError ``file.absent`` or StoreError ``file.read`` for the folder itself;
    one below it that cannot be read stands among the files, with its error.
    """
    waiting = [_listed(folder)]
    while waiting:
        entry = next(waiting[-1], None)
        if entry is None:
            waiting.pop()
        elif entry.is_dir(follow_symlinks=False):
            try:
                waiting.append(_listed(entry.path))
            except PithError as error:
                yield Given(entry.path, error=error)
        elif entry.name.lower().endswith(NAMES):
            yield Given(entry.path)


def _listed(folder: str) -> Iterator["os.DirEntry[str]"]:
    try:
        return os.scandir(folder)
    except FileNotFoundError:
        raise NotFoundError(f"no folder {shown(folder)}", code="file.absent") from None
    except OSError as error:
        raise StoreError(
            f"cannot read the folder {shown(folder)}: {error.strerror}", code="file.read"
        ) from None


def _batches(given: Iterable[Given]) -> Iterator[list[Given]]:
    batch: list[Given] = []
    size = 0
    for each in given:
        batch.append(each)
        size += len(each.data or b"")
        if len(batch) == BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


_frame: Frame


def _begin(frame: Frame) -> None:
    global _frame
    _frame = frame


def _work(batch: list[Given]) -> list[Outcome]:
    return _examined(batch, _frame)


def _examined(batch: list[Given], frame: Frame) -> list[Outcome]:
    return [_outcome(given, frame) for given in batch]


def _outcome(given: Given, frame: Frame) -> Outcome:
    outcome = Outcome(given.file, given.line, given.where)
    try:
        if given.error is not None:
            raise given.error
        data = _read(given.file) if given.data is None else given.data
        document = read_json(data, LARGE)
        if not given.named and not _is_bundle(document):
            return replace(outcome, passed_over=True)
        report = examine(
            data, frame.terms, proofs=frame.proofs, authorities=frame.authorities, read=document
        )
    except PithError as error:
        return replace(outcome, check=error.code, error=error.with_traceback(None))
    return _told(outcome, report)


def _is_bundle(document: Document) -> bool:
    """Whether it is a bundle or was one: whoever takes one member out makes it nothing else."""
    return any(name.startswith(_MARK) for name in document.value)


def _told(outcome: Outcome, report: Report) -> Outcome:
    outcome = replace(outcome, subject=report.subject, registry=report.registry)
    if report.ok:
        return outcome
    first = next(check for check in report.checks if check.status != OK)
    error = report.failure or VerificationError("a check was skipped", code="checks.skipped")
    return replace(outcome, check=first.name, error=error.with_traceback(None))


def _read(path: str) -> bytes:
    """A whole file, or one byte more than a bundle may have; a pipe is not waited for."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise StoreError(f"{shown(path)} is not a file to read", code="file.read")
            return file.read(min(os.fstat(fd).st_size, LARGE.max_bytes) + 1)
    except FileNotFoundError:
        raise NotFoundError(f"no file {shown(path)}", code="file.absent") from None
    except OSError as error:
        raise StoreError(f"cannot read {shown(path)}: {error.strerror}", code="file.read") from None
