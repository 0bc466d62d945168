"""Merging many events of one subject: against bare verifications, and how it grows."""

import base64
import hashlib
import json
import time
from collections.abc import Iterator

from nacl.bindings import crypto_sign_open
from nacl.signing import SigningKey

from benchmarks.measure import Figure, medians, rounds
from registry import data
from registry.protocol.canonical import Json, JsonObject, plain_canonical
from registry.protocol.event import Bindings, SignerRef, event_identity
from registry.protocol.keys import PublicKey
from registry.protocol.merge import merge
from registry.protocol.number import PithNumber

KEY = SigningKey(hashlib.sha256(b"pith benchmark").digest())
PUBLIC = PublicKey.from_raw(bytes(KEY.verify_key))
READER = SignerRef("reader.example", "third_party", "reader-2026", PUBLIC.fingerprint)
BINDINGS: Bindings = {READER: PUBLIC}
NUMBER = PithNumber.parse(json.loads(data.seed_bundle())["pith_number"])
EVENTS = 1_000
SIZES = (10, 100, 1_000, 10_000, 100_000)


def chained(count: int) -> Iterator[JsonObject]:
    """So many signed events of one reader, each after the one before."""
    prev: str | None = None
    for place in range(count):
        body: JsonObject = {
            "event_type": "replication_record",
            "subject_pith_number": str(NUMBER),
            "target": "record",
            "payload": {
                "kind": "replication",
                "outcome": f"run {place}",
                "artifact_url": None,
                "artifact_sha256": None,
                "note": None,
            },
            "signer": READER.to_json(),
            "created_at": "2026-06-01T12:00:00Z",
            "supersedes": [],
            "prev_event": prev,
            "schema_version": "1.0",
        }
        digest = event_identity(body, plain_canonical)
        prev = f"sha256:{digest.hex()}"
        yield body | {
            "signature": {
                "signature_status": "signed_v1",
                "algorithm": "ed25519",
                "key_id": READER.key_id,
                "public_key_fingerprint": READER.fingerprint,
                "signature_b64": base64.b64encode(KEY.sign(digest).signature).decode(),
                "signed_message": "open_graph_event_sha256_bytes",
                "signed_at": "2026-06-01T12:00:00.000000Z",
            },
            "content_sha256": digest.hex(),
            "event_id": prev,
        }


def against_signatures() -> Figure:
    """Merging 1,000 events in memory, every check made, against as many bare verifications."""
    values = list(chained(EVENTS))
    digests = [(KEY.sign(event_identity(each)), PUBLIC.raw) for each in values]
    assert len(merge(NUMBER, values, BINDINGS).applied) == EVENTS

    def ours() -> None:
        merge(NUMBER, values, BINDINGS)

    def theirs() -> None:
        for message, key in digests:
            crypto_sign_open(message, key)

    mine, bare, ratio = medians(rounds(ours, theirs))
    return Figure(
        f"merging {EVENTS:,} events of one subject in memory, every check made",
        f"{EVENTS:,} bare verifications by PyNaCl",
        f"{mine / EVENTS * 1e6:,.0f} µs an event",
        f"{bare / EVENTS * 1e6:,.0f} µs",
        f"{ratio:.2f}",
        "≥ 0.5",
    )


def growth() -> Figure:
    """The cost of an event in merges of 10 to 100,000, read from their lines."""
    lines = [json.dumps(value) for value in chained(SIZES[-1])]
    costs = []
    for size in SIZES:
        repeats = max(1, 1_000 // size)
        started = time.perf_counter()
        for _ in range(repeats):
            merge(NUMBER, _values(lines[:size]), BINDINGS)
        costs.append((time.perf_counter() - started) / repeats / size)
    shown = ", ".join(
        f"{size:,}: {cost * 1e6:,.0f}" for size, cost in zip(SIZES, costs, strict=True)
    )
    return Figure(
        "merging 10 to 100,000 events of one chain, µs an event",
        "the same merge of 1,000",
        shown,
        f"{costs[2] * 1e6:,.0f} µs",
        f"{max(costs) / costs[2]:.2f} times at most",
        "flat",
    )


def _values(lines: list[str]) -> Iterator[JsonObject]:
    for line in lines:
        value: Json = json.loads(line)
        yield value
