"""The typed signing functions: four kinds of documents, none of which signs as another.

Each of the three other kinds is offered to each function as it is, and again
inside the right class: its object, its canonical bytes. The signer keeps a
note of every message it was asked to sign, and must have none.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from types import SimpleNamespace
from typing import Any, Final

import pytest

from registry.errors import (
    BadSignatureError,
    KeyUnavailableError,
    MalformedError,
    MismatchError,
    PithError,
    UntrustedKeyError,
    VerificationError,
)
from registry.protocol.bundle import BundleBody, bundle_message
from registry.protocol.bundle_checks import examine_bundle
from registry.protocol.canonical import JsonObject, canonical, digest
from registry.protocol.event import EventBody, event_message
from registry.protocol.event_checks import examine_event
from registry.protocol.instant import Instant
from registry.protocol.keys import PublicKey
from registry.protocol.keyset import KeySetBody, keyset_message
from registry.protocol.keyset_rules import verify_keyset
from registry.protocol.receipt import receipt_message, verify_receipt
from registry.protocol.record import Record
from registry.signing.documents import sign_bundle, sign_event, sign_keyset, sign_receipt
from registry.signing.signer import Signer
from tests import world
from tests.protocol.refusals import refused
from tests.world import AT, BUILT_AT, OTHER_RECORD, OTHER_REGISTRY, RECORD, REGISTRY


class Recording:
    """The registry's signer, with a note of every message."""

    def __init__(self, inner: Signer = REGISTRY.signer) -> None:
        self.inner = inner
        self.messages: list[bytes] = []

    @property
    def key_id(self) -> str:
        return self.inner.key_id

    @property
    def public_key(self) -> PublicKey:
        return self.inner.public_key

    def _sign(self, message: bytes) -> bytes:
        self.messages.append(message)
        return self._made(message)

    def _made(self, message: bytes) -> bytes:
        return self.inner._sign(message)


def event_body() -> EventBody:
    return copy.deepcopy(REGISTRY.snapshot().body)


def as_receipt(signer: Signer, document: Any) -> Any:
    return sign_receipt(
        signer,
        document,
        first_computed_at=AT,
        last_reissued_at=AT,
        signed_at=AT,
        builder_version="test",
    )


def as_event(signer: Signer, document: Any) -> Any:
    return sign_event(signer, document, signed_at=BUILT_AT)


def as_bundle(signer: Signer, document: Any) -> Any:
    return sign_bundle(signer, document, registry=REGISTRY.name, signed_at=BUILT_AT)


def as_keyset(signer: Signer, document: Any) -> Any:
    return sign_keyset([signer], document)


SIGN: Final[dict[str, Callable[[Signer, Any], Any]]] = {
    "record": as_receipt,
    "event": as_event,
    "bundle": as_bundle,
    "keyset": as_keyset,
}
GOOD: Final[dict[str, Callable[[], Any]]] = {
    "record": lambda: replace(RECORD),
    "event": event_body,
    "bundle": lambda: copy.deepcopy(REGISTRY.bundle_body()),
    "keyset": lambda: world.keyset_body(REGISTRY.entry()),
}
MESSAGE: Final[dict[str, Callable[[Any], bytes]]] = {
    "record": receipt_message,
    "event": event_message,
    "bundle": bundle_message,
    "keyset": keyset_message,
}


def json_of(kind: str) -> JsonObject:
    """What a document of *kind* is signed over, as JSON."""
    document = GOOD[kind]()
    value: JsonObject = document.value if kind == "bundle" else document.to_json()
    return value


OTHERS: Final = [(as_, kind) for as_ in SIGN for kind in SIGN if kind != as_]
IDS: Final = [f"{kind}-as-{as_}" for as_, kind in OTHERS]


def forced(document: Any, **members: Any) -> Any:
    """A frozen value with members put in past its constructor."""
    for name, member in members.items():
        object.__setattr__(document, name, member)
    return document


# -- the good ones -------------------------------------------------------------


@pytest.mark.parametrize("kind", SIGN)
def test_a_good_document_is_signed_once_over_its_message(kind: str) -> None:
    signer = Recording()
    SIGN[kind](signer, GOOD[kind]())

    assert signer.messages == [MESSAGE[kind](GOOD[kind]())]
    assert (len(signer.messages[0]) == 32) is (kind != "keyset")


