"""The hosts that the documents name: example.org and its kin, on loopback, with certificates of the test's authority.

One server with TLS and one without stand for all of them; what they serve follows from the path. A proxy, for HTTP and
SOCKS at one port, leads to them too. Nothing else can be reached by a document's command that this world leads.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import posixpath
import re
import select
import socket
import ssl
import tarfile
import zipfile
from collections.abc import Iterable
from contextlib import ExitStack
from urllib.parse import urlsplit

from fastdl import __version__
from fastdl.home import RELEASES
from servers.content import content
from servers.files import FileApp, serve
from servers.raw import Connection, RawServer, Request
from servers.tls import Certificates

HOST = re.compile(r"\b((?:[a-z0-9-]+\.)*example\.(?:org|com|net))\b")
HOME = urlsplit(RELEASES).netloc  # fastdl's own: `doctor` looks at the way to it, `upgrade` asks there
USER, PASSWORD = "alice", "secret"
TEST = b"test"  # what lies under every name of which nothing else is said: its SHA-256 is that of the documents
LARGE = content(3, 0, 8 << 20)
SUMS = ("debian.iso", "f", "a.iso", "b.iso")


def sha256(data: bytes) -> str:
    """Its digest in hex."""
    return hashlib.sha256(data).hexdigest()


def data_of(path: str) -> bytes | None:
    """What lies at a path of any of the hosts; None: nothing."""
    name = posixpath.basename(path)
    if path == urlsplit(RELEASES).path:
        return json.dumps({"tag_name": f"v{__version__}", "assets": []}).encode()
    if name.startswith(("missing", "gone")):
        return None
    if name.endswith(".sha256"):
        return f"{sha256(data_of(path[: -len('.sha256')]) or b'')}  {name.removesuffix('.sha256')}\n".encode()
    if name == "SHA256SUMS":
        return "".join(f"{sha256(TEST)}  {each}\n" for each in SUMS).encode()
    if name == "file.iso":
        return LARGE
    if name.endswith(".csv"):
        return b"b,2\na,1\n"
    if name.endswith(".zip"):
        return _zipped()
    return _packed(name) or TEST


def digests() -> list[str]:
    """The SHA-256 of everything that a document may name with an abbreviated digest."""
    return [sha256(TEST), sha256(LARGE)]


def _packed(name: str) -> bytes | None:
    found = re.search(r"\.(?:tar|(?:tar\.|t)(gz|xz|bz2))$", name)
    if found is None:
        return None
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=f"w:{found[1] or ''}") as archive:  # type: ignore[call-overload]
        member = tarfile.TarInfo("tool-1.0/README")
        member.size = len(TEST)
        archive.addfile(member, io.BytesIO(TEST))
    return made.getvalue()


def _zipped() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("tool-1.0/README", TEST)
    return made.getvalue()


class Loopback:
    """While it is open: `options` of the environment lead fastdl here."""

    def __init__(self, certificates: Certificates, names: Iterable[str]) -> None:
        self._certificates = certificates
        self._made: dict[str, FileApp] = {}
        context = certificates.context_for("example.org")
        context.sni_callback = self._greet  # type: ignore[assignment]
        self._stack = ExitStack()
        self._secure = self._stack.enter_context(RawServer(self._handle, tls=context))
        self._plain = self._stack.enter_context(RawServer(self._handle))
        self._proxy = self._stack.enter_context(RawServer(self._carry))
        self.names = sorted({*names, HOME})

    def close(self) -> None:
        """Stop all servers. Raises what went wrong in them."""
        self._stack.close()

    @property
    def proxy(self) -> str:
        """The address of the proxy, without a scheme."""
        return f"127.0.0.1:{self._proxy.port}"

    @property
    def authority(self) -> bytes:
        """The certificate of who signs for these hosts."""
        return self._certificates.ca.read_bytes()

    @property
    def asked(self) -> int:
        """Requests and connections so far, over all servers."""
        return sum(server.accepted for server in (self._secure, self._plain, self._proxy))

    def environment(self) -> dict[str, str]:
        """What leads fastdl to these servers."""
        rules = [f"{name}:443:127.0.0.1:{self._secure.port}" for name in self.names]
        rules += [f"{name}:80:127.0.0.1:{self._plain.port}" for name in self.names]
        return {"FASTDL_CONNECT_TO": " ".join(rules), "FASTDL_CACERT": str(self._certificates.ca)}

    # --- servers -----------------------------------------------------------------------------------------

    def _greet(self, connection: ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> int | None:
        if name != HOME and (name is None or not HOST.fullmatch(name)):
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        connection.context = self._certificates.context_for(name)
        return None

    def _handle(self, connection: Connection) -> None:
        serve(connection, self._answer)

    def _answer(self, connection: Connection, request: Request) -> None:
        target = request.target.partition("?")[0]
        path = re.sub(r"^https?://[^/]*", "", target)
        app = self._made.get(path) or self._make(path)
        if path.startswith("/private/") and not self._allowed(request):
            refusal = app.short(401, b"no\n", ("WWW-Authenticate", 'Basic realm="private"'))
            app.send(connection, refusal, body=request.method != "HEAD")
        elif app.data is None:
            app.send(connection, app.short(404), body=request.method != "HEAD")
        else:
            app.answer(connection, request)

    def _make(self, path: str) -> FileApp:
        data = data_of(path)
        digest = base64.b64encode(hashlib.sha256(data or b"").digest()).decode()
        published = (("Repr-Digest", f"sha-256=:{digest}:"),)
        app = FileApp(size=len(data or b""), data=data, etag=f'"{sha256(data or b"")[:12]}"', extra=published)
        return self._made.setdefault(path, app)

    @staticmethod
    def _allowed(request: Request) -> bool:
        given = (request.get("authorization") or "").partition(" ")
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return given[2] == basic if given[0].lower() == "basic" else given[0].lower() == "bearer"

    # --- the proxy ---------------------------------------------------------------------------------------

    def _carry(self, connection: Connection) -> None:
        with contextlib.suppress(OSError):
            if connection.sock.recv(1, socket.MSG_PEEK) == b"\x05":
                self._pump(connection, _socks(connection.sock))
                return
            request = connection.receive()
            if request is not None and request.method == "CONNECT":
                connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
                self._pump(connection, int(request.target.rpartition(":")[2]))

    def _pump(self, connection: Connection, port: int) -> None:
        if port not in (self._secure.port, self._plain.port):
            port = self._secure.port if port == 443 else self._plain.port
        with socket.create_connection(("127.0.0.1", port)) as upstream:
            pairs = {connection.sock: upstream, upstream: connection.sock}
            while not connection.server.stopping.is_set():
                for source in select.select(list(pairs), [], [], 0.2)[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    pairs[source].sendall(data)


def _socks(sock: socket.socket) -> int:
    """The port that a SOCKS 5 client wants to be led to (RFC 1928)."""

    def take(count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = sock.recv(count - len(data))
            if not piece:
                raise ConnectionError
            data += piece
        return data

    take(take(2)[1])
    sock.sendall(b"\x05\x00")
    kind = take(4)[3]
    take({1: 4, 4: 16}.get(kind) or take(1)[0])
    port = int.from_bytes(take(2), "big")
    sock.sendall(b"\x05\x00\x00\x01" + bytes(6))
    return port
