"""Everything a registry holds, behind one class."""

from collections.abc import Sequence

from registry.errors import ConflictError, StoreError
from registry.protocol.keyset import KeySet
from registry.protocol.signers import Signers
from registry.store import sql, tables
from registry.store.base import written
from registry.store.checkpoints import Checkpoints
from registry.store.jobs import Jobs
from registry.store.keeping import REBUILT, Keeping
from registry.store.packing import explanations
from registry.store.records import Records
from registry.store.rows import ActRow, KeyRow


class Store(Keeping, Records, Checkpoints, Jobs):
    """The registry's database. Only documents that were verified are given to it.

    ``add_*`` inserts once and says whether it was new; ``find_*`` gives a value
    or None. Every method raises StoreError when the database refuses.
    """

    @property
    def registry(self) -> str:
        """The id this store was made for."""
        row = self._first(sql.META, {"name": "registry"})
        if row is None:
            raise StoreError(
                f"{self.place} belongs to no registry",
                code="store.registry",
                hint="run `pith init` to finish making the home",
            )
        return str(row[0])

    @written
    def begin(self, registry: str, keys: Sequence[KeyRow], keyset: KeySet) -> None:
        """Make this the store of *registry*: its name, first keys and first key set, at once.

        Raises ConflictError ``store.begun`` when it already belongs to a registry.
        """
        if not self._rows(sql.ADD_META, {"name": "registry", "value": registry}):
            raise ConflictError(f"{self.place} already belongs to a registry", code="store.begun")
        self._explain()
        for key in keys:
            self._insert_key(key)
        self._insert_keyset(keyset)

    @written
    def begin_again(
        self, registry: str, keysets: Sequence[KeySet], lists: Sequence[Signers], act: ActRow
    ) -> None:
        """Make this the new store of a registry that there was before, from its key sets and
        signers lists.

        Their signatures were not made here, and it has no key yet; *act* says so in the
        journal. It is not signed from before it was reconciled. Raises ConflictError
        ``store.begun``.
        """
        if not self._rows(sql.ADD_META, {"name": "registry", "value": registry}):
            raise ConflictError(f"{self.place} already belongs to a registry", code="store.begun")
        self._explain()
        self._rows(tables.MARK_UNRECONCILED, {"value": REBUILT})
        for keyset in keysets:
            self._insert_keyset(keyset, restored=True)
        for signers in lists:
            self._restore_signers(signers, act.at)
        self._act(act)

    @written
    def explain(self) -> None:
        """Write down what documents are packed with, in a store that was filled row by row."""
        self._explain()

    def _explain(self) -> None:
        """Write down what documents are packed with, so that this can be read without pith."""
        for name, value in explanations().items():
            self._rows(sql.ADD_META, {"name": name, "value": value})
