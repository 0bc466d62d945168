"""pith number, and how every batch reads its files."""

import os
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.conftest import Pith
from tests.cli.lab import PITH, environment, lines_of, process, record

BAD = b'{"schema_version":"1.0"}\n'


def test_one_record_is_named(pith: Pith, record_file: Path) -> None:
    done = pith("number", record_file).fine()

    assert done.out.decode() == f"{record().number}\n"
    assert done.err == ""


def test_json_gives_every_name(pith: Pith, record_file: Path) -> None:
    found = pith("number", record_file, "--json").fine().object
    suffix = record().number.suffix

    assert found["pith_number"] == str(record().number)
    assert found["short_pith_number"] == f"pith:{suffix[:8]}"
    assert found["canonical_sha256"] == record().sha256
    assert [(a["alias_kind"], a["alias_value"]) for a in found["aliases"]] == [
        ("arxiv", "2401.00001"),
        ("arxiv_version", "2401.00001v1"),
        ("doi", "10.48550/arxiv.2401.00001"),
        ("pith_short_12", suffix[:12]),
        ("pith_short_16", suffix[:16]),
        ("pith_short_8", suffix[:8]),
    ]


def test_a_laid_out_record_is_one_document(pith: Pith, tmp_path: Path) -> None:
    file = tmp_path / "laid-out.json"
    file.write_bytes(record().canonical.replace(b",", b",\n  ").replace(b"{", b"{\n  "))

    assert pith("number", file).fine().lines == [str(record().number)]


def test_jsonl_with_blank_lines_and_windows_newlines(pith: Pith, tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    file.write_bytes(b"\n" + lines_of(3).replace(b"\n", b"\r\n\r\n"))

    assert pith("number", file).fine().lines == [str(record(i).number) for i in (1, 2, 3)]


def test_a_last_line_without_a_newline_counts(pith: Pith, tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    file.write_bytes(lines_of(2).rstrip(b"\n"))

    assert len(pith("number", file).fine().lines) == 2


def test_standard_input_is_read(record_file: Path) -> None:
    given = lines_of(2)

    assert process("number", "-", stdin=given).fine().lines == [
        str(record(i).number) for i in (1, 2)
    ]


def test_several_files_in_order(pith: Pith, record_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_bytes(lines_of(2, first=5))

    done = pith("number", other, record_file).fine()

    assert done.lines == [str(record(i).number) for i in (5, 6, 1)]


def test_a_bad_line_is_told_by_its_number_and_the_rest_goes_on(pith: Pith, tmp_path: Path) -> None:
    file = tmp_path / "mixed.jsonl"
    file.write_bytes(lines_of(1) + BAD + b"\n" + b"not json\n" + lines_of(1, first=2))

    done = pith("number", file)

    assert done.code == 3
    assert done.lines == [str(record(i).number) for i in (1, 2)]
    told = [line for line in done.errors if "hint: " not in line]
    assert [line.split(": ")[1] for line in told] == ["mixed.jsonl line 2", "mixed.jsonl line 4"]
    assert told[0].endswith("[schema.members]")
    assert told[1].endswith("[json.syntax]")


def test_strict_stops_at_the_first_bad_line(pith: Pith, tmp_path: Path) -> None:
    file = tmp_path / "mixed.jsonl"
    file.write_bytes(lines_of(1) + BAD + b"not json\n" + lines_of(1, first=2))

    done = pith("number", file, "--strict").refused(3, "schema.members")

    assert done.lines == [str(record(1).number)]
    assert "line 4" not in done.err


@pytest.mark.parametrize("first", [b"not json\n", b'{"source":\n', BAD])
def test_a_bad_first_line_loses_no_other(first: bytes) -> None:
    done = process("number", "-", stdin=first + lines_of(2))

    assert done.code == 3
    assert len(done.lines) == 2
    assert "line 1" in done.err


def test_a_blank_first_line_loses_no_other() -> None:
    assert len(process("number", "-", stdin=b"\n" + lines_of(2)).fine().lines) == 2


def test_an_absent_file_is_told_and_the_others_are_read(
    pith: Pith, record_file: Path, tmp_path: Path
) -> None:
    done = pith("number", tmp_path / "absent.json", record_file).refused(5, "file.absent")

    assert done.lines == [str(record().number)]


def test_the_first_refused_decides_the_exit_code(
    pith: Pith, record_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "mixed.jsonl"
    file.write_bytes(lines_of(1) + BAD)

    assert pith("number", file, tmp_path / "absent.json").code == 3


def test_a_line_over_a_mebibyte_is_refused_and_the_next_is_read(pith: Pith, tmp_path: Path) -> None:
    file = tmp_path / "huge.jsonl"
    file.write_bytes(b'{"x":"' + b"a" * (2 << 20) + b'"}\n' + lines_of(1))

    done = pith("number", file).refused(3, "json.size")

    assert "huge.jsonl line 1" in done.err
    assert done.lines == [str(record().number)]


def test_it_needs_no_home(record_file: Path) -> None:
    assert process("number", record_file, home=Path("/nonexistent/home")).fine().lines


# -- long inputs, which are worked on by all cores ------------------------------

LONG = 9_000


@pytest.fixture(name="long_file", scope="module")
def _long_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three different records again and again, one line in 4,000 bad."""
    file = tmp_path_factory.mktemp("long") / "long.jsonl"
    lines = [record(i % 3 + 1).canonical + b"\n" for i in range(LONG)]
    for at in (0, 4_000, 8_000):
        lines[at] = b"not json\n"
    file.write_bytes(b"".join(lines))
    return file


def test_a_long_input_keeps_its_order_and_its_line_numbers(long_file: Path) -> None:
    done = process("number", long_file)

    wanted = [str(record(i % 3 + 1).number) for i in range(LONG) if i not in (0, 4_000, 8_000)]
    assert done.code == 3
    assert done.lines == wanted
    assert [line.split(":")[1] for line in done.errors] == [
        f" long.jsonl line {n}" for n in (1, 4_001, 8_001)
    ]


def test_a_long_input_stops_where_it_is_strict(long_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "from-the-second.jsonl"
    file.write_bytes(long_file.read_bytes().partition(b"\n")[2])

    done = process("number", "--strict", file)

    assert done.code == 3
    assert len(done.lines) == 3_999
    assert len(done.errors) == 1


def test_ctrl_c_in_a_long_input_ends_all_of_it(long_file: Path) -> None:
    """It stands at a pipe that nobody reads on, its workers busy or waiting."""
    running = subprocess.Popen(
        [*PITH, "number", "--json", *[str(long_file)] * 5],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        start_new_session=True,
    )
    assert running.stdout is not None
    running.stdout.readline()
    os.killpg(running.pid, signal.SIGINT)
    _, prose = running.communicate(timeout=20)

    assert running.returncode == 130
    assert prose.endswith(b"pith: interrupted\n")
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)


def test_many_long_lines_take_little_memory() -> None:
    line = b'{"a":"' + b"x" * ((1 << 20) - 20) + b'"}\n'
    command = ["bash", "-c", 'ulimit -v 1200000; exec "$@"', "bash", *PITH, "number", "-"]
    with tempfile.TemporaryFile() as prose:
        running = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=prose,
            env=environment(),
        )
        assert running.stdin is not None
        with suppress(BrokenPipeError), running.stdin as stdin:
            for _ in range(1_300):
                stdin.write(line)
        code = running.wait(timeout=60)
        prose.seek(0)
        text = prose.read()

    assert b"MemoryError" not in text
    assert code == 3
    assert text.count(b"[schema.members]") == 1_300
