"""Documents at rest: packed with zstandard and a dictionary that the package ships.

The first byte of a stored document says how it is packed: ``{`` that it stands as it is, any
other the number of the dictionary, after which comes a zstandard frame with a checksum. A
dictionary never changes once stores were made with it; every store has those it may use in its
table ``meta``, in base64, so that it can be read without this package. What is hashed or signed
is what `unpack` gives.
"""

import base64
from functools import cache
from typing import Any, Final

from registry import data
from registry.errors import StoreError
from registry.protocol.strict_json import LARGE

NUMBER: Final = 1
"""The dictionary that documents are packed with now."""
LEVEL: Final = 1
_PLAIN: Final = ord("{")
_LAST: Final = 31


def pack(body: bytes) -> bytes:
    """A document, which is a JSON object, as it is stored."""
    packed = bytes(_packer().compress(body))
    return bytes([NUMBER]) + packed if len(packed) < len(body) else body


def unpack(stored: bytes) -> bytes:
    """The document that was stored, byte for byte.

    Raises StoreError ``store.damaged`` where it cannot be unpacked or would be larger than any
    document may be, and ``store.newer`` for a dictionary that came later.
    """
    kind = stored[0] if type(stored) is bytes and stored else 0
    if kind == _PLAIN:
        return stored
    if kind != NUMBER:
        raise StoreError(
            f"a stored document is packed in a way that is not known here ({kind})",
            code="store.newer" if NUMBER < kind <= _LAST else "store.damaged",
            hint="use a newer pith; if there is none, restore the database from a backup",
        )
    try:
        library, frame = _library(), stored[1:]
        if not 0 < library.frame_content_size(frame) <= LARGE.max_bytes:
            raise library.ZstdError("it says no size, or too large a one")
        return bytes(_unpacker().decompress(frame, allow_extra_data=False))
    except _library().ZstdError as error:
        raise StoreError(
            f"a stored document cannot be unpacked: {error}",
            code="store.damaged",
            hint="restore the database from a backup",
        ) from None


def explanations() -> dict[str, str]:
    """What a store says of the dictionaries it may use: names and values for ``meta``."""
    return {f"dictionary {NUMBER}": base64.b64encode(data.dictionary(NUMBER)).decode()}


@cache
def _library() -> Any:
    import zstandard

    return zstandard


@cache
def _packer() -> Any:
    library = _library()
    words = library.ZstdCompressionDict(data.dictionary(NUMBER))
    words.precompute_compress(level=LEVEL)
    return library.ZstdCompressor(
        level=LEVEL, dict_data=words, write_checksum=True, write_dict_id=False
    )


@cache
def _unpacker() -> Any:
    library = _library()
    return library.ZstdDecompressor(dict_data=library.ZstdCompressionDict(data.dictionary(NUMBER)))
