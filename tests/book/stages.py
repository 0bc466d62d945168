"""What is there before a section of the handbook begins: its machine, sticks and files."""

import gzip
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import zstandard

from registry import data
from registry.app import now
from registry.store.store import Store
from tests.book.desk import PASSPHRASE, Place
from tests.book.text import Line, Section
from tests.cli.lab import record
from tests.ingest.papers import kaggle, numbered
from tests.parts import needs
from tests.signing.agent import until_it_answers
from tests.signing.bus import Session
from tests.signing.softhsm import PIN, Token
from tests.ssh import keygen
from tests.timestamp.authority import Tsa, configure

Book = dict[str, Section]
After = Callable[[Line, str], None]
"""Told each line and what it showed, before the next is typed."""
Stage = Callable[[Place, Book], AbstractContextManager[After]]
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_FINGERPRINT: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


def _nothing(line: Line, shown: str) -> None:
    """Nothing is noted."""


@contextmanager
def plain(place: Place, book: Book) -> Iterator[After]:
    """The end of the first day, or nothing at all."""
    yield _nothing


def _only(place: Place, title: str, book: Book, pattern: re.Pattern[str], meant: str) -> None:
    """What the one text of this form in a section's commands stands for."""
    said = {found for line in book[title].lines for found in pattern.findall(line.command)}
    assert len(said) == 1, said
    place.fills[said.pop()] = meant


@contextmanager
def pins(place: Place, book: Book) -> Iterator[After]:
    """A bundle, and the version of the key set that comes after the newest."""
    (place.desk / "seed_bundle.json").write_bytes(data.seed_bundle())
    place.homes["later"] = shutil.copytree(place.home, place.folder / "later")
    place.pith("keyset show -o pith-keys.json")
    place.pith("rotation next announce --signer file:/media/next --yes", "later")
    place.pith("keyset show -o newer-keys.json", "later")
    (place.desk / "known-keys.jsonl").rename(place.desk / "all.jsonl")
    digests = _DIGEST.findall(place.pith("keyset verify all.jsonl"))
    shown = place.pith("key show --format json")
    lines = [line.command for line in book["Pins: what verifiers hold"].lines]
    (told,) = (_DIGEST.findall(line)[0] for line in lines if "--digest" in line)
    (key,) = (_DIGEST.findall(line)[0] for line in lines if "--pin lab-" in line)
    found = re.search(r'"public_key_hex": "([0-9a-f]{64})"', shown)
    assert found is not None
    place.fills |= {told: digests[-1], key: found[1]}
    yield _nothing


@contextmanager
def workstation(place: Place, book: Book) -> Iterator[After]:
    """A login keyring, unlocked."""
    needs("dbus-daemon", "gnome-keyring")
    session = Session()
    try:
        session.bus()
        session.daemon("right", until="unlocked")
        wanted = ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR")
        place.env |= {name: session.env[name] for name in wanted}
        yield _nothing
    finally:
        session.close()


_SYSTEMD_RUN: Final = """#!/bin/sh
# What systemd-run does with these options, on a machine that systemd did not start.
while [ $# -gt 0 ]; do
  case "$1" in
    --pty|--uid=*) shift ;;
    --setenv=*) export "${1#--setenv=}"; shift ;;
    -p) credential="${2#LoadCredentialEncrypted=}"; shift 2 ;;
    *) break ;;
  esac
done
CREDENTIALS_DIRECTORY=$(mktemp -d)
export CREDENTIALS_DIRECTORY
name="${credential%%:*}"
(umask 077; systemd-creds decrypt --name="$name" "${credential#*:}" "$CREDENTIALS_DIRECTORY/$name")
"$@"
code=$?
rm -r "$CREDENTIALS_DIRECTORY"
exit $code
"""


@contextmanager
def server(place: Place, book: Book) -> Iterator[After]:
    """systemd's credentials are real; the unit is read by systemd and its command is run."""
    needs("systemd-creds")
    place.fills |= {
        "/etc/credstore.encrypted": f"{place.folder}/etc/credstore.encrypted",
        "/opt/pith/bin": f"{place.folder}/bin",
    }
    (place.folder / "etc/credstore.encrypted").mkdir()
    program = place.folder / "bin" / "systemd-run"
    program.write_text(_SYSTEMD_RUN)
    program.chmod(0o755)
    (place.folder / "srv/pith/incoming.jsonl").write_bytes(record().canonical + b"\n")
    yield _nothing
    unit = place.real(book["A server"].fences["ini"])
    file = place.folder / "etc/pith-mint.service"
    file.write_text(unit.replace("User=pith", "User=root"))
    code, said = place.type(f"systemd-analyze verify {file}")
    assert (code, said) == (0, ""), said
    values = dict(re.findall(r"^(\w+)=(.*)$", unit, re.MULTILINE))
    code, said = place.type(
        f"systemd-run --uid={values['User']} --setenv={values['Environment']} "
        f"-p LoadCredentialEncrypted={values['LoadCredentialEncrypted']} {values['ExecStart']}"
    )
    assert code == 0, said
    assert "1 minted" in said


