"""`doctor` behind a proxy, and before servers that answer otherwise than they should."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest

from doctored import DAY, Doctor, bad_request, dated
from doctored import dead as dead
from doctored import doctor as doctor
from doctored import home as home
from doctored import sound as sound
from servers.files import FileApp
from servers.raw import Connection, Serve
from servers.tls import Certificates

# --- proxy -----------------------------------------------------------------------------------------------


def proxy(status: int) -> Callable[[Connection], None]:
    """A proxy that answers every request with a status of its own."""

    def handle(connection: Connection) -> None:
        while connection.receive() is not None:
            connection.send(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())

    return handle


def test_a_proxy_that_refuses_the_connection(
    doctor: Doctor, sound: str, monkeypatch: pytest.MonkeyPatch, dead: int
) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:hunter2@127.0.0.1:{dead}")
    report = doctor(sound)
    assert f"the proxy 127.0.0.1 port {dead} cannot be reached" in report.of("proxy")
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


def test_exceptions_that_are_right(doctor: Doctor, sound: str, monkeypatch: pytest.MonkeyPatch, dead: int) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{dead}")
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.0/8 *.example.org,[::1]:80,.example.com")
    assert doctor(sound).code == 0


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
