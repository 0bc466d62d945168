"""Keys on PKCS#11 tokens: a real SoftHSM."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.errors import KeyUnavailableError, MalformedError
from registry.protocol.keys import PublicKey
from registry.signing.location import open_key_store, parse_location
from registry.signing.passphrase import Passphrase
from registry.signing.token_location import TokenLocation
from registry.signing.tokens import Tokens, check_flags
from tests.parts import ROOT
from tests.signing.softhsm import PIN, Token


@pytest.fixture(name="made", scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    token = Token(tmp_path_factory.mktemp("token"))
    yield token
    token.close()


@pytest.fixture(name="token")
def _token(made: Token) -> Token:
    """The token as it was made, whatever the test before did."""
    if (made.folder / "away").exists():
        made.put_back()
    made.write_pin(PIN)
    return made


def codes(lines: list[dict[str, object]]) -> list[object]:
    """Of each act the code of its refusal, or None."""
    for line in lines:
        if "code" in line:
            assert line["error"] == "KeyUnavailableError"
            assert line["hint"]
    return [line.get("code") for line in lines]


# -- what works ----------------------------------------------------------------


def test_a_key_of_a_real_token_signs(token: Token) -> None:
    checked, found, opened, made, proved = token.drive("check", "find", "open", "sign", "prove")

    assert checked["value"] == f"{token.uri()} is there and signs with Ed25519"
    assert found["value"] == opened["value"]
    key = PublicKey.from_hex(found["value"])
    key.verify(b"message 0", bytes.fromhex(made["value"]))
    assert codes([proved]) == [None]


def test_one_pin_is_asked_for_a_job(token: Token) -> None:
    """The file of the PIN is wrong after the first act, and nobody looks."""
    lines = token.drive("open", "pin:0000", "open", "sign:200", "prove", "find")

    assert codes(lines) == [None] * 6


def test_a_process_that_only_looks_needs_no_pin(token: Token) -> None:
    token.write_pin("0000")

    assert codes(token.drive("check")) == [None]


# -- what is refused -----------------------------------------------------------


def test_a_wrong_pin_is_tried_once(token: Token) -> None:
    lines = token.drive("pin:0000", "open", f"pin:{PIN}", "open", "find", "sign")

    assert codes(lines) == [None, "token.pin", None, "token.pin", "token.pin", "token.pin"]
    assert codes(token.drive("sign")) == [None]


def test_a_refused_pin_is_remembered_and_the_token_not_asked_again(token: Token) -> None:
    """Were it asked, it would be found gone."""
    lines = token.drive("pin:0000", "open", "gone", "open", "sign")

    assert codes(lines) == [None, "token.pin", None, "token.pin", "token.pin"]


def test_a_token_that_is_gone_in_the_middle(token: Token) -> None:
    assert codes(token.drive("sign:5", "gone", "sign", "sign")) == [
        *(None, None, "token.gone", "token.gone")
    ]


def test_a_token_that_is_not_there(token: Token) -> None:
    other = TokenLocation(token.label, "ffff", b"\x01")
    assert codes(token.drive("check", "open", uri=str(other))) == ["token.absent"] * 2
    other = TokenLocation("another", token.serial, b"\x01")
    assert codes(token.drive("check", "open", uri=str(other))) == ["token.absent"] * 2

    token.take_away()
    assert codes(token.drive("check", "open")) == ["token.absent"] * 2


def test_a_session_is_not_used_after_a_fork(token: Token) -> None:
    (line,) = token.drive("fork")

    assert line["value"] == ["token.forked", "token.forked"]


def test_another_key_than_the_one_that_is_known_is_not_opened(token: Token) -> None:
    assert codes(token.drive("wrong")) == ["key.mismatch"]


def test_no_key_goes_in_out_or_away(token: Token) -> None:
    assert codes(token.drive("put", "hand_over", "erase", "sign")) == [
        *["keystore.elsewhere"] * 3,
        None,
    ]


def test_ids_that_name_no_pair_or_several(token: Token) -> None:
    token.drive("make:02", "make:03", "make:03")
    token.drive("make:04", "unpublic:04", "make:05", "unprivate:05")

    assert codes(token.drive("sign", uri=token.uri("%02"))) == [None]
    assert codes(token.drive("sign", uri=token.uri("%03"))) == ["token.key"]
    assert codes(token.drive("sign", uri=token.uri("%04"))) == ["key.absent"]
    assert codes(token.drive("sign", uri=token.uri("%05"))) == ["key.absent"]
    assert codes(token.drive("sign", uri=token.uri("%06"))) == ["key.absent"]


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (0x40D, None),
        (0x1040D, None),  # a wrong PIN was given before
        (0x2040D, "token.last_try"),
        (0x4040D, "token.locked"),
        (0x6040D, "token.locked"),
    ],
)
def test_a_pin_that_would_lock_the_token_is_not_spent(flags: int, code: str | None) -> None:
    if code is None:
        check_flags(flags)
        return
    with pytest.raises(KeyUnavailableError) as refused:
        check_flags(flags)
    assert refused.value.code == code


# -- the module ----------------------------------------------------------------


def refused(module: Path, tmp_path: Path) -> KeyUnavailableError:
    location = TokenLocation("lab", "1", b"\x01")
    with pytest.raises(KeyUnavailableError) as caught:
        Tokens(module, Passphrase(f"file:{tmp_path}/pin")).check(location)
    assert "[pkcs11] module" in caught.value.hint
    return caught.value


def test_a_module_that_is_none(tmp_path: Path) -> None:
    text = tmp_path / "text.so"
    text.write_text("no library")
    text.chmod(0o644)

    for module in (text, tmp_path, tmp_path / "none.so"):
        assert refused(module, tmp_path).code == "pkcs11.module"


def test_a_module_that_others_may_write_is_not_loaded(token: Token, tmp_path: Path) -> None:
    copy = tmp_path / "module.so"
    copy.write_bytes(token.module.read_bytes())
    copy.chmod(0o666)

    assert "others may write it" in refused(copy, tmp_path).message


def test_without_a_module_in_the_config(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailableError) as caught:
        open_key_store(
            parse_location("pkcs11:token=lab;serial=1;id=%01"),
            registry="lab.example",
            home=tmp_path,
            passphrase=None,
        )
    assert caught.value.code == "pkcs11.unset"


def test_without_the_package_the_hint_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['pkcs11'] = None\n"
        "from pathlib import Path\n"
        "from registry.errors import KeyUnavailableError\n"
        "from registry.signing.passphrase import Passphrase\n"
        "from registry.signing.pkcs11_store import TokenKeyStore\n"
        "from registry.signing.token_location import TokenLocation\n"
        "from registry.signing.tokens import Tokens\n"
        "tokens = Tokens(Path('/none'), Passphrase('prompt:'))\n"
        "store = TokenKeyStore(TokenLocation('a', '1', b'x'), tokens)\n"
        "for act in (store.check, lambda: store.find('lab-v1')):\n"
        "    try:\n"
        "        act()\n"
        "    except KeyUnavailableError as error:\n"
        "        assert error.code == 'pkcs11.extra', error.code\n"
        "        assert 'pith-registry[hsm]' in error.hint\n"
        "    else:\n"
        "        raise SystemExit('not refused')\n"
    )

    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=30)


# -- the URI -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        ("pkcs11:token=lab;serial=1d2c;id=%01", TokenLocation("lab", "1d2c", b"\x01")),
        ("pkcs11:token=pith%20lab;serial=1;id=%61%FF", TokenLocation("pith lab", "1", b"a\xff")),
        ("pkcs11:token=%C3%A9%3B%3F;serial=1;id=%01", TokenLocation("é;?", "1", b"\x01")),
    ],
)
def test_a_location_has_one_spelling(uri: str, location: TokenLocation) -> None:
    assert parse_location(uri) == location
    assert str(location) == uri


@pytest.mark.parametrize(
    ("rest", "name"),
    [
        ("", "''"),
        ("token=lab;serial=1", "id"),
        ("token=lab;id=%01", "serial"),
        ("serial=1;id=%01", "token"),
        ("token=;serial=1;id=%01", "token"),
        ("token=lab;serial=1;id=", "id"),
        ("token=lab;serial=1;id=%01;", "''"),
        ("token=lab;serial=1;id=%01?", "''"),
        ("token=lab;serial=1;id=%01;object=x", "object"),
        ("token=lab;serial=1;id=%01;type=private", "type"),
        ("token=lab;serial=1;id=%01;slot-id=1", "slot-id"),
        ("token=lab;serial=1;id=%01?x-more=1", "x-more"),
        ("token=lab;token=lab;serial=1;id=%01", "token"),
        ("token=lab;serial=1;id=%1", "id"),
        ("token=lab;serial=1;id=%0g", "id"),
        ("token=l ab;serial=1;id=%01", "token"),
        ("token=l\nab;serial=1;id=%01", "token"),
        ("token=lab;serial=1;id=%01\n", "id"),
        ("token=%FF;serial=1;id=%01", "token"),
        ("token=%0A;serial=1;id=%01", "token"),
        ("token=%20lab;serial=1;id=%01", "token"),
        (f"token={'x' * 33};serial=1;id=%01", "token"),
        (f"token=lab;serial={'1' * 17};id=%01", "serial"),
        (f"token=lab;serial=1;id={'%01' * 65}", "id"),
        ("token;serial=1;id=%01", "token"),
    ],
)
def test_what_is_not_in_its_form_is_refused_by_name(rest: str, name: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_location(f"pkcs11:{rest}")

    assert caught.value.code == "location.token"
    assert name in caught.value.message
    assert "write pkcs11:token=" in caught.value.hint


@pytest.mark.parametrize(
    "rest",
    [
        "serial=1;token=lab;id=%01",
        "token=lab;serial=1;id=a",
        "token=l%61b;serial=1;id=%01",
        "token=lab;serial=1;id=%ff",
        "token=l:ab;serial=1;id=%01",
    ],
)
def test_another_spelling_is_refused_with_the_right_one(rest: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_location(f"pkcs11:{rest}")

    assert caught.value.code == "location.token"
    right = caught.value.hint.removeprefix("write ")
    assert str(parse_location(right)) == right


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (f"?pin-value={PIN}", "location.secret"),
        (f";pin-value={PIN}", "location.secret"),
        ("?pin-source=file:/pin", "location.secret"),
        ("?module-path=/tmp/evil.so", "location.module"),
        ("?module-name=evil", "location.module"),
    ],
)
def test_no_pin_and_no_module_in_a_uri(more: str, code: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_location(f"pkcs11:token=lab;serial=1;id=%01{more}")

    assert caught.value.code == code
    assert more[1:].partition("=")[0] in caught.value.message
    assert PIN not in f"{caught.value} {caught.value.hint}"
    assert "[pkcs11]" in caught.value.hint