def test_what_is_signed_passes_the_checks_of_strangers() -> None:
    signer = Recording()

    verify_receipt(as_receipt(signer, RECORD), RECORD, REGISTRY.key)
    event = as_event(signer, event_body())
    assert examine_event(event.to_json(), RECORD.number, REGISTRY.bindings).failed is None
    bundle = as_bundle(signer, REGISTRY.bundle_body())
    assert examine_bundle(bundle.to_bytes(), REGISTRY.terms).ok
    verify_keyset(as_keyset(signer, world.keyset_body(REGISTRY.entry())))


def test_signing_again_gives_the_same_bytes() -> None:
    for kind, sign in SIGN.items():
        once, again = (sign(Recording(), GOOD[kind]()).to_json() for _ in range(2))
        assert canonical(once) == canonical(again)


def test_a_set_is_signed_by_each_of_its_signers() -> None:
    recovery = Recording(world.signer("recovery 1", "recovery-1"))
    registry = Recording()
    body = world.keyset_body(REGISTRY.entry(), world.recovery(1))
    keyset = sign_keyset([registry, recovery], body)

    assert [each.key_id for each in keyset.signatures] == [REGISTRY.key_id, "recovery-1"]
    assert registry.messages == recovery.messages == [keyset_message(body)]


# -- 12 of 12: the other kinds as they are -------------------------------------


def test_there_are_twelve_ways_to_offer_another_kind() -> None:
    assert len(OTHERS) == 12


@pytest.mark.parametrize(("as_", "kind"), OTHERS, ids=IDS)
def test_another_value_object_is_not_signed(as_: str, kind: str) -> None:
    signer = Recording()

    with refused("signing.kind"):
        SIGN[as_](signer, GOOD[kind]())
    assert signer.messages == []


@pytest.mark.parametrize(("as_", "kind"), OTHERS, ids=IDS)
def test_another_kinds_json_bytes_or_digest_are_not_signed(as_: str, kind: str) -> None:
    signer = Recording()
    value = json_of(kind)

    for offered in (value, canonical(value), digest(value), digest(value).hex(), None):
        with refused("signing.kind"):
            SIGN[as_](signer, offered)
    assert signer.messages == []


@pytest.mark.parametrize(("as_", "kind"), OTHERS, ids=IDS)
def test_a_look_alike_is_not_signed(as_: str, kind: str) -> None:
    """An object that answers as the class does, and a subclass that writes another JSON."""
    signer = Recording()
    good, value = GOOD[as_](), json_of(kind)
    members = {field.name: getattr(good, field.name) for field in fields(good)}
    alike = SimpleNamespace(**members, to_json=lambda: value)
    lying: Any = type("Lying", (type(good),), {"to_json": lambda self: value})

    for offered in (alike, lying(**members)):
        with refused("signing.kind"):
            SIGN[as_](signer, offered)
    assert signer.messages == []


# -- 12 of 12: the other kinds inside the right class --------------------------


def smuggled(as_: str, kind: str) -> Any:
    """A document of class *as_* that holds the JSON or the bytes of *kind*."""
    value = json_of(kind)
    if as_ == "record":
        data = canonical(value)
        return forced(replace(RECORD), canonical=data, digest=digest(value))
    if as_ == "event":
        return replace(event_body(), payload=value)
    if as_ == "bundle":
        return replace(REGISTRY.bundle_body(), value=value)
    alike = SimpleNamespace(to_json=lambda: value)
    return forced(world.keyset_body(REGISTRY.entry()), entries=(alike,))


@pytest.mark.parametrize(("as_", "kind"), OTHERS, ids=IDS)
def test_another_kind_inside_the_right_class_is_not_signed(as_: str, kind: str) -> None:
    signer = Recording()

    with refused("schema.members"):
        SIGN[as_](signer, smuggled(as_, kind))
    assert signer.messages == []


def pieces(as_: str, kind: str) -> list[Any]:
    """The same with only some members of the class replaced."""
    value = json_of(kind)
    data = canonical(value)
    if as_ == "record":
        return [
            forced(replace(RECORD), canonical=data),
            forced(replace(RECORD), digest=digest(value)),
            forced(replace(RECORD), digest=data),
        ]
    if as_ == "event":
        return [
            replace(event_body(), target=value),
            replace(event_body(), event_type=data.decode()),
            replace(event_body(), event_type=kind),
            replace(event_body(), subject=data.decode()),
            forced(event_body(), prev_event=value),
            forced(event_body(), supersedes=(data.decode(),)),
            forced(event_body(), signer=SimpleNamespace(to_json=lambda: value)),
        ]
    if as_ == "bundle":
        good = REGISTRY.bundle_body()
        return [
            replace(good, value=good.value | value),
            replace(good, value=data),
            replace(good, value=[value]),
            replace(good, value=good.value | {"events": [data.decode()]}),
        ]
    body = world.keyset_body(REGISTRY.entry())
    return [
        forced(replace(body), registry=value),
        forced(replace(body), registry=data.decode()),
        forced(replace(body), prev_sha256=data.decode()),
        forced(replace(body), version=value),
    ]


