"""Signing by the batch: the very bytes of signing one by one, and nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import crypto_sign

from registry.errors import KeyUnavailableError, MalformedError, MismatchError, PithError
from registry.protocol.canonical import canonical
from registry.protocol.event import EventBody, SignerRef, record_created
from registry.protocol.graph import Paper, graph_snapshot
from registry.protocol.instant import Instant
from registry.protocol.keys import PublicKey
from registry.protocol.record import Record
from registry.protocol.source import Source
from registry.protocol.strict_json import read_json
from registry.signing import signer
from registry.signing.bulk import Issue, SnapshotIssue, sign_records, sign_snapshots
from registry.signing.documents import sign_event, sign_receipt
from registry.signing.signer import SeedSigner, public_key_of
from tests.cli.lab import ABSTRACT, TITLE, record

REGISTRY = "lab.example"
SEED = bytes(range(32))
SIGNER = SeedSigner("lab-v1-2026-06", SEED, public_key_of(SEED))
AT = Instant.parse_micros("2026-06-01T12:00:00.250000Z")
BUILDER = "pith-registry-test"
OLD = f"sha256:{'0' * 64}"

texts = st.text(st.characters(exclude_categories=["C"], exclude_characters="\u2028\u2029"))
ids = st.binary(min_size=32, max_size=32).map(lambda raw: f"sha256:{raw.hex()}")


@st.composite
def issues(draw: st.DrawFn) -> Issue:
    """A record with any licence text, issued for the first time or again."""
    made = Record.build(
        source=Source(
            "arxiv", f"2401.{draw(st.integers(1, 99_999)):05d}", draw(st.integers(1, 99))
        ),
        title=draw(texts),
        abstract=draw(texts),
        license=draw(texts),
        primary_cat="cs.DL",
        cross_cats=tuple(draw(st.sets(st.sampled_from(["cs.IR", "math.CO", "q-bio.NC"])))),
        submitted_at=Instant.parse_seconds("2024-01-01T12:00:00Z"),
    )
    first = draw(st.integers(0, AT.micros))
    again = draw(st.booleans())
    return Issue(
        made.canonical,
        Instant(first) if again else AT,
        AT,
        tuple(sorted(draw(st.sets(ids, min_size=1, max_size=3)))) if again else (),
        draw(ids) if again else None,
    )


def one_by_one(issue: Issue) -> tuple[bytes, bytes, bytes]:
    """What the functions for single documents make of it."""
    found = Record.parse(issue.record)
    receipt = sign_receipt(
        SIGNER,
        found,
        first_computed_at=issue.first_computed_at,
        last_reissued_at=issue.at,
        signed_at=issue.at,
        builder_version=BUILDER,
    )
    body = record_created(
        found,
        receipt,
        SignerRef.of_registry(REGISTRY, SIGNER.key_id, SIGNER.public_key),
        supersedes=issue.supersedes,
        prev_event=issue.prev_event,
    )
    event = sign_event(SIGNER, body, signed_at=issue.at)
    return bytes.fromhex(event.sha256), event.canonical, found.digest


@settings(deadline=None)
@given(st.lists(issues(), max_size=4))
def test_a_batch_has_the_bytes_of_signing_one_by_one(batch: list[Issue]) -> None:
    made = sign_records(SIGNER, REGISTRY, batch, builder_version=BUILDER)

    assert [tuple(each) for each in made] == [one_by_one(issue) for issue in batch]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"a":1}', "schema.members"),
        (b"0" * 32, "json.single"),
        (record().canonical.replace(b'"1.0"', b'"2.0"'), "schema.constant"),
        (record().canonical[:-1] + b',"payload":{}}', "schema.members"),
        (record().canonical + b" ", "signing.canonical"),
    ],
)
def test_what_is_no_canonical_record_is_never_signed(data: bytes, code: str) -> None:
    counting = Counting("lab-v1-2026-06", SEED, SIGNER.public_key)

    with pytest.raises((MalformedError, MismatchError)) as caught:
        sign_records(counting, REGISTRY, [Issue(data, AT, AT)], builder_version=BUILDER)

    assert caught.value.code == code
    assert counting.made == 0


class Counting(SeedSigner):
    """A signer that counts."""

    made = 0

    def _sign_twice(self, message: bytes) -> bytes:
        self.made += 1
        return super()._sign_twice(message)


class Elsewhere:
    """A signer whose key is not in this process, as an agent's or a token's."""

    forkable = False

    def __init__(self, spoilt: int = -1) -> None:
        self.made = 0
        self.spoilt = spoilt

    @property
    def key_id(self) -> str:
        """Its id."""
        return SIGNER.key_id

    @property
    def public_key(self) -> PublicKey:
        """Its key."""
        return SIGNER.public_key

    def _sign(self, message: bytes) -> bytes:
        self.made += 1
        good = SIGNER._sign(message)
        return good if self.made != self.spoilt else good[:32] + bytes(32)


def test_a_key_elsewhere_signs_once_each_and_the_same() -> None:
    batch = [Issue(record(i).canonical, AT, AT) for i in (1, 2, 3)]
    elsewhere = Elsewhere()

    made = sign_records(elsewhere, REGISTRY, batch, builder_version=BUILDER)

    assert made == sign_records(SIGNER, REGISTRY, batch, builder_version=BUILDER)
    assert elsewhere.made == 6


@pytest.mark.parametrize("spoilt", [1, 2, 5, 6])
def test_a_bad_signature_at_either_end_of_a_batch_is_found(spoilt: int) -> None:
    batch = [Issue(record(i).canonical, AT, AT) for i in (1, 2, 3)]

    with pytest.raises(PithError) as caught:
        sign_records(Elsewhere(spoilt), REGISTRY, batch, builder_version=BUILDER)

    assert caught.value.code.startswith("signature.")


@pytest.mark.parametrize("wrong", [3, 4, 7, 8])
def test_a_fault_in_the_middle_of_a_batch_is_found_by_signing_twice(
    wrong: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that now and then computes wrongly."""
    made = 0

    def wavering(message: bytes, secret: bytes) -> bytes:
        nonlocal made
        made += 1
        return crypto_sign(message, secret) if made != wrong else bytes(64) + message

    monkeypatch.setattr(signer, "crypto_sign", wavering)
    batch = [Issue(record(i).canonical, AT, AT) for i in (1, 2, 3)]

    with pytest.raises(KeyUnavailableError) as caught:
        sign_records(SIGNER, REGISTRY, batch, builder_version=BUILDER)

    assert caught.value.code == "signer.faulty"


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (Issue(record(2).canonical, Instant(AT.micros + 1), AT), "receipt.times"),
        (Issue(record(2).canonical, AT, AT, ("x",)), "schema.event_id"),
        (Issue(record(2).canonical, AT, AT, (OLD, OLD)), "event.supersedes"),
        (
            Issue(record(2).canonical, AT, AT, tuple(f"sha256:{i:064x}" for i in range(65))),
            "event.supersedes",
        ),
        (Issue(record(2).canonical, AT, AT, (OLD,), OLD.upper()), "schema.event_id"),
    ],
)
def test_one_bad_issue_in_the_middle_leaves_nothing(bad: Issue, code: str) -> None:
    good = [Issue(record(i).canonical, AT, AT) for i in (1, 3)]

    with pytest.raises(PithError) as caught:
        sign_records(SIGNER, REGISTRY, [good[0], bad, good[1]], builder_version=BUILDER)

    assert caught.value.code == code


