"""Many records from files: refused lines are told and passed over, the first one's class
becomes the exit code."""

from collections.abc import Iterator
from typing import Annotated, TypeAlias

import typer

from registry.cli._boundary import complain, exit_code
from registry.cli._input import documents
from registry.errors import PithError
from registry.protocol.record import Record

AsStrict: TypeAlias = Annotated[
    bool, typer.Option("--strict", help="Stop at the first line that is refused.")
]


class Batch:
    """The records of some files; ``exit`` is 0 until one is refused."""

    def __init__(self, files: list[str], strict: bool) -> None:
        self.files = files
        self.strict = strict
        self.exit = 0

    def pages(self, size: int) -> Iterator[list[Record]]:
        """The accepted records, *size* at a time; those before a failure come first."""
        page: list[Record] = []
        for record in self._records():
            page.append(record)
            if len(page) == size:
                yield page
                page = []
        if page:
            yield page

    def _records(self) -> Iterator[Record]:
        for path in self.files:
            try:
                for item in documents(path):
                    try:
                        record = Record.parse(item.data)
                    except PithError as error:
                        self._refuse(error, item.where)
                        if self.strict:
                            return
                    else:
                        yield record
            except PithError as error:  # the file cannot be read, or not to its end
                self._refuse(error, "")
                if self.strict:
                    return

    def _refuse(self, error: PithError, where: str) -> None:
        complain(error, where)
        self.exit = self.exit or exit_code(error)
