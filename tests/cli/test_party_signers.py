"""People who are not the registry keep their keys where they like: an agent, a token."""

import json
from pathlib import Path
from typing import Any, Final

from registry.protocol.event_checks import examine_event
from registry.protocol.signers import Enrolment, SignerEntry
from tests.cli.conftest import Pith
from tests.cli.lab import REGISTRY, process, record
from tests.signing.agent import running_agent
from tests.signing.softhsm import Token

NUMBER: Final = record().number
WHO: Final = ("--id", "reader.example", "--type", "third_party", "--key-id", "reader-2026")
ASK: Final = ("party", "request", "--registry", REGISTRY, *WHO)
SIGN: Final = ("event", "sign", "replication", NUMBER, "--outcome", "the same")


def valid(who: Path, event: Any) -> bool:
    key = Enrolment.parse(who.read_bytes()).key
    ref = SignerEntry(key, "active", None, None, bytes(64)).ref
    return examine_event(event, NUMBER, {ref: key.key}).failed is None


def test_with_a_key_of_an_agent(pith: Pith, tmp_path: Path) -> None:
    who = tmp_path / "reader.pub"
    with running_agent() as agent:
        uri = agent.add(b"\7" * 32)
        pith(*ASK, "--signer", uri, "-o", who).fine()
        event = pith(*SIGN, "--as", who, "--signer", uri).fine().object
        pith(*ASK, "--signer", uri, "--new").refused(7, "keystore.elsewhere")

    assert valid(who, event)


def test_with_a_key_of_a_token(tmp_path: Path) -> None:
    token = Token(tmp_path / "token")
    who = tmp_path / "reader.pub"
    where: tuple[object, ...] = ("--signer", token.uri(), "--pkcs11-module", token.module)
    pin = ("--passphrase", f"file:{token.pin}")
    env = {"SOFTHSM2_CONF": token.env["SOFTHSM2_CONF"]}
    process(*ASK, *where, *pin, "-o", who, env=env).fine()
    done = process(*SIGN, "--as", who, *where, *pin, env=env).fine()

    assert valid(who, json.loads(done.out))
    process(*ASK, "--signer", token.uri(), *pin, env=env).refused(7, "pkcs11.unset")
