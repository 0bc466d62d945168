"""pith key status."""

import typer

from registry.cli import _output
from registry.cli._boundary import EXIT_ATTENTION, note
from registry.cli._options import AsJson, Home, open_desk
from registry.errors import printable


def status(context: typer.Context, as_json: AsJson = False, home: Home = None) -> int:
    """Print what is due on keys, and when: rotation, promises, the key set's end, drills.

    Exits 9 when anything is due within the config's warn_before (30, 7 or 1 days) or past.
    """
    from registry.services.due import dues

    desk = open_desk(context, home)
    found = sorted(dues(desk, desk.clock()), key=lambda due: due.when)
    for due in found:
        if as_json:
            _output.json_line(
                {
                    "what": due.what,
                    "text": due.text,
                    "at": due.when.seconds,
                    "days": due.days,
                    "due": due.warned,
                    "hint": due.hint,
                }
            )
        else:
            left = f"in {due.days} days" if due.days >= 0 else f"{-due.days} days ago"
            mark = "DUE" if due.warned else "   "
            _output.lines(
                [f"{mark}  {due.when.seconds}  {due.what}: {printable(due.text)} ({left})"]
            )
    for due in found:
        if due.warned:
            note(f"due: {due.text}; {due.hint}")
    return EXIT_ATTENTION if any(due.warned for due in found) else 0
