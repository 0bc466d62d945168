"""A socket between pith and its server that cuts the connection at COMMIT."""

import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

_NAME: Final = ".s.PGSQL.5432"


class Cutter:
    """Forwards everything, until it is armed."""

    def __init__(self, folder: Path, server: Path) -> None:
        self.folder = folder
        self._server = server / _NAME
        self._armed: str | None = None
        self._left = 0
        self.cuts = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / _NAME))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, when: Literal["before", "after"], skip: int = 0) -> None:
        """Cut the connection that sends the next COMMIT but *skip*, before the server hears of
        it or after it has answered."""
        self._armed, self._left = when, skip

    def _due(self, data: bytes) -> str | None:
        """How to cut here, if at all."""
        if self._armed is None or b"COMMIT\0" not in data:
            return None
        if self._left:
            self._left -= 1
            return None
        self.cuts += 1
        when, self._armed = self._armed, None
        return when

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._server))
                cut = threading.Event()
                for ours, theirs, asks in ((client, server, True), (server, client, False)):
                    work = (ours, theirs, asks, cut)
                    threading.Thread(target=self._forward, args=work, daemon=True).start()

    def _forward(
        self, ours: socket.socket, theirs: socket.socket, asks: bool, cut: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := ours.recv(1 << 16):
                when = self._due(data) if asks else None
                if when == "before":
                    break
                if when == "after":
                    cut.set()
                elif not asks and cut.is_set():
                    break  # the server has answered, and nobody hears it
                theirs.sendall(data)
        for each in (ours, theirs):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
