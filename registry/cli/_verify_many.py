"""`pith verify` of a folder, of files of lines, or of several files."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from registry.cli import _output
from registry.cli._boundary import exit_code, note
from registry.cli._input import documents
from registry.cli._progress import Progress
from registry.errors import NotFoundError, PithError, shown, visible
from registry.protocol.checks import counted
from registry.protocol.strict_json import LARGE

if TYPE_CHECKING:
    from registry.services.verify_many import Frame, Given, Outcome

LINES = ".jsonl"


def is_many(paths: list[str]) -> bool:
    """Whether these stand for many documents, and not for the one that is shown in full."""
    return len(paths) > 1 or os.path.isdir(paths[0]) or paths[0].endswith(LINES)


def verify_all(paths: list[str], frame: "Frame", *, as_json: bool, quiet: bool) -> int:
    """Verify all of them, tell of each that is refused, and sum up; the exit code of the
    class of the first refused. Raises NotFoundError ``verify.empty`` where there is none."""
    from registry.services.verify_many import verify_many

    tally = Tally()
    with Progress("verified") as progress:
        for outcome in verify_many(_given(paths), frame):
            tally.add(outcome)
            progress.add(0 if outcome.passed_over else 1)
            if outcome.passed_over:
                continue
            if as_json:
                _output.json_line(outcome.to_json())
            elif outcome.error is not None and not quiet:
                _output.lines(_refusal(outcome, outcome.error))
    tally.require_some(paths)
    if not quiet:
        note(tally.summary())
    return tally.exit


class Tally:
    """How many were verified and refused, and whose they were."""

    def __init__(self) -> None:
        self.verified = self.refused = self.others = self.exit = 0
        self.registries: Counter[str] = Counter()

    def add(self, outcome: "Outcome") -> None:
        """Count one more."""
        if outcome.passed_over:
            self.others += 1
        elif outcome.error is None:
            self.verified += 1
            self.registries[outcome.registry] += 1
        else:
            self.refused += 1
            self.exit = self.exit or exit_code(outcome.error)

    def require_some(self, paths: list[str]) -> None:
        """Raise NotFoundError ``verify.empty`` where nothing was there to verify."""
        if not self.verified and not self.refused:
            raise NotFoundError(
                f"no bundle in {', '.join(map(shown, paths[:3]))}",
                code="verify.empty",
                hint="looked at are files whose names end in .json or .jsonl",
            )

    def summary(self) -> str:
        """One line for people."""
        whose = [name for name, _ in self.registries.most_common(3)]
        more = ", …" if len(self.registries) > len(whose) else ""
        parts = [f"verified: {counted(self.verified, 'document')}"]
        if whose:
            parts[0] += f" of {', '.join(visible(name) for name in whose)}{more}"
        parts.append(f"refused: {self.refused:,}")
        if self.others:
            parts.append(f"passed over as no bundles: {self.others:,}")
        return "; ".join(parts)


def _refusal(outcome: "Outcome", error: PithError) -> list[str]:
    lines = [visible(f"FAIL  {outcome.where}  {outcome.check}: {error} [{error.code}]")]
    return lines + ([visible(f"      hint: {error.hint}")] if error.hint else [])


def _given(paths: Iterable[str]) -> Iterator["Given"]:
    from registry.services.verify_many import Given, files_under

    for path in paths:
        if os.path.isdir(path):
            for found in files_under(path):
                is_lines = found.file.endswith(LINES) and os.path.isfile(found.file)
                yield from _lines(found.file, named=False) if is_lines else (found,)
        elif path == "-" or path.endswith(LINES):
            yield from _lines(path, named=True)
        else:
            yield Given(path, named=True)


def _lines(path: str, *, named: bool) -> Iterator["Given"]:
    from registry.services.verify_many import Given

    try:
        for item in documents(path, LARGE.max_bytes):
            yield Given(path, item.line, item.data, named)
    except PithError as error:
        yield Given(path, error=error)
