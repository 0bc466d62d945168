"""Does what its arguments say with a key on a token, one line of JSON each: a module is
loaded once per process.

Acts on the token itself, as its own tool would do them: serials, make:ID, make-x25519:ID,
unpublic:ID and unprivate:ID (one half is erased), gone.
Acts of pith: check, find, open, sign, sign:COUNT, prove, put, hand_over, erase, fork,
wrong (open with another public key), pin:TEXT (what pin_from leads to from now on).
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism

from registry.errors import PithError
from registry.signing.memory import MemoryKeyStore
from registry.signing.passphrase import Passphrase
from registry.signing.pkcs11_store import TokenKeyStore, TokenSigner
from registry.signing.proof import prove_key
from registry.signing.signer import public_key_of
from registry.signing.token_location import TokenLocation
from registry.signing.tokens import Tokens

MODULE = Path(os.environ["PITH_TEST_MODULE"])
FOLDER = Path(os.environ["PITH_TEST_FOLDER"])
CURVES = {"make": "06032b6570", "make-x25519": "06032b656e"}
OTHER = public_key_of(bytes(32))


class Driver:
    """A store and, once opened, its signer."""

    def __init__(self) -> None:
        pin = Passphrase(os.environ["PITH_TEST_PIN"], what="PIN of the token", setting="pin_from")
        self.tokens = Tokens(MODULE, pin)
        self.signer: TokenSigner | None = None

    @property
    def store(self) -> TokenKeyStore:
        uri = os.environ["PITH_TEST_URI"]
        return TokenKeyStore(TokenLocation.parse(uri.removeprefix("pkcs11:")), self.tokens)

    def open(self) -> str:
        self.signer = self.store.open("lab-v1", self.store.find("lab-v1"))
        assert (self.signer.key_id, self.signer.forkable) == ("lab-v1", False)
        return self.signer.public_key.hex

    def sign(self, count: str = "") -> str:
        if self.signer is None:
            self.open()
        assert self.signer is not None
        for number in range(int(count or 1)):
            made = self.signer._sign(b"message %d" % number)
        self.signer.public_key.verify(b"message %d" % number, made)
        return made.hex()

    def prove(self) -> None:
        self.open()
        assert self.signer is not None
        prove_key(self.signer, "lab.example")

    def fork(self) -> object:
        """What a child is told that would sign, and that would open again."""
        self.open()
        codes = []
        for act in (self.sign, self.open):
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    os.write(writing, told(act).encode())
                finally:
                    os._exit(0)
            os.close(writing)
            with os.fdopen(reading) as pipe:
                codes.append(pipe.read())
            os.waitpid(child, 0)
        self.sign()
        return codes


def told(act: Callable[[], object]) -> str:
    try:
        act()
    except PithError as error:
        return error.code
    return "signed"


def login() -> pkcs11.Session:
    token = pkcs11.lib(str(MODULE)).get_token(token_label=os.environ["PITH_TEST_LABEL"])
    return token.open(rw=True, user_pin=(FOLDER / "pin").read_text())


def make(name: str, key_id: str) -> None:
    with login() as session:
        curve = {Attribute.EC_PARAMS: bytes.fromhex(CURVES[name])}
        kind = KeyType.EC_EDWARDS if name == "make" else KeyType.EC_MONTGOMERY
        how = (
            Mechanism.EC_EDWARDS_KEY_PAIR_GEN
            if name == "make"
            else Mechanism.EC_MONTGOMERY_KEY_PAIR_GEN
        )
        parameters = session.create_domain_parameters(kind, curve, local=True)
        parameters.generate_keypair(mechanism=how, id=bytes.fromhex(key_id), store=True)


def forget(key_id: str, kind: pkcs11.ObjectClass) -> None:
    with login() as session:
        for found in session.get_objects(
            {Attribute.ID: bytes.fromhex(key_id), Attribute.CLASS: kind}
        ):
            found.destroy()


def take_away() -> None:
    (FOLDER / "tokens").rename(FOLDER / "away")
    (FOLDER / "tokens").mkdir()


def act(driver: Driver, name: str, argument: str) -> object:
    acts: dict[str, Callable[[], object]] = {
        "serials": lambda: [
            token.serial.decode()
            for token in pkcs11.lib(str(MODULE)).get_tokens()
            if token.label == os.environ["PITH_TEST_LABEL"]
        ],
        "make": lambda: make("make", argument),
        "make-x25519": lambda: make("make-x25519", argument),
        "unpublic": lambda: forget(argument, pkcs11.ObjectClass.PUBLIC_KEY),
        "unprivate": lambda: forget(argument, pkcs11.ObjectClass.PRIVATE_KEY),
        "gone": take_away,
        "pin": lambda: (FOLDER / "pin").write_text(argument),
        "check": lambda: driver.store.check(),
        "find": lambda: driver.store.find("lab-v1").hex,
        "open": driver.open,
        "sign": lambda: driver.sign(argument),
        "prove": driver.prove,
        "fork": driver.fork,
        "wrong": lambda: driver.store.open("lab-v1", OTHER),
        "put": lambda: driver.store.put("lab-v1", bytes(32)),
        "hand_over": lambda: driver.store.hand_over("lab-v1", OTHER, MemoryKeyStore("x")),
        "erase": lambda: driver.store.erase("lab-v1"),
    }
    return acts[name]()


def main() -> None:
    driver = Driver()
    for argument in sys.argv[1:]:
        name, _, rest = argument.partition(":")
        try:
            line: dict[str, object] = {"act": name, "value": act(driver, name, rest)}
        except PithError as error:
            line = {
                "act": name,
                "error": type(error).__name__,
                "code": error.code,
                "message": str(error),
                "hint": error.hint,
            }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
