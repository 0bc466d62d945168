"""Check of ceremonies and their transcripts, checkpoints and their tokens, and jobs."""

import hashlib
from collections.abc import Iterator

from registry.errors import PithError, StoreError
from registry.protocol.canonical import JsonObject, canonical
from registry.protocol.evidence import Checkpoint, Refused, sha256_of
from registry.protocol.payloads import check_anchor
from registry.protocol.strict_json import LARGE, read_json
from registry.protocol.transcript import Transcript
from registry.protocol.transcript_rules import verify_transcript
from registry.services.anchor import authorities_of
from registry.services.desk import Desk
from registry.services.findings import COLUMN, Finding, differing
from registry.services.job_fill import unpacked
from registry.services.timestamps import gather
from registry.store import tables
from registry.store.packing import unpack
from registry.store.store import Store

MAKE = "only the list of what is to do is lost: make the job again, nothing is signed twice"
AGAIN = "`pith event add anchor --daily` dates what is not dated; restore for the old proof"
_STATES = ("making", "planned", "running", "switched", "done", "abandoned")
_SHARD_STATES = ("open", "done", "dropped")
_TOTALS = {"reissue": "receipts", "mint": "records"}
"""What the plan of a job calls the records of all its shards."""


def check_transcripts(desk: Desk) -> Iterator[Finding]:
    """Requests have their forms; each transcript follows the last and tells of its key set."""
    rows = desk.store.stream(tables.BY_NAME["ceremonies"].rows)
    for nonce, asked_sha256, to_sha256, _ in rows:
        if len(asked_sha256) != 32 or len(to_sha256) != 32:
            yield Finding("ceremonies.sha256", f"ceremony {nonce}", "not 32 bytes")
    bodies = {keyset.body.version: keyset.body for keyset in desk.store.list_keysets()}
    history: list[Transcript] = []
    for seq, sha256, body in desk.store.stream(tables.BY_NAME["transcripts"].rows):
        where = f"transcript {seq}"
        try:
            transcript = Transcript.parse(body)
            if canonical(transcript.to_json()) != body:
                yield Finding("transcripts.body", where, "not in canonical bytes")
                continue
            about = transcript.body.ceremony
            old, new = bodies.get(about.from_version), bodies.get(about.to_version)
            if old is None or new is None:
                yield Finding("transcripts.keyset", where, "its key sets are not there")
                continue
            verify_transcript(transcript, history=history, old=old, new=new)
        except PithError as error:
            yield Finding(
                "transcripts.body" if error.code.startswith(("json", "schema")) else error.code,
                where,
                str(error),
            )
            continue
        history.append(transcript)
        derived = {"sha256": transcript.body.digest}
        yield from differing("transcripts", where, {"sha256": sha256}, derived)


def check_checkpoints(desk: Desk) -> Iterator[Finding]:
    """Each list is of what is stored, dated by its token, and known to each of its documents."""
    listed = 0
    for row in desk.store.stream(tables.BY_NAME["checkpoints"].rows):
        sha256, _, last_seq, anchor, body = row
        where = f"checkpoint {sha256.hex()}"
        try:
            checkpoint = Checkpoint.parse(body)
            payload = read_json(anchor, LARGE).value
            check_anchor(payload, "$")
        except PithError as error:
            yield Finding("checkpoints.body", where, str(error), AGAIN)
            continue
        found = {"sha256": sha256, "body": body}
        digest = sha256_of(checkpoint)
        derived = {"sha256": bytes.fromhex(digest), "body": checkpoint.canonical}
        yield from differing("checkpoints", where, found, derived)
        listed += len(checkpoint.documents)
        yield from _token(desk, where, digest, payload, anchor)
        yield from _listed(desk.store, where, sha256, last_seq, checkpoint)
    for (document,) in desk.store.stream(tables.STRAY_DATED):
        text = "it stands in a checkpoint that is not there"
        yield Finding("dated.checkpoint", f"document {document.hex()}", text, AGAIN)
    if desk.store.count_rows(tables.BY_NAME["dated"]) > listed:
        yield Finding("dated.document", "dated", "more documents are dated than are listed", AGAIN)


