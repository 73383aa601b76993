"""Look-ups: what is asked of whom, what counts, and what happens when publishers misbehave."""

from __future__ import annotations

import gzip
import hashlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from fastdl import __version__
from fastdl.core.digests import Step
from fastdl.core.rules import Where
from fastdl.errors import TlsFailed
from fastdl.io import trust_store
from fastdl.io.http import HttpSession
from fastdl.io.lookup import Lookup, Outcome
from fastdl.io.session import Session
from fastdl.settings import Settings
from servers.raw import Connection, RawServer, Request

FILE = b"the file"
SHA = hashlib.sha256(FILE).hexdigest()
SHA1 = hashlib.sha1(FILE).hexdigest()
HOST = "api.example.org"
NAMES = (HOST, "cdn.api.example.org", "files.example.com", "evil.example.net")
Pages = dict[str, "bytes | Callable[[Connection, Request], None]"]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*NAMES).configure_cert(context)
    return context


@pytest.fixture
def cacert(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


@pytest.fixture
def ask(tls: ssl.SSLContext, cacert: str) -> Iterator[Any]:
    """Runs look-ups against a server with the given pages (path to a body or a handler); gives the outcome and the
    server, whose log has every request."""
    servers: list[RawServer] = []

    def run(pages: Pages, *looks: Step, seconds: float = 20.0, settings: Settings | None = None, **more: Any) -> Any:
        server = RawServer(serve(pages), tls=tls)
        servers.append(server.__enter__())
        chosen = replace(
            settings or Settings(),
            cacert=cacert,
            use_proxy=False,
            connect_to=[("", "443", "127.0.0.1", str(server.port))],
        )
        session = Session(chosen)
        outcomes: list[Outcome] = []
        lookup = Lookup(session, looks, time.monotonic() + seconds, outcomes.append, **more)
        lookup.start()
        assert lookup.wait(30) is not None
        session.close()
        assert outcomes == [lookup.outcome]
        return outcomes[0], server

    yield run
    for server in servers:
        server.close()


def serve(pages: Pages) -> Callable[[Connection], None]:
    def handler(connection: Connection) -> None:
        while (request := connection.receive()) is not None:
            answer = pages.get(f"{request.get('host')}{request.target}", pages.get(request.target))
            if callable(answer):
                answer(connection, request)
            elif answer is None:
                connection.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nNot found")
            else:
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)

    return handler


def say(head: str, body: bytes = b"") -> Callable[[Connection, Request], None]:
    raw = f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".replace("\n", "\r\n").replace("\r\r", "\r").encode()
    return lambda connection, _: connection.send(raw + body)


def cut(raw: bytes) -> Callable[[Connection, Request], None]:
    def handler(connection: Connection, _: Request) -> None:
        connection.send(raw)
        connection.finish()

    return handler


def side(path: str = "/f.zip.sha256", host: str = HOST, **more: Any) -> Step:
    algorithm = more.pop("algorithm", "sha256")
    return Step("side_file", f"https://{host}{path}", algorithm, names={"url": "https://example.org/f.zip"}, **more)


API = Step("json_api", f"https://{HOST}/r", "sha256", ("assets", Where("name", "f.zip"), "digest"),
           {"url": "https://example.org/f.zip"})  # fmt: skip
RELEASE = json.dumps({"assets": [{"name": "f.zip", "digest": f"sha256:{SHA}", "size": 8}]}).encode()
BARE = f"{SHA}  f.zip\n".encode()


def test_a_digest_is_found(ask: Any) -> None:
    outcome, server = ask({"/r": RELEASE}, API, size=lambda: 8)
    assert (outcome.status, outcome.source, outcome.url) == ("known", "origin", f"https://{HOST}/r")
    assert outcome.found.digest.text == f"sha256:{SHA}"
    assert outcome.verified and outcome.opens
    assert len(server.log) == 1


def test_what_goes_out_is_public(ask: Any) -> None:
    settings = Settings(
        headers=[("X-Secret", "s")], user=("me", "pw"), user_agent="mine", referer="https://example.org/", http="1.1"
    )
    _, server = ask({"/r": RELEASE}, API, settings=settings)
    fields = {name for name, _ in server.log[0].request.headers}
    assert fields == {"host", "user-agent", "accept", "accept-encoding"}
    assert server.log[0].request.get("user-agent") == f"fastdl/{__version__}"


