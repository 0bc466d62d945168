"""pith-verify.js against the first implementation: vectors, public sets, published documents.

A document that both refuse must be refused by the same named check with the same code; one
that both take must have the same checks, verdicts and state, word for word.
"""

import base64
import json
import struct
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from registry.data import published_records, seed_bundle, shipped_pins
from registry.errors import PithError
from registry.protocol.bundle_checks import examine_bundle
from registry.protocol.canonical import MAX_INTEGER, canonical
from registry.protocol.equivocation_checks import examine_evidence
from registry.protocol.instant import Instant
from registry.protocol.keys import PublicKey
from registry.protocol.record import Record
from registry.protocol.signers import Enrolment
from registry.protocol.signers_chain import verify_enrolment
from registry.protocol.strict_json import read_json, read_record_json
from registry.protocol.trust import KeyPin, Pin, Terms, parse_pin
from tests import world
from tests.protocol import test_canonical_conformance as conformance
from tests.protocol import test_ed25519 as ed25519
from tests.protocol import test_keyset_chain as chains
from tests.protocol import test_signers as parties
from tests.protocol import test_terms
from tests.protocol.test_negative import LATER, REFUSED_BY
from tests.protocol.test_terms import examined
from tests.web.second import Request, ask, b64, first_told, terms_json, told
from tests.world import OTHER_REGISTRY, RECORD, REGISTRY


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
        here = examined(kind, base64.b64decode(request["data"]), terms)
        assert told(answer) == first_told(here), name


def test_evidence_vectors() -> None:
    """Evidence of equivocation: for whoever brings no pin, a key, a key set, another's key."""
    files = of_kind("equivocation")
    pins: list[tuple[Pin, ...]] = [(), (REGISTRY.pin,), (REGISTRY.keyset_pin(),)]
    pins.append((OTHER_REGISTRY.pin,))
    cases = [(file, world.terms(*some)) for file in files for some in pins]
    answers = ask(
        {
            "action": "evidence",
            "data": b64(world.vector("equivocation", verdict, name)),
            "terms": terms_json(terms),
        }
        for (verdict, name, _), terms in cases
    )

    for ((verdict, name, wanted), terms), answer in zip(cases, answers, strict=True):
        here = examine_evidence(world.vector("equivocation", verdict, name), terms)
        assert told(answer) == first_told(here), name
        if not terms.pins:
            assert first_failure(answer) == wanted_failure(wanted, verdict), name
            assert answer["subject"] == wanted or verdict == "invalid", name
    assert {first_failure(answer) for answer in answers} >= {None, ("trust.pin", "trust.pin")}


def test_key_set_chain_vectors() -> None:
    files = of_kind("keyset_chain")
    documents = [
        json.loads(world.vector("keyset_chain", verdict, name)) for verdict, name, _ in files
    ]
    answers = ask(
        {"action": "chain", "versions": [b64(world.dump(each)) for each in document["keysets"]]}
        for document in documents
    )

    found = {
        name: answer if type(answer) is str else ", ".join(f"{v} {act}" for v, act in answer)
        for (_, name, _), answer in zip(files, answers, strict=True)
    }
    assert found == {
        name: wanted if verdict == "valid" else f"refused: {wanted['code']}"
        for verdict, name, wanted in files
    }


def test_signers_chain_vectors() -> None:
    files = of_kind("signers_chain")
    documents = [
        json.loads(world.vector("signers_chain", verdict, name)) for verdict, name, _ in files
    ]
    pins = terms_json(world.terms(REGISTRY.pin, OTHER_REGISTRY.pin))
    answers = ask(
        {
            "action": "signers_chain",
            "versions": [b64(world.dump(each)) for each in document["lists"]],
            "terms": pins,
        }
        for document in documents
    )

    found = {
        name: answer if type(answer) is str else ", ".join(str(each["version"]) for each in answer)
        for (_, name, _), answer in zip(files, answers, strict=True)
    }
    assert found == {
        name: wanted if verdict == "valid" else f"refused: {wanted['code']}"
        for verdict, name, wanted in files
    }


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


