"""A crew: forked workers, each in a conversation of its own with this process.

Unlike those of `registry.services.workers`, a worker keeps what it was told until it is told
the next thing: it may read something, be told what to do with it, and need not be sent it again.
"""

import multiprocessing
import os
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Final, Protocol, Self

from registry.errors import PithError, StoreError
from registry.services.workers import settle

Serve = Callable[[Any], Any]
"""What answers one message, and remembers what it wants to."""
_FORK: Final = multiprocessing.get_context("fork")


class Mate(Protocol):
    """One worker. What is told and answered takes turns."""

    def tell(self, message: Any) -> None:
        """Give it something to do."""

    def answer(self) -> Any:
        """What came of it; an error it raised is raised here."""


class Here:
    """This process, as a worker."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._message: Any = None

    def tell(self, message: Any) -> None:
        """Keep it until the answer is asked for."""
        self._message = message

    def answer(self) -> Any:
        """What `serve` makes of it."""
        return self._serve(self._message)


class Forked:
    """A forked process. It leaves Ctrl-C to this one, and ends with it."""

    def __init__(self, begin: Callable[[], Serve]) -> None:
        self.pipe, theirs = _FORK.Pipe()
        self._process = _FORK.Process(
            target=_converse, args=(theirs, os.getpid(), begin), daemon=True
        )
        self._process.start()
        theirs.close()

    def tell(self, message: Any) -> None:
        """Send it."""
        try:
            self.pipe.send(message)
        except OSError:
            raise _ended() from None

    def answer(self) -> Any:
        """Wait for it. Raises StoreError ``worker.ended`` when the process was ended."""
        try:
            found = self.pipe.recv()
        except (EOFError, OSError):  # in the middle of an answer too
            raise _ended() from None
        if isinstance(found, BaseException):
            raise found
        return found

    def end(self) -> None:
        """End it, whatever it does: it holds nothing that is not somewhere else."""
        self._process.kill()
        self._process.join()
        self.pipe.close()


class Crew:
    """So many forked workers; *begin* gives each what it serves with, after the fork: what is
    bound to it, a signer may be, is inherited and goes through no pipe."""

    def __init__(self, count: int, begin: Callable[[], Serve]) -> None:
        self.mates = [Forked(begin) for _ in range(count)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for mate in self.mates:
            mate.end()


def first_ready(mates: Sequence[Mate]) -> Mate:
    """The one of them whose answer is there, the earliest where there are several."""
    pipes = [mate.pipe for mate in mates if isinstance(mate, Forked)]
    if len(pipes) < len(mates):
        return next(mate for mate in mates if not isinstance(mate, Forked))
    ready = wait(pipes)
    return next(mate for mate, pipe in zip(mates, pipes, strict=True) if pipe in ready)


def _converse(pipe: Connection, parent: int, begin: Callable[[], Serve]) -> None:
    settle(parent)
    serve = begin()
    while True:
        message = pipe.recv()
        try:
            answer = serve(message)
        except PithError as error:
            answer = error.with_traceback(None)
        except Exception:
            answer = RuntimeError(f"in a worker:\n{traceback.format_exc()}")
        pipe.send(answer)


def _ended() -> StoreError:
    return StoreError(
        "a worker process was ended from outside",
        code="worker.ended",
        hint="it may have been short of memory; what was done is right, run it again",
    )
