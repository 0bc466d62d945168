"""pith-verify.js against the first implementation: vectors, public sets, published documents.

A document that both refuse must be refused by the same named check with the same code; one
that both take must have the same checks, verdicts and state, word for word.
"""

import base64
import hashlib
import json
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from registry.data import published_records, seed_bundle, shipped_pins
from registry.errors import PithError
from registry.protocol.bundle_checks import examine_bundle
from registry.protocol.canonical import MAX_INTEGER, canonical
from registry.protocol.checks import Report
from registry.protocol.document_checks import (
    examine_event_document,
    examine_keyset_document,
    examine_receipt_document,
)
from registry.protocol.evidence import Evidence, Timestamps
from registry.protocol.instant import Instant
from registry.protocol.keys import PublicKey
from registry.protocol.keyset_chain import verify_chain
from registry.protocol.number import Reference
from registry.protocol.signers import Enrolment
from registry.protocol.signers_chain import verify_chain as verify_signers_chain
from registry.protocol.signers_chain import verify_enrolment
from registry.protocol.signers_checks import examine_signers_document
from registry.protocol.strict_json import read_json, read_record_json
from registry.protocol.trust import KeyPin, Pin, Terms, parse_pin
from tests import world
from tests.protocol import test_canonical_conformance as conformance
from tests.protocol import test_ed25519 as ed25519
from tests.protocol import test_keyset_chain as chains
from tests.protocol import test_signers as parties
from tests.protocol.test_negative import LATER, REFUSED_BY
from tests.web.second import Request, ask, b64, first_told, terms_json, told
from tests.world import AT, NOW, OTHER_RECORD, OTHER_REGISTRY, RECORD, REGISTRY


def of_kind(kind: str) -> list[tuple[str, str, Any]]:
    """(valid or invalid, file, what the index says of it) of one folder of vectors."""
    index = world.index_of(kind)
    return [
        (verdict, name, wanted)
        for verdict in ("valid", "invalid")
        for name, wanted in index[verdict].items()
    ]


def first_failure(report: Request) -> tuple[str, str] | None:
    """The name and code of the first check of a report that failed."""
    failed = [(each["name"], each["code"]) for each in report["checks"] if each["status"] == "fail"]
    return failed[0] if failed else None


def wanted_failure(wanted: Any, verdict: str) -> tuple[str, str] | None:
    return None if verdict == "valid" else (wanted["check"], wanted["code"])


# -- vectors -------------------------------------------------------------------


def test_record_vectors() -> None:
    files = of_kind("record")
    answers = ask(
        {"action": "number", "data": b64(world.vector("record", verdict, name))}
        for verdict, name, _ in files
    )

    found = {
        name: answer["number"] if type(answer) is dict else answer.removeprefix("refused: ")
        for (_, name, _), answer in zip(files, answers, strict=True)
    }
    assert found == {name: wanted for _, name, wanted in files}
    assert len(found) >= 100


def test_event_vectors() -> None:
    index = world.index_of("event")
    files = of_kind("event")
    answers = ask(
        {
            "action": "examine",
            "number": index["pith_number"],
            "event": b64(world.vector("event", verdict, name)),
            "signers": index["signers"],
        }
        for verdict, name, _ in files
    )

    wrong = {
        name: answer
        for (verdict, name, wanted), answer in zip(files, answers, strict=True)
        if answer != ([wanted, None, None] if verdict == "valid" else [answer[0], *wanted.values()])
    }
    assert wrong == {}


def test_merge_vectors() -> None:
    files = of_kind("merge")
    documents = [json.loads(world.vector("merge", verdict, name)) for verdict, name, _ in files]
    answers = ask(
        {
            "action": "merge",
            "number": each["pith_number"],
            "events": [b64(world.dump(event)) for event in each["events"]],
            "signers": each["signers"],
            "aliases": each["source_aliases"],
        }
        for each in documents
    )

    for (verdict, name, wanted), held, answer in zip(files, documents, answers, strict=True):
        state = json.loads(base64.b64decode(answer["state"]))
        assert (state == held["state"]) == (verdict == "valid"), name
        assert (state["state_sha256"] == wanted) == (verdict == "valid"), name


def report_requests(kind: str, *pins: Pin) -> tuple[list[tuple[str, str, Any]], list[Request]]:
    index = world.index_of(kind)
    terms = terms_json(world.terms(*pins)) | {"at": index["verified_at"]}
    files = of_kind(kind)
    requests = [
        {
            "action": kind,
            "data": b64(world.vector(kind, verdict, name)),
            "record": b64(RECORD.canonical),
            "terms": terms,
        }
        for verdict, name, _ in files
    ]
    return files, requests


