"""Records of files on their way to be minted: read and refused by those who sign them."""

from collections import deque
from collections.abc import Iterator

from registry.cli._batch import Batch
from registry.cli._input import Item, Unread, documents
from registry.cli._parallel import chunk
from registry.errors import PithError
from registry.protocol.record import Record
from registry.services.minting import Given, Pair, Passed, Work, as_pair


class BatchToMint(Batch[Record]):
    """The records of some files, and what came of them."""

    def __init__(self, files: list[str], strict: bool) -> None:
        super().__init__(files, strict, Record.parse)
        self._waiting: deque[list[str]] = deque()

    def to_mint(self, size: int) -> Iterator[tuple[Work[Given], list[Given]]]:
        """Pages for `mint_rows`; where it is strict nothing that stands after a refused line."""
        if self.strict:
            for page in self.pages(size):
                self._waiting.append([""] * len(page))
                yield as_pair, [Pair(record.canonical) for record in page]
            return
        items = self._items()
        while found := chunk(items, size):
            self._waiting.append([item.where for item in found])
            yield as_pair, [item.error if isinstance(item, Unread) else item.data for item in found]

    def _items(self) -> Iterator[Item | Unread]:
        for path in self.files:
            try:
                for item in documents(path):
                    self._read += len(item.data) + 1
                    yield item
            except PithError as error:
                yield Unread(error.with_traceback(None))

    def taken(self, page: list[Passed | PithError]) -> Iterator[Passed]:
        """What was minted of the next page; what was refused is told."""
        for where, found in zip(self._waiting.popleft(), page, strict=True):
            if isinstance(found, PithError):
                self._refuse(found, where)
            else:
                yield found
