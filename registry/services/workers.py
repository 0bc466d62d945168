"""Forked workers: one function over many batches, in order, on all cores."""

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final, TypeVar

from registry.errors import StoreError

B = TypeVar("B")
R = TypeVar("R")
_PR_SET_PDEATHSIG: Final = 1


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def pooled(
    batches: Iterator[B],
    work: Callable[[B], R],
    *,
    begin: Callable[..., None] | None = None,
    given: tuple[Any, ...] = (),
    count: int | None = None,
) -> Iterator[R]:
    """What *work* makes of each batch, in order; an error it raises is raised here.

    *work* must be a module's function: it is found by name, and batches and results go
    through pipes. *begin* is called once in each worker with *given*, which is inherited
    by the fork and goes through none: a signer may be in it. *count* workers (all cores)
    have two batches each under way, however many there are. Raises StoreError
    ``worker.ended`` when one is ended from outside.
    """
    count = count or cores()
    pool = ProcessPoolExecutor(
        count,
        mp_context=multiprocessing.get_context("fork"),
        initializer=_settled,
        initargs=(os.getpid(), begin, given),
    )
    waiting: deque[Future[R]] = deque()
    try:
        while True:
            while len(waiting) < 2 * count and (batch := next(batches, None)) is not None:
                waiting.append(pool.submit(work, batch))
            if not waiting:
                return
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise StoreError(
            "a worker process was ended from outside",
            code="worker.ended",
            hint="it may have been short of memory; what was done is right, run it again",
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _settled(parent: int, begin: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    settle(parent)
    if begin is not None:
        begin(*given)


def settle(parent: int) -> None:
    """Make a worker leave Ctrl-C to the parent, and never outlive it."""
    import ctypes

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