def examined_here(kind: str, data: bytes, terms: Terms) -> Report:
    """The first implementation's report of a document of one kind."""
    if kind == "receipt":
        return examine_receipt_document(data, RECORD.canonical, terms)
    examine: Callable[[bytes, Terms], Report] = {
        "bundle": examine_bundle,
        "event": examine_event_document,
        "keyset": examine_keyset_document,
        "signers": examine_signers_document,
    }[kind]
    return examine(data, terms)


@pytest.mark.parametrize("kind", ["receipt", "bundle", "keyset", "signers"])
def test_document_vectors(kind: str) -> None:
    """The check that the index names, and the whole report of the first implementation."""
    files, requests = report_requests(kind, REGISTRY.pin)
    answers = ask(requests)
    terms = world.terms(
        REGISTRY.pin, when=Instant.parse_seconds(world.index_of(kind)["verified_at"])
    )

    for (verdict, name, wanted), request, answer in zip(files, requests, answers, strict=True):
        failed = first_failure(answer)
        if kind == "keyset" and verdict == "valid":
            assert failed == ("trust.pin", "trust.pin"), name
            assert answer["subject"] == wanted, name
        else:
            assert failed == wanted_failure(wanted, verdict), name
        here = examined_here(kind, base64.b64decode(request["data"]), terms)
        assert told(answer) == first_told(here), name


def test_key_set_chains() -> None:
    """Every life in the table of the first implementation: the same act, or the same rule."""
    rows = {name: [row.old, row.offered()] for name, row in chains.ROWS.items()}
    rows |= {
        "three": [chains.ONE, chains.TWO, chains.THREE],
        "gap": [chains.ONE, chains.THREE],
        "reversed": [chains.TWO, chains.ONE],
        "rolled-back": [chains.THREE, chains.TWO],
        "again": [chains.ONE, chains.TWO, chains.THREE, chains.ONE, chains.TWO],
        "displaced": [chains.ONE, chains.TWO, chains.THREE, rescue()],
        "thief": [chains.ONE, rescue(), chains.TWO],
    }
    answers = ask(
        {"action": "chain", "versions": [b64(world.dump(each.to_json())) for each in keysets]}
        for keysets in rows.values()
    )

    assert dict(zip(rows, answers, strict=True)) == {
        name: followed(keysets) for name, keysets in rows.items()
    }
    assert {row.outcome for row in chains.ROWS.values()} >= {"routine", "keyset.routine"}


def rescue() -> chains.KeySet:
    body = chains.body_after(chains.ONE, chains.REVOKED_A, chains.registry_key(chains.C))
    return chains.signed(body, [*chains.R[:2], chains.C])


def followed(keysets: Sequence[chains.KeySet]) -> Any:
    try:
        chain = verify_chain(keysets)
    except PithError as error:
        return f"refused: {error.code}"
    return [[link.keyset.body.version, link.act, link.keyset.body.digest.hex()] for link in chain]


def test_signers_chains() -> None:
    """Each link of the first implementation's table, signed whatever it says, and orders."""
    rows = {name: [parties.FIRST, sealed_list(body)] for name, (body, _) in parties.LINKS.items()}
    entries = parties.NEXT.body.entries
    for i, change in enumerate(
        (
            {"status": "active", "revoked_at": None, "compromised_since": None},
            {"compromised_since": parties.SINCE.plus(seconds=1)},
            {"compromised_since": None},
            {"revoked_at": parties.REVOKED_AT.plus(seconds=1)},
            {"compromised_since": parties.SINCE.plus(seconds=-1)},
        )
    ):
        changed = parties.body(replace(entries[0], **change), *entries[1:], after=parties.NEXT.body)
        rows[f"revocation {i}"] = [parties.FIRST, parties.NEXT, sealed_list(changed)]
    other = replace(parties.after(*parties.ENTRIES), registry=OTHER_REGISTRY.name)
    fork = sealed_list(parties.after(*parties.ENTRIES))
    rows |= {
        "good": [parties.FIRST, parties.NEXT],
        "again": [parties.FIRST, parties.NEXT, parties.FIRST],
        "fork": [parties.FIRST, parties.NEXT, fork],
        "rollback": [parties.NEXT, parties.FIRST],
        "of another registry": [parties.FIRST, sealed_list(other)],
    }
    pins = terms_json(world.terms(REGISTRY.pin))
    answers = ask(
        {
            "action": "signers_chain",
            "versions": [b64(world.dump(each.to_json())) for each in lists],
            "terms": pins,
        }
        for lists in rows.values()
    )

    found = dict(zip(rows, answers, strict=True))
    assert found == {name: followed_lists(lists) for name, lists in rows.items()}
    assert {str(answer) for answer in answers} >= {
        f"refused: signers.{rule}"
        for rule in ("version", "prev", "dropped", "changed", "status", "fork", "rollback")
    }


