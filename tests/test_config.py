"""config.toml of a home."""

import tomllib
from pathlib import Path

import pytest
import tomli_w

from registry.config import Config, Tsa, duration, load_config, new_config
from registry.errors import ConfigError, MalformedError, PithError
from tests.parts import ROOT
from tests.signing.as_nobody import code_as_nobody, open_folder

LEAST = {"registry": {"id": "lab.example", "base_url": "https://lab.example"}}


def write(home: Path, text: str | bytes) -> Path:
    """The config.toml of a home."""
    home.mkdir(exist_ok=True)
    file = home / "config.toml"
    file.touch(mode=0o600)
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def loaded(home: Path, **tables: dict[str, object]) -> Config:
    """The config of the least document with these tables."""
    document = {name: dict(members) for name, members in LEAST.items()}
    for name, members in tables.items():
        document.setdefault(name, {}).update(members)  # type: ignore[arg-type]
    write(home, tomli_w.dumps(document))
    return load_config(home)


def refusal(home: Path, text: str | bytes | None = None) -> ConfigError:
    """What the config of a home is refused with."""
    if text is not None:
        write(home, text)
    with pytest.raises(ConfigError) as caught:
        load_config(home)
    assert caught.value.message[0] in "/'" or caught.value.message[0].islower()
    return caught.value


def test_the_least_config_has_every_default(tmp_path: Path) -> None:
    assert loaded(tmp_path) == Config(
        registry_id="lab.example",
        base_url="https://lab.example",
        name="lab.example",
        store=tmp_path / "registry.db",
        signer="keyring:",
        passphrase=None,
        id_pattern="registry-v{n}-{yyyy}-{mm}",
        rotate_after=365 * 86_400,
        drill_every=180 * 86_400,
        warn_before=(30 * 86_400, 7 * 86_400, 86_400),
        pins=("pith.science",),
        max_ahead=600,
        mint_batch=1000,
        pkcs11_module=None,
        pin_from="prompt:",
    )


def test_the_example_shows_every_setting_and_loads(tmp_path: Path) -> None:
    text = (ROOT / "config.example.toml").read_text()
    write(tmp_path, text)
    config = load_config(tmp_path)

    assert config.registry_id == "lab.example"
    assert config.passphrase == "credential:pith-passphrase"
    assert {table: set(members) for table, members in tomllib.loads(text).items()} == {
        "registry": {"id", "base_url", "name"},
        "store": {"url"},
        "signer": {"default", "passphrase"},
        "keys": {"id_pattern", "rotate_after", "overlap", "warn_before", "drill_every"},
        "verify": {"pins", "max_ahead"},
        "mint": {"batch"},
        "pkcs11": {"module", "pin_from"},
        "tsa": {"url", "certificate", "timeout"},
    }


GOOD = [
    ("registry", "id", "lab", "registry_id", "lab"),
    ("registry", "base_url", "https://lab.example/pith", "base_url", "https://lab.example/pith"),
    ("registry", "name", "Ein Läb [/i]", "name", "Ein Läb [/i]"),
    ("signer", "default", "file:/keys", "signer", "file:/keys"),
    ("signer", "passphrase", "prompt:", "passphrase", "prompt:"),
    ("signer", "passphrase", "file:/run/pass", "passphrase", "file:/run/pass"),
    ("signer", "passphrase", "credential:x", "passphrase", "credential:x"),
    ("keys", "id_pattern", "k{n}", "id_pattern", "k{n}"),
    ("keys", "rotate_after", "12h", "rotate_after", 43_200),
    ("keys", "drill_every", "90d", "drill_every", 90 * 86_400),
    ("keys", "warn_before", [], "warn_before", ()),
    ("keys", "warn_before", ["90s", "2m"], "warn_before", (90, 120)),
    ("verify", "pins", [], "pins", ()),
    ("verify", "pins", ["/pins/a.json"], "pins", ("/pins/a.json",)),
    ("verify", "max_ahead", "0s", "max_ahead", 0),
    ("pkcs11", "module", "/usr/lib/x.so", "pkcs11_module", Path("/usr/lib/x.so")),
    ("pkcs11", "pin_from", "prompt:", "pin_from", "prompt:"),
    ("pkcs11", "pin_from", "file:/run/pin", "pin_from", "file:/run/pin"),
    ("pkcs11", "pin_from", "credential:pin", "pin_from", "credential:pin"),
    ("mint", "batch", 1, "mint_batch", 1),
    ("mint", "batch", 100_000, "mint_batch", 100_000),
]


