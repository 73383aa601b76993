"""Two mirrors behind links of 200 and 50 Mbit, 80 ms: how much of both together a program gets from start to end."""

from __future__ import annotations

from benches.row import Goal, Row, Term
from benches.text import MIB
from benches.wan.course import NEEDS, against_aria2
from benches.wan.link import Link

ROW = Row(
    name="wan_mirrors",
    title="two mirrors, 200 + 50 Mbit, 80 ms, 256 MiB",
    goals=(
        Goal("of the sum of the links", Term("fastdl", "share"), limit=0.92, at_least=True, unit="%"),
        Goal("the same, aria2c -x8", Term("aria2c -x8", "share"), at_least=True, unit="%"),
    ),
    prepare=against_aria2([Link(200), Link(50)], 8, size=256 * MIB, quick_size=32 * MIB),
    needs=NEEDS,
    warm=0,
    quick_runs=1,
)