def sealed_list(body: Any) -> parties.Signers:
    """A list as an attacker with the registry's key signs it."""
    value = body.to_json()
    signature = {
        "key_id": REGISTRY.key_id,
        "public_key_fingerprint": REGISTRY.key.fingerprint,
        "signature_b64": world.by(REGISTRY.signer, parties.PREFIX + canonical(value)),
    }
    return parties.Signers.from_json(value | {"signature": signature})


def followed_lists(lists: Sequence[parties.Signers]) -> Any:
    try:
        chain = verify_signers_chain(lists, REGISTRY.bindings)
    except PithError as error:
        return f"refused: {error.code}"
    return [{"version": each.body.version, "digest": each.body.digest.hex()} for each in chain]


def test_enrolments() -> None:
    good = parties.enrolment().to_json()
    changes = {
        "good": (),
        "another-registry": (world.put("registry", OTHER_REGISTRY.name),),
        "another-type": (world.put("signer_type", "mirror"),),
        "registry's-name": (world.put("registry", good["signer_id"]),),
        "s-plus-l": (world.put("enrolment_b64", world.plus_l),),
        "another-member": (world.put("note", "x"),),
        "another-document": (world.put("enrolment_type", "pith_pin"),),
        "no-proof": (world.put("enrolment_b64", ""),),
        "no-point": (world.put("public_key_hex", "00" * 32),),
    }
    data = {name: world.dump(world.changed(good, *each)) for name, each in changes.items()}
    answers = ask({"action": "enrolment", "data": b64(each)} for each in data.values())

    def here(each: bytes) -> Any:
        try:
            found = Enrolment.parse(each)
            verify_enrolment(found)
        except PithError as error:
            return f"refused: {error.code}"
        members = json.loads(each)
        names = ("registry", "signer_id", "signer_type", "key_id", "public_key_hex")
        return {name: members[name] for name in names}

    assert dict(zip(data, answers, strict=True)) == {
        name: here(each) for name, each in data.items()
    }


# -- shared vectors and published documents ------------------------------------


def test_the_shared_bad_bundles(vectors_dir: Path) -> None:
    folder = vectors_dir / "pith-negative"
    facts = json.loads((folder / "index.json").read_bytes())
    key = PublicKey.from_hex(facts["test_public_key_hex"])
    terms = Terms((KeyPin("pith.science", facts["test_key_id"], key, "the index"),), LATER)
    data = {name: (folder / f"{name}.json").read_bytes() for name in facts["cases"]}
    answers = dict(zip(data, ask_bundles(data.values(), terms), strict=True))

    failures = {name: first_failure(answer) for name, answer in answers.items()}
    assert failures == {"happy-path": None} | REFUSED_BY
    for name, answer in answers.items():
        assert told(answer) == first_told(examine_bundle(data[name], terms)), name


def ask_bundles(documents: Any, *all_terms: Terms) -> list[Any]:
    return ask(
        {"action": "bundle", "data": b64(data), "terms": terms_json(terms)}
        for terms in all_terms
        for data in documents
    )


def test_the_seed_bundle() -> None:
    pin = parse_pin(shipped_pins()["pith.science"], "shipped")
    terms = Terms((pin,), LATER)
    trusted, untrusted = ask_bundles([seed_bundle()], terms, replace(terms, pins=()))

    assert trusted["ok"] is True
    assert told(trusted) == first_told(examine_bundle(seed_bundle(), terms))
    assert first_failure(untrusted) == ("trust.pin", "trust.pin")


def test_published_records() -> None:
    records = [each for each in published_records() if "canonical_record" in each]
    answers = ask(
        {"action": "number", "data": b64(world.dump(each["canonical_record"]))} for each in records
    )

    assert len(records) == 38
    for published, answer in zip(records, answers, strict=True):
        assert answer["number"] == published["pith_number"]
        assert answer["sha256"] == published["canonical_sha256"]


