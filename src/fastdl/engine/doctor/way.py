"""The way to one server, step by step, with the very parts that a download uses: name, addresses, proxy, TLS, answer.

Each step that works opens the next one; what could not be tried is not spoken of. No step waits longer than a few
seconds, and no body is fetched: the request asks for one byte.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.plain import replace
from fastdl.core.record import Record
from fastdl.core.urls import Url
from fastdl.engine.doctor import tls_trouble
from fastdl.engine.doctor.answer import check_answer
from fastdl.engine.doctor.finding import INFO, OK, WRONG, Finding, of_error
from fastdl.engine.doctor.reach import reach
from fastdl.errors import ConnectionLost, FastdlError, NetworkError, ProxyFailed, TimedOut, TlsFailed, UsageError
from fastdl.io import trust_store
from fastdl.io.dial import Dialer
from fastdl.io.dns import Resolver
from fastdl.io.http import HTTP11, HttpSession
from fastdl.io.proxy import ProxyChoice, variable_of

if TYPE_CHECKING:
    from fastdl.engine.doctor.disks import Folder
    from fastdl.engine.doctor.finding import Tell
    from fastdl.settings import Settings

STEP = 3.0  # seconds for one step
_RETRY = "The connection works, the answer does not come: try again later, or another network."
NAMES = ("proxy", "dns", "ipv4", "ipv6", "tls", "http", "clock")


class Errand(Record):
    """What to examine. `given`: the user named the URL, so that its answer matters and not just that there is one;
    `place`: where its file would go."""

    settings: Settings
    url: Url
    given: bool
    place: Folder


def check_way(errand: Errand, tell: Tell, *, resolver: Callable[[int | None], Resolver] = Resolver) -> None:
    """Examine the way to the errand's URL. Raises UsageError for settings that no connection can be made with."""
    settings, url = patient(errand.settings), errand.url
    try:
        dialer = Dialer(settings, resolver(settings.family))
    except UsageError as error:  # --interface
        tell(of_error("config", error))
        return
    session = HttpSession(settings, dialer)
    proxy = session.proxy_for(url)
    host, port = (proxy.host, proxy.port) if proxy is not None else dialer.target_of(url.host, url.port)
    if proxy is None:
        tell(Finding("proxy", OK, f"none for {url.host}"))
    addresses = _resolved(dialer.resolver, host, port, errand.given or proxy is not None, tell)
    if not addresses or not reach(dialer, host, port, addresses, settings, tell):
        if proxy is not None:
            advice = _without_proxy(settings, url, proxy, dialer)
            tell(Finding("proxy", WRONG, f"the proxy {proxy.name} cannot be reached", advice))
        return
    if proxy is not None and not _proxy_speaks_tls(settings, dialer, proxy, tell):
        return
    if not _dialled(settings, url, session, proxy, tell):
        return
    sound = Finding("proxy", OK, f"{proxy.scheme} proxy {proxy.name}{_origin(settings, url)}") if proxy else None
    if sound is not None and url.scheme == "https":  # what comes now is the server's
        tell(sound)
    try:
        check_answer(settings, url, errand.given, errand.place, tell)
    except FastdlError as error:
        tell(_unanswered(settings, url, proxy, dialer, error))
    else:
        if sound is not None and url.scheme == "http":
            tell(sound)


def _unanswered(settings: Settings, url: Url, proxy: ProxyChoice | None, dialer: Dialer, error: FastdlError) -> Finding:
    """No answer came. Where a proxy speaks for the server, either may be to blame: the way without it tells."""
    if isinstance(error, ProxyFailed):
        return of_error("proxy", error)
    if proxy is not None and url.scheme == "http" and isinstance(error, NetworkError):
        text = f"no answer by way of the proxy {proxy.name}: {error.what} ({error.why})"
        return Finding("proxy", WRONG, text, _without_proxy(settings, url, proxy, dialer))
    return of_error("http", error, _RETRY if isinstance(error, TimedOut | ConnectionLost) else "")


def patient(settings: Settings) -> Settings:
    """The settings with waits of a few seconds, and without what takes time."""
    return replace(
        settings,
        connect_timeout=min(settings.connect_timeout, STEP),
        timeout=min(settings.timeout, STEP),
        retries=0,
        limit_rate=None,
    )


# --- names -----------------------------------------------------------------------------------------------


def _resolved(resolver: Resolver, host: str, port: int, typed: bool, tell: Tell) -> list[str]:
    """The addresses of a host. `typed`: a person wrote its name."""
    began = time.monotonic()
    try:
        found = resolver.resolve(host, port, STEP)
    except FastdlError as error:
        tell(of_error("dns", error, _dns_advice(error, host, typed)))
        return []
    texts = [address.text for address in found]
    if texts == [host]:
        tell(Finding("dns", INFO, f"not needed: {host} is an address"))
        return texts
    if any(text in ("0.0.0.0", "::") for text in texts):
        advice = "A filter (or the hosts file) blocks this name: allow it there, or use another DNS server."
        tell(Finding("dns", WRONG, f"DNS answers {texts[0]} for {host}, which is no host's address", advice))
        return []
    taken = 1000 * (time.monotonic() - began)
    count = "1 address" if len(texts) == 1 else f"{len(texts)} addresses"
    tell(Finding("dns", OK, f"{count} of {host} in {taken:.0f} ms"))
    return texts


