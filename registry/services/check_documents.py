"""Check of documents that stand by themselves: bundles, what is not ours, what is kept apart."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from registry.errors import PithError
from registry.protocol.bundle import Bundle
from registry.protocol.canonical import canonical
from registry.protocol.equivocation import Contradiction
from registry.protocol.equivocation_checks import examine_evidence
from registry.protocol.event import Event, SignerRef, event_identity
from registry.protocol.event_checks import examine_event
from registry.protocol.instant import Instant
from registry.protocol.keys import REGISTRY_SIGNER, KeyObject
from registry.protocol.record import Record
from registry.protocol.strict_json import LARGE, read_json
from registry.protocol.trust import Terms
from registry.services.findings import Finding, Frame, differing
from registry.services.verify import examine
from registry.store.chains import record_values
from registry.store.packing import unpack

Row = tuple[Any, ...]
_ASKED: Final = ("trust.", "keyset.", "expect.", "bundle.clock")
"""Checks of a bundle that are a reader's, not the document's."""
APART: Final = "it counts for nothing while it is kept apart: import it again to decide anew"


def check_bundle(frame: Frame, row: Row) -> Iterator[Finding]:
    """A bundle of ours: every check of a stranger, its key, its columns and journal line."""
    sha256, subject, built_at, stored, key_id, at = row
    where = f"bundle {sha256.hex()}"
    try:
        body = unpack(stored)
        bundle = Bundle.parse(body)
    except PithError as error:
        yield Finding("bundles.body", where, str(error))
        return
    report = examine(body, Terms((), bundle.body.built_at))
    for check in report.checks:
        if check.error is not None and not check.name.startswith(_ASKED):
            yield Finding(check.name, where, str(check.error))
            return
    signature = bundle.signature
    ref = SignerRef(frame.registry, REGISTRY_SIGNER, signature.key_id, signature.fingerprint)
    try:
        if ref not in frame.own:
            raise KeyError(signature.key_id)
        frame.own[ref].verify(bytes.fromhex(bundle.sha256), signature.raw)
    except (PithError, KeyError):
        yield Finding("bundles.key", where, f"{signature.key_id} is no key of ours that signed it")
        return
    found = {"sha256": sha256, "subject": subject, "built_at": built_at}
    derived = {
        "sha256": bytes.fromhex(bundle.sha256),
        "subject": bundle.body.number.suffix,
        "built_at": bundle.body.built_at.micros,
    }
    yield from differing("bundles", where, found, derived)
    if key_id is not None:
        said = {"key_id": key_id, "at": at}
        made = {"key_id": signature.key_id, "at": signature.signed_at.micros}
        yield from differing("signatures", where, said, made)


def check_foreign_event(frame: Frame, row: Row) -> Iterator[Finding]:
    """An event that another registry tells of, under the keys that came with it."""
    _, registry, event_id, subject, stored = row
    where = f"event sha256:{event_id.hex()} of {registry}"
    try:
        body = unpack(stored)
        value = read_json(body).value
        event = Event.from_json(value)
    except PithError as error:
        yield Finding("foreign_events.body", where, str(error))
        return
    if canonical(value) != body:
        yield Finding("foreign_events.body", where, "not in canonical bytes")
        return
    copy = examine_event(value, event.body.subject, frame.foreign.get(registry, {}))
    if copy.failed is not None:
        yield Finding(copy.failed, where, str(copy.error))
        return
    found = {"event_id": event_id, "subject": subject}
    derived = {"event_id": bytes.fromhex(event.sha256), "subject": event.body.subject.suffix}
    yield from differing("foreign_events", where, found, derived)


def check_foreign_record(_: Frame, row: Row) -> Iterator[Finding]:
    """A record that another registry tells of, with its aliases."""
    columns = ("registry", "suffix", "source_kind", "source_id", "source_version", "body")
    found = dict(zip(columns, row, strict=False))
    where = f"record {found['suffix']} of {found['registry']}"
    try:
        found["body"] = unpack(found["body"])
        record = Record.parse(found["body"])
        aliases = read_json(row[6]).value.get("aliases")
    except PithError as error:
        yield Finding("foreign_records.body", where, str(error))
        return
    derived = record_values(record)
    wanted = {name: derived[name] for name in columns[1:5]} | {"body": record.canonical}
    yield from differing("foreign_records", where, found, wanted)
    said = [
        (each.get("alias_kind"), each.get("alias_value"))
        for each in (aliases if type(aliases) is list else [])
        if type(each) is dict
    ]
    if said != list(record.aliases()):
        yield Finding("foreign_records.aliases", where, "not the aliases of the record")


def check_foreign_key(_: Frame, row: Row) -> Iterator[Finding]:
    """A key that another registry's events are checked with."""
    registry, key_id, public_key, body = row
    where = f"key {key_id} of {registry}"
    try:
        key = KeyObject.from_json(read_json(body).value)
    except PithError as error:
        yield Finding("foreign_keys.body", where, str(error))
        return
    found = {"key_id": key_id, "public_key": public_key, "body": body}
    derived = {"key_id": key.key_id, "public_key": key.key.raw, "body": canonical(key.to_json())}
    yield from differing("foreign_keys", where, found, derived)


