"""The checks of documents that come alone: an event, a receipt with its record, a key set."""

from typing import Final

from registry.errors import UntrustedKeyError, VerificationError
from registry.protocol.checks import Check, Report, SignedPart, Step, counted, run_steps
from registry.protocol.event import Event
from registry.protocol.event_checks import event_rows, examine_event
from registry.protocol.event_types import RECORD_CREATED
from registry.protocol.keyset import KeySet, keyset_message
from registry.protocol.keyset_rules import (
    check_chain,
    check_keys,
    check_life,
    check_possession,
    check_signatures,
    check_threshold,
)
from registry.protocol.receipt import Receipt, receipt_message, verify_receipt
from registry.protocol.record import Record
from registry.protocol.signed_parts import receipt_part, signed_event
from registry.protocol.strict_json import KEY_SET, read_json
from registry.protocol.trust import (
    HINT_PIN,
    KeySetPin,
    Terms,
    Trusting,
    check_fresh_under,
    registry_bindings,
)

# -- event ---------------------------------------------------------------------


class EventExamination(Trusting):
    """One event of a registry, checked with the keys that the verifier pins."""

    def __init__(self, data: bytes, terms: Terms) -> None:
        super().__init__(terms)
        self.data = data

    def json(self) -> None:
        """J1 to J11."""
        self.document = read_json(self.data)

    def schema(self) -> str:
        """Members, types and constants."""
        self.event = Event.from_json(self.document.value, encode=self.document.canonical)
        self.registry = self.event.body.signer.signer_id
        return self.event.event_id

    def examine(self) -> tuple[Check, ...]:
        """The ten checks of section 8.1, with the pinned keys as bindings."""
        bindings = registry_bindings(self.terms.pins, self.registry)
        number = self.event.body.subject
        found = examine_event(self.document.value, number, bindings, self.document.canonical)
        if found.failed is None:
            signer = self.event.body.signer
            self.parts = (signed_event(self.event, bindings[signer]),)
            if found.receipt is not None:
                self.parts = (receipt_part(self.event, found.receipt, bindings), *self.parts)
        return event_rows([found])

    def subject(self) -> str:
        """The record is the one that was asked for."""
        source = None
        if self.event.body.event_type == RECORD_CREATED:
            source = Record.from_json(self.event.body.payload["canonical_record"]).source
        return self.terms.check_subject(self.event.body.subject, source)

    def clock(self) -> None:
        """The event is not from the verifier's future."""
        signed, at = self.event.signature.signed_at.whole, self.terms.at
        if signed > at.plus(seconds=self.terms.max_ahead):
            raise VerificationError(
                f"signed {signed.seconds}, which is ahead of this clock ({at.seconds})",
                code="event.clock",
                hint="check this machine's clock",
            )


_E = EventExamination
_EVENT_BEFORE: Final[tuple[Step[EventExamination], ...]] = (
    Step("json", _E.json),
    Step("event.form", _E.schema, ("json",)),
    Step("trust.pin", _E.pin, ("event.form",)),
)
_EVENT_AFTER: Final[tuple[Step[EventExamination], ...]] = (
    Step("event.clock", _E.clock, ("event.form",)),
    Step("expect.subject", _E.subject, ("event.form",)),
    Step("expect.registry", _E.expected_registry, ("event.form",)),
    Step("keyset.fresh", _E.fresh, ("trust.pin",)),
    Step("trust.key", _E.trusted_keys, ("trust.pin", "event.receipt")),
    Step("trust.verdicts", _E.verdict_each, ("trust.key",)),
)


def examine_event_document(data: bytes, terms: Terms) -> Report:
    """Run every check on the bytes of one event, which carries no keys of its own."""
    examination = EventExamination(data, terms)
    before = run_steps(examination, _EVENT_BEFORE)
    formed = before[1].status == "ok"
    middle = examination.examine() if formed else ()
    passed = frozenset(c.name for c in (*before, *middle) if c.status == "ok")
    after = run_steps(examination, terms.asked(_EVENT_AFTER), passed)
    return Report(
        kind="event",
        subject=examination.event.event_id if formed else "",
        checks=before + middle + after,
        signed=examination.parts,
        verdicts=tuple(examination.verdicts),
        timestamps=terms.timestamps.findings,
        registry=examination.registry if formed else "",
    )


