"""pith ingest arxiv."""

import gzip
import json
import signal
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import pytest
import zstandard

from registry.ingest.entry import MAX_ROW
from registry.protocol.graph import Paper as Parts
from registry.protocol.record import Record
from registry.services import minting
from registry.store.packing import unpack
from tests.cli.conftest import Pith
from tests.cli.lab import copied, process, rows, start
from tests.ingest.papers import LICENSE, V1, V2, Paper, atom, kaggle, numbered, oai
from tests.parts import vectors_dir

PAPERS = [numbered(i) for i in (1, 2, 3)]
RECORDS = b"".join(each.record.canonical + b"\n" for each in PAPERS)


def written(file: Path, data: bytes) -> Path:
    file.write_bytes(data)
    return file


@pytest.fixture(name="snapshot")
def _snapshot(tmp_path: Path) -> Path:
    return written(tmp_path / "snapshot", kaggle(*PAPERS))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
@pytest.mark.parametrize("data", [kaggle(*PAPERS), oai(*PAPERS)], ids=["kaggle", "oai"])
def test_records_from_a_file_and_from_stdin(
    pith: Pith, tmp_path: Path, data: bytes, pack: Any
) -> None:
    file = written(tmp_path / "whatever.bin", pack(data))

    done = pith("ingest", "arxiv", file).fine()

    assert done.out == RECORDS
    assert done.errors[0].startswith("pith: 3 read, 3 accepted, 0 rejected, ")
    assert process("ingest", "arxiv", "-", stdin=pack(data)).fine().out == RECORDS


def test_several_members_and_frames_are_one_input(pith: Pith, tmp_path: Path) -> None:
    parts = [kaggle(each) for each in PAPERS]
    for pack in (gzip.compress, zstandard.compress):
        file = written(tmp_path / pack.__module__, b"".join(map(pack, parts)))
        assert pith("ingest", "arxiv", file).fine().out == RECORDS


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
@pytest.mark.parametrize("spoil", [lambda d: d[:-9], lambda d: d[:600] + b"xxxx" + d[604:]])
def test_what_is_damaged_is_read_as_far_as_it_goes(
    pith: Pith, tmp_path: Path, pack: Any, spoil: Any
) -> None:
    papers = kaggle(*(numbered(i) for i in range(1, 2000)))
    file = written(tmp_path / "cut", spoil(pack(papers)))
    good = written(tmp_path / "good", kaggle(*PAPERS))

    done = pith("ingest", "arxiv", file, good)

    assert done.code == 3
    assert "[ingest.compression]" in done.err
    assert done.out.endswith(RECORDS)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
@pytest.mark.parametrize("how", [(), ("--mint",)])
def test_no_row_before_the_damage_is_lost(
    pith: Pith, stocked: Path, tmp_path: Path, pack: Any, how: tuple[str, ...]
) -> None:
    papers = kaggle(*(numbered(i) for i in range(1, 1000)))
    file = written(tmp_path / "cut", pack(papers)[:-9])

    done = pith("ingest", "arxiv", file, *how, home=stocked)

    assert done.code == 3
    assert "pith: cut: the compressed input is damaged or cut off" in done.err
    assert len(done.lines) > 500


def test_graphs_stand_line_by_line_beside_the_records(
    pith: Pith, stocked: Path, tmp_path: Path
) -> None:
    file = written(tmp_path / "rows", kaggle(PAPERS[0], Paper(title=" "), PAPERS[1]))
    graphs = tmp_path / "graphs.jsonl"

    done = pith("ingest", "arxiv", file, "--graphs", graphs)

    lines = graphs.read_bytes().splitlines()
    assert len(lines) == len(done.lines) == 2
    parts = Parts.parse(lines[0])
    assert parts.title == "On Names, $\\mathbb{N}$ and \\'Etale Sheaves & <Others>"
    assert parts.authors == PAPERS[0].authors
    one = written(tmp_path / "one.json", lines[0])
    minted = written(tmp_path / "record.json", done.out.splitlines()[0])
    number = pith("mint", minted, home=stocked).fine().lines[0]
    pith("event", "add", "graph-snapshot", number, "--from", one, home=stocked).fine()


