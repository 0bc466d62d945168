"""Reissue, its end: look at what was staged as a stranger would, then switch to it."""

from collections.abc import Callable, Iterable, Iterator

from registry.errors import ConflictError, NotFoundError, UsageError
from registry.protocol.canonical import JsonObject
from registry.protocol.instant import Instant
from registry.protocol.strict_json import read_json
from registry.services.bundle import sign_bundle_of
from registry.services.desk import Desk
from registry.services.mint import settle
from registry.services.reissue_plan import Frozen
from registry.services.reissue_run import check_open, open_job, progress, signed
from registry.signing.signer import Signer
from registry.store.jobs import unsigned_left
from registry.store.rows import SignatureRow
from registry.store.shards import Job


def sample(desk: Desk, signer: Signer, job: Job, subjects: Iterable[str], *, at: Instant) -> int:
    """Build the bundle of each record as a stranger would get it after the switch, sign it,
    verify it with the functions strangers use under the key set, and throw it away; how
    many. Raises the first check that fails, and ConflictError ``reissue.sample`` when the
    receipt that is shown is not the new one."""
    count = 0
    for subject in subjects:
        record = desk.store.find_record(subject)
        if record is None:
            raise NotFoundError(f"no record {subject}", code="record.absent")
        events = [event.to_json() for event in desk.store.events_of(subject)]
        staged = desk.store.find_staged(job.job, subject)
        if staged is not None and job.state != "switched":
            events = [event for event in events if _before(event, staged)]
            events.append(read_json(staged).value)
        bundle = sign_bundle_of(desk, signer, record, events, at=at)
        line = SignatureRow(signer.key_id, "bundle", bytes.fromhex(bundle.sha256), at)
        desk.store.discard([line])
        shown = bundle.body.value["state"]["current"]["record_created"]
        if shown["payload"]["receipt"]["key_id"] != Frozen.of(job).new_key[0]:
            raise ConflictError(
                f"{record.number} does not show the new receipt", code="reissue.sample"
            )
        count += 1
    return count


def _before(event: JsonObject, staged: bytes) -> bool:
    """Whether an event came before a staged one: what moved the chain meanwhile is not
    looked at, because the staged one is made again after it."""
    return bool(event["prev_event"] != read_json(staged).value["prev_event"])


def drawn(desk: Desk, job: Job, count: int, draw: Callable[[int, int], list[int]]) -> Iterator[str]:
    """So many records of a job at random, of those that are staged or were switched."""
    if count < 1:
        raise UsageError("a sample is of at least one", code="usage.count")
    found = progress(desk, job)
    staged = job.state != "switched"
    for place in draw(count, found.signed):
        yield desk.store.subject_at(job.job, place, staged=staged)


def switch(desk: Desk, signer: Signer, job: Job, *, clock: Callable[[], Instant]) -> int:
    """Put everything that a job staged into the chains, all at once; how many were made
    again before because their chain had moved.

    Raises ConflictError ``job.unsigned`` while records are unsigned, ``reissue.key`` when
    the active key is not the plan's, ``job.ended`` and ``job.busy``.
    """
    remade = 0
    with desk.store.job_lock():
        job = open_job(desk, job.digest)
        check_open(desk, job)
        if desk.store.any_unsigned(job.job):
            raise unsigned_left()
        desk.store.begin_turn(job.job)
        job = open_job(desk, job.digest)
        while True:
            for intent in desk.store.claims_within(job.job):
                settle(desk, signer, intent, at=clock())
            remade += desk.store.discard_moved(job.job, desk.registry)
            for _ in signed(desk, signer, job, clock):
                pass
            if desk.store.switch(job.job, desk.registry, desk.keyset().body, at=clock()):
                return remade
