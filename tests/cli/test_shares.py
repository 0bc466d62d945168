"""pith shares."""

import base64
import codecs
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from registry.app import App, now
from registry.signing.share_paper import parse_paper
from registry.store.rows import KeyRow
from tests.cli.conftest import Pith
from tests.cli.lab import PITH, Done, copied, environment, rows, tree
from tests.parts import needs
from tests.signing.bus import Session
from tests.terminal import on_terminal

FIVE = ("--threshold", "3", "--of", "5")
SEED = hashlib.sha256(b"an imported seed").digest()
ENTERS = [("Enter shows it: ", "\n"), ("Enter clears the screen: ", "\n")] * 5


@pytest.fixture(name="memory")
def _memory() -> Iterator[Path]:
    """A folder in memory."""
    needs("shm")
    with tempfile.TemporaryDirectory(prefix="pith-", dir="/dev/shm") as name:
        yield Path(name)


@pytest.fixture(name="key_id")
def _key_id(home: Path) -> str:
    """The id of the one key of the home."""
    return App(home).open().active_key().key_id


@pytest.fixture(name="shares")
def _shares(pith: Pith, home: Path, key_id: str, memory: Path) -> list[Path]:
    """Five shares of it in files, any three of which give it."""
    done = pith("shares", "make", key_id, *FIVE, "--to", memory, home=home).fine()
    return [Path(line) for line in done.lines]


def words_of(share: Path) -> str:
    """The words in a file."""
    return parse_paper(share.read_text()).share.words


def erased(home: Path) -> None:
    """The key file is lost."""
    for file in (home / "keys").glob("*.key"):
        file.unlink()


def acts(home: Path) -> list[str]:
    """What was done with keys."""
    return [row[0] for row in rows(home, "SELECT act FROM acts ORDER BY seq")]


def test_from_shares_to_a_key_that_signs_again(
    pith: Pith, home: Path, key_id: str, shares: list[Path], record_file: Path
) -> None:
    assert [share.name for share in shares] == [f"{key_id}.share-{i}-of-5" for i in range(1, 6)]
    assert {share.stat().st_mode & 0o777 for share in shares} == {0o600}
    erased(home)
    assert pith("mint", record_file, home=home).code == 7

    done = pith("shares", "restore", key_id, "--to", "file:", *shares[1:4], home=home).fine()

    assert done.lines == [key_id]
    assert "is in file:" in done.err
    pith("mint", record_file, home=home).fine()
    assert acts(home) == ["shares made", "restored"]


def test_a_restored_key_does_not_let_in_what_its_thief_signed_before(
    pith: Pith, stocked: Path, memory: Path, tmp_path: Path
) -> None:
    key_id = App(stocked).open().active_key().key_id
    stolen = copied(stocked, tmp_path / "stolen")
    told = ("--title", "On Names", "--abstract", "We name.", "--headline", "stolen")
    pith("event", "add", "graph-snapshot", "arxiv:2401.00001", *told, home=stolen).fine()
    forged = tmp_path / "forged.json"
    pith("bundle", "build", "arxiv:2401.00001", "-o", forged, home=stolen).fine()
    made = pith("shares", "make", key_id, *FIVE, "--to", memory, home=stocked).fine().lines
    erased(stocked)
    pith("shares", "restore", key_id, "--to", "file:", *made[:3], home=stocked).fine()

    pith("bundle", "import", forged, home=stocked).refused(6, "import.unknown_signature")


def test_a_drill_says_when_the_next_is_due(
    pith: Pith, home: Path, key_id: str, shares: list[Path]
) -> None:
    assert "never drilled" in pith("doctor", home=home).out.decode()
    erased(home)
    found = pith("shares", "drill", key_id, *shares, "--json", home=home).fine().object

    assert found["shares"] == [1, 2, 3, 4, 5]
    assert found["drilled_at"] < found["next_due"]
    (line,) = pith("shares", "drill", key_id, *shares[2:], home=home).fine().lines
    assert line[:10] == found["next_due"][:10]
    assert tree(home / "keys") == []
    assert acts(home) == ["shares made", "drill", "drill"]
    assert f"backup: drilled: {key_id}" in pith("doctor", home=home).out.decode()


