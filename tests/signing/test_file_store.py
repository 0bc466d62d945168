"""Encrypted key files: what they hold, and every state of the disk that is refused."""

import base64
import json
import os
import resource
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from nacl.pwhash import argon2id
from nacl.secret import SecretBox

from registry.errors import ConflictError, KeyUnavailableError, PithError, StoreError
from registry.signing.file_store import FileKeyStore
from registry.signing.keyfile import (
    DEFAULT_COST,
    MAX_MEMLIMIT,
    MAX_OPSLIMIT,
    MAX_SIZE,
    Cost,
    seal,
    unseal,
)
from registry.signing.passphrase import Passphrase
from registry.signing.signer import public_key_of
from tests.parts import needs
from tests.signing.as_nobody import NOBODY, code_as_nobody, open_folder

SEED = bytes(range(32))
KEY = public_key_of(SEED)
CHEAP = Cost(opslimit=1, memlimit=8192)


def passphrase(folder: Path, text: str = "right") -> Passphrase:
    path = folder / f"words-{text}"
    path.write_text(text)
    path.chmod(0o600)
    return Passphrase(f"file:{path}")


def store_in(folder: Path, words: Passphrase, registry: str = "lab.example") -> FileKeyStore:
    return FileKeyStore(registry, folder, words, cost=CHEAP)


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> FileKeyStore:
    return store_in(tmp_path / "keys", passphrase(tmp_path))


@pytest.fixture(name="path")
def _path(store: FileKeyStore, tmp_path: Path) -> Path:
    """The file of a key lab-v1 that the store holds."""
    store.put("lab-v1", SEED)
    return tmp_path / "keys" / "lab-v1.key"


def refusal(store: FileKeyStore) -> str:
    with pytest.raises(PithError) as refused:
        store.open("lab-v1", KEY)
    assert refused.value.hint
    assert refused.value.__cause__ is None
    assert SEED.hex() not in repr(refused.value) + repr(refused.value.__context__)
    return refused.value.code


def change(path: Path, **members: Any) -> None:
    value = json.loads(path.read_bytes())
    path.write_text(json.dumps(value | members))


# -- what works ----------------------------------------------------------------


def test_a_key_is_kept_opened_and_erased(store: FileKeyStore, path: Path) -> None:
    again = store_in(path.parent, passphrase(path.parent.parent))
    KEY.verify(b"message", again.open("lab-v1", KEY)._sign(b"message"))
    again.erase("lab-v1")

    assert os.listdir(path.parent) == []
    assert refusal(store) == "key.absent"


def test_modes_of_a_new_folder_and_file(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["lab-v1.key"]


def test_modes_do_not_depend_on_the_umask(store: FileKeyStore, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store.put("lab-v1", SEED)
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "keys" / "lab-v1.key").stat().st_mode) == 0o600


def test_the_file_says_how_it_was_made_and_holds_no_seed(path: Path) -> None:
    value = json.loads(path.read_bytes())

    assert value.keys() == {
        "key_type", "version", "kdf", "opslimit", "memlimit", "salt_b64", "box_b64"
    }  # fmt: skip
    assert (value["key_type"], value["version"], value["kdf"]) == (
        "pith_encrypted_key", 1, "argon2id"
    )  # fmt: skip
    for spelling in (SEED, SEED.hex().encode(), base64.b64encode(SEED)):
        assert spelling not in path.read_bytes()
        assert spelling not in base64.b64decode(value["box_b64"])


def test_two_files_of_one_seed_share_nothing() -> None:
    one, two = (
        json.loads(seal(SEED, b"right", key_id="lab-v1", registry="lab.example", cost=CHEAP))
        for _ in range(2)
    )

    assert one["salt_b64"] != two["salt_b64"]
    assert one["box_b64"] != two["box_b64"]


def test_the_usual_cost_is_dear_and_bearable(tmp_path: Path) -> None:
    store = FileKeyStore("lab.example", tmp_path / "keys", passphrase(tmp_path))
    store.put("lab-v1", SEED)
    value = json.loads((tmp_path / "keys" / "lab-v1.key").read_bytes())

    assert (value["opslimit"], value["memlimit"]) == (3, 64 << 20)
    assert Cost(3, 64 << 20) == DEFAULT_COST


def test_check_says_what_is_there(store: FileKeyStore, tmp_path: Path) -> None:
    assert "0 keys" in store.check()
    assert os.listdir(tmp_path) == ["words-right"]
    store.put("lab-v1", SEED)

    assert "1 key encrypted" in store.check()
    assert "right'" not in repr(store)


