"""What the commands say of bytes, files, folders and disks that are not as they should be."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry import VERSION, data
from tests.cli.conftest import Pith
from tests.cli.lab import (
    PITH,
    Done,
    copied,
    environment,
    lines_of,
    process,
    receipts,
    record,
    rows,
    tree,
)
from tests.cli.nobody import as_nobody
from tests.parts import needs
from tests.signing.as_nobody import NOBODY, open_folder

DEEP = b'{"a":' * 5000 + b"1" + b"}" * 5000
BYTES = {
    "empty": b"",
    "a newline": b"\n",
    "no JSON": b"hello",
    "cut short": b'{"a": "b',
    "two values": b"{} {}",
    "a list": b"[]",
    "a number": b"1",
    "deep": DEEP,
    "deep and open": b"[" * 1_000_000,
    "binary": bytes(range(256)) * 64,
    "zeros": bytes(4096),
    "UTF-16": "{}".encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "invalid UTF-8": b'{"a":"\xff"}',
    "a surrogate": b'{"a":"\\ud800"}',
    "a duplicate": b'{"a":1,"a":1}',
    "NaN": b'{"a":NaN}',
    "a huge number": b'{"a":1' + b"0" * 10_000 + b"}",
    "a huge exponent": b'{"a":1e999999}',
    "an empty object": b"{}",
    "two mebibytes": b'{"a":"' + b"x" * (2 << 20) + b'"}',
}


def one_refusal(done: Done, code: int) -> None:
    """One line says why, no traceback, nothing on stdout."""
    assert done.code == code, done
    assert "Traceback" not in done.err
    assert len([line for line in done.errors if not line.startswith("pith: hint: ")]) == 1


@pytest.mark.parametrize("name", BYTES)
def test_bytes_that_are_no_record(pith: Pith, tmp_path: Path, home: Path, name: str) -> None:
    file = tmp_path / "input.json"
    file.write_bytes(BYTES[name])

    for command in ("number", "mint"):
        done = pith(command, file, home=home)
        told = [line for line in done.errors if "hint:" not in line and "minted" not in line]
        assert done.code == 3, done
        assert done.out == b""
        assert len(told) == 1
    assert receipts(home) == {}


@pytest.mark.parametrize("name", BYTES)
def test_bytes_that_are_no_document(pith: Pith, tmp_path: Path, name: str) -> None:
    file = tmp_path / "input.json"
    file.write_bytes(BYTES[name])

    one_refusal(pith("verify", "-q", file), 3)
    one_refusal(pith("verify", "-q", tmp_path / "input.json", "--pin", file), 3)


def test_a_bundle_over_sixteen_mebibytes(pith: Pith, tmp_path: Path) -> None:
    file = tmp_path / "big.json"
    file.write_bytes(data.seed_bundle() + b" " * (17 << 20))

    one_refusal(pith("verify", "-q", file).refused(3, "json.size"), 3)


def test_an_endless_file_is_read_to_its_cap_only() -> None:
    for command in (("verify", "-q"), ("number",)):
        one_refusal(process(*command, "/dev/zero"), 3)


def test_an_absent_file_and_a_folder(pith: Pith, tmp_path: Path, home: Path) -> None:
    for command in (("verify", "-q"), ("number",), ("record", "build", "--from")):
        one_refusal(pith(*command, tmp_path / "no", home=home).refused(5, "file.absent"), 5)
        wanted = (5, "verify.empty") if command[0] == "verify" else (2, "file.directory")
        one_refusal(pith(*command, tmp_path, home=home).refused(*wanted), wanted[0])


def test_a_name_that_no_file_can_have(pith: Pith) -> None:
    assert pith("number", "a" * 5000).code in (2, 5, 8)
    assert pith("number", "").code in (2, 5)


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\u202eb", "a\nb", "[bold]%s{}", "\x07", "a\x9bb"])
def test_a_file_name_is_shown_escaped(pith: Pith, tmp_path: Path, name: str) -> None:
    done = pith("number", tmp_path / name).refused(5, "file.absent")

    # `checked` has looked for characters that are not printable on every line.
    assert len(done.errors) == 1
    file = tmp_path / name
    file.write_bytes(b"nonsense\n" + lines_of(1))
    assert pith("number", file).code == 3


def test_foreign_text_of_a_document_is_shown_escaped(pith: Pith, tmp_path: Path) -> None:
    seed = data.seed_bundle()
    for text in ("\\u001b[31mred", "\\u202eevil", "[/i][bold]", "\\u0007\\u009b", "\\u2028"):
        file = tmp_path / "foreign.json"
        file.write_bytes(seed.replace(b'"pith.science"', f'"{text}"'.encode()))
        done = pith("verify", file)
        assert done.code in (3, 4)
        assert all(line.isprintable() for line in done.lines)
        file.write_bytes(f'{{"{text}": 1, "bundle_type": "{text}"}}'.encode())
        assert pith("verify", "-q", file).code == 3
        assert pith("number", file).code == 3


def test_a_bundle_whose_title_is_hostile_verifies_and_prints_safely(
    pith: Pith, home: Path, tmp_path: Path
) -> None:
    title = "a\x1b[31m\u202e[/i]b"
    file = tmp_path / "record.json"
    file.write_bytes(record(3, title=title).canonical)
    add = ("event", "add", "graph-snapshot", "arxiv:2401.00003")
    pith("mint", file, home=home).fine()
    pith(*add, "--title", title, "--abstract", "We name.", home=home).fine()
    bundle = tmp_path / "bundle.json"
    bundle.write_bytes(pith("bundle", "build", "arxiv:2401.00003", home=home).fine().out)

    done = pith("verify", "--explain", bundle, home=home).fine()

    assert b"\x1b" not in done.out
    assert "\u202e" not in done.out.decode()
    assert pith("event", "list", "arxiv:2401.00003", "--json", home=home).fine().objects


# -- homes ---------------------------------------------------------------------

IN_A_HOME = (
    ("mint", "FILE"),
    ("record", "list"),
    ("record", "show", "AAAAAAAA"),
    ("receipt", "list"),
    ("receipt", "show", "AAAAAAAA"),
    ("event", "list", "AAAAAAAA"),
    ("state", "show", "AAAAAAAA"),
    ("bundle", "build", "AAAAAAAA"),
    ("key", "list"),
    ("key", "show"),
    ("key", "create"),
)


@pytest.mark.parametrize("command", IN_A_HOME)
def test_no_home(pith: Pith, record_file: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    line = [record_file if part == "FILE" else part for part in command]

    done = pith(*line, home=tmp_path / "nowhere").refused(2, "config.home")

    assert "pith init" in done.err
    assert not (tmp_path / "nowhere").exists()


def test_where_the_home_is_said(home: Path, stocked: Path, tmp_path: Path) -> None:
    by_variable = process("record", "list", home=stocked).fine()
    by_option = process("record", "list", "--home", stocked, home=home).fine()
    by_root = process("--home", stocked, "record", "list", home=home).fine()
    relative = process("record", "list", "--home", "stocked", cwd=tmp_path).fine()

    assert by_variable.out == by_option.out == by_root.out == relative.out != b""
    process("record", "list", home=tmp_path / "nowhere").refused(2, "config.home")


def test_the_platforms_place(home: Path, tmp_path: Path) -> None:
    place = tmp_path / "user" / ".local" / "share"
    place.mkdir(parents=True)
    shutil.copytree(home, place / "pith")

    process("record", "list", env={"HOME": str(tmp_path / "user")}).fine()
    process("record", "list", env={"XDG_DATA_HOME": str(place)}).fine()
    process("record", "list", env={"HOME": str(tmp_path)}).refused(2, "config.home")


def test_no_home_folder_of_the_user_at_all() -> None:
    for env in ({"HOME": ""}, {"HOME": "/"}):
        process("record", "list", env=env).refused(2, "config.home")
        process("number", "-", env=env, stdin=lines_of(1)).fine()


@pytest.fixture(name="open_home")
def _open_home(home: Path) -> Iterator[Path]:
    """A home of root's that everybody may look into and nobody else may write."""
    with open_folder() as folder:
        yield Path(shutil.copytree(home, folder / "home"))


