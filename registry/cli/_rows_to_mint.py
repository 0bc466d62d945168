"""Rows of a source's metadata on their way to be minted: read and refused by those who sign."""

from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from registry.cli._input import Item, Unread
from registry.cli._parallel import chunk
from registry.cli._rows import Rows
from registry.errors import PithError
from registry.ingest.entry import Format
from registry.services.ingest import given_licences, to_mint
from registry.services.minting import Passed, Work, as_pair


class RowsToMint(Rows):
    """The rows of some files, and what came of them."""

    waiting: deque[tuple[Format | None, Sequence[Item | Unread]]]

    def to_mint(self, size: int) -> Iterator[tuple[Work[Any], Sequence[Any]]]:
        """Pages for `mint_rows`, each of one file. That a file cannot be read, or not to its
        end, is an item too, so that it is told in its place."""
        self.waiting = deque()
        for path in self.files:
            try:
                with self._input(path) as (form, licences, items):
                    while page := chunk(items, size):
                        self.waiting.append((form, page))
                        data = [item.data for item in page]
                        if licences is None or isinstance(licences, str):
                            yield partial(to_mint, form.name, licences), data
                        else:  # they would go along with each page
                            yield as_pair, given_licences(form.name, licences, data)
            except PithError as error:
                self.waiting.append((None, [Unread(error)]))
                yield as_pair, [error.with_traceback(None)]

    def taken(self, page: list[Passed | PithError]) -> Iterator[Passed]:
        """What was minted of the next page; what was refused is told."""
        self.progress.add(len(page), self.share)
        form, items = self.waiting.popleft()
        for item, found in zip(items, page, strict=True):
            if isinstance(item, Unread) or form is None:
                if isinstance(found, PithError):
                    self.refuse(found)
            elif isinstance(found, PithError):
                self.reject(found, item, form)
            else:
                self.accept(item, found.told)
                if isinstance(found.snapshot, PithError):
                    self.refuse(found.snapshot, item, found.source_id)
                yield found
