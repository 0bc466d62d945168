"""Restore: make the home of a registry anew from the key sets it published."""

import os
from pathlib import Path

from registry.config import FILE_NAME, Config
from registry.errors import ConflictError, UntrustedKeyError
from registry.protocol.instant import Instant
from registry.protocol.keyset import KeySet
from registry.protocol.keyset_chain import Chain
from registry.protocol.signers import Signers
from registry.protocol.signers_chain import SignersChain, verify_chain
from registry.protocol.trust import KeySetPin, registry_bindings
from registry.services.importing import MADE_ANEW
from registry.services.initialise import (
    home_exists,
    is_begun,
    new_home,
    new_store,
    put_in_place,
)
from registry.store.rows import ActRow
from registry.store.store import Store


def restore_home(
    home: Path, config: Config, chain: Chain, lists: SignersChain = (), *, at: Instant
) -> KeySet:
    """Make the home of a registry that there was before, without keys and records.

    *chain* are its key sets, whose newest becomes the home's own pin, *lists* its signers
    lists. The journal says that the home was made anew at *at*: signatures of ours dated
    before it are taken from published bundles, and nothing is signed before it was
    reconciled. Gives the newest set. An interrupted call is finished by the
    same one. Raises ConflictError ``home.exists``, StoreError ``home.write``.
    """
    keysets = [link.keyset for link in chain]
    newest = keysets[-1]
    with new_home(home, config) as staging:
        if is_begun(config):
            _check_interrupted(home, config, newest)
            os.replace(staging / FILE_NAME, home / FILE_NAME)
            return newest
        reason = f"made anew from key sets {keysets[0].body.version} to {newest.body.version}"
        signing = newest.body.active("registry") or newest.body.entries
        act = ActRow(MADE_ANEW, signing[0].key_id, reason, at)
        with new_store(staging, config) as store:
            store.begin_again(config.registry_id, keysets, lists, act)
        put_in_place(staging, home, config)
    return newest


def _check_interrupted(home: Path, config: Config, newest: KeySet) -> None:
    """A store without a config is that of the same call, interrupted, or stays alone."""
    with Store(config.store) as store:
        found = store.find_keyset()
        anew = any(act.act == MADE_ANEW for act in store.acts())
        if (
            not anew
            or found is None
            or store.registry != config.registry_id
            or found.body.digest != newest.body.digest
        ):
            raise home_exists(home if isinstance(config.store, Path) else config.store)


def check_registry(chain: Chain, registry: str | None) -> str:
    """The registry of a chain of key sets; ConflictError ``init.registry`` for another."""
    found = chain[-1].keyset.body.registry
    if registry is not None and registry != found:
        raise ConflictError(
            f"the key sets are of {found}, not {registry}",
            code="init.registry",
            hint="leave --registry out: the key sets say it",
        )
    return found


def check_lists(chain: Chain, data: bytes) -> SignersChain:
    """The signers lists in a file, one a line, the oldest first, under the keys of *chain*.

    Raises what following them raises, and UntrustedKeyError ``init.signers`` when the newest,
    which vouches for those before it, is signed by a key that is revoked or no registry key:
    whoever stole the key would have enrolled himself.
    """
    newest = chain[-1].keyset
    bindings = registry_bindings([KeySetPin(newest, "")], newest.body.registry)
    found = [Signers.parse(line) for line in data.split(b"\n") if line.strip()]
    lists = verify_chain(found, bindings)
    if lists:
        key_id = lists[-1].signature.key_id
        entry = next(each for each in newest.body.entries if each.key_id == key_id)
        if entry.usage != "registry" or entry.status in ("announced", "revoked"):
            raise UntrustedKeyError(
                f"version {lists[-1].body.version} of the signers list is signed by {key_id}: "
                f"{entry.usage} key, {entry.status}",
                code="init.signers",
                hint="leave off what it signed last; without --signers, parties enrol again",
            )
    return lists
