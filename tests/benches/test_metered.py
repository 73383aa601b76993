"""The metering server: its arithmetic on figures made by hand, and that it counts what really arrives."""

from __future__ import annotations

import socket
import sys
import time
import urllib.request

import pytest

from benches.metered import Arrivals, Metered


def steady(rate: int, seconds: float, step: float = 0.01) -> Arrivals:
    count = int(seconds / step)
    return Arrivals([at * step for at in range(count + 1)], [int(at * step * rate) for at in range(count + 1)])


def test_a_steady_rate_is_its_mean_and_no_second_is_fuller() -> None:
    arrivals = steady(1000, 5)
    assert arrivals.mean() == pytest.approx(1000)
    assert arrivals.largest(1.0) == pytest.approx(1000, rel=0.01)


def test_waiting_before_the_first_and_after_the_last_byte_is_not_counted() -> None:
    arrivals = Arrivals([0, 5, 6, 7, 30], [0, 0, 100, 200, 200])
    assert arrivals.mean() == 100


def test_a_burst_is_seen_wherever_it_lies() -> None:
    arrivals = Arrivals([0, 1, 2, 2.1, 3], [0, 100, 200, 400, 400])
    assert arrivals.largest(1.0) == 300
    assert Arrivals([0, 1], [0, 0]).mean() == 0


def test_what_arrives_is_counted() -> None:
    with Metered(100_000) as server:
        server.reset()
        request = urllib.request.Request(server.url("x"), headers={"Range": "bytes=10-19"})
        for asked, length in ((request, 10), (server.url("y"), 100_000)):
            with urllib.request.urlopen(asked, timeout=10) as answer:
                assert answer.read() == bytes(length)
        end = time.monotonic() + 10
        while server.arrivals().counts[-1] < 100_010 and time.monotonic() < end:
            pass  # the client may have read what the server's thread has not counted yet
        arrivals = server.arrivals()
        assert arrivals.counts[0] == 0
        assert arrivals.counts[-1] == 100_010
        assert list(arrivals.times) == sorted(arrivals.times)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what was not acknowledged")
def test_what_a_client_does_not_take_has_not_arrived() -> None:
    size = 64 << 20  # more than any receive buffer holds
    with Metered(size) as server, socket.socket() as client:
        server.reset()
        host, port = server.url("").split("/")[2].split(":")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((host, int(port)))
        client.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        end = time.monotonic() + 10
        while server.arrivals().counts[-1] == 0 and time.monotonic() < end:
            client.recv(100)
        assert 0 < server.arrivals().counts[-1] < size
