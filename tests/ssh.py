"""Real OpenSSH keys and signatures, made by ssh-keygen."""

import subprocess
from pathlib import Path
from typing import Final

NAMESPACE: Final = "pith-approval"


def keygen(*arguments: object, cwd: Path | None = None) -> str:
    """Run ssh-keygen; what it printed."""
    command = ["ssh-keygen", *map(str, arguments)]
    options = {"capture_output": True, "text": True, "timeout": 20, "check": True}
    return str(subprocess.run(command, cwd=cwd, **options).stdout)


def new_key(folder: Path, name: str, kind: str = "ed25519") -> Path:
    """A new key without passphrase; the line of its .pub file ends in *name*."""
    key = folder / name
    keygen("-q", "-t", kind, "-N", "", "-C", f"{name}@lab.example", "-f", key)
    return key


def line_of(key: Path) -> str:
    """The line of a key's .pub file."""
    return key.with_name(f"{key.name}.pub").read_text().removesuffix("\n")


def sign(key: Path, file: Path, namespace: str = NAMESPACE, *more: str) -> Path:
    """Sign a file; gives the .sig file."""
    made = file.with_name(f"{file.name}.sig")
    made.unlink(missing_ok=True)
    keygen("-Y", "sign", "-q", "-n", namespace, "-f", key, *more, file)
    return made
