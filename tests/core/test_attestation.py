"""An attestation holds only if everything in it does: authority, certificate, workflow, signature, statement."""

from __future__ import annotations

import datetime
import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from fastdl import home
from fastdl.core.attestation import MOST, attested, sigstore
from fastdl.core.signer import KEY_USAGE, Signer, check_issued, read_signer
from fastdl.home import WORKFLOW
from servers.attested import BEGIN, Attester, extension

FILES = {"a.zip": b"a", "b.zip": b"b"}
OURS = Attester()
REPOSITORY = "1.3.6.1.4.1.57264.1.12"
TAG = f"{WORKFLOW}@refs/tags/v1.2"
DIGESTS = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}


def signer_of(authority: Attester) -> Signer:
    return read_signer(authority.certificate.public_bytes(serialization.Encoding.DER))


def read(text: str, authority: Attester = OURS) -> dict[str, str]:
    return attested(text, (signer_of(authority),), TAG).digests


def test_what_our_workflow_has_built() -> None:
    assert read(OURS.bundle(FILES, "1.2")) == DIGESTS
    assert read(json.dumps(json.loads(OURS.bundle(FILES, "1.2")), indent=2)) == DIGESTS


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()], ids=lambda each: each.name)
def test_either_curve(curve: ec.EllipticCurve) -> None:
    other = Attester("another", curve=curve)
    assert read(other.bundle(FILES, "1.2", curve=curve), other) == DIGESTS


def test_several_of_them() -> None:
    """One that does not count does not hide another, and adds nothing."""
    strange = Attester().bundle({"c.zip": b"c"}, "1.2")
    own = [OURS.bundle({name: data}, "1.2") for name, data in FILES.items()]
    assert read("\n".join([strange, *own, strange])) == DIGESTS


def test_an_older_bundle_brings_the_chain_along() -> None:
    value = json.loads(OURS.bundle(FILES, "1.2"))
    own = value["verificationMaterial"].pop("certificate")
    value["verificationMaterial"]["x509CertificateChain"] = {"certificates": [own]}
    assert read(json.dumps(value)) == DIGESTS


