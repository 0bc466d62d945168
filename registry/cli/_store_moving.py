"""`pith store export` and `import`: everything as lines of JSON, and back."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from registry.cli import _output
from registry.cli._boundary import note
from registry.cli._input import opened
from registry.cli._options import AsJson, Home, open_desk, the_app
from registry.cli._progress import Progress
from registry.cli._store_config import (
    BaseUrl,
    Name,
    PassphraseSource,
    Signer,
    config_for,
    tell_copy,
    tell_locked,
)
from registry.errors import UsageError, printable
from registry.protocol.checks import counted

if TYPE_CHECKING:
    from registry.app import App
    from registry.config import Config
    from registry.services.export import Exported

STDOUT = "-"
PACKED = ".zst"


def export(
    context: typer.Context,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="Where it is to be; - for stdout. Packed as .zst."),
    ],
    compress: Annotated[
        bool, typer.Option("--compress", help="Pack it with zstd whatever its name is.")
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Write everything in the store as lines of JSON, while minting goes on.

    A header, then a line for each row of each table, documents as the very text that was
    signed, and at the end the counts and the SHA-256 of all lines before: two exports of
    the same state are the same. Private keys and config.toml are not in it; where keys are, is.
    """
    from registry.services.export import export_store

    desk = open_desk(context, home)
    packed = compress or file.endswith(PACKED)
    with (
        Progress("exported") as progress,
        _written(file) as plain,
        _packed(plain, packed) as write,
    ):
        exported = export_store(desk.store, write, progress.of_total)
    _tell(exported, file, as_json=as_json)


def _tell(exported: "Exported", file: str, *, as_json: bool) -> None:
    rows = counted(exported.rows, "row")
    if file == STDOUT:
        note(f"{rows} of {exported.registry}, digest {exported.sha256}")
        return
    note(f"wrote {printable(file)}; private keys and config.toml are not in it")
    if as_json:
        _output.json_line(exported.to_json())
    else:
        records = counted(exported.records, "record")
        _output.lines([f"{records}  {rows}  digest {exported.sha256}"])


@contextmanager
def _written(file: str) -> Iterator[BinaryIO]:
    """Where the export goes: stdout, or a file that is there whole or not at all."""
    from registry.store.new_file import new_file

    if file != STDOUT:
        with new_file(Path(file)) as part, part.open("r+b") as out:
            yield out
    elif sys.stdout.isatty():
        raise UsageError("an export is not for a terminal", code="usage.terminal")
    else:
        sys.stdout.flush()
        yield sys.stdout.buffer


@contextmanager
def _packed(out: BinaryIO, packed: bool) -> Iterator[Callable[[bytes], Any]]:
    if not packed:
        yield out.write
        return
    import zstandard

    # Not a context manager of its own: that would end the frame of an export that failed.
    writer = zstandard.ZstdCompressor(threads=-1).stream_writer(out, closefd=False)
    yield writer.write
    writer.flush(zstandard.FLUSH_FRAME)


@contextmanager
def _config(app_: "App", *options: Any) -> "Iterator[Config]":
    """The config of the home; one that is made for it goes again when the import fails."""
    from registry.config import FILE_NAME

    path = app_.home / FILE_NAME
    was_there = path.exists()
    config = config_for(app_, *options)
    try:
        yield config
    except BaseException:
        if not was_there:
            path.unlink(missing_ok=True)
        raise


def import_(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="An export, packed or not; - for stdin.")
    ],
    base_url: BaseUrl = None,
    name: Name = None,
    signer: Signer = "keyring:",
    passphrase: PassphraseSource = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Make the store of a home that has none from an export.

    Every line is read strictly and in its place, what rows are found by is derived again
    from the documents, and the digest at the end compared; the store is there whole then,
    or not at all. Like a backup that was put back it signs nothing before
    `pith store restore --reconcile PUBLISHED...` compared it with what was published.
    """
    from registry.app import now
    from registry.services.export_import import ExportFile, import_export

    app_ = the_app(context, home)
    with opened(file) as source, Progress("rows imported") as progress:
        lines = ExportFile(source)
        with _config(app_, lines.registry, base_url, name, signer, passphrase) as config:
            placed = progress.then("rows put into the server")
            copy = import_export(lines, config, at=now(), told=progress.add, placed=placed)
    note(f"imported {copy.registry} into {app_.home}")
    tell_locked(copy)
    tell_copy(copy, as_json=as_json)


def copy(
    source: Annotated[
        str, typer.Argument(metavar="FROM", help="The store: a file, or postgresql://…")
    ],
    to: Annotated[
        str, typer.Argument(metavar="TO", help="An empty place: a new file, or postgresql://…")
    ],
    move: Annotated[
        bool,
        typer.Option("--move", help="Lock the store and let its copy sign, in place of it."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy a whole store into another database, and compare every row there.

    Stopped, it goes on where it was when it is given again. The copy is locked like a
    backup that was put back, while the store stays at work. With --move it is the other
    way round: from before the first row is read nothing that is signed is kept in the old
    place, so the copy has all of it and may sign; then set [store] url in config.toml to it.
    """
    from registry.services.copying import copy_store
    from registry.store.store import Store

    old, new = _place(source), _place(to)
    if old == new:
        raise UsageError("FROM and TO are the same", code="usage.together")
    with Progress("rows copied") as progress:
        if isinstance(new, Path) and not new.exists():
            new.touch(mode=0o600)
        with Store(old, read_only=not move) as store, Store(new, create=True) as target:
            copied = copy_store(store, target, move=move, told=progress.of_total)
    note(f"copied {counted(copied.rows, 'row')} of {copied.registry} and compared them")
    if move:
        note(f"{printable(str(old))} signs no more: set [store] url to {printable(str(new))}")
    else:
        note("the copy signs nothing until it was compared with what was published since")
    if as_json:
        _output.json_line(copied.to_json())
    else:
        records, rows = counted(copied.records, "record"), counted(copied.rows, "row")
        _output.lines([f"{records}  {rows}  digest {copied.sha256}"])


def _place(text: str) -> Path | str:
    """What is typed for a store: the URL of a server, or a file, with sqlite: or without."""
    from registry.config import server_url

    if text.startswith("postgresql:"):
        return server_url(text)
    return Path(text.removeprefix("sqlite:")).absolute()
