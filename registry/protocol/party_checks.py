"""What a verifier who has the registry's signers list says of third parties' signatures.

A bundle needs no list: its signature vouches for the bindings in it. With one, the check
``trust.parties`` is made after all others (decision 0016).
"""

from dataclasses import replace
from typing import Final

from registry.errors import MismatchError, PithError, VerificationError, shown
from registry.protocol.checks import FAIL, OK, Check, Report, SignedPart, Verdict, counted
from registry.protocol.signers import Signers, SignersBody
from registry.protocol.signers_checks import examine_signers_document
from registry.protocol.trust import VOUCHED, Terms

PARTIES: Final = "trust.parties"


def judge_party(body: SignersBody, part: SignedPart) -> Verdict:
    """The verdict on one signature of a third party, which has already been verified."""
    entry = next((e for e in body.entries if e.key.key == part.key), None)
    if entry is None or (entry.signer_id, entry.key.key_id) != (part.signer_id, part.key_id):
        reason = f"version {body.version} of the signers list does not have the key so"
        return Verdict(part.what, part.key_id, "invalid", reason)
    since = entry.compromised_since
    if entry.status != "revoked":
        return Verdict(part.what, part.key_id, "valid", f"the key is {entry.status}")
    if since is None or part.dated is None or part.dated >= since:
        told = "" if since is None else f" since {since.seconds}"
        return Verdict(part.what, part.key_id, "invalid", f"the key is distrusted{told}")
    reason = f"the key is distrusted since {since.seconds}; that the event is older is its own word"
    return Verdict(part.what, part.key_id, "unproven", reason)


def with_parties(report: Report, signers: bytes, terms: Terms) -> Report:
    """The report with one more check: every event of a third party is signed by a key that
    the list has under its name, and that is not distrusted."""
    verdicts: list[Verdict] = []
    try:
        body = _listed(report, signers, terms)
        parties = [part for part in report.signed if part.signer_id != report.registry]
        verdicts += [judge_party(body, part) for part in parties]
        for verdict in verdicts:
            if verdict.verdict not in VOUCHED:
                raise VerificationError(
                    f"the {verdict.what} is {verdict.verdict}: {verdict.reason}", code=PARTIES
                )
    except PithError as error:
        check = Check(PARTIES, FAIL, str(error), error.hint, error)
    else:
        said = counted(len(verdicts), "signature")
        check = Check(PARTIES, OK, f"version {body.version} of the list, {said}")
    return replace(report, checks=(*report.checks, check), verdicts=(*report.verdicts, *verdicts))


def _listed(report: Report, signers: bytes, terms: Terms) -> SignersBody:
    examine_signers_document(signers, replace(terms, expect=None, registry=None)).require()
    body = Signers.parse(signers).body
    if body.registry != report.registry:
        raise MismatchError(
            f"the signers list is of {shown(body.registry)}, not {shown(report.registry)}",
            code=PARTIES,
        )
    return body