# -- receipt -------------------------------------------------------------------


class ReceiptExamination(Trusting):
    """A receipt and the record it should be of, checked with a pinned key."""

    def __init__(self, data: bytes, record: bytes, terms: Terms) -> None:
        super().__init__(terms)
        self.data = data
        self.record_data = record

    def json(self) -> None:
        """J1 to J11."""
        self.document = read_json(self.data)

    def schema(self) -> None:
        """Members, types, constants, and the order of the times."""
        self.receipt = Receipt.from_json(self.document.value)

    def record_form(self) -> str:
        """The record is a canonical record."""
        self.record = Record.parse(self.record_data)
        return str(self.record.number)

    def key(self) -> str:
        """A pin leads to the key the receipt names."""
        wanted = (self.receipt.key_id, self.receipt.fingerprint)
        for registry in self._registries():
            for ref, key in registry_bindings(self.terms.pins, registry).items():
                if (ref.key_id, ref.fingerprint) == wanted:
                    self.registry = registry
                    self.public_key = key
                    self.trusted = self.terms.anchor(registry)
                    return f"{self.receipt.key_id} of {registry or 'any registry'}"
        raise UntrustedKeyError(
            f"no pin has the receipt's key {self.receipt.key_id} ({self.receipt.fingerprint})",
            code="trust.pin",
            hint=HINT_PIN,
        )

    def _registries(self) -> list[str]:
        if self.terms.registry is not None:
            return [self.terms.registry]
        # A key set alone decides about its registry (decision 0005): sets are asked first.
        pins = self.terms.pins
        sets = sorted({pin.registry for pin in pins if isinstance(pin, KeySetPin)})
        named = sorted({pin.registry for pin in pins if pin.registry is not None})
        return [*sets, *named, ""]

    def signature(self) -> str:
        """The signature over the record's digest, which is all that it is over."""
        verify_receipt(self.receipt, self.record, self.public_key)
        self.parts = (
            SignedPart(
                "receipt",
                "canonical_sha256: SHA-256 of the canonical record",
                self.registry,
                self.receipt.key_id,
                self.public_key,
                receipt_message(self.record),
                self.receipt.signature,
                None,
                (self.receipt,),
            ),
        )
        return "over the record alone: only its record_created vouches for the receipt's times"

    def clock(self) -> None:
        """The receipt is not from the verifier's future."""
        if self.receipt.signed_at > self.terms.at.plus(seconds=self.terms.max_ahead):
            raise VerificationError(
                f"signed {self.receipt.signed_at.micro_text}, which is ahead of this clock",
                code="receipt.clock",
            )

    def subject(self) -> str:
        """The record is the one that was asked for."""
        return self.terms.check_subject(self.record.number, self.record.source)


_R = ReceiptExamination
_RECEIPT_STEPS: Final[tuple[Step[ReceiptExamination], ...]] = (
    Step("json", _R.json),
    Step("receipt.schema", _R.schema, ("json",)),
    Step("receipt.record_form", _R.record_form),
    Step("trust.pin", _R.key, ("receipt.schema",)),
    Step("receipt.signature", _R.signature, ("receipt.record_form", "trust.pin")),
    Step("receipt.clock", _R.clock, ("receipt.schema",)),
    Step("expect.subject", _R.subject, ("receipt.record_form",)),
    Step("keyset.fresh", _R.fresh, ("receipt.signature",)),
    Step("trust.key", _R.trusted_keys, ("receipt.signature",)),
    Step("trust.verdicts", _R.verdict_each, ("trust.key",)),
)


def examine_receipt_document(data: bytes, record: bytes, terms: Terms) -> Report:
    """Run every check on the bytes of a receipt and of its record."""
    examination = ReceiptExamination(data, record, terms)
    checks = run_steps(examination, terms.asked(_RECEIPT_STEPS))
    known = checks[2].status == "ok"
    return Report(
        kind="receipt",
        subject=str(examination.record.number) if known else "",
        checks=checks,
        signed=examination.parts,
        verdicts=tuple(examination.verdicts),
        timestamps=terms.timestamps.findings,
        registry=examination.registry if checks[3].status == "ok" else "",
    )


# -- key set -------------------------------------------------------------------


