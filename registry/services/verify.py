"""Verify: find out what a document is and run all its checks. Needs no home and no socket."""

from collections.abc import Sequence
from dataclasses import replace

from registry.errors import MalformedError, PithError, UsageError, shown
from registry.protocol.bundle_checks import examine_bundle
from registry.protocol.canonical import JsonObject
from registry.protocol.checks import Check, Report
from registry.protocol.document_checks import (
    examine_event_document,
    examine_keyset_document,
    examine_receipt_document,
)
from registry.protocol.evidence import Proof
from registry.protocol.signers_checks import examine_signers_document
from registry.protocol.strict_json import LARGE, Document, read_json
from registry.protocol.trust import Terms
from registry.services.timestamps import Authorities, gather, no_authorities


def examine(
    data: bytes,
    terms: Terms,
    record: bytes | None = None,
    *,
    proofs: Sequence[Proof] = (),
    authorities: Authorities = no_authorities,
    read: Document | None = None,
) -> Report:
    """Examine a bundle, event, key set, signers list, or (with its *record*) a receipt.

    The kind is read from the document. Bytes that are no JSON object, or none
    of these kinds, give a report whose one check fails. The timestamps in *proofs* and in
    the document count as far as a pinned one of *authorities* made them. *read* is what the
    strict reader made of *data*, where that is known.
    """
    try:
        document = read or read_json(data, LARGE)
        kind = _kind(document.value)
        if kind == "receipt" and record is None:
            raise UsageError(
                "a receipt is verified with its record",
                code="verify.record",
                hint="give --record FILE",
            )
    except (MalformedError, UsageError) as error:
        if isinstance(error, UsageError):
            raise
        return _refused(error)
    if record is not None and kind != "receipt":
        raise UsageError(f"--record goes with a receipt, this is a {kind}", code="verify.record")
    timestamps = gather(document.value, proofs, authorities)
    if timestamps is not terms.timestamps:
        terms = replace(terms, timestamps=timestamps)
    if kind == "bundle":
        return examine_bundle(data, terms, document)
    if kind == "event":
        return examine_event_document(data, terms)
    if kind == "key set":
        return examine_keyset_document(data, terms)
    if kind == "signers list":
        return examine_signers_document(data, terms)
    return examine_receipt_document(data, record or b"", terms)


def _kind(value: JsonObject) -> str:
    for member, kind in (
        ("bundle_type", "bundle"),
        ("event_type", "event"),
        ("keyset_type", "key set"),
        ("signers_type", "signers list"),
        ("receipt_version", "receipt"),
    ):
        if member in value:
            return kind
    hint = "known are bundles, events, key sets, signers lists and receipts"
    if "state_type" in value:
        hint = "a state is not signed: verify the bundle it stands in"
    elif "pin_type" in value:
        hint = "this is a pin: give it as --pin and verify something else"
    elif "proof_type" in value:
        hint = "this is a timestamp: give it as --evidence and verify what it is of"
    elif value.keys() >= {"source", "metadata"}:
        hint = "this is a record, which nobody signs: `pith number` names it"
    raise MalformedError(
        f"no kind of document to verify (members: {shown(', '.join(sorted(value)[:6]))})",
        code="document.kind",
        hint=hint,
    )


def _refused(error: PithError) -> Report:
    name = "json" if error.code.startswith("json.") else error.code
    return Report(
        kind="document", subject="", checks=(Check(name, "fail", str(error), error.hint, error),)
    )
