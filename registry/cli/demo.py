"""pith demo."""

import sys
import tempfile
from pathlib import Path

from registry.cli.main import example, group
from registry.errors import visible
from registry.services.desk import Desk

app = group("Show everything on real published data.")


def _say(text: str) -> None:
    sys.stdout.write(f"{visible(text)}\n")
    sys.stdout.flush()


@app.command(epilog=example("pith demo"))
def demo() -> None:
    """Verify the real published bundle, mint real records in a throw-away registry, build
    and verify a bundle, and show that a changed byte is refused.

    Asks nothing, reaches no network, and leaves nothing behind.
    """
    from registry.app import now
    from registry.services import demo as steps

    _say("1. A real bundle published by pith.science, verified under the shipped pin")
    steps.verify_seed(_say, now())
    with tempfile.TemporaryDirectory(prefix="pith-demo-") as folder:
        _say("2. A throw-away registry, its key in an encrypted file")
        desk = _throw_away(Path(folder))
        key = desk.active_key()
        _say(f"  {desk.registry}, key {key.key_id} ({key.key.fingerprint})")
        _say("3. Real records, minted")
        steps.mint_published(_say, desk)
        _say("4. A bundle of our own, built, signed and verified")
        bundle = steps.bundle_own(desk)
        steps.verify_own(_say, desk, bundle)
        _say("5. The same bundle with one byte changed")
        steps.show_refusal(_say, desk, bundle)
        desk.store.close()
    _say("Nothing is left behind. Next: pith init, pith record build, pith mint, pith verify.")


def _throw_away(folder: Path) -> Desk:
    from registry.app import App, new_seed, now
    from registry.config import new_config
    from registry.services.demo import BASE_URL, REGISTRY
    from registry.services.initialise import initialise

    secret = folder / "passphrase"
    secret.touch(mode=0o600)
    secret.write_text(new_seed().hex(), "ascii")
    app_ = App(folder / "home")
    config = new_config(
        app_.home,
        registry_id=REGISTRY,
        base_url=BASE_URL,
        name="Demonstration",
        signer="file:",
        passphrase=f"file:{secret}",
    )
    key_store = app_.key_store("file:", config)
    initialise(
        app_.home,
        config,
        key_store,
        seed=new_seed(),
        successor_seed=new_seed(),
        at=now(),
    )
    return app_.open()