def _token(
    desk: Desk, where: str, digest: str, payload: JsonObject, anchor: bytes
) -> Iterator[Finding]:
    """The token is over this list, and good where the authority's certificate is at hand."""
    if payload["anchored_sha256"] != digest or canonical(payload) != anchor:
        yield Finding("checkpoints.anchor", where, "its timestamp is of something else", AGAIN)
        return
    authorities = authorities_of(desk)
    if not authorities():
        return
    for found in gather({"timestamp_proofs": [payload]}, (), authorities).findings:
        if isinstance(found, Refused):
            yield Finding(found.code, where, found.reason, AGAIN)


def _listed(
    store: Store, where: str, sha256: bytes, last_seq: int, checkpoint: Checkpoint
) -> Iterator[Finding]:
    last = 0
    for name, digest in checkpoint.documents:
        document = {"document": bytes.fromhex(name[-64:])}
        statement = tables.EVENT_OF if name.startswith("event:") else tables.BUNDLE_OF
        row = next(iter(store.stream(statement, document)), None)
        if row is None:
            yield Finding("checkpoints.documents", where, f"{name} is not there")
            continue
        seq, body = row
        last = max(last, seq)
        stored = hashlib.sha256(_sealed(name, body)).hexdigest()
        if stored != digest:
            yield Finding("checkpoints.documents", where, f"{name} is not what was dated")
        found = next(iter(store.stream(tables.DATED, document)), (b"",))[0]
        if found != sha256:
            text = f"{name} is noted in {found.hex() or 'no checkpoint'}"
            yield Finding("dated.checkpoint", where, text, COLUMN)
    if last != last_seq:
        text = f"last_seq is {last_seq}, its last event {last}"
        yield Finding("checkpoints.last_seq", where, text, COLUMN)


def _sealed(name: str, body: bytes) -> bytes:
    """A document as it is anchored: events are stored so, bundles are not."""
    try:
        body = unpack(body)
        return body if name.startswith("event:") else canonical(read_json(body, LARGE).value)
    except PithError:
        return b""


def _check_total(desk: Desk, job: int, kind: str, plan: bytes) -> Iterator[Finding]:
    """The shards of a job are over all its records: what is in none would never be done."""
    if kind not in _TOTALS:
        yield Finding("jobs.kind", f"job {job}", f"{kind} is no kind", COLUMN)
        return
    try:
        wanted = read_json(plan).value.get(_TOTALS[kind])
    except PithError:
        return  # its digest is wrong, too
    ((held,),) = desk.store.stream(tables.SHARD_RECORDS, {"job": job})
    if held != wanted:
        yield Finding("jobs.shards", f"job {job}", f"shards of {held} records, not {wanted}", MAKE)


def _check_shards(desk: Desk) -> Iterator[Finding]:
    for job, shard, state, first, _, records, _, _, body in desk.store.stream(
        tables.BY_NAME["shards"].rows
    ):
        where = f"shard {shard} of job {job}"
        if state not in _SHARD_STATES:
            yield Finding("shards.state", where, f"{state} is no state", COLUMN)
        if body or (state == "open" and not first):
            try:
                held = len(unpacked(body))
            except StoreError as error:
                yield Finding("shards.body", where, error.message, MAKE)
                continue
            yield from differing("shards", where, {"records": records}, {"records": held})
    for job, shard in desk.store.stream(tables.STRAY_SHARDS):
        yield Finding("shards.job", f"shard {shard} of job {job}", "the job is not there")


def check_jobs(desk: Desk) -> Iterator[Finding]:
    """Plans are what was accepted; what they tell of is there."""
    store = desk.store
    for job, state, digest, plan, kind, *_ in store.stream(tables.BY_NAME["jobs"].rows):
        where = f"job {job}"
        if state not in _STATES:
            yield Finding("jobs.state", where, f"{state} is no state", COLUMN)
        if state != "making":
            derived = {"digest": hashlib.sha256(plan).digest()}
            yield from differing("jobs", where, {"digest": digest}, derived)
            yield from _check_total(desk, job, kind, plan)
    yield from _check_shards(desk)
    for job, subject in store.stream(tables.STRAY_ITEMS):
        where = f"record {subject} of job {job}"
        yield Finding("job_items.subject", where, "the record or the job is not there")
    for job, subject in store.stream(tables.STRAY_STAGED):
        where = f"event on {subject} staged by job {job}"
        yield Finding("staged.subject", where, "the job has no such record")
    for registry, event_id in store.stream(tables.STRAY_FOREIGN):
        where = f"event sha256:{event_id.hex()} of {registry}"
        yield Finding("foreign_records.missing", where, "its record is not there")
