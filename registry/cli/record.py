"""pith record."""

from typing import Annotated

import typer

from registry.cli import _output
from registry.cli._boundary import note
from registry.cli._input import read_bytes, read_text
from registry.cli._options import AsJson, Home, Number, open_desk
from registry.cli.main import example, group
from registry.errors import UsageError
from registry.protocol.canonical import JsonObject
from registry.protocol.instant import Instant
from registry.protocol.record import Record
from registry.protocol.source import Source, parse_versioned
from registry.protocol.strict_json import SMALL, read_json
from registry.protocol.text import unassigned

app = group("Canonical records: build them, show and list the minted ones.")


@app.command(
    epilog=example(
        'pith record build --arxiv 2401.00001v1 --title "On Names" \\',
        '  --abstract "We name." --category cs.DL --license "" \\',
        "  --submitted 2024-01-01T12:00:00Z > record.json",
    )
)
def build(
    arxiv: Annotated[
        str | None,
        typer.Option("--arxiv", metavar="ID", help="The arXiv id with its version: 2401.00001v1."),
    ] = None,
    title: Annotated[
        str | None, typer.Option("--title", help="The title, as arXiv has it.")
    ] = None,
    title_file: Annotated[
        str | None, typer.Option("--title-file", metavar="FILE", help="The title from a file.")
    ] = None,
    abstract: Annotated[str | None, typer.Option("--abstract", help="The abstract.")] = None,
    abstract_file: Annotated[
        str | None,
        typer.Option("--abstract-file", metavar="FILE", help="The abstract from a file, - stdin."),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option("--category", help="A category; give it again for more, the primary first."),
    ] = None,
    license: Annotated[
        str | None,
        typer.Option("--license", help='The licence URL as arXiv gives it, "" for none.'),
    ] = None,
    submitted: Annotated[
        str | None,
        typer.Option(
            "--submitted",
            metavar="TIME",
            help="When version 1 was submitted, UTC: 2024-01-01T12:00:00Z.",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="All of it as one JSON object instead, - for stdin: {arxiv, title, abstract, "
            "categories, license, submitted}.",
        ),
    ] = None,
) -> None:
    """Print the canonical record of a paper, ready for `pith mint`.

    Needs no home, key or network. Title and abstract are read as their source has
    them; the record holds the digests of their canonical texts.
    """
    options: JsonObject = {
        "arxiv": arxiv,
        "title": _either(title, title_file, "title"),
        "abstract": _either(abstract, abstract_file, "abstract"),
        "categories": category or None,
        "license": license,
        "submitted": submitted,
    }
    if source is not None:
        if any(value is not None for value in options.values()):
            raise UsageError(
                "--from is the whole paper: give no other option with it", code="usage.together"
            )
        options = _from_json(read_bytes(source, SMALL.max_bytes))
    for name in ("title", "abstract"):
        if options[name] is not None and not options[name].strip():
            raise UsageError(f"the {name} is empty", code="usage.empty", hint=f"give --{name}")
    missing = [_OPTION_OF.get(name, f"--{name}") for name, v in options.items() if v is None]
    if missing:
        raise UsageError(f"missing {', '.join(missing)}", code="usage.missing")
    record = _build(options)
    for found in unassigned(options["title"] + options["abstract"]):
        note(f"warning: {found} is not assigned in Unicode 14: others may fold it otherwise")
    _output.raw(record.canonical + b"\n")


def _either(value: str | None, file: str | None, name: str) -> str | None:
    if file is None:
        return value
    if value is not None:
        raise UsageError(f"--{name} and --{name}-file are given", code="usage.together")
    return read_text(file)


_OPTION_OF = {"categories": "--category"}
_PAPER = frozenset(("arxiv", "title", "abstract", "categories", "license", "submitted"))


def _from_json(data: bytes) -> JsonObject:
    from registry.protocol import schema

    members = schema.closed(read_json(data).value, _PAPER, "$")
    for name in ("arxiv", "title", "abstract", "license", "submitted"):
        schema.text(members[name], f"$.{name}", limit=SMALL.max_bytes)
    for i, item in enumerate(schema.array(members["categories"], "$.categories")):
        schema.text(item, f"$.categories[{i}]")
    return members


def _build(options: JsonObject) -> Record:
    source_id, version = parse_versioned("arxiv", options["arxiv"])
    categories = options["categories"]
    if not categories:
        raise UsageError("a record has a primary category", code="usage.missing")
    return Record.build(
        source=Source.from_json({"kind": "arxiv", "id": source_id, "version": version}, "$"),
        title=options["title"],
        abstract=options["abstract"],
        license=options["license"],
        primary_cat=categories[0],
        cross_cats=tuple(categories[1:]),
        submitted_at=Instant.parse_seconds(options["submitted"]),
    )


@app.command(epilog=example("pith record show arxiv:2401.00001"))
def show(context: typer.Context, number: Number, home: Home = None) -> None:
    """Print a minted record, in its canonical bytes."""
    from registry.services.find import find

    _output.raw(find(open_desk(context, home), number).canonical + b"\n")


@app.command("list", epilog=example("pith record list --json"))
def list_(context: typer.Context, as_json: AsJson = False, home: Home = None) -> None:
    """Print the number and source of every minted record."""
    from registry.cli.number import described

    for record in open_desk(context, home).store.records():
        source = record.source
        if as_json:
            _output.json_line(described(record) | {"source": source.to_json()})
        else:
            _output.lines([f"{record.number}  {source.kind}:{source.id}v{source.version}"])
