"""Statements as the driver wants them, and how an INSERT is made for many rows at once."""

import re
from functools import cache
from hashlib import sha256
from typing import Final, NamedTuple

_VALUE: Final = re.compile(r"(?<![:\w]):([a-z_0-9]+)")
_EQUAL: Final = r"\w+ = :\w+"
_DELETE: Final = re.compile(rf"DELETE FROM (\w+) WHERE ({_EQUAL}(?: AND {_EQUAL})*)")  # noqa: S608
_INSERT: Final = re.compile(r"INSERT INTO (\w+) \(([^)]*)\) VALUES \(([^)]*)\)(.*)", re.DOTALL)


_LISTS: Final = {str: "TEXT[]", bytes: "BYTEA[]", int: "BIGINT[]"}


class Stage(NamedTuple):
    """How many rows get into a table: the stage they are copied to, and the way from there."""

    table: str
    stage: str
    values: tuple[str, ...]
    create: str
    copy: str
    insert: str
    clear: str


@cache
def translated(statement: str) -> str:
    """A statement with its values named as the driver wants them."""
    return _VALUE.sub(r"%(\1)s", statement.replace("%", "%%"))


@cache
def stage_of(statement: str) -> Stage | None:
    """How to run an INSERT for many rows; None where it is of another shape."""
    found = _INSERT.fullmatch(statement)
    if found is None:
        return None
    table, columns, items, rest = found[1], found[2].split(", "), found[3].split(", "), found[4]
    pairs = [
        (column, item[1:])
        for column, item in zip(columns, items, strict=True)
        if item.startswith(":")
    ]
    named = ", ".join(f"{column} AS {value}" for column, value in pairs)
    stage = f"stage_{table}_{sha256(named.encode()).hexdigest()[:8]}"
    listed = ", ".join(value for _, value in pairs)
    taken = ", ".join(item.removeprefix(":") for item in items)
    return Stage(
        table,
        stage,
        tuple(value for _, value in pairs),
        f"CREATE TEMPORARY TABLE IF NOT EXISTS {stage} ON COMMIT DELETE ROWS "  # noqa: S608
        f"AS SELECT {named} FROM {table} WITH NO DATA",
        f"COPY {stage} ({listed}) FROM STDIN (FORMAT BINARY)",
        f"INSERT INTO {table} ({found[2]}) SELECT {taken} FROM {stage}{rest}",  # noqa: S608
        f"DELETE FROM {stage}",  # noqa: S608 - constants
    )


@cache
def deleting(statement: str, types: tuple[tuple[str, type], ...]) -> str | None:
    """A DELETE of one row as that of many, whose values are lists, by name of these types; None
    where it is of another shape."""
    found = _DELETE.fullmatch(statement)
    if found is None:
        return None
    kinds = dict(types)
    pairs = [each.split(" = :") for each in found[2].split(" AND ")]
    columns = ", ".join(column for column, _ in pairs)
    lists = ", ".join(f"CAST(%({value})s AS {_LISTS[kinds[value]]})" for _, value in pairs)
    return f"DELETE FROM {found[1]} WHERE ({columns}) IN (SELECT * FROM unnest({lists}))"  # noqa: S608
