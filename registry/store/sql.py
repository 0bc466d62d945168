"""All the SQL there is. Every statement is one that SQLite and PostgreSQL read alike:
``RETURNING`` says what an insert did, never a row count."""

from typing import Final

META: Final = "SELECT value FROM meta WHERE name = :name"
ADD_META: Final = (
    "INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING RETURNING name"
)

RECORD: Final = "SELECT body FROM records WHERE suffix = :suffix"
ADD_RECORD: Final = (
    "INSERT INTO records (digest, suffix, year, source_kind, source_id, source_version, body) "
    "VALUES (:digest, :suffix, :year, :source_kind, :source_id, :source_version, :body) "
    "ON CONFLICT DO NOTHING RETURNING suffix"
)
# Only minted records are found: one that an interrupted mint left has no head yet.
RECORDS_BY_PREFIX: Final = (
    "SELECT r.body FROM records r WHERE r.suffix >= :low AND r.suffix <= :high AND EXISTS "
    "(SELECT 1 FROM heads h WHERE h.subject = r.suffix) ORDER BY r.suffix LIMIT :count"
)
RECORDS_BY_SOURCE: Final = (
    "SELECT r.body FROM records r WHERE r.source_kind = :kind AND r.source_id = :id "
    "AND (CAST(:version AS BIGINT) IS NULL OR r.source_version = :version) AND EXISTS "
    "(SELECT 1 FROM heads h WHERE h.subject = r.suffix) "
    "ORDER BY r.source_version DESC, r.suffix LIMIT :count"
)
RECORDS_AFTER: Final = (
    "SELECT r.body FROM records r WHERE r.suffix > :after AND EXISTS "
    "(SELECT 1 FROM heads h WHERE h.subject = r.suffix) ORDER BY r.suffix LIMIT :count"
)
COUNT_MINTED: Final = "SELECT count(*) FROM events WHERE event_type = 'record_created'"

INTENT: Final = "SELECT at, body FROM intents WHERE subject = :subject AND prev = :prev"
INTENTS_OF: Final = "SELECT prev FROM intents WHERE subject = :subject"
INTENTS: Final = (
    "SELECT subject, prev, at, body FROM intents WHERE (subject, prev) > (:subject, :prev) "
    "ORDER BY subject, prev LIMIT :count"
)
ADD_INTENT: Final = (
    "INSERT INTO intents (subject, prev, at, body) "
    "VALUES (:subject, :prev, :at, :body) ON CONFLICT DO NOTHING RETURNING subject"
)
RENEW_INTENT: Final = (
    "UPDATE intents SET at = :at, body = :body WHERE subject = :subject AND prev = :prev "
    "AND at = :old RETURNING at"
)
DROP_INTENT: Final = "DELETE FROM intents WHERE subject = :subject AND prev = :prev"
DROP_CLAIM: Final = DROP_INTENT + " AND at = :at"
COUNT_INTENTS: Final = "SELECT count(*) FROM intents"

ADD_EVENT: Final = (
    "INSERT INTO events (event_id, subject, event_type, signer_id, body) "
    "VALUES (:event_id, :subject, :event_type, :signer_id, :body) "
    "ON CONFLICT DO NOTHING RETURNING event_id"
)
EVENT: Final = "SELECT body FROM events WHERE event_id = :event_id"
LAST_OF: Final = (
    "SELECT subject, event_id, body FROM events WHERE subject = :subject "
    "AND event_type = :event_type AND signer_id = :signer_id ORDER BY seq DESC LIMIT 1"
)
EVENTS_OF: Final = "SELECT body FROM events WHERE subject = :subject ORDER BY seq"
COUNT_EVENTS_OF: Final = "SELECT count(*) FROM events WHERE subject = :subject"

HEADED: Final = "SELECT subject FROM heads WHERE subject = :subject LIMIT 1"
HEADS_OF: Final = "SELECT event_id FROM heads WHERE subject = :subject"
HEAD: Final = "SELECT event_id FROM heads WHERE subject = :subject AND signer_id = :signer_id"
ADD_HEAD: Final = (
    "INSERT INTO heads (subject, signer_id, event_id) VALUES (:subject, :signer_id, :event_id) "
    "ON CONFLICT DO NOTHING RETURNING event_id"
)
# The old head is compared inside the UPDATE: two writers cannot both move it.
MOVE_HEAD: Final = (
    "UPDATE heads SET event_id = :event_id WHERE subject = :subject "
    "AND signer_id = :signer_id AND event_id = :prev RETURNING event_id"
)

