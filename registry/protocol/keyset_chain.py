"""How one version of a key set follows another (protocol.md section 10)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from registry.errors import ConflictError, MismatchError, VerificationError
from registry.protocol.keyset import KeyEntry, KeySet, KeySetBody
from registry.protocol.keyset_rules import check_body, check_possession, verify_keyset

Act: TypeAlias = Literal["first", "routine", "first recovery keys", "recovery"]
"""What brought a version about: `routine` by the active key, `recovery` by the threshold."""

_ORDER: Final = {"announced": 0, "active": 1, "retiring": 2, "retired": 3, "revoked": 4}


@dataclass(frozen=True, slots=True)
class Link:
    """One version of a chain and the act that made it."""

    keyset: KeySet
    act: Act


Chain: TypeAlias = tuple[Link, ...]


def verify_chain(keysets: Sequence[KeySet]) -> Chain:
    """Follow one set after the other; the first is taken as it is, whatever its version:
    it is what the caller pins. Raises what `follow` raises."""
    chain: Chain = ()
    for keyset in keysets:
        chain = follow(chain, keyset)
    return chain


def parse_chain(data: bytes) -> Chain:
    """Read versions of one key set, one a line, the oldest first, and follow them."""
    return verify_chain([KeySet.parse(line) for line in data.split(b"\n") if line.strip()])


def follow(chain: Chain, offered: KeySet) -> Chain:
    """The chain after a verifier who holds *chain* was offered another version.

    A set that is already there changes nothing. A recovery act displaces the
    routine act of its version and those after it. Raises ConflictError
    ``keyset.rollback`` for an older or displaced version and ``keyset.fork`` for any
    other two sets of one version; VerificationError as `verify_successor`.
    """
    verify_keyset(offered)
    if not chain:
        return (Link(offered, "first"),)
    if any(link.keyset.body.digest == offered.body.digest for link in chain):
        return chain
    newest, first = chain[-1].keyset.body, chain[0].keyset.body
    if offered.body.version > newest.version or offered.body.registry != newest.registry:
        return (*chain, Link(offered, verify_successor(chain[-1].keyset, offered)))
    place = offered.body.version - first.version
    if place < 0:
        raise _rollback(offered, newest)
    if place == 0:
        raise _fork(offered)
    act = verify_successor(chain[place - 1].keyset, offered)
    if act == "recovery" and chain[place].act == "routine":
        return (*chain[:place], Link(offered, act))
    if act == "routine" and chain[place].act == "recovery":
        raise _rollback(offered, newest)
    raise _fork(offered)


def _rollback(offered: KeySet, newest: KeySetBody) -> ConflictError:
    return ConflictError(
        f"version {offered.body.version} is older than version {newest.version} or displaced by it",
        code="keyset.rollback",
        hint="the newer one stands",
    )


def _fork(offered: KeySet) -> ConflictError:
    return ConflictError(
        f"two key sets of {offered.body.registry} are version {offered.body.version} and differ",
        code="keyset.fork",
        hint="trust neither; keep both files, they are evidence, and ask the registry",
    )


def verify_successor(old: KeySet, new: KeySet) -> Act:
    """Check that *new*, sound by itself, follows *old*; gives the act that made it.

    Raises VerificationError with the name of the rule that is broken.
    """
    _check_place(old.body, new.body)
    pairs = _entries(old.body, new.body)
    _check_unchanged(pairs)
    _check_status(pairs)
    check_possession(new, old.body)
    return _act(old, new, pairs)


def check_next(old: KeySetBody, new: KeySetBody) -> None:
    """Check of an unsigned version all that does not depend on its signatures: its own
    rules, and that no key is lost, changed or moved back after *old*."""
    check_body(new)
    _check_place(old, new)
    pairs = _entries(old, new)
    _check_unchanged(pairs)
    _check_status(pairs)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A key in the old version, None where it is added, and in the new one."""

    old: KeyEntry | None
    new: KeyEntry


def _check_place(old: KeySetBody, new: KeySetBody) -> None:
    if old.registry != new.registry:
        raise MismatchError(
            f"the set is of {new.registry!r}, not {old.registry!r}", code="keyset.registry"
        )
    if new.version != old.version + 1:
        raise VerificationError(
            f"version {new.version} does not follow {old.version}",
            code="keyset.version",
            hint="give every version in between: the registry has them (`pith keyset show --all`)",
        )
    if new.prev_sha256 != old.digest.hex():
        raise MismatchError(
            f"version {new.version} names another version {old.version}", code="keyset.prev"
        )
    if new.created_at < old.created_at:
        raise VerificationError(
            f"version {new.version} was created before version {old.version}",
            code="keyset.created",
        )


def _entries(old: KeySetBody, new: KeySetBody) -> tuple[_Pair, ...]:
    before = {entry.key_id: entry for entry in old.entries}
    after = {entry.key_id for entry in new.entries}
    for key_id in before:
        if key_id not in after:
            raise VerificationError(f"key {key_id} is gone", code="keyset.dropped")
    return tuple(_Pair(before.get(entry.key_id), entry) for entry in new.entries)


