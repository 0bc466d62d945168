"""A registry in memory: signed documents from fixed seeds, and the means to spoil them.

Good documents come out of the typed signing functions alone. The ``reseal_*``
helpers do what an attacker with the key would do: they put digests and
signatures right again over a document that was changed, so that one fact is
wrong and not two.

``python -m tests.world`` writes the vector folders from the tables of the test
modules; a test holds the files and the tables together.
"""

import base64
import copy
import hashlib
import importlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from registry.protocol.bundle import Bundle, BundleBody, bundle_body, source_aliases
from registry.protocol.bundle_checks import bindings_of
from registry.protocol.canonical import JsonObject, canonical
from registry.protocol.checks import Report
from registry.protocol.event import Event, EventBody, SignerRef, event_identity
from registry.protocol.graph import Paper, graph_snapshot
from registry.protocol.instant import Instant
from registry.protocol.keys import REGISTRY_SIGNER, KeyObject, PublicKey
from registry.protocol.keyset import PREFIX, KeyEntry, KeySet, KeySetBody
from registry.protocol.merge import merge
from registry.protocol.number import PithNumber
from registry.protocol.places import mirror_hint
from registry.protocol.receipt import Receipt
from registry.protocol.record import Record
from registry.protocol.source import Source
from registry.protocol.trust import KeyPin, KeySetPin, Pin, Terms
from registry.signing.documents import sign_bundle, sign_event, sign_keyset, sign_receipt
from registry.signing.signer import SeedSigner, Signer, public_key_of

AT: Final = Instant.parse_micros("2026-06-01T12:00:00.250000Z")
"""When the first receipt of this world is made; the rest follows from it."""
SNAPSHOT_AT: Final = AT.plus(seconds=60)
BUILT_AT: Final = AT.plus(seconds=3600)
NOW: Final = AT.plus(days=1)
"""The verifier's clock."""
BUILDER: Final = "pith-test-builder-1"
BASE_URL: Final = "https://registry.example"


# -- keys ----------------------------------------------------------------------


def seed_of(name: str) -> bytes:
    """The seed of a test key: anyone can make it, so it is worth nothing."""
    return hashlib.sha256(f"pith test seed: {name}".encode()).digest()


@cache
def signer(name: str, key_id: str) -> SeedSigner:
    """A signer whose seed follows from its name."""
    seed = seed_of(name)
    return SeedSigner(key_id, seed, public_key_of(seed))


def raw_sign(who: Signer, message: bytes) -> bytes:
    """What an attacker who holds the key signs: anything."""
    return who._sign(message)


def key_object(who: Signer, *, party: tuple[str, str] | None = None, notes: str = "") -> KeyObject:
    """The key object of a signer; *party* is a third party's signer_id and signer_type."""
    signer_id, signer_type = party or (None, None)
    return KeyObject(
        who.key_id,
        who.public_key,
        None,
        f"{BASE_URL}/pith-signing-key.json",
        notes,
        signer_id,
        signer_type,
    )


# -- papers and records --------------------------------------------------------


def paper(title: str = "A small world") -> Paper:
    """A paper that follows from its title."""
    return Paper(
        title=title,
        abstract=f"We describe {title}, which is small.",
        authors="Ada Able, Ben Baker and Cy Cole",
    )


@cache
def record(title: str = "A small world", version: int = 1) -> Record:
    """The record of `paper`; another title is another record."""
    about = paper(title)
    number = int.from_bytes(hashlib.sha256(title.encode()).digest()[:2], "big") + 1
    return Record.build(
        source=Source("arxiv", f"2601.{number:05d}", version),
        title=about.title,
        abstract=about.abstract,
        license="http://creativecommons.org/licenses/by/4.0/",
        primary_cat="cs.DL",
        cross_cats=("cs.CR",),
        submitted_at=Instant.parse_seconds("2026-01-15T09:30:00Z"),
    )


RECORD: Final = record()
OTHER_RECORD: Final = record("Another small world")


