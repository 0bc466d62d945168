"""OpenSSH's Ed25519 public keys and file signatures (PROTOCOL.sshsig), read strictly."""

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from registry.errors import MalformedError, VerificationError, printable, shown
from registry.protocol.keys import PublicKey

_TYPE: Final = b"ssh-ed25519"
_MAGIC: Final = b"SSHSIG"
_VERSION: Final = 1
_HASHES: Final[dict[bytes, Callable[[bytes], bytes]]] = {
    b"sha256": lambda data: hashlib.sha256(data).digest(),
    b"sha512": lambda data: hashlib.sha512(data).digest(),
}
_BEGIN: Final = "-----BEGIN SSH SIGNATURE-----\n"
_END: Final = "-----END SSH SIGNATURE-----\n"
_COLUMNS: Final = 70
_LINE: Final = re.compile("ssh-ed25519 ([A-Za-z0-9+/]+={0,2})(?: ([^ ](?:.{0,126}[^ ])?))?")
_KEY_LENGTH: Final = 32
_SIGNATURE_LENGTH: Final = 64


def _string(data: bytes) -> bytes:
    """A string of RFC 4251 section 5: its length in 32 bits, then its bytes."""
    return struct.pack(">I", len(data)) + data


def _key_blob(key: PublicKey) -> bytes:
    return _string(_TYPE) + _string(key.raw)


class _Strings:
    """Takes strings off the front of a blob, and at last nothing may be left."""

    def __init__(self, blob: bytes, code: str) -> None:
        self._rest = blob
        self._code = code

    def refuse(self, reason: str) -> MalformedError:
        return MalformedError(reason, code=self._code, hint="make it with ssh-keygen again")

    def raw(self, length: int) -> bytes:
        if len(self._rest) < length:
            raise self.refuse("it ends too early")
        taken, self._rest = self._rest[:length], self._rest[length:]
        return taken

    def string(self) -> bytes:
        return self.raw(struct.unpack(">I", self.raw(4))[0])

    def end(self) -> None:
        if self._rest:
            raise self.refuse(f"{len(self._rest)} bytes follow its end")


def _take_key(blob: bytes, code: str) -> PublicKey:
    parts = _Strings(blob, code)
    if parts.string() != _TYPE:
        raise parts.refuse("its key is not of type ssh-ed25519")
    raw = parts.string()
    parts.end()
    if len(raw) != _KEY_LENGTH:
        raise parts.refuse(f"its key has {len(raw)} bytes, not {_KEY_LENGTH}")
    return PublicKey.from_raw(raw)


@dataclass(frozen=True, slots=True)
class SshKey:
    """A line of a ``.pub`` file: an Ed25519 key, and the comment that says whose it is."""

    key: PublicKey
    comment: str

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read ``ssh-ed25519 BASE64`` or ``ssh-ed25519 BASE64 COMMENT``, without newline.

        Raises MalformedError ``sshsig.key``, VerificationError ``key.point``.
        """
        found = _LINE.fullmatch(line)
        try:
            blob = base64.b64decode(found[1], validate=True) if found else b""
        except binascii.Error:
            blob = b""
        if not found or not blob or printable(line) != line:
            raise MalformedError(
                f"{shown(line)} is not an OpenSSH public key line of type ssh-ed25519",
                code="sshsig.key",
                hint="give the one line of the .pub file that ssh-keygen -t ed25519 made",
            )
        parsed = cls(_take_key(blob, "sshsig.key"), found[2] or "")
        if parsed.line != line:
            raise MalformedError(f"{shown(line)} has another spelling", code="sshsig.key")
        return parsed

    @property
    def line(self) -> str:
        """The line as it stands in the file."""
        text = f"{_TYPE.decode()} {base64.b64encode(_key_blob(self.key)).decode()}"
        return f"{text} {self.comment}" if self.comment else text

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` prints it: ``SHA256:`` and base64 without padding."""
        digest = hashlib.sha256(_key_blob(self.key)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


@dataclass(frozen=True, slots=True)
class SshSignature:
    """A file signature: ``ssh-keygen -Y sign``."""

    key: PublicKey
    namespace: str
    hash: str
    raw: bytes

    @classmethod
    def parse(cls, armored: str) -> Self:
        """Read a ``.sig`` file in the one spelling that ssh-keygen writes.

        Raises MalformedError ``sshsig.form``, VerificationError ``key.point``.
        """
        inner = armored.removeprefix(_BEGIN).removesuffix(_END).replace("\n", "")
        try:
            found = cls.from_blob(base64.b64decode(inner.encode("ascii"), validate=True))
        except (UnicodeEncodeError, binascii.Error):
            found = None
        if found is None or found.armored != armored:
            raise MalformedError(
                "not an armored OpenSSH signature",
                code="sshsig.form",
                hint="give the .sig file as ssh-keygen -Y sign wrote it",
            )
        return found

    @classmethod
    def from_blob(cls, blob: bytes) -> Self:
        """Read the bytes inside the armor; raises as `parse`."""
        parts = _Strings(blob, "sshsig.form")
        if parts.raw(len(_MAGIC)) != _MAGIC:
            raise parts.refuse("not an OpenSSH signature")
        if struct.unpack(">I", parts.raw(4))[0] != _VERSION:
            raise parts.refuse("not version 1 of OpenSSH signatures")
        key = _take_key(parts.string(), "sshsig.form")
        namespace, reserved, hash_name = parts.string(), parts.string(), parts.string()
        signature = _Strings(parts.string(), "sshsig.form")
        parts.end()
        if reserved or hash_name not in _HASHES or not namespace or not namespace.isascii():
            raise parts.refuse("its namespace, reserved part or hash is not one that is known")
        if signature.string() != _TYPE:
            raise parts.refuse("its signature is not of type ssh-ed25519")
        raw = signature.string()
        signature.end()
        if len(raw) != _SIGNATURE_LENGTH:
            raise parts.refuse(f"its signature has {len(raw)} bytes, not {_SIGNATURE_LENGTH}")
        return cls(key, namespace.decode(), hash_name.decode(), raw)

    @property
    def blob(self) -> bytes:
        """The bytes inside the armor."""
        head = _MAGIC + struct.pack(">I", _VERSION) + _string(_key_blob(self.key))
        names = _string(self.namespace.encode()) + _string(b"") + _string(self.hash.encode())
        return head + names + _string(_string(_TYPE) + _string(self.raw))

    @property
    def armored(self) -> str:
        """The file as ssh-keygen writes it."""
        text = base64.b64encode(self.blob).decode()
        lines = [text[i : i + _COLUMNS] + "\n" for i in range(0, len(text), _COLUMNS)]
        return _BEGIN + "".join(lines) + _END

    def verify(self, message: bytes, namespace: str) -> None:
        """Check that the key in it signed *message* for *namespace*; whose key it is, is the
        caller's to know. VerificationError ``sshsig.namespace``, BadSignatureError."""
        if self.namespace != namespace:
            raise VerificationError(
                f"signed for the namespace {shown(self.namespace)}, not {namespace!r}",
                code="sshsig.namespace",
                hint=f"sign it with: ssh-keygen -Y sign -n {namespace} -f KEY FILE",
            )
        self.key.verify(sshsig_message(message, namespace, self.hash), self.raw)


def sshsig_message(message: bytes, namespace: str, hash_name: str) -> bytes:
    """What ``ssh-keygen -Y sign`` signs over a file (PROTOCOL.sshsig section 4)."""
    names = _string(namespace.encode()) + _string(b"") + _string(hash_name.encode())
    return _MAGIC + names + _string(_HASHES[hash_name.encode()](message))
