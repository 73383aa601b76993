"""An attestation: which workflow of which repository has built which files, signed (Sigstore's bundle, DSSE, in-toto).

GitHub's identity service tells Sigstore's authority which workflow runs; the authority writes that into a certificate
for a key that lives for this one run; with it the list of built files and their digests is signed. So somebody who can
write into a release, or serve one, cannot attest a file: the workflow has to build it.

What is not looked at are the logs in which Sigstore writes every certificate and signature down. They would show that
a signature was made while its certificate was good, and let others find certificates that nobody should have asked for.
Their keys change every year, so an old fastdl could not upgrade itself any more; `gh attestation verify` looks.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64decode

from fastdl.core import ecdsa
from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.record import Record
from fastdl.core.signer import Signer, check_issued, read_signer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KIND = "application/vnd.in-toto+json"
STATEMENTS = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
PROVENANCE = "https://slsa.dev/provenance/"
MEDIA = "application/vnd.dev.sigstore.bundle"

# What Sigstore's authority writes down of a GitHub workflow, by its identifiers (1.3.6.1.4.1.57264.1.N).
_ARC = bytes.fromhex("2b0601040183bf3001")
_ISSUER, _RUNNER, _REPOSITORY = _ARC + b"\x08", _ARC + b"\x0b", _ARC + b"\x0c"
GITHUB = "https://token.actions.githubusercontent.com"
HOSTED = "github-hosted"
MOST = 100  # bundles, since each takes two signatures to check, whoever sent it
_BLANKS = re.compile(r"\s*")

SIGSTORE = (
    # CN=sigstore-intermediate, O=sigstore.dev: from 2022-04-13 to 2031-10-05; the one that issues since then.
    "MIICGjCCAaGgAwIBAgIUALnViVfnU0brJasmRkHrn/UnfaQwCgYIKoZIzj0EAwMwKjEVMBMGA1UEChMMc2lnc3RvcmUuZGV2MREwDwYDVQQDEwhz"
    "aWdzdG9yZTAeFw0yMjA0MTMyMDA2MTVaFw0zMTEwMDUxMzU2NThaMDcxFTATBgNVBAoTDHNpZ3N0b3JlLmRldjEeMBwGA1UEAxMVc2lnc3RvcmUt"
    "aW50ZXJtZWRpYXRlMHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE8RVS/ysH+NOvuDZyPIZtilgUF9NlarYpAd9HP1vBBH1U5CV77LSS7s0ZiH4nE7Hv"
    "7ptS6LvvR/STk798LVgMzLlJ4HeIfF3tHSaexLcYpSASr1kS0N/RgBJz/9jWCiXno3sweTAOBgNVHQ8BAf8EBAMCAQYwEwYDVR0lBAwwCgYIKwYB"
    "BQUHAwMwEgYDVR0TAQH/BAgwBgEB/wIBADAdBgNVHQ4EFgQU39Ppz1YkEZb5qNjpKFWixi4YZD8wHwYDVR0jBBgwFoAUWMAeX5FFpWapesyQoZMi"
    "0CrFxfowCgYIKoZIzj0EAwMDZwAwZAIwPCsQK4DYiZYDPIaDi5HFKnfxXx6ASSVmERfsynYBiX2X6SJRnZU84/9DZdnFvvxmAjBOt6QpBlc4J/0D"
    "xvkTCqpclvziL6BCCPnjdlIB3Pu3BxsPmygUY7Ii2zbdCdliiow="
)
"""The authority of Sigstore's public instance, from its root of trust (the TUF repository of sigstore.dev)."""


class Attested(Record):
    """What a signed statement says. `workflow`: the one that has built, with the tag; `digests`: of the built files,
    sha256 in hex by name."""

    workflow: str
    digests: dict[str, str]


def sigstore() -> tuple[Signer, ...]:
    """The authorities of Sigstore's public instance."""
    return (read_signer(b64decode(SIGSTORE)),)


