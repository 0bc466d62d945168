"""One small XML document taken apart: every field once, and text without markup."""

from xml.etree import ElementTree

from registry.errors import MalformedError
from registry.ingest.entry import MAX_ROW
from registry.ingest.xml import Name


def element(data: bytes, name: Name) -> ElementTree.Element:
    """The one element *name* of a row that `xml.rows` gave, in which no document type can be:
    it begins with an element. Raises MalformedError ``xml.size``, ``xml.syntax``,
    ``xml.element``."""
    if len(data) > MAX_ROW:
        raise MalformedError(f"over {MAX_ROW} bytes", code="xml.size")
    try:
        root = ElementTree.fromstring(data)  # noqa: S314 - no document type, so no entities
    except ElementTree.ParseError as error:
        raise MalformedError(f"not XML: {error}", code="xml.syntax") from None
    return inside(root, name)


def inside(root: ElementTree.Element, name: Name) -> ElementTree.Element:
    """The one element *name* somewhere in a tree."""
    found = list(root.iter(f"{{{name.space}}}{name.local}"))
    if len(found) != 1:
        raise MalformedError(
            f"{len(found) or 'no'} elements {name.local} where there is one", code="xml.element"
        )
    return found[0]


class Fields:
    """The children of an element that are in one namespace."""

    def __init__(self, element: ElementTree.Element, space: str) -> None:
        self.element = element
        self.space = f"{{{space}}}"
        self.children: dict[str, list[ElementTree.Element]] = {}
        for child in element:
            self.children.setdefault(child.tag, []).append(child)

    def all(self, local: str) -> list[ElementTree.Element]:
        """Every child of that name, in order."""
        return self.children.get(self.space + local, [])

    def text(self, local: str, default: str | None = None) -> str:
        """The text of the one child of that name; *default* where there is none."""
        found = self.all(local)
        if not found and default is not None:
            return default
        if len(found) != 1 or len(found[0]):
            raise MalformedError(
                f"{local} is missing, stands twice, or has markup in it", code="xml.element"
            )
        return found[0].text or ""

    def attribute(self, name: str) -> str:
        """An attribute of the element itself."""
        found = self.element.get(name)
        if found is None:
            raise MalformedError(f"no attribute {name}", code="xml.element")
        return found
