"""The tables in PostgreSQL: made once, and brought up to date by numbered migrations."""

from contextlib import suppress
from importlib import resources
from typing import Final

import psycopg
from psycopg import errors

from registry.errors import StoreError
from registry.store.engine import Row
from registry.store.postgres_connection import SCHEMA

OWN: Final = ("made", "writers", "holds")
"""The tables that are the engine's own."""
_SCHEMA: Final = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
_TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = %s"
LISTED: Final = (
    "SELECT c.relname, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "JOIN pg_attribute a ON a.attrelid = c.oid WHERE n.nspname = 'pith' "
    "AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 "
    "AND NOT a.attisdropped ORDER BY c.relname, a.attnum"
)


def migrations() -> list[str]:
    """The SQL of each migration, in the order of their numbers."""
    folder = resources.files("registry.store").joinpath("migrations", "postgres")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [file.read_text("utf-8") for file in files]


def make_schema(
    connection: psycopg.Connection[Row], place: str, *, create: bool, read_only: bool
) -> None:
    """Bring the schema up to date, or with *create* make it.

    Raises StoreError ``store.open`` where there is none, ``store.foreign``, ``store.newer``,
    and, *read_only*, ``store.older``.
    """
    scripts = migrations()
    done = _version(connection, place, len(scripts))
    if done == 0 and not create:
        raise StoreError(
            f"{place} holds no registry",
            code="store.open",
            hint="check that it is the right database; `pith init --store` makes one",
        )
    if done < len(scripts) and read_only:
        raise StoreError(
            f"{place} was made by an older pith (schema {done}, this one knows {len(scripts)})",
            code="store.older",
            hint="any command that writes brings it up to date",
        )
    while done < len(scripts):
        with suppress(errors.UniqueViolation, errors.DuplicateSchema, errors.DuplicateTable):
            _migrate(connection, scripts[done], done)
        done = _version(connection, place, len(scripts))


def _version(connection: psycopg.Connection[Row], place: str, known: int) -> int:
    """The number of migrations that were done, 0 where there is no schema of ours."""
    names = {name for (name,) in connection.execute(_TABLES, [SCHEMA]).fetchall()}
    if not names:
        return 0
    found: list[Row] = []
    with suppress(errors.UndefinedTable, errors.UndefinedColumn):
        found = connection.execute(f"SELECT by, schema FROM {SCHEMA}.made").fetchall()  # noqa: S608
    if [(by, type(done)) for by, done in found] != [(SCHEMA, int)]:
        raise StoreError(
            f"the schema {SCHEMA} of {place} is not the store of a pith registry",
            code="store.foreign",
            hint="use another database; nothing was changed",
        )
    done: int = found[0][1]
    if done > known:
        raise StoreError(
            f"{place} was made by a newer pith (schema {done}, this one knows {known})",
            code="store.newer",
            hint="use the newer version",
        )
    return done


def _migrate(connection: psycopg.Connection[Row], script: str, done: int) -> None:
    """One migration with its number, in a transaction; of two processes one makes it."""
    with connection.transaction():
        if done == 0:
            if not connection.execute(_SCHEMA, [SCHEMA]).fetchall():
                connection.execute(f"CREATE SCHEMA {SCHEMA}")
            connection.execute(script)
            connection.execute("INSERT INTO made (by, schema) VALUES (%s, 1)", [SCHEMA])
            return
        moved = "UPDATE made SET schema = %s WHERE schema = %s RETURNING schema"
        if connection.execute(moved, [done + 1, done]).fetchall():
            connection.execute(script)
