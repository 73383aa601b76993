"""Look-ups: order, memory, time limits; no real DNS server is asked."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from fastdl.errors import ConnectFailed, NameNotFound, TimedOut
from fastdl.io import dns
from fastdl.io.dns import Address, Resolver, interleave

V4 = socket.AF_INET
V6 = socket.AF_INET6


def entry(text: str) -> tuple[Any, ...]:
    if ":" in text:
        return (V6, socket.SOCK_STREAM, 6, "", (text, 0, 0, 0))
    return (V4, socket.SOCK_STREAM, 6, "", (text, 0))


class FakeDns:
    """Stands in for getaddrinfo; counts the look-ups."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.error: OSError | None = None
        self.asked: list[tuple[Any, ...]] = []
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, *args: Any) -> list[Any]:
        self.asked.append(args)
        self.entered.set()
        self.gate.wait(10)
        if self.error is not None:
            raise self.error
        return [entry(text) for text in self.answers]


def texts(addresses: list[Address]) -> list[str]:
    return [address.text for address in addresses]


def test_families_take_turns_beginning_with_the_systems_first() -> None:
    fake = FakeDns("2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "192.0.2.2", "192.0.2.1")
    found = Resolver(lookup=fake).resolve("a.example", 443, 5)
    assert texts(found) == ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "2001:db8::3"]
    assert found[0].sockaddr == ("2001:db8::1", 443, 0, 0)
    assert found[1].sockaddr == ("192.0.2.1", 443)
    assert interleave([]) == []


def test_an_answer_is_kept_for_all_ports() -> None:
    fake = FakeDns("192.0.2.1")
    resolver = Resolver(lookup=fake)
    resolver.resolve("a.example", 80, 5)
    assert resolver.resolve("a.example", 443, 5)[0].port == 443
    assert len(fake.asked) == 1


@pytest.mark.parametrize(("family", "asked"), [(4, V4), (6, V6), (None, socket.AF_UNSPEC)])
def test_the_family_is_asked_for(family: int | None, asked: int) -> None:
    fake = FakeDns("192.0.2.1")
    Resolver(family, lookup=fake).resolve("a.example", 80, 5)
    assert fake.asked[0][2] == asked


@pytest.mark.parametrize("literal", ["192.0.2.1", "2001:db8::1"])
def test_literals_need_no_look_up(literal: str) -> None:
    fake = FakeDns()
    assert texts(Resolver(lookup=fake).resolve(literal, 80, 5)) == [literal]
    assert not fake.asked


def test_a_literal_of_the_other_family_is_refused() -> None:
    with pytest.raises(ConnectFailed, match="no IPv6 address"):
        Resolver(6).resolve("192.0.2.1", 80, 5)
    with pytest.raises(ConnectFailed, match="no IPv4 address"):
        Resolver(4).resolve("::1", 80, 5)


def test_bad_addresses_go_to_the_end_until_they_work_again() -> None:
    resolver = Resolver(lookup=FakeDns("192.0.2.1", "192.0.2.2", "192.0.2.3"))
    first = resolver.resolve("a.example", 80, 5)[0]
    resolver.mark_bad(first)
    assert texts(resolver.resolve("a.example", 80, 5)) == ["192.0.2.2", "192.0.2.3", "192.0.2.1"]
    assert texts(resolver.resolve("a.example", 443, 5))[0] == "192.0.2.1"  # another port is another service
    resolver.mark_good(first)
    assert texts(resolver.resolve("a.example", 80, 5))[0] == "192.0.2.1"


def test_an_unknown_name() -> None:
    fake = FakeDns()
    fake.error = socket.gaierror(socket.EAI_NONAME, "unknown")
    with pytest.raises(NameNotFound, match=r"no\.example") as caught:
        Resolver(lookup=fake).resolve("no.example", 80, 5)
    assert not caught.value.retryable


def test_a_resolver_without_an_answer_may_have_one_later() -> None:
    fake = FakeDns("192.0.2.1")
    fake.error = socket.gaierror(socket.EAI_AGAIN, "later")
    resolver = Resolver(lookup=fake)
    with pytest.raises(NameNotFound) as caught:
        resolver.resolve("a.example", 80, 5)
    assert caught.value.retryable
    fake.error = None
    assert texts(resolver.resolve("a.example", 80, 5)) == ["192.0.2.1"]


def test_a_name_without_addresses() -> None:
    with pytest.raises(NameNotFound):
        Resolver(lookup=FakeDns()).resolve("a.example", 80, 5)


def test_a_name_that_cannot_be_encoded_is_not_found() -> None:
    with pytest.raises(NameNotFound):
        Resolver().resolve("a" * 70 + ".example", 80, 5)


def test_an_old_answer_beats_a_failed_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns, "KEEP", -1.0)
    fake = FakeDns("192.0.2.1")
    resolver = Resolver(lookup=fake)
    resolver.resolve("a.example", 80, 5)
    fake.error = socket.gaierror(socket.EAI_NONAME, "gone")
    assert texts(resolver.resolve("a.example", 80, 5)) == ["192.0.2.1"]
    assert len(fake.asked) == 2


def test_a_stuck_look_up_ends_in_time_and_is_not_started_twice() -> None:
    fake = FakeDns("192.0.2.1")
    fake.gate.clear()
    resolver = Resolver(lookup=fake)
    for _ in range(2):
        with pytest.raises(TimedOut, match=r"a\.example"):
            resolver.resolve("a.example", 80, 0.01)
    assert fake.entered.wait(10)  # its thread may be slower than the time limit
    assert len(fake.asked) == 1
    fake.gate.set()
    assert texts(resolver.resolve("a.example", 80, 5)) == ["192.0.2.1"]
    assert len(fake.asked) == 1


def test_giving_up_ends_the_wait() -> None:
    fake = FakeDns("192.0.2.1")
    fake.gate.clear()
    with pytest.raises(TimedOut):
        Resolver(lookup=fake).resolve("a.example", 80, 3600, cancelled=lambda: True)
    fake.gate.set()


def test_several_threads_share_one_look_up() -> None:
    fake = FakeDns("192.0.2.1")
    fake.gate.clear()
    resolver = Resolver(lookup=fake)
    results: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: results.append(texts(resolver.resolve("a.example", 80, 10)))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    fake.gate.set()
    for thread in threads:
        thread.join()
    assert results == [["192.0.2.1"]] * 8
