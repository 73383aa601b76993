"""TLS: whom to trust, and one handshake with a time limit.

The system's trust store is the default, by its path where OpenSSL can look single certificates up there: reading a
whole bundle costs more than the handshake. A context is made once for each set of options and shared.
"""

from __future__ import annotations

import functools
import os
import re
import select
import selectors
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.pattern import pattern
from fastdl.errors import ConnectionLost, NetworkError, TimedOut, TlsFailed, UsageError
from fastdl.io import phases

if TYPE_CHECKING:
    from fastdl.settings import Settings

LOOK = 0.1  # seconds between two looks at `cancelled`

# Where systems keep their bundle if OpenSSL was built with another place in mind (python.org's on macOS, a
# relocated Python on Linux).
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)

_HASHED = pattern(r"[0-9a-f]{8}\.\d+")  # how c_rehash names a certificate

NO_COMMON_HTTP = "the server does not speak the HTTP version that was offered"

# X509_V_ERR_* of OpenSSL, in plain words.
_VERIFY = {
    9: "the certificate is not valid yet; is the clock right",
    10: "the certificate has expired",
    18: "the certificate is self-signed",
    19: "an authority in the chain is not trusted on this machine",
    20: "the certificate's authority is not trusted on this machine",
    21: "the server sent an incomplete chain of certificates",
    23: "the certificate has been revoked",
    62: "the certificate is for another host",
    64: "the certificate is for another address",
}
_PLAIN = "the server does not speak TLS on this port"
_PLAIN_HINT = "Check the port; without TLS the URL begins with http://."
_REASONS = {
    "WRONG_VERSION_NUMBER": _PLAIN,
    "HTTP_REQUEST": _PLAIN,
    "PACKET_LENGTH_TOO_LONG": _PLAIN,
    "RECORD_LAYER_FAILURE": _PLAIN,
    "UNSUPPORTED_PROTOCOL": "the server speaks no TLS version from 1.2 on",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the server speaks no TLS version from 1.2 on",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the server found nothing in common, or wants a certificate by --cert",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server wants a certificate by --cert",
    "NO_APPLICATION_PROTOCOL": NO_COMMON_HTTP,
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": NO_COMMON_HTTP,
    "TLSV1_UNRECOGNIZED_NAME": "the server knows no such host",
    "TLSV1_ALERT_UNKNOWN_CA": "the server does not trust the certificate of --cert",
    "DH_KEY_TOO_SMALL": "the server's key is too weak",
    "EE_KEY_TOO_SMALL": "the server's key is too weak",
}


@phases.timed("trust")
def client_context(settings: Settings, alpn: tuple[str, ...]) -> ssl.SSLContext:
    """The context for `settings`, which offers the protocols of `alpn` in that order. The same object for the same
    options. Raises UsageError that names the file of --cacert, --cert or --key that cannot be used."""
    with _contexts_lock:
        return _context(settings.cacert, settings.cert, settings.key, settings.insecure, alpn)


@phases.timed("tls")
def wrap(
    sock: socket.socket,
    host: str,
    context: ssl.SSLContext,
    deadline: float,
    *,
    cancelled: Callable[[], bool] | None = None,
) -> ssl.SSLSocket:
    """TLS over a connected socket, which is used up: closed if this fails. `host` is the name to prove, `deadline` an
    instant of time.monotonic(). A connection that ends without a farewell is an error on it (ssl.SSLEOFError), never
    a silent end: a truncated body must not look whole.

    Raises TlsFailed, TimedOut, ConnectionLost."""
    tls: ssl.SSLSocket | None = None
    try:
        sock.setblocking(False)
        tls = context.wrap_socket(
            sock, server_hostname=provable(host), do_handshake_on_connect=False, suppress_ragged_eofs=False,
            session=_sessions.get(context, host),
        )  # fmt: skip
        _handshake(tls, deadline, cancelled)
        tls.setblocking(True)
        return tls
    except (OSError, ValueError) as error:
        (tls or sock).close()
        raise tls_error(error, host) from None
    except BaseException:
        (tls or sock).close()
        raise


