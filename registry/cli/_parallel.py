"""One function over many documents, in order, on all cores once there are enough of them."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final, TypeVar

from registry.cli._input import Item, Unread
from registry.errors import PithError

T = TypeVar("T")
D = TypeVar("D", bound=Item | Unread)
CHUNK: Final = 2_000
"""Documents a worker is given at once, or as many as have 4 MiB together. A smaller input
never starts a worker."""
CHUNK_BYTES: Final = 4 << 20


def mapped(
    items: Iterable[Item], work: Callable[[bytes], T], *, parallel: bool
) -> Iterator[tuple[Item, T | PithError]]:
    """Each item with what *work* makes of its bytes, or the PithError it raises.

    *work* must be a module's function when *parallel*: workers are forked and
    find it by name. At most a few chunks are under way, however long the input.
    """
    source = iter(items)
    cores = len(os.sched_getaffinity(0)) if parallel else 1
    if cores > 1:
        first = chunk(source)
        yield from zip(first, _done(work, [item.data for item in first]), strict=True)
        if _is_full(first):
            yield from _pooled(source, work)
    for item in source:
        yield item, _done(work, [item.data])[0]


def chunk(source: Iterator[D], count: int = CHUNK) -> list[D]:
    """The next items, so many or as many as have 4 MiB together."""
    found: list[D] = []
    size = 0
    for item in source:
        found.append(item)
        size += len(item.data)
        if len(found) == count or size >= CHUNK_BYTES:
            break
    return found


def _is_full(found: list[Item]) -> bool:
    return len(found) == CHUNK or sum(len(item.data) for item in found) >= CHUNK_BYTES


def _done(work: Callable[[bytes], T], documents: list[bytes]) -> list[T | PithError]:
    results: list[T | PithError] = []
    for data in documents:
        try:
            results.append(work(data))
        except PithError as error:
            results.append(error.with_traceback(None))
    return results


def _pooled(
    source: Iterator[Item], work: Callable[[bytes], T]
) -> Iterator[tuple[Item, T | PithError]]:
    from registry.services.workers import pooled

    waiting: deque[list[Item]] = deque()

    def under_way() -> Iterator[list[bytes]]:
        while found := chunk(source):
            waiting.append(found)
            yield [item.data for item in found]

    for results in pooled(under_way(), partial(_done, work)):
        yield from zip(waiting.popleft(), results, strict=True)
