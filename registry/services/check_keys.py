"""Check of what speaks for a registry: key sets, signers lists, keys and where they are."""

from collections.abc import Iterator

from registry.errors import PithError
from registry.protocol import schema
from registry.protocol.canonical import canonical
from registry.protocol.event import Bindings
from registry.protocol.keys import PublicKey
from registry.protocol.keyset import KeySet
from registry.protocol.keyset_chain import Chain
from registry.protocol.keyset_chain import follow as follow_keyset
from registry.protocol.signers import Signers
from registry.protocol.signers_chain import SignersChain, verify_signers
from registry.protocol.signers_chain import follow as follow_signers
from registry.services.desk import Desk
from registry.services.findings import COLUMN, Finding, differing
from registry.store.store import Store
from registry.store.tables import BY_NAME

_USAGES = ("registry", "recovery")


def check_keysets(store: Store, registry: str, read: list[KeySet]) -> Iterator[Finding]:
    """Each version is sound, of this registry, and follows the one before; those that can be
    read go into *read*."""
    chain: Chain = ()
    for version, sha256, body in store.stream(BY_NAME["keysets"].rows):
        where = f"key set {version}"
        try:
            keyset = KeySet.parse(body)
            if canonical(keyset.to_json()) != body:
                yield Finding("keysets.body", where, "not in canonical bytes")
        except PithError as error:
            yield Finding("keysets.body", where, str(error))
            continue
        read.append(keyset)
        if keyset.body.registry != registry:
            yield Finding("keysets.registry", where, f"it is of {keyset.body.registry}")
        found = {"version": version, "sha256": sha256}
        derived = {"version": keyset.body.version, "sha256": keyset.body.digest}
        yield from differing("keysets", where, found, derived)
        try:
            chain = follow_keyset(chain, keyset)
        except PithError as error:
            yield Finding(error.code, where, str(error))
            chain = ()


def check_signers(store: Store, own: Bindings, read: list[Signers]) -> Iterator[Finding]:
    """The same of the signers lists, under the registry's keys *own*."""
    chain: SignersChain = ()
    for version, sha256, body in store.stream(BY_NAME["signers"].rows):
        where = f"signers list {version}"
        try:
            signers = Signers.parse(body)
            if canonical(signers.to_json()) != body:
                yield Finding("signers.body", where, "not in canonical bytes")
        except PithError as error:
            yield Finding("signers.body", where, str(error))
            continue
        read.append(signers)
        found = {"version": version, "sha256": sha256}
        derived = {"version": signers.body.version, "sha256": signers.body.digest}
        yield from differing("signers", where, found, derived)
        try:
            verify_signers(signers, own)
            chain = follow_signers(chain, signers, own)
        except PithError as error:
            yield Finding(error.code, where, str(error))
            chain = ()


def check_key_rows(desk: Desk) -> Iterator[Finding]:
    """Where keys are: each is a key, and what the newest key set says of it."""
    entries = {entry.key_id: entry for entry in desk.keyset().body.entries}
    for key_id, public_key, usage, _, _ in desk.store.stream(BY_NAME["keys"].rows):
        where = f"key {key_id}"
        try:
            schema.key_id(key_id)
            key = PublicKey.from_raw(public_key)
        except PithError as error:
            yield Finding("keys.public_key", where, str(error))
            continue
        entry = entries.get(key_id)
        if entry is None or entry.object is None:
            if usage not in _USAGES:
                yield Finding("keys.usage", where, f"{usage} is no usage", COLUMN)
            continue
        found = {"public_key": key.raw, "usage": usage}
        derived = {"public_key": entry.object.key.raw, "usage": entry.usage}
        yield from differing("keys", where, found, derived)
