"""Pins, and what trust follows from them (protocol.md sections 9.1 and 9.4).

A bundle carries its own key, so it proves nothing by itself: trust starts from
a pin that the verifier brings.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self, TypeAlias

from registry.errors import (
    MalformedError,
    MismatchError,
    UntrustedKeyError,
    VerificationError,
    shown,
)
from registry.protocol import schema
from registry.protocol.canonical import JsonObject
from registry.protocol.checks import E_, SignedPart, Step, Verdict, counted
from registry.protocol.event import Bindings, SignerRef
from registry.protocol.evidence import (
    NO_TIMESTAMPS,
    NO_WITNESS,
    Evidence,
    Timestamps,
    Witness,
    sha256_of,
)
from registry.protocol.instant import Instant
from registry.protocol.keys import PublicKey
from registry.protocol.keyset import KeyEntry, KeySet, KeySetBody
from registry.protocol.keyset_chain import parse_chain, verify_chain
from registry.protocol.keyset_rules import MAX_AHEAD_SECONDS, check_fresh, verify_keyset
from registry.protocol.number import PithNumber, Reference
from registry.protocol.source import Source
from registry.protocol.strict_json import KEY_SET, read_json

PIN_TYPE: Final = "pith_pin"
PIN_VERSION: Final = "1.0"
_PIN_KEYS: Final = frozenset(
    (
        "pin_type",
        "pin_version",
        "registry",
        "key_id",
        "public_key_hex",
        "read_from",
        "read_at",
        "how",
    )
)
HINT_PIN: Final = (
    "give --pin FILE with the registry's pin or key set, or --pin KEY_ID=HEX with its public "
    "key, from somewhere other than the document itself"
)


@dataclass(frozen=True, slots=True)
class KeyPin:
    """Trust in one key's signatures under one registry's name (any name where None)."""

    registry: str | None
    key_id: str
    key: PublicKey
    origin: str
    """Where and how it was read, for people."""

    @classmethod
    def parse_pair(cls, text: str) -> Self:
        """Read ``KEY_ID=HEX``, a key pinned for any registry that has no pin of its own."""
        key_id, _, hexed = text.partition("=")
        hexed = hexed.lower()
        if len(hexed) == 32:
            raise MalformedError(
                f"{shown(hexed)} is a fingerprint, not a key",
                code="pin.fingerprint",
                hint="give public_key_hex, 64 digits: `pith key show` prints it",
            )
        return cls(
            None,
            schema.key_id(key_id, "--pin"),
            PublicKey.from_hex(hexed, "--pin"),
            "given on the command line",
        )

    @classmethod
    def from_json(cls, value: JsonObject, origin: str) -> Self:
        """Check a closed pin document; *origin* is where the document itself was found."""
        members = schema.closed(value, _PIN_KEYS, "$")
        schema.constant(members["pin_type"], PIN_TYPE, "$.pin_type")
        schema.constant(members["pin_version"], PIN_VERSION, "$.pin_version")
        return cls(
            schema.name(members["registry"], "$.registry"),
            schema.key_id(members["key_id"], "$.key_id"),
            PublicKey.from_hex(members["public_key_hex"], "$.public_key_hex"),
            f"{origin}, from {schema.text(members['read_from'], '$.read_from')} "
            f"({schema.seconds(members['read_at'], '$.read_at').seconds}): "
            f"{schema.text(members['how'], '$.how')}",
        )


@dataclass(frozen=True, slots=True)
class KeySetPin:
    """Trust in a key set: in each of its registry keys, as far as the set says."""

    keyset: KeySet
    origin: str

    @property
    def registry(self) -> str:
        """The registry whose set it is."""
        return self.keyset.body.registry


Pin: TypeAlias = KeyPin | KeySetPin


def parse_pin(data: bytes, origin: str) -> Pin:
    """Read a pin file: a pin document, a key set, which pins itself by its digest, or a
    verifier's copy of its chain, one version a line.

    Raises MalformedError, or VerificationError when the key set is not sound.
    """
    first, newline, more = data.strip().partition(b"\n")
    if newline and first.startswith(b"{") and first.rstrip().endswith(b"}") and more:
        return KeySetPin(parse_chain(data)[-1].keyset, origin)
    value = read_json(data, KEY_SET).value
    if "keyset_type" in value:
        keyset = KeySet.from_json(value)
        verify_keyset(keyset)
        return KeySetPin(keyset, origin)
    if "pin_type" in value:
        return KeyPin.from_json(value, origin)
    raise MalformedError(
        "neither a pin nor a key set",
        code="pin.form",
        hint="keys/README.md shows a pin file; a key object's key goes in as KEY_ID=HEX",
    )


WEAK_PREFIX: Final = 8
MAX_ANCHORS: Final = 64
"""Registries whose anchor is kept: a key pinned for any name has as many as strangers make up."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a verifier brings: pins, its time, and what it expects.

    ``max_ahead`` is how many seconds a document may be ahead of ``at``;
    ``expect`` and ``registry`` fail a document about another record or of
    another registry; ``accept_expired`` takes an expired key set as of its end;
    ``timestamps`` is what outside evidence of time comes to, under the authorities that
    the verifier pins.
    """

    pins: tuple[Pin, ...]
    at: Instant
    max_ahead: int = MAX_AHEAD_SECONDS
    expect: Reference | None = None
    registry: str | None = None
    accept_expired: bool = False
    timestamps: Timestamps = NO_TIMESTAMPS
    _anchors: "dict[str, Anchor]" = field(default_factory=dict, init=False, compare=False)

    def anchor(self, registry: str) -> "Anchor":
        """What the pins come to that speak for *registry*; see `anchor`. Many documents are
        verified under the same terms, and it is found out once a registry."""
        found = self._anchors.get(registry)
        if found is None:
            found = anchor(self.pins, registry)
            if len(self._anchors) < MAX_ANCHORS:
                self._anchors[registry] = found
        return found

    def asked(self, steps: tuple[Step[E_], ...]) -> tuple[Step[E_], ...]:
        """The steps without those that check an expectation nobody has."""
        unasked = {
            name
            for name, value in (("expect.subject", self.expect), ("expect.registry", self.registry))
            if value is None
        }
        return tuple(step for step in steps if step.name not in unasked)

    def check_subject(self, number: PithNumber, source: Source | None) -> str:
        """Raise MismatchError ``expect.subject`` for another record than the expected one,
        or where the document does not say which source its record has."""
        if self.expect is not None and self.expect.source_id is not None and source is None:
            raise MismatchError(
                f"this is about {number} and does not say of which source",
                code="expect.subject",
                hint="expect the pith number",
            )
        if self.expect is not None and len(self.expect.prefix or "long enough") <= WEAK_PREFIX:
            weak = "8 characters are 40 bits, which can be ground out: expect 16 or all 26"
        else:
            weak = ""
        if self.expect is not None and not self.expect.matches(number, source):
            raise MismatchError(
                f"this is about {number}, not {shown(self.expect.typed)}", code="expect.subject"
            )
        return weak

    def check_registry(self, registry: str) -> None:
        """Raise MismatchError ``expect.registry`` for another registry than the expected one."""
        if self.registry is not None and self.registry != registry:
            raise MismatchError(
                f"this is of {shown(registry)}, not {shown(self.registry)}", code="expect.registry"
            )


@dataclass(frozen=True, slots=True)
class Anchor:
    """What one registry's pins come to. Where a key set is pinned, it alone decides."""

    registry: str
    keyset: KeySet | None
    keys: tuple[KeyPin, ...]
    origins: tuple[str, ...]

    def judge(self, part: SignedPart, witness: Witness = NO_WITNESS) -> Verdict:
        """The verdict on one signature, which has already been verified, and of which
        *witness* is known from outside.

        Raises UntrustedKeyError ``trust.key`` when no pin leads to its key.
        """
        if self.keyset is not None:
            entry = self.keyset.body.find(part.key)
            if entry is None or entry.key_id != part.key_id:
                raise self._untrusted(part)
            return _verdict(part.what, entry, part.dated, witness)
        if not any(pin.key == part.key and pin.key_id == part.key_id for pin in self.keys):
            raise self._untrusted(part)
        return Verdict(part.what, part.key_id, "valid", "pinned key")

    def _untrusted(self, part: SignedPart) -> UntrustedKeyError:
        return UntrustedKeyError(
            f"the {part.what} is signed by key {part.key_id} ({part.key.fingerprint}), which no "
            f"pin of {shown(self.registry)} leads to",
            code="trust.key",
            hint="the document may be consistent with itself and still be forged; ask the "
            "registry for its key by another way",
        )