def test_a_client_certificate_stays_here(ask: Any, tls: ssl.SSLContext, authority: trustme.CA, tmp_path: Path) -> None:
    own = authority.issue_cert("me@example.org")
    own.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "own.pem"))
    seen: list[Any] = []

    def look(connection: Connection, _: Request) -> None:
        seen.append(connection.sock.getpeercert(binary_form=True))  # type: ignore[attr-defined]
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BARE) + BARE)

    tls.verify_mode = ssl.CERT_OPTIONAL
    authority.configure_trust(tls)
    try:
        outcome, _ = ask({"/f.zip.sha256": look}, side(), settings=Settings(cert=str(tmp_path / "own.pem")))
    finally:
        tls.verify_mode = ssl.CERT_NONE
    assert outcome.status == "known"
    assert seen == [None]


def test_cookies_are_not_kept(ask: Any) -> None:
    pages: Pages = {"/a": say("302 Found\nSet-Cookie: a=b\nLocation: /f.zip.sha256"), "/f.zip.sha256": BARE}
    outcome, server = ask(pages, side("/a"))
    assert outcome.status == "known"
    assert [exchange.request.get("cookie") for exchange in server.log] == [None, None]
    assert server.accepted == 1  # the connection was kept


def test_insecure_reports_but_opens_nothing(ask: Any) -> None:
    outcome, _ = ask({"/r": RELEASE}, API, settings=Settings(insecure=True))
    assert outcome.status == "known"
    assert not outcome.verified and not outcome.opens


def test_an_untrusted_certificate_is_no_answer(tls: ssl.SSLContext) -> None:
    with RawServer(serve({"/r": RELEASE}), tls=tls) as server:
        session = Session(Settings(use_proxy=False, connect_to=[("", "", "127.0.0.1", str(server.port))]))
        lookup = Lookup(session, [API, side()], time.monotonic() + 20, lambda _: None)
        lookup.start()
        outcome = lookup.wait(30)
        assert outcome is not None
        assert outcome.status == "unreachable"
        assert server.log == []
        assert server.accepted == 1  # the second place has the same host: it is not tried


def test_weak_digests_are_known_and_open_nothing(ask: Any) -> None:
    pages: Pages = {"/f.zip.sha1": SHA1.encode()}
    outcome, server = ask(
        pages, side("/f.zip.sha1", algorithm="sha1"), side("/f.zip.sha512", algorithm="sha512"), side()
    )
    assert outcome.found.digest.text == f"sha1:{SHA1}"
    assert not outcome.opens
    assert [exchange.request.target for exchange in server.log] == ["/f.zip.sha512", "/f.zip.sha256", "/f.zip.sha1"]
    assert [why for _, why in outcome.tried] == ["it answered 404"] * 2


def test_alternatives_are_tried_in_order(ask: Any) -> None:
    look = side("/a", alternatives=(f"https://{HOST}/b", f"https://{HOST}/c", f"https://{HOST}/d"))
    outcome, server = ask({"/b": b"<html>", "/c": BARE}, look)
    assert outcome.url == f"https://{HOST}/c"
    assert [exchange.request.target for exchange in server.log] == ["/a", "/b", "/c"]
    assert [why for _, why in outcome.tried] == ["it answered 404", "a web page came in its place"]


def test_a_metalink_comes_first(ask: Any) -> None:
    body = f'<metalink><file name="f.zip"><size>8</size><hash type="sha-256">{SHA}</hash></file></metalink>'.encode()
    meta = Step("metalink", f"https://{HOST}/f.zip.meta4", "sha256", names={"url": "https://example.org/f.zip"})
    outcome, server = ask({"/f.zip.meta4": body, "/f.zip.sha256": BARE}, side(), meta)
    assert outcome.source == "metalink"
    assert len(server.log) == 1


@pytest.mark.parametrize(
    ("location", "hosts", "status"),
    [
        ("/moved", (), "known"),
        ("https://cdn.api.example.org/moved", (), "known"),
        ("https://files.example.com/moved", (), "none"),
        ("https://files.example.com/moved", ("files.example.com",), "known"),
        ("https://evil.example.net/moved", ("files.example.com",), "none"),
        ("http://api.example.org/moved", (), "unreachable"),
        ("ftp://api.example.org/moved", (), "unreachable"),
        ("https://api.example.org:444/moved", (), "none"),
    ],
)
def test_redirects_stay_with_the_operator(ask: Any, location: str, hosts: tuple[str, ...], status: str) -> None:
    pages: Pages = {"/f.zip.sha256": say(f"302 Found\nLocation: {location}"), "/moved": BARE}
    outcome, server = ask(pages, side(), hosts=hosts)
    assert outcome.status == status
    assert len(server.log) == (2 if status == "known" else 1)


