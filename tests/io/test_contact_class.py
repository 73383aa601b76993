"""A mapped source: where it may redirect, and what it is told of the user."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from fastdl.core.head import Head, Validators
from fastdl.core.urls import Url, parse_url
from fastdl.errors import RedirectRefused
from fastdl.io import contact as module
from fastdl.io.contact import Contact, Place
from fastdl.io.session import Session
from fastdl.settings import Settings
from servers.raw import Connection, RawServer, Serve

OWN = "https://m.example.com/pub/file"
HOSTS = frozenset({"m.example.com", "other.example.net"})


def place(trust: str = "official", url: str = OWN) -> Place:
    return Place(parse_url(url), mirror=True, trust=trust, hosts=HOSTS)


# --- redirects -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trust", ["alias", "official", "third-party"])
@pytest.mark.parametrize(
    "to",
    [
        "https://m.example.com/elsewhere",
        "https://m.example.com:8443/file",
        "https://a.b.m.example.com/file",
        "https://other.example.net/file",
    ],
)
def test_where_a_mapped_source_may_redirect(trust: str, to: str) -> None:
    module._check_class(place(trust), parse_url(to))


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("http://m.example.com/file", "out of TLS"),
        ("http://other.example.net/file", "out of TLS"),
        ("https://example.com/file", "somebody else"),
        ("https://xm.example.com/file", "somebody else"),
        ("https://m.example.com.evil.example/file", "somebody else"),
        ("https://sub.other.example.net/file", "somebody else"),
        ("https://192.0.2.1/file", "somebody else"),
    ],
)
def test_where_it_may_not(to: str, why: str) -> None:
    with pytest.raises(RedirectRefused, match=why) as error:
        module._check_class(place(), parse_url(to))
    assert parse_url(to).host in str(error.value)
    assert "/file" not in str(error.value)


class Scripted(Contact):
    """Answers by URL instead of the network; remembers what was asked."""

    def __init__(self, session: Session, answers: dict[str, str | None]) -> None:
        super().__init__(session, 0, lambda: False)
        self.answers = answers
        self.asked: list[str] = []

    def _exchange(self, place: Place, url: Url, *more: Any) -> Head:
        self.asked.append(url.text)
        self.channel = object()  # type: ignore[assignment]
        location = self.answers[url.text]
        if location is None:
            return Head(206, "", (), "HTTP/1.1")
        return Head(302, "", (("location", location),), "HTTP/1.1")

    def _finish_body(self) -> None:
        pass


@pytest.fixture
def session() -> Iterator[Session]:
    made = Session(
        Settings(
            use_proxy=False, timeout=10, user=("me", "pw"), headers=[("X-Key", "hush")], referer="https://r.example/"
        )
    )
    yield made
    made.close()


def test_redirects_within_the_class_are_followed(session: Session) -> None:
    answers = {OWN: "https://cdn.m.example.com/1", "https://cdn.m.example.com/1": "//other.example.net/2",
               "https://other.example.net/2": None}  # fmt: skip
    one, source = Scripted(session, answers), place()
    answer = one.ask(source, 0, None, True, ())
    assert answer.url.text == "https://other.example.net/2"
    assert [url.text for url, _ in answer.hops] == list(answers)[:2]
    assert source.final == answer.url
    one.ask(source, 0, None, True, ())
    assert one.asked == [*answers, "https://other.example.net/2"]


@pytest.mark.parametrize("hops", [1, 3])
def test_nobody_else_is_asked(session: Session, hops: int) -> None:
    """However late the redirect leads away: the class is the given URL's, not that of the last one."""
    urls = [OWN, *(f"https://c{n}.m.example.com/" for n in range(1, hops)), "https://evil.example/x"]
    one, source = Scripted(session, dict(pairwise(urls))), place()
    with pytest.raises(RedirectRefused):
        one.ask(source, 0, None, True, ())
    assert one.asked == urls[:-1]
    assert source.final is None


def test_what_was_given_may_lead_anywhere(session: Session) -> None:
    to = "https://elsewhere.example.net/x"
    for given in (Place(parse_url(OWN)), Place(parse_url(OWN), mirror=True)):
        assert not given.mapped
        assert Scripted(session, {OWN: to, to: None}).ask(given, 0, None, True, ()).url.text == to


# --- what it is told -------------------------------------------------------------------------------------


def test_a_mapped_source_is_told_the_path_and_nothing_of_the_user(session: Session) -> None:
    one = Contact(session, 0, lambda: False)
    source = place()
    request = one.request(source, source.given, 10, 20, True)
    assert request.url == source.given
    names = {name.lower() for name, _ in request.headers}
    assert names.isdisjoint({"authorization", "x-key", "cookie", "referer"})
    assert "hush" not in str(request) and "r.example" not in str(request)


def test_a_user_agent_of_ones_own_stays_at_home() -> None:
    made = Session(Settings(use_proxy=False, user_agent="Team secret"))
    try:
        one = Contact(made, 0, lambda: False)
        mapped = dict(one.request(place(), parse_url(OWN), 0, None, True).headers)
        given = dict(one.request(Place(parse_url(OWN)), parse_url(OWN), 0, None, True).headers)
    finally:
        made.close()
    assert "Team secret" in given.values()
    assert "Team secret" not in mapped.values()


def test_on_the_wire(serve: Serve, session: Session) -> None:
    """And no cookie of its is kept."""

    def handle(connection: Connection) -> None:
        while connection.receive() is not None:
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: spy=1; Path=/\r\n\r\n")

    server: RawServer = serve(handle)
    source = Place(parse_url(server.url()), mirror=True, trust="third-party")
    one = Contact(session, 0, lambda: False)
    for start in (0, 10):
        one.ask(source, start, 20, True, ())
    one.drop()
    for exchange in server.log:
        names = {name for name, _ in exchange.request.headers}
        assert names <= {"host", "range", "user-agent", "accept", "accept-encoding", "connection"}, names
        assert exchange.request.get("range") in ("bytes=0-19", "bytes=10-19")


def test_its_own_validators_are_its_condition(session: Session) -> None:
    """Never the origin's."""
    source = place()
    source.twin = Validators('"origin"')
    one = Contact(session, 0, lambda: False)
    assert one.request(source, source.given, 10, 20, True).if_range is None
    source.validators = Validators('"own"')
    assert one.request(source, source.given, 10, 20, True).if_range == '"own"'
    assert one.request(source, source.given, 0, 20, True).if_range is None
    source.final = parse_url("https://cdn.m.example.com/x")
    source.forget()
    assert source.final is None
    assert one.request(source, source.given, 10, 20, True).if_range is None
