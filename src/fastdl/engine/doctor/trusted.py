"""Whom fastdl trusts: the authorities of --cacert, of SSL_CERT_FILE, or of the system."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from fastdl.core.certificate import Certificate, read_certificate
from fastdl.core.hints import TYPE_CHECKING
from fastdl.engine.doctor.finding import INFO, OK, WRONG, Finding, of_error
from fastdl.errors import UsageError
from fastdl.settings import Settings

if TYPE_CHECKING:
    import ssl

    from fastdl.engine.doctor.finding import Tell

_OTHERS = ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")  # which other programs read


def check_trust(settings: Settings, origin: str, environ: Mapping[str, str], tell: Tell, *, dared: bool) -> None:
    """The authorities that certificates are held against. `origin`: where a wrong --cacert comes from; `dared`:
    --insecure is meant for this time alone."""
    if settings.insecure and dared:
        tell(Finding("trust", INFO, "certificates are not checked (--insecure)"))
        return
    if settings.insecure:
        advice = "Take 'insecure' away: whoever sits between can send anything."
        tell(Finding("trust", WRONG, "certificates are not checked (insecure)", advice))
        return
    if settings.cacert is not None:
        _own(settings, origin, tell)
        return
    wrong = [*_variable(environ, "SSL_CERT_FILE"), *_variable(environ, "SSL_CERT_DIR")]
    for finding in wrong:
        tell(finding)
    if not wrong:
        _systems(settings, environ, tell)


def _own(settings: Settings, origin: str, tell: Tell) -> None:
    """--cacert: can it be read, and has it expired?"""
    from fastdl.io import trust_store

    path = settings.cacert or ""
    advice = f"Name a PEM file of authorities with --cacert{origin}."
    why = _unreadable(path)
    if why:
        tell(Finding("trust", WRONG, f"--cacert {path}: {why}", advice))
        return
    try:
        context = trust_store.client_context(settings, ("http/1.1",))
    except UsageError as error:
        tell(of_error("trust", error, advice))
        return
    held = _certificates(context)
    expired = [one for one in held if one.not_after < time.time()]
    if held and len(expired) == len(held):
        when = day(max(one.not_after for one in expired))
        tell(
            Finding(
                "trust", WRONG, f"--cacert {path} has expired ({when})", "Ask whoever gave it to you for a new one."
            )
        )
        return
    count = f"{len(held)} authorit{'y' if len(held) == 1 else 'ies'}" if held else "a folder of authorities"
    about = f", {len(expired)} of them expired" if expired else ""
    names = ", ".join(sorted({one.subject for one in held if one.subject})[:2])
    tell(Finding("trust", OK, f"{path}: {count}{about}" + (f" ({names})" if 0 < len(held) <= 2 and names else "")))


def _unreadable(path: str) -> str:
    """What is wrong with a file of certificates as a file; "" for nothing, and for a folder."""
    try:
        if os.path.isdir(path):
            return "" if os.listdir(path) else "the folder is empty"
        with open(path, "rb") as file:
            begin = file.read(1 << 20)
    except OSError as error:
        return "there is no such file" if isinstance(error, FileNotFoundError) else (error.strerror or "").lower()
    if not begin.strip():
        return "it is empty"
    if b"-----BEGIN" not in begin:
        binary = begin[:1] == b"\x30"
        return "it is in DER form, not in PEM" if binary else "it holds no certificate in PEM form"
    return "" if b"CERTIFICATE-----" in begin else "it holds no certificate"


def _certificates(context: ssl.SSLContext) -> list[Certificate]:
    """The authorities that the context has loaded."""
    found = []
    for der in context.get_ca_certs(binary_form=True):
        try:
            found.append(read_certificate(der))
        except ValueError:
            continue
    return found


def _variable(environ: Mapping[str, str], name: str) -> list[Finding]:
    """What is wrong with a variable that OpenSSL reads: it passes over a file that is not there, and then nobody is
    trusted."""
    path = environ.get(name, "")
    if not path:
        return []
    advice = f"Correct {name}, or unset it: then the system's authorities count."
    if name == "SSL_CERT_FILE":
        why = "it is a folder" if os.path.isdir(path) else _unreadable(path) or _unusable(path)
        return [Finding("trust", WRONG, f"{name}={path}: {why}", advice)] if why else []
    parts = [part for part in path.split(os.pathsep) if part]
    if any(os.path.isdir(part) for part in parts):
        return []
    return [Finding("trust", WRONG, f"{name}={path}: there is no such folder", advice)]


def _unusable(path: str) -> str:
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (ssl.SSLError, OSError):
        return "its certificates cannot be read"
    return ""


def _systems(settings: Settings, environ: Mapping[str, str], tell: Tell) -> None:
    import ssl

    from fastdl.io import trust_store

    context = trust_store.client_context(settings, ("http/1.1",))
    count = context.cert_store_stats()["x509_ca"]
    chosen = environ.get("SSL_CERT_FILE")
    paths = ssl.get_default_verify_paths()
    if count:
        place = chosen or "the system's trust store"
        tell(Finding("trust", OK, f"{count} authorit{'y' if count == 1 else 'ies'} in {place}"))
    elif chosen:
        tell(
            Finding("trust", WRONG, f"SSL_CERT_FILE={chosen} holds no authority", "Correct SSL_CERT_FILE or unset it.")
        )
    else:
        tell(Finding("trust", OK, f"the system's authorities in {environ.get('SSL_CERT_DIR') or paths.capath}"))
    others = [name for name in _OTHERS if environ.get(name)]
    if others and not chosen:
        text = f"{' and '.join(others)} {'is' if len(others) == 1 else 'are'} for other programs"
        advice = f"If it is needed here too: --cacert {environ[others[0]]}."
        tell(Finding("trust", INFO, text, advice))


def day(moment: float) -> str:
    """A Unix time as a day."""
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(moment))
    except (OSError, OverflowError, ValueError):
        return "an impossible day"