LATER = BEGIN + datetime.timedelta(days=4000)
EARLIER = BEGIN - datetime.timedelta(days=1)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"workflow": f"{WORKFLOW}@refs/tags/v1.3"}, "built by .*v1.3"),
        ({"workflow": f"{WORKFLOW}@refs/heads/main"}, "built by"),
        ({"workflow": TAG.replace("release.yml", "ci.yml")}, "built by"),
        ({"workflow": TAG.replace("fastdl/fastdl", "fastdl/fork")}, "built by"),
        ({"issuer": "https://example.org"}, "GitHub's machines"),
        ({"runner": "self-hosted"}, "GitHub's machines"),
        ({"usage": ExtendedKeyUsageOID.SERVER_AUTH}, "not for signing"),
        ({"more": [(x509.BasicConstraints(True, None), True)]}, "not for signing"),
        ({"more": [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\0"), True)]}, "cannot be used"),
        ({"begins": EARLIER}, "cannot be used"),
        ({"begins": LATER}, "cannot be used"),
        ({"statement": {"_type": "https://example.org"}}, "something else"),
        ({"statement": {"predicateType": "https://cyclonedx.org/bom"}}, "something else"),
        ({"statement": {"subject": [{"name": "a.zip", "digest": {"sha512": "00"}}]}}, "what was built"),
        ({"statement": {"subject": []}}, "empty"),
        ({"statement": {"subject": "a.zip"}}, "what was built"),
        ({"statement": {"subject": [[]] * 2}}, "what was built"),
        (
            {"statement": {"subject": [{"name": "a.zip", "digest": {"sha256": digit * 64}} for digit in "01"]}},
            "two things",
        ),
        (
            {"more": [(extension(REPOSITORY, "https://github.com/fastdl/fork"), False)]},
            "for https://github.com/fastdl/fork",
        ),
        ({"more": [(extension(REPOSITORY, "https://github.com/fast"), False)]}, "built for"),
    ],
)
def test_what_is_attested_otherwise(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read(OURS.bundle(FILES, "1.2", **changes))


def test_what_was_built_for_our_repository() -> None:
    """As another one can call our workflow, and the certificate says both."""
    own = [(extension(REPOSITORY, home.REPOSITORY), False)]
    assert read(OURS.bundle(FILES, "1.2", more=own)) == DIGESTS


def test_an_authority_that_only_has_the_name() -> None:
    with pytest.raises(ValueError, match="forged"):
        read(Attester().bundle(FILES, "1.2"))
    with pytest.raises(ValueError, match="unknown authority"):
        read(Attester("another").bundle(FILES, "1.2"))


def test_two_authorities_of_one_name() -> None:
    """As when a key is replaced."""
    new = Attester()
    both = (signer_of(new), signer_of(OURS))
    for authority in (OURS, new):
        assert attested(authority.bundle(FILES, "1.2"), both, TAG).digests == DIGESTS


def test_one_that_was_issued_does_not_issue() -> None:
    value = json.loads(OURS.bundle(FILES, "1.2"))
    leaf = read_signer(b64decode(value["verificationMaterial"]["certificate"]["rawBytes"]))
    with pytest.raises(ValueError, match="may not issue"):
        check_issued(leaf._replace(issuer=leaf.subject), leaf)


def statement(value: dict[str, Any]) -> None:
    told = json.loads(b64decode(value["dsseEnvelope"]["payload"]))
    told["subject"][0]["digest"]["sha256"] = "0" * 64
    value["dsseEnvelope"]["payload"] = b64encode(json.dumps(told).encode()).decode()


def exchanged(value: dict[str, Any]) -> None:
    other = json.loads(OURS.bundle(FILES, "1.2"))
    value["verificationMaterial"] = other["verificationMaterial"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (statement, "signature is not of"),
        (exchanged, "signature is not of"),
        (lambda value: value["dsseEnvelope"].update(payloadType="text/plain"), "signature is not of"),
        (lambda value: value["dsseEnvelope"].update(payloadType=7), "no bundle"),
        (lambda value: value["dsseEnvelope"].update(payload="%"), "."),
        (lambda value: value["dsseEnvelope"].update(signatures=[]), "."),
        (lambda value: value["dsseEnvelope"]["signatures"].append(value["dsseEnvelope"]["signatures"][0]), "."),
        (lambda value: value.update(mediaType="text/plain"), "no bundle"),
        (lambda value: value.update(mediaType=7), "no bundle"),
        (lambda value: value.update(verificationMaterial=[]), "no bundle"),
        (lambda value: value["verificationMaterial"]["certificate"].update(rawBytes="MAA="), "."),
        (lambda value: value["verificationMaterial"].pop("certificate"), "no bundle"),
    ],
)
def test_what_was_changed(change: Callable[[dict[str, Any]], None], why: str) -> None:
    value = json.loads(OURS.bundle(FILES, "1.2"))
    change(value)
    with pytest.raises(ValueError, match=why):
        read(json.dumps(value))


BITS, CRITICAL = b"\x03\x02\x07\x80", b"\x01\x01\xff"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"\x04\x04" + BITS, b"\x05\x04" + BITS),  # not the octets that every extension is
        (CRITICAL, b"\x01\x01\x01"),  # a "true" that is none in DER, where it must not count as "false"
        (CRITICAL, b"\x02\x01\xff"),
    ],
)
def test_extensions_of_another_form(before: bytes, after: bytes) -> None:
    value = json.loads(OURS.bundle(FILES, "1.2"))
    entry = value["verificationMaterial"]["certificate"]
    good = b64decode(entry["rawBytes"])
    assert before in good
    entry["rawBytes"] = b64encode(good.replace(before, after)).decode()
    with pytest.raises(ValueError, match="unknown form"):
        read(json.dumps(value))


