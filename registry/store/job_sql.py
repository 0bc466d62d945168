"""The SQL of jobs, as `registry.store.sql` has the rest of it."""

from typing import Final

_JOB: Final = (
    "SELECT job, kind, state, digest, plan, turn, begun_at, ended_at, run_at, run_from, last_at "
    "FROM jobs "
)
NEWEST_JOB: Final = _JOB + "WHERE kind = 'reissue' AND state <> 'making' ORDER BY job DESC LIMIT 1"
JOB: Final = _JOB + "WHERE job = :job"
JOBS: Final = _JOB + "ORDER BY job"
UNFINISHED_JOBS: Final = "SELECT job FROM jobs WHERE state = 'making' AND kind = :kind"
ADD_JOB: Final = (
    "INSERT INTO jobs (state, digest, plan, kind, turn, begun_at, ended_at, run_at, run_from, "
    "last_at) VALUES ('making', :none, :none, :kind, 0, :at, 0, 0, 0, 0) RETURNING job"
)
FREEZE_JOB: Final = (
    "UPDATE jobs SET state = :state, digest = :digest, plan = :plan "
    "WHERE job = :job AND state = 'making' RETURNING job"
)
# The state before is compared inside the UPDATE: of two acts on a job one wins.
END_JOB: Final = (
    "UPDATE jobs SET state = :new, ended_at = :at WHERE job = :job AND state = :old RETURNING job"
)
END_DONE: Final = (
    "UPDATE jobs SET state = 'done', ended_at = :at WHERE job = :job AND state = 'running' AND "
    "NOT EXISTS (SELECT 1 FROM shards s WHERE s.job = :job AND s.state = 'open') RETURNING job"
)
BEGIN_RUN: Final = (
    "UPDATE jobs SET state = 'running', run_at = :at, run_from = :done, last_at = :at "
    "WHERE job = :job AND state IN ('planned', 'running') RETURNING job"
)
BEGIN_TURN: Final = (
    "UPDATE jobs SET turn = turn + 1 WHERE job = :job AND state = 'running' RETURNING turn"
)
RUN_SO_FAR: Final = (
    "UPDATE jobs SET last_at = :at WHERE job = :job AND state = 'running' AND turn = :turn "
    "RETURNING job"
)
DROP_JOB: Final = "DELETE FROM jobs WHERE job = :job"
DROP_ITEMS: Final = "DELETE FROM job_items WHERE job = :job"
DROP_SHARDS: Final = "DELETE FROM shards WHERE job = :job"

ADD_SHARD: Final = (
    "INSERT INTO shards (job, shard, state, first, last, records, made, at, body) "
    "VALUES (:job, :shard, 'open', :first, :last, :records, 0, 0, :body) ON CONFLICT DO NOTHING"
)
OPEN_SHARDS: Final = "SELECT shard FROM shards WHERE job = :job AND state = 'open' ORDER BY shard"
ANY_OPEN_SHARD: Final = "SELECT shard FROM shards WHERE job = :job AND state = 'open' LIMIT 1"
OPEN_SHARD: Final = (
    "SELECT job, shard, records, first, last, body FROM shards "
    "WHERE job = :job AND shard = :shard AND state = 'open'"
)
SHARD_DONE: Final = (
    "UPDATE shards SET state = 'done', made = :made, at = :at, body = :none "
    "WHERE job = :job AND shard = :shard AND state = 'open'"
)
SHARDS_DONE: Final = (
    "UPDATE shards SET state = 'done', at = :at WHERE job = :job AND state = 'open'"
)
DROP_OPEN_SHARDS: Final = (
    "UPDATE shards SET state = 'dropped', body = :none WHERE job = :job AND state = 'open'"
)
REOPEN_SHARD: Final = (
    "UPDATE shards SET state = 'open' WHERE job = :job AND state = 'done' "
    "AND first <= :subject AND last >= :subject"
)
COUNT_SHARDS: Final = (
    "SELECT state, count(*), coalesce(sum(records), 0), coalesce(sum(made), 0) FROM shards "
    "WHERE job = :job GROUP BY state"
)
# When the last shard was done, and what was done from some time before it on; the shard that
# was done first in that time was worked at before it.
LATELY_DONE: Final = (
    "SELECT coalesce(sum(records), 0), min(at), max(at) FROM shards WHERE job = :job AND at > 0 "
    "AND at >= (SELECT max(at) FROM shards WHERE job = :job) - :recent"
)