def test_a_home_of_somebody_else(pith: Pith, open_home: Path, record_file: Path) -> None:
    pith("mint", record_file, home=open_home).fine()
    for path in (open_home, *open_home.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)

    done = as_nobody("record", "list", home=open_home)

    assert done.code in (0, 8), done
    if done.code:
        assert any(line.startswith("pith: hint: ") for line in done.errors)
    assert "Traceback" not in done.err


def test_a_home_that_may_not_be_entered(pith: Pith, open_home: Path) -> None:
    pith("record", "list", home=open_home).fine()
    open_home.chmod(0o700)

    done = as_nobody("record", "list", home=open_home)

    assert done.code in (2, 8), done
    one_refusal(done, done.code)


def test_a_home_whose_disk_is_read_only(pith: Pith, home: Path, record_file: Path) -> None:
    needs("root", "unshare")
    before = {name: (home / name).read_bytes() for name in tree(home)}
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'

    def there(*arguments: object) -> Done:
        command = ["unshare", "-m", "sh", "-c", script, "sh", str(home), *PITH]
        done = subprocess.run(
            [*command, *map(str, arguments)],
            env=environment(home),
            capture_output=True,
            timeout=30,
        )
        return Done(done.returncode, done.stdout, done.stderr.decode())

    done = there("mint", record_file)

    one_refusal(done, 8)
    assert any(line.startswith("pith: hint: ") for line in done.errors)
    assert there("doctor").code == 8
    assert {name: (home / name).read_bytes() for name in tree(home)} == before


