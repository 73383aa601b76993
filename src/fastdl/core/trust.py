"""Who may supply bytes to this download: the trust table.

A mirror is never believed, it is checked. The strong digest that the publisher gave over TLS is what lets strangers
help; without it only other names of the same operator do, where size and validator agree. The verdict carries its
reason, because `explain` shows it to people.
"""

from __future__ import annotations

from fastdl.core.record import Record
from fastdl.core.route import Candidate, Route
from fastdl.core.rules import CLASSES
from fastdl.core.verify import Digest


class Verdict(Record):
    """Whether a source may be used, and why, as half a sentence for people."""

    candidate: Candidate
    allowed: bool
    why: str


def proves(digest: Digest | None) -> bool:
    """Whether a digest is known that lets others than the origin's operator supply bytes."""
    return digest is not None and digest.strong


def judge_sources(
    route: Route,
    digest: Digest | None,
    digest_expected: bool,
    trust: str,
    cdn: str,
    private: bool,
    enabled_third_parties: frozenset[str],
    region: str,
) -> list[Verdict]:
    """The verdict on every candidate of a route; the ones that may be used first, by class, then by region.

    `digest`: the one the file is checked against, the URL's own where none is given. `digest_expected`: a look-up is
    still under way. `trust`: "verified", "official" or "any". `cdn`: "auto", "off" or "prefer". `private`: the request
    carries a secret. `enabled_third_parties`: ids ("rule/mirror") or hosts switched on besides those that the pack has
    switched on. `region`: "auto", or the code that is preferred."""
    known = digest if digest is not None else route.embedded
    verdicts = []
    for candidate in route.candidates:
        why = _closed(route, cdn, private) or _unwelcome(candidate, trust, enabled_third_parties)
        if why:
            verdicts.append(Verdict(candidate, False, why))
        else:
            verdicts.append(Verdict(candidate, *_proved(candidate, known, digest_expected, trust)))
    return sorted(verdicts, key=lambda verdict: _order(verdict, region))


def _closed(route: Route, cdn: str, private: bool) -> str:
    """Why no mapped source at all may be used, or ""."""
    if private:
        return "the request carries a secret"
    if cdn == "off":
        return "mapping is switched off"
    return "the object changes under its name" if route.mutable else ""


def _unwelcome(candidate: Candidate, trust: str, enabled: frozenset[str]) -> str:
    """Why this source is not used whatever is known of the file, or ""."""
    stranger = candidate.trust == "third-party"
    if stranger and trust == "official":
        return "a third party, and only official sources are wanted"
    switched_on = candidate.enabled or not enabled.isdisjoint((candidate.mirror_id, candidate.host))
    if switched_on or (trust == "any" and not candidate.own):  # what the user has switched off stays off
        return ""
    return "a third party that is not enabled in the config" if stranger else "not enabled in the config"


def _proved(candidate: Candidate, digest: Digest | None, expected: bool, trust: str) -> tuple[bool, str]:
    """Whether what is known of the file allows this source, and why."""
    if digest is not None and proves(digest):
        return True, f"its bytes are checked by {digest.algorithm}"
    if not candidate.digest_required:
        return True, "the same operator; size and validator must agree"
    if expected:
        return False, "waits for the publisher's digest"
    if trust == "any":
        return True, "allowed without a digest that proves its bytes"
    if digest is not None:
        return False, f"{digest.algorithm} is too weak to prove its bytes"
    return False, "no digest of the publisher is known"


def _order(verdict: Verdict, region: str) -> tuple[bool, int, int]:
    near = 1
    if region != "auto":
        near = {region.lower(): 0, "global": 1}.get(verdict.candidate.region.lower(), 2)
    return not verdict.allowed, CLASSES.index(verdict.candidate.trust), near
