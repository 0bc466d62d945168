"""How two bundles differ, part by part, whether or not either verifies."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from registry.errors import PithError, printable
from registry.protocol.bundle import Bundle
from registry.protocol.bundle_checks import bindings_of
from registry.protocol.canonical import Json, JsonObject, canonical
from registry.protocol.event import Bindings, SignerRef
from registry.protocol.event_checks import examine_event
from registry.protocol.keys import REGISTRY_SIGNER, KeyObject, PublicKey

Sign: TypeAlias = Literal["-", "+", "~"]
_ABSENT: Final = object()
_LISTED: Final = ("events", "public_keys", "state")
"""Members that are compared in their own way."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is only in A (``-``), only in B (``+``), or not the same (``~``).

    ``part`` is record, event, order, state, key, time, signature or a member of the
    bundle; ``place`` a JSON path or a name; ``old`` and ``new`` the values, None where
    there is none.
    """

    sign: Sign
    part: str
    place: str
    old: Json
    new: Json

    def to_json(self) -> JsonObject:
        """The difference for ``--json``."""
        return {
            "sign": self.sign,
            "part": self.part,
            "place": self.place,
            "old": self.old,
            "new": self.new,
        }

    def line(self) -> str:
        """The difference for people, foreign text escaped."""
        values = {"-": [self.old], "+": [self.new], "~": [self.old, self.new]}[self.sign]
        told = " -> ".join(_brief(value) for value in values)
        return f"{self.sign} {self.part:<10} {printable(self.place)}  {told}".rstrip()


def _brief(value: Json, limit: int = 100) -> str:
    text = value if type(value) is str else canonical(value).decode()
    text = printable(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def differences(a: Bundle, b: Bundle) -> tuple[Difference, ...]:
    """Every difference, record first and signature last; none when the canonical bytes
    are the same."""
    one, two = a.to_json(), b.to_json()
    found = list(_values("record", one["canonical_record"], two["canonical_record"], "$"))
    found += _events(a, b)
    found += _values("state", one["state"], two["state"], "$")
    found += _keys(one["public_keys"], two["public_keys"])
    for name in one:
        if name in ("canonical_record", "bundle_signature", *_LISTED):
            continue
        part = "time" if name == "built_at" else name
        found += _values(part, one[name], two[name], "$" if part == name else f"$.{name}")
    found += _values("signature", one["bundle_signature"], two["bundle_signature"], "$")
    if not found and canonical(one) != canonical(two):
        found.append(Difference("~", "repeats", "$", "items so often", "items more or less often"))
    return tuple(found)


def _values(part: str, old: Json, new: Json, place: str) -> Iterator[Difference]:
    """What differs between two JSON values, by place: lists item by item."""
    if type(old) is dict and type(new) is dict:
        for name in [*old, *(name for name in new if name not in old)]:
            yield from _values(
                part, old.get(name, _ABSENT), new.get(name, _ABSENT), f"{place}.{name}"
            )
    elif type(old) is list and type(new) is list:
        yield from _lists(part, old, new, place)
    elif old is _ABSENT:
        yield Difference("+", part, place, None, new)
    elif new is _ABSENT:
        yield Difference("-", part, place, old, None)
    elif canonical([old]) != canonical([new]):
        yield Difference("~", part, place, old, new)


def _lists(part: str, old: list[Json], new: list[Json], place: str) -> Iterator[Difference]:
    """Items are the same where their name is: an event_id, else all they say."""
    one, two = _named(old), _named(new)
    for name, (i, item) in one.items():
        if name not in two:
            yield Difference("-", part, f"{place}[{i}]", item, None)
        else:
            yield from _values(part, item, two[name][1], f"{place}[{i}]")
    for name, (i, item) in two.items():
        if name not in one:
            yield Difference("+", part, f"{place}[{i}]", None, item)
    kept = [name for name in one if name in two]
    if kept != [name for name in two if name in one]:
        yield Difference("~", part, place, "in this order", "in another order")


def _named(items: Iterable[Json]) -> dict[bytes, tuple[int, Json]]:
    found: dict[bytes, tuple[int, Json]] = {}
    for i, item in enumerate(items):
        name = item.get("event_id") if type(item) is dict else None
        found.setdefault(canonical([item if name is None else name]), (i, item))
    return found


# -- events and keys -----------------------------------------------------------


def _events(one: Bundle, two: Bundle) -> Iterator[Difference]:
    """Events by what they are: identity recomputed, validity under the bundle's own keys."""
    a, b = _judged(one), _judged(two)
    for name, (value, reason) in a.items():
        if name not in b:
            yield Difference("-", "event", name, _about(value, reason), None)
            continue
        other, why = b[name]
        if reason != why:
            yield Difference("~", "event", name, _about(value, reason), _about(other, why))
        elif canonical(value) != canonical(other):
            yield from _values("event", value, other, name)
    for name, (value, reason) in b.items():
        if name not in a:
            yield Difference("+", "event", name, None, _about(value, reason))
    kept = [name for name in a if name in b]
    if kept != [name for name in b if name in a]:
        yield Difference("~", "order", "$.events", "in this order", "in another order")


def _judged(bundle: Bundle) -> dict[str, tuple[JsonObject, str]]:
    """The events of a bundle by identity, each with the check that it fails, or ``valid``."""
    value = bundle.body.value
    bindings = _bindings(value)
    found: dict[str, tuple[JsonObject, str]] = {}
    for event in value["events"]:
        copy = examine_event(event, bundle.body.number, bindings)
        if copy.identity not in found or copy.failed is None:
            found[copy.identity] = (event, copy.failed or "valid")
    return found


def _bindings(value: JsonObject) -> Bindings:
    """Whom the keys of a bundle speak for, as far as they are in their form."""
    keys = []
    for each in value["public_keys"]:
        with suppress(PithError):
            keys.append(KeyObject.from_json(each))
    bound: dict[SignerRef, PublicKey] = {}
    for event in value["events"]:
        with suppress(PithError):
            signer = SignerRef.from_json(event.get("signer"), "$")
            if signer.signer_type == REGISTRY_SIGNER:
                bound |= bindings_of(keys, signer.signer_id)
    return bound


def _about(value: JsonObject, reason: str) -> str:
    signer = value.get("signer")
    who = signer.get("signer_id") if type(signer) is dict else None
    return f"{value.get('event_type')} {value.get('created_at')} {who}: {reason}"


def _keys(old: list[Json], new: list[Json]) -> Iterator[Difference]:
    a, b = ({str(key.get("key_id")): key for key in keys} for keys in (old, new))
    for name, key in a.items():
        if name not in b:
            yield Difference("-", "key", name, key.get("public_key_hex"), None)
        else:
            yield from _values("key", key, b[name], name)
    for name, key in b.items():
        if name not in a:
            yield Difference("+", "key", name, None, key.get("public_key_hex"))
