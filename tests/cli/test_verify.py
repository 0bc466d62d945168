"""pith verify."""

import json
import subprocess
from pathlib import Path

import pytest

from registry import data
from registry.app import App
from tests.cli.conftest import Pith
from tests.cli.lab import REGISTRY, environment, make_home, process, record
from tests.parts import needs, vectors_dir

PAPER = "arxiv:2401.00001"
SEED_NUMBER = "pith:2018:P7HI7IUZ2D4BWY3OX4YBCD7BZN"
SEED_KEY = "pith-v1-2026-05"

EXITS = {
    "alias-short-wrong_fail": 4,
    "bundle-swapped-key-self-consistent_fail": 4,
    "bundle-unknown-type_fail": 3,
    "event-duplicated_fail": 4,
    "event-id-not-of-content_fail": 4,
    "json-duplicate-key_fail": 3,
    "json-lone-surrogate_fail": 3,
    "json-nan_fail": 3,
    "json-truncated_fail": 3,
    "json-utf16_fail": 3,
    "key-hex-b64-mismatch_fail": 4,
    "key-small-order_fail": 4,
    "pith-number-wrong-year_fail": 4,
    "record-tampered-bundle-resealed_fail": 4,
    "sig-algorithm-none_fail": 3,
    "sig-b64-no-padding_fail": 3,
    "sig-b64-padding-bits_fail": 3,
    "sig-b64-trailing-data_fail": 3,
    "sig-bundle-sha256-uppercase_fail": 3,
    "sig-empty_fail": 3,
    "sig-malleable-s-plus-l-bundle_fail": 4,
    "sig-missing_fail": 3,
    "state-sha256-wrong_fail": 4,
    "time-built-at-before-events_fail": 4,
    "xproto-event-signature-as-receipt_fail": 3,
}
"""3 is not in the form of a bundle, 4 in its form and not true or not trusted."""


@pytest.fixture(name="seed")
def _seed(tmp_path: Path) -> Path:
    file = tmp_path / "seed.json"
    file.write_bytes(data.seed_bundle())
    return file


@pytest.fixture(name="bundle")
def _bundle(pith: Pith, stocked: Path, tmp_path: Path) -> Path:
    file = tmp_path / "bundle.json"
    file.write_bytes(pith("bundle", "build", PAPER, home=stocked).fine().out)
    return file


def key_pin(home: Path) -> str:
    """KEY_ID=HEX of a home's active key."""
    key = App(home).open().active_key()
    return f"{key.key_id}={key.key.hex}"


def keyset_file(pith: Pith, home: Path, tmp_path: Path) -> Path:
    file = tmp_path / "pith-keys.json"
    file.write_bytes(pith("keyset", "show", home=home).fine().out)
    return file


# -- the seed ------------------------------------------------------------------


def test_the_real_seed_verifies_with_the_shipped_pins(pith: Pith, seed: Path) -> None:
    done = pith("verify", seed).fine()

    assert len(done.lines) > 30
    assert all(line.startswith("ok  ") for line in done.lines)
    assert done.errors == [f"pith: verified: bundle {SEED_NUMBER} of pith.science"]


def test_the_shared_seed_is_the_packaged_one(pith: Pith) -> None:
    shared = vectors_dir() / "seed_bundle.json"

    assert shared.read_bytes() == data.seed_bundle()
    pith("verify", shared).fine()


def test_standard_input(seed: Path) -> None:
    process("verify", "-", stdin=seed.read_bytes()).fine()


def test_quiet_says_it_with_the_exit_code(pith: Pith, seed: Path, tmp_path: Path) -> None:
    good = pith("verify", "--quiet", seed).fine()
    spoilt = tmp_path / "spoilt.json"
    spoilt.write_bytes(data.seed_bundle().replace(b'"1.0"', b'"1.1"', 1))
    bad = pith("verify", "-q", spoilt)

    assert good.out == b""
    assert bad.out == b""
    assert bad.code in (3, 4)


def test_every_changed_byte_that_was_tried_is_refused(
    pith: Pith, seed: Path, tmp_path: Path
) -> None:
    whole = data.seed_bundle()
    spoilt = tmp_path / "spoilt.json"
    for at in range(7, len(whole), 997):
        changed = bytearray(whole)
        changed[at] ^= 1
        spoilt.write_bytes(changed)
        done = pith("verify", "-q", spoilt)
        assert done.code in (3, 4), at
        assert "Traceback" not in done.err