# -- terms ---------------------------------------------------------------------

DAY: Final = AT.plus(days=1).whole
"""After the events of the test bundles were made."""
ENTRIES: Final = {
    "active": {},
    "retiring": {"status": "retiring"},
    "retired later": {"status": "retired", "retired_at": DAY},
    "retired before": {"status": "retired", "retired_at": AT.plus(days=-1).whole},
    "valid later": {"valid_from": DAY},
    "announced": {"status": "announced"},
    "revoked": {"status": "revoked", "revoked_at": DAY},
    "compromised later": {"status": "revoked", "revoked_at": DAY, "compromised_since": DAY},
    "compromised between": {
        "status": "revoked",
        "revoked_at": DAY,
        "compromised_since": AT.plus(seconds=30).whole,
    },
    "of another usage": {"usage": "recovery"},
}
SUCCESSOR: Final = world.signer("successor", "example-2027-01")


def keyset_terms(**life: Any) -> Terms:
    """A verifier who pins a key set in which the registry's key has this life."""
    others = [world.entry(SUCCESSOR)] if life.get("status", "active") != "active" else []
    if life.get("usage") == "recovery":
        others = [world.entry(SUCCESSOR)]
    return world.terms(REGISTRY.keyset_pin(REGISTRY.entry(**life), *others))


def dated(terms: Terms, when: Instant) -> Terms:
    """The same verifier with evidence that everything in the test bundles existed at *when*."""
    bundle = REGISTRY.bundle()
    documents = [
        bundle.to_json(),
        REGISTRY.record_created().to_json(),
        REGISTRY.receipt().to_json(),
        *(event.to_json() for event in REGISTRY.history()),
    ]
    found = [
        Evidence(hashlib.sha256(canonical(each)).hexdigest(), moment, "a time authority", b"", "")
        for each in documents
        for moment in (when, when.plus(days=1))
    ]
    return replace(terms, timestamps=Timestamps.of(found))


def all_terms() -> dict[str, Terms]:
    key = world.terms(REGISTRY.pin)
    anyones = KeyPin(None, REGISTRY.key_id, REGISTRY.key, "a test")
    other = KeyPin(REGISTRY.name, "another-key", OTHER_REGISTRY.key, "a test")
    expired = keyset_terms()
    return (
        {name: keyset_terms(**life) for name, life in ENTRIES.items()}
        | {
            f"expecting {typed}": replace(key, expect=Reference.parse(typed))
            for typed in (
                str(RECORD.number),
                RECORD.number.suffix.lower(),
                RECORD.number.suffix[:8],
                RECORD.number.suffix[:16],
                f" pith:2025:{RECORD.number.suffix[:12]} ",
                f"arXiv:{RECORD.source.id}",
                f"{RECORD.source.id}v1",
                f"https://arxiv.org/abs/{RECORD.source.id}v2",
                f"10.48550/arXiv.{RECORD.source.id}",
                str(OTHER_RECORD.number),
            )
        }
        | {
            "no pin": world.terms(),
            "a key for any registry": world.terms(anyones),
            "its own pin beside it": world.terms(anyones, other),
            "another key": world.terms(other),
            "of its registry": replace(key, registry=REGISTRY.name),
            "of another registry": replace(key, registry=OTHER_REGISTRY.name),
            "before it was built": replace(key, at=AT.plus(days=-1)),
            "as it was built": replace(key, at=world.BUILT_AT.plus(seconds=-600)),
            "expired": replace(expired, at=NOW.plus(days=400)),
            "expired and accepted": replace(expired, at=NOW.plus(days=400), accept_expired=True),
            "two key sets that differ": world.terms(
                REGISTRY.keyset_pin(), REGISTRY.keyset_pin(days=300)
            ),
        }
        | {
            f"{name} with evidence {when}": dated(keyset_terms(**life), moment)
            for name, life in ENTRIES.items()
            for when, moment in (("before", DAY.plus(seconds=-1)), ("of then", DAY))
        }
    )


