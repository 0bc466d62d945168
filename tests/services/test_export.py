"""An export holds every row to the byte, and an import takes all of it or nothing."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import apsw
import pytest
import zstandard

from registry.errors import PithError
from registry.protocol.canonical import canonical
from registry.services import export_form
from registry.services.check import check_store
from registry.services.export import Exported, export_store, rows_of
from registry.services.export_form import End, row_bytes
from registry.services.export_import import BATCH, ExportFile, import_export
from registry.services.mint import mint
from registry.store import sql
from registry.store.keeping import COPIED, RESTORED
from registry.store.store import Store
from registry.store.tables import BINARY, BY_NAME, TABLES, is_of_kind
from tests.cli.lab import record
from tests.services.filled import fill
from tests.services.registry import World
from tests.services.test_check import stocked

Lines = list[bytes]


@pytest.fixture(name="full", scope="module")
def _full(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A registry with something in every table."""
    world = stocked(tmp_path_factory.mktemp("full"))
    line = {"kind": "event", "digest": bytes(32), "key_id": "lab-v0", "at": 0}
    world.desk().store._rows(sql.ADD_RESTORED, line)
    return world


def exported(store: Store) -> tuple[bytes, Exported]:
    out = io.BytesIO()
    told = export_store(store, out.write, lambda done, total: None)
    return out.getvalue(), told


def lines_of(world: World) -> Lines:
    with Store(world.config.store_path, read_only=True) as store:
        return exported(store)[0].splitlines()


def new_home(world: World, folder: Path) -> World:
    """A place for the store of the same registry."""
    (folder / "new").mkdir()
    return World(folder / "new", keys=world.keys, clock=world.clock)


def taken(world: World, data: bytes) -> list[int]:
    passed: list[int] = []
    placed: list[tuple[int, int]] = []
    import_export(
        ExportFile(io.BytesIO(data)),
        world.config,
        at=world.clock(),
        told=passed.append,
        placed=lambda *counts: placed.append(counts),
    )
    assert bool(placed) == isinstance(world.config.store, str)
    return passed


def sealed(lines: Lines) -> bytes:
    """Lines with an end that fits them, as somebody makes it who changed them."""
    counts = dict.fromkeys(BY_NAME, 0)
    for line in lines[1:-1]:
        counts[json.loads(line)["table"]] += 1
    body = b"".join(line + b"\n" for line in lines[:-1])
    return body + End(counts, hashlib.sha256(body).hexdigest()).to_bytes()


# -- what comes back -------------------------------------------------------------


def test_every_row_of_every_table_comes_back_to_the_byte(full: World, tmp_path: Path) -> None:
    lines = lines_of(full)
    new = new_home(full, tmp_path)

    taken(new, b"".join(line + b"\n" for line in lines))

    with (
        Store(full.config.store_path, read_only=True) as store,
        Store(new.config.store_path, read_only=True) as copy,
    ):
        for table in TABLES:
            before, after = list(rows_of(store, table)), list(rows_of(copy, table))
            assert before, table.name
            assert after[: len(before)] == before, table.name
            assert len(after) - len(before) == (table.name == "acts"), table.name
        assert copy.mark == RESTORED
        assert copy.acts()[-1].act == "home made anew"


def test_an_imported_store_checks_as_the_exported_one(full: World, tmp_path: Path) -> None:
    new = new_home(full, tmp_path)
    taken(new, b"".join(line + b"\n" for line in lines_of(full)))

    found, wanted = (
        [(each.code, each.where) for each in check_store(world.desk(), lambda _: None)]
        for world in (new, full)
    )

    assert found == wanted


