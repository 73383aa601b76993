"""Which proxy a URL goes through: --proxy, or the variables that curl, wget and others read.

There is no standard for the variables; where programs differ this follows curl: lower case wins, HTTP_PROXY in upper
case is not read under CGI (a request header `Proxy:` would set it, CVE-2016-5385), no_proxy holds names with the
domains below them, addresses, networks, ports and `*`, and also limits --proxy.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.plain import dataclass, field
from fastdl.errors import UsageError

if TYPE_CHECKING:
    import ipaddress

    from fastdl.core.urls import Url
    from fastdl.settings import Settings

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


@dataclass(frozen=True, slots=True)
class ProxyChoice:
    """A proxy to go through. Its repr holds no secret."""

    scheme: str  # "http", "https", "socks5" (names are resolved here) or "socks5h" (by the proxy)
    host: str
    port: int
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def socks(self) -> bool:
        return self.scheme.startswith("socks")

    @property
    def name(self) -> str:
        """The proxy as messages show it."""
        return f"{self.host} port {self.port}"

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What an HTTP proxy is told and nobody else: basic authentication (RFC 7617), if there is userinfo."""
        if self.username is None or self.socks:
            return ()
        import base64

        login = f"{self.username}:{self.password or ''}".encode("utf-8", "surrogateescape")
        return (("Proxy-Authorization", "Basic " + base64.b64encode(login).decode("ascii")),)


class ProxyRules:
    """The proxies in force for one run. Raises UsageError for a proxy URL that cannot be used, whose name (the option
    or the variable) it gives."""

    def __init__(self, settings: Settings, environ: Mapping[str, str] | None = None) -> None:
        variables = (os.environ if environ is None else environ) if settings.use_proxy else {}
        self._exceptions = _NoProxy(variables.get("no_proxy") or variables.get("NO_PROXY") or "")
        self._by_scheme: dict[str, ProxyChoice] = {}
        for scheme in ("http", "https"):
            name, text = "--proxy", settings.proxy
            if text is None:
                name, text = variable_of(variables, scheme)
            if text:
                self._by_scheme[scheme] = parse_proxy(text, name)

    def choose(self, url: Url) -> ProxyChoice | None:
        """The proxy for `url`, None to go there directly."""
        choice = self._by_scheme.get(url.scheme)
        return None if choice is None or self._exceptions.covers(url.host, url.port) else choice


def parse_proxy(text: str, name: str) -> ProxyChoice:
    """The proxy of a URL; without a scheme it is an HTTP proxy. `name` is the option or variable that the UsageError
    speaks of; the text is not shown, since it may hold a password."""
    from urllib.parse import unquote, urlsplit

    if re.search(r"[\x00-\x20\x7f]", text.strip()):
        raise UsageError(f"{name} cannot be used", "the proxy's URL holds a space or a control character")
    try:
        parts = urlsplit(text.strip() if "://" in text else f"http://{text.strip()}")
        port = parts.port
    except ValueError:
        raise UsageError(f"{name} cannot be used", "the port or the address in the proxy's URL is not valid") from None
    if port == 0:
        raise UsageError(f"{name} cannot be used", "the port in the proxy's URL is not valid")
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise UsageError(f"{name} cannot be used", "a proxy's URL begins with http, https, socks5 or socks5h")
    host = _host(parts.hostname or "", name)
    username = None if parts.username is None else unquote(parts.username, errors="surrogateescape")
    password = None if parts.password is None else unquote(parts.password, errors="surrogateescape")
    if re.search(r"[\x00-\x1f\x7f]", (username or "") + (password or "")):
        raise UsageError(f"{name} cannot be used", "the proxy's user name or password holds a control character")
    return ProxyChoice(scheme, host, port or _PORTS[scheme], username, password)


def _host(host: str, name: str) -> str:
    if not host.isascii():
        import idna

        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError:
            host = ""
    if not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f]*:[0-9a-f:.]*(?:%[\w.-]+)?", host.lower(), re.ASCII):
        raise UsageError(f"{name} cannot be used", "the proxy's URL names no valid host")
    return host.lower()


def variable_of(variables: Mapping[str, str], scheme: str) -> tuple[str, str]:
    """The variable that names the proxy for URLs of `scheme`, and its value; both empty where none does."""
    names = [f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"]
    if "REQUEST_METHOD" in variables:
        names = [name for name in names if name != "HTTP_PROXY"]
    for name in names:
        if variables.get(name):
            return name, variables[name]
    return "", ""


class _NoProxy:
    """The list of no_proxy: what goes directly."""

    def __init__(self, text: str) -> None:
        self._all = False
        self._names: list[tuple[str, int | None]] = []
        self._networks: list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, int | None]] = []
        for item in re.split(r"[,\s]+", text.strip()) if text else ():
            if item == "*":
                self._all = True
            elif item:
                self._add(item.lower())

    def _add(self, item: str) -> None:
        import ipaddress

        bare, port = _split_port(item)
        try:
            self._networks.append((ipaddress.ip_network(bare.strip("[]"), strict=False), port))
        except ValueError:
            name = bare.removeprefix("*").strip(".")
            if name:
                self._names.append((name, port))

    def covers(self, host: str, port: int) -> bool:
        if self._all or not (self._names or self._networks):
            return self._all
        import ipaddress

        host = host.rstrip(".").lower()
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return any(
                (host == name or host.endswith("." + name)) and wanted in (None, port) for name, wanted in self._names
            )
        return any(address in network and wanted in (None, port) for network, wanted in self._networks)


def _split_port(item: str) -> tuple[str, int | None]:
    """Host and port of an entry: "host:8080", "[::1]:8080"; "2001:db8::1" has no port."""
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]*):(\d{1,5})", item, re.ASCII)
    return (match[1], int(match[2])) if match else (item, None)
