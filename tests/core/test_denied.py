"""A refusal of one connection while another one has been promised the file."""

from __future__ import annotations

from fastdl.core.orders import Failure, Fault, Fetch, GiveUp
from fastdl.core.scheduler import Scheduler
from fastdl.core.state import Limits
from fastdl.errors import HttpStatus

SIZE = 64 << 20
DENIED = Failure(Fault.DENIED, HttpStatus("the server refused", "HTTP 403", status=403))


def test_a_source_that_has_answered_is_not_given_up() -> None:
    """Behind a redirect whose target is good for few requests the second connection may be refused before the first one
    has brought a byte."""
    core = Scheduler(["one.example.org"], Limits(), lambda: 0.5)
    (first,) = core.start(0.0)
    assert isinstance(first, Fetch)
    more = core.opened(first.worker, 0.1, size=SIZE, end=SIZE, ranged=True, rtt=0.05)
    second = next(order for order in more if isinstance(order, Fetch))
    after = core.failed(second.worker, DENIED, 0.2)
    assert not any(isinstance(order, GiveUp) for order in after)
    assert core.sources[0].error is None
    assert core.arrived(first.worker, 1000, 0.3).keep == 1000


def test_one_that_never_answered_is() -> None:
    core = Scheduler(["one.example.org"], Limits(), lambda: 0.5)
    (first,) = core.start(0.0)
    assert isinstance(first, Fetch)
    assert any(isinstance(order, GiveUp) for order in core.failed(first.worker, DENIED, 0.2))


def test_a_request_sent_ahead_to_a_target_that_has_expired_is_no_strike() -> None:
    """It was sent when the target was still good, perhaps; the next request asks the first URL again."""
    core = Scheduler(["one.example.org"], Limits(connections=1, retries=0), lambda: 0.5)
    (first,) = core.start(0.0)
    assert isinstance(first, Fetch)
    core.opened(first.worker, 0.1, size=SIZE, end=1 << 20, ranged=True, rtt=0.05)
    core.workers[first.worker].rate = 1e6
    core.arrived(first.worker, 1 << 20, 1.0)
    core.workers[first.worker].hurried = True
    after = core.failed(first.worker, Failure(Fault.EXPIRED, DENIED.error), 1.1)
    assert core.sources[0].error is None and core.sources[0].fails == 0
    assert any(isinstance(order, Fetch) for order in after)
