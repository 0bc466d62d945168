"""Reissue, the plan: which receipts get the new key's signature, frozen under a digest."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, Self

from registry.errors import ConflictError, KeyUnavailableError, NotFoundError, UsageError, shown
from registry.protocol.canonical import JsonObject, canonical
from registry.protocol.event import Bindings, Event
from registry.protocol.event_checks import Examined, examine_event
from registry.protocol.event_types import RECORD_CREATED
from registry.protocol.instant import Instant
from registry.protocol.keys import KeyObject
from registry.protocol.merge import merge_examined
from registry.protocol.number import PithNumber
from registry.protocol.record import Record
from registry.protocol.signed_parts import receipt_part, signed_event
from registry.protocol.strict_json import read_json
from registry.protocol.trust import VOUCHED
from registry.services.desk import Desk
from registry.services.vouch import Judge, needs_evidence, own_judge
from registry.services.workers import cores, pooled
from registry.store.base import PAGE
from registry.store.jobs import NOT_DERIVED, Held, Item
from registry.store.shards import Job, NewShard

PLAN_TYPE: Final = "pith_reissue_plan"
DAMAGED: Final = "its stored events do not verify"
SHARD: Final = 20_000
"""Records that one process signs at a time: some seconds of all cores, so that little is
done again where it dies."""
WORST: Final = ("invalid", "unproven", "proven", "valid")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a person accepts by giving the digest. ``list_sha256`` is over one line a record,
    sorted: ``SUFFIX OLD_EVENT_IDS TIME``, the time being the first_computed_at that is
    kept, in microseconds, or ``new``, or ``left-out``."""

    registry: str
    old_key: KeyObject
    new_key: KeyObject
    reason: str
    receipts: int
    left_out: int
    list_sha256: str

    def to_json(self) -> JsonObject:
        """The plan as it is hashed."""
        return {
            "plan_type": PLAN_TYPE,
            "registry": self.registry,
            "old_key": {"key_id": self.old_key.key_id, "public_key_hex": self.old_key.key.hex},
            "new_key": {"key_id": self.new_key.key_id, "public_key_hex": self.new_key.key.hex},
            "reason": self.reason,
            "receipts": self.receipts,
            "left_out": self.left_out,
            "list_sha256": self.list_sha256,
        }


@dataclass(frozen=True, slots=True)
class Frozen:
    """A plan as a job keeps it: what commands need to read from its canonical bytes."""

    value: JsonObject

    @classmethod
    def of(cls, job: Job) -> Self:
        """The plan of a job."""
        return cls(read_json(job.plan).value)

    @property
    def new_key(self) -> tuple[str, str]:
        """Id and public key, in hex, of the key that signs."""
        key = self.value["new_key"]
        return key["key_id"], key["public_key_hex"]


def plan_reissue(
    desk: Desk,
    old_key: str,
    reason: str,
    *,
    numbers: Iterable[PithNumber] | None = None,
    derived: Iterable[Record] = (),
    at: Instant,
    told: Callable[[int], None] = lambda count: None,
) -> Job:
    """Freeze which receipts under *old_key* the active key issues again.

    All of our own journal, or those of *numbers*. Where the newest key set calls a receipt
    neither valid nor proven it is left out, unless its record is among *derived*, records
    made again from their sources. A job that was never run, or whose key no longer signs,
    is abandoned; the same plan again is the same job. *told* hears of each page how many it
    was. Raises ConflictError
    ``reissue.open``, ``reissue.key``, NotFoundError ``key.absent``, ``reissue.number``,
    ``reissue.none``.
    """
    if not reason.strip():
        raise UsageError("a reissue has a reason", code="reissue.reason")
    with desk.store.job_lock():
        old, new = _keys(desk, old_key)
        before = _replaced(desk, new)
        job = desk.store.add_job(at=at)
        for page in _assessed(desk, old, numbers, at):
            desk.store.add_items(job, page)
            told(len(page))
        taken: list[tuple[str, bytes]] = []
        for record in derived:
            taken.append((record.number.suffix, record.digest))
            if len(taken) == PAGE:
                desk.store.take_in(job, taken)
                taken.clear()
        desk.store.take_in(job, taken)
        plan = _frozen(desk, job, old, new, reason)
        body = canonical(plan.to_json())
        if before is not None and before.plan == body:
            desk.store.drop_job(job)
            return before
        desk.store.add_shards(job, _shards(desk, job))
        desk.store.freeze_job(
            job,
            body,
            hashlib.sha256(body).digest(),
            abandoned=None if before is None else before.job,
            at=at,
        )
        found = desk.store.newest_job()
        if found is None:
            raise NotFoundError("the plan is gone", code="reissue.none")
        return found


def _keys(desk: Desk, old_key: str) -> tuple[KeyObject, KeyObject]:
    body = desk.keyset().body
    new = desk.active_key()
    found = next((e for e in body.entries if e.key_id == old_key and e.usage == "registry"), None)
    if found is None or found.object is None:
        raise NotFoundError(
            f"the key set has no registry key {shown(old_key)}",
            code="key.absent",
            hint="`pith key list` shows them",
        )
    if found.object.key == new.key:
        raise ConflictError(
            f"{old_key} is the key that signs now: its receipts would be the same again",
            code="reissue.key",
            hint="rotate first: `pith rotation plan`",
        )
    return found.object, new


