"""Good documents with chance edits through both implementations: the same reports."""

from typing import Final

from tests import world
from tests.protocol.test_terms import TERMS, examined
from tests.web.edits import edited
from tests.web.second import ask, b64, first_told, terms_json, told
from tests.world import RECORD

COUNT: Final = 800
KINDS: Final = ("bundle", "event", "receipt", "keyset", "signers")
READERS: Final = [TERMS[name] for name in ("key-pinned", "key-active", "key-compromised-between")]


def test_edited_documents_give_the_same_reports() -> None:
    good = [
        (kind, world.vector(kind, "valid", name))
        for kind in KINDS
        for name in world.index_of(kind)["valid"]
    ]
    cases = []
    for seed in range(COUNT):
        kind, data = good[seed % len(good)]
        cases.append((kind, edited(kind, data, f"edit {seed}"), READERS[seed % len(READERS)]))
    answers = ask(
        {
            "action": kind,
            "data": b64(data),
            "record": b64(RECORD.canonical),
            "terms": terms_json(terms),
        }
        for kind, data, terms in cases
    )

    codes: set[str] = set()
    for seed, ((kind, data, terms), answer) in enumerate(zip(cases, answers, strict=True)):
        assert told(answer) == first_told(examined(kind, data, terms)), (seed, kind)
        codes |= {each["code"] for each in answer["checks"] if each["status"] == "fail"}
    assert len(codes) > 40, codes
