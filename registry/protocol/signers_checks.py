"""The checks of a signers list that comes alone (protocol.md section 11)."""

from typing import Final

from registry.protocol.checks import Report, SignedPart, Step, counted, run_steps
from registry.protocol.signers import Signers, signers_message
from registry.protocol.signers_chain import (
    check_enrolments,
    check_first,
    check_keys,
    check_signature,
)
from registry.protocol.strict_json import LARGE, read_json
from registry.protocol.trust import Terms, Trusting, registry_bindings


class SignersExamination(Trusting):
    """One signers list, checked with the registry keys that the verifier pins."""

    def __init__(self, data: bytes, terms: Terms) -> None:
        super().__init__(terms)
        self.data = data

    def json(self) -> None:
        """J1 to J11, at most 16 MiB."""
        self.document = read_json(self.data, LARGE)

    def schema(self) -> str:
        """Members, types and constants."""
        self.signers = Signers.from_json(self.document.value)
        self.registry = self.signers.body.registry
        parties = counted(len(self.signers.body.entries), "key")
        return f"version {self.signers.body.version}, {parties}"

    def keys(self) -> None:
        """No key twice, no name of the registry, one type a signer, times as the status."""
        check_keys(self.signers.body)

    def enrolment(self) -> None:
        """Each key has proved that somebody holds it."""
        check_enrolments(self.signers.body)

    def chain(self) -> None:
        """Version 1 has no predecessor, later ones name theirs."""
        check_first(self.signers.body)

    def signature(self) -> None:
        """A pinned key of the registry signed it."""
        key = check_signature(self.signers, registry_bindings(self.terms.pins, self.registry))
        self.parts = (
            SignedPart(
                "signers list",
                "pith-signers-v1, a newline, and the canonical list without signature",
                self.registry,
                self.signers.signature.key_id,
                key,
                signers_message(self.signers.body),
                self.signers.signature.raw,
                None,
            ),
        )


_S = SignersExamination
_STEPS: Final[tuple[Step[SignersExamination], ...]] = (
    Step("json", _S.json),
    Step("signers.schema", _S.schema, ("json",)),
    Step("signers.keys", _S.keys, ("signers.schema",)),
    Step("signers.enrolment", _S.enrolment, ("signers.schema",)),
    Step("signers.chain", _S.chain, ("signers.schema",)),
    Step("expect.registry", _S.expected_registry, ("signers.schema",)),
    Step("trust.pin", _S.pin, ("signers.schema",)),
    Step("signers.signature", _S.signature, ("trust.pin",)),
    Step("keyset.fresh", _S.fresh, ("trust.pin",)),
    Step("trust.key", _S.trusted_keys, ("signers.signature",)),
    Step("trust.verdicts", _S.verdict_each, ("trust.key",)),
)


def examine_signers_document(data: bytes, terms: Terms) -> Report:
    """Run every check on the bytes of one signers list."""
    examination = SignersExamination(data, terms)
    checks = run_steps(examination, terms.asked(_STEPS))
    formed = checks[1].status == "ok"
    return Report(
        kind="signers list",
        subject=examination.signers.body.digest.hex() if formed else "",
        checks=checks,
        signed=examination.parts,
        verdicts=tuple(examination.verdicts),
        registry=examination.registry if formed else "",
    )
