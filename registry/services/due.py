"""Due: what must be done to the keys, and by when."""

from collections.abc import Iterator
from dataclasses import dataclass

from registry.errors import KeyUnavailableError
from registry.protocol.instant import Instant
from registry.services.desk import Desk
from registry.services.rotation import calendar
from registry.services.shares import last_drills


@dataclass(frozen=True, slots=True)
class Due:
    """One date: what ends or is to be done then. ``days`` may be negative: it is past."""

    what: str
    text: str
    when: Instant
    days: int
    warned: bool
    hint: str


def dues(desk: Desk, at: Instant) -> Iterator[Due]:
    """Every date that this registry's keys have, the key set's end among them."""
    body = desk.keyset().body
    try:
        steps = calendar(desk)
    except KeyUnavailableError:
        steps = ()
    for step in steps[:1]:
        yield _due(
            desk, at, "rotation", f"{step.name} {step.key_id}", step.due, "`pith rotation next`"
        )
    for entry in body.active("registry"):
        if entry.object is not None and entry.object.rotates_at is not None:
            yield _due(
                desk,
                at,
                "promise",
                f"{entry.key_id} signs only with --past-rotation after this",
                entry.object.rotates_at,
                "`pith rotation status` shows the way there",
            )
    yield _due(
        desk,
        at,
        "expiry",
        f"verifiers refuse version {body.version} after this",
        body.expires_at,
        "every step of a rotation renews it; `pith rotation plan` shows when",
    )
    for backup in last_drills(desk):
        when = backup.due(desk.config.drill_every)
        yield Due(
            "drill",
            f"shares of {backup.key_id}: {backup.told}",
            when or at,
            0 if when is None else _days(when, at),
            when is None or _is_near(desk, when, at),
            f"`pith shares {'make' if backup.set_id is None else 'drill'} {backup.key_id}`",
        )


def _days(when: Instant, at: Instant) -> int:
    return (when.micros - at.micros) // 86_400_000_000


def _is_near(desk: Desk, when: Instant, at: Instant) -> bool:
    return any(at.plus(seconds=before) >= when for before in desk.config.warn_before)


def _due(desk: Desk, at: Instant, what: str, text: str, when: Instant, hint: str) -> Due:
    return Due(what, text, when, _days(when, at), _is_near(desk, when, at), hint)
