"""Where the documents about a record stand: fixed paths on an https base (section 8)."""

from typing import Final

from registry.errors import MismatchError, shown
from registry.protocol import schema
from registry.protocol.canonical import Json, JsonObject
from registry.protocol.number import PithNumber

_MIRROR_KEYS: Final = frozenset(
    (
        "mirror_type",
        "name",
        "base_url",
        "bundle_url",
        "state_url",
        "well_known_bundle_url",
        "status",
    )
)
_LINK_KEYS: Final = frozenset(("resolver", "bundle", "state", "well_known_bundle"))


def links(base_url: str, number: PithNumber) -> JsonObject:
    """The ``links`` of a bundle: four fixed paths on one https base."""
    resolver = f"{base_url}/pith/{number.suffix}"
    return {
        "resolver": resolver,
        "bundle": f"{resolver}/bundle.json",
        "state": f"{resolver}/state.json",
        "well_known_bundle": f"{base_url}/.well-known/pith/{number.suffix}/bundle.json",
    }


def mirror_hint(
    base_url: str, number: PithNumber, *, name: str, mirror_type: str, status: str
) -> JsonObject:
    """One item of ``mirror_hints``: its URLs are the base and the fixed paths."""
    places = links(base_url, number)
    return {
        "mirror_type": mirror_type,
        "name": name,
        "base_url": base_url,
        "bundle_url": places["bundle"],
        "state_url": places["state"],
        "well_known_bundle_url": places["well_known_bundle"],
        "status": status,
    }


def check_links(value: JsonObject, number: PithNumber) -> None:
    """Raise MismatchError ``bundle.links`` unless all four paths are on one https base."""
    members = schema.closed(value, _LINK_KEYS, "$.links")
    resolver = schema.text(members["resolver"], "$.links.resolver")
    base = schema.base_url(resolver.removesuffix(f"/pith/{number.suffix}"), "$.links.resolver")
    _compare(members, links(base, number), "$.links", "bundle.links")


def check_mirror_hint(
    value: Json, number: PithNumber, path: str, code: str = "bundle.mirror_hints"
) -> None:
    """Raise MismatchError with *code* unless the URLs follow from the base."""
    members = schema.closed(value, _MIRROR_KEYS, path)
    wanted = mirror_hint(
        schema.base_url(members["base_url"], f"{path}.base_url"),
        number,
        name=schema.text(members["name"], f"{path}.name", limit=128),
        mirror_type=schema.text(members["mirror_type"], f"{path}.mirror_type", limit=64),
        status=schema.text(members["status"], f"{path}.status", limit=64),
    )
    _compare(members, wanted, path, code)


def _compare(found: JsonObject, wanted: JsonObject, path: str, code: str) -> None:
    for name, member in wanted.items():
        if found[name] != member:
            raise MismatchError(
                f"{shown(found[name])} stands where {shown(member)} must",
                code=code,
                path=f"{path}.{name}",
            )
