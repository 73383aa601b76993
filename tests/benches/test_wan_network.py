"""The emulator on the real kernel, where it can run: packets cross, faults happen when they were told to, and nothing
stays behind whatever ends the bench."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from benches.server import find_nginx
from benches.wan import network
from benches.wan.link import Link
from benches.wan.network import CLIENT, Wan, WanFailed

FAST = Link(1000, rtt=0.002)
# A program that sends each connection COUNT bytes, and one that opens connections and counts what comes until the end
# or until nothing has come for a while; it prints a number a connection.
SERVE = """
import socket, sys, threading
listener = socket.create_server((sys.argv[1], 80))
print("listening", flush=True)
def send(peer):
    peer.sendall(bytes(int(sys.argv[2])))
    peer.close()
while True:
    threading.Thread(target=send, args=listener.accept()[:1], daemon=True).start()
"""
FETCH = """
import socket, sys
peers = [socket.create_connection((sys.argv[1], 80), timeout=20) for _ in range(int(sys.argv[2]))]
for peer in peers:
    got, quiet = 0, float(sys.argv[3])
    peer.settimeout(quiet)
    try:
        while block := peer.recv(65536):
            got += len(block)
    except TimeoutError:
        pass
    print(got)
"""
# One that takes a connection and tells how it is controlled, and one that opens it.
TELL = """
import socket, sys
listener = socket.create_server((sys.argv[1], 80))
print("listening", flush=True)
peer = listener.accept()[0]
print(peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).split(bytes(1))[0].decode())
"""
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], 80), timeout=20).recv(1)"

needs_a_network = pytest.mark.skipif(bool(network.unavailable()), reason=network.unavailable())


@pytest.fixture
def wan() -> Iterator[Wan]:
    with Wan([FAST, FAST]) as made:
        yield made


class Far:
    """A server of `count` bytes a connection behind a link."""

    def __init__(self, wan: Wan, link: int, count: int) -> None:
        command = [*wan.inside(link), sys.executable, "-c", SERVE, wan.address(link), str(count)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "listening\n"

    def __enter__(self) -> Far:
        return self

    def __exit__(self, *what: object) -> None:
        self.process.kill()
        self.process.communicate()


def fetch(wan: Wan, link: int, connections: int = 1, quiet: float = 20.0) -> list[int]:
    """How many bytes came on each connection."""
    command = [*wan.inside(CLIENT), sys.executable, "-c", FETCH, wan.address(link), str(connections), str(quiet)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [int(line) for line in done.stdout.split()]


@needs_a_network
def test_bytes_cross_their_own_link_and_are_counted(wan: Wan) -> None:
    with Far(wan, 1, 300_000):
        assert fetch(wan, 1, 2) == [300_000, 300_000]
    silent, used = wan.counts()
    assert silent.bytes == silent.connections == 0
    assert used.connections == 2 and used.bytes > 600_000
    wan.reset()
    assert wan.counts()[1].connections == 0 and wan.counts()[1].struck == 0


@needs_a_network
def test_the_chosen_connection_falls_silent_and_the_others_do_not(wan: Wan) -> None:
    wan.fault(0, 2, 0, 0)
    with Far(wan, 0, 100_000):
        command = [*wan.inside(CLIENT), sys.executable, "-c", FETCH.replace("range(int(sys.argv[2]))", "[1]")]
        done = subprocess.run([*command, wan.address(0), "1", "20"], capture_output=True, text=True, timeout=60)
        assert done.stdout.split() == ["100000"]  # the first one
        late = FETCH.replace("timeout=20", "timeout=0.5")
        done = subprocess.run(
            [*wan.inside(CLIENT), sys.executable, "-c", late, wan.address(0), "1", "1"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "imeout" in done.stderr or "timed out" in done.stderr  # the second one does not even connect
        assert fetch(wan, 0) == [100_000]
    assert wan.counts()[0].struck > 0


@needs_a_network
def test_a_link_falls_silent_after_so_many_bytes(wan: Wan) -> None:
    wan.fault(0, 0, 0, 200_000)
    with Far(wan, 0, 5_000_000):
        (got,) = fetch(wan, 0, quiet=0.5)
    assert 100_000 < got < 5_000_000
    assert wan.counts()[0].struck > 0 and wan.counts()[1].struck == 0


@needs_a_network
def test_a_slow_connection_still_brings_everything(wan: Wan) -> None:
    wan.fault(0, 1, 1_000_000, 0)
    with Far(wan, 0, 50_000):
        assert fetch(wan, 0, 2) == [50_000, 50_000]
    assert wan.counts()[0].struck > 0


@needs_a_network
def test_loss_is_repaired_and_counted() -> None:
    with Wan([Link(1000, rtt=0.002, loss=0.05)]) as wan, Far(wan, 0, 1_000_000):
        assert fetch(wan, 0) == [1_000_000]
        assert wan.counts()[0].lost > 0


@needs_a_network
def test_the_server_finds_its_speed_in_the_way_that_was_chosen() -> None:
    for chosen in ("cubic", "reno"):
        with Wan([Link(1000, rtt=0.002, congestion=chosen)]) as wan:
            peer = subprocess.Popen(
                [*wan.inside(0), sys.executable, "-c", TELL, wan.address(0)], stdout=subprocess.PIPE, text=True
            )
            assert peer.stdout is not None
            assert peer.stdout.readline() == "listening\n"
            command = [*wan.inside(CLIENT), sys.executable, "-c", CONNECT, wan.address(0)]
            subprocess.run(command, check=True, timeout=60)
            assert peer.communicate(timeout=60)[0].split() == [chosen]


@needs_a_network
def test_an_unknown_way_is_told() -> None:
    with pytest.raises(WanFailed, match="nonsense"), Wan([Link(1, congestion="nonsense")]):
        pass


@needs_a_network
def test_a_full_queue_drops() -> None:
    with Wan([Link(20, rtt=0.02, queue=0.002)]) as wan, Far(wan, 0, 500_000):
        assert fetch(wan, 0, 2) == [500_000, 500_000]
        assert wan.counts()[0].overflowed > 0


@needs_a_network
def test_something_is_done_once_so_many_bytes_have_come(wan: Wan) -> None:
    done = threading.Event()
    wan.when(0, 50_000, done.set)
    never = threading.Event()
    off = wan.when(1, 50_000, never.set)
    with Far(wan, 0, 100_000):
        fetch(wan, 0)
    assert done.wait(20)
    off.set()
    assert not never.is_set()


@needs_a_network
@pytest.mark.parametrize("fault", [(2, 1, 0.0, 0), (-1, 1, 0.0, 0)])
def test_a_fault_of_no_link(wan: Wan, fault: tuple[int, int, float, int]) -> None:
    with pytest.raises(ValueError, match="no such link"):
        wan.fault(*fault)
    assert len(wan.counts()) == 2  # and it goes on


@needs_a_network
def test_two_networks_do_not_know_of_each_other(wan: Wan) -> None:
    with Wan([FAST]) as other, Far(other, 0, 10_000), Far(wan, 0, 20_000):
        assert fetch(other, 0) == [10_000]
        assert fetch(wan, 0) == [20_000]


@needs_a_network
def test_nothing_stays_after_the_block_or_an_error() -> None:
    with pytest.raises(RuntimeError, match="in it"), Wan([FAST]) as wan:
        process = wan._process
        raise RuntimeError("in it")
    assert process is not None and process.returncode == 0
    with pytest.raises(WanFailed):
        wan.counts()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


BENCH = """
import subprocess, sys
from pathlib import Path
from benches.wan.link import Link
from benches.wan.network import Wan
from benches.wan.server import FarServer
root = Path(sys.argv[1])
with Wan([Link(100)]) as wan, FarServer(wan, 0, root, root / "run") as server:
    print(wan._process.pid, server._process.pid, wan._program.parent, flush=True)
    sys.stdin.read()
