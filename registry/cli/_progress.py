"""A line of progress on stderr, when it is a terminal."""

import os
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self


class Line:
    """The line of the terminal that progress is on: whatever else is written there takes its
    place, and does not stand behind it."""

    def __init__(self) -> None:
        self.shown = False

    def show(self, text: str) -> None:
        """Write *text* over what is there."""
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()
        self.shown = True

    def clear(self) -> None:
        """Take away what is there."""
        if self.shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self.shown = False


LINE: Final = Line()


class Progress:
    """Counts what is done and shows it with the rate, twice a second at most; where the
    *total* is known, with the time that is left."""

    def __init__(self, verb: str, total: int | None = None) -> None:
        self.verb = verb
        self.total = total
        self.done = 0
        self.started = self.shown = time.monotonic()
        self.visible = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def __enter__(self) -> Self:
        return self

    def add(self, count: int, share: float | None = None) -> None:
        """Note that *count* more are done; *share* is how much of the input that is, where
        its length is known in bytes alone."""
        self.done += count
        passed = time.monotonic()
        if self.visible and passed - self.shown >= 0.5:
            self.shown = passed
            rate = self.done / (passed - self.started)
            of = "" if self.total is None else f" of {self.total:,}"
            total = round(self.done / share) if self.total is None and share else self.total
            left = "" if total is None else f", {time_left(total - self.done, rate)} left"
            LINE.show(f"pith: {self.verb} {self.done:,}{of} ({rate:,.0f}/s{left}) ")

    def of_total(self, done: int, total: int) -> None:
        """Note that *done* of *total* are done."""
        self.total = total
        self.add(done - self.done)

    def then(self, verb: str) -> Callable[[int, int], None]:
        """What to tell of the next thing that is done: the first call begins it."""

        def told(done: int, total: int) -> None:
            if self.verb != verb:
                self.verb, self.done, self.started = verb, 0, time.monotonic()
            self.of_total(done, total)

        return told

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        LINE.clear()


def time_left(count: int, rate: float) -> str:
    """``1:02:03`` or ``2:03``: how long so many take at so many a second."""
    seconds = round(count / rate) if rate > 0 else 0
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"
