"""Prometheus' text exposition format, version 0.0.4: families of metrics as text that any scraper reads.

Only the format is here; which metrics there are is said in engine/metrics.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from fastdl.core.hints import Literal
from fastdl.core.pattern import pattern
from fastdl.core.record import Record

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METRIC_NAME = pattern(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL_NAME = pattern(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")

Labels = tuple[tuple[str, str], ...]


class Sample(Record):
    """One value. `labels`: (name, value) pairs; `suffix` is put behind the family's name (`_sum`, `_count`)."""

    value: float
    labels: Labels = ()
    suffix: str = ""


class Family(Record):
    """All samples of one name. `kind` is Prometheus' type; a family without samples is left out of the text."""

    name: str
    kind: Literal["counter", "gauge", "summary"]
    help: str
    samples: tuple[Sample, ...]


def render(families: Iterable[Family], common: Labels = ()) -> str:
    """The text, with a line feed at its end. `common` labels stand first in every sample.

    Raises ValueError for names that the format does not allow: those are the program's own, never the network's."""
    lines: list[str] = []
    for family in families:
        if family.samples:
            lines += _family(family, common)
    return "".join(line + "\n" for line in lines)


def _family(family: Family, common: Labels) -> list[str]:
    if not METRIC_NAME.fullmatch(family.name):
        raise ValueError(f"no name of a metric: {family.name!r}")
    head = [f"# HELP {family.name} {_help(family.help)}", f"# TYPE {family.name} {family.kind}"]
    return head + [
        f"{family.name}{sample.suffix}{_labels(common + sample.labels)} {number(sample.value)}"
        for sample in family.samples
    ]


def _help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _labels(labels: Labels) -> str:
    for name, _ in labels:
        if not LABEL_NAME.fullmatch(name):
            raise ValueError(f"no name of a label: {name!r}")
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    """A label's value. What UTF-8 cannot hold (half of a surrogate pair, from a file's name) becomes `?`."""
    sound = value.encode("utf-8", "replace").decode("utf-8")
    return sound.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def number(value: float) -> str:
    """A value as Go's ParseFloat reads it. Whole numbers are written in full: a counter of bytes loses nothing."""
    if isinstance(value, int):
        return str(int(value))
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))
