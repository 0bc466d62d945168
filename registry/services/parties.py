"""Parties: who else may speak here. They prove what they hold; the registry lists them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from registry.errors import ConflictError, MismatchError, NotFoundError, VerificationError, shown
from registry.protocol import schema
from registry.protocol.instant import Instant
from registry.protocol.keys import KeyObject, PublicKey
from registry.protocol.keyset_acts import active_entry
from registry.protocol.signers import Enrolment, SignerEntry, Signers, SignersBody
from registry.protocol.signers_chain import verify_enrolment, verify_successor
from registry.services.desk import Desk
from registry.signing.documents import sign_enrolment, sign_signers
from registry.signing.signer import KeyStore, Signer

Ending: TypeAlias = Literal["retired", "revoked"]
ORCID_PREFIX = "orcid:"


def request_enrolment(
    key_store: KeyStore,
    key_id: str,
    *,
    registry: str,
    signer_id: str,
    signer_type: str,
    seed: bytes | None,
) -> Enrolment:
    """What a newcomer sends to *registry*: the key *key_id* of a store, and the proof that
    he holds it. A *seed* is put there first."""
    check_name(signer_id, signer_type)
    if seed is not None:
        key_store.put(key_id, seed)
    public_key = key_store.find(key_id)
    key = party_key(key_id, public_key, signer_id, signer_type)
    return sign_enrolment(key_store.open(key_id, public_key), key, registry=registry)


def party_key(key_id: str, public_key: PublicKey, signer_id: str, signer_type: str) -> KeyObject:
    """The key object of a third party."""
    return KeyObject(key_id, public_key, None, "", "", signer_id, signer_type)


def check_name(signer_id: str, signer_type: str) -> None:
    """``orcid:`` and an ORCID name an author, and nobody else."""
    if signer_id.startswith(ORCID_PREFIX):
        schema.orcid(signer_id.removeprefix(ORCID_PREFIX), "signer_id")
        if signer_type != "author":
            raise VerificationError(
                f"{shown(signer_id)} is a person: an author, not a {signer_type}",
                code="party.orcid",
            )


def enrol(desk: Desk, signer: Signer, enrolment: Enrolment, *, at: Instant) -> tuple[Signers, bool]:
    """List a third party whose proof holds; False where it is listed already.

    Raises MismatchError ``party.registry`` for a proof made for another registry,
    ConflictError ``party.key`` for a key or key id that means another, and what
    `verify_enrolment` raises.
    """
    if enrolment.registry != desk.registry:
        raise MismatchError(
            f"this asks {shown(enrolment.registry)} for enrolment, not {desk.registry}",
            code="party.registry",
            hint=f"the newcomer makes it with --registry {desk.registry}",
        )
    key = enrolment.key
    check_name(key.signer_id or "", key.signer_type or "")
    verify_enrolment(enrolment)
    _check_not_ours(desk, key)
    old = desk.store.find_signers()
    entry = SignerEntry(key, "active", None, None, enrolment.proof)
    entries = () if old is None else old.body.entries
    for each in entries:
        if (each.key, each.proof) == (key, enrolment.proof) and old is not None:
            return old, False
        if each.key.key == key.key or each.key.key_id == key.key_id:
            raise ConflictError(
                f"key {each.key.key_id} ({each.key.key.fingerprint}) is enrolled for "
                f"{shown(each.signer_id)}, for ever",
                code="party.key",
                hint="the newcomer makes another key under another key id",
            )
    return _publish(desk, signer, old, (*entries, entry), at), True


def _check_not_ours(desk: Desk, key: KeyObject) -> None:
    rows = [(row.key_id, row.public_key) for row in desk.store.list_keys()]
    listed = [(e.key_id, e.object and e.object.key) for e in desk.keyset().body.entries]
    for key_id, public_key in (*rows, *listed):
        if key_id == key.key_id or public_key == key.key:
            raise ConflictError(
                f"key {key_id} is one of the registry's own",
                code="party.key",
                hint="the newcomer makes another key under another key id",
            )


def _publish(
    desk: Desk,
    signer: Signer,
    old: Signers | None,
    entries: Sequence[SignerEntry],
    at: Instant,
) -> Signers:
    body = SignersBody(
        desk.registry,
        1 if old is None else old.body.version + 1,
        None if old is None else old.body.digest.hex(),
        tuple(entries),
    )
    if old is not None:
        verify_successor(old.body, body)
    signers = sign_signers(signer, body)
    desk.store.add_signers(signers, at=at)
    return signers


def sign_list_anew(desk: Desk, signers: Sequence[Signer], *, at: Instant) -> Signers | None:
    """The signers list again under the key that is active now, when that one is among
    *signers* and another signed the newest version; None where there is nothing to do.

    A list holds no time: under a key that ended, it is unproven (protocol.md 9.4)."""
    active = active_entry(desk.keyset().body)
    newest = desk.store.find_signers()
    if newest is None or active is None or newest.signature.key_id == active.key_id:
        return None
    for signer in signers:
        if signer.key_id == active.key_id:
            return _publish(desk, signer, newest, newest.body.entries, at)
    return None


def find_entries(desk: Desk, name: str) -> list[SignerEntry]:
    """The entries of a signer_id, or the one of a key id; NotFoundError ``party.absent``."""
    signers = desk.store.find_signers()
    found = [
        entry
        for entry in (signers.body.entries if signers else ())
        if name in (entry.signer_id, entry.key.key_id)
    ]
    if not found:
        raise NotFoundError(
            f"no party {shown(name)} is enrolled",
            code="party.absent",
            hint="`pith party list` shows who is",
        )
    return found


def end(
    desk: Desk,
    signer: Signer,
    entries: Sequence[SignerEntry],
    ending: Ending,
    *,
    since: Instant | None,
    at: Instant,
) -> tuple[Signers, bool]:
    """Retire or revoke keys of a party; False where all are so far along already.

    *since* says from when a revoked key is distrusted; it may move earlier later.
    """
    old = desk.store.find_signers()
    if old is None:
        raise NotFoundError("nobody is enrolled", code="party.absent")
    ended = {entry.key.key_id: _ended(entry, ending, since, at) for entry in entries}
    now = tuple(ended.get(entry.key.key_id, entry) for entry in old.body.entries)
    if now == old.body.entries:
        return old, False
    return _publish(desk, signer, old, now, at), True


def _ended(entry: SignerEntry, ending: Ending, since: Instant | None, at: Instant) -> SignerEntry:
    if ending == "retired":
        return entry if entry.status != "active" else replace(entry, status="retired")
    revoked_at = entry.revoked_at or at.whole
    return replace(
        entry,
        status="revoked",
        revoked_at=revoked_at,
        compromised_since=(since and since.whole) or entry.compromised_since,
    )
