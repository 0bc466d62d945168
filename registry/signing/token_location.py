"""The URI of a key on a PKCS#11 token: RFC 7512, as much as names one key and nothing else."""

import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote, unquote_to_bytes

from registry.errors import MalformedError, shown

_NEEDED: Final = ("token", "serial", "id")
_SECRETS: Final = ("pin-value", "pin-source")
_MODULES: Final = ("module-path", "module-name")
_ENCODED: Final = re.compile("(?:[A-Za-z0-9._~:@!$'()*+,=&/\\[\\]-]|%[0-9A-Fa-f]{2})*", re.ASCII)
_MAX_ID: Final = 64
_FORM: Final = "write pkcs11:token=LABEL;serial=NUMBER;id=%01 and nothing else"


@dataclass(frozen=True, slots=True)
class TokenLocation:
    """A token's label (up to 32 bytes) and serial number (up to 16), and a key's CKA_ID."""

    token: str
    serial: str
    id: bytes

    @classmethod
    def parse(cls, rest: str) -> Self:
        """Read what stands after ``pkcs11:``.

        Raises MalformedError ``location.token`` for another attribute than the three,
        a missing or repeated one, and another spelling than ours; ``location.secret``
        for a PIN or where one is, ``location.module`` for a module: both stand in
        config.toml.
        """
        values = _attributes(rest)
        for name in _NEEDED:
            if not values.get(name):
                raise _malformed(f"pkcs11: without {name}")
        found = cls(
            _text(values["token"], "token", 32), _text(values["serial"], "serial", 16), values["id"]
        )
        if len(found.id) > _MAX_ID:
            raise _malformed(f"an id is at most {_MAX_ID} bytes")
        if str(found) != f"pkcs11:{rest}":
            raise MalformedError(
                f"pkcs11:{shown(rest, 200)} is not in the one spelling",
                code="location.token",
                hint=f"write {found}",
            )
        return found

    def __str__(self) -> str:
        token, serial = quote(self.token, safe=""), quote(self.serial, safe="")
        return f"pkcs11:token={token};serial={serial};id=" + "".join(f"%{b:02X}" for b in self.id)


def _attributes(rest: str) -> dict[str, bytes]:
    path, query, after = rest.partition("?")
    values: dict[str, bytes] = {}
    for part in [*path.split(";"), *(after.split("&") if query else ())]:
        name, equals, value = part.partition("=")
        _refuse_others(name)
        if not equals or _ENCODED.fullmatch(value) is None:
            raise _malformed(f"{name} in pkcs11: is not NAME=VALUE, percent-encoded")
        if name in values:
            raise _malformed(f"{name} stands twice in pkcs11:")
        values[name] = unquote_to_bytes(value)
    return values


def _refuse_others(name: str) -> None:
    if name in _SECRETS:
        raise MalformedError(
            f"{name} does not stand in pkcs11:: a URI is no place for a PIN",
            code="location.secret",
            hint='config.toml says where it is: [pkcs11] pin_from = "prompt:", "credential:NAME"'
            ' or "file:/path"; if it was a real one, change it',
        )
    if name in _MODULES:
        raise MalformedError(
            f"{name} does not stand in pkcs11:: who writes a URI must not choose what is loaded",
            code="location.module",
            hint='config.toml says which it is: [pkcs11] module = "/path/of/module.so"',
        )
    if name not in _NEEDED:
        raise _malformed(f"pkcs11: takes no {shown(name)}")


def _text(value: bytes, name: str, limit: int) -> str:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise _malformed(f"{name} in pkcs11: is not UTF-8") from None
    if len(value) > limit or not text.isprintable() or text != text.strip():
        raise _malformed(f"{name} in pkcs11: is not 1 to {limit} bytes of plain text")
    return text


def _malformed(message: str) -> MalformedError:
    return MalformedError(message, code="location.token", hint=_FORM)
