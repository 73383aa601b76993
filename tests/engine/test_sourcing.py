"""Which mapped sources may join and when, what proves the file, and what a change of the file takes back."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from fastdl.core.digests import Found, ListedMirror, Look, Pieces
from fastdl.core.mapper import Mapper
from fastdl.core.response import Head, Validators
from fastdl.core.rules import DigestPlace, Limits, Mirror, Pack, Pattern, Rule
from fastdl.core.servers import Server
from fastdl.core.urls import parse_url
from fastdl.core.verify import Digest
from fastdl.engine import sourcing
from fastdl.engine.attempt import Outlook
from fastdl.engine.proof import Expected
from fastdl.engine.sourcing import Sourcing
from fastdl.io.contact import Answer, Place
from fastdl.io.lookup import Outcome
from fastdl.settings import Settings

MIB = 1 << 20
URL = "https://origin.example.org/files/app-1.2.tar"
SHA = Digest("sha256", hashlib.sha256(b"right").digest())
OTHER = Digest("sha512", hashlib.sha512(b"another").digest())
MD5 = Digest("md5", hashlib.md5(b"right").digest())


def mirror(host: str, trust: str = "official", **more: Any) -> Mirror:
    made = Mirror(host, host, "DE", f"https://{host}/pub/{{path}}", (), trust, True, trust != "alias")
    return made._replace(**more)


MIRRORS = (
    mirror("twin.example.org", "alias"),
    mirror("m.example.com"),
    mirror("n.example.net", region="JP"),
    mirror("stranger.example.com", "third-party"),
    mirror("off.example.com", "third-party", enabled=False),
)
SUMS = DigestPlace("sums", "sums_file", "sha256", "hex", url="https://origin.example.org/files/SHA256SUMS")


def rule(*mirrors: Mirror, name: str = "files", host: str = "origin.example.org", **more: Any) -> Rule:
    regex = rf"https?://{host}/files/(?P<path>[^?#]+)".replace(".", r"\.")
    pattern = Pattern("file", regex, "/files/", mutable=more.pop("mutable", False), resolve=more.pop("resolve", False))
    return Rule(name, name, (host,), (pattern,), mirrors, more.pop("digests", (SUMS,)))._replace(**more)


class Store:
    """What earlier runs have taught."""

    def __init__(self) -> None:
        self.lies: dict[str, float] = {}
        self.known: dict[str, Server] = {}

    def liars(self) -> dict[str, float]:
        return self.lies

    def servers(self, hosts: Iterable[str]) -> dict[str, Server]:
        return {host: self.known[host] for host in hosts if host in self.known}

    def met(self, host: str, rate: float | None, errors: float = 0.0) -> None:
        self.known[host] = Server(host, rate, 0.1, 4, 0.0, True, errors, 1, 0.0)


class Secrets:
    def __init__(self) -> None:
        self.any = False

    def has_secrets(self, url: object, now: float) -> bool:
        return self.any


class Session:
    def __init__(self, *rules: Rule) -> None:
        self.mapper = Mapper(Pack({}, {}, {}, Limits(("evil.example",))).changed({each.id: each for each in rules}))
        self.store = Store()
        self.credentials = Secrets()


class FakeLookup:
    """Answers when the test says so."""

    def __init__(
        self,
        session: object,
        looks: Iterable[Look],
        deadline: float,
        on_found: Callable[[Outcome], None],
        *,
        size: object = None,
        hosts: Iterable[str] = (),
    ) -> None:
        self.looks = list(looks)
        self.deadline = deadline
        self.hosts = list(hosts)
        self.outcome: Outcome | None = None
        self.ended = self.started = self.stopped = False
        self.heard = 0.0
        self.waits: list[float] = []
        self.while_waiting: Callable[[float], None] = lambda seconds: None
        self._on_found = on_found

    def start(self) -> None:
        self.started = True

    def stop(self) -> None:
        self.stopped = self.ended = True

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.while_waiting(seconds)

    def answer(
        self, digest: Digest | None = SHA, *, verified: bool = True, source: str = "origin", **found: Any
    ) -> None:
        if digest is None:
            self.outcome = Outcome("none", why="it answered 404")
        else:
            self.outcome = Outcome("known", Found(digest, (digest,), **found), source, self.looks[0].url, verified)
        self.ended = True
        self._on_found(self.outcome)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


class Rig:
    """One download's sourcing. `lookups` were started; `said` and `warned` is what people were told."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self.lookups: list[FakeLookup] = []
        self.said: list[str] = []
        self.warned: list[str] = []
        self.session = Session(rule(*MIRRORS))
        patch.setattr(sourcing, "time", self.clock)
        patch.setattr(sourcing, "Lookup", self._lookup)

    def _lookup(self, *args: Any, **more: Any) -> FakeLookup:
        made = FakeLookup(*args, **more)
        made.heard = self.clock.now
        self.lookups.append(made)
        return made

    def begin(self, *, url: str = URL, given: Sequence[Expected] = (), **settings: Any) -> Sourcing:
        self.places = [Place(parse_url(url)), *(Place(parse_url(m), mirror=True) for m in settings.get("mirrors", ()))]
        made = Sourcing(
            self.session,  # type: ignore[arg-type]
            Settings(**settings),
            url,
            self.places,
            given,
            self.said.append,
            self.warned.append,
        )
        self.one = made
        made.begin()
        return made

    def hear(self, *fields: tuple[str, str], size: int | None = 100 * MIB, hops: Sequence[str] = ()) -> list[Expected]:
        """The origin's first head, from the last of the redirects; what is newly known by then."""
        chain = [self.places[0].given, *map(parse_url, hops)]
        *before, last = chain
        redirects = tuple((url, Head(302, "", (("location", "x"),), "HTTP/1.1")) for url in before)
        answer = Answer(Head(206, "", fields, "HTTP/1.1"), last, None, redirects)  # type: ignore[arg-type]
        self.one.heard(self.places[0], answer, size)
        self.clock.now += sourcing.SETTLED + 0.01
        return self.one.digests()

    def join(self, **more: Any) -> Place | None:
        return self.one.next_source(outlook(**more), self.clock.now)

    def all(self, **more: Any) -> list[str]:
        """Hosts of all that join now, in their order."""
        hosts = []
        while (place := self.join(**more)) is not None:
            hosts.append(place.given.host)
        return hosts