# Records whose receipt the journal has under a key, with the head of our chain on them.
ISSUED_AFTER: Final = (
    "SELECT r.suffix, r.year, h.event_id FROM records r JOIN heads h ON h.subject = r.suffix "
    "AND h.signer_id = :signer_id WHERE r.suffix > :after AND EXISTS (SELECT 1 FROM signatures s "
    "WHERE s.kind = 'receipt' AND s.digest = r.digest AND s.key_id = :key_id) "
    "ORDER BY r.suffix LIMIT :count"
)
ISSUED: Final = (
    "SELECT r.suffix, r.year, h.event_id FROM records r JOIN heads h ON h.subject = r.suffix "
    "AND h.signer_id = :signer_id WHERE r.suffix = :subject AND EXISTS (SELECT 1 FROM signatures s "
    "WHERE s.kind = 'receipt' AND s.digest = r.digest AND s.key_id = :key_id)"
)
EVENTS_BETWEEN: Final = (
    "SELECT e.subject, e.body, EXISTS (SELECT 1 FROM signatures s WHERE s.kind = 'event' "
    "AND s.digest = e.event_id AND s.key_id = :key_id) FROM events e "
    "WHERE e.subject >= :first AND e.subject <= :last ORDER BY e.subject, e.seq"
)

ADD_ITEM: Final = (
    "INSERT INTO job_items (job, subject, old, first, verdict, left_out, prev, at) "
    "VALUES (:job, :subject, :old, :first, :verdict, :left_out, :prev, 0) ON CONFLICT DO NOTHING"
)
ITEMS_AFTER: Final = (
    "SELECT i.subject, r.year, i.old, i.first, i.verdict, i.left_out FROM job_items i "
    "JOIN records r ON r.suffix = i.subject WHERE i.job = :job AND i.subject > :after "
    "ORDER BY i.subject LIMIT :count"
)
LEFT_OUT_AFTER: Final = (
    "SELECT i.subject, r.year, i.verdict, i.left_out FROM job_items i "
    "JOIN records r ON r.suffix = i.subject WHERE i.job = :job AND i.subject > :after "
    "AND i.left_out <> '' ORDER BY i.subject LIMIT :count"
)
COUNT_ITEMS: Final = (
    "SELECT verdict, left_out, count(*) FROM job_items WHERE job = :job "
    "GROUP BY verdict, left_out ORDER BY verdict, left_out"
)
TAKE_IN: Final = (
    "UPDATE job_items SET left_out = '' WHERE job = :job AND subject = :subject "
    "AND left_out = :left_out AND EXISTS "
    "(SELECT 1 FROM records r WHERE r.suffix = :subject AND r.digest = :digest) RETURNING subject"
)
LEAVE_OUT: Final = (
    "UPDATE job_items SET left_out = :left_out WHERE job = :job AND subject = :subject"
)

UNSIGNED: Final = (
    "SELECT i.subject, r.body, i.old, i.first, i.prev, i.at, h.event_id FROM job_items i "
    "JOIN heads h ON h.subject = i.subject AND h.signer_id = :signer_id "
    "JOIN records r ON r.suffix = i.subject WHERE i.job = :job AND i.subject > :after "
    "AND i.subject >= :first AND i.subject <= :last AND i.left_out = '' AND NOT EXISTS "
    "(SELECT 1 FROM staged s WHERE s.job = i.job AND s.subject = i.subject) "
    "ORDER BY i.subject LIMIT :count"
)
ANY_UNSIGNED: Final = (
    "SELECT i.subject FROM job_items i WHERE i.job = :job AND i.subject >= :first "
    "AND i.subject <= :last AND i.left_out = '' AND NOT EXISTS "
    "(SELECT 1 FROM staged s WHERE s.job = i.job AND s.subject = i.subject) LIMIT 1"
)
# The claim before is compared inside the UPDATE: of two workers one fixes the time.
CLAIM_ITEM: Final = (
    "UPDATE job_items SET prev = :prev, at = :at WHERE job = :job AND subject = :subject "
    "AND prev = :old_prev AND at = :old_at RETURNING subject"
)