def _dns_advice(error: FastdlError, host: str, typed: bool) -> str:
    if "address" in error.what:  # a literal one of the other family
        return error.hint
    servers = name_servers("/etc/resolv.conf")
    if typed and servers != [] and "knows no such host" in error.why:
        return f"Check the spelling of {host}; a name of an internal network needs its VPN."
    if servers == []:
        return "/etc/resolv.conf names no server: check the network connection or write a 'nameserver' line."
    asked = f" ({', '.join(servers[:2])})" if servers else ""
    return f"Check the network connection and the DNS server{asked}; another network or VPN may help."


def name_servers(path: str) -> list[str] | None:
    """The DNS servers in a resolv.conf; None where there is no such file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            words = [line.split() for line in file]
    except OSError:
        return None
    return [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]


# --- proxy and TLS ---------------------------------------------------------------------------------------


def _origin(settings: Settings, url: Url) -> str:
    """Where the proxy is named, if it is a variable."""
    name = variable_of(os.environ, url.scheme)[0] if settings.proxy is None else ""
    return f" (from {name})" if name else ""


def _proxy_speaks_tls(settings: Settings, dialer: Dialer, proxy: ProxyChoice, tell: Tell) -> bool:
    """Whether an https proxy takes TLS; other kinds are not asked for it."""
    if proxy.scheme != "https":
        return True
    try:
        context = trust_store.client_context(settings, HTTP11)
        sock, _, _ = dialer.connect(proxy.host, proxy.port, timeout=STEP, mapped=False)
        trust_store.wrap(sock, proxy.host, context, time.monotonic() + STEP).close()
    except NetworkError as error:
        # Most proxies take plain HTTP, those whose URL goes into https_proxy too.
        plain = not isinstance(error, TlsFailed) or "speak TLS" in error.why
        advice = f"If it takes plain HTTP, as most do, write http://{proxy.host}:{proxy.port}." if plain else ""
        tell(of_error("proxy", error, advice))
        return False
    return True


def _dialled(settings: Settings, url: Url, session: HttpSession, proxy: ProxyChoice | None, tell: Tell) -> bool:
    """Make a connection as a download does, TLS included, tell of it and close it. False where it fails; true as well
    where it cannot be tried on its own (TLS in the TLS of a proxy)."""
    try:
        if url.scheme == "https":
            trust_store.client_context(settings, HTTP11)  # what is wrong with it needs no connection
        link = session.dial(url)
    except ProxyFailed as error:
        advice = _without_proxy(settings, url, proxy, session.dialer) if proxy is not None else ""
        tell(of_error("proxy", error, f"{_proxy_advice(error, proxy)} {advice}".strip()))
        return False
    except UsageError as error:
        if "--cacert" in error.what:  # which has a check of its own
            tell(Finding("tls", INFO, "not tried: the authorities to trust cannot be read"))
        else:
            tell(of_error("tls", error))
        return False
    except FastdlError as error:
        if error.why == trust_store.NO_COMMON_HTTP and settings.http != "1.1":
            tell(Finding("tls", OK, "the server insists on HTTP/2"))  # which the request tries next
            return True
        trouble = tls_trouble.explained(settings, session.dialer, url, error) if url.scheme == "https" else None
        for finding in trouble or [of_error("http", error)]:
            tell(finding)
        return False
    if link is not None:
        if url.scheme == "https":
            tell(tls_trouble.described(link.sock, settings))
        with contextlib.suppress(OSError):
            link.sock.close()
    return True


def _proxy_advice(error: ProxyFailed, proxy: ProxyChoice | None) -> str:
    if proxy is None:
        return error.hint
    if "speak HTTP" in error.why:
        return f"It may be a SOCKS proxy: socks5h://{proxy.host}:{proxy.port}."
    if "speak SOCKS" in error.why:
        return f"It may be an HTTP proxy: http://{proxy.host}:{proxy.port}."
    return error.hint


def _without_proxy(settings: Settings, url: Url, proxy: ProxyChoice, dialer: Dialer) -> str:
    """What to do about a proxy that fails: whether the way is free without it."""
    direct = replace(settings, use_proxy=False, proxy=None)
    try:
        link = HttpSession(direct, dialer).dial(url)
    except FastdlError:
        return f"Check its address; {url.host} cannot be reached without it either."
    if link is not None:
        link.sock.close()
    name = variable_of(os.environ, url.scheme)[0] if settings.proxy is None else ""
    return f"Without it the connection works: use --no-proxy{f', or unset {name}' if name else ''}."