@pytest.mark.parametrize("usage", [b"\x03\x00", b"\x03\x01\x00", b"\x03\x02\x07\x00", b"\x04\x02\x07\x80", b""])
def test_a_key_that_may_do_nothing(usage: bytes) -> None:
    """Looked at before the signature is, so anything may stand there."""
    value = json.loads(OURS.bundle(FILES, "1.2"))
    leaf = read_signer(b64decode(value["verificationMaterial"]["certificate"]["rawBytes"]))
    check_issued(leaf, signer_of(OURS))
    with pytest.raises(ValueError):
        check_issued(leaf._replace(extensions={**leaf.extensions, KEY_USAGE: (True, usage)}), signer_of(OURS))


def test_every_byte_of_the_certificate_counts() -> None:
    value = json.loads(OURS.bundle(FILES, "1.2"))
    good = b64decode(value["verificationMaterial"]["certificate"]["rawBytes"])
    for place in range(0, len(good), 5):
        changed = bytearray(good)
        changed[place] ^= 1
        value["verificationMaterial"]["certificate"]["rawBytes"] = b64encode(changed).decode()
        with pytest.raises(ValueError):
            read(json.dumps(value))


@pytest.mark.parametrize("text", ["", " \n", "{", "[]", "7", "null", "{}", '{"a": 1}x', "[" * 100_000])
def test_what_is_no_bundle(text: str) -> None:
    with pytest.raises(ValueError):
        read(text)


def test_very_many_bundles() -> None:
    """Each is read once, and their count has an end: what comes may be made to keep us busy."""
    own = OURS.bundle(FILES, "1.2")
    assert read("{} " * (MOST - 1) + own + "\n" * 4_000_000) == DIGESTS
    with pytest.raises(ValueError, match="more than"):
        read("1 " * 2_000_000)


# The root above the authority that is built in, as Sigstore's root of trust has it; it is in nobody's bundle.
ROOT = (
    "MIIB9zCCAXygAwIBAgIUALZNAPFdxHPwjeDloDwyYChAO/4wCgYIKoZIzj0EAwMwKjEVMBMGA1UEChMMc2lnc3RvcmUuZGV2MREwDwYDVQQDEwhz"
    "aWdzdG9yZTAeFw0yMTEwMDcxMzU2NTlaFw0zMTEwMDUxMzU2NThaMCoxFTATBgNVBAoTDHNpZ3N0b3JlLmRldjERMA8GA1UEAxMIc2lnc3RvcmUw"
    "djAQBgcqhkjOPQIBBgUrgQQAIgNiAAT7XeFT4rb3PQGwS4IajtLk3/OlnpgangaBclYpsYBr5i+4ynB07ceb3LP0OIOZdxexX69c5iVuyJRQ+Hz0"
    "5yi+UF3uBWAlHpiS5sh0+H2GHE7SXrk1EC5m1Tr19L9gg92jYzBhMA4GA1UdDwEB/wQEAwIBBjAPBgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBRY"
    "wB5fkUWlZql6zJChkyLQKsXF+jAfBgNVHSMEGDAWgBRYwB5fkUWlZql6zJChkyLQKsXF+jAKBggqhkjOPQQDAwNpADBmAjEAj1nHeXZp+13NWBNa"
    "+EDsDP8G1WWg1tCMWP/WHPqpaVo0jhsweNFZgSs0eE7wYI4qAjEA2WB9ot98sIkoF3vZYdd3/VtWB5b9TNMea7Ix/stJ5TfcLLeABLE4BNJOsQ4v"
    "nBHJ"
)


def test_the_authority_that_is_built_in() -> None:
    (own,) = sigstore()
    root = x509.load_der_x509_certificate(b64decode(ROOT))
    known = x509.load_der_x509_certificate(b64decode(_own()))
    known.verify_directly_issued_by(root)
    assert own.not_after == known.not_valid_after_utc.timestamp()
    # An authority is none that signs code; but its signature is over it, and that is what is asked last.
    with pytest.raises(ValueError, match="not for signing"):
        check_issued(own, read_signer(b64decode(ROOT)))


def _own() -> str:
    from fastdl.core import attestation

    return attestation.SIGSTORE
