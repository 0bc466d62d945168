"""pith key create --usage recovery, and pith key revoke."""

from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import _output
from registry.cli._boundary import note
from registry.cli._keyset import preview, told
from registry.cli._options import AsJson, Home, confirmed, open_desk

if TYPE_CHECKING:
    from registry.services.desk import Desk
    from registry.signing.signer import KeyStore
    from registry.store.rows import KeyRow


def enrolled(
    desk: "Desk",
    store: "KeyStore",
    seed: bytes,
    *,
    key_id: str | None,
    threshold: int | None,
    yes: bool,
) -> "KeyRow":
    """Make a recovery key and have the key set list it, once a person has read the change."""
    from registry.services.recovery import (
        enact_recovery_key,
        is_first,
        recovery_key,
        with_recovery_key,
    )

    row = recovery_key(desk, store, key_id=key_id, seed=seed, at=desk.clock())
    note(f"recovery key {row.key_id} ({row.public_key.fingerprint}) is in {row.uri}")
    at = desk.clock()
    body = with_recovery_key(desk, row, threshold=threshold, at=at)
    preview(desk.keyset().body, body)
    confirmed("recovery", yes=yes and is_first(desk))
    told(enact_recovery_key(desk, body, row, at=at))
    return row


def revoke(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="The key to distrust.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the key set.")],
    threshold: Annotated[
        int | None,
        typer.Option("--threshold", help="How many recovery keys an act takes from now on."),
    ] = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Distrust a recovery key that is lost, or a registry key that never signed: for ever.

    A recovery act: the recovery keys' threshold signs it, and the word must be typed. A
    key that is revoked without a time counts as distrusted from its first day; for one that
    was stolen, with a time, and for the active key there is `pith key compromise`. Prints
    the digest of the new key set.
    """
    from registry.services.distrust import revoke_key, revoked_body

    desk = open_desk(context, home)
    at = desk.clock()
    body = revoked_body(desk, key_id, reason=reason, threshold=threshold, at=at)
    preview(desk.keyset().body, body)
    confirmed("revoke", yes=None)
    keyset = revoke_key(desk, body, key_id, reason=reason, at=at)
    told(keyset)
    if as_json:
        _output.json_line(keyset.to_json())
    else:
        _output.lines([keyset.body.digest.hex()])