STAGE: Final = (
    "INSERT INTO staged (job, subject, event_id, body) "
    "VALUES (:job, :subject, :event_id, :body) ON CONFLICT DO NOTHING"
)
COUNT_STAGED: Final = "SELECT count(*) FROM staged WHERE job = :job"
STAGED: Final = "SELECT body FROM staged WHERE job = :job AND subject = :subject"
STAGED_AT: Final = (
    "SELECT subject FROM staged WHERE job = :job ORDER BY subject LIMIT 1 OFFSET :place"
)
ITEM_AT: Final = (
    "SELECT subject FROM job_items WHERE job = :job AND left_out = '' "
    "ORDER BY subject LIMIT 1 OFFSET :place"
)
# Staged events after one that is no longer the last of our chain.
MOVED: Final = (
    "SELECT s.subject FROM staged s JOIN job_items i ON i.job = s.job AND i.subject = s.subject "
    "JOIN heads h ON h.subject = s.subject AND h.signer_id = :signer_id "
    "WHERE s.job = :job AND s.subject > :after AND h.event_id <> i.prev "
    "ORDER BY s.subject LIMIT :count"
)
# Claims of interrupted commands on records of a job.
CLAIMED: Final = (
    "SELECT n.subject, n.prev, n.at, n.body FROM intents n CROSS JOIN job_items i "
    "WHERE i.job = :job AND i.subject = n.subject AND i.left_out = '' LIMIT :count"
)
DISCARD: Final = (
    "INSERT INTO discarded (kind, digest) SELECT 'event', event_id FROM staged "
    "WHERE job = :job AND subject = :subject"
)
UNSTAGE: Final = "DELETE FROM staged WHERE job = :job AND subject = :subject"
UNCLAIM: Final = "UPDATE job_items SET at = 0 WHERE job = :job AND subject = :subject"
DISCARD_ALL: Final = (
    "INSERT INTO discarded (kind, digest) SELECT 'event', event_id FROM staged WHERE job = :job"
)
ADD_DISCARDED: Final = (
    "INSERT INTO discarded (kind, digest) VALUES (:kind, :digest) ON CONFLICT DO NOTHING"
)
UNSTAGE_ALL: Final = "DELETE FROM staged WHERE job = :job"

SWITCH_EVENTS: Final = (
    "INSERT INTO events (event_id, subject, event_type, signer_id, body) "
    "SELECT event_id, subject, 'record_created', :signer_id, body FROM staged "
    "WHERE job = :job ORDER BY subject"
)
SWITCH_HEADS: Final = (
    "UPDATE heads SET event_id = (SELECT s.event_id FROM staged s "
    "WHERE s.job = :job AND s.subject = heads.subject) "
    "WHERE signer_id = :signer_id AND EXISTS (SELECT 1 FROM staged s JOIN job_items i "
    "ON i.job = s.job AND i.subject = s.subject WHERE s.job = :job "
    "AND s.subject = heads.subject AND i.prev = heads.event_id)"
)
UNSWITCHED: Final = (
    "SELECT s.subject FROM staged s JOIN heads h ON h.subject = s.subject "
    "AND h.signer_id = :signer_id WHERE s.job = :job AND h.event_id <> s.event_id LIMIT 1"
)
# Staged events that are in the store already: what a switch left to be cleared away.
CLEARED: Final = (
    "SELECT s.job, s.subject FROM staged s JOIN jobs j ON j.job = s.job "
    "WHERE j.state = 'switched' LIMIT :count"
)