def keep_session(tls: ssl.SSLSocket, host: str) -> None:
    """Remember the session of a connection that has answered, for shorter handshakes to `host`. (With TLS 1.3 the
    tickets come after the handshake, with the first answer: RFC 8446, section 4.6.1.)"""
    session = tls.session
    if session is not None and session.has_ticket:
        _sessions.put(tls.context, host, session)


def held_sessions() -> list[ssl.SSLSession]:
    """All sessions that are remembered, for who weighs them."""
    return _sessions.held()


def tls_error(error: Exception, host: str) -> NetworkError:
    """An exception of a TLS call as a leaf of ours."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = _VERIFY.get(error.verify_code) or error.verify_message.rstrip(".").lower()
        hint = "Check the clock" if error.verify_code in (9, 10) else "Check the host's name"
        if error.verify_code in (18, 19, 20, 21):
            hint = "If a private authority is meant, name it with --cacert"
        return TlsFailed(f"{host} cannot be trusted", why, f"{hint}; --insecure goes without any protection.")
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError)):
        return ConnectionLost(f"{host} closed the connection", "during TLS")
    if isinstance(error, TimeoutError):
        return TimedOut(f"no TLS connection to {host}", "no answer in time")
    if isinstance(error, ssl.SSLError):
        reason = _reason(error)
        why = _REASONS.get(reason) or reason.replace("_", " ").lower()
        return TlsFailed(f"TLS with {host} failed", why, _PLAIN_HINT if why == _PLAIN else None)
    if isinstance(error, OSError):
        return ConnectionLost(f"the connection to {host} broke", error.strerror or "during TLS")
    return TlsFailed(f"TLS with {host} failed", "the host's name cannot stand in a certificate")


def _reason(error: ssl.SSLError) -> str:
    """OpenSSL's name of the fault. Python has no name for the newer ones, just their text."""
    match = re.search(r"\] (.*?)(?: \(_ssl|$)", str(error))
    return error.reason or (match[1].upper().replace(" ", "_") if match else "")


def provable(host: str) -> str:
    """The name as certificates have it: without the dot of the root and without an address's zone."""
    return host.rstrip(".").partition("%")[0]


def _handshake(tls: ssl.SSLSocket, deadline: float, cancelled: Callable[[], bool] | None) -> None:
    while True:
        try:
            tls.do_handshake()
            return
        except ssl.SSLWantReadError:
            writing = False
        except ssl.SSLWantWriteError:
            writing = True
        while not wait_ready(tls, writing, min(LOOK, max(0.0, deadline - time.monotonic()))):
            if cancelled is not None and cancelled():
                raise ConnectionAbortedError
            if time.monotonic() >= deadline:
                raise TimeoutError


def wait_ready(sock: socket.socket, writing: bool, seconds: float) -> bool:
    """Whether the socket can be read (or written) within `seconds`. poll where there is one, since select takes no
    descriptor above 1023 there."""
    if sys.platform != "win32":
        poll = select.poll()
        poll.register(sock, select.POLLOUT if writing else select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_WRITE if writing else selectors.EVENT_READ)
        return bool(selector.select(seconds))


# --- contexts --------------------------------------------------------------------------------------------

_contexts_lock = threading.Lock()


@functools.lru_cache(maxsize=16)
def _context(
    cacert: str | None, cert: str | None, key: str | None, insecure: bool, alpn: tuple[str, ...]
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks host and chain
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A certificate that the user or system trusts is trusted without its root, as curl and browsers have it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # Some systems' OpenSSL is told to take a connection that just ends for one that ended well; a body cut short would
    # look whole (Debian's Python 3.11 does so).
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    context.set_alpn_protocols(list(alpn))
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif cacert is not None:
        _load_authorities(context, cacert)
    else:
        _load_system(context)
    if cert is not None:
        _load_own(context, cert, key)
    elif key is not None:
        raise UsageError("--key has no certificate", "it belongs to --cert")
    return context


def _load_authorities(context: ssl.SSLContext, cacert: str) -> None:
    path = Path(cacert).expanduser()
    try:
        if path.is_dir():
            context.load_verify_locations(capath=str(path))
            # A folder that was not prepared by c_rehash: its files, one by one.
            for file in sorted(path.iterdir()):
                if file.suffix in (".pem", ".crt", ".cer") and file.is_file():
                    context.load_verify_locations(cafile=str(file))
        else:
            context.load_verify_locations(cafile=str(path))
    except ssl.SSLError:
        raise UsageError(f"--cacert {cacert} cannot be used", "it holds no certificate in PEM form") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"--cacert {cacert} cannot be read", getattr(error, "strerror", None) or "") from None


