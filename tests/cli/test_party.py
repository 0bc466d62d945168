"""pith party."""

import json
from pathlib import Path

from registry.protocol.canonical import canonical
from registry.signing.documents import sign_enrolment
from tests.cli.conftest import Pith
from tests.cli.lab import REGISTRY
from tests.world import AUTHOR, MIRROR, Party

ORCID = AUTHOR.name


def public(folder: Path, party: Party = AUTHOR) -> Path:
    """What a newcomer sends."""
    file = folder / f"{party.key_id}.pub"
    made = sign_enrolment(party.signer, party.key_object, registry=REGISTRY)
    file.write_bytes(canonical(made.to_json()))
    return file


def enroll(pith: Pith, home: Path, folder: Path, party: Party = AUTHOR) -> None:
    options = ("--id", party.name, "--type", party.signer_type, "--key", public(folder, party))
    pith("party", "enroll", *options, home=home).fine()


def test_a_party_from_request_to_a_verified_list(pith: Pith, home: Path, tmp_path: Path) -> None:
    secret = tmp_path / "passphrase"
    secret.touch(mode=0o600)
    secret.write_text("six words that nobody would guess\n")
    where = ("--signer", f"file:{tmp_path}/my-keys", "--passphrase", f"file:{secret}")
    who = ("--id", ORCID, "--type", "author")
    file = tmp_path / "able.pub"
    asked = ("--registry", REGISTRY, *who, "--key-id", "able-2026", *where)
    pith("party", "request", *asked, "-o", file).refused(7, "key.absent")
    pith("party", "request", *asked, "--new", "-o", file).fine()
    again = pith("party", "request", *asked).fine()
    assert again.out == file.read_bytes()

    done = pith("party", "enroll", *who, "--key", file, "--json", home=home).fine()
    told = done.object
    assert (told["version"], told["new"]) == (1, True)
    pith("party", "list", "-o", tmp_path / "pith-signers.json", home=home).fine()
    verified = pith("verify", tmp_path / "pith-signers.json", "--json", home=home).fine()
    assert verified.object["subject"] == told["sha256"]
    (line,) = pith("party", "list", home=home).fine().lines
    assert line.split()[:4] == [ORCID, "author", "active", "able-2026"]
    stranger = pith("verify", tmp_path / "pith-signers.json")
    assert stranger.code == 4


def test_the_operator_says_who_it_is(pith: Pith, home: Path, tmp_path: Path) -> None:
    file = public(tmp_path)
    for who in (("--id", MIRROR.name, "--type", "author"), ("--id", ORCID, "--type", "mirror")):
        pith("party", "enroll", *who, "--key", file, home=home).refused(4, "party.other")
    file.write_bytes(b"ssh-ed25519 AAAA alice\n")
    who = ("--id", ORCID, "--type", "author")
    pith("party", "enroll", *who, "--key", file, home=home).refused(3, "json.syntax")


def test_retiring_and_revoking(pith: Pith, home: Path, tmp_path: Path) -> None:
    enroll(pith, home, tmp_path)
    enroll(pith, home, tmp_path, MIRROR)
    pith("party", "retire", ORCID, home=home).refused(2, "usage.confirm")
    pith("party", "retire", "nobody.example", "--yes", home=home).refused(5, "party.absent")
    since = ("--since", "2026-01-01T00:00:00Z")
    pith("party", "retire", ORCID, *since, "--yes", home=home).refused(2, "usage.together")
    pith("party", "retire", ORCID, "--revoke", "--yes", home=home).refused(2, "usage.confirm")
    pith("party", "retire", ORCID, "--yes", home=home).fine()
    again = pith("party", "retire", ORCID, "--yes", "--json", home=home).fine()

    assert again.object["new"] is False
    statuses = [entry["status"] for entry in pith("party", "list", "--json", home=home).objects]
    assert statuses == ["retired", "active"]


def test_the_journal_and_the_audit_know_the_list(pith: Pith, home: Path, tmp_path: Path) -> None:
    enroll(pith, home, tmp_path)
    file = tmp_path / "pith-signers.json"
    pith("party", "list", "-o", file, home=home).fine()
    keys = tmp_path / "pith-keys.json"
    pith("keyset", "show", "-o", keys, home=home).fine()

    pith("key", "audit", file, keys, home=home).fine()
    assert json.loads(file.read_bytes())["registry"] == REGISTRY


def test_without_parties_there_is_no_list(pith: Pith, home: Path, tmp_path: Path) -> None:
    assert pith("party", "list", home=home).fine().out == b""
    pith("party", "list", "-o", tmp_path / "x", home=home).refused(5, "party.absent")


def test_file_without_a_folder_is_nowhere(pith: Pith) -> None:
    asked = ("--registry", REGISTRY, "--id", ORCID, "--type", "author", "--key-id", "able-2026")
    pith("party", "request", *asked, "--signer", "file:").refused(2, "usage.signer")
    pith("party", "request", *asked, "--signer", "file:/x").refused(7, "passphrase.source")