def _check_unchanged(pairs: Sequence[_Pair]) -> None:
    for pair in pairs:
        old, new = pair.old, pair.new
        if old is None:
            continue
        for what, before, after in (
            ("key object", old.described, new.described),
            ("usage", old.usage, new.usage),
            ("valid_from", old.valid_from, new.valid_from),
            ("retired_at", old.retired_at, old.retired_at and new.retired_at),
            ("revoked_at", old.revoked_at, old.revoked_at and new.revoked_at),
        ):
            if before != after:
                raise MismatchError(
                    f"the {what} of key {new.key_id} was changed", code="keyset.changed"
                )
        if _trusts_more(old, new):
            raise MismatchError(
                f"compromised_since of key {new.key_id} was moved later", code="keyset.changed"
            )


def _trusts_more(old: KeyEntry, new: KeyEntry) -> bool:
    """Whether *new* takes back distrust: revoked without a time counts from the first day."""
    if old.status != "revoked":
        return False
    if old.compromised_since is None:
        return new.compromised_since is not None and new.compromised_since > old.valid_from
    return new.compromised_since is None or new.compromised_since > old.compromised_since


def _check_status(pairs: Sequence[_Pair]) -> None:
    for pair in pairs:
        if pair.old is not None and _ORDER[pair.new.status] < _ORDER[pair.old.status]:
            raise VerificationError(
                f"key {pair.new.key_id} went back from {pair.old.status} to {pair.new.status}",
                code="keyset.status",
            )


def _signers(body: KeySetBody, usage: str, signed: set[str]) -> int:
    return sum(entry.key_id in signed for entry in body.active(usage))


def _act(old: KeySet, new: KeySet, pairs: Sequence[_Pair]) -> Act:
    """Which of the acts made *new*; raises ``keyset.threshold_met`` or what a routine act
    may not do."""
    signed = {signature.key_id for signature in new.signatures}
    before, after = old.body, new.body
    recovery = _signers(before, "recovery", signed)
    if before.threshold and recovery >= before.threshold:
        if _signers(after, "recovery", signed) < after.threshold:
            raise VerificationError(
                f"version {after.version} has not the threshold of its own recovery keys",
                code="keyset.threshold_met",
            )
        return "recovery"
    if not _signers(before, "registry", signed):
        raise VerificationError(
            f"version {after.version} is signed by {recovery} of the {before.threshold} recovery "
            f"keys of version {before.version} it takes, and not by its active registry key",
            code="keyset.threshold_met",
        )
    if not before.threshold and _adds_first_recovery(before, after, pairs):
        return "first recovery keys"
    _check_routine(before, after, pairs)
    return "routine"


def _adds_first_recovery(old: KeySetBody, new: KeySetBody, pairs: Sequence[_Pair]) -> bool:
    added = [pair.new for pair in pairs if pair.old is None]
    kept = [pair for pair in pairs if pair.old is not None]
    return (
        bool(added)
        and all(entry.usage == "recovery" for entry in added)
        and all(pair.old == pair.new for pair in kept)
        and new.threshold >= 1
        and not any(entry.usage == "recovery" for entry in old.entries)
    )


def _check_routine(old: KeySetBody, new: KeySetBody, pairs: Sequence[_Pair]) -> None:
    """A routine act announces the committed successor, makes it active, and moves registry
    keys forward, and changes nothing else."""

    def beyond(what: str) -> VerificationError:
        return VerificationError(
            f"a routine act may not {what}",
            code="keyset.routine",
            hint="this takes the recovery keys' threshold",
        )

    if new.threshold != old.threshold:
        raise beyond("change the threshold")
    (active,) = old.active("registry")
    for pair in pairs:
        before, after = pair.old, pair.new
        if before is None:
            committed = active.successor_key_sha256
            key = after.object.key.sha256.hex() if after.object is not None else ""
            if after.usage != "registry" or committed is None or key != committed:
                raise beyond(f"add key {after.key_id}: it is not the committed successor")
            if after.status not in ("announced", "active"):
                raise beyond(f"add key {after.key_id} as {after.status}")
        elif before.usage == "recovery" and before != after:
            raise beyond(f"change recovery key {after.key_id}")
        elif before.successor_key_sha256 != after.successor_key_sha256:
            raise beyond(f"change the committed successor of {after.key_id}")
        elif after.status == "revoked" and before.status != "revoked":
            raise beyond(f"revoke key {after.key_id}")
        elif (before.revoked_at, before.compromised_since, before.reason) != (
            after.revoked_at,
            after.compromised_since,
            after.reason,
        ):
            raise beyond(f"change the revocation of {after.key_id}")
    _check_activated(active, pairs, beyond)


def _check_activated(
    active: KeyEntry, pairs: Sequence[_Pair], beyond: Callable[[str], VerificationError]
) -> None:
    for pair in pairs:
        new = pair.new
        activated = new.status == "active" and (pair.old is None or pair.old.status != "active")
        key = new.object.key.sha256.hex() if new.object is not None else ""
        if activated and key != active.successor_key_sha256:
            raise beyond(f"make {new.key_id} active: it is not the committed successor")