def test_json_has_every_check_in_order(pith: Pith, seed: Path, tmp_path: Path) -> None:
    good = pith("verify", "--json", seed).fine().object
    bad_file = tmp_path / "bad.json"
    bad_file.write_bytes(data.seed_bundle().replace(b"2018-11-30", b"2018-11-29", 1))
    bad = pith("verify", "--json", bad_file)

    assert set(good) == {
        "kind",
        "subject",
        "registry",
        "ok",
        "checks",
        "verdicts",
        "proven",
        "timestamps",
    }
    assert (good["kind"], good["subject"]) == ("bundle", SEED_NUMBER)
    assert (good["registry"], good["ok"]) == ("pith.science", True)
    for check in good["checks"]:
        assert set(check) == {"name", "status", "code", "path", "reason", "hint"}
        assert check["status"] == "ok"
    # A pinned key speaks for receipt, record_created and bundle.
    assert [verdict["verdict"] for verdict in good["verdicts"]] == ["valid"] * 3
    assert bad.code == 4, bad
    assert bad.object["ok"] is False
    first = next(check for check in bad.object["checks"] if check["status"] == "fail")
    assert bad.errors[0].endswith(f"[{first['code']}]")


# -- expectations --------------------------------------------------------------


@pytest.mark.parametrize(
    "expected",
    [
        SEED_NUMBER,
        SEED_NUMBER.lower(),
        "P7HI7IUZ",
        "pith:P7HI7IUZ",
        "P7HI7IUZ2D4B",
        "arxiv:1811.12941",
        "10.48550/arxiv.1811.12941",
        "10.48550/arXiv.1811.12941",
    ],
)
def test_the_expected_record(pith: Pith, seed: Path, expected: str) -> None:
    pith("verify", "-q", seed, "--expect", expected).fine()


@pytest.mark.parametrize(
    "expected",
    [
        "pith:2017:P7HI7IUZ2D4BWY3OX4YBCD7BZN",
        "pith:2018:AAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAA",
        "arxiv:1811.12942",
        "arxiv:1811.12941v9999",
        "10.48550/arxiv.1811.12942",
    ],
)
def test_another_record_than_the_expected(pith: Pith, seed: Path, expected: str) -> None:
    pith("verify", "-q", seed, "--expect", expected).refused(4, "expect.subject")


@pytest.mark.parametrize("expected", ["", "P7HI7IU", "nothing", "\x1b[31m"])
def test_an_expectation_that_names_nothing(pith: Pith, seed: Path, expected: str) -> None:
    assert pith("verify", "-q", seed, "--expect", expected).code in (2, 3)


def test_the_expected_registry(pith: Pith, seed: Path) -> None:
    pith("verify", "-q", seed, "--registry", "pith.science").fine()
    pith("verify", "-q", seed, "--registry", "lab.example").refused(4, "expect.registry")


# -- pins ----------------------------------------------------------------------


def test_without_a_pin_it_is_consistent_with_itself_and_not_trusted(
    pith: Pith, bundle: Path
) -> None:
    done = pith("verify", bundle).refused(4, "trust.pin")

    assert "consistent with itself, not trusted" in done.err
    assert any(line.startswith("pith: hint: ") for line in done.errors)


def test_a_home_trusts_its_own_key_set(pith: Pith, stocked: Path, bundle: Path, seed: Path) -> None:
    pith("verify", bundle, home=stocked).fine()
    pith("verify", seed, home=stocked).fine()


def test_a_key_given_on_the_command_line(pith: Pith, stocked: Path, bundle: Path) -> None:
    pith("verify", bundle, "--pin", key_pin(stocked)).fine()


def test_the_key_set_as_a_pin(pith: Pith, stocked: Path, bundle: Path, tmp_path: Path) -> None:
    pith("verify", bundle, "--pin", keyset_file(pith, stocked, tmp_path)).fine()


def test_a_pin_file(pith: Pith, stocked: Path, bundle: Path, tmp_path: Path) -> None:
    key = App(stocked).open().active_key()
    file = tmp_path / "pin.json"
    document = {
        "pin_type": "pith_pin",
        "pin_version": "1.0",
        "registry": REGISTRY,
        "key_id": key.key_id,
        "public_key_hex": key.key.hex,
        "read_from": "a phone call",
        "read_at": "2026-01-01T00:00:00Z",
        "how": "read aloud",
    }
    file.write_text(json.dumps(document))
    pith("verify", bundle, "--pin", file).fine()

    file.write_text(json.dumps(document | {"registry": "other.example"}))
    pith("verify", "-q", bundle, "--pin", file).refused(4, "trust.pin")


