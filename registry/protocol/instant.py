"""Points in time in the protocol's two spellings, seconds and microseconds, always UTC."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Self

from registry.errors import MalformedError, shown

_SECONDS: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)
_MICROS: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BARE_EPOCH: Final = datetime(1970, 1, 1)


def _read(text: object, pattern: re.Pattern[str], shape: str) -> int:
    if type(text) is not str or pattern.fullmatch(text) is None:
        raise MalformedError(
            f"{shown(text)} is not a time of the form {shape}", code="instant.form"
        )
    return _micros(text)


@lru_cache(maxsize=4096)
def _micros(text: str) -> int:
    # The documents of a batch share their times too.
    try:
        past = datetime.fromisoformat(text) - _EPOCH
    except ValueError:
        raise MalformedError(
            f"{shown(text)} is not a real date and time", code="instant.form"
        ) from None
    return (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds


@lru_cache(maxsize=4096)
def _text(micros: int, precision: str) -> str:
    # A batch shares its times: most texts are asked for thousands of times.
    return (_BARE_EPOCH + timedelta(microseconds=micros)).isoformat("T", precision) + "Z"


@dataclass(frozen=True, slots=True, order=True)
class Instant:
    """A moment, in microseconds since 1970-01-01T00:00:00Z."""

    micros: int

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """The instant of an aware datetime."""
        past = moment - _EPOCH
        return cls((past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds)

    @classmethod
    def parse_seconds(cls, text: object) -> Self:
        """Read ``YYYY-MM-DDTHH:MM:SSZ``, a real date; raises ``instant.form``."""
        return cls(_read(text, _SECONDS, "YYYY-MM-DDTHH:MM:SSZ"))

    @classmethod
    def parse_micros(cls, text: object) -> Self:
        """Read ``YYYY-MM-DDTHH:MM:SS.ffffffZ``, a real date; raises ``instant.form``."""
        return cls(_read(text, _MICROS, "YYYY-MM-DDTHH:MM:SS.ffffffZ"))

    @property
    def moment(self) -> datetime:
        """The same as an aware datetime in UTC."""
        return _EPOCH + timedelta(microseconds=self.micros)

    @property
    def seconds(self) -> str:
        """``YYYY-MM-DDTHH:MM:SSZ``, cut, not rounded."""
        return _text(self.micros, "seconds")

    @property
    def micro_text(self) -> str:
        """``YYYY-MM-DDTHH:MM:SS.ffffffZ``."""
        return _text(self.micros, "microseconds")

    @property
    def whole(self) -> "Instant":
        """The same cut to whole seconds, for the comparisons made in seconds."""
        return Instant(self.micros // 1_000_000 * 1_000_000)

    def plus(self, *, seconds: int = 0, days: int = 0) -> "Instant":
        """The instant so much later (or earlier)."""
        return Instant(self.micros + (seconds + days * 86_400) * 1_000_000)