def outlook(**more: Any) -> Outlook:
    usual = {"confirmed": True, "single": False, "left": 100 * MIB, "rate": float(MIB), "troubled": False}
    return Outlook(**{**usual, "trials": 0, "serving": 0, **more})


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(monkeypatch)


def user(digest: Digest) -> list[Expected]:
    return [Expected(digest, "user")]


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
    rig.clock.now += sourcing.SILENCE + 0.1
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
    assert rig.one.digests() == [Expected(SHA, "origin", "origin.example.org")]
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
    rig.one.digests()
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
    rig.one.digests()
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


# --- what the origin's answer says -----------------------------------------------------------------------


def field(digest: Digest) -> tuple[str, str]:
    name = {"sha256": "sha-256", "sha512": "sha-512"}.get(digest.algorithm, digest.algorithm)
    return "repr-digest", f"{name}=:{base64.b64encode(digest.value).decode()}:"


def link(**relations: str) -> list[tuple[str, str]]:
    return [
        ("link", f'<{url}>; rel={name}' + ("; type=application/metalink4+xml" if name == "describedby" else ""))
        for name, url in relations.items()
    ]  # fmt: skip


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
        rig.one.heard(place, Answer(head, place.given, None), 1)  # type: ignore[arg-type]
    assert rig.one.digests() == []
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
    assert rig.one.digests() == [Expected(SHA, "metalink", "meta.origin.example.org")]
    assert rig.one.pieces == pieces
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
    assert rig.one.pieces is None
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
    rig.one.digests()
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
    rig.one.digests()
    assert set(rig.all()) == {"m.example.com", "k.example.com"}


# --- digests ---------------------------------------------------------------------------------------------


def test_two_publishers_that_disagree_are_both_heard(rig: Rig) -> None:
    """Every digest that is known has to agree; one that came second does not replace the first."""
    rig.begin()
    assert [each.digest for each in rig.hear(field(SHA))] == [SHA]
    rig.lookups[0].answer(OTHER)
    assert [each.digest for each in rig.one.digests()] == [OTHER]
    assert rig.one.digests() == []


def test_the_same_digest_twice_is_told_once(rig: Rig) -> None:
    rig.begin()
    assert [each.digest for each in rig.hear(field(SHA))] == [SHA]
    rig.lookups[0].answer(SHA)
    assert rig.one.digests() == []


