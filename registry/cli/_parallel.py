"""One function over many documents, in order, on all cores once there are enough of them."""

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from registry.cli._input import Item
from registry.errors import PithError, StoreError

T = TypeVar("T")
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
        first = _chunk(source)
        yield from zip(first, _done(work, [item.data for item in first]), strict=True)
        if _is_full(first):
            yield from _pooled(source, work, cores)
    for item in source:
        yield item, _done(work, [item.data])[0]


def _chunk(source: Iterator[Item]) -> list[Item]:
    """The next items, 2,000 or as many as have 4 MiB together."""
    chunk: list[Item] = []
    size = 0
    for item in source:
        chunk.append(item)
        size += len(item.data)
        if len(chunk) == CHUNK or size >= CHUNK_BYTES:
            break
    return chunk


def _is_full(chunk: list[Item]) -> bool:
    return len(chunk) == CHUNK or sum(len(item.data) for item in chunk) >= CHUNK_BYTES


def _done(work: Callable[[bytes], T], documents: list[bytes]) -> list[T | PithError]:
    results: list[T | PithError] = []
    for data in documents:
        try:
            results.append(work(data))
        except PithError as error:
            results.append(error.with_traceback(None))
    return results


def _pooled(
    source: Iterator[Item], work: Callable[[bytes], T], cores: int
) -> Iterator[tuple[Item, T | PithError]]:
    import multiprocessing
    from concurrent.futures import Future, ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    pool = ProcessPoolExecutor(
        cores,
        mp_context=multiprocessing.get_context("fork"),
        initializer=_settle,
        initargs=(os.getpid(),),
    )
    waiting: deque[tuple[list[Item], Future[list[T | PithError]]]] = deque()
    try:
        while True:
            while len(waiting) < 2 * cores and (chunk := _chunk(source)):
                waiting.append((chunk, pool.submit(_done, work, [item.data for item in chunk])))
            if not waiting:
                return
            chunk, result = waiting.popleft()
            yield from zip(chunk, result.result(), strict=True)
    except BrokenProcessPool:
        raise StoreError(
            "a worker process was ended from outside",
            code="worker.ended",
            hint="it may have been short of memory; what was printed is right, run it again",
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


_PR_SET_PDEATHSIG: Final = 1


def _settle(parent: int) -> None:
    """Make a worker leave Ctrl-C to the parent, and never outlive it."""
    import ctypes

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
