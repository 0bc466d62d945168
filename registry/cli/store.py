"""pith store."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import _output, _store_moving
from registry.cli._boundary import complain, exit_code, note
from registry.cli._input import documents
from registry.cli._options import AsJson, Home, confirmed, open_desk, the_app
from registry.cli._pins import authorities_of, trust_of
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
from registry.cli.main import example, group
from registry.errors import PithError, StoreError, UsageError, printable, visible
from registry.protocol.checks import counted
from registry.protocol.strict_json import LARGE
from registry.protocol.trust import Terms

if TYPE_CHECKING:
    from registry.services.desk import Desk
    from registry.services.reconcile import Outcome

app = group("The database: checked, copied while it is at work, put back, carried elsewhere.")
BackupFile = Annotated[Path, typer.Argument(metavar="FILE", help="Where it is to be.")]
WORD = "unpublished"
app.command(epilog=example("pith store export lab.jsonl.zst"))(_store_moving.export)
app.command(epilog=example("pith store copy $PITH_HOME/registry.db lab-copy.db"))(
    _store_moving.copy
)
app.command(
    "import", epilog=example("pith store import lab.jsonl.zst --base-url https://lab.example")
)(_store_moving.import_)


@app.command(epilog=example("pith store check"))
def check(context: typer.Context, as_json: AsJson = False, home: Home = None) -> int:
    """Derive everything in the store again from its stored bytes, on all cores.

    Digests, numbers and columns, every signature, the chains and what they merge to, key
    sets, signers lists, transcripts, timestamps, jobs, what is kept apart, and the journal
    against the documents. Writes nothing, and looks at one moment while others write.
    Prints each finding with a remedy; exits 8 when there is one.
    """
    from registry.services.check import check_store

    desk = the_app(context, home).open(read_only=True)
    found = 0
    with Progress("checked") as progress:
        for finding in check_store(desk, progress.add):
            found += 1
            if as_json:
                _output.json_line(finding.to_json())
            else:
                _output.lines(
                    [
                        visible(f"{finding.code}  {finding.where}: {finding.text}"),
                        visible(f"    remedy: {finding.remedy}"),
                    ]
                )
    note(f"{counted(progress.done, 'document')} and graphs checked, {counted(found, 'finding')}")
    return exit_code(StoreError("", code="")) if found else 0


@app.command(epilog=example("pith store backup lab-backup.db"))
def backup(
    context: typer.Context, file: BackupFile, as_json: AsJson = False, home: Home = None
) -> None:
    """Copy the whole store into one file, while minting goes on.

    The file is there whole or not at all, is opened and looked through before it gets its
    name, and never takes the place of another. Prints how many records are in it, and
    its newest key set. Private keys and config.toml are not in it: keep them too.
    """
    from registry.services.backup import back_up

    desk = open_desk(context, home)
    with Progress("pages copied") as progress:
        copy = back_up(desk.store, file, progress.of_total)
    note(f"wrote {printable(str(file))}; private keys and config.toml are not in it")
    tell_copy(copy, as_json=as_json)


@app.command(epilog=example("pith store restore lab-backup.db --base-url https://lab.example"))
def restore(
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="The backup, or with --reconcile what was published."
        ),
    ],
    reconcile: Annotated[
        bool,
        typer.Option(
            "--reconcile",
            help="Compare a store that came back with the newest key set and every bundle.",
        ),
    ] = False,
    base_url: BaseUrl = None,
    name: Name = None,
    signer: Signer = "keyring:",
    passphrase: PassphraseSource = None,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Put a backup in the place of a lost store; then compare it with what was published.

    The store goes into an empty home, or where registry.db is lost; nothing is ever
    overwritten. From then on nothing is signed: what was signed after the backup is not in
    it, and would be signed a second time. `pith store restore --reconcile PUBLISHED...`
    takes the newest key set, signers lists and every bundle that was published, imports
    what is newer, and lets the registry sign again; where it has records that no bundle
    was given of, and in a home of `pith init --restore`, the word is asked for.
    """
    if reconcile:
        return _reconciled(context, files, home, as_json=as_json)
    if len(files) != 1:
        raise UsageError("one backup is restored", code="usage.count")
    from registry.app import now
    from registry.services.backup import examine_copy, restore_store

    app_, source = the_app(context, home), Path(files[0])
    registry = examine_copy(source).registry
    config = config_for(app_, registry, base_url, name, signer, passphrase)
    with Progress("pages copied") as progress:
        copy = restore_store(
            source,
            config,
            at=now(),
            told=progress.of_total,
            placed=progress.then("rows put into the server"),
        )
    note(f"restored {registry} in {app_.home}")
    tell_locked(copy)
    tell_copy(copy, as_json=as_json)
    return 0


def _reconciled(
    context: typer.Context, files: list[str], home: Path | None, *, as_json: bool
) -> int:
    from registry.services.reconcile import (
        Outcome,
        Published,
        begin,
        not_compared,
        take_key_sets,
        unlock,
        unplaced,
    )
    from registry.store.keeping import REBUILT

    desk = open_desk(context, home)
    begin(desk, at=desk.clock())
    published, outcome = Published(), Outcome()
    for path in files:
        for item in documents(path, LARGE.max_bytes):
            published.add(path, item.data)
    take_key_sets(desk, published, outcome, at=desk.clock())
    code = _take_bundles(context, desk, published.bundles, outcome, home)
    missing = not_compared(desk, outcome)
    note(
        f"{counted(len(outcome.keysets), 'newer key set')}, "
        f"{counted(outcome.new_events, 'new event')} in {counted(outcome.bundles, 'bundle')}"
    )
    if code:
        note("nothing is unlocked: some of it was refused")
        return code
    if desk.store.mark == REBUILT:
        note("this home was made from key sets alone: what it published and is not among these")
        note("files is not known here, and would be signed a second time")
        confirmed(WORD, yes=None)
    elif missing:
        note(f"no bundle was given of {counted(missing, 'record')}: what was signed about them")
        note("after the backup is not known here, and would be signed a second time")
        confirmed(WORD, yes=None)
    unlock(desk, outcome, at=desk.clock())
    body = desk.keyset().body
    note(f"reconciled: {desk.registry} signs again")
    for key_id in unplaced(desk):
        note(f"where {key_id} is, nothing here says: `pith key add {key_id}`")
    if as_json:
        _output.json_line(
            {
                "registry": desk.registry,
                "keyset_version": body.version,
                "new_keysets": len(outcome.keysets),
                "new_events": outcome.new_events,
                "bundles": outcome.bundles,
                "not_compared": missing,
            }
        )
    return 0


def _take_bundles(
    context: typer.Context,
    desk: "Desk",
    paths: list[str],
    outcome: "Outcome",
    home: Path | None,
) -> int:
    """Import every bundle of these files; the exit code of the first that was refused."""
    from registry.services.importing import Verifier
    from registry.services.reconcile import take_bundle

    trust = trust_of(context, None, home)
    authorities, code = authorities_of(None, trust.authority), 0
    with Progress("compared") as progress:
        for path in paths:
            for item in documents(path, LARGE.max_bytes):
                terms = Terms(trust.pins, desk.clock(), trust.max_ahead)
                verifier = Verifier(terms, authorities=authorities)
                try:
                    take_bundle(desk, verifier, path, item.data, outcome)
                except PithError as error:
                    complain(error, item.where)
                    code = code or exit_code(error)
                progress.add(1)
    return code
