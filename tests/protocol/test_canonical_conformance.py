"""Public vectors of others through the reader and the writer: RFC 8785, ES6 numbers, JSONTestSuite.

One test names each set and how many files or lines it has, so that a set that
loses one goes red.
"""

import hashlib
import json
import struct
from collections import Counter
from pathlib import Path
from typing import Final

import jcs

from registry.protocol.canonical import MAX_INTEGER, canonical, reference_canonical
from registry.protocol.strict_json import read_json, read_record_json
from tests.protocol.refusals import outcome

RFC8785_CASES: Final = ("arrays", "french", "structures", "unicode", "values", "weird")


def es6_numbers(vectors: Path) -> list[tuple[float, str]]:
    lines = (vectors / "rfc8785" / "es6numbers_10000.txt").read_text("ascii").splitlines()
    pairs = [line.split(",") for line in lines]
    return [
        (struct.unpack(">d", bytes.fromhex(bits.rjust(16, "0")))[0], text) for bits, text in pairs
    ]


def suite(vectors: Path, folder: str, kind: str = "") -> dict[str, bytes]:
    """The files of JSONTestSuite whose names begin with *kind*, by name without ``.json``."""
    files = sorted((vectors / "jsontestsuite" / folder).glob(f"{kind}*.json"))
    return {file.stem: file.read_bytes() for file in files}


def inside(data: bytes) -> bytes:
    """The same as a member of an object, because our top level is always one (J3)."""
    return b'{"a":' + data + b"}"


def test_the_sets_are_whole(vectors_dir: Path) -> None:
    rfc8785 = vectors_dir / "rfc8785"
    es6 = (rfc8785 / "es6numbers_10000.txt").read_bytes()
    for folder in ("input", "output", "outhex"):
        assert sorted(f.stem for f in (rfc8785 / folder).iterdir()) == list(RFC8785_CASES)
    assert len(es6.splitlines()) == 10_000
    assert hashlib.sha256(es6).hexdigest() == (
        "b9f7a8e75ef22a835685a52ccba7f7d6bdc99e34b010992cbc5864cd12be6892"
    )
    assert Counter(name[:2] for name in suite(vectors_dir, "test_parsing")) == {
        "y_": 95,
        "n_": 188,
        "i_": 35,
    }
    assert len(suite(vectors_dir, "test_transform")) == 22


# -- RFC 8785 -----------------------------------------------------------------


def test_rfc8785_cases(vectors_dir: Path) -> None:
    """Five of the six read and written by us; ``values`` holds 1E30, which J9 refuses."""
    folder = vectors_dir / "rfc8785"
    written, refused = [], {}
    for case in RFC8785_CASES:
        given = (folder / "input" / f"{case}.json").read_bytes()
        wanted = (folder / "output" / f"{case}.json").read_bytes()
        assert bytes.fromhex((folder / "outhex" / f"{case}.txt").read_text("ascii")) == wanted
        assert reference_canonical(json.loads(given)) == jcs.canonicalize(json.loads(given))
        assert reference_canonical(json.loads(given)) == wanted, case

        code = outcome(read_json, inside(given))
        if code != "read":
            assert outcome(canonical, json.loads(given)) == code
            refused[case] = code
            continue
        document = read_json(inside(given))
        assert document.canonical(document.value["a"]) == wanted, case
        assert canonical(document.value["a"]) == wanted, case
        written.append(case)

    assert written == ["arrays", "french", "structures", "unicode", "weird"]
    assert refused == {"values": "json.range"}


def test_rfc8785_values_without_the_number_beyond(vectors_dir: Path) -> None:
    folder = vectors_dir / "rfc8785"
    given = (folder / "input" / "values.json").read_bytes().replace(b"1E30", b"1E15")
    wanted = (folder / "output" / "values.json").read_bytes().replace(b"1e+30", b"1000000000000000")
    document = read_json(given)

    assert document.canonical(document.value) == canonical(document.value) == wanted


# -- ES6 numbers --------------------------------------------------------------


def test_es6_numbers_through_the_public_writer(vectors_dir: Path) -> None:
    within = beyond = 0
    wrong = []
    for number, text in es6_numbers(vectors_dir):
        if abs(number) <= MAX_INTEGER:
            within += 1
            if canonical({"n": number}) != f'{{"n":{text}}}'.encode():
                wrong.append(text)
        else:
            beyond += 1
            if outcome(canonical, {"n": number}) != "json.range":
                wrong.append(text)

    assert wrong == []
    assert (within, beyond) == (6_284, 3_716)


