"""A process that will hold a seed leaves no core, and its memory is not to be read."""

import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from registry.app import App, guard_memory
from tests.cli.lab import make_home
from tests.parts import ROOT
from tests.signing.as_nobody import NOBODY, code_as_nobody

SET_DUMPABLE, GET_DUMPABLE = 4, 3
LIBC = ctypes.CDLL(None)


def in_a_child(act: Callable[[], object]) -> str:
    """What *act* gives in a forked child, as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, repr(act()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def state() -> tuple[tuple[int, int], int]:
    """The limit of core files, and whether the kernel calls this process dumpable."""
    return resource.getrlimit(resource.RLIMIT_CORE), LIBC.prctl(GET_DUMPABLE, 0, 0, 0, 0)


def test_the_guard_is_up_before_a_key_store_is_opened(tmp_path: Path) -> None:
    app = App(make_home(tmp_path / "home"))

    def opened() -> object:
        LIBC.prctl(SET_DUMPABLE, 1, 0, 0, 0)
        assert state()[1] == 1
        app.key_store("file:", app.config())
        return state()

    assert in_a_child(opened) == "((0, 0), 0)"


def test_a_forked_worker_is_guarded_too() -> None:
    def forked() -> object:
        guard_memory()
        return in_a_child(state)

    assert in_a_child(forked) == repr("((0, 0), 0)")


def owner(path: str) -> int:
    return os.stat(path).st_uid


def test_the_memory_of_a_guarded_process_belongs_to_root() -> None:
    """What /proc says: mem and environ are nobody's own until the guard, and root's after."""

    def looked() -> None:
        LIBC.prctl(SET_DUMPABLE, 1, 0, 0, 0)
        assert owner("/proc/self/mem") == NOBODY
        guard_memory()
        assert owner("/proc/self/mem") == 0

    assert code_as_nobody(looked) == "ok"


def test_another_process_of_the_same_user_may_not_read_it() -> None:
    def looked() -> None:
        LIBC.prctl(SET_DUMPABLE, 1, 0, 0, 0)
        parent = os.getpid()
        reach = lambda: os.close(os.open(f"/proc/{parent}/mem", os.O_RDONLY))  # noqa: E731
        assert in_a_child(lambda: tried(reach)) == "'read'"
        guard_memory()
        assert in_a_child(lambda: tried(reach)) == "'refused'"

    assert code_as_nobody(looked) == "ok"


def tried(act: Callable[[], object]) -> str:
    try:
        act()
    except PermissionError:
        return "refused"
    return "read"


def test_a_guarded_process_still_reads_its_own_files_by_their_proc_names() -> None:
    """/dev/stdin and <(...) are links below /proc/self/fd, which is root's now."""

    def looked() -> None:
        guard_memory()
        reading, writing = os.pipe()
        os.write(writing, b"here")
        os.close(writing)
        with open(f"/proc/self/fd/{reading}", "rb") as again:
            assert again.read() == b"here"
        with open(f"/dev/fd/{reading}", "rb") as again:
            assert again.read() == b""

    assert code_as_nobody(looked) == "ok"


def test_a_program_that_is_started_is_free_again() -> None:
    """The guard is of the process that holds seeds: gnome-keyring's prompter or an editor
    that it starts is not touched, but for the core files."""
    program = "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"

    def started() -> object:
        guard_memory()
        return subprocess.run([sys.executable, "-c", program], capture_output=True).stdout

    assert in_a_child(started) == repr(b"1\n")


def test_commands_that_hold_no_seed_are_left_alone() -> None:
    program = "import ctypes, registry.app\nprint(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=30
    )

    assert done.stdout == b"1\n"
