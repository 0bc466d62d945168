"""pith party."""

from typing import Annotated

import typer

from registry.cli import _output
from registry.cli._boundary import note
from registry.cli._input import read_bytes
from registry.cli._options import (
    AsJson,
    Home,
    Output,
    PartySigner,
    PassphraseSource,
    PastRotation,
    TokenModule,
    Yes,
    confirmed,
    open_desk,
    the_app,
)
from registry.cli.main import example, group
from registry.errors import MismatchError, NotFoundError, UsageError, printable, shown
from registry.protocol import schema
from registry.protocol.bundle import served_bytes
from registry.protocol.canonical import canonical
from registry.protocol.instant import Instant
from registry.protocol.keys import PARTY_TYPES
from registry.protocol.signers import Enrolment, Signers

app = group("Third parties: who else may speak here, and how they prove it.")

PartyId = Annotated[
    str,
    typer.Option("--id", metavar="ID", help="Who it is, for ever: a domain, or orcid:0000-…"),
]
PartyType = Annotated[
    str, typer.Option("--type", metavar="TYPE", help=f"What they are: {', '.join(PARTY_TYPES)}.")
]


@app.command(
    epilog=example(
        "pith party request --registry lab.example --id orcid:0000-0002-1825-0097 --type author \\",
        "  --key-id able-2026 --signer file:$HOME/my-keys --passphrase file:$HOME/passphrase \\",
        "  --new -o alice.pub",
    )
)
def request(
    context: typer.Context,
    registry: Annotated[
        str, typer.Option("--registry", help="The registry that is asked for enrolment.")
    ],
    party_id: PartyId,
    party_type: PartyType,
    key_id: Annotated[
        str,
        typer.Option("--key-id", help="The id of your key: nobody else's at that registry."),
    ],
    signer: PartySigner,
    passphrase: PassphraseSource = None,
    module: TokenModule = None,
    new: Annotated[bool, typer.Option("--new", help="Make the key there first.")] = False,
    output: Output = None,
    home: Home = None,
) -> None:
    """For a newcomer: prove that you hold a key, and ask a registry to let it speak.

    Needs no home. Prints the public half with the proof: send it to the registry, and keep
    it, `pith event sign --as` reads it. What it proves holds at that registry alone.
    """
    from registry.app import new_seed
    from registry.services.parties import request_enrolment

    store = the_app(context, home).party_store(signer, registry, passphrase, module)
    made = request_enrolment(
        store,
        schema.key_id(key_id, "--key-id"),
        registry=schema.name(registry, "--registry"),
        signer_id=schema.name(party_id, "--id"),
        signer_type=schema.one_of(party_type, PARTY_TYPES, "--type"),
        seed=new_seed() if new else None,
    )
    note(f"key {key_id} ({made.key.key.fingerprint}) is in {printable(store.uri)}")
    _output.document(canonical(made.to_json()) + b"\n", output)


@app.command(
    epilog=example("pith party enroll --id orcid:0000-0002-1825-0097 --type author --key alice.pub")
)
def enroll(
    context: typer.Context,
    party_id: PartyId,
    party_type: PartyType,
    key: Annotated[
        str,
        typer.Option("--key", metavar="FILE", help="What `pith party request` gave them."),
    ],
    past_rotation: PastRotation = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Let a third party speak here: check their proof, and sign the next signers list.

    Make sure first that they are who they say: the registry's word for it is what others
    rely on. A key speaks for one id, for ever. Prints the list's version and digest.
    """
    from registry.services.parties import enrol

    enrolment = Enrolment.parse(read_bytes(key))
    for what, given, found in (
        ("--id", party_id, enrolment.key.signer_id),
        ("--type", party_type, enrolment.key.signer_type),
    ):
        if given != found:
            raise MismatchError(
                f"{what} is {shown(given)}, the newcomer proved {shown(found)}",
                code="party.other",
                hint="nothing was signed; ask them again",
            )
    desk = open_desk(context, home)
    at = desk.clock()
    signers, new = enrol(desk, desk.signer(at, past_rotation), enrolment, at=at)
    if not new:
        note("they are enrolled with this key already: nothing was signed")
    _tell(signers, new=new, as_json=as_json)


def _tell(signers: Signers, *, new: bool, as_json: bool) -> None:
    body = signers.body
    if as_json:
        _output.json_line({"version": body.version, "sha256": body.digest.hex(), "new": new})
    else:
        _output.lines([f"{body.version}  {body.digest.hex()}"])
    if new:
        note("publish the list: `pith party list -o pith-signers.json`")


@app.command("list", epilog=example("pith party list -o pith-signers.json"))
def list_(
    context: typer.Context, output: Output = None, as_json: AsJson = False, home: Home = None
) -> None:
    """Print who may speak here, or with -o write the signed list that others verify.

    One line a key: id, type, status, key id, fingerprint. --json prints the entries.
    """
    desk = open_desk(context, home)
    signers = desk.store.find_signers()
    if output is not None:
        if signers is None:
            raise NotFoundError(
                "nobody is enrolled: there is no list yet",
                code="party.absent",
                hint="`pith party enroll` makes the first",
            )
        if signers.signature.key_id != desk.active_key().key_id:
            note("it is signed by an earlier key: the next enrolment signs it anew")
        _output.document(served_bytes(signers.to_json()), output)
        return
    for entry in () if signers is None else signers.body.entries:
        key = entry.key
        if as_json:
            _output.json_line(entry.to_json())
        else:
            who = f"{key.signer_id}  {key.signer_type}  {entry.status}"
            _output.lines([f"{who}  {key.key_id}  {key.key.fingerprint}"])


@app.command(epilog=example("pith party retire orcid:0000-0002-1825-0097 --yes"))
def retire(
    context: typer.Context,
    party: Annotated[
        str, typer.Argument(metavar="ID|KEY_ID", help="A party with all its keys, or one key.")
    ],
    revoke: Annotated[
        bool, typer.Option("--revoke", help="The key is distrusted: others are told so.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="With --revoke: distrusted from then on."),
    ] = None,
    yes: Yes = False,
    past_rotation: PastRotation = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Let a party's keys speak here no more, for ever, and sign the next signers list.

    What they said before stands: retiring changes no record. With --revoke the list says
    that the key is distrusted, and the word is asked for whatever --yes says.
    """
    from registry.services.parties import end, find_entries

    if since is not None and not revoke:
        raise UsageError("--since goes with --revoke", code="usage.together")
    moment = Instant.parse_seconds(since) if since is not None else None
    desk = open_desk(context, home)
    entries = find_entries(desk, party)
    for entry in entries:
        note(f"{entry.signer_id}: key {entry.key.key_id} ({entry.key.key.fingerprint})")
    confirmed("revoke" if revoke else "retire", yes=yes and not revoke)
    at = desk.clock()
    signer = desk.signer(at, past_rotation)
    signers, new = end(
        desk, signer, entries, "revoked" if revoke else "retired", since=moment, at=at
    )
    if not new:
        note("that is what the list says already: nothing was signed")
    _tell(signers, new=new, as_json=as_json)
