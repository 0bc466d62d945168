"""A registry whose home is lost is rebuilt from what it published, with commands alone."""

import shutil
from pathlib import Path

from registry.config import load_config
from tests.cli.lab import ABSTRACT, REGISTRY, TITLE, Done, process, record, rows
from tests.cli.terminal import Session, at_terminal

PAPER = "arxiv:2401.00001"
LOCKED = "store.unreconciled"
NUMBERS = (PAPER, "arxiv:2401.00002v1", "arxiv:2401.00002v2")
HEADS = "SELECT subject, signer_id, event_id FROM heads ORDER BY subject, signer_id"


def secret(home: Path) -> str:
    """Where the passphrase of a home's key files is."""
    return load_config(home).passphrase or ""


def reconciled(home: Path, *published: Path) -> Session:
    """Compare a home with what was published, and say that it is all."""
    reconcile = ("store", "restore", "--reconcile", *published)
    return at_terminal(*reconcile, home=home, answers=[("to go on", "unpublished")]).fine()


def snapshot(home: Path, headline: str) -> Done:
    """Sign what is known of the paper."""
    said = ("--title", TITLE, "--abstract", ABSTRACT, "--headline", headline)
    return process("event", "add", "graph-snapshot", PAPER, *said, home=home).fine()


def states(home: Path) -> list[bytes]:
    """What everything comes to."""
    return [process("state", "show", number, home=home).fine().out for number in NUMBERS]


def published(home: Path, folder: Path) -> list[Path]:
    """What a registry leaves with the world: its key sets, its signers lists, its bundles."""
    folder.mkdir()
    keys, lists = folder / "pith-keys.json", folder / "pith-signers.json"
    process("keyset", "show", "-o", keys, home=home).fine()
    process("party", "list", "-o", lists, home=home).fine()
    bundles = []
    for i, number in enumerate(NUMBERS):
        bundles.append(folder / f"bundle-{i}.json")
        process("bundle", "build", number, "-o", bundles[-1], home=home).fine()
    return [keys, lists, *bundles]


def enrol(home: Path, folder: Path) -> None:
    """Enrol a third party."""
    asked = folder / "alice.pub"
    store = ("--signer", f"file:{folder}/alice", "--passphrase", secret(home))
    who = ("--id", "mirror.example", "--type", "mirror", "--registry", REGISTRY)
    process(
        "party", "request", *who, *store, "--key-id", "mirror-2026", "--new", "-o", asked
    ).fine()
    process("party", "enroll", *who[:4], "--key", asked, home=home).fine()


