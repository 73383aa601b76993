"""Asks publishers for the digest of a file, beside its download.

A digest decides who else may supply bytes, so it counts only if its publisher gave it over verified TLS: no mirror is
asked, nothing plain, and a redirect is followed only where the operator is the same. It must never delay the download:
a thread of its own, a deadline, and bounds on everything that is read.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable

from fastdl.core.digests import DigestNotFound, Found, Look, Reading, Step, question_for, steps_of
from fastdl.core.head import Head
from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.record import Record
from fastdl.core.redirect import REDIRECTS, next_url
from fastdl.core.shown import mask
from fastdl.core.urls import Url, parse_url
from fastdl.core.verify import STRONG
from fastdl.errors import FastdlError, NetworkError
from fastdl.io.publisher import Publisher, body

if TYPE_CHECKING:
    from fastdl.io.session import Session

SECONDS = 10.0  # that all look-ups of one file may take
MOST_REDIRECTS = 5
MOST_STEPS = 16  # documents that one look may lead through
_GONE = frozenset({404, 410})  # says that there is none; any other refusal says nothing


class Outcome(Record):
    """What the look-ups of one file came to.

    `status` is "known" (then `found` is set), "none" (nobody publishes one) or "unreachable" (somebody may). `source`
    is "origin" or "metalink", `url` the masked place of the digest. `verified` says that TLS vouched for it. `why`
    is half a sentence about the first place that gave nothing; `tried` has all of those, masked, each with its
    reason."""

    status: str
    found: Found | None = None
    source: str = ""
    url: str = ""
    verified: bool = False
    why: str = ""
    tried: tuple[tuple[str, str], ...] = ()

    @property
    def opens(self) -> bool:
        """Whether mirrors may supply bytes on the strength of this digest."""
        return self.verified and self.found is not None and self.found.digest.strong


class Lookup:
    """The look-ups of one file, in a thread of their own.

    `deadline` is an instant of time.monotonic(): what is not known then is unreachable. `on_found` gets the Outcome,
    whatever it is, once and in that thread, unless `stop` came first. `size` gives the file's size, if it is known by
    then: a digest of a file of another size is none. `hosts` are other hosts of the operator (the aliases of the
    rule), where redirects may lead.

    A caller whose download is private has no looks to offer: a public API would learn of it."""

    def __init__(
        self,
        session: Session,
        looks: Iterable[Look],
        deadline: float,
        on_found: Callable[[Outcome], None],
        *,
        size: Callable[[], int | None] = lambda: None,
        hosts: Iterable[str] = (),
    ) -> None:
        self._looks = sorted(looks, key=_rank)
        self._deadline = deadline
        self._on_found = on_found
        self._size = size
        self._hosts = frozenset(hosts)
        self._insecure = session.settings.insecure
        self._publisher = Publisher(session, deadline)
        self._tried: list[tuple[str, str]] = []
        self._failed: set[str] = set()  # hosts that cannot be reached
        self._unreachable = False
        self._stopped = False
        self._done = threading.Event()
        self.outcome: Outcome | None = None
        self.heard = time.monotonic()  # when something last came

    def start(self) -> None:
        """Begin, without waiting for anything."""
        threading.Thread(target=self._run, name="fastdl-lookup", daemon=True).start()

    def wait(self, seconds: float | None = None) -> Outcome | None:
        """The outcome; None if it is not there after so many seconds, or was stopped."""
        self._done.wait(seconds)
        return self.outcome

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self._done.is_set()

    def stop(self) -> None:
        """End without an outcome, from any thread."""
        self._stopped = True
        self._publisher.halt()

    # --- the thread --------------------------------------------------------------------------------------

    def _run(self) -> None:
        # A server that sends a byte now and then would outlast every time-out but this one.
        watch = threading.Timer(max(0.0, self._deadline - time.monotonic()), self._publisher.halt)
        watch.daemon = True
        watch.start()
        try:
            outcome = self._search()
            if not self._stopped:
                self.outcome = outcome
                self._on_found(outcome)
        finally:
            watch.cancel()
            self._publisher.close()
            self._done.set()

    def _search(self) -> Outcome:
        best: tuple[Found, Step] | None = None
        for look in self._looks:
            if best is not None and look.algorithm not in STRONG:
                continue
            hit = self._look(look)
            if hit is not None and (best is None or hit[0].digest.strong):
                best = hit
            if best is not None and best[0].digest.strong:
                break
        tried = tuple(self._tried)
        if best is None:
            why = tried[0][1] if tried else "no place is known that publishes one"
            return Outcome("unreachable" if self._unreachable else "none", why=why, tried=tried)
        found, step = best
        source = "metalink" if step.kind == "metalink" else "origin"
        return Outcome("known", found, source, mask(step.url), not self._insecure, tried=tried)

    def _look(self, look: Look) -> tuple[Found, Step] | None:
        """The digest of one look, with the step that had it; None, with the reasons noted, without one."""
        for first in steps_of(look):
            step: Step = first
            try:
                for _ in range(MOST_STEPS):
                    result = self._ask(step)
                    if isinstance(result, Found):
                        return result, step
                    self._check_host(parse_url(step.url), parse_url(result.url))
                    step = result
                raise DigestNotFound("it leads too far")
            except DigestNotFound as error:
                self._note(step, error.why)
            except _Unanswered as error:
                self._unreachable = True
                self._note(step, error.why)
            except FastdlError as error:  # of the network, of a redirect, of a URL
                self._unreachable = True
                self._note(step, error.why or error.what)
                if isinstance(error, NetworkError):
                    self._failed.add(parse_url(step.url).host)
        return None

    def _note(self, step: Step, why: str) -> None:
        late = time.monotonic() >= self._deadline
        self._tried.append((mask(step.url), "no answer in time" if late else why))

    # --- one question ------------------------------------------------------------------------------------

    def _ask(self, step: Step) -> Found | Step:
        """What a place says. Raises DigestNotFound, _Unanswered, and FastdlErrors where it cannot be asked."""
        question = question_for(step)
        given = url = parse_url(question.url)
        if given.host in self._failed:
            raise _Unanswered("its host cannot be reached")
        for hops in range(MOST_REDIRECTS + 1):
            channel, head = self._publisher.request(url, question, self._share(url))
            self.heard = time.monotonic()
            if step.kind == "headers":
                self._publisher.drop(url)  # the body is the file itself, or nothing
                with contextlib.suppress(DigestNotFound):
                    return Reading(step, self._size()).finish(head)
            if head.status not in REDIRECTS:
                break
            to = next_url(url, head.status, head.get("location"), hops)
            self._check_host(given, to)
            self._publisher.keep(url)
            url = to
        else:
            raise DigestNotFound("it redirects too often")
        try:
            _check_answer(step, head)
            reading = Reading(step, self._size())
            for data in body(channel, head, question.most):
                self.heard = time.monotonic()
                if self._publisher.halted:
                    raise _Unanswered("no answer in time")
                reading.feed(data)
            return reading.finish(head)
        finally:
            self._publisher.keep(url)

    def _check_host(self, given: Url, to: Url) -> None:
        """Raises DigestNotFound where `to` is not of the operator who was asked."""
        if to.scheme != "https":
            raise DigestNotFound("it leads out of TLS")
        if to.origin == given.origin or to.host in self._hosts:
            return
        if not (to.host.endswith("." + given.host) or given.host.endswith("." + to.host)):
            raise DigestNotFound("it leads to somebody else's host")

    def _share(self, url: Url) -> float:
        """The part of the time that one host may take: half of it where another one may know the digest."""
        known = {url.host, *self._failed}
        return 0.5 if any(parse_url(look.url).host not in known for look in self._looks) else 1.0


class _Unanswered(Exception):
    """A place that may have a digest did not say so."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def _check_answer(step: Step, head: Head) -> None:
    """Raises DigestNotFound where there is no digest behind a final head, _Unanswered where that is not said."""
    if head.status in _GONE:
        raise DigestNotFound(f"it answered {head.status}")
    if head.status != 200:
        raise _Unanswered(f"it answered {head.status}")
    if step.kind == "headers":
        raise DigestNotFound("its answer carries no digest")


def _rank(look: Look) -> int:
    """Metalinks first: they have pieces and mirrors besides; then what can prove something."""
    if look.kind == "metalink":
        return 0
    return 1 if look.algorithm in STRONG else 2