def test_the_same_rows_are_the_same_bytes_wherever_they_are(full: World, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with Store(full.config.store_path, read_only=True) as store:
        copy.touch()
        store.copy_to(copy, lambda done, total: None)
        first, second = exported(store), exported(store)
    with Store(copy) as other:
        other._engine.rows("VACUUM", {})
        assert other.mark == COPIED
        third = exported(other)

    assert first == second == third


def test_the_kinds_of_columns_are_those_of_the_database(tmp_path: Path) -> None:
    world = World(tmp_path / "home").begin()
    db = apsw.Connection(str(world.config.store_path))
    values = {"BLOB": b"", "INTEGER": 0, "TEXT": ""}
    for table in TABLES:
        for _, column, kind, full, _, key in db.execute(f"PRAGMA table_info({table.name})"):
            fitting = {None} if not full and not key else set()
            fitting.add(values[kind])
            for value in (*values.values(), None, 1.5, True):
                wanted = value in fitting and type(value) in map(type, fitting)
                assert is_of_kind(table, column, value) == wanted, (table.name, column, value)
            assert (kind == "BLOB") == (column in BINARY)


def test_bytes_that_are_no_text_come_back() -> None:
    table = BY_NAME["quarantine"]
    for body in (b"", b"{}", b'{"a":"\xff"}', b"\x00\xff", b'{"a":"\x00"}', "{é\u2028".encode()):
        row = ("n", "bundle", "r", "", "invalid", "c", 'a"\n', "s", 1, body)
        found = export_form.parse_line(row_bytes(table, row).removesuffix(b"\n"))
        assert found == (table, row)


def test_more_lines_than_a_batch_go_to_workers(tmp_path: Path) -> None:
    world = World(tmp_path / "home").begin()
    desk = world.desk()
    fill(desk, BATCH, at=world.clock())
    data, told = exported(desk.store)
    new = new_home(world, tmp_path)

    passed = taken(new, data)

    assert sum(passed) == told.rows > 2 * BATCH
    with Store(new.config.store_path, read_only=True) as copy:
        assert copy.count_minted() == BATCH


def test_an_export_is_of_one_moment_while_minting_goes_on(tmp_path: Path) -> None:
    world = World(tmp_path / "home").begin()
    desk, other = world.desk(), world.desk()
    fill(desk, 1000, at=world.clock())
    wanted, _ = exported(desk.store)
    pieces: list[bytes] = []

    def write(piece: bytes) -> None:
        pieces.append(piece)
        more = [record(len(pieces))]
        mint(other, other.signer(world.clock.move(1)), more, at=world.clock())

    export_store(desk.store, write, lambda done, total: None)

    assert len(pieces) > 2
    assert b"".join(pieces) == wanted
    assert exported(desk.store)[0] != wanted


def test_packed_and_plain_are_read(full: World, tmp_path: Path) -> None:
    data = b"".join(line + b"\n" for line in lines_of(full))
    taken(new_home(full, tmp_path), zstandard.ZstdCompressor().compress(data))


# -- what is refused -------------------------------------------------------------


def edited(table: str, **changes: object) -> Callable[[Lines], bytes]:
    """The first row of a table with other columns, under an end that fits."""

    def edit(lines: Lines) -> bytes:
        place = next(i for i, line in enumerate(lines) if json.loads(line).get("table") == table)
        changed = json.loads(lines[place]) | changes
        return sealed([*lines[:place], canonical(changed), *lines[place + 1 :]])

    return edit


def headed(**changes: object) -> Callable[[Lines], bytes]:
    """Another header."""
    return lambda lines: sealed([canonical(json.loads(lines[0]) | changes), *lines[1:]])


def plain(lines: Lines) -> bytes:
    return b"".join(line + b"\n" for line in lines)


ZEROS: Final = "hex:" + "00" * 32
REFUSED: Final[dict[str, tuple[str, Callable[[Lines], bytes]]]] = {
    "empty": ("export.cut", lambda lines: b""),
    "no header": ("schema.constant", lambda lines: plain(lines[1:])),
    "header alone": ("export.cut", lambda lines: plain(lines[:1])),
    "without its end": ("export.cut", lambda lines: plain(lines[:-1])),
    "cut in a line": ("export.cut", lambda lines: plain(lines)[:-100]),
    "cut before the last newline": ("export.cut", lambda lines: plain(lines)[:-1]),
    "packed and cut": (
        "export.cut",
        lambda lines: zstandard.ZstdCompressor().compress(plain(lines))[:-20],
    ),
    "a line after the end": ("export.end", lambda lines: plain([*lines, lines[5]])),
    "two ends": ("export.end", lambda lines: plain([*lines, lines[-1]])),
    "a line left out": ("export.counts", lambda lines: plain(lines[:5] + lines[6:])),
    "a line twice": ("export.order", lambda lines: sealed([*lines[:5], lines[5], *lines[5:]])),
    "two lines swapped": (
        "export.order",
        lambda lines: sealed([*lines[:5], lines[6], lines[5], *lines[7:]]),
    ),
    "a table before its turn": (
        "export.order",
        lambda lines: sealed([lines[0], lines[-2], *lines[1:-2], lines[-1]]),
    ),
    "another registry in the header": ("config.registry", headed(registry="other.example")),
    "another registry in the rows": ("export.registry", edited("meta", value="other.example")),
    "a newer form": ("export.newer", headed(export_version="1.1")),
    "other tables": ("export.tables", headed(tables=[])),
    "more in the header": ("schema.members", headed(made_by="somebody")),
    "a blank line": ("json.syntax", lambda lines: sealed_with(lines, b"")),
    "a space in a line": ("export.row", lambda lines: sealed_with(lines, b" ")),
    "no object": ("json.single", lambda lines: sealed_with(lines, b"[]")),
    "no such table": ("export.row", lambda lines: sealed_with(lines, b'{"table":"sqlite_master"}')),
    "an unlocked copy": (
        "export.row",
        lambda lines: sealed_with(lines, b'{"name":"unreconciled","table":"meta","value":"x"}'),
    ),
    "a column too many": ("schema.members", edited("meta", more=1)),
    "a column of another type": ("export.row", edited("acts", reason=["x"])),
    "text where a number is": ("export.row", edited("signatures", seq="1")),
    "a number where text is": ("export.row", edited("meta", name=0)),
    "nothing where text is": ("export.row", edited("acts", reason=None)),
    "bytes as plain text": ("export.row", edited("keys", public_key="00")),
    "bytes in capitals": ("export.row", edited("keys", public_key="hex:AA")),
    "a record under another digest": ("records.digest", edited("records", digest=ZEROS)),
    "a record of another year": ("records.year", edited("records", year=1999)),
    "a record that is none": ("schema.members", edited("records", body="text:{}")),
    "an event under another id": ("events.event_id", edited("events", event_id=ZEROS)),
    "an event of another signer": ("events.signer_id", edited("events", signer_id="x.example")),
    "a key set of another version": ("keysets.version", edited("keysets", version=0)),
    "a bundle under another digest": ("bundles.sha256", edited("bundles", sha256=ZEROS)),
    "evidence under another digest": (
        "equivocations.sha256",
        edited("equivocations", sha256=ZEROS),
    ),
    "kept apart under another name": ("quarantine.name", edited("quarantine", name="0")),
    "rows that contradict each other": (
        "export.row",
        lambda lines: sealed(twin_key(lines)),
    ),
}


def sealed_with(lines: Lines, line: bytes) -> bytes:
    """A line more, in the second place, under counts and a digest that fit the others."""
    if line in (b" ",):
        lines = [lines[0], lines[1].replace(b'":"', b'": "', 1), *lines[2:]]
        return sealed(lines)
    body = b"".join(each + b"\n" for each in [lines[0], line, *lines[1:-1]])
    end = json.loads(lines[-1])
    return body + End(end["rows"], hashlib.sha256(body).hexdigest()).to_bytes()


def twin_key(lines: Lines) -> Lines:
    """A key of ours twice, under two names."""
    place = next(i for i, line in enumerate(lines) if json.loads(line).get("table") == "keys")
    twin = json.loads(lines[place])
    twin["key_id"] += "0"
    return [*lines[: place + 1], canonical(twin), *lines[place + 1 :]]


@pytest.fixture(name="lines", scope="module")
def _lines(full: World) -> Lines:
    return lines_of(full)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_and_nothing_is_there(full: World, lines: Lines, tmp_path: Path, name: str) -> None:
    code, spoil = REFUSED[name]
    new = new_home(full, tmp_path)

    with pytest.raises(PithError) as caught:
        taken(new, spoil(list(lines)))

    assert caught.value.code == code, caught.value
    assert list(new.home.iterdir()) == []
    if code not in ("config.registry", "export.registry") and name not in (
        "empty",
        "rows that contradict each other",
    ):
        assert "line " in caught.value.message
    assert caught.value.hint


def test_every_byte_that_is_changed_is_noticed(full: World, lines: Lines, tmp_path: Path) -> None:
    data = plain(lines)
    new = new_home(full, tmp_path)
    for place in range(7, len(data), len(data) // 40):
        spoilt = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(PithError):
            taken(new, spoilt)
        assert list(new.home.iterdir()) == []


def test_a_line_without_end_is_read_to_its_cap_only(full: World, lines: Lines) -> None:
    class Endless(io.RawIOBase):
        read_so_far = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            first = plain(lines[:1]) if not self.read_so_far else b" " * len(buffer)
            buffer[: len(first)] = first
            self.read_so_far += len(first)
            return len(first)

    source = Endless()
    with pytest.raises(PithError) as caught:
        list(ExportFile(source).lines())  # type: ignore[arg-type]
    assert caught.value.code == "export.line"
    assert source.read_so_far < 2 * export_form.MAX_LINE


def test_a_store_that_is_there_is_not_touched(full: World, lines: Lines, tmp_path: Path) -> None:
    new = new_home(full, tmp_path)
    new.config.store_path.write_bytes(b"something else")

    with pytest.raises(PithError) as caught:
        taken(new, plain(lines))

    assert caught.value.code == "store.exists"
    assert new.config.store_path.read_bytes() == b"something else"
