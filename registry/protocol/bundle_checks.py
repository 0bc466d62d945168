"""Everything a stranger recomputes of a bundle, check by check (sections 8 and 9.1)."""

import hashlib
from collections.abc import Iterable
from functools import cached_property
from typing import Final

from registry.errors import (
    ConflictError,
    MismatchError,
    VerificationError,
    shown,
)
from registry.protocol.bundle import Bundle, bundle_message
from registry.protocol.canonical import JsonObject, plain_canonical
from registry.protocol.checks import Check, Proven, Report, SignedPart, Step, counted, run_steps
from registry.protocol.event import SignerRef
from registry.protocol.event_checks import EVENT_CHECKS, Examined, event_rows, examine_event
from registry.protocol.keys import REGISTRY_SIGNER, KeyObject, PublicKey
from registry.protocol.merge import Merged, merge_examined
from registry.protocol.number import PithNumber
from registry.protocol.payloads import check_anchor
from registry.protocol.places import check_links, check_mirror_hint
from registry.protocol.record import Record
from registry.protocol.schema import fraction_for_integer
from registry.protocol.signed_parts import event_part, is_vouched, signed_parts
from registry.protocol.source import Source
from registry.protocol.strict_json import LARGE, Document, read_json
from registry.protocol.trust import NO_KEY_SET, VOUCHED, Terms, Trusting


