"""What signs, and what keeps the 32-byte seeds it signs with (protocol.md 9.2, 9.6)."""

from typing import Final, NoReturn, Protocol

from nacl.bindings import crypto_sign
from nacl.signing import SigningKey

from registry.errors import KeyUnavailableError, MalformedError, VerificationError
from registry.protocol.ed25519 import SIGNATURE_LENGTH
from registry.protocol.keys import PublicKey

SEED_LENGTH: Final = 32


class Signer(Protocol):
    """One private key, ready to sign.

    `_sign` is for `registry.signing.documents`, which checks the schema of what
    it signs just before, and `registry.signing.proof`: no public function signs
    bytes given by a caller (protocol.md 9.2).
    """

    @property
    def key_id(self) -> str:
        """The key's id in its registry."""

    @property
    def public_key(self) -> PublicKey:
        """The key that checks what this signer makes."""

    @property
    def forkable(self) -> bool:
        """Whether a child that was forked may sign with it too.

        A signer of which this is False is bound to the process that opened it,
        and refuses elsewhere. None is ever pickled or sent through a pipe.
        """

    def _sign(self, message: bytes) -> bytes:
        """The 64-byte signature of *message*, verified before it is returned.

        Raises KeyUnavailableError when the key cannot be used now.
        """


class KeyStore(Protocol):
    """Where the keys of one registry rest. The registry's id belongs to the instance.

    A store that holds no seed of ours, an agent or a token, refuses `put`,
    `hand_over` and `erase` with KeyUnavailableError ``keystore.elsewhere``.
    """

    @property
    def uri(self) -> str:
        """Where it is, as `registry.signing.location.parse_location` reads it."""

    @property
    def place(self) -> str:
        """The same for two stores whose URIs differ and which are one place all the same."""

    def put(self, key_id: str, seed: bytes) -> PublicKey:
        """Keep a seed under a new key id, and prove that it was kept.

        What was written is read back, its public key compared, and a test
        message signed and verified; when that fails the key is erased again.
        Raises ConflictError ``key.exists``, MalformedError ``schema.key_id`` or
        ``seed.length``, KeyUnavailableError ``keystore.lost`` and what the kind
        of store adds; StoreError when a disk refuses.
        """

    def find(self, key_id: str) -> PublicKey:
        """The public key of what is held under a key id.

        Raises KeyUnavailableError ``key.absent``, and what the kind of store adds.
        """

    def open(self, key_id: str, public_key: PublicKey) -> Signer:
        """The signer of a key that is held. Never makes a new key.

        Raises KeyUnavailableError ``key.absent``, ``key.mismatch`` when the seed
        is not that of *public_key*, and what the kind of store adds.
        """

    def hand_over(self, key_id: str, public_key: PublicKey, target: "KeyStore") -> None:
        """Put a copy of a key into another store, which proves it; this one keeps its own.

        A copy that an interrupted move left there is taken when it is the same key.
        Raises what `open` raises here, and what `put` and `open` raise there.
        """

    def erase(self, key_id: str) -> None:
        """Forget a key for ever; KeyUnavailableError ``key.absent`` or ``keystore.kept``."""

    def check(self) -> str:
        """One line on what this store is, once it is known to be usable now.

        Writes nothing. Raises KeyUnavailableError with the code of the reason.
        """


class SeedSigner:
    """A Signer that holds its key in this process.

    The public key is derived from the seed and compared with the expected one
    first: signing with a mismatched public half leaks the key (protocol.md 9.6).
    """

    __slots__ = ("_key", "_key_id", "_public_key", "_secret")

    def __init__(self, key_id: str, seed: bytes, public_key: PublicKey) -> None:
        """Raises KeyUnavailableError ``key.mismatch``, MalformedError ``seed.length``."""
        found = public_key_of(seed)
        if found != public_key:
            raise key_mismatch(key_id, found, public_key)
        self._key = SigningKey(seed)
        self._secret = seed + found.raw
        self._key_id = key_id
        self._public_key = public_key

    @property
    def key_id(self) -> str:
        """The key's id in its registry."""
        return self._key_id

    @property
    def public_key(self) -> PublicKey:
        """The key that checks what this signer makes."""
        return self._public_key

    @property
    def forkable(self) -> bool:
        """True: a forked child holds the key as this process does."""
        return True

    def _sign(self, message: bytes) -> bytes:
        """The signature of *message*; one that does not verify never leaves
        (KeyUnavailableError ``signer.faulty``, protocol.md 9.6)."""
        return checked_signature(self, message, bytes(self._key.sign(message).signature))

    def _sign_twice(self, message: bytes) -> bytes:
        """The same at a third of the cost, for `registry.signing.bulk`: made twice and
        compared instead of verified (protocol.md 9.6)."""
        signed: bytes = crypto_sign(message, self._secret)
        if crypto_sign(message, self._secret) != signed:
            raise _faulty(self)
        return signed[:SIGNATURE_LENGTH]

    def __repr__(self) -> str:
        return f"<SeedSigner {self._key_id} {self._public_key.fingerprint}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer holds a private key: it is neither pickled nor copied")


def checked_signature(signer: Signer, message: bytes, signature: bytes) -> bytes:
    """*signature*, once the signer's public key verifies it over *message*."""
    try:
        signer.public_key.verify(message, signature)
    except VerificationError:
        raise _faulty(signer) from None
    return signature


def _faulty(signer: Signer) -> KeyUnavailableError:
    return KeyUnavailableError(
        f"a signature made with {signer.key_id} does not verify",
        code="signer.faulty",
        hint="it was thrown away; what made it computes wrongly or holds another key:"
        " stop using it",
    )


def key_mismatch(key_id: str, found: PublicKey, wanted: PublicKey) -> KeyUnavailableError:
    """The refusal to sign with another key than the one that is known by this id."""
    return KeyUnavailableError(
        f"what is kept for {key_id} has the public key {found.fingerprint},"
        f" not {wanted.fingerprint}",
        code="key.mismatch",
        hint="nothing was signed; find the store that holds the right key,"
        " or restore it from a backup",
    )


def public_key_of(seed: bytes) -> PublicKey:
    """The public key of a 32-byte seed; MalformedError ``seed.length`` for another length."""
    if type(seed) is not bytes or len(seed) != SEED_LENGTH:
        raise MalformedError(f"a seed is {SEED_LENGTH} bytes", code="seed.length")
    return PublicKey.from_raw(bytes(SigningKey(seed).verify_key))
