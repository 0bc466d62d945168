"""pith doctor."""

import typer

from registry.cli import _output
from registry.cli._boundary import EXIT_ATTENTION, exit_code
from registry.cli._options import AsJson, Home, the_app
from registry.cli.main import example, group
from registry.errors import visible

app = group("Look at everything a registry stands on.")
_MARKS = {"ok": "ok       ", "attention": "attention", "fail": "FAIL     "}


@app.command(epilog=example("pith doctor"))
def doctor(context: typer.Context, as_json: AsJson = False, home: Home = None) -> int:
    """Look at home, permissions, store, clock, key set, key stores and every key in them.

    Each key that can be reached signs a test message twice, which is verified and thrown
    away. Nothing else is signed and nothing changed. Exits 0 when all is well, 9 when
    something needs attention, and with the code of the first failure when something is
    broken.
    """
    from registry.app import now
    from registry.services.doctor import diagnose

    app_ = the_app(context, home)
    code = 0
    for finding in diagnose(app_.open, app_.home, now()):
        if as_json:
            _output.json_line(
                {
                    "name": finding.name,
                    "status": finding.status,
                    "code": finding.error.code if finding.error else None,
                    "text": finding.text,
                    "hint": finding.hint,
                }
            )
        else:
            _output.lines([visible(f"{_MARKS[finding.status]}  {finding.name}: {finding.text}")])
            if finding.hint:
                _output.lines([visible(f"           hint: {finding.hint}")])
        if finding.error is not None and code in (0, EXIT_ATTENTION):
            code = exit_code(finding.error)
        elif finding.status == "attention" and code == 0:
            code = EXIT_ATTENTION
    return code