def _replaced(desk: Desk, new: KeyObject) -> Job | None:
    """The open job that a new plan takes the place of; ``reissue.open`` when it may not."""
    job = desk.store.newest_job()
    if job is None or job.state in ("switched", "abandoned"):
        return None
    same_key = Frozen.of(job).new_key == (new.key_id, new.key.hex)
    if job.state == "running" and same_key:
        raise ConflictError(
            f"the reissue {job.digest.hex()} is not switched yet",
            code="reissue.open",
            hint="finish it: `pith reissue resume`, then `switch`",
        )
    return job


def _assessed(
    desk: Desk, old: KeyObject, numbers: Iterable[PithNumber] | None, at: Instant
) -> Iterator[list[Item]]:
    judge = own_judge(desk, at=at)
    given = (dict(desk.bindings()), judge, old.key_id)
    _begin(*given)
    if numbers is not None:
        for number in numbers:
            yield [_named(desk, number, old.key_id, at)]
        return
    pages = desk.store.issued(desk.registry, old.key_id)
    if needs_evidence(desk):
        yield from (_witnessed(desk, page, old.key_id, at) for page in pages)
        return
    first = next(pages, [])
    yield _assess(first)
    if len(first) == PAGE and cores() > 1:
        yield from pooled(pages, _assess, begin=_begin, given=given)
    else:
        yield from map(_assess, pages)


def _witnessed(desk: Desk, page: list[Held], old_key: str, at: Instant) -> list[Item]:
    """What a plan says of some records, each judged with the evidence held about it."""
    bindings = desk.bindings()
    items = []
    for held in page:
        events = [read_json(body).value for body, _ in held.events]
        record = desk.store.find_record(held.number.suffix)
        judge = own_judge(desk, record, events, at=at)
        if (item := assess(held, bindings, judge, old_key)) is not None:
            items.append(item)
    return items


def _named(desk: Desk, number: PithNumber, old_key: str, at: Instant) -> Item:
    held = desk.store.find_issued(number, desk.registry, old_key)
    items = [] if held is None else _witnessed(desk, [held], old_key, at)
    if not items:
        raise NotFoundError(
            f"{number} has no current receipt that this registry made with {old_key}",
            code="reissue.number",
            hint="only receipts in our own journal are issued again, never imported ones",
        )
    return items[0]


# What the workers inherit: bindings, the judge under the newest key set, the old key's id.
_judge: tuple[Bindings, Judge, str] | None = None


def _begin(bindings: Bindings, judge: Judge, old_key: str) -> None:
    global _judge
    _judge = (bindings, judge, old_key)


def _assess(page: list[Held]) -> list[Item]:
    if _judge is None:
        raise KeyUnavailableError("no key set to judge by", code="reissue.judge")
    assessed = (assess(held, *_judge) for held in page)
    return [item for item in assessed if item is not None]


def assess(held: Held, bindings: Bindings, judge: Judge, old_key: str) -> Item | None:
    """What a plan says of one record; None without a current receipt of our own journal
    under the old key.

    Every event is verified again, as a stranger would: the new key vouches for nothing
    that the old one did not sign.
    """
    ours: set[str] = set()
    copies: dict[str, Examined] = {}
    for body, journaled in held.events:
        document = read_json(body)
        copy = examine_event(document.value, held.number, bindings, document.canonical)
        copies[copy.identity] = copy
        if journaled:
            ours.add(document.value["event_id"])
    current = merge_examined(held.number, copies.values()).current
    mine = [
        event
        for event in current
        if event.body.event_type == RECORD_CREATED
        and event.event_id in ours
        and event.signature.key_id == old_key
    ]
    if not mine:
        damaged = any(i not in copies or copies[i].failed for i in ours)
        return Item(held.number, b"", None, "invalid", DAMAGED, held.head) if damaged else None
    verdicts = [_verdict(event, copies[event.event_id], judge, bindings) for event in mine]
    times = [
        receipt.first_computed_at
        for event, verdict in zip(mine, verdicts, strict=True)
        if verdict in VOUCHED and (receipt := copies[event.event_id].receipt) is not None
    ]
    return Item(
        number=held.number,
        old=b"".join(sorted(bytes.fromhex(event.sha256) for event in mine)),
        first=min(times, default=None),
        verdict=max(verdicts, key=WORST.index),
        left_out="" if times else NOT_DERIVED,
        prev=held.head,
    )


def _verdict(event: Event, copy: Examined, judge: Judge, bindings: Bindings) -> str:
    """The worse of the verdicts on an event and on the receipt in it."""
    parts = [signed_event(event, bindings[event.body.signer])]
    if copy.receipt is not None:
        parts.append(receipt_part(event, copy.receipt, bindings))
    return min((judge(part).verdict for part in parts), key=WORST.index)


def _shards(desk: Desk, job: int) -> list[NewShard]:
    """The parts in which a job is signed: they are no part of what a person accepts."""
    shards: list[NewShard] = []
    wanted = (item.number.suffix for item in desk.store.items(job) if not item.left_out)
    while part := list(islice(wanted, SHARD)):
        shards.append(NewShard(len(shards), len(part), part[0], part[-1]))
    return shards


def _frozen(desk: Desk, job: int, old: KeyObject, new: KeyObject, reason: str) -> Plan:
    listed = hashlib.sha256()
    receipts = left_out = 0
    for item in desk.store.items(job):
        if item.left_out:
            left_out += 1
            time = "left-out"
        else:
            receipts += 1
            time = "new" if item.first is None else str(item.first.micros)
        listed.update(f"{item.number.suffix} {item.old.hex()} {time}\n".encode())
    return Plan(desk.registry, old, new, reason, receipts, left_out, listed.hexdigest())