def test_endless_redirects_end(ask: Any) -> None:
    outcome, server = ask({"/f.zip.sha256": say("302 Found\nLocation: /f.zip.sha256")}, side())
    assert outcome.status in ("none", "unreachable")
    assert len(server.log) <= 7


def test_a_step_to_another_host_is_not_made(ask: Any) -> None:
    look = API._replace(follow=("entry",), json_path=("hash",))
    for host, status in (("evil.example.net", "none"), (HOST, "known")):
        pages: Pages = {
            "/r": json.dumps({"entry": f"https://{host}/leaf"}).encode(),
            "/leaf": b'{"hash": "%s"}' % SHA.encode(),
        }
        outcome, _ = ask(pages, look)
        assert outcome.status == status


def test_a_hubs_redirect_names_the_digest(ask: Any) -> None:
    look = Step("headers", f"https://{HOST}/m/resolve/main/f.bin", "sha256", header="x-linked-etag",
                names={"url": f"https://{HOST}/m/resolve/main/f.bin"})  # fmt: skip
    moved = say("307 Temporary Redirect\nLocation: /n/resolve/main/f.bin")
    final = say(f'302 Found\nX-Linked-Etag: "{SHA}"\nX-Linked-Size: 8\nLocation: https://evil.example.net/x', b"Found")
    outcome, server = ask({"/m/resolve/main/f.bin": moved, "/n/resolve/main/f.bin": final}, look)
    assert outcome.found.digest.text == f"sha256:{SHA}"
    assert outcome.found.size == 8
    assert len(server.log) == 2  # what the redirect leads to is not asked
    small = say(f'200 OK\nETag: "{SHA1}"', FILE)
    outcome, _ = ask({"/m/resolve/main/f.bin": small}, look)
    assert outcome.status == "none"


def test_a_coded_answer(ask: Any) -> None:
    packed = gzip.compress(RELEASE)
    outcome, _ = ask({"/r": say("200 OK\nContent-Encoding: gzip", packed)}, API)
    assert outcome.status == "known"
    outcome, _ = ask({"/r": say("200 OK\nContent-Encoding: br", packed)}, API)
    assert outcome.status == "none"
    outcome, _ = ask({"/f.zip.sha256": say("200 OK\nContent-Encoding: gzip", gzip.compress(bytes(10_000_000)))}, side())
    assert outcome.why == "its answer is too large"


@pytest.mark.parametrize(
    ("answer", "status", "why"),
    [
        (say("429 Too Many Requests"), "unreachable", "429"),
        (say("503 Unavailable"), "unreachable", "503"),
        (say("403 Forbidden"), "unreachable", "403"),
        (say("410 Gone"), "none", "410"),
        (say("200 OK", b"x" * 100_000), "none", "too large"),
        (cut(b"HTTP/1.1 200 OK\r\nContent-Length: 66\r\n\r\nabc"), "unreachable", ""),
        (cut(b"nonsense\r\n\r\n"), "unreachable", ""),
        (lambda connection, _: connection.reset(), "unreachable", ""),
    ],
)  # fmt: skip
def test_bad_answers(ask: Any, answer: Any, status: str, why: str) -> None:
    outcome, _ = ask({"/f.zip.sha256": answer}, side())
    assert outcome.status == status
    assert outcome.found is None
    assert why in outcome.why and outcome.why


def test_a_body_without_end_is_cut(ask: Any) -> None:
    def endless(connection: Connection, _: Request) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")

    outcome, _ = ask({"/f.zip.sha256": endless}, side())
    assert outcome.why == "its answer is too large"


def test_the_deadline_ends_everything(ask: Any) -> None:
    def drip(connection: Connection, _: Request) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n")
        while True:
            connection.send(b"x")
            connection.pause(0.02)

    for answer in (drip, lambda connection, _: connection.hold()):
        began = time.monotonic()
        outcome, _ = ask({"/r": answer}, API, seconds=0.4)
        assert outcome.status == "unreachable"
        assert outcome.why == "no answer in time"
        assert time.monotonic() - began < 8


