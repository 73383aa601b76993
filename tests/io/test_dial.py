"""Connecting: races between addresses, --connect-to, --interface, errors. Loopback only.

An address that swallows everything is played by a connected socket whose buffer is full: it never becomes writable, as
a connect that nobody answers.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fastdl.errors import ConnectFailed, NameNotFound, TimedOut, UsageError
from fastdl.io import dial
from fastdl.io.dial import Dialer
from fastdl.io.dns import Address, Resolver
from fastdl.settings import Settings
from ports import refusing

HOLE, REFUSED, UNREACHABLE, OPEN = "hole", "refused", "unreachable", "open"


class Net:
    """A network of made-up addresses: how each behaves, and what was tried."""

    def __init__(self, **behaviour: str) -> None:
        self.behaviour = {key.replace("_", "."): value for key, value in behaviour.items()}
        self.tried: list[str] = []
        self.sockets: list[socket.socket] = []
        self._held = contextlib.ExitStack()
        self.listener = self._held.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.nobody = self._held.enter_context(refusing())

    def lookup(self, host: str, *_: Any) -> list[Any]:
        return [
            (socket.AF_INET6, 1, 6, "", (text[1:].replace(".", "::"), 0, 0, 0))
            if text.startswith("x") else (socket.AF_INET, 1, 6, "", (text[1:], 0))
            for text in self.behaviour
        ]  # fmt: skip

    def start(self, address: Address) -> socket.socket:
        key = ("x" if address.family == socket.AF_INET6 else "i") + address.text.replace("::", ".")
        self.tried.append(address.text)
        kind = self.behaviour[key]
        if kind == UNREACHABLE:
            raise OSError(errno.ENETUNREACH, "unreachable")
        if kind == HOLE:
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    ours.send(bytes(65536))
            self.sockets += [ours, theirs]
            return ours
        port = self.listener.getsockname()[1] if kind == OPEN else self.nobody
        ours = socket.socket()
        ours.setblocking(False)
        ours.connect_ex(("127.0.0.1", port))
        self.sockets.append(ours)
        return ours

    def dialer(self, settings: Settings | None = None) -> Dialer:
        return Dialer(settings or Settings(), Resolver(lookup=self.lookup), start=self.start)

    def close(self) -> None:
        self._held.close()
        for sock in self.sockets:
            sock.close()


@pytest.fixture
def net() -> Iterator[Callable[..., Net]]:
    nets: list[Net] = []

    def make(**behaviour: str) -> Net:
        nets.append(Net(**behaviour))
        return nets[-1]

    yield make
    for made in nets:
        made.close()


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def connect(dialer: Dialer, host: str = "a.example", port: int = 80, **options: Any) -> str:
    sock, seconds, peer = dialer.connect(host, port, **{"timeout": 10.0, **options})
    assert seconds >= 0
    assert sock.gettimeout() is None
    assert not sock.get_inheritable()
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    sock.close()
    return peer


def test_a_real_connection(server: socket.socket) -> None:
    dialer = Dialer(Settings(), Resolver())
    sock, seconds, peer = dialer.connect("127.0.0.1", server.getsockname()[1], timeout=10)
    with sock:
        assert peer == "127.0.0.1"
        assert 0 <= seconds < 10
        accepted, _ = server.accept()
        with accepted:
            sock.sendall(b"x")
            assert accepted.recv(1) == b"x"


def test_a_silent_address_does_not_hold_up_the_next(net: Callable[..., Net]) -> None:
    made = net(x2001_db8=HOLE, i192_0_2_1=OPEN)
    assert connect(made.dialer()) == "192.0.2.1"
    assert made.tried == ["2001::db8", "192.0.2.1"]
    assert made.sockets[0].fileno() == -1  # the loser is closed


def test_a_silent_address_is_avoided_afterwards(net: Callable[..., Net]) -> None:
    made = net(x2001_db8=HOLE, i192_0_2_1=OPEN)
    dialer = made.dialer()
    connect(dialer)
    made.tried.clear()
    connect(dialer)
    assert made.tried == ["192.0.2.1"]


@pytest.mark.parametrize("kind", [REFUSED, UNREACHABLE])
def test_a_failure_starts_the_next_attempt_at_once(
    net: Callable[..., Net], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial, "STAGGER", 3600.0)
    made = net(i192_0_2_1=kind, i192_0_2_2=OPEN)
    dialer = made.dialer()
    assert connect(dialer) == "192.0.2.2"
    made.tried.clear()
    connect(dialer)
    assert made.tried == ["192.0.2.2"]  # broken addresses are avoided


@pytest.mark.parametrize("kind", [REFUSED, UNREACHABLE])
def test_a_failure_beside_a_silent_one_starts_the_next_at_once(
    net: Callable[..., Net], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = net(i192_0_2_1=HOLE, i192_0_2_2=kind, i192_0_2_3=kind, i192_0_2_4=OPEN)
    monkeypatch.setattr(dial, "STAGGER", 0.0)

    def start(address: Address) -> socket.socket:
        if made.tried:
            monkeypatch.setattr(dial, "STAGGER", 3600.0)  # from now on only a failure starts the next attempt
        return made.start(address)

    dialer = Dialer(Settings(), Resolver(lookup=made.lookup), start=start)
    assert connect(dialer) == "192.0.2.4"


def test_the_slower_one_may_win_if_the_other_fails_later(net: Callable[..., Net]) -> None:
    made = net(i192_0_2_1=HOLE, i192_0_2_2=REFUSED, i192_0_2_3=OPEN)
    assert connect(made.dialer()) == "192.0.2.3"


def test_all_addresses_fail(net: Callable[..., Net]) -> None:
    made = net(i192_0_2_1=REFUSED, x2001_db8=UNREACHABLE)
    with pytest.raises(ConnectFailed, match=r"a\.example port 80") as caught:
        connect(made.dialer())
    assert "192.0.2.1: connection refused" in caught.value.why
    assert "2001::db8: network unreachable" in caught.value.why


def test_nobody_answers(net: Callable[..., Net]) -> None:
    made = net(i192_0_2_1=HOLE)
    with pytest.raises(TimedOut, match=r"a\.example port 80.*0\.05 s"):
        connect(made.dialer(), timeout=0.05)
    assert made.sockets[0].fileno() == -1


def test_refused_for_real() -> None:
    with refusing() as port, pytest.raises(ConnectFailed, match=f"port {port}.*connection refused"):
        Dialer(Settings(), Resolver()).connect("127.0.0.1", port, timeout=10)


def test_giving_up_ends_a_connect(net: Callable[..., Net]) -> None:
    made = net(i192_0_2_1=HOLE)
    dialer = made.dialer()
    with pytest.raises(ConnectFailed, match="given up"):
        connect(dialer, timeout=3600, cancelled=lambda: bool(made.tried))
    made.behaviour["i192.0.2.2"] = OPEN
    assert dialer.resolver.resolve("b.example", 80, 5)[0].text == "192.0.2.1"  # nothing was learned of the address


def test_turns_spread_over_the_addresses(net: Callable[..., Net]) -> None:
    made = net(i192_0_2_1=OPEN, i192_0_2_2=OPEN, i192_0_2_3=OPEN)
    dialer = made.dialer()
    assert [connect(dialer, turn=turn) for turn in range(4)] == ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.1"]


def test_turns_keep_the_first_family_first(net: Callable[..., Net]) -> None:
    made = net(x2001_db8=OPEN, x2001_db9=OPEN, i192_0_2_1=OPEN)
    dialer = made.dialer()
    assert [connect(dialer, turn=turn) for turn in range(3)] == ["2001::db8", "2001::db9", "2001::db8"]


def test_preferred_and_avoided_addresses(net: Callable[..., Net]) -> None:
    made = net(i192_0_2_1=OPEN, i192_0_2_2=OPEN, i192_0_2_3=OPEN)
    dialer = made.dialer()
    assert connect(dialer, prefer="192.0.2.3") == "192.0.2.3"
    assert connect(dialer, prefer="192.0.2.9") == "192.0.2.1"
    assert connect(dialer, avoid=frozenset({"192.0.2.1", "192.0.2.2"})) == "192.0.2.3"
    assert connect(dialer, avoid=frozenset({"192.0.2.1", "192.0.2.2", "192.0.2.3"}), turn=1) == "192.0.2.2"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], ("a.example", 80)),
        ([("a.example", "80", "b.example", "8080")], ("b.example", 8080)),
        ([("A.Example", "80", "b.example", "8080")], ("b.example", 8080)),
        ([("a.example", "81", "b.example", "8080")], ("a.example", 80)),
        ([("c.example", "80", "b.example", "8080")], ("a.example", 80)),
        ([("", "80", "b.example", "8080")], ("b.example", 8080)),
        ([("a.example", "", "b.example", "8080")], ("b.example", 8080)),
        ([("", "", "b.example", "")], ("b.example", 80)),
        ([("", "", "", "8080")], ("a.example", 8080)),
        ([("", "", "[2001:db8::1]", "")], ("2001:db8::1", 80)),
        ([("c.example", "", "x", "1"), ("", "", "y", "2"), ("", "", "z", "3")], ("y", 2)),
    ],
)
def test_connect_to(rules: list[tuple[str, str, str, str]], expected: tuple[str, int]) -> None:
    assert Dialer(Settings(connect_to=rules), Resolver()).target_of("a.example", 80) == expected


def test_connect_to_leads_to_another_server(server: socket.socket) -> None:
    port = server.getsockname()[1]
    dialer = Dialer(Settings(connect_to=[("a.example", "443", "127.0.0.1", str(port))]), Resolver())
    assert connect(dialer, "a.example", 443) == "127.0.0.1"
    with pytest.raises(ConnectFailed, match=r"127\.0\.0\.1"):
        dialer.connect("127.0.0.1", 443, timeout=10, mapped=False)


def test_an_unknown_name_is_passed_on() -> None:
    def unknown(*_: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "x")

    with pytest.raises(NameNotFound):
        Dialer(Settings(), Resolver(lookup=unknown)).connect("a.example", 80, timeout=5)


def test_interface_by_address(server: socket.socket) -> None:
    # Only Linux answers on all of 127/8 without being told to.
    own = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
    dialer = Dialer(Settings(interface=own), Resolver())
    sock, _, _ = dialer.connect("127.0.0.1", server.getsockname()[1], timeout=10)
    with sock:
        assert sock.getsockname()[0] == own


def test_interface_by_name(server: socket.socket) -> None:
    import psutil

    name = next(
        name for name, found in psutil.net_if_addrs().items() if any(entry.address == "127.0.0.1" for entry in found)
    )
    dialer = Dialer(Settings(interface=name), Resolver())
    assert connect(dialer, "127.0.0.1", server.getsockname()[1]) == "127.0.0.1"


def test_a_device_that_may_not_be_bound_gives_its_address(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial, "_local_addresses", lambda _: {"4": ["127.0.0.1"], "6": [], "names": ["eth7"]})
    monkeypatch.setattr(dial, "_bind_to_device", lambda *_: False)
    dialer = Dialer(Settings(interface="eth7"), Resolver())
    sock, _, _ = dialer.connect("127.0.0.1", server.getsockname()[1], timeout=10)
    with sock:
        assert sock.getsockname()[0] == "127.0.0.1"


def test_an_interface_without_an_address_of_the_family(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "_local_addresses", lambda _: {"4": [], "6": ["::1"]})
    with pytest.raises(ConnectFailed, match="not available"):
        Dialer(Settings(interface="::1"), Resolver()).connect("127.0.0.1", 9, timeout=10)


@pytest.mark.parametrize("name", ["no-such-interface", "203.0.113.77"])
def test_an_unknown_interface_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match=name.replace(".", r"\.")):
        Dialer(Settings(interface=name), Resolver())


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors in /proc")
def test_nothing_stays_open(net: Callable[..., Net]) -> None:
    made = net(i192_0_2_1=REFUSED, i192_0_2_2=OPEN)
    dialer = made.dialer()
    connect(dialer)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        connect(dialer)
    assert len(os.listdir("/proc/self/fd")) == before