def attested(text: str, authorities: Sequence[Signer], workflow: str) -> Attested:
    """What the bundles in `text` attest of what `workflow` has built: its address with `@` and the reference that it
    ran for. They stand one after the other; those of other workflows count for nothing. Raises ValueError, saying why,
    where none of them holds."""
    digests: dict[str, str] = {}
    why = ValueError("it is empty")
    for bundle in _bundles(text):
        try:
            digests |= _digests(bundle, authorities, workflow)
        except ValueError as error:
            why = error
    if not digests:
        raise why
    return Attested(workflow, digests)


def _bundles(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    at = _behind_blanks(text, 0)
    for _ in range(MOST):
        if at == len(text):
            return
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            raise ValueError("it is no JSON") from None
        yield value
        at = _behind_blanks(text, at)
    if at < len(text):
        raise ValueError(f"it holds more than {MOST} bundles")


def _behind_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def _digests(bundle: Any, authorities: Sequence[Signer], workflow: str) -> dict[str, str]:
    try:
        signer, payload, kind, signature = _parts(bundle)
    except (KeyError, TypeError, IndexError, AttributeError):
        raise ValueError("it is no bundle of Sigstore") from None
    _check_signer(signer, authorities, workflow)
    method = hashlib.sha256 if signer.key.curve is ecdsa.P256 else hashlib.sha384
    if not ecdsa.is_signed(signer.key, signature, method(_encoded(kind, payload)).digest()):
        raise ValueError("its signature is not of what it says")
    return _subjects(payload, kind)


def _parts(bundle: Any) -> tuple[Signer, bytes, str, bytes]:
    """The signer, what is signed, of which kind that is, and the signature."""
    material, envelope = bundle["verificationMaterial"], bundle["dsseEnvelope"]
    if not bundle["mediaType"].startswith(MEDIA):
        raise KeyError("mediaType")
    # Older bundles bring the certificates above it along; what counts is which authority we know.
    entry = material.get("certificate") or material["x509CertificateChain"]["certificates"][0]
    (signed,) = envelope["signatures"]
    kind = envelope["payloadType"]
    if not isinstance(kind, str):
        raise TypeError("payloadType")
    signer = read_signer(_decoded(entry["rawBytes"]))
    return signer, _decoded(envelope["payload"]), kind, _decoded(signed["sig"])


def _decoded(text: str) -> bytes:
    return b64decode(text, validate=True)


def _encoded(kind: str, payload: bytes) -> bytes:
    """What DSSE signs: kind and payload with their lengths (its PAE)."""
    name = kind.encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)


def _check_signer(signer: Signer, authorities: Sequence[Signer], workflow: str) -> None:
    known = [authority for authority in authorities if authority.subject == signer.issuer]
    if not known:
        raise ValueError("its certificate is of an unknown authority")
    for place, authority in enumerate(known, 1):
        try:
            check_issued(signer, authority)
            break
        except ValueError:
            if place == len(known):
                raise
    if signer.text(_ISSUER) != GITHUB or signer.text(_RUNNER) != HOSTED:
        raise ValueError("it was not built on GitHub's machines")
    if signer.address() != workflow:
        raise ValueError(f"it was built by {signer.address() or 'something else'}")
    # Another repository can call a workflow as one of its own; the address is that of the called one then.
    source = signer.text(_REPOSITORY)
    if source and not workflow.startswith(f"{source}/.github/"):
        raise ValueError(f"it was built for {source}")


def _subjects(payload: bytes, kind: str) -> dict[str, str]:
    try:
        told = json.loads(payload)
        if kind != KIND or told["_type"] not in STATEMENTS or not told["predicateType"].startswith(PROVENANCE):
            raise ValueError("it attests something else than a build")
        pairs = {(str(each["name"]), str(each["digest"]["sha256"]).lower()) for each in told["subject"]}
    except (KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("it does not say what was built") from None
    digests = dict(pairs)
    if len(digests) != len(pairs):
        raise ValueError("it says two things of one file")
    return digests