def test_under_all_kinds_of_terms() -> None:
    """Some of each kind of document, under whatever a verifier brings."""
    documents = [
        (kind, world.vector(kind, "valid", name))
        for kind in ("bundle", "event", "receipt", "keyset", "signers")
        for name in list(world.index_of(kind)["valid"])[:: 2 if kind == "bundle" else 8]
    ]
    cases = [(name, kind, data, t) for name, t in all_terms().items() for kind, data in documents]
    answers = ask(
        {
            "action": kind,
            "data": b64(data),
            "record": b64(RECORD.canonical),
            "terms": terms_json(terms),
        }
        for _, kind, data, terms in cases
    )

    outcomes: Counter[tuple[str, str] | None] = Counter()
    verdicts: set[str] = set()
    for (name, kind, data, terms), answer in zip(cases, answers, strict=True):
        assert told(answer) == first_told(examined_here(kind, data, terms)), (name, kind)
        outcomes[first_failure(answer)] += 1
        verdicts |= {verdict["verdict"] for verdict in answer["verdicts"]}
    assert {failure[0] for failure in outcomes if failure} >= {
        "trust.pin",
        "trust.key",
        "trust.verdicts",
        "keyset.fresh",
        "expect.subject",
        "expect.registry",
        "bundle.clock",
        "event.chain",
    }
    assert outcomes[None] > 50
    assert verdicts == {"valid", "proven", "unproven", "invalid"}


# -- pins ----------------------------------------------------------------------


def pin_files() -> dict[str, bytes]:
    document = json.loads(shipped_pins()["pith.science"])
    lines = [world.dump(each.to_json()) for each in (chains.ONE, chains.TWO, chains.THREE)]
    return {
        "shipped": shipped_pins()["pith.science"],
        "key set": lines[0],
        "chain": b"\n".join(lines) + b"\n\n",
        "chain with a gap": lines[0] + b"\n" + lines[2],
        "chain rolled back": lines[1] + b"\n" + lines[0],
        "another type": world.dump(document | {"pin_type": "pith_key"}),
        "another member": world.dump(document | {"note": ""}),
        "no real date": world.dump(document | {"read_at": "2026-13-01T00:00:00Z"}),
        "small order": world.dump(document | {"public_key_hex": "01" + "00" * 31}),
        "neither": b"{}",
        "nothing": b"",
        "spoilt key set": lines[0].replace(b'"threshold":2', b'"threshold":1'),
    }


def test_pin_files() -> None:
    files = pin_files()
    answers = ask({"action": "pin", "data": b64(data)} for data in files.values())

    def here(data: bytes) -> Any:
        try:
            found = parse_pin(data, "a test")
        except PithError as error:
            return f"refused: {error.code}"
        return {
            "kind": "key" if isinstance(found, KeyPin) else "key set",
            "registry": found.registry,
        }

    assert dict(zip(files, answers, strict=True)) == {
        name: here(data) for name, data in files.items()
    }


# -- public sets ---------------------------------------------------------------

TWO_FAULTS: Final = ("object_same_key_unclear_values", "record")
"""Of a name that stands twice and a -0, each implementation names another first."""


def test_json_suite(vectors_dir: Path) -> None:
    """JSONTestSuite as it is, inside an object, and inside a record: the same refusals."""
    files = conformance.suite(vectors_dir, "test_parsing") | conformance.suite(
        vectors_dir, "test_transform"
    )
    cases = {
        (name, how): (data if how == "bare" else conformance.inside(data), how == "record")
        for name, data in files.items()
        for how in ("bare", "inside", "record")
    }
    answers = ask(
        {"action": "read", "data": b64(data), "record": record} for data, record in cases.values()
    )

    differing = set()
    for ((name, how), (data, record)), answer in zip(cases.items(), answers, strict=True):
        here = read_here(data, record)
        if how == "bare" and here == "refused: json.single":  # a list: one fault more
            assert answer.startswith("refused: json."), name
        elif here != answer and (name, how) != TWO_FAULTS:
            differing.add((name, how, here, answer))
    assert differing == set()
    assert len(cases) == 3 * (95 + 188 + 35 + 22)


def read_here(data: bytes, record: bool) -> str:
    """The canonical bytes of what is read, in base64, or the refusal."""
    try:
        value = read_record_json(data) if record else read_json(data).value
    except PithError as error:
        return f"refused: {error.code}"
    return b64(canonical(value))


def test_rfc8785_cases(vectors_dir: Path) -> None:
    folder = vectors_dir / "rfc8785"
    given = [(folder / "input" / f"{case}.json").read_bytes() for case in conformance.RFC8785_CASES]
    answers = ask({"action": "read", "data": b64(conformance.inside(data))} for data in given)

    for case, answer in zip(conformance.RFC8785_CASES, answers, strict=True):
        wanted = conformance.inside((folder / "output" / f"{case}.json").read_bytes())
        assert answer == ("refused: json.range" if case == "values" else b64(wanted)), case


