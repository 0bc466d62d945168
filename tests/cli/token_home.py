"""Makes a registry whose first key is on a token: ``python -m tests.cli.token_home HOME URI``.

No command does this: a registry begins with a key that pith made, and rotates to a token.
"""

import sys
from pathlib import Path

from registry.app import App, now
from registry.protocol.keyset import MAX_LIFE_DAYS, first_keyset
from registry.services.keys import key_object
from registry.signing.documents import sign_keyset
from registry.store.rows import KeyRow
from registry.store.store import Store


def main(home: Path, uri: str) -> None:
    """The home holds a config.toml already."""
    app = App(home)
    config, at = app.config(), now()
    keys = app.key_store(uri, config)
    row = KeyRow("lab-token-1", keys.find("lab-token-1"), "registry", uri, at)
    key = key_object(config, row.key_id, row.public_key, at)
    body = first_keyset(config.registry_id, key, successor=None, at=at, days=MAX_LIFE_DAYS)
    keyset = sign_keyset([keys.open(row.key_id, row.public_key)], body)
    with Store(config.store_path, create=True) as store:
        store.begin(config.registry_id, [row], keyset)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
