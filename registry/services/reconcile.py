"""Reconcile: a store that came from a backup against what was published since."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from registry.errors import ConflictError, MalformedError, PithError, UsageError, shown
from registry.protocol.checks import counted
from registry.protocol.instant import Instant
from registry.protocol.keyset import KeySet
from registry.protocol.keyset_chain import follow as follow_keyset
from registry.protocol.keyset_chain import verify_chain
from registry.protocol.signers import Signers
from registry.protocol.signers_chain import follow as follow_signers
from registry.protocol.signers_chain import verify_chain as verify_lists
from registry.protocol.strict_json import LARGE, read_json
from registry.protocol.trust import KeySetPin, registry_bindings
from registry.services.desk import Desk, check_finished
from registry.services.importing import MADE_ANEW, Verifier, import_bundle
from registry.store.keeping import COPIED
from registry.store.rows import ActRow

RECONCILED = "reconciled"


@dataclass
class Published:
    """What was published, as far as it is at hand, sorted into its kinds; bundles stay where
    they are and are read again one at a time."""

    keysets: list[KeySet] = field(default_factory=list)
    lists: list[Signers] = field(default_factory=list)
    bundles: list[str] = field(default_factory=list)

    def add(self, name: str, data: bytes) -> None:
        """Sort one document in; MalformedError ``reconcile.kind`` for what is none of these."""
        value = read_json(data, LARGE).value
        if "keyset_type" in value:
            self.keysets.append(KeySet.from_json(value))
        elif "signers_type" in value:
            self.lists.append(Signers.from_json(value))
        elif "bundle_type" in value:
            if not self.bundles or self.bundles[-1] != name:
                self.bundles.append(name)
        else:
            raise MalformedError(
                f"{shown(name)} is no key set, signers list or bundle",
                code="reconcile.kind",
                hint="a registry publishes pith-keys.json, pith-signers.json and its bundles",
            )


@dataclass
class Outcome:
    """What a comparison came to: the versions that were newer outside, the bundles that were
    read, the events that were new here, and the suffixes of the records compared."""

    keysets: tuple[KeySet, ...] = ()
    lists: tuple[Signers, ...] = ()
    bundles: int = 0
    new_events: int = 0
    subjects: set[str] = field(default_factory=set)
    refused: list[PithError] = field(default_factory=list)


def begin(desk: Desk, *, at: Instant) -> None:
    """Make sure that there is something to reconcile, and that the journal says since when.

    A copy that was put in place by hand is a home made anew now. Raises ConflictError
    ``store.reconciled``.
    """
    mark = desk.store.mark
    check_finished(mark)
    if mark is None:
        raise ConflictError(
            "this store came from no backup or key sets, or was reconciled",
            code="store.reconciled",
            hint="`pith bundle import` takes bundles, and nothing is locked",
        )
    if mark == COPIED:
        signing = desk.keyset().body.active("registry") or desk.keyset().body.entries
        reason = "from a copy of its store that was put in place by hand"
        desk.store.mark_restored(ActRow(MADE_ANEW, signing[0].key_id, reason, at))


def take_key_sets(desk: Desk, published: Published, outcome: Outcome, *, at: Instant) -> None:
    """Take the key sets and signers lists that are newer than ours, each following the last.

    Raises UsageError ``reconcile.keyset`` without a key set, ConflictError
    ``reconcile.displaced`` when a recovery act displaced one of ours, and what following
    them raises.
    """
    if not published.keysets:
        raise UsageError(
            "what was published holds no key set",
            code="reconcile.keyset",
            hint="give the newest pith-keys.json that was ever published, or all of its versions",
        )
    held = desk.store.list_keysets()
    chain = verify_chain(held)
    first = held[0].body.version
    for keyset in sorted(published.keysets, key=lambda each: each.body.version):
        if keyset.body.version < first:
            continue  # from before what this home was made of
        chain = follow_keyset(chain, keyset)
    kept = chain[: len(held)]
    if tuple(link.keyset.body.digest for link in kept) != tuple(k.body.digest for k in held):
        raise ConflictError(
            "a recovery act displaced a key set that this store holds",
            code="reconcile.displaced",
            hint="make the home from all its key sets: `pith init --restore`",
        )
    newer = [link.keyset for link in chain[len(held) :]]
    lists = _newer_lists(desk, published.lists, newer[-1] if newer else held[-1])
    if newer or lists:
        told = (
            f"{counted(len(newer), 'key set')} and {counted(len(lists), 'signers list')} published"
        )
        signing = chain[-1].keyset.body.active("registry") or chain[-1].keyset.body.entries
        act = ActRow("taken", signing[0].key_id, told, at)
        desk.store.add_published(newer, lists, act)
    outcome.keysets, outcome.lists = tuple(newer), tuple(lists)


def _newer_lists(desk: Desk, offered: Sequence[Signers], keyset: KeySet) -> list[Signers]:
    bindings = registry_bindings([KeySetPin(keyset, "")], desk.registry)
    newest = desk.store.find_signers()
    chain = verify_lists([] if newest is None else [newest], bindings)
    first = len(chain)
    for signers in sorted(offered, key=lambda each: each.body.version):
        if newest is None or signers.body.version >= newest.body.version:
            chain = follow_signers(chain, signers, bindings)
    if chain and newest is None and chain[0].body.version != 1:
        raise ConflictError(
            f"the signers lists begin with version {chain[0].body.version}, and none is held",
            code="reconcile.lists",
            hint="give every version: `pith party list -o` writes them",
        )
    return list(chain[first:])


def take_bundle(desk: Desk, verifier: Verifier, name: str, data: bytes, outcome: Outcome) -> None:
    """Import one bundle as any other; one that is older than what is held says nothing new.

    Raises what `import_bundle` raises, and ConflictError ``reconcile.registry`` for another
    registry's.
    """
    suffix = _subject(data)
    try:
        taken = import_bundle(desk, verifier, name, data)
    except ConflictError as error:
        if error.code != "import.rollback":
            raise
        outcome.bundles += 1
        outcome.subjects.add(suffix)
        return
    if taken.registry != desk.registry:
        raise ConflictError(
            f"it is of {shown(taken.registry)}, which says nothing of our own chains",
            code="reconcile.registry",
        )
    outcome.bundles += 1
    outcome.new_events += len(taken.new)
    outcome.subjects.add(suffix)


def _subject(data: bytes) -> str:
    number = read_json(data, LARGE).value.get("pith_number")
    return number[-26:] if type(number) is str else ""


def not_compared(desk: Desk, outcome: Outcome) -> int:
    """How many minted records no published bundle was compared with."""
    return sum(record.number.suffix not in outcome.subjects for record in desk.store.records())


def unlock(desk: Desk, outcome: Outcome, *, at: Instant) -> None:
    """Let the store be signed from again. Raises the first failure, when there was any."""
    if outcome.refused:
        raise outcome.refused[0]
    body = desk.keyset().body
    signing = body.active("registry") or body.entries
    told = (
        f"with {counted(outcome.bundles, 'bundle')} about "
        f"{counted(len(outcome.subjects), 'record')} and key set {body.version}; "
        f"{counted(not_compared(desk, outcome), 'record')} without a bundle"
    )
    desk.store.mark_reconciled(desk.registry, ActRow(RECONCILED, signing[0].key_id, told, at))


def unplaced(desk: Desk) -> list[str]:
    """The keys of the newest key set that still sign, or will, and have no place here."""
    noted = {row.key_id for row in desk.store.list_keys()}
    signing = ("active", "announced")
    entries = desk.keyset().body.entries
    return [e.key_id for e in entries if e.status in signing and e.key_id not in noted]
