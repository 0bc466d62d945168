"""All vectors together: every rule that can refuse a document has a file that shows it."""

import ast
from functools import cache
from pathlib import Path
from typing import Final

import registry.protocol
from registry.protocol.event_checks import EVENT_CHECKS
from tests import world

KINDS: Final = ("record", *world.KINDS)
WITHOUT: Final = {
    "too large for a file": {"json.size", "json.members", "json.values"},
    "typed by people, or given by programs, and in no document": {
        "checks.skipped",
        "document.kind",
        "instant.form",
        "json.name",
        "json.type",
        "number.reference",
        "pin.fingerprint",
        "pin.form",
        "text.surrogate",
        "words.length",
    },
    "shown by its own check before it can be asked": {"receipt.key"},
    "of acts at the registry, on nothing that is published": {
        "ceremony.early",
        "ceremony.expired",
        "ceremony.no_recovery",
        "ceremony.nonce",
        "ceremony.participants",
        "ceremony.registry",
        "ceremony.stale",
        "keyset.absent",
        "keyset.act",
    },
    "of tokens and signatures of other programs, which their tests make with those": {
        "checkpoint.documents",
        "checkpoint.id",
        "proof.checkpoint",
        "sshsig.form",
        "sshsig.key",
        "sshsig.namespace",
    },
}
"""Rules that no vector shows, and why not."""


@cache
def trees() -> tuple[ast.Module, ...]:
    folder = Path(registry.protocol.__file__).parent
    return tuple(ast.parse(file.read_text()) for file in sorted(folder.glob("*.py")))


def codes_in_the_code() -> set[str]:
    """Every code that is written out where an error of the protocol is made."""
    return {
        node.value.value
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword)
        and node.arg == "code"
        and isinstance(node.value, ast.Constant)
    }


def checks_in_the_code() -> set[str]:
    """The name of every step of an examination, and of the checks of one event."""
    steps = {
        node.args[0].value
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Step"
        and isinstance(node.args[0], ast.Constant)
    }
    return steps | set(EVENT_CHECKS)


def refusals() -> list[tuple[str, str]]:
    """The check and the code of every invalid vector; a record's code is both."""
    found = []
    for kind in KINDS:
        for wanted in world.index_of(kind)["invalid"].values():
            is_record = isinstance(wanted, str)
            check = wanted.split(".")[0] if is_record else wanted["check"]
            found.append((check, wanted if is_record else wanted["code"]))
    return found


def test_the_code_is_read_whole() -> None:
    assert {"json.depth", "event.signature_key", "keyset.fork"} <= (
        codes_in_the_code() | checks_in_the_code()
    )
    assert len(codes_in_the_code()) > 100
    assert len(checks_in_the_code()) > 50


def test_every_check_has_a_vector() -> None:
    assert checks_in_the_code() - {check for check, _ in refusals()} == set()


def test_every_code_has_a_vector_or_a_reason() -> None:
    excused = set().union(*WITHOUT.values())
    shown = {code for _, code in refusals()}

    assert codes_in_the_code() - shown - excused == set()
    assert excused & shown == set()
    assert excused <= codes_in_the_code()


def test_there_are_at_least_150_and_at_most_half_are_schema_cases() -> None:
    found = refusals()
    accepted = sum(len(world.index_of(kind)["valid"]) for kind in KINDS)
    schema = [code for _, code in found if code.startswith(("json.", "schema."))]

    assert len(found) + accepted >= 150
    assert len(found) >= 150
    assert len(schema) <= len(found) / 2


def test_folders_and_indexes_name_the_same_files() -> None:
    for kind in KINDS:
        index = world.index_of(kind)
        for verdict in ("valid", "invalid"):
            folder = world.FOLDER / kind / verdict
            assert {file.name for file in folder.iterdir()} == set(index[verdict]), folder
