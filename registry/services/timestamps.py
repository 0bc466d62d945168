"""The timestamps at hand when a document is verified, and what they come to."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from registry.errors import MalformedError, NotFoundError, StoreError, shown
from registry.protocol.canonical import Json, JsonObject, canonical
from registry.protocol.event_types import TIMESTAMP_ANCHOR
from registry.protocol.evidence import NO_TIMESTAMPS, Finding, Proof, Refused, Timestamps
from registry.protocol.payloads import check_anchor
from registry.protocol.strict_json import LARGE
from registry.timestamp.library import require_library

if TYPE_CHECKING:
    from registry.timestamp.authority import Authority

Authorities: TypeAlias = Callable[[], Sequence["Authority"]]
"""How to come by the pinned authorities, asked for only where there is a token to check."""
MAX_TOKENS: Final = 256
"""Tokens that are checked for one document: a bundle of a stranger could hold thousands."""


def no_authorities() -> Sequence["Authority"]:
    """What a verifier pins who pins none."""
    return ()


def load_authority(path: Path) -> "Authority":
    """The authority whose certificates a file holds.

    Raises ConfigError ``tsa.extra`` without the extra, NotFoundError ``tsa.absent``,
    MalformedError ``tsa.certificate`` or ``tsa.root``.
    """
    require_library()
    from registry.timestamp.authority import Authority

    name = f"the file {shown(str(path))}"
    try:
        with path.open("rb") as file:
            return Authority.parse(file.read(LARGE.max_bytes), name)
    except FileNotFoundError:
        raise NotFoundError(f"no certificate: {name}", code="tsa.absent") from None
    except OSError as error:
        raise StoreError(f"cannot read {name}: {error.strerror}", code="file.read") from None


def parse_proofs(data: bytes) -> list[Proof]:
    """The proofs in a file: one document, or one a line.

    Raises MalformedError or MismatchError for one that is not in its form.
    """
    if len(data) > LARGE.max_bytes:
        raise MalformedError(f"over {LARGE.max_bytes} bytes", code="proof.size")
    lines = [line for line in data.split(b"\n") if line.strip()]
    if len(lines) > 1 and all(line.strip()[-1:] == b"}" for line in lines):
        return [Proof.parse(line) for line in lines]
    return [Proof.parse(data)]


def gather(document: JsonObject, proofs: Sequence[Proof], authorities: Authorities) -> Timestamps:
    """What the timestamps in *proofs* and in *document* itself come to.

    Where a token comes from does not matter: it says what it says, under the authorities
    that the verifier pins or not at all.
    """
    found = [proof.anchor for proof in proofs] + list(_anchors(document))
    anchors = {hashlib.sha256(canonical(anchor)).digest(): anchor for anchor in found}
    if not anchors:
        return NO_TIMESTAMPS
    lists = [proof.checkpoint for proof in proofs if proof.checkpoint is not None]
    return Timestamps.of(_examined(list(anchors.values()), authorities()), lists)


def _examined(anchors: list[JsonObject], pinned: Sequence["Authority"]) -> Iterator[Finding]:
    if not pinned:
        for each in anchors:
            reason = "no authority is pinned that could have made it"
            yield Refused(str(each["anchored_sha256"]), "anchor.unpinned", reason)
        return
    from registry.timestamp.token import examine_anchor

    for each in anchors[:MAX_TOKENS]:
        yield examine_anchor(each, pinned)
    for each in anchors[MAX_TOKENS:]:
        reason = f"over {MAX_TOKENS} timestamps: give the one that matters as evidence"
        yield Refused(str(each["anchored_sha256"]), "anchor.many", reason)


def _anchors(document: JsonObject) -> Iterator[JsonObject]:
    """The well-formed timestamps in a bundle: its proofs, then those of its events."""
    for item in _items(document.get("timestamp_proofs")):
        yield from _formed(item)
    for event in _items(document.get("events")):
        if type(event) is dict and event.get("event_type") == TIMESTAMP_ANCHOR:
            yield from _formed(event.get("payload"))


def _items(value: Json) -> list[Json]:
    return value if type(value) is list else []


def _formed(value: Json) -> Iterator[JsonObject]:
    try:
        check_anchor(value, "$")
    except MalformedError:
        return
    yield value