def speaking(pins: Iterable[Pin], registry: str) -> list[Pin]:
    """The pins that speak for *registry*: those that name it, or else those of no name.
    A key pinned for any registry does not speak for one that has a pin of its own."""
    named = [pin for pin in pins if pin.registry == registry]
    return named or [pin for pin in pins if pin.registry is None]


def anchor(pins: Iterable[Pin], registry: str) -> Anchor:
    """The pins that speak for *registry*; raises UntrustedKeyError ``trust.pin`` if none does."""
    mine = speaking(pins, registry)
    if not mine:
        raise UntrustedKeyError(
            f"consistent with itself, not trusted: no pin for {shown(registry)}",
            code="trust.pin",
            hint=HINT_PIN,
        )
    newest = _newest([pin.keyset for pin in mine if isinstance(pin, KeySetPin)])
    return Anchor(
        registry,
        newest,
        tuple(pin for pin in mine if isinstance(pin, KeyPin)),
        tuple(pin.origin for pin in mine),
    )


VOUCHED: Final = ("valid", "proven")
NO_KEY_SET: Final = "no key set is pinned"


def check_fresh_under(body: KeySetBody, terms: Terms) -> str:
    """Raise ``keyset.fresh`` when a key set is not in force at the verifier's time, unless
    an expired one is accepted as of its end."""
    if terms.accept_expired and terms.at > body.expires_at:
        return f"as of {body.expires_at.seconds}, when version {body.version} expired"
    check_fresh(body, terms.at, terms.max_ahead)
    return f"version {body.version}"


