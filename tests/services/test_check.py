"""The check of a store: nothing in a sound one, and exactly what was broken in a copy."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

import apsw
import pytest

from registry.errors import ConflictError
from registry.protocol.canonical import canonical
from registry.protocol.event import EventBody
from registry.protocol.evidence import Checkpoint, sha256_of
from registry.protocol.instant import Instant
from registry.services.append import snapshot_payload
from registry.services.bundle import build_bundle
from registry.services.check import BATCH, check_store
from registry.services.desk import Desk
from registry.services.mint import event_line, mint
from registry.services.minting import Pair
from registry.services.parties import enrol
from registry.services.reissue_plan import plan_reissue
from registry.signing.documents import sign_enrolment, sign_event
from registry.store import sql
from registry.store.packing import unpack
from registry.store.rows import Intent, KeyRow, SignatureRow
from registry.store.store import Store
from registry.store.tables import TABLES
from tests.cli.lab import record
from tests.payloads import ANCHOR
from tests.services.exchange import bundle, elsewhere, minted, pin_of, snapshot, taken
from tests.services.filled import fill
from tests.services.registry import RECORD, REGISTRY, World, paper
from tests.services.reissued import rotate, signed, signers
from tests.services.test_ceremony import IDS, ready
from tests.services.test_jobs import put
from tests.world import AUTHOR

S: Final = RECORD.number.suffix
OTHER: Final = record(2).number.suffix
THIRD: Final = record(3).number.suffix


def twin_of(world: World, home: Path) -> World:
    """A registry with everything that this one holds, in a file."""
    twin = replace(world, home=home, store=None)
    if world.store is None:
        shutil.copytree(world.home, home)
        return twin
    home.mkdir()
    with Store(world.config.store) as here, Store(twin.config.store, create=True) as there:
        for table in TABLES:
            rows = [dict(zip(table.columns, row, strict=True)) for row in here.stream(table.rows)]
            there.fill(table.insert, rows)
    return twin


def contradiction(world: World, desk: Desk, folder: Path) -> None:
    """A twin of this home forks a chain, and its bundle is kept apart with the evidence."""
    other = twin_of(world, folder / "twin").desk()
    snapshot(other, "of the twin", at=world.clock.move(10))
    forked = bundle(other, at=world.clock())
    snapshot(desk, "after the twin", at=world.clock.move(10))
    with pytest.raises(ConflictError):
        taken(desk, forked)


def dated(desk: Desk, at: Instant) -> None:
    """A checkpoint of everything, with a timestamp that says so."""
    checkpoint = Checkpoint(REGISTRY, at.seconds[:10], tuple(sorted(desk.store.undated(1000))))
    anchor = ANCHOR | {"anchored_sha256": sha256_of(checkpoint)}
    desk.store.add_checkpoint(checkpoint, anchor, at=at)


def stocked(folder: Path, store: str | None = None) -> World:
    """A registry with something in every table."""
    world = World(folder / "home", store=store).begin()
    desk = world.desk()
    for number, key_id in enumerate(IDS):
        public = world.keys.put(key_id, bytes([number + 1]) * 32)
        desk.store.add_key(KeyRow(key_id, public, "recovery", "memory:", world.clock()))
    ready(world)
    asked = {"nonce": "ab", "asked_sha256": bytes(32), "to_sha256": bytes(32), "at": 0}
    desk.store._rows(sql.ADD_CEREMONY, asked)
    minted(desk, at=world.clock.move(1))
    more = [record(2), record(3)]
    mint(desk, desk.signer(world.clock()), more, at=world.clock.move(1))
    snapshot(desk, "one", at=world.clock.move(1))
    asked = sign_enrolment(AUTHOR.signer, AUTHOR.key_object, registry=REGISTRY)
    enrol(desk, desk.signer(world.clock()), asked, at=world.clock.move(1))
    build_bundle(desk, desk.signer(world.clock()), RECORD, at=world.clock.move(1))
    other = elsewhere(folder / "elsewhere")
    minted(other.desk(), at=world.clock())
    foreign = bundle(other.desk(), at=world.clock())
    taken(desk, foreign, pin_of(other.desk()), at=world.clock.move(1))
    contradiction(world, desk, folder)
    at = world.clock.move(10)
    dated(desk, at)
    desk.store.claim_mints([record(4)], at=at)
    body = EventBody.parse(canonical(claimed(desk, at).to_json()))
    head = desk.store.find_head(OTHER, REGISTRY) or ""
    place = bytes.fromhex(head.removeprefix("sha256:"))
    desk.store.claim(Intent(OTHER, place, at, canonical(body.to_json())), REGISTRY)
    old, _ = rotate(desk, lambda: world.clock.move(60))
    job = plan_reissue(desk, old, "a test", at=world.clock())
    signed(desk, job, limit=2)
    put(desk, [[Pair(record(5).canonical), Pair(record(6).canonical)]])
    desk.store.discard([SignatureRow("lab-v2-2026-06", "bundle", b"\1" * 32, world.clock())])
    return world


def claimed(desk: Desk, at: Instant) -> EventBody:
    """The body of an event about record 2 that is claimed and was not signed."""
    return EventBody(
        event_type="graph_snapshot",
        subject=record(2).number,
        target="graph",
        payload=snapshot_payload(record(2), paper("claimed")),
        signer=desk.active_ref(),
        created_at=at.whole,
        supersedes=(),
        prev_event=desk.store.find_head(OTHER, REGISTRY),
    )


@pytest.fixture(name="whole", scope="module")
def _whole(tmp_path_factory: pytest.TempPathFactory) -> World:
    return stocked(tmp_path_factory.mktemp("whole"))


@pytest.fixture(name="copy")
def _copy(whole: World, tmp_path: Path) -> World:
    """A copy of it to break."""
    shutil.copytree(whole.home, tmp_path / "home")
    return replace(whole, home=tmp_path / "home")


def found(world: World) -> list[str]:
    """The rules of the findings in a store, and that looking wrote nothing."""
    path = world.config.store_path
    before = path.read_bytes()
    desk = Desk(world.config, Store(path, read_only=True), world.key_store, world.clock)
    codes = [finding.code for finding in check_store(desk, lambda _: None)]
    desk.store.close()
    assert path.read_bytes() == before
    return codes


def broken(world: World, *statements: str) -> list[str]:
    """What is found after these statements."""
    db = apsw.Connection(str(world.config.store_path), flags=apsw.SQLITE_OPEN_READWRITE)
    for statement in statements:
        before = db.total_changes()
        db.execute(statement)
        assert db.total_changes() > before or "TABLE" in statement, statement
    db.pragma("wal_checkpoint(TRUNCATE)")
    db.close()
    return found(world)


def test_everything_is_stocked_and_nothing_is_found(copy: World) -> None:
    db = apsw.Connection(str(copy.config.store_path), flags=apsw.SQLITE_OPEN_READWRITE)
    db.pragma("wal_checkpoint(TRUNCATE)")
    empty = [t.name for t in TABLES if not next(iter(db.execute(t.count)))[0]]
    db.close()

    assert found(copy) == []
    assert empty == ["restored"]


ZERO: Final = "x'" + "00" * 32 + "'"


COLUMNS: Final = [
    ("UPDATE records SET year = 1999 WHERE suffix = '{S}'", {"records.year"}),
    ("UPDATE records SET source_kind = 'other' WHERE suffix = '{S}'", {"records.source_kind"}),
    ("UPDATE records SET source_id = '2401.00099' WHERE suffix = '{S}'", {"records.source_id"}),
    ("UPDATE records SET source_version = 7 WHERE suffix = '{S}'", {"records.source_version"}),
    (
        "UPDATE records SET suffix = '22' || substr(suffix, 3) WHERE suffix = '{T}'",
        {"records.suffix", "records.missing", "job_items.subject", "journal.undocumented"},
    ),
    ("UPDATE records SET digest = {Z} WHERE suffix = '{S}'",
     {"records.digest", "journal.missing", "journal.undocumented"}),
    ("UPDATE events SET event_type = 'correction' WHERE seq = 1", {"events.event_type"}),
    ("UPDATE events SET signer_id = 'other' WHERE seq = 1",
     {"events.signer_id", "journal.undocumented"}),
    ("UPDATE events SET subject = '{O}' WHERE seq = 1", {"events.subject", "chain.gap"}),
    ("UPDATE events SET event_id = {Z} WHERE seq = 2",
     {"events.event_id", "journal.missing", "journal.undocumented", "checkpoints.documents"}),
    (("UPDATE heads SET event_id = (SELECT event_id FROM events WHERE seq = 1) "
     "WHERE subject = '{S}' AND signer_id = 'lab.example'"), {"heads.event_id"}),
    (("UPDATE heads SET event_id = (SELECT event_id FROM events WHERE seq = 1) "
     "WHERE subject = '{T}'"), {"heads.event_id"}),
    ("UPDATE heads SET signer_id = 'other' WHERE subject = '{T}'",
     {"heads.missing", "heads.signer_id"}),
    ("UPDATE intents SET prev = {Z} WHERE subject = '{O}'", {"intents.prev"}),
    ("UPDATE intents SET subject = '{S}' WHERE subject = '{O}'", {"intents.subject"}),
    ("UPDATE bundles SET sha256 = {Z}",
     {"bundles.sha256", "journal.missing", "journal.undocumented", "checkpoints.documents"}),
    ("UPDATE bundles SET subject = '{O}'", {"bundles.subject"}),
    ("UPDATE bundles SET built_at = built_at + 1", {"bundles.built_at"}),
    ("UPDATE keysets SET sha256 = {Z} WHERE version = 2",
     {"keysets.sha256", "journal.missing", "journal.undocumented"}),
    ("UPDATE keysets SET version = 9 WHERE version = 4", {"keysets.version"}),
    ("UPDATE signers SET sha256 = {Z}",
     {"signers.sha256", "journal.missing", "journal.undocumented"}),
    ("UPDATE signers SET version = 3", {"signers.version"}),
    ("UPDATE ceremonies SET to_sha256 = x'00'", {"ceremonies.sha256"}),
    ("UPDATE transcripts SET sha256 = {Z}",
     {"transcripts.sha256", "journal.missing", "journal.undocumented"}),
    ("UPDATE keys SET usage = 'recovery' WHERE key_id = 'lab-v1-2026-06'", {"keys.usage"}),
    ("UPDATE keys SET public_key = {K} WHERE key_id = 'lab-v1-2026-06'", {"keys.public_key"}),
    ("UPDATE keys SET public_key = {Z} WHERE key_id = 'lab-v1-2026-06'",
     {"keys.public_key", "journal.unread"}),
    (("UPDATE signatures SET at = at + 1 WHERE kind = 'event' AND digest = "
     "(SELECT event_id FROM events WHERE seq = 1)"), {"signatures.at"}),
    (("UPDATE signatures SET key_id = 'other-1' WHERE kind = 'event' AND digest = "
     "(SELECT event_id FROM events WHERE seq = 1)"), {"signatures.key_id"}),
    (("UPDATE signatures SET at = at + 1 WHERE kind = 'receipt' AND digest = "
     "(SELECT digest FROM records WHERE suffix = '{S}') AND key_id = 'lab-v1-2026-06'"),
     {"signatures.at"}),
    (("UPDATE signatures SET at = at + 1 WHERE kind = 'bundle' AND digest = "
     "(SELECT sha256 FROM bundles)"), {"signatures.at"}),
    ("UPDATE checkpoints SET sha256 = {Z}", {"checkpoints.sha256", "dated.checkpoint"}),
    ("UPDATE checkpoints SET last_seq = last_seq + 1", {"checkpoints.last_seq"}),
    ("UPDATE dated SET checkpoint = {Z} WHERE document IN (SELECT document FROM dated LIMIT 1)",
     {"dated.checkpoint"}),
    ("UPDATE foreign_keys SET key_id = 'other-1'", {"foreign_keys.key_id"}),
    ("UPDATE foreign_keys SET public_key = {Z}", {"foreign_keys.public_key"}),
    ("UPDATE foreign_records SET source_id = '2401.00009'", {"foreign_records.source_id"}),
    ("UPDATE foreign_records SET aliases = CAST('{{\"aliases\":[]}}' AS BLOB)",
     {"foreign_records.aliases"}),
    ("UPDATE foreign_events SET event_id = {Z}", {"foreign_events.event_id"}),
    ("UPDATE foreign_events SET subject = '{O}'",
     {"foreign_events.subject", "foreign_records.missing"}),
    ("UPDATE foreign_events SET registry = 'other.example'",
     {"event.signer", "foreign_records.missing"}),
    ("UPDATE quarantine SET name = 'other'", {"quarantine.name"}),
    ("UPDATE quarantine SET subject = '{O}'", {"quarantine.subject"}),
    ("UPDATE equivocations SET sha256 = {Z}", {"equivocations.sha256"}),
    ("UPDATE jobs SET digest = {Z} WHERE job = 1", {"jobs.digest"}),
    ("UPDATE jobs SET state = 'other' WHERE job = 1", {"jobs.state"}),
    ("UPDATE jobs SET kind = 'other' WHERE kind = 'mint'", {"jobs.kind"}),
    ("UPDATE shards SET state = 'other' WHERE first = ''", {"shards.state"}),
    ("UPDATE shards SET job = 9 WHERE first = ''", {"shards.job", "jobs.shards"}),
    ("UPDATE shards SET records = 1 WHERE first = ''", {"shards.records", "jobs.shards"}),
    ("UPDATE shards SET body = {Z} WHERE first = ''", {"shards.body"}),
    ("UPDATE shards SET body = x'' WHERE first = ''", {"shards.body"}),
    ("UPDATE job_items SET subject = 'A' WHERE subject NOT IN (SELECT subject FROM staged)",
     {"job_items.subject"}),
    ("UPDATE staged SET event_id = {Z} WHERE rowid = (SELECT min(rowid) FROM staged)",
     {"staged.event_id", "journal.missing", "journal.undocumented"}),
]  # fmt: skip
"""One column each that follows from a document, and all that must be seen of it."""


@pytest.mark.parametrize(("statement", "codes"), COLUMNS, ids=[c[0][:60] for c in COLUMNS])
def test_a_column_that_does_not_follow_from_its_document(
    copy: World, statement: str, codes: set[str]
) -> None:
    key = f"x'{AUTHOR.key_object.key.hex}'"
    assert set(broken(copy, statement.format(S=S, O=OTHER, T=THIRD, Z=ZERO, K=key))) == codes


FLIPS: Final = [
    ("records", "suffix", "license", "records.body"),
    ("events", "seq", "signature_b64", "event.signature"),
    ("events", "seq", "content_sha256", "event.digest"),
    ("events", "seq", "statement|headline|canonical_sha256", "event.digest"),
    ("bundles", "sha256", "bundle_sha256", "bundle.bundle_sha256"),
    ("bundles", "sha256", "built_at", "bundle.times"),
    ("keysets", "version", "signature_b64", "signature.wrong"),
    ("signers", "version", "signature_b64", "signature.wrong"),
    ("transcripts", "seq", "signature_b64", "signature.wrong"),
    ("foreign_events", "seq", "content_sha256", "event.digest"),
    ("foreign_keys", "key_id", "public_key_hex", "foreign_keys.body"),
    ("foreign_records", "suffix", "license", "foreign_records.body"),
    ("quarantine", "name", "built_at", "quarantine.name"),
    ("equivocations", "sha256", "content_sha256", "equivocations.body"),
    ("checkpoints", "sha256", "sha256", "checkpoints.documents"),
    ("jobs", "job", "reason", "jobs.digest"),
    ("staged", "subject", "signature_b64", "event.signature"),
]
"""A table, its key, the member in whose value a byte is changed, and a rule that sees it."""


PACKED: Final = ("records", "events", "bundles", "foreign_events", "foreign_records", "staged")


def flip(world: World, table: str, key: str, member: str) -> None:
    """Change one letter or digit in a value of the first document of a table."""
    column = "plan" if table == "jobs" else "body"
    db = apsw.Connection(str(world.config.store_path), flags=apsw.SQLITE_OPEN_READWRITE)
    name, body = next(iter(db.execute(f"SELECT {key}, {column} FROM {table} ORDER BY {key}")))
    data = bytearray(unpack(body) if table in PACKED else body)
    names = (f'"{each}":"'.encode() for each in member.split("|"))
    at = next(data.rindex(each) + len(each) for each in names if each in data)
    data[at] = {ord("A"): ord("B"), ord("1"): ord("2")}.get(data[at], ord("1"))
    db.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (bytes(data), name))
    db.close()


@pytest.mark.parametrize(
    ("table", "key", "member", "code"), FLIPS, ids=[f"{f[0]}-{f[2]}" for f in FLIPS]
)
def test_a_changed_byte(copy: World, table: str, key: str, member: str, code: str) -> None:
    flip(copy, table, key, member)

    codes = broken(copy)
    assert code in codes, codes


DELETED: Final = [
    ("DELETE FROM records WHERE suffix = '{S}'",
     {"records.missing", "journal.undocumented", "job_items.subject"}),
    ("DELETE FROM events WHERE seq = 1",
     {"chain.gap", "journal.undocumented", "checkpoints.documents"}),
    ("DELETE FROM heads WHERE subject = '{T}'", {"heads.missing", "journal.undocumented"}),
    ("DELETE FROM bundles", {"journal.undocumented", "checkpoints.documents"}),
    ("DELETE FROM keysets WHERE version = 2",
     {"keyset.version", "transcripts.keyset", "journal.undocumented"}),
    ("DELETE FROM signers", {"journal.undocumented"}),
    ("DELETE FROM transcripts", {"journal.undocumented"}),
    (("DELETE FROM signatures WHERE kind = 'event' AND digest = "
     "(SELECT event_id FROM events WHERE seq = 1)"), {"journal.missing"}),
    (("DELETE FROM signatures WHERE kind = 'receipt' AND digest = "
     "(SELECT digest FROM records WHERE suffix = '{S}')"), {"journal.missing"}),
    ("DELETE FROM signatures WHERE kind = 'keyset' AND key_id = 'rec-1'", {"journal.missing"}),
    ("DELETE FROM discarded", {"journal.undocumented"}),
    ("DELETE FROM checkpoints", {"dated.checkpoint", "dated.document"}),
    ("DELETE FROM dated WHERE document = (SELECT event_id FROM events WHERE seq = 1)",
     {"dated.checkpoint"}),
    ("DELETE FROM foreign_records", {"foreign_records.missing"}),
    ("DELETE FROM foreign_keys", {"event.signer"}),
    ("DELETE FROM jobs", {"job_items.subject", "shards.job"}),
    ("DELETE FROM shards", {"jobs.shards"}),
    ("DELETE FROM job_items", {"staged.subject"}),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "codes"), DELETED, ids=[d[0][:60] for d in DELETED])
def test_a_row_that_is_gone(copy: World, statement: str, codes: set[str]) -> None:
    assert set(broken(copy, statement.format(S=S, T=THIRD))) == codes


def test_two_events_after_the_same_one_and_two_beginnings(copy: World) -> None:
    """Each signed with the real key and journaled: nothing but the chain tells."""
    desk = copy.desk()
    (signer,) = signers(desk, "lab-v1-2026-06")
    first, second = desk.store.events_of(S)[:2]
    for prev in (first.event_id, None):
        payload = snapshot_payload(RECORD, paper(f"after {prev}"))
        body = replace(second.body, prev_event=prev, payload=payload)
        made = sign_event(signer, body, signed_at=second.signature.signed_at)
        desk.store._journal(event_line(made))
        desk.store._insert_event(made)
    desk.store.close()

    assert broken(copy) == ["chain.fork", "chain.fork"]


def test_a_damaged_file_and_foreign_tables_end_the_check(copy: World) -> None:
    assert broken(copy, "CREATE TABLE more (a)") == ["store.schema"]
    path = copy.config.store_path
    data = bytearray(path.read_bytes())
    data[len(data) - 4096 :] = bytes(4096)
    path.write_bytes(data)
    assert set(found(copy)) == {"store.damaged"}


def test_what_key_sets_bind_is_not_guessed(copy: World) -> None:
    statement = "UPDATE keysets SET body = CAST('{}' AS BLOB) WHERE version = 2"
    assert broken(copy, statement) == ["keysets.body", "keyset.version", "keysets.unread"]


def test_all_cores_find_what_one_does(world: World, desk: Desk) -> None:
    count = 2 * BATCH + 7
    fill(desk, count, at=world.clock())
    desk.store.close()
    path = world.config.store_path
    read = Desk(world.config, Store(path, read_only=True), world.key_store, world.clock)
    looked: list[int] = []

    assert list(check_store(read, looked.append)) == []
    assert (len(looked), sum(looked)) == (3, count)
    read.store.close()
    assert broken(world, "UPDATE records SET year = 1999") == ["records.year"] * count