# -- a registry ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Speaker:
    """Whoever signs events with one key."""

    name: str
    key_id: str
    signer_type: str

    @property
    def signer(self) -> SeedSigner:
        """The signer of the key."""
        return signer(f"{self.name} {self.key_id}", self.key_id)

    @property
    def key(self) -> PublicKey:
        """The public key."""
        return self.signer.public_key

    @property
    def ref(self) -> SignerRef:
        """The ``signer`` member of the events."""
        return SignerRef(self.name, self.signer_type, self.key_id, self.key.fingerprint)

    @property
    def bindings(self) -> dict[SignerRef, PublicKey]:
        """The key bound to its name."""
        return {self.ref: self.key}

    def event(
        self,
        event_type: str,
        payload: JsonObject,
        target: str = "record",
        *,
        of: Record = RECORD,
        at: Instant = SNAPSHOT_AT,
        supersedes: Iterable[str] = (),
        prev: str | None = None,
    ) -> Event:
        """An event of any type."""
        body = EventBody(
            event_type,
            of.number,
            target,
            payload,
            self.ref,
            at.whole,
            tuple(sorted(supersedes)),
            prev,
        )
        return sign_event(self.signer, body, signed_at=Instant(at.micros + 2000))


@dataclass(frozen=True, slots=True)
class Party(Speaker):
    """A third party with one key."""

    @property
    def key_object(self) -> KeyObject:
        """The party's key as it stands in bundles."""
        return key_object(self.signer, party=(self.name, self.signer_type))


AUTHOR: Final = Party("orcid:0000-0002-1825-0097", "able-2026", "author")
MIRROR: Final = Party("mirror.example", "mirror-2026", "mirror")
READER: Final = Party("reader.example", "reader-2026", "third_party")
PARTIES: Final = (AUTHOR, MIRROR, READER)


@dataclass(frozen=True, slots=True)
class Registry(Speaker):
    """One registry with one key, and all that it signs."""

    name: str = "registry.example"
    key_id: str = "example-2026-01"
    signer_type: str = REGISTRY_SIGNER

    @property
    def key_object(self) -> KeyObject:
        """The registry's key as it stands in bundles."""
        return key_object(self.signer)

    @property
    def pin(self) -> KeyPin:
        """A pin of the key under the registry's name."""
        return KeyPin(self.name, self.key_id, self.key, "a test")

    @property
    def terms(self) -> Terms:
        """What a verifier brings who pins the key and reads a day later."""
        return Terms((self.pin,), NOW)

    def receipt(
        self,
        of: Record = RECORD,
        first: Instant = AT,
        *,
        reissued: Instant | None = None,
        signed: Instant | None = None,
    ) -> Receipt:
        """A receipt first computed at *first*, signed a millisecond after its last issue."""
        last = reissued or first
        return sign_receipt(
            self.signer,
            of,
            first_computed_at=first,
            last_reissued_at=last,
            signed_at=signed or Instant(last.micros + 1000),
            builder_version=BUILDER,
        )

    def record_created(
        self,
        of: Record = RECORD,
        first: Instant = AT,
        *,
        reissued: Instant | None = None,
        supersedes: Iterable[str] = (),
        prev: str | None = None,
    ) -> Event:
        """The event of a mint, or of a reissue when it supersedes."""
        receipt = self.receipt(of, first, reissued=reissued)
        payload = {
            "canonical_record": of.to_json(),
            "canonical_sha256": of.sha256,
            "receipt": receipt.to_json(),
            "source_kind": of.source.kind,
            "source_id": of.source.id,
            "source_version": of.source.version,
            "attestation_state": "computed",
        }
        return self.event(
            "record_created",
            payload,
            "record",
            of=of,
            at=reissued or first,
            supersedes=supersedes,
            prev=prev,
        )

    def snapshot(
        self,
        of: Record = RECORD,
        title: str = "A small world",
        *,
        headline: str = "",
        at: Instant = SNAPSHOT_AT,
        supersedes: Iterable[str] = (),
        prev: str | None = None,
    ) -> Event:
        """A graph_snapshot event; *headline* makes it another one."""
        about = replace(paper(title), headline=headline)
        payload = {
            "graph_snapshot": graph_snapshot(about, of, builder_version=BUILDER),
            "verdict_id": None,
        }
        return self.event(
            "graph_snapshot", payload, "graph", of=of, at=at, supersedes=supersedes, prev=prev
        )

    def history(self, of: Record = RECORD, title: str = "A small world") -> list[Event]:
        """A mint and a graph snapshot after it, chained."""
        created = self.record_created(of)
        return [created, self.snapshot(of, title, prev=created.event_id)]

    def bundle_body(
        self,
        of: Record = RECORD,
        events: Iterable[Event] | None = None,
        *,
        keys: Iterable[KeyObject] | None = None,
        built: Instant = BUILT_AT,
    ) -> BundleBody:
        """A bundle of *events* before it is signed."""
        values = [event.to_json() for event in (self.history() if events is None else events)]
        listed = [self.key_object] if keys is None else list(keys)
        return bundle_body(
            of,
            merge(of.number, values, bindings_of(listed, self.name)),
            public_keys=listed,
            aliases=source_aliases(of, AT),
            mirror_hints=[
                mirror_hint(
                    BASE_URL, of.number, name="A test", mirror_type="https", status="primary"
                )
            ],
            base_url=BASE_URL,
            built_at=built.whole,
        )

    def bundle(
        self,
        of: Record = RECORD,
        events: Iterable[Event] | None = None,
        *,
        keys: Iterable[KeyObject] | None = None,
        built: Instant = BUILT_AT,
    ) -> Bundle:
        """A signed bundle of *events*, by default a mint and a snapshot."""
        body = self.bundle_body(of, events, keys=keys, built=built)
        return sign_bundle(self.signer, body, registry=self.name, signed_at=built)

    def entry(self, **life: Any) -> KeyEntry:
        """The registry's key as an active entry of a key set, with another *life*."""
        return entry(self.signer, **life)

    def keyset_pin(self, *entries: KeyEntry, **more: Any) -> KeySetPin:
        """A pin of a first key set with *entries*."""
        return KeySetPin(keyset(*entries, registry=self.name, **more), "a test key set")


