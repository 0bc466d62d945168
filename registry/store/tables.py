"""Every table as it stands in the migrations, for what reads or writes a store as a whole.

The statements of single verbs are in `registry.store.sql`; those here name no column
that is not listed.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns, and the key by which its rows are read in order."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    @property
    def rows(self) -> str:
        """All rows, in the order of the key."""
        listed, key = ", ".join(self.columns), ", ".join(self.key)
        return f"SELECT {listed} FROM {self.name} ORDER BY {key}"  # noqa: S608 - constants

    @property
    def rows_after(self) -> str:
        """The rows after the one with a key, in the same order."""
        listed, key = ", ".join(self.columns), ", ".join(self.key)
        places = ", ".join(f":{column}" for column in self.key)
        return f"SELECT {listed} FROM {self.name} WHERE ({key}) > ({places}) ORDER BY {key}"  # noqa: S608

    @property
    def last(self) -> str:
        """The key of the last row."""
        down = ", ".join(f"{column} DESC" for column in self.key)
        return f"SELECT {', '.join(self.key)} FROM {self.name} ORDER BY {down} LIMIT 1"  # noqa: S608

    @property
    def clear(self) -> str:
        """Take all rows out."""
        return f"DELETE FROM {self.name}"  # noqa: S608 - constants

    @property
    def count(self) -> str:
        """How many rows there are."""
        return f"SELECT count(*) FROM {self.name}"  # noqa: S608 - constants

    @property
    def insert(self) -> str:
        """Put in one row whole."""
        listed = ", ".join(self.columns)
        places = ", ".join(f":{column}" for column in self.columns)
        return f"INSERT INTO {self.name} ({listed}) VALUES ({places})"  # noqa: S608 - constants


def _table(name: str, columns: str, *key: str) -> Table:
    listed = tuple(columns.split())
    return Table(name, listed, key or listed[:1])


TABLES: Final = (
    _table("meta", "name value"),
    _table("keysets", "version sha256 body"),
    _table("signers", "version sha256 body"),
    _table("keys", "key_id public_key usage uri created_at"),
    _table("acts", "seq act key_id reason at"),
    _table("ceremonies", "nonce asked_sha256 to_sha256 at"),
    _table("transcripts", "seq sha256 body"),
    _table("records", "digest suffix year source_kind source_id source_version body", "suffix"),
    _table("intents", "subject prev at body", "subject", "prev"),
    _table("events", "seq event_id subject event_type signer_id body"),
    _table("heads", "subject signer_id event_id", "subject", "signer_id"),
    _table("bundles", "sha256 subject built_at body"),
    _table("signatures", "seq key_id kind digest at"),
    _table("restored", "kind digest key_id at", "kind", "digest", "key_id"),
    _table("checkpoints", "sha256 at last_seq anchor body"),
    _table("dated", "document checkpoint"),
    _table("foreign_keys", "registry key_id public_key body", "registry", "key_id"),
    _table(
        "foreign_records",
        "registry suffix source_kind source_id source_version body aliases",
        "registry",
        "suffix",
    ),
    _table("foreign_events", "seq registry event_id subject body"),
    _table("quarantine", "name kind registry subject verdict code reason source at body"),
    _table("equivocations", "sha256 at body"),
    _table("jobs", "job state digest plan kind turn begun_at ended_at run_at run_from last_at"),
    _table("shards", "job shard state first last records made at body", "job", "shard"),
    _table("job_items", "job subject old first verdict left_out prev at", "job", "subject"),
    _table("staged", "job subject event_id body", "job", "subject"),
    _table("discarded", "kind digest", "kind", "digest"),
)
"""In the order in which an export has them."""
BY_NAME: Final = {table.name: table for table in TABLES}
BINARY: Final = frozenset(
    (
        *("aliases", "anchor", "asked_sha256", "body", "checkpoint", "digest", "document"),
        *("event_id", "old", "plan", "prev", "public_key", "sha256", "to_sha256"),
    )
)
"""The columns that are bytes, in every table."""
NUMBERS: Final = frozenset(
    (
        *("at", "begun_at", "built_at", "created_at", "ended_at", "job", "last_at", "last_seq"),
        *("made", "records", "run_at", "run_from", "seq", "shard", "source_version", "turn"),
        *("version", "year"),
    )
)
"""The columns that are numbers, in every table; the others are text."""
PACKED: Final = frozenset(
    ("records", "events", "bundles", "foreign_records", "foreign_events", "staged")
)
"""The tables whose ``body`` is packed (`registry.store.packing`)."""


def is_of_kind(table: Table, column: str, value: object) -> bool:
    """Whether a value is of the type that a column has, and NULL only where that may be."""
    if table.name == "job_items" and column == "first":
        return value is None or type(value) is int
    return type(value) is (bytes if column in BINARY else int if column in NUMBERS else str)


def is_of_the_place(name: str) -> bool:
    """Whether a name in `meta` says how this database is kept, or what its home may do, and
    nothing of what it holds."""
    return name == "unreconciled" or name.startswith("dictionary ")


# What belongs to one record, each in the order of the subjects: the index of a table gives
# this order, so nothing is sorted and nothing gathers in memory.
GRAPH: Final = {
    "records": (
        "SELECT suffix, digest, year, source_kind, source_id, source_version, body FROM records "
        "ORDER BY suffix"
    ),
    "events": (
        "SELECT subject, event_id, event_type, signer_id, body FROM events ORDER BY subject, seq"
    ),
    "heads": "SELECT subject, signer_id, event_id FROM heads ORDER BY subject, signer_id",
    "intents": "SELECT subject, prev, at, body FROM intents ORDER BY subject, prev",
    "apart": (
        "SELECT subject, name FROM quarantine WHERE kind = 'event' AND registry = :registry "
        "ORDER BY subject"
    ),
    "event_lines": (
        "SELECT e.subject, 'event', s.digest, s.key_id, s.at FROM events e CROSS JOIN signatures s "
        "WHERE s.kind = 'event' AND s.digest = e.event_id ORDER BY e.subject, e.seq"
    ),
    "event_restored": (
        "SELECT e.subject, 'event', s.digest, s.key_id, s.at FROM events e CROSS JOIN restored s "
        "WHERE s.kind = 'event' AND s.digest = e.event_id ORDER BY e.subject, e.seq"
    ),
    "receipt_lines": (
        "SELECT r.suffix, 'receipt', s.digest, s.key_id, s.at FROM records r "
        "CROSS JOIN signatures s WHERE s.kind = 'receipt' AND s.digest = r.digest ORDER BY r.suffix"
    ),
    "receipt_restored": (
        "SELECT r.suffix, 'receipt', s.digest, s.key_id, s.at FROM records r "
        "CROSS JOIN restored s WHERE s.kind = 'receipt' AND s.digest = r.digest ORDER BY r.suffix"
    ),
}
BUNDLES: Final = (
    "SELECT b.sha256, b.subject, b.built_at, b.body, s.key_id, s.at FROM bundles b "
    "LEFT JOIN signatures s ON s.kind = 'bundle' AND s.digest = b.sha256 ORDER BY b.sha256"
)
DATED: Final = "SELECT checkpoint FROM dated WHERE document = :document"
EVENT_OF: Final = "SELECT seq, body FROM events WHERE event_id = :document"
BUNDLE_OF: Final = "SELECT 0, body FROM bundles WHERE sha256 = :document"
STRAY_DATED: Final = (
    "SELECT document FROM dated d WHERE NOT EXISTS "
    "(SELECT 1 FROM checkpoints c WHERE c.sha256 = d.checkpoint) ORDER BY document"
)
STRAY_FOREIGN: Final = (
    "SELECT registry, event_id FROM foreign_events e WHERE NOT EXISTS (SELECT 1 FROM "
    "foreign_records r WHERE r.registry = e.registry AND r.suffix = e.subject) ORDER BY seq"
)
STRAY_ITEMS: Final = (
    "SELECT job, subject FROM job_items i WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE "
    "j.job = i.job) OR NOT EXISTS (SELECT 1 FROM records r WHERE r.suffix = i.subject) "
    "ORDER BY job, subject"
)
STRAY_SHARDS: Final = (
    "SELECT job, shard FROM shards s WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.job = s.job) "
    "ORDER BY job, shard"
)
SHARD_RECORDS: Final = "SELECT coalesce(sum(records), 0) FROM shards WHERE job = :job"
STRAY_STAGED: Final = (
    "SELECT job, subject FROM staged s WHERE NOT EXISTS (SELECT 1 FROM job_items i "
    "WHERE i.job = s.job AND i.subject = s.subject) ORDER BY job, subject"
)

UNRECONCILED: Final = "SELECT value FROM meta WHERE name = 'unreconciled'"
# Says whether it was not marked so before.
MARK_UNRECONCILED: Final = (
    "INSERT INTO meta (name, value) VALUES ('unreconciled', :value) ON CONFLICT (name) "
    "DO UPDATE SET value = excluded.value WHERE meta.value <> excluded.value RETURNING name"
)
RECONCILED: Final = "DELETE FROM meta WHERE name = 'unreconciled' RETURNING name"
# Claims of places that the lost home has taken meanwhile.
DROP_TAKEN_CLAIMS: Final = (
    "DELETE FROM intents WHERE EXISTS (SELECT 1 FROM heads h WHERE h.subject = intents.subject "
    "AND h.signer_id = :registry AND h.event_id <> intents.prev)"
)
