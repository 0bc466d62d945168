"""Shares of a seed: any threshold of them give it, fewer or others give nothing."""

import hashlib
import pickle
import re
import subprocess
from itertools import combinations, product
from pathlib import Path

import pytest
import shamir_mnemonic
from shamir_mnemonic.wordlist import WORDLIST

from registry.errors import KeyUnavailableError, PithError
from registry.protocol.keys import PublicKey
from registry.signing.file_store import FileKeyStore
from registry.signing.memory import MemoryKeyStore
from registry.signing.passphrase import Passphrase
from registry.signing.share_paper import Label, Paper, paper_text, parse_paper, sheet
from registry.signing.shares import (
    Share,
    parse_share,
    put_back,
    rebuild,
    split,
    wrong_words,
)
from tests.cli.lab import CHEAP
from tests.parts import needs

REGISTRY = "lab.example"
KEY = "lab-v1-2026-11"
SEED = hashlib.sha256(b"a seed of the tests").digest()
# Published with SLIP-39: 16 bytes, and 32 bytes, each a share of one.
SHORT = (
    "duckling enlarge academic academic agency result length solution fridge kidney coal piece "
    "deal husband erode duke ajar critical decision keyboard"
)
ALONE = (
    "theory painting academic academic armed sweater year military elder discuss acne wildlife "
    "boring employer fused large satoshi bundle carbon diagnose anatomy hamster leaves tracks "
    "paces beyond phantom capital marvel lips brave detect luck"
)


def store_of(seed: bytes = SEED) -> tuple[MemoryKeyStore, PublicKey]:
    """A store with one key."""
    store = MemoryKeyStore(REGISTRY)
    return store, store.put(KEY, seed)


def shares_of(seed: bytes = SEED, threshold: int = 3, count: int = 5) -> tuple[Share, ...]:
    """Shares of a seed."""
    store, key = store_of(seed)
    return split(store, KEY, key, threshold=threshold, count=count)


def refused(act: object, *arguments: object) -> str:
    """The code by which a call is refused, whose message holds no word of a share."""
    with pytest.raises(PithError) as error:
        act(*arguments)  # type: ignore[operator]
    assert not isinstance(error.value.__context__, shamir_mnemonic.MnemonicError)
    return error.value.code


def test_any_three_of_five_give_the_key_and_no_two_do() -> None:
    store, key = store_of()
    shares = split(store, KEY, key, threshold=3, count=5)

    for chosen in combinations(shares, 3):
        assert rebuild(chosen) == key
        assert shamir_mnemonic.combine_mnemonics([share.words for share in chosen]) == SEED
    for chosen in combinations(shares, 2):
        assert refused(rebuild, chosen) == "shares.few"
    for chosen in combinations(shares, 4):
        assert rebuild(chosen) == key
    assert refused(rebuild, ()) == "shares.few"


@pytest.mark.parametrize(("threshold", "count"), list(product((2, 3, 5, 16), (2, 3, 7, 16))))
def test_every_way_to_share(threshold: int, count: int) -> None:
    if threshold > count:
        assert refused(shares_of, SEED, threshold, count) == "shares.number"
        return
    shares = shares_of(SEED, threshold, count)

    assert [share.number for share in shares] == list(range(1, count + 1))
    assert {share.threshold for share in shares} == {threshold}
    assert len({share.set_id for share in shares}) == 1
    assert rebuild(shares[-threshold:]) == store_of()[1]
    assert rebuild(tuple(reversed(shares))) == store_of()[1]


@pytest.mark.parametrize(("threshold", "count"), [(1, 1), (1, 5), (0, 3), (-1, 3), (2, 17), (6, 5)])
def test_no_way_to_share(threshold: int, count: int) -> None:
    assert refused(shares_of, SEED, threshold, count) == "shares.number"


def test_a_share_is_its_words() -> None:
    for share in shares_of():
        assert parse_share(share.words) == share
        assert parse_share(f"  {share.words.upper()}\n".replace(" ", " \n ")) == share
        assert share.words not in repr(share)
        with pytest.raises(TypeError):
            pickle.dumps(share)


def test_the_list_of_words_is_the_published_one() -> None:
    text = "".join(f"{word}\n" for word in WORDLIST)

    assert hashlib.sha256(text.encode()).hexdigest() == (
        "bcc4555340332d169718aed8bf31dd9d5248cb7da6e5d355140ef4f1e601eec3"
    )
    assert len({word[:4] for word in WORDLIST}) == 1024


