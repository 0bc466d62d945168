"""Edwards25519 in plain integers, slow and short: a second opinion for the tests.

Written from RFC 8032 section 5.1 alone, so that no constant of the code under
test stands in what judges it.
"""

from functools import lru_cache
from typing import Final, TypeAlias

P: Final = 2**255 - 19
L: Final = 2**252 + 27742317777372353535851937790883648493
D: Final = -121665 * pow(121666, -1, P) % P

Point: TypeAlias = tuple[int, int]
IDENTITY: Final[Point] = (0, 1)


def add(a: Point, b: Point) -> Point:
    """The sum of two points of the curve, by the complete law."""
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P
    y = (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P
    return x, y


def times(n: int, point: Point) -> Point:
    """*n* times *point*."""
    total = IDENTITY
    while n:
        if n & 1:
            total = add(total, point)
        point = add(point, point)
        n >>= 1
    return total


def encode(point: Point) -> bytes:
    """The one canonical encoding."""
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode(raw: bytes) -> Point | None:
    """The point of an encoding read leniently: y at or above p, and -0, are taken."""
    number = int.from_bytes(raw, "little")
    sign, y = number >> 255, (number & (1 << 255) - 1) % P
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square:
        return None
    return (P - x if x & 1 != sign and x else x), y


@lru_cache(maxsize=4096)
def is_canonical_main_subgroup(raw: bytes) -> bool:
    """32 bytes that encode, canonically, a point of order exactly L."""
    point = decode(raw) if len(raw) == 32 else None
    if point is None or encode(point) != raw or point == IDENTITY:
        return False
    return times(L, point) == IDENTITY


def torsion_points() -> list[Point]:
    """The eight points whose order divides 8, made from the first point that gives all."""
    for y in range(2, 100):
        point = decode(y.to_bytes(32, "little"))
        if point is None:
            continue
        generator = times(L, point)
        multiples = [times(n, generator) for n in range(8)]
        if len(set(multiples)) == 8:
            return multiples
    raise AssertionError("no generator of the torsion group found")


def encodings(point: Point) -> set[bytes]:
    """Every 32-byte string that a lenient decoder takes for *point*."""
    x, y = point
    numbers = {y, y + P} if y + P < 2**255 else {y}
    signs = {x & 1} if x else {0, 1}
    return {(n | s << 255).to_bytes(32, "little") for n in numbers for s in signs}
