"""Arrival: a store that comes from elsewhere is made aside, and then it is the store of a home."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from registry.config import Config
from registry.services.copying import copy_store
from registry.store.new_file import new_file
from registry.store.store import Store


@contextmanager
def arriving(config: Config, told: Callable[[int, int], None]) -> Iterator[Path]:
    """An empty file for a store, which is that of *config* once the block has ended: it gets
    its name, or all of it is in the server, compared there row for row.

    *told* hears how many rows of how many are in the server; a copy into it that was stopped
    stays locked, and the same call goes on with it. Raises ConflictError ``store.exists``
    before the block where there is a store, and what `new_file` and `copy_store` raise.
    """
    if isinstance(config.store, Path):
        with new_file(config.store) as part:
            yield part
        return
    with Store(config.store, create=True) as target:
        target.check_vacant()
        with tempfile.TemporaryDirectory(prefix="pith-store-") as folder:
            part = Path(folder) / "registry.db"
            part.touch(mode=0o600)
            yield part
            with Store(part, read_only=True) as source:
                copy_store(source, target, move=False, told=told)
