"""Rotation: announce the committed successor, make it active, retire the key before it.

Nothing is remembered but the key set and its earlier versions: what is next follows from
them, and an interrupted step is taken again or never began.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from registry.errors import ConflictError, KeyUnavailableError, NotFoundError, PithError, shown
from registry.protocol import keyset_acts as acts
from registry.protocol.instant import Instant
from registry.protocol.keyset import KeyEntry, KeySet, KeySetBody
from registry.services.desk import STOPPED, Desk
from registry.services.enact import enact, routine_signers, row_of
from registry.services.keys import create_key, key_object, key_status
from registry.services.parties import sign_list_anew
from registry.signing.signer import KeyStore
from registry.store.rows import KeyRow

StepName: TypeAlias = Literal["renew", "announce", "activate", "retire"]
_TEXTS = {
    "renew": "sign the same key set for another 400 days",
    "announce": "list the successor, so that verifiers know it before it signs, and commit it to "
    "a successor of its own",
    "activate": "make the successor the key that signs; the one before it signs no more",
    "retire": "end the time of the old key: what it signed stays valid",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One act of a rotation: its name, the key it is about, and by when it is to be done."""

    name: StepName
    key_id: str
    due: Instant

    @property
    def text(self) -> str:
        """What it does."""
        return _TEXTS[self.name]


def calendar(desk: Desk) -> tuple[Step, ...]:
    """Every step until the present key is retired, in the order they are taken.

    Raises KeyUnavailableError ``key.none_active`` while no key is active.
    """
    body = desk.keyset().body
    active = _active(desk)
    overlap = desk.config.overlap
    steps = [
        Step("retire", entry.key_id, _since(desk, entry, "retiring").plus(seconds=overlap))
        for entry in body.entries
        if entry.usage == "registry" and entry.status == "retiring"
    ]
    turn = _turn(desk, active)
    announced = _announced(body, active)
    if announced is None:
        steps.append(Step("announce", _heir_id(desk, active), turn.plus(seconds=-overlap)))
    heir = announced.key_id if announced is not None else _heir_id(desk, active)
    steps.append(Step("activate", heir, turn))
    steps.append(Step("retire", active.key_id, turn.plus(seconds=overlap)))
    renewal = body.expires_at.plus(seconds=-overlap)
    if renewal < steps[0].due:
        steps.insert(0, Step("renew", active.key_id, renewal))
    return tuple(steps)


def _active(desk: Desk) -> KeyEntry:
    active = acts.active_entry(desk.keyset().body)
    if active is None:
        raise KeyUnavailableError(
            "no registry key is active",
            code="key.none_active",
            hint="only the recovery keys can name the next one: `pith ceremony run`",
        )
    return active


def _turn(desk: Desk, active: KeyEntry) -> Instant:
    """When the active key is to be replaced: what it promised, or else by the config."""
    promised = active.object.rotates_at if active.object is not None else None
    return promised or active.valid_from.plus(seconds=desk.config.rotate_after)


def _announced(body: KeySetBody, active: KeyEntry) -> KeyEntry | None:
    return next(
        (
            entry
            for entry in body.entries
            if entry.status == "announced"
            and entry.object is not None
            and entry.object.key.sha256.hex() == active.successor_key_sha256
        ),
        None,
    )


def _heir_id(desk: Desk, active: KeyEntry) -> str:
    row = row_of(desk, active.successor_key_sha256)
    return row.key_id if row is not None else "(unknown)"


def _since(desk: Desk, entry: KeyEntry, status: str) -> Instant:
    """When a key came to have the status that it has."""
    return next(
        keyset.body.created_at
        for keyset in desk.store.list_keysets()
        if any(e.key_id == entry.key_id and e.status == status for e in keyset.body.entries)
    )


def next_step(desk: Desk, named: StepName | None) -> Step:
    """The step that is next; ConflictError ``rotation.order`` when *named* is another.

    A renewal stands in nobody's way: every step renews, so the one after it may be named.
    """
    step, *later = calendar(desk)
    if step.name == "renew" and named == later[0].name:
        return later[0]
    if named is not None and named != step.name:
        raise ConflictError(
            f"{named} is not next: {step.name} {step.key_id} is",
            code="rotation.order",
            hint="`pith rotation status` shows where the rotation stands",
        )
    return step