def test_an_unwritable_place_for_a_new_home(pith: Pith, tmp_path: Path, home: Path) -> None:
    options = ("--registry", "lab.example", "--base-url", "https://lab.example")
    with open_folder() as folder:
        secret = folder / "secret"
        secret.write_text("correct horse")
        secret.chmod(0o600)
        os.chown(secret, NOBODY, NOBODY)
        key = ("--signer", "file:", "--passphrase", f"file:{secret}")
        assert pith("init", *options, *key, home=tmp_path / "first").code == 7

        done = as_nobody("init", *options, *key, home=folder / "home")

        assert done.code == 8, done
        assert any(line.startswith("pith: hint: ") for line in done.errors)
        assert tree(folder) == ["secret"]


def test_files_that_nobody_may_read(pith: Pith, record_file: Path, tmp_path: Path) -> None:
    with open_folder() as folder:
        file = folder / "record.json"
        file.write_bytes(record_file.read_bytes())
        pith("number", file).fine()
        pith("verify", "-q", file)
        file.chmod(0o600)

        for command in (("number",), ("verify", "-q")):
            one_refusal(as_nobody(*command, file, home=folder).refused(8, "file.read"), 8)


# -- disks and streams ---------------------------------------------------------


@pytest.fixture(name="small_disk")
def _small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 KiB."""
    needs("tmpfs")
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k,mode=700", "tmpfs", str(place)]
    subprocess.run(mount, check=True, timeout=10)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True, timeout=10)


def test_a_mint_on_a_full_disk_is_whole_when_there_is_space(
    home: Path, small_disk: Path, tmp_path: Path
) -> None:
    place = copied(home, small_disk / "home")
    file = tmp_path / "records.jsonl"
    file.write_bytes(lines_of(300))

    done = process("mint", file, home=place)

    one_refusal(done.refused(8, "store.write"), 8)
    assert any(line.startswith("pith: hint: ") for line in done.errors)
    assert done.out == b""
    assert process("doctor", home=place).code in (8, 9)

    remount = ["mount", "-o", "remount,size=20m", str(small_disk)]
    subprocess.run(remount, check=True, timeout=10)
    assert len(process("mint", file, home=place).fine().lines) == 300
    assert {len(each) for each in receipts(place).values()} == {1}
    assert len(receipts(place)) == 300
    assert rows(place, "SELECT count(*) FROM intents") == [(0,)]
    assert process("doctor", home=place).code == 9


def test_a_full_disk_between_batches_keeps_what_was_printed(
    home: Path, small_disk: Path, tmp_path: Path
) -> None:
    place = copied(home, small_disk / "home")
    config = place / "config.toml"
    config.write_text(config.read_text() + "\n[mint]\nbatch = 5\n")
    file = tmp_path / "records.jsonl"
    file.write_bytes(lines_of(300))

    done = process("mint", file, home=place).refused(8, "store.write")

    held = receipts(place)
    assert 0 < len(done.lines) < 300
    assert {line.split(":")[2] for line in done.lines} <= set(held)
    assert {len(each) for each in held.values()} == {1}

    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True, timeout=10)
    process("mint", file, home=place).fine()
    later = receipts(place)
    assert len(later) == 300
    assert {suffix: later[suffix] for suffix in held} == held


def test_init_on_a_full_disk_makes_nothing(small_disk: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text("correct horse")
    options = (
        "--registry",
        "lab.example",
        "--base-url",
        "https://lab.example",
        "--signer",
        "file:",
        "--passphrase",
        f"file:{secret}",
    )
    (small_disk / "filler").write_bytes(bytes(340 << 10))

    one_refusal(process("init", *options, home=small_disk / "home"), 8)
    assert tree(small_disk) == ["filler"]

    (small_disk / "filler").unlink()
    process("init", *options, home=small_disk / "home").fine()


def test_an_output_file_on_a_full_disk_is_not_half_written(stocked: Path, small_disk: Path) -> None:
    (small_disk / "bundle.json").write_text("the old one")
    (small_disk / "filler").write_bytes(bytes(392 << 10))
    build = ("bundle", "build", "arxiv:2401.00001", "-o", small_disk / "bundle.json")

    one_refusal(process(*build, home=stocked).refused(8, "output.write"), 8)

    assert (small_disk / "bundle.json").read_text() == "the old one"
    assert tree(small_disk) == ["bundle.json", "filler"]


def to(path: str, *arguments: object, home: Path | None = None) -> "tuple[int, str]":
    """A command whose stdout is a file, by its exit code and prose."""
    with open(path, "wb") as out:
        done = subprocess.run(
            [*PITH, *map(str, arguments)],
            stdout=out,
            stderr=subprocess.PIPE,
            env=environment(home),
            timeout=30,
        )
    return done.returncode, done.stderr.decode()


def test_a_full_device_as_stdout(stocked: Path, record_file: Path, tmp_path: Path) -> None:
    seed = tmp_path / "seed.json"
    seed.write_bytes(data.seed_bundle())
    for command in (
        ("number", record_file),
        ("mint", record_file),
        ("verify", seed),
        ("record", "list"),
        ("bundle", "build", "arxiv:2401.00001"),
        ("--version",),
        ("--help",),
    ):
        code, prose = to("/dev/full", *command, home=stocked)
        assert code == 8, (command, prose)
        assert "Traceback" not in prose
        assert "Exception ignored" not in prose


def test_a_mint_whose_numbers_could_not_be_printed_is_kept(home: Path, record_file: Path) -> None:
    assert to("/dev/full", "mint", record_file, home=home)[0] == 8

    (receipt,) = receipts(home)[record().number.suffix]
    again = process("mint", record_file, "--json", home=home).fine().object
    assert again["receipt"] == receipt
    assert again["new"] is False


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-", "2>/dev/full"])
def test_closed_streams(closed: str, tmp_path: Path, record_file: Path) -> None:
    for arguments, code in (("record.json", 0), ("-", 3), ("absent.json", 5)):
        done = subprocess.run(
            ["sh", "-c", f'"$@" number {arguments} {closed}', "sh", *PITH],
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=tmp_path,
            timeout=30,
        )
        assert b"Traceback" not in done.stderr
        expected = {code} if ">&-" not in closed or closed == "2>&-" else {code, 8, 130}
        if closed == "<&-" and arguments == "-":
            expected = {2, 3, 5, 8}
        assert done.returncode in expected, (arguments, closed, done)


def test_a_reader_that_goes_away_is_no_error(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    file.write_bytes(lines_of(600))
    process("mint", file, home=home).fine()

    for command in ("record list --json", "receipt list", "number records.jsonl --json"):
        line = f'"$@" {command} 2>prose | head -1; exit "${{PIPESTATUS[0]}}"'
        done = subprocess.run(
            ["bash", "-c", line, "bash", *PITH],
            env=environment(home),
            capture_output=True,
            cwd=tmp_path,
            timeout=60,
        )
        assert len(done.stdout.splitlines()) == 1
        assert done.returncode in (0, 130, 141), command
        assert (tmp_path / "prose").read_text() == ""
        assert done.stderr == b""


def test_a_pipe_closed_before_the_first_byte(seed_file: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*PITH, "verify", str(seed_file)],
        stdout=writing,
        stderr=subprocess.PIPE,
        env=environment(),
        timeout=30,
    )
    os.close(writing)

    assert done.returncode in (0, 130)
    assert b"Traceback" not in done.stderr


@pytest.fixture(name="seed_file")
def _seed_file(tmp_path: Path) -> Path:
    file = tmp_path / "seed.json"
    file.write_bytes(data.seed_bundle())
    return file


def test_a_terminal_of_another_encoding_is_no_crash(seed_file: Path, home: Path) -> None:
    for encoding in ("ascii", "latin-1"):
        env = {"PYTHONIOENCODING": encoding}
        assert process("verify", seed_file, env=env).code == 0
        assert process("number", "caf\xe9", env=env, prose=False).code == 5
        assert process("doctor", home=home, env=env).code == 9


# -- usage ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ("nothing",),
        ("mint",),
        ("number",),
        ("verify",),
        ("record", "nothing"),
        ("record", "show"),
        ("event", "show"),
        ("event", "add"),
        ("event", "add", "nothing"),
        ("mint", "--nothing", "x"),
        ("--nothing",),
        ("init", "extra"),
        ("bundle", "build", "a", "b"),
        ("verify", "x", "--pin"),
    ],
)
def test_asked_wrongly(pith: Pith, command: tuple[str, ...]) -> None:
    if command == ("event", "add"):
        assert process(*command, prose=False).code == 2
        return
    done = pith(*command)

    assert done.code == 2
    assert done.out == b""
    assert "[usage]" in done.err
    assert any(line.startswith("pith: hint: ") for line in done.errors)


def test_without_a_word_the_help_is_shown() -> None:
    done = process(prose=False)

    assert done.code == 2
    assert "Usage: pith" in done.out.decode() + done.err


def test_version_and_module() -> None:
    assert process("--version").fine().out.decode() == f"pith {VERSION}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion(shell: str) -> None:
    script = process("--show-completion", shell).fine().out.decode()
    assert "pith" in script

    env = {
        "COMP_WORDS": "pith re",
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": "pith re",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_PITH_COMPLETE": f"complete_{shell}",
    }
    done = process(env=env)
    assert done.code == 0
    assert "record" in done.out.decode()
    assert "receipt" in done.out.decode()
