"""Keys as encrypted files, one ``<key_id>.key`` each, in a folder of their own."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from registry.errors import KeyUnavailableError, StoreError, shown
from registry.protocol.checks import counted
from registry.signing.keyfile import DEFAULT_COST, MAX_SIZE, Cost, seal, unseal
from registry.signing.passphrase import Passphrase
from registry.signing.private_file import read_private
from registry.signing.seed_store import SeedStore, key_absent, key_exists

_SUFFIX: Final = ".key"


class FileKeyStore(SeedStore):
    """``file:`` or ``file:/folder``: what a thief gains is as many guesses of the
    passphrase as they can pay for.

    The folder is made with mode 0700, files with 0600. Adds to the refusals of
    `KeyStore` those of `Passphrase.get` and of `registry.signing.keyfile`, and
    ``keyfile.kind``, ``.owner``, ``.mode``, ``.size``, ``.access``,
    ``.folder`` (KeyUnavailableError) and ``keyfile.write`` (StoreError).
    """

    def __init__(
        self,
        registry: str,
        folder: Path,
        passphrase: Passphrase,
        *,
        uri: str = "",
        cost: Cost = DEFAULT_COST,
    ) -> None:
        super().__init__(registry)
        self._folder = folder
        self._passphrase = passphrase
        self._uri = uri or f"file:{folder}"
        self._cost = cost

    @property
    def uri(self) -> str:
        """Where it is."""
        return self._uri

    @property
    def place(self) -> str:
        """The folder itself, whatever links and mounts lead to it."""
        try:
            found = self._folder.stat()
        except OSError:
            return f"file:{self._folder.resolve()}"
        return f"file:{found.st_dev}:{found.st_ino}"

    def check(self) -> str:
        """Looks at the folder, every key file's mode, and the source of the passphrase."""
        self._check_folder()
        names = sorted(self._folder.glob(f"*{_SUFFIX}")) if self._folder.is_dir() else []
        for path in names:
            _read(path)
        self._passphrase.check()
        return (
            f"{self.uri} {counted(len(names), 'key')} encrypted in {shown(str(self._folder), 200)},"
            f" passphrase from {self._passphrase.uri}"
        )

    def __repr__(self) -> str:
        return f"<FileKeyStore {self._registry} in {self._folder}>"

    def _path(self, key_id: str) -> Path:
        return self._folder / f"{key_id}{_SUFFIX}"

    def _holds(self, key_id: str) -> bool:
        self._check_folder()
        try:
            os.lstat(self._path(key_id))
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._folder_refused(os.strerror(error.errno or 0).lower()) from None
        return True

    def _read(self, key_id: str) -> bytes:
        self._check_folder()
        try:
            data = _read(self._path(key_id))
        except FileNotFoundError:
            raise key_absent(key_id, self.uri) from None
        passphrase = self._passphrase.get(confirm=False)
        return unseal(data, passphrase, key_id=key_id, registry=self._registry)

    def _write(self, key_id: str, seed: bytes) -> None:
        passphrase = self._passphrase.get(confirm=True)
        data = seal(seed, passphrase, key_id=key_id, registry=self._registry, cost=self._cost)
        path = self._path(key_id)
        try:
            with _translated(path, FileExistsError):
                _make_folder(self._folder)
                _create(path, data)
        except FileExistsError:
            raise key_exists(key_id, self.uri) from None

    def _remove(self, key_id: str) -> None:
        path = self._path(key_id)
        try:
            with _translated(path, FileNotFoundError):
                path.unlink()
                _sync_folder(self._folder)
        except FileNotFoundError:
            raise key_absent(key_id, self.uri) from None

    def _check_folder(self) -> None:
        try:
            found = self._folder.stat()
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._folder_refused(os.strerror(error.errno or 0).lower()) from None
        if not stat.S_ISDIR(found.st_mode):
            raise self._folder_refused("it is not a folder")
        if found.st_uid != os.geteuid():
            raise self._folder_refused(f"it belongs to user {found.st_uid}")
        if found.st_mode & 0o022:
            raise self._folder_refused("others may write in it")

    def _folder_refused(self, why: str) -> KeyUnavailableError:
        return KeyUnavailableError(
            f"cannot keep keys in {shown(str(self._folder), 200)}: {why}",
            code="keyfile.folder",
            hint="key files want a folder of the user who runs pith, mode 700",
        )


def _read(path: Path) -> bytes:
    return read_private(
        path, rule="keyfile", limit=MAX_SIZE, owners=frozenset((os.geteuid(),)), forbidden=0o077
    )


@contextmanager
def _translated(path: Path, passing: type[OSError]) -> Iterator[None]:
    """Turns what the disk says into StoreError, but for the one answer that is *passing*."""
    try:
        yield
    except passing:
        raise
    except OSError as error:
        raise StoreError(
            f"cannot write {shown(str(path), 200)}: {os.strerror(error.errno or 0).lower()}",
            code="keyfile.write",
            hint="no key was made or erased; see to the disk and the rights of its folder",
        ) from None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    _sync_folder(folder.parent)


def _create(path: Path, data: bytes) -> None:
    """All of a new file under its name, durably, or nothing (FileExistsError if taken)."""
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
    mine = [temporary]
    try:
        _fill(handle, data)
        # A link, unlike a rename, never takes the place of another key.
        os.link(temporary, path)
        mine.append(str(path))
        os.unlink(temporary)
        _sync_folder(path.parent)
    except BaseException:
        for name in mine:
            with suppress(OSError):
                os.unlink(name)
        raise


def _fill(handle: int, data: bytes) -> None:
    try:
        os.fchmod(handle, 0o600)
        written = 0
        while written < len(data):
            written += os.write(handle, data[written:])
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
