"""Cookies: which go to a URL, and what a response may set.

A login page that sets a cookie and redirects to the file is common, so cookies from a file and cookies set in
this run live in one jar. The rules are RFC 6265 with the prefixes of its successor; there is no list of public
suffixes here, so a cookie for a domain without a dot is refused and the jar never outlives the run.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext

from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.pattern import pattern
from fastdl.core.plain import dataclass, field
from fastdl.errors import UsageError

if TYPE_CHECKING:
    from fastdl.core.urls import Url

MAX_LEARNED = 200  # cookies that servers set in one run; the oldest goes first
MAX_COOKIE = 4096  # bytes of name and value together (RFC 6265bis, section 5.6)
MAX_HEADER = 8190  # bytes of one Cookie header: what common servers take

_CONTROL = pattern(r"[\x00-\x1f\x7f]")
_MONTHS = {"janfebmaraprmayjunjulaugsepoctnovdec"[3 * n : 3 * n + 3]: n + 1 for n in range(12)}
_DATE_DELIMITER = pattern(r"[\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_TIME = pattern(r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\D.*)?")
_NUMBER = pattern(r"(\d+)(?:\D.*)?")


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie. `domain` is lower-case without a leading dot; `expires` is seconds since 1970, None for a
    cookie that ends with the session; name and value are text of octets (latin-1)."""

    name: str
    value: str = field(repr=False)
    domain: str
    host_only: bool
    path: str = "/"
    secure: bool = False
    expires: float | None = None

    def goes_to(self, url: Url) -> bool:
        """Whether host, path and scheme fit (RFC 6265, section 5.4); the time is not looked at."""
        if self.secure and url.scheme != "https":
            return False
        fits = url.host == self.domain if self.host_only else domain_matches(url.host, self.domain)
        return fits and _path_matches(url.path, self.path)


class CookieJar:
    """The cookies of one run. `lock` guards it where several threads use it: the shell lends one, since
    nothing here may know of threads."""

    def __init__(self, cookies: Iterable[Cookie] = (), lock: AbstractContextManager[object] | None = None) -> None:
        self._lock = nullcontext() if lock is None else lock
        self._given: dict[str, list[Cookie]] = {}
        for cookie in cookies:
            self._given.setdefault(cookie.domain, []).append(cookie)
        # What servers set wins over what was given, and an expired one hides it: that is how a server deletes.
        self._learned: dict[tuple[str, str, str], Cookie] = {}

    def header(self, url: Url, now: float) -> str | None:
        """The value of the Cookie header for `url` at `now` (seconds since 1970), or None."""
        with self._lock:
            found: dict[tuple[str, str, str], Cookie] = {}
            for domain in _domains(url.host):
                for cookie in self._given.get(domain, ()):
                    found[_key(cookie)] = cookie
            found.update(self._learned)
        live = [c for c in found.values() if (c.expires is None or c.expires > now) and c.goes_to(url)]
        live.sort(key=lambda c: -len(c.path))  # the longest path first; the sort keeps the order otherwise
        text = ""
        for cookie in live:
            pair = f"{cookie.name}={cookie.value}" if cookie.name else cookie.value
            if len(text) + len(pair) + 2 > MAX_HEADER:
                break
            text = f"{text}; {pair}" if text else pair
        return text or None

    def store(self, url: Url, set_cookie_headers: Iterable[str], now: float) -> None:
        """Take in the Set-Cookie headers of a response from `url`. What breaks a rule is left out silently:
        a download must not fail for a cookie."""
        for header in set_cookie_headers:
            cookie = parse_set_cookie(header, url, now)
            if cookie is None:
                continue
            with self._lock:
                self._learned.pop(_key(cookie), None)
                self._learned[_key(cookie)] = cookie
                while len(self._learned) > MAX_LEARNED:
                    self._learned.pop(next(iter(self._learned)))


def parse_set_cookie(header: str, url: Url, now: float) -> Cookie | None:
    """One Set-Cookie value (RFC 6265, section 5.2), or None where it has to be ignored."""
    if len(header) > 2 * MAX_COOKIE or _CONTROL.search(header.replace("\t", " ")):
        return None
    pair, _, rest = header.partition(";")
    name, equals, value = pair.partition("=")
    if not equals:
        return None
    name, value = name.strip(" \t"), value.strip(" \t")
    if not name or len(name) + len(value) > MAX_COOKIE:
        return None
    attributes = _attributes(rest)
    domain, host_only = url.host, True
    wanted = attributes.get("domain", "").lower().removeprefix(".")
    if wanted and wanted != url.host:
        if not domain_matches(url.host, wanted) or "." not in wanted:
            return None
        domain, host_only = wanted, False
    elif wanted:
        host_only = _is_address(url.host)
    path = attributes.get("path", "")
    secure = "secure" in attributes
    cookie = Cookie(
        name,
        value,
        domain,
        host_only,
        path if path.startswith("/") else _default_path(url.path),
        secure,
        _expiry(attributes, now),
    )
    return cookie if _prefix_holds(cookie, url, "domain" in attributes) else None


def domain_matches(host: str, domain: str) -> bool:
    """RFC 6265, section 5.1.3: the same, or below it; an address is never below anything."""
    return host == domain or (host.endswith("." + domain) and not _is_address(host))


def parse_cookie_file(text: str, name: str) -> list[Cookie]:
    """The cookies of a file in Netscape's format or in JSON as browser extensions write it. `name` is the file's
    name for the error: UsageError that names file and line (or entry), never a value."""
    if text.lstrip()[:1] in ("[", "{"):
        return list(_from_json(text, name))
    return list(_from_netscape(text, name))


