"""The bare loop that `pith number` is measured against: the strict reader, guarded
canonical bytes, SHA-256, and nothing else of a record's rules, numbers or output."""

import hashlib
import sys

from registry.protocol.canonical import canonical
from registry.protocol.strict_json import read_record_json


def main() -> None:
    """Hash every line of a file."""
    with open(sys.argv[1], "rb") as file:
        for line in file:
            hashlib.sha256(canonical(read_record_json(line))).digest()


if __name__ == "__main__":
    main()
