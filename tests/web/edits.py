"""Chance edits of good documents: one value changed for another, or a few bytes. A seed is an
edit; half of the edits to values are signed again by the key that signed before."""

import contextlib
import copy
import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from registry.protocol.canonical import JsonObject, canonical
from tests import world
from tests.world import REGISTRY

_VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2**53 - 1,
    0.5,
    1.0,
    -0.0,
    1e-7,
    "",
    " ",
    "0",
    "a" * 64,
    "sha256:" + "a" * 64,
    "pith:2026:" + "A" * 26,
    "2026-06-01T12:00:00Z",
    "2026-06-01T12:00:00.250000Z",
    "2026-06-31T12:00:00Z",
    "https://elsewhere.example",
    "record",
    "active",
    "registry.example",
    "__proto__",
    "\x00",
    "\u2028\u202e",
    "\U0001f41d" * 3,
    "x" * 4097,
    "\U0001f41d" * 4096,
    [],
    {},
    [None],
    {"__proto__": 1, "constructor": 2},
)


def _places(value: Any, trail: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items: Any = ()
    if type(value) is dict:
        items = value.items()
    elif type(value) is list:
        items = enumerate(value)
    for name, child in items:
        yield (*trail, name)
        yield from _places(child, (*trail, name))


def _text(rng: random.Random, text: str) -> str:
    """A text one step away: a character more, less, or another."""
    place = rng.randrange(len(text) + 1)
    more = rng.choice(("a", "A", "0", "Z", "=", "\n", " ", "-", "\u00e9", "\ufb01", "\uff11", ""))
    return text[:place] + more + text[place + rng.choice((0, 1)) :]


def _edit(rng: random.Random, value: JsonObject) -> None:
    *way, last = rng.choice(tuple(_places(value)))
    parent: Any = value
    for step in way:
        parent = parent[step]
    old = parent[last]
    how = rng.random()
    if how < 0.1:
        del parent[last]
    elif how < 0.2 and type(parent) is list:
        parent.insert(int(last), copy.deepcopy(rng.choice(parent)))
    elif how < 0.2:
        parent[rng.choice(("note", "__proto__", "toString", "\U0001f41d", "\uff5e"))] = old
    elif how < 0.3 and type(old) is list:
        rng.shuffle(old)
    elif how < 0.55 and type(old) is str:
        parent[last] = _text(rng, old)
    elif how < 0.65 and type(old) is int:
        parent[last] = rng.choice((float(old), old + 1, old - 1, -old, str(old)))
    elif how < 0.8:
        *from_way, from_last = rng.choice(tuple(_places(value)))
        place: Any = value
        for step in from_way:
            place = place[step]
        parent[last] = copy.deepcopy(place[from_last])
    else:
        parent[last] = copy.deepcopy(rng.choice(_VALUES))


def _resealed_signers(value: JsonObject) -> JsonObject:
    body = {name: member for name, member in value.items() if name != "signature"}
    value["signature"]["signature_b64"] = world.by(
        REGISTRY.signer, b"pith-signers-v1\n" + canonical(body)
    )
    return value


def _resealed_bundle(value: JsonObject) -> JsonObject:
    for event in value["events"]:
        if event["signer"]["key_id"] == REGISTRY.key_id:
            world.reseal_event(event)
    world.restate(value)
    return world.reseal_bundle(value)


_SEALS: Final[Mapping[str, tuple[Callable[[JsonObject], JsonObject], ...]]] = {
    "bundle": (world.reseal_bundle, _resealed_bundle),
    "event": (world.reseal_event,),
    "receipt": (world.reseal_receipt,),
    "keyset": (world.reseal_keyset,),
    "signers": (_resealed_signers,),
}


_BYTES: Final = b'{}[]",:\\ue019-+. \n\t\x00\x7f\xc3\xa9\xed\xbf\xef'


def _of_bytes(rng: random.Random, data: bytes) -> bytes:
    for _ in range(rng.randint(1, 2)):
        place = rng.randrange(len(data) + 1)
        more = bytes(rng.choices(_BYTES, k=rng.choice((0, 1, 1, 2))))
        data = data[:place] + more + data[place + rng.choice((0, 1, 1, 3)) :]
    return data


def edited(kind: str, data: bytes, seed: str) -> bytes:
    """One edit of a document, or a few."""
    rng = random.Random(hashlib.sha256(seed.encode()).digest())
    if rng.random() < 0.15:
        return _of_bytes(rng, data)
    value = json.loads(data)
    for _ in range(rng.choice((1, 1, 1, 2))):
        _edit(rng, value)
    if rng.random() < 0.6:
        with contextlib.suppress(Exception):  # what cannot be sealed stays as it is
            value = rng.choice(_SEALS[kind])(copy.deepcopy(value))
    return world.dump(value)
