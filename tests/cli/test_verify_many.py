"""`pith verify` of folders, files of lines and several files, on all cores."""

import json
import os
from functools import cache
from pathlib import Path

import pytest

from registry.services.verify_many import BATCH
from tests.cli.conftest import Pith
from tests.cli.lab import process
from tests.world import OTHER_REGISTRY, RECORD, REGISTRY, dump, put, record

PIN = f"{REGISTRY.key_id}={REGISTRY.key.hex}"


@cache
def bundles(count: int) -> tuple[bytes, ...]:
    titles = [f"Paper {i}" for i in range(count)]
    return tuple(
        REGISTRY.bundle(record(title), REGISTRY.history(record(title), title)).to_bytes()
        for title in titles
    )


def spoilt(data: bytes) -> bytes:
    """A bundle whose snapshot says something else than what was signed."""
    value = json.loads(data)
    put("events.1.payload.graph_snapshot.paper.headline", "forged")(value)
    return dump(value)


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """Three good bundles at two depths."""
    one, two, three = bundles(3)
    for name, data in (("a.json", one), ("deep/er/b.json", two), (".well-known/c.json", three)):
        path = tmp_path / "found" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "found"


def test_a_folder_of_good_bundles_and_those_below_it(pith: Pith, folder: Path) -> None:
    done = pith("verify", folder, "--pin", PIN).fine()

    assert done.out == b""
    assert done.errors == [f"pith: verified: 3 documents of {REGISTRY.name}; refused: 0"]


def test_each_that_is_refused_has_a_line_and_the_first_one_the_exit_code(
    pith: Pith, folder: Path
) -> None:
    (folder / "a.json").write_bytes(spoilt(bundles(1)[0]))

    done = pith("verify", folder, "--pin", PIN)

    assert done.code == 4
    (line,) = [line for line in done.lines if line.startswith("FAIL")]
    assert f"{folder}/a.json  event.digest: " in line
    assert done.errors == [f"pith: verified: 2 documents of {REGISTRY.name}; refused: 1"]


def test_the_exit_code_is_that_of_the_first_class(pith: Pith, tmp_path: Path) -> None:
    good, bad = bundles(1)[0], spoilt(bundles(1)[0])
    for codes, documents in ((4, (good, bad, b"{")), (3, (b"{", bad, good))):
        lines = tmp_path / "lines.jsonl"
        lines.write_bytes(b"\n".join(documents) + b"\n")

        assert pith("verify", lines, "--pin", PIN).code == codes


def test_without_a_pin_nothing_in_a_folder_is_trusted(pith: Pith, folder: Path) -> None:
    done = pith("verify", folder)

    assert done.code == 4
    assert done.out.count(b"[trust.pin]") == 3
    assert done.errors == ["pith: verified: 0 documents; refused: 3"]


def test_json_is_a_line_a_bundle(pith: Pith, folder: Path) -> None:
    (folder / "a.json").write_bytes(spoilt(bundles(1)[0]))

    found = {each["file"]: each for each in pith("verify", folder, "--json", "--pin", PIN).objects}

    assert len(found) == 3
    bad = found[f"{folder}/a.json"]
    assert (bad["ok"], bad["check"], bad["code"]) == (False, "event.digest", "event.digest")
    assert bad["reason"]
    good = found[f"{folder}/deep/er/b.json"]
    assert (good["ok"], good["registry"], good["line"]) == (True, REGISTRY.name, None)
    assert good["subject"] == json.loads(bundles(2)[1])["pith_number"]


def test_other_documents_of_a_folder_are_passed_over_and_counted(pith: Pith, folder: Path) -> None:
    (folder / "record.json").write_bytes(RECORD.canonical)
    (folder / "state.json").write_bytes(dump(json.loads(bundles(1)[0])["state"]))
    (folder / "notes.txt").write_text("no JSON")

    done = pith("verify", folder, "--pin", PIN).fine()

    assert done.errors[0].endswith("; refused: 0; passed over as no bundles: 2")


@pytest.mark.parametrize("member", ["bundle_type", "bundle_version", "bundle_signature"])
def test_a_bundle_that_lost_a_member_is_not_passed_over(
    pith: Pith, folder: Path, member: str
) -> None:
    value = json.loads(bundles(1)[0])
    del value[member]
    (folder / "a.json").write_bytes(dump(value))

    assert pith("verify", folder, "--pin", PIN).code == 3


