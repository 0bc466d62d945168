"""The one whole published bundle: every derived value of it comes out again.

Digests and signatures are recomputed twice: by this project, and here with
hashlib, rfc8785 and the `cryptography` package, which share no code with it.
"""

import base64
import hashlib
import json
from typing import Any, Final

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from registry.data import published_records, seed_bundle, shipped_pins
from registry.errors import MismatchError
from registry.protocol.bundle import Bundle, BundleBody, bundle_body, bundle_message
from registry.protocol.bundle_checks import bindings_of, examine_bundle
from registry.protocol.canonical import canonical
from registry.protocol.event import Event, EventBody, SignerRef, event_message
from registry.protocol.graph import EMPTY_SHA256, Paper, graph_snapshot, list_sha256
from registry.protocol.instant import Instant
from registry.protocol.keys import KeyObject
from registry.protocol.merge import merge
from registry.protocol.receipt import Receipt, receipt_message, verify_receipt
from registry.protocol.record import Record
from registry.protocol.text import text_sha256
from registry.protocol.trust import KeyPin, Terms, parse_pin
from tests.protocol.refusals import refused

DATA: Final = seed_bundle()
SEED: Final[dict[str, Any]] = json.loads(DATA)
STATE_SHA256: Final = SEED["state"]["state_sha256"]
EVENT_IDS: Final = (
    "sha256:e9c2f2246aad3d79bf45e21fc8d9ac17ed818ff1e1fb70753d91097c158f9318",
    "sha256:2d9b8302a1085345368db63950a2da2674cd707c58eadb507f2c6251da5dfca5",
)
LATER: Final = Instant.parse_seconds("2026-06-01T00:00:00Z")
PINS: Final = {name: parse_pin(data, name) for name, data in shipped_pins().items()}

TITLE: Final = (
    "On the Computational Inefficiency of Large Batch Sizes for Stochastic Gradient Descent"
)
ABSTRACT: Final = r"""Increasing the mini-batch size for stochastic gradient descent offers
significant opportunities to reduce wall-clock training time, but there are a
variety of theoretical and systems challenges that impede the widespread
success of this technique. We investigate these issues, with an emphasis on
time to convergence and total computational cost, through an extensive
empirical analysis of network training across several architectures and problem
domains, including image classification, image segmentation, and language
modeling. Although it is common practice to increase the batch size in order to
fully exploit available computational resources, we find a substantially more
nuanced picture. Our main finding is that across a wide range of network
architectures and problem domains, increasing the batch size beyond a certain
point yields no decrease in wall-clock time to convergence for \emph{either}
train or test loss. This batch size is usually substantially below the capacity
of current systems. We show that popular training strategies for large batch
size optimization begin to fail before we can populate all available compute
resources, and we show that the point at which these methods break down depends
more on attributes like model architecture and data complexity than it does
directly on the size of the dataset."""
"""The whole abstract of arXiv:1811.12941. The bundle holds 600 characters of it; that
this is the rest shows in abstract_canon_sha256, which is compared below."""
AUTHORS: Final = (
    "Noah Golmant, Nikita Vemuri, Zhewei Yao, Vladimir Feinberg, Amir Gholami, Kai Rothauge, "
    "Michael W. Mahoney, Joseph Gonzalez"
)
PAPER: Final = Paper(title=TITLE, abstract=ABSTRACT, authors=AUTHORS)
BUILDER: Final = "pith-number-builder-2026-05-17-v1"


def pin() -> KeyPin:
    found = PINS["pith.science"]
    assert isinstance(found, KeyPin)
    return found


def seed_record() -> Record:
    return Record.from_json(SEED["canonical_record"])


def without(value: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: member for name, member in value.items() if name not in names}


def second_opinion(message: bytes, signature_b64: str) -> None:
    """Raise where `cryptography` finds that the pinned key did not sign this."""
    key = Ed25519PublicKey.from_public_bytes(pin().key.raw)
    key.verify(base64.b64decode(signature_b64), message)


def rebuilt_events() -> list[EventBody]:
    return [
        EventBody.from_json(without(event, "signature", "content_sha256", "event_id"))
        for event in SEED["events"]
    ]


