"""A key in an ssh-agent, named by its socket and its fingerprint."""

import base64
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from registry.errors import KeyUnavailableError, MalformedError, shown
from registry.protocol import schema
from registry.protocol.checks import counted
from registry.protocol.keys import PublicKey
from registry.signing.agent_client import AgentClient, ed25519_blob, ed25519_key
from registry.signing.elsewhere import ElsewhereStore
from registry.signing.signer import checked_signature, key_mismatch

ANSWER_SECONDS: Final = 60.0
"""How long a person may take to confirm a signature, or a hanging agent to answer."""

_URI: Final = re.compile(
    r"(/(?!/)[^?#%\x00-\x1f\x7f-\x9f]+)\?fingerprint=SHA256:([A-Za-z0-9+/]{43})"
)
_MAX_PATH: Final = 107
_FORM: Final = "ssh-agent:/path/of/socket?fingerprint=SHA256:..., as ssh-add -l shows it"


@dataclass(frozen=True, slots=True)
class AgentLocation:
    """A socket, and OpenSSH's fingerprint of the one key meant, without its ``SHA256:``."""

    path: Path
    fingerprint: str

    @classmethod
    def parse(cls, rest: str) -> Self:
        """Read what stands after ``ssh-agent:``; MalformedError ``location.agent``."""
        found = _URI.fullmatch(rest)
        if found is None:
            raise _malformed(
                f"ssh-agent: is not followed by a socket and a fingerprint: {shown(rest)}"
            )
        path, fingerprint = found[1], found[2]
        if os.path.normpath(path) != path or len(os.fsencode(path)) > _MAX_PATH:
            raise _malformed(f"{shown(path, 200)} is not the plain path of a socket")
        if _unpadded(base64.b64decode(fingerprint + "=")) != fingerprint:
            raise _malformed(f"{fingerprint} is not how a fingerprint is written")
        return cls(Path(path), fingerprint)

    def __str__(self) -> str:
        return f"ssh-agent:{self.path}?fingerprint=SHA256:{self.fingerprint}"


def _malformed(message: str) -> MalformedError:
    return MalformedError(message, code="location.agent", hint=f"write {_FORM}")


def _unpadded(digest: bytes) -> str:
    return base64.b64encode(digest).decode().rstrip("=")


def ssh_fingerprint(blob: bytes) -> str:
    """OpenSSH's fingerprint of a public key blob, without its ``SHA256:``."""
    return _unpadded(hashlib.sha256(blob).digest())


class AgentKeyStore(ElsewhereStore):
    """``ssh-agent:``: what a thief of the socket gains is signatures while the agent runs,
    not the key.

    Adds to the refusals of `KeyStore` those of `AgentClient`, and
    ``agent.locked``, ``agent.kind`` and ``agent.refused``.
    """

    def __init__(self, location: AgentLocation, *, seconds: float = ANSWER_SECONDS) -> None:
        self._location = location
        self._client = AgentClient(location.path, seconds=seconds)

    @property
    def uri(self) -> str:
        """Where it is."""
        return str(self._location)

    @property
    def place(self) -> str:
        """The same: a fingerprint names one key."""
        return self.uri

    def find(self, key_id: str) -> PublicKey:
        """The public key of the fingerprint; see `KeyStore.find`."""
        schema.key_id(key_id, "")
        return PublicKey.from_raw(self._raw())

    def open(self, key_id: str, public_key: PublicKey) -> "AgentSigner":
        """The signer of the key that the agent holds; see `KeyStore.open`."""
        found = self.find(key_id)
        if found != public_key:
            raise key_mismatch(key_id, found, public_key)
        return AgentSigner(self, self._client, key_id, public_key)

    def check(self) -> str:
        """Asks the agent whether it shows the key."""
        self._raw()
        return f"{self.uri} answers and shows the key"

    def __repr__(self) -> str:
        return f"<AgentKeyStore {self.uri}>"

    def _raw(self) -> bytes:
        blobs = self._client.identities()
        for blob in blobs:
            if ssh_fingerprint(blob) == self._location.fingerprint:
                return self._ed25519(blob)
        if not blobs:
            raise KeyUnavailableError(
                f"the ssh-agent at {shown(str(self._location.path), 200)} shows no keys:"
                " it is locked, or empty",
                code="agent.locked",
                hint="unlock it with ssh-add -X, or add the key with ssh-add",
            )
        raise KeyUnavailableError(
            f"the ssh-agent shows {counted(len(blobs), 'key')}, and none is SHA256:"
            f"{self._location.fingerprint}",
            code="key.absent",
            hint="add it with ssh-add; ssh-add -l shows what is there; no new key was made",
        )

    def _ed25519(self, blob: bytes) -> bytes:
        raw = ed25519_key(blob)
        if raw is None:
            raise KeyUnavailableError(
                f"SHA256:{self._location.fingerprint} is no ssh-ed25519 key",
                code="agent.kind",
                hint="pith signs with Ed25519 alone: ssh-keygen -t ed25519 makes such a key",
            )
        return raw

    def why_refused(self, key_id: str) -> KeyUnavailableError:
        """Why the agent would not sign, as far as it can be told."""
        try:
            self._raw()
        except KeyUnavailableError as error:
            return error
        return KeyUnavailableError(
            f"the ssh-agent shows {key_id} and would not sign with it",
            code="agent.refused",
            hint="it was not confirmed (ssh-add -c), or the key is bound to other hosts",
        )

    @property
    def _how_made(self) -> str:
        return "make a key for pith alone with ssh-keygen -t ed25519 and add it with ssh-add"

    @property
    def _how_erased(self) -> str:
        return "ssh-add -d and by deleting its file"


class AgentSigner:
    """A Signer whose key never leaves the agent.

    An agent signs what it is given and no more: what ssh-ed25519 signs is the message
    itself. Every signature is verified against the pinned key before it is returned.
    """

    __slots__ = ("_blob", "_client", "_key_id", "_public_key", "_store")

    def __init__(
        self, store: AgentKeyStore, client: AgentClient, key_id: str, public_key: PublicKey
    ) -> None:
        self._store = store
        self._client = client
        self._blob = ed25519_blob(public_key.raw)
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
        """True: every request has a connection of its own."""
        return True

    def _sign(self, message: bytes) -> bytes:
        """The signature of *message*; see `Signer._sign`."""
        signature = self._client.sign(self._blob, message)
        if signature is None:
            raise self._store.why_refused(self._key_id)
        return checked_signature(self, message, signature)

    def __repr__(self) -> str:
        return f"<AgentSigner {self._key_id} {self._public_key.fingerprint}>"
