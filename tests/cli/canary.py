"""Commands under strace, and a detector that knows a secret in every spelling.

``python -m tests.cli.canary LABEL COMMAND…`` is pith with new seeds that the test knows,
those of `known`; everything else of it is the real thing.
"""

import base64
import hashlib
import itertools
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from tests.cli.lab import LIMIT, Done, environment

CALLS: Final = (
    "write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,sendmmsg,sendfile,splice,execve,execveat,"
    "open,openat,openat2,creat,mkdir,mkdirat,mknod,rename,renameat,renameat2,link,linkat,symlink,"
    "symlinkat,unlink,unlinkat,connect,bind,setxattr,fsetxattr,memfd_create,shmget,prctl,prlimit64"
)
ASKED: Final = re.compile(r"type (\S+) to go on: ?$")
_STRING: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_FD: Final = re.compile(r"[a-z0-9_]+\(\d+<((?:\\x[0-9a-f]{2}|[^>\\])*)")


def known(label: str, number: int) -> bytes:
    """The seed that the command of this label makes as its *number*-th."""
    return hashlib.sha256(f"pith canary {label} {number}".encode()).digest()


# -- spellings -----------------------------------------------------------------


def _aligned(secret: bytes, encode: Callable[[bytes], bytes], bits: int) -> Iterator[bytes]:
    """The characters that stand for *secret* alone, wherever in a longer text it begins."""
    for before in range({6: 3, 5: 5}[bits]):
        text = encode(bytes(before) + secret)
        yield text[-(-8 * before // bits) : 8 * (before + len(secret)) // bits]


def spellings(secret: bytes) -> dict[str, bytes]:
    """A secret in every form in which it might be let out, by the name of the form."""
    upper = secret.hex().upper()
    found = {
        "raw": secret,
        "reversed": secret[::-1],
        "hex": secret.hex().encode(),
        "HEX": upper.encode(),
        "hex with colons": secret.hex(":").encode(),
        "repr": repr(secret)[2:-1].encode(),
        "list": ", ".join(map(str, secret)).encode(),
        "integer": str(int.from_bytes(secret, "big")).encode(),
        "utf-16": secret.hex().encode("utf-16-le"),
    }
    for name, encode, bits in (
        ("base64", base64.b64encode, 6),
        ("base64url", base64.urlsafe_b64encode, 6),
        ("base32", base64.b32encode, 5),
    ):
        for place, text in enumerate(_aligned(secret, encode, bits)):
            found[f"{name} at {place}"] = text
    return found


def needles_of_seed(seed: bytes) -> dict[bytes, str]:
    """What must not be seen of a seed: itself, and the private scalar that it expands to."""
    expanded = hashlib.sha512(seed).digest()
    clamped = bytearray(expanded[:32])
    clamped[0] &= 248
    clamped[31] = clamped[31] & 127 | 64
    parts = {"seed": seed, "expanded": expanded[:32], "scalar": bytes(clamped)}
    return {
        text: f"{part} {name}"
        for part, secret in parts.items()
        for name, text in spellings(secret).items()
    }


def needles_of_text(text: str) -> dict[bytes, str]:
    """The same for a passphrase."""
    return {each: f"passphrase {name}" for name, each in spellings(text.encode()).items()}


def needles_of_words(shares: Sequence[str]) -> dict[bytes, str]:
    """Two words of a share, one after the other: one word alone is prose."""
    return {
        f"{one} {two}".encode(): "share"
        for words in shares
        for one, two in list(pairwise(words.split()))[4:]
    }


# -- the trace -----------------------------------------------------------------


class Call(NamedTuple):
    """One system call: its process, name, the file that it writes to, and its strings."""

    pid: str
    name: str
    file: str
    strings: list[bytes]
    line: str


def _unhexed(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def calls(log: str) -> Iterator[Call]:
    """The calls of a log of ``strace -f -y -xx``."""
    for line in log.splitlines():
        pid, _, rest = line.partition(" ")
        rest = rest.strip()
        name = rest.partition("(")[0]
        found = _FD.match(rest)
        file = "" if found is None else found[1]
        if "\\x" in file:
            file = b"".join(
                _unhexed(part) if part.startswith("\\x") else part.encode()
                for part in re.split(r"((?:\\x[0-9a-f]{2})+)", file)
            ).decode(errors="replace")
        yield Call(pid, name, file, [_unhexed(text) for text in _STRING.findall(rest)], rest)


@dataclass
class Leak:
    """A secret that was seen: how it was spelt, in which call."""

    spelling: str
    call: str
    file: str


def leaks(found: Sequence[Call], needles: dict[bytes, str]) -> list[Leak]:
    """Every needle in the strings of a call, or in what successive calls wrote to one file."""
    streams: dict[tuple[str, str], list[bytes]] = defaultdict(list)
    for call in found:
        streams[call.pid, call.file if call.file else call.name].append(b"".join(call.strings))
    alone = b"\0".join(b"\0".join(call.strings) for call in found)
    together = b"\0".join(b"".join(parts) for parts in streams.values())
    hits = [each for each in needles if each in alone or each in together]
    seen = []
    for hit in hits:
        calls_ = [call for call in found if hit in b"".join(call.strings)]
        places = {(call.name, call.file) for call in calls_} or {("several calls", "")}
        seen += [Leak(needles[hit], *place) for place in sorted(places)]
    return seen


# -- running -------------------------------------------------------------------


@dataclass
class Canary:
    """Commands that are watched, and everything secret that there is."""

    folder: Path
    home: Path
    needles: dict[bytes, str] = field(default_factory=dict)
    words: dict[bytes, str] = field(default_factory=dict)
    opened: bool = False
    env: dict[str, str] = field(default_factory=dict)

    def add_seed(self, seed: bytes) -> bytes:
        """Watch for a seed too."""
        self.needles |= needles_of_seed(seed)
        return seed

    def command(self, label: str, arguments: Sequence[object]) -> list[str]:
        """A command line under strace."""
        trace = ["strace", "-f", "-y", "-xx", "-v", "-qq", "-s", "1000000", "--seccomp-bpf"]
        trace += ["-e", "signal=none", "-e", f"trace={CALLS}", "-o", str(self.log)]
        pith = [sys.executable, "-m", "tests.cli.canary", label]
        return [*trace, *pith, *map(str, arguments)]

    @property
    def log(self) -> Path:
        """Where strace writes."""
        return self.folder / "strace.log"

    def run(
        self, *arguments: object, code: int = 0, label: str = "", answer: bytes | None = None
    ) -> Done:
        """Run a command whose words are typed for it, on a terminal that is its stdin and
        /dev/tty; nothing secret may be seen of it. *label* says that it makes seeds."""
        if label:
            for number in range(3):
                self.add_seed(known(label, number))
        done = self._typed(self.command(label, arguments), answer)
        assert done.code == code, (arguments, done)
        assert self.looked() == [], arguments
        return done

    def looked(self) -> list[Leak]:
        """What of a secret was let out by the last command, or stands in a file."""
        found = list(calls(self.log.read_text(errors="replace")))
        assert any(call.name == "execve" for call in found)
        self.check_guard(found)
        allowed = ("/dev/tty", "/dev/pts", "/dev/shm", "char 5:0")
        open_ = [leak for leak in leaks(found, self.words) if not leak.file.startswith(allowed)]
        return [*open_, *leaks(found, self.needles)]

    def check_guard(self, found: Sequence[Call]) -> None:
        """Before the first key file is opened there is a guard: no core, not dumpable."""
        guards = {"prlimit64": False, "prctl": False}
        for call in found:
            if call.name == "prlimit64" and "RLIMIT_CORE, {rlim_cur=0, rlim_max=0}" in call.line:
                guards["prlimit64"] = True
            if call.name == "prctl" and "PR_SET_DUMPABLE, SUID_DUMP_DISABLE" in call.line:
                guards["prctl"] = True
            if call.name.startswith("open") and any(s.endswith(b".key") for s in call.strings):
                assert all(guards.values()), call
        self.opened = all(guards.values())

    def at_rest(self) -> list[Leak]:
        """What stands in any file but the passphrase's own."""
        needles = self.needles | self.words
        found = []
        for file in self.folder.rglob("*"):
            if file.is_file() and file != self.log and not file.name.endswith(".passphrase"):
                held = file.read_bytes()
                found += [
                    Leak(name, "at rest", str(file))
                    for each, name in needles.items()
                    if each in held
                ]
        return found

    def _typed(self, command: list[str], answer: bytes | None) -> Done:
        terminal, stdin = pty.openpty()
        process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(self.home, TERM="xterm", TMPDIR=str(self.folder), **self.env),
            cwd=self.folder,
            start_new_session=True,
        )
        os.close(stdin)
        out, err, answered = b"", b"", 0
        streams = [s for s in (process.stdout, process.stderr) if s is not None]
        end = time.monotonic() + LIMIT
        try:
            while streams and time.monotonic() < end:
                for stream in select.select(streams, [], [], 0.2)[0]:
                    more = os.read(stream.fileno(), 1 << 16)
                    if not more:
                        streams.remove(stream)
                    elif stream is process.stderr:
                        err += more
                    else:
                        out += more
                text = err.decode(errors="replace")
                if (asked := ASKED.search(text)) and len(err) > answered:
                    answered = len(err)
                    os.write(terminal, answer if answer is not None else asked[1].encode() + b"\n")
            code = process.wait(timeout=LIMIT)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            os.close(terminal)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        return Done(code, out, err.decode(errors="replace"))


def _bug(seed: bytes) -> None:
    """A fault in the middle of a command, with the seed at hand."""
    text = seed.hex()
    raise RuntimeError(f"a bug with {len(text)} digits at hand")


def main() -> None:
    """pith whose new seeds are known; the label ``bug`` makes it fall where it signs."""
    import registry.app
    from registry.cli.main import main as pith
    from registry.signing.signer import SeedSigner

    label = sys.argv.pop(1)
    number = itertools.count()
    registry.app.new_seed = lambda: known(label, next(number))
    if label == "bug":
        for name in ("_sign", "_sign_twice"):
            setattr(SeedSigner, name, lambda self, message: _bug(bytes(self._key)))
    pith()


if __name__ == "__main__":
    main()
