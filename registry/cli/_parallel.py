"""One function over many documents, in order, on all cores once there are enough of them."""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

from registry.cli._input import Item
from registry.errors import PithError

T = TypeVar("T")
CHUNK: Final = 2_000
"""Documents a worker is given at once. A smaller input never starts a worker."""


def mapped(
    items: Iterable[Item], work: Callable[[bytes], T], *, parallel: bool
) -> Iterator[tuple[Item, T | PithError]]:
    """Each item with what *work* makes of its bytes, or the PithError it raises.

    *work* must be a module's function when *parallel*: workers are forked and
    find it by name. At most a few chunks are under way, however long the input.
    """
    source = iter(items)
    first = list(islice(source, CHUNK))
    yield from zip(first, _done(work, [item.data for item in first]), strict=True)
    cores = len(os.sched_getaffinity(0)) if parallel and len(first) == CHUNK else 1
    if cores == 1:
        for item in source:
            yield item, _done(work, [item.data])[0]
    else:
        yield from _pooled(source, work, cores)


def _done(work: Callable[[bytes], T], documents: list[bytes]) -> list[T | PithError]:
    results: list[T | PithError] = []
    for data in documents:
        try:
            results.append(work(data))
        except PithError as error:
            results.append(error)
    return results


def _pooled(
    source: Iterator[Item], work: Callable[[bytes], T], cores: int
) -> Iterator[tuple[Item, T | PithError]]:
    import multiprocessing

    # Workers ignore Ctrl-C: the parent ends them when it leaves the block.
    interrupt = (signal.SIGINT, signal.SIG_IGN)
    with multiprocessing.get_context("fork").Pool(cores, signal.signal, interrupt) as pool:
        waiting: deque[tuple[list[Item], object]] = deque()
        while True:
            while len(waiting) < 2 * cores and (chunk := list(islice(source, CHUNK))):
                waiting.append(
                    (chunk, pool.apply_async(_done, (work, [item.data for item in chunk])))
                )
            if not waiting:
                return
            chunk, result = waiting.popleft()
            yield from zip(chunk, result.get(), strict=True)  # type: ignore[attr-defined]
