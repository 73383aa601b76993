"""URLs and proxies in curl's notation, brought into ours."""

from __future__ import annotations

import re
from urllib.parse import quote

_GLOB = re.compile(r"\{[^{}]*\}|\[(?:\d+-\d+|[A-Za-z]-[A-Za-z])(?::\d+)?\]")
_MARKED = re.compile(r"\\([][{}])")
_ADDRESS = re.compile(r"//(?:[^/@]*@)?\[[0-9A-Fa-f:.%]+\]")


def place_of(url: str) -> tuple[str, str]:
    """Host with port, and host alone, of a URL that may be none; in lower case."""
    found = re.match(r"[^:/?#]*://(?:[^/?#]*@)?([^/?#]*)", url)
    place = found[1].lower() if found else ""
    return place, re.sub(r":[0-9]*\Z", "", place).strip("[]")


def last_segment(url: str) -> str:
    """What stands behind the last slash of the path."""
    return re.split("[?#]", re.sub(r"^[^:/?#]*://[^/?#]*", "", url))[0].rpartition("/")[2]


def has_pattern(url: str) -> bool:
    """Whether curl would make several URLs of it: `{a,b}`, `[1-9]`. Brackets with a backslash are just that."""
    return _GLOB.search(_ADDRESS.sub("//", _MARKED.sub("", url))) is not None


def without_marks(url: str) -> str:
    """The URL without the backslashes before brackets and braces that say they are no pattern."""
    return _MARKED.sub(r"\1", url)


def encoded(text: str) -> str:
    """As curl's --data-urlencode writes it in a query."""
    return quote(text.encode("utf-8", "surrogateescape"), safe="-._~").replace("%20", "+")


def covers(item: str, host: str) -> bool:
    """Whether an item of curl's --noproxy means `host`."""
    name = item.lower().strip(".").strip("[]")
    return host == name or host.endswith("." + name)


def full_proxy(text: str, user: str | None) -> str:
    """The proxy with curl's defaults, which are not ours: port 1080, and http where no scheme is named."""
    scheme, mark, rest = text.partition("://")
    scheme, rest = (scheme, rest) if mark else ("http", text)
    before, at, place = rest.rstrip("/").rpartition("@")
    if not re.search(r":\d+$", place):
        place += ":443" if scheme.lower() == "https" else ":1080"
    if user is not None:
        name, colon, password = user.partition(":")
        before, at = quote(name, safe="") + colon + quote(password, safe=""), "@"
    return f"{scheme}://{before}{at}{place}"


def with_query(url: str, query: str) -> str:
    if not query:
        return url
    url, mark, fragment = url.partition("#")
    joint = "&" if "?" in url and not url.endswith(("?", "&")) else "" if "?" in url else "?"
    return f"{url}{joint}{query}{mark}{fragment}"
