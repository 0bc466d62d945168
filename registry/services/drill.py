"""Drill: the day after a theft, on a copy with throw-away keys, and how long each act takes."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from registry.errors import VerificationError
from registry.protocol.bundle import Bundle
from registry.protocol.checks import counted
from registry.protocol.instant import Instant
from registry.protocol.record import Record
from registry.protocol.trust import KeySetPin, Terms
from registry.services.bundle import build_bundle
from registry.services.desk import Desk
from registry.services.distrust import choose_heir, compromised_body, distrust, stop
from registry.services.initialise import initialise
from registry.services.mint import mint
from registry.services.recovery import enact_recovery_key, recovery_key, with_recovery_key
from registry.services.reissue_plan import plan_reissue
from registry.services.reissue_run import run
from registry.services.reissue_switch import sample, switch
from registry.services.verify import examine
from registry.signing.memory import MemoryKeyStore
from registry.store.store import Store

LIMIT: Final = 1000
"""Records that a drill copies at most."""
HOUR: Final = 3600
REASON: Final = "drill"


@dataclass(frozen=True, slots=True)
class Timed:
    """One act of a drill: what was done, and in how many seconds."""

    act: str
    text: str
    seconds: float


class Drill:
    """A compromise rehearsed from the theft to verified bundles under the next key.

    It reads the records of the real registry and nothing else of it: the name ends in
    ``.invalid``, and every key is made here, in memory.
    """

    def __init__(self, real: Desk, folder: Path, new_seed: Callable[[], bytes]) -> None:
        self.registry = f"{real.registry[:120]}.invalid"
        self._records = real.store.records
        self._keys = MemoryKeyStore(self.registry)
        self._new_seed = new_seed
        self._start = real.clock().plus(seconds=-3 * HOUR)
        self._at = self._start
        self._home = folder / "home"
        self._config = replace(
            real.config,
            registry_id=self.registry,
            base_url="https://drill.invalid",
            store=self._home / "registry.db",
            signer=self._keys.uri,
        )

    def __call__(self) -> Iterator[Timed]:
        """Every act in its order, each once it is done."""
        with self._registry() as desk:
            records, bundle = yield from self._before(desk)
            stolen = desk.active_key().key_id
            yield from self._theft(desk, stolen, bundle)
            yield from self._reissue(desk, stolen, records)

    @contextmanager
    def _registry(self) -> Iterator[Desk]:
        initialise(
            self._home,
            self._config,
            self._keys,
            seed=self._new_seed(),
            successor_seed=self._new_seed(),
            at=self._start,
        )
        with Store(self._config.store_path) as store:
            yield Desk(self._config, store, lambda _: self._keys, self._later)

    def _later(self) -> Instant:
        self._at = self._at.plus(seconds=1)
        return self._at

    def _before(self, desk: Desk) -> Generator[Timed, None, tuple[list[Record], Bundle | None]]:
        began = time.monotonic()
        records = list(islice(self._records(), LIMIT))
        mint(desk, desk.signer(self._later()), records, at=self._at)
        yield self._timed(
            "copy", f"{counted(len(records), 'record')}, minted under throw-away keys", began
        )
        began = time.monotonic()
        for _ in range(2):
            row = recovery_key(
                desk, self._keys, key_id=None, seed=self._new_seed(), at=self._later()
            )
            body = with_recovery_key(desk, row, threshold=None, at=self._later())
            enact_recovery_key(desk, body, row, at=self._at)
        yield self._timed("recovery keys", "two, threshold 1", began)
        bundle = None
        if records:
            bundle = build_bundle(desk, desk.signer(self._later()), records[0], at=self._at)
        self._at = self._start.plus(seconds=2 * HOUR)
        return records, bundle

    def _theft(self, desk: Desk, stolen: str, bundle: Bundle | None) -> Iterator[Timed]:
        since = self._start.plus(seconds=HOUR)
        began = time.monotonic()
        stop(desk, stolen, reason=REASON, at=self._later())
        yield self._timed("stop", f"{stolen} signs nothing more", began)
        began = time.monotonic()
        heir = choose_heir(
            desk, stolen, self._keys, named=None, new_seed=self._new_seed, at=self._later()
        )
        body = compromised_body(
            desk, stolen, heir, since=since, reason=REASON, threshold=None, at=self._later()
        )
        keyset = distrust(desk, body, stolen, reason=REASON, at=self._at)
        yield self._timed(
            "recovery act",
            f"key set version {keyset.body.version}: {stolen} distrusted since {since.seconds}, "
            f"{desk.active_key().key_id} signs",
            began,
        )
        if bundle is not None:
            began = time.monotonic()
            report = examine(bundle.to_bytes(), self._strangers(desk))
            if report.ok:
                raise VerificationError("an unproven bundle was accepted", code="drill.accepted")
            yield self._timed("verdict", f"the old bundle: {report.failure}", began)

    def _reissue(self, desk: Desk, stolen: str, records: list[Record]) -> Iterator[Timed]:
        if not records:
            return
        began = time.monotonic()
        job = plan_reissue(desk, stolen, REASON, derived=records, at=self._later())
        yield self._timed("reissue plan", f"digest {job.digest.hex()}", began)
        began = time.monotonic()
        signer = desk.signer(self._later())
        count = sum(len(batch) for batch in run(desk, signer, job, clock=self._later))
        yield self._timed("reissue run", f"{counted(count, 'receipt')} issued again, staged", began)
        began = time.monotonic()
        looked = sample(desk, signer, job, [records[0].number.suffix], at=self._later())
        yield self._timed("reissue sample", f"{looked} verified as a stranger would", began)
        began = time.monotonic()
        switch(desk, signer, job, clock=self._later)
        yield self._timed("reissue switch", f"{count} shown at once", began)
        began = time.monotonic()
        for record in records[:10]:
            bundle = build_bundle(desk, signer, record, at=self._later())
            examine(bundle.to_bytes(), self._strangers(desk)).require()
        yield self._timed("bundles", f"{len(records[:10])} built and verified anew", began)

    def _strangers(self, desk: Desk) -> Terms:
        return Terms((KeySetPin(desk.keyset(), "the newest key set"),), self._later())

    def _timed(self, act: str, text: str, began: float) -> Timed:
        return Timed(act, text, time.monotonic() - began)