REGISTRY: Final = Registry()
OTHER_REGISTRY: Final = Registry("elsewhere.example", "elsewhere-2026-01")


# -- key sets ------------------------------------------------------------------

SINCE: Final = Instant.parse_seconds("2026-01-01T00:00:00Z")
_ENTRY_SIGNERS: Final[dict[str, SeedSigner]] = {}


def entry(who: SeedSigner, **life: Any) -> KeyEntry:
    """One entry, active and of usage registry unless *life* says otherwise."""
    _ENTRY_SIGNERS[who.key_id] = who
    new = KeyEntry.new(key_object(who), usage="registry", status="active", valid_from=SINCE)
    return replace(new, **life)


def recovery(number: int = 1, **life: Any) -> KeyEntry:
    """The entry of an active recovery key."""
    who = signer(f"recovery {number}", f"recovery-{number}")
    return entry(who, **({"usage": "recovery"} | life))


def keyset_body(
    *entries: KeyEntry, registry: str = REGISTRY.name, days: int = 365, **more: Any
) -> KeySetBody:
    """A first key set of *entries* whose threshold is all of its active recovery keys."""
    held = entries or (REGISTRY.entry(),)
    body = KeySetBody(registry, 1, SINCE, SINCE.plus(days=days), 0, None, held)
    return replace(body, **({"threshold": len(body.active("recovery"))} | more))


def signers_of(body: KeySetBody) -> list[SeedSigner]:
    """The signers of every key of a set that this version can sign with."""
    return [_ENTRY_SIGNERS[e.key_id] for e in body.entries if e.object is not None]


def keyset(*entries: KeyEntry, **more: Any) -> KeySet:
    """A key set signed by each of its keys."""
    body = keyset_body(*entries, **more)
    return sign_keyset(signers_of(body), body)


# -- spoiling ------------------------------------------------------------------

Change = Callable[[JsonObject], None]


def changed(value: JsonObject, *changes: Change) -> JsonObject:
    """A deep copy with the changes made."""
    copied = copy.deepcopy(value)
    for change in changes:
        change(copied)
    return copied


