"""A GitLab whose certificate a private authority signed: SSL_CERT_FILE names it to both clients."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from service import checks
from service.app import open_http
from tests.support.loopback import loopback
from workers.clients.gitlab import GitLab
from workers.errors import BackendError
from workers.settings import Settings


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Of 127.0.0.1, signed by itself: its own authority. The certificate's file and its key's."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a private GitLab")])
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, secret


@pytest.fixture
def private(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Its address, and the file that names its authority."""
    certificate, secret = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, secret)
    with loopback(lambda _: (200, b'{"version":"18.8.0"}'), context) as port:
        yield f"https://127.0.0.1:{port}", certificate


async def _received(url: str) -> int:
    async with open_http() as client:
        return (await client.get(f"{url}/api/v4/version")).status_code


def test_the_receiver_and_a_worker_reach_it(
    private: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With SSL_CERT_FILE; without it neither sends anything."""
    url, certificate = private
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        asyncio.run(_received(url))
    with pytest.raises(BackendError), GitLab(url, SecretStr("glpat-x")) as gitlab:
        gitlab.version()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert asyncio.run(_received(url)) == 200
    with GitLab(url, SecretStr("glpat-x")) as gitlab:
        assert gitlab.version() == "18.8.0"


def test_doctor_names_the_variable(
    private: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of a private authority; and where the file that it names is not there, that is said."""
    url, certificate = private
    settings = Settings.load(
        gitlab_url=url, gitlab_token="glpat-x", devops_backend_data=tmp_path, ollama_model="",
        image_registry="$CI_REGISTRY_IMAGE", redis_url=None, chroma_url=None,
    )  # fmt: skip
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    first = checks.run(settings)[0]
    assert first.state == "failed" and first.fix.startswith("SSL_CERT_FILE")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert checks.run(settings)[0].state == "ok"
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent"))
    found = checks.run(settings)
    assert found[0].fix.startswith("SSL_CERT_FILE") and len(found) == 8
