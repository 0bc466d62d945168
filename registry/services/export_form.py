"""The form of an export: a header, a line for each row of a store, and an end that counts them.

Every line is one JSON object in canonical bytes. What a store keeps as bytes is text here: a
document, which begins with ``{``, as ``text:`` and its very characters, anything else as
``hex:`` and its digits (decision 0026).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from registry.errors import ConflictError, MalformedError, shown
from registry.protocol import schema
from registry.protocol.canonical import JsonObject, canonical, plain_canonical
from registry.protocol.strict_json import Limits, read_json
from registry.store.tables import BINARY, BY_NAME, TABLES, Table, is_of_kind

EXPORT_TYPE: Final = "pith_store_export"
EXPORT_VERSION: Final = "1.0"
MAX_LINE: Final = 64 << 20
"""A bundle of 16 MiB, each of its characters escaped, with room to spare."""
LINE: Final = Limits(max_bytes=MAX_LINE, max_values=1000)
_TEXT, _HEX = "text:", "hex:"
_HEADER: Final = frozenset(("export_type", "export_version", "registry", "tables"))
_END: Final = frozenset(("end", "rows", "sha256"))
Row: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class End:
    """The last line: how many rows each table has, and SHA-256 of all lines before."""

    rows: Mapping[str, int]
    sha256: str

    def to_bytes(self) -> bytes:
        """The line."""
        value = {"end": EXPORT_TYPE, "rows": dict(self.rows), "sha256": self.sha256}
        return canonical(value) + b"\n"


def header_bytes(registry: str) -> bytes:
    """The first line: whose store it is, and the columns of its tables in their order."""
    value = {
        "export_type": EXPORT_TYPE,
        "export_version": EXPORT_VERSION,
        "registry": registry,
        "tables": _tables(),
    }
    return canonical(value) + b"\n"


def _tables() -> list[JsonObject]:
    return [{"name": table.name, "columns": list(table.columns)} for table in TABLES]


def parse_header(line: bytes) -> str:
    """The registry of an export.

    Raises MalformedError for the form, ConflictError ``export.newer`` for a later version of
    it, and ``export.tables`` for the tables of another pith.
    """
    value = read_json(line, LINE).value
    schema.constant(value.get("export_type"), EXPORT_TYPE, "$.export_type")
    if value.get("export_version") != EXPORT_VERSION:
        raise ConflictError(
            f"an export of version {shown(value.get('export_version'))}, this pith reads "
            f"{EXPORT_VERSION}",
            code="export.newer",
            hint="use the newer pith",
        )
    members = schema.closed(value, _HEADER, "$")
    if members["tables"] != _tables():
        raise ConflictError(
            "its tables are not those of this pith",
            code="export.tables",
            hint="import it with the pith that made it, and let the newer one open the home",
        )
    return schema.name(members["registry"], "$.registry")


def row_bytes(table: Table, row: Row) -> bytes:
    """The line of one row."""
    value: JsonObject = {"table": table.name}
    for column, member in zip(table.columns, row, strict=True):
        value[column] = _written(member) if isinstance(member, bytes) else member
    return plain_canonical(value) + b"\n"


def _written(data: bytes) -> str:
    if data.startswith(b"{"):
        try:
            return _TEXT + data.decode()
        except UnicodeDecodeError:
            pass
    return _HEX + data.hex()


def parse_line(line: bytes) -> tuple[Table, Row] | End:
    """What a line after the first holds, in the one spelling that `row_bytes` gives it.

    Raises MalformedError ``export.row`` for anything else.
    """
    value = read_json(line, LINE).value
    if "end" in value:
        found: tuple[Table, Row] | End = _end(value)
        printed = found.to_bytes() if isinstance(found, End) else b""
    else:
        table = BY_NAME.get(schema.text(value.get("table"), "$.table"))
        if table is None:
            raise _malformed(f"no table {shown(value['table'])}")
        members = schema.closed(value, frozenset(("table", *table.columns)), "$")
        found = table, tuple(_read(table, column, members[column]) for column in table.columns)
        printed = row_bytes(*found)
    if printed.removesuffix(b"\n") != line:
        raise _malformed("not in the one spelling of an export")
    return found


def _end(value: JsonObject) -> End:
    members = schema.closed(value, _END, "$")
    schema.constant(members["end"], EXPORT_TYPE, "$.end")
    rows = schema.mapping(members["rows"], "$.rows")
    if list(rows) != sorted(BY_NAME) or any(type(count) is not int for count in rows.values()):
        raise _malformed("the end does not count each table")
    return End(rows, schema.hex64(members["sha256"], "$.sha256"))


def _read(table: Table, column: str, value: Any) -> Any:
    if column not in BINARY:
        if not is_of_kind(table, column, value):
            raise _malformed(f"{column} is of another type")
        return value
    if type(value) is str and value.startswith(_TEXT):
        return value.removeprefix(_TEXT).encode()
    try:
        if type(value) is str and value.startswith(_HEX):
            return bytes.fromhex(value.removeprefix(_HEX))
    except ValueError:
        pass
    raise _malformed(f"{column} is neither text: nor hex:")


def _malformed(reason: str) -> MalformedError:
    return MalformedError(reason, code="export.row", hint="the file was changed: export it again")