def test_es6_numbers(vectors_dir: Path) -> None:
    numbers = conformance.es6_numbers(vectors_dir)
    requests: list[Request] = []
    for number, text in numbers:
        requests.append({"action": "write", "bits": struct.pack(">d", number).hex()})
        requests.append({"action": "read", "data": b64(f'{{"n":{text}}}'.encode())})
    answers = ask(requests)

    for i, (number, text) in enumerate(numbers):
        within = abs(number) <= MAX_INTEGER
        wanted = [text, f'{{"n":{text}}}'] if within else ["", ""]
        found = answers[2 * i : 2 * i + 2]
        assert found == (
            [b64(each.encode()) for each in wanted] if within else ["refused: json.range"] * 2
        ), text
    assert len(numbers) == 10_000


EDGES: Final = """
9007199254740991 9007199254740992 -9007199254740991 -9007199254740992 9007199254740990.6
9007199254740991.0 9007199254740991.4 9007199254740991.00000000000000000001 -9007199254740991.3
9007199254740990.99999 90071992547409910e-1 90071992547409911e-1 0.9007199254740991e16
0.90071992547409911e16 0.0009007199254740991e19 9.007199254740991e15 900719925474099.1e1
900719925474099.11e1 1e400 -1e400 1e-400 0e-400 0.0e999 -0 -0.0 -0e1 0.0000001 1e-7 1e21
123456789012345678901234567890 5e-324 2e-324 3e-324 1.0 2.50
"""


def test_numbers_at_the_edge() -> None:
    """Tokens whose double is 2^53-1 and whose digits may be beyond it, and the like."""
    tokens = EDGES.split()
    data = [f'{{"n":{token}}}'.encode() for token in tokens]
    for record in (False, True):
        answers = ask({"action": "read", "data": b64(each), "record": record} for each in data)
        assert dict(zip(tokens, answers, strict=True)) == {
            token: read_here(each, record) for token, each in zip(tokens, data, strict=True)
        }


def test_caps_at_the_boundary() -> None:
    def nested(depth: int) -> bytes:
        return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"

    def members(count: int) -> bytes:
        return world.dump({f"m{i}": i for i in range(count)})

    def values(count: int) -> bytes:
        return b'{"a":[' + b",".join([b"0"] * (count - 2)) + b"]}"

    def size(count: int) -> bytes:
        return b'{"a":"' + b"x" * (count - 8) + b'"}'

    cases = {
        f"{make.__name__} {count}": make(count)
        for make, limit in (
            (nested, 64),
            (members, 10_000),
            (values, 100_000),
            (size, 1 << 20),
        )
        for count in (limit, limit + 1)
    }
    answers = ask({"action": "read", "data": b64(data)} for data in cases.values())

    assert dict(zip(cases, answers, strict=True)) == {
        name: read_here(data, False) for name, data in cases.items()
    }
    assert sum(answer.startswith("refused") for answer in answers) == 4


def test_ed25519_sets(vectors_dir: Path) -> None:
    """RFC 8032, Wycheproof, CCTV and speccheck: what the first implementation takes, no more."""
    vectors = [
        *ed25519.rfc8032(vectors_dir, "Ed25519"),
        *ed25519.rfc8032(vectors_dir, "Ed25519ph"),
        *(each for _, each in ed25519.sign_input(vectors_dir)),
        *(each for _, each in ed25519.wycheproof(vectors_dir)),
        *ed25519.cctv(vectors_dir),
        *ed25519.speccheck(vectors_dir),
        *(
            ed25519.Vector(f"R {i}", ed25519.KEY, ed25519.MESSAGE, r + ed25519.SIGNATURE[32:])
            for i, r in enumerate(sorted(ed25519.TORSION_ENCODINGS))
        ),
        *(
            ed25519.Vector(f"A {i}", a, ed25519.MESSAGE, ed25519.SIGNATURE)
            for i, a in enumerate(sorted(ed25519.TORSION_ENCODINGS))
        ),
    ]
    answers = ask(
        {
            "action": "signature",
            "key": b64(each.key),
            "message": b64(each.message),
            "signature": b64(each.signature),
        }
        for each in vectors
    )

    def here(vector: ed25519.Vector) -> Any:
        try:
            ed25519.verify(vector.key, vector.message, vector.signature)
        except PithError as error:
            return f"refused: {error.code}"
        return True

    assert answers == [here(each) for each in vectors]
    assert Counter(answers)[True] > 200
    assert Counter(answers)["refused: signature.small_order"] >= 14
