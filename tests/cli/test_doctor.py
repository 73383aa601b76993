"""`fastdl doctor`: each thing that it finds is broken here, and found; what is sound is called so."""

from __future__ import annotations

import datetime
import json
import os
import socket
import sqlite3
import ssl
import sys
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

import pytest
import trustme

from fastdl.__main__ import main
from fastdl.cli import doctor as doctor_command
from fastdl.cli.doctor import DOCTOR_OPTIONS
from fastdl.core.urls import parse_url
from fastdl.io.store import FILE, Store
from fastdl.settings import Settings
from servers.files import FileApp, Reply
from servers.raw import Connection, Request, Serve
from servers.run import Runner
from servers.tls import Certificates

DAY = 86400.0
NETWORK = ("proxy", "dns", "ipv4", "ipv6", "tls", "http", "clock")


class Report(dict[str, Any]):
    """What doctor said: its JSON, and the exit code."""

    code: int

    def of(self, check: str, status: str = "wrong") -> str:
        """Text and advice of the one finding of that check and status."""
        (found,) = [one for one in self["findings"] if (one["check"], one["status"]) == (check, status)]
        return f"{found['text']} -> {found['advice']}"

    @property
    def wrong(self) -> list[str]:
        """The checks that found something."""
        return [one["check"] for one in self["findings"] if one["status"] == "wrong"]

    @property
    def checks(self) -> set[str]:
        return {one["check"] for one in self["findings"]}


Doctor = Callable[..., Report]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in list(os.environ):
        upper = name.upper()
        if upper.startswith(("FASTDL_", "SSL_CERT")) or upper.endswith(("_PROXY", "CA_BUNDLE", "CA_CERTS")):
            monkeypatch.delenv(name)
    place = tmp_path / "mine"
    place.mkdir()
    for name, folder in (("HOME", ""), ("USERPROFILE", ""), ("XDG_CONFIG_HOME", "config"), ("XDG_STATE_HOME", "state"),
                         ("APPDATA", "roaming"), ("LOCALAPPDATA", "local")):  # fmt: skip
        monkeypatch.setenv(name, str(place / folder))
    monkeypatch.setenv("FASTDL_CONFIG", str(place / "config.toml"))
    (place / "config.toml").write_text("# nothing\n")
    (place / "config.toml").chmod(0o600)
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Doctor:
    monkeypatch.setattr("fastdl.cli.doctor.SECONDS", 60.0)  # this machine may be busy

    def run(*args: str) -> Report:
        code = main(["doctor", "--json", *args])
        told = capsys.readouterr()
        assert told.err == ""
        report = Report(json.loads(told.out))
        report.code = code
        assert code == (3 if report.wrong else 0)
        assert report["ok"] == (code == 0)
        for one in report["findings"]:
            assert one["advice"] or one["status"] != "wrong", f"nothing is said to do about it: {one}"
            assert "\n" not in one["text"] + one["advice"]
        return report

    return run


@pytest.fixture
def sound(serve: Serve) -> str:
    """The URL of a file that can be had."""
    return serve(FileApp(size=100_000)).url("/a.zip")


