"""SeedSigner, and what every store of seeds has in common."""

import copy
import hashlib
import os
import pickle
from collections.abc import Callable

import nacl.bindings
import pytest

from registry.errors import ConflictError, KeyUnavailableError, MalformedError
from registry.protocol.keys import PublicKey
from registry.signing.memory import MemoryKeyStore
from registry.signing.proof import KEY_TEST_PREFIX, key_test_message, prove_key
from registry.signing.signer import KeyStore, SeedSigner, Signer, public_key_of

SEED = bytes(range(32))
OTHER = bytes(range(1, 33))


@pytest.fixture(name="signer")
def _signer() -> SeedSigner:
    return SeedSigner("lab-v1", SEED, public_key_of(SEED))


@pytest.fixture(name="store")
def _store() -> MemoryKeyStore:
    return MemoryKeyStore("lab.example")


def test_the_first_vector_of_rfc_8032() -> None:
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    key = PublicKey.from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")

    signature = SeedSigner("lab-v1", seed, key)._sign(b"")

    assert signature.hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )


def test_a_signer_is_what_the_seam_asks(signer: Signer, store: KeyStore) -> None:
    assert signer.key_id == "lab-v1"
    assert signer.public_key == public_key_of(SEED)
    assert store.uri == "memory:"
    assert store.check().startswith("memory:")


def test_another_public_half_is_never_signed_with() -> None:
    with pytest.raises(KeyUnavailableError) as refused:
        SeedSigner("lab-v1", SEED, public_key_of(OTHER))

    assert refused.value.code == "key.mismatch"


@pytest.mark.parametrize("seed", [b"", SEED[:31], SEED + b"\0", bytearray(SEED), SEED.hex()])
def test_a_seed_is_32_bytes(seed: bytes) -> None:
    with pytest.raises(MalformedError) as refused:
        public_key_of(seed)

    assert refused.value.code == "seed.length"


def test_no_faulty_signature_leaves(signer: SeedSigner, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = nacl.bindings.crypto_sign

    def faulty(message: bytes, key: bytes) -> bytes:
        signed = bytearray(sound(message, key))
        signed[40] ^= 1
        return bytes(signed)

    monkeypatch.setattr(nacl.bindings, "crypto_sign", faulty)

    with pytest.raises(KeyUnavailableError) as refused:
        signer._sign(b"message")
    assert refused.value.code == "signer.faulty"


def test_a_signer_shows_its_fingerprint_and_nothing_more(signer: SeedSigner) -> None:
    for text in (repr(signer), str(signer), f"{signer}"):
        assert text == f"<SeedSigner lab-v1 {public_key_of(SEED).fingerprint}>"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_signer_is_neither_copied_nor_pickled(signer: SeedSigner, copied: object) -> None:
    with pytest.raises(TypeError, match="neither pickled nor copied"):
        copied(signer)  # type: ignore[operator]


@pytest.mark.parametrize("registry", ["x", "lab.example", "a" * 128])
@pytest.mark.parametrize("key_id", ["abc", "lab-v1", "k" * 64])
def test_the_test_message_is_prefixed_and_never_32_bytes(registry: str, key_id: str) -> None:
    message = key_test_message(registry, key_id)

    assert message.startswith(KEY_TEST_PREFIX)
    assert len(message) > 32


class Odd(SeedSigner):
    """A signer that makes its second signature otherwise."""

    __slots__ = ("calls", "second")

    def __init__(self, second: Callable[[bytes], bytes]) -> None:
        super().__init__("lab-v1", SEED, public_key_of(SEED))
        self.calls = 0
        self.second = second

    def _sign(self, message: bytes) -> bytes:
        self.calls += 1
        return super()._sign(message) if self.calls % 2 else self.second(message)


def with_another_nonce(message: bytes) -> bytes:
    """A signature that verifies and is not the one of RFC 8032 (its r is drawn otherwise)."""
    hashed = hashlib.sha512(SEED).digest()
    scalar = nacl.bindings.crypto_core_ed25519_scalar_reduce(
        bytes([hashed[0] & 248, *hashed[1:31], hashed[31] & 127 | 64]) + bytes(32)
    )
    nonce = nacl.bindings.crypto_core_ed25519_scalar_reduce(bytes(range(64)))
    point = nacl.bindings.crypto_scalarmult_ed25519_base_noclamp(nonce)
    challenge = nacl.bindings.crypto_core_ed25519_scalar_reduce(
        hashlib.sha512(point + public_key_of(SEED).raw + message).digest()
    )
    product = nacl.bindings.crypto_core_ed25519_scalar_mul(challenge, scalar)
    return point + nacl.bindings.crypto_core_ed25519_scalar_add(nonce, product)


def test_a_good_signer_is_proved(signer: SeedSigner) -> None:
    prove_key(signer, "lab.example")


def test_the_other_signature_does_verify() -> None:
    public_key_of(SEED).verify(b"message", with_another_nonce(b"message"))


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (with_another_nonce, "signer.unsteady"),
        (lambda _: bytes(64), "signer.faulty"),
        (lambda m: SeedSigner("x", OTHER, public_key_of(OTHER))._sign(m), "signer.faulty"),
        (lambda _: b"", "signer.faulty"),
    ],
)
def test_a_signer_that_is_not_steady_is_not_proved(
    second: Callable[[bytes], bytes], code: str
) -> None:
    with pytest.raises(KeyUnavailableError) as refused:
        prove_key(Odd(second), "lab.example")

    assert refused.value.code == code


def test_a_forked_child_signs_with_a_seed(signer: SeedSigner) -> None:
    assert signer.forkable
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, signer._sign(b"message"))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        signature = pipe.read()
    os.waitpid(child, 0)

    assert signature == signer._sign(b"message")


def test_what_is_held_is_found(store: MemoryKeyStore) -> None:
    key = store.put("lab-v1", SEED)

    assert store.find("lab-v1") == key
    with pytest.raises(KeyUnavailableError) as refused:
        store.find("lab-v2")
    assert refused.value.code == "key.absent"


def test_a_key_is_kept_opened_and_erased(store: MemoryKeyStore) -> None:
    key = store.put("lab-v1", SEED)
    signer = store.open("lab-v1", key)
    key.verify(b"message", signer._sign(b"message"))
    store.erase("lab-v1")

    assert key == public_key_of(SEED)
    for act in (lambda: store.open("lab-v1", key), lambda: store.erase("lab-v1")):
        with pytest.raises(KeyUnavailableError) as refused:
            act()
        assert refused.value.code == "key.absent"


def test_a_key_id_means_one_key(store: MemoryKeyStore) -> None:
    key = store.put("lab-v1", SEED)

    for seed in (SEED, OTHER):
        with pytest.raises(ConflictError) as refused:
            store.put("lab-v1", seed)
        assert refused.value.code == "key.exists"
    assert store.open("lab-v1", key).public_key == key


@pytest.mark.parametrize("key_id", ["", "ab", "../lab", "Lab-v1", "lab/v1", "lab-v1\n", ".lab"])
def test_key_ids_have_their_form(store: MemoryKeyStore, key_id: str) -> None:
    acts = (
        lambda: store.put(key_id, SEED),
        lambda: store.open(key_id, public_key_of(SEED)),
        lambda: store.erase(key_id),
        lambda: store.find(key_id),
    )
    for act in acts:
        with pytest.raises(MalformedError) as refused:
            act()
        assert refused.value.code == "schema.key_id"


def test_a_memory_store_shows_no_seed(store: MemoryKeyStore) -> None:
    store.put("lab-v1", SEED)

    assert repr(store) == "<MemoryKeyStore lab.example with 1 keys>"