@pytest.mark.parametrize(("table", "name", "value", "field", "wanted"), GOOD)
def test_a_good_value(
    tmp_path: Path, table: str, name: str, value: object, field: str, wanted: object
) -> None:
    assert getattr(loaded(tmp_path, **{table: {name: value}}), field) == wanted


AUTHORITY = {"url": "https://tsa.example/tsr?a=b", "certificate": "tsa.pem", "timeout": "30s"}


def test_a_timestamp_authority(tmp_path: Path) -> None:
    whole = loaded(tmp_path, tsa=AUTHORITY).tsa
    least = loaded(tmp_path, tsa={"certificate": "/certificates/tsa.pem"}).tsa

    assert whole == Tsa("https://tsa.example/tsr?a=b", tmp_path / "tsa.pem", 30)
    assert least == Tsa(None, Path("/certificates/tsa.pem"), 10)
    for url in ("http://127.0.0.1:3161/", "http://localhost/tsr", "http://[::1]:1", "https://a"):
        found = loaded(tmp_path, tsa=AUTHORITY | {"url": url}).tsa
        assert found is not None
        assert found.url == url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("url", value) for value in ("http://tsa.example/", "ftp://a", "https://", "", 1)),
        ("url", "http://127.0.0.1.tsa.example/"),
        ("url", "http://localhost@tsa.example/"),
        ("url", "https://tsa.example/\r\nX: y"),
        ("url", "https://tsa.example:0/"),
        *(("timeout", value) for value in ("0s", "121s", "1d", 10, "")),
        *(("certificate", value) for value in ("", 1, "a\0b")),
    ],
)
def test_a_bad_timestamp_authority(tmp_path: Path, name: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, tsa=AUTHORITY | {name: value})

    assert caught.value.code == "config.form"
    assert f"{name} in [tsa]" in caught.value.message
    with pytest.raises(ConfigError):
        loaded(tmp_path, tsa={"url": "https://tsa.example"})


def test_the_store_is_relative_to_the_home_or_absolute(tmp_path: Path) -> None:
    assert loaded(tmp_path, store={"url": "sqlite:a/b.db"}).store_path == tmp_path / "a/b.db"
    assert loaded(tmp_path, store={"url": "sqlite:/srv/b.db"}).store_path == Path("/srv/b.db")


BAD = [
    ("registry", "id", ""),
    ("registry", "id", 1),
    ("registry", "id", "la b"),
    ("registry", "id", "a\nb"),
    ("registry", "base_url", "http://lab.example"),
    ("registry", "base_url", "https://lab.example/"),
    ("registry", "base_url", "https://"),
    ("registry", "base_url", ["https://lab.example"]),
    ("registry", "name", "x" * 129),
    ("registry", "name", True),
    ("store", "url", "registry.db"),
    ("store", "url", "sqlite:"),
    ("store", "url", "sqlite://host/x"),
    ("store", "url", "postgres:///pith"),
    ("store", "url", "postgresql:///pith db"),
    ("store", "url", "postgresql:pith"),
    ("store", "url", 5),
    ("signer", "default", 5),
    ("keys", "id_pattern", "lab"),
    ("keys", "id_pattern", "{n}{evil}"),
    ("keys", "id_pattern", "{n.__class__}"),
    ("keys", "id_pattern", "Upper{n}"),
    ("keys", "id_pattern", 5),
    ("keys", "rotate_after", "1y"),
    ("keys", "rotate_after", "365"),
    ("keys", "drill_every", "180"),
    ("keys", "rotate_after", 365),
    ("keys", "rotate_after", "-1d"),
    ("keys", "rotate_after", "٣d"),
    ("keys", "warn_before", "30d"),
    ("keys", "warn_before", [30]),
    ("keys", "warn_before", 30),
    ("verify", "pins", "pith.science"),
    ("verify", "pins", [1]),
    ("verify", "max_ahead", "10 m"),
    ("pkcs11", "module", "x.so"),
    ("pkcs11", "module", "/usr/../x.so"),
    ("pkcs11", "module", "/usr/lib/x.so\n"),
    ("pkcs11", "module", ""),
    ("pkcs11", "module", 5),
    ("mint", "batch", 0),
    ("mint", "batch", 100_001),
    ("mint", "batch", True),
    ("mint", "batch", 1.5),
    ("mint", "batch", "10"),
]