def test_check_refuses_what_open_would(store: FileKeyStore, path: Path) -> None:
    path.chmod(0o644)
    with pytest.raises(KeyUnavailableError) as refused:
        store.check()

    assert refused.value.code == "keyfile.mode"


# -- what is refused -----------------------------------------------------------


def test_a_key_is_never_overwritten(store: FileKeyStore, path: Path) -> None:
    before = path.read_bytes()

    with pytest.raises(ConflictError) as refused:
        store.put("lab-v1", bytes(32))

    assert refused.value.code == "key.exists"
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["lab-v1.key"]


def test_whatever_has_the_name_is_never_overwritten(store: FileKeyStore, tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir(mode=0o700)
    (tmp_path / "keys" / "lab-v1.key").symlink_to(tmp_path / "nowhere")

    with pytest.raises(ConflictError) as refused:
        store.put("lab-v1", SEED)

    assert refused.value.code == "key.exists"
    assert not (tmp_path / "nowhere").exists()


def test_of_many_writers_one_wins(tmp_path: Path) -> None:
    """Processes that all saw the name free: the link, not the look, decides."""
    words = passphrase(tmp_path)
    (tmp_path / "keys").mkdir(mode=0o700)
    reading, writing = os.pipe()
    children = []
    for number in range(8):
        child = os.fork()
        if child == 0:
            answer = b"x"
            try:
                os.close(writing)
                os.read(reading, 1)
                store_in(tmp_path / "keys", words).put("lab-v1", bytes([number]) * 32)
                answer = b"0"
            except ConflictError:
                answer = b"6"
            finally:
                os._exit(int(answer) if answer != b"x" else 1)
        children.append(child)
    os.close(reading)
    os.close(writing)
    exits = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]

    assert sorted(exits) == [0] + [6] * 7
    winner = public_key_of(bytes([exits.index(0)]) * 32)
    assert store_in(tmp_path / "keys", words).open("lab-v1", winner).public_key == winner


def test_a_wrong_passphrase(path: Path, tmp_path: Path) -> None:
    wrong = store_in(path.parent, passphrase(tmp_path, "wrong"))

    assert refusal(wrong) == "keyfile.passphrase"


def test_another_key_in_its_place(store: FileKeyStore, path: Path) -> None:
    other = store.put("lab-v2", bytes(32))
    os.replace(path.with_name("lab-v2.key"), path)

    assert refusal(store) == "keyfile.mismatch"
    with pytest.raises(KeyUnavailableError) as refused:
        store.open("lab-v1", other)
    assert refused.value.code == "keyfile.mismatch"


def test_the_key_of_another_registry(path: Path, tmp_path: Path) -> None:
    other = store_in(path.parent, passphrase(tmp_path), registry="other.example")

    assert refusal(other) == "keyfile.mismatch"


def test_another_public_key_than_expected(store: FileKeyStore, path: Path) -> None:
    with pytest.raises(KeyUnavailableError) as refused:
        store.open("lab-v1", public_key_of(bytes(32)))

    assert refused.value.code == "key.mismatch"


@pytest.mark.parametrize(
    "inner",
    [
        b"",
        b"[]",
        b'{"seed_hex":"' + SEED.hex().encode() + b'"}',
        b'{"key_id":"lab-v1","memlimit":8192,"opslimit":1,"public_key_hex":"' + b"0" * 64
        + b'","registry":"lab.example","seed_hex":"' + SEED.hex().encode() + b'"}',
        b'{"key_id":"lab-v1","memlimit":8193,"opslimit":1,"public_key_hex":"'
        + KEY.hex.encode() + b'","registry":"lab.example","seed_hex":"'
        + SEED.hex().encode() + b'"}',
        b'{"key_id":"lab-v1","memlimit":8192,"opslimit":1,"public_key_hex":"'
        + KEY.hex.encode() + b'","registry":"lab.example","seed_hex":"'
        + SEED.hex().encode() + b'"} ',
    ],
    ids=["empty", "list", "members", "public-key", "downgraded", "spelling"],
)  # fmt: skip
def test_a_box_that_opens_and_is_not_right(store: FileKeyStore, path: Path, inner: bytes) -> None:
    salt = base64.b64decode(json.loads(path.read_bytes())["salt_b64"])
    box = SecretBox(argon2id.kdf(32, b"right", salt, 1, 8192)).encrypt(inner)
    change(path, box_b64=base64.b64encode(bytes(box)).decode())

    assert refusal(store) == "keyfile.mismatch"