def test_refused_rows_go_to_the_file_and_stop_nothing(pith: Pith, tmp_path: Path) -> None:
    bad = (
        kaggle(Paper(id="cs/0000000")),
        b"{nonsense\n",
        b'{"id": "2401.00009", "x": "' + b"y" * MAX_ROW + b'"}\n',
        kaggle(Paper(id="2401.00007", title="a\x00b")),
        b"\xff\xfe\n",
    )
    data = kaggle(PAPERS[0]) + b"\n" + b"".join(bad) + kaggle(*PAPERS[1:])
    file = written(tmp_path / "rows.jsonl", data)
    rejects = tmp_path / "rejects.jsonl"

    done = pith("ingest", "arxiv", file, "--rejects", rejects)

    found = [json.loads(line) for line in rejects.read_bytes().splitlines()]
    assert done.code == 3
    assert done.out == RECORDS
    assert [(each["line"], each["id"], each["code"]) for each in found] == [
        (3, "cs/0000000", "source.id"),
        (4, "", "json.syntax"),
        (5, "2401.00009", "json.size"),
        (6, "2401.00007", "ingest.nul"),
        (7, "", "json.utf8"),
    ]
    assert all(each["reason"] and each["file"] == "rows.jsonl" for each in found)
    (summary,) = done.errors
    assert summary.startswith("pith: 8 read, 3 accepted, 5 rejected (source.id 1, json.syntax 1")


def test_without_a_file_they_are_told(pith: Pith, tmp_path: Path) -> None:
    file = written(tmp_path / "rows.jsonl", kaggle(Paper(title="\n")) + kaggle(*PAPERS))

    done = pith("ingest", "arxiv", file).refused(3, "ingest.empty")

    assert done.errors[0].startswith("pith: rows.jsonl line 1: ")
    assert done.out == RECORDS


def test_the_exit_code_is_of_the_first_refused(pith: Pith, tmp_path: Path) -> None:
    deleted = oai(PAPERS[0]).replace(b"<header>", b'<header status="deleted">')
    gone = written(tmp_path / "gone", deleted)
    bad = written(tmp_path / "bad", kaggle(Paper(title=" ")))

    assert pith("ingest", "arxiv", gone, bad).code == 5
    assert pith("ingest", "arxiv", bad, gone).code == 3
    assert pith("ingest", "arxiv", tmp_path / "absent", bad).code == 5


def test_atom_without_a_licence_is_refused(pith: Pith, tmp_path: Path) -> None:
    feed = written(tmp_path / "feed.xml", atom(*PAPERS))
    snapshot = written(tmp_path / "snapshot.gz", gzip.compress(kaggle(*PAPERS)))

    done = pith("ingest", "arxiv", feed).refused(2, "ingest.license")
    assert done.out == b""
    assert "--licenses-from" in done.err
    given = ("--license", LICENSE)
    assert pith("ingest", "arxiv", feed, *given).fine().out == RECORDS
    assert pith("ingest", "arxiv", feed, "--licenses-from", snapshot).fine().out == RECORDS
    pith("ingest", "arxiv", snapshot, *given).refused(2, "ingest.license")
    pith("ingest", "arxiv", feed, "--licenses-from", feed).refused(2, "ingest.license")
    none = pith("ingest", "arxiv", feed, "--license", "").fine()
    assert [json.loads(line)["metadata"]["license"] for line in none.lines] == [""] * 3


def test_a_licence_counts_for_its_version_alone(pith: Pith, tmp_path: Path) -> None:
    other = Paper(id="2401.00002", versions=(V1, V2, ("v3", "Sun, 3 Mar 2024 03:03:03 GMT")))
    feed = written(tmp_path / "feed.xml", atom(*PAPERS))
    snapshot = written(tmp_path / "snapshot", kaggle(PAPERS[0], other, PAPERS[2]))

    done = pith("ingest", "arxiv", feed, "--licenses-from", snapshot)

    assert done.refused(5, "ingest.license").out == b"".join(
        each.record.canonical + b"\n" for each in (PAPERS[0], PAPERS[2])
    )


def test_stdin_cannot_be_read_twice(tmp_path: Path) -> None:
    snapshot = written(tmp_path / "snapshot", kaggle(*PAPERS))

    process("ingest", "arxiv", "-", "--licenses-from", snapshot, stdin=atom(*PAPERS)).refused(
        2, "usage.together"
    )


def test_every_row_stands_for_itself(pith: Pith, tmp_path: Path) -> None:
    older, newer = Paper(versions=(V1,)), Paper()
    file = written(tmp_path / "rows", kaggle(newer, older, newer))

    found = [Record.parse(line) for line in pith("ingest", "arxiv", file).fine().out.splitlines()]

    assert [each.source.version for each in found] == [2, 1, 2]
    assert found == [newer.record, older.record, newer.record]