def test_a_digest_of_a_file_of_another_size_is_none(rig: Rig) -> None:
    rig.begin()
    rig.lookups[0].answer(size=5)
    assert rig.one.digests() == [], "the origin has not said its size"
    assert rig.hear(size=6) == []
    assert rig.all() == ["twin.example.org"]
    assert "another size" in rig.said[-1]


def test_an_origin_that_does_not_answer_is_not_waited_for_for_ever(rig: Rig) -> None:
    rig.begin()
    rig.lookups[0].answer()
    assert rig.one.digests() == []
    rig.clock.now += sourcing.SILENCE + 0.1
    assert [each.digest for each in rig.one.digests()] == [SHA]


def test_whatever_is_known_when_the_file_is_complete_is_checked(rig: Rig) -> None:
    """Also where the origin was not asked at all: an earlier run had everything."""
    rig.begin()
    rig.lookups[0].answer()
    rig.one.wait(lambda: False)
    assert [each.digest for each in rig.one.digests()] == [SHA]


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
    rig.one.wait(lambda: False)
    assert sourcing.END_WAIT <= rig.clock.now - before < sourcing.END_WAIT + 0.2
    assert max(rig.lookups[0].waits) <= 0.1, "Ctrl-C gets through"
    assert "did not come in time" in rig.said[-1]
    assert rig.one.digests() == []


def test_one_that_keeps_answering_is_waited_for_longer_but_not_for_ever(rig: Rig) -> None:
    rig.begin()
    rig.hear()
    lookup = rig.lookups[0]

    def sign() -> None:
        lookup.heard = rig.clock.now

    passing(rig, lookup, {at / 2: sign for at in range(1, 40)})
    before = rig.clock.now
    rig.one.wait(lambda: False)
    assert sourcing.END_MOST <= rig.clock.now - before < sourcing.END_MOST + 0.2


def test_one_that_answers_in_time(rig: Rig) -> None:
    rig.begin()
    rig.hear()
    passing(rig, rig.lookups[0], {0.5: rig.lookups[0].answer})
    rig.one.wait(lambda: False)
    assert [each.digest for each in rig.one.digests()] == [SHA]


def test_an_interrupt_ends_the_wait(rig: Rig) -> None:
    rig.begin()
    rig.hear()
    rig.one.wait(lambda: True)
    assert rig.lookups[0].waits == []


# --- a file that changed ---------------------------------------------------------------------------------


def test_after_a_change_everything_is_found_out_anew(rig: Rig) -> None:
    rig.begin()
    pieces = Pieces("sha1", MIB, (b"x" * 20,))
    rig.lookups[0].answer(pieces=pieces, mirrors=(ListedMirror("https://d.example.net/x"),))
    rig.hear(field(SHA))
    place = rig.join()
    assert place is not None and rig.one.pieces == pieces
    rig.one.renew()
    assert rig.one.pieces is None
    assert rig.lookups[0].stopped
    rig.one.begin()
    assert len(rig.lookups) == 2
    assert rig.hear() == []
    assert rig.all() == ["twin.example.org"], "no digest is known, no duplicate either"
    rig.lookups[1].answer(OTHER)
    assert [each.digest for each in rig.one.digests()] == [OTHER]
    assert "m.example.com" in rig.all()


def test_a_late_answer_about_the_former_version_counts_for_nothing(rig: Rig) -> None:
    rig.begin()
    rig.hear()
    rig.one.renew()
    rig.one.begin()
    rig.lookups[0].answer(SHA)
    assert rig.hear() == []


def test_the_users_digest_stays(rig: Rig) -> None:
    rig.begin(given=user(SHA))
    rig.hear()
    rig.one.renew()
    rig.one.begin()
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
    rig.one.begin()
    rig.hear()
    assert place.given.host not in rig.all()


def test_everything_is_ended(rig: Rig) -> None:
    rig.begin()
    rig.one.close()
    assert all(lookup.stopped for lookup in rig.lookups)


@pytest.mark.parametrize(("busy", "connections", "expected"), [(0.5, 3, 3), (0.0, 3, None), (0.5, 0, None)])
def test_a_limit_counts_where_more_was_refused(busy: float, connections: int, expected: int | None) -> None:
    """How many connections were open at once says nothing of a host that never refused one."""
    session: Any = Session()
    place = Place(parse_url("https://one.example.org/f"))
    session.store.known["one.example.org"] = Server("one.example.org", 1e6, 0.1, connections, busy, True, 0.0, 1, 0.0)
    sourcing = Sourcing(session, Settings(), place.given.text, [place], [], print, print)
    assert sourcing.limit_of(place) == expected