class BundleExamination(Trusting):
    """One bundle on its way through the checks; each method is one of them.

    A method raises the failure of its check, and leaves on the object what
    later ones need.
    """

    document: Document
    bundle: Bundle
    record: Record
    number: PithNumber
    keys: tuple[KeyObject, ...]
    bindings: dict[SignerRef, PublicKey]
    copies: list[Examined]
    merged: Merged

    def __init__(self, data: bytes, terms: Terms, document: Document | None) -> None:
        super().__init__(terms)
        self.data = data
        self.read = document
        self.known: Record | None = None

    # -- form ----------------------------------------------------------------

    def json(self) -> None:
        """J1 to J11."""
        self.document = self.read or read_json(self.data, LARGE)

    def schema(self) -> str:
        """Members, types and constants by position."""
        self.bundle = Bundle.from_json(self.document.value)
        self.number = self.bundle.body.number
        return str(self.number)

    def record_form(self) -> None:
        """The record in the body is a canonical record."""
        self.record = Record.from_json(
            self._body["canonical_record"], "$.canonical_record", self.document.canonical
        )
        self.known = self.record

    @property
    def _body(self) -> JsonObject:
        return self.bundle.body.value

    # -- what follows from the record ----------------------------------------

    def digest(self) -> None:
        """canonical_sha256 is the record's."""
        _equal("canonical_sha256", self._body["canonical_sha256"], self.record.sha256)

    def number_of_record(self) -> None:
        """The pith number is the record's, its year too."""
        _equal("pith_number", str(self.number), str(self.record.number))

    def short_number(self) -> None:
        """The short number is a prefix of the number."""
        _equal("short_pith_number", self._body["short_pith_number"], self.number.short)

    def source(self) -> None:
        """The source in the body is the record's."""
        if Source.from_json(self._body["source"]) != self.record.source:
            raise MismatchError("source is not the record's", code="bundle.source")

    def aliases(self) -> None:
        """Kinds and values of the aliases are recomputed, in order."""
        found = [(a["alias_kind"], a["alias_value"]) for a in self._body["source_aliases"]]
        wanted = list(self.record.aliases())
        for i, (have, want) in enumerate(zip(found, wanted, strict=False)):
            if have != want:
                raise MismatchError(
                    f"alias {shown(have[0], 40)} {shown(have[1], 60)} stands where "
                    f"{want[0]} {want[1]} must",
                    code="bundle.aliases",
                    path=f"$.source_aliases[{i}]",
                )
        if len(found) != len(wanted):
            raise MismatchError(f"{len(found)} aliases, not {len(wanted)}", code="bundle.aliases")

    def links(self) -> None:
        """The four paths on one https base."""
        check_links(self._body["links"], self.number)

    def mirror_hints(self) -> None:
        """Closed items whose URLs follow from their base."""
        for i, item in enumerate(self._body["mirror_hints"]):
            check_mirror_hint(item, self.number, f"$.mirror_hints[{i}]")

    def timestamp_proofs(self) -> None:
        """Closed timestamp payloads."""
        for i, item in enumerate(self._body["timestamp_proofs"]):
            check_anchor(item, f"$.timestamp_proofs[{i}]")

    # -- keys and events -----------------------------------------------------

    def public_keys(self) -> str:
        """Each key object agrees with itself; no key and no key_id twice."""
        raws = self.bundle.body.public_keys
        encode = self.document.canonical
        self.keys = tuple(
            KeyObject.known(item, f"$.public_keys[{i}]", encode) for i, item in enumerate(raws)
        )
        for what, values in (
            ("key", [key.key.raw for key in self.keys]),
            ("key_id", [key.key_id for key in self.keys]),
        ):
            if len(set(values)) != len(values):
                raise MismatchError(f"one {what} stands twice", code="bundle.public_keys")
        return counted(len(self.keys), "key")

    def one_registry(self) -> str:
        """All events of the registry name one signer_id; no party uses that name."""
        names = {
            event["signer"]["signer_id"]
            for event in self._body["events"]
            if type(event.get("signer")) is dict
            and event["signer"].get("signer_type") == REGISTRY_SIGNER
            and type(event["signer"].get("signer_id")) is str
        }
        if len(names) != 1:
            raise MismatchError(
                f"the registry's events name {len(names)} registries, not one",
                code="bundle.registry",
            )
        self.registry = names.pop()
        for key in self.keys:
            if key.signer_id == self.registry:
                raise MismatchError(
                    f"key {key.key_id} of a party bears the registry's name",
                    code="bundle.registry",
                )
        self.bindings = bindings_of(self.keys, self.registry)
        return self.registry

    def examine_events(self) -> None:
        """Judge each event by itself, once."""
        encode = self.document.canonical
        self.copies = [
            examine_event(value, self.number, self.bindings, encode, self.known)
            for value in self._body["events"]
        ]
        self.merged = merge_examined(self.number, self.copies)

    def events(self) -> str:
        """Each event valid, once, and in the order of the merge."""
        for copy in self.merged.invalid:
            raise VerificationError(
                f"event {copy.identity} fails {copy.failed}", code="bundle.events"
            )
        if len(self.copies) != len(self.merged.events):
            raise VerificationError("an event stands twice", code="bundle.events")
        for copy, event in zip(self.copies, self.merged.events, strict=True):
            if copy.identity != event.event_id:
                raise VerificationError(
                    f"event {copy.identity} stands where {event.event_id} must",
                    code="bundle.events",
                    hint="events are in the order of their merge",
                )
        return counted(len(self.copies), "event")

    def record_created(self) -> None:
        """A current record_created holds the very record of the body."""
        shown_event = self.merged.record_created
        if shown_event is None:
            raise VerificationError("no current record_created", code="bundle.record_created")
        encode = self.document.canonical
        if encode(shown_event.body.payload["canonical_record"]) != self.record.canonical:
            raise MismatchError(
                "the record in the body is not the record in the event",
                code="bundle.record_created",
            )

    def state(self) -> None:
        """The state rebuilt from the events is the state in the body."""
        encode = self.document.canonical
        rebuilt = self.merged.compared_state(self._body["source_aliases"])
        wanted = encode(rebuilt)
        sha256 = hashlib.sha256(wanted).hexdigest()
        found = self._body["state"]
        if found.get("state_sha256") != sha256:
            raise MismatchError(
                f"state_sha256 is {shown(found.get('state_sha256'))}, the state rebuilt from the "
                f"events has {sha256}",
                code="bundle.state",
            )
        if encode({k: v for k, v in found.items() if k != "state_sha256"}) != wanted:
            raise MismatchError(
                "the state is not the one rebuilt from the events", code="bundle.state"
            )
        if encode is not plain_canonical and (
            place := fraction_for_integer(found, rebuilt, "$.state")
        ):
            raise MismatchError("a fraction stands for an integer", code="bundle.state", path=place)

    def times(self) -> None:
        """Event created_at, signed_at, built_at and the bundle's signed_at in order."""
        body, signature = self.bundle.body, self.bundle.signature
        for event in self.merged.events:
            created, signed = event.body.created_at, event.signature.signed_at.whole
            if not created <= signed <= body.built_at:
                raise VerificationError(
                    f"event {event.event_id} was created {created.seconds}, signed "
                    f"{signed.seconds}, the bundle built {body.built_at.seconds}",
                    code="bundle.times",
                )
        if body.built_at > signature.signed_at.whole:
            raise VerificationError(
                f"built {body.built_at.seconds} after it was signed {signature.signed_at.seconds}",
                code="bundle.times",
            )

    # -- the bundle's own signature ------------------------------------------

    def sha256(self) -> None:
        """bundle_sha256 is the digest of the bundle without its signature."""
        self.message = bundle_message(self.bundle.body, self.document.canonical)
        _equal("bundle_sha256", self.bundle.sha256, self.message.hex())

    def signature_key(self) -> str:
        """The bundle is signed by a registry key that stands in it."""
        signature = self.bundle.signature
        signer = SignerRef(self.registry, REGISTRY_SIGNER, signature.key_id, signature.fingerprint)
        if signer not in self.bindings:
            raise VerificationError(
                f"key {signature.key_id} ({signature.fingerprint}) is not a registry key of "
                "public_keys",
                code="bundle.signature_key",
            )
        self.bundle_key = self.bindings[signer]
        return signature.key_id

    def signature(self) -> None:
        """The Ed25519 signature over the digest, recomputed."""
        self.bundle_key.verify(self.message, self.bundle.signature.raw)

    def clock(self) -> None:
        """Neither built_at nor the signature's time is in the verifier's future."""
        at = self.terms.at
        for what, moment in (
            ("built", self.bundle.body.built_at),
            ("signed", self.bundle.signature.signed_at.whole),
        ):
            if moment > at.plus(seconds=self.terms.max_ahead):
                raise VerificationError(
                    f"{what} {moment.seconds}, which is ahead of this clock ({at.seconds})",
                    code="bundle.clock",
                    hint="check this machine's clock",
                )

    # -- what was expected ---------------------------------------------------

    def expected_subject(self) -> str:
        """The record is the one that was asked for."""
        return self.terms.check_subject(self.record.number, self.record.source)

    # -- trust ---------------------------------------------------------------

    def trusted_keys(self) -> str:
        """Bundle, record_created and receipt are signed by keys a pin leads to; under a
        key set, so is every other event of the registry."""
        under_set = self.trusted.keyset is not None
        for part in self.signed:
            if part.signer_id == self.registry and (under_set or self._is_mandatory(part)):
                self.verdicts.append(self.judge(part))
        return ", ".join(sorted({verdict.key_id for verdict in self.verdicts}))

    def _is_mandatory(self, part: SignedPart) -> bool:
        shown_event = self.merged.record_created
        return part.what in ("bundle", "receipt") or (
            shown_event is not None and part.what == event_part(shown_event)
        )

    @cached_property
    def whole(self) -> tuple[str, ...]:
        """The digest of the bundle with its signature: what dates it dates all in it."""
        value = self.document.value
        return (hashlib.sha256(self.document.canonical(value)).hexdigest(),)

    def proven(self) -> Proven | None:
        """A second merge without the events, and the receipts in them, that the pinned key
        set calls neither valid nor proven; None where it vouches for all."""
        if all(verdict.verdict in VOUCHED for verdict in self.verdicts):
            return None
        vouched = [
            copy
            for copy in self.copies
            if is_vouched(copy, self.registry, self.bindings, self.judge)
        ]
        identities = {copy.identity for copy in vouched}
        merged = merge_examined(self.number, vouched)
        return Proven(
            tuple(copy.identity for copy in self.copies if copy.identity not in identities),
            merged.state(self._body["source_aliases"]),
        )

    @cached_property
    def signed(self) -> tuple[SignedPart, ...]:
        """The signatures of the bundle, for trust and for those who check them elsewhere."""
        return signed_parts(self.bundle, self.merged, self.registry, self.bindings)

    def chain(self) -> str:
        """Under a key set, a signer begins one chain a record, and forks none."""
        if self.trusted.keyset is None:
            return NO_KEY_SET
        for entry in self.merged.equivocations:
            raise ConflictError(
                f"{shown(entry.signer_id)} signed {len(entry.event_ids)} events after "
                f"{entry.prev_event}",
                code="event.chain",
                hint="keep the document: it is evidence",
            )
        roots = [
            event.body.signer.signer_id
            for event in self.merged.events
            if event.body.prev_event is None
        ]
        if len(set(roots)) != len(roots):
            raise ConflictError(
                "a signer began a second chain on this record",
                code="event.chain",
                hint="keep the document: it is evidence",
            )
        return ""