def at(value: Any, where: str) -> Any:
    """What stands at a dotted path; numbers are places in lists."""
    for name in where.split(".") if where else ():
        value = value[int(name) if name.isdecimal() else name]
    return value


def put(where: str, new: Any) -> Change:
    """Put *new* (or what a function makes of the old value) at a dotted path."""

    def change(value: JsonObject) -> None:
        *parents, last = where.split(".")
        place = at(value, ".".join(parents))
        name = int(last) if last.isdecimal() else last
        place[name] = new(place[name]) if callable(new) else copy.deepcopy(new)

    return change


def drop(where: str) -> Change:
    """Take a member or an item away."""

    def change(value: JsonObject) -> None:
        *parents, last = where.split(".")
        place = at(value, ".".join(parents))
        del place[int(last) if last.isdecimal() else last]

    return change


def insert(where: str, new: Any) -> Change:
    """Add *new* at the end of the list at a dotted path."""

    def change(value: JsonObject) -> None:
        at(value, where).append(copy.deepcopy(new))

    return change


def flip(text: str) -> str:
    """The same hex with its first digit changed."""
    return ("1" if text[0] == "0" else "0") + text[1:]


def b64(raw: bytes) -> str:
    """Plain base64."""
    return base64.b64encode(raw).decode()


def spare_bits(text: str) -> str:
    """Another base64 spelling of the same bytes: the unused bits set."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body = text.rstrip("=")
    spelt = body[:-1] + alphabet[alphabet.index(body[-1]) | 1] + text[len(body) :]
    assert spelt != text
    assert base64.b64decode(spelt) == base64.b64decode(text)
    return spelt


ORDER_L: Final = 2**252 + 27742317777372353535851937790883648493


def plus_l(text: str) -> str:
    """A signature in base64 with the group order added to S: the same to lax verifiers."""
    raw = base64.b64decode(text)
    big = int.from_bytes(raw[32:], "little") + ORDER_L
    return b64(raw[:32] + big.to_bytes(32, "little"))


def small_order_r(text: str) -> str:
    """A signature in base64 whose R is the identity."""
    return b64(b"\x01" + bytes(31) + base64.b64decode(text)[32:])


def by(who: Signer, message: bytes) -> str:
    """The signature in base64 of *who* over *message*."""
    return b64(raw_sign(who, message))


def reseal_receipt(value: JsonObject, who: Signer = REGISTRY.signer) -> JsonObject:
    """Sign again what the receipt's canonical_sha256 says."""
    value["signature_b64"] = by(who, bytes.fromhex(value["canonical_sha256"]))
    return value


def reseal_event(value: JsonObject, who: Signer = REGISTRY.signer) -> JsonObject:
    """Put an event's digest, id and signature right over what it says now."""
    digest = event_identity(value)
    value["content_sha256"] = digest.hex()
    value["event_id"] = "sha256:" + digest.hex()
    value["signature"]["signature_b64"] = by(who, digest)
    return value


def reseal_state(value: JsonObject) -> JsonObject:
    """Put a state's digest right over what it says now."""
    value.pop("state_sha256", None)
    value["state_sha256"] = hashlib.sha256(canonical(value)).hexdigest()
    return value


def restate(value: JsonObject, registry: str = REGISTRY.name) -> JsonObject:
    """Put into a bundle the state that its events come to."""
    keys = [KeyObject.from_json(key) for key in value["public_keys"]]
    number = PithNumber.parse(value["pith_number"])
    merged = merge(number, value["events"], bindings_of(keys, registry))
    value["state"] = merged.state(copy.deepcopy(value["source_aliases"]))
    return value


def reseal_bundle(value: JsonObject, who: Signer = REGISTRY.signer) -> JsonObject:
    """Put a bundle's digest and signature right over what it says now."""
    body = {name: member for name, member in value.items() if name != "bundle_signature"}
    digest = hashlib.sha256(canonical(body)).digest()
    value["bundle_signature"]["bundle_sha256"] = digest.hex()
    value["bundle_signature"]["signature_b64"] = by(who, digest)
    return value


