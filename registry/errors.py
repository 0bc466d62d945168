"""Every failure this project expects, each with a code and a hint.

The class says what kind of failure it is and, on the top floor alone, which
exit code or HTTP status it becomes. The code names the rule that was broken
(``number.form``, ``event.signature``); the hint says what to do next.
"""

import re
from typing import Any, Self


class PithError(Exception):
    """A failure that a user or a stranger's bytes can cause.

    ``code`` is the name of the rule, ``hint`` what to do next, ``path`` the
    JSON path of the offending value where there is one (``$.metadata.license``).
    """

    def __init__(self, message: str, *, code: str, hint: str = "", path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.path = path

    def __str__(self) -> str:
        return f"{self.message} at {self.path}" if self.path else self.message

    def under(self, path: str) -> Self:
        """The same failure of a value that stands at *path* in a larger document, when
        ``path`` was counted from the value's own ``$``."""
        moved = path + self.path.removeprefix("$")
        return type(self)(self.message, code=self.code, hint=self.hint, path=moved)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.code, self.hint, self.path))


def _rebuild(kind: type[PithError], message: str, code: str, hint: str, path: str) -> PithError:
    return kind(message, code=code, hint=hint, path=path)


class UsageError(PithError):
    """Asked wrongly: the options do not go together, or one is missing."""


class ConfigError(PithError):
    """The home or its config.toml is absent, unreadable or not in its form."""


class MalformedError(PithError):
    """Bytes that are not in the protocol's form."""


class VerificationError(PithError):
    """Well formed, and not true or not trusted."""


class BadSignatureError(VerificationError):
    """A signature that its key did not make over this message."""


class MismatchError(VerificationError):
    """Two things that must be equal are not: a digest, a number, an alias, a key."""


class UntrustedKeyError(VerificationError):
    """A key that no pin leads to."""


class NotFoundError(PithError):
    """Nothing is held under that name."""


class ConflictError(PithError):
    """It contradicts what is held."""


class AmbiguousAliasError(ConflictError):
    """A short alias that more than one record answers to."""


class KeyUnavailableError(PithError):
    """A private key that is absent, locked or refused, or no usable key store."""


class StoreError(PithError):
    """The database or the disk is unreachable, full or damaged."""


class UnreachableError(StoreError):
    """A service outside that was asked for something gave no answer, or no usable one."""


_HIDDEN = (
    "\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ufdd0-\ufdef\U000e0000-\U000e0fff"
)
_UNSAFE = re.compile(f"[\\\\\x00-\x1f{_HIDDEN}]")
HIDDEN_IN_JSON = re.compile(f"[{_HIDDEN}]")
"""What JSON text may hold raw and a terminal must not be given."""


def _escape(found: re.Match[str]) -> str:
    char = found.group()
    if char == "\\":
        return "\\\\"
    point = ord(char)
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def printable(text: str) -> str:
    """Foreign text made safe to show on a terminal: control, bidi and invisible
    characters become ``\\x1b``-style escapes, a backslash is doubled."""
    return _UNSAFE.sub(_escape, text)


def visible(text: str) -> str:
    """A whole line made safe for a terminal: like `printable`, but backslashes stay,
    for text whose foreign parts were escaped already."""
    return "".join(part if part == "\\" else printable(part) for part in re.split(r"(\\)", text))


def shown(value: object, limit: int = 80) -> str:
    """A foreign value as it stands in an error message: quoted, escaped, cut to *limit*."""
    text = printable(value) if isinstance(value, str) else printable(repr(value)[: limit * 2])
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return f"'{text}'" if isinstance(value, str) else text
