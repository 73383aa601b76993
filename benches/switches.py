"""fastdl with a part of its scheduler switched off, to see what that part brings.

    python -m benches.switches --off stealing,hedging -- get URL ...
    python -m benches.switches --list

The product has no such switches: what is off is replaced here, in this process, before fastdl's own entry runs. The
simulator takes the same switches (`with off(...)`), so both tell of the same parts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

Change = Callable[[], tuple[object, str, object]]
"""Where a part is: the object that has it, the name there, and what stands there while the part is off."""

_MISSING = object()


class NoSuchPart(LookupError):
    """There is no part of this name, or the scheduler has changed so that it is no longer where it was."""


def _never(answer: object) -> Callable[..., object]:
    def never(*arguments: object) -> object:
        return answer

    return never


def _pipelining() -> tuple[object, str, object]:
    from fastdl.core.scheduler import Scheduler

    return Scheduler, "wants_next", _never(False)


def _stealing() -> tuple[object, str, object]:
    from fastdl.core.scheduler import Scheduler

    return Scheduler, "_steal", _never(None)


def _hedging() -> tuple[object, str, object]:
    from fastdl.core.scheduler import Scheduler

    return Scheduler, "_hedge", _never(None)


def _stalls() -> tuple[object, str, object]:
    from fastdl.core.scheduler import Scheduler

    return Scheduler, "_replace_stalled", _never([])


def _growth() -> tuple[object, str, object]:
    from fastdl.core import plan

    begin = plan.Growth.begin

    def at_once(rtt: float, asked: int | None, per_host: int, hosts: int, now: float) -> plan.Growth:
        """As many as there may ever be, from the beginning."""
        return begin(max(rtt, plan.LOW_LATENCY), asked, per_host, hosts, now)

    return plan.Growth, "begin", staticmethod(at_once)


def _sizing() -> tuple[object, str, object]:
    from fastdl.core import plan

    def fixed(rate: float | None, remaining: int, share: float, floor: int) -> int:
        """The same for all, fast or slow, at the beginning and at the end: 1 MiB, or -k."""
        return max(floor, plan.MIN_SPLIT)

    return plan, "guided", fixed


PARTS: dict[str, tuple[str, Change]] = {
    "pipelining": ("the next request goes out before the last byte of the body in front", _pipelining),
    "stealing": ("an idle connection takes part of the range of the one that needs longest", _stealing),
    "hedging": ("the last pieces of a slow connection are fetched a second time", _hedging),
    "stalls": ("a silent connection is replaced while others flow", _stalls),
    "growth": ("on a link without latency connections are added while that pays; off: all at once", _growth),
    "sizing": ("ranges follow the rate and the rest of the file; off: 1 MiB each", _sizing),
}


@contextmanager
def off(parts: Iterable[str]) -> Iterator[None]:
    """fastdl without these parts, in this process, until the block ends. Raises NoSuchPart."""
    with ExitStack() as stack:
        for part in parts:
            if part not in PARTS:
                raise NoSuchPart(f"no part is called {part!r}; there are {', '.join(PARTS)}")
            stack.enter_context(_replaced(part, *PARTS[part][1]()))
        yield


@contextmanager
def _replaced(part: str, owner: Any, name: str, instead: object) -> Iterator[None]:
    if not hasattr(owner, name):
        raise NoSuchPart(f"{part} is not where it was: there is no {name} in {owner.__name__}")
    before = vars(owner).get(name, _MISSING)  # what a base class has is hidden, not replaced
    setattr(owner, name, instead)
    try:
        yield
    finally:
        if before is _MISSING:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


def names(text: str) -> list[str]:
    """ "stealing,hedging" -> both; raises argparse.ArgumentTypeError for an unknown name."""
    found = [word for word in text.split(",") if word]
    unknown = [word for word in found if word not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(PARTS)}")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; the exit code is fastdl's."""
    what = "\n".join(f"  {name:<11} {told}" for name, (told, _) in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benches.switches",
        description=(__doc__ or "").split("\n")[0],
        epilog=f"parts:\n{what}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--off", type=names, default=[], metavar="PART,...", help="what to do without")
    parser.add_argument("--list", action="store_true", help="print the names of the parts")
    parser.add_argument("command", nargs="*", metavar="WORD", help="fastdl's command line, behind --")
    options = parser.parse_args(argv)
    if options.list:
        print("\n".join(PARTS))
        return 0
    if not options.command:
        parser.error("give fastdl's command line behind --")
    from fastdl.__main__ import main as fastdl

    with off(options.off):
        return fastdl(options.command)


if __name__ == "__main__":
    sys.exit(main())
