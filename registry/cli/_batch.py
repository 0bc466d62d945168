"""Many records from files: refused lines are told and passed over, the first one's class
becomes the exit code."""

import os
import stat
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Annotated, Generic, TypeAlias, TypeVar

import typer

from registry.cli._boundary import complain, exit_code
from registry.cli._input import documents
from registry.cli._parallel import mapped
from registry.errors import PithError

T = TypeVar("T")
AsStrict: TypeAlias = Annotated[
    bool, typer.Option("--strict", help="Stop at the first line that is refused.")
]


class Batch(Generic[T]):
    """What *work* makes of each record of some files; ``exit`` is 0 until one is refused.

    With *parallel*, *work* runs on all cores when the input is long. ``share`` is how much
    of the files is read, None where their size is not known.
    """

    def __init__(
        self,
        files: list[str],
        strict: bool,
        work: Callable[[bytes], T],
        *,
        parallel: bool = False,
    ) -> None:
        self.files = files
        self.strict = strict
        self.work = work
        self.parallel = parallel
        self.exit = 0
        self._size = size_of(files)
        self._read = 0

    @property
    def share(self) -> float | None:
        """How much of the input is read, from 0 to 1."""
        return min(1.0, self._read / self._size) if self._size else None

    def pages(self, size: int) -> Iterator[list[T]]:
        """The results of accepted records, *size* at a time; those before a failure come first."""
        results = self._results()
        while page := list(islice(results, size)):
            yield page

    def _results(self) -> Iterator[T]:
        for path in self.files:
            try:
                for item, result in mapped(documents(path), self.work, parallel=self.parallel):
                    self._read += len(item.data) + 1
                    if not isinstance(result, PithError):
                        yield result
                        continue
                    self._refuse(result, item.where)
                    if self.strict:
                        return
            except PithError as error:  # the file cannot be read, or not to its end
                self._refuse(error, "")
                if self.strict:
                    return

    def _refuse(self, error: PithError, where: str) -> None:
        complain(error, where)
        self.exit = self.exit or exit_code(error)


def size_of(files: list[str]) -> int | None:
    """The bytes of all files together; None where one is a pipe or cannot be looked at."""
    total = 0
    for path in files:
        try:
            found = os.stat(path)
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        total += found.st_size
    return total
