"""A share as people keep it: its words beside what they are of, as text and as a sheet to print."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from registry.errors import KeyUnavailableError, MalformedError, MismatchError
from registry.protocol import schema
from registry.protocol.instant import Instant
from registry.protocol.keys import PublicKey
from registry.signing.shares import Share, parse_share

MAX_SIZE: Final = 4096
_WORDS_A_LINE: Final = 6
_HEAD: Final = "pith share "
_FORM: Final = re.compile(
    r"pith share ([0-9]{1,2}) of ([0-9]{1,2}): any ([0-9]{1,2}) of set ([0-9]{1,5}) restore the key"
    r"\n\nkey         (\S+)\nregistry    (\S+)\nfingerprint [0-9a-f]{32}\npublic key  (\S+)"
    r"\nmade        ([0-9]{4}-[0-9]{2}-[0-9]{2})\n\n([^\x00-\x09\x0b-\x1f]*)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Label:
    """What a share says beside its words: whose key it is of, how many there are, the day."""

    key_id: str
    registry: str
    public_key: PublicKey
    count: int
    made: str


@dataclass(frozen=True, slots=True)
class Paper:
    """A share, and its label where it has one: words alone have none."""

    share: Share
    label: Label | None = None

    @property
    def name(self) -> str:
        """What a file of it is called."""
        assert self.label is not None
        return f"{self.label.key_id}.share-{self.share.number}-of-{self.label.count}"


def parse_paper(text: str) -> Paper:
    """Read a share as `paper_text` writes it, or words alone.

    Raises MalformedError ``share.form`` for a label in another spelling, MismatchError
    ``share.label`` when label and words disagree, and what `parse_share` raises.
    """
    if not text.startswith(_HEAD):
        return Paper(parse_share(text))
    found = _FORM.fullmatch(text)
    if found is None:
        raise _not_the_form()
    number, count, threshold, set_id, key_id, registry, public_key, made, words = found.groups()
    Instant.parse_seconds(f"{made}T00:00:00Z")
    share = parse_share(words)
    label = Label(
        schema.key_id(key_id, "key"),
        schema.name(registry, "registry"),
        PublicKey.from_hex(public_key, "public key"),
        int(count),
        made,
    )
    if (int(number), int(threshold), int(set_id)) != (share.number, share.threshold, share.set_id):
        raise MismatchError(
            f"the file says share {number}, any {threshold} of set {set_id}; "
            f"its words say share {share.number}, any {share.threshold} of set {share.set_id}",
            code="share.label",
            hint="the words are of another share: look where they come from",
        )
    paper = Paper(share, label)
    if paper_text(paper) != text:
        raise _not_the_form()
    return paper


def _not_the_form() -> MalformedError:
    return MalformedError(
        "the share is not as pith writes it",
        code="share.form",
        hint="give the words alone, when the rest cannot be mended",
    )


def paper_text(paper: Paper) -> str:
    """A share with its label, as it stands in a file of its own."""
    label, share = paper.label, paper.share
    assert label is not None
    words = share.words.split()
    lines = [" ".join(words[i : i + _WORDS_A_LINE]) for i in range(0, len(words), _WORDS_A_LINE)]
    head = f"{_HEAD}{share.number} of {label.count}: any {share.threshold} of set {share.set_id}"
    return (
        f"{head} restore the key\n\n"
        f"key         {label.key_id}\nregistry    {label.registry}\n"
        f"fingerprint {label.public_key.fingerprint}\npublic key  {label.public_key.hex}\n"
        f"made        {label.made}\n\n" + "".join(f"{line}\n" for line in lines)
    )


_STYLE: Final = (
    "body{font:12pt/1.4 sans-serif;margin:0}section{padding:1.5cm;break-after:page}"
    "h1{font-size:18pt;margin:0 0 .5cm}dl{display:grid;grid-template-columns:8em 1fr;margin:0}"
    "dt{font-weight:bold}dd{margin:0;font-family:monospace;overflow-wrap:anywhere}"
    "ol{columns:3;font:14pt/1.6 monospace;margin:.7cm 0}svg{width:6cm;height:6cm}"
)


def sheet(papers: Sequence[Paper]) -> str:
    """The shares of one set as one HTML document that loads nothing, one page a share.

    Raises KeyUnavailableError ``shares.extra`` where the QR library is not installed.
    """
    pages = "\n".join(map(_page, papers))
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>Shares of a key</title>\n<style>{_STYLE}</style>\n{pages}\n</html>\n"
    )


def _page(paper: Paper) -> str:
    label, share = paper.label, paper.share
    assert label is not None
    facts = {
        "key": label.key_id,
        "registry": label.registry,
        "fingerprint": label.public_key.fingerprint,
        "public key": label.public_key.hex,
        "set": f"{share.set_id}, made {label.made}",
    }
    rows = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    words = "".join(f"<li>{escape(word)}</li>" for word in share.words.split())
    return (
        f"<section>\n<h1>Share {share.number} of {label.count}: "
        f"any {share.threshold} restore the key</h1>\n<dl>{rows}</dl>\n<ol>{words}</ol>\n"
        f"{_qr(share.words)}\n"
        f"<p>Keep this page where nobody keeps another. Alone it tells nothing of the key; "
        f"{share.threshold} of them are the key. Look at it once a year: <code>pith shares check -"
        f"</code> asks for the words. When the keeper of the registry calls a drill, bring it and "
        f"type it on that machine: <code>pith shares drill {escape(label.key_id)}</code>. Never "
        f"photograph it, never send it. When it is lost or was seen, say so at once: the key is "
        f"then rotated.</p>\n</section>"
    )


def _qr(words: str) -> str:
    """The words as a QR code in SVG."""
    try:
        import segno
    except ImportError:
        raise KeyUnavailableError(
            "a sheet needs the package segno",
            code="shares.extra",
            hint="install pith with its extra: pip install 'pith-registry[backup]'",
        ) from None
    return segno.make(words, error="m", micro=False).svg_inline(scale=4)
