"""Histories of one record as chance makes them: several signers, forks, missing parents,
supersessions, and copies that were spoilt by accident or on purpose. A seed is a history."""

import copy
import hashlib
import random
from collections.abc import Callable, Mapping
from typing import Final

from registry.protocol.canonical import JsonObject
from registry.protocol.instant import Instant
from registry.signing.signer import Signer
from tests import world
from tests.payloads import SAMPLES
from tests.world import (
    AT,
    OTHER_RECORD,
    OTHER_REGISTRY,
    PARTIES,
    RECORD,
    REGISTRY,
    Party,
    Registry,
    Speaker,
    drop,
    flip,
    put,
)

MISSING: Final = "sha256:" + "ab" * 32


SECOND_KEY: Final = world.Registry(key_id="example-2025-01")
REGISTRIES: Final = (REGISTRY, SECOND_KEY, OTHER_REGISTRY)
SPEAKERS: Final[tuple[Speaker, ...]] = (*REGISTRIES, *PARTIES)
UNBOUND: Final = Party("nobody.example", "nobody-2026", "author")
BINDINGS: Final = {speaker.ref: speaker.key for speaker in SPEAKERS}
SIGNERS: Final = [ref.to_json() | {"public_key_hex": key.hex} for ref, key in BINDINGS.items()]
_HOLDERS: Final = {speaker.key_id: speaker.signer for speaker in (*SPEAKERS, UNBOUND)}


def sealed(value: JsonObject, who: Signer) -> JsonObject:
    """An event's digest, id and signature put right by whoever holds a key."""
    return world.reseal_event(value, who)


# -- what is said --------------------------------------------------------------


def _created(rng: random.Random, speaker: Speaker, at: Instant, supersedes: bool) -> JsonObject:
    first = at.plus(days=-1) if supersedes else Instant(at.micros + rng.choice((0, 0, 1, -1)))
    registry = speaker if isinstance(speaker, Registry) else REGISTRY
    if registry.name == REGISTRY.name and rng.random() < 0.3:  # by the registry's other key
        registry = rng.choice((REGISTRY, SECOND_KEY))
    receipt = registry.receipt(first=first, reissued=at if supersedes else None)
    return {
        "canonical_record": RECORD.to_json(),
        "canonical_sha256": RECORD.sha256,
        "receipt": receipt.to_json(),
        "source_kind": RECORD.source.kind,
        "source_id": RECORD.source.id,
        "source_version": RECORD.source.version,
        "attestation_state": "computed",
    }


def _snapshot(rng: random.Random) -> JsonObject:
    headline = rng.choice(("", "a", "b", "c", "\u2603\U0001f41d"))
    payload = REGISTRY.snapshot(headline=headline).body.payload
    if rng.random() < 0.2:
        payload["graph_snapshot"]["paper"]["\uff5e\U0001f41d"] = rng.choice((0.5, 1e-7, 2, -0.0))
    return payload


def _previous(rng: random.Random, said: list[JsonObject], own: list[JsonObject]) -> str | None:
    chance = rng.random()
    if chance < 0.6 and own:
        return str(own[-1]["event_id"])
    if chance < 0.75 and said:
        return str(rng.choice(said)["event_id"])
    return MISSING if chance > 0.92 else None


def _speech(
    rng: random.Random, said: list[JsonObject], at: Instant, supersedes: bool
) -> tuple[Speaker, str, str, JsonObject]:
    """Who says what, of what: mostly what he may."""
    chance = rng.random()
    speaker: Speaker = rng.choice(REGISTRIES)
    if not said or chance < 0.25:
        return speaker, "record_created", "record", _created(rng, speaker, at, supersedes)
    if chance < 0.55:
        return speaker, "graph_snapshot", "graph", _snapshot(rng)
    sample = rng.choice(tuple(SAMPLES.values()))
    may = sample.speaker if rng.random() < 0.8 else rng.choice((*SPEAKERS, UNBOUND))
    return may, sample.event_type, sample.target, copy.deepcopy(sample.payload)