def _load_own(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    def password() -> str:
        from fastdl.io.secrets import ask_password

        path = key or cert
        return ask_password(f"Password of {path}: ", f"the key in {path} is encrypted", "Decrypt it first.")

    for option, path in (("--cert", cert), ("--key", key)):
        if path is not None and not Path(path).expanduser().is_file():
            raise UsageError(f"{option} {path} cannot be read", "there is no such file")
    own_key = None if key is None else str(Path(key).expanduser())
    try:
        context.load_cert_chain(str(Path(cert).expanduser()), own_key, password)
    except (ssl.SSLError, ValueError):
        named = f"--cert {cert}" if key is None else f"--cert {cert} with --key {key}"
        raise UsageError(f"{named} cannot be used", "no certificate in PEM form, or the key does not fit") from None
    except OSError as error:
        raise UsageError(f"--cert {cert} cannot be read", error.strerror or "") from None


def _load_system(context: ssl.SSLContext) -> None:
    """The system's authorities; certifi's where it has none at all."""
    folder = _prepared_folder()
    if folder is not None:
        # OpenSSL finds each authority by its hash when it needs it: under 1 ms, a bundle takes 25 to 35.
        context.load_verify_locations(capath=folder)
        return
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)  # Windows: its stores; else OpenSSL's places, SSL_CERT_*
    chosen = ssl.get_default_verify_paths()
    if context.cert_store_stats()["x509_ca"] or _is_set(chosen.openssl_cafile_env, chosen.openssl_capath_env):
        return  # who names a store in the environment does not want another one
    for bundle in _BUNDLES:
        if Path(bundle).is_file():
            context.load_verify_locations(cafile=bundle)
            return
    import certifi

    context.load_verify_locations(cafile=certifi.where())


def _is_set(*names: str) -> bool:
    return any(os.environ.get(name) for name in names)


def _prepared_folder() -> str | None:
    """The system's folder of certificates named by their hash; None where there is none, or where the user chose a
    bundle by SSL_CERT_FILE."""
    paths = ssl.get_default_verify_paths()
    if not paths.capath or _is_set(paths.openssl_cafile_env):
        return None
    try:
        with os.scandir(paths.capath) as entries:
            prepared = any(_HASHED.fullmatch(entry.name) for entry in entries)
    except OSError:
        return None
    return paths.capath if prepared else None


class _Sessions:
    """The newest session of each host, for a bounded number of hosts."""

    def __init__(self, limit: int = 64) -> None:
        self._lock = threading.Lock()
        self._limit = limit
        self._held: dict[tuple[int, str], tuple[ssl.SSLContext, ssl.SSLSession]] = {}

    def get(self, context: ssl.SSLContext, host: str) -> ssl.SSLSession | None:
        with self._lock:
            held = self._held.get((id(context), host))
        return None if held is None else held[1]

    def held(self) -> list[ssl.SSLSession]:
        with self._lock:
            return [session for _, session in self._held.values()]

    def put(self, context: ssl.SSLContext, host: str, session: ssl.SSLSession) -> None:
        with self._lock:
            self._held.pop((id(context), host), None)
            self._held[id(context), host] = (context, session)  # the context is kept, so its id stays its own
            while len(self._held) > self._limit:
                self._held.pop(next(iter(self._held)))


_sessions = _Sessions()
