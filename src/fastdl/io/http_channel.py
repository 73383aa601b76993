"""HTTP by way of httpx's engine (httpcore): first contact, proxies, digest authentication, HTTP/2, odd bodies.

The layer above, httpx's client, is left out on purpose: it reads Location and Set-Cookie itself and fails on malformed
ones, adds headers, logs URLs and doubles the time of import. Here exactly our headers go out over connections of ours.
Where a response is plain HTTP/1.1 with a length, `take_over` hands the socket to the raw reader (io/wire.py), which
moves bytes at a fraction of the cost.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
from collections.abc import Callable, Iterator

import httpcore

from fastdl.core.head import Head, content_length
from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.pattern import pattern
from fastdl.errors import ConnectionLost, FastdlError, NetworkError, ProtocolViolation, TimedOut, TlsFailed
from fastdl.io import phases, trust_store, tunnel
from fastdl.io.http import HTTP2, HTTP11
from fastdl.io.stream import Backend, Detached, Guard, NestedTlsStream, SocketStream

if TYPE_CHECKING:
    from fastdl.io.channel import Request
    from fastdl.io.digest import DigestLogin
    from fastdl.io.http import HttpSession, Way

_NOT_IN_FIELD = pattern(r"[\x00\r\n]")
MOST_DRAINED = 64 * 1024  # bytes of a 401 body read to keep the connection for the answer to its challenge


class HttpChannel:
    """A Channel (io/channel.py) on httpcore, the engine of httpx."""

    pipelines = False

    def __init__(
        self,
        session: HttpSession,
        way: Way,
        digest: DigestLogin | None,
        *,
        http2: bool,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self._session = session
        self._way = way
        self._http2 = http2
        self._guard = Guard(way.url.host)
        self._stream: SocketStream | None = None
        self._pool = self._make_pool()
        self._asked: Request | None = None
        self._response: httpcore.Response | None = None
        self._chunks: Iterator[bytes] = iter(())
        self._rest = memoryview(b"")
        self._untouched = False  # no byte of the current body has been read by the caller
        self._left: int | None = 0
        self._on_close = on_close
        self.digest = digest
        self.reusable = True
        self.answered = 0  # heads received on this channel

    @property
    def rtt(self) -> float:
        """Seconds that the connect took; 0 before it."""
        return self._way.rtt

    @property
    def peer(self) -> str:
        """The address of the server, or of the proxy; "" before the connect."""
        return self._way.peer

    @property
    def body_left(self) -> int | None:
        """Bytes of the current body still to come; None where that is unknown."""
        return self._left

    @property
    def absolute_form(self) -> bool:
        """Whether requests on this connection carry the whole URL."""
        return self._way.absolute_form

    @property
    def proxy_headers(self) -> tuple[tuple[str, str], ...]:
        """What has to be added to every request on this connection, for the proxy."""
        return self._way.proxy_headers

    def send(self, request: Request) -> None:
        """Keep the request; it goes out with receive_head."""
        self._asked = request

    @phases.timed("first_byte")
    def receive_head(self) -> Head:
        """Connect if need be, send the request and read the head of its answer. Raises every kind of NetworkError."""
        request, self._asked = self._asked, None
        if request is None:
            raise ValueError("receive_head without send")
        self.reusable = False
        try:
            head = self._exchange(request)
        except TlsFailed as error:
            if self._http2 or self._session.settings.http != "auto" or error.why != trust_store.NO_COMMON_HTTP:
                raise
            # The server insists on HTTP/2.
            self._http2 = True
            self._pool = self._make_pool()
            head = self._exchange(request)
        if self._way.absolute_form and head.status == 407 and self._way.proxy is not None:
            self.close()
            raise tunnel.refusal(self._way.proxy, 407)
        return head

    def read_into(self, view: memoryview) -> int:
        """Body bytes of the current response; 0 when it is complete. Raises ConnectionLost where it ends too soon,
        TimedOut, ProtocolViolation."""
        if not len(view):
            return 0
        self._untouched = False
        while not self._rest:
            self._guard.expect(self._session.settings.timeout + 1.0)
            with self._mapped():
                chunk = next(self._chunks, None)
            if chunk is None:
                self._left = 0
                self._finish()
                return 0
            self._rest = memoryview(chunk)
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        if self._left is not None:
            self._left -= count
        return count

    def take_over(self) -> tuple[socket.socket, bytes] | None:
        """The socket of the current response, and the bytes of its body that have been read from it already; the
        caller goes on with that response, then with others, and closes the socket (`on_close` is its own then). None
        where that is not possible: not HTTP/1.1, no length, chunked, coded, TLS in TLS, digest authentication, or a
        body that the caller has begun.

        The channel is of no use afterwards."""
        response, stream = self._response, self._stream
        if response is None or stream is None or not self._untouched or self.digest is not None:
            return None
        if isinstance(stream, NestedTlsStream) or not _is_plain(_head_of(response, self._guard.host)):
            return None
        pieces: list[bytes] = []
        self._guard.detached = True
        try:
            # What the parser holds comes out; then it asks the stream for more, which says that there is none.
            with contextlib.suppress(Detached), self._mapped():
                pieces.extend(self._chunks)
            self._guard.check()
        except BaseException:
            self._guard.detached = False
            self.close()
            raise
        self._guard.hold(None)
        self._response = self._on_close = None
        self._pool.close()
        return stream.sock, b"".join(pieces)

    def hold_window(self, size: int) -> None:
        """Let the server send at most about `size` bytes ahead of what is read. Before the connect: nothing."""
        from fastdl.io import window

        if self._stream is not None:
            window.hold(self._stream.sock, size)

    def abort(self) -> None:
        """From any thread: a blocked call fails soon."""
        self._guard.abort()

    def close(self) -> None:
        """Give the connection up."""
        self.reusable = False
        self._response = None
        self._chunks = iter(())
        if self._stream is not None:
            self._stream.close()
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()

    # --- one request -------------------------------------------------------------------------------------

    def _exchange(self, request: Request) -> Head:
        exchange = self.digest.begin(request.url.target) if self.digest is not None else None
        head = self._ask(request, exchange.authorization if exchange is not None else None)
        if exchange is not None and head.status == 401:
            answer = exchange.answer(head)
            if answer is not None:
                self._drain()
                self.reusable = False
                head = self._ask(request, answer)
        return head

    def _ask(self, request: Request, authorization: str | None) -> Head:
        settings, url = self._session.settings, request.url
        target = url.text if self._way.absolute_form else url.target
        limits = dict.fromkeys(("connect", "read", "write", "pool"), settings.timeout)
        wire = httpcore.Request(
            b"GET",
            httpcore.URL(scheme=url.scheme.encode(), host=url.host.encode(), port=url.port, target=target.encode()),
            headers=self._fields(request, authorization),
            extensions={"timeout": limits},
        )
        self._guard.expect(settings.connect_timeout + max(60.0, 4 * settings.timeout))
        with self._mapped():
            response = self._pool.handle_request(wire)
        self._response = response
        self._chunks = iter(response.iter_stream())
        self._rest = memoryview(b"")
        self._untouched = True
        if self._stream is not None and isinstance(self._stream.sock, ssl.SSLSocket):
            trust_store.keep_session(self._stream.sock, url.host)
        head = _head_of(response, self._guard.host)
        self._left = _length_of(head)
        self.answered += 1
        return head

    def _fields(self, request: Request, authorization: str | None) -> list[tuple[bytes, bytes]]:
        fields = [*request.headers, *request.range_fields(), *self._way.proxy_headers]
        if self.digest is not None:
            fields = [(name, value) for name, value in fields if name.lower() != "authorization"]
        if authorization is not None:
            fields.append(("Authorization", authorization))
        if not any(name.lower() == "host" for name, _ in fields):
            fields.insert(0, ("Host", request.url.netloc))
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]

    def _drain(self) -> None:
        """Read the rest of a refusal to keep its connection; a long one is not worth it."""
        received = 0
        with contextlib.suppress(NetworkError), self._mapped():
            for chunk in self._chunks:
                received += len(chunk)
                if received > MOST_DRAINED:
                    break
        self._finish()

    def _finish(self) -> None:
        """The body has ended, or nobody wants the rest: httpcore keeps the connection if that is possible."""
        if self._response is not None:
            with contextlib.suppress(NetworkError), self._mapped():
                self._response.close()
        self._response = None
        self._chunks = iter(())
        self.reusable = self._stream is not None and not self._stream.closed

    # --- the connection ----------------------------------------------------------------------------------

    def _make_pool(self) -> httpcore.ConnectionPool:
        # One connection; ours (Backend), so that what httpcore thinks of proxies and trust is of no importance.
        return httpcore.ConnectionPool(
            _unused_context(), max_connections=1, http1=True, http2=self._http2, network_backend=Backend(self._connect)
        )

    def _connect(self) -> SocketStream:
        sock = self._way.connect(lambda: self._guard.aborted)
        self._stream = SocketStream(sock, self._guard, self._secure)
        return self._stream

    def _secure(self, sock: socket.socket) -> SocketStream:
        context = trust_store.client_context(self._session.settings, HTTP2 if self._http2 else HTTP11)
        host, deadline = self._way.url.host, self._way.deadline
        if isinstance(sock, ssl.SSLSocket):
            self._stream = NestedTlsStream(sock, self._guard, context, host, deadline)
        else:
            tls = trust_store.wrap(sock, host, context, deadline, cancelled=lambda: self._guard.aborted)
            self._stream = SocketStream(tls, self._guard, self._secure)
        return self._stream

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        """httpcore's exceptions as leaves of ours. (Those of the network are that already.)"""
        try:
            yield
        except (FastdlError, Detached):
            raise
        except httpcore.RemoteProtocolError as error:
            self._guard.check()
            raise _violation(error, self._guard.host) from None
        except (httpcore.TimeoutException, httpcore.NetworkError) as error:
            self._guard.check()
            lost = isinstance(error, httpcore.NetworkError)
            kind = ConnectionLost if lost else TimedOut
            raise kind(f"the connection to {self._guard.host} broke", str(error).lower()[:80]) from None
        except httpcore.ProtocolError:
            raise ProtocolViolation("the request cannot be sent", "HTTP does not allow it") from None
        except Exception:
            self._guard.check()
            if not self._http2:
                raise
            # Frames out of order bring h2 and httpcore to all kinds of exceptions.
            raise ProtocolViolation(f"{self._guard.host} broke HTTP/2") from None