def test_the_config_says_how_often_to_drill(
    pith: Pith, home: Path, key_id: str, shares: list[Path]
) -> None:
    config = home / "config.toml"
    config.write_text(config.read_text() + 'drill_every = "0s"\n')

    found = pith("shares", "drill", key_id, *shares, "--json", home=home).fine().object

    assert found["drilled_at"] == found["next_due"]
    assert "a drill is due" in pith("doctor", home=home).out.decode()


def test_one_share_alone_is_looked_at(pith: Pith, key_id: str, shares: list[Path]) -> None:
    done = pith("shares", "check", shares[3]).fine()
    found = pith("shares", "check", shares[3], "--json").fine().object

    assert "cannot prove" in done.err
    assert key_id in done.out.decode()
    assert (found["number"], found["threshold"], found["count"]) == (4, 3, 5)
    assert found["key_id"] == key_id
    assert words_of(shares[3]).split()[9] not in done.out.decode() + done.err


def test_words_alone_are_a_share_on_stdin(home: Path, shares: list[Path]) -> None:
    words = words_of(shares[0]).encode()
    command = [*PITH, "shares", "check", "--json", "-"]
    done = subprocess.run(
        command, input=words, env=environment(home), capture_output=True, timeout=60
    )

    found = json.loads(done.stdout)
    assert (found["number"], found["key_id"]) == (1, None)


@pytest.mark.parametrize("verb", ["drill", "restore"])
@pytest.mark.parametrize(
    ("case", "code", "rule"),
    [
        ("two", 7, "shares.few"),
        ("twice", 2, "shares.repeated"),
        ("other set", 4, "shares.set"),
        ("wrong word", 3, "share.word"),
        ("swapped", 3, "share.checksum"),
        ("short", 3, "share.length"),
        ("label", 4, "share.label"),
        ("spelling", 3, "share.form"),
        ("binary", 3, "share.form"),
        ("long", 3, "share.form"),
        ("gone", 5, "file.absent"),
    ],
)
def test_shares_that_are_refused(
    pith: Pith,
    home: Path,
    key_id: str,
    shares: list[Path],
    verb: str,
    case: str,
    code: int,
    rule: str,
) -> None:
    given = shares[:3]
    words = words_of(given[1]).split()
    text = given[1].read_text()
    if case == "two":
        given = given[:2]
    elif case == "twice":
        given[2] = given[0]
    elif case == "other set":
        for share in shares[3:]:
            share.unlink()
        folder = shares[0].parent / "new"
        folder.mkdir()
        made = pith("shares", "remake", key_id, *FIVE, "--to", folder, home=home).fine()
        given[2] = Path(made.lines[2])
    elif case == "wrong word":
        head = text.rstrip().rpartition("\n\n")[0]
        given[1].write_text(f"{head}\n\n{' '.join([*words[:7], 'xyzzy', *words[8:]])}\n")
    elif case == "swapped":
        given[1].write_text(" ".join([*words[1:], words[0]]))
    elif case == "short":
        given[1].write_text(" ".join(words[1:]))
    elif case == "label":
        given[1].write_text(text.replace("share 2 of 5", "share 3 of 5"))
    elif case == "spelling":
        given[1].write_text(text.replace("any 3", "any  3"))
    elif case == "binary":
        given[1].write_bytes(b"\xff" * 100)
    elif case == "long":
        given[1].write_text("zero " * 1000)
    else:
        given[1].unlink()
    erased(home)
    before = acts(home)
    to = ("--to", "file:") if verb == "restore" else ()

    done = pith("shares", verb, key_id, *to, *given, home=home).refused(code, rule)

    assert tree(home / "keys") == []
    assert acts(home) == before
    assert done.out == b""
    assert not [pair for pair in pairwise(words) if " ".join(pair) in done.err]


