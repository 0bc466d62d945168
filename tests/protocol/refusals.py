"""How the tests of the protocol say "refused": by class, code and path, never by message."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from registry.errors import MalformedError, PithError


@contextmanager
def refused(
    code: str, kind: type[PithError] = MalformedError, path: str | None = None
) -> Iterator[None]:
    """The block raises exactly *kind* with *code*, and at *path* where one is given."""
    with pytest.raises(PithError) as caught:
        yield
    assert (type(caught.value), caught.value.code) == (kind, code)
    if path is not None:
        assert caught.value.path == path


def outcome(call: Callable[..., Any], *arguments: Any) -> str:
    """``read``, or the code of the MalformedError; anything else is a crash and goes on up."""
    try:
        call(*arguments)
    except MalformedError as error:
        return error.code
    return "read"