def test_given_pins_replace_the_shipped_ones(pith: Pith, stocked: Path, seed: Path) -> None:
    pith("verify", "-q", seed, "--pin", key_pin(stocked)).refused(4, "trust.key")
    (key,) = json.loads(data.seed_bundle())["public_keys"]
    pin = f"{SEED_KEY}={key['public_key_hex']}"
    pith("verify", seed, "--pin", key_pin(stocked), "--pin", pin).fine()


def test_a_key_of_another_id_or_value_is_no_pin(pith: Pith, stocked: Path, bundle: Path) -> None:
    key_id, hexed = key_pin(stocked).split("=")
    (other,) = json.loads(data.seed_bundle())["public_keys"]

    pith("verify", "-q", bundle, "--pin", f"other-1={hexed}").refused(4, "trust.key")
    pith("verify", "-q", bundle, "--pin", f"{key_id}={other['public_key_hex']}").refused(
        4, "trust.key"
    )


@pytest.mark.parametrize(
    ("pin", "codes"),
    [
        ("no-such-file", (5,)),
        ("k=", (3,)),
        ("key-1=zz", (3,)),
        ("key-1=" + "00" * 31, (3,)),
        ("key-1=" + "AB" * 32, (3, 4)),
        ("key-1=" + "ab" * 16, (3,)),
        ("=" + "ab" * 32, (3,)),
        ("key-1=01" + "00" * 31, (3, 4)),
        ("key-1=" + "ff" * 32, (3, 4)),
        ("", (2, 3, 5)),
    ],
)
def test_what_is_no_pin(pith: Pith, seed: Path, pin: str, codes: tuple[int, ...]) -> None:
    assert pith("verify", "-q", seed, "--pin", pin).code in codes


def test_a_file_that_is_no_pin(pith: Pith, seed: Path, tmp_path: Path) -> None:
    pith("verify", "-q", seed, "--pin", seed).refused(3, "pin.form")
    pith("verify", "-q", seed, "--pin", tmp_path).refused(2, "file.directory")
    (tmp_path / "big").write_bytes(b" " * (1 << 20))
    assert pith("verify", "-q", seed, "--pin", tmp_path / "big").code == 3


def test_a_pin_of_the_bundle_itself_is_not_taken_from_it(
    pith: Pith, stocked: Path, record_file: Path, tmp_path: Path
) -> None:
    """An attacker's bundle under the name of a pinned registry."""
    other = make_home(tmp_path / "other")
    file = tmp_path / "forged.json"
    pith("mint", record_file, home=other).fine()
    file.write_bytes(pith("bundle", "build", PAPER, home=other).fine().out)

    pith("verify", "-q", file, home=stocked).refused(4, "trust.key")
    pith("verify", "-q", file, home=other).fine()


# -- other documents -----------------------------------------------------------


