"""Make the dictionary that documents are packed with: ``python -m benchmarks.dictionary FILE``.

Trained on documents of our own making, in words of our own, and on the events of the published
seed bundle; the same input gives the same bytes with one version of zstandard. A dictionary
that stores were made with never changes: another one gets the next number.
"""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import zstandard
from nacl.signing import SigningKey

from registry import data
from registry.protocol.bundle import Bundle
from registry.protocol.canonical import canonical
from registry.protocol.graph import Paper
from registry.protocol.instant import Instant
from registry.protocol.keys import PublicKey
from registry.protocol.record import Record
from registry.protocol.source import Source
from registry.services.mint import BUILDER_VERSION
from registry.signing.bulk import Issue, sign_records
from registry.signing.mints import MintBatch
from registry.signing.signer import SeedSigner

SIZE = 8 << 10
COUNT = 1500
_WORDS = """
the the the the of of of of and and a a in in to to we is for that with on by an are as this be
from which it can at results show paper model method data using based between these our have
not or has also been new such two one than more their other problem approach study present
system systems function functions field theory quantum energy space time order state states
group groups large number set case general analysis methods models algorithm algorithms network
networks learning deep neural training performance parameters measurements observed proposed
equation equations solution solutions linear non-linear phase spin magnetic mass galaxies star
dark matter emission spectral temperature density distribution random process graph graphs
finite infinite algebra prove bound bounds lower upper complexity optimal estimation control
information structure properties physical interactions particle particles high low different
first second both each under over when where how find found study obtain consider introduce
"""
_CATEGORIES = """
cs.LG cs.AI cs.CV cs.CL math.AP math.CO math.PR math.AG hep-ph hep-th astro-ph.CO astro-ph.GA
quant-ph cond-mat.mtrl-sci cond-mat.str-el gr-qc stat.ML physics.optics eess.SP q-bio.NC
"""
_NAMES = "Wei Li, Maria Garcia, J. Smith, A. Kumar, Yuki Tanaka, Anna Ivanova, P. Müller"
WORDS, CATEGORIES, NAMES = _WORDS.split(), _CATEGORIES.split(), _NAMES.split(", ")
OPENINGS = (
    "We study the ",
    "In this paper, we propose a new ",
    "We present ",
    "We show that ",
    "We introduce a novel approach to ",
    "We consider the problem of ",
    "It is well known that ",
    "Recent work has shown that ",
    "The aim of this work is to ",
    "This paper investigates ",
)
LICENSES = (
    "http://arxiv.org/licenses/nonexclusive-distrib/1.0/",
    "http://arxiv.org/licenses/nonexclusive-distrib/1.0/",
    "http://creativecommons.org/licenses/by/4.0/",
    "http://creativecommons.org/licenses/by-nc-sa/4.0/",
    "",
)


class Chance:
    """The same numbers every time."""

    def __init__(self, seed: int) -> None:
        self.state = hashlib.sha256(seed.to_bytes(8, "big")).digest()

    def below(self, bound: int) -> int:
        """The next, under *bound*."""
        self.state = hashlib.sha256(self.state).digest()
        return int.from_bytes(self.state[:6], "big") % bound

    def one(self, items: "tuple[str, ...] | list[str]") -> str:
        """One of them."""
        return items[self.below(len(items))]


def text(chance: Chance, count: int) -> str:
    """So many words in sentences."""
    words: list[str] = []
    while len(words) < count:
        words += chance.one(OPENINGS).split()
        words += [chance.one(WORDS) for _ in range(8 + chance.below(14))]
        words[-1] += "."
    return " ".join(words)


def documents() -> Iterator[bytes]:
    """Records, events and a bundle's parts, as stores keep them."""
    for number in range(COUNT):
        chance = Chance(number)
        key = SigningKey(hashlib.sha256(bytes([number % 5])).digest())
        name = chance.one(["lab", "registry", "pith"])
        key_id = f"{name}-v{number % 5 + 1}-202{number % 10}-0{number % 9 + 1}"
        signer = SeedSigner(key_id, bytes(key), PublicKey.from_raw(bytes(key.verify_key)))
        registry = f"{chance.one(WORDS)}.{chance.one(['org', 'net', 'edu', 'example'])}"
        abstract, title = text(chance, 60 + chance.below(120)), text(chance, 6).title()
        submitted = Instant(1_200_000_000_000_000 + chance.below(550_000_000) * 1_000_000)
        primary, *others = {chance.one(CATEGORIES): None for _ in range(1 + chance.below(3))}
        place = f"{15 + number % 11}{1 + number % 12:02d}.{1 + chance.below(20_000):05d}"
        record = Record.build(
            source=Source("arxiv", place, 1 + chance.below(3)),
            title=title,
            abstract=abstract,
            license=chance.one(LICENSES),
            primary_cat=primary,
            cross_cats=tuple(others),
            submitted_at=submitted,
        )
        at = Instant(1_780_000_000_000_000 + chance.below(10**14))
        authors = ", ".join(chance.one(NAMES) for _ in range(1 + chance.below(5)))
        batch = MintBatch(signer, registry, builder_version=BUILDER_VERSION)
        batch.read(record.canonical)
        batch.show(Paper(title, abstract, authors))
        (made,) = batch.sign([at])
        assert made is not None
        assert made.shown is not None
        yield record.canonical
        yield made.created
        yield made.shown
        if number % 10 == 0:
            old = f"sha256:{made.created_id.hex()}"
            again = Issue(record.canonical, at, at.plus(days=300), (old,), old)
            yield sign_records(signer, registry, [again], builder_version=BUILDER_VERSION)[0].event
    bundle = Bundle.parse(data.seed_bundle())
    for value in bundle.body.value["events"]:
        yield canonical(value)


def main() -> None:
    """Train it and write it."""
    trained = zstandard.train_dictionary(SIZE, list(documents()), level=3, threads=0, k=1024, d=8)
    Path(sys.argv[1]).write_bytes(trained.as_bytes())


if __name__ == "__main__":
    main()
