-- What a registry holds. Documents are kept as the exact bytes that were hashed
-- or signed; every other column is derived from them and there to be found by.
-- A subject is the suffix of a record's pith number.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- A record is content-addressed: a row is never updated. The suffix is the first 130 bits
-- of the digest, so no index on the digest is needed; rows lie in the order they came.
CREATE TABLE records (
    digest         BLOB NOT NULL,
    suffix         TEXT NOT NULL PRIMARY KEY,
    year           INTEGER NOT NULL,
    source_kind    TEXT NOT NULL,
    source_id      TEXT NOT NULL,
    source_version INTEGER NOT NULL,
    body           BLOB NOT NULL
) STRICT;
CREATE INDEX records_by_source ON records (source_kind, source_id, source_version);

-- A place in the chain of a record, claimed before anything is signed for it.
-- prev is the event before it, x'' for the first; body is what will be signed,
-- or empty for a record_created, which follows from the record and the time.
CREATE TABLE intents (
    subject    TEXT NOT NULL,
    prev       BLOB NOT NULL,
    at         INTEGER NOT NULL,
    body       BLOB NOT NULL,
    PRIMARY KEY (subject, prev)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    seq        INTEGER PRIMARY KEY,
    event_id   BLOB NOT NULL UNIQUE,
    subject    TEXT NOT NULL,
    event_type TEXT NOT NULL,
    signer_id  TEXT NOT NULL,
    body       BLOB NOT NULL
) STRICT;
CREATE INDEX events_by_subject ON events (subject, seq);

