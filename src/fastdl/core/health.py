"""What failures say about a source: fewer connections, a pause, no ranges, or not to be used any more."""

from __future__ import annotations

from collections.abc import Callable

from fastdl.core import plan, retry
from fastdl.core.orders import Failure, Fault
from fastdl.core.queue import WorkQueue
from fastdl.core.state import Phase, Source, Worker
from fastdl.errors import ConnectionLost, NetworkError

FOREVER = float("inf")
MAPPED_RETRIES = 2  # a mapped source's failures in a row that are borne
STALLS = 2  # of a mapped source
FORGIVEN = 3  # whole answers in a row, without a byte between, from a source that did serve ranges before


def blame(
    queue: WorkQueue, worker: Worker, failure: Failure, progressed: bool, now: float, jitter: Callable[[], float]
) -> None:
    """What a failure says about its source: fewer connections, a pause, or not to be used any more."""
    source = queue.sources[worker.source]
    others = [w for w in queue.busy() if w.source == source.id]
    flowing = sum(1 for w in others if _flows(w, now))
    fault = failure.fault
    if fault is Fault.NO_SLOT:
        source.more = now + 0.1
        source.ready = source.ready if others else now + 0.1
        return
    if worker.hurried and fault is Fault.EXPIRED:
        return  # sent when the target was still good, perhaps; the next request finds out
    if fault is Fault.BUSY:
        source.busy += 1
    if source.mapped and not source.served:
        source.error = failure.error  # its trial has failed: there are others
        return
    if fault is Fault.BAD_RANGE:
        source.bad_ranges += 1
        if source.bad_ranges >= min(plan.BAD_RANGES, queue.limits.retries):
            fault = Fault.NO_RANGES  # what it calls ranges is of no use; a plain stream may be
    patience = min(FORGIVEN, queue.limits.retries)
    if fault is Fault.NO_RANGES and (not source.ranges or source.fails >= patience):
        source.ranges = False  # as one plain stream it may still serve, when nobody else is left
        if flowing:
            source.limit = flowing
        elif queue.no_ranges_left():
            queue.single = True
        return
    final = fault is Fault.REFUSED or (fault is Fault.DENIED and not source.met)
    if final or not getattr(failure.error, "retryable", True):
        source.error = failure.error
        return
    if queue.limits.retries == 0:
        if flowing:
            source.limit, source.again = len(others), FOREVER
        else:
            source.error = failure.error
        return
    if progressed:
        source.ready = max(source.ready, now + min(failure.wait or 0.0, retry.LONGEST_RETRY_AFTER))
        return
    if worker.hurried and fault is Fault.LOST and isinstance(failure.error, NetworkError):
        source.stumbles += 1
        return
    if worker.since < source.failed:
        # It was under way when another one failed, and tells nothing new, but for the time that it asks for.
        if failure.wait and not others:
            wait(source, failure.wait, now)
        return
    if flowing and fault is not Fault.EXPIRED:
        pause = failure.wait if failure.wait is not None else retry.backoff(1, jitter())
        _refused(source, len(others), now, min(pause, retry.LONGEST_RETRY_AFTER))
        return
    source.fails += 1
    source.failed = now
    retries = min(queue.limits.retries, MAPPED_RETRIES) if source.mapped else queue.limits.retries
    if source.fails > retries or (failure.wait or 0.0) > retry.LONGEST_RETRY_AFTER:
        source.error = failure.error
        return
    if fault is Fault.BUSY:
        source.limit = 1
        source.again = now + source.hold
    pause = 0.0 if fault is Fault.EXPIRED and source.fails == 1 else retry.backoff(source.fails, jitter())
    source.ready = now + (failure.wait if failure.wait is not None else pause)


def _flows(worker: Worker, now: float) -> bool:
    """Whether a connection shows that its source serves. One that hangs after its head shows nothing: two of them would
    vouch for each other, and be tried for ever."""
    return worker.phase is Phase.FLOWING and (worker.progressed or worker.silence(now) < plan.STALL)


def wait(source: Source, seconds: float, now: float) -> None:
    """The server named a time before which it does not want to be asked."""
    source.ready = max(source.ready, now + min(seconds, retry.LONGEST_RETRY_AFTER))


def _refused(source: Source, served: int, now: float, pause: float = 0.0) -> None:
    """The source serves `served` connections at this moment, and not one more, for `pause` seconds at least. Whoever of
    them ends may be replaced meanwhile: it was not refused."""
    source.limit = max(1, served)
    if source.relented:
        source.hold = min(source.hold * 2, plan.LONGEST_HOLD)
    source.relented = False
    source.again = max(source.again, now + max(pause, source.hold))


