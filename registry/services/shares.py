"""Shares: a key's backup among several people, and the drills that show it would work."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from registry.errors import ConflictError, MismatchError, NotFoundError, shown
from registry.protocol.instant import Instant
from registry.protocol.keys import PublicKey
from registry.services.desk import Desk
from registry.signing.share_paper import Label, Paper
from registry.signing.shares import check_key, put_back, rebuild, split
from registry.signing.signer import KeyStore
from registry.store.rows import ActRow, KeyRow

MADE: Final = "shares made"
DRILLED: Final = "drill"
RESTORED: Final = "restored"
_SHAREABLE: Final = ("keyring", "file")
_ENDED: Final = ("retired", "revoked")


@dataclass(frozen=True, slots=True)
class Backup:
    """What is known of a key's shares.

    ``set_id`` is the newest set that is known, None without one, ``drilled`` when shares
    of it last gave the key, in a drill or a restore.
    """

    key_id: str
    set_id: int | None
    drilled: Instant | None

    @property
    def told(self) -> str:
        """The same in words."""
        if self.set_id is None:
            return "no shares"
        return f"last drill {self.drilled.seconds}" if self.drilled else "never drilled"

    def due(self, every: int) -> Instant | None:
        """When the next drill is due, *every* so many seconds; None: it was due at once."""
        return None if self.drilled is None else self.drilled.plus(seconds=every)


def last_drills(desk: Desk) -> tuple[Backup, ...]:
    """The backups that drills are wanted of: of each key that has shares, and of each
    recovery key in a store that gives seeds out. Keys that have ended want none."""
    keyset = desk.keyset().body
    found = []
    for row in desk.store.list_keys():
        entry = keyset.find(row.public_key)
        if entry is not None and entry.status in _ENDED:
            continue
        backup = _backup(desk, row.key_id)
        wanted = row.usage == "recovery" and row.uri.partition(":")[0] in _SHAREABLE
        if backup.set_id is not None or wanted:
            found.append(backup)
    return tuple(found)


def drill_due(desk: Desk, at: Instant) -> tuple[Backup, ...]:
    """Those of `last_drills` whose next drill is due at *at*."""
    every = desk.config.drill_every
    return tuple(
        backup for backup in last_drills(desk) if (due := backup.due(every)) is None or due <= at
    )


def _backup(desk: Desk, key_id: str) -> Backup:
    acts = [act for act in desk.store.acts() if act.key_id == key_id]
    proofs = [act for act in acts if act.act in (DRILLED, RESTORED)]
    sets = [act for act in acts if act.act == MADE] or proofs
    if not sets:
        return Backup(key_id, None, None)
    newest = _set_of(sets[-1])
    drills = [act.at for act in proofs if _set_of(act) == newest]
    return Backup(key_id, newest, max(drills, default=None))


def _set_of(act: ActRow) -> int:
    """Which set an act was with: its reason begins with ``set N,``."""
    return int(act.reason.partition(",")[0].removeprefix("set "))


def make_shares(
    desk: Desk, key_id: str, *, threshold: int, count: int, again: bool, at: Instant
) -> tuple[Paper, ...]:
    """Split a key among *count* people; they were put together again, and are in the
    journal before the caller shows any.

    *again* says that a set was made before. Raises NotFoundError ``key.absent`` or
    ``shares.none``, ConflictError ``shares.exist``, and what `split` raises.
    """
    row = _row(desk, key_id)
    _check_made_before(desk, key_id, again=again)
    shares = split(
        desk.key_store(row.uri), key_id, row.public_key, threshold=threshold, count=count
    )
    desk.store.add_act(ActRow(MADE, key_id, f"set {shares[0].set_id}, {threshold} of {count}", at))
    label = Label(key_id, desk.registry, row.public_key, count, at.seconds[:10])
    return tuple(Paper(share, label) for share in shares)


def _check_made_before(desk: Desk, key_id: str, *, again: bool) -> None:
    backup = _backup(desk, key_id)
    if again and backup.set_id is None:
        raise NotFoundError(
            f"no shares of {key_id} are known",
            code="shares.none",
            hint=f"pith shares make {key_id}",
        )
    if not again and backup.set_id is not None:
        raise ConflictError(
            f"there are shares of {key_id} already, set {backup.set_id}",
            code="shares.exist",
            hint=f"pith shares remake {key_id} makes a new set; the old one stays good",
        )


def _row(desk: Desk, key_id: str) -> KeyRow:
    row = desk.find_key(key_id)
    if row is None:
        raise NotFoundError(
            f"no key {shown(key_id)}", code="key.absent", hint="`pith key list` shows them"
        )
    return row


def drill(desk: Desk, key_id: str, papers: Sequence[Paper], *, at: Instant) -> Backup:
    """Rebuild a key from shares in memory, compare its public key with the noted one,
    forget it, and write the drill into the journal. No key store is opened.

    Raises NotFoundError ``key.absent`` and what `rebuild`, `check_key` and
    `check_labels` raise.
    """
    row = _row(desk, key_id)
    check_labels(desk, key_id, row.public_key, papers)
    check_key(rebuild([paper.share for paper in papers]), key_id, row.public_key)
    desk.store.add_act(ActRow(DRILLED, key_id, _with(papers), at))
    return _backup(desk, key_id)


def _with(papers: Sequence[Paper]) -> str:
    numbers = " ".join(str(number) for number in sorted(paper.share.number for paper in papers))
    return f"set {papers[0].share.set_id}, shares {numbers}"


def check_labels(desk: Desk, key_id: str, public_key: PublicKey, papers: Sequence[Paper]) -> None:
    """Raise MismatchError ``shares.key`` or ``shares.registry`` for a share that says it is
    of another key or registry. Words alone say nothing, and are not asked."""
    for paper in papers:
        label = paper.label
        if label is None:
            continue
        if label.registry != desk.registry:
            raise MismatchError(
                f"share {paper.share.number} is of {label.registry}, not of {desk.registry}",
                code="shares.registry",
                hint="nothing was kept; say which registry's home with --home",
            )
        if (label.key_id, label.public_key) != (key_id, public_key):
            raise MismatchError(
                f"share {paper.share.number} is of {label.key_id} ({label.public_key.fingerprint}),"
                f" not of {key_id} ({public_key.fingerprint})",
                code="shares.key",
                hint="nothing was kept; find the shares of the right key",
            )


def expected_key(desk: Desk, key_id: str, given: PublicKey | None) -> PublicKey:
    """The public key that a restored key must have: the one noted here, or listed in the
    key set, or *given* where this home knows neither.

    Raises NotFoundError ``key.absent`` without any, and MismatchError ``shares.key`` when
    *given* is another than the known one.
    """
    row = desk.find_key(key_id)
    entry = next((e for e in desk.keyset().body.entries if e.key_id == key_id), None)
    known = row.public_key if row is not None else None
    if known is None and entry is not None and entry.object is not None:
        known = entry.object.key
    if known is None and given is None:
        raise NotFoundError(
            f"no key {shown(key_id)} is known here, so nothing says which it must be",
            code="key.absent",
            hint="give --public-key, the 64 digits of a published key set, not of the shares alone",
        )
    if known is not None and given is not None and known != given:
        raise MismatchError(
            f"{key_id} is {known.fingerprint} here, --public-key {given.fingerprint}",
            code="shares.key",
            hint="nothing was kept; a key id means one key for ever",
        )
    found = known or given
    assert found is not None
    return found


def restore(
    desk: Desk,
    key_id: str,
    papers: Sequence[Paper],
    target: KeyStore,
    *,
    given: PublicKey | None,
    usage: str,
    at: Instant,
) -> KeyRow:
    """Put a key back from shares: rebuilt, compared, kept in *target* (read back, tried),
    and noted as being there. The same call finishes an interrupted one.

    *given* and *usage* are asked only where the home knows no such key. Raises what
    `expected_key`, `check_labels` and `put_back` raise, ConflictError ``key.exists``
    when the key has another id here.
    """
    public_key = expected_key(desk, key_id, given)
    check_labels(desk, key_id, public_key, papers)
    other = next((r.key_id for r in desk.store.list_keys() if r.public_key == public_key), key_id)
    if other != key_id:
        raise ConflictError(
            f"that key is {other} here", code="key.exists", hint="a key has one id for ever"
        )
    put_back([paper.share for paper in papers], key_id, public_key, target)
    _note(desk, KeyRow(key_id, public_key, _usage(desk, public_key, usage), target.uri, at))
    desk.store.add_act(ActRow(RESTORED, key_id, f"{_with(papers)}, to {target.uri}", at))
    return _row(desk, key_id)


def _usage(desk: Desk, public_key: PublicKey, usage: str) -> str:
    entry = desk.keyset().body.find(public_key)
    return usage if entry is None else entry.usage


def _note(desk: Desk, new: KeyRow) -> None:
    row = desk.find_key(new.key_id)
    if row is None:
        desk.store.add_key(new)
    elif row.uri != new.uri:
        desk.store.replace_key_uri(new.key_id, old=row.uri, new=new.uri)