def test_terms_vectors() -> None:
    """Good documents under whatever a verifier brings: verdicts, second merges, refusals."""
    files = [
        (wanted if verdict == "valid" else (wanted["check"], wanted["code"]), value)
        for verdict, name, wanted in of_kind("terms")
        for value in [json.loads(world.vector("terms", verdict, name))]
    ]
    answers = ask(
        {
            "action": value["kind"],
            "data": b64(world.dump(value["document"])),
            "record": b64(world.dump(value.get("record", {}))),
            "terms": terms_json(test_terms.terms_of(value["terms"])),
        }
        for _, value in files
    )

    second_merges = 0
    for (wanted, value), answer in zip(files, answers, strict=True):
        found = ", ".join(verdict["verdict"] for verdict in answer["verdicts"])
        assert (first_failure(answer) or found) == wanted
        data, terms = world.dump(value["document"]), test_terms.terms_of(value["terms"])
        record = world.dump(value.get("record", {}))
        assert told(answer) == first_told(examined(value["kind"], data, terms, record))
        second_merges += answer["proven"] is not None
    assert second_merges > 5


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


def test_every_forbidden_character_and_its_neighbours() -> None:
    edges = [0, 0x1F, 0x7F, 0x9F, 0x61C, 0x200E, 0x200F, 0x2028, 0x202E, 0x2066, 0x2069, 0xFEFF]
    edges += [0xFDD0, 0xFDEF, *(plane << 16 | 0xFFFE for plane in range(17))]
    points = sorted({p + by for p in edges for by in (-1, 0, 1, 2) if 0 <= p + by <= 0x10FFFF})
    data = [json.dumps({"a": chr(point)}, ensure_ascii=point % 2 == 0).encode() for point in points]
    answers = ask({"action": "read", "data": b64(each), "record": True} for each in data)

    assert dict(zip(points, answers, strict=True)) == {
        point: read_here(each, True) for point, each in zip(points, data, strict=True)
    }
    assert answers.count("refused: json.character") > 60


DATES: Final = """
2000-02-29T00:00:00Z 1900-02-29T00:00:00Z 2100-02-29T00:00:00Z 2023-02-29T00:00:00Z
2024-02-29T23:59:59Z 2024-02-30T00:00:00Z 2024-04-31T00:00:00Z 2024-13-01T00:00:00Z
2024-00-01T00:00:00Z 2024-01-00T00:00:00Z 0001-01-01T00:00:00Z 0000-01-01T00:00:00Z
9999-12-31T23:59:59Z 2024-01-01T24:00:00Z 2024-01-01T23:60:00Z 2016-12-31T23:59:60Z
2024-01-01T00:00:00 2024-01-01T00:00:00+00:00 2024-01-01t00:00:00Z 2024-1-01T00:00:00Z
"""


def test_dates() -> None:
    """Real dates, and only those, in the one spelling."""
    records = [
        world.dump(world.changed(RECORD.to_json(), world.put("metadata.submitted_at", date)))
        for date in DATES.split()
    ]
    answers = ask({"action": "number", "data": b64(data)} for data in records)

    def here(data: bytes) -> str:
        try:
            return str(Record.parse(data).number)
        except PithError as error:
            return f"refused: {error.code}"

    found = [each["number"] if type(each) is dict else each for each in answers]
    assert dict(zip(DATES.split(), found, strict=True)) == {
        date: here(data) for date, data in zip(DATES.split(), records, strict=True)
    }
    assert found.count("refused: schema.time") == len(found) - 4


def test_days_are_counted_alike() -> None:
    """Four hundred days, and a second more, from dates in every part of the calendar."""
    dates = [Instant(86_400_000_000 * (day * 997 - 719_162)) for day in range(3_200)][::40]
    cases = [(start, start.plus(days=400, seconds=more)) for start in dates for more in (0, 1)]
    documents = [
        world.dump(
            world.keyset().to_json() | {"created_at": start.seconds, "expires_at": end.seconds}
        )
        for start, end in cases
    ]
    terms = terms_json(world.terms())
    answers = ask({"action": "keyset", "data": b64(data), "terms": terms} for data in documents)

    found = [
        next(check["status"] for check in answer["checks"] if check["name"] == "keyset.life")
        for answer in answers
    ]
    assert found == ["ok", "fail"] * len(dates)


def test_text_is_counted_in_code_points() -> None:
    """A licence of 4,096 characters beyond the basic plane is 8,192 UTF-16 units."""
    texts = {"just": "\U0001f41d" * 4096, "over": "\U0001f41d" * 4097}
    records = [
        world.dump(world.changed(RECORD.to_json(), world.put("metadata.license", text)))
        for text in texts.values()
    ]
    just, over = ask({"action": "number", "data": b64(data)} for data in records)

    assert just["number"] == str(Record.parse(records[0]).number)
    assert over == "refused: schema.length"


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
