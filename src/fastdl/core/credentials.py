"""Who asks: every header beyond Range, and which of them may go where.

Invariant 5 of the design lives here: a secret goes to the origin that it was given for and nowhere else. The
caller says for which URL the user gave the secrets (`given_for`); a mirror is asked with None and gets nothing
but the public headers. Header values are text of octets: latin-1, one character a byte, as they go out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from fastdl import __version__
from fastdl.core.cookies import CookieJar, octets
from fastdl.core.pattern import pattern
from fastdl.core.plain import dataclass, field
from fastdl.core.redirect import may_carry_secrets
from fastdl.core.shown import is_masked, is_plain
from fastdl.core.urls import Url
from fastdl.errors import UsageError

Headers = tuple[tuple[str, str], ...]

# These say which bytes are asked for and how they travel: a user's value would make the answer mean something
# else than the engine believes (RFC 9110, section 14; RFC 9112, sections 6 and 9).
RESERVED = frozenset(
    {"range", "if-range", "content-length", "transfer-encoding", "accept-encoding", "connection", "keep-alive"}
    | {"proxy-connection", "upgrade", "expect", "te", "trailer"}
)
_TOKEN = pattern(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NOT_IN_VALUE = pattern(r"[\x00-\x08\x0a-\x1f\x7f]")
_CONTROL = pattern(r"[\x00-\x1f\x7f]")
_USERINFO = pattern(r"^([A-Za-z][A-Za-z0-9+.\-]*://)[^/?#]*@")


@dataclass(frozen=True, slots=True)
class NetrcEntry:
    """One login of a .netrc; `machine` is None for the default entry."""

    machine: str | None
    login: str
    password: str = field(repr=False)


class Credentials:
    """What the user gave for this run. Immutable but for the cookies that servers set.

    Raises UsageError for a header that cannot be sent, and for two ways of authentication at once."""

    def __init__(
        self,
        *,
        headers: Sequence[tuple[str, str]] = (),
        user_agent: str | None = None,
        referer: str | None = None,
        user: tuple[str, str] | None = None,
        bearer: str | None = None,
        netrc: Sequence[NetrcEntry] = (),
        cookies: CookieJar | None = None,
    ) -> None:
        if user is not None and bearer is not None:
            raise UsageError("-u and --bearer-env exclude each other", "both set the Authorization header")
        for name, value in headers:
            check_header(name, value)
        self._headers = tuple((name, _latin(value.strip(" \t"))) for name, value in headers)
        self._replaced = frozenset(name.lower() for name, _ in headers)
        agent = f"fastdl/{__version__}" if user_agent is None else user_agent
        self._public = [("User-Agent", _value("User-Agent", agent))] if agent else []
        self._public += [("Accept", "*/*"), ("Accept-Encoding", "identity")]
        self._referer = _value("Referer", _without_userinfo(referer)) if referer else None
        self._referer_is_secret = referer is not None and is_masked(_without_userinfo(referer))
        self._user = user
        self._basic = None if user is None else basic(*user)
        self._bearer = None if bearer is None else "Bearer " + _value("Authorization", bearer)
        self._netrc = tuple(netrc)
        self._cookies = CookieJar() if cookies is None else cookies

    def __repr__(self) -> str:
        return "Credentials(***)"

    def headers_for(self, url: Url, given_for: Url | None, now: float) -> Headers:
        """Everything to send to `url` beyond Host and Range, at `now` (seconds since 1970).

        `given_for` is the URL that the user gave, of which `url` is the same or a redirect; None says that no
        secret may go (a mirror; only userinfo that stands in its own URL goes with it). A Host header appears
        where the user overrode it. Raises UsageError for userinfo that cannot be sent."""
        private = given_for is not None and may_carry_secrets(given_for, url)
        sent = list(self._public)
        if self._referer is not None and (private or not self._referer_is_secret):
            sent.append(("Referer", self._referer))
        if private:
            sent = [(name, value) for name, value in sent if name.lower() not in self._replaced]
            sent += self._headers
        if not (private and "authorization" in self._replaced):
            authorization = self._authorization(url, given_for, private)
            if authorization is not None:
                sent.append(("Authorization", authorization))
        cookies = self._cookies.header(url, now) if given_for is not None else None
        return _with_cookies(sent, cookies) if cookies else tuple(sent)

    def has_secrets(self, url: Url, now: float) -> bool:
        """Whether a request to `url`, as the user gave it, would carry anything that only its origin may see.
        Any -H counts, whatever it holds."""
        return bool(
            self._headers or self._bearer or self.login_for(url, url) is not None or self._cookies.header(url, now)
        )

    def login_for(self, url: Url, given_for: Url | None) -> tuple[str, str] | None:
        """Name and password for `url`, for digest authentication: -u, else userinfo, else netrc."""
        private = given_for is not None and may_carry_secrets(given_for, url)
        if private and self._user is not None:
            return self._user
        giver = given_for if private else url if given_for is None else None
        if giver is not None and giver.username is not None:
            if giver.password is not None or given_for is None:
                return giver.username, giver.password or ""
            return giver.username, self._netrc_password(url.host, giver.username) or ""
        return self._netrc_login(url, private) if given_for is not None else None

    def store_cookies(self, url: Url, set_cookie_headers: Iterable[str], now: float) -> None:
        """Keep what a response from `url` sets, for the rest of this run (RFC 6265)."""
        self._cookies.store(url, set_cookie_headers, now)

    def _authorization(self, url: Url, given_for: Url | None, private: bool) -> str | None:
        if private and self._bearer is not None:
            return self._bearer
        if private and self._basic is not None:
            return self._basic
        login = self.login_for(url, given_for)
        return None if login is None else basic(*login)

    def _netrc_login(self, url: Url, private: bool) -> tuple[str, str] | None:
        # A stranger's redirect must not pull a password out over plain http, and the default entry is meant
        # for hosts that the user names, not for those that a server names.
        if not private and url.scheme != "https":
            return None
        for entry in self._netrc:
            if entry.machine == url.host or (entry.machine is None and private):
                return entry.login, entry.password
        return None

    def _netrc_password(self, host: str, login: str) -> str | None:
        fitting = [e for e in self._netrc if e.machine in (host, None) and e.login == login]
        return fitting[0].password if fitting else None


def plain_headers() -> Headers:
    """What a source that the user did not name is sent: nothing that tells the user from others, no -A either."""
    return ("User-Agent", f"fastdl/{__version__}"), ("Accept", "*/*"), ("Accept-Encoding", "identity")


def check_header(name: str, value: str) -> None:
    """Raises UsageError where the pair may not be sent as a header of the user's."""
    if not _TOKEN.fullmatch(name):
        shown = re.split(r"[^!-~]", name, maxsplit=1)[0][:40]
        raise UsageError(
            f"the header name that begins with '{shown}' is not valid" if shown else "a header has no valid name",
            "letters, digits and - are allowed",
        )
    if name.lower() in RESERVED:
        raise UsageError(f"the header {name} cannot be given", "fastdl sets it itself for every range that it asks for")
    _value(name, value)