def test_shares_of_another_key(
    pith: Pith, home: Path, key_id: str, shares: list[Path], memory: Path
) -> None:
    other = pith("key", "create", home=home).fine().lines[0]
    made = pith("shares", "make", other, *FIVE, "--to", memory, home=home).fine().lines
    bare = []
    for number, line in enumerate(made):
        file = memory / f"bare-{number}"
        file.write_text(words_of(Path(line)))
        bare.append(file)
    erased(home)

    for given in (made, bare):
        pith("shares", "drill", key_id, *given, home=home).refused(4, "shares.key")
        pith("shares", "restore", key_id, "--to", "file:", *given, home=home).refused(
            4, "shares.key"
        )
    pith("shares", "drill", "nobody-1", *given, home=home).refused(5, "key.absent")
    pith("shares", "restore", "nobody-1", "--to", "file:", *bare, home=home).refused(
        5, "key.absent"
    )
    assert tree(home / "keys") == []


def test_a_set_is_made_once_and_remade(
    pith: Pith, home: Path, key_id: str, shares: list[Path], memory: Path
) -> None:
    again = memory / "again"
    again.mkdir()

    pith("shares", "make", key_id, *FIVE, "--to", again, home=home).refused(6, "shares.exist")
    done = pith(
        "shares", "remake", key_id, "--threshold", 2, "--of", 2, "--to", again, home=home
    ).fine()

    assert "stay good" in done.err
    assert tree(again) == [f"{key_id}.share-1-of-2", f"{key_id}.share-2-of-2"]
    pith("shares", "drill", key_id, *done.lines, home=home).fine()
    older = pith("shares", "drill", key_id, *shares, home=home).fine()
    assert "says nothing" in older.err


@pytest.mark.parametrize("option", ["--to", "--sheet"])
def test_a_disk_is_refused_before_anything_is_made(
    pith: Pith, home: Path, key_id: str, tmp_path: Path, memory: Path, option: str
) -> None:
    if subprocess.run(["findmnt", "-T", tmp_path, "-t", "tmpfs"], capture_output=True).stdout:
        pytest.skip("the tests' own folder is in memory")
    name = "sheet.html" if option == "--sheet" else ""
    link = memory / "link"
    link.symlink_to(tmp_path)
    before = tree(tmp_path)

    for folder in (tmp_path, link):
        done = pith("shares", "make", key_id, *FIVE, option, folder / name, home=home)
        done.refused(2, "share.disk")
        assert "/dev/shm" in done.err
    assert acts(home) == []
    assert tree(tmp_path) == before


def test_nothing_is_overwritten(
    pith: Pith, home: Path, key_id: str, memory: Path, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    (memory / f"{key_id}.share-4-of-5").symlink_to(target)
    sheet = memory / "sheet.html"
    sheet.write_text("mine")

    pith("shares", "make", key_id, *FIVE, "--sheet", sheet, home=home).refused(6, "share.exists")
    pith("shares", "make", key_id, *FIVE, "--to", memory, home=home).refused(6, "share.exists")

    assert tree(memory) == [f"{key_id}.share-4-of-5", "sheet.html"]
    assert not target.exists()
    assert sheet.read_text() == "mine"


def test_memory_that_is_full(home: Path, key_id: str, pith: Pith, tmp_path: Path) -> None:
    needs("tmpfs")
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(place)]
    subprocess.run(mount, check=True, timeout=10)
    try:
        (place / "filler").write_bytes(bytes(4096))
        pith("shares", "make", key_id, *FIVE, "--to", place, home=home).refused(8, "share.write")
        assert tree(place) == ["filler"]
    finally:
        subprocess.run(["umount", str(place)], check=True, timeout=10)


@pytest.mark.parametrize(
    ("options", "code", "rule"),
    [
        (("--threshold", "1", "--of", "5"), 2, "shares.number"),
        (("--threshold", "6", "--of", "5"), 2, "shares.number"),
        (("--threshold", "2", "--of", "17"), 2, "shares.number"),
        ((*FIVE, "--sheet", "MEMORY/s.html"), 2, "usage.both"),
        (("--threshold", "x", "--of", "5"), 2, "usage"),
        (("--threshold", "3"), 2, "usage"),
    ],
)
def test_what_is_asked_wrongly(
    pith: Pith,
    home: Path,
    key_id: str,
    memory: Path,
    options: tuple[str, ...],
    code: int,
    rule: str,
) -> None:
    given = [option.replace("MEMORY", str(memory)) for option in options]

    pith("shares", "make", key_id, *given, "--to", memory, home=home).refused(code, rule)

    assert tree(memory) == []
    assert acts(home) == []


