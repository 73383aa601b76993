"""What goes out on the network: headers, authentication, TLS with client certificates, addresses, proxies."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import struct
from pathlib import Path

import pytest
import trustme

from servers.files import FileApp
from servers.files import serve as serve_requests
from servers.raw import Connection, Request, Serve
from servers.run import Runner
from servers.tls import Certificates

_SPLIT = ("-x", "4", "-k", "64k")


def test_headers(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=1000))
    options = ["-H", "X-One: 1", "-H", "x-two:  two words ", "-A", "agent/1", "-e", "http://example.org/page"]
    assert fastdl.get(*options, server.url()).code == 0
    request = server.log[0].request
    assert request.method == "GET" and request.version == "HTTP/1.1"
    assert request.get("x-one") == "1" and request.get("x-two") == "two words"
    assert request.get("user-agent") == "agent/1"
    assert request.get("referer") == "http://example.org/page"
    assert request.get("accept-encoding") == "identity"
    assert request.get("host") == f"127.0.0.1:{server.port}"


def test_headers_by_default(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=1000))
    assert fastdl.get(server.url()).code == 0
    request = server.log[0].request
    assert (request.get("user-agent") or "").startswith("fastdl/")
    assert request.get("referer") is None and request.get("cookie") is None and request.get("authorization") is None
    names = [name for name, _ in request.headers]
    assert len(names) == len(set(names)), "no field twice"


def test_a_header_replaces_ours(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=1000))
    assert fastdl.get("-H", "User-Agent: mine", "-H", "Accept: text/plain", server.url()).code == 0
    request = server.log[0].request
    assert [value for name, value in request.headers if name == "user-agent"] == ["mine"]
    assert [value for name, value in request.headers if name == "accept"] == ["text/plain"]


def test_if_range_guards_the_parts(fastdl: Runner, serve: Serve) -> None:
    """RFC 9110 13.1.5: later ranges carry the strong validator."""
    server = serve(FileApp(size=2 << 20, rate=1e6))
    assert fastdl.get(*_SPLIT, server.url()).code == 0
    later = [exchange.request for exchange in server.log if exchange.range and exchange.range[0] > 0]
    assert later and all(request.get("if-range") == '"v1"' for request in later)


def test_a_weak_etag_is_no_if_range(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=2 << 20, rate=1e6, etag='W/"v1"', last_modified=None))
    assert fastdl.get(*_SPLIT, server.url()).code == 0
    assert not [exchange for exchange in server.log if exchange.request.get("if-range")]


# --- authentication ---------------------------------------------------------------------------------------


def _guarded(challenges: list[str], good: str) -> FileApp:
    """A file behind 401; `good` is a pattern that the Authorization field must match."""
    app = FileApp(size=600_000, rate=2e6)

    def hook(connection, request, reply):  # type: ignore[no-untyped-def]
        if re.fullmatch(good, request.get("authorization") or ""):
            return reply
        return app.short(401, b"", *(("WWW-Authenticate", challenge) for challenge in challenges))

    app.hook = hook
    return app


def test_basic(fastdl: Runner, serve: Serve) -> None:
    app = _guarded(['Basic realm="x"'], r"Basic bWU6cHc=")
    assert fastdl.get(*_SPLIT, "-u", "me:pw", serve(app).url(), expected=["file.bin"]).code == 0
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()


def test_basic_with_an_empty_password(fastdl: Runner, serve: Serve) -> None:
    assert fastdl.get("-u", "me:", serve(_guarded(['Basic realm="x"'], r"Basic bWU6")).url()).code == 0


def test_basic_in_utf8(fastdl: Runner, serve: Serve) -> None:
    app = _guarded(['Basic realm="x", charset="UTF-8"'], r"Basic bcO8OnDDpA==")
    assert fastdl.get("-u", "m\u00fc:p\u00e4", serve(app).url()).code == 0


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "MD5-sess"])
def test_digest(fastdl: Runner, serve: Serve, algorithm: str) -> None:
    """RFC 7616: a nonce for each challenge, good for three requests with a rising nc; then it is stale."""
    app = FileApp(size=1_000_000, rate=1e6)
    server = serve(app)
    given: dict[str, int] = {}  # nonce: the nc that was used last

    def hook(connection, request, reply):  # type: ignore[no-untyped-def]
        fields = dict(re.findall(r'(\w+)="?([^",]+)"?', (request.get("authorization") or "").partition(" ")[2]))
        nonce = fields.get("nonce", "")
        with app.lock:
            used = given.get(nonce)
            if used is not None and used < 3 and fields.get("response") == _response(fields, algorithm):
                assert int(fields["nc"], 16) == used + 1, "nc counts the requests of a nonce"
                given[nonce] = used + 1
                return reply
            fresh = f"nonce{len(given)}"
            given[fresh] = 0
        stale = ", stale=true" if used is not None else ""
        challenge = f'Digest realm="r", nonce="{fresh}", qop="auth", algorithm={algorithm}{stale}'
        return app.short(401, b"", ("WWW-Authenticate", challenge))

    app.hook = hook
    result = fastdl.get("--retries", "3", *_SPLIT, "-u", "me:pw", server.url(), expected=["file.bin"])
    assert result.code == 0, result.err
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()


def _response(fields: dict[str, str], algorithm: str) -> str:
    name = "sha256" if algorithm.startswith("SHA-256") else "md5"

    def digest(text: str) -> str:
        return hashlib.new(name, text.encode()).hexdigest()

    first = digest("me:r:pw")
    if algorithm.endswith("-sess"):
        first = digest(f"{first}:{fields['nonce']}:{fields['cnonce']}")
    second = digest(f"GET:{fields['uri']}")
    return digest(f"{first}:{fields['nonce']}:{fields['nc']}:{fields['cnonce']}:{fields['qop']}:{second}")


# --- TLS --------------------------------------------------------------------------------------------------


def test_client_certificate(fastdl: Runner, serve: Serve, certificates: Certificates, tmp_path: Path) -> None:
    theirs = trustme.CA()
    identity = theirs.issue_cert("me@example.org")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(b"".join(blob.bytes() for blob in identity.cert_chain_pems))
    identity.private_key_pem.write_to_path(str(key))
    context = certificates.context()
    context.verify_mode = ssl.CERT_REQUIRED
    theirs.configure_trust(context)
    app = FileApp(size=1_000_000, rate=2e6)
    server = serve(app, tls=context)
    trusted = ["--cacert", str(certificates.ca), "--retries", "0"]
    result = fastdl.get(*trusted, *_SPLIT, "--cert", str(cert), "--key", str(key), server.url(), expected=["file.bin"])
    assert result.code == 0, result.err
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()
    refused = fastdl.get(*trusted, "-o", "no", server.url())
    assert refused.code == 3
    assert "no" not in refused.files


def test_tls_split(fastdl: Runner, serve: Serve, certificates: Certificates) -> None:
    app = FileApp(size=2 << 20, rate=1e6)
    server = serve(app, tls=certificates.context())
    result = fastdl.get("--cacert", str(certificates.ca), *_SPLIT, server.url(), expected=["file.bin"])
    assert result.code == 0, result.err
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()


def test_tls_cut_without_close_notify(fastdl: Runner, serve: Serve, certificates: Certificates) -> None:
    """A body that ends with the connection, and the connection by a bare FIN: truncation cannot be ruled out."""

    def handler(connection: Connection) -> None:
        if connection.receive() is None:
            return
        connection.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        connection.body(FileApp(size=50_000).bytes())
        raw = socket.socket(fileno=connection.sock.detach())
        connection.open = False
        raw.close()

    server = serve(handler, tls=certificates.context())
    result = fastdl.get("--cacert", str(certificates.ca), "--retries", "1", server.url(), expected=[])
    assert result.code == 3
    assert "file.bin" not in result.files


def test_https_to_http_is_refused(fastdl: Runner, serve: Serve, certificates: Certificates) -> None:
    plain = serve(FileApp(size=1000))
    app = FileApp()
    app.hook = lambda connection, request, reply: app.short(302, b"", ("Location", plain.url()))
    secure = serve(app, tls=certificates.context())
    result = fastdl.get("--cacert", str(certificates.ca), secure.url(), expected=[])
    assert result.code == 4
    assert plain.log == [] and result.files == set()


def test_http_to_https_is_followed(fastdl: Runner, serve: Serve, certificates: Certificates) -> None:
    secure = serve(FileApp(size=1000), tls=certificates.context())
    app = FileApp()
    app.hook = lambda connection, request, reply: app.short(302, b"", ("Location", secure.url()))
    assert fastdl.get("--cacert", str(certificates.ca), serve(app).url()).code == 0


def test_plain_server_on_https(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=1000))
    url = server.url().replace("http:", "https:")
    result = fastdl.get("--retries", "0", "--connect-timeout", "1", url, expected=[])
    assert result.code == 3


# --- addresses --------------------------------------------------------------------------------------------


def _ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not _ipv6(), reason="no IPv6 on loopback")


@needs_ipv6
@pytest.mark.parametrize("option", [(), ("-6",)])
def test_ipv6_literal(fastdl: Runner, serve: Serve, option: tuple[str, ...]) -> None:
    server = serve(FileApp(size=1000), host="::1")
    assert fastdl.get(*option, server.url()).code == 0
    assert server.log[0].request.get("host") == f"[::1]:{server.port}"


@needs_ipv6
def test_ipv4_only(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=1000), host="::1")
    result = fastdl.get("-4", "--retries", "0", server.url(), expected=[])
    assert result.code in (2, 3)
    assert server.accepted == 0


def test_localhost_by_both_families(fastdl: Runner, serve: Serve) -> None:
    """The name has two addresses, only the IPv4 one is served: the other is tried and left (RFC 8305)."""
    server = serve(FileApp(size=2 << 20, rate=1e6))
    assert fastdl.get(*_SPLIT, server.url(host="localhost"), expected=["file.bin"]).code == 0


def test_interface(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=1000))
    assert fastdl.get("--interface", "127.0.0.1", server.url()).code == 0
    result = fastdl.get("--interface", "192.0.2.77", "--retries", "0", "-o", "no", server.url())
    assert result.code in (2, 3)


def test_unknown_host(fastdl: Runner) -> None:
    result = fastdl.get("--retries", "0", "--connect-timeout", "2", "http://no-such-host.invalid/file.bin", expected=[])
    assert result.code == 3
    assert "no-such-host.invalid" in result.error


def test_nothing_listens(fastdl: Runner) -> None:
    result = fastdl.get("--retries", "1", "http://127.0.0.1:1/file.bin", expected=[])
    assert result.code == 3
    assert "127.0.0.1" in result.error


def test_connect_to(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=1000))
    option = f"origin.test:80:127.0.0.1:{server.port}"
    assert fastdl.get("--connect-to", option, "http://origin.test/file.bin").code == 0
    assert server.log[0].request.get("host") == "origin.test"


# --- proxies ----------------------------------------------------------------------------------------------


def test_socks_resolves_where_it_is_asked_to(fastdl: Runner, serve: Serve) -> None:
    """socks5h hands the name to the proxy (RFC 1928, address type 3), which alone knows it here."""
    app, names = FileApp(size=300_000), []

    def handler(connection: Connection) -> None:
        sock = connection.sock
        greeting = sock.recv(2)
        sock.recv(greeting[1])
        sock.sendall(b"\x05\x00")
        head = sock.recv(4)
        assert head[:2] == b"\x05\x01"
        size = sock.recv(1)[0] if head[3] == 3 else 4
        names.append(sock.recv(size))
        sock.recv(2)
        sock.sendall(b"\x05\x00\x00\x01" + bytes(4) + struct.pack(">H", 1))
        serve_requests(connection, app.answer)

    server = serve(handler)
    result = fastdl.get("--proxy", f"socks5h://127.0.0.1:{server.port}", "http://hidden.test/file.bin")
    assert result.code == 0, result.err
    assert set(names) == {b"hidden.test"}


def test_proxy_that_refuses(fastdl: Runner, serve: Serve) -> None:
    app = FileApp()
    app.hook = lambda connection, request, reply: app.short(407, b"", ("Proxy-Authenticate", 'Basic realm="p"'))
    proxy = serve(app)
    for url in ("http://origin.test/file.bin", "https://origin.test/file.bin"):
        result = fastdl.get("--retries", "0", "--proxy", proxy.url(""), url, expected=[])
        assert result.code in (3, 4)
        assert "proxy" in result.error.lower()


def test_connect_that_breaks(fastdl: Runner, serve: Serve) -> None:
    """A proxy that answers CONNECT with rubbish, or closes."""
    for answer in (b"", b"rubbish\r\n\r\n", b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"):

        def handler(connection: Connection, answer: bytes = answer) -> None:
            connection.receive()
            connection.send(answer)

        proxy = serve(handler)
        url = "https://origin.test/file.bin"
        result = fastdl.get("--retries", "0", "--timeout", "3", "--proxy", proxy.url(""), url, expected=[])
        assert result.code in (3, 4), result.err


def test_pipelined_requests_are_in_order(fastdl: Runner, serve: Serve) -> None:
    """With latency before each head, the file is still right when requests are sent before the last answer ended."""
    app = FileApp(size=3 << 20, head_delay=0.03, rate=3e6)
    result = fastdl.get("-x", "2", "-k", "64k", serve(app).url(), expected=["file.bin"])
    assert result.code == 0
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()


def test_request_type_is_plain(serve: Serve, fastdl: Runner) -> None:
    """Every request of a whole download is a GET of the one target with a single range."""
    server = serve(FileApp(size=2 << 20, rate=1e6))
    assert fastdl.get(*_SPLIT, server.url("/a/b.bin?x=1")).code == 0
    requests: list[Request] = [exchange.request for exchange in server.log]
    assert {(request.method, request.target) for request in requests} == {("GET", "/a/b.bin?x=1")}
    assert all(request.range is not None for request in requests)
