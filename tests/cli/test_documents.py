"""pith receipt, event, state and bundle."""

import json
import os
import stat
from pathlib import Path

import pytest

from registry.protocol.canonical import canonical
from registry.protocol.event import Event
from registry.protocol.graph import EMPTY_SHA256
from registry.store.packing import unpack
from tests.cli.conftest import Pith
from tests.cli.lab import ABSTRACT, REGISTRY, TITLE, process, record, rows

PAPER = "arxiv:2401.00001"
ADD = ("event", "add", "graph-snapshot", PAPER, "--title", TITLE, "--abstract", ABSTRACT)


# -- receipts ------------------------------------------------------------------


def test_a_receipt_is_shown_listed_and_exported(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    shown = pith("receipt", "show", PAPER, home=stocked).fine().object
    exported = pith("receipt", "export", PAPER, home=stocked).fine().out
    file = tmp_path / "receipt.json"
    told = pith("receipt", "export", PAPER, "-o", file, home=stocked).fine()
    listed = pith("receipt", "list", "--json", home=stocked).fine().objects

    assert shown["canonical_sha256"] == record().sha256
    assert shown["first_computed_at"] == shown["last_reissued_at"] <= shown["signed_at"]
    assert json.loads(exported) == shown
    assert not exported.endswith(b"\n")
    assert file.read_bytes() == exported
    assert told.out == b""
    assert told.errors == [f"pith: wrote {file}"]
    assert len(listed) == 3
    assert {"pith_number": str(record().number), "receipt": shown} in listed


def test_the_list_for_people_has_a_line_a_record(pith: Pith, stocked: Path) -> None:
    lines = pith("receipt", "list", home=stocked).fine().lines

    assert len(lines) == 3
    assert all(line.startswith("pith:2024:") for line in lines)
    assert lines == sorted(lines)


# -- events --------------------------------------------------------------------


def test_a_snapshot_is_chained_to_the_mint_and_says_what_it_was_given(
    pith: Pith, stocked: Path
) -> None:
    done = pith(
        *ADD, "--authors", "B. Other and A. Author", "--headline", "Names!", "--json", home=stocked
    ).fine()
    event = done.object["event"]
    listed = pith("event", "list", PAPER, "--json", home=stocked).fine().objects
    snapshot = event["payload"]["graph_snapshot"]

    assert done.object["new"] is True
    assert event["prev_event"] == listed[1]["event_id"]
    assert listed[1]["prev_event"] == listed[0]["event_id"]
    assert event["supersedes"] == [listed[1]["event_id"]]
    assert listed[2] == event
    assert event["signer"]["signer_id"] == REGISTRY
    assert snapshot["paper"]["title"] == TITLE
    assert snapshot["paper"]["abstract_excerpt"] == ABSTRACT
    assert snapshot["paper"]["headline"] == "Names!"
    assert snapshot["claims"]["snapshot_sha256"] == EMPTY_SHA256


def test_the_same_snapshot_again_is_not_signed(pith: Pith, stocked: Path) -> None:
    before = rows(stocked, "SELECT count(*) FROM signatures")
    first = pith("event", "list", PAPER, home=stocked).fine().lines

    done = pith(*ADD, "--authors", "A. Author", home=stocked).fine()

    assert "nothing was signed" in done.err
    assert first[1].startswith(done.lines[0])
    assert rows(stocked, "SELECT count(*) FROM signatures") == before
    assert pith("event", "list", PAPER, home=stocked).fine().lines == first


def test_there_and_back_again_is_three_snapshots(pith: Pith, stocked: Path) -> None:
    for headline in ("one", "two", "one"):
        pith(*ADD, "--headline", headline, home=stocked).fine()

    state = pith("state", "show", PAPER, home=stocked).fine().object

    assert state["event_count"] == 5
    (current,) = state["current"]["graph_snapshots"]
    assert current["payload"]["graph_snapshot"]["paper"]["headline"] == "one"


@pytest.mark.parametrize(
    ("options", "code", "rule"),
    [
        (("--title", "Off Names", "--abstract", ABSTRACT), 4, "graph.title"),
        (("--title", TITLE, "--abstract", "We do not."), 4, "graph.abstract"),
        (("--title", TITLE), 2, "usage.missing"),
        (("--abstract", ABSTRACT), 2, "usage"),
        (("--title", TITLE, "--abstract", "a", "--abstract-file", "b"), 2, "usage.missing"),
        (("--title", TITLE, "--abstract-file", "/no/such/file"), 5, "file.absent"),
    ],
)
def test_a_snapshot_that_is_refused_signs_nothing(
    pith: Pith, stocked: Path, options: tuple[str, ...], code: int, rule: str
) -> None:
    before = rows(stocked, "SELECT count(*) FROM signatures")

    done = pith("event", "add", "graph-snapshot", PAPER, *options, home=stocked)

    if rule == "usage":
        assert done.code == code
        assert "[usage" in done.err
    else:
        done.refused(code, rule)
    assert rows(stocked, "SELECT count(*) FROM signatures") == before
    assert rows(stocked, "SELECT count(*) FROM intents") == [(0,)]


def test_the_abstract_of_a_snapshot_from_standard_input(stocked: Path) -> None:
    add = ("event", "add", "graph-snapshot", PAPER, "--title", TITLE, "--abstract-file", "-")

    process(*add, home=stocked, stdin=b"We\nname.\n").fine()


def test_list_and_show_agree(pith: Pith, stocked: Path) -> None:
    listed = pith("event", "list", PAPER, home=stocked).fine().lines
    whole = pith("event", "list", PAPER, "--json", home=stocked).fine().objects

    assert [line.split()[1] for line in listed] == ["record_created", "graph_snapshot"]
    for line, value in zip(listed, whole, strict=True):
        event_id, _, created_at = line.split()
        shown = pith("event", "show", event_id, home=stocked).fine()
        assert shown.object == value
        assert shown.out == canonical(value) + b"\n"
        assert Event.parse(shown.out.strip()).event_id == event_id
        assert value["created_at"] == created_at


@pytest.mark.parametrize(
    ("event_id", "code", "rule"),
    [
        ("sha256:" + "0" * 64, 5, "event.absent"),
        ("0" * 64, 5, "event.absent"),
        ("sha256:" + "A" * 64, 3, None),
        ("sha256:" + "0" * 63, 3, None),
        ("", 3, None),
        ("\x1b[31m", 3, None),
    ],
)
def test_an_event_that_is_not_there(
    pith: Pith, stocked: Path, event_id: str, code: int, rule: str | None
) -> None:
    done = pith("event", "show", event_id, home=stocked)

    assert done.code == code
    if rule is not None:
        done.refused(code, rule)


# -- state and bundle ----------------------------------------------------------


def test_the_state_is_the_one_in_the_bundle(pith: Pith, stocked: Path) -> None:
    state = pith("state", "show", PAPER, home=stocked).fine()
    bundle = json.loads(pith("bundle", "build", PAPER, home=stocked).fine().out)

    assert bundle["state"] == state.object
    assert not state.out.endswith(b"\n")
    assert state.object["event_count"] == state.object["valid_event_count"] == 2


def test_a_bundle_is_one_line_without_a_newline(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    file = tmp_path / "bundle.json"
    printed = pith("bundle", "build", PAPER, home=stocked).fine().out
    pith("bundle", "build", PAPER, "-o", file, home=stocked).fine()

    assert b"\n" not in printed
    assert printed.startswith(b'{"')
    assert b"\n" not in file.read_bytes()
    assert pith("verify", file, home=stocked).fine()
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_a_bundle_that_was_built_is_kept_and_in_the_journal(pith: Pith, stocked: Path) -> None:
    data = pith("bundle", "build", PAPER, home=stocked).fine().out
    digest = json.loads(data)["bundle_signature"]["bundle_sha256"].upper()

    ((kept, packed),) = rows(stocked, "SELECT hex(sha256), body FROM bundles")
    assert (kept, unpack(packed)) == (digest, data)
    assert rows(stocked, "SELECT hex(digest) FROM signatures WHERE kind = 'bundle'") == [(digest,)]


def test_the_links_of_a_bundle_stand_on_the_configured_base(pith: Pith, stocked: Path) -> None:
    bundle = json.loads(pith("bundle", "build", PAPER, home=stocked).fine().out)

    assert all(link.startswith("https://lab.example/") for link in bundle["links"].values())


# -- files that are written ----------------------------------------------------

EXPORT = ("receipt", "export", PAPER, "-o")


def test_a_file_that_is_there_is_replaced_whole(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    file.write_bytes(b"x" * 100_000)
    pith(*EXPORT, file, home=stocked).fine()

    assert json.loads(file.read_bytes())["kind"] == "pith_receipt"
    assert {path.name for path in tmp_path.iterdir()} == {"stocked", "receipt.json"}


@pytest.mark.parametrize("where", ["no/such/folder/x.json", "stocked", "stocked/config.toml/x"])
def test_an_output_that_cannot_be_written(
    pith: Pith, stocked: Path, tmp_path: Path, where: str
) -> None:
    done = pith(*EXPORT, tmp_path / where, home=stocked).refused(8, "output.write")

    assert any(line.startswith("pith: hint: ") for line in done.errors)
    assert {path.name for path in tmp_path.iterdir()} == {"stocked"}


def test_a_pipe_stays_a_pipe(stocked: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        done = process(*EXPORT, pipe, home=stocked)
        assert stat.S_ISFIFO(pipe.lstat().st_mode)
        if done.code == 0:
            assert json.loads(os.read(reading, 1 << 16))["kind"] == "pith_receipt"
    finally:
        os.close(reading)


def test_a_link_is_followed_or_refused_and_never_replaced(
    pith: Pith, stocked: Path, tmp_path: Path
) -> None:
    (tmp_path / "target").touch()
    (tmp_path / "link").symlink_to("target")

    done = pith(*EXPORT, tmp_path / "link", home=stocked)

    assert (tmp_path / "link").is_symlink()
    if done.code == 0:
        assert json.loads((tmp_path / "target").read_bytes())["kind"] == "pith_receipt"
