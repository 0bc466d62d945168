"""Compare: how two bundles differ, and whether each verifies."""

from collections.abc import Iterator
from dataclasses import dataclass

from registry.protocol.bundle import Bundle
from registry.protocol.bundle_diff import Difference, differences
from registry.protocol.canonical import JsonObject
from registry.protocol.checks import Report
from registry.protocol.trust import Terms
from registry.services.verify import examine


@dataclass(frozen=True, slots=True)
class Comparison:
    """The reports of two bundles, and what is not the same in them."""

    a: Report
    b: Report
    differences: tuple[Difference, ...]

    def lines(self) -> Iterator[str]:
        """One line a difference, for people."""
        return (each.line() for each in self.differences)

    def to_json(self) -> JsonObject:
        """The comparison for ``--json``."""
        return {
            "a": self.a.to_json(),
            "b": self.b.to_json(),
            "same": not self.differences,
            "differences": [each.to_json() for each in self.differences],
        }


def compare(a: bytes, b: bytes, terms: Terms) -> Comparison:
    """Compare two bundles, verified or not; raises MalformedError where one is no bundle."""
    one, two = Bundle.parse(a), Bundle.parse(b)
    return Comparison(examine(a, terms), examine(b, terms), differences(one, two))
