"""The timestamp authorities that a verifier pins: certificates he brings, never a document's."""

from dataclasses import dataclass
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from registry.errors import MalformedError, shown

MAX_CERTIFICATES = 16


@dataclass(frozen=True, slots=True)
class Authority:
    """One pinned authority.

    ``roots`` are its self-signed certificates, ``intermediates`` those between. Where
    ``own`` is not empty, only these certificates may sign its tokens; else any for
    timestamps under a root may.
    """

    roots: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...]
    own: tuple[x509.Certificate, ...]
    origin: str

    @classmethod
    def parse(cls, data: bytes, origin: str) -> Self:
        """Read the certificates of one authority from PEM.

        Raises MalformedError ``tsa.certificate``, or ``tsa.root`` where none of them is
        self-signed: a path must end somewhere.
        """
        try:
            found = x509.load_pem_x509_certificates(data)
            roots = tuple(each for each in found if _is_self_signed(each))
            own = tuple(each for each in found if is_for_timestamps(each) and not _is_ca(each))
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise MalformedError(
                f"{origin} holds no certificates in PEM: {shown(str(error))}",
                code="tsa.certificate",
                hint="give the authority's certificates, -----BEGIN CERTIFICATE----- and on",
            ) from None
        if not roots or len(found) > MAX_CERTIFICATES:
            raise MalformedError(
                f"none of the {len(found)} certificates in {origin} is self-signed"
                if not roots
                else f"over {MAX_CERTIFICATES} certificates in {origin}",
                code="tsa.root",
                hint="put the authority's root certificate into the same file",
            )
        between = tuple(each for each in found if each not in (*roots, *own))
        return cls(roots, between, own, origin)

    @property
    def pem(self) -> str:
        """All that is pinned, for other tools."""
        held = dict.fromkeys((*self.roots, *self.intermediates, *self.own))
        return "".join(each.public_bytes(Encoding.PEM).decode() for each in held)


def is_for_timestamps(certificate: x509.Certificate) -> bool:
    """Whether a certificate is for timestamps and nothing else, and says so critically."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except (x509.ExtensionNotFound, x509.DuplicateExtension):
        return False
    return usage.critical and list(usage.value) == [ExtendedKeyUsageOID.TIME_STAMPING]


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, x509.DuplicateExtension):
        return False


def _is_self_signed(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
