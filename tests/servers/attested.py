"""A stand-in for Sigstore's authority and GitHub's workflow: attests files of a release as `actions/attest` does."""

from __future__ import annotations

import datetime
import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fastdl.home import WORKFLOW

KIND = "application/vnd.in-toto+json"
ISSUER, RUNNER = "1.3.6.1.4.1.57264.1.8", "1.3.6.1.4.1.57264.1.11"
GITHUB = "https://token.actions.githubusercontent.com"
BEGIN = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
MINUTES = datetime.timedelta(minutes=10)
YEARS = datetime.timedelta(days=3650)


class Attester:
    """An authority of one's own. `file` writes its certificate as PEM; `bundle` attests."""

    def __init__(self, name: str = "an authority for tests", *, curve: ec.EllipticCurve | None = None) -> None:
        self._key = ec.generate_private_key(curve or ec.SECP384R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    @cached_property
    def certificate(self) -> x509.Certificate:
        return self._issue(self._key.public_key(), self._name, BEGIN, YEARS, [(x509.BasicConstraints(True, 0), True)])

    def file(self, path: Path) -> Path:
        """Its certificate, in a file."""
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def bundle(self, files: Mapping[str, bytes], version: str, **changes: Any) -> str:
        """What attests that the release's workflow has built `files` for a tag; `changes` make it another than that."""
        subjects = [
            {"name": name, "digest": {"sha256": hashlib.sha256(data).hexdigest()}} for name, data in files.items()
        ]
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": subjects,
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {},
        } | changes.pop("statement", {})
        workflow = changes.pop("workflow", f"{WORKFLOW}@refs/tags/v{version}")
        return json.dumps(self.signed(json.dumps(statement).encode(), workflow, **changes))

    def signed(
        self,
        payload: bytes,
        workflow: str,
        *,
        issuer: str = GITHUB,
        runner: str = "github-hosted",
        curve: ec.EllipticCurve | None = None,
        usage: Any = ExtendedKeyUsageOID.CODE_SIGNING,
        more: list[tuple[x509.ExtensionType, bool]] | None = None,
        begins: datetime.datetime = BEGIN + MINUTES,
    ) -> dict[str, Any]:
        """A bundle as a value."""
        key = ec.generate_private_key(curve or ec.SECP256R1())
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.ExtendedKeyUsage([usage]), False),
            (x509.SubjectAlternativeName([x509.UniformResourceIdentifier(workflow)]), True),
            (extension(ISSUER, issuer), False),
            (extension(RUNNER, runner), False),
            *(more or []),
        ]
        made = self._issue(key.public_key(), x509.Name([]), begins, MINUTES, extensions)
        pae = f"DSSEv1 {len(KIND)} {KIND} {len(payload)} ".encode() + payload
        method = hashes.SHA256() if key.curve.key_size == 256 else hashes.SHA384()
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"certificate": {"rawBytes": _b64(made.public_bytes(serialization.Encoding.DER))}},
            "dsseEnvelope": {
                "payload": _b64(payload),
                "payloadType": KIND,
                "signatures": [{"sig": _b64(key.sign(pae, ec.ECDSA(method)))}],
            },
        }

    def _issue(
        self,
        key: ec.EllipticCurvePublicKey,
        subject: x509.Name,
        begins: datetime.datetime,
        lasts: datetime.timedelta,
        extensions: list[tuple[x509.ExtensionType, bool]],
    ) -> x509.Certificate:
        made = x509.CertificateBuilder(self._name, subject, key, x509.random_serial_number(), begins, begins + lasts)
        for extension, critical in [*extensions, (_usage(issues=subject == self._name), True)]:
            made = made.add_extension(extension, critical)
        return made.sign(self._key, hashes.SHA384())


def _usage(*, issues: bool) -> x509.KeyUsage:
    return x509.KeyUsage(not issues, False, False, False, False, issues, issues, False, False)


def extension(identifier: str, text: str) -> x509.UnrecognizedExtension:
    """What the authority writes down of a workflow: a text."""
    data = text.encode()
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(identifier), b"\x0c" + bytes([len(data)]) + data)


def _b64(data: bytes) -> str:
    return b64encode(data).decode()
