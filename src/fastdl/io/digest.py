"""Digest authentication (RFC 7616), computed by httpx.

httpx is imported here alone: it costs more than all the rest of a first contact, and few servers ask for this.
"""

from __future__ import annotations

import httpx

from fastdl.core.head import Head


class DigestLogin:
    """A name and a password, and the last challenge of the server; for one connection at a time."""

    def __init__(self, username: str, password: str) -> None:
        self._auth = httpx.DigestAuth(
            username.encode("utf-8", "surrogateescape"), password.encode("utf-8", "surrogateescape")
        )

    def begin(self, target: str) -> DigestExchange:
        """The login for one new request."""
        return DigestExchange(self._auth, target)


class DigestExchange:
    """One request and, if it is refused, its repetition. `authorization` is the value for the first of the two: the
    answer to the challenge that is known, or None while none is."""

    def __init__(self, auth: httpx.DigestAuth, target: str) -> None:
        self._request = httpx.Request("GET", "http://host.invalid/")
        self._request.url = _ExactUrl(target)
        self._flow = auth.auth_flow(self._request)
        self.authorization = _authorization(next(self._flow))

    def answer(self, head: Head) -> str | None:
        """The Authorization that answers a 401, or None where its challenge is no (usable) digest one."""
        challenges = [("www-authenticate", value) for value in head.all("www-authenticate")]
        try:
            refusal = httpx.Response(head.status, headers=challenges, request=self._request)
            return _authorization(self._flow.send(refusal))
        except StopIteration:
            return None
        except (ValueError, LookupError, NotImplementedError, httpx.HTTPError):
            return None  # a malformed challenge, or an algorithm that nobody knows


class _ExactUrl(httpx.URL):
    """A URL whose request target is taken as it is: the digest covers the very bytes that are sent."""

    def __init__(self, target: str) -> None:
        super().__init__("http://host.invalid/")
        self._target = target

    @property
    def raw_path(self) -> bytes:
        return self._target.encode("ascii")


def _authorization(request: httpx.Request) -> str | None:
    value = request.headers.get("Authorization")
    return None if value is None else str(value)
