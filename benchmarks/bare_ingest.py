"""The bare loop that `pith ingest arxiv` is measured against: any JSON, SHA-256 of the line, and
nothing of a record's rules, texts, dates, numbers or output."""

import hashlib
import json
import sys


def main() -> None:
    """Hash every line of a file, and read it."""
    with open(sys.argv[1], "rb") as file:
        for line in file:
            hashlib.sha256(line).digest()
            json.loads(line)


if __name__ == "__main__":
    main()