"""


@needs_a_network
@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])  # by name: Windows knows no SIGKILL
def test_nothing_runs_on_after_the_bench_was_ended(how: str, tmp_path: Path) -> None:
    if find_nginx() is None:
        pytest.skip("nginx is not installed")
    here = Path(__file__).resolve().parents[2]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(here / "src"), str(here)]), "TMPDIR": str(tmp_path)}
    bench = subprocess.Popen(
        [sys.executable, "-c", BENCH, str(tmp_path)], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert bench.stdout is not None
    emulator, server, built = bench.stdout.readline().split()
    watched = [os.pidfd_open(int(pid)) for pid in (emulator, server)]
    bench.send_signal(signal.Signals[how])
    bench.communicate(timeout=30)
    for process in watched:  # readable once it has ended
        assert select.select([process], [], [], 30)[0]
        os.close(process)
    if how == signal.SIGTERM:
        assert bench.returncode == 128 + signal.SIGTERM
        assert not Path(built).exists()


def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network.sys, "platform", "darwin")
    assert network.unavailable() == "needs Linux"
    with pytest.raises(WanFailed, match="needs Linux"), Wan([FAST]):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="the rest is for Linux")
def test_no_root_no_tun_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network.os, "geteuid", lambda: 1000)
    assert network.unavailable() == "needs root"
    monkeypatch.setattr(network.os, "geteuid", lambda: 0)
    monkeypatch.setattr(network.os, "access", lambda path, how: False)
    assert network.unavailable() == "needs /dev/net/tun"
    monkeypatch.setattr(network.os, "access", lambda path, how: True)
    monkeypatch.setattr(network.shutil, "which", lambda name: None)
    assert network.unavailable() == "needs ip (iproute2)"
    monkeypatch.setattr(network.shutil, "which", lambda name: "/sbin/ip" if name == "ip" else None)
    assert network.unavailable() == "needs a C compiler"