@contextmanager
def pipeline(place: Place, book: Book) -> Iterator[After]:
    """What a runner gives a job: a secret in a file, and the job's own files."""
    (place.folder / "run/secrets/pith-passphrase").write_text(PASSPHRASE)
    (place.desk / "record.json").write_bytes(record().canonical)
    yield _nothing


@contextmanager
def agent(place: Place, book: Book) -> Iterator[After]:
    """Nothing runs yet; what is started here is ended here."""
    needs("ssh-agent", "ssh-keygen")
    (place.folder / "run/pith").chmod(0o700)
    question = r"Enter (?:same )?passphrase[^:]*: $"
    place.answers[question] = lambda _: PASSPHRASE
    started: list[str] = []

    def after(line: Line, shown: str) -> None:
        started.extend(re.findall(r"SSH_AGENT_PID=(\d+)", shown))
        if started:
            until_it_answers(place.folder / "run/pith/agent")
        if line.command.startswith("ssh-keygen"):
            told = keygen("-l", "-f", place.desk / "lab-agent-1.pub")
            _only(place, "An ssh-agent", book, _FINGERPRINT, _FINGERPRINT.findall(told)[0])

    try:
        yield after
    finally:
        for pid in started:
            place.type(f"kill {pid}")


@contextmanager
def token(place: Place, book: Book) -> Iterator[After]:
    """A SoftHSM token without keys."""
    needs("softhsm", "pkcs11-tool")
    made = Token(place.folder / "token", label="lab", keys=())
    place.env["SOFTHSM2_CONF"] = made.env["SOFTHSM2_CONF"]
    settings = book["A token"].fences["toml"]
    _only(place, "A token", book, re.compile(r"/usr/lib/\S+\.so"), str(made.module))
    _only(place, "A token", book, re.compile(r"(?<=serial=)[0-9a-f]+"), made.serial)
    config = place.home / "config.toml"
    config.write_text(config.read_text() + "\n" + place.real(settings))
    place.answers[r"(?:User PIN|PIN of the token): $"] = lambda _: PIN
    yield _nothing


def _unprompted(place: Place) -> None:
    """The passphrase is in a private file."""
    secret = place.folder / "etc/pith/passphrase"
    secret.touch(mode=0o600)
    secret.write_text(PASSPHRASE)
    config = place.home / "config.toml"
    config.write_text(config.read_text().replace('"prompt:"', f'"file:{secret}"'))


@contextmanager
def snapshots(place: Place, book: Book) -> Iterator[After]:
    """A passphrase that is no prompt, a snapshot with a torn row, and a newer one."""
    _unprompted(place)
    rows = kaggle(*(numbered(i) for i in range(2, 10)))
    (place.desk / "snapshot.jsonl.gz").write_bytes(gzip.compress(rows + b'{"id": 7\n'))
    newer = kaggle(*(numbered(i) for i in range(9, 12)))
    (place.desk / "newer.jsonl.zst").write_bytes(zstandard.compress(newer))
    yield _nothing


@contextmanager
def year(place: Place, book: Book) -> Iterator[After]:
    """A passphrase that cron finds, and an authority that answers."""
    _unprompted(place)
    with authority(place, book) as after:
        yield after


@contextmanager
def authority(place: Place, book: Book) -> Iterator[After]:
    """A timestamp authority answers, and the config names it."""
    needs("openssl")
    tsa = Tsa(place.folder / "tsa")
    shutil.copy(tsa.root, place.desk / "tsa.pem")
    with tsa.served() as url:
        configure(place.home, url, tsa)
        yield _nothing


@contextmanager
def anchors(place: Place, book: Book) -> Iterator[After]:
    """The same, and an event to date."""
    listed = place.pith("event list arxiv:2401.00001")
    title = "Outside evidence of time"
    pattern = re.compile(r"sha256:[0-9a-f]{64}")
    _only(place, title, book, pattern, pattern.findall(listed)[0])
    with authority(place, book) as after:
        yield after


@contextmanager
def ceremony(place: Place, book: Book) -> Iterator[After]:
    """The files of the section, and an approver's key."""
    needs("ssh-keygen")
    key = place.folder / "home/you/eve"
    keygen("-q", "-t", "ed25519", "-N", "", "-C", "eve", "-f", key)
    first = book["The ceremony"].fences["toml ceremony.toml"]
    (said,) = re.findall(r'approvers = \["(.*)"\]', first)
    place.fills[said] = key.with_suffix(".pub").read_text().rstrip("\n")
    for section in (book["The ceremony"], book["Across an air gap"]):
        for name, body in section.fences.items():
            (place.desk / name.split()[1]).write_text(place.real(body))
    yield _nothing