def octets(text: str) -> str:
    """The UTF-8 octets of `text` as latin-1 text, the form in which header values travel here."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


# --- files -----------------------------------------------------------------------------------------------


def _from_netscape(text: str, name: str) -> Iterator[Cookie]:
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.removesuffix("\r")
        line = line.removeprefix("#HttpOnly_")
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) == 6:
            fields.append("")  # an empty value whose tab an editor took away
        where = f"cookie file {name}, line {number}"
        if len(fields) != 7:
            raise UsageError(f"{where} is broken", f"it has {len(fields)} fields between tabs instead of 7")
        domain, below, path, secure, expires, key, value = fields
        if below.upper() not in ("TRUE", "FALSE") or secure.upper() not in ("TRUE", "FALSE"):
            raise UsageError(f"{where} is broken", "fields 2 and 4 have to be TRUE or FALSE")
        yield _checked(where, domain, below.upper() == "FALSE", path, secure.upper() == "TRUE", expires, key, value)


def _from_json(text: str, name: str) -> Iterator[Cookie]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise UsageError(f"cookie file {name}, line {line} is broken", "it begins like JSON and is none") from None
    entries: Any = data.get("cookies") if isinstance(data, dict) else data
    if not isinstance(entries, list):
        raise UsageError(f"cookie file {name} is broken", "the JSON holds no list of cookies")
    for number, entry in enumerate(entries, 1):
        where = f"cookie file {name}, entry {number}"
        if not isinstance(entry, dict):
            raise UsageError(f"{where} is broken", "it is no JSON object")
        texts = [entry.get(key) for key in ("name", "value", "domain")]
        if not all(isinstance(item, str) for item in texts):
            raise UsageError(f"{where} is broken", "name, value and domain have to be texts")
        key, value, domain = (str(item) for item in texts)
        host_only = bool(entry.get("hostOnly", not domain.startswith(".")))
        path = entry.get("path") or "/"
        expires = entry.get("expirationDate", entry.get("expires"))
        if entry.get("session") is True or expires is None:
            expires = 0
        yield _checked(where, domain, host_only, str(path), bool(entry.get("secure")), str(expires), key, value)


def _checked(
    where: str, domain: str, host_only: bool, path: str, secure: bool, expires: str, name: str, value: str
) -> Cookie:
    try:
        end = float(expires or 0)
    except ValueError:
        raise UsageError(f"{where} is broken", "the time of expiry is no number") from None
    if math.isnan(end):
        raise UsageError(f"{where} is broken", "the time of expiry is no number")
    if _CONTROL.search(name + value + domain + path):
        raise UsageError(f"{where} is broken", "it holds a control character")
    host = domain.strip().lower().removeprefix(".")
    if not host:
        raise UsageError(f"{where} is broken", "it names no domain")
    return Cookie(
        octets(name),
        octets(value),
        host,
        host_only,
        path if path.startswith("/") else "/",
        secure,
        end if end > 0 else None,
    )


# --- the rules of RFC 6265 -------------------------------------------------------------------------------


def _key(cookie: Cookie) -> tuple[str, str, str]:
    return cookie.domain, cookie.path, cookie.name


def _domains(host: str) -> Iterator[str]:
    """`host` and every domain that it is below."""
    yield host
    while not _is_address(host) and "." in host:
        host = host.partition(".")[2]
        yield host


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def _path_matches(path: str, cookie_path: str) -> bool:
    if not path.startswith(cookie_path):
        return False
    return cookie_path.endswith("/") or len(path) == len(cookie_path) or path[len(cookie_path)] == "/"


def _default_path(path: str) -> str:
    return path[: path.rfind("/")] or "/" if path.startswith("/") else "/"


def _attributes(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split(";"):
        key, _, value = part.partition("=")
        found[key.strip(" \t").lower()] = value.strip(" \t")  # the last one counts
    return found


def _prefix_holds(cookie: Cookie, url: Url, has_domain: bool) -> bool:
    """Secure cookies come over TLS only, and the prefixes promise what they say (RFC 6265bis, section 4.1.3)."""
    if cookie.secure and url.scheme != "https":
        return False
    name = cookie.name.lower()
    if name.startswith("__secure-"):
        return cookie.secure
    if name.startswith("__host-"):
        return cookie.secure and not has_domain and cookie.path == "/"
    return True


def _expiry(attributes: dict[str, str], now: float) -> float | None:
    age = attributes.get("max-age", "")
    if re.fullmatch(r"-?\d+", age, re.ASCII):
        return now + min(int(age[:12]), 400 * 86400)
    return _date(attributes["expires"]) if "expires" in attributes else None


def _date(text: str) -> float | None:
    """The tolerant date of RFC 6265, section 5.1.1; None if it is none."""
    clock: tuple[int, int, int] | None = None
    day = month = year = None
    for token in _DATE_DELIMITER.split(text):
        if clock is None and (match := _TIME.fullmatch(token)):
            clock = (int(match[1]), int(match[2]), int(match[3]))
        elif day is None and (match := _NUMBER.fullmatch(token)) and len(match[1]) <= 2:
            day = int(match[1])
        elif month is None and token[:3].lower() in _MONTHS:
            month = _MONTHS[token[:3].lower()]
        elif year is None and (match := _NUMBER.fullmatch(token)) and len(match[1]) in (2, 4):
            year = int(match[1])
            year += (1900 if year >= 70 else 2000) if year < 100 else 0
    if clock is None or day is None or month is None or year is None or year < 1601:
        return None
    from datetime import datetime, timezone

    try:
        return datetime(year, month, day, *clock, tzinfo=timezone.utc).timestamp()
    except ValueError:
        return None