@pytest.mark.parametrize(
    "members",
    [
        {"memlimit": 100 << 30},
        {"memlimit": MAX_MEMLIMIT + 1},
        {"memlimit": 8191},
        {"memlimit": 0},
        {"memlimit": -1},
        {"opslimit": MAX_OPSLIMIT + 1},
        {"opslimit": 2**32 - 1},
        {"opslimit": 0},
    ],
)
def test_limits_are_looked_at_before_anything_is_derived(
    store: FileKeyStore, path: Path, members: dict[str, int]
) -> None:
    change(path, **members)
    began = time.monotonic()

    assert refusal(store) == "keyfile.limits"
    assert time.monotonic() - began < 5


def test_limits_that_are_borne() -> None:
    Cost(1, 8192)
    Cost(MAX_OPSLIMIT, MAX_MEMLIMIT)


@pytest.mark.parametrize("members", [{"opslimit": 2}, {"memlimit": 16384}])
def test_another_cost_than_it_was_made_with(
    store: FileKeyStore, path: Path, members: dict[str, int]
) -> None:
    change(path, **members)

    assert refusal(store) == "keyfile.passphrase"


@pytest.mark.parametrize(
    "members",
    [
        {"version": 2},
        {"version": True},
        {"version": "1"},
        {"key_type": "pith_key"},
        {"kdf": "scrypt"},
        {"opslimit": "1"},
        {"opslimit": 1.0},
        {"memlimit": True},
        {"salt_b64": ""},
        {"salt_b64": base64.b64encode(bytes(15)).decode()},
        {"box_b64": "!"},
        {"box_b64": "AB=="},
        {"box_b64": "é"},
        {"box_b64": 7},
        {"more": 1},
    ],
)
def test_members_that_are_not_of_the_form(
    store: FileKeyStore, path: Path, members: dict[str, Any]
) -> None:
    change(path, **members)

    assert refusal(store) == "keyfile.form"


@pytest.mark.parametrize("data", [b"", b"\x00" * 8, b"{}", b"[]", b"-----BEGIN", b"{" * 9999])
def test_files_that_are_not_of_the_form(store: FileKeyStore, path: Path, data: bytes) -> None:
    path.write_bytes(data)

    assert refusal(store) == "keyfile.form"


def test_a_file_cut_anywhere_never_opens(path: Path) -> None:
    whole = path.read_bytes()

    for length in range(0, len(whole) - 1, 7):
        with pytest.raises(KeyUnavailableError):
            unseal(whole[:length], b"right", key_id="lab-v1", registry="lab.example")


def test_a_short_box_does_not_open(store: FileKeyStore, path: Path) -> None:
    change(path, box_b64=base64.b64encode(bytes(10)).decode())

    assert refusal(store) == "keyfile.passphrase"


def test_memory_that_cannot_be_had(store: FileKeyStore, path: Path) -> None:
    change(path, memlimit=MAX_MEMLIMIT)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))
            store.open("lab-v1", KEY)
        except KeyUnavailableError as error:
            code = 0 if error.code == "keyfile.memory" else 2
        finally:
            os._exit(code)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# -- the disk ------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o666])
def test_a_file_that_others_may_use(store: FileKeyStore, path: Path, mode: int) -> None:
    path.chmod(mode)
    assert refusal(store) == "keyfile.mode"

    path.chmod(0o600)
    assert store.open("lab-v1", KEY).public_key == KEY


def test_a_link_in_its_place(store: FileKeyStore, path: Path) -> None:
    os.rename(path, path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))

    assert refusal(store) == "keyfile.kind"


def test_a_folder_and_a_pipe_in_its_place(store: FileKeyStore, path: Path) -> None:
    path.unlink()
    path.mkdir(mode=0o700)
    assert refusal(store) == "keyfile.kind"

    path.rmdir()
    os.mkfifo(path, 0o600)
    assert refusal(store) == "keyfile.kind"


def test_a_file_over_the_cap(store: FileKeyStore, path: Path) -> None:
    path.write_bytes(path.read_bytes().ljust(MAX_SIZE))
    assert store.open("lab-v1", KEY).public_key == KEY

    path.write_bytes(path.read_bytes() + b" ")
    assert refusal(store) == "keyfile.size"


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_may_write(store: FileKeyStore, path: Path, mode: int) -> None:
    path.parent.chmod(mode)

    assert refusal(store) == "keyfile.folder"
    with pytest.raises(KeyUnavailableError) as refused:
        store.put("lab-v2", SEED)
    assert refused.value.code == "keyfile.folder"


def test_a_file_in_the_folders_place(store: FileKeyStore, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("")

    assert refusal(store) == "keyfile.folder"


def test_a_folder_whose_parent_is_not_there(tmp_path: Path) -> None:
    store = store_in(tmp_path / "none" / "keys", passphrase(tmp_path))

    with pytest.raises(StoreError) as refused:
        store.put("lab-v1", SEED)
    assert refused.value.code == "keyfile.write"
    with pytest.raises(KeyUnavailableError) as absent:
        store.open("lab-v1", KEY)
    assert absent.value.code == "key.absent"


def test_erasing_where_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailableError) as refused:
        store_in(tmp_path / "none", passphrase(tmp_path)).erase("lab-v1")

    assert refused.value.code == "key.absent"


