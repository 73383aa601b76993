"""TCP connections: which address, from which interface, and how long to wait.

Several addresses are raced after RFC 8305 (Happy Eyeballs) with non-blocking connects in the caller's own thread,
so that giving up needs no other thread's help. A server is host *and* address: `turn` lets the connections to one
host begin at different addresses, and addresses that failed go to the end for everybody.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import sys
import time
from collections.abc import Callable, Sequence

from fastdl.core.hints import TYPE_CHECKING
from fastdl.errors import ConnectFailed, TimedOut, UsageError
from fastdl.io import phases
from fastdl.io.dns import Address, Resolver, interleave

if TYPE_CHECKING:
    from fastdl.settings import Settings

STAGGER = 0.25  # seconds between attempts: RFC 8305, section 5, "Connection Attempt Delay"
LOOK = 0.1  # seconds between two looks at `cancelled`

_REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.ENETUNREACH: "network unreachable",
    errno.EHOSTUNREACH: "host unreachable",
    errno.ETIMEDOUT: "no answer",
    errno.EADDRNOTAVAIL: "the address to connect from is not available",
    errno.EACCES: "the system forbids it",
    errno.EPERM: "the system forbids it",
    errno.EMFILE: "too many open files",
    errno.ENFILE: "too many open files",
    errno.EAFNOSUPPORT: "this system has no such address family",
}
_IP_BOUND_IF = 25  # <netinet/in.h> of macOS; Python has no names for the two
_IPV6_BOUND_IF = 125


class Dialer:
    """Makes connections as the settings say. Safe for threads. Raises UsageError at once for an --interface that
    this machine does not have."""

    def __init__(
        self, settings: Settings, resolver: Resolver, *, start: Callable[[Address], socket.socket] | None = None
    ) -> None:
        self.resolver = resolver
        self._connect_to = settings.connect_to
        self._interface = settings.interface
        self._local = _local_addresses(settings.interface) if settings.interface else {}
        self._start = self._begin if start is None else start

    def target_of(self, host: str, port: int) -> tuple[str, int]:
        """Where --connect-to sends a connection for `host`, `port`: the first rule that fits counts, an empty part
        fits all or keeps what was asked, as in curl."""
        for from_host, from_port, to_host, to_port in self._connect_to:
            if from_host and _bare(from_host) != host.lower():
                continue
            if from_port and int(from_port) != port:
                continue
            return _bare(to_host) or host, int(to_port) if to_port else port
        return host, port

    @phases.timed("connect")
    def connect(
        self,
        host: str,
        port: int,
        *,
        timeout: float,
        prefer: str | None = None,
        avoid: frozenset[str] = frozenset(),
        turn: int = 0,
        mapped: bool = True,
        cancelled: Callable[[], bool] | None = None,
    ) -> tuple[socket.socket, float, str]:
        """A connected blocking socket, the seconds that the connect took, and the peer's address.

        `timeout` covers the look-up and the connect. `prefer` is the address to begin with, those in `avoid` come
        last, `turn` rotates the rest. `mapped` applies --connect-to. `cancelled` is asked every 100 ms.
        Raises NameNotFound, ConnectFailed (also when cancelled), TimedOut."""
        deadline = time.monotonic() + timeout
        real_host, real_port = self.target_of(host, port) if mapped else (host, port)
        addresses = self.resolver.resolve(real_host, real_port, timeout, cancelled=cancelled)
        addresses = _in_order(addresses, prefer, avoid, turn)
        name = f"{real_host} port {real_port}"
        race = _Race(addresses, self._start, self.resolver)
        try:
            won = race.run(deadline, cancelled)
        finally:
            race.close()
        if won is not None:
            sock, address, seconds = won
            sock.setblocking(True)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock, seconds, address.text
        if cancelled is not None and cancelled():
            raise ConnectFailed(f"the connection to {name} was given up", "it is no longer needed")
        if race.pending_at_end:
            raise TimedOut(f"no connection to {name}", _reasons(race.failures, f"no answer within {timeout:g} s"))
        raise ConnectFailed(f"no connection to {name}", _reasons(race.failures))

    def _begin(self, address: Address) -> socket.socket:
        """A socket whose connect is under way. Raises OSError where it failed at once."""
        sock = socket.socket(address.family, socket.SOCK_STREAM)  # not inheritable (PEP 446)
        try:
            sock.setblocking(False)
            if self._interface:
                self._bind(sock, address)
            code = sock.connect_ex(address.sockaddr)
            if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", 0)):
                raise OSError(code, os.strerror(code))
        except BaseException:
            sock.close()
            raise
        return sock

    def _bind(self, sock: socket.socket, address: Address) -> None:
        name = self._interface or ""
        if name not in self._local.get("names", ()) or not _bind_to_device(sock, name, address.family):
            self._bind_address(sock, address)

    def _bind_address(self, sock: socket.socket, address: Address) -> None:
        family = "6" if address.family == socket.AF_INET6 else "4"
        own = self._local.get(family)
        if not own:
            raise OSError(errno.EADDRNOTAVAIL, "the interface has no address of this family")
        host = own[0]
        if family == "4":
            sock.bind((host, 0))
        else:
            scope = socket.getaddrinfo(host, 0, socket.AF_INET6, socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
            sock.bind(scope[0][4])


class _Race:
    """Connects under way to the addresses of one host; the first that is through wins."""

    def __init__(
        self, addresses: Sequence[Address], start: Callable[[Address], socket.socket], resolver: Resolver
    ) -> None:
        self._waiting = list(addresses)
        self._start = start
        self._resolver = resolver
        self._selector = selectors.DefaultSelector()
        self._running: dict[socket.socket, tuple[Address, float]] = {}
        self.failures: list[tuple[Address, int]] = []
        self.pending_at_end = False

    def run(self, deadline: float, cancelled: Callable[[], bool] | None) -> tuple[socket.socket, Address, float] | None:
        next_start = time.monotonic()
        while self._waiting or self._running:
            now = time.monotonic()
            if now >= deadline or (cancelled is not None and cancelled()):
                break
            if self._waiting and (now >= next_start or not self._running):
                under_way = self._launch(self._waiting.pop(0))
                next_start = time.monotonic() + STAGGER if under_way else 0.0
                continue
            until = min(deadline, next_start) if self._waiting else deadline
            for key, _ in self._selector.select(max(0.0, min(LOOK, until - now))):
                won = self._settle(key.fileobj)
                if won is not None:
                    return won
                next_start = 0.0  # an attempt failed: the next one need not wait (RFC 8305, section 5)
        self.pending_at_end = bool(self._running or self._waiting)
        if time.monotonic() >= deadline:
            for address, _ in self._running.values():
                self._resolver.mark_bad(address)
        return None

    def close(self) -> None:
        """Closes the losers."""
        for sock in self._running:
            sock.close()
        self._running.clear()
        self._selector.close()

    def _launch(self, address: Address) -> bool:
        """Whether a connect to `address` is under way."""
        try:
            sock = self._start(address)
        except OSError as error:
            self._failed(address, error.errno or 0)
            return False
        self._running[sock] = (address, time.monotonic())
        # On Windows a failed connect shows as an exceptional condition; SelectSelector reports it as writable.
        self._selector.register(sock, selectors.EVENT_WRITE)
        return True

    def _settle(self, fileobj: object) -> tuple[socket.socket, Address, float] | None:
        sock = next(s for s in self._running if s is fileobj)
        address, began = self._running.pop(sock)
        self._selector.unregister(sock)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            sock.close()
            self._failed(address, code)
            return None
        self._resolver.mark_good(address)
        # One that began earlier and is still silent is slower by a quarter of a second at least: next time last.
        for other, other_began in self._running.values():
            if other_began < began:
                self._resolver.mark_bad(other)
        return sock, address, time.monotonic() - began

    def _failed(self, address: Address, code: int) -> None:
        self.failures.append((address, code))
        self._resolver.mark_bad(address)


def reason_of(code: int) -> str:
    """An errno of a socket call in plain words."""
    return _REASONS.get(code) or os.strerror(code).lower() or f"error {code}"


def _reasons(failures: Sequence[tuple[Address, int]], more: str = "") -> str:
    if len(failures) == 1 and not more:
        return reason_of(failures[0][1])
    parts = [f"{address.text}: {reason_of(code)}" for address, code in failures[:4]]
    return ", ".join([*parts, more] if more else parts) or "there is no address to connect to"


def _in_order(addresses: list[Address], prefer: str | None, avoid: frozenset[str], turn: int) -> list[Address]:
    """`turn` rotates each family on its own, so that the family which works stays first."""
    if turn and addresses:
        first = addresses[0].family
        groups = [[a for a in addresses if a.family == first], [a for a in addresses if a.family != first]]
        addresses = interleave([a for g in groups if g for a in g[turn % len(g) :] + g[: turn % len(g)]])
    return sorted(addresses, key=lambda a: (a.text in avoid, a.text != prefer))


def _bare(host: str) -> str:
    return host.strip("[]").lower()


def _local_addresses(interface: str) -> dict[str, list[str]]:
    """What --interface names: {"4": [address], "6": [address], "names": [name]}. Raises UsageError if nothing here has
    that name or address."""
    import psutil

    wanted = _bare(interface)
    nics = psutil.net_if_addrs()
    for name, entries in nics.items():
        for entry in entries:
            if entry.family in (socket.AF_INET, socket.AF_INET6) and entry.address.partition("%")[0].lower() == wanted:
                return {"4" if entry.family == socket.AF_INET else "6": [entry.address]}
        if name == interface:
            return {
                "4": [e.address for e in entries if e.family == socket.AF_INET],
                "6": _global_first([e.address for e in entries if e.family == socket.AF_INET6]),
                "names": [name],
            }
    # Addresses of loopback beyond 127.0.0.1 are usable without being listed.
    if wanted.startswith("127."):
        return {"4": [wanted]}
    known = ", ".join(sorted(nics)[:8])
    raise UsageError(f"--interface: there is no interface or own address '{interface}'", f"there are {known}")


def _global_first(addresses: list[str]) -> list[str]:
    return sorted(addresses, key=lambda a: a.lower().startswith("fe80:"))


def _bind_to_device(sock: socket.socket, name: str, family: int) -> bool:
    """Ties the socket to an interface. False where the system has no way, or does not let this user: then the
    interface's address has to do."""
    if sys.platform == "linux":
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name.encode() + b"\0")
        except PermissionError:
            return False
        return True
    if sys.platform == "darwin":
        index = socket.if_nametoindex(name)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_BOUND_IF, index)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_BOUND_IF, index)
        return True
    return False
