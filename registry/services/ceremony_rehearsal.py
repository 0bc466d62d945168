"""The rehearsal of a ceremony: the same screens, with keys worth nothing.

It reads what the registry's key set says and opens none of its keys. What it makes is of a
registry whose name ends in ``.invalid``, and is refused wherever a real one is wanted.
"""

from collections.abc import Callable
from dataclasses import replace

from registry.errors import NotFoundError
from registry.protocol.instant import Instant
from registry.protocol.keys import PublicKey
from registry.protocol.keyset import KeyEntry, KeySet
from registry.protocol.keyset_chain import verify_successor
from registry.protocol.transcript import REHEARSAL_SUFFIX, Transcript
from registry.services import ceremony_screens as screens
from registry.services.ceremony import (
    Confirm,
    check_registry,
    hold,
    own_entries,
    planned,
    signatures_of,
)
from registry.services.ceremony_plan import Plan, propose
from registry.services.desk import Desk
from registry.signing.documents import sign_keyset
from registry.signing.memory import MemoryKeyStore
from registry.signing.signer import Signer


class _Cast:
    """Stand-ins for keys, each made when its key id is first asked for."""

    def __init__(self, registry: str, seeds: Callable[[], bytes]) -> None:
        self._store = MemoryKeyStore(registry)
        self._seeds = seeds
        self._keys: dict[str, PublicKey] = {}

    def key(self, key_id: str) -> PublicKey:
        if key_id not in self._keys:
            self._keys[key_id] = self._store.put(key_id, self._seeds())
        return self._keys[key_id]

    def signer(self, entry: KeyEntry) -> Signer:
        return self._store.open(entry.key_id, self.key(entry.key_id))

    def entry(self, entry: KeyEntry) -> KeyEntry:
        if entry.object is None:
            return entry
        key = replace(entry.object, key=self.key(entry.key_id))
        return replace(entry, object=key, described=key.to_json())


def rehearse(
    desk: Desk,
    plan: Plan,
    confirm: Confirm,
    *,
    nonce: str,
    seeds: Callable[[], bytes],
    at: Instant,
) -> tuple[KeySet, Transcript]:
    """Hold the plan's ceremony with stand-ins for every key; nothing is kept.

    Raises what the real one would raise about the plan, and what *confirm* raises.
    """
    check_registry(plan, desk.registry)
    name = f"{desk.registry}{REHEARSAL_SUFFIX}"
    cast = _Cast(name, seeds)
    real = desk.keyset().body
    body = replace(real, registry=name, entries=tuple(map(cast.entry, real.entries)))
    known = [entry for entry in body.entries if entry.object is not None]
    old = sign_keyset([cast.signer(entry) for entry in known], body)
    ids = {entry.key_id for entry in known} | {key.key_id for key in plan.keys}
    ids |= {row.key_id for row in desk.store.list_keys()}

    def public_key(key_id: str) -> PublicKey:
        if key_id not in ids:
            raise NotFoundError(f"no key {key_id} is known here", code="ceremony.key")
        return cast.key(key_id)

    proposed = propose(plan, old.body, desk.config, public_key, at=at)
    handover = planned(plan, [old], proposed, history=(), nonce=nonce, at=at)
    done, session = hold(
        handover, handover.participants, cast.signer, confirm, last=screens.PUBLISH
    )
    own = [cast.signer(entry) for entry in own_entries(done)]
    keyset = KeySet(proposed, (*done.signatures, *signatures_of(done, own)))
    verify_successor(old, keyset)
    return keyset, session