def test_limit_counts_rows_of_all_files(pith: Pith, snapshot: Path) -> None:
    assert len(pith("ingest", "arxiv", snapshot, snapshot, "--limit", 4).fine().lines) == 4
    assert pith("ingest", "arxiv", snapshot, "--limit", 0).fine().out == b""


def test_the_format_may_be_given(pith: Pith, tmp_path: Path) -> None:
    file = written(tmp_path / "comment", b"<!-- " + b"x" * 70_000 + b" -->" + oai(*PAPERS)[39:])

    assert pith("ingest", "arxiv", file, "--format", "arxivraw").fine().out == RECORDS
    pith("ingest", "arxiv", file, "--format", "atoms").refused(2, "ingest.format")
    pith("ingest", "arxiv", written(tmp_path / "x", b"a,b\n")).refused(3, "ingest.format")


def test_minting_signs_records_and_snapshots_once(pith: Pith, home: Path, snapshot: Path) -> None:
    first = pith("ingest", "arxiv", snapshot, "--mint", home=home).fine()
    again = pith("ingest", "arxiv", snapshot, "--mint", "--json", home=home).fine()

    assert first.lines == [str(each.record.number) for each in PAPERS]
    assert first.errors[0] == "pith: 3 minted, 0 minted before"
    assert again.errors[0] == "pith: 0 minted, 3 minted before"
    kinds = rows(home, "SELECT event_type, count(*) FROM events GROUP BY 1 ORDER BY 1")
    assert kinds == [("graph_snapshot", 3), ("record_created", 3)]
    shown = rows(
        home,
        "SELECT 'sha256:' || lower(hex(event_id)) FROM events "
        "WHERE event_type = 'graph_snapshot' ORDER BY seq",
    )
    assert [(each["graph_snapshot"],) for each in again.objects] == shown
    bundle = pith("bundle", "build", "arxiv:2401.00002", home=home).fine()
    assert (
        json.loads(bundle.out)["events"][1]["payload"]["graph_snapshot"]["paper"]["authors_text"]
        == "A. Author, B. Böök, C. D. Other"
    )


