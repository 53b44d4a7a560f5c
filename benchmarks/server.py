"""Starts `loopback_server.py` as a process of its own, with a certificate made for this one run, and steers it."""

from __future__ import annotations

import datetime as dt
import http.client
import ipaddress
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from types import TracebackType

PROGRAM = Path(__file__).with_name("loopback_server.py")


class Server:
    """A context manager. `origin` speaks plain HTTP, `secure_origin` TLS; `ca_file` is what to trust for the latter."""

    def __enter__(self) -> Server:
        self._folder = tempfile.TemporaryDirectory(prefix="roomkey-benchmark-")
        self.folder = Path(self._folder.name)
        self.ca_file = self.folder / "certificate.pem"
        identity = self.folder / "identity.pem"
        certificate, key = self_signed_certificate()
        self.ca_file.write_bytes(certificate)
        identity.write_bytes(certificate + key)
        os.environ["REQUESTS_CA_BUNDLE"] = str(self.ca_file)  # where it is set, requests puts it above session.verify
        os.environ["NO_PROXY"] = "127.0.0.1,localhost"
        command = [sys.executable, str(PROGRAM), str(identity)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.origin, self.secure_origin = json.loads(self._process.stdout.readline())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=10)  # closes its standard input, which ends it
        self._folder.cleanup()

    @property
    def token_endpoint(self) -> str:
        return f"{self.origin}/token"

    @property
    def api(self) -> str:
        return f"{self.origin}/api"

    def set(self, **settings: float | bool | None) -> None:
        """Set the fields of `loopback_server.Settings`, the others to their defaults, and clear the counters."""
        self._control("POST", json.dumps(settings))

    def counters(self) -> dict[str, int]:
        """What came in since `set`: the fields of `loopback_server.Counters`."""
        return self._control("GET")

    def token(self) -> str:
        """A token that is good for a day, for the contestants that send a constant one."""
        self.set(lifetime=86400.0)
        return str(self._exchange("POST", "/token")["access_token"])

    def _control(self, method: str, body: str | None = None) -> dict[str, Any]:
        return self._exchange(method, "/control", body)

    def _exchange(self, method: str, path: str, body: str | None = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self.origin.removeprefix("http://"), timeout=10)
        try:
            connection.request(method, path, body)
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer
        finally:
            connection.close()


def self_signed_certificate() -> tuple[bytes, bytes]:
    """A certificate for localhost that is its own authority, and its key, as PEM: some peers accept nothing but TLS."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "roomkey benchmark")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=12))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private
