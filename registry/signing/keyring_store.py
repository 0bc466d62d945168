"""Keys in the operating system's keyring, through the ``keyring`` package."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from registry.errors import KeyUnavailableError
from registry.signing.keyring_states import Backend, explain, members, timed_out
from registry.signing.seed_store import SeedStore, key_absent
from registry.signing.signer import SEED_LENGTH

ALLOWED_BACKENDS: Final = frozenset(
    (
        "keyring.backends.SecretService.Keyring",
        "keyring.backends.libsecret.Keyring",
        "keyring.backends.kwallet.DBusKeyring",
        "keyring.backends.macOS.Keyring",
        "keyring.backends.Windows.WinVaultKeyring",
    )
)
"""Back-ends that encrypt what they keep. Any other is refused, in a chain too."""

ANSWER_SECONDS: Final = 60.0
"""How long a person may take to unlock the keyring, or a hanging daemon to answer."""

_HEX: Final = frozenset("0123456789abcdef")
_T = TypeVar("_T")


class KeyringKeyStore(SeedStore):
    """``keyring:``: what a thief gains is nothing while the keyring is locked.

    One service per key, ``pith:{registry}:{key_id}``, holding the seed in hex
    and nothing else. Every act runs under a time limit, so that neither a
    prompt nobody sees nor a daemon that hangs holds pith for ever. Adds to the
    refusals of `KeyStore`, all KeyUnavailableError: ``key.form`` and the states
    of `registry.signing.keyring_states`.
    """

    uri: Final = "keyring:"

    def __init__(
        self,
        registry: str,
        *,
        allowed: frozenset[str] = ALLOWED_BACKENDS,
        seconds: float = ANSWER_SECONDS,
    ) -> None:
        super().__init__(registry)
        self._allowed = allowed
        self._seconds = seconds

    def check(self) -> str:
        """Names the back-end, once reading from it works."""
        names = self._bounded(self._probe)
        return f"keyring: unlocked, kept by {names}"

    def __repr__(self) -> str:
        return f"<KeyringKeyStore {self._registry}>"

    def _service(self, key_id: str) -> str:
        return f"pith:{self._registry}:{key_id}"

    def _probe(self) -> str:
        backends = members(self._allowed)
        self._find(backends, "check")
        return ", ".join(f"{type(b).__module__}.{type(b).__qualname__}" for b in backends)

    def _find(self, backends: list[Backend], key_id: str) -> str | None:
        for backend in backends:
            value = backend.get_password(self._service(key_id), key_id)
            if value is not None:
                return value
        return None

    def _get(self, key_id: str) -> str | None:
        return self._bounded(lambda: self._find(members(self._allowed), key_id))

    def _holds(self, key_id: str) -> bool:
        return self._get(key_id) is not None

    def _read(self, key_id: str) -> bytes:
        value = self._get(key_id)
        if value is None:
            raise key_absent(key_id, self.uri)
        if len(value) != 2 * SEED_LENGTH or not _HEX.issuperset(value):
            raise KeyUnavailableError(
                f"what the keyring holds for {key_id} is not a seed",
                code="key.form",
                hint=f"something else wrote under {self._service(key_id)}:"
                " import the key again from its shares",
            )
        return bytes.fromhex(value)

    def _write(self, key_id: str, seed: bytes) -> None:
        def write() -> None:
            members(self._allowed)[0].set_password(self._service(key_id), key_id, seed.hex())

        try:
            self._bounded(write)
        except KeyUnavailableError as error:
            if error.code != "keyring.timeout":
                with suppress(KeyUnavailableError):
                    self._remove(key_id)
            raise

    def _remove(self, key_id: str) -> None:
        def remove() -> bool:
            held = False
            for backend in members(self._allowed):
                if backend.get_password(self._service(key_id), key_id) is not None:
                    backend.delete_password(self._service(key_id), key_id)
                    held = True
            return held

        if not self._bounded(remove):
            raise key_absent(key_id, self.uri)

    def _bounded(self, act: Callable[[], _T]) -> _T:
        """What *act* returns, or the reason why it does not, within the time limit.

        The act runs in a thread of its own because no back-end has a time-out;
        one that hangs is left behind and ends with the process. Its exception is
        told anew, outside of its context: a back-end's text could hold the seed.
        """
        results: list[_T] = []
        failures: list[BaseException] = []

        def run() -> None:
            try:
                results.append(act())
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=run, name="pith-keyring", daemon=True)
        thread.start()
        thread.join(self._seconds)
        if results:
            return results[0]
        raise explain(failures[0]) if failures else timed_out(self._seconds)
