"""Which mapped sources may join, when, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from fastdl.core.head import Validators
from fastdl.core.verify import Digest
from fastdl.engine import evidence, sourcing
from fastdl.engine.proof import Expected
from sourcing_rig import (
    MD5,
    MIB,
    MIRRORS,
    OTHER,
    SHA,
    SUMS,
    Rig,
    Session,
    field,
    link,
    mirror,
    rule,
    user,
)

# --- when ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "worth"),
    [
        ({}, True),
        ({"left": MIB}, False),
        ({"left": None}, False),
        ({"single": True}, False),
        ({"rate": 200.0 * MIB}, False),
        ({"rate": 200.0 * MIB, "troubled": True}, True),
        ({"left": MIB, "troubled": True}, True),
        ({"trials": sourcing.TRIALS}, False),
        ({"serving": sourcing.MOST_SERVING}, False),
        ({"confirmed": False, "left": None}, False),
        ({"confirmed": False, "left": None, "troubled": True}, True),
    ],
)
def test_whether_one_more_is_worth_it(rig: Rig, changes: dict[str, Any], worth: bool) -> None:
    rig.begin(given=user(SHA))
    rig.hear()
    assert (rig.join(**changes) is not None) is worth


def test_the_rate_has_to_say_something_first(rig: Rig) -> None:
    rig.begin(given=user(SHA))
    rig.hear()
    rig.clock.now -= sourcing.SETTLED
    assert rig.join() is None


def test_an_origin_that_is_silent(rig: Rig) -> None:
    rig.begin(given=user(SHA))
    assert rig.join(confirmed=False, left=None) is None
    rig.clock.now += evidence.SILENCE + 0.1
    assert rig.join(confirmed=False, left=None) is not None


def test_no_more_than_so_many_of_one_download(rig: Rig) -> None:
    rig.session = Session(rule(*(mirror(f"m{n}.example.com") for n in range(sourcing.MOST_JOINED + 5))))
    rig.begin(given=user(SHA))
    rig.hear()
    assert len(rig.all()) == sourcing.MOST_JOINED


# --- who -------------------------------------------------------------------------------------------------


def test_before_the_digest_is_known_only_the_operator(rig: Rig) -> None:
    rig.begin()
    rig.hear()
    assert rig.all() == ["twin.example.org"]
    rig.lookups[0].answer()
    assert rig.known.digests() == [Expected(SHA, "origin", "origin.example.org")]
    assert set(rig.all()) == {"m.example.com", "n.example.net", "stranger.example.com"}


def test_what_is_asked_for_the_digest(rig: Rig) -> None:
    rig.begin(max_time=3.0)
    (lookup,) = rig.lookups
    assert lookup.started
    assert [look.url for look in lookup.looks] == [SUMS.url]
    assert lookup.hosts == ["twin.example.org"]
    assert lookup.deadline == rig.clock.now + 3.0


@pytest.mark.parametrize(
    ("digest", "verified", "hosts"),
    [
        (SHA, True, {"twin.example.org", "m.example.com", "n.example.net", "stranger.example.com"}),
        (SHA, False, {"twin.example.org"}),
        (MD5, True, {"twin.example.org"}),
        (None, True, {"twin.example.org"}),
    ],
)
def test_what_a_digest_opens(rig: Rig, digest: Digest | None, verified: bool, hosts: set[str]) -> None:
    """It is checked in any case."""
    rig.begin()
    rig.lookups[0].answer(digest, verified=verified)
    assert rig.hear() == ([] if digest is None else [Expected(digest, "origin", "origin.example.org")])
    assert set(rig.all()) == hosts


def test_a_digest_of_the_users_is_proof_and_nobody_is_asked_for_another(rig: Rig) -> None:
    rig.begin(given=user(SHA))
    assert rig.lookups == []
    assert rig.hear() == []
    assert len(rig.all()) == 4


def test_a_weak_one_of_the_users_is_none(rig: Rig) -> None:
    rig.begin(given=user(MD5))
    assert len(rig.lookups) == 1
    rig.hear()
    assert rig.all() == ["twin.example.org"]


def test_third_parties_only_as_far_as_they_are_wanted(rig: Rig) -> None:
    rig.begin(given=user(SHA), trust="official")
    rig.hear()
    assert set(rig.all()) == {"twin.example.org", "m.example.com", "n.example.net"}


def test_any_source_with_one_warning(rig: Rig) -> None:
    landing: Any = type("Landing", (), {"validators": Validators('"1"')})
    rig.begin(trust="any")
    rig.hear()
    assert rig.all() == ["twin.example.org"], "as long as the digest is being looked up"
    rig.lookups[0].answer(None)
    rig.known.digests()
    places = []
    while (place := rig.join()) is not None:
        places.append(rig.one.prepared(place, landing))
    assert {place.given.host for place in places} == {
        "m.example.com", "n.example.net", "stranger.example.com", "off.example.com",
    }  # fmt: skip
    assert len(rig.warned) == 1
    assert "no digest proves" in rig.warned[0]
    assert all(place.twin is None for place in places)


def test_without_a_digest_another_name_of_the_operator_needs_the_origins_validators(rig: Rig) -> None:
    landing: Any = type("Landing", (), {"validators": Validators('"1"')})
    rig.begin()
    rig.hear()
    place = rig.join()
    assert place is not None
    assert rig.one.prepared(place, landing).twin == Validators('"1"')
    rig.lookups[0].answer()
    rig.known.digests()
    place = rig.join()
    assert place is not None
    assert rig.one.prepared(place, landing).twin is None
    assert rig.warned == []


@pytest.mark.parametrize("changes", [{"own_token": True}, {"ranges": False}, {"enabled": False}])
def test_who_is_never_asked(rig: Rig, changes: dict[str, Any]) -> None:
    rig.session = Session(rule(mirror("m.example.com", **changes)))
    rig.begin(given=user(SHA))
    rig.hear()
    assert rig.all() == []


def test_an_object_that_changes_under_its_name_stays_with_the_origin(rig: Rig) -> None:
    rig.session = Session(rule(*(m._replace(patterns=("file",)) for m in MIRRORS), mutable=True))
    rig.begin(given=user(SHA))
    rig.hear()
    assert rig.all() == []


def test_a_source_that_was_given_does_not_join_twice(rig: Rig) -> None:
    rig.begin(given=user(SHA), mirrors=["https://m.example.com/pub/app-1.2.tar"])
    rig.hear()
    assert "m.example.com" not in rig.all()


@pytest.mark.parametrize("way", ["credentials", "referer", "cert", "mirror"])
def test_a_private_request_maps_nothing_and_asks_nobody(rig: Rig, way: str) -> None:
    rig.session.credentials.any = way == "credentials"
    changes: dict[str, dict[str, Any]] = {
        "credentials": {},
        "referer": {"referer": "https://example.org/"},
        "cert": {"cert": "c.pem"},
        "mirror": {"mirrors": ["https://user:pw@m.example.com/x"]},
    }
    rig.begin(given=user(SHA), **changes[way])
    assert rig.hear(*link(duplicate="https://d.example.net/x"), field(SHA)) == []
    assert (rig.lookups, rig.all(), rig.all(troubled=True), rig.one.may_lead()) == ([], [], [], False)


def test_cdn_off_still_asks_the_origin_for_its_digest(rig: Rig) -> None:
    rig.begin(cdn="off")
    rig.lookups[0].answer()
    assert rig.hear(
        field(OTHER), *link(duplicate="https://d.example.net/x", describedby="https://origin.example.org/x")
    )
    assert len(rig.lookups) == 1
    assert rig.all() == rig.all(troubled=True) == []


def test_cdn_off_reads_the_origins_metalink_for_its_digest(rig: Rig) -> None:
    """What describes the file is asked for the digest; the sources that it names give nothing."""
    rig.begin(cdn="off")
    before = len(rig.lookups)
    rig.hear(*link(describedby="https://origin.example.org/x"))
    assert len(rig.lookups) == before + 1
    assert rig.all() == rig.all(troubled=True) == []


# --- in which order --------------------------------------------------------------------------------------


def test_who_served_well_comes_first_who_failed_last(rig: Rig) -> None:
    rig.session.store.met("stranger.example.com", 9e6)
    rig.session.store.met("n.example.net", 2e6, errors=3)
    rig.session.store.met("twin.example.org", None, errors=2)
    rig.begin(given=user(SHA))
    rig.hear()
    assert rig.all() == ["stranger.example.com", "n.example.net", "m.example.com", "twin.example.org"]


def test_nothing_known_by_class(rig: Rig) -> None:
    rig.begin(given=user(SHA))
    rig.hear()
    hosts = rig.all()
    assert (hosts[0], hosts[-1]) == ("twin.example.org", "stranger.example.com")


def test_among_equals_chance_decides(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    firsts = set()
    for number in range(40):
        one = Rig(monkeypatch)
        one.session = Session(rule(mirror("a.example.com"), mirror("b.example.com"), name=f"r{number}"))
        one.begin(given=user(SHA))
        one.hear()
        firsts.add(one.all()[0])
    assert firsts == {"a.example.com", "b.example.com"}


def test_a_region_that_is_wanted(rig: Rig) -> None:
    rig.session = Session(rule(mirror("de.example.com"), mirror("jp.example.com", region="JP")))
    rig.session.store.met("de.example.com", 9e6)
    rig.begin(given=user(SHA), region="jp")
    rig.hear()
    assert rig.all() == ["jp.example.com", "de.example.com"]


def test_a_liar_is_left_out(rig: Rig) -> None:
    rig.session.store.lies["m.example.com"] = 1.0
    rig.begin(given=user(SHA))
    rig.hear()
    assert "m.example.com" not in rig.all()


def test_others_first(rig: Rig) -> None:
    """--cdn prefer, where the digest is known by now."""
    rig.begin(cdn="prefer")
    assert not rig.one.may_lead()
    assert rig.join(confirmed=False, left=None) is None
    rig.begin(cdn="prefer", given=user(SHA))
    assert rig.one.may_lead()
    assert rig.join(confirmed=False, left=None) is not None
    rig.hear()
    assert rig.join(rate=500.0 * MIB) is not None, "however fast the origin is"


def test_where_redirects_may_lead(rig: Rig) -> None:
    """To nobody who is trusted less."""
    rig.begin(given=user(SHA))
    rig.hear()
    hosts = {}
    while (place := rig.join()) is not None:
        hosts[place.given.host] = place.hosts
    assert hosts["twin.example.org"] == {"twin.example.org"}
    assert hosts["m.example.com"] == {"twin.example.org", "m.example.com", "n.example.net"}
    assert "stranger.example.com" in hosts["stranger.example.com"]
    assert "off.example.com" not in hosts["stranger.example.com"]