# -- record --------------------------------------------------------------------


def test_the_record_has_its_digest_and_number() -> None:
    record = seed_record()

    assert record.canonical == rfc8785.dumps(SEED["canonical_record"])
    assert record.sha256 == hashlib.sha256(record.canonical).hexdigest()
    assert record.sha256 == SEED["canonical_sha256"]
    assert str(record.number) == SEED["pith_number"] == "pith:2018:P7HI7IUZ2D4BWY3OX4YBCD7BZN"
    assert record.number.short == SEED["short_pith_number"]
    assert [
        (alias["alias_kind"], alias["alias_value"]) for alias in SEED["source_aliases"]
    ] == list(record.aliases())


def test_the_record_is_that_of_its_paper() -> None:
    record = seed_record()

    assert text_sha256(TITLE) == record.title_sha256
    assert text_sha256(ABSTRACT) == record.abstract_sha256


# -- events --------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 1], ids=["record_created", "graph_snapshot"])
def test_an_event_has_its_id(place: int) -> None:
    event = SEED["events"][place]
    body = without(event, "signature", "content_sha256", "event_id")
    wanted = hashlib.sha256(rfc8785.dumps(body)).hexdigest()

    assert "sha256:" + wanted == event["event_id"] == EVENT_IDS[place]
    assert event_message(rebuilt_events()[place]).hex() == wanted
    assert Event.from_json(event).to_json() == event


def test_the_graph_snapshot_is_rebuilt_from_the_paper() -> None:
    written = SEED["events"][1]
    snapshot = graph_snapshot(PAPER, seed_record(), builder_version=BUILDER)
    body = EventBody(
        event_type="graph_snapshot",
        subject=seed_record().number,
        target="graph",
        payload={"graph_snapshot": snapshot, "verdict_id": None},
        signer=SignerRef.of_registry("pith.science", pin().key_id, pin().key),
        created_at=Instant.parse_seconds("2026-05-17T23:59:28Z"),
        supersedes=(),
        prev_event=None,
    )

    assert snapshot == written["payload"]["graph_snapshot"]
    assert "sha256:" + event_message(body).hex() == EVENT_IDS[1]
    assert json.dumps(snapshot) == json.dumps(written["payload"]["graph_snapshot"])


@pytest.mark.parametrize(
    ("paper", "code"),
    [
        pytest.param(Paper(TITLE + "s", ABSTRACT), "graph.title", id="title"),
        pytest.param(Paper(TITLE, ABSTRACT[:600]), "graph.abstract", id="abstract"),
    ],
)
def test_another_paper_is_not_shown_with_this_record(paper: Paper, code: str) -> None:
    with refused(code, MismatchError):
        graph_snapshot(paper, seed_record(), builder_version=BUILDER)


def test_the_digest_of_an_empty_list() -> None:
    wanted = hashlib.sha256(b'{"payload":[]}').hexdigest()

    assert list_sha256([]) == wanted == EMPTY_SHA256
    assert wanted.startswith("258153")
    assert wanted.endswith("4f57")


# -- state ---------------------------------------------------------------------


def test_the_state_is_rebuilt_from_the_events() -> None:
    keys = [KeyObject.from_json(key) for key in SEED["public_keys"]]
    merged = merge(seed_record().number, SEED["events"], bindings_of(keys, "pith.science"))
    state = merged.state(SEED["source_aliases"])

    assert state["state_sha256"] == STATE_SHA256
    assert json.dumps(state) == json.dumps(SEED["state"])
    assert [event.event_id for event in merged.applied] == list(EVENT_IDS)


def test_the_state_digest_is_that_of_the_state() -> None:
    body = without(SEED["state"], "state_sha256")

    assert hashlib.sha256(rfc8785.dumps(body)).hexdigest() == STATE_SHA256


@pytest.mark.parametrize("order", [(1, 0), (0, 0, 1), (1, 0, 1, 0)], ids=str)
def test_order_and_repetition_of_the_events_do_not_matter(order: tuple[int, ...]) -> None:
    keys = [KeyObject.from_json(key) for key in SEED["public_keys"]]
    events = [SEED["events"][place] for place in order]
    merged = merge(seed_record().number, events, bindings_of(keys, "pith.science"))

    assert merged.state(SEED["source_aliases"])["state_sha256"] == STATE_SHA256


