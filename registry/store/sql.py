"""All the SQL there is. Every statement is one that SQLite and PostgreSQL read alike:
``RETURNING`` says what an insert did, never a row count."""

from typing import Final

META: Final = "SELECT value FROM meta WHERE name = :name"
ADD_META: Final = (
    "INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING RETURNING name"
)

RECORD: Final = "SELECT suffix, body FROM records WHERE suffix = :suffix"
ADD_RECORD: Final = (
    "INSERT INTO records (digest, suffix, year, source_kind, source_id, source_version, body) "
    "VALUES (:digest, :suffix, :year, :source_kind, :source_id, :source_version, :body) "
    "ON CONFLICT DO NOTHING RETURNING suffix"
)
# Only minted records are found: one that an interrupted mint left has no head yet. The limits
# stand in the text, as SQLite plans a statement anew each time that one is given as a value.
RECORDS_BY_PREFIX: Final = (
    "SELECT r.year, r.suffix, r.source_version, r.body FROM records r "
    "WHERE r.suffix >= :low AND r.suffix <= :high AND EXISTS "
    "(SELECT 1 FROM heads h WHERE h.subject = r.suffix) ORDER BY r.suffix LIMIT 500"
)
# In the order of the index alone: to sort those of one version too would cost as much again.
RECORDS_BY_SOURCE: Final = (
    "SELECT r.year, r.suffix, r.source_version, r.body FROM records r "
    "WHERE r.source_kind = :kind AND r.source_id = :id AND EXISTS "
    "(SELECT 1 FROM heads h WHERE h.subject = r.suffix) ORDER BY r.source_version DESC LIMIT 500"
)
RECORDS_BY_VERSION: Final = (
    "SELECT r.year, r.suffix, r.source_version, r.body FROM records r "
    "WHERE r.source_kind = :kind AND r.source_id = :id AND r.source_version = :version "
    "AND EXISTS (SELECT 1 FROM heads h WHERE h.subject = r.suffix) LIMIT 500"
)
RECORDS_AFTER: Final = (
    "SELECT r.suffix, r.body FROM records r WHERE r.suffix > :after AND EXISTS "
    "(SELECT 1 FROM heads h WHERE h.subject = r.suffix) ORDER BY r.suffix LIMIT :count"
)
# Every record that is minted here has a head of ours, and heads are small.
COUNT_MINTED: Final = (
    "SELECT count(*) FROM heads WHERE signer_id = (SELECT value FROM meta WHERE name = 'registry')"
)

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
EVENT: Final = "SELECT event_id, body FROM events WHERE event_id = :event_id"
LAST_OF: Final = (
    "SELECT subject, event_id, body FROM events WHERE subject = :subject "
    "AND event_type = :event_type AND signer_id = :signer_id ORDER BY seq DESC LIMIT 1"
)
EVENTS_OF: Final = "SELECT event_id, body FROM events WHERE subject = :subject ORDER BY seq"
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
NEWEST_VERSION: Final = "SELECT max(version) FROM keysets"
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
    f"SELECT kind, digest FROM signatures EXCEPT SELECT kind, digest FROM ({_DOCUMENTS} "  # noqa: S608
    "UNION ALL SELECT 'keyset', to_sha256 FROM ceremonies) d"
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
    "SELECT event_id, body FROM foreign_events WHERE registry = :registry "
    "AND subject = :subject ORDER BY seq"
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
    "SELECT suffix, body FROM foreign_records WHERE registry = :registry AND source_kind = :kind "
    "AND source_id = :id AND (CAST(:version AS BIGINT) IS NULL OR source_version = :version) "
    "ORDER BY source_version DESC, suffix LIMIT :count"
)
FOREIGN_BY_PREFIX: Final = (
    "SELECT suffix, body FROM foreign_records WHERE registry = :registry AND suffix >= :low "
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
