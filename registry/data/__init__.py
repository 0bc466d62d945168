"""Published facts that are part of the package: the seed bundle, real records, pins; and what
stored documents are packed with."""

import json
from importlib import resources
from typing import Any, Final

_FOLDER: Final = resources.files(__name__)


def seed_bundle() -> bytes:
    """The real published bundle, exactly as it was served."""
    return _FOLDER.joinpath("seed_bundle.json").read_bytes()


def published_records() -> list[dict[str, Any]]:
    """Facts of 41 real published records."""
    found: list[dict[str, Any]] = json.loads(_FOLDER.joinpath("pith_records.json").read_bytes())
    return found


def shipped_pins() -> dict[str, bytes]:
    """The pins that come with the package, by registry name."""
    folder = _FOLDER.joinpath("pins")
    return {
        file.name.removesuffix(".json"): file.read_bytes()
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".json")
    }


def dictionary(number: int) -> bytes:
    """A dictionary that documents are packed with."""
    return _FOLDER.joinpath(f"documents-{number}.zdict").read_bytes()
