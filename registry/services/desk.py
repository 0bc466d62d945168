"""The open registry that every verb works at."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from registry.config import Config
from registry.errors import ConflictError, KeyUnavailableError, StoreError, shown
from registry.protocol.event import Bindings, SignerRef
from registry.protocol.instant import Instant
from registry.protocol.keys import KeyObject
from registry.protocol.keyset import KeySet
from registry.signing.signer import KeyStore, Signer
from registry.store.keeping import MOVED, MOVING, REBUILT, check_whole
from registry.store.rows import ActRow, KeyRow
from registry.store.store import Store

STOPPED: Final = "stopped"
"""The act, in the journal, of a key that signs nothing more here."""

MAX_BACKWARDS: Final = 60
"""Seconds by which a clock may be set back without stopping a registry."""


@dataclass(frozen=True, slots=True)
class Desk:
    """A registry's config and store, and the way to its key stores and the clock.

    ``key_store`` opens the key store at a URI; ``clock`` reads the time, and
    only commands call it: everything below takes the time as an argument.
    """

    config: Config
    store: Store
    key_store: Callable[[str], KeyStore]
    clock: Callable[[], Instant]

    @property
    def registry(self) -> str:
        """The registry's id, the signer_id of its events."""
        return self.config.registry_id

    def keyset(self) -> KeySet:
        """The newest key set of this registry."""
        found = self.store.find_keyset()
        if found is None or found.body.registry != self.registry:
            raise ConflictError(
                f"config.toml is of {self.registry}, the store of another registry",
                code="config.registry",
                hint="the id cannot change after init: set it back",
            )
        return found

    def bindings(self) -> Bindings:
        """Which keys have ever spoken for this registry, or were enrolled at it."""
        return {**self.own_bindings(), **self.party_bindings()}

    def party_bindings(self) -> Bindings:
        """Which keys of third parties were ever enrolled."""
        signers = self.store.find_signers()
        return {} if signers is None else signers.body.bindings

    def own_bindings(self) -> Bindings:
        """Which keys have ever spoken for this registry."""
        return {
            SignerRef.of_registry(self.registry, entry.key_id, entry.object.key): entry.object.key
            for entry in self.keyset().body.entries
            if entry.object is not None and entry.usage == "registry"
        }

    def key_objects(self) -> tuple[KeyObject, ...]:
        """The key objects behind `bindings`: our own, and those of third parties."""
        own = [
            entry.object
            for entry in self.keyset().body.entries
            if entry.object is not None and entry.usage == "registry"
        ]
        signers = self.store.find_signers()
        parties = () if signers is None else (entry.key for entry in signers.body.entries)
        return (*own, *parties)

    def active_key(self) -> KeyObject:
        """The registry key that signs now."""
        active = self.keyset().body.active("registry")
        if not active or active[0].object is None:
            raise KeyUnavailableError("no registry key is active", code="key.none_active")
        return active[0].object

    def find_key(self, key_id: str) -> KeyRow | None:
        """Where one of our keys is."""
        return next((row for row in self.store.list_keys() if row.key_id == key_id), None)

    def signer(self, at: Instant, past_rotation: str | None = None) -> Signer:
        """The signer of the active key, its public key compared with the key set's.

        *at* is the time of what it will sign. Past the key's ``rotates_at`` nothing is
        signed without *past_rotation*, a reason that is kept in the journal (protocol.md
        section 10). Raises KeyUnavailableError ``key.past_rotation`` or with the reason
        the key store gives, and ConflictError ``clock.backwards`` for a time
        before the last signature or before the key was valid: what is signed is
        signed once, and with such a time no reader would ever take it.
        """
        self.check_reconciled()
        active = self.active_key()
        self.check_stopped(active.key_id)
        self.check_clock(at)
        self._check_rotation(active, at, past_rotation)
        row = self.find_key(active.key_id)
        if row is None:
            raise KeyUnavailableError(
                f"nothing is known of where {active.key_id} is",
                code="key.unknown",
                hint=f"bring it back: `pith key add {active.key_id} --signer URI`, or "
                f"`pith shares restore {active.key_id} --to URI`",
            )
        return self.key_store(row.uri).open(active.key_id, active.key)

    def check_signer(self, signer: Signer, at: Instant, *, since: Instant) -> None:
        """Check again what `signer` checked when it opened *signer* at the time *since*:
        another process may have stopped the key, changed the key set, or signed later.

        Raises what `signer` raises, and ConflictError ``keyset.moved``. What is to be signed
        past ``rotates_at`` without a reason is refused, though it began before.
        """
        self.check_reconciled()
        active = self.active_key()
        if (active.key_id, active.key) != (signer.key_id, signer.public_key):
            raise ConflictError(
                f"{signer.key_id} is not the key that signs any more",
                code="keyset.moved",
                hint="run it again: the key that signs now goes on where this ended",
            )
        self.check_stopped(active.key_id)
        self.check_clock(at)
        if active.rotates_at is None or since <= active.rotates_at:
            self._check_rotation(active, at, None)

    def check_reconciled(self) -> None:
        """Raise StoreError ``store.unreconciled`` while this store, which came from a backup or
        from key sets alone, was not compared with what was published: what it does not know
        would be signed a second time."""
        mark = self.store.mark
        check_finished(mark)
        if mark is not None:
            source = "was made anew from its key sets" if mark == REBUILT else "came from a backup"
            raise StoreError(
                f"this store {source}: nothing is signed before it was compared with what was "
                "published",
                code="store.unreconciled",
                hint="`pith store restore --reconcile PUBLISHED…` with the newest key set and "
                "every bundle",
            )

    def check_stopped(self, key_id: str) -> None:
        """Raise KeyUnavailableError ``key.stopped`` for a key that was stopped here."""
        if self.store.is_stopped(key_id):
            raise KeyUnavailableError(
                f"{key_id} was stopped: it signs nothing more here",
                code="key.stopped",
                hint="finish with `pith key compromise`, or `pith ceremony run`: the recovery "
                "keys name the key that signs from then on",
            )

    def _check_rotation(self, key: KeyObject, at: Instant, reason: str | None) -> None:
        if key.rotates_at is None or at <= key.rotates_at:
            return
        if reason is None or not reason.strip():
            raise KeyUnavailableError(
                f"{key.key_id} was to be rotated {key.rotates_at.seconds}: it signs no more",
                code="key.past_rotation",
                hint="--past-rotation REASON signs all the same and is kept in the journal",
            )
        self.store.add_act(ActRow("past rotation", key.key_id, reason, at))

    def check_clock(self, at: Instant) -> None:
        """Raise ConflictError ``clock.backwards`` when *at* is before what was signed."""
        last = self.store.last_signed_at()
        entries = [e.valid_from for e in self.keyset().body.active("registry")]
        for what, moment in (
            ("the last signature was made", last and last.plus(seconds=-MAX_BACKWARDS)),
            ("the key is valid from", max(entries, default=None)),
        ):
            if moment is not None and at < moment:
                raise ConflictError(
                    f"the clock says {at.seconds}, {what} {moment.seconds}",
                    code="clock.backwards",
                    hint="set the clock; nothing was signed",
                )

    def signer_ref(self, signer: Signer) -> SignerRef:
        """The ``signer`` member of an event that *signer* makes for this registry."""
        return SignerRef.of_registry(self.registry, signer.key_id, signer.public_key)

    def active_ref(self) -> SignerRef:
        """The same for the key that signs now, without opening it."""
        active = self.active_key()
        return SignerRef.of_registry(self.registry, active.key_id, active.key)


def check_finished(mark: str | None) -> None:
    """Raise StoreError ``store.unfinished`` for the mark of an unfinished copy, ConflictError
    ``store.moved`` for that of a store that is another database's now."""
    check_whole(mark)
    kind, _, detail = (mark or "").partition(" ")
    if kind in (MOVING, MOVED):
        raise ConflictError(
            f"this store was moved to {shown(detail)}: nothing is signed from it any more",
            code="store.moved",
            hint="set [store] url in config.toml to where it is now",
        )