ADD_BUNDLE: Final = (
    "INSERT INTO bundles (sha256, subject, built_at, body) "
    "VALUES (:sha256, :subject, :built_at, :body) ON CONFLICT DO NOTHING RETURNING sha256"
)

ADD_KEYSET: Final = (
    "INSERT INTO keysets (version, sha256, body) VALUES (:version, :sha256, :body) "
    "ON CONFLICT DO NOTHING RETURNING version"
)
# The version before is compared inside the INSERT: of two acts at once one wins.
NEXT_KEYSET: Final = (
    "INSERT INTO keysets (version, sha256, body) SELECT :version, :sha256, :body "
    "WHERE (SELECT max(version) FROM keysets) = :old_version "
    "AND EXISTS (SELECT 1 FROM keysets WHERE version = :old_version AND sha256 = :old_sha256) "
    "ON CONFLICT DO NOTHING RETURNING version"
)
KEYSETS: Final = "SELECT body FROM keysets ORDER BY version"
NEWEST_KEYSET: Final = "SELECT body FROM keysets ORDER BY version DESC LIMIT 1"

# The version before is compared inside the INSERT: of two enrolments at once one wins.
ADD_SIGNERS: Final = (
    "INSERT INTO signers (version, sha256, body) SELECT :version, :sha256, :body "
    "WHERE (SELECT coalesce(max(version), 0) FROM signers) = :old "
    "ON CONFLICT DO NOTHING RETURNING version"
)
RESTORE_SIGNERS: Final = (
    "INSERT INTO signers (version, sha256, body) VALUES (:version, :sha256, :body)"
)
NEWEST_SIGNERS: Final = "SELECT body FROM signers ORDER BY version DESC LIMIT 1"

ADD_CEREMONY: Final = (
    "INSERT INTO ceremonies (nonce, asked_sha256, to_sha256, at) "
    "VALUES (:nonce, :asked_sha256, :to_sha256, :at) ON CONFLICT DO NOTHING RETURNING nonce"
)
PROPOSED: Final = "SELECT at FROM ceremonies WHERE to_sha256 = :to_sha256 LIMIT 1"
HAS_KEYSET: Final = "SELECT version FROM keysets WHERE sha256 = :sha256"
CEREMONY: Final = "SELECT asked_sha256 FROM ceremonies WHERE nonce = :nonce"
# The transcript before is compared inside the INSERT, none being no bytes: of two ceremonies
# at once one gets the next place.
ADD_TRANSCRIPT: Final = (
    "INSERT INTO transcripts (seq, sha256, body) "
    "SELECT (SELECT COALESCE(max(seq), 0) + 1 FROM transcripts), :sha256, :body WHERE "
    "COALESCE((SELECT sha256 FROM transcripts ORDER BY seq DESC LIMIT 1), :none) = :prev "
    "ON CONFLICT DO NOTHING RETURNING seq"
)
TRANSCRIPTS: Final = "SELECT body FROM transcripts ORDER BY seq"

ADD_KEY: Final = (
    "INSERT INTO keys (key_id, public_key, usage, uri, created_at) "
    "VALUES (:key_id, :public_key, :usage, :uri, :created_at) "
    "ON CONFLICT DO NOTHING RETURNING key_id"
)
DROP_KEY: Final = "DELETE FROM keys WHERE key_id = :key_id AND public_key = :public_key"
# The old place is compared inside the UPDATE: of two moves at once one wins.
MOVE_KEY: Final = (
    "UPDATE keys SET uri = :new WHERE key_id = :key_id AND uri = :old RETURNING key_id"
)
KEYS: Final = (
    "SELECT key_id, public_key, usage, uri, created_at FROM keys ORDER BY created_at, key_id"
)