def test_published_shares_of_other_kinds() -> None:
    assert refused(parse_share, SHORT) == "share.length"
    assert refused(parse_share, ALONE) == "share.groups"
    grouped = shamir_mnemonic.generate_mnemonics(2, [(2, 3), (2, 3)], SEED)
    assert refused(parse_share, grouped[0][0]) == "share.groups"


@pytest.mark.parametrize("place", [0, 4, 20, 32])
def test_a_wrong_word(place: int) -> None:
    words = shares_of()[0].words.split()
    right = words[place]
    words[place] = WORDLIST[(WORDLIST.index(right) + 1) % 1024]
    assert refused(parse_share, " ".join(words)) == "share.checksum"

    words[place] = f"{right[:4]}xx"
    assert refused(parse_share, " ".join(words)) == "share.word"
    assert wrong_words(" ".join(words)) == {place + 1: (right,)}
    with pytest.raises(PithError, match=f"number {place + 1}$"):
        parse_share(" ".join(words))


def test_words_that_are_missing_or_changed_places() -> None:
    words = shares_of()[0].words.split()
    swapped = [*words[:10], words[11], words[10], *words[12:]]

    assert refused(parse_share, " ".join(words[1:])) == "share.length"
    assert refused(parse_share, " ".join([*words, "zero"])) == "share.length"
    assert refused(parse_share, "") == "share.length"
    assert swapped == words or refused(parse_share, " ".join(swapped)) == "share.checksum"
    assert wrong_words("acdemic academic qqqqqq") == {
        1: ("academic", "ceramic", "epidemic"),
        3: (),
    }


def test_shares_that_are_not_of_one_set_or_come_twice() -> None:
    first, second = shares_of(), shares_of()
    while first[0].set_id == second[0].set_id:
        second = shares_of()

    assert refused(rebuild, [*first[:2], second[2]]) == "shares.set"
    assert refused(rebuild, [*first[:2], first[1]]) == "shares.repeated"


def test_shares_that_only_look_like_one_set() -> None:
    """The same set number by chance: the digest within the shares tells them apart."""
    first, second = shares_of(), shares_of(b"\1" * 32)
    mnemonic = shamir_mnemonic.share.Share.from_mnemonic(second[2].words)
    fields = {name: getattr(mnemonic, name) for name in mnemonic.__dataclass_fields__}
    alike = parse_share(type(mnemonic)(**fields | {"identifier": first[0].set_id}).mnemonic())

    assert refused(rebuild, [*first[:2], alike]) == "shares.digest"
    assert refused(rebuild, [first[0], first[1], alike, first[4]]) == "shares.digest"


def test_a_share_that_disagrees_with_enough_others() -> None:
    """More shares than are needed: the one that is wrong is not passed over."""
    first = shares_of()
    last = shamir_mnemonic.share.Share.from_mnemonic(first[4].words)
    fields = {name: getattr(last, name) for name in last.__dataclass_fields__}
    spoilt = parse_share(type(last)(**fields | {"value": bytes(32)}).mnemonic())

    assert refused(rebuild, [*first[:4], spoilt]) == "shares.digest"


def test_another_key_is_kept_nowhere() -> None:
    _, key = store_of()
    target = MemoryKeyStore(REGISTRY)

    assert refused(put_back, shares_of(b"\1" * 32)[:3], KEY, key, target) == "shares.key"
    with pytest.raises(KeyUnavailableError):
        target.open(KEY, key)


def test_a_passphrase_of_another_tool_gives_another_key() -> None:
    _, key = store_of()
    (made,) = shamir_mnemonic.generate_mnemonics(1, [(2, 3)], SEED, b"TREZOR")
    shares = [parse_share(words) for words in made]

    assert rebuild(shares) != key
    assert refused(put_back, shares, KEY, key, MemoryKeyStore(REGISTRY)) == "shares.key"


def test_back_into_an_encrypted_file(tmp_path: Path) -> None:
    secret = tmp_path / "words"
    secret.touch(mode=0o600)
    secret.write_text("right")
    passphrase = Passphrase(f"file:{secret}")
    _, key = store_of()
    target = FileKeyStore(REGISTRY, tmp_path / "keys", passphrase, cost=CHEAP)
    shares = shares_of()

    put_back(shares[1:4], KEY, key, target)
    put_back(shares[2:5], KEY, key, target)

    assert target.open(KEY, key).public_key == key
    again = split(target, KEY, key, threshold=2, count=2)
    assert rebuild(again) == key


def test_a_place_that_is_taken_by_another_key() -> None:
    _, key = store_of()
    target, _ = store_of(b"\1" * 32)

    with pytest.raises(PithError) as error:
        put_back(shares_of(), KEY, key, target)
    assert error.value.code == "key.mismatch"


