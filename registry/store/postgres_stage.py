"""Statements as the driver wants them, and how an INSERT is made for many rows at once."""

import re
from functools import cache
from typing import Final, NamedTuple

_VALUE: Final = re.compile(r"(?<![:\w]):([a-z_0-9]+)")
_INSERT: Final = re.compile(r"INSERT INTO (\w+) \(([^)]*)\) VALUES \(([^)]*)\)(.*)", re.DOTALL)


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
    stage = f"stage_{table}"
    named = ", ".join(f"{column} AS {value}" for column, value in pairs)
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
