"""A real timestamp authority: openssl makes its certificates and its tokens, and a handler on
the loopback hands them out."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

TOKEN_TYPE: Final = "1.2.840.113549.1.9.16.1.4"
_CONFIG: Final = """
[tsa]
default_tsa = it
[it]
serial = {folder}/serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha1, sha256
accuracy = {accuracy}
clock_precision_digits = 6
ess_cert_id_alg = sha256
[ca]
default_ca = it_ca
[it_ca]
database = {folder}/index
new_certs_dir = {folder}
serial = {folder}/ca-serial
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
[stamps]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[not-critical]
extendedKeyUsage = timeStamping
[servers]
extendedKeyUsage = critical,serverAuth
[both]
extendedKeyUsage = critical,timeStamping,serverAuth
[plain]
basicConstraints = CA:FALSE
"""
_EC: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(*words: object) -> bytes:
    """Run openssl, which must do well."""
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, timeout=30)
    assert done.returncode == 0, (words, done.stderr.decode())
    return done.stdout


@dataclass
class Tsa:
    """An authority in a folder: ``root`` and ``certificate`` are files of PEM."""

    folder: Path
    name: str = "A clock"
    accuracy: str = "secs:1, millisecs:500, microsecs:100"
    asked: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        for name in ("serial", "ca-serial"):
            (self.folder / name).write_text("01\n")
        (self.folder / "index").touch()
        self.config = self.folder / "config"
        self.config.write_text(_CONFIG.format(folder=self.folder, accuracy=self.accuracy))
        self.root = self.folder / "root.pem"
        common = ("-config", self.config, *_EC)
        openssl(
            "req", "-x509", "-new", *common, "-extensions", "root", "-days", "3650",
            "-subj", f"/CN={self.name} root", "-keyout", self.folder / "root.key",
            "-out", self.root,
        )  # fmt: skip
        self.key = self.folder / "tsa.key"
        openssl(
            "req", "-new", *common, "-subj", f"/CN={self.name}",
            "-keyout", self.key, "-out", self.folder / "tsa.csr",
        )  # fmt: skip
        self.certificate = self.issued("stamps")

    def issued(self, usage: str, start: str = "20200101000000Z", end: str = "") -> Path:
        """Another certificate of the authority's key, under its root."""
        file = self.folder / f"{usage}-{start}-{end}.pem"
        openssl(
            "ca", "-batch", "-notext", "-config", self.config, "-extensions", usage,
            "-startdate", start, "-enddate", end or "20491231000000Z",
            "-in", self.folder / "tsa.csr", "-cert", self.root,
            "-keyfile", self.folder / "root.key", "-out", file,
        )  # fmt: skip
        return file

    def reply(self, query: bytes, certificate: Path | None = None) -> bytes:
        """What the authority answers."""
        self.asked.append(query)
        file = self.folder / f"{threading.get_ident()}.tsq"
        file.write_bytes(query)
        return openssl(
            "ts", "-reply", "-config", self.config, "-section", "it", "-queryfile", file,
            "-inkey", self.key, "-signer", certificate or self.certificate, "-out", "/dev/stdout",
        )  # fmt: skip

    def token(self, digest: str, *, algorithm: str = "sha256", **options: Path) -> bytes:
        """A token over a digest in hex."""
        query = openssl("ts", "-query", "-digest", digest, f"-{algorithm}", "-cert")
        file = self.folder / "reply"
        file.write_bytes(self.reply(query, **options))
        return openssl("ts", "-reply", "-in", file, "-token_out")

    def resigned(self, token: bytes, certificate: Path, *options: str) -> bytes:
        """The content of a token, signed again as CMS: what `openssl ts` would not make."""
        file = self.folder / "token"
        file.write_bytes(token)
        content = self.folder / "content"
        openssl("cms", "-verify", "-noverify", "-binary", "-inform", "DER", "-in", file,
                "-out", content)  # fmt: skip
        return openssl(
            "cms", "-sign", "-binary", "-nodetach", "-nosmimecap", "-econtent_type", TOKEN_TYPE,
            "-in", content, "-signer", certificate, "-inkey", self.key, "-outform", "DER",
            *(options or ("-md", "sha256")),
        )  # fmt: skip

    @contextmanager
    def served(self, answer: Callable[[bytes], bytes] | None = None) -> Iterator[str]:
        """The address where the authority answers, or where *answer* gives the bytes that it
        sends back on the line, status line and all."""
        plain = answer is None
        give = self.reply if answer is None else answer

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.headers["Content-Type"] == "application/timestamp-query"
                body = give(self.rfile.read(int(self.headers["Content-Length"])))
                if plain:
                    body = ok(body)
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/tsa"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def ok(body: bytes) -> bytes:
    """A good HTTP answer."""
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def configure(
    home: Path, url: str, tsa: Tsa, timeout: str = "5s", *, certificate: Path | None = None
) -> None:
    """Name an authority in the config of a home."""
    file = home / "config.toml"
    kept = file.read_text().split("\n[tsa]")[0]
    lines = (
        f'url = "{url}"',
        f'certificate = "{certificate or tsa.root}"',
        f'timeout = "{timeout}"',
    )
    file.write_text("\n".join((kept, "[tsa]", *lines, "")))
