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
