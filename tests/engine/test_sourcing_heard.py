"""What answers teach a download: digests, further sources; what proves the file, and what its change takes back."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from fastdl.core.digests import ListedMirror, Pieces
from fastdl.core.head import Head
from fastdl.core.servers import Server
from fastdl.core.urls import parse_url
from fastdl.engine import evidence
from fastdl.engine.evidence import Evidence
from fastdl.engine.proof import Expected
from fastdl.engine.sourcing import Sourcing
from fastdl.io.contact import Answer, Place
from fastdl.settings import Settings
from sourcing_rig import (
    MD5,
    MIB,
    OTHER,
    SHA,
    SUMS,
    URL,
    FakeLookup,
    Rig,
    Session,
    field,
    link,
    mirror,
    rule,
    user,
)

# --- what the origin's answer says -----------------------------------------------------------------------


def test_a_digest_of_the_answer(rig: Rig) -> None:
    rig.begin()
    assert rig.hear(field(SHA)) == [Expected(SHA, "origin", "origin.example.org")]
    assert len(rig.all()) == 4


@pytest.mark.parametrize("way", ["plain", "insecure", "plain hop"])
def test_without_tls_it_is_checked_but_opens_nothing(rig: Rig, way: str) -> None:
    rig.begin(url=URL.replace("https", "http") if way.startswith("plain") else URL, insecure=way == "insecure")
    hops = ["https://origin.example.org/files/x"] if way == "plain hop" else []
    found = rig.hear(field(SHA), *link(duplicate="https://d.example.net/x"), hops=hops)
    assert [each.digest for each in found] == [SHA]
    assert rig.all() == ["twin.example.org"]


def test_duplicates_with_a_strong_digest(rig: Rig) -> None:
    rig.session = Session()
    rig.begin()
    rig.hear(field(SHA), *link(duplicate="https://d.example.net/x"))
    place = rig.join()
    assert place is not None
    assert (place.given.text, place.trust, place.mapped, place.given_for) == (
        "https://d.example.net/x", "official", True, None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ([], "https://d.example.net/x"),
        ([("content-md5", base64.b64encode(MD5.value).decode())], "https://d.example.net/x"),
        ([field(SHA)], "http://d.example.net/x"),
        ([field(SHA)], "ftp://d.example.net/x"),
        ([field(SHA)], "https://u:p@d.example.net/x"),
        ([field(SHA)], "https://cdn.evil.example/x"),
    ],
)
def test_duplicates_that_are_not_followed(rig: Rig, fields: list[tuple[str, str]], url: str) -> None:
    rig.session = Session()
    rig.begin()
    rig.hear(*fields, *link(duplicate=url))
    assert rig.all() == []


def test_only_the_origins_first_answer_counts(rig: Rig) -> None:
    rig.begin(mirrors=["https://given.example.com/x"])
    head = Head(206, "", (field(OTHER),), "HTTP/1.1")
    for place in (rig.places[1], Place(parse_url("https://m.example.com/x"), mirror=True, trust="official")):
        rig.known.heard(place, Answer(head, place.given, None), 1)  # type: ignore[arg-type]
    assert rig.known.digests() == []
    assert [each.digest for each in rig.hear(field(SHA))] == [SHA]
    assert rig.hear(field(OTHER)) == []


def test_a_description_at_the_publishers(rig: Rig) -> None:
    rig.session = Session()
    rig.begin()
    rig.hear(*link(describedby="https://meta.origin.example.org/x.meta4"))
    (lookup,) = rig.lookups
    (step,) = lookup.looks
    assert (step.kind, step.url) == ("metalink", "https://meta.origin.example.org/x.meta4")
    pieces = Pieces("sha1", MIB, (b"x" * 20,))
    mirrors = (ListedMirror("https://d.example.net/x"), ListedMirror("https://cdn.evil.example/x"))
    lookup.answer(source="metalink", pieces=pieces, mirrors=mirrors)
    assert rig.known.digests() == [Expected(SHA, "metalink", "meta.origin.example.org")]
    assert rig.known.pieces == pieces
    assert rig.all() == ["d.example.net"]


@pytest.mark.parametrize("url", ["https://elsewhere.example.net/x.meta4", "http://origin.example.org/x.meta4"])
def test_a_description_elsewhere_is_not_asked_for(rig: Rig, url: str) -> None:
    rig.session = Session()
    rig.begin()
    rig.hear(*link(describedby=url))
    assert rig.lookups == []


def test_what_a_weak_metalink_says_opens_nothing(rig: Rig) -> None:
    rig.begin()
    rig.lookups[0].answer(
        MD5, pieces=Pieces("md5", MIB, (b"x" * 16,)), mirrors=(ListedMirror("https://d.example.net/x"),)
    )
    rig.hear()
    assert rig.known.pieces is None
    assert rig.all() == ["twin.example.org"]


def test_where_a_redirector_leads(rig: Rig) -> None:
    """The rules of the target count too: its mirrors, its digest."""
    target = rule(mirror("t.example.com"), name="target", host="target.example.org",
                  digests=(SUMS._replace(url="https://target.example.org/files/SUMS"),))  # fmt: skip
    rig.session = Session(rule(name="door", resolve=True, digests=()), target)
    rig.begin()
    assert rig.lookups == []
    rig.hear(hops=["https://target.example.org/files/app-1.2.tar"])
    assert [look.url for look in rig.lookups[0].looks] == ["https://target.example.org/files/SUMS"]
    rig.lookups[0].answer()
    rig.known.digests()
    assert rig.all() == ["t.example.com"]


def test_a_redirect_of_others_leads_to_no_rules(rig: Rig) -> None:
    rig.session = Session(rule(), rule(mirror("t.example.com"), name="target", host="target.example.org"))
    rig.begin(given=user(SHA))
    rig.hear(hops=["https://target.example.org/files/app-1.2.tar"])
    assert rig.all() == []


def test_names_that_an_answer_gives(rig: Rig) -> None:
    """A mirror that needs them can be named then; the others stay."""
    needs = mirror("k.example.com")._replace(template="https://k.example.com/{key}/{path}", needs=("key",))
    rig.session = Session(rule(mirror("m.example.com"), needs))
    rig.begin()
    rig.hear()
    rig.lookups[0].answer(learned={"key": "k1"})
    rig.known.digests()
    assert set(rig.all()) == {"m.example.com", "k.example.com"}


# --- digests ---------------------------------------------------------------------------------------------


def test_two_publishers_that_disagree_are_both_heard(rig: Rig) -> None:
    """Every digest that is known has to agree; one that came second does not replace the first."""
    rig.begin()
    assert [each.digest for each in rig.hear(field(SHA))] == [SHA]
    rig.lookups[0].answer(OTHER)
    assert [each.digest for each in rig.known.digests()] == [OTHER]
    assert rig.known.digests() == []


def test_the_same_digest_twice_is_told_once(rig: Rig) -> None:
    rig.begin()
    assert [each.digest for each in rig.hear(field(SHA))] == [SHA]
    rig.lookups[0].answer(SHA)
    assert rig.known.digests() == []


def test_a_digest_of_a_file_of_another_size_is_none(rig: Rig) -> None:
    rig.begin()
    rig.lookups[0].answer(size=5)
    assert rig.known.digests() == [], "the origin has not said its size"
    assert rig.hear(size=6) == []
    assert rig.all() == ["twin.example.org"]
    assert "another size" in rig.said[-1]


def test_an_origin_that_does_not_answer_is_not_waited_for_for_ever(rig: Rig) -> None:
    rig.begin()
    rig.lookups[0].answer()
    assert rig.known.digests() == []
    rig.clock.now += evidence.SILENCE + 0.1
    assert [each.digest for each in rig.known.digests()] == [SHA]


def test_whatever_is_known_when_the_file_is_complete_is_checked(rig: Rig) -> None:
    """Also where the origin was not asked at all: an earlier run had everything."""
    rig.begin()
    rig.lookups[0].answer()
    rig.known.wait(lambda: False)
    assert [each.digest for each in rig.known.digests()] == [SHA]


def passing(rig: Rig, lookup: FakeLookup, answers: dict[float, Callable[[], None]] | None = None) -> None:
    """Time passes while the look-up is waited for; at so many seconds something happens."""
    began, left = rig.clock.now, dict(answers or {})

    def wait(seconds: float) -> None:
        rig.clock.now += max(seconds, 0.01)
        for at in [at for at in left if rig.clock.now - began >= at]:
            left.pop(at)()

    lookup.while_waiting = wait


def test_a_look_up_that_never_answers_is_waited_for_a_moment(rig: Rig) -> None:
    rig.begin()
    rig.hear()
    passing(rig, rig.lookups[0])
    before = rig.clock.now
    rig.known.wait(lambda: False)
    assert evidence.END_WAIT <= rig.clock.now - before < evidence.END_WAIT + 0.2
    assert max(rig.lookups[0].waits) <= 0.1, "Ctrl-C gets through"
    assert "did not come in time" in rig.said[-1]
    assert rig.known.digests() == []


def test_one_that_keeps_answering_is_waited_for_longer_but_not_for_ever(rig: Rig) -> None:
    rig.begin()
    rig.hear()
    lookup = rig.lookups[0]

    def sign() -> None:
        lookup.heard = rig.clock.now

    passing(rig, lookup, {at / 2: sign for at in range(1, 40)})
    before = rig.clock.now
    rig.known.wait(lambda: False)
    assert evidence.END_MOST <= rig.clock.now - before < evidence.END_MOST + 0.2


def test_one_that_answers_in_time(rig: Rig) -> None:
    rig.begin()
    rig.hear()
    passing(rig, rig.lookups[0], {0.5: rig.lookups[0].answer})
    rig.known.wait(lambda: False)
    assert [each.digest for each in rig.known.digests()] == [SHA]


def test_an_interrupt_ends_the_wait(rig: Rig) -> None:
    rig.begin()
    rig.hear()
    rig.known.wait(lambda: True)
    assert rig.lookups[0].waits == []


# --- a file that changed ---------------------------------------------------------------------------------


def test_after_a_change_everything_is_found_out_anew(rig: Rig) -> None:
    rig.begin()
    pieces = Pieces("sha1", MIB, (b"x" * 20,))
    rig.lookups[0].answer(pieces=pieces, mirrors=(ListedMirror("https://d.example.net/x"),))
    rig.hear(field(SHA))
    place = rig.join()
    assert place is not None and rig.known.pieces == pieces
    rig.one.renew()
    assert rig.known.pieces is None
    assert rig.lookups[0].stopped
    rig.known.begin()
    assert len(rig.lookups) == 2
    assert rig.hear() == []
    assert rig.all() == ["twin.example.org"], "no digest is known, no duplicate either"
    rig.lookups[1].answer(OTHER)
    assert [each.digest for each in rig.known.digests()] == [OTHER]
    assert "m.example.com" in rig.all()


def test_a_late_answer_about_the_former_version_counts_for_nothing(rig: Rig) -> None:
    rig.begin()
    rig.hear()
    rig.one.renew()
    rig.known.begin()
    rig.lookups[0].answer(SHA)
    assert rig.hear() == []


def test_the_users_digest_stays(rig: Rig) -> None:
    rig.begin(given=user(SHA))
    rig.hear()
    rig.one.renew()
    rig.known.begin()
    rig.hear()
    assert rig.lookups == []
    assert len(rig.all()) == 4


def test_who_had_another_file_does_not_come_back(rig: Rig) -> None:
    rig.begin(given=user(SHA))
    rig.hear()
    place = rig.join()
    assert place is not None
    rig.one.shun(place)
    rig.one.renew()
    rig.known.begin()
    rig.hear()
    assert place.given.host not in rig.all()


def test_everything_is_ended(rig: Rig) -> None:
    rig.begin()
    rig.known.close()
    assert all(lookup.stopped for lookup in rig.lookups)


@pytest.mark.parametrize(("busy", "connections", "expected"), [(0.5, 3, 3), (0.0, 3, None), (0.5, 0, None)])
def test_a_limit_counts_where_more_was_refused(busy: float, connections: int, expected: int | None) -> None:
    """How many connections were open at once says nothing of a host that never refused one."""
    session: Any = Session()
    place = Place(parse_url("https://one.example.org/f"))
    session.store.known["one.example.org"] = Server("one.example.org", 1e6, 0.1, connections, busy, True, 0.0, 1, 0.0)
    known = Evidence(session, Settings(), place.given.text, place.given, [], print)
    assert Sourcing(session, Settings(), [place], known, print).limit_of(place) == expected
