"""A command in a child with the rights of nobody: file modes stop no test that runs as root."""

import os
import sys
from pathlib import Path

from registry.app import App
from registry.cli.main import run
from tests.cli.lab import Done, checked
from tests.parts import needs
from tests.signing.as_nobody import NOBODY


def as_nobody(*arguments: object, home: Path) -> Done:
    """Run a command line as nobody. What it imports must have been imported before:
    nobody may not read the interpreter's folders where root's home is closed."""
    needs("root")
    out, err = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.dup2(out[1], 1)
            os.dup2(err[1], 2)
            sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
            sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            code = run([str(item) for item in arguments], obj=App(home))
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
    texts = []
    for reading, writing in (out, err):
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            texts.append(pipe.read())
    _, status = os.waitpid(child, 0)
    return checked(Done(os.waitstatus_to_exitcode(status), texts[0], texts[1].decode()))
