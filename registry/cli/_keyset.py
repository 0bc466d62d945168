"""What commands say of a key set version before it is signed, and after."""

from typing import TYPE_CHECKING

from registry.cli._boundary import note
from registry.protocol.keyset import KeySet, KeySetBody
from registry.protocol.keyset_diff import diff
from registry.protocol.words import word_lines

if TYPE_CHECKING:
    from registry.services.desk import Desk


def preview(old: KeySetBody, new: KeySetBody) -> None:
    """What would change, and the digest that would be signed, in hex and as words."""
    for line in diff(old, new):
        note(line)
    note(f"digest {new.digest.hex()}")
    for line in word_lines(new.digest):
        note(f"  {line}")


def told(keyset: KeySet) -> None:
    """The version that stands now, and what is to be done with it."""
    body = keyset.body
    note(f"key set version {body.version} stands; its digest is {body.digest.hex()}")
    note("hint: publish it to those who verify: `pith keyset show --all -o known-keys.jsonl`")


def successor_told(desk: "Desk", keyset: KeySet, key_id: str) -> None:
    """Where the successor is that a key of this version is committed to."""
    entry = next(entry for entry in keyset.body.entries if entry.key_id == key_id)
    for row in desk.store.list_keys():
        if row.public_key.sha256.hex() == entry.successor_key_sha256:
            note(f"the successor of {key_id}, {row.key_id}, is in {row.uri}")
