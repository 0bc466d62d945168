"""Documents at rest: they come back to the byte, and nothing comes back that is not one."""

import base64
from pathlib import Path

import apsw
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from registry import data
from registry.errors import StoreError
from registry.protocol.canonical import canonical
from registry.protocol.strict_json import LARGE
from registry.services.mint import mint
from registry.store.packing import NUMBER, pack, unpack
from tests.services.registry import RECORD, START, World

WORDS = zstandard.ZstdCompressionDict(data.dictionary(NUMBER))
KIND = bytes([NUMBER])

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(st.text(), values, max_size=4))
def test_what_is_packed_comes_back(value: dict[str, object]) -> None:
    body = canonical(value)

    packed = pack(body)

    assert unpack(packed) == body
    assert len(packed) <= len(body)


def test_a_record_takes_less_than_half() -> None:
    packed = pack(RECORD.canonical)

    assert packed[0] == NUMBER
    assert len(packed) < len(RECORD.canonical) / 2


def test_what_packing_makes_no_smaller_stands_as_it_is() -> None:
    assert pack(b"{}") == b"{}"


def frame(body: bytes, **options: bool) -> bytes:
    """A frame with our dictionary."""
    return zstandard.ZstdCompressor(dict_data=WORDS, **options).compress(body)


SIZE = (70_000).to_bytes(4, "little")
DAMAGED = {
    "nothing": b"",
    "no frame": KIND,
    "cut": pack(RECORD.canonical)[:-1],
    "longer": pack(RECORD.canonical) + b"x",
    "not a frame": KIND + b"{}",
    "no size": KIND + frame(b"{}" * 99, write_content_size=False),
    "too large": KIND + frame(b" " * (LARGE.max_bytes + 1)),
    "another size": KIND + frame(b" " * 70_000).replace(SIZE, (69_999).to_bytes(4, "little")),
    "zero": b"\x00{}",
    "text": b"[]",
}


@pytest.mark.parametrize("stored", DAMAGED.values(), ids=DAMAGED)
def test_what_is_no_packed_document_is_a_damaged_store(stored: bytes) -> None:
    with pytest.raises(StoreError) as caught:
        unpack(stored)

    assert caught.value.code == "store.damaged"


def test_no_flipped_bit_of_a_packed_document_gives_another_one() -> None:
    packed = pack(RECORD.canonical)
    seen = set()
    for place in range(8, 8 * len(packed)):
        flipped = bytearray(packed)
        flipped[place // 8] ^= 1 << place % 8
        try:
            assert unpack(bytes(flipped)) == RECORD.canonical  # a bit of a frame means nothing
        except StoreError as error:
            seen.add(error.code)

    assert seen == {"store.damaged"}


@pytest.mark.parametrize("stored", ["{}", 5, 1.5, None])
def test_what_is_no_blob_is_a_damaged_store(stored: object) -> None:
    with pytest.raises(StoreError) as caught:
        unpack(stored)  # type: ignore[arg-type]

    assert caught.value.code == "store.damaged"


def test_the_largest_document_there_may_be_is_unpacked() -> None:
    body = b'{"a":"' + b" " * (LARGE.max_bytes - 8) + b'"}'

    assert unpack(pack(body)) == body


def test_a_dictionary_that_came_later_is_named_as_such() -> None:
    with pytest.raises(StoreError) as caught:
        unpack(bytes([NUMBER + 1]) + frame(b"{}"))

    assert caught.value.code == "store.newer"


def test_every_store_explains_itself(tmp_path: Path) -> None:
    """The dictionary it names is the one that is shipped, and opens what it holds."""
    world = World(tmp_path / "home").begin()
    desk = world.desk()
    mint(desk, desk.signer(START), [RECORD], at=START)
    desk.store.close()
    database = apsw.Connection(str(world.config.store_path))
    ((told,),) = database.execute(
        "SELECT value FROM meta WHERE name = ?", (f"dictionary {NUMBER}",)
    )
    ((stored,),) = database.execute("SELECT body FROM records")
    database.close()

    words = zstandard.ZstdCompressionDict(base64.b64decode(told))
    assert words.as_bytes() == data.dictionary(NUMBER)
    plain = zstandard.ZstdDecompressor(dict_data=words).decompress(stored[1:])
    assert plain == RECORD.canonical
