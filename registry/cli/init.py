"""pith init."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli import _output
from registry.cli._boundary import note
from registry.cli._input import read_bytes
from registry.cli._options import AsJson, Home, the_app
from registry.cli.main import example, group
from registry.errors import UsageError

if TYPE_CHECKING:
    from registry.app import App
    from registry.config import Config
    from registry.protocol.keyset_chain import Chain
    from registry.protocol.signers_chain import SignersChain
    from registry.services.initialise import Made

app = group("Make a registry.")
DEFAULT_PASSPHRASE = "prompt:"  # noqa: S105 - where it comes from


def _asked(value: str | None, option: str, question: str) -> str:
    import sys

    if value is not None:
        return value
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            f"{option} is missing", code="usage.missing", hint="without a terminal it is required"
        )
    answer: str = typer.prompt(question, err=True)
    return answer


@app.command(
    epilog=example(
        "pith init --registry lab.example --base-url https://lab.example --signer keyring:"
    )
)
def init(
    context: typer.Context,
    registry: Annotated[
        str | None,
        typer.Option("--registry", help="The registry's id, signer of every event, for ever."),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option("--base-url", help="The https address bundles link to.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="What people call it (else the id).")
    ] = None,
    signer: Annotated[
        str, typer.Option("--signer", help="Where the first key will be: keyring: or file:.")
    ] = "keyring:",
    passphrase: Annotated[
        str | None,
        typer.Option(
            "--passphrase",
            metavar="SOURCE",
            help="For file: where its passphrase comes from: credential:NAME, file:/path or "
            "prompt: (the default). Never the passphrase itself.",
        ),
    ] = None,
    successor_signer: Annotated[
        str | None,
        typer.Option(
            "--successor-signer",
            metavar="URI",
            help="Where the first key's successor will be (else where the first key is).",
        ),
    ] = None,
    key_id: Annotated[
        str | None,
        typer.Option("--key-id", help="The first key's id (else REGISTRY-v1-YEAR-MONTH)."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            metavar="URL",
            help="A PostgreSQL database to keep everything in, like "
            "postgresql:///pith?service=pith (else a file in the home). No password in it.",
        ),
    ] = None,
    restore: Annotated[
        str | None,
        typer.Option(
            "--restore",
            metavar="KEYSETS",
            help="Make the home of a lost registry anew, from all its key sets (JSONL).",
        ),
    ] = None,
    signers: Annotated[
        str | None,
        typer.Option(
            "--signers", metavar="LISTS", help="With --restore: its signers lists (JSONL)."
        ),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make the home of a new registry: config, store, first key, key set version 1.

    The first key is made here and kept in the OS keyring (or where --signer says), and so
    is its successor, which the key set commits it to. Prints the digest of the key
    set, which is what verifiers pin.

    With --restore no key is made: bring the keys back (`pith shares restore`, `pith key
    add`). Nothing is signed before `pith store restore --reconcile` took the key sets and
    every bundle that was ever published.
    """
    from registry.app import new_seed, now
    from registry.config import new_config
    from registry.protocol.keyset_chain import parse_chain
    from registry.services.initialise import initialise
    from registry.services.restore import check_lists, check_registry

    app_ = the_app(context, home)
    uses_files = any(uri.startswith("file:") for uri in (signer, successor_signer or ""))
    if passphrase is None and uses_files:
        passphrase = DEFAULT_PASSPHRASE
    chain = None if restore is None else parse_chain(read_bytes(restore))
    lists: SignersChain = ()
    if chain is not None:
        registry = check_registry(chain, registry)
        lists = () if signers is None else check_lists(chain, read_bytes(signers))
    elif signers is not None:
        raise UsageError("--signers goes with --restore", code="usage.together")
    config = new_config(
        app_.home,
        registry_id=_asked(registry, "--registry", "The registry's id (like lab.example)"),
        base_url=_asked(base_url, "--base-url", "Its https address (like https://lab.example)"),
        name=name,
        signer=signer,
        passphrase=passphrase,
        store=store,
    )
    if chain is not None:
        _restored(app_, config, chain, lists, as_json=as_json)
        return
    made = initialise(
        app_.home,
        config,
        app_.key_store(signer, config),
        key_id=key_id,
        seed=new_seed(),
        successor_seed=new_seed(),
        successor_store=app_.key_store(successor_signer, config) if successor_signer else None,
        at=now(),
    )
    _tell(made, app_, config, as_json=as_json)


def _tell(made: "Made", app_: "App", config: "Config", *, as_json: bool) -> None:
    row, digest = made.key, made.keyset.body.digest.hex()
    note(f"made the registry {config.registry_id} in {app_.home}")
    note(f"key {row.key_id} ({row.public_key.fingerprint}) is in {row.uri}")
    note(f"its successor {made.successor.key_id} is in {made.successor.uri}")
    note(f"key set version 1 is always a pin of this home; its digest is {digest}")
    note("there is no recovery key yet: whoever takes this key takes the registry")
    note("hint: `pith key create --usage recovery --signer URI`, with URI on another device")
    if as_json:
        told: dict[str, Any] = {
            "registry": config.registry_id,
            "home": str(app_.home),
            "key_id": row.key_id,
            "public_key_hex": row.public_key.hex,
            "public_key_fingerprint": row.public_key.fingerprint,
            "successor_key_id": made.successor.key_id,
            "keyset_sha256": digest,
        }
        _output.json_line(told)
    else:
        _output.lines([digest])


def _restored(
    app_: "App", config: "Config", chain: "Chain", lists: "SignersChain", *, as_json: bool
) -> None:
    from registry.app import now
    from registry.services.restore import restore_home

    body = restore_home(app_.home, config, chain, lists, at=now()).body
    digest = body.digest.hex()
    note(f"made the home of {body.registry} anew in {app_.home}")
    note(f"key set version {body.version} is its pin: compare its digest with what you know")
    note("bring its keys back; it signs nothing until it was compared with what was published")
    note("hint: `pith store restore --reconcile PUBLISHED…` with the key sets and every bundle")
    if as_json:
        _output.json_line(
            {"registry": body.registry, "home": str(app_.home), "keyset_sha256": digest}
        )
    else:
        _output.lines([digest])
