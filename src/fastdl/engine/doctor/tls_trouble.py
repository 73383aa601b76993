"""Why a TLS connection fails, beyond what the handshake says: who issued the certificate, for whom, and whether the
clock is to blame.

To see a certificate that is not trusted, one more connection is made that trusts anybody. It is told nothing but the
host's name, and what it says is shown and not believed.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
import time

from fastdl import __version__
from fastdl.core.certificate import Certificate, read_certificate
from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.plain import replace
from fastdl.core.record import Record
from fastdl.core.shown import clean
from fastdl.core.urls import Url
from fastdl.engine.doctor import clock
from fastdl.engine.doctor.finding import OK, WRONG, Finding, of_error
from fastdl.engine.doctor.trusted import day
from fastdl.errors import FastdlError, TlsFailed
from fastdl.io import trust_store
from fastdl.io.http import HTTP11, HttpSession

if TYPE_CHECKING:
    from fastdl.io.dial import Dialer
    from fastdl.settings import Settings

_DATES = (9, 10)  # X509_V_ERR_*: not valid yet, expired
_UNTRUSTED = (18, 19, 20, 21)
_OTHER_HOST = (62, 64)
_MOST_HEAD = 16 * 1024  # bytes
SOON = 7 * 86400.0  # seconds


class Peek(Record):
    """What an untrusted server says of itself. `ahead`: seconds that this clock is ahead of the server's."""

    certificate: Certificate | None = None
    ahead: float | None = None


def described(sock: socket.socket, settings: Settings) -> Finding:
    """The finding of a connection that is trusted."""
    if not isinstance(sock, ssl.SSLSocket):
        return Finding("tls", OK, "none")
    shown = _certificate(sock)
    parts = [sock.version() or "TLS"]
    if shown is not None:
        left = shown.not_after - time.time()
        parts.append(f"issued by {_clean(shown.issuer)}")
        parts.append(f"until {day(shown.not_after)}" + (" (soon)" if left < SOON else ""))
    if settings.insecure:
        parts.append("not checked (insecure)")
    return Finding("tls", OK, ", ".join(parts))


def explained(settings: Settings, dialer: Dialer, url: Url, error: FastdlError) -> list[Finding]:
    """What is wrong with a connection that failed: of TLS, and of the clock if that is the cause."""
    if not isinstance(error, TlsFailed):
        advice = "Something between may break TLS (firewall, filter, proxy), or the server speaks none on this port."
        return [of_error("tls", error, advice)]
    # The leaf hides where it came from, and keeps it.
    code = getattr(error.__context__, "verify_code", 0)
    if not code:
        return [of_error("tls", error, _no_tls(error, url))]
    peek = _peek(settings, dialer, url)
    if code in _DATES:
        return _dates(url, error, peek)
    issuer = _clean(peek.certificate.issuer) if peek.certificate is not None else ""
    text = f"{error.what}: {error.why}" + (f" (issued by {issuer})" if issuer else "")
    if code in _OTHER_HOST:
        return [Finding("tls", WRONG, _other_host(url, error, peek), f"Check the spelling of the host. {_captive()}")]
    if code in _UNTRUSTED:
        return [Finding("tls", WRONG, text, _nobody_trusted(settings) or _untrusted(code, issuer))]
    return [Finding("tls", WRONG, text, error.hint)]


def _no_tls(error: TlsFailed, url: Url) -> str:
    if "speak TLS" in error.why:
        return f"Try http:// instead of https://, or another port. {_captive()}"
    return error.hint


def _captive() -> str:
    return "If this network has a login page, open a page in a browser first."


def _nobody_trusted(settings: Settings) -> str:
    """What to do where a variable has taken the place of the system's authorities, and gives none."""
    name = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)), "")
    if not name or trust_store.client_context(settings, HTTP11).cert_store_stats()["x509_ca"]:
        return ""
    return f"{name} says whom to trust here, and gives nobody: correct it, or unset it."


def _untrusted(code: int, issuer: str) -> str:
    if code == 21:
        return "The server's owner has to send the whole chain; until then --cacert can name the missing certificate."
    who = issuer or "its issuer"
    return (
        f"If {who} is your company's or your virus scanner's, save its certificate as PEM: "
        "'fastdl config set cacert FILE'. If not, somebody reads along: do not go on."
    )


def _other_host(url: Url, error: TlsFailed, peek: Peek) -> str:
    names = [_clean(name) for name in (peek.certificate.names if peek.certificate is not None else ())]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{error.what}: the certificate is for {shown}" if shown else f"{error.what}: {error.why}"


def _dates(url: Url, error: TlsFailed, peek: Peek) -> list[Finding]:
    """A certificate that is not valid now: by its own fault, or because the clock is wrong."""
    held, now = peek.certificate, time.time()
    if held is None:
        return [of_error("tls", error)]
    wrong = clock.judged(peek.ahead, url.host, now)
    if wrong is not None and wrong.status == WRONG and held.not_before <= now - (peek.ahead or 0.0) <= held.not_after:
        text = f"{error.what}: {error.why}, because this machine's clock is wrong"
        return [Finding("tls", WRONG, text, "Set the clock first."), wrong]
    early = held.not_before > now
    when = f"the certificate {'begins' if early else 'expired'} on {day(held.not_before if early else held.not_after)}"
    advice = f"Today is {day(now)}, says this machine; if that is right, the server's owner has to renew it."
    found = [Finding("tls", WRONG, f"{error.what}: {when}", advice)]
    return [*found, wrong] if wrong is not None else found


# --- the look at it --------------------------------------------------------------------------------------


def _peek(settings: Settings, dialer: Dialer, url: Url) -> Peek:
    trusting = replace(settings, insecure=True, cert=None, key=None)
    try:
        link = HttpSession(trusting, dialer).dial(url)
    except FastdlError:
        return Peek()
    if link is None or not isinstance(link.sock, ssl.SSLSocket):
        return Peek()
    with contextlib.closing(link.sock) as sock:
        return Peek(_certificate(sock), _ahead(sock, url, settings.timeout))


def _certificate(sock: ssl.SSLSocket) -> Certificate | None:
    try:
        return read_certificate(sock.getpeercert(binary_form=True) or b"")
    except ValueError:
        return None


def _ahead(sock: ssl.SSLSocket, url: Url, timeout: float) -> float | None:
    """How far this clock is ahead of the server's, by the Date of an answer to a request that tells nothing."""
    asked = f"HEAD / HTTP/1.1\r\nHost: {url.netloc}\r\nUser-Agent: fastdl/{__version__}\r\nConnection: close\r\n\r\n"
    deadline = time.monotonic() + timeout
    data = b""
    began = time.time()
    try:
        sock.settimeout(timeout)
        sock.sendall(asked.encode("ascii"))
        while b"\r\n\r\n" not in data and len(data) < _MOST_HEAD and time.monotonic() < deadline:
            piece = sock.recv(4096)
            if not piece:
                break
            data += piece
    except OSError:
        return None
    found = re.findall(r"(?m)^([\w-]+):[ \t]*(.*?)\r?$", data.decode("latin-1"))
    fields = {name.lower(): value for name, value in found}
    return clock.skew(fields.get("date"), fields.get("age"), began, time.time())


def _clean(text: str) -> str:
    """What a stranger wrote into a certificate, fit to be shown."""
    return clean(text, 60)
