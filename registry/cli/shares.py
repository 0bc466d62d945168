"""pith shares."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from registry.cli import _output
from registry.cli._boundary import note
from registry.cli._input import opened
from registry.cli._options import AsJson, Home, the_app
from registry.cli._terminal import Terminal
from registry.cli.main import example, group
from registry.errors import ConflictError, MalformedError, PithError, UsageError, printable, shown
from registry.protocol.checks import counted

if TYPE_CHECKING:
    from registry.signing.share_paper import Paper

app = group("A key's backup, split among several people.")

KeyId: TypeAlias = Annotated[str, typer.Argument(metavar="KEY_ID", help="The key.")]
Threshold: TypeAlias = Annotated[
    int, typer.Option("--threshold", metavar="N", help="How many shares give the key back.")
]
Of: TypeAlias = Annotated[int, typer.Option("--of", metavar="N", help="How many are made.")]
To: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--to", metavar="FOLDER", help="Write a file a share to this folder in memory (tmpfs)."
    ),
]
Sheet: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--sheet",
        metavar="FILE",
        help="Write one page a share, with QR code, to print: HTML, in memory (tmpfs) too.",
    ),
]
Papers: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(metavar="[FILE...]", help="Shares; - or none: they are typed."),
]


@app.command(
    epilog=example("pith shares make lab-v1-2026-11 --threshold 3 --of 5 --to /dev/shm/shares")
)
def make(
    context: typer.Context,
    key_id: KeyId,
    threshold: Threshold,
    of: Of,
    to: To = None,
    sheet: Sheet = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Split a key into shares (SLIP-39, 33 words each): any --threshold of them give it back.

    They are put together again first, then shown on the terminal one at a time, each
    until Enter: let the person it is for write it down. Fewer than the threshold tell
    nothing of the key. `pith shares drill` shows later that they still work.
    """
    _issue(context, home, key_id, threshold, of, to, sheet, as_json=as_json, again=False)


