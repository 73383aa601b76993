"""Names to addresses, once a run.

getaddrinfo knows no time limit, so each look-up has a daemon thread of its own: a resolver that is stuck costs
that thread and never holds up the end of the program. Answers are kept for some minutes and, where a later
look-up fails, longer: a download that has begun must not end because a DNS server hiccups.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.plain import dataclass
from fastdl.errors import ConnectFailed, NameNotFound, TimedOut
from fastdl.io import phases

if TYPE_CHECKING:
    from cachetools import LRUCache, TTLCache

KEEP = 300.0  # seconds an answer counts as fresh; CDNs steer by short-lived answers
BAD_FOR = 60.0  # seconds a failed address stays at the end of the list
MAX_HOSTS = 256

_DEFINITE = {
    value for name in ("EAI_NONAME", "EAI_NODATA") if (value := getattr(socket, name, None)) is not None
}  # the other codes speak of the resolver, not of the name


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a host, with its port: what a socket connects to."""

    family: int
    text: str  # "192.0.2.1", "2001:db8::1", "fe80::1%eth0"
    port: int
    flow: int = 0
    scope: int = 0

    @property
    def sockaddr(self) -> tuple[Any, ...]:
        """The tuple that socket.connect takes."""
        if self.family == socket.AF_INET6:
            return self.text.partition("%")[0], self.port, self.flow, self.scope
        return self.text, self.port


class _Lookup:
    """One running getaddrinfo; whoever asks for the same host meanwhile waits for the same one."""

    def __init__(self, ask: Callable[[], list[Address]]) -> None:
        self._ask = ask
        self.done = threading.Event()
        self.found: list[Address] = []
        self.error: OSError | UnicodeError | None = None
        threading.Thread(target=self._run, name="fastdl-dns", daemon=True).start()

    def _run(self) -> None:
        try:
            self.found = self._ask()
        except (OSError, UnicodeError) as error:
            self.error = error
        finally:
            self.done.set()