class KeySetExamination:
    """One key set by itself, and whether a pin is it."""

    def __init__(self, data: bytes, terms: Terms) -> None:
        self.data = data
        self.terms = terms

    def json(self) -> None:
        """J1 to J11, at most 512 KiB."""
        self.document = read_json(self.data, KEY_SET)

    def schema(self) -> str:
        """Members, types and constants."""
        self.keyset = KeySet.from_json(self.document.value)
        keys = counted(len(self.keyset.body.entries), "key")
        return f"version {self.keyset.body.version}, {keys}"

    def keys(self) -> None:
        """No key twice; every status goes with its times."""
        check_keys(self.keyset.body)

    def threshold(self) -> str:
        """The threshold goes with the active recovery keys."""
        check_threshold(self.keyset.body)
        return "" if self.keyset.body.threshold else "0: there is no recovery key"

    def life(self) -> None:
        """It expires at most 400 days after it was made."""
        check_life(self.keyset.body)

    def chain(self) -> None:
        """Version 1 has no predecessor, later ones name theirs."""
        check_chain(self.keyset.body)

    def signatures(self) -> str:
        """Every signature present verifies."""
        check_signatures(self.keyset)
        return counted(len(self.keyset.signatures), "signature")

    def possession(self) -> None:
        """Every key of a first version has signed it."""
        check_possession(self.keyset)

    def fresh(self) -> str:
        """It has not expired."""
        return check_fresh_under(self.keyset.body, self.terms)

    def expected_registry(self) -> None:
        """The registry is the one that was asked for."""
        self.terms.check_registry(self.keyset.body.registry)

    def pin(self) -> str:
        """A pin is this very set: a pinned key never extends to a key set."""
        body = self.keyset.body
        for pin in self.terms.pins:
            if isinstance(pin, KeySetPin) and pin.keyset.body.digest == body.digest:
                return pin.origin
        raise UntrustedKeyError(
            f"consistent with itself, not trusted: no pin is this key set (digest "
            f"{body.digest.hex()})",
            code="trust.pin",
            hint="compare the digest with the registry by another way, then keep the file "
            "and give it as --pin; a pinned key never extends to a key set",
        )


_K = KeySetExamination
_KEYSET_STEPS: Final[tuple[Step[KeySetExamination], ...]] = (
    Step("json", _K.json),
    Step("keyset.schema", _K.schema, ("json",)),
    Step("keyset.keys", _K.keys, ("keyset.schema",)),
    Step("keyset.threshold", _K.threshold, ("keyset.schema",)),
    Step("keyset.life", _K.life, ("keyset.schema",)),
    Step("keyset.chain", _K.chain, ("keyset.schema",)),
    Step("keyset.signatures", _K.signatures, ("keyset.schema",)),
    Step("keyset.possession", _K.possession, ("keyset.schema",)),
    Step("keyset.fresh", _K.fresh, ("keyset.schema",)),
    Step("expect.registry", _K.expected_registry, ("keyset.schema",)),
    Step("trust.pin", _K.pin, ("keyset.schema",)),
)


def examine_keyset_document(data: bytes, terms: Terms) -> Report:
    """Run every check on the bytes of one key set."""
    examination = KeySetExamination(data, terms)
    checks = run_steps(examination, terms.asked(_KEYSET_STEPS))
    formed = checks[1].status == "ok"
    body = examination.keyset.body if formed else None
    return Report(
        kind="key set",
        subject=body.digest.hex() if body else "",
        checks=checks,
        signed=_keyset_parts(examination.keyset) if checks[6].status == "ok" else (),
        registry=body.registry if body else "",
    )


def _keyset_parts(keyset: KeySet) -> tuple[SignedPart, ...]:
    message = keyset_message(keyset.body)
    objects = {e.key_id: e.object for e in keyset.body.entries if e.object is not None}
    return tuple(
        SignedPart(
            f"key set, by {signature.key_id}",
            "pith-keyset-v1, a newline, and the canonical key set without signatures",
            keyset.body.registry,
            signature.key_id,
            objects[signature.key_id].key,
            message,
            signature.raw,
            keyset.body.created_at,
        )
        for signature in keyset.signatures
        if signature.key_id in objects  # not of an algorithm to come
    )
