"""What commands print: data on stdout, prose on stderr."""

import json
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from registry.cli._boundary import note
from registry.cli._progress import LINE
from registry.errors import HIDDEN_IN_JSON, StoreError, printable
from registry.protocol.canonical import canonical


def lines(items: Iterable[str]) -> None:
    """Lines of text on stdout; foreign text in them must be escaped already."""
    if sys.stdout.isatty():
        LINE.clear()
    sys.stdout.write("".join(f"{item}\n" for item in items))


def json_line(value: Any) -> None:
    """One JSON value on a line of stdout: in canonical bytes, or on a terminal with every
    character that is not ASCII escaped (J7: such text is never printed raw)."""
    if sys.stdout.isatty():
        lines([json.dumps(value, sort_keys=True)])
    else:
        raw(canonical(value) + b"\n")


def raw(data: bytes) -> None:
    """JSON on stdout exactly as it is; on a terminal, characters that would act on it are
    escaped as JSON has it (J7)."""
    sys.stdout.flush()
    if sys.stdout.isatty():
        LINE.clear()
        data = HIDDEN_IN_JSON.sub(lambda m: json.dumps(m.group())[1:-1], data.decode()).encode()
    sys.stdout.buffer.write(data)


def document(data: bytes, output: Path | None) -> None:
    """A document: to *output*, whole or not at all, or else to stdout."""
    if output is None or str(output) == "-":
        raw(data)
        return
    try:
        if output.exists() and not output.is_file():  # a device or a pipe: nothing to replace
            output.write_bytes(data)
            return
        output = output.resolve()
        mode = output.stat().st_mode & 0o777 if output.exists() else 0o666 & ~_umask()
        fd, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
        try:
            with os.fdopen(fd, "wb") as file:
                os.fchmod(fd, mode)
                file.write(data)
                file.flush()
                os.fsync(fd)
            os.replace(name, output)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise StoreError(
            f"cannot write {printable(str(output))}: {reason}",
            code="output.write",
            hint="nothing was half-written; choose another place with --output",
        ) from None
    note(f"wrote {printable(str(output))}")


def _umask() -> int:
    """The modes new files do not get; reading it means setting it for a moment."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
