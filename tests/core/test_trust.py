"""The trust table, row by row."""

from __future__ import annotations

import itertools

import pytest

from fastdl.core.route import Candidate, Route
from fastdl.core.trust import judge_sources, proves
from fastdl.core.verify import Digest

STRONG = Digest("sha256", bytes(32))
WEAK = Digest("md5", bytes(16))


def source(name: str, trust: str, enabled: bool = True, region: str = "DE", digest: bool | None = None) -> Candidate:
    needed = trust != "alias" if digest is None else digest
    host = f"{name}.example.com"
    return Candidate(f"https://{host}/x", host, "Op", region, trust, enabled, needed, f"r/{name}")


ALIAS = source("alias", "alias")
STRICT = source("strict", "alias", digest=True)
OFFICIAL = source("official", "official")
OFF = source("off", "official", enabled=False)
THIRD = source("third", "third-party", enabled=False)
CHOSEN = source("chosen", "third-party", enabled=True)
ALL = (ALIAS, STRICT, OFFICIAL, OFF, THIRD, CHOSEN)


def allowed(
    digest: Digest | None = None,
    *,
    expected: bool = False,
    trust: str = "verified",
    cdn: str = "auto",
    private: bool = False,
    enabled: frozenset[str] = frozenset(),
    mutable: bool = False,
    embedded: Digest | None = None,
) -> set[str]:
    route = Route("https://example.org/x", "r/p", "r", mutable, "", ALL, (), embedded)
    verdicts = judge_sources(route, digest, expected, trust, cdn, private, enabled, "auto")
    assert len(verdicts) == len(ALL) and all(verdict.why for verdict in verdicts)
    return {verdict.candidate.host.partition(".")[0] for verdict in verdicts if verdict.allowed}


@pytest.mark.parametrize(
    ("digest", "trust", "expected"),
    [
        (STRONG, "verified", {"alias", "strict", "official", "chosen"}),
        (STRONG, "official", {"alias", "strict", "official"}),
        (STRONG, "any", {"alias", "strict", "official", "off", "third", "chosen"}),
        (WEAK, "verified", {"alias"}),
        (WEAK, "official", {"alias"}),
        (WEAK, "any", {"alias", "strict", "official", "off", "third", "chosen"}),
        (None, "verified", {"alias"}),
        (None, "official", {"alias"}),
        (None, "any", {"alias", "strict", "official", "off", "third", "chosen"}),
    ],
)
def test_table(digest: Digest | None, trust: str, expected: set[str]) -> None:
    assert allowed(digest, trust=trust) == expected


@pytest.mark.parametrize("trust", ["verified", "official", "any"])
def test_nobody_else_starts_before_an_expected_digest(trust: str) -> None:
    assert allowed(None, expected=True, trust=trust) == {"alias"}
    assert allowed(WEAK, expected=True, trust=trust) == {"alias"}


def test_the_digest_of_the_url_counts() -> None:
    assert allowed(embedded=STRONG) == {"alias", "strict", "official", "chosen"}
    assert allowed(embedded=Digest("blake2b-256", bytes(32))) == {"alias", "strict", "official", "chosen"}
    assert allowed(WEAK, embedded=STRONG) == {"alias"}  # what is checked in the end is the one given


@pytest.mark.parametrize(
    ("trust", "digest", "cdn"),
    list(itertools.product(("verified", "official", "any"), (STRONG, None), ("auto", "prefer"))),
)
def test_closed_doors(trust: str, digest: Digest | None, cdn: str) -> None:
    assert allowed(digest, trust=trust, cdn=cdn, private=True, enabled=frozenset({"r/third"})) == set()
    assert allowed(digest, trust=trust, cdn="off") == set()
    assert allowed(digest, trust=trust, cdn=cdn, mutable=True) == set()


@pytest.mark.parametrize("name", ["r/third", "third.example.com"])
def test_third_parties_switched_on_by_id_or_host(name: str) -> None:
    assert "third" in allowed(STRONG, enabled=frozenset({name}))
    assert "third" not in allowed(None, enabled=frozenset({name}))
    assert "third" not in allowed(STRONG, trust="official", enabled=frozenset({name}))
    assert "off" in allowed(STRONG, trust="official", enabled=frozenset({"r/off"}))


@pytest.mark.parametrize(
    ("digest", "strong"),
    [(None, False), (WEAK, False), (Digest("sha1", bytes(20)), False), (Digest("git-blob-sha1", bytes(20)), False)]
    + [(Digest(name, b""), True) for name in ("sha256", "sha384", "sha512", "blake2b", "blake2b-256")],
)
def test_what_proves(digest: Digest | None, strong: bool) -> None:
    assert proves(digest) is strong


def test_order_is_allowed_then_class_then_region() -> None:
    near, far = source("near", "official", region="JP"), source("far", "official", region="DE")
    world = source("w", "official", region="global")
    route = Route("https://example.org/x", "r/p", "r", False, "", (THIRD, far, world, near, ALIAS))
    orders = {"jp": ["alias", "near", "w", "far", "third"], "auto": ["alias", "far", "w", "near", "third"]}
    for region, names in orders.items():
        verdicts = judge_sources(route, STRONG, False, "verified", "auto", False, frozenset(), region)
        assert [verdict.candidate.host.partition(".")[0] for verdict in verdicts] == names