ADD_ACT: Final = "INSERT INTO acts (act, key_id, reason, at) VALUES (:act, :key_id, :reason, :at)"
STOPPED: Final = "SELECT at FROM acts WHERE act = 'stopped' AND key_id = :key_id LIMIT 1"
ACTS: Final = "SELECT act, key_id, reason, at FROM acts ORDER BY seq"
ADD_SIGNATURE: Final = (
    "INSERT INTO signatures (key_id, kind, digest, at) VALUES (:key_id, :kind, :digest, :at) "
    "ON CONFLICT DO NOTHING"
)
LAST_SIGNED_AT: Final = (
    "SELECT max(at) FROM (SELECT max(at) AS at FROM signatures "
    "UNION ALL SELECT max(at) AS at FROM restored) made"
)
SIGNATURES: Final = (
    "SELECT seq, key_id, kind, digest, at FROM signatures WHERE seq > :after "
    "ORDER BY seq LIMIT :count"
)
SIGNATURE: Final = (
    "SELECT at FROM signatures WHERE kind = :kind AND digest = :digest AND key_id = :key_id"
)

# Every stored document that was signed here, as (kind, what was signed).
_DOCUMENTS: Final = (
    "SELECT 'event' AS kind, event_id AS digest FROM events e WHERE e.signer_id = "
    "(SELECT value FROM meta WHERE name = 'registry') "
    "UNION ALL SELECT 'receipt', r.digest FROM records r WHERE EXISTS "
    "(SELECT 1 FROM heads h WHERE h.subject = r.suffix) "
    "UNION ALL SELECT 'bundle', sha256 FROM bundles "
    "UNION ALL SELECT 'keyset', sha256 FROM keysets "
    "UNION ALL SELECT 'signers', sha256 FROM signers "
    "UNION ALL SELECT 'transcript', sha256 FROM transcripts "
    "UNION ALL SELECT 'event', event_id FROM staged "
    "UNION ALL SELECT kind, digest FROM discarded"
)
UNJOURNALED: Final = (
    f"SELECT d.kind, d.digest FROM ({_DOCUMENTS}) d WHERE NOT EXISTS "  # noqa: S608 - constant
    "(SELECT 1 FROM signatures s WHERE s.kind = d.kind AND s.digest = d.digest) AND NOT EXISTS "
    "(SELECT 1 FROM restored s WHERE s.kind = d.kind AND s.digest = d.digest)"
)
# What a ceremony proposes is signed before it is a version of the key set.
UNDOCUMENTED: Final = (
    f"SELECT s.kind, s.digest FROM signatures s WHERE (s.kind, s.digest) NOT IN ({_DOCUMENTS} "  # noqa: S608
    "UNION ALL SELECT 'keyset', to_sha256 FROM ceremonies)"
)

ADD_CHECKPOINT: Final = (
    "INSERT INTO checkpoints (sha256, at, last_seq, anchor, body) "
    "VALUES (:sha256, :at, :last_seq, :anchor, :body) ON CONFLICT DO NOTHING"
)
ADD_DATED: Final = (
    "INSERT INTO dated (document, checkpoint) VALUES (:document, :checkpoint) "
    "ON CONFLICT DO NOTHING RETURNING document"
)
EVENT_SEQ: Final = "SELECT seq FROM events WHERE event_id = :document"
# Not by the highest seq that is dated: one below it may come to be seen later.
UNDATED_EVENTS: Final = (
    "SELECT seq, event_id, body FROM events e WHERE seq > :after AND NOT EXISTS "
    "(SELECT 1 FROM dated WHERE document = e.event_id) ORDER BY seq LIMIT :count"
)
UNDATED_BUNDLES: Final = (
    "SELECT sha256, body FROM bundles b WHERE NOT EXISTS "
    "(SELECT 1 FROM dated WHERE document = b.sha256) LIMIT :count"
)
LAST_CHECKPOINT_AT: Final = "SELECT max(at) FROM checkpoints"
CHECKPOINTS_OF: Final = (
    "SELECT anchor, body FROM checkpoints WHERE sha256 IN (SELECT d.checkpoint FROM dated d WHERE "
    "d.document IN (SELECT event_id FROM events WHERE subject = :subject UNION ALL "
    "SELECT sha256 FROM bundles WHERE subject = :subject)) ORDER BY at, sha256"
)
ANCHORS_OF: Final = (
    "SELECT anchor FROM checkpoints WHERE sha256 IN (SELECT d.checkpoint FROM dated d WHERE "
    "d.document IN (SELECT event_id FROM events WHERE subject = :subject)) ORDER BY at, sha256"
)