def _event(rng: random.Random, said: list[JsonObject]) -> JsonObject:
    at = AT.plus(seconds=rng.choice((-60, 0, 0, 60, 120, 180)))
    supersedes = set()
    if said and rng.random() < 0.35:
        supersedes = {e["event_id"] for e in rng.sample(said, rng.randint(1, min(3, len(said))))}
        if rng.random() < 0.1:
            supersedes.add(MISSING)
    speaker, event_type, target, payload = _speech(rng, said, at, bool(supersedes))
    own = [e for e in said if e["signer"]["signer_id"] == speaker.name]
    value: JsonObject = {
        "event_type": event_type,
        "subject_pith_number": str(RECORD.number),
        "target": target,
        "payload": payload,
        "signer": speaker.ref.to_json(),
        "created_at": at.seconds,
        "supersedes": sorted(supersedes),
        "prev_event": _previous(rng, said, own),
        "signature": {
            "signature_status": "signed_v1",
            "algorithm": "ed25519",
            "key_id": speaker.key_id,
            "public_key_fingerprint": speaker.key.fingerprint,
            "signature_b64": "",
            "signed_message": "open_graph_event_sha256_bytes",
            "signed_at": at.plus(seconds=rng.choice((1, 5))).micro_text,
        },
        "content_sha256": "",
        "schema_version": "1.0",
        "event_id": "",
    }
    return sealed(value, speaker.signer)


# -- spoiling ------------------------------------------------------------------

_SIGNATURE: Final = "signature.signature_b64"
_ACCIDENTS: Final[Mapping[str, Callable[[JsonObject], None]]] = {
    "signature of nobody": put(_SIGNATURE, world.b64(bytes(range(64)))),
    "s plus l": put(_SIGNATURE, world.plus_l),
    "small order r": put(_SIGNATURE, world.small_order_r),
    "spare bits": put(_SIGNATURE, world.spare_bits),
    "signed earlier": put("signature.signed_at", AT.plus(days=-9).micro_text),
    "signed later": put("signature.signed_at", AT.plus(days=9).micro_text),
    "signed a little earlier": put("signature.signed_at", lambda text: text[:-8] + "000001Z"),
    "digest": put("content_sha256", flip),
    "written id": put("event_id", MISSING),
    "signature's key": put("signature.key_id", "another-key"),
    "another member": put("note", None),
    "a member less": drop("prev_event"),
    "another date": put("created_at", "2026-06-01T12:34:56Z"),
    "no date": put("created_at", "2026-02-30T00:00:00Z"),
    "another type": put("event_type", "opinion"),
}
"""Done to a copy and left so: its identity may stay the good event's."""

_LIES: Final[Mapping[str, Callable[[JsonObject], None]]] = {
    "another record": put("subject_pith_number", str(OTHER_RECORD.number)),
    "another year": put("subject_pith_number", str(RECORD.number).replace("2026", "2025")),
    "signer of another name": put("signer.signer_id", "elsewhere.example"),
    "signer of another type": put("signer.signer_type", "mirror"),
    "target": put("target", "checkpoint"),
    "previous event's form": put("prev_event", MISSING.upper()),
    "supersedes twice": put("supersedes", [MISSING, MISSING]),
    "date without time": put("created_at", "2026-06-01"),
    "one second later": put("created_at", AT.plus(seconds=1).seconds),
    "payload of nothing": put("payload", {}),
    "payload's list": put("payload", []),
    "true for a version": lambda value: value["payload"].update(source_version=True),
    "fraction for a version": lambda value: value["payload"].update(source_version=1.0),
    "another digest": lambda value: value["payload"].update(canonical_sha256="0" * 64),
    "receipt of nothing": lambda value: value["payload"].update(receipt={}),
}
"""Done to a copy and signed again, by the key it names or by another."""


def _spoilt(rng: random.Random, good: JsonObject) -> JsonObject:
    value = copy.deepcopy(good)
    if rng.random() < 0.6:
        if rng.random() < 0.3:  # nobody has the good one
            value["supersedes"] = [MISSING]
            sealed(value, _HOLDERS[good["signer"]["key_id"]])
        _ACCIDENTS[rng.choice(tuple(_ACCIDENTS))](value)
        return value
    lie = _LIES[rng.choice(tuple(_LIES))]
    if type(value["payload"]) is dict:
        lie(value)
    is_own = rng.random() < 0.8
    return sealed(
        value, _HOLDERS[good["signer"]["key_id"]] if is_own else rng.choice(SPEAKERS).signer
    )


def history(seed: int) -> list[JsonObject]:
    """The events of one history, in no order."""
    rng = random.Random(hashlib.sha256(f"history {seed}".encode()).digest())
    said: list[JsonObject] = []
    for _ in range(rng.randint(0, 12)):
        said.append(_event(rng, said))
    events = list(said)
    if said:
        events += [_spoilt(rng, rng.choice(said)) for _ in range(rng.choice((0, 0, 1, 2, 5)))]
        events += [rng.choice(events) for _ in range(rng.choice((0, 0, 1, 3)))]
    if rng.random() < 0.2 and said:
        events.remove(rng.choice(said))
    rng.shuffle(events)
    return events