def basic(name: str, password: str) -> str:
    """The value of Authorization for basic authentication, in UTF-8 (RFC 7617, section 2.1). Raises UsageError for a
    name with a colon and for control characters."""
    if ":" in name:
        raise UsageError("the user name holds a colon", "basic authentication has no way to send it")
    if _CONTROL.search(name + password):
        raise UsageError("the user name or the password holds a control character")
    import base64

    return "Basic " + base64.b64encode(f"{name}:{password}".encode("utf-8", "surrogateescape")).decode("ascii")


def _value(name: str, value: str) -> str:
    if not is_plain(value) and _NOT_IN_VALUE.search(value):
        raise UsageError(f"the value of the header {name} holds a control character")
    return octets(value.strip(" \t"))


def _latin(value: str) -> str:
    """Settings hold header values as latin-1 text already; text that is none came through the API as it is."""
    return octets(value) if any(c > "\xff" for c in value) else value


def _without_userinfo(referer: str) -> str:
    return _USERINFO.sub(r"\1", referer.partition("#")[0])


def _with_cookies(sent: list[tuple[str, str]], cookies: str) -> Headers:
    """One Cookie header only (RFC 6265, section 5.4), the user's own first."""
    own = [value for name, value in sent if name.lower() == "cookie"]
    rest = [(name, value) for name, value in sent if name.lower() != "cookie"]
    return (*rest, ("Cookie", "; ".join([*own, cookies])))
