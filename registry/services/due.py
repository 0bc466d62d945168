"""Due: what must be done to the keys, and by when."""

from collections.abc import Iterator
from dataclasses import dataclass

from registry.errors import KeyUnavailableError
from registry.protocol.instant import Instant
from registry.services.desk import Desk
from registry.services.rotation import calendar


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


def _due(desk: Desk, at: Instant, what: str, text: str, when: Instant, hint: str) -> Due:
    days = (when.micros - at.micros) // 86_400_000_000
    warned = any(at.plus(seconds=before) >= when for before in desk.config.warn_before)
    return Due(what, text, when, days, warned, hint)
