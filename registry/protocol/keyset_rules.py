"""The rules that one version of a key set keeps by itself (protocol.md section 10)."""

from typing import Final

from registry.errors import MismatchError, VerificationError, shown
from registry.protocol.instant import Instant
from registry.protocol.keyset import MAX_LIFE_DAYS, KeyEntry, KeySet, KeySetBody, keyset_message

MAX_AHEAD_SECONDS: Final = 600


def check_keys(body: KeySetBody) -> None:
    """No key and no key_id twice; every entry's times go with its status."""
    ids: set[str] = set()
    keys: set[bytes] = set()
    for entry in body.entries:
        raw = b"" if entry.object is None else entry.object.key.raw
        if entry.key_id in ids or (raw and raw in keys):
            raise VerificationError(f"key {entry.key_id} stands twice", code="keyset.keys")
        ids.add(entry.key_id)
        keys.add(raw)
        if (entry.status == "revoked") != (entry.revoked_at is not None):
            raise MismatchError(
                f"key {entry.key_id} is {entry.status}, its revoked_at does not say so",
                code="keyset.keys",
            )
        if entry.status == "retired" and entry.retired_at is None:
            raise MismatchError(
                f"key {entry.key_id} is retired without retired_at", code="keyset.keys"
            )
        if entry.compromised_since is not None and entry.status != "revoked":
            raise MismatchError(
                f"key {entry.key_id} is compromised and not revoked", code="keyset.keys"
            )
        if entry.retired_at is not None and (
            entry.status in ("announced", "active") or entry.retired_at < entry.valid_from
        ):
            raise MismatchError(
                f"key {entry.key_id} is {entry.status} with retired_at "
                f"{entry.retired_at.seconds}, valid from {entry.valid_from.seconds}",
                code="keyset.keys",
            )
    active = [entry.key_id for entry in body.active("registry")]
    if len(active) > 1:
        raise VerificationError(
            f"more than one active registry key: {', '.join(active)}", code="keyset.keys"
        )
    if not active and not any(_revoked_without_successor(entry) for entry in body.entries):
        raise VerificationError("no active registry key", code="keyset.keys")


def _revoked_without_successor(entry: KeyEntry) -> bool:
    return (
        entry.usage == "registry"
        and entry.status == "revoked"
        and entry.successor_key_sha256 is None
    )


def check_threshold(body: KeySetBody) -> None:
    """1 to the number of active recovery keys, 0 while there are none."""
    count = len(body.active("recovery"))
    if not (body.threshold == 0 if count == 0 else 1 <= body.threshold <= count):
        raise VerificationError(
            f"threshold {body.threshold} with {count} active recovery keys",
            code="keyset.threshold",
        )


def check_life(body: KeySetBody) -> None:
    """``created_at`` before ``expires_at``, and at most 400 days between them."""
    if not body.created_at < body.expires_at <= body.created_at.plus(days=MAX_LIFE_DAYS):
        raise VerificationError(
            f"expires_at {body.expires_at.seconds} is not within {MAX_LIFE_DAYS} days after "
            f"created_at {body.created_at.seconds}",
            code="keyset.life",
        )


def check_chain(body: KeySetBody) -> None:
    """Version 1 has no previous set, every later one names its."""
    if (body.version == 1) != (body.prev_sha256 is None):
        raise VerificationError(
            f"version {body.version} with prev_keyset_sha256 {shown(body.prev_sha256)}",
            code="keyset.chain",
        )


def check_signatures(keyset: KeySet) -> None:
    """Every signature present verifies, by a key of the set, and none signs twice."""
    message = keyset_message(keyset.body)
    signed: set[bytes] = set()
    objects = [e.object for e in keyset.body.entries if e.object is not None]
    named = {(each.key_id, each.key.fingerprint): each for each in objects}
    unknown = {e.key_id for e in keyset.body.entries if e.object is None}
    if not keyset.signatures and keyset.body.version > 1:  # a first set wants possession
        raise VerificationError("nobody has signed the key set", code="keyset.signatures")
    for signature in keyset.signatures:
        if signature.key_id in unknown:  # of an algorithm to come: it counts for nothing
            continue
        found = named.get((signature.key_id, signature.fingerprint))
        if found is None:
            raise VerificationError(
                f"{shown(signature.key_id)} ({signature.fingerprint}) is not a key of the set",
                code="keyset.signatures",
            )
        if found.key.raw in signed:
            raise VerificationError(f"key {found.key_id} signs twice", code="keyset.signatures")
        signed.add(found.key.raw)
        found.key.verify(message, signature.raw)


def check_possession(keyset: KeySet, old: KeySetBody | None = None) -> None:
    """Every key that a version adds or makes active has signed it: whoever lists it holds it.

    *old* is the version before. Without it only a first version can be checked, which
    adds all of its keys.
    """
    if old is None and keyset.body.version != 1:
        return
    before = old.entries if old is not None else ()
    known = {entry.key_id for entry in before}
    active = {entry.key_id for entry in before if entry.status == "active"}
    signed = {signature.key_id for signature in keyset.signatures}
    for entry in keyset.body.entries:
        added = entry.key_id not in known
        activated = entry.status == "active" and entry.key_id not in active
        if entry.object is not None and (added or activated) and entry.key_id not in signed:
            raise VerificationError(
                f"key {entry.key_id} has not signed the set that "
                f"{'adds it' if added else 'makes it active'}",
                code="keyset.possession",
            )


def check_fresh(body: KeySetBody, at: Instant, max_ahead: int = MAX_AHEAD_SECONDS) -> None:
    """The set has been made and has not expired at *at*."""
    if body.created_at > at.plus(seconds=max_ahead):
        raise VerificationError(
            f"the key set was created at {body.created_at.seconds}, ahead of this clock",
            code="keyset.fresh",
            hint="check this machine's clock",
        )
    if at > body.expires_at:
        raise VerificationError(
            f"the key set expired at {body.expires_at.seconds}",
            code="keyset.fresh",
            hint="get the registry's newest key set; --accept-expired takes this one as of its end",
        )


def check_body(body: KeySetBody) -> None:
    """Check everything about a set but its signatures; raises the first failure."""
    for check in (check_keys, check_threshold, check_life, check_chain):
        check(body)


def verify_keyset(keyset: KeySet) -> None:
    """Check everything a set can be checked for by itself; raises the first failure.

    Whether it follows its predecessor, is pinned, or is fresh is asked elsewhere.
    """
    check_body(keyset.body)
    check_signatures(keyset)
    check_possession(keyset)