def test_many_minted_come_to_what_one_by_one_does(
    pith: Pith, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New, old, repeated, with another snapshot and without one, in workers: the same documents
    as with a page and a command for each, but for the time and what is signed over it."""
    monkeypatch.setattr(minting, "POOLED_FROM", 1)
    monkeypatch.setattr(minting, "cores", lambda: 2)
    crowd = Paper(id="2401.00099", authors=", ".join(f"Author {j:06}" for j in range(4_350)))
    other = Paper(id=PAPERS[1].id, title=PAPERS[1].title, authors="Somebody Else")
    papers = [*map(numbered, range(1, 9)), crowd, PAPERS[0], other, *map(numbered, range(9, 12))]
    config = home / "config.toml"
    config.write_text(config.read_text() + "\n[mint]\nbatch = 3\n")
    single = copied(home, tmp_path / "single")
    files = [written(tmp_path / f"{i}", kaggle(each)) for i, each in enumerate(papers)]

    pith("ingest", "arxiv", files[1], files[4], "--mint", home=home).fine()
    many = pith("ingest", "arxiv", *files, "--mint", "--json", home=home).refused(3, "event.size")
    for i in (1, 4):
        pith("ingest", "arxiv", files[i], "--mint", home=single).fine()
    alone = [pith("ingest", "arxiv", each, "--mint", "--json", home=single) for each in files]

    assert [without_times(line) for line in many.objects] == [
        without_times(line) for done in alone for line in done.objects
    ]
    assert [each["graph_snapshot"] is None for each in many.objects].count(True) == 1
    assert documents(home) == documents(single)


def without_times(line: Any) -> Any:
    """What a line of --json says that does not follow from when it was signed."""
    return {
        name: value for name, value in line.items() if name not in ("receipt", "graph_snapshot")
    }


def documents(home: Path) -> list[Any]:
    """What the events of a home say of each record, in the order of their chains."""
    found = rows(home, "SELECT subject, event_type, body FROM events ORDER BY subject, seq")
    return [
        (subject, kind, (json.loads(unpack(body))["payload"] | {"receipt": None}))
        for subject, kind, body in found
    ]


def test_a_record_too_long_for_a_snapshot_is_minted_alone(
    pith: Pith, home: Path, tmp_path: Path
) -> None:
    """One that no input may be, and one that only the event, with all that is in it, may not."""
    for count, code in ((6_000, "graph.size"), (4_350, "event.size")):
        crowd = Paper(
            id=f"2401.0{count}", authors=", ".join(f"Author {j:06}" for j in range(count))
        )
        file = written(tmp_path / "rows", kaggle(crowd, *PAPERS))
        done = pith("ingest", "arxiv", file, "--mint", home=home).refused(3, code)
        assert len(done.lines) == 4
    graphs = rows(home, "SELECT count(*) FROM events WHERE event_type = 'graph_snapshot'")
    assert graphs == [(3,)]


@pytest.mark.parametrize("option", ["--graphs", "--rejects"])
def test_what_is_read_is_never_written(pith: Pith, snapshot: Path, option: str) -> None:
    before = snapshot.read_bytes()

    pith("ingest", "arxiv", snapshot, option, snapshot).refused(2, "usage.together")
    pith("ingest", "arxiv", snapshot, option, "/nonexistent/x").refused(8, "output.write")

    assert snapshot.read_bytes() == before


@pytest.mark.parametrize("option", ["--graphs", "--rejects"])
def test_a_full_disk_is_told_of_the_output(tmp_path: Path, option: str) -> None:
    file = written(tmp_path / "rows", kaggle(*PAPERS, *[Paper(title=" ")] * 200))

    done = process("ingest", "arxiv", file, option, "/dev/full")

    assert "[output.write]" in done.err
    assert "cannot read" not in done.err
    assert done.code in (3, 8)


def test_ctrl_c_closes_with_the_summary(tmp_path: Path) -> None:
    lines = kaggle(*PAPERS) * 1000
    with start(
        "ingest", "arxiv", "-", home=tmp_path, stdin=PIPE, stdout=DEVNULL, stderr=PIPE
    ) as run:
        assert run.stdin is not None
        run.stdin.write(lines)
        run.stdin.flush()  # all but the last of it was read by now
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=60)

    assert run.returncode == 130
    assert b"accepted, 0 rejected" in err
    assert b"Traceback" not in err


def test_options_that_do_not_go_together(pith: Pith, snapshot: Path, tmp_path: Path) -> None:
    one = tmp_path / "one"

    for options in (("--mint", "--graphs", one), ("--graphs", one, "--rejects", one)):
        pith("ingest", "arxiv", snapshot, *options).refused(2, "usage.together")


def test_workers_give_the_same_in_the_same_order(tmp_path: Path) -> None:
    papers = [numbered(i) for i in range(1, 6_001)]
    spoilt = [Paper(title=" ") if i % 1000 == 7 else each for i, each in enumerate(papers)]
    wanted = [str(each.record.canonical, "utf-8") for each in spoilt if each.title != " "]
    file = written(tmp_path / "rows", kaggle(*spoilt))

    done = process("ingest", "arxiv", file, "--rejects", tmp_path / "rejects")

    assert done.code == 3
    assert done.lines == wanted
    lines = (tmp_path / "rejects").read_bytes().splitlines()
    assert [json.loads(line)["line"] for line in lines] == list(range(8, 6_001, 1000))


def test_the_real_rows(pith: Pith, home: Path) -> None:
    sample = vectors_dir() / "arxiv_kaggle_sample.jsonl"

    assert len(pith("ingest", "arxiv", sample).fine().lines) == 200
    assert len(pith("ingest", "arxiv", sample, "--mint", home=home).fine().lines) == 200


def test_ctrl_c_while_minting_keeps_what_was_told_and_the_next_goes_on(
    home: Path, tmp_path: Path
) -> None:
    papers = [numbered(i) for i in range(1, 3_201)]
    file = written(tmp_path / "rows", kaggle(*papers))
    with start("ingest", "arxiv", file, "--mint", home=home, stdout=PIPE, stderr=PIPE) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        told = [run.stdout.readline() for _ in range(2_050)]
        run.send_signal(signal.SIGINT)
        told += run.stdout.readlines()
        err = run.stderr.read()

    assert run.returncode == 130, err
    assert b"Traceback" not in err
    assert b"Exception ignored" not in err
    minted = rows(home, "SELECT count(*) FROM events WHERE event_type = 'graph_snapshot'")[0][0]
    assert len(told) <= minted < 3_200
    done = process("ingest", "arxiv", file, "--mint", home=home).fine()
    assert done.lines == [str(each.record.number) for each in papers]
    assert [line.decode().rstrip() for line in told] == done.lines[: len(told)]
    counts = "SELECT event_type, count(*) FROM events GROUP BY 1 ORDER BY 1"
    assert rows(home, counts) == [("graph_snapshot", 3_200), ("record_created", 3_200)]