def test_a_sheet_is_made_only_by_name(pith: Pith, home: Path, key_id: str, memory: Path) -> None:
    file = memory / "sheet.html"
    done = pith("shares", "make", key_id, *FIVE, "--sheet", file, "--json", home=home).fine()

    assert done.object["files"] == [str(file)]
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    key = App(home).open().active_key()
    assert text.count(key.key.fingerprint) == text.count("<section>") == 5
    assert "spoolers" in done.err


def test_without_a_terminal_nothing_is_shown_or_typed(home: Path, key_id: str) -> None:
    for arguments in (("make", key_id, *FIVE), ("drill", key_id)):
        done = subprocess.run(
            [*PITH, "shares", *arguments],
            env=environment(home),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            start_new_session=True,
        )
        assert done.returncode in (2, 3), done.stderr
        assert done.stdout == b""
    assert acts(home) == []


# -- on a terminal -------------------------------------------------------------


def shown_words(screen: str) -> list[str]:
    """The words of each share that a screen has shown."""
    found = []
    for page in re.split(r"\x1b\[H\x1b\[2J\x1b\[3J", screen):
        words = re.findall(r"\b[0-9]+ ([a-z]+)", page.partition("give the key back")[2])
        if words:
            found.append(" ".join(words))
    return found


def test_shares_on_a_terminal_one_at_a_time(home: Path, key_id: str) -> None:
    env = environment(home, TERM="xterm")
    command = [*PITH, "shares", "make", key_id, *FIVE]

    code, screen = on_terminal(command, ENTERS, env=env)

    assert code == 0, screen
    shares = shown_words(screen)
    assert len(shares) == 5
    assert [parse_paper(words).share.number for words in shares] == [1, 2, 3, 4, 5]
    assert screen.index("\x1b[?1049h") < screen.index(shares[0].split()[0])
    last = screen.rindex(shares[4].split()[-1])
    assert last < screen.rindex("\x1b[3J") < screen.rindex("\x1b[?1049l")

    asked = "not shown: "
    typed = [(asked, f"{words}\n") for words in (shares[4], shares[0], shares[2])]
    code, screen = on_terminal([*PITH, "shares", "drill", key_id], typed, env=env)
    assert code == 0, screen
    assert " ".join(shares[0].split()[:2]) not in screen
    assert acts(home) == ["shares made", "drill"]


def test_who_stops_in_the_middle_leaves_a_clear_screen(home: Path, key_id: str) -> None:
    for stop in ("\x03", "\x04"):
        verb = "make" if stop == "\x03" else "remake"
        command = [*PITH, "shares", verb, key_id, *FIVE]
        code, screen = on_terminal(
            command,
            [*ENTERS[:3], ("clears the screen: ", stop)],
            env=(environment(home, TERM="xterm")),
        )
        assert code == 130, screen
        assert screen.rindex("clears the screen") < screen.rindex("\x1b[3J")


