"""How a download stands at one moment, read from the scheduler by those who only look."""

from __future__ import annotations

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.plain import dataclass

if TYPE_CHECKING:
    from fastdl.core.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class Outlook:
    """For who decides whether a source more is worth it: `left` bytes at `rate` bytes a second; `troubled`: the origin
    fails; `trials` and `serving` count mapped sources."""

    confirmed: bool
    single: bool
    left: int | None
    rate: float
    troubled: bool
    trials: int
    serving: int


def outlook(core: Scheduler) -> Outlook:
    """What is still to come, and from whom."""
    origin = core.sources[0]
    mapped = [source for source in core.sources if source.mapped and source.error is None]
    return Outlook(
        core.confirmed,
        core.single,
        None if core.size is None else core.size - core.stored_bytes(),
        sum(worker.rate or 0.0 for worker in core.busy()),
        origin.error is not None or origin.fails > 0,
        sum(1 for source in mapped if not source.met),
        sum(1 for source in mapped if source.met),
    )


def facts(core: Scheduler) -> tuple[int, int | None, int, int, int]:
    """(bytes stored, size, connections, sources, contiguous front), for progress."""
    busy = list(core.busy())
    return core.stored_bytes(), core.size, len(busy), len({worker.source for worker in busy}), core.front()
