"""Certificates are read as their makers wrote them, and garbage is refused."""

from __future__ import annotations

import datetime
import ssl

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.certificate import read_certificate

KEY = ec.generate_private_key(ec.SECP256R1())
UTC = datetime.timezone.utc


def der(issuer: list[tuple[x509.ObjectIdentifier, str]], begins: int, ends: int, names: list[str]) -> bytes:
    builder = x509.CertificateBuilder().serial_number(1).public_key(KEY.public_key())
    builder = builder.issuer_name(x509.Name([x509.NameAttribute(*pair) for pair in issuer]))
    builder = builder.subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "host.example")]))
    builder = builder.not_valid_before(datetime.datetime(begins, 3, 4, 5, 6, 7))
    builder = builder.not_valid_after(datetime.datetime(ends, 3, 4, 5, 6, 7))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize(("begins", "ends"), [(1999, 2049), (2024, 2050), (1951, 2200)])
def test_times_of_both_forms(begins: int, ends: int) -> None:
    found = read_certificate(der([(x509.NameOID.COMMON_NAME, "x")], begins, ends, []))
    assert found.not_before == datetime.datetime(begins, 3, 4, 5, 6, 7, tzinfo=UTC).timestamp()
    assert found.not_after == datetime.datetime(ends, 3, 4, 5, 6, 7, tzinfo=UTC).timestamp()


def test_names() -> None:
    organization, common = x509.NameOID.ORGANIZATION_NAME, x509.NameOID.COMMON_NAME
    found = read_certificate(der([(common, "CA 1"), (organization, "Müller & Söhne")], 2024, 2030, ["a.example"]))
    assert (found.issuer, found.subject, found.names, found.own) == (
        "Müller & Söhne", "host.example", ("a.example",), False,
    )  # fmt: skip
    assert read_certificate(der([(common, "CA 1")], 2024, 2030, [])).issuer == "CA 1"
    assert read_certificate(der([], 2024, 2030, [])).issuer == ""


def test_addresses_and_roots() -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost", "127.0.0.1", "::1").cert_chain_pems[0].bytes().decode()
    found = read_certificate(ssl.PEM_cert_to_DER_cert(leaf))
    assert found.names == ("localhost", "127.0.0.1", "::1")
    assert not found.own
    assert read_certificate(ssl.PEM_cert_to_DER_cert(authority.cert_pem.bytes().decode())).own


SOUND = der([(x509.NameOID.COMMON_NAME, "x")], 2024, 2030, ["a.example"])


@given(st.binary(max_size=300))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        read_certificate(data)


@given(st.integers(0, len(SOUND) - 1), st.integers(0, 255))
def test_a_changed_byte_raises_nothing_else(at: int, value: int) -> None:
    data = bytearray(SOUND)
    data[at] = value
    try:
        read_certificate(bytes(data))
    except ValueError:
        return


@given(st.integers(0, len(SOUND) - 1))
def test_a_cut_one_is_refused(length: int) -> None:
    with pytest.raises(ValueError):
        read_certificate(SOUND[:length])
