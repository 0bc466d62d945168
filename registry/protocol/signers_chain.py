"""What a signers list must be, and how one version follows another (section 11)."""

from collections.abc import Sequence
from typing import Final, TypeAlias

from registry.errors import ConflictError, MismatchError, VerificationError, shown
from registry.protocol.event import Bindings, SignerRef
from registry.protocol.keys import REGISTRY_SIGNER, PublicKey
from registry.protocol.signers import (
    Enrolment,
    SignerEntry,
    Signers,
    SignersBody,
    enrolment_message,
    signers_message,
)

_ORDER: Final = {"active": 0, "retired": 1, "revoked": 2}
SignersChain: TypeAlias = tuple[Signers, ...]


def verify_enrolment(enrolment: Enrolment) -> None:
    """Check the proof of possession; raises BadSignatureError and its like."""
    if enrolment.key.signer_id == enrolment.registry:
        raise _named_as_registry(enrolment.key.key_id)
    enrolment.key.key.verify(enrolment_message(enrolment.registry, enrolment.key), enrolment.proof)


def _named_as_registry(key_id: str) -> VerificationError:
    return VerificationError(
        f"key {key_id} of a party bears the registry's name", code="signers.registry_name"
    )


# -- one version by itself -----------------------------------------------------


def check_keys(body: SignersBody) -> None:
    """No key and no key_id twice, no party with the registry's name, one signer_type a
    signer_id; a status goes with its times. Raises ``signers.keys`` and finer codes."""
    types: dict[str, str] = {}
    for what, values in (
        ("key", [entry.key.key.raw for entry in body.entries]),
        ("key_id", [entry.key.key_id for entry in body.entries]),
    ):
        if len(set(values)) != len(values):
            raise VerificationError(f"one {what} stands twice", code="signers.keys")
    for entry in body.entries:
        if entry.signer_id == body.registry:
            raise _named_as_registry(entry.key.key_id)
        if types.setdefault(entry.signer_id, entry.ref.signer_type) != entry.ref.signer_type:
            raise VerificationError(
                f"{shown(entry.signer_id)} has two signer_types", code="signers.binding"
            )
        _check_times(entry)


def _check_times(entry: SignerEntry) -> None:
    revoked = entry.status == "revoked"
    if revoked != (entry.revoked_at is not None) or (
        entry.compromised_since is not None and not revoked
    ):
        raise VerificationError(
            f"the times of key {entry.key.key_id} do not go with its status {entry.status}",
            code="signers.times",
        )


def check_enrolments(body: SignersBody) -> None:
    """Each key has signed that it speaks under its name at this registry."""
    for entry in body.entries:
        entry.key.key.verify(enrolment_message(body.registry, entry.key), entry.proof)


def check_first(body: SignersBody) -> None:
    """Version 1 has no previous list, every later one names its."""
    if (body.version == 1) != (body.prev_sha256 is None):
        raise VerificationError(
            f"version {body.version} with prev_sha256 {shown(body.prev_sha256)}",
            code="signers.chain",
        )


def check_signature(signers: Signers, bindings: Bindings) -> PublicKey:
    """One of the registry's keys, which *bindings* are, signed the list, and none of them
    is a party's. Gives the key; raises ``signers.signature``, ``signers.registry_key``
    and the codes of signatures."""
    body, signature = signers.body, signers.signature
    ref = SignerRef(body.registry, REGISTRY_SIGNER, signature.key_id, signature.fingerprint)
    if ref not in bindings:
        raise VerificationError(
            f"key {signature.key_id} ({signature.fingerprint}) is not a known registry key of "
            f"{shown(body.registry)}",
            code="signers.signature",
        )
    own = {key.raw for key in bindings.values()}
    for entry in body.entries:
        if entry.key.key.raw in own:
            raise VerificationError(
                f"key {entry.key.key_id} of a party is a key of the registry",
                code="signers.registry_key",
            )
    bindings[ref].verify(signers_message(body), signature.raw)
    return bindings[ref]


def verify_signers(signers: Signers, bindings: Bindings) -> None:
    """Check all of one version, with the registry's keys as *bindings*; raises the first
    failure. Whether its key may still sign is asked elsewhere."""
    for check in (check_keys, check_enrolments, check_first):
        check(signers.body)
    check_signature(signers, bindings)


# -- one version after another -------------------------------------------------


def verify_successor(old: SignersBody, new: SignersBody) -> None:
    """Check that *new*, sound by itself, follows *old*: the same registry, the next
    version, nobody gone, no binding changed, each status the same or further."""
    if old.registry != new.registry:
        raise MismatchError(
            f"the list is of {shown(new.registry)}, not {shown(old.registry)}",
            code="signers.registry",
        )
    if new.version != old.version + 1:
        raise VerificationError(
            f"version {new.version} does not follow {old.version}",
            code="signers.version",
            hint="give every version in between",
        )
    if new.prev_sha256 != old.digest.hex():
        raise MismatchError(
            f"version {new.version} names another version {old.version}", code="signers.prev"
        )
    after = {entry.key.key_id: entry for entry in new.entries}
    for entry in old.entries:
        if entry.key.key_id not in after:
            raise VerificationError(f"key {entry.key.key_id} is gone", code="signers.dropped")
        _check_entry(entry, after[entry.key.key_id])


def _check_entry(old: SignerEntry, new: SignerEntry) -> None:
    if old.key != new.key or old.proof != new.proof:
        raise MismatchError(
            f"the binding of key {new.key.key_id} was changed", code="signers.changed"
        )
    if _ORDER[new.status] < _ORDER[old.status]:
        raise VerificationError(
            f"key {new.key.key_id} went back from {old.status} to {new.status}",
            code="signers.status",
        )
    moved = old.compromised_since is not None and (
        new.compromised_since is None or new.compromised_since > old.compromised_since
    )
    if moved or (old.revoked_at is not None and old.revoked_at != new.revoked_at):
        raise MismatchError(
            f"the revocation of key {new.key.key_id} was changed", code="signers.changed"
        )


def follow(chain: SignersChain, offered: Signers, bindings: Bindings) -> SignersChain:
    """The chain after somebody who holds *chain* was offered another version.

    A list that is already there changes nothing. Raises ConflictError
    ``signers.rollback`` for a version before the first that is held and
    ``signers.fork`` for two lists of one version; else as `verify_signers` and
    `verify_successor`.
    """
    verify_signers(offered, bindings)
    if not chain or any(held.body.digest == offered.body.digest for held in chain):
        return chain or (offered,)
    newest, first = chain[-1].body, chain[0].body
    if offered.body.version > newest.version or offered.body.registry != newest.registry:
        verify_successor(newest, offered.body)
        return (*chain, offered)
    if offered.body.version < first.version:
        raise ConflictError(
            f"version {offered.body.version} is older than version {newest.version}",
            code="signers.rollback",
            hint="the newer one stands",
        )
    raise ConflictError(
        f"two signers lists of {shown(newest.registry)} are version {offered.body.version} "
        "and differ",
        code="signers.fork",
        hint="trust neither; keep both files, they are evidence, and ask the registry",
    )


def verify_chain(lists: Sequence[Signers], bindings: Bindings) -> SignersChain:
    """Follow one list after the other; the first is taken as it is, whatever its version."""
    chain: SignersChain = ()
    for each in lists:
        chain = follow(chain, each, bindings)
    return chain