@pytest.mark.parametrize(("table", "name", "value"), BAD)
def test_a_bad_value_is_refused_by_table_and_key(
    tmp_path: Path, table: str, name: str, value: object
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, **{table: {name: value}})

    assert caught.value.code == "config.form"
    assert f"{name} in [{table}]" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("name", ["id", "base_url"])
def test_what_must_be_there(tmp_path: Path, name: str) -> None:
    registry = {key: value for key, value in LEAST["registry"].items() if key != name}

    error = refusal(tmp_path, tomli_w.dumps({"registry": registry}))

    assert f"{name} is missing in [registry]" in error.message


@pytest.mark.parametrize(
    "text",
    [
        "[nothing]\n",
        "batch = 5\n",
        "[mint]\nbtach = 5\n",
        "[registry.more]\nid = 1\n",
        "[[mint]]\nbatch = 1\n",
        "registry = 5\n",
    ],
)
def test_an_unknown_table_or_key(tmp_path: Path, text: str) -> None:
    least = "" if text.startswith("registry") else tomli_w.dumps(LEAST)
    lead = text if "[" not in text else ""

    assert refusal(tmp_path, lead + least + ("" if lead else text)).code == "config.unknown"


SECRETS = [
    ("signer", "passphrase", "hunter2"),
    ("signer", "passphrase", 12345678),
    ("signer", "passphrase", "file:relative"),
    ("signer", "passphrase", ""),
    ("signer", "password", "hunter2"),
    ("signer", "pin", "12345678"),
    ("pkcs11", "pin", "12345678"),
    ("pkcs11", "pin_from", "12345678"),
    ("pkcs11", "pin_from", 12345678),
    ("pkcs11", "pin_from", "file:hunter2"),
    ("pkcs11", "pin_from", ["hunter2"]),
    ("pkcs11", "pin_from", ""),
    ("pkcs11", "pin_value", "hunter2"),
    ("pkcs11", "token_pin", "hunter2"),
    ("signer", "token", "hunter2"),
    ("signer", "seed_hex", "hunter2"),
    ("keys", "private_key", "hunter2"),
    ("store", "Password", "hunter2"),
    ("other", "client_secret", "hunter2"),
    ("store", "url", "postgresql://me:hunter2@host/db"),
    ("store", "url", "postgresql://me:hunter/2@host/db"),
    ("store", "url", "postgresql:///db?password=hunter2"),
    ("store", "url", "postgresql:///db?pass%77ord=hunter2"),
    ("store", "url", "postgresql://u%3Ahunter2@host/db"),
    ("store", "url", "postgresql:///db?scram_client_key=hunter2"),
    ("store", "url", "postgresql:///db?sslPassword=hunter2"),
    ("verify", "pins", ["https://me:hunter2@host/pin.json"]),
]


@pytest.mark.parametrize(("table", "name", "value"), SECRETS)
def test_a_secret_is_refused_and_not_repeated(
    tmp_path: Path, table: str, name: str, value: object
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, **{table: {name: value}})

    said = f"{caught.value.message} {caught.value.hint} {caught.value!r}"
    assert "hunter" not in said
    assert "12345678" not in said
    if name != "pins" and "hunter/2" not in str(value) and "sslP" not in str(value):
        assert caught.value.code == "config.secret"


def test_a_secret_in_broken_toml_is_not_repeated(tmp_path: Path) -> None:
    for line in ("passphrase = hunter2", 'passphrase = "hunter2', "passphrase hunter2"):
        assert "hunter2" not in str(refusal(tmp_path, f"[signer]\n{line}\n"))


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        b"[registry",
        b"\xff\xfe",
        b"\x00",
        b"a = 1\na = 2\n",
        b"a = " + b"[" * 30_000,
        b"a = " + b"1" * 5_000,
        b"a" * (64 << 10) + b" = 1",
        b"#" * (1 << 20),
    ],
)
def test_what_is_no_toml_or_too_much(tmp_path: Path, data: bytes) -> None:
    assert refusal(tmp_path, data).code == "config.form"


