"""A line of progress on stderr, when it is a terminal."""

import os
import sys
import time
from types import TracebackType
from typing import Self


class Progress:
    """Counts what is done and shows it with the rate, twice a second at most."""

    def __init__(self, verb: str) -> None:
        self.verb = verb
        self.done = 0
        self.started = self.shown = time.monotonic()
        self.visible = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def __enter__(self) -> Self:
        return self

    def add(self, count: int) -> None:
        """Note that *count* more are done."""
        self.done += count
        passed = time.monotonic()
        if self.visible and passed - self.shown >= 0.5:
            self.shown = passed
            rate = self.done / (passed - self.started)
            sys.stderr.write(f"\rpith: {self.verb} {self.done:,} ({rate:,.0f}/s) ")
            sys.stderr.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.visible and self.shown != self.started:
            sys.stderr.write("\r\x1b[K")