def test_a_lost_registry_is_rebuilt_and_chains_on(stocked: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    enrol(stocked, tmp_path)
    snapshot(stocked, "the second")
    keys, lists, *bundles = published(stocked, tmp_path / "published")
    before, heads = states(stocked), rows(stocked, HEADS)
    (key_id,) = [
        each["key_id"]
        for each in process("key", "list", "--json", home=stocked).fine().objects
        if each["status"] == "active"
    ]

    # The home is lost. What is left: what was published, and a copy of the key file.
    made = process(
        *("init", "--restore", keys, "--signers", lists, "--base-url", "https://lab.example"),
        *("--signer", "file:", "--passphrase", secret(stocked)),
        home=home,
    ).fine()
    digest = process("keyset", "verify", keys).fine().lines[0].split()[-1]
    assert made.lines == [digest]
    mint = process("mint", "-", home=home, stdin=record().canonical)
    assert "`pith store restore --reconcile PUBLISHED…`" in mint.refused(8, LOCKED).err
    shutil.copytree(stocked / "keys", home / "keys")
    process("key", "add", key_id, "--signer", "file:", home=home).fine()

    process("mint", "-", home=home, stdin=record().canonical).refused(8, LOCKED)
    taken = process("bundle", "import", *bundles, home=home).fine()

    assert [line.split()[2] for line in taken.lines] == ["3", "1", "1"]
    process("mint", "-", home=home, stdin=record().canonical).refused(8, LOCKED)
    told = reconciled(home, keys, lists, *bundles)
    assert "made from key sets alone" in told.screen
    assert states(home) == before
    assert rows(home, HEADS) == heads
    assert process("party", "list", home=home).fine().out == (
        process("party", "list", home=stocked).fine().out
    )
    process("key", "audit", *bundles, home=home).fine()

    # It goes on where it was: nothing is minted twice, and the chain is not forked.
    minted = process("mint", "-", home=home, stdin=record().canonical).fine()
    assert "0 minted, 1 minted before" in minted.err
    snapshot(home, "the third")
    newer = tmp_path / "newer.json"
    process("bundle", "build", PAPER, "-o", newer, home=home).fine()
    process("verify", newer, "--pin", keys).fine()
    process("evidence", "find", newer, *bundles, "--pin", keys).fine()
    process("key", "audit", newer, *bundles, home=home).fine()


def test_a_rebuilt_home_that_forks_itself_leaves_evidence(stocked: Path, tmp_path: Path) -> None:
    """What the handbook warns of: signing in the lost home too, after it was rebuilt."""
    keys, _, *bundles = published_without_parties(stocked, tmp_path / "published")
    home = restored(stocked, keys, tmp_path / "home")
    reconciled(home, keys, *bundles)
    files = []
    for place in (stocked, home):
        snapshot(place, f"from {place.name}")
        files.append(tmp_path / f"from-{place.name}.json")
        process("bundle", "build", PAPER, "-o", files[-1], home=place).fine()

    found = process("evidence", "find", *files, "--pin", keys, "--json")
    assert (found.code, found.object["kind"]) == (6, "event_fork")
    proof = tmp_path / "evidence.json"
    digest = process("evidence", "find", *files, "--pin", keys).lines[0].split()[0]
    process("evidence", "export", digest[:12], *files, "-o", proof).fine()
    process("evidence", "verify", proof, "--pin", keys).fine()
    process("bundle", "import", files[0], home=home).refused(6, "import.equivocation")
    assert process("evidence", "find", home=home).lines[0].split()[0] == digest


def published_without_parties(home: Path, folder: Path) -> list[Path]:
    """The same of a registry that enrolled nobody."""
    folder.mkdir()
    keys, bundle = folder / "pith-keys.json", folder / "bundle.json"
    process("keyset", "show", "-o", keys, home=home).fine()
    process("bundle", "build", PAPER, "-o", bundle, home=home).fine()
    return [keys, keys, bundle]


def restored(lost: Path, keys: Path, home: Path) -> Path:
    """A home made anew, with the key files of the lost one."""
    process(
        *("init", "--restore", keys, "--base-url", "https://lab.example"),
        *("--signer", "file:", "--passphrase", secret(lost)),
        home=home,
    ).fine()
    shutil.copytree(lost / "keys", home / "keys")
    for file in (home / "keys").glob("*.key"):
        process("key", "add", file.stem, "--signer", "file:", home=home).fine()
    return home


def test_a_home_made_anew_stays_locked_without_the_word(stocked: Path, tmp_path: Path) -> None:
    keys, _, bundle = published_without_parties(stocked, tmp_path / "published")
    home = restored(stocked, keys, tmp_path / "home")
    reconcile = ("store", "restore", "--reconcile", keys, bundle)

    process(*reconcile, home=home).refused(2, "usage.confirm")
    told = at_terminal(*reconcile, home=home, answers=[("to go on", "yes")])
    assert told.code == 130
    process("mint", "-", home=home, stdin=record().canonical).refused(8, LOCKED)
    process("store", "restore", "--reconcile", bundle, home=home).refused(2, "reconcile.keyset")

    reconciled(home, keys, bundle)
    process("mint", "-", home=home, stdin=record().canonical).fine()
    process(*reconcile, home=home).refused(6, "store.reconciled")
    acts = process("key", "audit", "--json", home=home).object["acts"]
    assert [act["act"] for act in acts] == ["home made anew", "reconciled"]


def test_doctor_says_what_is_locked(stocked: Path, tmp_path: Path) -> None:
    keys, _, bundle = published_without_parties(stocked, tmp_path / "published")
    home = restored(stocked, keys, tmp_path / "home")

    def store() -> str:
        found = process("doctor", "--json", home=home).objects
        return str(next(each["status"] for each in found if each["name"] == "store"))

    assert store() == "attention"
    process("bundle", "import", bundle, home=home).fine()
    assert store() == "attention"
    reconciled(home, keys, bundle)
    assert store() == "ok"


def test_only_the_very_key_is_brought_back(stocked: Path, tmp_path: Path) -> None:
    keys, _, bundle = published_without_parties(stocked, tmp_path / "published")
    home = restored(stocked, keys, tmp_path / "home")
    listed = process("key", "list", "--json", home=home).fine().objects
    assert [each["status"] for each in listed] == ["active"]
    process("key", "add", listed[0]["key_id"], "--signer", "file:", home=home).refused(
        6, "key.exists"
    )

    other = tmp_path / "other"
    process(
        *("init", "--restore", keys, "--base-url", "https://lab.example"),
        *("--signer", "file:", "--passphrase", secret(stocked)),
        home=other,
    ).fine()
    process("key", "create", "--id", "another", "--signer", "file:", home=other).fine()
    imposter = other / "keys" / f"{listed[0]['key_id']}.key"
    (other / "keys" / "another.key").rename(imposter)
    process("key", "add", imposter.stem, "--signer", "file:", home=other).refused(
        7, "keyfile.mismatch"
    )
    process("bundle", "import", bundle, home=other).fine()