@contextmanager
def air_gap(place: Place, book: Book) -> Iterator[After]:
    """After the first ceremony, homes away from the registry with one recovery key each."""
    with ceremony(place, book) as after:
        place.pith("ceremony run ceremony.toml")
        place.pith("keyset show --all -o known-keys.jsonl")
        place.homes["eve"] = place.folder / "no-home"
        for who, number in (("ada", 3), ("ben", 4)):
            home = place.homes[who] = place.folder / who
            home.mkdir()
            for name in ("config.toml", "registry.db"):
                shutil.copy(place.home / name, home)
            with Store(home / "registry.db") as store:
                for row in store.list_keys():
                    if row.usage == "recovery" and f"-v{number}-" not in row.key_id:
                        store.drop_key(row)
        yield after


@contextmanager
def shares(place: Place, book: Book) -> Iterator[After]:
    """Whoever holds shares types what was shown."""
    needs("shm")
    held: list[str] = []
    question = r"the words of share (\d)(?: of \d)?, not shown: $"
    place.answers[question] = lambda found: held[int(found[1]) - 1]

    def after(line: Line, shown: str) -> None:
        pages = re.findall(r"give the key back\n\n(.*?)\n\n", shown, re.DOTALL)
        if pages:
            held[:] = [" ".join(re.findall(r"[a-z]+", page)) for page in pages]

    yield after


def _minted(place: Place, number: int) -> None:
    (place.desk / f"record-{number}.json").write_bytes(record(number).canonical)
    place.pith(f"mint record-{number}.json")


@contextmanager
def theft(place: Place, book: Book) -> Iterator[After]:
    """One record dated, one not; then a thief signs in a copy of the home."""
    needs("openssl")
    with authority(place, book):
        place.pith("event add anchor --daily -o proofs.jsonl")
        place.pith("event add anchor --bundle bundle.json -o proof.json")
    _minted(place, 2)
    (place.desk / "derived.jsonl").write_bytes(record(2).canonical + b"\n")
    time.sleep(5)  # the token is accurate to 1.5 s, and its time rounded up twice
    place.fills["2026-11-20T08:00:00Z"] = now().seconds
    time.sleep(1)
    place.homes["thief"] = shutil.copytree(place.home, place.folder / "thief")
    add = "event add graph-snapshot arxiv:2401.00001 --title 'On Names' --abstract 'We name.'"
    place.pith(f"{add} --authors 'M. Mallory'", "thief")
    place.pith("bundle build arxiv:2401.00001 -o seen.json", "thief")
    yield _nothing


@contextmanager
def rotated(place: Place, book: Book) -> Iterator[After]:
    """A new key signs."""
    _minted(place, 2)
    for step in ("announce", "activate"):
        place.pith(f"rotation next {step} --yes")
    yield _nothing


@contextmanager
def bare(place: Place, book: Book) -> Iterator[After]:
    """The home is gone; what was published, the sticks and the shares are left."""
    folder = place.desk / "bundles"
    folder.mkdir()
    (place.desk / "bundle.json").rename(folder / "1.json")
    shutil.rmtree(place.home)
    place.deal()
    yield _nothing


@contextmanager
def one_lost(place: Place, book: Book) -> Iterator[After]:
    """Cy's stick is gone."""
    shutil.rmtree(place.folder / "media/cy")
    place.deal()
    yield _nothing


@contextmanager
def too_many_lost(place: Place, book: Book) -> Iterator[After]:
    """Two sticks of three are gone."""
    for who in ("ben", "cy"):
        shutil.rmtree(place.folder / "media" / who)
    (place.desk / "record.json").write_bytes(record(2).canonical)
    yield _nothing


FIRST_DAY: Final = "The first day"
BARE: Final[dict[str, Stage]] = {
    "A workstation": workstation,
    "A server": server,
    "Continuous integration": pipeline,
}
"""Sections that begin on a machine without a registry."""
LATER: Final[dict[str, Stage]] = {
    "Pins: what verifiers hold": pins,
    "An ssh-agent": agent,
    "A token": token,
    "Taking in arXiv": snapshots,
    "The year": year,
    "Rotation, step by step": plain,
    "The ceremony": ceremony,
    "Across an air gap": air_gap,
    "Backup: shares": shares,
    "Outside evidence of time": anchors,
    "The compromise day": theft,
    "Issuing receipts again": rotated,
    "On a bare machine": bare,
    "One is lost": one_lost,
    "Too many are lost": too_many_lost,
    "The audit": plain,
    "Third parties": plain,
}
"""Sections that begin where the first day ended."""