def relent(queue: WorkQueue, now: float) -> None:
    """A refusal does not hold for ever: allow a source more connections, ever more rarely where that fails, and none
    while it lets one wait."""
    late = {worker.source for worker in queue.busy() if queue.is_late(worker, now)}
    for source in queue.sources:
        if source.id in late:
            continue
        if source.limit < plan.MOST_CONNECTIONS and not source.fails and now >= source.again:
            if source.relented:  # and the last one more was well received
                source.hold = max(source.hold / 2, plan.FIRST_HOLD)
            source.relented = True
            source.limit += max(1, source.limit // 2)
            source.again = now + source.hold


def is_alone_to_blame(queue: WorkQueue, silent: Worker, now: float) -> bool:
    """Whether a silence is the source's own though no other connection was heard meanwhile: another source could be
    asked instead of a mapped one, or one that serves waits while the silent one has all connections."""
    own = queue.sources[silent.source]
    others = [s for s in queue.sources if s is not own and s.error is None and now >= s.ready]
    if own.mapped and any(other.ranges is not False for other in others):
        return True
    asked = {worker.source for worker in queue.workers.values() if worker.phase is not Phase.IDLE}
    return asked == {own.id} and any(other.served and other.ranges for other in others)


def silent(queue: WorkQueue, heard: float, now: float) -> list[Worker]:
    """Connections that have been silent for longer than they are granted, while others flowed or would have."""
    return [worker for worker in queue.busy() if _is_silent(queue, worker, heard, now)]


def _is_silent(queue: WorkQueue, worker: Worker, heard: float, now: float) -> bool:
    source = queue.sources[worker.source]
    if worker.phase is Phase.ASKED and not worker.hurried:
        patience = plan.TRIAL_HEAD if source.on_trial else plan.LATE_HEAD
        if source.unanswered:  # one connection too many hangs there: the next such one is known by what others wait
            patience = min(patience, max(plan.STALL, 4 * source.delay))
    else:
        patience = plan.patience(worker.pause, worker.sway, source.rtt, source.doubt)
    if worker.silence(now) <= patience or worker.lease is None or worker.lease.pending:
        return False
    nobody = heard < max(worker.last, worker.since) + 0.5  # then it is not this connection's fault
    return not nobody or is_alone_to_blame(queue, worker, now)


def reclaim(queue: WorkQueue, source: Source, now: float) -> bool:
    """A connection that is served has nothing to do, while others wait in vain for their answers: what those were to
    fetch goes back to the queue, and they are closed. Whether there were any. They were too many only where as many as
    ever are served beside them; else they are merely slow."""
    mine = [worker for worker in queue.busy() if worker.source == source.id]
    late = [worker for worker in mine if queue.is_late(worker, now)]
    served = len(mine) - len(late) + 1
    late = [worker for worker in late if worker.lease is not None]
    if not late:
        return False
    for worker in late:
        queue.release(worker)
    queue.unneeded += late
    _refused(source, served, now)
    if served >= source.most and max(now - worker.since for worker in late) > plan.STALL:
        _hangs(source)
    return True


def jammed(queue: WorkQueue, now: float) -> list[Worker]:
    """Connections to a source that has served, where all of them wait for their answers in vain: a server that lets one
    too many hang may count those too. They are closed, and one asks anew."""
    found = []
    for source in queue.sources:
        mine = [worker for worker in queue.busy() if worker.source == source.id]
        patience = max(plan.JAM, 4 * source.longest)
        if len(mine) > 1 and source.served and all(_waits(worker, patience, now) for worker in mine):
            _refused(source, 1, now)
            _hangs(source)
            found += mine
    return found


def _waits(worker: Worker, patience: float, now: float) -> bool:
    return worker.phase is Phase.ASKED and worker.silence(now) > patience


def _hangs(source: Source) -> None:
    """It lets one connection too many hang, which is a refusal without a word."""
    source.unanswered = True
    source.busy += 1


def blame_silent(queue: WorkQueue, worker: Worker, now: float) -> None:
    """A body stopped in its middle while others flowed. A mapped source that does so again is left out; any other one
    whose answers stop before their first byte has failed, since it would else be asked for ever."""
    source = queue.sources[worker.source]
    source.stalls += 1
    source.doubt = min(source.doubt + plan.DOUBT, plan.MOST_DOUBT)
    source.rate = (source.rate or 0.0) / 4  # what it promised it did not keep: others come first
    if source.mapped and source.stalls >= STALLS:
        source.error = ConnectionLost("the mirror stopped sending")
    elif not worker.progressed and worker.since >= source.failed and not _flows_elsewhere(queue, worker):
        _strike(queue, source, now, ConnectionLost("the server stopped sending"))


def _flows_elsewhere(queue: WorkQueue, silent: Worker) -> bool:
    """Whether another connection to the same source has brought bytes since this one did."""
    others = (w for w in queue.busy() if w.source == silent.source and w is not silent)
    return any(other.phase is Phase.FLOWING and other.progressed and other.last > silent.last for other in others)


def blame_unanswered(queue: WorkQueue, worker: Worker, now: float) -> None:
    """A request got no answer while others were served: too hasty, or one connection too many."""
    source = queue.sources[worker.source]
    if source.on_trial:
        source.error = ConnectionLost("the mirror did not answer")
        return
    if worker.hurried:
        source.stumbles += 1
        return
    others = sum(1 for w in queue.busy() if w.source == source.id) - 1
    if others > 0:
        _hangs(source)
        _refused(source, others, now)
        return
    source.rate = (source.rate or 0.0) / 4  # who does answer comes first, else the only connection would wait for ever
    _strike(queue, source, now, ConnectionLost("the server did not answer"))


def _strike(queue: WorkQueue, source: Source, now: float, error: ConnectionLost) -> None:
    """One failure more without a new byte; after too many of them the source is given up."""
    source.fails += 1
    source.failed = now
    source.ready = now + retry.backoff(source.fails, 0.5)
    if source.fails > queue.limits.retries:
        source.error = error