def _equal(name: str, found: object, wanted: str) -> None:
    if found != wanted:
        raise MismatchError(
            f"{name} is {shown(found)}, recomputed it is {wanted}", code=f"bundle.{name}"
        )


def bindings_of(keys: Iterable[KeyObject], registry: str) -> dict[SignerRef, PublicKey]:
    """Which key speaks for whom: keys without a signer_id are the registry's."""
    return {
        SignerRef(
            key.signer_id or registry,
            key.signer_type or REGISTRY_SIGNER,
            key.key_id,
            key.key.fingerprint,
        ): key.key
        for key in keys
    }


_X = BundleExamination
_STEPS_BEFORE: Final[tuple[Step[BundleExamination], ...]] = (
    Step("json", _X.json),
    Step("bundle.schema", _X.schema, ("json",)),
    Step("bundle.record", _X.record_form, ("bundle.schema",)),
    Step("bundle.canonical_sha256", _X.digest, ("bundle.record",)),
    Step("bundle.pith_number", _X.number_of_record, ("bundle.record",)),
    Step("bundle.short_pith_number", _X.short_number, ("bundle.schema",)),
    Step("bundle.source", _X.source, ("bundle.record",)),
    Step("bundle.aliases", _X.aliases, ("bundle.record",)),
    Step("bundle.links", _X.links, ("bundle.schema",)),
    Step("bundle.mirror_hints", _X.mirror_hints, ("bundle.schema",)),
    Step("bundle.timestamp_proofs", _X.timestamp_proofs, ("bundle.schema",)),
    Step("bundle.public_keys", _X.public_keys, ("bundle.schema",)),
    Step("bundle.registry", _X.one_registry, ("bundle.public_keys",)),
)
_STEPS_AFTER: Final[tuple[Step[BundleExamination], ...]] = (
    Step("bundle.events", _X.events, ("bundle.registry",)),
    Step("bundle.record_created", _X.record_created, ("bundle.events", "bundle.record")),
    Step("bundle.state", _X.state, ("bundle.events",)),
    Step("bundle.times", _X.times, ("bundle.events",)),
    Step("bundle.bundle_sha256", _X.sha256, ("bundle.schema",)),
    Step("bundle.signature_key", _X.signature_key, ("bundle.registry",)),
    Step("bundle.signature", _X.signature, ("bundle.signature_key",)),
    Step("bundle.clock", _X.clock, ("bundle.schema",)),
    Step("trust.pin", _X.pin, ("bundle.registry",)),
    Step("keyset.fresh", _X.fresh, ("trust.pin",)),
    Step("trust.key", _X.trusted_keys, ("trust.pin", "bundle.record_created", "bundle.signature")),
    Step("trust.verdicts", _X.verdict_each, ("trust.key",)),
    Step("event.chain", _X.chain, ("trust.pin", "bundle.events")),
)

