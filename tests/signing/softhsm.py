"""SoftHSM tokens of a test's own, and a process in which they are used."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from tests.parts import ROOT, needs, softhsm_module

PIN: Final = "482913"
LABEL: Final = "pith lab"
LIMIT: Final = 40.0


class Token:
    """A token in a folder, with an Ed25519 key pair under each id of *keys*."""

    def __init__(
        self, folder: Path, label: str = LABEL, *, keys: tuple[str, ...] = ("01",)
    ) -> None:
        needs("softhsm")
        found = softhsm_module()
        assert found is not None
        self.module = found
        self.folder = folder
        self.label = label
        self.objects = folder / "tokens"
        self.objects.mkdir(parents=True, exist_ok=True)
        config = folder / "softhsm2.conf"
        config.write_text(f"directories.tokendir = {self.objects}\nobjectstore.backend = file\n")
        self.pin = folder / "pin"
        self.write_pin(PIN)
        self.env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SOFTHSM2_CONF": str(config),
        }
        make = ["softhsm2-util", "--init-token", "--free", "--label", label]
        subprocess.run(
            [*make, "--pin", PIN, "--so-pin", "87654321"],
            env=self.env,
            check=True,
            capture_output=True,
            timeout=LIMIT,
        )
        (self.serial,) = self.drive("serials")[0]["value"]
        for key in keys:
            self.drive(f"make:{key}")

    def write_pin(self, text: str) -> None:
        """What pin_from leads to."""
        self.pin.touch(mode=0o600)
        self.pin.write_text(text)

    def uri(self, key: str = "%01") -> str:
        """The URI of a key here."""
        return f"pkcs11:token={quote(self.label, safe='')};serial={self.serial};id={key}"

    def settings(self, pin_from: str | None = None) -> str:
        """The table of config.toml for it."""
        return (
            f'\n[pkcs11]\nmodule = "{self.module}"\npin_from = "{pin_from or f"file:{self.pin}"}"\n'
        )

    def take_away(self) -> None:
        """Pull it out."""
        self.objects.rename(self.folder / "away")
        self.objects.mkdir()

    def put_back(self) -> None:
        """And in again."""
        self.objects.rmdir()
        (self.folder / "away").rename(self.objects)

    def drive(self, *acts: str, uri: str | None = None, **env: str) -> list[dict[str, Any]]:
        """Run the acts of token_driver.py in a process of their own."""
        serial = getattr(self, "serial", "")
        done = subprocess.run(
            [sys.executable, "-m", "tests.signing.token_driver", *acts],
            env=self.env
            | {
                "PITH_TEST_MODULE": str(self.module),
                "PITH_TEST_LABEL": self.label,
                "PITH_TEST_PIN": f"file:{self.pin}",
                "PITH_TEST_URI": uri or (self.uri() if serial else ""),
                "PITH_TEST_FOLDER": str(self.folder),
            }
            | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        assert done.returncode == 0, done.stderr
        assert "482913" not in done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def close(self) -> None:
        """Leave nothing."""
        shutil.rmtree(self.folder, ignore_errors=True)