ADD_RESTORED: Final = (
    "INSERT INTO restored (kind, digest, key_id, at) VALUES (:kind, :digest, :key_id, :at) "
    "ON CONFLICT DO NOTHING"
)
RESTORED: Final = (
    "SELECT at FROM restored WHERE kind = :kind AND digest = :digest AND key_id = :key_id"
)
RESTORED_AFTER: Final = (
    "SELECT kind, digest, key_id, at FROM restored WHERE (kind, digest, key_id) > "
    "(:kind, :digest, :key_id) ORDER BY kind, digest, key_id LIMIT :count"
)

ADD_FOREIGN_EVENT: Final = (
    "INSERT INTO foreign_events (registry, event_id, subject, body) "
    "VALUES (:registry, :event_id, :subject, :body) ON CONFLICT DO NOTHING RETURNING seq"
)
FOREIGN_EVENTS_OF: Final = (
    "SELECT body FROM foreign_events WHERE registry = :registry AND subject = :subject ORDER BY seq"
)
COUNT_FOREIGN_EVENTS_OF: Final = (
    "SELECT count(*) FROM foreign_events WHERE registry = :registry AND subject = :subject"
)
REPLACE_FOREIGN_RECORD: Final = (
    "INSERT INTO foreign_records "
    "(registry, suffix, source_kind, source_id, source_version, body, aliases) VALUES "
    "(:registry, :suffix, :source_kind, :source_id, :source_version, :body, :aliases) "
    "ON CONFLICT (registry, suffix) DO UPDATE SET aliases = excluded.aliases"
)
FOREIGN_ALIASES: Final = (
    "SELECT aliases FROM foreign_records WHERE registry = :registry AND suffix = :suffix"
)
FOREIGN_BY_SOURCE: Final = (
    "SELECT body FROM foreign_records WHERE registry = :registry AND source_kind = :kind "
    "AND source_id = :id AND (CAST(:version AS BIGINT) IS NULL OR source_version = :version) "
    "ORDER BY source_version DESC, suffix LIMIT :count"
)
FOREIGN_BY_PREFIX: Final = (
    "SELECT body FROM foreign_records WHERE registry = :registry AND suffix >= :low "
    "AND suffix <= :high ORDER BY suffix LIMIT :count"
)
ADD_FOREIGN_KEY: Final = (
    "INSERT INTO foreign_keys (registry, key_id, public_key, body) "
    "VALUES (:registry, :key_id, :public_key, :body) ON CONFLICT DO NOTHING RETURNING key_id"
)
FOREIGN_KEYS: Final = "SELECT body FROM foreign_keys WHERE registry = :registry ORDER BY key_id"

QUARANTINE: Final = (
    "INSERT INTO quarantine "
    "(name, kind, registry, subject, verdict, code, reason, source, at, body) VALUES "
    "(:name, :kind, :registry, :subject, :verdict, :code, :reason, :source, :at, :body) "
    "ON CONFLICT (name) DO UPDATE SET verdict = excluded.verdict, code = excluded.code, "
    "reason = excluded.reason, source = excluded.source, at = excluded.at, body = excluded.body"
)
RELEASE: Final = "DELETE FROM quarantine WHERE name = :name RETURNING name"
QUARANTINED: Final = (
    "SELECT name, kind, registry, subject, verdict, code, reason, source, at, body "
    "FROM quarantine WHERE name > :after ORDER BY name LIMIT :count"
)

ADD_EQUIVOCATION: Final = (
    "INSERT INTO equivocations (sha256, at, body) VALUES (:sha256, :at, :body) "
    "ON CONFLICT DO NOTHING RETURNING sha256"
)
EQUIVOCATIONS: Final = "SELECT body FROM equivocations ORDER BY at, sha256"

# -- jobs ------------------------------------------------------------------------

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

NEWEST_VERSION: Final = "SELECT max(version) FROM keysets"
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