def dead() -> int:
    """A port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


# --- nothing is wrong ------------------------------------------------------------------------------------


def test_all_is_well(doctor: Doctor, serve: Serve) -> None:
    server = serve(FileApp(size=5 << 20))
    report = doctor(server.url("/a.zip?token=hunter2"))
    assert report.code == 0
    assert report["url"].endswith("token=***")
    assert report.of("http", "ok").startswith("status 206")
    assert "5.0 MiB, ranges work" in report.of("http", "ok")
    assert "agrees with 127.0.0.1" in report.of("clock", "ok")
    assert "127.0.0.1 in " in report.of("ipv4", "ok")
    assert {"config", "program", "terminal", "disk", "state", "trust", "proxy", "dns"} <= report.checks
    (exchange,) = server.log
    assert exchange.range == (0, 1), "one byte is asked for"
    assert exchange.body <= 1


def test_nothing_is_changed(doctor: Doctor, sound: str, home: Path) -> None:
    before = sorted(home.rglob("*"))
    doctor(sound)
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize(("url", "tls"), [("http://example.org/", False), ("https://example.org/", True)])
def test_tls_is_not_said_to_hang_where_none_is_spoken(url: str, tls: bool, tmp_path: Path) -> None:
    read = doctor_command.Read(Settings(dir=str(tmp_path)), "config.toml", 0, False, "", False)
    checks = doctor_command._checks(read, parse_url(url), given=True)
    assert ("tls" in checks[-1].names) is tls


def test_for_people(sound: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", sound]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["", "Nothing is wrong."]
    assert any(line.startswith("HTTP      ok: status 206") for line in lines)
    assert main(["doctor", f"http://127.0.0.1:{dead()}/"]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "1 thing is wrong: IPv4."
    at = next(n for n, line in enumerate(lines) if line.startswith("IPv4      WRONG: "))
    assert lines[at + 1].startswith("          -> ")


def test_over_tls(doctor: Doctor, serve: Serve, certificates: Certificates) -> None:
    server = serve(FileApp(), tls=certificates.context())
    report = doctor("--cacert", str(certificates.ca), server.url().replace("127.0.0.1", "localhost"))
    assert report.code == 0
    assert "TLSv1.3, issued by trustme" in report.of("tls", "ok")
    assert report.of("trust", "ok").startswith(f"{certificates.ca}: 1 authority (trustme")
    assert "of localhost in " in report.of("dns", "ok")


def test_without_a_url_any_answer_of_the_releases_does(
    doctor: Doctor, serve: Serve, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    app = FileApp(hook=lambda connection, request, reply: app.short(404))
    server = serve(app)
    monkeypatch.setenv("FASTDL_RELEASES", server.url("/releases/latest"))
    (home / "config.toml").write_text('header = ["X-Key: hunter2"]\nuser = "me:hunter2"\nuser-agent = "hunter2"\n')
    report = doctor()
    assert report.code == 0
    assert report.of("http", "ok").startswith("status 404")
    (exchange,) = server.log
    assert b"hunter2" not in exchange.request.raw


def test_a_login_goes_where_get_would_send_it(doctor: Doctor, serve: Serve) -> None:
    server = serve(FileApp())
    assert doctor("-u", "me:pass", server.url()).code == 0
    assert server.log[0].request.get("authorization") is not None


def test_wrong_words(capsys: pytest.CaptureFixture[str]) -> None:
    for args, part in (
        (["a.example", "b.example"], "doctor takes one URL"),
        (["example.org"], "https://example.org"),
        (["--timeout", "no", "http://127.0.0.1/"], "--timeout"),
        (["--jobs", "3"], "no such option"),
    ):
        assert main(["doctor", *args]) == 2
        error = capsys.readouterr().err
        assert part in error
        assert error.count("\n") == 1


# --- proxy -----------------------------------------------------------------------------------------------


def proxy(status: int) -> Callable[[Connection], None]:
    """A proxy that answers every request with a status of its own."""

    def handle(connection: Connection) -> None:
        while connection.receive() is not None:
            connection.send(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())

    return handle


def test_a_proxy_that_refuses_the_connection(doctor: Doctor, sound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    port = dead()
    monkeypatch.setenv("http_proxy", f"http://me:hunter2@127.0.0.1:{port}")
    report = doctor(sound)
    assert f"the proxy 127.0.0.1 port {port} cannot be reached" in report.of("proxy")
    assert "Without it the connection works: use --no-proxy, or unset http_proxy." in report.of("proxy")
    assert "hunter2" not in json.dumps(report)
    assert doctor("--no-proxy", sound).code == 0


def test_a_proxy_that_works(doctor: Doctor, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(FileApp())
    monkeypatch.setenv("http_proxy", f"http://me:hunter2@127.0.0.1:{server.port}")
    report = doctor("http://host.example/a.zip")
    assert report.code == 0
    assert report.of("proxy", "ok").startswith(f"http proxy 127.0.0.1 port {server.port} (from http_proxy)")
    assert "hunter2" not in json.dumps(report)
    (exchange,) = server.log
    assert exchange.request.target == "http://host.example/a.zip"
    assert "127.0.0.1 is an address" in report.of("dns", "info"), "the proxy looks the host up"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_login(doctor: Doctor, serve: Serve, scheme: str) -> None:
    server = serve(proxy(407))
    report = doctor("--proxy", server.url(""), f"{scheme}://example.org/a")
    assert report.wrong == ["proxy"]
    assert "it wants a user name and a password: status 407" in report.of("proxy")
    assert "Put NAME:PASSWORD@ into the proxy's URL" in report.of("proxy")


def test_a_proxy_that_forbids_it(doctor: Doctor, serve: Serve) -> None:
    report = doctor("--proxy", serve(proxy(403)).url(""), "https://example.org/a")
    assert "it forbids this connection: status 403" in report.of("proxy")


def bad_request(connection: Connection) -> None:
    """What a server says to TLS where it expects HTTP."""
    connection.sock.recv(1000)
    connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def test_a_proxy_of_the_wrong_scheme(doctor: Doctor, serve: Serve) -> None:
    server = serve(bad_request)
    report = doctor("--proxy", server.url("").replace("http:", "https:"), "https://example.org/a")
    assert "does not speak TLS" in report.of("proxy")
    assert f"write http://127.0.0.1:{server.port}." in report.of("proxy")
    report = doctor("--proxy", server.url("").replace("http:", "socks5h:"), "https://example.org/a")
    assert f"It may be an HTTP proxy: http://127.0.0.1:{server.port}." in report.of("proxy")


@pytest.mark.parametrize("broken", [Connection.hold, lambda connection: connection.send(b"SSH-2.0-x\r\n")])
def test_a_proxy_that_brings_no_answer(
    doctor: Doctor, serve: Serve, sound: str, broken: Callable[[Connection], None]
) -> None:
    server = serve(broken)
    report = doctor("--timeout", "0.3", "--proxy", server.url(""), sound)
    assert report.wrong == ["proxy"]
    assert f"no answer by way of the proxy 127.0.0.1 port {server.port}: " in report.of("proxy")
    assert "Without it the connection works: use --no-proxy." in report.of("proxy")


def test_a_socks_proxy_called_http(doctor: Doctor, serve: Serve) -> None:
    def socks(connection: Connection) -> None:
        connection.sock.recv(100)
        connection.send(b"\x05\xff")

    server = serve(socks)
    report = doctor("--proxy", server.url(""), "https://example.org/a")
    assert "proxy" in report.wrong
    assert "cannot be reached without it either" in report.of("proxy")


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("http_proxy", "http://proxy.example.org:99999", "http_proxy cannot be used"),
        ("https_proxy", "gopher://me:hunter2@proxy.example.org", "https_proxy cannot be used"),
        ("ALL_PROXY", "http://", "ALL_PROXY cannot be used"),
        (
            "no_proxy",
            "example.org, http://127.0.0.1/",
            "'http://127.0.0.1/' matches nothing -> Write the host alone: 127.",
        ),
        ("NO_PROXY", "a.example;b.example", "parted by commas"),
        ("no_proxy", "10.*", "10.0.0.0/8 is a network"),
        ("no_proxy", "10.0.0.0/99", "neither a name nor a network"),
    ],
)
def test_malformed_proxy_variables(
    name: str, value: str, part: str, doctor: Doctor, sound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    report = doctor(sound)
    assert report.wrong == ["proxy"]
    assert part in report.of("proxy")
    assert "hunter2" not in json.dumps(report)
    assert "http" in report.checks, "the way is examined all the same"


@pytest.mark.skipif(sys.platform == "win32", reason="names of variables are of one case there")
def test_two_variables_that_differ(doctor: Doctor, sound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://a.example.org:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://b.example.org:1")
    assert "https_proxy counts" in doctor(sound).of("proxy", "info")


def test_exceptions_that_are_right(doctor: Doctor, sound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{dead()}")
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.0/8 *.example.org,[::1]:80,.example.com")
    assert doctor(sound).code == 0


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


def dated(ahead: float) -> FileApp:
    """A server whose clock is `ahead` seconds before ours."""

    def hook(connection: Connection, request: Request, reply: Reply) -> Reply:
        return reply.set("Date", formatdate(time() + ahead, usegmt=True))

    return FileApp(hook=hook)


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


# --- HTTP and the clock ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "part"),
    [(401, "-u NAME"), (403, "login (-u)"), (404, "Check the path"), (429, "wait"), (503, "try again later"),
     (511, "login page"), (418, "browser")],
)  # fmt: skip
def test_a_server_that_refuses(status: int, part: str, doctor: Doctor, serve: Serve) -> None:
    app = FileApp(hook=lambda connection, request, reply: app.short(status))
    report = doctor(serve(app).url())
    assert report.wrong == ["http"]
    assert report.of("http").startswith(f"status {status}")
    assert part in report.of("http")


def test_a_page_instead_of_a_file(doctor: Doctor, serve: Serve) -> None:
    app = FileApp(hook=lambda connection, request, reply: app.short(200, b"<html>", kind="text/html; charset=utf-8"))
    server = serve(app)
    assert "a web page instead of a.zip" in doctor(server.url("/a.zip")).of("http")
    assert doctor(server.url("/a.html")).code == 0
    assert doctor(server.url("/")).code == 0


def test_no_ranges(doctor: Doctor, serve: Serve) -> None:
    report = doctor(serve(FileApp(ranges=False)).url())
    assert report.code == 0
    assert "no ranges" in report.of("http", "info")


def test_redirects(doctor: Doctor, serve: Serve, sound: str, certificates: Certificates) -> None:
    app = FileApp(hook=lambda connection, request, reply: app.short(302, b"", ("Location", sound)))
    assert "1 redirect, " in doctor(serve(app).url()).of("http", "ok")
    report = doctor("--cacert", str(certificates.ca), serve(app, tls=certificates.context()).url())
    assert report.wrong == ["http"], "from https to http"


def test_an_answer_that_is_no_http(doctor: Doctor, serve: Serve) -> None:
    def handle(connection: Connection) -> None:
        connection.receive()
        connection.send(b"SSH-2.0-x\r\n")

    assert doctor(serve(handle).url()).wrong == ["http"]


def test_no_answer(doctor: Doctor, serve: Serve) -> None:
    report = doctor("--timeout", "0.3", serve(Connection.hold).url())
    assert report.wrong == ["http"]


@pytest.mark.parametrize(
    ("ahead", "text"), [(-3 * 3600, "3 h 0 min fast"), (400, "7 min slow"), (40 * DAY, "40 days slow")]
)
def test_a_wrong_clock(ahead: float, text: str, doctor: Doctor, serve: Serve) -> None:
    report = doctor(serve(dated(ahead)).url())
    assert report.wrong == ["clock"]
    assert report.of("clock").startswith(text)
    assert "NTP" in report.of("clock")


@pytest.mark.parametrize(("ahead", "age"), [(-30, None), (30, None), (-3600, "3600"), (-3600, "3590")])
def test_a_clock_that_is_right(ahead: float, age: str | None, doctor: Doctor, serve: Serve) -> None:
    app = dated(ahead)
    app.extra = (("Age", age),) if age is not None else ()
    assert doctor(serve(app).url()).code == 0


@pytest.mark.parametrize("date", ["yesterday", "", None])
def test_a_server_without_a_clock(date: str | None, doctor: Doctor, serve: Serve) -> None:
    report = doctor(serve(FileApp(hook=lambda connection, request, reply: reply.set("Date", date))).url())
    assert report.code == 0
    assert "no time to compare" in report.of("clock", "info")


# --- config and state ------------------------------------------------------------------------------------


def test_a_broken_config_file(doctor: Doctor, sound: str, home: Path) -> None:
    (home / "config.toml").write_text('jobs = 1\nretires = 4\nproxy = "gopher://x"\n')
    report = doctor(sound)
    assert [one["check"] for one in report["findings"]].count("config") == 1, "it is not called sound as well"
    assert f"{home / 'config.toml'}, line 2, key retires: no such setting (did you mean retries?)" in report.of(
        "config"
    )


def test_a_broken_variable(doctor: Doctor, sound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTDL_JOBS", "many")
    assert "FASTDL_JOBS: 'many' is not valid" in doctor(sound).of("config")


@pytest.mark.parametrize(
    ("name", "part"),
    [("FASTDL_CONECTIONS", "Did you mean FASTDL_CONNECTIONS?"), ("FASTDL_XYZZY", "Unset it.")],
)
def test_variables_that_nobody_reads(
    name: str, part: str, doctor: Doctor, sound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "8")
    report = doctor(sound)
    assert report.wrong == ["config"]
    assert name in report.of("config")
    assert part in report.of("config")


def test_every_variable_that_the_program_reads_is_known() -> None:
    import re

    from fastdl import config
    from fastdl.engine.doctor.setup import _KNOWN

    source = Path(config.__file__).parent
    named = {
        name
        for file in source.rglob("*.py")
        for name in re.findall(r"\bFASTDL_[A-Z0-9_]*[A-Z0-9](?![\w{])", file.read_text("utf-8"))
    }
    settings = {"FASTDL_" + key.upper() for key in config.SPELLINGS}
    assert named - settings - {"FASTDL_CONECTIONS"} <= _KNOWN | {"FASTDL_REQUIRE_SERVERS"}


def test_an_old_config_file(doctor: Doctor, sound: str, home: Path) -> None:
    (home / ".fastdl.toml").write_text("jobs = 1\n")
    report = doctor(sound)
    assert report.wrong == ["config"]
    assert f"{home / '.fastdl.toml'} is not read" in report.of("config")
    assert f"Move it to {home / 'config.toml'}" in report.of("config")


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_a_secret_that_others_can_read(doctor: Doctor, sound: str, home: Path) -> None:
    path = home / "config.toml"
    path.write_text('user = "me:hunter2"\n')
    path.chmod(0o644)
    report = doctor(sound)
    assert f"-> chmod 600 {path}" in report.of("config")
    assert "hunter2" not in json.dumps(report)
    path.chmod(0o600)
    assert doctor(sound).code == 0


def test_files_that_settings_name(doctor: Doctor, sound: str, home: Path) -> None:
    (home / "config.toml").write_text('cookies = "gone.txt"\ncert = "gone.pem"\nkey = "gone.key"\n')
    report = doctor(sound)
    assert report.wrong == ["config", "config", "config"]
    report = doctor("--interface", "no-such-interface0", sound)
    assert any("no-such-interface0" in one["text"] for one in report["findings"])


def test_a_damaged_state(doctor: Doctor, sound: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    monkeypatch.setenv("FASTDL_STATE_DIR", str(folder))
    store = Store(str(folder))
    store.note_lie("a.example", "x")
    store.close()
    assert doctor(sound).code == 0
    path = folder / FILE
    whole = path.read_bytes()
    path.write_bytes(b"no database" * 100)
    assert "it is damaged" in doctor(sound).of("state")
    assert path.read_bytes() == b"no database" * 100, "doctor only looks"
    path.write_bytes(whole)
    with sqlite3.connect(path) as db:
        db.execute("pragma user_version = 99")
    db.close()
    assert "newer fastdl" in doctor(sound).of("state")
    path.unlink()
    (folder / (FILE + ".damaged")).write_text("x")
    report = doctor(sound)
    assert report.code == 0
    assert "was set aside" in report.of("state", "info")


# --- as a user runs it -----------------------------------------------------------------------------------


def test_another_process(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp())
    assert fastdl("doctor", server.url()).code == 0
    assert fastdl("doctor", f"http://127.0.0.1:{dead()}/").code == 3
    assert "fastdl doctor https://example.org" in fastdl("doctor", "--help").out


def test_options() -> None:
    names = {option.name for option in DOCTOR_OPTIONS}
    assert {"dir", "proxy", "no-proxy", "cacert", "ipv4", "ipv6", "connect-to", "interface", "user", "json"} <= names
