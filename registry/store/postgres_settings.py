"""What a PostgreSQL server must be set to, so that what was acknowledged is kept."""

from typing import Any, Final

import psycopg

from registry.errors import StoreError

OLDEST: Final = 130_000
_NAMES: Final = (
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "server_version_num",
    "server_encoding",
)
_QUERY: Final = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)"
_HINTS: Final = {
    "fsync": "set fsync = on in postgresql.conf: without it a power cut loses or spoils what "
    "was acknowledged",
    "full_page_writes": "set full_page_writes = on in postgresql.conf: without it a power cut "
    "may leave half a page",
    "synchronous_commit": "set it to on, or to local, remote_write or remote_apply: with off the "
    "last acknowledged commits may be lost, and what was signed in them would be signed anew",
    "server_version_num": "use PostgreSQL 13 or later",
    "server_encoding": "make the database anew: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE "
    "template0",
}


def refused(settings: dict[str, str]) -> list[str]:
    """The names of the settings that are not as they must be.

    What a server does not have at all cannot be wrong: others that speak its language have
    no such pages. Of synchronous_commit only ``off`` answers before the commit is on the disk.
    """
    wrong = [name for name in _NAMES[:2] if settings.get(name, "on") != "on"]
    if settings.get("synchronous_commit", "on") == "off":
        wrong.append("synchronous_commit")
    if int(settings.get("server_version_num", OLDEST)) < OLDEST:
        wrong.append("server_version_num")
    if settings.get("server_encoding", "UTF8") != "UTF8":
        wrong.append("server_encoding")
    return wrong


def check_settings(connection: psycopg.Connection[Any], place: str) -> None:
    """Raise StoreError ``store.settings`` where the server would lose what it acknowledged."""
    found = dict(connection.execute(_QUERY, [list(_NAMES)]).fetchall())
    for name in refused(found):
        raise StoreError(
            f"{place} has {name} = {found[name]}", code="store.settings", hint=_HINTS[name]
        )
