"""The formats there are. One more is a file beside this one, and a line here."""

from typing import Final

from registry.errors import MalformedError, UsageError, shown
from registry.ingest import arxivraw, atom, kaggle
from registry.ingest.entry import Format

FORMATS: Final = {each.name: each for each in (kaggle.FORMAT, arxivraw.FORMAT, atom.FORMAT)}


def format_named(name: str) -> Format:
    """The format of that name; UsageError ``ingest.format`` for another."""
    if name not in FORMATS:
        raise UsageError(
            f"no format {shown(name)}", code="ingest.format", hint=f"known: {', '.join(FORMATS)}"
        )
    return FORMATS[name]


def recognised(head: bytes) -> Format:
    """The format of an input by its beginning; MalformedError ``ingest.format``."""
    found = next((each for each in FORMATS.values() if each.recognises(head)), None)
    if found is None:
        raise MalformedError(
            "this is none of the formats that can be read",
            code="ingest.format",
            hint=f"give {', '.join(each.title for each in FORMATS.values())}, or --format",
        )
    return found