def test_what_is_typed_wrongly_is_asked_again(home: Path, key_id: str, shares: list[Path]) -> None:
    first, second, third = (words_of(share) for share in shares[:3])
    wrong = second.split()
    right, wrong[6] = wrong[6], f"{wrong[6][:4]}zz"
    asked = "not shown: "
    typed = [
        (asked, f"{first}\n"),
        (asked, f"{' '.join(wrong)}\n"),
        (asked, f"{first}\n"),
        (asked, "\n"),
        (asked, f"{second}\n"),
        (asked, f"{third.upper()}\n"),
    ]
    env = environment(home, TERM="xterm")

    code, screen = on_terminal([*PITH, "shares", "drill", key_id], typed, env=env)

    assert code == 0, screen
    assert f"word 7: did you mean {right}?" in screen
    assert "share 1 is given twice" in screen
    assert "has 33 words, this has 0" in screen

    code, screen = on_terminal([*PITH, "shares", "check", "-"], [(asked, f"{third}\n")], env=env)
    assert code == 0
    assert "share 3 of set" in screen
    files = list(map(str, shares[:2]))
    command = [*PITH, "shares", "restore", key_id, "--to", "file:", *files, "-"]
    code, screen = on_terminal(command, [(asked, f"{third}\n")], env=env)
    assert code == 0, screen
    code, screen = on_terminal([*PITH, "shares", "drill", key_id], [(asked, "\x04")], env=env)
    assert code == 130


# -- real parts ----------------------------------------------------------------


ERASE = """
import pathlib, sys
from registry.app import App
app = App(pathlib.Path(sys.argv[1]))
app.key_store("keyring:", app.config()).erase(sys.argv[2])
"""


def test_a_key_in_a_real_keyring(tmp_path: Path, memory: Path) -> None:
    needs("dbus-daemon", "gnome-keyring")
    session = Session()
    home = tmp_path / "home"

    def run(*command: object) -> Done:
        done = subprocess.run(
            [*PITH, *map(str, command)],
            env=session.env | {"PITH_HOME": str(home)},
            cwd=tmp_path,
            capture_output=True,
            timeout=60,
        )
        return Done(done.returncode, done.stdout, done.stderr.decode())

    try:
        session.bus()
        session.daemon("right", until="unlocked")
        where = ("--registry", "lab.example", "--base-url", "https://lab.example")
        run("init", *where, "--key-id", "lab-1", "--signer", "keyring:").fine()
        made = run("shares", "make", "lab-1", *FIVE, "--to", memory).fine().lines
        gone = [sys.executable, "-c", ERASE, str(home), "lab-1"]
        subprocess.run(gone, env=session.env, check=True, timeout=60)
        assert run("doctor").code == 7
        run("shares", "restore", "lab-1", "--to", "keyring:", *made[:3]).fine()
        assert run("doctor").code == 9
    finally:
        session.close()


def test_a_restore_that_is_killed_is_finished_by_the_same_command(
    home: Path, key_id: str, shares: list[Path], tmp_path: Path, pith: Pith
) -> None:
    needs("strace")
    to = f"file:{tmp_path / 'new'}"
    line = ("shares", "restore", key_id, "--to", to, *shares[:3])
    for call, number in (("link", 1), ("fsync", 1), ("fsync", 2), ("fsync", 3), ("fsync", 4)):
        inject = f"inject={call}:signal=KILL:when={number}"
        log = str(tmp_path / "log")
        trace = ("strace", "-f", "-qq", "-o", log, "-e", f"trace={call}", "-e", inject)
        command = [*trace, *PITH, *map(str, line)]
        subprocess.run(command, env=environment(home), capture_output=True, timeout=60)
        assert pith("doctor", home=home).code == 9

    pith(*line, home=home).fine()
    pith(*line, home=home).fine()

    assert App(home).open().signer(now()).key_id == key_id
    assert pith("key", "list", home=home).fine().lines[0].endswith(to)


# -- no secret anywhere --------------------------------------------------------

CALLS = (
    "write,writev,pwrite64,pwritev,sendto,sendmsg,sendfile,execve,openat,open,mkdir,rename,link,"
    "unlink,symlink,connect,prlimit64"
)