@pytest.mark.parametrize(("as_", "kind"), OTHERS, ids=IDS)
def test_no_piece_of_another_kind_is_signed_either(as_: str, kind: str) -> None:
    for offered in pieces(as_, kind):
        signer = Recording()
        with pytest.raises(PithError):
            SIGN[as_](signer, offered)
        assert signer.messages == []


def test_a_digest_that_is_not_the_records_own_is_not_signed() -> None:
    signer = Recording()

    with refused("signing.digest", MismatchError):
        as_receipt(signer, forced(replace(RECORD), digest=OTHER_RECORD.digest))
    assert signer.messages == []


def test_the_record_that_is_signed_is_the_one_that_was_given() -> None:
    """Its members may lie: what is signed is read again from its canonical bytes."""
    signer = Recording()
    receipt = as_receipt(signer, forced(replace(RECORD), title_sha256="0" * 64))

    assert signer.messages == [RECORD.digest]
    assert receipt.sha256 == RECORD.sha256


RESERVED: Final = (
    "event_type",
    "bundle_type",
    "state_type",
    "keyset_type",
    "any_type",
    "subject_pith_number",
    "pith_number",
    "signer",
    "payload",
    "events",
)


@pytest.mark.parametrize("name", RESERVED)
def test_a_record_with_a_reserved_name_is_not_signed(name: str) -> None:
    signer = Recording()
    value = RECORD.to_json() | {name: "x"}

    with refused("schema.members"):
        as_receipt(signer, forced(replace(RECORD), canonical=canonical(value)))
    assert signer.messages == []


# -- whose key -----------------------------------------------------------------


@pytest.mark.parametrize(
    "ref",
    [
        pytest.param(OTHER_REGISTRY.ref, id="another-registry"),
        pytest.param(replace(REGISTRY.ref, key_id="example-2026-02"), id="another-key-id"),
        pytest.param(replace(REGISTRY.ref, fingerprint="0" * 32), id="another-fingerprint"),
    ],
)
def test_an_event_that_names_another_key_is_not_signed(ref: Any) -> None:
    signer = Recording()

    with refused("signing.signer", MismatchError):
        as_event(signer, replace(event_body(), signer=ref))
    assert signer.messages == []


@pytest.mark.parametrize("kind", ["author", "mirror", "third_party"])
def test_an_event_that_its_signer_may_not_make_never_leaves(kind: str) -> None:
    body = replace(event_body(), signer=replace(REGISTRY.ref, signer_type=kind))

    with refused("event.allowed", VerificationError):
        as_event(Recording(), body)


def test_a_bundle_of_another_registry_never_leaves() -> None:
    with refused("trust.pin", UntrustedKeyError):
        sign_bundle(
            Recording(),
            REGISTRY.bundle_body(),
            registry=OTHER_REGISTRY.name,
            signed_at=BUILT_AT,
        )


def test_a_set_with_a_signer_that_is_not_in_it_never_leaves() -> None:
    with refused("keyset.signatures", VerificationError):
        sign_keyset([Recording(), Recording(OTHER_REGISTRY.signer)], GOOD["keyset"]())


def test_a_set_that_one_of_its_keys_did_not_sign_never_leaves() -> None:
    body = world.keyset_body(REGISTRY.entry(), world.recovery(1))

    with refused("keyset.possession", VerificationError):
        sign_keyset([Recording()], body)


# -- documents that are of their kind and wrong --------------------------------


def test_a_receipt_whose_times_are_out_of_order_never_leaves() -> None:
    with refused("receipt.times", MismatchError):
        sign_receipt(
            Recording(),
            RECORD,
            first_computed_at=AT,
            last_reissued_at=AT.plus(seconds=-1),
            signed_at=AT,
            builder_version="test",
        )


@pytest.mark.parametrize("version", ["", "v" * 129], ids=["empty", "too-long"])
def test_a_receipt_of_no_builder_never_leaves(version: str) -> None:
    with refused("schema.length"):
        sign_receipt(
            Recording(),
            RECORD,
            first_computed_at=AT,
            last_reissued_at=AT,
            signed_at=AT,
            builder_version=version,
        )