def check_apart(_: Frame, row: Row) -> Iterator[Finding]:
    """What imports kept apart is the document that its name says, good or bad."""
    name, kind, registry, subject, *_rest, body = row
    where = f"{name} kept apart"
    try:
        value = read_json(body, LARGE).value
        number = value.get("subject_pith_number" if kind == "event" else "pith_number")
    except PithError as error:
        yield Finding("quarantine.body", where, str(error), APART)
        return
    digest = event_identity(value) if kind == "event" else hashlib.sha256(body).digest()
    wanted = f"sha256:{digest.hex()}" if kind == "event" else digest.hex()
    found = {"name": name, "subject": subject}
    derived = {"name": wanted, "subject": str(number)[-26:]}
    for finding in differing("quarantine", where, found, derived):
        yield Finding(finding.code, where, finding.text, APART)
    if kind not in ("event", "bundle") or not registry:
        yield Finding("quarantine.kind", where, f"{kind} is neither event nor bundle", APART)


def check_evidence(_: Frame, row: Row) -> Iterator[Finding]:
    """Evidence of equivocation still proves what it says."""
    sha256, at, body = row
    where = f"evidence {sha256.hex()}"
    try:
        evidence = Contradiction.parse(body)
        report = examine_evidence(body, Terms((), Instant(at)))
        if report.failure is not None:
            raise report.failure
    except PithError as error:
        yield Finding("equivocations.body", where, str(error))
        return
    found, derived = {"sha256": sha256, "body": body}, {"sha256": evidence.digest}
    yield from differing("equivocations", where, found, derived | {"body": evidence.canonical})


def check_staged(frame: Frame, row: Row) -> Iterator[Finding]:
    """An event that a job has signed and that is in no chain yet."""
    job, subject, event_id, stored = row
    where = f"event sha256:{event_id.hex()} staged by job {job}"
    remedy = "`pith reissue plan` again abandons the job and what it staged"
    try:
        value = read_json(unpack(stored)).value
        event = Event.from_json(value)
    except PithError as error:
        yield Finding("staged.body", where, str(error), remedy)
        return
    copy = examine_event(value, event.body.subject, frame.bindings)
    if copy.failed is not None:
        yield Finding(copy.failed, where, str(copy.error), remedy)
        return
    found = {"event_id": event_id, "subject": subject}
    derived = {"event_id": bytes.fromhex(event.sha256), "subject": event.body.subject.suffix}
    yield from differing("staged", where, found, derived)


DOCUMENTS: Final[dict[str, Callable[[Frame, Row], Iterator[Finding]]]] = {
    "bundles": check_bundle,
    "foreign_keys": check_foreign_key,
    "foreign_records": check_foreign_record,
    "foreign_events": check_foreign_event,
    "quarantine": check_apart,
    "equivocations": check_evidence,
    "staged": check_staged,
}
