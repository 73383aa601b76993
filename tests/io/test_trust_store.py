"""Whom TLS trusts, and what is said when it does not."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from fastdl.errors import ConnectionLost, FastdlError, TimedOut, TlsFailed, UsageError
from fastdl.io import trust_store
from fastdl.io.trust_store import client_context, keep_session, wrap
from fastdl.settings import Settings
from servers.tls import Certificates

HTTP11 = ("http/1.1",)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))


class Peer:
    """One end of a socket pair played by a thread."""

    def __init__(self, play: Callable[[socket.socket], None]) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.ours = socket.create_connection(listener.getsockname())
        self._theirs, _ = listener.accept()
        listener.close()
        self._play = play
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError), self._theirs:
            self._play(self._theirs)

    def close(self) -> None:
        self.ours.close()
        with contextlib.suppress(OSError):
            self._theirs.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)


@pytest.fixture
def peer() -> Iterator[Callable[[Callable[[socket.socket], None]], socket.socket]]:
    peers: list[Peer] = []

    def make(play: Callable[[socket.socket], None]) -> socket.socket:
        peers.append(Peer(play))
        return peers[-1].ours

    yield make
    for made in peers:
        made.close()


def serve(context: ssl.SSLContext) -> Callable[[socket.socket], None]:
    def play(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as tls:
            tls.sendall(b"hello")
            tls.recv(1)

    return play


def server_context(ca: trustme.CA, *names: str, **options: datetime.datetime) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*names, **options).configure_cert(context)
    return context


def soon() -> float:
    return time.monotonic() + 10


def test_a_handshake(certificates: Certificates, peer: Callable[..., socket.socket]) -> None:
    context = client_context(Settings(cacert=str(certificates.ca)), HTTP11)
    with wrap(peer(serve(certificates.context())), "localhost", context, soon()) as tls:
        assert tls.recv(5) == b"hello"
        assert tls.version() == "TLSv1.3"
        assert tls.gettimeout() is None
        tls.sendall(b"x")


def test_the_dot_of_the_root_is_no_part_of_a_certificates_name(
    certificates: Certificates, peer: Callable[..., socket.socket]
) -> None:
    context = client_context(Settings(cacert=str(certificates.ca)), HTTP11)
    with wrap(peer(serve(certificates.context())), "localhost.", context, soon()) as tls:
        assert tls.recv(5) == b"hello"


def test_a_context_is_made_once_for_the_same_options(certificates: Certificates) -> None:
    settings = Settings(cacert=str(certificates.ca))
    assert client_context(settings, HTTP11) is client_context(Settings(cacert=str(certificates.ca)), HTTP11)
    assert client_context(settings, HTTP11) is not client_context(settings, ("h2",))
    assert client_context(settings, HTTP11) is not client_context(Settings(insecure=True), HTTP11)


def test_old_versions_are_not_offered(certificates: Certificates, peer: Callable[..., socket.socket]) -> None:
    context = client_context(Settings(cacert=str(certificates.ca)), HTTP11)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(("host", "why"), [("wrong.example", "another host"), ("127.0.0.9", "another address")])
def test_the_wrong_host(certificates: Certificates, peer: Callable[..., socket.socket], host: str, why: str) -> None:
    context = client_context(Settings(cacert=str(certificates.ca)), HTTP11)
    with pytest.raises(TlsFailed, match=why) as caught:
        wrap(peer(serve(certificates.context())), host, context, soon())
    assert host in caught.value.what
    assert not caught.value.retryable
    assert "--insecure" in caught.value.hint


@pytest.mark.parametrize(("from_day", "to_day", "why"), [(-9, -2, "has expired"), (2, 9, "not valid yet")])
def test_the_wrong_time(
    tmp_path: Path, peer: Callable[..., socket.socket], from_day: int, to_day: int, why: str
) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    now = datetime.datetime.now(datetime.timezone.utc)
    days = {"not_before": now + datetime.timedelta(from_day), "not_after": now + datetime.timedelta(to_day)}
    context = client_context(Settings(cacert=str(tmp_path / "ca.pem")), HTTP11)
    with pytest.raises(TlsFailed, match=why):
        wrap(peer(serve(server_context(ca, "localhost", **days))), "localhost", context, soon())


def test_an_unknown_authority(certificates: Certificates, peer: Callable[..., socket.socket]) -> None:
    stranger = server_context(trustme.CA(), "localhost")
    for settings in (Settings(cacert=str(certificates.ca)), Settings()):
        with pytest.raises(TlsFailed, match=r"not trusted|self-signed") as caught:
            wrap(peer(serve(stranger)), "localhost", client_context(settings, HTTP11), soon())
        assert "--cacert" in caught.value.hint


def test_a_self_signed_certificate(
    certificates: Certificates, tmp_path: Path, peer: Callable[..., socket.socket]
) -> None:
    ca = trustme.CA()
    ca.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    ca.cert_pem.write_to_path(str(tmp_path / "cert.pem"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with pytest.raises(TlsFailed, match="self-signed"):
        wrap(peer(serve(server)), "localhost", client_context(Settings(cacert=str(certificates.ca)), HTTP11), soon())


def test_insecure_takes_any_certificate(peer: Callable[..., socket.socket]) -> None:
    context = client_context(Settings(insecure=True), HTTP11)
    with wrap(peer(serve(server_context(trustme.CA(), "x.example"))), "localhost", context, soon()) as tls:
        assert tls.recv(5) == b"hello"


def test_authorities_from_a_folder(
    certificates: Certificates, tmp_path: Path, peer: Callable[..., socket.socket]
) -> None:
    (tmp_path / "mine.pem").write_bytes(certificates.ca.read_bytes())
    context = client_context(Settings(cacert=str(tmp_path)), HTTP11)
    with wrap(peer(serve(certificates.context())), "localhost", context, soon()) as tls:
        assert tls.recv(5) == b"hello"


def test_an_own_certificate(certificates: Certificates, peer: Callable[..., socket.socket]) -> None:
    server = certificates.context()
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(certificates.ca)
    settings = Settings(cacert=str(certificates.ca), cert=str(certificates.cert), key=str(certificates.key))
    with wrap(peer(serve(server)), "localhost", client_context(settings, HTTP11), soon()) as tls:
        assert tls.recv(5) == b"hello"
    without = client_context(Settings(cacert=str(certificates.ca)), HTTP11)
    with wrap(peer(serve(server)), "localhost", without, soon()) as tls, pytest.raises(ssl.SSLError) as caught:
        tls.recv(5)  # with TLS 1.3 the refusal comes after the handshake
    assert "--cert" in trust_store.tls_error(caught.value, "localhost").why


@pytest.mark.parametrize("option", ["cacert", "cert", "key"])
@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\0\xff" * 50])
def test_files_that_cannot_be_used_are_named(
    certificates: Certificates, tmp_path: Path, option: str, content: bytes | None
) -> None:
    path = tmp_path / "broken.pem"
    if content is not None:
        path.write_bytes(content)
    options = {"cert": str(certificates.cert)} if option == "key" else {}
    with pytest.raises(UsageError, match=f"--{option} .*broken"):
        client_context(Settings(**{**options, option: str(path)}), HTTP11)


def test_a_key_that_does_not_fit_or_stands_alone(certificates: Certificates, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().private_key_pem.write_to_path(str(other))
    with pytest.raises(UsageError, match="does not fit"):
        client_context(Settings(cert=str(certificates.cert), key=str(other)), HTTP11)
    with pytest.raises(UsageError, match="--cert"):
        client_context(Settings(key=str(certificates.key)), HTTP11)


def test_an_encrypted_key_without_a_terminal_is_a_usage_error(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cryptography.hazmat.primitives import serialization as form

    key = form.load_pem_private_key(certificates.key.read_bytes(), None)
    path = tmp_path / "encrypted.pem"
    cipher = form.BestAvailableEncryption(b"pw")
    path.write_bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, cipher))
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UsageError, match="encrypted"):
        client_context(Settings(cert=str(certificates.cert), key=str(path)), HTTP11)


def plain_http(sock: socket.socket) -> None:
    sock.recv(4096)
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    sock.recv(1)


def hang_up(sock: socket.socket) -> None:
    sock.recv(4096)


def stay_silent(sock: socket.socket) -> None:
    while sock.recv(4096):
        pass


@pytest.mark.parametrize(
    ("play", "error", "why"),
    [(plain_http, TlsFailed, "does not speak TLS"), (hang_up, ConnectionLost, "during TLS")],
)
def test_a_server_without_tls(
    peer: Callable[..., socket.socket], play: Callable[[socket.socket], None], error: type[FastdlError], why: str
) -> None:
    with pytest.raises(error, match=why) as caught:
        wrap(peer(play), "localhost", client_context(Settings(insecure=True), HTTP11), soon())
    assert ("http://" in str(caught.value)) == (error is TlsFailed)


def test_a_silent_server_ends_in_time(peer: Callable[..., socket.socket]) -> None:
    ours = peer(stay_silent)
    with pytest.raises(TimedOut, match="localhost"):
        wrap(ours, "localhost", client_context(Settings(insecure=True), HTTP11), time.monotonic() + 0.05)
    assert ours.fileno() == -1


def test_giving_up_ends_a_handshake(peer: Callable[..., socket.socket]) -> None:
    with pytest.raises(ConnectionLost):
        wrap(
            peer(stay_silent), "localhost", client_context(Settings(insecure=True), HTTP11),
            time.monotonic() + 3600, cancelled=lambda: True,
        )  # fmt: skip


def test_no_common_http_version(certificates: Certificates, peer: Callable[..., socket.socket]) -> None:
    def refuse(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(bytes((21, 3, 3, 0, 2, 2, 120)))  # fatal alert no_application_protocol (RFC 7301, 3.2)
        sock.recv(1)

    with pytest.raises(TlsFailed) as caught:
        wrap(peer(refuse), "localhost", client_context(Settings(insecure=True), HTTP11), soon())
    assert caught.value.why == trust_store.NO_COMMON_HTTP


def test_an_end_without_farewell_is_no_silent_end(
    certificates: Certificates, peer: Callable[..., socket.socket]
) -> None:
    def cut(sock: socket.socket) -> None:
        tls = certificates.context().wrap_socket(sock, server_side=True)
        tls.sendall(b"hello")
        with socket.socket(fileno=tls.detach()) as raw:
            raw.shutdown(socket.SHUT_WR)
            raw.recv(4096)

    context = client_context(Settings(cacert=str(certificates.ca)), HTTP11)
    with wrap(peer(cut), "localhost", context, soon()) as tls:
        assert tls.recv(5) == b"hello"
        with pytest.raises(ssl.SSLEOFError):
            tls.recv(5)


def test_a_kept_session_is_used_again(certificates: Certificates, peer: Callable[..., socket.socket]) -> None:
    context = client_context(Settings(cacert=str(certificates.ca)), ("http/1.1", "x-session-test"))
    server = certificates.context()
    for again in (False, True):
        with wrap(peer(serve(server)), "localhost", context, soon()) as tls:
            assert tls.recv(5) == b"hello"
            assert tls.session_reused is again
            keep_session(tls, "localhost")
            tls.sendall(b"x")
    with wrap(peer(serve(server)), "origin.test", context, soon()) as tls:
        assert not tls.session_reused  # another name has to be proved anew


class FakeStore:
    """Records what is loaded into a context."""

    def __init__(self, found: int) -> None:
        self.found = found
        self.loaded: list[str] = []

    def load_default_certs(self, _: object) -> None:
        self.loaded.append("default")

    def load_verify_locations(self, cafile: str | None = None, capath: str | None = None) -> None:
        self.loaded.append(cafile or capath or "")

    def cert_store_stats(self) -> dict[str, int]:
        return {"x509_ca": self.found}


def paths(capath: str | None) -> ssl.DefaultVerifyPaths:
    return ssl.DefaultVerifyPaths(None, capath, "SSL_CERT_FILE", "", "SSL_CERT_DIR", capath or "")


def load_system(monkeypatch: pytest.MonkeyPatch, capath: str | None, found: int) -> list[str]:
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths(capath))
    store = FakeStore(found)
    trust_store._load_system(store)  # type: ignore[arg-type]
    return store.loaded


def test_the_systems_store_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert load_system(monkeypatch, str(tmp_path), 1) == ["default"]  # an empty folder
    (tmp_path / "0a1b2c3d.0").write_text("")
    assert load_system(monkeypatch, str(tmp_path), 0) == [str(tmp_path)]
    monkeypatch.setenv("SSL_CERT_FILE", "/some/bundle")
    assert load_system(monkeypatch, str(tmp_path), 1) == ["default"]


def test_bundles_then_certifi_where_the_system_has_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import certifi

    bundle = tmp_path / "bundle.crt"
    bundle.write_text("")
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(trust_store, "_BUNDLES", (str(tmp_path / "missing"), str(bundle)))
    assert load_system(monkeypatch, None, 0) == ["default", str(bundle)]
    monkeypatch.setenv("SSL_CERT_FILE", "/some/missing/bundle")
    assert load_system(monkeypatch, None, 0) == ["default"]  # whoever names a store wants no other
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setattr(trust_store, "_BUNDLES", ())
    assert load_system(monkeypatch, str(tmp_path / "missing"), 0) == ["default", certifi.where()]