_EXPECTED: Final[tuple[Step[BundleExamination], ...]] = (
    Step("expect.subject", _X.expected_subject, ("bundle.record",)),
    Step("expect.registry", _X.expected_registry, ("bundle.registry",)),
)


def examine_bundle(data: bytes, terms: Terms, document: Document | None = None) -> Report:
    """Run every check on the bytes of a bundle, under the verifier's *terms*.

    *document* is what the strict reader made of *data*, where that is known.
    """
    examination = BundleExamination(data, terms, document)
    before = run_steps(examination, _STEPS_BEFORE)
    ready = before[-1].status == "ok"
    if ready:
        examination.examine_events()
    middle = event_rows(examination.copies) if ready else _skipped_events()
    passed = frozenset(check.name for check in before if check.status == "ok")
    after = run_steps(examination, terms.asked(_EXPECTED) + _STEPS_AFTER, passed)
    checks = before + middle + after
    sound = {check.name for check in after if check.status == "ok"}
    return Report(
        kind="bundle",
        subject=str(examination.number) if before[1].status == "ok" else "",
        checks=checks,
        signed=examination.signed
        if sound >= {"bundle.record_created", "bundle.signature_key"}
        else (),
        verdicts=tuple(examination.verdicts),
        registry=examination.registry if ready else "",
        proven=examination.proven() if "trust.key" in sound else None,
        timestamps=terms.timestamps.findings,
    )


def _skipped_events() -> tuple[Check, ...]:
    return tuple(Check(name, "skipped", "needs bundle.registry") for name in EVENT_CHECKS)
