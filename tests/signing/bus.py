"""A D-Bus session bus and a gnome-keyring of a test's own, in a private home."""

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import secretstorage
from jeepney.io.blocking import open_dbus_connection

from tests.parts import ROOT

LIMIT: Final = 40.0
_CONFIG: Final = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:dir={home}</listen><servicedir>{services}</servicedir>
<policy context="default"><allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
"""


class Session:
    """A home, a bus on which only what the test says can be activated, its processes."""

    def __init__(self) -> None:
        # Socket paths are at most 107 bytes: pytest's own folders are too deep.
        self.home = Path(tempfile.mkdtemp(prefix="pith-kr-"))
        self.home.chmod(0o700)
        self.services = self.home / "services"
        self.services.mkdir()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self.home),
            "PYTHONPATH": f"{ROOT}:{self.home}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._started: list[subprocess.Popen[bytes]] = []

    def _start(self, command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, env=self.env, stderr=subprocess.DEVNULL, **options)
        self._started.append(process)
        return process

    def activatable(self, name: str, command: str) -> None:
        """Let the bus start *command* when somebody asks for *name*."""
        text = f"[D-BUS Service]\nName={name}\nExec={command}\n"
        (self.services / f"{name}.service").write_text(text)

    def bus(self) -> int:
        """Start the bus; its process id."""
        config = self.home / "bus.conf"
        config.write_text(_CONFIG.format(home=self.home, services=self.services))
        command = ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address=1"]
        process = self._start(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 10)[0], "no bus in 10 seconds"
        self.env["DBUS_SESSION_BUS_ADDRESS"] = process.stdout.readline().decode().strip()
        return process.pid

    def daemon(self, password: str | None, *, until: str) -> int:
        """Start a gnome-keyring, given a password to unlock with or none; its process
        id once its state is that of *until* (absent, locked, unlocked)."""
        how = "--start" if password is None else "--unlock"
        process = self._start(
            ["gnome-keyring-daemon", how, "--foreground", "--components=secrets"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        assert process.stdin is not None
        process.stdin.write((password or "").encode())
        process.stdin.close()
        _wait(lambda: self.state() == until, f"keyring is {self.state()}, not {until}")
        return process.pid

    def state(self) -> str:
        """What the bus says of the keyring, without activating or prompting anything."""
        with closing(open_dbus_connection(self.env["DBUS_SESSION_BUS_ADDRESS"])) as connection:
            if not secretstorage.check_service_availability(connection):
                return "nothing"
            try:
                collection = secretstorage.get_collection_by_alias(connection, "default")
            except secretstorage.ItemNotFoundException:
                return "absent"
            return "locked" if collection.is_locked() else "unlocked"

    def end(self, pid: int) -> None:
        """Kill a process of this session and see it gone."""
        process = next(p for p in self._started if p.pid == pid)
        process.kill()
        process.wait(timeout=10)

    def drive(self, *acts: str, **env: str) -> list[dict[str, Any]]:
        """Run the acts of keyring_driver.py in a process of their own."""
        done = subprocess.run(
            [sys.executable, "-m", "tests.signing.keyring_driver", *acts],
            env=self.env | env,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        for line in lines:
            line["stderr"] = done.stderr
        return lines

    def close(self) -> None:
        """End what was started here, and only that."""
        for process in reversed(self._started):
            process.kill()
            process.wait(timeout=10)
            if process.stdout is not None:
                process.stdout.close()
        shutil.rmtree(self.home, ignore_errors=True)


def _wait(ready: Callable[[], bool], why: str) -> None:
    end = time.monotonic() + 10
    while not ready():
        assert time.monotonic() < end, why
        time.sleep(0.02)