def test_a_store_that_gives_no_seed_out() -> None:
    _, key = store_of()

    class Token:
        """What signs with keys that it never shows."""

        uri = "pkcs11:token=pith"

    with pytest.raises(KeyUnavailableError) as error:
        split(Token(), KEY, key, threshold=2, count=3)  # type: ignore[arg-type]
    assert error.value.code == "keystore.elsewhere"


def test_a_store_that_gives_another_seed_out() -> None:
    store, _ = store_of(b"\1" * 32)
    _, key = store_of()

    with pytest.raises(KeyUnavailableError) as error:
        split(store, KEY, key, threshold=2, count=3)
    assert error.value.code == "key.mismatch"


def test_a_library_that_computes_wrongly_is_found_before_anything_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each share is whole, but one lies on another polynomial."""
    real = shamir_mnemonic.generate_mnemonics

    def faulty(*arguments: object) -> list[list[str]]:
        (made,) = real(*arguments)
        share = shamir_mnemonic.share.Share.from_mnemonic(made[4])
        fields = {name: getattr(share, name) for name in share.__dataclass_fields__}
        value = bytes([share.value[0] ^ 1]) + share.value[1:]
        return [[*made[:4], type(share)(**fields | {"value": value}).mnemonic()]]

    monkeypatch.setattr(shamir_mnemonic, "generate_mnemonics", faulty)

    assert refused(shares_of) in ("shares.digest", "shares.faulty")


# -- on paper ------------------------------------------------------------------


def papers(count: int = 5) -> list[Paper]:
    """The shares of a key with their labels."""
    store, key = store_of()
    label = Label(KEY, REGISTRY, key, count, "2026-11-22")
    return [Paper(share, label) for share in split(store, KEY, key, threshold=3, count=count)]


def test_a_paper_is_read_as_it_was_written() -> None:
    for paper in papers():
        assert parse_paper(paper_text(paper)) == paper
        assert parse_paper(paper.share.words) == Paper(paper.share)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("share 1 of 5", "share 2 of 5", "share.label"),
        ("any 3 of", "any 2 of", "share.label"),
        ("share 1 of 5", "share 01 of 5", "share.form"),
        ("any 3", "any three", "share.form"),
        ("2026-11-22", "2026-02-30", "instant.form"),
        ("lab.example", "lab..\u00e9", "schema.name"),
        ("fingerprint ", "fingerprint 00", "share.form"),
        ("restore the key\n", "restore the key\nand more\n", "share.form"),
        ("key         lab", "key         LAB", "schema.key_id"),
        ("public key  ", "public key  00", "schema.hex"),
    ],
)
def test_a_paper_that_was_changed(old: str, new: str, code: str) -> None:
    text = paper_text(papers()[0])
    assert old in text

    assert refused(parse_paper, text.replace(old, new, 1)) == code


def test_a_fingerprint_of_another_key_on_a_paper() -> None:
    text = paper_text(papers()[0])
    changed = re.sub("fingerprint [0-9a-f]{32}", f"fingerprint {'0' * 32}", text)

    assert refused(parse_paper, changed) == "share.form"
    assert refused(parse_paper, text + "\n") == "share.form"


def test_a_sheet_has_a_page_a_share_and_loads_nothing() -> None:
    made = papers()
    text = sheet(made)

    assert text.count("<section>") == 5
    for paper in made:
        words = "".join(f"<li>{word}</li>" for word in paper.share.words.split())
        assert words in text
    assert "default-src 'none'" in text
    assert not re.search(r"(src|href)=", text)
    assert text.count(made[0].label.public_key.hex if made[0].label else "-") == 5


def test_the_qr_code_of_a_sheet_is_read_by_another_program(tmp_path: Path) -> None:
    needs("zbarimg", "rsvg-convert")
    made = papers()
    drawings = re.findall("<svg.*?</svg>", sheet(made), re.DOTALL)
    assert len(drawings) == 5
    for paper, drawing in zip(made, drawings, strict=True):
        file = tmp_path / "code.png"
        named = drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
        convert = ["rsvg-convert", "-w", "600", "-h", "600", "-b", "white", "-o", str(file)]
        subprocess.run(convert, input=named.encode(), check=True, timeout=20)
        read = ["zbarimg", "-q", "--raw", "--nodbus", str(file)]
        found = subprocess.run(read, capture_output=True, text=True, timeout=20)
        assert parse_share(found.stdout) == paper.share, found.stderr
