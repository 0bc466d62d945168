"""The named checks of a verification and the report they make.

A check has one name, which is also the name of its clause, of its error and of
the vectors that show it. `examine_*` functions run all checks and give a
`Report`; `verify_*` functions raise the first failure of one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Generic, Literal, TypeAlias, TypeVar

from registry.errors import PithError, VerificationError
from registry.protocol.canonical import JsonObject
from registry.protocol.evidence import Evidence, Finding, Sealed
from registry.protocol.instant import Instant
from registry.protocol.keys import PublicKey

Status: TypeAlias = Literal["ok", "fail", "skipped"]
OK: Final[Status] = "ok"
FAIL: Final[Status] = "fail"
SKIPPED: Final[Status] = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One named check and how it ended; ``error`` is set when it failed."""

    name: str
    status: Status
    reason: str = ""
    hint: str = ""
    error: PithError | None = None

    def to_json(self) -> JsonObject:
        """The check for ``--json``."""
        return {
            "name": self.name,
            "status": self.status,
            "code": self.error.code if self.error else None,
            "path": (self.error.path or None) if self.error else None,
            "reason": self.reason,
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True)
class SignedPart:
    """One signature of a document, enough for anyone to check it with other tools.

    ``message`` is exactly what was signed, ``made_of`` says what it is; ``signer_id``
    is who speaks with the key. ``dated`` is the time that the signature covers, the
    only one a verdict goes by, or None where it covers none (decision 0009). ``held_in``
    are the documents that hold the signature: a timestamp of one of them dates it.
    """

    what: str
    made_of: str
    signer_id: str
    key_id: str
    key: PublicKey
    message: bytes
    signature: bytes
    dated: Instant | None
    held_in: tuple[Sealed, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the newest key set known says of one signature (protocol.md 9.4), and the
    outside evidence that proves it, where some does."""

    what: str
    key_id: str
    verdict: Literal["valid", "proven", "unproven", "invalid"]
    reason: str
    evidence: Evidence | None = None

    def to_json(self) -> JsonObject:
        """The verdict for ``--json``."""
        return {
            "what": self.what,
            "key_id": self.key_id,
            "verdict": self.verdict,
            "reason": self.reason,
            "evidence": None if self.evidence is None else self.evidence.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Proven:
    """What is left of a bundle without what its verifier's key set does not vouch for
    (protocol.md section 8): the events that are left out, and the state of the others."""

    unproven: tuple[str, ...]
    state: JsonObject

    def to_json(self) -> JsonObject:
        """The same for ``--json``."""
        return {"unproven": list(self.unproven), "state": self.state}


@dataclass(frozen=True, slots=True)
class Report:
    """All checks of one document in order, what it is about, and its signatures.

    ``timestamps`` are the tokens that were looked at, good and bad.
    """

    kind: str
    subject: str
    checks: tuple[Check, ...]
    signed: tuple[SignedPart, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    registry: str = ""
    proven: Proven | None = None
    timestamps: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every check is ok: one that was skipped is not."""
        return all(check.status == OK for check in self.checks)

    @property
    def failure(self) -> PithError | None:
        """The first failure in order, or None."""
        return next((check.error for check in self.checks if check.error), None)

    def require(self) -> None:
        """Return nothing when every check is ok, else raise the first failure."""
        if (error := self.failure) is not None:
            raise error
        if not self.ok:
            raise VerificationError("not every check could be made", code="checks.skipped")

    def to_json(self) -> JsonObject:
        """The report for ``--json``."""
        return {
            "kind": self.kind,
            "subject": self.subject,
            "registry": self.registry,
            "ok": self.ok,
            "checks": [check.to_json() for check in self.checks],
            "verdicts": [verdict.to_json() for verdict in self.verdicts],
            "proven": None if self.proven is None else self.proven.to_json(),
            "timestamps": [finding.to_json() for finding in self.timestamps],
        }


E_ = TypeVar("E_")
"""An examination: the object a step works on."""


@dataclass(frozen=True, slots=True)
class Step(Generic[E_]):
    """One check of an examination: its name, the method that makes it, and the
    names of the checks it cannot do without."""

    name: str
    run: Callable[[E_], str | None]
    needs: tuple[str, ...] = ()


_MANY: Final = {"is": "are", "was": "were", "has": "have"}


def counted(number: int, noun: str, verb: str = "") -> str:
    """``1 event``, ``2 events``; with a verb for one of them ``1 event is``, ``2 events are``."""
    said = f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"
    if not verb:
        return said
    return f"{said} {verb if number == 1 else _MANY.get(verb, verb.removesuffix('s'))}"


@cache
def passed_check(name: str) -> Check:
    """The check *name*, ok, with nothing to say."""
    return Check(name, OK)


def run_steps(
    examination: E_, steps: Sequence[Step[E_]], before: frozenset[str] = frozenset()
) -> tuple[Check, ...]:
    """Run every step in order, *before* being the names that are already ok.

    A step that raises a PithError fails with it; one whose needs are not ok is
    skipped; what a step returns is the reason shown with its ok.
    """
    passed = set(before)
    checks = []
    for step in steps:
        if not passed.issuperset(step.needs):
            missing = next(name for name in step.needs if name not in passed)
            checks.append(Check(step.name, SKIPPED, f"needs {missing}"))
            continue
        try:
            reason = step.run(examination)
        except PithError as error:
            checks.append(Check(step.name, FAIL, str(error), error.hint, error))
        else:
            passed.add(step.name)
            checks.append(Check(step.name, OK, reason) if reason else passed_check(step.name))
    return tuple(checks)