-- The last event of each signer's chain on each record, moved by compare-and-swap.
CREATE TABLE heads (
    subject   TEXT NOT NULL,
    signer_id TEXT NOT NULL,
    event_id  BLOB NOT NULL,
    PRIMARY KEY (subject, signer_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE bundles (
    sha256   BLOB PRIMARY KEY,
    subject  TEXT NOT NULL,
    built_at INTEGER NOT NULL,
    body     BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX bundles_by_subject ON bundles (subject, built_at);

CREATE TABLE keysets (
    version INTEGER PRIMARY KEY,
    sha256  BLOB NOT NULL UNIQUE,
    body    BLOB NOT NULL
) STRICT;

-- What was signed for in ceremonies, by nonce: asked_sha256 is the digest of the whole
-- request, to_sha256 that of the key set it proposes.
CREATE TABLE ceremonies (
    nonce        TEXT PRIMARY KEY,
    asked_sha256 BLOB NOT NULL,
    to_sha256    BLOB NOT NULL,
    at           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Each names the one before it; the newest says whose approvals the next ceremony wants.
CREATE TABLE transcripts (
    seq    INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL UNIQUE,
    body   BLOB NOT NULL
) STRICT;

-- Third parties: every version of the signers list.
CREATE TABLE signers (
    version INTEGER PRIMARY KEY,
    sha256  BLOB NOT NULL UNIQUE,
    body    BLOB NOT NULL
) STRICT;

-- Where this registry's private keys are. Whether a key may sign is the key
-- set's to say; which one signs here is `signing`, moved by compare-and-swap.
CREATE TABLE keys (
    key_id     TEXT PRIMARY KEY,
    public_key BLOB NOT NULL UNIQUE,
    usage      TEXT NOT NULL,
    uri        TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What people did with keys and why: today, signing with one past its promised rotation.
CREATE TABLE acts (
    seq    INTEGER PRIMARY KEY,
    act    TEXT NOT NULL,
    key_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    at     INTEGER NOT NULL
) STRICT;

-- Every signature made: what was signed is kind and digest.
CREATE TABLE signatures (
    seq    INTEGER PRIMARY KEY,
    key_id TEXT NOT NULL,
    kind   TEXT NOT NULL,
    digest BLOB NOT NULL,
    at     INTEGER NOT NULL,
    UNIQUE (kind, digest, key_id)
) STRICT;
CREATE INDEX signatures_by_time ON signatures (at);

-- Lists of documents that one timestamp of an outside authority dates, each with it;
-- last_seq is that of the last event listed.
CREATE TABLE checkpoints (
    sha256   BLOB PRIMARY KEY,
    at       INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    anchor   BLOB NOT NULL,
    body     BLOB NOT NULL
) STRICT;

-- Which checkpoint a document (event_id, or sha256 of a bundle) stands in.
CREATE TABLE dated (
    document   BLOB PRIMARY KEY,
    checkpoint BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Signatures of this registry from before its home was made anew: they came in with its
-- published documents, so the journal has no lines for them.
CREATE TABLE restored (
    kind   TEXT NOT NULL,
    digest BLOB NOT NULL,
    key_id TEXT NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (kind, digest, key_id)
) STRICT, WITHOUT ROWID;

-- What other registries say, from their bundles: never part of our own graph.
CREATE TABLE foreign_events (
    seq      INTEGER PRIMARY KEY,
    registry TEXT NOT NULL,
    event_id BLOB NOT NULL,
    subject  TEXT NOT NULL,
    body     BLOB NOT NULL,
    UNIQUE (registry, event_id)
) STRICT;
CREATE INDEX foreign_events_by_subject ON foreign_events (registry, subject, seq);

-- The records they tell of, with their aliases as the newest bundle dates them: those stand
-- in no event. What stands here is not minted here.
CREATE TABLE foreign_records (
    registry       TEXT NOT NULL,
    suffix         TEXT NOT NULL,
    source_kind    TEXT NOT NULL,
    source_id      TEXT NOT NULL,
    source_version INTEGER NOT NULL,
    body           BLOB NOT NULL,
    aliases        BLOB NOT NULL,
    PRIMARY KEY (registry, suffix)
) STRICT, WITHOUT ROWID;
CREATE INDEX foreign_records_by_source ON foreign_records (registry, source_kind, source_id);

-- The keys their events are checked with: a key_id means one key for ever.
CREATE TABLE foreign_keys (
    registry   TEXT NOT NULL,
    key_id     TEXT NOT NULL,
    public_key BLOB NOT NULL,
    body       BLOB NOT NULL,
    PRIMARY KEY (registry, key_id),
    UNIQUE (registry, public_key)
) STRICT, WITHOUT ROWID;

-- What imports did not take, apart from everything else and by name: an event id, or
-- the digest of a bundle. Importing it again decides anew.
CREATE TABLE quarantine (
    name     TEXT PRIMARY KEY,
    kind     TEXT NOT NULL,
    registry TEXT NOT NULL,
    subject  TEXT NOT NULL,
    verdict  TEXT NOT NULL,
    code     TEXT NOT NULL,
    reason   TEXT NOT NULL,
    source   TEXT NOT NULL,
    at       INTEGER NOT NULL,
    body     BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Evidence of equivocation that was found here, by its digest.
CREATE TABLE equivocations (
    sha256 BLOB PRIMARY KEY,
    at     INTEGER NOT NULL,
    body   BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- A job over many records: kind is reissue or mint. Its plan, frozen under its digest, is what
-- people accept. state: making, planned, running, then switched, done or abandoned. turn is
-- counted up by each switch: what a worker signed before its turn is not staged after it.
CREATE TABLE jobs (
    job      INTEGER PRIMARY KEY,
    state    TEXT NOT NULL,
    digest   BLOB NOT NULL,
    plan     BLOB NOT NULL,
    kind     TEXT NOT NULL,
    turn     INTEGER NOT NULL,
    begun_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    run_at   INTEGER NOT NULL,
    run_from INTEGER NOT NULL,
    last_at  INTEGER NOT NULL
) STRICT;

-- The parts of a job, which machines take one at a time; state: open, done or
-- dropped. Of a reissue: the records of the plan from suffix first to last. Of a mint: body is
-- what is to be minted, and is empty once that is done or dropped. records says how many, made how many were new, and at when
-- it was done, or 0.
CREATE TABLE shards (
    job     INTEGER NOT NULL,
    shard   INTEGER NOT NULL,
    state   TEXT NOT NULL,
    first   TEXT NOT NULL,
    last    TEXT NOT NULL,
    records INTEGER NOT NULL,
    made    INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    body    BLOB NOT NULL,
    PRIMARY KEY (job, shard)
) STRICT;
CREATE INDEX shards_open ON shards (job, shard) WHERE state = 'open';

-- The records of a reissue. old: the ids of what is superseded, 32 bytes each; first: the
-- first_computed_at that is kept, or null; left_out: why it is not issued again, or ''.
-- prev and at are claimed before anything is signed for it; at 0 is not claimed yet.
CREATE TABLE job_items (
    job      INTEGER NOT NULL,
    subject  TEXT NOT NULL,
    old      BLOB NOT NULL,
    first    INTEGER,
    verdict  TEXT NOT NULL,
    left_out TEXT NOT NULL,
    prev     BLOB NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (job, subject)
) STRICT, WITHOUT ROWID;

-- Events that a job has signed and that are in no chain yet.
CREATE TABLE staged (
    job      INTEGER NOT NULL,
    subject  TEXT NOT NULL,
    event_id BLOB NOT NULL,
    body     BLOB NOT NULL,
    PRIMARY KEY (job, subject)
) STRICT;

-- What was signed and is kept nowhere: staged events that were made again or given up
-- (whoever held them could show two events of ours after the same one), and bundles that
-- were built for a look.
CREATE TABLE discarded (
    kind   TEXT NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (kind, digest)
) STRICT, WITHOUT ROWID;
