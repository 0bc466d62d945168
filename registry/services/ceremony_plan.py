"""ceremony.toml: which act, on which keys, and who takes part. It holds no secret."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from registry.config import Config, duration, refuse_secrets
from registry.errors import ConfigError, PithError, shown
from registry.protocol import keyset_acts, schema
from registry.protocol.approval import Approvers
from registry.protocol.instant import Instant
from registry.protocol.keys import KeyObject, PublicKey
from registry.protocol.keyset import KeySetBody
from registry.protocol.transcript import ACTS, Participant, participants_from_json
from registry.services.keys import key_object, recovery_object
from registry.store.rows import KeyRow

VALID_FOR: Final = 7 * 86_400
_WANTED: Final = {
    "recovery-keys": ({"threshold"}, {"retire"}),
    "rotate": ({"heir"}, {"successor"}),
    "revoke": ({"key", "reason"}, {"heir", "successor", "threshold"}),
    "compromise": ({"key", "since", "reason"}, {"heir", "successor", "threshold"}),
    "commit": ({"key"}, {"successor"}),
    "renew": (set[str](), set[str]()),
}
"""What each act must be told, and what it may be told."""
_ALWAYS: Final = {
    *("registry", "act", "reason", "valid_for", "keys", "participants", "approvers", "approvals")
}


@dataclass(frozen=True, slots=True)
class PlannedKey:
    """A key that is not in the key set yet: to be made at ``uri``, or made elsewhere and
    given by its public half, or, with neither, one that this home knows already."""

    key_id: str
    uri: str | None
    public_key: PublicKey | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a ceremony is to do. ``approvers`` is None where those of the last one stay."""

    registry: str
    act: str
    reason: str | None
    key: str | None
    heir: str | None
    successor: str | None
    since: Instant | None
    threshold: int | None
    retire: tuple[str, ...]
    keys: tuple[PlannedKey, ...]
    participants: tuple[Participant, ...]
    approvers: Approvers | None
    valid_for: int


def parse_plan(text: str) -> Plan:
    """Read a ceremony.toml.

    Raises ConfigError ``ceremony.form``, ``ceremony.unknown``, ``config.secret``.
    """
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _wrong(f"not TOML: {error}") from None
    refuse_secrets(document)
    act = document.get("act")
    if act not in ACTS:
        raise _wrong(f"act = {shown(act)}: it is one of {', '.join(ACTS)}")
    needed, allowed = _WANTED[act]
    for name in document:
        if name not in _ALWAYS | needed | allowed:
            raise _wrong(f"{shown(name)} does not go with {act}", "ceremony.unknown")
    for name in sorted(needed | {"registry", "participants"}):
        if name not in document:
            raise _wrong(f"{name} is missing: {act} wants it")
    try:
        return _plan(document, act)
    except PithError as error:
        if isinstance(error, ConfigError):
            raise
        raise _wrong(str(error)) from None


def _wrong(message: str, code: str = "ceremony.form") -> ConfigError:
    return ConfigError(
        f"the ceremony's file: {message}",
        code=code,
        hint='keys/README.md, "The ceremony", shows one for each act',
    )


def _plan(document: dict[str, Any], act: str) -> Plan:
    def optional(name: str, read: Callable[[Any, str], Any]) -> Any:
        return read(document[name], name) if name in document else None

    approvers = None
    if "approvers" in document or "approvals" in document:
        lines = _texts(document.get("approvers"), "approvers")
        wanted = schema.integer(document.get("approvals"), "approvals")
        approvers = Approvers.new(lines, wanted, "approvers")
    return Plan(
        registry=schema.name(document["registry"], "registry"),
        act=act,
        reason=optional("reason", schema.text),
        key=optional("key", schema.key_id),
        heir=optional("heir", schema.key_id),
        successor=optional("successor", schema.key_id),
        since=optional("since", schema.seconds),
        threshold=optional("threshold", schema.integer),
        retire=tuple(schema.key_id(each, "retire") for each in document.get("retire", [])),
        keys=_keys(document.get("keys", [])),
        participants=_participants(document["participants"]),
        approvers=approvers,
        valid_for=duration(document["valid_for"]) if "valid_for" in document else VALID_FOR,
    )


def _texts(value: object, path: str) -> list[str]:
    return [schema.text(item, path) for item in schema.array(value, path)]


def _keys(value: object) -> tuple[PlannedKey, ...]:
    found = []
    for item in schema.array(value, "keys"):
        members = schema.mapping(item, "keys")
        for name in members:
            if name not in ("key_id", "uri", "public_key_hex"):
                raise _wrong(f"unknown {shown(name)} in [[keys]]", "ceremony.unknown")
        if "uri" in members and "public_key_hex" in members:
            raise _wrong("a key is made at a uri or given by its public_key_hex, not both")
        uri, key = members.get("uri"), members.get("public_key_hex")
        found.append(
            PlannedKey(
                schema.key_id(members.get("key_id"), "keys.key_id"),
                None if uri is None else schema.text(uri, "keys.uri"),
                None if key is None else PublicKey.from_hex(key, "keys.public_key_hex"),
            )
        )
    if len({each.key_id for each in found}) != len(found):
        raise _wrong("a key stands twice in [[keys]]")
    return tuple(found)


def _participants(value: object) -> tuple[Participant, ...]:
    items = [schema.mapping(item, "participants") for item in schema.array(value, "participants")]
    for item in items:
        if not item.keys() <= {"name", "key_id"}:
            raise _wrong("[[participants]] have a name and a key_id", "ceremony.unknown")
    return participants_from_json([{"key_id": None} | item for item in items], "participants")


def propose(
    plan: Plan,
    old: KeySetBody,
    config: Config,
    public_key: Callable[[str], PublicKey],
    *,
    at: Instant,
) -> KeySetBody:
    """The version that the plan's act makes of *old*; *public_key* finds a key by its id.

    Raises ConflictError ``keyset.act`` and NotFoundError ``keyset.absent`` as the acts do.
    """
    successor = None if plan.successor is None else public_key(plan.successor)
    heir = None if plan.heir is None else _heir(plan.heir, old, config, public_key, at)
    if plan.act == "recovery-keys":
        rows = [_row(key.key_id, public_key(key.key_id), at) for key in plan.keys]
        return keyset_acts.set_recovery(
            old,
            add=[recovery_object(config, row) for row in rows],
            retire=plan.retire,
            threshold=plan.threshold or 0,
            at=at,
        )
    if plan.act == "rotate" and heir is not None:
        return keyset_acts.replace_active(old, heir, successor=successor, at=at)
    if plan.act in ("revoke", "compromise") and plan.key is not None:
        return keyset_acts.revoke(
            old,
            plan.key,
            since=plan.since,
            reason=plan.reason or "",
            at=at,
            threshold=plan.threshold,
            heir=heir,
            successor=successor,
        )
    if plan.act == "commit" and plan.key is not None:
        return keyset_acts.commit(old, plan.key, successor, at=at)
    return keyset_acts.renew(old, at=at)


def _row(key_id: str, key: PublicKey, at: Instant) -> KeyRow:
    return KeyRow(key_id, key, "recovery", "", at)


def _heir(
    key_id: str,
    old: KeySetBody,
    config: Config,
    public_key: Callable[[str], PublicKey],
    at: Instant,
) -> KeyObject:
    listed = next((e.object for e in old.entries if e.key_id == key_id and e.object), None)
    return listed or key_object(config, key_id, public_key(key_id), at)