def test_an_empty_file_lacks_its_id(tmp_path: Path) -> None:
    assert refusal(tmp_path, b"").code == "config.form"


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o660])
def test_a_file_that_others_may_write(tmp_path: Path, mode: int) -> None:
    write(tmp_path, tomli_w.dumps(LEAST)).chmod(mode)

    error = refusal(tmp_path)

    assert error.code == "config.mode"
    assert error.hint.startswith("chmod go-w ")


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o400, 0o755])
def test_a_file_that_others_may_read(tmp_path: Path, mode: int) -> None:
    write(tmp_path, tomli_w.dumps(LEAST)).chmod(mode)

    assert load_config(tmp_path).registry_id == "lab.example"


def test_no_home_and_homes_that_are_none(tmp_path: Path) -> None:
    error = refusal(tmp_path / "nowhere")
    assert error.code == "config.home"
    assert "pith init" in error.hint

    (tmp_path / "file").touch()
    (tmp_path / "folder" / "config.toml").mkdir(parents=True)
    assert refusal(tmp_path / "file").code == "config.home"
    assert refusal(tmp_path / "folder").code == "config.home"


def test_a_config_that_may_not_be_read() -> None:
    with open_folder() as folder:
        write(folder, tomli_w.dumps(LEAST))

        assert code_as_nobody(lambda: load_config(folder)) == "config.home"


def test_a_file_of_everybody_is_read_by_nobody() -> None:
    with open_folder() as folder:
        write(folder, tomli_w.dumps(LEAST)).chmod(0o644)

        assert code_as_nobody(lambda: load_config(folder)) == "ok"


def made(home: Path, **changes: str | None) -> Config:
    """A new config with one thing changed."""
    options: dict[str, str | None] = {
        "registry_id": "lab.example",
        "base_url": "https://lab.example",
        "name": None,
        "signer": "keyring:",
        "passphrase": None,
    }
    return new_config(home, **(options | changes))  # type: ignore[arg-type]


def test_a_new_config(tmp_path: Path) -> None:
    config = made(tmp_path, base_url="https://lab.example/")

    assert config.base_url == "https://lab.example"
    assert config.name == "lab.example"
    assert config.id_pattern == "lab-v{n}-{yyyy}-{mm}"
    assert config.store_path == tmp_path / "registry.db"


@pytest.mark.parametrize(
    ("registry_id", "pattern"),
    [
        ("LAB.example", "lab-v{n}-{yyyy}-{mm}"),
        ("a" * 60, "a" * 32 + "-v{n}-{yyyy}-{mm}"),
        ("x_y.example", "x-y-v{n}-{yyyy}-{mm}"),
    ],
)
def test_the_pattern_of_key_ids_follows_the_registry(
    tmp_path: Path, registry_id: str, pattern: str
) -> None:
    try:
        config = made(tmp_path, registry_id=registry_id)
    except MalformedError:
        pytest.skip("no name of a registry")
    assert config.id_pattern == pattern


@pytest.mark.parametrize(
    "changes",
    [
        {"registry_id": ""},
        {"registry_id": "a b"},
        {"base_url": "http://lab.example"},
        {"base_url": ""},
        {"name": "x" * 200},
        {"passphrase": "hunter2"},
    ],
)
def test_a_new_config_is_checked_like_a_read_one(
    tmp_path: Path, changes: dict[str, str | None]
) -> None:
    with pytest.raises(PithError) as caught:
        made(tmp_path, **changes)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"), [("0s", 0), ("90s", 90), ("10m", 600), ("12h", 43_200), ("1d", 86_400)]
)
def test_durations(text: str, seconds: int) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("value", ["", "1", "d", "1 d", "1.5h", "1d\n", "1w", "1234567s", 1, None])
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(MalformedError) as caught:
        duration(value)
    assert caught.value.code == "config.duration"