def test_es6_numbers_through_the_reference_writer(vectors_dir: Path) -> None:
    numbers = es6_numbers(vectors_dir)

    assert len(numbers) == 10_000
    assert [text for n, text in numbers if reference_canonical(n) != text.encode()] == []


def test_es6_numbers_through_the_reader(vectors_dir: Path) -> None:
    wrong = []
    for number, text in es6_numbers(vectors_dir):
        token = f'{{"n":{text}}}'.encode()
        if abs(number) <= MAX_INTEGER:
            document = read_json(token)
            if document.canonical(document.value) != token:
                wrong.append(text)
        elif outcome(read_json, token) != "json.range":
            wrong.append(text)

    assert wrong == []


# -- JSONTestSuite, test_parsing ----------------------------------------------

Y_REFUSED: Final = {
    "y_number": "json.range",  # 123e65
    "y_number_real_capital_e": "json.range",  # 1E22
    "y_number_real_exponent": "json.range",  # 123e45
    "y_number_real_fraction_exponent": "json.range",  # 123.456e78
    "y_object_extreme_numbers": "json.range",  # 1.0e+28
    "y_object_duplicated_key": "json.duplicate",
    "y_object_duplicated_key_and_value": "json.duplicate",
}
"""What RFC 8259 allows and J5 and J9 refuse."""

Y_REFUSED_IN_RECORDS: Final = {
    "json.integer": {  # J8
        "y_number",
        "y_number_0e+1",
        "y_number_0e1",
        "y_number_double_close_to_zero",
        "y_number_int_with_exp",
        "y_number_minus_zero",
        "y_number_negative_zero",
        "y_number_real_capital_e",
        "y_number_real_capital_e_neg_exp",
        "y_number_real_capital_e_pos_exp",
        "y_number_real_exponent",
        "y_number_real_fraction_exponent",
        "y_number_real_neg_exp",
        "y_number_real_pos_exponent",
        "y_number_simple_real",
        "y_object_extreme_numbers",
        "y_structure_lonely_negative_real",
    },
    "json.character": {  # J7
        "y_object_escaped_null_in_key",
        "y_string_allowed_escapes",
        "y_string_escaped_control_character",
        "y_string_escaped_noncharacter",
        "y_string_last_surrogates_1_and_2",
        "y_string_nonCharacterInUTF-8_U+10FFFF",
        "y_string_nonCharacterInUTF-8_U+FFFF",
        "y_string_null_escape",
        "y_string_u+2028_line_sep",
        "y_string_u+2029_par_sep",
        "y_string_uescaped_newline",
        "y_string_unescaped_char_delete",
        "y_string_unicode_U+10FFFE_nonchar",
        "y_string_unicode_U+1FFFE_nonchar",
        "y_string_unicode_U+FDD0_nonchar",
        "y_string_unicode_U+FFFE_nonchar",
        "y_string_with_del_character",
    },
    "json.duplicate": {  # J5
        "y_object_duplicated_key",
        "y_object_duplicated_key_and_value",
    },
}


def test_y_files_are_read_but_for_seven(vectors_dir: Path) -> None:
    refused = {}
    for name, data in suite(vectors_dir, "test_parsing", "y_").items():
        code = outcome(read_json, inside(data))
        if code == "read":
            assert read_json(inside(data)).value == {"a": json.loads(data)}, name
        else:
            refused[name] = code

    assert refused == Y_REFUSED


def test_y_files_as_they_are(vectors_dir: Path) -> None:
    """Most have a list at the top, which J3 refuses; a stricter reason may come first."""
    wrong = {}
    read = 0
    for name, data in suite(vectors_dir, "test_parsing", "y_").items():
        is_object = isinstance(json.loads(data), dict)
        wanted = Y_REFUSED.get(name, "read" if is_object else "json.single")
        found = outcome(read_json, data)
        read += found == "read"
        if found != wanted:
            wrong[name] = found

    assert wrong == {}
    assert read == 9


def test_y_files_as_parts_of_a_record(vectors_dir: Path) -> None:
    refused: dict[str, set[str]] = {}
    read = 0
    for name, data in suite(vectors_dir, "test_parsing", "y_").items():
        code = outcome(read_record_json, inside(data))
        if code == "read":
            read += 1
        else:
            refused.setdefault(code, set()).add(name)

    assert refused == Y_REFUSED_IN_RECORDS
    assert read == 59