def reseal_keyset(value: JsonObject, signers: Iterable[Signer] | None = None) -> JsonObject:
    """Sign a key set again: by *signers*, or by whom it names as signing."""
    body = {name: member for name, member in value.items() if name != "signatures"}
    message = PREFIX + canonical(body)
    if signers is None:
        signers = [_ENTRY_SIGNERS[each["key_id"]] for each in value["signatures"]]
    value["signatures"] = [
        {
            "key_id": who.key_id,
            "public_key_fingerprint": who.public_key.fingerprint,
            "signature_b64": by(who, message),
        }
        for who in signers
    ]
    return value


def dump(value: JsonObject) -> bytes:
    """Compact JSON in UTF-8, order kept."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def failed(report: Report) -> tuple[str, ...]:
    """The names of the checks that failed, in order."""
    return tuple(check.name for check in report.checks if check.status == "fail")


def first_failure(report: Report) -> tuple[str, str]:
    """The name of the first check that failed and the code of its error."""
    for check in report.checks:
        if check.error is not None:
            return check.name, check.error.code
    return "", ""


def terms(*pins: Pin, when: Instant = NOW, **more: Any) -> Terms:
    """A verifier with these pins."""
    return Terms(pins, when, **more)


# -- vectors -------------------------------------------------------------------

FOLDER: Final = Path(__file__).parent / "vectors"
KINDS: Final = (
    "receipt",
    "event",
    "merge",
    "bundle",
    "keyset",
    "keyset_chain",
    "signers",
    "signers_chain",
    "terms",
    "transcript",
    "equivocation",
)


@dataclass(frozen=True, slots=True)
class Vectors:
    """The vectors of one kind: what their index says beside the files, valid files
    with what must come out, invalid ones with the check that must refuse and the code."""

    kind: str
    about: JsonObject
    valid: Mapping[str, tuple[bytes, str]]
    invalid: Mapping[str, tuple[bytes, str, str]]

    @property
    def index(self) -> JsonObject:
        """What index.json holds."""
        return self.about | {
            "valid": {f"{name}.json": out for name, (_, out) in sorted(self.valid.items())},
            "invalid": {
                f"{name}.json": {"check": check, "code": code}
                for name, (_, check, code) in sorted(self.invalid.items())
            },
        }

    @property
    def files(self) -> dict[str, bytes]:
        """Every file of the folder with its bytes."""
        text = json.dumps(self.index, indent=1, ensure_ascii=False) + "\n"
        return (
            {"index.json": text.encode()}
            | {f"valid/{name}.json": data for name, (data, _) in self.valid.items()}
            | {f"invalid/{name}.json": data for name, (data, _, _) in self.invalid.items()}
        )


def vectors(kind: str) -> Vectors:
    """The vectors of one kind as the tables of its test module make them."""
    made: Vectors = importlib.import_module(f"tests.protocol.test_{kind}").vectors()
    return made


def on_disk(kind: str) -> dict[str, bytes]:
    """Every file of a vector folder, by its path inside."""
    folder = FOLDER / kind
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*.json")
    }


def index_of(kind: str) -> JsonObject:
    """The committed index of one kind; an empty one before it was first written."""
    file = FOLDER / kind / "index.json"
    found: JsonObject = (
        json.loads(file.read_bytes()) if file.exists() else {"valid": {}, "invalid": {}}
    )
    return found


def vector(kind: str, verdict: str, name: str) -> bytes:
    """The bytes of one committed vector."""
    return (FOLDER / kind / verdict / name).read_bytes()


def key_of_index(registry: Registry = REGISTRY) -> JsonObject:
    """The public test key as every index states it."""
    return {
        "registry": registry.name,
        "key_id": registry.key_id,
        "public_key_hex": registry.key.hex,
        "public_key_fingerprint": registry.key.fingerprint,
    }


def write_vectors() -> None:
    """Write every vector folder anew."""
    for kind in KINDS:
        made = vectors(kind).files
        for name in on_disk(kind).keys() - made.keys():
            (FOLDER / kind / name).unlink()
        for name, data in made.items():
            file = FOLDER / kind / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)


if __name__ == "__main__":
    write_vectors()
