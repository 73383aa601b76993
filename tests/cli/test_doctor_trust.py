"""`doctor` and TLS: certificates, authorities, logins."""

from __future__ import annotations

import datetime
import ssl
import sys
from pathlib import Path
from time import time
from typing import Any

import pytest
import trustme

from doctored import DAY, Doctor, bad_request, dated
from doctored import doctor as doctor
from doctored import home as home
from doctored import sound as sound
from servers.files import FileApp
from servers.raw import Connection, Serve
from servers.tls import Certificates

# --- TLS and trust ---------------------------------------------------------------------------------------


def on(day: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(time() + day * DAY, datetime.timezone.utc)


class Own:
    """An authority of its own, and servers with certificates of it."""

    def __init__(self, folder: Path, **life: Any) -> None:
        self.authority = trustme.CA(**life)
        self.pem = folder / "own.pem"
        self.authority.cert_pem.write_to_path(str(self.pem))

    def context(self, *names: str, begins: float = -9, ends: float = 9) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf = self.authority.issue_cert(*(names or ("127.0.0.1",)), not_before=on(begins), not_after=on(ends))
        leaf.configure_cert(context)
        return context


def test_an_expired_certificate(doctor: Doctor, serve: Serve, tmp_path: Path) -> None:
    own = Own(tmp_path)
    server = serve(FileApp(), tls=own.context(begins=-9, ends=-2))
    report = doctor("--cacert", str(own.pem), server.url())
    assert report.wrong == ["tls"]
    assert f"the certificate expired on {on(-2):%Y-%m-%d}" in report.of("tls")
    assert "agrees with" in report.of("clock", "ok")


@pytest.mark.parametrize(("begins", "ends", "ahead", "way"), [(-9, -2, -5 * DAY, "fast"), (2, 9, 5 * DAY, "slow")])
def test_a_clock_that_makes_certificates_fail(
    begins: float, ends: float, ahead: float, way: str, doctor: Doctor, serve: Serve, tmp_path: Path
) -> None:
    own = Own(tmp_path)
    server = serve(dated(ahead), tls=own.context(begins=begins, ends=ends))
    report = doctor("--cacert", str(own.pem), "-H", "X-Key: hunter2", server.url("/a?token=hunter2"))
    assert report.wrong == ["tls", "clock"]
    assert "because this machine's clock is wrong -> Set the clock first." in report.of("tls")
    assert report.of("clock").startswith(f"5 days {way}")
    assert not any(b"hunter2" in exchange.request.raw for exchange in server.log), "a stranger is told nothing"


def test_an_authority_that_is_not_trusted(
    doctor: Doctor, serve: Serve, tmp_path: Path, certificates: Certificates
) -> None:
    own = Own(tmp_path, organization_name="Evil\x1b[31m Corp")
    server = serve(FileApp(), tls=own.context())
    report = doctor("--cacert", str(certificates.ca), server.url())
    assert report.wrong == ["tls"]
    assert "(issued by Evil?[31m Corp)" in report.of("tls")
    assert "fastdl config set cacert FILE" in report.of("tls")


def test_a_certificate_for_another_host(doctor: Doctor, serve: Serve, tmp_path: Path) -> None:
    own = Own(tmp_path)
    server = serve(FileApp(), tls=own.context("a.example", "b.example", "c.example", "d.example"))
    report = doctor("--cacert", str(own.pem), server.url())
    assert "the certificate is for a.example, b.example, c.example and 1 more" in report.of("tls")
    assert "login page" in report.of("tls")


def test_no_tls_on_that_port(doctor: Doctor, serve: Serve) -> None:
    report = doctor(serve(bad_request).url().replace("http:", "https:"))
    assert "does not speak TLS on this port" in report.of("tls")
    assert "http://" in report.of("tls")


def test_tls_that_is_cut(doctor: Doctor, serve: Serve) -> None:
    def cut(connection: Connection) -> None:
        connection.sock.recv(1)
        connection.reset()

    report = doctor(serve(cut).url().replace("http:", "https:"))
    assert report.wrong == ["tls"]
    assert "firewall" in report.of("tls")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (None, "there is no such file"),
        (b"", "it is empty"),
        (b"words\n", "it holds no certificate in PEM form"),
        (b"\x30\x82\x01\x00", "it is in DER form"),
        (b"-----BEGIN PRIVATE KEY-----\n", "it holds no certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificate in PEM form"),
    ],
)
@pytest.mark.parametrize("way", ["--cacert", "FASTDL_CACERT", "SSL_CERT_FILE"])
def test_a_ca_file_that_cannot_be_used(
    way: str,
    content: bytes | None,
    part: str,
    doctor: Doctor,
    serve: Serve,
    certificates: Certificates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    url = serve(FileApp(), tls=certificates.context()).url()
    if way.startswith("--"):
        report = doctor(way, str(path), url)
    else:
        monkeypatch.setenv(way, str(path))
        report = doctor(url)
    assert "trust" in report.wrong
    if way == "SSL_CERT_FILE" and "AAAA" in str(content):
        part = "cannot be read"
    assert part in report.of("trust")
    if way == "SSL_CERT_FILE":
        assert "unset it" in report.of("trust")
        assert "SSL_CERT_FILE says whom to trust here" in report.of("tls"), "nobody between is suspected"
    else:
        assert report.wrong == ["trust"], "TLS is not blamed as well"


def test_an_authority_that_has_expired(doctor: Doctor, sound: str, tmp_path: Path) -> None:
    path = tmp_path / "old.pem"
    from cryptography.hazmat.primitives import serialization

    own = trustme.CA()
    old = _expired(own)
    path.write_bytes(old.public_bytes(serialization.Encoding.PEM))
    report = doctor("--cacert", str(path), sound)
    assert report.wrong == ["trust"]
    assert "has expired (2020-01-02)" in report.of("trust")


def _expired(own: trustme.CA) -> Any:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "old")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(datetime.datetime(2020, 1, 1))
    builder = builder.not_valid_after(datetime.datetime(2020, 1, 2))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256())


def test_a_folder_of_certificates_that_is_not_there(
    doctor: Doctor, sound: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    assert "there is no such folder" in doctor(sound).of("trust")


def test_a_bundle_for_other_programs(doctor: Doctor, sound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURL_CA_BUNDLE", "/company.pem")
    assert "--cacert /company.pem" in doctor(sound).of("trust", "info")


def test_insecure_in_the_settings(doctor: Doctor, sound: str, home: Path) -> None:
    (home / "config.toml").write_text("insecure = true\n")
    assert "certificates are not checked" in doctor(sound).of("trust")
    (home / "config.toml").write_text("")
    assert doctor("--insecure", sound).code == 0, "said on the command line it is meant"


def test_a_password_that_nobody_can_be_asked_for(
    doctor: Doctor, sound: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    (home / "config.toml").write_text('user = "me"\n')
    report = doctor(sound)
    assert report.wrong == ["config"]
    assert "no password is given" in report.of("config")
    assert report.of("http", "ok")
