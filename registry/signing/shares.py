"""A seed split into SLIP-39 shares, and put together again: the only place that takes a
seed out of the store that keeps it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, NoReturn

from registry.errors import (
    ConflictError,
    KeyUnavailableError,
    MalformedError,
    MismatchError,
    UsageError,
)
from registry.protocol import schema
from registry.protocol.keys import PublicKey
from registry.signing.seed_store import SeedStore
from registry.signing.signer import SEED_LENGTH, KeyStore, SeedSigner, public_key_of

WORDS: Final = 33
"""Words in a share of a 32-byte seed."""
MAX_SHARES: Final = 16
_PREFIX: Final = 4
"""No two words of the list have so many first letters in common."""


@dataclass(frozen=True, slots=True, repr=False)
class Share:
    """One share: its words, and what they say of themselves.

    ``set_id`` is common to the shares made at one time; ``number`` counts from 1.
    Whose key it is stands in none of them.
    """

    words: str
    set_id: int
    number: int
    threshold: int

    def __repr__(self) -> str:
        return f"<Share {self.number} of set {self.set_id}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a share holds a part of a private key: it is neither pickled nor copied")


def parse_share(text: str) -> Share:
    """Read the words of one share, in either case, however they are spaced.

    Raises MalformedError ``share.length``, ``share.word``, ``share.checksum`` and
    ``share.groups``. No message holds a word of it.
    """
    words = text.lower().split()
    if len(words) != WORDS:
        raise MalformedError(
            f"a share of a pith key has {WORDS} words, this has {len(words)}",
            code="share.length",
            hint="a word is missing or there is one too many, or it is a share of something else",
        )
    if wrong := wrong_words(text):
        count = "a word is" if len(wrong) == 1 else f"{len(wrong)} words are"
        raise MalformedError(
            f"{count} not in the SLIP-39 list: number {', '.join(map(str, wrong))}",
            code="share.word",
            hint="compare it with the paper; on a terminal, the nearest words are shown there",
        )
    from shamir_mnemonic.share import Share as Mnemonic

    found = _told(lambda: Mnemonic.from_mnemonic(" ".join(words)))
    if found is None:
        raise MalformedError(
            "the checksum of the share is wrong: it has a wrong word, or two that changed places",
            code="share.checksum",
            hint="compare it word by word with the paper",
        )
    if (found.group_count, found.group_threshold) != (1, 1) or found.member_threshold < 2:
        raise MalformedError(
            "the share is of a backup in groups, or of one share alone: pith makes neither",
            code="share.groups",
            hint="it is a share of something else",
        )
    return Share(" ".join(words), found.identifier, found.index + 1, found.member_threshold)


def wrong_words(text: str) -> dict[int, tuple[str, ...]]:
    """The places, from 1, of words that no share has, each with the words it may stand for."""
    known = _extra().wordlist.WORDLIST
    return {
        place: tuple(_nearest(word, known))
        for place, word in enumerate(text.lower().split(), start=1)
        if word not in known
    }


def _nearest(word: str, known: Sequence[str]) -> list[str]:
    same = [each for each in known if len(word) >= _PREFIX and each[:_PREFIX] == word[:_PREFIX]]
    return same or get_close_matches(word, known, n=3, cutoff=0.6)


def split(
    store: KeyStore, key_id: str, public_key: PublicKey, *, threshold: int, count: int
) -> tuple[Share, ...]:
    """The seed of a key as *count* shares, any *threshold* of which give it back.

    They are put together again first: each run of neighbouring shares, round the end,
    must give the seed. Neighbouring runs have all but one share in common, so the
    shares lie on one polynomial, and every other choice gives the seed too. Raises
    UsageError ``shares.number``, KeyUnavailableError ``keystore.elsewhere`` where no
    seed is kept, ``shares.faulty``, and what `KeyStore.open` raises.
    """
    if not 2 <= threshold <= count <= MAX_SHARES:
        raise UsageError(
            f"{threshold} of {count} is no way to share a key",
            code="shares.number",
            hint=f"a threshold of at least 2, and at most {MAX_SHARES} shares: "
            "--threshold 3 --of 5",
        )
    if not isinstance(store, SeedStore):
        raise KeyUnavailableError(
            f"{store.uri} gives no seed out: {key_id} cannot be split",
            code="keystore.elsewhere",
            hint="a key in an agent or on a token is backed up with its own tools; "
            "shares are made of keys in keyring: and file:",
        )
    library = _extra()
    seed = store._read(schema.key_id(key_id, ""))
    SeedSigner(key_id, seed, public_key)
    (mnemonics,) = library.generate_mnemonics(1, [(threshold, count)], seed)
    shares = tuple(parse_share(each) for each in mnemonics)
    _check_runs(shares, seed)
    return shares


def _check_runs(shares: Sequence[Share], seed: bytes) -> None:
    for run in _runs(shares):
        with _combined(run) as found:
            if bytes(found) != seed:
                raise KeyUnavailableError(
                    "the shares do not give the key back",
                    code="shares.faulty",
                    hint="none was shown; this machine computes wrongly, stop using it",
                )


def _runs(shares: Sequence[Share]) -> Iterator[tuple[Share, ...]]:
    """Each threshold of neighbouring shares, round the end."""
    threshold, count = shares[0].threshold, len(shares)
    starts = range(count) if count > threshold else (0,)
    for start in starts:
        yield tuple(shares[(start + i) % count] for i in range(threshold))


def rebuild(shares: Sequence[Share]) -> PublicKey:
    """The public key of what the shares give, which is forgotten at once.

    Of more shares than are wanted, every one is used. Raises what `check_together`
    raises, KeyUnavailableError ``shares.few``, and MismatchError ``shares.digest`` when
    they do not fit.
    """
    with _seed_of(shares) as seed:
        return public_key_of(bytes(seed))


def put_back(shares: Sequence[Share], key_id: str, public_key: PublicKey, target: KeyStore) -> None:
    """Keep the key that the shares give in a key store, once it is the one expected.

    A copy that an interrupted call left there is taken when it is the same key.
    Raises what `rebuild` raises, MismatchError ``shares.key`` for another key, and
    what `KeyStore.put` and `open` raise.
    """
    with _seed_of(shares) as seed:
        check_key(public_key_of(bytes(seed)), key_id, public_key)
        try:
            target.put(key_id, bytes(seed))
        except ConflictError:
            target.open(key_id, public_key)


def check_key(found: PublicKey, key_id: str, public_key: PublicKey) -> None:
    """Raise MismatchError ``shares.key`` when shares gave another key than was noted."""
    if found != public_key:
        raise MismatchError(
            f"the shares give the key {found.fingerprint}, not {key_id} ({public_key.fingerprint})",
            code="shares.key",
            hint="they are of another key, or were made with a passphrase; nothing was kept",
        )


def check_together(shares: Sequence[Share]) -> None:
    """Whether shares are of one set, and no one twice: MismatchError ``shares.set``,
    UsageError ``shares.repeated``."""
    for share in shares:
        first = shares[0]
        if (share.set_id, share.threshold) != (first.set_id, first.threshold):
            raise MismatchError(
                f"share {share.number} is of set {share.set_id}, "
                f"share {first.number} of set {first.set_id}",
                code="shares.set",
                hint="only shares that were made together give a key: take those of one set",
            )
    numbers = [share.number for share in shares]
    for number in numbers:
        if numbers.count(number) > 1:
            raise UsageError(
                f"share {number} is given twice", code="shares.repeated", hint="give another"
            )


def _check_enough(shares: Sequence[Share]) -> None:
    if not shares or len(shares) < shares[0].threshold:
        wanted = f"{shares[0].threshold} shares" if shares else "shares"
        raise KeyUnavailableError(
            f"{len(shares)} of the {wanted} that are needed",
            code="shares.few",
            hint="give more shares of the same set; fewer say nothing of the key",
        )


@contextmanager
def _seed_of(shares: Sequence[Share]) -> Iterator[bytearray]:
    """The seed that shares give; with more than enough, all of them must agree."""
    check_together(shares)
    _check_enough(shares)
    runs = list(_runs(sorted(shares, key=lambda share: share.number)))
    with _combined(runs[0]) as seed:
        for run in runs[1:]:
            with _combined(run) as other:
                if other != seed:
                    raise _unfit()
        yield seed


@contextmanager
def _combined(shares: Sequence[Share]) -> Iterator[bytearray]:
    """What exactly enough shares give, overwritten afterwards as far as Python lets: the
    library's own copies are only dropped."""
    library = _extra()
    found = _told(lambda: library.combine_mnemonics([share.words for share in shares]))
    if found is None or len(found) != SEED_LENGTH:
        raise _unfit()
    seed = bytearray(found)
    del found
    try:
        yield seed
    finally:
        seed[:] = bytes(len(seed))


def _unfit() -> MismatchError:
    return MismatchError(
        "the shares do not fit together",
        code="shares.digest",
        hint="each is a share, but not all are of one key: take those that were made together",
    )


def _told(act: Any) -> Any:
    """What *act* returns, or None where the library refuses: what its exceptions say holds
    words of the share, so they end here."""
    from shamir_mnemonic import MnemonicError

    try:
        return act()
    except MnemonicError:
        return None


def _extra() -> Any:
    """The SLIP-39 library; KeyUnavailableError ``shares.extra`` where it is not installed."""
    try:
        import shamir_mnemonic
        import shamir_mnemonic.wordlist
    except ImportError:
        raise KeyUnavailableError(
            "shares need the package shamir-mnemonic",
            code="shares.extra",
            hint="install pith with its extra: pip install 'pith-registry[backup]'",
        ) from None
    return shamir_mnemonic
