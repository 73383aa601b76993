"""What all downloads of one run share: settings, connections, credentials, addresses and the rate limit."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator

from fastdl.core.head import Head
from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.urls import Url
from fastdl.errors import TlsFailed
from fastdl.io import files
from fastdl.io.channel import Channel
from fastdl.io.dial import Dialer
from fastdl.io.dns import Resolver
from fastdl.io.http import HttpSession, Link
from fastdl.io.pool import ConnectionPool, Origin
from fastdl.io.secrets import load_credentials
from fastdl.io.wire import WireChannel
from fastdl.settings import Settings

if TYPE_CHECKING:
    from fastdl.core.mapper import Mapper
    from fastdl.io.rate_limit import RateLimit
    from fastdl.io.settling import Settler
    from fastdl.io.store import Store
    from fastdl.io.throttle import Throttle

BLOCK = 512 * 1024  # bytes of one read where no limit makes it smaller (256 KiB: 8 % more processor time over TLS)
SPARE_BLOCK = 32 * 1024  # the same while the machine is short of memory
CONNECTIONS = 16  # of one download, as a rule the most


class NoSlot(Exception):
    """All connections that this host may have are in use by other downloads of this run."""


class Witness:
    """Is told of each file before it gets its name, where somebody else would have to take over (fastdl/cluster)."""

    def vow(self, download: Any, path: str) -> None:
        """The file is whole and checked, under its working name; the final one is `path`."""

    def wait(self) -> None:
        """Return when all that was vowed is known, or nobody wants to know it any more. Raises Interrupted where nobody
        is left who could: then the files get no names."""


class Session:
    """One run's shared network state. Thread-safe; `close` ends idle connections."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.credentials = load_credentials(settings)
        self.pool = ConnectionPool(settings.per_host)
        self.resolver = Resolver(settings.family)
        self.dialer = Dialer(settings, self.resolver)
        self._http = HttpSession(settings, self.dialer)
        self._digests: dict[Origin, tuple[str, str]] = {}  # logins of origins that asked for digest authentication
        self._crowd: Counter[str] = Counter()  # downloads that are running, by host
        self._http_only: set[str] = set()  # hosts that insist on HTTP/2
        self._lock = threading.Lock()
        self._running = 0  # downloads
        self.short_of_memory = False  # the machine, when it was last looked at
        self.many = False  # more than a few URLs are going to come
        self.scanned: dict[str, dict[str, str]] = {}  # partial downloads that earlier runs left, by folder
        self.warnings: list[str] = []  # of the store, until somebody tells them
        self._mapper: Mapper | None = None
        self._store: Store | None = None
        self._settler: Settler | None = None
        self._limit: RateLimit | None = None
        self.witness: Witness | None = None
        if settings.limit_rate:
            self.limit(settings.limit_rate)

    @property
    def mapper(self) -> Mapper:
        """The rules in force, with a cache of routes where there are many URLs. Raises UsageError."""
        with self._lock:
            if self._mapper is None:
                from fastdl.io.rules_file import open_mapper

                rules = self.settings.rules
                texts = () if rules is None else (rules.tables, rules.text, rules.path)
                self._mapper = open_mapper(*texts, many=self.many)
            return self._mapper

    @property
    def store(self) -> Store:
        """What is remembered between runs."""
        with self._lock:
            if self._store is None:
                from fastdl.config import state_dir
                from fastdl.io.store import Store

                self._store = Store(state_dir(os.environ, sys.platform), self.warnings.append)
            return self._store

    @property
    def settler(self) -> Settler:
        """Who gives small files their names, many at a time."""
        with self._lock:
            if self._settler is None:
                from fastdl.io.settling import Settler

                self._settler = Settler(self._before_names)
            return self._settler

    def _before_names(self) -> None:
        if self._store is not None:
            self._store.write_kept()
        if self.witness is not None:
            self.witness.wait()

    def wait_for(self, path: str) -> None:
        """Return when no other download of this run is about to give a file this very path."""
        if self.many:
            self.settler.wait_for(files.long_path(path))

    def take_warnings(self) -> list[str]:
        """What the store had to tell since the last call."""
        with self._lock:
            taken, self.warnings[:] = self.warnings[:], []
            return taken

    def channel(
        self, url: Url, *, cancelled: Callable[[], bool], turn: int = 0, avoid: frozenset[str] = frozenset()
    ) -> Channel:
        """A connection to the origin of `url`: an idle one, else a new one.

        Raises NoSlot, NameNotFound, ConnectFailed, TlsFailed, ProxyFailed, TimedOut."""
        if url.origin in self._digests:  # whoever asked for a digest once is not sent the password itself again
            return self.digest_channel(url, None)
        idle = self.pool.take_idle(url.origin)
        if idle is not None:
            return idle
        if not self.pool.admit(url.host):
            raise NoSlot
        try:
            return self._connect(url, cancelled, turn, avoid)
        except BaseException:
            self.pool.leave(url.host)
            raise

    def _connect(self, url: Url, cancelled: Callable[[], bool], turn: int, avoid: frozenset[str]) -> Channel:
        """By our own HTTP/1.1 reader where that is possible: not for HTTP/2, nor for TLS inside a proxy's TLS."""
        if self.settings.http != "2" and url.netloc not in self._http_only:
            try:
                link = self._http.dial(url, turn=turn, avoid=avoid, cancelled=cancelled)
            except TlsFailed as error:
                if "HTTP version" not in error.why or not self.insist_on_http2(url):
                    raise
                link = None
            if link is not None:
                return self._wire(url, link)
        http2 = True if url.netloc in self._http_only else None
        channel = self._http.open(url, http2=http2, turn=turn, avoid=avoid, on_close=lambda: self.pool.leave(url.host))
        self._hold(channel)
        return channel

    def _hold(self, channel: Channel) -> None:
        if self._limit is not None:
            self._limit.hold(channel)

    def digest_channel(self, url: Url, login: tuple[str, str] | None) -> Channel:
        """A connection that answers a Digest challenge (RFC 7616) with `login` (None: the one that was used before).
        Raises NoSlot and NetworkErrors."""
        with self._lock:
            name, password = self._digests.setdefault(url.origin, login) if login else self._digests[url.origin]
        if not self.pool.admit(url.host):
            raise NoSlot
        try:
            from fastdl.io.digest import DigestLogin

            # One for each connection: servers may want the nonce count (nc) to rise by one from request to request.
            known = DigestLogin(name, password)
            return self._http.open(url, digest=known, on_close=lambda: self.pool.leave(url.host))
        except BaseException:
            self.pool.leave(url.host)
            raise

    def answered(self, url: Url, channel: Channel, head: Head) -> Channel:
        """The connection to go on with after a head from `url`: where httpx's engine got a plain HTTP/1.1 response, our
        own reader takes its socket over, which costs a fraction of the time. Raises ProxyFailed for a proxy's 407."""
        proxy = self._http.proxy_for(url) if head.status == 407 else None
        if proxy is not None:
            from fastdl.io.tunnel import refusal

            raise refusal(proxy, 407)
        if isinstance(channel, WireChannel):
            if channel.answered == 1 and url.scheme == "https":
                channel.keep_tls_session(url.host)
            return channel
        take_over = getattr(channel, "take_over", None)
        taken = take_over() if take_over is not None and head.status in (200, 206) else None
        if taken is None:
            return channel
        return self._wire(url, Link(taken[0], channel.rtt, channel.peer, *_by_proxy(channel)), taken[1], head)

    def _wire(self, url: Url, link: Link, leftover: bytes = b"", head: Head | None = None) -> WireChannel:
        channel = WireChannel(
            link.sock,
            rtt=link.rtt,
            peer=link.peer,
            timeout=self.settings.timeout,
            absolute_form=link.absolute_form,
            extra_headers=link.proxy_headers,
            leftover=leftover,
            on_close=lambda: self.pool.leave(url.host, midway=channel.owed),
        )
        if head is not None:
            channel.adopt(head)
        throttle = self._throttle
        if throttle is not None:
            channel.piece = throttle.piece()
        self._hold(channel)
        return channel

    def insist_on_http2(self, url: Url) -> bool:
        """The server answered that it wants HTTP/2 (505, 426): later connections use it. False if that was known."""
        if self.settings.http == "1.1" or url.netloc in self._http_only or url.scheme != "https":
            return False
        self._http_only.add(url.netloc)
        return True

    def release(self, url: Url, channel: Channel) -> None:
        """Give a connection back whose last body has ended; anything else is closed."""
        if isinstance(channel, WireChannel) and channel.reusable and channel.body_left == 0:
            self.pool.keep(url.origin, channel)
        else:
            channel.close()

    @contextlib.contextmanager
    def crowd(self, host: str) -> Iterator[None]:
        """While it lasts, a download from `host` is running."""
        with self._lock:
            self._crowd[host] += 1
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._crowd[host] -= 1
                self._running -= 1

    def share(self, host: str) -> int:
        """How many of a host's connections one of the downloads that are running may have."""
        throttle = self._throttle
        most = throttle.most_connections() if throttle is not None else None
        allowed = self.pool.most(host)
        return max(1, min(allowed, most or allowed) // max(1, self._crowd[host]))

    # --- the rate limit ----------------------------------------------------------------------------------

    @property
    def _throttle(self) -> Throttle | None:
        return None if self._limit is None else self._limit.throttle

    def block(self) -> int:
        """Bytes of one read."""
        most = SPARE_BLOCK if self.short_of_memory else BLOCK
        throttle = self._throttle
        return most if throttle is None else min(most, throttle.block(CONNECTIONS * self._running))

    def pause_for(self, count: int) -> float:
        """Account for `count` bytes read under a limit; seconds to wait before the next read."""
        throttle = self._throttle
        return 0.0 if throttle is None else throttle.take(count)

    def give_way(self, url: Url) -> None:
        """Under `-r auto`: from now on watch the delay to the server (or proxy) of `url`, the first one asked."""
        if self._limit is not None:
            self._limit.served(url)

    def steerable(self) -> RateLimit:
        """Before the first connection: `limit` is going to be called."""
        if self._limit is None:
            from fastdl.io.rate_limit import RateLimit

            self._limit = RateLimit(self._http.round_trip)  # not one of ours: they must not know each other
        return self._limit

    def limit(self, rate: int | str | None) -> None:
        """From any thread: from now on at most `rate` bytes a second, "auto", or as fast as it comes (None)."""
        self.steerable().change(rate)

    def rest(self, resting: bool) -> None:
        """Whether no connection is to stay open, or be made to measure something."""
        if self._limit is not None:
            self._limit.rest(resting)
        if resting:
            self.pool.close()
        else:
            self.pool.open()

    def close(self) -> None:
        """End idle connections."""
        if self._limit is not None:
            self._limit.close()
        if self._settler is not None:
            self._settler.hurry()
            self._settler = None  # they know each other: nobody has to look for such garbage
        self.pool.close()
        if self._store is not None:
            if self.many:
                from fastdl.io.caches import note_run

                note_run(self._store, self._mapper, self.resolver)
            self._store.close()


def _by_proxy(channel: Channel) -> tuple[bool, tuple[tuple[str, str], ...]]:
    """How requests on a connection of httpx's engine are to be written for its proxy."""
    return getattr(channel, "absolute_form", False), getattr(channel, "proxy_headers", ())