def _verdict(what: str, entry: KeyEntry, dated: Instant | None, witness: Witness) -> Verdict:
    """Section 9.4: a revoked key's signature is proven by evidence from before the key was
    distrusted, and by nothing else. Later evidence changes nothing."""

    def invalid(reason: str) -> Verdict:
        return Verdict(what, entry.key_id, "invalid", reason)

    def by_evidence(limit: Instant, reason: str) -> Verdict:
        if found := witness.before(limit):
            return Verdict(what, entry.key_id, "proven", _proven(found, reason), found)
        return Verdict(what, entry.key_id, "unproven", f"{reason}, and {witness.why_not()}")

    if entry.usage != "registry":
        return invalid(f"a {entry.usage} key signs no documents")
    if entry.status == "announced":
        return invalid("the key is announced and not yet active")
    cutoff = entry.compromised_since or entry.valid_from
    if dated is None:
        if entry.status == "revoked":
            since = f"the key is revoked and distrusted since {cutoff.seconds}"
            return by_evidence(cutoff, f"{since}; the signature covers no time")
        if entry.status == "retired" and entry.retired_at is not None:
            return by_evidence(
                entry.retired_at, "the key is retired, and the signature covers no time"
            )
        return Verdict(what, entry.key_id, "valid", f"the key is {entry.status}")
    if dated < entry.valid_from:
        return invalid(f"dated before the key was valid from {entry.valid_from.seconds}")
    if entry.retired_at is not None and dated > entry.retired_at:
        return invalid(f"dated after the key was retired at {entry.retired_at.seconds}")
    if entry.status != "revoked":
        return Verdict(what, entry.key_id, "valid", f"the key is {entry.status}")
    if dated >= cutoff:
        return invalid(f"the key is distrusted since {cutoff.seconds}")
    return by_evidence(
        cutoff,
        f"the key is revoked and distrusted since {cutoff.seconds}; that the signature is older "
        "is its own word",
    )


