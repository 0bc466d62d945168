"""Enact: sign the next version of the key set with the keys it takes, and keep it."""

from collections.abc import Iterable, Iterator, Sequence

from registry.errors import KeyUnavailableError
from registry.protocol.instant import Instant
from registry.protocol.keyset import KeyEntry, KeySet, KeySetBody
from registry.protocol.keyset_acts import active_entry, possessors
from registry.protocol.keyset_chain import verify_successor
from registry.protocol.keyset_rules import check_fresh
from registry.protocol.transcript import Transcript
from registry.services.desk import Desk
from registry.signing.documents import sign_keyset
from registry.signing.signer import Signer
from registry.store.rows import ActRow, KeyRow


def enact(
    desk: Desk, body: KeySetBody, signers: Sequence[Signer], *, act: str, reason: str, at: Instant
) -> KeySet:
    """Sign *body*, check that it follows as a stranger would, and keep it as the newest.

    The version before is compared inside the statement that inserts: of two acts at
    once one wins, and an interrupted one never began. Raises ConflictError
    ``keyset.moved`` when another came first, and what `verify_successor` raises.
    """
    return keep(desk, sign_keyset(signers, body), act=act, reason=reason, at=at)


def keep(
    desk: Desk,
    keyset: KeySet,
    *,
    act: str,
    reason: str,
    at: Instant,
    transcripts: Sequence[Transcript] = (),
) -> KeySet:
    """Take a signed version that follows the newest, wherever it was signed, with the
    transcripts of its ceremony."""
    desk.check_reconciled()
    old = desk.keyset()
    verify_successor(old, keyset)
    check_fresh(keyset.body, at, desk.config.max_ahead)
    signed_by = ", ".join(signature.key_id for signature in keyset.signatures)
    line = ActRow(f"{act}: key set version {keyset.body.version}", signed_by, reason, at)
    desk.store.replace_keyset(keyset, old=old.body, act=line, transcripts=transcripts)
    return keyset


def routine_signers(desk: Desk, new: KeySetBody) -> list[Signer]:
    """The active key and every key that *new* adds or makes active.

    A stopped key is refused (KeyUnavailableError ``key.stopped``): it may still list the
    first recovery keys, which alone lead on from there, and does nothing else.
    """
    old = desk.keyset().body
    active = active_entry(old)
    if active is None:
        raise KeyUnavailableError(
            "no registry key is active",
            code="key.none_active",
            hint="only the recovery keys can name the next one: `pith ceremony run`",
        )
    taken = (active, *possessors(old, new))
    if old.threshold or not new.threshold:
        for entry in taken:
            desk.check_stopped(entry.key_id)
    return list(_opened(desk, taken))


def recovery_signers(desk: Desk, new: KeySetBody) -> list[Signer]:
    """The keys that *new* adds or makes active, and as many active recovery keys as the
    thresholds of both versions take, opened where they are.

    Raises KeyUnavailableError ``recovery.quorum``, naming what kept each away.
    """
    old = desk.keyset().body
    signers = list(_opened(desk, possessors(old, new)))
    missing: list[str] = []
    for entry in _recovery(old, new):
        if _enough(old, new, {signer.key_id for signer in signers}):
            break
        if all(signer.key_id != entry.key_id for signer in signers):
            try:
                signers.append(open_signer(desk, entry))
            except KeyUnavailableError as error:
                missing.append(f"{entry.key_id}: {error.message}")
    if not _enough(old, new, {signer.key_id for signer in signers}):
        reachable = sum(e.key_id in {s.key_id for s in signers} for e in old.active("recovery"))
        raise KeyUnavailableError(
            f"{reachable} of the {old.threshold} recovery keys that this takes are within reach"
            + "".join(f"; {reason}" for reason in missing),
            code="recovery.quorum",
            hint="bring the others here, or sign across an air gap: `pith ceremony run --request`"
            if old.threshold
            else "there is no recovery key: `pith key create --usage recovery` makes one",
        )
    return signers


def _recovery(old: KeySetBody, new: KeySetBody) -> Iterable[KeyEntry]:
    """Recovery keys of either version; those that count in both are asked first."""
    later = {entry.key_id for entry in new.active("recovery")}
    earlier = old.active("recovery")
    both = [entry for entry in earlier if entry.key_id in later]
    return [*both, *(entry for entry in earlier if entry.key_id not in later)]


def _enough(old: KeySetBody, new: KeySetBody, signed: set[str]) -> bool:
    def met(body: KeySetBody) -> bool:
        count = sum(entry.key_id in signed for entry in body.active("recovery"))
        return count >= body.threshold

    return old.threshold > 0 and met(old) and met(new)


def _opened(desk: Desk, entries: Iterable[KeyEntry]) -> Iterator[Signer]:
    return (
        open_signer(desk, entry) for entry in {entry.key_id: entry for entry in entries}.values()
    )


def open_signer(desk: Desk, entry: KeyEntry) -> Signer:
    """The signer of one key of the key set, opened where this registry noted it. Raises
    StoreError ``store.unreconciled`` too."""
    desk.check_reconciled()
    row = desk.find_key(entry.key_id)
    if row is None or entry.object is None:
        raise KeyUnavailableError(
            f"nothing is known here of where {entry.key_id} is",
            code="key.unknown",
            hint="`pith key add` notes a key that is kept elsewhere",
        )
    return desk.key_store(row.uri).open(entry.key_id, entry.object.key)


def row_of(desk: Desk, sha256: str | None) -> KeyRow | None:
    """The key that a commitment is about, where this registry has it."""
    rows = desk.store.list_keys()
    return next((row for row in rows if row.public_key.sha256.hex() == sha256), None)
