"""What commands say of a key set version before it is signed, and after."""

from registry.cli._boundary import note
from registry.protocol.keyset import KeySet, KeySetBody
from registry.protocol.keyset_diff import diff
from registry.protocol.words import word_lines


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
    note("hint: publish it to those who verify: `pith keyset show -o pith-keys.json`")