@pytest.fixture(name="theirs")
def _theirs() -> Iterator[Path]:
    """A folder that belongs to nobody, with a passphrase beside it that nobody may read."""
    needs("root")
    with open_folder() as folder:
        words = folder / "words"
        words.write_text("right")
        words.chmod(0o600)
        os.chown(words, NOBODY, NOBODY)
        (folder / "keys").mkdir(mode=0o700)
        os.chown(folder / "keys", NOBODY, NOBODY)
        yield folder


def test_what_the_rights_of_files_forbid(theirs: Path) -> None:
    keys = theirs / "keys"
    store = store_in(keys, Passphrase(f"file:{theirs / 'words'}"))
    assert code_as_nobody(lambda: store.put("lab-v1", SEED)) == "ok"
    assert code_as_nobody(lambda: store.open("lab-v1", KEY)) == "ok"

    os.chown(keys / "lab-v1.key", 0, 0)
    assert code_as_nobody(lambda: store.open("lab-v1", KEY)) == "keyfile.access"
    os.chown(keys / "lab-v1.key", NOBODY, NOBODY)
    (keys / "lab-v1.key").chmod(0)
    assert code_as_nobody(lambda: store.open("lab-v1", KEY)) == "keyfile.access"
    (keys / "lab-v1.key").chmod(0o600)

    keys.chmod(0o500)
    assert code_as_nobody(lambda: store.put("lab-v2", SEED)) == "keyfile.write"
    assert code_as_nobody(lambda: store.erase("lab-v1")) == "keyfile.write"
    assert os.listdir(keys) == ["lab-v1.key"]
    keys.chmod(0)
    assert code_as_nobody(lambda: store.open("lab-v1", KEY)) == "keyfile.access"
    keys.chmod(0o700)
    assert code_as_nobody(lambda: store.open("lab-v1", KEY)) == "ok"


def test_what_belongs_to_others(theirs: Path, tmp_path: Path) -> None:
    store = store_in(theirs / "keys", passphrase(tmp_path))

    assert refusal(store) == "keyfile.folder"
    os.chown(theirs / "keys", 0, 0)
    store.put("lab-v1", SEED)
    os.chown(theirs / "keys" / "lab-v1.key", NOBODY, NOBODY)
    assert refusal(store) == "keyfile.owner"


@pytest.fixture(name="small")
def _small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    needs("tmpfs")
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(place)]
    subprocess.run(mount, check=True, timeout=10)
    yield place
    subprocess.run(["umount", str(place)], check=True, timeout=10)


def test_a_full_disk(small: Path, tmp_path: Path) -> None:
    store = store_in(small, passphrase(tmp_path))
    with open(small / "filler", "wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))

    with pytest.raises(StoreError) as refused:
        store.put("lab-v1", SEED)

    assert refused.value.code == "keyfile.write"
    assert "no space left" in str(refused.value)
    assert os.listdir(small) == ["filler"]
    (small / "filler").unlink()
    assert store.put("lab-v1", SEED) == KEY


def test_a_disk_that_is_read_only(small: Path, tmp_path: Path) -> None:
    store = store_in(small, passphrase(tmp_path))
    store.put("lab-v1", SEED)
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True, timeout=10)

    for act in (lambda: store.put("lab-v2", SEED), lambda: store.erase("lab-v1")):
        with pytest.raises(StoreError) as refused:
            act()
        assert refused.value.code == "keyfile.write"
    assert store.open("lab-v1", KEY).public_key == KEY


KILLED = """
import os, signal, sys
from pathlib import Path
from registry.signing import file_store
from tests.signing.test_file_store import SEED, store_in
from registry.signing.passphrase import Passphrase
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
store_in(Path(sys.argv[1]), Passphrase("file:" + sys.argv[2])).put("lab-v1", SEED)
"""


def test_a_process_killed_while_writing_leaves_no_key(tmp_path: Path) -> None:
    words = passphrase(tmp_path).uri.removeprefix("file:")
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)

    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(keys), words], timeout=30, capture_output=True
    )

    assert done.returncode == -9, done.stderr
    assert not (keys / "lab-v1.key").exists()
    store = store_in(keys, Passphrase(f"file:{words}"))
    assert refusal(store) == "key.absent"
    assert store.put("lab-v1", SEED) == KEY
