"""Minting by the batch: the very bytes of signing one by one, and nothing that was not read."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import MalformedError, MismatchError, PithError
from registry.protocol.canonical import canonical
from registry.protocol.event import Event, EventBody, SignerRef, record_created
from registry.protocol.graph import Paper, graph_snapshot
from registry.protocol.instant import Instant
from registry.protocol.record import Record
from registry.protocol.source import Source
from registry.signing.documents import sign_event, sign_receipt
from registry.signing.forms import Form
from registry.signing.mints import MintBatch, Signed, snapshot_payload
from registry.signing.signer import SeedSigner
from tests.cli.lab import ABSTRACT, TITLE, record
from tests.signing.test_bulk import AT, BUILDER, REGISTRY, SEED, SIGNER, Counting, Elsewhere

texts = st.text(st.characters(exclude_categories=["C"]), max_size=60)
named = texts.filter(lambda text: bool(text.strip())) | st.sampled_from(
    ["<title>", "100 % of %b", '"<abstract>"', "\\", "a\u0301b  c\t", "<authors>, <number>"]
)


@st.composite
def papers(draw: st.DrawFn) -> tuple[Record, Paper | None]:
    """A record with any texts in it, and perhaps its paper."""
    title, abstract = draw(named), draw(named)
    made = Record.build(
        source=Source("arxiv", f"2401.{draw(st.integers(1, 99_999)):05d}", draw(st.integers(1, 9))),
        title=title,
        abstract=abstract,
        license=draw(st.text(st.characters(categories=["L", "P", "S"]), max_size=20)),
        primary_cat="cs.DL",
        cross_cats=tuple(draw(st.sets(st.sampled_from(["cs.IR", "math.CO", "q-bio.NC"])))),
        submitted_at=Instant.parse_seconds("2024-01-01T12:00:00Z"),
    )
    if draw(st.booleans()):
        return made, None
    claims = draw(st.lists(st.floats(0, 1), max_size=1))
    return made, Paper(title, abstract, draw(texts), draw(texts), claims=list(claims))


def one_by_one(made: Record, paper: Paper | None, at: Instant) -> Signed:
    """What the functions for single documents make of it."""
    receipt = sign_receipt(
        SIGNER,
        made,
        first_computed_at=at,
        last_reissued_at=at,
        signed_at=at,
        builder_version=BUILDER,
    )
    who = SignerRef.of_registry(REGISTRY, SIGNER.key_id, SIGNER.public_key)
    created = sign_event(SIGNER, record_created(made, receipt, who), signed_at=at)
    first = (bytes.fromhex(created.sha256), created.canonical)
    if paper is None:
        return Signed(*first, None, None)
    snapshot = graph_snapshot(paper, made, builder_version=BUILDER)
    payload = {"graph_snapshot": snapshot, "verdict_id": paper.verdict_id}
    prev = created.event_id
    body = EventBody("graph_snapshot", made.number, "graph", payload, who, at.whole, (), prev)
    shown = sign_event(SIGNER, body, signed_at=at)
    return Signed(*first, bytes.fromhex(shown.sha256), shown.canonical)


@settings(deadline=None)
@given(st.lists(st.tuples(papers(), st.integers(0, AT.micros)), max_size=3), st.booleans())
def test_a_batch_has_the_bytes_of_signing_one_by_one(
    batch: list[tuple[tuple[Record, Paper | None], int]], as_payload: bool
) -> None:
    mints = MintBatch(SIGNER, REGISTRY, builder_version=BUILDER)
    for (made, paper), _ in batch:
        assert mints.read(made.canonical) == made
        if paper is not None:
            payload = snapshot_payload(paper, made, builder_version=BUILDER)
            mints.show(payload if as_payload else paper)

    signed = mints.sign([Instant(at) for _, at in batch])

    assert signed == [one_by_one(*entry, Instant(at)) for entry, at in batch]


@pytest.mark.parametrize("name", ["8888888888", "fd" * 32, "fc" * 32, "fb" * 32])
def test_no_name_of_a_key_or_a_registry_is_taken_for_a_place(name: str) -> None:
    signer = SeedSigner(name, SEED, SIGNER.public_key)
    mints = MintBatch(signer, name, builder_version=BUILDER)
    mints.read(record().canonical)
    mints.show(Paper(TITLE, ABSTRACT))

    (signed,) = mints.sign([AT])

    assert signed is not None
    assert signed.shown is not None
    for data in (signed.created, signed.shown):
        assert data.count(f'"key_id":"{name}"'.encode()) == data.count(b'"key_id":')
        assert data.count(f'"signer_id":"{name}"'.encode()) == 1
        event = Event.parse(data)
        assert sign_event(signer, event.body, signed_at=AT).canonical == data


def test_what_is_not_to_be_signed_is_not() -> None:
    counting = Counting("lab-v1-2026-06", bytes(range(32)), SIGNER.public_key)
    mints = MintBatch(counting, REGISTRY, builder_version=BUILDER)
    for number in (1, 2, 3):
        mints.read(record(number).canonical)

    first, second, third = mints.sign([None, AT, None])

    assert (first, third) == (None, None)
    assert second == one_by_one(record(2), None, AT)
    assert counting.made == 2


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"a":1}', "schema.members"),
        (b"0" * 32, "json.single"),
        (record().canonical.replace(b'"1.0"', b'"2.0"'), "schema.constant"),
        (record().canonical[:-1] + b',"payload":{}}', "schema.members"),
    ],
)
def test_what_is_no_record_is_not_read(data: bytes, code: str) -> None:
    mints = MintBatch(SIGNER, REGISTRY, builder_version=BUILDER)

    with pytest.raises(MalformedError) as caught:
        mints.read(data)

    assert caught.value.code == code
    assert mints.sign([]) == []


@pytest.mark.parametrize(
    ("snapshot", "code"),
    [
        (Paper("Other", ABSTRACT), "graph.title"),
        (Paper(TITLE, "other"), "graph.abstract"),
        (Paper(TITLE, ABSTRACT, headline="\ud800"), "json.surrogate"),
        (Paper(TITLE, ABSTRACT, headline="x" * 65_000), "event.size"),
        (record().canonical, "schema.members"),
        (b"{}", "schema.members"),
    ],
)
def test_what_is_no_snapshot_of_it_leaves_the_record_without(
    snapshot: Paper | bytes, code: str
) -> None:
    mints = MintBatch(SIGNER, REGISTRY, builder_version=BUILDER)
    mints.read(record().canonical)

    with pytest.raises((MalformedError, MismatchError)) as caught:
        mints.show(snapshot)

    assert caught.value.code == code
    assert mints.sign([AT]) == [one_by_one(record(), None, AT)]


def test_a_payload_in_another_spelling_is_refused() -> None:
    payload = snapshot_payload(Paper(TITLE, ABSTRACT), record(), builder_version=BUILDER)
    mints = MintBatch(SIGNER, REGISTRY, builder_version=BUILDER)
    mints.read(record().canonical)

    with pytest.raises(MismatchError) as caught:
        mints.show(payload + b" ")

    assert caught.value.code == "signing.canonical"


@pytest.mark.parametrize("spoilt", [1, 2, 3, 7, 8, 9])
def test_a_bad_signature_at_either_end_of_a_batch_is_found(spoilt: int) -> None:
    mints = MintBatch(Elsewhere(spoilt), REGISTRY, builder_version=BUILDER)
    for number in (1, 2, 3):
        mints.read(record(number).canonical)
        mints.show(Paper(TITLE, ABSTRACT))

    with pytest.raises(PithError) as caught:
        mints.sign([AT, AT, AT])

    assert caught.value.code.startswith("signature.")


def test_the_largest_snapshot_that_fits_is_signed_and_no_larger_one() -> None:
    def longest(fits: Callable[[int], bool]) -> int:
        low, high = 60_000, 66_000
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(middle) else (low, middle)
        return low

    def in_bulk(size: int) -> bool:
        mints = MintBatch(SIGNER, REGISTRY, builder_version=BUILDER)
        mints.read(record().canonical)
        try:
            mints.show(Paper(TITLE, ABSTRACT, headline="x" * size))
        except MalformedError:
            return False
        return mints.sign([AT])[0] is not None

    def alone(size: int) -> bool:
        try:
            one_by_one(record(), Paper(TITLE, ABSTRACT, headline="x" * size), AT)
        except MalformedError:
            return False
        return True

    assert longest(in_bulk) == longest(alone)


def test_a_form_is_filled_wherever_its_marks_stand() -> None:
    form = Form(b"<b>%<a>%b<b>", {"a": b"<a>", "b": b"<b>"})

    assert form.fill(b"1", b"%2") == b"%2%1%b%2"
    with pytest.raises(ValueError, match="stands nowhere"):
        Form(b"<a>", {"b": b"<b>"})


def test_a_payload_is_that_of_its_paper() -> None:
    paper = Paper(TITLE, ABSTRACT, "A. Author and B. Other", "news")
    snapshot = graph_snapshot(paper, record(), builder_version=BUILDER)

    payload = snapshot_payload(paper, record(), builder_version=BUILDER)

    assert payload == canonical({"graph_snapshot": snapshot, "verdict_id": None})
