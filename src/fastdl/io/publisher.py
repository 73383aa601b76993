"""Connections to those who publish digests: one to each host, kept between requests, over verified TLS only.

They are made as for downloads (--connect-to, --cacert, proxies and --interface hold), but what is asked carries no
secret: no cookie, no client certificate, none of the user's headers. Our own HTTP/1.1 reader does it: to import httpx
or httpcore would hold up the threads of a small download for longer than the answers take. Servers without HTTP/1.1
are asked through httpx's engine.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from fastdl import __version__
from fastdl.core.digests import DigestNotFound, Question
from fastdl.core.head import Head
from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.plain import replace
from fastdl.core.urls import Url
from fastdl.errors import ConnectFailed, NetworkError, TlsFailed
from fastdl.io.channel import Channel, Request
from fastdl.io.http import HttpSession
from fastdl.io.wire import WireChannel

if TYPE_CHECKING:
    from fastdl.io.session import Session
    from fastdl.settings import Settings

MOST_REQUESTS = 48  # for one file
_BLOCK = 64 * 1024


class Publisher:
    """Requests for one file's digest, from one thread; `halt` may come from any other. `deadline` is an instant of
    time.monotonic()."""

    def __init__(self, session: Session, deadline: float) -> None:
        self._session = session
        self._deadline = deadline
        self._lock = threading.Lock()
        self._channels: dict[tuple[str, str, int], Channel] = {}
        self._requests = 0
        self.halted = False

    def request(self, url: Url, question: Question, share: float = 1.0) -> tuple[Channel, Head]:
        """GET `url`; its body is the channel's next. `share` is the part of the time left that a new connection may
        take for each of its waits. Raises NetworkErrors, DigestNotFound after too many requests."""
        self._requests += 1
        if self._requests > MOST_REQUESTS:
            raise DigestNotFound("there were too many requests")
        headers = (("User-Agent", f"fastdl/{__version__}"), *question.headers)
        request = Request(url, 0, None, False, None, headers)
        kept = self._channels.get(url.origin)
        if kept is not None:
            with contextlib.suppress(NetworkError):  # the server may have closed it meanwhile
                kept.send(request)
                return kept, kept.receive_head()
            self.drop(url)
        channel = self._connect(url, share)
        channel.send(request)
        return channel, channel.receive_head()

    def keep(self, url: Url) -> None:
        """The answer has been read as far as it matters: its connection serves the next request, if a small rest of
        the body allows that."""
        channel = self._channels.get(url.origin)
        if channel is None:
            return
        left = channel.body_left
        if left is not None and left <= _BLOCK:
            with contextlib.suppress(NetworkError):
                scrap = memoryview(bytearray(_BLOCK))
                while channel.read_into(scrap):
                    pass
        if not channel.reusable or channel.body_left:
            self.drop(url)

    def drop(self, url: Url) -> None:
        """Close the connection."""
        with self._lock:
            channel = self._channels.pop(url.origin, None)
        if channel is not None:
            channel.close()

    def halt(self) -> None:
        """From any thread: whatever blocks fails soon, and nothing more is asked."""
        with self._lock:
            self.halted = True
            channels = list(self._channels.values())
        for channel in channels:
            channel.abort()

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            channels = list(self._channels.values())
            self._channels.clear()
        for channel in channels:
            channel.close()

    def _connect(self, url: Url, share: float) -> Channel:
        left = (self._deadline - time.monotonic()) * share
        if self.halted or left <= 0:
            raise ConnectFailed("the digest was not looked up", "no answer in time")
        channel = self._open(HttpSession(self._settings(left), self._session.dialer), url)
        with self._lock:
            self._channels[url.origin] = channel
            halted = self.halted
        if halted:
            channel.abort()
        return channel

    def _settings(self, left: float) -> Settings:
        """Those of the run, but for the client certificate, which is a secret, and with less time."""
        settings = self._session.settings
        timeout, connect_timeout = min(settings.timeout, left), min(settings.connect_timeout, left)
        return replace(settings, cert=None, key=None, timeout=timeout, connect_timeout=connect_timeout)

    def _open(self, network: HttpSession, url: Url) -> Channel:
        http = network.settings.http
        if http != "2":
            try:
                link = network.dial(url, cancelled=lambda: self.halted)
            except TlsFailed as error:
                if "HTTP version" not in error.why or http == "1.1":
                    raise
                return network.open(url, http2=True)
            if link is not None:
                return WireChannel(link.sock, rtt=link.rtt, peer=link.peer, timeout=network.settings.timeout)
        return network.open(url)


def body(channel: Channel, head: Head, most: int) -> Iterator[bytes]:
    """The body of an answer as it comes, without its content coding. Raises NetworkErrors, and DigestNotFound beyond
    `most` bytes on the wire and for a coding that was not offered."""
    codings = [part.strip().lower() for part in ",".join(head.all("content-encoding")).split(",")]
    codings = [coding for coding in codings if coding not in ("", "identity")]
    if not codings:
        yield from _blocks(channel, most)
        return
    if codings not in (["gzip"], ["x-gzip"]):
        raise DigestNotFound("its answer comes in a coding that was not asked for")
    from fastdl.core.digests.packed import Unpacker

    unpacker = Unpacker()
    for block in _blocks(channel, most):
        yield from unpacker.feed(block)
    yield from unpacker.finish()


def _blocks(channel: Channel, most: int) -> Iterator[bytes]:
    left = channel.body_left
    if left is not None and left > most:
        raise DigestNotFound("its answer is too large")
    view = memoryview(bytearray(_BLOCK))
    while count := channel.read_into(view):
        most -= count
        if most < 0:
            raise DigestNotFound("its answer is too large")
        yield bytes(view[:count])