N_NOT_SYNTAX: Final = {
    "json.depth": {"n_structure_100000_opening_arrays", "n_structure_open_array_object"},
    "json.finite": {"n_number_NaN", "n_number_infinity", "n_number_minus_infinity"},
    "json.single": {
        "n_array_comma_after_close",
        "n_array_extra_close",
        "n_object_trailing_comment",
        "n_object_trailing_comment_open",
        "n_object_trailing_comment_slash_open",
        "n_object_trailing_comment_slash_open_incomplete",
        "n_object_with_trailing_garbage",
        "n_string_with_trailing_garbage",
        "n_structure_array_trailing_garbage",
        "n_structure_array_with_extra_array_close",
        "n_structure_close_unopened_array",
        "n_structure_double_array",
        "n_structure_number_with_trailing_garbage",
        "n_structure_object_followed_by_closing_object",
        "n_structure_object_with_trailing_garbage",
        "n_structure_trailing_#",
    },
    "json.utf8": {
        "n_array_a_invalid_utf8",
        "n_array_invalid_utf8",
        "n_multidigit_number_then_00",
        "n_number_invalid-utf-8-in-bigger-int",
        "n_number_invalid-utf-8-in-exponent",
        "n_number_invalid-utf-8-in-int",
        "n_number_real_with_invalid_utf8_after_e",
        "n_object_lone_continuation_byte_in_key_and_trailing_comma",
        "n_string_backslash_00",
        "n_string_invalid-utf-8-in-escape",
        "n_string_invalid_utf8_after_escape",
        "n_string_unescaped_ctrl_char",
        "n_structure_UTF8_BOM_no_data",
        "n_structure_incomplete_UTF8_BOM",
        "n_structure_lone-invalid-utf-8",
        "n_structure_null-byte-outside-string",
        "n_structure_single_eacute",
    },
}


def test_n_files_are_refused(vectors_dir: Path) -> None:
    found: dict[str, set[str]] = {}
    for name, data in suite(vectors_dir, "test_parsing", "n_").items():
        found.setdefault(outcome(read_json, data), set()).add(name)

    assert len(found.pop("json.syntax")) == 150
    assert found == N_NOT_SYNTAX


def test_n_files_are_refused_inside_an_object(vectors_dir: Path) -> None:
    for reader in (read_json, read_record_json):
        accepted = [
            name
            for name, data in suite(vectors_dir, "test_parsing", "n_").items()
            if outcome(reader, inside(data)) == "read"
        ]

        assert accepted == []


I_OUTCOMES: Final = {
    # name: (as it is, inside an object)
    "i_number_double_huge_neg_exp": ("json.finite", "json.finite"),
    "i_number_huge_exp": ("json.finite", "json.finite"),
    "i_number_neg_int_huge_exp": ("json.finite", "json.finite"),
    "i_number_pos_double_huge_exp": ("json.finite", "json.finite"),
    "i_number_real_neg_overflow": ("json.finite", "json.finite"),
    "i_number_real_pos_overflow": ("json.finite", "json.finite"),
    "i_number_real_underflow": ("json.finite", "json.finite"),
    "i_number_too_big_neg_int": ("json.range", "json.range"),
    "i_number_too_big_pos_int": ("json.range", "json.range"),
    "i_number_very_big_negative_int": ("json.range", "json.range"),
    "i_object_key_lone_2nd_surrogate": ("json.surrogate", "json.surrogate"),
    "i_string_1st_surrogate_but_2nd_missing": ("json.single", "json.surrogate"),
    "i_string_1st_valid_surrogate_2nd_invalid": ("json.single", "json.surrogate"),
    "i_string_UTF-16LE_with_BOM": ("json.utf8", "json.utf8"),
    "i_string_UTF-8_invalid_sequence": ("json.utf8", "json.utf8"),
    "i_string_UTF8_surrogate_U+D800": ("json.utf8", "json.utf8"),
    "i_string_incomplete_surrogate_and_escape_valid": ("json.single", "json.surrogate"),
    "i_string_incomplete_surrogate_pair": ("json.single", "json.surrogate"),
    "i_string_incomplete_surrogates_escape_valid": ("json.single", "json.surrogate"),
    "i_string_invalid_lonely_surrogate": ("json.single", "json.surrogate"),
    "i_string_invalid_surrogate": ("json.single", "json.surrogate"),
    "i_string_invalid_utf-8": ("json.utf8", "json.utf8"),
    "i_string_inverted_surrogates_U+1D11E": ("json.single", "json.surrogate"),
    "i_string_iso_latin_1": ("json.utf8", "json.utf8"),
    "i_string_lone_second_surrogate": ("json.single", "json.surrogate"),
    "i_string_lone_utf8_continuation_byte": ("json.utf8", "json.utf8"),
    "i_string_not_in_unicode_range": ("json.utf8", "json.utf8"),
    "i_string_overlong_sequence_2_bytes": ("json.utf8", "json.utf8"),
    "i_string_overlong_sequence_6_bytes": ("json.utf8", "json.utf8"),
    "i_string_overlong_sequence_6_bytes_null": ("json.utf8", "json.utf8"),
    "i_string_truncated-utf-8": ("json.utf8", "json.utf8"),
    "i_string_utf16BE_no_BOM": ("json.utf8", "json.utf8"),
    "i_string_utf16LE_no_BOM": ("json.utf8", "json.utf8"),
    "i_structure_500_nested_arrays": ("json.single", "json.depth"),
    "i_structure_UTF-8_BOM_empty_object": ("json.utf8", "json.syntax"),
}
"""RFC 8259 leaves these free; we refuse all 35."""


