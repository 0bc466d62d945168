"""How the report of a verification looks to people."""

from typing import Final

from registry.errors import visible
from registry.protocol.checks import Report, counted
from registry.protocol.evidence import Evidence

MAX_SHOWN: Final = 8
_MARKS: Final = {"ok": "ok     ", "fail": "FAIL   ", "skipped": "skipped"}


def report_lines(report: Report) -> list[str]:
    """A line for each check, one for its hint, and what timestamps came to."""
    width = max(len(check.name) for check in report.checks)
    rows = []
    for check in report.checks:
        row = f"{_MARKS[check.status]}  {check.name.ljust(width)}  {visible(check.reason)}"
        rows.append(row.rstrip())
        if check.hint:
            rows.append(f"         hint: {visible(check.hint)}")
    return rows + _outside(report)


def _outside(report: Report) -> list[str]:
    """What timestamps proved, and those that proved nothing; nothing of timestamps that
    nobody pins an authority for, where none is needed."""
    if report.ok and not any(isinstance(found, Evidence) for found in report.timestamps):
        return []
    rows = [
        f"{verdict.verdict}  {verdict.what}: {visible(verdict.reason)}"
        for verdict in report.verdicts
        if verdict.verdict != "valid"
    ]
    for found in report.timestamps[:MAX_SHOWN]:
        if isinstance(found, Evidence):
            said = f"of {visible(found.authority)}, before {found.before.seconds}"
        else:
            said = f"counts for nothing: {visible(found.reason)} [{found.code}]"
        rows.append(f"timestamp of {found.sha256[:16]}…: {said}")
    if len(report.timestamps) > MAX_SHOWN:
        rows.append(f"… and {counted(len(report.timestamps) - MAX_SHOWN, 'timestamp')} more")
    return rows
