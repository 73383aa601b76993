"""`-r RATE`: whether the mean is the rate, and whether no second gets much more, by what arrives at this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benches.metered import Metered
from benches.row import Goal, Row, Sample, Setting, Task, Term, sample
from benches.text import KIB, MIB

_FILES = 64
# name, rate in bytes a second, files, options; each must be true for one and for many connections and files
_CASES = (
    ("one connection", 8 * MIB, 1, ("-x", "1")),
    ("eight connections", 8 * MIB, 1, ("-x", "8")),
    ("many files", 8 * MIB, _FILES, ("-j", "8")),
    ("slow, eight connections", 512 * KIB, 1, ("-x", "8")),
)
_QUICK = _CASES[:3]
_SECONDS, _QUICK_SECONDS = 10, 3


@contextmanager
def _prepare(setting: Setting) -> Iterator[Sequence[Task]]:
    seconds = _QUICK_SECONDS if setting.quick else _SECONDS
    with ExitStack() as stack:
        tasks = []
        for name, rate, files, options in _QUICK if setting.quick else _CASES:
            server = stack.enter_context(Metered(rate * seconds // files))
            tasks.append(_task(setting, server, name, rate, files, options))
        yield tasks


def _task(setting: Setting, server: Metered, name: str, rate: int, files: int, options: Sequence[str]) -> Task:
    listed = setting.home / f"{name}.txt"
    listed.write_text("".join(f"{server.url(f'f{number}.bin')}\n" for number in range(files)), encoding="utf-8")

    def run(tree: Path) -> Sample:
        out = setting.empty(setting.memory / "out")
        server.reset()
        run = setting.fastdl(tree, ["get", "-q", "-r", str(rate), *options, "-d", str(out), "-i", str(listed)])
        arrivals = server.arrivals()
        off = abs(arrivals.mean() / rate - 1)
        return sample(run, off=off, largest=arrivals.largest(1.0) / rate)

    return Task(name, run, own=True)


def _goals() -> Iterator[Goal]:
    for name, *_ in _CASES:
        yield Goal(f"{name}: mean off by", Term(name, "off"), limit=0.02, unit="%")
        yield Goal(f"{name}: fullest second / rate", Term(name, "largest"), limit=1.1)


ROW = Row(
    name="rate",
    title="-r RATE",
    goals=tuple(_goals()),
    prepare=_prepare,
    warm=0,
    quick_runs=1,
)