def test_i_files(vectors_dir: Path) -> None:
    found = {
        name: (outcome(read_json, data), outcome(read_json, inside(data)))
        for name, data in suite(vectors_dir, "test_parsing", "i_").items()
    }

    assert found == I_OUTCOMES


def test_no_cut_file_of_the_suite_crashes(vectors_dir: Path) -> None:
    for data in suite(vectors_dir, "test_parsing").values():
        if len(data) > 1_000:
            continue
        for cut in range(0, len(data), 3):
            for spoilt in (data[:cut], inside(data[:cut]), inside(data[cut:] + data[:cut])):
                outcome(read_json, spoilt)
                outcome(read_record_json, spoilt)


# -- JSONTestSuite, test_transform --------------------------------------------

TRANSFORM_OUTCOMES: Final = {
    # name: (as it is, inside an object, inside a record)
    "number_-9223372036854775808": ("json.range", "json.range", "json.range"),
    "number_-9223372036854775809": ("json.range", "json.range", "json.range"),
    "number_1.0": ("json.single", "read", "json.integer"),
    "number_1.000000000000000005": ("json.single", "read", "json.integer"),
    "number_1000000000000000": ("json.single", "read", "read"),
    "number_10000000000000000999": ("json.range", "json.range", "json.range"),
    "number_1e-999": ("json.finite", "json.finite", "json.integer"),
    "number_1e6": ("json.single", "read", "json.integer"),
    "number_9223372036854775807": ("json.range", "json.range", "json.range"),
    "number_9223372036854775808": ("json.range", "json.range", "json.range"),
    "object_key_nfc_nfd": ("read", "read", "read"),
    "object_key_nfd_nfc": ("read", "read", "read"),
    "object_same_key_different_values": ("json.duplicate", "json.duplicate", "json.duplicate"),
    "object_same_key_same_value": ("json.duplicate", "json.duplicate", "json.duplicate"),
    "object_same_key_unclear_values": ("json.duplicate", "json.duplicate", "json.duplicate"),
    "string_1_escaped_invalid_codepoint": ("json.single", "json.surrogate", "json.surrogate"),
    "string_1_invalid_codepoint": ("json.utf8", "json.utf8", "json.utf8"),
    "string_2_escaped_invalid_codepoints": ("json.single", "json.surrogate", "json.surrogate"),
    "string_2_invalid_codepoints": ("json.utf8", "json.utf8", "json.utf8"),
    "string_3_escaped_invalid_codepoints": ("json.single", "json.surrogate", "json.surrogate"),
    "string_3_invalid_codepoints": ("json.utf8", "json.utf8", "json.utf8"),
    "string_with_escaped_NULL": ("json.single", "read", "json.character"),
}
TRANSFORMED: Final = {
    "number_1.0": b"[1]",
    "number_1.000000000000000005": b"[1]",
    "number_1000000000000000": b"[1000000000000000]",
    "number_1e6": b"[1000000]",
    "object_key_nfc_nfd": '{"e\u0301":"NFD","\xe9":"NFC"}'.encode(),
    "object_key_nfd_nfc": '{"e\u0301":"NFD","\xe9":"NFC"}'.encode(),
    "string_with_escaped_NULL": rb'["A\u0000B"]',
}


def test_transform_files(vectors_dir: Path) -> None:
    files = suite(vectors_dir, "test_transform")
    outcomes = {
        name: (
            outcome(read_json, data),
            outcome(read_json, inside(data)),
            outcome(read_record_json, inside(data)),
        )
        for name, data in files.items()
    }
    written = {
        name: canonical(read_json(inside(files[name])).value["a"])
        for name, (_, code, _) in outcomes.items()
        if code == "read"
    }

    assert outcomes == TRANSFORM_OUTCOMES
    assert written == TRANSFORMED
