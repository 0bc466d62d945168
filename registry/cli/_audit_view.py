"""What an audit found, as tables: lines of text, JSON, or one HTML page that needs nothing else."""

import html
from collections.abc import Iterator
from typing import Final, NamedTuple

from registry.errors import printable
from registry.protocol.canonical import JsonObject
from registry.protocol.instant import Instant
from registry.protocol.keyset_chain import Link
from registry.protocol.transcript import Transcript
from registry.services.audit import GRAVEST, Apart, Audit, Counts, Sighting
from registry.store.rows import ActRow


class Table(NamedTuple):
    """Rows of one kind, by the names of their columns."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


_SIGNATURE: Final = ("key", "month", "kind", "count")
_ACT: Final = ("time", "key", "act", "reason")


def tables(found: Audit) -> list[Table]:
    """Everything that an audit found, the alarms first; tables without rows left out."""
    return [table for table in (*_wrong(found), *_history(found)) if table.rows]


def _wrong(found: Audit) -> list[Table]:
    whole = ("kind", "digest")
    return [
        Table(
            "alarm",
            "Signed by our keys, and not made here",
            ("key", "what", "where", "grade", "digest"),
            [_alarm(each) for each in found.unknown],
        ),
        Table("unjournaled", "Stored, not in the journal", whole, [*found.unjournaled]),
        Table("undocumented", "In the journal, not stored", whole, [*found.undocumented]),
        Table(
            "refused",
            "Documents that say nothing",
            ("where", "code", "why"),
            [(where, error.code, str(error)) for where, error in found.refused],
        ),
    ]


def _history(found: Audit) -> list[Table]:
    return [
        Table("signature", "Signatures by key and month", _SIGNATURE, _counted(found.counts)),
        Table(
            "restored",
            "Signatures from before this home was made anew",
            _SIGNATURE,
            _counted(found.restored),
        ),
        Table(
            "version",
            "Versions of the key set",
            ("version", "made", "act", "signed by", "digest"),
            [_version(link) for link in found.chain],
        ),
        Table(
            "act",
            "Acts on keys",
            _ACT,
            [_act(act) for act in found.acts if act not in found.drills],
        ),
        Table("drill", "Drills", _ACT, [_act(act) for act in found.drills]),
        Table(
            "transcript",
            "Ceremonies",
            ("ended", "act", "key set", "took part", "signed by", "transcript"),
            [_transcript(each) for each in found.transcripts],
        ),
        Table(
            "approval",
            "Approvals",
            ("ended", "act", "approver", "transcript"),
            [row for each in found.transcripts for row in _approvals(each)],
        ),
        Table(
            "quarantined",
            "Kept apart, with signatures of our keys",
            ("time", "kind", "name", "verdict", "keys", "not in the journal"),
            [_apart(each) for each in found.apart],
        ),
    ]


def _alarm(each: Sighting) -> tuple[str, ...]:
    return each.key_id, each.claim.what, each.where, grade(each), each.claim.digest.hex()


def grade(each: Sighting) -> str:
    """How grave a signature is that nobody here made."""
    return "gravest" if each.claim.kind in GRAVEST else "grave"


def _counted(counts: Counts) -> list[tuple[str, ...]]:
    return [(*which, str(count)) for which, count in counts.items()]


def _version(link: Link) -> tuple[str, ...]:
    body = link.keyset.body
    signed = ", ".join(signature.key_id for signature in link.keyset.signatures)
    return str(body.version), body.created_at.seconds, link.act, signed, body.digest.hex()


def _act(act: ActRow) -> tuple[str, ...]:
    return act.at.seconds, act.key_id, act.act, act.reason


def _ended(transcript: Transcript) -> str:
    return _moment(transcript.body.steps[-1].at if transcript.body.steps else None)


def _moment(at: Instant | None) -> str:
    return "" if at is None else at.seconds


def _transcript(each: Transcript) -> tuple[str, ...]:
    about = each.body.ceremony
    return (
        _ended(each),
        about.act,
        f"{about.from_version} -> {about.to_version}",
        ", ".join(who.name for who in each.body.participants),
        ", ".join(signature.key_id for signature in each.signatures),
        each.body.digest.hex(),
    )


def _approvals(each: Transcript) -> Iterator[tuple[str, ...]]:
    for approval in each.body.approvals:
        yield (
            _ended(each),
            each.body.ceremony.act,
            f"ssh-ed25519 {approval.key.hex}",
            each.body.digest.hex(),
        )


def _apart(each: Apart) -> tuple[str, ...]:
    row, every = each.row, (*each.known, *each.unknown)
    keys = ", ".join(sorted({sighting.key_id for sighting in every}))
    return row.at.seconds, row.kind, row.name, row.verdict, keys, str(len(each.unknown))


def audit_json(found: Audit) -> JsonObject:
    """The audit for ``--json``; every table is there, with rows or without."""
    return {
        "ok": found.ok,
        "signatures": _counts_json(found.counts),
        "restored": _counts_json(found.restored),
        "acts": [_act_json(act) for act in found.acts],
        "drills": [_act_json(act) for act in found.drills],
        "versions": [
            {
                "version": link.keyset.body.version,
                "created_at": link.keyset.body.created_at.seconds,
                "act": link.act,
                "signed_by": [signature.key_id for signature in link.keyset.signatures],
                "digest": link.keyset.body.digest.hex(),
            }
            for link in found.chain
        ],
        "transcripts": [_transcript_json(each) for each in found.transcripts],
        "quarantined": [
            each.row.to_json()
            | {
                "signed_by": sorted({s.key_id for s in (*each.known, *each.unknown)}),
                "unknown": [_sighting_json(sighting) for sighting in each.unknown],
            }
            for each in found.apart
        ],
        "unjournaled": [{"kind": k, "digest": d} for k, d in found.unjournaled],
        "undocumented": [{"kind": k, "digest": d} for k, d in found.undocumented],
        "unknown": [_sighting_json(each) for each in found.unknown],
        "seen": found.seen,
        "refused": [
            {"where": where, "code": error.code, "reason": str(error)}
            for where, error in found.refused
        ],
    }


def _counts_json(counts: Counts) -> list[JsonObject]:
    return [
        {"key_id": key_id, "month": month, "kind": kind, "count": count}
        for (key_id, month, kind), count in counts.items()
    ]


def _act_json(act: ActRow) -> JsonObject:
    return {"act": act.act, "key_id": act.key_id, "reason": act.reason, "at": act.at.seconds}


def _transcript_json(each: Transcript) -> JsonObject:
    about = each.body.ceremony
    return {
        "ended_at": _ended(each) or None,
        "act": about.act,
        "from_version": about.from_version,
        "to_version": about.to_version,
        "participants": [who.to_json() for who in each.body.participants],
        "signed_by": [signature.key_id for signature in each.signatures],
        "approved_by": [approval.key.hex for approval in each.body.approvals],
        "digest": each.body.digest.hex(),
    }


def _sighting_json(each: Sighting) -> JsonObject:
    claim = each.claim
    return {
        "where": each.where,
        "key_id": each.key_id,
        "kind": claim.kind,
        "what": claim.what,
        "digest": claim.digest.hex(),
        "at": None if claim.at is None else claim.at.seconds,
        "grade": grade(each),
    }


def audit_lines(found: Audit) -> Iterator[str]:
    """A line for each row, which begins with what it is; what is wrong is told as prose."""
    for table in _history(found):
        for row in table.rows:
            yield "  ".join((table.name, *map(printable, row)))


_STYLE: Final = (
    "body{font:1rem/1.4 sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}th,td{border:1px solid #999;padding:.2rem .5rem;"
    "text-align:left;vertical-align:top;overflow-wrap:anywhere}thead{display:table-header-group}"
    "tr{break-inside:avoid}h2{break-after:avoid}.alarm{border:.3rem solid #b00;padding:.5rem}"
    "@media print{body{max-width:none;margin:0;font-size:9pt}}"
)


def audit_html(found: Audit, *, registry: str, at: Instant) -> str:
    """The audit as one page: no script, nothing loaded, everything escaped."""

    def safe(text: str) -> str:
        return html.escape(printable(text))

    def cells(tag: str, texts: tuple[str, ...]) -> str:
        return "".join(f"<{tag}>{safe(text)}</{tag}>" for text in texts)

    title = safe(f"Audit of {registry}, {at.seconds}")
    parts = [
        f"<h2>{safe(table.title)}</h2>\n<table>\n<thead><tr>{cells('th', table.columns)}</tr>"
        "</thead>\n<tbody>\n"
        + "".join(f"<tr>{cells('td', row)}</tr>\n" for row in table.rows)
        + "</tbody>\n</table>\n"
        for table in tables(found)
    ]
    answer = (
        "<p>The journal agrees with the store, and with every document that was given.</p>\n"
        if found.ok
        else '<p class="alarm"><strong>The journal does not agree.</strong> A signature by a key '
        "of ours that nobody here made says that the key is in other hands.</p>\n"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">\n"
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n<h1>{title}</h1>\n"
        f"{answer}{''.join(parts)}</html>\n"
    )
