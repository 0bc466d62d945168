"""Acts in a child with the rights of nobody: file modes stop no test that runs as root."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from registry.errors import PithError
from tests.parts import needs

NOBODY: Final = 65534


def code_as_nobody(act: Callable[[], object]) -> str:
    """The code of what *act* raises in a child that is nobody, or ok."""
    needs("root")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        answer = "died"
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            act()
            answer = "ok"
        except PithError as error:
            answer = error.code
        except BaseException as error:
            answer = repr(error)
        finally:
            os.write(writing, json.dumps(answer).encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = json.loads(pipe.read())
    os.waitpid(child, 0)
    return str(answer)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter: pytest's own are root's alone."""
    with tempfile.TemporaryDirectory(prefix="pith-open-") as name:
        Path(name).chmod(0o755)
        yield Path(name)
