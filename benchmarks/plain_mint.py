"""The plain script that bulk minting is measured against: json, jcs, PyNaCl and sqlite3, one
process, one commit per 1,000. It writes the same signed documents and checks nothing."""

import base64
import hashlib
import json
import sqlite3
import sys
from itertools import islice
from typing import Any

import jcs
from nacl.signing import SigningKey

from benchmarks.papers import abstract, title

KEY = SigningKey(bytes(range(32)))
PRINT = hashlib.sha256(bytes(KEY.verify_key)).hexdigest()[:32]
AT, SECONDS = "2026-06-01T12:00:00.250000Z", "2026-06-01T12:00:00Z"
EMPTY = hashlib.sha256(b'{"payload":[]}').hexdigest()
SCHEMA = """
CREATE TABLE records (digest BLOB PRIMARY KEY, suffix TEXT UNIQUE, source TEXT, body BLOB);
CREATE TABLE events (seq INTEGER PRIMARY KEY, event_id BLOB UNIQUE, subject TEXT, body BLOB);
CREATE INDEX events_by_subject ON events (subject);
"""


def sign(digest: bytes) -> str:
    """A signature in base64."""
    return base64.b64encode(KEY.sign(digest).signature).decode()


def event(kind: str, target: str, number: str, payload: object, prev: str | None) -> Any:
    """A signed event."""
    key = {"key_id": "lab-v1-2026-06", "public_key_fingerprint": PRINT}
    body = {
        "event_type": kind,
        "subject_pith_number": number,
        "target": target,
        "payload": payload,
        "signer": {"signer_id": "lab.example", "signer_type": "pith_registry", **key},
        "created_at": SECONDS,
        "supersedes": [],
        "prev_event": prev,
        "schema_version": "1.0",
    }
    digest = hashlib.sha256(jcs.canonicalize(body)).digest()
    body["signature"] = {
        "signature_status": "signed_v1",
        "algorithm": "ed25519",
        "signature_b64": sign(digest),
        "signed_message": "open_graph_event_sha256_bytes",
        "signed_at": AT,
        **key,
    }
    return body | {"content_sha256": digest.hex(), "event_id": "sha256:" + digest.hex()}


def receipt(digest: bytes) -> dict[str, str]:
    """A receipt."""
    return {
        "kind": "pith_receipt",
        "key_id": "lab-v1-2026-06",
        "algorithm": "ed25519",
        "signed_at": AT,
        "signature_b64": sign(digest),
        "signed_message": "canonical_sha256_bytes",
        "builder_version": "plain",
        "receipt_version": "0.3",
        "canonical_sha256": digest.hex(),
        "last_reissued_at": AT,
        "signature_status": "signed_v1",
        "first_computed_at": AT,
        "public_key_fingerprint": PRINT,
    }


def snapshot(record: Any, number: int) -> dict[str, object]:
    """A graph snapshot's payload."""
    metadata = record["metadata"]
    verdict = {"id": None, "model_set": {}, "created_at": None, "pipeline_version": None}
    texts = ("strongest_claim", "one_line_summary", "weakest_assumption")
    return {
        "graph_snapshot": {
            "paper": {
                "title": title(number),
                "license": metadata["license"],
                "headline": "",
                "cross_cats": metadata["cross_cats_sorted"],
                "primary_cat": metadata["primary_cat"],
                "authors_text": "A. Author, B. Author",
                "submitted_at": metadata["submitted_at"],
                "abstract_excerpt": abstract(number)[:600],
            },
            "claims": {"count": 0, "items": [], "snapshot_sha256": EMPTY},
            "source": record["source"],
            "verdict": verdict | dict.fromkeys((*texts, "pith_extraction_headline"), ""),
            "references": {
                "count": 0,
                "sample": [],
                "resolved_work": 0,
                "snapshot_sha256": EMPTY,
                "internal_anchors": 0,
            },
            "formal_canon": {"evidence_count": 0, "snapshot_sha256": EMPTY},
            "author_claims": {"count": 0, "strong_count": 0, "snapshot_sha256": EMPTY},
            "builder_version": "plain",
        },
        "verdict_id": None,
    }


def main() -> None:
    """Mint every line of a file into a new database; ``graphs`` as third word adds snapshots."""
    database = sqlite3.connect(sys.argv[2])
    database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + SCHEMA)
    number = 0
    with open(sys.argv[1], "rb") as file:
        while lines := list(islice(file, 1000)):
            with database:
                for line in lines:
                    mint(database, json.loads(line), number, len(sys.argv) > 3)
                    number += 1


def mint(database: sqlite3.Connection, record: Any, place: int, graphs: bool) -> None:
    """One record."""
    body = jcs.canonicalize(record)
    digest = hashlib.sha256(body).digest()
    suffix = base64.b32encode(digest).decode()[:26]
    number = f"pith:{record['metadata']['submitted_at'][:4]}:{suffix}"
    source = record["source"]
    payload = {
        "canonical_record": record,
        "canonical_sha256": digest.hex(),
        "receipt": receipt(digest),
        "source_kind": source["kind"],
        "source_id": source["id"],
        "source_version": source["version"],
        "attestation_state": "computed",
    }
    made = [event("record_created", "record", number, payload, None)]
    if graphs:
        shown = snapshot(record, place)
        made.append(event("graph_snapshot", "graph", number, shown, made[0]["event_id"]))
    database.execute(
        "INSERT INTO records VALUES (?, ?, ?, ?)", (digest, suffix, source["id"], body)
    )
    for each in made:
        row = bytes.fromhex(each["content_sha256"]), suffix, jcs.canonicalize(each)
        database.execute("INSERT INTO events (event_id, subject, body) VALUES (?, ?, ?)", row)


if __name__ == "__main__":
    main()
