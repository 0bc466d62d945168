"""A transcript as people read it: plain text, or one HTML page that needs nothing else."""

import html
from collections.abc import Iterator

from registry.errors import printable
from registry.protocol.approval import approval_message
from registry.protocol.transcript import Transcript
from registry.protocol.words import word_lines

EVIDENCE = (
    "The control is the threshold of recovery keys. Approvals and this transcript are evidence: "
    "no verifier of a key set asks for them."
)


def _facts(transcript: Transcript) -> Iterator[tuple[str, str]]:
    body, about = transcript.body, transcript.body.ceremony
    yield "registry", about.registry
    yield "act", about.act
    yield "key set", f"version {about.from_version} -> {about.to_version}"
    yield "from", about.from_sha256
    yield "to", about.to_sha256
    for number, line in enumerate(word_lines(bytes.fromhex(about.to_sha256)), 1):
        yield f"in words {number}", line
    yield "transcript", body.digest.hex()
    yield "the one before", body.prev_sha256 or "none: this is the first"
    yield "nonce", about.nonce
    yield "to be held by", about.expires_at.seconds
    yield "tool", body.tool_version
    for each in body.participants:
        key = "" if each.key_id is None else f" of {each.key_id}"
        yield "took part", f"{each.name}, {each.role}{key}"
    for signature in transcript.signatures:
        yield "signed by", f"{signature.key_id} ({signature.fingerprint})"
    for approval in body.approvals:
        yield "approved by", f"ssh-ed25519 {approval.key.hex}"
    for approver in about.approvers.keys:
        yield "approver of the next", approver.line
    yield "approvals the next wants", str(about.approvers.wanted)


def _title(transcript: Transcript) -> str:
    about = transcript.body.ceremony
    kind = "REHEARSAL, counts for nothing: ceremony" if about.rehearsal else "Ceremony"
    return f"{kind} of {about.registry}: {about.act}"


def transcript_text(transcript: Transcript) -> str:
    """The transcript as lines of text, foreign parts escaped."""
    facts = list(_facts(transcript))
    wide = max(len(name) for name, _ in facts)
    lines = [printable(_title(transcript)), ""]
    lines += [f"{name:<{wide}}  {printable(value)}" for name, value in facts]
    for number, step in enumerate(transcript.body.steps, 1):
        who = printable(f"{step.name} ({step.role})")
        lines += ["", f"{number}. {printable(step.step)}, confirmed by {who} at {step.at.seconds}"]
        lines += [f"   | {printable(line)}" for line in step.shown]
        if step.compared_sha256 is not None:
            lines.append(f"   compared  {step.compared_sha256}")
        lines.append(f"   digest    {step.sha256}")
    if transcript.body.approvals:
        approved = approval_message(transcript.body.ceremony.approval).decode().rstrip("\n")
        lines += ["", f"what was approved  {printable(approved)}"]
    return "\n".join([*lines, "", EVIDENCE, ""])


_STYLE = (
    "body{font:1rem/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{border:1px solid #999;padding:.2rem .6rem;"
    "text-align:left;vertical-align:top;overflow-wrap:anywhere}"
    "pre{background:#f4f4f4;padding:.6rem;white-space:pre-wrap;overflow-wrap:anywhere}"
)


def transcript_html(transcript: Transcript) -> str:
    """The transcript as one page: no script, nothing loaded, everything foreign escaped."""

    def safe(text: str) -> str:
        return html.escape(printable(text))

    rows = "".join(
        f"<tr><th>{safe(name)}</th><td>{safe(value)}</td></tr>\n"
        for name, value in _facts(transcript)
    )
    steps = "".join(
        f"<h2>{number}. {safe(step.step)}</h2>\n"
        f"<p>confirmed by {safe(step.name)} ({safe(step.role)}) at {step.at.seconds}</p>\n"
        f"<pre>{chr(10).join(map(safe, step.shown))}</pre>\n"
        f"<p>compared {step.compared_sha256 or 'nothing'}<br>digest {step.sha256}</p>\n"
        for number, step in enumerate(transcript.body.steps, 1)
    )
    title = safe(_title(transcript))
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">\n"
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n<h1>{title}</h1>\n"
        f"<table>\n{rows}</table>\n{steps}<p>{safe(EVIDENCE)}</p>\n</html>\n"
    )