def test_an_event_over_64_kibibytes_never_leaves() -> None:
    body = event_body()
    body.payload["graph_snapshot"]["paper"]["headline"] = "h" * (64 << 10)

    with refused("event.size"):
        as_event(Recording(), body)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(world.put("short_pith_number", "pith:AAAAAAAA"), "bundle.short_pith_number"),
        pytest.param(world.put("state.event_count", 7), "bundle.state"),
        pytest.param(world.put("events", []), "bundle.registry"),
        pytest.param(
            world.put("built_at", BUILT_AT.plus(seconds=1).seconds), "bundle.times", id="times"
        ),
    ],
)
def test_a_bundle_its_own_reader_would_refuse_never_leaves(change: world.Change, code: str) -> None:
    body = BundleBody.from_json(world.changed(json_of("bundle"), change))

    with pytest.raises(VerificationError) as caught:
        as_bundle(Recording(), body)
    assert caught.value.code == code


def test_a_set_that_lives_too_long_never_leaves() -> None:
    body = replace(GOOD["keyset"](), expires_at=Instant.parse_seconds("2036-01-01T00:00:00Z"))

    with refused("keyset.life", VerificationError):
        as_keyset(Recording(), body)


# -- a signer that errs --------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """What a faulty signer gives for a message."""

    made: Callable[[bytes], bytes]
    code: str


def other_key(message: bytes) -> bytes:
    return OTHER_REGISTRY.signer._sign(message)


def other_message(message: bytes) -> bytes:
    return REGISTRY.signer._sign(message + b"\0")


def one_bit(message: bytes) -> bytes:
    made = bytearray(REGISTRY.signer._sign(message))
    made[40] ^= 1
    return bytes(made)


FAULTS: Final = {
    "of-another-key": Fault(other_key, "signature.wrong"),
    "of-another-message": Fault(other_message, "signature.wrong"),
    "one-bit-flipped": Fault(one_bit, "signature.wrong"),
    "r-of-small-order": Fault(
        lambda message: b"\1" + bytes(31) + REGISTRY.signer._sign(message)[32:],
        "signature.small_order",
    ),
    "zeros": Fault(lambda message: bytes(64), "signature.small_order"),
    "s-beyond-the-order": Fault(
        lambda message: REGISTRY.signer._sign(message)[:32] + b"\xff" * 32, "signature.malleable"
    ),
}


class Faulty(Recording):
    """A signer whose signatures are wrong in one way."""

    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self.fault = fault

    def _made(self, message: bytes) -> bytes:
        return self.fault.made(message)


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("kind", SIGN)
def test_no_faulty_signature_leaves(kind: str, name: str) -> None:
    signer = Faulty(FAULTS[name])

    with refused(FAULTS[name].code, BadSignatureError):
        SIGN[kind](signer, GOOD[kind]())
    assert len(signer.messages) == 1


@pytest.mark.parametrize("length", [0, 32, 63, 65])
@pytest.mark.parametrize("kind", SIGN)
def test_nothing_of_another_length_leaves(kind: str, length: int) -> None:
    signer = Faulty(Fault(lambda message: REGISTRY.signer._sign(message + b"x")[:1] * length, ""))

    with pytest.raises(PithError):
        SIGN[kind](signer, GOOD[kind]())


class Refusing(Recording):
    """A signer whose key cannot be used now."""

    def _made(self, message: bytes) -> bytes:
        raise KeyUnavailableError("locked", code="keystore.locked")


@pytest.mark.parametrize("kind", SIGN)
def test_a_key_that_is_unavailable_says_so(kind: str) -> None:
    with refused("keystore.locked", KeyUnavailableError):
        SIGN[kind](Refusing(), GOOD[kind]())


def test_all_four_kinds_are_read_under_closed_schemas() -> None:
    readers: dict[str, Callable[[JsonObject], Any]] = {
        "record": Record.from_json,
        "event": EventBody.from_json,
        "bundle": BundleBody.from_json,
        "keyset": KeySetBody.from_json,
    }
    for kind, read in readers.items():
        read(json_of(kind))
        for other in readers:
            if other != kind:
                with refused("schema.members", MalformedError):
                    read(json_of(other))
        with refused("schema.members", MalformedError):
            read(json_of(kind) | {"note": "x"})
