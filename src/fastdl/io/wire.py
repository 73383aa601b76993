"""HTTP/1.1 on a raw socket: the strict reader for range downloads (RFC 9112).

A general HTTP client costs more CPU per byte than the network does on fast links, and hides the socket that pipelining
and `recv_into` need. This one knows just GET, parses heads strictly and within bounds, and calls everything that it
does not expect a ProtocolViolation: bytes behind a doubtful head cannot be trusted to be where they claim.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Callable

from fastdl.core.head import Head, content_length
from fastdl.core.hints import TYPE_CHECKING
from fastdl.errors import ConnectionLost, NetworkError, ProtocolViolation, TimedOut
from fastdl.io import phases
from fastdl.io.channel import Request
from fastdl.io.chunked import ChunkedDecoder
from fastdl.io.heads import end_of_head, parse_head
from fastdl.io.tls_kind import is_fault, is_tls

if TYPE_CHECKING:
    from fastdl.io.pipe import Pipe

MOST_HEAD = 64 * 1024  # bytes of one response head
MOST_EMPTY_LINES = 8  # before a status line
MOST_INTERIM = 16  # 1xx responses before a final one (RFC 9110, section 15.2 sets no bound)
RECORD = 16 * 1024  # bytes: the largest TLS record (RFC 8446, section 5.1)
GATHER_SECONDS = 0.005  # how long records are put together: what waits is lost if the process is killed
_UNTIL_CLOSE = -1
_NO_BODY = frozenset({204, 304})


class WireChannel:
    """A Channel (io/channel.py) on a connected socket, plain or TLS."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        rtt: float,
        peer: str,
        timeout: float,
        absolute_form: bool = False,
        extra_headers: tuple[tuple[str, str], ...] = (),
        leftover: bytes = b"",
        on_close: Callable[[], None] | None = None,
    ) -> None:
        """`timeout`: seconds without a byte until TimedOut. `absolute_form` and `extra_headers` are for plain HTTP
        through a proxy (RFC 9112, section 3.2.2); `leftover` was read from the socket already."""
        self._sock = sock
        self._data = bytearray(leftover)
        self._absolute_form = absolute_form
        self._extra = extra_headers
        self._on_close = on_close
        self._asked: deque[Request] = deque()
        self._left = 0  # bytes of the current body still to come; _UNTIL_CLOSE: to the end of the connection
        self._chunked: ChunkedDecoder | None = None
        self._timeout = timeout
        self._head_time = max(60.0, 4 * timeout)  # seconds that one head may take
        self.rtt = rtt
        self.peer = peer
        self._keep = True  # the server keeps the connection open after the current body
        self._broken: NetworkError | None = None
        self.answered = 0
        self.piece = 16 * 1024  # bytes of one read where the end of what is wanted is not known
        sock.settimeout(timeout)

    # --- requests ----------------------------------------------------------------------------------------

    def send(self, request: Request) -> None:
        """Send a GET. Raises ConnectionLost, TimedOut."""
        url = request.url
        target = url.text if self._absolute_form else url.target
        fields = [*request.headers, *request.range_fields(), *self._extra]
        if not any(name.lower() == "host" for name, _ in fields):
            fields.insert(0, ("Host", url.netloc))
        lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
        try:
            self._sock.sendall("\r\n".join(lines).encode("latin-1", "replace"))
        except OSError as error:
            raise self._fault(error) from None
        self._asked.append(request)

    @phases.timed("first_byte")
    def receive_head(self) -> Head:
        """See Channel. Raises ConnectionLost, TimedOut, ProtocolViolation."""
        if self._left and self.read_into(memoryview(bytearray(1))):
            # (The last chunk of a chunked body may be unread still, and is no byte of it.)
            raise ProtocolViolation("the server sent a broken answer", "more bytes than its range has")
        until = time.monotonic() + self._head_time
        for _ in range(MOST_INTERIM):
            head = self._read_head(until)
            if head.status >= 200:
                self._begin_body(head)
                self.answered += 1
                if self._asked:
                    self._asked.popleft()
                return head
            if head.status == 101:
                raise ProtocolViolation("the server sent a broken answer", "101 to a request without Upgrade")
        raise ProtocolViolation("the server sent a broken answer", "endless 1xx responses")

    def _read_head(self, until: float) -> Head:
        searched = empty = 0
        while True:
            # An empty line or two before the status line is tolerated, as RFC 9112 (2.2) asks of servers.
            if not searched and empty < 2 * MOST_EMPTY_LINES and bytes(self._data[:1]) in (b"\r", b"\n"):
                del self._data[:1]
                empty += 1
                continue
            end, body = end_of_head(self._data, max(0, searched - 3))
            if end >= 0:
                raw = bytes(self._data[:end])
                del self._data[:body]
                if end > MOST_HEAD:
                    break
                return parse_head(raw)
            searched = len(self._data)
            if searched > MOST_HEAD:
                break
            if not b"HTTP/".startswith(bytes(self._data[:5])):
                raise ProtocolViolation("the server does not speak HTTP/1.1", "its answer begins with something else")
            if time.monotonic() > until:
                # A byte now and then keeps the socket's time-out away for ever.
                raise TimedOut("the server went silent", f"no whole response head within {self._head_time:g} s")
            self._fill("before the response")
        raise ProtocolViolation("the server sent a broken answer", f"a response head of more than {MOST_HEAD} bytes")

    def _fill(self, when: str) -> None:
        try:
            piece = self._sock.recv(self.piece)
        except OSError as error:
            raise self._fault(error) from None
        if not piece:
            raise ConnectionLost("the server closed the connection", when)
        self._data += piece

    def _begin_body(self, head: Head) -> None:
        """How the body is framed (RFC 9112, section 6.3)."""
        try:
            length = content_length(head)
        except ValueError as error:
            raise ProtocolViolation("the server sent a broken answer", str(error)) from None
        codings = [part.strip().lower() for value in head.all("transfer-encoding") for part in value.split(",")]
        options = [part.strip().lower() for value in head.all("connection") for part in value.split(",")]
        self._keep = "close" not in options and (head.version == "HTTP/1.1" or "keep-alive" in options)
        self._chunked = None
        if head.status in _NO_BODY:
            self._left = 0
        elif codings:
            if length is not None:
                # Request smuggling's favourite (RFC 9112, section 6.1): no way to know which of the two holds.
                raise ProtocolViolation("the server sent a broken answer", "both Content-Length and Transfer-Encoding")
            if codings != ["chunked"] or head.version == "HTTP/1.0":
                raise ProtocolViolation("the server sent a broken answer", "a transfer coding that was not asked for")
            self._chunked = ChunkedDecoder()
            self._left = _UNTIL_CLOSE
        elif length is not None:
            self._left = length
        else:
            self._left = _UNTIL_CLOSE
            self._keep = False

    # --- bodies ------------------------------------------------------------------------------------------

    def read_into(self, view: memoryview) -> int:
        """See Channel. Raises ConnectionLost if the body ends early, TimedOut."""
        if self._left == 0 or not len(view):
            return 0
        if self._chunked is not None:
            return self._read_chunked(view)
        wanted = len(view) if self._left < 0 else min(len(view), self._left)
        if self._data:
            count = min(wanted, len(self._data))
            view[:count] = self._data[:count]
            del self._data[:count]
        else:
            if self._broken is not None:
                raise self._broken
            try:
                count = self._sock.recv_into(view, wanted)
            except OSError as error:
                raise self._fault(error) from None
            if count == 0:
                return self._closed()
            if is_tls(self._sock) and count <= RECORD < wanted:
                count = self._gather(view, wanted, count)
        if self._left > 0:
            self._left -= count
        return count

    def _gather(self, view: memoryview, wanted: int, count: int) -> int:
        """TLS gives a record a call: a few are put together, since each block that is stored has its price. A fault
        among them waits until what came before it is stored; some servers break off after every few bytes."""
        sock = self._sock
        assert is_tls(sock)
        until = time.monotonic() + GATHER_SECONDS
        try:
            while count < wanted and time.monotonic() < until:
                more = sock.read(wanted - count, view[count:wanted])
                if not more:
                    break
                count += int(more)
        except OSError as error:
            self._broken = self._fault(error)
        return count

    @property
    def spliceable(self) -> bool:
        """Whether bodies of this connection can go through a pipe, as a rule: they come as they are."""
        return self._left > 0 and not is_tls(self._sock)

    @property
    def splices(self) -> bool:
        """Whether what comes next is still in the socket."""
        return self._left > 0 and not self._data

    def splice(self, pipe: Pipe, most: int) -> int:
        """As `read_into`, into an empty pipe, where `spliceable` and `splices`."""
        wanted = min(most, self._left)
        try:
            try:
                count = pipe.fill(self._sock.fileno(), wanted)
            except BlockingIOError:
                count = self._splice_later(pipe, wanted)
        except OSError as error:
            raise self._fault(error) from None
        if count == 0:
            return self._closed()
        self._left -= count
        return count

    def _splice_later(self, pipe: Pipe, wanted: int) -> int:
        """Wait for bytes, as long as a read would, then take them. What cannot be spliced all the same (urgent data
        stands before it, say) goes by memory."""
        self._sock.recv(1, socket.MSG_PEEK)
        try:
            return pipe.fill(self._sock.fileno(), wanted)
        except BlockingIOError:
            return pipe.put(self._sock.recv(min(wanted, RECORD)))

    def take(self, size: int, seconds: float) -> memoryview | None:
        """The whole body, of `size` bytes, if it is here within `seconds`; else None, and it can be read as ever: what
        came of it is not lost, nor is the fault that ended it."""
        if self._chunked is not None or self._left != size:
            return None
        body = memoryview(bytearray(size))
        done = min(len(self._data), size)
        body[:done] = self._data[:done]
        del self._data[:done]
        if done < size:
            done = self._take_rest(body, done, time.monotonic() + seconds)
        if done < size:
            self._data[:0] = body[:done]
            return None
        self._left = 0
        return body

    def _take_rest(self, body: memoryview, done: int, until: float) -> int:
        try:
            while done < len(body) and (left := until - time.monotonic()) > 0:
                self._sock.settimeout(left)
                count = self._sock.recv_into(body[done:])
                if count == 0:
                    break  # the next read says so again
                done += count
        except TimeoutError:
            pass
        except OSError as error:
            self._broken = self._fault(error)
        finally:
            with contextlib.suppress(OSError):  # closed by an abort
                self._sock.settimeout(self._timeout)
        return done

    def _closed(self) -> int:
        self._keep = False
        if self._left == _UNTIL_CLOSE and self._chunked is None:
            self._left = 0
            return 0
        raise ConnectionLost("the server closed the connection", "before the whole answer had come")

    def _read_chunked(self, view: memoryview) -> int:
        decoder = self._chunked
        assert decoder is not None
        while True:
            count = decoder.decode(self._data, view)
            if count:
                return count
            if decoder.done:
                self._left = 0
                return 0
            self._fill("in the middle of a chunked body")

    @property
    def pipelines(self) -> bool:
        """See Channel. Nothing may be sent after the server has said that it will close (RFC 9112, section 9.6)."""
        return self._keep

    @property
    def reusable(self) -> bool:
        """See Channel."""
        return self._keep and self._left == 0 and not self._asked and not self._data

    @property
    def body_left(self) -> int | None:
        """Bytes of the current body still to come; None where that is unknown."""
        return self._left if self._left >= 0 else None

    @property
    def owed(self) -> bool:
        """Whether an answer, or the rest of one, is still to come: the server may be sending it."""
        return bool(self._asked) or self._left != 0

    # --- ends --------------------------------------------------------------------------------------------

    def abort(self) -> None:
        """See Channel."""
        with contextlib.suppress(OSError):
            # Not close(): the descriptor could be given to another connection while a thread still reads from it.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """See Channel."""
        self._keep = False
        with contextlib.suppress(OSError):
            self._sock.close()
        if self._on_close is not None:
            on_close, self._on_close = self._on_close, None
            on_close()

    def part(self, patience: float) -> None:
        """Close it, and wait until the server has noticed: it closes its side then. At most `patience` seconds."""
        with contextlib.suppress(OSError):
            self._sock.settimeout(patience)
            self._sock.shutdown(socket.SHUT_WR)
            while self._sock.recv(4096):
                pass
        self.close()

    def quiet(self) -> bool:
        """Whether an idle connection is still usable: nothing has come from the server, not even its farewell."""
        if self._data or not self.reusable:
            return False
        if sys.platform != "win32" and not is_tls(self._sock):  # one call instead of three: many small files ask
            poll = select.poll()
            poll.register(self._sock, select.POLLIN)
            return not poll.poll(0)
        try:
            self._sock.settimeout(0)
            try:
                self._sock.recv(1)
            finally:
                self._sock.settimeout(self._timeout)
        except OSError as error:
            return isinstance(error, BlockingIOError) or is_fault(error, "SSLWantReadError")
        return False

    def hold_window(self, size: int) -> None:
        """Let the server send at most about `size` bytes ahead of what is read."""
        from fastdl.io import window

        window.hold(self._sock, size)

    def keep_tls_session(self, host: str) -> None:
        """Remember the TLS session for shorter handshakes to `host`."""
        if is_tls(self._sock):
            from fastdl.io import trust_store

            trust_store.keep_session(self._sock, host)

    def adopt(self, head: Head) -> None:
        """Go on with a response whose head another client has read from this socket."""
        self._begin_body(head)
        self.answered += 1

    def _fault(self, error: OSError) -> NetworkError:
        """What an error of the socket means."""
        if isinstance(error, TimeoutError):
            return TimedOut("the server went silent", f"no byte for {self._timeout:g} s")
        if is_fault(error, "SSLEOFError"):
            return ConnectionLost("the server closed the connection", "without a TLS farewell")
        if is_fault(error):
            return ConnectionLost("the TLS connection broke", str(error.reason or "TLS error").lower())
        return ConnectionLost("the connection broke", error.strerror or type(error).__name__)
