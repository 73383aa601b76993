"""FILE or ADDR:PORT."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.endpoint import Endpoint, endpoint_of, is_loopback_host
from fastdl.errors import UsageError


@pytest.mark.parametrize(
    ("text", "host", "port", "netloc"),
    [
        ("127.0.0.1:9180", "127.0.0.1", 9180, "127.0.0.1:9180"),
        ("127.255.3.4:1", "127.255.3.4", 1, "127.255.3.4:1"),
        ("localhost:0", "localhost", 0, "localhost:0"),
        ("LocalHost:80", "localhost", 80, "localhost:80"),
        ("[::1]:65535", "::1", 65535, "[::1]:65535"),
        ("[0:0:0:0:0:0:0:1]:5", "::1", 5, "[::1]:5"),
        ("127.0.0.1:00080", "127.0.0.1", 80, "127.0.0.1:80"),
    ],
)
def test_addresses(text: str, host: str, port: int, netloc: str) -> None:
    found = endpoint_of(text)
    assert found == Endpoint(host, port)
    assert found is not None and found.netloc == netloc


@pytest.mark.parametrize(
    "text",
    [
        "fastdl.prom", "/var/lib/metrics/fastdl.prom", "./x:1", "/x:1", "C:\\x.prom", "C:/x.prom", "..\\x:1",
        "C:x.prom",        "\\\\server\\share\\x:1", "a:b", "metrics", "~/x.prom", "./9180", "./[::1]:90", "a.b:9x",
        "2024-01-01T10:00.prom",
    ],
)  # fmt: skip
def test_files(text: str) -> None:
    assert endpoint_of(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0:9180", "192.0.2.1:9180", "example.org:9180", "[::]:9180", "[2001:db8::1]:80", ":9180", "*:9180",
        "[]:1", "[::ffff:127.0.0.1]:80", "127.1:80", "2130706433:80", "127.0.0.1.example.org:80",
        "localhost.example.org:80",         "[::1%lo]:80", "[127.0.0.1]x:80", "C:1",
    ],
)  # fmt: skip
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        endpoint_of(text)
    assert "127.0.0.1:9180" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("127.0.0.1:65536", "65536"), ("127.0.0.1:99999999999", "port"), ("9180", "127.0.0.1:9180 or ./9180"),
        ("::1:9180", "brackets"), ("::1", "brackets"), ("[::1]", "no port"), ("127.0.0.1", "no port"),
        ("localhost", "no port"), ("127.0.0.1:", "number"), ("localhost:http", "number"), ("[::1]:x", "number"),
        ("-", "file or an address"), ("http://127.0.0.1:9180/metrics", "not a URL"),
    ],
)  # fmt: skip
def test_what_is_neither_is_explained(text: str, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        endpoint_of(text)
    assert named in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_is_a_file_a_loopback_address_or_refused(text: str) -> None:
    try:
        found = endpoint_of(text)
    except UsageError as error:
        assert not re.search(r"[\x00-\x1f\x7f]", str(error))
    else:
        assert found is None or found.host in ("localhost", "::1") or found.host.startswith("127.")
        assert found is None or ("/" not in text and "\\" not in text)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:9180", "localhost", "LOCALHOST:1", "[::1]", "[::1]:8"])
def test_hosts_of_this_machine(host: str) -> None:
    assert is_loopback_host(host)


@pytest.mark.parametrize("host", ["", "example.org", "localhost.example.org:80", "::1", "10.0.0.1", "[::2]", "[::1]x"])
def test_hosts_of_others(host: str) -> None:
    assert not is_loopback_host(host)
