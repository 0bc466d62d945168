"""The handbook as a reader types it: the lines after a ``$``, and what is shown below them.

Commands stand in fences named ``console``: ``$ command``, or ``ada$ command`` where somebody
else types it; ``# exit N`` at its end says how it ends where that is not 0. The lines
below are what comes, with ``…`` for what is left out. A fence named ``crontab`` holds lines
of a crontab. Nothing else holds commands.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_COMMAND: Final = re.compile(r"([a-z]*)\$ (.*)")
_CRON: Final = re.compile(r"(?:\S+\s+){5}(.*)")
_MASKS: Final = (
    (re.compile(r"\bpith:\d{4}:[A-Z2-7]{26}\b"), "NUMBER"),
    (re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{32}|[0-9a-f]{16})\b"), "HEX"),
    (re.compile(r"\b[A-Z2-7]{26}\b"), "BASE32"),
    (re.compile(r"SHA256:[A-Za-z0-9+/]{43}"), "FINGERPRINT"),
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?Z)?"), "DATE"),
    (re.compile(r"-\d{4}-\d\d\b"), "-MONTH"),
    (re.compile(r"\b\d{4}-\d\d\b"), "MONTH"),
    (re.compile(r"\b\d+ days\b"), "DAYS"),
    (re.compile(r"^ *\d+\.\d+ s\b|\b\d+\.\d+ s\b", re.MULTILINE), "TIME"),
)


@dataclass
class Line:
    """One command of the book: who types it, how it ends, and what is shown below it."""

    command: str
    who: str = ""
    code: int = 0
    shown: list[str] = field(default_factory=list)


@dataclass
class Section:
    """A heading, its prose and other fences, and its commands in order."""

    title: str
    text: str = ""
    lines: list[Line] = field(default_factory=list)
    fences: dict[str, str] = field(default_factory=dict)


def sections(book: str) -> Iterator[Section]:
    """Every heading of a book with what stands below it."""
    section = Section("")
    pieces = re.split(r"^```(.*\n(?:.*\n)*?)```$", book, flags=re.MULTILINE)
    for place, piece in enumerate(pieces):
        if place % 2:
            _add_fence(section, piece)
            continue
        prose, *parts = re.split(r"^#{1,3} (.*)$", piece, flags=re.MULTILINE)
        section.text += prose
        for title, text in zip(parts[0::2], parts[1::2], strict=True):
            yield section
            section = Section(title, text)
    yield section


def _add_fence(section: Section, fence: str) -> None:
    name, _, body = fence.partition("\n")
    if name == "console":
        section.lines.extend(_typed(body))
    elif name == "crontab":
        section.lines.extend(_cron(body))
    else:
        section.fences[name] = body


def _typed(body: str) -> Iterator[Line]:
    line: Line | None = None
    continued = False
    for text in body.splitlines():
        found = _COMMAND.fullmatch(text)
        if continued:
            assert line is not None
            line.command += "\n" + text
        elif found is not None:
            if line is not None:
                yield _ended(line)
            line = Line(found[2], found[1])
        else:
            assert line is not None, f"shown, and nothing was typed: {text}"
            line.shown.append(text)
        continued = (continued or found is not None) and text.endswith("\\")
    if line is not None:
        yield _ended(line)


def _ended(line: Line) -> Line:
    found = re.search(r"\s+# exit (\d+)(?:\D.*)?$", line.command)
    if found is not None:
        line.code = int(found[1])
    while line.shown and not line.shown[-1]:
        line.shown.pop()
    return line


def _cron(body: str) -> Iterator[Line]:
    for text in body.splitlines():
        if text and not text.startswith("#"):
            found = _CRON.fullmatch(text)
            assert found is not None, text
            yield Line(found[1].replace("\\%", "%"))


def masked(text: str) -> str:
    """A text without what differs from one day and registry to another."""
    for pattern, name in _MASKS:
        text = pattern.sub(name, text)
    return text


def matches(shown: list[str], found: str) -> bool:
    """Whether *found* is what the book shows, digests, dates and ids apart."""
    pattern = ""
    for line in shown:
        if line == "…":
            pattern += r"(?:.*\n)*"
        else:
            pieces = (re.escape(masked(piece).rstrip()) for piece in line.split("…"))
            pattern += ".*".join(pieces) + r"\n"
    came = "".join(f"{line.rstrip()}\n" for line in masked(found).splitlines())
    return re.fullmatch(pattern, came) is not None
