"""The libraries of the extra ``tsa``, or a clear word that they are not installed."""

import importlib

from registry.errors import ConfigError


def require_library() -> None:
    """Raise ConfigError ``tsa.extra`` where the extra is not installed."""
    try:
        importlib.import_module("rfc3161_client")  # and cryptography, which it stands on
    except ImportError:
        raise ConfigError(
            "timestamps need the extra tsa, which is not installed",
            code="tsa.extra",
            hint="pip install 'pith-registry[tsa]'",
        ) from None