def payload(headline: str = "", verdict_id: str | None = None) -> bytes:
    """The payload of a snapshot of `record`'s paper."""
    paper = Paper(TITLE, ABSTRACT, headline=headline)
    snapshot = graph_snapshot(paper, record(), builder_version=BUILDER)
    return canonical({"graph_snapshot": snapshot, "verdict_id": verdict_id})


@settings(deadline=None)
@given(st.lists(st.tuples(texts, ids, st.integers(0, AT.micros)), max_size=4))
def test_snapshots_have_the_bytes_of_signing_one_by_one(batch: list[tuple[str, str, int]]) -> None:
    number = record().number
    issues = [SnapshotIssue(number, payload(words), prev, Instant(at)) for words, prev, at in batch]

    made = sign_snapshots(SIGNER, REGISTRY, issues)

    who = SignerRef.of_registry(REGISTRY, SIGNER.key_id, SIGNER.public_key)
    for issue, found in zip(issues, made, strict=True):
        value = read_json(issue.payload).value
        at, prev = issue.at.whole, issue.prev_event
        body = EventBody("graph_snapshot", number, "graph", value, who, at, (), prev)
        event = sign_event(SIGNER, body, signed_at=issue.at)
        assert found == (bytes.fromhex(event.sha256), event.canonical)


@pytest.mark.parametrize(
    ("data", "prev", "code"),
    [
        (record().canonical, OLD, "schema.members"),
        (payload() + b" ", OLD, "signing.canonical"),
        (payload().replace(b'"verdict_id":null', b'"verdict_id":1'), OLD, "schema.type"),
        (payload(), "x", "schema.event_id"),
        (payload("x" * 65_000), OLD, "event.size"),
    ],
)
def test_what_is_no_snapshot_leaves_nothing(data: bytes, prev: str, code: str) -> None:
    issues = [
        SnapshotIssue(record().number, payload(), OLD, AT),
        SnapshotIssue(record().number, data, prev, AT),
    ]

    with pytest.raises(PithError) as caught:
        sign_snapshots(SIGNER, REGISTRY, issues)

    assert caught.value.code == code


@pytest.mark.parametrize("spoilt", [1, 3])
def test_a_bad_signature_at_either_end_of_snapshots_is_found(spoilt: int) -> None:
    issues = [SnapshotIssue(record().number, payload(str(i)), OLD, AT) for i in range(3)]

    with pytest.raises(PithError) as caught:
        sign_snapshots(Elsewhere(spoilt), REGISTRY, issues)

    assert caught.value.code.startswith("signature.")
