"""The trial of a key: what shows that it is there, works and always answers alike."""

from typing import Final

from registry.errors import KeyUnavailableError
from registry.protocol.canonical import canonical
from registry.signing.signer import Signer, checked_signature

KEY_TEST_PREFIX: Final = b"pith-key-test-v1\n"


def key_test_message(registry: str, key_id: str) -> bytes:
    """What a key signs to show that it works: prefixed, with the registry in
    it, and never 32 bytes long (protocol.md 9.3)."""
    return KEY_TEST_PREFIX + canonical({"key_id": key_id, "registry": registry})


def prove_key(signer: Signer, registry: str) -> None:
    """Have a key sign its test message twice, and verify what it made.

    Ed25519 is deterministic: two signatures that differ come from a broken or
    another kind of signer. Raises KeyUnavailableError ``signer.faulty``,
    ``signer.unsteady``, and what the signer refuses with. Nothing is kept.
    """
    message = key_test_message(registry, signer.key_id)
    first, second = signer._sign(message), signer._sign(message)
    for signature in (first, second):
        checked_signature(signer, message, signature)
    if first != second:
        raise KeyUnavailableError(
            f"{signer.key_id} signed the same message twice, and not alike",
            code="signer.unsteady",
            hint="Ed25519 gives one signature a message: use another key store or token",
        )