class Resolver:
    """Looks names up; safe for threads. `family` is 4, 6 or None for both."""

    def __init__(self, family: int | None = None, *, lookup: Callable[..., list[Any]] | None = None) -> None:
        self._family = {4: socket.AF_INET, 6: socket.AF_INET6}.get(family or 0, socket.AF_UNSPEC)
        self._lookup = _system_lookup if lookup is None else lookup
        self._lock = threading.Lock()
        self._running: dict[str, _Lookup] = {}
        # Made when they are first needed: importing cachetools takes longer than connecting to a literal address.
        self._answers: LRUCache[str, tuple[float, list[Address]]] | None = None
        self._bad: TTLCache[tuple[str, int], bool] | None = None

    @phases.timed("dns")
    def resolve(
        self, host: str, port: int, timeout: float, *, cancelled: Callable[[], bool] | None = None
    ) -> list[Address]:
        """The addresses of `host` in the order to try them: families in turns (RFC 8305, section 4), those that
        failed lately last. `timeout` is in seconds.

        Raises NameNotFound, TimedOut, or ConnectFailed for an address of the wrong family; NameNotFound is not
        retryable where the name was never known in this run."""
        addresses = self._literal(host)
        if addresses is None:
            addresses = self._known(host) or self._ask(host, timeout, cancelled)
        placed = [Address(a.family, a.text, port, a.flow, a.scope) for a in addresses]
        with self._lock:
            bad = {a for a in placed if self._bad is not None and (a.text, port) in self._bad}
        ordered = interleave(placed)
        return [a for a in ordered if a not in bad] + [a for a in ordered if a in bad]

    def held(self) -> list[Any]:
        """All answers, for who weighs them."""
        with self._lock:
            return [*(self._answers or {}).items(), *(self._bad or ())]

    def mark_bad(self, address: Address) -> None:
        """The address failed: it goes to the end of the list for a minute."""
        from cachetools import TTLCache

        with self._lock:
            if self._bad is None:
                self._bad = TTLCache(1024, BAD_FOR)
            self._bad[address.text, address.port] = True

    def mark_good(self, address: Address) -> None:
        """The address took a connection."""
        with self._lock:
            if self._bad is not None:
                self._bad.pop((address.text, address.port), None)

    def _literal(self, host: str) -> list[Address] | None:
        try:
            found = _system_lookup(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except (OSError, UnicodeError):
            return None
        addresses = _addresses(found)
        if self._family not in (socket.AF_UNSPEC, addresses[0].family):
            wanted = "IPv4" if self._family == socket.AF_INET else "IPv6"
            raise ConnectFailed(f"{host} is no {wanted} address", "the options -4 and -6 choose the family")
        return addresses

    def _known(self, host: str) -> list[Address] | None:
        with self._lock:
            answer = None if self._answers is None else self._answers.get(host)
        return answer[1] if answer is not None and time.monotonic() < answer[0] else None

    def _ask(self, host: str, timeout: float, cancelled: Callable[[], bool] | None) -> list[Address]:
        with self._lock:
            lookup = self._running.get(host)
            if lookup is None:
                lookup = self._running[host] = _Lookup(lambda: self._getaddrinfo(host))
        deadline = time.monotonic() + timeout
        from cachetools import LRUCache

        while not lookup.done.wait(min(0.1, max(0.0, deadline - time.monotonic()))):
            if time.monotonic() >= deadline or (cancelled is not None and cancelled()):
                break
        with self._lock:
            if self._answers is None:
                self._answers = LRUCache(MAX_HOSTS)
            stale = self._answers.get(host)
            if lookup.done.is_set() and self._running.get(host) is lookup:
                del self._running[host]
            if lookup.found:
                self._answers[host] = (time.monotonic() + KEEP, lookup.found)
                return lookup.found
        if stale is not None:
            return stale[1]
        raise _failure(host, lookup, timeout)

    def _getaddrinfo(self, host: str) -> list[Address]:
        return _addresses(self._lookup(host, None, self._family, socket.SOCK_STREAM))


def _system_lookup(host: str, *asked: Any, **more: Any) -> list[Any]:
    """The system's. A name in ASCII goes to it as bytes: text would pass Python's codec for international names, which
    takes longer to import than a literal address takes to connect to."""
    return socket.getaddrinfo(host.encode("ascii") if host.isascii() else host, *asked, **more)


def interleave(addresses: list[Address]) -> list[Address]:
    """The families in turns, beginning with the family of the first (RFC 8305, section 4)."""
    first = [a for a in addresses if a.family == addresses[0].family]
    other = [a for a in addresses if a.family != addresses[0].family]
    mixed: list[Address] = []
    for n in range(max(len(first), len(other))):
        mixed += first[n : n + 1] + other[n : n + 1]
    return mixed


def _addresses(found: list[Any]) -> list[Address]:
    addresses: list[Address] = []
    for family, _, _, _, sockaddr in found:
        if family == socket.AF_INET:
            address = Address(int(family), sockaddr[0], 0)
        elif family == socket.AF_INET6 and len(sockaddr) == 4:
            address = Address(int(family), sockaddr[0], 0, sockaddr[2], sockaddr[3])
        else:
            continue
        if address not in addresses:
            addresses.append(address)
    return addresses


def _failure(host: str, lookup: _Lookup, timeout: float) -> NameNotFound | TimedOut:
    if not lookup.done.is_set():
        return TimedOut(f"the name {host} was not resolved", f"no answer from DNS within {timeout:g} s")
    if isinstance(lookup.error, OSError) and lookup.error.errno not in _DEFINITE:
        return NameNotFound(f"the name {host} cannot be resolved", "DNS does not answer")
    missing = NameNotFound(f"the name {host} cannot be resolved", "DNS knows no such host")
    missing.retryable = False
    return missing