def _proven(found: Evidence, reason: str) -> str:
    return f"{found.authority} saw it before {found.before.seconds}: {reason}"


def _newest(keysets: Sequence[KeySet]) -> KeySet | None:
    """The newest of the pinned versions of one registry's set, which must follow each
    other; raises what `verify_chain` finds, ConflictError ``keyset.fork`` among it."""
    if len({keyset.body.digest for keyset in keysets}) <= 1:
        return keysets[0] if keysets else None
    return verify_chain(sorted(keysets, key=lambda keyset: keyset.body.version))[-1].keyset


def require_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Raise VerificationError ``trust.verdicts`` unless each is valid or proven."""
    for verdict in verdicts:
        if verdict.verdict not in VOUCHED:
            raise VerificationError(
                f"the {verdict.what} is {verdict.verdict}: {verdict.reason}",
                code="trust.verdicts",
            )


def registry_bindings(pins: Iterable[Pin], registry: str) -> Bindings:
    """The bindings of a registry's pinned keys, for a document that carries no keys."""
    found: dict[SignerRef, PublicKey] = {}
    for pin in speaking(pins, registry):
        if isinstance(pin, KeyPin):
            found[SignerRef.of_registry(registry, pin.key_id, pin.key)] = pin.key
        else:
            for entry in pin.keyset.body.entries:
                if entry.object is not None:
                    key = entry.object.key
                    found[SignerRef.of_registry(registry, entry.key_id, key)] = key
    return found


class Trusting:
    """What every examination shares: trust in the signatures it found.

    ``registry`` and ``parts`` are set by the examination on its way, ``trusted``
    by the check `pin`.
    """

    registry: str
    trusted: Anchor

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.parts: tuple[SignedPart, ...] = ()
        self.verdicts: list[Verdict] = []

    def pin(self) -> str:
        """The verifier brings a pin for this registry."""
        self.trusted = self.terms.anchor(self.registry)
        return "; ".join(self.trusted.origins)

    def fresh(self) -> str:
        """A pinned key set has not expired."""
        if self.trusted.keyset is None:
            return NO_KEY_SET
        return check_fresh_under(self.trusted.keyset.body, self.terms)

    def trusted_keys(self) -> str:
        """Every signature is by a key a pin leads to."""
        self.verdicts += [self.judge(part) for part in self.parts]
        return ", ".join(sorted({verdict.key_id for verdict in self.verdicts}))

    def judge(self, part: SignedPart) -> Verdict:
        """The verdict on one signature, with what outside evidence there is."""
        timestamps = self.terms.timestamps
        if not timestamps.findings:
            return self.trusted.judge(part)
        documents = (*map(sha256_of, part.held_in), *self.whole)
        return self.trusted.judge(part, timestamps.about(documents, part.message.hex()))

    @property
    def whole(self) -> tuple[str, ...]:
        """The digest of the document that holds every part, where there is such a one."""
        return ()

    def verdict_each(self) -> str:
        """Each signature is valid or proven under the key set."""
        require_verdicts(self.verdicts)
        proven = [each for each in self.verdicts if each.verdict == "proven"]
        return f"{counted(len(proven), 'signature')} proven by outside evidence" if proven else ""

    def expected_registry(self) -> None:
        """The registry is the one that was asked for."""
        self.terms.check_registry(self.registry)
