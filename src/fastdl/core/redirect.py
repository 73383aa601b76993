"""Which redirects are followed, and how far a secret goes along (RFC 9110, 15.4).

A redirect is a server's wish. It may lead to another host, but not out of TLS, not out of HTTP and not round in
circles; and nothing that the user gave for one origin is shown to another.
"""

from __future__ import annotations

from fastdl.core.plain import replace
from fastdl.core.shown import clean, mask
from fastdl.core.urls import DEFAULT_PORTS, Url, join
from fastdl.errors import RedirectRefused

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 20


def next_url(current: Url, status: int, location: str | None, hops: int) -> Url:
    """Where the response `status` of `current` leads; never with userinfo: neither that of the location, which a
    server must not set, nor that of `current`, which the caller attaches anew if `may_carry_secrets` allows it.

    `location` is the header's text read as latin-1, None without one; `hops` is the number of redirects followed
    before this one, 0 for the first. Raises RedirectRefused."""
    if status not in REDIRECTS:
        raise _refused(current, f"status {status} is no redirect that can be followed")
    if hops >= MAX_REDIRECTS:
        raise _refused(current, f"there were more than {MAX_REDIRECTS} redirects", "The server may send in circles.")
    if location is None or not location.strip():
        raise _refused(current, f"the answer {status} names no location")
    try:
        url = join(current, location)
    except ValueError as error:
        raise _refused(current, f"its location cannot be followed: {error}") from None
    if current.scheme == "https" and url.scheme == "http":
        hint = f"If an unprotected transfer is acceptable, give {clean(mask(url.text), 200)} yourself."
        raise _refused(current, "it leads from https to http", hint)
    return replace(url, username=None, password=None)


def may_carry_secrets(given_for: Url, to: Url) -> bool:
    """Whether what the user gave for one URL may be sent to another: the same origin, or the step from http to https
    at one host, both at their default ports."""
    if given_for.origin == to.origin:
        return True
    upgraded = (given_for.scheme, to.scheme) == ("http", "https") and given_for.host == to.host
    return upgraded and given_for.port == DEFAULT_PORTS["http"] and to.port == DEFAULT_PORTS["https"]


def _refused(current: Url, why: str, hint: str | None = None) -> RedirectRefused:
    return RedirectRefused(f"the redirect of {clean(current.netloc, 100)} was not followed", why, hint)