def test_one_silent_host_leaves_time_for_another(ask: Any) -> None:
    pages: Pages = {f"{HOST}/r": lambda connection, _: connection.hold(), "/f.zip.sha256": BARE}
    outcome, _ = ask(pages, API, side(host="files.example.com"), seconds=5)
    assert outcome.status == "known"
    assert outcome.tried[0][0] == f"https://{HOST}/r"


def test_stop_ends_without_an_outcome(tls: ssl.SSLContext, cacert: str) -> None:
    asked = threading.Event()

    def hold(connection: Connection, _: Request) -> None:
        asked.set()
        connection.hold()

    with RawServer(serve({"/r": hold}), tls=tls) as server:
        session = Session(
            Settings(cacert=cacert, use_proxy=False, connect_to=[("", "", "127.0.0.1", str(server.port))])
        )
        outcomes: list[Outcome] = []
        lookup = Lookup(session, [API], time.monotonic() + 60, outcomes.append)
        lookup.start()
        assert asked.wait(20)
        assert lookup.wait(0) is None
        lookup.stop()
        assert lookup.wait(20) is None
        assert outcomes == []


def test_nothing_to_ask(ask: Any) -> None:
    outcome, server = ask({})
    assert (outcome.status, outcome.found) == ("none", None)
    looks = [API._replace(kind="none"), API._replace(url=API.url.replace("https", "http")), API._replace(method="POST")]
    outcome, server = ask({"/r": RELEASE}, *looks)
    assert outcome.status == "none"
    assert server.log == []


def test_places_are_masked(ask: Any) -> None:
    outcome, _ = ask({"/r?token=abc": RELEASE}, API._replace(url=API.url + "?token=abc"))
    assert outcome.url == f"https://{HOST}/r?token=***"
    outcome, _ = ask({}, API._replace(url=API.url + "?token=abc"))
    assert outcome.tried[0][0] == f"https://{HOST}/r?token=***"


@pytest.mark.parametrize("http", ["2", "auto"])
def test_a_server_without_http_1(tls: ssl.SSLContext, cacert: str, http: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import h2.config
    import h2.connection
    import h2.events

    def speak(connection: Connection) -> None:
        state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        state.initiate_connection()
        connection.send(state.data_to_send())
        while data := connection.sock.recv(65536):
            for event in state.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    state.send_headers(event.stream_id, [(":status", "200")])
                    state.send_data(event.stream_id, RELEASE, end_stream=True)
            connection.send(state.data_to_send())

    def refused(*_: Any, **__: Any) -> None:
        raise TlsFailed("TLS failed", trust_store.NO_COMMON_HTTP)

    monkeypatch.setattr(HttpSession, "dial", refused)
    tls.set_alpn_protocols(["h2"])
    try:
        with RawServer(speak, tls=tls) as server:
            to = [("", "443", "127.0.0.1", str(server.port))]
            session = Session(Settings(cacert=cacert, use_proxy=False, connect_to=to, http=http))
            lookup = Lookup(session, [API], time.monotonic() + 20, lambda _: None)
            lookup.start()
            outcome = lookup.wait(30)
            assert outcome is not None and outcome.found is not None
            assert outcome.found.digest.hex == SHA
    finally:
        tls.set_alpn_protocols(["http/1.1"])


def test_through_a_proxy(tls: ssl.SSLContext, cacert: str) -> None:
    import contextlib
    import socket

    with RawServer(serve({"/r": RELEASE}), tls=tls) as origin:

        def tunnel(connection: Connection) -> None:
            request = connection.receive()
            assert request is not None
            with socket.create_connection(("127.0.0.1", origin.port)) as far, contextlib.suppress(OSError):
                connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
                near = connection.sock

                def back() -> None:
                    with contextlib.suppress(OSError):
                        while data := far.recv(65536):
                            near.sendall(data)

                thread = threading.Thread(target=back)
                thread.start()
                try:
                    while data := near.recv(65536):
                        far.sendall(data)
                finally:
                    with contextlib.suppress(OSError):
                        far.shutdown(socket.SHUT_RDWR)
                    thread.join()

        with RawServer(tunnel) as proxy:
            session = Session(Settings(cacert=cacert, proxy=f"http://127.0.0.1:{proxy.port}"))
            lookup = Lookup(session, [API], time.monotonic() + 20, lambda _: None)
            lookup.start()
            outcome = lookup.wait(30)
            assert outcome is not None and outcome.status == "known"
            assert proxy.log[0].request.target == f"{HOST}:443"