def test_events_alone(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    for i, event in enumerate(pith("event", "list", PAPER, "--json", home=stocked).objects):
        file = tmp_path / f"event-{i}.json"
        file.write_text(json.dumps(event))
        pith("verify", file, home=stocked).fine()
        pith("verify", file, "--pin", key_pin(stocked)).fine()
        pith("verify", "-q", file).refused(4, "trust.pin")
        pith("verify", "-q", file, "--expect", str(record().number), home=stocked).fine()
        event["created_at"] = "2020-01-01T00:00:00Z"
        file.write_text(json.dumps(event))
        assert pith("verify", "-q", file, home=stocked).code == 4


def test_a_key_set_alone(pith: Pith, stocked: Path, tmp_path: Path) -> None:
    file = keyset_file(pith, stocked, tmp_path)

    done = pith("verify", file, home=stocked).fine()
    assert "verified: key set " in done.err
    pith("verify", file, "--pin", file).fine()
    pith("verify", "-q", file).refused(4, "trust.pin")
    pith("verify", "-q", file, "--pin", key_pin(stocked)).refused(4, "trust.pin")


def test_a_receipt_with_its_record(
    pith: Pith, stocked: Path, record_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "receipt.json"
    pith("receipt", "export", PAPER, "-o", file, home=stocked).fine()
    other = tmp_path / "other.json"
    other.write_bytes(record(9).canonical)

    pith("verify", file, "--record", record_file, home=stocked).fine()
    pith("verify", file, "--record", record_file, "--pin", key_pin(stocked)).fine()
    assert pith("verify", "-q", file, "--record", other, home=stocked).code == 4
    assert pith("verify", "-q", file, "--record", file, home=stocked).code == 3
    pith("verify", "-q", file, home=stocked).refused(2, "verify.record")
    pith("verify", "-q", file, "--record", record_file).refused(4, "trust.pin")
    pith("verify", "-q", file, "--record", tmp_path / "no", home=stocked).refused(5, "file.absent")


def test_a_record_goes_with_a_receipt_only(pith: Pith, seed: Path, record_file: Path) -> None:
    pith("verify", "-q", seed, "--record", record_file).refused(2, "verify.record")


def test_what_nobody_signs_is_refused_with_a_hint(
    pith: Pith, stocked: Path, record_file: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state.json"
    pith("state", "show", PAPER, "-o", state, home=stocked).fine()

    assert "pith number" in pith("verify", "-q", record_file).refused(3, "document.kind").err
    assert "bundle" in pith("verify", "-q", state).refused(3, "document.kind").err


# -- --explain -----------------------------------------------------------------


def run_script(text: bytes, tmp_path: Path) -> "subprocess.CompletedProcess[bytes]":
    file = tmp_path / "explained.sh"
    file.write_bytes(text)
    return subprocess.run(
        ["/bin/sh", str(file)],
        env={"PATH": environment()["PATH"], "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        timeout=30,
    )


def test_openssl_checks_each_signature_of_the_seed_as_explained(
    pith: Pith, seed: Path, tmp_path: Path
) -> None:
    needs("openssl")
    script = pith("verify", "--explain", "--quiet", seed).fine().out

    done = run_script(script, tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [b"Signature Verified Successfully"] * 4
    assert b"BEGIN PUBLIC KEY" in script
    assert {path.name for path in tmp_path.iterdir()} == {"seed.json", "explained.sh"}


def test_explain_alone_and_with_quiet_is_one_script(pith: Pith, seed: Path) -> None:
    alone = pith("verify", "--explain", seed).fine().out

    assert alone == pith("verify", "--explain", "--quiet", seed).fine().out
    pith("verify", "--explain", "--json", seed).refused(2, "usage.together")


def test_openssl_refuses_a_message_that_was_changed(pith: Pith, seed: Path, tmp_path: Path) -> None:
    needs("openssl")
    lines = pith("verify", "--explain", "--quiet", seed).fine().out.splitlines()
    at = next(i for i, line in enumerate(lines) if b'"$d/message" <<' in line) + 1
    first = b"B" if lines[at][:1] == b"A" else b"A"
    lines[at] = first + lines[at][1:]

    done = run_script(b"\n".join(lines) + b"\n", tmp_path)

    assert done.returncode != 0
    assert b"Signature Verification Failure" in done.stdout + done.stderr


def test_openssl_checks_our_documents_as_explained(
    pith: Pith, stocked: Path, bundle: Path, record_file: Path, tmp_path: Path
) -> None:
    needs("openssl")
    receipt = tmp_path / "receipt.json"
    pith("receipt", "export", PAPER, "-o", receipt, home=stocked).fine()
    keyset = keyset_file(pith, stocked, tmp_path)
    documents = {(bundle,): 4, (receipt, "--record", record_file): 1, (keyset,): 1}

    for arguments, count in documents.items():
        script = pith("verify", "-q", "--explain", *arguments, home=stocked).fine().out
        done = run_script(script, tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [b"Signature Verified Successfully"] * count


# -- the bad bundles of all ----------------------------------------------------


def test_there_is_an_exit_for_each_bad_bundle() -> None:
    names = {file.stem for file in (vectors_dir() / "pith-negative").glob("*_fail.json")}

    assert names == set(EXITS)


@pytest.mark.parametrize("name", ["happy-path", *EXITS])
def test_each_bad_bundle_is_refused_in_one_line(pith: Pith, name: str) -> None:
    folder = vectors_dir() / "pith-negative"
    facts = json.loads((folder / "index.json").read_bytes())
    pin = f"{facts['test_key_id']}={facts['test_public_key_hex']}"

    done = pith("verify", "--pin", pin, folder / f"{name}.json")

    assert done.code == EXITS.get(name, 0), done
    told = [line for line in done.errors if not line.startswith("pith: hint: ")]
    assert len(told) == 1
    assert told[0].startswith("pith: verified" if name == "happy-path" else "pith: refused, ")
    assert "Traceback" not in done.err


@pytest.mark.parametrize("name", ["happy-path", *EXITS])
def test_without_its_pin_not_even_the_good_one_is_trusted(pith: Pith, name: str) -> None:
    assert pith("verify", "-q", vectors_dir() / "pith-negative" / f"{name}.json").code in (3, 4)