def take_step(
    desk: Desk,
    step: Step,
    key_store: KeyStore,
    *,
    seed: bytes,
    at: Instant,
    successor: str | None = None,
) -> KeySet:
    """Take one step, signed by the active key and by every key it lists or makes active.

    Announcing commits the successor to a further key: the one named *successor*, or one that
    is noted and in no key set (what an interrupted step left; never one that the recovery
    keys passed over or that was there when a key was stopped), or else a new one of *seed*
    in *key_store*. A key that becomes active signs the list of third parties anew. Raises
    ConflictError ``rotation.uncommitted`` where only the recovery keys can rotate, and what
    `enact` raises.
    """
    desk.check_reconciled()
    desk.check_clock(at)
    body = _body(desk, step, key_store, seed, at, successor)
    signers = routine_signers(desk, body)
    act = f"rotation {step.name}"
    keyset = enact(desk, body, signers, act=act, reason=step.key_id, at=at)
    sign_list_anew(desk, signers, at=at)
    return keyset


def _body(
    desk: Desk, step: Step, key_store: KeyStore, seed: bytes, at: Instant, successor: str | None
) -> KeySetBody:
    old = desk.keyset().body
    if step.name == "renew":
        return acts.renew(old, at=at)
    if step.name == "activate":
        return acts.activate(old, step.key_id, at=at)
    if step.name == "retire":
        return acts.retire(old, step.key_id, at=at)
    heir = committed(desk)
    begins = at.plus(seconds=desk.config.overlap)
    key = key_object(desk.config, heir.key_id, heir.public_key, begins)
    further = further_key(desk, key_store, seed=seed, at=at, named=successor)
    return acts.announce(old, key, successor=further.public_key, at=at)


def committed(desk: Desk) -> KeyRow:
    """The successor that the active key is committed to, where it is noted here."""
    active = _active(desk)
    if active.successor_key_sha256 is None or _is_listed(desk, active.successor_key_sha256):
        raise ConflictError(
            f"{active.key_id} is committed to no successor that can still be announced",
            code="rotation.uncommitted",
            hint="only the recovery keys can rotate it: `pith ceremony run`, act rotate or commit",
        )
    row = row_of(desk, active.successor_key_sha256)
    if row is None:
        raise KeyUnavailableError(
            f"the successor that {active.key_id} is committed to is not noted here",
            code="key.unknown",
            hint="`pith key add` notes a key that is kept elsewhere; the commitment is "
            f"{active.successor_key_sha256}",
        )
    return row


def _is_listed(desk: Desk, sha256: str) -> bool:
    entries = desk.keyset().body.entries
    return any(e.object is not None and e.object.key.sha256.hex() == sha256 for e in entries)


def further_key(
    desk: Desk, key_store: KeyStore, *, seed: bytes, at: Instant, named: str | None
) -> KeyRow:
    """A registry key that no key set lists or is committed to, made where there is none.

    Raises NotFoundError ``key.absent`` and ConflictError ``rotation.successor`` when the
    one that was named cannot be it.
    """
    rows = [row for row in desk.store.list_keys() if row.usage == "registry"]
    if named is not None:
        found = next((row for row in rows if row.key_id == named), None)
        if found is None:
            raise NotFoundError(
                f"no registry key {shown(named)}",
                code="key.absent",
                hint="`pith key list` shows them",
            )
        if key_status(desk, found) != "unlisted":
            raise ConflictError(
                f"{named} is {key_status(desk, found)}: it cannot be a further successor",
                code="rotation.successor",
            )
        desk.key_store(found.uri).open(found.key_id, found.public_key)
        return found
    for row in reversed(rows):
        if key_status(desk, row) == "unlisted" and _is_left(desk, row) and _opens(desk, row):
            return row
    return create_key(desk, key_store, key_id=None, seed=seed, at=at)


def _is_left(desk: Desk, row: KeyRow) -> bool:
    """Whether nothing speaks against an unlisted key. One that was a committed successor
    and is none now was passed over by a recovery act, perhaps because it lay beside a
    stolen key; so may any have that was here when a key was stopped."""
    stops = [act.at for act in desk.store.acts() if act.act == STOPPED]
    if any(row.created_at < at for at in stops):
        return False
    sha256 = row.public_key.sha256.hex()
    return all(
        entry.successor_key_sha256 != sha256
        for keyset in desk.store.list_keysets()
        for entry in keyset.body.entries
    )


def _opens(desk: Desk, row: KeyRow) -> bool:
    try:
        desk.key_store(row.uri).open(row.key_id, row.public_key)
    except PithError:
        return False
    return True
