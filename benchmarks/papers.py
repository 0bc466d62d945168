"""Papers of our own making to mint: as many as wanted, each as the line of a file."""

import hashlib
from collections.abc import Iterator

_LINE = (
    '{{"metadata":{{"abstract_canon_sha256":"{abstract}","cross_cats_sorted":["cs.IR","math.CO"],'
    '"license":"http://creativecommons.org/licenses/by/4.0/","primary_cat":"cs.DL",'
    '"submitted_at":"2024-01-01T12:00:00Z","title_canon_sha256":"{title}"}},'
    '"schema_version":"1.0","source":{{"id":"{year:02d}{month:02d}.{place:05d}",'
    '"kind":"arxiv","version":1}}}}'
)
_WORDS = """
the of and to in a is that for we with on by as are this from which be an can at it or these
survey stellar catalogue redshift halo cluster plasma laser photon cavity qubit lattice boson
fermion gauge vacuum brane inflation neutrino collider decay jet trigger detector calorimeter
manifold sheaf cohomology scheme torsion lemma conjecture prime integer polynomial operator
semigroup spectrum eigenvalue kernel estimator prior posterior likelihood regression bandit
policy reward agent robot vision image segmentation token transformer corpus translation query
index cache compiler protocol channel capacity codeword interference antenna beamforming
protein genome cell tissue epidemic market price volatility portfolio crystal alloy polymer
colloid vortex turbulence viscosity wave soliton seismic climate ocean aerosol
"""
_VOCABULARY = _WORDS.split()


def _sentence(seed: str, count: int) -> str:
    picks = hashlib.shake_128(seed.encode()).digest(2 * count)
    words = [
        _VOCABULARY[int.from_bytes(picks[i : i + 2], "big") % len(_VOCABULARY)]
        for i in range(0, 2 * count, 2)
    ]
    return " ".join(words).capitalize() + "."


ABSTRACTS = 1000
_ABSTRACTS = [
    " ".join(_sentence(f"{i}.{j}", 12 + (i + j) % 9) for j in range(9)) for i in range(ABSTRACTS)
]
_SHA256 = [hashlib.sha256(text.lower().encode()).hexdigest() for text in _ABSTRACTS]


def title(number: int) -> str:
    """The title of one paper."""
    return f"On the Name of the Paper with the Number {number}"


def abstract(number: int) -> str:
    """The abstract of one, about 1,000 characters; the same for every thousandth."""
    return _ABSTRACTS[number % ABSTRACTS]


def line(number: int) -> bytes:
    """One paper's canonical record."""
    month, place = divmod(number, 99_999)
    text = _LINE.format(
        abstract=_SHA256[number % ABSTRACTS],
        title=hashlib.sha256(title(number).lower().encode()).hexdigest(),
        year=15 + month // 12,
        month=month % 12 + 1,
        place=place + 1,
    )
    return text.encode()


def lines(count: int) -> Iterator[bytes]:
    """The first so many."""
    return map(line, range(count))