class Watch:
    """Commands under strace, and what of the secrets they let out."""

    def __init__(self, folder: Path, memory: Path) -> None:
        self.log = folder / "strace.log"
        self.memory = memory
        self.needles = [SEED, SEED.hex().encode(), base64.b64encode(SEED)]
        self.needles.append(SEED.hex().upper().encode())

    def command(self, *arguments: object) -> list[str]:
        """A command line that is watched."""
        trace = ["strace", "-f", "-y", "-v", "-qq", "-s", "100000", "-e", f"trace={CALLS}"]
        return [*trace, "-e", "signal=none", "-o", str(self.log), *PITH, *map(str, arguments)]

    def let_out(self, shares: list[str]) -> list[str]:
        """Every call of the last command that held a secret and was not to the terminal or a
        file in memory. It must have forbidden core files."""
        pairs = [
            rf"\b{a}\s+(?:[0-9]+\s+|<[^>]*>)*{b}\b".encode()
            for words in shares
            for a, b in pairwise(words.split())
        ]
        secret = re.compile(b"|".join([*map(re.escape, self.needles), *pairs]), re.IGNORECASE)
        lines = self.log.read_text(errors="replace").splitlines()
        assert any("RLIMIT_CORE, {rlim_cur=0, rlim_max=0}" in line for line in lines)
        allowed = re.compile(rf"^[0-9]+ +write\([0-9]+<(/dev/tty|{self.memory}/[^>]*)>")
        return [line for line in lines if secret.search(held(line)) and not allowed.match(line)]

    def seen(self, shares: list[str]) -> bool:
        """Whether the watch sees the words where they may be: it is not blind."""
        first, second = shares[0].split()[:2]
        text = self.log.read_text(errors="replace")
        return re.search(rf"{first} +(2 )?{second}", text) is not None


def held(line: str) -> bytes:
    """What a line of strace holds, its escapes undone."""
    return codecs.decode(line.encode("ascii", "backslashreplace"), "unicode_escape").encode(
        "latin-1", "replace"
    )


@pytest.fixture(name="imported")
def _imported(home: Path) -> str:
    """A key of a known seed, among the home's keys."""
    app = App(home)
    public_key = app.key_store("file:", app.config()).put("known-1", SEED)
    assert app.open().store.add_key(KeyRow("known-1", public_key, "registry", "file:", now()))
    return "known-1"


def test_the_seed_and_the_words_are_written_only_where_they_belong(
    home: Path, imported: str, memory: Path, tmp_path: Path
) -> None:
    needs("strace")
    watch = Watch(tmp_path, memory)
    env = environment(home, TERM="xterm", PYTHONUNBUFFERED="1")

    def run(*arguments: object, code: int = 0) -> list[str]:
        done = subprocess.run(watch.command(*arguments), env=env, capture_output=True, timeout=60)
        assert done.returncode == code, done.stderr
        return done.stdout.decode().splitlines()

    code, screen = on_terminal(watch.command("shares", "make", imported, *FIVE), ENTERS, env=env)
    assert code == 0, screen
    shares = shown_words(screen)
    assert len(shares) == 5
    assert watch.seen(shares)
    assert watch.let_out(shares) == []

    typed = [("not shown: ", f"{words}\n") for words in shares[:3]]
    code, screen = on_terminal(watch.command("shares", "drill", imported), typed, env=env)
    assert code == 0, screen
    assert watch.let_out(shares) == []

    files = run("shares", "remake", imported, *FIVE, "--to", memory)
    known = [words_of(Path(file)) for file in files] + shares
    assert watch.seen(known)
    assert watch.let_out(known) == []

    swapped = memory / "swapped"
    swapped.write_text(" ".join([*known[0].split()[1:], known[0].split()[0]]))
    wrong = memory / "wrong"
    wrong.write_text(" ".join([*known[0].split()[1:], "xyzzy"]))
    older = memory / "older"
    older.write_text(shares[1])
    to = ("--to", f"file:{tmp_path / 'new'}")
    for expected, line in (
        (0, ("check", files[2])),
        (0, ("drill", imported, *files)),
        (3, ("check", swapped)),
        (3, ("check", wrong)),
        (4, ("drill", imported, *files[:2], older)),
        (4, ("restore", App(home).open().active_key().key_id, *to, *files)),
        (7, ("restore", imported, *to, *files[:2])),
        (7, ("restore", imported, "--to", f"file:{memory / 'older'}", *files)),
        (0, ("restore", imported, *to, *files[:3])),
    ):
        run("shares", *line, code=expected)
        assert watch.let_out(known) == [], line
    assert (tmp_path / "new" / f"{imported}.key").exists()
