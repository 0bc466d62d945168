"""A key on a PKCS#11 token, named by the token's label and serial number and its own id."""

from typing import Any, Final

from registry.errors import KeyUnavailableError
from registry.protocol import schema
from registry.protocol.keys import PublicKey
from registry.signing.elsewhere import ElsewhereStore
from registry.signing.signer import checked_signature, key_mismatch
from registry.signing.token_location import TokenLocation
from registry.signing.tokens import Tokens, TokenSession, told

_POINT_HEADER: Final = b"\x04\x20"  # DER: an octet string of 32 bytes


class TokenKeyStore(ElsewhereStore):
    """``pkcs11:``: what a thief of the token gains is as many PINs as it lets them try.

    Adds to the refusals of `KeyStore` those of `Tokens`, and ``token.key``
    where the id does not name one Ed25519 key pair.
    """

    def __init__(self, location: TokenLocation, tokens: Tokens) -> None:
        self._location = location
        self._tokens = tokens

    @property
    def uri(self) -> str:
        """Where it is."""
        return str(self._location)

    @property
    def place(self) -> str:
        """The same: the URI names one key."""
        return self.uri

    def find(self, key_id: str) -> PublicKey:
        """The public key beside the private one; see `KeyStore.find`."""
        schema.key_id(key_id, "")
        return self._pair()[0]

    def open(self, key_id: str, public_key: PublicKey) -> "TokenSigner":
        """The signer of the key that the token holds; see `KeyStore.open`."""
        schema.key_id(key_id, "")
        found, private, session = self._pair()
        if found != public_key:
            raise key_mismatch(key_id, found, public_key)
        return TokenSigner(key_id, public_key, private, session)

    def check(self) -> str:
        """Looks for the token and its mechanism, without the PIN."""
        self._tokens.check(self._location)
        return f"{self.uri} is there and signs with Ed25519"

    def __repr__(self) -> str:
        return f"<TokenKeyStore {self.uri}>"

    def _pair(self) -> tuple[PublicKey, Any, TokenSession]:
        session = self._tokens.session(self._location)
        from pkcs11 import Attribute, ObjectClass

        with told():
            public, private = (
                self._only(session, kind)
                for kind in (ObjectClass.PUBLIC_KEY, ObjectClass.PRIVATE_KEY)
            )
            point = bytes(public[Attribute.EC_POINT])
        raw = point.removeprefix(_POINT_HEADER) if len(point) == 34 else point
        if len(raw) != 32:
            raise _no_pair(self.uri, f"its public point has {len(point)} bytes")
        return PublicKey.from_raw(raw), private, session

    def _only(self, session: TokenSession, kind: Any) -> Any:
        from pkcs11 import Attribute, KeyType

        wanted = {Attribute.ID: self._location.id, Attribute.CLASS: kind}
        found = list(session.session.get_objects(wanted))
        name = kind.name.lower().replace("_", " ")
        if not found:
            raise KeyUnavailableError(
                f"{self.uri} holds no {name}",
                code="key.absent",
                hint="make the pair with the token's own tool, both halves under one id;"
                " no new key was made",
            )
        if len(found) > 1:
            raise _no_pair(self.uri, f"it names {len(found)} objects: {name}")
        if found[0][Attribute.KEY_TYPE] != KeyType.EC_EDWARDS:
            raise _no_pair(self.uri, "it is no Edwards key")
        return found[0]

    @property
    def _how_made(self) -> str:
        return (
            "make the pair on the token (pkcs11-tool --login --keypairgen"
            " --key-type EC:edwards25519 --id 01)"
        )

    @property
    def _how_erased(self) -> str:
        return "the token's own tool"


def _no_pair(uri: str, why: str) -> KeyUnavailableError:
    return KeyUnavailableError(
        f"{uri} is not one Ed25519 key pair: {why}",
        code="token.key",
        hint="give the pair an id of its own, with the token's own tool",
    )


class TokenSigner:
    """A Signer whose key never leaves the token, in the process that logged in."""

    __slots__ = ("_key_id", "_private", "_public_key", "_session")

    def __init__(
        self,
        key_id: str,
        public_key: PublicKey,
        private: Any,
        session: TokenSession,
    ) -> None:
        self._key_id = key_id
        self._public_key = public_key
        self._private = private
        self._session = session

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
        """False: the session belongs to the process that opened it."""
        return False

    def _sign(self, message: bytes) -> bytes:
        """The signature of *message*; see `Signer._sign`. Adds ``token.forked``."""
        from pkcs11 import Mechanism

        self._session.check_process()
        with told():
            signature = bytes(self._private.sign(message, mechanism=Mechanism.EDDSA))
        return checked_signature(self, message, signature)

    def __repr__(self) -> str:
        return f"<TokenSigner {self._key_id} {self._public_key.fingerprint}>"