def test_what_is_named_is_verified_whatever_it_is(pith: Pith, tmp_path: Path) -> None:
    good, other = tmp_path / "good.json", tmp_path / "record.json"
    good.write_bytes(bundles(1)[0])
    other.write_bytes(RECORD.canonical)

    done = pith("verify", good, other, "--pin", PIN)

    assert done.code == 3
    assert b"[document.kind]" in done.out


def test_a_folder_without_a_bundle_is_no_success(pith: Pith, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "record.json").write_bytes(RECORD.canonical)

    pith("verify", tmp_path / "empty", "--pin", PIN).refused(5, "verify.empty")


def test_several_files_one_of_them_absent(pith: Pith, folder: Path) -> None:
    done = pith("verify", folder / "a.json", folder / "gone.json", "--pin", PIN)

    assert done.code == 5
    assert b"[file.absent]" in done.out


def test_lines_are_told_by_their_number_and_lines_in_folders_read(
    pith: Pith, tmp_path: Path
) -> None:
    one, two = bundles(2)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "all.jsonl").write_bytes(one + b"\n\n" + spoilt(two) + b"\n")

    (bad,) = [
        each
        for each in pith("verify", tmp_path / "in", "--pin", PIN, "--json").objects
        if not each["ok"]
    ]

    assert (bad["file"], bad["line"]) == (f"{tmp_path}/in/all.jsonl", 3)


def test_many_go_to_workers_and_come_back_in_order(pith: Pith, tmp_path: Path) -> None:
    count = 2 * BATCH + 3
    lines = list(bundles(count))
    for place in (1, BATCH, count - 1):
        lines[place] = spoilt(lines[place])
    (tmp_path / "all.jsonl").write_bytes(b"\n".join(lines))

    found = pith("verify", tmp_path / "all.jsonl", "--pin", PIN, "--json").objects

    assert [each["line"] for each in found] == list(range(1, count + 1))
    assert [i for i, each in enumerate(found) if not each["ok"]] == [1, BATCH, count - 1]
    assert {each["code"] for each in found} == {None, "event.digest"}


def test_registry_is_asked_of_each(pith: Pith, tmp_path: Path) -> None:
    pins = ("--pin", PIN, "--pin", f"{OTHER_REGISTRY.key_id}={OTHER_REGISTRY.key.hex}")
    lines = bundles(1)[0] + b"\n" + OTHER_REGISTRY.bundle().to_bytes()
    (tmp_path / "all.jsonl").write_bytes(lines)

    pith("verify", tmp_path / "all.jsonl", *pins).fine()
    done = pith("verify", tmp_path / "all.jsonl", *pins, "--registry", REGISTRY.name)

    assert done.code == 4
    assert b"line 2  expect.registry" in done.out


@pytest.mark.parametrize(
    "option", [("--explain",), ("--expect", "arxiv:2401.00001"), ("--record", "x")]
)
def test_options_of_one_document(pith: Pith, folder: Path, option: tuple[str, ...]) -> None:
    pith("verify", folder, "--pin", PIN, *option).refused(2, "usage.together")


def test_pipes_and_links_to_nothing_are_refused_and_not_waited_for(
    pith: Pith, folder: Path
) -> None:
    os.mkfifo(folder / "pipe.json")
    (folder / "link.json").symlink_to("nowhere")
    (folder / "again").symlink_to(folder)

    found = pith("verify", folder, "--pin", PIN, "--json").objects

    codes = {Path(each["file"]).name: each["code"] for each in found if not each["ok"]}
    assert codes == {"pipe.json": "file.read", "link.json": "file.absent"}
    assert len(found) == 5


def test_names_of_files_do_nothing_to_a_terminal(pith: Pith, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\x1b[2J.json")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(b"{")

    done = pith("verify", tmp_path / "in", "--pin", PIN)

    assert done.code == 3
    assert b"\x1b" not in done.out
    assert b"\xff" not in done.out
    told = pith("verify", tmp_path / "in", "--pin", PIN, "--json").object
    assert told["file"].endswith("\\udcff\x1b[2J.json")


def test_quiet_says_it_with_the_exit_code(pith: Pith, folder: Path) -> None:
    (folder / "a.json").write_bytes(spoilt(bundles(1)[0]))

    done = pith("verify", folder, "--pin", PIN, "--quiet")

    assert (done.code, done.out, done.err) == (4, b"", "")


def test_lines_come_from_stdin_too(folder: Path) -> None:
    done = process("verify", "-", folder, "--pin", PIN, stdin=b"\n".join(bundles(2))).fine()

    assert done.errors == [f"pith: verified: 5 documents of {REGISTRY.name}; refused: 0"]