# -- bundle --------------------------------------------------------------------


def test_the_bundle_has_its_digest() -> None:
    body = without(SEED, "bundle_signature")
    wanted = SEED["bundle_signature"]["bundle_sha256"]

    assert hashlib.sha256(rfc8785.dumps(body)).hexdigest() == wanted
    assert bundle_message(BundleBody.from_json(body)).hex() == wanted
    assert Bundle.parse(DATA).sha256 == wanted


def test_read_and_written_again_it_is_the_same_bytes() -> None:
    assert Bundle.parse(DATA).to_bytes() == DATA
    assert not DATA.endswith(b"\n")


def test_the_bundle_is_built_again_from_its_parts() -> None:
    keys = [KeyObject.from_json(key) for key in SEED["public_keys"]]
    record = seed_record()
    again = bundle_body(
        record,
        merge(record.number, SEED["events"], bindings_of(keys, "pith.science")),
        public_keys=keys,
        aliases=SEED["source_aliases"],
        mirror_hints=SEED["mirror_hints"],
        base_url="https://pith.science",
        built_at=Instant.parse_seconds(SEED["built_at"]),
    )

    assert canonical(again.value) == canonical(without(SEED, "bundle_signature"))
    assert json.dumps(again.value) == json.dumps(without(SEED, "bundle_signature"))


SIGNED: Final = {
    "receipt": (
        SEED["canonical_sha256"],
        SEED["events"][0]["payload"]["receipt"]["signature_b64"],
    ),
    "record_created": (EVENT_IDS[0][7:], SEED["events"][0]["signature"]["signature_b64"]),
    "graph_snapshot": (EVENT_IDS[1][7:], SEED["events"][1]["signature"]["signature_b64"]),
    "bundle": (
        SEED["bundle_signature"]["bundle_sha256"],
        SEED["bundle_signature"]["signature_b64"],
    ),
}


@pytest.mark.parametrize("what", SIGNED)
def test_a_signature_of_the_pinned_key(what: str) -> None:
    message, signature = SIGNED[what]

    pin().key.verify(bytes.fromhex(message), base64.b64decode(signature))
    second_opinion(bytes.fromhex(message), signature)


def test_the_report_names_the_same_four_signatures() -> None:
    report = examine_bundle(DATA, Terms((pin(),), LATER))

    assert report.ok, report.failure
    assert [part.what.split()[0] for part in report.signed] == [
        "receipt",
        "event",
        "event",
        "bundle",
    ]
    assert [part.message.hex() for part in report.signed] == [m for m, _ in SIGNED.values()]
    assert all(part.key == pin().key for part in report.signed)
    assert {verdict.verdict for verdict in report.verdicts} == {"valid"}
    assert (report.registry, report.subject) == ("pith.science", SEED["pith_number"])


def test_one_bit_of_the_seed_is_enough() -> None:
    spoilt = DATA.replace(b'"attestation_state":"computed"', b'"attestation_state":"computes"')

    assert not examine_bundle(spoilt, Terms((pin(),), LATER)).ok


# -- the other published receipts ----------------------------------------------

RECEIPTS: Final = [fact for fact in published_records() if "signature_b64" in fact]


def test_there_are_four_published_receipt_signatures() -> None:
    assert len(RECEIPTS) == 4


@pytest.mark.parametrize("fact", RECEIPTS, ids=lambda fact: str(fact["pith_number"]))
def test_a_published_receipt_signature(fact: dict[str, Any]) -> None:
    message = bytes.fromhex(fact["canonical_sha256"])

    pin().key.verify(message, base64.b64decode(fact["signature_b64"]))
    second_opinion(message, fact["signature_b64"])


def test_the_published_receipt_is_of_the_record() -> None:
    receipt = Receipt.from_json(SEED["events"][0]["payload"]["receipt"])

    verify_receipt(receipt, seed_record(), pin().key)
    assert receipt_message(seed_record()) == bytes.fromhex(SEED["canonical_sha256"])
    assert receipt.to_json() == SEED["events"][0]["payload"]["receipt"]