@app.command(
    epilog=example("pith shares remake lab-v1-2026-11 --threshold 2 --of 3 --to /dev/shm/shares")
)
def remake(
    context: typer.Context,
    key_id: KeyId,
    threshold: Threshold,
    of: Of,
    to: To = None,
    sheet: Sheet = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Make a new set of shares of a key, for other people or another threshold.

    The old shares stay good: they are of the same key. Only a new key, by rotation or
    by a change of the recovery keys, makes them worthless.
    """
    note("the shares made before stay good: enough of one older set still give the key")
    note("hint: destroy them; if enough of them may be in wrong hands, rotate the key")
    _issue(context, home, key_id, threshold, of, to, sheet, as_json=as_json, again=True)


def _issue(
    context: typer.Context,
    home: Path | None,
    key_id: str,
    threshold: int,
    of: int,
    to: Path | None,
    sheet: Path | None,
    *,
    as_json: bool,
    again: bool,
) -> None:
    from registry.services.shares import make_shares

    desk = the_app(context, home).open()
    terminal = _check_way_out(to, sheet)
    papers = make_shares(desk, key_id, threshold=threshold, count=of, again=again, at=desk.clock())
    files = _give_out(papers, terminal, to, sheet)
    note(f"key {key_id}: {of} shares, any {threshold} of them give it back")
    note(f"hint: pith shares drill {key_id}, with the people who hold them, shows that they do")
    if as_json:
        _output.json_line(
            {
                "key_id": key_id,
                "set": papers[0].share.set_id,
                "threshold": threshold,
                "count": of,
                "files": [str(file) for file in files],
            }
        )
    else:
        _output.lines(printable(str(file)) for file in files)


def _check_way_out(to: Path | None, sheet: Path | None) -> Terminal | None:
    """Whether the shares can be given out, before any is made."""
    from registry.signing.memory_file import check_in_memory, swaps

    if to is not None and sheet is not None:
        raise UsageError("--to and --sheet exclude each other", code="usage.both")
    folder = to or (sheet.parent if sheet is not None else None)
    if folder is None:
        return Terminal()
    check_in_memory(folder)
    if sheet is not None and sheet.exists():
        raise ConflictError(
            f"there is a file {shown(str(sheet), 200)} already",
            code="share.exists",
            hint="nothing was made; choose another name",
        )
    if swaps():
        note("this machine swaps: what is in memory may reach a disk; swapoff -a stops that")
    return None


def _give_out(
    papers: "Sequence[Paper]", terminal: Terminal | None, to: Path | None, sheet: Path | None
) -> list[Path]:
    from registry.signing.memory_file import write_in_memory
    from registry.signing.share_paper import paper_text
    from registry.signing.share_paper import sheet as printed

    if terminal is not None:
        terminal.show(_pages(papers))
        return []
    if to is not None:
        write_in_memory(to, {paper.name: paper_text(paper).encode() for paper in papers})
        note("each file is a share: give each to one person, and remove them here")
        return [to / paper.name for paper in papers]
    assert sheet is not None
    write_in_memory(sheet.parent, {sheet.name: printed(papers).encode()})
    note("print it where no copy stays (spoolers and printers keep some), and remove it")
    return [sheet]


def _pages(papers: "Sequence[Paper]") -> Iterator[str]:
    """What is shown: before each share a page without it."""
    for paper in papers:
        label, share = paper.label, paper.share
        assert label is not None
        head = f"share {share.number} of {label.count} of key {label.key_id}, set {share.set_id}"
        yield f"{head}\n\nFor one person alone. Enter shows it: "
        words = [f"{i:3} {word:10}" for i, word in enumerate(share.words.split(), start=1)]
        rows = "\n".join("".join(words[i : i + 4]) for i in range(0, len(words), 4))
        yield (
            f"{head}\n{label.registry}, fingerprint {label.public_key.fingerprint}, {label.made}\n"
            f"any {share.threshold} of {label.count} give the key back\n\n{rows}\n\n"
            "Write all of it down, compare it. Enter clears the screen: "
        )


@app.command(epilog=example("pith shares check /dev/shm/shares/lab-v1-2026-11.share-1-of-5"))
def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A share; -: it is typed.")],
    as_json: AsJson = False,
) -> None:
    """Look at one share alone: its checksum, its set and number, and whose it says it is.

    One share alone cannot prove which key it is of: only a drill with enough of them can.
    """
    from registry.app import guard_memory

    guard_memory()
    (paper,) = _read([file], one=True)
    share, label = paper.share, paper.label
    note("the checksum is right; one share alone cannot prove which key it is of")
    if as_json:
        _output.json_line(
            {
                "number": share.number,
                "set": share.set_id,
                "threshold": share.threshold,
                "count": label.count if label else None,
                "key_id": label.key_id if label else None,
                "registry": label.registry if label else None,
                "public_key_fingerprint": label.public_key.fingerprint if label else None,
                "made": label.made if label else None,
            }
        )
        return
    lines = [f"share {share.number} of set {share.set_id}, any {share.threshold} give the key"]
    if label is not None:
        lines.append(
            f"says: {label.key_id} of {label.registry} ({label.public_key.fingerprint}), "
            f"{counted(label.count, 'share')} made {label.made}"
        )
    _output.lines(lines)


@app.command(epilog=example("pith shares drill lab-v1-2026-11 /dev/shm/shares/*"))
def drill(
    context: typer.Context,
    key_id: KeyId,
    files: Papers = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Rebuild a key from its shares in memory, compare it, note the day, and forget it.

    Changes no key store and opens none. Prints when the next drill is due.
    """
    from registry.app import guard_memory
    from registry.services.shares import drill

    desk = the_app(context, home).open()
    guard_memory()
    papers = _read(files or ["-"])
    at = desk.clock()
    backup = drill(desk, key_id, papers, at=at)
    due = backup.due(desk.config.drill_every) or at
    set_id = papers[0].share.set_id
    note(f"key {key_id}: {len(papers)} shares of set {set_id} give it; it is forgotten again")
    if backup.set_id != set_id:
        note(f"the newest set is {backup.set_id}: this says nothing about it")
    if as_json:
        _output.json_line(
            {
                "key_id": key_id,
                "set": set_id,
                "shares": sorted(paper.share.number for paper in papers),
                "drilled_at": at.seconds,
                "next_due": due.seconds,
            }
        )
    else:
        _output.lines([due.seconds])


@app.command(epilog=example("pith shares restore lab-v1-2026-11 --to file: /dev/shm/shares/*"))
def restore(
    context: typer.Context,
    key_id: KeyId,
    to: Annotated[
        str,
        typer.Option("--to", metavar="URI", help="Where it goes: keyring:, file: or file:/folder."),
    ],
    files: Papers = None,
    public_key: Annotated[
        str | None,
        typer.Option(
            "--public-key",
            metavar="HEX",
            help="What it must be, where this home knows no such key: from a published key set.",
        ),
    ] = None,
    usage: Annotated[
        Literal["registry", "recovery"],
        typer.Option("--usage", help="What it is for, where this home knows no such key."),
    ] = "registry",
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Put a key back from its shares into a key store, and note that it is there.

    It is compared with the public key that the home, or its key set, has under KEY_ID; any
    other is refused. An interrupted restore is finished by the same command. Prints the
    key id.
    """
    from registry.app import guard_memory
    from registry.protocol.keys import PublicKey
    from registry.services.shares import expected_key, restore

    app_ = the_app(context, home)
    desk = app_.open()
    guard_memory()
    target = app_.key_store(to, desk.config)
    given = None if public_key is None else PublicKey.from_hex(public_key, "--public-key")
    expected_key(desk, key_id, given)
    before = desk.find_key(key_id)
    row = restore(
        desk, key_id, _read(files or ["-"]), target, given=given, usage=usage, at=desk.clock()
    )
    note(f"key {row.key_id} ({row.public_key.fingerprint}) is in {row.uri}")
    if before is not None and before.uri != row.uri:
        note(f"it was noted in {before.uri}: a copy that is still there is still the key")
    if as_json:
        _output.json_line(
            {"key_id": row.key_id, "public_key_hex": row.public_key.hex, "uri": row.uri}
        )
    else:
        _output.lines([row.key_id])


def _read(files: Sequence[str], *, one: bool = False) -> "list[Paper]":
    """The shares in files; ``-`` is what is typed on the terminal, as many as are wanted or
    *one*, or a share on stdin where that is no terminal."""
    papers: list[Paper] = []
    for path in files:
        if path == "-" and (sys.stdin is None or sys.stdin.isatty()):
            papers.extend(_typed(papers, one=one))
        else:
            papers.append(_read_file(path))
    return papers


def _read_file(path: str) -> "Paper":
    from registry.signing.share_paper import MAX_SIZE, parse_paper

    label = "stdin" if path == "-" else shown(path, 200)
    with opened(path) as file:
        data = file.read(MAX_SIZE + 1)
    if len(data) > MAX_SIZE:
        raise MalformedError(f"{label} is over {MAX_SIZE} bytes: no share", code="share.form")
    text = ""
    try:
        text = data.decode("ascii")
        return parse_paper(text)
    except UnicodeDecodeError:
        raise MalformedError(f"{label} is not ASCII: no share", code="share.form") from None
    except PithError as error:
        _tell_nearest(error, text)
        raise type(error)(f"{label}: {error}", code=error.code, hint=error.hint) from None


def _typed(known: "Sequence[Paper]", *, one: bool) -> "Iterator[Paper]":
    """Shares that are typed, each asked for until it is right and fits the others."""
    from registry.signing.share_paper import Paper
    from registry.signing.shares import check_together, parse_share

    terminal = Terminal()
    shares = [paper.share for paper in known]
    while not shares or len(shares) < (1 if one else shares[0].threshold):
        of = f" of {shares[0].threshold}" if shares else ""
        text = terminal.ask(f"the words of share {len(shares) + 1}{of}, not shown: ")
        try:
            share = parse_share(text)
            check_together([*shares, share])
        except PithError as error:
            terminal.tell(f"pith: {error}")
            _tell_nearest(error, text)
            continue
        shares.append(share)
        yield Paper(share)


def _tell_nearest(error: PithError, text: str) -> None:
    """On the terminal alone, where there is one: what wrong words may stand for."""
    from registry.signing.shares import wrong_words

    if error.code != "share.word":
        return
    try:
        terminal = Terminal()
    except UsageError:
        return
    for place, nearest in wrong_words(_words(text)).items():
        meant = f"did you mean {' or '.join(nearest)}?" if nearest else "nothing is near it"
        terminal.tell(f"pith: word {place}: {meant}")


def _words(text: str) -> str:
    """The words of a share, without the label that may stand before them."""
    return text.rstrip().rpartition("\n\n")[2]
