"""pith keyset."""

from pathlib import Path
from typing import Annotated

import typer

from registry.cli import _output
from registry.cli._input import read_bytes
from registry.cli._options import AsJson, Home, Output, open_desk
from registry.cli.main import example, group
from registry.errors import ConflictError, MismatchError, NotFoundError, UsageError
from registry.protocol import schema
from registry.protocol.bundle import served_bytes
from registry.protocol.equivocation import keyset_fork
from registry.protocol.keyset import KeySet
from registry.protocol.keyset_chain import Chain, follow, parse_chain

app = group("Key sets: what verifiers pin, and how one version follows another.")


@app.command(epilog=example("pith keyset show -o pith-keys.json"))
def show(
    context: typer.Context,
    version: Annotated[
        int | None, typer.Option("--version", help="Print this version (else the newest).")
    ] = None,
    every: Annotated[
        bool,
        typer.Option("--all", help="Print every version, one a line, the oldest first."),
    ] = False,
    output: Output = None,
    home: Home = None,
) -> None:
    """Print the newest signed key set of this registry: the file verifiers pin.

    With --all, all that somebody needs who knows only the first: `pith verify --pin` and
    `pith keyset update` take it.
    """
    if every and version is not None:
        raise UsageError("--all and --version do not go together", code="usage.together")
    desk = open_desk(context, home)
    keysets = desk.store.list_keysets()
    if every:
        _output.document(b"".join(served_bytes(k.to_json()) + b"\n" for k in keysets), output)
        return
    wanted = keysets[-1].body.version if version is None else version
    found = next((keyset for keyset in keysets if keyset.body.version == wanted), None)
    if found is None:
        raise NotFoundError(f"there is no version {wanted}", code="keyset.absent")
    _output.document(served_bytes(found.to_json()), output)


@app.command(epilog=example("pith keyset verify pith-keys.json"))
def verify(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="Versions of a key set, oldest first, or a file of all."
        ),
    ],
    digest: Annotated[
        str | None,
        typer.Option("--digest", metavar="HEX", help="What the first must have as its digest."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that each version of a key set follows the one before, as a verifier would.

    The first is taken as it is: give its --digest, which you have by another way.
    Each further version is signed by what the one before allows: a routine act by the
    active key, anything else by the threshold of recovery keys. A recovery act
    displaces a routine one of its version. Prints version, act and digest of each that
    stands.
    """
    chain: Chain = ()
    for path in files:
        for keyset in _versions(path):
            chain = follow(chain, keyset)
            _check_first(chain, digest)
    _tell(chain, as_json=as_json)


@app.command(epilog=example("pith keyset update known-keys.jsonl pith-keys.json --digest $DIGEST"))
def update(
    copy: Annotated[
        Path, typer.Argument(metavar="COPY", help="Your own copy: the versions you know.")
    ],
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Newer versions, the oldest first.")
    ],
    digest: Annotated[
        str | None,
        typer.Option(
            "--digest", metavar="HEX", help="For a new copy: the digest of its first set."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take newer versions of a registry's key set into your own copy, which --pin takes.

    Each is checked as by `pith keyset verify`; an older one is refused, and the copy
    keeps what it has. Two sets of one version that differ are evidence that the registry
    or a thief signed both: they are written beside the copy, and nothing else changes.
    A new copy begins with a set whose digest you have by another way.
    """
    try:
        chain = parse_chain(read_bytes(str(copy)))
    except NotFoundError:
        chain = ()
    if not chain and digest is None:
        raise UsageError(
            f"there is no copy {copy} yet",
            code="usage.missing",
            hint="give --digest, the digest of the first set, which you have by another way",
        )
    for path in files:
        for offered in _versions(path):
            try:
                chain = follow(chain, offered)
            except ConflictError as error:
                if error.code != "keyset.fork":
                    raise
                raise _kept(error, copy, chain, offered) from None
            _check_first(chain, digest)
    lines = [served_bytes(link.keyset.to_json()) + b"\n" for link in chain]
    _output.document(b"".join(lines), copy)
    _tell(chain, as_json=as_json)


def _versions(path: str) -> list[KeySet]:
    """The key set in a file, or the versions of one, a line each."""
    data = read_bytes(path)
    lines = [line for line in data.split(b"\n") if line.strip()]
    if len(lines) > 1 and all(line.lstrip().startswith(b'{"keyset_type"') for line in lines):
        return [KeySet.parse(line) for line in lines]
    return [KeySet.parse(data)]


def _check_first(chain: Chain, digest: str | None) -> None:
    found = chain[0].keyset.body.digest.hex()
    if digest is not None and schema.hex64(digest, "--digest") != found:
        raise MismatchError(f"the first set has the digest {found}", code="keyset.digest")


def _kept(error: ConflictError, copy: Path, chain: Chain, offered: KeySet) -> ConflictError:
    """Write the evidence of a fork beside the copy, and say where."""
    version = offered.body.version
    sets = {link.keyset.body.version: link.keyset for link in chain}
    found = keyset_fork(sets.get(version - 1), sets[version], offered)
    if found is None:
        return ConflictError(
            error.message,
            code=error.code,
            hint="this proves nothing against the registry: a stranger may have made the other "
            "one; ask the registry",
        )
    name = f"{copy.name}.fork-{version}-{offered.body.digest.hex()[:16]}.json"
    _output.document(found.canonical, copy.with_name(name))
    return ConflictError(
        error.message,
        code=error.code,
        hint=f"the evidence is in {name}: `pith evidence verify`, and show it to the registry",
    )


def _tell(chain: Chain, *, as_json: bool) -> None:
    for link in chain:
        body = link.keyset.body
        if as_json:
            _output.json_line(
                {
                    "registry": body.registry,
                    "version": body.version,
                    "act": link.act,
                    "keyset_sha256": body.digest.hex(),
                    "expires_at": body.expires_at.seconds,
                }
            )
        else:
            _output.lines([f"{body.version}  {link.act}  {body.digest.hex()}"])