@functools.cache
def _unused_context() -> ssl.SSLContext:
    """httpcore would load certificates for a context of its own."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _head_of(response: httpcore.Response, host: str) -> Head:
    """Raises ProtocolViolation for a field that HTTP/2 lets through and HTTP/1.1 would not."""
    fields = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers]
    if any(not name or _NOT_IN_FIELD.search(name + value) for name, value in fields):
        raise ProtocolViolation(f"{host} sent a broken answer", "a control character in a header field")
    version = bytes(response.extensions.get("http_version", b"")).decode("latin-1")
    reason = bytes(response.extensions.get("reason_phrase", b"")).decode("latin-1")[:100]
    return Head(response.status, reason, tuple(fields), version)


def _length_of(head: Head) -> int | None:
    """The bytes of the body, None where the head does not say."""
    if head.status in (204, 304):
        return 0
    try:
        return None if head.all("transfer-encoding") else content_length(head)
    except ValueError:
        return None


def _is_plain(head: Head) -> bool:
    """Whether the raw reader can go on in the middle of this response."""
    codings = [value.strip().lower() for value in head.all("content-encoding")]
    plain = all(value in ("", "identity") for value in codings)
    return plain and _length_of(head) is not None and head.version == "HTTP/1.1" and head.status in (200, 206)


def _violation(error: httpcore.RemoteProtocolError, host: str) -> NetworkError:
    event = error.args[0] if error.args else ""
    if type(event).__name__ in ("StreamReset", "ConnectionTerminated"):
        return ConnectionLost(f"{host} ended the HTTP/2 stream")
    text = str(event)
    if "disconnected" in text or "peer closed connection" in text:
        return ConnectionLost(f"{host} closed the connection", "before the whole answer had come")
    # What h11 says may repeat bytes of the answer behind a colon: not shown.
    return ProtocolViolation(f"{host} sent a broken answer", text.partition(":")[0].lower()[:80])
