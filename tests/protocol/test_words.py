"""Digests as words."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.protocol.words import WORDS, word_lines
from tests.protocol.refusals import refused


def distance(one: str, other: str) -> int:
    """How many letters must be put in, left out or changed to make one word the other."""
    above = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (a != b)))
        above = row
    return above[-1]


def test_every_byte_has_a_word_of_its_own() -> None:
    assert len(set(WORDS)) == len(WORDS) == 256
    assert list(WORDS) == sorted(WORDS)


def test_words_are_short_and_plain() -> None:
    for word in WORDS:
        assert word.isascii()
        assert word.isalpha()
        assert word.islower()
        assert 4 <= len(word) <= 8


def test_the_first_four_letters_tell_a_word() -> None:
    assert len({word[:4] for word in WORDS}) == 256


def test_no_two_words_are_near_each_other() -> None:
    near = [(a, b) for a, b in combinations(WORDS, 2) if distance(a, b) < 3]

    assert near == []
    assert distance("amber", "ember") == 1
    assert distance("river", "raven") == 2


@given(st.binary(min_size=32, max_size=32))
def test_words_lead_back_to_the_digest(digest: bytes) -> None:
    lines = word_lines(digest)

    assert [len(line.split(" ")) for line in lines] == [4] * 8
    assert bytes(map(WORDS.index, " ".join(lines).split(" "))) == digest


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_words_stand_for_32_bytes(length: int) -> None:
    with refused("words.length"):
        word_lines(bytes(length))
