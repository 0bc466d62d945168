"""Does what its arguments say to a KeyringKeyStore, one line of JSON each: a process
of its own per test, because the keyring package keeps what it found first.

Acts: check, put, put:SEEDHEX, open, erase, kill:PID, stop:PID, block:MODULE.
Of the environment: PITH_TEST_ALLOW adds a back-end to those allowed,
PITH_TEST_SECONDS sets the time limit.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable

from jeepney.bus_messages import message_bus
from jeepney.io.blocking import Proxy, open_dbus_connection
from secretstorage.util import BUS_NAME

from registry.errors import PithError
from registry.signing.keyring_store import ALLOWED_BACKENDS, KeyringKeyStore
from registry.signing.signer import public_key_of

SEED = bytes(range(32))
KEY_ID = "lab-v1"


def store() -> KeyringKeyStore:
    added = os.environ.get("PITH_TEST_ALLOW")
    return KeyringKeyStore(
        "lab.example",
        allowed=ALLOWED_BACKENDS | ({added} if added else set()),
        seconds=float(os.environ.get("PITH_TEST_SECONDS", "20")),
    )


def sign(keys: KeyringKeyStore) -> str:
    signer = keys.open(KEY_ID, public_key_of(SEED))
    signer.public_key.verify(b"message", signer._sign(b"message"))
    return "signed"


def kill(pid: int) -> None:
    """Kill a keyring's daemon or the bus, and wait until that is known to the bus."""
    os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            with open_dbus_connection() as connection:
                if not Proxy(message_bus, connection).NameHasOwner(BUS_NAME)[0]:
                    return
        except (OSError, EOFError):
            return
        time.sleep(0.02)


def act(keys: KeyringKeyStore, name: str, argument: str) -> object:
    acts: dict[str, Callable[[], object]] = {
        "check": keys.check,
        "put": lambda: keys.put(KEY_ID, bytes.fromhex(argument) if argument else SEED).hex,
        "open": lambda: sign(keys),
        "erase": lambda: keys.erase(KEY_ID),
        "kill": lambda: kill(int(argument)),
        "stop": lambda: os.kill(int(argument), signal.SIGSTOP),
        "block": lambda: sys.modules.update({argument: None}),  # type: ignore[dict-item]
    }
    return acts[name]()


def contexts(error: BaseException | None) -> list[str]:
    """What a careless handler of the error could print besides itself."""
    found = []
    while error is not None:
        found += [repr(error), repr(error.__cause__)]
        error = error.__context__
    return found


def main() -> None:
    keys = store()
    for argument in sys.argv[1:]:
        name, _, rest = argument.partition(":")
        began = time.monotonic()
        try:
            line = {"act": name, "value": act(keys, name, rest)}
        except PithError as error:
            line = {
                "act": name,
                "error": type(error).__name__,
                "code": error.code,
                "message": str(error),
                "hint": error.hint,
                "context": contexts(error),
            }
        line["seconds"] = time.monotonic() - began
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
